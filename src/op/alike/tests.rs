//! Laws of clusters: what is found, and that nothing but the rows decides.

use super::*;
use crate::op::RowOp;
use crate::table::Batch;
use crate::text::{Words, normalise};
use arrow_array::{ArrayRef, StringArray};
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Arc;

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (crate::hash::mix64(self.0) % n as u64) as usize
    }

    /// Words as a language has them: few are in most texts.
    fn word(&mut self) -> String {
        let rank = self.below(2000) * self.below(2000) / 2000;
        format!("w{rank}")
    }

    fn text(&mut self, words: usize) -> Vec<String> {
        (0..words).map(|_| self.word()).collect()
    }

    /// Changes, drops, inserts and swaps words.
    fn edited(&mut self, words: &[String], edits: usize) -> Vec<String> {
        let mut words = words.to_vec();
        for _ in 0..edits {
            let at = self.below(words.len() - 1);
            match self.below(4) {
                0 => words[at] = self.word(),
                1 if words.len() > 20 => drop(words.remove(at)),
                2 => words.insert(at, self.word()),
                _ => words.swap(at, at + 1),
            }
        }
        words
    }
}

fn shingles(text: &str) -> HashSet<u64> {
    let mut words = Words::default();
    words.split(normalise(text).as_bytes());
    words.shingles(SHINGLE as usize).collect()
}

fn jaccard(a: &str, b: &str) -> f64 {
    let (a, b) = (shingles(a), shingles(b));
    a.intersection(&b).count() as f64 / a.union(&b).count() as f64
}

/// Clusters texts in row groups of `size` rows.
fn clusters(texts: &[String], banding: Banding, size: usize) -> Vec<u32> {
    let op = Signature::new(vec!["text".to_owned()], SHINGLE, banding.places());
    let sign = |texts: &[String]| {
        let column: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        op.run(&Batch { rows: texts.len(), columns: vec![("text".to_owned(), column)] }).unwrap()
    };
    let groups: Vec<Vec<ArrayRef>> = texts.chunks(size).map(sign).collect();
    let bands = |group: &Vec<ArrayRef>| {
        let high = banding.needs_all_bits().then_some(&group[1]);
        banding.bands(&group[0], high).unwrap()
    };
    let buckets = Buckets::of(groups.iter().map(bands).collect(), banding.bands);
    let mut short = Vec::new();
    let mut start = 0;
    for group in groups.iter().map(|group| &group[0]) {
        let any = &buckets.any[start..start + group.len()];
        let rows = (0..group.len()).filter(|row| any[*row]);
        banding.shorten(group, rows, &mut short).unwrap();
        start += group.len();
    }
    nearly(&buckets, MOST, |a, b| banding.are_alike(&short, a, b))
}

fn banding(threshold: f64) -> Banding {
    Banding::new(Banding::cut(threshold), threshold)
}

#[test]
fn bands_find_nearly_all_pairs_at_the_threshold() {
    let cut = |threshold| Banding::cut(threshold);
    assert_eq!([0.5, 0.7, 0.8, 0.9, 1.0].map(cut), [(37, 3), (22, 5), (16, 7), (10, 11), (1, 112)]);
    assert_eq!([0.5, 0.8, 0.9].map(|threshold| banding(threshold).needed), [46, 82, 95]);
    assert!([0.3, 0.8, 1.0].map(|threshold| banding(threshold).places()).iter().all(|places| *places == 112));
    assert_eq!(Banding::new((20, 9), 0.8).places(), 184);
}

#[test]
fn recall_is_95_in_100_for_pairs_just_above_the_threshold_and_what_is_found_wrongly_is_just_below_it() {
    let mut random = Random(1);
    let mut texts = Vec::new();
    for _ in 0..3000 {
        let words = 40 + random.below(400);
        let text = random.text(words);
        // About so many edits that a fifth of the shingles are others.
        let edits = random.below(1 + words / 18);
        texts.push((text.join(" "), random.edited(&text, edits).join(" ")));
    }
    let all: Vec<String> = texts.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    let found = clusters(&all, banding(0.8), 100);
    // Nothing leads from one pair to another.
    assert!((0..texts.len()).all(|pair| found[2 * pair] == 2 * pair as u32));
    let unjudged = clusters(&all, Banding { needed: 1, ..banding(0.8) }, 100);
    let pairs: Vec<(f64, bool, bool)> = texts
        .iter()
        .enumerate()
        .map(|(pair, (a, b))| {
            let is = |clusters: &[u32]| clusters[2 * pair] == clusters[2 * pair + 1];
            (jaccard(a, b), is(&found), is(&unjudged))
        })
        .collect();
    let share = |of: &dyn Fn(&(f64, bool, bool)) -> bool, what: &dyn Fn(&(f64, bool, bool)) -> bool| {
        let of: Vec<_> = pairs.iter().filter(|pair| of(pair)).collect();
        assert!(of.len() > 200, "{}", of.len());
        of.iter().filter(|pair| what(pair)).count() as f64 / of.len() as f64
    };
    let recall = share(&|pair| pair.0 >= 0.8, &|pair| pair.1);
    let just_above = share(&|pair| (0.8..0.83).contains(&pair.0), &|pair| pair.1);
    let precision = share(&|pair| pair.1, &|pair| pair.0 >= 0.8);
    let nearly = share(&|pair| pair.1, &|pair| pair.0 >= 0.7);
    let unjudged = share(&|pair| pair.2, &|pair| pair.0 >= 0.8);
    println!(
        "recall {recall}, just above {just_above}; precision {precision}, at 0.7 {nearly}; without judging {unjudged}"
    );
    assert!(recall >= 0.99 && just_above >= 0.95, "recall {recall}, {just_above} just above the threshold");
    // Most of these pairs are made to be near the threshold: what is wrong is just below it.
    assert!(precision >= 0.65 && nearly >= 0.95, "precision {precision}, {nearly} at 0.7");
    assert!(precision > unjudged + 0.05, "judging makes it {precision} of {unjudged}");
}

