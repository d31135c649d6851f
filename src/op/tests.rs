//! Laws of the ops that choose rows.

use super::*;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, StringArray};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn ids(values: &[i64]) -> Batch {
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    Batch { rows: values.len(), columns: vec![("id".to_owned(), column)] }
}

fn by() -> Vec<String> {
    vec!["id".to_owned()]
}

/// What an op says of each id.
fn ints(op: &dyn RowOp, values: &[i64]) -> BTreeMap<i64, i64> {
    let out = op.run(&ids(values)).unwrap();
    values.iter().copied().zip(out[0].as_primitive::<Int64Type>().values().iter().copied()).collect()
}

fn kept(fraction: f64, values: &[i64]) -> BTreeSet<i64> {
    let out = Sample::new(by(), fraction, 5).unwrap().run(&ids(values)).unwrap();
    values.iter().zip(out[0].as_boolean().values()).filter(|(_, keep)| *keep).map(|(value, _)| *value).collect()
}

/// The values that takes pick from their groups.
fn picked<'a>(groups: &[&'a [i64]], takes: &[Take]) -> Vec<&'a i64> {
    assert_eq!(groups.len(), takes.len());
    groups.iter().zip(takes).flat_map(|(group, take)| take.indices().iter().map(|at| &group[*at as usize])).collect()
}

fn chunks(values: &[i64], size: usize) -> Vec<&[i64]> {
    values.chunks(size).collect()
}

/// The `n` rows with the smallest draws.
fn smallest(groups: &[&[i64]], seed: i64, n: u64) -> Vec<Take> {
    Sampling::of(n, seed).takes(&groups.iter().map(|group| vec![*group]).collect::<Vec<_>>())
}

/// The first of rows with one fingerprint.
fn firsts(groups: &[(&[i64], &[i64])]) -> Vec<Take> {
    let clusters = equal(groups);
    let keep: Vec<bool> = clusters.iter().enumerate().map(|(row, first)| row == *first as usize).collect();
    takes(groups.iter().map(|(high, _)| high.len()), &keep)
}

/// Mixes rows, each at most once.
fn mix(inputs: &[(f64, Vec<&[i64]>)], rows: Option<u64>, seed: i64) -> Result<Vec<Vec<Take>>, MixError> {
    let inputs: Vec<MixInput> = inputs
        .iter()
        .map(|(share, groups)| MixInput {
            share: Some(*share),
            cap: None,
            epochs: 1.0,
            identities: groups.clone(),
            strata: Vec::new(),
        })
        .collect();
    let passes = Mixing { rows, temperature: None, seed }.passes(&inputs, None)?;
    let nothing = |groups: &[&[i64]]| groups.iter().map(|group| Take::new(group.len(), Vec::new())).collect();
    let one = |(mut passes, input): (Vec<Pass>, &MixInput)| match passes.len() {
        0 => nothing(&input.identities),
        _ => passes.remove(0).takes,
    };
    Ok(passes.into_iter().zip(&inputs).map(one).collect())
}

fn distinct() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::btree_set(any::<i64>(), 0..200).prop_map(|set| set.into_iter().collect())
}

