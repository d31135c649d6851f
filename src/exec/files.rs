//! The `files` maker: segments of files, parsed each once, and brought to the types that all agree on.

mod ahead;
mod onward;
mod recut;
mod texts;
mod unread;
mod wrong;

use super::Work;
use super::context::{Context, Stop, Used};
use super::dataset::MadeRows;
use super::eager::Eager;
use crate::diag::{Diagnostic, Span};
use crate::fetch::files::{Blocks, FoundFile, hash_file, open_whole};
use crate::format::{
    BadRow, Compression, Format, Parsed, ParsedColumn, Place, Problem, Segment, Splitter, Types, Unifier,
    parse_segment, read_rows,
};
use crate::hash::{Hash, Key, KeyWriter};
use crate::manifest::Dataset;
use crate::op;
use crate::store::FileStat;
use crate::table::{ColumnRef, Field, RowGroup, Schema, Table, Type};
use ahead::{Ahead, Room};
use arrow_array::new_null_array;
use onward::{Begun, Bytes, resumable};
use rayon::prelude::*;
pub(in crate::exec) use recut::{ReadStop, Recut};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use unread::BadRows;
use wrong::{changed, misfit, unreadable, wrong_file, wrong_record};

/// A data file and what it holds by the last look at it.
#[derive(Clone, Debug)]
pub struct DataFile {
    pub file: FoundFile,
    pub format: Format,
    pub compression: Compression,
    /// The hash of the bytes of the file, and how many there are.
    pub hash: Hash,
    pub bytes: u64,
    /// What the system said of the file when it was hashed, if no later change can look the same.
    pub stat: Option<FileStat>,
    /// The blocks of the file, if it was hashed just now and has several.
    pub blocks: Option<Blocks>,
}

/// How a `files` maker reads.
pub struct Reading<'a> {
    pub types: Types,
    pub key: Vec<String>,
    /// The files, in the order of their paths.
    pub files: &'a [DataFile],
    /// What to point at when a file is wrong.
    pub span: Span,
    /// Told of the rows of each part that was parsed.
    pub told: &'a (dyn Fn(u64) + Sync),
    /// What goes on with the rows of a segment as soon as they are parsed.
    pub(super) eager: Option<&'a Eager<'a>>,
}

/// A segment of a file after parsing: rows, columns and where they came from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    first_line: u64,
    rows: u32,
    columns: Vec<PartColumn>,
    /// The records that are no rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bad: Option<BadRows>,
    /// Whether it was parsed just now.
    #[serde(skip)]
    fresh: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PartColumn {
    name: String,
    /// The type that the segment's values have, or look like.
    ty: TypeText,
    evidence: u32,
    chunk: Hash,
}

impl Part {
    /// Returns whether any record was a row.
    pub fn has_rows(&self) -> bool {
        self.rows > 0
    }

    /// Returns whether it was parsed just now.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }
}

/// A type in hexadecimal digits of its encoding.
type TypeText = String;

/// The contents of the blob that lists a file's segments.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Listing {
    header: Option<Vec<String>>,
    /// Line and hash of each segment.
    segments: Vec<(u64, Hash)>,
    /// The byte after each segment.
    #[serde(default)]
    ends: Vec<u64>,
    /// The blocks of the file, where it can be read on from those bytes.
    #[serde(default)]
    blocks: Vec<Hash>,
}

