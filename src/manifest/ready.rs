//! Ready filters, `use` of `[filter.NAME]`: the conditions of published filters, each with a reason of its own.
//!
//! They are those of datatrove 0.10.1, with its parameters by their names and its defaults. What a part is called is the reason that datatrove gives,
//! and their order is that in which it looks.

use super::check::number;
use super::decl::{FilterPart, Text};
use super::declare::Declarer;
use super::value::{Kind, Table, Value};
use crate::diag::{Diagnostic, list};
use crate::query::quoted;
use crate::text::{WORD_KINDS, WordKind};
use std::collections::BTreeMap;

/// A published filter.
struct Ready {
    name: &'static str,
    params: &'static [(&'static str, Preset)],
    parts: &'static [Part],
}

/// What a parameter is unless it is given.
#[derive(Clone, Copy)]
enum Preset {
    /// How many.
    Count(f64),
    /// How many of something for each of another thing.
    Number(f64),
    /// A part of a whole.
    Share(f64),
    Switch(bool),
    /// Words with blanks between them.
    Words(&'static str),
    /// What a word is.
    Spelling,
}

/// One condition of a published filter. In its text, a parameter stands in braces; `{text}` is the column.
struct Part {
    reason: &'static str,
    /// The parameter that switches it off where it is `false`.
    by: &'static str,
    condition: &'static str,
}

use Preset::{Count, Number, Share, Spelling, Switch, Words};

const fn part(reason: &'static str, by: &'static str, condition: &'static str) -> Part {
    Part { reason, by, condition }
}

/// The names of all.
pub const NAMES: [&str; 4] = ["gopher_quality", "gopher_repetition", "c4", "fineweb"];

const READY: [Ready; 4] = [
    Ready {
        name: NAMES[0],
        params: &[
            ("min_doc_words", Count(50.0)),
            ("max_doc_words", Count(100_000.0)),
            ("min_avg_word_length", Number(3.0)),
            ("max_avg_word_length", Number(10.0)),
            ("max_symbol_word_ratio", Number(0.1)),
            ("max_bullet_lines_ratio", Share(0.9)),
            ("max_ellipsis_lines_ratio", Share(0.3)),
            ("max_non_alpha_words_ratio", Share(0.8)),
            ("min_stop_words", Count(2.0)),
            ("stop_words", Words("the be to of and that have with")),
            ("words", Spelling),
        ],
        parts: &[
            part("short_doc", "min_doc_words", "spelt_word_count({text}, {words}) >= {min_doc_words}"),
            part("long_doc", "max_doc_words", "spelt_word_count({text}, {words}) <= {max_doc_words}"),
            part(
                "below_avg_threshold",
                "min_avg_word_length",
                "mean_word_length({text}, {words}) >= {min_avg_word_length}",
            ),
            part(
                "above_avg_threshold",
                "max_avg_word_length",
                "mean_word_length({text}, {words}) <= {max_avg_word_length}",
            ),
            part(
                "too_many_hashes",
                "max_symbol_word_ratio",
                "symbol_word_ratio({text}, '#', {words}) <= {max_symbol_word_ratio}",
            ),
            part(
                "too_many_ellipsis",
                "max_symbol_word_ratio",
                "symbol_word_ratio({text}, '...', {words}) <= {max_symbol_word_ratio}",
            ),
            part("too_many_bullets", "max_bullet_lines_ratio", "bullet_line_share({text}) <= {max_bullet_lines_ratio}"),
            part(
                "too_many_end_ellipsis",
                "max_ellipsis_lines_ratio",
                "ellipsis_line_share({text}) <= {max_ellipsis_lines_ratio}",
            ),
            part(
                "below_alpha_threshold",
                "max_non_alpha_words_ratio",
                "letter_word_share({text}, {words}) >= {max_non_alpha_words_ratio}",
            ),
            part(
                "enough_stop_words",
                "min_stop_words",
                "stop_word_count({text}, {stop_words}, {words}) >= {min_stop_words}",
            ),
        ],
    },
    Ready {
        name: NAMES[1],
        params: &[
            ("dup_para_frac", Share(0.3)),
            ("dup_para_char_frac", Share(0.2)),
            ("dup_line_frac", Share(0.3)),
            ("dup_line_char_frac", Share(0.2)),
            ("top_2_gram", Share(0.2)),
            ("top_3_gram", Share(0.18)),
            ("top_4_gram", Share(0.16)),
            ("duplicated_5_n_grams", Share(0.15)),
            ("duplicated_6_n_grams", Share(0.14)),
            ("duplicated_7_n_grams", Share(0.13)),
            ("duplicated_8_n_grams", Share(0.12)),
            ("duplicated_9_n_grams", Share(0.11)),
            ("duplicated_10_n_grams", Share(0.10)),
            ("words", Spelling),
        ],
        parts: &[
            part("dup_para_frac", "dup_para_frac", "duplicate_paragraph_share({text}) <= {dup_para_frac}"),
            part(
                "dup_para_char_frac",
                "dup_para_char_frac",
                "duplicate_paragraph_char_share({text}) <= {dup_para_char_frac}",
            ),
            part("dup_line_frac", "dup_line_frac", "duplicate_line_share({text}) <= {dup_line_frac}"),
            part(
                "dup_line_char_frac",
                "dup_line_char_frac",
                "duplicate_line_char_share({text}) <= {dup_line_char_frac}",
            ),
            part("top_2_gram", "top_2_gram", "top_ngram_share({text}, 2, {words}) <= {top_2_gram}"),
            part("top_3_gram", "top_3_gram", "top_ngram_share({text}, 3, {words}) <= {top_3_gram}"),
            part("top_4_gram", "top_4_gram", "top_ngram_share({text}, 4, {words}) <= {top_4_gram}"),
            part(
                "duplicated_5_n_grams",
                "duplicated_5_n_grams",
                "duplicate_ngram_share({text}, 5, {words}) <= {duplicated_5_n_grams}",
            ),
            part(
                "duplicated_6_n_grams",
                "duplicated_6_n_grams",
                "duplicate_ngram_share({text}, 6, {words}) <= {duplicated_6_n_grams}",
            ),
            part(
                "duplicated_7_n_grams",
                "duplicated_7_n_grams",
                "duplicate_ngram_share({text}, 7, {words}) <= {duplicated_7_n_grams}",
            ),
            part(
                "duplicated_8_n_grams",
                "duplicated_8_n_grams",
                "duplicate_ngram_share({text}, 8, {words}) <= {duplicated_8_n_grams}",
            ),
            part(
                "duplicated_9_n_grams",
                "duplicated_9_n_grams",
                "duplicate_ngram_share({text}, 9, {words}) <= {duplicated_9_n_grams}",
            ),
            part(
                "duplicated_10_n_grams",
                "duplicated_10_n_grams",
                "duplicate_ngram_share({text}, 10, {words}) <= {duplicated_10_n_grams}",
            ),
        ],
    },
    Ready {
        name: NAMES[2],
        params: &[
            ("remove_citations", Switch(true)),
            ("filter_no_terminal_punct", Switch(true)),
            ("min_num_sentences", Count(5.0)),
            ("min_words_per_line", Count(3.0)),
            ("max_word_length", Count(1000.0)),
            ("filter_lorem_ipsum", Switch(true)),
            ("filter_javascript", Switch(true)),
            ("filter_curly_bracket", Switch(true)),
            ("filter_policy", Switch(true)),
        ],
        parts: &[
            part("lorem_ipsum", "filter_lorem_ipsum", "not c4_lorem_ipsum({text}, {rules})"),
            part("curly_bracket", "filter_curly_bracket", "not c4_curly_bracket({text}, {rules})"),
            part("too_few_sentences", "min_num_sentences", "c4_sentence_count({text}, {rules}) >= {min_num_sentences}"),
        ],
    },
    Ready {
        name: NAMES[3],
        params: &[
            ("line_punct_thr", Share(0.12)),
            ("line_punct_exclude_zero", Switch(false)),
            ("short_line_thr", Share(0.67)),
            ("short_line_length", Count(30.0)),
            ("char_duplicates_ratio", Share(0.01)),
            ("new_line_ratio", Number(0.3)),
            ("words", Spelling),
        ],
        parts: &[
            part("line_punct_ratio", "line_punct_thr", "punctuated_line_share({text}) >= {line_punct_thr}{or_zero}"),
            part(
                "short_line_ratio",
                "short_line_thr",
                "short_line_share({text}, {short_line_length}) <= {short_line_thr}",
            ),
            part(
                "char_dup_ratio",
                "char_duplicates_ratio",
                "repeated_line_char_share({text}) <= {char_duplicates_ratio}",
            ),
            part("list_ratio", "new_line_ratio", "line_break_ratio({text}, {words}) <= {new_line_ratio}"),
        ],
    },
];

impl Declarer<'_> {
    /// Makes the conditions of a ready filter.
    pub(super) fn ready(&mut self, name: &Text, table: &Table) -> Option<Vec<FilterPart>> {
        let ready = READY.iter().find(|ready| ready.name == name.value)?;
        let given = table.get("with").and_then(|entry| entry.value.table());
        let mut values: BTreeMap<&str, String> =
            ready.params.iter().map(|(name, default)| (*name, default.written())).collect();
        let mut is_sound = true;
        for (param, entry) in given.into_iter().flatten() {
            let span = self.span(entry.key);
            let names = || ready.params.iter().map(|(name, _)| *name);
            let Some((param, default)) = ready.params.iter().find(|(known, _)| **known == *param) else {
                let title = format!("`{}` has no parameter `{param}`", ready.name);
                let problem = Diagnostic::error("unknown-parameter", title).at(&span, "unknown parameter");
                self.problems
                    .push(problem.did_you_mean(param, names()).note(format!("the parameters are {}", list(names()))));
                is_sound = false;
                continue;
            };
            match default.read(&entry.value) {
                Ok(value) => _ = values.insert(param, value),
                Err(code) => {
                    self.unfit(code, ready, (param, *default), &entry.value);
                    is_sound = false;
                }
            }
        }
        is_sound &= self.in_order(ready, &values, given);
        let column = self.text(table, "column");
        let span = column.as_ref().unwrap_or(name).span.clone();
        let column = quoted(column.as_ref().map_or("text", |column| &column.value));
        let extra = [("text", column.as_str()), ("rules", &rules(&values)), ("or_zero", &or_zero(&values))];
        let part = |part: &Part| {
            let mut condition = part.condition.to_owned();
            // A column may be called anything, so it is put in last.
            let put = values.iter().map(|(name, value)| (*name, value.as_str())).chain(extra.into_iter().rev());
            for (name, value) in put {
                condition = condition.replace(&format!("{{{name}}}"), value);
            }
            FilterPart {
                reason: Some(part.reason),
                condition: Text { value: condition, span: span.clone(), exact: false },
            }
        };
        // Without a text there is nothing to measure, which is a reason of its own.
        let there = FilterPart {
            reason: Some("no_text"),
            condition: Text { value: format!("{column} is not null"), span: span.clone(), exact: false },
        };
        let is_on = |part: &&Part| values[part.by] != "false";
        let parts = ready.parts.iter().filter(is_on).map(part);
        is_sound.then(|| std::iter::once(there.clone()).chain(parts).collect())
    }

