//! Makes declarations of models, of what prompts say about replies, and of the steps that ask.

use super::decl::*;
use super::declare::{Declarer, definition, int, some};
use super::json::{json, number as json_number};
use super::value::{Entry, Kind, Table, Value, as_written};
use super::{asking, check};
use crate::ask::Price;
use crate::diag::{Diagnostic, Span};
use crate::fetch::models::{Limits, Provider, RESERVED, Says, TokensField};
use crate::time::read_date;
use std::collections::BTreeMap;

impl Declarer<'_> {
    /// Reads `[budget]`.
    pub fn budget(&self, table: &Table) -> Budget {
        let money = table
            .get("money")
            .and_then(|entry| Some(Spanned { value: check::number(&entry.value)?, span: self.span(entry.value.at) }));
        Budget { money, requests: self.count(table, "requests") }
    }

    /// Reads a node `[model.NAME]`.
    pub fn model(&mut self, name: Text, table: &Table) -> Option<Model> {
        let provider = match self.text(table, "provider")?.value.as_str() {
            "openai" => Provider::OpenAi,
            "anthropic" => Provider::Anthropic,
            "replay" => Provider::Replay,
            _ => return None,
        };
        let completions = self.text(table, "api").is_some_and(|api| api.value == "completions");
        let (model, identity) = (self.text(table, "name")?, self.text(table, "identity"));
        let params = self.params(&name, table, completions);
        if provider == Provider::Anthropic {
            self.anthropic(&name, table, completions);
        }
        let mut definition = definition(table, &asking::MODEL);
        // Where an endpoint calls the model differently, that is no other model.
        definition.0.remove("name");
        definition.set("identity", &identity.as_ref().unwrap_or(&model).value);
        let price = table.get("price").and_then(|entry| {
            let part = |key: &str| check::number(&entry.value.table()?.get(key)?.value);
            Some(Price { input: part("input")?, output: part("output")? })
        });
        let limits = table.get("limits").and_then(|entry| entry.value.table());
        let limit = |key: &str| Some(self.count(limits?, key)?.value);
        let limits = Limits {
            concurrency: limit("concurrency").and_then(|n| u32::try_from(n).ok()),
            rpm: limit("rpm"),
            tpm: limit("tpm"),
        };
        Some(Model {
            about: self.about(table),
            provider,
            url: self.text(table, "url"),
            model,
            identity,
            completions,
            params,
            max_tokens: self.small(table, "max_tokens"),
            max_tokens_field: self.text(table, "max_tokens_field").and_then(|text| tokens_field(&text.value)),
            key: self.text(table, "key"),
            price,
            limits,
            timeout: table.get("timeout").map_or(Some(120.0), |entry| check::number(&entry.value))?,
            attempts: if table.contains_key("attempts") { self.small(table, "attempts")? } else { 5 },
            batch: table.contains_key("batch"),
            reuse_since: table.get("reuse").and_then(|entry| read_date(&entry.value.string()?)),
            definition,
            name,
        })
    }

    /// Returns what is sent besides the model, the messages and the limit of tokens.
    fn params(&mut self, model: &Text, table: &Table, completions: bool) -> BTreeMap<String, serde_json::Value> {
        let mut params = BTreeMap::new();
        for (name, entry) in table.get("body").and_then(|entry| entry.value.table()).into_iter().flatten() {
            match RESERVED.iter().find(|(reserved, _)| *reserved == name) {
                Some((_, says)) => self.reserved(model, name, entry, *says),
                None => drop(params.insert(name.to_owned(), json(&entry.value))),
            }
        }
        for name in ["temperature", "top_p", "seed"] {
            if let Some(number) = table.get(name).and_then(|entry| check::number(&entry.value)) {
                params.insert(name.to_owned(), json_number(number));
            }
        }
        if let Some(stop) = some(self.texts(table, "stop")) {
            params.insert("stop".to_owned(), stop.into_iter().map(|text| text.value).collect());
        }
        if let Some(alternatives) = table.get("logprobs").and_then(|entry| int(&entry.value)) {
            if completions {
                params.insert("logprobs".to_owned(), alternatives.into());
            } else {
                params.insert("logprobs".to_owned(), true.into());
                params.insert("top_logprobs".to_owned(), alternatives.into());
            }
        }
        params
    }

    fn reserved(&mut self, model: &Text, field: &str, entry: &Entry, says: Says) {
        let title = format!("`model.{}.body` must not have `{field}`", model.value);
        let problem = Diagnostic::error("reserved-field", title);
        let problem = match says {
            Says::Key(key) | Says::Param(key) => (problem.at(&self.span(entry.key), "has a key of its own"))
                .help(format!("write it as `{key}`, beside `body`")),
            Says::Datamake => (problem.at(&self.span(entry.key), "datamake itself says this"))
                .help("take it out: messages come from prompts, `n` and the form of a reply from steps and prompts"),
        };
        self.problems.push(match tokens_field(field) {
            Some(TokensField::MaxCompletionTokens) => problem
                .help(format!("if the endpoint takes it only by this name, `max_tokens_field = \"{field}\"` says so")),
            _ => problem,
        });
    }

    /// Reports what Anthropic's Messages do not have, and what they need.
    fn anthropic(&mut self, model: &Text, table: &Table, completions: bool) {
        let provider = table.get("provider").map(|entry| self.span(entry.value.at));
        for name in ["api", "logprobs", "max_tokens_field", "seed"] {
            let Some(entry) = table.get(name).filter(|_| name != "api" || completions) else { continue };
            let title = format!("Anthropic's Messages cannot do what `model.{}.{name}` says", model.value);
            let problem = Diagnostic::error("unsupported", title).at(&self.span(entry.key), "cannot be sent");
            let problem = provider.iter().fold(problem, |problem, span| problem.at(span, "to this provider"));
            self.problems.push(problem.help(format!("take `{name}` out, or ask another provider")));
        }
        if !table.contains_key("max_tokens") {
            let title = format!("`model.{}` needs `max_tokens`", model.value);
            let problem = Diagnostic::error("missing-key", title).at(&model.span, "`max_tokens` is missing");
            let problem =
                provider.iter().fold(problem, |problem, span| problem.at(span, "which this provider asks for"));
            self.problems.push(problem.help("say how many tokens a reply may have, for example `max_tokens = 1024`"));
        }
    }

    /// Reads what a prompt says of the form of its replies.
    pub(super) fn reply(&mut self, table: &Table) -> Option<Reply> {
        let entry = table.get("reply")?;
        let inner = entry.value.table()?;
        let form = match (self.text(inner, "schema"), inner.get("fields").and_then(|fields| fields.value.table())) {
            (Some(path), _) => ReplyForm::Schema(path),
            (None, fields) => ReplyForm::Fields(some(
                as_written(fields?).into_iter().filter_map(|(name, entry)| self.field(name, entry)).collect(),
            )?),
        };
        let retries = self.small(inner, "retries").unwrap_or(0);
        Some(Reply { form, retries, span: self.span(entry.key) })
    }

    fn field(&self, name: &str, entry: &Entry) -> Option<(Text, Spanned<crate::table::Type>)> {
        let ty = entry.value.string().filter(|text| text.len() < 200)?.parse().ok()?;
        Some((self.name(name, entry), Spanned { value: ty, span: self.span(entry.value.at) }))
    }

    /// Reads which rows a prompt shows as examples; the words that do not matter for that are taken out of its definition.
    pub(super) fn examples(&mut self, table: &Table, definition: &mut crate::hash::Words) -> Option<Examples> {
        let entry = table.get("examples")?;
        let inner = entry.value.table()?;
        let by = self.text(inner, "by");
        let picked = self.text(inner, "pick");
        let pick = match picked.as_ref().map_or("first", |text| &text.value) {
            "random" => Pick::Random,
            "similar" if inner.contains_key("by") => Pick::Similar(by?),
            "similar" => {
                let title = "examples that are similar need `by`".to_owned();
                let span = picked.as_ref().map_or_else(|| self.span(entry.key), |text| text.span.clone());
                let problem = Diagnostic::error("missing-key", title).at(&span, "similar in what");
                self.problems.push(problem.help("write `by` with the column of vectors, which both datasets have"));
                return None;
            }
            _ => Pick::First,
        };
        // So an overlay can change `pick` alone.
        if !matches!(pick, Pick::Similar(_)) {
            definition.0.remove("examples.by");
        }
        if !matches!(pick, Pick::Random) {
            definition.0.remove("examples.seed");
        }
        let (from, k) = (self.text(inner, "from")?, self.small(inner, "k")?);
        Some(Examples { from, k, pick, seed: self.seed(inner), span: self.span(entry.key) })
    }

    pub(super) fn generate(&mut self, table: &Table, span: Span) -> Option<Generate> {
        Some(Generate {
            prompt: self.text(table, "prompt")?,
            model: self.text(table, "model")?,
            into: self.text(table, "into"),
            n: self.small(table, "n").unwrap_or(1),
            sample: self.text(table, "sample"),
            history: self.text(table, "history"),
            dialogue: self.text(table, "dialogue"),
            logprob: self.text(table, "logprob"),
            examples: self.text(table, "examples"),
            span,
        })
    }

    pub(super) fn judge(&mut self, dataset: &str, table: &Table, span: Span) -> Option<Judge> {
        let models = self.texts(table, "model");
        for (at, model) in models.iter().enumerate() {
            if let Some(first) = models[..at].iter().find(|first| first.value == model.value) {
                let title = format!("`{}` judges twice in `dataset.{dataset}`", model.value);
                let problem = Diagnostic::error("duplicate", title).at(&model.span, "again");
                self.problems.push(
                    (problem.at(&first.span, "first here"))
                        .note("the same model would give the same verdict, and have two votes"),
                );
            }
        }
        let verdict = match table.get("scale") {
            Some(entry) => Verdict::Scale(self.scale(dataset, table, entry)?),
            None => Verdict::Between(self.between(dataset, table.get("between")?)?),
        };
        Some(Judge {
            prompt: self.text(table, "prompt")?,
            models: some(models)?,
            verdict,
            into: self.text(table, "into")?,
            reason: self.text(table, "reason"),
            votes: self.text(table, "votes"),
            span,
        })
    }

    /// Reads levels, in ascending order of their scores.
    fn scale(&mut self, dataset: &str, table: &Table, entry: &Entry) -> Option<Vec<(Text, f64)>> {
        let mut levels = self.map(table, "scale", |_, value| check::number(value));
        let written = entry.value.table()?.len();
        if levels.len() < written || levels.is_empty() || levels.iter().any(|(_, score)| !score.is_finite()) {
            return None;
        }
        if levels.len() == 1 {
            let title = format!("the scale of `dataset.{dataset}` needs two levels at least");
            self.error("out-of-range", title, entry.value.at, "found one level");
        }
        levels.sort_by(|one, other| {
            one.1.total_cmp(&other.1).then(one.0.span.range.start.cmp(&other.0.span.range.start))
        });
        for pair in levels.windows(2).filter(|pair| pair[0].1 == pair[1].1) {
            let [(one, score), (other, _)] = pair else { continue };
            let title = format!("`{}` and `{}` have the same score", one.value, other.value);
            let problem = Diagnostic::error("out-of-range", title).at(&other.span, format!("{score} again"));
            self.problems
                .push(problem.at(&one.span, format!("{score} here")).help("give each level a score of its own"));
        }
        Some(levels)
    }

    fn between(&mut self, dataset: &str, entry: &Entry) -> Option<[Text; 2]> {
        let Value { kind: Kind::List(items), at, .. } = &entry.value else { return None };
        let texts: Vec<Text> = items.iter().map(|item| item.text(self.sources)).collect::<Option<_>>()?;
        let both: [Text; 2] = texts.try_into().ok()?;
        if both[0].value == both[1].value {
            let title = format!("the judge of `dataset.{dataset}` compares a column with itself");
            self.error("out-of-range", title, *at, "name two columns");
        }
        Some(both)
    }

    pub(super) fn embed(&mut self, table: &Table, span: Span) -> Option<Embed> {
        let folder = || self.text(table, "folder").map(EmbedBy::Folder);
        let (text, by) = (self.text(table, "text")?, self.text(table, "model").map(EmbedBy::Model).or_else(folder)?);
        Some(Embed { text, by, into: self.text(table, "into")?, span })
    }

    pub(super) fn nearest(&mut self, table: &Table, span: Span) -> Option<Nearest> {
        Some(Nearest {
            to: self.text(table, "to")?,
            by: self.text(table, "by")?,
            their: self.text(table, "their"),
            k: self.small(table, "k").unwrap_or(1),
            not_itself: table.get("not_itself").map(|entry| self.span(entry.key)),
            columns: self.texts(table, "columns"),
            into: self.text(table, "into")?,
            span,
        })
    }

    fn small(&self, table: &Table, key: &str) -> Option<u32> {
        u32::try_from(self.count(table, key)?.value).ok()
    }
}

/// Reads the name of a field that says how many tokens a reply may have.
fn tokens_field(name: &str) -> Option<TokensField> {
    [TokensField::MaxTokens, TokensField::MaxCompletionTokens].into_iter().find(|field| field.name() == name)
}