impl Context<'_> {
    /// Reads files into row groups; rows that cannot be read are returned apart. If those are more than the dataset lets fail, it
    /// has no groups, and what is wrong.
    ///
    /// # Errors
    /// What is wrong with a file as a whole.
    pub(super) fn files(&self, used: &Used, reading: &Reading, dataset: &Dataset) -> Result<MadeRows, Stop> {
        let parts = self.parts(used, reading)?.into_iter();
        let parts = parts.map(|(at, part)| Ok((at, self.placed(used, &reading.files[at], part)?)));
        let parts = parts.collect::<Result<Vec<_>, Stop>>()?;
        let unread = self.unread(used, reading, &parts)?;
        let read = parts.iter().map(|(_, part)| u64::from(part.rows)).sum();
        let problem = unread.too_many(dataset, read);
        let groups = match &problem {
            None => self.conform_parts(used, reading, &parts)?.groups,
            Some(_) => Vec::new(),
        };
        Ok(MadeRows { groups, gave: Vec::new(), failed: unread.into_unmade(), problem })
    }

    /// Returns the columns of files, and how many row groups and rows had to be parsed for that.
    pub fn files_schema(&self, reading: &Reading) -> Result<(Schema, Work), Stop> {
        let used = Used::default();
        let parts = self.parts(&used, reading)?;
        let some = parts.iter().filter(|(_, part)| part.rows > 0);
        let fresh = some.clone().filter(|(_, part)| part.fresh);
        let work = Work {
            groups: some.count() as u64,
            groups_made: fresh.clone().count() as u64,
            rows_made: fresh.map(|(_, part)| u64::from(part.rows)).sum(),
            actions: used.ran(),
        };
        Ok((unify(reading, &parts)?, work))
    }

    /// Returns the table of files if all of them were read before, without a look at them.
    pub fn known_files(&self, reading: &Reading) -> Result<Option<Table>, Stop> {
        let used = Used::default();
        let mut parts = Vec::new();
        for run in runs(reading) {
            let at = run.start;
            let file = &reading.files[at];
            if file.format == Format::Text {
                let Some(known) = self.known_texts(&used, reading, run) else { return Ok(None) };
                parts.extend(known);
                continue;
            }
            let known = if file.format.has_records() {
                self.known_records(&used, reading, file)
            } else {
                self.store.trace(self.whole_key(reading, file)).map(|outputs| self.json(outputs[0])).transpose()?
            };
            let Some(known) = known else { return Ok(None) };
            for part in known {
                parts.push((at, self.placed(&used, file, part)?));
            }
        }
        self.conform_parts(&used, reading, &parts).map(Some)
    }

    fn conform_parts(&self, used: &Used, reading: &Reading, parts: &[(usize, Part)]) -> Result<Table, Stop> {
        let schema = unify(reading, parts)?;
        let groups = parts
            .par_iter()
            .filter(|(_, part)| part.rows > 0)
            .map(|(at, part)| self.conform_part(used, reading, *at, &schema, part))
            .collect::<Result<Vec<_>, Stop>>()?;
        let key =
            if reading.key.is_empty() { schema.names().map(str::to_owned).collect() } else { reading.key.clone() };
        Ok(Table { schema, key, groups })
    }

    /// Returns the parts of all files, each with the position of its file; lines are not placed yet.
    fn parts(&self, used: &Used, reading: &Reading) -> Result<Vec<(usize, Part)>, Stop> {
        let mut parts = Vec::new();
        for run in runs(reading) {
            self.go_on()?;
            let at = run.start;
            let file = &reading.files[at];
            if let (Some(eager), false) = (reading.eager, file.format.has_records()) {
                eager.end();
            }
            if file.format == Format::Text {
                parts.extend(self.texts(used, reading, run)?);
                continue;
            }
            let found = if file.format.has_records() {
                self.records(used, reading, at)?
            } else {
                self.whole_file(used, reading, file)?
            };
            parts.extend(found.into_iter().map(|part| (at, part)));
        }
        Ok(parts)
    }

    /// Returns the parts of a file of records, reading it only if some of it was never seen.
    fn records(&self, used: &Used, reading: &Reading, at: usize) -> Result<Vec<Part>, Stop> {
        match self.known_records(used, reading, &reading.files[at]) {
            Some(parts) => {
                reading.eager.iter().for_each(|eager| eager.end());
                self.counts.reuse(parts.len() as u64);
                Ok(parts)
            }
            None => self.read_records(used, reading, at),
        }
    }

    /// Returns the parts of a file of records if all of them were parsed before.
    fn known_records(&self, used: &Used, reading: &Reading, file: &DataFile) -> Option<Vec<Part>> {
        let listing = self.listing_key(reading, file);
        let listed: Listing = self.json(*self.store.trace(listing)?.first()?).ok()?;
        let part = |(line, hash): &(u64, Hash)| {
            let key = parse_key(reading, file.format, listed.header.as_deref(), *hash);
            let part: Part = self.json(*self.store.trace(key)?.first()?).ok()?;
            used.note(key);
            Some(Part { first_line: *line, ..part })
        };
        let parts = listed.segments.iter().map(part).collect::<Option<Vec<Part>>>()?;
        self.listing_keys(reading, file, &listed).for_each(|key| used.note(key));
        Some(parts)
    }

    /// Reads a file through, or from where it becomes another than it was: this thread reads and cuts, while others parse what was cut.
    fn read_records(&self, used: &Used, reading: &Reading, at: usize) -> Result<Vec<Part>, Stop> {
        let file = &reading.files[at];
        let Begun { mut listing, mut parts, next } = self.begun(used, reading, file);
        let mut bytes = Bytes::open(file, next).map_err(|error| unreadable(reading, file, &error))?;
        let eager = reading.eager;
        if next.is_some() {
            eager.iter().for_each(|eager| eager.end());
        }
        let ahead = Ahead::default();
        let cut = rayon::in_place_scope(|scope| {
            let wrong = |error| wrong_record(reading, file, 1, error);
            let mut splitter = Splitter::new(file.format, self.limits, &reading.key);
            if let Some((byte, line)) = next {
                splitter = splitter.resume(listing.header.as_deref(), byte, line).map_err(wrong)?;
            }
            let mut number = 0;
            let mut emit = |segment: Segment| {
                let (place, ahead) = (number, &ahead);
                number += 1;
                if listing.header.is_none() {
                    listing.header = segment.header.as_ref().map(|header| header.0.clone());
                }
                listing.ends.push(segment.end);
                let room = ahead.enter(segment.bytes.len());
                let waits = matches!(room, Room::Taken(_));
                let eager = eager.map(|eager| (eager, eager.next()));
                let parse = move || {
                    let parsed = self.segment(used, reading, file, &segment);
                    if let (Some((eager, number)), Ok((_, part))) = (eager, &parsed) {
                        eager.take(reading, number, at, part);
                    }
                    ahead.done(place, room, parsed.map(|(hash, part)| ((segment.first_line, hash), part)));
                };
                if waits { scope.spawn(move |_| parse()) } else { parse() }
            };
            let mut block = vec![0; 1 << 20];
            while !ahead.failed() {
                self.go_on()?;
                eager.iter().for_each(|eager| eager.catch_up(self.cancel()));
                let read = bytes.read(&mut block).map_err(|error| unreadable(reading, file, &error))?;
                if read == 0 {
                    return splitter.finish(&mut emit).map_err(wrong);
                }
                splitter.push(&block[..read], &mut emit).map_err(wrong)?;
            }
            Ok(())
        });
        // What is wrong with a row comes before what is wrong behind it.
        let (segments, new): (Vec<_>, Vec<_>) = ahead.finish()?.into_iter().unzip();
        cut?;
        bytes.finish(reading, file)?;
        listing.segments.extend(segments);
        parts.extend(new);
        listing.blocks = resumable(file).map(|blocks| blocks.to_vec()).unwrap_or_default();
        let blob = self.put(&serde_json::to_vec(&listing).expect("a listing is plain data"))?;
        for key in self.listing_keys(reading, file, &listing) {
            self.store.record(key, &[blob])?;
            used.note(key);
        }
        Ok(parts)
    }

    fn segment(
        &self,
        used: &Used,
        reading: &Reading,
        file: &DataFile,
        segment: &Segment,
    ) -> Result<(Hash, Part), Stop> {
        let hash = Hash::of(&segment.bytes);
        let header = segment.header.as_deref();
        let key = parse_key(reading, file.format, header.map(|header| header.0.as_slice()), hash);
        let mut fresh = false;
        let outputs = self.needed_action(used, key, || {
            fresh = true;
            let parsed = parse_segment(file.format, header, &segment.bytes, &reading.types)
                .map_err(|error| wrong_record(reading, file, segment.first_line, error))?;
            let bad: Vec<_> = parsed.bad.iter().map(|row| (None, row.clone())).collect();
            self.put_part(&parsed, &bad)
        })?;
        let part: Part = self.json(outputs[0])?;
        (reading.told)(u64::from(part.rows));
        Ok((hash, Part { first_line: segment.first_line, fresh, ..part }))
    }

    /// Writes the chunks of a segment and its bad rows; the first output describes the others.
    fn put_part(&self, parsed: &Parsed, bad: &[(Option<&str>, BadRow)]) -> Result<Vec<Hash>, Stop> {
        let (part, mut chunks) = self.put_columns(parsed)?;
        let part = Part { bad: self.put_bad(bad)?, ..part };
        chunks.extend(part.bad.map(|bad| bad.chunk));
        let described = self.put(&serde_json::to_vec(&part).expect("a part is plain data"))?;
        Ok(std::iter::once(described).chain(chunks).collect())
    }

    fn put_columns(&self, parsed: &Parsed) -> Result<(Part, Vec<Hash>), Stop> {
        let chunks = parsed.columns.iter().map(|c| self.put_column(&c.array)).collect::<Result<Vec<_>, Stop>>()?;
        let column = |(column, chunk): (&ParsedColumn, &Hash)| PartColumn {
            name: column.name.clone(),
            ty: type_text(&column.ty),
            evidence: column.evidence,
            chunk: *chunk,
        };
        let columns = parsed.columns.iter().zip(&chunks).map(column).collect();
        Ok((Part { first_line: 0, rows: parsed.rows as u32, columns, bad: None, fresh: false }, chunks))
    }

    /// Returns the row groups of a file that knows its columns, as parts.
    fn whole_file(&self, used: &Used, reading: &Reading, file: &DataFile) -> Result<Vec<Part>, Stop> {
        let mut fresh = false;
        let outputs = self.needed_action(used, self.whole_key(reading, file), || {
            fresh = true;
            let opened = open_whole(&file.file).map_err(|error| unreadable(reading, file, &error))?;
            let mut recut = Recut::new(self, &reading.key);
            read_rows::<ReadStop>(file.format, Box::new(opened), &reading.types, &mut |batch, bad| {
                Ok(recut.push_rows(batch, bad)?)
            })
            .map_err(|stop| match stop {
                ReadStop::Stop(stop) => stop,
                ReadStop::Problem(problem) => wrong_file(reading, file, &problem),
            })?;
            let outputs = recut.finish()?;
            // What was parsed has to be what was hashed.
            let now = hash_file(&file.file).map_err(|error| unreadable(reading, file, &error))?;
            if now.0 == file.hash { Ok(outputs) } else { Err(changed(reading, file)) }
        })?;
        let parts: Vec<Part> = self.json(outputs[0])?;
        Ok(parts.into_iter().map(|part| Part { fresh, ..part }).collect())
    }

    pub(super) fn conform_part(
        &self,
        used: &Used,
        reading: &Reading,
        file: usize,
        schema: &Schema,
        part: &Part,
    ) -> Result<Arc<RowGroup>, Stop> {
        let file = &reading.files[file];
        let mut columns = Vec::with_capacity(schema.0.len());
        for field in &schema.0 {
            let to = type_text(&field.ty);
            let have = part.columns.iter().find(|column| column.name == field.name);
            let text = file.format.is_delimited() && !reading.types.contains_key(&field.name);
            let chunk = match have {
                Some(column) => {
                    let chunk = column.chunk;
                    // Undeclared text is text still, whatever it looks like.
                    let is = if text { &type_text(&Type::String) } else { &column.ty };
                    if *is == to {
                        chunk
                    } else {
                        let conformed = self.conform(used, chunk, &field.ty)?;
                        if let Some(misfits) = &conformed.failed {
                            let (row, failure) = self.first_failure(misfits)?;
                            return Err(misfit(reading, file, &field.name, part.first_line, row, &failure.detail));
                        }
                        conformed.chunk
                    }
                }
                None => self.nulls(used, &field.ty, part.rows)?.chunk,
            };
            columns.push(ColumnRef::from(chunk));
        }
        Ok(Arc::new(RowGroup { rows: part.rows, columns }))
    }

    /// Makes a column of nulls.
    pub fn nulls(&self, used: &Used, ty: &Type, rows: u32) -> Result<ColumnRef, Stop> {
        let key = op::key("nulls").text("type", &type_text(ty)).int("rows", i64::from(rows)).finish();
        let outputs =
            self.action(used, key, || Ok(vec![self.put_column(&new_null_array(&ty.arrow(), rows as usize))?]))?;
        Ok(outputs[0].into())
    }

    fn listing_writer(&self, name: &str, reading: &Reading, file: &DataFile) -> KeyWriter {
        let mut key = op::key(name);
        key.text("format", &format!("{} {:?}", file.format, file.compression)).hash("file", file.hash);
        key.text("limits", &format!("{:?}", self.limits));
        reading.key.iter().for_each(|column| _ = key.text("key", column));
        key
    }

    fn whole_key(&self, reading: &Reading, file: &DataFile) -> Key {
        let mut key = self.listing_writer("read", reading, file);
        types_into(&mut key, &reading.types);
        key.finish()
    }

    fn listing_key(&self, reading: &Reading, file: &DataFile) -> Key {
        self.listing_writer("segments", reading, file).finish()
    }

    /// Returns the keys under which a listing is: of what the file holds, and of its path if it can be read on from there.
    fn listing_keys(&self, reading: &Reading, file: &DataFile, listing: &Listing) -> impl Iterator<Item = Key> {
        let last = (!listing.blocks.is_empty()).then(|| self.last_key(reading, file));
        std::iter::once(self.listing_key(reading, file)).chain(last)
    }

    /// Reads a blob of plain data.
    pub fn json<T: serde::de::DeserializeOwned>(&self, hash: Hash) -> Result<T, Stop> {
        serde_json::from_slice(&self.get(hash)?).map_err(|_| Stop::Missing(hash))
    }
}

