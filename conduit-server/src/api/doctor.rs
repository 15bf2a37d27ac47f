//! What the setup of this server needs.

use axum::Json;
use axum::extract::State;

use super::app::App;
use super::parameters::NoParameters;
use crate::doctor::{self, Report};

/// Examines the setup, which takes some seconds where something does not answer, and changes nothing.
pub(crate) async fn examine(State(app): State<App>, _: NoParameters) -> Json<Report> {
    Json(doctor::examine(&app.subject).await)
}
