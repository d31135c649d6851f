//! A disk over another that is only read: what is written stays in memory, and ends with it.

use super::disk::{Append, Disk, Entry, Guard, Lock, Metadata, Wait};
use super::memory::MemoryDisk;
use arrow_buffer::Buffer;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// What a build into memory writes to.
#[derive(Debug)]
pub(super) struct Overlay {
    base: Arc<dyn Disk>,
    top: MemoryDisk,
}

impl Overlay {
    /// Lays an empty memory over `base`.
    pub(super) fn new(base: Arc<dyn Disk>) -> Overlay {
        Overlay { base, top: MemoryDisk::default() }
    }

    fn either<T>(&self, ask: impl Fn(&dyn Disk) -> io::Result<T>) -> io::Result<T> {
        match ask(&self.top) {
            Err(error) if error.kind() == ErrorKind::NotFound => ask(&*self.base),
            answer => answer,
        }
    }
}

impl Disk for Overlay {
    fn read(&self, path: &Path, from: u64) -> io::Result<Buffer> {
        self.either(|disk| disk.read(path, from))
    }

    fn write_new(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        self.top.write_new(path, parts)
    }

    fn write_durably(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        self.top.write_durably(path, parts)
    }

    fn append(&self, path: &Path, first: &[u8]) -> io::Result<Box<dyn Append>> {
        self.top.append(path, first)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let entries = self.base.list(folder)?.into_iter().chain(self.top.list(folder)?);
        let by_name: BTreeMap<String, Entry> = entries.map(|entry| (entry.name.clone(), entry)).collect();
        Ok(by_name.into_values().collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.either(|disk| disk.metadata(path))
    }

    /// Removes what was written here; what is below stays.
    fn remove(&self, path: &Path) -> io::Result<()> {
        match self.top.remove(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }

    fn lock(&self, path: &Path, lock: Lock, wait: Wait) -> io::Result<Option<Guard>> {
        self.top.lock(path, lock, wait)
    }
}
