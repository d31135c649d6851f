//! Binds the steps that ask models, and those that look into another table.

use super::Graph;
use super::bind::{Ask, Binder, Fan, Shape, Stage, Work, is_vector, no_column};
use super::texts::{EXAMPLES, PromptTexts, in_manifest};
use crate::ask::{Form, Spec, Task};
use crate::diag::{Diagnostic, Span, list};
use crate::expr::Expr;
use crate::manifest::{Embed, EmbedBy, Examples, Generate, Judge, Model, Nearest, Pick, Prompt, Text, Verdict};
use crate::op::{self, Asked, Choice, Formed, Kept, Opening, Over, is_dialogue};
use crate::table::{Field, Schema, Type};
use std::sync::Arc;

/// The column that tells samples apart, unless another is named.
const SAMPLE: &str = "sample";

/// The names under which a judge's prompt sees two columns.
const SIDES: [&str; 2] = ["first", "second"];

/// The examples of a step.
struct Shown {
    stage: Stage,
    column: String,
    /// Whether the column stays in the table.
    stays: bool,
}

impl Binder<'_> {
    /// Binds `generate`: examples, then samples, so that all samples of a row see the same ones, then the question.
    pub(super) fn generate(&mut self, at: usize, step: &Generate) -> Option<Vec<Stage>> {
        let graph = self.graph;
        let texts = self.node.prompts.get(&at)?.clone();
        let prompt = &graph.manifest.prompts[texts.declaration];
        let (place, model) = model(self.graph, &step.model)?;
        let mut stages = Vec::new();
        if let (Some(column), None) = (&step.examples, &prompt.examples) {
            let title = format!("the prompt `{}` has no examples", prompt.name.value);
            let problem = Diagnostic::error("no-examples", title).at(&column.span, "these would be kept");
            self.problems.push(problem.help("give the prompt `examples = { from = \"…\", k = 3 }`, or leave this out"));
        }
        let shown = self.examples(at, prompt, step.examples.as_ref(), &step.span);
        let column = shown.as_ref().map(|shown| shown.column.clone());
        let hidden = shown.as_ref().filter(|shown| !shown.stays).map(|shown| shown.column.clone());
        stages.extend(shown.map(|shown| shown.stage));
        let sample = match &step.sample {
            Some(name) => Some(name.clone()),
            None => (step.n > 1).then(|| named(SAMPLE, &step.span)),
        };
        if let Some(name) = &sample {
            self.add(name, Type::Int);
            self.shape.key.push(name.value.clone());
            let fan = Fan::Own(Arc::new(op::Repeat::new(step.n, &name.value)));
            stages.push(Stage::Fan { fan, span: step.span.clone() });
        }
        if let Some(history) = &step.history {
            self.history(history);
        }
        if model.completions
            && let Some((key, column)) = [("history", &step.history), ("dialogue", &step.dialogue)]
                .iter()
                .find_map(|(k, c)| Some((k, c.as_ref()?)))
        {
            let title = format!("the model `{}` continues texts, and has no dialogues", step.model.value);
            self.problems.push(
                Diagnostic::error("no-dialogue", title)
                    .at(&column.span, format!("`{key}` is of a dialogue"))
                    .help("leave it out, or ask the model for chat completions: `api = \"chat\"`"),
            );
        }
        let given: Vec<(&'static str, String)> = column.into_iter().map(|column| (EXAMPLES, column)).collect();
        self.check_texts(&texts, prompt, &given, &step.prompt.span);
        let form = texts.form.clone();
        match (&step.into, &form) {
            (None, None) => {
                let title = "nothing says what becomes of the reply";
                let problem =
                    Diagnostic::error("no-result", title).at(&step.span, "no `into`, and the prompt has no `reply`");
                self.problems.push(problem.help("name a column for it: `into = \"answer\"`"));
            }
            (None, Some(form)) if !matches!(form.ty(), Type::Struct(_)) => {
                let problem =
                    Diagnostic::error("no-result", "the replies are no objects, so their properties are no columns");
                let problem =
                    problem.at(&step.span, format!("the form of `{}` gives {}", prompt.name.value, form.ty()));
                self.problems.push(problem.help("name a column for the whole reply: `into = \"answer\"`"));
            }
            _ => {}
        }
        let opening = Opening::new(
            texts.text.clone(),
            texts.system.clone(),
            step.history.as_ref().map(|name| name.value.clone()),
            given,
        );
        let task = if model.completions { Task::Completion } else { Task::Chat };
        let asked = asked(place, model, task, form.as_deref());
        let retries = prompt.reply.as_ref().map_or(0, |reply| reply.retries);
        let formed = form.map(|form| Formed { form, retries });
        let name = |text: &Option<Text>| text.as_ref().map(|text| text.value.clone());
        let kept = Kept { into: name(&step.into), dialogue: name(&step.dialogue), logprob: name(&step.logprob) };
        let op = op::Generate::new(opening, asked, formed, name(&sample), kept);
        let declared = [&step.into, &step.dialogue, &step.logprob];
        self.add_all(op::AskOp::writes(&op), &declared, &step.prompt);
        stages.push(Stage::Ask(Ask { op: Arc::new(op), span: step.span.clone() }));
        stages.extend(hidden.map(|column| self.hide(&column)));
        Some(stages)
    }

    /// Binds `judge`.
    pub(super) fn judge(&mut self, at: usize, step: &Judge) -> Option<Vec<Stage>> {
        let graph = self.graph;
        let texts = self.node.prompts.get(&at)?.clone();
        let prompt = &graph.manifest.prompts[texts.declaration];
        let models: Vec<(usize, &Model)> = step.models.iter().filter_map(|name| model(graph, name)).collect();
        if let Some(reply) = &prompt.reply {
            let problem =
                Diagnostic::error("judge-reply", "a judge's reply has a form of its own: a reason and a verdict");
            let problem = problem.at(&step.prompt.span, "used by a judge").at(&reply.span, "and has this form");
            self.problems.push(problem.help("leave `reply` out of the prompt of a judge"));
        }
        let mut stages = Vec::new();
        let shown = self.examples(at, prompt, None, &step.span);
        let mut given: Vec<(&'static str, String)> =
            shown.iter().map(|shown| (EXAMPLES, shown.column.clone())).collect();
        let hidden = given.first().map(|(_, column)| column.clone());
        stages.extend(shown.map(|shown| shown.stage));
        let verdict = match &step.verdict {
            Verdict::Scale(levels) => {
                op::Verdict::Scale(levels.iter().map(|(name, score)| (name.value.clone(), *score)).collect())
            }
            Verdict::Between(columns) => {
                self.between(columns, &texts, prompt, &step.prompt);
                given.extend(SIDES.into_iter().zip(columns.iter().map(|column| column.value.clone())));
                op::Verdict::Between(columns.clone().map(|column| column.value))
            }
        };
        self.check_texts(&texts, prompt, &given, &step.prompt.span);
        let form = verdict.form();
        let judge = |(place, model): (usize, &Model)| {
            let task = if model.completions { Task::Completion } else { Task::Chat };
            asked(place, model, task, Some(&form))
        };
        let judges = models.into_iter().map(judge).collect();
        let opening = Opening::new(texts.text.clone(), texts.system.clone(), None, given);
        let name = |text: &'_ Option<Text>| text.as_ref().map(|text| text.value.clone());
        let (reason, votes) = (name(&step.reason), name(&step.votes));
        let op = op::Judge::new(opening, judges, verdict, &step.into.value, reason.as_deref(), votes.as_deref());
        let into = Some(step.into.clone());
        self.add_all(op::AskOp::writes(&op), &[&into, &step.reason, &step.votes], &step.prompt);
        stages.push(Stage::Ask(Ask { op: Arc::new(op), span: step.span.clone() }));
        stages.extend(hidden.map(|column| self.hide(&column)));
        Some(stages)
    }

    /// Checks the two columns that a judge decides between.
    fn between(&mut self, columns: &[Text; 2], texts: &PromptTexts, prompt: &Prompt, used: &Text) {
        for column in columns {
            if self.own_column(column).is_some() && column.value == op::TIE {
                let problem = Diagnostic::error("judge-between", "a column called `tie` could not be told from a tie");
                self.problems.push(problem.at(&column.span, "rename it with `select` first"));
            }
        }
        let unseen: Vec<&str> = SIDES.into_iter().filter(|side| !texts.read(side)).collect();
        if !unseen.is_empty() {
            let title = format!("the prompt `{}` does not show {}", prompt.name.value, list(unseen));
            let problem = Diagnostic::error("judge-between", title).at(&used.span, "judges between two columns");
            self.problems.push(problem.help("its texts see the two columns as `{{ first }}` and `{{ second }}`"));
        }
    }

    /// Binds `embed`.
    pub(super) fn embed(&mut self, at: usize, step: &Embed) -> Option<Vec<Stage>> {
        let EmbedBy::Model(name) = &step.by else { return self.embed_static(at, step) };
        let (place, model) = model(self.graph, name)?;
        let text = self.embedded(step)?;
        let op = op::Embed::new(text, asked(place, model, Task::Embedding, None), &step.into.value);
        Some(vec![Stage::Ask(Ask { op: Arc::new(op), span: step.span.clone() })])
    }

    /// Binds `embed` by a static model.
    fn embed_static(&mut self, at: usize, step: &Embed) -> Option<Vec<Stage>> {
        let text = self.embedded(step)?;
        let model = self.node.vectors.get(&at)?.clone();
        let inner = op::StaticEmbed::new(model, &Over::names(1)[0]);
        let op = Over::new(vec![text], Box::new(inner));
        Some(vec![Stage::Compute(vec![Work::new(&step.into.value, op, &step.span)])])
    }

    /// Binds the text of `embed`, and adds the column for its vector.
    fn embedded(&mut self, step: &Embed) -> Option<Expr> {
        let schema = self.shape.schema.clone();
        let text = self.expr(&step.text, &schema, &[]);
        let into = Field::new(&step.into.value, Type::List(Box::new(Type::Float)));
        self.add(&step.into, into.ty);
        let text = text?;
        if !matches!(text.ty(), Type::String | Type::Null) {
            let problem = Diagnostic::error("not-a-text", "only a text can be embedded");
            let problem = problem.at(&step.text.span, format!("this is {}", text.ty()));
            self.problems.push(problem.help("make a text of it: `cast(… as string)`"));
        }
        Some(text)
    }

    /// Binds `nearest`.
    pub(super) fn nearest(&mut self, at: usize, step: &Nearest) -> Option<Vec<Stage>> {
        let (input, other) = self.looked_into(at)?;
        let their = step.their.as_ref().unwrap_or(&step.by);
        self.vectors(&step.by, None, &step.span);
        self.vectors(their, Some((&other.schema, &step.to)), &step.span);
        let columns: Vec<Field> = if step.columns.is_empty() {
            // A dataset without a key is told by all of its columns; a vector is of no use here.
            let key = other.key.iter().filter(|name| **name != their.value);
            key.filter_map(|name| other.schema.field(name).cloned()).collect()
        } else {
            let mut columns: Vec<Field> = Vec::new();
            for name in &step.columns {
                let Some(field) = other.schema.field(&name.value) else {
                    let title = format!("`{}` has no column `{}`", step.to.value, name.value);
                    self.problems
                        .push(no_column(title, &name.value, &other.schema, |d| d.at(&name.span, "no such column")));
                    continue;
                };
                if columns.iter().any(|known| known.name == field.name) {
                    let problem = Diagnostic::error("duplicate-column", format!("`{}` is kept twice", field.name));
                    self.problems.push(problem.at(&name.span, "again here"));
                    continue;
                }
                columns.push(field.clone());
            }
            columns
        };
        if let Some(taken) = columns.iter().find(|field| field.name == op::SIMILARITY) {
            let span =
                step.columns.iter().find(|name| name.value == taken.name).map_or(&step.to.span, |name| &name.span);
            let problem =
                Diagnostic::error("duplicate-column", "each row that is found has its cosine as `similarity`");
            let problem = problem.at(span, "and would have this column too");
            self.problems.push(problem.help("leave it out of `columns`, or rename it there with `select`"));
        }
        let same = step.not_itself.as_ref().map_or(Vec::new(), |span| {
            self.same(&other).unwrap_or_else(|| {
                let title = format!("it cannot be told which row of `{}` is the row itself", step.to.value);
                let key = crate::diag::list(other.key.iter().map(String::as_str));
                let problem = Diagnostic::error("unknown-row", title).at(span, "not itself");
                let problem = problem.note(format!("its rows are told by {key}, which are not all here"));
                self.problems.push(problem.help("keep these columns, or declare a `key` that both have"));
                Vec::new()
            })
        });
        let op = op::Nearest::new(&step.by.value, &their.value, step.k, columns, same, &step.into.value);
        self.add(&step.into, op::ReferOp::writes(&op)[0].ty.clone());
        Some(vec![Stage::Refer { op: Arc::new(op), input, span: step.span.clone() }])
    }

    /// Binds the examples of a prompt, and adds their column.
    fn examples(&mut self, at: usize, prompt: &Prompt, kept: Option<&Text>, used: &Span) -> Option<Shown> {
        let examples = prompt.examples.as_ref()?;
        let (input, other) = self.looked_into(at)?;
        let column = match kept {
            Some(name) => name.value.clone(),
            None => free(EXAMPLES, &self.shape.schema),
        };
        let same = self.same(&other).unwrap_or_default();
        let choice = self.choice(examples, &other, used);
        let vector = match &choice {
            Choice::Similar { their, .. } => Some(their.clone()),
            _ => None,
        };
        let shown = other.schema.0.iter().filter(|field| Some(&field.name) != vector.as_ref()).cloned().collect();
        let op = op::Examples::new(choice, examples.k, same, shown, &column);
        let text = kept.cloned().unwrap_or_else(|| named(&column, used));
        self.add(&text, op::ReferOp::writes(&op)[0].ty.clone());
        let stage = Stage::Refer { op: Arc::new(op), input, span: examples.span.clone() };
        Some(Shown { stage, column, stays: kept.is_some() })
    }

    /// Returns the columns that tell whether a row of another table is the row itself: all that tells its rows apart, if they are here too.
    fn same(&self, other: &Shape) -> Option<Vec<String>> {
        let is_here = |name: &String| {
            let (own, their) = (self.shape.schema.field(name), other.schema.field(name));
            own.is_some() && own.map(|field| &field.ty) == their.map(|field| &field.ty)
        };
        other.key.iter().all(is_here).then(|| other.key.clone())
    }

    fn choice(&mut self, examples: &Examples, other: &Shape, used: &Span) -> Choice {
        match &examples.pick {
            Pick::First => Choice::First,
            Pick::Random => {
                Choice::Random { by: self.shape.key.clone(), their: other.key.clone(), seed: examples.seed as i64 }
            }
            Pick::Similar(by) => {
                self.vectors(by, None, used);
                self.vectors(by, Some((&other.schema, &examples.from)), used);
                Choice::Similar { by: by.value.clone(), their: by.value.clone() }
            }
        }
    }

    /// Returns the input that a step looks into, and its shape.
    pub(super) fn looked_into(&self, at: usize) -> Option<(usize, Shape)> {
        let input = *self.node.looks_into.get(&at)?;
        let mut shape = self.inputs.get(input)?.clone();
        if shape.key.is_empty() {
            shape.key = shape.schema.names().map(str::to_owned).collect();
        }
        Some((input, shape))
    }

    /// Checks that a column, of the other table if one is given, holds vectors.
    fn vectors(&mut self, column: &Text, other: Option<(&Schema, &Text)>, used: &Span) {
        let (schema, whose) = match other {
            Some((schema, name)) => (schema, name.value.as_str()),
            None => (&self.shape.schema, self.node.name.as_str()),
        };
        let problem = match schema.field(&column.value) {
            Some(field) if is_vector(&field.ty) => return,
            Some(field) => {
                let title = format!("the column `{}` of `{whose}` holds no vectors", column.value);
                let problem = Diagnostic::error("not-a-vector", title).at(&column.span, format!("it is {}", field.ty));
                problem.at(used, "compared here").help("vectors are list<float>: make them with `embed`")
            }
            None => {
                let title = format!("`{whose}` has no column `{}` here", column.value);
                no_column(title, &column.value, schema, |d| {
                    d.at(&column.span, "no such column").at(used, "compared here")
                })
                .help("make vectors of a text with `embed`")
            }
        };
        self.problems.push(problem);
    }

    /// Checks that there is a column.
    pub(super) fn own_column(&mut self, column: &Text) -> Option<Type> {
        let found = self.shape.schema.field(&column.value).map(|field| field.ty.clone());
        if found.is_none() {
            let title = format!("`{}` has no column `{}` here", self.node.name, column.value);
            let place = |d: Diagnostic| d.at(&column.span, "no such column");
            self.problems.push(no_column(title, &column.value, &self.shape.schema, place));
        }
        found
    }

    /// Checks the column of the dialogue so far.
    fn history(&mut self, column: &Text) {
        if let Some(ty) = self.own_column(column)
            && !is_dialogue(&ty)
        {
            let problem =
                Diagnostic::error("not-a-dialogue", format!("the column `{}` holds no dialogues", column.value));
            let problem = problem.at(&column.span, format!("it is {ty}"));
            self.problems.push(
                problem.help("a dialogue is list<struct<role: string, content: string>>, as `dialogue` makes it"),
            );
        }
    }

    /// Checks that the columns that a prompt reads are there; `given` are names that the step gives.
    fn check_texts(&mut self, texts: &PromptTexts, prompt: &Prompt, given: &[(&'static str, String)], used: &Span) {
        for (template, inline) in texts.texts(prompt) {
            let missing = |name: &&String| {
                self.shape.schema.field(name).is_none() && !given.iter().any(|(given, _)| given == name)
            };
            for name in template.reads().iter().filter(missing).collect::<Vec<_>>() {
                let title = format!(
                    "the prompt `{}` reads a column that `{}` does not have here",
                    prompt.name.value, self.node.name
                );
                let mut problem = no_column(title, name, &self.shape.schema, |mut diagnostic| {
                    for place in template.places(name) {
                        let place = in_manifest(&place, &template.sources()[0], inline);
                        diagnostic = diagnostic.at(&place, format!("no column `{name}`"));
                    }
                    diagnostic.at(used, "filled here")
                });
                if name == EXAMPLES {
                    problem = problem.help("to show rows of another dataset: `examples = { from = \"…\", k = 3 }`");
                }
                self.problems.push(problem);
            }
        }
    }

    /// Adds columns; `declared` are their names in the manifest, those of a form's properties are `otherwise`.
    fn add_all(&mut self, fields: &[Field], declared: &[&Option<Text>], otherwise: &Text) {
        for field in fields {
            let text = declared.iter().filter_map(|text| text.as_ref()).find(|text| text.value == field.name);
            let text = text.cloned().unwrap_or_else(|| named(&field.name, &otherwise.span));
            self.add(&text, field.ty.clone());
        }
    }

    /// Drops a column that only this step was to see.
    fn hide(&mut self, column: &str) -> Stage {
        let names = self.shape.schema.names().map(str::to_owned).enumerate();
        let kept: Vec<(usize, String)> = names.filter(|(_, name)| name != column).collect();
        self.shape.schema.0.retain(|field| field.name != column);
        Stage::Select(kept)
    }
}

/// Finds a model and the position of its declaration.
pub(super) fn model<'a>(graph: &'a Graph, name: &Text) -> Option<(usize, &'a Model)> {
    graph.manifest.models.iter().enumerate().find(|(_, model)| model.name.value == name.value)
}

/// Makes a name that is not written in the manifest, but follows from what is written at `span`.
fn named(name: &str, span: &Span) -> Text {
    Text { value: name.to_owned(), span: span.clone(), exact: false }
}

/// Returns a name that no column has.
pub(super) fn free(name: &str, schema: &Schema) -> String {
    let mut name = name.to_owned();
    while schema.field(&name).is_some() {
        name.push('_');
    }
    name
}

/// Returns a model as a step asks it.
fn asked(endpoint: usize, model: &Model, task: Task, form: Option<&Form>) -> Asked {
    let schema = form.map(|form| form.schema().to_owned());
    let spec = Spec::new(endpoint, task, model.called(), model.params.clone(), schema, model.max_tokens);
    asked_since(model, spec)
}

/// Lets only responses count that the model says.
pub(super) fn asked_since(model: &Model, spec: Spec) -> Asked {
    let since = model.reuse_since.map_or(0, |day| u64::try_from(i64::from(day) * 86_400).unwrap_or(0));
    Asked { spec: Arc::new(spec.since(since)), since: model.reuse_since }
}
