//! What is said of files that are not what they should be.

use super::*;

#[test]
fn each_wrong_line_of_jsonl_is_named() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
    let too_deep = format!("1:70: `a{}` is nested more than 64 deep", "[]".repeat(63));
    let wide: String = (0..4097).map(|n| format!("\"f{n}\":1,")).collect();
    let wide = format!("{{{}}}", wide.trim_end_matches(','));
    let cases = [
        ("{\"a\":1}\n[1]", "2:1: a row is a JSON object, and this is an array"),
        ("{\"a\":1}\n  7", "2:3: a row is a JSON object, and this is a number"),
        ("\"x\"", "1:1: a row is a JSON object, and this is a string"),
        ("null", "1:1: a row is a JSON object, and this is null"),
        ("\0\0", "1:1: there is a NUL byte, so this is not a text file"),
        ("{\"a\":\"\0\"}", "1:7: there is a NUL byte inside JSON"),
        ("{\"a\":1", "1:7: the row ends before its JSON object does"),
        ("{\"a\":1} {\"b\":2}", "1:9: this is not JSON: trailing characters"),
        ("{\"a\" 1}", "1:6: this is not JSON: expected `:`"),
        ("{\"é\":tru}", "1:9: this is not JSON: expected ident"),
        ("{\"a\":\"\\ud800\"}", "1:13: this is not JSON: unexpected end of hex escape"),
        ("{\"a\":1e999}", "1:10: this is not JSON: number out of range"),
        ("{\"a\":1,\"b\":2,\"a\":3}", "1:16: `a` is there twice"),
        ("{\"x\":{\"a\":1,\"a\":3}}", "1:15: `x.a` is there twice"),
        ("{\"a\":9223372036854775808}", "1:24: `a` is an integer that does not fit into 64 bits"),
        (
            "{\"a\":9007199254740993}\n{\"a\":0.5}",
            "2:8: `a` has floats and an integer past 2^53, which a float would round",
        ),
        (
            "{\"a\":0.5}\n{\"a\":[-9007199254740993]}",
            "2:6: `a` is list here, and float before (line 1: it is float here)",
        ),
        (
            "{\"a\":[0.5,-9007199254740993]}",
            "1:27: `a[]` has floats and an integer past 2^53, which a float would round",
        ),
        ("{\"b\":0.5,\"a\":99999999999999999999}", "1:14: this integer does not fit into 64 bits"),
        ("{\"a\":1}\n{\"a\":\"x\"}", "2:8: `a` is string here, and int before (line 1: it is int here)"),
        ("{\"a\":[1]}\n{\"a\":[true]}", "2:10: `a[]` is bool here, and int before (line 1: it is int here)"),
        (
            "{\"m\":{\"t\":[{\"x\":1}]}}\n{\"m\":{\"t\":[{\"x\":{}}]}}",
            "2:18: `m.t[].x` is struct here, and int before (line 1: it is int here)",
        ),
        ("\u{feff}\u{feff}{}", "1:1: a row is a JSON object, and this is something else"),
        (&deep, &too_deep),
        (&wide, "1:39858: `f4096` is the field number 4097, and rows may have 4096"),
    ];
    check_all(Format::Jsonl, &[], &cases);
}

#[test]
fn a_value_that_is_not_of_the_declared_type_is_named() {
    let cases = [
        ("{\"a\":1.5}", "int", "1:8: `a` is declared int, and is float here"),
        ("{\"a\":\"x\"}", "int", "1:8: `a` is declared int, and is \"x\" here"),
        ("{\"a\":\"2023-02-29\"}", "date", "1:17: `a` is declared date, and is \"2023-02-29\" here"),
        ("{\"a\":1}", "timestamp", "1:6: `a` is declared timestamp, and is int here"),
        ("{\"a\":[1,{}]}", "list<int>", "1:10: `a[]` is declared int, and is struct here"),
    ];
    for (input, ty, expect) in cases {
        check(Format::Jsonl, input, &[("a", ty)], expect);
    }
    let cases = [
        ("a\n1\n\n1.0\n", "int", "4:1: `a` is declared int, and is \"1.0\", a float here"),
        ("b,a\n\"x\ny\",1\n\n2,z\n", "float", "5:3: `a` is declared float, and is \"z\" here"),
        ("a\nTrue\n", "bool", "2:1: `a` is declared bool, and is \"True\" and not true or false here"),
        ("a\n[1,x]\n", "list<int>", "2:4: this row has 2 fields, and the header has 1"),
    ];
    for (input, ty, expect) in cases {
        check(Format::Csv, input, &[("a", ty)], expect);
    }
}

#[test]
fn each_wrong_row_of_csv_is_named() {
    let cases = [
        ("a,b\n1,2\n\n3\n", "4:2: this row has 1 field, and the header has 2"),
        ("a,b\r\n1,2\r\n3,4,5\r\n", "3:5: this row has 3 fields, and the header has 2"),
        ("a,b\n\"1\n2\",x\n3\n", "4:2: this row has 1 field, and the header has 2"),
        ("a,a\n", "1:1: there are two columns `a`"),
        ("a,\n", "1:1: column 2 has no name"),
        ("a\rb\r", "1:1: a carriage return alone ends the header: lines end with a line feed"),
        ("a,b\n1,2\n3,\"4\n5,6\n", "3:1: a quote opened in this row is never closed"),
    ];
    check_all(Format::Csv, &[], &cases);
    let error = split_in(Format::Csv, SMALL, &["id"], b"a,b\n", 1).unwrap_err();
    assert_eq!(error.title, "the file has no column `id`, which is the key");
    assert_eq!(error.help.unwrap(), "its columns are `a`, `b`");
}

