//! Reads TOML so that one slip hides nothing else: blocks that do not parse are reported and left out, the rest is kept.

use super::value::{Converter, Table, into_owned};
use crate::diag::{Diagnostic, Source, Span};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use toml::de::{DeTable, Error};

/// Parses the source at `index`; the problems are those of the syntax alone.
pub fn parse(sources: &[Arc<Source>], index: usize) -> (Table<'_>, Vec<Diagnostic>) {
    let text = &sources[index].text;
    if u32::try_from(text.len()).is_err() {
        let problem = Diagnostic::error("unreadable", "a manifest must be smaller than 4 GiB");
        return (Table::new(), vec![problem]);
    }
    let mut converter = Converter { sources, source: index, offset: 0, problems: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let table = converter.table(table.into_inner());
        return (table, converter.problems);
    }
    let mut recovery =
        Recovery { source: &sources[index], kept: text.clone(), blocks: blocks(text), problems: Vec::new() };
    recovery.drop_broken_blocks(&errors);
    recovery.drop_repeated_keys();
    let (table, _) = DeTable::parse_recoverable(&recovery.kept);
    let table = into_owned(converter.table(table.into_inner()));
    recovery.problems.append(&mut converter.problems);
    (table, recovery.problems)
}

/// Cuts a text before each line that looks like a header, `[a.b]`.
fn blocks(text: &str) -> Vec<Range<usize>> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if at > 0 && is_header(line) {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(text.len());
    starts.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

fn is_header(line: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || "_-.\"' []".contains(c);
    let line = line.split('#').next().unwrap_or("").trim_end();
    let word = line.trim_start_matches('[').starts_with(|c: char| c.is_ascii_alphabetic() || "_\"'".contains(c));
    line.starts_with('[') && word && line.chars().all(name)
}

struct Recovery<'a> {
    source: &'a Arc<Source>,
    /// The text with what does not parse blanked out.
    kept: String,
    blocks: Vec<Range<usize>>,
    problems: Vec<Diagnostic>,
}

impl Recovery<'_> {
    /// Reports and blanks the blocks that do not parse on their own: an error inside one never swallows its successors.
    fn drop_broken_blocks(&mut self, errors: &[Error]) {
        let text = &self.source.text;
        for block in self.blocks.clone() {
            let hit = |error: &Error| error.span().is_none_or(|s| block.contains(&s.start) || s.start >= text.len());
            if !errors.iter().any(|error| hit(error) && !is_repetition(error)) {
                continue;
            }
            let (_, mut own) = DeTable::parse_recoverable(&text[block.clone()]);
            own.retain(|error| !is_repetition(error));
            if own.is_empty() {
                continue;
            }
            let place = |error: &Error| block.start + error.span().map_or(0, |s| s.start);
            if let Some(unclosed) = own.iter().find(|error| error.message().starts_with("unclosed")) {
                // All other errors are echoes of this one; the first says where the bracket should be.
                let first = own.iter().map(place).min().unwrap_or(block.start);
                self.report(unclosed.message(), first..first);
            } else {
                let mut lines = BTreeSet::new();
                for error in &own {
                    let range = error.span().map_or(0..0, |s| block.start + s.start..block.start + s.end);
                    if lines.insert(text[..text.floor_char_boundary(range.start)].rfind('\n')) {
                        self.report(error.message(), range);
                    }
                }
            }
            self.blank(block);
        }
    }

    /// Reports keys and tables that are defined again, at both places; a table's second definition is blanked.
    fn drop_repeated_keys(&mut self) {
        let kept = self.kept.clone();
        let (_, errors) = DeTable::parse_recoverable(&kept);
        for error in &errors {
            let range = error.span().unwrap_or(0..0);
            let Some(block) = self.blocks.iter().find(|block| block.contains(&range.start)).cloned() else {
                self.report(error.message(), range);
                continue;
            };
            if self.kept[block.clone()].trim().is_empty() {
                // The whole block is a repetition, reported at its header.
                continue;
            }
            let line_end = kept[block.start..].find('\n').map_or(kept.len(), |n| block.start + n);
            let in_header = kept[block.clone()].starts_with('[') && range.start < line_end;
            let name = kept.get(range.clone()).unwrap_or("").to_owned();
            let first = if in_header {
                let header = kept[block.start..line_end].split('#').next().unwrap_or("").replace(' ', "");
                let same = |b: &&Range<usize>| {
                    kept[(*b).clone()]
                        .lines()
                        .next()
                        .is_some_and(|l| l.split('#').next().unwrap_or("").replace(' ', "") == header)
                };
                self.blocks.iter().take_while(|b| b.start < block.start).find(same).map(|b| {
                    let line = kept[b.clone()].lines().next().unwrap_or("");
                    b.start..b.start + line.find(']').map_or(line.len(), |n| n + 1)
                })
            } else {
                first_line_with(&kept, block.start..range.start, &name)
            };
            let title = match error.message() {
                "duplicate key" => format!("`{name}` is defined twice"),
                other => other.to_owned(),
            };
            let span = Span::new(self.source, range);
            let mut problem = Diagnostic::error("duplicate", title).at(&span, "defined again");
            if let Some(first) = first {
                problem = problem.at(&Span::new(self.source, first), "first defined here");
            }
            self.problems.push(problem);
            if in_header {
                self.blank(block);
            }
        }
    }

    fn report(&mut self, message: &str, range: Range<usize>) {
        let (what, expected) = match message.split_once(", expected ") {
            Some(("string values must be quoted", _)) if range.is_empty() => {
                ("a value is missing", "expected a value".into())
            }
            Some(("string values must be quoted", _)) => ("strings must be quoted", "put it in quotes".into()),
            Some((what, "nothing")) => (what, String::new()),
            Some((what, expected)) => (what, format!("expected {expected}")),
            None => (message, String::new()),
        };
        let span = Span::new(self.source, range);
        self.problems.push(Diagnostic::error("syntax", what).at(&span, expected));
    }

    /// Puts spaces in place of a block, so that the places of all others stay.
    fn blank(&mut self, block: Range<usize>) {
        let blank: String = self.kept[block.clone()].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
        self.kept.replace_range(block, &blank);
    }
}

fn is_repetition(error: &Error) -> bool {
    error.message() == "duplicate key" || error.message().starts_with("cannot extend")
}

fn first_line_with(text: &str, within: Range<usize>, name: &str) -> Option<Range<usize>> {
    let mut at = within.start;
    for line in text.get(within)?.split_inclusive('\n') {
        let key = line.trim_start();
        let start = at + line.len() - key.len();
        at += line.len();
        if key.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(['=', '.'])) {
            return Some(start..start + name.len());
        }
    }
    None
}
