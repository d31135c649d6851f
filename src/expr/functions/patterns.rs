//! Regular expressions, in the syntax of the Rust `regex` crate: linear time, no look-around, no back-references.

use super::super::cells::{Fault, LONGEST};
use super::super::patterns::with_regex;
use super::Run::Rows;
use super::{Function, f};

pub const TABLE: &[Function] = &[
    f(
        "regexp_like",
        &["regexp_matches"],
        &[("text: string, pattern: regex -> bool", Rows(|a| with_regex(a, |_, regex, text| regex.is_match(text))))],
        "Tells whether the pattern occurs anywhere in the text; `^` and `$` tie it to the ends.",
        (r"regexp_like('order 66', '\d+')", "true"),
    ),
    f(
        "regexp_extract",
        &[],
        &[
            (
                "text: string, pattern: regex -> string",
                Rows(|a| with_regex(a, |_, regex, text| regex.find(text).map(|m| m.as_str()))),
            ),
            (
                "text: string, pattern: regex, group: int -> string",
                Rows(|a| {
                    let groups = a.column::<i64>(2);
                    with_regex(a, |row, regex, text| {
                        let group = usize::try_from(groups.get(row)).ok().filter(|group| *group < regex.captures_len());
                        let Some(group) = group else {
                            let most = regex.captures_len() - 1;
                            return Err(Fault::new(format!("the pattern has no group {}", groups.get(row)))
                                .help(format!("its groups are 0 (all) to {most}")));
                        };
                        Ok(regex.captures(text).and_then(|found| found.get(group)).map(|m| m.as_str()))
                    })
                }),
            ),
        ],
        "Gives the first match, or one group of it; null if there is none.",
        (r"regexp_extract('x = 42', '(\w) = (\d+)', 2)", "'42'"),
    ),
    f(
        "regexp_replace",
        &[],
        &[(
            "text: string, pattern: regex, new: string -> string",
            Rows(|a| {
                let new = a.column::<&str>(2);
                with_regex(a, |row, regex, text| {
                    let new = rust_template(new.get(row));
                    if regex.find_iter(text).count().saturating_mul(new.len()) > LONGEST {
                        return Err(Fault::too_long());
                    }
                    Ok(regex.replace_all(text, new))
                })
            }),
        )],
        r"Replaces every match; `\1` in `new` is group 1, `\0` the match, `\\` a backslash.",
        (r"regexp_replace('2024-05', '(\d+)-(\d+)', '\2/\1')", "'05/2024'"),
    ),
    f(
        "regexp_count",
        &[],
        &[(
            "text: string, pattern: regex -> int",
            Rows(|a| with_regex(a, |_, regex, text| regex.find_iter(text).count() as i64)),
        )],
        "Counts the matches, which do not overlap.",
        ("regexp_count('banana', 'an')", "2"),
    ),
];

/// Turns `\1` into `${1}` and protects `$`.
fn rust_template(new: &str) -> String {
    let mut out = String::with_capacity(new.len());
    let mut chars = new.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some(digit) if digit.is_ascii_digit() => out.push_str(&format!("${{{digit}}}")),
                Some('$') => out.push_str("\\$$"),
                Some('\\') => out.push('\\'),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}
