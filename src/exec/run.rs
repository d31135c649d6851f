//! Row groups and tables at a step `run`, and the maker: rows handed to a program, and what it makes of them.

use super::able::Failing;
use super::around::key_of;
use super::context::{Mode, Stop};
use super::failure::RowFailure;
use super::files::{ReadStop, Recut};
use super::lost::Lost;
use super::program_trouble::{changed, failed, wrong};
use super::refer::of;
use super::stage::Flow;
use crate::fetch::Workspace;
use crate::fetch::programs::{self, Feed, Folder, Pool, Workshop, run_whole};
use crate::format::{Format, Problem, Segment, Splitter, StreamEncoder, read_batches};
use crate::graph::BoundRun;
use crate::hash::KeyWriter;
use crate::op::{Per, Wrong, wrong_line};
use crate::table::{Batch, ColumnRef, RowGroup, Schema, Table, Take};
use arrow_array::ArrayRef;
use rayon::prelude::*;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// The rows that stay, and those that do not.
type Ran = (Vec<Arc<RowGroup>>, Vec<Lost>);

/// Bytes of a program's output that are parsed at once, on all threads.
const AT_ONCE: usize = 32 << 20;

impl Flow<'_> {
    /// Hands row groups to the program of a stage.
    pub(super) fn program(
        &self,
        at: usize,
        run: &BoundRun,
        schema: &Schema,
        groups: &[Arc<RowGroup>],
    ) -> Result<Ran, Stop> {
        let ran = match run.program.per {
            Per::Row => {
                let pool = Pool::new(self.start_of(run));
                self.each(groups, |flow, group| flow.run_rows(at, run, &pool, schema, group))?
            }
            Per::Group => {
                let pool = Pool::new(self.start_of(run));
                self.each(groups, |flow, group| Ok((flow.run_group(run, &pool, schema, group)?, Vec::new())))?
            }
            Per::Table | Per::Maker => return Ok((self.run_table(run, schema, groups, &[])?, Vec::new())),
        };
        let (mut stay, mut lost) = (Vec::with_capacity(ran.len()), Vec::new());
        for (group, rest) in ran {
            stay.extend(group);
            lost.extend(rest);
        }
        Ok((stay, lost))
    }

    /// Adds the columns that a program makes, row by row.
    fn run_rows(
        &self,
        at: usize,
        run: &BoundRun,
        pool: &Pool,
        schema: &Schema,
        group: &Arc<RowGroup>,
    ) -> Result<Ran, Stop> {
        let mut key = run.program.key(key_of(&run.around));
        self.reads(run, schema, group, &mut key);
        let outputs = self.action(key.finish(), || {
            let batch = self.given(run, schema, group)?;
            let answer = self.answer_of(run, pool, &batch)?;
            let answers = run.program.answers(answer, batch.rows).map_err(|found| wrong(run, self.node, found))?;
            let mut outputs = answers
                .columns
                .iter()
                .map(|column| self.context.put_column(column))
                .collect::<Result<Vec<_>, Stop>>()?;
            if !answers.failed.is_empty() {
                let mut keep = vec![true; batch.rows];
                answers.failed.iter().for_each(|(row, _)| keep[*row] = false);
                outputs.push(self.context.put_take(&Take::of_mask(keep.into_iter()))?);
                let of = run.program.shown();
                let failures = answers.failed.into_iter().map(|(_, why)| RowFailure::uncomputable(&of, why));
                outputs.push(self.context.put_column(&RowFailure::column(failures.collect()))?);
            }
            Ok(outputs)
        })?;
        let (made, failed) = outputs.split_at(run.program.writes.len().min(outputs.len()));
        let made = made.iter().copied().map(ColumnRef::from);
        let all = RowGroup { rows: group.rows, columns: group.columns.iter().copied().chain(made).collect() };
        let failed = match failed {
            [keep, failures] => Some(Failing { keep: self.context.take(*keep)?, keep_at: *keep, failures: *failures }),
            _ => None,
        };
        self.without_failed(at, &Arc::new(all), group, failed)
    }

    /// Makes other rows of those of a group.
    fn run_group(
        &self,
        run: &BoundRun,
        pool: &Pool,
        schema: &Schema,
        group: &Arc<RowGroup>,
    ) -> Result<Vec<Arc<RowGroup>>, Stop> {
        let mut key = run.program.key(key_of(&run.around));
        self.reads(run, schema, group, &mut key);
        let outputs = self.action(key.finish(), || {
            let batch = self.given(run, schema, group)?;
            let answer = self.answer_of(run, pool, &batch)?;
            let made = run.program.rows(answer).map_err(|found| wrong(run, self.node, found))?;
            let rows = self.context.put(&(made.rows as u64).to_le_bytes())?;
            let columns = made.columns.iter().map(|(_, column)| self.context.put_column(column));
            std::iter::once(Ok(rows)).chain(columns).collect()
        })?;
        let rows = self.context.get(outputs[0])?;
        let rows = rows[..].try_into().map(u64::from_le_bytes).map_err(|_| Stop::Missing(outputs[0]))?;
        let columns = outputs[1..].iter().copied().map(ColumnRef::from).collect();
        Ok((rows > 0).then(|| Arc::new(RowGroup { rows: rows as u32, columns })).into_iter().collect())
    }

    /// Makes rows of all rows, or of nothing; `key` are the columns by which they are cut into groups, where not by all.
    pub(super) fn run_table(
        &self,
        run: &BoundRun,
        schema: &Schema,
        groups: &[Arc<RowGroup>],
        key: &[String],
    ) -> Result<Vec<Arc<RowGroup>>, Stop> {
        let mut writer = run.program.key(key_of(&run.around));
        writer.text("limits", &format!("{:?}", self.context.limits));
        key.iter().for_each(|column| _ = writer.text("key", column));
        groups.iter().for_each(|group| self.reads(run, schema, group, &mut writer));
        let action = writer.finish();
        let rows = groups.iter().map(|group| u64::from(group.rows)).sum();
        let made = self.all(
            &[()],
            |()| rows,
            |flow, ()| {
                let outputs = flow.action(action, || {
                    let folder = flow.run_once(run, schema, groups)?;
                    let groups = match run.program.format {
                        Format::Arrow => flow.take_arrow(run, &folder, key)?,
                        _ => flow.take_lines(run, &folder, key)?,
                    };
                    let table = Table { schema: Schema(run.program.writes.clone()), key: key.to_vec(), groups };
                    let named = flow.context.put_table(table.clone())?.hash;
                    let chunks = table.groups.iter().flat_map(|group| group.columns.iter().map(|column| column.chunk));
                    Ok(std::iter::once(named).chain(chunks).collect())
                })?;
                Table::decode(&flow.context.get(outputs[0])?).map_err(|_| Stop::Missing(outputs[0]))
            },
        )?;
        Ok(made.into_iter().flat_map(|table| table.groups).collect())
    }

    /// Runs a program once over all rows.
    fn run_once(&self, run: &BoundRun, schema: &Schema, groups: &[Arc<RowGroup>]) -> Result<Folder, Stop> {
        self.may_start()?;
        let start = self.start_of(run);
        let trouble = |failure| failed(run, self.node, failure);
        let encode = |problem| self.not_given(run, problem);
        let feed = |feed: &mut Feed| {
            if run.program.per == Per::Maker {
                return Ok(());
            }
            let mut stream = None;
            if run.program.format == Format::Arrow {
                let fields = run.program.reads.iter().filter_map(|name| schema.field(name).cloned());
                stream = Some(StreamEncoder::new(&Schema(fields.collect())).map_err(encode)?);
            }
            for group in groups {
                let batch = self.given(run, schema, group)?;
                let rows = match &mut stream {
                    Some(stream) => stream.push(&batch),
                    None => run.program.encode(&batch),
                };
                if !feed.push(rows.map_err(encode)?) {
                    return Ok(());
                }
            }
            if let Some(stream) = stream {
                feed.push(stream.finish().map_err(encode)?);
            }
            Ok(())
        };
        let folder = run_whole(&start, self.context.cancel(), trouble, feed)?;
        self.unchanged(run)?;
        Ok(folder)
    }

    /// Reads lines that a program wrote, and cuts them into row groups as those of a file.
    fn take_lines(&self, run: &BoundRun, folder: &Folder, key: &[String]) -> Result<Vec<Arc<RowGroup>>, Stop> {
        let unreadable =
            |error| failed(run, self.node, programs::Failure::NoScratch { why: crate::fetch::plain(&error) });
        let mut file = File::open(folder.output()).map_err(unreadable)?;
        let mut splitter = Some(Splitter::new(Format::Jsonl, self.context.limits, key));
        let (mut waiting, mut bytes, mut groups) = (Vec::new(), 0, Vec::new());
        let mut block = vec![0; 1 << 20];
        while let Some(mut open) = splitter.take() {
            self.context.go_on()?;
            let read = file.read(&mut block).map_err(unreadable)?;
            let mut emit = |segment: Segment| {
                bytes += segment.bytes.len();
                waiting.push(segment);
            };
            let split = if read == 0 {
                open.finish(&mut emit)
            } else {
                let pushed = open.push(&block[..read], &mut emit);
                splitter = Some(open);
                pushed
            };
            split.map_err(|error| wrong(run, self.node, wrong_line(&[], 1, error)))?;
            if splitter.is_none() || bytes > AT_ONCE {
                bytes = 0;
                let batch = std::mem::take(&mut waiting);
                let parsed = batch.par_iter().map(|segment| {
                    let rows = run.program.segment(&segment.bytes, segment.first_line);
                    self.put_group(&rows.map_err(|found| wrong(run, self.node, found))?)
                });
                let parsed: Vec<Option<Arc<RowGroup>>> = parsed.collect::<Result<_, Stop>>()?;
                groups.extend(parsed.into_iter().flatten());
            }
        }
        Ok(groups)
    }

    /// Reads a stream of Arrow IPC that a program wrote, and cuts it into row groups as a file.
    fn take_arrow(&self, run: &BoundRun, folder: &Folder, key: &[String]) -> Result<Vec<Arc<RowGroup>>, Stop> {
        let unreadable =
            |error| failed(run, self.node, programs::Failure::NoScratch { why: crate::fetch::plain(&error) });
        let file = File::open(folder.output()).map_err(unreadable)?;
        let mut recut = Recut::new(self.context, key);
        let read = read_batches::<ReadStop>(Format::Arrow, Box::new(file), &run.program.types(), &mut |batch| {
            let checked = run.program.checked(batch).map_err(|found| wrong(run, self.node, found))?;
            Ok(recut.push(checked)?)
        });
        read.map_err(|stop| match stop {
            ReadStop::Stop(stop) => stop,
            ReadStop::Problem(problem) => wrong(run, self.node, problem.into()),
        })?;
        recut.groups()
    }

    /// Writes the columns of a row group.
    fn put_group(&self, batch: &Batch) -> Result<Option<Arc<RowGroup>>, Stop> {
        if batch.rows == 0 {
            return Ok(None);
        }
        let column = |column: &ArrayRef| Ok(ColumnRef::from(self.context.put_column(column)?));
        let columns = batch.columns.iter().map(|(_, array)| column(array)).collect::<Result<_, Stop>>()?;
        Ok(Some(Arc::new(RowGroup { rows: batch.rows as u32, columns })))
    }

    /// Asks a process for its answer to some rows.
    fn answer_of(&self, run: &BoundRun, pool: &Pool, batch: &Batch) -> Result<Vec<u8>, Stop> {
        self.may_start()?;
        let rows = run.program.encode(batch).map_err(|problem| self.not_given(run, problem))?;
        let answer = pool.answer(rows, self.context.cancel());
        let answer = answer.map_err(|failure| failed(run, self.node, failure))?;
        self.unchanged(run)?;
        Ok(answer)
    }

    /// Refuses an answer if a file that the program reads is no longer the one of its key: who knows which it saw.
    fn unchanged(&self, run: &BoundRun) -> Result<(), Stop> {
        let (_, workspace) = self.workshop();
        match run.around.files.iter().find(|(path, hash)| !workspace.still_has(path, *hash)) {
            None => Ok(()),
            Some((path, _)) => Err(changed(run, self.node, path)),
        }
    }

    fn workshop(&self) -> &(Workshop, &Workspace) {
        self.context.workshop.as_ref().expect("whoever runs stages says where programs work")
    }

    fn not_given(&self, run: &BoundRun, problem: Problem) -> Stop {
        let title = format!("cannot be given its rows: {}", problem.title);
        wrong(run, self.node, Wrong { title, line: None, help: problem.help })
    }

    /// A plan starts no programs.
    fn may_start(&self) -> Result<(), Stop> {
        if self.context.mode == Mode::Build { Ok(()) } else { Err(Stop::Pending) }
    }

    /// Adds the chunks that a program reads of a row group to a key.
    fn reads(&self, run: &BoundRun, schema: &Schema, group: &RowGroup, key: &mut KeyWriter) {
        for column in of(schema, group, &run.program.reads) {
            key.hash("chunk", column.chunk).maybe("take", column.take);
        }
        key.int("rows", i64::from(group.rows));
    }

    /// Returns the rows of a group as a program is given them.
    fn given(&self, run: &BoundRun, schema: &Schema, group: &RowGroup) -> Result<Batch, Stop> {
        let named = run.program.reads.iter().zip(of(schema, group, &run.program.reads));
        let columns = named.map(|(name, at)| Ok((name.clone(), self.context.column(at)?)));
        Ok(Batch { rows: group.rows as usize, columns: columns.collect::<Result<_, Stop>>()? })
    }

    /// Returns how the program of a stage is started.
    fn start_of(&self, run: &BoundRun) -> programs::Program {
        let names: Vec<&str> = run.program.writes.iter().map(|field| field.name.as_str()).collect();
        let names = serde_json::to_string(&names).expect("a list of texts is plain data");
        let told = vec![
            ("DATAMAKE_PER", run.program.per.word().to_owned()),
            ("DATAMAKE_FORMAT", run.program.format.to_string()),
            ("DATAMAKE_COLUMNS", names),
        ];
        programs::Program {
            command: run.program.command.clone(),
            told,
            around: run.around.clone(),
            timeout: run.timeout,
            jobs: run.jobs,
            stays: run.stays,
            workshop: self.workshop().0.clone(),
        }
    }
}
