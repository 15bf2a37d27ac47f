//! The key that decides which records must stay in order.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// The hash of a document's key: records with the same key are delivered in the order of their changes.
///
/// 128 bits of XXH3 over the key's canonical bytes. It is stored with waiting records, so the way it is made
/// never changes between versions. Two documents that collide would wait for each other; nothing is lost.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey(u128);

impl RecordKey {
    /// Takes over a hash made by [`KeyHasher`].
    #[must_use]
    pub const fn from_u128(hash: u128) -> Self {
        Self(hash)
    }

    /// Hashes canonical key bytes.
    #[must_use]
    pub fn of(canonical: &[u8]) -> Self {
        Self(xxh3_128(canonical))
    }

    /// Returns the hash.
    #[must_use]
    pub const fn to_u128(self) -> u128 {
        self.0
    }

    /// Returns which of `lanes` lanes this key belongs to.
    #[must_use]
    pub fn lane(self, lanes: usize) -> usize {
        let lanes = u128::try_from(lanes.max(1)).unwrap_or(1);
        usize::try_from((self.0 >> 64) % lanes).unwrap_or(0)
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for RecordKey {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for RecordKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Builds a [`RecordKey`] piece by piece.
#[derive(Clone, Default)]
pub struct KeyHasher(Xxh3);

impl KeyHasher {
    /// Adds canonical bytes of the key.
    pub fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the key.
    #[must_use]
    pub fn finish(&self) -> RecordKey {
        RecordKey(self.0.digest128())
    }
}

impl fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHasher")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_key_never_changes_between_versions() {
        assert_eq!(
            RecordKey::of(b"conduit").to_string(),
            "93de47f9fd8c294848b0a87a2710beac"
        );
    }

    #[test]
    fn a_key_is_the_same_in_one_piece_and_in_several() {
        let bytes: Vec<u8> = (0..=255).cycle().take(2000).collect();
        for length in [0, 1, 16, 17, 128, 129, 240, 241, 1024, 2000] {
            let mut hasher = KeyHasher::default();
            for piece in bytes[..length].chunks(13) {
                hasher.write(piece);
            }
            assert_eq!(hasher.finish(), RecordKey::of(&bytes[..length]), "{length}");
        }
    }

    #[test]
    fn text_reads_back_as_the_same_key() {
        let key = RecordKey::of(b"a");
        assert_eq!(key.to_string().parse::<RecordKey>().unwrap(), key);
    }

    #[test]
    fn a_lane_is_always_within_the_number_of_lanes() {
        for lanes in 1..70 {
            assert!(RecordKey::of(&[u8::try_from(lanes).unwrap()]).lane(lanes) < lanes);
        }
    }
}
