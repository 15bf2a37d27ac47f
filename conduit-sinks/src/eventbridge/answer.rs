//! What the answer to `PutEvents` says of each entry.

use aws_sdk_eventbridge::operation::put_events::PutEventsOutput;
use aws_sdk_eventbridge::types::PutEventsResultEntry;
use conduit_core::{SinkError, SinkErrorKind};

use super::bus::Bus;
use super::error::{kind_of_code, push_quote};
use crate::Secret;

/// Returns the entries that failed, by their place among the `sent`, each with why.
///
/// # Errors
/// If the answer does not fit what was sent: then nothing of it is believed.
pub(super) fn failures(
    answer: &PutEventsOutput,
    sent: usize,
    bus: &Bus,
    token: Option<&Secret>,
) -> Result<Vec<(usize, SinkError)>, SinkError> {
    let results = answer.entries();
    let failed = results.iter().filter(|result| !is_accepted(result)).count();
    let is_told = usize::try_from(answer.failed_entry_count()) == Ok(failed);
    if results.len() != sent || !is_told {
        return Err(SinkError::unavailable(format!(
            "the answer of EventBridge at {} does not fit the call: {sent} entries were sent, {} have a result, {failed} \
             of them failed, {} are said to",
            bus.shown(),
            results.len(),
            answer.failed_entry_count(),
        )));
    }
    Ok(results
        .iter()
        .enumerate()
        .filter(|(_, result)| !is_accepted(result))
        .map(|(index, result)| (index, failure(result, bus, token)))
        .collect())
}

fn is_accepted(result: &PutEventsResultEntry) -> bool {
    let is_there = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
    is_there(result.event_id()) && !is_there(result.error_code())
}

fn failure(result: &PutEventsResultEntry, bus: &Bus, token: Option<&Secret>) -> SinkError {
    let Some(code) = result.error_code().filter(|code| !code.is_empty()) else {
        return SinkError::unavailable(format!(
            "EventBridge at {} does not say what became of the entry",
            bus.shown()
        ));
    };
    let mut message = String::new();
    push_quote(&mut message, Some(code), token);
    let mut message = format!(
        "{} for the entry from EventBridge at {}",
        message.trim_start_matches(": "),
        bus.shown()
    );
    push_quote(&mut message, result.error_message(), token);
    SinkError::new(kind_of_code(code).unwrap_or(SinkErrorKind::Rejected), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventbridge::EventBridgeConfig;

    fn result(id: Option<&str>, code: Option<&str>) -> PutEventsResultEntry {
        PutEventsResultEntry::builder()
            .set_event_id(id.map(str::to_owned))
            .set_error_code(code.map(str::to_owned))
            .build()
    }

    fn judged(failed: i32, results: Vec<PutEventsResultEntry>) -> Result<Vec<usize>, SinkErrorKind> {
        let bus = EventBridgeConfig::new("orders").check().unwrap();
        let answer = PutEventsOutput::builder()
            .failed_entry_count(failed)
            .set_entries(Some(results))
            .build();
        match failures(&answer, 2, &bus, None) {
            Ok(failed) => Ok(failed.iter().map(|(index, _)| *index).collect()),
            Err(error) => Err(error.kind()),
        }
    }

    #[test]
    fn an_answer_that_does_not_fit_the_call_is_not_believed() {
        let well = || result(Some("id"), None);
        let bad = || result(None, Some("InternalFailure"));
        assert_eq!(judged(0, vec![well(), well()]), Ok(vec![]));
        assert_eq!(judged(1, vec![well(), bad()]), Ok(vec![1]));
        // Neither accepted nor refused is not accepted.
        assert_eq!(judged(1, vec![result(None, None), well()]), Ok(vec![0]));
        assert_eq!(
            judged(1, vec![well(), result(Some("id"), Some("InternalFailure"))]),
            Ok(vec![1])
        );
        for (failed, results) in [
            (0, vec![]),
            (0, vec![well()]),
            (0, vec![well(), well(), well()]),
            (0, vec![well(), bad()]),
            (1, vec![well(), well()]),
            (2, vec![well(), bad()]),
            (-1, vec![well(), well()]),
            (0, vec![result(Some(""), None), well()]),
        ] {
            assert_eq!(judged(failed, results), Err(SinkErrorKind::Unavailable));
        }
    }

    #[test]
    fn every_code_of_an_entry_has_its_kind() {
        use SinkErrorKind::{Rejected, Throttled, Unauthorized, Unavailable, Undeliverable};
        for (code, kind) in [
            ("ThrottlingException", Throttled { retry_after: None }),
            ("InternalFailure", Unavailable),
            ("InternalException", Unavailable),
            ("AccessDeniedException", Unauthorized),
            ("NotAuthorizedForSourceException", Unauthorized),
            ("NotAuthorizedForDetailTypeException", Unauthorized),
            ("InvalidAccountIdException", Unauthorized),
            ("MalformedDetail", Undeliverable),
            ("InvalidArgument", Rejected),
            ("RedactionFailure", Rejected),
            ("SomethingNew", Rejected),
        ] {
            let bus = EventBridgeConfig::new("orders").check().unwrap();
            assert_eq!(
                failure(&result(None, Some(code)), &bus, None).kind(),
                kind,
                "{code}"
            );
        }
    }
}
