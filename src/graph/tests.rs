//! Laws of the steps that ask models and look into other tables: their edges, words, columns and mistakes.

use super::*;
use crate::diag::{Diagnostics, Severity};
use crate::fetch::Texts;
use crate::manifest::Options;
use crate::table::{Field, Schema, Type};
use std::path::Path;

/// Files of the project by their paths.
struct Files(Vec<(&'static str, &'static str)>);

impl Texts for Files {
    fn read(&self, path: &str) -> Result<Option<Arc<Source>>, String> {
        Ok(self.0.iter().find(|(name, _)| *name == path).map(|(name, text)| Source::new(name, *text)))
    }
}

const MODELS: &str = r#"
[model.m]
provider = "openai"
name = "gemma"
temperature = 0.7
max_tokens = 64

[model.base]
provider = "openai"
name = "gemma-base"
api = "completions"

[model.e]
provider = "openai"
name = "embedder"

[dataset.seeds]
synth = { rows = 3, columns = { id = { sequence = 1 }, q = { choice = ["a", "b"] }, p = { choice = ["x"] } } }
"#;

const FILES: [(&str, &str); 3] = [
    ("p.md", "Solve\n{{ question }} {{ q }}\n"),
    (
        "s.json",
        "{\"type\": \"object\", \"properties\": {\"z\": {\"type\": \"string\"}, \"a\": {\"type\": \"integer\"}}}",
    ),
    ("broken.json", "{\n \"type\": }"),
];

fn resolve(text: &str) -> Result<Graph, Diagnostics> {
    let source = Source::new("datamake.toml", format!("{text}{MODELS}"));
    let (manifest, _) = Manifest::parse(Path::new("/"), source, vec![], &Options::default())?;
    Graph::resolve(manifest, &Files(FILES.to_vec()))
}

/// Binds all datasets in order.
fn bind(graph: &Graph) -> Result<BTreeMap<String, Bound>, Diagnostics> {
    let mut bound: BTreeMap<NodeId, Bound> = BTreeMap::new();
    let mut problems = Diagnostics::default();
    for (id, node) in graph.iter().filter(|(_, node)| node.kind == Kind::Dataset) {
        let shapes: Option<Vec<Shape>> =
            node.inputs.iter().map(|input| bound.get(&input.node).map(|bound| bound.shape.clone())).collect();
        let Some(shapes) = shapes else { continue };
        let one = maker_shape(graph, id, &shapes, None).and_then(|made| bind_dataset(graph, id, made, &shapes, None));
        match one {
            Ok(one) => _ = bound.insert(id, one),
            Err(found) => found.0.into_iter().for_each(|problem| problems.push(problem)),
        }
    }
    let names = bound.into_iter().map(|(id, bound)| (graph.node(id).name.clone(), bound)).collect();
    if problems.has_errors() { Err(problems) } else { Ok(names) }
}

fn bound(text: &str, dataset: &str) -> Bound {
    let graph = resolve(text).unwrap_or_else(|problems| panic!("{:?}", told(problems)));
    let mut all = bind(&graph).unwrap_or_else(|problems| panic!("{:?}", told(problems)));
    all.remove(dataset).expect("there is such a dataset")
}

/// Every mistake as `file:line:column title: label`.
fn told(problems: Diagnostics) -> Vec<String> {
    let one = |problem: crate::diag::Diagnostic| {
        let label = &problem.labels[0];
        let (line, column) = label.span.source.line_column(label.span.range.start);
        assert_eq!(problem.severity, Severity::Error);
        format!("{}:{line}:{column} {}: {}", label.span.source.path.display(), problem.title, label.text)
    };
    problems.0.into_iter().map(one).collect()
}

fn mistakes(text: &str) -> Vec<String> {
    match resolve(text) {
        Err(problems) => told(problems),
        Ok(graph) => told(bind(&graph).err().expect("something is wrong")),
    }
}

fn columns(schema: &Schema) -> String {
    schema.0.iter().map(|field| format!("{}: {}", field.name, field.ty)).collect::<Vec<_>>().join(", ")
}

