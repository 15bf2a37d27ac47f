//! Operators on strings.

use crate::cases::{Case, check};

const STARTS_AND_ENDS: &[Case] = &[
    (r#"{"a":[{"prefix":"ab"}]}"#, r#"{"a":"abc"}"#, true),
    (r#"{"a":[{"prefix":"ab"}]}"#, r#"{"a":"ab"}"#, true),
    (r#"{"a":[{"prefix":"ab"}]}"#, r#"{"a":"a"}"#, false),
    (r#"{"a":[{"prefix":"ab"}]}"#, r#"{"a":"Abc"}"#, false),
    (r#"{"a":[{"prefix":"ab"}]}"#, r#"{"a":"\u0061bc"}"#, true),
    (r#"{"a":[{"prefix":""}]}"#, r#"{"a":""}"#, true),
    (r#"{"a":[{"prefix":""}]}"#, r#"{"a":"x"}"#, true),
    (r#"{"a":[{"prefix":""}]}"#, r#"{"a":null}"#, false),
    (r#"{"a":[{"prefix":""}]}"#, r#"{"a":1}"#, false),
    (r#"{"a":[{"prefix":""}]}"#, r#"{}"#, false),
    (r#"{"a":[{"prefix":"1"}]}"#, r#"{"a":12}"#, false),
    (r#"{"a":[{"prefix":"t"}]}"#, r#"{"a":true}"#, false),
    (r#"{"a":[{"prefix":"10.0."}]}"#, r#"{"a":"10.0.0.7"}"#, true),
    (r#"{"a":[{"suffix":"bc"}]}"#, r#"{"a":"abc"}"#, true),
    (r#"{"a":[{"suffix":"bc"}]}"#, r#"{"a":"bcd"}"#, false),
    (r#"{"a":[{"suffix":""}]}"#, r#"{"a":""}"#, true),
    (r#"{"a":[{"suffix":""}]}"#, r#"{"a":false}"#, false),
    (r#"{"a":[{"suffix":"é"}]}"#, r#"{"a":"caf\u00e9"}"#, true),
    (r#"{"a":[{"suffix":"大雨"}]}"#, r#"{"a":"今日大雨"}"#, true),
    (
        r#"{"a":[{"prefix":{"equals-ignore-case":"aB"}}]}"#,
        r#"{"a":"AbC"}"#,
        true,
    ),
    (
        r#"{"a":[{"prefix":{"equals-ignore-case":"aB"}}]}"#,
        r#"{"a":"xab"}"#,
        false,
    ),
    (
        r#"{"a":[{"prefix":{"equals-ignore-case":""}}]}"#,
        r#"{"a":""}"#,
        true,
    ),
    (
        r#"{"a":[{"suffix":{"equals-ignore-case":".PNG"}}]}"#,
        r#"{"a":"x.png"}"#,
        true,
    ),
    (
        r#"{"a":[{"suffix":{"equals-ignore-case":".PNG"}}]}"#,
        r#"{"a":"x.pn"}"#,
        false,
    ),
    (
        r#"{"a":[{"suffix":{"equals-ignore-case":"É"}}]}"#,
        r#"{"a":"caf\u00e9"}"#,
        true,
    ),
    (
        r#"{"a":[{"suffix":{"equals-ignore-case":"éx"}}]}"#,
        r#"{"a":"ÉX"}"#,
        true,
    ),
    (
        r#"{"a":[{"suffix":{"equals-ignore-case":"1"}}]}"#,
        r#"{"a":1}"#,
        false,
    ),
    (r#"{"a":[{"prefix":"x"},{"suffix":"y"}]}"#, r#"{"a":"zy"}"#, true),
];

#[test]
fn prefixes_and_suffixes_are_of_strings_only() {
    check(STARTS_AND_ENDS);
}

const CASES: &[Case] = &[
    (r#"{"a":[{"equals-ignore-case":"Abc"}]}"#, r#"{"a":"aBC"}"#, true),
    (
        r#"{"a":[{"equals-ignore-case":"Abc"}]}"#,
        r#"{"a":"\u0041BC"}"#,
        true,
    ),
    (
        r#"{"a":[{"equals-ignore-case":"Abc"}]}"#,
        r#"{"a":"abcd"}"#,
        false,
    ),
    (r#"{"a":[{"equals-ignore-case":"Abc"}]}"#, r#"{"a":"ab"}"#, false),
    (r#"{"a":[{"equals-ignore-case":"É"}]}"#, r#"{"a":"é"}"#, true),
    (r#"{"a":[{"equals-ignore-case":"é"}]}"#, r#"{"a":"É"}"#, true),
    (
        r#"{"a":[{"equals-ignore-case":"é"}]}"#,
        "{\"a\":\"E\u{301}\"}",
        false,
    ),
    (
        r#"{"a":[{"equals-ignore-case":"straße"}]}"#,
        r#"{"a":"STRASSE"}"#,
        false,
    ),
    (
        r#"{"a":[{"equals-ignore-case":"STRASSE"}]}"#,
        r#"{"a":"straße"}"#,
        false,
    ),
    (
        r#"{"a":[{"equals-ignore-case":"k"}]}"#,
        "{\"a\":\"\u{212A}\"}",
        false,
    ),
    (
        r#"{"a":[{"equals-ignore-case":"\u212a"}]}"#,
        r#"{"a":"k"}"#,
        false,
    ),
    (r#"{"a":[{"equals-ignore-case":"Ж1"}]}"#, r#"{"a":"ж1"}"#, true),
    (r#"{"a":[{"equals-ignore-case":""}]}"#, r#"{"a":""}"#, true),
    (r#"{"a":[{"equals-ignore-case":"null"}]}"#, r#"{"a":null}"#, false),
    (r#"{"a":[{"equals-ignore-case":"1"}]}"#, r#"{"a":1}"#, false),
];

#[test]
fn upper_and_lower_case_are_alike_where_asked_for() {
    check(CASES);
}

const WILDCARDS: &[Case] = &[
    (r#"{"a":[{"wildcard":"*"}]}"#, r#"{"a":""}"#, true),
    (r#"{"a":[{"wildcard":"*"}]}"#, r#"{"a":"x"}"#, true),
    (r#"{"a":[{"wildcard":"*"}]}"#, r#"{"a":null}"#, false),
    (r#"{"a":[{"wildcard":"*"}]}"#, r#"{"a":1}"#, false),
    (r#"{"a":[{"wildcard":"*"}]}"#, r#"{"a":true}"#, false),
    (r#"{"a":[{"wildcard":"*"}]}"#, r#"{"a":{}}"#, false),
    (r#"{"a":[{"wildcard":""}]}"#, r#"{"a":""}"#, true),
    (r#"{"a":[{"wildcard":"a*c"}]}"#, r#"{"a":"ac"}"#, true),
    (r#"{"a":[{"wildcard":"a*c"}]}"#, r#"{"a":"abbc"}"#, true),
    (r#"{"a":[{"wildcard":"a*c"}]}"#, r#"{"a":"abcd"}"#, false),
    (r#"{"a":[{"wildcard":"a*c"}]}"#, r#"{"a":"a\u0062c"}"#, true),
    (
        r#"{"a":[{"wildcard":"*/b/*.png"}]}"#,
        r#"{"a":"x/b/y.png"}"#,
        true,
    ),
    (r#"{"a":[{"wildcard":"*/b/*.png"}]}"#, r#"{"a":"x/b.png"}"#, false),
    (r#"{"a":[{"wildcard":"aba*aba"}]}"#, r#"{"a":"aba"}"#, false),
    (r#"{"a":[{"wildcard":"aba*aba"}]}"#, r#"{"a":"abaaba"}"#, true),
    (r#"{"a":[{"wildcard":"a\\*c"}]}"#, r#"{"a":"a*c"}"#, true),
    (r#"{"a":[{"wildcard":"a\\*c"}]}"#, r#"{"a":"abc"}"#, false),
    (r#"{"a":[{"wildcard":"a\\\\*"}]}"#, r#"{"a":"a\\b"}"#, true),
    (r#"{"a":[{"wildcard":"*\\**"}]}"#, r#"{"a":"x*y"}"#, true),
    (r#"{"a":[{"wildcard":"?"}]}"#, r#"{"a":"x"}"#, false),
    (r#"{"a":[{"wildcard":"é*ü"}]}"#, r#"{"a":"éöü"}"#, true),
    (
        r#"{"a":[{"wildcard":"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*"}]}"#,
        r#"{"a":"aaaaaaaaaaaaaaa"}"#,
        true,
    ),
];

#[test]
fn a_star_stands_for_any_run_of_characters() {
    check(WILDCARDS);
}

const EXCLUSIONS: &[Case] = &[
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":"y"}"#, true),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":"x"}"#, false),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":"\u0078"}"#, false),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":null}"#, true),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":1}"#, true),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":false}"#, true),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":""}"#, true),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{}"#, false),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":[]}"#, false),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":{}}"#, false),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":{"b":"y"}}"#, false),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":["x","y"]}"#, true),
    (r#"{"a":[{"anything-but":"x"}]}"#, r#"{"a":["x","x"]}"#, false),
    (r#"{"a":[{"anything-but":["x","y"]}]}"#, r#"{"a":"y"}"#, false),
    (r#"{"a":[{"anything-but":["x","y"]}]}"#, r#"{"a":"z"}"#, true),
    (
        r#"{"a":[{"anything-but":"x"},{"anything-but":"y"}]}"#,
        r#"{"a":"x"}"#,
        true,
    ),
    (r#"{"a":[{"anything-but":""}]}"#, r#"{"a":""}"#, false),
    (r#"{"a":[{"anything-but":5}]}"#, r#"{"a":5.0}"#, false),
    (r#"{"a":[{"anything-but":5}]}"#, r#"{"a":6}"#, true),
    (r#"{"a":[{"anything-but":5}]}"#, r#"{"a":"5"}"#, true),
    (r#"{"a":[{"anything-but":[1,2]}]}"#, r#"{"a":2e0}"#, false),
    (r#"{"a":[{"anything-but":[1,2]}]}"#, r#"{"a":null}"#, true),
    (r#"{"a":[{"anything-but":5}]}"#, r#"{"a":9007199254740993}"#, true),
    (
        r#"{"a":[{"anything-but":{"prefix":"x"}}]}"#,
        r#"{"a":"xy"}"#,
        false,
    ),
    (
        r#"{"a":[{"anything-but":{"prefix":"x"}}]}"#,
        r#"{"a":"yx"}"#,
        true,
    ),
    (r#"{"a":[{"anything-but":{"prefix":"x"}}]}"#, r#"{"a":1}"#, true),
    (
        r#"{"a":[{"anything-but":{"prefix":["x","y"]}}]}"#,
        r#"{"a":"yx"}"#,
        false,
    ),
    (
        r#"{"a":[{"anything-but":{"suffix":"x"}}]}"#,
        r#"{"a":"yx"}"#,
        false,
    ),
    (
        r#"{"a":[{"anything-but":{"suffix":["x","y"]}}]}"#,
        r#"{"a":"xz"}"#,
        true,
    ),
    (
        r#"{"a":[{"anything-but":{"equals-ignore-case":"x"}}]}"#,
        r#"{"a":"X"}"#,
        false,
    ),
    (
        r#"{"a":[{"anything-but":{"equals-ignore-case":["x","Y"]}}]}"#,
        r#"{"a":"y"}"#,
        false,
    ),
    (
        r#"{"a":[{"anything-but":{"equals-ignore-case":["x","Y"]}}]}"#,
        r#"{"a":"z"}"#,
        true,
    ),
    (
        r#"{"a":[{"anything-but":{"equals-ignore-case":""}}]}"#,
        r#"{"a":"z"}"#,
        true,
    ),
    (
        r#"{"a":[{"anything-but":{"wildcard":"a*c"}}]}"#,
        r#"{"a":"abc"}"#,
        false,
    ),
    (
        r#"{"a":[{"anything-but":{"wildcard":"a*c"}}]}"#,
        r#"{"a":"abd"}"#,
        true,
    ),
    (
        r#"{"a":[{"anything-but":{"wildcard":["a*","b*"]}}]}"#,
        r#"{"a":"bx"}"#,
        false,
    ),
    (
        r#"{"a":[{"anything-but":{"wildcard":"*"}}]}"#,
        r#"{"a":"bx"}"#,
        false,
    ),
    (r#"{"a":[{"anything-but":{"wildcard":"*"}}]}"#, r#"{"a":1}"#, true),
];

#[test]
fn anything_but_needs_a_value_that_is_something_else() {
    check(EXCLUSIONS);
}
