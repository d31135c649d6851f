//! A model as bytes in which n-grams are looked up where they are.

use super::{BEGIN, END, LONGEST, longer, sentences};

/// What a model knows of an n-gram; logarithms to base 10.
pub(super) struct Entry {
    /// What stands for it: 64 bits, of which two n-grams have the same with a probability of 3 % in a billion of them.
    pub gram: u64,
    pub log: f32,
    pub backoff: f32,
}

const MAGIC: &[u8; 8] = b"dm-lm-1\n";
/// Magic, order, the logarithm of an unknown word's probability, places that are looked up.
const HEADER: usize = 24;
/// What stands for it, logarithm, backoff.
const ENTRY: usize = 16;

/// A model. Its bytes are a table of n-grams of all orders in the order of what stands for them, with gaps: each is at its share of the way or after.
#[derive(Debug)]
pub struct Model<B> {
    bytes: B,
    order: usize,
    unknown: f32,
    places: u64,
    /// Whether it was made of texts with words.
    knows: bool,
}

impl Model<Vec<u8>> {
    /// Writes a model.
    pub(super) fn write(order: usize, unknown: f32, mut entries: Vec<Entry>) -> Vec<u8> {
        entries.sort_unstable_by_key(|entry| entry.gram);
        let places = entries.len() as u64 * 4 / 3 + 1;
        let mut bytes = Vec::with_capacity(HEADER + (places as usize + 8) * ENTRY);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(order as u32).to_le_bytes());
        bytes.extend_from_slice(&unknown.to_le_bytes());
        bytes.extend_from_slice(&places.to_le_bytes());
        for entry in entries {
            // 0 is an empty place.
            let gram = entry.gram.max(1);
            let at = HEADER + place(gram, places) * ENTRY;
            if bytes.len() < at {
                bytes.resize(at, 0);
            }
            bytes.extend_from_slice(&gram.to_le_bytes());
            bytes.extend_from_slice(&entry.log.to_le_bytes());
            bytes.extend_from_slice(&entry.backoff.to_le_bytes());
        }
        bytes
    }
}

/// Returns where an n-gram is, or before it.
fn place(gram: u64, places: u64) -> usize {
    ((u128::from(gram) * u128::from(places)) >> 64) as usize
}

/// The words before a place that n-grams may begin with: how many, what stands for them, and their backoffs.
#[derive(Clone, Copy, Default)]
struct Context {
    length: usize,
    /// The last word first.
    words: [u64; LONGEST],
    backoffs: [f32; LONGEST],
}

impl<B: AsRef<[u8]>> Model<B> {
    /// Reads a model; `None` where the bytes are none.
    pub fn read(bytes: B) -> Option<Model<B>> {
        let head = bytes.as_ref().get(..HEADER)?;
        let order = u32::from_le_bytes(head[8..12].try_into().ok()?) as usize;
        let unknown = f32::from_le_bytes(head[12..16].try_into().ok()?);
        let places = u64::from_le_bytes(head[16..24].try_into().ok()?);
        let whole = (bytes.as_ref().len() - HEADER).is_multiple_of(ENTRY);
        if !head.starts_with(MAGIC) || !whole || !(1..=LONGEST).contains(&order) {
            return None;
        }
        let model = Model { bytes, order, unknown, places, knows: false };
        let knows = model.find(longer(0, END)).is_some();
        Some(Model { knows, ..model })
    }

    fn find(&self, gram: u64) -> Option<(f32, f32)> {
        let gram = gram.max(1);
        let from = HEADER + place(gram, self.places) * ENTRY;
        for entry in self.bytes.as_ref().get(from..)?.chunks_exact(ENTRY) {
            let own = u64::from_le_bytes(entry[..8].try_into().expect("eight bytes"));
            if own == gram {
                let number = |at: usize| f32::from_le_bytes(entry[at..at + 4].try_into().expect("four bytes"));
                return Some((number(8), number(12)));
            }
            if own == 0 || own > gram {
                return None;
            }
        }
        None
    }

    /// Returns the logarithm, to base 10, of a text's probability, and how many words it has; the end of each sentence is one.
    pub fn score(&self, text: &str) -> (f64, u64) {
        let (mut log, mut words) = (0.0, 0);
        let mut begin = Context { length: 1, ..Context::default() };
        begin.words[0] = BEGIN;
        begin.backoffs[0] = self.find(longer(0, BEGIN)).map_or(0.0, |(_, backoff)| backoff);
        begin.length = begin.length.min(self.order - 1);
        for sentence in sentences(text) {
            let mut context = begin;
            for word in sentence.chain([END]) {
                log += f64::from(self.word(word, &mut context));
                words += 1;
            }
        }
        (log, words)
    }

    /// Returns the perplexity of a text: 10 to minus the mean logarithm of its words; none where it has no words, and where the model was
    /// made of none: nothing is more surprising than anything else then.
    pub fn perplexity(&self, text: &str) -> Option<f64> {
        if !self.knows {
            return None;
        }
        let (log, words) = self.score(text);
        (words > 0).then(|| libm::exp10(-log / words as f64))
    }

    /// Returns the logarithm of a word's probability after a context, and goes on to the next.
    fn word(&self, word: u64, context: &mut Context) -> f32 {
        let mut next = Context::default();
        next.words[0] = word;
        next.words[1..].copy_from_slice(&context.words[..LONGEST - 1]);
        let (mut log, mut found) = (self.unknown, 0);
        let mut gram = 0;
        for length in 1..=(context.length + 1).min(self.order) {
            gram = longer(gram, next.words[length - 1]);
            let Some((own, backoff)) = self.find(gram) else { break };
            (log, found) = (own, length);
            next.backoffs[length - 1] = backoff;
        }
        next.length = found.min(self.order - 1);
        // For each context that is longer than what was found, what it leaves to the next shorter.
        let given: f32 = context.backoffs[found.saturating_sub(1)..context.length].iter().sum();
        *context = next;
        log + given
    }
}
