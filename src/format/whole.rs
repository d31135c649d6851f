//! Parquet and Arrow IPC: files that know their columns, read batch by batch.

use super::apart::{convert, convert_rows};
use super::arrow_types::distinct;
use super::{BadRow, Format, Problem, Types, pieces};
use crate::diag::guarded;
use crate::table::{Batch, Type};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader, new_empty_array};
use arrow_schema::{ArrowError, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex};

/// What a file is read from.
pub trait Source: Read + Seek + Send {}

impl<S: Read + Seek + Send> Source for S {}

/// Bytes that a batch of Parquet has, about.
const BATCH: i64 = 16 << 20;

/// Reads a Parquet or Arrow file batch by batch, with bounded memory; a row that cannot be read is an error.
///
/// Columns become those of tables: `docs/formats.md` says how. Every batch has the same columns; of a file without rows there is one
/// batch of none.
pub fn read_batches<E: From<Problem>>(
    format: Format,
    source: Box<dyn Source>,
    types: &Types,
    emit: &mut dyn FnMut(Batch) -> Result<(), E>,
) -> Result<(), E> {
    let convert =
        |names: &[&str], rows, columns: &[ArrayRef], _| Ok((convert(names, rows, columns, types)?, Vec::new()));
    read(format, source, &convert, &mut |batch, _| emit(batch))
}

/// Reads such a file without the rows that cannot be read: they come beside the batch that they are not in. Their lines are their
/// numbers in the file, and their columns count the columns.
pub fn read_rows<E: From<Problem>>(
    format: Format,
    source: Box<dyn Source>,
    types: &Types,
    emit: &mut dyn FnMut(Batch, Vec<BadRow>) -> Result<(), E>,
) -> Result<(), E> {
    let convert =
        |names: &[&str], rows, columns: &[ArrayRef], before| convert_rows(names, rows, columns, types, before);
    read(format, source, &convert, emit)
}

/// Makes columns of a table of so many rows of some columns, after so many other rows.
type Convert<'a> = dyn Fn(&[&str], usize, &[ArrayRef], u64) -> Result<(Batch, Vec<BadRow>), Problem> + 'a;

fn read<E: From<Problem>>(
    format: Format,
    mut source: Box<dyn Source>,
    convert: &Convert,
    emit: &mut dyn FnMut(Batch, Vec<BadRow>) -> Result<(), E>,
) -> Result<(), E> {
    match format {
        Format::Parquet => {
            let open = || {
                let length = source.seek(SeekFrom::End(0)).map_err(ParquetError::from)?;
                let shared = Shared { source: Arc::new(Mutex::new(source)), length };
                let known = ArrowReaderMetadata::load(&shared, ArrowReaderOptions::new())?;
                let viewed = ArrowReaderOptions::new().with_schema(pieces::viewed(known.schema()));
                let known = ArrowReaderMetadata::try_new(known.metadata().clone(), viewed).unwrap_or(known);
                let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(shared, known);
                let (rows, bytes) =
                    builder.metadata().row_groups().iter().fold((0i64, 0i64), |(rows, bytes), group| {
                        (rows.saturating_add(group.num_rows()), bytes.saturating_add(group.total_byte_size()))
                    });
                let size = BATCH / (bytes / rows.max(1)).max(1);
                builder.with_batch_size(usize::try_from(size.clamp(1, 8192)).unwrap_or(1)).build()
            };
            let reader = guard(format, open)?;
            let schema = reader.schema();
            each(format, &schema, reader, convert, emit)
        }
        Format::Arrow => {
            let mut magic = [0; 6];
            let begin = guard(format, || {
                source.rewind()?;
                let mut read = 0;
                while read < magic.len() {
                    match source.read(&mut magic[read..])? {
                        0 => break,
                        n => read += n,
                    }
                }
                source.rewind()
            });
            begin?;
            if magic.starts_with(b"FEA1") {
                let problem = Problem::new("this is Feather version 1, which is not read");
                return Err(problem.help("write it again as version 2: pyarrow.feather.write_feather").into());
            }
            let source = BufReader::with_capacity(1 << 20, source);
            if magic == *b"ARROW1" {
                let reader = guard(format, || arrow_ipc::reader::FileReader::try_new(source, None))?;
                let schema = reader.schema();
                each(format, &schema, reader, convert, emit)
            } else {
                let reader = guard(format, || arrow_ipc::reader::StreamReader::try_new(source, None))?;
                let schema = reader.schema();
                each(format, &schema, reader, convert, emit)
            }
        }
        _ => Err(Problem::new(format!("{format} files are read by records")).into()),
    }
}

