//! Each clause, run with a watcher that breaks it.

use conduit_testkit::watcher_suite::{clauses, run};

use crate::flawed::{Flaw, Harness};

/// Makes a test for each flaw: the clause fails, and for that reason.
macro_rules! is_found {
    ($($flaw:ident: $module:ident::$clause:ident as $test:ident says $reason:literal;)+) => {
        $(
            #[test]
            #[should_panic(expected = $reason)]
            fn $test() {
                run(stringify!($clause), Harness(Flaw::$flaw), clauses::$module::$clause);
            }
        )+
    };
}

is_found! {
    LosesTheFirstChange: changes::every_change_after_the_start_comes_once
        as a_first_change_lost says "left";
    RepeatsTheLastRecord: changes::every_change_after_the_start_comes_once
        as a_record_repeated says "is not after";
    LosesTheFirstChange: changes::changes_from_before_the_stream_was_opened_come_too
        as a_first_change_of_the_past_lost says "left";
    LeavesOutTheFirstChangeOfItsStart: changes::no_change_before_the_start_comes
        as a_time_taken_for_done says "opened at the time of record 1";
    BringsOtherCollections: changes::changes_of_other_collections_do_not_come
        as a_collection_that_is_not_watched says "is of no target";
    SortsByCollection: changes::several_collections_come_in_one_order
        as changes_sorted_by_collection says "is not after it";
    LosesTheFirstChange: changes::streams_side_by_side_each_bring_everything
        as a_stream_beside_another_that_loses says "does not come";
    EndsAtADrop: changes::a_collection_dropped_and_made_again_does_not_end_the_stream
        as a_stream_that_ends_at_a_drop says "the stream goes on";
    TellsAnEarlierTime: changes::what_was_acknowledged_is_not_after_now
        as a_time_that_is_over says "was acknowledged before";
    GoesOnOneChangeTooLate: positions::a_stream_goes_on_after_the_position_of_any_record
        as a_change_lost_after_a_record says "gone on after record";
    GoesOnOneChangeTooLate: positions::a_stream_goes_on_after_the_position_of_any_batch
        as a_change_lost_after_a_batch says "gone on after";
    MovesThePositionTooFar: positions::a_stream_goes_on_after_the_position_of_any_batch
        as a_position_that_covers_what_is_to_come says "is not after";
    LosesWhatComesAfterAnIdleTime: positions::a_stream_goes_on_after_the_position_of_an_idle_one
        as a_change_lost_after_an_idle_time says "does not come";
    KeepsItsPositionWhileIdle: positions::the_position_of_an_idle_stream_moves_on
        as a_position_that_stays says "the position stays";
    GoesOnAtTheEndForOtherTargets: positions::a_stream_of_other_targets_goes_on_from_the_same_position
        as a_change_lost_between_streams says "does not come";
    TakesAnyPosition: positions::a_position_of_another_source_is_refused
        as a_position_of_another_source_taken says "came";
    CallsLostHistoryAnOutage: positions::a_position_whose_history_is_gone_is_history_lost
        as lost_history_called_an_outage says "Unavailable";
    IgnoresMaxRecords: batches::a_batch_has_no_more_records_than_its_limit
        as too_many_records says "records where 1 are allowed";
    IgnoresMaxBytes: batches::a_batch_has_no_more_bytes_than_its_limit_but_for_one_larger_record
        as too_many_bytes says "bytes where 2500 are allowed";
    WaitsLonger: batches::a_batch_comes_when_its_time_is_over_though_nothing_changes
        as a_batch_that_comes_late says "a batch comes";
    WaitsToTheEnd: batches::a_batch_comes_as_soon_as_something_changes
        as a_batch_that_waits_for_more says "it took";
    SaysTheEndTooEarly: batches::a_batch_says_whether_there_is_more
        as an_end_that_is_none says "there is more behind";
    LosesADroppedBatch: batches::a_batch_dropped_midway_loses_nothing
        as a_dropped_batch_lost says "left";
    TearsPairs: batches::the_two_records_of_a_change_of_key_come_in_one_batch
        as a_change_torn says "a change is torn";
    MakesEveryChangeAModify: records::a_record_tells_what_the_change_did
        as a_wrong_type says "left";
    GivesEveryChangeAKey: records::records_have_the_key_of_their_document
        as a_document_of_several_keys says "one document has several keys";
    GivesAllRecordsOneId: records::every_record_has_an_id_and_a_place_of_its_own
        as an_id_shared says "two records share an id";
    NumbersRecordsByStream: records::a_change_makes_the_same_record_in_every_stream
        as a_record_that_depends_on_its_stream says "in a stream of";
}
