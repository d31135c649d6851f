//! The stat cache: what a file's contents hashed to when it looked as it does now. A hint, lost without harm.

use super::check::check;
use super::disk::Disk;
use super::error::StoreError;
use super::sync::{read, write};
use crate::hash::Hash;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::SystemTime;

const MAGIC: &[u8; 8] = b"dmstat\0\x01";

/// How much older than the hashing a file must be: the system's clock for files ticks every 4 to 10 ms …
const FINE: i64 = 50_000_000;

/// … or every second or two, where times have no digits below a second.
const COARSE: i64 = 2_000_000_000;

const SECOND: i64 = 1_000_000_000;

/// What the operating system says of a file. Times are nanoseconds since 1970.
///
/// The time of change (ctime) is set by the system alone, so it tells an edit that kept size, inode and mtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileStat {
    pub size: u64,
    pub mtime_ns: i64,
    pub ctime_ns: i64,
    pub inode: u64,
    pub device: u64,
}

/// Asks the operating system about a file, following links.
pub fn stat(path: &Path) -> io::Result<FileStat> {
    Ok(FileStat::from(&fs::metadata(path)?))
}

impl From<&fs::Metadata> for FileStat {
    #[cfg(unix)]
    fn from(metadata: &fs::Metadata) -> FileStat {
        use std::os::unix::fs::MetadataExt;
        let time = |seconds: i64, nanos: i64| seconds.saturating_mul(SECOND).saturating_add(nanos);
        FileStat {
            size: metadata.size(),
            mtime_ns: time(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: time(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }

    /// Without a time of change nothing can be trusted: it lies in the future for ever.
    #[cfg(not(unix))]
    fn from(metadata: &fs::Metadata) -> FileStat {
        FileStat {
            size: metadata.len(),
            mtime_ns: metadata.modified().map_or(i64::MAX, nanos),
            ctime_ns: i64::MAX,
            inode: 0,
            device: 0,
        }
    }
}

fn nanos(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(i64::MIN, |since| since.as_nanos().try_into().unwrap_or(i64::MAX))
}

impl FileStat {
    /// Returns whether the file was last changed well before `moment`, so that no later change can look the same.
    pub fn settled_at(&self, moment: SystemTime) -> bool {
        // Only the system sets ctime, so its digits tell how fine the file system's clock is.
        let margin = if self.ctime_ns % SECOND != 0 { FINE } else { COARSE };
        self.mtime_ns.max(self.ctime_ns) < nanos(moment).saturating_sub(margin)
    }
}

/// Paths, as the caller names them, and what they hashed to.
#[derive(Debug)]
pub struct StatCache {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    entries: RwLock<HashMap<String, (FileStat, Hash)>>,
    changed: AtomicBool,
}

impl StatCache {
    /// Loads the cache kept at `path`; one that is absent or damaged is empty.
    pub fn load(disk: Arc<dyn Disk>, path: &Path) -> StatCache {
        let entries = disk.read(path, 0).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default();
        StatCache { disk, path: path.to_owned(), entries: RwLock::new(entries), changed: AtomicBool::new(false) }
    }

    /// Returns what the file's contents hash to, if it looks exactly as it did when it was hashed.
    pub fn get(&self, path: &str, now: &FileStat) -> Option<Hash> {
        read(&self.entries).get(path).filter(|(then, _)| then == now).map(|(_, hash)| *hash)
    }

    /// Returns what a file looked like when it was hashed, if that is remembered.
    pub fn stat(&self, path: &str) -> Option<FileStat> {
        read(&self.entries).get(path).map(|(stat, _)| *stat)
    }

    /// Remembers a file that was hashed: `stat` was taken before, and again after with the same result; hashing began at
    /// `checked_at`. A file changed too near that moment is not remembered: it may change again and look the same.
    pub fn set(&self, path: &str, stat: FileStat, hash: Hash, checked_at: SystemTime) {
        let mut entries = write(&self.entries);
        let changed = if stat.settled_at(checked_at) {
            entries.insert(path.to_owned(), (stat, hash)) != Some((stat, hash))
        } else {
            entries.remove(path).is_some()
        };
        if changed {
            self.changed.store(true, Ordering::Release);
        }
    }

    /// Writes the cache, if anything changed.
    pub fn save(&self) -> Result<(), StoreError> {
        if !self.changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let bytes = encode(&read(&self.entries));
        self.disk.write_new(&self.path, &[&bytes]).map_err(|error| {
            self.changed.store(true, Ordering::Release);
            StoreError::io("write", &self.path, error)
        })
    }
}

fn encode(entries: &HashMap<String, (FileStat, Hash)>) -> Vec<u8> {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|(path, _)| *path);
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&(sorted.len() as u64).to_le_bytes());
    for (path, (stat, hash)) in sorted {
        out.extend_from_slice(&(path.len() as u64).to_le_bytes());
        let numbers = [stat.size, stat.mtime_ns as u64, stat.ctime_ns as u64, stat.inode, stat.device];
        numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
        out.extend_from_slice(hash.as_bytes());
        out.extend_from_slice(path.as_bytes());
    }
    let sum = check(0, &out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<HashMap<String, (FileStat, Hash)>> {
    let (body, sum) = bytes.split_last_chunk::<8>()?;
    let mut rest = body.strip_prefix(MAGIC)?;
    if check(0, body) != u64::from_le_bytes(*sum) {
        return None;
    }
    let number = |rest: &mut &[u8]| {
        let (bytes, after) = rest.split_first_chunk::<8>()?;
        *rest = after;
        Some(u64::from_le_bytes(*bytes))
    };
    let count = number(&mut rest)?;
    let mut entries = HashMap::with_capacity(usize::try_from(count).ok()?.min(bytes.len() / 80));
    for _ in 0..count {
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let stat = FileStat {
            size: number(&mut rest)?,
            mtime_ns: number(&mut rest)? as i64,
            ctime_ns: number(&mut rest)? as i64,
            inode: number(&mut rest)?,
            device: number(&mut rest)?,
        };
        let (hash, after) = rest.split_first_chunk::<32>()?;
        let (path, after) = after.split_at_checked(length)?;
        rest = after;
        entries.insert(str::from_utf8(path).ok()?.to_owned(), (stat, Hash::from_bytes(*hash)));
    }
    rest.is_empty().then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryDisk;
    use std::time::Duration;

    const NOW: i64 = 1_700_000_000 * SECOND;

    fn at(nanos: i64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos as u64)
    }

    fn file(mtime_ns: i64, ctime_ns: i64) -> FileStat {
        FileStat { size: 9, mtime_ns, ctime_ns, inode: 4, device: 2 }
    }

    fn cache() -> StatCache {
        StatCache::load(Arc::new(MemoryDisk::default()), Path::new("stat"))
    }

    /// Whether a file with these times, hashed at `NOW`, is trusted afterwards.
    fn check_trust(mtime_ns: i64, ctime_ns: i64, expect: bool) {
        let (cache, stat) = (cache(), file(mtime_ns, ctime_ns));
        cache.set("a", stat, Hash::of(b"a"), at(NOW));
        assert_eq!(cache.get("a", &stat).is_some(), expect);
    }

    #[test]
    fn a_file_changed_just_before_it_was_hashed_is_not_trusted() {
        check_trust(NOW - SECOND, NOW - SECOND + 1, true);
        check_trust(NOW - FINE - 1, NOW - FINE - 1, true);
        check_trust(NOW - FINE + 1, NOW - FINE - 1, false);
        check_trust(NOW - FINE - 1, NOW - FINE + 1, false);
        check_trust(NOW + 1, NOW - SECOND - 1, false);
    }

    #[test]
    fn whole_seconds_need_a_wider_margin() {
        check_trust(NOW - SECOND, NOW - SECOND, false);
        check_trust(NOW - 3 * SECOND, NOW - 3 * SECOND, true);
        // An mtime set by hand does not make the clock coarse.
        check_trust(NOW - 3 * SECOND, NOW - SECOND + 7, true);
    }

    #[test]
    fn any_difference_is_a_change() {
        let (cache, stat) = (cache(), file(NOW - SECOND - 1, NOW - SECOND - 1));
        cache.set("a", stat, Hash::of(b"a"), at(NOW));
        assert_eq!(cache.get("a", &stat), Some(Hash::of(b"a")));
        assert_eq!(cache.get("b", &stat), None);
        for other in [
            FileStat { size: 8, ..stat },
            FileStat { mtime_ns: 1, ..stat },
            FileStat { ctime_ns: 1, ..stat },
            FileStat { inode: 1, ..stat },
            FileStat { device: 1, ..stat },
        ] {
            assert_eq!(cache.get("a", &other), None);
        }
    }

    #[test]
    fn a_racy_file_takes_the_place_of_what_was_known() {
        let (cache, old) = (cache(), file(1, 1));
        cache.set("a", old, Hash::of(b"a"), at(NOW));
        cache.set("a", file(NOW, NOW), Hash::of(b"b"), at(NOW));
        assert_eq!(cache.get("a", &old), None);
    }

    #[test]
    fn a_saved_cache_loads_and_a_damaged_one_is_empty() {
        let disk = MemoryDisk::default();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let path = Path::new("stat");
        let cache = StatCache::load(shared.clone(), path);
        cache.save().unwrap();
        assert!(disk.metadata(path).is_err(), "nothing changed, so nothing is written");
        let names = ["a", "data/ü.jsonl", ""];
        names.iter().for_each(|name| cache.set(name, file(1, 1), Hash::of(name.as_bytes()), at(NOW)));
        cache.save().unwrap();
        let loaded = StatCache::load(shared.clone(), path);
        names.iter().for_each(|name| assert_eq!(loaded.get(name, &file(1, 1)), Some(Hash::of(name.as_bytes()))));
        let bytes = disk.read(path, 0).unwrap();
        for i in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[i] ^= 1;
            disk.write_new(path, &[&damaged]).unwrap();
            assert!(StatCache::load(shared.clone(), path).entries.into_inner().unwrap().is_empty(), "byte {i}");
            disk.write_new(path, &[&bytes[..i]]).unwrap();
            assert!(StatCache::load(shared.clone(), path).entries.into_inner().unwrap().is_empty(), "length {i}");
        }
    }

    #[test]
    fn the_same_file_has_the_same_stat_until_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "one").unwrap();
        let one = stat(&path).unwrap();
        assert_eq!(stat(&path).unwrap(), one);
        std::thread::sleep(Duration::from_millis(20));
        // Same size, same inode, and the mtime put back: only ctime tells.
        fs::write(&path, "two").unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_nanos(one.mtime_ns as u64)).unwrap();
        let two = stat(&path).unwrap();
        assert_eq!((two.size, two.inode, two.mtime_ns), (one.size, one.inode, one.mtime_ns));
        assert_ne!(two.ctime_ns, one.ctime_ns);
    }
}
