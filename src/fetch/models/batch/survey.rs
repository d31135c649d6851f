//! Batches that are noted: what their endpoints say of them, and how they are cancelled without a build.

use super::super::http::{self, Client, Large};
use super::super::keys::KeyRules;
use super::super::place::Place;
use super::super::wire::{Outcome, shown};
use super::super::{Endpoint, Environment, Provider};
use super::call::Way;
use super::flow::store;
use super::wire::State;
use super::{Batch, note};
use crate::diag::{Diagnostic, Diagnostics};
use crate::store::{Claim, Responses};
use serde::Deserialize;
use std::collections::HashMap;
use std::time::Duration;

/// How long an exchange takes at most: somebody sits and waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be done about noted batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Look,
    Cancel,
}

/// A batch that was sent and not harvested.
#[derive(Clone, Debug)]
pub struct Noted {
    pub label: String,
    /// What the endpoint calls it, if that is known.
    pub id: Option<String>,
    /// The first model of the project that is asked there, by its node's name, and the URL; none: no model is.
    pub reach: Option<(String, String)>,
    /// What the model is called in keys.
    pub model: String,
    /// When it was sent: seconds since 1970.
    pub time: u64,
    pub requests: u64,
    /// Whether a build waits for it.
    pub awaited: bool,
    pub word: Word,
    pub cancel: Cancel,
}

/// What is known of a batch from its endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// In the endpoint's own words, and how many requests are over.
    Is { status: String, done: u64, ended: bool },
    /// It knows no such batch: it was never created, or it is gone.
    Nothing,
    /// It gave no answer: why.
    Silent(String),
    /// No model of the project is asked where it is.
    OutOfReach,
}

/// What became of the wish to cancel a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// There was none, or there is nothing to cancel.
    No,
    Yes,
    /// The endpoint will not, in its words.
    Refused(String),
    /// A build waits for it, and would send its requests again at once.
    Awaited,
}

/// An endpoint of the project.
struct Reach<'a> {
    endpoint: &'a Endpoint,
    place: Place,
    /// What the names of its notes begin with.
    notes: String,
}

/// Lists the noted batches of a store from old to new, and asks the endpoints that are known about each of theirs, once.
///
/// Notes stay as they are, also of what is cancelled: the next build harvests it.
///
/// # Errors
/// The store or the user's configuration cannot be read. What is wrong with one endpoint is told with its batches.
pub fn survey(
    environment: &Environment,
    endpoints: &[Endpoint],
    responses: &Responses,
    wish: Wish,
) -> Result<Vec<Noted>, Diagnostics> {
    let rules = KeyRules::read(environment)?;
    let reaches: Vec<Reach> = endpoints.iter().filter_map(|endpoint| Reach::of(endpoint, &rules)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Diagnostic::error("no-thread", "endpoints cannot be asked").note(crate::fetch::plain(&error))
    })?;
    let mut ways: HashMap<usize, Result<Way, String>> = HashMap::new();
    let mut found = Vec::new();
    for name in responses.list_notes().map_err(store)? {
        let Some((notes, label)) = note::parts(&name) else { continue };
        let claim = note::claim_of(label);
        // As long as it is ours, a build that begins now leaves the batch alone.
        let awaited = responses.claim(&claim).map_err(store)? == Claim::Elsewhere;
        if let Some(batch) = note::read(responses, notes, label, 0).map_err(store)? {
            let at = reaches.iter().position(|reach| reach.notes == notes);
            let mut noted = Noted::of(&batch, at.map(|at| &reaches[at]), awaited);
            if let Some(at) = at {
                let way = ways.entry(at).or_insert_with(|| reaches[at].way(&rules, environment));
                let asked = match way {
                    Ok(way) => runtime.block_on(noted.ask(way, &batch, wish)),
                    Err(why) => Err(Outcome::Unreachable { why: why.clone() }),
                };
                if let Err(outcome) = asked {
                    let is_down = matches!(outcome, Outcome::Unreachable { .. });
                    let why = why(outcome);
                    noted.word = Word::Silent(why.clone());
                    // Those that follow are not kept waiting for the same.
                    if is_down {
                        *way = Err(why);
                    }
                }
            }
            found.push(noted);
        }
        if !awaited {
            responses.release(&claim);
        }
    }
    found.sort_by(|one, other| (one.time, &one.label).cmp(&(other.time, &other.label)));
    Ok(found)
}

