//! What is dear in conditions: an action each, that a threshold is not in; measures of one column of texts run together.

use super::able::Made;
use super::context::Stop;
use super::stage::{Effort, Flow, reading};
use crate::expr::measured;
use crate::graph::Work;
use crate::hash::Key;
use crate::op::{Apart, RowOp};
use crate::table::{ColumnRef, Field, RowGroup, Schema, Type};
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

    /// Returns what an op makes that is taken apart: what is dear first, then the rest of it. Where a dear part fails in a row, the op as it was
    /// written decides, which may not ask for it there.
    pub(super) fn made_apart(
        &self,
        work: &Work,
        apart: &Apart,
        schema: &Schema,
        group: &RowGroup,
    ) -> Result<Made, Stop> {
        let (mut schema, mut group) = (schema.clone(), group.clone());
        for (name, dear) in apart.names.iter().zip(&apart.dear) {
            let one = Work { op: dear.clone(), ..work.clone() };
            let made = self.whole_columns_of(&one, &schema, &group)?;
            if made.failed.is_some() {
                return self.whole_columns_of(work, &schema, &group);
            }
            schema.0.push(Field::new(name, dear.writes()[0].clone()));
            group.columns.push(ColumnRef { chunk: made.chunks[0], take: None });
        }
        self.whole_columns_of(&Work { op: apart.rest.clone(), ..work.clone() }, &schema, &group)
    }
}

/// Returns the ops of a work that may be measures.
fn of_work(op: &dyn RowOp) -> Vec<&dyn RowOp> {
    match op.apart() {
        Some(apart) => apart.dear.iter().map(AsRef::as_ref).collect(),
        None => vec![op],
    }
}
