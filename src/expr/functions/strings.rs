//! Functions of strings. Positions and lengths count characters, from 1.

use super::super::cells::{Args, Fault, LONGEST, Outcome, map1, map2, map3, test2};
use super::Run::Rows;
use super::{Function, f};
use std::borrow::Cow;

pub const TABLE: &[Function] = &[
    f(
        "length",
        &["char_length", "char_count"],
        &[("text: string -> int", Rows(|a| map1(a, |x: &str| chars(x))))],
        "Counts characters (Unicode scalar values).",
        ("length('né')", "2"),
    )
    .light(),
    f(
        "lower",
        &[],
        &[("text: string -> string", Rows(|a| map1(a, |x: &str| x.to_lowercase())))],
        "Gives the text in lower case.",
        ("lower('ÀB')", "'àb'"),
    ),
    f(
        "upper",
        &[],
        &[("text: string -> string", Rows(|a| map1(a, |x: &str| x.to_uppercase())))],
        "Gives the text in upper case.",
        ("upper('straße')", "'STRASSE'"),
    ),
    f(
        "trim",
        &["btrim"],
        &[
            ("text: string -> string", Rows(|a| map1(a, str::trim))),
            ("text: string, chars: string -> string", Rows(|a| map2(a, |x: &str, c: &str| trimmed(x, c, true, true)))),
        ],
        "Drops white space, or any of `chars`, from both ends.",
        ("trim('  a b ')", "'a b'"),
    ),
    f(
        "ltrim",
        &[],
        &[
            ("text: string -> string", Rows(|a| map1(a, str::trim_start))),
            ("text: string, chars: string -> string", Rows(|a| map2(a, |x: &str, c: &str| trimmed(x, c, true, false)))),
        ],
        "Drops white space, or any of `chars`, from the start.",
        ("ltrim('xxab', 'x')", "'ab'"),
    ),
    f(
        "rtrim",
        &[],
        &[
            ("text: string -> string", Rows(|a| map1(a, str::trim_end))),
            ("text: string, chars: string -> string", Rows(|a| map2(a, |x: &str, c: &str| trimmed(x, c, false, true)))),
        ],
        "Drops white space, or any of `chars`, from the end.",
        ("rtrim('a.,', '.,')", "'a'"),
    ),
    f(
        "substr",
        &["substring"],
        &[
            ("text: string, start: int -> string", Rows(|a| map2(a, |x, start: i64| substr(x, start, i64::MAX)))),
            (
                "text: string, start: int, length: int -> string",
                Rows(|a| map3(a, |x, start: i64, length: i64| sized(length).map(|n| substr(x, start, n)))),
            ),
        ],
        "Gives the characters from `start` (the first is 1), at most `length`; a start before 1 uses up length.",
        ("substr('datamake', 5, 2)", "'ma'"),
    ),
    f(
        "left",
        &[],
        &[("text: string, n: int -> string", Rows(|a| map2(a, left)))],
        "Gives the first `n` characters; below 0: all but the last `-n`.",
        ("left('datamake', 4)", "'data'"),
    ),
    f(
        "right",
        &[],
        &[("text: string, n: int -> string", Rows(|a| map2(a, right)))],
        "Gives the last `n` characters; below 0: all but the first `-n`.",
        ("right('datamake', -4)", "'make'"),
    ),
    f(
        "replace",
        &[],
        &[("text: string, old: string, new: string -> string", Rows(|a| map3(a, replace)))],
        "Replaces every `old` by `new`; an empty `old` replaces nothing.",
        ("replace('a-b-c', '-', '+')", "'a+b+c'"),
    ),
    f(
        "split_part",
        &[],
        &[("text: string, separator: string, n: int -> string", Rows(|a| map3(a, split_part)))],
        "Gives the n-th part between separators (below 0 from the end); an empty string if there are fewer.",
        ("split_part('a/b/c', '/', 2)", "'b'"),
    ),
    f(
        "split",
        &["string_split"],
        &[("text: string, separator: string -> list<string>", Rows(|a| map2(a, parts)))],
        "Gives the parts between separators; an empty separator splits into characters.",
        ("split('a,b', ',')", r#"["a","b"]"#),
    ),
    f(
        "concat",
        &[],
        &[("values: shown... -> string", Rows(|a| joined(a, None)))],
        "Joins values as strings; nulls are skipped.",
        ("concat('n = ', 3, null)", "'n = 3'"),
    )
    .sees_nulls(),
    f(
        "concat_ws",
        &[],
        &[("separator: string, values: shown... -> string", Rows(|a| joined(a, Some(0))))],
        "Joins values as strings with a separator between them; nulls are skipped.",
        ("concat_ws('-', 'a', null, 'b')", "'a-b'"),
    )
    .sees_nulls(),
    f(
        "starts_with",
        &["prefix"],
        &[("text: string, start: string -> bool", Rows(|a| test2(a, |x: &str, y: &str| x.starts_with(y))))],
        "Tells whether the text starts so.",
        ("starts_with('datamake', 'data')", "true"),
    )
    .light(),
    f(
        "ends_with",
        &["suffix"],
        &[("text: string, end: string -> bool", Rows(|a| test2(a, |x: &str, y: &str| x.ends_with(y))))],
        "Tells whether the text ends so.",
        ("ends_with('datamake', 'data')", "false"),
    )
    .light(),
    f(
        "contains",
        &[],
        &[("text: string, part: string -> bool", Rows(|a| test2(a, |x: &str, y: &str| find(x, y).is_some())))],
        "Tells whether the part occurs in the text.",
        ("contains('datamake', 'tam')", "true"),
    )
    .light(),
    f(
        "strpos",
        &["position", "instr"],
        &[(
            "text: string, part: string -> int",
            Rows(|a| map2(a, |x: &str, y: &str| find(x, y).map_or(0, |at| chars(&x[..at]) + 1))),
        )],
        "Gives the position of the part's first occurrence, 0 if there is none; also `position(part in text)`.",
        ("strpos('datamake', 'm')", "5"),
    )
    .light(),
    f(
        "repeat",
        &[],
        &[("text: string, n: int -> string", Rows(|a| map2(a, repeat)))],
        "Repeats the text `n` times.",
        ("repeat('ab', 3)", "'ababab'"),
    ),
    f(
        "reverse",
        &[],
        &[("text: string -> string", Rows(|a| map1(a, |x: &str| x.chars().rev().collect::<String>())))],
        "Gives the characters from last to first.",
        ("reverse('abc')", "'cba'"),
    ),
    f(
        "lpad",
        &[],
        &[(
            "text: string, n: int, fill: string -> string",
            Rows(|a| map3(a, |x, n, fill| padded(x, n, fill).map(|p| p + left(x, n.max(0))))),
        )],
        "Fills up at the start to `n` characters, or cuts to the first `n`.",
        ("lpad('7', 3, '0')", "'007'"),
    ),
    f(
        "rpad",
        &[],
        &[(
            "text: string, n: int, fill: string -> string",
            Rows(|a| map3(a, |x, n, fill| padded(x, n, fill).map(|p| left(x, n.max(0)).to_owned() + &p))),
        )],
        "Fills up at the end to `n` characters, or cuts to the first `n`.",
        ("rpad('a', 3, '.')", "'a..'"),
    ),
    f(
        "to_json",
        &[],
        &[("x: any -> string", Rows(to_json))],
        "Writes a value as JSON.",
        ("to_json(split('a b', ' '))", r#"'["a","b"]'"#),
    ),
    f(
        "hash_share",
        &[],
        &[
            ("x: any -> float", Rows(|a| hash_share(a, |_| 0))),
            (
                "x: any, seed: int -> float",
                Rows(|a| {
                    let seed = a.column::<i64>(1);
                    hash_share(a, |row| seed.get(row))
                }),
            ),
        ],
        "Gives a number in [0, 1) from the value's BLAKE3 hash: `hash_share(id) < 0.1` keeps the same tenth on every machine.",
        ("hash_share('a') = hash_share('a', 0)", "true"),
    ),
];

fn chars(text: &str) -> i64 {
    text.chars().count() as i64
}

fn find(text: &str, part: &str) -> Option<usize> {
    memchr::memmem::find(text.as_bytes(), part.as_bytes())
}

fn trimmed<'a>(text: &'a str, chars: &str, start: bool, end: bool) -> &'a str {
    let any = |c: char| chars.contains(c);
    let text = if start { text.trim_start_matches(any) } else { text };
    if end { text.trim_end_matches(any) } else { text }
}

