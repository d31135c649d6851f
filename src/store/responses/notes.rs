//! Notes beside the responses: small promises to be kept by whoever comes later, each a file that is there whole or not at all.

use super::Responses;
use crate::store::error::StoreError;
use std::io::ErrorKind;
use std::path::PathBuf;

/// The folder of notes, beside the logs.
const FOLDER: &str = "batches";

impl Responses {
    fn notes(&self) -> PathBuf {
        self.memo.folder.join(FOLDER)
    }

    /// Writes a note; returns when it would outlive a loss of power.
    pub fn write_note(&self, name: &str, parts: &[&[u8]]) -> Result<(), StoreError> {
        let path = self.notes().join(name);
        self.memo.disk.write_durably(&path, parts).map_err(|error| StoreError::io("write", &path, error))
    }

    /// Lists the names of all notes.
    pub fn list_notes(&self) -> Result<Vec<String>, StoreError> {
        let folder = self.notes();
        let entries = self.memo.disk.list(&folder).map_err(|error| StoreError::io("list", &folder, error))?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    /// Reads a note; none if it is not there (any more).
    pub fn read_note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.notes().join(name);
        match self.memo.disk.read(&path, 0) {
            Ok(bytes) => Ok(Some(bytes.as_slice().to_vec())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    /// Removes a note: its promise was kept.
    pub fn remove_note(&self, name: &str) -> Result<(), StoreError> {
        let path = self.notes().join(name);
        match self.memo.disk.remove(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", &path, error)),
            _ => Ok(()),
        }
    }
}
