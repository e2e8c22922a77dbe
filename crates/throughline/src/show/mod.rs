//! Texts for people, made from the documents of the wire: pure functions.

pub mod access;
pub mod assess;
pub mod backup;
pub mod change;
pub mod environment;
pub mod notifications;
pub mod paint;
pub mod rebuild;
pub mod run;
pub(crate) mod screen;
pub mod search;
pub mod servers;
pub mod statuses;
pub mod time;
pub mod webhook;

use paint::Tone;

/// A heading with its lines after an empty line.
fn section(text: &mut String, heading: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&paint::paint(Tone::Strong, heading));
    text.push('\n');
}
