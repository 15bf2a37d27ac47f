//! The macro that makes a test of every clause.

/// Makes one test for every clause of the [`StateStore`](conduit_core::StateStore) contract; see
/// [`store_suite`](crate::store_suite).
///
/// Takes an expression that makes a [`StoreHarness`](crate::store_suite::StoreHarness); each test makes its own.
#[macro_export]
macro_rules! state_store_suite {
    ($harness:expr) => {
        $crate::state_store_suite! { @clauses $harness;
            begin: a_new_subscription_begins_at_its_start
                a_start_is_stored_before_the_answer
                another_life_drops_the_old_state_but_keeps_dead_letters
                the_same_life_goes_on_wherever_it_would_start
                state_that_is_not_asked_for_is_named
                states_come_in_the_order_of_the_request
                a_position_reads_back_with_its_stream
                a_subscription_can_be_added_under_a_lease_that_is_held
                subscriptions_and_collections_do_not_touch_each_other
                forgetting_a_subscription_keeps_its_dead_letters_and_fences
                forgetting_a_collection_drops_everything_and_fences
                a_store_that_is_there_gives_a_sign_of_life;
            lease: a_held_lease_is_answered_with_its_holder_and_the_remaining_time
                a_released_lease_is_taken_at_once_with_a_greater_epoch
                releasing_a_lease_that_is_lost_changes_nothing
                an_expired_lease_is_taken_over
                a_lease_is_taken_from_an_evicted_worker_only_while_that_one_holds_it
                the_same_worker_may_open_again_and_gets_a_greater_epoch
                an_epoch_is_greater_than_the_workers_last_also_in_a_store_that_was_put_back
                renewing_prolongs_a_lease
                renewing_answers_each_lease_on_its_own
                an_expired_lease_that_nobody_took_is_renewed
                loading_without_the_lease_is_fenced
                one_of_many_concurrent_openers_holds_the_lease
                epochs_never_go_back_when_a_collection_was_forgotten
                a_lease_of_a_forgotten_collection_does_not_come_back;
            commit: a_commit_changes_everything_it_names
                a_refused_commit_in_a_group_changes_nothing_and_the_others_are_applied
                commits_of_one_subscription_in_a_group_follow_each_other
                a_commit_with_a_wrong_number_is_a_conflict
                a_commit_from_another_position_is_a_conflict
                a_position_never_moves_back
                a_repeat_of_the_last_commit_succeeds_and_changes_nothing
                a_repeat_of_an_earlier_commit_is_a_conflict
                a_commit_with_an_old_epoch_is_fenced
                a_commit_without_state_is_fenced
                a_commit_after_the_release_is_fenced
                a_new_holder_goes_on_where_the_old_one_stopped
                a_commit_of_ten_thousand_of_each_is_applied
                an_empty_group_has_no_answers;
            waiting: waiting_records_come_by_growing_id_and_survive
                contents_of_waiting_records_read_back_byte_for_byte
                rescheduling_changes_attempts_and_due_time_only
                rescheduling_what_does_not_wait_is_a_conflict
                unparked_records_are_gone
                what_begins_to_wait_and_leaves_in_one_commit_is_gone;
            keys: settled_ahead_survives_and_is_pruned_by_the_advance
                both_records_of_one_change_are_pruned_with_it
                nothing_is_pruned_by_a_position_without_token
                processed_ids_are_found_by_subscription
                forgetting_a_collection_drops_its_processed_ids_and_no_others
                lengths_are_told_of_each_subscription
                errors_tell_no_contents;
            dead_letters: dead_letters_have_the_fields_of_the_contract
                dead_letters_are_paged_by_growing_id
                dead_letters_are_counted_by_subscription
                purging_drops_dead_letters_of_one_subscription
                letters_come_with_their_records
                letters_are_selected_by_destination_and_ids
                a_purge_follows_its_selection
                letters_of_a_forgotten_subscription_are_found_and_purged
                a_record_that_cannot_be_sent_stays_so;
            poison: a_dead_letter_poisons_its_key
                a_stale_dead_letter_does_not_poison_its_key
                a_cure_makes_older_letters_of_its_key_stale
                a_cure_comes_after_the_letters_of_its_commit
                a_cure_goes_by_the_text_of_places
                redriven_letters_leave_with_the_commit_that_parks_them
                redriving_what_is_not_there_is_a_conflict
                letters_are_found_in_a_long_list;
            rewind: a_greater_generation_moves_the_position_once
                a_rewind_drops_what_waits_for_changes_from_there_on
                a_commit_from_before_a_rewind_is_a_conflict
                a_smaller_generation_moves_nothing
                state_that_begins_takes_the_generation_over
                processed_ids_count_for_their_generation_only
                a_rewind_keeps_dead_letters;
        }
    };
    (@clauses $harness:expr; $($module:ident: $($clause:ident)+;)+) => {
        $($(
            #[test]
            fn $clause() {
                $crate::store_suite::run(stringify!($clause), $harness, $crate::store_suite::clauses::$module::$clause);
            }
        )+)+

        #[test]
        fn every_skip_names_a_clause() {
            $crate::store_suite::check_skips(&$harness, &[$($(stringify!($clause)),+),+]);
        }
    };
}
