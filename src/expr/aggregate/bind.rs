//! Binding of aggregates inside an expression.

use super::super::ExprError;
use super::super::bind::{Binder, Place};
use super::super::eval::{Frame, column};
use super::super::literals::{cast_to, constant};
use super::super::signature::{Form, pick};
use super::super::tree::{Kind as NodeKind, Node};
use super::super::value::{Value, value_at};
use super::acc::{Kind, Of};
use super::drawn::Inner;
use super::literal;
use super::table::{DISTINCT, Finish, FoldEntry};
use crate::table::Type;
use sqlparser::ast::{DuplicateTreatment, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments};
use std::sync::Arc;

/// One aggregate of a metric's value.
#[derive(Clone)]
pub struct AggCall {
    pub name: &'static str,
    pub kind: Kind,
    pub finish: Finish,
    /// The rows' values; a constant true for `count(*)`.
    pub args: Vec<Node>,
    /// Their types.
    pub types: Vec<Type>,
    pub literals: Vec<Value>,
    pub ty: Type,
    /// What is computed of samples, whose arguments stand in `args` behind their unit.
    pub inner: Option<Arc<Inner>>,
}

impl AggCall {
    /// Returns what it is an aggregate of.
    pub fn of(&self) -> Of<'_> {
        Of { types: &self.types, literals: &self.literals, inner: self.inner.as_deref() }
    }

    /// Returns the literals as they are in keys.
    pub fn told(&self) -> String {
        let told: Vec<String> = self.literals.iter().map(Value::to_string).collect();
        let mut told = if told.is_empty() { "0.0".to_owned() } else { told.join(",") };
        if let Some(inner) = &self.inner {
            told.push(':');
            inner.write(&mut told);
        }
        told
    }
}

impl Binder<'_> {
    /// Binds a call of an aggregate.
    pub fn aggregate(&mut self, ast: &Ast, function: &Function, entry: &'static FoldEntry) -> Option<Node> {
        let name = entry.fold.name;
        match self.place {
            Place::Scalar => {
                let title = format!("`{name}` is an aggregate: it makes one value of many rows");
                let error =
                    ExprError::new("aggregate-here", title, self.text.of(ast), "a value for each row is wanted");
                return self.fail(match name {
                    "min" | "max" => error
                        .help("for the least or greatest of several columns write `least(a, b)` or `greatest(a, b)`"),
                    _ => error.help("aggregates belong in the `value` of a metric"),
                });
            }
            Place::Argument => {
                let error = ExprError::new(
                    "nested-aggregate",
                    "an aggregate stands inside an aggregate",
                    self.text.of(ast),
                    "inside another",
                );
                return self.fail(error.help("compute the inner one as a metric of its own"));
            }
            Place::Value | Place::Anywhere => {}
        }
        if entry.forms.first().is_some_and(|(_, (kind, ..))| *kind == Kind::Drawn) {
            return self.samples(ast, function, entry);
        }
        let FunctionArguments::List(list) = &function.args else {
            return self.unsupported(ast, "such a call", "arguments stand in brackets: `f(x)`");
        };
        let filter = match &function.filter {
            Some(filter) => {
                let node = self.argument(filter);
                let node = node.and_then(|node| self.wanted(node, &Type::Bool, filter, "the condition of `filter`"));
                Some((&**filter, node))
            }
            None => None,
        };
        let star = matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]);
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let bound = if star && name == "count" && !distinct {
            Some((vec![constant(Type::Bool, Value::Bool(true))], Vec::new()))
        } else if distinct {
            let args: Vec<&Ast> = list
                .args
                .iter()
                .filter_map(|arg| if let FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) = arg { Some(e) } else { None })
                .collect();
            match (name, args.as_slice()) {
                ("count", [Ast::Tuple(_)]) | ("count", [_, _, ..]) => self.unsupported(
                    ast,
                    "`distinct` of several values",
                    "join them: `count(distinct concat_ws('|', a, b))`",
                ),
                ("count", [arg]) => self.argument(arg).map(|node| (vec![node], vec![*arg])),
                (_, [Ast::Tuple(_)]) => {
                    self.unsupported(ast, "`distinct` as a function here", "write `distinct_n(text, n)`")
                }
                _ => self.unsupported(ast, &format!("`{name}(distinct …)`"), "only `count(distinct x)` takes it"),
            }
        } else {
            let args = self.plain_args(ast, function)?;
            let nodes: Vec<Option<Node>> = args.iter().map(|arg| self.argument(arg)).collect();
            nodes.into_iter().collect::<Option<Vec<Node>>>().map(|nodes| (nodes, args))
        };
        let filter = match filter {
            Some((ast, node)) => Some((ast, node?)),
            None => None,
        };
        let (nodes, asts) = bound?;
        if !self.checks() {
            return Some(constant(Type::Null, Value::Null));
        }
        let types: Vec<Type> = nodes.iter().map(|node| node.ty.clone()).collect();
        let (ty, types, kind, finish, form) = if distinct {
            (Type::Int, types, DISTINCT.1, DISTINCT.2, DISTINCT.0)
        } else {
            match pick(&entry.forms, &types) {
                Ok((_, (kind, finish, text), found)) => (found.result, found.args, *kind, *finish, *text),
                Err(wrong) => {
                    let texts = entry.forms.iter().zip(entry.fold.forms);
                    let forms: Vec<(&Form, &str)> = texts.map(|((form, _), (text, ..))| (form, *text)).collect();
                    return self.mismatch(name, ast, &types, &asts, &forms, &wrong);
                }
            }
        };
        let mut args: Vec<Node> = nodes.into_iter().zip(&types).map(|(node, ty)| cast_to(node, ty)).collect();
        let mut literals = Vec::new();
        for (i, node) in args.split_off(kind.values()).into_iter().enumerate() {
            let parameter = literal::parameter(form, kind.values() + i);
            let ast = asts.get(kind.values() + i).copied().unwrap_or(ast);
            literals.push(self.literal_of(name, parameter, &node, ast)?);
        }
        if let Some((_, condition)) = filter {
            // Aggregates skip nulls, so the rows that the filter drops become null; they are not evaluated either.
            for arg in &mut args {
                let null = cast_to(constant(Type::Null, Value::Null), &arg.ty);
                *arg =
                    Node::new(arg.ty.clone(), NodeKind::Case(vec![(condition.clone(), arg.clone())], Box::new(null)));
            }
        }
        let name = if distinct { "count distinct" } else { name };
        let types = args.iter().map(|arg| arg.ty.clone()).collect();
        self.aggregates.push(AggCall { name, kind, finish, args, types, literals, ty: ty.clone(), inner: None });
        Some(Node::new(ty, NodeKind::Column(self.aggregates.len() - 1)))
    }
}

