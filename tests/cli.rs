//! The program as its users see it: whole outputs, exit codes, pipes and signals.

#[path = "common/program.rs"]
mod program;

use datamake::format::{Format, read_batches};
use program::Sandbox;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

#[test]
fn a_first_project_is_made_built_and_built_again_after_an_edit() {
    let sandbox = Sandbox::new();
    sandbox.check(
        "init",
        0,
        r"made a project in this folder: datamake.toml, data/written.jsonl, prompts/question.md

next:
  datamake build                 builds it
  datamake show problems         shows rows of a dataset
then edit prompts/question.md, and:
  datamake plan                  tells what is stale, and why
  datamake build                 redoes only that
  datamake diff                  tells what became of it
",
    );
    sandbox.check(
        "check",
        0,
        r"fine: 4 datasets, 1 prompt, 1 filter, 1 metric, 1 export
",
    );
    sandbox.check("graph", 0, r"dataset  facts                          synth 300 rows
dataset  problems  ← facts              columns answer · filter small · render question into question · dedup by question, normalised · select id, question, answer
dataset  written                        files data/*.jsonl
dataset  all       ← problems, written  concat · split test 0.1, train 0.9
metric   words     ← all                avg(word_count(question)) by source
export   train     ← all.train          out/train.jsonl
");
    sandbox.check(
        "plan",
        0,
        r"new  facts     1 row group, 300 rows
new  problems  1 row group, 300 rows
new  written   1 row group, 3 rows
new  all       2 row groups, 226 rows
new  words     2 row groups, 226 rows
new  train     2 row groups, 205 rows

would make 6 nodes (9 row groups, 1,260 rows)
",
    );
    sandbox.check(
        "build",
        0,
        r"new  facts     300 rows
new  problems  223 rows
        dropped 77 rows by small
new  written   3 rows
new  all       226 rows: test 21, train 205
new  words     2 values
        problems: 15
        written: 16.6667
new  train     205 rows, out/train.jsonl, 28 kB

built 6 nodes; 21 actions run, 1 reused; 0.00 s (build 1)
",
    );
    sandbox.check(
        "plan",
        0,
        r"nothing to do: 6 nodes are fresh
",
    );
    sandbox.check(
        "build",
        0,
        r"nothing to do: 6 nodes are fresh
",
    );

    sandbox.edit("prompts/question.md", "gets {{ gets }} more", "finds {{ gets }} more");
    sandbox.edit("data/written.jsonl", "5 more come", "6 more come");
    sandbox.check(
        "plan",
        0,
        r"stale  problems  1 row group, 300 rows
        prompts/question.md changed in line 2: `{{ who }} gets {{ gets }}…` → `{{ who }} finds {{ gets }}…`
stale  written   1 row group, 3 rows
        the file data/written.jsonl changed: row 3 changed
reuse  all       all that it needs is known, nothing would run
        its input problems changed
        its input written changed
stale  words     2 row groups, 226 rows
        its input all changed
stale  train     2 row groups, 205 rows
        its input all.train changed

would make 4 nodes (6 row groups, 734 rows); 1 node without running anything; 1 is fresh
",
    );
    sandbox.check(
        "why problems",
        0,
        r"problems is stale: a build would redo 1 row group, 300 rows
  prompts/question.md changed from line 2:
    - {{ who }} gets {{ gets }} more.
    + {{ who }} finds {{ gets }} more.
it was made last in build 1, AGO, 300 rows made
  it was never built here
",
    );
    sandbox.check(
        "why train",
        0,
        r"train is stale: a build would redo 2 row groups, 205 rows
  its input all.train changed
  problems is stale
    prompts/question.md changed from line 2:
      - {{ who }} gets {{ gets }} more.
      + {{ who }} finds {{ gets }} more.
  written is stale
    the file data/written.jsonl changed: row 3 changed
  all is reused
    its input problems changed
    its input written changed
it was made last in build 1, AGO, 205 rows made
  it was never built here
",
    );
    sandbox.check(
        "build",
        0,
        r"made    problems  223 rows
        prompts/question.md changed in line 2: `{{ who }} gets {{ gets }}…` → `{{ who }} finds {{ gets }}…`
        dropped 77 rows by small
made    written   3 rows
        the file data/written.jsonl changed: row 3 changed
reused  all       226 rows: test 21, train 205      nothing had to run
        its input problems changed
        its input written changed
made    words     2 values
        its input all changed
        problems: 15 (as before)
        written: 16.6667 (as before)
made    train     205 rows, out/train.jsonl, 28 kB
        its input all.train changed

built 5 nodes, 1 was fresh; 7 actions run, 10 reused; 0.00 s (build 2)
",
    );
    sandbox.check(
        "why words",
        0,
        r"words is fresh
it was made last in build 2, AGO, 226 rows made
  its input all changed
    its input problems changed
      prompts/question.md changed from line 2:
        - {{ who }} gets {{ gets }} more.
        + {{ who }} finds {{ gets }} more.
    its input written changed
      the file data/written.jsonl changed: row 3 changed
",
    );
    sandbox.check(
        "diff --samples 1",
        0,
        r"build 1 → build 2

dataset.all  226 rows  ~224 changed
  question: 224 cells changed
  ~ id=1  source=problems
    question: …ples.⏎Imani gets 2 more.⏎Ho… → …ples.⏎Imani finds 2 more.⏎Ho…
    … 223 more changed

dataset.problems  223 rows  ~223 changed
  question: 223 cells changed
  ~ id=1
    question: …ples.⏎Imani gets 2 more.⏎Ho… → …ples.⏎Imani finds 2 more.⏎Ho…
    … 222 more changed

dataset.written  3 rows  ~1 changed
  question: 1 cell changed
  ~ id=1003
    question: … a roof and 5 more come. … → … a roof and 6 more come. …

export.train  205 rows, another file
",
    );
    sandbox.check(
        "show problems -n 2",
        0,
        r"problems: rows 1 to 2 of 223

id  question                                                                       answer
 1  Imani has 14 apples.⏎Imani finds 2 more.⏎How many apples does Imani have now?      16
 2  Amara has 11 coins.⏎Amara finds 11 more.⏎How many coins does Amara have now?       22
",
    );
    sandbox.check(
        "log",
        0,
        r"build 2  TIME, AGO  0.00 s    datamake build
        made all, problems, written, export.train, metric.words
build 1  TIME, AGO  0.00 s    datamake build
        made all, facts, problems, written and 2 more
",
    );
    sandbox.check("log -v -n 1", 0, r"build 2  TIME, AGO  0.00 s    datamake build
        made all: its input problems changed
        made all: its input written changed
        made problems: prompts/question.md changed in line 2: `{{ who }} gets {{ gets }}…` → `{{ who }} finds {{ gets }}…`
        made written: the file data/written.jsonl changed: row 3 changed
        made export.train: its input all.train changed
        made metric.words: its input all changed
1 before; -n tells how many to list
");
    sandbox.check(
        "gc",
        0,
        r"nothing to remove: 2 builds kept
",
    );
    sandbox.check(
        "verify",
        0,
        r"fine: 74 blobs, 39 traces, 86 kB, and all is what its name says
",
    );
}

#[test]
fn what_was_built_is_shown() {
    let sandbox = Sandbox::built();
    sandbox.check(
        "show problems --schema",
        0,
        r"problems: 223 rows in 1 row group, 3 columns

id        int     key
question  string
answer    int
",
    );
    sandbox.check(
        "show problems --stats",
        0,
        r"problems: 223 rows

column    type    nulls  distinct  min                       max                           mean
id        int         0       223  1                         300                       151.1973
question  string      0       223  Abdul has 8 books.⏎Abdu…  Zainab has 23 coins.⏎Za…   76.5964
answer    int         0        35  5                         40                         26.8341

the mean of texts and lists is that of their lengths
",
    );
    sandbox.check(
        "show problems --dropped -n 2",
        0,
        r"problems: 77 rows dropped

step 2: 77 rows by small
dropped_by  gets  has  id  what    who    answer
small         27   29   3  apples  Marie      56
small         19   26   9  apples  José       45

75 rows more; `-n 0` shows all
",
    );
    sandbox.check(
        "show words --dropped",
        2,
        r"! error[no-rows]: `words` has no rows that could be dropped or fail
!  |
!  = help: name a dataset
",
    );
    sandbox.check(
        "show problems --dropped --reason smal",
        2,
        r"! error[unknown-reason]: nothing was dropped by `smal`
!  |
!  = note: rows were dropped by `small`
!  = help: did you mean `small`?
",
    );
    sandbox.check(
        "show all.test -n 1 --skip 2 --wide",
        0,
        r"all.test: rows 3 to 3 of 21

row 3
  id        36
  question  Björn has 30 coins.
            Björn gets 7 more.
            How many coins does Björn have now?
  answer    37
  source    problems
",
    );
    sandbox.check(
        "show words",
        0,
        r"problems       15
written   16.6667
all rows  15.0221
",
    );
    sandbox.check(
        "show export.train",
        0,
        r"out/train.jsonl: 205 rows, 28 kB, hash a70ff7be1ea3
",
    );
    sandbox.check(
        "show written -n 0 --json",
        0,
        r#"{"id":1001,"question":"A class has 12 girls and 9 boys. How many children are in the class?","answer":21}
{"id":1002,"question":"Tom reads 8 pages on Monday and 14 pages on Tuesday. How many pages is that?","answer":22}
{"id":1003,"question":"There are 7 birds on a roof and 5 more come. How many birds are on the roof now?","answer":12}
"#,
    );
    sandbox.check(
        "show problem",
        2,
        r"! error[unknown-node]: no node is called `problem`
!  |
!  = help: did you mean `problems`?
!  = help: `datamake graph` lists the nodes; prompts and filters are not built by themselves
",
    );
}

#[test]
fn what_dropped_a_row_is_told_beside_a_column_of_that_name() {
    let sandbox = Sandbox::with("[dataset.rows]\nfiles = \"rows.jsonl\"\nwhere = \"n > 2\"\n");
    sandbox.write("rows.jsonl", &(0..5).map(|n| format!("{{\"n\": {n}, \"dropped_by\": 7}}\n")).collect::<String>());
    sandbox.run("build");
    sandbox.check(
        "show rows --dropped -n 2",
        0,
        "rows: 3 rows dropped\n\nstep 1: 3 rows by where\ndropped_by_  n  dropped_by\nwhere        0           7\nwhere        1           7\n\n1 row more; `-n 0` shows all\n",
    );
    sandbox.check(
        "show rows --dropped --json --skip 2",
        0,
        "{\"dropped_step\":1,\"dropped_by_\":\"where\",\"n\":2,\"dropped_by\":7}\n",
    );
}

#[test]
fn graphs_are_drawn_for_graphviz_and_mermaid() {
    let sandbox = Sandbox::new();
    sandbox.run("init");
    sandbox.check("graph problems+ --format dot", 0, r#"digraph datamake {
  rankdir = LR
  node [fontname = "sans-serif"]
  "dataset.problems" [label = "problems", shape = box, tooltip = "columns answer · filter small · render question into question · dedup by question, normalised · select id, question, answer"]
  "dataset.all" [label = "all", shape = box, tooltip = "concat · split test 0.1, train 0.9"]
  "metric.words" [label = "words", shape = ellipse, tooltip = "avg(word_count(question)) by source"]
  "export.train" [label = "train", shape = note, tooltip = "out/train.jsonl"]
  "dataset.problems" -> "dataset.all"
  "dataset.all" -> "metric.words"
  "dataset.all" -> "export.train" [label = "train"]
}
"#);
    sandbox.check(
        "graph --format mermaid",
        0,
        r#"flowchart LR
  n0["facts"]
  n1["problems"]
  n2["written"]
  n3["all"]
  n4(["words"])
  n5[/"train"/]
  n0 --> n1
  n1 --> n3
  n2 --> n3
  n3 --> n4
  n3 -->|train| n5
"#,
    );
}

const FAILING: &str = r#"
[dataset.words]
files = "words.jsonl"

[dataset.numbers]
from = "words"
columns = { n = "cast(word as int)" }

[dataset.even]
from = "numbers"
where = "n % 2 = 0"

[metric.lengths]
on = "words"
value = "avg(length(word))"

[export.even]
from = "even"
to = "out/even.csv"
"#;

#[test]
fn a_failed_node_is_told_with_those_that_need_it_and_the_others_are_built() {
    let sandbox = Sandbox::with(FAILING);
    sandbox.write("words.jsonl", "{\"word\": \"12\"}\n{\"word\": \"cat\"}\n");
    sandbox.check(
        "build",
        1,
        r#"new  words    2 rows
new  lengths  2.5
failed numbers; not begun because of it: dataset.even, export.even

built 2 nodes, 1 failed, 2 skipped; 4 actions run, 1 reused; 0.00 s (build 1)
! error[failed-rows]: 1 row of `numbers` cannot be computed: "cat" cannot be cast to int
!  --> datamake.toml:7:18
!   |
! 5 | [dataset.numbers]
!   |          ------- `max_failed` lets 0 fail
! 6 | from = "words"
! 7 | columns = { n = "cast(word as int)" }
!   |                  ^^^^^^^^^^^^^^^^^ computed here
!   |
!   = note: in that row `word` is cat
!   = help: `try_cast(… as int)` gives null instead
!   = help: `datamake show numbers --failed` has the rows
!   = help: `max_failed` in the dataset lets rows go
"#,
    );
    assert_eq!(sandbox.json("build")["nodes"][1]["state"], "failed");
    sandbox.write("words.jsonl", "{\"word\": \"12\"}\n{\"word\": \"13\"}\n");
    sandbox.check(
        "build",
        0,
        r"made  words         2 rows
        the file words.jsonl changed: row 2 changed
new   numbers       2 rows
new   dataset.even  1 row
        dropped 1 row by where
made  lengths       2 (was 2.5, −0.5)
        its input words changed
new   export.even   1 row, out/even.csv, 13 bytes

built 5 nodes; 6 actions run, 1 reused; 0.00 s (build 3)
",
    );
    assert_eq!(fs::read_to_string(sandbox.path("out/even.csv")).unwrap(), "word,n\n12,12\n");
}

#[test]
fn wrong_manifests_and_arguments_exit_with_2() {
    let sandbox = Sandbox::new();
    sandbox.check(
        "build",
        2,
        r"! error[no-project]: there is no datamake.toml in DIR or above it
!  |
!  = help: make one with `datamake init`, or name the project's folder with `-C DIR`
",
    );
    sandbox.check(
        "-C nowhere check",
        2,
        r"! error[no-folder]: cannot work in nowhere: there is no such folder
",
    );
    sandbox.write(
        "datamake.toml",
        "[dataset.a]\nfrom = \"b\"\n\n[dataset.b]\nfrom = \"a\"\n\n[metric.m]\non = \"c\"\nvalue = \"count(*)\"\n",
    );
    sandbox.check(
        "check",
        2,
        r#"! error[cycle]: datasets need each other: a ← b ← a
!  --> datamake.toml:5:9
!   |
! 2 | from = "b"
!   |         - `a` is made from `b`
! ...
! 5 | from = "a"
!   |         ^ `b` is made from `a`
!   |
!   = help: one of these edges has to go
!
! error[unknown-name]: there is no dataset `c`
!  --> datamake.toml:8:7
!   |
! 8 | on = "c"
!   |       ^ no such dataset
!   |
!   = note: declared: `a`, `b`
!   = help: did you mean `a`?
"#,
    );
    sandbox.check(
        "bild",
        2,
        r"! error: unrecognized subcommand 'bild'
!
!   tip: a similar subcommand exists: 'build'
!
! Usage: datamake [OPTIONS] <COMMAND>
!
! For more information, try '--help'.
",
    );
    assert_eq!(sandbox.run("build -j 0").status.code(), Some(2));
    assert_eq!(sandbox.run("show").status.code(), Some(2));
    assert_eq!(sandbox.run("--help").status.code(), Some(0));
}

#[test]
fn init_changes_no_file_that_is_there() {
    let sandbox = Sandbox::new();
    sandbox.write("tutor/prompts/question.md", "mine");
    sandbox.check(
        "init tutor",
        2,
        r"! error[exists]: DIR/tutor has `prompts/question.md` already
!  |
!  = help: choose a new folder: datamake init DIR
",
    );
    assert_eq!(fs::read_to_string(sandbox.path("tutor/prompts/question.md")).unwrap(), "mine");
    assert!(!sandbox.path("tutor/datamake.toml").exists());
}

#[test]
fn every_command_writes_json() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.json("init")["files"][0], "datamake.toml");
    assert_eq!(sandbox.json("check")["datasets"], 4);
    assert_eq!(sandbox.json("graph")["nodes"][1]["inputs"][0]["node"], "dataset.facts");
    assert_eq!(sandbox.json("plan")["nodes"][0]["reasons"][0]["cause"], "new");
    let built = sandbox.json("build");
    assert_eq!(built["build"], 1);
    assert_eq!(built["nodes"][1]["output"]["dropped"][0]["reason"], "small");
    assert_eq!(sandbox.json("build")["build"], serde_json::Value::Null);
    assert_eq!(sandbox.json("why words")["now"]["state"], "fresh");
    assert_eq!(sandbox.json("show problems --schema")["key"][0], "id");
    assert_eq!(sandbox.json("show problems --stats")["columns"][0]["column"], "id");
    assert_eq!(sandbox.json("show problems -n 1")["id"], 1);
    assert_eq!(sandbox.json("show problems --dropped -n 1")["dropped_by"], "small");
    assert_eq!(sandbox.json("show words")["output"]["values"][0]["slices"][0]["by"][0], "problems");
    sandbox.edit("prompts/question.md", "more", "again");
    sandbox.json("build");
    let diff = sandbox.json("diff --node problems --samples 1");
    assert_eq!(diff["old"]["build"], 1);
    assert_eq!(diff["nodes"][0]["table"]["changed"][0]["key"]["id"], 1);
    assert_eq!(sandbox.json("log")["builds"][0]["build"], 2);
    assert_eq!(sandbox.json("verify")["fine"], true);
    assert_eq!(sandbox.json("gc")["removed"], false);
    assert_eq!(sandbox.json("why nothing")["problems"][0]["code"], "unknown-node");
    sandbox.edit("datamake.toml", "has + gets", "has + got");
    assert_eq!(sandbox.json("check")["problems"][0]["labels"][0]["path"], "datamake.toml");
    assert_eq!(sandbox.json("plan")["problems"][0]["severity"], "error");
}

#[test]
fn rows_of_json_keep_the_order_of_the_columns() {
    let sandbox = Sandbox::built();
    let output = sandbox.run("show problems -n 1 --json");
    assert!(output.stdout.starts_with(b"{\"id\":1,\"question\":"));
}

#[test]
fn only_a_terminal_or_a_wish_gets_colours() {
    let sandbox = Sandbox::built();
    let coloured = |args: &str| sandbox.run(args).stdout.contains(&0x1b);
    assert!(!coloured("graph"));
    assert!(coloured("graph --color always"));
    sandbox.edit("datamake.toml", "has + gets", "has + got");
    assert!(!sandbox.run("check").stderr.contains(&0x1b));
    assert!(sandbox.run("check --color always").stderr.contains(&0x1b));
}

#[test]
fn quiet_says_nothing_when_all_is_well() {
    let sandbox = Sandbox::new();
    sandbox.run("init");
    sandbox.check("check -q", 0, "");
    sandbox.check("-q build", 0, "");
    sandbox.check("verify -q", 0, "");
}

#[test]
fn shared_arguments_may_stand_before_and_behind_the_command() {
    let sandbox = Sandbox::built();
    let plan = sandbox.json("--set params.most=30 plan --set dataset.facts.synth.rows=200");
    assert_eq!(plan["nodes"][0]["reasons"][0]["path"], "synth.rows");
    assert!(plan["nodes"][1].to_string().contains("filter.small.where"), "{plan}");
    assert_eq!(sandbox.run("-C prompts log").status.code(), Some(0));
}

#[test]
fn a_damaged_blob_is_found_and_mended() {
    let sandbox = Sandbox::with("[dataset.a]\nfiles = \"a.jsonl\"\n");
    // A column large enough for a file of its own.
    let text: String =
        (0..3000u64).map(|i| format!("{{\"x\": \"{:016x}{i}\"}}\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    sandbox.write("a.jsonl", &text);
    assert_eq!(sandbox.run("build").status.code(), Some(0));
    let blobs = sandbox.path(".datamake/store/blobs");
    let files = fs::read_dir(blobs).unwrap().flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    let file = files
        .map(|file| file.unwrap().path())
        .max_by_key(|path| path.metadata().unwrap().len())
        .expect("there is a large blob");
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    fs::remove_file(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    assert_eq!(sandbox.run("verify").status.code(), Some(1));
    assert!(sandbox.json("verify")["problems"][0].to_string().contains("is damaged"));
    assert_eq!(sandbox.run("verify --repair").status.code(), Some(0));
    assert_eq!(sandbox.run("verify").status.code(), Some(0));
    assert_eq!(sandbox.run("build").status.code(), Some(0));
    assert_eq!(sandbox.run("show a -n 0 --json").stdout.iter().filter(|byte| **byte == b'\n').count(), 3000);
}

#[test]
fn numbers_too_large_for_anything_are_mistakes_and_no_panics() {
    let sandbox = Sandbox::built();
    for name in ["last-18446744073709551615", "last-99999999999999999999", "18446744073709551615"] {
        let output = sandbox.run(&format!("diff {name}"));
        assert_eq!(output.status.code(), Some(2), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let sandbox =
        Sandbox::with("[dataset.a]\nsynth = { rows = 9000000000000000, columns = { n = { sequence = 1 } } }\n");
    let output = sandbox.run("build");
    assert!(String::from_utf8_lossy(&output.stderr).contains("must be an integer from 1 to 10000000000"));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_damaged_parquet_file_is_no_bug_of_the_program() {
    let sandbox = Sandbox::with(
        "[dataset.a]\nsynth = { rows = 9, columns = { n = { sequence = 1 } } }\n[export.a]\nfrom = \"a\"\nto = \"a.parquet\"\n",
    );
    assert_eq!(sandbox.run("build").status.code(), Some(0));
    let whole = fs::read(sandbox.path("a.parquet")).unwrap();
    let panics = |bytes: &Vec<u8>| {
        let source = Box::new(std::io::Cursor::new(bytes.clone()));
        let mut emit = |_| Ok::<(), datamake::format::Problem>(());
        let read = read_batches(Format::Parquet, source, &Default::default(), &mut emit);
        read.is_err_and(|problem| problem.title == "this Parquet file is damaged")
    };
    let damaged = (0..whole.len()).flat_map(|at| [0x01, 0x80, 0xff].map(|bits| (at, bits))).map(|(at, bits)| {
        let mut bytes = whole.clone();
        bytes[at] ^= bits;
        bytes
    });
    let damaged: Vec<Vec<u8>> = damaged.filter(panics).take(1).collect();
    assert!(!damaged.is_empty(), "the reader of Parquet panics no more, so nothing has to be kept quiet");
    let sandbox = Sandbox::with("[dataset.a]\nfiles = \"a.parquet\"\n");
    fs::write(sandbox.path("a.parquet"), &damaged[0]).unwrap();
    let output = sandbox.run("build");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("this Parquet file is damaged") && !told.contains("bug"), "{told}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let sandbox = Sandbox::with("[dataset.a]\nsynth = { rows = 50000, columns = { id = { uuid = true } } }\n");
    sandbox.run("build");
    for args in ["show a -n 0 --json", "show a -n 0", "completions bash"] {
        let mut child = sandbox.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(0), ""), "{args}");
    }
}

/// Starts a build, and returns it once it waits for the one that holds the lock.
fn waiting(sandbox: &Sandbox) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = sandbox.command("build").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert_eq!(line, "another build of this project is running: waiting for it\n");
    (child, told)
}

#[test]
fn a_second_build_waits_for_the_first() {
    let sandbox = Sandbox::built();
    let lock = fs::File::options().write(true).open(sandbox.path(".datamake/lock")).unwrap();
    lock.lock().unwrap();
    let (mut child, _told) = waiting(&sandbox);
    assert_eq!(child.try_wait().unwrap(), None);
    lock.unlock().unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!((child.wait().unwrap().code(), out.as_str()), (Some(0), "nothing to do: 6 nodes are fresh\n"));
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
}

#[cfg(unix)]
#[test]
fn a_build_that_waits_can_be_interrupted() {
    let sandbox = Sandbox::built();
    let lock = fs::File::options().write(true).open(sandbox.path(".datamake/lock")).unwrap();
    lock.lock().unwrap();
    let (mut child, _told) = waiting(&sandbox);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[cfg(unix)]
#[test]
fn an_interrupted_build_keeps_what_was_done() {
    let column = |name: &str| format!("columns.{name} = {{ uuid = true }}\n");
    let columns: String = ["a", "b", "c", "d", "e", "f"].map(column).concat();
    let sandbox = Sandbox::with(&format!("[dataset.a.synth]\nrows = 2000000\n{columns}"));
    let child = sandbox.command("build").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let blobs = sandbox.path(".datamake/store/blobs");
    while !fs::read_dir(&blobs).is_ok_and(|mut folders| folders.next().is_some()) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "\nstopping after what is in hand; again to leave at once\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "stopped after 0 nodes; what was done is kept\n");
    assert_eq!(sandbox.run("verify").status.code(), Some(0));
}

#[test]
fn completions_and_manual_pages_are_written() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = sandbox.run(&format!("completions {shell}")).stdout;
        assert!(String::from_utf8(script).unwrap().contains("datamake"), "{shell}");
    }
    let page = String::from_utf8(sandbox.run("man build").stdout).unwrap();
    assert!(page.contains(".TH datamake-build 1"), "{page}");
    sandbox.check("man --dir pages", 0, "wrote 22 pages to pages\n");
    assert!(sandbox.path("pages/datamake.1").exists() && sandbox.path("pages/datamake-why.1").exists());
}

const TWO: &str = "[params]\nmost = 9\n[profile.quick]\nparams.most = 3\n\
    [dataset.numbers]\nsynth = { rows = 9, columns = { n = { sequence = 1 } } }\n\
    [dataset.low]\nfrom = \"numbers\"\nwhere = \"n <= ${params.most}\"\n\
    [dataset.odd]\nfrom = \"numbers\"\nwhere = \"n % 2 = 1\"\n";

#[test]
fn what_a_profile_makes_never_gets_into_the_lock_file() {
    let sandbox = Sandbox::with(TWO);
    sandbox.run("build");
    let lock = fs::read_to_string(sandbox.path("datamake.lock")).unwrap();
    sandbox.run("build --profile quick");
    assert_eq!(fs::read_to_string(sandbox.path("datamake.lock")).unwrap(), lock);
    sandbox.edit("datamake.toml", "n % 2 = 1", "n % 2 = 0");
    assert_eq!(sandbox.run("build odd").status.code(), Some(0));
    let after = fs::read_to_string(sandbox.path("datamake.lock")).unwrap();
    assert_ne!(after, lock);
    let low = |lock: &str| lock.split("\n\n").find(|block| block.contains("dataset.low")).unwrap().to_owned();
    assert_eq!(low(&after), low(&lock), "it says what the plain manifest makes");
}

#[test]
fn building_one_node_of_a_clone_keeps_what_the_lock_file_says_of_the_others() {
    let sandbox = Sandbox::with(TWO);
    sandbox.run("build");
    let lock = fs::read_to_string(sandbox.path("datamake.lock")).unwrap();
    fs::remove_dir_all(sandbox.path(".datamake")).unwrap();
    assert_eq!(sandbox.run("build low").status.code(), Some(0));
    assert_eq!(fs::read_to_string(sandbox.path("datamake.lock")).unwrap(), lock);
}
