//! Row groups of Parquet: encoded apart, on any thread, and put together in order.

use super::write::record_batch;
use crate::table::{Batch, row_sizes};
use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use std::io::Write;
use std::sync::Arc;

/// Rows of a row group, at most.
const ROWS: usize = 65_536;

/// Bytes of values from which on a row group takes no further batch: some of them are in memory at once.
const BYTES: usize = 24 << 20;

/// Level of zstd: 3 takes more than twice the time and saves another sixth.
const LEVEL: i32 = 1;

/// A file that takes row groups.
pub(super) struct ParquetFile<W: Write + Send> {
    file: SerializedFileWriter<W>,
    encoder: Arc<ParquetEncoder>,
}

/// Encodes row groups of a file.
pub struct ParquetEncoder {
    schema: SchemaRef,
    columns: ArrowRowGroupWriterFactory,
}

/// An encoded row group.
pub struct RowGroup(Vec<ArrowColumnChunk>);

impl<W: Write + Send> ParquetFile<W> {
    pub fn new(out: W, schema: SchemaRef) -> Result<ParquetFile<W>> {
        let properties = WriterProperties::builder()
            .set_created_by("datamake".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
            .build();
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties))?;
        let (file, columns) = writer.into_serialized_writer()?;
        Ok(ParquetFile { file, encoder: Arc::new(ParquetEncoder { schema, columns }) })
    }

    pub fn encoder(&self) -> Arc<ParquetEncoder> {
        self.encoder.clone()
    }

    pub fn append(&mut self, group: RowGroup) -> Result<()> {
        let mut to = self.file.next_row_group()?;
        group.0.into_iter().try_for_each(|column| column.append_to_row_group(&mut to))?;
        to.close().map(|_| ())
    }

    pub fn finish(self) -> Result<W> {
        self.file.into_inner()
    }
}

impl ParquetEncoder {
    /// Encodes batches as one row group.
    pub fn encode<'a>(&self, batches: impl IntoIterator<Item = &'a Batch>) -> Result<RowGroup> {
        let mut writers = self.columns.create_column_writers(0)?;
        for batch in batches {
            let batch = record_batch(&self.schema, batch)?;
            let mut leaves = writers.iter_mut();
            for (field, column) in self.schema.fields().iter().zip(batch.columns()) {
                for leaf in compute_leaves(field, column)? {
                    leaves.next().expect("there is a writer for each leaf of the schema").write(&leaf)?;
                }
            }
        }
        Ok(RowGroup(writers.into_iter().map(|writer| writer.close()).collect::<Result<_>>()?))
    }
}

/// Takes the row groups off the front of `batches` that are full; where they end is decided from their rows alone.
pub fn full_row_groups(batches: &mut Vec<Batch>) -> Vec<Vec<Batch>> {
    let mut groups = vec![Vec::new()];
    let (mut rows, mut bytes) = (0, 0);
    for batch in batches.drain(..) {
        let columns: Vec<ArrayRef> = batch.columns.iter().map(|(_, column)| column.clone()).collect();
        if rows > 0 && (rows + batch.rows > ROWS || bytes >= BYTES) {
            groups.push(Vec::new());
            (rows, bytes) = (0, 0);
        }
        rows += batch.rows;
        bytes += row_sizes(&columns, batch.rows).iter().sum::<usize>();
        groups.last_mut().expect("there is one from the start").push(batch);
    }
    *batches = groups.pop().expect("there is one from the start");
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Int64Array, StringArray};

    fn batch(rows: usize, bytes: usize) -> Batch {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![7; rows]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(bytes); rows]));
        Batch { rows, columns: vec![("n".to_owned(), numbers), ("t".to_owned(), texts)] }
    }

    #[test]
    fn row_groups_end_by_rows_and_by_bytes_however_batches_are_handed_over() {
        let rows = |groups: &[Vec<Batch>]| -> Vec<usize> {
            groups.iter().map(|group| group.iter().map(|batch| batch.rows).sum()).collect()
        };
        let all: Vec<Batch> = (0..10).map(|_| batch(10_000, 1)).chain((0..7).map(|_| batch(10, 1 << 20))).collect();
        for step in [1, 3, 17] {
            let (mut waiting, mut full) = (Vec::new(), Vec::new());
            for some in all.chunks(step) {
                waiting.extend(some.iter().cloned());
                full.extend(full_row_groups(&mut waiting));
            }
            assert_eq!(rows(&full), [60_000, 40_030, 30], "{step}");
            assert_eq!(rows(&[waiting]), [10], "{step}");
        }
        assert!(full_row_groups(&mut Vec::new()).is_empty());
    }
}
