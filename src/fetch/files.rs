//! Finding data files by name and pattern, and reading them so that what was hashed is what was read.

mod blocks;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use blocks::{Blocks, Checked, common_prefix, hash_file};
pub use read::{DataFile, Known, open, open_whole, read_full};
pub use write::HashedFile;
pub(super) use write::Sum;

use super::plain;
use crate::diag::{list, nearest};
use crate::format::Format;
use globset::{GlobBuilder, GlobMatcher};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// A data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// As the user knows it: relative to the project if the pattern is, with `/` between folders.
    pub path: String,
    pub absolute: PathBuf,
}

/// Why a pattern gives no files, or a file no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesError {
    /// Lower case, one line, no full stop. Of [`expand`] it names the path; of a file that the caller named it does not.
    pub title: String,
    /// What to do.
    pub help: Option<String>,
}

impl FilesError {
    fn new(title: impl Into<String>) -> FilesError {
        FilesError { title: title.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> FilesError {
        FilesError { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)
    }
}

impl std::error::Error for FilesError {}

impl From<io::Error> for FilesError {
    fn from(error: io::Error) -> FilesError {
        FilesError::new(plain(&error))
    }
}

/// Finds the files of all patterns, sorted by path, each once.
///
/// A pattern is a path in which `*` and `?` stand for parts of a name, `[…]` for a character, `{a,b}` for either and `**` for
/// any folders; or the path of one file, as it is. It is relative to `root` or absolute, and may leave the project.
/// Names that begin with a dot match only what begins with a dot. Folders that match are passed over.
pub fn expand(root: &Path, patterns: &[&str]) -> Result<Vec<FoundFile>, FilesError> {
    let mut found = BTreeMap::new();
    for pattern in patterns {
        expand_one(root, &normal(pattern), &mut found)?;
    }
    Ok(files(found))
}

/// Does the same for one pattern, and names the folders that were listed. None, if names that come and go in them are not all
/// that can change what the pattern matches: where there are links.
pub fn expand_noting(root: &Path, pattern: &str) -> Result<(Vec<FoundFile>, Option<Vec<PathBuf>>), FilesError> {
    let mut found = BTreeMap::new();
    let folders = expand_one(root, &normal(pattern), &mut found)?;
    Ok((files(found), folders))
}

fn files(found: BTreeMap<String, PathBuf>) -> Vec<FoundFile> {
    found.into_iter().map(|(path, absolute)| FoundFile { path, absolute }).collect()
}

/// Drops `./` and repeated slashes, which name nothing.
fn normal(pattern: &str) -> String {
    let parts: Vec<&str> = pattern.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let start = if pattern.starts_with('/') { "/" } else { "" };
    format!("{start}{}", parts.join("/"))
}

/// The folders that were listed for a pattern; none where links make more of them.
type Listed = Option<Vec<PathBuf>>;

fn expand_one(root: &Path, pattern: &str, found: &mut BTreeMap<String, PathBuf>) -> Result<Listed, FilesError> {
    if pattern.is_empty() || pattern == "/" {
        return Err(FilesError::new("a file pattern is empty"));
    }
    let absolute = root.join(pattern);
    // A file may be called `a[1].csv`: a path that exists is no pattern.
    if !is_pattern(pattern) || absolute.symlink_metadata().is_ok() {
        literal(pattern, &absolute)?;
        found.insert(pattern.to_owned(), absolute);
        return Ok(None);
    }
    let parts: Vec<&str> = pattern.split('/').collect();
    let fixed = parts.iter().take_while(|part| !is_pattern(part)).count();
    let base = match parts[..fixed].join("/") {
        base if fixed > 0 && base.is_empty() => "/".to_owned(),
        base => base,
    };
    let glob = Glob::new(&parts[fixed..])?;
    let before = found.len();
    let mut repeats = 0;
    let listed = glob.walk(&root.join(&base), &base, |path, absolute| {
        repeats += usize::from(found.insert(path, absolute).is_some());
    })?;
    if found.len() == before && repeats == 0 {
        return Err(nothing(root, pattern, &base));
    }
    Ok(listed)
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Checks that a path without a pattern is a file that can be read.
fn literal(path: &str, absolute: &Path) -> Result<(), FilesError> {
    match absolute.metadata() {
        Ok(data) if data.is_dir() => {
            let help = match extensions(absolute).first() {
                Some(extension) => format!("for the files in it: \"{path}/*.{extension}\""),
                None => format!("for the files in it: \"{path}/*\""),
            };
            Err(FilesError::new(format!("`{path}` is a folder, not a file")).help(help))
        }
        Ok(data) if data.is_file() => Ok(()),
        Ok(_) => Err(FilesError::new(format!("`{path}` is not a regular file"))),
        Err(error) => Err(missing(path, absolute, &error)),
    }
}

fn missing(path: &str, absolute: &Path, error: &io::Error) -> FilesError {
    if let Ok(target) = absolute.read_link() {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "which is not there".to_owned(),
            _ => format!("which cannot be read: {}", plain(error)),
        };
        return FilesError::new(format!("`{path}` is a link to `{}`, {why}", target.display()));
    }
    if error.kind() != io::ErrorKind::NotFound {
        return FilesError::new(format!("`{path}` cannot be read: {}", plain(error)));
    }
    FilesError { title: format!("there is no file `{path}`"), help: neighbours(path, absolute.parent()) }
}

/// Names the file that was meant, or those that there are, or the folder that is missing.
fn neighbours(path: &str, folder: Option<&Path>) -> Option<String> {
    let folder = folder?;
    let (shown, name) = path.rsplit_once('/').map_or(("", path), |(shown, name)| (shown, name));
    if !folder.is_dir() {
        return Some(format!("there is no folder `{shown}` either"));
    }
    let files = data_files(folder);
    let within = |name: &str| if path.contains('/') { format!("{shown}/{name}") } else { name.to_owned() };
    if let Some(near) = nearest(name, files.iter().map(String::as_str)) {
        return Some(format!("did you mean `{}`?", within(near)));
    }
    let place = if shown.is_empty() { "the folder" } else { shown };
    match files.as_slice() {
        [] => Some(format!("there are no data files in `{place}`")),
        files => {
            let more = if files.len() > 5 { " and others" } else { "" };
            Some(format!("in `{place}` there are {}{more}", list(files.iter().take(5).map(String::as_str))))
        }
    }
}

fn nothing(root: &Path, pattern: &str, base: &str) -> FilesError {
    let title = format!("`{pattern}` matches no file");
    let folder = root.join(base);
    let help = match folder.metadata() {
        Ok(data) if data.is_dir() => neighbours(pattern, Some(&folder)),
        Ok(_) => Some(format!("`{base}` is a file, not a folder")),
        Err(_) => Some(format!("there is no folder `{base}`")),
    };
    FilesError { title, help }
}

/// Returns the names of the files in a folder whose format is known, sorted; not of plain text, which may be anything.
fn data_files(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let names = entries.filter(|entry| entry.path().is_file()).filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| Format::by_extension(name).is_some_and(|(format, _)| format != Format::Text)).collect();
    names.sort();
    names
}

fn extensions(folder: &Path) -> Vec<String> {
    let names = data_files(folder);
    names.iter().filter_map(|name| name.split_once('.').map(|(_, extension)| extension.to_owned())).collect()
}

/// The part of a pattern from its first wildcard on.
struct Glob<'p> {
    matcher: GlobMatcher,
    /// Those parts that ask for names which begin with a dot.
    dotted: Vec<GlobMatcher>,
    parts: &'p [&'p str],
}

