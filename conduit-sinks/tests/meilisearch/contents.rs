//! What is in the index after records were delivered; on every server.

use conduit_core::{RecordType, Sink, SinkErrorKind};
use conduit_sinks::meilisearch::{DocumentId, MAX_RECORDS, PRIMARY_KEY};
use serde_json::{Value, json};

use crate::server::{on_each_server, sink};
use crate::story::{deliver, delivered, kinds, put, record, remove};

#[tokio::test]
async fn documents_come_are_replaced_whole_and_go() {
    on_each_server(async |index| {
        let sink = index.sink();
        let keys = json!({ "_id": "65f0c0ffee65f0c0ffee65f0" });
        let first = json!({ "_id": "65f0c0ffee65f0c0ffee65f0", "name": "Zoë", "old": {"a": [1, 2.5, null]} });
        let second = json!({ "_id": "65f0c0ffee65f0c0ffee65f0", "name": "Zoe" });
        delivered(
            &sink,
            &[record(RecordType::Insert, &keys, Some(&first)), put("b", 1)],
        )
        .await;
        let found = index.documents().await;
        let mut expected = first.clone();
        expected[PRIMARY_KEY] = json!("65f0c0ffee65f0c0ffee65f0");
        assert_eq!(found["65f0c0ffee65f0c0ffee65f0"], expected);
        assert_eq!(found.len(), 2);

        delivered(&sink, &[record(RecordType::Modify, &keys, Some(&second))]).await;
        let found = index.documents().await;
        let mut expected = second.clone();
        expected[PRIMARY_KEY] = json!("65f0c0ffee65f0c0ffee65f0");
        assert_eq!(
            found["65f0c0ffee65f0c0ffee65f0"], expected,
            "what the update took away is gone"
        );

        delivered(
            &sink,
            &[record(RecordType::Remove, &keys, None), remove("never-there")],
        )
        .await;
        let found = index.documents().await;
        assert_eq!(found.keys().collect::<Vec<_>>(), ["b"]);
    })
    .await;
}

#[tokio::test]
async fn a_test_leaves_no_document_and_touches_no_other() {
    on_each_server(async |index| {
        let sink = index.sink();
        delivered(&sink, &[put("b", 1)]).await;
        let before = index.documents().await;
        let keys = json!({ "_id": "test-1" });
        let sample = record(RecordType::Insert, &keys, Some(&json!({ "_id": "test-1" })));
        assert_eq!(sink.test(sample).await.unwrap().status, Some(200));
        assert_eq!(index.documents().await, before);
    })
    .await;
}

