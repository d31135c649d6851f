//! Declarations: what a manifest says, typed and with spans. Names are not resolved and expressions not parsed.

pub use super::alarm::{Alarm, Allowed};
pub use super::augment::{Augment, Intensity};
pub use super::choosing::{Amount, Match, Mix, Order, Sample, Share, Split};
pub use super::lm::{Lm, Perplexity, PerplexityBy};
pub use super::spans::DedupSpans;
pub use super::tokens::TokenCount;
use crate::ask::Price;
use crate::diag::Span;
use crate::fetch::models::{Limits, Provider, TokensField};
use crate::format::{Compression, Format};
use crate::hash::Words;
use crate::op::{JoinKind, Per, Recipe};
use crate::table::Type;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// A string of the manifest and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub value: String,
    /// The inner text without quotes if `exact`, otherwise the whole literal.
    pub span: Span,
    /// The bytes at `span` are `value`, byte for byte (no escapes, no param put in), so ranges inside it can be pointed at.
    pub exact: bool,
}

impl Text {
    /// Returns the place of a range of `value`; the whole string where that cannot be told.
    pub fn inside(&self, range: Range<usize>) -> Span {
        if self.exact { self.span.inside(range) } else { self.span.clone() }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

/// What is said of a node for people only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    pub title: Option<String>,
    pub doc: Option<String>,
    pub tags: Vec<String>,
}

/// A string, number or bool.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
}

impl Scalar {
    /// Returns the type of a column of such values.
    pub fn ty(&self) -> Type {
        match self {
            Scalar::Bool(_) => Type::Bool,
            Scalar::Int(_) => Type::Int,
            Scalar::Float(_) => Type::Float,
            Scalar::String(_) => Type::String,
        }
    }
}

/// The table `[project]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    pub name: Option<Text>,
    pub include: Vec<Text>,
    /// Files of recorded responses that builds may use.
    pub responses: Vec<Text>,
}

/// A param in effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    pub name: String,
    pub value: Scalar,
    /// Where the value in effect stands: in `[params]`, a profile or `--set`.
    pub span: Span,
}

/// A node `[dataset.NAME]`.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub name: Text,
    pub about: About,
    pub purpose: Purpose,
    pub maker: Maker,
    pub steps: Vec<Step>,
    /// The columns that identify a row; empty: its content.
    pub key: Vec<Text>,
    /// How many rows may fail before the dataset is not published.
    pub max_failed: MaxFailed,
    pub definition: Words,
}

/// How many rows may fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxFailed {
    Rows(u64),
    /// Of the rows that came to the step, from 0 to 1.
    Share(f64),
}

impl MaxFailed {
    /// Returns whether more failed than may, of so many rows.
    pub fn is_passed(self, failed: u64, of: u64) -> bool {
        match self {
            MaxFailed::Rows(most) => failed > most,
            // 29 of 100 rows are 29 %, although no binary fraction is.
            MaxFailed::Share(share) => failed as f64 > of as f64 * share * (1.0 + f64::EPSILON * 4.0),
        }
    }
}

impl Dataset {
    /// Returns the programs that it is made with, and the steps in which they run; none: the maker.
    pub fn programs(&self) -> impl Iterator<Item = (Option<usize>, &Run)> {
        let maker = if let Maker::Run(run) = &self.maker { Some((None, run)) } else { None };
        let steps = self.steps.iter().enumerate();
        maker.into_iter().chain(steps.filter_map(|(at, step)| match step {
            Step::Run(run) => Some((Some(at), run)),
            _ => None,
        }))
    }

    /// Returns the split that ends the steps, if one does.
    pub fn split(&self) -> Option<&Split> {
        match self.steps.last() {
            Some(Step::Split(split)) => Some(split),
            _ => None,
        }
    }
}

/// What makes a dataset's first rows.
#[derive(Clone, Debug)]
pub enum Maker {
    Files(Files),
    Synth(Synth),
    Mix(Mix),
    Concat(Concat),
    Sql(Sql),
    /// `name` or `name.part`.
    From(Text),
    /// A program that writes rows.
    Run(Run),
}

