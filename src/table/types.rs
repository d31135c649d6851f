//! The types of columns, and their place among Arrow's.

use arrow_schema::{DataType, TimeUnit};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The type of a column. Every column may hold nulls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// Nulls only: nothing is known yet.
    Null,
    Bool,
    /// 64 bits, signed.
    Int,
    /// IEEE 754, 64 bits.
    Float,
    /// UTF-8.
    String,
    /// Days since 1970-01-01.
    Date,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp,
    List(Box<Type>),
    Struct(Vec<Field>),
}

/// How deep types are nested at most; a plain type is 1 deep.
pub const DEEPEST: u32 = 64;

/// A named, typed column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field {
    pub name: String,
    pub ty: Type,
}

impl Field {
    /// Names a type.
    pub fn new(name: impl Into<String>, ty: Type) -> Field {
        Field { name: name.into(), ty }
    }
}

/// The columns of a table, in order; names are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Schema(pub Vec<Field>);

impl Schema {
    /// Returns the position of the column called `name`.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|field| field.name == name)
    }

    /// Returns the column called `name`.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.0.iter().find(|field| field.name == name)
    }

    /// Returns the names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|field| field.name.as_str())
    }
}

impl Type {
    /// Returns Arrow's type for this one.
    pub fn arrow(&self) -> DataType {
        let field = |name: &str, ty: &Type| arrow_schema::Field::new(name, ty.arrow(), true);
        match self {
            Type::Null => DataType::Null,
            Type::Bool => DataType::Boolean,
            Type::Int => DataType::Int64,
            Type::Float => DataType::Float64,
            Type::String => DataType::Utf8,
            Type::Date => DataType::Date32,
            Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Type::List(item) => DataType::List(Arc::new(field("item", item))),
            Type::Struct(fields) => DataType::Struct(fields.iter().map(|f| field(&f.name, &f.ty)).collect()),
        }
    }

    /// Returns the type of a column of exactly this Arrow type, if tables have it.
    pub fn of(arrow: &DataType) -> Option<Type> {
        Some(match arrow {
            DataType::Null => Type::Null,
            DataType::Boolean => Type::Bool,
            DataType::Int64 => Type::Int,
            DataType::Float64 => Type::Float,
            DataType::Utf8 => Type::String,
            DataType::Date32 => Type::Date,
            DataType::Timestamp(TimeUnit::Microsecond, _) => Type::Timestamp,
            DataType::List(item) => Type::List(Box::new(Type::of(item.data_type())?)),
            DataType::Struct(fields) => Type::Struct(
                fields.iter().map(|f| Some(Field::new(f.name(), Type::of(f.data_type())?))).collect::<Option<_>>()?,
            ),
            _ => return None,
        })
    }

    /// Returns the narrowest type that holds both: null gives way, int widens to float, structs take all fields.
    ///
    /// `None` if there is none: a conflict that the user must decide.
    pub fn unify(&self, other: &Type) -> Option<Type> {
        Some(match (self, other) {
            (a, b) if a == b => a.clone(),
            (Type::Null, ty) | (ty, Type::Null) => ty.clone(),
            (Type::Int, Type::Float) | (Type::Float, Type::Int) => Type::Float,
            (Type::List(a), Type::List(b)) => Type::List(Box::new(a.unify(b)?)),
            (Type::Struct(a), Type::Struct(b)) => {
                let mut fields = a.clone();
                for field in b {
                    match fields.iter_mut().find(|f| f.name == field.name) {
                        Some(known) => known.ty = known.ty.unify(&field.ty)?,
                        None => fields.push(field.clone()),
                    }
                }
                Type::Struct(fields)
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Float => f.write_str("float"),
            Type::String => f.write_str("string"),
            Type::Date => f.write_str("date"),
            Type::Timestamp => f.write_str("timestamp"),
            Type::List(item) => write!(f, "list<{item}>"),
            Type::Struct(fields) => {
                f.write_str("struct<")?;
                for (i, field) in fields.iter().enumerate() {
                    write!(f, "{}{}: {}", if i > 0 { ", " } else { "" }, field.name, field.ty)?;
                }
                f.write_str(">")
            }
        }
    }
}

impl FromStr for Type {
    type Err = String;

    /// Reads a declared type: `bool`, `int`, `float`, `string`, `date`, `timestamp`, `list<…>`.
    fn from_str(text: &str) -> Result<Type, String> {
        let text = text.trim();
        if let Some(item) = text.strip_prefix("list<").and_then(|rest| rest.strip_suffix('>')) {
            return Ok(Type::List(Box::new(item.parse()?)));
        }
        Ok(match text {
            "bool" => Type::Bool,
            "int" => Type::Int,
            "float" => Type::Float,
            "string" => Type::String,
            "date" => Type::Date,
            "timestamp" => Type::Timestamp,
            _ => {
                return Err(format!(
                    "`{text}` is not a type; there are bool, int, float, string, date, timestamp, list<…>"
                ));
            }
        })
    }
}
