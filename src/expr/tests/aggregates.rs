//! Aggregates: what they give, and that states merge and travel.

use super::super::{Aggregate, State, Value, aggregate, array_of};
use super::{shown, text};
use crate::table::{Batch, Field, Schema, Type};
use proptest::prelude::*;

/// The rows that the reference shows, and a group.
fn rows() -> (Schema, Batch) {
    use Value::{Bool, Int, Null};
    let columns = [
        ("x", Type::Int, [Int(1), Int(2), Int(2), Null]),
        ("ok", Type::Bool, [Bool(true), Bool(false), Bool(true), Bool(true)]),
        ("word", Type::String, [text("a"), text("b"), text("b"), Null]),
    ];
    batch(columns.into_iter().map(|(name, ty, cells)| (name, ty, cells.to_vec())).collect())
}

fn batch(columns: Vec<(&str, Type, Vec<Value>)>) -> (Schema, Batch) {
    let rows = columns[0].2.len();
    let arrays = columns.iter().map(|(name, ty, cells)| ((*name).to_owned(), array_of(ty, cells))).collect();
    (Schema(columns.into_iter().map(|(name, ty, _)| Field::new(name, ty)).collect()), Batch { rows, columns: arrays })
}

fn computed(value: &str, by: &[&str]) -> String {
    let (schema, batch) = rows();
    let by: Vec<String> = by.iter().map(|by| (*by).to_owned()).collect();
    let aggregate = Aggregate::parse(value, &by, &schema).unwrap_or_else(|errors| panic!("{value}: {errors:#?}"));
    let slices = match aggregate.fold(&batch).and_then(|state| aggregate.finish(&state)) {
        Ok(slices) => slices,
        Err(error) => return format!("row {}: {}", error.row, error.message),
    };
    let slice = |slice: &super::super::Slice| {
        let by: Vec<String> = slice.by.iter().map(shown).collect();
        if by.is_empty() { shown(&slice.value) } else { format!("{}: {}", by.join(", "), shown(&slice.value)) }
    };
    slices.iter().map(slice).collect::<Vec<_>>().join(" | ")
}

fn check(value: &str, by: &[&str], expect: &str) {
    assert_eq!(computed(value, by), expect, "{value} by {by:?}");
}

#[test]
fn the_examples_of_the_aggregates_are_true() {
    for fold in aggregate::all() {
        check(fold.example.0, &[], fold.example.1);
    }
}

#[test]
fn values_are_expressions_over_aggregates() {
    check("count(*) filter (where x > 1) / count(*)", &[], "0.5");
    check("round(avg(word = 'b'), 2)", &[], "0.67");
    check("sum(x) filter (where 6 / (x - 1) > 0)", &[], "row 0: division by zero");
    check("sum(6 / (x - 1)) filter (where x > 1)", &[], "12.0");
    check("count(*) filter (where false)", &[], "0");
    check("case when count(*) > 3 then max(word) || min(word) else 'few' end", &[], "'ba'");
    check("sum(x) / count(nullif(ok, ok))", &[], "row 0: division by zero");
    check("percentile(x, 1) - quantile(x, 0)", &[], "1.0");
    check("max(x) in (2, 3) and coalesce(min(null), 1) = 1", &[], "true");
}

#[test]
fn a_name_that_is_both_is_of_a_row_where_a_row_is() {
    check("distinct_n(word, 1)", &[], "0.6666666666666666");
    check("avg(distinct_n(word, 1))", &[], "1.0");
    check("count(*)", &["distinct_n(word, 1)"], "null: 1 | 1.0: 3");
}

#[test]
fn tasks_with_too_few_samples_are_an_error() {
    check("pass_at_k(ok, word, 1)", &[], "0.75");
    check("pass_at_k(ok, word, 2)", &[], "row 0: 1 of 2 tasks have fewer than 2 samples, the least 1");
    // A task none of whose samples came to anything is one, unless it is left out.
    check("pass_at_k(nullif(ok, word = 'a'), x, 1)", &[], "row 0: 1 of 2 tasks have fewer than 1 samples, the least 0");
    check("pass_at_k(nullif(ok, word = 'a'), x, 1) filter (where word = 'b')", &[], "1.0");
    check(
        "bootstrap_low(pass_at_k(nullif(ok, word = 'a'), x, 1), x)",
        &[],
        "row 0: in one of the samples: 2 of 2 tasks have fewer than 1 samples, the least 0",
    );
}

