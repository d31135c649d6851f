//! Segments on their way: cut by one thread, parsed by others, and put back in order.

use super::Part;
use crate::exec::context::Stop;
use crate::hash::Hash;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes of segments that wait or are being parsed: enough for all threads, and little enough to bound memory.
const AHEAD: usize = 24 << 20;

/// Line and hash of a segment, and what was parsed of it.
type Done = ((u64, Hash), Part);

/// What came of the segments of a file so far.
#[derive(Default)]
pub(super) struct Ahead {
    done: Mutex<Vec<(usize, Result<Done, Stop>)>>,
    bytes: AtomicUsize,
    failed: AtomicBool,
}

impl Ahead {
    /// Makes room for a segment that another thread will parse. If there is none, whoever cuts parses it: nobody waits.
    pub fn enter(&self, bytes: usize) -> Room {
        if self.bytes.load(Ordering::Relaxed) >= AHEAD {
            return Room::Full;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Room::Taken(bytes)
    }

    /// Takes what came of the segment `number`, and gives its room back.
    pub fn done(&self, number: usize, room: Room, parsed: Result<Done, Stop>) {
        if let Room::Taken(bytes) = room {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        self.failed.fetch_or(parsed.is_err(), Ordering::Relaxed);
        self.done.lock().expect("no thread panics with this lock").push((number, parsed));
    }

    /// Returns whether a segment failed, so that those after it are of no use.
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Returns what came of all segments, in order, or the failure that comes first.
    pub fn finish(self) -> Result<Vec<Done>, Stop> {
        let mut done = self.done.into_inner().expect("no thread panics with this lock");
        done.sort_by_key(|(number, _)| *number);
        done.into_iter().map(|(_, parsed)| parsed).collect()
    }
}

/// Whether a segment has room to wait.
pub(super) enum Room {
    Taken(usize),
    Full,
}
