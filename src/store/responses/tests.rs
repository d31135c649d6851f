//! The laws of recorded responses, on a real disk and in memory.

use super::record::{BEFORE, LONGEST};
use super::*;
use crate::store::{Fault, FaultyDisk, Lasting, MemoryDisk, Problem, RealDisk, Store, Torn};
use std::collections::{BTreeMap, HashSet};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

const FOLDER: &str = "store/responses";

fn hash(n: u64) -> Hash {
    Hash::of(&n.to_le_bytes())
}

fn body(n: u64) -> Vec<u8> {
    format!("{{\"request\":{{\"n\":{n}}},\"response\":\"{}\"}}", "x".repeat(n as usize % 50)).into_bytes()
}

fn open(disk: &MemoryDisk) -> Responses {
    Responses::open(Arc::new(disk.clone()), Path::new(FOLDER))
}

/// Runs a law on both disks.
fn on_both(law: impl Fn(Arc<dyn Disk>, &Path)) {
    law(Arc::new(MemoryDisk::default()), Path::new(FOLDER));
    let folder = tempfile::tempdir().unwrap();
    law(Arc::new(RealDisk), &folder.path().join("a/store/responses"));
}

/// Adds a record and waits until it is durable.
fn add(responses: &Responses, key: Hash, body: &[u8]) {
    told(responses, key, body).recv().unwrap().unwrap();
}

fn told(responses: &Responses, key: Hash, body: &[u8]) -> Receiver<Result<(), StoreError>> {
    let (tell, told) = mpsc::channel();
    responses.add(key, body, move |written| drop(tell.send(written)));
    told
}

fn newest(responses: &Responses, key: Hash) -> Option<Vec<u8>> {
    responses.find(&key, |body| Some(body.to_vec())).unwrap()
}

fn all(responses: &Responses) -> Vec<(Hash, Vec<u8>)> {
    let mut all = Vec::new();
    let each = |key, body: &[u8]| {
        all.push((key, body.to_vec()));
        Ok(())
    };
    responses.for_each(each).unwrap();
    all
}

fn logs(disk: &dyn Disk, folder: &Path) -> Vec<PathBuf> {
    let names = disk.list(folder).unwrap().into_iter().map(|entry| entry.name);
    names.filter(|name| name.ends_with(".log")).map(|name| folder.join(name)).collect()
}

#[test]
fn what_was_added_is_found_here_and_after_reopening() {
    on_both(|disk, folder| {
        let open = || Responses::open(disk.clone(), folder);
        let bodies = [vec![], b"{}".to_vec(), body(7), vec![0xfe; 3000], vec![7; 5 << 20]];
        let responses = open();
        for (n, body) in bodies.iter().enumerate() {
            add(&responses, hash(n as u64), body);
            assert_eq!(newest(&responses, hash(n as u64)).as_ref(), Some(body));
        }
        let check = |responses: &Responses| {
            for (n, body) in bodies.iter().enumerate() {
                assert_eq!(newest(responses, hash(n as u64)).as_ref(), Some(body));
            }
            assert_eq!(newest(responses, hash(99)), None);
            assert_eq!(responses.stats().unwrap().responses, 5);
            let bytes: usize = bodies.iter().map(|body| BEFORE + body.len()).sum();
            assert_eq!(responses.stats().unwrap().bytes, bytes as u64);
            let all = all(responses);
            assert!(all.len() == 5 && all.is_sorted_by_key(|(key, _)| *key));
        };
        check(&responses);
        check(&open());
        drop(responses);
        check(&open());
        assert_eq!(logs(&*disk, folder).len(), 1);
    });
}

#[test]
fn looking_up_makes_no_file() {
    on_both(|disk, folder| {
        let responses = Responses::open(disk.clone(), folder);
        assert_eq!(newest(&responses, hash(1)), None);
        responses.refresh().unwrap();
        responses.sync();
        assert_eq!((all(&responses), responses.stats().unwrap()), (vec![], ResponseStats::default()));
        drop(responses);
        assert!(disk.metadata(folder).is_err());
    });
}

