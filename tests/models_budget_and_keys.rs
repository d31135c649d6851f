//! The door to models, over real HTTP against a scripted server: the budget, keys, and the ways that connections take.

#[path = "common/asking.rs"]
mod asking;
#[path = "common/server.rs"]
mod server;

use asking::*;
use datamake::ask::{Price, Spec, Task, Usage};
use datamake::diag::{Style, render};
use datamake::fetch::models::{Asking, Budget, Delivery, Endpoint, Environment, Limits, Models, Provider};
use datamake::store::Responses;
use server::{Account, Act, Play, Server, answer_to};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

// --- Money -----------------------------------------------------------------------------------------------------------

const PRICE: Price = Price { input: 1.0, output: 4.0 };

fn billed(account: Account) -> f64 {
    PRICE.of(Usage { input: account.input, output: account.output })
}

#[test]
fn the_budget_is_never_passed_whatever_replies_cost_and_also_across_a_crash() {
    for run in 0..50u64 {
        let server = Server::with(move |asked| {
            let random = asked.hash().wrapping_mul(run * 2 + 1) >> 7;
            // Near the worst, or unknown: then both sides differ, and the ledger has to think worse of it.
            let usage = Some((random % 250, 70 + (random >> 8) % 31));
            let act = match random % 40 {
                0 => Act::NoUsage,
                1 => Act::Reset,
                2 => Act::error(500, "oops"),
                _ => Act::Answer,
            };
            Play { act, latency: Duration::from_millis(random % 7), usage }
        });
        let folder = tempfile::tempdir().unwrap();
        let responses = responses(folder.path());
        let cap = 0.03;
        let asking = Asking {
            budget: Budget { money: Some(cap), requests: None },
            ledger: folder.path().join("state/ledger"),
            ..Asking::default()
        };
        let priced = Endpoint {
            price: Some(PRICE),
            limits: Limits { concurrency: Some(64), ..Limits::default() },
            ..endpoint(server.url())
        };
        let spec = spec(Task::Chat);
        let mut over = false;
        for part in 0..4 {
            let models = Models::open_in(&nothing(), vec![priced.clone()], responses.clone(), asking.clone()).unwrap();
            (0..150).for_each(|text| models.order(order(text, &user(&spec, format!("text {}", part * 150 + text)))));
            // All but the last are dropped with requests on their way, without closing.
            let count = if part == 3 { 150 } else { 40 };
            for _ in 0..count {
                let (_, delivery) = models.deliver_within(PATIENCE).expect("no hang");
                over |= matches!(delivery, Delivery::OverBudget(_));
            }
        }
        std::thread::sleep(Duration::from_millis(20));
        let spent = billed(server.account());
        assert!(spent <= cap, "run {run}: {spent}");
        assert!(over && spent > cap * 0.3, "run {run}: {spent}");
    }
}

#[test]
fn a_budget_of_requests_counts_every_attempt() {
    let server =
        Server::with(|asked| if asked.index % 2 == 0 { Act::error(500, "oops").into() } else { Act::Answer.into() });
    let folder = tempfile::tempdir().unwrap();
    let budget = Budget { money: None, requests: Some(20) };
    let models = open(
        vec![endpoint(server.url())],
        Asking { budget, ledger: folder.path().join("ledger"), ..Asking::default() },
    );
    let taken = ask_all(&models, &spec(Task::Chat), 0..50);
    assert_eq!(server.requests(), 20);
    assert!(taken.values().any(|delivery| matches!(delivery, Delivery::OverBudget(_))));
    assert_eq!(models.spending().requests, 20);
    models.close_budget().unwrap();
    assert!(!folder.path().join("ledger").exists());
}

#[test]
fn a_build_without_a_budget_that_comes_to_its_end_leaves_no_old_session() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let open_with = |requests: Option<u64>| {
        let budget = Budget { money: None, requests };
        open(vec![endpoint(server.url())], Asking { budget, ledger: path.clone(), ..Asking::default() })
    };
    let killed = open_with(Some(20));
    assert_answered(&ask_all(&killed, &spec(Task::Chat), 0..5));
    drop(killed);
    let whole = open_with(None);
    assert_eq!(whole.spending().carried, (0.0, 0));
    whole.close_budget().unwrap();
    assert!(!path.exists());
    assert_eq!(open_with(Some(20)).spending().carried, (0.0, 0));
    // What is not a ledger is nobody's to remove.
    std::fs::write(&path, "my diary\n").unwrap();
    open_with(None).close_budget().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "my diary\n");
}

