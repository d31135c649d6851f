//! What can go wrong with the store, in the user's words.

use crate::hash::Hash;
use std::path::Path;
use std::{fmt, io};

/// A blob that is not there, or a disk that does not do what it is asked.
#[derive(Debug)]
pub enum StoreError {
    /// The blob is absent or damaged: whoever needs it makes it again.
    Missing(Hash),
    /// The disk refused; `what` names the action and the path.
    Io { what: String, source: io::Error },
}

impl StoreError {
    /// Wraps an error of the disk: `action` is a verb, as in "cannot write `path`".
    pub fn io(action: &str, path: &Path, source: io::Error) -> StoreError {
        StoreError::Io { what: format!("cannot {action} `{}`", path.display()), source }
    }

    /// Returns whether the disk, or what we may use of it, is full.
    pub fn is_full(&self) -> bool {
        let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        matches!(self, StoreError::Io { source, .. } if full(source.kind()))
    }

    /// A file that is whole, and written in a way that this version does not know.
    pub(super) fn later(path: &Path) -> StoreError {
        StoreError::io("read", path, io::Error::other("it was written by a later version of datamake"))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Missing(hash) => write!(f, "the blob `{}` is missing from the store or damaged", hash.short()),
            StoreError::Io { what, source } => match source.kind() {
                io::ErrorKind::StorageFull => write!(f, "{what}: no space left on device"),
                io::ErrorKind::ReadOnlyFilesystem => write!(f, "{what}: read-only file system"),
                io::ErrorKind::QuotaExceeded => write!(f, "{what}: disk quota exceeded"),
                io::ErrorKind::NotFound => write!(f, "{what}: no such file or folder"),
                // The system's words say more than the kind's, where the kind is none.
                io::ErrorKind::Other => write!(f, "{what}: {source}"),
                kind if kind.to_string().starts_with("uncategorized") => write!(f, "{what}: {source}"),
                kind => write!(f, "{what}: {kind}"),
            },
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Missing(_) => None,
            StoreError::Io { source, .. } => Some(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: io::Error, expect: &str) {
        assert_eq!(StoreError::io("write", Path::new(".datamake/store/log"), source).to_string(), expect);
    }

    #[test]
    fn a_full_disk_is_said_in_plain_words() {
        check(io::ErrorKind::StorageFull.into(), "cannot write `.datamake/store/log`: no space left on device");
        check(io::Error::from_raw_os_error(28), "cannot write `.datamake/store/log`: no space left on device");
        check(io::ErrorKind::PermissionDenied.into(), "cannot write `.datamake/store/log`: permission denied");
    }
}
