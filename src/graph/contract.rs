//! Binding of tests: their conditions against the columns of a table, and its columns against what they are to be.

use super::bind::{BoundMetric, Shape, Stage, WholeOp, Work, in_text, no_column, not_bool};
use crate::diag::{Diagnostic, Diagnostics, Severity, list};
use crate::expr::{Aggregate, Expr};
use crate::manifest::{Bounds, Test, Text};
use crate::op::{Alike, Computed, Deduping, Fingerprint, Matching, Over};
use crate::query::quoted;
use crate::table::Type;

/// A test against one table.
pub struct BoundTest {
    /// The conditions on rows, `unique` first: a row goes by the first that it does not meet.
    pub stages: Vec<Stage>,
    /// In the order of the test's `values`.
    pub values: Vec<BoundMetric>,
    /// What is wrong with the columns, if that is no error.
    pub wrong_columns: Vec<String>,
}

/// Binds a test to a table, which it knows as `on`.
pub fn bind_test(test: &Test, on: &Text, shape: &Shape) -> Result<BoundTest, Diagnostics> {
    let mut binder = Binder { test, on, shape, problems: Diagnostics::default() };
    let conditions = binder.conditions();
    let unique = binder.unique();
    let values = test.values.iter().filter_map(|(text, _)| binder.aggregate(text)).collect();
    let mut wrong_columns = Vec::new();
    for problem in binder.schema() {
        match test.severity {
            Severity::Error => binder.problems.push(problem),
            Severity::Warning => wrong_columns.push(problem.title),
        }
    }
    if binder.problems.has_errors() {
        return Err(binder.problems);
    }
    // Two rows share a value, whatever else is wrong with one of them.
    let filter = (!conditions.is_empty()).then_some(Stage::Filter(conditions));
    let stages = unique.into_iter().chain(filter).collect();
    Ok(BoundTest { stages, values, wrong_columns })
}

struct Binder<'a> {
    test: &'a Test,
    on: &'a Text,
    shape: &'a Shape,
    problems: Diagnostics,
}

