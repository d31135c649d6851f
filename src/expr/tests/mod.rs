//! Laws of expressions, over one small batch that has every type and a null in each column.

mod aggregates;
mod errors;
mod naive;
mod sqlite;
mod table;

use super::*;
use crate::table::Field;
use arrow_array::Array;

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn column(name: &str, ty: Type, cells: [Value; 4]) -> (Field, ArrayRef) {
    let array = array_of(&ty, &cells);
    (Field::new(name, ty), array)
}

/// The batch of most tests.
fn rows() -> (Schema, Batch) {
    use Value::{Bool, Date, Float, Int, List, Null, Struct, Timestamp};
    let strings = Type::List(Box::new(Type::String));
    let pair = Type::Struct(vec![Field::new("a", Type::Int), Field::new("b c", Type::String)]);
    let of = |a: Value, b: Value| Struct(vec![("a".to_owned(), a), ("b c".to_owned(), b)]);
    let columns = [
        column("n", Type::Int, [Int(1), Int(0), Null, Int(-3)]),
        column("x", Type::Float, [Float(0.5), Null, Float(2.0), Float(-1.0)]),
        column("text", Type::String, [text("Ab c"), text(""), Null, text("é,é")]),
        column("ok", Type::Bool, [Bool(true), Bool(false), Null, Bool(true)]),
        column("day", Type::Date, [Date(0), Date(19_782), Null, Date(-1)]),
        column("at", Type::Timestamp, [Timestamp(0), Timestamp(86_400_000_001), Null, Timestamp(-1)]),
        column("tags", strings, [List(vec![text("a"), text("b")]), List(vec![]), Null, List(vec![text("c"), Null])]),
        column("pair", pair, [of(Int(7), text("z")), of(Null, text("y")), Null, of(Int(0), Null)]),
        column("nothing", Type::Null, [Null, Null, Null, Null]),
        column("two words", Type::Int, [Int(1), Int(2), Int(3), Int(4)]),
    ];
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let named = fields.iter().map(|field| field.name.clone()).zip(arrays).collect();
    (Schema(fields), Batch { rows: 4, columns: named })
}

/// Writes a value as the reference does: texts in quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        value => value.to_string(),
    }
}

fn parsed(text: &str, schema: &Schema) -> Expr {
    Expr::parse(text, schema).unwrap_or_else(|errors| panic!("{text}: {errors:#?}"))
}

fn evaluated(text: &str) -> String {
    let (schema, batch) = rows();
    let expr = parsed(text, &schema);
    match expr.eval(&batch) {
        Ok(array) => {
            assert_eq!((array.data_type(), array.len()), (&expr.ty().arrow(), 4), "{text}");
            let cells: Vec<String> = (0..4).map(|row| shown(&value_at(&array, row))).collect();
            cells.join(" | ")
        }
        Err(error) => format!("row {}: {}", error.row, error.message),
    }
}

fn check(text: &str, expect: &str) {
    assert_eq!(evaluated(text), expect, "{text}");
}

#[test]
fn the_examples_of_the_functions_are_true() {
    let batch = Batch { rows: 1, columns: Vec::new() };
    for function in functions::SECTIONS.iter().flat_map(|(_, functions)| functions.iter()) {
        let (example, result) = function.example;
        let array =
            parsed(example, &Schema::default()).eval(&batch).unwrap_or_else(|error| panic!("{example}: {error:?}"));
        assert_eq!(shown(&value_at(&array, 0)), result, "{example}");
    }
}

#[test]
fn the_reference_is_what_the_tables_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/expressions.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, reference()).expect("the reference is written");
    }
    let written = std::fs::read_to_string(path).expect("docs/expressions.md is there");
    assert!(written == reference(), "docs/expressions.md is old: run this test with UPDATE=1");
}

#[test]
fn spelling_that_means_nothing_does_not_change_the_canonical_text() {
    let (schema, _) = rows();
    let same =
        |a: &str, b: &str| assert_eq!(parsed(a, &schema).canonical(), parsed(b, &schema).canonical(), "{a} / {b}");
    same("n+1", "  ( n  + 1 ) -- one more");
    same("LENGTH(text) > 1 AND ok", "length ( \"text\" )>1 and (ok)");
    same("ok and n > 1 and x > 1", "ok and (n > 1 and x > 1)");
    same("n in (1, 2, 2)", "n in (2, 1)");
    same("x > 1", "x > 1.0");
    same("cast(n as varchar)", "n::string");
    same("substring(text from 2 for 1)", "substr(text, 2, 1)");
}

