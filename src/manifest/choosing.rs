//! The part of the language that says which rows are taken: `mix`, `sample`, `split`. Their keys, and what is declared with them.

use super::check::number;
use super::decl::{Spanned, Text};
use super::declare::Declarer;
use super::keys::{COLUMN, COUNT, REF, SEED, SQL};
use super::shape::Role::{Definition, Edge};
use super::shape::{self, Group, Range, Required, Shape, Table, key};
use super::value::{self, Kind};
use crate::diag::{Diagnostic, Severity, Span};

pub static MIX: Table = Table {
    sections: &[&[
        key("rows", Definition, COUNT, "The number of rows. Without it, as many as the shares allow."),
        key(
            "of",
            Definition,
            Shape::Either(
                &Shape::List(&REF),
                &Shape::Map(shape::Text::Ref, &Shape::Either(&Shape::Number(Range::Positive), &Shape::Table(&SHARE))),
            ),
            "Datasets and their shares, relative to each other; or a list of datasets, whose sizes are their shares. In the key of the node they stand \
             by position, in the order of the names (in a list, as written), so renaming a dataset rebuilds nothing.",
        )
        .required(),
        key(
            "temperature",
            Definition,
            Shape::Number(Range::Positive),
            "Shares are sizes to the power of 1 / temperature: 1, in proportion to the sizes; above, small datasets get more. Only where no dataset \
             has a share of its own.",
        ),
        key("epochs", Definition, Shape::Number(Range::Epochs), "The `epochs` of datasets that have none of their own.")
            .default("1"),
        key("match", Definition, Shape::Table(&MATCH), "The mix has values in the proportions of another dataset."),
        key("seed", Definition, SEED, "Another seed picks other rows.").default("0"),
        key("source", Definition, COLUMN, "A column for the name of the dataset that a row came from."),
        key("epoch", Definition, COLUMN, "A column that tells the copies of a row apart, counted from 0."),
    ]],
    groups: &[],
};

pub static SHARE: Table = Table {
    sections: &[&[
        key("share", Definition, Shape::Number(Range::Positive), "Its share, relative to the others."),
        key(
            "cap",
            Definition,
            COUNT,
            "At most so many different rows of it are taken. With `temperature`, its size is at most this.",
        ),
        key(
            "epochs",
            Definition,
            Shape::Number(Range::Epochs),
            "How often a row of it may come: with 2.5, every row twice and half of them once more.",
        ),
    ]],
    groups: &[],
};

pub static MATCH: Table = Table {
    sections: &[&[
        key("to", Edge, REF, "The dataset whose proportions these are.").required(),
        key(
            "by",
            Definition,
            Shape::OneOrMore(&SQL),
            "The columns or expressions whose values come in these proportions; read in all of the datasets.",
        )
        .required(),
    ]],
    groups: &[],
};

pub static SAMPLE: Table = Table {
    sections: &[&[
        key(
            "rows",
            Definition,
            COUNT,
            "So many rows; all, if there are fewer. With `by`, each group gives in proportion to its size, rounded by largest remainder.",
        ),
        key("per_group", Definition, COUNT, "So many rows of each group of `by`; all of a group that has fewer.").with(&["by"]),
        key(
            "fraction",
            Definition,
            Shape::Number(Range::Share),
            "About this share of the rows; a row stays in or out whatever the others are.",
        ),
        key(
            "by",
            Definition,
            Shape::OneOrMore(&SQL),
            "Columns or expressions: rows that agree in all of them are a group.",
        )
        .with(&["rows", "per_group"]),
        key(
            "top",
            Definition,
            SQL,
            "Take the rows for which this number, date or timestamp is largest (`-score`: smallest). Nulls come last.",
        )
        .with(&["rows", "per_group"]),
        key(
            "weight",
            Definition,
            SQL,
            "Take rows with a chance in proportion to this number, each at most once. A row of weight 0 is never taken.",
        )
        .with(&["rows", "per_group"]),
        key("seed", Definition, SEED, "Another seed picks other rows.").default("0"),
    ]],
    groups: &[
        Group { keys: &["rows", "per_group", "fraction"], required: Required::Yes, doc: "a sample has one size" },
        Group { keys: &["top", "weight"], required: Required::No, doc: "rows are taken by rank or by chance" },
    ],
};

