//! An export: a table as a file of the project.

use super::context::{Stop, TableRef};
use super::record::Output;
use super::walk::{Made, Walk};
use super::{Mode, Progress};
use crate::diag::Diagnostic;
use crate::fetch::plain;
use crate::format::{WriteError, Writer, encode_picked, full_row_groups};
use crate::graph::NodeId;
use crate::table::{Batch, RowGroup};
use rayon::prelude::*;
use std::io::BufWriter;
use std::sync::Arc;

/// Row groups that are encoded side by side before they are written in order.
const TOGETHER: usize = 6;

/// Why a file was not written.
enum Unwritten {
    Stop(Stop),
    Write(WriteError),
}

impl From<std::io::Error> for Unwritten {
    fn from(error: std::io::Error) -> Unwritten {
        Unwritten::Write(WriteError::Io(error))
    }
}

impl From<WriteError> for Unwritten {
    fn from(error: WriteError) -> Unwritten {
        Unwritten::Write(error)
    }
}

impl From<Stop> for Unwritten {
    fn from(stop: Stop) -> Unwritten {
        Unwritten::Stop(stop)
    }
}

impl Walk<'_> {
    /// Writes an export.
    pub(super) fn export(&mut self, id: NodeId, inputs: &[TableRef], progress: &Progress) -> Result<Made, Stop> {
        let node = self.request.graph.node(id);
        let export = &self.request.graph.manifest.exports[node.declaration];
        let table = self.context.table(&inputs[0])?;
        progress.begin(table.groups.len());
        if self.request.mode != Mode::Build {
            table.groups.iter().for_each(|group| progress.group(u64::from(group.rows), true));
            return Err(Stop::Pending);
        }
        if let Some(file) = self.eager.remove(&id)
            && let Some((file, bytes)) = file.finish(self.request.workspace, &table)
        {
            table.groups.iter().for_each(|group| progress.group(u64::from(group.rows), true));
            self.context.counts.run();
            return Ok(Made::of(Output::Export { file, bytes, rows: table.rows() }));
        }
        let (format, compression) = (export.encoding.format, export.encoding.compression);
        let written = self.request.workspace.write_output::<Unwritten>(&export.to.value, |file| {
            let mut writer =
                Writer::new(format, compression, &table.schema, Box::new(BufWriter::with_capacity(1 << 20, file)))?;
            let told = |group: &RowGroup| progress.group(u64::from(group.rows), true);
            match writer.row_groups() {
                _ if format.is_text() => {
                    let encode = |group: &Arc<RowGroup>| -> Result<Vec<u8>, Unwritten> {
                        let rows = self.context.picked(&table.schema, group)?;
                        let rows = encode_picked(format, &rows).map_err(WriteError::Problem)?;
                        told(group);
                        Ok(rows)
                    };
                    // While some groups are written the next are encoded.
                    let mut encoded: Vec<Result<Vec<u8>, Unwritten>> = Vec::new();
                    for groups in table.groups.chunks(TOGETHER) {
                        self.context.go_on()?;
                        let ready = std::mem::take(&mut encoded);
                        let (written, next) =
                            rayon::join(|| write_all(&mut writer, ready), || groups.par_iter().map(encode).collect());
                        written?;
                        encoded = next;
                    }
                    write_all(&mut writer, encoded)?;
                }
                Some(encoder) => {
                    let mut waiting: Vec<Batch> = Vec::new();
                    let mut write = |full: Vec<Vec<Batch>>| -> Result<(), Unwritten> {
                        let encoded: Vec<_> = full.par_iter().map(|batches| encoder.encode(batches)).collect();
                        encoded
                            .into_iter()
                            .try_for_each(|group| Ok(writer.write_row_group(group.map_err(WriteError::from)?)?))
                    };
                    for groups in table.groups.chunks(3 * TOGETHER) {
                        self.context.go_on()?;
                        let batch = |group: &Arc<RowGroup>| Ok(self.context.picked(&table.schema, group)?.gather());
                        let batches = groups.par_iter().map(batch);
                        waiting.extend(batches.collect::<Result<Vec<_>, Stop>>()?);
                        groups.iter().for_each(|group| told(group));
                        write(full_row_groups(&mut waiting))?;
                    }
                    if !waiting.is_empty() {
                        write(vec![waiting])?;
                    }
                }
                None => {
                    for group in &table.groups {
                        self.context.go_on()?;
                        writer.write(&self.context.picked(&table.schema, group)?.gather())?;
                        told(group);
                    }
                }
            }
            let mut sink = writer.finish()?;
            std::io::Write::flush(&mut sink)?;
            Ok(())
        });
        let (file, bytes) = written.map_err(|unwritten| match unwritten {
            Unwritten::Stop(stop) => stop,
            Unwritten::Write(error) => {
                let why = match &error {
                    WriteError::Io(error) => plain(error),
                    WriteError::Problem(problem) => problem.to_string(),
                };
                let mut diagnostic = Diagnostic::error("export", format!("cannot write {}: {why}", export.to.value));
                if let WriteError::Problem(problem) = error {
                    diagnostic.help.extend(problem.help);
                }
                diagnostic.at(&export.to.span, "written here").into()
            }
        })?;
        self.context.counts.run();
        Ok(Made::of(Output::Export { file, bytes, rows: table.rows() }))
    }
}

fn write_all(writer: &mut Writer, encoded: Vec<Result<Vec<u8>, Unwritten>>) -> Result<(), Unwritten> {
    encoded.into_iter().try_for_each(|rows| Ok(writer.write_encoded(&rows?)?))
}
