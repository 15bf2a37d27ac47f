//! A file of a page, from the binary.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conduit_core::RecordKey;

use super::page;

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const CSS: &str = "text/css; charset=utf-8";
pub(super) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const SVG: &str = "image/svg+xml";

/// A page or a file that it loads.
#[derive(Clone)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) content: Cow<'static, str>,
}

impl Asset {
    pub(super) fn etag(&self) -> String {
        format!("\"{}\"", RecordKey::of(self.content.as_bytes()))
    }

    /// The content, or 304 if whoever asks has it.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let etag = self.etag();
        let known = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .any(|one| one.trim().trim_start_matches("W/") == etag);
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.content_type)], self.content.clone()).into_response()
        };
        let headers = response.headers_mut();
        if self.content_type == HTML {
            page::isolate(headers, page::POLICY);
        }
        // Asked for each time, and answered with 304 while it is the same: a page and its files are of one version.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(header::ETAG, etag);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_known_is_not_sent_again() {
        let asset = Asset {
            name: "a.css",
            content_type: CSS,
            content: Cow::Borrowed("a {}"),
        };
        let first = asset.answer(&HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let etag = first.headers()[header::ETAG].clone();
        for known in [
            etag.to_str().unwrap(),
            &format!("\"x\", W/{}", etag.to_str().unwrap()),
        ] {
            let request = HeaderMap::from_iter([(header::IF_NONE_MATCH, known.parse().unwrap())]);
            let again = asset.answer(&request);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(again.headers()[header::ETAG], etag);
        }
    }
}
