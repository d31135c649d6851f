//! Splitting and parsing records.

use super::*;
use proptest::prelude::*;

#[test]
fn jsonl_types_are_inferred() {
    let cases = [
        ("{\"a\":1}\n{\"a\":2}", "a: int\n{\"a\":1}\n{\"a\":2}"),
        ("{\"a\":1}\r\n\r\n  \n{\"a\":2.5}\n", "a: float\n{\"a\":1.0}\n{\"a\":2.5}"),
        ("\u{feff}{\"a\":true}", "a: bool\n{\"a\":true}"),
        (
            "{\"a\":null}\n{\"b\":\"x\"}\n{\"a\":1}",
            "a: int, b: string\n{\"a\":null,\"b\":null}\n{\"a\":null,\"b\":\"x\"}\n{\"a\":1,\"b\":null}",
        ),
        (
            "{\"a\":[]}\n{\"a\":[1,null]}\n{\"a\":[2.5]}\n{\"a\":null}",
            "a: list<float>\n{\"a\":[]}\n{\"a\":[1.0,null]}\n{\"a\":[2.5]}\n{\"a\":null}",
        ),
        (
            "{\"a\":{\"b\":1}}\n{\"a\":{\"c\":[{}]}}",
            "a: struct<b: int, c: list<struct<>>>\n{\"a\":{\"b\":1,\"c\":null}}\n{\"a\":{\"b\":null,\"c\":[{}]}}",
        ),
        ("{\"a\":\"\\u0000\\ud83d\\ude00\\n\\\"é\"}", "a: string\n{\"a\":\"\\u0000😀\\n\\\"é\"}"),
        ("{}\n{}", "\n{}\n{}"),
        (
            "{\"a\":-9223372036854775808}\n{\"a\":9223372036854775807}",
            "a: int\n{\"a\":-9223372036854775808}\n{\"a\":9223372036854775807}",
        ),
        ("{\"a\":1.0}\n{\"a\":-0.0}\n{\"a\":1e300}", "a: float\n{\"a\":1.0}\n{\"a\":-0.0}\n{\"a\":1e+300}"),
        ("{\"a\":1e19}", "a: float\n{\"a\":1e+19}"),
        ("{\"b\":1,\"a\":2}\n{\"a\":3,\"b\":4}", "b: int, a: int\n{\"b\":1,\"a\":2}\n{\"b\":4,\"a\":3}"),
    ];
    check_all(Format::Jsonl, &[], &cases);
}

#[test]
fn declared_types_decide() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case; 9] = [
        ("{\"a\":1}\n{\"a\":2.5}", &[("a", "float")], "a: float\n{\"a\":1.0}\n{\"a\":2.5}"),
        ("{\"a\":18446744073709551615}", &[("a", "float")], "a: float\n{\"a\":1.8446744073709552e+19}"),
        (
            "{\"a\":123456789012345678901234567890}",
            &[("a", "string")],
            "a: string\n{\"a\":\"123456789012345678901234567890\"}",
        ),
        (
            "{\"a\": {\"b\" : [1, 2]}}\n{\"a\":\"x\\ty\"}\n{\"a\":null}\n{\"a\":1.50}",
            &[("a", "string")],
            "a: string\n{\"a\":\"{\\\"b\\\" : [1, 2]}\"}\n{\"a\":\"x\\ty\"}\n{\"a\":null}\n{\"a\":\"1.50\"}",
        ),
        ("{\"a\":\"2024-02-29\"}", &[("a", "date")], "a: date\n{\"a\":\"2024-02-29\"}"),
        (
            "{\"a\":\"2024-02-29 01:00:00.25+01:00\"}",
            &[("a", "timestamp")],
            "a: timestamp\n{\"a\":\"2024-02-29T00:00:00.250000Z\"}",
        ),
        ("{\"a\":[1,\"x\",[2]]}", &[("a", "list<string>")], "a: list<string>\n{\"a\":[\"1\",\"x\",\"[2]\"]}"),
        ("{\"a\":null}", &[("a", "int")], "a: int\n{\"a\":null}"),
        ("{\"b\":1}", &[("a", "int")], "b: int\n{\"b\":1}"),
    ];
    for (input, declared, expect) in cases {
        check(Format::Jsonl, input, declared, expect);
    }
}

