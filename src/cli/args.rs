//! The arguments: what all commands share, and the commands in groups.

use super::{build, check, completions, diff, gc, graph, init, log, man, plan, show, verify, why};
use clap::{Args, Parser, Subcommand, ValueEnum};
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
Exit codes: 0 fine, 1 a node failed, 2 wrong file or arguments, 101 a bug in datamake, 130 interrupted.";

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
    /// Sets a key of the manifest, as in `--set params.min_words=20`; may be repeated
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
    /// When to colour; `auto` is on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto, global = true)]
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
    Diff(diff::Diff),
    Log(log::Log),
    Verify(verify::Verify),
    Init(init::Init),
    Build(build::Build),
    Gc(gc::Gc),
    Completions(completions::Completions),
    Man(man::Man),
}

/// The groups of the help's first page.
pub const GROUPS: &[(&str, &[&str])] = &[
    ("Look, and change nothing", &["check", "graph", "plan", "why", "show", "diff", "log", "verify"]),
    ("Do", &["init", "build", "gc"]),
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
