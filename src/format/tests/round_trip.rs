//! What is written reads back.

use super::*;
use crate::table::{Field, Schema};
use crate::time;
use arrow_array::{Float64Array, StringArray};
use proptest::prelude::*;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

/// A sink whose bytes can be had afterwards.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn write(format: Format, compression: Compression, schema: &Schema, batches: &[Batch]) -> Vec<u8> {
    let memory = Memory::default();
    let mut writer = Writer::new(format, compression, schema, Box::new(memory.clone())).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    memory.0.lock().unwrap().clone()
}

pub(super) fn read_whole(format: Format, bytes: &[u8], types: &Types) -> Result<Batch, Problem> {
    let mut batches: Vec<Batch> = Vec::new();
    read_batches::<Problem>(format, Box::new(Cursor::new(bytes.to_vec())), types, &mut |batch| {
        batches.push(batch);
        Ok(())
    })?;
    let columns = (0..batches[0].columns.len()).map(|i| {
        let arrays: Vec<ArrayRef> = batches.iter().map(|batch| batch.columns[i].1.clone()).collect();
        (batches[0].columns[i].0.clone(), join(&arrays))
    });
    Ok(Batch { rows: batches.iter().map(|batch| batch.rows).sum(), columns: columns.collect() })
}

fn any_type() -> impl Strategy<Value = Type> {
    let plain = prop::sample::select(vec![
        Type::Null,
        Type::Bool,
        Type::Int,
        Type::Float,
        Type::String,
        Type::Date,
        Type::Timestamp,
    ]);
    plain.prop_recursive(3, 6, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|item| Type::List(Box::new(item))),
            prop::collection::vec(inner, 1..3).prop_map(|types| {
                Type::Struct(types.into_iter().enumerate().map(|(i, ty)| Field::new(format!("f\"{i}"), ty)).collect())
            }),
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a", "\"", "\\", "\n", "\r", ",", "\t", "\0", "é", "😀", "\u{7f}", " ", "007", "\u{feff}",
    ]);
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

/// A value of the type as JSON.
fn any_value(ty: &Type) -> BoxedStrategy<serde_json::Value> {
    use serde_json::Value as V;
    let value = match ty {
        Type::Null => return Just(V::Null).boxed(),
        Type::Bool => any::<bool>().prop_map(V::from).boxed(),
        Type::Int => any::<i64>().prop_map(V::from).boxed(),
        Type::Float => prop_oneof![any::<f64>(), any::<i32>().prop_map(f64::from)].prop_map(V::from).boxed(),
        Type::String => any_text().prop_map(V::from).boxed(),
        Type::Date => any::<i32>().prop_map(|days| V::from(time::format_date(days))).boxed(),
        Type::Timestamp => any::<i64>().prop_map(|micros| V::from(time::format_timestamp(micros))).boxed(),
        Type::List(item) => prop::collection::vec(any_value(item), 0..4).prop_map(V::from).boxed(),
        Type::Struct(fields) => {
            let values: Vec<_> = fields.iter().map(|field| any_value(&field.ty)).collect();
            let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
            values.prop_map(move |values| names.iter().cloned().zip(values).collect()).boxed()
        }
    };
    prop_oneof![1 => Just(V::Null), 4 => value].boxed()
}

/// Two to four columns, and the rows as JSON: a table and an account of it that does not come from the code under test.
fn any_batch() -> impl Strategy<Value = (Schema, Batch, Vec<serde_json::Value>)> {
    (prop::collection::vec(any_type(), 2..5), 0usize..25).prop_flat_map(|(types, rows)| {
        let columns: Vec<_> = types.iter().map(|ty| prop::collection::vec(any_value(ty), rows)).collect();
        columns.prop_map(move |columns| {
            let fields = types.iter().enumerate().map(|(i, ty)| Field::new(format!("c {i}"), ty.clone()));
            let schema = Schema(fields.collect());
            let arrays = schema.0.iter().zip(&columns).map(|(field, values)| {
                let cells: Vec<Option<String>> =
                    values.iter().map(|value| (!value.is_null()).then(|| value.to_string())).collect();
                (field.name.clone(), json::parse_cells(cells.iter().map(Option::as_deref), &field.ty).unwrap())
            });
            let batch = Batch { rows, columns: arrays.collect() };
            let row = |i: usize| {
                schema.0.iter().zip(&columns).map(|(field, values)| (field.name.clone(), values[i].clone())).collect()
            };
            let rows = (0..rows).map(row).collect();
            (schema, batch, rows)
        })
    })
}

