//! Reasons: why a node is stale, from what it was made of last time and what it would be made of now.

use crate::diag::list;
use crate::exec::NodeRecord;
use crate::hash::{Hash, Words};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

/// One cause for a node to be made again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Reason {
    /// It was never built in this checkout.
    New,
    /// A field of its definition, or of a prompt or filter that it uses.
    Field {
        path: String,
        old: Option<String>,
        new: Option<String>,
    },
    /// A data file with other contents; which rows, where there are few and the file's former rows are known.
    FileChanged {
        path: String,
        rows: Option<ChangedRows>,
    },
    FileAdded {
        path: String,
    },
    FileRemoved {
        path: String,
    },
    /// The same contents under names that put them in another order.
    FilesReordered,
    /// The table of an input is another one.
    Input {
        name: String,
    },
    /// The file that it exports is not there.
    OutputMissing {
        path: String,
    },
    /// The file that it exports is not what was written.
    OutputEdited {
        path: String,
    },
    /// Its rows that failed in these ways are asked about again.
    AskedAgain {
        kinds: Vec<String>,
    },
    /// Models are asked about this many rows; none: all.
    Rows {
        rows: Option<u64>,
    },
    /// What was made is not in the store any more, or this version of datamake makes it otherwise.
    Forgotten,
}

/// Which rows of a file are not as they were. Matched by the key; without a key, a changed row is one that replaced another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChangedRows {
    pub columns_added: Vec<String>,
    pub columns_removed: Vec<String>,
    pub changed: Places,
    pub added: Places,
    pub removed: Places,
}

/// Some rows of a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Places {
    pub count: u64,
    /// Where the first of them are, counted from 1 in the file as it is; removed rows, as it was.
    pub first: Vec<u64>,
}

/// What a node would be made of now.
pub struct Present<'a> {
    /// Its definition, with the variables that its programs get.
    pub words: &'a Words,
    pub files: Vec<(String, Hash)>,
    /// Name and table of each input; none where it is not known yet.
    pub inputs: Vec<(String, Option<Hash>)>,
    /// Compares two contents of a data file.
    pub rows: &'a dyn Fn(&str, Hash, Hash) -> Option<ChangedRows>,
    /// Of an export: the path, and the hash of what is there.
    pub output: Option<(String, Option<Hash>)>,
    /// The kinds of failure that are not to stand.
    pub again: &'a dyn Fn(&str) -> bool,
    /// About how many rows models are asked, where that is not as it was.
    pub asked: Option<Option<u64>>,
}

/// Returns why a node is not fresh. `last` is what it was in the last build.
pub fn reasons(present: &Present, last: Option<&NodeRecord>) -> Vec<Reason> {
    let Some(last) = last else { return vec![Reason::New] };
    let mut found = changed(present.words, &present.files, present.rows, last);
    for (at, (name, hash)) in present.inputs.iter().enumerate() {
        if hash.is_some_and(|hash| last.inputs.get(at) != Some(&hash)) {
            found.push(Reason::Input { name: name.clone() });
        }
    }
    if let (Some((path, there)), crate::exec::Output::Export { file, .. }) = (&present.output, &last.output) {
        match there {
            None => found.push(Reason::OutputMissing { path: path.clone() }),
            Some(hash) if hash != file => found.push(Reason::OutputEdited { path: path.clone() }),
            Some(_) => {}
        }
    }
    let failed = last.failed.iter().flat_map(|lost| &lost.reasons).map(|(kind, _)| kind);
    let kinds: BTreeSet<&String> = failed.filter(|kind| (present.again)(kind)).collect();
    if !kinds.is_empty() {
        found.push(Reason::AskedAgain { kinds: kinds.into_iter().cloned().collect() });
    }
    found.extend(present.asked.map(|rows| Reason::Rows { rows }));
    let waits = present.inputs.iter().any(|(_, hash)| hash.is_none());
    if found.is_empty() && !waits {
        found.push(Reason::Forgotten);
    }
    found
}

