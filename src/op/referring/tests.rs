//! Laws of the ops that look into another table.

use super::*;
use crate::expr::{Value, array_of, value_at};
use crate::op::{Other, ReferOp};
use crate::table::{Batch, Field, Type};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn vectors() -> Type {
    Type::List(Box::new(Type::Float))
}

fn vector(values: &[f64]) -> Value {
    Value::List(values.iter().copied().map(Value::Float).collect())
}

/// Rows with an int `id` and a vector `v`.
fn rows(ids: &[i64], cells: &[Value]) -> Batch {
    let ids: Vec<Value> = ids.iter().copied().map(Value::Int).collect();
    let columns = vec![("id".to_owned(), array_of(&Type::Int, &ids)), ("v".to_owned(), array_of(&vectors(), cells))];
    Batch { rows: ids.len(), columns }
}

fn points(points: &[Vec<f64>]) -> Batch {
    rows(&(0..points.len() as i64).collect::<Vec<_>>(), &points.iter().map(|p| vector(p)).collect::<Vec<_>>())
}

fn op(k: u32) -> Nearest {
    Nearest::new("v", "v", k, vec![Field::new("id", Type::Int)], Vec::new(), "near")
}

/// What is found for each row: ids and cosines.
fn found(op: &dyn ReferOp, input: &Batch, other: &Batch) -> Vec<Vec<(i64, f64)>> {
    let column = &op.run(input, &Other::Rows(other.clone())).unwrap()[0];
    assert_eq!(*column.data_type(), op.writes()[0].ty.arrow());
    let one = |row: usize| {
        let Value::List(items) = value_at(column, row) else { panic!("a row has a list") };
        let item = |item: Value| match item {
            Value::Struct(fields) => match (&fields[0].1, &fields.last().expect("it has fields").1) {
                (Value::Float(cosine), Value::Int(id)) => (*id, *cosine),
                (_, Value::Int(id)) => (*id, 0.0),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        items.into_iter().map(item).collect()
    };
    (0..input.rows).map(one).collect()
}

/// The same, one pair at a time and in an order of its own.
fn naive(input: &[Vec<f64>], other: &[Vec<f64>], k: usize) -> Vec<Vec<(i64, f64)>> {
    let unit = |v: &Vec<f64>| {
        let largest = v.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let length = v.iter().fold(0.0, |s, x| s + (x / largest) * (x / largest)).sqrt();
        v.iter().map(|x| (x / largest / length) as f32).collect::<Vec<f32>>()
    };
    let others: Vec<Vec<f32>> = other.iter().map(unit).collect();
    let one = |v: &Vec<f64>| {
        let v = unit(v);
        let cosine = |o: &Vec<f32>| {
            let sum = v.iter().zip(o).fold(0.0_f32, |sum, (a, b)| sum + a * b);
            f64::from(sum.clamp(-1.0, 1.0))
        };
        let mut all: Vec<(i64, f64)> = others.iter().map(cosine).enumerate().map(|(at, c)| (at as i64, c)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(k);
        all
    };
    input.iter().map(one).collect()
}

/// Vectors that are often alike, and are not zero.
fn some_points(dimensions: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    let vector = prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), -2.0..2.0_f64], dimensions);
    let vector = vector.prop_map(|mut v| {
        if v.iter().all(|x| *x == 0.0) {
            v[0] = 1.0;
        }
        v
    });
    prop::collection::vec(vector, 0..40)
}

