//! The one narrow door to the disk: the store does everything through these few calls, so that a test can fail the n-th.

use super::claims;
use super::stat::stat;
use arrow_buffer::{Buffer, MutableBuffer};
use std::any::Any;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// How the name of a file ends that is still being written, or was when its writer died.
pub(super) const TEMPORARY: &str = ".tmp";

/// All that the store asks of a disk.
pub trait Disk: Send + Sync + Debug {
    /// Reads a file from the byte `from` to its end, aligned to at least 32 bytes.
    fn read(&self, path: &Path, from: u64) -> io::Result<Buffer>;

    /// Reads `length` bytes of a file from the byte `from` on; fewer if it ends before.
    fn read_range(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>>;

    /// Writes a file whole or not at all: under a temporary name beside it, then renamed. Makes its folders; replaces
    /// what is there.
    fn write_new(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()>;

    /// Does the same, and returns only when the file would outlive a loss of power: for what is not made again, and for
    /// what takes the place of files that are removed next.
    fn write_durably(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()>;

    /// Makes a new file that begins with `first`, and that this process alone appends to. Nobody sees it before it is
    /// locked; the lock lasts as long as the handle.
    fn append(&self, path: &Path, first: &[u8]) -> io::Result<Box<dyn Append>>;

    /// Lists a folder by name; an absent folder is empty.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;

    /// Says what a folder looks like; nothing while that can stay the same though names come or go.
    fn version(&self, folder: &Path) -> io::Result<Option<Version>>;

    /// Returns when what was written to a file, by whomever, would outlive a loss of power.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Says what is at a path.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Locks a file; nothing if somebody holds it and `wait` says not to wait. The operating system lets go of it when the
    /// process ends.
    fn lock(&self, path: &Path, lock: Lock, wait: Wait) -> io::Result<Option<Guard>>;

    /// Opens a file of which processes claim single bytes; it is made if need be.
    fn claims(&self, path: &Path) -> io::Result<Box<dyn Claims>>;
}

/// A file that only its owner appends to.
pub trait Append: Send {
    /// Appends `bytes`; after an error, some of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns what syncs all that was appended, and the file's name: after it, they would outlive a loss of power. More may be
    /// appended meanwhile. After an error it is not tried again.
    fn syncing(&mut self) -> io::Result<Syncing>;
}

/// What may take its time on another thread.
pub type Syncing = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// The bytes of a file that are claimed through this handle. All claims end with the handle, and so with the process.
pub trait Claims: Send + Sync {
    /// Claims the byte `at`. Where nothing can be locked, everything is ours.
    fn claim(&self, at: u64) -> io::Result<Claim>;

    /// Ends the claim of a byte.
    fn release(&self, at: u64) -> io::Result<()>;
}

/// Who has a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Whoever asks.
    Mine,
    /// Another process, or another handle of this one.
    Elsewhere,
}

/// What a folder looks like: as long as that is the same, no name in it came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u64, pub u64);

/// Who may hold a lock at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Several, as long as nobody holds it alone. The file is made if need be.
    Shared,
    /// One. The file is made if need be.
    Exclusive,
    /// One, and only if the file is there: a log may vanish, and must not come back empty.
    Existing,
}

/// What to do about a lock that somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Wait for it.
    UntilFree,
    /// Give up at once.
    Never,
}

/// Holds a lock until dropped.
pub struct Guard {
    _held: Box<dyn Any + Send>,
}

impl Guard {
    /// Wraps what lets go of the lock when dropped.
    pub fn new(held: impl Any + Send) -> Guard {
        Guard { _held: Box::new(held) }
    }
}

impl Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub kind: Kind,
    /// In bytes; 0 for a folder.
    pub len: u64,
}

