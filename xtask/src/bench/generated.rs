//! A made repository of any size, streamed into `git fast-import`.
//!
//! It looks like a product's: fifty people, most work on branches of three commits that are merged, files that
//! change a line at a time, a release every two hundred commits, and dates that end at the beginning of 2024.

use std::io::{self, Write};

/// The end of the history, 2024-01-01.
const END: u64 = 1_704_067_200;

/// How many commits there are in a day.
const PER_DAY: u64 = 40;

/// How many files change again and again.
const FILES: u64 = 2_000;

/// The next number of a fixed sequence (the multiplier is Knuth's).
fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Blobs are numbered from here, commits from 1.
const FIRST_BLOB: u64 = 100_000_000;

/// Writes the stream of a history of `count` commits.
pub fn write(count: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut state = 42;
    let start = END - count * 86_400 / PER_DAY;
    let (mut mark, mut trunk, mut blob) = (0, 0, FIRST_BLOB);
    let mut text = String::new();
    let mut releases = 0;
    writeln!(out, "feature done")?;
    while mark < count {
        // A commit on trunk, or a branch of three and its merge.
        let on_branch = mark > 0 && !next(&mut state).is_multiple_of(4) && mark + 4 <= count;
        let base = trunk;
        let mut changed: Vec<String> = Vec::new();
        for number in 0..if on_branch { 3 } else { 1 } {
            let mut lines = Vec::new();
            for _ in 0..1 + next(&mut state) % 3 {
                let file = next(&mut state) % FILES;
                blob += 1;
                contents(&mut text, file, next(&mut state), blob);
                writeln!(out, "blob\nmark :{blob}\ndata {}\n{text}", text.len())?;
                let (end, folder) = if file.is_multiple_of(5) {
                    ("_test", "tests")
                } else {
                    ("", "src")
                };
                lines.push(format!(
                    "M 100644 :{blob} {folder}/part{}/file{file}{end}.go",
                    file % 40
                ));
            }
            mark += 1;
            let message = message(&mut state, mark);
            commit(out, mark, start, next(&mut state) % 50, &message)?;
            let parent = if number == 0 { base } else { mark - 1 };
            if parent > 0 {
                writeln!(out, "from :{parent}")?;
            }
            writeln!(out, "{}\n", lines.join("\n"))?;
            changed.append(&mut lines);
        }
        if on_branch {
            let tip = mark;
            mark += 1;
            let message = format!("Merge pull request #{mark} from shop/topic-{mark}");
            commit(out, mark, start, next(&mut state) % 50, &message)?;
            writeln!(out, "from :{base}\nmerge :{tip}\n{}\n", changed.join("\n"))?;
        }
        trunk = mark;
        if mark / 200 > releases {
            releases = mark / 200;
            let time = time_of(mark, start);
            writeln!(out, "tag v1.{releases}.0\nfrom :{trunk}")?;
            writeln!(
                out,
                "tagger Release Bot <release-bot@example.org> {time} +0000\ndata 9\na release"
            )?;
        }
    }
    writeln!(out, "reset refs/heads/main\nfrom :{trunk}\n\ndone")
}

fn time_of(mark: u64, start: u64) -> u64 {
    start + mark * 86_400 / PER_DAY
}

fn commit(out: &mut dyn Write, mark: u64, start: u64, person: u64, message: &str) -> io::Result<()> {
    let who = format!(
        "Person {person} <person{person}@example.org> {} +0000",
        time_of(mark, start)
    );
    writeln!(
        out,
        "commit refs/heads/main\nmark :{mark}\nauthor {who}\ncommitter {who}"
    )?;
    writeln!(out, "data {}\n{message}", message.len())
}

fn message(state: &mut u64, mark: u64) -> String {
    let words = [
        "cart", "payment", "search", "login", "report", "export", "cache", "queue",
    ];
    let kinds = ["feat", "fix", "refactor", "test", "docs", "chore"];
    let word = words[(next(state) % 8) as usize];
    let kind = kinds[(next(state) % 6) as usize];
    format!(
        "{kind}({word}): change {mark} of the {word}\n\nIt makes the {word} better.\nCloses #{}\n",
        mark / 3
    )
}

/// The text of a file, of which one line is of this commit.
fn contents(text: &mut String, file: u64, random: u64, blob: u64) {
    text.clear();
    let line = random % 40;
    for number in 0..40 {
        if number == line {
            text.push_str(&format!("\tchanged(\"by {blob}\")\n"));
        } else {
            text.push_str(&format!("\tcall{number}(\"of file {file}\")\n"));
        }
    }
}
