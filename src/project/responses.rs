//! Responses that travel: out of the store as JSON Lines, and back in.

use super::build::{Asking, BuildOptions};
use super::models::{bad_responses, model_of};
use super::{Project, unusable, unwritable};
use crate::ask::{Finish, Record, Response};
use crate::diag::{Diagnostic, Diagnostics, list};
use crate::exec::{Mode, NodeRun, Run, State, Sum};
use crate::fetch::{plain, write_whole};
use crate::graph::NodeId;
use crate::hash::{Hash, KeyWriter};
use crate::store::{Responses, Store, StoreError};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What a line of exported responses has; `docs/format.md` describes it.
#[derive(Deserialize)]
struct Line<'a> {
    key: Option<String>,
    #[serde(borrow)]
    request: &'a RawValue,
    #[serde(borrow)]
    response: &'a RawValue,
}

/// How many responses came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Travelled {
    pub responses: u64,
    /// Those that are not wanted because of what is recorded already.
    pub known: u64,
}

/// What was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub responses: u64,
    /// What there is no response for yet, of what was to be exported; none: it is whole.
    pub missing: Option<Diagnostic>,
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// All that the store has.
    All,
    /// Those behind the rows of these nodes and of all that they need, as the project is now.
    Used(&'a [String]),
}

/// A request, and what it was answered: both as they are recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub key: Hash,
    pub request: Value,
    /// From old to new.
    pub responses: Vec<Response>,
}

/// What is recorded of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfModel {
    pub sum: Sum,
    /// Of the oldest and the newest: seconds since 1970-01-01T00:00:00Z.
    pub first: u64,
    pub last: u64,
}

impl Project {
    /// Writes recorded responses into a file, whole or not at all: compressed with zstd or gzip if its name ends so.
    pub fn export_to(&self, file: &Path, which: Which) -> Result<Exported, Diagnostics> {
        let mut exported = Exported::default();
        let written = write_whole::<Unwritten>(file, |to| {
            let mut to = BufWriter::new(to);
            let export = |to: &mut dyn Write| self.export_responses(which, to).map_err(Unwritten::Problems);
            exported = match file.extension().and_then(|ending| ending.to_str()) {
                Some("zst") => {
                    let mut packed = zstd::Encoder::new(&mut to, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                    export(&mut packed).and_then(|told| packed.finish().map(|_| told).map_err(Unwritten::Io))?
                }
                Some("gz") => {
                    let mut packed = flate2::write::GzEncoder::new(&mut to, flate2::Compression::default());
                    export(&mut packed).and_then(|told| packed.finish().map(|_| told).map_err(Unwritten::Io))?
                }
                _ => export(&mut to)?,
            };
            to.flush()?;
            Ok(())
        });
        match written {
            Ok(()) => Ok(exported),
            Err(Unwritten::Problems(problems)) => Err(problems),
            Err(Unwritten::Io(error)) => Err(unwritable(file, &error)),
        }
    }

    /// Finds the recorded responses whose keys begin with these hexadecimal digits, sorted by key.
    ///
    /// # Errors
    /// It is no beginning of a key.
    pub fn recorded(&self, prefix: &str) -> Result<Vec<Kept>, Diagnostics> {
        let hex = prefix.to_ascii_lowercase();
        if hex.is_empty() || hex.len() > 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let title = format!("`{prefix}` is no key of a request, nor the beginning of one");
            return Err(Diagnostic::error("bad-key", title)
                .note("a key has 64 hexadecimal digits; the first few of them will do")
                .help("`datamake show NODE --failed` tells keys, and so does `datamake responses export`")
                .into());
        }
        let from: Hash = format!("{hex:0<64}").parse().expect("64 hexadecimal digits are a hash");
        let mut found: Vec<Kept> = Vec::new();
        let bits = u32::try_from(hex.len() * 4).expect("a key is short");
        let each = |key: Hash, body: &[u8]| {
            if !key.to_string().starts_with(&hex) {
                return Ok(());
            }
            let Ok(record) = serde_json::from_slice::<Record>(body) else { return Err(StoreError::Missing(key)) };
            match found.last_mut().filter(|last| last.key == key) {
                Some(last) => last.responses.push(record.response),
                None => {
                    let request = serde_json::from_str(record.request.get()).unwrap_or_default();
                    found.push(Kept { key, request, responses: vec![record.response] });
                }
            }
            Ok(())
        };
        self.store.responses().for_each_like(&from, bits, each).map_err(unusable)?;
        Ok(found)
    }