/// Rows read from files.
#[derive(Clone, Debug)]
pub struct Files {
    pub patterns: Vec<Text>,
    /// As declared; without it the ending of each file decides, see [`Encoding::of_path`].
    pub format: Option<Spanned<Format>>,
    /// Sorted by column.
    pub types: Vec<(Text, Spanned<Type>)>,
}

/// How a file is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    pub format: Format,
    pub compression: Compression,
}

impl Encoding {
    /// Reads a name such as `jsonl.gz`.
    pub fn named(name: &str) -> Option<Encoding> {
        Encoding::of_path(&format!("x.{name}")).filter(|encoding| encoding.name() == name)
    }

    /// Tells the encoding from the ending of a path.
    pub fn of_path(path: &str) -> Option<Encoding> {
        Format::by_extension(path).map(|(format, compression)| Encoding { format, compression })
    }

    /// Returns the name: `jsonl.gz`.
    pub fn name(self) -> String {
        let ending = match self.compression {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        };
        format!("{}{ending}", self.format)
    }
}

/// Rows from nothing.
#[derive(Clone, Debug)]
pub struct Synth {
    pub rows: Spanned<u64>,
    pub seed: u64,
    /// Sorted by name.
    pub columns: Vec<(Text, Recipe)>,
}

/// Rows of several datasets in order.
#[derive(Clone, Debug)]
pub struct Concat {
    pub of: Vec<Text>,
    /// The column for the name of the input.
    pub source: Option<Text>,
}

/// The rows of a query over datasets.
#[derive(Clone, Debug)]
pub struct Sql {
    pub text: SqlText,
    /// Types of columns where they cannot be told; sorted by column.
    pub types: Vec<(Text, Spanned<Type>)>,
}

/// Where a query stands.
#[derive(Clone, Debug)]
pub enum SqlText {
    Query(Text),
    /// A path relative to the project.
    File(Text),
}

/// One step over the rows.
#[derive(Clone, Debug)]
pub enum Step {
    Where(Text),
    Filter(Vec<Text>),
    /// Names and expressions, sorted by name.
    Columns(Vec<(Text, Text)>),
    Select(Vec<Text>),
    Render(Render),
    Generate(Generate),
    Judge(Judge),
    Embed(Embed),
    Nearest(Nearest),
    Tokens(TokenCount),
    Perplexity(Perplexity),
    Explode(Explode),
    Join(Join),
    Augment(Augment),
    Dedup(Dedup),
    DedupSpans(DedupSpans),
    Decontaminate(Decontaminate),
    Sample(Sample),
    Split(Split),
    Run(Run),
}

impl Step {
    /// Returns whether models are asked.
    pub fn asks(&self) -> bool {
        !self.models().is_empty()
    }

    /// Returns the names of the models that are asked.
    pub fn models(&self) -> &[Text] {
        match self {
            Step::Generate(generate) => std::slice::from_ref(&generate.model),
            Step::Judge(judge) => &judge.models,
            Step::Embed(Embed { by: EmbedBy::Model(model), .. })
            | Step::Perplexity(Perplexity { by: PerplexityBy::Model(model), .. }) => std::slice::from_ref(model),
            _ => &[],
        }
    }

    /// Returns where the step stands.
    pub fn span(&self) -> Span {
        match self {
            Step::Where(text) => &text.span,
            Step::Filter(texts) | Step::Select(texts) => &texts.first().expect("the list of a step is not empty").span,
            Step::Columns(columns) => &columns.first().expect("the table of a step is not empty").0.span,
            Step::Render(render) => &render.span,
            Step::Generate(generate) => &generate.span,
            Step::Judge(judge) => &judge.span,
            Step::Embed(embed) => &embed.span,
            Step::Nearest(nearest) => &nearest.span,
            Step::Tokens(tokens) => &tokens.span,
            Step::Perplexity(perplexity) => &perplexity.span,
            Step::Explode(explode) => &explode.span,
            Step::Join(join) => &join.span,
            Step::Augment(augment) => &augment.span,
            Step::Dedup(dedup) => &dedup.span,
            Step::DedupSpans(step) => &step.span,
            Step::Decontaminate(decontaminate) => &decontaminate.span,
            Step::Sample(sample) => &sample.span,
            Step::Split(split) => &split.span,
            Step::Run(run) => &run.span,
        }
        .clone()
    }

