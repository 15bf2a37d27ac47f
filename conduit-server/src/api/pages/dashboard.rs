//! The dashboard: one page and what it is made of, all from the binary.

use std::borrow::Cow;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use conduit_core::RecordKey;

use crate::api::auth::Tokens;
use crate::api::problem::Problem;

/// What the page may do: run and show what this server sends, and talk to this server.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                                       img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: then browsers send no origin with forms, by which a write from our own page is known.
    (header::REFERRER_POLICY, "same-origin"),
    // Asked for each time, and answered with 304 while it is the same: a new version shows at once.
    (header::CACHE_CONTROL, "no-cache"),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the dashboard.
#[derive(Clone)]
struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: Cow<'static, str>,
}

macro_rules! assets {
    ($($name:literal: $content_type:expr,)*) => {
        &[$(Asset {
            name: $name,
            content_type: $content_type,
            content: Cow::Borrowed(include_str!(concat!("../../../dashboard/", $name))),
        },)*]
    };
}

const PAGE: Asset = Asset {
    name: "index.html",
    content_type: HTML,
    content: Cow::Borrowed(include_str!("../../../dashboard/index.html")),
};
/// The button that signs out, which is for those who had to sign in.
const NO_SIGN_OUT: &str = "id=\"sign-out\" hidden";
const SIGN_OUT: &str = "id=\"sign-out\"";

const ASSETS: &[Asset] = assets! {
    "actions.js": JAVASCRIPT,
    "announcer.js": JAVASCRIPT,
    "api.js": JAVASCRIPT,
    "app.js": JAVASCRIPT,
    "collection.js": JAVASCRIPT,
    "config_form.js": JAVASCRIPT,
    "config_page.js": JAVASCRIPT,
    "dead_letters.js": JAVASCRIPT,
    "destination_form.js": JAVASCRIPT,
    "destination_types.js": JAVASCRIPT,
    "destinations.js": JAVASCRIPT,
    "dialog.js": JAVASCRIPT,
    "dom.js": JAVASCRIPT,
    "event_stream.js": JAVASCRIPT,
    "fields.js": JAVASCRIPT,
    "filter_tester.js": JAVASCRIPT,
    "format.js": JAVASCRIPT,
    "forms.css": CSS,
    "icon.svg": SVG,
    "json.js": JAVASCRIPT,
    "layout.css": CSS,
    "lists.css": CSS,
    "notices.js": JAVASCRIPT,
    "overview.js": JAVASCRIPT,
    "record_view.js": JAVASCRIPT,
    "router.js": JAVASCRIPT,
    "rules.js": JAVASCRIPT,
    "secret_fields.js": JAVASCRIPT,
    "sparkline.js": JAVASCRIPT,
    "states.js": JAVASCRIPT,
    "status_feed.js": JAVASCRIPT,
    "tail.js": JAVASCRIPT,
    "tail_panel.js": JAVASCRIPT,
    "theme.css": CSS,
};

/// The page, and its files under `/assets`.
pub(crate) fn routes(tokens: &Tokens) -> Router {
    let page = page(tokens);
    let answer = move |headers: HeaderMap| std::future::ready(page.answer(&headers));
    Router::new()
        .route("/", get(answer))
        .route("/assets/{name}", get(asset))
}

fn page(tokens: &Tokens) -> Asset {
    if !tokens.are_required() {
        return PAGE;
    }
    Asset {
        content: PAGE.content.replace(NO_SIGN_OUT, SIGN_OUT).into(),
        ..PAGE
    }
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => asset.answer(&headers),
        None => Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such file").into_response(),
    }
}

impl Asset {
    fn etag(&self) -> String {
        format!("\"{}\"", RecordKey::of(self.content.as_bytes()))
    }

    /// The content, or 304 if whoever asks has it.
    fn answer(&self, request: &HeaderMap) -> Response {
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
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
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
        let first = PAGE.answer(&HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let etag = first.headers()[header::ETAG].clone();
        for known in [
            etag.to_str().unwrap(),
            &format!("\"x\", W/{}", etag.to_str().unwrap()),
        ] {
            let request = HeaderMap::from_iter([(header::IF_NONE_MATCH, known.parse().unwrap())]);
            let again = PAGE.answer(&request);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(again.headers()[header::ETAG], etag);
        }
    }

    #[test]
    fn only_who_signed_in_can_sign_out() {
        let open = page(&Tokens::default());
        assert!(open.content.contains(NO_SIGN_OUT));
        let signed_in = page(&Tokens::new(Some("admin"), None));
        assert!(signed_in.content.contains(SIGN_OUT) && !signed_in.content.contains(NO_SIGN_OUT));
        assert_ne!(open.etag(), signed_in.etag());
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/dashboard");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut served: Vec<&str> = ASSETS.iter().map(|asset| asset.name).collect();
        served.push(PAGE.name);
        there.sort_unstable();
        served.sort_unstable();
        assert_eq!(there, served);
    }

    #[test]
    fn nothing_in_the_page_needs_what_its_policy_refuses() {
        for asset in ASSETS.iter().chain([&PAGE]) {
            for refused in ["<script>", "style=\"", " onclick", "<style", "innerHTML", "eval("] {
                assert!(!asset.content.contains(refused), "{} has {refused}", asset.name);
            }
            // The namespace of SVG is a name, nobody asks there.
            let text = asset.content.replace("http://www.w3.org/2000/svg", "");
            for (at, _) in text.match_indices("://").chain(text.match_indices("src=\"//")) {
                let place = text
                    .get(at.saturating_sub(8)..(at + 24).min(text.len()))
                    .unwrap_or_default();
                assert!(
                    place.contains("example.com") || place.contains("example.org"),
                    "{}: {place}",
                    asset.name
                );
            }
        }
    }
}