fn sized(length: i64) -> Result<i64, Fault> {
    if length < 0 { Err(Fault::new("a length below 0").help("`greatest(n, 0)` gives 0 instead")) } else { Ok(length) }
}

/// The byte offset of the `n`-th character, or the end.
fn offset(text: &str, n: i64) -> usize {
    match usize::try_from(n) {
        Ok(n) if n < text.len() => text.char_indices().nth(n).map_or(text.len(), |(at, _)| at),
        Ok(_) => text.len(),
        Err(_) => 0,
    }
}

fn substr(text: &str, start: i64, length: i64) -> &str {
    let from = start.saturating_sub(1);
    let rest = &text[offset(text, from)..];
    let length = if from < 0 { length.saturating_add(from) } else { length };
    &rest[..offset(rest, length)]
}

fn left(text: &str, n: i64) -> &str {
    let n = if n < 0 { chars(text).saturating_add(n) } else { n };
    &text[..offset(text, n)]
}

fn right(text: &str, n: i64) -> &str {
    let skip = if n < 0 { n.saturating_neg() } else { chars(text).saturating_sub(n) };
    &text[offset(text, skip)..]
}

fn replace<'a>(text: &'a str, old: &'a str, new: &'a str) -> Result<Cow<'a, str>, Fault> {
    if old.is_empty() || find(text, old).is_none() {
        return Ok(Cow::Borrowed(text));
    }
    if new.len() > old.len() {
        let size = text.len() / old.len();
        // Only a text that may become too long is counted.
        if size.saturating_mul(new.len()).saturating_add(text.len()) > LONGEST
            && text.matches(old).count().saturating_mul(new.len() - old.len()) > LONGEST
        {
            return Err(Fault::too_long());
        }
    }
    Ok(Cow::Owned(text.replace(old, new)))
}