impl<'p> Glob<'p> {
    fn new(parts: &'p [&'p str]) -> Result<Glob<'p>, FilesError> {
        let compile = |pattern: &str| {
            let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
            glob.map(|glob| glob.compile_matcher()).map_err(|error| {
                FilesError::new(format!("`{pattern}` is not a pattern: {}", error.kind()))
                    .help("a bracket is written [[]")
            })
        };
        // Alternatives may hold slashes, so a part alone need not be a pattern.
        let dotted = parts.iter().filter(|part| part.starts_with(['.', '{'])).filter_map(|part| compile(part).ok());
        Ok(Glob { matcher: compile(&parts.join("/"))?, dotted: dotted.collect(), parts })
    }

    /// Visits the files below `folder` that match, with their path behind `base`.
    fn walk(&self, folder: &Path, base: &str, mut visit: impl FnMut(String, PathBuf)) -> Result<Listed, FilesError> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let mut listed = Some(vec![folder.to_owned()]);
        let behind = |path: &Path| {
            let below = path.strip_prefix(folder).unwrap_or(path);
            let parts: Option<Vec<&str>> = below.iter().map(|part| part.to_str()).collect();
            let below = parts.map(|parts| parts.join("/"));
            let shown = match (base, &below) {
                (_, None) => path.display().to_string(),
                ("", Some(below)) => below.clone(),
                (base, Some(below)) => format!("{}/{below}", base.trim_end_matches('/')),
            };
            (below, shown)
        };
        let deepest = if self.is_deep() { usize::MAX } else { self.parts.len() };
        let walk =
            WalkDir::new(folder).follow_links(true).min_depth(1).max_depth(deepest).sort_by_file_name().into_iter();
        let walk = walk.filter_entry(|entry| {
            entry.depth() == 0 || entry.file_name().to_str().is_none_or(|name| self.admits(name))
        });
        for entry in walk {
            if entry.as_ref().map_or(true, |entry| entry.path_is_symlink()) {
                listed = None;
            }
            match entry {
                Ok(entry) if !entry.file_type().is_file() => {
                    if entry.file_type().is_dir() && entry.depth() < deepest {
                        listed.iter_mut().for_each(|listed| listed.push(entry.path().to_owned()));
                    }
                }
                Ok(entry) => match behind(entry.path()) {
                    (Some(below), shown) if self.matcher.is_match(&below) => visit(shown, entry.into_path()),
                    (Some(_), _) => {}
                    (None, shown) => {
                        let title = format!("the name of the file `{shown}` is not UTF-8");
                        return Err(FilesError::new(title).help("rename it, or give a pattern that does not reach it"));
                    }
                },
                Err(error) => {
                    let at = error.path().unwrap_or(folder).to_owned();
                    let (below, shown) = behind(&at);
                    if let Some(up) = error.loop_ancestor() {
                        let title = format!("the link `{shown}` leads back to `{}`", up.display());
                        return Err(FilesError::new(title).help("give a pattern that does not pass through it"));
                    }
                    let is_link = at.is_symlink();
                    let wanted = below.is_none_or(|below| self.matcher.is_match(&below));
                    let io = error.into_io_error().unwrap_or_else(|| io::Error::other("unknown"));
                    match io.kind() {
                        // What vanished while walking, or a broken link that nobody asked for.
                        io::ErrorKind::NotFound if !wanted || !is_link => {}
                        io::ErrorKind::NotFound => return Err(missing(&shown, &at, &io)),
                        _ => return Err(FilesError::new(format!("`{shown}` cannot be read: {}", plain(&io)))),
                    }
                }
            }
        }
        Ok(listed)
    }

    fn is_deep(&self) -> bool {
        self.parts.iter().any(|part| part.contains("**") || (part.contains('{') && !part.contains('}')))
    }

    fn admits(&self, name: &str) -> bool {
        !name.starts_with('.') || self.dotted.iter().any(|part| part.is_match(name))
    }
}
