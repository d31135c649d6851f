//! The store: blobs named by their hash, and traces from keys to hashes. It knows bytes and hashes, and no tables.
//!
//! `docs/format.md` has the bytes, `docs/design/store.md` the reasons. Whatever is read from disk is checked; what is
//! damaged counts as absent, and is made again by whoever needs it. So blobs are never synced, nothing needs recovery,
//! and the worst that a crash can do is to lose work.

mod check;
mod claims;
mod disk;
mod error;
mod faulty;
mod frame;
mod gc;
mod index;
mod journal;
mod log;
mod memory;
mod overlay;
mod pack;
mod responses;
mod stat;
mod sync;
#[cfg(test)]
mod tests;
mod verify;

pub use disk::{Append, Claim, Claims, Disk, Entry, Guard, Kind, Lock, Metadata, RealDisk, Version, Wait};
pub use error::StoreError;
pub use faulty::{Fault, FaultyDisk, Lasting, Torn};
pub use gc::GcPlan;
pub use memory::MemoryDisk;
pub use responses::{ResponseStats, Responses};
pub use stat::{FileStat, StatCache, stat};
pub use verify::{Problem, Progress, Stats};

use crate::hash::{Hash, Key};
use arrow_buffer::Buffer;
use frame::{Codec, Opened};
use index::Index;
use journal::Journal;
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, RwLock};
use sync::{lock, read, write};

/// Blobs up to this length are records in a log.
pub const SMALL: usize = 1024;

/// More finished logs than this are joined into one.
const MANY_LOGS: usize = 16;

/// A store; shared by threads as `&Store`, and by processes as a folder.
pub struct Store {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    index: Index,
    journal: Journal,
    /// Up to which byte each log was read.
    logs: Mutex<HashMap<String, u64>>,
    loaded: Once,
    bad: Bad,
    responses: Arc<Responses>,
}

/// The blobs that this process found absent or damaged.
#[derive(Default)]
struct Bad {
    any: AtomicBool,
    hashes: RwLock<HashSet<Hash>>,
}

impl Bad {
    fn add(&self, hash: Hash) {
        write(&self.hashes).insert(hash);
        self.any.store(true, Ordering::Release);
    }

    fn has(&self, hash: &Hash) -> bool {
        self.any.load(Ordering::Acquire) && read(&self.hashes).contains(hash)
    }

    fn forget(&self, hash: &Hash) {
        if self.has(hash) {
            write(&self.hashes).remove(hash);
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("root", &self.root).field("disk", &self.disk).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store at `root`, which need not exist: nothing is written before the first put or record.
    pub fn open(disk: Arc<dyn Disk>, root: &Path) -> Result<Store, StoreError> {
        match disk.metadata(root) {
            Ok(found) if found.kind == Kind::File => {
                Err(StoreError::io("open the store", root, ErrorKind::NotADirectory.into()))
            }
            Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("open the store", root, error)),
            _ => Ok(Store::with(disk, root)),
        }
    }

    /// Makes an empty store in memory.
    pub fn memory() -> Store {
        Store::with(Arc::new(MemoryDisk::default()), Path::new("store"))
    }

    /// Makes a store that has all that this one has, and keeps in memory what is put into it.
    pub fn scratch(&self) -> Store {
        Store::with(Arc::new(overlay::Overlay::new(self.disk.clone())), &self.root)
    }

    fn with(disk: Arc<dyn Disk>, root: &Path) -> Store {
        Store {
            disk: disk.clone(),
            root: root.to_owned(),
            index: Index::default(),
            journal: Journal::default(),
            logs: Mutex::default(),
            loaded: Once::new(),
            bad: Bad::default(),
            responses: Arc::new(Responses::open(disk, &root.join("responses"))),
        }
    }

    /// Returns what models answered. Nothing of it is read before it is asked for.
    pub fn responses(&self) -> &Arc<Responses> {
        &self.responses
    }

    /// Returns the folder of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the disk that the store is on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    fn log_folder(&self) -> PathBuf {
        self.root.join("log")
    }

    fn blob_folder(&self) -> PathBuf {
        self.root.join("blobs")
    }

    fn blob_path(&self, hash: &Hash) -> PathBuf {
        let digits = hash.to_string();
        let (folder, name) = digits.split_at(2);
        self.blob_folder().join(folder).join(name)
    }

