//! Shell programs as far as one has to understand them to know what they start.
//!
//! A text becomes commands with their words and lines. Quotes, continuations, lists, conditions,
//! loops, functions, here-documents and substitutions are understood; nothing is expanded. The same
//! reading does for `sh`, for PowerShell, and for `cmd` in the simple form they have in pipelines.

mod commands;
mod tokens;
mod wrappers;

pub use commands::{Command, parse};
pub use wrappers::{Unwrapped, image_as_program, unwrap};

/// The name of a program without its folder and ending.
pub fn base(program: &str) -> &str {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    [".exe", ".cmd", ".bat"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name)
}
