//! Literals and casts.

use super::ExprError;
use super::bind::Binder;
use super::cast::{Mode, cast, castable};
use super::tree::{Kind, Node};
use super::value::{Value, array_of};
use crate::table::Type;
use crate::time::{read_date, read_timestamp};
use sqlparser::ast::{CastKind, DataType, Expr as Ast, TypedString, Value as Literal};

impl Binder<'_> {
    /// Binds a literal.
    pub fn literal(&mut self, ast: &Ast, value: &Literal) -> Option<Node> {
        match value {
            Literal::Number(digits, _) => self.number(ast, digits),
            Literal::SingleQuotedString(text) => Some(constant(Type::String, Value::String(text.clone()))),
            Literal::Boolean(value) => Some(constant(Type::Bool, Value::Bool(*value))),
            Literal::Null => Some(constant(Type::Null, Value::Null)),
            _ => self.unsupported(ast, "such a literal", "texts stand in single quotes: `'…'`"),
        }
    }

    /// Binds a number.
    pub fn number(&mut self, ast: &Ast, digits: &str) -> Option<Node> {
        if digits.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            if let Ok(value) = digits.parse() {
                return Some(constant(Type::Int, Value::Int(value)));
            }
            let error = ExprError::new(
                "bad-literal",
                format!("`{digits}` is too large for an int"),
                self.text.of(ast),
                "64 bits do not hold it",
            );
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

    /// Binds `date '…'` and `timestamp '…'`.
    pub fn typed(&mut self, ast: &Ast, typed: &TypedString) -> Option<Node> {
        let text = match &typed.value.value {
            Literal::SingleQuotedString(text) => text.trim(),
            _ => return self.unsupported(ast, "such a literal", "texts stand in single quotes"),
        };
        let value = match typed.data_type.to_string().to_lowercase().as_str() {
            "date" => read_date(text).map(|day| (Type::Date, Value::Date(day))),
            "timestamp" | "datetime" => read_timestamp(text).map(|at| (Type::Timestamp, Value::Timestamp(at))),
            other => {
                return self.unsupported(ast, &format!("a literal of type `{other}`"), "use `cast('…' as type)`");
            }
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

    /// Binds a cast.
    pub fn cast(&mut self, ast: &Ast, kind: &CastKind, expr: &Ast, data_type: &DataType) -> Option<Node> {
        let node = self.bind(expr);
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
            return self.fail(ExprError::new("bad-cast", title, self.text.of(expr), format!("this is {}", node.ty)));
        }
        Some(if node.ty == to { node } else { cast_node(node, to, mode) })
    }
}

/// Reads the name of a type as SQL engines spell it.
fn named_type(name: &str) -> Option<Type> {
    if let Some(item) =
        name.strip_suffix("[]").or_else(|| name.strip_prefix("array<").and_then(|rest| rest.strip_suffix('>')))
    {
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
pub fn cast_node(node: Node, to: Type, mode: Mode) -> Node {
    if let Kind::Literal(array) = &node.kind
        && let Ok(array) = cast(array, &node.ty, &to, mode)
    {
        return Node::new(to, Kind::Literal(array));
    }
    Node::new(to, Kind::Cast(Box::new(node), mode))
}