fn stages(bound: &Bound) -> Vec<String> {
    let one = |stage: &Stage| match stage {
        Stage::Fan { fan, .. } => format!("{} {}", fan.name(), fan.writes()[0].name),
        Stage::Ask(ask) => format!("{} {:?}", ask.op.name(), ask.op.reads()),
        Stage::Refer { op, input, .. } => format!("{} {input} {:?} {:?}", op.name(), op.reads(), op.refers()),
        Stage::Select(columns) => format!("select {}", columns.len()),
        _ => "another".to_owned(),
    };
    bound.stages.iter().map(one).collect()
}

#[test]
fn each_property_of_a_schema_is_a_column_in_its_order() {
    let text = "[prompt.p]\ntemplate = \"{{ q }}\"\nreply = { schema = \"s.json\", retries = 2 }\n\
                [dataset.a]\nfrom = \"seeds\"\ngenerate = { prompt = \"p\", model = \"m\", dialogue = \"d\", logprob = \"l\" }\n";
    let made = bound(text, "a");
    assert_eq!(
        columns(&made.shape.schema),
        "id: int, p: string, q: string, z: string, a: int, d: list<struct<role: string, content: string>>, l: float"
    );
    let whole = bound(&text.replace("dialogue = \"d\", logprob = \"l\"", "into = \"r\""), "a");
    assert!(columns(&whole.shape.schema).ends_with("q: string, r: struct<z: string, a: int>"));
}

#[test]
fn samples_are_rows_told_apart_by_a_column_of_the_key() {
    let text = "[prompt.p]\ntemplate = \"{{ q }}\"\n[dataset.a]\nfrom = \"seeds\"\n\
                steps = [{ where = \"true\" }, { generate = { prompt = \"p\", model = \"m\", into = \"r\", n = 4 } }, { where = \"true\" }]\n";
    let made = bound(text, "a");
    assert_eq!(columns(&made.shape.schema), "id: int, p: string, q: string, sample: int, r: string");
    assert_eq!(made.shape.key, ["id", "p", "q", "sample"]);
    assert_eq!(stages(&made), ["another", "repeat sample", "generate [\"q\", \"sample\"]", "another"]);
    assert_eq!(made.steps, [0, 1, 1, 2]);
}

const GOLD: &str = r#"
[dataset.gold]
key = "id"
synth = { rows = 3, columns = { id = { sequence = 1 }, q = { choice = ["a"] }, a = { choice = ["x"] } } }
[dataset.goldv]
from = "gold"
embed = { text = "q", model = "e", into = "v" }
[prompt.shots]
template = "{% for e in examples %}{{ e.q }}: {{ e.a }}\n{% endfor %}{{ q }}:"
examples = { from = "goldv", k = 2, pick = "similar", by = "v" }
"#;

#[test]
fn examples_are_the_same_for_all_samples_of_a_row_and_are_gone_after_the_question() {
    let text = format!(
        "{GOLD}[dataset.a]\nfrom = \"seeds\"\nsteps = [{{ embed = {{ text = \"q\", model = \"e\", into = \"v\" }} }}, \
         {{ generate = {{ prompt = \"shots\", model = \"m\", into = \"r\", n = 2 }} }}]\n"
    );
    let made = bound(&text, "a");
    assert_eq!(
        stages(&made),
        [
            "embed [\"q\"]",
            "examples 1 [\"v\", \"id\"] [\"v\", \"id\", \"a\", \"q\"]",
            "repeat sample",
            "generate [\"examples\", \"q\", \"sample\"]",
            "select 6",
        ]
    );
    assert_eq!(columns(&made.shape.schema), "id: int, p: string, q: string, v: list<float>, sample: int, r: string");
    let kept = bound(&text.replace("n = 2 }", "examples = \"shown\" }"), "a");
    assert_eq!(
        columns(&kept.shape.schema),
        "id: int, p: string, q: string, v: list<float>, shown: list<struct<a: string, id: int, q: string>>, r: string"
    );
    assert_eq!(stages(&kept)[2], "generate [\"shown\", \"q\"]");
}

