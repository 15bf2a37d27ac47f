//! A text that must not be shown.

use std::fmt;

/// What stands wherever a secret would be shown.
const MASK: &str = "********";

/// A credential: neither its `Debug` nor its `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes over a credential.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the credential itself, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Replaces every occurrence of the credential in `text`, also as it is written inside JSON. Where `text` is only
    /// the beginning of something, a beginning of the credential at its very end is replaced too.
    pub(crate) fn mask(&self, text: &str, extent: Extent) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        // JSON escapes quotes and backslashes, and some encoders the slash.
        let quoted = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        let slashed = quoted.replace('/', "\\/");
        let forms = [&*slashed, &*quoted, &*self.0];
        let mut masked = text.to_owned();
        for form in forms {
            masked = masked.replace(form, MASK);
        }
        if extent == Extent::Beginning {
            let ends = |form: &str| {
                let starts = form.char_indices().map(|(index, char)| index + char.len_utf8());
                starts
                    .filter(|end| masked.ends_with(&form[..*end]))
                    .max()
                    .unwrap_or(0)
            };
            let partial = forms.into_iter().map(ends).max().unwrap_or(0);
            if partial > 0 {
                masked.truncate(masked.len() - partial);
                masked.push_str(MASK);
            }
        }
        masked
    }
}

/// Whether a text is all there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// Nothing is missing.
    Whole,
    /// It was cut off somewhere.
    Beginning,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T: Into<Box<str>>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret}"), "******** ********");
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn a_secret_is_masked_however_it_is_escaped() {
        let secret = Secret::new(r#"a/b"c\d"#);
        for form in [r#"a/b"c\d"#, r#"a/b\"c\\d"#, r#"a\/b\"c\\d"#] {
            assert_eq!(
                secret.mask(&format!("x {form} y {form}"), Extent::Whole),
                "x ******** y ********"
            );
        }
    }

    #[test]
    fn a_secret_that_was_cut_through_is_masked_too() {
        let secret = Secret::new("to/ken");
        assert_eq!(secret.mask("to/ken to/k", Extent::Beginning), "******** ********");
        assert_eq!(secret.mask(r"x to\/ke", Extent::Beginning), "x ********");
        assert_eq!(secret.mask("x to/k", Extent::Whole), "x to/k");
    }
}
