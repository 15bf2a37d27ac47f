//! Answers for MongoDB while it is known to be down.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::problem::Problem;
use crate::health::Dependency;

/// Refuses a request at once while MongoDB is known to be down, rather than after the time that the driver looks for it.
pub(crate) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.health.snapshot().mongodb {
        Dependency::Down(reason) => {
            Problem::unavailable(format!("MongoDB cannot be used: {reason}")).into_response()
        }
        Dependency::Up | Dependency::Unknown => next.run(request).await,
    }
}
