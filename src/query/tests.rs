//! Laws of queries: what they read, what they make, and what is refused.

use super::*;
use crate::expr::{ExprError, Value, array_of};
use crate::table::{Field, Schema, Type};

fn schema(columns: &[(&str, Type)]) -> Schema {
    Schema(columns.iter().map(|(name, ty)| Field::new(*name, ty.clone())).collect())
}

fn people() -> Schema {
    let list = Type::List(Box::new(Type::Int));
    schema(&[
        ("id", Type::Int),
        ("name", Type::String),
        ("score", Type::Float),
        ("ok", Type::Bool),
        ("day", Type::Date),
        ("tags", list),
    ])
}

fn prepare(text: &str) -> Result<Prepared, Vec<ExprError>> {
    prepare_with(text, &[])
}

fn prepare_with(text: &str, types: &[Field]) -> Result<Prepared, Vec<ExprError>> {
    let query = Query::parse(text)?;
    let schema = people();
    let tables = query.tables.iter().map(|_| Table { schema: &schema }).collect();
    Engine::open(&query, tables, None).map_err(|error| vec![error])?.prepare(types)
}

fn made(text: &str) -> String {
    let prepared = prepare(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    prepared.columns.iter().map(|field| format!("{} {}", field.name, field.ty)).collect::<Vec<_>>().join(", ")
}

fn refused(text: &str) -> String {
    let query = Query::parse(text);
    let errors = query.map(|_| ()).and_then(|()| prepare(text).map(|_| ())).expect_err(text);
    let one = |error: &ExprError| format!("{}: {} [{}]", error.code, error.title, &text[error.range.clone()]);
    errors.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_datasets_of_a_query_are_found_in_joins_subqueries_and_unions_and_names_of_with_are_none() {
    let text = "with big as (select * from a where id in (select id from b)), more as (select * from big)
                select * from more join clean.train t on t.id = more.id join \"clean.test\" using (id)
                union all select * from a, (select 1 from c) as d, json_each('[1]')";
    let names: Vec<String> = Query::parse(text).unwrap().tables.iter().map(Named::dataset).collect();
    assert_eq!(names, ["a", "b", "clean.train", "clean.test", "c"]);
}

#[test]
fn exactly_the_columns_that_a_query_needs_are_read() {
    let reads = |text| prepare(text).unwrap().reads;
    assert_eq!(reads("select p.name from people p where score > 1"), [[1, 2]]);
    assert_eq!(reads("select count(*) as n from people"), [Vec::<usize>::new()]);
    assert_eq!(reads("select a.id from people a join other b on a.id = b.id order by b.day"), [vec![0], vec![0, 4]]);
    assert_eq!(reads("select a.ok from people a join other b using (id, day)"), [vec![0, 3, 4], vec![0, 4]]);
    let text = "select 1 as x from a full join b using (name) where exists (select 1 from c where c.score = b.score)";
    assert_eq!(reads(text), [vec![1], vec![1, 2], vec![2]]);
    assert_eq!(reads("select * from people"), [[0, 1, 2, 3, 4, 5]]);
    assert_eq!(
        reads("select t.name from clean.train t natural join clean.test"),
        [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]]
    );
}

#[test]
fn columns_keep_their_types_and_those_that_are_computed_get_theirs() {
    assert_eq!(made("select * from people"), "id int, name string, score float, ok bool, day date, tags list<int>");
    assert_eq!(
        made(
            "with t as (select *, row_number() over (partition by ok order by id) as place from people)
             select t.id, count(*) as n, avg(id) as mean, sum(id) as total, sum(score) as points, max(day) as last, min(name) as first,
                    place, lag(name) over (order by id) as before, score > 1 as good, id / 2 as half, id * score as product,
                    name || '!' as loud, case when ok then 1 else 2.5 end as weight, coalesce(name, 'none') as called,
                    cast(id as text) as text, (select max(score) from people) as best, null as none, 'x' as letter, -1 as minus
             from t group by 1"
        ),
        "id int, n int, mean float, total int, points float, last date, first string, place int, before string, good bool, half int, \
         product float, loud string, weight float, called string, text string, best float, none null, letter string, minus int"
    );
    assert_eq!(made("select id from people union all select score from people"), "id float");
    assert_eq!(
        made("with recursive n(i) as (select 1 union all select i + 1 from n where i < 5) select i from n"),
        "i int"
    );
}

#[test]
fn a_type_that_cannot_be_told_is_asked_for_and_one_that_is_said_counts() {
    let errors = prepare("select json_extract(tags, '$[0]') as one, id from people").unwrap_err();
    assert_eq!(errors[0].code, "unknown-type");
    assert_eq!(errors[0].help, ["say it: `types = { one = \"string\" }` beside `query` or `file` in `sql`"]);
    let types = [Field::new("one", Type::Int)];
    assert_eq!(prepare_with("select json_extract(tags, '$[0]') as one from people", &types).unwrap().columns, types);
    let errors = prepare_with("select id as one from people", &[Field::new("on", Type::Int)]).unwrap_err();
    assert_eq!((errors[0].code, &errors[0].help[..]), ("unknown-column", &["did you mean `one`?".to_owned()][..]));
}

#[test]
fn mistakes_are_told_at_their_places() {
    let cases = [
        (
            "select nme from people",
            "unknown-column: this query reads a column that its datasets do not have: `nme` [nme]",
        ),
        (
            "select p.nme from people p",
            "unknown-column: this query reads a column that its datasets do not have: `nme` [nme]",
        ),
        ("select id fro people", "bad-query: this query cannot be read [people]"),
        ("select count(*) from people", "unnamed-column: the column `count(*)` has no name [count(*)]"),
        ("select id, id from people", "duplicate-column: there are two columns `id` [id]"),
        ("select frob(id) as x from people", "bad-query: this query cannot be answered: no such function: frob [frob]"),
        ("insert into people values (1)", "bad-query: a query has to be a `select` [insert into people values (1)]"),
        ("select 1 as a; select 2 as a", "bad-query: this has to be one query [select 1 as a; select 2 as a]"),
    ];
    for (text, expected) in cases {
        assert_eq!(refused(text), expected, "{text}");
    }
}

#[test]
fn what_gives_something_else_each_time_or_reaches_outside_is_refused() {
    for text in [
        "select random() as x",
        "select hex(randomblob(4)) as x",
        "select date('now') as x",
        "select datetime() as x",
        "select strftime('%Y') as x",
        "select strftime('%Y', ' NOW') as x",
        "select current_timestamp as x",
        "select CURRENT_DATE as x",
    ] {
        assert!(refused(text).starts_with("not-repeatable: "), "{text}: {}", refused(text));
    }
    for text in [
        "select load_extension('x') as x",
        "attach 'x.db' as y",
        "pragma user_version",
        "select * from pragma_table_info('people')",
        "select readfile('/etc/passwd') as x",
        "delete from people",
        "create table x (a)",
        "with x as (select 1) insert into people select * from x",
        "vacuum into 'x.db'",
    ] {
        assert!(!refused(text).is_empty(), "{text}");
    }
}

/// Answers a query over rows of `people`.
fn answer(text: &str, rows: &[[Value; 6]]) -> Result<Vec<Vec<Value>>, String> {
    let query = Query::parse(text).unwrap();
    let schema = people();
    let engine = Engine::open(&query, query.tables.iter().map(|_| Table { schema: &schema }).collect(), None).unwrap();
    let prepared = engine.prepare(&[]).unwrap();
    for (at, reads) in prepared.reads.iter().enumerate() {
        let column = |place: &usize| {
            let cells: Vec<Value> = rows.iter().map(|row| row[*place].clone()).collect();
            array_of(&schema.0[*place].ty, &cells)
        };
        engine.load(at, reads, &reads.iter().map(column).collect::<Vec<_>>(), rows.len()).unwrap();
    }
    let mut found = Vec::new();
    let answered = engine.rows::<()>(&prepared.columns, &|| false, |row| {
        found.push(row);
        Ok(())
    });
    answered.map(|()| found).map_err(|stopped| format!("{stopped:?}"))
}

fn two() -> [[Value; 6]; 2] {
    let text = |text: &str| Value::String(text.to_owned());
    [
        [
            Value::Int(1),
            text("a\0b"),
            Value::Float(0.1),
            Value::Bool(true),
            Value::Date(20_000),
            Value::List(vec![Value::Int(1), Value::Null]),
        ],
        [
            Value::Int(i64::MIN),
            Value::Null,
            Value::Float(f64::INFINITY),
            Value::Bool(false),
            Value::Date(-1),
            Value::List(vec![]),
        ],
    ]
}

#[test]
fn values_of_every_type_come_back_as_they_were() {
    assert_eq!(answer("select * from people", &two()).unwrap(), two());
}

#[test]
fn windows_and_parts_and_values_without_their_type() {
    let found = answer("select id, lag(id) over (order by id) as before from people order by id desc", &two()).unwrap();
    assert_eq!(found, [[Value::Int(1), Value::Int(i64::MIN)], [Value::Int(i64::MIN), Value::Null]]);
    let found =
        answer("select a.id from c.x a join c.y b on a.id = b.id join \"c.x\" d on d.id = a.id where a.id = 1", &two())
            .unwrap();
    assert_eq!(found, [[Value::Int(1)]]);
    assert_eq!(
        answer("select sum(id) as n from (select id from people union all select -9)", &two()).unwrap_err(),
        "Failed(\"integer overflow\")"
    );
    assert_eq!(
        answer(
            "select datetime(name) as x from people",
            &[two()[0].clone().map(|v| match v {
                Value::String(_) => Value::String("now".into()),
                v => v,
            })]
        )
        .unwrap_err(),
        "Failed(\"a time of `now` would give something else each time\")"
    );
    assert_eq!(
        answer("select date(day, '+1 day') as x from people where id = 1", &two()).unwrap(),
        [[Value::String("2024-10-05".into())]]
    );
}

#[test]
fn neither_the_clock_nor_the_time_zone_of_the_machine_is_read_however_it_is_written() {
    for text in [
        "datetime(day, 'localtime')",
        "datetime(day, '+1 day', ' UTC')",
        "julianday(lower('SUBSEC'))",
        "strftime('%s', lower('subsecond'))",
        "datetime(cast('now' as blob))",
        "datetime('now' || char(0) || 'x')",
        "timediff(day, lower('NOW'))",
    ] {
        let found = answer(&format!("select cast({text} as text) as x from people"), &two()).unwrap_err();
        assert!(found.contains("would give something else"), "{text}: {found}");
    }
    let found = answer("select datetime(day, 'subsec') as x from people where id = 1", &two()).unwrap();
    assert_eq!(found, [[Value::String("2024-10-04 00:00:00.000".into())]], "here it is a modifier");
}
