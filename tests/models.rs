//! The door to models, over real HTTP against a scripted server: interfaces, the memo, every fault, limits.

#[path = "common/asking.rs"]
mod asking;
#[path = "common/server.rs"]
mod server;

use asking::*;
use datamake::ask::{self, FailureKind, Finish, Message, Request, Role, Spec, Task, Usage};
use datamake::fetch::models::{Asking, Budget, Delivery, Endpoint, Limits, Models, Order, Provider, TokensField};
use server::{Account, Act, Play, Server, Setup, answer_to, vector_of};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

// --- Interfaces ------------------------------------------------------------------------------------------------------

#[test]
fn a_chat_goes_out_as_it_is_declared_and_comes_back_whole() {
    let server = Server::start();
    let models = open(vec![endpoint(server.url())], Asking::default());
    let params = BTreeMap::from([
        ("temperature".to_owned(), 0.5.into()),
        ("seed".to_owned(), 7.into()),
        ("min_p".to_owned(), serde_json::json!({"of": "vLLM"})),
    ]);
    let schema = r#"{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"string"}}}"#.to_owned();
    let spec = Arc::new(Spec::new(0, Task::Chat, "name in keys", params, Some(schema.clone()), Some(64)));
    let messages = vec![
        Message { role: Role::System, content: "Be \"short\".\n".to_owned() },
        Message { role: Role::User, content: "text ü".to_owned() },
    ];
    let request = Arc::new(Request { spec, messages, sample: 3 });
    models.order(order(9, &request));
    let delivery = take(&models, 1).remove(&9).unwrap();
    let response = response(&delivery);
    assert_eq!(response.text, answer_to("text ü"));
    assert_eq!((response.finish, response.attempts, response.max_tokens), (Finish::Stop, 1, Some(64)));
    assert_eq!(response.model.as_deref(), Some("small"));
    assert!(response.usage.is_some_and(|usage| usage.input > 0 && usage.output > 0));
    let served = &server.log()[0];
    assert_eq!(served.path, "/v1/chat/completions");
    let body: serde_json::Value = serde_json::from_str(&served.body).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "model": "small", "temperature": 0.5, "min_p": {"of": "vLLM"}, "seed": 10, "max_tokens": 64,
            "messages": [{"role": "system", "content": "Be \"short\".\n"}, {"role": "user", "content": "text ü"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "reply", "strict": false, "schema": schema}},
        })
    );
    assert!(served.body.find(r#""b":"#) < served.body.find(r#""a":"#), "properties stay in their order");
    assert!(!served.headers.iter().any(|(name, _)| name == "authorization"));
}

#[test]
fn the_endings_of_a_reply_are_told_apart() {
    let server = Server::with(|asked| match asked.text {
        "cut" => Act::Say("half a".to_owned(), "length").into(),
        "filter" => Act::Say(String::new(), "content_filter").into(),
        "refuse" => Act::Refuse.into(),
        "withheld" => {
            Act::Status(400, r#"{"error":{"code":"content_filter","message":"no"}}"#.to_owned(), Vec::new()).into()
        }
        "empty" => Act::say("").into(),
        "fence" => Act::say("```json\n{}\n```").into(),
        _ => Act::NoUsage.into(),
    });
    let models = open(vec![endpoint(server.url())], Asking::default());
    let check = |text: &str, finish: Finish, reply: &str| {
        let delivery = ask_one(&models, text);
        assert_eq!((response(&delivery).finish, response(&delivery).text.as_str()), (finish, reply), "{text}");
        response(&delivery).usage
    };
    check("cut", Finish::Length, "half a");
    check("filter", Finish::ContentFilter, "");
    check("withheld", Finish::ContentFilter, "");
    check("refuse", Finish::Refusal, "I will not");
    check("empty", Finish::Stop, "");
    check("fence", Finish::Stop, "```json\n{}\n```");
    assert_eq!(check("no usage", Finish::Stop, &answer_to("no usage")), None);
    assert_eq!(server.requests(), 7);
}

#[test]
fn a_reply_is_a_value_only_if_the_endpoint_calls_it_whole() {
    const WHOLE: &[&str] = &["stop", "eos", "eos_token", "stop_sequence", "end_turn", "tool_calls", "STOP"];
    const CUT: &[&str] = &["length", "max_tokens", "model_length", "MAX_TOKENS"];
    const WITHHELD: &[&str] = &["content_filter", "SAFETY"];
    const BROKEN: &[&str] = &["abort", "pause_turn", "insufficient_system_resource", "error", "some_new_word"];
    let server = Server::with(|asked| {
        let word = [WHOLE, CUT, WITHHELD, BROKEN].concat().into_iter().find(|word| *word == asked.text);
        Act::Say("half a".to_owned(), word.expect("a word of the lists")).into()
    });
    let models = open(vec![Endpoint { attempts: 2, ..endpoint(server.url()) }], Asking::default());
    for (words, finish) in [(WHOLE, Finish::Stop), (CUT, Finish::Length), (WITHHELD, Finish::ContentFilter)] {
        for word in words {
            assert_eq!(response(&ask_one(&models, word)).finish, finish, "{word}");
        }
    }
    let before = server.requests();
    for word in BROKEN {
        let delivery = ask_one(&models, word);
        let (kind, detail) = failure(&delivery);
        assert_eq!(kind, FailureKind::Transport, "{word}");
        assert!(detail.contains(&format!("`{word}`")), "{detail}");
    }
    assert_eq!(server.requests() - before, 2 * BROKEN.len() as u64, "each is tried again");
    let claude = Endpoint {
        provider: Provider::Anthropic,
        url: Some(format!("http://{}", server.authority())),
        attempts: 1,
        ..endpoint(String::new())
    };
    let models = open(vec![claude], Asking::default());
    assert!(failure(&ask_one(&models, "pause_turn")).1.contains("`pause_turn`"));
}

#[test]
fn completions_and_anthropics_messages_work_as_chats_do() {
    let server = Server::start();
    let claude = Endpoint {
        node: "claude".to_owned(),
        provider: Provider::Anthropic,
        url: Some(format!("http://{}", server.authority())),
        ..endpoint(String::new())
    };
    let models = open(vec![endpoint(server.url()), claude], Asking::default());
    models.order(order(0, &user(&spec(Task::Completion), "text 0")));
    let params = BTreeMap::from([("stop".to_owned(), "END".into()), ("seed".to_owned(), 1.into())]);
    let closed = r#"{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}"#;
    let spec = Arc::new(Spec::new(1, Task::Chat, "claude", params.clone(), Some(closed.to_owned()), Some(50)));
    let system = Message { role: Role::System, content: "Be short.".to_owned() };
    let question = Message { role: Role::User, content: "text 1".to_owned() };
    let messages = vec![system, question];
    models.order(order(1, &Arc::new(Request { spec, messages: messages.clone(), sample: 0 })));
    let open = r#"{"type":"object"}"#;
    let spec = Arc::new(Spec::new(1, Task::Chat, "claude", params, Some(open.to_owned()), Some(50)));
    models.order(order(2, &Arc::new(Request { spec, messages, sample: 0 })));
    let taken = take(&models, 3);
    assert_eq!(response(&taken[&0]).text, answer_to("text 0"));
    assert_eq!(response(&taken[&1]).text, answer_to("text 1"));
    assert_eq!(response(&taken[&2]).text, answer_to("text 1"));
    let log = server.log();
    let completion = log.iter().find(|served| served.path == "/v1/completions").unwrap();
    assert_eq!(completion.body, r#"{"model":"small","max_tokens":100,"prompt":"text 0"}"#);
    let mut bodies: Vec<serde_json::Value> = log
        .iter()
        .filter(|served| served.path == "/v1/messages")
        .map(|served| serde_json::from_str(&served.body).unwrap())
        .collect();
    bodies.sort_by_key(|body| body.get("output_config").is_none());
    let asked = serde_json::json!([{"role": "user", "content": "text 1"}]);
    assert_eq!(
        bodies[0],
        serde_json::json!({
            "model": "small", "max_tokens": 50, "stop_sequences": ["END"], "system": "Be short.", "messages": asked,
            "output_config": {"format": {"type": "json_schema", "schema": {
                "type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false,
            }}},
        })
    );
    assert!(bodies[1]["system"].as_str().unwrap().ends_with(open), "an open schema is told in words");
    let messages = log.iter().find(|served| served.path == "/v1/messages").unwrap();
    assert!(messages.headers.contains(&("anthropic-version".to_owned(), "2023-06-01".to_owned())));
}

#[test]
fn texts_to_embed_go_out_together_and_are_remembered_apart() {
    let server = Server::with(|_| Play::after(Duration::from_millis(20)));
    let folder = tempfile::tempdir().unwrap();
    let responses = responses(folder.path());
    let models =
        Models::open_in(&nothing(), vec![endpoint(server.url())], responses.clone(), Asking::default()).unwrap();
    let spec = spec(Task::Embedding);
    let taken = ask_all(&models, &spec, 0..500);
    for (ticket, delivery) in &taken {
        assert_eq!(response(delivery).vector, vector_of(&format!("text {ticket}")));
        let request = user(&spec, format!("text {ticket}"));
        assert!(ask::find(&responses, &request.key(), &request).unwrap().is_some());
    }
    assert!(server.requests() <= 10, "{}", server.requests());
    let billed = server.account().input;
    assert_eq!(taken.values().map(|delivery| response(delivery).usage.unwrap().input).sum::<u64>(), billed);
    assert_eq!(models.traffic(0).usage, Usage { input: billed, output: 0 });
}

#[test]
fn a_vector_that_could_not_be_kept_is_a_bad_answer() {
    let server = Server::with(|asked| {
        let number = if asked.before == 0 { "1e39" } else { "1e38" };
        let body = format!(r#"{{"data":[{{"embedding":[0.5,{number}]}}],"usage":{{"prompt_tokens":1}}}}"#);
        Act::Status(200, body, Vec::new()).into()
    });
    let folder = tempfile::tempdir().unwrap();
    let kept = responses(folder.path());
    let models = Models::open_in(&nothing(), vec![endpoint(server.url())], kept.clone(), Asking::default()).unwrap();
    let request = user(&spec(Task::Embedding), "text");
    models.order(order(0, &request));
    let taken = take(&models, 1);
    assert_eq!((&response(&taken[&0]).vector, response(&taken[&0]).attempts), (&vec![0.5, 1e38], 2));
    assert_eq!(ask::find(&kept, &request.key(), &request).unwrap().unwrap().vector, [0.5, 1e38]);
}

#[test]
fn one_text_that_is_rejected_does_not_take_the_others_with_it() {
    let server = Server::with(|asked| match asked.body.contains("text 3\"") {
        true => Act::error(400, "too long").into(),
        false => Act::Answer.into(),
    });
    let models = open(vec![endpoint(server.url())], Asking::default());
    let taken = ask_all(&models, &spec(Task::Embedding), 0..8);
    assert_eq!(failure(&taken[&3]).0, FailureKind::Rejected);
    assert_eq!(taken.values().filter(|delivery| matches!(delivery, Delivery::Answer(_))).count(), 7);
}

#[test]
fn replay_sends_nothing_and_says_what_is_missing() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let responses = responses(folder.path());
    let models =
        Models::open_in(&nothing(), vec![endpoint(server.url())], responses.clone(), Asking::default()).unwrap();
    assert!(matches!(ask_one(&models, "known"), Delivery::Answer(_)));
    drop(models);
    let replay = Endpoint { provider: Provider::Replay, ..endpoint(server.url()) };
    let budget = Budget { money: Some(0.0), requests: Some(0) };
    let asking = Asking { budget, ledger: folder.path().join("ledger"), ..Asking::default() };
    let models = Models::open_in(&nothing(), vec![replay], responses, asking).unwrap();
    assert_eq!(response(&ask_one(&models, "known")).text, answer_to("known"));
    let delivery = ask_one(&models, "unknown");
    assert_eq!(problem(&delivery).code, "not-recorded");
    assert!(problem(&delivery).notes[0].contains("unknown"));
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_parameter_that_would_change_what_comes_back_is_refused() {
    let server = Server::start();
    let models = open(vec![endpoint(server.url())], Asking::default());
    for name in ["stream", "stream_options", "best_of", "model", "max_tokens", "max_completion_tokens"] {
        let params = BTreeMap::from([(name.to_owned(), true.into())]);
        let spec = Arc::new(Spec::new(0, Task::Chat, "small", params, None, None));
        models.order(order(0, &user(&spec, "text")));
        assert!(problem(&take(&models, 1)[&0]).title.contains(&format!("`{name}`")));
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn the_limit_of_tokens_goes_out_in_the_field_that_the_model_says() {
    let server = Server::start();
    for (said, name) in [
        (None, "max_tokens"),
        (Some(TokensField::MaxTokens), "max_tokens"),
        (Some(TokensField::MaxCompletionTokens), "max_completion_tokens"),
    ] {
        let models = open(vec![Endpoint { max_tokens_field: said, ..endpoint(server.url()) }], Asking::default());
        response(&ask_one(&models, "text"));
        let body: serde_json::Value = serde_json::from_str(&server.log().last().unwrap().body).unwrap();
        let limits: Vec<_> = body.as_object().unwrap().iter().filter(|(field, _)| field.contains("tokens")).collect();
        assert_eq!(limits, [(&name.to_owned(), &serde_json::json!(100))]);
    }
}

// --- The memo --------------------------------------------------------------------------------------------------------

#[test]
fn the_same_request_in_flight_is_sent_once() {
    let server = Server::with(|_| Play::after(Duration::from_millis(50)));
    let models = open(vec![endpoint(server.url())], Asking::default());
    let request = user(&spec(Task::Chat), "text 0");
    (0..20).for_each(|ticket| models.order(order(ticket, &request)));
    let taken = take(&models, 20);
    assert!(taken.values().all(|delivery| response(delivery).text == answer_to("text 0")));
    models.order(order(21, &request));
    assert_eq!(response(&take(&models, 1)[&21]).text, answer_to("text 0"));
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_reply_cut_off_for_one_is_asked_again_for_another_who_allows_more() {
    let server = Server::with(|asked| match asked.max_tokens {
        Some(10) => Play { latency: Duration::from_millis(50), ..Act::Say("half".to_owned(), "length").into() },
        _ => Act::Answer.into(),
    });
    let models = open(vec![endpoint(server.url())], Asking::default());
    let limited = |tokens| Arc::new(Spec::new(0, Task::Chat, "small", BTreeMap::new(), None, Some(tokens)));
    models.order(order(0, &user(&limited(10), "text")));
    models.order(order(1, &user(&limited(100), "text")));
    let taken = take(&models, 2);
    assert_eq!(response(&taken[&0]).finish, Finish::Length);
    assert_eq!(response(&taken[&1]).text, answer_to("text"));
    assert_eq!(server.requests(), 2);
}

#[test]
fn another_answer_is_asked_for_although_one_is_recorded() {
    let server = Server::with(|asked| Act::say(format!("answer {}", asked.before)).into());
    let models = open(vec![endpoint(server.url())], Asking::default());
    assert_eq!(response(&ask_one(&models, "text")).text, "answer 0");
    models.order(Order { reuse: false, ..order(1, &user(&spec(Task::Chat), "text")) });
    assert_eq!(response(&take(&models, 1)[&1]).text, "answer 1");
    assert_eq!(response(&ask_one(&models, "text")).text, "answer 1", "the newest counts");
}

#[test]
fn the_same_requests_of_two_processes_are_sent_once() {
    let server = Server::with(|_| Play::after(Duration::from_millis(30)));
    let folder = tempfile::tempdir().unwrap();
    // Two handles on the same folder see each other as two processes do.
    let limits = Limits { concurrency: Some(8), ..Limits::default() };
    let open = || {
        let endpoint = Endpoint { limits, ..endpoint(server.url()) };
        Models::open_in(&nothing(), vec![endpoint], responses(folder.path()), Asking::default()).unwrap()
    };
    let (one, other) = (open(), open());
    let spec = spec(Task::Chat);
    for ticket in 0..60 {
        one.order(order(ticket, &user(&spec, format!("text {ticket}"))));
        other.order(order(ticket, &user(&spec, format!("text {ticket}"))));
    }
    assert_answered(&take(&one, 60));
    assert_answered(&take(&other, 60));
    assert_eq!(server.requests(), 60);
    // What a process that ended had claimed is free again.
    let third = open();
    third.order(order(0, &user(&spec, "slow")));
    while server.requests() == 60 {
        std::thread::sleep(Duration::from_millis(1));
    }
    one.order(order(0, &user(&spec, "slow")));
    std::thread::sleep(Duration::from_millis(5));
    drop(third);
    assert_eq!(response(&take(&one, 1)[&0]).text, answer_to("slow"));
}

// --- Faults ----------------------------------------------------------------------------------------------------------

#[test]
fn what_passes_is_tried_again() {
    let faults: [fn() -> Act; 13] = [
        || Act::throttle(None),
        || Act::throttle(Some("0.05")),
        || Act::error(500, "oops"),
        || Act::error(502, "oops"),
        || Act::error(503, "oops"),
        || Act::error(504, "oops"),
        || Act::error(529, "overloaded"),
        || Act::Reset,
        || Act::html(),
        || Act::error_object(),
        || Act::Half,
        || Act::GzipBomb,
        || Act::Huge,
    ];
    let server = Server::with(move |asked| match (asked.before, asked.text.strip_prefix("text ")) {
        (0, Some(number)) => faults[number.parse::<usize>().unwrap()]().into(),
        _ => Act::Gzip.into(),
    });
    let models = open(vec![endpoint(server.url())], Asking::default());
    let taken = ask_all(&models, &spec(Task::Chat), 0..13);
    assert_answered(&taken);
    for (ticket, delivery) in &taken {
        assert_eq!(response(delivery).attempts, 2, "{ticket}");
    }
    assert_eq!(models.traffic(0).requests, 26);
    assert_eq!(models.traffic(0).retried, 13);
}

#[test]
fn a_fifth_of_all_attempts_may_go_wrong_in_any_way_and_every_row_is_right() {
    let server = Server::with(|asked| {
        let random = datamake::hash::mix64(asked.hash() ^ asked.before.wrapping_mul(0x9e37));
        let act = match random % 60 {
            0 => Act::throttle(None),
            1 => Act::throttle(Some("0.1")),
            2 => Act::error(500, "oops"),
            3 => Act::error(502, "oops"),
            4 => Act::error(503, "oops"),
            5 => Act::error(529, "oops"),
            6 => Act::Reset,
            7 => Act::Stall,
            8 => Act::html(),
            9 => Act::error_object(),
            10 => Act::GzipBomb,
            11 => Act::Huge,
            12..20 => Act::NoUsage,
            20..30 => Act::Gzip,
            _ => Act::Answer,
        };
        Play { latency: Duration::from_millis(random >> 32 & 7), ..act.into() }
    });
    let endpoint = Endpoint { attempts: 10, timeout: Duration::from_secs(1), ..endpoint(server.url()) };
    let models = open(vec![endpoint], Asking::default());
    let taken = ask_all(&models, &spec(Task::Chat), 0..400);
    assert_answered(&taken);
    let attempts: u64 = taken.values().map(|delivery| u64::from(response(delivery).attempts)).sum();
    assert_eq!((server.requests(), models.traffic(0).requests), (attempts, attempts));
    assert!(attempts > 450, "{attempts}");
}

#[test]
fn a_stall_is_a_timeout_and_is_tried_again() {
    let server = Server::with(|asked| if asked.before == 0 { Act::Stall.into() } else { Act::Answer.into() });
    let models =
        open(vec![Endpoint { timeout: Duration::from_millis(200), ..endpoint(server.url()) }], Asking::default());
    assert_eq!(response(&ask_one(&models, "text")).attempts, 2);
}

#[test]
fn whatever_does_not_pass_ends_as_a_failed_row_after_all_attempts() {
    let server = Server::with(|asked| match asked.text {
        "text 0" => Act::error(500, "broken").into(),
        "text 1" => Act::Reset.into(),
        "text 2" => Act::html().into(),
        "text 3" => Act::error(413, "too large").into(),
        "text 4" => Act::error(422, "strange").into(),
        "text 5" => Act::Stall.into(),
        "text 6" => Act::GzipBomb.into(),
        "text 7" => Act::Huge.into(),
        _ => Act::Answer.into(),
    });
    let endpoint = Endpoint { attempts: 2, timeout: Duration::from_secs(2), ..endpoint(server.url()) };
    let models = open(vec![endpoint], Asking::default());
    let taken = ask_all(&models, &spec(Task::Chat), 0..10);
    let check = |ticket: u64, kind: FailureKind, words: &str| {
        let (found, detail) = failure(&taken[&ticket]);
        assert_eq!(found, kind, "{ticket}: {detail}");
        assert!(detail.contains(words), "{ticket}: {detail}");
    };
    check(0, FailureKind::Transport, "500 Internal Server Error: broken");
    check(1, FailureKind::Transport, "broke");
    check(2, FailureKind::Transport, "Please log in");
    check(3, FailureKind::Rejected, "too large");
    check(4, FailureKind::Rejected, "strange");
    check(5, FailureKind::Transport, "no whole answer came within 2 s");
    check(6, FailureKind::Transport, "more than 16 MB when it is decompressed");
    check(7, FailureKind::Transport, "more than 16 MB");
    assert!(matches!(taken[&8], Delivery::Answer(_)));
    let Delivery::Failed(failure) = &taken[&0] else { panic!() };
    assert_eq!((failure.attempts, failure.request), (2, user(&spec(Task::Chat), "text 0").key()));
}

#[test]
fn answers_without_end_take_bounded_memory() {
    let server = Server::with(|asked| match asked.index {
        0 => Act::Answer.into(),
        index if index % 2 == 0 => Act::Huge.into(),
        _ => Act::GzipBomb.into(),
    });
    let models = open(vec![Endpoint { attempts: 1, ..endpoint(server.url()) }], Asking::default());
    let before = peak();
    let taken = ask_all(&models, &spec(Task::Chat), 0..129);
    let failed = taken.values().filter(|delivery| matches!(delivery, Delivery::Failed(_))).count();
    assert_eq!(failed, 128);
    // A quarter of a megabyte for each of 64, four large ones and one that is unpacked; and the server.
    assert!(peak() - before < 200, "{} MB", peak() - before);
}

/// Returns the most memory that this process had so far, in megabytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn an_endpoint_that_always_throttles_is_given_up() {
    let server = Server::with(|_| Act::throttle(None).into());
    let models = open(vec![Endpoint { attempts: 2, ..endpoint(server.url()) }], Asking::default());
    let delivery = ask_one(&models, "text");
    assert_eq!(failure(&delivery), (FailureKind::Transport, "429 Too Many Requests: slow down"));
    assert!(server.requests() <= 3);
}

#[test]
fn retry_after_is_obeyed_in_seconds_and_as_a_date() {
    let wait = |after: fn() -> String| {
        let server = Server::with(move |asked| match asked.index {
            0 => Act::throttle(Some(&after())).into(),
            _ => Act::Answer.into(),
        });
        let models = open(vec![endpoint(server.url())], Asking::default());
        assert_answered(&ask_all(&models, &spec(Task::Chat), 0..5));
        let log = server.log();
        assert_eq!(log.len(), 6);
        log[1].at - log[0].at
    };
    let seconds = wait(|| "1".to_owned());
    assert!(seconds >= Duration::from_secs(1) && seconds < Duration::from_secs(2), "{seconds:?}");
    // A date has whole seconds: between one and two from now.
    let date = wait(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        http_date(now + 2)
    });
    assert!(date >= Duration::from_millis(900) && date < Duration::from_secs(3), "{date:?}");
}

/// Writes seconds since 1970 as HTTP does.
fn http_date(seconds: u64) -> String {
    let date = datamake::time::civil((seconds / 86_400) as i64);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (month, clock) = (months[date.month as usize - 1], seconds % 86_400);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("Mon, {:02} {month} {} {hour:02}:{minute:02}:{second:02} GMT", date.day, date.year)
}

#[test]
fn an_endpoint_that_asks_for_hours_is_not_waited_for() {
    let server = Server::with(|_| Act::throttle(Some("7200")).into());
    let models = open(vec![endpoint(server.url())], Asking::default());
    assert!(problem(&ask_one(&models, "text")).title.contains("wait for 120 minutes"));
}

// --- The circuit breaker ---------------------------------------------------------------------------------------------

#[test]
fn a_bad_key_costs_one_call_and_is_told_to_all_who_wait() {
    let server = Server::with(|_| Act::error(401, "Incorrect API key provided").into());
    let models = open(vec![endpoint(server.url())], Asking::default());
    let start = Instant::now();
    let taken = ask_all(&models, &spec(Task::Chat), 0..1000);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(server.requests(), 1);
    assert!(taken.values().all(|delivery| problem(delivery).title.contains("refuses the key")));
    assert!(problem(&ask_one(&models, "later")).notes[0].contains("Incorrect API key"));
    assert_eq!(server.requests(), 1);
}

#[test]
fn fatal_answers_break_off_at_once() {
    let check = |act: Act, words: &str| {
        let server = Server::with(move |_| act.clone().into());
        let models = open(vec![endpoint(server.url())], Asking::default());
        let taken = ask_all(&models, &spec(Task::Chat), 0..10);
        assert!(taken.values().all(|delivery| problem(delivery).title.contains(words)), "{:?}", taken[&0]);
        assert_eq!(server.requests(), 1, "{words}");
    };
    check(Act::error(403, "no"), "refuses the key");
    check(Act::error(404, "no such model"), "has no model `small`");
    check(Act::error(402, "pay"), "until it is paid");
    let quota = r#"{"error":{"message":"You exceeded your quota","code":"insufficient_quota"}}"#;
    check(Act::Status(429, quota.to_owned(), Vec::new()), "until it is paid");
    let balance = r#"{"error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#;
    check(Act::Status(400, balance.to_owned(), Vec::new()), "until it is paid");
    let in_body = r#"{"error":{"message":"no auth","code":401}}"#;
    check(Act::Status(200, in_body.to_owned(), Vec::new()), "refuses the key");
}

#[test]
fn one_request_that_is_forbidden_does_not_stop_an_endpoint_that_answers() {
    let server = Server::with(|asked| match asked.text {
        "text 7" => Act::error(403, "your input was flagged").into(),
        "text 8" => Act::error(404, "no such thing").into(),
        "text 9" => Act::error(405, "not like this").into(),
        _ => Act::Answer.into(),
    });
    let models = open(vec![endpoint(server.url())], Asking::default());
    assert_answered(&ask_all(&models, &spec(Task::Chat), 0..5));
    let taken = ask_all(&models, &spec(Task::Chat), 5..40);
    for (ticket, words) in [(7, "flagged"), (8, "no such thing"), (9, "not like this")] {
        let (kind, detail) = failure(&taken[&ticket]);
        assert!(kind == FailureKind::Rejected && detail.contains(words), "{ticket}: {detail}");
    }
    let answered = taken.values().filter(|delivery| matches!(delivery, Delivery::Answer(_))).count();
    assert_eq!(answered, 32);
}

#[test]
fn a_moderated_row_is_withheld_even_if_it_is_asked_first() {
    let server = Server::with(|asked| match asked.text {
        "text 0" => {
            let body = r#"{"error":{"code":403,"message":"no","metadata":{"reasons":["x"],"flagged_input":"te"}}}"#;
            Act::Status(403, body.to_owned(), Vec::new()).into()
        }
        _ => Act::Answer.into(),
    });
    let models = open(vec![endpoint(server.url())], Asking::default());
    let taken = ask_all(&models, &spec(Task::Chat), 0..3);
    assert_eq!(response(&taken[&0]).finish, Finish::ContentFilter);
    assert!(matches!((&taken[&1], &taken[&2]), (Delivery::Answer(_), Delivery::Answer(_))));
}

#[test]
fn an_endpoint_that_answers_nothing_any_more_is_broken_off() {
    let check = |act: Act, most: u64, words: &str| {
        let server = Server::with(move |asked| if asked.index < 5 { Act::Answer } else { act.clone() }.into());
        let limits = Limits { concurrency: Some(1), ..Limits::default() };
        let models = open(vec![Endpoint { limits, ..endpoint(server.url()) }], Asking::default());
        let taken = ask_all(&models, &spec(Task::Chat), 0..100);
        assert_eq!(server.requests(), 5 + most, "{words}");
        let told = taken.values().filter(|delivery| matches!(delivery, Delivery::Unusable(_)));
        assert!(told.clone().all(|delivery| problem(delivery).title.contains(words)));
        assert_eq!(told.count() as u64, 96 - most);
    };
    check(Act::error(403, "no"), 10, "refuses the key");
    check(Act::error(404, "no"), 10, "has no model");
    check(Act::error(401, "no"), 1, "refuses the key");
    check(Act::error(402, "no"), 1, "until it is paid");
}

#[test]
fn what_every_request_is_rejected_for_is_said_once() {
    let server = Server::with(|asked| Act::error(400, &format!("unknown parameter, at {}", asked.index)).into());
    let models = open(vec![endpoint(server.url())], Asking::default());
    let taken = ask_all(&models, &spec(Task::Chat), 0..100);
    assert_eq!(server.requests(), 3);
    let rejected = taken.values().filter(|delivery| matches!(delivery, Delivery::Failed(_))).count();
    assert_eq!(rejected, 2);
    assert!(taken.values().any(
        |delivery| matches!(delivery, Delivery::Unusable(problem) if problem.title.contains("rejects every request"))
    ));
}

#[test]
fn rejections_for_different_reasons_are_rows() {
    let server = Server::with(|asked| Act::error(400, ["a", "b", "c"][asked.index as usize % 3]).into());
    let models = open(vec![endpoint(server.url())], Asking::default());
    let taken = ask_all(&models, &spec(Task::Chat), 0..100);
    assert!(taken.values().all(|delivery| failure(delivery).0 == FailureKind::Rejected));
}

#[test]
fn a_server_that_is_not_there_is_told_in_seconds() {
    let url = Server::start().url();
    let models = open(vec![endpoint(url)], Asking::default());
    let start = Instant::now();
    let taken = ask_all(&models, &spec(Task::Chat), 0..100);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    for delivery in taken.values() {
        assert!(problem(delivery).title.starts_with("nothing listens at `127.0.0.1:"), "{delivery:?}");
        assert!(problem(delivery).help[0].starts_with("start the server"));
    }
}

#[test]
fn one_endpoint_that_is_of_no_use_does_not_stop_another() {
    let (good, bad) = (Server::start(), Server::with(|_| Act::error(401, "no").into()));
    let models = open(vec![endpoint(bad.url()), endpoint(good.url())], Asking::default());
    let both: Vec<Arc<Spec>> =
        (0..2).map(|at| Arc::new(Spec::new(at, Task::Chat, "small", BTreeMap::new(), None, None))).collect();
    // The same request to both: whoever joined the bad one is sent to the good one after all.
    models.order(order(0, &user(&both[0], "text")));
    models.order(order(1, &user(&both[1], "text")));
    let taken = take(&models, 2);
    assert!(matches!(taken[&0], Delivery::Unusable(_)));
    assert_eq!(response(&taken[&1]).text, answer_to("text"));
}

#[test]
fn after_stop_nothing_is_sent_and_what_is_on_its_way_is_delivered() {
    let server = Server::with(|_| Play::after(Duration::from_millis(100)));
    let models = open(vec![endpoint(server.url())], Asking::default());
    (0..50).for_each(|text| models.order(order(text, &user(&spec(Task::Chat), format!("text {text}")))));
    while server.requests() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    models.stop();
    let taken = take(&models, 50);
    assert_eq!(taken.values().filter(|delivery| matches!(delivery, Delivery::Answer(_))).count(), 1);
    assert_eq!(server.requests(), 1);
    assert!(matches!(ask_one(&models, "later"), Delivery::Stopped));
}

// --- Limits ----------------------------------------------------------------------------------------------------------

#[test]
fn concurrency_grows_to_what_is_allowed_and_no_further() {
    let server = Server::with(|_| Play::after(Duration::from_millis(50)));
    let limits = Limits { concurrency: Some(200), ..Limits::default() };
    let models = open(vec![Endpoint { limits, ..endpoint(server.url()) }], Asking::default());
    let start = Instant::now();
    assert_answered(&ask_all(&models, &spec(Task::Chat), 0..2000));
    // Ten rounds at full width, and one for the first request.
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    assert_eq!(server.account().most_at_once, 200);
}

#[test]
fn concurrency_halves_until_the_endpoint_can_bear_it_and_no_row_is_lost() {
    let setup = Setup { at_once: Some(8), ..Setup::default() };
    let server = Server::set_up(setup, |_| Play::after(Duration::from_millis(5)));
    let models = open(vec![endpoint(server.url())], Asking::default());
    assert_answered(&ask_all(&models, &spec(Task::Chat), 0..1000));
    let Account { turned_away, .. } = server.account();
    assert!(turned_away > 0 && turned_away < 400, "{turned_away}");
}

#[test]
fn two_nodes_share_an_endpoint_fairly() {
    let server = Server::with(|_| Play::after(Duration::from_millis(10)));
    let limits = Limits { concurrency: Some(4), ..Limits::default() };
    let models = open(vec![Endpoint { limits, ..endpoint(server.url()) }], Asking::default());
    let spec = spec(Task::Chat);
    // The first node has ordered all of its rows when the second comes.
    for ticket in 0..200 {
        let lane = u32::from(ticket >= 100);
        models.order(Order { lane, ..order(ticket, &user(&spec, format!("text {ticket}"))) });
    }
    take(&models, 200);
    let lanes: Vec<bool> = server
        .log()
        .iter()
        .skip(10)
        .map(|served| {
            let number: u64 = served.body.split("text ").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
            number >= 100
        })
        .collect();
    let second = lanes[..100].iter().filter(|second| **second).count();
    assert!((45..=55).contains(&second), "{second}");
    assert_eq!((models.traffic(0).requests, models.traffic(1).requests), (100, 100));
}

#[test]
fn requests_and_tokens_per_minute_are_kept() {
    let rate = |limits: Limits| {
        let server = Server::with(|_| Play { usage: Some((50, 50)), ..Act::Answer.into() });
        let models = open(vec![Endpoint { limits, ..endpoint(server.url()) }], Asking::default());
        let start = Instant::now();
        ask_all(&models, &spec(Task::Chat), 0..100);
        100.0 / start.elapsed().as_secs_f64()
    };
    let requests = rate(Limits { rpm: Some(6000), ..Limits::default() });
    assert!(requests > 70.0 && requests < 115.0, "{requests} a second, of 100");
    // A hundred tokens each, ten thousand tokens a second.
    let tokens = rate(Limits { tpm: Some(600_000), ..Limits::default() });
    assert!(tokens > 60.0 && tokens < 130.0, "{tokens} a second, of 100");
}

// --- Figures ---------------------------------------------------------------------------------------------------------

/// Says what a request costs: `cargo nextest run --run-ignored only --no-capture --test models`.
#[test]
#[ignore = "it measures"]
fn what_a_request_costs() {
    let setup = Setup { log: false, ..Setup::default() };
    let server = Server::set_up(setup, |_| Act::Answer.into());
    let models = open(vec![endpoint(server.url())], Asking::default());
    let spec = spec(Task::Chat);
    let count = 50_000;
    let busy = |name: &str| {
        // Every thread's own account: user and system time in hundredths of a second.
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let time = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
            let fields: Vec<&str> = stat.rsplit(')').next()?.split(' ').collect();
            stat.contains(name).then(|| fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap())
        };
        tasks.flatten().filter_map(time).sum::<u64>() as f64 / 100.0
    };
    let start = Instant::now();
    let text = "word ".repeat(80);
    for from in (0..count).step_by(2000) {
        (from..from + 2000).for_each(|ticket| models.order(order(ticket, &user(&spec, format!("{text}{ticket}")))));
        take(&models, 2000);
    }
    let time = start.elapsed().as_secs_f64();
    let each = |name: &str| busy(name) * 1e6 / count as f64;
    println!(
        "{:.0} requests a second; for each, {:.1} µs of the thread and {:.1} µs of the server's",
        count as f64 / time,
        each("(models)"),
        each("(endpoint)"),
    );
}
