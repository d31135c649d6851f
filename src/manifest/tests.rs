//! The laws of the manifest: what counts as the same, overlays, params, and what is declared.

mod models;

use super::keys::{Holds, KINDS};
use super::*;
use crate::diag::{Style, render};
use crate::op::{Literal, NamePart, Recipe};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn load_with(text: &str, profiles: &[&str], set: &[&str]) -> Result<(Manifest, Diagnostics), Diagnostics> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let options = Options { profiles: owned(profiles), set: owned(set), rows: None };
    Manifest::parse(Path::new("."), Source::new(MAIN, text), Vec::new(), &options)
}

fn load(text: &str) -> Manifest {
    match load_with(text, &[], &[]) {
        Ok((manifest, _)) => manifest,
        Err(problems) => panic!("{}", render(&problems, Style::Plain)),
    }
}

/// Writes all definitions, one word a line, without the names of the nodes.
fn words(manifest: &Manifest) -> String {
    let mut all: Vec<&crate::hash::Words> = Vec::new();
    all.extend(manifest.datasets.iter().map(|node| &node.definition));
    all.extend(manifest.prompts.iter().map(|node| &node.definition));
    all.extend(manifest.models.iter().map(|node| &node.definition));
    all.extend(manifest.filters.iter().map(|node| &node.definition));
    all.extend(manifest.metrics.iter().map(|node| &node.definition));
    all.extend(manifest.exports.iter().map(|node| &node.definition));
    let lines = |words: &crate::hash::Words| -> String {
        words.0.iter().map(|(path, word)| format!("{path} = {word}\n")).collect()
    };
    all.into_iter().map(lines).collect::<Vec<String>>().join("--\n")
}

/// Checks that two manifests have the same definitions.
fn same(one: &str, other: &str) {
    assert_eq!(words(&load(one)), words(&load(other)));
}

/// Checks that two manifests have different definitions.
fn different(one: &str, other: &str) {
    assert_ne!(words(&load(one)), words(&load(other)));
}

const ALL: &str = r#"
[dataset.clean]
title = "Clean rows"
from = "people"
steps = [
  { columns = { words = "word_count(answer)", "odd name" = "1" } },
  { filter = ["long_enough", "no_refusal"] },
  { render = { prompt = "question", into = "text" } },
  { dedup = { by = "question", method = "normalised" } },
  { sample = { fraction = 0.5, seed = 3 } },
  { split = { parts = { train = 0.9, test = 0.1 } } },
]
[dataset.people]
synth = { rows = 1000, seed = 7, columns = { topic = { choice = ["algebra", 'geometry'], weights = [3, 1] }, age = { integer = [8, 14] }, day = { date = ["2020-01-01", 2024-12-31] } } }
[dataset.seeds]
files = "data/*.jsonl.gz"
key = "id"
types = { n = "list< int >" }
[dataset.train]
mix = { rows = 10, of = { "clean.train" = 0.7, seeds = 1 } }
[dataset.two]
concat = { of = ["b", "a"], source = "origin" }
[prompt.question]
template = "Say {{ topic }}"
[metric.m]
on = ["clean", "clean.test"]
value = "avg(x)"
by = ["topic"]
[export.e]
from = "clean.train"
to = "out/e.jsonl.gz"
"#;

#[test]
fn a_definition_says_what_is_built_and_nothing_else() {
    let expected = r#"maker = from
steps.0.columns."odd name" = 1
steps.0.columns.words = word_count(answer)
steps.1.filter.0 = long_enough
steps.1.filter.1 = no_refusal
steps.2.render.into = text
steps.3.dedup.by.0 = question
steps.3.dedup.method = normalised
steps.4.sample.fraction = 0.5
steps.4.sample.seed = 3
steps.5.split.parts.test = 0.1
steps.5.split.parts.train = 0.9
--
maker = synth
synth.columns.age.integer = [8, 14]
synth.columns.day.date = [2020-01-01, 2024-12-31]
synth.columns.topic.choice.0 = "algebra"
synth.columns.topic.choice.1 = "geometry"
synth.columns.topic.weights.0 = 3
synth.columns.topic.weights.1 = 1
synth.rows = 1000
synth.seed = 7
--
format = jsonl
key.0 = id
maker = files
types.n = list<int>
--
maker = mix
mix.of.0 = 0.7
mix.of.1 = 1
mix.rows = 10
--
concat.source = origin
concat.source.0 = b
concat.source.1 = a
maker = concat
--
template = Say {{ topic }}
--
by.0 = topic
value = avg(x)
--
format = jsonl.gz
"#;
    assert_eq!(words(&load(ALL)), expected);
}

