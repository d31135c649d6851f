//! The form that a reply has to have: a JSON Schema, the columns that follow from it, and replies read by it.
//!
//! What a complaint says is part of the request that goes back to the model, and so of its key. Whoever changes the words here, or
//! takes a version of the validator that has others, makes retries be asked again.

mod find;
mod types;

use super::FailureKind;
use super::json::{Json, place};
use crate::diag::{Diagnostic, Diagnostics, Source, Span};
use crate::expr::Value;
use crate::table::{Field, Type};
use crate::time::{read_date, read_timestamp};
use jsonschema::Validator;
use serde_json::Number;
use std::sync::Arc;

/// How many complaints about one reply are told.
const COMPLAINTS: usize = 3;

/// How many characters of one complaint are told: it may hold the whole reply.
const SHOWN: usize = 300;

/// A JSON Schema, compiled, and the type of the values that satisfy it.
#[derive(Debug)]
pub struct Form {
    schema: String,
    ty: Type,
    validator: Validator,
}

/// Why a reply does not have its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// [`FailureKind::InvalidJson`] or [`FailureKind::InvalidSchema`].
    pub kind: FailureKind,
    /// Concise, for a person and for the model.
    pub detail: String,
}

impl Form {
    /// Reads a JSON Schema.
    ///
    /// # Errors
    /// A text that is not JSON, or not a schema, and all properties that no column can hold; each with its place.
    pub fn parse(source: &Arc<Source>) -> Result<Form, Diagnostics> {
        let json: Json = serde_json::from_str(&source.text).map_err(|error| not_json(source, &error))?;
        let validator = compile(&json).map_err(|(pointer, why)| {
            Diagnostic::error("bad-schema", "this is not a JSON Schema").at(&line(source, &pointer), why)
        })?;
        let (ty, problems) = types::type_of(&json);
        if problems.is_empty() {
            return Ok(Form { schema: json.compact(), ty, validator });
        }
        let diagnostic = |problem: types::Problem| {
            let title = match problem.property.as_str() {
                "" => "this schema has no column type".to_owned(),
                property => format!("the property `{property}` has no column type"),
            };
            Diagnostic::error("schema-type", title).at(&line(source, &problem.pointer), problem.why).note(
                "columns hold strings, integers, numbers, booleans, and lists and objects of those; each may be null",
            )
        };
        Err(Diagnostics(problems.into_iter().map(diagnostic).collect()))
    }

    /// Makes the form of an object with these fields, all of which have to be there.
    pub fn of_fields(fields: &[Field]) -> Form {
        let members = fields.iter().map(|field| (field.name.clone(), types::schema_of(&field.ty))).collect();
        Form::object(members, Type::Struct(fields.to_vec()))
    }

    /// Makes the form of a judgement: a reason first, so that it is thought of before the verdict, and then one of some words.
    pub fn of_verdict(name: &str, words: &[&str]) -> Form {
        let words = words.iter().map(|word| Json::from(*word)).collect();
        let verdict = Json::Object(vec![("type".into(), "string".into()), ("enum".into(), Json::List(words))]);
        let members = vec![("reason".to_owned(), types::schema_of(&Type::String)), (name.to_owned(), verdict)];
        let fields = members.iter().map(|(name, _)| Field::new(name, Type::String)).collect();
        Form::object(members, Type::Struct(fields))
    }

    fn object(members: Vec<(String, Json)>, ty: Type) -> Form {
        let required = members.iter().map(|(name, _)| Json::Text(name.clone())).collect();
        let json = Json::Object(vec![
            ("type".into(), "object".into()),
            ("properties".into(), Json::Object(members)),
            ("required".into(), Json::List(required)),
            ("additionalProperties".into(), Json::Bool(false)),
        ]);
        let validator = compile(&json).expect("a schema of plain types is a schema");
        Form { schema: json.compact(), ty, validator }
    }

    /// Returns the schema as compact JSON, in the order in which it was written.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Returns the type of the values that it allows; the fields of a struct are in the order of the schema's properties.
    pub fn ty(&self) -> &Type {
        &self.ty
    }

