//! The laws of synthetic columns.

use super::*;
use crate::table::encode_chunk;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use proptest::prelude::*;

fn strings(values: &[&str]) -> Vec<Literal> {
    values.iter().map(|value| Literal::String((*value).to_owned())).collect()
}

fn recipes() -> Vec<Recipe> {
    vec![
        Recipe::Choice { values: strings(&["a", "b", "c"]), weights: vec![3.0, 0.0, 1.0] },
        Recipe::Choice { values: strings(&["a", "b", "c"]), weights: vec![] },
        Recipe::Integer { low: 8, high: 14 },
        Recipe::Integer { low: i64::MIN, high: i64::MAX },
        Recipe::Float { low: -1.0, high: 1.0, decimals: None },
        Recipe::Float { low: 0.0, high: 9.99, decimals: Some(2) },
        Recipe::Normal { mean: 100.0, sd: 15.0, decimals: None },
        Recipe::Normal { mean: 0.0, sd: 1.0, decimals: Some(1) },
        Recipe::Bool { p: 0.25 },
        Recipe::Sequence { start: 10, step: -3 },
        Recipe::Name(NamePart::First),
        Recipe::Name(NamePart::Last),
        Recipe::Name(NamePart::Full),
        Recipe::Date { first: 0, last: 365 },
        Recipe::Uuid,
        Recipe::Constant(Literal::Timestamp(7)),
    ]
}

fn floats(recipe: &Recipe, rows: u64) -> Vec<f64> {
    synth_column(recipe, 1, "x", 0..rows).as_primitive::<Float64Type>().values().to_vec()
}

