//! Which records of a batch an answer says have failed.

use std::collections::HashMap;

use conduit_core::{RecordBatch, SinkError, SinkErrorKind};
use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;
use serde::Deserialize;

use super::body::{BodyStart, End};

/// Most bytes of an answer to a batch: room for a long entry about each of 1000 records.
pub(super) const MAX_ANSWER: usize = 1024 * 1024;

/// How the list is called, as AWS Lambda calls it.
const LIST: &str = "batchItemFailures";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    batch_item_failures: Option<Vec<Failure>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

/// Reads the answer to a batch that got a 2xx: the records that failed, by their index, none if it has no list.
///
/// # Errors
/// If it cannot be told which records failed: an acknowledgement that may be none is none. A list that cannot be read or
/// names a record that was not sent, is `Rejected`; an answer that broke off is `Unavailable`, one that came too slowly
/// `Timeout`.
pub(super) fn failures(
    headers: &HeaderMap,
    body: &BodyStart,
    batch: &RecordBatch,
    shown_endpoint: &str,
) -> Result<Vec<(usize, SinkError)>, SinkError> {
    let unclear = |kind, what: &str| {
        SinkError::new(
            kind,
            format!("the answer to the batch from {shown_endpoint} {what}"),
        )
    };
    let bytes = body.whole().map_err(|end| match end {
        End::Late => unclear(SinkErrorKind::Timeout, "did not come to its end in time"),
        End::TooLong => unclear(SinkErrorKind::Rejected, "is longer than 1 MiB"),
        End::Broken | End::Whole => unclear(SinkErrorKind::Unavailable, "broke off"),
    })?;
    let is_encoded = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_encoded && !bytes.is_empty() {
        return Err(unclear(
            SinkErrorKind::Rejected,
            "is compressed, which was not asked for",
        ));
    }
    let failures = match parse(bytes) {
        Ok(failures) => failures,
        Err(what) => return Err(unclear(SinkErrorKind::Rejected, what)),
    };
    let indexes: HashMap<&str, usize> = batch
        .records()
        .iter()
        .enumerate()
        .map(|(index, record)| (record.event_id().as_str(), index))
        .collect();
    let mut failed = Vec::with_capacity(failures.len());
    for failure in &failures {
        let Some(index) = indexes.get(&*failure.item_identifier) else {
            return Err(unclear(
                SinkErrorKind::Rejected,
                "names a record in batchItemFailures that was not sent: itemIdentifier must be an eventID",
            ));
        };
        failed.push(*index);
    }
    failed.sort_unstable();
    failed.dedup();
    let error = || SinkError::rejected(format!("{shown_endpoint} names the record in {LIST}"));
    Ok(failed.into_iter().map(|index| (index, error())).collect())
}

/// Finds the list. Whatever has none is no answer about single records: `OK`, say, or nothing at all.
fn parse(bytes: &[u8]) -> Result<Vec<Failure>, &'static str> {
    let has_list = bytes.windows(LIST.len()).any(|window| window == LIST.as_bytes());
    if !has_list {
        return Ok(Vec::new());
    }
    match serde_json::from_slice::<Answer>(bytes) {
        Ok(answer) => Ok(answer.batch_item_failures.unwrap_or_default()),
        Err(_) => Err(
            "has a batchItemFailures that cannot be read: it must be a list of {\"itemIdentifier\": \"<eventID>\"}",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifiers(text: &str) -> Option<Vec<String>> {
        let failures = parse(text.as_bytes()).ok()?;
        Some(
            failures
                .into_iter()
                .map(|failure| failure.item_identifier)
                .collect(),
        )
    }

    #[test]
    fn what_has_no_list_names_no_record() {
        for text in [
            "",
            "OK",
            "null",
            "{}",
            "[1]",
            r#"{"ok":true}"#,
            r#"{"batchItemFailures":null}"#,
            r#"{"batchItemFailures":[]}"#,
        ] {
            assert_eq!(identifiers(text), Some(Vec::new()), "{text}");
        }
    }

    #[test]
    fn each_entry_names_a_record() {
        let text =
            r#" {"x":1,"batchItemFailures":[{"itemIdentifier":"a"},{"why":"no","itemIdentifier":"b"}]}"#;
        assert_eq!(identifiers(text), Some(vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_not_taken_for_an_empty_one() {
        for text in [
            r#"{"batchItemFailures":"a"}"#,
            r#"{"batchItemFailures":{}}"#,
            r#"{"batchItemFailures":["a"]}"#,
            r#"{"batchItemFailures":[{}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":1}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifer":"a"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a"}"#,
            r#"{"batchItemFailures":[],"batchItemFailures":[{"itemIdentifier":"a"}]}"#,
            r#"[{"batchItemFailures":[{"itemIdentifier":"a"}]}]"#,
        ] {
            assert_eq!(identifiers(text), None, "{text}");
        }
    }
}
