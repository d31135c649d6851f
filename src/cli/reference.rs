//! `docs/commands.md`, made from the tree of commands and the forms of their JSON.

use super::args::GROUPS;
use super::{
    alarm, asked, build, cause, check, diff, figures, gc, graph, init, log, plan, responses, show, tune, verify, watch,
    why,
};
use clap::{Arg, Command};
use std::fmt::Write;

const HEAD: &str = "\
# The commands

<!-- Generated from src/cli: UPDATE=1 cargo test --test reference_commands -->

Results go to stdout; progress, warnings and errors to stderr. On a terminal tables are cut to its width; elsewhere nothing is cut.

Nodes are named `clean`, `dataset.clean`, or by a pattern (`real_*`); `+clean` is it with all that it needs, `clean+` with all that needs it.

| exit code | meaning |
| --- | --- |
| 0 | fine |
| 1 | a node failed, the store is damaged, or the disk refused |
| 2 | wrong file or arguments |
| 4 | the budget is reached: the next request could have passed it |
| 101 | a bug in datamake |
| 130 | interrupted |

The store is in `.datamake/store`, or where the variable `DATAMAKE_STORE` says. `NO_COLOR` is respected.
";

const JSON: &str = "\
## JSON

With `--json` a command writes one JSON document to stdout (`show` one per row). A command that ends with errors before it has a result writes
`{ \"problems\": [problem] }`; `check` has the form of a problem. Fields are added in later versions, never changed or removed: ignore those that you do not know.
Nodes have their full names, `dataset.clean`; times are UTC.
";

/// The forms of the JSON, by command.
const FORMS: &[(&str, &str)] = &[
    ("check", check::FORM),
    ("graph", graph::FORM),
    ("plan", plan::FORM),
    ("why", why::FORM),
    ("show", show::FORM),
    ("tune", tune::FORM),
    ("diff", diff::FORM),
    ("log", log::FORM),
    ("verify", verify::FORM),
    ("init", init::FORM),
    ("build", build::FORM),
    ("watch", watch::FORM),
    ("gc", gc::FORM),
];

/// Returns the text of `docs/commands.md`.
pub fn reference() -> String {
    let mut tree = super::command();
    tree.build();
    let mut out = HEAD.to_owned();
    let shared: Vec<&Arg> = tree.get_arguments().filter(|arg| arg.is_global_set()).collect();
    let _ = write!(out, "\n## Everywhere\n\n");
    arguments(&mut out, &shared);
    for (title, names) in GROUPS {
        let _ = write!(out, "\n## {title}\n");
        for name in *names {
            if let Some(command) = tree.find_subcommand(name) {
                section(&mut out, command, command.get_name());
                for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                    section(&mut out, sub, &format!("{} {}", command.get_name(), sub.get_name()));
                }
            }
        }
    }
    let _ = write!(out, "\n{JSON}\n{}\n\n{}\n\n{}\n\n{}\n", cause::FORM, figures::FORM, asked::FORM, alarm::FORM);
    for (name, form) in FORMS.iter().chain(responses::FORMS) {
        let _ = write!(out, "\n### `{name} --json`\n\n");
        // Forms and sentences are told apart by how they begin.
        for paragraph in form.split("\n\n") {
            if paragraph.starts_with('{') {
                let _ = write!(out, "```text\n{paragraph}\n```\n\n");
            } else {
                let _ = write!(out, "{paragraph}\n\n");
            }
        }
        out.pop();
    }
    out
}

fn section(out: &mut String, command: &Command, name: &str) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let _ = write!(out, "\n### `{name}`\n\n{about}.\n\n```text\n{usage}\n```\n\n");
    let own: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help").collect();
    if !own.is_empty() {
        arguments(out, &own);
        out.push('\n');
    }
    if let Some(help) = command.get_after_help() {
        let help = help.to_string();
        let (examples, rest) = help.split_once("\n\n").map_or((help.as_str(), ""), |(examples, rest)| (examples, rest));
        let examples: Vec<&str> = examples.lines().skip(1).map(str::trim_start).collect();
        let _ = write!(out, "```text\n{}\n```\n", examples.join("\n"));
        if !rest.is_empty() {
            let _ = write!(out, "\n{rest}\n");
        }
    }
}

fn arguments(out: &mut String, arguments: &[&Arg]) {
    let _ = write!(out, "| argument | meaning |\n| --- | --- |\n");
    for argument in arguments {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let default = argument.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        let default = default.filter(|_| argument.get_action().takes_values() && !argument.is_hide_default_value_set());
        let values: Vec<String> =
            argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
        let mut meaning = help.replace('|', "\\|");
        if argument.get_action().takes_values() && !values.is_empty() && !argument.is_hide_possible_values_set() {
            let _ = write!(meaning, "; one of {}", values.join(", "));
        }
        if let Some(default) = default {
            let _ = write!(meaning, "; `{default}` unless told");
        }
        let _ = writeln!(out, "| `{}` | {meaning} |", spelling(argument));
    }
}

/// Writes an argument as it is typed: `-j, --jobs N`.
fn spelling(argument: &Arg) -> String {
    let value =
        argument.get_value_names().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    let value = value.filter(|_| argument.get_action().takes_values());
    if argument.is_positional() {
        return format!("[{}]", value.unwrap_or_else(|| argument.get_id().to_string().to_uppercase()));
    }
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    names.join(", ") + &value.map_or(String::new(), |value| format!(" {value}"))
}
