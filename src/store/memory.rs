//! A disk in memory, for tests that build thousands of times.

use super::disk::{Append, Claim, Claims, Disk, Entry, Guard, Kind, Lock, Metadata, Syncing, Version, Wait};
use super::sync::lock;
use arrow_buffer::Buffer;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A disk in memory; a clone is the same disk, as another process would see it.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Contents>,
    /// How often a file came or went.
    version: u64,
    locks: HashMap<PathBuf, Held>,
    /// Who claims which byte of which file.
    claims: HashMap<(PathBuf, u64), Holder>,
    holders: u64,
}

/// A handle for claims.
type Holder = u64;

#[derive(Debug)]
struct Contents {
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum Held {
    Shared(usize),
    Exclusive,
}

struct Unlock {
    shared: Arc<Shared>,
    path: PathBuf,
}

struct Bytes {
    shared: Arc<Shared>,
    path: PathBuf,
    holder: Holder,
}

struct Log {
    shared: Arc<Shared>,
    path: PathBuf,
    _lock: Unlock,
}

impl State {
    fn file(&mut self, path: &Path) -> io::Result<&mut Contents> {
        self.files.get_mut(path).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn write(&mut self, path: &Path, bytes: Vec<u8>) {
        self.files.insert(path.to_owned(), Contents { bytes });
        self.version += 1;
    }

    fn try_lock(&mut self, path: &Path, wanted: Lock) -> bool {
        match (self.locks.get_mut(path), wanted) {
            (None, Lock::Shared) => self.locks.insert(path.to_owned(), Held::Shared(1)).is_none(),
            (None, Lock::Exclusive | Lock::Existing) => self.locks.insert(path.to_owned(), Held::Exclusive).is_none(),
            (Some(Held::Shared(n)), Lock::Shared) => {
                *n += 1;
                true
            }
            (Some(_), _) => false,
        }
    }

    fn below(&self, folder: &Path) -> impl Iterator<Item = (&PathBuf, &Contents)> {
        self.files.range(folder.to_owned()..).skip_while(move |(path, _)| *path == folder)
    }
}

impl Contents {
    fn metadata(&self) -> Metadata {
        Metadata { kind: Kind::File, len: self.bytes.len() as u64 }
    }
}

const FOLDER: Metadata = Metadata { kind: Kind::Folder, len: 0 };

impl Disk for MemoryDisk {
    fn read(&self, path: &Path, from: u64) -> io::Result<Buffer> {
        let mut state = lock(&self.shared.state);
        let bytes = &state.file(path)?.bytes;
        Ok(Buffer::from(bytes.get(from as usize..).unwrap_or_default()))
    }

    fn read_range(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut state = lock(&self.shared.state);
        let bytes = state.file(path)?.bytes.get(from as usize..).unwrap_or_default();
        Ok(bytes[..length.min(bytes.len())].to_vec())
    }

    fn write_new(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let bytes = parts.concat();
        lock(&self.shared.state).write(path, bytes);
        Ok(())
    }

    /// Memory lasts as long as its process either way.
    fn write_durably(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        self.write_new(path, parts)
    }

    fn append(&self, path: &Path, first: &[u8]) -> io::Result<Box<dyn Append>> {
        let mut state = lock(&self.shared.state);
        if state.files.contains_key(path) || !state.try_lock(path, Lock::Exclusive) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.write(path, first.to_vec());
        let unlock = Unlock { shared: self.shared.clone(), path: path.to_owned() };
        Ok(Box::new(Log { shared: self.shared.clone(), path: path.to_owned(), _lock: unlock }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let state = lock(&self.shared.state);
        let mut entries: Vec<Entry> = Vec::new();
        for (path, contents) in state.below(folder) {
            let Ok(inside) = path.strip_prefix(folder) else { break };
            let mut parts = inside.iter();
            let Some(name) = parts.next().and_then(|name| name.to_str()) else { continue };
            let metadata = if parts.next().is_some() { FOLDER } else { contents.metadata() };
            if entries.last().is_none_or(|last| last.name != name) {
                entries.push(Entry { name: name.to_owned(), metadata });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// That of the whole disk will do.
    fn version(&self, _folder: &Path) -> io::Result<Option<Version>> {
        Ok(Some(Version(lock(&self.shared.state).version, 0)))
    }

    /// Memory lasts as long as its process either way.
    fn sync(&self, path: &Path) -> io::Result<()> {
        lock(&self.shared.state).file(path).map(drop)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let state = lock(&self.shared.state);
        match state.files.get(path) {
            Some(contents) => Ok(contents.metadata()),
            None if state.below(path).next().is_some_and(|(file, _)| file.starts_with(path)) => Ok(FOLDER),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = lock(&self.shared.state);
        state.version += 1;
        let removed = state.files.remove(path);
        removed.map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn lock(&self, path: &Path, wanted: Lock, wait: Wait) -> io::Result<Option<Guard>> {
        let mut state = lock(&self.shared.state);
        if wanted == Lock::Existing {
            state.file(path)?;
        }
        while !state.try_lock(path, wanted) {
            if wait == Wait::Never {
                return Ok(None);
            }
            state = self.shared.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.files.contains_key(path) {
            state.write(path, Vec::new());
        }
        Ok(Some(Guard::new(Unlock { shared: self.shared.clone(), path: path.to_owned() })))
    }

    fn claims(&self, path: &Path) -> io::Result<Box<dyn Claims>> {
        let mut state = lock(&self.shared.state);
        state.holders += 1;
        let holder = state.holders;
        if !state.files.contains_key(path) {
            state.write(path, Vec::new());
        }
        Ok(Box::new(Bytes { shared: self.shared.clone(), path: path.to_owned(), holder }))
    }
}

impl Claims for Bytes {
    fn claim(&self, at: u64) -> io::Result<Claim> {
        let mut state = lock(&self.shared.state);
        let holder = *state.claims.entry((self.path.clone(), at)).or_insert(self.holder);
        Ok(if holder == self.holder { Claim::Mine } else { Claim::Elsewhere })
    }

    fn release(&self, at: u64) -> io::Result<()> {
        let mut state = lock(&self.shared.state);
        let byte = (self.path.clone(), at);
        if state.claims.get(&byte) == Some(&self.holder) {
            state.claims.remove(&byte);
        }
        Ok(())
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        lock(&self.shared.state).claims.retain(|_, holder| *holder != self.holder);
    }
}

impl Append for Log {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        // A log that was removed under its owner swallows what is written, as on a real disk.
        if let Ok(contents) = lock(&self.shared.state).file(&self.path) {
            contents.bytes.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn syncing(&mut self) -> io::Result<Syncing> {
        Ok(Box::new(|| Ok(())))
    }
}

impl Drop for Unlock {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        match state.locks.get_mut(&self.path) {
            Some(Held::Shared(n)) if *n > 1 => *n -= 1,
            _ => drop(state.locks.remove(&self.path)),
        }
        self.shared.freed.notify_all();
    }
}
