//! The laws of the store, on a real disk and in memory.

use super::*;
use std::collections::BTreeMap;
use std::time::SystemTime;

const ROOT: &str = "store";

fn hash(text: &str) -> Hash {
    Hash::of(text.as_bytes())
}

/// A blob that has a file of its own.
fn large(n: usize) -> Vec<u8> {
    (0..3_000).map(|i| ((i * (n + 7)) % 251) as u8).collect()
}

fn open(disk: &(impl Disk + Clone + 'static)) -> Store {
    Store::open(Arc::new(disk.clone()), Path::new(ROOT)).unwrap()
}

/// Runs a law on both disks; the folder is the root of the store.
fn on_both(law: impl Fn(Arc<dyn Disk>, &Path)) {
    law(Arc::new(MemoryDisk::default()), Path::new(ROOT));
    let folder = tempfile::tempdir().unwrap();
    law(Arc::new(RealDisk), &folder.path().join("a/store"));
}

fn files(disk: &dyn Disk, root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in disk.list(root).unwrap() {
        let path = root.join(&entry.name);
        match entry.metadata.kind {
            Kind::Folder => found.extend(files(disk, &path)),
            Kind::File => drop(found.insert(path.clone(), disk.read(&path, 0).unwrap().to_vec())),
        }
    }
    found
}

fn logs(disk: &dyn Disk, root: &Path) -> Vec<PathBuf> {
    files(disk, root).into_keys().filter(|path| path.extension().is_some_and(|end| end == "log")).collect()
}

#[test]
fn what_was_put_comes_back_aligned_here_and_in_a_reopened_store() {
    on_both(|disk, root| {
        let blobs = [vec![], b"small".to_vec(), vec![7; SMALL], vec![7; SMALL + 1], large(1), vec![b'x'; 1 << 20]];
        let store = Store::open(disk.clone(), root).unwrap();
        let hashes: Vec<Hash> = blobs.iter().map(|blob| store.put(blob).unwrap()).collect();
        store.record(hash("key"), &hashes).unwrap();
        store.record(hash("none"), &[]).unwrap();
        let check = |store: &Store| {
            for (blob, hash) in blobs.iter().zip(&hashes) {
                assert!(store.has(*hash));
                let read = store.get(*hash).unwrap();
                assert_eq!(read.as_slice(), blob);
                assert!(read.is_empty() || (read.as_ptr() as usize).is_multiple_of(32));
            }
            assert_eq!(store.trace(hash("key")), Some(hashes.clone()));
            assert_eq!(store.trace(hash("none")), Some(vec![]));
            assert_eq!(store.trace(hash("other")), None);
        };
        check(&store);
        store.finish().unwrap();
        check(&Store::open(disk.clone(), root).unwrap());
        drop(store);
        check(&Store::open(disk.clone(), root).unwrap());
        assert!(Store::open(disk.clone(), root).unwrap().verify(&|_| ()).is_empty());
    });
}

#[test]
fn looking_up_makes_no_file() {
    on_both(|disk, root| {
        let store = Store::open(disk.clone(), root).unwrap();
        assert!(!store.has(hash("a")));
        assert!(matches!(store.get(hash("a")), Err(StoreError::Missing(missing)) if missing == hash("a")));
        assert_eq!(store.trace(hash("a")), None);
        store.refresh().unwrap();
        store.finish().unwrap();
        assert_eq!(store.stats().unwrap(), Stats::default());
        drop(store);
        assert!(disk.metadata(root).is_err());
    });
}

#[test]
fn putting_a_known_blob_writes_nothing() {
    on_both(|disk, root| {
        let put = || {
            let store = Store::open(disk.clone(), root).unwrap();
            for _ in 0..2 {
                store.put(b"small").unwrap();
                store.put(&large(0)).unwrap();
                store.record(hash("key"), &[hash("small")]).unwrap();
            }
            store.finish().unwrap();
        };
        put();
        let before = files(&*disk, root);
        put();
        assert_eq!(files(&*disk, root), before);
        assert_eq!(before.len(), 2);
    });
}

#[test]
fn a_file_where_the_store_should_be_is_an_error() {
    on_both(|disk, root| {
        disk.write_new(root, &[b"x"]).unwrap();
        let error = Store::open(disk.clone(), root).unwrap_err().to_string();
        assert_eq!(error, format!("cannot open the store `{}`: not a directory", root.display()));
    });
}

/// A store with small and large blobs and traces, in one log.
fn filled(disk: &MemoryDisk) -> Vec<(Key, Vec<u8>)> {
    let store = open(disk);
    let blobs = [b"".to_vec(), b"one".to_vec(), large(1), b"two".to_vec()];
    let actions = blobs.map(|blob| {
        let output = store.put(&blob).unwrap();
        let key = Hash::of(output.as_bytes());
        store.record(key, &[output]).unwrap();
        (key, blob)
    });
    actions.to_vec()
}

/// Every trace and blob is absent or right, what is missing can be made again, and is then there for others.
fn check_sound(disk: &MemoryDisk, actions: &[(Key, Vec<u8>)], context: &str) {
    let store = open(disk);
    for (key, blob) in actions {
        if let Some(outputs) = store.trace(*key) {
            assert_eq!(outputs, [Hash::of(blob)], "{context}");
        }
        match store.get(Hash::of(blob)) {
            Ok(contents) => assert_eq!(contents.as_slice(), blob, "{context}"),
            Err(StoreError::Missing(missing)) => {
                assert_eq!(missing, Hash::of(blob), "{context}");
                assert_eq!(store.trace(*key), None, "{context}");
            }
            Err(error) => panic!("{context}: {error}"),
        }
        let output = store.put(blob).unwrap();
        store.record(*key, &[output]).unwrap();
        assert_eq!(store.trace(*key), Some(vec![output]), "{context}");
    }
    assert!(!store.known_bad(), "{context}");
    drop(store);
    let store = open(disk);
    for (key, blob) in actions {
        assert_eq!(store.trace(*key), Some(vec![Hash::of(blob)]), "{context}");
        assert_eq!(store.get(Hash::of(blob)).unwrap().as_slice(), blob, "{context}");
    }
}

#[test]
fn a_file_torn_or_flipped_anywhere_gives_what_is_right_or_nothing() {
    let whole = MemoryDisk::default();
    let actions = filled(&whole);
    let originals = files(&whole, Path::new(ROOT));
    assert_eq!(originals.len(), 2);
    for damaged in originals.keys() {
        let bytes = &originals[damaged];
        let check = |changed: &[u8], context: &str| {
            let disk = MemoryDisk::default();
            originals.iter().for_each(|(path, bytes)| disk.write_new(path, &[bytes]).unwrap());
            disk.write_new(damaged, &[changed]).unwrap();
            check_sound(&disk, &actions, context);
        };
        for i in 0..bytes.len() {
            check(&bytes[..i], &format!("{} cut to {i}", damaged.display()));
            let mut flipped = bytes.clone();
            flipped[i] ^= 1 << (i % 8);
            check(&flipped, &format!("{} flipped at {i}", damaged.display()));
        }
    }
}

#[test]
fn a_removed_file_is_missing_and_comes_back() {
    let whole = MemoryDisk::default();
    let actions = filled(&whole);
    for path in files(&whole, Path::new(ROOT)).into_keys() {
        whole.remove(&path).unwrap();
        check_sound(&whole, &actions, &path.display().to_string());
    }
}

#[test]
fn a_bad_output_hides_its_traces_until_it_is_put_again() {
    on_both(|disk, root| {
        let store = Store::open(disk.clone(), root).unwrap();
        let output = store.put(&large(3)).unwrap();
        store.record(hash("key"), &[output]).unwrap();
        let path = store.blob_path(&output);
        disk.write_new(&path, &[b"damaged, and long enough"]).unwrap();
        assert!(matches!(store.get(output), Err(StoreError::Missing(_))));
        assert!(disk.metadata(&path).is_err(), "a damaged blob is removed");
        assert!(store.known_bad() && store.is_bad(output) && !store.has(output));
        assert_eq!((store.trace(hash("key")), store.bad()), (None, vec![output]));
        store.put(&large(3)).unwrap();
        assert!(!store.known_bad() && store.has(output));
        assert_eq!(store.trace(hash("key")), Some(vec![output]));
        assert_eq!(store.get(output).unwrap().as_slice(), large(3));
    });
}

#[test]
fn two_stores_on_one_folder_see_each_other() {
    on_both(|disk, root| {
        let (one, two) = (Store::open(disk.clone(), root).unwrap(), Store::open(disk.clone(), root).unwrap());
        assert_eq!(two.trace(hash("key")), None);
        let small = one.put(b"small").unwrap();
        let big = one.put(&large(1)).unwrap();
        one.record(hash("key"), &[small, big]).unwrap();
        one.finish().unwrap();
        // A blob is found without being told of; a trace when asked to look again.
        assert_eq!(two.get(small).unwrap().as_slice(), b"small");
        assert_eq!(two.get(big).unwrap().as_slice(), large(1));
        two.refresh().unwrap();
        assert_eq!(two.trace(hash("key")), Some(vec![small, big]));
        two.record(hash("key 2"), &[small]).unwrap();
        two.finish().unwrap();
        one.refresh().unwrap();
        assert_eq!(one.trace(hash("key 2")), Some(vec![small]));
        assert_eq!(logs(&*disk, root).len(), 2, "each has a log of its own");
    });
}

#[test]
fn many_threads_and_processes_write_at_once() {
    on_both(|disk, root| {
        let stores: Vec<Store> = (0..3).map(|_| Store::open(disk.clone(), root).unwrap()).collect();
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let store = &stores[thread % 3];
                scope.spawn(move || {
                    for n in 0..60 {
                        // The same blobs from several threads, in different order.
                        let n = (n * 7 + thread) % 60;
                        let outputs = [store.put(&large(n)).unwrap(), store.put(&n.to_le_bytes()).unwrap()];
                        store.record(hash(&format!("{n}")), &outputs).unwrap();
                        assert_eq!(store.get(outputs[0]).unwrap().as_slice(), large(n));
                    }
                });
            }
        });
        stores.iter().for_each(|store| store.finish().unwrap());
        drop(stores);
        let store = Store::open(disk.clone(), root).unwrap();
        for n in 0..60usize {
            let outputs = store.trace(hash(&format!("{n}"))).unwrap();
            assert_eq!(store.get(outputs[0]).unwrap().as_slice(), large(n));
            assert_eq!(store.get(outputs[1]).unwrap().as_slice(), n.to_le_bytes());
        }
        assert!(store.verify(&|_| ()).is_empty());
    });
}