    /// Returns the key that the manifest has for this step.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Where(_) => "where",
            Step::Filter(_) => "filter",
            Step::Columns(_) => "columns",
            Step::Select(_) => "select",
            Step::Render(_) => "render",
            Step::Generate(_) => "generate",
            Step::Judge(_) => "judge",
            Step::Embed(_) => "embed",
            Step::Nearest(_) => "nearest",
            Step::Tokens(_) => "tokens",
            Step::Perplexity(_) => "perplexity",
            Step::Explode(_) => "explode",
            Step::Join(_) => "join",
            Step::Augment(_) => "augment",
            Step::Dedup(_) => "dedup",
            Step::DedupSpans(_) => "dedup_spans",
            Step::Decontaminate(_) => "decontaminate",
            Step::Sample(_) => "sample",
            Step::Split(_) => "split",
            Step::Run(_) => "run",
        }
    }
}

/// Fills a template with each row.
#[derive(Clone, Debug)]
pub struct Render {
    pub text: RenderText,
    pub into: Text,
    pub span: Span,
}

/// Where a rendered text comes from.
#[derive(Clone, Debug)]
pub enum RenderText {
    /// The name of a prompt.
    Prompt(Text),
    Template(Text),
    /// A path relative to the project.
    File(Text),
}

impl RenderText {
    /// Returns the text that stands in the manifest itself.
    pub fn inline(&self) -> Option<&Text> {
        match self {
            RenderText::Template(text) => Some(text),
            RenderText::Prompt(_) | RenderText::File(_) => None,
        }
    }
}

/// Asks a model about each row, and keeps what it writes.
#[derive(Clone, Debug)]
pub struct Generate {
    /// The name of a prompt.
    pub prompt: Text,
    /// The name of a model.
    pub model: Text,
    /// The column for the reply. With a schema it may be left out: then each property is a column.
    pub into: Option<Text>,
    /// How many answers each row gets; each is a row.
    pub n: u32,
    /// The column that tells the answers to one row apart; with `n` above 1 `sample`, unless another is named.
    pub sample: Option<Text>,
    /// A column with a dialogue so far, a list of `{role, content}`, that the prompt goes on with.
    pub history: Option<Text>,
    /// The column for the dialogue with the prompt and the reply added.
    pub dialogue: Option<Text>,
    /// The column for the mean log-probability of the reply's tokens.
    pub logprob: Option<Text>,
    /// The column for the examples that the row got.
    pub examples: Option<Text>,
    pub span: Span,
}

/// Asks models what they think of each row.
#[derive(Clone, Debug)]
pub struct Judge {
    /// The name of a prompt.
    pub prompt: Text,
    /// The names of models: each judges for itself.
    pub models: Vec<Text>,
    pub verdict: Verdict,
    /// The column for the score (the mean over judges) or for the winner.
    pub into: Text,
    /// The column for the reasons that the judges gave.
    pub reason: Option<Text>,
    /// The column for what each judge said: scores, or winners.
    pub votes: Option<Text>,
    pub span: Span,
}

/// What a judge decides.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// One of these levels; each has a score. In ascending order of the scores.
    Scale(Vec<(Text, f64)>),
    /// Which of two columns is better. The prompt sees them as `first` and `second`; it is asked in both orders, and a judge that
    /// changes its mind with the order has said that they are alike.
    Between([Text; 2]),
}

/// Makes vectors of texts.
#[derive(Clone, Debug)]
pub struct Embed {
    /// An expression that gives the text.
    pub text: Text,
    pub by: EmbedBy,
    pub into: Text,
    pub span: Span,
}

/// What makes vectors of texts.
#[derive(Clone, Debug)]
pub enum EmbedBy {
    /// The name of a model.
    Model(Text),
    /// The folder of a static model; a path relative to the project.
    Folder(Text),
}

