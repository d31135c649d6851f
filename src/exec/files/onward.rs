//! A file that begins as one did that was read before: it is read from where it becomes another.

use super::wrong::{changed, unreadable};
use super::{DataFile, Listing, Part, Reading, parse_key};
use crate::exec::context::{Context, Stop, Used};
use crate::fetch::files::{self, Blocks, Checked, FilesError, common_prefix};
use crate::format::{Compression, Format};
use crate::hash::{Hash, Key};

/// What is known of the beginning of a file.
#[derive(Default)]
pub(super) struct Begun {
    pub listing: Listing,
    pub parts: Vec<Part>,
    /// The byte and the line that follow.
    pub next: Option<(u64, u64)>,
}

/// Where the bytes of a file come from.
pub(super) enum Bytes {
    All(files::DataFile),
    Rest(Checked),
}

impl Context<'_> {
    /// Returns the segments that a file begins with, if they were read from its path before.
    pub(super) fn begun(&self, used: &Used, reading: &Reading, file: &DataFile) -> Begun {
        self.known_beginning(used, reading, file).unwrap_or_default()
    }

    fn known_beginning(&self, used: &Used, reading: &Reading, file: &DataFile) -> Option<Begun> {
        let blocks = resumable(file)?;
        let blob = *self.store.trace(self.last_key(reading, file))?.first()?;
        let before: Listing = self.json(blob).ok()?;
        let same = common_prefix(&before.blocks, blocks);
        // The last segment ended because the file did.
        let last = before.segments.len().checked_sub(1)?.min(before.ends.len());
        let known = before.ends[..last].iter().take_while(|end| **end <= same).count();
        let (line, _) = *before.segments.get(known).filter(|_| known > 0)?;
        let segments = before.segments[..known].to_vec();
        let parts = segments.iter().map(|(line, hash)| {
            let key = parse_key(reading, file.format, before.header.as_deref(), *hash);
            let part: Part = self.json(*self.store.trace(key)?.first()?).ok()?;
            used.note(key);
            Some(Part { first_line: *line, ..part })
        });
        let parts: Vec<Part> = parts.collect::<Option<_>>()?;
        self.counts.reuse(parts.len() as u64);
        let ends = before.ends[..known].to_vec();
        let next = Some((*ends.last()?, line));
        Some(Begun { listing: Listing { header: before.header, segments, ends, blocks: Vec::new() }, parts, next })
    }

    /// Returns the key under which it is remembered how the file at a path was read last: a hint, and no more.
    pub(super) fn last_key(&self, reading: &Reading, file: &DataFile) -> Key {
        let mut key = self.listing_writer("last-read", reading, &DataFile { hash: Hash::of(b""), ..file.clone() });
        key.text("path", &file.file.path);
        key.finish()
    }
}

/// Returns the blocks of a file that can be read on from the end of any segment.
pub(super) fn resumable(file: &DataFile) -> Option<&Blocks> {
    let may = file.compression == Compression::None && file.format != Format::Json;
    file.blocks.as_ref().filter(|_| may)
}

impl Bytes {
    /// Opens a file, from a byte on if what comes before is known.
    pub fn open(file: &DataFile, next: Option<(u64, u64)>) -> Result<Bytes, FilesError> {
        Ok(match (next, resumable(file)) {
            (Some((from, _)), Some(blocks)) => Bytes::Rest(Checked::open(&file.file, blocks.clone(), from)?),
            _ => Bytes::All(files::open(&file.file, file.compression, &(file.hash, file.stat))?),
        })
    }

    /// Fills a block, less of it at the end; returns how many bytes that are.
    pub fn read(&mut self, block: &mut [u8]) -> Result<usize, FilesError> {
        match self {
            Bytes::All(file) => Ok(files::read_full(file, block)?),
            Bytes::Rest(file) => file.read(block),
        }
    }

    /// Ends reading: what was read has to be what was hashed.
    pub fn finish(self, reading: &Reading, file: &DataFile) -> Result<(), Stop> {
        let wrong = |error: FilesError| unreadable(reading, file, &error);
        let hash = match self {
            Bytes::All(bytes) => bytes.finish(),
            Bytes::Rest(bytes) => bytes.finish().map(|()| file.hash),
        };
        if hash.map_err(wrong)? == file.hash { Ok(()) } else { Err(changed(reading, file)) }
    }
}