#[test]
fn comments_order_layout_and_quotes_change_no_definition() {
    same(
        "[dataset.a]\nfrom = \"b\"\nsteps = [{ where = \"x > 1\" }, { dedup = { by = \"y\" } }]\n[filter.f]\nwhere = \"z\"\n",
        "# a comment\n[filter]\nf.where = '''z'''\n[dataset.a]\nsteps = [\n  { where = '''\nx > 1''' }, # another\n  { dedup.by = [\"y\"] },\n]\nfrom = 'b'\n",
    );
    same(
        "[dataset.a]\nfrom = \"b\"\nwhere = \"x\"",
        "[dataset.a]\nfrom = \"b\"\n[[dataset.a.steps]]\nwhere = \"\\u0078\"",
    );
    same(
        "[dataset.a]\nsynth = { rows = 1_0, columns = { x = { bool = 1 } } }",
        "[dataset.a.synth]\nrows = 0xA\ncolumns.x.bool = 1.0",
    );
}

#[test]
fn descriptions_and_names_of_inputs_change_no_definition() {
    same("[dataset.a]\nfrom = \"b\"", "[dataset.z]\nfrom = \"c.part\"\ntitle = \"t\"\ndoc = \"d\"\ntags = [\"x\"]");
    same("[dataset.a]\nfiles = \"b.csv\"", "[dataset.a]\nfiles = [\"d/*.csv.gz\"]");
    same("[dataset.a]\nmix = { of = { a = 1, b = 2 } }", "[dataset.a]\nmix = { of = { c = 1, d = 2 } }");
    same("[export.a]\nfrom = \"b\"\nto = \"b.csv\"", "[export.b]\nfrom = \"c\"\nto = \"d/e.csv\"");
}

#[test]
fn giving_what_leaving_out_means_changes_no_definition() {
    same("[dataset.a]\nfrom = \"b\"\ndedup = {}", "[dataset.a]\nfrom = \"b\"\ndedup = { method = \"exact\" }");
    same(
        "[dataset.a]\nfrom = \"b\"\nsample = { rows = 2 }",
        "[dataset.a]\nfrom = \"b\"\nsample = { rows = 2, seed = 0 }",
    );
    same("[dataset.a]\nfiles = \"b.csv\"", "[dataset.a]\nfiles = \"b.csv\"\nformat = \"csv\"");
    same("[export.a]\nfrom = \"b\"\nto = \"b.csv\"", "[export.a]\nfrom = \"b\"\nto = \"b\"\nformat = \"csv\"");
}

#[test]
fn whatever_changes_the_rows_changes_the_definition() {
    let recipe = |recipe: &str| format!("[dataset.a]\nsynth = {{ rows = 9, columns = {{ x = {recipe} }} }}");
    different(&recipe("{ constant = 1 }"), &recipe("{ constant = 1.0 }"));
    different(&recipe("{ constant = 1 }"), &recipe("{ constant = \"1\" }"));
    different(&recipe("{ choice = [\"a\", \"b\"] }"), &recipe("{ choice = [\"b\", \"a\"] }"));
    different("[dataset.a]\nmix = { of = { a = 1, b = 2 } }", "[dataset.a]\nmix = { of = { a = 2, b = 1 } }");
    different(
        "[dataset.a]\nmix = { of = { a = 1, b = 2 }, source = \"s\" }",
        "[dataset.a]\nmix = { of = { a = 1, c = 2 }, source = \"s\" }",
    );
    different(
        "[dataset.a]\nfrom = \"b\"\ncolumns = { \"x.y\" = \"1\" }",
        "[dataset.a]\nfrom = \"b\"\ncolumns = { x = \"1\" }",
    );
    different("[dataset.a]\nfiles = \"b.csv\"", "[dataset.a]\nfiles = \"b.tsv\"");
}

