//! Actions: look up the key, and run only what no trace knows.

use super::ask::Paid;
use super::desk::Desk;
use crate::diag::{Diagnostic, Diagnostics};
use crate::fetch::Workspace;
use crate::fetch::programs::Workshop;
use crate::graph::NodeId;
use crate::hash::{Hash, Key};
use crate::store::{Store, StoreError};
use crate::table::{ColumnRef, Limits, Picked, RowGroup, Schema, Table, Take, chunk_pieces, decode_chunk};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::Buffer;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Run what is stale, and write what is exported.
    Build,
    /// Find out what a build would do, by doing it in a scratch store as long as it is quick: what has an effect outside,
    /// and all that comes after [`PLAN_BYTES`] of columns, is [`Stop::Pending`].
    Plan,
    /// Find only what is wrong: read files for their columns, and run nothing else.
    Check,
}

/// Bytes of columns that a plan works through before it leaves the rest open: a second or two.
const PLAN_BYTES: u64 = 512 << 20;

/// Why a piece of work did not come to its end.
#[derive(Debug)]
pub enum Stop {
    /// Planning: an action would run here, and does not now.
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
        self.ran.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts actions that did not have to run.
    pub fn reuse(&self, n: u64) {
        self.reused.fetch_add(n, Ordering::Relaxed);
    }
}

/// The actions that a node, or a row group of it, used.
#[derive(Debug, Default)]
pub struct Used {
    /// Their keys, for `gc` to keep.
    keys: Mutex<Vec<Key>>,
    ran: AtomicU64,
    /// What was asked, by stage.
    paid: Mutex<BTreeMap<usize, Paid>>,
    /// Whether a row got no answer: then what was made is not remembered, and the next build asks again.
    unfinished: AtomicBool,
    /// Whether it is not the node's turn yet.
    eager: bool,
}

impl Used {
    /// For actions that run before it is their node's turn: they count then.
    pub fn eager() -> Used {
        Used { eager: true, ..Used::default() }
    }

    /// Adds a key whose trace was used.
    pub fn note(&self, key: Key) {
        self.keys.lock().expect("no thread panics with this lock").push(key);
    }

    /// Adds what the answers of a row group took.
    pub fn pay(&self, stage: usize, paid: &Paid) {
        *self.paid.lock().expect("no thread panics with this lock").entry(stage).or_default() += paid;
    }

    /// Returns what the answers took, by stage.
    pub fn paid(&self) -> BTreeMap<usize, Paid> {
        self.paid.lock().expect("no thread panics with this lock").clone()
    }

    /// Says that a row got no answer.
    pub fn leave_unfinished(&self) {
        self.unfinished.store(true, Ordering::Relaxed);
    }

