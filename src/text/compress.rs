//! How far a text can be packed: what repeats itself packs well.

/// Returns bytes of the text by bytes packed with deflate at level 6 in the format of zlib (RFC 1950); `None` for an empty text.
///
/// The measure of Shaib et al. 2024 ("Standardizing the Measurement of Text Diversity", arXiv:2403.00553), who pack with gzip, which adds
/// 12 bytes. Packed by `zlib-rs`; other implementations differ by some percent. A short text does not pack: below 1 is ordinary.
pub fn zlib_ratio(text: &str) -> Option<f64> {
    use std::io::Write;
    let mut packer = flate2::write::ZlibEncoder::new(Counted(0), flate2::Compression::new(6));
    packer.write_all(text.as_bytes()).expect("counting does not fail");
    let packed = packer.finish().expect("counting does not fail").0;
    ratio(text.len(), packed)
}

/// Does the same with Zstandard 1.5.7 at level 3 (RFC 8878).
pub fn zstd_ratio(text: &str) -> Option<f64> {
    let packed = zstd::bulk::compress(text.as_bytes(), 3).expect("a text in memory can be packed");
    ratio(text.len(), packed.len())
}

fn ratio(plain: usize, packed: usize) -> Option<f64> {
    (plain > 0).then(|| plain as f64 / packed as f64)
}

/// Counts what is written.
struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// A line of `tests/vectors/texts.jsonl`, which `tests/vectors/texts.py` wrote.
    #[derive(Deserialize)]
    struct Vector {
        text: String,
        zlib: usize,
        zstd: usize,
    }

    #[test]
    fn ratios_are_those_of_the_reference_implementations() {
        for line in include_str!("../../tests/vectors/texts.jsonl").lines() {
            let v: Vector = serde_json::from_str(line).expect("a vector");
            assert_eq!(zstd_ratio(&v.text), ratio(v.text.len(), v.zstd));
            match (zlib_ratio(&v.text), ratio(v.text.len(), v.zlib)) {
                (Some(own), _) => {
                    let packed = v.text.len() as f64 / own;
                    let apart = (packed - v.zlib as f64).abs();
                    assert!(apart < (v.zlib as f64 * 0.06).max(8.0), "{packed} bytes and not {}: {}", v.zlib, v.text);
                }
                (own, other) => assert_eq!(own, other),
            }
        }
    }

    #[test]
    fn what_repeats_itself_packs_better() {
        let text = "Owls hunt at night. Their ears hear a mouse under the snow. ";
        for ratio in [zlib_ratio, zstd_ratio] {
            assert!(ratio(&text.repeat(20)) > ratio(text));
            assert_eq!(ratio(""), None);
        }
    }
}
