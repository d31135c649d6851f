//! All that is said of an endpoint that cannot be asked, in one place.

use super::ledger::Ledger;
use super::place::Place;
use super::{Budget, Endpoint};
use crate::ask::{Request, Task};
use crate::diag::Diagnostic;
use std::io;
use std::time::Duration;

fn wrong(endpoint: &Endpoint, title: String, here: &str) -> Diagnostic {
    Diagnostic::error("model-unusable", title).at(&endpoint.span, here)
}

/// A field of the body in `params` that is not for the user to write.
pub(super) fn ours(endpoint: &Endpoint, name: &str) -> Diagnostic {
    let help = match name {
        "n" | "best_of" => "several samples are asked for with `n` of the step",
        "response_format" => "a schema is given with `reply` of the prompt",
        "encoding_format" => "vectors are read as lists of numbers: leave it out",
        _ => "leave it out",
    };
    wrong(endpoint, format!("the model `{}` sets `{name}`", endpoint.node), "datamake writes this field itself")
        .help(help)
}

pub(super) fn not_a_url(endpoint: &Endpoint, url: &str) -> Diagnostic {
    wrong(endpoint, format!("`{url}` is not a URL"), "the base of it is declared here")
}

pub(super) fn no_such_task(endpoint: &Endpoint, task: Task) -> Diagnostic {
    let what = match task {
        Task::Embedding => "embeddings",
        Task::Completion | Task::Chat => "continuations of a text",
    };
    wrong(endpoint, format!("the provider `anthropic` has no {what}"), "declared here")
        .help("use a model of the provider `openai` for it")
}

pub(super) fn needs_max_tokens(endpoint: &Endpoint) -> Diagnostic {
    wrong(endpoint, format!("the model `{}` has no `max_tokens`", endpoint.node), "Anthropic's interface demands it")
        .help("add `max_tokens = 1024`, or what a reply may have at most")
}

/// A budget in money, and a request whose worst case is not known.
pub(super) fn boundless(endpoint: &Endpoint) -> Diagnostic {
    let title = format!("there is a budget, but replies of `{}` have no limit", endpoint.node);
    Diagnostic::error("unknown-cost", title)
        .at(&endpoint.span, "no `max_tokens`")
        .note("what a request may cost is reserved before it is sent, so it has to be known")
        .help("add `max_tokens`")
}

/// A budget in money, and a model without a price.
pub(super) fn unpriced(endpoint: &Endpoint) -> Diagnostic {
    let title = format!("there is a budget, but the price of `{}` is not known", endpoint.node);
    Diagnostic::error("unknown-cost", title)
        .at(&endpoint.span, "no `price`")
        .help("add `price = { input = …, output = … }`, per million tokens; zeros if it costs nothing")
}

/// The code of the problem that a response is not recorded.
pub const NOT_RECORDED: &str = "not-recorded";

/// Nothing is recorded, and nothing may be sent.
pub(super) fn not_recorded(endpoint: &Endpoint, request: &Request) -> Diagnostic {
    let title = format!("a request to `{}` has no recorded response", endpoint.node);
    let start = request.messages.last().map(|message| super::wire::shown(&message.content)).unwrap_or_default();
    let start = start.chars().take(80).collect::<String>();
    Diagnostic::error(NOT_RECORDED, title)
        .at(&endpoint.span, "`replay` answers only from recorded responses")
        .note(format!("one is `{}`: {start}", request.key().short()))
        .help("record them: build once with the `provider` and `url` of an endpoint (`--profile` or `--set`), under the same `name` or `identity`")
        .help("or bring in a file that has them: `datamake responses import FILE`")
}

/// A proxy that is not spoken to here.
pub(super) fn proxy(endpoint: &Endpoint, place: &Place, scheme: &str) -> Diagnostic {
    let title = format!("the proxy for `{}` is of the kind `{scheme}`", place.authority());
    Diagnostic::error("proxy-unsupported", title)
        .at(&endpoint.span, "asked through a proxy, because of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY")
        .help("name one that begins with `http://`, or add the host to NO_PROXY")
}

/// The endpoint said that it will never answer.
pub(super) fn useless(
    endpoint: &Endpoint,
    place: &Place,
    key: Option<&str>,
    status: Option<u16>,
    why: &str,
) -> Diagnostic {
    let title = match status {
        Some(401 | 403) => format!("`{}` refuses the key for the model `{}`", place.authority(), endpoint.node),
        Some(402) => format!("`{}` will not answer the model `{}` until it is paid", place.authority(), endpoint.node),
        Some(300..=399) => format!("`{}` sends requests elsewhere, which is not followed", place.authority()),
        Some(404 | 405) => format!("`{}` has no model `{}`, or no such path", place.authority(), endpoint.model),
        _ => format!("the model `{}` cannot be used", endpoint.node),
    };
    let diagnostic = wrong(endpoint, title, &format!("`{}`", place.base())).note(format!("it answered: {why}"));
    match (status, key) {
        (Some(401 | 403), Some(key)) => diagnostic.help(format!("check the environment variable `{key}`")),
        (Some(401 | 403), None) => {
            diagnostic.note("no key was sent").help("name the environment variable that holds it: `key = \"MY_KEY\"`")
        }
        (Some(404 | 405), _) => diagnostic.help("check `name` and `url` of the model"),
        (Some(300..=399), _) => diagnostic.help("write the address that it names as `url`, if you trust it"),
        _ => diagnostic,
    }
}

/// Nothing could be sent, again and again.
pub(super) fn unreachable(endpoint: &Endpoint, place: &Place, why: &str) -> Diagnostic {
    let host = format!("{}:{}", place.host, place.port);
    let title = match why.contains("refused") {
        true => format!("nothing listens at `{host}`"),
        false => format!("`{host}` cannot be reached"),
    };
    let help = match place.is_loopback() {
        true => "start the server, or change `url`",
        false => "check `url` and the network, and HTTPS_PROXY if there is a proxy",
    };
    wrong(endpoint, title, &format!("the model `{}` is asked here", endpoint.node)).note(why).help(help)
}

