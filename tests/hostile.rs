//! Hostile input through whole commands: what is said of it, and that nothing is lost and no memory eaten.

#[path = "common/program.rs"]
mod program;

use program::Sandbox;
use std::fs;
use std::io::Write;
use std::time::Duration;

fn bytes(sandbox: &Sandbox, path: &str, bytes: &[u8]) {
    let path = sandbox.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Returns all that a command wrote: stdout, then behind `!` the lines of stderr; and its exit code.
fn told(sandbox: &Sandbox, args: &str) -> String {
    let output = sandbox.run(args);
    let err = sandbox.plain(&output.stderr);
    let err: String = err.lines().map(|line| format!("! {line}").trim_end().to_owned() + "\n").collect();
    format!("{}{err}exit code {}\n", sandbox.plain(&output.stdout), output.status.code().unwrap())
}

/// Runs a command; returns its exit code, what it wrote to stderr, and the most memory that it had, in MiB.
fn measured(sandbox: &Sandbox, args: &str) -> (Option<i32>, String, u64) {
    let err = fs::File::create(sandbox.path("stderr.txt")).unwrap();
    let mut child = sandbox.command(args).stdout(std::process::Stdio::null()).stderr(err).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    let code = loop {
        // The mark only rises, so the last look is near enough.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let mark = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        most = most.max(mark.unwrap_or(0));
        if let Some(code) = child.try_wait().unwrap() {
            break code.code();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    (code, fs::read_to_string(sandbox.path("stderr.txt")).unwrap(), most / 1024)
}

#[test]
fn each_wrong_line_of_a_file_is_told_with_a_caret_and_the_rest_is_read() {
    let sandbox = Sandbox::with("[dataset.notes]\nfiles = \"notes.jsonl\"\nkey = \"id\"\ntypes = { day = \"date\" }\n");
    let lines: [&[u8]; 10] = [
        br#"{"id": 1, "text": "good"}"#,
        br#"{"id": 2, "text": "no end}"#,
        b"{\"id\": 3, \"text\": \"caf\xe9\"}",
        b"{\"id\": 4, \"text\": \"a\0b\"}",
        br#"{"id": 5, "text": "\ud83d"}"#,
        br#"{"id": 6, "text": "a", "text": "b"}"#,
        br#"{"id": 7, "text": "big", "n": 9223372036854775808}"#,
        br#"{"id": 8, "text": "soon", "day": "tomorrow"}"#,
        br#"["id", 9]"#,
        br#"{"id": 10, "text": "good", "n": 9007199254740993}"#,
    ];
    bytes(&sandbox, "notes.jsonl", &lines.join(&b'\n'));
    insta::assert_snapshot!(told(&sandbox, "build"), @r#"
    failed notes

    built 0 nodes, 1 failed; 2 actions run, 1 reused; 0.00 s (build 1)
    ! error[failed-rows]: 8 rows of `notes` cannot be read
    !  --> notes.jsonl:2:27
    !   |
    ! 2 | {"id": 2, "text": "no end}
    !   |                           ^ the row ends before its JSON object does
    !   |
    !  ::: notes.jsonl:3:23
    !   |
    ! 3 | {"id": 3, "text": "caf�"}
    !   |                       - the byte 0xe9 is not valid UTF-8
    !   |
    !  ::: notes.jsonl:4:21
    !   |
    ! 4 | {"id": 4, "text": "a b"}
    !   |                     - there is a NUL byte inside JSON
    !   |
    !  ::: datamake.toml:1:10
    !   |
    ! 1 | [dataset.notes]
    !   |          ----- `max_failed` lets 0 fail
    !   |
    !   = note: and 5 more
    !   = help: each row is one whole JSON object
    !   = help: convert the file: iconv -f LATIN1 -t UTF-8 (or whatever encoding it has)
    !   = help: inside a string it is written \u0000
    !   = help: `datamake show notes --failed` has them
    !   = help: `max_failed` in the dataset lets rows go
    exit code 1
    "#);
    insta::assert_snapshot!(told(&sandbox, "show notes --failed"), @r#"
    notes: 8 rows failed, so it was not published

    the maker: 8 unreadable
    failure     detail                                            of    file         line  column  text
    unreadable  the row ends before its JSON object does          null  notes.jsonl     2      27  {"id": 2, "text": "no end}
    unreadable  the byte 0xe9 is not valid UTF-8                  null  notes.jsonl     3      23  {"id": 3, "text": "caf�"}
    unreadable  there is a NUL byte inside JSON                   null  notes.jsonl     4      21  {"id": 4, "text": "a�b"}
    unreadable  this is not JSON: unexpected end of hex escape    null  notes.jsonl     5      26  {"id": 5, "text": "\ud83d"}
    unreadable  `text` is there twice                             null  notes.jsonl     6      29  {"id": 6, "text": "a", "text": "b"}
    unreadable  `n` is an integer that does not fit into 64 bits  null  notes.jsonl     7      49  {"id": 7, "text": "big", "n": 9223372036854775808}
    unreadable  `day` is declared date, and is "tomorrow" here    null  notes.jsonl     8      43  {"id": 8, "text": "soon", "day": "tomorrow"}
    unreadable  a row is a JSON object, and this is an array      null  notes.jsonl     9       1  ["id", 9]
    exit code 0
    "#);
    insta::assert_snapshot!(told(&sandbox, "check"), @r#"
    ! error[failed-rows]: 8 rows of `notes` cannot be read
    !  --> notes.jsonl:2:27
    !   |
    ! 2 | {"id": 2, "text": "no end}
    !   |                           ^ the row ends before its JSON object does
    !   |
    !  ::: notes.jsonl:3:23
    !   |
    ! 3 | {"id": 3, "text": "caf�"}
    !   |                       - the byte 0xe9 is not valid UTF-8
    !   |
    !  ::: notes.jsonl:4:21
    !   |
    ! 4 | {"id": 4, "text": "a b"}
    !   |                     - there is a NUL byte inside JSON
    !   |
    !  ::: datamake.toml:1:10
    !   |
    ! 1 | [dataset.notes]
    !   |          ----- `max_failed` lets 0 fail
    !   |
    !   = note: and 5 more
    !   = help: each row is one whole JSON object
    !   = help: convert the file: iconv -f LATIN1 -t UTF-8 (or whatever encoding it has)
    !   = help: inside a string it is written \u0000
    !   = help: `datamake show notes --failed` has them
    !   = help: `max_failed` in the dataset lets rows go
    exit code 1
    "#);
    insta::assert_snapshot!(told(&sandbox, "plan"), @r#"
    new  notes

    1 is unknown until others ran
    ! error[failed-rows]: 8 rows of `notes` cannot be read
    !  --> notes.jsonl:2:27
    !   |
    ! 2 | {"id": 2, "text": "no end}
    !   |                           ^ the row ends before its JSON object does
    !   |
    !  ::: notes.jsonl:3:23
    !   |
    ! 3 | {"id": 3, "text": "caf�"}
    !   |                       - the byte 0xe9 is not valid UTF-8
    !   |
    !  ::: notes.jsonl:4:21
    !   |
    ! 4 | {"id": 4, "text": "a b"}
    !   |                     - there is a NUL byte inside JSON
    !   |
    !  ::: datamake.toml:1:10
    !   |
    ! 1 | [dataset.notes]
    !   |          ----- `max_failed` lets 0 fail
    !   |
    !   = note: and 5 more
    !   = help: each row is one whole JSON object
    !   = help: convert the file: iconv -f LATIN1 -t UTF-8 (or whatever encoding it has)
    !   = help: inside a string it is written \u0000
    !   = help: `datamake show notes --failed` has them
    !   = help: `max_failed` in the dataset lets rows go
    exit code 1
    "#);
    sandbox.edit("datamake.toml", "key =", "max_failed = 8\nkey =");
    insta::assert_snapshot!(told(&sandbox, "build"), @r#"
    new  notes  2 rows
            8 rows failed: 8 unreadable (datamake show notes --failed)

    built 1 node; 0 actions run, 4 reused; 0.00 s (build 2)
    exit code 0
    "#);
    insta::assert_snapshot!(told(&sandbox, "show notes"), @r#"
    notes: 2 rows

    id  text                 n  day
     1  good              null  null
    10  good  9007199254740993  null
    exit code 0
    "#);
    insta::assert_snapshot!(told(&sandbox, "show notes --failed --json -n 1"), @r#"
    {"failed_step":null,"failure":{"kind":"unreadable","detail":"the row ends before its JSON object does","help":"each row is one whole JSON object","of":null,"file":"notes.jsonl","line":2,"column":27,"text":"{\"id\": 2, \"text\": \"no end}"}}
    exit code 0
    "#);
    insta::assert_snapshot!(fs::read_to_string(sandbox.path("datamake.lock")).unwrap(), @r#"
    # Made by `datamake build`; keep it in Git. It tells what every node was.

    [dataset.notes]
    table = "ccdfe9ee569f0a9e0e46a65a11c377dc97407c70c17f3d01e92b688dc8ccc97a"
    rows = 2
    failed = { unreadable = 8 }
    "#);
}

#[test]
fn a_ragged_row_is_told_with_its_field() {
    let sandbox = Sandbox::with("[dataset.cities]\nfiles = \"cities.csv\"\ntypes = { people = \"int\" }\n");
    sandbox.write("cities.csv", "\u{feff}city,people\nOslo,717710\nBergen\nParis, Texas,24171\n\"Two\nlines\",many\n");
    insta::assert_snapshot!(told(&sandbox, "build"), @r#"
    failed cities

    built 0 nodes, 1 failed; 2 actions run, 1 reused; 0.00 s (build 1)
    ! error[failed-rows]: 3 rows of `cities` cannot be read
    !  --> cities.csv:3:7
    !   |
    ! 3 | Bergen
    !   |       ^ this row has 1 field, and the header has 2
    !   |
    !  ::: cities.csv:4:14
    !   |
    ! 4 | Paris, Texas,24171
    !   |              - this row has 3 fields, and the header has 2
    !   |
    !  ::: cities.csv:6:8
    !   |
    ! 6 | lines",many
    !   |        - `people` is declared int, and is "many" here
    !   |
    !  ::: datamake.toml:1:10
    !   |
    ! 1 | [dataset.cities]
    !   |          ------ `max_failed` lets 0 fail
    !   |
    !   = help: a field that holds a comma or a line end stands in double quotes
    !   = help: declare the column as text: types = { people = "string" }
    !   = help: `datamake show cities --failed` has them
    !   = help: `max_failed` in the dataset lets rows go
    exit code 1
    "#);
    sandbox.write("cities.csv", "city,people\n\"Oslo,717710\nBergen,1\n");
    insta::assert_snapshot!(told(&sandbox, "build"), @r#"
    ! error[wrong-record]: cities.csv:2:1: a quote opened in this row is never closed
    !  --> datamake.toml:2:10
    !   |
    ! 2 | files = "cities.csv"
    !   |          ^^^^^^^^^^ read here
    !   |
    !   = help: inside of quotes, a quote is written twice
    exit code 2
    "#);
    sandbox.write("cities.csv", "city,people\n");
    insta::assert_snapshot!(told(&sandbox, "build"), @r#"
    new  cities  0 rows

    built 1 node; 1 action run, 1 reused; 0.00 s (build 2)
    exit code 0
    "#);
    sandbox.write("cities.csv", "");
    insta::assert_snapshot!(told(&sandbox, "build"), @r#"
    reused  cities  0 rows  nothing had to run
            the file cities.csv changed: the column `city` is gone

    built 1 node; 0 actions run, 0 reused; 0.00 s (build 3)
    exit code 0
    "#);
}

#[test]
fn empty_files_are_datasets_without_rows_or_are_said_to_be_none() {
    for (name, expect) in [
        ("a.jsonl", "0 rows"),
        ("a.csv", "0 rows"),
        ("a.txt", "1 row"),
        ("a.json", "the file is empty, and not a JSON array"),
        ("a.parquet", "this is not a readable Parquet file"),
        ("a.arrow", "this is not a readable Arrow IPC file"),
        ("a.jsonl.gz", "the gzip data ends too early: is the file complete?"),
    ] {
        let sandbox = Sandbox::with(&format!("[dataset.a]\nfiles = \"{name}\"\n"));
        sandbox.write(name, "");
        let told = told(&sandbox, "build");
        assert!(told.contains(expect), "{name}: {told}");
    }
}

#[test]
fn integers_are_never_rounded_in_silence() {
    let sandbox = Sandbox::with("[dataset.a]\nfiles = \"*.jsonl\"\n");
    sandbox.write("1.jsonl", "{\"n\": 9007199254740993}\n{\"n\": -9223372036854775808}\n");
    insta::assert_snapshot!(told(&sandbox, "build -q"), @r#"
    exit code 0
    "#);
    insta::assert_snapshot!(told(&sandbox, "show a"), @r#"
    a: 2 rows

                       n
        9007199254740993
    -9223372036854775808
    exit code 0
    "#);
    sandbox.write("2.jsonl", "{\"n\": 0.5}\n");
    insta::assert_snapshot!(told(&sandbox, "build"), @r#"
    failed a

    built 0 nodes, 1 failed; 2 actions run, 3 reused; 0.00 s (build 2)
    ! error[wrong-type]: a value of `n` in 1.jsonl is 9007199254740993, which no float is
    !  --> datamake.toml:2:10
    !   |
    ! 2 | files = "*.jsonl"
    !   |          ^^^^^^^ read here
    !   |
    !   = note: row 1 of those from line 1 on
    !   = help: declare the column: types = { n = "string" }
    exit code 1
    "#);
    sandbox.edit("datamake.toml", "files", "types = { n = \"string\" }\nfiles");
    sandbox.write("3.jsonl", "{\"n\": 123456789012345678901234567890}\n");
    assert!(told(&sandbox, "build").ends_with("exit code 0\n"));
    insta::assert_snapshot!(told(&sandbox, "show a"), @r#"
    a: 4 rows

    n
    9007199254740993
    -9223372036854775808
    0.5
    123456789012345678901234567890
    exit code 0
    "#);
}

#[test]
fn a_line_of_100_megabytes_is_a_row_and_a_wrong_one_is_told_by_its_beginning() {
    let sandbox = Sandbox::with("[dataset.a]\nfiles = \"a.jsonl\"\nmax_failed = 1\n");
    let mut file = fs::File::create(sandbox.path("a.jsonl")).unwrap();
    let text = "x".repeat(100 << 20);
    writeln!(file, "{{\"id\": 1, \"text\": \"{text}\"}}\n{{\"id\": 2, \"text\": \"{text}\", }}\n{{\"id\": 3}}")
        .unwrap();
    drop((file, text));
    let (code, err, most) = measured(&sandbox, "build");
    assert_eq!(code, Some(0), "{err}");
    assert!(most < 1000, "{most} MiB");
    let failed = sandbox.json("show a --failed");
    assert_eq!((&failed["failure"]["line"], &failed["failure"]["column"]), (&2.into(), &104857623.into()));
    assert!(failed["failure"]["text"].as_str().unwrap().len() < 1000);
}

#[test]
fn a_gzip_bomb_takes_no_more_memory_than_a_row_may_have() {
    let sandbox = Sandbox::with("[dataset.a]\nfiles = \"a.jsonl.gz\"\n");
    let packed = |block: &[u8], times: usize| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        (0..times).for_each(|_| packed.write_all(block).unwrap());
        packed.finish().unwrap()
    };
    bytes(&sandbox, "a.jsonl.gz", &packed(&[b' '; 1 << 20], 512));
    let (code, err, most) = measured(&sandbox, "build");
    assert!(err.contains("a.jsonl.gz:1:1: this row is longer than 256 MiB"), "{err}");
    assert!(code == Some(2) && most < 900, "{most} MiB");
    // Many rows are as many parts of the file, one after the other.
    let row = format!("{{\"text\": \"{}\"}}\n", "x".repeat(1 << 20));
    bytes(&sandbox, "a.jsonl.gz", &packed(row.as_bytes(), 60));
    let (code, err, most) = measured(&sandbox, "build");
    assert!(code == Some(0) && most < 300, "{most} MiB, {err}");
}

#[test]
fn a_folder_a_loop_of_links_and_a_broken_link_are_no_files() {
    let sandbox = Sandbox::with("[dataset.a]\nfiles = \"data/a.jsonl\"\n");
    fs::create_dir_all(sandbox.path("data/a.jsonl")).unwrap();
    insta::assert_snapshot!(told(&sandbox, "build"), @r#"
    ! error[no-files]: `data/a.jsonl` is a folder, not a file
    !  --> datamake.toml:2:10
    !   |
    ! 2 | files = "data/a.jsonl"
    !   |          ^^^^^^^^^^^^ no data from here
    exit code 2
    "#);
    fs::remove_dir(sandbox.path("data/a.jsonl")).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("a.jsonl", sandbox.path("data/a.jsonl")).unwrap();
        insta::assert_snapshot!(told(&sandbox, "build"), @r#"
        ! error[no-files]: `data/a.jsonl` is a link to `a.jsonl`, which cannot be read: too many levels of symbolic links
        !  --> datamake.toml:2:10
        !   |
        ! 2 | files = "data/a.jsonl"
        !   |          ^^^^^^^^^^^^ no data from here
        exit code 2
        "#);
        std::os::unix::fs::symlink("..", sandbox.path("data/up")).unwrap();
        sandbox.edit("datamake.toml", "data/a.jsonl", "data/**/b.jsonl");
        insta::assert_snapshot!(told(&sandbox, "build"), @r#"
        ! error[no-files]: `data/a.jsonl` cannot be read: too many levels of symbolic links
        !  --> datamake.toml:2:10
        !   |
        ! 2 | files = "data/**/b.jsonl"
        !   |          ^^^^^^^^^^^^^^^ no data from here
        exit code 2
        "#);
    }
}

#[test]
fn names_may_have_dots_spaces_and_emoji() {
    let sandbox = Sandbox::with(
        "[dataset.a]\nfiles = \"my data/v1.0 (🐈).x.jsonl\"\nkey = \"a b.c\"\nselect = ['\"a b.c\"', '\"🐈\"']\n\
         [metric.m]\non = [\"a\"]\nvalue = 'sum(\"🐈\")'\n\
         [export.e]\nfrom = \"a\"\nto = \"my out/🐈 1.0.csv\"\n",
    );
    sandbox.write("my data/v1.0 (🐈).x.jsonl", "{\"a b.c\": \"x\", \"🐈\": 3, \"other\": 1}\n");
    insta::assert_snapshot!(told(&sandbox, "build"), @r#"
    new  a  1 row
    new  m  3
    new  e  1 row, my out/🐈 1.0.csv, 15 bytes

    built 3 nodes; 3 actions run, 1 reused; 0.00 s (build 1)
    exit code 0
    "#);
    assert_eq!(fs::read_to_string(sandbox.path("my out/🐈 1.0.csv")).unwrap(), "a b.c,🐈\nx,3\n");
    sandbox.edit("datamake.toml", "dataset.a", "dataset.\"é🐈\"");
    insta::assert_snapshot!(told(&sandbox, "check"), @r#"
    ! error[invalid-name]: `é🐈` cannot be a name
    !  --> datamake.toml:1:10
    !   |
    ! 1 | [dataset."é🐈"]
    !   |          ^^^^^ in this place
    !   |
    !   = note: a name begins with a letter or `_` and goes on with letters, digits, `_` and `-`
    !
    ! error[unknown-name]: there is no dataset `a`
    !  --> datamake.toml:6:8
    !   |
    ! 6 | on = ["a"]
    !   |        ^ no such dataset
    !   |
    !   = note: declared: `é🐈`
    !
    ! error[unknown-name]: there is no dataset `a`
    !  --> datamake.toml:9:9
    !   |
    ! 9 | from = "a"
    !   |         ^ no such dataset
    !   |
    !   = note: declared: `é🐈`
    exit code 2
    "#);
}

#[cfg(unix)]
#[test]
fn outputs_stay_inside_of_the_project() {
    let outside = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::with(
        "[dataset.a]\nsynth = { rows = 2, columns = { n = { sequence = 1 } } }\n[export.a]\nfrom = \"a\"\nto = \"out/deep/a.csv\"\n",
    );
    std::os::unix::fs::symlink(outside.path(), sandbox.path("out")).unwrap();
    let shown = told(&sandbox, "build").replace(&outside.path().display().to_string(), "OUTSIDE");
    insta::assert_snapshot!(shown, @r#"
    new  dataset.a  2 rows
    failed export.a

    built 1 node, 1 failed; 1 action run, 0 reused; 0.00 s (build 1)
    ! error[export]: cannot write out/deep/a.csv: a link leads out of the project folder
    !  --> datamake.toml:5:7
    !   |
    ! 5 | to = "out/deep/a.csv"
    !   |       ^^^^^^^^^^^^^^ written here
    exit code 1
    "#);
    let left: Vec<_> = fs::read_dir(outside.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    sandbox.edit("datamake.toml", "out/deep/a.csv", "../a.csv");
    insta::assert_snapshot!(told(&sandbox, "build"), @r#"
    ! error[outside-project]: `export.a.to` must be a path inside the project
    !  --> datamake.toml:5:6
    !   |
    ! 5 | to = "../a.csv"
    !   |      ^^^^^^^^^^ `..` leads out of the project
    !   |
    !   = help: write a path relative to the project, such as `out/train.jsonl`
    exit code 2
    "#);
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let sandbox = Sandbox::with(
        "[dataset.a]\nsynth = { rows = 1, columns = { n = { sequence = 1 } } }\n\
         render = { prompt = \"p\", into = \"text\" }\n\
         [prompt.p]\ntemplate = \"{% for a in range(9999) %}{% for b in range(9999) %}{{ n }}{% endfor %}{% endfor %}\"\n",
    );
    let (code, err, most) = measured(&sandbox, "build");
    assert!(code == Some(1) && most < 500, "{most} MiB");
    insta::assert_snapshot!(err.replace(&sandbox.folder.path().display().to_string(), "DIR"), @r#"
    error[failed-rows]: 1 row of `a` cannot be computed: the template takes more than 1000000 steps (<template>:1:39)
     --> datamake.toml:3:1
      |
    1 | [dataset.a]
      |          - `max_failed` lets 0 fail
    2 | synth = { rows = 1, columns = { n = { sequence = 1 } } }
    3 | render = { prompt = "p", into = "text" }
      | ^^^^^^ computed here
      |
      = note: in that row `n` is 1
      = help: bound its loops, or what it repeats
      = help: `datamake show a --failed` has the rows
      = help: `max_failed` in the dataset lets rows go
    "#);
}
