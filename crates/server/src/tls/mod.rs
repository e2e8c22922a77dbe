//! TLS of the server's own: the certificate and its key, and connections that speak it.
//!
//! [`Certificates`] holds what is presented, [`listener`] accepts connections, [`renewal`] takes a
//! renewed certificate when its file changes. Connections that are open then stay as they are.

mod certificates;
mod listener;
mod renewal;

pub(crate) use certificates::Certificates;
pub use certificates::TlsError;
pub(crate) use listener::TlsListener;
pub(crate) use renewal::renew;
