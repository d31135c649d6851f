//! Rows as a table, as records one under the other, or as JSONL.

use super::super::grid::Grid;
use super::super::session::{Fail, Session};
use super::super::words::{cell, count, lines, plain, things};
use crate::expr::Value;
use crate::project::Project;
use crate::table::{Schema, Table, Type};
use serde::Serializer;
use std::io::{self, Write};
use std::ops::ControlFlow;

/// Rows that are read at a time.
const PAGE: usize = 4096;
/// A column narrower than this cannot be read: records are shown instead.
const READABLE: usize = 14;

/// Shows so many rows behind those that are skipped; `wide`: as records.
pub fn show(
    session: &mut Session,
    project: &Project,
    name: &str,
    table: &Table,
    (skip, limit): (u64, usize),
    wide: bool,
) -> Result<(), Fail> {
    if session.json() {
        return each(project, table, skip, limit, |_, row| json_row(session, &[], &table.schema, row));
    }
    let total = table.rows();
    let first = skip.min(total);
    let last = first.saturating_add(limit as u64).min(total);
    let head = match (first, last) {
        (0, last) if last == total => things(total, "row"),
        (first, last) if first == last => format!("{}, none of them here", things(total, "row")),
        (first, last) => format!("rows {} to {} of {}", count(first + 1), count(last), count(total)),
    };
    super::title(session, name, &head)?;
    let mut drawing = Drawing::new(session, &table.schema, wide);
    each(project, table, skip, limit, |at, row| drawing.row(session, at, row))?;
    Ok(drawing.finish(session)?)
}

/// Hands out rows with their positions, page by page.
pub fn each(
    project: &Project,
    table: &Table,
    skip: u64,
    limit: usize,
    mut take: impl FnMut(u64, &[Value]) -> io::Result<()>,
) -> Result<(), Fail> {
    until(project, table, skip, limit, |at, row| Ok(take(at, row).map(|()| ControlFlow::Continue(()))?))
}

/// As [`each`], until `take` has enough: what comes behind is not read.
pub fn until(
    project: &Project,
    table: &Table,
    skip: u64,
    limit: usize,
    mut take: impl FnMut(u64, &[Value]) -> Result<ControlFlow<()>, Fail>,
) -> Result<(), Fail> {
    let (mut at, mut left) = (skip, limit);
    while left > 0 {
        let page = project.rows(table, at, left.min(PAGE))?;
        if page.rows.is_empty() {
            break;
        }
        for (i, row) in page.rows.iter().enumerate() {
            if take(at + i as u64, row)?.is_break() {
                return Ok(());
            }
        }
        at += page.rows.len() as u64;
        left -= page.rows.len();
    }
    Ok(())
}

/// Writes a row as a JSON object with its columns in order, after some others.
pub fn json_row(session: &mut Session, before: &[(&str, Value)], schema: &Schema, row: &[Value]) -> io::Result<()> {
    let before = before.iter().map(|(name, value)| (*name, value));
    let mut to = serde_json::Serializer::new(&mut session.out);
    to.collect_map(before.chain(schema.names().zip(row))).map_err(io::Error::from)?;
    session.out.write_all(b"\n")
}

/// Rows on their way to the screen.
pub struct Drawing {
    schema: Schema,
    /// The table so far; none once records are drawn.
    grid: Option<Grid>,
    held: Vec<(u64, Vec<Value>)>,
    /// How many records were drawn.
    records: u64,
}

/// Rows whose widths are looked at; those after them are drawn with a head of their own.
const TOGETHER: usize = 1000;

impl Drawing {
    /// Begins; `wide` asks for records.
    pub fn new(session: &Session, schema: &Schema, wide: bool) -> Drawing {
        let mut drawing = Drawing { schema: schema.clone(), grid: None, held: Vec::new(), records: 0 };
        if !wide {
            drawing.grid = Some(drawing.head(session));
        }
        drawing
    }

    fn head(&self, session: &Session) -> Grid {
        let right = self.schema.0.iter().enumerate().filter(|(_, field)| matches!(field.ty, Type::Int | Type::Float));
        let mut grid = Grid::right(right.map(|(at, _)| at));
        grid.row(self.schema.names().map(|name| session.out.paint.dim(&plain(name))));
        grid
    }

    /// Takes one row more.
    pub fn row(&mut self, session: &mut Session, at: u64, row: &[Value]) -> io::Result<()> {
        let Some(grid) = &mut self.grid else { return self.record(session, at, row) };
        grid.row(row.iter().map(|value| shown(session, value)));
        self.held.push((at, row.to_vec()));
        if self.held.len() >= TOGETHER { self.draw(session) } else { Ok(()) }
    }

    fn draw(&mut self, session: &mut Session) -> io::Result<()> {
        let Some(grid) = &self.grid else { return Ok(()) };
        let width = session.out.width;
        if width.is_some_and(|width| !grid.fits(width, READABLE)) {
            self.grid = None;
            let held = std::mem::take(&mut self.held);
            return held.iter().try_for_each(|(at, row)| self.record(session, *at, row));
        }
        grid.lines(width).iter().try_for_each(|line| writeln!(session.out, "{line}"))?;
        self.held.clear();
        self.grid = Some(self.head(session));
        Ok(())
    }

    /// Draws what is left.
    pub fn finish(mut self, session: &mut Session) -> io::Result<()> {
        if self.held.is_empty() { Ok(()) } else { self.draw(session) }
    }

    /// Draws one record: a line per column, and the lines of long texts.
    fn record(&mut self, session: &mut Session, at: u64, row: &[Value]) -> io::Result<()> {
        if self.records > 0 {
            writeln!(session.out)?;
        }
        self.records += 1;
        let paint = session.out.paint;
        let widest = self.schema.names().map(console::measure_text_width).max().unwrap_or(0);
        writeln!(session.out, "{}", paint.bold(&format!("row {}", count(at + 1))))?;
        for (name, value) in self.schema.names().zip(row) {
            let texts = match value {
                Value::String(text) => lines(text),
                value => vec![shown(session, value)],
            };
            let name = console::pad_str(name, widest, console::Alignment::Left, None).into_owned();
            let indent = " ".repeat(widest);
            let mut head = paint.dim(&plain(&name));
            for text in texts.iter().map(String::as_str).chain(texts.is_empty().then_some("")) {
                writeln!(session.out, "{}", format!("  {head}  {text}").trim_end())?;
                head.clone_from(&indent);
            }
        }
        Ok(())
    }
}

fn shown(session: &Session, value: &Value) -> String {
    match value {
        Value::Null => session.out.paint.dim("null"),
        value => cell(value),
    }
}
