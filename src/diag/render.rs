//! Draws diagnostics: as rustc would, in one line each, or as JSON.

use super::{Diagnostic, Diagnostics, Label, Severity, Source};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// With escape codes for a terminal; says nothing that plain does not.
    Colour,
}

/// Draws all problems with the lines that they point at, as text for a terminal.
pub fn render(problems: &Diagnostics, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    };
    let drawn: Vec<String> = problems.0.iter().map(|problem| draw(&renderer, problem)).collect();
    if drawn.is_empty() { String::new() } else { drawn.join("\n\n") + "\n" }
}

/// Returns all problems as JSON; fields are added, never changed. Lines and columns count from 1, bytes from 0.
pub fn json(problems: &Diagnostics) -> Value {
    let label = |label: &Label| {
        let Range { start, end } = clamped(&label.span.source, &label.span.range);
        let (line, column) = label.span.source.line_column(start);
        let (end_line, end_column) = label.span.source.line_column(end);
        json!({
            "path": path(&label.span.source),
            "line": line, "column": column, "end_line": end_line, "end_column": end_column,
            "start": start, "end": end,
            "text": label.text,
        })
    };
    let problem = |problem: &Diagnostic| {
        json!({
            "severity": name(problem.severity),
            "code": problem.code,
            "title": problem.title,
            "labels": problem.labels.iter().map(label).collect::<Vec<Value>>(),
            "notes": problem.notes,
            "help": problem.help,
        })
    };
    problems.0.iter().map(problem).collect()
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn path(source: &Source) -> String {
    source.path.to_string_lossy().replace('\\', "/")
}

/// Fits a range to a text that it may not have been made for.
fn clamped(source: &Source, range: &Range<usize>) -> Range<usize> {
    let start = source.text.floor_char_boundary(range.start);
    start..source.text.ceil_char_boundary(range.end).max(start)
}

fn draw(renderer: &Renderer, problem: &Diagnostic) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    // One snippet per source, in the order in which the labels name them.
    let mut sources: Vec<&Arc<Source>> = Vec::new();
    for label in &problem.labels {
        if !sources.contains(&&label.span.source) {
            sources.push(&label.span.source);
        }
    }
    let primary = problem.labels.first();
    let snippets = sources.into_iter().map(|source| {
        let labels: Vec<&Label> = problem.labels.iter().filter(|label| label.span.source == *source).collect();
        snippet(source, &labels, primary)
    });
    let notes = problem.notes.iter().map(|note| Level::NOTE.message(normalize_untrusted_str(note)));
    let help = problem.help.iter().map(|help| Level::HELP.message(normalize_untrusted_str(help)));
    let title = level.primary_title(problem.title.as_str()).id(problem.code);
    let group = Group::with_title(title).elements(snippets).elements(notes).elements(help);
    renderer.render(&[group])
}

/// Cuts the lines from the first to the last label out of a source, so that its size does not matter.
fn snippet<'a>(
    source: &'a Source,
    labels: &[&'a Label],
    primary: Option<&Label>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let text = source.text.as_str();
    let ranges: Vec<Range<usize>> = labels.iter().map(|label| clamped(source, &label.span.range)).collect();
    let first = ranges.iter().map(|range| range.start).min().unwrap_or(0);
    let last = ranges.iter().map(|range| range.end).max().unwrap_or(0);
    let start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[last..].find('\n').map_or(text.len(), |newline| last + newline);
    let line = text[..start].bytes().filter(|byte| *byte == b'\n').count() + source.from.0;
    let annotations = labels.iter().zip(ranges).map(|(label, range)| {
        let kind = if primary.is_some_and(|p| std::ptr::eq(p, *label)) {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let annotation = kind.span(range.start - start..range.end - start);
        if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
    });
    Snippet::source(&text[start..end]).line_start(line).path(path(source)).annotations(annotations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Span;

    fn problems() -> Diagnostics {
        let one = Source::new("prompts/answer.md", "Solve.\n\nQuestion: {{ quesion }}\n");
        let two = Source::new("datamake.toml", "[dataset.a]\ngenerate = { prompt = \"answer\" }\n");
        let problem =
            Diagnostic::error("unknown-column", "the prompt `answer` reads a column that `seed` does not have")
                .at(&Span::new(&one, 21..28), "no column `quesion`")
                .at(&Span::new(&two, 34..42), "filled here")
                .note("`seed` has the columns `id`, `question`")
                .help("did you mean `question`?");
        let warning = Diagnostic::warning("unused-param", "the param `x` is not used");
        Diagnostics(vec![problem, warning])
    }

    #[test]
    fn a_problem_is_drawn_with_its_lines() {
        let expected = "\
error[unknown-column]: the prompt `answer` reads a column that `seed` does not have
 --> prompts/answer.md:3:14
  |
3 | Question: {{ quesion }}
  |              ^^^^^^^ no column `quesion`
  |
 ::: datamake.toml:2:23
  |
2 | generate = { prompt = \"answer\" }
  |                       -------- filled here
  |
  = note: `seed` has the columns `id`, `question`
  = help: did you mean `question`?

warning[unused-param]: the param `x` is not used
";
        assert_eq!(render(&problems(), Style::Plain), expected);
    }

    #[test]
    fn colour_adds_escape_codes_and_nothing_else() {
        let coloured = render(&problems(), Style::Colour);
        let mut plain = String::new();
        for (index, piece) in coloured.split('\u{1b}').enumerate() {
            plain.push_str(if index == 0 { piece } else { piece.split_once('m').expect("a code ends with m").1 });
        }
        assert!(coloured.contains('\u{1b}'));
        assert_eq!(plain, render(&problems(), Style::Plain));
    }

    #[test]
    fn json_has_every_field() {
        let json = json(&problems());
        assert_eq!(json[0]["labels"][0]["end_column"], 21);
        assert_eq!(
            json[0]["labels"][1],
            json!({ "path": "datamake.toml", "line": 2, "column": 23, "end_line": 2, "end_column": 31, "start": 34, "end": 42, "text": "filled here" })
        );
        assert_eq!(
            json[1],
            json!({ "severity": "warning", "code": "unused-param", "title": "the param `x` is not used", "labels": [], "notes": [], "help": [] })
        );
    }

    #[test]
    fn a_span_beyond_its_text_or_inside_a_character_is_drawn_all_the_same() {
        let source = Source::new("a", "ä\r\nü");
        for range in [0..1, 1..1, 3..99, 99..99, 0..7, 2..3, 3..4] {
            let problem = Diagnostic::error("x", "y").at(&Span::new(&source, range), "here");
            assert!(render(&problem.into(), Style::Plain).contains("here"));
        }
    }
}