#[test]
fn an_argument_written_out_and_left_out_is_one_expression() {
    let (schema, _) = rows();
    let canonical = |text: &str| parsed(text, &schema).canonical().to_owned();
    let same = |a: &str, b: &str| assert_eq!(canonical(a), canonical(b), "{a} / {b}");
    let differ = |a: &str, b: &str| assert_ne!(canonical(a), canonical(b), "{a} / {b}");
    same("word_count(text)", "word_count(text, 'space')");
    differ("word_count(text)", "word_count(text, 'unicode')");
    differ("word_count(text)", "word_count(text, null)");
    same("stop_word_count(text)", "stop_word_count(text, 'the be to of and that have with', 'space')");
    same("stop_word_count(text, 'a b')", "stop_word_count(text, 'a b', 'space')");
    differ("stop_word_count(text)", "stop_word_count(text, 'the be to of and that have with', 'unicode')");
    same("short_line_share(text) < 0.5", "short_line_share(text, 30) < 0.5");
    differ("short_line_share(text)", "short_line_share(text, 31)");
    same("compression_ratio(text)", "compression_ratio(text, 'zlib')");
    same("c4_lines(text)", "c4_lines(text, 3, 1000, 'terminal citations javascript policy')");
}

#[test]
fn what_c4_asks_of_lines_unless_it_is_told_is_what_its_rules_are_by_default() {
    use crate::text::{Kind, LineRules};
    let expr = parsed("c4_sentence_count(text)", &rows().0);
    let kind = expr.measure().map(|measure| measure.kind.clone());
    assert_eq!(kind, Some(Kind::C4Sentences(LineRules::default())));
}

#[test]
fn a_condition_taken_apart_reads_no_text_beside_what_is_dear() {
    let (schema, _) = rows();
    let dear = [
        "compression_ratio(text)",
        "flesch_reading_ease(text)",
        "language_confidence(text)",
        "code_share(text)",
        "pii_count(text, 'email')",
        "rouge_l(text, lower(text))",
        "bleu(text, text)",
        "edit_distance(text, 'text')",
        "word_count(text)",
    ];
    for dear in dear {
        let apart = |threshold: &str| parsed(&format!("not {dear} > {threshold}"), &schema).apart().unwrap();
        let (one, other) = (apart("3"), apart("4"));
        assert_eq!(one.dear[0].canonical(), parsed(dear, &schema).canonical());
        assert_eq!((one.dear.len(), one.dear[0].canonical()), (1, other.dear[0].canonical()));
        assert_eq!(one.rest.reads(), one.names);
        assert_ne!(one.rest.canonical(), other.rest.canonical());
    }
    // A literal and a column that look alike are not taken for one, nor is a call for a column that is called so.
    let apart = parsed("edit_distance(text, 'text') > 1 or edit_distance(text, text) > 1", &schema).apart().unwrap();
    assert_eq!(apart.dear.len(), 2);
    assert_eq!(apart.rest.reads(), apart.names);
    assert_ne!(apart.names[0], apart.names[1]);
    // What is cheap, makes texts, or is asked for in some rows alone is left where it is.
    for text in [
        "length(text) > 3",
        "mask_pii(text) = text",
        "language('Guten Tag') = 'de'",
        "is_refusal(text)",
        "case when length(text) < 9 then word_count(text) > 3 else true end",
    ] {
        assert!(parsed(text, &schema).apart().is_none(), "{text}");
    }
}

#[test]
fn what_means_something_changes_the_canonical_text() {
    let (schema, _) = rows();
    let texts = [
        "n",
        "x",
        "n + 1",
        "1 + n",
        "n + 1.0",
        "n - 1",
        "n = 1",
        "n <> 1",
        "text = '1'",
        "text = '1:string'",
        "n + n",
        "n + \"two words\"",
        "ok and n > 1",
        "n > 1 and ok",
        "ok or n > 1",
        "case when ok then 1 end",
        "case when ok then 1 else 0 end",
        "cast(text as int)",
        "try_cast(text as int)",
        "text like 'a'",
        "text ilike 'a'",
        "n in (1)",
        "n in (1, null)",
        "n not in (1)",
        "pair.a",
        "pair.\"b c\"",
        "tags[1]",
        "coalesce(n, 1)",
        "word_count(text)",
        "word_count(text, 'unicode')",
        "concat(text, ',')",
        "concat(text, ',', '')",
        "null",
        "'null'",
        "1",
        "1.0",
        "true",
        "date '2024-01-01'",
    ];
    let canonical: std::collections::BTreeSet<String> =
        texts.iter().map(|text| parsed(text, &schema).canonical().to_owned()).filter(|_| true).collect();
    // `n` and `x` differ by their types; two columns of one type do not.
    assert_eq!(canonical.len(), texts.len());
}

