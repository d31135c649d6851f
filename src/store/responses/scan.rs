//! Reading a log of responses from front to back through a window, since a log may be larger than memory.

use super::index::head;
use super::record::{BEFORE, END, KIND, MAGIC, is_whole, length, split};
use crate::store::disk::Disk;
use crate::store::log::HEADER;
use std::io;
use std::path::Path;

/// How much is read at once, unless a record is longer.
const WINDOW: usize = 1 << 20;

/// Reads the records of a log up to the last that can be read.
pub(super) struct Scan<'a> {
    disk: &'a dyn Disk,
    path: &'a Path,
    /// Where the log ends, as far as we look.
    to: u64,
    window: Vec<u8>,
    /// Where the window begins.
    start: u64,
    /// Where the readable part ends so far.
    pub(super) end: u64,
    /// Up to where the log was synced, as it says itself.
    pub(super) sealed: u64,
    /// Where the first damaged record begins that others follow.
    pub(super) first: Option<u64>,
    /// How many bytes were passed over.
    pub(super) lost: u64,
}

/// Where a record was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The head of its key.
    pub(super) head: u64,
    pub(super) offset: u64,
    /// Header included.
    pub(super) length: u32,
}

impl<'a> Scan<'a> {
    /// Reads what lies between `from` and `to`. The magic says nothing that the records do not say themselves.
    pub(super) fn new(disk: &'a dyn Disk, path: &'a Path, from: u64, to: u64) -> Scan<'a> {
        let from = from.max(MAGIC.len() as u64);
        Scan { disk, path, to, window: Vec::new(), start: 0, end: from, sealed: 0, first: None, lost: 0 }
    }

    /// Finds the next record.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        loop {
            let offset = self.end;
            if let Some(whole) = self.whole(offset)? {
                let length = whole.len();
                let key = split(whole).map(|record| record.key);
                let is_mark = whole[4..8] == END;
                self.end += length as u64;
                if is_mark {
                    self.sealed = offset;
                }
                match key {
                    Some(key) => return Ok(Some(Found { head: head(&key), offset, length: length as u32 })),
                    // Undamaged, so written by a later version: not for us.
                    None => continue,
                }
            }
            let Some(on) = self.resume()? else { return Ok(None) };
            self.first.get_or_insert(offset);
            self.lost += on - offset;
            self.end = on;
        }
    }

    /// Returns whether the end is damaged and not torn: a header that is right claims no more than is there.
    pub(super) fn ends_damaged(&mut self) -> io::Result<bool> {
        let Some(header) = self.header(self.end)? else { return Ok(false) };
        let fits = length(&header).is_some_and(|length| self.end + length as u64 <= self.to);
        Ok(header[4..8] == KIND && fits)
    }

    /// Returns `length` bytes at `at`, if the log has them.
    fn bytes(&mut self, at: u64, length: usize) -> io::Result<Option<&[u8]>> {
        if at.saturating_add(length as u64) > self.to {
            return Ok(None);
        }
        let end = self.start + self.window.len() as u64;
        if at < self.start || at + length as u64 > end {
            let most = usize::try_from(self.to - at).unwrap_or(usize::MAX);
            let wanted = length.max(WINDOW).min(most);
            self.window = self.disk.read_range(self.path, at, wanted)?;
            self.start = at;
            if self.window.len() < wanted {
                // Somebody cut the file.
                self.to = at + self.window.len() as u64;
            }
        }
        Ok(self.window.get((at - self.start) as usize..).and_then(|rest| rest.get(..length)))
    }

    fn header(&mut self, at: u64) -> io::Result<Option<[u8; HEADER]>> {
        Ok(self.bytes(at, HEADER)?.map(|bytes| *bytes.first_chunk().expect("as many as were asked for")))
    }

    /// Returns the record at `at` if it is whole.
    fn whole(&mut self, at: u64) -> io::Result<Option<&[u8]>> {
        let Some(length) = self.header(at)?.and_then(|header| length(&header)) else { return Ok(None) };
        Ok(self.bytes(at, length)?.filter(|bytes| is_whole(bytes)))
    }

    /// Finds where it goes on after a damaged record: behind it, going by its length, or wherever a record is whole.
    fn resume(&mut self) -> io::Result<Option<u64>> {
        let Some(header) = self.header(self.end)? else { return Ok(None) };
        if let Some(length) = length(&header) {
            let behind = self.end + length as u64;
            if self.whole(behind)?.is_some() {
                return Ok(Some(behind));
            }
        }
        let mut at = self.end + 1;
        while self.bytes(at, BEFORE)?.is_some() {
            let seen = &self.window[(at - self.start) as usize..];
            match memchr::memmem::find(&seen[4..], &KIND) {
                Some(found) => {
                    at += found as u64;
                    if self.whole(at)?.is_some() {
                        return Ok(Some(at));
                    }
                    at += 1;
                }
                // A kind may begin in the last bytes.
                None => at += (seen.len() - 4 - (KIND.len() - 1)) as u64,
            }
        }
        Ok(None)
    }
}
