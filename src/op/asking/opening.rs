//! How a dialogue begins: the texts of a prompt, filled from a row.

use crate::ask::{Message, Role, Task};
use crate::expr::{Value, value_at};
use crate::hash::KeyWriter;
use crate::op::columns;
use crate::table::{Batch, Field, RowError, Type};
use crate::template::Template;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use std::sync::Arc;

/// Returns the type of one turn in a column of dialogues.
pub fn turn_type() -> Type {
    Type::Struct(vec![Field::new("role", Type::String), Field::new("content", Type::String)])
}

/// Returns whether a column of this type can hold dialogues: lists of structs that have `role` and `content`, both strings.
pub fn is_dialogue(ty: &Type) -> bool {
    let Type::List(item) = ty else { return false };
    let Type::Struct(fields) = &**item else { return false };
    let has = |name: &str| fields.iter().any(|field| field.name == name && field.ty == Type::String);
    has("role") && has("content")
}

/// The texts of a prompt: a system message, a dialogue so far, and what is asked.
///
/// Some names in the texts are given by the step rather than read as columns: `examples`, `first`, `second`.
#[derive(Clone, Debug)]
pub struct Opening {
    text: Arc<Template>,
    system: Option<Arc<Template>>,
    /// The column with the dialogue so far.
    history: Option<String>,
    /// Name in the texts → column.
    given: Vec<(&'static str, String)>,
    reads: Vec<String>,
}

impl Opening {
    /// Puts texts together. Names in `given` stand for the columns beside them; those that no text reads are forgotten.
    pub fn new(
        text: Arc<Template>,
        system: Option<Arc<Template>>,
        history: Option<String>,
        given: Vec<(&'static str, String)>,
    ) -> Opening {
        let mut opening = Opening { text, system, history, given, reads: Vec::new() };
        let names: Vec<String> = opening.names().map(str::to_owned).collect();
        opening.given.retain(|(name, _)| names.iter().any(|read| read == name));
        let columns = names.iter().map(|name| opening.column(name).to_owned());
        for column in columns.chain(opening.history.clone()).collect::<Vec<_>>() {
            if !opening.reads.contains(&column) {
                opening.reads.push(column);
            }
        }
        opening
    }

    /// Returns the names that the texts read; those of the system text come last.
    fn names(&self) -> impl Iterator<Item = &str> {
        let system = self.system.iter().flat_map(|system| system.reads());
        self.text.reads().iter().chain(system).map(String::as_str)
    }

    /// Returns the column that a name in the texts stands for.
    fn column<'a>(&'a self, name: &'a str) -> &'a str {
        self.given.iter().find(|(given, _)| *given == name).map_or(name, |(_, column)| column)
    }

    /// Returns the columns that are read, each once, in a fixed order.
    pub fn reads(&self) -> &[String] {
        &self.reads
    }

    /// Returns whether there is a system text.
    pub(super) fn has_system(&self) -> bool {
        self.system.is_some()
    }

    /// Returns an opening in which two given names have changed places.
    pub(super) fn swapped(&self, one: &str, other: &str) -> Opening {
        let mut swapped = self.clone();
        for (name, column) in &mut swapped.given {
            let from = if *name == one { other } else { one };
            if *name == one || *name == other {
                *column = self.column(from).to_owned();
            }
        }
        swapped
    }

    /// Writes the texts, and which of the columns that are read stands for what.
    pub(super) fn write_key(&self, key: &mut KeyWriter) {
        let at = |column: &str| self.reads.iter().position(|read| read == column).map_or(-1, |at| at as i64);
        self.text.write_key(key);
        key.int("system", i64::from(self.system.is_some()));
        self.system.iter().for_each(|system| system.write_key(key));
        for name in self.names() {
            key.text("reads", name).int("column", at(self.column(name)));
        }
        key.int("history", self.history.as_deref().map_or(-1, at));
    }

    /// Returns the messages of each row: a system message unless it is blank, the dialogue so far, and the text as the user's turn.
    ///
    /// A text to be continued, or to be made a vector of, is one message: the system text, a blank line, and the text.
    pub(super) fn messages(&self, input: &Batch, task: Task) -> Result<Vec<Vec<Message>>, RowError> {
        let texts = self.fill(&self.text, input)?;
        let texts = texts.as_string::<i32>();
        let systems = self.system.as_ref().map(|system| self.fill(system, input)).transpose()?;
        let system = |row| systems.as_ref().map_or("", |systems| systems.as_string::<i32>().value(row));
        let history = self.history.as_ref().map(|name| columns(input, std::slice::from_ref(name))).transpose()?;
        let one = |row: usize| {
            let (system, text) = (system(row), texts.value(row));
            let blank = system.trim().is_empty();
            if task != Task::Chat {
                let content = if blank { text.to_owned() } else { format!("{system}\n\n{text}") };
                return Ok(vec![Message { role: Role::User, content }]);
            }
            let mut messages = Vec::with_capacity(2);
            if !blank {
                messages.push(Message { role: Role::System, content: system.to_owned() });
            }
            if let Some(history) = &history {
                messages.extend(turns(&history[0], row)?);
            }
            messages.push(Message { role: Role::User, content: text.to_owned() });
            Ok(messages)
        };
        (0..input.rows).map(one).collect()
    }

    /// Fills one of the texts.
    fn fill(&self, template: &Template, input: &Batch) -> Result<ArrayRef, RowError> {
        let mut columns = Vec::with_capacity(template.reads().len());
        for name in template.reads() {
            let column = self.column(name);
            let array = input.column(column).ok_or_else(|| RowError {
                row: 0,
                message: format!("there is no column `{column}`"),
                help: None,
            })?;
            columns.push((name.clone(), array.clone()));
        }
        template.render(&Batch { rows: input.rows, columns })
    }
}

/// Reads the dialogue of a row; null is one that has not begun.
fn turns(column: &ArrayRef, row: usize) -> Result<Vec<Message>, RowError> {
    let wrong = |message: String| RowError {
        row,
        message,
        help: Some("a dialogue is a list of { role, content }; the roles are system, user and assistant".to_owned()),
    };
    let Value::List(turns) = value_at(column, row) else { return Ok(Vec::new()) };
    let message = |turn: Value| {
        let Value::Struct(fields) = turn else { return Err(wrong("a turn of the dialogue is null".to_owned())) };
        let field = |name: &str| {
            let found = fields.iter().find(|(field, _)| field == name);
            match found {
                Some((_, Value::String(text))) => Ok(text.clone()),
                _ => Err(wrong(format!("a turn of the dialogue has no {name}"))),
            }
        };
        let role = field("role")?;
        let known = [Role::System, Role::User, Role::Assistant].into_iter().find(|known| known.word() == role);
        let role = known.ok_or_else(|| wrong(format!("there is no role {role:?}")))?;
        Ok(Message { role, content: field("content")? })
    };
    turns.into_iter().map(message).collect()
}
