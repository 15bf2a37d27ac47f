use super::*;
use crate::catalog::Faults;
use crate::destination_type::DestinationSettings;

/// What reading makes of a body: the settings, the faults by field, and the secrets that were kept.
struct Reading {
    settings: DestinationSettings,
    faults: Vec<(String, String)>,
    kept: Vec<String>,
}

impl Reading {
    fn places(&self) -> Vec<&str> {
        self.faults.iter().map(|(place, _)| place.as_str()).collect()
    }
}

/// Reads `body` as the fields, over what is stored.
fn read_over(stored: &DestinationSettings, fields: &[Field], body: Value) -> Reading {
    let (mut faults, mut kept, mut values) = (Faults::default(), Vec::new(), Map::new());
    let mut given = Fields::of(body, "d", &mut faults).unwrap();
    for field in fields {
        let value = field.read(&mut given, stored.raw(field.name()), &mut kept);
        values.insert(field.name().to_owned(), value);
    }
    given.finish(&names(fields));
    let faults = faults.into_list().into_iter();
    Reading {
        settings: DestinationSettings::new(values),
        faults: faults.map(|fault| (fault.field, fault.message)).collect(),
        kept,
    }
}

fn read(fields: &[Field], body: Value) -> Reading {
    read_over(&DestinationSettings::default(), fields, body)
}

fn seconds(range: RangeInclusive<u64>) -> RangeInclusive<Duration> {
    Duration::from_secs(*range.start())..=Duration::from_secs(*range.end())
}

#[test]
fn a_field_that_is_left_out_or_null_has_its_default() {
    let fields = [
        Field::text("subject").or("changes"),
        Field::integer("limit", 1..=10).or(5),
        Field::duration("timeout", seconds(1..=60)).or("30s"),
        Field::text("note"),
    ];
    for body in [
        json!({}),
        json!({"subject": null, "limit": null, "timeout": null, "note": null}),
    ] {
        let reading = read(&fields, body);
        assert_eq!(reading.places(), Vec::<&str>::new());
        let expected = json!({"subject": "changes", "limit": 5, "timeout": "30s", "note": null});
        assert_eq!(reading.settings.shown(), expected);
    }
}

#[test]
fn a_required_field_that_is_missing_is_a_fault_that_says_what_it_holds() {
    let reading = read(
        &[
            Field::url("endpoint").required(),
            Field::secret("token").required(),
        ],
        json!({}),
    );
    assert_eq!(reading.places(), ["d.endpoint", "d.token"]);
    assert!(
        reading.faults[0].1.contains("an http or https URL"),
        "{:?}",
        reading.faults
    );
}

#[test]
fn a_value_that_does_not_fit_is_a_fault_of_its_field() {
    let fields = [
        Field::text("text"),
        Field::url("url"),
        Field::address("address"),
        Field::object("object"),
        Field::integer("integer", 1..=10),
        Field::duration("duration", seconds(1..=60)),
        Field::secret("secret"),
        Field::secrets("secrets", 2),
        Field::secret_map("map"),
        Field::group("group", vec![Field::text("inner")]),
    ];
    for (name, value) in [
        ("text", json!("")),
        ("text", json!(1)),
        ("url", json!("ftp://a/")),
        ("address", json!(9999)),
        ("object", json!([])),
        ("integer", json!(11)),
        ("integer", json!(1.5)),
        ("duration", json!("61s")),
        ("duration", json!("soon")),
        ("secret", json!("")),
        ("secret", json!({"env": "PATH"})),
        ("secrets", json!([])),
        ("secrets", json!(["a", "b", "c"])),
        ("secrets", json!([1])),
        ("map", json!("a")),
        ("map", json!({"x": 1})),
        ("group", json!("a")),
    ] {
        let reading = read(&fields, json!({name: value}));
        assert_eq!(reading.places(), [format!("d.{name}")], "{name} {value}");
    }
}

#[test]
fn a_fault_does_not_repeat_the_value() {
    let fields = [
        Field::url("url"),
        Field::secrets("secrets", 1),
        Field::secret_map("map"),
    ];
    let body = json!({
        "url": "http://user:hunter2@a/", "secrets": ["hunter2", "hunter3"], "map": {"x": ["hunter2"]},
    });
    let reading = read(&fields, body);
    assert_eq!(reading.faults.len(), 3);
    assert!(
        !format!("{:?}", reading.faults).contains("hunter"),
        "{:?}",
        reading.faults
    );
}

#[test]
fn values_are_kept_in_one_form() {
    let fields = [
        Field::url("endpoint"),
        Field::duration("timeout", seconds(1..=600)),
    ];
    let reading = read(&fields, json!({"endpoint": "HTTP://A:80/x", "timeout": "5m"}));
    assert_eq!(
        reading.settings.shown(),
        json!({"endpoint": "http://a/x", "timeout": "300s"})
    );
}

