//! The two images, missing ones, and bytes that are no JSON.

use conduit_core::{
    ClusterTime, CollectionName, EventId, EventPattern, Filter, Record, RecordKey, RecordParts, RecordType,
    Sequence, WallTime,
};

use crate::cases::pattern_of;

#[test]
fn both_images_must_match() {
    let pattern = pattern_of(r#"{"new_image":{"s":["paid"]},"old_image":{"s":[{"anything-but":["paid"]}]}}"#);
    let (open, paid) = (br#"{"s":"open"}"#.as_slice(), br#"{"s":"paid"}"#.as_slice());
    assert!(pattern.uses_old_image());
    assert!(pattern.matches(Some(paid), Some(open)));
    assert!(!pattern.matches(Some(paid), Some(paid)));
    assert!(!pattern.matches(Some(open), Some(open)));
    assert!(!pattern.matches(Some(paid), None));
    assert!(!pattern.matches(None, Some(open)));
}

#[test]
fn a_missing_image_is_a_missing_field() {
    let absent = pattern_of(r#"{"newImage":{"status":[{"exists":false}]}}"#);
    assert!(!absent.uses_old_image());
    assert!(absent.matches(None, Some(b"{}")));
    assert!(absent.matches(Some(b"null"), None));
    assert!(!absent.matches(Some(br#"{"status":null}"#), None));
    for condition in [r#"{"anything-but":"x"}"#, r#"{"exists":true}"#, "null", r#""""#] {
        let pattern = pattern_of(&format!("{{\"newImage\":{{\"status\":[{condition}]}}}}"));
        assert!(!pattern.matches(None, Some(br#"{"status":"y"}"#)), "{condition}");
        assert!(!pattern.matches(Some(b"null"), None), "{condition}");
    }
    let pattern = pattern_of(r#"{"new_image":{"s":[{"exists":false},{"anything-but":"x"}]}}"#);
    assert!(pattern.matches(None, None) && pattern.matches(Some(br#"{"s":1}"#), None));
    assert!(!pattern.matches(Some(br#"{"s":"x"}"#), None));
}

#[test]
fn an_image_as_a_whole_is_an_object_and_so_no_value() {
    let pattern = pattern_of(r#"{"old_image":[{"exists":false}]}"#);
    assert!(pattern.uses_old_image());
    assert!(pattern.matches(None, None) && pattern.matches(None, Some(br#"{"a":1}"#)));
    assert!(!pattern_of(r#"{"new_image":[{"exists":true}]}"#).matches(Some(br#"{"a":1}"#), None));
}

#[test]
fn images_have_two_spellings_and_dots_part_names() {
    let document = Some(br#"{"a":{"b":1}}"#.as_slice());
    for text in [
        r#"{"new_image":{"a":{"b":[1]}}}"#,
        r#"{"newImage":{"a.b":[1]}}"#,
        r#"{"new_image.a":{"b":[1]}}"#,
        r#"{"newImage.a.b":[1]}"#,
    ] {
        assert!(pattern_of(text).matches(document, None), "{text}");
    }
    for text in [r#"{"old_image":{"a":{"b":[1]}}}"#, r#"{"oldImage":{"a.b":[1]}}"#] {
        assert!(pattern_of(text).matches(None, document), "{text}");
        assert!(!pattern_of(text).matches(document, None), "{text}");
    }
}

#[test]
fn bytes_that_are_no_json_match_nothing() {
    let patterns = [
        pattern_of(r#"{"new_image":{"a":[1]}}"#),
        pattern_of(r#"{"new_image":{"b":[{"exists":false}]}}"#),
        pattern_of(
            r#"{"$or":[{"new_image":{"b":[{"exists":false}]}},{"old_image":{"b":[{"exists":false}]}}]}"#,
        ),
    ];
    let deep = |depth: usize| format!("{{\"a\":1,\"c\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    for pattern in &patterns {
        for bad in [
            "",
            " ",
            "{",
            r#"{"a":1"#,
            r#"{"a":1}}"#,
            r#"{"a":1} x"#,
            r#"{"a":1,}"#,
            r#"{"a":1,"c":tru}"#,
            r#"{"a":1,"c":"\q"}"#,
            r#"{"a":1,"c":01}"#,
            r#"{a:1}"#,
            r#"{"a":1,"c":[1}"#,
            &deep(256),
            &deep(100_000),
        ] {
            assert!(!pattern.matches(Some(bad.as_bytes()), None), "{bad}");
            let explanations = pattern.explain(Some(bad.as_bytes()), None);
            assert!(!pattern.verdict(&explanations), "{bad}");
        }
        assert!(pattern.matches(Some(b" { \"a\" : 1 } \n"), None));
        assert!(pattern.matches(Some(deep(255).as_bytes()), None));
    }
    // An image that the pattern does not name is not looked at.
    assert!(patterns[0].matches(Some(br#"{"a":1}"#), Some(b"no json")));
    // Where the pattern leads on, it is no deeper.
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(!patterns[1].matches(Some(format!("{{\"b\":{deep}}}").as_bytes()), None));
    let nested = "{\"a\":".repeat(5_000);
    assert!(!patterns[0].matches(Some(nested.as_bytes()), None));
}

#[test]
fn a_pattern_filters_records() {
    let record = |new_image: Option<&[u8]>, old_image: Option<&[u8]>| {
        Record::new(RecordParts {
            event_id: EventId::new("e1"),
            collection: CollectionName::new("orders").unwrap(),
            record_type: RecordType::Modify,
            key: RecordKey::of(b"k"),
            keys: br#"{"_id":1}"#,
            new_image,
            old_image,
            timestamp: WallTime::from_millis(0),
            time: ClusterTime::new(1, 1),
            sequence: Sequence::whole("82AB"),
        })
    };
    let filter: Box<dyn Filter> = Box::new(pattern_of(r#"{"new_image":{"a":[1]},"old_image":{"a":[2]}}"#));
    assert!(filter.matches(&record(Some(br#"{"a":1}"#), Some(br#"{"a":2}"#))));
    assert!(!filter.matches(&record(Some(br#"{"a":2}"#), Some(br#"{"a":1}"#))));
    assert!(!filter.matches(&record(None, None)));
}

#[test]
fn a_pattern_shows_its_text_and_is_cheap_to_clone() {
    let text = r#"{"new_image":{"a":[1]}}"#;
    let pattern: EventPattern = text.parse().unwrap();
    assert_eq!(pattern.clone().as_str(), text);
    assert_eq!(format!("{pattern:?}"), format!("EventPattern({text:?})"));
}
