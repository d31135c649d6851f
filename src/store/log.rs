//! The records of a log file: small blobs and traces, each with a length and a check of its own.

use super::check::check;
use crate::hash::{Hash, Key};

/// The first bytes of a log file.
pub(super) const MAGIC: &[u8; 8] = b"dmlog\0\0\x01";

/// Length of the body u32, kind u32, check u64.
pub(super) const HEADER: usize = 16;

const BLOB: u32 = 1;
const TRACE: u32 = 2;

/// One record, borrowed from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A small blob: the hash that it claims, which whoever uses it must compare, and its contents.
    Blob(Hash, &'a [u8]),
    /// A trace: its key, and its output hashes end to end.
    Trace(Key, &'a [u8]),
}

/// The records of a log from its start (after the magic) to the last that can be read.
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    /// Where the readable part ends so far.
    pub(super) end: usize,
    /// What was passed over because it is damaged.
    pub(super) damage: Damage,
}

/// The damage in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Damage {
    /// Where the first damaged record begins.
    pub(super) first: Option<usize>,
    /// How many bytes were passed over.
    pub(super) lost: usize,
}

/// A record and where its last part (contents or outputs) begins.
pub(super) struct Found<'a> {
    pub(super) record: Record<'a>,
    pub(super) start: usize,
    /// The record as it lies in the log, to be copied into another.
    pub(super) whole: &'a [u8],
}

impl<'a> Records<'a> {
    /// Reads records from `at` on.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Records<'a> {
        Records { bytes, end: at, damage: Damage::default() }
    }

    /// Returns the bytes of the record that begins at `at` if they agree with its check.
    fn whole(&self, at: usize) -> Option<&'a [u8]> {
        let rest = self.bytes.get(at..)?;
        let (header, body) = rest.split_first_chunk::<HEADER>()?;
        let (length, kind) = fields(header);
        let sum = u64::from_le_bytes(*header.last_chunk().expect("within the header"));
        let body = body.get(..length as usize)?;
        (sum == check(seed(length, kind), body)).then(|| &rest[..HEADER + body.len()])
    }

    /// Finds where it goes on after a damaged record: behind it, going by its length, or wherever a record is whole.
    fn resume(&self) -> Option<usize> {
        let header = self.bytes.get(self.end..)?.first_chunk::<HEADER>()?;
        let behind = self.end + HEADER + fields(header).0 as usize;
        if self.whole(behind).is_some() {
            return Some(behind);
        }
        let mut later = self.end + 1..self.bytes.len().saturating_sub(HEADER + 31);
        later.find(|at| matches!(self.bytes[at + 4..at + 8], [1 | 2, 0, 0, 0]) && self.whole(*at).is_some())
    }

    /// Returns whether something can be read no more that was once written whole; a torn end is not meant.
    pub(super) fn finds_damage(mut self) -> bool {
        while self.next().is_some() {}
        let end = self.bytes.get(self.end..).and_then(|rest| rest.split_first_chunk::<HEADER>());
        self.damage.first.is_some() || end.is_some_and(|(header, body)| fields(header).0 as usize <= body.len())
    }
}

/// Returns length and kind.
pub(super) fn fields(header: &[u8; HEADER]) -> (u32, u32) {
    let part = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
    (part(0), part(4))
}

impl<'a> Iterator for Records<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        loop {
            let Some(whole) = self.whole(self.end) else {
                let on = self.resume()?;
                self.damage.first.get_or_insert(self.end);
                self.damage.lost += on - self.end;
                self.end = on;
                continue;
            };
            let start = self.end + HEADER + 32;
            self.end += whole.len();
            let (header, body) = whole.split_first_chunk::<HEADER>().expect("it is whole");
            let record = match (fields(header).1, body.split_first_chunk::<32>()) {
                (BLOB, Some((hash, contents))) => Record::Blob(Hash::from_bytes(*hash), contents),
                (TRACE, Some((key, outputs))) if outputs.len() % 32 == 0 => {
                    Record::Trace(Hash::from_bytes(*key), outputs)
                }
                // Undamaged, so written by a later version: not for us.
                _ => continue,
            };
            return Some(Found { record, start, whole });
        }
    }
}

/// Writes a small blob.
pub(super) fn put_blob(out: &mut Vec<u8>, hash: Hash, contents: &[u8]) {
    put(out, BLOB, hash, contents.len(), |out| out.extend_from_slice(contents));
}