#[test]
fn the_newest_that_is_accepted_is_found_wherever_it_lies() {
    on_both(|disk, folder| {
        let open = || Responses::open(disk.clone(), folder);
        let (one, two) = (open(), open());
        add(&one, hash(1), b"a");
        add(&two, hash(1), b"b");
        // Newer than what is in the newer log.
        add(&one, hash(1), b"c");
        for responses in [&one, &two, &open()] {
            responses.refresh().unwrap();
            assert_eq!(newest(responses, hash(1)), Some(b"c".to_vec()));
            let old = responses.find(&hash(1), |body| (body != b"c").then(|| body.to_vec())).unwrap();
            assert_eq!(old, Some(b"b".to_vec()));
            assert_eq!(responses.find(&hash(1), |_| None::<()>).unwrap(), None);
            let bodies: Vec<Vec<u8>> = all(responses).into_iter().map(|(_, body)| body).collect();
            assert_eq!(bodies, [b"a", b"b", b"c"]);
        }
    });
}

#[test]
fn dropping_loses_nothing() {
    on_both(|disk, folder| {
        let responses = Responses::open(disk.clone(), folder);
        (0..500).for_each(|n| responses.add(hash(n), &body(n), |written| written.unwrap()));
        drop(responses);
        let responses = Responses::open(disk.clone(), folder);
        (0..500).for_each(|n| assert_eq!(newest(&responses, hash(n)), Some(body(n))));
    });
}

#[test]
fn the_last_to_let_go_may_be_the_one_who_is_told() {
    let disk = MemoryDisk::default();
    let responses = Arc::new(open(&disk));
    let held = responses.clone();
    let (tell, told) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    responses.add(hash(1), b"one", move |_| {
        may_go.recv().unwrap();
        held.sync();
        held.add(hash(2), b"two", move |written| tell.send(written).unwrap());
        drop(held);
    });
    drop(responses);
    go.send(()).unwrap();
    told.recv().unwrap().unwrap();
    assert_eq!(newest(&open(&disk), hash(2)), Some(b"two".to_vec()));
}

#[test]
fn whoever_panics_when_told_keeps_nobody_waiting() {
    let responses = open(&MemoryDisk::default());
    responses.add(hash(1), b"one", |_| panic!("a test of what happens then"));
    add(&responses, hash(2), b"two");
    responses.sync();
    assert_eq!(newest(&responses, hash(1)), Some(b"one".to_vec()));
}

#[test]
fn many_threads_and_stores_share_a_folder() {
    on_both(|disk, folder| {
        let stores: Vec<Responses> = (0..3).map(|_| Responses::open(disk.clone(), folder)).collect();
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let responses = &stores[thread as usize % 3];
                scope.spawn(move || {
                    for n in (thread * 50)..(thread * 50 + 50) {
                        add(responses, hash(n), &body(n));
                        assert_eq!(newest(responses, hash(n)), Some(body(n)));
                        responses.refresh().unwrap();
                    }
                });
            }
        });
        for responses in &stores {
            responses.refresh().unwrap();
            (0..300).for_each(|n| assert_eq!(newest(responses, hash(n)), Some(body(n)), "{n}"));
        }
        assert_eq!(logs(&*disk, folder).len(), 3);
    });
}

/// A log with ten records; returns its bytes and where each record ends.
fn ten() -> (PathBuf, Vec<u8>, Vec<usize>) {
    let disk = MemoryDisk::default();
    let responses = open(&disk);
    (0..10).for_each(|n| add(&responses, hash(n), &body(n)));
    drop(responses);
    let log = logs(&disk, Path::new(FOLDER)).remove(0);
    let bytes = disk.read(&log, 0).unwrap().to_vec();
    let ends = (0..10).scan(MAGIC_LENGTH, |end, n| {
        *end += BEFORE + body(n).len();
        Some(*end)
    });
    let ends: Vec<usize> = ends.collect();
    assert_eq!(ends[9] + record::end_mark().len(), bytes.len());
    (log, bytes, ends)
}

const MAGIC_LENGTH: usize = 8;

fn with_log(log: &Path, bytes: &[u8]) -> MemoryDisk {
    let disk = MemoryDisk::default();
    disk.write_new(log, &[bytes]).unwrap();
    disk
}

fn problems(disk: &MemoryDisk) -> Vec<Problem> {
    Store::open(Arc::new(disk.clone()), Path::new("store")).unwrap().verify(&|_| ())
}

