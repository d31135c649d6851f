//! JSON with the keys of objects in the order in which they are written, and none of them twice.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Number, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// A JSON value. The order of keys counts: models write the properties of a schema in that order, and columns stand in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Returns the value of a key, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Json> {
        let Json::Object(members) = self else { return None };
        members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Returns the text that it is, if it is one.
    pub fn text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    /// Writes it without spaces, keys in their order.
    pub fn compact(&self) -> String {
        serde_json::to_string(self).expect("keys are strings and nothing is written to a file")
    }

    /// Returns it as serde's value, which sorts keys.
    pub fn value(&self) -> Value {
        match self {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(value) => Value::Number(value.clone()),
            Json::Text(value) => Value::String(value.clone()),
            Json::List(items) => Value::Array(items.iter().map(Json::value).collect()),
            Json::Object(members) => {
                Value::Object(members.iter().map(|(name, value)| (name.clone(), value.value())).collect())
            }
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_owned())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => to.serialize_unit(),
            Json::Bool(value) => to.serialize_bool(*value),
            Json::Number(value) => value.serialize(to),
            Json::Text(value) => to.serialize_str(value),
            Json::List(items) => to.collect_seq(items),
            Json::Object(members) => to.collect_map(members.iter().map(|(name, value)| (name, value))),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Json, D::Error> {
        from.deserialize_any(Reader)
    }
}

/// Reads a value of any kind.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members: Vec<(String, Json)> = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(de::Error::custom(format!("the key {:?} comes twice in one object", pair[0]))),
            None => Ok(Json::Object(members)),
        }
    }
}

/// Returns where in a JSON text the value at a JSON pointer stands; the innermost value on the way that is there.
pub fn place(text: &str, pointer: &str) -> Range<usize> {
    let Ok(mut raw) = serde_json::from_str::<&RawValue>(text) else { return 0..0 };
    for segment in pointer.split('/').skip(1) {
        let name = segment.replace("~1", "/").replace("~0", "~");
        let inner = if raw.get().starts_with('{') {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
            members.get(&name).copied()
        } else {
            let items: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
            name.parse::<usize>().ok().and_then(|at| items.get(at).copied())
        };
        let Some(inner) = inner else { break };
        raw = inner;
    }
    let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
    start..start + raw.get().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_in_the_order_in_which_they_are_written() {
        let text = r#"{"z":1,"a":[true,null,{"y":"x","b":-1.5}]}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(json.compact(), text);
        assert_eq!(json.value().to_string(), r#"{"a":[true,null,{"b":-1.5,"y":"x"}],"z":1}"#);
    }

    #[test]
    fn a_key_that_comes_twice_is_an_error_at_any_depth() {
        let error = serde_json::from_str::<Json>(r#"[{"a":{"b":1,"c":2,"b":1}}]"#).unwrap_err();
        assert_eq!(error.to_string(), r#"the key "b" comes twice in one object at line 1 column 25"#);
    }

    #[test]
    fn a_pointer_leads_to_the_text_that_it_means() {
        let text = r#" {"a/b": [10, {"c": "d"}]} "#;
        assert_eq!(&text[place(text, "/a~1b/1/c")], r#""d""#);
        assert_eq!(&text[place(text, "/a~1b/0")], "10");
        assert_eq!(&text[place(text, "/a~1b/7/c")], r#"[10, {"c": "d"}]"#);
    }
}
