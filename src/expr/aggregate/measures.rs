//! Aggregates that measure a dataset: its diversity, its distributions, and what of it passes.

use super::super::cells::Fault;
use super::super::value::{Value, array_of};
use super::acc::{Acc, Kind, NO_BUCKET, Of, bucket_of, mark};
use super::table::{Fold, count, tally, value};
use super::vendi::vendi;
use crate::table::Type;
use crate::text::self_bleu;

/// Buckets of a histogram that are told apart.
const BUCKETS: usize = 50;
/// Values of a distribution that are told apart.
const LABELS: usize = 20;

pub const TABLE: &[Fold] = &[
    Fold {
        name: "distinct_n",
        also: &[],
        forms: &[("text: string, n: int -> float", Kind::Grams, distinct)],
        doc: "Gives distinct n-grams of words divided by n-grams, of all texts together (Li et al. 2016, arXiv:1510.03055); exact but for hashes of 64 bits. It falls as the texts grow in number: compare equal amounts.",
        example: ("round(distinct_n(word, 1), 4)", "0.6667"),
    },
    Fold {
        name: "distinct_ngrams",
        also: &[],
        forms: &[("text: string, n: int -> int", Kind::Grams, |acc, _| {
            Ok(if let Acc::Grams(grams) = acc { Value::Int(grams.distinct() as i64) } else { Value::Null })
        })],
        doc: "Counts the different n-grams of words of all texts together; with `n` = 1 the vocabulary.",
        example: ("distinct_ngrams(word, 1)", "2"),
    },
    Fold {
        name: "ngram_entropy",
        also: &[],
        forms: &[("text: string, n: int -> float", Kind::Grams, |acc, _| {
            Ok(if let Acc::Grams(grams) = acc {
                grams.entropy().map_or(Value::Null, Value::Float)
            } else {
                Value::Null
            })
        })],
        doc: "Gives Shannon's entropy of the n-grams of words of all texts together, in bits (Zhang et al. 2018, arXiv:1809.05972, in bits and not in nats).",
        example: ("round(ngram_entropy(word, 1), 4)", "0.9183"),
    },
    Fold {
        name: "duplicate_share",
        also: &[],
        forms: &[("x: any -> float", Kind::Marks, duplicates)],
        doc: "Gives the share of values that are equal to an earlier one: what `dedup` would drop.",
        example: ("round(duplicate_share(word), 4)", "0.3333"),
    },
    Fold {
        name: "histogram",
        also: &[],
        forms: &[("x: float, width: float -> string", Kind::Buckets, histogram)],
        doc: "Gives how many values lie in each bucket of a width, as a text: the bucket's lower end and the number. Empty buckets are left out; after 50 the rest is one.",
        example: ("histogram(x, 2)", "'0: 1, 2: 2'"),
    },
    Fold {
        name: "shares",
        also: &[],
        forms: &[("x: any -> string", Kind::Tally, shares)],
        doc: "Gives the share of each value, as a text, the most frequent first; after 20 the rest is one.",
        example: ("shares(word)", "'b 0.6667, a 0.3333'"),
    },
    Fold {
        name: "coverage",
        also: &[],
        forms: &[("x: T, values: list<T> -> float", Kind::Marks, coverage)],
        doc: "Gives the share of the listed values that occur at all.",
        example: ("coverage(word, ['a', 'c'])", "0.5"),
    },
    Fold {
        name: "pass_at_k",
        also: &[],
        forms: &[("correct: bool, task: any, k: int -> float", Kind::Trials, pass)],
        doc: "Gives the probability that one of `k` samples for a task is correct: the mean over tasks of 1 - C(n-c, k) / C(n, k), where c of n rows are correct (Chen et al. 2021, arXiv:2107.03374). A task with fewer than `k` rows that are true or false is an error.",
        example: ("round(pass_at_k(ok, ok, 1), 4)", "0.5"),
    },
    Fold {
        name: "self_bleu",
        also: &[],
        forms: &[
            ("text: string -> float", Kind::Picked, alike),
            ("text: string, k: int -> float", Kind::Picked, alike),
        ],
        doc: "Gives the mean BLEU-4 of a text against the others (Zhu et al. 2018, arXiv:1802.01886; nltk's smoothing method 1), over a sample of 100 or `k` different texts and all copies of them: 1 if all are alike, 0 if they share nothing. The sample is that of the least hashes.",
        example: ("round(self_bleu(word), 4)", "0.1186"),
    },
    Fold {
        name: "vendi_score",
        also: &[],
        forms: &[
            ("vector: list<float> -> float", Kind::Vectors, different),
            ("vector: list<float>, k: int -> float", Kind::Vectors, different),
        ],
        doc: "Gives the effective number of different vectors (Friedman and Dieng 2023, arXiv:2210.02410): e to the entropy of the eigenvalues of their cosines, over a sample of 100 or `k` (at most 500) different vectors and all copies of them. A vector that is zero, or has a number that is null or not finite, has no direction: it is an error, with its row. It is at most as large as the sample: compare equal ones.",
        example: ("round(vendi_score([x, 1]) filter (where x > 0), 4)", "1.1146"),
    },
];

fn distinct(acc: &Acc, _: &Of) -> Result<Value, Fault> {
    match acc {
        Acc::Grams(grams) if grams.all() > 0 => Ok(Value::Float(grams.distinct() as f64 / grams.all() as f64)),
        _ => Ok(Value::Null),
    }
}