/// One build after another, each leaving a log.
fn many_logs(disk: &Arc<dyn Disk>, root: &Path, builds: usize) {
    for n in 0..builds {
        let store = Store::open(disk.clone(), root).unwrap();
        let output = store.put(format!("blob {n}").as_bytes()).unwrap();
        store.record(hash(&format!("{n}")), &[output]).unwrap();
        store.record(hash("newest"), &[output]).unwrap();
        // No `finish`: nothing is joined.
    }
}

fn check_many(store: &Store, builds: usize) {
    for n in 0..builds {
        let output = hash(&format!("blob {n}"));
        assert_eq!(store.trace(hash(&format!("{n}"))), Some(vec![output]));
        assert_eq!(store.get(output).unwrap().as_slice(), format!("blob {n}").as_bytes());
    }
    assert_eq!(store.trace(hash("newest")), Some(vec![hash(&format!("blob {}", builds - 1))]));
}

#[test]
fn many_finished_logs_are_joined_and_a_live_one_is_left_alone() {
    on_both(|disk, root| {
        let live = Store::open(disk.clone(), root).unwrap();
        live.record(hash("live"), &[]).unwrap();
        many_logs(&disk, root, 20);
        let reader = Store::open(disk.clone(), root).unwrap();
        reader.finish().unwrap();
        assert_eq!(logs(&*disk, root).len(), 21, "who writes nothing joins nothing");
        let writer = Store::open(disk.clone(), root).unwrap();
        writer.record(hash("writer"), &[]).unwrap();
        writer.finish().unwrap();
        assert_eq!(logs(&*disk, root).len(), 3);
        live.record(hash("live 2"), &[]).unwrap();
        live.finish().unwrap();
        for store in [&reader, &writer, &Store::open(disk.clone(), root).unwrap()] {
            store.refresh().unwrap();
            check_many(store, 20);
            assert_eq!(store.trace(hash("live")), Some(vec![]));
        }
        assert_eq!(Store::open(disk.clone(), root).unwrap().trace(hash("live 2")), Some(vec![]));
        assert!(reader.verify(&|_| ()).is_empty());
    });
}

