//! Maps by key.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::RecordKey;

/// A map by the key of records, which is a hash already: looking something up costs no second one.
pub(crate) type KeyMap<V> = HashMap<RecordKey, V, BuildHasherDefault<KeyBits>>;

/// Takes half of a key's bits for its hash.
#[derive(Debug, Default)]
pub(crate) struct KeyBits(u64);

impl Hasher for KeyBits {
    fn write(&mut self, bytes: &[u8]) {
        // Not of a key's own: it writes one number.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        // Any 64 bits of the hash will do.
        self.0 = (key >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_again() {
        let keys = (0..1000_u32).map(|number| RecordKey::of(&number.to_be_bytes()));
        let map: KeyMap<usize> = keys.clone().enumerate().map(|(at, key)| (key, at)).collect();
        for (at, key) in keys.enumerate() {
            assert_eq!(map.get(&key), Some(&at));
        }
        assert_eq!(map.get(&RecordKey::of(b"another")), None);
    }
}
