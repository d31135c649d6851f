//! `generate`: what a model writes about each row.

use super::opening::turn_type;
use super::reply::failure;
use super::{Asked, Formed, Opening};
use crate::ask::{Request, Response, Role, Spec, Task};
use crate::expr::Value;
use crate::hash::KeyWriter;
use crate::op::{AskOp, Turn, columns};
use crate::table::{Batch, Field, RowError, Type};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use std::sync::Arc;

/// What is kept of a reply; columns by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The reply as a whole. Without it, each property of a form is a column.
    pub into: Option<String>,
    /// The dialogue with the reply added, without the system message and without replies that were sent back.
    pub dialogue: Option<String>,
    /// The mean log-probability of the reply's tokens; null where the endpoint gave none.
    pub logprob: Option<String>,
}

/// One dialogue a row, and columns made of its last reply.
///
/// Its key: the prompt's texts and which columns they read, the request's head (task, model, parameters, schema), `max_tokens`,
/// which responses count, retries, which column tells samples apart, and what is kept.
pub struct Generate {
    opening: Opening,
    asked: Asked,
    form: Option<Formed>,
    /// The column with the number of the sample.
    sample: Option<String>,
    kept: Kept,
    reads: Vec<String>,
    writes: Vec<Field>,
}

impl Generate {
    /// Puts the op together. Without a form, `kept.into` has to be there.
    pub fn new(opening: Opening, asked: Asked, form: Option<Formed>, sample: Option<String>, kept: Kept) -> Generate {
        let mut reads = opening.reads().to_vec();
        reads.extend(sample.clone().filter(|sample| !opening.reads().contains(sample)));
        let ty = form.as_ref().map_or(Type::String, |formed| formed.form.ty().clone());
        let mut writes = match (&kept.into, ty) {
            (Some(into), ty) => vec![Field::new(into, ty)],
            (None, Type::Struct(fields)) => fields,
            (None, _) => Vec::new(),
        };
        writes.extend(kept.dialogue.iter().map(|name| Field::new(name, Type::List(Box::new(turn_type())))));
        writes.extend(kept.logprob.iter().map(|name| Field::new(name, Type::Float)));
        Generate { opening, asked, form, sample, kept, reads, writes }
    }

    /// Writes which of the columns that are read tells the sample.
    fn write_sample(&self, key: &mut KeyWriter) {
        let sample = self.sample.as_ref().and_then(|name| self.reads.iter().position(|read| read == name));
        key.int("sample", sample.map_or(-1, |at| at as i64));
    }

    /// Returns the dialogue that came to a reply after `turns` replies were sent back.
    fn dialogue(&self, request: &Request, text: &str, turns: u32) -> Value {
        let turn = |role: Role, content: &str| {
            let role = Value::String(role.word().to_owned());
            Value::Struct(vec![("role".to_owned(), role), ("content".to_owned(), Value::String(content.to_owned()))])
        };
        let messages = &request.messages[..request.messages.len().saturating_sub(2 * turns as usize)];
        let own = usize::from(self.opening.has_system() && messages.first().is_some_and(|m| m.role == Role::System));
        let before = messages[own..].iter().map(|message| turn(message.role, &message.content));
        Value::List(before.chain([turn(Role::Assistant, text)]).collect())
    }
}

impl AskOp for Generate {
    fn write_key(&self, key: &mut KeyWriter) {
        self.opening.write_key(key);
        self.asked.write_key(key);
        key.int("form", i64::from(self.form.is_some()));
        self.form.iter().for_each(|form| form.write_key(key));
        self.write_sample(key);
        for kept in [&self.kept.into, &self.kept.dialogue, &self.kept.logprob] {
            key.int("kept", i64::from(kept.is_some()));
        }
    }

    fn name(&self) -> &'static str {
        "generate"
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }

    fn writes(&self) -> &[Field] {
        &self.writes
    }

    fn specs(&self) -> Vec<Arc<Spec>> {
        vec![self.asked.spec.clone()]
    }

    fn write_request(&self, _nth: usize, key: &mut KeyWriter) {
        self.opening.write_key(key);
        self.asked.write_request(key);
        self.write_sample(key);
    }

    fn begin(&self, input: &Batch) -> Result<Vec<Vec<Request>>, RowError> {
        let samples = self.sample.as_ref().map(|name| columns(input, std::slice::from_ref(name))).transpose()?;
        let sample = |row: usize| -> Result<u32, RowError> {
            let Some(samples) = &samples else { return Ok(0) };
            let samples = samples[0].as_primitive_opt::<Int64Type>().filter(|samples| samples.is_valid(row));
            samples.and_then(|samples| u32::try_from(samples.value(row)).ok()).ok_or_else(|| RowError {
                row,
                message: "the number of the sample is not a count".to_owned(),
                help: None,
            })
        };
        let messages = self.opening.messages(input, self.asked.spec.task)?;
        let request =
            |(row, messages)| Ok(vec![Request { spec: self.asked.spec.clone(), messages, sample: sample(row)? }]);
        messages.into_iter().enumerate().map(request).collect()
    }

    fn retries(&self) -> u32 {
        self.form.as_ref().map_or(0, |formed| formed.retries)
    }

    fn reply(&self, request: &Request, response: &Response, turns: u32) -> Turn {
        if let Some(failed) = failure(response, response.text.trim().is_empty()) {
            return failed;
        }
        let value = match &self.form {
            None => Value::String(response.text.clone()),
            Some(form) => match form.read(request, &response.text, turns) {
                Ok(value) => value,
                Err(turn) => return turn,
            },
        };
        let mut cells = match (&self.kept.into, value) {
            (None, Value::Struct(fields)) => fields.into_iter().map(|(_, value)| value).collect(),
            (_, value) => vec![value],
        };
        if self.kept.dialogue.is_some() {
            let sent_back = if request.spec.task == Task::Chat { turns } else { 0 };
            cells.push(self.dialogue(request, &response.text, sent_back));
        }
        if self.kept.logprob.is_some() {
            cells.push(response.mean_logprob().map_or(Value::Null, Value::Float));
        }
        Turn::Done(Value::List(cells))
    }

    fn conclude(&self, _input: &Batch, _row: usize, answers: Vec<Value>) -> Vec<Value> {
        match answers.into_iter().next() {
            Some(Value::List(cells)) => cells,
            _ => vec![Value::Null; self.writes.len()],
        }
    }
}
