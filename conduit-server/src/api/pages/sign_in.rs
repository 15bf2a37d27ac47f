//! Sign-in: a token in exchange for a cookie.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conduit_core::{Clock, SystemClock};
use url::form_urlencoded;

use super::page::{Page, escape};
use crate::api::auth::Tokens;
use crate::api::session;

const STYLE: &str = include_str!("sign_in.css");
/// Where one can come from; nobody is sent anywhere else.
const PAGES: [&str; 2] = ["/", "/docs"];

/// Says why somebody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    NotSignedIn,
    WrongToken,
}

/// The answer to a browser that has no session, which came for `path`.
pub(crate) fn ask_to_sign_in(path: &str) -> Response {
    ask(path, Reason::NotSignedIn)
}

fn ask(path: &str, reason: Reason) -> Response {
    let path = escape(known_page(path));
    let said = match reason {
        Reason::NotSignedIn => "<p>This server asks for its API token.</p>",
        Reason::WrongToken => {
            "<p class=\"wrong\" role=\"alert\">That is not a token of this server. Tokens are what it was started with, in \
             CONDUIT_API_TOKEN or CONDUIT_API_READ_TOKEN.</p>"
        }
    };
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Sign in · Conduit</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Conduit</h1>\n{said}\n\
         <form method=\"post\" action=\"/sign-in\">\n<input type=\"hidden\" name=\"next\" value=\"{path}\">\n\
         <label for=\"token\">Token</label>\n\
         <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus>\n\
         <button type=\"submit\">Sign in</button>\n</form>\n</main>\n</body>\n</html>\n"
    );
    let page = Page::alone(html, STYLE).with_status(StatusCode::UNAUTHORIZED);
    let mut response = page.into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn known_page(path: &str) -> &'static str {
    PAGES.into_iter().find(|known| *known == path).unwrap_or("/")
}

/// Takes the token of the form and sets the cookie; a wrong one is asked for again.
pub(crate) async fn sign_in(State(tokens): State<Tokens>, headers: HeaderMap, body: Bytes) -> Response {
    let (mut token, mut next) = (String::new(), String::new());
    for (name, value) in form_urlencoded::parse(&body) {
        match &*name {
            "token" => value.trim().clone_into(&mut token),
            "next" => next = value.into_owned(),
            _ => {}
        }
    }
    if !tokens.are_required() {
        return see(&next, None);
    }
    match tokens.session_for(&token, SystemClock.now()) {
        Some(session) => see(&next, session::kept(&session, &headers)),
        None => ask(&next, Reason::WrongToken),
    }
}

/// Has the browser forget its session.
pub(crate) async fn sign_out(headers: HeaderMap) -> Response {
    see("/", session::forgotten(&headers))
}

fn see(next: &str, cookie: Option<HeaderValue>) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, known_page(next))]).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_a_page_that_is_not_ours() {
        for elsewhere in [
            "//evil.example",
            "https://evil.example",
            "/api/status",
            "",
            "/docs/",
        ] {
            assert_eq!(known_page(elsewhere), "/", "{elsewhere}");
        }
        assert_eq!(known_page("/docs"), "/docs");
    }
}
