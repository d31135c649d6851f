//! What is cut, against a plain reading of what it is to be: every unit of every text before is remembered.

use super::runs::least_of_windows;
use super::*;
use crate::text::{line_spans, normalise, paragraph_spans, without, word_spans};
use proptest::prelude::*;
use std::collections::HashSet;
use std::convert::Infallible;

type Groups = Vec<Vec<Option<String>>>;

/// Cuts as a build does it, with room for so many repeated hashes.
fn cut(spans: Spans, groups: &Groups, several: usize) -> Groups {
    let texts: Vec<ArrayRef> =
        groups.iter().map(|group| Arc::new(StringArray::from(group.clone())) as ArrayRef).collect();
    let hashes = |texts: &ArrayRef| {
        let batch = Batch { rows: texts.len(), columns: vec![("text".to_owned(), texts.clone())] };
        SpanHashes::new("text", spans).run(&batch).unwrap().remove(0)
    };
    let marks_of = |columns: &[ArrayRef], which| -> Vec<ArrayRef> {
        let lengths: Vec<usize> = columns.iter().map(|column| Packed::of(column).unwrap().all().len()).collect();
        let read = |at: usize| Ok::<_, Infallible>(columns[at].clone());
        let marks =
            repeated(columns.len(), lengths.iter().sum(), which, Room { told: 2 * several, several }, read).unwrap();
        let start = |at: usize| lengths[..at].iter().sum();
        columns.iter().enumerate().map(|(at, column)| marked(column, &marks, start(at)).unwrap()).collect()
    };
    let hashes: Vec<ArrayRef> = texts.iter().map(hashes).collect();
    let (marks, of_runs) = match spans.unit {
        Unit::Words => {
            let anchors = marks_of(&hashes, Which::All);
            let runs = texts.iter().zip(&anchors).map(|(texts, anchors)| spans.runs(texts, anchors).unwrap());
            let of_runs = marks_of(&runs.collect::<Vec<_>>(), Which::AllButTheFirst);
            (anchors, of_runs)
        }
        _ => (marks_of(&hashes, Which::AllButTheFirst), vec![no_marks(); texts.len()]),
    };
    let cut = |at: usize| {
        let cut = spans.cut(&texts[at], &marks[at], &of_runs[at]).unwrap();
        cut.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    };
    (0..texts.len()).map(cut).collect()
}

fn naive(spans: Spans, groups: &Groups) -> Groups {
    let mut seen: HashSet<String> = HashSet::new();
    let n = spans.min as usize;
    let mut one = |text: &String| {
        if spans.unit == Unit::Words {
            let spans = word_spans(text);
            let words: Vec<String> = spans.iter().map(|span| normalise(&text[span.clone()])).collect();
            let runs: Vec<String> = words.windows(n).map(|run| run.join(" ")).collect();
            let mut goes = vec![false; words.len()];
            for (start, run) in runs.iter().enumerate() {
                if seen.contains(run) || runs[..(start + 1).saturating_sub(n)].contains(run) {
                    goes[start..start + n].fill(true);
                }
            }
            seen.extend(runs);
            return without(text, &spans, |at| goes[at]);
        }
        let units = if spans.unit == Unit::Line { line_spans(text) } else { paragraph_spans(text) };
        let goes = units.iter().map(|unit| normalise(&text[unit.clone()]));
        let goes: Vec<bool> = goes.map(|unit| unit.split_whitespace().count() >= n && !seen.insert(unit)).collect();
        without(text, &units, |at| goes[at])
    };
    groups.iter().map(|group| group.iter().map(|text| text.as_ref().map(&mut one)).collect()).collect()
}

/// Texts that have much in common.
fn groups(text: &'static str) -> impl Strategy<Value = Groups> {
    proptest::collection::vec(proptest::collection::vec(proptest::option::weighted(0.9, text), 1..4), 0..4)
}

proptest! {
    #[test]
    fn lines_and_paragraphs_that_stood_before_go(
        groups in groups("((a|B|b|a  b|B A|a b c|É)?(\r?\n|\n\n)){0,7}(a b)?"), min in 1..4_u32, most in 1..9_usize,
    ) {
        for unit in [Unit::Line, Unit::Paragraph] {
            let spans = Spans { unit, min };
            prop_assert_eq!(cut(spans, &groups, most), naive(spans, &groups));
        }
    }

    #[test]
    fn runs_of_words_that_stood_before_go(groups in groups("[ab]{1}( [abAc]| \u{3a3}\n|  c){0,24}"), min in 1..7_u32, most in 1..9_usize) {
        let spans = Spans { unit: Unit::Words, min };
        prop_assert_eq!(cut(spans, &groups, most), naive(spans, &groups));
    }

    #[test]
    fn the_least_of_a_window_is_the_first_of_its_least_values(values in proptest::collection::vec(0..9_u64, 0..40), width in 0..9_usize) {
        let windows = if width == 0 { Vec::new() } else { values.windows(width).collect() };
        let first = |window: &[u64]| window.iter().position(|value| value == window.iter().min().unwrap()).unwrap();
        let expect: Vec<usize> = windows.iter().enumerate().map(|(start, window)| start + first(window)).collect();
        prop_assert_eq!(least_of_windows(&values, width).collect::<Vec<_>>(), expect);
    }
}

#[test]
fn the_first_of_a_run_stays_whole_where_a_text_repeats_itself() {
    let check = |min, text: &str, expect: &str| {
        let spans = Spans { unit: Unit::Words, min };
        assert_eq!(cut(spans, &vec![vec![Some(text.to_owned())]], 9), [[Some(expect.to_owned())]]);
    };
    check(3, "a b c x a b c", "a b c x");
    check(3, "a b c d a b c", "a b c d");
    check(2, "a a a a a a", "a a");
    check(3, "a a a a a a", "a a a");
    check(3, "a a a a a", "a a a a a");
    check(50, "a b", "a b");
}

#[test]
fn hashes_that_come_several_times_are_found_in_as_many_passes_as_it_takes() {
    let mut hashes: Vec<i64> = (0..900).map(|i| ((i * i) % 500_i64).wrapping_mul(0x0123_4567_89ab_cdef)).collect();
    hashes.extend([7; 40]);
    let column = packed::column(vec![hashes.len()], hashes.clone());
    for which in [Which::All, Which::AllButTheFirst] {
        let expect: Vec<bool> = hashes
            .iter()
            .enumerate()
            .map(|(at, hash)| match which {
                Which::All => hashes.iter().filter(|other| *other == hash).count() > 1,
                Which::AllButTheFirst => hashes[..at].contains(hash),
            })
            .collect();
        for (told, several) in [(1, 1), (100, 10), (10_000, 10), (300, 10_000), (10_000, 10_000)] {
            let read = |_| Ok::<_, Infallible>(column.clone());
            let marks = repeated(1, hashes.len(), which, Room { told, several }, read).unwrap();
            let found: Vec<bool> = (0..hashes.len()).map(|at| marks[at / 64] >> (at % 64) & 1 == 1).collect();
            assert_eq!(found, expect);
            let bits = marked(&column, &marks, 0).unwrap();
            let bits = Packed::of(&bits).unwrap();
            assert!((0..hashes.len()).all(|at| is_marked(bits.row(0).unwrap(), at) == expect[at]));
        }
    }
    let alone = packed::column(vec![1, 0, 2], vec![1, 2, 3]);
    let marks =
        repeated(1, 3, Which::All, Room { told: 9, several: 9 }, |_| Ok::<_, Infallible>(alone.clone())).unwrap();
    assert_eq!(marked(&alone, &marks, 0).unwrap().len(), 0);
}
