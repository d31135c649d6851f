//! Binding: the steps of a node against the columns that it gets, as ops. Every problem is reported at once.

use super::alike::{Against, Decontaminating};
use super::choosing::match_by;
use super::running::{BoundRun, bind_program};
use super::spans::Spanning;
use super::{Graph, Node, NodeId, select};
use crate::diag::{Diagnostic, Diagnostics, Severity, Span, list};
use crate::expr::{Aggregate, Expr, ExprError};
use crate::manifest::{Dataset, Maker, Metric, Step, Text};
use crate::op::{AskOp, Computed, Deduping, FanOp, JoinKind, ReferOp, Render, RowOp, Sampling, row_identity};
use crate::table::{Field, Schema, Type};
use std::sync::Arc;

/// What is known of a table before its rows are: its columns, and which of them identify a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub schema: Schema,
    /// The declared key, or all columns of the maker. Never empty where there are columns.
    pub key: Vec<String>,
}

/// A dataset's steps as stages over row groups.
pub struct Bound {
    /// What the maker hands to the first stage.
    pub made: Shape,
    /// Of a mix that matches another dataset: what is matched, of each input and then of that dataset.
    pub matched: Vec<Work>,
    pub stages: Vec<Stage>,
    /// The position of the step that each stage is of: a step may be several stages, one after the other.
    pub steps: Vec<usize>,
    /// What comes out of the last stage.
    pub shape: Shape,
}

impl Bound {
    /// Returns the division into parts: the last stage, if there is one.
    pub fn split(&self) -> Option<&Parts> {
        self.stages.last().and_then(|stage| if let Stage::Split(parts) = stage { Some(parts) } else { None })
    }
}

/// One step over row groups. All but `Whole`, `Spans` and a `Run` of whole tables see one group at a time.
pub enum Stage {
    /// Each op adds a column of that name.
    Compute(Vec<Work>),
    /// The columns that stay, by position, and what they are called from here on.
    Select(Vec<(usize, String)>),
    /// A row stays if every op says true; the name of the first that does not is the reason.
    Filter(Vec<Work>),
    /// Every row comes as often as an op says, with columns that it makes; one that does not come is dropped.
    Fan { fan: Fan, span: Span },
    /// Models are asked about each row.
    Ask(Ask),
    /// Columns are made of each row and the whole table of an input of the node.
    Refer { op: Arc<dyn ReferOp>, input: usize, span: Span },
    /// Hashes are made row by row; which rows stay is decided over all of them, and those of other tables. `key` tells the rows.
    Whole { hashes: Vec<Work>, op: WholeOp, against: Vec<Against>, key: Vec<String> },
    /// Hashes are made row by row, and a column of texts without what stood before, in rows before or in other tables.
    Spans { hashes: Vec<Work>, step: Spanning, against: Vec<Against> },
    /// A row is dropped that has words in common with other tables.
    Decontaminate(Decontaminating),
    /// A program is given row groups or the whole table.
    Run(BoundRun),
    /// Rows are to be divided into parts; here those fail of which it cannot be told into which, or whether they leak.
    Split(Parts),
}

impl Stage {
    /// Decides by chance, over these hashes.
    pub fn sample(hashes: Vec<Work>, sampling: Sampling) -> Stage {
        Stage::Whole { hashes, op: WholeOp::Sample(sampling), against: Vec::new(), key: Vec::new() }
    }

    /// Returns whether it takes all row groups at once: no single row goes through it ahead of the others.
    pub fn is_whole(&self) -> bool {
        matches!(self, Stage::Whole { .. } | Stage::Spans { .. } | Stage::Run(_))
    }

    /// Returns what is said of each row that it drops, beside which of its reasons it was; `before` are the columns of the row.
    pub fn told(&self, before: &Schema) -> Vec<Field> {
        let names: &[&str] = match self {
            Stage::Whole { op: WholeOp::Dedup(_), .. } => &["alike"],
            Stage::Decontaminate(_) => &["common", "evaluation"],
            _ => &[],
        };
        names.iter().map(|name| Field::new(super::asking::free(name, before), Type::String)).collect()
    }
}