#[test]
fn logs_are_joined_by_several_at_once_while_others_open() {
    on_both(|disk, root| {
        many_logs(&disk, root, 40);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| Store::open(disk.clone(), root).unwrap().compact().unwrap());
                scope.spawn(|| check_many(&Store::open(disk.clone(), root).unwrap(), 40));
            }
        });
        Store::open(disk.clone(), root).unwrap().compact().unwrap();
        assert!(logs(&*disk, root).len() <= MANY_LOGS);
        check_many(&Store::open(disk.clone(), root).unwrap(), 40);
    });
}

#[test]
fn gc_keeps_exactly_the_live() {
    on_both(|disk, root| {
        let store = Store::open(disk.clone(), root).unwrap();
        let blobs: Vec<Hash> = (0..8).map(|n| store.put(&large(n)).unwrap()).collect();
        let small: Vec<Hash> = (0..8).map(|n| store.put(format!("small {n}").as_bytes()).unwrap()).collect();
        let keys: Vec<Key> = (0..8).map(|n| hash(&format!("key {n}"))).collect();
        (0..8).for_each(|n| store.record(keys[n], &[blobs[n], small[n]]).unwrap());
        drop(store);
        let store = Store::open(disk.clone(), root).unwrap();
        let live_traces = HashSet::from([keys[1], keys[2]]);
        let live_blobs = HashSet::from([blobs[3], small[4]]);
        let plan = store.gc(&live_blobs, &live_traces).unwrap();
        // The outputs of a live trace are live.
        assert_eq!((plan.blobs, plan.traces, plan.leftovers), (5 + 5, 6, 0));
        let bytes = || files(&*disk, root).values().map(|bytes| bytes.len() as u64).sum::<u64>();
        let before = bytes();
        assert!(store.has(blobs[7]), "a plan removes nothing");
        store.collect(&plan).unwrap();
        assert_eq!(bytes(), before - plan.bytes);
        for store in [&store, &Store::open(disk.clone(), root).unwrap()] {
            for n in 0..8 {
                assert_eq!(store.trace(keys[n]).is_some(), n == 1 || n == 2, "trace {n}");
                assert_eq!(store.has(blobs[n]), (1..=3).contains(&n), "blob {n}");
                assert_eq!(store.has(small[n]), [1, 2, 4].contains(&n), "small {n}");
            }
            assert!(store.verify(&|_| ()).is_empty());
        }
    });
}

