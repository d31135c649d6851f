//! A disk in memory, for tests that build thousands of times.

use super::disk::{Append, Disk, Entry, Guard, Kind, Lock, Metadata, Wait};
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
    locks: HashMap<PathBuf, Held>,
}

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

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let state = lock(&self.shared.state);
        match state.files.get(path) {
            Some(contents) => Ok(contents.metadata()),
            None if state.below(path).next().is_some_and(|(file, _)| file.starts_with(path)) => Ok(FOLDER),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = lock(&self.shared.state).files.remove(path);
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
}

impl Append for Log {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        // A log that was removed under its owner swallows what is written, as on a real disk.
        if let Ok(contents) = lock(&self.shared.state).file(&self.path) {
            contents.bytes.extend_from_slice(bytes);
        }
        Ok(())
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