impl Binder<'_> {
    /// Returns the value of a literal of an aggregate.
    fn literal_of(&mut self, name: &str, parameter: &str, node: &Node, ast: &Ast) -> Option<Value> {
        let value = constant_value(node);
        match literal::rule(parameter, value.as_ref()) {
            None => value,
            Some((what, help)) => {
                let title = format!("the {parameter} of `{name}` is {what}");
                let range = self.text.of(ast);
                self.fail(ExprError::new("bad-literal", title, range, "not such a value").help(help))
            }
        }
    }

    /// Binds an aggregate of samples.
    fn samples(&mut self, ast: &Ast, function: &Function, entry: &'static FoldEntry) -> Option<Node> {
        let name = entry.fold.name;
        let (args, inner, level) = self.drawn(ast, function, name)?;
        if !self.checks() {
            return Some(constant(Type::Null, Value::Null));
        }
        let mut literals = Vec::new();
        if let Some(level) = level {
            literals.push(self.literal_of(name, "level", &level, ast)?);
        }
        let (_, (kind, finish, _)) = &entry.forms[0];
        let types = args.iter().map(|arg| arg.ty.clone()).collect();
        let (kind, finish, ty) = (*kind, *finish, Type::Float);
        self.aggregates.push(AggCall { name, kind, finish, args, types, literals, ty: ty.clone(), inner: Some(inner) });
        Some(Node::new(ty, NodeKind::Column(self.aggregates.len() - 1)))
    }
}

/// Returns the value of an expression that reads no column.
fn constant_value(node: &Node) -> Option<Value> {
    let mut reads = std::collections::BTreeSet::new();
    node.columns(&mut reads);
    let alone = Frame { columns: Vec::new(), rows: 1 };
    if reads.is_empty() { column(node, &alone).ok().map(|array| value_at(&array, 0)) } else { None }
}