fn declared(schema: &Schema) -> Types {
    schema.0.iter().map(|field| (field.name.clone(), field.ty.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn records_read_back_under_declared_types((schema, batch, rows) in any_batch()) {
        for format in [Format::Jsonl, Format::Csv, Format::Tsv] {
            let bytes = write(format, Compression::None, &schema, std::slice::from_ref(&batch));
            let back = read(format, &bytes, &declared(&schema)).unwrap();
            // JSONL of no rows has no columns.
            if batch.rows > 0 {
                prop_assert_eq!(chunks(&back), chunks(&batch), "{}", format);
            }
            if format == Format::Jsonl {
                let text = String::from_utf8(bytes).unwrap();
                let parsed: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                prop_assert_eq!(parsed, rows.clone());
            }
        }
    }

    #[test]
    fn whole_files_read_back((schema, batch, _) in any_batch()) {
        for format in [Format::Parquet, Format::Arrow] {
            let bytes = write(format, Compression::None, &schema, std::slice::from_ref(&batch));
            let back = read_whole(format, &bytes, &Types::new()).unwrap();
            prop_assert_eq!(back.schema(), schema.clone());
            prop_assert_eq!(chunks(&back), chunks(&batch), "{}", format);
        }
    }

    #[test]
    fn equal_rows_give_equal_bytes((schema, batch, _) in any_batch()) {
        for format in [Format::Jsonl, Format::Csv, Format::Parquet, Format::Arrow] {
            let twice = || write(format, Compression::None, &schema, &[batch.clone(), batch.clone()]);
            prop_assert_eq!(twice(), twice());
        }
    }
}

#[test]
fn packed_text_unpacks_to_the_same_rows_and_has_no_time_in_it() {
    let schema = Schema(vec![Field::new("a", Type::String)]);
    let column: ArrayRef = Arc::new(StringArray::from(vec!["x"; 1000]));
    let batch = Batch { rows: 1000, columns: vec![("a".to_owned(), column)] };
    let plain = write(Format::Jsonl, Compression::None, &schema, std::slice::from_ref(&batch));
    let gzip = write(Format::Jsonl, Compression::Gzip, &schema, std::slice::from_ref(&batch));
    let zstd = write(Format::Jsonl, Compression::Zstd, &schema, &[batch]);
    assert_eq!(gzip[4..8], [0; 4], "the time of a gzip file");
    let mut unpacked = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(&gzip[..]), &mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    assert_eq!(zstd::decode_all(&zstd[..]).unwrap(), plain);
}

#[test]
fn floats_are_written_so_that_they_stay_floats() {
    let column: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(1.0),
        Some(0.1),
        Some(-0.0),
        Some(1e21),
        Some(5e-324),
        Some(f64::NAN),
        Some(f64::NEG_INFINITY),
        None,
    ]));
    let batch = Batch { rows: 8, columns: vec![("a".to_owned(), column.clone()), ("b".to_owned(), column)] };
    let text = |format| String::from_utf8(encode_rows(format, &batch).unwrap()).unwrap();
    let row = |value: &str| format!("{{\"a\":{value},\"b\":{value}}}\n");
    let expect: String = ["1.0", "0.1", "-0.0", "1e+21", "5e-324", "null", "null", "null"].map(row).concat();
    assert_eq!(text(Format::Jsonl), expect);
    let row = |value: &str| format!("{value},{value}\n");
    let expect: String = ["1.0", "0.1", "-0.0", "1e+21", "5e-324", "NaN", "-inf", ""].map(row).concat();
    assert_eq!(text(Format::Csv), expect);
    let back =
        read(Format::Csv, format!("a,b\n{expect}").as_bytes(), &types(&[("a", "float"), ("b", "float")])).unwrap();
    assert_eq!(chunks(&back), chunks(&batch));
}

#[test]
fn a_null_alone_in_its_row_keeps_the_row() {
    let column: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
    let batch = Batch { rows: 2, columns: vec![("a".to_owned(), column)] };
    let bytes = write(Format::Csv, Compression::None, &batch.schema(), &[batch]);
    assert_eq!(bytes, b"a\nx\n\"\"\n");
    assert_eq!(read(Format::Csv, &bytes, &Types::new()).unwrap().rows, 2);
}

#[test]
fn what_a_format_cannot_hold_is_said_before_writing() {
    let empty = Schema(vec![Field::new("a", Type::Struct(Vec::new()))]);
    let cases = [
        (Format::Json, Compression::None, "json files are not written by rows"),
        (Format::Parquet, Compression::Gzip, "parquet files are not packed as a whole"),
        (Format::Parquet, Compression::None, "Parquet has no structs without fields, and `a` is one"),
    ];
    for (format, compression, expect) in cases {
        let error = Writer::new(format, compression, &empty, Box::new(Memory::default())).err().unwrap();
        assert_eq!(error.to_string(), expect);
    }
    let mut writer = Writer::new(Format::Jsonl, Compression::None, &empty, Box::new(Memory::default())).unwrap();
    let column: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let error = writer.write(&Batch { rows: 1, columns: vec![("b".to_owned(), column)] }).unwrap_err();
    assert_eq!(error.to_string(), "rows of (b: string) in a file of (a: struct<>)");
}
