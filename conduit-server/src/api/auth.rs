//! Tokens and sessions: who may read, who may write.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use conduit_core::{Clock, SystemClock, WallTime};
use subtle::ConstantTimeEq;

use super::actor::{Actor, Credential};
use super::origin::{Origin, is_local_name};
use super::pages::ask_to_sign_in;
use super::problem::Problem;
use super::session::{self, SessionKey};

/// The tokens of the environment; without an admin token everybody may do everything.
#[derive(Clone, Default)]
pub(crate) struct Tokens {
    admin: Option<Token>,
    read: Option<Token>,
}

#[derive(Clone)]
struct Token {
    text: Arc<str>,
    sessions: SessionKey,
}

impl Token {
    fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            sessions: SessionKey::of(text),
        }
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("required", &self.admin.is_some())
            .finish()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Access {
    None,
    Read,
    Write,
}

impl Tokens {
    pub(crate) fn new(admin: Option<&str>, read: Option<&str>) -> Self {
        Self {
            admin: admin.map(Token::new),
            read: read.map(Token::new),
        }
    }

    /// Whether requests need one.
    pub(crate) fn are_required(&self) -> bool {
        self.admin.is_some()
    }

    /// Returns the session that a token is good for.
    pub(crate) fn session_for(&self, token: &str, now: WallTime) -> Option<String> {
        let owner = match self.access_by(|known| is_equal(known, token)) {
            Access::None => None,
            Access::Read => self.read.as_ref(),
            Access::Write => self.admin.as_ref(),
        };
        owner.map(|owner| owner.sessions.begin(now))
    }

    /// Looks at what a request has to show. A token counts before a session.
    fn admit(&self, headers: &HeaderMap, now: WallTime) -> (Credential, Access) {
        if !self.are_required() {
            return (Credential::Anonymous, Access::Write);
        }
        if let Some(header) = headers.get(header::AUTHORIZATION) {
            let token = header.to_str().ok().and_then(bearer).unwrap_or_default();
            return (Credential::Token, self.access_by(|known| is_equal(known, token)));
        }
        match session::sent(headers) {
            Some(sent) => (
                Credential::Session,
                self.access_by(|known| known.sessions.has_made(sent, now)),
            ),
            None => (Credential::Anonymous, Access::None),
        }
    }

    fn access_by(&self, is: impl Fn(&Token) -> bool) -> Access {
        // Both are asked in any case, so that the time taken tells nothing.
        let (is_admin, is_reader) = (
            self.admin.as_ref().is_some_and(&is),
            self.read.as_ref().is_some_and(&is),
        );
        match (is_admin, is_reader) {
            (true, _) => Access::Write,
            (false, true) => Access::Read,
            (false, false) => Access::None,
        }
    }
}

fn is_equal(known: &Token, given: &str) -> bool {
    known.text.as_bytes().ct_eq(given.as_bytes()).into()
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Lets a request through if its token or session allows it. The two probes need none, and signing in is how one gets it.
pub(crate) async fn check(State(tokens): State<Tokens>, mut request: Request, next: Next) -> Response {
    let (path, method) = (request.uri().path(), request.method());
    if matches!(path, "/health" | "/ready") || (path == "/sign-in" && method == Method::POST) {
        return next.run(request).await;
    }
    let changes_nothing = matches!(path, "/api/filters/test" | "/sign-out");
    let is_safe = matches!(*method, Method::GET | Method::HEAD);
    let needed = match is_safe || changes_nothing {
        true => Access::Read,
        false => Access::Write,
    };
    if !tokens.are_required() && !is_local_name(&request) {
        let detail = "without a token this server answers to addresses and local names only: name it so, or set \
                      CONDUIT_API_TOKEN";
        return forbidden("foreign_host", detail);
    }
    let (credential, access) = tokens.admit(request.headers(), SystemClock.now());
    if access == Access::None {
        let is_page = matches!(path, "/" | "/docs" | "/sign-out");
        return if is_page {
            ask_to_sign_in(path)
        } else {
            unauthorized()
        };
    }
    if access < needed {
        return forbidden("read_only_token", "this token may only read");
    }
    // Browsers send cookies, and reach a server of their own machine, for whatever page asks them to, and say for which. A
    // token they do not have by themselves.
    let is_own_will = credential == Credential::Token || Origin::of(request.headers()) != Origin::Other;
    if !is_safe && !is_own_will {
        let detail = "a page of another origin cannot change anything here";
        return forbidden("cross_origin_request", detail);
    }
    let actor = Actor {
        credential,
        peer: request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0),
        request: request.extensions().get().cloned(),
    };
    request.extensions_mut().insert(actor);
    next.run(request).await
}

fn unauthorized() -> Response {
    let detail = "send `Authorization: Bearer <token>`";
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn forbidden(code: &'static str, detail: &str) -> Response {
    Problem::new(StatusCode::FORBIDDEN, code, detail).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(tokens: &Tokens, name: &'static str, value: &str) -> (Credential, Access) {
        let headers = [(name.parse().unwrap(), value.parse().unwrap())];
        tokens.admit(&headers.into_iter().collect(), WallTime::default())
    }

    #[test]
    fn a_token_gives_the_access_that_it_was_made_for() {
        let open = Tokens::default().admit(&HeaderMap::new(), WallTime::default());
        assert_eq!(open, (Credential::Anonymous, Access::Write));
        let tokens = Tokens::new(Some("admin"), Some("reader"));
        let nothing = tokens.admit(&HeaderMap::new(), WallTime::default());
        assert_eq!(nothing, (Credential::Anonymous, Access::None));
        for (value, wanted) in [
            ("Bearer admin", Access::Write),
            ("bearer  admin ", Access::Write),
            ("Bearer reader", Access::Read),
            ("Bearer other", Access::None),
            ("Bearer ", Access::None),
            ("Basic admin", Access::None),
            ("admin", Access::None),
        ] {
            let admitted = access(&tokens, "authorization", value);
            assert_eq!(admitted, (Credential::Token, wanted), "{value:?}");
        }
        assert!(!format!("{tokens:?}").contains("admin"));
    }

    #[test]
    fn a_session_is_as_good_as_the_token_that_it_was_begun_with() {
        let tokens = Tokens::new(Some("admin"), Some("reader"));
        for (token, wanted) in [("admin", Access::Write), ("reader", Access::Read)] {
            let session = tokens.session_for(token, WallTime::default()).unwrap();
            let cookie = format!("conduit_session={session}");
            assert_eq!(access(&tokens, "cookie", &cookie), (Credential::Session, wanted));
            let changed = Tokens::new(Some("new"), None);
            assert_eq!(
                access(&changed, "cookie", &cookie),
                (Credential::Session, Access::None)
            );
        }
        assert_eq!(tokens.session_for("other", WallTime::default()), None);
        // The token itself is no session.
        let (_, admitted) = access(&tokens, "cookie", "conduit_session=admin");
        assert_eq!(admitted, Access::None);
    }
}
