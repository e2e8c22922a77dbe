//! Surveys of repositories that git itself made.

mod fixture;
mod growing;
mod measuring;
mod refusing;
mod unusual;
