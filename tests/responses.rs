//! Recorded responses among processes: what was acknowledged outlives them, what one adds the others find, and claims end with them.

use datamake::hash::Hash;
use datamake::store::{Claim, RealDisk, Store};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a child is to do, and where.
const TASK: &str = "DATAMAKE_TEST_CHILD";

fn open(root: &Path) -> Store {
    Store::open(Arc::new(RealDisk), root).expect("the store opens")
}

fn hash(n: u64) -> Hash {
    Hash::of(&n.to_le_bytes())
}

/// A body of 0.3 to 10 KB that tells which it is.
fn body(n: u64) -> Vec<u8> {
    format!("{{\"n\":{n},\"text\":\"{}\"}}", "text ".repeat(60 + (n * 7919 % 2000) as usize)).into_bytes()
}

fn newest(store: &Store, key: Hash) -> Option<Vec<u8>> {
    store.responses().find(&key, |body| Some(body.to_vec())).expect("responses can be read")
}

/// Adds a record and waits until it is durable.
fn add(store: &Store, n: u64) {
    let (tell, told) = mpsc::channel();
    store.responses().add(hash(n), &body(n), move |written| tell.send(written).expect("somebody waits"));
    told.recv().expect("everybody is told").expect("the disk is fine");
}

/// Starts this program again, as a process that does one thing.
fn child(task: &str, root: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("a test is a file"));
    command.args(["--exact", "as_a_child", "--ignored", "--nocapture"]);
    command.env(TASK, format!("{task} {}", root.display()));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

/// Collects what a child says, until it ends; `first` is called at its first word.
fn listen(child: &mut Child, first: impl FnOnce() + Send + 'static) -> JoinHandle<Vec<u64>> {
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
    thread::spawn(move || {
        let (mut numbers, mut first) = (Vec::new(), Some(first));
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
            // A line without its end was cut by the kill.
            if let Some(number) = line.strip_prefix("ok ").and_then(|rest| rest.strip_suffix('\n')) {
                numbers.push(number.parse().expect("a number"));
                first.take().into_iter().for_each(|first| first());
            }
            line.clear();
        }
        numbers
    })
}

fn kill(mut child: Child) {
    child.kill().expect("a process can be killed");
    child.wait().expect("it can be waited for");
}

#[test]
#[ignore = "what the other tests start as a process"]
fn as_a_child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let (task, root) = task.split_once(' ').expect("a task and a folder");
    let (store, said) = (open(Path::new(root)), std::io::stdin().lines());
    match task.split_once(':').expect("a task and a number") {
        // Adds without end, 64 at a time, and says what is durable.
        ("add", from) => {
            let (done, room) = mpsc::channel();
            (0..64).for_each(|_| done.send(()).expect("we hold the other end"));
            let from: u64 = from.parse().expect("a number");
            for n in from.. {
                room.recv().expect("we hold the other end");
                let done = done.clone();
                store.responses().add(hash(n), &body(n), move |written| {
                    written.expect("the disk is fine");
                    println!("ok {n}");
                    let _ = done.send(());
                });
            }
        }
        // Looks for what it is told, and says what it found.
        ("find", n) => {
            add(&store, n.parse().expect("a number"));
            println!("ok {n}");
            for line in said {
                let n = line.expect("a line").parse().expect("a number");
                store.responses().refresh().expect("the store can be read");
                println!("ok {}", if newest(&store, hash(n)) == Some(body(n)) { n } else { 0 });
            }
        }
        ("claim", n) => {
            let claim = store.responses().claim(&hash(n.parse().expect("a number"))).expect("it can be claimed");
            println!("ok {}", u64::from(claim == Claim::Mine));
            said.for_each(drop);
        }
        _ => panic!("no such task: {task}"),
    }
}

#[test]
fn what_was_acknowledged_outlives_a_kill_at_any_moment() {
    let kills: u64 = std::env::var("DATAMAKE_KILLS").map_or(40, |text| text.parse().expect("a number of kills"));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut random = 20_261_203_u64;
    let mut acknowledged = Vec::new();
    for round in 0..kills {
        // Two at once; one dies earlier.
        let mut two = [0, 1].map(|one| child(&format!("add:{}", (2 * round + one) * 1_000_000), folder.path()));
        let (tell, told) = mpsc::channel();
        let mut heard = Vec::new();
        for child in &mut two {
            let tell = tell.clone();
            heard.push(listen(child, move || tell.send(()).unwrap_or(())));
        }
        told.recv().expect("a child says something");
        for child in two {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            thread::sleep(Duration::from_micros((random >> 33) % 25_000));
            kill(child);
        }
        let new: Vec<u64> = heard.into_iter().flat_map(|heard| heard.join().expect("it listens")).collect();
        let store = open(folder.path());
        new.iter().for_each(|n| assert!(newest(&store, hash(*n)) == Some(body(*n)), "{n} in round {round}"));
        acknowledged.extend(new);
    }
    let store = open(folder.path());
    let mut all: HashMap<Hash, Vec<u8>> = HashMap::new();
    let each = |key, body: &[u8]| {
        all.insert(key, body.to_vec());
        Ok(())
    };
    store.responses().for_each(each).expect("responses can be read");
    assert!(acknowledged.len() > kills as usize && all.len() >= acknowledged.len());
    acknowledged.iter().for_each(|n| assert!(all.remove(&hash(*n)) == Some(body(*n)), "{n}"));
    // What was written and not acknowledged is right all the same.
    for left in all.into_values() {
        let text = String::from_utf8(left).expect("bodies are texts");
        let n = text["{\"n\":".len()..].split(',').next().and_then(|n| n.parse().ok()).expect("it tells its number");
        assert_eq!(text.as_bytes(), body(n));
    }
    assert!(store.verify(&|_| ()).is_empty());
}

#[test]
fn what_one_process_adds_the_other_finds() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = open(folder.path());
    assert_eq!(newest(&store, hash(7)), None);
    let mut other = child("find:7", folder.path());
    let (tell, told) = mpsc::channel();
    let heard = listen(&mut other, move || tell.send(()).expect("somebody waits"));
    told.recv().expect("it has added");
    assert_eq!(newest(&store, hash(7)), None);
    store.responses().refresh().expect("the store can be read");
    assert_eq!(newest(&store, hash(7)), Some(body(7)));
    let mut said = other.stdin.take().expect("it is piped");
    for n in 8..20 {
        add(&store, n);
        writeln!(said, "{n}").expect("it listens");
    }
    drop(said);
    assert!(other.wait().expect("it can be waited for").success());
    assert_eq!(heard.join().expect("it listens"), (7..20).collect::<Vec<u64>>());
}

#[test]
fn a_claim_is_elsewhere_until_its_process_is_killed() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = open(folder.path());
    let claim = |n| store.responses().claim(&hash(n)).expect("it can be claimed");
    let mut other = child("claim:1", folder.path());
    let (tell, told) = mpsc::channel();
    let heard = listen(&mut other, move || tell.send(()).expect("somebody waits"));
    told.recv().expect("it has claimed");
    assert_eq!((claim(1), claim(2)), (Claim::Elsewhere, Claim::Mine));
    store.responses().release(&hash(1));
    assert_eq!(claim(1), Claim::Elsewhere);
    kill(other);
    assert_eq!(heard.join().expect("it listens"), [1]);
    assert_eq!(claim(1), Claim::Mine);
    // The other way round.
    let mut other = child("claim:2", folder.path());
    let heard = listen(&mut other, || ());
    drop(other.stdin.take());
    other.wait().expect("it can be waited for");
    assert_eq!(heard.join().expect("it listens"), [0]);
}
