//! Rows that have words in common with evaluation datasets, and what they have.

use super::alike::{named, row_name};
use super::context::Stop;
use super::lost::{Lost, Why};
use super::refer::of;
use super::stage::Flow;
use crate::graph::Decontaminating;
use crate::hash::{Hash, KeyWriter};
use crate::op::{self, Common, Contaminated, Ngrams};
use crate::table::{Batch, ColumnRef, RowGroup, Schema, Table, Take};
use arrow_array::{ArrayRef, Int64Array, StringArray};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

/// Evaluation datasets whose words are looked for, by the inputs that they are and the words in a row.
pub(super) type AllEvaluations = Mutex<HashMap<(Vec<usize>, Vec<u8>), Arc<Evaluations>>>;

/// Evaluation datasets whose words are looked for.
pub(super) struct Evaluations {
    /// What they are called.
    names: Vec<String>,
    tables: Vec<Arc<Table>>,
    /// The columns of texts of each.
    columns: Vec<Vec<String>>,
    /// Of all that is read of them.
    key: Hash,
    ngrams: OnceLock<Ngrams>,
    /// Held by the thread that gathers them.
    gathering: Mutex<()>,
}

impl Flow<'_> {
    /// Returns the evaluation datasets of a step.
    fn evaluations(&self, step: &Decontaminating) -> Result<Arc<Evaluations>, Stop> {
        let mut parameters = KeyWriter::new("evaluations", 1);
        step.op.write_key(&mut parameters);
        let name = (step.against.iter().map(|one| one.input).collect(), parameters.finish().as_bytes().to_vec());
        let mut all = self.others.evaluations.lock().expect("no thread panics with this lock");
        if let Some(known) = all.get(&name) {
            return Ok(known.clone());
        }
        let mut key = KeyWriter::new("evaluations", 1);
        let mut tables = Vec::with_capacity(step.against.len());
        for one in &step.against {
            let table =
                self.others.tables[one.input].as_ref().expect("rows go ahead only where other inputs are known");
            let table = self.context.table(table)?;
            key.text("name", &one.name);
            for group in &table.groups {
                let columns = of(&table.schema, group, &one.columns);
                for column in columns.chain(named(&table.schema, &table.key, group)) {
                    key.hash("chunk", column.chunk).maybe("take", column.take);
                }
            }
            tables.push(table);
        }
        let evaluations = Evaluations {
            names: step.against.iter().map(|one| one.name.clone()).collect(),
            columns: step.against.iter().map(|one| one.columns.clone()).collect(),
            tables,
            key: key.finish(),
            ngrams: OnceLock::new(),
            gathering: Mutex::new(()),
        };
        Ok(all.entry(name).or_insert(Arc::new(evaluations)).clone())
    }

    /// Returns the runs of words of evaluation datasets.
    fn ngrams<'e>(&self, op: &Contaminated, evaluations: &'e Evaluations) -> Result<&'e Ngrams, Stop> {
        if let Some(ngrams) = evaluations.ngrams.get() {
            return Ok(ngrams);
        }
        let _alone = evaluations.gathering.lock().expect("no thread panics with this lock");
        if let Some(ngrams) = evaluations.ngrams.get() {
            return Ok(ngrams);
        }
        let mut stop = None;
        let groups = evaluations.tables.iter().zip(&evaluations.columns);
        let groups = groups.flat_map(|(table, names)| table.groups.iter().map(move |group| (table, names, group)));
        let batches = groups.map_while(|(table, names, group)| {
            let column = |(name, at): (&String, ColumnRef)| Ok((name.clone(), self.context.column(at)?));
            let columns = names.iter().zip(of(&table.schema, group, names)).map(column);
            match columns.collect::<Result<_, Stop>>() {
                Ok(columns) => Some(Batch { rows: group.rows as usize, columns }),
                Err(found) => {
                    stop = Some(found);
                    None
                }
            }
        });
        let ngrams = op.ngrams(batches);
        match stop {
            Some(stop) => Err(stop),
            None => Ok(evaluations.ngrams.get_or_init(|| ngrams)),
        }
    }

    /// Drops the rows of a group that have words in common with evaluation datasets.
    pub(super) fn decontaminate(
        &self,
        at: usize,
        step: &Decontaminating,
        schema: &Schema,
        group: &Arc<RowGroup>,
    ) -> Result<(Vec<Arc<RowGroup>>, Vec<Lost>), Stop> {
        let evaluations = self.evaluations(step)?;
        let mut key = op::key("decontaminate");
        step.op.write_key(&mut key);
        let reads: Vec<ColumnRef> = of(schema, group, step.op.reads()).collect();
        reads.iter().for_each(|column| _ = key.hash("chunk", column.chunk).maybe("take", column.take));
        key.int("rows", i64::from(group.rows)).hash("other", evaluations.key);
        // Which rows stay, and of those that go: the words, whose they are, and the reason.
        let outputs = self.action(key.finish(), || {
            let columns = step.op.reads().iter().zip(&reads);
            let columns = columns.map(|(name, at)| Ok((name.clone(), self.context.column(*at)?)));
            let batch = Batch { rows: group.rows as usize, columns: columns.collect::<Result<_, Stop>>()? };
            let ngrams = self.ngrams(&step.op, &evaluations)?;
            let found = step.op.find(&batch, ngrams);
            let found = found.map_err(|error| self.uncomputable("a row", &step.span, &batch, error))?;
            let keep = Take::of_mask(found.iter().map(Option::is_none));
            let found: Vec<Common> = found.into_iter().flatten().collect();
            let rows = found.iter().map(|common| self.evaluation_row(&evaluations, common.row));
            let rows = rows.collect::<Result<Vec<String>, Stop>>()?;
            let words: ArrayRef = Arc::new(StringArray::from_iter_values(found.iter().map(|common| &common.words)));
            let rows: ArrayRef = Arc::new(StringArray::from_iter_values(rows));
            let reasons: ArrayRef = Arc::new(Int64Array::from(vec![0; found.len()]));
            let columns = [words, rows, reasons];
            let columns = columns.iter().map(|column| self.context.put_column(column));
            std::iter::once(self.context.put_take(&keep)).chain(columns).collect()
        })?;
        let keep = self.context.take(outputs[0])?;
        let rows = (keep.source_rows() - keep.len()) as u64;
        let (told, reasons) = (&outputs[1..3], outputs[3]);
        let lost =
            self.lose_telling((at, Why::Dropped), group, &keep.complement(), (told, reasons), || Ok(vec![rows]))?;
        Ok((self.staying(group, &keep)?, lost.into_iter().collect()))
    }

    /// Returns which rows in memory stay; nothing where it cannot be told.
    pub(super) fn clean_rows(&self, step: &Decontaminating, batch: &Batch) -> Result<Option<Vec<u32>>, Stop> {
        let evaluations = self.evaluations(step)?;
        let Ok(found) = step.op.find(batch, self.ngrams(&step.op, &evaluations)?) else { return Ok(None) };
        Ok(Some((0..).zip(&found).filter(|(_, found)| found.is_none()).map(|(row, _)| row).collect()))
    }

    /// Tells a row of evaluation datasets, counted over all of them.
    fn evaluation_row(&self, evaluations: &Evaluations, row: u32) -> Result<String, Stop> {
        let mut row = row;
        for (name, table) in evaluations.names.iter().zip(&evaluations.tables) {
            for group in &table.groups {
                if row < group.rows {
                    let columns = named(&table.schema, &table.key, group);
                    let columns =
                        columns.iter().map(|at| self.context.column(*at)).collect::<Result<Vec<_>, Stop>>()?;
                    return Ok(row_name(Some(name), &columns, row as usize));
                }
                row -= group.rows;
            }
        }
        unreachable!("what was found is in one of the datasets")
    }
}