/// Returns what of a node's own, its definition and its files, is not as it was; `rows` compares two contents of a data file.
pub fn changed(
    words: &Words,
    files: &[(String, Hash)],
    rows: &dyn Fn(&str, Hash, Hash) -> Option<ChangedRows>,
    last: &NodeRecord,
) -> Vec<Reason> {
    let mut found = Vec::new();
    let paths: BTreeSet<&String> = last.words.0.keys().chain(words.0.keys()).collect();
    for path in paths {
        let (old, new) = (last.words.0.get(path), words.0.get(path));
        if old != new {
            found.push(Reason::Field { path: path.clone(), old: old.cloned(), new: new.cloned() });
        }
    }
    let before: BTreeMap<&String, &Hash> = last.files.iter().map(|(path, hash)| (path, hash)).collect();
    let now: BTreeMap<&String, &Hash> = files.iter().map(|(path, hash)| (path, hash)).collect();
    let (contents_before, contents_now): (HashSet<&Hash>, HashSet<&Hash>) =
        (before.values().copied().collect(), now.values().copied().collect());
    for (path, hash) in &now {
        match before.get(path) {
            Some(old) if old == hash => {}
            Some(old) => {
                let rows = rows(path, **old, **hash);
                found.push(Reason::FileChanged { path: (*path).clone(), rows });
            }
            None if contents_before.contains(hash) => {}
            None => found.push(Reason::FileAdded { path: (*path).clone() }),
        }
    }
    for (path, hash) in &before {
        if !now.contains_key(path) && !contents_now.contains(hash) {
            found.push(Reason::FileRemoved { path: (*path).clone() });
        }
    }
    if found.is_empty() && !last.files.iter().map(|file| file.1).eq(files.iter().map(|file| file.1)) {
        found.push(Reason::FilesReordered);
    }
    found
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::New => f.write_str("it was never built here"),
            Reason::Field { path, old: None, new } => write!(f, "{path} is new: {}", shown(new)),
            Reason::Field { path, old, new: None } => write!(f, "{path} is gone; it was {}", shown(old)),
            Reason::Field { path, old: Some(old), new: Some(new) } => match changed_line(old, new) {
                Some((line, old, new)) => write!(f, "{path} changed in line {line}: {} → {}", quoted(old), quoted(new)),
                None => write!(f, "{path} changed: {} → {}", quoted(old), quoted(new)),
            },
            Reason::FileChanged { path, rows: None } => write!(f, "the file {path} changed"),
            Reason::FileChanged { path, rows: Some(rows) } => write!(f, "the file {path} changed: {rows}"),
            Reason::FileAdded { path } => write!(f, "the file {path} is new"),
            Reason::FileRemoved { path } => write!(f, "the file {path} is gone"),
            Reason::FilesReordered => f.write_str("the files are renamed, and in another order"),
            Reason::Input { name } => write!(f, "its input {name} changed"),
            Reason::OutputMissing { path } => write!(f, "{path} is not there"),
            Reason::OutputEdited { path } => write!(f, "{path} is not what was written"),
            Reason::AskedAgain { kinds } => write!(f, "rows that failed are asked about again: {}", kinds.join(", ")),
            Reason::Rows { rows: Some(rows) } => write!(f, "models are asked about {rows} rows only"),
            Reason::Rows { rows: None } => f.write_str("models are asked about all rows"),
            Reason::Forgotten => f.write_str(
                "what was made is not in the store any more, or this version of datamake makes it otherwise",
            ),
        }
    }
}

impl fmt::Display for ChangedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [(&self.changed, "changed"), (&self.added, "new"), (&self.removed, "gone")];
        let column = |names: &[String], word| {
            (!names.is_empty()).then(|| {
                let (noun, verb) = if names.len() == 1 { ("column", "is") } else { ("columns", "are") };
                format!("the {noun} {} {verb} {word}", list(names.iter().map(String::as_str)))
            })
        };
        let columns = [column(&self.columns_added, "new"), column(&self.columns_removed, "gone")];
        let parts = kinds.into_iter().filter(|(places, _)| places.count > 0).map(|(places, word)| {
            let verb = match (word, places.count) {
                ("changed", _) => "",
                (_, 1) => "is ",
                _ => "are ",
            };
            format!("{places} {verb}{word}")
        });
        let parts: Vec<String> = columns.into_iter().flatten().chain(parts).collect();
        f.write_str(if parts.is_empty() { "the rows are the same".to_owned() } else { parts.join(", ") }.as_str())
    }
}

impl fmt::Display for Places {
    /// Writes `row 7`, `rows 7, 9 and 12` or `rows 7, 9, 12 … (40 in all)`; neighbours as `7–9`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for row in &self.first {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == *row => *last = *row,
                _ => runs.push((*row, *row)),
            }
        }
        let run =
            |(first, last): &(u64, u64)| if first == last { first.to_string() } else { format!("{first}–{last}") };
        let runs: Vec<String> = runs.iter().map(run).collect();
        let rows = if self.count == 1 { "row" } else { "rows" };
        match self.count > self.first.len() as u64 {
            true => write!(f, "{rows} {} … ({} in all)", runs.join(", "), self.count),
            false => write!(f, "{rows} {}", runs.join(", ")),
        }
    }
}

fn shown(text: &Option<String>) -> String {
    text.as_deref().map_or_else(|| "nothing".to_owned(), quoted)
}

/// Writes a value on one line, shortened.
fn quoted(text: &str) -> String {
    let line: String = text.chars().map(|c| if c == '\n' { '⏎' } else { c }).collect();
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("`{}…`", &line[..end]),
        None => format!("`{line}`"),
    }
}

/// Returns the number and texts of the first line that differs, where a text has several.
fn changed_line<'a>(old: &'a str, new: &'a str) -> Option<(usize, &'a str, &'a str)> {
    if !old.contains('\n') && !new.contains('\n') {
        return None;
    }
    let (mut before, mut after) = (old.lines(), new.lines());
    for line in 1.. {
        match (before.next(), after.next()) {
            (None, None) => return None,
            (a, b) if a == b => {}
            (a, b) => return Some((line, a.unwrap_or(""), b.unwrap_or(""))),
        }
    }
    None
}
