//! The body of an answer: read to its end, so that the connection can be used again, and quoted in messages.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time;

use crate::quote::quote;
use crate::secret::{Extent, Secret};

/// Most bytes that are read; beyond it the connection is dropped.
const MAX_READ: usize = 64 * 1024;

/// Most bytes that are kept for a message.
const MAX_KEPT: usize = 4 * 1024;

/// Reads `body` to its end, but at most 64 KiB and `patience` long, and returns its beginning.
pub(super) async fn read(mut body: Incoming, patience: Duration) -> BodyStart {
    let mut start = BodyStart {
        bytes: Vec::new(),
        extent: Extent::Beginning,
    };
    let mut count = 0;
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return };
            let Some(data) = frame.data_ref() else { continue };
            count += data.len();
            let room = MAX_KEPT - start.bytes.len();
            start.bytes.extend_from_slice(&data[..data.len().min(room)]);
            if count > MAX_READ {
                return;
            }
        }
        if count <= MAX_KEPT {
            start.extent = Extent::Whole;
        }
    };
    // What comes too late is not missed: the status is known.
    let _ = time::timeout(patience, reading).await;
    start
}

/// The beginning of a body.
pub(crate) struct BodyStart {
    bytes: Vec<u8>,
    extent: Extent,
}

impl BodyStart {
    /// Takes the beginning of a body that was read whole.
    #[cfg(feature = "meilisearch")]
    pub(crate) fn of(body: &[u8]) -> Self {
        let is_whole = body.len() <= MAX_KEPT;
        Self {
            bytes: body[..body.len().min(MAX_KEPT)].to_vec(),
            extent: if is_whole {
                Extent::Whole
            } else {
                Extent::Beginning
            },
        }
    }

    /// Returns at most 200 characters of the body in one line, without the credential that the request had.
    pub(crate) fn quote(&self, credential: Option<&Secret>) -> String {
        quote(&String::from_utf8_lossy(&self.bytes), credential, self.extent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str, extent: Extent) -> BodyStart {
        BodyStart {
            bytes: text.as_bytes().to_vec(),
            extent,
        }
    }

    #[test]
    fn a_quote_is_one_line_without_control_characters() {
        let text = " a\r\n\tb\u{1b}[31m\u{202e}c\0 ";
        assert_eq!(body(text, Extent::Whole).quote(None), "a b [31m c");
        assert_eq!(body("", Extent::Whole).quote(None), "");
    }

    #[test]
    fn a_quote_has_at_most_200_characters() {
        assert_eq!(body(&"ä".repeat(200), Extent::Whole).quote(None), "ä".repeat(200));
        assert_eq!(
            body(&"ä".repeat(201), Extent::Whole).quote(None),
            format!("{}…", "ä".repeat(200))
        );
    }

    #[test]
    fn a_quote_never_holds_the_credential_nor_a_part_of_it() {
        let token = Secret::new("token-1234567890");
        // Masking makes the text shorter, so that the cut comes into sight.
        let text = format!("{}token-12345", "token-1234567890".repeat(10));
        let quote = body(&text, Extent::Beginning).quote(Some(&token));
        assert_eq!(quote, "*".repeat(88));
    }
}
