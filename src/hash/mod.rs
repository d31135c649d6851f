//! Content hashes, and the one walk that writes a key and its words.

use std::fmt;
use std::str::FromStr;

/// The BLAKE3 hash of some contents: 32 bytes, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

/// The hash of everything that an action depends on.
pub type Key = Hash;

impl Hash {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(*blake3::hash(bytes).as_bytes())
    }

    /// Hashes pieces that follow each other.
    pub fn of_pieces(pieces: &[impl AsRef<[u8]>]) -> Hash {
        let mut hasher = blake3::Hasher::new();
        pieces.iter().for_each(|piece| _ = hasher.update(piece.as_ref()));
        Hash(*hasher.finalize().as_bytes())
    }

    /// Wraps the 32 bytes of a hash that was computed elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Hash {
        Hash(bytes)
    }

    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the first 8 bytes as a little-endian number, for cutting and sampling.
    pub fn head(&self) -> u64 {
        u64::from_le_bytes(self.0[..8].try_into().expect("a hash has 32 bytes"))
    }

    /// Returns the first 12 hexadecimal digits, enough to show to a person.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_string()
    }
}

/// The finaliser of splitmix64 (Steele, Lea and Flood 2014): every input bit moves every output bit.
#[inline]
pub fn mix64(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        text.parse().map_err(|_| serde::de::Error::custom("not a hash"))
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAHash;

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Hash, NotAHash> {
        if text.len() != 64 || !text.is_ascii() {
            return Err(NotAHash);
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| NotAHash)?;
        }
        Ok(Hash(bytes))
    }
}

/// Writes the named fields of a key, in order, unambiguously.
///
/// Every field is framed by its lengths, so two different lists of fields never hash alike.
pub struct KeyWriter {
    hasher: blake3::Hasher,
}

impl KeyWriter {
    /// Begins the key of an action of `op`; `version` is raised when the op's results change.
    pub fn new(op: &str, version: u32) -> KeyWriter {
        let mut key = KeyWriter { hasher: blake3::Hasher::new() };
        key.bytes(op, &version.to_le_bytes());
        key
    }

    fn bytes(&mut self, name: &str, value: &[u8]) {
        self.hasher.update(&(name.len() as u64).to_le_bytes());
        self.hasher.update(name.as_bytes());
        self.hasher.update(&(value.len() as u64).to_le_bytes());
        self.hasher.update(value);
    }

    /// Adds a text.
    pub fn text(&mut self, name: &str, value: &str) -> &mut KeyWriter {
        self.bytes(name, value.as_bytes());
        self
    }

    /// Adds a number.
    pub fn int(&mut self, name: &str, value: i64) -> &mut KeyWriter {
        self.bytes(name, &value.to_le_bytes());
        self
    }

    /// Adds a floating-point number, by its bits.
    pub fn float(&mut self, name: &str, value: f64) -> &mut KeyWriter {
        self.bytes(name, &value.to_bits().to_le_bytes());
        self
    }

    /// Adds a hash.
    pub fn hash(&mut self, name: &str, value: Hash) -> &mut KeyWriter {
        self.bytes(name, value.as_bytes());
        self
    }

    /// Adds a hash that may be absent; absent differs from every hash.
    pub fn maybe(&mut self, name: &str, value: Option<Hash>) -> &mut KeyWriter {
        match value {
            Some(hash) => self.hash(name, hash),
            None => self.text(name, ""),
        }
    }

    /// Returns the key of all fields written.
    pub fn finish(&self) -> Key {
        Hash(*self.hasher.finalize().as_bytes())
    }
}

/// A definition in words: field path → value, both as a person would read them.
///
/// One walk over a node fills it. The node key is its hash and `why` prints the difference of two of
/// them, so the key and its explanation cannot disagree.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Words(pub std::collections::BTreeMap<String, String>);

impl Words {
    /// Sets the field at `path`.
    pub fn set(&mut self, path: impl Into<String>, value: impl Into<String>) {
        self.0.insert(path.into(), value.into());
    }

    /// Returns the key of the definition as a whole.
    pub fn key(&self, op: &str, version: u32) -> Key {
        let mut key = KeyWriter::new(op, version);
        for (path, value) in &self.0 {
            key.text(path, value);
        }
        key.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_reads_back_from_its_text() {
        let hash = Hash::of(b"datamake");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("xyz".parse::<Hash>(), Err(NotAHash));
    }

    #[test]
    fn the_bytes_of_a_key_never_change() {
        let key = KeyWriter::new("op", 1).text("a", "b").int("n", -1).finish();
        assert_eq!(key.short(), "33ad979c6605");
    }

    #[test]
    fn moving_a_character_between_fields_gives_another_key() {
        let one = KeyWriter::new("op", 1).text("a", "bc").finish();
        let two = KeyWriter::new("op", 1).text("ab", "c").finish();
        assert_ne!(one, two);
    }
}
