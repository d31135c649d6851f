//! The laws of models, of the steps that ask them, and of rounds.

use super::{different, load, load_with, same};
use crate::ask::Price;
use crate::fetch::models::{Limits, Provider, RESERVED, TokensField};
use crate::manifest::*;
use serde_json::json;

fn model(keys: &str) -> Model {
    load(&format!("[model.m]\n{keys}")).models.remove(0)
}

fn step(step: &str) -> String {
    format!("[dataset.a]\nfrom = \"b\"\n{step}\n")
}

fn prompt(keys: &str) -> String {
    format!("[prompt.p]\ntemplate = \"x\"\n{keys}\n")
}

const M: &str = "provider = \"openai\"\nname = \"x\"\n";

#[test]
fn what_is_sent_is_in_the_parameters_and_nothing_else() {
    let written = format!(
        "{M}url = \"http://localhost\"\nkey = \"K\"\ntemperature = 0.5\ntop_p = 1\nseed = 7\nstop = \"END\"\nmax_tokens = 9\nlogprobs = 2\n\
         body = {{ min_p = 0.05, day = 2020-01-31, deep = {{ b = [1.0, true], a = {{}} }} }}\ntimeout = 3\nattempts = 2\nbatch = true\n"
    );
    let chat = model(&written);
    let mut expected = json!({
        "temperature": 0.5, "top_p": 1, "seed": 7, "stop": ["END"], "logprobs": true, "top_logprobs": 2,
        "min_p": 0.05, "day": "2020-01-31", "deep": { "a": {}, "b": [1, true] },
    });
    assert_eq!(json!(chat.params), expected);
    assert_eq!((chat.max_tokens, chat.completions), (Some(9), false));
    let completions = model(&format!("{written}api = \"completions\"\n"));
    expected.as_object_mut().expect("an object").remove("top_logprobs");
    expected["logprobs"] = 2.into();
    assert_eq!((json!(completions.params), completions.completions), (expected, true));
    assert!(model(M).params.is_empty());
}

#[test]
fn a_model_is_declared_with_all_that_is_said_of_it() {
    let all = model(
        "provider = \"anthropic\"\nname = \"x\"\nidentity = \"y\"\nurl = \"https://example.org/v1\"\nmax_tokens = 5\nkey = \"MY_KEY\"\n\
         price = { input = 1, output = 2.5 }\nlimits = { concurrency = 4, tpm = 100 }\ntimeout = 0.5\nattempts = 20\nbatch = true\n\
         reuse = 1970-01-03\ntitle = \"t\"\n",
    );
    assert_eq!(all.provider, Provider::Anthropic);
    assert_eq!((all.model.value.as_str(), all.identity.expect("an identity").value.as_str()), ("x", "y"));
    assert_eq!(all.price, Some(Price { input: 1.0, output: 2.5 }));
    assert_eq!(all.limits, Limits { concurrency: Some(4), rpm: None, tpm: Some(100) });
    assert_eq!((all.timeout, all.attempts, all.batch, all.reuse_since), (0.5, 20, true, Some(2)));
    assert_eq!((all.key.expect("a key").value.as_str(), all.about.title.as_deref()), ("MY_KEY", Some("t")));
    let few = model(M);
    assert_eq!((few.timeout, few.attempts, few.batch, few.reuse_since, few.price), (120.0, 5, false, None, None));
}

#[test]
fn a_model_is_what_it_is_called_and_asked_and_not_where_it_is() {
    let check = |keys: &str| format!("[model.m]\n{M}{keys}\n");
    for description in [
        "url = \"http://localhost:1\"",
        "key = \"K\"",
        "price = { input = 1, output = 1 }",
        "limits = { rpm = 1 }",
        "timeout = 1",
        "attempts = 1",
        "batch = true",
        "max_tokens_field = \"max_completion_tokens\"",
        "doc = \"d\"",
        "api = \"chat\"",
        "identity = \"x\"",
    ] {
        same(&check(""), &check(description));
    }
    for definition in [
        "identity = \"y\"",
        "api = \"completions\"",
        "temperature = 1",
        "top_p = 1",
        "seed = 0",
        "stop = \"a\"",
        "max_tokens = 1",
        "logprobs = 0",
        "body = { a = 1 }",
        "reuse = 2020-01-01",
    ] {
        different(&check(""), &check(definition));
    }
    same(&check(""), "[model.other]\nprovider = \"replay\"\nname = \"x\"\n");
    different(&check(""), "[model.m]\nprovider = \"openai\"\nname = \"z\"\n");
    // With an identity, endpoints may call the model what they like.
    same(&check("identity = \"y\""), "[model.m]\nprovider = \"openai\"\nname = \"z\"\nidentity = \"y\"\n");
}

