//! An export: a table as a file of the project.

use super::context::{Stop, TableRef};
use super::record::Output;
use super::walk::{Made, Walk};
use super::{Mode, Progress};
use crate::diag::Diagnostic;
use crate::fetch::plain;
use crate::format::{WriteError, Writer, encode_rows};
use crate::graph::NodeId;
use crate::table::{Batch, RowGroup, Table};
use rayon::prelude::*;
use std::io::BufWriter;
use std::sync::Arc;

/// Row groups that are encoded side by side before they are written in order.
const TOGETHER: usize = 8;

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
        let (format, compression) = (export.encoding.format, export.encoding.compression);
        let written = self.request.workspace.write_output::<Unwritten>(&export.to.value, |file| {
            let mut writer =
                Writer::new(format, compression, &table.schema, Box::new(BufWriter::with_capacity(1 << 20, file)))?;
            for groups in table.groups.chunks(TOGETHER) {
                self.context.go_on()?;
                if format.is_text() {
                    let encode = |group: &Arc<RowGroup>| -> Result<Vec<u8>, Unwritten> {
                        let rows = encode_rows(format, &self.batch(&table, group)?).map_err(WriteError::Problem)?;
                        progress.group(u64::from(group.rows), true);
                        Ok(rows)
                    };
                    let encoded: Vec<Result<Vec<u8>, Unwritten>> = groups.par_iter().map(encode).collect();
                    for rows in encoded {
                        writer.write_encoded(&rows?)?;
                    }
                } else {
                    for group in groups {
                        writer.write(&self.batch(&table, group)?)?;
                        progress.group(u64::from(group.rows), true);
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

    fn batch(&self, table: &Table, group: &RowGroup) -> Result<Batch, Stop> {
        let column = |(name, at): (&str, _)| Ok((name.to_owned(), self.context.column(at)?));
        let columns =
            table.schema.names().zip(group.columns.iter().copied()).map(column).collect::<Result<_, Stop>>()?;
        Ok(Batch { rows: group.rows as usize, columns })
    }
}
