//! Why a program came to nothing, as data.

use std::io;

/// Why a program came to nothing. `said` is the end of what it wrote to stderr.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// There is no such program.
    NotFound,
    /// It is there, and cannot be started.
    NotStarted { why: String },
    /// The folder for its files cannot be made.
    NoScratch { why: String },
    /// It ended with an exit code that is not 0.
    Exit { code: i32, said: String },
    /// It was killed.
    Killed { signal: i32, said: String },
    /// It took too long, and was killed.
    Timeout { seconds: f64, said: String },
    /// It wrote more than is held in memory, and was killed.
    TooMuch { bytes: usize, said: String },
    /// It said that it stays, and ended before it had answered.
    Left { said: String },
    /// It said that it stays, and wrote more after it had answered.
    Astray,
    /// It was said to stay, and did not say so itself.
    Unannounced,
    /// It is gone, but what it started still holds its output.
    Held,
    /// The user asked to stop.
    Interrupted,
}

impl Failure {
    pub(super) fn scratch(error: io::Error) -> Failure {
        Failure::NoScratch { why: crate::fetch::plain(&error) }
    }

    pub(super) fn start(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::NotFound => Failure::NotFound,
            _ => Failure::NotStarted { why: crate::fetch::plain(error) },
        }
    }

    /// Adds what the program said last.
    pub(super) fn with(self, last: String) -> Failure {
        match self {
            Failure::Exit { code, .. } => Failure::Exit { code, said: last },
            Failure::Killed { signal, .. } => Failure::Killed { signal, said: last },
            Failure::Timeout { seconds, .. } => Failure::Timeout { seconds, said: last },
            Failure::TooMuch { bytes, .. } => Failure::TooMuch { bytes, said: last },
            Failure::Left { .. } => Failure::Left { said: last },
            other => other,
        }
    }

    /// Returns the end of what the program wrote to stderr.
    pub fn said(&self) -> &str {
        match self {
            Failure::Exit { said, .. }
            | Failure::Killed { said, .. }
            | Failure::Timeout { said, .. }
            | Failure::TooMuch { said, .. }
            | Failure::Left { said } => said,
            _ => "",
        }
    }
}
