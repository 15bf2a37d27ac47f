//! `$or`.

use conduit_core::EventPattern;

use crate::cases::{Case, check, pattern_of};

const ALTERNATIVES: &[Case] = &[
    (r#"{"$or":[{"a":["x"]},{"b":["y"]}]}"#, r#"{"a":"x"}"#, true),
    (r#"{"$or":[{"a":["x"]},{"b":["y"]}]}"#, r#"{"b":"y"}"#, true),
    (
        r#"{"$or":[{"a":["x"]},{"b":["y"]}]}"#,
        r#"{"a":"y","b":"x"}"#,
        false,
    ),
    (
        r#"{"c":["z"],"$or":[{"a":["x"]},{"b":["y"]}]}"#,
        r#"{"a":"x"}"#,
        false,
    ),
    (
        r#"{"c":["z"],"$or":[{"a":["x"]},{"b":["y"]}]}"#,
        r#"{"b":"y","c":"z"}"#,
        true,
    ),
    (
        r#"{"$or":[{"a":["x"]},{"b":["y"]}],"c":["z"]}"#,
        r#"{"b":"y"}"#,
        false,
    ),
    (
        r#"{"$or":[{"a":["x"],"b":["y"]},{"c":["z"]}]}"#,
        r#"{"a":"x"}"#,
        false,
    ),
    (
        r#"{"$or":[{"a":["x"],"b":["y"]},{"c":["z"]}]}"#,
        r#"{"a":"x","b":"y"}"#,
        true,
    ),
    (r#"{"$or":[{"a":["x"]},{"a":["y"]}]}"#, r#"{"a":"y"}"#, true),
    (
        r#"{"$or":[{"a":["x"]},{"a":["y"]},{"a":["z"]}]}"#,
        r#"{"a":"z"}"#,
        true,
    ),
    (
        r#"{"d":{"$or":[{"a":["x"]},{"b":["y"]}]}}"#,
        r#"{"d":{"b":"y"}}"#,
        true,
    ),
    (
        r#"{"d":{"$or":[{"a":["x"]},{"b":["y"]}]}}"#,
        r#"{"b":"y"}"#,
        false,
    ),
    (
        r#"{"$or":[{"a":{"b":["x"]}},{"a":{"c":["y"]}}]}"#,
        r#"{"a":{"c":"y"}}"#,
        true,
    ),
    (
        r#"{"$or":[{"$or":[{"a":[1]},{"b":[1]}]},{"c":[1]}]}"#,
        r#"{"b":1}"#,
        true,
    ),
    (
        r#"{"$or":[{"x":[1],"$or":[{"a":[1]},{"b":[1]}]},{"c":[1]}]}"#,
        r#"{"b":1}"#,
        false,
    ),
    (
        r#"{"$or":[{"a":[1]},{"b":[1]}],"d":{"$or":[{"a":[1]},{"b":[1]}]}}"#,
        r#"{"b":1,"d":{"a":1}}"#,
        true,
    ),
    (
        r#"{"$or":[{"a":[1]},{"b":[1]}],"d":{"$or":[{"a":[1]},{"b":[1]}]}}"#,
        r#"{"d":{"a":1,"b":1}}"#,
        false,
    ),
    // Within an array of objects, an alternative's fields stay together, also with those outside.
    (
        r#"{"a":{"c":[2],"$or":[{"b":[1]},{"d":[3]}]}}"#,
        r#"{"a":[{"b":1},{"c":2}]}"#,
        false,
    ),
    (
        r#"{"a":{"c":[2],"$or":[{"b":[1]},{"d":[3]}]}}"#,
        r#"{"a":[{"b":1},{"c":2,"d":3}]}"#,
        true,
    ),
    (
        r#"{"a":{"$or":[{"b":[1],"c":[2]},{"d":[3]}]}}"#,
        r#"{"a":[{"b":1},{"c":2}]}"#,
        false,
    ),
    (
        r#"{"a":{"$or":[{"b":[1],"c":[2]},{"d":[3]}]}}"#,
        r#"{"a":[{"b":1},{"d":3}]}"#,
        true,
    ),
    (
        r#"{"a":{"$or":[{"b":[1],"c":[2]},{"b":[9],"c":[8]}]}}"#,
        r#"{"a":[{"b":1,"c":8},{"b":9,"c":2}]}"#,
        false,
    ),
    (
        r#"{"$or":[{"a":{"b":[1]}},{"z":[1]}],"a":{"c":[2]}}"#,
        r#"{"a":[{"b":1},{"c":2}]}"#,
        false,
    ),
    (r#"{"$or":[{"a":[{"exists":false}]},{"a":["x"]}]}"#, r#"{}"#, true),
    (
        r#"{"$or":[{"a":[{"exists":false}]},{"a":["x"]}]}"#,
        r#"{"a":"y"}"#,
        false,
    ),
    // A name and what is within it are two fields.
    (
        r#"{"a":["x"],"$or":[{"a.b":[1]},{"c":[1]}]}"#,
        r#"{"a":"x","c":1}"#,
        true,
    ),
    (r#"{"a":{"prefix":["x"]}}"#, r#"{"a":{"prefix":"x"}}"#, true),
    (r#"{"or":["x"]}"#, r#"{"or":"x"}"#, true),
    (r#"{"a.$or":["x"]}"#, r#"{"a":{"$or":"x"}}"#, true),
];

#[test]
fn one_alternative_must_match_and_all_that_stands_beside_it() {
    check(ALTERNATIVES);
}

#[test]
fn alternatives_may_speak_of_both_images() {
    let pattern = pattern_of(r#"{"$or":[{"new_image":{"a":[1]}},{"old_image":{"a":[{"exists":true}]}}]}"#);
    assert!(pattern.uses_old_image());
    assert!(pattern.matches(Some(br#"{"a":1}"#), None));
    assert!(pattern.matches(None, Some(br#"{"a":2}"#)));
    assert!(!pattern.matches(Some(br#"{"a":2}"#), Some(b"{}")));
}

#[test]
fn alternatives_multiply_up_to_a_limit() {
    let field = |name: String| format!("{{\"{name}\":[1]}}");
    let either = |level: usize| {
        format!(
            "\"l{level}\":{{\"$or\":[{},{}]}}",
            field("a".into()),
            field("b".into())
        )
    };
    let levels = |count: usize| {
        let all: Vec<String> = (0..count).map(either).collect();
        format!("{{\"new_image\":{{{}}}}}", all.join(","))
    };
    // Five levels are 32 rules of 5 fields each, six are 64 of 6.
    assert!(EventPattern::parse(&levels(5)).is_ok());
    let error = EventPattern::parse(&levels(6)).unwrap_err();
    assert!(error.to_string().contains("256"), "{error}");
    assert!(EventPattern::parse(&levels(60)).is_err());
}

#[test]
fn the_largest_patterns_work_like_small_ones() {
    let fields: Vec<String> = (0..256)
        .map(|number| format!("\"f{number}\":[{number}]"))
        .collect();
    let pattern = pattern_of(&format!("{{\"new_image\":{{{}}}}}", fields.join(",")));
    let document = |wrong: usize| {
        let members: Vec<String> = (0..256)
            .map(|number| format!("\"f{number}\":{}", if number == wrong { 999 } else { number }))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(pattern.matches(Some(document(1000).as_bytes()), None));
    for wrong in [0, 63, 64, 200, 255] {
        assert!(!pattern.matches(Some(document(wrong).as_bytes()), None));
    }
    let alternatives: Vec<String> = (0..128)
        .map(|number| format!("{{\"a\":[{number}],\"b\":[{number}]}}"))
        .collect();
    let pattern = pattern_of(&format!(
        "{{\"new_image\":{{\"x\":{{\"$or\":[{}]}}}}}}",
        alternatives.join(",")
    ));
    assert!(pattern.matches(Some(br#"{"x":[{"a":3,"b":4},{"a":127,"b":127}]}"#), None));
    assert!(!pattern.matches(Some(br#"{"x":[{"a":3,"b":4},{"a":4,"b":3}]}"#), None));
}