    /// Says what a parameter has to be.
    fn unfit(&mut self, code: &'static str, ready: &Ready, (param, preset): (&str, Preset), value: &Value) {
        let title = format!("`{param}` of `{}` must be {}", ready.name, preset.expected());
        let word = value.string();
        let found = match &word {
            _ if code == WRONG_TYPE => value.kind.name().into(),
            Some(word) => format!("`{word}`").into(),
            None => value.kind.plain().unwrap_or(value.kind.name().into()),
        };
        let problem = Diagnostic::error(code, title).at(&self.span(value.at), format!("found {found}"));
        self.problems.push(match preset {
            Spelling => problem.did_you_mean(&word.unwrap_or_default(), WORD_KINDS.map(|(name, _)| name)),
            _ => problem,
        });
    }

    /// Says where a least value is above the greatest one.
    fn in_order(&mut self, ready: &Ready, values: &BTreeMap<&str, String>, given: Option<&Table>) -> bool {
        let mut is_sound = true;
        for (min, least) in values {
            let Some(max) = min.strip_prefix("min_").map(|of| format!("max_{of}")) else { continue };
            let Some(most) = values.get(max.as_str()) else { continue };
            let (Ok(low), Ok(high)) = (least.parse::<f64>(), most.parse::<f64>()) else { continue };
            let entry = |name: &str| given.and_then(|given| given.get(name));
            if low > high
                && let Some(at) = entry(&max).or_else(|| entry(min))
            {
                let title =
                    format!("no text has at least {least} and at most {most}: `{min}` and `{max}` of `{}`", ready.name);
                let span = self.span(at.value.at);
                let problem = Diagnostic::error(OUT_OF_RANGE, title).at(&span, "nothing is between");
                self.problems.push(problem.note(format!("`{min}` is {least}, `{max}` is {most}")));
                is_sound = false;
            }
        }
        is_sound
    }
}

