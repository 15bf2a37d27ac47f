//! What an error's kind and words say.

use std::time::Duration;

use conduit_core::SinkErrorKind;

use super::super::samples::{CONTENTS, record};
use super::super::{Behaviour, Scene, SinkHarness};
use crate::clause::say_skipped;

const WAIT: Duration = Duration::from_secs(7);

pub async fn a_destination_that_is_down_is_unavailable_until_it_is_back<H: SinkHarness>(scene: Scene<H>) {
    let (first, second) = (record(1, "a"), record(2, "a"));
    scene.delivered(std::slice::from_ref(&first)).await;
    if !scene.behave(Behaviour::Down).await {
        return;
    }
    for _ in 0..3 {
        let error = scene.failure(&second).await;
        assert_eq!(error.kind(), SinkErrorKind::Unavailable, "{error:?}");
    }
    scene.recover().await;
    scene.delivered(std::slice::from_ref(&second)).await;
    scene.has_exactly(&[first, second]).await;
}

pub async fn a_destination_that_does_not_answer_is_a_timeout<H: SinkHarness>(scene: Scene<H>) {
    if !scene.behave(Behaviour::Hang).await {
        return;
    }
    let error = scene.failure(&record(1, "a")).await;
    assert!(
        matches!(error.kind(), SinkErrorKind::Unavailable | SinkErrorKind::Timeout),
        "{error:?}"
    );
}

pub async fn refused_credentials_are_unauthorized<H: SinkHarness>(scene: Scene<H>) {
    if !scene.behave(Behaviour::RefuseCredentials).await {
        return;
    }
    let error = scene.failure(&record(1, "a")).await;
    assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{error:?}");
}

pub async fn a_destination_that_asks_to_wait_throttles_for_as_long<H: SinkHarness>(scene: Scene<H>) {
    if !scene.behave(Behaviour::Throttle(WAIT)).await {
        return;
    }
    let error = scene.failure(&record(1, "a")).await;
    let expected = SinkErrorKind::Throttled {
        retry_after: Some(WAIT),
    };
    assert_eq!(error.kind(), expected, "{error:?}");
    assert_eq!(scene.arrived().await.len(), 0);
}

pub async fn a_refused_record_is_rejected_and_the_next_one_is_not<H: SinkHarness>(scene: Scene<H>) {
    let (bad, good) = (record(1, "a"), record(2, "b"));
    if !scene.behave(Behaviour::Refuse(bad.event_id().clone())).await {
        return;
    }
    let error = scene.failure(&bad).await;
    assert!(
        matches!(
            error.kind(),
            SinkErrorKind::Rejected | SinkErrorKind::Undeliverable
        ),
        "{error:?}"
    );
    scene.delivered(std::slice::from_ref(&good)).await;
    scene.has_exactly(&[good]).await;
}

pub async fn errors_tell_neither_contents_nor_secrets<H: SinkHarness>(scene: Scene<H>) {
    let record = record(1, CONTENTS);
    let faults = [
        Behaviour::Refuse(record.event_id().clone()),
        Behaviour::Down,
        Behaviour::Hang,
        Behaviour::LoseAnswers,
        Behaviour::Throttle(WAIT),
        Behaviour::RefuseCredentials,
    ];
    let mut is_tried = false;
    for fault in &faults {
        if !scene.try_behave(fault).await {
            continue;
        }
        is_tried = true;
        let error = scene.failure(&record).await;
        let report = error.report();
        assert!(!report.contains('\n'), "more than one line: {report:?}");
        assert_tells_nothing(&scene, &format!("{report} {error:?}"));
    }
    assert_tells_nothing(&scene, &format!("{:?}", scene.sink()));
    if !is_tried {
        say_skipped(
            "errors_tell_neither_contents_nor_secrets",
            "the destination cannot be made to fail; the sink's debug form was looked at",
        );
    }
}

fn assert_tells_nothing<H: SinkHarness>(scene: &Scene<H>, text: &str) {
    for hidden in scene.harness().secrets().iter().chain(&[CONTENTS]) {
        assert!(!text.contains(hidden), "{hidden:?} is shown: {text}");
    }
}
