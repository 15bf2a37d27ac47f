//! The macro that makes a test of every clause.

/// Makes one test for every clause of the [`Sink`](conduit_core::Sink) contract; see
/// [`sink_suite`](mod@crate::sink_suite).
///
/// Takes an expression that makes a [`SinkHarness`](crate::sink_suite::SinkHarness); each test makes its own.
#[macro_export]
macro_rules! sink_suite {
    ($harness:expr) => {
        $crate::sink_suite! { @clauses $harness;
            calls: a_batch_arrives_whole_and_in_order
                a_full_batch_arrives_whole
                records_of_a_key_arrive_in_order_over_many_calls
                calls_at_the_same_time_all_arrive
                records_without_images_arrive_byte_for_byte
                text_of_every_kind_arrives_byte_for_byte
                numbers_of_every_size_arrive_byte_for_byte
                a_record_of_a_mebibyte_arrives_byte_for_byte;
            limits: limits_allow_a_call_and_stay_the_same
                the_endpoint_stays_the_same_and_shows_no_secret
                a_record_at_the_limit_arrives_whole
                a_record_over_the_limit_is_refused_or_arrives_whole;
            outcomes: what_is_acknowledged_is_durable
                a_repeat_arrives_as_declared
                a_lost_answer_is_no_success
                a_call_dropped_midway_loses_nothing_when_it_is_made_again
                a_call_dropped_while_it_hangs_does_not_disturb_the_next
                a_slow_destination_is_waited_for
                a_refused_record_is_named_and_the_others_arrive
                a_test_says_whether_the_destination_takes_records;
            errors: a_destination_that_is_down_is_unavailable_until_it_is_back
                a_destination_that_does_not_answer_is_a_timeout
                refused_credentials_are_unauthorized
                a_destination_that_asks_to_wait_throttles_for_as_long
                a_refused_record_is_rejected_and_the_next_one_is_not
                errors_tell_neither_contents_nor_secrets;
        }
    };
    (@clauses $harness:expr; $($module:ident: $($clause:ident)+;)+) => {
        $($(
            #[test]
            fn $clause() {
                $crate::sink_suite::run(stringify!($clause), $harness, $crate::sink_suite::clauses::$module::$clause);
            }
        )+)+

        #[test]
        fn every_skip_names_a_clause() {
            $crate::sink_suite::check_skips(&$harness, &[$($(stringify!($clause)),+),+]);
        }
    };
}