#[test]
fn each_wrong_json_array_is_named() {
    let cases = [
        ("", "1:1: the file is empty, and not a JSON array"),
        ("\n {}", "2:1: a JSON file is an array of objects, and this one begins with `{`"),
        ("7", "1:1: a JSON file is an array of objects, and this one does not begin with `[`"),
        ("[\n{\"a\":1}\n", "2:1: the file ends before its JSON array does"),
        ("[{\"a\":1}] x", "1:1: there is something after the closing `]` of the array"),
        ("[{\"a\":1},\n]", "1:1: a comma after the last value"),
        ("[{\"a\":1},\n,{\"a\":1}]", "2:1: a comma without a value before it"),
        ("[\n\n{\"a\":\n tru}]", "4:5: this is not JSON: expected ident"),
        ("[{\"a\":1},\n\n 2]", "3:2: a row is a JSON object, and this is a number"),
        ("[{\"a\":1],{}]", "1:7: this is not JSON: expected `,` or `}`"),
    ];
    check_all(Format::Json, &[], &cases);
}

#[test]
fn other_encodings_are_named() {
    for format in [Format::Jsonl, Format::Json, Format::Csv] {
        let error = read(format, b"\xff\xfea\0\n\0", &Types::new()).unwrap_err();
        assert_eq!(error, "1:1: the file is UTF-16", "{format}");
    }
    let error = read(Format::Jsonl, b"{\"a\":1}\n{\"a\":\"\xe9\"}", &Types::new()).unwrap_err();
    assert_eq!(error, "2:7: the byte 0xe9 is not valid UTF-8");
    let error = read(Format::Csv, b"a\n1\nx\xe9\n", &Types::new()).unwrap_err();
    assert_eq!(error, "3:2: the byte 0xe9 is not valid UTF-8");
}

#[test]
fn a_conflict_between_segments_names_both_lines() {
    let mut file: String = (0..50).map(|n| format!("{{\"n\":{n},\"m\":{{\"x\":1}}}}\n")).collect();
    file.push_str("{\"n\":1,\"m\":{\"x\":\"one\"}}\n");
    let error = read(Format::Jsonl, file.as_bytes(), &Types::new()).unwrap_err();
    let (lines, title) = error.split_once(": ").unwrap();
    if let Some((first, second)) = lines.split_once(", ") {
        assert_eq!((first, second), ("1", "51"));
        assert_eq!(title, "`m.x` is int in one place and string in another");
    } else {
        assert!(lines.starts_with("51:"), "{error}");
    }
}

#[test]
fn a_conflict_says_what_to_declare() {
    let mut unifier = Unifier::new();
    let place = |segment| Place { segment, line: 3 };
    unifier.add("a b", &Type::Int, place(0)).unwrap();
    unifier.add("a b", &Type::Null, place(1)).unwrap();
    unifier.add("a b", &Type::Float, place(2)).unwrap();
    let conflict = unifier.add("a b", &Type::Bool, place(3)).unwrap_err();
    assert_eq!((conflict.first.1.segment, conflict.second.1.segment), (2, 3));
    assert_eq!(conflict.title(), "`a b` is float in one place and bool in another");
    assert_eq!(conflict.help(), "declare the column: types = { \"a b\" = \"string\" }");
}

#[test]
fn text_gives_way_to_the_values_of_other_files() {
    let place = Place { segment: 0, line: 0 };
    let check = |ops: &[(bool, Type)], expect: Option<Type>| {
        let mut unifier = Unifier::new();
        let added = ops.iter().try_for_each(|(text, ty)| match text {
            true => unifier.add_text("a", ty, place),
            false => unifier.add("a", ty, place),
        });
        assert_eq!(added.ok().map(|()| unifier.schema().0[0].ty.clone()), expect, "{ops:?}");
    };
    check(&[(true, Type::Int), (true, Type::Bool)], Some(Type::String));
    check(&[(true, Type::Int), (false, Type::String)], Some(Type::String));
    check(&[(false, Type::String), (true, Type::Date)], Some(Type::String));
    check(&[(false, Type::Int), (true, Type::Float)], Some(Type::Float));
    check(&[(false, Type::Int), (true, Type::String)], None);
    check(&[(true, Type::Int), (true, Type::String), (false, Type::Int)], None);
}

#[test]
fn names_tell_the_format() {
    let cases = [
        ("data/a.jsonl", Some((Format::Jsonl, Compression::None))),
        ("a.b.NDJSON.GZ", Some((Format::Jsonl, Compression::Gzip))),
        ("a.csv.zst", Some((Format::Csv, Compression::Zstd))),
        ("a.tsv", Some((Format::Tsv, Compression::None))),
        ("a.json", Some((Format::Json, Compression::None))),
        ("a.parquet", Some((Format::Parquet, Compression::None))),
        ("x.feather", Some((Format::Arrow, Compression::None))),
        ("a.gz", None),
        ("jsonl", None),
        ("a.jsonl/b", None),
        (".csv", Some((Format::Csv, Compression::None))),
        ("a.txt.zst", Some((Format::Text, Compression::Zstd))),
        ("README.md", Some((Format::Text, Compression::None))),
        ("a.xyz", None),
    ];
    for (name, expect) in cases {
        assert_eq!(Format::by_extension(name), expect, "{name}");
    }
    assert_eq!("tsv".parse(), Ok(Format::Tsv));
    assert!("xml".parse::<Format>().is_err());
}
