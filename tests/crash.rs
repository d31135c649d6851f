//! A disk that fails at any moment: the store stays sound, and the next build gives the same tables.

mod common;

use common::{Results, Sandbox, build, results};
use datamake::store::{Fault, FaultyDisk, Lasting, MemoryDisk, Torn};
use std::io::ErrorKind;
use std::sync::Arc;

const PROJECT: &str = r#"
[dataset.rows]
files = "rows.jsonl"

[dataset.kept]
from = "rows"
steps = [
  { where = "n > 2" },
  { columns = { twice = "n * 2" } },
  { dedup = { by = "text" } },
  { split = { parts = { train = 0.8, test = 0.2 } } },
]

[metric.mean]
on = ["kept.train", "kept.test"]
value = "avg(twice)"
"#;

/// Every way in which a disk fails here.
const FAULTS: [(Lasting, Torn, ErrorKind); 5] = [
    (Lasting::Forever, Torn::Half, ErrorKind::Other),
    (Lasting::Once, Torn::Nothing, ErrorKind::StorageFull),
    (Lasting::Forever, Torn::Nothing, ErrorKind::StorageFull),
    (Lasting::Once, Torn::Nothing, ErrorKind::UnexpectedEof),
    (Lasting::Once, Torn::Half, ErrorKind::Other),
];

fn write(sandbox: &Sandbox, n: usize) {
    sandbox.write("datamake.toml", PROJECT);
    let rows: String = (0..n).map(|i| format!("{{\"n\": {}, \"text\": \"text {}\"}}\n", i % 9, i % 13)).collect();
    sandbox.write("rows.jsonl", rows);
}

/// Builds on a disk that fails at its `k`-th call; then builds again on the disk as it was left.
///
/// Returns whether the fault came.
fn fail_at(k: u64, lasting: Lasting, torn: Torn, kind: ErrorKind, expect: &Results) -> bool {
    let sandbox = Sandbox::new();
    write(&sandbox, 40);
    let disk = MemoryDisk::default();
    let faulty = Arc::new(FaultyDisk::new(disk.clone(), Fault { at: k, lasting, kind, write: torn }));
    if let Ok(project) = sandbox.project_in(faulty.clone()) {
        let _ = build(&project, &[], Some(1));
    }
    let came = faulty.calls() >= k;
    let project = sandbox.project_in(Arc::new(disk)).expect("the store opens");
    let built = build(&project, &[], Some(1)).expect("the next build is fine");
    common::fine(&built);
    assert_eq!(results(&project), *expect, "after a fault in call {k}");
    // A power cut can leave half a blob under its name, which no build has read since: it is named and made again.
    let problems = project.store().verify(&|_| ());
    assert!(problems.is_empty() || torn == Torn::Half, "after a fault in call {k}: {problems:?}");
    project.store().repair(&problems).expect("what is damaged can be removed");
    common::fine(&build(&project, &[], Some(1)).expect("what was removed is made again"));
    assert_eq!(results(&project), *expect, "after repair of a fault in call {k}");
    assert!(project.store().verify(&|_| ()).is_empty(), "the store is sound after a fault in call {k}");
    came
}

#[test]
fn after_a_fault_in_any_call_to_the_disk_the_next_build_gives_the_same_tables() {
    let sandbox = Sandbox::new();
    write(&sandbox, 40);
    let expect = sandbox.clean();
    for (lasting, torn, kind) in FAULTS {
        let mut k = 1;
        while fail_at(k, lasting, torn, kind, &expect) {
            k += 1;
        }
        assert!(k > 10, "a build calls the disk often");
    }
}
