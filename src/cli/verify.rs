//! `datamake verify`: reads everything in the store again, and compares it with its name.

use super::session::{Detail, Ending, Exit, Session};
use super::words::{bytes, count, things};
use crate::project::Repair;
use crate::store::Progress;
use serde_json::json;
use std::io::Write;

/// Reads all that is in the store, and checks it against its hashes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake verify
  datamake verify --repair     forgets what is damaged, so that the next build makes it again

Exit code 1: something is damaged. A damaged blob never gives a wrong result: a build that meets one makes it again.")]
pub struct Verify {
    /// Forgets what is damaged, so that the next build makes it again
    #[arg(long)]
    repair: bool,
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"fine\": true, \"repaired\": false, \"blobs\": 1200, \"traces\": 300, \"bytes\": 56000000, \"problems\": [\"…\"] }

`fine` tells whether nothing was found; `repaired` whether it was mended (`--repair`).";

impl Verify {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let project = session.project()?;
        let bar = bar(session);
        let tell = |progress: Progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        };
        let checked = project.verify(if self.repair { Repair::Yes } else { Repair::No }, &tell);
        bar.finish_and_clear();
        let checked = checked?;
        let (blobs, traces) = (checked.stats.large_blobs + checked.stats.small_blobs, checked.stats.traces);
        let size = checked.stats.large_bytes + checked.stats.log_bytes;
        let fine = checked.problems.is_empty();
        let stay = checked.problems.iter().filter(|problem| problem.stays()).count();
        let mended = checked.problems.len() - stay;
        let exit = if fine || self.repair { Exit::Fine } else { Exit::Failed };
        if session.json() {
            let problems: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
            session.out.json(&json!({
                "fine": fine, "repaired": self.repair && mended > 0, "blobs": blobs, "traces": traces,
                "bytes": size, "problems": problems,
            }))?;
            return Ok(exit);
        }
        for problem in &checked.problems {
            writeln!(session.out, "{problem}")?;
        }
        let what = format!("{}, {}, {}", things(blobs, "blob"), things(traces, "trace"), bytes(size));
        let number = count(checked.problems.len() as u64);
        match (fine, self.repair) {
            (true, _) if session.detail == Detail::Quiet => {}
            (true, _) => writeln!(session.out, "fine: {what}, and all is what its name says")?,
            (false, true) => {
                writeln!(session.out)?;
                if mended > 0 {
                    let mended = count(mended as u64);
                    writeln!(session.out, "mended {mended} of it: the next build makes again what is missing")?;
                }
                if stay > 0 {
                    writeln!(session.out, "{} of it stays as it is", count(stay as u64))?;
                }
            }
            (false, false) => {
                writeln!(session.out, "\n{number} wrong in {what}; to mend it: datamake verify --repair")?
            }
        }
        Ok(exit)
    }
}

fn bar(session: &Session) -> indicatif::ProgressBar {
    if !session.out.live || session.detail == Detail::Quiet {
        return indicatif::ProgressBar::hidden();
    }
    let style = indicatif::ProgressStyle::with_template("reading {bar:24} {bytes} of {total_bytes}");
    indicatif::ProgressBar::new(0).with_style(style.expect("the template is well-formed").progress_chars("━╸ "))
}
