//! The project's folder: data files by content, template texts, and the files that exports write.

use super::StateFolder;
use super::files::{FilesError, FoundFile, expand, hash_file};
use crate::diag::Source;
use crate::hash::Hash;
use crate::store::{RealDisk, StatCache, StoreError, stat};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// Hands out the texts of template files; `path` is relative to the project folder.
pub trait Texts {
    /// Reads a text, if there is one, or says why it cannot be read.
    fn read(&self, path: &str) -> Result<Option<Arc<Source>>, String>;
}

/// A project's folder, and what is remembered of the files in and around it.
///
/// Whatever is asked of it is noted, so that a later build can tell whether all of it is as it was.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    stat: Mutex<StatCache>,
    seen: Mutex<Seen>,
}

/// What was asked of the files in and around a project, and what the answers were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Path → contents, of every file.
    contents: BTreeMap<String, Hash>,
    /// Pattern → the paths that it matched, where that is not the path that it is.
    matches: BTreeMap<String, Vec<String>>,
    /// Paths of files that were looked for and are not there.
    #[serde(default)]
    absent: BTreeSet<String>,
    /// Variable of the environment → the hash of its value, if it has one.
    #[serde(default)]
    variables: BTreeMap<String, Option<Hash>>,
}

impl Workspace {
    /// Opens the project in `root`.
    pub fn open(root: &Path) -> Workspace {
        let stat = StatCache::load(Arc::new(RealDisk), &StateFolder::of(root).path("stat"));
        Workspace { root: root.to_owned(), stat: Mutex::new(stat), seen: Mutex::default() }
    }

    /// Returns the project's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder for what is kept beside the manifest.
    pub fn state(&self) -> StateFolder {
        StateFolder::of(&self.root)
    }

    /// Finds the files of a pattern, sorted by path; see [`expand`].
    pub fn find(&self, pattern: &str) -> Result<Vec<FoundFile>, FilesError> {
        let found = expand(&self.root, &[pattern])?;
        if !matches!(found.as_slice(), [file] if file.path == pattern) {
            let paths = found.iter().map(|file| file.path.clone()).collect();
            self.seen().matches.insert(pattern.to_owned(), paths);
        }
        Ok(found)
    }

