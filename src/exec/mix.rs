//! The maker `mix`: rows of several tables by shares, each once or several times.

use super::concat::misfitting;
use super::constant::Constant;
use super::context::Stop;
use super::dataset::MadeRows;
use super::lost::Lost;
use super::record::Gave;
use super::stage::Flow;
use super::whole::column_into;
use crate::diag::Diagnostic;
use crate::expr::value_at;
use crate::graph::{Shape, Work};
use crate::hash::Hash;
use crate::manifest::Mix;
use crate::op::{self, MixError, MixInput, Mixing, row_identity};
use crate::table::{ColumnRef, RowGroup, Table};
use arrow_array::{ArrayRef, Int64Array};
use std::sync::Arc;

/// Columns of hashes, by row group.
type Hashes = Vec<Vec<ColumnRef>>;

/// Row groups, what each input gave of them, and the rows that failed.
type Mixed = (Vec<Arc<RowGroup>>, Vec<Gave>, Vec<Lost>);

/// The tables that are mixed.
struct Inputs<'a> {
    tables: &'a [Arc<Table>],
    /// The rows of each that have a kind, if one is asked for: those can be taken.
    groups: Vec<Vec<Arc<RowGroup>>>,
    /// The rows that have none, with the columns of the mix.
    lost: Vec<Lost>,
    /// What the mix has, but for the column of epochs.
    shape: Shape,
}

