//! Laws of noise.

use super::tables::neighbours;
use super::*;
use crate::diag::Source;
use arrow_array::Int64Array;
use proptest::prelude::*;

fn how(noise: &[Noise], intensity: f64) -> Augmenting {
    Augmenting {
        noise: noise.iter().map(|noise| (*noise, 1.0)).collect(),
        intensity: Intensity::Fixed(intensity),
        share: 1.0,
        seed: 3,
        synonyms: Synonyms::english(),
    }
}

fn all() -> Vec<Noise> {
    Noise::ALL.iter().map(|(_, noise)| *noise).collect()
}

/// The texts with noise, of rows with these ids.
fn noisy(how: &Augmenting, rows: &[(i64, String)]) -> Vec<String> {
    let made = made(how, rows, Augmented::Text);
    made.as_string::<i32>().iter().map(|text| text.unwrap().to_owned()).collect()
}

fn made(how: &Augmenting, rows: &[(i64, String)], made: Augmented) -> ArrayRef {
    let ids: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1)));
    let input = Batch { rows: rows.len(), columns: vec![("text".into(), texts), ("id".into(), ids)] };
    Augment::new(how.clone(), "text".into(), vec!["id".into()], made).run(&input).unwrap().remove(0)
}

fn one(how: &Augmenting, id: i64, text: &str) -> String {
    noisy(how, &[(id, text.to_owned())]).remove(0)
}

/// All that different rows with the same text become.
fn outcomes(noise: Noise, text: &str) -> Vec<String> {
    let mut found: Vec<String> = (0..400).map(|id| one(&how(&[noise], 1.0), id, text)).collect();
    found.sort();
    found.dedup();
    found
}

fn words(text: &str) -> Vec<&str> {
    text.unicode_words().collect()
}

proptest! {
    #[test]
    fn a_row_keeps_its_noise_whatever_the_other_rows_are(
        texts in prop::collection::vec("[a-zA-Z0-9 ,.é]{0,60}", 1..12), intensity in 0.0..1.0, skip in 0usize..12,
    ) {
        let rows: Vec<(i64, String)> = texts.into_iter().enumerate().map(|(id, text)| (id as i64, text)).collect();
        let how = how(&all(), intensity);
        let found = noisy(&how, &rows);
        let mut others = rows.clone();
        others.reverse();
        others.retain(|row| row.0 != skip as i64);
        for (row, text) in others.iter().zip(noisy(&how, &others)) {
            prop_assert_eq!(&text, &found[row.0 as usize]);
        }
    }

    #[test]
    fn a_larger_intensity_touches_every_word_that_a_smaller_one_does(text in "([a-z]{3,8} ){1,20}", a in 0.0..1.0, b in 0.0..1.0, id: i64) {
        let (small, large) = if a < b { (a, b) } else { (b, a) };
        let few = one(&how(&[Noise::Keyboard], small), id, &text);
        let many = one(&how(&[Noise::Keyboard], large), id, &text);
        for ((word, few), many) in words(&text).iter().zip(words(&few)).zip(words(&many)) {
            prop_assert!(few == *word || few == many);
        }
    }

    #[test]
    fn any_text_is_taken_and_what_is_done_is_told(text in any::<String>(), id: i64, intensity in 0.0..1.0) {
        let rows = [(id, text.clone())];
        for noise in Noise::ALL {
            let how = how(&[noise.1], intensity);
            let done = made(&how, &rows, Augmented::Edits);
            let done = done.as_list::<i32>().value(0);
            prop_assert!(done.as_string::<i32>().iter().all(|kind| kind == Some(noise.0)));
            // Marks alone can move together with others; but where nothing is done, nothing changes.
            prop_assert!(!done.is_empty() || one(&how, id, &text) == text);
        }
    }
}

