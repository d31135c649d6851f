//! Binds the steps that compare rows with each other and with other datasets: `dedup` and `decontaminate`.

use super::bind::{Binder, Shape, Stage, WholeOp, Work, in_text, is_vector, no_column};
use super::{Graph, Kind};
use crate::diag::{Diagnostic, Span, list};
use crate::expr::{Expr, ExprError};
use crate::manifest::{Dataset, Decontaminate, Dedup, Manifest, Method, MinHash, Purpose, Step, Text};
use crate::op::{
    Alike, Banding, Computed, Contaminated, Cosine, Deduping, Direction, Fingerprint, Matching, Over, Ranking, RowOp,
    Signature,
};
use crate::table::{Schema, Type};

/// Another dataset whose rows ours may not be like.
pub struct Against {
    pub name: String,
    /// The input of the node that it is.
    pub input: usize,
    /// Makes of its rows what is compared.
    pub works: Vec<Work>,
}

/// A step that looks for words of evaluation datasets.
pub struct Decontaminating {
    pub op: Contaminated,
    pub against: Vec<Evaluation>,
    pub span: Span,
}

/// An evaluation dataset.
pub struct Evaluation {
    pub name: String,
    /// The input of the node that it is.
    pub input: usize,
    /// The columns of texts.
    pub columns: Vec<String>,
}

