//! The project's folder: data files by content, template texts, and the files that exports write.

use super::files::{Blocks, FilesError, FoundFile, HashedFile, Sum, expand_noting, hash_file};
use super::seen::{Closer, Matches, Questions, Same, Seen, hash_of};
use super::{StateFolder, is_absence};
use crate::diag::Source;
use crate::hash::Hash;
use crate::store::{FileStat, RealDisk, StatCache, StoreError, stat};
use rayon::prelude::*;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::SystemTime;

/// Hands out the texts of template files; `path` is relative to the project folder.
pub trait Texts {
    /// Reads a text, if there is one, or says why it cannot be read.
    fn read(&self, path: &str) -> Result<Option<Arc<Source>>, String>;

    /// Reads the bytes of a file that may be no text, if there is one, or says why it cannot be read.
    fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.read(path)?.map(|source| source.text.clone().into()))
    }
}

/// A project's folder, and what is remembered of the files in and around it.
///
/// Whatever is asked of it is noted, so that a later build can tell whether all of it is as it was.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    /// Loaded when it is first asked.
    stat: OnceLock<StatCache>,
    seen: Mutex<Seen>,
    /// The blocks of the files that were hashed, by the hashes of the files.
    blocks: Mutex<HashMap<Hash, Blocks>>,
}

/// A file beside the place of an output. It is removed when this is dropped, unless it was published.
pub struct Draft {
    path: String,
    target: PathBuf,
    beside: PathBuf,
    sum: Arc<Mutex<Sum>>,
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Best effort: what stays behind is swept away by the next file for the same place.
        let _ = fs::remove_file(&self.beside);
    }
}

impl Workspace {
    /// Opens the project in `root`.
    pub fn open(root: &Path) -> Workspace {
        Workspace { root: root.to_owned(), stat: OnceLock::new(), seen: Mutex::default(), blocks: Mutex::default() }
    }

    /// Returns the project's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder for what is kept beside the manifest.
    pub fn state(&self) -> StateFolder {
        StateFolder::of(&self.root)
    }

    /// Finds the files of a pattern, sorted by path; see [`expand`](super::files::expand).
    pub fn find(&self, pattern: &str) -> Result<Vec<FoundFile>, FilesError> {
        let begun = SystemTime::now();
        let (found, folders) = expand_noting(&self.root, pattern)?;
        if !matches!(found.as_slice(), [file] if file.path == pattern) {
            // A folder that has not changed since well before it was listed has the names that were found.
            let look = |folder: PathBuf| {
                let look = stat(&folder).ok().filter(|look| look.settled_at(begun))?;
                Some((folder.into_os_string().into_string().ok()?, look))
            };
            let folders = folders.and_then(|folders| folders.into_iter().map(look).collect());
            let paths = hash_of_paths(&found);
            self.seen().matches.insert(pattern.to_owned(), Matches { paths, folders });
        }
        Ok(found)
    }