/// Finds the columns and types that all parts agree on.
pub(super) fn unify(reading: &Reading, parts: &[(usize, Part)]) -> Result<Schema, Stop> {
    let mut unifier = Unifier::new();
    for (segment, (at, part)) in parts.iter().enumerate() {
        let file = &reading.files[*at];
        if file.format == Format::Lines {
            // Lines get it when they are placed, for which their numbers have to be read.
            let place = Place { segment, line: 0 };
            unifier.add(texts::PATH, &Type::String, place).expect("all lines have a path, and nothing else there yet");
        }
        for column in &part.columns {
            let ty = type_of_text(&column.ty);
            let place = Place { segment, line: column.evidence };
            let guess = file.format.is_delimited() && !reading.types.contains_key(&column.name);
            let added =
                if guess { unifier.add_text(&column.name, &ty, place) } else { unifier.add(&column.name, &ty, place) };
            added.map_err(|conflict| {
                let shown = |place: Place| {
                    let (at, part) = &parts[place.segment];
                    format!("{}:{}", reading.files[*at].file.path, part.first_line + u64::from(place.line))
                };
                Diagnostic::error("type-conflict", conflict.title())
                    .at(&reading.span, "read here")
                    .note(format!("{} at {}", conflict.first.0, shown(conflict.first.1)))
                    .note(format!("{} at {}", conflict.second.0, shown(conflict.second.1)))
                    .help(conflict.help())
            })?;
        }
    }
    let mut schema = unifier.schema();
    // A declared column is there, even if no row has it yet.
    for (name, ty) in reading.types.iter() {
        if schema.field(name).is_none() {
            schema.0.push(Field::new(name, ty.clone()));
        }
    }
    Ok(schema)
}