    /// Says that this process builds with the store, until the guard is dropped: meanwhile `gc` removes nothing. If it is at
    /// work, `waiting` is called, and it is waited for.
    ///
    /// Nothing is returned where files cannot be locked; there `gc` removes nothing at all.
    pub fn hold(&self, waiting: impl FnOnce()) -> Option<Guard> {
        let path = self.use_lock();
        match self.disk.lock(&path, Lock::Shared, Wait::Never) {
            Ok(None) => {
                waiting();
                self.disk.lock(&path, Lock::Shared, Wait::UntilFree).ok().flatten()
            }
            held => held.ok().flatten(),
        }
    }

    /// Keeps builds from using the store until the guard is dropped; nothing if one uses it now.
    pub fn claim(&self) -> Result<Option<Guard>, StoreError> {
        let path = self.use_lock();
        self.disk.lock(&path, Lock::Exclusive, Wait::Never).map_err(|error| StoreError::io("lock", &path, error))
    }

    fn use_lock(&self) -> PathBuf {
        self.root.join("use.lock")
    }

    /// Puts a blob in the store and returns its hash. A blob that is there costs one look-up.
    pub fn put(&self, contents: &[u8]) -> Result<Hash, StoreError> {
        self.put_pieces(&[contents])
    }

    /// Does the same with a blob whose contents come in pieces that follow each other.
    pub fn put_pieces(&self, pieces: &[&[u8]]) -> Result<Hash, StoreError> {
        let hash = Hash::of_pieces(pieces);
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        if length <= SMALL {
            self.ready();
            let contents = pieces.concat();
            self.index.add_small(hash, &contents, || self.journal.push(|out| log::put_blob(out, hash, &contents)));
            self.journal.flush_if_due(&*self.disk, &self.log_folder())?;
        } else if self.bad.has(&hash) || !(self.index.knows(&hash) || self.finds_file(&hash)) {
            let path = self.blob_path(&hash);
            // As it is: `pack` compresses what is kept.
            let trailer = frame::trailer(length as u64, Codec::Plain as u8);
            let parts = [pieces, &[&trailer]].concat();
            self.disk.write_new(&path, &parts).map_err(|error| StoreError::io("write", &path, error))?;
            self.index.add_file(hash);
        }
        self.bad.forget(&hash);
        Ok(hash)
    }

    /// Returns the contents of a blob, aligned for zero-copy use and equal to its hash.
    ///
    /// A damaged blob is removed if it can be. Absent or damaged, it is remembered as bad until it is put again.
    pub fn get(&self, hash: Hash) -> Result<Buffer, StoreError> {
        self.ready();
        if let Some(contents) = self.get_small(&hash) {
            return Ok(contents);
        }
        let path = self.blob_path(&hash);
        match self.disk.read(&path, 0) {
            Ok(file) => {
                match frame::open(&file) {
                    Opened::Contents(contents) if Hash::of(&contents) == hash => {
                        self.bad.forget(&hash);
                        return Ok(contents);
                    }
                    Opened::Later => return Err(StoreError::later(&path)),
                    Opened::Contents(_) | Opened::Damaged => {}
                }
                // Best effort: it stays bad for this process, whether it can be removed or not.
                let _ = self.disk.remove(&path);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("read", &path, error)),
        }
        self.index.forget_blob(&hash);
        // Another process may have put it since the logs were read; if they cannot be read, it is missing.
        let _ = self.refresh();
        self.get_small(&hash).ok_or_else(|| {
            self.bad.add(hash);
            StoreError::Missing(hash)
        })
    }

    fn get_small(&self, hash: &Hash) -> Option<Buffer> {
        let contents = self.index.small(hash).filter(|contents| Hash::of(contents) == *hash)?;
        self.bad.forget(hash);
        Some(contents)
    }

    /// Returns whether a blob seems to be there, without reading it.
    pub fn has(&self, hash: Hash) -> bool {
        self.ready();
        !self.bad.has(&hash) && (self.index.knows(&hash) || self.finds_file(&hash))
    }

    fn finds_file(&self, hash: &Hash) -> bool {
        let path = self.blob_path(hash);
        // A file too short for its trailer was torn by a power cut.
        let Ok(found) = self.disk.metadata(&path) else { return false };
        if found.len < frame::TRAILER as u64 {
            return false;
        }
        self.index.add_file(*hash);
        true
    }

