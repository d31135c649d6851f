//! The table of functions and operators. One entry is all that a function needs: names, signatures, documentation,
//! an example that is executed by a test, and the Rust function that runs it.

mod conditional;
mod contents;
mod lists;
mod math;
mod measures;
mod operators;
mod patterns;
mod quality;
mod personal;
mod similarity;
mod strings;
mod time;

use super::cells::{Args, Outcome};
use super::measures::Make;
use super::signature::Form;
use std::collections::HashMap;
use std::sync::LazyLock;

/// How a call is evaluated.
#[derive(Clone, Copy)]
pub enum Run {
    /// All arguments for all rows, then this.
    Rows(fn(&Args) -> Outcome),
    /// A measure of the first argument, told by the others. It never fails once it is told.
    Measure(Make),
    /// Arguments only for the rows that need them.
    Lazy(Lazy),
}

/// The calls that skip arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lazy {
    And,
    Or,
    Coalesce,
    NullIf,
    If,
}

/// What a null argument does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// The result is null; the function does not see it.
    Pass,
    /// The function decides.
    Seen,
}

/// Whether it is worth to skip rows whose result is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Cheap and never fails: run it on all rows.
    Light,
    /// May fail, or takes its time.
    Heavy,
    /// Dear, and what it gives is small: a condition is taken apart from it, so that it is remembered whatever is asked of it.
    Dear,
}

/// One entry of the table.
pub struct Function {
    pub name: &'static str,
    /// Other names of the same function.
    pub also: &'static [&'static str],
    /// Signatures, as documented and as checked: `text: string, n: int -> float`.
    pub forms: &'static [(&'static str, Run)],
    /// One line.
    pub doc: &'static str,
    /// An expression and its result.
    pub example: (&'static str, &'static str),
    pub nulls: Nulls,
    pub work: Work,
}

/// Begins an entry: nulls pass through, and it may fail.
const fn f(
    name: &'static str,
    also: &'static [&'static str],
    forms: &'static [(&'static str, Run)],
    doc: &'static str,
    example: (&'static str, &'static str),
) -> Function {
    Function { name, also, forms, doc, example, nulls: Nulls::Pass, work: Work::Heavy }
}

impl Function {
    /// Lets the function see nulls.
    const fn sees_nulls(self) -> Function {
        Function { nulls: Nulls::Seen, ..self }
    }

    /// Marks a function that is dear and gives little.
    const fn dear(self) -> Function {
        Function { work: Work::Dear, ..self }
    }

    /// Marks a function that is cheap and never fails.
    const fn light(self) -> Function {
        Function { work: Work::Light, ..self }
    }
}

/// All functions by section, in the order of the reference.
pub const SECTIONS: &[(&str, &[Function])] = &[
    ("Operators", operators::TABLE),
    ("Conditions and nulls", conditional::TABLE),
    ("Text measures", measures::TABLE),
    ("Quality measures", quality::TABLE),
    ("What texts are made of", contents::TABLE),
    ("Likeness of texts", similarity::TABLE),
    ("Personal data", personal::TABLE),
    ("Strings", strings::TABLE),
    ("Regular expressions", patterns::TABLE),
    ("Numbers", math::TABLE),
    ("Lists", lists::TABLE),
    ("Dates", time::TABLE),
];

/// An entry with its signatures read.
pub struct Entry {
    pub function: &'static Function,
    pub forms: Vec<(Form, Run)>,
}

static TABLE: LazyLock<HashMap<&'static str, Entry>> = LazyLock::new(|| {
    let mut table = HashMap::new();
    for function in SECTIONS.iter().flat_map(|(_, functions)| functions.iter()) {
        for name in std::iter::once(&function.name).chain(function.also) {
            let forms = function.forms.iter().map(|(form, run)| (Form::read(form), *run)).collect();
            table.insert(*name, Entry { function, forms });
        }
    }
    table
});

/// Finds a function or operator by its lower-case name.
pub fn find(name: &str) -> Option<&'static Entry> {
    TABLE.get(name)
}

/// Returns all names that can be called, for "did you mean".
pub fn names() -> impl Iterator<Item = &'static str> {
    let named = |f: &'static Function| std::iter::once(f.name).chain(f.also.iter().copied());
    SECTIONS.iter().flat_map(|(_, functions)| functions.iter()).flat_map(named).filter(|name| is_word(name))
}

/// Returns whether a name is written as `name(…)` and not as an operator.
pub fn is_word(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !["and", "or", "not", "like", "ilike", "between"].contains(&name)
}
