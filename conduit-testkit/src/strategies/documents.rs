//! Documents as JSON.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Number, Value};

/// Texts: plain, of any script, with what JSON escapes.
pub fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[a-z]{0,12}",
        1 => any::<String>(),
        1 => "[\"\\\\/\u{0}-\u{1f}\u{2028}äß控😀]{0,8}",
    ]
}

/// JSON objects, up to three levels deep.
pub fn documents() -> impl Strategy<Value = Map<String, Value>> {
    vec((texts(), values()), 0..6).prop_map(Map::from_iter)
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::Number)),
        texts().prop_map(Value::String),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((texts(), inner), 0..4).prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}
