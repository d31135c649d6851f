//! Bytes that nobody meant, for everything that reads bytes: a panic, a hang or a wrong result is a failure.
//!
//! Each target changes good inputs at random. `DATAMAKE_FUZZ_SECONDS=600 cargo test --release --test fuzz NAME` is the long run;
//! `DATAMAKE_SEED=n` begins elsewhere. What once failed stays in `tests/corpus`, and is tried first.

mod common;
#[path = "common/mutate.rs"]
mod mutate;

use common::{Sandbox, build};
use datamake::diag::{Diagnostic, Diagnostics, Source};
use datamake::exec::State;
use datamake::expr::{Aggregate, Expr};
use datamake::fetch::Texts;
use datamake::format::{Compression, Format, Writer};
use datamake::graph::Graph;
use datamake::hash::Hash;
use datamake::history::{parse_lock, render_lock};
use datamake::manifest::{Manifest, Options};
use datamake::store::{Disk, MemoryDisk, Store, StoreError};
use datamake::table::{Batch, ColumnRef, Field, RowGroup, Schema, Table, Take, Type, decode_chunk, encode_chunk};
use datamake::template::Template;
use mutate::fuzz;
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A sink whose bytes can be had back.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no thread panics with this lock").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Rows of several types.
fn batch() -> Batch {
    let parsed = datamake::format::parse_segment(
        Format::Jsonl,
        None,
        b"{\"n\":1,\"x\":0.5,\"s\":\"one two\",\"b\":true,\"l\":[1,2],\"o\":{\"a\":1,\"b\":\"c\"}}\n\
          {\"n\":-7,\"x\":null,\"s\":\"\xc3\xa4\xc3\xb6\",\"b\":false,\"l\":[],\"o\":null}\n\
          {\"n\":null,\"x\":1e300,\"s\":null,\"b\":null,\"l\":null,\"o\":{\"a\":null,\"b\":\"\"}}\n",
        &Default::default(),
    );
    let parsed = parsed.expect("it is right");
    Batch { rows: parsed.rows, columns: parsed.columns.into_iter().map(|column| (column.name, column.array)).collect() }
}

fn written(format: Format, compression: Compression) -> Vec<u8> {
    let (batch, out) = (batch(), Shared::default());
    let writer = Writer::new(format, compression, &batch.schema(), Box::new(out.clone()));
    let mut writer = writer.unwrap_or_else(|error| panic!("{format}: {error}"));
    writer.write(&batch).and_then(|()| writer.finish().map(drop)).unwrap_or_else(|error| panic!("{format}: {error}"));
    std::mem::take(&mut *out.0.lock().expect("no thread panics with this lock"))
}

const MANIFEST: &str = r#"
[project]
name = "all"
[params]
least = 3
[profile.small]
params.least = 1
[dataset.rows]
files = ["rows/*.jsonl", "more.csv"]
key = "id"
types = { n = "int", l = "list<string>" }
[dataset.drawn]
synth = { rows = 10, seed = 7, columns = { t = { choice = ["a", "b"], weights = [3, 1] }, n = { integer = [1, 9] }, u = { uuid = true } } }
[dataset.kept]
from = "rows"
steps = [
  { columns = { w = "word_count(s)" } },
  { where = "w >= ${params.least}" },
  { filter = ["long"] },
  { render = { template = "{{ s }}: {{ w }}", into = "t" } },
  { generate = { prompt = "ask", model = "m", into = "a", n = 2 } },
  { select = ["id", "t", "a as b"] },
  { dedup = { by = "t" } },
  { sample = { rows = 5, seed = 1 } },
  { split = { parts = { train = 0.8, test = 0.2 } } },
]
[filter.long]
where = "length(s) > 3"
[prompt.ask]
system = "Be brief."
template = "{% if t %}{{ t }}{% endif %}"
reply = { fields = { answer = "string" } }
[model.m]
provider = "openai"
url = "http://localhost:1"
name = "x"
price = { input = 0.1, output = 0.2 }
limits = { concurrency = 4, rpm = 10 }
[dataset.mixed]
mix = { rows = 10, seed = 2, of = { drawn = 0.5, "kept.train" = 0.5 } }
[dataset.all]
concat = ["drawn", "rows"]
[metric.m]
on = ["kept.train"]
value = "avg(n)"
by = ["t"]
[export.out]
from = "kept.test"
to = "out/x.parquet"
[budget]
money = 5.0
"#;

/// A project without files.
struct Nothing;

impl Texts for Nothing {
    fn read(&self, _path: &str) -> Result<Option<Arc<Source>>, String> {
        Ok(None)
    }
}

