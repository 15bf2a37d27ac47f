//! What Redis says, in the terms of the contract.

use redis::RedisError;

use conduit_core::{StateError, StateErrorKind};

/// How much of the server's own words is passed on.
const MOST_DETAIL: usize = 200;

/// A request that could not be sent or was not answered: the outcome is unknown.
pub(super) fn from_client(error: RedisError) -> StateError {
    if let Some(code) = error.code() {
        return from_answer(code, error.detail());
    }
    // Errors of the connection name addresses at most, never credentials.
    StateError::unavailable("redis cannot be reached").with_source(error)
}

/// The answer did not come in time.
pub(super) fn timed_out(what: &str) -> StateError {
    StateError::unavailable(format!("redis did not {what} in time"))
}

/// The answer is not of the form that the script gives it.
pub(super) fn unexpected() -> StateError {
    StateError::corrupt("redis gave an answer of an unknown form")
}

/// A key holds something else than it should.
pub(super) fn corrupt(key: &str) -> StateError {
    StateError::corrupt(format!(
        "what redis keeps in {key} cannot be read, or is of another version"
    ))
}

/// The URI cannot be used; the message holds nothing of it.
pub(super) fn bad_uri(why: &str) -> StateError {
    StateError::new(StateErrorKind::Invalid, format!("parse redis URI: {why}"))
}

fn from_answer(code: &str, detail: Option<&str>) -> StateError {
    let detail = detail.unwrap_or_default();
    // Redis 6 wraps an error inside a script into one of its own.
    let is_mistyped = code == "WRONGTYPE" || detail.contains("WRONGTYPE");
    let is_script_failure = detail.contains("user_script") && detail.contains("attempt to");
    let kind = if is_mistyped || is_script_failure {
        StateErrorKind::Corrupt
    } else {
        StateErrorKind::Unavailable
    };
    // The server repeats arguments of commands that it does not know.
    let detail = detail.split(", with args").next().unwrap_or_default();
    let detail: String = detail
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST_DETAIL)
        .collect();
    StateError::new(kind, format!("redis answered {code} {detail}").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_cannot_serve_now_is_unavailable() {
        for code in [
            "LOADING",
            "READONLY",
            "MASTERDOWN",
            "OOM",
            "MISCONF",
            "BUSY",
            "NOAUTH",
            "NOPERM",
            "ERR",
        ] {
            assert_eq!(
                from_answer(code, Some("for now")).kind(),
                StateErrorKind::Unavailable,
                "{code}"
            );
        }
    }

    #[test]
    fn a_key_of_another_type_is_corrupt_also_inside_a_script_of_redis_6() {
        assert_eq!(from_answer("WRONGTYPE", None).kind(), StateErrorKind::Corrupt);
        let wrapped = "Error running script (call to f_1): @user_script:1: WRONGTYPE Operation";
        assert_eq!(from_answer("ERR", Some(wrapped)).kind(), StateErrorKind::Corrupt);
    }

    #[test]
    fn arguments_that_the_server_repeats_are_not_passed_on() {
        let error = from_answer(
            "ERR",
            Some("unknown command 'EVAL', with args beginning with: 's3cret'"),
        );
        assert_eq!(error.message(), "redis answered ERR unknown command 'EVAL'");
    }
}
