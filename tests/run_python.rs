//! The helper module for Python: functions as programs.

mod common;

use common::Sandbox;
use datamake::diag::{Style, render};
use datamake::exec::State;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A dataset of some rows `{id, text}` and one step.
fn project(rows: usize, run: &str, script: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "datamake.toml",
        format!("[dataset.d]\nfiles = \"data.jsonl\"\nkey = \"id\"\nmax_failed = 1000\nrun = {{ command = [\"python3\", \"s.py\"], inputs = [\"s.py\"], {run} }}\n"),
    );
    sandbox.write("s.py", format!("import datamake, os, sys\n{script}\ndatamake.main()\n"));
    sandbox.write("data.jsonl", (1..=rows).map(row).collect::<String>());
    sandbox
}

fn row(id: usize) -> String {
    format!("{{\"id\": {id}, \"text\": \"{}\"}}\n", "é".repeat(id % 7))
}

fn column(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    sandbox.rows("d").iter().map(|row| row[name].clone()).collect()
}

fn failures(sandbox: &Sandbox) -> Vec<Value> {
    let project = sandbox.project().expect("the manifest is right");
    let built = common::build(&project, &[], None).expect("the project is right");
    common::failures(&project, &common::record(&project, &built, "d"))
}

fn fails(sandbox: &Sandbox) -> String {
    let built = sandbox.build().expect("the project is right");
    let failed = built.run.nodes.iter().find_map(|node| match &node.state {
        State::Failed(problems) => Some(render(problems, Style::Plain)),
        _ => None,
    });
    failed.expect("the program fails")
}

#[test]
fn a_function_of_a_row_is_a_column() {
    let sandbox = project(
        40,
        "columns = { n = \"int\", twice = \"string\" }",
        "@datamake.row\ndef f(text, absent=2):\n    print('to stderr')\n    os.write(1, b'this too')\n    return {'twice': text * absent, 'n': len(text)}\n",
    );
    sandbox.built();
    assert_eq!(column(&sandbox, "n"), (1..=40).map(|id| json!(id % 7)).collect::<Vec<_>>());
    assert_eq!(column(&sandbox, "twice")[8], json!("éééé"));
    let one =
        project(4, "columns = { n = \"int\" }", "@datamake.row\ndef f(**row):\n    return row['id'] + len(row)\n");
    one.built();
    assert_eq!(column(&one, "n"), [3, 4, 5, 6].map(Value::from));
    let nulls =
        project(2, "columns = { n = \"int\" }", "@datamake.row\ndef f(id):\n    return None if id == 1 else id\n");
    nulls.built();
    assert_eq!(column(&nulls, "n"), [Value::Null, json!(2)]);
}

#[test]
fn an_exception_is_a_failed_row_with_its_message_and_place() {
    let script = "@datamake.row\ndef f(id):\n    if id == 2: raise ValueError('not two')\n    if id == 3: return {'n': float('nan')}\n    if id == 4: return {'n': object()}\n    if id == 5: return {'n': '\\ud800'}\n    return {'n': id / 2}\n";
    let sandbox = project(6, "reads = [\"id\"], columns = { n = \"float\" }", script);
    sandbox.built();
    assert_eq!(column(&sandbox, "id"), [1, 6].map(Value::from));
    let failures: Vec<String> =
        failures(&sandbox).iter().map(|row| row["failure"]["detail"].as_str().unwrap().to_owned()).collect();
    assert_eq!(failures[0], "ValueError: not two (s.py, line 4)");
    assert!(failures[1].contains("not JSON compliant"), "{failures:?}");
    assert_eq!(failures[2], "TypeError: a value of type object has no form in JSON");
    assert!(failures[3].contains("surrogates"), "{failures:?}");
}

#[test]
fn processes_stay_for_all_row_groups_and_are_as_many_as_threads() {
    for (per, jobs, most) in [("row", 1, 1), ("row", 2, 2), ("group", 2, 2), ("row", 8, 3)] {
        let function = match per {
            "row" => "@datamake.row\ndef f(id):\n    return os.getpid()\n",
            _ => "@datamake.group\ndef f(rows):\n    return [{'n': os.getpid()} for row in rows]\n",
        };
        let mut sandbox = project(400, &format!("per = \"{per}\", columns = {{ n = \"int\" }}, jobs = 3"), function);
        sandbox.jobs = Some(jobs);
        sandbox.built();
        let pids: BTreeSet<i64> = column(&sandbox, "n").iter().map(|pid| pid.as_i64().unwrap()).collect();
        assert!(pids.len() <= most, "{per} {jobs}: {} processes", pids.len());
        assert_eq!(column(&sandbox, "n").len(), 400);
    }
}

#[test]
fn functions_of_groups_tables_and_nothing_make_rows() {
    let group = project(
        30,
        "per = \"group\", columns = { id = \"int\" }",
        "@datamake.group\ndef f(rows):\n    for row in rows:\n        if row['id'] % 2: yield {'id': row['id']}\n",
    );
    group.built();
    assert_eq!(column(&group, "id"), (1..=30).step_by(2).map(Value::from).collect::<Vec<_>>());
    let table = project(
        30,
        "per = \"table\", columns = { sum = \"int\" }",
        "@datamake.table\ndef f(rows):\n    return [{'sum': sum(row['id'] for row in rows)}]\n",
    );
    table.built();
    assert_eq!(column(&table, "sum"), [json!(465)]);
    let maker = project(
        1,
        "columns = { i = \"int\" }",
        "@datamake.maker\ndef f():\n    return ({'i': i} for i in range(100))\n",
    );
    maker.edit("datamake.toml", "files = \"data.jsonl\"\nkey = \"id\"\n", "");
    maker.built();
    assert_eq!(column(&maker, "i").len(), 100);
}