fn drawn(problems: &Diagnostics) {
    let _ = datamake::diag::render(problems, datamake::diag::Style::Plain);
    let _ = datamake::diag::json(problems);
}

#[test]
fn manifest() {
    let seeds = [MANIFEST.into(), b"[dataset.a]\nfiles = 'x.csv'\n[dataset.b]\nfrom = 'a'\nwhere = 'n > 1'\n".to_vec()];
    fuzz("manifest", &seeds, mutate::WORDS, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let main = Source::new("datamake.toml", text);
        match Manifest::parse(Path::new("/nowhere"), main, Vec::new(), &Options::default()) {
            Ok((manifest, warnings)) => {
                drawn(&warnings);
                if let Err(problems) = Graph::resolve(manifest, &Nothing) {
                    drawn(&problems);
                }
            }
            Err(problems) => drawn(&problems),
        }
    });
}

#[test]
fn chunks() {
    let seeds: Vec<Vec<u8>> = batch().columns.iter().map(|(_, column)| encode_chunk(column)).collect();
    fuzz("chunks", &seeds, &[], |bytes| {
        if let Ok(column) = decode_chunk(&bytes.into()) {
            // What decodes is a column like any other. Values are not compared: one that is no number is unlike itself.
            let bytes = encode_chunk(&column);
            let again = decode_chunk(&bytes.as_slice().into()).expect("what was encoded decodes");
            assert!(encode_chunk(&again) == bytes);
            let _ = format!(
                "{:?}",
                (0..column.len().min(1000)).map(|row| datamake::expr::value_at(&column, row)).collect::<Vec<_>>()
            );
        }
    });
}

#[test]
fn takes_and_tables() {
    let schema = Schema(vec![Field::new("a", Type::Int), Field::new("b", Type::List(Box::new(Type::String)))]);
    let column = |n: u8| ColumnRef { chunk: Hash::of(&[n]), take: n.is_multiple_of(2).then(|| Hash::of(b"take")) };
    let groups = (0..3).map(|n| Arc::new(RowGroup { rows: 5, columns: vec![column(n), column(n + 1)] })).collect();
    let table = Table { schema, key: vec!["a".to_owned()], groups };
    let seeds = [table.encode(), Take::new(9, vec![1, 1, 5, 8]).encode(), Take::new(3, vec![0, 1, 2]).encode()];
    fuzz("takes_and_tables", &seeds, &[], |bytes| {
        if let Ok(take) = Take::decode(bytes) {
            // A few indices may be of a chunk of any length, which is written as so many bits.
            if take.source_rows() < 1 << 16 {
                assert_eq!(Take::decode(&take.encode()).expect("what was encoded decodes").indices(), take.indices());
                let _ = take.complement();
            }
        }
        if let Ok(table) = Table::decode(bytes) {
            let _ = table.rows();
            assert_eq!(Table::decode(&table.encode()).expect("what was encoded decodes").encode(), table.encode());
        }
    });
}

/// Builds a file in one of the formats: as a whole, from the bytes to the table, in row groups of a few rows.
fn reader(name: &str, files: &[(&str, Vec<u8>)], words: &[&str]) {
    let seeds: Vec<Vec<u8>> =
        files.iter().enumerate().map(|(at, (_, bytes))| [&[at as u8], &bytes[..]].concat()).collect();
    fuzz(name, &seeds, words, |bytes| {
        let Some((at, bytes)) = bytes.split_first() else { return };
        let file = format!("rows.{}", files[usize::from(*at) % files.len()].0);
        let sandbox = Sandbox::new();
        sandbox.write("datamake.toml", format!("[dataset.rows]\nfiles = \"{file}\"\n"));
        sandbox.write(&file, bytes);
        let project = sandbox.project().expect("the manifest is right");
        match build(&project, &[], Some(1)) {
            Ok(built) => {
                let State::Done(_) = &built.run.nodes[0].state else { return };
                let table = project.table("rows").expect("it was built");
                assert_eq!(
                    project.rows(&table, 0, usize::MAX).expect("it can be read").rows.len() as u64,
                    table.rows()
                );
                assert!(project.store().verify(&|_| ()).is_empty());
            }
            Err(problems) => drawn(&problems),
        }
    });
}

