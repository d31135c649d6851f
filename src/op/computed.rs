//! Columns computed by an SQL expression, and ops over such columns.

use super::{Apart, RowOp};
use crate::expr::Expr;
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Type};
use crate::text::Measure;
use arrow_array::ArrayRef;
use std::sync::Arc;

/// One column: the value of an expression. `where` and `filter` are this with a bool.
pub struct Computed {
    expr: Expr,
    writes: [Type; 1],
    all_of: Vec<Arc<dyn RowOp>>,
    apart: Option<Apart>,
}

impl Computed {
    /// Wraps a bound expression.
    pub fn new(expr: Expr) -> Computed {
        let writes = [expr.ty().clone()];
        let part = |part: &Expr| Arc::new(Computed::new(part.clone())) as Arc<dyn RowOp>;
        let all_of = expr.all_of().iter().map(part).collect();
        let apart = expr.apart().map(|apart| Apart {
            dear: apart.dear.iter().map(part).collect(),
            names: apart.names,
            rest: part(&apart.rest),
        });
        Computed { expr, writes, all_of, apart }
    }
}

impl RowOp for Computed {
    fn write_key(&self, key: &mut KeyWriter) {
        key.text("expression", self.expr.canonical());
    }

    fn name(&self) -> &'static str {
        "expression"
    }

    fn reads(&self) -> &[String] {
        self.expr.reads()
    }

    fn writes(&self) -> &[Type] {
        &self.writes
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        Ok(vec![self.expr.eval(input)?])
    }

    fn all_of(&self) -> &[Arc<dyn RowOp>] {
        &self.all_of
    }

    fn measure(&self) -> Option<&Measure> {
        self.expr.measure()
    }

    fn apart(&self) -> Option<&Apart> {
        self.apart.as_ref()
    }
}

/// An op over computed columns that are not kept, such as `dedup` by an expression.
pub struct Over {
    exprs: Vec<Expr>,
    inner: Box<dyn RowOp>,
    reads: Vec<String>,
}

impl Over {
    /// Returns what `n` computed columns are called to the inner op.
    pub fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| i.to_string()).collect()
    }

    /// Hands the values of `exprs` to `inner`, as the columns called [`Over::names`].
    pub fn new(exprs: Vec<Expr>, inner: Box<dyn RowOp>) -> Over {
        let mut reads: Vec<String> = Vec::new();
        for column in exprs.iter().flat_map(Expr::reads) {
            if !reads.contains(column) {
                reads.push(column.clone());
            }
        }
        Over { exprs, inner, reads }
    }
}

impl RowOp for Over {
    fn write_key(&self, key: &mut KeyWriter) {
        for expr in &self.exprs {
            // Positions in an expression count its own columns: which of ours those are has to be said.
            for column in expr.reads() {
                let at = self.reads.iter().position(|read| read == column).expect("all that is read was gathered");
                key.int("column", at as i64);
            }
            key.text("expression", expr.canonical());
        }
        self.inner.write_key(key);
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }

    fn writes(&self) -> &[Type] {
        self.inner.writes()
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let columns = self.exprs.iter().zip(Over::names(self.exprs.len()));
        let columns = columns.map(|(expr, name)| Ok((name, expr.eval(input)?))).collect::<Result<_, RowError>>()?;
        self.inner.run(&Batch { rows: input.rows, columns })
    }
}