#[test]
fn an_overlay_is_the_same_as_editing_the_file() {
    let text = "[params]\nn = 5\n[dataset.a]\nsynth = { rows = 10, columns = { x = { integer = [1, 9] } } }\nwhere = \"x > ${params.n}\"\n\
                [profile.hot]\nparams.n = 9\ndataset.a.synth.rows = 3\n[profile.cold]\nparams.n = 1\n";
    let check = |profiles: &[&str], set: &[&str], n: &str, rows: u64| {
        let (manifest, _) = load_with(text, profiles, set).expect("the overlay fits");
        assert_eq!(manifest.datasets[0].definition.0["steps.0.where"], format!("x > {n}"));
        let Maker::Synth(synth) = &manifest.datasets[0].maker else { panic!("a synth") };
        assert_eq!(synth.rows.value, rows);
    };
    check(&[], &[], "5", 10);
    check(&["hot"], &[], "9", 3);
    check(&["hot", "cold"], &[], "1", 3);
    check(&["cold", "hot"], &[], "9", 3);
    check(&["hot"], &["params.n=2.5", "dataset.a.synth.rows = 4"], "2.5", 4);
    check(&[], &["params.n=many words = 3"], "many words = 3", 10);
    let (manifest, _) = load_with(text, &[], &["dataset.a.where=x = 'a=b'"]).expect("the overlay fits");
    assert_eq!(manifest.datasets[0].definition.0["steps.0.where"], "x = 'a=b'");
}

#[test]
fn a_param_keeps_its_type_where_it_stands_alone() {
    let text = "[params]\nrows = 7\np = 0.25\nname = \"first\"\nyes = true\n[dataset.a.synth]\nrows = \"${params.rows}\"\n\
                columns.a.bool = \"${params.p}\"\ncolumns.b.name = \"${params.name}\"\ncolumns.c.constant = \"${params.rows}\"\n\
                columns.d.constant = \"n${params.rows}\"\ncolumns.e.choice = [\"${params.yes}\", false]\n[filter.f]\nwhere = \"${params.yes}\"\n";
    let manifest = load(text);
    let Maker::Synth(synth) = &manifest.datasets[0].maker else { panic!("a synth") };
    assert_eq!(synth.rows.value, 7);
    let recipes: Vec<&Recipe> = synth.columns.iter().map(|(_, recipe)| recipe).collect();
    assert_eq!(recipes[0], &Recipe::Bool { p: 0.25 });
    assert_eq!(recipes[1], &Recipe::Name(NamePart::First));
    assert_eq!(recipes[2], &Recipe::Constant(Literal::Int(7)));
    assert_eq!(recipes[3], &Recipe::Constant(Literal::String("n7".into())));
    assert_eq!(
        recipes[4],
        &Recipe::Choice { values: vec![Literal::Bool(true), Literal::Bool(false)], weights: vec![] }
    );
    assert_eq!(manifest.filters[0].parts[0].condition.value, "true");
}

#[test]
fn two_dollars_and_jinja_are_no_params() {
    let check = |written: &str, expected: &str| {
        let manifest = load(&format!("[params]\nx = 1.0\n[prompt.p]\ntemplate = '''{written}'''\n"));
        let PromptText::Template(text) = &manifest.prompts[0].text else { panic!("a template") };
        assert_eq!(text.value, expected);
    };
    check("a $${params.x} b", "a ${params.x} b");
    check("costs ${{ price }} and $${{ x }}", "costs ${{ price }} and ${{ x }}");
    check("${params.x}${params.x}$", "1.01.0$");
    check("$ {x} $x", "$ {x} $x");
}

#[test]
fn a_text_points_into_its_literal_where_it_can() {
    let check = |literal: &str, part: &str, exact: bool| {
        let file = format!("[params]\nn = 1\n[filter.f]\nwhere = {literal}\n");
        let text = load(&file).filters[0].parts[0].condition.clone();
        assert_eq!(text.exact, exact, "{literal}");
        let start = text.value.find(part).expect("the part is in the value");
        let found = &file[text.inside(start..start + part.len()).range];
        assert_eq!(found, if exact { part } else { literal });
    };
    check("\"x > wörds\"", "wörds", true);
    check("'x > words'", "words", true);
    check("'''\nx >\nwords'''", "words", true);
    check("\"\"\"x\"\"\"", "x", true);
    check("\"x \\u003e words\"", "words", false);
    check("\"\"\"x \\\n  > words\"\"\"", "words", false);
    check("\"x > ${params.n}\"", "x", false);
}

#[test]
fn a_name_points_at_its_header() {
    let file = "[dataset.a]\nfrom = \"b\"\n";
    let name = load(file).datasets[0].name.clone();
    assert_eq!((name.value.as_str(), &file[name.span.range], name.exact), ("a", "a", true));
}

#[test]
fn every_example_of_the_reference_is_sound() {
    for kind in KINDS {
        if let Err(problems) = load_with(kind.example, &[], &[]) {
            panic!("{}", render(&problems, Style::Plain));
        }
    }
}