#[test]
fn readers_of_records() {
    let packed = |format, compression| written(format, compression);
    let files = [
        ("jsonl", written(Format::Jsonl, Compression::None)),
        ("json", br#" [ {"a": 1, "b": [true, null]}, {"a": 2.5e3, "c": "\ud83d\ude00"} ] "#.to_vec()),
        ("csv", b"id,name,\"x y\"\r\n1,\"a \"\"b\"\"\nc\",2.5\r\n2,,\r\n".to_vec()),
        ("tsv", b"id\tname\n1\ta\n2\t\"b\tc\"\n".to_vec()),
        ("jsonl.gz", packed(Format::Jsonl, Compression::Gzip)),
        ("jsonl.zst", packed(Format::Jsonl, Compression::Zstd)),
    ];
    let words = [
        "{", "}", "[", "]", ":", ",", "\"", "\\u", "\\ud800", "null", "true", "1e999", "-0", "\u{feff}", "\0", "\n",
        "\r\n",
    ];
    reader("readers_of_records", &files, &words);
}

#[test]
fn readers_of_columns() {
    // CSV and the like hold no lists; these do.
    let files = [
        ("parquet", written(Format::Parquet, Compression::None)),
        ("arrow", written(Format::Arrow, Compression::None)),
    ];
    reader("readers_of_columns", &files, &["PAR1", "ARROW1", "\u{0}\u{0}\u{0}\u{0}"]);
}

/// A store on a disk in memory, as a list of files.
fn store_files() -> (Vec<(std::path::PathBuf, Vec<u8>)>, HashSet<Hash>) {
    let disk = MemoryDisk::default();
    let store = Store::open(Arc::new(disk.clone()), Path::new("/store")).expect("it opens");
    let blobs: [Vec<u8>; 3] = [b"small".to_vec(), (0..2000).map(|n| (n % 7) as u8).collect(), vec![9; 1500]];
    let hashes: Vec<Hash> = blobs.iter().map(|blob| store.put(blob).expect("memory has room")).collect();
    store.record(Hash::of(b"key"), &hashes).expect("memory has room");
    for n in 0..3u8 {
        store.responses().add(Hash::of(&[n]), format!("{{\"n\": {n}}}").repeat(90).as_bytes(), |_| ());
    }
    store.responses().sync();
    store.finish().expect("memory has room");
    drop(store);
    let mut files = Vec::new();
    let mut open = vec![std::path::PathBuf::from("/store")];
    while let Some(folder) = open.pop() {
        for entry in disk.list(&folder).expect("it can be listed") {
            let path = folder.join(entry.name);
            match entry.metadata.kind {
                datamake::store::Kind::Folder => open.push(path),
                datamake::store::Kind::File => {
                    let bytes = disk.read(&path, 0).expect("it can be read").to_vec();
                    files.push((path, bytes));
                }
            }
        }
    }
    files.sort();
    (files, hashes.into_iter().collect())
}

#[test]
fn stores() {
    let (files, hashes) = store_files();
    // The first byte says which file the others are put into.
    let seeds: Vec<Vec<u8>> =
        files.iter().enumerate().map(|(at, (_, bytes))| [&[at as u8], &bytes[..]].concat()).collect();
    fuzz("stores", &seeds, &["dmlog\0\0\u{1}"], |bytes| {
        let Some((at, bytes)) = bytes.split_first() else { return };
        let disk = MemoryDisk::default();
        for (n, (path, whole)) in files.iter().enumerate() {
            let contents = if n == usize::from(*at) % files.len() { bytes } else { whole };
            disk.write_new(path, &[contents]).expect("memory has room");
        }
        let open = || Store::open(Arc::new(disk.clone()), Path::new("/store")).expect("it opens");
        let look = |store: &Store| {
            for hash in &hashes {
                match store.get(*hash) {
                    Ok(contents) => assert_eq!(Hash::of(&contents), *hash),
                    Err(StoreError::Missing(_)) => {}
                    // Of a later version, or so it says.
                    Err(error) => assert!(error.to_string().contains("later version"), "{error}"),
                }
            }
            let _ = store.trace(Hash::of(b"key"));
            for n in 0..3u8 {
                let found = store.responses().find(&Hash::of(&[n]), |body| Some(body.to_vec()));
                if let Ok(Some(body)) = found {
                    assert_eq!(body, format!("{{\"n\": {n}}}").repeat(90).as_bytes());
                }
            }
            let _ = store.responses().for_each(|_, _| Ok(()));
        };
        let store = open();
        look(&store);
        let _ = store.stats();
        if let Ok(plan) = store.gc(&HashSet::new(), &HashSet::new()) {
            let _ = plan.bytes;
        }
        let problems = store.verify(&|_| ());
        store.repair(&problems).expect("memory can be written");
        drop(store);
        let store = open();
        look(&store);
        let left = store.verify(&|_| ());
        assert!(left.iter().all(|problem| problem.stays()), "{left:?}");
    });
}

#[test]
fn expressions() {
    let (batch, schema) = (batch(), batch().schema());
    let seeds = [
        "case when n > 1 and x is not null then upper(s) else substr(s, 1, 3) end",
        "n % 3 = 0 or s like '%a_' escape '!' and not b",
        "cast(x as int) + coalesce(n, 0) * 2 - abs(n) / 3",
        "regexp_replace(s, '(a|b)+', 'x') || repetition(s, 4)",
        "s in ('one', 'two') and n between 1 and 5",
        "l[1] + array_length(l) > 0 and o.a is null",
        "date '2024-02-29' < timestamp '2024-01-01 00:00:00'",
        "sum(n) filter (where b) / count(distinct s)",
        "nullif(trim(lower(s)), '') is distinct from null",
    ]
    .map(|text| text.as_bytes().to_vec());
    fuzz("expressions", &seeds, mutate::SQL, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(expr) = Expr::parse(&text, &schema)
            && let Ok(column) = expr.eval(&batch)
        {
            assert_eq!(column.len(), batch.rows);
            assert_eq!(*column.data_type(), expr.ty().arrow(), "{text}");
        }
        let _ = Aggregate::parse(&text, &["s".to_owned()], &schema);
        let _ = datamake::expr::column_names(&text);
    });
}