#[test]
fn no_intensity_is_no_noise_and_full_intensity_changes_every_word_once() {
    let text = "Ada counts seventeen apples, twelve pears and 40 plums.";
    assert_eq!(one(&how(&all(), 0.0), 1, text), text);
    for id in 0..50 {
        let found = one(&how(&[Noise::Keyboard], 1.0), id, text);
        for (old, new) in words(text).iter().zip(words(&found)).filter(|(old, _)| **old != "40") {
            let unlike = old.chars().zip(new.chars()).filter(|(a, b)| a != b).count();
            assert_eq!((old.len(), unlike), (new.len(), 1), "{old} {new}");
        }
        assert!(found.contains("40"), "digits are no letters");
    }
}

#[test]
fn the_share_of_changed_words_is_the_intensity_and_that_of_changed_rows_the_share() {
    let text = "several little words that all can be changed by somebody".to_owned();
    let rows: Vec<(i64, String)> = (0..4000).map(|id| (id, text.clone())).collect();
    let found = noisy(&Augmenting { share: 0.25, ..how(&[Noise::Double], 0.3) }, &rows);
    let changed: Vec<usize> = found
        .iter()
        .map(|found| words(&text).iter().zip(words(found)).filter(|(old, new)| *old != new).count())
        .collect();
    // Of 4000 rows a quarter: 1000 with a standard deviation of 27, of which 3 % are spared by all ten draws.
    let rows = changed.iter().filter(|n| **n > 0).count() as f64;
    assert!((rows - 1000.0 * (1.0 - 0.7f64.powi(10))).abs() < 140.0, "{rows}");
    let words = changed.iter().sum::<usize>() as f64 / (rows / (1.0 - 0.7f64.powi(10)) * 10.0);
    assert!((words - 0.3).abs() < 0.03, "{words}");
}

#[test]
fn each_kind_does_what_it_says() {
    assert_eq!(outcomes(Noise::Keyboard, "Qa"), ["Aa", "Qq", "Qs", "Qw", "Qz", "Wa"]);
    assert_eq!(outcomes(Noise::Ocr, "corn"), ["c0rn", "com", "coru", "eorn"]);
    assert_eq!(outcomes(Noise::Case, "aB3"), ["AB3", "ab3"]);
    assert_eq!(outcomes(Noise::Drop, "abc"), ["ab", "ac", "bc"]);
    assert_eq!(outcomes(Noise::Swap, "abb"), ["bab"]);
    assert_eq!(outcomes(Noise::Double, "ab"), ["aab", "abb"]);
    assert_eq!(outcomes(Noise::DeleteWord, "a b, c d"), [", c", ", d", "a,", "b,"]);
    assert_eq!(outcomes(Noise::SwapWord, "one two, three"), ["two one, three"]);
    assert_eq!(outcomes(Noise::Synonym, "BIG"), ["LARGE"]);
    assert_eq!(outcomes(Noise::Synonym, "Happy"), ["Cheerful", "Glad"]);
    for (noise, text) in [(Noise::Drop, "a"), (Noise::Swap, "aa"), (Noise::Keyboard, "12"), (Noise::Synonym, "zyx")] {
        assert_eq!(outcomes(noise, text), [text], "there is nothing to change");
    }
}

#[test]
fn characters_of_several_code_points_stay_whole() {
    // An é of two code points, a flag, and a family joined by joiners.
    assert_eq!(outcomes(Noise::Drop, "e\u{301}n"), ["e\u{301}", "n"]);
    assert_eq!(outcomes(Noise::Swap, "e\u{301}n"), ["ne\u{301}"]);
    assert_eq!(outcomes(Noise::Double, "e\u{301}"), ["e\u{301}e\u{301}"]);
    assert_eq!(outcomes(Noise::Keyboard, "e\u{301}"), ["e\u{301}"]);
    assert_eq!(outcomes(Noise::Ocr, "e\u{301}"), ["e\u{301}"]);
    let emoji = "🇩🇪 👨‍👩‍👧 漢字";
    for noise in all() {
        for found in outcomes(noise, emoji) {
            assert!(found.contains("🇩🇪") && found.contains("👨‍👩‍👧"), "{found}");
        }
    }
}

