//! A record that is no row costs itself alone.

use super::*;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, UInt64Array};
use proptest::prelude::*;
use std::sync::Arc;

/// Reads a file; returns its rows as JSON, and `line:column: title` of each bad one.
fn both(format: Format, bytes: &[u8], types: &Types) -> (Vec<String>, Vec<String>) {
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for segment in split(format, bytes).unwrap() {
        let parsed = parse_segment(format, segment.header.as_deref(), &segment.bytes, types).unwrap();
        for BadRow { error, .. } in parsed.bad {
            bad.push(format!("{}:{}: {}", segment.first_line + u64::from(error.line), error.column, error.title));
        }
        let columns = parsed.columns.into_iter().map(|column| (column.name, column.array)).collect();
        let batch = Batch { rows: parsed.rows, columns };
        let text = String::from_utf8(encode_rows(Format::Jsonl, &batch).unwrap()).unwrap();
        rows.extend(text.lines().map(str::to_owned));
    }
    (rows, bad)
}

#[test]
fn the_good_rows_around_bad_ones_are_read() {
    let (rows, bad) = both(Format::Jsonl, b"{\"a\":1}\n{\"a\":\n\n{\"a\":\"\xff\"}\r\n[2]\n{\"a\":3}\n", &Types::new());
    assert_eq!(rows, ["{\"a\":1}", "{\"a\":3}"]);
    let expect = [
        "2:6: the row ends before its JSON object does",
        "4:7: the byte 0xff is not valid UTF-8",
        "5:1: a row is a JSON object, and this is an array",
    ];
    assert_eq!(bad, expect);
    let (rows, bad) =
        both(Format::Json, b"[{\"a\":1}, {\"a\" 2},\n {\"a\":3},\n  7, {\"a\":\"\\ud800\"} ]", &Types::new());
    assert_eq!(rows, ["{\"a\":1}", "{\"a\":3}"]);
    let expect = [
        "1:15: this is not JSON: expected `:`",
        "3:3: a row is a JSON object, and this is a number",
        "3:18: this is not JSON: unexpected end of hex escape",
    ];
    assert_eq!(bad, expect);
    let csv = b"a,b\n1,x\n2\n\"3\n\",y,z\n4,\xe9\n5,\"v\"\nx,y\n6,w";
    let (rows, bad) = both(Format::Csv, csv, &types(&[("a", "int")]));
    assert_eq!(rows, ["{\"a\":1,\"b\":\"x\"}", "{\"a\":5,\"b\":\"v\"}", "{\"a\":6,\"b\":\"w\"}"]);
    let expect = [
        "3:2: this row has 1 field, and the header has 2",
        "5:5: this row has 3 fields, and the header has 2",
        "6:3: the byte 0xe9 is not valid UTF-8",
        "8:1: `a` is declared int, and is \"x\" here",
    ];
    assert_eq!(bad, expect);
}

#[test]
fn a_bad_row_is_shown_around_its_fault() {
    let long = format!("{{\"text\":\"{}\",\t\"é\" 1, \"more\":\"{}\"}}", "x".repeat(600), "y".repeat(600));
    let row = |record: &str| {
        let parsed = parse_segment(Format::Jsonl, None, record.as_bytes(), &Types::new()).unwrap();
        let row = parsed.bad.into_iter().next().unwrap();
        (row.text, row.near.clone(), row.near.chars().nth(row.caret as usize))
    };
    assert_eq!(row("{\"a\":tru}"), ("{\"a\":tru}".to_owned(), "{\"a\":tru}".to_owned(), Some('}')));
    assert_eq!(row("{\"a\":1"), ("{\"a\":1".to_owned(), "{\"a\":1".to_owned(), None));
    let (text, near, at) = row(&long);
    assert_eq!((text.chars().count(), text.ends_with("x…"), at), (501, true, Some('1')));
    assert_eq!(near, format!("…{}\", \"é\" 1, \"more\":\"{}…", "x".repeat(49), "y".repeat(13)));
}

#[test]
fn rows_that_are_wrong_together_are_no_bad_rows() {
    let error = parse_segment(Format::Jsonl, None, b"{\"a\":1}\n{]\n{\"a\":\"x\"}\n", &Types::new()).unwrap_err();
    assert_eq!((error.line, error.title), (2, "`a` is string here, and int before".to_owned()));
}

