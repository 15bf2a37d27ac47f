//! Versions of configurations, so that two people do not overwrite each other.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::catalog::{Entry, Faults};

/// Answers with a configuration and its version.
pub(super) fn versioned(status: StatusCode, entry: &Entry) -> Response {
    let etag = format!("\"{}\"", entry.version);
    (status, [(header::ETAG, etag)], Json(entry.config.show())).into_response()
}

/// `If-Match`: the versions that a change is meant for; of any without it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// Refuses a change of another version than it is meant for.
    pub(super) fn check(&self, entry: &Entry) -> Result<(), Problem> {
        let stored = entry.version;
        let is_meant = |wanted: &String| *wanted == stored.to_string();
        if self.0.as_ref().is_none_or(|wanted| wanted.iter().any(is_meant)) {
            return Ok(());
        }
        let detail =
            format!("the collection is at version \"{stored}\", not at the one of If-Match: read it again");
        Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition_failed",
            detail,
        ))
    }

    fn read<'a>(lines: impl Iterator<Item = Option<&'a str>>) -> Result<Self, Faults> {
        let wrong = || {
            Faults::of(
                "If-Match",
                "must be versions as ETag has them, such as \"3\", or *",
            )
        };
        let mut wanted = Vec::new();
        let mut is_given = false;
        for line in lines {
            is_given = true;
            let line = line.ok_or_else(wrong)?.trim();
            if line == "*" {
                return Ok(Self(None));
            }
            // What people type who leave the quotes to others.
            if !line.is_empty() && line.bytes().all(|c| c.is_ascii_digit()) {
                wanted.push(line.to_owned());
                continue;
            }
            let mut rest = line;
            loop {
                let (is_weak, tag) = match rest.strip_prefix("W/") {
                    Some(tag) => (true, tag),
                    None => (false, rest),
                };
                let tag = tag.strip_prefix('"').ok_or_else(wrong)?;
                let (tag, after) = tag.split_once('"').ok_or_else(wrong)?;
                // A weak one never matches, as RFC 9110 has it.
                if !is_weak {
                    wanted.push(tag.to_owned());
                }
                match after.trim_start().strip_prefix(',') {
                    Some(next) => rest = next.trim_start(),
                    None if after.trim_start().is_empty() => break,
                    None => return Err(wrong()),
                }
            }
        }
        Ok(Self(is_given.then_some(wanted)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let lines = parts.headers.get_all(header::IF_MATCH);
        Ok(Self::read(lines.iter().map(|line| line.to_str().ok()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precondition_is_a_list_of_versions_or_any() {
        let read = |lines: &[&'static str]| IfMatch::read(lines.iter().map(|line| Some(*line)));
        let of = |tags: &[&str]| Ok(IfMatch(Some(tags.iter().map(|&tag| tag.to_owned()).collect())));
        assert_eq!(read(&[]), Ok(IfMatch(None)));
        assert_eq!(read(&["*"]), Ok(IfMatch(None)));
        assert_eq!(read(&["\"3\""]), of(&["3"]));
        assert_eq!(read(&["3"]), of(&["3"]));
        assert_eq!(read(&["\"3\", \"4\"", "\"5\""]), of(&["3", "4", "5"]));
        assert_eq!(read(&["W/\"3\""]), of(&[]));
        assert_eq!(read(&["\"a,b\" ,W/\"c\",\"\""]), of(&["a,b", ""]));
        for wrong in ["", "3x", "3, 4", "\"3", "\"3\"4\"", "\"3\",", "* , \"3\""] {
            assert!(read(&[wrong]).is_err(), "{wrong:?}");
        }
        assert!(IfMatch::read([None].into_iter()).is_err());
    }
}
