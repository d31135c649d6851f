//! Claims of single bytes of a file as locks of the operating system, which end with their process.

use super::disk::{Claims, in_folder};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file for claims.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn Claims>> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = in_folder(path, open)?;
    handle(file, path)
}

/// Locks of an open file description: each handle has its own, also within one process.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn handle(file: File, _path: &Path) -> io::Result<Box<dyn Claims>> {
    Ok(Box::new(described::Handle(file)))
}

/// Locks of a process: one file is open for all handles, and stays open, for closing any would end all locks.
#[cfg(target_vendor = "apple")]
fn handle(file: File, path: &Path) -> io::Result<Box<dyn Claims>> {
    per_process::open(file, path)
}

/// Elsewhere a request may be sent by two processes at once, which costs money but is not wrong.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn handle(_file: File, _path: &Path) -> io::Result<Box<dyn Claims>> {
    struct Everything;
    impl Claims for Everything {
        fn claim(&self, _at: u64) -> io::Result<super::disk::Claim> {
            Ok(super::disk::Claim::Mine)
        }
        fn release(&self, _at: u64) -> io::Result<()> {
            Ok(())
        }
    }
    Ok(Box::new(Everything))
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
mod locks {
    use crate::store::disk::Claim;
    use nix::errno::Errno;
    use nix::libc::{F_UNLCK, F_WRLCK, SEEK_SET, c_short, flock, off_t};
    use std::io;

    /// Describes a lock of the byte `at`.
    pub(super) fn taken(at: u64) -> flock {
        describe(F_WRLCK as c_short, at)
    }

    /// Describes that the byte `at` is locked no more.
    pub(super) fn free(at: u64) -> flock {
        describe(F_UNLCK as c_short, at)
    }

    fn describe(l_type: c_short, at: u64) -> flock {
        // Where offsets are short, two claims meet more often; then one waits for the other.
        let l_start = (at & (off_t::MAX as u64 >> 1)) as off_t;
        flock { l_type, l_whence: SEEK_SET as c_short, l_start, l_len: 1, l_pid: 0 }
    }

    /// Reads the answer of the system.
    pub(super) fn judge(answer: nix::Result<i32>) -> io::Result<Claim> {
        match answer {
            Ok(_) => Ok(Claim::Mine),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(Claim::Elsewhere),
            // A file system without locks.
            Err(Errno::EINVAL | Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP) => Ok(Claim::Mine),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod described {
    use super::locks::{free, judge, taken};
    use crate::store::disk::{Claim, Claims};
    use nix::fcntl::{FcntlArg, fcntl};
    use std::fs::File;
    use std::io;

    pub(super) struct Handle(pub(super) File);

    impl Claims for Handle {
        fn claim(&self, at: u64) -> io::Result<Claim> {
            judge(fcntl(&self.0, FcntlArg::F_OFD_SETLK(&taken(at))))
        }

        fn release(&self, at: u64) -> io::Result<()> {
            judge(fcntl(&self.0, FcntlArg::F_OFD_SETLK(&free(at)))).map(drop)
        }
    }
}

#[cfg(any(target_vendor = "apple", all(test, target_os = "linux")))]
mod per_process {
    use super::locks::{free, judge, taken};
    use crate::store::disk::{Claim, Claims};
    use crate::store::sync::lock;
    use nix::fcntl::{FcntlArg, fcntl};
    use std::collections::HashMap;
    use std::fs::File;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, LazyLock, Mutex};

    /// The files that this process ever opened for claims.
    static OPEN: LazyLock<Mutex<HashMap<PathBuf, Arc<Shared>>>> = LazyLock::new(Mutex::default);

    struct Shared {
        file: File,
        held: Mutex<Held>,
    }

    #[derive(Default)]
    struct Held {
        handles: u64,
        bytes: HashMap<u64, u64>,
    }

    struct Handle {
        shared: Arc<Shared>,
        number: u64,
    }

    pub(super) fn open(file: File, path: &Path) -> io::Result<Box<dyn Claims>> {
        let path = path.canonicalize()?;
        let mut open = lock(&OPEN);
        // A second file of the same name would, when closed, end the locks of the first: it is kept open for good.
        let shared = match open.get(&path) {
            Some(shared) => {
                std::mem::forget(file);
                shared.clone()
            }
            None => open.entry(path).or_insert(Arc::new(Shared { file, held: Mutex::default() })).clone(),
        };
        let number = {
            let mut held = lock(&shared.held);
            held.handles += 1;
            held.handles
        };
        Ok(Box::new(Handle { shared, number }))
    }

    impl Claims for Handle {
        fn claim(&self, at: u64) -> io::Result<Claim> {
            let mut held = lock(&self.shared.held);
            match held.bytes.get(&at) {
                Some(number) if *number == self.number => return Ok(Claim::Mine),
                Some(_) => return Ok(Claim::Elsewhere),
                None => {}
            }
            let claim = judge(fcntl(&self.shared.file, FcntlArg::F_SETLK(&taken(at))))?;
            if claim == Claim::Mine {
                held.bytes.insert(at, self.number);
            }
            Ok(claim)
        }

        fn release(&self, at: u64) -> io::Result<()> {
            let mut held = lock(&self.shared.held);
            if held.bytes.get(&at) != Some(&self.number) {
                return Ok(());
            }
            held.bytes.remove(&at);
            judge(fcntl(&self.shared.file, FcntlArg::F_SETLK(&free(at)))).map(drop)
        }
    }

    impl Drop for Handle {
        fn drop(&mut self) {
            let held = lock(&self.shared.held).bytes.clone();
            held.iter().filter(|(_, number)| **number == self.number).for_each(|(at, _)| drop(self.release(*at)));
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::store::disk::Claim;

    fn check(open: impl Fn(&Path) -> Box<dyn Claims>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/claims");
        let (one, two) = (open(&path), open(&path));
        let far = (1 << 62) - 1;
        for at in [0, 7, far] {
            assert_eq!(one.claim(at).unwrap(), Claim::Mine);
            assert_eq!(two.claim(at).unwrap(), Claim::Elsewhere);
        }
        two.release(7).unwrap();
        assert_eq!(two.claim(7).unwrap(), Claim::Elsewhere, "only its holder ends a claim");
        one.release(7).unwrap();
        assert_eq!(two.claim(7).unwrap(), Claim::Mine);
        drop(open(&path));
        assert_eq!((two.claim(0).unwrap(), one.claim(7).unwrap()), (Claim::Elsewhere, Claim::Elsewhere));
        drop(one);
        assert_eq!((two.claim(0).unwrap(), two.claim(far).unwrap()), (Claim::Mine, Claim::Mine));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }

    #[test]
    fn a_byte_is_claimed_by_one_handle_until_that_is_gone() {
        check(|path| open(path).unwrap());
    }

    #[test]
    fn locks_of_a_process_tell_its_handles_apart() {
        check(|path| {
            let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            per_process::open(in_folder(path, open).unwrap(), path).unwrap()
        });
    }
}
