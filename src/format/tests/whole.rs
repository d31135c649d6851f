//! Parquet and Arrow files of other makers, and damaged ones.

use super::round_trip::{read_whole, write};
use super::*;
use crate::table::Schema;
use arrow_array::types::{Int8Type, TimestampNanosecondType};
use arrow_array::*;
use arrow_schema::{Field as ArrowField, Schema as ArrowSchema};
use proptest::prelude::*;
use std::sync::Arc;

/// Writes one column as another program would.
fn foreign(column: ArrayRef) -> Vec<u8> {
    let schema = Arc::new(ArrowSchema::new(vec![ArrowField::new("a", column.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(schema.clone(), vec![column]).unwrap();
    let mut out = Vec::new();
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut out, &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    out
}

fn check_column(column: ArrayRef, declared: &[(&str, &str)], expect: &str) {
    let ty = column.data_type().clone();
    let found = match read_whole(Format::Arrow, &foreign(column), &types(declared)) {
        Ok(batch) => shown(&batch).replace('\n', " "),
        Err(problem) => problem.title,
    };
    assert_eq!(found.trim_end(), expect, "{ty}");
}

#[test]
fn other_arrow_types_become_those_of_tables() {
    let cases: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(Int8Array::from(vec![-1])), "a: int {\"a\":-1}"),
        (Arc::new(UInt32Array::from(vec![u32::MAX])), "a: int {\"a\":4294967295}"),
        (Arc::new(UInt64Array::from(vec![7])), "a: int {\"a\":7}"),
        (
            Arc::new(UInt64Array::from(vec![u64::MAX])),
            "`a` holds an unsigned integer that does not fit into 64 bits with a sign",
        ),
        (Arc::new(Float32Array::from(vec![0.5])), "a: float {\"a\":0.5}"),
        (Arc::new(LargeStringArray::from(vec!["x"])), "a: string {\"a\":\"x\"}"),
        (Arc::new(StringViewArray::from(vec!["x"])), "a: string {\"a\":\"x\"}"),
        (Arc::new(DictionaryArray::<Int8Type>::from_iter([Some("x"), None])), "a: string {\"a\":\"x\"} {\"a\":null}"),
        (Arc::new(Date64Array::from(vec![86_400_000])), "a: date {\"a\":\"1970-01-02\"}"),
        (
            Arc::new(PrimitiveArray::<TimestampNanosecondType>::from(vec![1_500]).with_timezone("+05:00")),
            "a: timestamp {\"a\":\"1970-01-01T00:00:00.000001Z\"}",
        ),
        (Arc::new(TimestampSecondArray::from(vec![1])), "a: timestamp {\"a\":\"1970-01-01T00:00:01Z\"}"),
        (
            Arc::new(LargeListArray::from_iter_primitive::<Int8Type, _, _>([Some(vec![Some(1), None])])),
            "a: list<int> {\"a\":[1,null]}",
        ),
        (
            Arc::new(FixedSizeListArray::from_iter_primitive::<Int8Type, _, _>([Some(vec![Some(1), Some(2)])], 2)),
            "a: list<int> {\"a\":[1,2]}",
        ),
        (
            Arc::new(Decimal128Array::from(vec![150]).with_precision_and_scale(5, 2).unwrap()),
            "`a` has the Arrow type Decimal128(5, 2), which tables do not have",
        ),
        (Arc::new(BinaryArray::from(vec![b"x".as_slice()])), "`a` has the Arrow type Binary, which tables do not have"),
        (Arc::new(Time32SecondArray::from(vec![1])), "`a` has the Arrow type Time32(s), which tables do not have"),
        (Arc::new(DurationSecondArray::from(vec![1])), "`a` has the Arrow type Duration(s), which tables do not have"),
    ];
    for (column, expect) in cases {
        check_column(column, &[], expect);
    }
}

#[test]
fn declared_types_decide_here_too() {
    let decimal = || Arc::new(Decimal128Array::from(vec![150]).with_precision_and_scale(5, 2).unwrap());
    let strings = |text: &str| Arc::new(StringArray::from(vec![text.to_owned()]));
    let cases: Vec<(ArrayRef, &str, &str)> = vec![
        (decimal(), "float", "a: float {\"a\":1.5}"),
        (decimal(), "string", "a: string {\"a\":\"1.50\"}"),
        (Arc::new(BinaryArray::from(vec![b"x".as_slice()])), "string", "a: string {\"a\":\"x\"}"),
        (
            Arc::new(BinaryArray::from(vec![b"\xff".as_slice()])),
            "string",
            "`a` is declared string, and holds bytes that are not UTF-8",
        ),
        (Arc::new(Int8Array::from(vec![1])), "float", "a: float {\"a\":1.0}"),
        (Arc::new(Int8Array::from(vec![1])), "string", "a: string {\"a\":\"1\"}"),
        (strings("2024-02-29"), "date", "a: date {\"a\":\"2024-02-29\"}"),
        (strings("soon"), "date", "`a` is declared date, and is \"soon\" and not YYYY-MM-DD"),
        (Arc::new(Float32Array::from(vec![0.5])), "int", "`a` is declared int, and is float"),
        (
            Arc::new(ListArray::from_iter_primitive::<Int8Type, _, _>([Some(vec![Some(1)])])),
            "string",
            "a: string {\"a\":\"[1]\"}",
        ),
    ];
    for (column, ty, expect) in cases {
        check_column(column, &[("a", ty)], expect);
    }
}

#[test]
fn an_unsigned_integer_of_any_size_can_be_declared() {
    let large = || Arc::new(UInt64Array::from(vec![u64::MAX]));
    check_column(large(), &[("a", "string")], "a: string {\"a\":\"18446744073709551615\"}");
    check_column(large(), &[("a", "float")], "a: float {\"a\":1.8446744073709552e+19}");
    let exact: ArrayRef = Arc::new(Int64Array::from(vec![(1 << 53) + 1]));
    assert_eq!(conform(&exact, &Type::Float).unwrap_err().title, "is 9007199254740993, which no float is");
    check_column(exact, &[("a", "float")], "a: float {\"a\":9007199254740992.0}");
}

#[test]
fn arrow_files_of_other_makers_are_read_whole() {
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};
    let words = |words: [&str; 3]| -> ArrayRef { Arc::new(DictionaryArray::<Int8Type>::from_iter(words.map(Some))) };
    let batch = |words: ArrayRef, number: i64| {
        let inner: ArrayRef = Arc::new(ListArray::new(
            Arc::new(ArrowField::new("item", words.data_type().clone(), true)),
            arrow_buffer::OffsetBuffer::from_lengths([2, 0, 1]),
            words.clone(),
            None,
        ));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(number), None, Some(7)]));
        let nested: ArrayRef = Arc::new(StructArray::from(vec![
            (Arc::new(ArrowField::new("w", inner.data_type().clone(), true)), inner),
            (Arc::new(ArrowField::new("n", DataType::Int64, true)), numbers),
        ]));
        RecordBatch::try_from_iter([("d", words), ("s", nested)]).unwrap()
    };
    use arrow_schema::DataType;
    let batches = [batch(words(["x", "y", "x"]), 1), batch(words(["x", "z", "x"]), 2)];
    let expect = [
        r#"{"d":"x","s":{"w":["x","y"],"n":1}}"#,
        r#"{"d":"y","s":{"w":[],"n":null}}"#,
        r#"{"d":"x","s":{"w":["x"],"n":7}}"#,
        r#"{"d":"x","s":{"w":["x","z"],"n":2}}"#,
        r#"{"d":"z","s":{"w":[],"n":null}}"#,
        r#"{"d":"x","s":{"w":["x"],"n":7}}"#,
    ];
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        for is_stream in [true, false] {
            let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
            // A file may have one dictionary that grows; a stream may replace it.
            let handling = if is_stream { DictionaryHandling::Resend } else { DictionaryHandling::Delta };
            let options = options.with_dictionary_handling(handling);
            let mut out = Vec::new();
            let schema = batches[0].schema();
            if is_stream {
                let mut writer = StreamWriter::try_new_with_options(&mut out, &schema, options).unwrap();
                batches.iter().for_each(|batch| writer.write(batch).unwrap());
                writer.finish().unwrap();
            } else {
                let mut writer = FileWriter::try_new_with_options(&mut out, &schema, options).unwrap();
                let (first, second) = (&batches[0], batch(grown(), 2));
                [first, &second].into_iter().for_each(|batch| writer.write(batch).unwrap());
                writer.finish().unwrap();
            }
            let read = read_whole(Format::Arrow, &out, &Types::new()).unwrap();
            let rows = String::from_utf8(encode_rows(Format::Jsonl, &read).unwrap()).unwrap();
            assert_eq!(rows.lines().collect::<Vec<_>>(), expect, "{compression:?}, stream: {is_stream}");
        }
    }
}

