//! The maker `sql`: the columns that a query reads go into an engine's tables, and its rows come back as row groups.

use super::context::Stop;
use super::stage::Flow;
use crate::diag::{Diagnostic, Span};
use crate::expr::{Value, array_of};
use crate::graph::{Node, NodeQuery};
use crate::hash::Hash;
use crate::manifest::Text;
use crate::op;
use crate::query::{Engine, Prepared, Stopped, Table as Empty, engine};
use crate::table::{ColumnRef, Cutter, Field, RowGroup, Table, row_hashes, row_sizes};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use std::sync::Arc;

/// Rows of an answer that become columns at once.
const AT_ONCE: usize = 1024;

impl Flow<'_> {
    /// Answers the query of a node over its tables.
    ///
    /// The key has the engine, the text, the types, and of each table the chunks of exactly the columns that are read.
    pub(super) fn query(
        &self,
        node: &Node,
        tables: &[Arc<Table>],
        key_columns: &[Text],
    ) -> Result<Vec<Arc<RowGroup>>, Stop> {
        let query = node.query.as_ref().expect("a resolved node has its query");
        let schemas: Vec<_> = tables.iter().map(|table| &table.schema).collect();
        let prepared = query.prepare(&schemas).map_err(|errors| self.wrong_query(query, errors))?;
        let mut key = op::key("sql");
        key.text("engine", &engine()).text("query", &query.text.value);
        for Field { name, ty } in &prepared.columns {
            key.text("column", name).text("type", &ty.to_string());
        }
        key_columns.iter().for_each(|column| _ = key.text("key", &column.value));
        for ((table, reads), name) in tables.iter().zip(&prepared.reads).zip(&query.names) {
            key.text("table", &name.value).int("groups", table.groups.len() as i64);
            for column in reads {
                let field = &table.schema.0[*column];
                key.text("reads", &field.name).text("type", &field.ty.to_string());
            }
            for group in &table.groups {
                key.int("rows", i64::from(group.rows));
                for column in reads.iter().map(|column| group.columns[*column]) {
                    key.hash("chunk", column.chunk).maybe("take", column.take);
                }
            }
        }
        let limits = self.context.limits;
        [limits.min, limits.target, limits.max].iter().for_each(|limit| _ = key.int("limit", i64::from(*limit)));
        self.progress.begin(tables.iter().map(|table| table.groups.len()).sum());
        // How many rows each row group has, and then its chunks.
        let mut ran = false;
        let outputs = self.action(key.finish(), || {
            ran = true;
            self.answer(query, &prepared, tables, key_columns)
        });
        let every = tables.iter().flat_map(|table| &table.groups);
        every
            .for_each(|group| self.progress.group(u64::from(group.rows), ran || matches!(outputs, Err(Stop::Pending))));
        let outputs = outputs?;
        let (rows, chunks) = outputs.split_first().ok_or(Stop::Pending)?;
        let column = self.context.column(*rows)?;
        let counts = column.as_primitive_opt::<Int64Type>().ok_or(Stop::Missing(*rows))?;
        let groups = counts.values().iter().zip(chunks.chunks_exact(prepared.columns.len()));
        let group = |(rows, chunks): (&i64, &[Hash])| {
            let columns = chunks.iter().copied().map(ColumnRef::from).collect();
            Arc::new(RowGroup { rows: *rows as u32, columns })
        };
        Ok(groups.map(group).collect())
    }

    fn answer(
        &self,
        query: &NodeQuery,
        prepared: &Prepared,
        tables: &[Arc<Table>],
        key_columns: &[Text],
    ) -> Result<Vec<Hash>, Stop> {
        let empty = tables.iter().map(|table| Empty { schema: &table.schema }).collect();
        let folder = Some(self.context.store.root()).filter(|root| root.is_dir());
        let engine = Engine::open(&query.query, empty, folder).map_err(|error| self.wrong_query(query, vec![error]))?;
        for (at, (table, reads)) in tables.iter().zip(&prepared.reads).enumerate() {
            for group in &table.groups {
                self.context.go_on()?;
                // A plan does not go on for long.
                if !self.context.may_run() {
                    return Err(Stop::Pending);
                }
                let cells = reads.iter().map(|column| self.context.column(group.columns[*column]));
                let cells = cells.collect::<Result<Vec<ArrayRef>, Stop>>()?;
                engine.load(at, reads, &cells, group.rows as usize).map_err(|why| self.no_answer(query, &why))?;
            }
        }
        let keyed: Vec<usize> = key_columns
            .iter()
            .filter_map(|name| prepared.columns.iter().position(|field| field.name == name.value))
            .collect();
        let mut groups = Groups::new(self, &prepared.columns, keyed);
        let answered = engine.rows(&prepared.columns, &|| self.context.cancelled(), |row| groups.push(row));
        match answered {
            Ok(()) => groups.finish(),
            Err(Stopped::Interrupted) => Err(Stop::Interrupted),
            Err(Stopped::Failed(why)) => Err(self.no_answer(query, &why)),
            Err(Stopped::Misfit { row, column, found }) => {
                Err(self.misfit(query, &prepared.columns[column], row, &found))
            }
            Err(Stopped::Taker(stop)) => Err(stop),
        }
    }

    fn wrong_query(&self, query: &NodeQuery, errors: Vec<crate::expr::ExprError>) -> Stop {
        let one = |error: crate::expr::ExprError| {
            let mut problem =
                Diagnostic::error(error.code, error.title).at(&query.text.inside(error.range), error.label);
            problem.notes.extend(error.notes);
            problem.help.extend(error.help);
            problem
        };
        crate::diag::Diagnostics(errors.into_iter().map(one).collect()).into()
    }

    fn no_answer(&self, query: &NodeQuery, why: &str) -> Stop {
        let title = format!("the query of `{}` cannot be answered: {why}", self.node);
        Diagnostic::error("bad-query", title).at(&place(query), "this query").into()
    }

    fn misfit(&self, query: &NodeQuery, field: &Field, row: u64, found: &str) -> Stop {
        let title =
            format!("row {row} of the query of `{}` has {found} in `{}`, which is {}", self.node, field.name, field.ty);
        Diagnostic::error("wrong-type", title)
            .at(&place(query), "this query")
            .help(format!("bring it to one type in the query, for example `cast(… as text) as {}`", field.name))
            .help(format!(
                "or say another type: `types = {{ {} = \"…\" }}` beside `query` or `file` in `sql`",
                field.name
            ))
            .into()
    }
}