impl EmbedBy {
    /// Returns what is named.
    pub fn name(&self) -> &str {
        let (EmbedBy::Model(text) | EmbedBy::Folder(text)) = self;
        &text.value
    }
}

/// Finds the rows of another dataset whose vectors have the largest cosine with a row's own.
#[derive(Clone, Debug)]
pub struct Nearest {
    /// The other dataset.
    pub to: Text,
    /// The column of vectors, in both.
    pub by: Text,
    /// The column of vectors in the other, where it is called differently.
    pub their: Option<Text>,
    pub k: u32,
    /// Where it says that a row does not find itself.
    pub not_itself: Option<Span>,
    /// The columns of the other dataset that are kept of each; empty: its key.
    pub columns: Vec<Text>,
    /// The column for the list of what was found, the nearest first, each with its `similarity`.
    pub into: Text,
    pub span: Span,
}

/// Makes each element of a list a row.
#[derive(Clone, Debug)]
pub struct Explode {
    /// The column of lists.
    pub column: Text,
    /// The column for the element; without it, the element takes the place of the list.
    pub into: Option<Text>,
    /// The column for the position of the element, from 0.
    pub index: Option<Text>,
    /// Whether a row without elements comes once, with null.
    pub keep_empty: bool,
    pub span: Span,
}

/// Joins rows with those of another dataset that have the same key.
#[derive(Clone, Debug)]
pub struct Join {
    /// The other dataset.
    pub with: Text,
    /// The columns of the key, here and there.
    pub on: Vec<(Text, Text)>,
    pub kind: JoinKind,
    /// What is taken of the other dataset: `name`, `name as other`, `*`; empty: all but its key columns.
    pub columns: Vec<Text>,
    pub span: Span,
}

/// Keeps one of rows that are alike.
#[derive(Clone, Debug)]
pub struct Dedup {
    /// Columns or expressions; empty: all columns.
    pub by: Vec<Text>,
    pub method: Method,
    /// What is largest of the row that is kept; none: it is the first.
    pub best: Option<Text>,
    /// Other datasets whose rows ours may not be like.
    pub against: Vec<Text>,
    pub span: Span,
}

/// When two rows are alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    Exact,
    Normalised,
    MinHash(MinHash),
    /// Vectors with at least this cosine.
    Semantic(f64),
}

/// How texts are compared by their shingles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MinHash {
    pub threshold: f64,
    /// Words of a shingle.
    pub ngram: u32,
    /// Bands, and the places of each; none: as the threshold needs it.
    pub bands: Option<(u32, u32)>,
}

/// Drops rows that have words in common with evaluation datasets.
#[derive(Clone, Debug)]
pub struct Decontaminate {
    /// Empty: all columns of texts.
    pub columns: Vec<Text>,
    /// Empty: all datasets that are for evaluation.
    pub against: Vec<Text>,
    pub ngram: u32,
    pub span: Span,
}

/// What a dataset is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Whatever is made of it.
    Any,
    /// To measure what others are good for: it has to be in none of them.
    Evaluation,
}

/// Lets a program make columns or rows.
#[derive(Clone, Debug)]
pub struct Run {
    pub command: Vec<Text>,
    pub per: Per,
    /// The columns that it is given; none: all.
    pub reads: Option<Vec<Text>>,
    /// The columns that it writes, in order.
    pub columns: Vec<(Text, Spanned<Type>)>,
    /// Patterns of the files that it reads.
    pub inputs: Vec<Text>,
    /// The names of variables that it gets.
    pub env: Vec<Text>,
    /// JSONL or Arrow.
    pub format: Format,
    /// For a row group, or the whole table.
    pub timeout: Duration,
    /// Processes at once.
    pub jobs: Option<usize>,
    /// Whether it stays between row groups without the helper module.
    pub stays: bool,
    pub span: Span,
}

/// A node `[prompt.NAME]`.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub name: Text,
    pub about: About,
    pub text: PromptText,
    pub system: Option<Text>,
    pub reply: Option<Reply>,
    pub examples: Option<Examples>,
    pub definition: Words,
}

