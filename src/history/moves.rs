//! How a metric moved between two builds, and which of its slices moved it.

use crate::exec::{MetricSlice, MetricValue};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The move of a metric's value over all rows.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Move {
    pub before: f64,
    /// None: it has no value any more.
    pub after: Option<f64>,
    /// How probable such a move is between two samples of the same: of shares, by the two-proportion test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// Those that differ, the one that moved the value most in its direction first.
    pub slices: Vec<SliceMove>,
}

/// The move of one slice.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SliceMove {
    pub by: Vec<Value>,
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// Of a mean: how many values it is of, before and after.
    pub of: Option<(u64, u64)>,
    /// What it did to the value over all rows; these add up to its move. None where the value does not come apart into slices.
    pub share: Option<f64>,
}

impl Move {
    /// Compares two values of a metric; none if there was none before.
    pub fn between(old: &MetricValue, new: &MetricValue) -> Option<Move> {
        let (was, is) = (old.of_all()?, new.of_all());
        let before = was.number()?;
        let after = is.and_then(MetricSlice::number);
        let chance = was.sample.zip(is.and_then(|is| is.sample)).and_then(|(old, new)| old.chance(&new));
        let mut slices = slices(old, new);
        if let Some(after) = after {
            part(&mut slices, (old, was, before), (new, is, after));
        }
        let down = after.is_none_or(|after| after < before);
        let weight = |slice: &SliceMove| {
            let moved = slice.share.unwrap_or_else(|| slice.after.unwrap_or(0.0) - slice.before.unwrap_or(0.0));
            if down { moved } else { -moved }
        };
        slices.retain(|slice| slice.before != slice.after || slice.share.is_some_and(|share| share != 0.0));
        slices.sort_by(|a, b| weight(a).total_cmp(&weight(b)));
        Some(Move { before, after, chance, slices })
    }
}

