//! What is kept of a driver's error: its code, and one line of text without server replies or topology dumps.

use std::fmt;

use mongodb::error::{Error, ErrorKind, WriteFailure};

/// Codes of MongoDB's `error_codes.yml` (version 6.0) that this crate tells apart.
pub(crate) mod code {
    pub(crate) const BAD_VALUE: i32 = 2;
    pub(crate) const FAILED_TO_PARSE: i32 = 9;
    pub(crate) const UNAUTHORIZED: i32 = 13;
    pub(crate) const TYPE_MISMATCH: i32 = 14;
    pub(crate) const AUTHENTICATION_FAILED: i32 = 18;
    pub(crate) const ILLEGAL_OPERATION: i32 = 20;
    pub(crate) const ALREADY_INITIALIZED: i32 = 23;
    pub(crate) const NAMESPACE_NOT_FOUND: i32 = 26;
    pub(crate) const INDEX_NOT_FOUND: i32 = 27;
    pub(crate) const NAMESPACE_EXISTS: i32 = 48;
    pub(crate) const COMMAND_NOT_FOUND: i32 = 59;
    pub(crate) const CANNOT_CREATE_INDEX: i32 = 67;
    pub(crate) const INVALID_OPTIONS: i32 = 72;
    pub(crate) const INVALID_NAMESPACE: i32 = 73;
    pub(crate) const NO_REPLICATION_ENABLED: i32 = 76;
    pub(crate) const INDEX_OPTIONS_CONFLICT: i32 = 85;
    pub(crate) const INDEX_KEY_SPECS_CONFLICT: i32 = 86;
    pub(crate) const NOT_YET_INITIALIZED: i32 = 94;
    pub(crate) const QUERY_PLAN_KILLED: i32 = 175;
    pub(crate) const INVALID_INDEX_SPECIFICATION_OPTION: i32 = 197;
    pub(crate) const INVALID_RESUME_TOKEN: i32 = 260;
    pub(crate) const CHANGE_STREAM_FATAL_ERROR: i32 = 280;
    pub(crate) const CHANGE_STREAM_HISTORY_LOST: i32 = 286;
    pub(crate) const SHARD_REMOVED: i32 = 546;
    pub(crate) const BSON_OBJECT_TOO_LARGE: i32 = 10334;
    pub(crate) const DUPLICATE_KEY: i32 = 11000;
    /// An assertion without a name: a resume token of an `_id` of more than 8 MB.
    pub(crate) const STRING_TOO_LARGE: i32 = 16493;
    pub(crate) const UNKNOWN_STAGE: i32 = 40324;
    pub(crate) const UNKNOWN_FIELD: i32 = 40415;
    pub(crate) const NO_CHANGE_STREAMS: i32 = 40573;
    pub(crate) const UNKNOWN_FULL_DOCUMENT: i32 = 40575;
    /// What the decoder of resume tokens says of a token that it cannot read.
    pub(crate) const KEY_STRING: std::ops::Range<i32> = 50800..50900;
}

/// The code that the server answered with, if it was the server.
pub(crate) fn code_of(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(command) => Some(command.code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some(concern.code),
        ErrorKind::Authentication { .. } => Some(code::AUTHENTICATION_FAILED),
        _ => None,
    }
}

/// Says in one line what a driver's error is, without documents and credentials.
#[must_use]
pub fn describe(error: &Error) -> String {
    Cause::of(error).0
}

/// A driver's error as a cause: the driver's own text dumps the server's whole reply.
#[derive(Debug)]
pub(crate) struct Cause(String);

impl Cause {
    pub(crate) fn of(error: &Error) -> Self {
        let text = match &*error.kind {
            // Its message holds the values.
            ErrorKind::Command(command) if command.code == code::DUPLICATE_KEY => "duplicate key".to_owned(),
            ErrorKind::Command(command) => {
                format!("{} ({} {})", command.message, command.code_name, command.code)
            }
            // Its message is a description of the whole topology.
            ErrorKind::ServerSelection { .. } => {
                "no server of the connection string can be reached".to_owned()
            }
            kind => kind.to_string(),
        };
        Self(text.lines().collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cause {}

#[cfg(test)]
mod tests {
    use bson::doc;
    use mongodb::Client;

    use super::*;

    #[tokio::test]
    async fn a_server_that_is_away_is_described_in_a_few_words() {
        let uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50&connectTimeoutMS=50";
        let client = Client::with_uri_str(uri).await.unwrap();
        let error = client
            .database("test")
            .run_command(doc! { "ping": 1 })
            .await
            .unwrap_err();
        assert_eq!(
            describe(&error),
            "no server of the connection string can be reached"
        );
    }
}
