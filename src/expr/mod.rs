//! SQL expressions over columns: parsed by `sqlparser`, bound to a typed tree of our own, evaluated over Arrow arrays.
//!
//! `docs/expressions.md` is the language, made from the tables in `functions` and `aggregate`.

mod aggregate;
mod apart;
mod bind;
mod calls;
mod cast;
mod cells;
mod complaints;
mod eval;
mod exact;
mod forms;
mod functions;
mod key;
mod like;
mod literals;
mod measures;
mod patterns;
mod reference;
mod signature;
mod syntax;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use aggregate::{Aggregate, Sample, Slice, State};
pub use apart::Apart;
pub use measures::measured;
pub use reference::reference;
pub use value::{Value, array_of, value_at};

pub use crate::table::RowError;
use crate::table::{Batch, Schema, Type};
use arrow_array::ArrayRef;
use bind::{Binder, Place, Scope};
use std::ops::Range;
use tree::{Kind, Logic, Node};

/// One problem in an expression; `range` is in bytes of the expression's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    /// Kebab-case, stable: `unknown-column`.
    pub code: &'static str,
    /// Lower case, one line, no full stop.
    pub title: String,
    pub range: Range<usize>,
    /// What is to be said of the text at `range`.
    pub label: String,
    pub notes: Vec<String>,
    pub help: Vec<String>,
}

impl ExprError {
    fn new(code: &'static str, title: impl Into<String>, range: Range<usize>, label: impl Into<String>) -> ExprError {
        ExprError { code, title: title.into(), range, label: label.into(), notes: Vec::new(), help: Vec::new() }
    }

    fn note(mut self, text: impl Into<String>) -> ExprError {
        self.notes.push(text.into());
        self
    }

    fn help(mut self, text: impl Into<String>) -> ExprError {
        self.help.push(text.into());
        self
    }
}

/// A scalar expression, bound to the columns of a schema.
#[derive(Clone)]
pub struct Expr {
    node: Node,
    reads: Vec<String>,
    types: Vec<Type>,
    canonical: String,
    all_of: Vec<Expr>,
}

impl Expr {
    /// Parses and binds an expression; or says all that is wrong with it.
    pub fn parse(text: &str, schema: &Schema) -> Result<Expr, Vec<ExprError>> {
        let mut binder = Binder::new(text, Scope::Known(schema), Place::Scalar);
        Ok(Expr::of(binder.finish()?, schema))
    }

    /// Makes an expression of a tree whose columns are places in a schema.
    fn of(node: Node, schema: &Schema) -> Expr {
        let all_of = match &node.kind {
            Kind::Logic(Logic::And, nodes) if nodes.iter().all(|node| node.ty == Type::Bool) => {
                nodes.iter().map(|node| Expr::of(node.clone(), schema)).collect()
            }
            _ => Vec::new(),
        };
        let columns: Vec<(String, Type)> =
            schema.0.iter().map(|field| (field.name.clone(), field.ty.clone())).collect();
        Expr { all_of, ..Expr::over(node, &columns) }
    }

    /// Makes an expression of a tree whose columns are places among some.
    fn over(mut node: Node, columns: &[(String, Type)]) -> Expr {
        let mut places = Vec::new();
        node.renumber(&mut places);
        let mut canonical = String::new();
        node.write(&mut canonical);
        let (reads, types) = places.iter().map(|place| columns[*place].clone()).unzip();
        Expr { node, reads, types, canonical, all_of: Vec::new() }
    }

    /// Returns the conditions that this one joins by `and`; none where it is not made so.
    pub fn all_of(&self) -> &[Expr] {
        &self.all_of
    }

    /// Returns the type of the result.
    pub fn ty(&self) -> &Type {
        &self.node.ty
    }

    /// Returns exactly the columns that are read, in the order of their first use; a struct's where a field is read.
    pub fn reads(&self) -> &[String] {
        &self.reads
    }

    /// Returns the text of the bound tree, for keys.
    ///
    /// White space, comments, redundant parentheses and the case of keywords do not change it. Columns stand in it as
    /// positions in `reads`, with their types, so renaming a column does not change it either.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Computes a column of `batch.rows` rows, of exactly the Arrow type of `ty`.
    pub fn eval(&self, batch: &Batch) -> Result<ArrayRef, RowError> {
        eval::column(&self.node, &frame(batch, &self.reads, &self.types)?)
    }
}

impl std::fmt::Debug for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} over {:?}", self.canonical, self.reads)
    }
}

/// Returns the names and types of columns by their places in the schema.
fn named(schema: &Schema, columns: &[usize]) -> (Vec<String>, Vec<Type>) {
    columns.iter().map(|i| (schema.0[*i].name.clone(), schema.0[*i].ty.clone())).unzip()
}

/// Picks the columns that are read, as exactly the types that were bound.
fn frame(batch: &Batch, reads: &[String], types: &[Type]) -> Result<eval::Frame, RowError> {
    let wrong = |message: String| RowError { row: 0, message, help: None };
    let column = |(name, ty): (&String, &Type)| {
        let array = batch.column(name).ok_or_else(|| wrong(format!("the rows have no column `{name}`")))?;
        if *array.data_type() == ty.arrow() {
            return Ok(Some(array.clone()));
        }
        // The same type may come with a time zone or other names inside.
        match Type::of(array.data_type()) {
            Some(own) if own == *ty => arrow_cast::cast(array, &ty.arrow())
                .map(Some)
                .map_err(|error| wrong(format!("the column `{name}` cannot be read: {error}"))),
            _ => Err(wrong(format!("the column `{name}` is {}, not {ty}", array.data_type()))),
        }
    };
    let columns = reads.iter().zip(types).map(column).collect::<Result<_, _>>()?;
    Ok(eval::Frame { columns, rows: batch.rows })
}

/// Returns every mention of a column in a scalar expression or aggregate, in the order of the text, before a schema is known.
///
/// For a field of a struct that is the struct's name. Types are not checked.
pub fn column_names(text: &str) -> Result<Vec<(String, Range<usize>)>, Vec<ExprError>> {
    let mut binder = Binder::new(text, Scope::Any, Place::Anywhere);
    binder.finish()?;
    let mut mentions = binder.mentions;
    mentions.sort_by_key(|(_, range)| range.start);
    mentions.dedup();
    Ok(mentions)
}
