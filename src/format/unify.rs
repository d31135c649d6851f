//! Finding the types that all segments of all files agree on.

use super::{declaration, infer};
use crate::table::{Field, Schema, Type};
use std::collections::HashMap;

/// A line of a segment: the caller knows which file and line that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the segment, as the caller counts.
    pub segment: usize,
    /// The line in the segment, counted from 0.
    pub line: u32,
}

/// Two segments whose types for a column have nothing in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub column: String,
    /// The column, or what is inside of it: `meta.tags[]`.
    pub path: String,
    /// What it is by the first place, and there.
    pub first: (Type, Place),
    /// What it is by the second place, and there.
    pub second: (Type, Place),
}

impl Conflict {
    /// Says what is wrong.
    pub fn title(&self) -> String {
        format!("`{}` is {} in one place and {} in another", self.path, self.first.0, self.second.0)
    }

    /// Says what to do.
    pub fn help(&self) -> String {
        format!("declare the column: {}", declaration(&self.column, "string"))
    }
}

/// Merges the columns of segments, in order: new columns are fine, null gives way, int widens to float.
///
/// Columns are in order of first appearance. Of CSV and TSV, where a type is a guess at text, what does not agree is a string.
#[derive(Default)]
pub struct Unifier {
    columns: Vec<Known>,
    positions: HashMap<String, usize>,
}

struct Known {
    name: String,
    ty: Type,
    origin: Origin,
    place: Place,
}

/// Whether a type is the values' own or a guess at text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Values,
    Text,
}

impl Unifier {
    /// Begins without columns.
    pub fn new() -> Unifier {
        Unifier::default()
    }

    /// Adds a column whose type is its values' own: of any format but CSV and TSV, or declared.
    pub fn add(&mut self, name: &str, ty: &Type, place: Place) -> Result<(), Box<Conflict>> {
        self.merge(name, ty, Origin::Values, place)
    }

    /// Adds a column of texts that are written as `ty`: an undeclared one of CSV or TSV.
    pub fn add_text(&mut self, name: &str, ty: &Type, place: Place) -> Result<(), Box<Conflict>> {
        self.merge(name, ty, Origin::Text, place)
    }

    fn merge(&mut self, name: &str, ty: &Type, origin: Origin, place: Place) -> Result<(), Box<Conflict>> {
        let Some(position) = self.positions.get(name) else {
            self.positions.insert(name.to_owned(), self.columns.len());
            self.columns.push(Known { name: name.to_owned(), ty: ty.clone(), origin, place });
            return Ok(());
        };
        let known = &mut self.columns[*position];
        let unified = match (known.origin, origin) {
            (Origin::Text, Origin::Text) => infer::join(&known.ty, ty),
            (one, other) => match known.ty.unify(ty) {
                Some(unified) => unified,
                // Text is a string where the values beside it are.
                None if one == Origin::Text && *ty == Type::String => Type::String,
                None if other == Origin::Text && known.ty == Type::String => Type::String,
                None => {
                    let (path, one, other) = clash(name, &known.ty, ty);
                    return Err(Box::new(Conflict {
                        column: name.to_owned(),
                        path,
                        first: (one, known.place),
                        second: (other, place),
                    }));
                }
            },
        };
        if origin == Origin::Values {
            known.origin = Origin::Values;
        }
        if unified != known.ty {
            (known.ty, known.place) = (unified, place);
        }
        Ok(())
    }

    /// Returns the columns and their types.
    pub fn schema(self) -> Schema {
        Schema(self.columns.into_iter().map(|known| Field::new(known.name, known.ty)).collect())
    }
}

/// Finds the innermost pair of types that do not agree.
fn clash(path: &str, one: &Type, other: &Type) -> (String, Type, Type) {
    match (one, other) {
        (Type::List(one), Type::List(other)) => clash(&format!("{path}[]"), one, other),
        (Type::Struct(ones), Type::Struct(others)) => {
            let pairs = ones.iter().flat_map(|one| others.iter().map(move |other| (one, other)));
            let mut pairs = pairs.filter(|(one, other)| one.name == other.name);
            match pairs.find(|(one, other)| one.ty.unify(&other.ty).is_none()) {
                Some((one, other)) => clash(&format!("{path}.{}", one.name), &one.ty, &other.ty),
                None => (path.to_owned(), Type::Struct(ones.clone()), Type::Struct(others.clone())),
            }
        }
        _ => (path.to_owned(), one.clone(), other.clone()),
    }
}
