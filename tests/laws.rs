//! What makes something stale, and what does not. Each name is a law.

mod common;

use common::Sandbox;
use datamake::exec::State;
use datamake::store::MemoryDisk;
use datamake::table::Limits;
use std::collections::BTreeMap;
use std::fs::{File, FileTimes};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const PROJECT: &str = r#"
[params]
least = 3

[dataset.rows]
files = "data/*.jsonl"
key = "id"

[dataset.kept]
from = "rows"
where = "n >= ${params.least}"

[dataset.asked]
from = "kept"
render = { prompt = "ask", into = "question" }

[prompt.ask]
file = "prompts/ask.md"

[metric.mean]
on = "kept"
value = "avg(n)"

[export.out]
from = "asked"
to = "out/asked.jsonl"
"#;

fn rows(n: usize) -> String {
    (0..n).map(|i| format!("{{\"id\": {i}, \"n\": {}, \"text\": \"text {i}\"}}\n", i % 7)).collect()
}

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", PROJECT);
    sandbox.write("data/a.jsonl", rows(50));
    sandbox.write("prompts/ask.md", "What is {{ n }} of {{ id }}?");
    sandbox.built();
    sandbox
}

/// The project on a real disk, with columns that are too large for a log.
fn with_blobs_as_files() -> Sandbox {
    let mut sandbox = Sandbox::on_real_disk();
    sandbox.limits = Limits::DEFAULT;
    sandbox.write("datamake.toml", PROJECT);
    sandbox.write("data/a.jsonl", rows(3000));
    sandbox.write("prompts/ask.md", "What is {{ n }} of {{ id }}?");
    sandbox.built();
    sandbox
}

/// A build that does not even look at a node's actions.
fn nothing(sandbox: &Sandbox) {
    assert_eq!(sandbox.actions(), BTreeMap::new());
}

fn settle() {
    // Files changed within 50 ms of being hashed are hashed again, whatever their times say.
    std::thread::sleep(Duration::from_millis(60));
}

#[test]
fn a_second_build_has_nothing_to_do() {
    nothing(&project());
}

