//! Finding and reading files: patterns, links, and files that change while they are read.

use super::*;
use crate::format::Compression;
use crate::hash::Hash;
use crate::store::{FileStat, stat};
use proptest::prelude::*;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use tempfile::TempDir;

fn project(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.as_bytes()).unwrap();
    }
    folder
}

fn found(root: &Path, patterns: &[&str]) -> String {
    match expand(root, patterns) {
        Ok(files) => {
            files.iter().for_each(|file| {
                assert_eq!(fs::canonicalize(&file.absolute).unwrap(), fs::canonicalize(root.join(&file.path)).unwrap())
            });
            files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>().join(" ")
        }
        Err(error) => match error.help {
            Some(help) => format!("{} [{help}]", error.title),
            None => error.title,
        },
    }
}

#[test]
fn patterns_find_files() {
    let files = [
        "b.jsonl",
        "a.jsonl",
        "a.csv",
        "x[1].csv",
        "data/1/a.jsonl",
        "data/2/b.jsonl",
        "data/c.jsonl",
        ".hidden/d.jsonl",
        "data/.e.jsonl",
    ];
    let folder = project(&files);
    let cases: [(&[&str], &str); 17] = [
        (&["a.jsonl"], "a.jsonl"),
        (&["./a.jsonl", "a.jsonl", "*.jsonl"], "a.jsonl b.jsonl"),
        (&["*.{csv,jsonl}"], "a.csv a.jsonl b.jsonl x[1].csv"),
        (&["[ab].jsonl"], "a.jsonl b.jsonl"),
        (&["?.csv"], "a.csv"),
        (&["x[1].csv"], "x[1].csv"),
        (&["data/*.jsonl"], "data/c.jsonl"),
        (&["data//./*/*.jsonl"], "data/1/a.jsonl data/2/b.jsonl"),
        (&["**/*.jsonl"], "a.jsonl b.jsonl data/1/a.jsonl data/2/b.jsonl data/c.jsonl"),
        (&["data/**/?.jsonl"], "data/1/a.jsonl data/2/b.jsonl data/c.jsonl"),
        (&["data/.*.jsonl"], "data/.e.jsonl"),
        (&[".*/*.jsonl"], ".hidden/d.jsonl"),
        (&["data/*"], "data/c.jsonl"),
        (&[], ""),
        (&["data/{1,2}/*.jsonl"], "data/1/a.jsonl data/2/b.jsonl"),
        (&["{data/1,data/2}/*.jsonl"], "data/1/a.jsonl data/2/b.jsonl"),
        (&["data/**"], "data/1/a.jsonl data/2/b.jsonl data/c.jsonl"),
    ];
    for (patterns, expect) in cases {
        assert_eq!(found(folder.path(), patterns), expect, "{patterns:?}");
    }
    let inner = folder.path().join("data");
    assert_eq!(found(&inner, &["../a.*"]), "../a.csv ../a.jsonl");
    let empty = folder.path().join("empty/inner");
    fs::create_dir_all(&empty).unwrap();
    let nothing = "`../*/nothing.jsonl` matches no file [there are no data files in `../*`]";
    assert_eq!(found(&empty, &["../*/nothing.jsonl"]), nothing);
    let absolute = folder.path().join("data/*.jsonl");
    assert!(found(&inner, &[absolute.to_str().unwrap()]).ends_with("/data/c.jsonl"));
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let folder = project(&["data/questions.jsonl", "data/notes.txt", "empty/x.txt", "a/1.csv", "a/2.csv"]);
    let cases = [
        ("data/question.jsonl", "there is no file `data/question.jsonl` [did you mean `data/questions.jsonl`?]"),
        ("data/answers.jsonl", "there is no file `data/answers.jsonl` [in `data` there are `questions.jsonl`]"),
        ("data/*.csv", "`data/*.csv` matches no file [in `data` there are `questions.jsonl`]"),
        ("empty/*.csv", "`empty/*.csv` matches no file [there are no data files in `empty`]"),
        ("dta/*.csv", "`dta/*.csv` matches no file [there is no folder `dta`]"),
        ("dta/x.csv", "there is no file `dta/x.csv` [there is no folder `dta` either]"),
        ("data", "`data` is a folder, not a file [for the files in it: \"data/*.jsonl\"]"),
        ("empty/", "`empty` is a folder, not a file [for the files in it: \"empty/*\"]"),
        ("data/notes.txt/*.csv", "`data/notes.txt/*.csv` matches no file [`data/notes.txt` is a file, not a folder]"),
        ("", "a file pattern is empty"),
    ];
    for (pattern, expect) in cases {
        assert_eq!(found(folder.path(), &[pattern]), expect);
    }
    assert!(found(folder.path(), &["a/[1.csv"]).starts_with("`[1.csv` is not a pattern: unclosed character class"));
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_broken_ones_named() {
    use std::os::unix::fs::symlink;
    let folder = project(&["real/a.jsonl"]);
    let at = |path: &str| folder.path().join(path);
    symlink("real", at("link")).unwrap();
    symlink("gone.jsonl", at("broken.jsonl")).unwrap();
    symlink("gone.jsonl", at("real/unasked.csv")).unwrap();
    assert_eq!(found(folder.path(), &["link/*.jsonl"]), "link/a.jsonl");
    assert_eq!(found(folder.path(), &["*/*.jsonl"]), "link/a.jsonl real/a.jsonl");
    assert_eq!(found(folder.path(), &["broken.jsonl"]), "`broken.jsonl` is a link to `gone.jsonl`, which is not there");
    assert_eq!(found(folder.path(), &["*.jsonl"]), "`broken.jsonl` is a link to `gone.jsonl`, which is not there");
    fs::remove_file(at("broken.jsonl")).unwrap();
    symlink("..", at("real/up")).unwrap();
    assert!(
        found(folder.path(), &["real/**/*.jsonl"]).starts_with("the link `real/up/"),
        "{}",
        found(folder.path(), &["real/**/*.jsonl"])
    );
    symlink("me.jsonl", at("real/me.jsonl")).unwrap();
    assert!(
        found(folder.path(), &["real/me.jsonl"])
            .starts_with("`real/me.jsonl` is a link to `me.jsonl`, which cannot be read")
    );
    let pipe = std::process::Command::new("mkfifo").arg(at("pipe.jsonl")).status();
    if pipe.is_ok_and(|status| status.success()) {
        assert_eq!(found(folder.path(), &["pipe.jsonl"]), "`pipe.jsonl` is not a regular file");
        let pipe = FoundFile { path: "pipe.jsonl".to_owned(), absolute: at("pipe.jsonl") };
        assert_eq!(hash_file(&pipe).unwrap_err().title, "it is not a regular file");
    }
}

fn file(folder: &TempDir, bytes: &[u8]) -> FoundFile {
    let absolute = folder.path().join("file");
    fs::write(&absolute, bytes).unwrap();
    FoundFile { path: "file".to_owned(), absolute }
}

/// Nothing is known of a file: what it holds is hashed.
const UNKNOWN: Known = (Hash::from_bytes([0; 32]), None);

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn read(found: &FoundFile, compression: Compression) -> Result<(Vec<u8>, Hash), String> {
    let mut reader = open(found, compression, &UNKNOWN).map_err(|error| error.title)?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let hash = reader.finish().map_err(|error| error.title)?;
    Ok((bytes, hash))
}

#[test]
fn packed_files_are_unpacked_and_hashed_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"some text, and more of it\n".repeat(100_000);
    let (one, two) = text.split_at(1_000_000);
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let cases = [
        (Compression::None, text.clone()),
        (Compression::Gzip, gzip(&text)),
        (Compression::Gzip, [gzip(one), gzip(two)].concat()),
        (Compression::Zstd, zstd(&text)),
        (Compression::Zstd, [zstd(one), zstd(two)].concat()),
    ];
    for (compression, raw) in cases {
        let found = file(&folder, &raw);
        assert_eq!(read(&found, compression), Ok((text.clone(), Hash::of(&raw))), "{compression:?}");
        assert_eq!(hash_file(&found).map(|(hash, _)| hash), Ok(Hash::of(&raw)));
    }
}