proptest! {
    #[test]
    fn the_nearest_are_those_that_a_plain_loop_finds_to_the_last_bit(
        (own, others) in (1..20_usize).prop_flat_map(|d| (some_points(d), some_points(d))),
        k in 1..6_u32,
    ) {
        prop_assert_eq!(found(&op(k), &points(&own), &points(&others)), naive(&own, &others, k as usize));
    }

    #[test]
    fn what_is_found_for_a_row_does_not_depend_on_the_rows_beside_it(
        (own, others) in (1..9_usize).prop_flat_map(|d| (some_points(d), some_points(d))),
    ) {
        let together = found(&op(3), &points(&own), &points(&others));
        let alone = own.iter().map(|one| found(&op(3), &points(std::slice::from_ref(one)), &points(&others)).remove(0));
        prop_assert_eq!(together, alone.collect::<Vec<_>>());
    }

    #[test]
    fn random_examples_stay_when_rows_are_added_elsewhere(
        ids in prop::collection::btree_set(any::<i64>(), 1..40),
        more in prop::collection::btree_set(any::<i64>(), 0..20),
    ) {
        let all: BTreeSet<i64> = ids.union(&more).copied().collect();
        let (ids, all): (Vec<i64>, Vec<i64>) = (ids.into_iter().collect(), all.into_iter().collect());
        // More rows to give examples to change nothing for those that were there.
        let before = random(3, 7, &ids, &ids);
        let after = random(3, 7, &all, &ids);
        for (id, chosen) in ids.iter().zip(&before) {
            let at = all.iter().position(|other| other == id).unwrap();
            prop_assert_eq!(&after[at], chosen);
        }
        // More rows to choose from change only what they push out.
        let after = random(3, 7, &ids, &all);
        for (before, after) in before.iter().zip(&after) {
            let kept: Vec<i64> = after.iter().copied().filter(|id| ids.contains(id)).collect();
            prop_assert_eq!(&kept[..], &before[..kept.len()]);
        }
    }
}

/// The ids of random examples for each of `own`.
fn random(k: u32, seed: i64, own: &[i64], others: &[i64]) -> Vec<Vec<i64>> {
    let by = vec!["id".to_owned()];
    let choice = Choice::Random { by: by.clone(), their: by.clone(), seed };
    let op = Examples::new(choice, k, by, vec![Field::new("id", Type::Int)], "examples");
    let batch = |ids: &[i64]| rows(ids, &vec![vector(&[1.0]); ids.len()]);
    let found = found(&op, &batch(own), &batch(others));
    found.into_iter().map(|row| row.into_iter().map(|(id, _)| id).collect()).collect()
}

#[test]
fn random_examples_are_others_for_each_row_and_each_seed_and_never_the_row_itself() {
    let ids: Vec<i64> = (0..50).collect();
    let one = random(3, 1, &ids, &ids);
    assert!(one.iter().zip(&ids).all(|(chosen, id)| chosen.len() == 3 && !chosen.contains(id)));
    let different: BTreeSet<&Vec<i64>> = one.iter().collect();
    assert!(different.len() > 45, "{different:?}");
    assert_ne!(one, random(3, 2, &ids, &ids));
    let shown: BTreeSet<i64> = one.into_iter().flatten().collect();
    assert!(shown.len() > 40, "nearly all are somebody's example: {shown:?}");
    assert_eq!(random(3, 1, &[5], &[5, 6]), [[6]]);
}

#[test]
fn the_first_examples_are_the_same_for_every_row() {
    let op = Examples::new(Choice::First, 2, vec!["id".into()], vec![Field::new("id", Type::Int)], "examples");
    assert!(op.reads().is_empty());
    let batch = |ids: &[i64]| rows(ids, &vec![vector(&[1.0]); ids.len()]);
    let found = found(&op, &batch(&[1, 9]), &batch(&[9, 8, 7]));
    assert_eq!(found, [[(9, 0.0), (8, 0.0)], [(9, 0.0), (8, 0.0)]]);
}

#[test]
fn similar_examples_are_the_nearest_other_rows() {
    let choice = Choice::Similar { by: "v".into(), their: "v".into() };
    let op = Examples::new(choice, 2, vec!["id".into()], vec![Field::new("id", Type::Int)], "examples");
    let all = points(&[vec![1.0, 0.0], vec![0.9, 0.1], vec![0.0, 1.0], vec![0.5, 0.5]]);
    let ids: Vec<Vec<i64>> =
        found(&op, &all, &all).into_iter().map(|row| row.into_iter().map(|(id, _)| id).collect()).collect();
    assert_eq!(ids, [[1, 3], [0, 3], [3, 1], [1, 0]]);
}

