//! Parses a large sound file on all threads, in pieces that begin at headers.
//!
//! The pieces together mean what the file means unless one of them has an error (then a cut may have gone through a
//! string), or two of them define the same thing. In those cases there is no answer, and the file is parsed as a whole.

use super::syntax::blocks;
use super::value::{At, Converter, Kind, Table};
use crate::diag::Source;
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use toml::de::DeTable;

/// Below this many bytes, a second thread costs more than it gains.
const SMALL: usize = 64 << 10;

/// Parses the source at `index`, if it is large, sound, and can be cut.
pub fn parse(sources: &[Arc<Source>], index: usize) -> Option<Table<'_>> {
    let text = &sources[index].text;
    let threads = thread::available_parallelism().map_or(1, usize::from).min(8);
    if text.len() < SMALL || threads == 1 {
        return None;
    }
    let read = |piece: Range<usize>| {
        let mut converter = Converter { sources, source: index, offset: piece.start, problems: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(&text[piece]);
        let table = errors.is_empty().then(|| converter.table(table.into_inner()))?;
        converter.problems.is_empty().then_some(table)
    };
    let tables: Vec<Option<Table<'_>>> = thread::scope(|scope| {
        let running: Vec<_> = pieces(text, threads).into_iter().map(|piece| scope.spawn(move || read(piece))).collect();
        let finished = running.into_iter().map(|thread| thread.join());
        finished.map(|table| table.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut tables = tables.into_iter();
    let mut whole = tables.next()??;
    let mut clash = false;
    for table in tables {
        whole.merge(table?, |_, first, again| {
            let open = |at: At| text[at.range()].starts_with(['[', '{']);
            match (&mut first.value.kind, again.value.kind) {
                (Kind::Table(nodes), Kind::Table(more)) if !open(first.value.at) && !open(again.value.at) => {
                    nodes.merge(more, |_, _, _| clash = true);
                }
                _ => clash = true,
            }
        });
    }
    (!clash).then_some(whole)
}

/// Cuts a text into about equal pieces, each but the first beginning with a header `[kind.name]`.
fn pieces(text: &str, count: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for block in blocks(text) {
        let header = text[block.clone()].lines().next().unwrap_or("");
        let begins_a_node = header.starts_with('[') && !header.starts_with("[[") && header.matches('.').count() == 1;
        if begins_a_node && block.start >= text.len() * (pieces.len() + 1) / count {
            pieces.push(start..block.start);
            start = block.start;
        }
    }
    pieces.push(start..text.len());
    pieces
}
