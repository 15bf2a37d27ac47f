//! Every type of BSON as JSON, and any document against bson's own conversion.

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{
    Binary, Bson, DateTime, DbPointer, Decimal128, Document, JavaScriptCodeWithScope, RawDocumentBuf, Regex,
    Timestamp, doc, rawdoc,
};
use conduit_core::ImageFormat;
use proptest::prelude::*;
use serde_json::Value;

use super::write_json;

fn json(document: &RawDocumentBuf, format: ImageFormat) -> String {
    let mut out = Vec::new();
    write_json(document, format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn plain(value: impl Into<Bson>) -> String {
    let document = RawDocumentBuf::try_from(&doc! { "v": value.into() }).unwrap();
    json(&document, ImageFormat::Json)
}

fn binary(subtype: BinarySubtype, bytes: &[u8]) -> Bson {
    Bson::Binary(Binary {
        subtype,
        bytes: bytes.to_vec(),
    })
}

#[test]
fn each_type_has_its_plain_form() {
    let id = ObjectId::parse_str("65f0a1b2c3d4e5f601234567").unwrap();
    let regex = Regex {
        pattern: "a\"/b".try_into().unwrap(),
        options: "im".try_into().unwrap(),
    };
    let scoped = JavaScriptCodeWithScope {
        code: "f()".into(),
        scope: doc! { "x": 1 },
    };
    let uuid: Vec<u8> = (0..16).collect();
    let cases: Vec<(Bson, &str)> = vec![
        (id.into(), "\"65f0a1b2c3d4e5f601234567\""),
        (
            DateTime::from_millis(1_795_380_247_402).into(),
            "\"2026-11-22T20:44:07.402Z\"",
        ),
        (1.into(), "1"),
        (i64::MAX.into(), "9223372036854775807"),
        (i64::MIN.into(), "-9223372036854775808"),
        (1.0.into(), "1.0"),
        ((-0.0).into(), "-0.0"),
        (0.1.into(), "0.1"),
        (1e300.into(), "1e+300"),
        (f64::NAN.into(), "\"NaN\""),
        (f64::INFINITY.into(), "\"Infinity\""),
        (f64::NEG_INFINITY.into(), "\"-Infinity\""),
        (
            Bson::Decimal128("1.50".parse::<Decimal128>().unwrap()),
            "\"1.50\"",
        ),
        (binary(BinarySubtype::Generic, &[0, 255]), "\"AP8=\""),
        (binary(BinarySubtype::BinaryOld, &[0, 255]), "\"AP8=\""),
        (
            binary(BinarySubtype::Uuid, &uuid),
            "\"00010203-0405-0607-0809-0a0b0c0d0e0f\"",
        ),
        (binary(BinarySubtype::Uuid, &[0, 255]), "\"AP8=\""),
        (
            binary(BinarySubtype::UuidOld, &uuid),
            "\"AAECAwQFBgcICQoLDA0ODw==\"",
        ),
        (
            Bson::Timestamp(Timestamp {
                time: 7,
                increment: 3,
            }),
            "{\"t\":7,\"i\":3}",
        ),
        (Bson::RegularExpression(regex), "\"/a\\\"/b/im\""),
        (Bson::JavaScriptCode("f()".into()), "\"f()\""),
        (Bson::JavaScriptCodeWithScope(scoped), "\"f()\""),
        (Bson::Symbol("s".into()), "\"s\""),
        (Bson::MinKey, "\"$minKey\""),
        (Bson::MaxKey, "\"$maxKey\""),
        (Bson::Undefined, "null"),
        (Bson::Null, "null"),
        (true.into(), "true"),
        (false.into(), "false"),
        ("ä\n".into(), "\"ä\\n\""),
        (doc! { "a": [1, { "b": [] }] }.into(), "{\"a\":[1,{\"b\":[]}]}"),
    ];
    for (value, expected) in cases {
        assert_eq!(plain(value.clone()), format!("{{\"v\":{expected}}}"), "{value}");
    }
}

#[test]
fn a_database_pointer_is_its_namespace_and_its_id() {
    assert_eq!(
        json(&raw_db_pointer(), ImageFormat::Json),
        "{\"v\":{\"$ref\":\"db.c\",\"$id\":\"070707070707070707070707\"}}"
    );
    assert_eq!(
        json(&raw_db_pointer(), ImageFormat::Extjson),
        "{\"v\":{\"$dbPointer\":{\"$ref\":\"db.c\",\"$id\":{\"$oid\":\"070707070707070707070707\"}}}}"
    );
}

#[test]
fn of_fields_with_the_same_name_the_last_counts() {
    let mut document = rawdoc! { "a": 1, "b": { "x": 1, "y": 2 } };
    document.append(bson::raw::cstr!("a"), 3);
    assert_eq!(
        json(&document, ImageFormat::Json),
        "{\"a\":3,\"b\":{\"x\":1,\"y\":2}}"
    );
}

#[test]
fn the_order_of_fields_is_kept() {
    assert_eq!(
        json(&rawdoc! { "z": 1, "a": 2, "m": 3 }, ImageFormat::Json),
        "{\"z\":1,\"a\":2,\"m\":3}"
    );
}

#[test]
fn what_is_nested_too_deep_is_an_error_and_not_a_crash() {
    let mut document = rawdoc! {};
    for _ in 0..100_000 {
        let mut outer = RawDocumentBuf::new();
        if document.as_bytes().len() > 100_000 {
            break;
        }
        outer.append(bson::raw::cstr!("n"), document);
        document = outer;
    }
    assert!(write_json(&document, ImageFormat::Json, &mut Vec::new()).is_err());
}

#[test]
fn documents_of_the_deepest_that_mongodb_allows_are_written() {
    let mut document = rawdoc! {};
    for _ in 0..200 {
        let mut outer = RawDocumentBuf::new();
        outer.append(bson::raw::cstr!("n"), document);
        document = outer;
    }
    assert!(write_json(&document, ImageFormat::Json, &mut Vec::new()).is_ok());
}

#[test]
fn bytes_that_are_no_utf_8_are_replaced_in_names_and_values() {
    let bytes = b"\x10\0\0\0\x02a\xFF\0\x03\0\0\0b\xFE\0\0".to_vec();
    let document = RawDocumentBuf::from_bytes(bytes).unwrap();
    for format in [ImageFormat::Json, ImageFormat::Extjson] {
        assert_eq!(json(&document, format), "{\"a\u{FFFD}\":\"b\u{FFFD}\"}");
    }
}

fn raw_db_pointer() -> RawDocumentBuf {
    // bson gives no way to make one but to read it.
    let mut bytes = vec![0, 0, 0, 0, 0x0C, b'v', 0, 5, 0, 0, 0];
    bytes.extend_from_slice(b"db.c\0");
    bytes.extend_from_slice(&[7; 12]);
    bytes.push(0);
    let length = i32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    RawDocumentBuf::from_bytes(bytes).unwrap()
}

fn any_value() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        any::<f64>().prop_map(Bson::Double),
        ".{0,20}".prop_map(Bson::String),
        any::<bool>().prop_map(Bson::Boolean),
        any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(ObjectId::from_bytes(bytes))),
        any::<i64>().prop_map(|millis| Bson::DateTime(DateTime::from_millis(millis))),
        any::<[u8; 16]>().prop_map(|bytes| Bson::Decimal128(Decimal128::from_bytes(bytes))),
        (any::<u32>(), any::<u32>())
            .prop_map(|(time, increment)| Bson::Timestamp(Timestamp { time, increment })),
        (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..20)).prop_map(|(subtype, bytes)| {
            Bson::Binary(Binary {
                subtype: subtype.into(),
                bytes,
            })
        }),
        ("[a-z/\"]{0,6}", "[ilmsux]{0,3}").prop_map(|(pattern, options)| {
            Bson::RegularExpression(Regex {
                pattern: pattern.try_into().unwrap(),
                options: options.try_into().unwrap(),
            })
        }),
        ".{0,8}".prop_map(Bson::JavaScriptCode),
        ".{0,8}".prop_map(Bson::Symbol),
        (".{0,8}", any::<i32>()).prop_map(|(code, x)| {
            Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope {
                code,
                scope: doc! { "x": x },
            })
        }),
        Just(Bson::Null),
        Just(Bson::Undefined),
        Just(Bson::MinKey),
        Just(Bson::MaxKey),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Bson::Array),
            proptest::collection::vec(("[a-e]{0,2}|\\PC{1,4}", inner), 0..6)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect::<Document>())),
        ]
    })
}