#[test]
fn rows_without_words_are_like_no_other() {
    let texts = ["", " ", "a b", "A  b", ""].map(str::to_owned);
    assert_eq!(clusters(&texts, banding(0.8), 2), [0, 1, 2, 2, 4]);
}

#[test]
fn more_rows_that_share_a_band_than_are_compared_still_find_their_doubles() {
    let mut random = Random(3);
    let base = random.text(60);
    let other = |at: usize| {
        let mut words = base.clone();
        words[at % 60] = format!("other{at}");
        words.join(" ")
    };
    let mut texts: Vec<String> = (0..200).map(other).collect();
    texts.extend(texts.clone());
    // One place is a band, so most buckets have most rows.
    let clusters = clusters(&texts, Banding { bands: 112, rows: 1, needed: 112 }, 50);
    assert!((0..200).all(|row| clusters[row] == row as u32 && clusters[row + 200] == row as u32));
}

proptest! {
    #[test]
    fn clusters_do_not_depend_on_where_row_groups_end(seed in 0..u64::MAX, sizes in proptest::collection::vec(1..40_usize, 2)) {
        let mut random = Random(seed);
        let base: Vec<Vec<String>> = (0..8).map(|_| random.text(40)).collect();
        let texts: Vec<String> = (0..60)
            .map(|_| {
                let (of, edits) = (random.below(8), random.below(4));
                random.edited(&base[of], edits).join(" ")
            })
            .collect();
        let found = clusters(&texts, banding(0.7), sizes[0]);
        prop_assert_eq!(&found, &clusters(&texts, banding(0.7), sizes[1]));
        prop_assert!(found.iter().enumerate().all(|(row, first)| *first <= row as u32 && found[*first as usize] == *first));
    }

    #[test]
    fn of_each_cluster_one_row_is_kept_and_none_where_another_dataset_has_one(
        prints in proptest::collection::vec((0..6_i64, -3..3_i64), 0..40), others in 0..10_usize, best in any::<bool>(),
    ) {
        let others = others.min(prints.len());
        let (low, ranks): (Vec<i64>, Vec<i64>) = prints.iter().copied().unzip();
        let own = ranks[others..].iter().copied();
        let kept = keep(equal(&[(&vec![0; low.len()], &low)]), others, best.then_some(own));
        for row in 0..low.len() {
            let same = |other: &usize| low[*other] == low[row] && (low[row] != 0 || *other == row);
            let expect = match (0..others).find(same) {
                Some(other) => other,
                None if best => (others..low.len()).filter(same).max_by_key(|at| (ranks[*at], std::cmp::Reverse(*at))).unwrap_or(row),
                None => (0..low.len()).find(same).unwrap(),
            };
            prop_assert!(row < others || kept[row] == expect as u32);
        }
    }
}

#[test]
fn vectors_with_a_cosine_of_the_threshold_or_more_are_found_and_no_others() {
    let mut random = Random(7);
    let mut number = || random.below(2_000_001) as f64 / 1_000_000.0 - 1.0;
    let mut vectors: Vec<Vec<f64>> = Vec::new();
    for pair in 0..400 {
        let base: Vec<f64> = (0..64).map(|_| number()).collect();
        let noise = f64::from(pair) / 800.0;
        vectors.push(base.iter().map(|value| value * 3.0 + noise * number() * 3.0).collect());
        vectors.push(base);
    }
    let cosine = |a: &[f64], b: &[f64]| {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let column: ArrayRef = {
        let mut lists = arrow_array::builder::ListBuilder::new(arrow_array::builder::Float64Builder::new());
        vectors.iter().for_each(|vector| lists.append_value(vector.iter().copied().map(Some)));
        lists.append_null();
        lists.append_value([Some(0.0); 64]);
        lists.append_null();
        Arc::new(lists.finish())
    };
    let batch = Batch { rows: column.len(), columns: vec![("v".to_owned(), column.clone())] };
    let directions = Direction::new("v".to_owned()).run(&batch).unwrap().remove(0);
    for threshold in [0.9, 0.95, 0.99, 0.9999] {
        let judge = Cosine::new(threshold);
        let buckets = Buckets::of(vec![judge.cut(&directions).unwrap()], judge.bands());
        let (mut short, mut dimensions) = (Vec::new(), 0);
        judge.vectors(&column, (0..column.len()).filter(|row| buckets.any[*row]), &mut dimensions, &mut short).unwrap();
        let clusters = nearly(&buckets, usize::MAX, |a, b| {
            judge.are_alike(&short[a * dimensions..][..dimensions], &short[b * dimensions..][..dimensions])
        });
        let (mut there, mut found) = (0, 0);
        for (pair, both) in vectors.chunks(2).enumerate() {
            let (is, cosine) = (clusters[2 * pair + 1] == 2 * pair as u32, cosine(&both[0], &both[1]));
            there += usize::from(cosine >= threshold);
            found += usize::from(is);
            assert!(!is || cosine + 2e-6 >= threshold, "{cosine} at {threshold}");
        }
        println!("{threshold}: {found} of {there}, {} bands of {} bits", judge.bands(), judge.bits);
        assert!(found * 100 >= there * 95 && there > 0, "{found} of {there} at {threshold}");
        assert!((800..803).all(|row| clusters[row] == row as u32));
    }
}
