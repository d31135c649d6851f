//! Names, and the forms of SQL that have a shape of their own: access, `in`, `like`, `case`.

use super::ExprError;
use super::bind::{Binder, Place, Scope};
use super::cast::common;
use super::key::put_key;
use super::literals::{cast_to, constant};
use super::tree::{Kind, Logic, Node, Set};
use super::value::{Value, array_of};
use crate::diag::{list, nearest};
use crate::table::Type;
use sqlparser::ast::{AccessExpr, CaseWhen, Expr as Ast, Ident, Subscript, Value as Literal};
use std::ops::Range;

impl Binder<'_> {
    /// Binds a column.
    pub fn column(&mut self, name: &Ident) -> Option<Node> {
        let range = self.text.range(name.span);
        self.mentions.push((name.value.clone(), range.clone()));
        let schema = match self.scope {
            Scope::Any => return Some(Node::new(Type::Null, Kind::Column(0))),
            Scope::Known(schema) => schema,
        };
        let Some(i) = schema.index(&name.value) else {
            let title = format!("there is no column `{}`", name.value);
            let mut error = ExprError::new("unknown-column", title, range, "no such column");
            error = error.note(format!("the columns are {}", list(schema.names())));
            if let Some(near) = nearest(&name.value, schema.names()) {
                error = error.help(format!("did you mean `{near}`?"));
            } else if name.quote_style == Some('"') {
                error = error.help("a text stands in single quotes: `'…'`; double quotes are for names");
            }
            return self.fail(error);
        };
        if self.place == Place::Value {
            let title = format!("the column `{}` stands outside of an aggregate", name.value);
            let error = ExprError::new("column-outside-aggregate", title, range, "one value for many rows is wanted");
            return self.fail(error.help(format!("put it into one, such as `avg({0})` or `max({0})`", name.value)));
        }
        Some(Node::new(schema.0[i].ty.clone(), Kind::Column(i)))
    }

    /// Binds a field or an item.
    pub fn access(&mut self, ast: &Ast, node: Node, access: &AccessExpr) -> Option<Node> {
        match access {
            AccessExpr::Dot(Ast::Identifier(name)) => self.field(node, &name.value, self.text.range(name.span)),
            AccessExpr::Subscript(Subscript::Index { index }) => match index {
                Ast::Value(value) if matches!(node.ty, Type::Struct(_)) => match &value.value {
                    Literal::SingleQuotedString(name) => self.field(node, name, self.text.of(index)),
                    _ => self.unsupported(ast, "a struct by position", "name the field: `column.field`"),
                },
                _ => {
                    let index_node = self.bind(index)?;
                    self.call("list_get", ast, vec![node, index_node], &[ast, index])
                }
            },
            AccessExpr::Subscript(Subscript::Slice { .. }) => {
                self.unsupported(ast, "a slice", "take single items: `list[1]`")
            }
            AccessExpr::Dot(_) => self.unsupported(ast, "such a field", "a field is a name: `column.field`"),
        }
    }

    /// Binds a field.
    pub fn field(&mut self, of: Node, name: &str, range: Range<usize>) -> Option<Node> {
        if !self.checks() {
            return Some(Node::new(Type::Null, Kind::Literal(array_of(&Type::Null, &[Value::Null]))));
        }
        let Type::Struct(fields) = &of.ty else {
            let title = format!("{} has no fields", of.ty);
            return self.fail(ExprError::new("unknown-field", title, range, format!("the value before is {}", of.ty)));
        };
        let Some(i) = fields.iter().position(|field| field.name == name) else {
            let names = || fields.iter().map(|field| field.name.as_str());
            let title = format!("there is no field `{name}`");
            let mut error = ExprError::new("unknown-field", title, range, "no such field");
            error = error.note(format!("the fields are {}", list(names())));
            if let Some(near) = nearest(name, names()) {
                error = error.help(format!("did you mean `{near}`?"));
            }
            return self.fail(error);
        };
        Some(Node::new(fields[i].ty.clone(), Kind::Field(Box::new(of), i)))
    }

    /// Negates.
    pub fn not(&mut self, ast: &Ast, node: Node) -> Option<Node> {
        self.call("not", ast, vec![node], &[ast])
    }

    /// Binds `is true` and its like.
    pub fn is_bool(&mut self, ast: &Ast, x: &Ast, value: bool) -> Option<Node> {
        let node = self.bind(x)?;
        let value = constant(Type::Bool, Value::Bool(value));
        self.call("is not distinct from", ast, vec![node, value], &[x, ast])
    }

    /// Binds `like` and `ilike`.
    pub fn like(
        &mut self,
        name: &'static str,
        ast: &Ast,
        negated: bool,
        x: &Ast,
        pattern: &Ast,
        escape: Option<&Ast>,
    ) -> Option<Node> {
        let args: Vec<&Ast> = [x, pattern].into_iter().chain(escape).collect();
        if let Some(escape) = escape {
            let one = match escape {
                Ast::Value(value) => {
                    matches!(&value.value, Literal::SingleQuotedString(text) if text.chars().count() == 1)
                }
                _ => false,
            };
            if !one {
                let range = self.text.of(escape);
                let error =
                    ExprError::new("bad-literal", "an escape is one character in quotes", range, "not one character");
                return self.fail(error.help("write `escape '!'`"));
            }
        }
        let node = self.bind_call(name, ast, &args)?;
        if negated { self.not(ast, node) } else { Some(node) }
    }

    /// Binds `in (…)`: a look-up if all items are literals, else a chain of `=`.
    pub fn in_list(&mut self, ast: &Ast, x: &Ast, items: &[Ast]) -> Option<Node> {
        let (node, bound) = (self.bind(x), self.bind_all(items));
        let (node, bound) = (node?, bound?);
        if !self.checks() {
            return Some(constant(Type::Null, Value::Null));
        }
        let mut ty = node.ty.clone();
        for (item, ast) in bound.iter().zip(items) {
            match common(&ty, &item.ty) {
                Some(wider) => ty = wider,
                None => return self.unlike("in", x, &node.ty, ast, &item.ty),
            }
        }
        if ty == Type::Null {
            ty = Type::Int;
        }
        let node = cast_to(node, &ty);
        let bound: Vec<Node> = bound.into_iter().map(|item| cast_to(item, &ty)).collect();
        if !bound.iter().all(|item| matches!(item.kind, Kind::Literal(_))) {
            let mut tests = Vec::new();
            for (item, of) in bound.into_iter().zip(items) {
                tests.push(self.call("=", ast, vec![node.clone(), item], &[x, of])?);
            }
            return if tests.len() == 1 {
                tests.pop()
            } else {
                Some(Node::new(Type::Bool, Kind::Logic(Logic::Or, tests)))
            };
        }
        let mut set = Set::default();
        for item in &bound {
            let Kind::Literal(array) = &item.kind else { continue };
            if item.literal() == Some(Value::Null) {
                set.null = true;
                continue;
            }
            let mut key = Vec::new();
            put_key(&mut key, &ty, array, 0);
            set.keys.insert(key);
        }
        Some(Node::new(Type::Bool, Kind::In(Box::new(node), set)))
    }

    /// Binds `case`.
    pub fn case(&mut self, ast: &Ast, operand: Option<&Ast>, arms: &[CaseWhen], last: Option<&Ast>) -> Option<Node> {
        let operand_node = operand.map(|operand| self.bind(operand));
        let whens: Vec<Option<Node>> = arms.iter().map(|arm| self.bind(&arm.condition)).collect();
        let results = self.bind_all(arms.iter().map(|arm| &arm.result).chain(last));
        let whens: Option<Vec<Node>> = whens.into_iter().collect();
        let operand_node = match operand_node {
            Some(node) => Some(node?),
            None => None,
        };
        let (whens, mut results) = (whens?, results?);
        if !self.checks() {
            return Some(constant(Type::Null, Value::Null));
        }
        let mut conditions = Vec::new();
        for (when, arm) in whens.into_iter().zip(arms) {
            conditions.push(match (&operand_node, operand) {
                (Some(node), Some(operand)) => {
                    self.call("=", ast, vec![node.clone(), when], &[operand, &arm.condition])?
                }
                _ => self.wanted(when, &Type::Bool, &arm.condition, "a condition")?,
            });
        }
        let asts: Vec<&Ast> = arms.iter().map(|arm| &arm.result).chain(last).collect();
        let mut ty = Type::Null;
        for (result, of) in results.iter().zip(&asts) {
            match common(&ty, &result.ty) {
                Some(wider) => ty = wider,
                None => return self.unlike("case", asts[0], &ty, of, &result.ty),
            }
        }
        let last = if last.is_some() {
            results.pop().expect("the last result is there")
        } else {
            constant(Type::Null, Value::Null)
        };
        let results = results.into_iter().map(|result| cast_to(result, &ty));
        let last = Box::new(cast_to(last, &ty));
        let arms = conditions.into_iter().zip(results).collect();
        Some(Node::new(ty, Kind::Case(arms, last)))
    }
}
