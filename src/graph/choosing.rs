//! Binds what chooses rows: `sample`, `split`, and what a `mix` matches.

use super::Node;
use super::bind::{Binder, LeakCheck, Parts, Shape, Stage, Work, in_text};
use crate::diag::{Diagnostic, Diagnostics};
use crate::expr::Expr;
use crate::manifest::{Amount, Mix, Order, Sample, Split, Text};
use crate::op::{self, By, Fingerprint, Grouped, Matching, Over, Quota, Ranking, Sampling, row_identity};
use crate::table::Type;

impl Binder<'_> {
    /// Binds `sample`.
    pub(super) fn sample(&mut self, sample: &Sample) -> Option<Vec<Stage>> {
        let (key, seed) = (self.shape.key.clone(), sample.seed as i64);
        let quota = match sample.amount {
            Amount::Rows(rows) => Quota::Rows(rows),
            Amount::PerGroup(rows) => Quota::PerGroup(rows),
            Amount::Fraction(fraction) => {
                return match op::Sample::new(key, fraction, seed) {
                    Ok(op) => Some(vec![Stage::Filter(vec![Work::new("sample", op, &sample.span)])]),
                    Err(why) => self.refuse(Diagnostic::error("bad-sample", why).at(&sample.span, "here")),
                };
            }
        };
        let mut hashes = vec![Work::new("sample", row_identity(key), &sample.span)];
        let column = || Over::names(1).remove(0);
        let (order, ranked) = match &sample.order {
            Order::Drawn => (By::Draw, None),
            Order::Top(text) => {
                let op = self.number("top", text, Ranking::orders, "a number, a date or a timestamp");
                (By::Rank, Some((text, op, Ranking::by_order(column()))))
            }
            Order::Weighted(text) => {
                let is_number = |ty: &Type| matches!(ty, Type::Int | Type::Float);
                let op = self.number("weight", text, is_number, "a number");
                (By::Weight, Some((text, op, Ranking::by_weight(column()))))
            }
        };
        let by = self.exprs(&sample.by);
        if let Some((text, expr, inner)) = ranked {
            hashes.push(Work::new("sample", Over::new(vec![expr?], Box::new(inner)), &text.span));
        }
        let by = by?;
        let grouped = if by.is_empty() { Grouped::No } else { Grouped::Yes };
        if grouped == Grouped::Yes {
            hashes.push(Work::new("sample", identity_over(by), &sample.span));
        }
        Some(vec![Stage::sample(hashes, Sampling { quota, order, grouped, seed })])
    }

    /// Parses an expression whose type has to be one of some.
    pub(super) fn number(
        &mut self,
        key: &str,
        text: &Text,
        fits: impl Fn(&Type) -> bool,
        wanted: &str,
    ) -> Option<Expr> {
        let schema = self.shape.schema.clone();
        let expr = self.expr(text, &schema, &[])?;
        if !fits(expr.ty()) {
            let title = format!("`{key}` has to be {wanted}");
            let problem = Diagnostic::error("wrong-type", title).at(&text.span, format!("this is {}", expr.ty()));
            return self
                .refuse(problem.help("compute one with an expression, such as `length(text)` or `cast(x as float)`"));
        }
        Some(expr)
    }

    /// Binds `split`.
    pub(super) fn split(&mut self, split: &Split) -> Option<Parts> {
        let shares: Vec<f64> = split.parts.iter().map(|(_, share)| *share).collect();
        let (seed, group_by) = (split.seed as i64, self.exprs(&split.group_by));
        let by = match &group_by {
            Some(exprs) if !exprs.is_empty() => Over::names(exprs.len()),
            _ => self.shape.key.clone(),
        };
        let op = match op::Split::new(by, &shares, seed) {
            Ok(op) => op,
            Err(why) => return self.refuse(Diagnostic::error("bad-split", why).at(&split.span, "here")),
        };
        let checks = self.leak_checks(split);
        let group_by = group_by?;
        let part = match group_by.is_empty() {
            true => Work::new("split", op, &split.span),
            false => Work::new("split", Over::new(group_by, Box::new(op)), &split.span),
        };
        let names = split.parts.iter().map(|(name, _)| name.value.clone()).collect();
        let (checks, prints): (Vec<LeakCheck>, Vec<Work>) = checks?.into_iter().unzip();
        let works = std::iter::once(part).chain(prints).collect();
        Some(Parts { names, works, checks, severity: split.severity })
    }

    fn leak_checks(&mut self, split: &Split) -> Option<Vec<(LeakCheck, Work)>> {
        let exprs = self.exprs(&split.leak_check)?;
        let check = |(text, expr): (&Text, Expr)| {
            let remedy =
                if *expr.ty() == Type::String { format!("normalise({})", text.value) } else { text.value.clone() };
            let inner = Fingerprint::new(Over::names(1), Matching::Normalised);
            let work = Work::new(&text.value, Over::new(vec![expr], Box::new(inner)), &text.span);
            (LeakCheck { text: text.clone(), remedy }, work)
        };
        Some(split.leak_check.iter().zip(exprs).map(check).collect())
    }
}

/// Makes a hash of the values of expressions.
fn identity_over(exprs: Vec<Expr>) -> Over {
    let inner = row_identity(Over::names(exprs.len()));
    Over::new(exprs, Box::new(inner))
}

/// Binds what a mix matches, of each input and then of the dataset to be matched; nothing if it matches none.
pub(super) fn match_by(node: &Node, mix: &Mix, inputs: &[Shape]) -> Result<Vec<Work>, Diagnostics> {
    let Some(matching) = &mix.matching else { return Ok(Vec::new()) };
    let mut problems = Diagnostics::default();
    let mut works = Vec::new();
    let mut first: Option<Vec<Type>> = None;
    // The dataset to be matched comes first here: the others have to have its types.
    let order = (node.made_of..=node.made_of).chain(0..node.made_of);
    for (input, name) in order.map(|at| (at, mix.of.get(at).map_or(&matching.to, |(name, _)| name))) {
        let mut exprs = Vec::new();
        for text in &matching.by {
            match Expr::parse(&text.value, &inputs[input].schema) {
                Ok(expr) => exprs.push(expr),
                Err(errors) => errors.into_iter().for_each(|error| {
                    problems
                        .push(in_text(text, error, &node.full_name()).at(&name.span, "in the rows of this dataset"));
                }),
            }
        }
        if exprs.len() < matching.by.len() {
            continue;
        }
        let types: Vec<Type> = exprs.iter().map(|expr| expr.ty().clone()).collect();
        let known = first.get_or_insert_with(|| types.clone());
        for ((text, ty), known) in
            matching.by.iter().zip(&types).zip(known.iter()).filter(|((_, ty), known)| ty != known)
        {
            let title = format!("`{}` has unlike types in the datasets that are matched", text.value);
            problems.push(
                Diagnostic::error("type-conflict", title)
                    .at(&text.span, format!("{known} in the rows of `{}`", matching.to.value))
                    .at(&name.span, format!("{ty} in these rows"))
                    .help("values of unlike types are never equal: convert one, for example `cast(x as string)`"),
            );
        }
        works.push(Work::new("match", identity_over(exprs), &matching.by[0].span));
    }
    if problems.has_errors() {
        return Err(problems);
    }
    works.rotate_left(1);
    Ok(works)
}
