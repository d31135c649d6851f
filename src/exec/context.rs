//! Actions: look up the key, and run only what no trace knows.

use crate::diag::{Diagnostic, Diagnostics};
use crate::hash::{Hash, Key};
use crate::store::{Store, StoreError};
use crate::table::{ColumnRef, Limits, Table, Take, decode_chunk, encode_chunk};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::Buffer;
use std::cell::Cell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

/// Whether actions may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Run what is stale, and remember it.
    Build,
    /// Run and write nothing; what would run is [`Stop::Pending`].
    Plan,
}

/// Why a piece of work did not come to its end.
#[derive(Debug)]
pub enum Stop {
    /// Planning: an action would run here.
    Pending,
    /// A blob that a trace or a table names is gone or damaged, and has to be made again.
    Missing(Hash),
    /// The user has something to mend.
    Failed(Diagnostics),
    /// The user asked to stop.
    Interrupted,
}

impl From<Diagnostic> for Stop {
    fn from(diagnostic: Diagnostic) -> Stop {
        Stop::Failed(diagnostic.into())
    }
}

impl From<Diagnostics> for Stop {
    fn from(diagnostics: Diagnostics) -> Stop {
        Stop::Failed(diagnostics)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        match error {
            StoreError::Missing(hash) => Stop::Missing(hash),
            other => Diagnostic::error("store", other.to_string())
                .help("what is built so far is kept; free the way and run the same command again")
                .into(),
        }
    }
}

/// A table by its hash, read at most once.
#[derive(Clone, Debug)]
pub struct TableRef {
    pub hash: Hash,
    table: Arc<OnceLock<Arc<Table>>>,
}

impl TableRef {
    /// Names a table that is in the store.
    pub fn stored(hash: Hash) -> TableRef {
        TableRef { hash, table: Arc::default() }
    }
}

/// What ran and what did not have to.
#[derive(Debug, Default)]
pub struct Counts {
    pub ran: AtomicU64,
    pub reused: AtomicU64,
}

impl Counts {
    /// Counts an action that ran.
    pub fn run(&self) {
        RAN_HERE.set(RAN_HERE.get() + 1);
        self.ran.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts actions that did not have to run.
    pub fn reuse(&self, n: u64) {
        self.reused.fetch_add(n, Ordering::Relaxed);
    }
}

thread_local! {
    static RAN_HERE: Cell<u64> = const { Cell::new(0) };
}

/// Returns how many actions ran on this thread so far; what ran one meanwhile has made it grow.
///
/// An action that waits for other threads may run others' work here meanwhile, but then it counts for itself anyway.
pub fn ran_here() -> u64 {
    RAN_HERE.get()
}

/// The keys that a node used, for `gc` to keep.
#[derive(Debug, Default)]
pub struct Used(Mutex<Vec<Key>>);

impl Used {
    /// Adds a key whose trace was used.
    pub fn note(&self, key: Key) {
        self.0.lock().expect("no thread panics with this lock").push(key);
    }

    /// Returns the keys in order, each once.
    pub fn into_keys(self) -> Vec<Key> {
        let mut keys = self.0.into_inner().expect("no thread panics with this lock");
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// What actions need: the store, and columns in memory.
pub struct Context<'a> {
    pub store: &'a Store,
    pub mode: Mode,
    pub limits: Limits,
    pub counts: Counts,
    cancel: &'a AtomicBool,
    columns: Mutex<Columns>,
    running: Running,
    /// What a plan would have written: what it reads again, it reads from here.
    imagined: Mutex<HashMap<Hash, Buffer>>,
}

impl<'a> Context<'a> {
    /// Prepares for one build or plan.
    pub fn new(store: &'a Store, mode: Mode, limits: Limits, cancel: &'a AtomicBool) -> Context<'a> {
        Context {
            store,
            mode,
            limits,
            cancel,
            counts: Counts::default(),
            columns: Mutex::default(),
            running: Running::default(),
            imagined: Mutex::default(),
        }
    }

    /// Returns whether the user asked to stop.
    pub fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Returns an error if the user asked to stop.
    pub fn go_on(&self) -> Result<(), Stop> {
        if self.cancelled() { Err(Stop::Interrupted) } else { Ok(()) }
    }

    /// Returns the outputs of the action of this key, running it if no trace knows them.
    ///
    /// `run` returns the contents of the outputs. They are in the store before the trace is.
    pub fn action(
        &self,
        used: &Used,
        key: Key,
        run: impl FnOnce() -> Result<Vec<Hash>, Stop>,
    ) -> Result<Vec<Hash>, Stop> {
        used.note(key);
        if let Some(outputs) = self.store.trace(key) {
            self.counts.reuse(1);
            return Ok(outputs);
        }
        if self.mode == Mode::Plan {
            return Err(Stop::Pending);
        }
        // Equal row groups have equal keys: the second waits for the first, and then knows the trace.
        let _alone = self.running.enter(key);
        if let Some(outputs) = self.store.trace(key) {
            self.counts.reuse(1);
            return Ok(outputs);
        }
        self.go_on()?;
        let outputs = run()?;
        self.store.record(key, &outputs)?;
        self.counts.run();
        Ok(outputs)
    }