pub static SPLIT: Table = Table {
    sections: &[&[
        key(
            "parts",
            Definition,
            Shape::Map(shape::Text::Name, &Shape::Number(Range::Share)),
            "Parts and their shares, which sum to 1.",
        )
        .required(),
        key("seed", Definition, SEED, "Another seed deals the rows anew.").default("0"),
        key(
            "group_by",
            Definition,
            Shape::OneOrMore(&SQL),
            "Columns or expressions: rows that agree in all of them stay together. Without it, the key of the row decides.",
        ),
        key(
            "leak_check",
            Definition,
            Shape::Either(&Shape::OneOrMore(&SQL), &Shape::Table(&LEAK_CHECK)),
            "Columns or expressions: no value of any of them may be in two parts. Texts are compared without case, white space and Unicode forms; \
             nulls are no values.",
        ),
    ]],
    groups: &[],
};

pub static LEAK_CHECK: Table = Table {
    sections: &[&[
        key("by", Definition, Shape::OneOrMore(&SQL), "The columns or expressions.").required(),
        key(
            "severity",
            Definition,
            Shape::Text(shape::Text::OneOf(&["error", "warning"])),
            "`error`: the dataset is not made; `warning`: it is made, and what leaks is told.",
        )
        .default("\"error\""),
    ]],
    groups: &[],
};

/// Rows of several datasets by shares.
#[derive(Clone, Debug)]
pub struct Mix {
    /// None: as many as the shares allow.
    pub rows: Option<Spanned<u64>>,
    /// Sorted by name; those of a list as they are written.
    pub of: Vec<(Text, Share)>,
    /// The shares are sizes to the power of one by this; none: each dataset has its own.
    pub temperature: Option<f64>,
    pub matching: Option<Match>,
    pub seed: u64,
    /// The column for the name of the input.
    pub source: Option<Text>,
    /// The column that tells the copies of a row apart.
    pub epoch: Option<Text>,
}

/// What one dataset gives to a mix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// None: its size decides.
    pub share: Option<f64>,
    /// How many different rows at most.
    pub cap: Option<u64>,
    /// How often a row may come.
    pub epochs: f64,
}

/// The proportions in which values are to come.
#[derive(Clone, Debug)]
pub struct Match {
    pub to: Text,
    pub by: Vec<Text>,
}

/// Keeps some rows.
#[derive(Clone, Debug)]
pub struct Sample {
    pub amount: Amount,
    /// Columns or expressions; rows that agree in all of them are a group. Empty: all rows are one.
    pub by: Vec<Text>,
    pub order: Order,
    pub seed: u64,
    pub span: Span,
}

/// How many rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Of all groups together.
    Rows(u64),
    /// Of each group.
    PerGroup(u64),
    /// Above 0, at most 1.
    Fraction(f64),
}

/// Which rows come first.
#[derive(Clone, Debug)]
pub enum Order {
    /// Chance decides.
    Drawn,
    /// Those for which an expression is largest.
    Top(Text),
    /// Chance decides, in proportion to an expression.
    Weighted(Text),
}

/// Divides the rows into parts.
#[derive(Clone, Debug)]
pub struct Split {
    /// Names and shares that sum to 1, sorted by name.
    pub parts: Vec<(Text, f64)>,
    pub seed: u64,
    /// Columns or expressions; rows that agree in all of them stay together. Empty: the key of the row.
    pub group_by: Vec<Text>,
    /// Columns or expressions of which no value may be in two parts.
    pub leak_check: Vec<Text>,
    /// What it is if one is.
    pub severity: Severity,
    pub span: Span,
}

