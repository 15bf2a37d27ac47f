//! Bearer tokens: who may read, who may write.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::app::App;
use super::problem::Problem;

/// The tokens of the environment; without an admin token everybody may do everything.
#[derive(Clone, Default)]
pub(crate) struct Tokens {
    admin: Option<Arc<str>>,
    read: Option<Arc<str>>,
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
            admin: admin.map(Into::into),
            read: read.map(Into::into),
        }
    }

    fn access(&self, given: Option<&str>) -> Access {
        let Some(admin) = &self.admin else {
            return Access::Write;
        };
        let Some(given) = given else { return Access::None };
        let is = |token: &str| bool::from(token.as_bytes().ct_eq(given.as_bytes()));
        // Both are compared in any case, so that the time taken tells nothing.
        let (is_admin, is_reader) = (is(admin), self.read.as_deref().is_some_and(is));
        match (is_admin, is_reader) {
            (true, _) => Access::Write,
            (false, true) => Access::Read,
            (false, false) => Access::None,
        }
    }
}

/// Lets a request through if its token allows it. The two probes need none.
pub(crate) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if matches!(path, "/health" | "/ready") {
        return next.run(request).await;
    }
    let header = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let given = header.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD) || path == "/api/filters/test";
    let needed = if is_read { Access::Read } else { Access::Write };
    match app.tokens.access(given) {
        Access::None => {
            let detail = "send `Authorization: Bearer <token>`";
            let mut response = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).into_response();
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        access if access < needed => Problem::new(
            StatusCode::FORBIDDEN,
            "read_only_token",
            "this token may only read",
        )
        .into_response(),
        _ => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_the_access_that_it_was_made_for() {
        let open = Tokens::default();
        assert_eq!(open.access(None), Access::Write);
        let tokens = Tokens::new(Some("admin"), Some("reader"));
        assert_eq!(tokens.access(None), Access::None);
        assert_eq!(tokens.access(Some("other")), Access::None);
        assert_eq!(tokens.access(Some("reader")), Access::Read);
        assert_eq!(tokens.access(Some("admin")), Access::Write);
        assert!(!format!("{tokens:?}").contains("admin"));
    }
}
