//! A dataset: what its maker makes, through its stages, into tables.

use super::Progress;
use super::context::{Stop, TableRef, Used};
use super::example::Example;
use super::lost::{Lost, Why};
use super::record::{Gave, LostRows, Output, PartOutput};
use super::refer::Others;
use super::stage::{Effort, Flow, Through, schemas};
use super::too_many::{most_failed, too_many_failed};
use super::walk::{Made, Walk};
use crate::diag::Diagnostic;
use crate::graph::{BoundRun, NodeId, Shape, bind_program};
use crate::manifest::{Maker, Synth};
use crate::op::{self, synth_column, synth_groups};
use crate::table::{RowGroup, Schema, Table};
use std::ops::Range;
use std::sync::Arc;

/// What a maker made.
pub(super) struct MadeRows {
    /// What it hands to the first stage.
    pub groups: Vec<Arc<RowGroup>>,
    /// What each input gave, of a mix.
    pub gave: Vec<Gave>,
    pub failed: Option<Unmade>,
    /// Why the dataset is not to be published, whatever its steps do; then nothing is handed on.
    pub problem: Option<Diagnostic>,
}

/// Rows of a maker that came to nothing.
pub(super) struct Unmade {
    pub lost: Lost,
    /// The columns that they have, beside the one that says why.
    pub shape: Shape,
    /// The first of them, where there is something to show.
    pub examples: Vec<Example>,
}

impl From<Vec<Arc<RowGroup>>> for MadeRows {
    fn from(groups: Vec<Arc<RowGroup>>) -> MadeRows {
        MadeRows { groups, gave: Vec::new(), failed: None, problem: None }
    }
}