proptest! {
    #[test]
    fn bad_records_change_nothing_of_the_others(good in prop::collection::vec((0i64..9, prop::option::of("[a-z\" ,\n]{0,3}")), 0..24), bad in prop::collection::vec((0usize..24, 0usize..4), 0..14)) {
        let quoted = |text: &Option<String>| text.as_ref().map_or(String::new(), |text| format!("\"{}\"", text.replace('"', "\"\"")));
        let json = |(n, text): &(i64, Option<String>)| format!("{{\"n\":{n},\"t\":{}}}", serde_json::to_string(text).unwrap());
        let csv = |(n, text): &(i64, Option<String>)| format!("{n},{}", quoted(text));
        type Form<'a> = (Format, &'a str, &'a str, &'a str, &'a dyn Fn(&(i64, Option<String>)) -> String, [&'a [u8]; 4]);
        let forms: [Form; 3] = [
            (Format::Jsonl, "", "\n", "\n", &json, [b"{", b"{\"n\":1,\"n\":2}", b"\xff", b"[[1]]"]),
            (Format::Json, "[", ", \n", "]", &json, [b"{}{}", b"{\"n\":1,\"n\":2}", b"\xff", b"[[1]]"]),
            (Format::Csv, "n,t\n", "\n", "\n", &csv, [b"1", b"1,2,3", b"\xff,1", b"\"\n\""]),
        ];
        let declared = types(&[("n", "int"), ("t", "string")]);
        for (format, begin, between, end, form, wrong) in forms {
            let mut records: Vec<(bool, Vec<u8>)> = good.iter().map(|row| (true, form(row).into_bytes())).collect();
            for (at, which) in &bad {
                records.insert((*at).min(records.len()), (false, wrong[*which].to_vec()));
            }
            let file = |records: &[(bool, Vec<u8>)]| {
                let all: Vec<&[u8]> = records.iter().map(|(_, record)| record.as_slice()).collect();
                [begin.as_bytes(), &all.join(between.as_bytes()), end.as_bytes()].concat()
            };
            let (rows, found) = both(format, &file(&records), &declared);
            prop_assert_eq!(found.len(), bad.len(), "{}: {:?}", format, found);
            records.retain(|(is_good, _)| *is_good);
            prop_assert_eq!(rows, both(format, &file(&records), &declared).0);
        }
    }
}

/// Line, column, value and title of a bad row.
type Bad = (u32, u32, String, String);

/// Reads a file of columns without its bad rows: the values of `a`, and those.
fn read_around(column: ArrayRef, ty: &str) -> (Vec<String>, Vec<Bad>) {
    let number: ArrayRef = Arc::new(Int64Array::from_iter_values(0..column.len() as i64));
    let batch = RecordBatch::try_from_iter([("n", number), ("a", column)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch.slice(0, 1)).unwrap();
    writer.finish().unwrap();
    drop(writer);
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    let source = Box::new(std::io::Cursor::new(bytes));
    read_rows::<Problem>(Format::Arrow, source, &types(&[("a", ty)]), &mut |batch, bad| {
        let n = batch.column("n").unwrap().as_primitive::<arrow_array::types::Int64Type>().clone();
        let a = batch.column("a").unwrap();
        rows.extend((0..batch.rows).map(|row| format!("{}: {}", n.value(row), crate::expr::value_at(a, row))));
        found.extend(bad.into_iter().map(|BadRow { error, near, .. }| (error.line, error.column, near, error.title)));
        Ok(())
    })
    .unwrap();
    (rows, found)
}

#[test]
fn rows_of_columns_that_cannot_be_read_are_left_out_alone_also_where_values_are_inside_of_lists() {
    let strings: ArrayRef = Arc::new(StringArray::from(vec![Some("1"), Some("x"), None, Some("4"), Some("1.5")]));
    let (rows, bad) = read_around(strings, "int");
    assert_eq!(rows, ["0: 1", "2: null", "3: 4", "0: 1"]);
    let say = |line, near: &str, what: &str| (line, 2, near.to_owned(), what.to_owned());
    let expect = [
        say(2, "x", "`a` is declared int, and is \"x\""),
        say(5, "1.5", "`a` is declared int, and is \"1.5\", a float"),
    ];
    assert_eq!(bad, expect);
    let mut lists = arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
    for row in [vec!["x"], vec!["1", "2"], vec![], vec!["3", "y"]] {
        lists.append_value(row.into_iter().map(Some));
    }
    let (rows, bad) = read_around(Arc::new(lists.finish()), "list<int>");
    assert_eq!(rows, ["1: [1,2]", "2: []"]);
    assert_eq!(bad.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), [1, 4, 5]);
    let (rows, bad) = read_around(Arc::new(BinaryArray::from(vec![b"x".as_slice(), b"\xff"])), "string");
    assert_eq!(
        (rows.len(), bad[0].0, bad[0].3.as_str()),
        (2, 2, "`a` is declared string, and holds bytes that are not UTF-8")
    );
    let (rows, bad) = read_around(Arc::new(UInt64Array::from(vec![u64::MAX, 7])), "int");
    assert_eq!((rows, bad.len()), (vec!["1: 7".to_owned()], 2), "the first comes again in the second batch");
}
