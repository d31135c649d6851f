//! Why a row has no value: every failure is one of these, and none becomes a value.

use crate::hash::Hash;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The reply met the limit of tokens.
    CutOff,
    /// The model refused.
    Refusal,
    /// The endpoint's filter withheld the reply.
    ContentFilter,
    /// The reply has no text.
    Empty,
    /// The reply is not JSON, after all retries.
    InvalidJson,
    /// The reply is JSON, but not what the schema says, after all retries.
    InvalidSchema,
    /// The endpoint would not take this request: too long, for example.
    Rejected,
    /// No answer came, after all attempts.
    Transport,
}

impl FailureKind {
    /// All kinds.
    pub const ALL: [FailureKind; 8] = [
        FailureKind::CutOff,
        FailureKind::Refusal,
        FailureKind::ContentFilter,
        FailureKind::Empty,
        FailureKind::InvalidJson,
        FailureKind::InvalidSchema,
        FailureKind::Rejected,
        FailureKind::Transport,
    ];

    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            FailureKind::CutOff => "cut-off",
            FailureKind::Refusal => "refusal",
            FailureKind::ContentFilter => "content-filter",
            FailureKind::Empty => "empty",
            FailureKind::InvalidJson => "invalid-json",
            FailureKind::InvalidSchema => "invalid-schema",
            FailureKind::Rejected => "rejected",
            FailureKind::Transport => "transport",
        }
    }

    /// Returns whether it is read off a recorded response. The others are never remembered: the next build asks again.
    pub fn is_recorded(self) -> bool {
        !matches!(self, FailureKind::Rejected | FailureKind::Transport)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for FailureKind {
    type Err = String;

    fn from_str(text: &str) -> Result<FailureKind, String> {
        let words = || FailureKind::ALL.iter().map(|kind| kind.word());
        FailureKind::ALL
            .into_iter()
            .find(|kind| kind.word() == text)
            .ok_or_else(|| format!("the kinds are {}", crate::diag::list(words())))
    }
}

/// Why a row failed, with what is needed to look into it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub kind: FailureKind,
    /// In words, for a person.
    pub detail: String,
    /// The key of the request that failed.
    pub request: Hash,
    /// How often the row's requests were sent, retries of invalid replies included.
    pub attempts: u32,
    /// The raw reply, if there was one.
    pub reply: Option<String>,
    /// Tokens that were paid for it, if the endpoint said.
    pub tokens: Option<super::Usage>,
}
