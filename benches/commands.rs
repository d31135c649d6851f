//! Whole commands against each other, in turns within one run: `cargo bench --bench commands [-- NAME …]`.
//!
//! Only the ratios mean something on another machine. `docs/performance.md` has the figures of one.

#[path = "commands/documents.rs"]
mod documents;
#[path = "commands/quality.rs"]
mod quality;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Measures something in a folder of its own, and prints what it found.
type Bench = fn(&Path);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let benches: [(&str, Bench); 14] = [
        ("start", start),
        ("nothing-to-do", nothing_to_do),
        ("first-build", documents::first_build),
        ("parquet", documents::parquet),
        ("dedup", documents::dedup),
        ("ready-filters", quality::ready_filters),
        ("two-cores", quality::two_cores),
        ("distinct", quality::distinct),
        ("thresholds", quality::thresholds),
        ("minhash", quality::minhash),
        ("decontaminate", quality::decontaminate),
        ("perplexity", quality::perplexity),
        ("edits", documents::edits),
        ("hashing", documents::hashing),
    ];
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

/// A cell of the table that is printed.
#[derive(Clone, Copy)]
enum Figure {
    Count(u64),
    Megabytes(u64),
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
        Figure::Megabytes(n) => format!("{name} {n:>6} MB"),
        Figure::Time(time) => format!("{name} {:>9.1} ms", time.as_secs_f64() * 1e3),
        Figure::Ratio(ratio) => format!("{name} {ratio:>6.2}"),
    };
    println!("  {}", cells.iter().map(cell).collect::<Vec<_>>().join("   "));
}

/// What a command took.
#[derive(Clone)]
struct Watched {
    clock: Duration,
    /// Of the processor, for user and system.
    cpu: Duration,
    /// The most memory that it had, in megabytes.
    peak: u64,
}

/// Runs a command, and returns what it took.
fn watch(command: &mut Command) -> Watched {
    let (begun, before) = (Instant::now(), of_children());
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
    let mut child = quiet.spawn().expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let most = fs::read_to_string(&status).unwrap_or_default();
        let most = most.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = most.map_or(peak, |kilobytes: u64| kilobytes / 1000);
        if let Some(status) = child.try_wait().expect("the program is ours") {
            assert!(status.success(), "{command:?}");
            return Watched { clock: begun.elapsed(), cpu: of_children() - before, peak };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns the time of the processor that programs took that this one started, in hundredths of a second.
fn of_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux tells it");
    let (_, fields) = stat.rsplit_once(')').expect("the name is in brackets");
    let ticks: u64 =
        fields.split_whitespace().skip(13).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
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
