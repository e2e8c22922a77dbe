//! The balancing HTTP proxy in front of the instances of one component in one environment.
//!
//! Here live the choice of an instance by weights, forwarding with streamed bodies, draining, the
//! evidence that each group of instances gathers, the access log, and the passing of listening
//! sockets from an old process to a new one. What an instance is, how it is started and whether it
//! is healthy is not known here: a [`Table`] says where requests may go, and whoever owns the
//! instances sets it. The proxy starts no process and serves no page of its own.
//!
//! - [`table`]: what is set from outside. [`router`]: its living form, and the choice.
//! - [`forward`]: one request on its way. [`headers`]: what is stripped and added.
//! - [`evidence`]: what was seen of each group. [`recorder`]: the one thread that keeps it, and the
//!   [`access_log`] it can be told from again.
//! - [`serve`]: sockets and connections. [`passing`]: sockets sent to another process.

pub mod access_log;
pub mod connection;
pub mod evidence;
pub mod forward;
pub mod headers;
pub mod passing;
pub mod recorder;
pub mod router;
pub mod serve;
pub mod table;

pub use access_log::{Outcome, Record};
pub use evidence::{Evidence, GroupEvidence, Histogram, RouteEvidence};
pub use serve::{Proxy, ProxyError, Settings, allow_many_connections, listen};
pub use table::{Backend, Stamp, Table, TableGroup};
