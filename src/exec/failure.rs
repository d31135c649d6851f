//! Why a row has no value: one column of structs, whatever kept the value away.

use super::context::{Context, Stop};
use crate::ask::{self, FailureKind, Usage};
use crate::diag::list;
use crate::expr::{Value, array_of};
use crate::hash::Hash;
use crate::table::{Field, RowError, Type};
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use std::fmt;
use std::str::FromStr;

/// The column of a table of failed rows that says why each failed.
pub const FAILURE: &str = "failure";

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailedAs {
    /// The maker could not read it.
    Unreadable,
    /// An expression or a template has no value for it.
    Uncomputable,
    /// A model gave no value for it.
    Unanswered(FailureKind),
}

impl FailedAs {
    /// Returns all kinds, in the order in which they are counted.
    pub fn all() -> impl Iterator<Item = FailedAs> {
        let own = [FailedAs::Unreadable, FailedAs::Uncomputable];
        own.into_iter().chain(FailureKind::ALL.into_iter().map(FailedAs::Unanswered))
    }

    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            FailedAs::Unreadable => "unreadable",
            FailedAs::Uncomputable => "uncomputable",
            FailedAs::Unanswered(kind) => kind.word(),
        }
    }

    /// Returns the kind that a model's answer can be asked for again.
    pub fn of_model(self) -> Option<FailureKind> {
        match self {
            FailedAs::Unanswered(kind) => Some(kind),
            _ => None,
        }
    }
}

impl fmt::Display for FailedAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for FailedAs {
    type Err = String;

    fn from_str(text: &str) -> Result<FailedAs, String> {
        let words = || FailedAs::all().map(FailedAs::word);
        FailedAs::all()
            .find(|kind| kind.word() == text)
            .ok_or_else(|| format!("the kinds are {}", list(words().collect::<Vec<_>>())))
    }
}

/// Why one row has no value.
#[derive(Clone, Debug, PartialEq)]
pub struct RowFailure {
    pub kind: FailedAs,
    /// In words, for a person.
    pub detail: String,
    /// What to do about it, if that is known.
    pub help: Option<String>,
    /// The column, filter or step that has no value for it, if there is one to name.
    pub of: Option<String>,
    /// Of what could not be read: where it is. Lines and columns count from 1.
    pub file: Option<String>,
    pub line: Option<u64>,
    pub column: Option<u64>,
    /// The text itself, or its beginning.
    pub text: Option<String>,
    /// Of what a model was asked: the key of the request.
    pub request: Option<Hash>,
    pub attempts: Option<u32>,
    pub tokens: Option<Usage>,
    /// The raw reply, if there was one.
    pub reply: Option<String>,
}

impl From<ask::Failure> for RowFailure {
    fn from(failure: ask::Failure) -> RowFailure {
        RowFailure {
            request: Some(failure.request),
            attempts: Some(failure.attempts),
            tokens: failure.tokens,
            reply: failure.reply,
            ..RowFailure::new(FailedAs::Unanswered(failure.kind), failure.detail)
        }
    }
}

impl RowFailure {
    fn new(kind: FailedAs, detail: impl Into<String>) -> RowFailure {
        RowFailure {
            kind,
            detail: detail.into(),
            help: None,
            of: None,
            file: None,
            line: None,
            column: None,
            text: None,
            request: None,
            attempts: None,
            tokens: None,
            reply: None,
        }
    }

    /// Says that a row has no value for `of`: a column, a filter or a step.
    pub fn uncomputable(of: &str, detail: impl Into<String>) -> RowFailure {
        RowFailure { of: Some(of.to_owned()), ..RowFailure::new(FailedAs::Uncomputable, detail) }
    }

    /// Says what an op said of a row.
    pub fn of_error(error: RowError) -> RowFailure {
        RowFailure { help: error.help, ..RowFailure::new(FailedAs::Uncomputable, error.message) }
    }

    /// Says that a row could not be read; where and what it is goes into the fields.
    pub fn unreadable(detail: impl Into<String>) -> RowFailure {
        RowFailure::new(FailedAs::Unreadable, detail)
    }

    /// Returns the type of the column [`FAILURE`].
    pub fn ty() -> Type {
        let field = |(name, ty)| Field::new(name, ty);
        Type::Struct(
            [
                ("kind", Type::String),
                ("detail", Type::String),
                ("help", Type::String),
                ("of", Type::String),
                ("file", Type::String),
                ("line", Type::Int),
                ("column", Type::Int),
                ("text", Type::String),
                ("request", Type::String),
                ("attempts", Type::Int),
                ("input_tokens", Type::Int),
                ("output_tokens", Type::Int),
                ("reply", Type::String),
            ]
            .map(field)
            .into(),
        )
    }