#[test]
fn templates() {
    let batch = batch();
    let seeds = [
        "{% for a in l %}{{ loop.index }}: {{ a | upper }}{% endfor %}",
        "{% if n > 1 and s is defined %}{{ s | default('x') | trim }}{% else %}{{ o.a }}{% endif %}",
        "{% set k = n + 1 %}{{ k ~ s }}{# a comment #}{% raw %}{{ }}{% endraw %}",
        "{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(s) }}{% include 'x' %}",
        "{{ range(n) | list | length }}{{ o | tojson }}{{ s[1:3] }}",
    ]
    .map(|text| text.as_bytes().to_vec());
    fuzz("templates", &seeds, mutate::JINJA, |bytes| {
        let source = Source::new("t.md", String::from_utf8_lossy(bytes));
        let load = |name: &str| match name {
            "x" => Some(Ok(Source::new("x", "{{ s }}"))),
            "y" => Some(Err(Diagnostic::error("no", "no"))),
            _ => None,
        };
        match Template::parse(source, &load) {
            Ok(template) => {
                let _ = template.places("s");
                if let Ok(column) = template.render(&batch) {
                    assert_eq!(column.len(), batch.rows);
                }
            }
            Err(problems) => drawn(&problems),
        }
    });
}

#[test]
fn imported_responses() {
    let line = r#"{"request":{"task":"chat","model":"m","params":{"temperature":0.5},"schema":null,"messages":[{"role":"user","content":"a"}],"sample":0},"response":{"text":"b","finish":"stop","max_tokens":64,"usage":{"input":1,"output":2}}}"#;
    let seeds = [format!("{line}\n{line}\n").into_bytes(), line.as_bytes().to_vec()];
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", "");
    fuzz("imported_responses", &seeds, mutate::WORDS, |bytes| {
        let project = sandbox.project_in(Arc::new(MemoryDisk::default())).expect("the manifest is right");
        match project.import_responses("in.jsonl", &mut &*bytes) {
            Ok(travelled) => {
                let mut out = Vec::new();
                let exported = project.export_responses(datamake::project::Which::All, &mut out).expect("memory reads");
                assert!(exported.responses <= travelled.responses + travelled.known);
                let again = sandbox.project_in(Arc::new(MemoryDisk::default())).expect("the manifest is right");
                again.import_responses("out.jsonl", &mut &*out).expect("what was exported can be imported");
            }
            Err(problems) => drawn(&problems),
        }
    });
}

#[test]
fn lock_files() {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", "[dataset.a]\nsynth = { rows = 9, columns = { n = { sequence = 1 } } }\n[dataset.b]\nfrom = 'a'\nsplit = { parts = { x = 0.5, y = 0.5 } }\n[metric.m]\non = 'a'\nvalue = 'avg(n)'\n");
    sandbox.built();
    let seeds = [std::fs::read(sandbox.file("datamake.lock")).expect("a build writes it")];
    fuzz("lock_files", &seeds, mutate::WORDS, |bytes| {
        // Only nodes of the manifest are written, whose names are plain.
        let plain = |name: &String| {
            name.split('.').all(|part| !part.is_empty())
                && !name.contains(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c))
        };
        if let Ok(lock) = parse_lock(&String::from_utf8_lossy(bytes))
            && lock.iter().all(|(name, node)| plain(name) && node.parts.keys().all(plain))
        {
            let again = parse_lock(&render_lock(&lock)).expect("what was written can be read");
            assert_eq!(render_lock(&again), render_lock(&lock));
        }
    });
}
