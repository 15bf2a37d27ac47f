use super::*;

fn settings(values: Value) -> DestinationSettings {
    let Value::Object(values) = values else {
        panic!("an object");
    };
    DestinationSettings::new(values)
}

fn secret(text: &str) -> Value {
    hide(text.to_owned())
}

#[test]
fn values_are_found_by_their_paths() {
    let settings = settings(json!({
        "address": "a:1", "limit": 10, "timeout": "250ms", "extra": {"a": 1},
        "batch": {"max_records": 5, "linger": "1s", "missing": null}, "nothing": null,
    }));
    assert_eq!(settings.text("address"), Some("a:1"));
    assert_eq!(settings.integer("limit"), Some(10));
    assert_eq!(settings.duration("timeout"), Some(Duration::from_millis(250)));
    assert_eq!(settings.object("extra").unwrap()["a"], 1);
    assert_eq!(settings.integer("batch.max_records"), Some(5));
    assert_eq!(settings.duration("batch.linger"), Some(Duration::from_secs(1)));
    for path in [
        "absent",
        "nothing",
        "batch.missing",
        "batch.absent",
        "address.deeper",
        "",
    ] {
        assert!(!settings.has(path), "{path:?}");
    }
    assert!(settings.has("batch"));
}

#[test]
fn a_value_of_another_kind_is_none() {
    let settings = settings(json!({"text": "a", "number": 1, "token": secret("hunter2")}));
    assert_eq!(settings.integer("text"), None);
    assert_eq!(settings.duration("text"), None);
    assert_eq!(settings.text("number"), None);
    assert_eq!(settings.secret("text"), None);
    assert_eq!(settings.text("token"), None);
}

#[test]
fn secrets_are_masked_wherever_they_stand_and_only_they() {
    let settings = settings(json!({
        "token": secret("hunter2"), "plain": "plain", "all": [secret("hunter3"), secret("hunter4")],
        "headers": {"x-key": secret("hunter5")}, "group": {"inner": secret("hunter6"), "open": 1},
    }));
    let shown = json!({
        "token": MASK, "plain": "plain", "all": [MASK, MASK],
        "headers": {"x-key": MASK}, "group": {"inner": MASK, "open": 1},
    });
    assert_eq!(settings.shown(), shown);
    let debug = format!("{settings:?}");
    assert!(debug.contains("plain") && !debug.contains("hunter"), "{debug}");
}

#[test]
fn secrets_are_told_to_the_sink_alone_or_in_order_or_by_name() {
    let settings = settings(json!({
        "all": [secret("one"), secret("two")], "group": {"token": secret("three")},
        "headers": {"x-b": secret("four"), "x-a": secret("five")},
    }));
    assert_eq!(settings.secrets("all"), ["one", "two"]);
    assert_eq!(settings.secret("group.token"), Some("three"));
    assert_eq!(settings.secret_map("headers"), [("x-b", "four"), ("x-a", "five")]);
    assert!(settings.secrets("absent").is_empty() && settings.secret_map("absent").is_empty());
}

/// Names like these are none that MongoDB would take.
#[test]
fn settings_are_stored_as_text_and_read_back_with_their_secrets() {
    let stored = settings(json!({"token": secret("hunter2"), "settings": {"$a.b": {"": null}}}));
    let value = serde_json::to_value(&stored).unwrap();
    assert!(value.is_string(), "{value}");
    let read: DestinationSettings = serde_json::from_value(value).unwrap();
    assert_eq!(read, stored);
    assert_eq!(read.secret("token"), Some("hunter2"));
}

#[test]
fn stored_settings_that_cannot_be_read_are_not_quoted() {
    let broken = json!(r#"{"token": {"conduit:secret": "hunter2"}, "#);
    let error = serde_json::from_value::<DestinationSettings>(broken).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