#[test]
fn vectors_that_have_no_cosine_are_errors_that_say_where() {
    let good = points(&[vec![1.0, 0.0]]);
    let fails = |cells: &[Value]| {
        let bad = rows(&vec![0; cells.len()], cells);
        let error = op(1).run(&bad, &Other::Rows(good.clone())).unwrap_err();
        assert!(error.help.is_some());
        let other = op(1).run(&good, &Other::Rows(bad)).unwrap_err();
        assert_eq!(other.row, usize::MAX);
        (error.row, error.message)
    };
    let unit = || vector(&[1.0, 0.0]);
    assert_eq!(fails(&[unit(), Value::Null]), (1, "`v` is null".to_owned()));
    assert_eq!(fails(&[vector(&[0.0, 0.0])]), (0, "`v` is zero, which points nowhere".to_owned()));
    assert_eq!(fails(&[unit(), vector(&[])]), (1, "`v` is an empty vector".to_owned()));
    assert_eq!(fails(&[unit(), vector(&[1.0])]).1, "`v` has 1 dimensions, and that of the first row 2");
    assert_eq!(fails(&[vector(&[f64::NAN, 1.0])]).1, "`v` has a number that is not finite");
    let inside = Value::List(vec![Value::Null, Value::Float(1.0)]);
    assert_eq!(fails(&[inside]).1, "`v` has a number that is null");
    let error = op(1).run(&points(&[vec![1.0, 0.0, 0.0]]), &Other::Rows(good)).unwrap_err();
    assert_eq!(error.message, "the vector has 3 dimensions, and those of the other table 2");
}

#[test]
fn an_empty_table_has_nothing_near() {
    assert_eq!(found(&op(3), &points(&[vec![1.0]]), &points(&[])), [vec![]]);
    assert_eq!(found(&op(3), &points(&[]), &points(&[vec![1.0]])), Vec::<Vec<_>>::new());
}

/// Not a law but a measurement: `cargo test --release -- --ignored --nocapture speed_of_nearest`.
#[test]
#[ignore = "a measurement"]
fn speed_of_nearest() {
    let (own, others, dimensions) = (2000, 10_000, 768);
    let make = |n: usize, salt: u64| {
        let number = |i: u64| (crate::hash::mix64(i ^ salt) % 2001) as f64 / 1000.0 - 1.0;
        let cells: Vec<Value> = (0..n)
            .map(|row| vector(&(0..dimensions).map(|d| number((row * dimensions + d) as u64)).collect::<Vec<_>>()))
            .collect();
        rows(&(0..n as i64).collect::<Vec<_>>(), &cells)
    };
    let (own_rows, other_rows) = (make(own, 1), make(others, 2));
    let start = std::time::Instant::now();
    let out = op(10).run(&own_rows, &Other::Rows(other_rows)).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let flops = 2.0 * (own * others * dimensions) as f64;
    eprintln!("{} lists in {seconds:.3} s: {:.1} GFLOP/s", out[0].len(), flops / seconds / 1e9);
}

#[test]
fn a_row_finds_its_neighbours_and_not_itself_if_that_is_asked_for() {
    let all = points(&[vec![1.0, 0.0], vec![1.0, 0.0], vec![0.0, 1.0], vec![1.0, 1.0]]);
    let near = Nearest::new("v", "v", 1, vec![Field::new("id", Type::Int)], vec!["id".to_owned()], "near");
    let ids: Vec<i64> = found(&near, &all, &all).iter().map(|row| row[0].0).collect();
    assert_eq!(ids, [1, 0, 3, 0]);
    assert_eq!(found(&op(1), &all, &all).iter().map(|row| row[0].0).collect::<Vec<_>>(), [0, 0, 2, 3]);
    // A table of one row has no neighbours.
    let one = points(&[vec![1.0, 0.0]]);
    assert_eq!(found(&near, &one, &one), [vec![]]);
}
