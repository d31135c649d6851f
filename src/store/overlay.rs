//! A disk over another that is only read: what is written stays in memory, and ends with it.

use super::disk::{Append, Claims, Disk, Entry, Guard, Lock, Metadata, Version, Wait};
use super::memory::MemoryDisk;
use crate::hash::mix64;
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

    fn read_range(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>> {
        self.either(|disk| disk.read_range(path, from, length))
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

    fn version(&self, folder: &Path) -> io::Result<Option<Version>> {
        let below = match self.base.version(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Some(Version(0, 0)),
            version => version?,
        };
        let both = |Version(time, place), Version(count, _)| Version(mix64(time ^ mix64(place)), count);
        Ok(below.zip(self.top.version(folder)?).map(|(below, top)| both(below, top)))
    }

    /// Nothing that outlives the memory is made of what is read here.
    fn sync(&self, _path: &Path) -> io::Result<()> {
        Ok(())
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

    fn claims(&self, path: &Path) -> io::Result<Box<dyn Claims>> {
        self.top.claims(path)
    }
}