#[test]
fn a_field_that_something_else_says_is_not_in_the_body() {
    for (field, _) in RESERVED {
        let text = format!("[model.m]\n{M}body = {{ {field} = 1 }}\n");
        let problems = load_with(&text, &[], &[]).expect_err("a field that is reserved");
        assert!(problems.0.iter().any(|problem| problem.code == "reserved-field"), "{field}");
    }
    let named = |field: &str| model(&format!("{M}max_tokens_field = \"{field}\"\n")).max_tokens_field;
    assert_eq!(named("max_tokens"), Some(TokensField::MaxTokens));
    assert_eq!(named("max_completion_tokens"), Some(TokensField::MaxCompletionTokens));
    assert_eq!(model(M).max_tokens_field, None);
}

#[test]
fn a_text_without_an_end_is_an_error_and_no_panic() {
    // Where the quotes should be is the middle of a letter.
    for start in
        ["]'''from = \"b\"\n[model.m]\nprovider = \"openai\"\nname = \"x\"\nkey = \"sk-", "[model.m]\nkey = '''sk-"]
    {
        assert!(load_with(&format!("{start}𒾐"), &[], &[]).is_err(), "{start}");
    }
}

#[test]
fn a_line_break_may_end_a_reply_and_nothing_may_not() {
    let stop = |text: &str| format!("{M}stop = {text}\n");
    assert_eq!(json!(model(&stop("[\"\\n\", \"END\"]")).params), json!({ "stop": ["\n", "END"] }));
    let problems = load_with(&format!("[model.m]\n{}", stop("\"\"")), &[], &[]).expect_err("a stop that is empty");
    assert!(problems.0.iter().any(|problem| problem.code == "empty"));
}

#[test]
fn equal_numbers_are_the_same_however_they_are_written() {
    let check = |one: &str, other: &str| {
        let [one, other] = [one, other].map(|keys| format!("{M}{keys}\n"));
        assert_eq!(json!(model(&one).params).to_string(), json!(model(&other).params).to_string());
        same(&format!("[model.m]\n{one}"), &format!("[model.m]\n{other}"));
    };
    check("temperature = 1", "temperature = 1.0");
    check("temperature = 0.10", "temperature = 1e-1");
    check("temperature = 0", "temperature = -0.0");
    check("stop = \"a\"", "stop = [\"a\"]");
    check(
        "body = { a = 1_000, b = [2.0], c = 1e18 }",
        "body.c = 1_000_000_000_000_000_000\nbody.b = [2]\nbody.a = 1e3",
    );
    check("reuse = 2020-01-31", "reuse = \"2020-01-31\"");
    let a = |value: &str| format!("[model.m]\n{M}body = {{ a = {value} }}\n");
    different(&a("1"), &a("\"1\""));
    different(&a("[1, 2]"), &a("[2, 1]"));
    different(&a("true"), &a("\"true\""));
}