/// What is wrong with a value of another kind, and with one of the right kind that does not fit.
const WRONG_TYPE: &str = "wrong-type";
const OUT_OF_RANGE: &str = "out-of-range";

impl Preset {
    fn written(self) -> String {
        match self {
            Count(number) | Number(number) | Share(number) => written(number),
            Switch(is_on) => is_on.to_string(),
            Words(words) => format!("'{words}'"),
            Spelling => format!("'{}'", WORD_KINDS[0].0),
        }
    }

    /// Reads a given value; `false` switches off what has a number.
    ///
    /// # Errors
    /// The code of what is wrong with it.
    fn read(self, value: &Value) -> Result<String, &'static str> {
        let within = |holds: fn(f64) -> bool| match number(value) {
            Some(number) if number.is_finite() && holds(number) => Ok(written(number)),
            Some(_) => Err(OUT_OF_RANGE),
            None => Err(WRONG_TYPE),
        };
        match (self, &value.kind) {
            (Switch(_), Kind::Bool(is_on)) => Ok(is_on.to_string()),
            (Count(_) | Number(_) | Share(_), Kind::Bool(false)) => Ok("false".to_owned()),
            (Count(_), _) => within(|number| number >= 0.0 && number.fract() == 0.0),
            (Number(_), _) => within(|number| number >= 0.0),
            (Share(_), _) => within(|number| (0.0..=1.0).contains(&number)),
            (Words(_), _) => match value.string() {
                Some(words) if words.trim().is_empty() => Err(OUT_OF_RANGE),
                Some(words) => Ok(format!("'{}'", words.replace('\'', "''"))),
                None => Err(WRONG_TYPE),
            },
            (Spelling, _) => match value.string() {
                Some(word) if WordKind::named(&word).is_some() => Ok(format!("'{word}'")),
                Some(_) => Err(OUT_OF_RANGE),
                None => Err(WRONG_TYPE),
            },
            (Switch(_), _) => Err(WRONG_TYPE),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Count(_) => "a whole number of at least 0, or false",
            Number(_) => "a number of at least 0, or false",
            Share(_) => "a number from 0 to 1, or false",
            Switch(_) => "true or false",
            Words(_) => "words with blanks between them",
            Spelling => "`space` or `unicode`",
        }
    }
}

fn written(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 9e15 { format!("{number:.0}") } else { format!("{number:?}") }
}

/// Writes what C4 asks of lines, as arguments.
fn rules(values: &BTreeMap<&str, String>) -> String {
    let Some(min_words) = values.get("min_words_per_line") else { return String::new() };
    let off = |value: &str, off: &str| if value == "false" { off.to_owned() } else { value.to_owned() };
    let names = [
        ("filter_no_terminal_punct", "terminal"),
        ("remove_citations", "citations"),
        ("filter_javascript", "javascript"),
        ("filter_policy", "policy"),
    ];
    let on: Vec<&str> = names.iter().filter(|(param, _)| values[param] == "true").map(|(_, name)| *name).collect();
    let longest = off(&values["max_word_length"], &i64::MAX.to_string());
    format!("{}, {longest}, '{}'", off(min_words, "0"), on.join(" "))
}

fn or_zero(values: &BTreeMap<&str, String>) -> String {
    let is_on = values.get("line_punct_exclude_zero").is_some_and(|value| value == "true");
    if is_on { " or punctuated_line_share({text}) = 0".to_owned() } else { String::new() }
}
