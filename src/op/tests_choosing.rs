//! Laws of samples by group, rank and weight, and of mixes with repeats.

use super::*;
use crate::hash::mix64;
use arrow_array::{Array, Float64Array, Int64Array};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A row: identity, rank or weight, group.
type Row = (i64, i64, i64);

/// The rows that a sampling takes, given them in row groups of `size`.
fn taken(sampling: Sampling, rows: &[Row], size: usize) -> Vec<Row> {
    let columns: Vec<[Vec<i64>; 3]> = rows
        .chunks(size)
        .map(|rows| {
            [rows.iter().map(|r| r.0).collect(), rows.iter().map(|r| r.1).collect(), rows.iter().map(|r| r.2).collect()]
        })
        .collect();
    let groups: Vec<Vec<&[i64]>> = columns
        .iter()
        .map(|[id, order, group]| {
            let order = (sampling.order != By::Draw).then_some(&order[..]);
            let group = (sampling.grouped == Grouped::Yes).then_some(&group[..]);
            std::iter::once(&id[..]).chain(order).chain(group).collect()
        })
        .collect();
    let takes = sampling.takes(&groups);
    let picked =
        rows.chunks(size).zip(&takes).flat_map(|(rows, take)| take.indices().iter().map(|at| rows[*at as usize]));
    picked.collect()
}

fn sampling(quota: Quota, order: By, grouped: Grouped) -> Sampling {
    Sampling { quota, order, grouped, seed: 7 }
}

fn sizes(rows: &[Row]) -> BTreeMap<i64, u64> {
    let mut sizes = BTreeMap::new();
    rows.iter().for_each(|row| *sizes.entry(row.2).or_default() += 1);
    sizes
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (-5i64..5, 0i64..4);
    prop::collection::vec(row, 0..120).prop_map(|rows| {
        rows.into_iter().enumerate().map(|(id, (rank, group))| (mix64(id as u64) as i64, rank, group)).collect()
    })
}

