//! `run`: what a program of the user's is given and what is made of its answer. Pure on both sides of the door.

use super::key;
use crate::format::{Format, ParseError, Problem, StreamEncoder, Types, encode_rows, parse_strict, read_batches};
use crate::hash::{Hash, KeyWriter};
use crate::table::{Batch, Field, Type, put_type};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, new_empty_array, new_null_array};
use serde::de::IgnoredAny;
use std::collections::HashMap;
use std::io::Cursor;

/// The version of how programs are talked to, and of the helper module. Whoever lets either give other results raises it.
const MANNERS: i64 = 1;

/// The column in which a program says that it cannot answer for a row, and why.
pub const ERROR: &str = "error";

/// What a program is given at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Row groups; it answers each row with a row.
    Row,
    /// Row groups; it answers with any rows.
    Group,
    /// All rows; it answers with any rows.
    Table,
    /// Nothing; it writes rows.
    Maker,
}

impl Per {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Per::Row => "row",
            Per::Group => "group",
            Per::Table => "table",
            Per::Maker => "maker",
        }
    }
}

/// A program as far as it decides results.
#[derive(Clone, Debug)]
pub struct Program {
    pub command: Vec<String>,
    pub per: Per,
    /// JSONL or Arrow.
    pub format: Format,
    /// Exactly the columns that it is given, in order.
    pub reads: Vec<String>,
    /// The columns that it makes.
    pub writes: Vec<Field>,
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// As the end of a sentence that begins with the program.
    pub title: String,
    /// The line that is wrong, where it is one.
    pub line: Option<String>,
    pub help: Option<String>,
}

/// The answers for the rows of a group.
#[derive(Debug)]
pub struct Answers {
    /// One for each column that is made; null where a row failed.
    pub columns: Vec<ArrayRef>,
    /// Why rows failed, by row.
    pub failed: Vec<(usize, String)>,
}

impl Wrong {
    fn new(title: impl Into<String>) -> Wrong {
        Wrong { title: title.into(), line: None, help: None }
    }

    fn help(self, help: impl Into<String>) -> Wrong {
        Wrong { help: Some(help.into()), ..self }
    }
}

impl From<Problem> for Wrong {
    fn from(problem: Problem) -> Wrong {
        Wrong { title: format!("wrote something else than rows: {}", problem.title), line: None, help: problem.help }
    }
}

impl Program {
    /// Begins the key of an action; `around` is the hash of the files and variables that the program sees.
    pub fn key(&self, around: Hash) -> KeyWriter {
        let mut key = key("run");
        key.int("manners", MANNERS).text("per", self.per.word()).text("format", &self.format.to_string());
        self.command.iter().for_each(|word| _ = key.text("word", word));
        // The program sees the names of its columns.
        self.reads.iter().for_each(|name| _ = key.text("reads", name));
        for Field { name, ty } in &self.writes {
            let mut bytes = Vec::new();
            put_type(&mut bytes, ty);
            key.text("writes", name).hash("type", Hash::of(&bytes));
        }
        key.hash("around", around);
        key
    }

