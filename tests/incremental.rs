//! The main law: after any edits, a build gives what a clean build in an empty store gives, and runs no action twice.
//!
//! `DATAMAKE_SEQUENCES=10000 cargo test --release --test incremental` is the long run; `DATAMAKE_SEED=n` repeats one sequence.

mod common;

use common::Sandbox;
use datamake::exec::State;
use datamake::graph::Kind;
use datamake::plan::Reason;
use std::fmt::Write;

/// Numbers that look random and are the same in every run.
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

#[derive(Clone, Debug)]
struct Row {
    id: u64,
    n: i64,
    x: Option<f64>,
    text: String,
    tag: Option<&'static str>,
}

const WORDS: [&str; 8] = ["apple", "Pear", "plum ", "fig", "the", "of", "a  b", "Zebra"];
const TAGS: [&str; 4] = ["red", "green", "blue", "Red"];

impl Row {
    fn new(random: &mut Random, id: u64) -> Row {
        let text = (0..1 + random.below(5)).map(|_| *random.one(&WORDS)).collect::<Vec<_>>().join(" ");
        Row {
            id,
            n: random.below(20) as i64,
            x: random.chance(80).then(|| random.below(40) as f64 / 4.0),
            text,
            tag: random.chance(85).then(|| *random.one(&TAGS)),
        }
    }

    /// Some rows cannot be read.
    fn is_wrong(&self) -> bool {
        self.n == 13
    }

