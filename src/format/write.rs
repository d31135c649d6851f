//! Writing files, batch by batch; equal batches give equal bytes.

use super::encode::{encode_header, encode_rows, not_text};
use super::row_groups::{ParquetEncoder, ParquetFile, RowGroup};
use super::{Compression, Format, Problem};
use crate::table::{Batch, Schema, Type};
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema as ArrowSchema};
use flate2::write::GzEncoder;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// Where a file is written to.
type Sink = Box<dyn Write + Send>;

/// Level of zstd, in Parquet and around text.
const LEVEL: i32 = 3;

/// Writes a file of one schema.
pub struct Writer {
    format: Format,
    schema: Schema,
    arrow: Arc<ArrowSchema>,
    to: To,
}

enum To {
    Plain(Sink),
    Gzip(GzEncoder<Sink>),
    Zstd(zstd::Encoder<'static, Sink>),
    Parquet(Box<ParquetFile<Sink>>),
    Arrow(Box<arrow_ipc::writer::FileWriter<Sink>>),
}

/// Why a file was not written.
#[derive(Debug)]
pub enum WriteError {
    /// The sink failed.
    Io(io::Error),
    /// The format cannot hold it.
    Problem(Problem),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Io(error) => error.fmt(f),
            WriteError::Problem(problem) => problem.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> WriteError {
        WriteError::Io(error)
    }
}

impl From<Problem> for WriteError {
    fn from(problem: Problem) -> WriteError {
        WriteError::Problem(problem)
    }
}

impl From<parquet::errors::ParquetError> for WriteError {
    fn from(error: parquet::errors::ParquetError) -> WriteError {
        WriteError::Io(io::Error::other(error))
    }
}

impl From<arrow_schema::ArrowError> for WriteError {
    fn from(error: arrow_schema::ArrowError) -> WriteError {
        match error {
            arrow_schema::ArrowError::IoError(_, error) => WriteError::Io(error),
            other => WriteError::Io(io::Error::other(other)),
        }
    }
}

impl Writer {
    /// Begins a file: checks that the format holds the schema, and writes what comes before the rows.
    pub fn new(format: Format, compression: Compression, schema: &Schema, mut out: Sink) -> Result<Writer, WriteError> {
        let fields: Vec<Field> = schema.0.iter().map(|field| Field::new(&field.name, field.ty.arrow(), true)).collect();
        let arrow = Arc::new(ArrowSchema::new(fields));
        if matches!(format, Format::Parquet | Format::Arrow) && compression != Compression::None {
            let title = format!("{format} files are not packed as a whole");
            return Err(Problem::new(title).help("leave .gz or .zst away").into());
        }
        let to = match format {
            Format::Json | Format::Text | Format::Lines => return Err(not_text(format).into()),
            Format::Parquet => {
                if let Some(field) = schema.0.iter().find(|field| has_empty_struct(&field.ty)) {
                    let title = format!("Parquet has no structs without fields, and `{}` is one", field.name);
                    return Err(Problem::new(title).help("leave the column out with `select`").into());
                }
                To::Parquet(Box::new(ParquetFile::new(out, arrow.clone())?))
            }
            Format::Arrow => To::Arrow(Box::new(arrow_ipc::writer::FileWriter::try_new(out, &arrow)?)),
            Format::Jsonl | Format::Csv | Format::Tsv => {
                let header = encode_header(format, schema)?;
                match compression {
                    Compression::None => {
                        out.write_all(&header)?;
                        To::Plain(out)
                    }
                    Compression::Gzip => {
                        let mut out = GzEncoder::new(out, flate2::Compression::default());
                        out.write_all(&header)?;
                        To::Gzip(out)
                    }
                    Compression::Zstd => {
                        let mut out = zstd::Encoder::new(out, LEVEL)?;
                        out.write_all(&header)?;
                        To::Zstd(out)
                    }
                }
            }
        };
        Ok(Writer { format, schema: schema.clone(), arrow, to })
    }

    /// Writes the rows of a batch, which has the columns of the schema.
    pub fn write(&mut self, batch: &Batch) -> Result<(), WriteError> {
        let schema = batch.schema();
        if schema != self.schema {
            let names = |schema: &Schema| {
                let fields: Vec<String> = schema.0.iter().map(|f| format!("{}: {}", f.name, f.ty)).collect();
                fields.join(", ")
            };
            let title = format!("rows of ({}) in a file of ({})", names(&schema), names(&self.schema));
            return Err(Problem::new(title).into());
        }
        match &mut self.to {
            To::Parquet(to) => {
                let encoded = to.encoder().encode([batch])?;
                to.append(encoded)?;
            }
            To::Arrow(to) => to.write(&record_batch(&self.arrow, batch)?)?,
            _ => self.write_encoded(&encode_rows(self.format, batch)?)?,
        }
        Ok(())
    }

    /// Returns what encodes row groups of this file, on any thread; nothing if it is not of Parquet.
    pub fn row_groups(&self) -> Option<Arc<ParquetEncoder>> {
        if let To::Parquet(to) = &self.to { Some(to.encoder()) } else { None }
    }

    /// Writes a row group that [`Writer::row_groups`] encoded.
    pub fn write_row_group(&mut self, group: RowGroup) -> Result<(), WriteError> {
        match &mut self.to {
            To::Parquet(to) => Ok(to.append(group)?),
            _ => Err(Problem::new(format!("{} files have no row groups of Parquet", self.format)).into()),
        }
    }

    /// Writes rows that [`encode_rows`] encoded for the format and the schema of this file.
    pub fn write_encoded(&mut self, rows: &[u8]) -> Result<(), WriteError> {
        match &mut self.to {
            To::Plain(to) => to.write_all(rows)?,
            To::Gzip(to) => to.write_all(rows)?,
            To::Zstd(to) => to.write_all(rows)?,
            To::Parquet(_) | To::Arrow(_) => return Err(not_text(self.format).into()),
        }
        Ok(())
    }

    /// Writes what comes after the rows, and hands back the sink, flushed.
    pub fn finish(self) -> Result<Sink, WriteError> {
        let mut sink = match self.to {
            To::Plain(sink) => sink,
            To::Gzip(to) => to.finish()?,
            To::Zstd(to) => to.finish()?,
            To::Parquet(to) => to.finish()?,
            To::Arrow(to) => to.into_inner()?,
        };
        sink.flush()?;
        Ok(sink)
    }
}

pub(super) fn record_batch(schema: &Arc<ArrowSchema>, batch: &Batch) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let columns = batch.columns.iter().map(|(_, array)| array.clone()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}

fn has_empty_struct(ty: &Type) -> bool {
    match ty {
        Type::List(item) => has_empty_struct(item),
        Type::Struct(fields) => fields.is_empty() || fields.iter().any(|field| has_empty_struct(&field.ty)),
        _ => false,
    }
}