    /// Adds up what is recorded, by what models are called in keys; and tells how many bytes it takes on disk.
    pub fn recorded_by_model(&self) -> Result<(BTreeMap<String, OfModel>, u64), Diagnostics> {
        let mut models: BTreeMap<String, OfModel> = BTreeMap::new();
        let each = |key: Hash, body: &[u8]| {
            let record: Record = serde_json::from_slice(body).map_err(|_| StoreError::Missing(key))?;
            let model = model_of(&record).ok_or(StoreError::Missing(key))?;
            let time = record.response.time;
            let of = models.entry(model).or_insert(OfModel { first: time, ..OfModel::default() });
            of.sum.answers += 1;
            match record.response.usage {
                Some(usage) => of.sum.usage += usage,
                None => of.sum.untold += 1,
            }
            (of.first, of.last) = (of.first.min(time), of.last.max(time));
            Ok(())
        };
        self.store.responses().for_each(each).map_err(unusable)?;
        let bytes = self.store.responses().stats().map_err(unusable)?.bytes;
        Ok((models, bytes))
    }

    /// Writes recorded responses as JSON Lines, sorted by key, the older of one key first.
    pub fn export_responses(&self, which: Which, out: &mut dyn Write) -> Result<Exported, Diagnostics> {
        let (wanted, missing) = match which {
            Which::All => (None, None),
            Which::Used(targets) => {
                let (used, missing) = self.used_responses(targets)?;
                (Some(used), missing)
            }
        };
        let mut sum = Exported { responses: 0, missing };
        let mut failed = None;
        let each = |key: Hash, body: &[u8]| {
            if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&key)) {
                return Ok(());
            }
            // The record is an object; its key goes in front.
            let rest = body.strip_prefix(b"{").unwrap_or(body);
            let written = write!(out, "{{\"key\":\"{key}\",").and_then(|()| out.write_all(rest));
            match written.and_then(|()| out.write_all(b"\n")) {
                Ok(()) => sum.responses += 1,
                Err(error) => {
                    failed = Some(error);
                    return Err(StoreError::Missing(key));
                }
            }
            Ok(())
        };
        let read = self.store.responses().for_each(each);
        if let Some(error) = failed {
            let title = format!("the responses cannot be written: {}", plain(&error));
            return Err(Diagnostic::error("unwritable", title).into());
        }
        read.map_err(unusable)?;
        Ok(sum)
    }

    /// Returns the keys of the responses behind the rows of some nodes, and what there is none for.
    fn used_responses(&self, targets: &[String]) -> Result<(BTreeSet<Hash>, Option<Diagnostic>), Diagnostics> {
        let heard = Mutex::new(BTreeSet::new());
        let scratch = self.store.scratch();
        self.take_in_responses(&scratch)?;
        let asking = Asking { listener: Some(&heard), ..Asking::default() };
        let run = self.run(Mode::Plan, &scratch, &BuildOptions::quiet(targets), asking)?;
        Ok((heard.into_inner().expect("no thread panics with this lock"), self.unanswered(&run)))
    }

    /// Says which nodes have not all the responses that are behind their rows.
    fn unanswered(&self, run: &Run) -> Option<Diagnostic> {
        if run.interrupted {
            return Some(Diagnostic::error("interrupted", "not all responses were looked for: this was interrupted"));
        }
        // A dataset that is not published because of its failed rows has a response for each of them.
        let is_open = |one: &&NodeRun| {
            self.graph.asks(one.node) && one.outcome.is_none() && !run.attempts.contains_key(&one.node)
        };
        let open: Vec<&NodeRun> = run.nodes.iter().filter(is_open).collect();
        if open.is_empty() {
            return None;
        }
        let name = |id: NodeId| self.graph.node(id).name.as_str();
        let names = list(open.iter().map(|one| name(one.node)));
        let title = format!("not all responses behind the rows of {names} can be told yet");
        let notes = open.iter().map(|one| {
            let counts = run.counts.iter().filter(|(place, _)| place.node == one.node);
            let requests: u64 = counts.map(|(_, count)| count.requests).sum();
            let why = match &one.state {
                State::Skipped(failed) => format!("`{}` fails", name(*failed)),
                State::Failed(problems) => problems.0.first().map_or(String::new(), |problem| problem.title.clone()),
                _ if run.uncounted.contains(&one.node) || requests == 0 => {
                    "what it asks is not known before others have run".to_owned()
                }
                _ if requests == 1 => "1 request has no answer yet".to_owned(),
                _ => format!("{requests} requests have no answer yet"),
            };
            format!("`{}`: {why}", name(one.node))
        });
        let problem = notes.fold(Diagnostic::error("incomplete", title), Diagnostic::note);
        Some(problem.help("`datamake build` asks for them; export again when it is done"))
    }

    /// Adds responses that [`Project::export_responses`] wrote. What was answered here stays the answer: one is left out where a
    /// recorded one answers under its limit of tokens, and where it would be taken instead of a recorded whole one.
    pub fn import_responses(&self, name: &str, lines: &mut dyn BufRead) -> Result<Travelled, Diagnostics> {
        take_in(&self.store, name, lines)
    }

    /// Adds the responses of the files that the project brings along, once.
    pub(super) fn take_in_responses(&self, store: &Store) -> Result<(), Diagnostics> {
        for pattern in &self.graph.manifest.project.responses {
            let files = self.workspace.find(&pattern.value).map_err(|error| {
                Diagnostic::error("unreadable-file", error.to_string())
                    .at(&pattern.span, "responses are read from here")
            })?;
            for file in files {
                let unreadable = |why: String| {
                    Diagnostic::error("unreadable-file", format!("cannot read the responses in `{}`", file.path))
                        .at(&pattern.span, why)
                };
                let hash = self.workspace.hash(&file).map_err(|error| unreadable(error.to_string()))?;
                let key = KeyWriter::new("responses", 1).hash("file", hash).finish();
                if store.trace(key).is_some() && store.responses().stats().is_ok_and(|stats| stats.responses > 0) {
                    continue;
                }
                let mut lines = open(&file.absolute).map_err(|error| unreadable(plain(&error)))?;
                take_in(store, &file.path, &mut lines)?;
                store.record(key, &[]).map_err(unusable)?;
            }
        }
        Ok(())
    }
}

