//! Reads request bodies.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use serde_json::value::RawValue;

use super::body_limit::{MAX_BYTES, too_large};
use super::problem::Problem;
use crate::catalog::Faults;

const JSON_TYPES: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// Reads a JSON body.
///
/// # Errors
/// 413 for one over 1 MiB, 415 for one that says it is not JSON, 400 for one that is not JSON.
pub(crate) async fn read_json(headers: &HeaderMap, body: Body) -> Result<Value, Problem> {
    parse(&read_bytes(headers, body).await?)
}

/// No body, or an empty object: what a request has to say is in its path and query, and nothing it says is ignored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = take(request.into_body()).await?;
        let is_empty_object = || {
            serde_json::from_slice(&bytes)
                .is_ok_and(|body: Value| body == Value::Object(serde_json::Map::new()))
        };
        if bytes.is_empty() || is_empty_object() {
            return Ok(Self);
        }
        Err(Faults::of("(body)", "is not taken here: leave it out").into())
    }
}

/// A configuration that was sent, and the filters of its destinations as they were written.
///
/// A filter looks at the text of numbers, which a [`Value`] does not keep.
#[derive(Debug)]
pub(crate) struct ConfigBody {
    pub(crate) value: Value,
    /// By the place of the destination.
    pub(crate) filters: Vec<Option<String>>,
}

/// Reads the body of a configuration.
///
/// # Errors
/// As [`read_json`].
pub(crate) async fn read_config(headers: &HeaderMap, body: Body) -> Result<ConfigBody, Problem> {
    let bytes = read_bytes(headers, body).await?;
    let value = parse(&bytes)?;
    let filters = filters(&bytes);
    Ok(ConfigBody { value, filters })
}

/// Finds the filters; none where the body is not as it should be, which is said of the value.
fn filters(bytes: &[u8]) -> Vec<Option<String>> {
    #[derive(serde::Deserialize)]
    struct Config<'a> {
        #[serde(borrow)]
        destinations: Option<Vec<Destination<'a>>>,
    }
    #[derive(serde::Deserialize)]
    struct Destination<'a> {
        #[serde(borrow)]
        filter_criteria: Option<&'a RawValue>,
    }
    let config: Option<Config<'_>> = serde_json::from_slice(bytes).ok();
    let destinations = config.and_then(|config| config.destinations).unwrap_or_default();
    let filter = |destination: Destination<'_>| destination.filter_criteria.map(|raw| raw.get().to_owned());
    destinations.into_iter().map(filter).collect()
}

/// Reads a JSON body; none at all is an empty object.
///
/// # Errors
/// As [`read_json`].
pub(crate) async fn read_optional_json(headers: &HeaderMap, body: Body) -> Result<Value, Problem> {
    let bytes = read_bytes(headers, body).await?;
    if bytes.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    parse(&bytes)
}

/// Reads a body that says it is JSON, as it is.
///
/// # Errors
/// 413 for one over 1 MiB, 415 for one that says it is not JSON.
pub(crate) async fn read_bytes(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let declared = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = declared
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    // A body without a type, or with the type that curl sends by itself, is taken for what it should be.
    let is_json = essence.as_deref().is_none_or(|essence| {
        JSON_TYPES.contains(&essence)
            || essence.ends_with("+json")
            || essence == "application/x-www-form-urlencoded"
    });
    if !is_json {
        let detail = "send the body as application/json";
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        ));
    }
    take(body).await
}

async fn take(body: Body) -> Result<Bytes, Problem> {
    // All of it is there already.
    to_bytes(body, MAX_BYTES).await.map_err(|_| too_large())
}

fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad_request("invalid_json", format!("the body is not JSON: {error}")))
}

/// Applies a JSON merge patch (RFC 7396).
pub(crate) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(object) = target.as_object_mut() else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            object.shift_remove(&name);
        } else {
            merge(object.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_sets_removes_and_replaces_arrays() {
        let mut target = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [1, 2]});
        merge(
            &mut target,
            json!({"a": null, "b": {"c": null, "x": {"y": null}}, "e": [3]}),
        );
        assert_eq!(target, json!({"b": {"d": 3, "x": {}}, "e": [3]}));
    }
}
