//! `.datamake`: what is kept beside the manifest. The folder is the user's to delete, and never Git's to keep.

use crate::store::{Disk, RealDisk};
use std::fs::{self, File};
use std::io::{self, ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem};
use std::path::{Path, PathBuf};

/// The name of the folder.
const NAME: &str = ".datamake";

/// The folder of a project for what datamake knows of this checkout alone.
#[derive(Clone, Debug)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// Names the folder of the project in `root`, which need not be there.
    pub fn of(root: &Path) -> StateFolder {
        StateFolder(root.join(NAME))
    }

    /// Returns the path of a file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Reads a file, if it is there and is text.
    pub fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// Reads a file, if it is there.
    pub fn read_bytes(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    /// Makes a folder in it.
    pub fn folder(&self, name: &str) -> io::Result<PathBuf> {
        self.make()?;
        let folder = self.path(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Writes a file whole or not at all; makes the folder.
    pub fn write(&self, name: &str, contents: &[u8]) -> io::Result<()> {
        self.make()?;
        RealDisk.write_new(&self.path(name), &[contents])
    }

    /// Locks a file until it is dropped or the process ends; `waiting` is called if another process holds it.
    pub fn lock(&self, name: &str, waiting: &dyn Fn()) -> io::Result<File> {
        self.make()?;
        let path = self.path(name);
        let file = match File::options().create(true).truncate(false).write(true).open(&path) {
            // A lock needs no right to write, and a build that finds all fresh needs none either.
            Err(error) if matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) => {
                File::open(&path).map_err(|_| error)?
            }
            opened => opened?,
        };
        if file.try_lock().is_err() {
            waiting();
            file.lock()?;
        }
        Ok(file)
    }

    fn make(&self) -> io::Result<()> {
        if self.0.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.0)?;
        fs::write(self.path(".gitignore"), "*\n")
    }
}
