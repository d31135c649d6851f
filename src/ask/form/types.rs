//! JSON Schema to the types of columns, and back.

use crate::ask::json::Json;
use crate::table::{DEEPEST, Field, Type};

/// How many values a schema may describe, each counted as often as it is referred to.
const MOST: usize = 4096;

/// A part of a schema that no column can hold.
#[derive(Debug)]
pub(super) struct Problem {
    /// The property, as `a.b[]`; empty: the schema as a whole.
    pub(super) property: String,
    /// Where in the schema.
    pub(super) pointer: String,
    pub(super) why: String,
}

/// Returns the type of the values that a schema allows, and all that stands in the way of one.
pub(super) fn type_of(root: &Json) -> (Type, Vec<Problem>) {
    let mut reader = Reader { root, open: Vec::new(), seen: 0, problems: Vec::new() };
    let ty = reader.ty(root, &Place { property: String::new(), pointer: String::new(), depth: 1 });
    (ty, reader.problems)
}

/// Returns the schema of the values of a declared type.
pub(super) fn schema_of(ty: &Type) -> Json {
    let plain = |name: &str| vec![("type".to_owned(), Json::from(name))];
    Json::Object(match ty {
        Type::Null => plain("null"),
        Type::Bool => plain("boolean"),
        Type::Int => plain("integer"),
        Type::Float => plain("number"),
        Type::String => plain("string"),
        Type::Date => [plain("string"), vec![("format".to_owned(), "date".into())]].concat(),
        Type::Timestamp => [plain("string"), vec![("format".to_owned(), "date-time".into())]].concat(),
        Type::List(item) => [plain("array"), vec![("items".to_owned(), schema_of(item))]].concat(),
        Type::Struct(fields) => {
            let members = fields.iter().map(|field| (field.name.clone(), schema_of(&field.ty))).collect();
            [plain("object"), vec![("properties".to_owned(), Json::Object(members))]].concat()
        }
    })
}

/// Where the reader is.
struct Place {
    property: String,
    pointer: String,
    depth: u32,
}

impl Place {
    /// Goes to a keyword of the same value.
    fn keyword(&self, path: &str) -> Place {
        Place { property: self.property.clone(), pointer: format!("{}/{path}", self.pointer), depth: self.depth }
    }

    /// Goes to a value inside.
    fn inside(&self, property: String, path: &str) -> Place {
        Place { property, depth: self.depth + 1, ..self.keyword(path) }
    }
}

