//! The dashboard: one page and what it is made of, all from the binary.

use std::borrow::Cow;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::asset::{Asset, CSS, HTML, JAVASCRIPT, SVG};
use crate::api::auth::Tokens;
use crate::api::problem::Problem;

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

#[cfg(test)]
mod tests {
    use super::*;

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