#[test]
fn a_column_called_examples_does_not_stand_in_the_way_of_examples() {
    let text = format!(
        "{GOLD}[dataset.a]\nfrom = \"gold\"\nsteps = [{{ columns = {{ examples = \"'mine'\" }} }}, {{ embed = {{ text = \"q\", model = \"e\", into = \"v\" }} }}, \
         {{ generate = {{ prompt = \"shots\", model = \"m\", into = \"r\" }} }}]\n"
    );
    let made = bound(&text, "a");
    assert_eq!(
        columns(&made.shape.schema),
        "a: string, id: int, q: string, examples: string, v: list<float>, r: string"
    );
    assert_eq!(stages(&made)[3], "generate [\"examples_\", \"q\"]");
}

#[test]
fn a_judge_sees_two_columns_under_given_names_and_votes_on_them() {
    let text = "[prompt.j]\ntemplate = \"{{ first }} or {{ second }}?\"\n[dataset.a]\nfrom = \"seeds\"\n\
                judge = { prompt = \"j\", model = [\"m\", \"base\"], into = \"best\", reason = \"why\", votes = \"votes\", between = [\"p\", \"q\"] }\n";
    let made = bound(text, "a");
    assert_eq!(stages(&made), ["judge [\"p\", \"q\"]"]);
    assert_eq!(
        columns(&made.shape.schema),
        "id: int, p: string, q: string, best: string, why: list<string>, votes: list<string>"
    );
    let scale = text
        .replace("between = [\"p\", \"q\"]", "scale = { bad = 0, good = 1 }")
        .replace("{{ first }} or {{ second }}", "{{ q }}");
    assert!(columns(&bound(&scale, "a").shape.schema).ends_with("best: float, why: list<string>, votes: list<float>"));
}

#[test]
fn what_a_step_looks_into_is_an_input_behind_those_of_the_maker_and_gives_no_columns() {
    let text = format!(
        "{GOLD}[dataset.a]\nconcat = [\"goldv\", \"goldv\"]\nsteps = [{{ nearest = {{ to = \"goldv\", by = \"v\", k = 2, into = \"near\" }} }}, \
         {{ generate = {{ prompt = \"shots\", model = \"m\", into = \"r\" }} }}]\n"
    );
    let graph = resolve(&text).unwrap();
    let node = graph.nodes.iter().find(|node| node.name == "a").unwrap();
    assert_eq!((node.made_of, node.inputs.len()), (2, 4));
    assert_eq!(node.looks_into, BTreeMap::from([(0, 2), (1, 3)]));
    let made = bind(&graph).unwrap().remove("a").unwrap();
    assert_eq!(
        columns(&made.shape.schema),
        "a: string, id: int, q: string, v: list<float>, near: list<struct<similarity: float, id: int>>, r: string"
    );
}

#[test]
fn the_words_of_a_node_have_its_models_prompts_and_schemas_by_their_contents() {
    let text = "[prompt.p]\nfile = \"q.md\"\nsystem = \"Be brief.\"\nreply = { schema = \"s.json\", retries = 2 }\n\
                examples = { from = \"seeds\", k = 3, pick = \"random\", seed = 4 }\n\
                [dataset.a]\nfrom = \"seeds\"\ngenerate = { prompt = \"p\", model = \"m\" }\n";
    let words = |text: &str, model: &str| {
        let source = Source::new("datamake.toml", format!("{text}{}", MODELS.replace("name = \"gemma\"", model)));
        let (manifest, _) = Manifest::parse(Path::new("/"), source, vec![], &Options::default()).unwrap();
        let files = [FILES.to_vec(), vec![("q.md", "{{ q }} {{ examples }}")]].concat();
        let graph = Graph::resolve(manifest, &Files(files)).unwrap();
        graph.nodes.into_iter().find(|node| node.name == "a").unwrap().words.0
    };
    let plain = words(text, "name = \"gemma\"");
    let lines: Vec<String> = plain.iter().map(|(path, value)| format!("{path} = {value}")).collect();
    assert_eq!(
        lines,
        [
            "maker = from",
            "q.md (steps.0) = {{ q }} {{ examples }}",
            "steps.0.generate = {}",
            "steps.0.model.identity = gemma",
            "steps.0.model.max_tokens = 64",
            "steps.0.model.temperature = 0.7",
            "steps.0.prompt.examples.k = 3",
            "steps.0.prompt.examples.pick = random",
            "steps.0.prompt.examples.seed = 4",
            "steps.0.prompt.reply.retries = 2",
            "steps.0.prompt.reply.schema = {\"type\":\"object\",\"properties\":{\"z\":{\"type\":\"string\"},\"a\":{\"type\":\"integer\"}}}",
            "steps.0.prompt.system = Be brief.",
        ]
    );
    // Where a model is and what it costs is no part of it, nor what nodes are called.
    let moved =
        "name = \"gemma\"\nurl = \"http://localhost:1/v1\"\nprice = { input = 1, output = 2 }\nlimits = { rpm = 3 }";
    assert_eq!(words(text, moved), plain);
    let renamed = text.replace("[prompt.p]", "[prompt.other]").replace("prompt = \"p\"", "prompt = \"other\"");
    assert_eq!(words(&renamed, "name = \"gemma\""), plain);
}

