//! The main law, with models: after any edits, a build gives what a clean build gives in an empty store with the same responses; no
//! request is sent twice, and a plan counts those that are.
//!
//! `DATAMAKE_SEQUENCES=1000 cargo test --release --test incremental_models` is the long run; `DATAMAKE_SEED=n` repeats one sequence.

mod common;
#[path = "common/server.rs"]
mod server;

use common::Sandbox;
use datamake::diag::{Style, render};
use datamake::project::Which;
use datamake::store::MemoryDisk;
use server::{Act, Asked, Play, Server, hash};
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

/// Numbers that look random and are the same in every run.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Whether replies fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replies {
    AllGood,
    SomeFail,
}

#[derive(Clone, Debug)]
enum Step {
    /// Reads a column, in one of a few wordings.
    Generate {
        id: usize,
        reads: String,
        wording: usize,
        n: usize,
        model: usize,
        examples: Option<String>,
    },
    /// On a scale, by one model or two.
    Score {
        id: usize,
        reads: String,
        wording: usize,
        both: bool,
    },
    /// Between two columns.
    Between {
        id: usize,
        reads: [String; 2],
        both: bool,
    },
    Embed {
        id: usize,
        reads: String,
    },
    Perplexity {
        id: usize,
        reads: String,
    },
    Where(usize),
    /// Keeps rows by what a model said.
    Said(String, usize),
    Upper {
        id: usize,
        reads: String,
    },
    /// Keeps the first of equal rows, or the one with the largest number.
    Dedup {
        by: String,
        best: bool,
    },
    Fraction(usize),
    Rows(usize),
    Split(usize),
}

#[derive(Clone, Debug)]
struct Dataset {
    name: String,
    from: String,
    steps: Vec<Step>,
}

impl Dataset {
    /// Returns the columns with texts that the steps make.
    fn texts(&self) -> impl Iterator<Item = String> {
        self.steps.iter().filter_map(|step| match step {
            Step::Generate { id, .. } => Some(format!("g{id}")),
            Step::Upper { id, .. } => Some(format!("u{id}")),
            _ => None,
        })
    }
}

/// A project as data.
#[derive(Clone)]
struct Model {
    random: Random,
    rows: Vec<(u64, String)>,
    datasets: Vec<Dataset>,
    wordings: [usize; 3],
    max_tokens: usize,
    temperature: usize,
    cosmetic: usize,
    next: u64,
}

const TOPICS: [&str; 7] = ["sheep", "the sea", "maps", "tea", "old clocks", "ice", "glass"];

impl Model {
    fn new(seed: u64) -> Model {
        let mut model = Model {
            random: Random(seed),
            rows: Vec::new(),
            datasets: Vec::new(),
            wordings: [0; 3],
            max_tokens: 1,
            temperature: 0,
            cosmetic: 0,
            next: 0,
        };
        for _ in 0..5 + model.random.below(15) {
            model.add_row();
        }
        for _ in 0..2 + model.random.below(3) {
            model.add_dataset();
        }
        model
    }

