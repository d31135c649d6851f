//! The program as a process of its own, in a folder of its own. Include it with `#[path]`.
#![allow(dead_code, reason = "each test file uses its part")]

use regex::Regex;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

/// A folder to run the program in.
pub struct Sandbox {
    pub folder: tempfile::TempDir,
}

impl Sandbox {
    pub fn new() -> Sandbox {
        Sandbox { folder: tempfile::tempdir().unwrap() }
    }

    /// A project of its own.
    pub fn with(manifest: &str) -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.write("datamake.toml", manifest);
        sandbox
    }

    /// The project of `init`, built once.
    pub fn built() -> Sandbox {
        let sandbox = Sandbox::new();
        for command in ["init", "build"] {
            assert_eq!(sandbox.run(command).status.code(), Some(0));
        }
        sandbox
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(old), "{path} has {old}");
        self.write(path, &text.replace(old, new));
    }

    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datamake"));
        command.args(args.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("DATAMAKE_STORE").env_remove("NO_COLOR").env("GIT_CEILING_DIRECTORIES", self.folder.path());
        command
    }

    pub fn run(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command, and compares the exit code and all that it wrote: stdout, then behind `!` the lines of stderr.
    #[track_caller]
    pub fn check(&self, args: &str, code: i32, expect: &str) {
        let output = self.run(args);
        let err: String =
            self.plain(&output.stderr).lines().map(|line| format!("! {line}").trim_end().to_owned() + "\n").collect();
        let told = self.plain(&output.stdout) + &err;
        assert!(told == expect, "datamake {args}:\n{told}\nexpected:\n{expect}");
        assert_eq!(output.status.code(), Some(code), "datamake {args}");
    }

    /// Returns a text without what differs from run to run.
    pub fn plain(&self, bytes: &[u8]) -> String {
        static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
            let rules = [
                (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
                (r"just now|\d+ s ago", "AGO"),
                (r"\d+\.\d\d s\b", "0.00 s"),
                (r#""time":\d+"#, r#""time":0"#),
                (r"127\.0\.0\.1:\d+", "HOST"),
            ];
            rules.map(|(pattern, name)| (Regex::new(pattern).unwrap(), name)).into()
        });
        let text = String::from_utf8(bytes.to_vec()).unwrap().replace(&self.folder.path().display().to_string(), "DIR");
        RULES.iter().fold(text, |text, (rule, name)| rule.replace_all(&text, *name).into_owned())
    }

    #[track_caller]
    pub fn json(&self, args: &str) -> Value {
        let output = self.run(&format!("{args} --json"));
        assert!(output.stderr.is_empty(), "datamake {args}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("datamake {args} --json: {error}"))
    }
}