#[test]
fn a_vector_without_a_direction_is_an_error_of_its_row_whichever_are_picked() {
    let vector = |values: &[f64]| Value::List(values.iter().copied().map(Value::Float).collect());
    let of = |bad: Value| {
        let mut cells: Vec<Value> = (1..200).map(|i| vector(&[f64::from(i), 1.0])).collect();
        cells.insert(150, bad);
        let (schema, batch) = batch(vec![("v", Type::List(Box::new(Type::Float)), cells)]);
        let aggregate = Aggregate::parse("vendi_score(v, 5)", &[], &schema).expect("a good value");
        match aggregate.fold(&batch).and_then(|state| aggregate.finish(&state)) {
            Ok(slices) => shown(&slices[0].value),
            Err(error) => format!("row {}: {}", error.row, error.message),
        }
    };
    assert_eq!(of(vector(&[0.0, -0.0])), "row 150: a vector has no direction: it is zero");
    assert_eq!(of(vector(&[])), "row 150: a vector has no direction: it is empty");
    assert_eq!(
        of(vector(&[1.0, f64::NAN])),
        "row 150: a vector has no direction: a number of it is null or not finite"
    );
    assert_eq!(of(vector(&[1.0])), "row 0: vectors of 1 and of 2 numbers cannot be compared");
    // Numbers whose squares are out of range have a direction, and nulls are no vectors.
    assert!(of(vector(&[1e300, 1e300])).starts_with("1.") && of(Value::Null).starts_with("1."));
}

#[test]
fn ngrams_are_counted_in_parts_as_they_are_at_once() {
    let texts = (0..60).map(|i| Value::String(format!("{} {} a b {}", i % 7, i % 5, i))).collect();
    let (schema, batch) = batch(vec![("text", Type::String, texts)]);
    let value = "distinct_ngrams(text, 2) + distinct_n(text, 1) + ngram_entropy(text, 3) + count(*)";
    let aggregate = Aggregate::parse(value, &[], &schema).expect("a good value");
    let of = |parts: u64| {
        let mut sum = aggregate.empty();
        for part in 0..parts {
            for at in [0, 20, 40] {
                let columns = vec![("text".to_owned(), batch.columns[0].1.slice(at, 20))];
                let state = aggregate.fold(&Batch { rows: 20, columns }).expect("nothing fails");
                aggregate.merge_part(&mut sum, state, part, parts);
            }
            aggregate.settle(&mut sum);
        }
        aggregate.finish(&sum).expect("nothing fails")
    };
    let whole = aggregate.finish(&aggregate.fold(&batch).expect("nothing fails")).expect("nothing fails");
    [1, 2, 7].into_iter().for_each(|parts| assert_eq!(of(parts), whole, "{parts} parts"));
}

#[test]
fn slices_are_sorted_and_null_is_one_of_them() {
    check("count(*)", &["word"], "null: 1 | 'a': 1 | 'b': 2");
    check("avg(x)", &["ok", "x > 1"], "false, true: 2.0 | true, null: null | true, false: 1.0 | true, true: 2.0");
    check("count(*) filter (where ok)", &["x"], "null: 1 | 1: 1 | 2: 1");
    check("sum(x)", &["1 // x"], "null: null | 0: 4 | 1: 1");
}

#[test]
fn without_rows_there_is_one_slice_or_none() {
    let (schema, _) = rows();
    let of = |value: &str, by: &[String]| {
        let aggregate = Aggregate::parse(value, by, &schema).expect("a good value");
        aggregate
            .finish(&aggregate.empty())
            .expect("nothing fails")
            .into_iter()
            .map(|slice| slice.value)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("count(*)", &[]), [Value::Int(0)]);
    for value in
        ["sum(x)", "avg(x)", "min(word)", "stddev(x)", "median(x)", "entropy(word)", "mode(word)", "bool_and(ok)"]
    {
        assert_eq!(of(value, &[]), [Value::Null], "{value}");
    }
    assert_eq!(of("count(*)", &["word".to_owned()]), []);
}

