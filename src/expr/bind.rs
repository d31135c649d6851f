//! Binding: the parser's tree becomes ours; names are resolved, types checked, casts made explicit.

use super::ExprError;
use super::aggregate::AggCall;
use super::cast::{Mode, cast, castable, common};
use super::key::put_key;
use super::syntax::Text;
use super::time::{parse_date, parse_timestamp};
use super::tree::{Kind, Logic, Node, Set};
use super::value::{Value, array_of};
use crate::diag::{list, nearest};
use crate::table::{Schema, Type};
use sqlparser::ast::{
    AccessExpr, BinaryOperator as Op, CastKind, CeilFloorKind, Expr as Ast, Ident, Spanned, Subscript, TrimWhereField,
    UnaryOperator, Value as Literal,
};
use std::ops::Range;

/// More levels than this are refused, so that no walk runs out of stack.
const DEEPEST: usize = 100;

/// What `extract` gives; each is a function too.
const PARTS: [&str; 8] = ["year", "month", "day", "isodow", "hour", "minute", "second", "epoch"];

/// Which columns there are.
#[derive(Clone, Copy)]
pub enum Scope<'a> {
    Known(&'a Schema),
    /// All names, of unknown types: types are not checked.
    Any,
}

/// What may stand where the binder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Columns, no aggregates.
    Scalar,
    /// Aggregates, no columns: the value of a metric.
    Value,
    /// Columns: the argument of an aggregate.
    Argument,
    /// Both.
    Anywhere,
}

/// Binds one expression and gathers what is wrong with it.
pub struct Binder<'a> {
    pub text: Text<'a>,
    pub scope: Scope<'a>,
    pub place: Place,
    /// The aggregates met so far; in `Place::Value` they are the columns.
    pub aggregates: Vec<AggCall>,
    /// Every mention of a column.
    pub mentions: Vec<(String, Range<usize>)>,
    errors: Vec<ExprError>,
    depth: usize,
}

