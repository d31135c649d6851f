//! Texts of templates and schemas: each is read and parsed once, and what is wrong with it is said once.

use super::resolve::unknown;
use crate::ask::Form;
use crate::diag::{Diagnostic, Diagnostics, Source, Span};
use crate::fetch::Texts;
use crate::hash::Words;
use crate::manifest::{Manifest, Prompt, PromptText, RenderText, Reply, ReplyForm, Text};
use crate::op::Synonyms;
use crate::table::Field;
use crate::template::Template;
use crate::text::{StaticModel, Tokenizer};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// What stands for the path of a template that is written in the manifest.
const INLINE: &str = "<template>";

/// The name under which a prompt's texts see the rows that it has as examples.
pub(super) const EXAMPLES: &str = "examples";

/// A prompt as a step uses it.
#[derive(Clone, Debug)]
pub struct PromptTexts {
    /// The position of its declaration.
    pub declaration: usize,
    pub text: Arc<Template>,
    pub system: Option<Arc<Template>>,
    /// The form that replies have to have.
    pub form: Option<Arc<Form>>,
}

impl PromptTexts {
    /// Returns the texts, each with where it stands if that is in the manifest.
    pub(super) fn texts<'a>(&'a self, prompt: &'a Prompt) -> Vec<(&'a Arc<Template>, Option<&'a Text>)> {
        let inline = match &prompt.text {
            PromptText::Template(text) => Some(text),
            PromptText::File(_) => None,
        };
        let system = self.system.iter().map(|system| (system, prompt.system.as_ref()));
        std::iter::once((&self.text, inline)).chain(system).collect()
    }

    /// Returns whether one of the texts reads `name`.
    pub(super) fn read(&self, name: &str) -> bool {
        let reads = |template: &Arc<Template>| template.reads().iter().any(|read| read == name);
        reads(&self.text) || self.system.as_ref().is_some_and(reads)
    }

    /// Adds what a prompt says to the words of the node that uses it in a step.
    pub(super) fn words(&self, prompt: &Prompt, step: usize, words: &mut Words) {
        let at = format!("steps.{step}.prompt");
        template_words(&self.text, Some(at.clone()), step, words);
        if let Some(system) = &self.system {
            template_words(system, Some(format!("{at}.system")), step, words);
        }
        if let (Some(form), Some(reply)) = (&self.form, &prompt.reply) {
            words.set(format!("{at}.reply.schema"), form.schema());
            words.set(format!("{at}.reply.retries"), reply.retries.to_string());
        }
    }
}

/// Adds a template's texts to words: its own under `inline` if it stands in the manifest (not at all if that is none, being in the
/// definition already), under its path if not; and the included ones under theirs.
pub(super) fn template_words(template: &Template, inline: Option<String>, step: usize, words: &mut Words) {
    for (i, source) in template.sources().iter().enumerate() {
        // The step that a text is for counts; an included text is told by its name.
        let path = match (i, source.path == Path::new(INLINE)) {
            (0, true) => match &inline {
                Some(path) => path.clone(),
                None => continue,
            },
            (0, false) => format!("{} (steps.{step})", source.path.display()),
            _ => format!("{} (included)", source.path.display()),
        };
        words.set(path, source.text.clone());
    }
}

/// Parses each text once.
pub(super) struct TextReader<'a> {
    manifest: &'a Manifest,
    texts: &'a dyn Texts,
    parsed: HashMap<(String, String), Option<Arc<Template>>>,
    forms: HashMap<String, Option<Arc<Form>>>,
    lists: HashMap<String, Option<Arc<Synonyms>>>,
    pub(super) tokenizers: HashMap<String, Option<Arc<Tokenizer>>>,
    pub(super) vectors: HashMap<String, Option<Arc<StaticModel>>>,
}

