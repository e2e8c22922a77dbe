//! Compares profiles with the labels of people.
//!
//! `cargo run --release -p maturity --example labels -- MIRRORS LABELS [--model FILE] [--list]`
//!
//! `LABELS` holds one YAML file for each repository: `repository` (`github.com/OWNER/NAME`), `commit`, `at_time`, and
//! `labels`, by practice: `verdict` (met, not-met, unclear) and `why`. `MIRRORS` holds a bare clone of each in
//! `OWNER+NAME`. Printed are the confusion matrix of each practice, and of all: how often a verdict of "met" is wrong,
//! and how often none is given. Where the variable `EVIDENCE` names a folder, what is read is kept there and not read
//! again, so that rules can be tried quickly. `--list` names each disagreement and each abstention, with both reasons.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use maturity::{Model, Profile, Statements, Verdict};
use serde::Deserialize;
use survey::{AsOf, Options};

#[derive(Deserialize)]
struct Labelled {
    repository: String,
    commit: String,
    at_time: String,
    labels: BTreeMap<String, Label>,
}

#[derive(Deserialize)]
struct Label {
    verdict: String,
    why: String,
}

/// Of what was labelled met, not-met and unclear: how much was judged met, not-met, and neither.
#[derive(Default, Clone, Copy)]
struct Matrix([[u32; 3]; 3]);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let list = arguments.iter().any(|argument| argument == "--list");
    let model = match arguments.iter().position(|argument| argument == "--model") {
        Some(at) => Model::parse(&std::fs::read_to_string(&arguments[at + 1])?, &arguments[at + 1])?,
        None => Model::shipped(),
    };
    let [mirrors, labels] = [&arguments[0], &arguments[1]];
    let mut files: Vec<PathBuf> = std::fs::read_dir(labels)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    let mut matrices: BTreeMap<String, Matrix> = BTreeMap::new();
    let mut disagreements: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut read = 0;
    for file in &files {
        let labelled: Labelled = serde_saphyr::from_str(&std::fs::read_to_string(file)?)?;
        let Some(profile) = judged(Path::new(mirrors), &labelled, &model)? else {
            eprintln!("{}: no mirror", labelled.repository);
            continue;
        };
        read += 1;
        for (id, label) in &labelled.labels {
            let Some(row) = ["met", "not-met", "unclear"]
                .iter()
                .position(|known| *known == label.verdict)
            else {
                continue;
            };
            let practice = profile.practice(id);
            let column = match practice.map(|practice| practice.verdict) {
                Some(Verdict::Met | Verdict::Attested) => 0,
                Some(Verdict::NotMet) => 1,
                _ => 2,
            };
            matrices.entry(id.clone()).or_default().0[row][column] += 1;
            if row != column && row < 2 || row == 2 && column == 0 {
                let short = labelled.repository.rsplit('/').next().unwrap_or_default();
                let judged = ["met", "not-met", "neither"][column];
                let reason = practice.map_or("does not apply", |practice| practice.reason.as_str());
                disagreements.entry(id.clone()).or_default().push(format!(
                    "  {short}: labelled {} ({})\n      judged {judged} ({reason})",
                    label.verdict, label.why
                ));
            }
        }
    }
    println!("{read} repositories\n");
    println!(
        "practice  labelled met: met not-met neither | not-met: met not-met neither | unclear: met not-met neither"
    );
    let mut all = Matrix::default();
    for (id, matrix) in &matrices {
        println!("{id:<8} {}", row(*matrix));
        for (line, other) in all.0.iter_mut().zip(matrix.0) {
            for (cell, other) in line.iter_mut().zip(other) {
                *cell += other;
            }
        }
        if list {
            for line in disagreements.get(id).into_iter().flatten() {
                println!("{line}");
            }
        }
    }
    println!("{:<8} {}\n", "all", row(all));
    let [met, not_met, unclear] = all.0;
    let share = |part: u32, whole: u32| 100.0 * f64::from(part) / f64::from(whole.max(1));
    let judged_met = met[0] + not_met[0];
    let decided: u32 = met.iter().chain(&not_met).sum();
    println!(
        "judged met where labelled not-met: {} of {judged_met} ({:.1} %)",
        not_met[0],
        share(not_met[0], judged_met)
    );
    println!("  and where labelled unclear: {}", unclear[0]);
    println!(
        "judged not-met where labelled met: {} of {} ({:.1} %)",
        met[1],
        met[1] + not_met[1],
        share(met[1], met[1] + not_met[1])
    );
    println!(
        "neither, of {decided} that are labelled met or not-met: {} ({:.1} %)",
        met[2] + not_met[2],
        share(met[2] + not_met[2], decided)
    );
    println!(
        "precision of met {:.1} %, recall of met {:.1} %",
        share(met[0], judged_met),
        share(met[0], met.iter().sum())
    );
    println!(
        "precision of not-met {:.1} %, recall of not-met {:.1} %",
        share(not_met[1], met[1] + not_met[1]),
        share(not_met[1], not_met.iter().sum())
    );
    Ok(())
}

fn row(Matrix(matrix): Matrix) -> String {
    let cells: Vec<String> = matrix
        .iter()
        .map(|line| line.iter().map(|cell| format!("{cell:>6}")).collect::<String>())
        .collect();
    cells.join(" | ")
}

/// The profile of a repository at the commit that was labelled.
fn judged(mirrors: &Path, labelled: &Labelled, model: &Model) -> Result<Option<Profile>, Box<dyn std::error::Error>> {
    let mut parts = labelled.repository.rsplit('/');
    let (Some(name), Some(owner)) = (parts.next(), parts.next()) else {
        return Ok(None);
    };
    let folder = mirrors.join(format!("{owner}+{name}"));
    let inner = folder.join("repo");
    let path = if inner.exists() { inner } else { folder };
    if !path.exists() {
        return Ok(None);
    }
    let kept = std::env::var("EVIDENCE")
        .ok()
        .map(|folder| Path::new(&folder).join(format!("{owner}+{name}.json")));
    if let Some(kept) = kept.as_ref().filter(|kept| kept.exists()) {
        let evidence = serde_json::from_slice(&std::fs::read(kept)?)?;
        return Ok(Some(Profile::of(&evidence, model, &Statements::default())));
    }
    let at: Timestamp = labelled.at_time.parse()?;
    // The mirror ends at the labelled commit or a little later: the day decides.
    let options = Options {
        as_of: AsOf::EndOf(at.to_zoned(jiff::tz::TimeZone::UTC).date()),
        window_days: model.window_days,
        branch: None,
        ..Options::now(at)
    };
    let survey = survey::survey(&path, &options, &())?;
    if survey.repository.subject.commit.as_deref() != Some(labelled.commit.as_str()) {
        eprintln!(
            "{}: read at {:?}, labelled at {}",
            labelled.repository, survey.repository.subject.commit, labelled.commit
        );
    }
    if let Some(kept) = kept {
        std::fs::write(kept, serde_json::to_vec_pretty(&survey.repository)?)?;
    }
    Ok(Some(Profile::of(&survey.repository, model, &Statements::default())))
}
