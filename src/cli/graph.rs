//! `datamake graph`: the nodes and what they are made from, as text, for Graphviz or for Mermaid.

use super::grid::Grid;
use super::names::Names;
use super::session::{Ending, Exit, Session};
use super::words::{count, things};
use crate::graph::{Graph as Nodes, Kind, NodeId};
use crate::manifest::{About, Amount, Bounds, Dataset, Maker, Method, Order, RenderText, SqlText, Step, Test, Text};
use crate::op::Unit;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Shows the nodes, what they are made from, and how
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake graph                                one line per node, inputs first
  datamake graph +train                         what the node train needs, directly or not
  datamake graph --format dot | dot -Tsvg -o graph.svg
  datamake graph --format mermaid               to paste into a README")]
pub struct Graph {
    /// Names or patterns of nodes; without any, all
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Text,
    Dot,
    Mermaid,
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"nodes\": [{ \"node\": \"dataset.clean\", \"kind\": \"dataset\" | \"metric\" | \"test\" | \"export\", \"name\": \"clean\", \"title\": null, \"doc\": null, \"tags\": [],
             \"inputs\": [{ \"node\": \"dataset.seeds\", \"part\": null }], \"parts\": [\"test\", \"train\"], \"models\": [\"writer\"], \"summary\": \"filter short\" }] }

Inputs come before what is made from them. `models` are those that its steps ask.";

impl Graph {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let project = session.project()?;
        let chosen = project.targets(&self.nodes)?;
        let graph = &project.graph;
        if session.json() {
            let nodes: Vec<Value> = chosen.iter().map(|id| json_of(graph, *id)).collect();
            session.out.json(&json!({ "nodes": nodes }))?;
            return Ok(Exit::Fine);
        }
        match self.format {
            Form::Text => text(session, graph, &chosen)?,
            Form::Dot => dot(&mut session.out, graph, &chosen)?,
            Form::Mermaid => mermaid(&mut session.out, graph, &chosen)?,
        }
        Ok(Exit::Fine)
    }
}

fn text(session: &mut Session, graph: &Nodes, chosen: &[NodeId]) -> io::Result<()> {
    let (paint, names) = (session.out.paint, Names::new(graph));
    let mut grid = Grid::default();
    for id in chosen {
        let node = graph.node(*id);
        let inputs: Vec<String> = node.inputs.iter().map(|input| names.input(input)).collect();
        let from = if inputs.is_empty() { String::new() } else { format!("← {}", inputs.join(", ")) };
        grid.row([paint.dim(&node.kind.to_string()), paint.bold(&node.name), from, summary(graph, *id)]);
    }
    grid.lines(session.out.width).iter().try_for_each(|line| writeln!(session.out, "{line}"))
}

fn about(graph: &Nodes, id: NodeId) -> &About {
    let node = graph.node(id);
    match node.kind {
        Kind::Dataset => &graph.manifest.datasets[node.declaration].about,
        Kind::Metric => &graph.manifest.metrics[node.declaration].about,
        Kind::Test => &graph.manifest.tests[node.declaration].about,
        Kind::Export => &graph.manifest.exports[node.declaration].about,
    }
}

fn json_of(graph: &Nodes, id: NodeId) -> Value {
    let node = graph.node(id);
    let about = about(graph, id);
    let input = |input: &crate::graph::Input| json!({ "node": graph.node(input.node).full_name(), "part": input.part });
    json!({
        "node": node.full_name(), "kind": node.kind, "name": node.name,
        "title": about.title, "doc": about.doc, "tags": about.tags,
        "inputs": node.inputs.iter().map(input).collect::<Vec<Value>>(),
        "parts": graph.parts(id), "models": models(graph, id), "summary": summary(graph, id),
    })
}

/// Returns the models that the steps of a node ask, each once.
fn models(graph: &Nodes, id: NodeId) -> Vec<&str> {
    let node = graph.node(id);
    let steps = if node.kind == Kind::Dataset { &graph.manifest.datasets[node.declaration].steps[..] } else { &[] };
    let mut names: Vec<&str> = Vec::new();
    for step in steps {
        for name in step.models() {
            if !names.contains(&name.value.as_str()) {
                names.push(&name.value);
            }
        }
    }
    names
}

