//! Signatures of functions: written as text in the tables, matched against the types of arguments.

use super::cast::common;
use super::value::Value;
use crate::table::Type;

/// What a parameter takes, or what a function gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param {
    /// This type, or what widens to it: null to any, int to float, date to timestamp.
    Exact(Type),
    /// Any type.
    Any,
    /// The common type of all parameters written `T`.
    T,
    /// `T`, and it has an order: neither list nor struct.
    Ordered,
    /// A list of `T`.
    ListOfT,
    /// Any type, cast to string.
    Shown,
    /// A string; compiled once if it is a literal.
    Regex,
    /// A string; compiled once if it is a literal.
    Like,
    /// An int between the two, written `1..4`; a literal is checked before anything runs.
    Within(i64, i64),
    /// One of these strings, written `'a'|'b'`; a literal is checked before anything runs.
    Choice(Vec<String>),
}

/// A signature.
#[derive(Clone, Debug)]
pub struct Form {
    pub params: Vec<Param>,
    /// What each parameter is where it is left out; those that may be are the last.
    pub defaults: Vec<Option<Value>>,
    /// Whether the last parameter may repeat.
    pub variadic: bool,
    pub result: Param,
}

/// Why arguments do not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Their number.
    Count,
    /// The type of one.
    Argument(usize),
    /// Those written `T` have no common type.
    Unlike,
}

/// How arguments match: the types to cast them to, the type of the result.
#[derive(Clone, Debug)]
pub struct Match {
    pub args: Vec<Type>,
    pub result: Type,
    /// Whether all that is written `T` is null; the arguments become ints then.
    pub untyped: bool,
    /// How many arguments are widened.
    widened: usize,
}

impl Form {
    /// Reads `a: type, b: type... -> type` and `a: type, b: type = 1 -> type`.
    ///
    /// # Panics
    /// If the text is no signature; a test reads all of them.
    pub fn read(text: &str) -> Form {
        let (params, result) = text.split_once(" -> ").expect("a signature has an arrow");
        let params: Vec<&str> = params.split(", ").filter(|param| !param.is_empty()).collect();
        let ty = |param: &&str| {
            let ty = param.split_once(": ").expect("a parameter has a type").1.trim_end_matches("...");
            let (ty, default) = ty.split_once(" = ").map_or((ty, None), |(ty, default)| (ty, Some(default)));
            let default = default.map(|default| match default.parse() {
                Ok(int) => Value::Int(int),
                Err(_) => Value::String(default.trim_matches('\'').to_owned()),
            });
            (Param::read(ty), default)
        };
        let variadic = params.last().is_some_and(|param| param.ends_with("..."));
        let (params, defaults) = params.iter().map(ty).unzip();
        Form { variadic, params, defaults, result: Param::read(result) }
    }

    /// Returns what the parameters are that are left out behind so many arguments.
    pub fn left_out(&self, args: usize) -> impl Iterator<Item = (Type, Value)> {
        self.defaults.iter().skip(args).flatten().map(|value| match value {
            Value::Int(_) => (Type::Int, value.clone()),
            _ => (Type::String, value.clone()),
        })
    }

    /// Returns how many of some arguments, by the values of literals, say more than is said where they are left out.
    pub fn telling(&self, args: &[Option<Value>]) -> usize {
        let is_default = |(arg, default): &(&Option<Value>, &Option<Value>)| arg.is_some() && arg == default;
        args.len() - args.iter().zip(&self.defaults).rev().take_while(is_default).count()
    }

    /// Matches the types of arguments.
    pub fn matches(&self, args: &[Type]) -> Result<Match, Mismatch> {
        let enough = match self.defaults.get(args.len()..) {
            Some(left_out) => left_out.iter().all(Option::is_some),
            None => self.variadic,
        };
        if !enough {
            return Err(Mismatch::Count);
        }
        let param = |i: usize| &self.params[i.min(self.params.len() - 1)];
        let mut t = Type::Null;
        for (i, arg) in args.iter().enumerate() {
            let own = match (param(i), arg) {
                (Param::T, ty) => ty,
                (Param::Ordered, Type::List(_) | Type::Struct(_)) => return Err(Mismatch::Argument(i)),
                (Param::Ordered, ty) => ty,
                (Param::ListOfT, Type::List(item)) => &**item,
                (Param::ListOfT, Type::Null) => &Type::Null,
                (Param::ListOfT, _) => return Err(Mismatch::Argument(i)),
                _ => continue,
            };
            t = common(&t, own).ok_or(Mismatch::Unlike)?;
        }
        let untyped = t == Type::Null;
        if untyped {
            t = Type::Int;
        }
        let want = |param: &Param, own: &Type| match param {
            Param::Exact(ty) => ty.clone(),
            Param::Any => own.clone(),
            Param::T | Param::Ordered => t.clone(),
            Param::ListOfT => Type::List(Box::new(t.clone())),
            Param::Within(..) => Type::Int,
            Param::Shown | Param::Regex | Param::Like | Param::Choice(_) => Type::String,
        };
        let mut wanted = Vec::with_capacity(args.len());
        let mut widened = 0;
        for (i, arg) in args.iter().enumerate() {
            let ty = want(param(i), arg);
            if *param(i) != Param::Shown && common(arg, &ty).as_ref() != Some(&ty) {
                return Err(Mismatch::Argument(i));
            }
            widened += usize::from(ty != *arg && *arg != Type::Null);
            wanted.push(ty);
        }
        Ok(Match { untyped, args: wanted, result: want(&self.result, &Type::Null), widened })
    }
}

/// Picks the signature that widens the fewest arguments, the first of equals; or the mismatch of each.
pub fn pick<'a, X>(forms: &'a [(Form, X)], args: &[Type]) -> Result<(&'a Form, &'a X, Match), Vec<Mismatch>> {
    let mut best: Option<(&Form, &X, Match)> = None;
    let mut wrong = Vec::new();
    for (form, extra) in forms {
        match form.matches(args) {
            Ok(found) if best.as_ref().is_none_or(|(_, _, best)| found.widened < best.widened) => {
                best = Some((form, extra, found));
            }
            Ok(_) => {}
            Err(mismatch) => wrong.push(mismatch),
        }
    }
    best.ok_or(wrong)
}

impl Param {
    fn read(text: &str) -> Param {
        match text {
            "any" => Param::Any,
            "shown" => Param::Shown,
            "T" => Param::T,
            "ordered" => Param::Ordered,
            "list<T>" => Param::ListOfT,
            "regex" => Param::Regex,
            "like" => Param::Like,
            choices if choices.starts_with('\'') => {
                Param::Choice(choices.split('|').map(|choice| choice.trim_matches('\'').to_owned()).collect())
            }
            range if range.contains("..") => {
                let (least, most) = range.split_once("..").expect("it was just found");
                let bound = |text: &str| text.parse().expect("a signature names bounds");
                Param::Within(bound(least), bound(most))
            }
            ty => Param::Exact(ty.parse().expect("a signature names types")),
        }
    }
}
