//! Measures of texts and filters over them, and rows that are alike, against the programs that do the same.
//!
//! `DATAMAKE_PYTHON` says which Python has `datatrove`, `rensa`, `polars` and `kenlm`; see `documents.rs` for the rest.

use super::documents::{Documents, against, empty, in_turns, peer, python, runs, setting, turns};
use super::{Figure, datamake, row, run, time, write};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Drops documents that are nearly like one before, against rensa with as many places and bands.
pub fn minhash(folder: &Path) {
    let documents = Documents::write(folder, setting("DATAMAKE_MB", 100));
    let manifest = "[dataset.documents]\nfiles = \"documents.jsonl\"\nkey = \"id\"\n\n[dataset.once]\nfrom = \"documents\"\n\
                    dedup = { by = \"text\", method = \"minhash\", bands = 14, rows = 8 }\n\n\
                    [export.once]\nfrom = \"once\"\nto = \"once.jsonl\"\n";
    against(folder, &documents, manifest, &["minhash_rensa"], "out.jsonl", &[]);
}

/// Drops documents with words of every 500th of them, against a set of Python and datatrove's functions.
pub fn decontaminate(folder: &Path) {
    let documents = Documents::write(folder, setting("DATAMAKE_MB", 100));
    let all = fs::read_to_string(folder.join(&documents.name)).expect("the documents can be read");
    let some: String = all.split_inclusive('\n').step_by(500).collect();
    fs::write(folder.join("evaluation.jsonl"), some).expect("the scratch folder can be written");
    let manifest = "[dataset.documents]\nfiles = \"documents.jsonl\"\nkey = \"id\"\n\n\
                    [dataset.evaluation]\nfiles = \"evaluation.jsonl\"\nkey = \"id\"\nrole = \"evaluation\"\n\n\
                    [dataset.clean]\nfrom = \"documents\"\ndecontaminate = { columns = \"text\" }\n\n\
                    [export.clean]\nfrom = \"clean\"\nto = \"clean.jsonl\"\n";
    let peers = ["decontaminate_python", "decontaminate_datatrove"];
    against(folder, &documents, manifest, &peers, "out.jsonl", &["evaluation.jsonl"]);
}

/// Takes all measures of four published filters, against datatrove.
pub fn ready_filters(folder: &Path) {
    let documents = Documents::write(folder, setting("DATAMAKE_MB", 60));
    against(folder, &documents, &published(), &["filters_datatrove"], "verdicts.jsonl", &[]);
}

/// The same with two jobs at once and with one.
pub fn two_cores(folder: &Path) {
    let documents = Documents::write(folder, setting("DATAMAKE_MB", 200));
    write(&folder.join("datamake.toml"), &published());
    let build = |jobs| datamake(folder, &["build", "--quiet", "--jobs", jobs]);
    in_turns(folder, &documents, &empty, &mut [("two jobs", build("2")), ("one job", build("1"))], "verdicts.jsonl");
}

fn published() -> String {
    let names = ["gopher_quality", "gopher_repetition", "c4", "fineweb"];
    let filters: String = names.iter().map(|name| format!("[filter.{name}]\nuse = \"{name}\"\n\n")).collect();
    format!(
        "[dataset.documents]\nfiles = \"documents.jsonl\"\nkey = \"id\"\n\n\
         [dataset.good]\nfrom = \"documents\"\nfilter = [\"{}\"]\n\n{filters}",
        names.join("\", \"")
    )
}

/// Counts the different runs of words of all documents, against polars.
pub fn distinct(folder: &Path) {
    let documents = Documents::write(folder, setting("DATAMAKE_MB", 100));
    let metric = |n| format!("[metric.distinct_{n}]\non = [\"documents\"]\nvalue = \"distinct_n(text, {n})\"\n\n");
    let metrics: String = (1..4).map(metric).collect();
    let manifest = format!("[dataset.documents]\nfiles = \"documents.jsonl\"\nkey = \"id\"\n\n{metrics}");
    against(folder, &documents, &manifest, &["distinct_polars"], "ratios.txt", &[]);
}

/// Measures documents by a language model of every 20th of them that is there already, against the Python module of KenLM.
pub fn perplexity(folder: &Path) {
    let documents = Documents::write(folder, setting("DATAMAKE_MB", 100));
    let all = fs::read_to_string(folder.join(&documents.name)).expect("the documents can be read");
    let some: String = all.split_inclusive('\n').step_by(20).collect();
    fs::write(folder.join("reference.jsonl"), some).expect("the scratch folder can be written");
    let mut model = Command::new(python());
    model.current_dir(folder).arg(peer("perplexity_arpa")).args(["reference.jsonl", "reference.arpa", "5"]);
    if !runs(&mut model) {
        println!("  the model in ARPA's form could not be written");
        return;
    }
    let few: String = all.split_inclusive('\n').take(1).collect();
    let before = "[dataset.reference]\nfiles = \"reference.jsonl\"\nkey = \"id\"\n\n\
                  [lm.reference]\nfrom = \"reference\"\ncolumn = \"text\"\n\n\
                  [dataset.documents]\nfiles = \"documents.jsonl\"\nkey = \"id\"\n\
                  perplexity = { lm = \"reference\", column = \"text\", into = \"ppl\" }\n";
    let prepare = |folder: &Path| {
        empty(folder);
        write(&folder.join("datamake.toml"), before);
        fs::write(folder.join(&documents.name), &few).expect("the scratch folder can be written");
        run(&mut datamake(folder, &["build", "--quiet"]));
        fs::write(folder.join(&documents.name), &all).expect("the scratch folder can be written");
    };
    turns(folder, &documents, &prepare, &["perplexity_kenlm"], "out.txt", &["reference.arpa"]);
}

/// Moves the thresholds of conditions over dear functions.
pub fn thresholds(folder: &Path) {
    Documents::write(folder, setting("DATAMAKE_MB", 100));
    let manifest = |threshold: f64| {
        let conditions = [
            format!("compression_ratio(text) > {threshold}"),
            format!("coalesce(language_confidence(text), 0) >= {}", threshold - 1.0),
            format!("coalesce(flesch_reading_ease(text), 0) > {}", threshold - 400.0),
            format!("pii_count(text, 'email') < {}", threshold + 3.0),
            format!("repetition(text, 4) < {}", threshold / 4.0),
        ];
        let text =
            "[dataset.documents]\nfiles = \"documents.jsonl\"\nkey = \"id\"\n\n[dataset.good]\nfrom = \"documents\"\n";
        write(&folder.join("datamake.toml"), &format!("{text}where = \"{}\"\n", conditions.join(" and ")));
    };
    let mut build = datamake(folder, &["build", "--quiet"]);
    manifest(1.0);
    let first = Figure::Time(time(&mut build));
    let mut again: Vec<Duration> = (1..8)
        .map(|round| {
            manifest(1.0 + f64::from(round) / 100.0);
            time(&mut build)
        })
        .collect();
    again.sort();
    let again = Figure::Time(again[3]);
    row(&[("first build", first), ("new thresholds", again), ("ratio", first / again)]);
}
