//! The question whether the bus exists.

use conduit_core::SinkErrorKind;
use conduit_sinks::eventbridge::BusCheck;
use conduit_testkit::receiver::Answer;

use crate::stub::{Describes, Puts, Stub, refusal};
use crate::{SHORT, config, deliver, failure, records, sink, sink_of};

#[tokio::test]
async fn the_bus_is_asked_for_once_before_the_first_delivery() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    let all = (0..5).map(|number| deliver(&sink, records(number..number + 1)));
    futures_util::future::try_join_all(all).await.unwrap();
    assert_eq!((stub.calls("DescribeEventBus"), stub.calls("PutEvents")), (1, 5));
    let first = &stub.receiver.received()[0];
    assert_eq!(first.json()["Name"], "orders");
}

#[tokio::test]
async fn nothing_is_sent_to_a_bus_that_does_not_exist_until_it_does() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    let answer = refusal(
        400,
        "ResourceNotFoundException",
        "Event bus orders does not exist.",
    );
    stub.describe(Describes::With(answer));
    for _ in 0..2 {
        let error = failure(&sink, 1).await;
        assert_eq!(error.kind(), SinkErrorKind::Unauthorized);
        let url = stub.url();
        assert_eq!(
            error.report(),
            format!(
                "the event bus {url}/orders does not exist: create it, or mend event_bus_name or region: \
                 ResourceNotFoundException from EventBridge at {url}/orders: Event bus orders does not exist."
            )
        );
    }
    assert!(matches!(sink.check_bus().await.unwrap(), BusCheck::Missing(_)));
    assert_eq!((stub.calls("DescribeEventBus"), stub.calls("PutEvents")), (3, 0));
    stub.describe(Describes::Exists);
    deliver(&sink, records(1..2)).await.unwrap();
    assert_eq!(sink.check_bus().await.unwrap(), BusCheck::Exists);
}

#[tokio::test]
async fn without_the_permission_to_ask_deliveries_go_on() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    stub.describe(Describes::With(refusal(
        400,
        "AccessDeniedException",
        "User: x is not authorized to perform: events:DescribeEventBus",
    )));
    for number in 0..3 {
        deliver(&sink, records(number..number + 1)).await.unwrap();
    }
    // It would be refused again.
    assert_eq!((stub.calls("DescribeEventBus"), stub.calls("PutEvents")), (1, 3));
    let BusCheck::NotPermitted(why) = sink.check_bus().await.unwrap() else {
        panic!("the bus cannot be known to exist");
    };
    assert!(
        why.contains("is not authorized to perform: events:DescribeEventBus"),
        "{why}"
    );
}

#[tokio::test]
async fn a_question_without_an_answer_stops_no_delivery() {
    for answer in [
        Answer::Status(500),
        Answer::CloseBeforeAnswer,
        Answer::Hang,
        refusal(400, "ThrottlingException", "Rate exceeded"),
        refusal(400, "UnknownOperationException", ""),
    ] {
        let stub = Stub::start().await;
        let sink = sink_of(config(&stub.url()).with_timeout(SHORT * 5));
        stub.describe(Describes::With(answer.clone()));
        for number in 0..3 {
            deliver(&sink, records(number..number + 1)).await.unwrap();
        }
        // It is asked again, but not at once.
        assert_eq!(
            (stub.calls("DescribeEventBus"), stub.calls("PutEvents")),
            (1, 3),
            "{answer:?}"
        );
        assert!(answer == Answer::Hang || sink.check_bus().await.is_err());
    }
}

#[tokio::test]
async fn a_call_of_its_own_says_what_is_wrong_with_a_destination_that_is_down() {
    let stub = Stub::start().await;
    let sink = sink(&stub);
    stub.describe(Describes::With(Answer::Status(503)));
    stub.put(Puts::Whole(refusal(400, "ThrottlingException", "Rate exceeded")));
    let error = failure(&sink, 1).await;
    assert_eq!(error.kind(), SinkErrorKind::Throttled { retry_after: None });
}
