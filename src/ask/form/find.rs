//! Finds the JSON in a reply: alone, in fences, or between words.

use crate::ask::json::Json;
use crate::table::Type;

/// Returns the JSON value that a reply is, or the one object (list) in it, if values of `ty` are objects (lists).
///
/// Many models write fences or a sentence around what was asked for. That is taken only where it cannot be misread: exactly one
/// value of the kind is there, and nothing that looks like the beginning of another.
pub(super) fn find(text: &str, ty: &Type) -> Result<Json, String> {
    let whole = match serde_json::from_str(text.trim()) {
        Ok(json) => return Ok(json),
        Err(error) => error,
    };
    let (open, kind) = match ty {
        Type::Struct(_) => ('{', "object"),
        Type::List(_) => ('[', "list"),
        _ => return Err(whole.to_string()),
    };
    let mut found = None;
    let mut at = 0;
    while let Some(next) = text[at..].find(open) {
        let rest = &text[at + next..];
        if !begins(rest) {
            at += next + 1;
            continue;
        }
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Json>();
        match values.next() {
            Some(Ok(_)) if found.is_some() => return Err(format!("there is more than one JSON {kind} in it")),
            Some(Ok(json)) => found = Some(json),
            Some(Err(error)) => return Err(error.to_string()),
            None => break,
        }
        at += next + values.byte_offset();
    }
    found.ok_or_else(|| format!("there is no JSON {kind} in it"))
}

/// Returns whether a bracket is followed by what follows it in JSON. If so, it has to be JSON; otherwise it is prose.
fn begins(text: &str) -> bool {
    let mut bytes = text.bytes();
    let open = bytes.next();
    let next = bytes.find(|byte| !byte.is_ascii_whitespace());
    match (open, next) {
        (Some(b'{'), Some(next)) => matches!(next, b'"' | b'}'),
        (_, Some(next)) => matches!(next, b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9'),
        (_, None) => false,
    }
}
