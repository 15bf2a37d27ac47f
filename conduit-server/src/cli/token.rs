//! The token that requests carry, which is never shown.

use std::fmt;
use std::path::Path;

use hyper::header::HeaderValue;

use super::error::CliError;

/// The environment variable that holds it.
pub(crate) const VARIABLE: &str = "CONDUIT_API_TOKEN";

/// A token, ready to be sent. It is not taken as an argument: `ps` shows those to everybody on the machine.
#[derive(Clone)]
pub(crate) struct Token(HeaderValue);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    /// Reads it from a file if one is named, else from the environment; `None` if there is none.
    ///
    /// # Errors
    /// `Usage` if the file cannot be read or is empty, or if what is there is no token.
    pub(crate) fn find(file: Option<&Path>) -> Result<Option<Self>, CliError> {
        let Some(file) = file else {
            let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) else {
                return Ok(None);
            };
            let text = text.into_string().unwrap_or_default();
            return Self::new(&text).map(Some).map_err(|error| error.at(VARIABLE));
        };
        let place = file.display().to_string();
        let read = std::fs::read_to_string(file);
        let text = read.map_err(|error| {
            CliError::usage(format!("the token file cannot be read: {error}")).at(place.as_str())
        })?;
        Self::new(text.trim()).map(Some).map_err(|error| error.at(place))
    }

    fn new(text: &str) -> Result<Self, CliError> {
        let no_token = || CliError::usage("there is no token in it: one line of visible ASCII is expected");
        let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let header = HeaderValue::from_str(&format!("Bearer {text}")).ok();
        let mut header = header.filter(|_| is_token).ok_or_else(no_token)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    /// The value of the `Authorization` header.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown_and_has_no_spaces() {
        let token = Token::new("s3cret").unwrap();
        assert_eq!(token.header(), "Bearer s3cret");
        assert!(!format!("{token:?} {:?}", token.header()).contains("s3cret"));
        for wrong in ["", "two words", "line\nbreak", "ü"] {
            let error = Token::new(wrong).unwrap_err();
            assert!(wrong.is_empty() || !error.to_string().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_file_may_end_with_a_line_break() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let token = Token::find(Some(file.path())).unwrap().unwrap();
        assert_eq!(token.header(), "Bearer s3cret");
        assert!(Token::find(Some(Path::new("/nowhere/at/all"))).is_err());
    }
}