struct Reader<'a> {
    root: &'a Json,
    /// The references that are being followed.
    open: Vec<String>,
    /// Values met so far.
    seen: usize,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, place: &Place, why: impl Into<String>) -> Type {
        let (property, pointer) = (place.property.clone(), place.pointer.clone());
        self.problems.push(Problem { property, pointer, why: why.into() });
        Type::Null
    }

    fn ty(&mut self, schema: &Json, place: &Place) -> Type {
        self.seen += 1;
        if self.seen > MOST {
            // Said once: what comes after it is not looked at any more.
            let said = self.seen > MOST + 1;
            let why = format!("a schema has at most {MOST} properties, those in references counted");
            return if said { Type::Null } else { self.wrong(place, why) };
        }
        if place.depth > DEEPEST {
            return self.wrong(place, format!("types are nested at most {DEEPEST} deep"));
        }
        if let Some(Json::Text(reference)) = schema.get("$ref") {
            return self.follow(reference, place);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Json::List(choices)) = schema.get(keyword) {
                return self.any(choices, keyword, place);
            }
        }
        match schema.get("allOf") {
            Some(Json::List(parts)) if parts.len() == 1 => return self.ty(&parts[0], &place.keyword("allOf/0")),
            Some(_) => return self.wrong(place, "what `allOf` comes to is not worked out: write it as one schema"),
            None => {}
        }
        if let Some(Json::List(values)) = schema.get("enum") {
            return self.values(values, &place.keyword("enum"));
        }
        if let Some(value) = schema.get("const") {
            return self.values(std::slice::from_ref(value), &place.keyword("const"));
        }
        match schema.get("type") {
            Some(Json::Text(name)) => self.named(name, schema, place),
            Some(Json::List(names)) => {
                let names: Vec<&str> = names.iter().filter_map(Json::text).filter(|name| *name != "null").collect();
                let types: Vec<Type> = names.iter().map(|name| self.named(name, schema, place)).collect();
                self.one(types, &place.keyword("type"))
            }
            _ if schema.get("properties").is_some() => self.named("object", schema, place),
            _ => self.wrong(place, "nothing says what it is: add `type`"),
        }
    }

    fn follow(&mut self, reference: &str, place: &Place) -> Type {
        let Some(pointer) = reference.strip_prefix('#') else {
            return self.wrong(place, "only what is in this file can be referred to, as `#/$defs/…`");
        };
        if self.open.iter().any(|open| open == reference) {
            return self.wrong(place, "it contains itself, and could be nested without end");
        }
        let mut target = self.root;
        for segment in pointer.split('/').skip(1) {
            let name = segment.replace("~1", "/").replace("~0", "~");
            let inner = match target {
                Json::List(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)),
                object => object.get(&name),
            };
            match inner {
                Some(inner) => target = inner,
                None => return self.wrong(place, format!("there is no `{reference}`")),
            }
        }
        self.open.push(reference.to_owned());
        // Types may be nested without a property between, as a reference to a reference.
        let ty = self.ty(target, &Place { pointer: pointer.to_owned(), ..place.keyword("") });
        self.open.pop();
        ty
    }

    fn any(&mut self, choices: &[Json], keyword: &str, place: &Place) -> Type {
        let null = |choice: &Json| choice.get("type").and_then(Json::text) == Some("null");
        let mut types = Vec::new();
        for (at, choice) in choices.iter().enumerate().filter(|(_, choice)| !null(choice)) {
            types.push(self.ty(choice, &place.keyword(&format!("{keyword}/{at}"))));
        }
        self.one(types, &place.keyword(keyword))
    }

    /// Returns the one type that holds all of some.
    fn one(&mut self, types: Vec<Type>, place: &Place) -> Type {
        let mut sum = Type::Null;
        for ty in types {
            match sum.unify(&ty) {
                Some(ty) => sum = ty,
                None => return self.wrong(place, format!("one column cannot hold both {sum} and {ty}")),
            }
        }
        sum
    }

    fn values(&mut self, values: &[Json], place: &Place) -> Type {
        let mut types = Vec::new();
        for value in values {
            types.push(match value {
                Json::Null => Type::Null,
                Json::Bool(_) => Type::Bool,
                Json::Number(number) if number.is_f64() => Type::Float,
                Json::Number(_) => Type::Int,
                Json::Text(_) => Type::String,
                Json::List(_) | Json::Object(_) => {
                    return self.wrong(place, "values to choose from are strings, numbers or booleans");
                }
            });
        }
        self.one(types, place)
    }

    fn named(&mut self, name: &str, schema: &Json, place: &Place) -> Type {
        match name {
            "string" => Type::String,
            "integer" => Type::Int,
            "number" => Type::Float,
            "boolean" => Type::Bool,
            "null" => Type::Null,
            "array" => {
                let Some(items @ Json::Object(_)) = schema.get("items").filter(|_| schema.get("prefixItems").is_none())
                else {
                    return self.wrong(place, "nothing says of what type all of its items are: add `items`");
                };
                let item = self.ty(items, &place.inside(format!("{}[]", place.property), "items"));
                Type::List(Box::new(item))
            }
            "object" => {
                let Some(Json::Object(members)) = schema.get("properties").filter(|p| **p != Json::Object(vec![]))
                else {
                    return self.wrong(place, "nothing says which properties it has: add `properties`");
                };
                let mut fields = Vec::with_capacity(members.len());
                for (name, member) in members {
                    let dot = if place.property.is_empty() { "" } else { "." };
                    let property = format!("{}{dot}{name}", place.property);
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    let inside = place.inside(property, &format!("properties/{escaped}"));
                    fields.push(Field::new(name, self.ty(member, &inside)));
                }
                Type::Struct(fields)
            }
            other => self.wrong(place, format!("there is no type `{other}`")),
        }
    }
}
