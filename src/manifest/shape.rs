//! The vocabulary of the table of keys: what a value may look like, and how that is said.

use crate::diag::list;

/// What a key has to do with the identity of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Part of what is built: enters the key of the node.
    Definition,
    /// For people only: changing it rebuilds nothing.
    Description,
    /// Points at something whose *contents* enter the key: another node, a file; or says where a result is put.
    Edge,
}

/// What a string means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Any string.
    Plain,
    /// The name of a node.
    Name,
    /// The name of a dataset, or of a part of it: `name.part`.
    Ref,
    /// An SQL expression.
    Sql,
    /// A Jinja template.
    Template,
    /// The name of a column.
    Column,
    /// A path of a file in the project.
    Path,
    /// A pattern of paths.
    Pattern,
    /// A path inside the project that is written.
    Output,
    /// A type of a column.
    Type,
    /// A day, `2020-01-31`.
    Date,
    /// A share in percent, `5%`.
    Percent,
    /// Any string with more than white space.
    Filled,
    /// Any string but the empty one: a line break is one.
    NotEmpty,
    /// The base of an endpoint, `http://localhost:8000/v1`.
    Url,
    /// The name of an environment variable, `OPENAI_API_KEY`.
    Variable,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// The numbers that are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    Any,
    NotNegative,
    Positive,
    /// From 0 to 1.
    Probability,
    /// Above 0, at most 1.
    Share,
    /// Above 0, at most 1000.
    Epochs,
    /// Any number, also an infinite one.
    Bound,
    /// A time in seconds: above 0, at most a day.
    Seconds,
}

/// The seconds of a day.
pub const DAY: f64 = 86_400.0;

/// What a value may look like.
#[derive(Debug)]
pub enum Shape {
    Text(Text),
    /// An integer between the two, inclusive.
    Int(i64, i64),
    Number(Range),
    /// Only `true`.
    True,
    /// A string, number or bool.
    Scalar,
    /// A list of exactly two.
    Pair(&'static Shape),
    /// A list of at least one.
    List(&'static Shape),
    /// One, or a list of at least one.
    OneOrMore(&'static Shape),
    /// Names of one meaning → values of one shape; at least one.
    Map(Text, &'static Shape),
    /// The same, where the order in which they are written counts.
    Ordered(Text, &'static Shape),
    /// Anything that JSON can say too.
    Any,
    /// How many of some rows: a number of them, or a share.
    Part,
    Table(&'static Table),
    /// A list of at least one, or a table that says more.
    ListOr(&'static Shape, &'static Table),
    /// The first, or the second where a value of that kind can only be the second.
    Either(&'static Shape, &'static Shape),
}

/// A key, its value and its place in the node's identity.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub role: Role,
    pub doc: &'static str,
    /// Must be given.
    pub required: Required,
    /// The value, in TOML, that leaving the key out means. Giving it changes nothing, the node's key included.
    pub default: Option<&'static str>,
    /// Has a meaning only beside one of these.
    pub with: &'static [&'static str],
}

/// Whether a key may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    Yes,
    No,
    /// Of a group: unless this other key is given.
    Unless(&'static str),
}

/// Keys of which several at once make no sense.
#[derive(Debug)]
pub struct Group {
    pub keys: &'static [&'static str],
    /// `Yes`: exactly one must be given.
    pub required: Required,
    /// Why, as a sentence.
    pub doc: &'static str,
}

/// The keys of a table.
#[derive(Debug)]
pub struct Table {
    /// Sections, so that several tables may share one.
    pub sections: &'static [&'static [Key]],
    pub groups: &'static [Group],
}

impl Table {
    /// Returns the keys in the order of the reference.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + Clone + use<> {
        self.sections.iter().flat_map(|section| section.iter())
    }

    /// Returns the key called `name`.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}

/// Begins a key that may be left out.
pub const fn key(name: &'static str, role: Role, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, role, doc, required: Required::No, default: None, with: &[] }
}

impl Key {
    /// Makes the key one that must be given.
    pub const fn required(mut self) -> Key {
        self.required = Required::Yes;
        self
    }

    /// States what leaving the key out means.
    pub const fn default(mut self, value: &'static str) -> Key {
        self.default = Some(value);
        self
    }

    /// States the keys of which one must stand beside this one.
    pub const fn with(mut self, keys: &'static [&'static str]) -> Key {
        self.with = keys;
        self
    }
}

impl Range {
    /// Returns whether `number` is allowed.
    pub fn allows(self, number: f64) -> bool {
        (number.is_finite() || self == Range::Bound)
            && match self {
                Range::Any => true,
                Range::Bound => !number.is_nan(),
                Range::NotNegative => number >= 0.0,
                Range::Positive => number > 0.0,
                Range::Probability => (0.0..=1.0).contains(&number),
                Range::Share => number > 0.0 && number <= 1.0,
                Range::Epochs => number > 0.0 && number <= 1000.0,
                Range::Seconds => number > 0.0 && number <= DAY,
            }
    }