fn parts<'a>(text: &'a str, separator: &'a str) -> Vec<&'a str> {
    if separator.is_empty() {
        return text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).collect();
    }
    text.split(separator).collect()
}

fn split_part<'a>(text: &'a str, separator: &'a str, n: i64) -> Result<&'a str, Fault> {
    if n == 0 {
        return Err(Fault::new("parts are counted from 1").help("the last part is -1"));
    }
    let parts = parts(text, separator);
    let place = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
    let at = if n > 0 { Some(place - 1) } else { parts.len().checked_sub(place) };
    Ok(at.and_then(|at| parts.get(at)).copied().unwrap_or(""))
}

fn repeat(text: &str, n: i64) -> Result<String, Fault> {
    let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
    if text.len().saturating_mul(n) > LONGEST {
        return Err(Fault::too_long());
    }
    Ok(if text.is_empty() { String::new() } else { text.repeat(n) })
}

/// What fills `text` up to `n` characters.
fn padded(text: &str, n: i64, fill: &str) -> Result<String, Fault> {
    let missing = usize::try_from(n.saturating_sub(chars(text))).unwrap_or(0);
    if missing > LONGEST / 4 {
        return Err(Fault::too_long());
    }
    Ok(fill.chars().cycle().take(if fill.is_empty() { 0 } else { missing }).collect())
}

fn joined(args: &Args, separator: Option<usize>) -> Outcome {
    use super::super::cells::Cell;
    use arrow_array::Array;
    let first = separator.map_or(0, |at| at + 1);
    let text = |i: usize, row: usize| -> Option<&str> {
        let val = &args.vals[i];
        let array =
            val.array.as_any().downcast_ref::<arrow_array::StringArray>().expect("arguments are cast to strings");
        let row = if val.constant { 0 } else { row };
        (!array.is_null(row)).then(|| array.value(row))
    };
    let mut out = <&str>::builder(args.rows);
    let mut cell = String::new();
    for row in 0..args.rows {
        let Some(between) = separator.map_or(Some(""), |at| text(at, row)) else {
            <&str>::put_null(&mut out);
            continue;
        };
        cell.clear();
        for (n, part) in (first..args.vals.len()).filter_map(|i| text(i, row)).enumerate() {
            if n > 0 {
                cell.push_str(between);
            }
            cell.push_str(part);
        }
        cell.as_str().put(&mut out).map_err(|fault| fault.at(row))?;
    }
    Ok(<&str>::finish(out))
}

fn to_json(args: &Args) -> Outcome {
    args.each(|row| {
        super::super::value::value_at(&args.vals[0].array, if args.vals[0].constant { 0 } else { row }).json()
    })
}

fn hash_share(args: &Args, seed: impl Fn(usize) -> i64) -> Outcome {
    let val = &args.vals[0];
    let ty = crate::table::Type::of(val.array.data_type()).expect("arguments are of a table's type");
    let mut key = Vec::new();
    args.each(|row| {
        key.clear();
        key.extend_from_slice(&seed(row).to_le_bytes());
        super::super::key::put_key(&mut key, &ty, &val.array, if val.constant { 0 } else { row });
        // 53 bits fill a float exactly.
        (crate::hash::Hash::of(&key).head() >> 11) as f64 / (1u64 << 53) as f64
    })
}