impl<'a> TextReader<'a> {
    pub(super) fn new(manifest: &'a Manifest, texts: &'a dyn Texts) -> TextReader<'a> {
        TextReader {
            manifest,
            texts,
            parsed: HashMap::new(),
            forms: HashMap::new(),
            lists: HashMap::new(),
            tokenizers: HashMap::new(),
            vectors: HashMap::new(),
        }
    }

    /// Reads the template of a `render` step.
    pub(super) fn render(&mut self, text: &RenderText, problems: &mut Diagnostics) -> Option<Arc<Template>> {
        match text {
            RenderText::Prompt(name) => {
                let at = self.find(name, problems)?;
                self.text(&self.manifest.prompts[at].text, problems)
            }
            RenderText::Template(text) => self.inline(text, problems),
            RenderText::File(path) => self.file(path, problems),
        }
    }

    fn text(&mut self, text: &PromptText, problems: &mut Diagnostics) -> Option<Arc<Template>> {
        match text {
            PromptText::Template(text) => self.inline(text, problems),
            PromptText::File(path) => self.file(path, problems),
        }
    }

    /// Finds a prompt by its name.
    pub(super) fn find(&self, name: &Text, problems: &mut Diagnostics) -> Option<usize> {
        let names = || self.manifest.prompts.iter().map(|prompt| prompt.name.value.as_str());
        let found = names().position(|known| known == name.value);
        if found.is_none() {
            unknown(self.manifest, "prompt", name, names(), problems);
        }
        found
    }

    /// Reads all that a prompt is made of.
    pub(super) fn prompt(&mut self, declaration: usize, problems: &mut Diagnostics) -> Option<PromptTexts> {
        let prompt = &self.manifest.prompts[declaration];
        let text = self.text(&prompt.text, problems);
        let system = prompt.system.as_ref().map(|system| self.inline(system, problems));
        let form = prompt.reply.as_ref().map(|reply| self.form(reply, problems));
        // Each is looked at before one that is wrong stops this.
        let (system, form) = (option(system)?, option(form)?);
        let texts = PromptTexts { declaration, text: text?, system, form };
        if let Some(examples) = prompt.examples.as_ref().filter(|_| !texts.read(EXAMPLES)) {
            let title = format!("the prompt `{}` has examples and does not show them", prompt.name.value);
            problems.push(
                Diagnostic::error("unused-examples", title).at(&examples.span, "shown by none of its texts").help(
                    "write them into its text: `{% for example in examples %} … {{ example.question }} … {% endfor %}`",
                ),
            );
            return None;
        }
        Some(texts)
    }

    fn form(&mut self, reply: &Reply, problems: &mut Diagnostics) -> Option<Arc<Form>> {
        let path = match &reply.form {
            ReplyForm::Schema(path) => path,
            ReplyForm::Fields(fields) => {
                let fields: Vec<Field> =
                    fields.iter().map(|(name, ty)| Field::new(&name.value, ty.value.clone())).collect();
                return Some(Arc::new(Form::of_fields(&fields)));
            }
        };
        if let Some(known) = self.forms.get(&path.value) {
            return known.clone();
        }
        let form = self.read("schema", path, problems).and_then(|source| match Form::parse(&source) {
            Ok(form) => Some(Arc::new(form)),
            Err(found) => {
                found.0.into_iter().for_each(|problem| problems.push(problem.at(&path.span, "declared here")));
                None
            }
        });
        self.forms.insert(path.value.clone(), form.clone());
        form
    }

    /// Reads a list of synonyms.
    pub(super) fn synonyms(&mut self, path: &Text, problems: &mut Diagnostics) -> Option<Arc<Synonyms>> {
        if let Some(known) = self.lists.get(&path.value) {
            return known.clone();
        }
        let list = self.read("list of synonyms", path, problems).and_then(|source| match Synonyms::parse(&source) {
            Ok(list) => Some(Arc::new(list)),
            Err(found) => {
                found.0.into_iter().for_each(|problem| problems.push(problem.at(&path.span, "named here")));
                None
            }
        });
        self.lists.insert(path.value.clone(), list.clone());
        list
    }

    fn inline(&mut self, text: &Text, problems: &mut Diagnostics) -> Option<Arc<Template>> {
        // The text stands in the manifest; where it does so byte for byte, errors can point into it.
        let source = Source::new(INLINE, text.value.clone());
        self.parse(source, Some(text), problems)
    }

    fn file(&mut self, path: &Text, problems: &mut Diagnostics) -> Option<Arc<Template>> {
        let source = self.read("template", path, problems)?;
        self.parse(source, None, problems)
    }

    /// Reads the file at a path of the manifest.
    pub(super) fn read(&self, what: &str, path: &Text, problems: &mut Diagnostics) -> Option<Arc<Source>> {
        let read = inside(&path.value).and_then(|()| self.texts.read(&path.value));
        there(read, what, &path.value, path, problems)
    }

    /// Reads the bytes of a file; `named` is where it, or its folder, stands.
    pub(super) fn bytes(&self, what: &str, path: &str, named: &Text, problems: &mut Diagnostics) -> Option<Vec<u8>> {
        let read = inside(path).and_then(|()| self.texts.bytes(path));
        there(read, what, path, named, problems)
    }

    fn parse(
        &mut self,
        source: Arc<Source>,
        inline: Option<&Text>,
        problems: &mut Diagnostics,
    ) -> Option<Arc<Template>> {
        let id = (source.path.display().to_string(), source.text.clone());
        if let Some(known) = self.parsed.get(&id) {
            return known.clone();
        }
        let load = |path: &str| -> Option<Result<Arc<Source>, Diagnostic>> {
            let unreadable = |why| {
                Diagnostic::error("unreadable-file", format!("cannot read the included template `{path}`")).note(why)
            };
            inside(path).and_then(|()| self.texts.read(path)).map_err(unreadable).transpose()
        };
        let parsed = match Template::parse(source.clone(), &load) {
            Ok(template) => Some(Arc::new(template)),
            Err(errors) => {
                for mut error in errors.0 {
                    error.labels.iter_mut().for_each(|label| label.span = in_manifest(&label.span, &source, inline));
                    problems.push(error);
                }
                None
            }
        };
        self.parsed.insert(id, parsed.clone());
        parsed
    }
}

