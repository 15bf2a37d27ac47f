//! What people are told about a record.

use serde_json::{Value, json};

use crate::cases::pattern_of;

fn explained(pattern: &str, new_image: &str) -> Value {
    let pattern = pattern_of(&format!("{{\"new_image\":{pattern}}}"));
    serde_json::to_value(pattern.explain(Some(new_image.as_bytes()), None)).unwrap()
}

#[test]
fn each_field_is_told_with_what_was_found() {
    assert_eq!(
        explained(
            r#"{"status":["paid"],"total":[{"numeric":[">",100]}],"note":[{"prefix":"a"},{"suffix":{"equals-ignore-case":"b"}},null,"x"],
                "gone":[{"exists":false}],"by":{"name":[{"anything-but":{"prefix":"root"}}]}}"#,
            r#"{"status":"paid","total":50,"by":{"name":"rooted"}}"#,
        ),
        json!([
            {"path": "new_image.status", "operator": "equals", "matched": true, "found": "paid"},
            {"path": "new_image.total", "operator": "numeric", "matched": false, "found": 50},
            {"path": "new_image.note", "operator": "prefix or suffix equals-ignore-case or equals", "matched": false, "found": null},
            {"path": "new_image.gone", "operator": "exists", "matched": true, "found": null},
            {"path": "new_image.by.name", "operator": "anything-but prefix", "matched": false, "found": "rooted"},
        ])
    );
}

#[test]
fn what_is_found_through_arrays_is_told_as_a_list() {
    let found = |pattern: &str, document: &str| explained(pattern, document)[0]["found"].clone();
    assert_eq!(found(r#"{"a":["x"]}"#, r#"{"a":["x","y"]}"#), json!(["x", "y"]));
    assert_eq!(
        found(r#"{"a":{"b":["x"]}}"#, r#"{"a":[{"b":"x"},{"c":1},{"b":["y"]}]}"#),
        json!(["x", ["y"]])
    );
    assert_eq!(found(r#"{"a":{"b":["x"]}}"#, r#"{"a":[{"c":1}]}"#), Value::Null);
    assert_eq!(found(r#"{"a":["x"]}"#, r#"{"a":{"b":1}}"#), json!({"b": 1}));
    assert_eq!(found(r#"{"a":{"b":["x"]}}"#, r#"{"a.b":"x"}"#), json!("x"));
    let many = format!("{{\"a\":[{}{{\"b\":1}}]}}", "{\"b\":1},".repeat(100));
    assert_eq!(found(r#"{"a":{"b":["x"]}}"#, &many).as_array().unwrap().len(), 20);
}

#[test]
fn fields_that_match_in_different_elements_are_said_not_to_match_together() {
    let told = explained(r#"{"a":{"b":[1],"c":[2]}}"#, r#"{"a":[{"b":1},{"c":2}]}"#);
    assert_eq!(
        (&told[0]["matched"], &told[1]["matched"]),
        (&json!(true), &json!(false))
    );
}

#[test]
fn every_alternative_is_told() {
    let told = explained(
        r#"{"c":[1],"$or":[{"a":["x"]},{"a":["y"]}]}"#,
        r#"{"a":"y","c":1}"#,
    );
    let matched: Vec<&Value> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["matched"])
        .collect();
    assert_eq!(matched, [&json!(true), &json!(false), &json!(true)]);
}

#[test]
fn a_field_that_is_written_over_is_not_told() {
    let told = explained(r#"{"a.b":["x"],"a":{"b":["y"]}}"#, r#"{"a":{"b":"y"}}"#);
    assert_eq!(told.as_array().unwrap().len(), 1);
}