#[test]
fn every_unknown_name_is_told_at_once() {
    let text = "[prompt.p]\ntemplate = \"{{ examples }}\"\nexamples = { from = \"gld\", k = 1 }\n\
                [dataset.a]\nfrom = \"seeds\"\nsteps = [\n{ generate = { prompt = \"pp\", model = \"mm\", into = \"r\" } },\n\
                { embed = { text = \"q\", model = \"ee\", into = \"v\" } },\n{ nearest = { to = \"sed\", by = \"v\", into = \"n\" } },\n\
                { judge = { prompt = \"p\", model = [\"m\", \"other\"], into = \"s\", scale = { bad = 0, good = 1 } } } ]\n";
    assert_eq!(
        mistakes(text),
        [
            "datamake.toml:9:21 there is no dataset `sed`: no such dataset",
            "datamake.toml:3:22 there is no dataset `gld`: no such dataset",
            "datamake.toml:7:40 there is no model `mm`: no such model",
            "datamake.toml:7:26 there is no prompt `pp`: no such prompt",
            "datamake.toml:8:34 there is no model `ee`: no such model",
            "datamake.toml:10:42 there is no model `other`: no such model",
        ]
    );
}

#[test]
fn texts_and_schemas_of_unused_prompts_are_checked_too() {
    let text = "[prompt.one]\ntemplate = \"a\"\nreply = { schema = \"broken.json\" }\n[prompt.two]\ntemplate = \"a\"\nreply = { schema = \"none.json\" }\n\
                [prompt.three]\ntemplate = \"a\"\nsystem = \"{{ \"\n[prompt.four]\ntemplate = \"a\"\nexamples = { from = \"seeds\", k = 1 }\n";
    let found = mistakes(text);
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(
        found[0],
        "datamake.toml:12:1 the prompt `four` has examples and does not show them: shown by none of its texts"
    );
    assert!(found.contains(&"broken.json:2:10 this is not JSON: expected value".to_owned()), "{found:?}");
    assert!(
        found.contains(&"datamake.toml:6:21 cannot read the schema `none.json`: it is not there".to_owned()),
        "{found:?}"
    );
    assert!(found.iter().any(|line| line.starts_with("datamake.toml:9:")), "{found:?}");
}

#[test]
fn columns_that_texts_read_and_do_not_exist_are_told_where_they_are_read() {
    let text = "[prompt.p]\nfile = \"p.md\"\nsystem = \"In {{ tone }}.\"\n[prompt.e]\ntemplate = \"{{ examples }} {{ first }}\"\n\
                [dataset.a]\nfrom = \"seeds\"\nsteps = [\n{ generate = { prompt = \"p\", model = \"m\", into = \"r\" } },\n\
                { generate = { prompt = \"e\", model = \"m\", into = \"t\" } } ]\n";
    assert_eq!(
        mistakes(text),
        [
            "p.md:2:4 the prompt `p` reads a column that `a` does not have here: no column `question`",
            "datamake.toml:3:17 the prompt `p` reads a column that `a` does not have here: no column `tone`",
            "datamake.toml:5:16 the prompt `e` reads a column that `a` does not have here: no column `examples`",
            "datamake.toml:5:31 the prompt `e` reads a column that `a` does not have here: no column `first`",
        ]
    );
}