/// What says how often a row comes.
pub enum Fan {
    /// The row itself.
    Own(Arc<dyn FanOp>),
    /// Its matches in another table.
    Join(Join),
}

/// A join with another table.
pub struct Join {
    pub kind: JoinKind,
    /// Makes the hashes of the keys of the rows.
    pub own: Work,
    /// Makes those of the other table.
    pub their: Work,
    /// The input of the node that is the other table.
    pub input: usize,
    /// What is taken of the other table: the column there, and what it is here.
    pub columns: Vec<(String, Field)>,
    fields: Vec<Field>,
}

impl Join {
    /// Joins with an input; `columns` are taken of it.
    pub fn new(kind: JoinKind, own: Work, their: Work, input: usize, columns: Vec<(String, Field)>) -> Join {
        let fields = columns.iter().map(|(_, field)| field.clone()).collect();
        Join { kind, own, their, input, columns, fields }
    }
}

impl Fan {
    /// Returns the reason of rows that do not come.
    pub fn name(&self) -> &'static str {
        match self {
            Fan::Own(op) => op.name(),
            Fan::Join(_) => "join",
        }
    }

    /// Returns exactly the columns that are read of the rows.
    pub fn reads(&self) -> &[String] {
        match self {
            Fan::Own(op) => op.reads(),
            Fan::Join(join) => join.own.op.reads(),
        }
    }

    /// Returns the columns that are made.
    pub fn writes(&self) -> &[Field] {
        match self {
            Fan::Own(op) => op.writes(),
            Fan::Join(join) => &join.fields,
        }
    }
}

/// An op that asks models, at its place in the manifest.
#[derive(Clone)]
pub struct Ask {
    pub op: Arc<dyn AskOp>,
    /// What to point at.
    pub span: Span,
}

/// An op at its place in the manifest.
#[derive(Clone)]
pub struct Work {
    /// The column that it adds, or the filter that it is.
    pub name: String,
    pub op: Arc<dyn RowOp>,
    /// What to point at when a row cannot be computed.
    pub span: Span,
}

impl Work {
    /// Places an op.
    pub fn new(name: &str, op: impl RowOp + 'static, span: &Span) -> Work {
        Work { name: name.to_owned(), op: Arc::new(op), span: span.clone() }
    }

    /// Returns the conditions of which this one is the conjunction: itself, where it is one condition.
    pub fn conditions(&self) -> Vec<Work> {
        let part = |op: &Arc<dyn RowOp>| Work { op: op.clone(), ..self.clone() };
        match self.op.all_of() {
            [] => vec![self.clone()],
            parts => parts.iter().map(part).collect(),
        }
    }
}

/// An op that needs the whole table.
#[derive(Clone, Debug, PartialEq)]
pub enum WholeOp {
    /// One row of each cluster stays.
    Dedup(Deduping),
    /// So many rows stay, chosen by their hashes.
    Sample(Sampling),
}

/// The division of a dataset.
pub struct Parts {
    pub names: Vec<String>,
    /// The first gives the position of a row's part; the others make fingerprints, each of what is checked.
    pub works: Vec<Work>,
    /// What is to be in one part only.
    pub checks: Vec<LeakCheck>,
    /// What it is if it is not.
    pub severity: Severity,
}

/// A value that is to be in one part of a split only.
pub struct LeakCheck {
    pub text: Text,
    /// The expression by which rows with such values are kept together.
    pub remedy: String,
}

/// A metric against one table.
pub struct BoundMetric {
    pub aggregate: Aggregate,
    pub condition: Option<Expr>,
}

