//! Reads the recipe of a synthetic column.

use super::check::number;
use super::declare::{Declarer, int};
use super::value::{Entry, Kind, Table, Value};
use crate::op::{Literal, NamePart, Recipe};
use crate::table::Type;
use crate::time::read_date;

impl Declarer<'_> {
    /// Reads a recipe that has passed the table of keys.
    pub(super) fn recipe(&mut self, table: &Table) -> Option<Recipe> {
        let decimals = || table.get("decimals").and_then(|entry| u8::try_from(int(&entry.value)?).ok());
        let kinds = ["choice", "integer", "float", "normal", "bool", "sequence", "name", "date", "uuid", "constant"];
        let (&name, entry) = kinds.iter().find_map(|name| Some((name, table.get(name)?)))?;
        Some(match name {
            "choice" => self.choice(entry, table.get("weights"))?,
            "integer" => {
                let [low, high] = self.ascending(entry, int)?;
                Recipe::Integer { low, high }
            }
            "float" => {
                let [low, high] = self.ascending(entry, number)?;
                Recipe::Float { low, high, decimals: decimals() }
            }
            "normal" => {
                let [mean, sd] = pair(entry, number)?;
                if sd < 0.0 {
                    let title = "a standard deviation must be at least 0".to_owned();
                    self.error("out-of-range", title, entry.value.at, &format!("found {sd}"));
                }
                Recipe::Normal { mean, sd, decimals: decimals() }
            }
            "bool" => Recipe::Bool { p: number(&entry.value)? },
            "sequence" => {
                let step = table.get("step").map_or(Some(1), |entry| int(&entry.value))?;
                Recipe::Sequence { start: int(&entry.value)?, step }
            }
            "name" => Recipe::Name(match &*entry.value.string()? {
                "first" => NamePart::First,
                "last" => NamePart::Last,
                _ => NamePart::Full,
            }),
            "date" => {
                let [first, last] = self.ascending(entry, |value| read_date(&value.string()?))?;
                Recipe::Date { first, last }
            }
            "uuid" => Recipe::Uuid,
            _ => Recipe::Constant(scalar(&entry.value)?),
        })
    }

    /// Reads two ends, and reports those in the wrong order.
    fn ascending<T: PartialOrd>(&mut self, entry: &Entry, read: impl Fn(&Value) -> Option<T>) -> Option<[T; 2]> {
        let [low, high] = pair(entry, read)?;
        if low > high {
            let title = "the first of a range must not be above the second".to_owned();
            self.error("out-of-range", title, entry.value.at, "the other way round");
        }
        Some([low, high])
    }

    fn choice(&mut self, entry: &Entry, weights: Option<&Entry>) -> Option<Recipe> {
        let Kind::List(items) = &entry.value.kind else { return None };
        let mut values: Vec<Literal> = items.iter().map(scalar).collect::<Option<_>>()?;
        let mut ty = values.first()?.ty();
        for (item, value) in items.iter().zip(&values) {
            match ty.unify(&value.ty()) {
                Some(both) => ty = both,
                None => {
                    let title = "the values of `choice` must be of one type".to_owned();
                    let label = format!("found {} after a value of type `{ty}`", item.kind.name());
                    self.error("wrong-type", title, item.at, &label);
                    return None;
                }
            }
        }
        if ty == Type::Float {
            // A list with one fraction in it is a list of fractions.
            values.iter_mut().for_each(|value| {
                if let Literal::Int(int) = value {
                    *value = Literal::Float(*int as f64);
                }
            });
        }
        let given = match weights.map(|entry| &entry.value) {
            Some(Value { kind: Kind::List(items), at, .. }) => {
                Some((items.iter().map(number).collect::<Option<Vec<f64>>>()?, *at))
            }
            _ => None,
        };
        if let Some((weights, at)) = &given {
            if weights.len() != values.len() {
                let title = format!("`weights` must be as many as the values of `choice`, {}", values.len());
                self.error("out-of-range", title, *at, &format!("found {}", weights.len()));
            } else if weights.iter().all(|weight| *weight == 0.0) {
                self.error("out-of-range", "one of the `weights` must be above 0".to_owned(), *at, "all are 0");
            }
        }
        Some(Recipe::Choice { values, weights: given.map(|(weights, _)| weights).unwrap_or_default() })
    }
}

fn pair<T>(entry: &Entry, read: impl Fn(&Value) -> Option<T>) -> Option<[T; 2]> {
    match &entry.value.kind {
        Kind::List(items) if items.len() == 2 => Some([read(&items[0])?, read(&items[1])?]),
        _ => None,
    }
}

fn scalar(value: &Value) -> Option<Literal> {
    Some(match &value.kind {
        Kind::Bool(bool) => Literal::Bool(*bool),
        Kind::Int(int) => Literal::Int(*int),
        Kind::Float(float) => Literal::Float(*float),
        Kind::Text(text) => Literal::String(text.to_string()),
        _ => return None,
    })
}