#[test]
fn a_json_array_is_read_as_its_elements() {
    let cases = [
        ("[]", ""),
        (" [ ] ", ""),
        ("\u{feff}[{\"a\":1},{\"a\":2}]\n", "a: int\n{\"a\":1}\n{\"a\":2}"),
        ("[\n  {\n    \"a\": \"],[\\\"{\"\n  },\n  {\"a\": null}\n]", "a: string\n{\"a\":\"],[\\\"{\"}\n{\"a\":null}"),
    ];
    check_all(Format::Json, &[], &cases);
}

#[test]
fn csv_types_are_inferred_from_all_rows() {
    let cases = [
        ("a,b\n1,x\n2.5,\n", "a: float, b: string\n{\"a\":1.0,\"b\":\"x\"}\n{\"a\":2.5,\"b\":null}"),
        ("a,b\r\n007,1\r\n8,2", "a: string, b: int\n{\"a\":\"007\",\"b\":1}\n{\"a\":\"8\",\"b\":2}"),
        ("a\n2024-02-29\n2024-03-01\n", "a: date\n{\"a\":\"2024-02-29\"}\n{\"a\":\"2024-03-01\"}"),
        ("a\n1\ntrue\n", "a: string\n{\"a\":\"1\"}\n{\"a\":\"true\"}"),
        ("a,b\n\"x,\"\"\ny\",1\n\n\"\",2\n", "a: string, b: int\n{\"a\":\"x,\\\"\\ny\",\"b\":1}\n{\"a\":\"\",\"b\":2}"),
        ("a,b\n\"1\",\"\"\n\"\",\"2\"\n", "a: int, b: int\n{\"a\":1,\"b\":null}\n{\"a\":null,\"b\":2}"),
        ("\u{feff}a,b\n,\n", "a: null, b: null\n{\"a\":null,\"b\":null}"),
        ("a\n", "a: null"),
        ("a", "a: null"),
        ("", ""),
        ("\n\na\n1\n", "a: int\n{\"a\":1}"),
    ];
    check_all(Format::Csv, &[], &cases);
    check(Format::Tsv, "a\tb\n1,5\t\"x\ty\"\n", &[], "a: string, b: string\n{\"a\":\"1,5\",\"b\":\"x\\ty\"}");
    let declared = [("a", "string"), ("b", "float"), ("c", "list<int>")];
    let expect =
        "a: string, b: float, c: list<int>\n{\"a\":\"1\",\"b\":2.0,\"c\":[1,2]}\n{\"a\":null,\"b\":null,\"c\":null}";
    check(Format::Csv, "a,b,c\n1,2,\"[1,2]\"\n,,\n", &declared, expect);
}

#[test]
fn a_number_in_one_segment_keeps_its_text_when_another_has_words() {
    let mut rows: String = (0..40).map(|n| format!("{n}.0\n")).collect();
    rows.push_str("word\n");
    let batch = read(Format::Csv, format!("a\n{rows}").as_bytes(), &Types::new()).unwrap();
    let text = String::from_utf8(encode_rows(Format::Csv, &batch).unwrap()).unwrap();
    assert_eq!(text, rows);
}

/// Lines that look alike but differ, as data does.
fn lines(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{{\"id\":{i},\"text\":\"row number {i} of some file\"}}")).collect()
}

fn segments(format: Format, key: &[&str], text: &str) -> Vec<Vec<u8>> {
    let found = split_in(format, Limits::DEFAULT, key, text.as_bytes(), usize::MAX).unwrap();
    found.into_iter().map(|segment| segment.bytes).collect()
}

fn new_segments(key: &[&str], before: &[String], after: &[String]) -> usize {
    let known: std::collections::HashSet<_> = segments(Format::Jsonl, key, &before.join("\n")).into_iter().collect();
    segments(Format::Jsonl, key, &after.join("\n")).into_iter().filter(|segment| !known.contains(segment)).count()
}

#[test]
fn an_edit_of_one_line_changes_at_most_three_segments() {
    let before = lines(20_000);
    assert!(segments(Format::Jsonl, &[], &before.join("\n")).len() > 2);
    for at in (0..20_000).step_by(977) {
        let mut edited = before.clone();
        edited[at] = "{\"id\":-1,\"text\":\"another\"}".to_owned();
        let mut deleted = before.clone();
        deleted.remove(at);
        let mut inserted = before.clone();
        inserted.insert(at, "{\"id\":-1}".to_owned());
        for after in [edited, deleted, inserted] {
            assert!(new_segments(&[], &before, &after) <= 3, "line {at}");
        }
    }
}