#[test]
fn changing_a_column_the_filter_does_not_read_leaves_the_filter_fresh() {
    let sandbox = project();
    sandbox.edit("data/a.jsonl", "text 10\"", "other 10\"");
    let ran = sandbox.actions();
    assert!(ran["dataset.rows"] > 0 || ran.contains_key("dataset.rows"), "{ran:?}");
    assert_eq!(ran["dataset.kept"], 0, "no action of the filter ran: {ran:?}");
    assert_eq!(ran["dataset.asked"], 0, "the prompt reads `n` and `id` alone: {ran:?}");
    assert_eq!(ran["metric.mean"], 0, "{ran:?}");
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn changing_a_column_the_filter_reads_runs_the_filter_on_that_row_group_alone() {
    let sandbox = project();
    sandbox.edit("data/a.jsonl", "\"id\": 11, \"n\": 4", "\"id\": 11, \"n\": 5");
    let ran = sandbox.actions();
    assert!((1..=2).contains(&ran["dataset.kept"]), "a mask, and a take if it changed: {ran:?}");
    assert_eq!(ran["dataset.asked"], 1, "one row group is rendered again: {ran:?}");
    assert_eq!(ran["metric.mean"], 1, "{ran:?}");
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn each_condition_that_and_joins_is_remembered_for_itself() {
    let sandbox = project();
    let condition = |text: &str| {
        sandbox.write("datamake.toml", PROJECT.replace("n >= ${params.least}", text));
    };
    let groups = sandbox.project().expect("it opens").table("rows").expect("it was built").groups.len() as u64;
    // Of row groups that look alike one is enough.
    let ran = |text: &str, most: u64| {
        condition(text);
        let ran = sandbox.actions()["dataset.kept"];
        assert!((most - groups + 1..=most).contains(&ran), "{text}: {ran} actions for {groups} row groups");
    };
    ran("length(text) > 6 and n >= 3 and id <> 40", 3 * groups);
    ran("length(text) > 6 and n >= 4 and id <> 40", 2 * groups);
    ran("id <> 40 and n >= 4 and length(text) > 6", groups);
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn a_filter_that_keeps_the_same_rows_leaves_all_after_it_fresh() {
    let sandbox = project();
    sandbox.edit("datamake.toml", "n >= ${params.least}", "n > ${params.least} - 1");
    let ran = sandbox.actions();
    assert!(ran["dataset.kept"] > 0, "{ran:?}");
    assert_eq!(ran.len(), 1, "the table came out the same: {ran:?}");
}

#[test]
fn comments_spaces_and_the_order_of_keys_and_nodes_change_nothing() {
    let sandbox = project();
    let (head, tail) = PROJECT.split_once("[prompt.ask]").expect("it is there");
    sandbox.write("datamake.toml", format!("# moved\n[prompt.ask]{tail}\n\n# a comment{head}"));
    sandbox.edit(
        "datamake.toml",
        "files = \"data/*.jsonl\"\nkey = \"id\"",
        "key    =   'id'\nfiles = ['data/*.jsonl']",
    );
    nothing(&sandbox);
}

#[test]
fn spaces_and_comments_inside_an_expression_run_no_action() {
    let sandbox = project();
    sandbox.edit("datamake.toml", "n >= ${params.least}", "( n  >=  ${params.least} ) -- as before");
    let ran = sandbox.actions();
    assert_eq!(ran, BTreeMap::from([("dataset.kept".to_owned(), 0)]));
}

#[test]
fn a_step_that_leaves_everything_to_its_defaults_is_noticed() {
    let sandbox = project();
    let again: String = rows(50).lines().map(|line| format!("{line}\n{line}\n")).collect();
    sandbox.write("data/a.jsonl", again);
    sandbox.edit("datamake.toml", "where = \"n >= ${params.least}\"", "steps = [{ where = \"n >= ${params.least}\" }]");
    sandbox.built();
    assert_eq!(sandbox.rows("kept").len(), 56);
    sandbox.edit("datamake.toml", "least}\" }]", "least}\" }, { dedup = {} }]");
    sandbox.built();
    assert_eq!(sandbox.rows("kept").len(), 28);
}

#[test]
fn the_order_of_filters_counts() {
    let sandbox = project();
    sandbox.edit("datamake.toml", "where = \"n >= ${params.least}\"", "filter = [\"low\", \"odd\"]");
    let filters = "[filter.low]\nwhere = \"n >= 3\"\n[filter.odd]\nwhere = \"n % 2 = 1\"\n[prompt.ask]";
    sandbox.edit("datamake.toml", "[prompt.ask]", filters);
    let reasons = || {
        sandbox.built();
        sandbox.project().expect("the manifest is right").dropped("kept").expect("rows are dropped")[0]
            .0
            .reasons
            .clone()
    };
    let first = reasons();
    sandbox.edit("datamake.toml", "[\"low\", \"odd\"]", "[\"odd\", \"low\"]");
    assert_ne!(first, reasons());
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn a_title_or_a_tag_is_a_description_and_changes_nothing() {
    let sandbox = project();
    sandbox.edit("datamake.toml", "key = \"id\"", "key = \"id\"\ntitle = \"Rows\"\ntags = [\"raw\"]");
    nothing(&sandbox);
}

#[test]
fn renaming_a_node_runs_no_action() {
    let sandbox = project();
    sandbox.edit("datamake.toml", "[dataset.kept]", "[dataset.good]");
    sandbox.edit("datamake.toml", "\"kept\"", "\"good\"");
    assert_eq!(sandbox.actions().values().sum::<u64>(), 0);
}

#[test]
fn renaming_a_data_file_or_its_folder_runs_no_action() {
    let sandbox = project();
    std::fs::rename(sandbox.file("data/a.jsonl"), sandbox.file("data/z.jsonl")).expect("it is there");
    assert_eq!(sandbox.actions().values().sum::<u64>(), 0);
}

#[test]
fn touching_a_file_changes_nothing() {
    let sandbox = project();
    settle();
    let now = SystemTime::now();
    for path in ["data/a.jsonl", "prompts/ask.md", "datamake.toml", "out/asked.jsonl"] {
        let file = File::options().write(true).open(sandbox.file(path)).expect("it is there");
        file.set_times(FileTimes::new().set_modified(now)).expect("times can be set");
    }
    nothing(&sandbox);
}

#[test]
fn other_content_under_an_older_mtime_is_seen() {
    let sandbox = project();
    settle();
    sandbox.built();
    sandbox.edit("data/a.jsonl", "\"id\": 11, \"n\": 4", "\"id\": 11, \"n\": 6");
    let file = File::options().write(true).open(sandbox.file("data/a.jsonl")).expect("it is there");
    file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)))
        .expect("times can be set");
    drop(file);
    assert!(sandbox.actions().contains_key("dataset.rows"));
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn other_content_of_the_same_size_inode_and_mtime_is_seen() {
    let sandbox = project();
    settle();
    sandbox.built();
    let path = sandbox.file("data/a.jsonl");
    let modified = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("it is there");
    // Writing in place keeps the inode.
    sandbox.edit("data/a.jsonl", "\"id\": 11, \"n\": 4", "\"id\": 11, \"n\": 6");
    File::options()
        .write(true)
        .open(&path)
        .and_then(|f| f.set_times(FileTimes::new().set_modified(modified)))
        .expect("times");
    assert_eq!(std::fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("it is there"), modified);
    assert!(sandbox.actions().contains_key("dataset.rows"));
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn content_changed_right_after_a_build_is_seen() {
    for value in 0..20 {
        let sandbox = project();
        sandbox.edit("data/a.jsonl", "\"id\": 11, \"n\": 4", &format!("\"id\": 11, \"n\": {}", value % 3));
        assert!(sandbox.actions().contains_key("dataset.rows"));
    }
}

#[test]
fn an_export_never_overwrites_what_the_project_is_made_of() {
    for file in ["data/a.jsonl", "./prompts/ask.md", "data//a.jsonl"] {
        let sandbox = project();
        let before = std::fs::read(sandbox.file(file)).expect("it is there");
        sandbox.edit("datamake.toml", "out/asked.jsonl\"", &format!("{file}\"\nformat = \"jsonl\""));
        let problems = format!("{:?}", sandbox.build().expect_err("it is refused"));
        assert!(problems.contains("would overwrite"), "{problems}");
        assert_eq!(std::fs::read(sandbox.file(file)).expect("it is there"), before);
    }
}

#[test]
fn an_export_that_was_deleted_is_written_again() {
    let sandbox = project();
    let before = std::fs::read(sandbox.file("out/asked.jsonl")).expect("it was written");
    sandbox.remove("out/asked.jsonl");
    assert_eq!(sandbox.made(), ["export.out"]);
    assert_eq!(std::fs::read(sandbox.file("out/asked.jsonl")).expect("it was written"), before);
}

#[test]
fn an_export_that_was_edited_by_hand_is_written_again() {
    let sandbox = project();
    let before = std::fs::read(sandbox.file("out/asked.jsonl")).expect("it was written");
    sandbox.write("out/asked.jsonl", "mine\n");
    assert_eq!(sandbox.made(), ["export.out"]);
    assert_eq!(std::fs::read(sandbox.file("out/asked.jsonl")).expect("it was written"), before);
}

#[test]
fn going_back_to_a_former_input_runs_no_action() {
    let sandbox = project();
    sandbox.edit("datamake.toml", "least = 3", "least = 5");
    sandbox.edit("data/a.jsonl", "text 10\"", "other 10\"");
    sandbox.built();
    sandbox.edit("datamake.toml", "least = 5", "least = 3");
    sandbox.edit("data/a.jsonl", "other 10\"", "text 10\"");
    let ran = sandbox.actions();
    assert_eq!(ran.iter().filter(|(name, _)| !name.starts_with("export")).map(|(_, n)| n).sum::<u64>(), 0, "{ran:?}");
}

#[test]
fn another_clone_with_the_same_store_runs_no_action_but_writes_its_exports() {
    let disk = Arc::new(MemoryDisk::default());
    let (here, there) = (Sandbox::on(disk.clone()), Sandbox::on(disk));
    for sandbox in [&here, &there] {
        sandbox.write("datamake.toml", PROJECT);
        sandbox.write("data/a.jsonl", rows(50));
        sandbox.write("prompts/ask.md", "What is {{ n }} of {{ id }}?");
    }
    here.built();
    assert_eq!(there.actions(), BTreeMap::from([("export.out".to_owned(), 1)]));
    assert_eq!(std::fs::read(here.file("out/asked.jsonl")).ok(), std::fs::read(there.file("out/asked.jsonl")).ok());
}

#[test]
fn any_blob_deleted_by_hand_is_found_by_verify_and_made_again() {
    let sandbox = with_blobs_as_files();
    let (expect, all) = (sandbox.results(), sandbox.rows("asked"));
    let blobs: Vec<_> = walkdir::WalkDir::new(sandbox.file("store/blobs")).into_iter().flatten().collect();
    let files: Vec<_> = blobs.iter().filter(|entry| entry.file_type().is_file()).collect();
    assert!(!files.is_empty());
    for file in files {
        std::fs::remove_file(file.path()).expect("it is there");
        let project = sandbox.project().expect("it opens");
        project.verify(datamake::project::Repair::Yes, &|_| ()).expect("it mends");
        sandbox.built();
        assert_eq!(sandbox.results(), expect, "without {file:?}");
        assert_eq!(sandbox.rows("asked"), all, "without {file:?}");
    }
}

#[test]
fn a_damaged_blob_that_a_build_reads_is_made_again() {
    let sandbox = with_blobs_as_files();
    for entry in
        walkdir::WalkDir::new(sandbox.file("store/blobs")).into_iter().flatten().filter(|e| e.file_type().is_file())
    {
        let mut bytes = std::fs::read(entry.path()).expect("it is there");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(entry.path(), bytes).expect("it can be written");
    }
    sandbox.edit("prompts/ask.md", "What", "How much");
    sandbox.built();
    assert_eq!(sandbox.results(), sandbox.clean());
    // What no action read is damaged still, until `verify` looks at it.
    let project = sandbox.project().expect("it opens");
    project.verify(datamake::project::Repair::Yes, &|_| ()).expect("it mends");
    sandbox.built();
    assert_eq!(sandbox.rows("asked").len(), sandbox.rows("kept").len());
}

#[test]
fn a_plan_names_what_a_build_then_makes() {
    let sandbox = project();
    sandbox.edit("prompts/ask.md", "What", "How much");
    let plan = sandbox.plan();
    let stale: Vec<usize> =
        plan.nodes.iter().filter(|node| matches!(node.state, State::Stale(_))).map(|node| node.node.index()).collect();
    assert_eq!(stale.len(), 2, "the questions, and the export of them");
    let State::Stale(work) = plan.nodes[stale[0]].state else { unreachable!("it was just found stale") };
    let ran = sandbox.actions();
    assert_eq!(ran["dataset.asked"], work.groups_made, "{ran:?}");
    assert_eq!(ran["dataset.asked"], work.groups, "a prompt changes all rows");
}

#[test]
fn a_changed_file_is_told_by_its_rows() {
    let sandbox = project();
    let told = || {
        let reasons = &sandbox.plan().nodes[0].reasons;
        reasons.iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    let first = rows(50);
    let edits: [(&str, String, &str); 6] = [
        ("one value", first.replacen("\"n\": 4,", "\"n\": 40,", 1), "row 5 changed"),
        ("rows at the end", first.clone() + "{\"id\": 50}\n{\"id\": 51}\n{\"id\": 53}", "rows 51–53 are new"),
        ("the first row", first.lines().skip(1).map(|line| line.to_owned() + "\n").collect(), "row 1 is gone"),
        ("everywhere", first.replace("\"text ", "\"words "), "rows 1–5 … (50 in all) changed"),
        ("a column", first.replace("\"text\"", "\"words\""), "the column `words` is new, the column `text` is gone"),
        ("spaces", first.replace("\"id\"", " \"id\""), "the rows are the same"),
    ];
    for (what, text, expect) in edits {
        sandbox.write("data/a.jsonl", &text);
        assert_eq!(told(), [format!("the file data/a.jsonl changed: {expect}")], "{what}");
    }
}

#[test]
fn a_plan_tells_of_rows_that_cannot_be_computed() {
    let sandbox = project();
    sandbox.edit("datamake.toml", "where = \"n >= ${params.least}\"", "where = \"n / (n - 3) >= 0\"");
    let plan = sandbox.plan();
    let failed: Vec<String> = plan
        .nodes
        .iter()
        .filter_map(|node| match &node.state {
            State::Failed(problems) => Some(format!("{problems:?}")),
            _ => None,
        })
        .collect();
    assert!(matches!(&failed[..], [one] if one.contains("cannot be computed")), "{failed:?}");
}

#[test]
fn a_plan_writes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", PROJECT);
    sandbox.write("data/a.jsonl", rows(50));
    sandbox.write("prompts/ask.md", "What is {{ n }} of {{ id }}?");
    sandbox.plan();
    assert!(!sandbox.file(".datamake").exists() && !sandbox.file("out").exists());
}

#[test]
fn the_hashes_are_the_same_with_one_two_and_eight_threads() {
    let results = [1, 2, 8].map(|jobs| {
        let mut sandbox = project();
        sandbox.jobs = Some(jobs);
        sandbox.clean()
    });
    assert_eq!(results[0], results[1]);
    assert_eq!(results[1], results[2]);
}

#[test]
fn the_hash_of_a_table_is_the_same_on_every_machine_and_in_every_profile() {
    let sandbox = project();
    let node = &sandbox.results()["dataset.asked"];
    assert!(node.contains("Some(59474eef9728)"), "{node}");
}

#[test]
fn one_row_more_less_or_other_in_many_changes_at_most_three_row_groups_per_column() {
    let mut sandbox = Sandbox::new();
    sandbox.limits = Limits::DEFAULT;
    sandbox.write("datamake.toml", "[dataset.rows]\nfiles = \"rows.jsonl\"\n");
    let n = 1_000_000i32;
    let lines: Vec<String> =
        (0..n).map(|i| format!("{{\"id\": {i}, \"v\": {}}}\n", i64::from(i) * 7919 % 1000)).collect();
    let chunks = |lines: &[String]| {
        sandbox.write("rows.jsonl", lines.concat());
        sandbox.built();
        let table = sandbox.project().expect("it opens").table("rows").expect("it was built");
        let column = |at: usize| table.groups.iter().map(|group| group.columns[at].chunk).collect::<Vec<_>>();
        [column(0), column(1)]
    };
    let before = chunks(&lines);
    let mut inserted = lines.clone();
    inserted.insert(500_000, "{\"id\": -1, \"v\": 3}\n".to_owned());
    let mut deleted = lines.clone();
    deleted.remove(123_456);
    let mut edited = lines.clone();
    edited[999_000] = "{\"id\": 999000, \"v\": -5}\n".to_owned();
    for edit in [inserted, deleted, edited] {
        for (old, new) in before.iter().zip(chunks(&edit)) {
            let fresh = new.iter().filter(|chunk| !old.contains(chunk)).count();
            assert!((0..=3).contains(&fresh), "{fresh} of {} row groups", new.len());
        }
    }
}
