//! The bytes of a recorded response: framed as the records of the other logs are, with a kind that no text contains.

use crate::hash::Hash;
use crate::store::check::check;
use crate::store::log::{HEADER, fields, put, seed};

/// The first bytes of a log of responses.
pub(super) const MAGIC: &[u8; 8] = b"dmresp\0\x01";

/// The kind of a response. Its bytes are in no UTF-8, so what follows damage is found fast, and never within a text.
pub(super) const KIND: [u8; 4] = [0xfe, b'r', b'e', 0xff];

/// The kind of a mark at the end of a log: its writer ended well, so everything before it was synced.
pub(super) const END: [u8; 4] = [0xfe, b'e', b'n', 0xff];

/// What a record has before its body: the header, its key and its time.
pub(super) const BEFORE: usize = HEADER + 32 + 8;

/// The longest record. A damaged length never makes a reader ask for more memory than this.
pub(super) const LONGEST: usize = 256 << 20;

/// A response as it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) key: Hash,
    /// Nanoseconds since 1970; of one process, each is later than the one before.
    pub(super) time: u64,
    pub(super) body: &'a [u8],
}

impl Record<'_> {
    /// Appends the record to `out`.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put(out, u32::from_le_bytes(KIND), self.key, 8 + self.body.len(), |out| {
            out.extend_from_slice(&self.time.to_le_bytes());
            out.extend_from_slice(self.body);
        });
    }
}

/// Returns the mark at the end of a log.
pub(super) fn end_mark() -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, u32::from_le_bytes(END), Hash::from_bytes([0; 32]), 0, |_| ());
    out
}

/// Returns whether a body is short enough to be recorded.
pub(super) fn fits(body: &[u8]) -> bool {
    body.len() <= LONGEST - BEFORE
}

/// Returns the length, header included, that a header claims; nothing if no record is so long.
pub(super) fn length(header: &[u8; HEADER]) -> Option<usize> {
    let length = HEADER + fields(header).0 as usize;
    (length <= LONGEST).then_some(length)
}

/// Returns whether `whole` is one record, of any kind, that agrees with its check.
pub(super) fn is_whole(whole: &[u8]) -> bool {
    let Some((header, body)) = whole.split_first_chunk::<HEADER>() else { return false };
    let (length, kind) = fields(header);
    let sum = u64::from_le_bytes(*header.last_chunk().expect("within the header"));
    length as usize == body.len() && sum == check(seed(length, kind), body)
}

/// Splits what [`is_whole`]; nothing if it is not a response, but something that a later version writes.
pub(super) fn split(whole: &[u8]) -> Option<Record<'_>> {
    let (before, body) = whole.split_first_chunk::<BEFORE>()?;
    let key = before[HEADER..].first_chunk::<32>().expect("a key comes before the body");
    let time = u64::from_le_bytes(*before.last_chunk().expect("a time comes before the body"));
    (before[4..8] == KIND).then(|| Record { key: Hash::from_bytes(*key), time, body })
}
