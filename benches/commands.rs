//! Whole commands against each other, in turns within one run: `cargo bench --bench commands [-- NAME …]`.
//!
//! Only the ratios mean something on another machine. `docs/performance.md` has the figures of one.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Measures something in a folder of its own, and prints what it found.
type Bench = fn(&Path);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let benches: [(&str, Bench); 3] =
        [("start", start), ("nothing-to-do", nothing_to_do), ("new-threshold", new_threshold)];
    let scratch = std::env::temp_dir().join(format!("datamake-bench-{}", std::process::id()));
    for (name, bench) in benches {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            let folder = scratch.join(name);
            fs::create_dir_all(&folder).expect("the scratch folder can be made");
            println!("\n{name}");
            bench(&folder);
            let _ = fs::remove_dir_all(&folder);
        }
    }
    let _ = fs::remove_dir_all(&scratch);
}

/// How long the program takes to say its version.
fn start(folder: &Path) {
    let mut ours = datamake(folder, &["--version"]);
    row(&[("datamake --version", median(&mut [&mut ours], 51)[0])]);
}

/// A build with nothing to do, against ninja on a graph of the same shape: chains of ten nodes, each from a file.
fn nothing_to_do(folder: &Path) {
    if Command::new("ninja").arg("--version").output().is_err() {
        println!("  needs `ninja` on the PATH (Debian: ninja-build)");
        return;
    }
    for nodes in [100, 1000, 5000] {
        let ours = folder.join(format!("datamake-{nodes}"));
        let theirs = folder.join(format!("ninja-{nodes}"));
        let (mut toml, mut ninja) = (String::new(), String::from("rule copy\n  command = cp $in $out\n"));
        for node in 0..nodes {
            let (from, before) = if node % 10 == 0 {
                let data = format!("data/{node}.jsonl");
                write(&ours.join(&data), &format!("{{\"id\": {node}, \"x\": 10000}}\n"));
                write(&theirs.join(&data), &format!("{{\"id\": {node}, \"x\": 10000}}\n"));
                (format!("files = \"{data}\""), data)
            } else {
                (format!("from = \"n{}\"\nwhere = \"x >= {node}\"", node - 1), format!("out/{}", node - 1))
            };
            write!(toml, "[dataset.n{node}]\n{from}\n\n").expect("a string takes all");
            writeln!(ninja, "build out/{node}: copy {before}").expect("a string takes all");
        }
        write(&ours.join("datamake.toml"), &toml);
        write(&theirs.join("build.ninja"), &ninja);
        run(&mut datamake(&ours, &["build", "--quiet"]));
        run(Command::new("ninja").arg("--quiet").current_dir(&theirs));
        let mut ours = datamake(&ours, &["build"]);
        let mut null = Command::new("ninja");
        null.current_dir(&theirs);
        let times = median(&mut [&mut ours, &mut null], 21);
        row(&[
            ("nodes", Figure::Count(nodes)),
            ("datamake", times[0]),
            ("ninja", times[1]),
            ("ratio", times[0] / times[1]),
        ]);
    }
}

/// A filter over 1 GB of JSON Lines: the first build against the one after its threshold was changed.
fn new_threshold(folder: &Path) {
    const ROWS: u64 = 1_000_000;
    let mut data = BufWriter::new(fs::File::create(folder.join("rows.jsonl")).expect("the scratch folder is writable"));
    let mut random = 1_u64;
    let mut bytes = 0;
    for id in 0..ROWS {
        let mut line = format!("{{\"id\": {id}, \"score\": 0.{:03}, \"text\": \"", next(&mut random) % 1000);
        while line.len() < 990 {
            line.push_str(WORDS[(next(&mut random) % WORDS.len() as u64) as usize]);
            line.push(' ');
        }
        line.push_str("\"}\n");
        bytes += line.len() as u64;
        data.write_all(line.as_bytes()).expect("the disk has room for 1 GB");
    }
    data.flush().expect("the disk has room for 1 GB");
    let manifest = |threshold: &str| {
        let text = format!(
            "[dataset.rows]\nfiles = \"rows.jsonl\"\nkey = \"id\"\n\n[dataset.kept]\nfrom = \"rows\"\nwhere = \"score >= {threshold}\"\n"
        );
        write(&folder.join("datamake.toml"), &text);
    };
    manifest("0.5");
    let first = time(&mut datamake(folder, &["build", "--quiet"]));
    let mut again: Vec<Duration> = (0..7)
        .map(|round| {
            manifest(&format!("0.6{round}"));
            time(&mut datamake(folder, &["build", "--quiet"]))
        })
        .collect();
    again.sort();
    let (first, again) = (Figure::Time(first), Figure::Time(again[3]));
    row(&[
        ("MB", Figure::Count(bytes / 1_000_000)),
        ("first build", first),
        ("new threshold", again),
        ("ratio", first / again),
    ]);
}

const WORDS: [&str; 12] =
    ["the", "number", "of", "apples", "was", "seventeen", "and", "Maria", "gave", "three", "to", "each"];

fn next(state: &mut u64) -> u64 {
    // Knuth, MMIX: good enough for words.
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// A cell of the table that is printed.
#[derive(Clone, Copy)]
enum Figure {
    Count(u64),
    Time(Duration),
    Ratio(f64),
}

impl std::ops::Div for Figure {
    type Output = Figure;

    fn div(self, by: Figure) -> Figure {
        match (self, by) {
            (Figure::Time(a), Figure::Time(b)) => Figure::Ratio(a.as_secs_f64() / b.as_secs_f64()),
            _ => unreachable!("only times are compared"),
        }
    }
}

fn row(cells: &[(&str, Figure)]) {
    let cell = |(name, figure): &(&str, Figure)| match figure {
        Figure::Count(n) => format!("{n:>6} {name}"),
        Figure::Time(time) => format!("{name} {:>9.1} ms", time.as_secs_f64() * 1e3),
        Figure::Ratio(ratio) => format!("{name} {ratio:>6.2}"),
    };
    println!("  {}", cells.iter().map(cell).collect::<Vec<_>>().join("   "));
}

/// Runs the commands in turns, and returns the median time of each.
fn median(commands: &mut [&mut Command], rounds: usize) -> Vec<Figure> {
    let mut times = vec![Vec::new(); commands.len()];
    for _ in 0..rounds {
        for (command, times) in commands.iter_mut().zip(&mut times) {
            times.push(time(command));
        }
    }
    times.iter_mut().for_each(|times| times.sort());
    times.iter().map(|times| Figure::Time(times[rounds / 2])).collect()
}

fn time(command: &mut Command) -> Duration {
    let begun = Instant::now();
    run(command);
    begun.elapsed()
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn datamake(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_datamake")));
    command.current_dir(folder).args(words);
    command
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the scratch folder is writable");
    fs::write(path, text).expect("the scratch folder is writable");
}
