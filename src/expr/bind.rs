//! Binding: the parser's tree becomes ours; names are resolved, types checked, casts made explicit.

use super::ExprError;
use super::aggregate::AggCall;
use super::syntax::Text;
use super::tree::Node;
use crate::diag::list;
use crate::table::Schema;
use sqlparser::ast::{
    BinaryOperator as Op, CeilFloorKind, Expr as Ast, TrimWhereField, UnaryOperator, Value as Literal,
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
            let error =
                ExprError::new("bad-expression", "the expression is nested too deeply", range, "too many levels");
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
            Ast::TypedString(typed) => self.typed(ast, typed),
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
            Ast::Cast { format: Some(_), .. } => self.unsupported(ast, "a cast with a format", ""),
            Ast::Cast { kind, expr, data_type, .. } => self.cast(ast, kind, expr, data_type),
            Ast::Extract { field, expr, .. } => {
                let name = field.to_string().to_lowercase();
                match PARTS.iter().find(|part| **part == name) {
                    Some(part) => self.bind_call(part, ast, &[expr]),
                    None => {
                        self.unsupported(ast, &format!("`{name}` of a date"), &format!("the parts are {}", list(PARTS)))
                    }
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
            Ast::Subquery(_) | Ast::InSubquery { .. } | Ast::Exists { .. } => self.unsupported(
                ast,
                "a subquery",
                "an expression sees one row; bring other rows to it with a `join` step first",
            ),
            Ast::Interval(_) => self.unsupported(ast, "an interval", "add whole days: `day + 7`"),
            Ast::Wildcard(_) | Ast::QualifiedWildcard(..) => self.unsupported(ast, "`*`", "name the columns"),
            Ast::SimilarTo { .. } => self.unsupported(ast, "`similar to`", "write `regexp_like(text, '^(…)$')`"),
            Ast::Tuple(_) => self.unsupported(
                ast,
                "a row of values",
                "a list is written `[a, b]`; inside an aggregate write `distinct_n(text, n)`",
            ),
            Ast::Dictionary(_) | Ast::Struct { .. } | Ast::Map(_) => {
                self.unsupported(ast, "making a struct", "make a column for each field")
            }
            Ast::Lambda(_) => self.unsupported(ast, "a lambda", ""),
            _ => self.unsupported(ast, "this form of SQL", ""),
        }
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