/// A provider whose batches are not spoken here.
pub(super) fn never_batched(endpoint: &Endpoint) -> Diagnostic {
    let title = format!("the model `{}` is to be asked in batches, which only `openai` can be", endpoint.node);
    Diagnostic::error("no-batches", title)
        .at(&endpoint.span, "declared here")
        .note("batches are those of OpenAI's interface; Anthropic's are others, and `replay` asks nobody")
        .help("leave out `batch`")
}

/// The endpoint does not take batches, or not this one.
pub(super) fn no_batches(endpoint: &Endpoint, place: &Place, why: &str) -> Diagnostic {
    let title = format!("`{}` does not take requests in batches", place.authority());
    wrong(endpoint, title, &format!("the model `{}`, with `batch`", endpoint.node))
        .note(format!("it answered: {why}"))
        .help("leave out `batch`, and requests are sent one by one")
}

/// A batch was refused before any of its requests was looked at.
pub(super) fn batch_refused(endpoint: &Endpoint, place: &Place, why: &str) -> Diagnostic {
    let title = format!("`{}` refused a batch of requests to the model `{}`", place.authority(), endpoint.node);
    wrong(endpoint, title, "asked in batches")
        .note(format!("it says: {why}"))
        .note("nothing of it was answered, or billed")
}

/// Nothing could be heard of a batch.
pub(super) fn no_word(endpoint: &Endpoint, place: &Place, why: &str) -> Diagnostic {
    let title = format!("`{}` does not say what became of a batch", place.authority());
    wrong(endpoint, title, &format!("the model `{}`", endpoint.node))
        .note(format!("the last time: {why}"))
        .help("run the same command again later: batches that were created go on, and are found again")
}

/// The endpoint asks for more patience than a build has.
pub(super) fn long_wait(endpoint: &Endpoint, place: &Place, wait: Duration, why: &str) -> Diagnostic {
    let title = format!("`{}` asks to wait for {} minutes", place.authority(), wait.as_secs() / 60);
    wrong(endpoint, title, &format!("the model `{}`", endpoint.node))
        .note(format!("it answered: {why}"))
        .help("run the same command again later: what was answered is kept")
}

/// The first requests all failed in the same way.
pub(super) fn all_rejected(endpoint: &Endpoint, count: u32, why: &str) -> Diagnostic {
    let title = format!("`{}` rejects every request", endpoint.node);
    wrong(endpoint, title, &format!("the first {count} were rejected for the same reason"))
        .note(format!("it answered: {why}"))
        .help("check the model's parameters and its `name`")
}

/// The first requests all came to nothing.
pub(super) fn never_answered(endpoint: &Endpoint, place: &Place, count: u32, why: &str) -> Diagnostic {
    let title = format!("`{}` answered none of the first {count} requests", place.authority());
    wrong(endpoint, title, &format!("the model `{}`", endpoint.node)).note(format!("the last time: {why}"))
}

/// Sending a request could pass the budget.
pub(super) fn over_budget(endpoint: &Endpoint, ledger: &Ledger, budget: Budget) -> Diagnostic {
    let (money, requests) = ledger.spent();
    let money_cap = budget.money.map(|cap| format!("{cap} in money"));
    let caps: Vec<String> = money_cap.into_iter().chain(budget.requests.map(count)).collect();
    let title = format!("the next request to `{}` could pass the budget", endpoint.node);
    let mut diagnostic = Diagnostic::error("over-budget", title)
        .at(&endpoint.span, "asked here")
        .note(format!("the budget is {}; spent: {} and {}", caps.join(" and "), amount(money), count(requests)))
        .help("run it again with a larger budget: what was answered is kept");
    let (carried, before) = ledger.carried();
    if before > 0 {
        let text = format!(
            "of that, {} and {} are from a build that was killed; what it had not settled counts in full",
            amount(carried),
            count(before)
        );
        diagnostic = diagnostic.note(text);
    }
    diagnostic
}

fn count(requests: u64) -> String {
    if requests == 1 { "1 request".to_owned() } else { format!("{requests} requests") }
}

fn amount(money: f64) -> String {
    let text = format!("{money:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The thread that talks to endpoints has ended before its time.
pub(super) fn ended() -> Diagnostic {
    Diagnostic::error(
        "models-ended",
        "models cannot be asked any more in this build: the thread that does it has ended",
    )
    .note("requests that were on their way may have been paid for; what was answered before is kept")
    .help("run the same command again, and report what it said if it does not help")
}

/// The log of responses cannot be written or read.
pub(super) fn store(why: &str) -> Diagnostic {
    Diagnostic::error("responses", "responses cannot be kept")
        .note(why)
        .note("nothing more is sent: an answer that cannot be kept would be paid for again")
}

/// The ledger cannot be written or read.
pub(super) fn ledger(path: &std::path::Path, error: &io::Error) -> Diagnostic {
    let why = match error.kind() {
        io::ErrorKind::InvalidData => error.to_string(),
        _ => crate::fetch::plain(error),
    };
    Diagnostic::error("ledger", format!("the ledger `{}` cannot be used", path.display()))
        .note(why)
        .note("nothing is sent: spending has to be noted before it happens")
}

/// A key that was there is there no more.
pub(super) fn lost_key(endpoint: &Endpoint, variable: &str) -> Diagnostic {
    Diagnostic::error("missing-key", format!("the environment variable `{variable}` is not set any more"))
        .at(&endpoint.span, format!("`{}` needs it", endpoint.node))
}