#[test]
fn gc_leaves_alone_what_a_living_process_recorded() {
    on_both(|disk, root| {
        let live = Store::open(disk.clone(), root).unwrap();
        let outputs = [live.put(&large(1)).unwrap(), live.put(b"small").unwrap()];
        live.record(hash("key"), &outputs).unwrap();
        live.finish().unwrap();
        let other = Store::open(disk.clone(), root).unwrap();
        let plan = other.gc(&HashSet::new(), &HashSet::new()).unwrap();
        assert_eq!((plan.blobs, plan.traces), (0, 0));
        drop(live);
        let plan = other.gc(&HashSet::new(), &HashSet::new()).unwrap();
        assert_eq!((plan.blobs, plan.traces), (2, 1));
        // Put again between plan and execution: stays.
        other.put(&large(2)).unwrap();
        other.collect(&plan).unwrap();
        assert!(other.has(Hash::of(&large(2))) && !other.has(Hash::of(&large(1))));
        assert_eq!(logs(&*disk, root).len(), 0);
    });
}

#[test]
fn verify_names_what_is_bad_and_repair_removes_it() {
    let disk = MemoryDisk::default();
    let actions = filled(&disk);
    let store = open(&disk);
    assert!(store.verify(&|_| ()).is_empty());
    let big = Hash::of(&large(1));
    disk.write_new(&store.blob_path(&big), &[&[1; 40]]).unwrap();
    let log = logs(&disk, Path::new(ROOT)).remove(0);
    let mut bytes = disk.read(&log, 0).unwrap().to_vec();
    let end = bytes.len();
    bytes[end - 1] ^= 1;
    disk.write_new(&log, &[&bytes]).unwrap();
    let done = std::sync::Mutex::new(Vec::new());
    let problems = store.verify(&|progress| done.lock().unwrap().push(progress));
    let words: Vec<String> = problems.iter().map(Problem::to_string).collect();
    let name = log.file_name().unwrap().to_str().unwrap();
    let key = actions[2].0;
    assert_eq!(
        words,
        [
            format!("the blob `{}` is damaged", big.short()),
            format!("the log `{name}` is damaged at byte {}, so 80 bytes of it cannot be read", end - 80),
            format!("the blob `{}` is missing, an output of the action `{}`", big.short(), key.short()),
        ]
    );
    let done = done.into_inner().unwrap();
    assert!(done.iter().all(|progress| progress.total == done[0].total && progress.done <= progress.total));
    assert_eq!(done.iter().map(|progress| progress.done).max(), Some(done[0].total));
    store.repair(&problems).unwrap();
    assert!(store.verify(&|_| ()).is_empty());
    assert_eq!(store.trace(key), None);
    check_sound(&disk, &actions, "repaired");
}

