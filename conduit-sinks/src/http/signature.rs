//! Signatures by Standard Webhooks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use standardwebhooks::Webhook;

use crate::{ConfigFault, Secret};

/// What a secret may begin with.
const PREFIX: &str = "whsec_";

/// How many bytes a key may have, as Standard Webhooks says.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// How many secrets there may be: a new one, and the old one while receivers change over.
const MAX_SECRETS: usize = 2;

/// Signs requests with one key, or two while one replaces the other.
pub(super) struct Signer {
    keys: Vec<Webhook>,
}

impl Signer {
    /// Reads the secrets. `None` if there are none.
    pub(super) fn new(secrets: &[Secret]) -> Result<Option<Self>, Vec<ConfigFault>> {
        if secrets.len() > MAX_SECRETS {
            let message = "can be one secret, or two while one replaces the other";
            return Err(vec![ConfigFault::new("signing_secret", message)]);
        }
        let field = |index| match (secrets.len(), index) {
            (1, _) => "signing_secret",
            (_, 0) => "signing_secret[0]",
            _ => "signing_secret[1]",
        };
        let mut keys = Vec::with_capacity(secrets.len());
        let mut faults = Vec::new();
        for (index, secret) in secrets.iter().enumerate() {
            match key(secret) {
                Ok(key) => keys.push(key),
                Err(message) => faults.push(ConfigFault::new(field(index), message)),
            }
        }
        match (faults.is_empty(), keys.is_empty()) {
            (false, _) => Err(faults),
            (true, true) => Ok(None),
            (true, false) => Ok(Some(Self { keys })),
        }
    }

    /// Makes the header's value: a signature by each key over id, timestamp (seconds) and body, with a space in between.
    /// `None` if the body is not text, which cannot be signed.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<HeaderValue> {
        let signatures: Result<Vec<String>, _> = self
            .keys
            .iter()
            .map(|key| key.sign(id, timestamp, body))
            .collect();
        HeaderValue::try_from(signatures.ok()?.join(" ")).ok()
    }
}

fn key(secret: &Secret) -> Result<Webhook, String> {
    let text = secret.reveal();
    let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
    let key = STANDARD.decode(encoded).map_err(|_| {
        "must be whsec_ and the key in base64, padding included; the prefix may be left out".to_owned()
    })?;
    let (least, most) = (KEY_BYTES.start(), KEY_BYTES.end());
    if !KEY_BYTES.contains(&key.len()) {
        let count = key.len();
        return Err(format!(
            "must be a key of {least} to {most} bytes in base64; it has {count}"
        ));
    }
    Webhook::from_bytes(key).map_err(|_| "cannot be used as a key".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn a_known_signature_is_made() {
        let signer = Signer::new(&[Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")])
            .ok()
            .flatten()
            .unwrap();
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let signature = signer.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body);
        assert_eq!(
            signature.unwrap(),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
    }

    fn fields(secrets: &[&str]) -> Vec<&'static str> {
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
        let faults = Signer::new(&secrets).err().unwrap_or_default();
        for fault in &faults {
            let shown = secrets
                .iter()
                .any(|secret| fault.message.contains(secret.reveal()));
            assert!(!shown, "{fault}");
        }
        faults.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_fault_names_the_secret_by_its_place() {
        let good = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        assert_eq!(fields(&[]), [""; 0]);
        assert_eq!(fields(&[good]), [""; 0]);
        assert_eq!(fields(&[&good[6..]]), [""; 0]);
        assert_eq!(fields(&[good, good]), [""; 0]);
        for bad in [
            "not base64!",
            "whsec_c2hvcnQ=",
            "whsec_C2FVsBQIhrscChlQIMV-b5sSYspob7oD",
        ] {
            assert_eq!(fields(&[bad]), ["signing_secret"], "{bad}");
            assert_eq!(fields(&[good, bad]), ["signing_secret[1]"], "{bad}");
            assert_eq!(
                fields(&[bad, bad]),
                ["signing_secret[0]", "signing_secret[1]"],
                "{bad}"
            );
        }
        assert_eq!(fields(&[good, good, good]), ["signing_secret"]);
        let long = STANDARD.encode([7; 65]);
        assert_eq!(fields(&[&long]), ["signing_secret"]);
    }
}
