//! Binding of `run`: the columns that a program is given and makes.

use super::bind::{Binder, no_column};
use super::{Shape, Stage};
use crate::diag::Span;
use crate::fetch::programs::Around;
use crate::manifest;
use crate::op::{Per, Program};
use crate::table::{Field, Schema, Type};
use std::sync::Arc;
use std::time::Duration;

/// A program at its place in the manifest.
#[derive(Clone)]
pub struct BoundRun {
    pub program: Arc<Program>,
    /// The files and variables that it sees; known once they were looked at.
    pub around: Arc<Around>,
    pub timeout: Duration,
    pub jobs: Option<usize>,
    pub stays: bool,
    /// What to point at.
    pub span: Span,
}

/// Binds a program that is given some columns.
pub fn bind_program(run: &manifest::Run, reads: Vec<String>) -> BoundRun {
    let field = |(name, ty): &(manifest::Text, manifest::Spanned<Type>)| Field::new(&name.value, ty.value.clone());
    let program = Program {
        command: run.command.iter().map(|word| word.value.clone()).collect(),
        per: run.per,
        format: run.format,
        reads,
        writes: run.columns.iter().map(field).collect(),
    };
    BoundRun {
        program: Arc::new(program),
        around: Arc::default(),
        timeout: run.timeout,
        jobs: run.jobs,
        stays: run.stays,
        span: run.span.clone(),
    }
}

impl Binder<'_> {
    pub(super) fn run(&mut self, run: &manifest::Run) -> Stage {
        let schema = &self.shape.schema;
        let reads = match &run.reads {
            None => schema.names().map(str::to_owned).collect(),
            Some(columns) => {
                for column in columns.iter().filter(|column| schema.field(&column.value).is_none()) {
                    let title = format!("the program is to read a column that `{}` does not have here", self.node.name);
                    let place = |d: crate::diag::Diagnostic| d.at(&column.span, "no such column");
                    self.problems.push(no_column(title, &column.value, schema, place));
                }
                columns.iter().map(|column| column.value.clone()).collect()
            }
        };
        let bound = bind_program(run, reads);
        if run.per == Per::Row {
            run.columns.iter().for_each(|(name, ty)| self.add(name, ty.value.clone()));
        } else {
            let schema = Schema(bound.program.writes.clone());
            // Without all of its key a row is told by all that it has.
            let kept = !self.shape.key.is_empty() && self.shape.key.iter().all(|name| schema.field(name).is_some());
            let key = if kept { self.shape.key.clone() } else { schema.names().map(str::to_owned).collect() };
            self.shape = Shape { schema, key };
        }
        Stage::Run(bound)
    }
}
