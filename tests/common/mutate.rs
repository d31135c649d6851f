//! Inputs changed at random, from given ones and a word list, for as long as was asked for.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub const WORDS: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    "=",
    "\"",
    "'",
    "'''",
    "\n",
    ".",
    ",",
    "#",
    "${params.least}",
    "dataset",
    "from",
    "kept",
    "rows",
    "steps",
    "where",
    "true",
    "1e999",
    "-1",
    "9223372036854775808",
    "0.5",
    "\\u0000",
    "\u{feff}",
    "null",
    "[[dataset]]",
    "kept.train",
    "../x",
];

pub const SQL: &[&str] = &[
    "(",
    ")",
    ",",
    "'",
    "\"",
    " and ",
    " or ",
    " not ",
    " is null",
    " in (",
    " like ",
    " between ",
    "case when ",
    " then ",
    " else ",
    " end",
    "cast(",
    " as int)",
    "::",
    "||",
    "*",
    "/",
    "%",
    "-",
    "+",
    "<=",
    "<>",
    "n",
    "x",
    "s",
    "b",
    "l",
    "o.a",
    "l[",
    "]",
    "9223372036854775807",
    "-9223372036854775808",
    "0",
    "1e308",
    "0.1",
    "null",
    "date '",
    "timestamp '",
    "interval '1 day'",
    "word_count(",
    "regexp_replace(",
    "substr(",
    "repeat(",
    "lpad(",
    "count(distinct ",
    "sum(",
    " filter (where ",
    "--",
    "/*",
    ";",
    "select ",
    " over ()",
    "\u{0}",
    "ß",
    "x'00'",
];

pub const JINJA: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{%-",
    "-%}",
    " for a in ",
    "endfor",
    " if ",
    "else",
    "endif",
    "set k = ",
    "macro m()",
    "endmacro",
    "include 'x'",
    "include 'y'",
    "import 'x' as y",
    "extends 'x'",
    "block b",
    "endblock",
    "call m()",
    "filter upper",
    " | ",
    "default(",
    "join(",
    "sort",
    "batch(3)",
    "slice(",
    "range(",
    "9999999999",
    "loop",
    "loop.index",
    "n",
    "x",
    "s",
    "b",
    "l",
    "o",
    "o.a",
    "[",
    "]",
    "[:]",
    "::",
    "~",
    "**",
    "//",
    "-9223372036854775808",
    "1e308",
    "\"",
    "'",
    "is defined",
    "raw",
    "endraw",
    "dict(",
    "namespace()",
    "debug()",
];

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Numbers that look random and are the same in every run.
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Tries what once failed, then inputs made from `seeds` and `words`; a panic of `target` is reported with its input.
///
/// # Panics
/// If `target` does, or takes more than ten seconds for one input.
#[track_caller]
pub fn fuzz(name: &str, seeds: &[Vec<u8>], words: &[&str], target: impl Fn(&[u8])) {
    let number =
        |name: &str, otherwise: f64| std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"));
    let seconds = Duration::from_secs_f64(number("DATAMAKE_FUZZ_SECONDS", 2.0));
    let first = number("DATAMAKE_SEED", 0.0) as u64;
    quiet_hook();
    let begun = Instant::now();
    for (path, bytes) in corpus(name) {
        run(name, &path.display().to_string(), &bytes, &target);
    }
    seeds.iter().for_each(|seed| run(name, "a good input", seed, &target));
    let mut n = first;
    // What went through once is changed further now and then.
    let mut kept: Vec<Vec<u8>> = seeds.to_vec();
    while begun.elapsed() < seconds {
        let mut random = Random(n);
        let mut input = kept[random.below(kept.len())].clone();
        for _ in 0..1 + random.below(4) {
            change(&mut input, &mut random, seeds, words);
        }
        input.truncate(1 << 16);
        run(name, &format!("DATAMAKE_SEED={n}"), &input, &target);
        if random.below(50) == 0 {
            if kept.len() > 400 {
                let place = seeds.len() + random.below(kept.len() - seeds.len());
                kept.swap_remove(place);
            }
            kept.push(input);
        }
        n += 1;
    }
    eprintln!("{name}: {} inputs in {:.1} s, from seed {first}", n - first, begun.elapsed().as_secs_f64());
}

fn run(name: &str, what: &str, input: &[u8], target: &impl Fn(&[u8])) {
    let begun = Instant::now();
    QUIET.set(true);
    let done = catch_unwind(AssertUnwindSafe(|| target(input)));
    QUIET.set(false);
    let took = begun.elapsed();
    if done.is_ok() && took < Duration::from_secs(10) {
        return;
    }
    let saved = std::env::temp_dir().join(format!("datamake-fuzz-{name}-{}", std::process::id()));
    let _ = std::fs::write(&saved, input);
    let why = match &done {
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        }
        Ok(()) => format!("it took {took:?}"),
    };
    panic!("{name}, {what}: {why}\nthe input is in {}:\n{}", saved.display(), input.escape_ascii());
}

/// What once failed, by target.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.sort();
    found.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("it can be read"))).collect()
}

/// Panics that are caught are told once, with their input, and not as they come.
fn quiet_hook() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() && !datamake::diag::panic_is_expected() {
                hook(panic);
            }
        }));
    });
}

/// Makes one change.
fn change(input: &mut Vec<u8>, random: &mut Random, seeds: &[Vec<u8>], words: &[&str]) {
    let at = random.below(input.len() + 1);
    let span = at..(at + 1 + random.below(24)).min(input.len()).max(at);
    match random.below(if words.is_empty() { 8 } else { 11 }) {
        0 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        1 => {
            let byte = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b' '][random.below(8)];
            input.iter_mut().skip(at).take(1).for_each(|old| *old = byte);
        }
        2 => drop(input.drain(span)),
        3 => {
            let copy = input[span].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, copy);
        }
        4 => input.truncate(at),
        5 => {
            // A number somewhere: lengths, counts, offsets.
            let numbers: [u64; 8] = [0, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 1 << 31, 1 << 40, random.next() % 64];
            let number = numbers[random.below(8)].to_le_bytes();
            let width = [1, 2, 4, 8][random.below(4)];
            input.iter_mut().skip(at).zip(&number[..width]).for_each(|(old, new)| *old = *new);
        }
        6 => {
            let other = &seeds[random.below(seeds.len())];
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        7 => {
            let copy = input[span].repeat(1 + random.below(40));
            input.splice(at..at, copy);
        }
        _ => {
            let word = words[random.below(words.len())].bytes();
            let replaced = if random.below(2) == 0 { at..at } else { span };
            input.splice(replaced, word);
        }
    }
}
