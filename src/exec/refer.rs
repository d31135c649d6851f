//! Steps that look into another table.

use super::able::{Able, Action, Made, able};
use super::context::{Stop, TableRef};
use super::decontaminate::AllEvaluations;
use super::join::Joined;
use super::stage::Flow;
use crate::diag::Span;
use crate::graph::Stage;
use crate::hash::{Hash, KeyWriter};
use crate::op::{self, Other, ReferOp};
use crate::table::{Batch, ColumnRef, RowGroup, Schema, Table, Type};
use crate::text::lm::Model;
use arrow_array::{Array, ArrayRef, new_empty_array};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

/// The inputs of a node as other tables, each read at most once.
#[derive(Clone, Default)]
pub struct Others {
    /// None: not made yet, and not looked into.
    pub(super) tables: Vec<Option<TableRef>>,
    read: Arc<Mutex<Read>>,
    /// The keys of tables that are joined with.
    pub(super) joined: Arc<Mutex<AllJoined>>,
    /// Held while those keys are sorted.
    pub(super) placing: Arc<Mutex<()>>,
    /// Those that rows may have no words of.
    pub(super) evaluations: Arc<AllEvaluations>,
}

/// By input and columns.
pub(super) type AllJoined = HashMap<(usize, Vec<String>), Arc<Joined>>;

/// By input, columns, and the order of the model that is made of them.
type Read = HashMap<(usize, Vec<String>, Option<usize>), Arc<Known>>;

/// What is known of another table.
struct Known {
    /// The hash of all chunks and takes of the columns, in order; or that of the model.
    key: Hash,
    /// Whether it is a model.
    learned: bool,
    table: Arc<Table>,
    columns: Vec<String>,
    seen: OnceLock<Other>,
}

impl Others {
    /// Names the tables of a node's inputs.
    pub fn new(tables: &[TableRef]) -> Others {
        Others::of(tables.iter().cloned().map(Some).collect())
    }

    /// Names the tables of a node's inputs as far as they are known.
    pub fn of(tables: Vec<Option<TableRef>>) -> Others {
        Others { tables, ..Others::default() }
    }
}

impl Flow<'_> {
    /// Makes the models that stages need while all threads can work on them.
    pub(super) fn begin_models(&self, stages: &[Stage]) -> Result<(), Stop> {
        for stage in stages {
            if let Stage::Refer { op, input, span } = stage
                && op.learns().is_some()
            {
                self.other(op.as_ref(), *input, span, true)?;
            }
        }
        Ok(())
    }

    fn other(&self, work: &dyn ReferOp, input: usize, span: &Span, at_once: bool) -> Result<Arc<Known>, Stop> {
        let (columns, learns) = (work.refers(), work.learns());
        let name = (input, columns.to_vec(), learns);
        if let Some(known) = self.others.read.lock().expect("no thread panics with this lock").get(&name) {
            return Ok(known.clone());
        }
        let table = self.others.tables[input].as_ref().expect("rows go ahead only where other inputs are known");
        let table = self.context.table(table)?;
        let key = match learns {
            Some(order) => self.learn(&table, &columns[0], order, span, at_once)?,
            None => {
                let mut key = KeyWriter::new("other", 1);
                for group in &table.groups {
                    for column in of(&table.schema, group, columns) {
                        key.hash("chunk", column.chunk).maybe("take", column.take);
                    }
                }
                key.finish()
            }
        };
        let seen = OnceLock::new();
        let known = Known { key, learned: learns.is_some(), table, columns: columns.to_vec(), seen };
        // Whoever was first has it; they are alike.
        let mut read = self.others.read.lock().expect("no thread panics with this lock");
        Ok(read.entry(name).or_insert(Arc::new(known)).clone())
    }

    /// Returns the chunks that an op makes of a row group and another table.
    pub(super) fn refer(
        &self,
        work: &dyn ReferOp,
        input: usize,
        span: &Span,
        schema: &Schema,
        group: &RowGroup,
    ) -> Result<Made, Stop> {
        let other = self.other(work, input, span, false)?;
        let mut key = op::key(work.name());
        work.write_key(&mut key);
        let reads: Vec<ColumnRef> = of(schema, group, work.reads()).collect();
        for column in &reads {
            key.hash("chunk", column.chunk).maybe("take", column.take);
        }
        key.int("rows", i64::from(group.rows)).hash("other", other.key);
        let writes = work.writes().iter().map(|field| &field.ty).collect();
        let action = Action { key: key.finish(), of: work.name(), span, writes };
        let load = || {
            self.whole_of(&other)?;
            let columns = work.reads().iter().zip(&reads);
            let columns = columns.map(|(name, at)| Ok((name.clone(), self.context.column(*at)?)));
            Ok(Batch { rows: group.rows as usize, columns: columns.collect::<Result<_, Stop>>()? })
        };
        self.made(action, load, |batch| work.run(batch, other.seen.get().expect("it was loaded before")))
    }

    /// Makes what an op makes of rows in memory and another table, and finds the rows that fail; nothing where it is no row's fault.
    pub(super) fn refer_rows(
        &self,
        work: &dyn ReferOp,
        input: usize,
        span: &Span,
        batch: &Batch,
    ) -> Result<Option<Able>, Stop> {
        let other = self.other(work, input, span, false)?;
        let whole = self.whole_of(&other)?;
        let writes: Vec<&Type> = work.writes().iter().map(|field| &field.ty).collect();
        Ok(able(batch, &writes, |batch| work.run(batch, whole)).ok())
    }

    fn whole_of<'o>(&self, other: &'o Known) -> Result<&'o Other, Stop> {
        if let Some(seen) = other.seen.get() {
            return Ok(seen);
        }
        if other.learned {
            let model = Model::read(self.context.get(other.key)?).ok_or(Stop::Missing(other.key))?;
            return Ok(other.seen.get_or_init(|| Other::Model(model)));
        }
        let mut columns = Vec::with_capacity(other.columns.len());
        for name in &other.columns {
            let at = other.table.schema.index(name).expect("binding checked the columns");
            let parts = other.table.groups.iter().map(|group| self.context.column(group.columns[at]));
            let parts: Vec<ArrayRef> = parts.collect::<Result<_, Stop>>()?;
            let whole = if parts.is_empty() {
                new_empty_array(&other.table.schema.0[at].ty.arrow())
            } else {
                let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                arrow_select::concat::concat(&parts).expect("the chunks of a column are of one type")
            };
            columns.push((name.clone(), whole));
        }
        Ok(other.seen.get_or_init(|| Other::Rows(Batch { rows: other.table.rows() as usize, columns })))
    }
}

/// Returns some columns of a row group.
pub(super) fn of(schema: &Schema, group: &RowGroup, names: &[String]) -> impl Iterator<Item = ColumnRef> {
    names.iter().map(|name| group.columns[schema.index(name).expect("binding checked the columns")])
}