#[test]
fn fields_of_a_reply_keep_the_order_in_which_they_are_written() {
    let names = |text: &str, profiles: &[&str], set: &[&str]| -> Vec<String> {
        let (manifest, _) = load_with(text, profiles, set).expect("the manifest is sound");
        match &manifest.prompts[0].reply.as_ref().expect("a reply").form {
            ReplyForm::Fields(fields) => {
                fields.iter().map(|(name, ty)| format!("{}: {}", name.value, ty.value)).collect()
            }
            ReplyForm::Schema(_) => panic!("fields"),
        }
    };
    let inline = prompt("reply = { fields = { why = \"string\", answer = \"int\", best = \"list<string>\" } }");
    let expected = ["why: string", "answer: int", "best: list<string>"];
    assert_eq!(names(&inline, &[], &[]), expected);
    let table = prompt("[prompt.p.reply.fields]\nwhy = 'string'\nanswer = \"int\"\nbest = \"list< string >\"");
    assert_eq!(names(&table, &[], &[]), expected);
    same(&inline, &table);
    different(&inline, &prompt("reply = { fields = { answer = \"int\", why = \"string\", best = \"list<string>\" } }"));
    // Overlays come behind, wherever they stand.
    let over = format!("[profile.p.prompt.p.reply.fields]\nadded = \"bool\"\nwhy = \"date\"\n{inline}");
    let expected = ["why: date", "answer: int", "best: list<string>", "added: bool"];
    assert_eq!(names(&over, &["p"], &[]), expected);
    let set = ["prompt.p.reply.fields.z=int", "prompt.p.reply.fields.a=int"];
    assert_eq!(names(&over, &["p"], &set)[4..], ["z: int", "a: int"]);
}

#[test]
fn a_prompt_says_what_form_its_replies_have() {
    let reply = |keys: &str| load(&prompt(keys)).prompts.remove(0).reply.expect("a reply");
    let schema = reply("reply = { schema = \"a.json\", retries = 2 }");
    assert!(matches!(schema.form, ReplyForm::Schema(path) if path.value == "a.json"));
    assert_eq!((schema.retries, reply("reply = { schema = \"a.json\" }").retries), (2, 0));
    same(&prompt("reply = { schema = \"a.json\" }"), &prompt("reply = { schema = \"b.json\", retries = 0 }"));
    different(&prompt(""), &prompt("reply = { schema = \"a.json\" }"));
    different(&prompt("reply = { schema = \"a.json\" }"), &prompt("reply = { schema = \"a.json\", retries = 1 }"));
}

#[test]
fn of_examples_counts_what_decides_which_they_are() {
    let examples = |keys: &str| prompt(&format!("examples = {{ {keys} }}"));
    let plain = examples("from = \"gold\", k = 3");
    same(&plain, &examples("from = \"other.part\", k = 3, pick = \"first\", by = \"v\", seed = 4"));
    different(&plain, &examples("from = \"gold\", k = 2"));
    let random = examples("from = \"gold\", k = 3, pick = \"random\"");
    same(&random, &examples("from = \"gold\", k = 3, pick = \"random\", seed = 0, by = \"v\""));
    different(&random, &examples("from = \"gold\", k = 3, pick = \"random\", seed = 1"));
    let similar = |by: &str| examples(&format!("from = \"gold\", k = 3, pick = \"similar\", by = \"{by}\""));
    different(&similar("v"), &similar("w"));
    let declared = load(&similar("v")).prompts.remove(0).examples.expect("examples");
    assert!(matches!(declared.pick, Pick::Similar(by) if by.value == "v"));
    assert_eq!((declared.from.value.as_str(), declared.k, declared.seed), ("gold", 3, 0));
}

#[test]
fn the_names_of_prompts_models_and_datasets_are_in_no_definition() {
    let check = |one: &str, other: &str| same(&step(one), &step(other));
    check("generate = { prompt = \"p\", model = \"m\" }", "generate = { prompt = \"q\", model = \"n\", n = 1 }");
    check(
        "judge = { prompt = \"p\", model = \"m\", into = \"x\", scale = { a = 1, b = 2 } }",
        "judge = { prompt = \"q\", model = [\"n\"], into = \"x\", scale = { b = 2.0, a = 1.0 } }",
    );
    check(
        "embed = { text = \"t\", model = \"m\", into = \"x\" }",
        "embed = { text = \"t\", model = \"n\", into = \"x\" }",
    );
    check(
        "nearest = { to = \"c\", by = \"v\", into = \"x\" }",
        "nearest = { to = \"d.part\", by = \"v\", k = 1, into = \"x\" }",
    );
}