#[test]
fn a_log_torn_at_any_length_reads_as_its_whole_records_and_is_no_problem() {
    let (log, bytes, ends) = ten();
    for length in 0..bytes.len() {
        let disk = with_log(&log, &bytes[..length]);
        let responses = open(&disk);
        for (n, end) in (0..).zip(&ends) {
            assert_eq!(newest(&responses, hash(n)), (*end <= length).then(|| body(n)), "length {length}");
        }
        assert_eq!(problems(&disk).len(), 0, "length {length}");
        // Who adds writes elsewhere, and what is torn stays.
        add(&responses, hash(77), b"more");
        drop(responses);
        assert_eq!(disk.read(&log, 0).unwrap().as_slice(), &bytes[..length]);
        assert_eq!(newest(&open(&disk), hash(77)), Some(b"more".to_vec()));
    }
}

#[test]
fn a_flipped_byte_costs_one_record_and_repair_removes_nothing() {
    let (log, bytes, ends) = ten();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let disk = with_log(&log, &damaged);
            let responses = open(&disk);
            let lost = ends.iter().position(|end| at < *end).filter(|_| at >= MAGIC_LENGTH);
            for n in 0..10 {
                let expect = (Some(n) != lost).then(|| body(n as u64));
                assert_eq!(newest(&responses, hash(n as u64)), expect, "byte {at}");
            }
            assert_eq!(all(&responses).len(), 10 - usize::from(lost.is_some()), "byte {at}");
            if flip != 0x80 {
                continue;
            }
            let store = Store::open(Arc::new(disk.clone()), Path::new("store")).unwrap();
            let problems = store.verify(&|_| ());
            let torn = lost == Some(9) && at < ends[8] + 4;
            if at >= ends[9] || torn || at == 7 {
                assert_eq!(problems.len(), 0, "byte {at}");
            } else {
                let [Problem::Responses { at, .. }] = problems[..] else { panic!("byte {at}: {problems:?}") };
                assert_eq!(at, lost.map_or(0, |n| if n == 0 { MAGIC_LENGTH } else { ends[n - 1] }) as u64);
            }
            store.repair(&problems).unwrap();
            let plan = store.gc(&HashSet::new(), &HashSet::new()).unwrap();
            store.collect(&plan).unwrap();
            assert_eq!(disk.read(&log, 0).unwrap().as_slice(), damaged);
        }
    }
}

#[test]
fn damage_is_passed_over_in_a_log_larger_than_the_window() {
    let disk = MemoryDisk::default();
    let responses = open(&disk);
    let large = |n: u64| vec![n as u8; 300_000];
    (0..20).for_each(|n| add(&responses, hash(n), &large(n)));
    drop(responses);
    let log = logs(&disk, Path::new(FOLDER)).remove(0);
    let bytes = disk.read(&log, 0).unwrap().to_vec();
    disk.remove(&sidecar::beside(&log)).unwrap();
    for (from, to, lost) in [(100, 101, 1), (8, 9, 1), (11, 12, 1), (8, 700_000, 3), (299_000, 2_500_000, 9)] {
        let mut damaged = bytes.clone();
        damaged[from..to].fill(0xff);
        let disk = with_log(&log, &damaged);
        assert_eq!(all(&open(&disk)).len(), 20 - lost, "{from}..{to}");
        let problems = problems(&disk);
        let [Problem::Responses { lost: bytes, .. }] = problems[..] else { panic!("{problems:?}") };
        assert_eq!(bytes as usize, lost * (BEFORE + 300_000));
    }
}

#[test]
fn a_sidecar_spares_reading_the_log_and_is_believed_only_when_it_is_right() {
    on_both(|disk, folder| {
        let open = || Responses::open(disk.clone(), folder);
        let large = |n: u64| vec![n as u8; 2000];
        let responses = open();
        (0..100).for_each(|n| responses.add(hash(n), &large(n), |written| written.unwrap()));
        drop(responses);
        let log = logs(&*disk, folder).remove(0);
        let beside = sidecar::beside(&log);
        let right = disk.read(&beside, 0).unwrap().to_vec();
        let whole = disk.read(&log, 0).unwrap().to_vec();
        let check = |expect: usize| {
            assert_eq!(all(&open()).len(), expect);
            (0..expect as u64).for_each(|n| assert_eq!(newest(&open(), hash(n)), Some(large(n))));
        };
        check(100);
        // Damaged.
        let mut damaged = right.clone();
        damaged[60] ^= 1;
        disk.write_new(&beside, &[&damaged]).unwrap();
        check(100);
        // Of a longer log than there is.
        disk.write_new(&beside, &[&right]).unwrap();
        disk.write_new(&log, &[&whole[..whole.len() - record::end_mark().len() - 1]]).unwrap();
        check(99);
        // Of the start of a log that has more.
        let more = [&whole[..], &whole[MAGIC_LENGTH..]].concat();
        disk.write_new(&log, &[&more]).unwrap();
        assert_eq!(all(&open()).len(), 200);
        // Who adds writes what is missing, but not for short logs.
        disk.remove(&beside).unwrap();
        let responses = open();
        responses.refresh().unwrap();
        add(&responses, hash(1000), b"one more");
        drop(responses);
        assert!(disk.metadata(&beside).is_ok());
        assert_eq!(all(&open()).len(), 201);
        let names = disk.list(folder).unwrap();
        assert_eq!(names.iter().filter(|entry| entry.name.ends_with(".index")).count(), 1, "{names:?}");
    });
}

