//! What is no pattern, with the place that is named.

use conduit_core::EventPattern;

use crate::refused_operators;

/// A text and where its first fault is.
const REFUSED: &[(&str, &str)] = &[
    // The whole.
    ("", ""),
    ("{", ""),
    ("[]", ""),
    (r#"[{"new_image":{"a":[1]}}]"#, ""),
    ("null", ""),
    (r#""x""#, ""),
    ("{}", ""),
    (r#"{"new_image":{"a":[1]}} x"#, ""),
    (r#"{"new_image":{"a":[01]}}"#, ""),
    (r#"{"new_image":{"a":[1,]}}"#, ""),
    (r#"{"status":["paid"]}"#, "status"),
    (r#"{"new_image":{"a":[1]},"keys":{"a":[1]}}"#, "keys"),
    (r#"{"newimage":{"a":[1]}}"#, "newimage"),
    (r#"{"new_image":{"a":[1]},"newImage":{"b":[1]}}"#, "newImage"),
    (r#"{"old_image":{"a":[1]},"oldImage.b":[1]}"#, "oldImage.b"),
    (r#"{"$or":[{"a":[1]},{"new_image":{"a":[1]}}]}"#, "$or[0].a"),
    // Fields.
    (r#"{"new_image":{}}"#, "new_image"),
    (r#"{"new_image":"x"}"#, "new_image"),
    (r#"{"new_image":null}"#, "new_image"),
    (r#"{"new_image":{"a":1}}"#, "new_image.a"),
    (r#"{"new_image":{"a":"x"}}"#, "new_image.a"),
    (r#"{"new_image":{"a":null}}"#, "new_image.a"),
    (r#"{"new_image":{"a":true}}"#, "new_image.a"),
    (r#"{"new_image":{"a":{}}}"#, "new_image.a"),
    (r#"{"new_image":{"a":[]}}"#, "new_image.a"),
    (r#"{"new_image":{"a":[[1]]}}"#, "new_image.a[0]"),
    (r#"{"new_image":{"a":["x",[]]}}"#, "new_image.a[1]"),
    (r#"{"new_image":{"a":{"b":{"c":7}}}}"#, "new_image.a.b.c"),
    (r#"{"new_image":{"a":["\ud83d"]}}"#, "new_image.a[0]"),
    // Alternatives.
    (r#"{"new_image":{"$or":[]}}"#, "new_image.$or"),
    (r#"{"new_image":{"$or":[{"a":[1]}]}}"#, "new_image.$or"),
    (r#"{"new_image":{"$or":{"a":[1],"b":[1]}}}"#, "new_image.$or"),
    (r#"{"new_image":{"$or":"x"}}"#, "new_image.$or"),
    (r#"{"new_image":{"$or":["x","y"]}}"#, "new_image.$or[0]"),
    (r#"{"new_image":{"$or":[{"a":[1]},{}]}}"#, "new_image.$or[1]"),
    (
        r#"{"new_image":{"$or":[{"a":[1]},[{"b":[1]}]]}}"#,
        "new_image.$or[1]",
    ),
    (
        r#"{"new_image":{"$or":[{"a":[1]},{"b":{}}]}}"#,
        "new_image.$or[1].b",
    ),
    (
        r#"{"new_image":{"$or":[{"a":[1]},{"b":[{"numeric":[">"]}]}]}}"#,
        "new_image.$or[1].b[0].numeric",
    ),
    (r#"{"$or":[{"new_image":{"a":[1]}}]}"#, "$or"),
    (
        r#"{"new_image":{"a":["x"],"$or":[{"a":["y"]},{"b":["z"]}]}}"#,
        "new_image.$or[0].a",
    ),
    (
        r#"{"new_image":{"$or":[{"a":["y"]},{"b":["z"]}],"a":["x"]}}"#,
        "new_image.a",
    ),
    (
        r#"{"new_image":{"a":{"c":["x"]},"$or":[{"b":["z"]},{"a.c":["y"]}]}}"#,
        "new_image.$or[1].a.c",
    ),
    (
        r#"{"new_image":{"$or":[{"a":[1],"$or":[{"a":[2]},{"b":[1]}]},{"c":[1]}]}}"#,
        "new_image.$or[0].$or[0].a",
    ),
];

#[test]
fn what_is_no_pattern_is_refused_at_its_place() {
    let mut wrong = Vec::new();
    for (text, place) in REFUSED.iter().chain(refused_operators::REFUSED) {
        match EventPattern::parse(text) {
            Ok(_) => wrong.push(format!("{text} is taken")),
            Err(error) => {
                let fault = &error.faults()[0];
                if fault.path() != *place {
                    wrong.push(format!(
                        "{text}: {:?} instead of {place:?}: {error}",
                        fault.path()
                    ));
                }
                if fault.message().is_empty() || error.to_string().contains('\n') {
                    wrong.push(format!("{text}: {error:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_that_mean_something_else_are_no_fields_within_or() {
    for name in [
        "exactly",
        "equals-ignore-case",
        "prefix",
        "suffix",
        "anything-but",
        "exists",
        "wildcard",
        "numeric",
        "cidr",
        "=",
        "<",
        "<=",
        ">",
        ">=",
        "regex",
        "not-wildcard",
        "not-equals-ignore-case",
        "date-after",
        "date-on-or-after",
        "date-before",
        "date-on-or-before",
        "in-date-range",
        "ip-address-in-range",
        "ip-address-not-in-range",
    ] {
        let within = format!("{{\"new_image\":{{\"$or\":[{{\"{name}\":[1]}},{{\"b\":[1]}}]}}}}");
        let error = EventPattern::parse(&within).unwrap_err();
        assert_eq!(error.faults()[0].path(), format!("new_image.$or[0].{name}"));
        let deeper = format!("{{\"new_image\":{{\"$or\":[{{\"a\":{{\"{name}\":[1]}}}},{{\"b\":[1]}}]}}}}");
        assert!(EventPattern::parse(&deeper).is_err(), "{name}");
        assert!(
            EventPattern::parse(&format!("{{\"new_image\":{{\"{name}\":[1]}}}}")).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn every_fault_is_told_up_to_a_number() {
    let error =
        EventPattern::parse(r#"{"new_image":{"a":1,"b":[],"c":[{"exists":0},{"prefix":1}]},"x":[1]}"#)
            .unwrap_err();
    let places: Vec<&str> = error.faults().iter().map(|fault| fault.path()).collect();
    assert_eq!(
        places,
        [
            "new_image.a",
            "new_image.b",
            "new_image.c[0].exists",
            "new_image.c[1].prefix",
            "x"
        ]
    );
    assert!(
        error.to_string().starts_with("new_image.a: must be a list"),
        "{error}"
    );
    let many: Vec<String> = (0..100).map(|number| format!("\"f{number}\":1")).collect();
    let error = EventPattern::parse(&format!("{{\"new_image\":{{{}}}}}", many.join(","))).unwrap_err();
    assert_eq!(error.faults().len(), 20);
}

#[test]
fn sizes_are_limited() {
    let padded = |bytes: usize| {
        let pattern = r#"{"new_image":{"a":[""]}}"#;
        let padding = "x".repeat(bytes - pattern.len());
        pattern.replace(r#""""#, &format!("\"{padding}\""))
    };
    assert!(EventPattern::parse(&padded(8192)).is_ok());
    let error = EventPattern::parse(&padded(8193)).unwrap_err();
    assert!(
        error.to_string().contains("8193") && error.to_string().contains("8192"),
        "{error}"
    );

    let nested = |depth: usize| {
        format!(
            "{{\"new_image\":{}[1]{}}}",
            "{\"a\":".repeat(depth),
            "}".repeat(depth)
        )
    };
    assert!(EventPattern::parse(&nested(32)).is_ok());
    let error = EventPattern::parse(&nested(33)).unwrap_err();
    assert!(error.to_string().contains("32"), "{error}");
    assert!(EventPattern::parse(&nested(1000)).is_err());
    let dotted = |names: usize| format!("{{\"new_image\":{{\"{}\":[1]}}}}", vec!["a"; names].join("."));
    assert!(EventPattern::parse(&dotted(32)).is_ok() && EventPattern::parse(&dotted(33)).is_err());
    assert!(EventPattern::parse(&format!("{{\"new_image\":{{\"a\":{}", "[".repeat(8000))).is_err());
    assert!(EventPattern::parse(&"{\"$or\":[".repeat(1000)).is_err());

    let fields: Vec<String> = (0..257).map(|number| format!("\"f{number}\":[1]")).collect();
    let error = EventPattern::parse(&format!("{{\"new_image\":{{{}}}}}", fields.join(","))).unwrap_err();
    assert!(error.to_string().contains("256"), "{error}");
}
