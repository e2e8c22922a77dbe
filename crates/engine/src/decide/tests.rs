//! What follows from each input.

mod conditions;
mod ends;
mod finish;
mod follows;
mod wishes;
