//! A pattern that is ready to decide records.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::bits::Bits;
use super::error::PatternError;
use super::expand::{Rule, expand};
use super::explain::{Explanation, explain};
use super::parse::{Field, Image, Written, parse};
use super::tree::Tree;

/// A filter over the images of a record, in the language of EventBridge event patterns.
///
/// It is read once and decides any number of records, in one pass over the bytes of their images and without allocating.
/// A clone is cheap and shares everything. As a [`Filter`](crate::Filter) it lets a subscription deliver only the records
/// that match.
///
/// ```
/// use conduit_core::EventPattern;
///
/// let pattern = EventPattern::parse(
///     r#"{"new_image": {"status": ["paid"], "total": [{"numeric": [">", 100]}]},
///         "old_image": {"status": [{"anything-but": "paid"}]}}"#,
/// )?;
/// let (new, old) = (br#"{"status":"paid","total":250.0}"#, br#"{"status":"open"}"#);
/// assert!(pattern.matches(Some(new), Some(old)));
/// assert!(!pattern.matches(Some(new), Some(new)));
/// // Without an old image there is no status to be anything but "paid".
/// assert!(!pattern.matches(Some(new), None));
///
/// let error = EventPattern::parse(r#"{"new_image": {"total": [{"numeric": [">", "100"]}]}}"#).unwrap_err();
/// assert_eq!(error.faults()[0].path(), "new_image.total[0].numeric");
/// # Ok::<(), conduit_core::PatternError>(())
/// ```
#[derive(Clone)]
pub struct EventPattern(Arc<Inner>);

struct Inner {
    text: String,
    fields: Vec<Field>,
    rules: Vec<Rule>,
    decision: Decision,
}

/// Small sets for nearly every pattern, large ones for the others.
enum Decision {
    Small(Tree<u64>),
    Large(Tree<[u64; 4]>),
}

impl EventPattern {
    /// Reads a pattern from its JSON text: an object with `new_image`, `old_image` or both (`newImage` and `oldImage` are
    /// taken too). Of two members of one name the last counts.
    ///
    /// At most 8 KiB, 32 names deep, 256 fields once every `$or` is multiplied out, and 16 stars in a wildcard.
    ///
    /// # Errors
    /// If the text is no pattern: all that is wrong with it, each with its place.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let Written { parts, fields } = parse(text)?;
        let rules = expand(&parts, &fields)?;
        let leaves: usize = rules.iter().map(Vec::len).sum();
        let decision = if leaves <= u64::CAPACITY {
            Decision::Small(Tree::new(&rules, &fields))
        } else {
            Decision::Large(Tree::new(&rules, &fields))
        };
        let text = text.to_owned();
        Ok(Self(Arc::new(Inner {
            text,
            fields,
            rules,
            decision,
        })))
    }

    /// Whether a record with these images matches. Each is the JSON of a document; one that is missing has no fields. An
    /// image that is not JSON, or that nests deeper than 256 levels, matches nothing.
    ///
    /// Takes time in proportion to the size of the images and allocates nothing.
    #[must_use]
    pub fn matches(&self, new_image: Option<&[u8]>, old_image: Option<&[u8]>) -> bool {
        match &self.0.decision {
            Decision::Small(tree) => tree.matches(new_image, old_image),
            Decision::Large(tree) => tree.matches(new_image, old_image),
        }
    }

    /// Says of each field of the pattern, in the order of the text, whether the record has it as it should be.
    ///
    /// All that stands outside of `$or` must match, and all of one alternative of each `$or`; [`Self::verdict`] draws that
    /// conclusion, and it is always that of [`Self::matches`]. So of fields that match only in different elements of one
    /// array, one at least is said not to match. This is for people: it allocates, and takes a pass for each field.
    #[must_use]
    pub fn explain(&self, new_image: Option<&[u8]>, old_image: Option<&[u8]>) -> Vec<Explanation> {
        let matches = self.matches(new_image, old_image);
        let shown = self.shown();
        explain(
            &self.0.fields,
            &self.0.rules,
            &shown,
            matches,
            new_image,
            old_image,
        )
    }

    /// What [`Self::explain`] of this pattern comes to: whether the record matches.
    #[must_use]
    pub fn verdict(&self, explanations: &[Explanation]) -> bool {
        let shown = self.shown();
        let is_matched = |field: &usize| {
            let at = shown.binary_search(field).ok();
            at.and_then(|at| explanations.get(at))
                .is_some_and(|explanation| explanation.matched)
        };
        self.0.rules.iter().any(|rule| rule.iter().all(is_matched))
    }

    /// Whether the pattern says anything of the old image.
    #[must_use]
    pub fn uses_old_image(&self) -> bool {
        let fields = &self.0.fields;
        self.0
            .rules
            .iter()
            .flatten()
            .any(|&field| fields[field].image == Image::Old)
    }

    /// Returns the text that the pattern was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The fields that count, in the order of the text.
    fn shown(&self) -> Vec<usize> {
        let mut shown = self.0.rules.concat();
        shown.sort_unstable();
        shown.dedup();
        shown
    }
}

impl FromStr for EventPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Debug for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventPattern").field(&self.0.text).finish()
    }
}
