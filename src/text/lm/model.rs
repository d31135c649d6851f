//! A model as bytes in which n-grams are looked up where they are.

use super::{BEGIN, END, LONGEST, Words, longer, sentences};

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

/// Words that are looked up together, at least: all loads of n-grams of one length are under way at once.
const BLOCK: usize = 512;

/// A word of a sentence, or its beginning, and what is known of the n-grams that end with it.
#[derive(Clone, Copy)]
struct Place {
    word: u64,
    /// What stands for the longest one that was looked up.
    gram: u64,
    /// How many words the longest one has that the model knows, and its logarithm.
    found: u32,
    log: f32,
    /// By length.
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

    /// Returns the key at the place of an n-gram: whoever finds it soon after has it at hand.
    fn key_near(&self, gram: u64) -> u64 {
        let from = HEADER + place(gram, self.places) * ENTRY;
        let key = self.bytes.as_ref().get(from..from + 8);
        key.map_or(0, |key| u64::from_le_bytes(key.try_into().expect("eight bytes")))
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
        let unknown = Place { word: 0, gram: 0, found: 0, log: self.unknown, backoffs: [0.0; LONGEST] };
        let mut begin = Place { word: BEGIN, found: 1, ..unknown };
        begin.backoffs[0] = self.find(longer(0, BEGIN)).map_or(0.0, |(_, backoff)| backoff);
        // Sentences, each with its beginning before it, and the places of their words.
        let (mut places, mut open) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
        for sentence in sentences(text, &mut Words::default()) {
            places.push(begin);
            for word in sentence.iter().copied().chain([END]) {
                open.push(places.len() as u32);
                places.push(Place { word, ..unknown });
            }
            if places.len() >= BLOCK {
                words += open.len() as u64;
                log = self.add(log, &mut places, &mut open);
            }
        }
        words += open.len() as u64;
        (self.add(log, &mut places, &mut open), words)
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

    /// Adds the logarithms of the words at `open` places, and clears both.
    fn add(&self, mut log: f64, places: &mut Vec<Place>, open: &mut Vec<u32>) -> f64 {
        for length in 1..=self.order {
            let mut loaded = 0;
            for at in &*open {
                let at = *at as usize;
                places[at].gram = longer(places[at].gram, places[at + 1 - length].word);
                loaded ^= self.key_near(places[at].gram);
            }
            std::hint::black_box(loaded);
            open.retain(|at| {
                let at = *at as usize;
                let Some((log, backoff)) = self.find(places[at].gram) else { return false };
                (places[at].log, places[at].found) = (log, length as u32);
                places[at].backoffs[length - 1] = backoff;
                true
            });
            // What is longer begins with what was found at the place before.
            open.retain(|at| places[*at as usize - 1].found as usize >= length);
        }
        for pair in places.windows(2).filter(|pair| pair[1].word != BEGIN) {
            let context = (pair[0].found as usize).min(self.order - 1);
            // For each context that is longer than what was found, what it leaves to the next shorter.
            let shorter = (pair[1].found as usize).saturating_sub(1).min(context);
            let given: f32 = pair[0].backoffs[shorter..context].iter().sum();
            log += f64::from(pair[1].log + given);
        }
        places.clear();
        open.clear();
        log
    }
}
