//! What this process knows to be in the store: small blobs and traces from all logs, and the blobs seen as files.

use super::log::{HEADER, MAGIC, Record, Records, hashes};
use super::sync::{read, write};
use crate::hash::{Hash, Key};
use arrow_buffer::Buffer;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::RwLock;

/// Hashes are evenly spread already: their first bytes will do.
#[derive(Clone, Default)]
struct Head(u64);

impl Hasher for Head {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(head) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*head);
        }
    }

    /// The length of the hash, which says nothing.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

type Map<V> = HashMap<Hash, V, BuildHasherDefault<Head>>;

/// Maps under locks of their own, so that threads seldom meet.
#[derive(Debug)]
struct Sharded<V>([RwLock<Map<V>>; SHARDS]);

const SHARDS: usize = 16;

impl<V> Default for Sharded<V> {
    fn default() -> Self {
        Sharded(std::array::from_fn(|_| RwLock::default()))
    }
}

impl<V> Sharded<V> {
    fn number(hash: &Hash) -> usize {
        usize::from(hash.as_bytes()[31]) % SHARDS
    }

    fn of(&self, hash: &Hash) -> &RwLock<Map<V>> {
        &self.0[Sharded::<V>::number(hash)]
    }

    fn remove(&self, hash: &Hash) {
        write(self.of(hash)).remove(hash);
    }
}

/// Where something lies.
#[derive(Debug)]
enum Place {
    /// A blob in a file of its own.
    File,
    /// In a log that was read.
    Log { segment: u32, len: u32, start: usize },
    /// Put or recorded by this process.
    Own(Box<[u8]>),
}

/// The blobs and traces known to this process.
#[derive(Debug, Default)]
pub(super) struct Index {
    blobs: Sharded<Place>,
    traces: Sharded<Place>,
    /// The parts of logs that were read, kept whole.
    segments: RwLock<Vec<Buffer>>,
}

impl Index {
    /// Takes in what was read of a log from byte `from` on; returns up to which byte it could be read.
    ///
    /// Later records win over earlier ones, but not over what this process wrote itself.
    pub(super) fn load(&self, bytes: Buffer, from: u64) -> u64 {
        let skip = if from == 0 { MAGIC.len() } else { 0 };
        if from == 0 && !bytes.starts_with(MAGIC) {
            return 0;
        }
        let segment = {
            let mut segments = write(&self.segments);
            let Ok(number) = u32::try_from(segments.len()) else { return from };
            segments.push(bytes.clone());
            number
        };
        let mut blobs: Vec<_> = self.blobs.0.iter().map(write).collect();
        let mut traces: Vec<_> = self.traces.0.iter().map(write).collect();
        let mut records = Records::new(&bytes, skip);
        for found in &mut records {
            let (map, hash, len) = match found.record {
                Record::Blob(hash, contents) => (&mut blobs[Sharded::<Place>::number(&hash)], hash, contents.len()),
                Record::Trace(key, outputs) => (&mut traces[Sharded::<Place>::number(&key)], key, outputs.len()),
            };
            let place = Place::Log { segment, len: len as u32, start: found.start };
            let slot = map.entry(hash).or_insert(Place::File);
            if !matches!(slot, Place::Own(_)) {
                *slot = place;
            }
        }
        from + records.end as u64
    }

    fn with<T>(&self, map: &Sharded<Place>, name: &Hash, use_bytes: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let map = read(map.of(name));
        match map.get(name)? {
            Place::File => None,
            Place::Own(bytes) => Some(use_bytes(bytes)),
            Place::Log { segment, len, start } => {
                let segments = read(&self.segments);
                Some(use_bytes(&segments[*segment as usize][*start..*start + *len as usize]))
            }
        }
    }

    /// Returns the contents of a small blob, not yet compared with its hash.
    pub(super) fn small(&self, hash: &Hash) -> Option<Buffer> {
        self.with(&self.blobs, hash, |bytes| Buffer::from(bytes))
    }

    /// Returns the outputs of a trace.
    pub(super) fn trace(&self, key: &Key) -> Option<Vec<Hash>> {
        self.with(&self.traces, key, |outputs| hashes(outputs).collect())
    }

    /// Returns whether the blob was seen, small or as a file.
    pub(super) fn knows(&self, hash: &Hash) -> bool {
        read(self.blobs.of(hash)).contains_key(hash)
    }

    /// Remembers that the blob has a file.
    pub(super) fn add_file(&self, hash: Hash) {
        write(self.blobs.of(&hash)).entry(hash).or_insert(Place::File);
    }

    /// Adds a small blob unless it is there; `journal` writes it down before any other thread can know of it.
    pub(super) fn add_small(&self, hash: Hash, contents: &[u8], journal: impl FnOnce()) {
        Index::add(&self.blobs, hash, contents, |place| !matches!(place, Place::File), journal);
    }

    /// Adds or replaces a trace; `journal` writes it down.
    pub(super) fn add_trace(&self, key: Key, outputs: &[Hash], journal: impl FnOnce()) {
        let bytes: Vec<u8> = outputs.iter().flat_map(|hash| *hash.as_bytes()).collect();
        let same = self.trace(&key).is_some_and(|known| known == outputs);
        Index::add(&self.traces, key, &bytes, |_| same, journal);
    }

    fn add(map: &Sharded<Place>, name: Hash, bytes: &[u8], is_known: impl Fn(&Place) -> bool, journal: impl FnOnce()) {
        if read(map.of(&name)).get(&name).is_some_and(&is_known) {
            return;
        }
        let mut map = write(map.of(&name));
        if !map.get(&name).is_some_and(is_known) {
            journal();
            map.insert(name, Place::Own(bytes.into()));
        }
    }

    /// Forgets a blob that turned out to be absent or damaged.
    pub(super) fn forget_blob(&self, hash: &Hash) {
        self.blobs.remove(hash);
    }

    /// Forgets a trace.
    pub(super) fn forget_trace(&self, key: &Key) {
        self.traces.remove(key);
    }
}

/// The least that a log with a record in it has.
pub(super) const SHORTEST: u64 = (MAGIC.len() + HEADER) as u64;
