//! Two live writers of one store.

use crate::journal::conformance::writers;

macro_rules! two_writers {
    ($($promise:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            let (one, two) = super::two().await;
            writers::$promise(one, two).await;
        }
    )*};
}

two_writers! {
    of_two_journals_exactly_one_wins_each_number
    a_late_writer_is_refused_and_told_where_the_run_stands
    locks_and_keys_are_the_same_for_both
    numbers_are_given_out_by_both_in_one_order_without_gaps
    a_follower_hears_of_what_the_other_wrote
    a_run_is_adopted_by_one_when_its_writer_is_gone_and_by_nobody_before
    everybody_knows_whose_a_run_is
    a_definition_has_one_latest_revision_for_both
}
