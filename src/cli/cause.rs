//! Reasons for people, in one line or with the lines that changed, and for programs.

use super::out::Paint;
use super::words::{change, lines, plain};
use crate::plan::Reason;
use serde_json::{Value, json};

/// Lines of a text that are shown of each side.
const MOST: usize = 8;

/// Writes a reason in one line; of texts, where they differ.
pub fn line(reason: &Reason) -> String {
    let Reason::Field { path, old, new } = reason else { return plain(&reason.to_string()) };
    let path = place(path);
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, Some(new)) => return format!("{path} is new: `{}`", cut(&plain(new))),
        (Some(old), None) => return format!("{path} is gone; it was `{}`", cut(&plain(old))),
        (None, None) => return plain(&reason.to_string()),
    };
    if !old.contains('\n') && !new.contains('\n') {
        let (old, new) = change(old, new);
        return format!("{path} changed: `{old}` → `{new}`");
    }
    let (mut before, mut after) = (old.lines(), new.lines());
    for number in 1.. {
        match (before.next(), after.next()) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => {
                let (old, new) = change(a, b);
                return format!("{path} changed in line {number}: `{old}` → `{new}`");
            }
            (None, Some(line)) => return format!("{path} has a new line {number}: `{}`", plain(line)),
            (Some(line), None) => return format!("{path} lost line {number}: `{}`", plain(line)),
            (None, None) => break,
        }
    }
    format!("{path} changed in its line ends")
}

fn cut(text: &str) -> String {
    console::truncate_str(text, 80, "…").into_owned()
}

/// Writes where a field is: a template that is a file by its path, a step by its number.
fn place(path: &str) -> String {
    if let Some((file, "steps" | "included")) = path
        .strip_suffix(')')
        .and_then(|path| path.rsplit_once(" ("))
        .map(|(file, at)| (file, at.split('.').next().unwrap_or(at)))
    {
        return file.to_owned();
    }
    let step = path.strip_prefix("steps.").and_then(|rest| rest.split_once('.'));
    match step.and_then(|(at, field)| Some((at.parse::<usize>().ok()? + 1, field))) {
        Some((number, field)) => format!("{field} of step {number}"),
        None => path.to_owned(),
    }
}

/// Writes a reason in full: of a long text, the lines that changed.
pub fn full(reason: &Reason, paint: Paint, most: Option<usize>) -> Vec<String> {
    let Reason::Field { path, old: Some(old), new: Some(new) } = reason else { return vec![line(reason)] };
    if !old.contains('\n') && !new.contains('\n') && old.len() + new.len() < 60 {
        return vec![line(reason)];
    }
    let path = place(path);
    let (old, new) = (lines(old), lines(new));
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - same;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let many = old.len().max(new.len()) > 1;
    let mut out =
        vec![if many { format!("{path} changed from line {}:", same + 1) } else { format!("{path} changed:") }];
    let mut side = |text: &[String], sign: &str, colour: fn(Paint, &str) -> String| {
        let changed = &text[same..text.len() - tail];
        let shown = most.unwrap_or(MOST).min(changed.len());
        out.extend(changed[..shown].iter().map(|line| format!("  {}", colour(paint, &format!("{sign} {line}")))));
        if shown < changed.len() {
            out.push(format!("  {sign} … {}", super::words::things((changed.len() - shown) as u64, "more line")));
        }
    };
    side(&old, "-", Paint::red);
    side(&new, "+", Paint::green);
    out
}

/// Writes reasons as JSON, each with its sentence.
pub fn json(reasons: &[Reason]) -> Value {
    let one = |reason: &Reason| {
        let mut value = serde_json::to_value(reason).expect("a reason is plain data");
        value["text"] = json!(reason.to_string());
        value
    };
    reasons.iter().map(one).collect()
}

/// The form of [`json`], for the reference.
pub const FORM: &str = "\
A *reason* is `{ \"cause\", \"text\", … }`: `text` is its sentence; `cause` is one of `new`, `field` (with `path`, `old`, `new`), `file-changed`,
`file-added`, `file-removed`, `files-reordered`, `output-missing`, `output-edited` (with `path`; `file-changed` also with `rows`: null or the columns and rows that differ), `input` (with `name`), `asked-again` (with\n`kinds` of failure), `rows` (with `rows`: about how many rows models are asked; null: all), `forgotten`.";

#[cfg(test)]
mod tests {
    use super::*;

    fn field(old: &str, new: &str) -> Reason {
        Reason::Field { path: "a.md (steps.0)".to_owned(), old: Some(old.to_owned()), new: Some(new.to_owned()) }
    }

    #[test]
    fn a_long_text_is_shown_by_the_lines_that_changed() {
        let shown = full(&field("one\ntwo\nthree\n", "one\nTWO\nand\nthree\n"), Paint::Plain, None);
        assert_eq!(shown, ["a.md changed from line 2:", "  - two", "  + TWO", "  + and"]);
    }

    #[test]
    fn many_lines_are_counted() {
        let new: String = (0..20).map(|i| format!("{i}\n")).collect();
        let shown = full(&field("x\n", &new), Paint::Plain, Some(2));
        assert_eq!(shown, ["a.md changed from line 1:", "  - x", "  + 0", "  + 1", "  + … 18 more lines"]);
    }

    #[test]
    fn a_short_value_is_shown_in_one_line() {
        assert_eq!(full(&field("3", "4"), Paint::Plain, None), ["a.md changed: `3` → `4`"]);
    }

    #[test]
    fn one_line_shows_where_texts_differ() {
        assert_eq!(line(&field("a\nb\n", "a\nc\n")), "a.md changed in line 2: `b` → `c`");
        assert_eq!(line(&field("a\n", "a\nb\n")), "a.md has a new line 2: `b`");
        assert_eq!(line(&field("a\nb\n", "a\n")), "a.md lost line 2: `b`");
        assert_eq!(line(&field("a\n", "a")), "a.md changed in its line ends");
        assert_eq!(line(&field("a\u{1b}\n", "b\n")), "a.md changed in line 1: `a\u{fffd}` → `b`");
    }

    #[test]
    fn a_field_is_named_as_its_author_knows_it() {
        let places =
            ["filter.x.where", "steps.1.columns.n", "steps.0.prompt", "prompts/a.md (steps.2)", "a (1).md", "steps.x"];
        let shown =
            ["filter.x.where", "columns.n of step 2", "prompt of step 1", "prompts/a.md", "a (1).md", "steps.x"];
        assert_eq!(places.map(place), shown);
    }
}