impl Declarer<'_> {
    pub(super) fn mix(&mut self, dataset: &str, table: &value::Table) -> Option<Mix> {
        let entry = table.get("of")?;
        let epochs = table.get("epochs").and_then(|entry| number(&entry.value)).unwrap_or(1.0);
        let mut temperature = table.get("temperature").and_then(|entry| number(&entry.value));
        let of = if let Kind::List(items) = &entry.value.kind {
            temperature = temperature.or(Some(1.0));
            let names: Vec<Text> = items.iter().filter_map(|item| item.text(self.sources)).collect();
            for (at, name) in names.iter().enumerate() {
                if names[..at].iter().any(|other| other.value == name.value) {
                    let title = format!("`dataset.{dataset}` mixes `{}` with itself", name.value);
                    let problem = Diagnostic::error("duplicate", title).at(&name.span, "named twice");
                    self.problems.push(problem.help("`epochs` lets its rows come several times"));
                }
            }
            names.into_iter().map(|name| (name, Share { share: None, cap: None, epochs })).collect()
        } else {
            self.shares(dataset, table, epochs, temperature.is_some())
        };
        let matching = table.get("match").and_then(|entry| {
            let inner = entry.value.table()?;
            Some(Match { to: self.text(inner, "to")?, by: self.texts(inner, "by") })
        });
        Some(Mix {
            rows: self.count(table, "rows"),
            of,
            temperature,
            matching,
            seed: self.seed(table),
            source: self.text(table, "source"),
            epoch: self.text(table, "epoch"),
        })
    }

    /// Reads datasets and their shares; each has one, unless the sizes make them.
    fn shares(&mut self, dataset: &str, table: &value::Table, epochs: f64, by_size: bool) -> Vec<(Text, Share)> {
        self.map(table, "of", |this, value| {
            let inner = value.table();
            let get = |key: &str| Some(&inner?.get(key)?.value);
            let share = number(value).or_else(|| number(get("share")?));
            if by_size && let Some(at) = share.and(Some(get("share").map_or(value.at, |value| value.at))) {
                let title = format!("`temperature` makes the shares of `dataset.{dataset}` of the sizes");
                this.error("stray-key", title, at, "and this is a share").help.push(
                    "leave `temperature` out, or the shares: `of = [\"a\", \"b\"]`, `of = { a = { cap = 1000 }, … }`"
                        .into(),
                );
            }
            // What is misspelt is reported as that.
            let lacks = |inner: &value::Table| {
                inner.keys().all(|name| SHARE.key(name).is_some()) && !inner.contains_key("share")
            };
            if !by_size && inner.is_some_and(lacks) {
                let title = format!("each dataset in `dataset.{dataset}.mix.of` needs a `share`");
                this.error("missing-key", title, value.at, "`share` is missing")
                    .help
                    .push("or let `temperature = 1` make the shares of the sizes".into());
            }
            let cap = get("cap").and_then(super::declare::int).and_then(|cap| u64::try_from(cap).ok());
            let epochs = get("epochs").and_then(number).unwrap_or(epochs);
            (inner.is_some() || share.is_some()).then_some(Share { share, cap, epochs })
        })
    }

    pub(super) fn sample(&mut self, table: &value::Table, span: Span) -> Option<Sample> {
        let rows = self.count(table, "rows").map(|rows| Amount::Rows(rows.value));
        let per_group = || self.count(table, "per_group").map(|rows| Amount::PerGroup(rows.value));
        let fraction = || Some(Amount::Fraction(number(&table.get("fraction")?.value)?));
        let top = self.text(table, "top").map(Order::Top);
        let weighted = || self.text(table, "weight").map(Order::Weighted);
        Some(Sample {
            amount: rows.or_else(per_group).or_else(fraction)?,
            by: self.texts(table, "by"),
            order: top.or_else(weighted).unwrap_or(Order::Drawn),
            seed: self.seed(table),
            span,
        })
    }

    pub(super) fn split(&mut self, dataset: &str, table: &value::Table, span: Span) -> Option<Split> {
        let parts = self.map(table, "parts", |_, value| number(value));
        let entry = table.get("parts")?;
        let all_numbers = entry.value.table().is_some_and(|table| table.len() == parts.len() && !parts.is_empty());
        let sum: f64 = parts.iter().map(|(_, share)| share).sum();
        if all_numbers && (sum - 1.0).abs() > 1e-9 {
            let title = format!("the shares of the parts of `dataset.{dataset}` must sum to 1");
            let sum = (sum * 1e9).round() / 1e9;
            self.error("shares", title, entry.key, &format!("these sum to {sum}"));
        }
        let more = table.get("leak_check").and_then(|entry| entry.value.table());
        let leak_check = more.map_or_else(|| self.texts(table, "leak_check"), |more| self.texts(more, "by"));
        let warns = more.and_then(|more| self.text(more, "severity")).is_some_and(|text| text.value == "warning");
        let severity = if warns { Severity::Warning } else { Severity::Error };
        Some(Split {
            parts,
            seed: self.seed(table),
            group_by: self.texts(table, "group_by"),
            leak_check,
            severity,
            span,
        })
    }
}
