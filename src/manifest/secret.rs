//! Keys that somebody wrote into a file by mistake: they are told, and shown to nobody.

use crate::diag::{Diagnostic, Source};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The code of a problem whose labels point at what must not be shown.
pub const CODE: &str = "secret";

/// Why it is an error.
pub const WHY: &str = "keys are never written into files: they are read from the environment when a request is sent";

/// Tells whether a string begins as providers let their keys begin.
pub fn begins_like_a_key(string: &str) -> bool {
    let starts = ["sk-", "sk_", "gsk_", "hf_", "AIza", "Bearer "];
    string.len() >= 16 && starts.iter().any(|start| string.starts_with(start))
}

/// Tells whether a string that is no name of a variable is more likely an API key than a slip.
pub fn looks_like_a_key(string: &str) -> bool {
    let one_word = !string.contains(char::is_whitespace);
    let long = one_word && string.len() >= 20 && string.contains(|c: char| c.is_ascii_digit());
    long || string.starts_with("sk-") || begins_like_a_key(string)
}

/// Puts stars in place of all secrets, in whatever text a problem would show: another problem may stand on the same line.
pub fn masked(mut problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
    for label in problems.iter().filter(|problem| problem.code == CODE).flat_map(|problem| &problem.labels) {
        let source = &label.span.source;
        let text = texts.entry(source.path.clone()).or_insert_with(|| source.text.clone());
        if let Some(secret) = text.get(label.span.range.clone()) {
            let star = |c: char| if "\"'".contains(c) { c.to_string() } else { "*".repeat(c.len_utf8()) };
            let stars: String = secret.chars().map(star).collect();
            text.replace_range(label.span.range.clone(), &stars);
        }
    }
    let sources: BTreeMap<PathBuf, Arc<Source>> =
        texts.into_iter().map(|(path, text)| (path.clone(), Source::new(path, text))).collect();
    for label in problems.iter_mut().flat_map(|problem| &mut problem.labels) {
        if let Some(source) = sources.get(&label.span.source.path) {
            label.span.source = source.clone();
        }
    }
    problems
}
