//! Large files that change, and files that are written while the rows for them are at hand. Each name is a law.

mod common;

use common::{Sandbox, build, fine};
use datamake::table::Limits;

/// Numbers that look random and are the same each time (Knuth's generator of MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// A row of about half a kilobyte, as a line of each format.
fn line(format: &str, random: &mut Random) -> String {
    let (id, words) = (random.below(1 << 30), "word ".repeat(20 + random.below(150)));
    match format {
        "csv" => format!("{id},\"{words}\nand \"\"more\"\"\"\n"),
        "lines" => format!("{id} {words}\n"),
        _ => format!("{{\"id\": {id}, \"text\": \"{words}\"}}\n"),
    }
}

fn write(sandbox: &Sandbox, format: &str, lines: &[String]) {
    let header = if format == "csv" { "id,text\n" } else { "" };
    sandbox.write("data/rows", format!("{header}{}", lines.concat()));
}

#[test]
fn a_large_file_that_is_read_on_from_its_first_change_comes_out_as_one_read_from_the_start() {
    for format in ["jsonl", "csv", "lines"] {
        let mut sandbox = Sandbox::new();
        sandbox.limits = Limits { min: 64, target: 256, max: 1024 };
        let key = if format == "lines" { "" } else { "key = \"id\"\n" };
        let maker = format!("[dataset.rows]\nfiles = \"data/rows\"\nformat = \"{format}\"\n{key}");
        sandbox.write("datamake.toml", format!("{maker}\n[metric.rows]\non = \"rows\"\nvalue = \"count(*)\"\n"));
        let mut random = Random(7);
        let mut lines: Vec<String> = (0..8000).map(|_| line(format, &mut random)).collect();
        write(&sandbox, format, &lines);
        let first = sandbox.built().run.ran;
        for edit in 0..8 {
            let at = random.below(lines.len());
            match edit % 8 {
                0 | 5 => lines.extend((0..80).map(|_| line(format, &mut random))),
                1 => lines[at] = line(format, &mut random),
                2 => lines.truncate(lines.len() - 500),
                3 => drop(lines.remove(at)),
                4 => lines.insert(at, line(format, &mut random)),
                6 => lines.truncate(3000),
                _ => lines[0] = line(format, &mut random),
            }
            write(&sandbox, format, &lines);
            let ran = sandbox.built().run.ran;
            assert!(ran * 2 < first, "{format}, edit {edit}: {ran} actions, {first} at first");
            assert_eq!(sandbox.results(), sandbox.clean(), "{format}, edit {edit}");
        }
    }
}

#[test]
fn a_file_is_the_same_whether_its_rows_are_at_hand_or_read_back() {
    let row = |i: usize| match i {
        3900.. => format!("{{\"id\": {i}, \"n\": {}.5, \"text\": \"late {i}\", \"more\": true}}\n", i % 9),
        _ => format!("{{\"id\": {i}, \"n\": {}, \"text\": \"text {i}\"}}\n", i % 9),
    };
    let rows = |range: std::ops::Range<usize>| range.map(row).collect::<String>();
    let cases = [rows(0..3000), rows(0..4000), rows(3900..4000), String::new()];
    for (number, rows) in cases.iter().enumerate() {
        for to in ["kept.jsonl", "kept.csv", "kept.jsonl.gz", "kept.parquet", "kept.arrow"] {
            let files = [true, false].map(|at_once| {
                let sandbox = Sandbox::new();
                sandbox.write("rows.jsonl", rows);
                sandbox.write(
                    "datamake.toml",
                    format!(
                        "[dataset.rows]\nfiles = \"rows.jsonl\"\nkey = \"id\"\ntypes = {{ id = \"int\", n = \"float\", text = \"string\" }}\n\
                         [dataset.kept]\nfrom = \"rows\"\nsteps = [{{ where = \"n > 2 or id > 2000\" }}, {{ columns = {{ long = \"length(text)\" }} }}]\n\
                         [metric.long]\non = \"kept\"\nvalue = \"avg(long)\"\n\
                         [export.kept]\nfrom = \"kept\"\nto = \"{to}\"\n"
                    ),
                );
                if !at_once {
                    let targets = ["dataset.kept".to_owned()];
                    fine(&build(&sandbox.project().unwrap(), &targets, None).unwrap());
                }
                let built = sandbox.built();
                assert!(std::fs::read_dir(sandbox.path()).unwrap().flatten().all(|file| {
                    !file.file_name().to_string_lossy().ends_with(".tmp")
                }));
                (std::fs::read(sandbox.file(to)).unwrap(), sandbox.results(), at_once.then_some(built.run.ran))
            });
            assert_eq!(files[0].0, files[1].0, "{to} of case {number}");
            assert_eq!(files[0].1, files[1].1, "{to} of case {number}");
        }
    }
}