/// Numbers as bson parses its own text, so that two spellings of one double are the same.
fn normal(value: Value) -> Value {
    match value {
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("$numberDouble") => {
            let text = fields["$numberDouble"].as_str().unwrap().to_owned();
            match text.parse::<f64>() {
                Ok(number) => Value::String(format!(
                    "{:x}",
                    if number.is_nan() { 0 } else { number.to_bits() }
                )),
                Err(_) => Value::String(text),
            }
        }
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, normal(value)))
                .collect(),
        ),
        Value::Array(values) => Value::Array(values.into_iter().map(normal).collect()),
        // bson writes subnormal numbers without their wrapper.
        Value::Number(number) => Value::String(format!(
            "{:x}",
            number.to_string().parse::<f64>().unwrap().to_bits()
        )),
        other => other,
    }
}

proptest! {
    #[test]
    fn extjson_is_what_bson_makes_of_a_document(value in any_value()) {
        let document = RawDocumentBuf::try_from(&doc! { "v": value.clone(), "w": 1 }).unwrap();
        let ours: Value = serde_json::from_str(&json(&document, ImageFormat::Extjson)).unwrap();
        let theirs = Bson::Document(doc! { "v": value, "w": 1 }).into_canonical_extjson();
        prop_assert_eq!(normal(ours).to_string(), normal(theirs).to_string());
    }

    #[test]
    fn a_double_reads_back_the_same_and_shows_that_it_is_none_of_the_integers(number in any::<f64>()) {
        let text = plain(number);
        let text = text.strip_prefix("{\"v\":").and_then(|text| text.strip_suffix('}')).unwrap();
        if number.is_finite() {
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits());
            prop_assert!(text.contains(['.', 'e']));
        }
    }

    #[test]
    fn json_keeps_numbers_strings_and_structure(value in any_value()) {
        let document = RawDocumentBuf::try_from(&doc! { "v": value.clone() }).unwrap();
        let ours: Value = serde_json::from_str(&json(&document, ImageFormat::Json)).unwrap();
        prop_assert!(is_plain_form(&ours["v"], &value), "{} is not {}", ours["v"], value);
    }

    #[test]
    fn no_change_of_a_byte_makes_the_writer_panic(
        value in any_value(),
        at in any::<usize>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = RawDocumentBuf::try_from(&doc! { "v": value }).unwrap().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        for format in [ImageFormat::Json, ImageFormat::Extjson] {
            let mut out = Vec::new();
            if super::write_json_bytes(&bytes, format, &mut out).is_ok() {
                prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
            }
        }
    }
}