impl Walk<'_> {
    /// Returns what runs the stages of a node, in which any number of rows may fail.
    pub(super) fn flow<'f>(
        &'f self,
        id: NodeId,
        used: &'f Used,
        progress: &'f Progress,
        others: &'f Others,
    ) -> Flow<'f> {
        let node = &self.request.graph.node(id).name;
        Flow { context: &self.context, used, node, progress, others, effort: Effort::Run, most_failed: u64::MAX }
    }

    /// Makes the rows of a dataset's maker.
    pub(super) fn made_rows(&self, id: NodeId, inputs: &[TableRef], flow: &Flow) -> Result<MadeRows, Stop> {
        let graph = self.request.graph;
        let dataset = &graph.manifest.datasets[graph.node(id).declaration];
        let shape = &self.bound[&id].made;
        Ok(match &dataset.maker {
            Maker::Files(_) => {
                let reading = self.sources.reading(graph, id).expect("a files maker has sources");
                flow.context.files(flow.used, &reading, dataset)?
            }
            Maker::Synth(synth) => flow.synth(synth)?.into(),
            Maker::Run(run) => {
                let around = self.arounds.of(id, None);
                let run = BoundRun { around, ..bind_program(run, Vec::new()) };
                let key: Vec<String> = dataset.key.iter().map(|column| column.value.clone()).collect();
                flow.run_table(&run, &Schema::default(), &[], &key)?.into()
            }
            Maker::From(_) => self.context.table(&inputs[0])?.groups.clone().into(),
            Maker::Concat(concat) => {
                let names = concat.of.iter().collect::<Vec<_>>();
                let tables = self.tables(&inputs[..graph.node(id).made_of])?;
                flow.concat(&tables, shape, &names, concat.source.is_some())?
            }
            Maker::Sql(_) => {
                let tables = self.tables(&inputs[..graph.node(id).made_of])?;
                flow.query(graph.node(id), &tables, &dataset.key)?.into()
            }
            Maker::Mix(mix) => {
                let tables = self.tables(inputs)?;
                flow.mix(mix, &tables, shape, &self.bound[&id].matched)?
            }
        })
    }

    /// Makes a dataset's tables.
    pub(super) fn dataset(
        &mut self,
        id: NodeId,
        inputs: &[TableRef],
        used: &Used,
        progress: &Progress,
    ) -> Result<Made, Stop> {
        if let Some(problems) = self.unmade.remove(&id) {
            return Err(Stop::Failed(problems));
        }
        let graph = self.request.graph;
        let node = graph.node(id);
        let dataset = &graph.manifest.datasets[node.declaration];
        let others = Others::new(inputs);
        let flow = Flow { most_failed: most_failed(dataset), ..self.flow(id, used, progress, &others) };
        if matches!(dataset.maker, Maker::Files(_)) {
            // They were read for their columns; now it costs look-ups only.
            progress.read(self.read.get(&id).copied().unwrap_or_default());
        }
        let MadeRows { groups, gave, failed: unmade, problem: unreadable } = self.made_rows(id, inputs, &flow)?;
        let count = |groups: &[Arc<RowGroup>]| groups.iter().map(|group| u64::from(group.rows)).sum::<u64>();
        let bound = &self.bound[&id];
        let made = count(&groups) + unmade.iter().flat_map(|unmade| &unmade.lost.counts).sum::<u64>();
        let through = match unreadable {
            None => flow.run(&bound.stages, &bound.made.schema, groups)?,
            Some(_) => Through::default(),
        };
        let Through { groups, lost, came, repeated, mut remade } = through;
        let (unmade, shape, mut examples) = match unmade {
            Some(Unmade { lost, shape, examples }) => (Some(lost), shape, examples),
            None => (None, Shape::default(), Vec::new()),
        };
        let lost: Vec<Lost> = unmade.into_iter().chain(lost).collect();
        let lost_rows: u64 = lost.iter().flat_map(|lost| &lost.counts).sum();
        let (took, given) = remade.iter().fold((0, 0), |(took, given), one| (took + one.took, given + one.gave));
        let rows_in = made + repeated + given;
        assert_eq!(rows_in, count(&groups) + lost_rows + took, "rows in = rows out + dropped + failed");
        remade.iter_mut().for_each(|one| one.step = bound.steps[one.step]);
        let before = schemas(&bound.stages, &bound.made.schema);
        let (mut dropped, mut failed) = (Vec::new(), Vec::new());
        for lost in lost {
            let (table, came) = match lost.stage {
                None => (lost.table(None, &shape.schema, &shape.key), made),
                Some(stage) => {
                    let (of, before) = (&bound.stages[stage], &before[stage]);
                    if lost.why == Why::Failed {
                        examples.extend(flow.examples(of, &lost, before, &bound.made.key)?);
                    }
                    (lost.table(Some(of), before, &bound.made.key), came[stage])
                }
            };
            let (step, reasons) =
                (lost.stage.map(|stage| bound.steps[stage]), lost.reasons(lost.stage.map(|at| &bound.stages[at])));
            let rows = LostRows { step, reasons, table: self.context.put_table(table)?.hash };
            match lost.why {
                Why::Dropped => dropped.push(rows),
                Why::Failed => failed.push((rows, came)),
            }
        }
        let problem = unreadable.or_else(|| too_many_failed(dataset, &failed, &examples));
        let failed = failed.into_iter().map(|(rows, _)| rows).collect();
        let table = Table { schema: bound.shape.schema.clone(), key: bound.shape.key.clone(), groups };
        let rows = table.rows();
        let mut tables = Vec::new();
        let mut parts = std::collections::BTreeMap::new();
        let mut leaks = Vec::new();
        if let Some(split) = bound.split() {
            if problem.is_none() {
                leaks = flow.check_leaks(split, &table)?;
            }
            let divided = flow.split(split, &table.schema, &table.groups)?;
            for (name, groups) in split.names.iter().zip(divided) {
                let part = Table { schema: table.schema.clone(), key: table.key.clone(), groups };
                let rows = part.rows();
                let part = self.context.put_table(part)?;
                parts.insert(name.clone(), PartOutput { table: part.hash, rows });
                tables.push(part);
            }
        }
        let groups = table.groups.len() as u64;
        let table = self.context.put_table(table)?;
        let output = Output::Table { table: table.hash, rows, made, repeated, remade, groups, parts, gave, leaks };
        tables.insert(0, table);
        Ok(Made { output, dropped, failed, tables, problem })
    }

    fn tables(&self, inputs: &[TableRef]) -> Result<Vec<Arc<Table>>, Stop> {
        inputs.iter().map(|input| self.context.table(input)).collect()
    }
}

impl Flow<'_> {
    /// Makes rows from nothing, in groups of consecutive rows; each column is an action of its own.
    fn synth(&self, synth: &Synth) -> Result<Vec<Arc<RowGroup>>, Stop> {
        let ranges: Vec<Range<u64>> = synth_groups(synth.rows.value, u64::from(self.context.limits.target)).collect();
        let make = |flow: Flow, rows: &Range<u64>| {
            let columns = synth.columns.iter().map(|(name, recipe)| {
                let mut key = op::key("synth");
                recipe.write_key(&mut key);
                key.text("column", &name.value).int("seed", synth.seed as i64);
                key.int("start", rows.start as i64).int("end", rows.end as i64);
                let outputs = flow.action(key.finish(), || {
                    let column = synth_column(recipe, synth.seed as i64, &name.value, rows.clone());
                    Ok(vec![flow.context.put_column(&column)?])
                })?;
                Ok(outputs[0].into())
            });
            let columns = columns.collect::<Result<_, Stop>>()?;
            Ok(Arc::new(RowGroup { rows: (rows.end - rows.start) as u32, columns }))
        };
        self.all(&ranges, |rows| rows.end - rows.start, make)
    }
}
