//! `decontaminate`: runs of words that a row has in common with evaluation datasets.

use super::columns;
use super::dedup::Halves;
use crate::hash::{KeyWriter, mix64};
use crate::table::{Batch, RowError};
use crate::text::{Words, normalise_into};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;

/// The words of the shortest text of an evaluation dataset that is looked for as a whole.
const SHORTEST: usize = 8;

/// How much of what is found is kept, in characters.
const SHOWN: usize = 400;

/// Looks for runs of words in the texts of rows.
///
/// Texts are normalised and cut at white space. A run is known by 64 bits of a hash, so of a thousand million runs, looked for among ten million,
/// one is taken for another once in 2000 times.
pub struct Contaminated {
    columns: Vec<String>,
    ngram: u32,
}

/// What a row has in common with an evaluation dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// The row there, counted over all datasets.
    pub row: u32,
    /// The words, normalised: all that follow each other and are known, cut where they are many.
    pub words: String,
}

/// The runs of words of evaluation datasets: about 20 bytes for each.
pub struct Ngrams {
    /// The first row that has it.
    rows: HashMap<i64, u32, BuildHasherDefault<Halves>>,
    /// How many words are looked for at once: the number that was asked for first, and then those of texts that have fewer.
    lengths: Vec<usize>,
    /// A bit for some of the bits of each run, so that most of what is unknown is known to be so at once.
    bits: Vec<u64>,
}

impl Contaminated {
    /// Looks into the texts of `columns`.
    pub fn new(columns: Vec<String>, ngram: u32) -> Contaminated {
        Contaminated { columns, ngram }
    }

    /// Writes the parameters in canonical form; the caller begins the key, and adds the chunks.
    pub fn write_key(&self, key: &mut KeyWriter) {
        key.int("ngram", self.ngram.into()).int("columns", self.columns.len() as i64);
    }

    /// Returns exactly the columns that are read.
    pub fn reads(&self) -> &[String] {
        &self.columns
    }

    /// Gathers the runs of words of evaluation datasets, of batches with texts alone.
    pub fn ngrams(&self, tables: impl Iterator<Item = Batch>) -> Ngrams {
        let n = self.ngram as usize;
        let (mut rows, mut shorter) = (HashMap::default(), BTreeSet::new());
        let (mut normal, mut words) = (Vec::new(), Words::default());
        let mut first = 0;
        for batch in tables {
            for texts in batch.columns.iter().filter_map(|(_, column)| column.as_string_opt::<i32>()) {
                for row in (0..batch.rows).filter(|row| texts.is_valid(*row)) {
                    normalise_into(texts.value(row), &mut normal);
                    words.split(&normal);
                    let length = words.len().min(n);
                    if length < SHORTEST.min(n) {
                        continue;
                    }
                    if length < n {
                        shorter.insert(length);
                    }
                    words.ngrams(length).for_each(|gram| _ = rows.entry(gram as i64).or_insert(first + row as u32));
                }
            }
            first += batch.rows as u32;
        }
        let mut bits = vec![0; (rows.len() / 4).next_power_of_two()];
        for gram in rows.keys() {
            let (at, bit) = place(*gram as u64, &bits);
            bits[at] |= bit;
        }
        Ngrams { rows, lengths: std::iter::once(n).chain(shorter.into_iter().rev()).collect(), bits }
    }

    /// Returns for each row the first run of words that is known, in the first column that has one.
    pub fn find(&self, input: &Batch, ngrams: &Ngrams) -> Result<Vec<Option<Common>>, RowError> {
        let columns: Vec<ArrayRef> = columns(input, &self.columns)?;
        let texts: Vec<&StringArray> = columns.iter().filter_map(|column| column.as_string_opt::<i32>()).collect();
        let (mut normal, mut words) = (Vec::new(), Words::default());
        let mut one = |row: usize| {
            texts.iter().filter(|texts| texts.is_valid(row)).find_map(|texts| {
                normalise_into(texts.value(row), &mut normal);
                words.split(&normal);
                ngrams.find(&words, &normal)
            })
        };
        Ok((0..input.rows).map(&mut one).collect())
    }
}

