//! Writing a file once, hashing its bytes on the way.

use super::read::update;
use crate::hash::Hash;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// A file that is being written. What was written so far can be asked for while writers are built around it.
pub struct HashedFile {
    file: File,
    sum: Arc<Mutex<Sum>>,
}

/// The hash and the number of the bytes written so far.
#[derive(Default)]
pub(in crate::fetch) struct Sum {
    hasher: blake3::Hasher,
    bytes: u64,
}

impl HashedFile {
    /// Begins at the start of an empty file; what is written is added to the sum.
    pub(in crate::fetch) fn new(file: File) -> (HashedFile, Arc<Mutex<Sum>>) {
        let sum = Arc::<Mutex<Sum>>::default();
        (HashedFile { file, sum: sum.clone() }, sum)
    }
}

impl Sum {
    /// Returns the hash and the number of all bytes.
    pub fn of(&self) -> (Hash, u64) {
        (Hash::from_bytes(*self.hasher.finalize().as_bytes()), self.bytes)
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        let mut sum = self.sum.lock().expect("no thread panics with this lock");
        update(&mut sum.hasher, &bytes[..written]);
        sum.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