#[test]
fn a_file_that_looks_as_it_did_when_it_was_hashed_is_not_hashed_again() {
    let folder = tempfile::tempdir().unwrap();
    let found = file(&folder, b"some bytes");
    let seen = stat(&found.absolute).unwrap();
    let hash_of = |stat| {
        let mut reader = open(&found, Compression::None, &(Hash::of(b"remembered"), stat)).unwrap();
        reader.read_to_end(&mut Vec::new()).unwrap();
        reader.finish().unwrap()
    };
    assert_eq!(hash_of(Some(seen)), Hash::of(b"remembered"));
    assert_eq!(hash_of(Some(FileStat { mtime_ns: seen.mtime_ns - 1, ..seen })), Hash::of(b"some bytes"));
    assert_eq!(hash_of(None), Hash::of(b"some bytes"));
}

#[test]
fn bytes_that_were_not_asked_for_are_hashed_too() {
    let folder = tempfile::tempdir().unwrap();
    let raw = vec![7; 5 << 20];
    let mut reader = open(&file(&folder, &raw), Compression::None, &UNKNOWN).unwrap();
    reader.read_exact(&mut [0; 10]).unwrap();
    assert_eq!(reader.finish().unwrap(), Hash::of(&raw));
}

#[test]
fn an_empty_file_has_the_hash_of_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let found = file(&folder, b"");
    assert_eq!(hash_file(&found).map(|(hash, _)| hash), Ok(Hash::of(b"")));
    assert_eq!(read(&found, Compression::None), Ok((Vec::new(), Hash::of(b""))));
}

