//! What is wrong with a query, in our words and at its place.

use super::engine::Engine;
use super::parse::{Query, offset, word_at};
use crate::diag::{list, nearest};
use crate::expr::ExprError;
use rusqlite::Error;
use sqlparser::ast::{Expr, SelectItem, SetExpr, Spanned};
use std::ops::Range;

impl Engine<'_> {
    /// Returns the items of the first `select`, if they stand for one column each.
    fn items(&self) -> Option<&[SelectItem]> {
        let mut body = &*self.query.ast.body;
        loop {
            match body {
                SetExpr::Select(select) => {
                    let plain = |item: &SelectItem| {
                        matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
                    };
                    return select.projection.iter().all(plain).then_some(&select.projection[..]);
                }
                SetExpr::Query(query) => body = &query.body,
                SetExpr::SetOperation { left, .. } => body = left,
                _ => return None,
            }
        }
    }

    pub(super) fn is_unnamed(&self, at: usize) -> bool {
        let item = self.items().and_then(|items| items.get(at));
        matches!(item, Some(SelectItem::UnnamedExpr(expr)) if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)))
    }

    /// Returns where a column is made; the whole query where that cannot be told.
    pub(super) fn place_of(&self, at: usize) -> Range<usize> {
        let text = &self.query.text;
        let Some(item) = self.items().and_then(|items| items.get(at)) else { return 0..text.len() };
        let start = offset(text, item.span().start);
        start..start + item_length(&text[start..])
    }

    /// Says in our words what the engine finds wrong with a query.
    pub(super) fn explain(&self, problem: &Error) -> ExprError {
        let text = &self.query.text;
        let (message, offset) = match problem {
            Error::SqlInputError { msg, offset, .. } => (msg.clone(), usize::try_from(*offset).ok()),
            Error::SqliteFailure(_, Some(message)) => (message.clone(), None),
            other => (other.to_string(), None),
        };
        if let Some(why) = self.guard.seen(|seen| seen.refused.take()) {
            let name = why.split('`').nth(1).unwrap_or("").to_owned();
            let at = text.to_lowercase().find(&name).filter(|_| !name.is_empty());
            let range = at.map_or(0..text.len(), |at| at..at + name.len());
            let repeatable = why.contains("each time");
            let code = if repeatable { "not-repeatable" } else { "not-allowed" };
            let found = error(code, format!("this query is refused: {why}"), range, "not in a query");
            return if repeatable {
                found.helped("a query has to give the same rows for the same tables: use `sample` with a seed for chance, `[params]` for times".to_owned())
            } else {
                found
            };
        }
        let missing = message.strip_prefix("no such column: ");
        let found = missing.map(|name| name.rsplit('.').next().unwrap_or(name));
        let range = match (offset, found) {
            (Some(offset), Some(_)) => {
                let word = word_at(text, offset);
                // A point and the column follow the name of the table.
                if text[word.end..].starts_with('.') { word_at(text, word.end + 1) } else { word }
            }
            (Some(offset), None) => word_at(text, offset),
            (None, Some(name)) => text.find(name).map_or(0..text.len(), |at| at..at + name.len()),
            (None, None) => 0..text.len(),
        };
        match found {
            Some(name) => {
                let mut names: Vec<&str> = self.tables.iter().flat_map(|table| table.schema.names()).collect();
                names.sort_unstable();
                names.dedup();
                let title = format!("this query reads a column that its datasets do not have: `{name}`");
                let mut found = error("unknown-column", title, range, "no such column");
                for (named, table) in self.query.tables.iter().zip(&self.tables) {
                    found.notes.push(format!("columns of `{}`: {}", named.dataset(), list(table.schema.names())));
                }
                found.help.extend(nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?")));
                found
            }
            None => error("bad-query", format!("this query cannot be answered: {message}"), range, "here"),
        }
    }
}

/// Returns the bytes of what is selected first in a text: to the comma behind it, its name, or `from`.
fn item_length(text: &str) -> usize {
    let (mut depth, mut quote, mut end) = (0_usize, None, 0);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => break,
            (None, ')') => depth -= 1,
            (None, ',' | ';') if depth == 0 => break,
            (None, c) if depth == 0 && c.is_whitespace() => {
                let word =
                    text[at..].trim_start().split(|c: char| !c.is_alphanumeric()).next().unwrap_or("").to_lowercase();
                if ["as", "from", "where", "union", "order", "limit"].contains(&word.as_str()) {
                    break;
                }
            }
            _ => {}
        }
        end = at + c.len_utf8();
    }
    text[..end].trim_end().len()
}

/// Says what the engine says, without its own words around it.
pub(super) fn plain(error: &Error) -> String {
    match error {
        Error::SqliteFailure(_, Some(message)) | Error::SqlInputError { msg: message, .. } => message.clone(),
        other => other.to_string(),
    }
}

pub(super) fn engine_error(query: &Query, problem: &Error) -> ExprError {
    error(
        "engine",
        format!("the engine of queries cannot begin: {}", plain(problem)),
        0..query.text.len(),
        "this query",
    )
}

pub(super) fn error(code: &'static str, title: String, range: Range<usize>, label: &str) -> ExprError {
    ExprError { code, title, range, label: label.to_owned(), notes: Vec::new(), help: Vec::new() }
}

/// Adds a remedy.
pub(super) trait Helped {
    fn helped(self, help: String) -> Self;
}

impl Helped for ExprError {
    fn helped(mut self, help: String) -> ExprError {
        self.help.push(help);
        self
    }
}
