//! Rows as a stream of Arrow IPC, some at a time, for programs.

use super::Problem;
use crate::table::{Batch, Schema};
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Field, Schema as ArrowSchema};
use std::sync::Arc;

/// A stream of Arrow IPC that is being written.
pub struct StreamEncoder {
    schema: Arc<ArrowSchema>,
    writer: StreamWriter<Vec<u8>>,
}

impl StreamEncoder {
    /// Begins a stream of rows with these columns.
    pub fn new(schema: &Schema) -> Result<StreamEncoder, Problem> {
        let fields: Vec<Field> = schema.0.iter().map(|field| Field::new(&field.name, field.ty.arrow(), true)).collect();
        let schema = Arc::new(ArrowSchema::new(fields));
        let writer = StreamWriter::try_new(Vec::new(), &schema).map_err(problem)?;
        Ok(StreamEncoder { schema, writer })
    }

    /// Adds rows, and returns the bytes of the stream since the last call.
    pub fn push(&mut self, batch: &Batch) -> Result<Vec<u8>, Problem> {
        let columns = batch.columns.iter().map(|(_, column)| column.clone()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(problem)?;
        self.writer.write(&batch).map_err(problem)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    /// Ends the stream, and returns its last bytes.
    pub fn finish(mut self) -> Result<Vec<u8>, Problem> {
        self.writer.finish().map_err(problem)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }
}

fn problem(error: ArrowError) -> Problem {
    Problem::new(format!("these rows cannot be written as Arrow IPC: {error}"))
}