#[test]
fn a_damaged_log_is_read_around_the_damage_and_joined_by_repair_alone() {
    on_both(|disk, root| {
        many_logs(&disk, root, 20);
        let damaged = logs(&*disk, root).remove(3);
        let mut bytes = disk.read(&damaged, 0).unwrap().to_vec();
        bytes[log::MAGIC.len() + log::HEADER + 36] ^= 1;
        disk.write_new(&damaged, &[&bytes]).unwrap();
        Store::open(disk.clone(), root).unwrap().compact().unwrap();
        let store = Store::open(disk.clone(), root).unwrap();
        let plan = store.gc(&HashSet::new(), &HashSet::new()).unwrap();
        store.collect(&plan).unwrap();
        // The other one holds what the damaged log has too: `newest`, and its output.
        assert!(logs(&*disk, root).len() == 2 && logs(&*disk, root)[0] == damaged);
        assert!(store.trace(hash("3")).is_some() && matches!(store.get(hash("blob 3")), Err(StoreError::Missing(_))));
        let problems = store.verify(&|_| ());
        assert!(matches!(problems[0], Problem::Log { at: 8, lost: 54, .. }), "{problems:?}");
        store.repair(&problems).unwrap();
        assert!(disk.metadata(&damaged).is_err() && store.verify(&|_| ()).is_empty());
    });
}

#[test]
fn a_blob_of_a_later_version_is_left_alone() {
    let disk = MemoryDisk::default();
    let store = open(&disk);
    let big = store.put(&large(1)).unwrap();
    store.record(hash("key"), &[big]).unwrap();
    let path = store.blob_path(&big);
    disk.write_new(&path, &[b"in some other way", &frame::trailer(3_000, 9)]).unwrap();
    let expect = format!("cannot read `{}`: it was written by a later version of datamake", path.display());
    assert_eq!(store.get(big).unwrap_err().to_string(), expect);
    drop(store);
    let store = open(&disk);
    let problems = store.verify(&|_| ());
    assert_eq!(problems.iter().map(Problem::to_string).collect::<Vec<_>>(), [expect]);
    store.repair(&problems).unwrap();
    assert!(disk.metadata(&path).is_ok() && store.trace(hash("key")).is_some());
}

#[test]
fn a_large_log_is_not_rewritten_for_a_few_small_ones() {
    on_both(|disk, root| {
        let store = Store::open(disk.clone(), root).unwrap();
        (0..200).for_each(|n| store.record(hash(&format!("large {n}")), &[]).unwrap());
        drop(store);
        let big = logs(&*disk, root);
        for _ in 0..3 {
            many_logs(&disk, root, 20);
            Store::open(disk.clone(), root).unwrap().compact().unwrap();
            let left = logs(&*disk, root);
            assert!(left.len() <= MANY_LOGS && left[0] == big[0], "{left:?}");
        }
        check_many(&Store::open(disk.clone(), root).unwrap(), 20);
    });
}

#[test]
fn logs_of_living_processes_do_not_count_as_many() {
    on_both(|disk, root| {
        let open = || Store::open(disk.clone(), root).unwrap();
        many_logs(&disk, root, 10);
        let before = logs(&*disk, root);
        let living: Vec<Store> = (0..10).map(|_| open()).collect();
        living.iter().for_each(|store| store.record(hash("key"), &[]).unwrap());
        open().compact().unwrap();
        assert!(logs(&*disk, root).starts_with(&before));
    });
}

