//! JSON Schema (draft 7) of the manifest, from the table of keys, for completion and checking in editors.

use super::keys::{Holds, KINDS};
use super::shape::{DAY, Range, Required, Shape, Table, Text};
use serde_json::{Map, Value, json};

const NAME: &str = "^[A-Za-z_][A-Za-z0-9_-]*$";

/// Returns the schema.
pub fn schema() -> Value {
    let mut properties = Map::new();
    for kind in KINDS {
        let mut schema = match &kind.holds {
            Holds::Keys(spec) => table(spec),
            Holds::Values => json!({
                "type": "object",
                "propertyNames": { "pattern": NAME },
                "additionalProperties": { "type": ["string", "number", "boolean"] },
            }),
            Holds::Overlays => json!({
                "type": "object",
                "propertyNames": { "pattern": NAME },
                "additionalProperties": { "type": "object" },
            }),
            Holds::Nodes(spec) => json!({
                "type": "object",
                "propertyNames": { "pattern": NAME },
                "additionalProperties": table(spec),
            }),
        };
        schema["description"] = kind.doc.into();
        properties.insert(kind.name.to_owned(), schema);
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "datamake.toml",
        "description": "The manifest of a datamake project.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "definitions": {
            "param": {
                "type": "string",
                "pattern": "^\\$\\{params\\.[A-Za-z_][A-Za-z0-9_-]*\\}$",
                "description": "The value of a param.",
            },
        },
    })
}

fn table(spec: &Table) -> Value {
    let mut properties = Map::new();
    let mut dependencies = Map::new();
    for key in spec.keys() {
        let mut value = shape(&key.shape);
        value["description"] = key.doc.into();
        if let Some(default) = key.default {
            value["default"] = serde_json::from_str(default).unwrap_or_else(|_| default.into());
        }
        properties.insert(key.name.to_owned(), value);
        match key.with {
            [] => {}
            [one] => drop(dependencies.insert(key.name.to_owned(), json!([one]))),
            several => drop(dependencies.insert(key.name.to_owned(), json!({ "anyOf": requirements(several) }))),
        }
    }
    let required: Vec<&str> = spec.keys().filter(|key| key.required == Required::Yes).map(|key| key.name).collect();
    let group = |group: &super::shape::Group| {
        let mut choices = requirements(group.keys);
        let none = json!({ "anyOf": requirements(group.keys) });
        match group.required {
            Required::Yes => {}
            Required::No => choices.push(json!({ "not": none })),
            Required::Unless(other) => choices.push(json!({ "required": [other], "not": none })),
        }
        json!({ "oneOf": choices })
    };
    let groups: Vec<Value> = spec.groups.iter().map(group).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    if !dependencies.is_empty() {
        schema["dependencies"] = dependencies.into();
    }
    if !groups.is_empty() {
        schema["allOf"] = groups.into();
    }
    schema
}

fn requirements(keys: &[&str]) -> Vec<Value> {
    keys.iter().map(|key| json!({ "required": [key] })).collect()
}

fn shape(of: &Shape) -> Value {
    let or_param = |value: Value| json!({ "anyOf": [value, { "$ref": "#/definitions/param" }] });
    let list = |item: &Shape| json!({ "type": "array", "items": shape(item), "minItems": 1 });
    match of {
        Shape::Text(Text::OneOf(words)) => or_param(json!({ "enum": words })),
        Shape::Text(Text::Plain | Text::Template) => json!({ "type": "string" }),
        Shape::Text(Text::Variable) => or_param(json!({ "type": "string", "pattern": "^[A-Z_][A-Z0-9_]*$" })),
        Shape::Text(Text::Percent) => json!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$" }),
        // A date of TOML is no JSON; editors hand it on as a string.
        Shape::Text(_) => json!({ "type": "string", "minLength": 1 }),
        Shape::Int(least, most) => {
            let mut int = json!({ "type": "integer" });
            if *least != i64::MIN {
                int["minimum"] = (*least).into();
            }
            if *most != i64::MAX {
                int["maximum"] = (*most).into();
            }
            or_param(int)
        }
        Shape::Number(range) => {
            let mut number = json!({ "type": "number" });
            match range {
                Range::Any => {}
                // JSON has no infinity: editors hand on null.
                Range::Bound => number["type"] = json!(["number", "null"]),
                Range::NotNegative => number["minimum"] = 0.into(),
                Range::Positive => number["exclusiveMinimum"] = 0.into(),
                Range::Probability => {
                    number["minimum"] = 0.into();
                    number["maximum"] = 1.into();
                }
                Range::Share => {
                    number["exclusiveMinimum"] = 0.into();
                    number["maximum"] = 1.into();
                }
                Range::Epochs => {
                    number["exclusiveMinimum"] = 0.into();
                    number["maximum"] = 1000.into();
                }
                Range::Seconds => {
                    number["exclusiveMinimum"] = 0.into();
                    number["maximum"] = DAY.into();
                }
            }
            or_param(number)
        }
        Shape::True => or_param(json!({ "const": true })),
        Shape::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Pair(item) => json!({ "type": "array", "items": shape(item), "minItems": 2, "maxItems": 2 }),
        Shape::List(item) => list(item),
        Shape::OneOrMore(item) => json!({ "anyOf": [shape(item), list(item)] }),
        Shape::Any => json!({}),
        Shape::Part => or_param(json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "number", "minimum": 0, "exclusiveMaximum": 1 },
            { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$" },
        ] })),
        Shape::Map(names, item) | Shape::Ordered(names, item) => {
            let mut map = json!({ "type": "object", "additionalProperties": shape(item), "minProperties": 1 });
            match names {
                Text::Name => map["propertyNames"] = json!({ "pattern": NAME }),
                Text::OneOf(words) => map["propertyNames"] = json!({ "enum": words }),
                _ => {}
            }
            map
        }
        Shape::Table(spec) => table(spec),
        Shape::ListOr(item, spec) => json!({ "anyOf": [list(item), table(spec)] }),
        Shape::Either(one, other) => json!({ "anyOf": [shape(one), shape(other)] }),
    }
}
