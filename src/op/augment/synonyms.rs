//! Lists of synonyms: `word<TAB>synonym,synonym`, one word a line.

use crate::diag::{Diagnostic, Diagnostics, Source, Span};
use crate::hash::Hash;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use unicode_segmentation::UnicodeSegmentation;

/// Synonyms by word, in lower case.
#[derive(Debug)]
pub struct Synonyms {
    of: HashMap<String, Vec<String>>,
    hash: Hash,
}

/// A small list of common English words, put together for datamake and under its licence.
const ENGLISH: &str = include_str!("english.tsv");

/// Mistakes in one list that are told.
const MOST: usize = 20;

impl Synonyms {
    /// Returns the list that is used where none is named.
    pub fn english() -> Arc<Synonyms> {
        static LIST: LazyLock<Arc<Synonyms>> = LazyLock::new(|| {
            Arc::new(Synonyms::parse(&Source::new("english.tsv", ENGLISH)).expect("a test reads the list"))
        });
        LIST.clone()
    }

    /// Reads a list. Empty lines and those that begin with `#` are passed over.
    pub fn parse(source: &Arc<Source>) -> Result<Synonyms, Diagnostics> {
        let mut of: HashMap<String, Vec<String>> = HashMap::new();
        let mut problems = Diagnostics::default();
        let mut at = 0;
        for line in source.text.split_inclusive('\n') {
            let text = line.trim_end_matches(['\n', '\r']);
            let span = Span::new(source, at..at + text.len());
            at += line.len();
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            match entry(text) {
                Ok((word, synonyms)) => {
                    if of.insert(word.clone(), synonyms).is_some() {
                        problems.push(wrong(&span, &format!("`{word}` stands here a second time")));
                    }
                }
                Err(why) => problems.push(wrong(&span, why)),
            }
            if problems.0.len() == MOST {
                break;
            }
        }
        if of.is_empty() && problems.0.is_empty() {
            problems.push(wrong(&Span::new(source, 0..0), "there are no words in it"));
        }
        if problems.has_errors() { Err(problems) } else { Ok(Synonyms { of, hash: Hash::of(source.text.as_bytes()) }) }
    }

    /// Returns the synonyms of a word, whatever its case.
    pub(super) fn of(&self, word: &str) -> &[String] {
        self.of.get(&word.to_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// Returns how many words there are.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Returns whether there are no words; a list that is read has some.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Returns the hash of the list as it is written.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

fn entry(line: &str) -> Result<(String, Vec<String>), &'static str> {
    let (word, synonyms) = line.split_once('\t').ok_or("there is no tab between the word and its synonyms")?;
    let word = word.trim();
    if word.split_word_bounds().count() != 1 || !word.contains(char::is_alphanumeric) {
        return Err("synonyms are looked up for single words");
    }
    let synonyms: Vec<String> = synonyms.split(',').map(|one| one.trim().to_owned()).collect();
    if synonyms.iter().any(String::is_empty) {
        return Err("a synonym is empty");
    }
    Ok((word.to_lowercase(), synonyms))
}

fn wrong(span: &Span, why: &str) -> Diagnostic {
    Diagnostic::error("bad-synonyms", "a list of synonyms cannot be read")
        .at(span, why)
        .help("a line is a word, a tab, and its synonyms with commas between them")
}
