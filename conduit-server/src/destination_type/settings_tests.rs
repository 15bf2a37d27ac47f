use serde_json::json;

use super::*;

fn settings(values: Value) -> DestinationSettings {
    let Value::Object(values) = values else {
        panic!("an object");
    };
    DestinationSettings::new(values)
}

fn secret(text: &str) -> Value {
    StoredSecret::Plain(text.to_owned()).into_value()
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

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER_KEY: &str = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";
const PLACE: (&str, &str) = ("orders", "d");

fn with_secrets_everywhere() -> DestinationSettings {
    let reference = |value| {
        let reference = crate::secrets::SecretReference::read(&value).unwrap();
        StoredSecret::Reference(reference).into_value()
    };
    settings(json!({
        "token": secret("hunter2"), "plain": "plain", "all": [secret("hunter3"), secret("hunter4")],
        "headers": {"x-key": secret("hunter5"), "x-env": reference(json!({"env": "CONDUIT_DEST_A"}))},
        "group": {"inner": secret("hunter6"), "open": 1}, "last": reference(json!({"file": "token"})),
    }))
}

fn sealed(keys: &SecretKeys) -> DestinationSettings {
    let mut sealed = with_secrets_everywhere();
    sealed.seal(keys, PLACE).unwrap();
    sealed
}

#[test]
fn sealed_settings_hold_no_secret_and_open_with_their_key() {
    let keys = SecretKeys::parse(KEY).unwrap();
    let sealed = sealed(&keys);
    let text = serde_json::to_string(&sealed).unwrap();
    assert!(
        !text.contains("hunter") && text.contains("plain") && text.contains("CONDUIT_DEST_A"),
        "{text}"
    );
    // To whoever looks, it is the same.
    assert_eq!(sealed.shown(), with_secrets_everywhere().shown());
    let mut opened: DestinationSettings = serde_json::from_str(&text).unwrap();
    assert!(opened.open(&keys, PLACE));
    assert_eq!(opened, with_secrets_everywhere());
}

#[test]
fn what_cannot_be_decrypted_stays_as_it_is() {
    let keys = SecretKeys::parse(KEY).unwrap();
    let sealed = sealed(&keys);
    for other in [SecretKeys::default(), SecretKeys::parse(OTHER_KEY).unwrap()] {
        let mut kept = sealed.clone();
        // It cannot be stored in any other way.
        assert!(kept.open(&other, PLACE));
        assert!(kept == sealed);
        kept.seal(&other, PLACE).unwrap();
        assert!(kept == sealed && kept.secret("token").is_none());
        assert!(kept.open(&keys, PLACE));
        assert_eq!(kept, with_secrets_everywhere());
    }
}

#[test]
fn a_ciphertext_opens_at_its_own_field_of_its_own_destination_only() {
    let keys = SecretKeys::parse(KEY).unwrap();
    for place in [("users", "d"), ("orders", "e")] {
        let mut moved = sealed(&keys);
        moved.open(&keys, place);
        assert_eq!((moved.secret("token"), moved.secrets("all").len()), (None, 0));
    }
    let sealed = sealed(&keys);
    let of = |name: &str| sealed.raw(name).clone();
    let mut swapped = settings(json!({
        "token": of("all")[0], "all": [of("all")[1], of("all")[0]], "headers": {"x-other": of("headers")["x-key"]},
    }));
    swapped.open(&keys, PLACE);
    assert_eq!(swapped.secret("token"), None);
    assert!(swapped.secrets("all").is_empty() && swapped.secret_map("headers").is_empty());
}

#[test]
fn secrets_stored_plainly_or_with_the_key_before_are_to_be_stored_anew() {
    let keys = SecretKeys::parse(KEY).unwrap();
    let both = SecretKeys::parse(&format!("{OTHER_KEY},{KEY}")).unwrap();
    let mut plain = with_secrets_everywhere();
    assert!(plain.open(&SecretKeys::default(), PLACE));
    assert!(!plain.open(&keys, PLACE));
    assert_eq!(plain, with_secrets_everywhere());
    let mut before = sealed(&keys);
    assert!(!before.open(&both, PLACE));
    assert_eq!(before, with_secrets_everywhere());
    before.seal(&both, PLACE).unwrap();
    assert!(before.open(&SecretKeys::parse(OTHER_KEY).unwrap(), PLACE));
    assert_eq!(before, with_secrets_everywhere());
}

#[test]
fn references_are_resolved_or_named_as_missing_all_at_once() {
    let folder = tempfile::TempDir::new().unwrap();
    let variables = [("CONDUIT_DEST_A".to_owned(), "hunter7".to_owned())].into();
    let sources = SecretSources::new(&variables, Some(folder.path().to_owned()));
    let settings = with_secrets_everywhere();
    let faults = settings.resolve(&SecretSources::default()).unwrap_err();
    let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(fields, ["headers.x-env", "last"]);
    let faults = settings.resolve(&sources).unwrap_err();
    assert!(
        faults.len() == 1 && faults[0].message.contains("\"token\""),
        "{faults:?}"
    );
    std::fs::write(folder.path().join("token"), "hunter8\n").unwrap();
    let resolved = settings.resolve(&sources).unwrap();
    assert_eq!(resolved.secret("last"), Some("hunter8"));
    assert_eq!(
        resolved.secret_map("headers"),
        [("x-key", "hunter5"), ("x-env", "hunter7")]
    );
    assert!(!format!("{resolved:?} {settings:?}").contains("hunter"));
}

#[test]
fn an_encrypted_secret_that_does_not_open_is_named_as_missing() {
    let keys = SecretKeys::parse(KEY).unwrap();
    let faults = sealed(&keys).resolve(&SecretSources::default()).unwrap_err();
    let encrypted = faults
        .iter()
        .filter(|fault| fault.message.contains("CONDUIT_SECRET_KEY"));
    let fields: Vec<&str> = encrypted.map(|fault| fault.field.as_str()).collect();
    assert_eq!(
        fields,
        ["token", "all[0]", "all[1]", "headers.x-key", "group.inner"]
    );
}

/// Without it a destination would be sent to without the secret.
#[test]
fn a_secret_in_a_form_that_is_not_known_is_kept_masked_and_named_as_missing() {
    for unknown in [
        json!({"conduit:vault": "hunter2"}),
        json!({"conduit:secret": ["hunter2"]}),
        json!({"conduit:sealed": 1}),
        json!({"conduit:reference": {"env": "PATH"}}),
    ] {
        let mut stored = settings(json!({ "token": unknown }));
        assert!(stored.open(&SecretKeys::parse(KEY).unwrap(), PLACE));
        stored.seal(&SecretKeys::parse(KEY).unwrap(), PLACE).unwrap();
        assert_eq!((stored.raw("token"), stored.secret("token")), (&unknown, None));
        assert_eq!(stored.shown(), json!({ "token": MASK }));
        let faults = stored.resolve(&SecretSources::default()).unwrap_err();
        assert_eq!((faults.len(), faults[0].field.as_str()), (1, "token"));
    }
}