proptest! {
    /// Whatever the bytes are, the writer makes JSON of them or says that it cannot.
    #[test]
    fn any_bytes_in_the_frame_of_a_document_are_json_or_an_error(
        kinds in proptest::collection::vec((0u8..0x15, proptest::collection::vec(any::<u8>(), 0..24)), 0..6),
        end in 0usize..8,
    ) {
        let mut bytes = vec![0; 4];
        for (kind, value) in kinds {
            bytes.extend_from_slice(&[kind, b'a' + kind, 0]);
            bytes.extend_from_slice(&value);
        }
        bytes.truncate(bytes.len().saturating_sub(end).max(4));
        bytes.push(0);
        let length = i32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        for format in [ImageFormat::Json, ImageFormat::Extjson] {
            let mut out = Vec::new();
            if super::write_json_bytes(&bytes, format, &mut out).is_ok() {
                prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
            }
        }
    }

    #[test]
    fn names_that_come_again_have_one_place_and_the_last_value(
        fields in proptest::collection::vec(("[a-c]{1,2}", any::<i32>()), 0..12),
    ) {
        let mut document = RawDocumentBuf::new();
        let mut last = serde_json::Map::new();
        for (name, value) in &fields {
            document.append(bson::raw::CString::try_from(name.as_str()).unwrap(), *value);
            last.insert(name.clone(), Value::from(*value));
        }
        prop_assert_eq!(json(&document, ImageFormat::Json), Value::Object(last).to_string());
    }
}

fn is_plain_form(json: &Value, value: &Bson) -> bool {
    match value {
        Bson::Int32(number) => json.as_i64() == Some(i64::from(*number)),
        Bson::Int64(number) => json.as_i64() == Some(*number),
        Bson::Double(number) if number.is_finite() => json.is_f64(),
        Bson::String(text) | Bson::JavaScriptCode(text) | Bson::Symbol(text) => json.as_str() == Some(text),
        Bson::Boolean(value) => json.as_bool() == Some(*value),
        Bson::Decimal128(number) => json.as_str() == Some(&number.to_string()),
        Bson::ObjectId(id) => json.as_str() == Some(&id.to_hex()),
        Bson::Array(values) => json.as_array().is_some_and(|items| {
            items.len() == values.len()
                && items
                    .iter()
                    .zip(values)
                    .all(|(item, value)| is_plain_form(item, value))
        }),
        Bson::Document(fields) => json.as_object().is_some_and(|members| {
            members.len() == fields.len()
                && members
                    .iter()
                    .zip(fields)
                    .all(|((name, item), (field, value))| name == field && is_plain_form(item, value))
        }),
        Bson::Null | Bson::Undefined => json.is_null(),
        _ => true,
    }
}

#[test]
fn the_types_that_bson_can_only_read_are_named_in_full() {
    // Keeps the import honest: a pointer made by reading is a pointer.
    let document = Document::try_from(raw_db_pointer()).unwrap();
    assert!(matches!(
        document.get("v"),
        Some(Bson::DbPointer(DbPointer { .. }))
    ));
}