/// Writes a trace.
pub(super) fn put_trace(out: &mut Vec<u8>, key: Key, outputs: &[Hash]) {
    put(out, TRACE, key, 32 * outputs.len(), |out| {
        outputs.iter().for_each(|hash| out.extend_from_slice(hash.as_bytes()))
    });
}

/// Returns whether a trace of so many outputs has a length that can be written.
pub(super) fn fits(outputs: usize) -> bool {
    outputs < (u32::MAX / 32) as usize
}

/// Writes a record: its header, its name, and `length` bytes that `rest` writes.
pub(super) fn put(out: &mut Vec<u8>, kind: u32, name: Hash, length: usize, rest: impl FnOnce(&mut Vec<u8>)) {
    let length = u32::try_from(32 + length).expect("small blobs are small, and all others are measured before");
    let start = out.len();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(name.as_bytes());
    rest(out);
    let sum = check(seed(length, kind), &out[start + HEADER..]);
    out[start + 8..start + HEADER].copy_from_slice(&sum.to_le_bytes());
}

/// Returns the seed of a record's check.
pub(super) fn seed(length: u32, kind: u32) -> u64 {
    u64::from(length) << 32 | u64::from(kind)
}

/// Splits the outputs of a trace.
pub(super) fn hashes(outputs: &[u8]) -> impl Iterator<Item = Hash> {
    outputs.as_chunks::<32>().0.iter().map(|hash| Hash::from_bytes(*hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Vec<u8> {
        let mut out = Vec::new();
        put_blob(&mut out, Hash::of(b"one"), b"one");
        put_trace(&mut out, Hash::of(b"key"), &[Hash::of(b"one"), Hash::of(b"two")]);
        put_blob(&mut out, Hash::of(b""), b"");
        put_trace(&mut out, Hash::of(b"none"), &[]);
        out
    }

    fn read(bytes: &[u8]) -> Vec<Record<'_>> {
        Records::new(bytes, 0).map(|found| found.record).collect()
    }

    #[test]
    fn records_read_back_in_order() {
        let bytes = log();
        let records = read(&bytes);
        assert_eq!(records.len(), 4);
        assert_eq!(records[0], Record::Blob(Hash::of(b"one"), b"one"));
        let Record::Trace(key, outputs) = records[1] else { panic!("a trace") };
        assert_eq!((key, hashes(outputs).collect()), (Hash::of(b"key"), vec![Hash::of(b"one"), Hash::of(b"two")]));
    }

    #[test]
    fn a_torn_log_reads_as_a_prefix_of_itself() {
        let bytes = log();
        let whole = read(&bytes);
        for i in 0..bytes.len() {
            assert!(whole.starts_with(&read(&bytes[..i])), "length {i}");
            assert!(!Records::new(&bytes[..i], 0).finds_damage(), "length {i}");
        }
        assert!(read(&[0; 1000]).is_empty(), "zeros are no records");
    }

    #[test]
    fn a_flipped_byte_costs_one_record() {
        let bytes = log();
        let whole = read(&bytes);
        for i in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[i] ^= flip;
                let left = read(&damaged);
                assert_eq!(left.len(), whole.len() - 1, "byte {i}");
                assert!(left.iter().all(|record| whole.contains(record)), "byte {i}");
                if left.last() == whole.last() {
                    assert!(Records::new(&damaged, 0).finds_damage(), "byte {i}");
                }
            }
        }
    }

    #[test]
    fn what_follows_several_damaged_records_is_read() {
        let mut bytes = log();
        let end = bytes.len();
        bytes[..end / 2].fill(0xff);
        assert_eq!(read(&bytes).len(), 2);
        bytes.extend(log());
        assert_eq!(read(&bytes).len(), 6);
        let mut records = Records::new(&bytes, 0);
        while records.next().is_some() {}
        assert_eq!((records.end, records.damage.first), (bytes.len(), Some(0)));
    }

    #[test]
    fn a_record_of_a_later_version_is_passed_over() {
        let mut bytes = Vec::new();
        put(&mut bytes, 77, Hash::of(b"x"), 0, |_| ());
        bytes.extend(log());
        assert_eq!(read(&bytes).len(), 4);
    }
}