#[test]
fn refresh_finds_what_others_add_and_asks_little_when_nobody_does() {
    let disk = MemoryDisk::default();
    let never = Fault { at: u64::MAX, lasting: Lasting::Once, kind: ErrorKind::Other, write: Torn::Nothing };
    let counted = Arc::new(FaultyDisk::new(disk.clone(), never));
    let reader = Responses::open(counted.clone(), Path::new(FOLDER));
    (0..5).for_each(|n| add(&open(&disk), hash(n), &body(n)));
    reader.refresh().unwrap();
    let cost = || {
        let before = counted.calls();
        reader.refresh().unwrap();
        counted.calls() - before
    };
    assert_eq!(cost(), 1, "all writers are gone");
    let writer = open(&disk);
    add(&writer, hash(5), &body(5));
    cost();
    assert_eq!(cost(), 2, "one lives");
    add(&writer, hash(6), &body(6));
    assert_eq!(newest(&reader, hash(6)), None);
    assert!(cost() > 2);
    // Another's record is synced before it is used, once for all that was seen of its log.
    let calls = counted.calls();
    assert_eq!(newest(&reader, hash(6)), Some(body(6)));
    assert_eq!(counted.calls() - calls, 2);
    assert_eq!(newest(&reader, hash(5)), Some(body(5)));
    assert_eq!(counted.calls() - calls, 3);
    drop(writer);
    cost();
    assert_eq!(cost(), 1, "it marked its end");
    // It says of itself that it was synced.
    let late = Responses::open(counted.clone(), Path::new(FOLDER));
    late.refresh().unwrap();
    let calls = counted.calls();
    assert_eq!(newest(&late, hash(6)), Some(body(6)));
    assert_eq!(counted.calls() - calls, 1);
    // Calls: append (makes the log), append (writes), sync, and then it is as if it were killed.
    let fault = Fault { at: 4, lasting: Lasting::Forever, ..never };
    let killed = Responses::open(Arc::new(FaultyDisk::new(disk.clone(), fault)), Path::new(FOLDER));
    add(&killed, hash(7), &body(7));
    cost();
    drop(killed);
    assert_eq!(cost(), 2, "nobody asks so soon whether it lives");
    std::thread::sleep(Duration::from_millis(1100));
    cost();
    assert_eq!(cost(), 1, "its end was noticed");
}

#[test]
fn a_plan_finds_what_is_there_and_adds_only_in_memory() {
    on_both(|disk, folder| {
        let store = Store::open(disk.clone(), folder.parent().unwrap()).unwrap();
        add(store.responses(), hash(1), b"one");
        let before = disk.list(folder).unwrap();
        let scratch = store.scratch();
        assert_eq!(newest(scratch.responses(), hash(1)), Some(b"one".to_vec()));
        add(scratch.responses(), hash(2), b"two");
        assert_eq!(newest(scratch.responses(), hash(2)), Some(b"two".to_vec()));
        assert_eq!(scratch.responses().claim(&hash(3)).unwrap(), Claim::Mine);
        scratch.responses().refresh().unwrap();
        drop(scratch);
        store.responses().refresh().unwrap();
        assert_eq!(newest(store.responses(), hash(2)), None);
        assert_eq!(disk.list(folder).unwrap(), before);
    });
}