#[test]
fn with_a_key_an_edit_of_another_field_moves_no_boundary() {
    let before = lines(20_000);
    let mut after = before.clone();
    for (i, line) in after.iter_mut().enumerate() {
        *line = format!("{{ \"text\" : {{\"id\":[\"}}\"]}}, \"id\" : {i} }}");
    }
    let count = |lines: &[String]| -> Vec<usize> {
        let segments = segments(Format::Jsonl, &["id"], &lines.join("\n"));
        segments.iter().map(|segment| memchr::memchr_iter(b'\n', segment).count()).collect()
    };
    assert_eq!(count(&before), count(&after));
    assert_ne!(
        count(&before),
        segments(Format::Jsonl, &[], &before.join("\n"))
            .iter()
            .map(|s| memchr::memchr_iter(b'\n', s).count())
            .collect::<Vec<_>>()
    );
}

#[test]
fn runs_of_equal_lines_are_cut_too() {
    for line in ["{\"a\":1}\n", "\n{\"a\":1}\n"] {
        let found = segments(Format::Jsonl, &[], &line.repeat(100_000));
        assert!(found.len() >= 100_000 / 16_384, "{} segments", found.len());
    }
}

/// Text of the characters that splitting must tell apart.
fn hostile(format: Format) -> impl Strategy<Value = String> {
    let parts: Vec<&'static str> = match format {
        Format::Csv | Format::Tsv => vec!["a", ",", "\t", "\"", "\n", "\r\n", "\r", "\"\"", "é", " "],
        _ => vec![
            "{",
            "}",
            "[",
            "]",
            "\"",
            "\\",
            ",",
            ":",
            "\n",
            "1",
            "{\"a\":1}",
            "{\"a\":[\"]\\\"\"]}",
            ",\n",
            " ",
            "é",
        ],
    };
    prop::collection::vec(prop::sample::select(parts), 0..60).prop_map(|parts| parts.concat())
}