    /// Returns the command as one would type it.
    pub fn shown(&self) -> String {
        let plain = |word: &str| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./=:,+@%".contains(&b))
        };
        let shown = |word: &String| {
            if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) }
        };
        self.command.iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    /// Returns the columns that it makes, by name; those of [`Per::Row`] with [`ERROR`].
    pub fn types(&self) -> Types {
        let error = (self.per == Per::Row).then(|| (ERROR.to_owned(), Type::String));
        self.writes.iter().map(|field| (field.name.clone(), field.ty.clone())).chain(error).collect()
    }

    /// Encodes the rows of a group.
    pub fn encode(&self, batch: &Batch) -> Result<Vec<u8>, Problem> {
        match self.format {
            Format::Arrow => {
                let mut stream = StreamEncoder::new(&batch.schema())?;
                let mut bytes = stream.push(batch)?;
                bytes.extend(stream.finish()?);
                Ok(bytes)
            }
            _ => encode_rows(Format::Jsonl, batch),
        }
    }

    /// Reads the answer for `rows` rows, row by row.
    pub fn answers(&self, answer: Vec<u8>, rows: usize) -> Result<Answers, Wrong> {
        let batch = match self.format {
            Format::Arrow => {
                let batch = arrow(answer, &self.types())?;
                self.check_undeclared(&batch)?;
                batch
            }
            _ => {
                count(lines(&answer).count(), rows, &answer)?;
                self.lines(&answer, 1)?
            }
        };
        count(batch.rows, rows, &[])?;
        let failed: Vec<(usize, String)> = match batch.column(ERROR).and_then(|column| column.as_string_opt::<i32>()) {
            Some(errors) => {
                errors.iter().enumerate().filter_map(|(row, error)| Some((row, error?.to_owned()))).collect()
            }
            None => Vec::new(),
        };
        if let Some(field) = self.writes.iter().find(|field| batch.column(&field.name).is_none())
            && failed.len() < rows
        {
            return Err(Wrong::new(format!("did not write the column `{}`", field.name)));
        }
        let column = |field: &Field| {
            let made = batch.column(&field.name).cloned();
            made.unwrap_or_else(|| new_null_array(&field.ty.arrow(), batch.rows))
        };
        Ok(Answers { columns: self.writes.iter().map(column).collect(), failed })
    }

    /// Reads rows that answer nothing in particular.
    pub fn rows(&self, answer: Vec<u8>) -> Result<Batch, Wrong> {
        match self.format {
            Format::Arrow => self.checked(arrow(answer, &self.types())?),
            _ => self.segment(&answer, 1),
        }
    }

    /// Reads a part of the lines that are written for a whole table; `first` is the number of its first line.
    pub fn segment(&self, bytes: &[u8], first: u64) -> Result<Batch, Wrong> {
        self.checked(self.lines(bytes, first)?)
    }

    fn lines(&self, bytes: &[u8], first: u64) -> Result<Batch, Wrong> {
        let parsed = parse_strict(Format::Jsonl, None, bytes, &self.types());
        let parsed = parsed.map_err(|error| wrong_line(bytes, first, error))?;
        let columns = parsed.columns.into_iter().map(|column| (column.name, column.array)).collect();
        let batch = Batch { rows: parsed.rows, columns };
        self.check_undeclared(&batch)?;
        self.check_absent(&batch, lines(bytes))?;
        Ok(batch)
    }

    /// Checks the names of columns, and brings them into the order of the declaration.
    pub fn checked(&self, batch: Batch) -> Result<Batch, Wrong> {
        self.check_undeclared(&batch)?;
        let absent = self.writes.iter().find(|field| batch.rows > 0 && batch.column(&field.name).is_none());
        if let Some(field) = absent {
            return Err(Wrong::new(format!("did not write the column `{}`", field.name)));
        }
        let column = |field: &Field| {
            let made = batch.column(&field.name).cloned();
            (field.name.clone(), made.unwrap_or_else(|| new_empty_array(&field.ty.arrow())))
        };
        Ok(Batch { rows: batch.rows, columns: self.writes.iter().map(column).collect() })
    }

    /// Checks that there are no columns but those that are declared.
    fn check_undeclared(&self, batch: &Batch) -> Result<(), Wrong> {
        let types = self.types();
        match batch.columns.iter().find(|(name, _)| !types.contains_key(name)) {
            None => Ok(()),
            Some((name, _)) => Err(Wrong::new(format!("wrote a column `{name}` that is not declared"))
                .help("declare it in `columns` with its type, or do not write it")),
        }
    }

    /// Checks that null was said where there is null: a row without a column is a slip.
    fn check_absent<'a>(&self, batch: &Batch, lines: impl Iterator<Item = &'a [u8]>) -> Result<(), Wrong> {
        let errors = batch.column(ERROR).filter(|_| self.per == Per::Row);
        let made: Vec<Option<&ArrayRef>> = self.writes.iter().map(|field| batch.column(&field.name)).collect();
        if made.iter().all(|column| column.is_some_and(|column| column.null_count() == 0)) {
            return Ok(());
        }
        for (row, line) in lines.enumerate().filter(|(row, _)| errors.is_none_or(|errors| errors.is_null(*row))) {
            if made.iter().all(|column| column.is_some_and(|column| column.is_valid(row))) {
                continue;
            }
            let said: HashMap<String, IgnoredAny> = serde_json::from_slice(line).unwrap_or_default();
            if let Some(field) = self.writes.iter().find(|field| !said.contains_key(&field.name)) {
                let title = format!("did not write the column `{}` in row {}", field.name, row + 1);
                let wrong = Wrong::new(title).help("a row without a value says so: null");
                return Err(Wrong { line: Some(excerpt(line)), ..wrong });
            }
        }
        Ok(())
    }
}

