//! Each clause, run with a sink that breaks it.

use conduit_testkit::sink_suite::{clauses, run};

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
    TurnsBatchesRound: calls::a_batch_arrives_whole_and_in_order
        as a_batch_turned_round says "records of one key arrived in another order";
    SendsTheFirstFiveOnly: calls::a_full_batch_arrives_whole
        as a_batch_cut_short says "not what was delivered";
    SendsEverySecondCallLater: calls::records_of_a_key_arrive_in_order_over_many_calls
        as calls_swapped says "records of one key arrived in another order";
    LosesWhatComesBesideAnotherCall: calls::calls_at_the_same_time_all_arrive
        as calls_lost_beside_another says "not what was delivered";
    AddsANullImage: calls::records_without_images_arrive_byte_for_byte
        as an_image_that_is_null says "the record arrived changed";
    EscapesText: calls::text_of_every_kind_arrives_byte_for_byte
        as text_escaped says "the record arrived changed";
    WritesNumbersAnew: calls::numbers_of_every_size_arrive_byte_for_byte
        as a_number_written_anew says "the record arrived changed";
    CutsLargeRecords: calls::a_record_of_a_mebibyte_arrives_byte_for_byte
        as a_large_record_cut says "the record arrived changed";
    AllowsNoCall: limits::limits_allow_a_call_and_stay_the_same
        as limits_that_allow_nothing says "no call can be made";
    ChangesItsLimits: limits::limits_allow_a_call_and_stay_the_same
        as limits_that_change says "asked again";
    ChangesItsEndpoint: limits::the_endpoint_stays_the_same_and_shows_no_secret
        as an_endpoint_that_changes says "asked after a call";
    ShowsASecretEndpoint: limits::the_endpoint_stays_the_same_and_shows_no_secret
        as a_secret_in_the_endpoint says "a secret is shown";
    CutsLargeRecords: limits::a_record_at_the_limit_arrives_whole
        as a_record_at_the_limit_cut says "the record arrived changed";
    SendsAPartOfWhatIsTooLarge: limits::a_record_over_the_limit_is_refused_or_arrives_whole
        as a_part_of_a_record_that_is_too_large says "something of it arrived";
    AnswersBeforeItSends: outcomes::what_is_acknowledged_is_durable
        as an_answer_before_it_is_sent says "the record is told to be delivered";
    SendsTwice: outcomes::a_repeat_arrives_as_declared
        as records_sent_twice says "repeats arrived otherwise";
    CallsALostAnswerSuccess: outcomes::a_lost_answer_is_no_success
        as a_lost_answer_called_success says "the record is told to be delivered";
    TakesWhatItBeganForDone: outcomes::a_call_dropped_midway_loses_nothing_when_it_is_made_again
        as a_dropped_call_taken_for_done says "did not arrive";
    StopsAfterADroppedCall: outcomes::a_call_dropped_while_it_hangs_does_not_disturb_the_next
        as a_dropped_call_that_blocks_all_later_ones says "a call is in hand";
    GivesUpOnSlowDestinations: outcomes::a_slow_destination_is_waited_for
        as no_patience says "no answer";
    NamesTheNextRecord: outcomes::a_refused_record_is_named_and_the_others_arrive
        as a_wrong_index says "record 2 was refused, not [3]";
    FailsTheWholeCall: outcomes::a_refused_record_is_named_and_the_others_arrive
        as a_call_that_fails_for_one_record says "fails the whole call";
    PassesEveryTest: outcomes::a_test_says_whether_the_destination_takes_records
        as a_test_that_always_succeeds says "passes a test";
    BlamesTheRecord: errors::a_destination_that_is_down_is_unavailable_until_it_is_back
        as a_record_blamed_for_a_destination_that_is_down says "kind: Rejected";
    StaysDown: errors::a_destination_that_is_down_is_unavailable_until_it_is_back
        as a_sink_that_does_not_come_back says "down";
    CallsALostAnswerSuccess: errors::a_destination_that_does_not_answer_is_a_timeout
        as no_answer_called_success says "the record is told to be delivered";
    BlamesTheRecord: errors::refused_credentials_are_unauthorized
        as a_record_blamed_for_the_credentials says "kind: Rejected";
    ForgetsHowLongToWait: errors::a_destination_that_asks_to_wait_throttles_for_as_long
        as a_wait_without_its_length says "retry_after: None";
    BlamesTheDestination: errors::a_refused_record_is_rejected_and_the_next_one_is_not
        as a_destination_blamed_for_the_record says "kind: Unavailable";
    TellsContents: errors::errors_tell_neither_contents_nor_secrets
        as contents_told says "is shown";
    TellsTheToken: errors::errors_tell_neither_contents_nor_secrets
        as a_secret_told_as_a_cause says "is shown";
    WritesOnSeveralLines: errors::errors_tell_neither_contents_nor_secrets
        as an_error_of_two_lines says "more than one line";
}
