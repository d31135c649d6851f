//! Projects at the limit, against what any tool would have to do: `cargo bench --bench scale [-- NAME …]`.
//!
//! Wall times are medians of runs in turns, beside the time of all threads together. `docs/performance.md` has the figures of one
//! machine.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Measures something in a folder of its own, and prints what it found.
type Bench = fn(&Path);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if wanted.first().is_some_and(|word| word == "walk") {
        // What this program does when it is started for comparison.
        println!("{}", walk(Path::new(&wanted[1])));
        return;
    }
    let benches: [(&str, Bench); 4] =
        [("many-files", many_files), ("many-rows", many_rows), ("few-changes", few_changes), ("last-rows", last_rows)];
    let scratch = std::env::temp_dir().join(format!("datamake-scale-{}", std::process::id()));
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

/// Lets short commands be repeated: `DATAMAKE_ROWS` and `DATAMAKE_FILES` make them smaller.
fn size(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Nothing to do with 100,000 source files in 100 folders, against a walk over them that asks for the times of each, on all threads.
fn many_files(folder: &Path) {
    let files = size("DATAMAKE_FILES", 100_000);
    for n in 0..files {
        write(&folder.join(format!("data/{:03}/{n:06}.jsonl", n % 100)), &format!("{{\"n\": {n}}}\n"));
    }
    write(
        &folder.join("datamake.toml"),
        "[dataset.rows]\nfiles = \"data/*/*.jsonl\"\n\n[dataset.kept]\nfrom = \"rows\"\nwhere = \"n % 2 = 0\"\n",
    );
    let first = time(&mut datamake(folder, &["build", "--quiet"]));
    settle();
    let second = time(&mut datamake(folder, &["build", "--quiet"]));
    let mut ours = datamake(folder, &["build"]);
    let mut theirs = Command::new(std::env::current_exe().expect("it runs"));
    theirs.arg("walk").arg(folder.join("data"));
    let [ours, theirs] = median([&mut ours, &mut theirs], 15);
    line(&[
        ("files", files.to_string()),
        ("first build", milliseconds(first.wall)),
        ("all looked at", milliseconds(second.wall)),
        ("nothing to do", ours.to_string()),
        ("stat walk", theirs.to_string()),
        ("ratio", format!("{:.2}", ours.wall.as_secs_f64() / theirs.wall.as_secs_f64())),
        ("of CPU", format!("{:.2}", ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64())),
    ]);
}

/// Asks for the times of all files below a folder: folders are listed and looked through by as many threads as there are.
fn walk(folder: &Path) -> u64 {
    let open = Mutex::new((vec![folder.to_owned()], 0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut files = 0;
        loop {
            let next = {
                let mut open = open.lock().expect("no thread panics with this lock");
                let next = open.0.pop();
                open.1 += usize::from(next.is_some());
                match next {
                    None if open.1 == 0 => return files,
                    next => next,
                }
            };
            let Some(folder) = next else {
                std::thread::yield_now();
                continue;
            };
            let mut below = Vec::new();
            for entry in fs::read_dir(folder).expect("it can be listed").flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    below.push(entry.path());
                } else {
                    files += u64::from(entry.metadata().is_ok_and(|metadata| metadata.modified().is_ok()));
                }
            }
            let mut open = open.lock().expect("no thread panics with this lock");
            open.0.extend(below);
            open.1 -= 1;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it does not panic")).sum()
    })
}

/// Nothing to do with 10,000,000 rows through 20 nodes.
fn many_rows(folder: &Path) {
    let rows = size("DATAMAKE_ROWS", 10_000_000);
    let mut toml = format!(
        "[dataset.n0]\nsynth = {{ rows = {rows}, seed = 1, columns = {{ n = {{ sequence = 1 }}, x = {{ integer = [0, 1_000_000] }} }} }}\n"
    );
    for node in 1..20 {
        write!(toml, "\n[dataset.n{node}]\nfrom = \"n{}\"\nwhere = \"x >= {node}\"\n", node - 1)
            .expect("a string takes all");
    }
    write(&folder.join("datamake.toml"), &toml);
    let first = time(&mut datamake(folder, &["build", "--quiet"]));
    settle();
    let second = time(&mut datamake(folder, &["build", "--quiet"]));
    let [ours] = median([&mut datamake(folder, &["build"])], 15);
    let [verbose] = median([&mut datamake(folder, &["build", "-v"])], 5);
    line(&[
        ("rows x 20", rows.to_string()),
        ("first build", milliseconds(first.wall)),
        ("memory", megabytes(first.memory)),
        ("looked up", milliseconds(second.wall)),
        ("with -v", verbose.to_string()),
        ("nothing to do", ours.to_string()),
    ]);
}

