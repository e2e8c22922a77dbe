//! The proxy before real sockets: instances are small servers in this process.

mod evidence;
mod forwarding;
mod passing;
mod retrying;
mod support;
