//! Plain values, and what combines them.

use crate::cases::{Case, check};

const VALUES: &[Case] = &[
    (r#"{"a":["x"]}"#, r#"{"a":"x"}"#, true),
    (r#"{"a":["x"]}"#, r#"{"a":"y"}"#, false),
    (r#"{"a":["x"]}"#, r#"{"a":"X"}"#, false),
    (r#"{"a":["x"]}"#, r#"{"a":"xx"}"#, false),
    (r#"{"a":["x"]}"#, r#"{"b":"x"}"#, false),
    (r#"{"a":["x"]}"#, r#"{}"#, false),
    (r#"{"a":["x","y"]}"#, r#"{"a":"y"}"#, true),
    (r#"{"a":["w","y","x","z"]}"#, r#"{"a":"x"}"#, true),
    (r#"{"a":["w","y","x","z"]}"#, r#"{"a":"v"}"#, false),
    (r#"{"a":["x","x"]}"#, r#"{"a":"x"}"#, true),
    (r#"{"a":["1"]}"#, r#"{"a":1}"#, false),
    (r#"{"a":[1]}"#, r#"{"a":"1"}"#, false),
    (r#"{"a":[true]}"#, r#"{"a":true}"#, true),
    (r#"{"a":[true]}"#, r#"{"a":"true"}"#, false),
    (r#"{"a":["true"]}"#, r#"{"a":true}"#, false),
    (r#"{"a":[true]}"#, r#"{"a":false}"#, false),
    (r#"{"a":[false]}"#, r#"{"a":false}"#, true),
    (r#"{"a":[false]}"#, r#"{"a":0}"#, false),
    (r#"{"a":[null]}"#, r#"{"a":null}"#, true),
    (r#"{"a":[null]}"#, r#"{"a":""}"#, false),
    (r#"{"a":[null]}"#, r#"{"a":"null"}"#, false),
    (r#"{"a":[null]}"#, r#"{}"#, false),
    (r#"{"a":[null]}"#, r#"{"a":[]}"#, false),
    (r#"{"a":[null]}"#, r#"{"a":{}}"#, false),
    (r#"{"a":[""]}"#, r#"{"a":""}"#, true),
    (r#"{"a":[""]}"#, r#"{"a":null}"#, false),
    (r#"{"a":[""]}"#, r#"{}"#, false),
    (r#"{"a":[""]}"#, r#"{"a":" "}"#, false),
    (r#"{"a":[null,""]}"#, r#"{"a":""}"#, true),
    (r#"{"a":["x",1,true,null]}"#, r#"{"a":1.0}"#, true),
    (r#"{"a":["x"]}"#, r#"{"a":{"x":1}}"#, false),
    (r#"{"a":["x"]}"#, r#"{"a":{"a":"x"}}"#, false),
    (r#"{"a":["é"]}"#, r#"{"a":"é"}"#, true),
    (r#"{"a":["é"]}"#, "{\"a\":\"e\u{301}\"}", false),
    (r#"{"a":["\u00e9"]}"#, r#"{"a":"é"}"#, true),
    (r#"{"a":["é"]}"#, r#"{"a":"\u00e9"}"#, true),
    (r#"{"a":["😀"]}"#, r#"{"a":"\ud83d\ude00"}"#, true),
    (r#"{"a":["x"]}"#, r#"{"a":"\u0078"}"#, true),
    (r#"{"a":["a\"b\\c\n"]}"#, r#"{"a":"a\"b\\c\u000a"}"#, true),
    (r#"{"a":["/"]}"#, r#"{"a":"\/"}"#, true),
    (r#"{"a":["x","y"]}"#, r#"{"a":"\u0079"}"#, true),
    (r#"{"a":[{"exactly":"x"}]}"#, r#"{"a":"x"}"#, true),
    (r#"{"a":[{"exactly":"x"}]}"#, r#"{"a":"xy"}"#, false),
    (r#"{"a":[{"exactly":"1"}]}"#, r#"{"a":1}"#, false),
    (r#"{"a":[{"exactly":""}]}"#, r#"{"a":""}"#, true),
];

#[test]
fn a_plain_value_matches_the_same_value_of_the_same_type() {
    check(VALUES);
}

const FIELDS: &[Case] = &[
    (r#"{"a":["x"],"b":["y"]}"#, r#"{"a":"x","b":"y"}"#, true),
    (r#"{"a":["x"],"b":["y"]}"#, r#"{"b":"y","c":1,"a":"x"}"#, true),
    (r#"{"a":["x"],"b":["y"]}"#, r#"{"a":"x"}"#, false),
    (r#"{"a":["x"],"b":["y"]}"#, r#"{"a":"x","b":"x"}"#, false),
    (r#"{"a":{"b":["x"]}}"#, r#"{"a":{"b":"x"}}"#, true),
    (r#"{"a":{"b":["x"]}}"#, r#"{"a":"x"}"#, false),
    (r#"{"a":{"b":["x"]}}"#, r#"{"b":"x"}"#, false),
    (r#"{"a":{"b":["x"]}}"#, r#"{"a":{"c":"x"}}"#, false),
    (
        r#"{"a":{"b":["x"]},"c":["y"]}"#,
        r#"{"a":{"b":"x","c":"y"}}"#,
        false,
    ),
    (
        r#"{"a":{"b":{"c":{"d":[1]}}}}"#,
        r#"{"a":{"z":0,"b":{"c":{"d":1}}}}"#,
        true,
    ),
    // Names with dots are nested names, in patterns and in documents.
    (r#"{"d.a":["x"]}"#, r#"{"d":{"a":"x"}}"#, true),
    (r#"{"d":{"a":["x"]}}"#, r#"{"d.a":"x"}"#, true),
    (r#"{"d.a":["x"]}"#, r#"{"d.a":"x"}"#, true),
    (r#"{"d":{"a.b":["x"]}}"#, r#"{"d.a":{"b":"x"}}"#, true),
    (r#"{"d.a.b":["x"]}"#, r#"{"d":{"a":{"b":"x"}}}"#, true),
    (r#"{"d.a":["x"]}"#, r#"{"d":{"b":"x"},"d.a":"x"}"#, true),
    (r#"{"d.a":["x"]}"#, r#"{"d.":"x"}"#, false),
    (r#"{"d.a":["x"]}"#, r#"{"d":"x","da":"x","d.ab":"x"}"#, false),
    (
        r#"{"d.a":["x"],"d":{"b":["y"]}}"#,
        r#"{"d":{"a":"x","b":"y"}}"#,
        true,
    ),
    (r#"{"a..b":["x"]}"#, r#"{"a":{"":{"b":"x"}}}"#, true),
    (r#"{"":["x"]}"#, r#"{"":"x"}"#, true),
    (r#"{"":{"a":["x"]}}"#, r#"{".a":"x"}"#, true),
    (r#"{"a.":["x"]}"#, r#"{"a":{"":"x"}}"#, true),
    (r#"{"d":{"a":["x"]}}"#, r#"{"d\u002ea":"x"}"#, true),
    (r#"{"d":{"a":["x"]}}"#, r#"{"\u0064":{"\u0061":"x"}}"#, true),
    (r#"{"é":["x"]}"#, r#"{"\u00e9":"x"}"#, true),
    (r#"{"a\nb":["x"]}"#, r#"{"a\nb":"x"}"#, true),
    // A name and the names within it can both be asked for.
    (r#"{"a":["x"],"a.b":["y"]}"#, r#"{"a":["x",{"b":"y"}]}"#, true),
    (r#"{"a":["x"],"a.b":["y"]}"#, r#"{"a":{"b":"y"}}"#, false),
    // Of two members of one name the last counts.
    (r#"{"a":["x"],"a":["y"]}"#, r#"{"a":"y"}"#, true),
    (r#"{"a":["x"],"a":["y"]}"#, r#"{"a":"x"}"#, false),
    (r#"{"d.a":["x"],"d":{"a":["y"]}}"#, r#"{"d":{"a":"y"}}"#, true),
    (r#"{"d.a":["x"],"d":{"a":["y"]}}"#, r#"{"d":{"a":"x"}}"#, false),
    (r#"{"a":["x"]}"#, r#"{"a":"x","a":"y"}"#, false),
    (r#"{"a":["x"]}"#, r#"{"a":"y","a":"x"}"#, true),
    (r#"{"a":["x"]}"#, r#"{"a":"x","b":1,"\u0061":"y"}"#, false),
    (r#"{"a":{"b":["x"]}}"#, r#"{"a":{"b":"x"},"a":{"c":1}}"#, false),
    (r#"{"a":[{"exists":false}]}"#, r#"{"a":"x","a":{}}"#, true),
    (
        r#"{"a":{"b":["x"]}}"#,
        r#"{"a":[{"b":"x"}],"a":[{"b":"x"},{"b":"z"}]}"#,
        true,
    ),
    (r#"{"a":{"b":["x"]}}"#, r#"{"a.b":"x","a.b":"y"}"#, false),
    (r#"{"name":["x"]}"#, r#"{"name":"y","other":1,"name":"x"}"#, true),
    (
        r#"{"name":["x"]}"#,
        r#"{"name":"y","other":1,"\u006eame":"x"}"#,
        true,
    ),
    (r#"{"name":{"in":["x"]}}"#, r#"{"name":"y","name.in":"x"}"#, true),
    (
        r#"{"name":{"in":["x"]}}"#,
        r#"{"name":{"in":"y"},"name":{"in":"x"}}"#,
        true,
    ),
    (
        r#"{"name":["x"],"nail":["y"]}"#,
        r#"{"name":"z","nail":"y","na":"x"}"#,
        false,
    ),
    (
        r#"{"$or":[{"name":["x"]},{"other":[1]}]}"#,
        r#"{"name":"y","other":1}"#,
        true,
    ),
    (
        r#"{"name":[{"exists":false}]}"#,
        r#"{"name":"y","name":{}}"#,
        true,
    ),
];

#[test]
fn all_fields_must_match_wherever_they_nest() {
    check(FIELDS);
}