#[test]
fn small_replies_leave_room_for_more_than_their_worst() {
    let server =
        Server::with(|_| Play { usage: Some((1, 1)), latency: Duration::from_millis(1), ..Act::Answer.into() });
    let folder = tempfile::tempdir().unwrap();
    let priced = Endpoint { price: Some(PRICE), ..endpoint(server.url()) };
    let worst = PRICE.of(datamake::fetch::models::worst_case(&user(&spec(Task::Chat), "text 00")).unwrap());
    // Room for three at their worst at a time, and for all as they are.
    let budget = Budget { money: Some(worst * 3.0 + 100.0 * 5e-6), requests: None };
    let models = open(vec![priced], Asking { budget, ledger: folder.path().join("ledger"), ..Asking::default() });
    assert_answered(&ask_all(&models, &spec(Task::Chat), 0..100));
    assert!((models.spending().money - 100.0 * 5e-6).abs() < 1e-12);
    assert!((models.traffic(0).money - 100.0 * 5e-6).abs() < 1e-12);
}

#[test]
fn a_budget_needs_to_know_what_things_can_cost() {
    let folder = tempfile::tempdir().unwrap();
    let budget = Budget { money: Some(1.0), requests: None };
    let asking = Asking { budget, ledger: folder.path().join("ledger"), ..Asking::default() };
    let server = Server::start();
    let unpriced = Models::open_in(&nothing(), vec![endpoint(server.url())], responses(folder.path()), asking.clone());
    assert_eq!(codes(unpriced), ["unknown-cost"]);
    let priced = Endpoint { price: Some(PRICE), ..endpoint(server.url()) };
    let models = open(vec![priced], asking);
    let boundless = Arc::new(Spec::new(0, Task::Chat, "small", BTreeMap::new(), None, None));
    models.order(order(0, &user(&boundless, "text")));
    assert_eq!(problem(&take(&models, 1)[&0]).code, "unknown-cost");
    assert_eq!(server.requests(), 0);
}

// --- Keys ------------------------------------------------------------------------------------------------------------

const CANARY: &str = "sk-canary-4711/0815+x";

/// An environment with the canary under `MY_KEY` and known names, and a configuration.
fn environment(folder: &Path, configuration: &str) -> Environment {
    let path = folder.join("config.toml");
    std::fs::write(&path, configuration).unwrap();
    Environment::new(move |name| match name {
        "MY_KEY" | "OPENAI_API_KEY" => Some(CANARY.to_owned()),
        "DATAMAKE_CONFIG" => Some(path.to_str().unwrap().to_owned()),
        _ => None,
    })
}