#[test]
fn wrong_values_are_explained() {
    let (schema, _) = rows();
    let check = |value: &str, by: &[&str], expect: &[(usize, &str)]| {
        let by: Vec<String> = by.iter().map(|by| (*by).to_owned()).collect();
        let errors = Aggregate::parse(value, &by, &schema).expect_err(value);
        assert_eq!(errors.iter().map(|(i, error)| (*i, error.code)).collect::<Vec<_>>(), expect, "{value}");
    };
    check("x", &[], &[(0, "column-outside-aggregate")]);
    check("1", &[], &[(0, "no-aggregate")]);
    check("avg(x) + x", &[], &[(0, "column-outside-aggregate")]);
    check("avg(sum(x))", &[], &[(0, "nested-aggregate")]);
    check("avg(word)", &[], &[(0, "wrong-arguments")]);
    check(
        "avg(y) + sum(z)",
        &["worf", "x +"],
        &[(0, "unknown-column"), (0, "unknown-column"), (1, "unknown-column"), (2, "bad-expression")],
    );
    check("count(*)", &["avg(x)"], &[(1, "aggregate-here")]);
    check("sum(distinct x)", &[], &[(0, "not-supported")]);
    check("quantile(x, 2)", &[], &[(0, "bad-literal")]);
    check("quantile(x, x)", &[], &[(0, "bad-literal")]);
    check("distinct_n(word, 0)", &[], &[(0, "bad-literal")]);
    check("distinct_n(word, x)", &[], &[(0, "bad-literal")]);
    check("ci_low(x, 95)", &[], &[(0, "bad-literal")]);
    check("bootstrap_low(avg(x), ok, 95)", &[], &[(0, "bad-literal")]);
    check("bootstrap_low(avg(x))", &[], &[(0, "wrong-arguments")]);
    check("bootstrap_low(x, ok)", &[], &[(0, "column-outside-aggregate")]);
    check("bootstrap_low(1, ok)", &[], &[(0, "no-aggregate")]);
    check("bootstrap_low(max(word), ok)", &[], &[(0, "not-supported")]);
    check("bootstrap_low(distinct_n(word, 1), ok)", &[], &[(0, "not-supported")]);
    check("bootstrap_low(median(x), ok)", &[], &[(0, "not-supported")]);
    check("bootstrap_low(bootstrap_low(avg(x), x), ok)", &[], &[(0, "not-supported")]);
    check("bootstrap_low(avg(x), avg(x))", &[], &[(0, "nested-aggregate")]);
    check("avg(bootstrap_low(avg(x), x))", &[], &[(0, "nested-aggregate")]);
    check("bootstrap_low(avg(y), z)", &[], &[(0, "unknown-column"), (0, "unknown-column")]);
    check("coverage(word, [])", &[], &[(0, "wrong-arguments")]);
    check("coverage(word, [word])", &[], &[(0, "bad-literal")]);
    check("histogram(x, 0)", &[], &[(0, "bad-literal")]);
    check("sum(x) over ()", &[], &[(0, "not-supported")]);
    check("upper(x)", &[], &[(0, "column-outside-aggregate")]);
}

#[test]
fn all_types_that_an_aggregate_takes_are_told() {
    let (schema, _) = rows();
    let of = |value: &str| Aggregate::parse(value, &[], &schema).expect_err(value)[0].1.clone();
    let error = of("ci_low(word)");
    assert_eq!(error.label, "this is string, bool or float is wanted");
    assert_eq!(error.help, ["take a number of it, such as `word_count(…)`, or compare it with something"]);
    assert_eq!(of("distinct_n(x, 1)").label, "this is int, string is wanted");
}

#[test]
fn what_only_counts_values_does_not_keep_them() {
    let texts = (0..100).map(|i| Value::String(format!("{i}").repeat(1000))).collect();
    let (schema, batch) = batch(vec![("text", Type::String, texts)]);
    let bytes = |value: &str| {
        let aggregate = Aggregate::parse(value, &[], &schema).unwrap();
        aggregate.fold(&batch).unwrap().encode().len()
    };
    assert!(bytes("count(distinct text)") < 3000 && bytes("entropy(text)") < 3000);
    assert!(bytes("mode(text)") > 100_000);
}

/// Computes a value over rows of a unit, a task, whether it is right, and a number.
fn drawn(value: &str, rows: &[(i64, i64, bool, f64)]) -> f64 {
    let cells = |of: fn(&(i64, i64, bool, f64)) -> Value| rows.iter().map(of).collect::<Vec<_>>();
    let (schema, batch) = batch(vec![
        ("id", Type::Int, cells(|row| Value::Int(row.0))),
        ("task", Type::Int, cells(|row| Value::Int(row.1))),
        ("ok", Type::Bool, cells(|row| Value::Bool(row.2))),
        ("f", Type::Float, cells(|row| Value::Float(row.3))),
    ]);
    let aggregate = Aggregate::parse(value, &[], &schema).unwrap_or_else(|errors| panic!("{value}: {errors:#?}"));
    let state = aggregate.fold(&batch).expect("nothing fails");
    match aggregate.finish(&state).expect("nothing fails")[0].value {
        Value::Float(x) => x,
        ref other => panic!("{value}: {other:?}"),
    }
}