#[test]
fn every_example_of_the_reference_is_valid_under_the_schema() {
    let validator = jsonschema::validator_for(&schema()).expect("the schema is one");
    let check = |text: &str| {
        let sources = [Source::new(MAIN, text)];
        let (table, problems) = syntax::parse(&sources, 0);
        assert!(problems.is_empty());
        let table = table.iter().map(|(name, entry)| (name.to_owned(), json::json(&entry.value))).collect();
        let said: Vec<String> =
            validator.iter_errors(&serde_json::Value::Object(table)).map(|error| error.to_string()).collect();
        said
    };
    for kind in KINDS {
        assert!(check(kind.example).is_empty(), "{}: {:?}", kind.name, check(kind.example));
    }
    let dataset = |keys: &str| check(&format!("[dataset.a]\nfrom = \"b\"\n{keys}\n"));
    for fine in ["max_failed = 3", "max_failed = 0.5", "max_failed = \"0.5%\"", "max_failed = \"${params.x}\""] {
        assert!(dataset(fine).is_empty(), "{fine}");
    }
    for wrong in ["max_failed = 1.5", "max_failed = \"x\"", "rounds = 1", "generate = { prompt = \"p\" }"] {
        assert!(!dataset(wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn the_table_of_keys_is_sound() {
    fn tables(spec: &'static shape::Table, seen: &mut Vec<&'static shape::Table>) {
        if seen.iter().any(|known| std::ptr::eq(*known, spec)) {
            return;
        }
        seen.push(spec);
        fn inside(of: &'static shape::Shape, seen: &mut Vec<&'static shape::Table>) {
            use shape::Shape::*;
            match of {
                Table(spec) => tables(spec, seen),
                ListOr(item, spec) => (inside(item, seen), tables(spec, seen)).1,
                Either(one, other) => (inside(one, seen), inside(other, seen)).1,
                Map(_, item) | Ordered(_, item) | List(item) | OneOrMore(item) | Pair(item) => inside(item, seen),
                Text(_) | Int(..) | Number(_) | True | Scalar | Any | Part => {}
            }
        }
        spec.keys().for_each(|key| inside(&key.shape, seen));
    }
    let mut seen = Vec::new();
    for kind in KINDS {
        if let Holds::Keys(spec) | Holds::Nodes(spec) = &kind.holds {
            tables(spec, &mut seen);
        }
    }
    assert!(seen.len() > 10);
    for spec in seen {
        let named = spec.groups.iter().flat_map(|group| group.keys).chain(spec.keys().flat_map(|key| key.with));
        named.for_each(|name| assert!(spec.key(name).is_some(), "`{name}` is a key"));
        let names: BTreeSet<&str> = spec.keys().map(|key| key.name).collect();
        assert_eq!(names.len(), spec.keys().count());
    }
}

#[test]
fn a_project_is_read_from_its_folder_with_what_it_includes() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    let problems = |text: &str| {
        write(MAIN, text);
        match Manifest::load(&Workspace::open(folder.path()), &Options::default()) {
            Ok((manifest, _)) => manifest.sources.iter().map(|s| s.path.display().to_string() + "\n").collect(),
            Err(problems) => render(&problems, Style::Plain),
        }
    };
    let missing = Manifest::load(&Workspace::open(folder.path()), &Options::default()).expect_err("no file");
    assert_eq!(missing.0[0].code, "no-manifest");
    write("pipelines/b.toml", "[dataset.b]\nfrom = \"a\"\n");
    write("pipelines/deep/c.toml", "[dataset.c]\nfrom = \"a\"\n");
    write("pipelines/.hidden.toml", "nonsense");
    let include = |pattern: &str| format!("[project]\ninclude = [\"{pattern}\"]\n[dataset.a]\nfiles = \"a.csv\"\n");
    assert_eq!(problems(&include("pipelines/*.toml")), "datamake.toml\npipelines/b.toml\n");
    assert_eq!(problems(&include("**/?.toml")), "datamake.toml\npipelines/b.toml\npipelines/deep/c.toml\n");
    assert_eq!(problems(&include("./pipelines/deep/c.toml")), "datamake.toml\npipelines/deep/c.toml\n");
    insta::assert_snapshot!(problems(&include("pipelines/*.tml")), @r#"
    error[no-match]: `pipelines/*.tml` matches no file
     --> datamake.toml:2:13
      |
    2 | include = ["pipelines/*.tml"]
      |             ^^^^^^^^^^^^^^^ nothing to include
    "#);
    insta::assert_snapshot!(problems(&include("../*.toml")), @r#"
    error[outside-project]: files are included from inside the project only
     --> datamake.toml:2:13
      |
    2 | include = ["../*.toml"]
      |             ^^^^^^^^^ leads out of it
    "#);
    std::fs::write(folder.path().join("pipelines/bad.toml"), b"a = 1\n\xff").expect("a file");
    insta::assert_snapshot!(problems(&include("pipelines/bad.toml")), @r"
    error[unreadable]: `pipelines/bad.toml` is not UTF-8 text
     |
     = note: the first bad byte is in line 2
    ");
}

#[test]
fn a_large_file_means_what_its_parts_mean() {
    let node = |n: usize| format!("[dataset.d{n}]\nfrom = \"d\"\nwhere = \"x > {n}\"\n\n");
    let many: String = (0..3000).map(node).collect();
    let manifest = load(&many);
    assert_eq!(manifest.datasets.len(), 3000);
    for dataset in &manifest.datasets {
        let Step::Where(text) = &dataset.steps[0] else { panic!("a where") };
        assert_eq!(&many[text.span.range.clone()], text.value);
        assert_eq!(text.value, format!("x > {}", &dataset.name.value[1..]));
    }
    let titles = |text: &str| match load_with(text, &[], &[]) {
        Ok((manifest, _)) => vec![manifest.datasets.len().to_string()],
        Err(problems) => problems.0.into_iter().map(|problem| problem.title).collect(),
    };
    assert_eq!(titles(&format!("{many}[dataset.d7]\nfrom = \"x\"\n")), ["`d7` is defined twice"]);
    assert_eq!(
        titles(&format!("dataset = {{}}\n{many}"))[0],
        "cannot extend value of type inline table with a dotted key"
    );
    assert_eq!(titles(&format!("[dataset.e]\nfiles = \n{many}")), ["a value is missing"]);
    // Lines in a string that look like headers.
    assert_eq!(titles(&format!("[dataset.e]\nfrom = \"x\"\ndoc = \'\'\'\n{many}\'\'\'\n")), ["1"]);
    assert_eq!(titles(&format!("{many}[dataset.e]\nfrom = \"x\"\n[dataset.d2999.steps]\n")).len(), 2);
}

/// Pieces that make texts which are nearly manifests.
const PIECES: &[&str] = &[
    "[dataset.a]\n",
    "[dataset.b]\n",
    "[",
    "]",
    "{",
    "}",
    "= ",
    "\"",
    "'''",
    "\n",
    ".",
    ",",
    "#",
    "files",
    "from = \"b\"\n",
    "synth = {",
    "rows = 5\n",
    "columns",
    "mix = { of = { a = 1 } }\n",
    "steps = [{ where = \"x\" }]\n",
    "split = { parts = { a = 1 } }\n",
    "${params.x}",
    "[params]\nx = 1\n",
    "[profile.p]\n",
    "dataset.a.where = \"${\"\n",
    "2020-01-01",
    "-1",
    "1e999",
    "ä",
    "\\u12",
    "\r\n",
    "[[metric]]\n",
    "[export.e]\nto = \"../x\"\n",
    "\u{feff}",
    "include = [\"x\"]\n",
    "[model.m]\nprovider = \"openai\"\nname = \"x\"\n",
    "provider = \"anthropic\"\n",
    "body = { a = [",
    "nan",
    "key = \"sk-",
    "rounds = 2\n",
    "max_failed = \"2%\"\n",
    "judge = { prompt = \"p\", model = \"m\", into = \"x\", scale = { a = 1 } }\n",
    "[prompt.p]\ntemplate = \"x\"\nreply = { fields = { a = \"int\" } }\n",
    "[budget]\nmoney = 1\n",
    "[project]\n",
];

proptest! {
    #[test]
    fn no_text_makes_a_panic(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..30),
        noise in "\\PC{0,20}",
        set in proptest::collection::vec("[a-z.=\"'# {}$]{0,12}|dataset\\.a\\.[a-z]{1,5}=\\PC{0,5}", 0..3),
    ) {
        let text = pieces.concat() + &noise;
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        for text in [text.as_str(), noise.as_str()] {
            let said = match load_with(text, &["p"], &set) {
                Ok((_, warnings)) => warnings,
                Err(problems) => {
                    prop_assert!(problems.has_errors());
                    problems
                }
            };
            render(&said, Style::Colour);
            crate::diag::json(&said);
        }
    }

    #[test]
    fn a_manifest_with_one_character_changed_makes_no_panic(at in 0..ALL.len(), with in "[\\[\\]{}\"'=.,#\n a0$]") {
        let mut text = ALL.to_owned();
        text.replace_range(at..at + 1, &with);
        if let Err(problems) = load_with(&text, &[], &[]) {
            prop_assert!(problems.has_errors());
            render(&problems, Style::Plain);
        }
    }
}