    /// Makes the column of some failures.
    pub fn column(failures: Vec<RowFailure>) -> ArrayRef {
        array_of(&RowFailure::ty(), &failures.into_iter().map(RowFailure::value).collect::<Vec<_>>())
    }

    fn value(self) -> Value {
        let text = |text: Option<String>| text.map_or(Value::Null, Value::String);
        let int = |n: Option<u64>| n.map_or(Value::Null, |n| Value::Int(n as i64));
        let fields = [
            ("kind", Value::String(self.kind.word().to_owned())),
            ("detail", Value::String(self.detail)),
            ("help", text(self.help)),
            ("of", text(self.of)),
            ("file", text(self.file)),
            ("line", int(self.line)),
            ("column", int(self.column)),
            ("text", text(self.text)),
            ("request", text(self.request.map(|request| request.to_string()))),
            ("attempts", int(self.attempts.map(u64::from))),
            ("input_tokens", int(self.tokens.map(|usage| usage.input))),
            ("output_tokens", int(self.tokens.map(|usage| usage.output))),
            ("reply", text(self.reply)),
        ];
        Value::Struct(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Reads a value of the column; none if it is not one, as of a store of a later version.
    pub fn of_value(value: &Value) -> Option<RowFailure> {
        let Value::Struct(fields) = value else { return None };
        let field = |name: &str| fields.iter().find(|(own, _)| own == name).map(|(_, value)| value);
        let text = |name: &str| match field(name) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        let int = |name: &str| match field(name) {
            Some(Value::Int(n)) => u64::try_from(*n).ok(),
            _ => None,
        };
        let tokens = int("input_tokens").zip(int("output_tokens"));
        Some(RowFailure {
            kind: text("kind")?.parse().ok()?,
            detail: text("detail").unwrap_or_default(),
            help: text("help"),
            of: text("of"),
            file: text("file"),
            line: int("line"),
            column: int("column"),
            text: text("text"),
            request: text("request").and_then(|key| key.parse().ok()),
            attempts: int("attempts").and_then(|n| u32::try_from(n).ok()),
            tokens: tokens.map(|(input, output)| Usage { input, output }),
            reply: text("reply"),
        })
    }
}

impl Context<'_> {
    /// Counts the failures in a chunk by kind, in the order of [`FailedAs::all`].
    pub fn count_failures(&self, failures: Hash) -> Result<Vec<u64>, Stop> {
        count(&self.column(failures)?).ok_or(Stop::Missing(failures))
    }
}

/// Counts failures by kind; none if the column is not one of failures.
fn count(column: &ArrayRef) -> Option<Vec<u64>> {
    let kinds = column.as_struct_opt()?.column_by_name("kind")?.clone();
    let kinds = kinds.as_string_opt::<i32>()?;
    let all: Vec<&str> = FailedAs::all().map(FailedAs::word).collect();
    let mut counts = vec![0; all.len()];
    for word in kinds.iter().flatten() {
        if let Some(at) = all.iter().position(|known| *known == word) {
            counts[at] += 1;
        }
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::value_at;
    use arrow_array::Array;

    #[test]
    fn a_failure_of_every_kind_reads_back_as_it_was_and_is_counted() {
        let usage = Usage { input: 3, output: 5 };
        let failures: Vec<RowFailure> = FailedAs::all()
            .map(|kind| RowFailure {
                help: Some("try again".to_owned()),
                of: Some("words".to_owned()),
                file: Some("a.jsonl".to_owned()),
                line: Some(7),
                column: Some(2),
                text: Some("{\"a\":".to_owned()),
                request: Some(Hash::of(b"request")),
                attempts: Some(2),
                tokens: Some(usage),
                reply: Some(String::new()),
                ..RowFailure::new(kind, format!("as {kind}"))
            })
            .chain([RowFailure::uncomputable("n", "division by zero"), RowFailure::unreadable("half a line")])
            .collect();
        let column = RowFailure::column(failures.clone());
        let read: Vec<Option<RowFailure>> =
            (0..column.len()).map(|row| RowFailure::of_value(&value_at(&column, row))).collect();
        assert_eq!(read, failures.into_iter().map(Some).collect::<Vec<_>>());
        assert_eq!(count(&column), Some(vec![2, 2, 1, 1, 1, 1, 1, 1, 1, 1]));
        assert!(FailedAs::all().all(|kind| kind.word().parse() == Ok(kind)));
    }
}
