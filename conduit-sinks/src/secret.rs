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

    /// The forms in which the credential may stand in a text: as it is, and as it is written inside JSON, which escapes
    /// quotes and backslashes, and by some encoders the slash.
    fn forms(&self) -> Vec<String> {
        let plain = self.0.to_string();
        let quoted = plain.replace('\\', "\\\\").replace('"', "\\\"");
        let slashed = quoted.replace('/', "\\/");
        let mut forms = vec![plain, quoted, slashed];
        forms.dedup();
        forms.retain(|form| !form.is_empty());
        forms
    }
}

/// Replaces every occurrence of the credentials in `text`, also as they are written inside JSON. Where `text` is only the
/// beginning of something, a beginning of a credential at its very end is replaced too.
pub(crate) fn mask<'a>(secrets: impl IntoIterator<Item = &'a Secret>, text: &str, extent: Extent) -> String {
    let mut hidden = Vec::new();
    for form in secrets.into_iter().flat_map(Secret::forms) {
        let found = text.match_indices(&form);
        hidden.extend(found.map(|(start, _)| start..start + form.len()));
        if extent == Extent::Beginning {
            let starts = form.char_indices().map(|(index, char)| index + char.len_utf8());
            let partial = starts.filter(|end| text.ends_with(&form[..*end])).max();
            hidden.extend(partial.map(|length| text.len() - length..text.len()));
        }
    }
    hidden.sort_unstable_by_key(|range| range.start);
    let mut masked = String::with_capacity(text.len());
    let mut end = 0;
    for range in hidden {
        if range.start >= end {
            masked.push_str(&text[end..range.start]);
            masked.push_str(MASK);
        }
        end = end.max(range.end);
    }
    masked.push_str(&text[end..]);
    masked
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
                mask(
                    std::slice::from_ref(&secret),
                    &format!("x {form} y {form}"),
                    Extent::Whole
                ),
                "x ******** y ********"
            );
        }
    }

    #[test]
    fn a_secret_that_was_cut_through_is_masked_too() {
        let secrets = [Secret::new("to/ken")];
        assert_eq!(
            mask(&secrets, "to/ken to/k", Extent::Beginning),
            "******** ********"
        );
        assert_eq!(mask(&secrets, r"x to\/ke", Extent::Beginning), "x ********");
        assert_eq!(mask(&secrets, "x to/k", Extent::Whole), "x to/k");
    }

    #[test]
    fn secrets_that_overlap_or_are_like_the_mask_leave_nothing_of_themselves() {
        let secrets = ["abc", "cde", "*", "", "b"].map(Secret::new);
        assert_eq!(
            mask(&secrets, "x abcde * y", Extent::Whole),
            "x ******** ******** y"
        );
    }
}