#[test]
fn a_log_of_a_later_version_is_left_alone() {
    let disk = MemoryDisk::default();
    let later = Path::new(ROOT).join("log/0000000000000001-1-0.log");
    disk.write_new(&later, &[b"dmlog\0\0\x02 in some other way"]).unwrap();
    many_logs(&(Arc::new(disk.clone()) as Arc<dyn Disk>), Path::new(ROOT), 20);
    let store = open(&disk);
    store.record(hash("key"), &[]).unwrap();
    store.finish().unwrap();
    assert!(store.verify(&|_| ()).is_empty());
    let plan = store.gc(&HashSet::new(), &HashSet::new()).unwrap();
    store.collect(&plan).unwrap();
    store.repair(&store.verify(&|_| ())).unwrap();
    assert!(disk.metadata(&later).is_ok());
}

/// All that a store does, as a script that goes on after an error, as a build with several threads would.
fn session(disk: Arc<dyn Disk>) {
    let Ok(store) = Store::open(disk, Path::new(ROOT)) else { return };
    for n in 0..4 {
        // A trace is recorded only when its outputs were put.
        if let (Ok(big), Ok(small)) = (store.put(&large(n)), store.put(format!("small {n}").as_bytes())) {
            let _ = store.record(hash(&format!("key {n}")), &[big, small]);
        }
        let _ = store.get(Hash::of(&large(0)));
        let _ = store.finish();
        let _ = store.refresh();
    }
    let _ = store.has(hash("nothing"));
    let _ = store.compact();
    let all = HashSet::from([hash("key 1")]);
    if let Ok(plan) = store.gc(&HashSet::new(), &all) {
        let _ = store.collect(&plan);
    }
    let _ = store.repair(&store.verify(&|_| ()));
    let _ = store.finish();
}

#[test]
fn whichever_call_to_the_disk_fails_the_store_is_sound_afterwards() {
    for (lasting, write, kind) in [
        (Lasting::Forever, Torn::Half, ErrorKind::Other),
        (Lasting::Forever, Torn::Nothing, ErrorKind::StorageFull),
        (Lasting::Once, Torn::Half, ErrorKind::StorageFull),
        (Lasting::Once, Torn::Nothing, ErrorKind::PermissionDenied),
    ] {
        for at in 1.. {
            let disk = MemoryDisk::default();
            many_logs(&(Arc::new(disk.clone()) as Arc<dyn Disk>), Path::new(ROOT), 18);
            let faulty = Arc::new(FaultyDisk::new(disk.clone(), Fault { at, lasting, kind, write }));
            session(faulty.clone());
            let context = format!("{lasting:?} {write:?} at {at}");
            let store = open(&disk);
            for n in 0..4 {
                if let Some(outputs) = store.trace(hash(&format!("key {n}"))) {
                    assert_eq!(outputs, [Hash::of(&large(n)), hash(&format!("small {n}"))], "{context}");
                }
            }
            drop(store);
            let actions: Vec<_> = (0..4).map(|n| (hash(&format!("big {n}")), large(n))).collect();
            check_sound(&disk, &actions, &context);
            let actions: Vec<_> = (0..18).map(|n| (hash(&format!("{n}")), format!("blob {n}").into_bytes())).collect();
            check_sound(&disk, &actions, &context);
            if faulty.calls() < at {
                break;
            }
        }
    }
}

#[test]
fn a_trace_never_reaches_the_disk_before_its_blobs() {
    for at in 1..40 {
        let disk = MemoryDisk::default();
        let fault = Fault { at, lasting: Lasting::Forever, kind: ErrorKind::Other, write: Torn::Nothing };
        let store = Store::open(Arc::new(FaultyDisk::new(disk.clone(), fault)), Path::new(ROOT));
        for n in 0..8 {
            let Ok(store) = &store else { break };
            let (Ok(big), Ok(small)) = (store.put(&large(n)), store.put(&[n as u8])) else { break };
            let _ = store.record(hash(&format!("key {n}")), &[big, small]);
        }
        drop(store);
        assert!(open(&disk).verify(&|_| ()).is_empty(), "call {at}");
    }
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let disk = MemoryDisk::default();
    let fault = Fault { at: 4, lasting: Lasting::Once, kind: ErrorKind::StorageFull, write: Torn::Half };
    let store = Store::open(Arc::new(FaultyDisk::new(disk.clone(), fault)), Path::new(ROOT)).unwrap();
    // Calls: metadata, list, append (opens), append (writes).
    let error = store.put(b"first").unwrap_err().to_string();
    assert!(
        error.starts_with("cannot write `store/log/") && error.ends_with(".log`: no space left on device"),
        "{error}"
    );
    store.put(b"second").unwrap();
    store.finish().unwrap();
    let other = open(&disk);
    assert_eq!(other.get(hash("first")).unwrap().as_slice(), b"first");
    assert_eq!(other.get(hash("second")).unwrap().as_slice(), b"second");
}

