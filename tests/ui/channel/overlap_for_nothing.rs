//! An `overlap` that is not needed would hide the next mistake.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "letters",
    channel(sender = "user/{sender}", receiver = "user/{receiver}", all = "all"),
    overlap(sender, receiver, all), //~ ERROR the channel `all` never comes out like the others: leave it out
    overlap(sender, reciever), //~ ERROR there is no channel `reciever`: did you mean `receiver`? known are `receiver`, `sender`, `all`
)]
struct Letter {
    sender: u64,
    receiver: u64,
}

fn main() {}
