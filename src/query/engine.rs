//! The engine: empty tables to check a query against, filled ones to answer it.

use super::explain::{Helped, engine_error, error, plain};
use super::guard::Guard;
use super::infer::Infer;
use super::parse::Query;
use super::{dates, values};
use crate::diag::{list, nearest};
use crate::expr::{ExprError, Value};
use crate::table::{Field, Schema, Type};
use arrow_array::ArrayRef;
use rusqlite::{Connection, Error, ErrorCode};
use sqlparser::ast::SetExpr;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// Kilobytes that the engine keeps of its tables, and sorts, in memory; what is more is in files.
const MEMORY: u32 = 65_536;
/// As many for the parts of a dataset, which are a database of their own.
const MEMORY_OF_PARTS: u32 = 8_192;

/// How often it is asked whether to stop.
const PATIENCE: Duration = Duration::from_millis(50);

/// A table that a query reads; they are in the order of [`Query::tables`].
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    pub schema: &'a Schema,
}

/// A query that fits its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// What it makes.
    pub columns: Vec<Field>,
    /// The columns that it reads of each table, by position.
    pub reads: Vec<Vec<usize>>,
}

/// Why there are no more rows.
#[derive(Debug)]
pub enum Stopped<E> {
    /// It was asked to stop.
    Interrupted,
    /// The engine cannot go on, in its words.
    Failed(String),
    /// A value is not of the type of its column.
    Misfit { row: u64, column: usize, found: String },
    /// Whoever takes the rows cannot go on.
    Taker(E),
}

/// SQLite with the tables of one query.
pub struct Engine<'a> {
    pub(super) connection: Connection,
    pub(super) guard: Guard,
    pub(super) query: &'a Query,
    pub(super) tables: Vec<Table<'a>>,
    /// The types that columns are declared with, by number.
    types: Vec<Type>,
}

