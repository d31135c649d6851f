//! Documents in JSON Lines: the first build and the builds after it, against programs that do the same from the start.
//!
//! `DATAMAKE_MB` sets how many megabytes (900), `DATAMAKE_ROUNDS` how often everything runs (3), and `DATAMAKE_PYTHON` which
//! Python has `polars` and `duckdb`; without them their figures are left out.

use super::{Figure, Watched, datamake, row, run, time, watch, write};
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What no document may have; few do.
const UNWANTED: &str = "(?i)lorem ipsum|click here|all rights reserved";

/// Filters the documents into JSON Lines, against polars and DuckDB.
pub fn first_build(folder: &Path) {
    let documents = Documents::write(folder, setting("DATAMAKE_MB", 900));
    against(
        folder,
        &documents,
        &filter("0.2", "kept.jsonl"),
        &["filter_polars", "filter_duckdb"],
        "out.jsonl",
        &[UNWANTED],
    );
}

/// The same into Parquet.
pub fn parquet(folder: &Path) {
    let documents = Documents::write(folder, setting("DATAMAKE_MB", 900));
    against(
        folder,
        &documents,
        &filter("0.2", "kept.parquet"),
        &["filter_polars", "filter_duckdb"],
        "out.parquet",
        &[UNWANTED],
    );
}

/// Drops documents whose normalised text was there before, against polars.
pub fn dedup(folder: &Path) {
    let documents = Documents::write(folder, setting("DATAMAKE_MB", 900));
    let manifest = "[dataset.documents]\nfiles = \"documents.jsonl\"\nkey = \"id\"\n\n\
                    [dataset.once]\nfrom = \"documents\"\ndedup = { by = \"text\", method = \"normalised\" }\n\n\
                    [export.once]\nfrom = \"once\"\nto = \"once.jsonl\"\n";
    against(folder, &documents, manifest, &["dedup_polars"], "out.jsonl", &[]);
}

/// Runs first builds in turns with programs of `benches/peers`.
pub fn against(folder: &Path, documents: &Documents, manifest: &str, peers: &[&str], output: &str, more: &[&str]) {
    write(&folder.join("datamake.toml"), manifest);
    turns(folder, documents, &empty, peers, output, more);
}

/// Removes what builds have made.
pub fn empty(folder: &Path) {
    let _ = fs::remove_dir_all(folder.join(".datamake"));
}

/// Returns which Python has the peers.
pub fn python() -> String {
    std::env::var("DATAMAKE_PYTHON").unwrap_or("python3".to_owned())
}

/// Returns the path of a program of `benches/peers`.
pub fn peer(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(format!("{name}.py"))
}

/// Runs builds in turns with programs of `benches/peers`, each after `prepare`.
pub fn turns(
    folder: &Path,
    documents: &Documents,
    prepare: &dyn Fn(&Path),
    peers: &[&str],
    output: &str,
    more: &[&str],
) {
    let python = python();
    let mut commands = vec![("datamake", datamake(folder, &["build", "--quiet"]))];
    for name in peers {
        let library = name.rsplit('_').next().expect("its name ends so");
        let library = if library == "python" { "json" } else { library };
        if !runs(Command::new(&python).args(["-c", &format!("import {library}")])) {
            println!("  {library}: `{python}` does not have it");
            continue;
        }
        let mut command = Command::new(&python);
        command.current_dir(folder).arg(peer(name)).args([&documents.name, output]).args(more);
        commands.push((library, command));
    }
    in_turns(folder, documents, prepare, &mut commands, output);
}