proptest! {
    #[test]
    fn each_group_gives_so_many_rows_or_all_that_it_has(rows in rows(), n in 1u64..30, size in 1usize..20) {
        let taken = taken(sampling(Quota::PerGroup(n), By::Draw, Grouped::Yes), &rows, size);
        let expect: BTreeMap<i64, u64> = sizes(&rows).into_iter().map(|(group, size)| (group, size.min(n))).collect();
        prop_assert_eq!(sizes(&taken), expect);
    }

    #[test]
    fn groups_give_in_proportion_within_one_row_and_together_exactly(rows in rows(), n in 1u64..150, size in 1usize..20) {
        let taken = taken(sampling(Quota::Rows(n), By::Draw, Grouped::Yes), &rows, size);
        let all = rows.len() as f64;
        prop_assert_eq!(taken.len() as u64, n.min(rows.len() as u64));
        for (group, size) in sizes(&rows) {
            let quota = taken.len() as f64 * size as f64 / all;
            let found = sizes(&taken).get(&group).copied().unwrap_or(0) as f64;
            prop_assert!((found - quota).abs() < 1.0, "{} of {}", found, quota);
        }
    }

    #[test]
    fn what_is_taken_does_not_depend_on_the_order_of_rows(rows in rows(), n in 1u64..60, grouped: bool, order in 0usize..3, cut in 1usize..20) {
        let order = [By::Draw, By::Rank, By::Weight][order];
        // Ranks as weights: their bits are those of tiny numbers, or of nonsense, so weigh by the absolute value.
        let rows: Vec<Row> = rows.into_iter().map(|(id, rank, group)| match order {
            By::Weight => (id, (rank.abs() as f64).to_bits() as i64, group),
            _ => (id, rank, group),
        }).collect();
        let grouped = if grouped { Grouped::Yes } else { Grouped::No };
        let sampling = sampling(Quota::Rows(n), order, grouped);
        let mut turned = rows.clone();
        turned.reverse();
        let (mut one, mut other) = (taken(sampling, &rows, cut), taken(sampling, &turned, cut + 3));
        one.sort_unstable();
        other.sort_unstable();
        prop_assert_eq!(one, other);
    }

    #[test]
    fn no_row_that_is_left_has_a_larger_rank_than_one_that_is_taken(rows in rows(), n in 1u64..60) {
        let taken = taken(sampling(Quota::Rows(n), By::Rank, Grouped::No), &rows, 7);
        let least = taken.iter().map(|row| row.1).min();
        let left = rows.iter().filter(|row| !taken.contains(row)).map(|row| row.1).max();
        prop_assert!(left.is_none() || least.is_none() || left <= least);
    }

    #[test]
    fn a_mix_gives_its_rows_and_repeats_none_more_often_than_it_may(
        a in 1usize..80, b in 1usize..80, share in 0.05..0.95, epochs in 0.1..4.0, cap in 1u64..100, rows in prop::option::of(1u64..200),
    ) {
        let (a, b): (Vec<i64>, Vec<i64>) = ((0..a as i64).collect(), (0..b as i64).collect());
        let inputs = [
            MixInput { share: Some(share), cap: Some(cap), epochs, identities: a.chunks(9).collect(), strata: vec![] },
            MixInput { share: Some(1.0 - share), cap: None, epochs: 2.5, identities: b.chunks(9).collect(), strata: vec![] },
        ];
        match (Mixing { rows, temperature: None, seed: 3 }).passes(&inputs, None) {
            Ok(passes) => {
                let counts: Vec<u64> = passes.iter().map(|passes| passes.iter().map(|pass| pass.times * count(pass)).sum()).collect();
                let total: u64 = counts.iter().sum();
                prop_assert!(rows.is_none_or(|rows| rows == total));
                prop_assert!((counts[0] as f64 - total as f64 * share).abs() <= 1.0);
                for ((passes, input), epochs) in passes.iter().zip(&inputs).zip([epochs, 2.5]) {
                    let different = passes.first().map_or(0, count);
                    let most = input.cap.unwrap_or(u64::MAX).min(input.identities.iter().map(|group| group.len() as u64).sum());
                    prop_assert!(different <= most);
                    let times: u64 = passes.iter().map(|pass| pass.times).sum();
                    prop_assert!(times as f64 <= epochs.ceil());
                    let all: u64 = passes.iter().map(|pass| pass.times * count(pass)).sum();
                    prop_assert!(all as f64 <= most as f64 * epochs + 1e-6);
                }
            }
            Err(MixError::TooFew { largest, .. }) => {
                prop_assert!(rows.is_some_and(|rows| rows > largest));
                let fits = Mixing { rows: Some(largest), temperature: None, seed: 3 }.passes(&inputs, None).is_ok();
                prop_assert!(fits);
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn a_match_has_the_proportions_of_the_reference(
        values in prop::collection::vec(0i64..4, 20..200), reference in prop::collection::vec(0i64..3, 1..30), share in 0.2..0.8,
    ) {
        let ids: Vec<i64> = (0..values.len() as i64).collect();
        let inputs: Vec<MixInput> = [share, 1.0 - share].into_iter().map(|share| MixInput {
            share: Some(share), cap: None, epochs: 3.0, identities: ids.chunks(11).collect(), strata: values.chunks(11).collect(),
        }).collect();
        let groups = [&reference[..]];
        match (Mixing { rows: None, temperature: None, seed: 3 }).passes(&inputs, Some(&groups)) {
            Ok(passes) => for passes in &passes {
                let mut found: BTreeMap<i64, u64> = BTreeMap::new();
                for pass in passes {
                    for (take, values) in pass.takes.iter().zip(values.chunks(11)) {
                        take.indices().iter().for_each(|at| *found.entry(values[*at as usize]).or_default() += pass.times);
                    }
                }
                let total: u64 = found.values().sum();
                prop_assert!(found.keys().all(|value| reference.contains(value)));
                for value in 0..3 {
                    let of = reference.iter().filter(|one| **one == value).count() as f64 / reference.len() as f64;
                    let there = found.get(&value).copied().unwrap_or(0) as f64;
                    prop_assert!((there - total as f64 * of).abs() < 1.0, "{there} of {}", total as f64 * of);
                }
            },
            Err(MixError::TooFew { stratum, largest: 0, .. }) => prop_assert!(stratum.is_some()),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}

fn count(pass: &Pass) -> u64 {
    pass.takes.iter().map(|take| take.len() as u64).sum()
}

#[test]
fn rows_are_taken_in_proportion_to_their_weights() {
    // One of three rows with the weights 1, 2 and 5 in each of 20,000 samples: the chances are 1/8, 2/8 and 5/8.
    let n = 20_000;
    let mut found = [0.0; 4];
    for trial in 0..n {
        let rows: Vec<Row> = [1.0f64, 2.0, 5.0, 0.0]
            .iter()
            .enumerate()
            .map(|(at, weight)| (mix64(trial * 4 + at as u64) as i64, weight.to_bits() as i64, at as i64))
            .collect();
        let one = taken(sampling(Quota::Rows(1), By::Weight, Grouped::No), &rows, 4);
        found[one[0].2 as usize] += 1.0 / n as f64;
    }
    // Five standard deviations are at most 0.018.
    for (found, expect) in found.iter().zip([0.125, 0.25, 0.625, 0.0]) {
        assert!((found - expect).abs() < 0.018, "{found} and not {expect}");
    }
}

#[test]
fn a_row_of_weight_0_is_never_taken() {
    let rows: Vec<Row> = (0..50).map(|id| (id, if id % 2 == 0 { 0 } else { 1.0f64.to_bits() as i64 }, 0)).collect();
    let taken = taken(sampling(Quota::Rows(40), By::Weight, Grouped::No), &rows, 9);
    assert_eq!(taken.len(), 25);
    assert!(taken.iter().all(|row| row.0 % 2 == 1));
}

#[test]
fn ranks_are_in_the_order_of_their_numbers_and_nulls_come_last() {
    let of = |column: ArrayRef| {
        let input = Batch { rows: column.len(), columns: vec![("0".into(), column)] };
        let out = Ranking::by_order("0".into()).run(&input).unwrap().remove(0);
        out.as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec()
    };
    let floats = [f64::NEG_INFINITY, -2.5, -f64::MIN_POSITIVE, 0.0, f64::MIN_POSITIVE, 3.0, f64::INFINITY];
    assert!(of(Arc::new(Float64Array::from(floats.to_vec()))).is_sorted_by(|a, b| a < b));
    let odd = of(Arc::new(Float64Array::from(vec![Some(-0.0), Some(0.0), None, Some(f64::NAN), Some(-1e300)])));
    assert!(odd[0] == odd[1] && odd[2] == odd[3] && odd[3] < odd[4], "{odd:?}");
    assert_eq!(of(Arc::new(Int64Array::from(vec![Some(3), None, Some(-3)]))), [3, i64::MIN, -3]);
}

#[test]
fn a_weight_that_makes_no_sense_is_told_with_its_row() {
    let of = |weights: Vec<Option<f64>>| {
        let input = Batch {
            rows: weights.len(),
            columns: vec![("0".into(), Arc::new(Float64Array::from(weights)) as ArrayRef)],
        };
        Ranking::by_weight("0".into()).run(&input)
    };
    assert!(of(vec![Some(0.0), Some(-0.0), Some(1e300)]).is_ok());
    for (wrong, said) in [(Some(-1.0), "-1"), (Some(f64::NAN), "NaN"), (Some(f64::INFINITY), "inf"), (None, "null")] {
        let error = of(vec![Some(1.0), wrong]).unwrap_err();
        assert_eq!(error.row, 1);
        assert_eq!(error.message, format!("its weight is {said}; a weight is a finite number of at least 0"));
    }
}

#[test]
fn temperature_makes_the_shares_of_unlike_sizes_more_alike() {
    let (large, small): (Vec<i64>, Vec<i64>) = ((0..10_000).collect(), (0..100).collect());
    let shares = |temperature, cap| {
        let input =
            |values, cap| MixInput { share: None, cap, epochs: 1000.0, identities: vec![values], strata: vec![] };
        let inputs = [input(&large[..], cap), input(&small[..], None)];
        let mixing = Mixing { rows: Some(1010), temperature: Some(temperature), seed: 1 };
        let passes = mixing.passes(&inputs, None).unwrap();
        passes.iter().map(|passes| passes.iter().map(|pass| pass.times * count(pass)).sum()).collect::<Vec<u64>>()
    };
    assert_eq!(shares(1.0, None), [1000, 10]);
    // 10,000 and 100 to the power of a half are 100 and 10.
    assert_eq!(shares(2.0, None), [918, 92]);
    assert_eq!(shares(1e9, None), [505, 505]);
    assert_eq!(shares(1.0, Some(200)), [673, 337]);
}

#[test]
fn a_row_comes_as_often_as_its_epochs_say() {
    let (few, many): (Vec<i64>, Vec<i64>) = ((0..10).collect(), (0..100).collect());
    let input = |share, values, epochs| MixInput {
        share: Some(share),
        cap: None,
        epochs,
        identities: vec![values],
        strata: vec![],
    };
    let inputs = [input(1.0, &few[..], 2.5), input(1.0, &many[..], 1.0)];
    let passes = Mixing { rows: None, temperature: None, seed: 1 }.passes(&inputs, None).unwrap();
    let told: Vec<Vec<(u64, u64)>> =
        passes.iter().map(|passes| passes.iter().map(|pass| (pass.times, count(pass))).collect()).collect();
    assert_eq!(told, [vec![(2, 10), (1, 5)], vec![(1, 25)]]);
    assert!(passes[0][0].takes[0].is_identity(), "a whole pass has the row group as it is");
}

proptest! {
    #[test]
    fn leaks_are_those_that_a_plain_loop_finds(rows in prop::collection::vec((0i64..12, 0i64..3), 0..80), size in 1usize..20) {
        let columns: Vec<[Vec<i64>; 3]> = rows
            .chunks(size)
            .map(|rows| [rows.iter().map(|r| r.0).collect(), rows.iter().map(|r| r.0).collect(), rows.iter().map(|r| r.1).collect()])
            .collect();
        let groups: Vec<Checked> = columns.iter().map(|[high, low, part]| Checked { high, low, part }).collect();
        let found = leaks(&groups, 2);
        let leaky = |value: i64| value != 0 && rows.iter().any(|r| r.0 == value && rows.iter().any(|o| o.0 == value && o.1 != r.1));
        prop_assert_eq!(found.values as usize, (0..12).filter(|value| leaky(*value)).count());
        prop_assert_eq!(found.rows as usize, rows.iter().filter(|row| leaky(row.0)).count());
        prop_assert_eq!(found.shown.len(), (found.values as usize).min(2));
        for shown in found.shown {
            let parts: std::collections::BTreeSet<i64> = shown.iter().map(|row| row.part).collect();
            prop_assert!(parts.len() == shown.len() && parts.len() > 1);
        }
    }
}
