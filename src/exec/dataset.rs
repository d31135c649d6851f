//! A dataset: what its maker makes, through its stages, into tables.

use super::Progress;
use super::context::{Stop, TableRef, Used};
use super::record::{DroppedRows, Output, PartOutput};
use super::stage::Flow;
use super::walk::{Made, Walk};
use crate::diag::Diagnostic;
use crate::graph::{NodeId, Shape};
use crate::manifest::{Maker, Mix, Synth, Text};
use crate::op::{self, row_identity, synth_column, synth_groups};
use crate::table::{ColumnRef, RowGroup, Table};
use arrow_array::{ArrayRef, StringArray};
use std::ops::Range;
use std::sync::Arc;

impl Walk<'_> {
    /// Makes a dataset's tables.
    pub(super) fn dataset(
        &mut self,
        id: NodeId,
        inputs: &[TableRef],
        used: &Used,
        progress: &Progress,
    ) -> Result<Made, Stop> {
        let graph = self.request.graph;
        let node = graph.node(id);
        let dataset = &graph.manifest.datasets[node.declaration];
        let shape = self.bound[&id].made.clone();
        let flow = Flow { context: &self.context, used, node: &node.name, progress };
        let groups = match &dataset.maker {
            Maker::Files(_) => {
                let reading = self.sources.reading(graph, id).expect("a files maker has sources");
                // They were read for their columns; now it costs look-ups only.
                progress.read(self.read.get(&id).copied().unwrap_or_default());
                flow.context.files(used, &reading)?.groups
            }
            Maker::Synth(synth) => flow.synth(synth)?,
            Maker::From(_) => self.context.table(&inputs[0])?.groups.clone(),
            Maker::Concat(concat) => {
                let names = concat.of.iter().collect::<Vec<_>>();
                let tables = self.tables(&inputs[..node.made_of])?;
                flow.concat(&tables, &shape, &names, concat.source.is_some())?
            }
            Maker::Mix(mix) => {
                let tables = self.tables(&inputs[..node.made_of])?;
                flow.mix(mix, &tables, &shape)?
            }
        };
        let made = groups.iter().map(|group| u64::from(group.rows)).sum();
        let bound = &self.bound[&id];
        let (groups, lost) = flow.run(&bound.stages, &shape.schema, groups)?;
        let table = Table { schema: bound.shape.schema.clone(), key: bound.shape.key.clone(), groups };
        let rows = table.rows();
        let lost_rows: u64 = lost.iter().flat_map(|lost| &lost.counts).sum();
        assert_eq!(made, rows + lost_rows, "rows in = rows out + dropped");

        let mut tables = Vec::new();
        let mut parts = std::collections::BTreeMap::new();
        if let Some(split) = &bound.split {
            let divided = flow.split(split, &table.schema, &table.groups)?;
            for (name, groups) in split.names.iter().zip(divided) {
                let part = Table { schema: table.schema.clone(), key: table.key.clone(), groups };
                let rows = part.rows();
                let part = self.context.put_table(part)?;
                parts.insert(name.clone(), PartOutput { table: part.hash, rows });
                tables.push(part);
            }
        }
        let mut dropped = Vec::new();
        for lost in lost {
            let counts = lost.reasons.iter().cloned().zip(lost.counts.iter().copied()).collect();
            let table = self.context.put_table(lost.table(&shape.key))?;
            dropped.push(DroppedRows { step: bound.steps[lost.stage], reasons: counts, table: table.hash });
        }
        let groups = table.groups.len() as u64;
        let table = self.context.put_table(table)?;
        let output = Output::Table { table: table.hash, rows, made, groups, parts };
        tables.insert(0, table);
        Ok((output, dropped, tables))
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
                let outputs = flow.context.action(flow.used, key.finish(), || {
                    let column = synth_column(recipe, synth.seed as i64, &name.value, rows.clone());
                    Ok(vec![flow.context.put_column(&column)?])
                })?;
                Ok(ColumnRef { chunk: outputs[0], take: None })
            });
            let columns = columns.collect::<Result<_, Stop>>()?;
            Ok(Arc::new(RowGroup { rows: (rows.end - rows.start) as u32, columns }))
        };
        self.all(&ranges, |rows| rows.end - rows.start, make)
    }

    /// Puts the row groups of all tables one after the other, with the columns of `shape`.
    fn concat(
        &self,
        tables: &[Arc<Table>],
        shape: &Shape,
        names: &[&Text],
        add_source: bool,
    ) -> Result<Vec<Arc<RowGroup>>, Stop> {
        let mut groups = Vec::new();
        for (table, name) in tables.iter().zip(names) {
            let source = add_source.then_some(name.value.as_str());
            groups.extend(self.each(&table.groups, |flow, group| flow.widen(table, shape, group, source))?);
        }
        Ok(groups)
    }

    /// Gives a row group the columns of `shape`: the ones it has, brought to their types, and nulls.
    fn widen(
        &self,
        table: &Table,
        shape: &Shape,
        group: &RowGroup,
        source: Option<&str>,
    ) -> Result<Arc<RowGroup>, Stop> {
        let mut columns = Vec::with_capacity(shape.schema.0.len());
        let own = shape.schema.0.len() - usize::from(source.is_some());
        for field in &shape.schema.0[..own] {
            let column = match table.schema.index(&field.name) {
                Some(at) if table.schema.0[at].ty == field.ty => group.columns[at],
                Some(at) => {
                    let from = group.columns[at];
                    let chunk = self.context.conform(self.used, from.chunk, &field.ty, |misfit| {
                        Diagnostic::error("wrong-type", format!("a value of `{}` {}", field.name, misfit.title))
                    })?;
                    ColumnRef { chunk, take: from.take }
                }
                None => self.context.nulls(self.used, &field.ty, group.rows)?,
            };
            columns.push(column);
        }
        if let Some(source) = source {
            columns.push(self.same_text(source, group.rows)?);
        }
        Ok(Arc::new(RowGroup { rows: group.rows, columns }))
    }

    /// Makes a column that says the same in every row.
    fn same_text(&self, text: &str, rows: u32) -> Result<ColumnRef, Stop> {
        let key = op::key("constant").text("value", text).int("rows", i64::from(rows)).finish();
        let outputs = self.context.action(self.used, key, || {
            let column: ArrayRef = Arc::new(StringArray::from(vec![text; rows as usize]));
            Ok(vec![self.context.put_column(&column)?])
        })?;
        Ok(ColumnRef { chunk: outputs[0], take: None })
    }

    /// Takes rows of several tables by ratio: those with the smallest hashes of their identity.
    fn mix(&self, mix: &Mix, tables: &[Arc<Table>], shape: &Shape) -> Result<Vec<Arc<RowGroup>>, Stop> {
        let mut key = op::key("mix");
        key.int("seed", mix.seed as i64).int("rows", mix.rows.as_ref().map_or(-1, |rows| rows.value as i64));
        let mut hashes = Vec::with_capacity(tables.len());
        for (table, (_, share)) in tables.iter().zip(&mix.of) {
            let identity = crate::graph::Work::new("mix", row_identity(table.key.clone()), &mix.of[0].0.span);
            let chunks = self.each(&table.groups, |flow, group| flow.column_of(&identity, &table.schema, group))?;
            key.float("share", *share).int("groups", chunks.len() as i64);
            chunks.iter().flatten().for_each(|chunk| _ = key.hash("chunk", *chunk));
            hashes.push(chunks);
        }
        let takes = self.context.action(self.used, key.finish(), || {
            let columns = hashes.iter().map(|chunks| self.ints(chunks)).collect::<Result<Vec<_>, Stop>>()?;
            let inputs: Vec<(f64, Vec<&[i64]>)> = mix
                .of
                .iter()
                .zip(&columns)
                .map(|((_, share), groups)| (*share, groups.iter().map(|group| &group[0].values()[..]).collect()))
                .collect();
            let rows = mix.rows.as_ref().map(|rows| rows.value);
            let takes = op::mix(&inputs, rows, mix.seed as i64).map_err(|error| self.too_few(mix, error))?;
            takes.iter().flatten().map(|take| self.context.put_take(take)).collect()
        })?;
        // The takes come table by table, group by group.
        let sources = tables
            .iter()
            .zip(&mix.of)
            .flat_map(|(table, (name, _))| table.groups.iter().map(move |group| (table, name.value.as_str(), group)));
        let picked: Vec<_> = sources.zip(takes).collect();
        let groups = self.all(
            &picked,
            |((_, _, group), _)| u64::from(group.rows),
            |flow, ((table, name, group), take)| {
                let take = flow.context.take(*take)?;
                if take.is_empty() {
                    return Ok(None);
                }
                let group = if take.is_identity() { (***group).clone() } else { flow.retake(group, &take)? };
                flow.widen(table, shape, &group, mix.source.as_ref().map(|_| *name)).map(Some)
            },
        )?;
        Ok(groups.into_iter().flatten().collect())
    }

    fn too_few(&self, mix: &Mix, error: op::MixError) -> Stop {
        let op::MixError::TooFew { input, available, wanted, largest } = error else {
            return Diagnostic::error("bad-mix", error.to_string()).at(&mix.of[0].0.span, "in this mix").into();
        };
        let name = &mix.of[input].0;
        let span = mix.rows.as_ref().map_or(&name.span, |rows| &rows.span);
        Diagnostic::error(
            "too-few-rows",
            format!("`{}` has {} rows, and this mix needs {} of it", name.value, available, wanted),
        )
        .at(span, "so many rows in all")
        .help(format!("with these ratios at most `rows = {}` can be had", largest))
        .into()
    }
}
