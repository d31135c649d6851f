//! A file by blocks: hashed on all threads, and read again from the first block that is another.
//!
//! The hash of a block is its subtree's in the BLAKE3 tree of the file (section 2.1 of the paper), so the blocks' hashes make the file's.

use super::{FilesError, FoundFile};
use crate::hash::Hash;
use crate::store::{FileStat, stat};
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of a block; a power of two, as subtrees are.
pub const BLOCK: u64 = 1 << 20;

/// The hashes of a file's blocks, in order; the last block may be shorter. None of a file of one block or less.
pub type Blocks = Arc<[Hash]>;

/// Hashes a file, without reading it for anything else.
pub fn hash_file(found: &FoundFile) -> Result<(Hash, Blocks), FilesError> {
    let (file, before) = open(found)?;
    let (hash, blocks) = match before.size {
        ..=BLOCK => {
            let mut bytes = Vec::new();
            (&file).take(BLOCK + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 != before.size {
                return Err(changed());
            }
            (Hash::of(&bytes), Vec::new())
        }
        size => {
            let numbers = (0..size.div_ceil(BLOCK)).into_par_iter();
            let hash_one = |buffer: &mut Vec<u8>, number: u64| {
                let from = number * BLOCK;
                buffer.resize(BLOCK.min(size - from) as usize, 0);
                read_exact_at(&file, buffer, from).map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => changed(),
                    _ => error.into(),
                })?;
                Ok(hash_block(number, buffer))
            };
            let blocks = numbers.map_init(Vec::new, hash_one).collect::<Result<Vec<_>, FilesError>>()?;
            (root(&blocks), blocks)
        }
    };
    still(&found.absolute, &before)?;
    Ok((hash, blocks.into()))
}

/// Opens a regular file.
pub(super) fn open(found: &FoundFile) -> Result<(File, FileStat), FilesError> {
    // Opening a pipe would wait for somebody to write into it.
    if !found.absolute.metadata()?.is_file() {
        return Err(FilesError::new("it is not a regular file"));
    }
    let file = File::open(&found.absolute)?;
    let before = FileStat::from(&file.metadata()?);
    Ok((file, before))
}

/// Compares the file at the path, which may be another by now, with the one that was opened.
pub(super) fn still(path: &std::path::Path, before: &FileStat) -> Result<(), FilesError> {
    if stat(path).is_ok_and(|after| after == *before) { Ok(()) } else { Err(changed()) }
}

pub(super) fn changed() -> FilesError {
    FilesError::new("it was changed while it was being read")
        .help("wait until whatever writes it is done, and run the same command again")
}

fn hash_block(number: u64, bytes: &[u8]) -> Hash {
    Hash::from_bytes(blake3::Hasher::new().set_input_offset(number * BLOCK).update(bytes).finalize_non_root())
}

/// Returns the hash of the file that these blocks are, at least two.
fn root(blocks: &[Hash]) -> Hash {
    let (left, right) = halves(blocks);
    Hash::from_bytes(*merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash).as_bytes())
}

fn subtree(blocks: &[Hash]) -> ChainingValue {
    if let [block] = blocks {
        return *block.as_bytes();
    }
    let (left, right) = halves(blocks);
    merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
}

/// Divides blocks as the tree does: the left half is the largest power of two that leaves something to the right.
fn halves(blocks: &[Hash]) -> (&[Hash], &[Hash]) {
    blocks.split_at(1 << (blocks.len() - 1).ilog2())
}

#[cfg(unix)]
fn read_exact_at(file: &File, into: &mut [u8], from: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, from)
}

/// The position of a file is shared by all threads here, so each takes its own.
#[cfg(not(unix))]
fn read_exact_at(mut file: &File, into: &mut [u8], from: u64) -> io::Result<()> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ONE.lock().expect("no thread panics with this lock");
    file.seek(SeekFrom::Start(from))?;
    file.read_exact(into)
}

/// Reads a file that was hashed from a block on, and compares each block with its hash.
pub struct Checked {
    path: PathBuf,
    file: File,
    before: FileStat,
    blocks: Blocks,
    /// The block after the one at hand.
    next: usize,
    block: Vec<u8>,
    at: usize,
}

impl Checked {
    /// Begins at a byte of the file. It is read up to its end.
    pub fn open(found: &FoundFile, blocks: Blocks, from: u64) -> Result<Checked, FilesError> {
        let (mut file, before) = open(found)?;
        let first = from / BLOCK;
        file.seek(SeekFrom::Start(first * BLOCK))?;
        let path = found.absolute.clone();
        let mut checked = Checked { path, file, before, blocks, next: first as usize, block: Vec::new(), at: 0 };
        checked.fill()?;
        checked.at = ((from % BLOCK) as usize).min(checked.block.len());
        Ok(checked)
    }

    /// Reads the next block, none at the end of the file.
    fn fill(&mut self) -> Result<(), FilesError> {
        self.block.clear();
        self.at = 0;
        (&mut self.file).take(BLOCK).read_to_end(&mut self.block)?;
        let expected = self.blocks.get(self.next).copied();
        let found = (!self.block.is_empty()).then(|| hash_block(self.next as u64, &self.block));
        self.next += 1;
        if found == expected { Ok(()) } else { Err(changed()) }
    }

    /// Fills `into` with what comes next, less of it at the end; returns how many bytes that are.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, FilesError> {
        let mut filled = 0;
        while filled < into.len() {
            if self.at == self.block.len() && self.next <= self.blocks.len() {
                self.fill()?;
            }
            let n = (into.len() - filled).min(self.block.len() - self.at);
            if n == 0 {
                break;
            }
            into[filled..filled + n].copy_from_slice(&self.block[self.at..self.at + n]);
            (filled, self.at) = (filled + n, self.at + n);
        }
        Ok(filled)
    }

    /// Ends reading: all blocks have to be read, and the file to be as it was.
    pub fn finish(self) -> Result<(), FilesError> {
        still(&self.path, &self.before)
    }
}

/// Returns up to which byte two files are the same, by their blocks.
pub fn common_prefix(one: &[Hash], other: &[Hash]) -> u64 {
    one.iter().zip(other).take_while(|(one, other)| one == other).count() as u64 * BLOCK
}
