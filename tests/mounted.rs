//! File systems that are full, that fill up, and that may only be read: mounted for the purpose, and met by whole commands.
//!
//! Who may not mount (containers often may not) sees these laws pass unread; `tests/crash.rs` has them on a disk in memory.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

const PROJECT: &str = r#"
[params]
least = 3

[dataset.rows]
synth = { rows = 6_000, seed = 3, columns = { n = { integer = [0, 1_000_000] }, u = { uuid = true } } }

[dataset.kept]
from = "rows"
where = "n % 7 > ${params.least}"

[metric.mean]
on = "kept"
value = "avg(n)"

[export.kept]
from = "kept"
to = "out/kept.jsonl"
"#;

/// What every script begins with.
const PRELUDE: &str = r#"
set -u
# Mounts a file system of so many KiB on a new folder, and goes there.
roomy() { mkdir -p "$2" && mount -t tmpfs -o "size=$1k" none "$2" && cd "$2"; }
# Takes what room there is.
fill() { cat /dev/zero > filler 2>/dev/null; }
# Runs a command, and tells its exit code and what it said on stderr.
told() { "$DATAMAKE" "$@" >/dev/null 2>"$SCRATCH/err"; echo "$* => $?"; sed -E 's/[0-9a-f-]+\.log/LOG/; s/[0-9a-f]{16}\.jsonl/ID.jsonl/' "$SCRATCH/err"; }
"#;

/// Runs a script in a namespace in which file systems can be mounted; nothing where that is not allowed.
fn mounted(script: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("datamake.toml"), PROJECT).expect("files can be written");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &format!("{PRELUDE}{script}")]);
    command.env("DATAMAKE", env!("CARGO_BIN_EXE_datamake")).env("SCRATCH", folder.path()).env("NO_COLOR", "1");
    command.env_remove("DATAMAKE_STORE").current_dir(folder.path()).stdin(Stdio::null());
    let allowed = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"])
        .stderr(Stdio::null())
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        eprintln!("file systems cannot be mounted here");
        return None;
    }
    let output = command.output().expect("the shell starts");
    let told = String::from_utf8_lossy(&output.stdout).replace(&folder.path().display().to_string(), "DIR");
    assert!(output.stderr.is_empty(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    Some(told)
}

fn check(script: &str, expect: &str) {
    if let Some(told) = mounted(script) {
        assert!(told == expect, "{told}\nexpected:\n{expect}");
    }
}

#[test]
fn with_no_byte_free_all_that_only_looks_works_and_gc_makes_room() {
    check(
        r#"
        roomy 8192 disk; cp "$SCRATCH/datamake.toml" .
        told build
        sed -i 's/least = 3/least = 4/' datamake.toml
        told build
        fill
        for command in build plan log graph check verify gc; do told $command; done
        told build --json
        told show kept
        told show kept --dropped
        told why kept
        told diff last-1 last
        told plan --set params.least=5
        told build --set params.least=5
        told gc --keep 1 --yes
        told build
        rm filler
        told build --set params.least=5
        told verify
        "#,
        "build => 0\nbuild => 0\nbuild => 0\nplan => 0\nlog => 0\ngraph => 0\ncheck => 0\nverify => 0\ngc => 0\n\
         build --json => 0\nshow kept => 0\nshow kept --dropped => 0\nwhy kept => 0\ndiff last-1 last => 0\n\
         plan --set params.least=5 => 0\nbuild --set params.least=5 => 1\n\
         error[store]: cannot write `DIR/disk/.datamake/store/log/LOG`: no space left on device\n |\n = help: make room and run the same command again: what was done is kept; `datamake gc` tells what no build needs\n\
         gc --keep 1 --yes => 0\nbuild => 0\nbuild --set params.least=5 => 0\nverify => 0\n",
    );
}

#[test]
fn whenever_a_disk_fills_up_a_build_says_so_and_goes_on_when_there_is_room() {
    let told = mounted(
        r#"
        roomy 8192 whole; cp "$SCRATCH/datamake.toml" .; "$DATAMAKE" build -q || echo "not built"
        whole="$PWD"; failed=0
        for size in $(seq 16 12 400); do
            cd "$SCRATCH"; roomy "$size" "disk-$size"; cp "$SCRATCH/datamake.toml" .
            "$DATAMAKE" build -q 2>"$SCRATCH/err" && continue
            failed=$((failed + 1))
            grep -q "no space left on device" "$SCRATCH/err" || { echo "$size:"; cat "$SCRATCH/err"; }
            mount -o remount,size=8192k . 
            "$DATAMAKE" verify > "$SCRATCH/out" || { echo "$size:"; cat "$SCRATCH/out"; }
            "$DATAMAKE" build -q || echo "$size: not built"
            cmp datamake.lock "$whole/datamake.lock" && cmp out/kept.jsonl "$whole/out/kept.jsonl"
            "$DATAMAKE" verify > /dev/null || echo "$size: not sound"
        done
        [ "$failed" -gt 10 ] || echo "only $failed failed"
        "#,
    );
    assert_eq!(told.unwrap_or_default(), "");
}

#[test]
fn on_a_disk_that_may_only_be_read_what_is_fresh_is_built_and_what_is_stale_is_an_error() {
    check(
        r#"
        roomy 8192 disk; cp "$SCRATCH/datamake.toml" .
        told build
        sleep 0.1
        told build
        mount -o remount,ro .
        for command in build plan log graph check verify gc; do told $command; done
        told build --json
        told show kept
        told why kept
        told plan --set params.least=5
        told build --set params.least=5
        told gc --keep 1 --yes
        mount -o remount,rw .
        rm -r .datamake
        mount -o remount,ro .
        told plan
        told build
        "#,
        "build => 0\nbuild => 0\nbuild => 0\nplan => 0\nlog => 0\ngraph => 0\ncheck => 0\nverify => 0\ngc => 0\n\
         build --json => 0\nshow kept => 0\nwhy kept => 0\nplan --set params.least=5 => 0\n\
         build --set params.least=5 => 1\n\
         error[store]: cannot write `DIR/disk/.datamake/store/log/LOG`: read-only file system\n\
         gc --keep 1 --yes => 0\nplan => 0\nbuild => 1\n\
         error[unwritable]: cannot write DIR/disk/.datamake/lock: read-only file system\n",
    );
}

#[test]
fn a_store_that_may_only_be_read_serves_a_project_that_may_be_written() {
    check(
        r#"
        roomy 8192 disk; cd ..
        mkdir project; cp datamake.toml project; cd project
        export DATAMAKE_STORE="$SCRATCH/disk/store"
        told build
        mount -o remount,ro "$SCRATCH/disk"
        told build
        rm out/kept.jsonl
        # What is fresh is there; only the history of the builds has no place.
        told build
        told show kept
        told build mean
        cd ..; mkdir clone; cp datamake.toml clone; cd clone
        told plan
        told build
        grep -c n out/kept.jsonl
        "#,
        "build => 0\nbuild => 0\nbuild => 1\n\
         error[store]: cannot write `DIR/disk/store/history/ID.jsonl`: read-only file system\nshow kept => 0\n\
         build mean => 0\nplan => 0\nbuild => 1\n\
         error[store]: cannot write `DIR/disk/store/history/ID.jsonl`: read-only file system\n2591\n",
    );
}