/// Runs commands in turns, each after `prepare`, and prints the median of each.
pub fn in_turns(
    folder: &Path,
    documents: &Documents,
    prepare: &dyn Fn(&Path),
    commands: &mut [(&str, Command)],
    output: &str,
) {
    let mut found = vec![Vec::new(); commands.len()];
    for _ in 0..setting("DATAMAKE_ROUNDS", 3) {
        for ((_, command), found) in commands.iter_mut().zip(&mut found) {
            // A build of what was not there, and a file that was not there, for everybody.
            prepare(folder);
            let _ = fs::remove_file(folder.join(output));
            found.push(watch(command));
        }
    }
    let middle = |found: &[Watched], of: fn(&Watched) -> Duration| {
        let mut all: Vec<Duration> = found.iter().map(of).collect();
        all.sort();
        Figure::Time(all[all.len() / 2])
    };
    let times: Vec<[Figure; 2]> =
        found.iter().map(|found| [middle(found, |one| one.clock), middle(found, |one| one.cpu)]).collect();
    for (((name, _), [clock, cpu]), found) in commands.iter().zip(&times).zip(&found) {
        let peak = found.iter().map(|one| one.peak).max().unwrap_or_default();
        let Figure::Time(seconds) = cpu else { unreachable!("it is a time") };
        let speed = Figure::Ratio(documents.bytes as f64 / 1e6 / seconds.as_secs_f64());
        let rest = [
            ("CPU", *cpu),
            ("MB per CPU s", speed),
            ("memory", Figure::Megabytes(peak)),
            ("times the clock of the first", *clock / times[0][0]),
            ("its CPU", *cpu / times[0][1]),
        ];
        row(&[&[(*name, *clock)], &rest[..]].concat());
    }
}

/// Builds after the first: another threshold, 1 % more rows, one row changed.
pub fn edits(folder: &Path) {
    let documents = Documents::write(folder, setting("DATAMAKE_MB", 900));
    let manifest = |threshold: &str| {
        let text = filter(threshold, "kept.jsonl");
        let export = text.find("[export").expect("it has an export");
        write(&folder.join("datamake.toml"), &text[..export]);
    };
    let mut build = datamake(folder, &["build", "--quiet"]);
    manifest("0.2");
    let first = Figure::Time(time(&mut build));
    let mut again: Vec<Duration> = (0..7)
        .map(|round| {
            manifest(&format!("0.3{round}"));
            time(&mut build)
        })
        .collect();
    again.sort();
    let again = Figure::Time(again[3]);
    row(&[("first build", first), ("new threshold", again), ("ratio", first / again)]);

    let path = folder.join(&documents.name);
    let append = |from: u64, rows: u64| {
        let file = fs::OpenOptions::new().append(true).open(&path).expect("the file is there");
        Documents::rows(&mut BufWriter::new(file), from, u64::MAX, rows)
    };
    append(documents.rows, documents.rows / 100);
    let appended = Figure::Time(time(&mut build));
    // A file that looks new and is not: all that a build does is to hash it.
    fs::File::open(&path).and_then(|file| file.set_modified(std::time::SystemTime::now())).expect("the file is ours");
    let hashed = Figure::Time(time(&mut build));
    row(&[("1 % more rows", appended), ("hashing the file", hashed), ("first build", first)]);

    let before = size(&folder.join(".datamake"));
    let bytes = fs::read(&path).expect("the file fits into memory");
    let at = bytes.len() / 2;
    let at = at + bytes[at..].windows(9).position(|nine| nine == b"\"text\": \"").expect("there is a text");
    fs::write(&path, [&bytes[..at + 9], b"One word more. ", &bytes[at + 9..]].concat()).expect("the disk has room");
    let changed = Figure::Time(time(&mut build));
    let grown = Figure::Count((size(&folder.join(".datamake")) - before) / 1024);
    row(&[("one row changed", changed), ("KiB more in the store", grown)]);
}