/// Puts the slices of both side by side.
fn slices(old: &MetricValue, new: &MetricValue) -> Vec<SliceMove> {
    let keyed = |value: &MetricValue| -> BTreeMap<String, MetricSlice> {
        let sliced = value.slices.iter().filter(|slice| !slice.by.is_empty());
        sliced.map(|slice| (serde_json::to_string(&slice.by).unwrap_or_default(), slice.clone())).collect()
    };
    let (old, new) = (keyed(old), keyed(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let one = |key: &String| {
        let (was, is) = (old.get(key), new.get(key));
        let n = |slice: Option<&MetricSlice>| slice.map_or(Some(0), |slice| Some(slice.sample?.n));
        SliceMove {
            by: was.or(is).expect("the key is of one of them").by.clone(),
            before: was.and_then(MetricSlice::number),
            after: is.and_then(MetricSlice::number),
            of: n(was).zip(n(is)),
            share: None,
        }
    };
    keys.into_iter().map(one).collect()
}

type Side<'a> = (&'a MetricValue, &'a MetricSlice, f64);

/// Says what each slice did to the whole, where the whole is the sum of the slices, or their mean weighed by how many values they are of.
fn part(
    slices: &mut [SliceMove],
    (old, was, before): Side,
    (new, is, after): (&MetricValue, Option<&MetricSlice>, f64),
) {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-3 * a.abs().max(b.abs());
    let sum = |value: &MetricValue| value.slices.iter().map(|slice| slice.number().unwrap_or(0.0)).sum::<f64>();
    let mean = |value: &MetricValue, whole: &MetricSlice| {
        let n = whole.sample?.n as f64;
        let terms = value.slices.iter().map(|slice| Some(slice.number().unwrap_or(0.0) * slice.sample?.n as f64 / n));
        terms.sum::<Option<f64>>()
    };
    let is_mean = |value, whole: &MetricSlice, number| mean(value, whole).is_some_and(|mean| near(mean, number));
    if let Some(is) = is
        && is_mean(old, was, before)
        && is_mean(new, is, after)
    {
        let whole = |slice: &MetricSlice| slice.sample.map_or(1.0, |sample| sample.n as f64);
        let (n, m) = (whole(was), whole(is));
        for slice in slices {
            let Some((of, now)) = slice.of else { continue };
            let (weight, weight_now) = (of as f64 / n, now as f64 / m);
            // What a slice is elsewhere than in both counts against what the whole was.
            let (value, value_now) = match (slice.before, slice.after) {
                (Some(value), Some(now)) => (value, now),
                (Some(value), None) => (value, value),
                (None, Some(now)) => (now, now),
                (None, None) => continue,
            };
            slice.share = Some(weight_now * (value_now - value) + (weight_now - weight) * (value - before));
        }
    } else if near(sum(old), before) && near(sum(new), after) {
        for slice in slices {
            slice.share = Some(slice.after.unwrap_or(0.0) - slice.before.unwrap_or(0.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Sample;
    use proptest::prelude::*;
    use serde_json::json;

    fn mean(slices: &[(&str, u64, u64)]) -> MetricValue {
        let one = |by: Vec<Value>, n: u64, hits: u64| MetricSlice {
            by,
            value: if n > 0 { json!(hits as f64 / n as f64) } else { Value::Null },
            sample: Some(Sample { n, hits: Some(hits) }),
        };
        let all = slices.iter().fold((0, 0), |(n, hits), (_, m, more)| (n + m, hits + more));
        MetricValue {
            slices: slices.iter().map(|(name, n, hits)| one(vec![json!(name)], *n, *hits)).collect(),
            whole: Some(one(Vec::new(), all.0, all.1)),
        }
    }

    fn count(slices: &[(&str, u64)]) -> MetricValue {
        let one = |by, n: u64| MetricSlice { by, value: json!(n), sample: None };
        MetricValue {
            slices: slices.iter().map(|(name, n)| one(vec![json!(name)], *n)).collect(),
            whole: Some(one(Vec::new(), slices.iter().map(|(_, n)| n).sum())),
        }
    }

    #[test]
    fn the_slice_that_fell_is_named_first() {
        let old = mean(&[("algebra", 300, 250), ("geometry", 300, 240)]);
        let new = mean(&[("algebra", 300, 252), ("geometry", 300, 120)]);
        let moved = Move::between(&old, &new).unwrap();
        assert_eq!(moved.slices[0].by, [json!("geometry")]);
        assert!((moved.slices[0].share.unwrap() + 0.2).abs() < 1e-12);
        assert!(moved.chance.unwrap() < 1e-6);
    }

    #[test]
    fn a_slice_that_grows_moves_a_mean_although_it_is_as_it_was() {
        let old = mean(&[("easy", 90, 90), ("hard", 10, 0)]);
        let new = mean(&[("easy", 50, 50), ("hard", 50, 0)]);
        let moved = Move::between(&old, &new).unwrap();
        assert_eq!(moved.slices[0].by, [json!("hard")]);
        assert!((moved.slices.iter().map(|slice| slice.share.unwrap()).sum::<f64>() + 0.4).abs() < 1e-12);
    }

    #[test]
    fn counts_come_apart_into_differences() {
        let moved = Move::between(&count(&[("a", 10), ("b", 5)]), &count(&[("a", 10), ("c", 1)])).unwrap();
        let shares: Vec<_> = moved.slices.iter().map(|slice| (slice.by[0].clone(), slice.share)).collect();
        assert_eq!(shares, [(json!("b"), Some(-5.0)), (json!("c"), Some(1.0))]);
    }

    #[test]
    fn what_does_not_come_apart_is_told_by_its_own_move() {
        let max = |slices: &[(&str, u64)]| {
            let mut value = count(slices);
            value.whole.as_mut().unwrap().value = json!(slices.iter().map(|(_, n)| *n).max());
            value
        };
        let moved = Move::between(&max(&[("a", 10), ("b", 8)]), &max(&[("a", 2), ("b", 7)])).unwrap();
        assert_eq!((moved.slices[0].by[0].clone(), moved.slices[0].share), (json!("a"), None));
    }

    #[test]
    fn nothing_is_compared_with_a_value_that_was_not_there() {
        assert_eq!(Move::between(&mean(&[]), &mean(&[("a", 1, 1)])), None);
        let gone = Move::between(&mean(&[("a", 1, 1)]), &mean(&[])).unwrap();
        assert_eq!((gone.before, gone.after), (1.0, None));
    }

    proptest! {
        #[test]
        fn what_the_slices_of_a_mean_did_adds_up_to_its_move(
            old in proptest::collection::vec((0_u64..40, 0_u64..40), 4),
            new in proptest::collection::vec((0_u64..40, 0_u64..40), 4),
        ) {
            let value = |side: &[(u64, u64)]| {
                let slices = ["a", "b", "c", "d"].iter().zip(side).filter(|(_, (_, n))| *n > 0);
                mean(&slices.map(|(name, (hits, n))| (*name, *n, (*hits).min(*n))).collect::<Vec<_>>())
            };
            let (old, new) = (value(&old), value(&new));
            if let Some(moved) = Move::between(&old, &new)
                && let Some(after) = moved.after
            {
                let sum: f64 = moved.slices.iter().map(|slice| slice.share.expect("a mean comes apart")).sum();
                prop_assert!((sum - (after - moved.before)).abs() < 1e-9, "{:?}", moved);
            }
        }
    }
}
