//! Reading a file once, hashing its bytes on the way, and noticing when it changes meanwhile.

use super::{FilesError, FoundFile, blocks};
use crate::format::Compression;
use crate::hash::Hash;
use crate::store::FileStat;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

/// Bytes that are read and hashed at a time; on several threads from a quarter of it on.
const BLOCK: usize = 1 << 20;

/// A file that is being read: its bytes hashed as they are on disk, and then unpacked.
pub struct DataFile {
    packed: Packed,
}

enum Packed {
    Plain(Box<BufReader<Hashing>>),
    Gzip(Box<MultiGzDecoder<BufReader<Hashing>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Hashing>>>),
}

/// What is known of a file's bytes: their hash, and what the system said of the file when they were hashed, if no later change
/// can look the same.
pub type Known = (Hash, Option<FileStat>);

/// Opens a file of records, to be read once from its beginning to its end. If it looks as `known` has it, its bytes are those of
/// the known hash, and are not hashed again.
pub fn open(file: &FoundFile, compression: Compression, known: &Known) -> Result<DataFile, FilesError> {
    let mut raw = Hashing::open(file)?;
    if known.1 == Some(raw.before) {
        raw.hash = Sum::Known(known.0);
    }
    let raw = BufReader::with_capacity(BLOCK, raw);
    let packed = match compression {
        Compression::None => Packed::Plain(Box::new(raw)),
        Compression::Gzip => Packed::Gzip(Box::new(MultiGzDecoder::new(raw))),
        Compression::Zstd => Packed::Zstd(Box::new(zstd::Decoder::with_buffer(raw)?)),
    };
    Ok(DataFile { packed })
}

/// Opens a file that is read by parts, in any order: Parquet, Arrow. What was read is what was hashed if [`hash_file`]
/// gives the same hash before and after.
pub fn open_whole(file: &FoundFile) -> Result<File, FilesError> {
    Ok(Hashing::open(file)?.file)
}

impl Read for DataFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.packed {
            Packed::Plain(raw) => raw.read(into),
            Packed::Gzip(packed) => packed.read(into).map_err(|error| named("gzip", error)),
            Packed::Zstd(packed) => packed.read(into).map_err(|error| named("zstd", error)),
        }
    }
}

/// Says of packed data what is wrong with it; other errors are left as they are.
fn named(packing: &str, error: io::Error) -> io::Error {
    let kind = error.kind();
    match kind {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(kind, format!("the {packing} data ends too early: is the file complete?"))
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            io::Error::new(kind, format!("this is not valid {packing} data: {error}"))
        }
        _ => error,
    }
}

impl DataFile {
    /// Ends reading: returns the hash of all bytes of the file, of those too that were not asked for.
    pub fn finish(self) -> Result<Hash, FilesError> {
        let mut raw = match self.packed {
            Packed::Plain(raw) => *raw,
            Packed::Gzip(packed) => packed.into_inner(),
            Packed::Zstd(packed) => packed.finish(),
        };
        loop {
            match raw.fill_buf() {
                Ok([]) => return raw.into_inner().finish(),
                Ok(unread) => {
                    let unread = unread.len();
                    raw.consume(unread);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Reads until `block` is full or the file ends; returns how many bytes that are.
pub fn read_full(file: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

pub(super) fn update(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    if bytes.len() >= BLOCK / 4 {
        hasher.update_rayon(bytes);
    } else {
        hasher.update(bytes);
    }
}

/// The raw bytes of a file, and their hash so far.
struct Hashing {
    path: PathBuf,
    file: File,
    before: FileStat,
    hash: Sum,
    read: u64,
}

/// The hash of a file that is being read.
enum Sum {
    Known(Hash),
    SoFar(Box<blake3::Hasher>),
}

impl Hashing {
    fn open(found: &FoundFile) -> Result<Hashing, FilesError> {
        let (file, before) = blocks::open(found)?;
        Ok(Hashing { path: found.absolute.clone(), file, before, hash: Sum::SoFar(Box::default()), read: 0 })
    }

    /// Compares the file at the path, which may be another by now, with the one that was opened.
    fn finish(self) -> Result<Hash, FilesError> {
        blocks::still(&self.path, &self.before)?;
        if self.read != self.before.size {
            return Err(blocks::changed());
        }
        Ok(match self.hash {
            Sum::Known(hash) => hash,
            Sum::SoFar(hasher) => Hash::from_bytes(*hasher.finalize().as_bytes()),
        })
    }
}

impl Read for Hashing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        if let Sum::SoFar(hasher) = &mut self.hash {
            update(hasher, &into[..read]);
        }
        self.read += read as u64;
        Ok(read)
    }
}