#[test]
fn locks_keep_others_out_until_dropped() {
    on_both(|disk, root| {
        let path = root.join("lock");
        let take = |lock| disk.lock(&path, lock, Wait::Never).unwrap();
        let (one, two) = (take(Lock::Shared), take(Lock::Shared));
        assert!(one.is_some() && two.is_some() && take(Lock::Exclusive).is_none());
        drop(one);
        assert!(take(Lock::Exclusive).is_none());
        drop(two);
        let alone = take(Lock::Exclusive);
        assert!(alone.is_some() && take(Lock::Shared).is_none() && take(Lock::Existing).is_none());
        let absent = root.join("absent");
        assert!(disk.lock(&absent, Lock::Existing, Wait::Never).is_err() && disk.metadata(&absent).is_err());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| disk.lock(&path, Lock::Exclusive, Wait::UntilFree).unwrap().is_some());
            drop(alone);
            assert!(waiting.join().unwrap());
        });
    });
}

/// Run with `cargo test --release --lib store -- --ignored --nocapture`.
#[test]
#[ignore = "prints times, for a release build on an idle machine"]
fn times() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let store = Store::open(disk.clone(), folder.path()).unwrap();
    let start = std::time::Instant::now();
    for n in 0..50_000u32 {
        store.record(Hash::of(&n.to_le_bytes()), &[hash("a"), hash("b")]).unwrap();
    }
    store.finish().unwrap();
    eprintln!("record 50,000 traces: {:?}", start.elapsed());
    drop(store);
    for _ in 0..5 {
        let start = std::time::Instant::now();
        let store = Store::open(disk.clone(), folder.path()).unwrap();
        store.trace(hash("x"));
        let loaded = start.elapsed();
        (0..50_000u32).for_each(|n| assert!(store.trace(Hash::of(&n.to_le_bytes())).is_some()));
        eprintln!("load 50,000 traces: {loaded:?}, look them up: {:?}", start.elapsed() - loaded);
    }
    let path = folder.path().join("stat");
    let cache = StatCache::load(disk.clone(), &path);
    let settled = FileStat { size: 1, mtime_ns: 1, ctime_ns: 1, inode: 1, device: 1 };
    (0..100_000)
        .for_each(|n| cache.set(&format!("data/folder/part-{n:06}.jsonl"), settled, hash("a"), SystemTime::now()));
    cache.save().unwrap();
    for _ in 0..3 {
        let start = std::time::Instant::now();
        let cache = StatCache::load(disk.clone(), &path);
        eprintln!("load 100,000 stats: {:?}", start.elapsed());
        assert!(cache.get("data/folder/part-000007.jsonl", &settled).is_some());
    }
}

#[test]
fn builds_hold_a_store_together_and_gc_claims_it_alone() {
    on_both(|disk, root| {
        let open = || Store::open(disk.clone(), root).unwrap();
        let builds = [open().hold(|| panic!("nobody is there")), open().hold(|| panic!("builds share it"))];
        assert!(builds.iter().all(Option::is_some) && open().claim().unwrap().is_none());
        drop(builds);
        let alone = open().claim().unwrap();
        assert!(alone.is_some() && open().claim().unwrap().is_none());
        let (waits, waited) = std::sync::mpsc::channel();
        let build = std::thread::spawn({
            let store = open();
            move || store.hold(|| waits.send(()).unwrap()).is_some()
        });
        waited.recv().unwrap();
        drop(alone);
        assert!(build.join().unwrap());
    });
}
