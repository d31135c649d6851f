//! `datamake gc`: removes from the store what no kept build needs, after telling what that is.

use super::session::{Detail, Ending, Exit, Session};
use super::words::{bytes, things};
use serde_json::json;
use std::io::Write;

/// Removes from the store what the last builds do not need; tells first, and needs --yes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake gc                  tells what would go
  datamake gc --yes            removes it
  datamake gc --keep 1 --yes   keeps the last build only

What is kept is packed, so that the store takes less room. Of builds that go, `log` and `diff` still tell numbers and metrics, but no longer rows. While a build runs that
uses the store, nothing is removed, nor as long as something that a kept build needs cannot be read. What models answered is never removed.")]
pub struct Gc {
    /// How many builds to keep, of each checkout that uses the store
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    keep: usize,
    /// Removes what was found
    #[arg(short, long)]
    yes: bool,
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"removed\": false, \"builds_kept\": 10, \"blobs\": 12, \"traces\": 40, \"leftovers\": 0, \"bytes\": 3400000, \"packed\": 0 }

`removed` tells whether it was done (`--yes`); `leftovers` are files of builds that died; `packed` is how many bytes packing saved.";

impl Gc {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let project = session.project()?;
        let garbage = if self.yes { project.collect(self.keep)? } else { project.garbage(self.keep)? };
        let plan = &garbage.plan;
        let (blobs, traces, leftovers, size) =
            (plan.blobs as u64, plan.traces as u64, plan.leftovers as u64, plan.bytes);
        if session.json() {
            session.out.json(&json!({
                "removed": self.yes, "builds_kept": garbage.builds_kept,
                "blobs": blobs, "traces": traces, "leftovers": leftovers, "bytes": size, "packed": garbage.packed,
            }))?;
            return Ok(Exit::Fine);
        }
        if session.detail == Detail::Quiet {
            return Ok(Exit::Fine);
        }
        let responses = project.store().responses().stats().map_or(0, |stats| stats.responses);
        let answers = if responses > 0 { format!(" and all {}", things(responses, "response")) } else { String::new() };
        let kept = things(garbage.builds_kept as u64, "build") + &answers;
        if blobs + traces + leftovers == 0 {
            writeln!(session.out, "nothing to remove: {kept} kept")?;
            if garbage.packed > 0 {
                writeln!(session.out, "packed what is kept: {} smaller", bytes(garbage.packed))?;
            }
            return Ok(Exit::Fine);
        }
        let mut parts = Vec::new();
        for (n, thing) in [(blobs, "blob"), (traces, "trace"), (leftovers, "leftover file")] {
            parts.extend((n > 0).then(|| things(n, thing)));
        }
        let (what, size) = (parts.join(", "), bytes(size));
        if self.yes {
            writeln!(session.out, "removed {what}, {size}; {kept} kept")?;
            if garbage.packed > 0 {
                writeln!(session.out, "packed what is kept: {} smaller", bytes(garbage.packed))?;
            }
        } else {
            writeln!(session.out, "would remove {what}, {size}; {kept} kept")?;
            writeln!(session.out, "nothing was removed; to do it: datamake gc{} --yes", self.flag())?;
        }
        Ok(Exit::Fine)
    }

    fn flag(&self) -> String {
        if self.keep == 10 { String::new() } else { format!(" --keep {}", self.keep) }
    }
}