/// Returns what a dataset's maker makes of its inputs; `files` is what a `files` maker found.
pub fn maker_shape(graph: &Graph, id: NodeId, inputs: &[Shape], files: Option<&Shape>) -> Result<Shape, Diagnostics> {
    let node = graph.node(id);
    let dataset = &graph.manifest.datasets[node.declaration];
    let all = |schema: &Schema| schema.names().map(str::to_owned).collect::<Vec<_>>();
    match &dataset.maker {
        Maker::Files(_) => {
            let found = files.cloned().unwrap_or_default();
            let shape = keyed(dataset, found.schema)?;
            Ok(if shape.key.is_empty() { Shape { key: found.key, ..shape } } else { shape })
        }
        Maker::Synth(synth) => {
            let field = |(name, recipe): &(Text, crate::op::Recipe)| Field::new(&name.value, recipe.ty());
            keyed(dataset, Schema(synth.columns.iter().map(field).collect()))
        }
        Maker::From(_) => Ok(inputs[0].clone()),
        Maker::Run(run) => keyed(dataset, Schema(bind_program(run, Vec::new()).program.writes.clone())),
        // What steps look into comes after what the dataset is made of.
        Maker::Mix(mix) => {
            let shape = union(node, &inputs[..node.made_of], mix.source.as_ref()).and_then(|shape| {
                let Some(epoch) = &mix.epoch else { return Ok(shape) };
                with_column(shape, epoch, Type::Int)
            });
            let matched = match_by(node, mix, inputs);
            match (shape, matched) {
                (Ok(shape), Ok(_)) => Ok(shape),
                (shape, matched) => {
                    let problems = [shape.err(), matched.err()].into_iter().flatten().flat_map(|found| found.0);
                    Err(Diagnostics(problems.collect()))
                }
            }
        }
        Maker::Concat(concat) => union(node, &inputs[..node.made_of], concat.source.as_ref()),
        Maker::Sql(_) => {
            let query = node.query.as_ref().expect("a resolved node has its query");
            keyed(dataset, query.schema(&inputs[..node.made_of], &node.full_name())?)
        }
    }
    .map(|shape| if shape.key.is_empty() { Shape { key: all(&shape.schema), ..shape } } else { shape })
}

/// Checks the declared key against the columns.
fn keyed(dataset: &Dataset, schema: Schema) -> Result<Shape, Diagnostics> {
    let mut problems = Diagnostics::default();
    for column in dataset.key.iter().filter(|column| schema.field(&column.value).is_none()) {
        let title = format!("the key of `{}` is a column that it does not have", dataset.name.value);
        problems.push(no_column(title, &column.value, &schema, |d| d.at(&column.span, "no such column")));
    }
    let key = dataset.key.iter().map(|column| column.value.clone()).collect();
    if problems.has_errors() { Err(problems) } else { Ok(Shape { schema, key }) }
}

pub(super) fn no_column(
    title: String,
    name: &str,
    schema: &Schema,
    place: impl FnOnce(Diagnostic) -> Diagnostic,
) -> Diagnostic {
    place(Diagnostic::error("unknown-column", title))
        .note(format!("columns: {}", list(schema.names())))
        .did_you_mean(name, schema.names())
}

/// Returns the columns of all inputs together.
fn union(node: &Node, inputs: &[Shape], source: Option<&Text>) -> Result<Shape, Diagnostics> {
    let mut problems = Diagnostics::default();
    let mut shape = Shape::default();
    for (input, edge) in inputs.iter().zip(&node.inputs) {
        for field in &input.schema.0 {
            let Some(known) = shape.schema.0.iter_mut().find(|known| known.name == field.name) else {
                shape.schema.0.push(field.clone());
                continue;
            };
            match known.ty.unify(&field.ty) {
                Some(ty) => known.ty = ty,
                None => problems.push(
                    Diagnostic::error("type-conflict", format!("the column `{}` has unlike types", field.name))
                        .at(&edge.span, format!("{} here, {} in the ones before", field.ty, known.ty))
                        .help("convert it with `columns` first, for example `cast(x as string)`"),
                ),
            }
        }
        for name in input.key.iter().filter(|name| !shape.key.contains(name)).cloned().collect::<Vec<_>>() {
            shape.key.push(name);
        }
    }
    if let Some(source) = source {
        match with_column(shape.clone(), source, Type::String) {
            Ok(with) => shape = with,
            Err(found) => found.0.into_iter().for_each(|problem| problems.push(problem)),
        }
    }
    if problems.has_errors() { Err(problems) } else { Ok(shape) }
}

