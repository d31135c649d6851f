//! Laws of the ops that ask models: what is asked, and what comes of the answers.

use super::*;
use crate::ask::{FailureKind, Finish, Form, Request, Response, Task};
use crate::diag::Source;
use crate::expr::{Expr, Value, array_of};
use crate::op::{AskOp, Turn};
use crate::table::{Batch, Field, Schema, Type};
use crate::template::Template;
use std::collections::BTreeMap;

fn template(text: &str) -> Arc<Template> {
    Arc::new(Template::parse(Source::new("prompt.md", text), &|_| None).unwrap())
}

fn asked(task: Task, model: &str, schema: Option<&Form>) -> Asked {
    let schema = schema.map(|form| form.schema().to_owned());
    Asked { spec: Arc::new(crate::ask::Spec::new(0, task, model, BTreeMap::new(), schema, Some(64))), since: None }
}

fn chat() -> Asked {
    asked(Task::Chat, "m", None)
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn column(name: &str, ty: Type, values: &[Value]) -> (String, arrow_array::ArrayRef) {
    (name.to_owned(), array_of(&ty, values))
}

fn strings(columns: &[(&str, &[&str])]) -> Batch {
    let column = |(name, values): &(&str, &[&str])| {
        column(name, Type::String, &values.iter().map(|value| text(value)).collect::<Vec<_>>())
    };
    Batch { rows: columns[0].1.len(), columns: columns.iter().map(column).collect() }
}

fn says(reply: &str) -> Response {
    serde_json::from_value(serde_json::json!({ "text": reply, "finish": "stop" })).unwrap()
}

fn into(name: &str) -> Kept {
    Kept { into: Some(name.to_owned()), ..Kept::default() }
}

fn plain(opening: Opening, kept: Kept) -> Generate {
    Generate::new(opening, chat(), None, None, kept)
}

/// The messages of a request, a line each.
fn said(request: &Request) -> Vec<String> {
    request.messages.iter().map(|message| format!("{}: {}", message.role.word(), message.content)).collect()
}

/// What the only dialogue of the only row comes to, with these replies.
fn played(op: &dyn AskOp, input: &Batch, replies: &[&str]) -> Turn {
    let mut request = op.begin(input).unwrap().remove(0).remove(0);
    for (turns, reply) in replies.iter().enumerate() {
        match op.reply(&request, &says(reply), turns as u32) {
            Turn::Again(next) => request = next,
            end => return end,
        }
    }
    Turn::Again(request)
}

fn cells(op: &dyn AskOp, input: &Batch, replies: &[&str]) -> Vec<String> {
    let Turn::Done(value) = played(op, input, replies) else { panic!("the dialogue has no end") };
    op.conclude(input, 0, vec![value]).iter().map(Value::json).collect()
}

#[test]
fn a_dialogue_is_a_system_message_the_dialogue_so_far_and_the_prompt() {
    let dialogue = Type::List(Box::new(turn_type()));
    let turn = |role: &str, content: &str| {
        Value::Struct(vec![("role".to_owned(), text(role)), ("content".to_owned(), text(content))])
    };
    let so_far = [Value::List(vec![turn("user", "hi"), turn("assistant", "hello")]), Value::Null];
    let mut input = strings(&[("q", &["one", "two"]), ("tone", &["kind", " "])]);
    input.columns.push(column("so_far", dialogue, &so_far));
    let opening = Opening::new(template("Say {{ q }}"), Some(template("{{ tone }}")), Some("so_far".into()), vec![]);
    assert_eq!(opening.reads(), ["q", "tone", "so_far"]);
    let op = plain(opening, Kept { dialogue: Some("d".into()), ..into("a") });
    let requests = op.begin(&input).unwrap();
    assert_eq!(said(&requests[0][0]), ["system: kind", "user: hi", "assistant: hello", "user: Say one"]);
    // A system text that is blank for a row, and a dialogue that has not begun.
    assert_eq!(said(&requests[1][0]), ["user: Say two"]);
    let first = Batch { rows: 1, columns: input.columns.iter().map(|(n, c)| (n.clone(), c.slice(0, 1))).collect() };
    assert_eq!(
        cells(&op, &first, &["1"])[1],
        r#"[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"},{"role":"user","content":"Say one"},{"role":"assistant","content":"1"}]"#
    );
}

#[test]
fn a_turn_with_an_unknown_role_is_an_error_of_its_row() {
    let turn = Value::Struct(vec![("role".to_owned(), text("tool")), ("content".to_owned(), text("x"))]);
    let dialogue = column("d", Type::List(Box::new(turn_type())), &[Value::List(vec![turn])]);
    let op = plain(Opening::new(template("a"), None, Some("d".into()), vec![]), into("x"));
    let error = op.begin(&Batch { rows: 1, columns: vec![dialogue] }).unwrap_err();
    assert_eq!(error.message, "there is no role \"tool\"");
}

#[test]
fn a_text_to_be_continued_is_one_message() {
    let opening = Opening::new(template("Once {{ q }}"), Some(template("A tale.")), None, vec![]);
    let op = Generate::new(opening, asked(Task::Completion, "m", None), None, None, into("a"));
    let requests = op.begin(&strings(&[("q", &["upon"])])).unwrap();
    assert_eq!(said(&requests[0][0]), ["user: A tale.\n\nOnce upon"]);
}

#[test]
fn each_sample_is_a_request_of_its_own_and_keeps_its_key_when_there_are_more() {
    let op = |n: i64| {
        let mut input = strings(&[("q", &vec!["x"; n as usize])]);
        input.columns.push(column("sample", Type::Int, &(0..n).map(Value::Int).collect::<Vec<_>>()));
        let opening = Opening::new(template("{{ q }}"), None, None, vec![]);
        let op = Generate::new(opening, chat(), None, Some("sample".into()), into("a"));
        op.begin(&input).unwrap().into_iter().map(|row| row[0].key()).collect::<Vec<_>>()
    };
    let (four, six) = (op(4), op(6));
    assert_eq!(four[..], six[..4]);
    assert_eq!(six.iter().collect::<std::collections::BTreeSet<_>>().len(), 6);
}

#[test]
fn what_is_not_a_whole_reply_is_a_failure_of_its_kind() {
    let op = plain(Opening::new(template("a"), None, None, vec![]), into("x"));
    let request = op.begin(&Batch { rows: 1, columns: vec![] }).unwrap().remove(0).remove(0);
    let kind = |text: &str, finish: Finish| match op.reply(&request, &Response { finish, ..says(text) }, 0) {
        Turn::Failed(kind, _) => Some(kind),
        _ => None,
    };
    assert_eq!(kind("fine", Finish::Stop), None);
    assert_eq!(kind(" \n\t", Finish::Stop), Some(FailureKind::Empty));
    assert_eq!(kind("", Finish::Length), Some(FailureKind::CutOff));
    assert_eq!(kind("half of", Finish::Length), Some(FailureKind::CutOff));
    assert_eq!(kind("I won't", Finish::Refusal), Some(FailureKind::Refusal));
    assert_eq!(kind("", Finish::ContentFilter), Some(FailureKind::ContentFilter));
}

fn with_form(task: Task, retries: u32, kept: Kept) -> Generate {
    let form = Form::of_fields(&[Field::new("why", Type::String), Field::new("final", Type::Int)]);
    let model = asked(task, "m", Some(&form));
    let formed = Formed { form: Arc::new(form), retries };
    Generate::new(
        Opening::new(template("2+2?"), Some(template("Be exact.")), None, vec![]),
        model,
        Some(formed),
        None,
        kept,
    )
}

const ONE: Batch = Batch { rows: 1, columns: Vec::new() };

#[test]
fn each_property_of_a_form_is_a_column_or_all_are_one_struct() {
    let op = with_form(Task::Chat, 2, Kept::default());
    assert_eq!(op.writes(), [Field::new("why", Type::String), Field::new("final", Type::Int)]);
    assert_eq!(cells(&op, &ONE, &["```json\n{\"final\": 4, \"why\": \"sum\"}\n```"]), ["\"sum\"", "4"]);
    let op = with_form(Task::Chat, 2, into("answer"));
    assert_eq!(op.writes()[0].ty.to_string(), "struct<why: string, final: int>");
    assert_eq!(cells(&op, &ONE, &[r#"{"final": 4, "why": "sum"}"#]), [r#"{"why":"sum","final":4}"#]);
}

#[test]
fn an_invalid_reply_is_sent_back_with_what_is_wrong_until_the_retries_are_used_up() {
    let op = with_form(Task::Chat, 2, Kept { dialogue: Some("d".into()), ..Kept::default() });
    let Turn::Again(next) = played(&op, &ONE, &[r#"{"final": "4", "why": "sum"}"#]) else { panic!("it is sent back") };
    assert_eq!(
        said(&next),
        [
            "system: Be exact.",
            "user: 2+2?",
            r#"assistant: {"final": "4", "why": "sum"}"#,
            "user: This reply is not valid: at /final: \"4\" is not of type \"integer\"\n\
             Reply again, with nothing but one JSON value that satisfies the JSON Schema.",
        ]
    );
    // What is kept of the dialogue is as if the reply had been right at once.
    let made = cells(&op, &ONE, &["four", "{}", r#"{"final": 4, "why": "sum"}"#]);
    assert_eq!(
        made[2],
        r#"[{"role":"user","content":"2+2?"},{"role":"assistant","content":"{\"final\": 4, \"why\": \"sum\"}"}]"#
    );
    let failed = |replies: &[&str]| match played(&op, &ONE, replies) {
        Turn::Failed(kind, detail) => (kind, detail),
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(&["four", "4", "{}"]).0, FailureKind::InvalidSchema);
    let twice = r#"{"final": 4, "why": "a", "why": "b"}"#;
    let (kind, detail) = failed(&["four", "4", twice]);
    assert_eq!(kind, FailureKind::InvalidJson);
    assert!(detail.starts_with(r#"the key "why" comes twice in one object"#), "{detail}");
}

#[test]
fn a_text_to_be_continued_goes_on_with_what_is_wrong_with_its_continuation() {
    let op = with_form(Task::Completion, 1, into("a"));
    let Turn::Again(next) = played(&op, &ONE, &["four"]) else { panic!("it is sent back") };
    let start = "user: Be exact.\n\n2+2?four\n\nThis reply is not valid: there is no JSON object in it\nReply again";
    assert_eq!(said(&next).len(), 1);
    assert!(said(&next)[0].starts_with(start), "{:?}", said(&next));
}

#[test]
fn the_mean_log_probability_is_null_where_there_is_none() {
    let op = plain(Opening::new(template("a"), None, None, vec![]), Kept { logprob: Some("p".into()), ..into("x") });
    let request = op.begin(&ONE).unwrap().remove(0).remove(0);
    let logprob = |logprobs: serde_json::Value| {
        let response = Response { logprobs: Some(logprobs), ..says("b") };
        let Turn::Done(value) = op.reply(&request, &response, 0) else { panic!("it is whole") };
        op.conclude(&ONE, 0, vec![value])[1].clone()
    };
    let chat = serde_json::json!({ "content": [{ "token": "a", "logprob": -0.5 }, { "token": "b", "logprob": -1.0 }] });
    assert_eq!(logprob(chat), Value::Float(-0.75));
    assert_eq!(
        logprob(serde_json::json!({ "tokens": ["a", "b"], "token_logprobs": [null, -2.0] })),
        Value::Float(-2.0)
    );
    assert_eq!(logprob(serde_json::json!({ "content": [] })), Value::Null);
    assert_eq!(cells(&op, &ONE, &["b"])[1], "null");
}

#[test]
fn given_names_stand_for_columns_and_are_read_only_where_a_text_shows_them() {
    let given = || vec![("examples", "shots".to_owned())];
    let opening = Opening::new(template("{% for e in examples %}{{ e }} {% endfor %}{{ q }}"), None, None, given());
    assert_eq!(opening.reads(), ["shots", "q"]);
    let input = Batch {
        rows: 1,
        columns: vec![
            column("shots", Type::List(Box::new(Type::String)), &[Value::List(vec![text("a"), text("b")])]),
            column("q", Type::String, &[text("c")]),
        ],
    };
    let op = plain(opening, into("x"));
    assert_eq!(said(&op.begin(&input).unwrap()[0][0]), ["user: a b c"]);
    assert_eq!(Opening::new(template("{{ q }}"), None, None, given()).reads(), ["q"]);
}

fn key(op: &dyn AskOp) -> crate::hash::Key {
    let mut key = crate::op::key(op.name());
    op.write_key(&mut key);
    key.finish()
}

#[test]
fn the_limit_of_tokens_is_in_the_key_of_the_action_and_the_endpoint_is_not() {
    let op = |endpoint, limit| {
        let spec = crate::ask::Spec::new(endpoint, Task::Chat, "m", BTreeMap::new(), None, limit);
        let asked = Asked { spec: Arc::new(spec), since: None };
        key(&Generate::new(Opening::new(template("a"), None, None, vec![]), asked, None, None, into("x")))
    };
    assert_eq!(op(0, Some(64)), op(7, Some(64)));
    assert_ne!(op(0, Some(64)), op(0, Some(128)));
    assert_ne!(op(0, Some(64)), op(0, None));
}

#[test]
fn a_renamed_result_does_not_change_the_key() {
    let op = |name| key(&plain(Opening::new(template("a"), None, None, vec![]), into(name)));
    assert_eq!(op("x"), op("y"));
}

fn scale(judges: &[&str]) -> Judge {
    let verdict = Verdict::Scale(vec![("bad".into(), 0.0), ("good".into(), 1.0)]);
    let form = verdict.form();
    let judges = judges.iter().map(|model| asked(Task::Chat, model, Some(&form))).collect();
    let opening = Opening::new(template("Judge {{ a }}"), None, None, vec![]);
    Judge::new(opening, judges, verdict, "score", Some("why"), Some("votes"))
}

/// The cells of the only row, with one reply a dialogue.
fn judged(op: &Judge, input: &Batch, replies: &[&str]) -> Vec<String> {
    let requests = op.begin(input).unwrap().remove(0);
    assert_eq!(requests.len(), replies.len());
    let answer = |(request, reply): (&Request, &&str)| match op.reply(request, &says(reply), 0) {
        Turn::Done(value) => value,
        other => panic!("{other:?}"),
    };
    let answers = requests.iter().zip(replies).map(answer).collect();
    op.conclude(input, 0, answers).iter().map(Value::json).collect()
}

#[test]
fn a_score_is_the_mean_over_the_judges() {
    let input = strings(&[("a", &["x"])]);
    let op = scale(&["one", "two", "three"]);
    let (good, bad) = (r#"{"reason":"r","level":"good"}"#, r#"{"reason":"s","level":"bad"}"#);
    assert_eq!(judged(&op, &input, &[good, bad, good]), ["0.6666666666666666", r#"["r","s","r"]"#, "[1.0,0.0,1.0]"]);
    assert_eq!(judged(&scale(&["one"]), &input, &[bad]), ["0.0", r#"["s"]"#, "[0.0]"]);
}

#[test]
fn a_judge_gives_its_reason_before_its_verdict_and_only_levels_that_there_are() {
    let op = scale(&["one"]);
    let input = strings(&[("a", &["x"])]);
    let request = op.begin(&input).unwrap().remove(0).remove(0);
    assert_eq!(
        request.spec.schema.as_deref(),
        Some(
            r#"{"type":"object","properties":{"reason":{"type":"string"},"level":{"type":"string","enum":["bad","good"]}},"required":["reason","level"],"additionalProperties":false}"#
        )
    );
    let fair = says(r#"{"reason":"r","level":"fair"}"#);
    assert!(matches!(op.reply(&request, &fair, 1), Turn::Again(_)));
    assert!(matches!(op.reply(&request, &fair, 2), Turn::Failed(FailureKind::InvalidSchema, _)));
}

#[test]
fn a_judge_that_is_named_twice_gives_another_sample() {
    let requests = scale(&["one", "two", "one"]).begin(&strings(&[("a", &["x"])])).unwrap().remove(0);
    assert_eq!(requests.iter().map(|request| request.sample).collect::<Vec<_>>(), [0, 0, 1]);
}

fn between(judges: &[&str]) -> Judge {
    let verdict = Verdict::Between(["a".into(), "b".into()]);
    let form = verdict.form();
    let judges = judges.iter().map(|model| asked(Task::Chat, model, Some(&form))).collect();
    let given = vec![("first", "a".to_owned()), ("second", "b".to_owned())];
    let opening = Opening::new(template("1: {{ first }} 2: {{ second }} on {{ a }}"), None, None, given);
    Judge::new(opening, judges, verdict, "winner", Some("why"), Some("votes"))
}

#[test]
fn two_columns_are_judged_in_both_orders() {
    let op = between(&["one"]);
    let input = strings(&[("a", &["x"]), ("b", &["y"])]);
    assert_eq!(op.reads(), ["a", "b"]);
    let requests = op.begin(&input).unwrap().remove(0);
    assert_eq!(said(&requests[0]), ["user: 1: x 2: y on x"]);
    assert_eq!(said(&requests[1]), ["user: 1: y 2: x on x"]);
}

#[test]
fn a_judge_that_changes_its_mind_with_the_order_has_said_tie() {
    let input = strings(&[("a", &["x"]), ("b", &["y"])]);
    let reply = |better: &str| format!(r#"{{"reason":"{better}","better":"{better}"}}"#);
    let winner = |words: &[&str]| {
        let names = ["one", "two", "three"];
        let replies: Vec<String> = words.iter().map(|word| reply(word)).collect();
        let replies: Vec<&str> = replies.iter().map(String::as_str).collect();
        judged(&between(&names[..words.len() / 2]), &input, &replies)
    };
    assert_eq!(winner(&["first", "second"]), [r#""a""#, r#"["first\nsecond"]"#, r#"["a"]"#]);
    assert_eq!(winner(&["second", "first"])[0], r#""b""#);
    assert_eq!(winner(&["first", "first"])[0], r#""tie""#);
    assert_eq!(winner(&["second", "second"])[0], r#""tie""#);
    assert_eq!(winner(&["same", "second"])[0], r#""tie""#);
    // Two judges against one; one each and a tie; no column has more than the ties.
    assert_eq!(winner(&["first", "second", "first", "second", "second", "first"])[0], r#""a""#);
    assert_eq!(winner(&["first", "second", "same", "same", "second", "first"])[0], r#""tie""#);
    assert_eq!(winner(&["first", "second", "same", "same", "same", "same"])[0], r#""tie""#);
}

#[test]
fn a_text_is_embedded_and_a_null_is_an_error_of_its_row() {
    let schema = Schema(vec![Field::new("a", Type::String)]);
    let text_of = Expr::parse("a || '!'", &schema).unwrap();
    let op = Embed::new(text_of, asked(Task::Embedding, "e", None), "v");
    let request = op.begin(&strings(&[("a", &["x"])])).unwrap().remove(0).remove(0);
    assert_eq!(said(&request), ["user: x!"]);
    let answer = |vector: Vec<f32>| op.reply(&request, &Response { vector, ..says("") }, 0);
    let Turn::Done(value) = answer(vec![0.5, -1.0]) else { panic!("it is whole") };
    assert_eq!(op.conclude(&ONE, 0, vec![value])[0].json(), "[0.5,-1.0]");
    assert!(matches!(answer(vec![]), Turn::Failed(FailureKind::Empty, _)));
    let nulls = Batch { rows: 2, columns: vec![column("a", Type::String, &[text("x"), Value::Null])] };
    let error = op.begin(&nulls).unwrap_err();
    assert_eq!((error.row, error.message.as_str()), (1, "the text to embed is null"));
}

#[test]
fn a_text_is_measured_by_what_ends_at_the_limit_and_not_by_what_was_refused_or_withheld() {
    let op = AskedPerplexity::new("a", asked(Task::Completion, "m", None), "p");
    let request = op.begin(&strings(&[("a", &["x y"])])).unwrap().remove(0).remove(0);
    let logprobs = Some(serde_json::json!({ "token_logprobs": [null, -1.0, -9.0] }));
    let reply = |finish| op.reply(&request, &Response { finish, logprobs: logprobs.clone(), ..says("x y z") }, 0);
    for finish in [Finish::Length, Finish::Stop] {
        assert!(matches!(reply(finish), Turn::Done(Value::Float(_))));
    }
    assert!(matches!(reply(Finish::Refusal), Turn::Failed(FailureKind::Refusal, _)));
    assert!(matches!(reply(Finish::ContentFilter), Turn::Failed(FailureKind::ContentFilter, _)));
}
