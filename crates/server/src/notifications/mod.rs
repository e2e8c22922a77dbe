//! Tells people and machines outside what happened.
//!
//! Facts that are events are folded into a followed view (`view`). The teller (`teller`) reads what is
//! new there and which packages wait (`waits`), asks the rules who hears of it (`people` knows the
//! authors and the names), and puts what is to be said into the outbox, together with the position it
//! has read up to. From there it goes out (`outgoing`), again and again until it is taken or given
//! up; what became of it is a fact ([`kinds`]).
//!
//! So a crash loses nothing, and what was told is not told again: neither after a restart nor when
//! views are folded again. The one thing that can come twice is what was sent and not noted before a
//! crash; it has the same id then.

pub mod kinds;
mod outgoing;
mod people;
mod teller;
mod view;
mod waits;

pub(crate) use outgoing::Outgoing;
pub(crate) use teller::keep_telling;
pub(crate) use view::HappeningsView;