/// Why a file was not written.
enum Unwritten {
    Problems(Diagnostics),
    Io(std::io::Error),
}

impl From<std::io::Error> for Unwritten {
    fn from(error: std::io::Error) -> Unwritten {
        Unwritten::Io(error)
    }
}

/// Opens a file of responses; one that is compressed with zstd or gzip is read through.
pub fn open(path: &Path) -> std::io::Result<Box<dyn BufRead>> {
    let file = std::fs::File::open(path)?;
    Ok(match path.extension().and_then(|ending| ending.to_str()) {
        Some("zst") => Box::new(std::io::BufReader::new(zstd::Decoder::new(file)?)),
        Some("gz") => Box::new(std::io::BufReader::new(flate2::read::MultiGzDecoder::new(file))),
        _ => Box::new(std::io::BufReader::new(file)),
    })
}

/// Returns the recorded responses to a request, without what they say.
fn known(responses: &Responses, key: &Hash) -> Result<Vec<Response>, Diagnostics> {
    let mut known = Vec::new();
    let each = |body: &[u8]| -> Option<()> {
        let response = serde_json::from_slice::<Record>(body).ok()?.response;
        known.push(Response { text: String::new(), reasoning: None, vector: Vec::new(), logprobs: None, ..response });
        None
    };
    responses.find(key, each).map_err(unusable)?;
    Ok(known)
}

/// Returns whether a new response is not wanted because of a known one.
///
/// It is not, if the known one answers a request with the limit of tokens that the new one was made under; nor if the known one is
/// whole, and the new one, which would count as the newest, answered in its place a request with the limit of the known one.
fn covers(known: &Response, new: &Response) -> bool {
    known.fits(new.max_tokens) || (known.finish != Finish::Length && new.fits(known.max_tokens))
}

fn take_in(store: &Store, name: &str, lines: &mut dyn BufRead) -> Result<Travelled, Diagnostics> {
    let responses = store.responses();
    let mut sum = Travelled::default();
    let failed: Arc<Mutex<Option<StoreError>>> = Arc::default();
    // What was recorded of a request before this file came: of two new responses in it both come in.
    let mut had: HashMap<Hash, Vec<Response>> = HashMap::new();
    let mut text = String::new();
    for number in 1.. {
        text.clear();
        let read = lines.read_line(&mut text).map_err(|error| bad_responses(name, number, &plain(&error)))?;
        if read == 0 {
            break;
        }
        if text.trim().is_empty() {
            continue;
        }
        let bad = |why: &str| bad_responses(name, number, why);
        let line: Line = serde_json::from_str(&text).map_err(|error| bad(&error.to_string()))?;
        let key = Hash::of(line.request.get().as_bytes());
        if line.key.is_some_and(|said| said != key.to_string()) {
            return Err(bad("its key is not the hash of its request: one of them was changed").into());
        }
        let response: Response = serde_json::from_str(line.response.get()).map_err(|error| bad(&error.to_string()))?;
        let had = match had.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(known(responses, &key)?),
        };
        if had.iter().any(|known| covers(known, &response)) {
            sum.known += 1;
            continue;
        }
        let body = Record::encode(line.request.get(), &response);
        let failed = failed.clone();
        responses.add(key, &body, move |written| {
            if let Err(error) = written {
                failed.lock().expect("no thread panics with this lock").get_or_insert(error);
            }
        });
        sum.responses += 1;
    }
    responses.sync();
    match failed.lock().expect("no thread panics with this lock").take() {
        Some(error) => Err(unusable(error)),
        None => Ok(sum),
    }
}
