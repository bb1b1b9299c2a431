//! What every journal must do, as tests that any of them can be held to.
//!
//! Owns one function per promise of the contract; [`conformance!`] makes tests of all of them for one kind of journal.
//! Never looks behind the trait: what is particular to a store is tested beside it.

pub(crate) mod aging;
pub(crate) mod definitions;
pub(crate) mod given;
pub(crate) mod lists;
pub(crate) mod refusals;
pub(crate) mod rows;
mod said_alike;
pub(crate) mod writers;

/// Tests of every promise; `$open` makes an empty journal, and what must outlive it.
macro_rules! conformance {
    ($open:expr => $($part:ident: $($promise:ident)*;)*) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            let (journal, _kept) = $open;
            crate::journal::conformance::$part::$promise(std::sync::Arc::new(journal)).await;
        }
    )*)*};
    ($open:expr) => { crate::journal::conformance::conformance! { $open =>
        rows:
            a_new_run_reads_back_event_by_event
            events_are_numbered_from_one_without_gaps_wherever_reading_starts
            an_answered_append_is_visible_at_once
            of_two_writers_exactly_one_wins_each_number
            runs_written_at_once_all_stand_and_the_feed_has_each_without_gaps
            the_feed_goes_on_exactly_where_it_stopped
            the_feed_shows_what_its_filter_asks_for
            the_feed_of_a_tree_shows_a_run_and_all_that_are_parts_of_it
            followers_are_woken_by_what_is_durable
            what_an_attempt_wrote_is_kept_and_replaced
            appends_that_are_handed_over_together_stand_or_fall_alone
            many_callers_at_once_are_all_answered;
        refusals:
            a_stale_writer_is_told_where_the_run_stands
            a_refused_append_leaves_nothing_behind
            an_append_that_contradicts_itself_is_refused
            a_key_makes_one_run_and_names_it_when_used_again
            one_key_used_at_once_makes_one_run
            a_lock_has_one_holder_until_it_is_given_back
            a_result_is_used_again_until_it_expires_or_its_run_is_forgotten
            what_never_was_is_unknown
            an_artifact_is_needed_for_as_long_as_a_run_that_names_it_is_remembered
            a_forgotten_run_is_gone_and_remembered_as_gone
            forgetting_gives_no_place_and_no_number_out_again;
        lists:
            lists_are_newest_first_and_pages_hold_still
            lists_show_what_their_filter_asks_for
            a_run_is_listed_as_it_was_last_summarised
            runs_without_a_verdict_are_unfinished
            what_a_writer_wrote_is_its_own_and_nothing_new
            executors_are_kept_as_they_registered_last
            what_is_wanted_of_an_executor_stays_whatever_it_registers;
        definitions:
            a_definition_keeps_its_revisions_in_the_order_in_which_they_became_the_latest
            of_two_who_know_the_same_latest_revision_exactly_one_puts_the_next
            definitions_are_listed_by_name_a_page_at_a_time
            an_artifact_is_needed_for_as_long_as_a_revision_that_names_it_is_kept;
        aging:
            old_runs_are_found_in_the_order_of_their_ends_page_by_page
            a_run_that_a_live_one_needs_stays
            parts_stay_while_the_run_that_they_are_parts_of_is_needed
            logs_of_old_runs_go_by_themselves
            what_is_left_of_forgotten_runs_goes_in_bites_out_of_sight
            that_a_run_existed_is_forgotten_some_day
            its_size_is_known;
    } };
}
pub(crate) use conformance;

mod memory {
    crate::journal::conformance::conformance! { (crate::journal::memory::Memory::new(), ()) }
}
