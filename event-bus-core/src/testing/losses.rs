//! Cases about what a listener does not get, and is told.

use super::tools::{any_name, builder, end, event, next, notice};
use crate::delivery::Notice;
use crate::transport::{Overflow, Transport};

/// A full queue drops by its policy, tells how many messages, and slows no neighbour.
pub async fn a_slow_listener_is_told_exactly_what_it_missed<T: Transport + Clone>(transport: T) {
    let name = any_name();
    let small = |overflow| {
        let builder = builder(transport.clone()).name(name.clone());
        builder.queue_messages(10).overflow(overflow).build().expect("a bus")
    };
    let ample = builder(transport.clone()).name(name.clone()).build().expect("a bus");
    let mut newest = small(Overflow::DropOldest).listen("k").await.expect("listening");
    let mut oldest = small(Overflow::DropNewest).listen("k").await.expect("listening");
    let mut closing = small(Overflow::Close).listen("k").await.expect("listening");
    let mut probe = ample.listen("k").await.expect("listening");
    for number in 0..100 {
        ample.publish_to("k", &event(number)).await.expect("published");
    }
    for number in 0..100 {
        assert_eq!(next(&mut probe).await, number, "a slow neighbour costs nothing");
    }
    transport.fence().await.expect("nothing hinders it"); // so all have arrived everywhere
    assert!(matches!(notice(&mut newest).await, Notice::Lagged { missed: 90 }));
    for number in 90..100 {
        assert_eq!(next(&mut newest).await, number);
    }
    for number in 0..10 {
        assert_eq!(next(&mut oldest).await, number);
        assert_eq!(next(&mut closing).await, number);
    }
    assert!(matches!(notice(&mut oldest).await, Notice::Lagged { missed: 90 }));
    assert!(matches!(notice(&mut closing).await, Notice::Overflowed));
    end(&mut closing).await;
}
