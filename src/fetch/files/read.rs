//! Reading a file once, hashing its bytes on the way, and noticing when it changes meanwhile.

use super::{FilesError, FoundFile};
use crate::format::Compression;
use crate::hash::Hash;
use crate::store::{FileStat, stat};
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

/// Opens a file of records, to be read once from its beginning to its end.
pub fn open(file: &FoundFile, compression: Compression) -> Result<DataFile, FilesError> {
    let raw = BufReader::with_capacity(BLOCK, Hashing::open(file)?);
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
    /// Ends reading: returns the hash of all bytes of the file, of those too that were not asked for, and what
    /// the system said of it all the while.
    pub fn finish(self) -> Result<(Hash, FileStat), FilesError> {
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

/// Hashes a file, on all threads, without reading it for anything else.
pub fn hash_file(file: &FoundFile) -> Result<Hash, FilesError> {
    let mut file = Hashing::open(file)?;
    let size = usize::try_from(file.before.size).unwrap_or(usize::MAX);
    let mut block = vec![0; size.clamp(1 << 10, 8 << 20)];
    loop {
        match file.read(&mut block) {
            Ok(0) => return file.finish().map(|(hash, _)| hash),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The raw bytes of a file, and their hash so far.
struct Hashing {
    path: PathBuf,
    file: File,
    before: FileStat,
    hasher: blake3::Hasher,
    read: u64,
}

impl Hashing {
    fn open(found: &FoundFile) -> Result<Hashing, FilesError> {
        // Opening a pipe would wait for somebody to write into it.
        if !found.absolute.metadata()?.is_file() {
            return Err(FilesError::new("it is not a regular file"));
        }
        let file = File::open(&found.absolute)?;
        let before = FileStat::from(&file.metadata()?);
        Ok(Hashing { path: found.absolute.clone(), file, before, hasher: blake3::Hasher::new(), read: 0 })
    }

    /// Compares the file at the path, which may be another by now, with the one that was opened.
    fn finish(self) -> Result<(Hash, FileStat), FilesError> {
        let same = stat(&self.path).is_ok_and(|after| after == self.before) && self.read == self.before.size;
        if !same {
            return Err(FilesError::new("it was changed while it was being read")
                .help("wait until whatever writes it is done, and run the same command again"));
        }
        Ok((Hash::from_bytes(*self.hasher.finalize().as_bytes()), self.before))
    }
}

impl Read for Hashing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        let bytes = &into[..read];
        if read >= BLOCK / 4 {
            self.hasher.update_rayon(bytes);
        } else {
            self.hasher.update(bytes);
        }
        self.read += read as u64;
        Ok(read)
    }
}
