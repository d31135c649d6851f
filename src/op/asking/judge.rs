//! `judge`: what models think of each row, on a scale, or which of two columns is better.

use super::reply::failure;
use super::{Asked, Formed, Opening};
use crate::ask::{Form, Request, Response, Spec};
use crate::expr::Value;
use crate::hash::KeyWriter;
use crate::op::{AskOp, Turn};
use crate::table::{Batch, Field, RowError, Type};
use std::sync::Arc;

/// How often a verdict of the wrong form is sent back.
const RETRIES: u32 = 2;

/// What a judge decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// One of these levels, each with its score.
    Scale(Vec<(String, f64)>),
    /// Which of two columns is better, or neither.
    Between([String; 2]),
}

/// What a judge says of two columns that are alike, and what the row gets if no column wins.
pub const TIE: &str = "tie";

impl Verdict {
    /// Returns the form of a judge's reply.
    pub fn form(&self) -> Form {
        match self {
            Verdict::Scale(levels) => {
                let names: Vec<&str> = levels.iter().map(|(name, _)| name.as_str()).collect();
                Form::of_verdict("level", &names)
            }
            Verdict::Between(_) => Form::of_verdict("better", &["first", "second", "same"]),
        }
    }
}

/// One dialogue for each judge, on a scale; two, in both orders, between two columns. Three columns at most:
///
/// `into`: the mean score, or the name of the column with more votes than each of the other column and `tie` (else `tie`);
/// `reason`: a list with what each judge gave as its reason (between two columns, its two reasons on lines of their own);
/// `votes`: a list with each judge's score, or the column that it found better. A judge whose two answers name different columns
/// has decided by position, which is a tie.
///
/// Its key: the prompt's texts and which columns they read, each judge's request head (task, model, parameters, schema),
/// `max_tokens` and sample, which responses count, the scores, and what is kept.
pub struct Judge {
    opening: Opening,
    /// The judges; one that is named again gives another sample.
    judges: Vec<(Asked, u32)>,
    verdict: Verdict,
    formed: Formed,
    reason: bool,
    votes: bool,
    writes: Vec<Field>,
}

impl Judge {
    /// Puts the op together. The specifications of `judges` have the schema of [`Verdict::form`]; between two columns, `opening`
    /// is given them as `first` and `second`.
    pub fn new(
        opening: Opening,
        judges: Vec<Asked>,
        verdict: Verdict,
        into: &str,
        reason: Option<&str>,
        votes: Option<&str>,
    ) -> Judge {
        let vote = match verdict {
            Verdict::Scale(_) => Type::Float,
            Verdict::Between(_) => Type::String,
        };
        let list = |ty| Type::List(Box::new(ty));
        let mut writes = vec![Field::new(into, vote.clone())];
        writes.extend(reason.map(|name| Field::new(name, list(Type::String))));
        writes.extend(votes.map(|name| Field::new(name, list(vote))));
        let formed = Formed { form: Arc::new(verdict.form()), retries: RETRIES };
        let (reason, votes) = (reason.is_some(), votes.is_some());
        let mut counted: Vec<(Asked, u32)> = Vec::with_capacity(judges.len());
        for judge in judges {
            let same = |(other, _): &&(Asked, u32)| other.spec.head() == judge.spec.head();
            let before = counted.iter().filter(same).count() as u32;
            counted.push((judge, before));
        }
        Judge { opening, judges: counted, verdict, formed, reason, votes, writes }
    }

    /// Returns the openings that each judge is asked with.
    fn openings(&self) -> Vec<Opening> {
        match self.verdict {
            Verdict::Scale(_) => vec![self.opening.clone()],
            Verdict::Between(_) => vec![self.opening.clone(), self.opening.swapped("first", "second")],
        }
    }

    /// Returns what one judge's answers come to.
    fn vote(&self, answers: &[(String, String)]) -> Value {
        match &self.verdict {
            Verdict::Scale(levels) => {
                let score = levels.iter().find(|(name, _)| *name == answers[0].1).map(|(_, score)| *score);
                score.map_or(Value::Null, Value::Float)
            }
            Verdict::Between(columns) => {
                let named = |word: &str, swapped: usize| match word {
                    "first" => Some(&columns[swapped]),
                    "second" => Some(&columns[1 - swapped]),
                    _ => None,
                };
                let one = named(&answers[0].1, 0);
                let agreed = one.filter(|one| named(&answers[1].1, 1) == Some(*one));
                Value::String(agreed.cloned().unwrap_or_else(|| TIE.to_owned()))
            }
        }
    }

