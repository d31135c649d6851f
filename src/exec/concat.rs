//! The maker `concat`: the row groups of tables one after the other, with the columns of all of them.

use super::able::Failing;
use super::constant::Constant;
use super::context::Stop;
use super::dataset::{MadeRows, Unmade};
use super::lost::{Lost, together};
use super::stage::Flow;
use crate::diag::Span;
use crate::graph::Shape;
use crate::manifest::Text;
use crate::table::{RowGroup, Schema, Table};
use std::sync::Arc;

impl Flow<'_> {
    /// Puts the row groups of all tables one after the other, with the columns of `shape`.
    pub(super) fn concat(
        &self,
        tables: &[Arc<Table>],
        shape: &Shape,
        names: &[&Text],
        add_source: bool,
    ) -> Result<MadeRows, Stop> {
        let (mut groups, mut lost) = (Vec::new(), Vec::new());
        for (table, name) in tables.iter().zip(names) {
            let source = add_source.then_some(name.value.as_str());
            let widened = self.each(&table.groups, |flow, group| {
                let (after, failed) = flow.widen(table, &shape.schema, group, source)?;
                flow.without_failed(None, &after, &after, failed)
            })?;
            for (stays, failed) in widened {
                groups.extend(stays);
                lost.extend(failed);
            }
        }
        let spans = names.iter().map(|name| &name.span).collect::<Vec<_>>();
        let failed = self.unmade(lost, shape, |of| misfitting(tables, &shape.schema, &spans, of))?;
        Ok(MadeRows { groups, gave: Vec::new(), failed, problem: None })
    }

    /// Gives a row group the columns of `schema`: the ones it has, brought to their types, and nulls. A value that has no form of
    /// the type is null, and its row failed.
    pub(super) fn widen(
        &self,
        table: &Table,
        schema: &Schema,
        group: &RowGroup,
        source: Option<&str>,
    ) -> Result<(Arc<RowGroup>, Option<Failing>), Stop> {
        let mut columns = Vec::with_capacity(schema.0.len());
        let mut failed = Vec::new();
        let own = schema.0.len() - usize::from(source.is_some());
        for field in &schema.0[..own] {
            let column = match table.schema.index(&field.name) {
                Some(at) if table.schema.0[at].ty == field.ty => group.columns[at],
                Some(at) => {
                    let (column, misfits) = self.conformed(group.columns[at], &field.ty, &field.name)?;
                    failed.extend(misfits);
                    column
                }
                None => self.context.nulls(self.used, &field.ty, group.rows)?,
            };
            columns.push(column);
        }
        if let Some(source) = source {
            columns.push(self.context.constant(self.used, Constant::Text(source), group.rows)?);
        }
        let group = Arc::new(RowGroup { rows: group.rows, columns });
        let failed = self.any_failed(group.rows, failed)?;
        Ok((group, failed))
    }

    /// Gathers the rows of a maker that came to nothing, which have the columns of `shape`; `computed` returns where what a row
    /// failed of stands, and what it reads.
    pub(super) fn unmade<'s>(
        &self,
        lost: Vec<Lost>,
        shape: &Shape,
        computed: impl Fn(&str) -> Option<(&'s Span, &'s [String])>,
    ) -> Result<Option<Unmade>, Stop> {
        let Some(lost) = together(lost.into_iter()).pop() else { return Ok(None) };
        let examples = self.examples_of(&lost, &[], &shape.schema, &shape.key, computed)?;
        Ok(Some(Unmade { lost, shape: shape.clone(), examples }))
    }
}

/// Returns where the first of the tables stands of which a column has another type. What it was is not among the columns any more.
pub(super) fn misfitting<'s>(
    tables: &[Arc<Table>],
    schema: &Schema,
    spans: &[&'s Span],
    column: &str,
) -> Option<(&'s Span, &'s [String])> {
    let ty = &schema.field(column)?.ty;
    let other = |table: &Arc<Table>| table.schema.field(column).is_some_and(|field| field.ty != *ty);
    let at = tables.iter().position(other)?;
    Some((spans.get(at)?, &[]))
}
