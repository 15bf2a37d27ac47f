//! Handlers run to their end, whoever leaves; and answers for one that died.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::problem::Problem;

/// Has the handler run in a task of its own, so that a change that was begun is finished, told of and written down even if
/// the client leaves, and no driver's future is dropped midway. Answers 500 when it panics: what it said is in the log,
/// where the panic hook wrote it, and not in the answer.
pub(crate) async fn catch(request: Request, next: Next) -> Response {
    // Whatever handlers share is guarded by locks that recover, or is replaced as a whole.
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(_died) => {
            tracing::error!("a request failed: its handler panicked");
            let detail = "the server failed at this; its log says more";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use tower_service::Service;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_500_that_does_not_say_what_it_was_about() {
        async fn dies() -> &'static str {
            panic!("a secret detail")
        }
        let mut routes: Router = Router::new()
            .route("/", get(dies))
            .layer(axum::middleware::from_fn(catch));
        let request = Request::builder().uri("/").body(Body::empty()).unwrap();
        let response = routes.call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(
            text.contains("\"internal\"") && !text.contains("secret"),
            "{text}"
        );
    }
}
