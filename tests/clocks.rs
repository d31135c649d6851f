//! A clock that is set back: files and logs from the future, and builds that know no better.

mod common;

use common::Sandbox;
use std::fs;
use std::time::{Duration, SystemTime};

const PROJECT: &str = r#"
[dataset.rows]
files = "rows.jsonl"

[dataset.kept]
from = "rows"
where = "n % 3 > 0"

[metric.mean]
on = "kept"
value = "avg(n)"
"#;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Moves all that a store knows of time a year ahead, as if the clock had been wrong until now.
fn age(sandbox: &Sandbox) {
    let files = walkdir::WalkDir::new(sandbox.path()).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    for entry in files {
        let later = SystemTime::now() + YEAR;
        fs::File::options().append(true).open(entry.path()).and_then(|file| file.set_modified(later)).expect("ours");
        let name = entry.file_name().to_str().expect("our names are text");
        if let Some((time, rest)) = name.split_once('-').filter(|(_, rest)| rest.ends_with(".log"))
            && let Ok(time) = u64::from_str_radix(time, 16)
        {
            let name = format!("{:016x}-{rest}", time + YEAR.as_nanos() as u64);
            fs::rename(entry.path(), entry.path().with_file_name(name)).expect("ours");
        }
    }
}

#[test]
fn a_clock_that_goes_backwards_changes_no_result() {
    let sandbox = Sandbox::on_real_disk();
    sandbox.write("datamake.toml", PROJECT);
    // All contents have the same length.
    let rows = |version: u64| (0..60).map(|n| format!("{{\"n\": {:4}}}\n", n * 7 + version)).collect::<String>();
    sandbox.write("rows.jsonl", rows(100));
    sandbox.built();
    age(&sandbox);
    assert_eq!(sandbox.made(), [""; 0], "times are in no key");
    // More builds than there may be logs, so that new ones are joined with those from the future.
    for version in 101..125 {
        sandbox.write("rows.jsonl", rows(version % 7));
        let file = fs::File::options().append(true).open(sandbox.file("rows.jsonl")).expect("it is there");
        file.set_modified(SystemTime::now() + YEAR).expect("ours");
        sandbox.built();
        assert_eq!(sandbox.results(), sandbox.clean(), "version {version}");
        if version == 112 {
            age(&sandbox);
        }
    }
    let project = sandbox.project().expect("the manifest is right");
    assert!(project.store().verify(&|_| ()).is_empty());
    assert_eq!(sandbox.made(), [""; 0]);
}