/// Tells in a few words what a test wants.
fn conditions(test: &Test) -> String {
    let names = |of: &[(Text, Bounds)]| of.iter().map(|(name, _)| flat(&name.value)).collect::<Vec<_>>().join(", ");
    let parts = [
        ("not null", texts(&test.not_null)),
        ("range of", names(&test.range)),
        ("where", texts(&test.conditions)),
        ("unique", texts(&test.unique)),
        ("value of", names(&test.values)),
        ("number of rows", test.rows.as_ref().map_or(String::new(), |_| " ".to_owned())),
        ("schema", if test.schema.is_empty() { String::new() } else { " ".to_owned() }),
    ];
    let parts = parts.into_iter().filter(|(_, of)| !of.is_empty());
    parts.map(|(word, of)| format!("{word} {of}").trim_end().to_owned()).collect::<Vec<_>>().join("; ")
}

/// Tells in a few words how a node is made.
fn summary(graph: &Nodes, id: NodeId) -> String {
    let node = graph.node(id);
    match node.kind {
        Kind::Dataset => dataset(&graph.manifest.datasets[node.declaration]),
        Kind::Metric => {
            let metric = &graph.manifest.metrics[node.declaration];
            let by = if metric.by.is_empty() { String::new() } else { format!(" by {}", texts(&metric.by)) };
            let only = metric.condition.as_ref().map_or(String::new(), |text| format!(" where {}", flat(&text.value)));
            format!("{}{by}{only}", flat(&metric.value.value))
        }
        Kind::Test => conditions(&graph.manifest.tests[node.declaration]),
        Kind::Export => graph.manifest.exports[node.declaration].to.value.clone(),
    }
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn texts(texts: &[Text]) -> String {
    texts.iter().map(|text| flat(&text.value)).collect::<Vec<_>>().join(", ")
}

fn dataset(dataset: &Dataset) -> String {
    let maker = match &dataset.maker {
        Maker::Files(files) => Some(format!("files {}", texts(&files.patterns))),
        Maker::Synth(synth) => Some(format!("synth {}", things(synth.rows.value, "row"))),
        Maker::Mix(mix) => {
            let shares: Vec<String> = mix.of.iter().filter_map(|(_, of)| Some(of.share?.to_string())).collect();
            let by_size = mix.temperature.map(|temperature| format!("by size, temperature {temperature}"));
            let to = mix.matching.as_ref().map(|matching| format!(", like {}", matching.to.value)).unwrap_or_default();
            Some(format!("mix {}{to}", by_size.unwrap_or_else(|| shares.join(" : "))))
        }
        Maker::Concat(_) => Some("concat".to_owned()),
        Maker::Sql(sql) => Some(match &sql.text {
            SqlText::Query(text) => format!("sql {}", flat(&text.value)),
            SqlText::File(path) => format!("sql {}", path.value),
        }),
        Maker::From(_) => None,
        Maker::Run(run) => Some(format!("run {}", texts(&run.command).replace(", ", " "))),
    };
    maker.into_iter().chain(dataset.steps.iter().map(step)).collect::<Vec<_>>().join(" · ")
}

fn step(step: &Step) -> String {
    match step {
        Step::Where(text) => format!("where {}", flat(&text.value)),
        Step::Filter(names) => format!("filter {}", texts(names)),
        Step::Columns(columns) => {
            format!("columns {}", columns.iter().map(|(name, _)| name.value.as_str()).collect::<Vec<_>>().join(", "))
        }
        Step::Select(entries) => format!("select {}", texts(entries)),
        Step::Render(render) => match &render.text {
            RenderText::Prompt(name) => format!("render {} into {}", name.value, render.into.value),
            RenderText::File(path) => format!("render {} into {}", path.value, render.into.value),
            RenderText::Template(_) => format!("render into {}", render.into.value),
        },
        Step::Generate(generate) => format!("generate {} by {}", generate.prompt.value, generate.model.value),
        Step::Judge(judge) => format!("judge {} by {}", judge.prompt.value, texts(&judge.models)),
        Step::Embed(embed) => format!("embed {} by {}", flat(&embed.text.value), embed.by.name()),
        Step::Tokens(step) => format!("tokens of {} by {}", step.column.value, step.tokenizer.value),
        Step::Nearest(nearest) => format!("nearest {} of {}", count(nearest.k.into()), nearest.to.value),
        Step::Perplexity(step) => format!("perplexity of {} by {}", step.column.value, step.by.name().value),
        Step::Explode(explode) => format!("explode {}", explode.column.value),
        Step::Join(join) => {
            let on: Vec<&str> = join.on.iter().map(|(own, _)| own.value.as_str()).collect();
            format!("{} join {} on {}", join.kind.word(), join.with.value, on.join(", "))
        }
        Step::Augment(augment) => {
            let kinds: Vec<&str> = augment.noise.iter().map(|(noise, _)| noise.name()).collect();
            format!("augment {} by {}", augment.column.value, kinds.join(", "))
        }
        Step::Dedup(dedup) => {
            let by = if dedup.by.is_empty() { String::new() } else { format!(" by {}", texts(&dedup.by)) };
            let method = match dedup.method {
                Method::Exact => String::new(),
                Method::Normalised => ", normalised".to_owned(),
                Method::Semantic(threshold) => format!(", semantic at {threshold}"),
                Method::MinHash(method) => format!(", minhash at {}", method.threshold),
            };
            let against =
                if dedup.against.is_empty() { String::new() } else { format!(" against {}", texts(&dedup.against)) };
            format!("dedup{by}{method}{against}")
        }
        Step::DedupSpans(step) => {
            let unit = match step.spans.unit {
                Unit::Line => "lines",
                Unit::Paragraph => "paragraphs",
                Unit::Words => "runs of words",
            };
            let against =
                if step.against.is_empty() { String::new() } else { format!(" against {}", texts(&step.against)) };
            format!("dedup {unit} of {}{against}", step.column.value)
        }
        Step::Decontaminate(step) => {
            let against = if step.against.is_empty() { "evaluation".to_owned() } else { texts(&step.against) };
            format!("decontaminate of {against} by {} words", step.ngram)
        }
        Step::Sample(sample) => {
            let amount = match sample.amount {
                Amount::Rows(rows) => count(rows),
                Amount::PerGroup(rows) => format!("{} each", count(rows)),
                Amount::Fraction(share) => share.to_string(),
            };
            let by = if sample.by.is_empty() { String::new() } else { format!(" by {}", texts(&sample.by)) };
            let order = match &sample.order {
                Order::Drawn => String::new(),
                Order::Top(text) => format!(", top {}", flat(&text.value)),
                Order::Weighted(text) => format!(", weight {}", flat(&text.value)),
            };
            format!("sample {amount}{by}{order}")
        }
        Step::Split(split) => {
            let parts: Vec<String> =
                split.parts.iter().map(|(name, share)| format!("{} {share}", name.value)).collect();
            format!("split {}", parts.join(", "))
        }
        Step::Run(run) => format!("run {}", texts(&run.command).replace(", ", " ")),
    }
}

/// Returns the edges between chosen nodes: from, to, part.
fn edges<'a>(graph: &'a Nodes, chosen: &'a [NodeId]) -> impl Iterator<Item = (NodeId, NodeId, Option<&'a str>)> {
    let of = |id: &'a NodeId| graph.node(*id).inputs.iter().map(move |input| (input.node, *id, input.part.as_deref()));
    chosen.iter().flat_map(of).filter(|(from, ..)| chosen.binary_search(from).is_ok())
}

