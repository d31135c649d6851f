//! The engine: empty tables to check a query against, filled ones to answer it.

use super::guard::Guard;
use super::infer::Infer;
use super::parse::{Query, word_at};
use super::{dates, values};
use crate::diag::{list, nearest};
use crate::expr::{ExprError, Value};
use crate::table::{Field, Schema, Type};
use arrow_array::ArrayRef;
use rusqlite::{Connection, Error, ErrorCode};
use sqlparser::ast::{Expr, SelectItem, SetExpr};
use std::collections::HashMap;
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
    connection: Connection,
    guard: Guard,
    query: &'a Query,
    tables: Vec<Table<'a>>,
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

    /// Notes the columns that the engine's program for the query reads: it tells of all but those that `using` and `natural` compare.
    fn note_program(&self) -> rusqlite::Result<()> {
        self.guard.seen(|seen| seen.on = false);
        let noted = self.columns_of_program();
        self.guard.seen(|seen| {
            seen.on = true;
            noted.map(|columns| seen.reads.extend(columns))
        })
    }

    fn columns_of_program(&self) -> rusqlite::Result<Vec<(String, String, String)>> {
        // Databases by number, and their tables by the page on which they begin.
        let mut schemas: Vec<(i64, String)> = Vec::new();
        self.connection.pragma_query(None, "database_list", |row| {
            schemas.push((row.get(0)?, row.get(1)?));
            Ok(())
        })?;
        let mut tables: HashMap<(i64, i64), usize> = HashMap::new();
        for (number, schema) in &schemas {
            let text = format!("select rootpage, name from {}.sqlite_schema", quoted(schema));
            let mut pages = self.connection.prepare(&text)?;
            let mut rows = pages.query([])?;
            while let Some(row) = rows.next()? {
                let name: String = row.get(1)?;
                if let Some(at) = self.query.tables.iter().position(|named| named.is(Some(schema), &name)) {
                    tables.insert((*number, row.get(0)?), at);
                }
            }
        }
        let mut program = self.connection.prepare(&format!("explain {}", self.query.text))?;
        let mut steps = program.query([])?;
        let (mut cursors, mut columns): (HashMap<i64, usize>, Vec<(i64, i64)>) = Default::default();
        while let Some(step) = steps.next()? {
            let opcode: String = step.get(1)?;
            let (p1, p2, p3): (i64, i64, i64) = (step.get(2)?, step.get(3)?, step.get(4)?);
            match opcode.as_str() {
                "OpenRead" => _ = tables.get(&(p3, p2)).map(|at| cursors.insert(p1, *at)),
                "Column" => columns.push((p1, p2)),
                _ => {}
            }
        }
        let name = |(cursor, column): (i64, i64)| {
            let at = *cursors.get(&cursor)?;
            let (named, field) = (&self.query.tables[at], self.tables[at].schema.0.get(usize::try_from(column).ok()?)?);
            let schema = named.schema.as_deref().unwrap_or("main");
            Some((schema.to_owned(), named.table.clone(), field.name.clone()))
        };
        Ok(columns.into_iter().filter_map(name).collect())
    }

    /// Returns the columns that the engine was seen to read.
    fn reads(&self) -> Vec<Vec<usize>> {
        let of = |at: usize| {
            let named = &self.query.tables[at];
            let fields = self.tables[at].schema.0.iter().enumerate();
            let is_read = |name: &str| {
                self.guard.seen(|seen| {
                    let is = |(schema, table, column): &(String, String, String)| {
                        named.is(Some(schema), table) && column.eq_ignore_ascii_case(name)
                    };
                    seen.reads.iter().any(is)
                })
            };
            fields.filter(|(_, field)| is_read(&field.name)).map(|(place, _)| place).collect()
        };
        (0..self.tables.len()).map(of).collect()
    }

    /// Returns the items of the first `select`, if they stand for one column each.
    fn items(&self) -> Option<&[SelectItem]> {
        let mut body = &*self.query.ast.body;
        loop {
            match body {
                SetExpr::Select(select) => {
                    let plain = |item: &SelectItem| {
                        matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
                    };
                    return select.projection.iter().all(plain).then_some(&select.projection[..]);
                }
                SetExpr::Query(query) => body = &query.body,
                SetExpr::SetOperation { left, .. } => body = left,
                _ => return None,
            }
        }
    }

    fn is_unnamed(&self, at: usize) -> bool {
        let item = self.items().and_then(|items| items.get(at));
        matches!(item, Some(SelectItem::UnnamedExpr(expr)) if !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)))
    }

    /// Returns where a column is made; the whole query where that cannot be told.
    fn place_of(&self, at: usize) -> std::ops::Range<usize> {
        use sqlparser::ast::Spanned;
        let text = &self.query.text;
        let Some(item) = self.items().and_then(|items| items.get(at)) else { return 0..text.len() };
        let start = super::parse::offset(text, item.span().start);
        start..start + item_length(&text[start..])
    }

    /// Says in our words what the engine finds wrong with a query.
    fn explain(&self, problem: &Error) -> ExprError {
        let text = &self.query.text;
        let (message, offset) = match problem {
            Error::SqlInputError { msg, offset, .. } => (msg.clone(), usize::try_from(*offset).ok()),
            Error::SqliteFailure(_, Some(message)) => (message.clone(), None),
            other => (other.to_string(), None),
        };
        if let Some(why) = self.guard.seen(|seen| seen.refused.take()) {
            let name = why.split('`').nth(1).unwrap_or("").to_owned();
            let at = text.to_lowercase().find(&name).filter(|_| !name.is_empty());
            let range = at.map_or(0..text.len(), |at| at..at + name.len());
            let repeatable = why.contains("each time");
            let code = if repeatable { "not-repeatable" } else { "not-allowed" };
            let found = error(code, format!("this query is refused: {why}"), range, "not in a query");
            return if repeatable {
                found.helped("a query has to give the same rows for the same tables: use `sample` with a seed for chance, `[params]` for times".to_owned())
            } else {
                found
            };
        }
        let missing = message.strip_prefix("no such column: ");
        let found = missing.map(|name| name.rsplit('.').next().unwrap_or(name));
        let range = match (offset, found) {
            (Some(offset), Some(_)) => {
                let word = word_at(text, offset);
                // A point and the column follow the name of the table.
                if text[word.end..].starts_with('.') { word_at(text, word.end + 1) } else { word }
            }
            (Some(offset), None) => word_at(text, offset),
            (None, Some(name)) => text.find(name).map_or(0..text.len(), |at| at..at + name.len()),
            (None, None) => 0..text.len(),
        };
        match found {
            Some(name) => {
                let mut names: Vec<&str> = self.tables.iter().flat_map(|table| table.schema.names()).collect();
                names.sort_unstable();
                names.dedup();
                let title = format!("this query reads a column that its datasets do not have: `{name}`");
                let mut found = error("unknown-column", title, range, "no such column");
                for (named, table) in self.query.tables.iter().zip(&self.tables) {
                    found.notes.push(format!("columns of `{}`: {}", named.dataset(), list(table.schema.names())));
                }
                found.help.extend(nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?")));
                found
            }
            None => error("bad-query", format!("this query cannot be answered: {message}"), range, "here"),
        }
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

/// Returns the bytes of what is selected first in a text: to the comma behind it, its name, or `from`.
fn item_length(text: &str) -> usize {
    let (mut depth, mut quote, mut end) = (0_usize, None, 0);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => break,
            (None, ')') => depth -= 1,
            (None, ',' | ';') if depth == 0 => break,
            (None, c) if depth == 0 && c.is_whitespace() => {
                let word =
                    text[at..].trim_start().split(|c: char| !c.is_alphanumeric()).next().unwrap_or("").to_lowercase();
                if ["as", "from", "where", "union", "order", "limit"].contains(&word.as_str()) {
                    break;
                }
            }
            _ => {}
        }
        end = at + c.len_utf8();
    }
    text[..end].trim_end().len()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Says what the engine says, without its own words around it.
fn plain(error: &Error) -> String {
    match error {
        Error::SqliteFailure(_, Some(message)) | Error::SqlInputError { msg: message, .. } => message.clone(),
        other => other.to_string(),
    }
}

fn engine_error(query: &Query, problem: &Error) -> ExprError {
    error(
        "engine",
        format!("the engine of queries cannot begin: {}", plain(problem)),
        0..query.text.len(),
        "this query",
    )
}

fn error(code: &'static str, title: String, range: std::ops::Range<usize>, label: &str) -> ExprError {
    ExprError { code, title, range, label: label.to_owned(), notes: Vec::new(), help: Vec::new() }
}

/// Adds a remedy.
trait Helped {
    fn helped(self, help: String) -> Self;
}

impl Helped for ExprError {
    fn helped(mut self, help: String) -> ExprError {
        self.help.push(help);
        self
    }
}