#[test]
fn renaming_a_column_does_not_change_the_canonical_text() {
    let (mut schema, _) = rows();
    let before = parsed("n * 2 + x / n", &schema).canonical().to_owned();
    schema.0[0].name = "m".to_owned();
    schema.0.reverse();
    let after = parsed("m * 2 + x / m", &schema);
    assert_eq!(after.canonical(), before);
    assert_eq!(after.reads(), ["m", "x"]);
    assert_eq!(before, "`+`(cast(`*`($0:int,2:int):int,float),`/`($1:float,cast($0:int,float)):float):float");
}

#[test]
fn exactly_the_columns_read_are_named_in_the_order_of_use() {
    let (schema, _) = rows();
    let reads = |text: &str, expect: &[&str]| assert_eq!(parsed(text, &schema).reads(), expect, "{text}");
    reads("1", &[]);
    reads("x + n * x", &["x", "n"]);
    reads("pair.a + 1", &["pair"]);
    reads("case when ok then text else upper(text) end", &["ok", "text"]);
    reads("\"two words\" in (1, n)", &["two words", "n"]);
}

#[test]
fn columns_are_found_before_a_schema_is_known() {
    let names = |text: &str| {
        column_names(text).map(|found| {
            found.into_iter().map(|(name, range)| format!("{name}@{}", range.start)).collect::<Vec<_>>().join(" ")
        })
    };
    assert_eq!(names("a + length(b.c) > d[1] and a in (1, e)"), Ok("a@0 b@11 d@18 a@27 e@36".to_owned()));
    assert_eq!(names("avg(final = gold) filter (where x > 1) / count(*)"), Ok("final@4 gold@12 x@32".to_owned()));
    assert_eq!(names("year(d) + upper(t) || case f when 'a' then g end"), Ok("d@5 t@16 f@27 g@43".to_owned()));
    assert_eq!(names("nofunction(a)").map_err(|errors| errors[0].code), Err("unknown-function"));
}

#[test]
fn a_column_may_come_with_a_time_zone_and_more_columns_than_are_read() {
    use arrow_array::TimestampMicrosecondArray;
    let schema = Schema(vec![Field::new("at", Type::Timestamp)]);
    let zoned: ArrayRef = std::sync::Arc::new(TimestampMicrosecondArray::from(vec![Some(0)]).with_timezone("UTC"));
    let batch = Batch { rows: 1, columns: vec![("other".to_owned(), zoned.clone()), ("at".to_owned(), zoned)] };
    let array = parsed("at", &schema).eval(&batch).expect("a timestamp");
    assert_eq!(array.data_type(), &Type::Timestamp.arrow());
    let wrong = Batch { rows: 1, columns: vec![("at".to_owned(), array_of(&Type::Int, &[Value::Int(1)]))] };
    assert!(parsed("at", &schema).eval(&wrong).is_err());
    assert!(parsed("at", &schema).eval(&Batch::default()).is_err());
}

#[test]
fn no_rows_give_no_rows_and_no_errors() {
    let (schema, batch) = rows();
    let none = Batch {
        rows: 0,
        columns: batch.columns.iter().map(|(name, array)| (name.clone(), array.slice(0, 0))).collect(),
    };
    for text in ["1 / 0", "n", "case when ok then 1 // 0 end", "tags", "nothing"] {
        assert_eq!(parsed(text, &schema).eval(&none).expect("no rows, no errors").len(), 0, "{text}");
    }
}

#[test]
fn the_longest_chain_that_is_allowed_can_be_computed() {
    let schema = Schema::default();
    let one = Batch { rows: 1, columns: Vec::new() };
    for (term, sign, expect) in [("1", "+", "1001"), ("true", " and ", "true"), ("'a'", "||", &"a".repeat(1001))] {
        let chain = vec![term; 1001].join(sign);
        let array = parsed(&chain, &schema).eval(&one).expect("a value");
        assert_eq!(value_at(&array, 0).to_string(), expect);
        assert!(Expr::parse(&format!("{chain}{sign}{term}"), &schema).is_err());
    }
    for (open, close) in
        [("(", ")"), ("- ", ""), ("not ", ""), ("abs(", ")"), ("case when true then ", " end"), ("[", "]")]
    {
        for depth in [10, 45, 60, 99, 101, 900, 5000] {
            let _ = Expr::parse(&format!("{}1{}", open.repeat(depth), close.repeat(depth)), &schema);
        }
    }
    for (suffix, n) in [("::int", 999), (" is null", 999), ("[1]", 999), (".a", 999)] {
        let _ = Expr::parse(&format!("1{}", suffix.repeat(n)), &schema);
    }
}