fn duplicates(acc: &Acc, _: &Of) -> Result<Value, Fault> {
    let n = count(acc);
    Ok(if n == 0 { Value::Null } else { Value::Float((n - tally(acc).len() as u64) as f64 / n as f64) })
}

fn histogram(acc: &Acc, of: &Of) -> Result<Value, Fault> {
    let width = of.number(0).unwrap_or(1.0);
    let tally = tally(acc);
    let told = |at: usize, (key, n): (&Vec<u8>, &u64)| match bucket_of(key) {
        NO_BUCKET => format!("nan: {n}"),
        bucket => {
            // Twelve digits, so that 3 × 0.1 is 0.3.
            let from: f64 = format!("{:.11e}", bucket as f64 * width).parse().expect("a number was written");
            let rest: u64 = tally.values().skip(at).sum();
            if at + 1 == BUCKETS && rest > *n { format!("from {from}: {rest}") } else { format!("{from}: {n}") }
        }
    };
    let buckets: Vec<String> = tally.iter().enumerate().take(BUCKETS).map(|(at, entry)| told(at, entry)).collect();
    Ok(if buckets.is_empty() { Value::Null } else { Value::String(buckets.join(", ")) })
}

fn shares(acc: &Acc, of: &Of) -> Result<Value, Fault> {
    let all = count(acc) as f64;
    let mut by_count: Vec<(&Vec<u8>, u64)> = tally(acc).iter().map(|(key, n)| (key, *n)).collect();
    by_count.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let share = |n: u64| (n as f64 / all * 1e4).round() / 1e4;
    let mut told: Vec<String> =
        by_count.iter().take(LABELS).map(|(key, n)| format!("{} {}", value(key, of.ty()), share(*n))).collect();
    let rest = by_count.get(LABELS..).unwrap_or(&[]);
    if !rest.is_empty() {
        told.push(format!("{} more {}", rest.len(), share(rest.iter().map(|(_, n)| n).sum())));
    }
    Ok(if told.is_empty() { Value::Null } else { Value::String(told.join(", ")) })
}

fn coverage(acc: &Acc, of: &Of) -> Result<Value, Fault> {
    let Some(Value::List(wanted)) = of.literals.first() else { return Ok(Value::Null) };
    let array = array_of(of.ty(), wanted);
    let mut marks: Vec<Vec<u8>> = Vec::new();
    for row in 0..wanted.len() {
        let mut key = Vec::new();
        mark(&mut key, of.ty(), &array, row);
        marks.push(key);
    }
    marks.sort();
    marks.dedup();
    let found = marks.iter().filter(|mark| tally(acc).contains_key(*mark)).count();
    Ok(Value::Float(found as f64 / marks.len() as f64))
}

fn pass(acc: &Acc, of: &Of) -> Result<Value, Fault> {
    let k = of.count(0).unwrap_or(1) as u64;
    let Acc::Trials(trials) = acc else { return Ok(Value::Null) };
    let short = trials.values().filter(|(n, _)| *n < k).count();
    if short > 0 {
        let least = trials.values().map(|(n, _)| *n).min().unwrap_or(0);
        let fault =
            Fault::new(format!("{short} of {} tasks have fewer than {k} samples, the least {least}", trials.len()));
        return Err(match least {
            0 => fault.help("a task without a verdict is neither passed nor failed: count what has none as wrong, `coalesce(correct, false)`, or leave it out, `filter (where correct is not null)`"),
            _ => fault.help(format!("at most `pass_at_k(…, {least})` can be told; the samples of a task are `n` of `generate`")),
        });
    }
    // In the order of the numbers, so that the sum depends on nothing else.
    let mut tasks: Vec<(u64, u64)> = trials.values().copied().collect();
    tasks.sort_unstable();
    let passed = |(n, c): &(u64, u64)| {
        if n - c < k { 1.0 } else { 1.0 - (n - c + 1..=*n).fold(1.0, |fails, i| fails * (1.0 - k as f64 / i as f64)) }
    };
    let sum: f64 = tasks.iter().map(passed).sum();
    Ok(if tasks.is_empty() { Value::Null } else { Value::Float(sum / tasks.len() as f64) })
}

fn alike(acc: &Acc, _: &Of) -> Result<Value, Fault> {
    let Acc::Picked(picked) = acc else { return Ok(Value::Null) };
    let texts: Vec<(Value, u64)> = picked.values().map(|(key, n)| (value(key, &Type::String), n)).collect();
    let texts: Vec<(&str, u64)> =
        texts.iter().map(|(text, n)| (if let Value::String(text) = text { text.as_str() } else { "" }, *n)).collect();
    Ok(self_bleu(&texts).map_or(Value::Null, Value::Float))
}

fn different(acc: &Acc, of: &Of) -> Result<Value, Fault> {
    let Acc::Vectors { lengths, picked } = acc else { return Ok(Value::Null) };
    if let Some((least, most)) = lengths.filter(|(least, most)| least < most) {
        let fault = Fault::new(format!("vectors of {least} and of {most} numbers cannot be compared"));
        return Err(fault.help("make all of them with the same model"));
    }
    let mut vectors: Vec<(Vec<f64>, u64)> = Vec::new();
    for (key, n) in picked.values() {
        let Value::List(items) = value(key, of.ty()) else { continue };
        let numbers = items.iter().map(|item| if let Value::Float(x) = item { *x } else { f64::NAN });
        vectors.push((numbers.collect(), n));
    }
    Ok(vendi(&vectors).map_or(Value::Null, Value::Float))
}
