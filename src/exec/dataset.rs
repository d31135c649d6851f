//! A dataset: what its maker makes, through its stages, into tables.

use super::Progress;
use super::context::{Stop, TableRef, Used};
use super::record::{LostRows, Output, PartOutput};
use super::refer::Others;
use super::stage::{Effort, Flow, Through, Why};
use super::walk::{Made, Walk};
use crate::ask::FailureKind;
use crate::diag::Diagnostic;
use crate::graph::{NodeId, Shape};
use crate::manifest::{Dataset, Maker, MaxFailed, Mix, Synth, Text};
use crate::op::{self, row_identity, synth_column, synth_groups};
use crate::table::{ColumnRef, RowGroup, Table};
use arrow_array::{ArrayRef, StringArray};
use std::ops::Range;
use std::sync::Arc;

impl Walk<'_> {
    /// Makes the rows that a dataset's maker hands to the first stage.
    pub(super) fn maker_groups(
        &self,
        id: NodeId,
        inputs: &[TableRef],
        flow: &Flow,
    ) -> Result<Vec<Arc<RowGroup>>, Stop> {
        let graph = self.request.graph;
        let dataset = &graph.manifest.datasets[graph.node(id).declaration];
        let shape = &self.bound[&id].made;
        Ok(match &dataset.maker {
            Maker::Files(_) => {
                let reading = self.sources.reading(graph, id).expect("a files maker has sources");
                flow.context.files(flow.used, &reading)?.groups
            }
            Maker::Synth(synth) => flow.synth(synth)?,
            Maker::From(_) => self.context.table(&inputs[0])?.groups.clone(),
            Maker::Concat(concat) => {
                let names = concat.of.iter().collect::<Vec<_>>();
                let tables = self.tables(&inputs[..graph.node(id).made_of])?;
                flow.concat(&tables, shape, &names, concat.source.is_some())?
            }
            Maker::Sql(_) => {
                let tables = self.tables(&inputs[..graph.node(id).made_of])?;
                flow.query(graph.node(id), &tables, &dataset.key)?
            }
            Maker::Mix(mix) => {
                let tables = self.tables(&inputs[..graph.node(id).made_of])?;
                flow.mix(mix, &tables, shape)?
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
        let graph = self.request.graph;
        let node = graph.node(id);
        let dataset = &graph.manifest.datasets[node.declaration];
        let others = Others::new(inputs);
        let (context, effort) = (&self.context, Effort::Run);
        let flow = Flow { context, used, node: &node.name, progress, others: &others, effort };
        if matches!(dataset.maker, Maker::Files(_)) {
            // They were read for their columns; now it costs look-ups only.
            progress.read(self.read.get(&id).copied().unwrap_or_default());
        }
        let groups = self.maker_groups(id, inputs, &flow)?;
        let count = |groups: &[Arc<RowGroup>]| groups.iter().map(|group| u64::from(group.rows)).sum::<u64>();
        let made = count(&groups);
        let bound = &self.bound[&id];
        let Through { groups, lost, came, repeated } = flow.run(&bound.stages, &bound.made.schema, groups)?;
        let lost_rows: u64 = lost.iter().flat_map(|lost| &lost.counts).sum();
        assert_eq!(made + repeated, count(&groups) + lost_rows, "rows in = rows out + dropped + failed");
        let (mut dropped, mut failed, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        for lost in lost {
            let counts = lost.reasons.iter().cloned().zip(lost.counts.iter().copied());
            let (reasons, list) = match lost.why {
                Why::Dropped => (counts.collect(), &mut dropped),
                Why::Failed => {
                    asked.push(came[lost.stage]);
                    (counts.filter(|(_, rows)| *rows > 0).collect(), &mut failed)
                }
            };
            let table = self.context.put_table(lost.table(&bound.made.key))?;
            list.push(LostRows { step: bound.steps[lost.stage], reasons, table: table.hash });
        }
        let problem = too_many_failed(dataset, &failed, &asked);
        let table = Table { schema: bound.shape.schema.clone(), key: bound.shape.key.clone(), groups };
        let rows = table.rows();
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
        let groups = table.groups.len() as u64;
        let table = self.context.put_table(table)?;
        let output = Output::Table { table: table.hash, rows, made, repeated, groups, parts };
        tables.insert(0, table);
        Ok(Made { output, dropped, failed, tables, problem })
    }

    fn tables(&self, inputs: &[TableRef]) -> Result<Vec<Arc<Table>>, Stop> {
        inputs.iter().map(|input| self.context.table(input)).collect()
    }
}

/// Says why a dataset is not published, if more rows failed than may: in all steps together, or as a share of the rows that came
/// to a step. `asked` tells how many came to the steps of `failed`.
fn too_many_failed(dataset: &Dataset, failed: &[LostRows], asked: &[u64]) -> Option<Diagnostic> {
    let n: u64 = failed.iter().map(LostRows::rows).sum();
    let written = match dataset.max_failed {
        MaxFailed::Rows(most) if n <= most => return None,
        MaxFailed::Rows(most) => format!("`max_failed` lets {most} fail"),
        MaxFailed::Share(share) => {
            // 29 of 100 rows are 29 %, although no binary fraction is.
            let too_many = |(lost, came): &(&LostRows, &u64)| {
                lost.rows() as f64 > **came as f64 * share * (1.0 + f64::EPSILON * 4.0)
            };
            let (lost, came) = failed.iter().zip(asked).find(too_many)?;
            let (step, rows) = (lost.step + 1, lost.rows());
            let [here, most] = [rows as f64 / *came as f64, share].map(per_cent);
            let (rows, came) = (grouped(rows), grouped(*came));
            format!(
                "`max_failed` lets {most} of a step's rows fail, and at step {step} it is {rows} of {came} rows, {here}"
            )
        }
    };
    let mut kinds: Vec<(&str, u64)> = Vec::new();
    for (kind, rows) in failed.iter().flat_map(|lost| &lost.reasons) {
        match kinds.iter_mut().find(|(known, _)| known == kind) {
            Some((_, sum)) => *sum += rows,
            None => kinds.push((kind, *rows)),
        }
    }
    let written_kinds: Vec<String> = kinds.iter().map(|(kind, rows)| format!("{rows} {kind}")).collect();
    let name = &dataset.name.value;
    let (noun, verb) = if n == 1 { ("row", "has") } else { ("rows", "have") };
    let title = format!("{n} {noun} of `{name}` {verb} no value: {}", written_kinds.join(", "));
    Some(
        Diagnostic::error("failed-rows", title)
            .at(&dataset.name.span, written)
            .note("every answer that came is recorded: building again asks for nothing that is known")
            .help(format!("`datamake show {name} --failed` has the rows and the replies"))
            .help(again(name, &kinds))
            .help("`max_failed` in the dataset lets rows go"),
    )
}

/// Writes a share in per cent, with as many digits as tell something.
fn per_cent(share: f64) -> String {
    let digits = format!("{:.3}", share * 100.0);
    format!("{} %", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Writes `1,000`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Tells how rows of these kinds of failure are asked about again.
fn again(name: &str, kinds: &[(&str, u64)]) -> String {
    let kinds: Vec<FailureKind> = kinds.iter().filter_map(|(kind, _)| kind.parse().ok()).collect();
    let recorded = kinds.iter().filter(|kind| kind.is_recorded());
    let retries: String = recorded.map(|kind| format!(" --retry {kind}")).collect();
    let larger =
        if kinds.contains(&FailureKind::CutOff) { "; so does a larger `max_tokens`, of those cut off" } else { "" };
    format!("`datamake build {name}{retries}` asks again about these rows{larger}")
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
        let outputs = self.action(key, || {
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
        let takes = self.action(key.finish(), || {
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
