//! The files that a step says its tests write.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use globset::GlobBuilder;
use pipeline::plan::{ReportFiles, ReportFormat};

use super::{TestReport, junit, tap};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 32 * 1024 * 1024;
/// How many files are read.
const MOST_FILES: usize = 2_000;
/// How many entries of folders are looked at for a pattern.
const MOST_ENTRIES: usize = 200_000;
/// Signs that make a path a pattern.
const SIGNS: [char; 4] = ['*', '?', '[', '{'];

/// The files that were there before a step began: when they were written, and how large they are. What
/// has not changed is of an earlier run.
pub(crate) type Before = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// The files that lie there now.
pub(crate) fn there(workspace: &Path, wanted: &[ReportFiles]) -> Before {
    let found = wanted.iter().flat_map(|wanted| find(workspace, &wanted.path).0);
    found.map(|(path, metadata)| (path, stamp(&metadata))).collect()
}

fn stamp(metadata: &Metadata) -> (Option<SystemTime>, u64) {
    (metadata.modified().ok(), metadata.len())
}

/// Reads what the tests of a step say, leaving out what was there `before` and is the same.
pub(crate) fn collect(workspace: &Path, wanted: &[ReportFiles], before: &Before) -> TestReport {
    let mut report = TestReport::default();
    for wanted in wanted {
        let (found, complete) = find(workspace, &wanted.path);
        if !complete {
            report.note(format!(
                "there are too many files to look for `{}` among them all",
                wanted.path
            ));
        }
        let new = |(path, metadata): &(PathBuf, Metadata)| before.get(path) != Some(&stamp(metadata));
        let (total, files): (usize, Vec<_>) = (found.len(), found.into_iter().filter(new).collect());
        if files.is_empty() {
            report.note(match total {
                0 => format!("no file matches `{}`", wanted.path),
                _ => format!("`{}` was not written anew", wanted.path),
            });
        }
        for (path, metadata) in files {
            if report.files >= MOST_FILES as u64 {
                report.note(format!(
                    "more than {MOST_FILES} files of tests; the others are not read"
                ));
                return report;
            }
            let shown = path.strip_prefix(workspace).unwrap_or(&path).display().to_string();
            let read = one(workspace, &path, &metadata, wanted.format, &mut report);
            report.files += 1;
            if let Err(why) = read {
                report.note(format!("{shown}: {why}"));
            }
        }
    }
    report
}

fn one(
    workspace: &Path,
    path: &Path,
    metadata: &Metadata,
    format: ReportFormat,
    report: &mut TestReport,
) -> Result<(), String> {
    if metadata.len() > LARGEST {
        return Err(format!(
            "it has {} bytes, more than the {LARGEST} that are read",
            metadata.len()
        ));
    }
    // A folder on the way may be a link that leads elsewhere.
    let real = path.canonicalize().map_err(|error| error.to_string())?;
    let home = workspace.canonicalize().map_err(|error| error.to_string())?;
    if !real.starts_with(&home) {
        return Err("it lies outside of the workspace".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&real).map_err(|error| error.to_string())?;
    file.take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    match format {
        ReportFormat::Junit => junit::read(text, report),
        ReportFormat::Tap => tap::read(text, report),
    }
}

/// The plain files that a pattern means, sorted, and whether all were looked at.
fn find(workspace: &Path, pattern: &str) -> (Vec<(PathBuf, Metadata)>, bool) {
    let pattern = pattern.trim_start_matches("./");
    let mut found = Vec::new();
    let mut add = |path: PathBuf| {
        if let Ok(metadata) = path.symlink_metadata()
            && metadata.is_file()
        {
            found.push((path, metadata));
        }
    };
    if !pattern.contains(SIGNS) {
        add(workspace.join(pattern));
        return (found, true);
    }
    let Ok(glob) = GlobBuilder::new(pattern).literal_separator(true).build() else {
        return (found, true);
    };
    let glob = glob.compile_matcher();
    let plain: Vec<&str> = pattern.split('/').take_while(|part| !part.contains(SIGNS)).collect();
    let mut open = vec![plain.iter().fold(workspace.to_owned(), |path, part| path.join(part))];
    let mut looked = 0;
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            looked += 1;
            if looked > MOST_ENTRIES {
                found.sort_by(|(a, _), (b, _)| a.cmp(b));
                return (found, false);
            }
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file()
                && path.strip_prefix(workspace).is_ok_and(|below| glob.is_match(below))
                && let Ok(metadata) = entry.metadata()
            {
                found.push((path, metadata));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    (found, true)
}