#[test]
fn a_claim_keeps_others_off_until_it_is_released_or_its_holder_is_gone() {
    on_both(|disk, folder| {
        let open = || Responses::open(disk.clone(), folder);
        let (one, two) = (open(), open());
        assert_eq!(one.claim(&hash(1)).unwrap(), Claim::Mine);
        assert_eq!(two.claim(&hash(1)).unwrap(), Claim::Elsewhere);
        assert_eq!(two.claim(&hash(2)).unwrap(), Claim::Mine);
        two.release(&hash(1));
        open().release(&hash(1));
        assert_eq!(two.claim(&hash(1)).unwrap(), Claim::Elsewhere);
        one.release(&hash(1));
        assert_eq!(two.claim(&hash(1)).unwrap(), Claim::Mine);
        assert_eq!(one.claim(&hash(1)).unwrap(), Claim::Elsewhere);
        drop(two);
        assert_eq!(one.claim(&hash(1)).unwrap(), Claim::Mine);
    });
}

#[test]
fn a_body_that_is_too_long_is_refused_and_hurts_nobody() {
    let responses = open(&MemoryDisk::default());
    let error = told(&responses, hash(1), &vec![0; LONGEST]).recv().unwrap().unwrap_err().to_string();
    assert_eq!(error, "cannot record a response in `store/responses`: file too large");
    add(&responses, hash(2), b"two");
}

#[test]
fn an_error_reaches_everybody_and_the_next_batch_goes_to_a_new_log() {
    for call in 1..=3 {
        let disk = MemoryDisk::default();
        // Calls: append (makes the log), append (writes), sync.
        let fault = Fault { at: call, lasting: Lasting::Once, kind: ErrorKind::StorageFull, write: Torn::Half };
        let faulty = Arc::new(FaultyDisk::new(disk.clone(), fault));
        let responses = Responses::open(faulty, Path::new(FOLDER));
        let error = told(&responses, hash(1), &body(1)).recv().unwrap().unwrap_err().to_string();
        assert!(error.starts_with("cannot write `store/responses/") && error.ends_with("no space left on device"));
        assert_eq!(newest(&responses, hash(1)), None, "what is not durable is not found");
        add(&responses, hash(1), &body(1));
        assert_eq!(newest(&responses, hash(1)), Some(body(1)));
        responses.refresh().unwrap();
        assert_eq!(logs(&disk, Path::new(FOLDER)).len(), 2);
        assert_eq!(newest(&open(&disk), hash(1)), Some(body(1)));
    }
}

#[test]
fn whichever_call_fails_what_was_acknowledged_is_there_and_nothing_is_invented() {
    for (lasting, write, kind) in [
        (Lasting::Forever, Torn::Half, ErrorKind::Other),
        (Lasting::Forever, Torn::Nothing, ErrorKind::StorageFull),
        (Lasting::Once, Torn::Half, ErrorKind::StorageFull),
        (Lasting::Once, Torn::Nothing, ErrorKind::PermissionDenied),
    ] {
        for at in 1.. {
            let disk = MemoryDisk::default();
            let others = open(&disk);
            (100..110).for_each(|n| add(&others, hash(n), &vec![n as u8; 9000]));
            let faulty = Arc::new(FaultyDisk::new(disk.clone(), Fault { at, lasting, kind, write }));
            let responses = Responses::open(faulty.clone(), Path::new(FOLDER));
            let mut acknowledged = Vec::new();
            for round in 0..5 {
                let batch: Vec<_> = (0..4).map(|n| 4 * round + n).collect();
                let claims: Vec<_> = batch.iter().map(|n| responses.claim(&hash(*n))).collect();
                let told: Vec<_> = batch.iter().map(|n| told(&responses, hash(*n), &body(*n))).collect();
                let answers = batch.iter().zip(told).filter(|(_, told)| told.recv().unwrap().is_ok());
                acknowledged.extend(answers.map(|(n, _)| *n));
                batch.iter().for_each(|n| responses.release(&hash(*n)));
                drop(claims);
                let _ = responses.refresh();
                for n in acknowledged.iter().copied() {
                    // A disk that does not read says so.
                    if let Ok(found) = responses.find(&hash(n), |found| Some(found.to_vec())) {
                        assert_eq!(found, Some(body(n)), "{lasting:?} {write:?} at {at}");
                    }
                }
                if let Ok(found) = responses.find(&hash(105), |found| Some(found.len())) {
                    assert_eq!(found, Some(9000), "{lasting:?} {write:?} at {at}");
                }
            }
            let _ = responses.stats();
            drop((responses, others));
            let context = format!("{lasting:?} {write:?} at {at}");
            let right: BTreeMap<Hash, Vec<u8>> = (0..20).map(|n| (hash(n), body(n))).collect();
            let responses = open(&disk);
            acknowledged.iter().for_each(|n| assert_eq!(newest(&responses, hash(*n)), Some(body(*n)), "{context}"));
            (100..110).for_each(|n| assert_eq!(newest(&responses, hash(n)).unwrap().len(), 9000, "{context}"));
            let mine = all(&responses).into_iter().filter(|(_, body)| body.len() != 9000);
            mine.for_each(|(key, body)| assert_eq!(right.get(&key), Some(&body), "{context}"));
            if faulty.calls() < at {
                assert_eq!(acknowledged.len(), 20);
                break;
            }
        }
    }
}