    /// Returns what all votes come to.
    fn sum(&self, votes: &[Value]) -> Value {
        match &self.verdict {
            Verdict::Scale(_) => {
                let scores =
                    votes.iter().filter_map(|vote| if let Value::Float(score) = vote { Some(*score) } else { None });
                Value::Float(scores.fold(0.0, |sum, score| sum + score) / votes.len() as f64)
            }
            Verdict::Between(columns) => {
                let count = |name: &str| votes.iter().filter(|vote| **vote == Value::String(name.to_owned())).count();
                let [a, b, ties] = [count(&columns[0]), count(&columns[1]), count(TIE)];
                let winner = match () {
                    () if a > b && a > ties => &columns[0],
                    () if b > a && b > ties => &columns[1],
                    () => TIE,
                };
                Value::String(winner.to_owned())
            }
        }
    }
}

impl AskOp for Judge {
    fn write_key(&self, key: &mut KeyWriter) {
        self.opening.write_key(key);
        for (judge, sample) in &self.judges {
            judge.write_key(key);
            key.int("sample", i64::from(*sample));
        }
        self.formed.write_key(key);
        match &self.verdict {
            Verdict::Scale(levels) => levels.iter().for_each(|(_, score)| _ = key.float("score", *score)),
            // The names are values.
            Verdict::Between(columns) => columns.iter().for_each(|column| _ = key.text("between", column)),
        }
        key.int("reason", i64::from(self.reason)).int("votes", i64::from(self.votes));
    }

    fn name(&self) -> &'static str {
        "judge"
    }

    fn reads(&self) -> &[String] {
        self.opening.reads()
    }

    fn writes(&self) -> &[Field] {
        &self.writes
    }

    fn specs(&self) -> Vec<Arc<Spec>> {
        let times = self.openings().len();
        self.judges.iter().flat_map(|(judge, _)| vec![judge.spec.clone(); times]).collect()
    }

    fn write_request(&self, nth: usize, key: &mut KeyWriter) {
        let openings = self.openings();
        let (judge, sample) = &self.judges[nth / openings.len()];
        openings[nth % openings.len()].write_key(key);
        judge.write_request(key);
        key.int("sample", i64::from(*sample));
    }

    fn begin(&self, input: &Batch) -> Result<Vec<Vec<Request>>, RowError> {
        let mut rows = vec![Vec::with_capacity(self.judges.len()); input.rows];
        let openings = self.openings();
        for (judge, sample) in &self.judges {
            for opening in &openings {
                let messages = opening.messages(input, judge.spec.task)?;
                for (row, messages) in rows.iter_mut().zip(messages) {
                    row.push(Request { spec: judge.spec.clone(), messages, sample: *sample });
                }
            }
        }
        Ok(rows)
    }

    fn retries(&self) -> u32 {
        self.formed.retries
    }

    fn reply(&self, request: &Request, response: &Response, turns: u32) -> Turn {
        if let Some(failed) = failure(response, response.text.trim().is_empty()) {
            return failed;
        }
        self.formed.read(request, &response.text, turns).map_or_else(|turn| turn, Turn::Done)
    }

    fn conclude(&self, _input: &Batch, _row: usize, answers: Vec<Value>) -> Vec<Value> {
        let text = |value: &Value| if let Value::String(text) = value { text.clone() } else { String::new() };
        // Each answer is { reason, verdict }, by the form.
        let answers: Vec<(String, String)> = answers
            .iter()
            .map(|answer| match answer {
                Value::Struct(fields) => (text(&fields[0].1), text(&fields[1].1)),
                _ => Default::default(),
            })
            .collect();
        let each = answers.chunks(answers.len() / self.judges.len().max(1));
        let reasons = |one: &[(String, String)]| {
            Value::String(one.iter().map(|(reason, _)| reason.as_str()).collect::<Vec<_>>().join("\n"))
        };
        let votes: Vec<Value> = each.clone().map(|one| self.vote(one)).collect();
        let mut cells = vec![self.sum(&votes)];
        cells.extend(self.reason.then(|| Value::List(each.map(reasons).collect())));
        cells.extend(self.votes.then_some(Value::List(votes)));
        cells
    }
}
