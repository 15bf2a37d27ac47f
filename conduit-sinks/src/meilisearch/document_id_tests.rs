use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn id(keys: &str) -> String {
    DocumentId::of(keys.as_bytes()).unwrap().0
}

fn is_legal(id: &str) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[test]
fn ids_never_change_between_versions() {
    for (keys, expected) in [
        (
            r#"{"_id":"65f0c0ffee65f0c0ffee65f0"}"#,
            "65f0c0ffee65f0c0ffee65f0",
        ),
        (
            r#"{"_id":"0d3f0cf6-9d2f-4e09-a8d2-3d0b4ac9d5b1"}"#,
            "0d3f0cf6-9d2f-4e09-a8d2-3d0b4ac9d5b1",
        ),
        (r#"{"_id":"USER#1"}"#, "USER_231"),
        (r#"{"_id":"user_1"}"#, "user__1"),
        (r#"{"_id":"ä"}"#, "_C3_A4"),
        (r#"{"_id":"\u00e4"}"#, "_C3_A4"),
        (r#"{"_id":"1"}"#, "1"),
        (r#"{"_id":1}"#, "_v1"),
        (r#"{"_id":-1.5}"#, "_v-1_2E5"),
        (r#"{"_id":null}"#, "_vnull"),
        (r#"{"_id":"null"}"#, "null"),
        (r#"{"_id":""}"#, "_s"),
        (r#"{"_id":{"a":1}}"#, "_v_7B_22a_22_3A1_7D"),
        (r#"{"tenant":"eu-1","number":7}"#, "_ktenant_seu-1_knumber_v7"),
        (r#"{"email":"a@b"}"#, "_kemail_sa_40b"),
        (r#"{"_id":"a","b":"c"}"#, "_k__id_sa_kb_sc"),
        (r#"{"":""}"#, "_k_s"),
    ] {
        assert_eq!(id(keys), expected, "{keys}");
        assert!(is_legal(expected));
    }
}

#[test]
fn keys_that_are_no_object_or_an_empty_one_have_no_id() {
    for keys in ["", "1", "{}", "[1]", "null"] {
        assert_eq!(DocumentId::of(keys.as_bytes()), None, "{keys}");
    }
}

#[test]
fn an_id_that_would_be_too_long_is_a_digest_of_it() {
    let longest = id(&format!(r#"{{"_id":"{}"}}"#, "x".repeat(MAX_LENGTH)));
    assert_eq!(longest.len(), MAX_LENGTH);
    let first = id(&format!(r#"{{"_id":"{}1"}}"#, "x".repeat(MAX_LENGTH)));
    let second = id(&format!(r#"{{"_id":"{}2"}}"#, "x".repeat(MAX_LENGTH)));
    assert_ne!(first, second);
    assert!(first.starts_with("_h") && first.len() == 66, "{first}");
    assert_eq!(DocumentId::keys_of(&first), None);
    assert_ne!(
        id(&format!(r#"{{"_id":"{first}"}}"#)),
        first,
        "a text that looks like one"
    );
}

#[test]
fn what_is_no_id_has_no_keys() {
    for text in [
        "",
        "_",
        "_x",
        "_v",
        "_1",
        "_4g",
        "_k",
        "_ka",
        "_ka_sb_",
        "a_sb",
        "a b",
        "ä",
        "_FF",
        "_sa_kb_sc",
    ] {
        assert_eq!(DocumentId::keys_of(text), None, "{text}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "[a-c_#-]{0,4}".prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9a-f]{24}".prop_map(Value::from),
        (0i64..20).prop_map(Value::from),
        (0i64..20).prop_map(|number| Value::from(number.to_string())),
        // So that some are too long.
        "[a-z ]{480,520}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-c_]{0,2}", inner), 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn keys() -> impl Strategy<Value = String> {
    let of_id = value().prop_map(|value| json!({ "_id": value }).to_string());
    let of_fields = prop::collection::vec(("[a-c_]{0,3}|.{0,4}", value()), 1..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()).to_string());
    prop_oneof![3 => of_id, 2 => of_fields]
}

proptest! {
    #[test]
    fn an_id_is_legal_and_turns_back_into_its_keys(keys in keys()) {
        let id = id(&keys);
        prop_assert!(is_legal(&id), "{keys} is {id}");
        match DocumentId::keys_of(&id) {
            Some(read) => prop_assert_eq!(read, keys),
            None => prop_assert!(id.starts_with("_h"), "{} is {}", keys, id),
        }
    }

    #[test]
    fn different_keys_have_different_ids(many in prop::collection::vec(keys(), 2..40)) {
        let mut seen = HashMap::new();
        for keys in many {
            let other = seen.entry(id(&keys)).or_insert_with(|| keys.clone());
            prop_assert_eq!(&*other, &keys);
        }
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "[_ksvh0-9A-Fa-f-]{0,12}|.{0,8}") {
        if let Some(keys) = DocumentId::keys_of(&text)
            && let Some(made) = DocumentId::of(keys.as_bytes())
        {
            // What reads at all and makes an id makes the same one.
            let again = DocumentId::keys_of(made.as_str());
            prop_assert!(again.is_some());
        }
    }
}
