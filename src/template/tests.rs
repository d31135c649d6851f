//! The laws of templates: what they read, what they give, and what is said of wrong ones.

use super::*;
use arrow_array::{
    BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, NullArray, StringArray, StructArray,
};
use arrow_schema::{DataType, Field};

type Files = &'static [(&'static str, &'static str)];

fn parse(text: &str, files: Files) -> Result<Template, Diagnostics> {
    Template::parse(Source::new("prompts/p.md", text), &|name| {
        let (_, text) = files.iter().find(|(known, _)| *known == name)?;
        Some(Ok(Source::new(name, *text)))
    })
}

/// One row with a column of each type, and a second row of nulls.
fn batch() -> Batch {
    let struct_of = |name: &str, array: ArrayRef| (Arc::new(Field::new(name, array.data_type().clone(), true)), array);
    let strings = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as ArrayRef;
    let tags = ListArray::new(
        Arc::new(Field::new("item", DataType::Utf8, true)),
        arrow_buffer::OffsetBuffer::from_lengths([3, 0]),
        strings(vec![Some("x"), Some("y"), None]),
        Some(vec![true, false].into()),
    );
    let row = StructArray::from(vec![
        struct_of("b", strings(vec![Some("inner"), None])),
        struct_of("a", strings(vec![None, None])),
    ]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("topic", strings(vec![Some("algebra"), None])),
        ("n", Arc::new(Int64Array::from(vec![Some(-3), None]))),
        ("f", Arc::new(Float64Array::from(vec![Some(3.0), None]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("day", Arc::new(Date32Array::from(vec![Some(19_782), None]))),
        ("tags", Arc::new(tags)),
        ("row", Arc::new(row)),
        ("nothing", Arc::new(NullArray::new(2))),
        ("range", strings(vec![Some("wide"), None])),
    ];
    Batch { rows: 2, columns: columns.into_iter().map(|(name, array)| (name.to_owned(), array)).collect() }
}

fn render_row(text: &str, files: Files, row: usize) -> Result<String, RowError> {
    use arrow_array::cast::AsArray;
    let template = parse(text, files).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    let batch = batch();
    let columns = batch.columns.iter().map(|(name, array)| (name.clone(), array.slice(row, 1))).collect();
    let column = template.render(&Batch { rows: 1, columns })?;
    assert_eq!(column.null_count(), 0);
    Ok(column.as_string::<i32>().value(0).to_owned())
}

fn check(text: &str, expect: &str) {
    assert_eq!(render_row(text, &[], 0).as_deref(), Ok(expect), "{text}");
}

fn check_null(text: &str, expect: &str) {
    assert_eq!(render_row(text, &[], 1).as_deref(), Ok(expect), "{text}");
}

fn check_fails(text: &str, row: usize, message: &str) {
    let error = render_row(text, &[], row).unwrap_err();
    assert!(error.message.starts_with(message), "{text}: {}", error.message);
}

fn check_reads(text: &str, files: Files, expect: &[&str]) {
    let template = parse(text, files).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    assert_eq!(template.reads(), expect, "{text}");
}

/// The code of the one problem, and the text that it points at.
fn check_problem(text: &str, files: Files, code: &str, at: &str) {
    let problems = parse(text, files).err().unwrap_or_else(|| panic!("{text} parses")).0;
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [code], "{text}: {problems:?}");
    let span = &problems[0].labels[0].span;
    assert_eq!(&span.source.text[span.range.clone()], at, "{text}");
}

#[test]
fn values_of_all_types_are_written_plainly() {
    check("{{ topic }} {{ n }} {{ f }} {{ day }}", "algebra -3 3.0 2024-02-29");
    check("{{ ok }} {{ n + 1 }} {{ f / 2 }}", "True -2 1.5");
    check("{{ row.b }} {{ row['b'] }} {{ tags[0] }} {{ tags | length }}", "inner inner x 3");
    check("{% for tag in tags if tag is not none %}{{ loop.index }}{{ tag }} {% endfor %}", "1x 2y ");
}

#[test]
fn json_keeps_the_order_of_fields_and_writes_null() {
    check("{{ row | tojson }} {{ tags | tojson }}", r#"{"b": "inner", "a": null} ["x", "y", null]"#);
}

#[test]
fn nothing_is_escaped_and_one_last_newline_goes() {
    check("<b>{{ topic ~ \"&'\" }}</b>\n\n", "<b>algebra&'</b>\n");
    check("a\r\n", "a");
}

#[test]
fn a_null_that_is_printed_is_an_error_of_its_row() {
    let error = render_row("Hello.\n{{ topic }}", &[], 1).unwrap_err();
    assert_eq!(error.message, "`topic` is null (prompts/p.md:2:4)");
    let help = "test it first, `{% if topic is not none %}`, or give another value, `{{ topic | default(\"\") }}`";
    assert_eq!(error.help.as_deref(), Some(help));
}

#[test]
fn a_null_cannot_slip_into_a_text() {
    check_fails("{{ topic | upper }}", 1, "`topic` is null");
    check_fails("{{ 'a' ~ topic }}", 1, "`topic` is null");
    check_fails("{{ n + 1 }}", 1, "");
    check_fails("{% for t in tags %}{% endfor %}", 1, "`tags` is null");
    check_fails("{{ nothing }}", 0, "`nothing` is null");
    check_fails("{{ row.a }}", 0, "a value in `row.a` is null or not there");
    check_fails("{{ row.b }}", 1, "a value in `row.b` is null or not there");
    check_fails("{{ row.zzz }}", 0, "a value in `row.zzz` is null or not there");
    check_fails("{% for t in tags %}{{ t }}{% endfor %}", 0, "a value in `t` is null or not there");
    check_fails("{{ row.a | upper }}", 0, "a value in `row.a | upper` is null or not there");
    check_fails("{{ tags | join(', ') }}", 0, "an item of the list to join is null");
}

#[test]
fn a_null_can_be_tested_and_replaced() {
    check_null("{{ topic if topic is not none }}.", ".");
    check_null("{{ topic | default('none given') }}", "none given");
    check_null("{% if topic %}a{% else %}b{% endif %}", "b");
    check_null("{% if topic is none and nothing is none and n is not defined %}a{% endif %}", "a");
    check("{{ row.a is none }} {{ tags[2] is none }} {{ topic is none }}", "True True False");
}

#[test]
fn columns_are_names_that_were_given_no_value() {
    check_reads(
        "{{ a }} {{ b.c.d }} {{ e['f'] }} {{ g[h] }} {{ i[j:k] }}",
        &[],
        &["a", "b", "e", "g", "h", "i", "j", "k"],
    );
    check_reads("{% set a = b %}{{ a }}{% set c = c | trim %}", &[], &["b", "c"]);
    check_reads("{% for a in b %}{{ a }}{{ loop.index }}{{ c }}{% else %}{{ a }}{% endfor %}", &[], &["a", "b", "c"]);
    check_reads("{% for a, (b, c) in d if a %}{{ b ~ c }}{% endfor %}", &[], &["d"]);
    check_reads("{% for a in b %}{% set c = 1 %}{% endfor %}{{ c }}", &[], &["b", "c"]);
    check_reads("{% with a = b, c = a %}{{ a ~ c }}{% endwith %}{{ c }}", &[], &["b", "c"]);
    check_reads(
        "{{ a | default(b) }}{{ c is eq(d) }}{{ range(e) }}{{ [f, (g, h)] }}{{ {i: j} }}",
        &[],
        &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"],
    );
    check_reads("{% set ns = namespace(x=a) %}{% set ns.x = b %}{{ ns.x }}", &[], &["a", "b"]);
    check_reads(
        "{% set a %}{{ b }}{% endset %}{{ a }}{% filter replace('x', c) %}{{ d }}{% endfilter %}",
        &[],
        &["b", "c", "d"],
    );
    check_reads("{# {{ a }} #}{% raw %}{{ b }}{% endraw %}{{ true }}{{ none }}", &[], &[]);
    check_reads("{{ range }}", &[], &["range"]);
}

#[test]
fn a_name_that_one_branch_sets_is_a_column_and_one_that_both_set_is_not() {
    check_reads("{% if a %}{% set x = 1 %}{% endif %}{{ x }}", &[], &["a", "x"]);
    check_reads("{% if a %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}", &[], &["a"]);
    check("{% if n > 0 %}{% set topic = 'x' %}{% endif %}{{ topic }}", "algebra");
}

#[test]
fn macros_see_their_arguments_and_what_their_scope_sets() {
    check_reads("{% macro m(a, b=c) %}{{ a ~ b ~ d }}{% endmacro %}{{ m(e) }}", &[], &["c", "d", "e"]);
    check_reads(
        "{% macro m() %}{{ x ~ later() }}{% endmacro %}{% macro later() %}{% endmacro %}{% set x = 1 %}",
        &[],
        &[],
    );
    check_reads("{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ a }}{% endcall %}", &[], &["a"]);
    check("{% macro m(a) %}<{{ a }} {{ topic }}>{% endmacro %}{{ m(1) }}{{ m(n) }}", "<1 algebra><-3 algebra>");
    check("{% macro m() %}{{ topic[:3] }}{% endmacro %}{{ m() }}", "alg");
}

#[test]
fn included_texts_share_the_scope_of_their_place() {
    const FILES: Files = &[
        ("item.md", "{{ item }}{{ topic }}{% set y = 1 %}"),
        ("lib.md", "{% macro m(a) %}{{ a }}{{ topic }}{% endmacro %}{% set z = row.b %}"),
        ("self.md", "{% if n > 0 %}{% include 'self.md' %}{% endif %}{{ f }}"),
    ];
    check_reads("{% for item in tags %}{% include 'item.md' %}{% endfor %}", FILES, &["tags", "topic"]);
    check_reads("{% include 'item.md' %}{{ y }}", FILES, &["item", "topic"]);
    check_reads("{% from 'lib.md' import m as k %}{{ k(n) }}", FILES, &["n", "row", "topic"]);
    check_reads("{% import 'lib.md' as lib %}{{ lib.m(n) }}{{ z }}", FILES, &["n", "row", "topic", "z"]);
    check_reads("{% include ['absent.md', 'self.md'] %}{% include 'absent.md' ignore missing %}", FILES, &["f", "n"]);
    let text = "{% import 'lib.md' as lib %}{% for item in [1] %}{% include 'item.md' %}{% endfor %}{{ lib.m(n) }}";
    assert_eq!(render_row(text, FILES, 0).unwrap(), "1algebra-3algebra");
    assert_eq!(render_row("{% include 'self.md' %}", FILES, 0).unwrap(), "3.0");
}

#[test]
fn a_child_fills_the_blocks_of_what_it_extends() {
    const FILES: Files = &[(
        "base.md",
        "{% for item in tags %}{% block one %}{{ hidden }}{% endblock %}{% endfor %}{% block two %}{{ f }}{% endblock %}",
    )];
    let text = "{% extends 'base.md' %}{% set x = 1 %}{% block one %}{{ item is none }}{{ x }}{% endblock %}\
                {% block two %}{{ super() }}{{ n }}{% endblock %}{% block lost %}{{ unused }}{% endblock %}";
    check_reads(text, FILES, &["f", "n", "tags"]);
    assert_eq!(render_row(text, FILES, 0).unwrap(), "False1False1True13.0-3");
}

#[test]
fn places_point_into_the_file_that_reads() {
    const FILES: Files = &[("part.md", "\n  {{ topic }}")];
    let template = parse("{{ topic }} and {{ row.a }}{% include 'part.md' %}", FILES).unwrap();
    let places = template.places("topic");
    assert_eq!(places.len(), 2);
    assert_eq!(places[0].range, 3..8);
    assert_eq!(places[1].source.path.to_str(), Some("part.md"));
    assert_eq!(places[1].source.line_column(places[1].range.start), (2, 6));
    let row = &template.places("row")[0];
    assert_eq!(&row.source.text[row.range.clone()], "row");
    assert_eq!(template.sources().len(), 2);
}

#[test]
fn what_can_be_known_before_rendering_is_an_error_of_parsing() {
    check_problem("a {{ b | trimm }}", &[], "unknown-filter", "trimm");
    check_problem("{{ b is nul }}", &[], "unknown-test", "nul");
    check_problem("{{ now() }}", &[], "unknown-function", "now()");
    check_problem("{{ debug() }}", &[], "unknown-function", "debug()");
    check_problem("{{ b.strip() }}", &[], "unknown-method", ".strip()");
    check_problem("{{ b ** 2 }}", &[], "inexact-power", "b ** 2");
    check_problem("{% include b %}", &[], "dynamic-include", "b");
    check_problem("{% include 'b' %}", &[], "no-such-template", "'b'");
    check_problem("{% from 'b' import c %}", &[("b", "")], "unknown-macro", "c");
    check_problem("{% if a %}{% extends 'b' %}{% endif %}", &[("b", "")], "misplaced-extends", "extends 'b'");
    check_problem("{% extends 'b' %}", &[("b", "{% extends 'b' %}")], "template-cycle", "'b'");
    check_problem("{{ a", &[], "template-syntax", "a");
    check_problem("{% include 'b' %}", &[("b", "x\n{% endif %}")], "template-syntax", "endif");
}

#[test]
fn all_problems_are_told_at_once() {
    assert_eq!(parse("{{ a | x1 }}{{ b | x2 }}{% include c %}", &[]).unwrap_err().0.len(), 3);
}

#[test]
fn an_unknown_filter_brings_the_nearest_one() {
    assert_eq!(parse("{{ a | uper }}", &[]).unwrap_err().0[0].help, ["did you mean `upper`?"]);
    let env = engine::environment();
    for name in engine::NAMES {
        let mut state = env.empty_state();
        let known = ["filter", "test"].iter().any(|kind| state.perform_test(kind, &[Value::from(name)]).unwrap());
        assert!(known, "{name}");
    }
}

#[test]
fn a_template_without_end_is_an_error_and_not_a_hang() {
    check_fails(
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        0,
        "the template takes more than",
    );
    check_fails("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", 0, "recursion limit exceeded");
    check_fails("{{ 'x' * 20000000 }}", 0, "the text comes to more than 16 MiB");
    check_fails("{{ 'x' * 2000000000 }}", 0, "the template takes more than");
}

#[test]
fn the_deepest_recursion_fits_the_stack_of_a_thread() {
    const FILES: Files = &[("deep.md", "{% for a in [1] %}{% include 'deep.md' %}{% endfor %}")];
    let nested = format!("{}{}", "{% if n %}".repeat(100), "{% endif %}".repeat(100));
    let deep = move || {
        assert!(render_row("{% include 'deep.md' %}", FILES, 0).is_err());
        assert!(render_row("{% macro m(a) %}{{ [m(a)] | join }}{% endmacro %}{{ m(1) }}", &[], 0).is_err());
        assert_eq!(parse(&nested, &[]).map(|_| ()), Ok(()));
        let brackets = format!("{{{{ {}1{} }}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(parse(&brackets, &[]).is_err());
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(deep).unwrap().join().unwrap();
}

#[test]
fn includes_that_multiply_are_refused() {
    let load = |name: &str| {
        let next = name.parse::<u32>().ok()? + 1;
        Some(Ok(Source::new(name, format!("{{% include '{next}' %}}").repeat(4))))
    };
    let problems = Template::parse(Source::new("p.md", "{% include '0' %}"), &load).unwrap_err();
    assert_eq!(problems.0[0].code, "too-many-includes");
}

#[test]
fn a_refused_file_brings_its_own_error() {
    let load = |_: &str| Some(Err(Diagnostic::error("outside-project", "no")));
    let problems = Template::parse(Source::new("p.md", "{% include '../x' %}"), &load).unwrap_err();
    assert_eq!(problems.0.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["outside-project"]);
    assert_eq!(problems.0[0].labels[0].span.range, 11..17);
}

#[test]
fn the_key_is_that_of_the_texts_and_not_of_the_path() {
    let key = |path: &str, text: &str, included: &'static str| {
        let template = Template::parse(Source::new(path, text), &|name| Some(Ok(Source::new(name, included)))).unwrap();
        let mut key = KeyWriter::new("render", 1);
        template.write_key(&mut key);
        key.finish()
    };
    let base = key("a.md", "{% include 'x' %}", "1");
    assert_eq!(base, key("b.md", "{% include 'x' %}", "1"));
    assert_ne!(base, key("a.md", "{% include 'x' %}", "2"));
    assert_ne!(base, key("a.md", "{% include 'x' %}!", "1"));
}

#[test]
fn an_absent_column_is_an_error_that_names_it() {
    let template = parse("{{ zzz }}", &[]).unwrap();
    assert_eq!(template.render(&batch()).unwrap_err().message, "there is no column `zzz`");
}
