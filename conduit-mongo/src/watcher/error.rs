//! Tells the errors of change streams apart, by code and never by text.

use conduit_core::WatchError;
use mongodb::error::Error;

use crate::server_error::{Cause, code, code_of};

/// What failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Opening,
    Reading,
    LookingUp,
    AskingTheTime,
}

/// Whether the server refuses the resume token: the stream may still be opened at the token's time.
///
/// Seen on 6.0: 280 for an event that this stream does not see, 9 for text that is no token, and an error of
/// the KeyString decoder for a Decimal128 in the document's key (the token's second part, its type bits, is
/// not kept).
pub(super) fn is_token_refused(error: &Error) -> bool {
    code_of(error).is_some_and(|code| match code {
        code::CHANGE_STREAM_FATAL_ERROR
        | code::INVALID_RESUME_TOKEN
        | code::BAD_VALUE
        | code::FAILED_TO_PARSE => true,
        other => code::KEY_STRING.contains(&other),
    })
}

/// Whether the server cannot send the next change, because its event would be larger than a document may be.
pub(super) fn is_event_too_large(error: &Error) -> bool {
    matches!(
        code_of(error),
        Some(code::BSON_OBJECT_TOO_LARGE | code::STRING_TOO_LARGE)
    )
}

/// Makes the watcher's error of the driver's.
pub(super) fn watch_error(error: &Error, phase: Phase) -> WatchError {
    let failure = match (code_of(error), phase) {
        (
            Some(code::CHANGE_STREAM_HISTORY_LOST | code::CHANGE_STREAM_FATAL_ERROR | code::SHARD_REMOVED),
            _,
        )
        // In the middle of a stream this one is a passing trouble of a server.
        | (Some(code::INVALID_RESUME_TOKEN), Phase::Opening) => {
            WatchError::history_lost("the oplog no longer holds the history after the position")
        }
        (Some(code::UNAUTHORIZED), _) => WatchError::invalid(
            "not allowed to open a change stream: the user needs the actions find and changeStream there",
        ),
        (Some(code::AUTHENTICATION_FAILED), _) => {
            WatchError::invalid("mongodb does not accept the credentials")
        }
        (Some(code::NO_CHANGE_STREAMS), _) => WatchError::invalid(
            "mongodb runs as a standalone server, without change streams: it must be a replica set",
        ),
        (Some(code::BSON_OBJECT_TOO_LARGE | code::STRING_TOO_LARGE), _) => {
            WatchError::invalid("a change event is larger than the 16 MB that mongodb allows, even without its images")
        }
        (
            Some(
                code::BAD_VALUE
                | code::FAILED_TO_PARSE
                | code::TYPE_MISMATCH
                | code::INVALID_OPTIONS
                | code::UNKNOWN_STAGE
                | code::UNKNOWN_FIELD
                | code::UNKNOWN_FULL_DOCUMENT,
            ),
            Phase::Opening,
        ) => WatchError::invalid(
            "mongodb refuses the change stream's options (old images and key schemas need mongodb 6.0)",
        ),
        (_, Phase::Opening) => WatchError::unavailable("cannot open a change stream"),
        (_, Phase::AskingTheTime) => WatchError::unavailable("cannot ask mongodb for its time"),
        (_, Phase::LookingUp) => WatchError::unavailable("cannot look up the documents of updates"),
        (_, Phase::Reading) => WatchError::unavailable("the change stream broke off"),
    };
    failure.with_source(Cause::of(error))
}

#[cfg(test)]
mod tests {
    use conduit_core::WatchErrorKind;
    use mongodb::bson;
    use mongodb::error::{CommandError, ErrorKind};

    use super::*;

    fn failed(code: i32) -> Error {
        let reply = bson::doc! { "code": code, "codeName": "Name", "errmsg": "text" };
        let command: CommandError = bson::deserialize_from_document(reply).unwrap();
        ErrorKind::Command(command).into()
    }

    #[test]
    fn errors_are_told_apart_by_code() {
        use Phase::{Opening, Reading};
        use WatchErrorKind::{HistoryLost, Invalid, Unavailable};
        let cases = [
            (286, Opening, HistoryLost),
            (286, Reading, HistoryLost),
            (280, Opening, HistoryLost),
            (260, Opening, HistoryLost),
            (260, Reading, Unavailable),
            (50811, Reading, Unavailable),
            (13, Opening, Invalid),
            (18, Reading, Invalid),
            (40573, Opening, Invalid),
            (10334, Reading, Invalid),
            (16493, Reading, Invalid),
            (2, Opening, Invalid),
            (2, Reading, Unavailable),
            (136, Reading, Unavailable),
            (10107, Opening, Unavailable),
            (43, Reading, Unavailable),
        ];
        for (code, phase, kind) in cases {
            assert_eq!(watch_error(&failed(code), phase).kind(), kind, "{code} {phase:?}");
        }
    }
}
