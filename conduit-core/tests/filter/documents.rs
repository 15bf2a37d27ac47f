//! Made-up documents and patterns.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Names: few, so that patterns and documents meet; one with a dot.
fn name() -> impl Strategy<Value = String> + Clone {
    prop_oneof![8 => "[abc]", 1 => Just("a.b".to_owned())].prop_map(String::from)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..4_i64).prop_map(Value::from),
        (0..6_i64).prop_map(|half| json!(half as f64 / 2.0)),
        "[xyX]{0,3}".prop_map(Value::from),
        prop_oneof![
            Just("10.0.0.7"),
            Just("10.0.0.07"),
            Just("10.0.1.1"),
            Just("::1"),
            Just("é"),
            Just("a\"\\\n")
        ]
        .prop_map(Value::from),
    ]
}

/// Members of one object. A name with a dot has no other spelling beside it: of that, patterns make what they can.
fn object(members: Vec<(String, Value)>) -> Value {
    let mut object: Map<String, Value> = members.into_iter().collect();
    if object.contains_key("a") {
        object.remove("a.b");
    }
    Value::Object(object)
}

pub(crate) fn document() -> impl Strategy<Value = Value> {
    let value = scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name(), inner), 0..4).prop_map(object),
        ]
    });
    vec((name(), value), 0..4).prop_map(object)
}

fn text() -> impl Strategy<Value = String> {
    "[xyX]{0,2}"
}

/// One matcher of a list.
fn matcher() -> impl Strategy<Value = Value> {
    let bounds = (0..4_i64, 1..3_i64, any::<bool>(), any::<bool>());
    prop_oneof![
        6 => scalar(),
        1 => text().prop_map(|text| json!({"prefix": text})),
        1 => text().prop_map(|text| json!({"suffix": text})),
        1 => text().prop_map(|text| json!({"equals-ignore-case": text})),
        1 => text().prop_map(|text| json!({"prefix": {"equals-ignore-case": text}})),
        1 => text().prop_map(|text| json!({"suffix": {"equals-ignore-case": text}})),
        1 => "[xy]?\\*?[xy]{1,2}\\*?".prop_map(|text| json!({"wildcard": text})),
        1 => text().prop_map(|text| json!({"exactly": text})),
        2 => any::<bool>().prop_map(|exists| json!({"exists": exists})),
        1 => vec(text(), 1..3).prop_map(|texts| json!({"anything-but": texts})),
        1 => vec(0..3_i64, 1..3).prop_map(|numbers| json!({"anything-but": numbers})),
        1 => "[xy]{1,2}".prop_map(|text| json!({"anything-but": {"prefix": text}})),
        1 => bounds.prop_map(|(low, width, open, closed)| {
            let (low_operator, high_operator) = (if open { ">" } else { ">=" }, if closed { "<=" } else { "<" });
            json!({"numeric": [low_operator, low, high_operator, low + width]})
        }),
        1 => Just(json!({"cidr": "10.0.0.0/24"})),
    ]
}

/// What a pattern says of an image; some of these are refused, for fields beside `$or`.
pub(crate) fn conditions() -> impl Strategy<Value = Value> {
    let leaf = vec(matcher(), 1..3).prop_map(Value::from);
    leaf.prop_recursive(3, 12, 3, |inner| {
        let fields = vec((name(), inner.clone()), 1..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()));
        let either =
            (vec(fields.clone(), 2..4), vec((name(), inner), 0..2)).prop_map(|(alternatives, beside)| {
                let mut object: Map<String, Value> = beside.into_iter().collect();
                // Lists as alternatives would be refused.
                object.insert("$or".to_owned(), Value::from(alternatives));
                Value::Object(object)
            });
        prop_oneof![3 => fields, 1 => either]
    })
    .prop_filter("an object", Value::is_object)
}
