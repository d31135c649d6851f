//! `datamake completions`: scripts that complete commands and options in a shell.

use super::session::{Ending, Exit, Session};
use clap_complete::Shell;
use std::io::Write;

/// Writes a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake completions bash > ~/.local/share/bash-completion/completions/datamake
  datamake completions zsh > ~/.zfunc/_datamake
  datamake completions fish > ~/.config/fish/completions/datamake.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "datamake", &mut script);
        session.out.write_all(&script)?;
        Ok(Exit::Fine)
    }
}