/// Tells apart what is not declared (`Some(None)`) and what is declared and wrong (`None`).
fn option<T>(declared: Option<Option<T>>) -> Option<Option<T>> {
    match declared {
        None => Some(None),
        Some(Some(value)) => Some(Some(value)),
        Some(None) => None,
    }
}

/// Moves a span of an inline template to where the template stands in the manifest.
pub(super) fn in_manifest(span: &Span, source: &Arc<Source>, inline: Option<&Text>) -> Span {
    match inline {
        Some(text) if Arc::ptr_eq(&span.source, source) || span.source == *source => text.inside(span.range.clone()),
        _ => span.clone(),
    }
}

/// Refuses a path that leads out of the project.
fn inside(path: &str) -> Result<(), String> {
    let leads_out = path.starts_with('/') || path.split('/').any(|part| part == "..");
    if leads_out { Err("such files are read from inside the project folder only".to_owned()) } else { Ok(()) }
}

/// Returns what was read, or says why it was not.
fn there<T>(
    read: Result<Option<T>, String>,
    what: &str,
    path: &str,
    named: &Text,
    problems: &mut Diagnostics,
) -> Option<T> {
    match read {
        Ok(Some(found)) => Some(found),
        missing => {
            let why = missing.err().unwrap_or_else(|| "it is not there".to_owned());
            problems.push(
                Diagnostic::error("unreadable-file", format!("cannot read the {what} `{path}`"))
                    .at(&named.span, why)
                    .help("paths are relative to the folder of datamake.toml"),
            );
            None
        }
    }
}
