//! The body of an answer: read to its end, so that the connection can be used again, and quoted in messages.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time;

use crate::quote::quote;
use crate::secret::{Extent, Secret};

/// Most bytes of a message that are looked at.
const MAX_LOOKED_AT: usize = 4 * 1024;

/// How much of a body is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Most bytes that are read; beyond it the connection is dropped.
    pub(super) read: usize,
    /// Most bytes that are kept.
    pub(super) kept: usize,
}

impl Wanted {
    /// Enough for a message.
    pub(super) const QUOTE: Self = Self {
        read: 64 * 1024,
        kept: MAX_LOOKED_AT,
    };

    /// All of it.
    pub(super) const fn whole(bytes: usize) -> Self {
        Self {
            read: bytes,
            kept: bytes,
        }
    }
}

/// Reads `body` to its end, but no more than is wanted and at most `patience` long.
pub(super) async fn read(mut body: Incoming, wanted: Wanted, patience: Duration) -> BodyStart {
    let mut bytes = Vec::new();
    if body.is_end_stream() {
        return BodyStart {
            bytes,
            end: End::Whole,
        };
    }
    let mut count = 0;
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return End::Broken };
            let Some(data) = frame.data_ref() else { continue };
            count += data.len();
            let room = wanted.kept - bytes.len();
            bytes.extend_from_slice(&data[..data.len().min(room)]);
            if count > wanted.read {
                return End::TooLong;
            }
        }
        if count > wanted.kept {
            End::TooLong
        } else {
            End::Whole
        }
    };
    let end = time::timeout(patience, reading).await.unwrap_or(End::Late);
    BodyStart { bytes, end }
}

/// The beginning of a body, or all of it.
pub(crate) struct BodyStart {
    bytes: Vec<u8>,
    end: End,
}

/// Why no more of a body was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// There is no more.
    Whole,
    /// More than was wanted.
    TooLong,
    /// The connection broke.
    Broken,
    /// It did not come in time.
    Late,
}

impl BodyStart {
    /// Returns the bytes, if they are all.
    pub(super) fn whole(&self) -> Result<&[u8], End> {
        match self.end {
            End::Whole => Ok(&self.bytes),
            end => Err(end),
        }
    }

    /// Takes the beginning of a body that was read whole.
    #[cfg(feature = "meilisearch")]
    pub(crate) fn of(body: &[u8]) -> Self {
        let is_whole = body.len() <= MAX_LOOKED_AT;
        Self {
            bytes: body[..body.len().min(MAX_LOOKED_AT)].to_vec(),
            end: if is_whole { End::Whole } else { End::TooLong },
        }
    }

    /// Returns at most 200 characters of the body in one line, without the credentials that the request had.
    pub(crate) fn quote<'a>(&self, credentials: impl IntoIterator<Item = &'a Secret>) -> String {
        let looked_at = self.bytes.len().min(MAX_LOOKED_AT);
        let extent = if self.end == End::Whole && looked_at == self.bytes.len() {
            Extent::Whole
        } else {
            Extent::Beginning
        };
        quote(
            &String::from_utf8_lossy(&self.bytes[..looked_at]),
            credentials,
            extent,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str, end: End) -> BodyStart {
        BodyStart {
            bytes: text.as_bytes().to_vec(),
            end,
        }
    }

    #[test]
    fn a_quote_is_one_line_without_control_characters() {
        let text = " a\r\n\tb\u{1b}[31m\u{202e}c\0 ";
        assert_eq!(body(text, End::Whole).quote(&[]), "a b [31m c");
        assert_eq!(body("", End::Whole).quote(&[]), "");
    }

    #[test]
    fn a_quote_has_at_most_200_characters() {
        assert_eq!(body(&"ä".repeat(200), End::Whole).quote(&[]), "ä".repeat(200));
        assert_eq!(
            body(&"ä".repeat(201), End::Whole).quote(&[]),
            format!("{}…", "ä".repeat(200))
        );
    }

    #[test]
    fn a_quote_never_holds_the_credential_nor_a_part_of_it() {
        let token = Secret::new("token-1234567890");
        // Masking makes the text shorter, so that the cut comes into sight.
        let text = format!("{}token-12345", "token-1234567890".repeat(10));
        let quote = body(&text, End::TooLong).quote(&[token]);
        assert_eq!(quote, "*".repeat(88));
    }
}
