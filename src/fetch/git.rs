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
    let mut command = Command::new("git");
    // API keys and other secrets of the environment are none of its business.
    command.env_clear().envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_passed_on)));
    let output = command.arg("-C").arg(root).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("git cannot be run: {}", super::plain(&error)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or("git failed").trim_start_matches("fatal: ").to_owned())
}

/// Returns whether `git` gets to see a variable of the environment: to be found, to find its configuration, to speak.
fn is_passed_on(name: &str) -> bool {
    matches!(name, "PATH" | "HOME" | "XDG_CONFIG_HOME" | "LANG") || name.starts_with("LC_") || name.starts_with("GIT_")
}