#[test]
fn kinds_come_by_their_weights() {
    let how = Augmenting { noise: vec![(Noise::Double, 3.0), (Noise::Case, 1.0)], ..how(&[], 1.0) };
    let text = "word ".repeat(4000);
    let done = made(&how, &[(1, text)], Augmented::Edits);
    let done = done.as_list::<i32>().value(0);
    let double = done.as_string::<i32>().iter().filter(|kind| *kind == Some("double")).count();
    assert_eq!(done.len(), 4000);
    // Five standard deviations are 137.
    assert!((double as i64 - 3000).abs() < 137, "{double}");
}

#[test]
fn noise_never_changes() {
    let text = "A train leaves at 10:15 and arrives at noon; how long is the journey?";
    assert_eq!(one(&how(&all(), 0.5), 1, text), NOISY);
    assert_ne!(one(&Augmenting { seed: 4, ..how(&all(), 0.5) }, 1, text), NOISY, "another seed");
}

const NOISY: &str = "train leaes 10 at:15 an arrivcs at noon; hwo lnog is journey the?";

#[test]
fn an_intensity_out_of_range_is_an_error_of_its_row() {
    let schema = crate::table::Schema(vec![crate::table::Field::new("x", Type::Float)]);
    let intensity = Intensity::Of(Expr::parse("x * 2", &schema).unwrap());
    let how = Augmenting { intensity, ..how(&[Noise::Drop], 0.0) };
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("some words"), None]));
    let run = |second: Option<f64>| {
        let x: ArrayRef = Arc::new(arrow_array::Float64Array::from(vec![Some(0.5), second]));
        let input = Batch { rows: 2, columns: vec![("text".into(), texts.clone()), ("x".into(), x)] };
        Augment::new(how.clone(), "text".into(), vec!["text".into()], Augmented::Text).run(&input)
    };
    let made = run(Some(0.1)).unwrap().remove(0);
    assert_eq!(made.as_string::<i32>().value(0).len(), "some words".len() - 2, "at 1 every word has changed");
    assert!(made.is_null(1), "no text has no noise");
    for (wrong, said) in [(Some(0.6), "1.2"), (Some(f64::NAN), "NaN"), (None, "null")] {
        let error = run(wrong).unwrap_err();
        assert_eq!(
            (error.row, error.message),
            (1, format!("its intensity is {said}; an intensity is a number from 0 to 1"))
        );
    }
}

#[test]
fn keys_that_touch_touch_each_other() {
    for letter in 'a'..='z' {
        let beside = neighbours(&letter.to_string());
        assert!(!beside.is_empty() && !beside.contains(letter));
        assert!(beside.chars().all(|other| neighbours(&other.to_string()).contains(letter)), "{letter}");
    }
}

#[test]
fn the_english_list_goes_both_ways() {
    let list = Synonyms::english();
    assert!(list.len() > 150);
    for (word, synonyms) in [("big", "large"), ("pupils", "students")] {
        assert_eq!(list.of(word), [synonyms]);
        assert_eq!(list.of(synonyms), [word]);
    }
}

#[test]
fn a_list_that_cannot_be_read_says_in_which_lines() {
    let text = "# words\nbig\tlarge\n\nsmall little\nice cream\tgelato\nfast\tquick,,rapid\nBig\thuge\n";
    let problems = Synonyms::parse(&Source::new("words.tsv", text)).unwrap_err();
    let told: Vec<(usize, &str)> = problems
        .0
        .iter()
        .map(|problem| {
            (problem.labels[0].span.source.line_column(problem.labels[0].span.range.start).0, &*problem.labels[0].text)
        })
        .collect();
    let expect = [
        (4, "there is no tab between the word and its synonyms"),
        (5, "synonyms are looked up for single words"),
        (6, "a synonym is empty"),
        (7, "`big` stands here a second time"),
    ];
    assert_eq!(told, expect);
    assert!(Synonyms::parse(&Source::new("words.tsv", "# nothing\n")).is_err());
}
