//! Binding of aggregates inside an expression.

use super::super::ExprError;
use super::super::bind::{Binder, Place};
use super::super::literals::{cast_to, constant};
use super::super::signature::{Form, pick};
use super::super::tree::{Kind as NodeKind, Node};
use super::super::value::Value;
use super::acc::Kind;
use super::table::{DISTINCT, Finish, FoldEntry};
use crate::table::Type;
use sqlparser::ast::{DuplicateTreatment, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

/// One aggregate of a metric's value.
#[derive(Clone)]
pub struct AggCall {
    pub name: &'static str,
    pub kind: Kind,
    pub finish: Finish,
    /// The rows' value; a constant true for `count(*)`.
    pub arg: Node,
    pub q: f64,
    pub ty: Type,
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
        let (mut nodes, asts) = bound?;
        if !self.checks() {
            return Some(constant(Type::Null, Value::Null));
        }
        let types: Vec<Type> = nodes.iter().map(|node| node.ty.clone()).collect();
        let (ty, args, kind, finish) = if distinct {
            (Type::Int, types, DISTINCT.1, DISTINCT.2)
        } else {
            match pick(&entry.forms, &types) {
                Ok((_, (kind, finish), found)) => (found.result, found.args, *kind, *finish),
                Err(wrong) => {
                    let texts = entry.forms.iter().zip(entry.fold.forms);
                    let forms: Vec<(&Form, &str)> = texts.map(|((form, _), (text, ..))| (form, *text)).collect();
                    return self.mismatch(name, ast, &types, &asts, &forms, &wrong);
                }
            }
        };
        let mut q = 0.0;
        if nodes.len() == 2 {
            let share = nodes.pop().map(|node| cast_to(node, &Type::Float)).and_then(|node| node.literal());
            q = match share {
                Some(Value::Float(q)) if (0.0..=1.0).contains(&q) => q,
                _ => {
                    let range = asts.last().map_or_else(|| self.text.of(ast), |ast| self.text.of(ast));
                    let error = ExprError::new(
                        "bad-literal",
                        format!("the share of `{name}` is a number from 0 to 1"),
                        range,
                        "not such a number",
                    );
                    return self.fail(error.help("the middle is `0.5`"));
                }
            };
        }
        let mut arg = cast_to(nodes.pop().expect("every signature has a value first"), &args[0]);
        if let Some((_, condition)) = filter {
            // Aggregates skip nulls, so the rows that the filter drops become null; they are not evaluated either.
            let null = cast_to(constant(Type::Null, Value::Null), &arg.ty);
            arg = Node::new(arg.ty.clone(), NodeKind::Case(vec![(condition, arg)], Box::new(null)));
        }
        let name = if distinct { "count distinct" } else { name };
        self.aggregates.push(AggCall { name, kind, finish, arg, q, ty: ty.clone() });
        Some(Node::new(ty, NodeKind::Column(self.aggregates.len() - 1)))
    }
}