impl Binder<'_> {
    /// Binds `dedup`.
    pub(super) fn dedup(&mut self, at: usize, dedup: &Dedup) -> Option<Vec<Stage>> {
        let own = self.shape.schema.clone();
        let hashes = self.comparison(dedup, &own, None);
        let best = dedup.best.as_ref().map(|text| {
            let expr = self.number("best", text, Ranking::orders, "a number, a date or a timestamp")?;
            let inner = Ranking::by_order(Over::names(1).remove(0));
            Some(Work::new("best", Over::new(vec![expr], Box::new(inner)), &text.span))
        });
        let mut against = Vec::new();
        for (nth, name) in dedup.against.iter().enumerate() {
            let (input, other) = self.other(at, nth)?;
            against.push((name, input, self.comparison(dedup, &own, Some((name, &other.schema)))));
        }
        let mut hashes = hashes?;
        let alike = match dedup.method {
            Method::Exact | Method::Normalised => Alike::Equal,
            Method::MinHash(method) => Alike::Nearly(banding(&method)),
            Method::Semantic(threshold) => Alike::Along(Cosine::new(threshold)),
        };
        let deduping = Deduping { alike, best: best.is_some() };
        if let Some(best) = best {
            hashes.push(best?);
        }
        let with = against
            .into_iter()
            .map(|(name, input, works)| Some(Against { name: name.value.clone(), input, works: works? }));
        let against = with.collect::<Option<Vec<_>>>()?;
        Some(vec![Stage::Whole { hashes, op: WholeOp::Dedup(deduping), against, key: self.shape.key.clone() }])
    }

    /// Makes what rows are compared by, of our own columns, or of those of another dataset, which has to have the same of them.
    fn comparison(&mut self, dedup: &Dedup, own: &Schema, other: Option<(&Text, &Schema)>) -> Option<Vec<Work>> {
        if let Method::Semantic(_) = dedup.method {
            return self.directions(dedup, own, other);
        }
        let over = |columns: Vec<String>| -> Box<dyn RowOp> {
            match dedup.method {
                Method::Exact => Box::new(Fingerprint::new(columns, Matching::Exact)),
                Method::Normalised => Box::new(Fingerprint::new(columns, Matching::Normalised)),
                Method::MinHash(method) => Box::new(Signature::new(columns, method.ngram, banding(&method).places())),
                Method::Semantic(_) => unreachable!("vectors are no texts"),
            }
        };
        let place = |op: Box<dyn RowOp>| Work { name: "dedup".to_owned(), op: op.into(), span: dedup.span.clone() };
        if !dedup.by.is_empty() {
            let exprs: Vec<_> = dedup.by.iter().map(|text| self.compared(text, own, other)).collect();
            let exprs = exprs.into_iter().collect::<Option<Vec<_>>>()?;
            if let Method::MinHash(_) = dedup.method {
                for (text, expr) in dedup.by.iter().zip(&exprs) {
                    if !matches!(expr.ty(), Type::String | Type::Null) {
                        let problem = Diagnostic::error("wrong-type", "`minhash` compares texts");
                        let problem = problem.at(&text.span, format!("this is {}", expr.ty()));
                        return self.refuse(problem.help("name a column of texts, or `cast(… as string)`"));
                    }
                }
            }
            let inner = over(Over::names(exprs.len()));
            return Some(vec![place(Box::new(Over::new(exprs, inner)))]);
        }
        if let Method::MinHash(_) = dedup.method {
            let problem = Diagnostic::error("no-text", "`minhash` compares texts, and has to know which");
            return self.refuse(problem.at(&dedup.span, "without `by`").help("name the column: `by = \"text\"`"));
        }
        let columns: Vec<String> = own.names().map(str::to_owned).collect();
        let absent = other
            .map_or(Vec::new(), |(_, schema)| columns.iter().filter(|name| schema.field(name).is_none()).collect());
        if let (Some((name, schema)), Some(first)) = (other, absent.first()) {
            let title =
                format!("rows of `{}` are compared by all columns, and `{}` lacks some", self.node.name, name.value);
            let lacks = format!("no {} there", list(absent.iter().map(|name| name.as_str())));
            let place = |problem: Diagnostic| problem.at(&name.span, lacks);
            let problem = no_column(title, first, schema, place);
            self.problems.push(problem.help("compare by some columns: `by = \"text\"`"));
        }
        absent.is_empty().then(|| vec![place(over(columns))])
    }

    /// Parses what rows are compared by. Of another dataset it has to be of the same type, as it would never be equal otherwise.
    fn compared(&mut self, text: &Text, own: &Schema, other: Option<(&Text, &Schema)>) -> Option<Expr> {
        let Some((name, schema)) = other else { return self.expr(text, own, &[]) };
        let expr = match Expr::parse(&text.value, schema) {
            Ok(expr) => expr,
            Err(errors) => {
                // What is wrong with our own rows too is told of them.
                let ours = Expr::parse(&text.value, own).is_ok();
                for error in errors.into_iter().filter(|_| ours) {
                    let title =
                        format!("in the rows of `{}`, with which ours are compared: {}", name.value, error.title);
                    let problem = in_text(text, ExprError { title, ..error }, &self.node.full_name());
                    self.problems.push(problem.at(&name.span, "compared with these"));
                }
                return None;
            }
        };
        if let Ok(ours) = Expr::parse(&text.value, own)
            && ours.ty().unify(expr.ty()).is_none()
        {
            let title = format!("`{}` has unlike types in the datasets that are compared", text.value);
            let problem =
                Diagnostic::error("type-conflict", title).at(&text.span, format!("{} in our rows", ours.ty()));
            let problem = problem.at(&name.span, format!("{} in these", expr.ty()));
            return self.refuse(problem.help("convert it, for example `cast(x as string)`"));
        }
        Some(expr)
    }

    /// Makes the directions of vectors, and takes the vectors themselves, which are there already.
    fn directions(&mut self, dedup: &Dedup, own: &Schema, other: Option<(&Text, &Schema)>) -> Option<Vec<Work>> {
        let [text] = &dedup.by[..] else {
            let problem = Diagnostic::error("no-vector", "`semantic` compares by one column of vectors");
            return self
                .refuse(problem.at(&dedup.span, "`by` has to name it").help("name the column that `embed` made"));
        };
        let expr = self.compared(text, own, other)?;
        if !is_vector(expr.ty()) {
            let problem = Diagnostic::error("not-a-vector", "`semantic` compares vectors");
            let problem = problem.at(&text.span, format!("this is {}", expr.ty()));
            return self.refuse(problem.help("vectors are list<float>: make them with `embed`"));
        }
        let inner = Direction::new(Over::names(1).remove(0));
        let directions = Work::new("dedup", Over::new(vec![expr.clone()], Box::new(inner)), &dedup.span);
        Some(vec![directions, Work::new("dedup", Computed::new(expr), &dedup.span)])
    }

    /// Binds `decontaminate`.
    pub(super) fn decontaminate(&mut self, at: usize, step: &Decontaminate) -> Option<Vec<Stage>> {
        let texts = |schema: &Schema| -> Vec<String> {
            let texts = schema.0.iter().filter(|field| field.ty == Type::String);
            texts.map(|field| field.name.clone()).collect()
        };
        let mut columns = Vec::new();
        for column in &step.columns {
            self.text_column(column, None)?;
            columns.push(column.value.clone());
        }
        if columns.is_empty() {
            columns = texts(&self.shape.schema);
        }
        if columns.is_empty() {
            let problem = Diagnostic::error("no-text", "there is no column of texts to look into");
            return self.refuse(problem.at(&step.span, "looks for words"));
        }
        let mut against = Vec::new();
        let dataset = &self.graph.manifest.datasets[self.node.declaration];
        for (nth, name) in evaluation(&self.graph.manifest, dataset, step).into_iter().enumerate() {
            let name = name.value.clone();
            let (input, other) = self.other(at, nth)?;
            let columns = texts(&other.schema);
            if columns.is_empty() {
                let title = format!("the evaluation dataset `{name}` has no column of texts");
                let problem = Diagnostic::error("no-text", title).at(&step.span, "looked for here");
                return self.refuse(problem.help("make a text of it with `render`, or leave it out with `against`"));
            }
            against.push(Evaluation { name, input, columns });
        }
        let op = Contaminated::new(columns, step.ngram);
        Some(vec![Stage::Decontaminate(Decontaminating { op, against, span: step.span.clone() })])
    }

    /// Returns an input that a step looks into together with others, and its shape.
    pub(super) fn other(&self, at: usize, nth: usize) -> Option<(usize, Shape)> {
        let input = self.node.looks_into.get(&at)? + nth;
        Some((input, self.inputs.get(input)?.clone()))
    }
}

