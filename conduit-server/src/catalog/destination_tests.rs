use super::*;
use crate::secrets::SecretSources;

fn read(value: Value, stored: &[Destination]) -> Result<Destination, Vec<(String, String)>> {
    let mut faults = Faults::default();
    let mut read = read_all(vec![value], stored, &mut faults);
    if faults.is_empty() {
        return Ok(read.remove(0));
    }
    Err(faults
        .into_list()
        .into_iter()
        .map(|fault| (fault.field, fault.message))
        .collect())
}

fn read_all(values: Vec<Value>, stored: &[Destination], faults: &mut Faults) -> Vec<Destination> {
    let collection = CollectionName::new("orders").unwrap();
    let context = DestinationContext {
        types: &DestinationTypes::for_tests(),
        collection: Some(&collection),
        stored,
        has_old_images: true,
        filters: &[],
    };
    Destination::read_all(values, context, faults)
}

fn http(endpoint: &str) -> Value {
    json!({"type": "http", "endpoint": endpoint})
}

#[test]
fn an_id_is_made_of_the_target_but_not_of_its_query() {
    let id = |endpoint: &str| read(http(endpoint), &[]).unwrap().id;
    assert_eq!(id("http://a/x?key=1"), id("http://a/x?key=2"));
    assert_ne!(id("http://a/x"), id("http://a/y"));
    assert!(id("http://a/x").as_str().starts_with("http-"));
}

#[test]
fn two_destinations_that_come_out_alike_ask_for_an_id() {
    let mut faults = Faults::default();
    read_all(
        vec![http("http://a/x?k=1"), http("http://a/x?k=2")],
        &[],
        &mut faults,
    );
    let faults = faults.into_list();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].field, "destinations[1].id");
}

#[test]
fn wrong_endpoints_are_refused_without_being_repeated() {
    for endpoint in [
        "",
        "example.com",
        "ftp://a/",
        "http://",
        "http://user:hunter2@a/",
        "http://a/#x",
        "http://169.254.169.254/",
        "http://[fe80::1]/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
    ] {
        let faults = read(http(endpoint), &[]).expect_err(endpoint);
        assert_eq!(faults[0].0, "destinations[0].endpoint", "{endpoint:?}");
        assert!(!faults[0].1.contains("hunter2"));
    }
}

#[test]
fn what_a_type_does_not_have_or_take_is_refused() {
    for (body, place) in [
        (json!({"type": "carrier-pigeon"}), "type"),
        (json!({"type": "stdout", "endpoint": "http://a/"}), "endpoint"),
        (json!({"type": "file", "path": "orders.ndjson"}), "type"),
        (
            json!({"type": "http", "endpoint": "http://a/", "index_name": "x"}),
            "index_name",
        ),
        (
            json!({"type": "http", "endpoint": "http://a/", "batch": {"max_records": 0}}),
            "batch.max_records",
        ),
        (
            json!({"type": "http", "endpoint": "http://a/", "batch": {"size": 1}}),
            "batch.size",
        ),
        (
            json!({"type": "http", "endpoint": "http://a/", "headers": {"host": "b"}}),
            "headers",
        ),
        (
            json!({"type": "http", "endpoint": "http://a/", "signing_secret": "short"}),
            "signing_secret",
        ),
        (
            json!({"type": "meilisearch", "endpoint": "http://a/", "format": "cloudevents"}),
            "format",
        ),
        (
            json!({"type": "meilisearch", "endpoint": "http://a/", "index_name": "a b"}),
            "index_name",
        ),
        (json!({"type": "eventbridge"}), "event_bus_name"),
        (
            json!({"type": "eventbridge", "event_bus_name": "b", "source": "aws.x"}),
            "source",
        ),
        (
            json!({"type": "eventbridge", "event_bus_name": "b", "endpoint": "http://169.254.169.254/"}),
            "endpoint",
        ),
    ] {
        let faults = read(body.clone(), &[]).expect_err(&body.to_string());
        assert_eq!(
            faults[0].0,
            format!("destinations[0].{place}"),
            "{body}: {faults:?}"
        );
    }
}

