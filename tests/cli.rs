//! The program as its users see it: whole outputs, exit codes, pipes and signals.

use regex::Regex;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

/// A folder to run the program in.
struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    fn new() -> Sandbox {
        Sandbox { folder: tempfile::tempdir().unwrap() }
    }

    /// A project of its own.
    fn with(manifest: &str) -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.write("datamake.toml", manifest);
        sandbox
    }

    /// The project of `init`, built once.
    fn built() -> Sandbox {
        let sandbox = Sandbox::new();
        for command in ["init", "build"] {
            assert_eq!(sandbox.run(command).status.code(), Some(0));
        }
        sandbox
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn edit(&self, path: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(old), "{path} has {old}");
        self.write(path, &text.replace(old, new));
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datamake"));
        command.args(args.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("DATAMAKE_STORE").env_remove("NO_COLOR").env("GIT_CEILING_DIRECTORIES", self.folder.path());
        command
    }

    fn run(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command, and compares the exit code and all that it wrote: stdout, then behind `!` the lines of stderr.
    #[track_caller]
    fn check(&self, args: &str, code: i32, expect: &str) {
        let output = self.run(args);
        let err: String =
            self.plain(&output.stderr).lines().map(|line| format!("! {line}").trim_end().to_owned() + "\n").collect();
        let told = self.plain(&output.stdout) + &err;
        if let Some(number) = expect.strip_prefix('@') {
            fs::write(format!("/tmp/fill/{number}"), format!("{:?}\n{told}", output.status.code())).unwrap();
            return;
        }
        assert!(told == expect, "datamake {args}:\n{told}\nexpected:\n{expect}");
        assert_eq!(output.status.code(), Some(code), "datamake {args}");
    }

    /// Returns a text without what differs from run to run.
    fn plain(&self, bytes: &[u8]) -> String {
        static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
            let rules = [
                (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
                (r"just now|\d+ s ago", "AGO"),
                (r"\d+\.\d\d s\b", "0.00 s"),
            ];
            rules.map(|(pattern, name)| (Regex::new(pattern).unwrap(), name)).into()
        });
        let text = String::from_utf8(bytes.to_vec()).unwrap().replace(&self.folder.path().display().to_string(), "DIR");
        RULES.iter().fold(text, |text, (rule, name)| rule.replace_all(&text, *name).into_owned())
    }

    #[track_caller]
    fn json(&self, args: &str) -> Value {
        let output = self.run(&format!("{args} --json"));
        assert!(output.stderr.is_empty(), "datamake {args}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("datamake {args} --json: {error}"))
    }
}

#[test]
fn a_first_project_is_made_built_and_built_again_after_an_edit() {
    let sandbox = Sandbox::new();
    sandbox.check("init", 0, "@1");
    sandbox.check("check", 0, "@2");
    sandbox.check("graph", 0, "@3");
    sandbox.check("plan", 0, "@4");
    sandbox.check("build", 0, "@5");
    sandbox.check("plan", 0, "@6");
    sandbox.check("build", 0, "@7");

    sandbox.edit("prompts/question.md", "gets {{ gets }} more", "finds {{ gets }} more");
    sandbox.edit("data/written.jsonl", "5 more come", "6 more come");
    sandbox.check("plan", 0, "@8");
    sandbox.check("why problems", 0, "@9");
    sandbox.check("why train", 0, "@10");
    sandbox.check("build", 0, "@11");
    sandbox.check("why words", 0, "@12");
    sandbox.check("diff --samples 1", 0, "@13");
    sandbox.check("show problems -n 2", 0, "@14");
    sandbox.check("log", 0, "@15");
    sandbox.check("log -v -n 1", 0, "@16");
    sandbox.check("gc", 0, "@17");
    sandbox.check("verify", 0, "@18");
}

#[test]
fn what_was_built_is_shown() {
    let sandbox = Sandbox::built();
    sandbox.check("show problems --schema", 0, "@20");
    sandbox.check("show problems --stats", 0, "@21");
    sandbox.check("show problems --dropped -n 2", 0, "@22");
    sandbox.check("show problems --dropped --reason smal", 2, "@23");
    sandbox.check("show all.test -n 1 --skip 2 --wide", 0, "@24");
    sandbox.check("show words", 0, "@25");
    sandbox.check("show export.train", 0, "@26");
    sandbox.check("show written -n 0 --json", 0, "@27");
    sandbox.check("show problem", 2, "@28");
}

#[test]
fn graphs_are_drawn_for_graphviz_and_mermaid() {
    let sandbox = Sandbox::new();
    sandbox.run("init");
    sandbox.check("graph problems+ --format dot", 0, "@30");
    sandbox.check("graph --format mermaid", 0, "@31");
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
    sandbox.check("build", 1, "@40");
    assert_eq!(sandbox.json("build")["nodes"][1]["state"], "failed");
    sandbox.write("words.jsonl", "{\"word\": \"12\"}\n{\"word\": \"13\"}\n");
    sandbox.check("build", 0, "@41");
    assert_eq!(fs::read_to_string(sandbox.path("out/even.csv")).unwrap(), "word,n\n12,12\n");
}

#[test]
fn wrong_manifests_and_arguments_exit_with_2() {
    let sandbox = Sandbox::new();
    sandbox.check("build", 2, "@50");
    sandbox.check("-C nowhere check", 2, "@51");
    sandbox.write(
        "datamake.toml",
        "[dataset.a]\nfrom = \"b\"\n\n[dataset.b]\nfrom = \"a\"\n\n[metric.m]\non = \"c\"\nvalue = \"count(*)\"\n",
    );
    sandbox.check("check", 2, "@52");
    sandbox.check("bild", 2, "@53");
    assert_eq!(sandbox.run("build -j 0").status.code(), Some(2));
    assert_eq!(sandbox.run("show").status.code(), Some(2));
    assert_eq!(sandbox.run("--help").status.code(), Some(0));
}

#[test]
fn init_changes_no_file_that_is_there() {
    let sandbox = Sandbox::new();
    sandbox.write("tutor/prompts/question.md", "mine");
    sandbox.check("init tutor", 2, "@60");
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
    assert_eq!(sandbox.json("build")["build"], Value::Null);
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
    sandbox.check("man --dir pages", 0, "wrote 14 pages to pages\n");
    assert!(sandbox.path("pages/datamake.1").exists() && sandbox.path("pages/datamake-why.1").exists());
}
