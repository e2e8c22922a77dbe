//! What a rebuild came to.

use super::change::wrapped;
use super::paint::{Table, Tone, clean, paint};
use crate::printer::Sight;
use crate::wire::{DifferingFile, PackagedFile, Rebuild};

/// How many entries that differ are shown.
const SHOWN: usize = 50;

/// The verdict, both packages, and what differs.
pub fn rebuild(rebuild: &Rebuild, sight: &Sight) -> String {
    let (sign, tone, words) = match (rebuild.result.as_deref(), rebuild.run.result.as_deref()) {
        (Some("pass"), _) => ("✓", Tone::Good, "reproducible"),
        (Some("fail"), _) => ("✗", Tone::Bad, "not reproducible"),
        (Some(_), _) => ("?", Tone::Waiting, "not known"),
        (None, Some("cancelled")) => ("–", Tone::Quiet, "cancelled"),
        (None, _) => ("◐", Tone::Busy, "not judged yet"),
    };
    let subject = rebuild.version.clone().unwrap_or_else(|| rebuild.package.short());
    let mut text = format!(
        "{}  {}\n",
        paint(
            Tone::Strong,
            &format!("{} {}", clean(&rebuild.run.component), clean(&subject))
        ),
        paint(tone, &format!("{sign} {words}"))
    );
    for reason in &rebuild.reasons {
        text.push_str(&wrapped(&clean(reason), 2, sight));
    }
    text.push_str(&format!("  {} {}\n", paint(Tone::Quiet, "stands "), rebuild.package));
    if let Some(rebuilt) = rebuild.rebuilt {
        text.push_str(&format!("  {} {rebuilt}\n", paint(Tone::Quiet, "rebuilt")));
    }
    text.push_str(&differing(
        &rebuild.files,
        &rebuild.config,
        [("STANDS", "what stands"), ("REBUILT", "the rebuild")],
        sight,
    ));
    text
}

/// What two builds from nothing came to: the same, or what differs.
pub fn twice(
    component: &str,
    (first, second): (&facts::Digest, &facts::Digest),
    files: &[DifferingFile],
    config: &[String],
    encoding_only: bool,
    sight: &Sight,
) -> String {
    let (sign, tone, words) = match first == second {
        true => ("✓", Tone::Good, "reproducible"),
        false => ("✗", Tone::Bad, "not reproducible"),
    };
    let mut text = format!(
        "{}  {}\n",
        paint(Tone::Strong, &clean(component)),
        paint(tone, &format!("{sign} {words}"))
    );
    if first == second {
        text.push_str(&format!("  {} {first}\n", paint(Tone::Quiet, "twice ")));
        return text;
    }
    text.push_str(&format!("  {} {first}\n", paint(Tone::Quiet, "first ")));
    text.push_str(&format!("  {} {second}\n", paint(Tone::Quiet, "second")));
    if encoding_only {
        text.push_str("  both hold the same; only how the bytes are packed differs\n");
    }
    text.push_str(&differing(
        files,
        config,
        [("FIRST", "the first"), ("SECOND", "the second")],
        sight,
    ));
    text
}

/// The entries and the parts of the config that differ.
fn differing(files: &[DifferingFile], config: &[String], sides: [(&'static str, &str); 2], sight: &Sight) -> String {
    let mut text = String::new();
    if !files.is_empty() {
        let mut table = Table::new(&["FILE", "HOW", sides[0].0, sides[1].0])
            .indented(2)
            .flexible(0);
        for file in files.iter().take(SHOWN) {
            table.row([
                (Tone::Plain, file.path.clone()),
                (Tone::Strong, how(file, sides)),
                (Tone::Quiet, side(file.before.as_ref())),
                (Tone::Quiet, side(file.after.as_ref())),
            ]);
        }
        text.push('\n');
        text.push_str(&table.render(sight.width));
        let more = files.len().saturating_sub(SHOWN);
        if more > 0 {
            let more = format!("{more} more: --json lists all");
            text.push_str(&format!("  {}\n", paint(Tone::Quiet, &more)));
        }
    }
    for part in config {
        text.push_str(&format!("  the package's {} differs\n", clean(part)));
    }
    text
}

fn how(file: &DifferingFile, sides: [(&str, &str); 2]) -> String {
    match file.change.as_str() {
        "added" => format!("only in {}", sides[1].1),
        "removed" => format!("only in {}", sides[0].1),
        _ => file.how.join(", "),
    }
}

/// An entry of one of the packages, such as `1203 bytes, executable, 3f2a9c01`.
fn side(file: Option<&PackagedFile>) -> String {
    let Some(file) = file else { return "–".to_owned() };
    let mut parts = Vec::new();
    match file.size {
        Some(size) => parts.push(format!("{size} bytes")),
        None => parts.push(file.kind.clone()),
    }
    if file.executable == Some(true) {
        parts.push("executable".to_owned());
    }
    parts.extend(file.target.as_ref().map(|target| format!("to {target}")));
    parts.extend(file.digest.map(|digest| digest.short()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rebuild_says_what_differs_and_how() {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let file = |size: u64, digit: &str, executable: bool| json!({ "kind": "file", "size": size, "digest": digest(digit), "executable": executable });
        let document: Rebuild = serde_json::from_value(json!({
            "schema": "rebuild/1",
            "run": {
                "id": "run_01m7yb9fr0t4zxb0d1r5mbbbbb", "kind": "rebuild", "component": "shop/cart", "commit": null, "line": null,
                "environment": null, "state": "finished", "result": "failed", "reason": null,
                "requested_at": "2026-11-23T09:00:00Z", "started_at": null, "finished_at": null
            },
            "package": digest("a"), "version": "1.4.0", "result": "fail",
            "reasons": ["2 of 3 entries differ"], "rebuilt": digest("b"), "entries": 3, "differing": 2,
            "files": [
                { "path": "bin/shop", "change": "changed", "how": ["size", "bytes"],
                  "before": file(10, "c", true), "after": file(12, "d", true) },
                { "path": "log", "change": "added", "how": [], "before": null, "after": file(1, "e", false) }
            ],
            "config": [], "recorded_at": null
        }))
        .unwrap();
        let sight = Sight {
            now: facts::Timestamp::UNIX_EPOCH,
            zone: jiff::tz::TimeZone::UTC,
            width: None,
        };
        // Without what the colours are made of.
        let text: String = rebuild(&document, &sight);
        let text = text
            .split('\u{1b}')
            .map(|part| part.split_once('m').map_or(part, |(_, rest)| rest))
            .collect::<String>();
        for wanted in [
            "shop/cart 1.4.0  ✗ not reproducible",
            "  2 of 3 entries differ",
            "bin/shop",
            "size, bytes",
            "10 bytes, executable, cccccccc",
            "only in the rebuild",
        ] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
    }
}
