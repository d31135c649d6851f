//! Laws of prompts: which text goes where is part of what a node is.

mod common;

use common::Sandbox;

const HEAD: &str = "[dataset.people]\nsynth = { rows = 3, columns = { n = { sequence = 1 } } }\n";

/// Builds one manifest and then another; the results are those of a clean build of the second.
fn check(before: &str, after: &str) {
    let sandbox = Sandbox::new();
    sandbox.write("a.md", "A {{ n }}");
    sandbox.write("b.md", "B {{ n }}");
    sandbox.write("datamake.toml", format!("{HEAD}{before}"));
    sandbox.built();
    sandbox.write("datamake.toml", format!("{HEAD}{after}"));
    sandbox.built();
    assert_eq!(sandbox.results(), sandbox.clean());
}

fn two(first: &str, second: &str) -> String {
    format!(
        "[dataset.texts]\nfrom = \"people\"\nsteps = [{{ render = {{ {first}, into = \"x\" }} }}, {{ render = {{ {second}, into = \"y\" }} }}]\n"
    )
}

#[test]
fn two_prompts_that_change_places_are_rendered_again() {
    check(&two("file = \"a.md\"", "file = \"b.md\""), &two("file = \"b.md\"", "file = \"a.md\""));
}

#[test]
fn of_two_prompts_in_the_manifest_each_counts() {
    let prompts = |first: &str| {
        let both = two("prompt = \"one\"", "prompt = \"two\"");
        format!(
            "[prompt.one]\ntemplate = \"{first} {{{{ n }}}}\"\n[prompt.two]\ntemplate = \"Two {{{{ n }}}}\"\n{both}"
        )
    };
    check(&prompts("One"), &prompts("First"));
}

/// Returns the first text of a project with one file as its prompt.
fn first(sandbox: &Sandbox) -> String {
    sandbox.built();
    assert_eq!(sandbox.results(), sandbox.clean());
    sandbox.rows("texts")[0]["x"].as_str().expect("it is a text").to_owned()
}

#[test]
fn a_text_that_may_be_missing_counts_from_when_it_is_there() {
    let sandbox = Sandbox::new();
    let texts = "[dataset.texts]\nfrom = \"people\"\nrender = { file = \"a.md\", into = \"x\" }\n";
    sandbox.write("datamake.toml", format!("{HEAD}{texts}"));
    sandbox.write("a.md", "{{ n }}{% include 'b.md' ignore missing %}{% include ['own/c.md', 'c.md'] %}");
    sandbox.write("c.md", " c");
    assert_eq!(first(&sandbox), "1 c");
    sandbox.write("b.md", " b");
    assert_eq!(first(&sandbox), "1 b c");
    sandbox.write("own/c.md", " mine");
    assert_eq!(first(&sandbox), "1 b mine");
    sandbox.remove("b.md");
    assert_eq!(first(&sandbox), "1 mine");
}

#[test]
fn an_include_that_cannot_be_read_is_pointed_at() {
    let sandbox = Sandbox::new();
    sandbox.write("b.md", [0xff]);
    sandbox.write("datamake.toml", format!("{HEAD}[prompt.p]\ntemplate = \"{{% include 'b.md' %}}\"\n"));
    let told = |problems| datamake::diag::render(&problems, datamake::diag::Style::Plain);
    let unreadable = sandbox.project().map(|_| ()).map_err(told).unwrap_err();
    assert!(unreadable.contains("it is not UTF-8 text") && unreadable.contains("datamake.toml:4:"), "{unreadable}");
    sandbox.remove("b.md");
    let absent = sandbox.project().map(|_| ()).map_err(told).unwrap_err();
    assert!(absent.contains("there is no template file `b.md`") && absent.contains("datamake.toml:4:"), "{absent}");
}

#[test]
fn a_day_is_the_same_text_in_a_file_an_expression_and_a_prompt() {
    let sandbox = Sandbox::new();
    let days = ["0000-02-29", "-000001-12-31", "9999-12-31", "+010000-01-01"];
    sandbox.write("days.jsonl", days.map(|day| format!("{{\"day\": \"{day}\", \"text\": \"{day}\"}}\n")).concat());
    sandbox.write(
        "datamake.toml",
        "[dataset.days]\nfiles = \"days.jsonl\"\ntypes = { day = \"date\" }\nsteps = [\n\
         { columns = { cast = \"cast(day as string)\", same = \"day = cast(text as date)\" } },\n\
         { render = { template = \"{{ day }}\", into = \"prompt\" } },\n]\n",
    );
    sandbox.built();
    for (row, day) in sandbox.rows("days").iter().zip(days) {
        let expected = serde_json::json!({ "day": day, "text": day, "cast": day, "same": true, "prompt": day });
        assert_eq!(*row, expected);
    }
}