#[test]
fn every_type_is_shown_as_it_is_taken() {
    for body in [
        json!({"type": "http", "endpoint": "http://a/", "batch": {}, "headers": {"x-key": "s3cret"},
               "signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "format": "cloudevents"}),
        json!({"type": "eventbridge", "event_bus_name": "orders", "region": "eu-central-1"}),
        json!({"type": "meilisearch", "endpoint": "http://a/", "bearer_token": "s3cret", "settings": {"a.b": {"$c": 1}}}),
        json!({"type": "stdout", "format": "cloudevents"}),
    ] {
        let destination = read(body, &[]).unwrap();
        let shown = destination.show();
        assert!(
            !shown.to_string().contains("s3cret") && !shown.to_string().contains("MfKQ9r8"),
            "{shown}"
        );
        let stored = serde_json::from_str(&serde_json::to_string(&destination).unwrap()).unwrap();
        assert_eq!(destination, stored);
        assert_eq!(read(shown, &[stored]).unwrap(), destination);
    }
}

#[test]
fn a_masked_secret_keeps_the_stored_one_for_the_same_origin_only() {
    let mut body = http("https://a/x");
    body["id"] = json!("d");
    body["bearer_token"] = json!("hunter2");
    let stored = vec![read(body.clone(), &[]).unwrap()];
    body["bearer_token"] = json!("********");
    body["endpoint"] = json!("https://a/y");
    assert_eq!(
        read(body.clone(), &stored)
            .unwrap()
            .settings
            .secret("bearer_token"),
        Some("hunter2")
    );
    body["endpoint"] = json!("https://b/x");
    assert_eq!(
        read(body.clone(), &stored).unwrap_err()[0].0,
        "destinations[0].bearer_token"
    );
    assert_eq!(read(body, &[]).unwrap_err()[0].0, "destinations[0].bearer_token");
    assert!(!format!("{stored:?}").contains("hunter2"));
}

#[test]
fn a_change_of_any_field_is_another_revision() {
    let plain = read(http("http://a/x"), &[]).unwrap();
    let mut body = http("http://a/x");
    body["timeout"] = json!("5s");
    assert_ne!(plain.revision(), read(body, &[]).unwrap().revision());
    assert_eq!(
        plain.revision(),
        read(http("http://a/x"), &[]).unwrap().revision()
    );
}

/// Whether the process that is asked has the secret, or can read it, is nobody's business but the worker's.
#[test]
fn a_secret_that_is_elsewhere_is_no_fault_and_hides_none() {
    let mut body = http("http://a/");
    body["bearer_token"] = json!({"env": "CONDUIT_DEST_NOWHERE"});
    body["signing_secret"] = json!([{"file": "new"}, {"file": "old"}]);
    body["headers"] = json!({"x-key": {"file": "key"}});
    let destination = read(body.clone(), &[]).unwrap();
    assert_eq!(destination.show()["signing_secret"], body["signing_secret"]);
    let collection = CollectionName::new("orders").unwrap();
    let faults = destination
        .sink(&collection, &DestinationTypes::for_tests())
        .unwrap_err();
    assert_eq!(faults.len(), 4, "{faults:?}");
    let mut one = body.clone();
    one["signing_secret"] = json!({"file": "new"});
    assert!(read(one, &[]).is_ok());
    body["headers"]["host"] = json!("x");
    body["signing_secret"][1] = json!("short");
    let places: Vec<String> = read(body, &[])
        .unwrap_err()
        .into_iter()
        .map(|(place, _)| place)
        .collect();
    assert_eq!(
        places,
        ["destinations[0].signing_secret[1]", "destinations[0].headers"]
    );
}

#[test]
fn a_revision_follows_the_secret_and_not_the_way_it_is_stored() {
    let folder = tempfile::TempDir::new().unwrap();
    let sources = SecretSources::new(&HashMap::new(), Some(folder.path().to_owned()));
    let types = DestinationTypes::for_tests().with_secrets(sources);
    let with = |token: Value| {
        let mut body = http("http://a/");
        body["bearer_token"] = token;
        read(body, &[]).unwrap()
    };
    let (plain, referred) = (with(json!("one")), with(json!({"file": "token"})));
    let revision = |destination: &Destination| destination.resolved(&types).unwrap().revision();
    std::fs::write(folder.path().join("token"), "one\n").unwrap();
    let before = revision(&referred);
    assert_eq!(before, revision(&plain));
    assert_ne!(before, referred.revision());
    std::fs::write(folder.path().join("token"), "two\n").unwrap();
    assert_ne!(before, revision(&referred));
}

#[test]
fn numbers_and_types_out_of_range_are_refused() {
    for (field, value) in [
        ("max_retries", json!(21)),
        ("max_retries", json!(-1)),
        ("max_retries", json!(1.5)),
        ("timeout", json!("0s")),
        ("timeout", json!("6m")),
        ("timeout", json!(30)),
        ("id", json!("Upper")),
        ("event_types", json!([])),
        ("bearer_token", json!("two words")),
        ("bearer_token", json!({"env": "PATH"})),
        ("odd", json!(1)),
    ] {
        let mut body = http("http://a/");
        body[field] = value.clone();
        let faults = read(body, &[]).expect_err(&format!("{field} {value}"));
        assert_eq!(faults[0].0, format!("destinations[0].{field}"));
    }
}

#[test]
fn a_filter_is_shown_as_it_was_given_and_its_faults_have_their_places() {
    let mut body = http("http://a/");
    body["filter_criteria"] =
        json!({"new_image": {"total": [{"numeric": [">", 100]}]}, "oldImage": {"s": ["x"]}});
    let destination = read(body.clone(), &[]).unwrap();
    assert_eq!(destination.show()["filter_criteria"], body["filter_criteria"]);
    assert_ne!(
        destination.revision(),
        read(http("http://a/"), &[]).unwrap().revision()
    );
    body["filter_criteria"] = json!({"new_image": {"total": [{"numeric": [">", "100"]}], "s": "x"}});
    let places: Vec<String> = read(body, &[])
        .unwrap_err()
        .into_iter()
        .map(|(place, _)| place)
        .collect();
    assert_eq!(
        places,
        [
            "destinations[0].filter_criteria.new_image.total[0].numeric",
            "destinations[0].filter_criteria.new_image.s"
        ]
    );
}

#[test]
fn a_filter_keeps_the_text_of_its_numbers() {
    let collection = CollectionName::new("orders").unwrap();
    let text = r#"{"new_image": {"a": [0.1234567890123456789]}}"#;
    let mut body = http("http://a/");
    body["filter_criteria"] = serde_json::from_str(text).unwrap();
    let read = |body: Value, stored: &[Destination], filters: &[Option<String>]| {
        let mut faults = Faults::default();
        let context = DestinationContext {
            types: &DestinationTypes::for_tests(),
            collection: Some(&collection),
            stored,
            has_old_images: false,
            filters,
        };
        let mut all = Destination::read_all(vec![body], context, &mut faults);
        (all.remove(0), faults)
    };
    let (written, _) = read(body.clone(), &[], &[Some(text.to_owned())]);
    assert_eq!(written.filter_criteria.as_deref(), Some(text));
    // What is shown is taken unchanged.
    let (again, _) = read(written.show(), std::slice::from_ref(&written), &[]);
    assert_eq!(again, written);
    // The text of another filter is not this one's.
    let (other, _) = read(
        body.clone(),
        &[],
        &[Some(r#"{"new_image": {"a": [1]}}"#.to_owned())],
    );
    assert_eq!(other.filter_criteria, Some(body["filter_criteria"].to_string()));
    // A number that cannot be compared is refused as it is when it is tried.
    let text = r#"{"new_image": {"a": [{"numeric": ["=", 0.1234567890123456789]}]}}"#;
    body["filter_criteria"] = serde_json::from_str(text).unwrap();
    let (_, faults) = read(body, &[], &[Some(text.to_owned())]);
    assert_eq!(
        faults.places(),
        ["destinations[0].filter_criteria.new_image.a[0].numeric"]
    );
}