/// Says so if there are not as many answers as rows.
fn count(answers: usize, rows: usize, answer: &[u8]) -> Result<(), Wrong> {
    if answers == rows {
        return Ok(());
    }
    let noun = if rows == 1 { "row" } else { "rows" };
    let wrong = Wrong::new(format!("answered {rows} {noun} with {answers}"));
    // A line that is no row is the likelier mistake, and easier to find.
    let stray = lines(answer).map(<[u8]>::trim_ascii).find(|line| !line.starts_with(b"{"));
    let half = lines(answer).last().filter(|line| !line.ends_with(b"}"));
    Err(match (stray, half) {
        (Some(line), _) => Wrong { line: Some(excerpt(line)), ..wrong }
            .help("what is not an answer belongs on stderr; with the Python module, `print` writes there"),
        (None, Some(line)) => Wrong { line: Some(excerpt(line)), ..wrong }.help("its last line breaks off"),
        (None, None) if answers == 0 => wrong
            .help("it has to write a line for each line that it reads; a Python program ends with `datamake.main()`"),
        (None, None) => {
            wrong.help("with per = \"row\", each row is answered by one; with per = \"group\", by any number")
        }
    })
}

/// Returns the lines that are not empty.
fn lines(answer: &[u8]) -> impl Iterator<Item = &[u8]> {
    answer.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty())
}

/// Says what is wrong with a line of `answer`, whose first line is the `first`.
pub fn wrong_line(answer: &[u8], first: u64, error: ParseError) -> Wrong {
    let line = answer.split(|byte| *byte == b'\n').nth(error.line as usize).map(excerpt);
    let printed = line.as_ref().is_some_and(|line| !line.starts_with('{'));
    let help = if printed {
        Some("what is not a row belongs on stderr; with the Python module, `print` writes there".to_owned())
    } else {
        error.help
    };
    let at = first + u64::from(error.line);
    Wrong { title: format!("wrote a line that is no row, line {at}: {}", error.title), line, help }
}

/// Returns the beginning of a line, to be shown.
fn excerpt(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(400)]);
    let short: String = text.chars().take(100).collect();
    if short.len() < line.len() { short + " …" } else { short }
}

fn arrow(answer: Vec<u8>, types: &Types) -> Result<Batch, Wrong> {
    if answer.is_empty() {
        return Err(Wrong::new("wrote nothing, and not a stream of Arrow IPC"));
    }
    let mut batches: Vec<Batch> = Vec::new();
    read_batches::<Problem>(Format::Arrow, Box::new(Cursor::new(answer)), types, &mut |batch| {
        batches.push(batch);
        Ok(())
    })?;
    let names: Vec<String> = batches[0].columns.iter().map(|(name, _)| name.clone()).collect();
    let columns = names.into_iter().enumerate().map(|(at, name)| {
        let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.columns[at].1.as_ref()).collect();
        let whole = arrow_select::concat::concat(&parts);
        Ok((name, whole.map_err(|error| Wrong::new(format!("wrote too much for a row group: {error}")))?))
    });
    let columns = columns.collect::<Result<_, Wrong>>()?;
    Ok(Batch { rows: batches.iter().map(|batch| batch.rows).sum(), columns })
}