/// Hashes a large file for the first time, against b3sum.
pub fn hashing(folder: &Path) {
    if !runs(Command::new("b3sum").arg("--version")) {
        println!("  needs `b3sum` on the PATH");
        return;
    }
    let file = folder.join("large.jsonl");
    let mut out = BufWriter::new(fs::File::create(&file).expect("the scratch folder is writable"));
    let line = format!("{{\"text\": \"{}\"}}\n", "as good as any other ".repeat(50_000));
    let lines = setting("DATAMAKE_MB", 2000) * 1_000_000 / line.len() as u64;
    (0..lines).for_each(|_| out.write_all(line.as_bytes()).expect("the disk has room"));
    out.flush().expect("the disk has room");
    write(&folder.join("datamake.toml"), "[dataset.large]\nfiles = \"large.jsonl\"\n");
    run(&mut datamake(folder, &["build", "--quiet"]));
    let mut ours = datamake(folder, &["build", "--quiet"]);
    let mut theirs = Command::new("b3sum");
    theirs.arg(&file);
    let mut times: [Vec<Duration>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..7 {
        // It is not known any more.
        fs::remove_file(folder.join(".datamake/stat")).expect("a build remembers what files looked like");
        times[0].push(time(&mut ours));
        times[1].push(time(&mut theirs));
    }
    times.iter_mut().for_each(|times| times.sort());
    let [ours, theirs] = times.map(|times| Figure::Time(times[3]));
    row(&[("datamake", ours), ("b3sum", theirs), ("ratio", theirs / ours)]);
}

/// Keeps long documents without what is unwanted and with a good score, and exports them.
fn filter(threshold: &str, to: &str) -> String {
    format!(
        "[dataset.documents]\nfiles = \"documents.jsonl\"\nkey = \"id\"\n\n\
         [dataset.kept]\nfrom = \"documents\"\nsteps = [\n  \
         {{ where = \"length(text) >= 200 and not regexp_like(text, '{UNWANTED}')\" }},\n  \
         {{ where = \"score >= {threshold}\" }},\n]\n\n\
         [export.kept]\nfrom = \"kept\"\nto = \"{to}\"\n"
    )
}

pub struct Documents {
    pub name: String,
    pub bytes: u64,
    rows: u64,
}

impl Documents {
    /// Writes documents of words that are as frequent as words are; one in twenty was there before, in capitals or not.
    pub fn write(folder: &Path, megabytes: u64) -> Documents {
        let path = folder.join("documents.jsonl");
        let mut out = BufWriter::new(fs::File::create(&path).expect("the scratch folder is writable"));
        let (bytes, rows) = Documents::rows(&mut out, 0, megabytes * 1_000_000, u64::MAX);
        Documents { name: "documents.jsonl".to_owned(), bytes, rows }
    }

    /// Writes rows from number `first` on, up to so many bytes or rows; returns how many of both.
    fn rows(out: &mut impl std::io::Write, first: u64, bytes: u64, rows: u64) -> (u64, u64) {
        let mut random = Random(first + 1);
        let words: Vec<String> = (0..20_000).map(|word| Random(word * 7 + 3).word()).collect();
        let mut known: Vec<String> = Vec::new();
        let (mut written, mut id) = (0, first);
        while written < bytes && id - first < rows {
            let text = match random.below(20) {
                0 if !known.is_empty() => {
                    let text = &known[random.below(known.len() as u64) as usize];
                    if random.below(2) == 0 { text.to_uppercase() } else { text.clone() }
                }
                _ => random.text(&words),
            };
            let line = format!(
                "{{\"id\": {id}, \"url\": \"https://example.org/{}/{id}\", \"score\": 0.{:06}, \"lang\": \"{}\", \"text\": \"{}\"}}\n",
                id % 977,
                random.below(1_000_000),
                ["en", "de", "fr"][random.below(3) as usize],
                text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
            );
            if known.len() < 5000 {
                known.push(text);
            }
            out.write_all(line.as_bytes()).expect("the disk has room");
            written += line.len() as u64;
            id += 1;
        }
        out.flush().expect("the disk has room");
        (written, id - first)
    }
}

/// Knuth's generator of MMIX: good enough for words.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn word(&mut self) -> String {
        self.below(100);
        let letters = 2 + self.below(5) + self.below(5);
        (0..letters).map(|_| char::from(b"etaoinshrdlucmfwypvbgk"[self.below(22) as usize])).collect()
    }

    /// Sentences of thirteen words; a third of the texts have accents.
    fn text(&mut self, words: &[String]) -> String {
        let count = 20 + self.below(100) * self.below(100) / 8;
        let mut text = String::new();
        let between = [" ", "\n", "\n\n"][self.below(3) as usize];
        for at in 0..count {
            // The n-th word comes up about as often as 1 in n.
            let rank = (words.len() as f64).powf(self.below(1 << 20) as f64 / (1 << 20) as f64) as usize - 1;
            let word = &words[rank];
            if at % 13 == 0 {
                text.push_str(if at == 0 { "" } else { between });
                text.push_str(&word[..1].to_uppercase());
                text.push_str(&word[1..]);
            } else {
                text.push(' ');
                text.push_str(word);
            }
            if at % 13 == 12 || at == count - 1 {
                text.push_str([".", ".", "?", "!\""][self.below(4) as usize]);
            }
        }
        if self.below(3) == 0 { text.replacen('e', "é", 2) } else { text }
    }
}

pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

pub fn runs(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let one = |path: PathBuf| if path.is_dir() { size(&path) } else { path.metadata().map_or(0, |file| file.len()) };
    entries.map(|entry| one(entry.path())).sum()
}
