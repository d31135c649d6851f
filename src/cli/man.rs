//! `datamake man`: the manual, one page per command.

use super::session::{Ending, Exit, Session};
use super::words::things;
use crate::diag::Diagnostic;
use clap_mangen::Man as Page;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes the manual page of datamake or of a command
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake man | man -l -                        reads the first page
  datamake man build | man -l -                  reads the page of a command
  datamake man --dir ~/.local/share/man/man1     writes all pages, for `man datamake-build`")]
pub struct Man {
    /// The command; without one, datamake itself
    #[arg(conflicts_with = "dir")]
    command: Option<String>,
    /// Writes all pages into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let mut tree = super::command();
        tree.build();
        if let Some(dir) = &self.dir {
            let written = write_all(&tree, dir).map_err(|error| {
                Diagnostic::error("unwritable", format!("cannot write to {}: {error}", dir.display()))
            })?;
            writeln!(session.out, "wrote {} to {}", things(written, "page"), dir.display())?;
            return Ok(Exit::Fine);
        }
        let page = match &self.command {
            None => &tree,
            Some(name) => tree.find_subcommand(name).ok_or_else(|| {
                Diagnostic::error("unknown-command", format!("there is no command `{name}`"))
                    .did_you_mean(name, tree.get_subcommands().map(clap::Command::get_name))
            })?,
        };
        let mut text = Vec::new();
        render(page, &mut text)?;
        session.out.write_all(&text)?;
        Ok(Exit::Fine)
    }
}

fn render(command: &clap::Command, to: &mut Vec<u8>) -> io::Result<()> {
    Page::new(command.clone()).render(to)
}

fn write_all(tree: &clap::Command, dir: &Path) -> io::Result<u64> {
    std::fs::create_dir_all(dir)?;
    let commands = tree.get_subcommands().filter(|command| command.get_name() != "help");
    let mut written = 0;
    let all = commands.flat_map(|command| std::iter::once(command).chain(command.get_subcommands()));
    let all = all.filter(|command| command.get_name() != "help");
    for command in std::iter::once(tree).chain(all) {
        let mut page = Vec::new();
        render(command, &mut page)?;
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        std::fs::write(dir.join(format!("{name}.1")), page)?;
        written += 1;
    }
    Ok(written)
}
