//! What a build asked of the file system, and whether it would be answered the same now: by a look at the times of files and
//! folders, and closer only where they differ.

use crate::hash::Hash;
use crate::store::{FileStat, stat};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// Files are looked at by several threads from so many on.
const MANY: usize = 500;

/// What was asked of the files in and around a project, and what the answers were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Path → contents, of every file, and what the file looked like if that tells them.
    pub(super) contents: BTreeMap<String, (Hash, Option<FileStat>)>,
    /// Patterns that are more than a path.
    pub(super) matches: BTreeMap<String, Matches>,
    /// Paths of files that were looked for and are not there.
    pub(super) absent: BTreeSet<String>,
    /// Variables of the environment → the hash of the value, if they have one.
    pub(super) variables: BTreeMap<String, Option<Hash>>,
}

/// What a pattern matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matches {
    /// The hash of the paths, in order.
    pub(super) paths: Hash,
    /// The folders that were listed, and what they looked like, if that tells that no name came or went.
    pub(super) folders: Option<Vec<(String, FileStat)>>,
}

/// The same, borrowed, as it can be compared and written.
#[derive(Debug, Default)]
pub struct Questions<'a> {
    contents: Vec<(&'a str, Hash, Option<FileStat>)>,
    matches: Vec<(&'a str, Hash, Option<Folders<'a>>)>,
    absent: Vec<&'a str>,
    variables: Vec<(&'a str, Option<Hash>)>,
}

type Folders<'a> = Vec<(&'a str, FileStat)>;

/// How the questions are answered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Same {
    /// All as it was, and the times of files tell it.
    Yes,
    /// All as it was, but it took a closer look.
    Closely,
    No,
}

/// Takes the closer look where times do not tell enough.
pub(super) trait Closer: Sync {
    /// Returns the hash of a file's contents now.
    fn contents(&self, path: &str) -> Option<Hash>;

    /// Returns the hash of the paths that a pattern matches now.
    fn matches(&self, pattern: &str) -> Option<Hash>;
}

impl Seen {
    /// Returns the questions, in order.
    pub fn questions(&self) -> Questions<'_> {
        fn folders(matches: &Matches) -> Option<Folders<'_>> {
            Some(matches.folders.as_ref()?.iter().map(|(path, stat)| (path.as_str(), *stat)).collect())
        }
        Questions {
            contents: self.contents.iter().map(|(path, (hash, stat))| (path.as_str(), *hash, *stat)).collect(),
            matches: self.matches.iter().map(|(path, all)| (path.as_str(), all.paths, folders(all))).collect(),
            absent: self.absent.iter().map(String::as_str).collect(),
            variables: self.variables.iter().map(|(name, hash)| (name.as_str(), *hash)).collect(),
        }
    }

    /// Takes in what was seen later.
    pub fn extend(&mut self, later: Seen) {
        self.contents.extend(later.contents);
        self.matches.extend(later.matches);
        self.absent.extend(later.absent);
        self.variables.extend(later.variables);
    }
}

impl<'a> Questions<'a> {
    /// Returns the questions and answers as values of their own.
    pub fn to_seen(&self) -> Seen {
        let folders =
            |folders: &Folders| folders.iter().map(|(path, stat)| ((*path).to_owned(), *stat)).collect::<Vec<_>>();
        let matches = |(pattern, paths, all): &(&str, Hash, Option<Folders>)| {
            ((*pattern).to_owned(), Matches { paths: *paths, folders: all.as_ref().map(folders) })
        };
        Seen {
            contents: self.contents.iter().map(|(path, hash, stat)| ((*path).to_owned(), (*hash, *stat))).collect(),
            matches: self.matches.iter().map(matches).collect(),
            absent: self.absent.iter().map(|path| (*path).to_owned()).collect(),
            variables: self.variables.iter().map(|(name, hash)| ((*name).to_owned(), *hash)).collect(),
        }
    }

    /// Asks everything again; the worst answer counts.
    pub(super) fn ask(&self, root: &Path, closer: &dyn Closer) -> Same {
        let looks = |path: &str, then: &FileStat| stat(&root.join(path)).is_ok_and(|now| now == *then);
        let closely = |same: bool| if same { Same::Closely } else { Same::No };
        let file = |(path, hash, then): &(&str, Hash, Option<FileStat>)| match then {
            Some(then) if looks(path, then) => Same::Yes,
            _ => closely(closer.contents(path).is_some_and(|now| now == *hash)),
        };
        let pattern = |(pattern, paths, folders): &(&str, Hash, Option<Folders>)| match folders {
            Some(folders) if folders.iter().all(|(path, then)| looks(path, then)) => Same::Yes,
            _ => closely(closer.matches(pattern).is_some_and(|now| now == *paths)),
        };
        let absent = |path: &&str| fs::metadata(root.join(path)).is_err_and(|error| super::is_absence(&error));
        let as_set = |(name, hash): &(&str, Option<Hash>)| std::env::var_os(name).map(|value| hash_of(&value)) == *hash;
        if !self.absent.iter().all(absent) || !self.variables.iter().all(as_set) {
            return Same::No;
        }
        let listed = worst(self.matches.iter().map(pattern));
        if listed == Same::No {
            return Same::No;
        }
        let files = if self.contents.len() < MANY {
            worst(self.contents.iter().map(file))
        } else {
            self.contents.par_chunks(64).map(|files| worst(files.iter().map(file))).max().unwrap_or(Same::Yes)
        };
        listed.max(files)
    }