    /// Says what is allowed.
    pub fn expected(self) -> &'static str {
        match self {
            Range::Any => "a finite number",
            Range::Bound => "a number, `inf` or `-inf`",
            Range::NotNegative => "a number of at least 0",
            Range::Positive => "a number above 0",
            Range::Probability => "a number from 0 to 1",
            Range::Share => "a number above 0 and at most 1",
            Range::Epochs => "a number above 0 and at most 1000",
            Range::Seconds => "a number of seconds above 0 and at most 86400",
        }
    }
}

impl Shape {
    /// Says what is allowed, as in "must be …".
    pub fn expected(&self) -> String {
        match self {
            Shape::Text(text) => text.expected(),
            Shape::Int(i64::MIN, _) => "an integer".into(),
            Shape::Int(least, i64::MAX) => format!("an integer of at least {least}"),
            Shape::Int(least, most) => format!("an integer from {least} to {most}"),
            Shape::Number(range) => range.expected().into(),
            Shape::True => "`true`".into(),
            Shape::Scalar => "a string, a number or a bool".into(),
            Shape::Pair(item) => format!("a list of two, each {}", item.expected()),
            Shape::List(item) => format!("a list, each {}", item.expected()),
            Shape::OneOrMore(item) => format!("{}, or a list of them", item.expected()),
            Shape::Map(_, item) | Shape::Ordered(_, item) => format!("a table of names, each {}", item.expected()),
            Shape::Any => "any value".into(),
            Shape::Part => "a number of rows, or a share such as `\"2%\"` or `0.02`".into(),
            Shape::Table(_) => "a table".into(),
            Shape::ListOr(item, _) => format!("a list, each {}, or a table", item.expected()),
            Shape::Either(one, other) => format!("{}, or {}", one.expected(), other.expected()),
        }
    }
}

impl Text {
    /// Says what is allowed.
    pub fn expected(self) -> String {
        match self {
            Text::Plain | Text::Filled | Text::NotEmpty => "a string".into(),
            Text::Url => "a URL (a string)".into(),
            Text::Variable => "the name of an environment variable (a string)".into(),
            Text::Name => "a name (a string)".into(),
            Text::Ref => "a dataset's name (a string)".into(),
            Text::Sql => "SQL (a string)".into(),
            Text::Template => "a Jinja template (a string)".into(),
            Text::Column => "a column's name (a string)".into(),
            Text::Path | Text::Output => "a path (a string)".into(),
            Text::Pattern => "a pattern of paths (a string)".into(),
            Text::Type => "a column's type (a string)".into(),
            Text::Date => "a date".into(),
            Text::Percent => "a share such as `\"5%\"`".into(),
            Text::OneOf(words) => format!("one of {}", list(words.iter().copied())),
        }
    }
}
