//! Makes declarations of checked values, and applies the rules that concern several values at once.
//!
//! What the table of keys can say, `check` has reported; here a value of the wrong shape is passed over in silence.

use super::decl::*;
use super::keys;
use super::part::part;
use super::value::{At, Entry, Kind, Table, Value};
use super::{check, running, words};
use crate::diag::{Diagnostic, Source, Span, list};
use crate::format::Format;
use crate::hash::Words;
use crate::table::Type;
use std::sync::Arc;

/// Makes declarations and collects what is wrong with them.
pub struct Declarer<'a> {
    pub sources: &'a [Arc<Source>],
    pub problems: Vec<Diagnostic>,
}

impl Declarer<'_> {
    pub(super) fn span(&self, at: At) -> Span {
        at.span(self.sources)
    }

    pub(super) fn error(&mut self, code: &'static str, title: String, at: At, label: &str) -> &mut Diagnostic {
        self.problems.push(Diagnostic::error(code, title).at(&at.span(self.sources), label));
        self.problems.last_mut().expect("it was just pushed")
    }

    /// Returns the name of a node as it stands in its header.
    pub fn name(&self, name: &str, entry: &Entry) -> Text {
        let value = Value { at: entry.key, kind: Kind::Text(name.into()), origin: super::value::Origin::Written };
        value.text(self.sources).expect("a string has a text")
    }

    pub(super) fn text(&self, table: &Table, key: &str) -> Option<Text> {
        table.get(key)?.value.text(self.sources)
    }

    /// Reads a string or a list of strings; empty if there are none.
    pub(super) fn texts(&self, table: &Table, key: &str) -> Vec<Text> {
        match table.get(key).map(|entry| &entry.value) {
            Some(Value { kind: Kind::List(items), .. }) => {
                items.iter().filter_map(|item| item.text(self.sources)).collect()
            }
            Some(value) => value.text(self.sources).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Reads a table of names, in their order.
    pub(super) fn map<T>(
        &mut self,
        table: &Table,
        key: &str,
        mut read: impl FnMut(&mut Self, &Value) -> Option<T>,
    ) -> Vec<(Text, T)> {
        let entries = table.get(key).and_then(|entry| entry.value.table()).into_iter().flatten();
        entries.filter_map(|(name, entry)| Some((self.name(name, entry), read(self, &entry.value)?))).collect()
    }

    pub(super) fn count(&self, table: &Table, key: &str) -> Option<Spanned<u64>> {
        let value = &table.get(key)?.value;
        Some(Spanned { value: u64::try_from(int(value)?).ok()?, span: self.span(value.at) })
    }

    pub(super) fn seed(&self, table: &Table) -> u64 {
        self.count(table, "seed").map_or(0, |seed| seed.value)
    }

    pub(super) fn about(&self, table: &Table) -> About {
        About {
            title: self.text(table, "title").map(|text| text.value),
            doc: self.text(table, "doc").map(|text| text.value),
            tags: self.texts(table, "tags").into_iter().map(|text| text.value).collect(),
        }
    }

    /// Reads `[project]`.
    pub fn project(&self, table: &Table) -> Project {
        Project {
            name: self.text(table, "name"),
            include: self.texts(table, "include"),
            responses: self.texts(table, "responses"),
        }
    }

    /// Reads a node `[dataset.NAME]`.
    pub fn dataset(&mut self, name: Text, table: &Table) -> Option<Dataset> {
        let mut definition = Words::default();
        words::keys(&mut definition, "", table, keys::MAKERS.iter());
        words::keys(&mut definition, "", table, keys::FLOW.iter());
        let maker = self.maker(&name.value, table, &mut definition);
        let mut steps = Vec::new();
        self.beside_run(&name.value, table);
        let inline = running::inline_steps(table);
        if inline.clone().any(|key| table.contains_key(key.name)) {
            words::keys(&mut definition, "steps.0", table, inline);
            steps.extend(self.step(&name.value, table));
        }
        let listed = match table.get("steps").map(|entry| &entry.value.kind) {
            Some(Kind::List(items)) => items.as_slice(),
            _ => &[],
        };
        for (index, item) in listed.iter().enumerate() {
            let step = item.table().and_then(|step| {
                words::keys(&mut definition, &format!("steps.{index}"), step, keys::STEP.iter());
                self.step(&name.value, step)
            });
            if let (Some(Step::Split(split)), false) = (&step, index + 1 == listed.len()) {
                let title = format!("`split` must be the last step of `dataset.{}`", name.value);
                let problem = Diagnostic::error("split-not-last", title).at(&split.span, "steps follow");
                self.problems.push(problem.help("put the other steps before it, or into datasets made from its parts"));
            }
            steps.extend(step);
        }
        Some(Dataset {
            about: self.about(table),
            purpose: if table.contains_key("role") { Purpose::Evaluation } else { Purpose::Any },
            maker: maker?,
            steps,
            key: self.texts(table, "key"),
            max_failed: table.get("max_failed").and_then(|entry| part(&entry.value)).unwrap_or(MaxFailed::Rows(0)),
            definition,
            name,
        })
    }

    fn maker(&mut self, dataset: &str, table: &Table, definition: &mut Words) -> Option<Maker> {
        let (&name, entry) =
            ["files", "synth", "mix", "concat", "sql", "from", "run"].iter().find_map(|n| Some((n, table.get(n)?)))?;
        definition.set("maker", name);
        Some(match name {
            "files" => Maker::Files(self.files(table, definition)?),
            "synth" => Maker::Synth(self.synth(entry.value.table()?)?),
            "mix" => {
                let mix = self.mix(dataset, entry.value.table()?)?;
                name_sources(definition, "mix", mix.source.as_ref(), mix.of.iter().map(|(name, _)| name));
                Maker::Mix(mix)
            }
            "concat" => {
                let inner = entry.value.table();
                let of = self.texts(inner.unwrap_or(table), if inner.is_some() { "of" } else { "concat" });
                let source = inner.and_then(|concat| self.text(concat, "source"));
                name_sources(definition, "concat", source.as_ref(), of.iter());
                Maker::Concat(Concat { of, source })
            }
            "sql" => Maker::Sql(self.sql(table, entry, definition)?),
            "run" => {
                words::keys(definition, "run", entry.value.table()?, running::RUN.keys());
                Maker::Run(self.run(entry.value.table()?, self.span(entry.key), true)?)
            }
            _ => Maker::From(self.text(table, "from")?),
        })
    }

    fn files(&mut self, table: &Table, definition: &mut Words) -> Option<Files> {
        let patterns = self.texts(table, "files");
        let declared = self.text(table, "format");
        let format = declared.and_then(|text| Some(Spanned { value: text.value.parse().ok()?, span: text.span }));
        if !table.contains_key("format") {
            for pattern in patterns.iter().filter(|pattern| !may_have_a_format(&pattern.value)) {
                let title = format!("the ending of `{}` does not tell its format", pattern.value);
                let problem = Diagnostic::error("unknown-format", title).at(&pattern.span, "unknown ending");
                self.problems
                    .push(problem.help(format!("add `format`: one of {}", list(keys::FORMATS.iter().copied()))));
            }
            // The same word whether the format is declared or told by the ending.
            let told = |pattern: &Text| Encoding::of_path(&pattern.value).map(|encoding| encoding.format);
            if let Some(first) = patterns.first().and_then(told)
                && patterns.iter().all(|pattern| told(pattern) == Some(first))
            {
                definition.set("format", first.to_string());
            }
        }
        Some(Files { patterns, format, types: self.types(table) })
    }

    pub(super) fn types(&mut self, table: &Table) -> Vec<(Text, Spanned<Type>)> {
        self.map(table, "types", |this, value| {
            let text = value.string().filter(|text| text.len() < 200)?;
            Some(Spanned { value: text.parse().ok()?, span: this.span(value.at) })
        })
    }

    fn step(&mut self, dataset: &str, table: &Table) -> Option<Step> {
        let (&name, entry) = keys::STEP.iter().find_map(|key| Some((&key.name, table.get(key.name)?)))?;
        let inner = entry.value.table();
        let span = self.span(entry.key);
        Some(match name {
            "where" => Step::Where(self.text(table, name)?),
            "filter" => Step::Filter(some(self.texts(table, name))?),
            "columns" => Step::Columns(some(self.map(table, name, |this, value| value.text(this.sources)))?),
            "select" => Step::Select(some(self.texts(table, name))?),
            "render" => {
                let table = inner?;
                let text = (self.text(table, "prompt").map(RenderText::Prompt))
                    .or_else(|| self.text(table, "template").map(RenderText::Template))
                    .or_else(|| self.text(table, "file").map(RenderText::File))?;
                Step::Render(Render { text, into: self.text(table, "into")?, span })
            }
            "generate" => Step::Generate(self.generate(inner?, span)?),
            "judge" => Step::Judge(self.judge(dataset, inner?, span)?),
            "embed" => Step::Embed(self.embed(inner?, span)?),
            "nearest" => Step::Nearest(self.nearest(inner?, span)?),
            "tokens" => Step::Tokens(self.tokens(inner?, span)?),
            "perplexity" => Step::Perplexity(self.perplexity(inner?, span)?),
            "explode" => Step::Explode(self.explode(entry, span)?),
            "join" => Step::Join(self.join(inner?, span)?),
            "augment" => Step::Augment(self.augment(inner?, span)?),
            "dedup" => Step::Dedup(self.dedup(inner?, span)),
            "dedup_spans" => Step::DedupSpans(self.dedup_spans(inner?, span)?),
            "decontaminate" => Step::Decontaminate(self.decontaminate(inner?, span)),
            "sample" => Step::Sample(self.sample(inner?, span)?),
            "run" => Step::Run(self.run(inner?, span, false)?),
            _ => Step::Split(self.split(dataset, inner?, span)?),
        })
    }

    fn synth(&mut self, table: &Table) -> Option<Synth> {
        let columns = self.map(table, "columns", |this, value| this.recipe(value.table()?));
        Some(Synth { rows: self.count(table, "rows")?, seed: self.seed(table), columns: some(columns)? })
    }

    /// Reads a node `[prompt.NAME]`.
    pub fn prompt(&mut self, name: Text, table: &Table) -> Option<Prompt> {
        let text = self.text(table, "template").map(PromptText::Template);
        let text = text.or_else(|| self.text(table, "file").map(PromptText::File))?;
        let (about, system) = (self.about(table), self.text(table, "system"));
        let mut definition = definition(table, &keys::PROMPT);
        let (reply, examples) = (self.reply(table), self.examples(table, &mut definition));
        Some(Prompt { name, about, text, system, reply, examples, definition })
    }

    /// Reads a node `[filter.NAME]`.
    pub fn filter(&mut self, name: Text, table: &Table) -> Option<Filter> {
        let parts = match self.text(table, "use") {
            Some(ready) => self.ready(&ready, table)?,
            None => vec![FilterPart { reason: None, condition: self.text(table, "where")? }],
        };
        Some(Filter { name, about: self.about(table), parts, definition: definition(table, &keys::FILTER) })
    }

    /// Reads a node `[metric.NAME]`.
    pub fn metric(&mut self, name: Text, table: &Table) -> Option<Metric> {
        Some(Metric {
            alarm: self.alarm(&name.value, table),
            name,
            about: self.about(table),
            on: some(self.texts(table, "on"))?,
            value: self.text(table, "value")?,
            by: self.texts(table, "by"),
            condition: self.text(table, "where"),
            definition: definition(table, &keys::METRIC),
        })
    }

    /// Reads a node `[export.NAME]`.
    pub fn export(&mut self, name: Text, table: &Table) -> Option<Export> {
        let (about, from, to) = (self.about(table), self.text(table, "from"), self.text(table, "to")?);
        let encoding = match self.text(table, "format") {
            Some(format) => Encoding::named(&format.value)?,
            None if table.contains_key("format") || check::inside_project(&to.value).is_err() => return None,
            None => match Encoding::of_path(&to.value).filter(|e| keys::EXPORTS.contains(&e.name().as_str())) {
                Some(encoding) => encoding,
                None => {
                    let title = format!("the ending of `{}` does not tell a format to write", to.value);
                    let problem = Diagnostic::error("unknown-format", title).at(&to.span, "unknown ending");
                    self.problems
                        .push(problem.help(format!("add `format`: one of {}", list(keys::EXPORTS.iter().copied()))));
                    return None;
                }
            },
        };
        let mut definition = definition(table, &keys::EXPORT);
        definition.set("format", encoding.name());
        let contaminated = table.contains_key("contaminated");
        Some(Export { name, about, from: from?, to, encoding, contaminated, definition })
    }
}

/// Reads an integer.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value.kind {
        Kind::Int(int) => Some(int),
        _ => None,
    }
}

pub(super) fn some<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

pub(super) fn definition(table: &Table, spec: &'static super::shape::Table) -> Words {
    let mut definition = Words::default();
    words::keys(&mut definition, "", table, spec.keys());
    definition
}

/// Adds the names of the inputs where they become values of a column.
fn name_sources<'t>(definition: &mut Words, maker: &str, column: Option<&Text>, names: impl Iterator<Item = &'t Text>) {
    if column.is_some() {
        for (index, name) in names.enumerate() {
            definition.set(format!("{maker}.source.{index}"), &name.value);
        }
    }
}

/// Tells whether files that match a pattern can have an ending that tells their format.
fn may_have_a_format(pattern: &str) -> bool {
    let last = pattern.rsplit('/').next().unwrap_or("");
    let stem = last.strip_suffix(".gz").or_else(|| last.strip_suffix(".zst")).unwrap_or(last);
    match stem.rsplit_once('.') {
        Some((_, ending)) => ending.contains(['*', '?']) || Format::by_extension(last).is_some(),
        None => last.contains(['*', '?']),
    }
}