#[test]
fn damaged_packing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"some text".repeat(1000);
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 5].to_vec();
    let cases = [
        (Compression::Gzip, cut(gzip(&text)), "the gzip data ends too early: is the file complete?"),
        (Compression::Gzip, b"plain text".to_vec(), "this is not valid gzip data: invalid gzip header"),
        (
            Compression::Zstd,
            cut(zstd::encode_all(&text[..], 1).unwrap()),
            "the zstd data ends too early: is the file complete?",
        ),
        (Compression::Zstd, b"plain text".to_vec(), "this is not valid zstd data: Unknown frame descriptor"),
    ];
    for (compression, raw, expect) in cases {
        assert_eq!(read(&file(&folder, &raw), compression).unwrap_err(), expect);
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let edits: [fn(&Path); 4] = [
        |path| fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap(),
        |path| fs::write(path, b"short").unwrap(),
        |path| {
            let beside = path.with_extension("new");
            fs::write(&beside, vec![1; 3 << 20]).unwrap();
            fs::rename(beside, path).unwrap();
        },
        |path| fs::remove_file(path).unwrap(),
    ];
    for edit in edits {
        for is_known in [false, true] {
            let found = file(&folder, &vec![1; 3 << 20]);
            let known = (Hash::of(b"whatever"), is_known.then(|| stat(&found.absolute).unwrap()));
            let mut reader = open(&found, Compression::None, &known).unwrap();
            reader.read_exact(&mut [0; 10]).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            edit(&found.absolute);
            assert_eq!(reader.finish().unwrap_err().title, "it was changed while it was being read");
        }
    }
}

#[test]
fn a_missing_file_is_said_to_be_missing() {
    let nowhere = FoundFile { path: "x".to_owned(), absolute: "/nowhere/x".into() };
    assert_eq!(hash_file(&nowhere).unwrap_err().title, "it is not there");
}

proptest! {
    #[test]
    fn no_bytes_make_unpacking_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), head in 0usize..3) {
        let folder = tempfile::tempdir().unwrap();
        let head: &[u8] = [b"".as_slice(), b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\x28\xb5\x2f\xfd"][head];
        let found = file(&folder, &[head, &bytes].concat());
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let _ = read(&found, compression);
        }
    }

    #[test]
    fn no_pattern_makes_the_search_panic(pattern in "[ab*?\\[\\]{},/.\\\\!-]{0,12}") {
        prop_assume!(!pattern.starts_with('/') && !pattern.contains(".."));
        let folder = project(&["a/b.jsonl", "b.csv"]);
        let _ = expand(folder.path(), &[&pattern]);
    }
}

#[test]
fn a_file_hashed_by_blocks_has_the_hash_of_its_bytes_and_reads_on_from_any_byte() {
    let folder = tempfile::tempdir().unwrap();
    let block = 1_usize << 20;
    for size in [block - 1, block, block + 1, 2 * block, 3 * block + 5, 5 * block, 8 * block - 1] {
        let raw: Vec<u8> = (0..size).map(|i| (i * i % 251) as u8).collect();
        let found = file(&folder, &raw);
        let (hash, blocks) = hash_file(&found).unwrap();
        assert_eq!(
            (hash, blocks.len()),
            (Hash::of(&raw), if size > block { size.div_ceil(block) } else { 0 }),
            "{size}"
        );
        for from in [0, 1, block, block + 1, size - 1, size].into_iter().filter(|from| *from <= size && size > block) {
            let mut checked = Checked::open(&found, blocks.clone(), from as u64).unwrap();
            let (mut read, mut piece) = (Vec::new(), vec![0; 700_001]);
            while let n @ 1.. = checked.read(&mut piece).unwrap() {
                read.extend_from_slice(&piece[..n]);
            }
            assert!(read == raw[from..], "{size} from {from}");
            checked.finish().unwrap();
        }
    }
}

#[test]
fn a_block_that_is_not_what_was_hashed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let raw = vec![7; 3 << 20];
    let (_, blocks) = hash_file(&file(&folder, &raw)).unwrap();
    for (at, size) in [(0, 3 << 20), ((3 << 20) - 1, 3 << 20), (0, 2 << 20), (0, (3 << 20) + 1)] {
        let mut other = raw.clone();
        other.resize(size, 7);
        if size == raw.len() {
            other[at] = 8;
        }
        let read = Checked::open(&file(&folder, &other), blocks.clone(), 5).and_then(|mut checked| {
            while checked.read(&mut [0; 1 << 16])? > 0 {}
            Ok(())
        });
        assert_eq!(read.unwrap_err().title, "it was changed while it was being read", "{at} {size}");
    }
}
