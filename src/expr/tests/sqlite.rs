//! The same random expressions against SQLite, where it means the same.

use super::super::{Expr, Value, value_at};
use super::naive::{COLUMNS, batch, rows, trees};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::io::Write;
use std::process::{Command, Stdio};

/// Needs the `sqlite3` command-line program, 3.39 or later: `cargo test --lib expr::tests::sqlite -- --ignored`.
#[test]
#[ignore = "needs the sqlite3 program"]
fn sqlite_computes_the_same() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..40 {
        let rows = rows().new_tree(&mut runner).expect("rows").current();
        let (schema, batch) = batch(&rows);
        let trees = prop::collection::vec(
            prop::sample::select(vec!['i', 's', 'b']).prop_flat_map(|ty| trees(ty, 4, false)),
            100,
        );
        let expressions: Vec<String> =
            trees.new_tree(&mut runner).expect("trees").current().iter().map(|tree| tree.sql()).collect();
        let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        let mut script = format!(
            ".mode list\n.nullvalue NULL\npragma case_sensitive_like = on;\ncreate table r({});\n",
            names.join(",")
        );
        for row in &rows {
            let cells: Vec<String> =
                row.iter().map(|v| if let Value::String(t) = v { format!("'{t}'") } else { v.to_string() }).collect();
            script += &format!("insert into r values({});\n", cells.join(","));
        }
        expressions.iter().for_each(|sql| script += &format!("select {sql} from r order by rowid;\n"));
        let mut sqlite =
            Command::new("sqlite3").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sqlite3 runs");
        sqlite.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("it reads");
        let output = String::from_utf8(sqlite.wait_with_output().expect("it ends").stdout).expect("UTF-8");
        let mut lines = output.lines();
        for sql in expressions {
            let array = Expr::parse(&sql, &schema).unwrap_or_else(|e| panic!("{sql}: {e:?}")).eval(&batch);
            let array = array.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            for (row, cells) in rows.iter().enumerate() {
                let ours = match value_at(&array, row) {
                    Value::Null => "NULL".to_owned(),
                    Value::Bool(b) => u8::from(b).to_string(),
                    value => value.to_string(),
                };
                assert_eq!(lines.next(), Some(ours.as_str()), "{sql} in row {row}: {cells:?}");
            }
        }
    }
}