impl Ngrams {
    fn get(&self, gram: u64) -> Option<u32> {
        let (at, bit) = place(gram, &self.bits);
        if self.bits[at] & bit == 0 { None } else { self.rows.get(&(gram as i64)).copied() }
    }

    fn find(&self, words: &Words, normal: &[u8]) -> Option<Common> {
        self.lengths.iter().find_map(|length| {
            let mut grams = words.ngrams(*length).enumerate();
            let (start, row) = grams.find_map(|(at, gram)| Some((at, self.get(gram)?)))?;
            let more = grams.take_while(|(_, gram)| self.get(*gram).is_some()).count();
            let all = String::from_utf8_lossy(&normal[words.bytes(start, length + more)]);
            let words: String = all.chars().take(SHOWN).collect();
            let cut = if words.len() < all.len() { "…" } else { "" };
            Some(Common { row, words: words + cut })
        })
    }
}

/// Returns where the bit of a run is; there is a power of two of words.
fn place(gram: u64, bits: &[u64]) -> (usize, u64) {
    let mixed = mix64(gram);
    ((mixed >> 6) as usize & (bits.len() - 1), 1 << (mixed & 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn batch(texts: &[&str]) -> Batch {
        let column: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        Batch { rows: texts.len(), columns: vec![("text".to_owned(), column)] }
    }

    fn found(ngram: u32, evaluation: &[&str], text: &str) -> Option<(u32, String)> {
        let op = Contaminated::new(vec!["text".to_owned()], ngram);
        let ngrams = op.ngrams(evaluation.chunks(1).map(batch));
        let found = op.find(&batch(&[text]), &ngrams).unwrap().remove(0);
        found.map(|common| (common.row, common.words))
    }

    #[test]
    fn what_is_in_common_is_all_that_is_known_in_a_row() {
        let evaluation =
            ["nothing", "Tom has  three apples and eats two", "one two three four five six seven eight nine"];
        let check = |ngram, text, expect: Option<(u32, &str)>| {
            assert_eq!(found(ngram, &evaluation, text), expect.map(|(row, words)| (row, words.to_owned())), "{text}");
        };
        check(3, "as TOM HAS\nthree apples or", Some((1, "tom has three apples")));
        check(3, "tom has two", None);
        check(
            9,
            "zero one two three four five six seven eight nine",
            Some((2, "one two three four five six seven eight nine")),
        );
        check(9, "one two three four five six seven eight", None);
        // A text with fewer words than are asked for counts as a whole, if it has eight.
        check(
            13,
            "one two three four five six seven eight nine ten",
            Some((2, "one two three four five six seven eight nine")),
        );
        check(13, "tom has three apples and eats two", None);
        check(13, "", None);
        assert_eq!(found(13, &[], "one"), None);
    }

    #[test]
    fn a_long_span_is_cut() {
        let text = "word ".repeat(200);
        let (_, words) = found(13, &[&text], &text).unwrap();
        assert_eq!(words.chars().count(), SHOWN + 1);
    }

    proptest! {
        #[test]
        fn a_row_is_found_if_and_only_if_it_has_a_run_of_words(text in "[ab]( [abc]){0,12}", others in proptest::collection::vec("[ab]( [abc]){0,9}", 0..4), n in 2..5_u32) {
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let known: Vec<Vec<String>> = others.iter().flat_map(|other| words(other).windows(n as usize).map(<[_]>::to_vec).collect::<Vec<_>>()).collect();
            let first = words(&text).windows(n as usize).find(|run| known.contains(&run.to_vec())).map(|run| run.join(" "));
            let found = found(n, &others, &text);
            prop_assert_eq!(found.is_some(), first.is_some());
            if let (Some((row, words)), Some(first)) = (found, first) {
                prop_assert!(words.starts_with(&first) && text.contains(&words));
                prop_assert!(others[row as usize].contains(&first));
            }
        }
    }
}