proptest! {
    #[test]
    fn a_row_stays_on_its_side_of_a_split_when_rows_are_added(values in distinct(), more in distinct()) {
        let split = Split::new(by(), &[0.7, 0.2, 0.1], 3).unwrap();
        let before = ints(&split, &values);
        let after = ints(&split, &[values.clone(), more].concat());
        prop_assert!(before.iter().all(|(id, part)| after[id] == *part));
    }

    #[test]
    fn a_changed_share_moves_rows_only_across_the_changed_bound(values in distinct()) {
        let old = ints(&Split::new(by(), &[0.8, 0.1, 0.1], 3).unwrap(), &values);
        let new = ints(&Split::new(by(), &[0.7, 0.2, 0.1], 3).unwrap(), &values);
        prop_assert!(old.iter().all(|(id, part)| new[id] == *part || (*part, new[id]) == (0, 1)));
    }

    #[test]
    fn a_larger_fraction_keeps_what_a_smaller_one_keeps(values in distinct(), a in 0.0..1.0, b in 0.0..1.0) {
        let (small, large) = if a < b { (a, b) } else { (b, a) };
        prop_assert!(kept(small, &values).is_subset(&kept(large, &values)));
    }

    #[test]
    fn an_added_row_pushes_at_most_one_out_of_the_smallest(values in distinct(), row: i64, n in 0u64..50, size in 1usize..20) {
        let before = chunks(&values, size);
        let with: Vec<i64> = values.iter().copied().chain([row]).collect();
        let after = chunks(&with, size + 3);
        let old: BTreeSet<i64> = picked(&before, &smallest(&before, 9, n)).into_iter().copied().collect();
        let new: BTreeSet<i64> = picked(&after, &smallest(&after, 9, n)).into_iter().copied().collect();
        prop_assert_eq!(old.len(), values.len().min(n as usize));
        prop_assert!(old.difference(&new).count() <= 1);
    }

    #[test]
    fn the_first_of_equals_is_kept(values in prop::collection::vec(0i64..20, 0..100), size in 1usize..20) {
        let groups = chunks(&values, size);
        let pairs: Vec<(&[i64], &[i64])> = groups.iter().map(|group| (*group, *group)).collect();
        let mut naive = Vec::new();
        for value in &values {
            // 0, 0 is the fingerprint of nothing.
            if *value == 0 || !naive.contains(value) {
                naive.push(*value);
            }
        }
        let kept: Vec<i64> = picked(&groups, &firsts(&pairs)).into_iter().copied().collect();
        prop_assert_eq!(kept, naive);
    }

    #[test]
    fn a_mix_has_its_shares_and_no_more_than_there_is(a in distinct(), b in distinct(), share in 0.01..0.99, size in 1usize..50) {
        let inputs = [(share, chunks(&a, size)), (1.0 - share, chunks(&b, size))];
        let takes = mix(&inputs, None, 1).unwrap();
        let counts: Vec<usize> = takes.iter().map(|takes| takes.iter().map(Take::len).sum()).collect();
        let total = (counts[0] + counts[1]) as f64;
        prop_assert!((counts[0] as f64 - total * share).abs() <= 1.0);
        prop_assert_eq!(mix(&inputs, Some(counts.iter().sum::<usize>() as u64), 1), Ok(takes));
    }

    #[test]
    fn a_changed_ratio_moves_only_the_rows_needed(a in distinct(), b in distinct(), share in 0.1..0.9) {
        let count = |share: f64| {
            let inputs = [(share, chunks(&a, 10)), (1.0 - share, chunks(&b, 10))];
            let takes = mix(&inputs, Some(a.len().min(b.len()) as u64), 1).unwrap();
            let set = |i: usize| picked(&inputs[i].1, &takes[i]).into_iter().copied().collect::<BTreeSet<i64>>();
            (set(0), set(1))
        };
        let (old, new) = (count(share), count(share * 0.9));
        prop_assert!(new.0.is_subset(&old.0) && old.1.is_subset(&new.1));
    }
}

#[test]
fn the_parts_of_a_split_have_their_shares() {
    let values: Vec<i64> = (0..100_000).collect();
    let parts = ints(&Split::new(by(), &[0.7, 0.2, 0.1], 3).unwrap(), &values);
    for (part, share) in [(0, 0.7), (1, 0.2), (2, 0.1)] {
        let found = parts.values().filter(|found| **found == part).count() as f64 / 1e5;
        assert!((found - share).abs() < 0.01, "{found}");
    }
}

#[test]
fn what_is_drawn_never_changes() {
    let values: Vec<i64> = (0..16).collect();
    let parts: Vec<i64> = ints(&Split::new(by(), &[0.5, 0.5], 3).unwrap(), &values).into_values().collect();
    assert_eq!(parts, SPLIT);
    let least = smallest(&[&values], 3, 4);
    let kept: Vec<i64> = kept(0.5, &values).into_iter().collect();
    assert_eq!((kept.as_slice(), least[0].indices()), (SAMPLE, SMALLEST));
}

const SPLIT: [i64; 16] = [1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0];
const SAMPLE: &[i64] = &[1, 2, 5, 8, 9, 11];
const SMALLEST: &[u32] = &[3, 7, 11, 12];

#[test]
fn ops_with_the_same_seed_do_not_draw_alike() {
    let values: Vec<i64> = (0..10_000).collect();
    let sample: Vec<i64> = Sample::new(by(), 0.5, 0).unwrap().run(&ids(&values)).unwrap()[0]
        .as_boolean()
        .values()
        .iter()
        .zip(&values)
        .filter_map(|(keep, value)| keep.then_some(*value))
        .collect();
    let parts = ints(&Split::new(by(), &[0.5, 0.5], 0).unwrap(), &sample);
    let first = parts.values().filter(|part| **part == 0).count() as f64 / sample.len() as f64;
    assert!((first - 0.5).abs() < 0.03, "{first}");
}

