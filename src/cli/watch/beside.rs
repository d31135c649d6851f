//! Old and new values of rows: beside each other where there is room, one under the other elsewhere.

use super::super::diff::table;
use super::super::out::Paint;
use super::super::session::Session;
use super::super::words::{cell, lines};
use crate::expr::Value;
use crate::history::{ChangedRow, TableDiff};
use console::{measure_text_width, pad_str};
use std::io::{self, Write};

/// A terminal that is narrower has no room for two texts.
const WIDE: usize = 90;

/// Writes what differs, with values whole.
pub fn text(session: &mut Session, diff: &TableDiff) -> io::Result<()> {
    table::columns(session, diff)?;
    diff.changed.iter().try_for_each(|row| changed(session, diff, row))?;
    table::more(session, diff.rows_changed, diff.changed.len(), "changed")?;
    table::rows(session, diff)
}

fn changed(session: &mut Session, diff: &TableDiff, row: &ChangedRow) -> io::Result<()> {
    let paint = session.out.paint;
    let key: Vec<String> =
        diff.key.iter().zip(&row.key).map(|(name, value)| format!("{name}={}", cell(value))).collect();
    writeln!(session.out, "{}", paint.yellow(&format!("~ {}", key.join("  "))))?;
    for one in &row.cells {
        writeln!(session.out, "  {}", paint.dim(&one.column))?;
        let (old, new) = (whole(&one.old), whole(&one.new));
        for line in both(&old, &new, session.out.width, paint) {
            writeln!(session.out, "  {line}")?;
        }
    }
    Ok(())
}

/// Returns the lines of a value.
fn whole(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => lines(text),
        value => vec![cell(value)],
    }
}

/// Puts two texts beside each other, or one under the other.
fn both(old: &[String], new: &[String], width: Option<usize>, paint: Paint) -> Vec<String> {
    let Some(width) = width.filter(|width| *width >= WIDE) else {
        let most = width.map_or(usize::MAX, |width| width.saturating_sub(4).max(8));
        let side = |text: &[String], sign: &str, colour: fn(Paint, &str) -> String| {
            let lines =
                text.iter().flat_map(|line| fold(line, most)).map(|line| colour(paint, &format!("{sign} {line}")));
            lines.collect::<Vec<String>>()
        };
        return [side(old, "-", Paint::red), side(new, "+", Paint::green)].concat();
    };
    // Two more for the indent, three for what stands between.
    let half = (width - 5) / 2;
    let fold_all = |text: &[String]| text.iter().flat_map(|line| fold(line, half)).collect::<Vec<String>>();
    let (old, new) = (fold_all(old), fold_all(new));
    let line = |at: usize| {
        let left = old.get(at).map_or("", String::as_str);
        let right = new.get(at).map_or("", String::as_str);
        let left = pad_str(left, half, console::Alignment::Left, None);
        format!("{} │ {}", paint.red(&left), paint.green(right)).trim_end().to_owned()
    };
    (0..old.len().max(new.len())).map(line).collect()
}

/// Breaks a line at spaces, and words that are too long.
fn fold(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in line.split(' ') {
        let gap = usize::from(!current.is_empty());
        if measure_text_width(&current) + gap + measure_text_width(word) <= width {
            if gap == 1 {
                current.push(' ');
            }
            current.push_str(word);
            continue;
        }
        if !current.is_empty() {
            lines.push(std::mem::take(&mut current));
        }
        for c in word.chars() {
            let wide = measure_text_width(c.encode_utf8(&mut [0; 4]));
            if measure_text_width(&current) + wide > width && !current.is_empty() {
                lines.push(std::mem::take(&mut current));
            }
            current.push(c);
        }
    }
    lines.push(current);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn a_wide_terminal_shows_old_and_new_beside_each_other() {
        let (old, new) = (
            texts(&["Anna has three apples, and gets two more. How many are there?"]),
            texts(&["Anna counts.", "How many?"]),
        );
        let shown = both(&old, &new, Some(95), Paint::Plain);
        assert_eq!(
            shown,
            [
                "Anna has three apples, and gets two more. How │ Anna counts.",
                "many are there?                               │ How many?",
            ]
        );
    }

    #[test]
    fn elsewhere_they_stand_one_under_the_other() {
        let (old, new) = (texts(&["one two three"]), texts(&["four", "five"]));
        assert_eq!(both(&old, &new, Some(13), Paint::Plain), ["- one two", "- three", "+ four", "+ five"]);
        assert_eq!(both(&old, &new, None, Paint::Plain), ["- one two three", "+ four", "+ five"]);
    }

    #[test]
    fn a_word_that_is_too_long_is_broken() {
        assert_eq!(fold("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(fold("", 3), [""]);
        assert_eq!(fold("日本語", 4), ["日本", "語"]);
    }
}