impl Binder<'_> {
    fn node(&self) -> String {
        format!("test.{}", self.test.name.value)
    }

    /// Returns the conditions that see a row alone.
    fn conditions(&mut self) -> Vec<Work> {
        let mut works = Vec::new();
        for column in &self.test.not_null {
            if self.has(column) {
                let text = format!("{} is not null", quoted(&column.value));
                works.extend(self.made_up(&format!("not_null {}", column.value), column, &text));
            }
        }
        for (column, bounds) in &self.test.range {
            if self.has(column) {
                works.extend(self.made_up(&format!("range {}", column.value), column, &range(&column.value, bounds)));
            }
        }
        for (at, text) in self.test.conditions.iter().enumerate() {
            let name = if self.test.conditions.len() == 1 { "where".to_owned() } else { format!("where {}", at + 1) };
            let Some(expr) = self.expr(text) else { continue };
            if let Some(problem) = not_bool(text, &expr) {
                self.problems.push(problem);
            }
            works.push(Work::new(&name, Computed::new(expr), &text.span));
        }
        works
    }

    fn unique(&mut self) -> Option<Stage> {
        let first = self.test.unique.first()?;
        let exprs: Vec<Option<Expr>> = self.test.unique.iter().map(|text| self.expr(text)).collect();
        let exprs = exprs.into_iter().collect::<Option<Vec<_>>>()?;
        let inner = Fingerprint::new(Over::names(exprs.len()), Matching::Exact);
        let names: Vec<&str> = self.test.unique.iter().map(|text| text.value.as_str()).collect();
        let hashes = Work::new(&format!("unique {}", names.join(", ")), Over::new(exprs, Box::new(inner)), &first.span);
        let op = WholeOp::Dedup(Deduping { alike: Alike::Equal, best: false });
        let key = self.shape.key.clone();
        Some(Stage::Whole { hashes: vec![hashes], op, against: Vec::new(), key })
    }

    fn has(&mut self, column: &Text) -> bool {
        let there = self.shape.schema.field(&column.value).is_some();
        if !there {
            let title = format!("`{}` reads a column that `{}` does not have", self.node(), self.on.value);
            self.problems.push(no_column(title, &column.value, &self.shape.schema, |problem| {
                problem.at(&column.span, "no such column").at(&self.on.span, "tested here")
            }));
        }
        there
    }

    /// Binds a condition that the user did not write as such; `column` is what they wrote.
    fn made_up(&mut self, name: &str, column: &Text, text: &str) -> Option<Work> {
        match Expr::parse(text, &self.shape.schema) {
            Ok(expr) => Some(Work::new(name, Computed::new(expr), &column.span)),
            Err(errors) => {
                let ty = self.shape.schema.field(&column.value).map_or(String::new(), |field| field.ty.to_string());
                for error in errors {
                    let problem = Diagnostic::error(error.code, error.title);
                    self.problems.push(problem.at(&column.span, format!("`{}` is {ty}", column.value)));
                }
                None
            }
        }
    }

    fn expr(&mut self, text: &Text) -> Option<Expr> {
        let node = self.node();
        let parsed = Expr::parse(&text.value, &self.shape.schema);
        parsed
            .map_err(|errors| errors.into_iter().for_each(|error| self.problems.push(in_text(text, error, &node))))
            .ok()
    }

    fn aggregate(&mut self, text: &Text) -> Option<BoundMetric> {
        let node = self.node();
        let parsed = Aggregate::parse(&text.value, &[], &self.shape.schema);
        let aggregate = parsed
            .map_err(|errors| errors.into_iter().for_each(|(_, error)| self.problems.push(in_text(text, error, &node))))
            .ok()?;
        if !matches!(aggregate.ty(), Type::Int | Type::Float | Type::Null) {
            let title = format!("a value of `{node}` has to be a number");
            self.problems.push(Diagnostic::error("not-a-number", title).at(&text.span, "this is none"));
        }
        Some(BoundMetric { aggregate, condition: None })
    }

    /// Compares the columns with those that the test names.
    fn schema(&self) -> Vec<Diagnostic> {
        let (test, on, have) = (self.test, &self.on.value, &self.shape.schema);
        let mut problems = Vec::new();
        let wrong = |title: String| Diagnostic::error("wrong-schema", title);
        for (name, ty) in &test.schema {
            match have.field(&name.value) {
                None => problems.push(
                    wrong(format!("`{on}` has no column `{}`", name.value))
                        .at(&name.span, "wanted here")
                        .note(format!("columns: {}", list(have.names())))
                        .did_you_mean(&name.value, have.names()),
                ),
                Some(field) if field.ty != ty.value => problems.push(
                    wrong(format!("the column `{}` of `{on}` is {}, not {}", name.value, field.ty, ty.value))
                        .at(&ty.span, "wanted here"),
                ),
                Some(_) => {}
            }
        }
        if let Some(only) = &test.only {
            let is_named = |name: &&str| test.schema.iter().any(|(wanted, _)| wanted.value == *name);
            let others: Vec<&str> = have.names().filter(|name| !is_named(name)).collect();
            if !others.is_empty() {
                let title = format!("`{on}` has columns that its schema does not name: {}", list(others));
                problems.push(wrong(title).at(only, "no others"));
            }
        }
        problems
    }
}

fn range(column: &str, bounds: &Bounds) -> String {
    let number = |n: f64| if n.fract() == 0.0 && n.abs() < 9e15 { format!("{n:.0}") } else { format!("{n:?}") };
    let column = quoted(column);
    let mut sides = Vec::new();
    if bounds.least.is_finite() {
        sides.push(format!("{column} >= {}", number(bounds.least)));
    }
    if bounds.most.is_finite() {
        sides.push(format!("{column} <= {}", number(bounds.most)));
    }
    if sides.is_empty() { format!("{column} is not null") } else { sides.join(" and ") }
}
