//! How much memory each step needs for an input of so many gigabytes, export included:
//! `DATAMAKE_GB=10 cargo bench --bench memory [-- NAME …]`.
//!
//! The documents are read once, into a store that all steps share. A step more is a line more in [`STEPS`].

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Each step, alone on the documents: its name, and what stands in the dataset `made`. `rows` are the documents.
const STEPS: &[(&str, &str)] = &[
    ("files", "from = 'rows'"),
    ("where", "from = 'rows'\nwhere = 'score > 0.5 and length(text) > 300'"),
    ("regex", "from = 'rows'\nwhere = \"regexp_like(text, 'seventeen .* Maria')\""),
    ("columns", "from = 'rows'\ncolumns = { words = 'word_count(text)', low = 'lower(text)' }"),
    ("select", "from = 'rows'\nselect = ['id', 'text as body']"),
    ("render", "from = 'rows'\nrender = { template = '{{ topic }}: {{ text }}', into = 'shown' }"),
    ("dedup", "from = 'rows'\ndedup = { by = 'text', method = 'normalised' }"),
    ("minhash", "from = 'rows'\ndedup = { by = 'text', method = 'minhash' }"),
    ("dedup_spans", "from = 'rows'\ndedup_spans = { column = 'text', unit = 'words', into = 'own' }"),
    ("decontaminate", "from = 'rows'\ndecontaminate = { columns = 'text', against = 'few' }"),
    ("sample", "from = 'rows'\nsample = { fraction = 0.5, seed = 1 }"),
    ("sample-rows", "from = 'rows'\nsample = { rows = 100000, seed = 1 }"),
    ("split", "from = 'rows'\nsplit = { parts = { made = 0.9, rest = 0.1 }, seed = 1 }"),
    ("concat", "concat = ['rows', 'few']"),
    ("mix", "mix = { seed = 1, of = { rows = 0.9, few = 0.1 } }"),
];

const WORDS: [&str; 12] =
    ["the", "number", "of", "apples", "was", "seventeen", "and", "Maria", "gave", "three", "to", "each"];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let gigabytes: f64 = std::env::var("DATAMAKE_GB").map_or(1.0, |text| text.parse().expect("a number of gigabytes"));
    let folder = std::env::temp_dir().join(format!("datamake-memory-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("the scratch folder can be made");
    let rows = documents(&folder.join("rows.jsonl"), (gigabytes * 1e9) as u64);
    println!("{gigabytes} GB, {rows} rows");
    for (name, step) in STEPS {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            for end in ["jsonl", "parquet"] {
                measure(&folder, name, step, end);
            }
        }
    }
    let _ = fs::remove_dir_all(&folder);
}

fn measure(folder: &Path, name: &str, step: &str, end: &str) {
    let from = if step.contains("split") { "made.made" } else { "made" };
    let manifest = format!(
        "[dataset.rows]\nfiles = 'rows.jsonl'\nkey = 'id'\n\n[dataset.few]\nfrom = 'rows'\nsample = {{ fraction = 0.01 }}\n\n\
         [dataset.made]\n{step}\n\n[metric.mean]\non = '{from}'\nvalue = 'avg(length({text}))'\n\n[export.out]\nfrom = '{from}'\nto = 'out.{end}'\n",
        text = if step.contains("body") { "body" } else { "text" }
    );
    fs::write(folder.join("datamake.toml"), manifest).expect("the scratch folder is writable");
    let report = folder.join("time");
    let begun = Instant::now();
    let mut command = Command::new("/usr/bin/time");
    command.args(["-f", "%U %S %M", "-o"]).arg(&report).arg(PathBuf::from(env!("CARGO_BIN_EXE_datamake")));
    let output = command.args(["build", "--quiet"]).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.expect("GNU time is installed (Debian: time)");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let told = fs::read_to_string(&report).expect("GNU time writes its report");
    let numbers: Vec<f64> = told.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let size = fs::metadata(folder.join(format!("out.{end}"))).map_or(0, |file| file.len());
    println!(
        "  {name:<12} {end:<8} {:>6.0} MB   {:>7.1} s   CPU {:>7.1} s   wrote {:>8.0} MB",
        numbers[2] * 1024.0 / 1e6,
        begun.elapsed().as_secs_f64(),
        numbers[0] + numbers[1],
        size as f64 / 1e6
    );
    let _ = fs::remove_file(folder.join(format!("out.{end}")));
}

/// Writes documents of about a kilobyte; returns how many. One in ten is there twice.
fn documents(path: &Path, bytes: u64) -> u64 {
    let mut data = BufWriter::with_capacity(1 << 20, File::create(path).expect("the scratch folder is writable"));
    let (mut written, mut id) = (0_u64, 0_u64);
    let mut line = String::new();
    while written < bytes {
        let mut random = if id % 10 == 9 { id - 1 } else { id };
        line.clear();
        line.push_str(&format!(
            "{{\"id\": {id}, \"score\": 0.{:03}, \"topic\": \"topic {}\", \"text\": \"",
            id * 7919 % 1000,
            id % 40
        ));
        while line.len() < 990 {
            // Knuth, MMIX: good enough for words.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            line.push_str(WORDS[((random >> 33) % WORDS.len() as u64) as usize]);
            line.push(' ');
        }
        line.push_str("\"}\n");
        data.write_all(line.as_bytes()).expect("the disk has room");
        written += line.len() as u64;
        id += 1;
    }
    data.flush().expect("the disk has room");
    id
}