fn ints(recipe: &Recipe, rows: u64) -> Vec<i64> {
    synth_column(recipe, 1, "x", 0..rows).as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn values_never_change() {
    let hash = |column: &ArrayRef| crate::hash::Hash::of(&encode_chunk(column)).short();
    let found: Vec<String> = recipes().iter().map(|recipe| hash(&synth_column(recipe, 7, "topic", 0..1000))).collect();
    assert_eq!(found, GOLDEN);
    let names = synth_column(&Recipe::Name(NamePart::Full), 7, "who", 0..2);
    assert_eq!(names.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["Kwame Torres", "Dolores Jansen"]);
}

const GOLDEN: [&str; 16] = [
    "6308ac48b83e",
    "20f26397bf66",
    "61d0861ad0f2",
    "4da8e1a07d97",
    "cea8e6ef5b3f",
    "9b86eecac6f6",
    "850917365159",
    "8b5cc0fed1bf",
    "8f77ee7a2f51",
    "4e305a6885bf",
    "f6f6e10c28af",
    "eb391f55ecb8",
    "e42fb4a05cdb",
    "6455fd2a73b5",
    "dd975f8f31f3",
    "6ac8db7396ab",
];

#[test]
fn every_column_has_the_type_that_its_recipe_says() {
    for recipe in recipes() {
        assert_eq!(recipe.check(), Ok(()));
        let column = synth_column(&recipe, 7, "x", 0..10);
        assert_eq!(Type::of(column.data_type()), Some(recipe.ty()), "{recipe:?}");
        assert_eq!((column.len(), column.null_count()), (10, 0), "{recipe:?}");
    }
}

proptest! {
    #[test]
    fn a_row_is_the_same_whatever_range_it_is_made_in(seed: i64, start in 0u64..5000, rows in 1u64..50, more in 0u64..50) {
        for recipe in recipes() {
            let alone = synth_column(&recipe, seed, "x", start..start + rows);
            let longer = synth_column(&recipe, seed, "x", start..start + rows + more);
            prop_assert_eq!(&alone, &longer.slice(0, rows as usize));
        }
    }

    #[test]
    fn numbers_stay_within_their_bounds(low in -1000i64..1000, span in 0i64..50, decimals in 0u8..6) {
        let (a, b) = (low as f64 / 7.0, (low + span) as f64 / 7.0);
        for value in ints(&Recipe::Integer { low, high: low + span }, 100) {
            prop_assert!((low..=low + span).contains(&value));
        }
        for value in floats(&Recipe::Float { low: a, high: b, decimals: None }, 100) {
            prop_assert!((a..=b).contains(&value));
        }
        let grid = Recipe::Float { low: a, high: b, decimals: Some(decimals) };
        if grid.check().is_ok() {
            for value in floats(&grid, 100) {
                prop_assert!((a..=b).contains(&value));
                prop_assert_eq!(format!("{value:.*}", usize::from(decimals)).parse::<f64>(), Ok(value));
            }
        }
    }
}

#[test]
fn another_seed_or_name_gives_other_values() {
    let recipe = Recipe::Integer { low: 0, high: 1 << 60 };
    let base = synth_column(&recipe, 1, "x", 0..10);
    assert_ne!(&base, &synth_column(&recipe, 2, "x", 0..10));
    assert_ne!(&base, &synth_column(&recipe, 1, "y", 0..10));
}

#[test]
fn frequencies_are_those_asked_for() {
    let n = 100_000;
    let near = |found: f64, wanted: f64, by: f64| assert!((found - wanted).abs() < by, "{found} and not {wanted}");
    let share = |recipe: Recipe, value: &str| {
        let column = synth_column(&recipe, 3, "x", 0..n);
        column.as_string::<i32>().iter().filter(|found| *found == Some(value)).count() as f64 / n as f64
    };
    let weighted = Recipe::Choice { values: strings(&["a", "b", "c"]), weights: vec![3.0, 0.0, 1.0] };
    near(share(weighted.clone(), "a"), 0.75, 0.01);
    assert_eq!(share(weighted, "b"), 0.0);
    near(share(Recipe::Choice { values: strings(&["a", "b"]), weights: vec![] }, "a"), 0.5, 0.01);
    let bools = synth_column(&Recipe::Bool { p: 0.25 }, 3, "x", 0..n);
    near(bools.as_boolean().true_count() as f64 / n as f64, 0.25, 0.01);
    let normal = floats(&Recipe::Normal { mean: 100.0, sd: 15.0, decimals: None }, n);
    let mean = normal.iter().sum::<f64>() / n as f64;
    near(mean, 100.0, 0.3);
    near((normal.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64).sqrt(), 15.0, 0.2);
    let dice = ints(&Recipe::Integer { low: 1, high: 6 }, n);
    (1..=6)
        .for_each(|face| near(dice.iter().filter(|value| **value == face).count() as f64 / n as f64, 1.0 / 6.0, 0.01));
}

#[test]
fn a_sequence_counts_and_ends_in_nulls() {
    assert_eq!(ints(&Recipe::Sequence { start: 5, step: 2 }, 3), [5, 7, 9]);
    let column = synth_column(&Recipe::Sequence { start: i64::MAX, step: 1 }, 1, "x", 0..2);
    assert!(column.is_valid(0) && column.is_null(1));
}

#[test]
fn a_uuid_says_that_it_is_random() {
    let column = synth_column(&Recipe::Uuid, 1, "x", 0..100);
    for text in column.as_string::<i32>().iter().flatten() {
        assert_eq!((text.len(), &text[14..15]), (36, "4"), "{text}");
        assert!("89ab".contains(&text[19..20]), "{text}");
    }
}

#[test]
fn recipes_that_make_no_sense_say_why() {
    let check = |recipe: Recipe, expect: &str| assert_eq!(recipe.check(), Err(expect.to_owned()));
    let choice = |weights: &[f64]| Recipe::Choice { values: strings(&["a", "b"]), weights: weights.to_vec() };
    check(Recipe::Choice { values: vec![], weights: vec![] }, "`choice` is empty");
    let mixed = vec![Literal::Int(1), Literal::Bool(true)];
    check(Recipe::Choice { values: mixed, weights: vec![] }, "the values of `choice` are of several types: bool, int");
    check(choice(&[1.0]), "there are 2 values and 1 weights");
    check(choice(&[1.0, -1.0]), "a weight is -1; it is a number from 0 to a million");
    check(choice(&[0.0, 0.0]), "all weights are 0");
    check(Recipe::Integer { low: 2, high: 1 }, "2 is above 1");
    check(Recipe::Float { low: 2.0, high: 1.0, decimals: None }, "2 is above 1");
    check(
        Recipe::Float { low: 0.1, high: 0.4, decimals: Some(0) },
        "there is no number with 0 decimals from 0.1 to 0.4",
    );
    check(Recipe::Float { low: 0.0, high: 1.0, decimals: Some(16) }, "a float has no more than 15 decimals");
    check(
        Recipe::Normal { mean: 0.0, sd: -1.0, decimals: None },
        "the standard deviation is -1; it is a number from 0 on",
    );
    check(Recipe::Bool { p: 1.5 }, "the probability is 1.5; it is a number from 0 to 1");
    check(Recipe::Date { first: 1, last: 0 }, "the first day is after the last");
}

#[test]
fn recipes_that_differ_have_keys_that_differ() {
    let key = |recipe: &Recipe| {
        let mut key = crate::op::key("synth");
        recipe.write_key(&mut key);
        key.finish()
    };
    let keys: BTreeSet<_> = recipes().iter().map(key).collect();
    assert_eq!(keys.len(), recipes().len());
}

#[test]
fn groups_cover_all_rows_in_order() {
    assert_eq!(synth_groups(10, 4).collect::<Vec<_>>(), [0..4, 4..8, 8..10]);
    assert_eq!(synth_groups(0, 4).count(), 0);
}