/// A dictionary that begins as that of `x`, `y`, `x` does.
fn grown() -> ArrayRef {
    let keys = Int8Array::from(vec![0, 2, 0]);
    Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["x", "y", "z"]))))
}

#[test]
fn a_file_without_rows_has_its_columns() {
    let schema = Schema(vec![crate::table::Field::new("a", Type::Int)]);
    for format in [Format::Parquet, Format::Arrow] {
        let bytes = write(format, Compression::None, &schema, &[]);
        let batch = read_whole(format, &bytes, &Types::new()).unwrap();
        assert_eq!((batch.rows, batch.schema()), (0, schema.clone()));
    }
}

#[test]
fn what_is_no_such_file_is_said() {
    for bytes in [b"".as_slice(), b"PAR1", b"hello, this is text", b"FEA1....FEA1", b"ARROW1\0\0", &[0; 100]] {
        for format in [Format::Parquet, Format::Arrow] {
            if let Ok(batch) = read_whole(format, bytes, &Types::new()) {
                panic!("{format} of {bytes:?} is {}", shown(&batch));
            }
        }
    }
}

#[test]
fn many_rows_come_in_batches() {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
    let batch = Batch { rows: 100_000, columns: vec![("a".to_owned(), column)] };
    let bytes = write(Format::Parquet, Compression::None, &batch.schema(), std::slice::from_ref(&batch));
    let mut most = 0;
    let source = Box::new(std::io::Cursor::new(bytes.clone()));
    read_batches::<Problem>(Format::Parquet, source, &Types::new(), &mut |batch| {
        most = most.max(batch.rows);
        Ok(())
    })
    .unwrap();
    assert!(most <= 8192, "{most}");
    assert_eq!(chunks(&read_whole(Format::Parquet, &bytes, &Types::new()).unwrap()), chunks(&batch));
}

