//! A disk that fails on demand, so that every call of the store can be seen to fail.

use super::disk::{Append, Claim, Claims, Disk, Entry, Guard, Lock, Metadata, Syncing, Version, Wait};
use arrow_buffer::Buffer;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which calls fail, and how.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The first call that fails, counted from 1.
    pub at: u64,
    pub lasting: Lasting,
    /// With what it fails; at an unexpected end, reading gives half of what is there instead, and says nothing.
    pub kind: io::ErrorKind,
    pub write: Torn,
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// One call fails, as by a disk that is full for a moment.
    Once,
    /// All later calls fail too, as if the process had died there.
    Forever,
}

/// What a write that fails leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Torn {
    /// Nothing.
    Nothing,
    /// The first half, under the final name, as by a machine that lost its power.
    Half,
}

/// A disk that does as the one inside, except for the calls that its fault names.
#[derive(Debug)]
pub struct FaultyDisk<D> {
    inner: D,
    fuse: Arc<Fuse>,
}

#[derive(Debug)]
struct Fuse {
    fault: Fault,
    calls: AtomicU64,
}

struct FaultyLog {
    inner: Box<dyn Append>,
    fuse: Arc<Fuse>,
}

struct FaultyClaims {
    inner: Box<dyn Claims>,
    fuse: Arc<Fuse>,
}

impl Fuse {
    fn burn(&self) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let fails = match self.fault.lasting {
            Lasting::Once => call == self.fault.at,
            Lasting::Forever => call >= self.fault.at,
        };
        if fails { Err(self.fault.kind.into()) } else { Ok(()) }
    }

    /// Whether the call that just failed leaves half of what it was given; later ones leave nothing.
    fn tears(&self) -> bool {
        self.fault.write == Torn::Half && self.calls.load(Ordering::SeqCst) == self.fault.at
    }
}

fn is_short(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

impl<D: Disk> FaultyDisk<D> {
    /// Wraps a disk; `inner` is cloned or shared by whoever wants to open it afterwards.
    pub fn new(inner: D, fault: Fault) -> FaultyDisk<D> {
        FaultyDisk { inner, fuse: Arc::new(Fuse { fault, calls: AtomicU64::new(0) }) }
    }

    fn burn_writing(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        self.fuse.burn().inspect_err(|_| {
            if self.fuse.tears() {
                let whole = parts.concat();
                let _ = self.inner.write_new(path, &[&whole[..whole.len() / 2]]);
            }
        })
    }

    /// Counts the calls so far, failed ones included.
    pub fn calls(&self) -> u64 {
        self.fuse.calls.load(Ordering::SeqCst)
    }
}

impl<D: Disk> Disk for FaultyDisk<D> {
    fn read(&self, path: &Path, from: u64) -> io::Result<Buffer> {
        let burnt = self.fuse.burn();
        if burnt.as_ref().is_err_and(is_short) {
            return self.inner.read(path, from).map(|bytes| bytes.slice_with_length(0, bytes.len() / 2));
        }
        burnt?;
        self.inner.read(path, from)
    }

    fn read_range(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let burnt = self.fuse.burn();
        if burnt.as_ref().is_err_and(is_short) {
            return self.inner.read_range(path, from, length / 2);
        }
        burnt?;
        self.inner.read_range(path, from, length)
    }

    fn write_new(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        self.burn_writing(path, parts)?;
        self.inner.write_new(path, parts)
    }

    fn write_durably(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        self.burn_writing(path, parts)?;
        self.inner.write_durably(path, parts)
    }

    fn append(&self, path: &Path, first: &[u8]) -> io::Result<Box<dyn Append>> {
        self.fuse.burn().inspect_err(|_| {
            if self.fuse.tears() {
                drop(self.inner.append(path, &first[..first.len() / 2]));
            }
        })?;
        Ok(Box::new(FaultyLog { inner: self.inner.append(path, first)?, fuse: self.fuse.clone() }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.fuse.burn()?;
        self.inner.list(folder)
    }

    fn version(&self, folder: &Path) -> io::Result<Option<Version>> {
        self.fuse.burn()?;
        self.inner.version(folder)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.fuse.burn()?;
        self.inner.sync(path)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.fuse.burn()?;
        self.inner.metadata(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fuse.burn()?;
        self.inner.remove(path)
    }

    fn lock(&self, path: &Path, lock: Lock, wait: Wait) -> io::Result<Option<Guard>> {
        self.fuse.burn()?;
        self.inner.lock(path, lock, wait)
    }

    fn claims(&self, path: &Path) -> io::Result<Box<dyn Claims>> {
        self.fuse.burn()?;
        Ok(Box::new(FaultyClaims { inner: self.inner.claims(path)?, fuse: self.fuse.clone() }))
    }
}

impl Append for FaultyLog {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.fuse.burn().inspect_err(|_| {
            if self.fuse.tears() {
                let _ = self.inner.append(&bytes[..bytes.len() / 2]);
            }
        })?;
        self.inner.append(bytes)
    }

    fn syncing(&mut self) -> io::Result<Syncing> {
        let (fuse, inner) = (self.fuse.clone(), self.inner.syncing()?);
        Ok(Box::new(move || {
            fuse.burn()?;
            inner()
        }))
    }
}

impl Claims for FaultyClaims {
    fn claim(&self, at: u64) -> io::Result<Claim> {
        self.fuse.burn()?;
        self.inner.claim(at)
    }

    fn release(&self, at: u64) -> io::Result<()> {
        self.fuse.burn()?;
        self.inner.release(at)
    }
}