    /// Returns the outputs recorded under `key`, unless one of them is known to be bad.
    pub fn trace(&self, key: Key) -> Option<Vec<Hash>> {
        self.ready();
        self.index.trace(&key).filter(|outputs| !outputs.iter().any(|hash| self.bad.has(hash)))
    }

    /// Records the outputs of an action, which were put before.
    pub fn record(&self, key: Key, outputs: &[Hash]) -> Result<(), StoreError> {
        self.ready();
        if !log::fits(outputs.len()) {
            return Err(StoreError::io("record a trace in", &self.log_folder(), ErrorKind::FileTooLarge.into()));
        }
        self.index.add_trace(key, outputs, || self.journal.push(|out| log::put_trace(out, key, outputs)));
        self.journal.flush_if_due(&*self.disk, &self.log_folder())
    }

    /// Returns whether this process found any blob absent or damaged that was not put again since.
    pub fn known_bad(&self) -> bool {
        self.bad.any.load(Ordering::Acquire) && !read(&self.bad.hashes).is_empty()
    }

    /// Returns whether this process found the blob absent or damaged.
    pub fn is_bad(&self, hash: Hash) -> bool {
        self.bad.has(&hash)
    }

    /// Says that a blob is not what its place needs, though its bytes agree with its hash.
    pub fn mark_bad(&self, hash: Hash) {
        self.bad.add(hash);
    }

    /// Returns the blobs that this process found absent or damaged, in order.
    pub fn bad(&self) -> Vec<Hash> {
        let mut hashes: Vec<Hash> = read(&self.bad.hashes).iter().copied().collect();
        hashes.sort();
        hashes
    }

    /// Reads the logs before the first look-up. One that cannot be read counts as empty: the worst is work done again.
    fn ready(&self) {
        self.loaded.call_once(|| {
            let _ = self.refresh();
        });
    }

    /// Picks up what other processes put and recorded since the last look.
    pub fn refresh(&self) -> Result<(), StoreError> {
        let folder = self.log_folder();
        let mut logs = lock(&self.logs);
        // A log that vanishes between listing and reading was joined into a new one: look again.
        for _ in 0..5 {
            let mut vanished = false;
            for (name, found) in self.log_files()? {
                let from = logs.get(&name).copied().unwrap_or(0);
                if found.len <= from || found.len < index::SHORTEST || self.journal.is_own(&name) {
                    continue;
                }
                let path = folder.join(&name);
                match self.disk.read(&path, from) {
                    Ok(bytes) => {
                        let to = self.index.load(bytes, from);
                        logs.insert(name, to);
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => vanished = true,
                    Err(error) => return Err(StoreError::io("read", &path, error)),
                }
            }
            if !vanished {
                break;
            }
        }
        Ok(())
    }

    /// Lists the logs, oldest first.
    fn log_files(&self) -> Result<Vec<(String, Metadata)>, StoreError> {
        let folder = self.log_folder();
        let entries = self.disk.list(&folder).map_err(|error| StoreError::io("list", &folder, error))?;
        let logs =
            entries.into_iter().filter(|entry| entry.metadata.kind == Kind::File && entry.name.ends_with(".log"));
        Ok(logs.map(|entry| (entry.name, entry.metadata)).collect())
    }

    /// Returns the folders whose times change whenever a log or blob is added to the store or taken out of it.
    pub fn places(&self) -> Vec<PathBuf> {
        let blobs = (0..=u8::MAX).map(|first| self.blob_folder().join(format!("{first:02x}")));
        blobs.chain([self.log_folder()]).collect()
    }

    /// Hands everything to the operating system, at the end of a build; then joins the finished logs if there are many.
    ///
    /// A process that wrote nothing does nothing here.
    pub fn finish(&self) -> Result<(), StoreError> {
        self.journal.flush(&*self.disk, &self.log_folder())?;
        if self.journal.began() {
            // Tidying up is no reason for a build to fail; the next one tries again.
            let _ = self.compact();
        }
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Whoever needs to know whether it worked calls `finish`.
        let _ = self.journal.flush(&*self.disk, &self.log_folder());
    }
}