#[test]
fn all_that_is_wrong_with_a_step_is_told_at_once() {
    let text = "[prompt.p]\ntemplate = \"{{ q }}\"\n[prompt.j]\ntemplate = \"{{ q }} {{ first }}\"\nreply = { fields = { a = \"int\" } }\n\
                [dataset.a]\nfrom = \"seeds\"\nsteps = [\n\
                { generate = { prompt = \"p\", model = \"base\", history = \"q\", examples = \"x\" } },\n\
                { generate = { prompt = \"p\", model = \"m\", into = \"q\", dialogue = \"d\" } },\n\
                { generate = { prompt = \"p\", model = \"m\", into = \"r\", history = \"dd\" } },\n\
                { judge = { prompt = \"j\", model = \"m\", into = \"s\", between = [\"q\", \"tie\"] } },\n\
                { embed = { text = \"id\", model = \"e\", into = \"v\" } },\n\
                { nearest = { to = \"seeds\", by = \"q\", their = \"w\", columns = [\"u\"], into = \"n\" } } ]\n";
    assert_eq!(
        mistakes(text),
        [
            "datamake.toml:9:73 the prompt `p` has no examples: these would be kept",
            "datamake.toml:9:57 the column `q` holds no dialogues: it is string",
            "datamake.toml:9:57 the model `base` continues texts, and has no dialogues: `history` is of a dialogue",
            "datamake.toml:9:3 nothing says what becomes of the reply: no `into`, and the prompt has no `reply`",
            "datamake.toml:10:51 there is a column `q` already: columns are never overwritten",
            "datamake.toml:11:66 `a` has no column `dd` here: no such column",
            "datamake.toml:12:23 a judge's reply has a form of its own: a reason and a verdict: used by a judge",
            "datamake.toml:12:69 `a` has no column `tie` here: no such column",
            "datamake.toml:12:23 the prompt `j` does not show `second`: judges between two columns",
            "datamake.toml:13:21 only a text can be embedded: this is int",
            "datamake.toml:14:35 the column `q` of `a` holds no vectors: it is string",
            "datamake.toml:14:48 `seeds` has no column `w` here: no such column",
            "datamake.toml:14:64 `seeds` has no column `u`: no such column",
        ]
    );
}

#[test]
fn datasets_that_need_each_other_through_examples_are_a_cycle() {
    let text = "[prompt.p]\ntemplate = \"{{ examples }}\"\nexamples = { from = \"b\", k = 1 }\n\
                [dataset.a]\nfrom = \"seeds\"\ngenerate = { prompt = \"p\", model = \"m\", into = \"r\" }\n[dataset.b]\nfrom = \"a\"\n";
    let Err(problems) = resolve(text) else { panic!("there is a cycle") };
    assert_eq!(problems.0[0].title, "datasets need each other: a ← b ← a");
    let labels: Vec<&str> = problems.0[0].labels.iter().map(|label| label.text.as_str()).collect();
    assert_eq!(labels, ["`b` is made from `a`", "`a` gets examples from `b`"]);
}

#[test]
fn a_request_goes_to_the_endpoint_at_the_place_of_its_model() {
    let graph = resolve("[prompt.p]\ntemplate = \"{{ q }}\"\n[dataset.a]\nfrom = \"seeds\"\ngenerate = { prompt = \"p\", model = \"m\", into = \"r\" }\n").unwrap();
    let endpoints: Vec<String> = graph.endpoints().into_iter().map(|endpoint| endpoint.model).collect();
    assert_eq!(endpoints, ["gemma-base", "embedder", "gemma"]);
    let made = bind(&graph).unwrap().remove("a").unwrap();
    let Stage::Ask(ask) = &made.stages[0] else { panic!("it asks") };
    let q = crate::expr::array_of(&Type::String, &[crate::expr::Value::String("hi".to_owned())]);
    let batch = crate::table::Batch { rows: 1, columns: vec![("q".to_owned(), q)] };
    let request = &ask.op.begin(&batch).unwrap()[0][0];
    assert_eq!(request.spec.endpoint, 2);
    assert_eq!(
        request.canonical(),
        r#"{"task":"chat","model":"gemma","params":{"temperature":0.7},"schema":null,"messages":[{"role":"user","content":"hi"}],"sample":0}"#
    );
    assert_eq!(ask.op.writes(), [Field::new("r", Type::String)]);
}
