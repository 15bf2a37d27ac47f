//! Encrypts destinations' secrets for `config.collections`.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

/// What a key is made of.
const KEY_BYTES: usize = 32;
/// How many keys there may be: the one in use, and the one before it.
const MAX_KEYS: usize = 2;
/// What every sealed secret begins with: the version of the form, ChaCha20-Poly1305 with a random nonce in front.
const FORM: &str = "1.";
/// How to make a key, for messages.
const HOW: &str = "must be a key of 32 random bytes in base64 or hex, or a text of at least 16 characters that nobody can \
                   guess; or two with a comma in between (the first encrypts, both decrypt): make one with \
                   `openssl rand -base64 32`";
/// The shortest text that a key is made of.
const SHORTEST_TEXT: usize = 16;

/// The keys of `CONDUIT_SECRET_KEY`: the first encrypts, all decrypt. None if the variable is not set.
///
/// A nonce is random; with 96 bits of it, a key is good for some four thousand million encryptions, of which each write of a
/// configuration makes one a secret.
#[derive(Clone, Default)]
pub(crate) struct SecretKeys(Arc<[LessSafeKey]>);

/// Where a secret belongs. It decrypts there and nowhere else, so that it cannot be moved to another destination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SecretPlace<'a> {
    pub(crate) collection: &'a str,
    pub(crate) destination: &'a str,
    /// The field, and the place within it: an index, a header's name.
    pub(crate) path: &'a [String],
}

/// A secret that was decrypted.
pub(crate) struct Opened {
    pub(crate) secret: String,
    /// Whether it was encrypted with the key that is in use.
    pub(crate) is_current: bool,
}

/// The operating system gives no random bytes, without which nothing can be encrypted.
#[derive(Debug)]
pub(crate) struct NoRandomness;

impl SecretKeys {
    /// Reads the value of `CONDUIT_SECRET_KEY`.
    ///
    /// # Errors
    /// What it must be, without what it is.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let keys: Option<Vec<LessSafeKey>> = text.split(',').map(|key| read_key(key.trim())).collect();
        match keys {
            Some(keys) if keys.len() <= MAX_KEYS => Ok(Self(keys.into())),
            _ => Err(HOW.to_owned()),
        }
    }

    /// Whether secrets are stored as they are, since there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Encrypts a secret; `None` without a key.
    pub(crate) fn seal(&self, secret: &str, place: SecretPlace<'_>) -> Result<Option<String>, NoRandomness> {
        let Some(key) = self.0.first() else {
            return Ok(None);
        };
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| NoRandomness)?;
        let mut contents = secret.as_bytes().to_vec();
        let aad = Aad::from(place.bytes());
        // Fails for contents of many gigabytes only; nothing is stored then.
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut contents)
            .map_err(|_| NoRandomness)?;
        let sealed = [&nonce[..], &contents].concat();
        Ok(Some(format!("{FORM}{}", STANDARD_NO_PAD.encode(sealed))))
    }

    /// Decrypts a secret; `None` if it was encrypted with another key or for another place, or was changed.
    pub(crate) fn open(&self, sealed: &str, place: SecretPlace<'_>) -> Option<Opened> {
        let sealed = STANDARD_NO_PAD.decode(sealed.strip_prefix(FORM)?).ok()?;
        let (nonce, contents) = sealed.split_first_chunk::<NONCE_LEN>()?;
        for (index, key) in self.0.iter().enumerate() {
            let mut contents = contents.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let opened = key.open_in_place(nonce, Aad::from(place.bytes()), &mut contents);
            if let Ok(secret) = opened {
                return Some(Opened {
                    secret: String::from_utf8(secret.to_vec()).ok()?,
                    is_current: index == 0,
                });
            }
        }
        None
    }
}

impl SecretPlace<'_> {
    /// No two places have the same bytes, whatever the names in it are.
    fn bytes(&self) -> Vec<u8> {
        let names = ["conduit secret", FORM, self.collection, self.destination];
        let names = names.into_iter().chain(self.path.iter().map(String::as_str));
        names
            .flat_map(|name| [&(name.len() as u64).to_be_bytes()[..], name.as_bytes()].concat())
            .collect()
    }
}

/// Says how many there are and nothing else.
impl fmt::Debug for SecretKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKeys({})", self.0.len())
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_current, .. } = self;
        f.debug_struct("Opened")
            .field("is_current", is_current)
            .finish_non_exhaustive()
    }
}

fn read_key(text: &str) -> Option<LessSafeKey> {
    let bytes = match written_key(text) {
        Some(bytes) => bytes,
        // Any other text is as good as it is hard to guess.
        None if text.len() >= SHORTEST_TEXT => digest(&SHA256, text.as_bytes()).as_ref().to_vec(),
        None => return None,
    };
    let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok()?;
    Some(LessSafeKey::new(key))
}

/// Reads the bytes of a key that is written as such.
fn written_key(text: &str) -> Option<Vec<u8>> {
    // Hex first: it is base64 of something else as well.
    let bytes = from_hex(text).or_else(|| {
        let text = text.trim_end_matches('=');
        let decoded = STANDARD_NO_PAD.decode(text);
        decoded.or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
    });
    bytes.filter(|bytes| bytes.len() == KEY_BYTES)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
#[path = "secret_keys_tests.rs"]
mod tests;