    /// Reads a whole file of the project.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let absolute = self.root.join(path);
        let (before, checked_at) = (stat(&absolute)?, SystemTime::now());
        let bytes = fs::read(&absolute)?;
        let hash = Hash::of(&bytes);
        if stat(&absolute)? == before {
            self.lock().set(path, before, hash, checked_at);
        }
        self.note(path, hash);
        Ok(bytes)
    }

    /// Returns all that was asked so far.
    pub fn everything_seen(&self) -> Seen {
        self.seen().clone()
    }

    /// Returns whether the same questions would be answered as they were.
    pub fn is_as_it_was(&self, seen: &Seen) -> bool {
        let found = |path: &String| FoundFile { path: path.clone(), absolute: self.root.join(path) };
        seen.contents.iter().all(|(path, hash)| self.hash(&found(path)).is_ok_and(|now| now == *hash))
            && seen
                .matches
                .iter()
                .all(|(pattern, paths)| self.find(pattern).is_ok_and(|now| now.iter().map(|file| &file.path).eq(paths)))
            && seen.variables.iter().all(|(name, hash)| self.variable(name).map(|value| hash_of(&value)) == *hash)
            && seen.absent.iter().all(|path| fs::metadata(self.root.join(path)).is_err_and(|error| is_absence(&error)))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().expect("no thread panics with this lock")
    }

    fn note(&self, path: &str, hash: Hash) {
        self.seen().contents.insert(path.to_owned(), hash);
    }

    /// Returns the hash of a data file's bytes; reads it only if its stat tells that it may have changed.
    pub fn hash(&self, file: &FoundFile) -> Result<Hash, FilesError> {
        let hash = self.hash_of(file)?;
        self.note(&file.path, hash);
        Ok(hash)
    }

    fn hash_of(&self, file: &FoundFile) -> Result<Hash, FilesError> {
        let now = stat(&file.absolute)?;
        if let Some(known) = self.lock().get(&file.path, &now) {
            return Ok(known);
        }
        let checked_at = SystemTime::now();
        let hash = hash_file(file)?;
        // The stat is of before the reading: if the file changes meanwhile, it will not agree.
        self.lock().set(&file.path, now, hash, checked_at);
        Ok(hash)
    }

    /// Returns whether there is a file at a path of the project.
    pub fn has_file(&self, path: &str) -> bool {
        match fs::metadata(self.root.join(path)) {
            Ok(data) => data.is_file(),
            Err(error) => {
                if is_absence(&error) {
                    self.seen().absent.insert(path.to_owned());
                }
                false
            }
        }
    }

    /// Returns the value of a variable of the environment.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        let value = std::env::var_os(name);
        self.seen().variables.insert(name.to_owned(), value.as_deref().map(hash_of));
        value
    }

    /// Returns the hash of a file that an export wrote, if it is there.
    pub fn hash_output(&self, path: &str) -> Option<Hash> {
        let absolute = self.root.join(path);
        absolute.is_file().then_some(())?;
        self.hash(&FoundFile { path: path.to_owned(), absolute }).ok()
    }

    /// Writes a file beside its place and renames it; returns its hash and size in bytes.
    ///
    /// # Errors
    /// If the path leads out of the project, or `write` fails: then nothing has changed.
    pub fn write_output<E: From<io::Error>>(
        &self,
        path: &str,
        write: impl FnOnce(fs::File) -> Result<(), E>,
    ) -> Result<(Hash, u64), E> {
        let target = self.inside(path)?;
        let folder = target.parent().expect("a file in a project has a folder");
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        sweep(folder, &name);
        let beside = folder.join(format!(".{name}.{}.tmp", std::process::id()));
        let written = fs::File::create(&beside)
            .map_err(E::from)
            .and_then(write)
            .and_then(|()| Ok(self.publish(&beside, &target, path)?));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    }

    fn publish(&self, beside: &Path, target: &Path, path: &str) -> io::Result<(Hash, u64)> {
        let file = FoundFile { path: path.to_owned(), absolute: beside.to_owned() };
        let hash = hash_file(&file).map_err(|error| io::Error::other(error.to_string()))?;
        let bytes = fs::metadata(beside)?.len();
        fs::rename(beside, target)?;
        if let Ok(now) = stat(target) {
            self.lock().set(path, now, hash, SystemTime::now());
        }
        self.note(path, hash);
        Ok((hash, bytes))
    }

    /// Returns the place of an output, with its folder made; refuses one that a link would lead out of the project.
    fn inside(&self, path: &str) -> io::Result<PathBuf> {
        let refused = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned()));
        if Path::new(path).components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return refused("exports stay inside the project folder");
        }
        let target = self.root.join(path);
        let folder = target.parent().expect("a file in a project has a folder");
        fs::create_dir_all(folder)?;
        if !fs::canonicalize(folder)?.starts_with(fs::canonicalize(&self.root)?) {
            return refused("a link leads out of the project folder");
        }
        if target.is_dir() {
            return refused("there is a folder in its place");
        }
        Ok(target)
    }

    /// Keeps what was learned of files for the next time.
    pub fn save(&self) -> Result<(), StoreError> {
        self.lock().save()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, StatCache> {
        self.stat.lock().expect("no thread panics with this lock")
    }
}

/// Returns the hash by which the value of a variable is known.
pub fn hash_of(value: &OsStr) -> Hash {
    Hash::of(value.as_encoded_bytes())
}

/// Bytes that a template file may have.
const LARGEST_TEXT: u64 = 16 << 20;

/// Returns whether an error says that there is no such file.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl Texts for Workspace {
    fn read(&self, path: &str) -> Result<Option<Arc<Source>>, String> {
        let real = match fs::canonicalize(self.root.join(path)) {
            Ok(real) => real,
            Err(error) if is_absence(&error) => {
                self.seen().absent.insert(path.to_owned());
                return Ok(None);
            }
            Err(error) => return Err(super::plain(&error)),
        };
        let root = fs::canonicalize(&self.root).map_err(|error| super::plain(&error))?;
        if !real.starts_with(&root) {
            return Err("a link leads out of the project folder".to_owned());
        }
        if real.metadata().is_ok_and(|data| data.len() > LARGEST_TEXT) {
            return Err("it is larger than 16 MiB".to_owned());
        }
        let bytes = self.read(path).map_err(|error| super::plain(&error))?;
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
        Ok(Some(Source::new(path, text)))
    }
}

/// Removes what builds left that died while they wrote the file `name`; builds of a project follow each other.
fn sweep(folder: &Path, name: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_left = |left: &str| left.starts_with(&format!(".{name}.")) && left.ends_with(".tmp");
        if entry.file_name().to_str().is_some_and(is_left) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