fn place(query: &NodeQuery) -> Span {
    query.text.span.clone()
}

/// Rows of an answer on their way into row groups, which are cut by content.
struct Groups<'f, 'a> {
    flow: &'f Flow<'a>,
    columns: &'f [Field],
    /// The columns that say where it cuts; all if there are none.
    keyed: Vec<usize>,
    cutter: Cutter,
    /// Rows that are no columns yet, by column.
    cells: Vec<Vec<Value>>,
    /// Rows that no cut has ended yet, in pieces.
    open: Vec<Vec<ArrayRef>>,
    counts: Vec<i64>,
    chunks: Vec<Hash>,
}

impl<'f, 'a> Groups<'f, 'a> {
    fn new(flow: &'f Flow<'a>, columns: &'f [Field], keyed: Vec<usize>) -> Groups<'f, 'a> {
        let cutter = Cutter::new(flow.context.limits);
        let cells = vec![Vec::new(); columns.len()];
        Groups { flow, columns, keyed, cutter, cells, open: Vec::new(), counts: Vec::new(), chunks: Vec::new() }
    }

    fn push(&mut self, row: Vec<Value>) -> Result<(), Stop> {
        self.cells.iter_mut().zip(row).for_each(|(cells, cell)| cells.push(cell));
        if self.cells[0].len() < AT_ONCE { Ok(()) } else { self.cut() }
    }

    /// Makes columns of the rows at hand, and ends row groups among them.
    fn cut(&mut self) -> Result<(), Stop> {
        self.flow.context.go_on()?;
        let rows = self.cells[0].len();
        let fields = self.columns.iter().zip(&mut self.cells);
        let columns: Vec<ArrayRef> = fields.map(|(field, cells)| array_of(&field.ty, &std::mem::take(cells))).collect();
        let keyed: Vec<ArrayRef> = self.keyed.iter().map(|column| columns[*column].clone()).collect();
        let hashes = row_hashes(if keyed.is_empty() { &columns } else { &keyed }, rows);
        let mut from = 0;
        for (row, (hash, size)) in hashes.iter().zip(row_sizes(&columns, rows)).enumerate() {
            if self.cutter.push(hash.head(), size) {
                self.open.push(columns.iter().map(|column| column.slice(from, row + 1 - from)).collect());
                self.emit()?;
                from = row + 1;
            }
        }
        if from < rows {
            self.open.push(columns.iter().map(|column| column.slice(from, rows - from)).collect());
        }
        Ok(())
    }

    fn emit(&mut self) -> Result<(), Stop> {
        let pieces = std::mem::take(&mut self.open);
        let Some(rows) = pieces.iter().map(|piece| piece[0].len()).reduce(|a, b| a + b) else { return Ok(()) };
        for column in 0..self.columns.len() {
            let parts: Vec<&dyn Array> = pieces.iter().map(|piece| piece[column].as_ref()).collect();
            let whole = arrow_select::concat::concat(&parts).map_err(|error| {
                let name = &self.columns[column].name;
                Diagnostic::error(
                    "too-large",
                    format!("`{name}` of `{}` is too large for a row group: {error}", self.flow.node),
                )
            })?;
            self.chunks.push(self.flow.context.put_column(&whole)?);
        }
        self.counts.push(rows as i64);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Hash>, Stop> {
        if !self.cells[0].is_empty() {
            self.cut()?;
        }
        self.emit()?;
        let counts: ArrayRef = Arc::new(Int64Array::from(std::mem::take(&mut self.counts)));
        let mut outputs = vec![self.flow.context.put_column(&counts)?];
        outputs.append(&mut self.chunks);
        Ok(outputs)
    }
}