    /// Writes a blob; while planning, only names it.
    pub fn put(&self, contents: &[u8]) -> Result<Hash, Stop> {
        match self.mode {
            Mode::Build => Ok(self.store.put(contents)?),
            Mode::Plan => {
                let hash = Hash::of(contents);
                let mut imagined = self.imagined.lock().expect("no thread panics with this lock");
                imagined.entry(hash).or_insert_with(|| Buffer::from_slice_ref(contents));
                Ok(hash)
            }
        }
    }

    /// Reads a blob.
    pub fn get(&self, hash: Hash) -> Result<Buffer, Stop> {
        if self.mode == Mode::Plan {
            let imagined = self.imagined.lock().expect("no thread panics with this lock");
            if let Some(contents) = imagined.get(&hash) {
                return Ok(contents.clone());
            }
        }
        Ok(self.store.get(hash)?)
    }

    /// Writes a column chunk, and keeps it at hand for the ops after this one.
    pub fn put_column(&self, column: &ArrayRef) -> Result<Hash, Stop> {
        let hash = self.put(&encode_chunk(column))?;
        self.remember(ColumnRef { chunk: hash, take: None }, column);
        Ok(hash)
    }

    /// Writes a take.
    pub fn put_take(&self, take: &Take) -> Result<Hash, Stop> {
        self.put(&take.encode())
    }

    /// Reads a take.
    pub fn take(&self, hash: Hash) -> Result<Take, Stop> {
        Take::decode(&self.get(hash)?).map_err(|_| Stop::Missing(hash))
    }

    /// Reads the rows of a column of a row group.
    pub fn column(&self, at: ColumnRef) -> Result<ArrayRef, Stop> {
        if let Some(column) = self.columns.lock().expect("no thread panics with this lock").get(&at) {
            return Ok(column);
        }
        let column = match at.take {
            None => decode_chunk(&self.get(at.chunk)?).map_err(|_| Stop::Missing(at.chunk))?,
            Some(take) => {
                let chunk = self.column(ColumnRef { chunk: at.chunk, take: None })?;
                let take = self.take(take)?;
                if take.source_rows() != chunk.len() {
                    return Err(Stop::Missing(at.chunk));
                }
                take.apply(&chunk)
            }
        };
        self.remember(at, &column);
        Ok(column)
    }

    fn remember(&self, at: ColumnRef, column: &ArrayRef) {
        self.columns.lock().expect("no thread panics with this lock").put(at, column);
    }

    /// Writes a table.
    pub fn put_table(&self, table: Table) -> Result<TableRef, Stop> {
        let hash = self.put(&table.encode())?;
        Ok(TableRef { hash, table: Arc::new(OnceLock::from(Arc::new(table))) })
    }

    /// Reads a table.
    pub fn table(&self, table: &TableRef) -> Result<Arc<Table>, Stop> {
        if let Some(known) = table.table.get() {
            return Ok(known.clone());
        }
        let read = Table::decode(&self.get(table.hash)?).map_err(|_| Stop::Missing(table.hash))?;
        Ok(table.table.get_or_init(|| Arc::new(read)).clone())
    }
}

/// The keys of the actions that run at this moment.
#[derive(Default)]
struct Running {
    keys: Mutex<HashSet<Key>>,
    ended: Condvar,
}

/// Leaves the set of running actions when it is dropped, whatever became of the action.
struct Alone<'a> {
    running: &'a Running,
    key: Key,
}

impl Running {
    /// Waits until no other thread runs the action of this key.
    fn enter(&self, key: Key) -> Alone<'_> {
        let mut keys = self.keys.lock().expect("no thread panics with this lock");
        while !keys.insert(key) {
            keys = self.ended.wait(keys).expect("no thread panics with this lock");
        }
        Alone { running: self, key }
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.running.keys.lock().expect("no thread panics with this lock").remove(&self.key);
        self.running.ended.notify_all();
    }
}

/// Bytes of columns that are kept at hand.
const AT_HAND: usize = 96 << 20;

/// The columns used last, so that an op need not read back what the op before it wrote.
#[derive(Default)]
struct Columns {
    known: HashMap<ColumnRef, ArrayRef>,
    order: VecDeque<(ColumnRef, usize)>,
    bytes: usize,
}

impl Columns {
    fn get(&self, at: &ColumnRef) -> Option<ArrayRef> {
        self.known.get(at).cloned()
    }

    fn put(&mut self, at: ColumnRef, column: &ArrayRef) {
        let bytes = column.get_array_memory_size();
        if self.known.insert(at, column.clone()).is_none() {
            self.order.push_back((at, bytes));
            self.bytes += bytes;
        }
        while self.bytes > AT_HAND {
            let Some((oldest, bytes)) = self.order.pop_front() else { break };
            self.known.remove(&oldest);
            self.bytes -= bytes;
        }
    }
}
