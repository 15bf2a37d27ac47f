//! Tries filters.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::http::HeaderMap;
use conduit_core::EventPattern;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::body::read_bytes;
use super::parameters::NoParameters;
use super::problem::Problem;
use crate::catalog::{Faults, pattern_faults};

const RECORD: &str =
    "newImage, oldImage, eventID, eventVersion, tableName, recordType, keys, timestamp, sequenceNumber";

/// A JSON object whose values are as they were sent: numbers keep their text, which patterns look at.
type RawObject<'a> = BTreeMap<String, &'a RawValue>;

/// A pattern, and the images to try it on.
struct Trial<'a> {
    pattern: EventPattern,
    new_image: Option<&'a [u8]>,
    old_image: Option<&'a [u8]>,
}

/// Tries a filter on a record, and explains the verdict. Changes nothing: a read-only token may do it.
#[utoipa::path(
    post, path = "/api/filters/test", operation_id = "testFilter", tag = "filters",
    request_body(content = ref("#/components/schemas/FilterTrial"), content_type = "application/json"),
    responses(
        (status = 200, description = "Whether it matches, and why.", body = ref("#/components/schemas/FilterVerdict")),
    )
)]
pub(crate) async fn test(_: NoParameters, headers: HeaderMap, body: Body) -> Result<Json<Value>, Problem> {
    let bytes = read_bytes(&headers, body).await?;
    let body: RawObject<'_> = serde_json::from_slice(&bytes).map_err(|error| {
        // An error about something else than an object would quote it.
        let reason = if error.is_data() {
            String::new()
        } else {
            format!(": {error}")
        };
        Problem::bad_request("invalid_json", format!("the body is not a JSON object{reason}"))
    })?;
    let trial = read(&body)?;
    let explain = trial.pattern.explain(trial.new_image, trial.old_image);
    let matches = trial.pattern.verdict(&explain);
    Ok(Json(json!({"matches": matches, "explain": explain})))
}

fn read<'a>(body: &RawObject<'a>) -> Result<Trial<'a>, Faults> {
    let mut faults = Faults::default();
    refuse_unknown(body, "", "filter_criteria, record", &mut faults);
    let given = |name: &str| body.get(name).filter(|value| value.get() != "null");
    let pattern = match given("filter_criteria") {
        Some(pattern) => EventPattern::parse(pattern.get())
            .map_err(|error| pattern_faults("filter_criteria", &error, &mut faults))
            .ok(),
        None => {
            faults.add(
                "filter_criteria",
                "is required: an object, as destinations have it",
            );
            None
        }
    };
    let record = match given("record").map(|record| serde_json::from_str::<RawObject<'a>>(record.get())) {
        Some(Ok(record)) => record,
        _ => {
            faults.add("record", "is required: an object with newImage, oldImage or both");
            RawObject::new()
        }
    };
    refuse_unknown(&record, "record.", RECORD, &mut faults);
    let mut image = |name: &str| {
        let text = record.get(name).map(|image| image.get())?;
        if !text.starts_with('{') && text != "null" {
            faults.add(format!("record.{name}"), "must be a JSON object");
        }
        Some(text.as_bytes())
    };
    let (new_image, old_image) = (image("newImage"), image("oldImage"));
    match pattern {
        Some(pattern) => faults.or(Trial {
            pattern,
            new_image,
            old_image,
        }),
        None => Err(faults),
    }
}

fn refuse_unknown(object: &RawObject<'_>, place: &str, known: &str, faults: &mut Faults) {
    for name in object.keys() {
        if !known.split(", ").any(|known| known == name) {
            faults.add(
                format!("{place}{name}"),
                format!("unknown field; known here: {known}"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Result<bool, Vec<String>> {
        let body: RawObject<'_> = serde_json::from_str(body).unwrap();
        let trial = read(&body).map_err(Faults::places)?;
        Ok(trial.pattern.matches(trial.new_image, trial.old_image))
    }

    #[test]
    fn numbers_are_tried_as_they_were_written() {
        let body = |number: &str| {
            format!(
                r#"{{"filter_criteria": {{"new_image": {{"a": [0.1234567890123456789]}}}}, "record": {{"newImage": {{"a": {number}}}}}}}"#
            )
        };
        assert_eq!(answer(&body("0.1234567890123456789")), Ok(true));
        assert_eq!(answer(&body("0.12345678901234568")), Ok(false));
    }

    #[test]
    fn a_missing_image_is_a_missing_field() {
        let body = |record: &str| {
            format!(
                r#"{{"filter_criteria": {{"new_image": {{"a": [{{"exists": false}}]}}}}, "record": {record}}}"#
            )
        };
        assert_eq!(answer(&body("{}")), Ok(true));
        assert_eq!(answer(&body(r#"{"newImage": null}"#)), Ok(true));
        assert_eq!(
            answer(&body(r#"{"newImage": {"a": 1}, "recordType": "INSERT"}"#)),
            Ok(false)
        );
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let body =
            r#"{"filter_criteria": {"new_image": {"a": 1}}, "record": {"newImage": 5, "odd": 1}, "x": 1}"#;
        let wanted = [
            "x",
            "filter_criteria.new_image.a",
            "record.odd",
            "record.newImage",
        ];
        assert_eq!(answer(body), Err(wanted.map(str::to_owned).to_vec()));
        assert_eq!(
            answer("{}"),
            Err(vec!["filter_criteria".to_owned(), "record".to_owned()])
        );
    }
}
