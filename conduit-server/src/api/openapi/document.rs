//! The document, and its handler.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::OpenApi;

use super::completion::complete;
use super::{collections, dead_letters, destinations, filters, operations, status};
use crate::api::parameters::NoParameters;
use crate::api::problem::Problem;
use crate::api::{
    collections as collection_api, dead_letters as letter_api, deletions, doctor, filters as filter_api,
    pauses, probes, rewinds, status as status_api, tail, test_deliveries,
};
use crate::catalog::Fault;
use crate::destination_type::DestinationTypes;

/// The operations, each described where it is handled.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Conduit",
        description = "Delivers what changes in MongoDB collections, as records, to destinations. JSON in, JSON out; errors are \
                       problem details (RFC 9457) with a stable `code`. Unknown fields and query parameters are faults. \
                       Every answer has an `x-request-id`, which the log has too.",
    ),
    paths(
        collection_api::list,
        collection_api::create,
        collection_api::get,
        collection_api::replace,
        collection_api::patch,
        deletions::delete,
        status_api::one,
        status_api::all,
        pauses::pause,
        pauses::resume,
        rewinds::rewind,
        test_deliveries::test,
        tail::tail,
        letter_api::list,
        letter_api::redrive,
        letter_api::purge,
        filter_api::test,
        doctor::examine,
        probes::health,
        probes::ready,
        probes::metrics,
        openapi,
        operations::docs,
        operations::dashboard,
    ),
    components(schemas(Problem, Fault)),
    tags(
        (name = "collections", description = "What is streamed, and where to."),
        (name = "status", description = "How it does."),
        (name = "streams", description = "Pause, move and try streams."),
        (name = "dead letters", description = "Records that were given up."),
        (name = "filters", description = "Try filters."),
        (name = "server", description = "The server itself."),
    ),
)]
struct Operations;

/// The finished text. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    text: Arc<str>,
    value: Arc<Value>,
}

impl Document {
    /// Describes a server that has these types of destinations.
    pub(crate) fn of(types: &DestinationTypes) -> Self {
        // Plain data always has a JSON form.
        let mut value = serde_json::to_value(Operations::openapi()).unwrap_or_default();
        let parts = [
            collections::schemas(),
            destinations::schemas(types),
            status::schemas(),
            dead_letters::schemas(),
            filters::schemas(),
            operations::schemas(),
        ];
        if let Some(schemas) = value
            .pointer_mut("/components/schemas")
            .and_then(Value::as_object_mut)
        {
            schemas.extend(parts.into_iter().flatten());
        }
        complete(&mut value);
        Self {
            text: value.to_string().into(),
            value: Arc::new(value),
        }
    }

    pub(crate) fn value(&self) -> &Value {
        &self.value
    }
}

/// Answers with this document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "getOpenApi", tag = "server",
    responses((status = 200, description = "This document.", body = Object))
)]
pub(crate) async fn openapi(State(document): State<Document>, _: NoParameters) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (headers, document.text.to_string()).into_response()
}

/// Schemas by name.
pub(super) fn named<const N: usize>(schemas: [(&str, Value); N]) -> Map<String, Value> {
    schemas
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

/// An object that has exactly these members.
pub(super) fn exactly(description: &str, properties: Value) -> Value {
    let names: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({
        "type": "object", "description": description, "required": names, "properties": properties,
        "additionalProperties": false,
    })
}

/// A time as answers have it.
pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// A schema of this document.
pub(super) fn schema_ref(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