/// Adds a column that tells rows apart.
fn with_column(mut shape: Shape, name: &Text, ty: Type) -> Result<Shape, Diagnostics> {
    if shape.schema.field(&name.value).is_some() {
        return Err(taken(name).into());
    }
    shape.schema.0.push(Field::new(&name.value, ty));
    shape.key.push(name.value.clone());
    Ok(shape)
}

fn taken(name: &Text) -> Diagnostic {
    Diagnostic::error("duplicate-column", format!("there is a column `{}` already", name.value))
        .at(&name.span, "columns are never overwritten")
        .help("choose another name; `select` can drop or rename the old column first")
}

/// Binds the steps of a dataset to what its maker makes; `inputs` are the shapes of all of the node's inputs.
///
/// With `rows`, models are asked about so many of the rows only, chosen by their identity: the same ones whatever else is built.
pub fn bind_dataset(
    graph: &Graph,
    id: NodeId,
    made: Shape,
    inputs: &[Shape],
    mut rows: Option<u64>,
) -> Result<Bound, Diagnostics> {
    let node = graph.node(id);
    let dataset = &graph.manifest.datasets[node.declaration];
    let mut binder = Binder { graph, node, inputs, shape: made.clone(), problems: Diagnostics::default() };
    let (mut stages, mut steps) = (Vec::new(), Vec::new());
    for (at, step) in dataset.steps.iter().enumerate() {
        if step.asks()
            && let Some(rows) = rows.take()
        {
            let hashes = vec![Work::new("rows", row_identity(binder.shape.key.clone()), &step.span())];
            stages.push(Stage::sample(hashes, Sampling::of(rows, 0)));
        }
        stages.extend(binder.step(at, step).unwrap_or_default());
        steps.resize(stages.len(), at);
    }
    if binder.problems.has_errors() {
        return Err(binder.problems);
    }
    let (shape, made_of) = (binder.shape, &dataset.maker);
    let matched = if let Maker::Mix(mix) = made_of { match_by(node, mix, inputs)? } else { Vec::new() };
    Ok(Bound { made, matched, stages, steps, shape })
}

/// Binds one step after the other.
pub(super) struct Binder<'a> {
    pub(super) graph: &'a Graph,
    pub(super) node: &'a Node,
    pub(super) inputs: &'a [Shape],
    /// What comes to the step at hand.
    pub(super) shape: Shape,
    pub(super) problems: Diagnostics,
}