/// Five hundred rows of a hundred tasks; the rows of a task are right together.
fn tasks() -> Vec<(i64, i64, bool, f64)> {
    let noise = |i: i64| (crate::hash::mix64(i as u64) % 1000) as f64 / 1000.0;
    (0..500).map(|i| (i, i / 5, noise(i / 5 + 7000) < 0.6, noise(i) * noise(i + 5000) * 10.0)).collect()
}

#[test]
fn samples_drawn_anew_agree_with_the_formula_where_there_is_one() {
    let rows = tasks();
    for (mean, half) in [("f", 0.2), ("ok", 0.05)] {
        for end in ["low", "high"] {
            let formula = drawn(&format!("ci_{end}({mean})"), &rows);
            let samples = drawn(&format!("bootstrap_{end}(avg({mean}), id)"), &rows);
            assert!((formula - samples).abs() < half * 0.15, "{mean} {end}: {formula} {samples}");
        }
    }
    let (low, high) = (drawn("bootstrap_low(stddev(f), id)", &rows), drawn("bootstrap_high(stddev(f), id)", &rows));
    let deviation = drawn("stddev(f)", &rows);
    assert!(low < deviation && deviation < high && high - low < 0.5, "{low} {deviation} {high}");
}

#[test]
fn rows_of_one_unit_come_and_go_together() {
    let rows = &tasks()[..300];
    let width = |unit: &str| {
        let end = |end: &str| drawn(&format!("bootstrap_{end}(avg(ok), {unit})"), rows);
        end("high") - end("low")
    };
    // Five rows that agree are one piece of evidence, so the interval is √5 times as wide.
    let times = width("task") / width("id");
    assert!((2.0..2.5).contains(&times), "{times}");
    // Whole tasks are drawn, so none of them has too few samples, and one that comes twice is two.
    let pass = drawn("pass_at_k(ok, task, 5)", rows);
    let ends = ["low", "high"].map(|end| drawn(&format!("bootstrap_{end}(pass_at_k(ok, task, 5), task)"), rows));
    assert!(ends[0] < pass && pass < ends[1] && ends[1] - ends[0] > 0.1, "{ends:?}");
}

#[test]
fn reads_and_canonical_text_follow_the_meaning() {
    let (schema, _) = rows();
    let of = |value: &str, by: &[&str]| {
        let by: Vec<String> = by.iter().map(|by| (*by).to_owned()).collect();
        Aggregate::parse(value, &by, &schema).expect(value)
    };
    let metric = of("sum(x) filter (where ok) / count(*)", &["word"]);
    assert_eq!(metric.reads(), ["word", "ok", "x"]);
    assert_eq!(metric.ty(), &Type::Float);
    assert_eq!(metric.canonical(), of("SUM( x ) FILTER (WHERE (ok)) / count( * )", &["\"word\""]).canonical());
    let different = [
        "sum(x)",
        "avg(x)",
        "count(x)",
        "count(distinct x)",
        "quantile(x, 0.1)",
        "quantile(x, 0.2)",
        "median(x)",
        "sum(x) + 1",
        "count(*)",
        "bootstrap_low(avg(x), ok)",
        "bootstrap_low(sum(x), ok)",
        "bootstrap_low(sum(x) / count(x), ok)",
        "bootstrap_low(sum(x) - count(x), ok)",
        "bootstrap_low(avg(x), word)",
        "bootstrap_low(avg(x), word, 0.9)",
        "bootstrap_high(avg(x), word)",
    ];
    let texts: std::collections::BTreeSet<String> =
        different.iter().map(|value| of(value, &[]).canonical().to_owned()).collect();
    assert_eq!(texts.len(), different.len());
}

