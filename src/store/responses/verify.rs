//! Reading the logs of responses again: what of them is damaged.

use super::Responses;
use super::record::MAGIC;
use super::scan::Scan;
use crate::store::disk::Kind;
use crate::store::{Problem, StoreError};
use std::io::{self, ErrorKind};
use std::path::Path;

impl Responses {
    /// Lists the logs, oldest first, and how long they are.
    pub(in crate::store) fn logs(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let folder = &self.memo.folder;
        let entries = self.memo.disk.list(folder).map_err(|error| StoreError::io("list", folder, error))?;
        let logs =
            entries.into_iter().filter(|entry| entry.metadata.kind == Kind::File && entry.name.ends_with(".log"));
        Ok(logs.map(|entry| (entry.name, entry.metadata.len)).collect())
    }

    /// Reads a log through as far as it went when it was listed.
    ///
    /// A torn end is no problem: it is being written, or its writer died before anybody relied on it.
    pub(in crate::store) fn check(&self, name: &str, length: u64) -> Result<Option<Problem>, StoreError> {
        let path = self.memo.folder.join(name);
        match self.find_damage(&path, length) {
            Ok(Some((at, lost))) => Ok(Some(Problem::Responses { log: name.to_owned(), at, lost })),
            Ok(None) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    /// Returns where the first damage is, and how much of the log is damaged.
    fn find_damage(&self, path: &Path, length: u64) -> io::Result<Option<(u64, u64)>> {
        let start = self.memo.disk.read_range(path, 0, MAGIC.len())?;
        // A later version has another last byte, and knows itself what is damaged.
        if start.len() < MAGIC.len() || start != MAGIC && start.starts_with(&MAGIC[..MAGIC.len() - 1]) {
            return Ok(None);
        }
        let mut scan = Scan::new(&*self.memo.disk, path, 0, length);
        while scan.next()?.is_some() {}
        let (mut first, mut lost) = (scan.first, scan.lost);
        if scan.ends_damaged()? {
            first.get_or_insert(scan.end);
            lost += length - scan.end;
        }
        if start != MAGIC {
            first = Some(0);
            lost += MAGIC.len() as u64;
        }
        Ok(first.map(|at| (at, lost)))
    }
}