#[test]
fn a_long_text_that_a_dictionary_repeats_is_never_there_many_times() {
    let rows = 160;
    let text = "x".repeat(16 << 20);
    let value: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
    let words: ArrayRef = Arc::new(DictionaryArray::new(Int32Array::from(vec![0; rows]), value));
    let schema = Arc::new(ArrowSchema::new(vec![
        ArrowField::new("plain", words.data_type().clone(), true),
        ArrowField::new("n", arrow_schema::DataType::Int64, true),
    ]));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
    let batch = RecordBatch::try_new(schema.clone(), vec![words, numbers]).unwrap();
    for skips_types in [true, false] {
        let properties = ::parquet::file::properties::WriterProperties::builder()
            .set_dictionary_page_size_limit(1 << 30)
            .set_compression(::parquet::basic::Compression::ZSTD(Default::default()))
            .build();
        let options = ::parquet::arrow::arrow_writer::ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(skips_types);
        let mut bytes = Vec::new();
        let mut writer =
            ::parquet::arrow::ArrowWriter::try_new_with_options(&mut bytes, schema.clone(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert!(bytes.len() < 100_000, "a small file: {}", bytes.len());
        let (mut found, mut most) = (0, 0);
        read_batches::<Problem>(Format::Parquet, Box::new(std::io::Cursor::new(bytes)), &Types::new(), &mut |batch| {
            found += batch.rows;
            most = most.max(batch.column("plain").unwrap().get_array_memory_size() >> 20);
            Ok(())
        })
        .unwrap();
        assert!(found == rows && most <= 140, "{found} rows, {most} MiB at once");
    }
}

fn sample(format: Format) -> Vec<u8> {
    let text: ArrayRef = Arc::new(StringArray::from_iter((0..50).map(|i| (i % 7 > 0).then(|| format!("text {i}")))));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..50));
    let batch = Batch { rows: 50, columns: vec![("a".to_owned(), text), ("b".to_owned(), numbers)] };
    write(format, Compression::None, &batch.schema(), &[batch])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_damage_makes_a_reader_of_whole_files_panic(
        format in prop::sample::select(vec![Format::Parquet, Format::Arrow]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = sample(format);
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = read_whole(format, &bytes, &Types::new());
        let source = Box::new(std::io::Cursor::new(bytes));
        let _ = read_rows::<Problem>(format, source, &types(&[("a", "int")]), &mut |_, _| Ok(()));
    }
}
