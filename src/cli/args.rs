//! The arguments: what all commands share, and the commands in groups.

use super::{
    build, check, completions, diff, gc, graph, init, log, man, plan, responses, show, tune, verify, watch, why,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;

/// Builds datasets from a graph of prompts, filters and metrics, and redoes only what is stale
#[derive(Debug, Parser)]
#[command(name = "datamake", version, max_term_width = 100, after_help = FIRST)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const FIRST: &str = "\
A first project:
  datamake init tutor     makes a folder with a small project that works
  datamake -C tutor build
  datamake help build     tells more of a command; so does `datamake build --help`

Nodes are named `clean` or `dataset.clean`, or by a pattern: `real_*`; `+clean` is it with all that it needs, `clean+` with all that needs it.
Exit codes: 0 fine, 1 a node failed, 2 wrong file or arguments, 4 the budget is reached, 101 a bug in datamake, 130 interrupted.";

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// Works as if started in this folder
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// Lays a profile onto the manifest; may be repeated
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Vec<String>,
    /// Sets a key of the manifest, as in `--set params.n=20`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,
    /// Writes JSON to stdout; docs/commands.md has its form
    #[arg(long, global = true)]
    pub json: bool,
    /// Says only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Says more
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to colour: auto (on a terminal, unless NO_COLOR is set), always, never
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto, global = true, hide_possible_values = true, hide_default_value = true)]
    pub color: Color,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Check(check::Check),
    Graph(graph::Graph),
    Plan(plan::Plan),
    Why(why::Why),
    Show(show::Show),
    Tune(tune::Tune),
    Diff(diff::Diff),
    Log(log::Log),
    Verify(verify::Verify),
    Init(init::Init),
    Build(build::Build),
    Watch(watch::Watch),
    Responses(responses::Responses),
    Gc(gc::Gc),
    Completions(completions::Completions),
    Man(man::Man),
}

/// The groups of the help's first page.
pub const GROUPS: &[(&str, &[&str])] = &[
    ("Look, and change nothing", &["check", "graph", "plan", "why", "show", "tune", "diff", "log", "verify"]),
    ("Do", &["init", "build", "watch", "responses", "gc"]),
    ("Other", &["completions", "man"]),
];

/// Writes the commands in groups, for the help.
pub fn groups(tree: &clap::Command) -> String {
    let mut out = String::new();
    for (title, names) in GROUPS {
        let _ = write!(out, "\n{title}:\n");
        for name in *names {
            let about = tree.find_subcommand(name).and_then(clap::Command::get_about);
            let _ = writeln!(out, "  {name:<12} {}", about.map(ToString::to_string).unwrap_or_default());
        }
    }
    out
}

/// Moves shared arguments from before the command to behind it.
///
/// The parser keeps those of one place only; this way `--set a=1 build --set b=2` sets both.
pub fn in_order(mut args: Vec<OsString>) -> Vec<OsString> {
    let mut at = 1;
    while let Some(arg) = args.get(at).and_then(|arg| arg.to_str()) {
        at += match arg {
            "-C" | "--profile" | "--set" | "--color" => 2,
            "--json" | "-q" | "--quiet" | "-v" | "--verbose" => 1,
            _ if arg.starts_with("-C") || arg.starts_with("--") && arg.contains('=') => 1,
            _ => break,
        };
    }
    let command = args.get(at).and_then(|arg| arg.to_str()).unwrap_or("-");
    if !command.starts_with('-') && command != "help" {
        args[1..=at].rotate_right(1);
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &str, expect: &str) {
        let args = args.split(' ').map(OsString::from).collect();
        assert_eq!(in_order(args).join(" ".as_ref()), *expect);
    }

    #[test]
    fn shared_arguments_go_behind_the_command() {
        check("datamake --set a=1 -q build x --set b=2", "datamake build --set a=1 -q x --set b=2");
        check("datamake -C dir --color=never -Cdir log", "datamake log -C dir --color=never -Cdir");
        check("datamake build -q", "datamake build -q");
    }

    #[test]
    fn what_has_no_command_stays_as_it_is() {
        check("datamake", "datamake");
        check("datamake -q", "datamake -q");
        check("datamake --set", "datamake --set");
        check("datamake -q help build", "datamake -q help build");
        check("datamake --help build", "datamake --help build");
        check("datamake -q --help build", "datamake -q --help build");
    }

    #[test]
    fn the_tree_of_arguments_is_sound() {
        super::super::command().debug_assert();
    }

    #[test]
    fn every_command_is_in_a_group() {
        use clap::CommandFactory;
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let tree = Cli::command();
        assert_eq!(tree.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>(), grouped);
    }
}