fn any_records() -> impl Strategy<Value = (Format, Vec<u8>)> {
    let formats = prop::sample::select(vec![Format::Jsonl, Format::Json, Format::Csv, Format::Tsv]);
    formats.prop_flat_map(|format| {
        let begin = match format {
            Format::Json => prop::sample::select(vec!["[", "[{\"a\":1},", ""]),
            Format::Csv => prop::sample::select(vec!["a\n", "a,a2\n", ""]),
            _ => prop::sample::select(vec!["", "\u{feff}", "{\"a\":1}\n"]),
        };
        let text = (begin, hostile(format)).prop_map(|(begin, text)| format!("{begin}{text}").into_bytes());
        let noise = prop::collection::vec(any::<u8>(), 0..200);
        prop_oneof![4 => text, 1 => noise].prop_map(move |bytes| (format, bytes))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn splitting_does_not_depend_on_how_bytes_are_fed((format, bytes) in any_records(), piece in 1usize..20) {
        let key: &[&str] = if format == Format::Jsonl { &["a"] } else { &[] };
        let whole = split_in(format, SMALL, key, &bytes, usize::MAX);
        let pieces = split_in(format, SMALL, key, &bytes, piece);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn no_bytes_make_a_reader_of_records_panic((format, bytes) in any_records(), ty in prop::sample::select(vec!["int", "string", "list<float>", "date"])) {
        let _ = read(format, &bytes, &types(&[("a", ty)]));
        let _ = read(format, &bytes, &Types::new());
    }

    #[test]
    fn segments_are_the_file_without_its_header(bytes in hostile(Format::Csv)) {
        let file = format!("x,y\n{bytes}");
        if let Ok(segments) = split(Format::Csv, file.as_bytes()) {
            let joined: Vec<u8> = segments.iter().flat_map(|segment| segment.bytes.clone()).collect();
            prop_assert_eq!(joined, bytes.as_bytes());
        }
        if let Ok(segments) = split(Format::Jsonl, bytes.as_bytes()) {
            let joined: Vec<u8> = segments.iter().flat_map(|segment| segment.bytes.clone()).collect();
            prop_assert_eq!(joined, bytes.as_bytes());
        }
    }

    #[test]
    fn a_segment_of_csv_ends_where_a_row_ends(bytes in hostile(Format::Csv)) {
        let file = format!("x\n{bytes}");
        let rows = |text: &[u8]| -> Vec<csv::ByteRecord> {
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text).into_byte_records().map(Result::unwrap).collect()
        };
        if let Ok(segments) = split_in(Format::Csv, Limits { min: 1, target: 1, max: 1 }, &[], file.as_bytes(), 7) {
            let apart: Vec<_> = segments.iter().flat_map(|segment| rows(&segment.bytes)).collect();
            prop_assert_eq!(apart, rows(bytes.as_bytes()));
        }
    }

    #[test]
    fn lines_are_counted_as_an_editor_does(rows in prop::collection::vec(prop::sample::select(vec!["{\"a\":1}\n", "\n", "{\"a\":1}\r\n", "{\"a\":\n"]), 1..40)) {
        let file = rows.concat();
        let wrong = rows.iter().position(|row| row.ends_with(":\n"));
        let found = read(Format::Jsonl, file.as_bytes(), &Types::new());
        let line = found.err().map(|error| error.split(':').next().unwrap().parse::<usize>().unwrap());
        prop_assert_eq!(line, wrong.map(|row| row + 1));
    }
}

#[test]
fn a_byte_order_mark_begins_a_value_wherever_a_segment_begins() {
    let segment = "\u{feff},1\n\"a\",2\n";
    let header = std::sync::Arc::new(Header(vec!["a".to_owned(), "b".to_owned()]));
    let parsed = parse_segment(Format::Csv, Some(&header), segment.as_bytes(), &Types::new()).expect("it is sound");
    let texts = arrow_array::cast::AsArray::as_string::<i32>(&parsed.columns[0].array);
    assert_eq!((parsed.rows, texts.value(0), texts.value(1)), (2, "\u{feff}", "a"));
}

#[test]
fn lines_are_rows_whatever_is_in_them() {
    let file = b"\xef\xbb\xbfone\r\n\n\"two\nth\0ree\n\xff\nlast";
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for piece in [1, 7, usize::MAX] {
        (rows, bad) = (Vec::new(), Vec::new());
        for segment in split_in(Format::Lines, SMALL, &["path"], file, piece).unwrap() {
            let parsed = parse_segment(Format::Lines, None, &segment.bytes, &Types::new()).unwrap();
            let line: &arrow_array::Int64Array = parsed.columns[0].array.as_any().downcast_ref().unwrap();
            let text: &arrow_array::StringArray = parsed.columns[1].array.as_any().downcast_ref().unwrap();
            let first = segment.first_line as i64;
            rows.extend(
                line.values().iter().zip(text.iter()).map(|(line, text)| (first + line, text.unwrap().to_owned())),
            );
            bad.extend(parsed.bad.into_iter().map(|row| (first + i64::from(row.error.line), row.error.title)));
        }
    }
    let texts = ["one", "", "\"two", "th\0ree", "last"];
    let expect: Vec<(i64, String)> = [1, 2, 3, 4, 6].into_iter().zip(texts.map(str::to_owned)).collect();
    assert_eq!(rows, expect);
    assert_eq!(bad, [(5, "the byte 0xff is not valid UTF-8".to_owned())]);
    assert!(split(Format::Lines, b"").unwrap().is_empty());
    let blank = split(Format::Lines, &[b'\n'; 100]).unwrap();
    assert!(blank.len() > 10, "a file of blank lines is cut, too: {}", blank.len());
}

#[test]
fn a_text_is_a_whole_file() {
    assert_eq!(parse_text(b"\xef\xbb\xbfa\r\nb\n").unwrap(), "a\r\nb\n");
    assert_eq!(parse_text(b"").unwrap(), "");
    let bad = parse_text(b"a\nb\xffc").unwrap_err();
    assert_eq!((bad.error.line, bad.error.column, bad.text.as_str()), (1, 2, "a\nb\u{fffd}c"));
    assert_eq!(parse_text(b"\xff\xfea\0").unwrap_err().error.title, "the file is UTF-16");
}

#[test]
fn what_is_no_row_is_not_gathered_without_end() {
    for format in [Format::Jsonl, Format::Csv] {
        let mut file = b"{}\n".to_vec();
        file.extend(std::iter::repeat_n(b'\n', 9 << 20));
        file.extend(b"{}\n");
        let segments = split(format, &file).unwrap();
        let sizes: Vec<usize> = segments.iter().map(|segment| segment.bytes.len() >> 20).collect();
        assert_eq!(sizes, [8, 1], "{format}");
        let rows = |segment: &Segment| {
            parse_segment(format, segment.header.as_deref(), &segment.bytes, &Types::new()).unwrap().rows
        };
        let expect = if format == Format::Jsonl { [1, 1] } else { [0, 1] };
        assert_eq!(segments.iter().map(rows).collect::<Vec<_>>(), expect, "{format}");
    }
}
