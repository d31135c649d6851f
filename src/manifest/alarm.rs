//! Alarms of metrics, `alarm` of `[metric.NAME]`: how far a value may move before a build says so.

use super::check::number;
use super::decl::{Spanned, Text};
use super::declare::Declarer;
use super::part::percent;
use super::shape::Role::Description;
use super::shape::{Range, Shape, Table, Text as Meaning, key};
use super::value::{self, Value};
use crate::diag::{Diagnostic, Span};

const AMOUNT: Shape = Shape::Either(&Shape::Number(Range::NotNegative), &Shape::Text(Meaning::Percent));

/// The build before: what `versus` is unless it is said.
pub const LAST: &str = "last";

pub static ALARM: Table = Table {
    sections: &[&[
        key(
            "fall",
            Description,
            AMOUNT,
            "By how much the value may fall: a number, or a part of what it was (`\"5%\"`). A value that is gone has fallen.",
        ),
        key("rise", Description, AMOUNT, "By how much the value may rise."),
        key(
            "versus",
            Description,
            Shape::Text(Meaning::Filled),
            "What it is compared with: `last`, the value before; the number of a build; or a revision of Git with a datamake.lock, such as `git:main`.",
        )
        .default("\"last\""),
    ]],
    groups: &[],
};

/// How far a value may move.
#[derive(Clone, Debug)]
pub struct Alarm {
    pub fall: Option<Spanned<Allowed>>,
    pub rise: Option<Spanned<Allowed>>,
    pub versus: Option<Text>,
}

/// An amount by which a value may move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowed {
    Absolute(f64),
    /// A part of what it was.
    Relative(f64),
}

impl Allowed {
    /// Returns whether a value that moved by so much, at least 0, from `before` moved further. What differs by the rounding of floats alone does not.
    pub fn is_passed(self, by: f64, before: f64) -> bool {
        let most = match self {
            Allowed::Absolute(most) => most,
            Allowed::Relative(share) => share * before.abs(),
        };
        by - most > 1e-12 * before.abs().max(by)
    }
}

impl Alarm {
    /// Returns what it is compared with.
    pub fn versus(&self) -> &str {
        self.versus.as_ref().map_or(LAST, |versus| &versus.value)
    }

    /// Returns what a move from `before` to `after` passes, and where that stands; a value that is gone fell.
    pub fn passed(&self, before: f64, after: Option<f64>) -> Option<&Spanned<Allowed>> {
        match after.filter(|after| !after.is_nan()) {
            None => self.fall.as_ref(),
            Some(after) if after < before => {
                self.fall.as_ref().filter(|fall| fall.value.is_passed(before - after, before))
            }
            Some(after) => self.rise.as_ref().filter(|rise| rise.value.is_passed(after - before, before)),
        }
    }
}

impl Declarer<'_> {
    /// Reads the key `alarm` of a metric.
    pub(super) fn alarm(&mut self, metric: &str, table: &value::Table) -> Option<Alarm> {
        let entry = table.get("alarm")?;
        let inner = entry.value.table()?;
        let amount = |key: &str| {
            let value = &inner.get(key)?.value;
            Some(Spanned { value: allowed(value)?, span: self.span(value.at) })
        };
        let (fall, rise) = (amount("fall"), amount("rise"));
        if !["fall", "rise"].iter().any(|key| inner.contains_key(key)) {
            let title = format!("the alarm of `metric.{metric}` allows everything");
            let problem =
                Diagnostic::error("missing-key", title).at(&self.span(entry.key), "neither `fall` nor `rise`");
            self.problems.push(problem.help("say how far the value may move: `alarm = { fall = \"5%\" }`"));
        }
        let versus = self.text(inner, "versus");
        if let Some(text) = versus.as_ref().filter(|text| text.value.starts_with("last-")) {
            self.problems.push(moving(&text.span));
        }
        Some(Alarm { fall, rise, versus })
    }
}

fn moving(span: &Span) -> Diagnostic {
    Diagnostic::error("invalid-version", "an alarm compares with a version that stays, or with the value before")
        .at(span, "another build every time")
        .help("write `last`, the number of a build, or a revision of Git such as `git:main`")
}

fn allowed(value: &Value) -> Option<Allowed> {
    match value.string() {
        Some(text) => percent(&text).map(Allowed::Relative),
        None => number(value).map(Allowed::Absolute),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_by_what_is_allowed_is_none_too_far() {
        assert!(!Allowed::Relative(0.05).is_passed(0.84 - 0.798, 0.84));
        assert!(Allowed::Relative(0.05).is_passed(0.84 - 0.797, 0.84));
        assert!(!Allowed::Absolute(0.1).is_passed(0.3 - 0.2, 0.3));
        assert!(Allowed::Absolute(0.0).is_passed(1.0, 5000.0));
        assert!(Allowed::Relative(2.0).is_passed(0.1, 0.0));
        assert!(!Allowed::Relative(0.0).is_passed(0.0, 0.0));
    }

    #[test]
    fn shares_in_percent_are_read_by_their_digits() {
        assert_eq!(
            ["5%", "0.1%", "250%", "5", "%", "5.%", "-5%", "1e3%"].map(percent),
            [Some(0.05), Some(0.001), Some(2.5), None, None, None, None, None]
        );
    }
}
