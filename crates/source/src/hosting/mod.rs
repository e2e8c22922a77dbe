//! Git over HTTP, as `git push` and `git clone` speak it: smart protocol only, by `git http-backend`.
//!
//! A server parses a request with [`GitRequest::parse`], authorises it by [`GitRequest::operation`],
//! and hands it to [`Host::serve`] with its body. Bytes are streamed both ways. After a push,
//! [`GitResponse::pushed`] tells which refs changed; the client's push ends when that was taken.

mod request;
mod serve;

pub use request::{GitRequest, Operation};
pub use serve::{GitBody, GitResponse, Host, Limits, Pushed};