#[tokio::test]
async fn keys_of_every_kind_are_documents_of_their_own_and_can_be_deleted() {
    on_each_server(async |index| {
        let sink = index.sink();
        let all = [
            json!({ "_id": 1 }),
            json!({ "_id": "1" }),
            json!({ "_id": 1.5 }),
            json!({ "_id": "USER#1" }),
            json!({ "_id": "user_1" }),
            json!({ "_id": "" }),
            json!({ "_id": null }),
            json!({ "_id": {"a": 1, "b": "x"} }),
            json!({ "_id": {"b": "x", "a": 1} }),
            json!({ "_id": "https://example.com/ä?q=1" }),
            json!({ "_id": "x".repeat(511) }),
            json!({ "_id": format!("{}1", "x".repeat(600)) }),
            json!({ "_id": format!("{}2", "x".repeat(600)) }),
            json!({ "tenant": "eu-1", "number": 7 }),
            json!({ "tenant": "eu-1", "number": "7" }),
        ];
        let puts: Vec<_> = all
            .iter()
            .map(|keys| record(RecordType::Insert, keys, Some(&json!({ "n": 1 }))))
            .collect();
        delivered(&sink, &puts).await;
        let found = index.documents().await;
        assert_eq!(found.len(), all.len(), "{:?}", found.keys());
        for keys in &all {
            let id = DocumentId::of(keys.to_string().as_bytes()).unwrap();
            let document = &found[id.as_str()];
            for (name, value) in keys.as_object().unwrap() {
                assert_eq!(&document[name], value, "the real keys are in the document {id}");
            }
        }
        let removes: Vec<_> = all
            .iter()
            .map(|keys| record(RecordType::Remove, keys, None))
            .collect();
        delivered(&sink, &removes).await;
        assert!(index.documents().await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_last_change_of_a_document_in_a_call_counts() {
    on_each_server(async |index| {
        let sink = index.sink();
        let changes = [
            put("a", 1),
            put("b", 1),
            put("a", 2),
            remove("b"),
            put("c", 1),
            remove("c"),
            put("c", 2),
            put("a", 3),
            remove("d"),
            put("d", 1),
            remove("d"),
        ];
        delivered(&sink, &changes).await;
        let found = index.documents().await;
        let numbers: Vec<(&str, &Value)> = found.iter().map(|(id, found)| (&**id, &found["n"])).collect();
        assert_eq!(numbers, [("a", &json!(3)), ("c", &json!(2))]);
    })
    .await;
}

#[tokio::test]
async fn an_update_whose_document_has_gone_changes_nothing() {
    on_each_server(async |index| {
        let sink = index.sink();
        delivered(&sink, &[put("a", 1)]).await;
        delivered(&sink, &[record(RecordType::Modify, &json!({ "_id": "a" }), None)]).await;
        assert_eq!(index.documents().await["a"]["n"], 1);
    })
    .await;
}

#[tokio::test]
async fn a_missing_index_is_created_with_primary_key_and_settings() {
    on_each_server(async |index| {
        let settings = json!({ "searchableAttributes": ["name"], "synonyms": {"a": ["b"]} });
        let sink = sink(
            index
                .config()
                .with_settings(settings.as_object().unwrap().clone()),
        );
        assert_eq!(index.primary_key().await, None, "making a sink does nothing");
        delivered(&sink, &[put("a", 1)]).await;
        assert_eq!(index.primary_key().await, Some(json!(PRIMARY_KEY)));
        let found = index.settings().await;
        assert_eq!(found["searchableAttributes"], settings["searchableAttributes"]);
        assert_eq!(found["synonyms"], settings["synonyms"]);
    })
    .await;
}

#[tokio::test]
async fn an_index_that_is_there_already_is_taken_if_its_primary_key_allows() {
    on_each_server(async |index| {
        for primary_key in [None, Some(PRIMARY_KEY)] {
            index.delete().await;
            index.create(primary_key).await;
            delivered(&index.sink(), &[put("a", 1)]).await;
            assert_eq!(index.primary_key().await, Some(json!(PRIMARY_KEY)));
            // A second sink, say after a restart.
            delivered(&index.sink(), &[put("b", 1)]).await;
            assert_eq!(index.documents().await.len(), 2);
        }
    })
    .await;
}

#[tokio::test]
async fn an_index_with_another_primary_key_is_refused_with_the_cure() {
    on_each_server(async |index| {
        index.create(Some("sku")).await;
        let error = deliver(&index.sink(), &[put("a", 1)]).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Unauthorized);
        let text = error.report();
        assert!(
            text.ends_with(
                "has the primary key \"sku\" instead of \"_conduit_id\": delete it or choose another index_name"
            ),
            "{text}"
        );
    })
    .await;
}

#[tokio::test]
async fn settings_that_the_server_does_not_take_are_the_operators_to_mend() {
    on_each_server(async |index| {
        let settings = json!({ "rankingRules": 7 });
        let sink = sink(
            index
                .config()
                .with_settings(settings.as_object().unwrap().clone()),
        );
        let error = deliver(&sink, &[put("a", 1)]).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{error:?}");
        assert!(
            error.report().contains("invalid_settings_ranking_rules"),
            "{error}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_index_that_was_deleted_comes_back_with_its_settings() {
    on_each_server(async |index| {
        let settings = json!({ "searchableAttributes": ["name"] });
        let sink = sink(
            index
                .config()
                .with_settings(settings.as_object().unwrap().clone()),
        );
        delivered(&sink, &[put("a", 1)]).await;
        index.delete().await;
        // There is nothing left of it.
        delivered(&sink, &[remove("a")]).await;
        delivered(&sink, &[put("b", 1)]).await;
        assert_eq!(index.documents().await.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(
            index.settings().await["searchableAttributes"],
            settings["searchableAttributes"]
        );
    })
    .await;
}

#[tokio::test]
async fn documents_that_the_server_refuses_are_found_and_all_others_get_through() {
    on_each_server(async |index| {
        let settings = json!({ "sortableAttributes": ["_geo"] });
        let sink = sink(
            index
                .config()
                .with_settings(settings.as_object().unwrap().clone()),
        );
        let bad = [3, 17, 18];
        let records: Vec<_> = (0..20)
            .map(|n| {
                let id = format!("d{n}");
                let place = if bad.contains(&n) {
                    json!({"lat": "north"})
                } else {
                    json!({"lat": 1.5, "lng": 2})
                };
                record(
                    RecordType::Insert,
                    &json!({ "_id": id }),
                    Some(&json!({ "_id": id, "_geo": place })),
                )
            })
            .collect();
        let delivery = deliver(&sink, &records).await.unwrap();
        assert_eq!(kinds(&delivery), bad.map(|n| (n, SinkErrorKind::Rejected)));
        for (_, error) in &delivery.failed {
            assert!(error.report().contains("invalid_document_geo_field"), "{error}");
            assert!(!error.report().contains("north"), "{error}");
        }
        let found = index.documents().await;
        assert_eq!(found.len(), 17);
        assert!(bad.iter().all(|n| !found.contains_key(&format!("d{n}"))));
    })
    .await;
}

#[tokio::test]
async fn a_full_call_gets_through() {
    on_each_server(async |index| {
        let sink = index.sink();
        assert_eq!(sink.limits().max_records, MAX_RECORDS);
        let records: Vec<_> = (0..1000).map(|n| put(&format!("d{n}"), n)).collect();
        delivered(&sink, &records).await;
        assert_eq!(index.documents().await.len(), 1000);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_key_is_unauthorized() {
    on_each_server(async |index| {
        if index.server.key().is_none() {
            println!("SKIPPED: the server has no key (MEILI_MASTER_KEY is not set)");
            return;
        }
        let sink = sink(index.config().with_bearer_token("wr0ng-key"));
        let error = deliver(&sink, &[put("a", 1)]).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Unauthorized);
        assert!(
            error.report().contains("HTTP 403") && error.report().contains("invalid_api_key"),
            "{error}"
        );
        assert!(!error.report().contains("wr0ng"));
    })
    .await;
}