/// Runs a reader of bytes that may be damaged: whatever it does, the file is to blame.
fn guard<T, E: std::fmt::Display>(format: Format, read: impl FnOnce() -> Result<T, E>) -> Result<T, Problem> {
    let name = match format {
        Format::Parquet => "Parquet",
        _ => "Arrow IPC",
    };
    match guarded(read) {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(Problem::new(format!("this is not a readable {name} file: {error}"))),
        None => Err(Problem::new(format!("this {name} file is damaged"))),
    }
}

fn each<E: From<Problem>>(
    format: Format,
    schema: &Schema,
    mut batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    convert: &Convert,
    emit: &mut dyn FnMut(Batch, Vec<BadRow>) -> Result<(), E>,
) -> Result<(), E> {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    distinct(&names).map_err(|name| Problem::new(format!("the file has two columns `{name}`")))?;
    // What cannot be read is said before anything is read.
    let nothing =
        schema.fields().iter().map(|field| guard(format, || Ok::<_, Problem>(new_empty_array(field.data_type()))));
    let (nothing, _) = convert(&names, 0, &nothing.collect::<Result<Vec<_>, _>>()?, 0)?;
    if let Some(field) = nothing.schema().0.iter().find(|field| depth(&field.ty) > crate::table::DEEPEST) {
        return Err(Problem::new(format!("`{}` is nested more than {} deep", field.name, crate::table::DEEPEST)).into());
    }
    let mut rows = 0u64;
    while let Some(batch) = guard(format, || batches.next().transpose())? {
        for piece in guard(format, || Ok::<_, Problem>(pieces::of(batch)))? {
            // Values may be damaged in ways that only show here; a problem that is known is said as it is.
            let convert = || Ok::<_, Problem>(convert(&names, piece.num_rows(), piece.columns(), rows));
            let (converted, bad) = guard(format, convert)??;
            emit(converted, bad)?;
            rows += piece.num_rows() as u64;
        }
    }
    if rows == 0 { emit(nothing, Vec::new()) } else { Ok(()) }
}

fn depth(ty: &Type) -> u32 {
    1 + match ty {
        Type::List(item) => depth(item),
        Type::Struct(fields) => fields.iter().map(|field| depth(&field.ty)).max().unwrap_or(0),
        _ => 0,
    }
}

/// A source that several readers of Parquet's columns share.
struct Shared {
    source: Arc<Mutex<Box<dyn Source>>>,
    length: u64,
}

impl Length for Shared {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Shared {
    type T = BufReader<Part>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(Part { source: self.source.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        // A damaged file may name any length.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(ParquetError::EOF("a column goes past the end of the file".to_owned()));
        }
        let mut bytes = vec![0; length];
        Part { source: self.source.clone(), at: start }.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Reads a shared source from an offset on.
struct Part {
    source: Arc<Mutex<Box<dyn Source>>>,
    at: u64,
}

impl Read for Part {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let mut source = self.source.lock().map_err(|_| std::io::Error::other("an earlier read failed"))?;
        source.seek(SeekFrom::Start(self.at))?;
        let read = source.read(into)?;
        self.at += read as u64;
        Ok(read)
    }
}
