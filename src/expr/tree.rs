//! The bound tree: every name resolved, every type known, every cast explicit.

use super::cast::Mode;
use super::cells::Prepared;
use super::functions::{Nulls, Run, Work};
use super::key::take_key;
use super::value::{Value, value_at};
use crate::table::{Reader, Type};
use arrow_array::ArrayRef;
use std::collections::BTreeSet;
use std::fmt::Write;

/// An expression of a known type.
#[derive(Clone)]
pub struct Node {
    pub ty: Type,
    pub kind: Kind,
}

/// What an expression does.
#[derive(Clone)]
pub enum Kind {
    /// The n-th column that is read.
    Column(usize),
    /// A column of one row.
    Literal(ArrayRef),
    /// The n-th field of a struct.
    Field(Box<Node>, usize),
    Cast(Box<Node>, Mode),
    Call(Box<Call>),
    /// At least two.
    Logic(Logic, Vec<Node>),
    /// The value of the first condition that is true, else the last.
    Case(Vec<(Node, Node)>, Box<Node>),
    Coalesce(Vec<Node>),
    /// Whether the value is among literals.
    In(Box<Node>, Set),
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logic {
    And,
    Or,
}

/// A call of a function of the table.
#[derive(Clone)]
pub struct Call {
    pub name: &'static str,
    pub run: Run,
    pub nulls: Nulls,
    pub work: Work,
    pub args: Vec<Node>,
    /// How many arguments say more than is said where they are left out: the others are in no key.
    pub told: usize,
    pub prepared: Prepared,
}

/// Literals to look up, as keys.
#[derive(Clone, Debug, Default)]
pub struct Set {
    pub keys: BTreeSet<Vec<u8>>,
    /// Whether null was among them.
    pub null: bool,
}

impl Node {
    /// Makes a node.
    pub fn new(ty: Type, kind: Kind) -> Node {
        Node { ty, kind }
    }

    /// Returns the value of a literal.
    pub fn literal(&self) -> Option<Value> {
        match &self.kind {
            Kind::Literal(array) => Some(value_at(array, 0)),
            _ => None,
        }
    }