#[test]
fn whatever_a_step_asks_for_changes_its_definition() {
    let generate = |keys: &str| step(&format!("generate = {{ prompt = \"p\", model = \"m\"{keys} }}"));
    for keys in ["into", "sample", "history", "dialogue", "logprob", "examples"] {
        different(&generate(""), &generate(&format!(", {keys} = \"c\"")));
    }
    different(&generate(""), &generate(", n = 2"));
    let judge = |keys: &str| step(&format!("judge = {{ prompt = \"p\", model = \"m\", into = \"x\", {keys} }}"));
    different(&judge("scale = { a = 1, b = 2 }"), &judge("scale = { a = 2, b = 1 }"));
    different(&judge("between = [\"a\", \"b\"]"), &judge("between = [\"b\", \"a\"]"));
    different(&judge("between = [\"a, b\", \"c\"]"), &judge("between = [\"a\", \"b, c\"]"));
    let nearest = |keys: &str| step(&format!("nearest = {{ to = \"c\", by = \"v\", into = \"x\"{keys} }}"));
    for keys in ["their = \"w\"", "k = 2", "columns = \"c\"", "columns = [\"d\", \"c\"]"] {
        different(&nearest(""), &nearest(&format!(", {keys}")));
    }
    different(&nearest(", columns = [\"c\", \"d\"]"), &nearest(", columns = [\"d\", \"c\"]"));
}

#[test]
fn the_steps_that_ask_are_declared_in_order() {
    let manifest = load(
        "[dataset.a]\nfrom = \"b\"\nsteps = [\n{ generate = { prompt = \"p\", model = \"m\", n = 4, into = \"x\", sample = \"s\" } },\n\
         { judge = { prompt = \"p\", model = [\"m\", \"n\"], into = \"y\", votes = \"v\", scale = { good = 3, bad = -1, fair = 1.5 } } },\n\
         { judge = { prompt = \"p\", model = \"m\", into = \"z\", between = [\"x\", \"y\"] } },\n\
         { embed = { text = \"x || y\", model = \"m\", into = \"v\" } },\n\
         { nearest = { to = \"c\", by = \"v\", k = 2, columns = [\"i\", \"j\"], into = \"w\" } },\n]\n",
    );
    let steps = &manifest.datasets[0].steps;
    let names: Vec<&str> = steps.iter().map(Step::name).collect();
    assert_eq!(names, ["generate", "judge", "judge", "embed", "nearest"]);
    let Step::Generate(generate) = &steps[0] else { panic!("a generate") };
    assert_eq!((generate.n, generate.sample.as_ref().map(|text| text.value.as_str())), (4, Some("s")));
    let Step::Judge(Judge { verdict: Verdict::Scale(levels), models, .. }) = &steps[1] else { panic!("a scale") };
    let levels: Vec<(&str, f64)> = levels.iter().map(|(name, score)| (name.value.as_str(), *score)).collect();
    assert_eq!(levels, [("bad", -1.0), ("fair", 1.5), ("good", 3.0)]);
    assert_eq!(models.len(), 2);
    let Step::Judge(Judge { verdict: Verdict::Between(both), .. }) = &steps[2] else { panic!("a pair") };
    assert_eq!((both[0].value.as_str(), both[1].value.as_str()), ("x", "y"));
    let Step::Nearest(nearest) = &steps[4] else { panic!("a nearest") };
    assert_eq!((nearest.k, nearest.columns.len(), nearest.their.is_none()), (2, 2, true));
}

#[test]
fn rounds_are_datasets_each_made_from_the_one_before() {
    let file = "[dataset.a]\nfrom = \"seeds.train\"\nrounds = 12\nwhere = \"x\"\nmax_failed = 3\n[dataset.a-b]\nfrom = \"a\"\n";
    let manifest = load(file);
    let names: Vec<&str> = manifest.datasets.iter().map(|dataset| dataset.name.value.as_str()).collect();
    assert_eq!(names.len(), 13);
    assert!(names.is_sorted());
    let input = |name: &str| {
        let dataset = manifest.datasets.iter().find(|dataset| dataset.name.value == name).expect("it is declared");
        assert_eq!(dataset.definition, manifest.datasets[0].definition);
        assert_eq!((dataset.max_failed, dataset.steps.len()), (MaxFailed::Rows(3), 1));
        let Maker::From(from) = &dataset.maker else { panic!("made from another") };
        assert_eq!(&file[from.span.range.clone()], "seeds.train");
        assert_eq!(&file[dataset.name.span.range.clone()], "a");
        from.value.clone()
    };
    assert_eq!(input("a-round-1"), "seeds.train");
    assert_eq!(input("a-round-2"), "a-round-1");
    assert_eq!(input("a-round-11"), "a-round-10");
    assert_eq!(input("a"), "a-round-11");
    same("[dataset.a]\nfrom = \"s\"\nwhere = \"x\"\n", &step("where = \"x\""));
}

