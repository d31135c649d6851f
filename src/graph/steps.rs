//! What steps name: filters, prompts, models and files, read into the node, with the words that tell them.

use super::Node;
use super::alike::{evaluation, no_evaluation};
use super::resolve::{no_such, unknown};
use super::texts::{TextReader, template_words};
use crate::diag::Diagnostics;
use crate::hash::Words;
use crate::manifest::{
    Dataset, Embed, EmbedBy, Examples, Manifest, Perplexity, PerplexityBy, Pick, READY_FILTERS, RenderText, Step, Text,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads what the step at a position names, and returns whether it is sound.
pub(super) fn read_step(
    manifest: &Manifest,
    reader: &mut TextReader,
    dataset: &Dataset,
    step: usize,
    node: &mut Node,
    problems: &mut Diagnostics,
) -> bool {
    match &dataset.steps[step] {
        Step::Filter(names) => add_filters(manifest, step, names, node, problems),
        Step::Render(render) => {
            let template = reader.render(&render.text, problems);
            if let Some(template) = &template {
                let inline = match render.text {
                    RenderText::Template(_) => None, // it is in the definition
                    _ => Some(format!("steps.{step}.prompt")),
                };
                template_words(template, inline, step, &mut node.words);
            }
            keep(template, step, &mut node.templates)
        }
        Step::Generate(generate) => {
            let has_model = add_model(manifest, &generate.model, &format!("steps.{step}.model"), node, problems);
            add_prompt(reader, manifest, step, &generate.prompt, node, problems) && has_model
        }
        Step::Judge(judge) => {
            let mut whole = true;
            for (at, name) in judge.models.iter().enumerate() {
                whole &= add_model(manifest, name, &format!("steps.{step}.model.{at}"), node, problems);
            }
            add_prompt(reader, manifest, step, &judge.prompt, node, problems) && whole
        }
        Step::Embed(Embed { by: EmbedBy::Model(name), .. })
        | Step::Perplexity(Perplexity { by: PerplexityBy::Model(name), .. }) => {
            add_model(manifest, name, &format!("steps.{step}.model"), node, problems)
        }
        Step::Embed(Embed { by: EmbedBy::Folder(folder), .. }) => {
            let vectors = reader.vectors(folder, problems);
            if let Some(vectors) = &vectors {
                node.words.set(format!("steps.{step}.embed.folder"), vectors.hash().to_string());
            }
            keep(vectors, step, &mut node.vectors)
        }
        Step::Tokens(tokens) => {
            let tokenizer = reader.tokenizer(&tokens.tokenizer, problems);
            if let Some(tokenizer) = &tokenizer {
                node.words.set(format!("steps.{step}.tokens.tokenizer"), tokenizer.hash().to_string());
            }
            keep(tokenizer, step, &mut node.tokenizers)
        }
        Step::Perplexity(Perplexity { by: PerplexityBy::Lm(name), .. }) => {
            let Some(lm) = manifest.lms.iter().find(|known| known.name.value == name.value) else {
                unknown(manifest, "lm", name, manifest.lms.iter().map(|lm| lm.name.value.as_str()), problems);
                return false;
            };
            add_definition(&lm.definition, &format!("steps.{step}.perplexity.lm"), node);
            true
        }
        Step::Augment(augment) => {
            let Some(path) = &augment.synonyms else { return true };
            let synonyms = reader.synonyms(path, problems);
            if let Some(synonyms) = &synonyms {
                let told = format!("{} words, {}", synonyms.len(), synonyms.hash());
                node.words.set(format!("steps.{step}.augment.synonyms"), told);
            }
            keep(synonyms, step, &mut node.synonyms)
        }
        Step::Decontaminate(step) if evaluation(manifest, dataset, step).is_empty() => {
            problems.push(no_evaluation(dataset, step));
            false
        }
        _ => true,
    }
}

/// Keeps what a step read, and returns whether there is something.
fn keep<T>(read: Option<Arc<T>>, step: usize, kept: &mut BTreeMap<usize, Arc<T>>) -> bool {
    let is_there = read.is_some();
    kept.extend(read.map(|read| (step, read)));
    is_there
}

/// Adds the conditions of filters, and returns whether all are there.
fn add_filters(manifest: &Manifest, step: usize, names: &[Text], node: &mut Node, problems: &mut Diagnostics) -> bool {
    let mut whole = true;
    for (at, name) in names.iter().enumerate() {
        // The first filter that a row does not pass is the reason, so their order counts.
        node.words.set(format!("steps.{step}.filter.{at}"), name.value.clone());
        match manifest.filters.iter().find(|f| f.name.value == name.value) {
            Some(filter) => filter.parts.iter().for_each(|part| {
                let path = format!("filter.{}.{}", name.value, part.reason.unwrap_or("where"));
                node.words.set(path, part.condition.value.clone());
            }),
            None => {
                let known = manifest.filters.iter().map(|f| f.name.value.as_str());
                if let Some(problem) = no_such(manifest, "filter", name, known) {
                    let is_published = READY_FILTERS.contains(&name.value.as_str());
                    problems.push(if is_published { problem.help(to_declare(&name.value)) } else { problem });
                }
                whole = false;
            }
        }
    }
    whole
}

/// Says how a published filter is used.
fn to_declare(published: &str) -> String {
    let declared = format!("declare the published filter under a name: `[filter.good]` with `use = \"{published}\"`");
    format!("{declared}, and name that: `filter = \"good\"`")
}

/// Reads the prompt of a step, with its words and those of its examples, and returns whether it is sound.
fn add_prompt(
    reader: &mut TextReader,
    manifest: &Manifest,
    step: usize,
    name: &Text,
    node: &mut Node,
    problems: &mut Diagnostics,
) -> bool {
    let Some(at) = reader.find(name, problems) else { return false };
    let Some(texts) = reader.prompt(at, problems) else { return false };
    let prompt = &manifest.prompts[at];
    texts.words(prompt, step, &mut node.words);
    if let Some(examples) = &prompt.examples {
        example_words(examples, &format!("steps.{step}.prompt.examples"), &mut node.words);
    }
    node.prompts.insert(step, texts);
    true
}

/// Adds what decides which rows are examples; their table is an input.
fn example_words(examples: &Examples, path: &str, words: &mut Words) {
    words.set(format!("{path}.k"), examples.k.to_string());
    match &examples.pick {
        Pick::First => words.set(format!("{path}.pick"), "first"),
        Pick::Random => {
            words.set(format!("{path}.pick"), "random");
            words.set(format!("{path}.seed"), examples.seed.to_string());
        }
        Pick::Similar(by) => {
            words.set(format!("{path}.pick"), "similar");
            words.set(format!("{path}.by"), &by.value);
        }
    }
}

/// Adds what a model is called and how it is asked: `temperature`, `max_tokens`, … Where it is, and what it costs, is no part of it.
/// Returns whether it is there.
fn add_model(manifest: &Manifest, name: &Text, path: &str, node: &mut Node, problems: &mut Diagnostics) -> bool {
    let Some(model) = manifest.models.iter().find(|model| model.name.value == name.value) else {
        unknown(manifest, "model", name, manifest.models.iter().map(|model| model.name.value.as_str()), problems);
        return false;
    };
    add_definition(&model.definition, path, node);
    true
}

fn add_definition(definition: &Words, path: &str, node: &mut Node) {
    for (key, value) in &definition.0 {
        node.words.set(format!("{path}.{key}"), value);
    }
}
