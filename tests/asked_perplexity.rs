//! Perplexity by an endpoint: what is asked, what is read off the answers, and what is said of endpoints that cannot do it.

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Sandbox, failures, record};
use serde_json::{Value, json};
use server::{Act, Asked, Play, Server};

const PROJECT: &str = r#"
[dataset.texts]
files = "texts.jsonl"
key = "id"
types = { text = "string" }

[dataset.measured]
from = "texts"
steps = [
  { perplexity = { model = "base", column = "text", into = "ppl" } },
  { where = "ppl is null or ppl < 1000" },
]

[model.base]
provider = "openai"
url = "URL"
name = "gemma-base"
api = "completions"
temperature = 0.5
price = { input = 1, output = 2 }
"#;

/// Answers as an endpoint does that takes `echo`: a token is a word, as surprising as it is long, and one more is written.
fn echo(asked: &Asked) -> Play {
    let body: Value = serde_json::from_str(asked.body).expect("requests are JSON");
    assert_eq!((&body["echo"], &body["logprobs"], &body["max_tokens"]), (&json!(true), &json!(1), &json!(1)));
    let words: Vec<&str> = asked.text.split_whitespace().collect();
    let mut logs: Vec<Value> = words.iter().map(|word| json!(-(word.len() as f64))).collect();
    logs[0] = Value::Null;
    logs.push(json!(-50.0));
    let logprobs = json!({ "tokens": [], "token_logprobs": logs, "top_logprobs": [null], "text_offset": [] });
    let answer = json!({
        "model": "gemma-base", "usage": { "prompt_tokens": words.len(), "completion_tokens": 1 },
        "choices": [{ "index": 0, "text": format!("{} more", asked.text), "logprobs": logprobs, "finish_reason": "length" }],
    });
    Act::Status(200, answer.to_string(), Vec::new()).into()
}

fn world(texts: &Value, script: impl Fn(&Asked) -> Play + Send + Sync + 'static) -> (Sandbox, Server) {
    let (sandbox, server) = (Sandbox::on_real_disk(), Server::with(script));
    sandbox.write("texts.jsonl", common::texts(texts.as_array().expect("a list")));
    sandbox.write("datamake.toml", PROJECT.replace("URL", &server.url()));
    (sandbox, server)
}

#[test]
fn a_texts_perplexity_is_that_of_its_tokens_and_each_is_asked_for_once() {
    let (sandbox, server) = world(&json!(["a bb cccc", "one", "a bb cccc", "a aaaaaaaaaaaa aaaaaaaa"]), echo);
    let planned: u64 = sandbox.plan().cost.iter().map(|cost| cost.count.requests).sum();
    assert_eq!(planned, 3);
    sandbox.built();
    let found: Vec<Value> = sandbox.rows("measured").iter().map(|row| row["ppl"].clone()).collect();
    // exp of the mean of 2 and 4; one token alone has none; exp(10) is dropped.
    let near = |found: &Value| (found.as_f64().expect("a number") - 3f64.exp()).abs() < 1e-9;
    assert!(found.len() == 3 && near(&found[0]) && found[1] == Value::Null && near(&found[2]), "{found:?}");
    assert_eq!(server.log().len(), 3);
    sandbox.edit("datamake.toml", "ppl < 1000", "ppl < 100000");
    sandbox.built();
    assert_eq!((sandbox.rows("measured").len(), server.log().len()), (4, 3));
    let lines = std::fs::read_to_string(sandbox.file("texts.jsonl")).expect("it is there");
    sandbox.write("texts.jsonl", lines + "{\"id\": 9, \"text\": \"dd dd\"}\n");
    sandbox.built();
    assert_eq!((sandbox.rows("measured").len(), server.log().len()), (5, 4));
}

#[test]
fn an_endpoint_that_does_not_echo_fails_rows_with_the_reason_and_rows_without_a_text_are_not_asked_about() {
    let (sandbox, server) = world(&json!(["a bb cccc", null, ""]), |_| Act::say("something else").into());
    sandbox.edit("datamake.toml", "from = \"texts\"\n", "from = \"texts\"\nmax_failed = 3\n");
    let built = sandbox.built();
    let project = sandbox.project().expect("it was built");
    let said: Vec<String> =
        failures(&project, &record(&project, &built, "measured")).iter().map(Value::to_string).collect();
    assert_eq!((said.len(), server.log().len()), (3, 1));
    assert!(said[0].contains("the endpoint gave no log-probabilities of the text's tokens"), "{said:?}");
    assert!(said[1].contains("the text to measure is null") && said[2].contains("is empty"), "{said:?}");
}

#[test]
fn mistakes_are_said_before_anything_is_asked() {
    let check = |old: &str, new: &str, expect: &[&str]| {
        let (sandbox, server) = world(&json!(["a b"]), echo);
        sandbox.edit("datamake.toml", old, new);
        sandbox.says(expect);
        assert_eq!(server.log().len(), 0);
    };
    check("api = \"completions\"\n", "", &["the model `base` answers dialogues", "`[lm.NAME]`"]);
    check("model = \"base\"", "model = \"bass\"", &["there is no model `bass`", "did you mean `base`?"]);
    check("model = \"base\"", "model = \"base\", lm = \"base\"", &["texts are measured by one model"]);
    check("model = \"base\", ", "", &["`lm`", "`model`"]);
    check("column = \"text\"", "column = \"id\"", &["holds no texts", "it is int"]);
}