impl<'a> Engine<'a> {
    /// Opens a database with empty tables; `folder` is where it may put files, which no path names and which end with it.
    pub fn open(query: &'a Query, tables: Vec<Table<'a>>, folder: Option<&Path>) -> Result<Engine<'a>, ExprError> {
        let mut engine = Engine {
            connection: Connection::open("").map_err(|error| engine_error(query, &error))?,
            guard: Guard::default(),
            query,
            tables,
            types: Vec::new(),
        };
        engine.set_up(folder).map_err(|error| engine_error(query, &error))?;
        for at in 0..engine.tables.len() {
            engine.create(at)?;
        }
        engine.guard.seen(|seen| seen.on = true);
        Ok(engine)
    }

    fn set_up(&mut self, folder: Option<&Path>) -> rusqlite::Result<()> {
        if let Some(folder) = folder.and_then(Path::to_str) {
            // Where it cannot be written to, the system's folder for such files has to do.
            let _ = self.connection.pragma_update(None, "temp_store_directory", folder);
        }
        self.connection.execute_batch(&format!(
            "pragma journal_mode = off; pragma synchronous = off; pragma temp_store = file; pragma cache_size = -{MEMORY};"
        ))?;
        dates::guard(&self.connection)?;
        let guard = self.guard.clone();
        self.connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| guard.decide(context)))
    }

    /// Returns what stands for a table in the engine's SQL.
    fn name(&self, at: usize) -> String {
        let named = &self.query.tables[at];
        match &named.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&named.table)),
            None => format!("main.{}", quoted(&named.table)),
        }
    }

    fn create(&mut self, at: usize) -> Result<(), ExprError> {
        let named = &self.query.tables[at];
        let error = |title: String, label: &str, help: &str| ExprError {
            code: "bad-query",
            title,
            range: named.range.clone(),
            label: label.to_owned(),
            notes: Vec::new(),
            help: vec![help.to_owned()],
        };
        if let Some(schema) = &named.schema
            && !self.query.tables[..at].iter().any(|other| other.schema.as_ref() == Some(schema))
        {
            let attached = self.connection.execute_batch(&format!(
                "attach '' as {name}; pragma {name}.journal_mode = off; pragma {name}.cache_size = -{MEMORY_OF_PARTS};",
                name = quoted(schema)
            ));
            attached.map_err(|problem| {
                error(
                    format!("the parts of `{schema}` are too much: {problem}"),
                    "one more",
                    "write names of parts in quotes: `\"name.part\"`",
                )
            })?;
        }
        let mut columns = Vec::new();
        let fields = &self.tables[at].schema.0;
        for (place, field) in fields.iter().enumerate() {
            if let Some(twin) = fields[..place].iter().find(|twin| twin.name.eq_ignore_ascii_case(&field.name)) {
                let title = format!(
                    "`{}` has columns that SQL cannot tell apart: `{}` and `{}`",
                    named.dataset(),
                    twin.name,
                    field.name
                );
                return Err(error(
                    title,
                    "to SQL, letters have no case",
                    "rename one of them with `select` in a dataset between",
                ));
            }
            let number = self.types.iter().position(|ty| *ty == field.ty).unwrap_or(self.types.len());
            if number == self.types.len() {
                self.types.push(field.ty.clone());
            }
            columns.push(format!("{} {}", quoted(&field.name), values::declared(&field.ty, number)));
        }
        let create = format!("create table {} ({})", self.name(at), columns.join(", "));
        self.connection.execute_batch(&create).map_err(|problem| {
            error(
                format!("`{}` cannot be a table of the engine: {problem}", named.dataset()),
                "this one",
                "choose fewer columns, or others, with `select` in a dataset between",
            )
        })
    }

    /// Checks the query against its tables: which columns it reads, and which it makes. `declared` are types that the user gives.
    pub fn prepare(&self, declared: &[Field]) -> Result<Prepared, Vec<ExprError>> {
        self.guard.seen(|seen| (seen.reads.clear(), seen.refused = None).1);
        let statement = self.connection.prepare(&self.query.text).map_err(|error| vec![self.explain(&error)])?;
        let of = |schema: Option<&str>, name: &str| {
            let at = self.query.tables.iter().position(|named| named.is(schema, name))?;
            Some(self.tables[at].schema)
        };
        let inferred = Infer { tables: &of }.query(&self.query.ast);
        let made: Vec<(String, Option<usize>)> = statement
            .columns()
            .map(|column| (column.name().to_owned(), column.decl_type().and_then(values::number)))
            .collect();
        let inferred = inferred.filter(|columns| columns.len() == made.len());
        // What a column is declared as is that of the first of several queries.
        let several = matches!(&*self.query.ast.body, SetExpr::SetOperation { .. });
        let mut problems = Vec::new();
        let (mut columns, mut unknown): (Vec<Field>, Vec<usize>) = Default::default();
        for (at, (name, number)) in made.iter().enumerate() {
            let range = self.place_of(at);
            if self.is_unnamed(at) {
                let named = self.query.text.get(range.clone()).unwrap_or(name);
                problems.push(
                    error("unnamed-column", format!("the column `{named}` has no name"), range, "made here")
                        .helped(format!("give it one: `{named} as name`")),
                );
                continue;
            }
            if columns.iter().any(|known| known.name == *name) {
                problems.push(
                    error("duplicate-column", format!("there are two columns `{name}`"), range, "again here")
                        .helped(format!("give one of them another name: `… as other_{name}`")),
                );
                continue;
            }
            let by_text = inferred.as_ref().and_then(|columns| columns[at].1.clone());
            let by_table = number.and_then(|number| self.types.get(number).cloned());
            let told = if several { by_text.or(by_table) } else { by_table.or(by_text) };
            let given = declared.iter().find(|field| field.name == *name).map(|field| field.ty.clone());
            if given.is_none() && told.is_none() {
                unknown.push(at);
            }
            columns.push(Field::new(name, given.or(told).unwrap_or(Type::Null)));
        }
        if let Some(first) = unknown.first() {
            let names: Vec<&str> = unknown.iter().map(|at| made[*at].0.as_str()).collect();
            let title = match names.as_slice() {
                [name] => format!("the type of the column `{name}` cannot be told"),
                several => format!("the types of the columns {} cannot be told", list(several.iter().copied())),
            };
            let lines: Vec<String> = unknown
                .iter()
                .map(|at| {
                    let text = self.query.text.get(self.place_of(*at)).unwrap_or("").to_lowercase();
                    let guess = if text.contains("json") || text.contains("->") { "string" } else { "int" };
                    format!("{} = \"{guess}\"", made[*at].0)
                })
                .collect();
            problems.push(
                error("unknown-type", title, self.place_of(*first), "made here")
                    .helped(format!("say it: `types = {{ {} }}` beside `query` or `file` in `sql`", lines.join(", "))),
            );
        }
        for field in declared.iter().filter(|field| made.iter().all(|(name, _)| *name != field.name)) {
            let title = format!("`types` names a column that the query does not make: `{}`", field.name);
            let problem = error("unknown-column", title, 0..self.query.text.len(), "not made here");
            let near = nearest(&field.name, made.iter().map(|(name, _)| name.as_str()));
            problems.push(match near {
                Some(near) => problem.helped(format!("did you mean `{near}`?")),
                None => problem,
            });
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        drop(statement);
        self.note_program().map_err(|error| vec![self.explain(&error)])?;
        Ok(Prepared { columns, reads: self.reads() })
    }

    /// Adds rows to a table: the columns at `columns` of it, in this order.
    pub fn load(&self, at: usize, columns: &[usize], cells: &[ArrayRef], rows: usize) -> Result<(), String> {
        self.guard.seen(|seen| seen.on = false);
        let loaded = self.insert(at, columns, cells, rows);
        self.guard.seen(|seen| seen.on = true);
        loaded.map_err(|error| plain(&error))
    }

    fn insert(&self, at: usize, columns: &[usize], cells: &[ArrayRef], rows: usize) -> rusqlite::Result<()> {
        let fields = &self.tables[at].schema.0;
        let text = if columns.is_empty() {
            format!("insert into {} default values", self.name(at))
        } else {
            let names: Vec<String> = columns.iter().map(|column| quoted(&fields[*column].name)).collect();
            let places = vec!["?"; columns.len()].join(", ");
            format!("insert into {} ({}) values ({places})", self.name(at), names.join(", "))
        };
        let transaction = self.connection.unchecked_transaction()?;
        let mut insert = self.connection.prepare_cached(&text)?;
        for row in 0..rows {
            for (place, (column, cells)) in columns.iter().zip(cells).enumerate() {
                insert.raw_bind_parameter(place + 1, values::put(&fields[*column].ty, cells, row))?;
            }
            insert.raw_execute()?;
        }
        drop(insert);
        transaction.commit()
    }

    /// Answers the query, row by row; `stop` is asked now and then.
    pub fn rows<E>(
        &self,
        columns: &[Field],
        stop: &(dyn Fn() -> bool + Sync),
        mut take: impl FnMut(Vec<Value>) -> Result<(), E>,
    ) -> Result<(), Stopped<E>> {
        let handle = self.connection.get_interrupt_handle();
        let (done, until_done) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while let Err(mpsc::RecvTimeoutError::Timeout) = until_done.recv_timeout(PATIENCE) {
                    if stop() {
                        handle.interrupt();
                    }
                }
            });
            let answered = self.answer(columns, &mut take);
            drop(done);
            answered
        })
    }

    fn answer<E>(
        &self,
        columns: &[Field],
        take: &mut impl FnMut(Vec<Value>) -> Result<(), E>,
    ) -> Result<(), Stopped<E>> {
        let failed = |error: Error| match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Stopped::Interrupted,
            _ => Stopped::Failed(plain(&error)),
        };
        let mut statement = self.connection.prepare(&self.query.text).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut number = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            number += 1;
            let mut cells = Vec::with_capacity(columns.len());
            for (column, field) in columns.iter().enumerate() {
                let cell = row.get_ref(column).map_err(failed)?;
                let cell = values::get(&field.ty, cell);
                cells.push(cell.map_err(|found| Stopped::Misfit { row: number, column, found })?);
            }
            take(cells).map_err(Stopped::Taker)?;
        }
        Ok(())
    }
}

/// Writes a name as SQL does.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