impl<'a> Binder<'a> {
    /// Begins.
    pub fn new(text: &'a str, scope: Scope<'a>, place: Place) -> Binder<'a> {
        let (aggregates, mentions, errors) = (Vec::new(), Vec::new(), Vec::new());
        Binder { text: Text::new(text), scope, place, aggregates, mentions, errors, depth: 0 }
    }

    /// Parses and binds the text.
    pub fn finish(&mut self) -> Result<Node, Vec<ExprError>> {
        let ast = self.text.parse().map_err(|error| vec![error])?;
        let node = self.bind(&ast);
        match node {
            Some(node) if self.errors.is_empty() => Ok(node),
            _ => Err(std::mem::take(&mut self.errors)),
        }
    }

    /// Returns whether types are known and to be checked.
    pub fn checks(&self) -> bool {
        matches!(self.scope, Scope::Known(_))
    }

    /// Notes an error; the node above is not checked any more.
    pub fn fail<T>(&mut self, error: ExprError) -> Option<T> {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
        None
    }

    pub fn unsupported<T>(&mut self, ast: &Ast, what: &str, help: &str) -> Option<T> {
        let range = self.text.of(ast);
        let error = ExprError::new("not-supported", format!("{what} is not supported here"), range, "not supported");
        self.fail(if help.is_empty() { error } else { error.help(help) })
    }

    /// Binds a part; `None` if an error was noted.
    pub fn bind(&mut self, ast: &Ast) -> Option<Node> {
        if self.depth == DEEPEST {
            let range = self.text.of(ast);
            let error = ExprError::new("bad-expression", "the expression is nested too deeply", range, "too many levels");
            return self.fail(error.help("compute parts of it as columns first"));
        }
        self.depth += 1;
        let node = match ast {
            Ast::BinaryOp { .. } => self.chain(ast),
            _ => self.part(ast),
        };
        self.depth -= 1;
        node
    }

    /// Binds several, all of them even if one fails.
    pub fn bind_all<'b>(&mut self, asts: impl IntoIterator<Item = &'b Ast>) -> Option<Vec<Node>> {
        let nodes: Vec<Option<Node>> = asts.into_iter().map(|ast| self.bind(ast)).collect();
        nodes.into_iter().collect()
    }

    /// Binds operators from left to right without going deeper for each, as `a + b + c` nests to the left.
    fn chain(&mut self, ast: &Ast) -> Option<Node> {
        let mut spine = Vec::new();
        let mut first = ast;
        while let Ast::BinaryOp { left, op, right } = first {
            spine.push((first, op, &**left, &**right));
            first = left;
        }
        let mut done = self.bind(first);
        while let Some((whole, op, left, right)) = spine.pop() {
            let right_node = self.bind(right);
            let (Some(a), Some(b)) = (done, right_node) else {
                done = None;
                continue;
            };
            done = match op {
                Op::And | Op::Or => {
                    let name = if *op == Op::And { "and" } else { "or" };
                    self.call(name, whole, vec![a, b], &[left, right])
                }
                _ => match operator(op) {
                    Some(name) => self.call(name, whole, vec![a, b], &[left, right]),
                    None => {
                        let help = match op {
                            Op::BitwiseXor | Op::PGExp => "write `power(a, b)`",
                            Op::PGRegexMatch | Op::PGRegexIMatch => "write `regexp_like(text, pattern)`",
                            Op::Arrow | Op::LongArrow => "a field of a struct is `column.field`",
                            _ => "",
                        };
                        self.unsupported(whole, &format!("the operator `{op}`"), help)
                    }
                },
            };
        }
        done
    }

    fn part(&mut self, ast: &Ast) -> Option<Node> {
        match ast {
            Ast::Nested(inner) => self.bind(inner),
            Ast::Identifier(name) => self.column(name),
            Ast::CompoundIdentifier(names) => {
                let mut node = self.column(&names[0])?;
                for name in &names[1..] {
                    node = self.field(node, &name.value, self.text.range(name.span))?;
                }
                Some(node)
            }
            Ast::CompoundFieldAccess { root, access_chain } => {
                let mut node = self.bind(root)?;
                for access in access_chain {
                    node = self.access(ast, node, access)?;
                }
                Some(node)
            }
            Ast::Value(value) => self.literal(ast, &value.value),
            Ast::TypedString(typed) => {
                let text = match &typed.value.value {
                    Literal::SingleQuotedString(text) => text.trim(),
                    _ => return self.unsupported(ast, "such a literal", "texts stand in single quotes"),
                };
                let value = match typed.data_type.to_string().to_lowercase().as_str() {
                    "date" => parse_date(text).map(|day| (Type::Date, Value::Date(day))),
                    "timestamp" | "datetime" => parse_timestamp(text).map(|at| (Type::Timestamp, Value::Timestamp(at))),
                    other => return self.unsupported(ast, &format!("a literal of type `{other}`"), "use `cast('…' as type)`"),
                };
                match value {
                    Some((ty, value)) => Some(constant(ty, value)),
                    None => {
                        let title = format!("`{text}` is no {}", typed.data_type.to_string().to_lowercase());
                        let error = ExprError::new("bad-literal", title, self.text.of(ast), "it cannot be read");
                        self.fail(error.help("write `date '2024-01-31'` or `timestamp '2024-01-31 12:00:00'`"))
                    }
                }
            }
            Ast::UnaryOp { op, expr } => match (op, &**expr) {
                (UnaryOperator::Minus, Ast::Value(value)) if matches!(value.value, Literal::Number(..)) => {
                    let Literal::Number(digits, _) = &value.value else { unreachable!("it was just matched") };
                    self.number(ast, &format!("-{digits}"))
                }
                (UnaryOperator::Plus, _) => self.bind(expr),
                (UnaryOperator::Minus, _) => self.bind_call("-", ast, &[expr]),
                (UnaryOperator::Not | UnaryOperator::BangNot, _) => self.bind_call("not", ast, &[expr]),
                _ => self.unsupported(ast, &format!("the operator `{op}`"), ""),
            },
            Ast::IsNull(x) | Ast::IsUnknown(x) => self.bind_call("is null", ast, &[x]),
            Ast::IsNotNull(x) | Ast::IsNotUnknown(x) => {
                let node = self.bind_call("is null", ast, &[x])?;
                self.not(ast, node)
            }
            Ast::IsTrue(x) => self.is_bool(ast, x, true),
            Ast::IsFalse(x) => self.is_bool(ast, x, false),
            Ast::IsNotTrue(x) => {
                let node = self.is_bool(ast, x, true)?;
                self.not(ast, node)
            }
            Ast::IsNotFalse(x) => {
                let node = self.is_bool(ast, x, false)?;
                self.not(ast, node)
            }
            Ast::IsNotDistinctFrom(a, b) => self.bind_call("is not distinct from", ast, &[a, b]),
            Ast::IsDistinctFrom(a, b) => {
                let node = self.bind_call("is not distinct from", ast, &[a, b])?;
                self.not(ast, node)
            }
            Ast::Between { expr, negated, low, high } => {
                let node = self.bind_call("between", ast, &[expr, low, high])?;
                if *negated { self.not(ast, node) } else { Some(node) }
            }
            Ast::InList { expr, list, negated } => {
                let node = self.in_list(ast, expr, list)?;
                if *negated { self.not(ast, node) } else { Some(node) }
            }
            Ast::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like("like", ast, *negated, expr, pattern, escape_char.as_deref())
            }
            Ast::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like("ilike", ast, *negated, expr, pattern, escape_char.as_deref())
            }
            Ast::RLike { negated, expr, pattern, .. } => {
                let node = self.bind_call("regexp_like", ast, &[expr, pattern])?;
                if *negated { self.not(ast, node) } else { Some(node) }
            }
            Ast::Case { operand, conditions, else_result, .. } => {
                self.case(ast, operand.as_deref(), conditions, else_result.as_deref())
            }
            Ast::Cast { kind, expr, data_type, format, .. } => {
                let node = self.bind(expr);
                if format.is_some() {
                    return self.unsupported(ast, "a cast with a format", "");
                }
                let Some(to) = named_type(&data_type.to_string().to_lowercase()) else {
                    let range = self.text.of(ast);
                    let error = ExprError::new("unknown-type", format!("there is no type `{data_type}`"), range, "cast here");
                    return self.fail(error.note("the types are bool, int, float, string, date, timestamp and lists: `int[]`"));
                };
                let mode = match kind {
                    CastKind::Cast | CastKind::DoubleColon => Mode::Strict,
                    CastKind::TryCast | CastKind::SafeCast => Mode::Try,
                };
                let node = node?;
                if self.checks() && !castable(&node.ty, &to) {
                    let title = format!("{} cannot be cast to {to}", node.ty);
                    let error = ExprError::new("bad-cast", title, self.text.of(expr), format!("this is {}", node.ty));
                    return self.fail(error);
                }
                Some(if node.ty == to { node } else { cast_node(node, to, mode) })
            }
            Ast::Extract { field, expr, .. } => {
                let name = field.to_string().to_lowercase();
                match PARTS.iter().find(|part| **part == name) {
                    Some(part) => self.bind_call(part, ast, &[expr]),
                    None => self.unsupported(ast, &format!("`{name}` of a date"), &format!("the parts are {}", list(PARTS))),
                }
            }
            Ast::Ceil { expr, field: CeilFloorKind::DateTimeField(_) } => self.bind_call("ceil", ast, &[expr]),
            Ast::Floor { expr, field: CeilFloorKind::DateTimeField(_) } => self.bind_call("floor", ast, &[expr]),
            Ast::Position { expr, r#in } => self.bind_call("strpos", ast, &[r#in, expr]),
            Ast::Substring { expr, substring_from, substring_for, .. } => {
                let one = Ast::value(Literal::Number("1".to_owned(), false));
                let from = substring_from.as_deref().unwrap_or(&one);
                let args: Vec<&Ast> = [&**expr, from].into_iter().chain(substring_for.as_deref()).collect();
                self.bind_call("substr", ast, &args)
            }
            Ast::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "trim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let chars = trim_what.as_deref().into_iter().chain(trim_characters.iter().flatten());
                let args: Vec<&Ast> = std::iter::once(&**expr).chain(chars).collect();
                self.bind_call(name, ast, &args)
            }
            Ast::Array(array) => self.bind_call("list", ast, &array.elem.iter().collect::<Vec<_>>()),
            Ast::Function(function) => self.function(ast, function),
            Ast::Subquery(_) | Ast::InSubquery { .. } | Ast::Exists { .. } => {
                self.unsupported(ast, "a subquery", "an expression sees one row; bring other rows to it with a `join` step first")
            }
            Ast::Interval(_) => self.unsupported(ast, "an interval", "add whole days: `day + 7`"),
            Ast::Wildcard(_) | Ast::QualifiedWildcard(..) => self.unsupported(ast, "`*`", "name the columns"),
            Ast::SimilarTo { .. } => self.unsupported(ast, "`similar to`", "write `regexp_like(text, '^(…)$')`"),
            Ast::Tuple(_) => self.unsupported(ast, "a row of values", "a list is written `[a, b]`; inside an aggregate write `distinct_n(text, n)`"),
            Ast::Dictionary(_) | Ast::Struct { .. } | Ast::Map(_) => self.unsupported(ast, "making a struct", "make a column for each field"),
            Ast::Lambda(_) => self.unsupported(ast, "a lambda", ""),
            _ => self.unsupported(ast, "this form of SQL", ""),
        }
    }

    fn column(&mut self, name: &Ident) -> Option<Node> {
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

    fn access(&mut self, ast: &Ast, node: Node, access: &AccessExpr) -> Option<Node> {
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
            AccessExpr::Subscript(Subscript::Slice { .. }) => self.unsupported(ast, "a slice", "take single items: `list[1]`"),
            AccessExpr::Dot(_) => self.unsupported(ast, "such a field", "a field is a name: `column.field`"),
        }
    }

    fn field(&mut self, of: Node, name: &str, range: Range<usize>) -> Option<Node> {
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

    fn literal(&mut self, ast: &Ast, value: &Literal) -> Option<Node> {
        match value {
            Literal::Number(digits, _) => self.number(ast, digits),
            Literal::SingleQuotedString(text) => Some(constant(Type::String, Value::String(text.clone()))),
            Literal::Boolean(value) => Some(constant(Type::Bool, Value::Bool(*value))),
            Literal::Null => Some(constant(Type::Null, Value::Null)),
            _ => self.unsupported(ast, "such a literal", "texts stand in single quotes: `'…'`"),
        }
    }

    fn number(&mut self, ast: &Ast, digits: &str) -> Option<Node> {
        if digits.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            if let Ok(value) = digits.parse() {
                return Some(constant(Type::Int, Value::Int(value)));
            }
            let error = ExprError::new("bad-literal", format!("`{digits}` is too large for an int"), self.text.of(ast), "64 bits do not hold it");
            return self.fail(error.help(format!("a float is written `{digits}.0`")));
        }
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => Some(constant(Type::Float, Value::Float(value))),
            _ => {
                let range = self.text.of(ast);
                self.fail(ExprError::new("bad-literal", format!("`{digits}` is no number"), range, "it cannot be read"))
            }
        }
    }

    pub fn not(&mut self, ast: &Ast, node: Node) -> Option<Node> {
        self.call("not", ast, vec![node], &[ast])
    }

    fn is_bool(&mut self, ast: &Ast, x: &Ast, value: bool) -> Option<Node> {
        let node = self.bind(x)?;
        let value = constant(Type::Bool, Value::Bool(value));
        self.call("is not distinct from", ast, vec![node, value], &[x, ast])
    }

    fn like(&mut self, name: &'static str, ast: &Ast, negated: bool, x: &Ast, pattern: &Ast, escape: Option<&Ast>) -> Option<Node> {
        let args: Vec<&Ast> = [x, pattern].into_iter().chain(escape).collect();
        if let Some(escape) = escape {
            let one = match escape {
                Ast::Value(value) => matches!(&value.value, Literal::SingleQuotedString(text) if text.chars().count() == 1),
                _ => false,
            };
            if !one {
                let range = self.text.of(escape);
                let error = ExprError::new("bad-literal", "an escape is one character in quotes", range, "not one character");
                return self.fail(error.help("write `escape '!'`"));
            }
        }
        let node = self.bind_call(name, ast, &args)?;
        if negated { self.not(ast, node) } else { Some(node) }
    }

    fn in_list(&mut self, ast: &Ast, x: &Ast, items: &[Ast]) -> Option<Node> {
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
            return if tests.len() == 1 { tests.pop() } else { Some(Node::new(Type::Bool, Kind::Logic(Logic::Or, tests))) };
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

    fn case(
        &mut self,
        ast: &Ast,
        operand: Option<&Ast>,
        arms: &[sqlparser::ast::CaseWhen],
        last: Option<&Ast>,
    ) -> Option<Node> {
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
                (Some(node), Some(operand)) => self.call("=", ast, vec![node.clone(), when], &[operand, &arm.condition])?,
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
        let last = if last.is_some() { results.pop().expect("the last result is there") } else { constant(Type::Null, Value::Null) };
        let results = results.into_iter().map(|result| cast_to(result, &ty));
        let last = Box::new(cast_to(last, &ty));
        let arms = conditions.into_iter().zip(results).collect();
        Some(Node::new(ty, Kind::Case(arms, last)))
    }

    /// Checks that a value is of one type.
    pub fn wanted(&mut self, node: Node, ty: &Type, ast: &Ast, what: &str) -> Option<Node> {
        if !self.checks() || common(&node.ty, ty).as_ref() == Some(ty) {
            return Some(cast_to(node, ty));
        }
        let title = format!("{what} is {ty}, not {}", node.ty);
        let mut error = ExprError::new("wrong-type", title, self.text.of(ast), format!("this is {}", node.ty));
        if *ty == Type::Bool {
            error = error.help("compare it with something: `… > 0`, `… <> ''`, `… is not null`");
        }
        self.fail(error)
    }

    /// Says that two values have no common type, and how to give them one.
    pub fn unlike<T>(&mut self, name: &str, a: &Ast, a_ty: &Type, b: &Ast, b_ty: &Type) -> Option<T> {
        let (a_range, b_range) = (self.text.of(a), self.text.of(b));
        let title = match name {
            "case" => format!("the results of `case` are {a_ty} and {b_ty}"),
            _ => format!("`{name}` cannot take {a_ty} and {b_ty}"),
        };
        let mut error = ExprError::new("unlike-types", title, b_range.clone(), format!("this is {b_ty}"));
        let text = |range: &Range<usize>, ast: &Ast| match ast {
            Ast::Identifier(_) | Ast::CompoundIdentifier(_) | Ast::Value(_) | Ast::Function(_) => self.text.text[range.clone()].to_owned(),
            _ => "…".to_owned(),
        };
        let (a_text, b_text) = (text(&a_range, a), text(&b_range, b));
        error = error.note(format!("`{a_text}` is {a_ty}, `{b_text}` is {b_ty}"));
        match (a_ty, b_ty, b) {
            (Type::Date | Type::Timestamp, Type::String, Ast::Value(_)) => error = error.help(format!("write `{a_ty} {b_text}`")),
            _ if castable(a_ty, b_ty) && *b_ty != Type::String => error = error.help(format!("cast one side: `cast({a_text} as {b_ty})`")),
            _ if castable(b_ty, a_ty) => error = error.help(format!("cast one side: `cast({b_text} as {a_ty})`")),
            _ => {}
        }
        self.fail(error)
    }
}

