//! Artifacts, versions and releases.

use evidence::{Measure, Place};

use super::environments::{MAKES, before, does};
use super::{Out, Seen, View, places};
use crate::occasion::{Occasion, Truth};
use crate::purpose::Purpose;

/// Words of images that are made for builds to run in.
const FOR_BUILDS: &[&str] = &["devcontainer", "builder", "toolchain", "buildenv", "cross", "ci"];

/// Words of what is replaced again and again, and is no release.
const PASSING: &[&str] = &[
    "nightly",
    "snapshot",
    "snapshots",
    "continuous",
    "rolling",
    "edge",
    "canary",
    "preview",
];

const PUBLISHES: &[Purpose] = &[Purpose::Publish, Purpose::Push, Purpose::Pages];

pub(super) fn measure(view: &View<'_>, out: &mut Out) {
    artifacts(view, out);
    publishing(view, out);
    versions(view, out);
    let (tools, images): (Vec<Seen<'_>>, Vec<Seen<'_>>) = view
        .doing(&[Purpose::Push])
        .into_iter()
        .partition(|seen| speaks_of(seen, FOR_BUILDS) || is_for_jobs(view, seen));
    out.yes_against("images_pushed", places(&images), places(&tools));
    for (name, purpose) in [
        ("images_built", Purpose::ImagesBuilt),
        ("machine_images_built", Purpose::MachineImage),
        ("provenance", Purpose::Provenance),
        ("signed", Purpose::Sign),
        ("sbom", Purpose::Sbom),
    ] {
        out.yes_seen(name, &view.doing(&[purpose]));
    }
}

fn artifacts(view: &View<'_>, out: &mut Out) {
    let makes = [Purpose::Build, Purpose::Package, Purpose::ImagesBuilt];
    let mut kept = view.doing(&[Purpose::Publish, Purpose::Push]);
    kept.extend(view.doing(&[Purpose::Keep]).into_iter().filter(|seen| {
        seen.job
            .steps
            .iter()
            .flat_map(|step| &step.doings)
            .any(|doing| makes.contains(&doing.purpose))
            || seen.workflow.jobs.iter().any(|job| {
                job.steps
                    .iter()
                    .flat_map(|step| &step.doings)
                    .any(|doing| makes.contains(&doing.purpose))
            })
    }));
    let mut all = places(&kept);
    for (_, job) in &view.jobs {
        if let Some(line) = job.keeps
            && all.len() < Measure::MOST_PLACES
            && !all.iter().any(|place| matches!(place, Place::File { file, line: Some(other), .. } if file == &job.at.file && *other == line))
            && job
                .steps
                .iter()
                .flat_map(|step| &step.doings)
                .any(|doing| makes.contains(&doing.purpose))
        {
            all.push(Place::line(job.at.file.clone(), line, format!("{}: artifacts", job.id)));
        }
    }
    out.yes("artifacts_kept", all);
}

fn publishing(view: &View<'_>, out: &mut Out) {
    let publishes: Vec<Seen<'_>> = view
        .doing(PUBLISHES)
        .into_iter()
        .filter(|seen| !only_on_request(seen))
        .filter(|seen| !is_for_jobs(view, seen))
        .collect();
    let (passing, publishes): (Vec<Seen<'_>>, Vec<Seen<'_>>) = publishes
        .into_iter()
        .partition(|seen| seen.doing.purpose == Purpose::Publish && speaks_of(seen, PASSING));
    if !passing.is_empty() && publishes.is_empty() {
        // Whether what is replaced each night is also what people use cannot be told.
        return;
    }
    let kinds = publishes
        .iter()
        .map(|seen| match seen.doing.purpose {
            Purpose::Push => "image".to_owned(),
            Purpose::Pages => "pages".to_owned(),
            _ if seen.doing.detail.is_empty() => "package".to_owned(),
            _ => seen.doing.detail.clone(),
        })
        .collect();
    out.list("packages_published", kinds, places(&publishes));
    let packages: Vec<Seen<'_>> = publishes
        .into_iter()
        .filter(|seen| seen.doing.purpose != Purpose::Pages)
        .collect();
    let on = |occasions: &[Occasion]| -> Vec<Seen<'_>> {
        packages
            .iter()
            .filter(|seen| occasions.iter().any(|occasion| seen.may(*occasion)))
            .copied()
            .collect()
    };
    out.yes_seen("publish_on_tag", &on(&[Occasion::Tag, Occasion::Release]));
    out.yes_seen("publish_on_trunk", &on(&[Occasion::Trunk]));
    let by_hand: Vec<Seen<'_>> = packages
        .iter()
        .filter(|seen| {
            let unattended = [Occasion::Tag, Occasion::Release, Occasion::Trunk, Occasion::Branch];
            seen.job.manual.is_some()
                || seen.may(Occasion::Manual) && !unattended.iter().any(|occasion| seen.may(*occasion))
        })
        .copied()
        .collect();
    out.yes_seen("publish_by_hand", &by_hand);
    // Taken from a job before that built it, or from the same job after its tests.
    let (handed_on, rebuilt): (Vec<Seen<'_>>, Vec<Seen<'_>>) = packages.iter().copied().partition(|seen| {
        let tests = [Purpose::Test, Purpose::Integration, Purpose::Acceptance];
        let fetched = does(seen.job, &[Purpose::Fetch])
            && !does(seen.job, &[Purpose::Build, Purpose::ImagesBuilt])
            && before(seen.workflow, seen.job).iter().any(|job| does(job, MAKES));
        fetched || (does(seen.job, &tests) && does(seen.job, MAKES))
    });
    out.yes_against("publishes_what_was_built", places(&handed_on), places(&rebuilt));
    out.yes_seen("deploys_pages", &view.doing(&[Purpose::Pages]));
}

