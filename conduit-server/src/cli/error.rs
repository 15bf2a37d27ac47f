//! Why a command failed: what happened, where, and what to do.

use std::fmt;

use serde::Deserialize;

use super::console::plain;

/// What the exit code says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ErrorKind {
    /// It was tried, and failed: 1.
    Failed,
    /// It was asked for wrongly, and nothing was tried: 2.
    Usage,
    /// Nobody reads the output any more, which is no failure: 0.
    Unread,
}

/// One thing that is wrong with what was sent.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct Fault {
    pub(crate) field: String,
    pub(crate) message: String,
}

/// What a server said in refusing.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) errors: Vec<Fault>,
}

/// A failure of a command. Never holds a token.
#[derive(Debug)]
pub(crate) struct CliError(Box<Failure>);

#[derive(Debug)]
struct Failure {
    kind: ErrorKind,
    message: String,
    place: Option<String>,
    advice: Option<String>,
    refusal: Option<Refusal>,
}

impl CliError {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message.into())
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message.into())
    }

    pub(crate) fn unread() -> Self {
        Self::new(ErrorKind::Unread, String::new())
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        let message = match refusal.errors.len() {
            0 => refusal.detail.clone(),
            // Each is shown with its field.
            1 => "the server finds a fault".to_owned(),
            many => format!("the server finds {many} faults"),
        };
        let mut error = Self::failed(message);
        error.0.advice = advice(&refusal.code).map(str::to_owned);
        error.0.refusal = Some(refusal);
        error
    }

    fn new(kind: ErrorKind, message: String) -> Self {
        Self(Box::new(Failure {
            kind,
            message,
            place: None,
            advice: None,
            refusal: None,
        }))
    }

    /// Says where it happened: a request, a file.
    #[must_use]
    pub(crate) fn at(mut self, place: impl Into<String>) -> Self {
        self.0.place.get_or_insert(place.into());
        self
    }

    /// Says of what it is a part.
    #[must_use]
    pub(crate) fn within(mut self, whole: &str) -> Self {
        self.0.message = format!("{whole}: {}", self.0.message);
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub(crate) fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }

    /// What the server said, if it was the server that refused.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.0.refusal.as_ref()
    }

    /// The status of the server's answer, if it refused.
    pub(crate) fn status(&self) -> Option<u16> {
        self.0.refusal.as_ref().map(|refusal| refusal.status)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conduit: {}", plain(&self.0.message))?;
        if let Some(place) = &self.0.place {
            write!(f, "\n  at: {}", plain(place))?;
        }
        for Fault { field, message } in self.0.refusal.iter().flat_map(|refusal| &refusal.errors) {
            write!(f, "\n  {}: {}", plain(field), plain(message))?;
        }
        if let Some(advice) = &self.0.advice {
            write!(f, "\n  try: {advice}")?;
        }
        Ok(())
    }
}

/// What to do about a refusal, where its detail does not say it for this command line.
fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "unauthorized" => "set CONDUIT_API_TOKEN, or name the file that holds the token with --token-file",
        "read_only_token" => "use the admin token",
        "collection_not_found" => "`conduit collections list` shows what is configured",
        "destination_not_drained" => {
            "`conduit dlq redrive` or `conduit dlq purge` first, or repeat with --discard"
        }
        "deletion_protected" => "set deletion_protection to false with `conduit apply` first",
        "precondition_failed" | "version_conflict" => {
            "somebody else changed it meanwhile, which was not overwritten: repeat the command"
        }
        "no_worker" => "start a worker, `conduit-server worker`, or try again in a moment",
        "stream_disabled" => "set stream_enabled to true with `conduit apply` first",
        "destination_at_rest" => "`conduit resume` it first, or choose another with --destination",
        "history_lost" => "`conduit rewind --to` a later time or `--to now`",
        "dependency_unavailable" => "`conduit doctor` looks at what the server depends on",
        _ => return None,
    })
}
