//! Laws of forms: which replies have one, what comes of them, and what is said of those that do not.

use super::*;

fn form(schema: &str) -> Form {
    Form::parse(&Source::new("schemas/a.json", schema)).unwrap()
}

fn problems(schema: &str) -> Vec<String> {
    let found = Form::parse(&Source::new("schemas/a.json", schema)).unwrap_err();
    let told = |problem: Diagnostic| {
        let span = &problem.labels[0].span;
        let (line, column) = span.source.line_column(span.range.start);
        format!("{line}:{column} {}: {}", problem.title, problem.labels[0].text)
    };
    found.0.into_iter().map(told).collect()
}

const ANSWER: &str = r##"{
  "type": "object",
  "properties": {
    "steps": { "type": "array", "items": { "$ref": "#/$defs/step" } },
    "final": { "type": ["integer", "null"] },
    "confidence": { "anyOf": [{ "type": "number" }, { "type": "null" }] },
    "grade": { "enum": ["good", "bad"] },
    "done": { "type": "boolean" }
  },
  "required": ["steps", "final"],
  "additionalProperties": false,
  "$defs": { "step": { "type": "object", "properties": { "text": { "type": "string" }, "no": { "type": "integer" } } } }
}"##;

#[test]
fn columns_stand_in_the_order_of_the_schema() {
    let ty = form(ANSWER).ty().to_string();
    assert_eq!(
        ty,
        "struct<steps: list<struct<text: string, no: int>>, final: int, confidence: float, grade: string, done: bool>"
    );
    assert!(form(ANSWER).schema().starts_with(r#"{"type":"object","properties":{"steps":{"type":"array""#));
}

#[test]
fn a_property_that_is_left_out_is_null() {
    let value = form(ANSWER).read(r#"{"final": 7, "steps": [{"no": 1, "text": "a"}]}"#).unwrap();
    assert_eq!(value.json(), r#"{"steps":[{"text":"a","no":1}],"final":7,"confidence":null,"grade":null,"done":null}"#);
}

#[test]
fn json_is_found_alone_in_fences_and_between_words() {
    let form = form(r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#);
    let whole = [
        r#" {"a": 1} "#,
        "```json\n{\"a\": 1}\n```",
        "```\n{\"a\": 1}\n```\n",
        "Sure! Here it is:\n\n```json\n{\"a\": 1}\n```\nI hope that helps.",
        r#"The set {x} has the answer {"a": 1}."#,
    ];
    for text in whole {
        assert_eq!(form.read(text).map(|value| value.json()), Ok(r#"{"a":1}"#.to_owned()), "{text}");
    }
}

#[test]
fn json_that_could_be_misread_is_invalid() {
    let form = form(r#"{"type":"object","properties":{"a":{"type":"integer"}}}"#);
    let detail = |text: &str| {
        let misfit = form.read(text).unwrap_err();
        assert_eq!(misfit.kind, FailureKind::InvalidJson, "{text}");
        misfit.detail
    };
    assert_eq!(detail(r#"{"a":1} or {"a":2}"#), "there is more than one JSON object in it");
    assert_eq!(detail("I cannot say."), "there is no JSON object in it");
    assert_eq!(detail(r#"{"a":1,"a":2}"#), r#"the key "a" comes twice in one object at line 1 column 13"#);
    // The inner object of a broken one is not the reply.
    assert_eq!(detail(r#"{"b": {"a": 1}, oops}"#), "key must be a string at line 1 column 17");
    assert_eq!(detail(r#"{"a": 1"#), "EOF while parsing an object at line 1 column 7");
}

#[test]
fn a_reply_of_the_wrong_form_is_told_where_and_what() {
    let form = form(ANSWER);
    let detail = |text: &str| {
        let misfit = form.read(text).unwrap_err();
        assert_eq!(misfit.kind, FailureKind::InvalidSchema, "{text}");
        misfit.detail
    };
    assert_eq!(detail(r#"{"steps": []}"#), r#""final" is a required property"#);
    assert_eq!(
        detail(r#"{"steps": [], "final": "7", "grade": "fair"}"#),
        r#"at /final: "7" is not of types "null", "integer"; at /grade: "fair" is not one of "good" or "bad""#
    );
    assert_eq!(
        detail(r#"{"steps": [{"no": 9223372036854775808}], "final": 1}"#),
        "at /steps/0/no: 9223372036854775808 is not an integer of 64 bits"
    );
    assert_eq!(detail(r#"{"steps": [], "final": 1e30}"#), "at /final: 1e+30 is not an integer of 64 bits");
}

#[test]
fn integers_are_kept_to_the_last_digit() {
    let form = form(r#"{"type":"object","properties":{"a":{"type":"integer"}}}"#);
    let read = |text: &str| form.read(text).unwrap().json();
    assert_eq!(read(r#"{"a":9223372036854775807}"#), r#"{"a":9223372036854775807}"#);
    assert_eq!(read(r#"{"a":-9223372036854775808}"#), r#"{"a":-9223372036854775808}"#);
    assert_eq!(read(r#"{"a":3.0}"#), r#"{"a":3}"#);
}

#[test]
fn fields_make_a_schema_in_their_order_and_dates_are_read() {
    let fields = [Field::new("when", Type::Date), Field::new("a", Type::List(Box::new(Type::Int)))];
    let form = Form::of_fields(&fields);
    assert_eq!(
        form.schema(),
        r#"{"type":"object","properties":{"when":{"type":"string","format":"date"},"a":{"type":"array","items":{"type":"integer"}}},"required":["when","a"],"additionalProperties":false}"#
    );
    assert_eq!(form.read(r#"{"when":"2026-01-31","a":[1]}"#).unwrap().json(), r#"{"when":"2026-01-31","a":[1]}"#);
    assert_eq!(
        form.read(r#"{"when":"soon","a":[1]}"#).unwrap_err().detail,
        "at /when: \"soon\" is not a date, YYYY-MM-DD"
    );
}

#[test]
fn a_file_that_is_not_json_or_not_a_schema_is_told_with_its_place() {
    assert_eq!(problems("{\n  \"type\": \"object\",\n  oops\n}"), ["3:3 this is not JSON: key must be a string"]);
    let found = problems("{\n  \"type\": \"object\",\n  \"properties\": { \"a\": { \"type\": \"text\" } }\n}");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("3:34 this is not a JSON Schema: \"text\" is not valid"), "{found:?}");
}

#[test]
fn references_that_multiply_are_given_up_on() {
    let node = |at: usize| {
        let child = format!(r##"{{"$ref":"#/$defs/d{}"}}"##, at + 1);
        format!(r#""d{at}":{{"type":"object","properties":{{"a":{child},"b":{child}}}}}"#)
    };
    let nodes: Vec<String> = (0..40).map(node).collect();
    let schema = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d40":{{"type":"string"}}}}}}"##, nodes.join(","));
    assert!(problems(&schema)[0].ends_with("a schema has at most 4096 properties, those in references counted"));
}

#[test]
fn every_property_that_no_column_can_hold_is_told_with_its_place() {
    let schema = r##"{
  "type": "object",
  "properties": {
    "mixed": { "type": ["string", "integer"] },
    "any": {},
    "tuple": { "type": "array", "prefixItems": [{ "type": "string" }] },
    "map": { "type": "object", "additionalProperties": { "type": "string" } },
    "deep": { "type": "array", "items": { "enum": ["a", 1] } },
    "tree": { "$ref": "#/$defs/tree" },
    "fine": { "type": "string" }
  },
  "$defs": { "tree": { "type": "object", "properties": { "left": { "$ref": "#/$defs/tree" } } } }
}"##;
    assert_eq!(
        problems(schema),
        [
            "4:24 the property `mixed` has no column type: one column cannot hold both string and int",
            "5:12 the property `any` has no column type: nothing says what it is: add `type`",
            "6:14 the property `tuple` has no column type: nothing says of what type all of its items are: add `items`",
            "7:12 the property `map` has no column type: nothing says which properties it has: add `properties`",
            "8:51 the property `deep[]` has no column type: one column cannot hold both string and int",
            "12:66 the property `tree.left` has no column type: it contains itself, and could be nested without end",
        ]
    );
}