impl Binder<'_> {
    fn step(&mut self, at: usize, step: &Step) -> Option<Vec<Stage>> {
        match step {
            Step::Where(text) => Some(vec![Stage::Filter(vec![self.condition("where", text)?])]),
            Step::Filter(names) => {
                let mut ops = Vec::new();
                for name in names {
                    let filter = self.graph.manifest.filters.iter().find(|f| f.name.value == name.value)?;
                    let conditions = filter.parts.iter();
                    // What is wrong with one condition of a ready filter is so with the others.
                    ops.extend(
                        conditions.map_while(|part| self.condition(&part.name(&filter.name.value), &part.condition)),
                    );
                }
                Some(vec![Stage::Filter(ops)])
            }
            Step::Columns(columns) => {
                let before = self.shape.schema.clone();
                let mut ops = Vec::new();
                for (name, text) in columns {
                    let siblings = columns.iter().map(|(name, _)| name.value.as_str()).collect::<Vec<_>>();
                    let expr = self.expr(text, &before, &siblings);
                    let ty = expr.as_ref().map_or(Type::Null, |expr| expr.ty().clone());
                    self.add(name, ty);
                    ops.extend(expr.map(|expr| Work::new(&name.value, Computed::new(expr), &text.span)));
                }
                Some(vec![Stage::Compute(ops)])
            }
            Step::Select(entries) => self.select(entries).map(|columns| vec![Stage::Select(columns)]),
            Step::Render(render) => {
                let template = self.node.templates.get(&at)?.clone();
                for column in template.reads().iter().filter(|column| self.shape.schema.field(column).is_none()) {
                    let title = format!("the template reads a column that `{}` does not have here", self.node.name);
                    let places = template.places(column);
                    self.problems.push(no_column(title, column, &self.shape.schema, |mut diagnostic| {
                        for place in &places {
                            let place = super::texts::in_manifest(place, &template.sources()[0], render.text.inline());
                            diagnostic = diagnostic.at(&place, format!("no column `{column}`"));
                        }
                        diagnostic.at(&render.span, "filled here")
                    }));
                }
                self.add(&render.into, Type::String);
                let work = Work::new(&render.into.value, Render::new(template), &render.span);
                Some(vec![Stage::Compute(vec![work])])
            }
            Step::Generate(generate) => self.generate(at, generate),
            Step::Judge(judge) => self.judge(at, judge),
            Step::Embed(embed) => self.embed(at, embed),
            Step::Tokens(tokens) => self.tokens(at, tokens),
            Step::Nearest(nearest) => self.nearest(at, nearest),
            Step::Perplexity(step) => self.perplexity(at, step),
            Step::Explode(explode) => self.explode(explode),
            Step::Join(join) => self.join(at, join),
            Step::Augment(augment) => self.augment(at, augment),
            Step::Run(run) => Some(vec![self.run(run)]),
            Step::Dedup(dedup) => self.dedup(at, dedup),
            Step::Decontaminate(decontaminate) => self.decontaminate(at, decontaminate),
            Step::DedupSpans(step) => self.dedup_spans(at, step),
            Step::Sample(sample) => self.sample(sample),
            Step::Split(split) => Some(vec![Stage::Split(self.split(split)?)]),
        }
    }

    pub(super) fn refuse<T>(&mut self, diagnostic: Diagnostic) -> Option<T> {
        self.problems.push(diagnostic);
        None
    }

    pub(super) fn add(&mut self, name: &Text, ty: Type) {
        if self.shape.schema.field(&name.value).is_some() {
            self.problems.push(taken(name));
        } else {
            self.shape.schema.0.push(Field::new(&name.value, ty));
        }
    }

    /// Checks that a column, of another dataset if one is given, holds texts; one of nothing but nulls may.
    pub(super) fn text_column(&mut self, column: &Text, other: Option<(&Schema, &Text)>) -> Option<Type> {
        let (ty, whose) = match other {
            None => (self.own_column(column)?, self.node.name.clone()),
            Some((schema, name)) => {
                let Some(field) = schema.field(&column.value) else {
                    let title = format!("`{}` has no column `{}`", name.value, column.value);
                    let place = |problem: Diagnostic| {
                        problem.at(&column.span, "no such column").at(&name.span, "looked for here")
                    };
                    return self.refuse(no_column(title, &column.value, schema, place));
                };
                (field.ty.clone(), name.value.clone())
            }
        };
        if matches!(ty, Type::String | Type::Null) {
            return Some(ty);
        }
        let title = format!("the column `{}` of `{whose}` holds no texts", column.value);
        let problem = Diagnostic::error("wrong-type", title).at(&column.span, format!("it is {ty}"));
        self.refuse(problem.help("make texts of it first, with `columns` or `render`"))
    }

    fn condition(&mut self, name: &str, text: &Text) -> Option<Work> {
        let schema = self.shape.schema.clone();
        let expr = self.expr(text, &schema, &[])?;
        if let Some(problem) = not_bool(text, &expr) {
            self.problems.push(problem);
        }
        Some(Work::new(name, Computed::new(expr), &text.span))
    }

    pub(super) fn expr(&mut self, text: &Text, schema: &Schema, siblings: &[&str]) -> Option<Expr> {
        match Expr::parse(&text.value, schema) {
            Ok(expr) => Some(expr),
            Err(errors) => {
                for error in errors {
                    let named = text.value.get(error.range.clone()).unwrap_or("").to_owned();
                    let mut diagnostic = in_text(text, error, &self.node.full_name());
                    if siblings.contains(&named.as_str()) {
                        diagnostic = diagnostic.help(format!(
                            "`{named}` is made by this same step; move one of them to a step of its own"
                        ));
                    }
                    self.problems.push(diagnostic);
                }
                None
            }
        }
    }

    /// Parses several expressions over the columns at hand.
    pub(super) fn exprs(&mut self, texts: &[Text]) -> Option<Vec<Expr>> {
        let schema = self.shape.schema.clone();
        let exprs: Vec<Option<Expr>> = texts.iter().map(|text| self.expr(text, &schema, &[])).collect();
        exprs.into_iter().collect()
    }

    fn select(&mut self, entries: &[Text]) -> Option<Vec<(usize, String)>> {
        let mut columns: Vec<(usize, String)> = Vec::new();
        for entry in entries {
            match select::entry(&entry.value, &self.shape.schema) {
                Ok(found) => {
                    for (index, name) in found {
                        if columns.iter().any(|(_, other)| *other == name) {
                            let title = format!("the column `{name}` is selected twice");
                            self.problems
                                .push(Diagnostic::error("duplicate-column", title).at(&entry.span, "again here"));
                        } else {
                            columns.push((index, name));
                        }
                    }
                }
                Err(error) => self.problems.push(in_text(entry, error, &self.node.full_name())),
            }
        }
        let renamed = |old: &String| {
            let index = self.shape.schema.index(old)?;
            columns.iter().find(|(at, _)| *at == index).map(|(_, name)| name.clone())
        };
        let key = self.shape.key.iter().map(renamed).collect::<Option<Vec<_>>>();
        let field = |(index, name): &(usize, String)| Field::new(name, self.shape.schema.0[*index].ty.clone());
        let schema = Schema(columns.iter().map(field).collect());
        // Without all of its key a row is told by what is left of it.
        let key = key.unwrap_or_else(|| schema.names().map(str::to_owned).collect());
        self.shape = Shape { schema, key };
        Some(columns)
    }
}