impl Flow<'_> {
    /// Takes rows of several tables by their shares: those with the smallest hashes of their identity. After the tables that are mixed comes the one
    /// that is matched, if one is; `matched` makes what is matched of each.
    ///
    /// Each pass over an input is made of its row groups as they are: what comes twice is stored once.
    pub(super) fn mix(
        &self,
        mix: &Mix,
        tables: &[Arc<Table>],
        shape: &Shape,
        matched: &[Work],
    ) -> Result<MadeRows, Stop> {
        let (tables, reference) = tables.split_at(mix.of.len());
        let mut without_epoch = shape.clone();
        without_epoch.schema.0.truncate(shape.schema.0.len() - usize::from(mix.epoch.is_some()));
        without_epoch.key.retain(|name| without_epoch.schema.field(name).is_some());
        let mut inputs = Inputs { tables, groups: Vec::new(), lost: Vec::new(), shape: without_epoch };
        let mut key = op::key("mix");
        key.int("seed", mix.seed as i64).int("rows", mix.rows.as_ref().map_or(-1, |rows| rows.value as i64));
        key.float("temperature", mix.temperature.unwrap_or(0.0));
        let (mut identities, mut strata) = (Vec::new(), Vec::new());
        for (at, (table, (name, _))) in tables.iter().zip(&mix.of).enumerate() {
            let identity = Work::new("mix", row_identity(table.key.clone()), &name.span);
            let works: Vec<Work> = std::iter::once(identity).chain(matched.get(at).cloned()).collect();
            let mut groups = table.groups.clone();
            let (columns, failed) = self.hashes(None, &works, &table.schema, &mut groups)?;
            inputs.groups.push(groups);
            for lost in failed {
                inputs.lost.push(self.widen_lost(&inputs, at, lost, source_of(mix, at))?);
            }
            let (own, kinds): (Hashes, Hashes) =
                columns.into_iter().map(|columns| (vec![columns[0]], columns[1..].to_vec())).unzip();
            identities.push(own);
            strata.push(kinds);
        }
        if let (Some(table), Some(work)) = (reference.first(), matched.last()) {
            // Its rows are no rows of this dataset, so they cannot fail in it.
            let kinds = self.each(&table.groups, |flow, group| flow.column_of(work, &table.schema, group))?;
            strata.push(kinds.into_iter().map(|chunks| chunks.into_iter().map(ColumnRef::from).collect()).collect());
        }
        let strata = if matched.is_empty() { Vec::new() } else { strata };
        for columns in identities.iter().chain(&strata) {
            key.int("groups", columns.len() as i64);
            columns.iter().flatten().for_each(|column| column_into(&mut key, *column));
        }
        for (_, of) in &mix.of {
            key.float("share", of.share.unwrap_or(0.0)).int("cap", of.cap.map_or(-1, |cap| cap as i64));
            key.float("epochs", of.epochs);
        }
        let outputs = self.action(key.finish(), || {
            let all = |all: &[Hashes]| all.iter().map(|hashes| self.ints(hashes)).collect::<Result<Vec<_>, Stop>>();
            let (identities, strata) = (all(&identities)?, all(&strata)?);
            let given: Vec<MixInput> = mix
                .of
                .iter()
                .enumerate()
                .map(|(at, (_, of))| MixInput {
                    share: of.share,
                    cap: of.cap,
                    epochs: of.epochs,
                    identities: values(&identities[at]),
                    strata: strata.get(at).map(|groups| values(groups)).unwrap_or_default(),
                })
                .collect();
            let rows = mix.rows.as_ref().map(|rows| rows.value);
            let mixing = Mixing { rows, temperature: mix.temperature, seed: mix.seed as i64 };
            let like = strata.get(mix.of.len()).map(|groups| values(groups));
            let passes = mixing
                .passes(&given, like.as_deref())
                .map_err(|error| self.cannot_mix(mix, error, (&inputs, reference.first()), matched, &strata))?;
            let (mut of, mut times, mut takes) = (Vec::new(), Vec::new(), Vec::new());
            for (input, pass) in
                passes.into_iter().enumerate().flat_map(|(at, all)| all.into_iter().map(move |p| (at, p)))
            {
                of.push(input as i64);
                times.push(pass.times as i64);
                takes.extend(
                    pass.takes.iter().map(|take| self.context.put_take(take)).collect::<Result<Vec<_>, Stop>>()?,
                );
            }
            let ints = |ints: Vec<i64>| self.context.put_column(&(Arc::new(Int64Array::from(ints)) as ArrayRef));
            Ok([ints(of)?, ints(times)?].into_iter().chain(takes).collect())
        })?;
        let (groups, gave, failed) = self.mixed(mix, &inputs, &outputs)?;
        let spans = mix.of.iter().map(|(name, _)| &name.span).collect::<Vec<_>>();
        let lost = inputs.lost.into_iter().chain(failed).collect();
        let failed = self.unmade(lost, &inputs.shape, |of| {
            let matched = matched.first().filter(|work| work.name == of);
            let place = matched.map(|work| (&work.span, work.op.reads()));
            place.or_else(|| misfitting(tables, &inputs.shape.schema, &spans, of))
        })?;
        Ok(MadeRows { groups, gave, failed, problem: None })
    }

    /// Gives rows of an input that were lost the columns of the mix.
    fn widen_lost(&self, inputs: &Inputs, input: usize, lost: Lost, source: Option<&str>) -> Result<Lost, Stop> {
        let widen = |group: &Arc<RowGroup>| {
            let why = group.columns.last().copied();
            let (group, _) = self.widen(&inputs.tables[input], &inputs.shape.schema, group, source)?;
            let columns = group.columns.iter().copied().chain(why).collect();
            Ok(Arc::new(RowGroup { rows: group.rows, columns }))
        };
        let groups = lost.groups.iter().map(widen).collect::<Result<Vec<_>, Stop>>()?;
        Ok(Lost { groups, ..lost })
    }

    /// Makes row groups of passes: the inputs that they are over, how often each is made, and their takes, group by group. Rows
    /// that do not have the columns' types are returned apart.
    fn mixed(&self, mix: &Mix, inputs: &Inputs, outputs: &[Hash]) -> Result<Mixed, Stop> {
        let plan = self.ints(&[outputs[..2].to_vec()])?;
        let mut takes = outputs[2..].iter();
        let mut gave: Vec<Gave> =
            inputs.tables.iter().map(|table| Gave { rows: 0, different: 0, of: table.rows() }).collect();
        let mut epochs = vec![0; mix.of.len()];
        let mut picked = Vec::new();
        for (input, times) in plan[0][0].values().iter().zip(plan[0][1].values()) {
            let input = *input as usize;
            let groups = &inputs.groups[input];
            let takes: Vec<Hash> = takes.by_ref().take(groups.len()).copied().collect();
            for _ in 0..*times {
                let groups = groups.iter().zip(&takes);
                picked.extend(groups.map(|(group, take)| (input, epochs[input], group, *take)));
                epochs[input] += 1;
            }
        }
        let made = self.all(
            &picked,
            |(_, _, group, _)| u64::from(group.rows),
            |flow, (input, epoch, group, take)| {
                let take = flow.context.take(*take)?;
                if take.is_empty() {
                    return Ok((Vec::new(), Vec::new()));
                }
                let group = if take.is_identity() { (***group).clone() } else { flow.retake(group, &take)? };
                let source = source_of(mix, *input);
                let (group, failed) = flow.widen(&inputs.tables[*input], &inputs.shape.schema, &group, source)?;
                let (mut stays, lost) = flow.without_failed(None, &group, &group, failed)?;
                if mix.epoch.is_some() {
                    for group in &mut stays {
                        let mut columns = group.columns.clone();
                        columns.push(flow.context.constant(flow.used, Constant::Int(*epoch), group.rows)?);
                        *group = Arc::new(RowGroup { rows: group.rows, columns });
                    }
                }
                Ok((stays, lost))
            },
        )?;
        let (mut groups, mut lost) = (Vec::with_capacity(made.len()), Vec::new());
        for ((input, epoch, _, _), (stays, failed)) in picked.iter().zip(made) {
            let rows = stays.iter().map(|group| u64::from(group.rows)).sum::<u64>();
            gave[*input].rows += rows;
            gave[*input].different += if *epoch == 0 { rows } else { 0 };
            groups.extend(stays);
            lost.extend(failed);
        }
        Ok((groups, gave, lost))
    }

    fn cannot_mix(
        &self,
        mix: &Mix,
        error: MixError,
        (inputs, reference): (&Inputs, Option<&Arc<Table>>),
        matched: &[Work],
        strata: &[Vec<Vec<Int64Array>>],
    ) -> Stop {
        let (input, stratum, available, wanted, largest) = match error {
            MixError::TooFew { input, stratum, available, wanted, largest } => {
                (input, stratum, available, wanted, largest)
            }
            other => {
                let matching = mix.matching.as_ref().filter(|_| other == MixError::NoReference);
                let span = matching.map_or(&mix.of[0].0.span, |matching| &matching.to.span);
                return Diagnostic::error("bad-mix", other.to_string()).at(span, "in this mix").into();
            }
        };
        let (name, of) = &mix.of[input];
        let span = mix.rows.as_ref().map_or(&name.span, |rows| &rows.span);
        let all = inputs.tables[input].rows();
        let (has, like) = match stratum {
            None if available == all => (format!("has {all} rows"), ""),
            None => (format!("can give {available} rows"), ""),
            Some(_) => (format!("can give {available} rows of a kind"), " of them"),
        };
        let title = format!(
            "`{}` {has}, and this mix needs {wanted}{like}{}",
            name.value,
            if stratum.is_none() { " of it" } else { "" }
        );
        let label = if mix.rows.is_some() { "so many rows in all" } else { "taken from here" };
        let mut problem = Diagnostic::error("too-few-rows", title).at(span, label);
        if of.cap.is_some() || of.epochs != 1.0 {
            let cap = of.cap.map(|cap| format!("at most {cap} different rows of it")).into_iter();
            let epochs = (of.epochs != 1.0).then(|| format!("each at most {} times", of.epochs));
            let limits: Vec<String> = cap.chain(epochs).collect();
            problem = problem.note(format!("of its {all} rows, {} may come", limits.join(", ")));
        }
        let failed: u64 = inputs.lost.iter().flat_map(|lost| &lost.counts).sum();
        if failed > 0 {
            problem =
                problem.note(format!("{failed} of the rows that are mixed cannot be computed, and are not taken"));
        }
        if let Some(hash) = stratum {
            match self.example(hash, reference, matched, strata) {
                Ok(Some(shown)) => problem = problem.note(format!("the kind: {shown}")),
                Ok(None) => {}
                Err(stop) => return stop,
            }
            let matching = mix.matching.as_ref().expect("strata are those of a match");
            problem = problem
                .at(&matching.to.span, "the proportions are those of these rows")
                .help("leave rows of this kind out of what is matched, with a dataset `from` it and a `where`");
        }
        problem = match largest {
            0 => problem,
            _ => problem.help(format!("with these ratios at most `rows = {largest}` can be had")),
        };
        problem.help("a larger `epochs` lets its rows come several times").into()
    }

    /// Shows a row of the matched table that has this hash, by the columns that tell it.
    fn example(
        &self,
        hash: i64,
        reference: Option<&Arc<Table>>,
        matched: &[Work],
        strata: &[Vec<Vec<Int64Array>>],
    ) -> Result<Option<String>, Stop> {
        let (Some(table), Some(work), Some(strata)) = (reference, matched.last(), strata.last()) else {
            return Ok(None);
        };
        let mut rows = strata.iter().zip(&table.groups);
        let found =
            rows.find_map(|(hashes, group)| Some((hashes[0].values().iter().position(|known| *known == hash)?, group)));
        let Some((row, group)) = found else { return Ok(None) };
        let mut shown = Vec::new();
        for name in work.op.reads() {
            let at = table.schema.index(name).expect("binding checked the columns");
            let column = self.context.column(group.columns[at])?;
            let value: String = value_at(&column, row).to_string().chars().take(200).collect();
            shown.push(format!("`{name}` is {value}"));
        }
        Ok(Some(shown.join(", ")))
    }
}

/// Returns what a mix calls the rows of an input, if it does.
fn source_of(mix: &Mix, input: usize) -> Option<&str> {
    mix.source.as_ref().map(|_| mix.of[input].0.value.as_str())
}

/// Returns the values of columns of hashes, by row group.
fn values(groups: &[Vec<Int64Array>]) -> Vec<&[i64]> {
    groups.iter().map(|group| &group[0].values()[..]).collect()
}