#[test]
fn the_rows_that_may_fail_are_a_number_or_a_share() {
    let check = |written: &str, expected: MaxFailed| {
        let manifest = load(&step(&format!("max_failed = {written}")));
        assert_eq!(manifest.datasets[0].max_failed, expected);
    };
    check("0", MaxFailed::Rows(0));
    check("1", MaxFailed::Rows(1));
    check("0.02", MaxFailed::Share(0.02));
    check("\"2%\"", MaxFailed::Share(0.02));
    check("\"0.7%\"", MaxFailed::Share(0.007));
    check("\"100%\"", MaxFailed::Share(1.0));
    check("\"0%\"", MaxFailed::Rows(0));
    same(&step(""), &step("max_failed = \"0%\""));
    same(&step("max_failed = \"7%\""), &step("max_failed = 0.07"));
    different(&step("max_failed = \"100%\""), &step("max_failed = 1"));
}

#[test]
fn overlays_change_models_and_the_budget() {
    let text = "[budget]\nmoney = 5\n[model.writer]\nprovider = \"replay\"\nname = \"x\"\ntemperature = 0.5\nbody = { a = 1 }\n\
                [dataset.a]\nfrom = \"b\"\ngenerate = { prompt = \"p\", model = \"writer\", n = 4 }\n[prompt.p]\ntemplate = \"x\"\n\
                [profile.live]\nmodel.writer.provider = \"openai\"\nbudget.requests = 10\n[params]\nn = 3\n";
    let set = [
        "model.writer.temperature=1.0",
        "model.writer.body.b=2",
        "budget.money=0.5",
        "dataset.a.generate.n=${params.n}",
    ];
    let (manifest, _) = load_with(text, &["live"], &set).expect("the overlays fit");
    let model = &manifest.models[0];
    assert_eq!(model.provider, Provider::OpenAi);
    assert_eq!(json!(model.params), json!({ "temperature": 1, "a": 1, "b": 2 }));
    let budget = &manifest.budget;
    assert_eq!(budget.money.as_ref().map(|money| money.value), Some(0.5));
    assert_eq!(budget.requests.as_ref().map(|requests| requests.value), Some(10));
    let Step::Generate(generate) = &manifest.datasets[0].steps[0] else { panic!("a generate") };
    assert_eq!(generate.n, 3);
    let (manifest, _) =
        load_with(text, &[], &["model.other.provider=replay", "model.other.name=y"]).expect("a new model");
    assert_eq!((manifest.models.len(), manifest.budget.requests.is_none()), (2, true));
}

#[test]
fn a_key_in_the_file_is_in_nothing_that_is_said() {
    let secret = "sk-proj-AbCdEf123456";
    let check = |text: &str, set: &[&str]| {
        let problems = load_with(text, &[], set).expect_err("a key in the file");
        assert!(problems.0.iter().any(|problem| problem.code == "secret"));
        let said =
            crate::diag::render(&problems, crate::diag::Style::Plain) + &crate::diag::json(&problems).to_string();
        assert!(!said.contains(secret), "{said}");
    };
    check(&format!("[model.m]\n{M}key = \"{secret}\"\n"), &[]);
    check(&format!("[model]\nm = {{ key = '{secret}', nme = 5 }}\n"), &[]);
    check(&format!("[params]\nk = \"{secret}\"\n[model.m]\n{M}key = \"${{params.k}}\"\n"), &[]);
    check(&format!("[model.m]\n{M}body = {{ auth = {{ token = [\"{secret}\"] }} }}\n"), &[]);
    check(&format!("[model.m]\n{M}url = \"https://x:{secret}@localhost\"\n"), &[]);
    check(&format!("[model.m]\n{M}"), &[&format!("model.m.key={secret}")]);
}