impl<'a> Reach<'a> {
    /// Finds out where batches of an endpoint are; also where it is asked without them by now.
    fn of(endpoint: &'a Endpoint, rules: &KeyRules) -> Option<Reach<'a>> {
        let place = Place::of(endpoint).ok().filter(|_| endpoint.provider == Provider::OpenAi)?;
        let notes = note::place(&place, &endpoint.model, rules.variable(endpoint, &place));
        Some(Reach { endpoint, place, notes })
    }

    /// Gets ready to ask, with the key that a build would send.
    fn way(&self, rules: &KeyRules, environment: &Environment) -> Result<Way, String> {
        let ready = || {
            let key = rules.key(self.endpoint, &self.place)?;
            let proxy = http::proxy(self.endpoint, &self.place, &environment.proxies())?;
            let client = Client::new(proxy.as_ref(), &http::tls(self.place.https));
            let secret = key.and_then(|key| key.read());
            let (place, timeout) = (self.place.clone(), self.endpoint.timeout.min(PATIENCE));
            Ok(Way { client, secret, place, timeout, large: Large::new() })
        };
        ready().map_err(|problem: Diagnostic| problem.title)
    }
}

impl Noted {
    fn of(batch: &Batch, reach: Option<&Reach>, awaited: bool) -> Noted {
        #[derive(Deserialize)]
        struct Model {
            model: String,
        }
        let first = batch.entries.values().find_map(|entry| entry.canonical.as_deref());
        let model = first.and_then(|canonical| serde_json::from_str::<Model>(canonical).ok());
        Noted {
            label: batch.label.clone(),
            id: batch.id.clone(),
            reach: reach.map(|reach| (reach.endpoint.node.clone(), reach.place.base().to_owned())),
            model: model.map(|model| model.model).unwrap_or_default(),
            time: batch.noted.unwrap_or(0) / 1000,
            requests: batch.entries.len() as u64,
            awaited,
            word: Word::OutOfReach,
            cancel: Cancel::No,
        }
    }

    /// Asks how the batch is, and cancels it if that is wished and there is something to cancel.
    async fn ask(&mut self, way: &Way, batch: &Batch, wish: Wish) -> Result<(), Outcome> {
        let asked = match &batch.id {
            Some(id) => way.poll(id).await.map(Some),
            None => way.find(&batch.label, batch.file.as_deref()).await,
        };
        let state = match asked {
            Ok(Some(state)) => state,
            Ok(None) | Err(Outcome::Useless { status: Some(404), .. }) => {
                self.word = Word::Nothing;
                return Ok(());
            }
            Err(outcome) => return Err(outcome),
        };
        self.hear(&state);
        if wish == Wish::Look || state.has_ended() {
            return Ok(());
        }
        self.cancel = match self.awaited {
            true => Cancel::Awaited,
            false => match way.cancel(&state.id).await {
                Ok(state) => {
                    self.hear(&state);
                    Cancel::Yes
                }
                Err(outcome) => Cancel::Refused(why(outcome)),
            },
        };
        Ok(())
    }

    fn hear(&mut self, state: &State) {
        self.id = Some(state.id.clone());
        self.word = Word::Is { status: shown(&state.status), done: state.done(), ended: state.has_ended() };
    }
}

/// Says why an exchange came to nothing.
fn why(outcome: Outcome) -> String {
    match outcome {
        Outcome::Throttled { why, .. }
        | Outcome::Again { why, .. }
        | Outcome::Rejected { why }
        | Outcome::Useless { why, .. }
        | Outcome::Unreachable { why } => why,
        Outcome::Answered(_) => "an answer of a model".to_owned(),
    }
}
