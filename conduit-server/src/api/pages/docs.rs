//! The documentation of the API, to read.

use super::page::{Asset, Page};

/// The page.
pub(crate) async fn docs() -> Page {
    Page::new("<!doctype html>")
}

/// How it looks.
pub(crate) async fn docs_style() -> Asset {
    Asset {
        content_type: "text/css; charset=utf-8",
        content: b"",
    }
}
