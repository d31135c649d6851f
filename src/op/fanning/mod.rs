//! Ops that say of each row how often it comes: samples, elements of lists, matches in another table.

mod explode;
mod join;
mod repeat;

pub use explode::Explode;
pub use join::{JoinKeys, JoinKind, Matches, Places, TooMany};
pub use repeat::Repeat;

use crate::hash::KeyWriter;
use crate::table::{Batch, Field, RowError};
use arrow_array::ArrayRef;

/// A function that says of each row how often it comes, and makes columns for the rows that come.
pub trait FanOp: Send + Sync {
    /// Writes the parameters in canonical form; the caller begins the key, and adds the chunks.
    fn write_key(&self, key: &mut KeyWriter);

    /// Returns the name in keys; it never changes, and is the reason of rows that do not come.
    fn name(&self) -> &'static str;

    /// Returns exactly the columns that are read, in a fixed order.
    fn reads(&self) -> &[String];

    /// Returns the columns that are made.
    fn writes(&self) -> &[Field];

    /// Says which rows come, and makes the columns for them.
    fn run(&self, input: &Batch) -> Result<Fanned, RowError>;
}

/// The rows that come.
#[derive(Clone, Debug)]
pub struct Fanned {
    /// The position of each, in order.
    pub rows: Vec<u32>,
    /// Each with a value for each of them.
    pub columns: Vec<ArrayRef>,
}