fn dot(out: &mut impl Write, graph: &Nodes, chosen: &[NodeId]) -> io::Result<()> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    writeln!(out, "digraph datamake {{\n  rankdir = LR\n  node [fontname = \"sans-serif\"]")?;
    for id in chosen {
        let node = graph.node(*id);
        let shape = match node.kind {
            Kind::Dataset => "box",
            Kind::Metric => "ellipse",
            Kind::Test => "diamond",
            Kind::Export => "note",
        };
        let tip = quoted(&summary(graph, *id));
        writeln!(
            out,
            "  {} [label = {}, shape = {shape}, tooltip = {tip}]",
            quoted(&node.full_name()),
            quoted(&node.name)
        )?;
    }
    for (from, to, part) in edges(graph, chosen) {
        let label = part.map_or(String::new(), |part| format!(" [label = {}]", quoted(part)));
        writeln!(out, "  {} -> {}{label}", quoted(&graph.node(from).full_name()), quoted(&graph.node(to).full_name()))?;
    }
    writeln!(out, "}}")
}

fn mermaid(out: &mut impl Write, graph: &Nodes, chosen: &[NodeId]) -> io::Result<()> {
    writeln!(out, "flowchart LR")?;
    for id in chosen {
        let node = graph.node(*id);
        let (open, close) = match node.kind {
            Kind::Dataset => ("[", "]"),
            Kind::Metric => ("([", "])"),
            Kind::Test => ("{{", "}}"),
            Kind::Export => ("[/", "/]"),
        };
        writeln!(out, "  n{}{open}\"{}\"{close}", id.0, node.name)?;
    }
    for (from, to, part) in edges(graph, chosen) {
        let label = part.map_or(String::new(), |part| format!("|{part}|"));
        writeln!(out, "  n{} -->{label} n{}", from.0, to.0)?;
    }
    Ok(())
}