#[test]
fn shares_that_make_no_sense_say_why() {
    let split = |shares: &[f64]| Split::new(by(), shares, 0).err().unwrap();
    assert_eq!(split(&[0.5, 0.4]), "the shares come to 0.9; together they are 1");
    assert_eq!(split(&[f64::NAN]), "a share is NaN; it is a number from 0 to 1");
    assert!(Split::new(by(), &[0.1; 10], 0).is_ok());
    assert_eq!(Sample::new(by(), 1.1, 0).err().unwrap(), "`fraction` is 1.1; it is a number from 0 to 1");
    assert!(kept(0.0, &[1, 2, 3]).is_empty());
    assert_eq!(kept(1.0, &[1, 2, 3]).len(), 3);
    assert_eq!(mix(&[(0.0, vec![])], None, 0), Err(MixError::Share { input: 0, share: 0.0 }));
}

#[test]
fn a_mix_that_wants_too_much_says_what_there_is() {
    let (a, b): (Vec<i64>, Vec<i64>) = ((0..70).collect(), (0..20).collect());
    let inputs = [(0.7, chunks(&a, 10)), (0.3, chunks(&b, 10))];
    let error = MixError::TooFew { input: 1, stratum: None, available: 20, wanted: 30, largest: 66 };
    assert_eq!(
        error.to_string(),
        "there are 20 rows, and the mix wants 30; the largest `rows` with these shares is 66"
    );
    assert_eq!(mix(&inputs, Some(100), 0), Err(error));
    let takes = mix(&inputs, None, 0).unwrap();
    assert_eq!(takes.iter().map(|takes| takes.iter().map(Take::len).sum()).collect::<Vec<usize>>(), [46, 20]);
}

#[test]
fn rows_are_alike_where_their_texts_normalise_alike() {
    // `lower` of a word's last Σ is ς; the function `normalise` and `dedup` agree on it.
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["  ΟΔΟΣ", "οδος", "οδοσ", "ﬁne", "FINE "]));
    let input = Batch { rows: 5, columns: vec![("text".into(), texts)] };
    let out = Fingerprint::new(vec!["text".into()], Matching::Normalised).run(&input).unwrap();
    let half = |i: usize| out[i].as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(firsts(&[(&half(0), &half(1))])[0].indices().to_vec(), [0, 2, 3]);
}

#[test]
fn fingerprints_compare_all_columns_and_pass_over_rows_of_nulls() {
    let a: ArrayRef = Arc::new(StringArray::from(vec![Some("X y"), Some("x  Y"), None, None, Some("x y"), None]));
    let b: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(1), None, None, Some(2), Some(1)]));
    let input = Batch { rows: 6, columns: vec![("a".into(), a), ("b".into(), b)] };
    let kept = |matching| {
        let out = Fingerprint::new(vec!["a".into(), "b".into()], matching).run(&input).unwrap();
        let half = |i: usize| out[i].as_primitive::<Int64Type>().values().to_vec();
        assert!(out.iter().all(|column| column.null_count() == 0));
        firsts(&[(&half(0), &half(1))])[0].indices().to_vec()
    };
    assert_eq!(kept(Matching::Exact), [0, 1, 2, 3, 4, 5]);
    assert_eq!(kept(Matching::Normalised), [0, 2, 3, 4, 5]);
}

#[test]
fn parameters_are_in_the_key_and_names_of_columns_are_not() {
    let key = |op: &dyn RowOp| {
        let mut key = super::key(op.name());
        op.write_key(&mut key);
        key.finish()
    };
    let split = |name: &str, shares: &[f64], seed| key(&Split::new(vec![name.to_owned()], shares, seed).unwrap());
    assert_eq!(split("a", &[0.5, 0.5], 1), split("b", &[0.5, 0.5], 1));
    assert_ne!(split("a", &[0.5, 0.5], 1), split("a", &[0.4, 0.6], 1));
    assert_ne!(split("a", &[0.5, 0.5], 1), split("a", &[0.5, 0.5], 2));
    let sample = |fraction| key(&Sample::new(by(), fraction, 1).unwrap());
    assert_ne!(sample(0.5), sample(0.25));
    assert_ne!(key(&Fingerprint::new(by(), Matching::Exact)), key(&Fingerprint::new(by(), Matching::Normalised)));
}
