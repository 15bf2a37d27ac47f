//! What is there and what is not.

use crate::cases::{Case, check};

const PRESENT: &[Case] = &[
    (r#"{"a":[{"exists":true}]}"#, r#"{"a":1}"#, true),
    (r#"{"a":[{"exists":true}]}"#, r#"{"a":null}"#, true),
    (r#"{"a":[{"exists":true}]}"#, r#"{"a":""}"#, true),
    (r#"{"a":[{"exists":true}]}"#, r#"{"a":["x"]}"#, true),
    (r#"{"a":[{"exists":true}]}"#, r#"{"a":[[],[null]]}"#, true),
    (r#"{"a":[{"exists":true}]}"#, r#"{"a":[]}"#, false),
    (r#"{"a":[{"exists":true}]}"#, r#"{"a":{}}"#, false),
    (r#"{"a":[{"exists":true}]}"#, r#"{"a":{"b":1}}"#, false),
    (r#"{"a":[{"exists":true}]}"#, r#"{"a":[{}]}"#, false),
    (r#"{"a":[{"exists":true}]}"#, r#"{"a":[[]]}"#, false),
    (r#"{"a":[{"exists":true}]}"#, r#"{}"#, false),
    (
        r#"{"a":{"b":[{"exists":true}]}}"#,
        r#"{"a":[{"c":1},{"b":0}]}"#,
        true,
    ),
];

#[test]
fn a_field_exists_if_there_is_a_value_that_is_no_object_and_no_array() {
    check(PRESENT);
}

const ABSENT: &[Case] = &[
    (r#"{"a":[{"exists":false}]}"#, r#"{}"#, true),
    (r#"{"a":[{"exists":false}]}"#, r#"{"a":1}"#, false),
    (r#"{"a":[{"exists":false}]}"#, r#"{"a":null}"#, false),
    (r#"{"a":[{"exists":false}]}"#, r#"{"a":""}"#, false),
    (r#"{"a":[{"exists":false}]}"#, r#"{"a":[]}"#, true),
    (r#"{"a":[{"exists":false}]}"#, r#"{"a":{}}"#, true),
    (r#"{"a":[{"exists":false}]}"#, r#"{"a":{"b":1}}"#, true),
    (r#"{"a":[{"exists":false}]}"#, r#"{"a":[[],{}]}"#, true),
    (r#"{"a":[{"exists":false}]}"#, r#"{"a":[[1]]}"#, false),
    (r#"{"a":{"b":[{"exists":false}]}}"#, r#"{"a":null}"#, true),
    (r#"{"a":{"b":[{"exists":false}]}}"#, r#"{"a":"b"}"#, true),
    (r#"{"a":{"b":[{"exists":false}]}}"#, r#"{"a":{"b":1}}"#, false),
    (r#"{"a":{"b":[{"exists":false}]}}"#, r#"{"a.b":1}"#, false),
    (r#"{"a":{"b":[{"exists":false}]}}"#, r#"{"b":1}"#, true),
    (r#"{"a":["x"],"b":[{"exists":false}]}"#, r#"{"a":"x"}"#, true),
    (
        r#"{"a":["x"],"b":[{"exists":false}]}"#,
        r#"{"a":"x","b":0}"#,
        false,
    ),
    (r#"{"a":["x"],"b":[{"exists":false}]}"#, r#"{"a":"y"}"#, false),
    (r#"{"a":[{"exists":false},"x"]}"#, r#"{"a":"x"}"#, true),
    (r#"{"a":[{"exists":false},"x"]}"#, r#"{}"#, true),
    (r#"{"a":[{"exists":false},"x"]}"#, r#"{"a":"y"}"#, false),
    (
        r#"{"a":[{"exists":false},{"anything-but":"x"}]}"#,
        r#"{"a":null}"#,
        true,
    ),
    (r#"{"a":[{"exists":false},{"exists":true}]}"#, r#"{"a":{}}"#, true),
    (r#"{"a":[{"exists":false},{"exists":true}]}"#, r#"{"a":1}"#, true),
    // Of an array of objects it speaks as a whole.
    (
        r#"{"a":{"b":[{"exists":false}]}}"#,
        r#"{"a":[{"c":1},{"b":1}]}"#,
        false,
    ),
    (
        r#"{"a":{"b":[{"exists":false}]}}"#,
        r#"{"a":[{"c":1},{"d":1}]}"#,
        true,
    ),
    (
        r#"{"a":{"b":[{"exists":false}],"c":["x"]}}"#,
        r#"{"a":[{"c":"x"},{"b":1}]}"#,
        false,
    ),
    (
        r#"{"a":{"b":["x"],"c":[{"exists":false}]}}"#,
        r#"{"a":[{"b":"x"},{"c":1}]}"#,
        false,
    ),
    (
        r#"{"a":{"b":["x"],"c":[{"exists":false}]}}"#,
        r#"{"a":[{"b":"x"},{"b":"y"}]}"#,
        true,
    ),
    (
        r#"{"a":{"b":["x"],"c":[{"exists":false},1]}}"#,
        r#"{"a":[{"b":"x"},{"c":1}]}"#,
        false,
    ),
    (
        r#"{"a":{"b":["x"],"c":[{"exists":false},1]}}"#,
        r#"{"a":[{"b":"x","c":1},{"c":2}]}"#,
        true,
    ),
    (
        r#"{"a":{"b":["x"],"c":[{"exists":false},1]}}"#,
        r#"{"a":[{"b":"x"},{"b":"y"}]}"#,
        true,
    ),
    (
        r#"{"a":{"b":["x"],"c":[{"exists":false},1],"d":[{"exists":false},1]}}"#,
        r#"{"a":[{"b":"x","c":1},{"b":"x","d":1}]}"#,
        false,
    ),
    (
        r#"{"a":{"b":["x"],"c":[{"exists":false},1],"d":[{"exists":false},1]}}"#,
        r#"{"a":[{"b":"x","c":1},{"b":"x","d":1},{"b":"x","c":1,"d":1}]}"#,
        true,
    ),
];

#[test]
fn a_field_is_absent_if_there_is_no_such_value_anywhere() {
    check(ABSENT);
}
