//! Packing: blobs are written as they are, and those that stay are compressed when the store is tidied.

use super::Store;
use super::frame::{self, Opened, TRAILER};
use super::gc::BlobFile;
use crate::hash::Hash;
use rayon::prelude::*;

impl Store {
    /// Compresses the blobs that lie there plain and shrink by it; returns how many bytes that saves. Those that do not shrink are
    /// marked, and not tried again.
    ///
    /// A blob is replaced by a rename, so whoever reads it reads the one or the other. What cannot be read or written is left as it
    /// is: packing only saves room.
    pub fn pack(&self) -> u64 {
        let files = self.blob_files().unwrap_or_default();
        files.par_iter().filter_map(|file| self.pack_one(file)).sum()
    }

    fn pack_one(&self, file: &BlobFile) -> Option<u64> {
        let (hash, length) = (file.hash?, file.metadata.len);
        let end = self.disk.read_range(&file.path, length.checked_sub(TRAILER as u64)?, TRAILER).ok()?;
        if !frame::is_plain(&end, length) {
            return None;
        }
        let Opened::Contents(contents) = frame::open(&self.disk.read(&file.path, 0).ok()?) else { return None };
        // Damage is for whoever reads it to find, under the name that it has.
        if Hash::of(&contents) != hash {
            return None;
        }
        let (packed, trailer) = frame::pack(&contents);
        let saved = length.checked_sub((packed.len() + TRAILER) as u64)?;
        // It takes the place of the only copy.
        self.disk.write_durably(&file.path, &[&packed, &trailer]).ok()?;
        Some(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::Disk;
    use crate::store::{Fault, FaultyDisk, Lasting, MemoryDisk, Torn};
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn packing_makes_a_store_smaller_and_changes_no_blob() {
        let disk = Arc::new(MemoryDisk::default());
        let store = Store::open(disk.clone(), Path::new("/store")).expect("a store in memory opens");
        let noise: Vec<u8> = (0..500u32).flat_map(|i| *Hash::of(&i.to_le_bytes()).as_bytes()).collect();
        let contents = [b"again and ".repeat(1000), noise, b"small".to_vec()];
        let hashes = contents.clone().map(|contents| store.put(&contents).expect("memory has room"));
        let bytes = || store.blob_files().expect("it is there").iter().map(|file| file.metadata.len).sum::<u64>();
        let before = bytes();
        let saved = store.pack();
        assert!(saved > 9000 && bytes() == before - saved, "{saved}");
        assert_eq!(store.pack(), 0, "what is packed stays as it is, and so does noise");
        let reopened = Store::open(disk, Path::new("/store")).expect("a store in memory opens");
        for (hash, contents) in hashes.into_iter().zip(&contents) {
            assert_eq!(store.get(hash).expect("it was put").as_slice(), contents);
            if contents.len() > crate::store::SMALL {
                assert_eq!(reopened.get(hash).expect("it was put").as_slice(), contents);
            }
        }
    }

    #[test]
    fn what_was_packed_or_does_not_shrink_is_not_tried_again() {
        let never =
            Fault { at: u64::MAX, lasting: Lasting::Once, kind: std::io::ErrorKind::Other, write: Torn::Nothing };
        let disk = Arc::new(FaultyDisk::new(MemoryDisk::default(), never));
        let store = Store::open(disk.clone(), Path::new("/store")).expect("a store in memory opens");
        let noise: Vec<u8> = (0..500u32).flat_map(|i| *Hash::of(&i.to_le_bytes()).as_bytes()).collect();
        let contents = [b"again and ".repeat(1000), noise];
        let hashes = contents.clone().map(|contents| store.put(&contents).expect("memory has room"));
        let listing = || {
            let before = disk.calls();
            (store.blob_files().expect("it is there").len() as u64, disk.calls() - before)
        };
        store.pack();
        let (blobs, listed) = listing();
        let (before, bytes) =
            (disk.calls(), hashes.map(|hash| disk.read(&store.blob_path(&hash), 0).expect("it is there")));
        assert_eq!(store.pack(), 0);
        // The two reads of the test, and of each blob its trailer.
        assert_eq!(disk.calls() - before, 2 + listed + blobs, "nothing is read whole, and nothing written");
        let reopened = Store::open(disk.clone(), Path::new("/store")).expect("a store in memory opens");
        for ((hash, contents), bytes) in hashes.into_iter().zip(&contents).zip(bytes) {
            assert_eq!(reopened.get(hash).expect("it was put").as_slice(), contents);
            assert_eq!(disk.read(&store.blob_path(&hash), 0).expect("it is there"), bytes);
        }
    }

    #[test]
    fn a_damaged_blob_is_not_packed() {
        let disk = Arc::new(MemoryDisk::default());
        let store = Store::open(disk.clone(), Path::new("/store")).expect("a store in memory opens");
        let hash = store.put(&b"again and ".repeat(1000)).expect("memory has room");
        let path = store.blob_path(&hash);
        let mut file = store.disk.read(&path, 0).expect("it was put").to_vec();
        file[7] ^= 1;
        store.disk.write_new(&path, &[&file]).expect("memory has room");
        assert_eq!(store.pack(), 0);
        assert_eq!(store.disk.read(&path, 0).expect("it is there").as_slice(), file);
    }
}
