//! What the setup of this server needs.

use axum::Json;
use axum::extract::State;
use tokio::sync::Mutex;

use super::app::App;
use super::parameters::NoParameters;
use crate::doctor::{self, Report};

static TURN: Mutex<()> = Mutex::const_new(());

/// Examines what the server depends on, and says what to do about what is wrong.
#[utoipa::path(
    get, path = "/api/doctor", operation_id = "examine", tag = "server",
    responses((status = 200, description = "What was found.", body = ref("#/components/schemas/DoctorReport")))
)]
pub(crate) async fn examine(State(app): State<App>, _: NoParameters) -> Json<Report> {
    // It opens connections to all there is: one after the other.
    let _turn = TURN.lock().await;
    Json(doctor::examine(&app.subject).await)
}
