//! Keys that somebody wrote into a file by mistake: they are told, and shown to nobody.

use crate::diag::{Diagnostic, Source};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The code of a problem whose labels point at what must not be shown.
pub const CODE: &str = "secret";

/// Tells whether a string is more likely an API key than the name of a variable.
pub fn looks_like_a_key(string: &str) -> bool {
    let one_word = !string.contains(char::is_whitespace);
    let begins = ["sk-", "sk_", "gsk_", "hf_", "AIza", "Bearer "].iter().any(|start| string.starts_with(start));
    begins || (one_word && string.len() >= 20 && string.contains(|c: char| c.is_ascii_digit()))
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