fn banding(method: &MinHash) -> Banding {
    Banding::new(method.bands.unwrap_or_else(|| Banding::cut(method.threshold)), method.threshold)
}

/// Returns the datasets that a step looks for: those that it names, or else all others that are for evaluation.
pub(super) fn evaluation<'a>(manifest: &'a Manifest, dataset: &Dataset, step: &'a Decontaminate) -> Vec<&'a Text> {
    if !step.against.is_empty() {
        return step.against.iter().collect();
    }
    let others = manifest.datasets.iter().filter(|other| other.name.value != dataset.name.value);
    others.filter(|other| other.purpose == Purpose::Evaluation).map(|other| &other.name).collect()
}

/// Says where a step looks for evaluation datasets and there are none.
pub(super) fn no_evaluation(dataset: &Dataset, step: &Decontaminate) -> Diagnostic {
    let title = format!("`{}` has no evaluation dataset to look for", dataset.name.value);
    Diagnostic::error("no-evaluation", title)
        .at(&step.span, "no dataset has `role = \"evaluation\"`")
        .help("give the datasets that models are measured with this role, or name them: `against = [\"…\"]`")
}

/// Warns of exports of what was not looked through for the evaluation datasets of the project.
pub(super) fn contaminated_exports(graph: &Graph) -> Vec<Diagnostic> {
    let manifest = &graph.manifest;
    let evaluation: Vec<&Text> =
        manifest.datasets.iter().filter(|one| one.purpose == Purpose::Evaluation).map(|one| &one.name).collect();
    // Of each node which of them may have texts in it.
    let mut may_have: Vec<Vec<&Text>> = Vec::with_capacity(graph.nodes.len());
    let mut warnings = Vec::new();
    for node in &graph.nodes {
        let made_of = &node.inputs[..node.made_of.min(node.inputs.len())];
        let comes = |one: &&Text| {
            made_of.is_empty()
                || made_of.iter().any(|input| may_have[input.node.index()].iter().any(|other| other.value == one.value))
        };
        let mut comes: Vec<&Text> = evaluation.iter().copied().filter(comes).collect();
        if node.kind == Kind::Dataset {
            let dataset = &manifest.datasets[node.declaration];
            if dataset.purpose == Purpose::Evaluation {
                comes.clear();
            }
            for step in &dataset.steps {
                if let Step::Decontaminate(step) = step {
                    let looked_for = self::evaluation(manifest, dataset, step);
                    // Whoever names a part of it knows which part is measured with.
                    let of = |name: &Text| name.value.split('.').next().unwrap_or_default().to_owned();
                    comes.retain(|one| {
                        one.value != dataset.name.value && !looked_for.iter().any(|name| of(name) == one.value)
                    });
                }
            }
        }
        if node.kind == Kind::Export
            && let Some(first) = comes.first()
        {
            let export = &manifest.exports[node.declaration];
            if !export.contaminated && !made_of.is_empty() {
                let title =
                    format!("`{}` is exported, and may have texts of evaluation datasets in it", export.from.value);
                let label = match comes.len() == evaluation.len() {
                    true => "no step `decontaminate` on the way".to_owned(),
                    false => {
                        format!("no step on the way looks for {}", list(comes.iter().map(|one| one.value.as_str())))
                    }
                };
                let problem = Diagnostic::warning("contaminated", title)
                    .at(&export.from.span, label)
                    .at(&first.span, "models are measured with this")
                    .help("add a step `decontaminate = {}` to a dataset on the way")
                    .help("if it is no matter: `contaminated = true` in the export");
                warnings.push(problem);
            }
        }
        may_have.push(comes);
    }
    warnings
}