    /// Returns whether the order of rows decides which of them are kept: the first of equal ones. They have other ids, so other
    /// rows are chosen by those from there on.
    fn keeps_by_place(&self) -> bool {
        let texts: HashSet<&String> = self.rows.iter().map(|(_, text)| text).collect();
        let mut steps = self.datasets.iter().flat_map(|dataset| &dataset.steps);
        texts.len() < self.rows.len() && steps.any(|step| matches!(step, Step::Dedup { best: false, .. }))
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn add_row(&mut self) {
        let id = self.id();
        let text = format!("{} {}", self.random.one(&TOPICS), self.random.below(9));
        self.rows.push((id, text));
    }

    /// Returns the columns with texts in a dataset.
    fn texts(&self, name: &str) -> Vec<String> {
        match self.datasets.iter().find(|dataset| dataset.name == name) {
            None => vec!["text".to_owned()],
            Some(dataset) => self.texts(&dataset.from).into_iter().chain(dataset.texts()).collect(),
        }
    }

    fn add_dataset(&mut self) {
        let mut names: Vec<String> = self.datasets.iter().map(|dataset| dataset.name.clone()).collect();
        names.push("seeds".to_owned());
        let from = self.random.one(&names).clone();
        let name = format!("d{}", self.id());
        self.datasets.push(Dataset { name, from, steps: Vec::new() });
        let at = self.datasets.len() - 1;
        for _ in 0..1 + self.random.below(4) {
            let step = self.step(at);
            self.datasets[at].steps.push(step);
        }
        if self.random.chance(15) {
            let seed = self.random.below(3);
            self.datasets[at].steps.push(Step::Split(seed));
        }
    }

    /// Returns a step for the end of a dataset.
    fn step(&mut self, at: usize) -> Step {
        let id = self.id() as usize;
        let texts = self.texts(&self.datasets[at].name.clone());
        let others: Vec<String> = self.datasets[..at].iter().map(|dataset| dataset.name.clone()).collect();
        let random = &mut self.random;
        let reads = random.one(&texts).clone();
        let said: Vec<String> = texts.iter().filter(|name| name.starts_with('g')).cloned().collect();
        match random.below(14) {
            0..=4 => Step::Generate {
                id,
                reads,
                wording: random.below(3),
                n: if random.chance(20) { 1 + random.below(3) } else { 1 },
                model: random.below(2),
                examples: (random.chance(15) && !others.is_empty()).then(|| random.one(&others).clone()),
            },
            5 => Step::Score { id, reads, wording: random.below(3), both: random.chance(50) },
            6 if texts.len() > 1 => {
                let first = random.below(texts.len() - 1);
                let second = first + 1 + random.below(texts.len() - first - 1);
                Step::Between { id, reads: [first, second].map(|at| texts[at].clone()), both: random.chance(50) }
            }
            7 if random.chance(50) => Step::Perplexity { id, reads },
            7 => Step::Embed { id, reads },
            8 => Step::Where(random.below(20)),
            9 if !said.is_empty() => Step::Said(random.one(&said).clone(), random.below(3)),
            10 => Step::Upper { id, reads },
            11 => Step::Dedup { by: reads, best: random.chance(50) },
            12 => Step::Fraction(3 + random.below(7)),
            _ => Step::Rows(3 + random.below(12)),
        }
    }

    /// Changes one thing.
    fn edit(&mut self) -> &'static str {
        let row = self.random.below(self.rows.len());
        let at = self.random.below(self.datasets.len());
        match self.random.below(15) {
            0 | 1 => {
                self.add_row();
                "row added"
            }
            2 => {
                if !self.rows.is_empty() {
                    self.rows.remove(row);
                }
                "row removed"
            }
            3 => {
                let text = format!("{} {}", self.random.one(&TOPICS), self.random.below(9));
                if let Some(row) = self.rows.get_mut(row) {
                    row.1 = text;
                }
                "text changed"
            }
            4 => {
                self.rows.reverse();
                "rows reordered"
            }
            5 | 6 => {
                self.wordings[at % 3] += 1;
                "prompt changed"
            }
            7 => {
                self.max_tokens = self.random.below(3);
                "limit changed"
            }
            8 => {
                self.temperature = self.random.below(2);
                "temperature changed"
            }
            9 => {
                let (more, threshold) = (self.random.below(4), self.random.below(20));
                for step in &mut self.datasets[at].steps {
                    match step {
                        Step::Generate { n, .. } if *n > 1 => *n = 1 + more,
                        Step::Where(than) => *than = threshold,
                        _ => {}
                    }
                }
                "threshold and samples changed"
            }
            10 => {
                self.add_dataset();
                "node added"
            }
            11 => {
                if self.datasets.len() > 2 {
                    self.datasets.pop();
                }
                "node removed"
            }
            12 => {
                let new = format!("r{}", self.id());
                let old = std::mem::replace(&mut self.datasets[at].name, new.clone());
                let swap = |name: &mut String| {
                    if *name == old {
                        name.clone_from(&new);
                    }
                };
                for dataset in &mut self.datasets {
                    swap(&mut dataset.from);
                    dataset.steps.iter_mut().for_each(|step| {
                        if let Step::Generate { examples: Some(name), .. } = step {
                            swap(name);
                        }
                    });
                }
                "node renamed"
            }
            13 => {
                let last = self.datasets.len() - 1;
                let step = self.step(last);
                let steps = &mut self.datasets[last].steps;
                if !matches!(steps.last(), Some(Step::Split(_))) {
                    steps.push(step);
                }
                "step added"
            }
            _ => {
                self.cosmetic += 1;
                "comment changed"
            }
        }
    }