/// A file or a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub metadata: Metadata,
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn read(&self, path: &Path, from: u64) -> io::Result<Buffer> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len().saturating_sub(from);
        let length = usize::try_from(length).map_err(|_| io::Error::from(ErrorKind::FileTooLarge))?;
        if from > 0 {
            file.seek(SeekFrom::Start(from))?;
        }
        let mut bytes = MutableBuffer::from_len_zeroed(length);
        let mut filled = 0;
        while filled < length {
            match file.read(&mut bytes.as_slice_mut()[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes.into())
    }

    fn read_range(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        if from > 0 {
            file.seek(SeekFrom::Start(from))?;
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length)?;
        file.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write_new(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        write(path, parts, |_| Ok(()))
    }

    fn write_durably(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        write(path, parts, File::sync_all)?;
        // The name is durable when its folder is; a system that cannot open folders syncs names by itself.
        match path.parent() {
            Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn append(&self, path: &Path, first: &[u8]) -> io::Result<Box<dyn Append>> {
        if path.exists() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let folders = unnamed(path);
        let temporary = beside(path);
        let made = create(&temporary).and_then(|mut file| {
            match file.try_lock() {
                // Where files cannot be locked nobody can tell that a log is finished, so nobody touches it.
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
                locked => locked.map_err(io::Error::from)?,
            }
            file.write_all(first)?;
            fs::rename(&temporary, path)?;
            Ok(file)
        });
        tidy(&temporary, made).map(|file| Box::new(Log { file, folders }) as Box<dyn Append>)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let found = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(entries),
            found => found?,
        };
        for entry in found {
            let entry = entry?;
            let metadata = match entry.metadata() {
                // Removed by another process while we were looking.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                metadata => describe(&metadata?),
            };
            // The store gives no such names, so the file is not ours.
            if let Ok(name) = entry.file_name().into_string() {
                entries.push(Entry { name, metadata });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn version(&self, folder: &Path) -> io::Result<Option<Version>> {
        let now = SystemTime::now();
        let found = stat(folder)?;
        Ok(found.settled_at(now).then_some(Version(found.mtime_ns as u64, found.inode)))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        // Some systems want the right to write for it.
        OpenOptions::new().read(true).write(cfg!(windows)).open(path)?.sync_data()
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        Ok(describe(&fs::metadata(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn lock(&self, path: &Path, lock: Lock, wait: Wait) -> io::Result<Option<Guard>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && lock != Lock::Existing => {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?
            }
            // A lock needs no right to write.
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                File::open(path)?
            }
            opened => opened?,
        };
        let locked = match (lock, wait) {
            (Lock::Shared, Wait::UntilFree) => file.lock_shared().map_err(TryLockError::Error),
            (Lock::Exclusive | Lock::Existing, Wait::UntilFree) => file.lock().map_err(TryLockError::Error),
            (Lock::Shared, Wait::Never) => file.try_lock_shared(),
            (Lock::Exclusive | Lock::Existing, Wait::Never) => file.try_lock(),
        };
        match locked {
            Ok(()) => Ok(Some(Guard::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn claims(&self, path: &Path) -> io::Result<Box<dyn Claims>> {
        claims::open(path)
    }
}

/// A file that is appended to, and the folders in which names are new that were not synced yet.
struct Log {
    file: File,
    folders: Vec<PathBuf>,
}

impl Append for Log {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = self.file.stream_position()?;
        self.file.write_all(bytes).inspect_err(|_| {
            // Best effort: a torn end is passed over by who reads, and told by `verify`.
            let _ = self.file.set_len(before);
        })
    }

    fn syncing(&mut self) -> io::Result<Syncing> {
        let (file, folders) = (self.file.try_clone()?, std::mem::take(&mut self.folders));
        Ok(Box::new(move || {
            file.sync_data()?;
            folders.iter().try_for_each(|folder| File::open(folder)?.sync_all())
        }))
    }
}

/// Returns the folders that get a new name when a file is made at `path`: its own, and those in which folders are missing.
fn unnamed(path: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    // A system that cannot open folders syncs names by itself.
    for folder in path.ancestors().skip(1).take_while(|_| cfg!(unix)) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        folders.push(folder.to_owned());
        if folder.exists() {
            break;
        }
    }
    folders
}

/// Names a temporary file in the same folder, so that a rename is enough.
fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.subsec_nanos());
    path.with_file_name(format!(".{name}-{:x}-{count:x}-{now:x}{TEMPORARY}", std::process::id()))
}

/// Writes a file beside its place, hands it to `settle`, and renames it.
fn write(path: &Path, parts: &[&[u8]], settle: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let temporary = beside(path);
    let written = create(&temporary).and_then(|mut file| {
        parts.iter().try_for_each(|part| file.write_all(part))?;
        settle(&file)?;
        drop(file);
        fs::rename(&temporary, path)
    });
    tidy(&temporary, written)
}

fn create(path: &Path) -> io::Result<File> {
    in_folder(path, || OpenOptions::new().write(true).create_new(true).open(path))
}

/// Calls `create`, and once more with the folder of `path` made if that is what it lacked.
pub(super) fn in_folder(path: &Path, create: impl Fn() -> io::Result<File>) -> io::Result<File> {
    match (create(), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            create()
        }
        (created, _) => created,
    }
}

fn tidy<T>(temporary: &Path, result: io::Result<T>) -> io::Result<T> {
    if result.is_err() {
        // Best effort: what stays behind is removed by gc.
        let _ = fs::remove_file(temporary);
    }
    result
}

fn describe(metadata: &fs::Metadata) -> Metadata {
    let (kind, len) = if metadata.is_dir() { (Kind::Folder, 0) } else { (Kind::File, metadata.len()) };
    Metadata { kind, len }
}
