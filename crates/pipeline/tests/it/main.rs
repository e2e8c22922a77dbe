//! The two files from text to what comes out, their schemas and their documentation.

mod components;
mod definition;
mod documentation;
mod environments;
mod hostile;
mod images;
mod limits;
mod lines;
mod matrix;
mod modules;
mod schemas;
mod sharing;
mod varied_modules;
mod version;
mod worked;

/// Dedents a text that is written inside a test.
fn text(written: &str) -> String {
    let lines: Vec<&str> = written.trim_start_matches('\n').trim_end().lines().collect();
    let indent = lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min();
    let lines: Vec<&str> = lines
        .iter()
        .map(|line| line.get(indent.unwrap_or(0)..).unwrap_or_default())
        .collect();
    lines.join("\n") + "\n"
}