#[test]
fn a_masked_secret_keeps_what_is_stored_and_is_noted() {
    let fields = [Field::secret("token"), Field::text("subject")];
    let stored = read(&fields, json!({"token": "hunter2", "subject": "a"})).settings;
    let reading = read_over(&stored, &fields, json!({"token": MASK, "subject": "b"}));
    assert_eq!(reading.settings.secret("token"), Some("hunter2"));
    assert_eq!(
        (reading.settings.text("subject"), reading.kept),
        (Some("b"), vec!["token".to_owned()])
    );
    // Left out it is gone, and a new one takes its place.
    assert_eq!(
        read_over(&stored, &fields, json!({})).settings.secret("token"),
        None
    );
    let replaced = read_over(&stored, &fields, json!({"token": "hunter3"}));
    assert_eq!(replaced.settings.secret("token"), Some("hunter3"));
    assert!(replaced.kept.is_empty());
}

#[test]
fn a_masked_secret_without_a_stored_one_is_a_fault() {
    let fields = [
        Field::secret("token"),
        Field::secrets("all", 3),
        Field::secret_map("map"),
    ];
    let reading = read(&fields, json!({"token": MASK, "all": [MASK], "map": {"x": MASK}}));
    assert_eq!(reading.places(), ["d.token", "d.all", "d.map"]);
}

#[test]
fn a_reference_is_taken_wherever_a_secret_is_and_shown_as_it_is() {
    let fields = [
        Field::secret("token"),
        Field::secrets("one", 2),
        Field::secrets("all", 2),
        Field::secret_map("map"),
        batch(),
    ];
    let (variable, file) = (json!({"env": "CONDUIT_DEST_A"}), json!({"file": "a"}));
    let body = json!({
        "token": variable, "one": file, "all": ["hunter2", file], "map": {"x-a": variable, "x-b": "hunter3"},
        "batch": {"max_records": 5, "key": file},
    });
    let reading = read(&fields, body.clone());
    assert_eq!(reading.faults, []);
    let shown = reading.settings.shown();
    assert_eq!(shown["token"], variable);
    assert_eq!(shown["one"], json!([file]));
    assert_eq!(shown["all"], json!([MASK, file]));
    assert_eq!(shown["map"], json!({"x-a": variable, "x-b": MASK}));
    assert_eq!(shown["batch"]["key"], file);
    // What is shown is taken back: only what is masked is kept.
    let again = read_over(&reading.settings, &fields, shown);
    assert!(again.settings == reading.settings, "{:?}", again.faults);
    assert_eq!(again.kept, ["all", "map"]);
    // A mask keeps a reference too.
    let masked = read_over(&reading.settings, &fields, json!({"token": MASK}));
    assert_eq!(
        (masked.settings.shown()["token"].clone(), masked.kept),
        (variable, vec!["token".to_owned()])
    );
}

#[test]
fn a_reference_that_is_none_is_a_fault_of_its_field() {
    let fields = [
        Field::secret("token"),
        Field::secrets("all", 2),
        Field::secret_map("map"),
    ];
    let wrong = json!({"env": "hunter2"});
    let reading = read(
        &fields,
        json!({"token": wrong, "all": ["a", wrong], "map": {"x": wrong}}),
    );
    assert_eq!(reading.places(), ["d.token", "d.all", "d.map"]);
    assert!(!format!("{:?}", reading.faults).contains("hunter2"));
}

/// Stored values have names like these where secrets are: given by somebody, they would be read as such.
#[test]
fn an_object_cannot_have_names_that_mark_secrets() {
    let fields = [Field::object("object")];
    for object in [
        json!({"conduit:secret": "a"}),
        json!({"conduit:reference": {"env": "PATH"}}),
        json!({"a": [{"b": {"conduit:sealed": "1.a"}}]}),
    ] {
        assert_eq!(read(&fields, json!({ "object": object })).places(), ["d.object"]);
    }
}

#[test]
fn one_secret_stands_for_a_list_of_one() {
    let fields = [Field::secrets("all", 2)];
    let stored = read(&fields, json!({"all": "one"})).settings;
    assert_eq!(stored.secrets("all"), ["one"]);
    assert_eq!(stored.shown(), json!({"all": [MASK]}));
    assert_eq!(
        read_over(&stored, &fields, json!({"all": MASK}))
            .settings
            .secrets("all"),
        ["one"]
    );
}

#[test]
fn secrets_of_a_list_are_kept_by_their_place() {
    let fields = [Field::secrets("all", 3)];
    let stored = read(&fields, json!({"all": ["one", "two"]})).settings;
    let reading = read_over(&stored, &fields, json!({"all": ["new", MASK]}));
    assert_eq!(reading.settings.secrets("all"), ["new", "two"]);
    assert_eq!(
        read_over(&stored, &fields, json!({"all": [MASK, MASK]})).kept,
        ["all"]
    );
    assert_eq!(
        read_over(&stored, &fields, json!({"all": [MASK, MASK, MASK]})).places(),
        ["d.all"]
    );
}