/// The difference of two versions of 10,000,000 rows of which 10 changed.
fn few_changes(folder: &Path) {
    let rows = size("DATAMAKE_ROWS", 10_000_000);
    let changed = |n: u64| n % (rows / 10) == 7;
    let data = |version: u64| {
        let mut data = BufWriter::new(File::create(folder.join("rows.csv")).expect("the scratch folder is writable"));
        writeln!(data, "id,score,name").expect("the disk has room");
        for n in 0..rows {
            let score = n.wrapping_mul(2_654_435_761) % 1000 + if changed(n) { version } else { 0 };
            writeln!(data, "{n},{score},name of {n}").expect("the disk has room");
        }
        data.flush().expect("the disk has room");
    };
    write(&folder.join("datamake.toml"), "[dataset.rows]\nfiles = \"rows.csv\"\nkey = \"id\"\n");
    data(0);
    let first = time(&mut datamake(folder, &["build", "--quiet"]));
    data(1);
    let second = time(&mut datamake(folder, &["build", "--quiet"]));
    let mut ours = datamake(folder, &["diff", "last-1", "last"]);
    let told = String::from_utf8(ours.output().expect("it runs").stdout).expect("it is text");
    assert!(told.contains("10 changed"), "{told}");
    let [diff] = median([&mut ours], 9);
    line(&[
        ("rows", rows.to_string()),
        ("first build", milliseconds(first.wall)),
        ("after 10 changes", milliseconds(second.wall)),
        ("memory", megabytes(second.memory)),
        ("diff", diff.to_string()),
    ]);
}

/// The last rows of 10,000,000, and figures of a column.
fn last_rows(folder: &Path) {
    let rows = size("DATAMAKE_ROWS", 10_000_000);
    write(
        &folder.join("datamake.toml"),
        &format!("[dataset.rows]\nsynth = {{ rows = {rows}, seed = 1, columns = {{ n = {{ sequence = 1 }} }} }}\n"),
    );
    run(&mut datamake(folder, &["build", "--quiet"]));
    let [show, log] = median([&mut datamake(folder, &["show", "rows"]), &mut datamake(folder, &["log"])], 9);
    line(&[("rows", rows.to_string()), ("show", show.to_string()), ("log", log.to_string())]);
}

/// What a command took.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    /// Of all threads, in the system too.
    cpu: Duration,
    /// The most that it had in memory, in bytes.
    memory: u64,
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (CPU {})", milliseconds(self.wall), milliseconds(self.cpu))
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

fn line(cells: &[(&str, String)]) {
    println!("  {}", cells.iter().map(|(name, figure)| format!("{name}: {figure}")).collect::<Vec<_>>().join("   "));
}

/// Runs the commands in turns, and returns the median time of each, and the mean of what it took of the processors.
fn median<const N: usize>(mut commands: [&mut Command; N], rounds: usize) -> [Took; N] {
    let mut all: [(Vec<Duration>, Duration); N] = std::array::from_fn(|_| Default::default());
    for _ in 0..rounds {
        for (command, (walls, cpu)) in commands.iter_mut().zip(&mut all) {
            let (begun, before) = (Instant::now(), of_children());
            run(command);
            walls.push(begun.elapsed());
            *cpu += of_children() - before;
        }
    }
    all.map(|(mut walls, cpu)| {
        walls.sort();
        Took { wall: walls[rounds / 2], cpu: cpu / rounds as u32, memory: 0 }
    })
}

/// Returns what all children took of the processors so far. The system counts finer than it tells, so that means are right.
fn of_children() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").expect("Linux tells it");
    let (_, fields) = text.rsplit_once(')').expect("the name is in brackets");
    let ticks = fields.split_whitespace().skip(13).take(2).map(|field| field.parse::<u64>().expect("a number"));
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// Runs a command under GNU time, which tells how much memory it had.
fn time(command: &mut Command) -> Took {
    let report = std::env::temp_dir().join(format!("datamake-time-{}", std::process::id()));
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%U %S %M", "-o"]).arg(&report).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        timed.current_dir(folder);
    }
    let begun = Instant::now();
    run(&mut timed);
    let wall = begun.elapsed();
    let text = fs::read_to_string(&report).expect("GNU time is installed (Debian: time)");
    let numbers: Vec<f64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let [user, system, kilobytes] = numbers[..] else { panic!("three numbers: {text}") };
    Took { wall, cpu: Duration::from_secs_f64(user + system), memory: (kilobytes * 1024.0) as u64 }
}

/// Longer than a file has to be left alone to be known by its times.
fn settle() {
    std::thread::sleep(Duration::from_millis(100));
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