    /// Reads a whole file of the project.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let absolute = self.root.join(path);
        let (before, checked_at) = (stat(&absolute)?, SystemTime::now());
        let bytes = fs::read(&absolute)?;
        let hash = Hash::of(&bytes);
        let look = stat(&absolute)?;
        if look == before {
            self.cache().set(path, before, hash, checked_at);
        }
        self.note(path, hash, (look == before && look.settled_at(checked_at)).then_some(look));
        Ok(bytes)
    }

    /// Returns all that was asked so far.
    pub fn everything_seen(&self) -> Seen {
        self.seen().clone()
    }

    /// Returns whether the same questions would be answered as they were. What takes a closer look is noted.
    pub fn is_as_it_was(&self, questions: &Questions) -> Same {
        questions.ask(&self.root, self)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().expect("no thread panics with this lock")
    }

    /// Notes what a file holds, and what it looks like if that tells what it holds.
    fn note(&self, path: &str, hash: Hash, look: Option<FileStat>) {
        self.seen().contents.insert(path.to_owned(), (hash, look));
    }

    /// Returns the hash of a data file's bytes; reads it only if its stat tells that it may have changed.
    pub fn hash(&self, file: &FoundFile) -> Result<Hash, FilesError> {
        let (hash, look) = self.look(file)?;
        self.note(&file.path, hash, look);
        Ok(hash)
    }

    /// Returns whether a file that was hashed still has these contents. What was noted of it stays.
    pub fn still_has(&self, path: &str, hash: Hash) -> bool {
        let file = FoundFile { path: path.to_owned(), absolute: self.root.join(path) };
        self.look(&file).is_ok_and(|(now, _)| now == hash)
    }

    /// Returns the hash of a file's bytes, and what it looks like if that tells what it holds.
    fn look(&self, file: &FoundFile) -> Result<(Hash, Option<FileStat>), FilesError> {
        let now = stat(&file.absolute)?;
        if let Some(known) = self.cache().get(&file.path, &now) {
            return Ok((known, Some(now)));
        }
        let checked_at = SystemTime::now();
        let (hash, blocks) = hash_file(file)?;
        if !blocks.is_empty() {
            self.blocks.lock().expect("no thread panics with this lock").insert(hash, blocks);
        }
        // The stat is of before the reading: if the file changes meanwhile, it will not agree.
        self.cache().set(&file.path, now, hash, checked_at);
        Ok((hash, now.settled_at(checked_at).then_some(now)))
    }

    /// Returns the hashes of many files.
    pub fn hash_all(&self, files: &[FoundFile]) -> Vec<Result<Hash, FilesError>> {
        files.par_iter().map(|file| self.hash(file)).collect()
    }

    /// Returns the blocks of a file of this hash, if it was hashed now and has several.
    pub fn blocks(&self, hash: Hash) -> Option<Blocks> {
        self.blocks.lock().expect("no thread panics with this lock").get(&hash).cloned()
    }

    /// Returns what the system said of a data file when it was hashed, if no later change can look the same.
    pub fn settled(&self, file: &FoundFile) -> Option<FileStat> {
        self.cache().stat(&file.path)
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
        write: impl FnOnce(HashedFile) -> Result<(), E>,
    ) -> Result<(Hash, u64), E> {
        let (file, draft) = self.draft(path)?;
        write(file)?;
        Ok(self.publish(draft)?)
    }

    /// Begins a file beside the place of an output, for [`Workspace::publish`] once all of it is written.
    ///
    /// # Errors
    /// If the path leads out of the project, or nothing can be written there.
    pub fn draft(&self, path: &str) -> io::Result<(HashedFile, Draft)> {
        let target = self.inside(path)?;
        let folder = target.parent().expect("a file in a project has a folder");
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        sweep(folder, &name);
        let beside = folder.join(format!(".{name}.{}.tmp", std::process::id()));
        let (file, sum) = HashedFile::new(fs::File::create(&beside)?);
        Ok((file, Draft { path: path.to_owned(), target, beside, sum }))
    }

    /// Puts a file that was written whole into its place; returns its hash and size in bytes.
    pub fn publish(&self, draft: Draft) -> io::Result<(Hash, u64)> {
        let (hash, bytes) = draft.sum.lock().expect("no thread panics with this lock").of();
        fs::rename(&draft.beside, &draft.target)?;
        if let Ok(now) = stat(&draft.target) {
            self.cache().set(&draft.path, now, hash, SystemTime::now());
        }
        // Just written, so its times do not tell enough yet.
        self.note(&draft.path, hash, None);
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
        // Looked at before anything is made, and once more after that.
        let leads_out = |folder: &Path| -> io::Result<bool> {
            Ok(!fs::canonicalize(folder)?.starts_with(fs::canonicalize(&self.root)?))
        };
        let there = folder.ancestors().find(|folder| folder.symlink_metadata().is_ok()).unwrap_or(&self.root);
        if leads_out(there)? {
            return refused("a link leads out of the project folder");
        }
        fs::create_dir_all(folder)?;
        if leads_out(folder)? {
            return refused("a link leads out of the project folder");
        }
        if target.is_dir() {
            return refused("there is a folder in its place");
        }
        Ok(target)
    }

    /// Keeps what was learned of files for the next time.
    pub fn save(&self) -> Result<(), StoreError> {
        self.stat.get().map_or(Ok(()), StatCache::save)
    }

    fn cache(&self) -> &StatCache {
        self.stat.get_or_init(|| StatCache::load(Arc::new(RealDisk), &self.state().path("stat")))
    }
}

impl Closer for Workspace {
    fn contents(&self, path: &str) -> Option<Hash> {
        self.hash(&FoundFile { path: path.to_owned(), absolute: self.root.join(path) }).ok()
    }

    fn matches(&self, pattern: &str) -> Option<Hash> {
        self.find(pattern).ok().map(|found| hash_of_paths(&found))
    }
}

fn hash_of_paths(files: &[FoundFile]) -> Hash {
    // No path has a NUL.
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    Hash::of(paths.join("\0").as_bytes())
}

/// Bytes that a template file may have.
const LARGEST_TEXT: u64 = 16 << 20;
/// Bytes that a file of a static model may have.
const LARGEST_MODEL: u64 = 4 << 30;

impl Texts for Workspace {
    fn read(&self, path: &str) -> Result<Option<Arc<Source>>, String> {
        let Some(bytes) = self.read_inside(path, LARGEST_TEXT, "16 MiB")? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
        Ok(Some(Source::new(path, text)))
    }

    fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.read_inside(path, LARGEST_MODEL, "4 GiB")
    }
}

impl Workspace {
    /// Reads a file that is inside the project, links followed, and not larger than what may be.
    fn read_inside(&self, path: &str, largest: u64, told: &str) -> Result<Option<Vec<u8>>, String> {
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
        if real.metadata().is_ok_and(|data| data.len() > largest) {
            return Err(format!("it is larger than {told}"));
        }
        self.read(path).map(Some).map_err(|error| super::plain(&error))
    }
}

/// Removes what builds left that died while they wrote the file `name`; builds of a project follow each other.
fn sweep(folder: &Path, name: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let left = entry.file_name();
        let process = left.to_str().and_then(|left| left.strip_prefix(&format!(".{name}."))?.strip_suffix(".tmp"));
        // Not those of a file whose name goes on after this one.
        if process.is_some_and(|process| process.bytes().all(|byte| byte.is_ascii_digit())) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
