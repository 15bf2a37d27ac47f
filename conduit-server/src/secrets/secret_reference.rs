//! Names where a secret is, in place of the secret.

use serde_json::{Value, json};

use super::VARIABLE_PREFIX;

/// Most bytes of a name.
const MAX_NAME: usize = 255;

/// A secret that the worker reads where it runs: `{"env": "CONDUIT_DEST_…"}` or `{"file": "NAME"}`.
///
/// The limits (one prefix, one folder) keep whoever may configure destinations from having the server send its own
/// environment or files somewhere. The reference is no secret, and is shown as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretReference {
    /// An environment variable whose name begins with `CONDUIT_DEST_`.
    Variable(String),
    /// A file of this name in `CONDUIT_SECRETS_DIR`.
    File(String),
}

impl SecretReference {
    /// Reads a reference.
    ///
    /// # Errors
    /// What it must be. What was given is not repeated: it may be the secret itself.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let members = value.as_object().map(|object| {
            let mut members = object.iter();
            (members.next(), members.next())
        });
        let Some((Some((kind, Value::String(name))), None)) = members else {
            return Err(expected());
        };
        match kind.as_str() {
            "env" if is_variable(name) => Ok(Self::Variable(name.clone())),
            "env" => Err(format!(
                "env must name a variable that begins with {VARIABLE_PREFIX}, followed by letters, digits or _"
            )),
            "file" if is_file_name(name) => Ok(Self::File(name.clone())),
            "file" => Err(
                "file must be the name of a file in CONDUIT_SECRETS_DIR: letters, digits, `.`, `_` and `-`, \
                 without folders"
                    .to_owned(),
            ),
            _ => Err(expected()),
        }
    }

    /// Returns what was read.
    pub(crate) fn show(&self) -> Value {
        match self {
            Self::Variable(name) => json!({ "env": name }),
            Self::File(name) => json!({ "file": name }),
        }
    }
}

fn expected() -> String {
    format!(r#"must be a string, {{"env": "{VARIABLE_PREFIX}…"}} or {{"file": "NAME"}}"#)
}

fn is_variable(name: &str) -> bool {
    let rest = name.strip_prefix(VARIABLE_PREFIX).unwrap_or_default();
    let is_legal = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    !rest.is_empty() && name.len() <= MAX_NAME && rest.bytes().all(is_legal)
}

fn is_file_name(name: &str) -> bool {
    let is_legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(is_legal)
        && name != "."
        && !name.starts_with("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_of_the_prefix_and_a_plain_file_name_are_taken_and_shown_as_they_are() {
        for value in [
            json!({"env": "CONDUIT_DEST_ORDERS"}),
            json!({"env": "CONDUIT_DEST_a1_"}),
            json!({"file": "orders-token"}),
            json!({"file": ".token_1.txt"}),
        ] {
            assert_eq!(SecretReference::read(&value).unwrap().show(), value);
        }
    }

    #[test]
    fn everything_else_is_refused_without_being_repeated() {
        let long = "x".repeat(300);
        for value in [
            json!({"env": "MONGODB_URI"}),
            json!({"env": "CONDUIT_SECRET_KEY"}),
            json!({"env": "CONDUIT_DEST_"}),
            json!({"env": "conduit_dest_hunter2"}),
            json!({"env": "CONDUIT_DEST_hunter2=x"}),
            json!({"env": "CONDUIT_DEST_hunter2\u{0}"}),
            json!({"env": "CONDUIT_DEST_hunter2é"}),
            json!({"env": format!("CONDUIT_DEST_{long}")}),
            json!({"env": 1}),
            json!({"file": ""}),
            json!({"file": "."}),
            json!({"file": ".."}),
            json!({"file": "..data"}),
            json!({"file": "../hunter2"}),
            json!({"file": "a/hunter2"}),
            json!({"file": "a\\hunter2"}),
            json!({"file": "/etc/hunter2"}),
            json!({"file": "hunter2\n"}),
            json!({"file": "hunter2\u{0}"}),
            json!({"file": long}),
            json!({"file": null}),
            json!({"env": "CONDUIT_DEST_A", "file": "a"}),
            json!({"env": "CONDUIT_DEST_A", "hunter2": 1}),
            json!({"vault": "hunter2"}),
            json!({}),
            json!(["hunter2"]),
            json!(1),
        ] {
            let message = SecretReference::read(&value).expect_err(&value.to_string());
            assert!(!message.contains("hunter2"), "{value}: {message}");
        }
    }
}
