//! Whole builds that ask models, against the scripted server on loopback: `cargo bench --bench models [-- NAME …]`.
//!
//! The server runs in this process, so that the figures of the child are the program's own. `DATAMAKE_ROWS=1000000` sets the
//! rows of `memory`. `docs/performance.md` has the figures of one machine.

#[path = "../tests/common/server.rs"]
mod server;

use server::{Act, Play, Server, Setup};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Measures something in a folder of its own, and prints what it found.
type Bench = fn(&Path);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let benches: [(&str, Bench); 4] =
        [("throughput", throughput), ("flow", flow), ("memory", memory), ("nothing-new", nothing_new)];
    let scratch = std::env::temp_dir().join(format!("datamake-models-{}", std::process::id()));
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

/// Requests per second against an endpoint that answers at once, each recorded durably, and what one costs the program.
fn throughput(folder: &Path) {
    let server = at_once();
    for round in 0..3 {
        let folder = folder.join(round.to_string());
        write(&folder, 100_000, 1, 256, &server);
        report(&server, &run(&folder));
    }
}

/// Two chained prompts at 50 ms.
fn flow(folder: &Path) {
    const LATENCY: Duration = Duration::from_millis(50);
    let server = Server::set_up(QUIET, |_| Play::after(LATENCY));
    for round in 0..5 {
        let folder = folder.join(round.to_string());
        write(&folder, 2000, 2, 256, &server);
        let before = server.requests();
        let took = run(&folder);
        let best = LATENCY * (server.requests() - before) as u32 / 256 + 2 * LATENCY;
        println!(
            "  {} requests   {:.0} ms   {:.0} ms at best   ratio {:.2}",
            server.requests() - before,
            took.time.as_secs_f64() * 1e3,
            best.as_secs_f64() * 1e3,
            took.time.as_secs_f64() / best.as_secs_f64()
        );
        server.forget();
    }
}

/// The memory that many rows take.
fn memory(folder: &Path) {
    let rows = std::env::var("DATAMAKE_ROWS").map_or(200_000, |rows| rows.parse().expect("a number of rows"));
    let server = at_once();
    write(folder, rows, 1, 256, &server);
    report(&server, &run(folder));
}

/// The same rows again in a project whose traces are gone: every answer is found in the memo.
fn nothing_new(folder: &Path) {
    let server = at_once();
    write(folder, 100_000, 1, 256, &server);
    run(folder);
    server.forget();
    fs::remove_dir_all(folder.join(".datamake/store/log")).expect("a build leaves traces");
    let took = run(folder);
    assert_eq!(server.requests(), 0);
    println!(
        "  100000 rows   {:.2} s   {:.0} µs of CPU each   {} MB",
        took.time.as_secs_f64(),
        took.cpu.as_secs_f64() * 1e6 / 100_000.0,
        took.peak / 1000
    );
}

const QUIET: Setup = Setup { at_once: None, log: false };

fn at_once() -> Server {
    Server::set_up(QUIET, |_| Act::Answer.into())
}

/// Writes a project with rows from nothing and so many chained prompts.
fn write(folder: &Path, rows: u64, prompts: usize, concurrency: u32, server: &Server) {
    let about = "You are given the number of a student. Write one question of arithmetic for this student: a short story of two or \
                 three sentences with names and things of everyday life, whose answer is a whole number below one thousand.";
    let mut toml = format!(
        "[dataset.seeds]\nkey = \"id\"\nsynth = {{ rows = {rows}, columns = {{ id = {{ sequence = 0 }} }} }}\n\n\
         [model.m]\nprovider = \"openai\"\nurl = \"{}\"\nname = \"m\"\nmax_tokens = 256\nlimits = {{ concurrency = {concurrency} }}\n\n\
         [dataset.answers]\nfrom = \"seeds\"\nsteps = [\n",
        server.url()
    );
    let (mut steps, mut texts) = (String::new(), String::new());
    for at in 0..prompts {
        let reads = if at == 0 { "id".to_owned() } else { format!("text_{}", at - 1) };
        steps += &format!("  {{ generate = {{ prompt = \"p{at}\", model = \"m\", into = \"text_{at}\" }} }},\n");
        texts += &format!("\n[prompt.p{at}]\ntemplate = \"{about} Student: {{{{ {reads} }}}}\"\n");
    }
    toml += &format!("{steps}]\n{texts}");
    fs::create_dir_all(folder).expect("the scratch folder is writable");
    fs::write(folder.join("datamake.toml"), toml).expect("the scratch folder is writable");
}

/// What a command took.
struct Took {
    time: Duration,
    /// In user and system mode.
    cpu: Duration,
    /// In kilobytes.
    peak: u64,
}

fn run(folder: &Path) -> Took {
    let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_datamake")));
    command.current_dir(folder).args(["build", "--quiet"]).stdin(Stdio::null());
    let (before, begun) = (cpu_of_children(), Instant::now());
    let mut child = command.spawn().expect("the program starts");
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_of(child.id()));
        if let Some(status) = child.try_wait().expect("the process can be asked") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success(), "the build failed");
    Took { time: begun.elapsed(), cpu: cpu_of_children() - before, peak }
}

/// Returns what all processes took that this one waited for: /proc counts in hundredths of a second.
fn cpu_of_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("this is Linux");
    let fields = stat.rsplit_once(')').expect("the name is in brackets").1;
    let ticks: u64 =
        fields.split_whitespace().skip(13).take(2).map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

/// Returns the most memory that a process took so far, in kilobytes; 0 if it is gone.
fn peak_of(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn report(server: &Server, took: &Took) {
    let requests = server.requests();
    let per = |time: Duration| time.as_secs_f64() / requests.max(1) as f64;
    println!(
        "  {requests} requests   {:.2} s   {:.0} requests/s   {:.0} µs of CPU each   {} MB",
        took.time.as_secs_f64(),
        1.0 / per(took.time),
        per(took.cpu) * 1e6,
        took.peak / 1000
    );
    server.forget();
}
