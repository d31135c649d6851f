//! A build as a whole is an action too. One that found nothing to do writes down all that it looked at; while that is as
//! it was, the next has nothing to do either, and needs neither the graph nor the store to know it.

use super::{Project, store_folder};
use crate::exec::{Run, State};
use crate::fetch::{Questions, Same, StateFolder, Workspace};
use crate::hash::Hash;
use crate::history::History;
use crate::manifest::Options;
use crate::store::{FileStat, stat};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where it is kept, in the project's own folder.
const FILE: &str = "fresh";

/// What a build that had nothing to do was asked, and where it looked. What it saw in the project follows.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct AllFresh {
    options: Options,
    targets: Vec<String>,
    /// The folder of the store.
    store: PathBuf,
    /// The program, the store's folders and the history: another program may find otherwise, and what was built may be lost.
    places: Vec<(PathBuf, Option<FileStat>)>,
    nodes: u64,
}

/// Returns how many nodes a build would find fresh, if it can be known without a look at the graph that there is nothing to do.
pub fn nothing_to_do(root: &Path, options: &Options, targets: &[String]) -> Option<u64> {
    let bytes = StateFolder::of(root).read_bytes(FILE)?;
    let (last, questions) = decode(&bytes)?;
    let unmoved = |(place, then): &(PathBuf, Option<FileStat>)| stat(place).ok() == *then;
    let same = last.options == *options
        && last.targets == *targets
        && last.store == store_folder(root)
        && last.places.iter().all(unmoved);
    if !same {
        return None;
    }
    let workspace = Workspace::open(root);
    match workspace.is_as_it_was(&questions) {
        Same::No => None,
        Same::Yes => Some(last.nodes),
        Same::Closely => {
            // By now times may tell what took a closer look.
            let mut seen = questions.to_seen();
            seen.extend(workspace.everything_seen());
            let _ = workspace.save();
            let _ = workspace.state().write(FILE, &encode(&last, &seen.questions()));
            Some(last.nodes)
        }
    }
}

/// Writes a length, the first part as JSON, the second, and the hash of all before it.
fn encode(all: &AllFresh, questions: &Questions) -> Vec<u8> {
    let head = serde_json::to_vec(all).expect("it is plain data");
    let mut out = (head.len() as u64).to_le_bytes().to_vec();
    out.extend(head);
    questions.encode(&mut out);
    let hash = Hash::of(&out);
    out.extend_from_slice(hash.as_bytes());
    out
}

/// Reads both parts. What is damaged is nothing: a question that is lost would be an answer that is not noticed.
fn decode(bytes: &[u8]) -> Option<(AllFresh, Questions<'_>)> {
    let (body, hash) = bytes.split_last_chunk::<32>()?;
    if Hash::of(body) != Hash::from_bytes(*hash) {
        return None;
    }
    let (length, rest) = body.split_first_chunk::<8>()?;
    let (head, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((serde_json::from_slice(head).ok()?, Questions::decode(rest)?))
}

impl Project {
    /// Writes down what a build saw that had nothing to do. Best effort: without it, the next build is slower.
    pub(super) fn remember_fresh(&self, run: &Run, targets: &[String]) {
        let fresh = run.nodes.iter().all(|one| matches!(one.state, State::Fresh)) && !run.interrupted;
        // What is warned of has to be said again each time.
        if !fresh || !self.warnings.0.is_empty() {
            return;
        }
        let now = SystemTime::now();
        let Ok(program) = std::env::current_exe() else { return };
        let history = History::file(&self.store, &self.id());
        let places = self.store.places().into_iter().chain([program, history]);
        let places: Vec<_> = places
            .map(|place| {
                let found = stat(&place).ok();
                (place, found)
            })
            .collect();
        // What changed a moment ago may change again and look the same.
        if places.iter().any(|(_, found)| found.is_some_and(|found| !found.settled_at(now))) {
            return;
        }
        let all = AllFresh {
            options: self.options.clone(),
            targets: targets.to_vec(),
            store: self.store.root().to_owned(),
            places,
            nodes: run.nodes.len() as u64,
        };
        let seen = self.workspace.everything_seen();
        let _ = self.workspace.state().write(FILE, &encode(&all, &seen.questions()));
    }
}