/// The names under which the table has the operators.
fn operator(op: &Op) -> Option<&'static str> {
    Some(match op {
        Op::Plus => "+",
        Op::Minus => "-",
        Op::Multiply => "*",
        Op::Divide => "/",
        Op::DuckIntegerDivide | Op::MyIntegerDivide => "//",
        Op::Modulo => "%",
        Op::StringConcat => "||",
        Op::Eq => "=",
        Op::NotEq => "<>",
        Op::Lt => "<",
        Op::LtEq => "<=",
        Op::Gt => ">",
        Op::GtEq => ">=",
        _ => return None,
    })
}

/// Reads the name of a type as SQL engines spell it.
fn named_type(name: &str) -> Option<Type> {
    if let Some(item) = name.strip_suffix("[]").or_else(|| name.strip_prefix("array<").and_then(|rest| rest.strip_suffix('>'))) {
        return Some(Type::List(Box::new(named_type(item)?)));
    }
    Some(match name {
        "bool" | "boolean" => Type::Bool,
        "int" | "integer" | "bigint" | "int64" | "int8" => Type::Int,
        "float" | "double" | "double precision" | "real" | "float64" | "float8" => Type::Float,
        "string" | "text" | "varchar" => Type::String,
        "date" => Type::Date,
        "timestamp" | "datetime" => Type::Timestamp,
        _ => return None,
    })
}

/// Makes a literal.
pub fn constant(ty: Type, value: Value) -> Node {
    let array = array_of(&ty, &[value]);
    Node::new(ty, Kind::Literal(array))
}

/// Widens a node; `common` of the types is `ty`.
pub fn cast_to(node: Node, ty: &Type) -> Node {
    if node.ty == *ty { node } else { cast_node(node, ty.clone(), Mode::Strict) }
}

/// Casts a node; a literal that fits is cast at once.
fn cast_node(node: Node, to: Type, mode: Mode) -> Node {
    if let Kind::Literal(array) = &node.kind
        && let Ok(array) = cast(array, &node.ty, &to, mode)
    {
        return Node::new(to, Kind::Literal(array));
    }
    Node::new(to, Kind::Cast(Box::new(node), mode))
}
