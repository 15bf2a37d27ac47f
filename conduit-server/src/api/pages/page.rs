//! HTML answers, with the headers that keep a page to itself.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use super::asset::HTML;

/// What a page may do: load and call this server, and nothing else. No script or style stands in the page itself.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// An HTML answer.
#[derive(Debug)]
pub(crate) struct Page {
    status: StatusCode,
    html: Cow<'static, str>,
    policy: Cow<'static, str>,
}

impl Page {
    /// A page whose scripts and styles are assets.
    pub(crate) fn new(html: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::OK,
            html: html.into(),
            policy: POLICY.into(),
        }
    }

    /// A page that loads nothing: its one style stands in it, between `<style>` and `</style>`, and is let through by its
    /// hash.
    pub(super) fn alone(html: impl Into<Cow<'static, str>>, style: &str) -> Self {
        let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        Self {
            policy: policy.into(),
            ..Self::new(html)
        }
    }

    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.html.into_owned()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(HTML));
        isolate(headers, &self.policy);
        response
    }
}

/// Keeps a page to itself: nobody frames it, looks at it, or learns from it where somebody came from.
pub(super) fn isolate(headers: &mut HeaderMap, policy: &str) {
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::X_FRAME_OPTIONS, "DENY");
    // Not `no-referrer`: then browsers send no origin with forms, by which a write from our own page is known.
    set(header::REFERRER_POLICY, "same-origin");
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// Writes a text so that it is text in HTML, between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