    fn json(&self) -> String {
        if self.is_wrong() {
            return format!(r#"{{"id": {}, "n": }}"#, self.id);
        }
        let x = self.x.map_or("null".to_owned(), |x| format!("{x:?}"));
        let tag = self.tag.map_or("null".to_owned(), |tag| format!("{tag:?}"));
        format!(r#"{{"id": {}, "n": {}, "x": {x}, "text": {:?}, "tag": {tag}}}"#, self.id, self.n, self.text)
    }

    fn csv(&self) -> String {
        if self.is_wrong() {
            return format!("{},{}", self.id, self.text);
        }
        let x = self.x.map_or(String::new(), |x| format!("{x:?}"));
        format!("{},{},{x},\"{}\",{}", self.id, self.n, self.text, self.tag.unwrap_or(""))
    }
}

#[derive(Clone, Debug)]
enum Maker {
    Files {
        folder: usize,
        keyed: bool,
    },
    Synth {
        rows: usize,
        seed: usize,
    },
    From(String),
    Concat(Vec<String>),
    Mix(Vec<(String, usize)>, usize),
    Sql(usize, String, String),
    /// By size.
    Pool(Vec<String>, usize),
}

#[derive(Clone, Debug)]
enum Step {
    Where(usize),
    Filter(Vec<usize>),
    Column(usize, usize),
    Render(usize, usize),
    Dedup(usize),
    Against(usize, String),
    Spans(usize, usize, Option<String>),
    Fraction(usize),
    Rows(usize),
    Drop(usize),
    Join(usize, String, usize, usize),
    /// Of whose texts the model is, and its order.
    Perplexity(usize, String, usize),
    Tokens(usize),
    Embed(usize),
    Grouped(usize, usize),
    Augment(usize, usize),
    Split(usize),
}

#[derive(Clone, Debug)]
struct Dataset {
    name: String,
    maker: Maker,
    steps: Vec<Step>,
}

/// A project as data, and the files that it makes.
struct Model {
    random: Random,
    folders: [Vec<(String, Vec<Row>)>; 2],
    datasets: Vec<Dataset>,
    filters: [usize; 3],
    prompts: [usize; 2],
    param: usize,
    metrics: Vec<(String, usize)>,
    tests: Vec<(String, usize)>,
    cosmetic: usize,
    next: u64,
}

const CONDITIONS: [&str; 6] = [
    "n >= T",
    "x < T",
    "word_count(text) > 1",
    "tag is not null and n <> T",
    "text like '%a%'",
    "coalesce(x, 0) + n > T",
];
const EXPRESSIONS: [&str; 8] = [
    "token_count(text, 'cl100k_base')",
    "10 / n",
    "n + ${params.k}",
    "x * 2",
    "upper(text)",
    "case when n > 3 then 'big' else tag end",
    "length(text) % 7",
    "tag || '-' || cast(n as string)",
];
const QUERIES: [&str; 3] = [
    "select a.id, b.n, a.x, b.text, a.tag from AA a join BB b on a.n = b.n where a.id < 40",
    "select max(id) as id, n, avg(x) as x, min(text) as text, tag from AA group by n, tag",
    "select id, row_number() over (partition by tag order by n, id) as n, x, text, tag from AA union all select id, n, x, text, tag from BB",
];
const TESTS: [&str; 4] = [
    "not_null = \"tag\"\nmax_failing = \"50%\"",
    "unique = [\"tag\", \"n\"]",
    "where = \"10 / n < 4\"\nrange = { n = [0, 15] }",
    "values = { \"avg(n)\" = [5, 10] }\nrows = [3, inf]",
];
const VALUES: [&str; 7] = [
    "count(*)",
    "avg(n)",
    "sum(x)",
    "count(distinct tag)",
    "max(n) - min(n)",
    "distinct_n(text, 2)",
    "self_bleu(text, 5)",
];

impl Model {
    fn new(seed: u64) -> Model {
        let mut model = Model {
            random: Random(seed),
            folders: [Vec::new(), Vec::new()],
            datasets: Vec::new(),
            filters: [1, 8, 3],
            prompts: [0, 0],
            param: 1,
            metrics: Vec::new(),
            tests: Vec::new(),
            cosmetic: 0,
            next: 0,
        };
        for folder in 0..2 {
            for _ in 0..1 + model.random.below(2) {
                model.add_file(folder);
            }
        }
        for _ in 0..3 + model.random.below(4) {
            model.add_dataset();
        }
        model
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn add_file(&mut self, folder: usize) {
        let name = format!("f{}", self.id());
        let rows = (0..self.random.below(40)).map(|_| self.row()).collect();
        self.folders[folder].push((name, rows));
    }

    fn row(&mut self) -> Row {
        let id = self.id();
        Row::new(&mut self.random, id)
    }

    fn add_dataset(&mut self) {
        let earlier: Vec<String> = self.datasets.iter().map(|dataset| dataset.name.clone()).collect();
        let random = &mut self.random;
        let maker = match random.below(if earlier.is_empty() { 3 } else { 11 }) {
            0 | 1 => Maker::Files { folder: random.below(2), keyed: random.chance(50) },
            2 => Maker::Synth { rows: 1 + random.below(50), seed: random.below(3) },
            3..=6 => Maker::From(random.one(&earlier).clone()),
            10 => Maker::Sql(random.below(QUERIES.len()), random.one(&earlier).clone(), random.one(&earlier).clone()),
            7 | 8 => Maker::Concat((0..1 + random.below(2)).map(|_| random.one(&earlier).clone()).collect()),
            _ => {
                let mut of: Vec<String> = (0..2).map(|_| random.one(&earlier).clone()).collect();
                of.sort();
                of.dedup();
                match random.chance(50) {
                    true => Maker::Pool(of, random.below(4)),
                    false => {
                        Maker::Mix(of.into_iter().map(|name| (name, 1 + random.below(3))).collect(), random.below(4))
                    }
                }
            }
        };
        let name = format!("d{}", self.id());
        let mut dataset = Dataset { name, maker, steps: Vec::new() };
        for _ in 0..self.random.below(4) {
            let step = self.step(self.datasets.len());
            dataset.steps.push(step);
        }
        if self.random.chance(15) {
            dataset.steps.push(Step::Split(self.random.below(3)));
        }
        if self.random.chance(40) {
            let value = self.random.below(VALUES.len());
            self.metrics.push((dataset.name.clone(), value));
        }
        if self.random.chance(40) {
            let test = self.random.below(TESTS.len());
            self.tests.push((dataset.name.clone(), test));
        }
        self.datasets.push(dataset);
    }

    /// Makes a step for a dataset behind so many others.
    fn step(&mut self, behind: usize) -> Step {
        let id = self.id() as usize;
        let earlier: Vec<String> = self.datasets[..behind].iter().map(|dataset| dataset.name.clone()).collect();
        let random = &mut self.random;
        match random.below(if earlier.is_empty() { 10 } else { 12 }) {
            8 => Step::Grouped(random.below(4), 1 + random.below(5)),
            9 => Step::Augment(id, random.below(3)),
            0 => Step::Where(random.below(CONDITIONS.len())),
            1 => Step::Filter((0..1 + random.below(2)).map(|_| random.below(3)).collect()),
            2 | 3 => Step::Column(id, random.below(EXPRESSIONS.len())),
            4 => Step::Render(id, random.below(2)),
            5 if !earlier.is_empty() && random.chance(40) => {
                Step::Against(random.below(3), random.one(&earlier).clone())
            }
            5 if random.chance(30) => {
                let against = (!earlier.is_empty() && random.chance(50)).then(|| random.one(&earlier).clone());
                Step::Spans(id, random.below(3), against)
            }
            5 => Step::Dedup(random.below(7)),
            6 => {
                if random.chance(50) {
                    Step::Fraction(1 + random.below(9))
                } else {
                    Step::Rows(1 + random.below(30))
                }
            }
            7 if random.chance(30) => Step::Tokens(id),
            7 if random.chance(30) => Step::Embed(id),
            7 => Step::Drop(id),
            10 => Step::Perplexity(id, random.one(&earlier).clone(), 1 + random.below(3)),
            _ => Step::Join(id, random.one(&earlier).clone(), random.below(4), random.below(3)),
        }
    }

    /// Changes one thing.
    fn edit(&mut self) -> &'static str {
        let folder = self.random.below(2);
        let file = self.random.below(self.folders[folder].len());
        match self.random.below(16) {
            0 => {
                let row = self.row();
                self.rows(folder, file).push(row);
                "row added"
            }
            1 => {
                let row = self.row();
                let len = self.folders[folder].get(file).map_or(0, |(_, rows)| rows.len());
                let at = self.random.below(len + 1);
                self.rows(folder, file).insert(at.min(len), row);
                "row inserted"
            }
            2 | 3 => {
                let row = self.row();
                let (at, which) = (self.random.next() as usize, self.random.below(4));
                let rows = self.rows(folder, file);
                if !rows.is_empty() {
                    let at = at % rows.len();
                    match which {
                        0 => rows[at].n = row.n,
                        1 => rows[at].x = row.x,
                        2 => rows[at].text = row.text,
                        _ => rows[at].tag = row.tag,
                    }
                }
                "cell changed"
            }
            4 => {
                let at = self.random.next() as usize;
                let rows = self.rows(folder, file);
                if !rows.is_empty() {
                    rows.remove(at % rows.len());
                }
                "row removed"
            }
            5 => {
                self.rows(folder, file).reverse();
                "rows reordered"
            }
            6 => {
                self.add_file(folder);
                "file added"
            }
            7 => {
                let id = self.id();
                if let Some((name, _)) = self.folders[folder].get_mut(file) {
                    *name = format!("g{id}");
                }
                "file renamed"
            }
            8 => {
                let (at, value) = (self.random.below(3), self.random.below(12));
                self.filters[at] = value;
                "threshold changed"
            }
            9 => {
                let at = self.random.below(2);
                self.prompts[at] += 1;
                "prompt changed"
            }
            10 => {
                self.param = self.random.below(5);
                "parameter changed"
            }
            11 => {
                self.add_dataset();
                "node added"
            }
            12 => {
                self.rename();
                "node renamed"
            }
            13 => {
                self.remove_last();
                "node removed"
            }
            14 => {
                let at = self.random.below(self.datasets.len());
                let step = self.step(at);
                let steps = &mut self.datasets[at].steps;
                let end = steps.iter().position(|step| matches!(step, Step::Split(_))).unwrap_or(steps.len());
                steps.insert(end, step);
                "step added"
            }
            _ => {
                self.cosmetic += 1;
                "comment changed"
            }
        }
    }

    fn rows(&mut self, folder: usize, file: usize) -> &mut Vec<Row> {
        &mut self.folders[folder][file].1
    }

    fn rename(&mut self) {
        let at = self.random.below(self.datasets.len());
        let new = format!("r{}", self.id());
        let old = std::mem::replace(&mut self.datasets[at].name, new.clone());
        let swap = |name: &mut String| {
            if *name == old {
                name.clone_from(&new);
            }
        };
        self.metrics.iter_mut().chain(&mut self.tests).for_each(|(name, _)| swap(name));
        for dataset in &mut self.datasets {
            dataset.steps.iter_mut().for_each(|step| {
                if let Step::Join(_, name, ..)
                | Step::Perplexity(_, name, _)
                | Step::Against(_, name)
                | Step::Spans(_, _, Some(name)) = step
                {
                    swap(name);
                }
            });
            match &mut dataset.maker {
                Maker::From(name) => swap(name),
                Maker::Concat(names) => names.iter_mut().for_each(swap),
                Maker::Mix(of, _) => of.iter_mut().for_each(|(name, _)| swap(name)),
                Maker::Sql(_, a, b) => [a, b].into_iter().for_each(swap),
                Maker::Pool(of, _) => of.iter_mut().for_each(swap),
                Maker::Files { .. } | Maker::Synth { .. } => {}
            }
        }
    }

    fn remove_last(&mut self) {
        if self.datasets.len() > 2 {
            let gone = self.datasets.pop().expect("there are more than two");
            self.metrics.retain(|(name, _)| *name != gone.name);
            self.tests.retain(|(name, _)| *name != gone.name);
        }
    }

    fn manifest(&self) -> String {
        let mut out = format!("# comment {}\n[params]\nk = {}\n", self.cosmetic, self.param);
        for (i, t) in self.filters.iter().enumerate() {
            let _ = writeln!(
                out,
                "[filter.f{i}]\nwhere = \"{}\"",
                CONDITIONS[(i * 2 + t / 6) % 6].replace('T', &t.to_string())
            );
        }
        let _ = writeln!(out, "[prompt.p0]\ntemplate = \"{} {{{{ id }}}}: {{{{ text }}}}\"", self.prompts[0]);
        let _ = writeln!(out, "[prompt.p1]\nfile = \"prompts/p1.md\"");
        for step in self.datasets.iter().flat_map(|dataset| &dataset.steps) {
            if let Step::Perplexity(id, of, order) = step {
                let _ = writeln!(out, "[lm.l{id}]\nfrom = \"{of}\"\ncolumn = \"text\"\norder = {order}");
            }
        }
        for dataset in &self.datasets {
            let _ = writeln!(out, "[dataset.{}]", dataset.name);
            let _ = match &dataset.maker {
                Maker::Files { folder, keyed } => {
                    let ending = if *folder == 0 { "jsonl" } else { "csv" };
                    let key = if *keyed { "key = \"id\"\n" } else { "" };
                    let types =
                        "types = { id = \"int\", n = \"int\", x = \"float\", text = \"string\", tag = \"string\" }";
                    writeln!(out, "files = \"data{folder}/*.{ending}\"\n{key}{types}")
                }
                Maker::Synth { rows, seed } => writeln!(
                    out,
                    "synth = {{ rows = {rows}, seed = {seed}, columns = {{ id = {{ sequence = 1000 }}, n = {{ integer = [0, 20] }}, \
                     x = {{ float = [0, 9], decimals = 1 }}, text = {{ choice = [\"fig plum\", \"apple\", \"a b c\"] }}, \
                     tag = {{ choice = [\"red\", \"blue\"], weights = [3, 1] }} }} }}"
                ),
                Maker::From(name) => writeln!(out, "from = \"{name}\""),
                Maker::Sql(query, a, b) => {
                    writeln!(out, "sql = \"{}\"", QUERIES[*query].replace("AA", a).replace("BB", b))
                }
                Maker::Concat(names) => writeln!(out, "concat = {names:?}"),
                Maker::Mix(of, seed) => {
                    let total: usize = of.iter().map(|(_, share)| share).sum();
                    let of: Vec<String> =
                        of.iter().map(|(name, share)| format!("{name} = {:?}", *share as f64 / total as f64)).collect();
                    writeln!(out, "mix = {{ of = {{ {} }}, seed = {seed} }}", of.join(", "))
                }
                Maker::Pool(of, seed) => {
                    writeln!(out, "mix = {{ of = {of:?}, temperature = {}.5, epochs = 1.5, seed = {seed} }}", 1 + seed)
                }
            };
            let steps: Vec<String> = dataset.steps.iter().map(|step| self.toml(step)).collect();
            let _ = writeln!(out, "max_failed = 1000");
            if !steps.is_empty() {
                let _ = writeln!(out, "steps = [{}]", steps.join(", "));
            }
        }
        for (i, (dataset, value)) in self.metrics.iter().enumerate() {
            let _ = writeln!(out, "[metric.m{i}]\non = \"{dataset}\"\nvalue = \"{}\"\nby = [\"tag\"]", VALUES[*value]);
        }
        for (i, (dataset, test)) in self.tests.iter().enumerate() {
            let _ = writeln!(out, "[test.t{i}]\non = \"{dataset}\"\nseverity = \"warning\"\n{}", TESTS[*test]);
        }
        out
    }

    fn toml(&self, step: &Step) -> String {
        match step {
            Step::Where(at) => format!("{{ where = \"{}\" }}", CONDITIONS[*at].replace('T', "5")),
            Step::Filter(of) => {
                format!("{{ filter = {:?} }}", of.iter().map(|at| format!("f{at}")).collect::<Vec<_>>())
            }
            Step::Column(id, at) => format!("{{ columns = {{ c{id} = \"{}\" }} }}", EXPRESSIONS[*at]),
            Step::Render(id, at) => format!("{{ render = {{ prompt = \"p{at}\", into = \"t{id}\" }} }}"),
            Step::Dedup(0) => "{ dedup = { } }".to_owned(),
            Step::Dedup(1) => "{ dedup = { by = \"text\", method = \"normalised\" } }".to_owned(),
            Step::Dedup(2) => "{ dedup = { by = [\"tag\", \"n % 5\"] } }".to_owned(),
            Step::Dedup(3) => "{ dedup = { by = \"10 / (n - 1)\" } }".to_owned(),
            Step::Dedup(4) => "{ dedup = { by = \"lower(text)\" } }".to_owned(),
            Step::Dedup(5) => "{ dedup = { by = \"text\", method = \"minhash\", ngram = 2, threshold = 0.5 } }".to_owned(),
            Step::Dedup(_) => {
                "{ dedup = { by = [\"text\", \"tag\"], method = \"minhash\", ngram = 1, keep = { best = \"n\" } } }".to_owned()
            }
            Step::Against(0, with) => format!("{{ dedup = {{ by = \"text\", against = \"{with}\" }} }}"),
            Step::Against(1, with) => {
                format!("{{ dedup = {{ by = \"text\", method = \"minhash\", ngram = 2, against = [\"{with}\"] }} }}")
            }
            Step::Against(_, with) => {
                format!("{{ decontaminate = {{ columns = \"text\", against = \"{with}\", ngram = 3 }} }}")
            }
            Step::Spans(id, which, against) => {
                let unit = ["unit = \"line\", min = 2", "unit = \"words\", min = 2", "unit = \"words\", min = 3"][*which];
                let against = against.as_ref().map_or(String::new(), |name| format!(", against = \"{name}\""));
                format!("{{ dedup_spans = {{ column = \"text\", {unit}, into = \"s{id}\", share = \"u{id}\"{against} }} }}")
            }
            Step::Fraction(tenths) => format!("{{ sample = {{ fraction = 0.{tenths} }} }}"),
            Step::Rows(rows) => format!("{{ sample = {{ rows = {rows}, seed = 1 }} }}"),
            Step::Drop(id) => format!("{{ select = [\"* exclude (x)\", \"x as old{id}\", \"x\"] }}"),
            Step::Join(id, with, kind, on) => {
                let kind = ["inner", "left", "semi", "anti"][*kind];
                let on = ["\"id\"", "{ n = \"n\" }", "[\"tag\", \"n\"]"][*on];
                let columns = if matches!(kind, "inner" | "left") {
                    format!(", columns = [\"text as text{id}\", \"x as x{id}\"]")
                } else {
                    String::new()
                };
                format!("{{ join = {{ with = \"{with}\", on = {on}, kind = \"{kind}\"{columns} }} }}")
            }
            Step::Perplexity(id, ..) => {
                format!("{{ perplexity = {{ lm = \"l{id}\", column = \"text\", into = \"ppl{id}\" }} }}")
            }
            Step::Tokens(id) => {
                format!("{{ tokens = {{ column = \"text\", tokenizer = \"prompts/own.json\", into = \"k{id}\" }} }}")
            }
            Step::Embed(id) => format!("{{ embed = {{ text = \"text\", folder = \"prompts/tiny\", into = \"w{id}\" }} }}"),
            Step::Grouped(0, n) => format!("{{ sample = {{ per_group = {n}, by = [\"tag\", \"n % 3\"] }} }}"),
            Step::Grouped(1, n) => format!("{{ sample = {{ rows = {}, by = \"tag\", seed = 2 }} }}", n * 5),
            Step::Grouped(2, n) => format!("{{ sample = {{ rows = {}, top = \"x\" }} }}", n * 5),
            Step::Grouped(_, n) => format!("{{ sample = {{ rows = {}, weight = \"n\" }} }}", n * 5),
            Step::Augment(id, at) => {
                let noise = ["\"typo\"", "[\"ocr\", \"swap-word\"]", "{ case = 1, double = 2 }"][*at];
                let into = format!("into = \"a{id}\", noise = {noise}, intensity = \"n / 20.0\", edits = \"e{id}\"");
                format!("{{ augment = {{ column = \"text\", {into}, n = {}, variant = \"v{id}\" }} }}", 1 + at % 2)
            }
            Step::Split(0) => "{ split = { parts = { a = 0.8, b = 0.2 }, group_by = [\"tag\", \"n % 5\"], leak_check = { by = [\"text\", \"10 / (n - 1)\"], severity = \"warning\" } } }".to_owned(),
            Step::Split(seed) => format!("{{ split = {{ parts = {{ a = 0.8, b = 0.2 }}, seed = {seed} }} }}"),
        }
    }

    /// Writes the whole project.
    fn write(&self, sandbox: &Sandbox) {
        for folder in ["data0", "data1", "prompts"] {
            let _ = std::fs::remove_dir_all(sandbox.file(folder));
        }
        for (at, files) in self.folders.iter().enumerate() {
            for (name, rows) in files {
                let mut text = if at == 1 { "id,n,x,text,tag\n".to_owned() } else { String::new() };
                for row in rows {
                    text.push_str(&if at == 0 { row.json() } else { row.csv() });
                    text.push('\n');
                }
                sandbox.write(&format!("data{at}/{name}.{}", if at == 0 { "jsonl" } else { "csv" }), text);
            }
        }
        let p1 = format!(
            "{{% include 'prompts/head.md' %}}{{{{ tag | default('none', true) }}}} {{{{ n }}}} v{}",
            self.prompts[1] / 2
        );
        sandbox.write("prompts/p1.md", p1);
        sandbox.write("prompts/head.md", format!("head {}: ", self.prompts[1].div_ceil(2)));
        let own = |file: &str| {
            let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
            std::fs::read(path).expect("the vectors are there")
        };
        let kinds = ["pieces", "unigram"];
        sandbox.write("prompts/own.json", own(&format!("tokenizers/{}.json", kinds[self.prompts[0] % 2])));
        for file in ["model.safetensors", "tokenizer.json", "config.json"] {
            sandbox
                .write(&format!("prompts/tiny/{file}"), own(&format!("static/{}/{file}", kinds[self.prompts[1] % 2])));
        }
        sandbox.write("datamake.toml", self.manifest());
    }
}

fn sequence(seed: u64) {
    let mut model = Model::new(seed);
    let mut sandbox = Sandbox::new();
    sandbox.jobs = Some([1, 2, 8][seed as usize % 3]);
    let mut edits = vec!["begin"];
    for _ in 0..5 {
        model.write(&sandbox);
        let context = || format!("seed {seed} after {edits:?}\n{}", model.manifest());
        let cosmetic = edits.last() == Some(&"comment changed");

        let project = sandbox.project().unwrap_or_else(|problems| {
            panic!("{}\n{}", context(), datamake::diag::render(&problems, datamake::diag::Style::Plain))
        });
        let traces = project.store().stats().expect("memory can be read").traces;
        let planned = sandbox.plan();
        let built = common::build(&project, &[], sandbox.jobs).unwrap_or_else(|problems| {
            panic!("{}\n{}", context(), datamake::diag::render(&problems, datamake::diag::Style::Plain))
        });
        common::fine(&built);
        for (plan, build) in planned.nodes.iter().zip(&built.run.nodes) {
            let is_export = project.graph.node(build.node).kind == Kind::Export;
            let agree = match (&plan.state, &build.state) {
                (State::Fresh, State::Fresh) => true,
                (State::Done(_), State::Done(done)) => done.actions == 0,
                (State::Stale(plan), State::Done(done)) => is_export || plan.actions == done.actions,
                _ => false,
            };
            let name = project.graph.node(build.node).full_name();
            assert!(agree, "{name}: planned {:?}, built {:?}; {}", plan.state, build.state, context());
        }
        assert_eq!(common::results(&project), sandbox.clean(), "incremental = clean; {}", context());
        if cosmetic {
            assert_eq!(built.run.ran, 0, "a cosmetic edit runs nothing; {}", context());
        }
        // Each action that ran left a trace that was not there; the others are of nodes and of files.
        let new = project.store().stats().expect("memory can be read").traces - traces;
        assert!(built.run.ran <= new, "{} actions ran and {new} keys are new; {}", built.run.ran, context());
        let again = sandbox.built();
        assert_eq!((again.run.ran, again.number), (0, None), "nothing is left to do; {}", context());
        edits.push(model.edit());
    }
}

#[test]
fn what_comes_back_is_told_with_its_reason_although_nothing_has_to_run() {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", "[dataset.all]\nfiles = \"a.csv\"\n[dataset.some]\nfrom = \"all\"\nwhere = \"i > 5\"\n[metric.n]\non = \"some\"\nvalue = \"count(*)\"\n");
    sandbox.write("a.csv", format!("i\n{}", (0..10).map(|i| format!("{i}\n")).collect::<String>()));
    let first = sandbox.built();
    let there = sandbox.results();
    sandbox.edit("datamake.toml", "i > 5", "i > 7");
    sandbox.built();
    sandbox.edit("datamake.toml", "i > 7", "i > 5");
    let reuse = |node: &datamake::project::PlannedNode| matches!(node.state, State::Done(_));
    assert_eq!(sandbox.plan().nodes.iter().map(reuse).collect::<Vec<_>>(), [false, true, true]);
    let built = sandbox.built();
    assert_eq!((built.run.ran, built.number), (0, Some(first.number.unwrap() + 2)));
    assert_eq!(sandbox.results(), there);
    let project = sandbox.project().unwrap();
    let some = project.one("some").unwrap().0;
    let [Reason::Field { old: Some(old), .. }] = &built.reasons[&some][..] else { panic!("{:?}", built.reasons) };
    assert!(old.contains("i > 7"), "{old}");
    assert_eq!(project.explain("some").unwrap().last.map(|(build, _)| build.number), built.number);
    let again = sandbox.built();
    assert!(again.number.is_none() && again.reasons.is_empty());
}

#[test]
fn after_any_edits_a_build_gives_what_a_clean_build_gives_and_runs_nothing_twice() {
    if let Ok(seed) = std::env::var("DATAMAKE_SEED") {
        return sequence(seed.parse().expect("a seed is a number"));
    }
    let sequences = std::env::var("DATAMAKE_SEQUENCES").map_or(300, |n| n.parse().expect("a number of sequences"));
    std::thread::scope(|scope| {
        let half = |first: u64| move || (first..sequences).step_by(2).for_each(sequence);
        let halves = [0, 1].map(|first| scope.spawn(half(first)));
        halves.into_iter().for_each(|half| half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    });
}
