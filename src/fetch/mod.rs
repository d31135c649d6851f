//! The only door to the outside: files, Git, models and programs.

pub mod files;
mod git;
pub mod models;
pub mod programs;
mod seen;
mod state;
mod whole;
mod workspace;

pub use git::{commit, file_at_revision};
pub use seen::{Questions, Same, Seen, hash_of};
pub use state::StateFolder;
pub use whole::write_whole;
pub use workspace::{Draft, Texts, Workspace};

/// Says what went wrong with a file, without the number that the operating system gives it.
pub fn plain(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::NotFound {
        return "it is not there".to_owned();
    }
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text[..end].to_lowercase()
}

/// Returns whether an error says that there is no such file.
fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}
