//! Errors of the API, as RFC 9457 problem details.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::{CatalogError, Fault, Faults};
use conduit_core::{StateError, StateErrorKind};
use conduit_mongo::{AdminError, AdminErrorKind, AdminField};

/// An error answer, as RFC 9457 has it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Names the kind of problem: `urn:conduit:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong here, for people.
    detail: String,
    /// What is wrong, for programs: it stays the same from version to version.
    #[schema(pattern = "^[a-z][a-z0-9_]*$")]
    code: &'static str,
    /// Every fault of what was sent; absent where it is not at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:conduit:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
        }
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn not_found(name: &str) -> Self {
        let detail = format!("no collection {name:?} is configured");
        Self::new(StatusCode::NOT_FOUND, "collection_not_found", detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "dependency_unavailable", detail)
    }

    /// What administration could not do; where the request is at fault, `field` is.
    pub(crate) fn of_admin(error: &AdminError, field: &str) -> Self {
        let message = error.to_string();
        match error.kind() {
            AdminErrorKind::InvalidInput | AdminErrorKind::NotSupported => Faults::of(field, message).into(),
            AdminErrorKind::Conflict => Self::conflict("index_conflict", message),
            _ => {
                let source = std::error::Error::source(error).map(ToString::to_string);
                tracing::warn!(%error, source, "a request failed");
                Self::unavailable(format!("MongoDB cannot do it now: {message}"))
            }
        }
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        let errors = faults.into_list();
        let detail = match errors.as_slice() {
            [fault] => format!("{} {}", fault.field, fault.message),
            many => format!("{} faults; see errors", many.len()),
        };
        Self {
            errors,
            ..Self::bad_request("validation_failed", detail)
        }
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Unavailable(_) => {
                tracing::warn!(%error, "a request failed");
                Self::unavailable("MongoDB cannot be reached; try again")
            }
            CatalogError::Unreadable(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "unreadable_configuration",
                error.to_string(),
            ),
            CatalogError::Unencrypted => {
                tracing::error!(%error, "a request failed");
                Self::unavailable(error.to_string())
            }
            CatalogError::Exists => Self::conflict("collection_exists", error.to_string()),
            CatalogError::Changed => {
                Self::conflict("version_conflict", format!("{error}; read it and try again"))
            }
        }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        let field = match error.field() {
            Some(AdminField::Key) => "primary_key",
            Some(AdminField::TimeToLive) => "ttl_attribute",
            Some(AdminField::Images) => "old_image",
            _ => "collection_name",
        };
        Self::of_admin(&error, field)
    }
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Self {
        // That it is down is said once, by who watches it.
        match error.kind() {
            StateErrorKind::Unavailable => tracing::debug!(%error, "a request failed"),
            _ => tracing::warn!(%error, "a request failed"),
        }
        Self::unavailable(format!("the state store cannot be reached: {error}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self)).into_response();
        let problem_json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem_json);
        response
    }
}
