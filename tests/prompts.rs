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