    fn manifest(&self, url: &str) -> String {
        let mut out = format!("# comment {}\n[dataset.seeds]\nfiles = \"seeds.jsonl\"\nkey = \"id\"\n", self.cosmetic);
        let _ = writeln!(out, "types = {{ id = \"int\", text = \"string\" }}");
        for model in 0..2 {
            let _ = writeln!(
                out,
                "[model.m{model}]\nprovider = \"openai\"\nurl = \"{url}\"\nname = \"m{model}\"\nseed = 7\ntemperature = 0.{}\nmax_tokens = {}",
                self.temperature,
                [40, 80, 160][self.max_tokens]
            );
        }
        let _ = writeln!(out, "[model.v]\nprovider = \"openai\"\nurl = \"{url}\"\nname = \"v\"");
        let _ = writeln!(out, "[model.c]\nprovider = \"openai\"\nurl = \"{url}\"\nname = \"c\"\napi = \"completions\"");
        let mut prompts = String::new();
        for dataset in &self.datasets {
            let _ = writeln!(out, "[dataset.{}]\nfrom = \"{}\"\nmax_failed = 10000", dataset.name, dataset.from);
            let steps: Vec<String> = dataset.steps.iter().map(|step| self.toml(step, &mut prompts)).collect();
            let _ = writeln!(out, "steps = [\n  {}\n]", steps.join(",\n  "));
        }
        out + &prompts
    }

    /// Writes a step, and the prompt that it needs.
    fn toml(&self, step: &Step, prompts: &mut String) -> String {
        let wording = |at: &usize| format!("wording {at} {}", self.wordings[*at]);
        let mut prompt = |id: &usize, text: String| _ = writeln!(prompts, "[prompt.p{id}]\n{text}");
        match step {
            Step::Generate { id, reads, wording: at, n, model, examples } => {
                let mut text = format!("template = \"{}: {{{{ {reads} }}}}\"", wording(at));
                if let Some(from) = examples {
                    text = text.replace(": ", "{% for e in examples %} {{ e.text }}{% endfor %}: ");
                    let _ = write!(text, "\nexamples = {{ from = \"{from}\", k = 2, pick = \"random\" }}");
                }
                prompt(id, text);
                let n = if *n > 1 { format!(", n = {n}, sample = \"s{id}\"") } else { String::new() };
                format!("{{ generate = {{ prompt = \"p{id}\", model = \"m{model}\", into = \"g{id}\"{n} }} }}")
            }
            Step::Score { id, reads, wording: at, both } => {
                prompt(id, format!("template = \"Grade, {}: {{{{ {reads} }}}}\"", wording(at)));
                let models = if *both { "[\"m0\", \"m1\"]" } else { "\"m1\"" };
                format!(
                    "{{ judge = {{ prompt = \"p{id}\", model = {models}, scale = {{ poor = 1, good = 3 }}, into = \"j{id}\" }} }}"
                )
            }
            Step::Between { id, reads: [a, b], both } => {
                prompt(id, format!("template = \"{}: {{{{ first }}}} or {{{{ second }}}}?\"", wording(&0)));
                let models = if *both { "[\"m0\", \"m1\"]" } else { "\"m0\"" };
                format!(
                    "{{ judge = {{ prompt = \"p{id}\", model = {models}, between = [\"{a}\", \"{b}\"], into = \"j{id}\", reason = \"r{id}\" }} }}"
                )
            }
            Step::Embed { id, reads } => {
                format!("{{ embed = {{ text = \"{reads}\", model = \"v\", into = \"v{id}\" }} }}")
            }
            Step::Perplexity { id, reads } => {
                format!("{{ perplexity = {{ model = \"c\", column = \"{reads}\", into = \"e{id}\" }} }}")
            }
            Step::Where(than) => format!("{{ where = \"id % 20 >= {than} - 12\" }}"),
            Step::Said(column, which) => format!("{{ where = \"{column} not like '%{which}'\" }}"),
            Step::Upper { id, reads } => format!("{{ columns = {{ u{id} = \"upper({reads})\" }} }}"),
            Step::Dedup { by, best } => {
                let keep = if *best { ", keep = { best = \"id\" }" } else { "" };
                format!("{{ dedup = {{ by = \"{by}\"{keep} }} }}")
            }
            Step::Fraction(tenths) => format!("{{ sample = {{ fraction = 0.{tenths} }} }}"),
            Step::Rows(rows) => format!("{{ sample = {{ rows = {rows} }} }}"),
            Step::Split(seed) => format!("{{ split = {{ parts = {{ a = 0.7, b = 0.3 }}, seed = {seed} }} }}"),
        }
    }

