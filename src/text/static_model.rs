//! Static models, which make vectors of texts: the mean of the vectors of the tokens, as model2vec 0.10.0 makes it.
//!
//! The model is a folder as model2vec saves it. A text is cut off after `max_length` tokens (512), and before that after so many
//! characters as that many tokens of median length have. Tokens that are unknown do not count.

use super::tokenizer::Tokenizer;
use crate::hash::{Hash, KeyWriter};
use arrow_array::types::{ArrowPrimitiveType, Float16Type};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

/// Where tokens are cut off unless the model says otherwise.
const MAX_LENGTH: usize = 512;

type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// A static model.
#[derive(Debug)]
pub struct StaticModel {
    tokenizer: Tokenizer,
    /// One after the other, by token.
    matrix: Vec<f32>,
    width: usize,
    normalise: bool,
    /// In tokens, and in characters.
    longest: Option<(usize, usize)>,
    hash: Hash,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    normalize: Option<bool>,
    #[serde(default = "max_length")]
    max_length: Option<usize>,
}

fn max_length() -> Option<usize> {
    Some(MAX_LENGTH)
}

impl StaticModel {
    /// The files of a model.
    pub const FILES: [&'static str; 3] = ["model.safetensors", "tokenizer.json", "config.json"];

    /// Makes a model of the contents of its [`FILES`](StaticModel::FILES).
    ///
    /// # Errors
    /// Which of the files is wrong, and in what.
    pub fn read(files: [&[u8]; 3]) -> Result<StaticModel, (&'static str, String)> {
        let of = |at: usize| move |why: String| (StaticModel::FILES[at], why);
        let (matrix, width) = matrix(files[0]).map_err(of(0))?;
        let tokenizer = Tokenizer::parse(files[1]).map_err(of(1))?;
        let config: Config = serde_json::from_slice(files[2]).map_err(|error| of(2)(error.to_string()))?;
        let rows = matrix.len() / width;
        let mut lengths = Vec::new();
        for (token, number) in tokenizer.vocabulary() {
            if number as usize >= rows {
                let why = format!(
                    "the token `{token}` is number {number}, and there are vectors for the first {rows} only, in {}",
                    StaticModel::FILES[0]
                );
                return Err(of(1)(why));
            }
            lengths.push(token.chars().count());
        }
        let longest = config.max_length.map(|tokens| (tokens, tokens.saturating_mul(median(lengths))));
        let mut key = KeyWriter::new("static-model", 1);
        files.iter().for_each(|file| _ = key.hash("file", Hash::of(file)));
        let (normalise, hash) = (config.normalize.unwrap_or(false), key.finish());
        Ok(StaticModel { tokenizer, matrix, width, normalise, longest, hash })
    }

    /// Returns how many numbers a vector has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the hash of the contents of all files.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Makes the vector of a text; none where no token of it is known.
    ///
    /// # Errors
    /// If the tokenizer cannot cut it.
    pub fn of(&self, text: &str) -> Result<Option<Vec<f32>>, String> {
        let mut text = text;
        if let Some((_, chars)) = self.longest
            && let Some((end, _)) = text.char_indices().nth(chars)
        {
            text = &text[..end];
        }
        let mut tokens = self.tokenizer.tokens(text)?;
        tokens.truncate(self.longest.map_or(usize::MAX, |(tokens, _)| tokens));
        let unknown = self.tokenizer.unknown();
        tokens.retain(|token| Some(*token) != unknown);
        if tokens.is_empty() {
            return Ok(None);
        }
        let mut sum = vec![0f32; self.width];
        for token in &tokens {
            // Every token of the vocabulary has a row.
            let row = &self.matrix[*token as usize * self.width..][..self.width];
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        sum.iter_mut().for_each(|sum| *sum /= tokens.len() as f32);
        if self.normalise {
            let norm = sum.iter().map(|value| value * value).sum::<f32>().sqrt() + 1e-32;
            sum.iter_mut().for_each(|value| *value /= norm);
        }
        Ok(Some(sum))
    }
}

/// Reads the only tensor of a file, and how many numbers a row of it has.
fn matrix(bytes: &[u8]) -> Result<(Vec<f32>, usize), String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| format!("it is no safetensors file: {error}"))?;
    let mut names = file.names();
    names.sort_unstable();
    let Ok(tensor) = file.tensor("embeddings") else {
        return Err(format!("it has no tensor `embeddings`, but {}", crate::diag::list(names)));
    };
    if let Some(other) = names.iter().find(|name| ["weights", "mapping"].contains(name)) {
        return Err(format!("it has a tensor `{other}`, of a quantised vocabulary, which is not read"));
    }
    let [rows, width] = *tensor.shape() else {
        return Err(format!("`embeddings` is of the shape {:?}, and has to have two dimensions", tensor.shape()));
    };
    if rows == 0 || width == 0 {
        return Err(format!("`embeddings` is empty: {rows} vectors of {width} numbers"));
    }
    let values: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => {
            let bytes = tensor.data().as_chunks::<4>().0;
            bytes.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
        Dtype::F16 => {
            let bytes = tensor.data().as_chunks::<2>().0;
            bytes.iter().map(|bytes| Half::from_le_bytes(*bytes).to_f32()).collect()
        }
        other => return Err(format!("`embeddings` is of {other:?}, and F32 and F16 are read")),
    };
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(format!("the vector {} has a number that is not finite", at / width));
    }
    Ok((values, width))
}

/// Returns the median of lengths, cut to a whole number.
fn median(mut lengths: Vec<usize>) -> usize {
    lengths.sort_unstable();
    match lengths.len() {
        0 => 0,
        n if n % 2 == 1 => lengths[n / 2],
        n => (lengths[n / 2 - 1] + lengths[n / 2]) / 2,
    }
}
