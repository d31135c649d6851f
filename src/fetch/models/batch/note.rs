//! Notes of batches: what was handed to an endpoint, written down before it is.

use super::super::group::Group;
use super::super::place::Place;
use super::{Batch, Entry, Origin, Stage, Step};
use crate::ask::Task;
use crate::hash::Hash;
use crate::store::{Responses, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How the name of the file ends that has a batch's id.
const ID: &str = ".id";

#[derive(Serialize, Deserialize)]
struct Head {
    task: Task,
    file: String,
    time: u64,
}

#[derive(Serialize, Deserialize)]
struct Asked<'a> {
    max_tokens: Option<u32>,
    #[serde(borrow)]
    request: &'a RawValue,
}

/// Returns milliseconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

/// Makes a label that no other batch has.
pub(super) fn fresh_label(first: &Hash) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let seed = format!("{first} {:?} {} {count}", SystemTime::now(), std::process::id());
    Hash::of(seed.as_bytes()).to_string()[..32].to_owned()
}

/// Returns what a label is claimed under.
pub(super) fn claim_of(label: &str) -> Hash {
    Hash::of(format!("batch {label}").as_bytes())
}

impl Group {
    /// Returns what the names of all notes for this endpoint and key begin with.
    pub(super) fn notes(&self, model: &str) -> String {
        place(&self.place, model, self.key.as_ref().map(|key| key.variable.as_str()))
    }
}

/// Returns what the names of all notes begin with for batches that can be asked about here, under this name and with this key.
pub(super) fn place(place: &Place, model: &str, key: Option<&str>) -> String {
    let place = serde_json::to_string(&(place.base(), model, key)).expect("texts are plain data");
    format!("{}-", &Hash::of(place.as_bytes()).to_string()[..16])
}

/// Takes the name of a note apart: what it begins with, and the label; none if it has something else, such as an id.
pub(super) fn parts(name: &str) -> Option<(&str, &str)> {
    let dash = name.find('-')? + 1;
    (!name.contains('.')).then(|| name.split_at(dash))
}

/// Writes down what a batch is made of.
pub(super) fn write(
    responses: &Responses,
    notes: &str,
    batch: &Batch,
    file: &str,
    time: u64,
) -> Result<(), StoreError> {
    let mut text = line(&Head { task: batch.task, file: file.to_owned(), time });
    for entry in batch.entries.values() {
        let canonical = entry.canonical.as_deref().or(entry.job.as_ref().map(|job| job.canonical.as_str()));
        let Some(canonical) = canonical else { continue };
        let request = serde_json::from_str(canonical).expect("the canonical form is JSON");
        text.extend(line(&Asked { max_tokens: entry.max_tokens, request }));
    }
    responses.write_note(&format!("{notes}{}", batch.label), &[&text])
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("plain data is written to memory");
    line.push(b'\n');
    line
}

/// Writes down what the endpoint calls a batch.
pub(super) fn write_id(responses: &Responses, notes: &str, label: &str, id: &str) -> Result<(), StoreError> {
    responses.write_note(&format!("{notes}{label}{ID}"), &[id.as_bytes()])
}

/// Removes the note of a batch. The id goes first: without a note it would stay for good.
pub(super) fn remove(responses: &Responses, notes: &str, label: &str) -> Result<(), StoreError> {
    responses.remove_note(&format!("{notes}{label}{ID}"))?;
    responses.remove_note(&format!("{notes}{label}"))
}

/// Lists the labels of the noted batches of an endpoint.
pub(super) fn labels(responses: &Responses, notes: &str) -> Result<Vec<String>, StoreError> {
    let names = responses.list_notes()?;
    let labels = names.iter().filter_map(|name| parts(name)).filter(|(place, _)| *place == notes);
    Ok(labels.map(|(_, label)| label.to_owned()).collect())
}

/// Reads the note of a batch; none if it is not there any more, or is no note.
pub(super) fn read(responses: &Responses, notes: &str, label: &str, number: u64) -> Result<Option<Batch>, StoreError> {
    let Some(text) = responses.read_note(&format!("{notes}{label}"))? else { return Ok(None) };
    let id = responses.read_note(&format!("{notes}{label}{ID}"))?;
    let id = id.and_then(|id| String::from_utf8(id).ok()).filter(|id| !id.is_empty());
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let head = lines.next().and_then(|line| serde_json::from_slice::<Head>(line).ok());
    let Some(head) = head else { return Ok(None) };
    let mut entries = BTreeMap::new();
    for line in lines {
        let Ok(asked) = serde_json::from_slice::<Asked>(line) else { continue };
        let canonical = asked.request.get().to_owned();
        let entry = Entry { max_tokens: asked.max_tokens, canonical: Some(canonical.clone()), slip: None, job: None };
        entries.insert(Hash::of(canonical.as_bytes()), entry);
    }
    let step = if id.is_some() { Step::Poll } else { Step::Find };
    Ok(Some(Batch {
        number,
        label: label.to_owned(),
        origin: Origin::Note,
        task: head.task,
        file: Some(head.file),
        id,
        noted: Some(head.time),
        entries,
        stage: Stage::Due(Instant::now(), step),
        end: None,
        done: 0,
        polls: 0,
        trouble: 0,
        tries: 0,
        keeping: 0,
    }))
}
