//! Error rates and power of the judgement, by simulation with seeded random numbers.

mod errors;
mod latency;
mod random;
mod tables;