    fn write(&self, sandbox: &Sandbox, url: &str) {
        let lines = self.rows.iter().map(|(id, text)| format!("{{\"id\": {id}, \"text\": \"{text}\"}}\n"));
        sandbox.write("seeds.jsonl", lines.collect::<String>());
        sandbox.write("datamake.toml", self.manifest(url));
    }
}

/// Answers by the request alone; some replies are long, and cut off at a small limit.
fn answer(asked: &Asked, replies: Replies) -> Play {
    let limit = asked.max_tokens.map_or_else(String::new, |limit| format!("\"max_tokens\":{limit}"));
    let chance = hash(&asked.body.replace(&limit, ""));
    if asked.body.contains("\"echo\":true") && (replies == Replies::AllGood || chance % 40 > 3) {
        let logs = serde_json::json!({ "token_logprobs": [null, -((chance % 9) as f64), -1.5, -2.0] });
        let choice =
            serde_json::json!({ "text": format!("{}!", asked.text), "logprobs": logs, "finish_reason": "length" });
        let body = serde_json::json!({ "model": "c", "choices": [choice], "usage": { "prompt_tokens": 3, "completion_tokens": 1 } });
        return Act::Status(200, body.to_string(), Vec::new()).into();
    }
    if replies == Replies::SomeFail {
        match chance % 40 {
            0 if asked.body.contains("\"echo\":true") => return Act::say("nothing of it").into(),
            0 => return Act::Refuse.into(),
            1 => return Act::say(" ").into(),
            2 | 3 if asked.max_tokens < Some(100) => {
                let usage = Some((10, asked.max_tokens.unwrap_or(1)));
                return Play { usage, ..Act::Say(format!("half of {chance:x}"), "length").into() };
            }
            2 | 3 => return Play { usage: Some((10, 100)), ..Act::say(format!("long {chance:x}")).into() },
            _ => {}
        }
    }
    let chance = chance >> 8;
    if asked.body.contains("\"better\"") {
        let better = ["first", "second", "same"][(chance % 3) as usize];
        return Act::say(format!(r#"{{"reason": "so {chance:x}", "better": "{better}"}}"#)).into();
    }
    if asked.body.contains("\"level\"") {
        let level = ["poor", "good"][(chance % 2) as usize];
        return Act::say(format!(r#"{{"reason": "so {chance:x}", "level": "{level}"}}"#)).into();
    }
    Act::say(format!("said {chance:x}")).into()
}

/// Returns what a request for embeddings or for one answer asks, without what does not matter for that.
fn wanted(body: &str) -> Vec<String> {
    let body: serde_json::Value = serde_json::from_str(body).expect("requests are JSON");
    match body["input"].as_array() {
        Some(texts) => texts.iter().map(|text| format!("vector of {text}")).collect(),
        None => vec![body.to_string()],
    }
}

fn sequence(seed: u64) {
    let replies = if seed.is_multiple_of(3) { Replies::AllGood } else { Replies::SomeFail };
    let server = Server::with(move |asked| answer(asked, replies));
    let url = server.url();
    let mut model = Model::new(seed);
    let mut sandbox = Sandbox::new();
    sandbox.jobs = Some([1, 2, 4][seed as usize % 3]);
    let (mut edits, mut former): (Vec<&str>, Vec<Model>) = (vec!["begin"], Vec::new());
    let all = || server.log().iter().flat_map(|served| wanted(&served.body)).collect::<Vec<String>>();
    for turn in 0..6 {
        model.write(&sandbox, &url);
        let context = || format!("seed {seed} after {edits:?}\n{}", model.manifest("URL"));
        let fail = |problems| -> ! { panic!("{}\n{}", context(), render(&problems, Style::Plain)) };
        let project = sandbox.project().unwrap_or_else(|problems| fail(problems));
        let before = all().len() as u64;
        let planned = sandbox.plan().cost;
        assert_eq!(all().len() as u64, before, "a plan asks for nothing; {}", context());
        let built = common::build(&project, &[], sandbox.jobs).unwrap_or_else(|problems| fail(problems));
        common::fine(&built);

        let wanted = all();
        let asked = wanted.len() as u64 - before;
        assert_eq!(wanted.iter().collect::<HashSet<_>>().len(), wanted.len(), "nothing is asked twice; {}", context());
        let count: u64 = planned.iter().map(|one| one.count.requests).sum();
        if planned.iter().all(|one| one.step.is_some()) {
            let sent_back: u64 = planned.iter().map(|one| one.count.sent_back).sum();
            let most = count + if replies == Replies::SomeFail { sent_back } else { 0 };
            assert!(asked <= most, "{asked} asked, at most {most} planned; {}", context());
            let exact = replies == Replies::AllGood && !planned.iter().any(|one| one.count.at_most);
            assert!(!exact || asked == count, "{asked} asked, exactly {count} planned; {}", context());
        }
        let nothing_new = match *edits.last().expect("it begins") {
            "comment changed" | "node renamed" | "back" => true,
            // A random choice of rows depends on what they are, not on where they stand.
            "rows reordered" => !model.keeps_by_place(),
            _ => false,
        };
        if nothing_new {
            assert_eq!(asked, 0, "nothing is new; {}", context());
        }

        let mut exported = Vec::new();
        project.export_responses(Which::All, &mut exported).unwrap_or_else(|problems| fail(problems));
        let empty = sandbox.project_in(Arc::new(MemoryDisk::default())).expect("the manifest is right");
        empty.import_responses("responses", &mut &exported[..]).unwrap_or_else(|problems| fail(problems));
        let clean = common::build(&empty, &[], sandbox.jobs).unwrap_or_else(|problems| fail(problems));
        common::fine(&clean);
        assert_eq!(common::results(&project), common::results(&empty), "incremental = clean; {}", context());

        let again = sandbox.built();
        assert_eq!((again.run.ran, again.number), (0, None), "nothing is left to do; {}", context());
        assert_eq!(all().len() as u64, wanted.len() as u64, "all was recorded; {}", context());
        former.push(model.clone());
        if turn > 1 && model.random.chance(20) {
            let mut random = model.random.clone();
            model = Model { random: random.clone(), next: model.next, ..random.one(&former).clone() };
            edits.push("back");
        } else {
            edits.push(model.edit());
        }
    }
}

#[test]
fn after_any_edits_a_build_gives_what_a_clean_build_gives_and_asks_for_nothing_twice() {
    if let Ok(seed) = std::env::var("DATAMAKE_SEED") {
        return sequence(seed.parse().expect("a seed is a number"));
    }
    let sequences = std::env::var("DATAMAKE_SEQUENCES").map_or(100, |n| n.parse().expect("a number of sequences"));
    std::thread::scope(|scope| {
        let half = |first: u64| move || (first..sequences).step_by(2).for_each(sequence);
        let halves = [0, 1].map(|first| scope.spawn(half(first)));
        halves.into_iter().for_each(|half| half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    });
}