/// Whether the names of a job or step, or what it is called with, have one of these words.
fn speaks_of(seen: &Seen<'_>, words: &[&str]) -> bool {
    let step = seen.step.name.as_deref().unwrap_or_default();
    [seen.job.words().as_str(), step]
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
        .any(|word| words.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Whether an image is pushed for the jobs that come after to run in, and for nothing else.
fn is_for_jobs(view: &View<'_>, seen: &Seen<'_>) -> bool {
    let works = |purpose: Purpose| matches!(purpose, Purpose::Build | Purpose::Test | Purpose::Package);
    let delivers = |purpose: Purpose| {
        matches!(
            purpose,
            Purpose::Deploy | Purpose::Apply | Purpose::Publish | Purpose::Promote | Purpose::DeployModel
        )
    };
    let of = |job: &crate::model::Job, what: fn(Purpose) -> bool| {
        job.steps
            .iter()
            .flat_map(|step| &step.doings)
            .any(|doing| what(doing.purpose))
    };
    seen.doing.purpose == Purpose::Push
        && !of(seen.job, |purpose| purpose.is_test())
        && !view.seen.iter().any(|seen| delivers(seen.doing.purpose))
        && seen.workflow.jobs.iter().any(|job| {
            job.image.is_some()
                && job.needs.contains(&seen.job.id)
                && job
                    .steps
                    .iter()
                    .flat_map(|step| &step.doings)
                    .any(|doing| works(doing.purpose))
        })
}

fn only_on_request(seen: &Seen<'_>) -> bool {
    seen.occasions()
        .list()
        .all(|(occasion, _)| matches!(occasion, Occasion::Request))
}

fn versions(view: &View<'_>, out: &mut Out) {
    let versions: Vec<Seen<'_>> = view
        .doing(&[Purpose::Version])
        .into_iter()
        .filter(|seen| !only_on_request(seen))
        .collect();
    out.yes_seen("version_automatic", &versions);
    let tags: Vec<Seen<'_>> = view
        .doing(&[Purpose::Tag, Purpose::Release])
        .into_iter()
        .filter(|seen| {
            // What a tag starts is not what makes it, and a name that stays is no version.
            !only_on_request(seen)
                && !speaks_of(seen, PASSING)
                && seen.occasions().list().any(|(occasion, truth)| {
                    truth > Truth::No
                        && matches!(
                            occasion,
                            Occasion::Trunk
                                | Occasion::Branch
                                | Occasion::Schedule
                                | Occasion::Manual
                                | Occasion::Other
                        )
                })
                && !seen.may(Occasion::Tag)
                && !seen.may(Occasion::Release)
        })
        .collect();
    // Where a person starts it, that person may have chosen the version as well.
    let (by_hand, tags): (Vec<Seen<'_>>, Vec<Seen<'_>>) = tags.into_iter().partition(|seen| {
        seen.occasions()
            .list()
            .all(|(occasion, truth)| truth == Truth::No || matches!(occasion, Occasion::Manual | Occasion::Request))
    });
    if !tags.is_empty() || by_hand.is_empty() {
        out.yes_against("tag_automatic", places(&tags), places(&by_hand));
    }
    let mut named: Vec<Seen<'_>> = view
        .doing(&[Purpose::Release])
        .into_iter()
        .filter(|seen| !seen.doing.detail.is_empty())
        .collect();
    named.extend(versions.iter().filter(|seen| !seen.doing.detail.is_empty()).copied());
    named.extend(
        view.doing(&[Purpose::Notes])
            .into_iter()
            .filter(|seen| !seen.doing.detail.is_empty()),
    );
    // A package manager that raises a number is no tool for releases.
    named.retain(|seen| !matches!(seen.doing.detail.as_str(), "npm" | "yarn" | "poetry" | "hatch"));
    if let Some(first) = named.first() {
        let measure = Measure::of(first.doing.detail.clone()).seen_at(places(&named[..1]));
        out.put("release_tool", measure);
    }
    let mut notes = view.doing(&[Purpose::Notes]);
    notes.extend(
        view.doing(&[Purpose::Publish, Purpose::Release])
            .into_iter()
            .filter(|seen| {
                seen.doing.words.contains("generate-notes") || seen.doing.words.contains("generate_release_notes=true")
            }),
    );
    out.yes_seen("release_notes_automatic", &notes);
}
