//! `datamake responses show`: a request, and what it was answered.

use super::super::asked::tokens;
use super::super::session::{Ending, Exit, Session};
use super::super::words::{lines, plain, things, utc};
use super::nothing;
use crate::ask::{Finish, Response};
use crate::diag::Diagnostic;
use crate::project::Kept;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Shows a request, and what it was answered
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake responses show 3f2a91        the beginning of a key, as `show --failed` tells it
  datamake responses show 3f2a91 --json

Of several responses the last that fits is the one that counts: the others were cut off at a smaller limit, or asked for again.")]
pub struct Show {
    /// The key of the request, or the beginning of it
    #[arg(value_name = "KEY")]
    key: String,
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"requests\": [{ \"key\": \"…\", \"request\": { … }, \"responses\": [{ … }] }] }

Requests and responses as they are recorded; docs/format.md has their form. There are several where their keys begin alike.";

/// Requests that are shown before the rest is counted.
const MOST: usize = 10;

impl Show {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let found = session.project()?.recorded(&self.key)?;
        if session.json() {
            let one = |kept: &Kept| json!({ "key": kept.key, "request": kept.request, "responses": kept.responses });
            session.out.json(&json!({ "requests": found.iter().map(one).collect::<Vec<Value>>() }))?;
            return Ok(Exit::Fine);
        }
        if found.is_empty() {
            return Err(nothing(&self.key).into());
        }
        if found.len() > MOST {
            let title = format!("{} begin with `{}`", things(found.len() as u64, "key"), self.key);
            return Err(Diagnostic::error("bad-key", title).help("write more of it").into());
        }
        for (at, kept) in found.iter().enumerate() {
            if at > 0 {
                writeln!(session.out)?;
            }
            text(session, kept)?;
        }
        Ok(Exit::Fine)
    }
}

fn text(session: &mut Session, kept: &Kept) -> io::Result<()> {
    let paint = session.out.paint;
    writeln!(session.out, "{} {}", paint.dim("request"), paint.bold(&kept.key.to_string()))?;
    let word = |name: &str| kept.request[name].as_str().map(plain).unwrap_or_default();
    let mut facts = vec![format!("{} by {}", word("task"), word("model"))];
    facts.extend(
        kept.request["params"].as_object().into_iter().flatten().map(|(name, value)| format!("{name} {value}")),
    );
    facts.extend((!kept.request["schema"].is_null()).then(|| "with a schema".to_owned()));
    facts.extend(kept.request["sample"].as_u64().filter(|sample| *sample > 0).map(|sample| format!("sample {sample}")));
    writeln!(session.out, "  {}", plain(&facts.join(", ")))?;
    for message in kept.request["messages"].as_array().into_iter().flatten() {
        let of = |name: &str| message[name].as_str().unwrap_or_default();
        writeln!(session.out, "  {}", paint.dim(of("role")))?;
        indented(session, of("content"))?;
    }
    let count = kept.responses.len();
    for (at, response) in kept.responses.iter().enumerate() {
        let number = if count > 1 { format!(" {} of {count}", at + 1) } else { String::new() };
        writeln!(session.out, "{}", paint.dim(&format!("response{number}: {}", facts_of(response))))?;
        if let Some(reasoning) = &response.reasoning {
            writeln!(session.out, "  {}", paint.dim("reasoning"))?;
            indented(session, reasoning)?;
            writeln!(session.out, "  {}", paint.dim("reply"))?;
        }
        match response.vector.as_slice() {
            [] => indented(session, &response.text)?,
            vector => {
                let first: Vec<String> = vector.iter().take(6).map(ToString::to_string).collect();
                let more = if vector.len() > 6 { ", …" } else { "" };
                writeln!(session.out, "    {} numbers: {}{more}", vector.len(), first.join(", "))?;
            }
        }
    }
    Ok(())
}

fn facts_of(response: &Response) -> String {
    let mut facts = vec![utc(response.time)];
    facts.push(
        match response.finish {
            Finish::Stop => "whole",
            Finish::Length => "cut off",
            Finish::ContentFilter => "withheld by a filter",
            Finish::Refusal => "refused",
        }
        .to_owned(),
    );
    facts.push(response.usage.map_or("tokens unknown".to_owned(), tokens));
    facts.extend(response.max_tokens.map(|limit| format!("at most {limit} out")));
    facts.extend((response.attempts > 1).then(|| format!("sent {} times", response.attempts)));
    facts.extend(response.model.as_deref().map(|model| format!("from {}", plain(model))));
    facts.join(", ")
}

fn indented(session: &mut Session, text: &str) -> io::Result<()> {
    lines(text).iter().try_for_each(|line| writeln!(session.out, "{}", format!("    {line}").trim_end()))
}
