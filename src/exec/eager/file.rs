//! The file of an export, written while the row groups that go into it are at hand.

use super::in_order::InOrder;
use crate::fetch::{Draft, Workspace};
use crate::format::{ParquetEncoder, ParquetGroup, WriteError, Writer, encode_picked, full_row_groups};
use crate::hash::Hash;
use crate::manifest::Encoding;
use crate::table::{Batch, Picked, RowGroup, Schema, Table};
use arrow_array::Array;
use std::io::BufWriter;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Bytes of row groups that wait to be written, from which on no further segments are cut.
const BEHIND: usize = 16 << 20;

/// A file that row groups are written into in order, encoded by the threads that have them.
pub(in crate::exec) struct EagerFile {
    encoding: Encoding,
    schema: Schema,
    parquet: Option<Arc<ParquetEncoder>>,
    ready: InOrder<Option<Ready>>,
    /// Row groups of Parquet, and the bytes that they were made of.
    encoded: InOrder<(ParquetGroup, usize)>,
    open: Mutex<Open>,
    behind: AtomicUsize,
    is_given_up: AtomicBool,
}

/// A row group, and what is to be written of it.
struct Ready {
    group: Arc<RowGroup>,
    bytes: usize,
    rows: Rows,
}

enum Rows {
    Text(Vec<u8>),
    /// For a row group of Parquet.
    Batch(Batch),
}

struct Open {
    /// None once the file is given up.
    file: Option<(Writer, Draft)>,
    /// The row groups in the file so far, or waiting for it.
    groups: Vec<Arc<RowGroup>>,
    batches: Vec<Batch>,
    /// How many row groups of Parquet there are before those.
    full: usize,
}

impl EagerFile {
    /// Begins the file of an export; none where it is not written that way, or cannot be written: the export says why in its turn.
    pub fn begin(workspace: &Workspace, to: &str, encoding: Encoding, schema: &Schema) -> Option<EagerFile> {
        let Encoding { format, compression } = encoding;
        let (file, draft) = workspace.draft(to).ok()?;
        let file = Box::new(BufWriter::with_capacity(1 << 20, file));
        let writer = Writer::new(format, compression, schema, file).ok()?;
        let parquet = writer.row_groups();
        (format.is_text() || parquet.is_some()).then(|| EagerFile {
            encoding,
            schema: schema.clone(),
            parquet,
            ready: InOrder::new(),
            encoded: InOrder::new(),
            open: Mutex::new(Open { file: Some((writer, draft)), groups: Vec::new(), batches: Vec::new(), full: 0 }),
            behind: AtomicUsize::new(0),
            is_given_up: AtomicBool::new(false),
        })
    }

    /// Writes what became of the row group that is `number` by its place in the files; nothing, if no row of it is left.
    pub fn put(&self, number: usize, group: Option<(Arc<RowGroup>, Picked)>) {
        if self.is_given_up.load(Ordering::Relaxed) {
            return;
        }
        let ready = match group.map(|(group, rows)| self.ready(group, &rows)).transpose() {
            Ok(ready) => ready,
            Err(_) => return self.give_up(),
        };
        self.behind.fetch_add(ready.as_ref().map_or(0, |ready| ready.bytes), Ordering::Relaxed);
        let mut full = Vec::new();
        self.ready.put(number, ready, |ready| full.extend(self.take(ready)));
        for (number, batches) in full {
            let encoder = self.parquet.as_ref().expect("other files have no such row groups");
            let Ok(group) = encoder.encode(&batches) else { return self.give_up() };
            let columns = batches.iter().flat_map(|batch| &batch.columns);
            let bytes = columns.map(|(_, column)| column.get_array_memory_size()).sum();
            self.behind.fetch_add(bytes, Ordering::Relaxed);
            self.encoded.put(number, (group, bytes), |(group, bytes)| {
                self.write(|writer| writer.write_row_group(group));
                self.behind.fetch_sub(bytes, Ordering::Relaxed);
            });
        }
    }

    fn ready(&self, group: Arc<RowGroup>, rows: &Picked) -> Result<Ready, WriteError> {
        let rows = match self.parquet {
            Some(_) => Rows::Batch(rows.gather()),
            None => Rows::Text(encode_picked(self.encoding.format, rows)?),
        };
        let bytes = if let Rows::Text(text) = &rows { text.len() } else { 0 };
        Ok(Ready { group, bytes, rows })
    }

    /// Takes the next row group; returns row groups of Parquet that are full now, by number.
    fn take(&self, ready: Option<Ready>) -> Vec<(usize, Vec<Batch>)> {
        let Some(Ready { group, bytes, rows }) = ready else { return Vec::new() };
        let mut full = Vec::new();
        match rows {
            Rows::Text(text) => {
                self.write(|writer| writer.write_encoded(&text));
                self.behind.fetch_sub(bytes, Ordering::Relaxed);
                self.open().groups.push(group);
            }
            Rows::Batch(batch) => {
                let open = &mut *self.open();
                open.groups.push(group);
                open.batches.push(batch);
                full = (open.full..).zip(full_row_groups(&mut open.batches)).collect();
                open.full += full.len();
            }
        }
        full
    }

    /// Writes into the file. It is written by one thread at a time, so it need not be locked meanwhile.
    fn write(&self, write: impl FnOnce(&mut Writer) -> Result<(), WriteError>) {
        let Some((mut writer, draft)) = self.open().file.take() else { return };
        match write(&mut writer) {
            Ok(()) if !self.is_given_up.load(Ordering::Relaxed) => self.open().file = Some((writer, draft)),
            _ => self.give_up(),
        }
    }

    /// Returns whether so much waits to be written that nothing more should be made.
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed) > BEHIND && !self.is_given_up.load(Ordering::Relaxed)
    }

    /// Leaves the file to its turn.
    pub fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
        *self.open() = Open { file: None, groups: Vec::new(), batches: Vec::new(), full: 0 };
    }

    /// Puts the file into its place if it holds just this table; returns its hash and size in bytes.
    pub fn finish(self, workspace: &Workspace, table: &Table) -> Option<(Hash, u64)> {
        let open = self.open.into_inner().expect("no thread panics with this lock");
        let (mut writer, draft) = open.file?;
        if self.is_given_up.into_inner() || self.schema != table.schema || open.groups != table.groups {
            return None;
        }
        if !open.batches.is_empty() {
            writer.write_row_group(self.parquet?.encode(&open.batches).ok()?).ok()?;
        }
        drop(writer.finish().ok()?);
        workspace.publish(draft).ok()
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().expect("no thread panics with this lock")
    }
}