/// Divides the files into those that are read together: texts that stand side by side; the others each for itself.
fn runs(reading: &Reading) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, file) in reading.files.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if file.format == Format::Text && reading.files[run.start].format == Format::Text => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

fn parse_key(reading: &Reading, format: Format, header: Option<&[String]>, segment: Hash) -> Key {
    let mut key = op::key("parse");
    key.text("format", &format.to_string()).hash("segment", segment);
    header.unwrap_or_default().iter().for_each(|name| _ = key.text("header", name));
    types_into(&mut key, &reading.types);
    key.finish()
}

fn types_into(key: &mut KeyWriter, types: &BTreeMap<String, Type>) {
    types.iter().for_each(|(name, ty)| _ = key.text("column", name).text("type", &type_text(ty)));
}

/// Writes a type so that it can be read back, whatever the names of its fields.
pub(super) fn type_text(ty: &Type) -> TypeText {
    let mut bytes = Vec::new();
    crate::table::put_type(&mut bytes, ty);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn type_of_text(text: &str) -> Type {
    let byte = |i: usize| text.get(2 * i..2 * i + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let bytes: Vec<u8> = (0..text.len() / 2).map_while(byte).collect();
    crate::table::Reader::new(&bytes).ty().unwrap_or(Type::Null)
}
