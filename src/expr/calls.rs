//! Binding of calls: which signature, which casts, which arguments are lazy, which patterns are compiled.

use super::ExprError;
use super::aggregate;
use super::bind::{Binder, Place};
use super::cast::Mode;
use super::cells::Prepared;
use super::functions::{self, Entry, Lazy, Run};
use super::like::{Case, Like};
use super::literals::{cast_node, cast_to, constant};
use super::measures::{self, Make};
use super::patterns::regex;
use super::signature::{Form, Mismatch, Param, pick};
use super::tree::{Call, Kind, Logic, Node};
use super::value::Value;
use crate::diag::nearest;
use crate::table::Type;
use sqlparser::ast::{Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart};
use std::ops::Range;
use std::sync::Arc;

impl Binder<'_> {
    /// Binds a function as it is written.
    pub fn function(&mut self, ast: &Ast, function: &Function) -> Option<Node> {
        let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
            return self.unsupported(ast, "a function of another schema", "");
        };
        // `user` without brackets is a column for us.
        if matches!(function.args, FunctionArguments::None) && ident.value.eq_ignore_ascii_case("user") {
            let column = Ast::Identifier(ident.clone());
            return self.bind(&column);
        }
        let name = ident.value.to_lowercase();
        if function.over.is_some() {
            return self.unsupported(
                ast,
                "a window function",
                "an expression sees one row; use a metric with `by`, or an `sql` dataset",
            );
        }
        if !function.within_group.is_empty() {
            return self.unsupported(ast, "`within group`", "write `quantile(x, 0.5)` or `median(x)`");
        }
        if name.starts_with("current_") || name == "now" || name.starts_with("local") {
            return self.unsupported(ast, "the clock", "results depend on rows alone; set a date in `[params]`");
        }
        // Some names are both: of one row's text where a row is, and of all rows where a metric's value is.
        let of_a_row = matches!(self.place, Place::Scalar | Place::Argument) && functions::find(&name).is_some();
        if let Some(entry) = aggregate::find(&name).filter(|_| !of_a_row) {
            return self.aggregate(ast, function, entry);
        }
        if function.filter.is_some() {
            return self.unsupported(ast, "`filter` on a function of one row", "use `case when … then … end`");
        }
        let args = self.plain_args(ast, function)?;
        let Some(entry) = functions::find(&name).filter(|_| functions::is_word(&name)) else {
            args.iter().for_each(|arg| {
                self.bind(arg);
            });
            return self.unknown_function(ident);
        };
        let nodes = self.bind_all(args.iter().copied())?;
        self.entry(entry, &name, ast, nodes, &args)
    }

    fn unknown_function(&mut self, ident: &Ident) -> Option<Node> {
        let range = self.text.range(ident.span);
        let mut error = ExprError::new(
            "unknown-function",
            format!("there is no function `{}`", ident.value),
            range,
            "no such function",
        );
        let names = functions::names().chain(aggregate::names());
        error = match nearest(&ident.value, names) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None if ident.value.eq_ignore_ascii_case("distinct") => error.help("write `distinct_n(text, n)`"),
            None => error.help("docs/expressions.md lists the functions"),
        };
        self.fail(error)
    }

    /// Returns the arguments of a function that takes no special ones.
    pub fn plain_args<'b>(&mut self, ast: &Ast, function: &'b Function) -> Option<Vec<&'b Ast>> {
        let FunctionArguments::List(args) = &function.args else {
            return self.unsupported(ast, "such a call", "arguments stand in brackets: `f(x)`");
        };
        if args.duplicate_treatment.is_some() || !args.clauses.is_empty() || function.null_treatment.is_some() {
            return self.unsupported(ast, "such an argument list", "only `count(distinct x)` takes `distinct`");
        }
        let mut plain = Vec::new();
        for arg in &args.args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => plain.push(arg),
                FunctionArg::Unnamed(_) => {
                    return self.unsupported(ast, "`*` as an argument", "only `count(*)` takes it");
                }
                _ => return self.unsupported(ast, "a named argument", "arguments go by position"),
            }
        }
        Some(plain)
    }

    /// Binds arguments and calls an operator or function of the table.
    pub fn bind_call(&mut self, name: &str, ast: &Ast, args: &[&Ast]) -> Option<Node> {
        let nodes = self.bind_all(args.iter().copied())?;
        self.call(name, ast, nodes, args)
    }

    /// Calls an operator or function of the table.
    pub fn call(&mut self, name: &str, ast: &Ast, nodes: Vec<Node>, asts: &[&Ast]) -> Option<Node> {
        let entry = functions::find(name).expect("the binder names functions that the table has");
        self.entry(entry, name, ast, nodes, asts)
    }

    fn entry(&mut self, entry: &'static Entry, name: &str, ast: &Ast, nodes: Vec<Node>, asts: &[&Ast]) -> Option<Node> {
        let types: Vec<Type> = nodes.iter().map(|node| node.ty.clone()).collect();
        let (form, run, found) = match pick(&entry.forms, &types) {
            Ok(picked) => picked,
            // Without a schema only the number of arguments is known.
            Err(wrong) if !self.checks() && wrong.iter().any(|wrong| *wrong != Mismatch::Count) => {
                return Some(constant(Type::Null, Value::Null));
            }
            Err(wrong) => {
                let forms: Vec<(&Form, &str)> =
                    entry.forms.iter().zip(entry.function.forms).map(|((form, _), (text, _))| (form, *text)).collect();
                return self.mismatch(name, ast, &types, asts, &forms, &wrong);
            }
        };
        let mut args: Vec<Node> = nodes.into_iter().zip(&found.args).map(|(node, ty)| cast_to(node, ty)).collect();
        let told = form.telling(&args.iter().map(Node::literal).collect::<Vec<_>>());
        args.extend(form.left_out(args.len()).map(|(ty, value)| constant(ty, value)));
        let kind = match *run {
            Run::Lazy(Lazy::And) => Kind::Logic(Logic::And, flat(Logic::And, args)),
            Run::Lazy(Lazy::Or) => Kind::Logic(Logic::Or, flat(Logic::Or, args)),
            Run::Lazy(Lazy::Coalesce) => Kind::Coalesce(args),
            Run::Lazy(Lazy::NullIf) => {
                let b = args.pop().expect("the signature has two parameters");
                let a = args.pop().expect("the signature has two parameters");
                let same = self.call("=", ast, vec![a.clone(), b], asts)?;
                let null = cast_to(constant(Type::Null, Value::Null), &found.result);
                Kind::Case(vec![(same, null)], Box::new(a))
            }
            Run::Lazy(Lazy::If) => {
                let no = args.pop().expect("the signature has three parameters");
                let yes = args.pop().expect("the signature has three parameters");
                let condition = args.pop().expect("the signature has three parameters");
                Kind::Case(vec![(condition, yes)], Box::new(no))
            }
            Run::Rows(_) | Run::Measure(_) => {
                let prepared = self.prepare(entry.function.name, form, &args, asts)?;
                let prepared = match *run {
                    Run::Measure(make) => self.measure(make, ast, &args)?,
                    _ => prepared,
                };
                let function = entry.function;
                let (nulls, work) = (function.nulls, function.work);
                Kind::Call(Box::new(Call { name: function.name, run: *run, nulls, work, args, told, prepared }))
            }
        };
        let node = Node::new(found.result, kind);
        // Of nothing but nulls comes nothing but null, of no type yet.
        Some(match &form.result {
            Param::T if found.untyped => cast_node(node, Type::Null, Mode::Strict),
            Param::ListOfT if found.untyped => cast_node(node, Type::List(Box::new(Type::Null)), Mode::Strict),
            _ => node,
        })
    }

    /// Tells the measure that a call is.
    fn measure(&mut self, make: Make, ast: &Ast, args: &[Node]) -> Option<Prepared> {
        match measures::literal(make, args) {
            None => Some(Prepared::None),
            Some(Ok(measure)) => Some(Prepared::Measure(Arc::new(measure))),
            Some(Err(fault)) => {
                let error = ExprError::new("bad-argument", fault.message, self.text.of(ast), "in this call");
                self.fail(ExprError { help: fault.help.into_iter().collect(), ..error })
            }
        }
    }

    /// Compiles a pattern that is a literal.
    fn prepare(&mut self, name: &str, form: &Form, args: &[Node], asts: &[&Ast]) -> Option<Prepared> {
        let text = |i: usize| match args.get(i).and_then(Node::literal) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        for (i, param) in form.params.iter().enumerate() {
            if let (Param::Within(least, most), Some(Value::Int(n))) = (param, args.get(i).and_then(Node::literal))
                && !(*least..=*most).contains(&n)
            {
                let range = asts.get(i).map_or(0..self.text.text.len(), |ast| self.text.of(ast));
                let title = format!("`{name}` does not know {n}");
                let error = ExprError::new("bad-argument", title, range, "out of range");
                return self.fail(error.help(format!("it is from {least} to {most}")));
            }
            let Some(pattern) = text(i) else { continue };
            let compiled = match param {
                Param::Regex => regex(&pattern).map(Prepared::Regex),
                Param::Like => {
                    let case = if name == "ilike" { Case::Folded } else { Case::Counts };
                    let escape = text(i + 1).and_then(|escape| escape.chars().next());
                    Like::new(&pattern, escape, case).map(Prepared::Like)
                }
                Param::Choice(choices) if !choices.contains(&pattern) => {
                    let range = asts.get(i).map_or(0..self.text.text.len(), |ast| self.text.of(ast));
                    return self.no_choice(name, range, &pattern, choices);
                }
                _ => continue,
            };
            return match compiled {
                Ok(prepared) => Some(prepared),
                Err(why) => {
                    let whole = asts.get(i).map_or(0..self.text.text.len(), |ast| self.text.of(ast));
                    let range = if *param == Param::Regex { self.inside(&whole, &pattern) } else { whole };
                    let error = ExprError::new("bad-pattern", "the pattern cannot be read", range, why);
                    self.fail(match param {
                        Param::Regex => error
                            .note("patterns are in the syntax of docs.rs/regex: no look-around, no back-references"),
                        _ => error,
                    })
                }
            };
        }
        Some(Prepared::None)
    }

    /// Says what a parameter can be.
    fn no_choice(&mut self, name: &str, range: Range<usize>, wrong: &str, choices: &[String]) -> Option<Prepared> {
        let title = format!("`{name}` does not know `{wrong}`");
        let error = ExprError::new("unknown-choice", title, range, "no such choice");
        self.fail(match nearest(wrong, choices.iter().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean `'{near}'`?")),
            None => error.help(format!("it is one of `'{}'`", choices.join("'`, `'"))),
        })
    }

    /// Finds where in a quoted pattern the mistake is, if that is sure.
    fn inside(&self, whole: &Range<usize>, pattern: &str) -> Range<usize> {
        let verbatim = self.text.text.get(whole.clone()) == Some(&format!("'{pattern}'"));
        let Some(message) = regex::Regex::new(pattern).err().map(|error| error.to_string()) else {
            return whole.clone();
        };
        let caret = message.lines().find(|line| line.contains('^') && line.trim().bytes().all(|b| b == b'^'));
        let Some(caret) = caret.filter(|_| verbatim && !pattern.contains('\n')) else { return whole.clone() };
        // The message indents pattern and caret by four.
        let column = caret.find('^').unwrap_or(0).saturating_sub(4);
        let width = caret.trim().len();
        let place = |n: usize| whole.start + 1 + pattern.char_indices().nth(n).map_or(pattern.len(), |(at, _)| at);
        let (start, end) = (place(column), place(column + width));
        if start < end { start..end } else { whole.clone() }
    }

    /// Binds the argument of an aggregate.
    pub fn argument(&mut self, ast: &Ast) -> Option<Node> {
        let place = self.place;
        if place == Place::Value {
            self.place = Place::Argument;
        }
        let node = self.bind(ast);
        self.place = place;
        node
    }
}

/// Joins nested `and`s (or `or`s) into one, so that brackets between them do not matter.
fn flat(logic: Logic, args: Vec<Node>) -> Vec<Node> {
    let mut out = Vec::with_capacity(args.len());
    for arg in args {
        match arg.kind {
            Kind::Logic(own, nodes) if own == logic => out.extend(nodes),
            kind => out.push(Node::new(arg.ty, kind)),
        }
    }
    out
}
