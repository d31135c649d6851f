//! Whole queries over tables, in SQLite: which datasets a query reads, what it makes of their columns, and its rows.
//!
//! The engine is given the columns that a query reads, in a database of its own that no path names and that ends with it, and it may
//! do nothing but read them. `docs/design/sql.md` has the reasons.

mod dates;
mod engine;
mod explain;
mod guard;
mod infer;
mod parse;
mod program;
mod scope;
mod values;

pub use engine::{Engine, Prepared, Stopped, Table, quoted};
pub use parse::{Named, Query};

/// Returns what answers queries, with its version: part of the keys.
pub fn engine() -> String {
    format!("SQLite {}", rusqlite::version())
}

#[cfg(test)]
mod tests;
