//! Says to the hosts of followed repositories how their commits stand.
//!
//! Where it is said is a fact ([`kinds`]). A followed view (`StatusesView`) has what is to be said, in the order in which it
//! happened. The teller (`teller`) puts the newest state of each thing into the store, together with the position it
//! has read up to, and says one after the other to each host, so that an older state never comes after a newer one
//! and one that is over before it could be said is not said. A crash loses nothing; what was said and not noted before one is
//! said again, and is the same.

pub mod kinds;
mod teller;
mod view;

pub(crate) use teller::{keep_telling, said};
pub(crate) use view::StatusesView;