    /// Writes the questions and answers.
    pub fn encode(&self, out: &mut Vec<u8>) {
        number(out, self.contents.len());
        for (path, hash, stat) in &self.contents {
            text(out, path);
            out.extend_from_slice(hash.as_bytes());
            maybe(out, stat.as_ref(), look);
        }
        number(out, self.matches.len());
        for (pattern, paths, folders) in &self.matches {
            text(out, pattern);
            out.extend_from_slice(paths.as_bytes());
            maybe(out, folders.as_ref(), |out, folders| {
                number(out, folders.len());
                folders.iter().for_each(|(path, stat)| {
                    text(out, path);
                    look(out, stat);
                });
            });
        }
        number(out, self.absent.len());
        self.absent.iter().for_each(|path| text(out, path));
        number(out, self.variables.len());
        for (name, hash) in &self.variables {
            text(out, name);
            maybe(out, hash.as_ref(), |out, hash| out.extend_from_slice(hash.as_bytes()));
        }
    }

    /// Reads what [`Questions::encode`] wrote, and nothing else.
    pub fn decode(bytes: &'a [u8]) -> Option<Questions<'a>> {
        let mut rest = Rest(bytes);
        let contents = rest.many(|rest| Some((rest.text()?, rest.hash()?, rest.maybe(Rest::look)?)))?;
        let matches = rest.many(|rest| {
            let folders = |rest: &mut Rest<'a>| rest.many(|rest| Some((rest.text()?, rest.look()?)));
            Some((rest.text()?, rest.hash()?, rest.maybe(folders)?))
        })?;
        let absent = rest.many(Rest::text)?;
        let variables = rest.many(|rest| Some((rest.text()?, rest.maybe(Rest::hash)?)))?;
        rest.0.is_empty().then_some(Questions { contents, matches, absent, variables })
    }
}

/// Returns the hash by which the value of a variable is known.
pub fn hash_of(value: &OsStr) -> Hash {
    Hash::of(value.as_encoded_bytes())
}

fn worst(mut answers: impl Iterator<Item = Same>) -> Same {
    let mut worst = Same::Yes;
    for answer in &mut answers {
        worst = worst.max(answer);
        if worst == Same::No {
            break;
        }
    }
    worst
}

fn number(out: &mut Vec<u8>, n: usize) {
    out.extend_from_slice(&(n as u64).to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

fn maybe<T>(out: &mut Vec<u8>, value: Option<&T>, write: impl FnOnce(&mut Vec<u8>, &T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        write(out, value);
    }
}

fn look(out: &mut Vec<u8>, stat: &FileStat) {
    let numbers = [stat.size, stat.mtime_ns as u64, stat.ctime_ns as u64, stat.inode, stat.device];
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}

/// What is left to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }

    fn hash(&mut self) -> Option<Hash> {
        self.take().map(Hash::from_bytes)
    }

    fn look(&mut self) -> Option<FileStat> {
        Some(FileStat {
            size: self.number()?,
            mtime_ns: self.number()? as i64,
            ctime_ns: self.number()? as i64,
            inode: self.number()?,
            device: self.number()?,
        })
    }

    fn maybe<T>(&mut self, read: impl FnOnce(&mut Rest<'a>) -> Option<T>) -> Option<Option<T>> {
        match self.take()? {
            [0] => Some(None),
            [1] => read(self).map(Some),
            _ => None,
        }
    }

    fn many<T>(&mut self, mut read: impl FnMut(&mut Rest<'a>) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.number()?).ok()?;
        // Each has some bytes: a wrong count must not ask for more memory than there is.
        let mut all = Vec::with_capacity(count.min(self.0.len() / 8));
        for _ in 0..count {
            all.push(read(self)?);
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_reads_back_and_a_part_of_it_does_not() {
        let look = FileStat { size: 1, mtime_ns: -2, ctime_ns: 3, inode: 4, device: 5 };
        let folders = Some(vec![("data".to_owned(), look)]);
        let seen = Seen {
            contents: BTreeMap::from([
                ("a".to_owned(), (Hash::of(b"a"), None)),
                ("data/ü.jsonl".to_owned(), (Hash::of(b"b"), Some(look))),
            ]),
            matches: BTreeMap::from([
                ("*".to_owned(), Matches { paths: Hash::of(b"c"), folders: None }),
                ("data/*".to_owned(), Matches { paths: Hash::of(b"d"), folders }),
            ]),
            absent: BTreeSet::from(["gone".to_owned()]),
            variables: BTreeMap::from([("LANG".to_owned(), Some(Hash::of(b"C"))), ("UNSET".to_owned(), None)]),
        };
        let mut bytes = Vec::new();
        seen.questions().encode(&mut bytes);
        assert_eq!(Questions::decode(&bytes).expect("it was written").to_seen(), seen);
        for end in 0..bytes.len() {
            assert!(Questions::decode(&bytes[..end]).is_none(), "{end}");
        }
        bytes.push(0);
        assert!(Questions::decode(&bytes).is_none());
    }
}
