//! Runs a table of cases.

use conduit_core::EventPattern;

/// What the pattern says of the new image, the new image, and whether it matches.
pub(crate) type Case = (&'static str, &'static str, bool);

pub(crate) fn pattern_of(text: &str) -> EventPattern {
    EventPattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Checks each case, and that its explanation comes to the same; names all that are wrong.
pub(crate) fn check(cases: &[Case]) {
    let mut wrong = Vec::new();
    for (pattern, document, expected) in cases {
        let pattern = pattern_of(&format!("{{\"new_image\":{pattern}}}"));
        let new_image = Some(document.as_bytes());
        if pattern.matches(new_image, None) != *expected {
            wrong.push(format!("{} on {document} must be {expected}", pattern.as_str()));
        }
        let explanations = pattern.explain(new_image, None);
        if pattern.verdict(&explanations) != *expected {
            wrong.push(format!("{} on {document} is explained wrongly", pattern.as_str()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
