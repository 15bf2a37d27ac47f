//! What holds for all patterns and documents.

use conduit_core::EventPattern;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::documents::{conditions, document};
use crate::reference;

fn parsed(conditions: &Value) -> Option<EventPattern> {
    EventPattern::parse(&json!({"new_image": conditions}).to_string()).ok()
}

fn is_matched(pattern: &EventPattern, document: &Value) -> bool {
    pattern.matches(Some(document.to_string().as_bytes()), None)
}

/// Adds to `object` what the document says, as lists.
fn pattern_from(document: &Value) -> Option<Value> {
    match document {
        Value::Object(members) => {
            let fields: Map<String, Value> = members
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), pattern_from(value)?)))
                .collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        Value::Array(elements) => elements.iter().find_map(pattern_from),
        value => Some(json!([value])),
    }
}

/// The string with each character as an escape.
fn escaped(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// JSON in which all strings and names are escapes, with spaces between.
fn spelled_out(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter();
            let members =
                members.map(|(name, value)| format!("\"{}\" : {}", escaped(name), spelled_out(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(" ,\n"))
        }
        Value::Array(elements) => {
            format!(
                "[ {} ]",
                elements.iter().map(spelled_out).collect::<Vec<_>>().join(" , ")
            )
        }
        Value::String(text) => format!("\"{}\"", escaped(text)),
        other => other.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_global_rejects: 1_000_000, ..ProptestConfig::default() })]

    #[test]
    fn it_says_what_trying_everything_says(conditions in conditions(), document in document()) {
        if let Some(pattern) = parsed(&conditions) {
            let expected = reference::matches(&conditions, &document);
            prop_assert_eq!(is_matched(&pattern, &document), expected, "{}", document);
            let spelled = spelled_out(&document);
            prop_assert_eq!(pattern.matches(Some(spelled.as_bytes()), None), expected, "{}", spelled);
        }
    }

    #[test]
    fn an_explanation_comes_to_the_same(conditions in conditions(), document in document()) {
        if let Some(pattern) = parsed(&conditions) {
            let text = document.to_string();
            let explanations = pattern.explain(Some(text.as_bytes()), None);
            prop_assert_eq!(pattern.verdict(&explanations), is_matched(&pattern, &document), "{}", text);
        }
    }

    #[test]
    fn or_is_the_same_as_each_alternative_by_itself(
        alternatives in proptest::collection::vec(conditions(), 2..4),
        document in document(),
    ) {
        if let Some(pattern) = parsed(&json!({"x": {"$or": alternatives}})) {
            let document = json!({"x": document});
            let each = alternatives.iter().any(|alternative| {
                parsed(&json!({"x": alternative})).is_some_and(|pattern| is_matched(&pattern, &document))
            });
            prop_assert_eq!(is_matched(&pattern, &document), each);
        }
    }

    #[test]
    fn a_pattern_of_what_a_document_says_matches_it(document in document()) {
        if let Some(conditions) = pattern_from(&document) {
            let pattern = parsed(&conditions);
            prop_assert!(pattern.is_some_and(|pattern| is_matched(&pattern, &document)), "{}", conditions);
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(conditions in conditions(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(pattern) = parsed(&conditions) {
            let _ = pattern.matches(Some(&bytes), Some(&bytes));
            let _ = pattern.explain(Some(&bytes), None);
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = EventPattern::parse(text);
        }
    }

    #[test]
    fn broken_documents_and_patterns_do_no_harm(
        conditions in conditions(),
        document in document(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let broken = |text: String| {
            let mut bytes = text.into_bytes();
            for (index, byte) in &changes {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes.truncate(cut.index(bytes.len() * 2));
            bytes
        };
        let bytes = broken(document.to_string());
        if let Some(pattern) = parsed(&conditions) {
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
            prop_assert!(is_json || !pattern.matches(Some(&bytes), None), "{:?}", String::from_utf8_lossy(&bytes));
            let explanations = pattern.explain(Some(&bytes), None);
            prop_assert_eq!(pattern.verdict(&explanations), pattern.matches(Some(&bytes), None));
        }
        if let Ok(text) = String::from_utf8(broken(json!({"new_image": conditions}).to_string())) {
            let _ = EventPattern::parse(&text).map(|pattern| pattern.matches(Some(&bytes), None));
        }
    }
}

/// How many cases of each property: 400, or `CONDUIT_FILTER_CASES`.
fn cases() -> u32 {
    let set = std::env::var("CONDUIT_FILTER_CASES").ok();
    set.and_then(|set| set.parse().ok()).unwrap_or(400)
}