    /// Returns the nodes directly below, in the order of the canonical text.
    pub fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Column(_) | Kind::Literal(_) => Vec::new(),
            Kind::Field(node, _) | Kind::Cast(node, _) | Kind::In(node, _) => vec![node],
            Kind::Call(call) => call.args.iter().collect(),
            Kind::Logic(_, nodes) | Kind::Coalesce(nodes) => nodes.iter().collect(),
            Kind::Case(arms, last) => arms.iter().flat_map(|(when, then)| [when, then]).chain([&**last]).collect(),
        }
    }

    pub fn children_mut(&mut self) -> Vec<&mut Node> {
        match &mut self.kind {
            Kind::Column(_) | Kind::Literal(_) => Vec::new(),
            Kind::Field(node, _) | Kind::Cast(node, _) | Kind::In(node, _) => vec![node],
            Kind::Call(call) => call.args.iter_mut().collect(),
            Kind::Logic(_, nodes) | Kind::Coalesce(nodes) => nodes.iter_mut().collect(),
            Kind::Case(arms, last) => {
                arms.iter_mut().flat_map(|(when, then)| [when, then]).chain([&mut **last]).collect()
            }
        }
    }

    /// Numbers columns by first use: column `i` becomes its place in `reads`, which grows.
    pub fn renumber(&mut self, reads: &mut Vec<usize>) {
        if let Kind::Column(column) = &mut self.kind {
            *column = reads.iter().position(|known| known == column).unwrap_or_else(|| {
                reads.push(*column);
                reads.len() - 1
            });
        }
        self.children_mut().into_iter().for_each(|child| child.renumber(reads));
    }

    /// Collects the columns read below.
    pub fn columns(&self, into: &mut BTreeSet<usize>) {
        if let Kind::Column(column) = self.kind {
            into.insert(column);
        }
        self.children().into_iter().for_each(|child| child.columns(into));
    }

    /// Returns whether rows whose result is not needed should be skipped.
    pub fn heavy(&self) -> bool {
        let own = match &self.kind {
            Kind::Call(call) => call.work != Work::Light,
            Kind::Cast(node, mode) => *mode == Mode::Strict && node.ty != Type::Int,
            Kind::Case(..) | Kind::Coalesce(_) => true,
            _ => false,
        };
        own || self.children().into_iter().any(Node::heavy)
    }

    /// Appends the canonical text.
    pub fn write(&self, out: &mut String) {
        match &self.kind {
            Kind::Column(column) => {
                put(out, format_args!("${column}:"));
                write_type(out, &self.ty);
            }
            Kind::Literal(array) => write_value(out, &self.ty, &value_at(array, 0)),
            Kind::Field(node, field) => {
                out.push_str("field(");
                node.write(out);
                put(out, format_args!(",{field})"));
            }
            Kind::Cast(node, mode) => {
                out.push_str(if *mode == Mode::Try { "try_cast" } else { "cast" });
                // The version of these casts: raised when their results change.
                out.push_str(if of_time(&node.ty) || of_time(&self.ty) { ":2(" } else { "(" });
                node.write(out);
                out.push(',');
                write_type(out, &self.ty);
                out.push(')');
            }
            Kind::Call(call) => {
                write_all(out, call.name, &call.args[..call.told]);
                out.push(':');
                write_type(out, &self.ty);
            }
            Kind::Logic(Logic::And, nodes) => write_all(out, "and", nodes),
            Kind::Logic(Logic::Or, nodes) => write_all(out, "or", nodes),
            Kind::Coalesce(nodes) => write_all(out, "coalesce", nodes),
            Kind::Case(..) => {
                out.push_str("case(");
                for (i, child) in self.children().into_iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    child.write(out);
                }
                out.push(')');
            }
            Kind::In(node, set) => {
                out.push_str("in(");
                node.write(out);
                for key in &set.keys {
                    out.push(',');
                    let value = take_key(&mut Reader::new(key), &node.ty).expect("the key was made of such a value");
                    write_value(out, &node.ty, &value);
                }
                out.push_str(if set.null { ",null)" } else { ")" });
            }
        }
    }
}

fn put(out: &mut String, text: std::fmt::Arguments) {
    out.write_fmt(text).expect("writing to a string does not fail");
}

fn write_all(out: &mut String, name: &str, nodes: &[Node]) {
    put(out, format_args!("`{name}`("));
    for (i, node) in nodes.iter().enumerate() {
        out.push_str(if i > 0 { "," } else { "" });
        node.write(out);
    }
    out.push(')');
}

fn write_value(out: &mut String, ty: &Type, value: &Value) {
    match value {
        // The text forms of other types hold no comma or bracket.
        Value::String(text) => put(out, format_args!("'{}'", text.replace('\'', "''"))),
        value => put(out, format_args!("{value}")),
    }
    out.push(':');
    write_type(out, ty);
}

/// Returns whether there are dates or timestamps in values of a type.
fn of_time(ty: &Type) -> bool {
    match ty {
        Type::Date | Type::Timestamp => true,
        Type::List(item) => of_time(item),
        Type::Struct(fields) => fields.iter().any(|field| of_time(&field.ty)),
        _ => false,
    }
}

/// Appends a type, with the names of fields quoted, so that no two types look alike.
fn write_type(out: &mut String, ty: &Type) {
    match ty {
        Type::List(item) => {
            out.push_str("list<");
            write_type(out, item);
            out.push('>');
        }
        Type::Struct(fields) => {
            out.push_str("struct<");
            for field in fields {
                put(out, format_args!("\"{}\" ", field.name.replace('"', "\"\"")));
                write_type(out, &field.ty);
                out.push(',');
            }
            out.push('>');
        }
        ty => put(out, format_args!("{ty}")),
    }
}