#[test]
fn a_key_goes_only_where_the_user_lets_it() {
    let folder = tempfile::tempdir().unwrap();
    let open = |configuration: &str, key: Option<&str>, url: &str| {
        let endpoint = Endpoint { key: key.map(str::to_owned), ..endpoint(url.to_owned()) };
        let environment = environment(folder.path(), configuration);
        Models::open_in(&environment, vec![endpoint], responses(folder.path()), Asking::default())
    };
    let allowed = "[keys]\nMY_KEY = [\"llm.example.org\", \"localhost:8080\", \"10.0.0.7:8000\"]\n";
    let check = |configuration: &str, key: Option<&str>, url: &str, expect: &[&str]| {
        let opened = open(configuration, key, url);
        assert!(!format!("{opened:?}").contains("canary"));
        assert_eq!(codes(opened), expect, "{key:?} {url}");
    };
    check(allowed, Some("MY_KEY"), "https://llm.example.org/v1", &[]);
    check(allowed, Some("MY_KEY"), "http://localhost:8080/v1", &[]);
    check(allowed, Some("MY_KEY"), "https://llm.example.org.evil.com/v1", &["key-not-allowed"]);
    check(allowed, Some("MY_KEY"), "https://llm.example.org:8443/v1", &["key-not-allowed"]);
    check(allowed, Some("MY_KEY"), "http://localhost:8081/v1", &["key-not-allowed"]);
    check(allowed, Some("MY_KEY"), "http://10.0.0.7:8000/v1", &["key-unencrypted"]);
    check("", Some("OPENAI_API_KEY"), "https://api.openai.com/v1", &[]);
    check("", None, "https://api.openai.com/v1", &[]);
    check("", Some("OPENAI_API_KEY"), "https://openai.evil.com/v1", &["key-not-allowed"]);
    check("", Some("OPENAI_API_KEY"), "http://api.openai.com/v1", &["key-not-allowed"]);
    check("", Some("MY_KEY"), "https://api.openai.com/v1", &["key-not-allowed"]);
    check("[keys]\nGROQ_API_KEY = 3\n", None, "http://localhost:1/v1", &["user-configuration"]);
    check("keys = [", None, "http://localhost:1/v1", &["user-configuration"]);
    check("", Some("GROQ_API_KEY"), "https://api.groq.com/openai/v1", &["missing-key"]);
    check("", None, "https://user:pass@llm.example.org/v1", &["wrong-url"]);
    check("", None, "ftp://llm.example.org/v1", &["wrong-url"]);
    let refused = open("", Some("OPENAI_API_KEY"), "https://llm.example.org/v1").unwrap_err();
    assert_eq!(
        refused.0[0].help,
        [format!(
            "if it should, write into `{}`:\n[keys]\nOPENAI_API_KEY = [\"llm.example.org\"]",
            folder.path().join("config.toml").display()
        )]
    );
}

/// A server that a key may go to, and models that send it.
fn with_key(folder: &Path, server: &Server, provider: Provider) -> (Models, Arc<Responses>) {
    let configuration = format!("[keys]\nMY_KEY = [\"{}\"]\n", server.authority());
    let responses = responses(folder);
    let endpoint = Endpoint { key: Some("MY_KEY".to_owned()), provider, ..endpoint(server.url()) };
    let environment = environment(folder, &configuration);
    (Models::open_in(&environment, vec![endpoint], responses.clone(), Asking::default()).unwrap(), responses)
}

#[test]
fn a_key_is_sent_and_found_in_nothing_that_is_kept_or_shown() {
    let folder = tempfile::tempdir().unwrap();
    let escaped = CANARY.replace('/', "\\/").replace('+', "\\u002b");
    let echo = move |asked: &server::Asked| {
        let key = asked.header("authorization").unwrap_or("nothing").to_owned();
        assert!(key.contains(CANARY) || key == "nothing");
        match asked.text {
            "plain" => Act::say(key),
            "escaped" => {
                let body = format!(
                    r#"{{"model":"{escaped}","choices":[{{"message":{{"content":"it is {escaped}","reasoning_content":"{escaped}"}},"logprobs":{{"{escaped}":["{escaped}"]}}}}]}}"#
                );
                Act::Status(200, body, Vec::new())
            }
            "rejected" => Act::error(400, &key),
            "broken" => Act::Status(200, format!("<html>{key}"), Vec::new()),
            "redirect" => Act::redirect(&format!("http://127.0.0.1:1/?{key}")),
            _ => Act::error(401, &key),
        }
        .into()
    };
    let texts = ["plain", "escaped", "rejected", "broken", "redirect", "refused"];
    let mut shown = String::new();
    for text in texts {
        let server = Server::with(echo.clone());
        let (models, responses) = with_key(folder.path(), &server, Provider::OpenAi);
        let delivery = ask_one(&models, text);
        let log = server.log();
        assert!(log[0].headers.contains(&("authorization".to_owned(), format!("Bearer {CANARY}"))));
        shown += &format!("{delivery:?} {models:?}");
        if let Delivery::Unusable(problem) = &delivery {
            shown += &render(&problem.clone().into(), Style::Plain);
        }
        responses
            .for_each(|_, body| {
                shown += &String::from_utf8_lossy(body);
                Ok(())
            })
            .unwrap();
    }
    assert!(shown.contains("answer") || shown.contains("[key]"));
    assert!(shown.contains("it is [key]"));
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn the_git_program_sees_no_key() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (git, seen) = (folder.path().join("git"), folder.path().join("seen"));
    std::fs::write(&git, format!("#!/bin/sh\n/usr/bin/env >> {}\nexit 1\n", seen.display())).unwrap();
    std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(folder.path().join("rows.jsonl"), "{\"a\": 1}\n").unwrap();
    std::fs::write(folder.path().join("datamake.toml"), "[dataset.rows]\nfiles = \"rows.jsonl\"\n").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_datamake"))
        .arg("build")
        .current_dir(folder.path())
        .env("PATH", folder.path())
        .env("OPENAI_API_KEY", CANARY)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("PATH=") && !seen.contains("canary"), "{seen}");
}