const VALUES: &[&str] = &[
    "count(*)",
    "count(distinct w)",
    "sum(f)",
    "sum(n)",
    "avg(f)",
    "min(f)",
    "max(w)",
    "median(f)",
    "quantile(n, 0.3)",
    "entropy(w)",
    "mode(w)",
    "bool_and(n > 0)",
    "avg(n > 0)",
    "distinct_n(w, 1)",
    "ngram_entropy(w || ' ' || w, 2)",
    "duplicate_share(w)",
    "histogram(f, 0.5)",
    "shares(n)",
    "coverage(w, ['a', 'b'])",
    "ci_low(n > 0)",
    "pass_at_k(n > 0, w, 1)",
    "self_bleu(w || ' ' || w, 3)",
    "vendi_score([coalesce(n, 2), 1], 3)",
    "quantile_low(n, 0.4)",
    "bootstrap_low(sum(n) / count(f), w)",
    "bootstrap_high(avg(n > 0) filter (where w <> 'a'), n, 0.9)",
];

/// The values of one row.
type Cells = (Option<i64>, Option<f64>, Option<String>);

proptest! {
    #[test]
    fn states_merge_in_any_grouping_and_travel_as_bytes(
        cells in prop::collection::vec((prop::option::of(-1000i64..1000), prop::option::of(any::<f64>()), prop::option::of("[ab\0]{0,2}")), 0..40),
        cuts in (0usize..40, 0usize..40),
        value in prop::sample::select(VALUES),
        by in prop::sample::select(&[None, Some("w"), Some("n % 3")][..]),
    ) {
        let column = |f: fn(&Cells) -> Value| cells.iter().map(f).collect::<Vec<_>>();
        let (schema, all) = batch(vec![
            ("n", Type::Int, column(|c| c.0.map_or(Value::Null, Value::Int))),
            ("f", Type::Float, column(|c| c.1.map_or(Value::Null, Value::Float))),
            ("w", Type::String, column(|c| c.2.clone().map_or(Value::Null, Value::String))),
        ]);
        let aggregate = Aggregate::parse(value, &by.map(str::to_owned).into_iter().collect::<Vec<_>>(), &schema).expect(value);
        let (low, high) = (cuts.0.min(cuts.1).min(cells.len()), cuts.0.max(cuts.1).min(cells.len()));
        let fold = |from: usize, to: usize| {
            let columns = all.columns.iter().map(|(name, array)| (name.clone(), array.slice(from, to - from))).collect();
            let state = aggregate.fold(&Batch { rows: to - from, columns }).expect("nothing fails");
            let bytes = state.encode();
            let back = State::decode(&aggregate, &bytes).expect("it reads back");
            assert_eq!(back.encode(), bytes);
            back
        };
        let (a, b, c) = (fold(0, low), fold(low, high), fold(high, cells.len()));
        let mut left = aggregate.empty();
        [a.clone(), b.clone(), c.clone()].into_iter().for_each(|state| aggregate.merge(&mut left, state));
        let (mut right, mut tail) = (a, b);
        aggregate.merge(&mut tail, c);
        aggregate.merge(&mut right, tail);
        let whole = fold(0, cells.len());
        prop_assert_eq!(left.encode(), right.encode());
        prop_assert_eq!(left.encode(), whole.encode());
        let slices = |state: &State| format!("{:?}", aggregate.finish(state));
        prop_assert_eq!(slices(&left), slices(&whole));
    }

    #[test]
    fn stddev_merges_up_to_rounding(values in prop::collection::vec(-1e3..1e3f64, 2..60), cut in 0usize..60) {
        let cut = cut.min(values.len());
        let of = |values: &[f64]| batch(vec![("f", Type::Float, values.iter().copied().map(Value::Float).collect())]);
        let aggregate = Aggregate::parse("stddev(f)", &[], &of(&values).0).expect("a good value");
        let fold = |values: &[f64]| aggregate.fold(&of(values).1).expect("nothing fails");
        let mut merged = fold(&values[..cut]);
        aggregate.merge(&mut merged, fold(&values[cut..]));
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let expect = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64).sqrt();
        match aggregate.finish(&merged).expect("nothing fails")[0].value {
            Value::Float(got) => prop_assert!((got - expect).abs() <= 1e-9 * (1.0 + expect), "{got} {expect}"),
            ref other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn any_bytes_are_a_state_or_malformed(bytes in prop::collection::vec(any::<u8>(), 0..60), value in prop::sample::select(VALUES)) {
        let (schema, _) = batch(vec![("n", Type::Int, vec![]), ("f", Type::Float, vec![]), ("w", Type::String, vec![])]);
        let aggregate = Aggregate::parse(value, &["w".to_owned()], &schema).expect(value);
        if let Ok(mut state) = State::decode(&aggregate, &bytes) {
            let again = state.clone();
            aggregate.merge(&mut state, again);
            let _ = aggregate.finish(&state);
        }
    }
}
