//! Tokenizers of the Hugging Face format, `tokenizer.json`: how a model of the user's cuts texts.

use super::encoding::has_long_blank;
use crate::diag::guarded;
use crate::hash::Hash;
use serde::Deserialize;

/// A tokenizer, read from its file.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The token that stands for what is not in the vocabulary.
    unknown: Option<u32>,
    hash: Hash,
}

/// What the file says of the unknown token and of chance, which the library keeps to itself.
#[derive(Deserialize)]
struct File {
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    unk_id: Option<u32>,
    #[serde(default)]
    dropout: Option<f64>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. What it says of cutting off and filling up does not count: that is not of the text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Tokenizer, String> {
        let inner = guarded(|| tokenizers::Tokenizer::from_bytes(bytes)).ok_or("it is damaged")?;
        let mut inner = inner.map_err(|error| error.to_string())?;
        inner.with_padding(None).with_truncation(None).map_err(|error| error.to_string())?;
        let File { model } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if model.dropout.is_some_and(|dropout| dropout > 0.0) {
            return Err("its `dropout` cuts a text by chance, each time another way: make it null".to_owned());
        }
        let unknown = match &model.unk_token {
            Some(token) => inner.token_to_id(token),
            None => model.unk_id,
        };
        Ok(Tokenizer { inner, unknown, hash: Hash::of(bytes) })
    }

    /// Returns the tokens of a text, without those that are put around it.
    ///
    /// # Errors
    /// If the tokenizer cannot cut it.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, String> {
        if has_long_blank(text) {
            return Err("it has a run of more than 100,000 white-space characters".to_owned());
        }
        let cut = guarded(|| self.inner.encode_fast(text, false)).ok_or("the tokenizer is damaged")?;
        let cut = cut.map_err(|error| error.to_string())?;
        Ok(cut.get_ids().to_vec())
    }

    /// Returns the token that stands for what is unknown.
    pub fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// Returns all tokens and their numbers, in no order.
    pub fn vocabulary(&self) -> impl Iterator<Item = (String, u32)> {
        self.inner.get_vocab(true).into_iter()
    }

    /// Returns the hash of the file.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}
