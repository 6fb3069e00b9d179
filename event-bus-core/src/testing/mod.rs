//! One suite that every transport passes: what `EventBus` promises, as cases that anybody can run on a transport of
//! their own. Only behaviour that holds on all of them stands here.
//!
//! ```
//! # mod tests {
//! use event_bus_core::MemoryTransport;
//!
//! event_bus_core::transport_conformance!(async { (MemoryTransport::new(), ()) });
//! # }
//! ```
//!
//! [`transport_conformance!`](crate::transport_conformance) makes a test of each case. Every case is given a transport of
//! its own, publishes on a bus name of its own, and panics with a sentence if a promise is broken. Patterns and counts of
//! receivers are tested where the transport's [`Capabilities`](crate::transport::Capabilities) name them. That a dropped
//! subscription is given up at the server shows in these counts alone: a transport without them needs a test of its own
//! for that.

#![expect(
    clippy::missing_panics_doc,
    reason = "every case panics if a promise is broken: that is its result"
)]
#![expect(clippy::disallowed_methods, reason = "each case awaits what it spawns")]

mod closing;
mod filters;
mod listening;
mod losses;
mod many;
mod publishing;
mod tools;
mod waiting;

pub use closing::*;
pub use filters::*;
pub use listening::*;
pub use losses::*;
pub use many::*;
pub use publishing::*;
pub use waiting::*;

/// A `#[tokio::test]` for each case of the [suite](crate::testing), each with a fresh transport from the expression: a
/// future of the transport and of whatever has to live as long, such as the guard of a server.
///
/// The crate that uses it needs `tokio` with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! transport_conformance {
    ($fresh:expr) => {
        $crate::transport_conformance! { @cases $fresh;
            a_batch_ends_where_its_iterator_does
            a_batch_gives_a_result_for_each_event_in_order
            a_batch_is_read_piece_by_piece
            a_cancelled_receive_loses_nothing
            a_foreign_message_does_not_end_a_subscription
            a_hundred_listeners_hear_everything
            a_key_stands_for_itself_whatever_it_holds
            a_listener_that_overflows_and_ends_takes_nobody_with_it
            a_message_of_one_mebibyte_arrives_whole
            a_publish_right_after_listening_is_heard
            a_queue_that_is_full_of_bytes_is_full
            a_rejected_event_is_told_to_its_publisher_alone
            a_slow_listener_is_told_exactly_what_it_missed
            a_star_makes_a_pattern_only_where_it_is_asked_for
            a_subscription_is_a_stream
            an_event_goes_to_every_channel_of_its_type
            an_event_that_several_filters_match_comes_once
            an_open_parameter_hears_one_value_and_no_more
            an_oversized_event_is_told_to_publisher_and_listeners
            buses_share_a_transport_and_each_closes_only_its_own
            cancelled_publishes_disturb_no_other
            channels_do_not_mix
            closing_a_bus_disturbs_nobody_else_in_full_flow
            closing_lets_what_is_queued_be_read
            closing_the_transport_ends_everything
            closing_twice_and_at_once_is_closing_once
            concurrent_publishers_keep_their_own_order
            dropping_the_last_listener_of_a_channel_unsubscribes
            dropped_listens_leave_nothing_behind
            each_loss_of_a_slow_listener_is_told_once_and_where_it_was
            events_of_one_channel_arrive_in_order
            filters_come_and_go_while_events_flow
            listening_again_after_a_drop_hears_what_comes_then
            notices_that_a_wait_comes_upon_are_not_lost
            notices_that_waits_come_upon_are_all_in_the_stream
            patterns_hear_what_matches
            publishing_that_never_fails_counts_what_it_could_not_publish
            the_limit_is_compared_with_the_whole_message
            two_thousand_channels_are_each_heard
            waiting_gets_past_any_number_of_notices
            waiting_gives_the_first_event_or_none_at_the_deadline
            waiting_tells_what_a_cancelled_wait_came_upon
            what_was_published_before_is_not_heard
        }
    };
    (@cases $fresh:expr; $($case:ident)*) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (transport, _guard) = $fresh.await;
                $crate::testing::$case(transport).await;
            }
        )*
    };
}