/// Returns whether a column of this type holds vectors.
pub(super) fn is_vector(ty: &Type) -> bool {
    matches!(ty, Type::List(item) if **item == Type::Float)
}

pub(super) fn not_bool(text: &Text, expr: &Expr) -> Option<Diagnostic> {
    (!matches!(expr.ty(), Type::Bool | Type::Null)).then(|| {
        Diagnostic::error("not-a-condition", "a condition has to be true or false")
            .at(&text.span, format!("this is {}", expr.ty()))
            .help("compare it with something, for example `… > 0`")
    })
}

/// Places an expression's error in the manifest.
pub(super) fn in_text(text: &Text, error: ExprError, node: &str) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(error.code, error.title)
        .at(&text.inside(error.range), error.label)
        .note(format!("in `{node}`"));
    diagnostic.notes.extend(error.notes);
    diagnostic.help.extend(error.help);
    diagnostic
}

/// Binds a metric to a table.
pub fn bind_metric(metric: &Metric, schema: &Schema) -> Result<BoundMetric, Diagnostics> {
    let mut problems = Diagnostics::default();
    let node = format!("metric.{}", metric.name.value);
    let by: Vec<String> = metric.by.iter().map(|text| text.value.clone()).collect();
    let aggregate = Aggregate::parse(&metric.value.value, &by, schema).map_err(|errors| {
        for (which, error) in errors {
            let text = if which == 0 { &metric.value } else { &metric.by[which - 1] };
            problems.push(in_text(text, error, &node));
        }
    });
    let mut condition = None;
    if let Some(text) = &metric.condition {
        match Expr::parse(&text.value, schema) {
            Ok(expr) => {
                if let Some(problem) = not_bool(text, &expr) {
                    problems.push(problem);
                }
                condition = Some(expr);
            }
            Err(errors) => errors.into_iter().for_each(|error| problems.push(in_text(text, error, &node))),
        }
    }
    if let (Some(alarm), Ok(aggregate)) = (&metric.alarm, &aggregate)
        && !matches!(aggregate.ty(), Type::Int | Type::Float | Type::Null)
    {
        let span = alarm.fall.as_ref().or(alarm.rise.as_ref()).map_or(&metric.value.span, |amount| &amount.span);
        let title = format!("`{node}` has an alarm, and its value is no number: {}", aggregate.ty());
        let problem = Diagnostic::error("wrong-type", title).at(span, "of a number");
        problems.push(problem.at(&metric.value.span, format!("this is {}", aggregate.ty())));
    }
    match aggregate {
        Ok(aggregate) if !problems.has_errors() => Ok(BoundMetric { aggregate, condition }),
        _ => Err(problems),
    }
}
