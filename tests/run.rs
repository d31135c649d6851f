//! Programs as steps and makers: what they are given, how they are ended, and what is said when they go wrong.

#[path = "common/program.rs"]
mod program;

use program::Sandbox;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

/// A dataset of some rows `{id, text}` and one step.
fn project(rows: usize, run: &str) -> Sandbox {
    let sandbox = Sandbox::with(&format!("[dataset.d]\nfiles = \"data.jsonl\"\nkey = \"id\"\nrun = {{ {run} }}\n"));
    let text = "abcdefghij".repeat(3);
    let row = |id: usize| format!("{{\"id\": {id}, \"text\": \"{}\"}}\n", &text[..id % 30]);
    sandbox.write("data.jsonl", &(1..=rows).map(row).collect::<String>());
    sandbox
}

/// A step that runs a shell script.
fn sh(script: &str, rest: &str) -> String {
    format!("command = [\"sh\", \"-c\", {script:?}], {rest}")
}

/// Builds, and returns what is said of a failure.
#[track_caller]
fn fails(sandbox: &Sandbox, code: i32, words: &[&str]) -> String {
    let begun = Instant::now();
    let output = sandbox.run("build");
    let said = sandbox.plain(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{said}\nlacks {word:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(40), "it took {:?}: {said}", begun.elapsed());
    assert_eq!(scratch(sandbox), 0, "the scratch folders are removed");
    said
}

/// Counts the folders of programs that are there.
fn scratch(sandbox: &Sandbox) -> usize {
    std::fs::read_dir(sandbox.path(".datamake/scratch")).map_or(0, Iterator::count)
}

#[track_caller]
fn builds(sandbox: &Sandbox) {
    let output = sandbox.run("build");
    assert_eq!(output.status.code(), Some(0), "{}", sandbox.plain(&output.stderr));
    assert_eq!(scratch(sandbox), 0, "the scratch folders are removed");
}

#[track_caller]
fn rows(sandbox: &Sandbox, what: &str) -> Vec<Value> {
    let output = sandbox.run(&format!("show {what} -n 100000 --json"));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn column(rows: &[Value], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row[name].clone()).collect()
}

/// Waits until no process of this id is left.
fn is_gone(pid: &str) -> bool {
    let begun = Instant::now();
    loop {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        // What is dead and was not fetched by whoever adopted it is gone as well.
        if state.is_empty() || state.contains(") Z ") {
            return true;
        }
        if begun.elapsed() > Duration::from_secs(5) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

const LENGTH: &str = "awk '{ print \"{\\\"n\\\": \" length($0) \"}\" }'";

#[test]
fn a_filter_that_reads_to_the_end_adds_a_column_row_by_row() {
    let sandbox = project(50, &sh(LENGTH, "reads = [\"text\"], columns = { n = \"int\" }"));
    builds(&sandbox);
    let rows = rows(&sandbox, "d");
    let wanted: Vec<Value> = (1..=50).map(|id| json!("{\"text\":\"\"}".len() + id % 30)).collect();
    assert_eq!(column(&rows, "n"), wanted);
    assert_eq!(rows[4].as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "n", "text"]);
}

#[test]
fn a_program_sees_exactly_the_columns_that_it_reads_in_their_order() {
    let script = "tee seen | sed 's/.*/{\"n\": 1}/'";
    let sandbox = project(2, &sh(script, "reads = [\"text\", \"id\"], columns = { n = \"int\" }"));
    builds(&sandbox);
    let seen = std::fs::read_to_string(sandbox.path("seen")).unwrap();
    assert_eq!(seen, "{\"text\":\"a\",\"id\":1}\n{\"text\":\"ab\",\"id\":2}\n");
}

#[test]
fn a_group_is_answered_with_any_rows_and_their_count_is_kept() {
    let script = "awk '{ print \"{\\\"line\\\": \" NR \"}\"; print \"{\\\"line\\\": null}\" } NR == 2 { exit }'";
    let sandbox = project(5, &sh(script, "per = \"group\", columns = { line = \"int\" }"));
    builds(&sandbox);
    assert_eq!(
        rows(&sandbox, "d"),
        [1.into(), Value::Null, 2.into(), Value::Null].map(|n: Value| json!({ "line": n }))
    );
    let nothing = project(5, &sh("cat > /dev/null", "per = \"group\", columns = { line = \"int\" }"));
    builds(&nothing);
    assert_eq!(rows(&nothing, "d"), [] as [Value; 0]);
}

#[test]
fn a_table_is_given_whole_and_answered_with_any_rows() {
    let sandbox =
        project(30_000, "command = [\"sort\", \"-r\"], per = \"table\", columns = { id = \"int\", text = \"string\" }");
    builds(&sandbox);
    let rows = rows(&sandbox, "d");
    assert_eq!((rows.len(), rows[0]["id"].clone()), (30_000, json!(9999)));
}

#[test]
fn a_maker_writes_rows_and_is_given_nothing() {
    let manifest = "[dataset.d]\nkey = \"i\"\nrun = { command = [\"sh\", \"-c\", 'cat; for i in 3 4; do echo \"{\\\"i\\\": $i}\"; done'], \
                    columns = { i = \"int\" } }\nwhere = \"i > 3\"\n";
    let sandbox = Sandbox::with(manifest);
    builds(&sandbox);
    assert_eq!(rows(&sandbox, "d"), [json!({ "i": 4 })]);
    sandbox.check("build", 0, "nothing to do: 1 node is fresh\n");
}

#[test]
fn rows_may_be_handed_over_as_arrow() {
    for per in ["row", "group", "table"] {
        let sandbox = project(
            3,
            &format!(
                "command = [\"cat\"], per = \"{per}\", format = \"arrow\", reads = [\"id\"], columns = {{ id = \"int\" }}"
            ),
        );
        if per == "row" {
            sandbox.edit("datamake.toml", "run = {", "steps = [{ select = [\"id as x\", \"text as id\"] }, { select = [\"x as id\"] }, { columns = { y = \"id\" } }, { select = [\"y\"] }, { run = {");
            sandbox.edit(
                "datamake.toml",
                "reads = [\"id\"], columns = { id = \"int\" } }",
                "columns = { z = \"int\" } } }]",
            );
            // It echoes `y`, which is not what it is to write.
            fails(&sandbox, 1, &["`cat` wrote a column `y` that is not declared"]);
            continue;
        }
        builds(&sandbox);
        assert_eq!(column(&rows(&sandbox, "d"), "id"), [1, 2, 3].map(Value::from));
    }
    let sandbox = project(3, &sh("cat > /dev/null", "format = \"arrow\", columns = { n = \"int\" }"));
    fails(&sandbox, 1, &["wrote nothing, and not a stream of Arrow IPC"]);
    let sandbox = project(
        3,
        &sh("cat > /dev/null; echo hello", "per = \"table\", format = \"arrow\", columns = { n = \"int\" }"),
    );
    fails(&sandbox, 1, &["wrote something else than rows", "not a readable Arrow IPC file"]);
}

#[test]
fn a_row_may_fail_with_a_reason_and_the_others_go_on() {
    let script = "awk 'NR == 2 { print \"{\\\"error\\\": \\\"too short\\\"}\"; next } { print \"{\\\"n\\\": null}\" }'";
    let sandbox = project(3, &sh(script, "columns = { n = \"int\" }"));
    let said = fails(&sandbox, 1, &["1 row of `d` cannot be computed: too short", "max_failed"]);
    assert!(!said.contains("asks again"), "{said}");
    sandbox.edit("datamake.toml", "key =", "max_failed = 1\nkey =");
    builds(&sandbox);
    assert_eq!(column(&rows(&sandbox, "d"), "id"), [1, 3].map(Value::from));
    let failed = rows(&sandbox, "d --failed");
    assert_eq!((&failed[0]["id"], &failed[0]["failed_step"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&failed[0]["failure"]["kind"], &failed[0]["failure"]["detail"]),
        (&json!("uncomputable"), &json!("too short"))
    );
}

#[test]
fn what_cannot_be_started_is_told() {
    let sandbox = project(1, "command = [\"no-such-program\"], columns = { n = \"int\" }");
    fails(&sandbox, 1, &["there is no program `no-such-program`", "run for `d`", "install it"]);
    let sandbox = project(1, "command = [\"./score.sh\"], inputs = [\"score.sh\"], columns = { n = \"int\" }");
    sandbox.write("score.sh", "#!/bin/sh\n");
    fails(&sandbox, 1, &["`./score.sh` cannot be started: permission denied", "chmod +x"]);
}

#[test]
fn how_a_program_ended_and_what_it_said_last_is_told() {
    let columns = "columns = { n = \"int\" }";
    let sandbox = project(3, &sh("cat > /dev/null; echo first >&2; printf '\\033[31mwhy\\n' >&2; exit 3", columns));
    let said = fails(&sandbox, 1, &["failed with exit code 3", "it said last:", "first", "why"]);
    assert!(!said.contains('\x1b'), "no colours of others");
    fails(&project(3, &sh("kill -SEGV $$", columns)), 1, &["was killed by signal 11"]);
    fails(&project(3, &sh("kill -KILL $$", columns)), 1, &["was killed (signal 9)", "memory"]);
    for per in ["per = \"group\"", "per = \"table\""] {
        fails(
            &project(3, &sh("echo '{\"n\": 1}'; exit 4", &format!("{per}, {columns}"))),
            1,
            &["failed with exit code 4"],
        );
    }
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_its_children() {
    for per in ["row", "group", "table"] {
        // The shell does not hear SIGTERM, and its child does not get it from the shell.
        let script = "trap '' TERM; sleep 1000 & echo $! > pid; echo waiting >&2; wait; sleep 1000";
        let sandbox = project(3, &sh(script, &format!("per = \"{per}\", columns = {{ n = \"int\" }}, timeout = 0.5")));
        fails(&sandbox, 1, &["took longer than 0.5 s", "waiting", "`timeout`"]);
        assert!(is_gone(&std::fs::read_to_string(sandbox.path("pid")).unwrap()), "its child is killed, too");
    }
}

#[test]
fn an_interrupted_build_ends_its_programs() {
    for per in ["row", "table"] {
        let script = "echo $$ > pid; sleep 1000";
        let sandbox = project(3, &sh(script, &format!("per = \"{per}\", columns = {{ n = \"int\" }}")));
        let mut build = sandbox.command("build").stderr(std::process::Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while !std::fs::read_to_string(sandbox.path("pid")).is_ok_and(|text| text.ends_with('\n')) {
            assert!(begun.elapsed() < Duration::from_secs(20), "the program starts");
            std::thread::sleep(Duration::from_millis(10));
        }
        Command::new("kill").args(["-INT", &build.id().to_string()]).status().unwrap();
        assert_eq!(build.wait().unwrap().code(), Some(130));
        assert!(is_gone(&std::fs::read_to_string(sandbox.path("pid")).unwrap()));
    }
}

#[test]
fn answers_that_are_no_rows_are_told_with_the_line() {
    let columns = "columns = { n = \"int\" }";
    let cases: &[(&str, &[&str])] = &[
        ("echo '{\"n\": 1}'; echo '{\"n\": 2}'", &["answered 3 rows with 2", "each row is answered by one"]),
        ("true", &["answered 3 rows with 0", "a line for each line"]),
        ("for i in 1 2 3 4; do echo '{\"n\": 1}'; done", &["answered 3 rows with 4"]),
        (
            "echo loading; for i in 1 2 3; do echo '{\"n\": 1}'; done",
            &["answered 3 rows with 4", "the line: loading", "stderr"],
        ),
        ("echo loading; for i in 1 2; do echo '{\"n\": 1}'; done", &["line 1", "the line: loading", "stderr"]),
        ("echo '{\"n\": 1}'; echo '{\"n\": 1}'; printf '{\"n\"'", &["line 3", "the line: {\"n\""]),
        ("echo '{\"n\": 1}'; printf '{\"n\": '", &["answered 3 rows with 2", "breaks off", "the line: {\"n\": "]),
        ("for i in 1 2 3; do echo '{\"n\": x}'; done", &["line 1", "the line: {\"n\": x}"]),
        ("for i in 1 2 3; do echo '{\"n\": \"one\"}'; done", &["line 1", "`n`", "int"]),
        ("for i in 1 2 3; do echo '{\"m\": 1}'; done", &["wrote a column `m` that is not declared"]),
        ("for i in 1 2 3; do echo '{}'; done", &["did not write the column `n`"]),
        ("echo '{\"n\": 1}'; echo '{}'; echo '{\"n\": 3}'", &["did not write the column `n` in row 2", "null"]),
        ("for i in 1 2 3; do echo '[1]'; done", &["line 1", "the line: [1]"]),
        ("for i in 1 2 3; do printf '{\"n\": \"\\377\"}\\n'; done", &["UTF-8"]),
    ];
    for (script, words) in cases {
        let sandbox = project(3, &sh(&format!("cat > /dev/null; {script}"), columns));
        fails(&sandbox, 1, words);
    }
    for per in ["group", "table"] {
        let of = |script: &str| project(3, &sh(script, &format!("per = \"{per}\", {columns}")));
        fails(&of("echo '{\"n\": 1}'; echo; echo oops"), 1, &["line 3", "the line: oops", "stderr"]);
        fails(&of("echo '{\"n\": 1, \"m\": 1}'"), 1, &["wrote a column `m` that is not declared"]);
        fails(&of("echo '{\"n\": 1}'; echo '{}'"), 1, &["did not write the column `n` in row 2"]);
        fails(&of("echo '{\"n\": 1.5}'"), 1, &["`n`", "line 1"]);
        fails(&of("echo '{\"error\": \"no\"}'"), 1, &["wrote a column `error` that is not declared"]);
        fails(&of("printf '{\"n\": 1}\\n{\"n\"'"), 1, &["line 2"]);
    }
}

/// Garbage, another type, a line that breaks off, bytes that are no text: nothing of it is skipped, wherever it stands.
#[test]
fn no_line_of_an_answer_is_ever_lost() {
    // Each script answers three rows with two good lines and a bad one.
    let cases: &[(&str, &[&str])] = &[
        ("{\"n\": 1}\\n{\"n\": null}\\ngarbage\\n", &["no row, line 3: ", "the line: garbage", "stderr"]),
        ("{\"n\": null}\\ngarbage\\n{\"n\": 3}\\n", &["no row, line 2: ", "the line: garbage", "stderr"]),
        (
            "{\"n\": 1}\\n{\"n\": \"two\"}\\n{\"n\": 3}\\n",
            &["no row, line 2: ", "the line: {\"n\": \"two\"}", "`n`", "int"],
        ),
        ("{\"n\": 1}\\n{\"n\": 2.5}\\n{\"n\": 3}\\n", &["no row, line 2: ", "the line: {\"n\": 2.5}", "`n`", "int"]),
        ("{\"n\": null}\\n{\"n\": 2}\\n{\"n\": ", &["no row, line 3: ", "the line: {\"n\": "]),
        (
            "{\"n\": 1}\\n{\"n\": 2}\\n{\"n\": \\377}\\n",
            &[
                "no row, line 3: ",
                "the byte 0xff is not valid UTF-8",
                "a program writes UTF-8",
                "the line: {\"n\": \u{fffd}}",
            ],
        ),
        (
            "{\"n\": null}{\"n\": 1}\\n{\"n\": 2}\\n{\"n\": 3}\\n",
            &["no row, line 1: ", "the line: {\"n\": null}{\"n\": 1}"],
        ),
        ("[1]\\n{\"n\": 2}\\n{\"n\": 3}\\n", &["no row, line 1: ", "the line: [1]"]),
    ];
    for per in ["row", "group", "table", "maker"] {
        for (lines, words) in cases {
            let script = format!("cat > /dev/null; printf '{lines}'");
            let sandbox = match per {
                "maker" => project(3, &sh(&script, "columns = { n = \"int\" }")),
                _ => project(3, &sh(&script, &format!("per = \"{per}\", columns = {{ n = \"int\" }}"))),
            };
            if per == "maker" {
                sandbox.edit("datamake.toml", "files = \"data.jsonl\"\nkey = \"id\"\n", "");
            }
            fails(&sandbox, 1, words);
            let failed = sandbox.run("show d --failed");
            assert_ne!(failed.status.code(), Some(0), "per {per}, {lines}: nothing is recorded");
        }
    }
}

#[test]
fn neither_side_of_the_pipes_waits_for_the_other() {
    let columns = "columns = { n = \"int\" }";
    // Far more than the pipes hold: it answers before it reads, and the other way round.
    let early = project(
        60_000,
        &sh("yes '{\"n\": 1}' | head -n 60000; cat > /dev/null", &format!("per = \"table\", {columns}")),
    );
    builds(&early);
    assert_eq!(rows(&early, "d").len(), 60_000);
    for per in ["row", "group", "table"] {
        let deaf =
            project(20_000, &sh("exec <&-; yes '{\"n\": 1}' | head -n 5", &format!("per = \"{per}\", {columns}")));
        match per {
            "row" => drop(fails(&deaf, 1, &["rows with 5"])),
            _ => builds(&deaf),
        }
        let never_reads = project(20_000, &sh("sleep 0.2; echo '{\"n\": 1}'", &format!("per = \"{per}\", {columns}")));
        match per {
            "row" => drop(fails(&never_reads, 1, &["rows with 1"])),
            _ => builds(&never_reads),
        }
        let loud = project(
            10,
            &sh(
                "head -c 30000000 /dev/zero | tr '\\0' 'x' >&2; exec sed 's/.*/{\"n\": 1}/'",
                &format!("per = \"{per}\", {columns}"),
            ),
        );
        builds(&loud);
        let leaves = project(
            3,
            &sh("sed 's/.*/{\"n\": 1}/'; sleep 1000 & echo $! > pid", &format!("per = \"{per}\", {columns}")),
        );
        builds(&leaves);
        assert!(is_gone(&std::fs::read_to_string(leaves.path("pid")).unwrap()), "what it left is ended");
    }
    fails(&project(3, &sh("yes '{\"n\": 1}'", columns)), 1, &["wrote more than 256 MiB for a row group"]);
    fails(&project(3, &sh("yes | tr -d '\\n'", columns)), 1, &["wrote more than 256 MiB for a row group"]);
}

#[test]
fn a_program_gets_a_clean_environment_and_a_folder_of_its_own() {
    let script = "env | sort > seen; ls /proc/self/fd > fds; pwd > cwd; echo x > $TMPDIR/file; sed 's/.*/{\"n\": 1}/'";
    let sandbox = project(1, &sh(script, "columns = { n = \"int\" }, env = [\"GIVEN\", \"NOT_SET\"]"));
    let output = sandbox.command("build").env("GIVEN", "yes").env("NOT_GIVEN", "secret").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", sandbox.plain(&output.stderr));
    let seen = std::fs::read_to_string(sandbox.path("seen")).unwrap();
    let shells_own = ["PWD", "OLDPWD", "SHLVL", "_"];
    let names: Vec<&str> =
        seen.lines().filter_map(|line| line.split('=').next()).filter(|name| !shells_own.contains(name)).collect();
    let wanted = [
        "DATAMAKE_COLUMNS",
        "DATAMAKE_FORMAT",
        "DATAMAKE_PER",
        "GIVEN",
        "HOME",
        "LANG",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED",
        "PYTHONPATH",
        "TMPDIR",
        "TZ",
    ];
    assert_eq!(names, wanted);
    assert!(seen.contains("GIVEN=yes") && !seen.contains("secret"));
    // The fourth is the folder that `ls` looks into.
    assert_eq!(std::fs::read_to_string(sandbox.path("fds")).unwrap().lines().count(), 4);
    let cwd = std::fs::read_to_string(sandbox.path("cwd")).unwrap();
    assert_eq!(std::fs::canonicalize(cwd.trim()).unwrap(), std::fs::canonicalize(sandbox.folder.path()).unwrap());
    let folder = seen.lines().find_map(|line| line.strip_prefix("TMPDIR=")).unwrap();
    assert!(!std::path::Path::new(folder).exists(), "it is removed");
}

#[test]
fn what_must_be_declared_and_what_must_not_be_handed_on_is_told_before_anything_runs() {
    let sandbox = project(
        1,
        "command = [\"sh\", \"score.sh\", \"--rules=lib/r.txt\"], inputs = [\"lib/*.py\"], columns = { n = \"int\" }",
    );
    sandbox.write("score.sh", "touch ran");
    sandbox.write("lib/r.txt", "");
    sandbox.write("lib/a.py", "");
    fails(
        &sandbox,
        2,
        &[
            "`score.sh` is a file that the program reads, and not among its `inputs`",
            "`lib/r.txt` is a file that the program reads",
            "inputs = [\"lib/a.py\", \"score.sh\"]",
        ],
    );
    fails(
        &project(1, "command = [\"cat\"], inputs = [\"no.py\"], columns = { n = \"int\" }"),
        2,
        &["no.py", "the program reads this"],
    );
    let keys = project(1, "command = [\"cat\"], env = [\"OPENAI_API_KEY\", \"MY_KEY\"], columns = { n = \"int\" }");
    keys.edit(
        "datamake.toml",
        "[dataset.d]",
        "[model.m]\nprovider = \"openai\"\nname = \"m\"\nkey = \"MY_KEY\"\n[dataset.d]",
    );
    fails(
        &keys,
        2,
        &["the key in `OPENAI_API_KEY` must not go to a program", "the key in `MY_KEY` must not go to a program"],
    );
    let export = project(1, "command = [\"cat\"], inputs = [\"out.jsonl\"], columns = { n = \"int\" }");
    export.edit("datamake.toml", "[dataset.d]", "[export.e]\nfrom = \"d\"\nto = \"out.jsonl\"\n[dataset.d]");
    export.write("out.jsonl", "");
    fails(&export, 2, &["would overwrite out.jsonl, which a program reads"]);
    assert!(!sandbox.path("ran").exists());
    let absolute = project(
        1,
        "command = [\"sh\", \"HERE/score.sh\", \"--rules=HERE/./r.txt\", \"/etc/hostname\"], columns = { n = \"int\" }",
    );
    absolute.write("score.sh", "touch ran");
    absolute.write("r.txt", "");
    absolute.edit("datamake.toml", "HERE", &absolute.folder.path().display().to_string());
    let words = ["`score.sh` is a file that the program reads", "`r.txt` is a file that the program reads"];
    let said = fails(&absolute, 2, &words);
    assert!(!said.contains("`/etc/hostname`"), "{said}");
    for name in ["TMPDIR", "DATAMAKE_PER"] {
        let reserved = project(1, &format!("command = [\"cat\"], env = [\"{name}\"], columns = {{ n = \"int\" }}"));
        fails(&reserved, 2, &[&format!("`{name}` is a variable that datamake sets itself")]);
    }
}

/// Else the trace of the old contents would hold what the new ones made, and be found when the old ones come back.
#[test]
fn a_file_that_changes_while_a_program_uses_it_fails_the_dataset_and_leaves_nothing_behind() {
    for per in ["row", "group", "table", "maker"] {
        let script = "cat > /dev/null; [ -e once ] || { touch once; echo 22 > rules.txt; }; read n < rules.txt; echo \"{\\\"n\\\": $n}\"";
        let of = |rest: &str| sh(script, &format!("{rest}inputs = [\"rules.txt\"], columns = {{ n = \"int\" }}"));
        let sandbox = match per {
            "maker" => project(1, &of("")),
            _ => project(1, &of(&format!("per = \"{per}\", "))),
        };
        if per == "maker" {
            sandbox.edit("datamake.toml", "files = \"data.jsonl\"\nkey = \"id\"\n", "");
        }
        sandbox.write("rules.txt", "11\n");
        fails(&sandbox, 1, &["changed-file", "rules.txt changed while", "the same command again"]);
        for n in [22, 11, 22] {
            sandbox.write("rules.txt", &format!("{n}\n"));
            builds(&sandbox);
            assert_eq!(column(&rows(&sandbox, "d"), "n"), [json!(n)], "per {per}");
        }
    }
    // An earlier step does it.
    let sandbox = project(1, "command = [\"cat\"], columns = { n = \"int\" }");
    let step = |script: &str, rest: &str| format!("{{ run = {{ {} }} }}", sh(script, rest));
    let steps = [
        step("echo 22 > rules.txt; sed 's/.*/{\"m\": 1}/'", "columns = { m = \"int\" }"),
        step(
            "read n < rules.txt; sed \"s/.*/{\\\"n\\\": $n}/\"",
            "columns = { n = \"int\" }, inputs = [\"rules.txt\"]",
        ),
    ];
    sandbox.write(
        "datamake.toml",
        &format!("[dataset.d]\nfiles = \"data.jsonl\"\nkey = \"id\"\nsteps = [{}]\n", steps.join(", ")),
    );
    sandbox.write("rules.txt", "11\n");
    fails(&sandbox, 1, &["changed-file", "rules.txt changed while"]);
    builds(&sandbox);
    assert_eq!(column(&rows(&sandbox, "d"), "n"), [json!(22)]);
}

#[test]
fn a_program_that_is_said_to_stay_is_started_once_and_answers_all_row_groups() {
    let loop_ = "while read -r line; do if [ -z \"$line\" ]; then echo; else echo \"{\\\"n\\\": $$}\"; fi; done";
    let greets = format!("echo x >> starts; printf '{{\"datamake\": \"stays\"}}\\n'; {loop_}");
    let starts = |sandbox: &Sandbox| std::fs::read_to_string(sandbox.path("starts")).unwrap().lines().count();
    for per in ["row", "group"] {
        let rest = format!("per = \"{per}\", reads = [\"id\"], columns = {{ n = \"int\" }}, jobs = 1");
        let stays = project(30_000, &sh(&greets, &format!("{rest}, stays = true")));
        builds(&stays);
        assert_eq!((rows(&stays, "d").len(), starts(&stays)), (30_000, 1));
        let filter = project(30_000, &sh("echo x >> starts; sed 's/.*/{\"n\": 1}/'", &rest));
        builds(&filter);
        assert!(starts(&filter) > 1, "there are several row groups");
        filter.edit("datamake.toml", "jobs = 1", "jobs = 1, stays = true");
        filter.check("build", 0, "nothing to do: 1 node is fresh\n");
    }
    // What does not greet is told, whatever it does instead.
    let columns = "columns = { n = \"int\" }, stays = true, timeout = 1";
    let silent = project(3, &sh("sed -u 's/.*/{\"n\": 1}/'", columns));
    fails(&silent, 1, &["did not say that it stays", "{\"datamake\": \"stays\"}"]);
    fails(&project(3, &sh("cat > /dev/null; echo late", columns)), 1, &["took longer than 1 s"]);
    fails(&project(3, &sh("echo no >&2; exit 3", columns)), 1, &["failed with exit code 3", "no"]);
    fails(&project(3, &sh("exit 0", columns)), 1, &["did not say that it stays"]);
}

#[test]
fn what_a_killed_build_left_running_is_ended_by_the_next_and_shares_no_folder_with_it() {
    // The shell does not hear SIGTERM, and what it starts leaves its process group.
    let waits =
        "trap '' TERM; setsid sleep 1000 & echo $! >> pids; echo $$ >> pids; echo $TMPDIR >> folders; wait; sleep 1000";
    let script = &format!("[ -e go ] || {{ {waits}; }}; echo $TMPDIR >> folders; sed 's/.*/{{\"n\": 1}}/'");
    let sandbox = project(1, &sh(script, "columns = { n = \"int\" }"));
    let lines = |name: &str| std::fs::read_to_string(sandbox.path(name)).unwrap_or_default();
    let mut build = sandbox.command("build").spawn().unwrap();
    let begun = Instant::now();
    while !lines("folders").ends_with('\n') {
        assert!(begun.elapsed() < Duration::from_secs(20), "the program starts");
        std::thread::sleep(Duration::from_millis(10));
    }
    build.kill().unwrap();
    build.wait().unwrap();
    assert_eq!(scratch(&sandbox), 1, "nobody was left to remove it");
    sandbox.write("go", "");
    builds(&sandbox);
    assert_eq!(lines("pids").lines().count(), 2);
    assert!(lines("pids").lines().all(is_gone), "nobody but the next build could end them");
    let folders = lines("folders");
    let folders: Vec<&str> = folders.lines().collect();
    assert_eq!(folders.len(), 2);
    assert_ne!(folders[0], folders[1]);
}

#[test]
fn a_maker_that_fails_is_run_once_even_if_models_are_asked_of_its_rows() {
    let sandbox = Sandbox::with(
        r#"
[model.m]
provider = "openai"
url = "http://127.0.0.1:9/v1"
name = "m"

[prompt.p]
template = "{{ i }}"

[dataset.a]
key = "i"
run = { command = ["sh", "-c", "echo a >> log; exit 3"], columns = { i = "int" } }
steps = [{ generate = { prompt = "p", model = "m", into = "text" } }]

[dataset.b]
key = "i"
run = { command = ["sh", "-c", "echo b >> log; exit 4"], columns = { i = "int" } }

[dataset.c]
from = "b"
generate = { prompt = "p", model = "m", into = "text" }
"#,
    );
    fails(&sandbox, 1, &["failed with exit code 3", "failed with exit code 4"]);
    let log = std::fs::read_to_string(sandbox.path("log")).unwrap();
    let mut ran: Vec<&str> = log.lines().collect();
    ran.sort_unstable();
    assert_eq!(ran, ["a", "b"]);
}

#[test]
fn what_cannot_be_meant_is_told_by_check() {
    let check = |manifest: &str, words: &[&str]| {
        let sandbox = Sandbox::with(manifest);
        sandbox.write("data.jsonl", "{\"id\": 1}\n");
        let output = sandbox.run("check");
        let said = sandbox.plain(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        words.iter().for_each(|word| assert!(said.contains(word), "{said}\nlacks {word:?}"));
    };
    let of = |run: &str| format!("[dataset.d]\nfiles = \"data.jsonl\"\nrun = {{ {run} }}\n");
    check(&of("columns = { n = \"int\" }"), &["needs `command`"]);
    check(&of("command = [\"cat\"]"), &["needs `columns`"]);
    check(&of("command = [], columns = { n = \"int\" }"), &["must not be empty"]);
    check(&of("command = [\"cat\"], columns = { id = \"int\" }"), &["there is a column `id` already"]);
    check(&of("command = [\"cat\"], columns = { error = \"int\" }"), &["cannot make a column `error`"]);
    check(&of("command = [\"cat\"], reads = [\"idd\"], columns = { n = \"int\" }"), &["does not have here", "idd"]);
    check(&of("command = [\"cat\"], columns = { n = \"integer\" }"), &["integer"]);
    check(&of("command = [\"cat\"], columns = { n = \"int\" }, timeout = 0"), &["timeout"]);
    check(
        &of("command = [\"cat\"], per = \"table\", columns = { n = \"int\" }, stays = true"),
        &["`stays` has no meaning"],
    );
    check(
        &format!("{}where = \"id > 1\"\n", of("command = [\"cat\"], columns = { n = \"int\" }")),
        &["`run` and `where` exclude each other"],
    );
    check(
        "[dataset.d]\nrun = { command = [\"cat\"], per = \"row\", columns = { n = \"int\" } }\n",
        &["`per` has no meaning for a maker"],
    );
    check(
        "[dataset.d]\nkey = \"m\"\nrun = { command = [\"cat\"], columns = { n = \"int\" } }\n",
        &["the key of `d` is a column that it does not have"],
    );
    check("[dataset.d]\nwhere = \"true\"\n", &["needs one of", "run"]);
    let from = "[dataset.s]\nfiles = \"data.jsonl\"\n[dataset.d]\nfrom = \"s\"\nkey = \"id\"\n";
    check(
        &format!("{from}run = {{ command = [\"cat\"], columns = {{ n = \"int\" }} }}\n"),
        &["`key` in `dataset.d` has no meaning beside a step `run`"],
    );
}

#[test]
fn a_plan_and_a_check_start_no_program_and_tell_what_would_run() {
    let sandbox = project(5, &sh("touch ran; sed 's/.*/{\"n\": 1}/'", "columns = { n = \"int\" }"));
    sandbox.write(
        "datamake.toml",
        &(std::fs::read_to_string(sandbox.path("datamake.toml")).unwrap()
            + "[dataset.e]\nfrom = \"d\"\nwhere = \"n > 0\"\n"),
    );
    assert_eq!(sandbox.run("check").status.code(), Some(0));
    let plan = sandbox.run("plan");
    assert!(!sandbox.path("ran").exists());
    let told = sandbox.plain(&plan.stdout);
    assert!(told.contains("d") && told.contains("5 rows"), "{told}");
    builds(&sandbox);
    assert!(sandbox.path("ran").exists());
    assert!(sandbox.plain(&sandbox.run("plan").stdout).contains("nothing to do"));
}

#[test]
fn only_what_a_program_is_made_of_makes_it_run_again() {
    let sandbox = project(
        5,
        "command = [\"sh\", \"score.sh\"], reads = [\"text\"], columns = { n = \"int\" }, inputs = [\"score.sh\"], env = [\"LEVEL\"]",
    );
    sandbox.write("score.sh", "echo ran >> log; sed 's/.*/{\"n\": 1}/'");
    let ran = |sandbox: &Sandbox| {
        let output = sandbox
            .command("build")
            .env("LEVEL", std::fs::read_to_string(sandbox.path("level")).unwrap_or_default())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", sandbox.plain(&output.stderr));
        let log = std::fs::read_to_string(sandbox.path("log")).unwrap_or_default();
        let _ = std::fs::remove_file(sandbox.path("log"));
        log.lines().count()
    };
    assert_eq!((ran(&sandbox), ran(&sandbox), ran(&sandbox)), (1, 0, 0));
    sandbox.edit("datamake.toml", "columns = { n = \"int\" }", "columns = { n = \"int\" }, timeout = 5, jobs = 1");
    assert_eq!(ran(&sandbox), 0, "how long and how many does not matter");
    sandbox.edit("datamake.toml", "[dataset.d]", "[dataset.other]");
    assert_eq!(ran(&sandbox), 0, "nor what the dataset is called");
    sandbox.edit("data.jsonl", "\"id\": 5", "\"id\": 6");
    assert_eq!(ran(&sandbox), 0, "nor a column that it does not read");
    sandbox.write("level", "high");
    let why = sandbox.command("why other").env("LEVEL", "high").output().unwrap();
    let why = sandbox.plain(&why.stdout);
    assert!(why.contains("run.env.LEVEL of step 1 changed") && why.contains("+ set, with the hash"), "{why}");
    assert!(!why.contains("high"), "the value itself is nowhere: {why}");
    assert_eq!((ran(&sandbox), ran(&sandbox), ran(&sandbox)), (1, 0, 0), "a variable does");
    sandbox.edit("score.sh", "1", "2");
    assert!(sandbox.plain(&sandbox.run("why other").stdout).contains("the file score.sh changed"));
    assert_eq!((ran(&sandbox), ran(&sandbox)), (1, 0), "and a file");
    sandbox.edit("datamake.toml", "n = \"int\"", "n = \"float\"");
    assert_eq!(ran(&sandbox), 1, "and a type");
}
