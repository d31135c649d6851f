//! What Git knows of the project, asked of the `git` program.

use std::path::Path;
use std::process::{Command, Stdio};

/// Returns the commit that is checked out, with `+` behind it if tracked files differ; none outside of Git.
pub fn commit(root: &Path) -> Option<String> {
    let commit = git(root, &["rev-parse", "--short=12", "HEAD"]).ok()?;
    let clean = git(root, &["diff", "--quiet", "HEAD"]).is_ok();
    Some(format!("{}{}", commit.trim(), if clean { "" } else { "+" }))
}

/// Returns the text of a file of the project at a revision.
pub fn file_at_revision(root: &Path, revision: &str, file: &str) -> Result<String, String> {
    if revision.starts_with('-') {
        return Err("a revision does not begin with `-`".to_owned());
    }
    // `./` makes the path relative to the project's folder, which need not be the top of the repository.
    git(root, &["show", &format!("{revision}:./{file}")])
}

fn git(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("git cannot be run: {}", super::plain(&error)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or("git failed").trim_start_matches("fatal: ").to_owned())
}
