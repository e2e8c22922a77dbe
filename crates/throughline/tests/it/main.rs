//! The command line, called as people call it: in its own home, against a server that answers with
//! documents of the wire.

mod access;
mod assess;
mod backup;
mod bad_input;
mod beside;
mod check;
mod crash_points;
mod database;
mod deliver;
mod demo;
mod documents;
mod examples;
mod follow;
mod house;
mod init;
mod ledger;
mod modules;
mod program;
mod random_kills;
mod run;
mod sample;
mod served;
mod serving;
mod settings;
mod several;
mod sharing;
mod steady_load;
mod support;
mod telling;
mod tls;
mod together;
mod upgrade;
mod world;
