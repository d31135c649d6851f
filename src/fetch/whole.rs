//! A file that the user names, anywhere: written whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Writes a file beside its place, syncs it and renames it; makes its folder.
///
/// # Errors
/// `write` fails, or the file system does: then what was there before is still there.
pub fn write_whole<E: From<io::Error>>(target: &Path, write: impl FnOnce(&mut File) -> Result<(), E>) -> Result<(), E> {
    if target.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "there is a folder in its place").into());
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no file's name"))?;
    fs::create_dir_all(folder)?;
    let beside = folder.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let written = File::create(&beside).map_err(E::from).and_then(|mut file| {
        write(&mut file)?;
        file.sync_all()?;
        Ok(fs::rename(&beside, target)?)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_that_cannot_be_finished_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("new/a.txt");
        write_whole::<io::Error>(&target, |file| file.write_all(b"one")).unwrap();
        let failed = write_whole(&target, |file| {
            file.write_all(b"tw")?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read(&target).unwrap(), b"one");
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
        let onto = write_whole::<io::Error>(folder.path(), |_| Ok(()));
        assert_eq!(onto.unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
