//! The command line: one file per command. Nobody uses this module but the program.

mod alarm;
mod args;
mod asked;
mod build;
mod cause;
mod check;
mod completions;
mod diff;
mod figures;
mod gc;
mod graph;
mod grid;
mod init;
mod log;
mod man;
mod names;
mod out;
mod plan;
mod progress;
mod reference;
mod responses;
mod session;
mod show;
mod tune;
mod verify;
mod watch;
mod why;
mod words;

pub use reference::reference;

use crate::diag::panic_is_expected;
use args::{Cli, Command};
use clap::{CommandFactory, FromArgMatches};
use session::{Exit, Session};
use std::io::Write;
use std::process::ExitCode;

/// Runs the command that the arguments of the process name.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        if !panic_is_expected() {
            let _ = write!(std::io::stderr(), "{}", bug(&panic.to_string()));
        }
    }));
    match std::panic::catch_unwind(run) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(_) => ExitCode::from(Exit::Bug as u8),
    }
}

/// What a person is told who meets a bug.
fn bug(panic: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    format!(
        "error[bug]: this is a bug in datamake, not in your project\n  {}\n  = note: datamake {version} on {system} {machine}\n  \
         = note: what is built is safe: running the same command again is always right\n  \
         = help: please report it with these lines, the command, and datamake.toml if you can share it\n",
        panic.replace('\n', "\n  ")
    )
}

fn run() -> Exit {
    let parsed = command()
        .try_get_matches_from(args::in_order(std::env::args_os().collect()))
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let Cli { global, command } = match parsed {
        Ok(cli) => cli,
        Err(message) => {
            // Help and version come this way too; nobody may be listening.
            let _ = message.print();
            return if message.exit_code() == 0 { Exit::Fine } else { Exit::Wrong };
        }
    };
    let mut session = Session::new(global);
    let result = match command {
        Command::Init(args) => args.run(&mut session),
        Command::Build(args) => args.run(&mut session),
        Command::Watch(args) => args.run(&mut session),
        Command::Responses(args) => args.run(&mut session),
        Command::Gc(args) => args.run(&mut session),
        Command::Check(args) => args.run(&mut session),
        Command::Graph(args) => args.run(&mut session),
        Command::Plan(args) => args.run(&mut session),
        Command::Why(args) => args.run(&mut session),
        Command::Show(args) => args.run(&mut session),
        Command::Tune(args) => args.run(&mut session),
        Command::Diff(args) => args.run(&mut session),
        Command::Log(args) => args.run(&mut session),
        Command::Verify(args) => args.run(&mut session),
        Command::Completions(args) => args.run(&mut session),
        Command::Man(args) => args.run(&mut session),
    };
    session.end(result)
}

/// Returns the tree of all commands, with the help of the first page in groups.
fn command() -> clap::Command {
    let tree = Cli::command();
    let groups = args::groups(&tree);
    tree.help_template(format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n{groups}\nEverywhere:\n{{options}}{{after-help}}"
    ))
}
