//! The macro that makes a test of every clause.

/// Makes one test for every clause of the [`Watcher`](conduit_core::Watcher) contract; see
/// [`watcher_suite`](mod@crate::watcher_suite).
///
/// Takes an expression that makes a [`WatcherHarness`](crate::watcher_suite::WatcherHarness); each test makes
/// its own.
#[macro_export]
macro_rules! watcher_suite {
    ($harness:expr) => {
        $crate::watcher_suite! { @clauses $harness;
            changes: every_change_after_the_start_comes_once
                changes_from_before_the_stream_was_opened_come_too
                no_change_before_the_start_comes
                changes_of_other_collections_do_not_come
                several_collections_come_in_one_order
                streams_side_by_side_each_bring_everything
                a_collection_dropped_and_made_again_does_not_end_the_stream
                what_was_acknowledged_is_not_after_now;
            positions: a_stream_goes_on_after_the_position_of_any_record
                a_stream_goes_on_after_the_position_of_any_batch
                a_stream_goes_on_after_the_position_of_an_idle_one
                the_position_of_an_idle_stream_moves_on
                a_stream_of_other_targets_goes_on_from_the_same_position
                a_position_of_another_source_is_refused
                a_position_whose_history_is_gone_is_history_lost;
            batches: a_batch_has_no_more_records_than_its_limit
                a_batch_has_no_more_bytes_than_its_limit_but_for_one_larger_record
                a_batch_comes_when_its_time_is_over_though_nothing_changes
                a_batch_comes_as_soon_as_something_changes
                a_batch_says_whether_there_is_more
                a_batch_dropped_midway_loses_nothing
                the_two_records_of_a_change_of_key_come_in_one_batch;
            records: a_record_tells_what_the_change_did
                records_have_the_key_of_their_document
                every_record_has_an_id_and_a_place_of_its_own
                a_change_makes_the_same_record_in_every_stream;
        }
    };
    (@clauses $harness:expr; $($module:ident: $($clause:ident)+;)+) => {
        $($(
            #[test]
            fn $clause() {
                $crate::watcher_suite::run(
                    stringify!($clause),
                    $harness,
                    $crate::watcher_suite::clauses::$module::$clause,
                );
            }
        )+)+

        #[test]
        fn every_skip_names_a_clause() {
            $crate::watcher_suite::check_skips(&$harness, &[$($(stringify!($clause)),+),+]);
        }
    };
}