#[test]
fn secrets_of_a_map_are_kept_by_their_name() {
    let fields = [Field::secret_map("map")];
    let stored = read(&fields, json!({"map": {"x-a": "one", "x-b": "two"}})).settings;
    let reading = read_over(&stored, &fields, json!({"map": {"x-b": MASK, "x-c": "three"}}));
    assert_eq!(
        reading.settings.secret_map("map"),
        [("x-b", "two"), ("x-c", "three")]
    );
    let renamed = read_over(&stored, &fields, json!({"map": {"x-d": MASK}}));
    assert_eq!(renamed.places(), ["d.map"]);
    assert!(renamed.faults[0].1.contains("x-d"), "{:?}", renamed.faults);
}

fn batch() -> Field {
    let members = vec![
        Field::integer("max_records", 1..=100).required(),
        Field::duration("linger", seconds(0..=5)).or("1s"),
        Field::secret("key"),
    ];
    Field::group("batch", members)
}

#[test]
fn a_group_has_the_defaults_and_the_rules_of_its_members() {
    let reading = read(&[batch()], json!({"batch": {"max_records": 5}}));
    assert_eq!(reading.settings.integer("batch.max_records"), Some(5));
    assert_eq!(
        reading.settings.duration("batch.linger"),
        Some(Duration::from_secs(1))
    );
    let wrong = read(&[batch()], json!({"batch": {"linger": "6s", "odd": 1}}));
    assert_eq!(
        wrong.places(),
        ["d.batch.max_records", "d.batch.linger", "d.batch.odd"]
    );
}

#[test]
fn a_group_that_is_left_out_asks_nothing_of_its_members() {
    let reading = read(&[batch()], json!({}));
    assert!(reading.faults.is_empty() && !reading.settings.has("batch"));
}

#[test]
fn a_masked_secret_of_a_group_keeps_what_is_stored_of_the_group() {
    let stored = read(&[batch()], json!({"batch": {"max_records": 5, "key": "hunter2"}})).settings;
    assert_eq!(stored.shown()["batch"]["key"], MASK);
    let reading = read_over(
        &stored,
        &[batch()],
        json!({"batch": {"max_records": 6, "key": MASK}}),
    );
    assert_eq!(reading.settings.secret("batch.key"), Some("hunter2"));
    assert_eq!(reading.kept, ["batch.key"]);
}

#[test]
fn a_wrong_declaration_is_told_by_its_field() {
    let number = || Field::integer("number", 1..=10);
    for (what, fields) in [
        ("twice", vec![number(), number()]),
        ("default", vec![number().or(11)]),
        ("default", vec![number().or("5")]),
        ("default", vec![Field::duration("number", seconds(1..=10)).or(5)]),
        ("default", vec![Field::secret("number").or("hunter2")]),
        ("default", vec![Field::group("group", vec![number().or(0)])]),
    ] {
        let message = check_all(&fields).unwrap_err();
        assert!(message.contains(what) && message.contains("number"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    assert_eq!(
        check_all(&[number().or(10), batch(), Field::secret("token")]),
        Ok(())
    );
}

#[test]
fn neither_secrets_nor_durations_say_where_records_go() {
    let fields = [
        Field::text("address"),
        Field::secret("token"),
        Field::duration("timeout", seconds(1..=60)),
        batch(),
    ];
    let body = json!({
        "address": "a:1", "token": "hunter2", "timeout": "1s", "batch": {"max_records": 5, "key": "hunter3"},
    });
    let shown = read(&fields, body).settings.shown();
    let expected = json!({"address": "a:1", "batch": {"max_records": 5}});
    assert_eq!(target_of(&fields, &shown), expected);
}

#[test]
fn an_address_is_a_host_and_a_port_and_kept_as_it_is() {
    let fields = [Field::address("address")];
    for address in ["logs:9999", "logs.example.com:80", "127.0.0.1:1", "[::1]:65535"] {
        let reading = read(&fields, json!({ "address": address }));
        assert_eq!(
            reading.settings.text("address"),
            Some(address),
            "{:?}",
            reading.faults
        );
    }
    for address in [
        "",
        "logs",
        ":9999",
        "logs:",
        "logs:0",
        "logs:65536",
        "logs:+1",
        "::1:9999",
        "http://logs:9999",
        "user:hunter2@logs:9999",
        "logs/x:9999",
        "logs:9999/x",
        "lo gs:9999",
        "logs\n:9999",
        "169.254.169.254:80",
        "[::ffff:169.254.169.254]:80",
        "metadata.google.internal:80",
    ] {
        let reading = read(&fields, json!({ "address": address }));
        assert_eq!(reading.places(), ["d.address"], "{address:?}");
        assert!(!reading.faults[0].1.contains("hunter2"), "{:?}", reading.faults);
    }
}