    /// Returns whether a row got no answer.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished.load(Ordering::Relaxed)
    }

    /// Adds what a part of the work used.
    pub fn add(&self, part: Used) {
        self.ran.fetch_add(part.ran(), Ordering::Relaxed);
        self.unfinished.fetch_or(part.is_unfinished(), Ordering::Relaxed);
        part.paid().iter().for_each(|(stage, paid)| self.pay(*stage, paid));
        let mut more = part.keys.into_inner().expect("no thread panics with this lock");
        self.keys.lock().expect("no thread panics with this lock").append(&mut more);
    }

    /// Returns how many actions ran.
    pub fn ran(&self) -> u64 {
        self.ran.load(Ordering::Relaxed)
    }

    /// Returns the keys in order, each once.
    pub fn into_keys(self) -> Vec<Key> {
        let mut keys = self.keys.into_inner().expect("no thread panics with this lock");
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
    /// Where models are asked.
    pub desk: Arc<Desk<'a>>,
    /// Where programs work, and the project that they work in; none where no stage is run.
    pub workshop: Option<(Workshop, &'a Workspace)>,
    cancel: &'a AtomicBool,
    columns: Mutex<Columns>,
    running: Running,
    /// Actions that ran before it was the turn of a node that uses them.
    eager: Mutex<HashSet<Key>>,
    /// Bytes of columns read and written so far.
    bytes: AtomicU64,
    /// Columns that a plan did not keep.
    named: Mutex<HashSet<Hash>>,
    /// Why nothing more is asked for some nodes: too many of their rows cannot be computed.
    held: Mutex<HashMap<NodeId, Diagnostic>>,
}

impl<'a> Context<'a> {
    /// Prepares for one build or plan.
    pub fn new(store: &'a Store, mode: Mode, limits: Limits, cancel: &'a AtomicBool) -> Context<'a> {
        Context {
            store,
            mode,
            limits,
            workshop: None,
            cancel,
            desk: Arc::new(Desk::new(store.responses().clone(), None, &[])),
            counts: Counts::default(),
            columns: Mutex::default(),
            running: Running::default(),
            eager: Mutex::default(),
            bytes: AtomicU64::new(0),
            named: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Lets actions ask models.
    pub fn at(self, desk: Arc<Desk<'a>>) -> Context<'a> {
        Context { desk, ..self }
    }

    /// Lets nothing more be asked for a node.
    pub fn hold(&self, node: NodeId, why: Diagnostic) {
        self.held.lock().expect("no thread panics with this lock").insert(node, why);
    }

    /// Returns why nothing more is asked for a node.
    pub fn held(&self, node: NodeId) -> Option<Diagnostic> {
        self.held.lock().expect("no thread panics with this lock").get(&node).cloned()
    }

    /// Lets programs work in a project.
    pub fn in_workshop(self, workspace: &'a Workspace) -> Context<'a> {
        Context { workshop: Some((Workshop::of(workspace), workspace)), ..self }
    }

    /// Returns what is set once the user asks to stop.
    pub fn cancel(&self) -> &'a AtomicBool {
        self.cancel
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
        self.find_or_run(used, key, self.may_run(), |_| true, || run().map(Outputs::Whole))
    }

    /// Like [`Context::action`], of those that ask models: some known outputs may not do, and what is made without all answers
    /// is not remembered.
    pub fn asking_action(
        &self,
        used: &Used,
        key: Key,
        will_do: impl Fn(&[Hash]) -> bool,
        run: impl FnOnce() -> Result<Outputs, Stop>,
    ) -> Result<Vec<Hash>, Stop> {
        self.find_or_run(used, key, self.may_run(), will_do, run)
    }

    /// Like [`Context::action`], of those that even a check needs: they tell which columns there are.
    pub fn needed_action(
        &self,
        used: &Used,
        key: Key,
        run: impl FnOnce() -> Result<Vec<Hash>, Stop>,
    ) -> Result<Vec<Hash>, Stop> {
        self.find_or_run(used, key, true, |_| true, || run().map(Outputs::Whole))
    }

    /// Returns the outputs of an action that ran before and will do.
    pub fn peek(&self, key: Key, will_do: impl Fn(&[Hash]) -> bool) -> Option<Vec<Hash>> {
        self.known(key).filter(|outputs| will_do(outputs))
    }

    /// Returns whether actions still run.
    pub(super) fn may_run(&self) -> bool {
        match self.mode {
            Mode::Build => true,
            // Whoever wants to hear of all responses waits for all of them.
            Mode::Plan => self.desk.listener.is_some() || self.bytes.load(Ordering::Relaxed) < PLAN_BYTES,
            Mode::Check => false,
        }
    }

    /// Returns the outputs of an action that ran before. Once any blob is known to be lost, all of them are looked for, so that
    /// one more walk makes everything again that is lost.
    fn known(&self, key: Key) -> Option<Vec<Hash>> {
        let is_there = |outputs: &Vec<Hash>| outputs.iter().all(|output| self.store.has(*output));
        self.store.trace(key).filter(|outputs| !self.store.known_bad() || is_there(outputs))
    }

    fn find_or_run(
        &self,
        used: &Used,
        key: Key,
        may_run: bool,
        will_do: impl Fn(&[Hash]) -> bool,
        run: impl FnOnce() -> Result<Outputs, Stop>,
    ) -> Result<Vec<Hash>, Stop> {
        used.note(key);
        if let Some(outputs) = self.peek(key, &will_do) {
            self.count(used, key);
            return Ok(outputs);
        }
        if !may_run {
            return Err(Stop::Pending);
        }
        // Equal row groups have equal keys: the second waits for the first, and then knows the trace.
        let _alone = self.running.enter(key);
        if let Some(outputs) = self.peek(key, &will_do) {
            self.count(used, key);
            return Ok(outputs);
        }
        self.go_on()?;
        let outputs = match run()? {
            Outputs::Whole(outputs) => {
                self.store.record(key, &outputs)?;
                outputs
            }
            Outputs::Unfinished(outputs) => {
                used.leave_unfinished();
                outputs
            }
        };
        if used.eager {
            self.eager().insert(key);
        } else {
            self.count_run(used);
        }
        Ok(outputs)
    }

    /// Counts an action whose outputs are known: as one that ran if it did so before it was this node's turn.
    fn count(&self, used: &Used, key: Key) {
        match used.eager {
            true => {}
            false if self.eager().remove(&key) => self.count_run(used),
            false => self.counts.reuse(1),
        }
    }

    fn count_run(&self, used: &Used) {
        self.counts.run();
        used.ran.fetch_add(1, Ordering::Relaxed);
    }

    fn eager(&self) -> std::sync::MutexGuard<'_, HashSet<Key>> {
        self.eager.lock().expect("no thread panics with this lock")
    }

    /// Writes a blob.
    pub fn put(&self, contents: &[u8]) -> Result<Hash, Stop> {
        Ok(self.store.put(contents)?)
    }

    /// Reads a blob.
    pub fn get(&self, hash: Hash) -> Result<Buffer, Stop> {
        match self.store.get(hash) {
            Err(StoreError::Missing(_)) if self.named().contains(&hash) => Err(Stop::Pending),
            found => Ok(found?),
        }
    }

    /// Writes a column chunk, and keeps it at hand for the ops after this one. Where no action runs any more, it is only named:
    /// nobody will read it.
    pub fn put_column(&self, column: &ArrayRef) -> Result<Hash, Stop> {
        let pieces = chunk_pieces(column);
        if !self.may_run() {
            let hash = Hash::of_pieces(&pieces);
            self.named().insert(hash);
            return Ok(hash);
        }
        let pieces = pieces.each_ref().map(|piece| &piece[..]);
        self.bytes.fetch_add(pieces.iter().map(|piece| piece.len() as u64).sum(), Ordering::Relaxed);
        let hash = self.store.put_pieces(&pieces)?;
        self.remember(ColumnRef::from(hash), column);
        Ok(hash)
    }

    /// Writes a take.
    pub fn put_take(&self, take: &Take) -> Result<Hash, Stop> {
        self.put(&take.encode())
    }

    fn named(&self) -> std::sync::MutexGuard<'_, HashSet<Hash>> {
        self.named.lock().expect("no thread panics with this lock")
    }

    /// Reads a take.
    pub fn take(&self, hash: Hash) -> Result<Take, Stop> {
        Take::decode(&self.get(hash)?).map_err(|_| Stop::Missing(hash))
    }

    /// Reads the columns of a row group, without copying the rows that are picked.
    pub fn picked(&self, schema: &Schema, group: &RowGroup) -> Result<Picked, Stop> {
        let mut takes: HashMap<Hash, Arc<Take>> = HashMap::new();
        let mut columns = Vec::with_capacity(group.columns.len());
        for (name, at) in schema.names().zip(&group.columns) {
            let column = self.column(ColumnRef { take: None, ..*at })?;
            let take = match at.take {
                None => None,
                Some(hash) => Some(match takes.get(&hash) {
                    Some(known) => known.clone(),
                    None => takes.entry(hash).or_insert(Arc::new(self.take(hash)?)).clone(),
                }),
            };
            let rows = take.as_ref().map_or(column.len(), |take| take.source_rows());
            if rows != column.len() {
                return Err(Stop::Missing(at.chunk));
            }
            columns.push((name.to_owned(), column, take));
        }
        Ok(Picked { rows: group.rows as usize, columns })
    }

    /// Reads the rows of a column of a row group, or a whole chunk.
    pub fn column(&self, at: impl Into<ColumnRef>) -> Result<ArrayRef, Stop> {
        let at = at.into();
        if let Some(column) = self.columns.lock().expect("no thread panics with this lock").get(&at) {
            return Ok(column);
        }
        let column = match at.take {
            None => {
                let contents = self.get(at.chunk)?;
                self.bytes.fetch_add(contents.len() as u64, Ordering::Relaxed);
                decode_chunk(&contents).map_err(|_| Stop::Missing(at.chunk))?
            }
            Some(take) => {
                let chunk = self.column(at.chunk)?;
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

/// What an action made.
pub enum Outputs {
    /// All of it; it is remembered.
    Whole(Vec<Hash>),
    /// Without the rows that got no answer.
    Unfinished(Vec<Hash>),
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
const AT_HAND: usize = 64 << 20;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryDisk;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn a_plan_ends_with_its_bytes_unless_somebody_wants_to_hear_of_all_responses() {
        let store = Store::open(Arc::new(MemoryDisk::default()), Path::new("/store")).expect("a store in memory opens");
        let (never, heard) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()));
        for listener in [None, Some(&heard)] {
            let desk = Desk::new(store.responses().clone(), None, &[]).heard_by(listener);
            let context =
                Context::new(&store, Mode::Plan, Limits { min: 2, target: 4, max: 16 }, &never).at(desk.into());
            context.bytes.store(PLAN_BYTES, Ordering::Relaxed);
            let key = Hash::of(&[u8::from(listener.is_some())]);
            let done = context.action(&Used::default(), key, || Ok(vec![context.put(b"made")?]));
            assert_eq!(done.is_ok(), listener.is_some(), "{done:?}");
        }
    }
}