#[test]
fn anthropic_gets_its_key_in_its_own_header() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let (models, _) = with_key(folder.path(), &server, Provider::Anthropic);
    assert!(matches!(ask_one(&models, "text"), Delivery::Answer(_)));
    let served = &server.log()[0];
    assert_eq!(served.path, "/v1/messages");
    assert!(served.headers.contains(&("x-api-key".to_owned(), CANARY.to_owned())));
    assert!(!served.headers.iter().any(|(name, _)| name == "authorization"));
}

#[test]
fn a_redirect_is_not_followed_and_does_not_carry_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let thief = Server::start();
    let to = format!("{}/chat/completions", thief.url());
    let server = Server::with(move |_| Act::redirect(&to).into());
    let (models, _) = with_key(folder.path(), &server, Provider::OpenAi);
    let delivery = ask_one(&models, "text");
    assert!(problem(&delivery).title.contains("sends requests elsewhere"));
    assert!(problem(&delivery).notes[0].contains(&thief.url()));
    assert_eq!((server.requests(), thief.requests()), (1, 0));
}

// --- Connections -----------------------------------------------------------------------------------------------------

/// A proxy that leads every connection to one address, and tells where they wanted to go.
fn proxy(to: String) -> (String, std::sync::mpsc::Receiver<String>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            tell.send(String::from_utf8(head).unwrap()).unwrap();
            let mut server = std::net::TcpStream::connect(&to).unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (mut client_in, mut server_out) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut client_in, &mut server_out));
            std::thread::spawn(move || std::io::copy(&mut server, &mut client));
        }
    });
    (address, told)
}

#[test]
fn proxies_are_used_except_for_this_machine_itself() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let (address, told) = proxy(server.authority());
    let with = |variable: &'static str, value: String| {
        let environment = Environment::new(move |name| (name == variable).then(|| value.clone()));
        let elsewhere = endpoint("http://llm.test:1234/v1".to_owned());
        let here = endpoint(server.url());
        Models::open_in(&environment, vec![elsewhere, here], responses(folder.path()), Asking::default())
    };
    let models = with("HTTP_PROXY", format!("http://me:secret@{address}")).unwrap();
    assert!(!format!("{models:?}").contains("secret"));
    assert_eq!(response(&ask_one(&models, "text 0")).text, answer_to("text 0"));
    let head = told.recv().unwrap();
    assert!(head.starts_with("CONNECT llm.test:1234 HTTP/1.1\r\n") && head.contains("Basic bWU6c2VjcmV0"), "{head}");
    let here = Arc::new(Spec::new(1, Task::Chat, "small", BTreeMap::new(), None, None));
    models.order(order(1, &user(&here, "text 1")));
    assert_eq!(response(&take(&models, 1)[&1]).text, answer_to("text 1"));
    assert!(told.try_recv().is_err());
    assert_eq!(codes(with("ALL_PROXY", format!("socks5://{address}"))), ["proxy-unsupported"]);
}

#[test]
fn an_endpoint_that_does_not_speak_tls_is_told_in_seconds() {
    let server = Server::start();
    let models = open(vec![endpoint(server.url().replace("http:", "https:"))], Asking::default());
    let start = Instant::now();
    let delivery = ask_one(&models, "text");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(problem(&delivery).title.ends_with("cannot be reached"), "{delivery:?}");
}
