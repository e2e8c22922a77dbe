//! The command line, called as people call it: in its own home, against a server that answers with
//! documents of the wire.

mod access;
mod bad_input;
mod check;
mod deliver;
mod documents;
mod follow;
mod program;
mod sample;
mod settings;
mod support;
