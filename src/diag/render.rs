//! Draws diagnostics.

use super::{Diagnostic, Diagnostics};

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Colour,
}

/// Draws all problems, as text for a terminal.
pub fn render(problems: &Diagnostics, _style: Style) -> String {
    problems.0.iter().map(|d: &Diagnostic| format!("{}: {}\n", d.code, d.title)).collect()
}
