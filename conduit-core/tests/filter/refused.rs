//! What is no pattern, with the place that is named.

use conduit_core::EventPattern;

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
    // Operators.
    (r#"{"new_image":{"a":[{}]}}"#, "new_image.a[0]"),
    (r#"{"new_image":{"a":[{"regex":"x"}]}}"#, "new_image.a[0].regex"),
    (r#"{"new_image":{"a":[{"Prefix":"x"}]}}"#, "new_image.a[0].Prefix"),
    (
        r#"{"new_image":{"a":[{"prefix":"x","suffix":"y"}]}}"#,
        "new_image.a[0]",
    ),
    (
        r#"{"new_image":{"a":[{"exists":true,"prefix":"y"}]}}"#,
        "new_image.a[0]",
    ),
    (r#"{"new_image":{"a":[{"prefix":5}]}}"#, "new_image.a[0].prefix"),
    (
        r#"{"new_image":{"a":[{"prefix":null}]}}"#,
        "new_image.a[0].prefix",
    ),
    (
        r#"{"new_image":{"a":[{"prefix":["x","y"]}]}}"#,
        "new_image.a[0].prefix",
    ),
    (
        r#"{"new_image":{"a":[{"suffix":["x"]}]}}"#,
        "new_image.a[0].suffix",
    ),
    (r#"{"new_image":{"a":[{"prefix":{}}]}}"#, "new_image.a[0].prefix"),
    (
        r#"{"new_image":{"a":[{"prefix":{"wildcard":"x"}}]}}"#,
        "new_image.a[0].prefix",
    ),
    (
        r#"{"new_image":{"a":[{"prefix":{"equals-ignore-case":5}}]}}"#,
        "new_image.a[0].prefix.equals-ignore-case",
    ),
    (
        r#"{"new_image":{"a":[{"suffix":{"equals-ignore-case":["x"]}}]}}"#,
        "new_image.a[0].suffix.equals-ignore-case",
    ),
    (
        r#"{"new_image":{"a":[{"suffix":{"equals-ignore-case":"x","b":1}}]}}"#,
        "new_image.a[0].suffix",
    ),
    (
        r#"{"new_image":{"a":[{"equals-ignore-case":5}]}}"#,
        "new_image.a[0].equals-ignore-case",
    ),
    (
        r#"{"new_image":{"a":[{"equals-ignore-case":["x"]}]}}"#,
        "new_image.a[0].equals-ignore-case",
    ),
    (r#"{"new_image":{"a":[{"exactly":5}]}}"#, "new_image.a[0].exactly"),
    (
        r#"{"new_image":{"a":[{"exactly":["x"]}]}}"#,
        "new_image.a[0].exactly",
    ),
    (
        r#"{"new_image":{"a":[{"wildcard":5}]}}"#,
        "new_image.a[0].wildcard",
    ),
    (
        r#"{"new_image":{"a":[{"wildcard":["x*"]}]}}"#,
        "new_image.a[0].wildcard",
    ),
    (
        r#"{"new_image":{"a":[{"wildcard":"a**b"}]}}"#,
        "new_image.a[0].wildcard",
    ),
    (
        r#"{"new_image":{"a":[{"wildcard":"a\\b"}]}}"#,
        "new_image.a[0].wildcard",
    ),
    (
        r#"{"new_image":{"a":[{"wildcard":"a\\"}]}}"#,
        "new_image.a[0].wildcard",
    ),
    (
        r#"{"new_image":{"a":[{"wildcard":"*1*2*3*4*5*6*7*8*9*a*b*c*d*e*f*g*"}]}}"#,
        "new_image.a[0].wildcard",
    ),
    (
        r#"{"new_image":{"a":[{"exists":"true"}]}}"#,
        "new_image.a[0].exists",
    ),
    (r#"{"new_image":{"a":[{"exists":1}]}}"#, "new_image.a[0].exists"),
    (
        r#"{"new_image":{"a":[{"exists":null}]}}"#,
        "new_image.a[0].exists",
    ),
    (
        r#"{"new_image":{"a":[{"exists":[true]}]}}"#,
        "new_image.a[0].exists",
    ),
    // Anything but.
    (
        r#"{"new_image":{"a":[{"anything-but":[]}]}}"#,
        "new_image.a[0].anything-but",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":null}]}}"#,
        "new_image.a[0].anything-but",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":true}]}}"#,
        "new_image.a[0].anything-but",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":[null]}]}}"#,
        "new_image.a[0].anything-but[0]",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":["x",false]}]}}"#,
        "new_image.a[0].anything-but[1]",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":["x",1]}]}}"#,
        "new_image.a[0].anything-but[1]",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":[1,"x"]}]}}"#,
        "new_image.a[0].anything-but[1]",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":[["x"]]}]}}"#,
        "new_image.a[0].anything-but[0]",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":[{"prefix":"x"}]}]}}"#,
        "new_image.a[0].anything-but[0]",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":9007199254740993}]}}"#,
        "new_image.a[0].anything-but",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":[1,1e400]}]}}"#,
        "new_image.a[0].anything-but[1]",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{}}]}}"#,
        "new_image.a[0].anything-but",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"prefix":"x","suffix":"y"}}]}}"#,
        "new_image.a[0].anything-but",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"prefix":""}}]}}"#,
        "new_image.a[0].anything-but.prefix",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"suffix":""}}]}}"#,
        "new_image.a[0].anything-but.suffix",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"prefix":["x",""]}}]}}"#,
        "new_image.a[0].anything-but.prefix[1]",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"prefix":[]}}]}}"#,
        "new_image.a[0].anything-but.prefix",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"prefix":1}}]}}"#,
        "new_image.a[0].anything-but.prefix",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"suffix":["x",1]}}]}}"#,
        "new_image.a[0].anything-but.suffix[1]",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"prefix":{"equals-ignore-case":"x"}}}]}}"#,
        "new_image.a[0].anything-but.prefix",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"equals-ignore-case":1}}]}}"#,
        "new_image.a[0].anything-but.equals-ignore-case",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"wildcard":"a**"}}]}}"#,
        "new_image.a[0].anything-but.wildcard",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"wildcard":["a*","b\\"]}}]}}"#,
        "new_image.a[0].anything-but.wildcard[1]",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"numeric":["=",1]}}]}}"#,
        "new_image.a[0].anything-but.numeric",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"cidr":"10.0.0.0/8"}}]}}"#,
        "new_image.a[0].anything-but.cidr",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"exists":true}}]}}"#,
        "new_image.a[0].anything-but.exists",
    ),
    (
        r#"{"new_image":{"a":[{"anything-but":{"anything-but":"x"}}]}}"#,
        "new_image.a[0].anything-but.anything-but",
    ),
    // Numeric.
    (r#"{"new_image":{"a":[{"numeric":5}]}}"#, "new_image.a[0].numeric"),
    (
        r#"{"new_image":{"a":[{"numeric":[]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":[5]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":[">"]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":["!=",5]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":["==",5]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":[">","5"]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":["=",null]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":["=",1,"=",2]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":["<",5,">",1]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":[">",5,"<",5]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":[">=",5,"<=",5]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":[">",6,"<",5]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":[">",1,">=",2]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":["<",1,"<",2]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":[">",1,"<"]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":[">",1,"<",2,"<",3]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":[">",1,2]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":[">",9007199254740993]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":["=",0.1234567890123456789]}]}}"#,
        "new_image.a[0].numeric",
    ),
    (
        r#"{"new_image":{"a":[{"numeric":["<",1e400]}]}}"#,
        "new_image.a[0].numeric",
    ),
    // Addresses.
    (r#"{"new_image":{"a":[{"cidr":5}]}}"#, "new_image.a[0].cidr"),
    (
        r#"{"new_image":{"a":[{"cidr":["10.0.0.0/8"]}]}}"#,
        "new_image.a[0].cidr",
    ),
    (
        r#"{"new_image":{"a":[{"cidr":"10.0.0.0"}]}}"#,
        "new_image.a[0].cidr",
    ),
    (
        r#"{"new_image":{"a":[{"cidr":"10.0.0.0/32"}]}}"#,
        "new_image.a[0].cidr",
    ),
    (
        r#"{"new_image":{"a":[{"cidr":"::1/128"}]}}"#,
        "new_image.a[0].cidr",
    ),
    (
        r#"{"new_image":{"a":[{"cidr":"10.0.0.0/-1"}]}}"#,
        "new_image.a[0].cidr",
    ),
    (
        r#"{"new_image":{"a":[{"cidr":"10.0.0.0/x"}]}}"#,
        "new_image.a[0].cidr",
    ),
    (
        r#"{"new_image":{"a":[{"cidr":"10.0.0.0/"}]}}"#,
        "new_image.a[0].cidr",
    ),
    (
        r#"{"new_image":{"a":[{"cidr":"10.0.0.0/8/8"}]}}"#,
        "new_image.a[0].cidr",
    ),
    (
        r#"{"new_image":{"a":[{"cidr":"10.0.0/8"}]}}"#,
        "new_image.a[0].cidr",
    ),
    (
        r#"{"new_image":{"a":[{"cidr":"10.0.0.256/8"}]}}"#,
        "new_image.a[0].cidr",
    ),
    (
        r#"{"new_image":{"a":[{"cidr":"host/8"}]}}"#,
        "new_image.a[0].cidr",
    ),
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
    for (text, place) in REFUSED {
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