    /// Reads a reply: a value of [`Form::ty`]. What the schema allows and has no column for is left out.
    pub fn read(&self, text: &str) -> Result<Value, Misfit> {
        let json = find::find(text, &self.ty).map_err(|detail| Misfit { kind: FailureKind::InvalidJson, detail })?;
        let misfit = |detail| Misfit { kind: FailureKind::InvalidSchema, detail };
        let plain = json.value();
        let mut complaints: Vec<String> = self
            .validator
            .iter_errors(&plain)
            .map(|error| told(error.instance_path().as_str(), &error.to_string()))
            .collect();
        if complaints.is_empty() {
            return cell(&json, &self.ty, "").map_err(misfit);
        }
        complaints.sort();
        complaints.dedup();
        let more = complaints.len().saturating_sub(COMPLAINTS);
        complaints.truncate(COMPLAINTS);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(misfit(complaints.join("; ") + &more))
    }
}

/// Says what is wrong at a place of a reply.
fn told(pointer: &str, what: &str) -> String {
    let mut what: String = match what.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &what[..end]),
        None => what.to_owned(),
    };
    if !pointer.is_empty() {
        what = format!("at {pointer}: {what}");
    }
    what
}

/// Compiles a schema; an error has a JSON pointer into it. Nothing but the schema itself is read.
fn compile(json: &Json) -> Result<Validator, (String, String)> {
    let wrong = |error: jsonschema::ValidationError<'_>| {
        (error.instance_path().as_str().to_owned(), told("", &error.to_string()))
    };
    jsonschema::options().offline().build(&json.value()).map_err(wrong)
}

fn not_json(source: &Arc<Source>, error: &serde_json::Error) -> Diagnostic {
    let start: usize = source.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = source.text.floor_char_boundary((start + error.column().saturating_sub(1)).min(source.text.len()));
    let text = error.to_string();
    let why = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    Diagnostic::error("bad-schema", "this is not JSON").at(&Span::new(source, at..at), why)
}

/// Returns where the value at a pointer begins, up to the end of its line.
fn line(source: &Arc<Source>, pointer: &str) -> Span {
    let range = place(&source.text, pointer);
    let length = source.text[range.clone()].find('\n').unwrap_or(range.len());
    Span::new(source, range.start..range.start + length)
}

/// Makes a value of a type out of JSON that satisfies the schema which the type is of.
fn cell(json: &Json, ty: &Type, path: &str) -> Result<Value, String> {
    let wrong = |what: String| Err(told(path, &what));
    Ok(match (json, ty) {
        (Json::Null, _) => Value::Null,
        (Json::Bool(value), Type::Bool) => Value::Bool(*value),
        (Json::Number(number), Type::Int) => match integer(number) {
            Some(value) => Value::Int(value),
            None => return wrong(format!("{number} is not an integer of 64 bits")),
        },
        (Json::Number(number), Type::Float) => match number.as_f64() {
            Some(value) => Value::Float(value),
            None => return wrong(format!("{number} is out of range")),
        },
        (Json::Text(text), Type::String) => Value::String(text.clone()),
        (Json::Text(text), Type::Date) => match read_date(text) {
            Some(day) => Value::Date(day),
            None => return wrong(format!("{text:?} is not a date, YYYY-MM-DD")),
        },
        (Json::Text(text), Type::Timestamp) => match read_timestamp(text) {
            Some(time) => Value::Timestamp(time),
            None => return wrong(format!("{text:?} is not a time, YYYY-MM-DDTHH:MM:SSZ")),
        },
        (Json::List(items), Type::List(item)) => {
            let one = |(at, json): (usize, &Json)| cell(json, item, &format!("{path}/{at}"));
            Value::List(items.iter().enumerate().map(one).collect::<Result<_, String>>()?)
        }
        (Json::Object(_), Type::Struct(fields)) => {
            let one = |field: &Field| {
                let value = match json.get(&field.name) {
                    Some(value) => cell(value, &field.ty, &format!("{path}/{}", field.name))?,
                    None => Value::Null,
                };
                Ok((field.name.clone(), value))
            };
            Value::Struct(fields.iter().map(one).collect::<Result<_, String>>()?)
        }
        _ => return wrong(format!("{} is not of type {ty}", json.compact())),
    })
}

/// Returns the integer that a number is. A float is one while floats still tell all integers apart.
fn integer(number: &Number) -> Option<i64> {
    const EXACT: f64 = (1_u64 << 53) as f64;
    let float = |value: &f64| value.fract() == 0.0 && value.abs() <= EXACT;
    number.as_i64().or_else(|| number.as_f64().filter(float).filter(|_| number.is_f64()).map(|value| value as i64))
}

#[cfg(test)]
mod tests;
