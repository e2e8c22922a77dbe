//! The actions of a deployment against a target in memory, and canaries judged on simulated traffic.

mod analyze;
mod canaries;
mod kinds;
mod roll_out;
mod world;
