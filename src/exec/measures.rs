//! Measures of one column of texts that run together: an action each, and one pass over the texts.

use super::context::Stop;
use super::stage::{Effort, Flow, reading};
use crate::expr::measured;
use crate::graph::Work;
use crate::hash::Key;
use crate::op::RowOp;
use crate::table::{ColumnRef, RowGroup, Schema, Type};
use crate::text::Measure;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use std::cell::OnceCell;

/// Measures that are to be taken of one column.
struct Together<'a> {
    of: ColumnRef,
    measures: Vec<(Key, &'a Measure, &'a Type)>,
}

impl Flow<'_> {
    /// Takes the measures of some works that no trace knows; those of one column in one pass over its texts. Nothing depends on it: who needs
    /// a measure finds it by its key, and takes it alone if it is not there.
    pub(super) fn take_measures<'a>(
        &self,
        works: impl IntoIterator<Item = &'a Work>,
        schema: &Schema,
        group: &RowGroup,
    ) -> Result<(), Stop> {
        if self.effort != Effort::Run || !self.context.may_run() {
            return Ok(());
        }
        let mut all: Vec<Together> = Vec::new();
        for op in works.into_iter().flat_map(|work| of_work(work.op.as_ref())) {
            let (Some(measure), [ty]) = (op.measure(), op.writes()) else { continue };
            let (reads, key) = reading(op, schema, group);
            let [(_, of)] = reads[..] else { continue };
            let is_there = |one: &Together| one.measures.iter().any(|(known, ..)| *known == key);
            if all.iter().any(is_there) || self.context.peek(key, |_| true).is_some() {
                continue;
            }
            match all.iter_mut().find(|one| one.of == of) {
                Some(one) => one.measures.push((key, measure, ty)),
                None => all.push(Together { of, measures: vec![(key, measure, ty)] }),
            }
        }
        for Together { of, measures } in all.iter().filter(|one| one.measures.len() > 1) {
            let columns: OnceCell<Vec<ArrayRef>> = OnceCell::new();
            for (at, (key, ..)) in measures.iter().enumerate() {
                self.action(*key, || {
                    if columns.get().is_none() {
                        let texts = self.context.column(*of)?;
                        let measures: Vec<(&Measure, &Type)> = measures.iter().map(|(_, of, ty)| (*of, *ty)).collect();
                        columns.get_or_init(|| measured(&measures, texts.as_string::<i32>()));
                    }
                    let columns = columns.get().expect("it was made just now");
                    Ok(vec![self.context.put_column(&columns[at])?])
                })?;
            }
        }
        Ok(())
    }
}

/// Returns the ops of a work that may be measures.
fn of_work(op: &dyn RowOp) -> Vec<&dyn RowOp> {
    match op.apart() {
        Some(apart) => apart.dear.iter().map(AsRef::as_ref).collect(),
        None => vec![op],
    }
}
