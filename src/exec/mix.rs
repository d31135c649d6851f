//! The maker `mix`: rows of several tables by shares, each once or several times.

use super::context::Stop;
use super::record::Gave;
use super::stage::Flow;
use crate::diag::Diagnostic;
use crate::expr::value_at;
use crate::graph::{Shape, Work};
use crate::hash::Hash;
use crate::manifest::Mix;
use crate::op::{self, MixError, MixInput, Mixing, row_identity};
use crate::table::{ColumnRef, RowGroup, Table};
use arrow_array::{ArrayRef, Int64Array};
use std::sync::Arc;

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
    ) -> Result<(Vec<Arc<RowGroup>>, Vec<Gave>), Stop> {
        let mut key = op::key("mix");
        key.int("seed", mix.seed as i64).int("rows", mix.rows.as_ref().map_or(-1, |rows| rows.value as i64));
        key.float("temperature", mix.temperature.unwrap_or(0.0));
        let mut column = |work: &Work, table: &Table| -> Result<Vec<Vec<Hash>>, Stop> {
            let chunks = self.each(&table.groups, |flow, group| flow.column_of(work, &table.schema, group))?;
            key.int("groups", chunks.len() as i64);
            chunks.iter().flatten().for_each(|chunk| _ = key.hash("chunk", *chunk));
            Ok(chunks)
        };
        let (mut identities, mut strata) = (Vec::new(), Vec::new());
        for (table, (name, _)) in tables.iter().zip(&mix.of) {
            identities.push(column(&Work::new("mix", row_identity(table.key.clone()), &name.span), table)?);
        }
        for (table, work) in tables.iter().zip(matched) {
            strata.push(column(work, table)?);
        }
        for (_, of) in &mix.of {
            key.float("share", of.share.unwrap_or(0.0)).int("cap", of.cap.map_or(-1, |cap| cap as i64));
            key.float("epochs", of.epochs);
        }
        let outputs = self.action(key.finish(), || {
            let all = |chunks: &[Vec<Vec<Hash>>]| {
                chunks.iter().map(|chunks| self.ints(chunks)).collect::<Result<Vec<_>, Stop>>()
            };
            let (identities, strata) = (all(&identities)?, all(&strata)?);
            let inputs: Vec<MixInput> = mix
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
            let reference = strata.get(mix.of.len()).map(|groups| values(groups));
            let passes = mixing
                .passes(&inputs, reference.as_deref())
                .map_err(|error| self.cannot_mix(mix, error, tables, matched, &strata))?;
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
        self.mixed(mix, tables, shape, &outputs)
    }

    /// Makes row groups of passes: the inputs that they are over, how often each is made, and their takes, group by group.
    fn mixed(
        &self,
        mix: &Mix,
        tables: &[Arc<Table>],
        shape: &Shape,
        outputs: &[Hash],
    ) -> Result<(Vec<Arc<RowGroup>>, Vec<Gave>), Stop> {
        let plan = self.ints(&[outputs[..2].to_vec()])?;
        let mut takes = outputs[2..].iter();
        let mut gave: Vec<Gave> =
            tables[..mix.of.len()].iter().map(|table| Gave { rows: 0, different: 0, of: table.rows() }).collect();
        let mut epochs = vec![0; mix.of.len()];
        let mut picked = Vec::new();
        for (input, times) in plan[0][0].values().iter().zip(plan[0][1].values()) {
            let input = *input as usize;
            let takes: Vec<Hash> = takes.by_ref().take(tables[input].groups.len()).copied().collect();
            for _ in 0..*times {
                let groups = tables[input].groups.iter().zip(&takes);
                picked.extend(groups.map(|(group, take)| (input, epochs[input], group, *take)));
                epochs[input] += 1;
            }
        }
        let mut without_epoch = shape.clone();
        without_epoch.schema.0.truncate(shape.schema.0.len() - usize::from(mix.epoch.is_some()));
        let groups = self.all(
            &picked,
            |(_, _, group, _)| u64::from(group.rows),
            |flow, (input, epoch, group, take)| {
                let take = flow.context.take(*take)?;
                if take.is_empty() {
                    return Ok(None);
                }
                let group = if take.is_identity() { (***group).clone() } else { flow.retake(group, &take)? };
                let source = mix.source.as_ref().map(|_| mix.of[*input].0.value.as_str());
                let group = flow.widen(&tables[*input], &without_epoch, &group, source)?;
                if mix.epoch.is_none() {
                    return Ok(Some(group));
                }
                let mut columns = group.columns.clone();
                columns.push(flow.same_int(*epoch, group.rows)?);
                Ok(Some(Arc::new(RowGroup { rows: group.rows, columns })))
            },
        )?;
        for ((input, epoch, _, _), group) in picked.iter().zip(&groups) {
            let rows = group.as_ref().map_or(0, |group| u64::from(group.rows));
            gave[*input].rows += rows;
            gave[*input].different += if *epoch == 0 { rows } else { 0 };
        }
        Ok((groups.into_iter().flatten().collect(), gave))
    }

    /// Makes a column that has the same number in every row.
    fn same_int(&self, value: i64, rows: u32) -> Result<ColumnRef, Stop> {
        let key = op::key("constant").int("int", value).int("rows", i64::from(rows)).finish();
        let outputs = self.action(key, || {
            let column: ArrayRef = Arc::new(Int64Array::from(vec![value; rows as usize]));
            Ok(vec![self.context.put_column(&column)?])
        })?;
        Ok(ColumnRef { chunk: outputs[0], take: None })
    }

    fn cannot_mix(
        &self,
        mix: &Mix,
        error: MixError,
        tables: &[Arc<Table>],
        matched: &[Work],
        strata: &[Vec<Vec<Int64Array>>],
    ) -> Stop {
        let (input, stratum, available, wanted, largest) = match error {
            MixError::TooFew { input, stratum, available, wanted, largest } => {
                (input, stratum, available, wanted, largest)
            }
            other => {
                let reference = mix.matching.as_ref().filter(|_| other == MixError::NoReference);
                let span = reference.map_or(&mix.of[0].0.span, |matching| &matching.to.span);
                return Diagnostic::error("bad-mix", other.to_string()).at(span, "in this mix").into();
            }
        };
        let (name, of) = &mix.of[input];
        let span = mix.rows.as_ref().map_or(&name.span, |rows| &rows.span);
        let all = tables[input].rows();
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
        if let Some(hash) = stratum {
            match self.example(hash, tables, matched, strata) {
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
        tables: &[Arc<Table>],
        matched: &[Work],
        strata: &[Vec<Vec<Int64Array>>],
    ) -> Result<Option<String>, Stop> {
        let (Some(table), Some(work), Some(strata)) = (tables.last(), matched.last(), strata.last()) else {
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

/// Returns the values of columns of hashes, by row group.
fn values(groups: &[Vec<Int64Array>]) -> Vec<&[i64]> {
    groups.iter().map(|group| &group[0].values()[..]).collect()
}