/// What form a reply has to have.
#[derive(Clone, Debug)]
pub struct Reply {
    pub form: ReplyForm,
    /// How often a reply of the wrong form is sent back with what is wrong with it.
    pub retries: u32,
    pub span: Span,
}

/// Where the form comes from.
#[derive(Clone, Debug)]
pub enum ReplyForm {
    /// A file with a JSON Schema; a path relative to the project.
    Schema(Text),
    /// Fields and their types, in the order in which they are written.
    Fields(Vec<(Text, Spanned<Type>)>),
}

/// Rows of another dataset that a prompt shows as examples: the list `examples` in its texts.
#[derive(Clone, Debug)]
pub struct Examples {
    pub from: Text,
    pub k: u32,
    pub pick: Pick,
    pub seed: u64,
    pub span: Span,
}

/// Which rows are examples.
#[derive(Clone, Debug)]
pub enum Pick {
    /// The first, the same for every row.
    First,
    /// Others for every row, by its identity.
    Random,
    /// Those whose vectors, in a column of this name in both, have the largest cosine with the row's.
    Similar(Text),
}

/// A node `[model.NAME]`.
#[derive(Clone, Debug)]
pub struct Model {
    pub name: Text,
    pub about: About,
    pub provider: Provider,
    pub url: Option<Text>,
    /// The key `name`: what the endpoint calls the model.
    pub model: Text,
    /// What the model is called in keys, where not as the endpoint calls it.
    pub identity: Option<Text>,
    /// Texts are continued, rather than dialogues.
    pub completions: bool,
    /// Decoding parameters and further fields of the body, as they are sent.
    pub params: BTreeMap<String, serde_json::Value>,
    pub max_tokens: Option<u32>,
    /// The field of the body that says `max_tokens`; none: the one that the endpoint's host is known to take.
    pub max_tokens_field: Option<TokensField>,
    /// The environment variable that holds the key.
    pub key: Option<Text>,
    pub price: Option<Price>,
    pub limits: Limits,
    /// In seconds.
    pub timeout: f64,
    pub attempts: u32,
    pub batch: bool,
    /// Responses from before this day (days since 1970-01-01) do not count; none: all do.
    pub reuse_since: Option<i32>,
    pub definition: Words,
}

impl Model {
    /// Returns what the model is called in keys.
    pub fn called(&self) -> &str {
        &self.identity.as_ref().unwrap_or(&self.model).value
    }
}

/// The table `[budget]`: what one build may spend.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    pub money: Option<Spanned<f64>>,
    pub requests: Option<Spanned<u64>>,
}

/// Where a prompt's text comes from.
#[derive(Clone, Debug)]
pub enum PromptText {
    Template(Text),
    /// A path relative to the project.
    File(Text),
}

/// A node `[filter.NAME]`.
#[derive(Clone, Debug)]
pub struct Filter {
    pub name: Text,
    pub about: About,
    /// In the order in which they are looked at.
    pub parts: Vec<FilterPart>,
    pub definition: Words,
}

/// One condition of a filter.
#[derive(Clone, Debug)]
pub struct FilterPart {
    /// What of a ready filter it is; none: the key `where`.
    pub reason: Option<&'static str>,
    pub condition: Text,
}

impl FilterPart {
    /// Returns what the part of a filter is called where it drops rows.
    pub fn name(&self, filter: &str) -> String {
        self.reason.map_or_else(|| filter.to_owned(), |reason| format!("{filter}.{reason}"))
    }
}

/// A node `[metric.NAME]`.
#[derive(Clone, Debug)]
pub struct Metric {
    pub name: Text,
    pub about: About,
    pub on: Vec<Text>,
    pub value: Text,
    pub by: Vec<Text>,
    /// The key `where`.
    pub condition: Option<Text>,
    pub alarm: Option<Alarm>,
    pub definition: Words,
}

/// A node `[export.NAME]`.
#[derive(Clone, Debug)]
pub struct Export {
    pub name: Text,
    pub about: About,
    pub from: Text,
    /// Relative to the project and inside it.
    pub to: Text,
    pub encoding: Encoding,
    /// Nobody need be told that it may have texts of evaluation datasets.
    pub contaminated: bool,
    pub definition: Words,
}
