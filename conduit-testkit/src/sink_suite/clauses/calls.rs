//! What arrives of calls that succeed, and in what order.

use std::sync::Arc;

use conduit_core::{Record, RecordType};
use futures_util::future::join_all;

use super::super::samples::{Contents, record, record_of, record_of_size};
use super::super::{Scene, SinkHarness};

/// The most records that a clause makes a call of, whatever the sink takes.
const FULL: usize = 500;

pub async fn a_batch_arrives_whole_and_in_order<H: SinkHarness>(scene: Scene<H>) {
    let records = scene.call(1, 7);
    scene.delivered(&records).await;
    scene.has_exactly(&records).await;
}

pub async fn a_full_batch_arrives_whole<H: SinkHarness>(scene: Scene<H>) {
    let records = scene.call(1, FULL);
    scene.delivered(&records).await;
    scene.has_exactly(&records).await;
}

pub async fn records_of_a_key_arrive_in_order_over_many_calls<H: SinkHarness>(scene: Scene<H>) {
    let mut all = Vec::new();
    for call in 0..20 {
        // The same keys in every call.
        let count = scene.call(1, 3).len();
        let records: Vec<_> = (0..count)
            .map(|n| record(call * count + n, &format!("document-{n}")))
            .collect();
        scene.delivered(&records).await;
        all.extend(records);
    }
    scene.has_exactly(&all).await;
}

pub async fn calls_at_the_same_time_all_arrive<H: SinkHarness>(scene: Scene<H>) {
    let calls: Vec<Vec<Arc<Record>>> = (0..scene.limits().concurrency.min(64))
        .map(|call| {
            let count = scene.call(1, 3).len();
            (0..count)
                .map(|n| record(call * count + n, &format!("document-{call}-{n}")))
                .collect()
        })
        .collect();
    join_all(calls.iter().map(|records| scene.delivered(records))).await;
    scene.has_exactly(&calls.concat()).await;
}

pub async fn records_without_images_arrive_byte_for_byte<H: SinkHarness>(scene: Scene<H>) {
    let id = r#"{"_id":7}"#;
    let bare = |record_type| Contents {
        record_type,
        keys: id,
        new_image: None,
        old_image: None,
    };
    let with_old = Contents {
        old_image: Some(r#"{"_id":7,"gone":true}"#),
        ..bare(RecordType::Remove)
    };
    let records = [bare(RecordType::Remove), bare(RecordType::Modify), with_old];
    byte_for_byte(&scene, records).await;
}

pub async fn text_of_every_kind_arrives_byte_for_byte<H: SinkHarness>(scene: Scene<H>) {
    let keys = r#"{"_id":"ä€\ud83d\ude00\u0000\n\"\\\/ \u00e4","a.b":"<&>'%00%","":" "}"#;
    let image = r#"{"_id":"x","控":"👩‍👩‍👧 \u200f \r\n\t","quote":"'\"`;--","empty":"","nested":{"":[[],{}]}}"#;
    let contents = Contents {
        record_type: RecordType::Insert,
        keys,
        new_image: Some(image),
        old_image: None,
    };
    let repeated_field = Contents {
        keys: r#"{"_id":{"a":1,"b":[1,"2",null]}}"#,
        new_image: Some(r#"{"_id":{"a":1,"b":[1,"2",null]},"z":1,"a":2,"a":3}"#),
        ..contents
    };
    byte_for_byte(&scene, [contents, repeated_field]).await;
}

pub async fn numbers_of_every_size_arrive_byte_for_byte<H: SinkHarness>(scene: Scene<H>) {
    let contents = Contents {
        record_type: RecordType::Insert,
        keys: r#"{"_id":-9223372036854775808}"#,
        new_image: Some(
            r#"{"_id":-9223372036854775808,"a":1.0,"b":1e300,"c":-0.0,"d":18446744073709551615,"e":0.1000000000000000055511151231257827}"#,
        ),
        old_image: None,
    };
    byte_for_byte(&scene, [contents]).await;
}

pub async fn a_record_of_a_mebibyte_arrives_byte_for_byte<H: SinkHarness>(scene: Scene<H>) {
    let record = record_of_size(1, "large", scene.limits().max_bytes.min(1 << 20));
    scene.delivered(std::slice::from_ref(&record)).await;
    assert!(
        scene.arrived().await == [record.json().to_vec()],
        "the record arrived changed"
    );
}

/// Delivers a record of each of these contents, one a call, and compares what arrives.
async fn byte_for_byte<H: SinkHarness, const N: usize>(scene: &Scene<H>, contents: [Contents<'_>; N]) {
    for (n, contents) in contents.into_iter().enumerate() {
        let record = record_of(n + 1, contents);
        scene.delivered(std::slice::from_ref(&record)).await;
        let arrived = scene.arrived().await;
        let text = |json: &[u8]| String::from_utf8_lossy(json).into_owned();
        assert_eq!(arrived.len(), n + 1, "one more record is there");
        assert_eq!(
            text(&arrived[n]),
            text(record.json()),
            "the record arrived changed"
        );
    }
}