#[test]
fn what_is_wrong_with_a_program_is_told_by_it() {
    let columns = "columns = { n = \"int\" }";
    let said = fails(&project(1, columns, "@datamake.group\ndef f(rows): return []\n"));
    assert!(said.contains("`f` is decorated with @datamake.group, and the manifest says per = \"row\""), "{said}");
    let said = fails(&project(1, columns, "@datamake.row\ndef f(txt): return 1\n"));
    assert!(said.contains("f() wants the column `txt`, and is given `id`, `text`: is it in `reads`?"), "{said}");
    let said = fails(&project(1, columns, ""));
    assert!(said.contains("no function is decorated"), "{said}");
    let forgot = project(1, columns, "@datamake.row\ndef f(id): return 1\n");
    forgot.edit("s.py", "datamake.main()\n", "");
    let said = fails(&forgot);
    assert!(said.contains("answered 1 row with 0") && said.contains("datamake.main()"), "{said}");
    let said = fails(&project(1, columns, "import no_such_module\n"));
    assert!(
        said.contains("exit code 1") && said.contains("ModuleNotFoundError: No module named 'no_such_module'"),
        "{said}"
    );
    let said = fails(&project(9, columns, "@datamake.row\ndef f(id):\n    if id == 5: os._exit(0)\n    return 1\n"));
    assert!(said.contains("ended before it had answered a row group"), "{said}");
    let said =
        fails(&project(9, columns, "@datamake.row\ndef f(id):\n    if id == 5: sys.exit('enough')\n    return 1\n"));
    assert!(said.contains("exit code 1") && said.contains("enough"), "{said}");
    let said = fails(&project(9, columns, "@datamake.row\ndef f(id): return 'x'\n"));
    assert!(said.contains("`n`") && said.contains("int"), "{said}");
}

#[test]
fn a_script_that_mentions_the_module_and_does_not_use_it_is_a_filter() {
    let sandbox = project(3, "columns = { n = \"int\" }", "");
    sandbox.write(
        "s.py",
        "# import datamake would do\nimport sys\nfor line in sys.stdin: print('{\"n\": 1}', flush=True)\n",
    );
    sandbox.built();
    assert_eq!(column(&sandbox, "n"), [1, 1, 1].map(Value::from));
}

/// After any edits, a build gives what a clean build gives; and a program is given only rows of groups that changed.
#[test]
fn after_any_edits_a_program_runs_over_changed_groups_only_and_gives_what_a_clean_build_gives() {
    for (seed, per) in [(1u64, "row"), (2, "group"), (3, "row"), (4, "group"), (5, "table")] {
        let script = "{ print >> \"given\" } { n = gsub(/é/, \"\") } { print \"{\\\"n\\\": \" n \"}\" }";
        let mut sandbox = project(60, "", "");
        sandbox.jobs = Some(1 + seed as usize % 3);
        sandbox.write(
            "datamake.toml",
            format!("[dataset.s]\nfiles = \"data.jsonl\"\nkey = \"id\"\n[dataset.d]\nfrom = \"s\"\nsteps = [{{ run = {{ command = [\"awk\", {script:?}], per = \"{per}\", reads = [\"text\"], columns = {{ n = \"int\" }} }} }}, {{ where = \"n > 1\" }}]\n"),
        );
        let mut state = seed;
        let mut random = move |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        // Texts of their own: equal row groups would be given once.
        let own = |id: usize| row(id).replace("\"}", &format!("{id}\"}}"));
        let mut lines: Vec<String> = (1..=60).map(own).collect();
        sandbox.write("data.jsonl", lines.concat());
        sandbox.built();
        let given = |sandbox: &Sandbox| {
            let rows = std::fs::read_to_string(sandbox.file("given")).unwrap_or_default().lines().count();
            let _ = std::fs::remove_file(sandbox.file("given"));
            rows
        };
        assert_eq!(given(&sandbox), 60);
        for edit in 0..4 {
            let at = random(lines.len());
            match random(4) {
                0 => lines.insert(at, own(100 + edit)),
                1 => drop(lines.remove(at)),
                2 => lines[at] = own(200 + edit),
                _ => lines[at] = lines[at].replace("\"id\"", " \"id\""),
            }
            sandbox.write("data.jsonl", lines.concat());
            sandbox.built();
            let rows = given(&sandbox);
            let most = if per == "table" { lines.len() } else { 3 * sandbox.limits.max as usize };
            assert!(rows <= most, "seed {seed}, edit {edit}: {rows} rows were given");
            assert_eq!(sandbox.results(), sandbox.clean(), "seed {seed}, edit {edit}");
            assert_eq!(given(&sandbox), lines.len(), "a clean build gives all rows");
            sandbox.built();
            assert_eq!(given(&sandbox), 0, "nothing is left to do");
        }
    }
}