#[test]
fn a_record_takes_less_than_40_bytes_of_memory() {
    let mut index = Index::default();
    let log = index.add_log("a.log".to_owned(), PathBuf::from("a.log"));
    for (n, most) in [(1, usize::MAX), (100_000, 40), (1_000_000, 30)] {
        while index.records < n {
            let found = scan::Found { head: index::head(&hash(index.records)), offset: index.records, length: 1 };
            index.add(&log, found);
        }
        assert!(index.memory() <= n as usize * most, "{n} records take {} bytes", index.memory());
    }
    for n in (0..1_000_000).step_by(777) {
        let offsets: Vec<u64> = index.of(&hash(n)).into_iter().map(|(entry, _)| entry.offset).collect();
        assert_eq!(offsets, [n]);
    }
}

fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap_or_default();
    line.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0) / 1024
}

/// Run with `cargo test --release --lib responses -- --ignored --nocapture`.
#[test]
#[ignore = "prints times, for a release build on an idle machine"]
fn times() {
    const COUNT: u64 = 1_000_000;
    let folder = tempfile::tempdir_in(".").unwrap();
    let open = || Responses::open(Arc::new(RealDisk), folder.path());
    let body = "x".repeat(1000);
    for (threads, each) in [(1, 200), (64, 100), (256, 100)] {
        let never = Fault { at: u64::MAX, lasting: Lasting::Once, kind: ErrorKind::Other, write: Torn::Nothing };
        let counted = Arc::new(FaultyDisk::new(RealDisk, never));
        let responses = Responses::open(counted.clone(), folder.path());
        let start = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (responses, body) = (&responses, &body);
                scope.spawn(move || {
                    (0..each).for_each(|n| add(responses, hash(COUNT * 2 + thread * each + n), body.as_bytes()))
                });
            }
        });
        let seconds = start.elapsed().as_secs_f64();
        // One call makes the log, and two write and sync a batch.
        let syncs = ((counted.calls() - 1) / 2) as f64 / seconds;
        let records = (threads * each) as f64 / seconds;
        eprintln!("{threads} waiting: {records:.0} durable records/s, {syncs:.0} syncs/s");
    }
    let responses = open();
    let start = Instant::now();
    (0..COUNT).for_each(|n| responses.add(hash(n), body.as_bytes(), |written| written.unwrap()));
    responses.sync();
    eprintln!("{COUNT} records without waiting: {:?}, {} MB of memory", start.elapsed(), memory("VmRSS"));
    let start = Instant::now();
    drop(responses);
    eprintln!("the sidecar is written: {:?}", start.elapsed());
    for sidecar in ["with", "without"] {
        if sidecar == "without" {
            logs(&RealDisk, folder.path()).iter().for_each(|log| drop(std::fs::remove_file(sidecar::beside(log))));
        }
        let before = memory("VmRSS");
        let start = Instant::now();
        let responses = open();
        responses.refresh().unwrap();
        let loaded = start.elapsed();
        let index = read(&responses.memo.index).memory() >> 20;
        eprintln!("open {sidecar} sidecars: {loaded:?}, index {index} MB, memory {before} to {} MB", memory("VmRSS"));
        let start = Instant::now();
        (0..100_000).for_each(|n| assert!(newest(&responses, hash(n * 7 % COUNT)).is_some()));
        eprintln!("find 100,000: {:?}", start.elapsed());
        let start = Instant::now();
        (0..100_000).for_each(|_| responses.refresh().unwrap());
        eprintln!("refresh 100,000 times: {:?}", start.elapsed());
        let start = Instant::now();
        for n in 0..100_000u64 {
            assert_eq!(responses.claim(&hash(n)).unwrap(), Claim::Mine);
            responses.release(&hash(n.wrapping_sub(256)));
        }
        eprintln!("claim and release 100,000, 256 at once: {:?}", start.elapsed());
    }
    eprintln!("memory at most {} MB", memory("VmHWM"));
}
