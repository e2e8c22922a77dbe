//! Building, tests, and other checks.

use evidence::Place;

use super::{Out, Seen, View, places};
use crate::model::{Job, StepKind};
use crate::occasion::Occasion;
use crate::purpose::Purpose;

const BUILDS: &[Purpose] = &[
    Purpose::Build,
    Purpose::Test,
    Purpose::Integration,
    Purpose::Acceptance,
    Purpose::Package,
    Purpose::ImagesBuilt,
    Purpose::Train,
];

const SCANS: &[Purpose] = &[Purpose::Dependencies, Purpose::Code, Purpose::Secrets, Purpose::Images];

pub(super) fn measure(view: &View<'_>, out: &mut Out) {
    builds(view, out);
    tests(view, out);
    quality(view, out);
    security(view, out);
    learning(view, out);
}

fn builds(view: &View<'_>, out: &mut Out) {
    let builds = view.doing(BUILDS);
    if builds.is_empty() && !view.doing(&[Purpose::SiteBuilt]).is_empty() {
        // A site is built: whether it is the product or stands beside it cannot be told.
        return;
    }
    out.yes_seen("builds", &builds);
    for (name, occasion) in [
        ("builds_on_push_to_trunk", Occasion::Trunk),
        ("builds_on_request", Occasion::Request),
        ("builds_on_schedule", Occasion::Schedule),
    ] {
        let on: Vec<Seen<'_>> = builds.iter().filter(|seen| seen.may(occasion)).copied().collect();
        out.yes_seen(name, &on);
    }
    let polled: Vec<Seen<'_>> = builds.iter().filter(|seen| seen.workflow.polls).copied().collect();
    out.yes_seen("builds_by_polling", &polled);
}

fn tests(view: &View<'_>, out: &mut Out) {
    let on_change = |seen: &&Seen<'_>| seen.per_change();
    let unit = view.doing(&[Purpose::Test]);
    let (counts, passed_over): (Vec<Seen<'_>>, Vec<Seen<'_>>) =
        unit.iter().filter(on_change).copied().partition(Seen::can_fail);
    out.yes_against("tests_unit", places(&counts), places(&passed_over));
    let on_trunk: Vec<Seen<'_>> = counts
        .iter()
        .filter(|seen| seen.may(Occasion::Trunk))
        .copied()
        .collect();
    out.yes_seen("tests_unit_on_trunk", &on_trunk);
    let (with_others, alone): (Vec<Seen<'_>>, Vec<Seen<'_>>) =
        counts.iter().copied().partition(|seen| brings_services(seen.job));
    out.yes_against("tests_unit_alone", places(&alone), places(&with_others));
    for (name, purpose) in [
        ("tests_integration", Purpose::Integration),
        ("tests_acceptance", Purpose::Acceptance),
    ] {
        let (counts, passed_over): (Vec<Seen<'_>>, Vec<Seen<'_>>) =
            view.doing(&[purpose]).into_iter().partition(Seen::can_fail);
        out.yes_against(name, places(&counts), places(&passed_over));
    }
    out.yes_seen("tests_performance", &view.doing(&[Purpose::Performance]));
    let thresholds: Vec<Seen<'_>> = view
        .doing(&[Purpose::Threshold])
        .into_iter()
        .filter(Seen::can_fail)
        .collect();
    out.yes_seen("performance_threshold", &thresholds);
    let tests = view.doing(&[Purpose::Test, Purpose::Integration, Purpose::Acceptance]);
    let with_services: Vec<Seen<'_>> = tests
        .iter()
        .filter(|seen| {
            !seen.job.services.is_empty()
                || seen
                    .job
                    .steps
                    .iter()
                    .flat_map(|step| &step.doings)
                    .any(|doing| matches!(doing.purpose, Purpose::Compose | Purpose::Cluster))
        })
        .copied()
        .collect();
    out.yes_seen("services_in_tests", &with_services);
}

/// Whether a job starts services that its steps talk to.
fn brings_services(job: &Job) -> bool {
    const SERVICES: &[&str] = &[
        "postgres",
        "mysql",
        "mariadb",
        "mongo",
        "redis",
        "elasticsearch",
        "opensearch",
        "rabbitmq",
        "kafka",
        "minio",
        "localstack",
        "memcached",
    ];
    const STARTS: &[&str] = &[
        "systemctl start",
        "service ",
        "docker run",
        "docker start",
        "createdb",
        "pg_ctl",
    ];
    !job.services.is_empty()
        || job.steps.iter().any(|step| {
            let starts = step
                .doings
                .iter()
                .any(|doing| matches!(doing.purpose, Purpose::Compose | Purpose::Cluster));
            let named = match &step.kind {
                StepKind::Use(used) => {
                    let name = used.name.to_lowercase();
                    SERVICES.iter().any(|service| name.contains(service))
                }
                StepKind::Run { text } => {
                    STARTS.iter().any(|start| text.contains(start))
                        && SERVICES.iter().any(|service| text.contains(service))
                }
                StepKind::Builtin(_) => false,
            };
            starts || named
        })
}

fn quality(view: &View<'_>, out: &mut Out) {
    let failing_on_change = |purpose: Purpose| -> (Vec<Seen<'_>>, Vec<Seen<'_>>) {
        view.doing(&[purpose])
            .into_iter()
            .filter(Seen::per_change)
            .partition(Seen::can_fail)
    };
    let of = |list: &[Seen<'_>], detail: &str, is: bool| -> Vec<Place> {
        let kept: Vec<Seen<'_>> = list
            .iter()
            .filter(|seen| (seen.doing.detail == detail) == is)
            .copied()
            .collect();
        places(&kept)
    };
    // Spelling, commit messages and definitions are not the code, and which hooks there are stands elsewhere.
    let (linting, passed_over) = failing_on_change(Purpose::Lint);
    let hooks = of(&linting, "hooks", true);
    let code: Vec<Seen<'_>> = linting
        .iter()
        .filter(|seen| seen.doing.detail != "hooks")
        .copied()
        .collect();
    let code = of(&code, "text", false);
    if !code.is_empty() || linting.is_empty() {
        out.yes_against("lint", code, places(&passed_over));
    }
    out.yes("hooks_checked", hooks);
    for (name, purpose) in [("format_check", Purpose::Format), ("type_check", Purpose::Types)] {
        let (counts, passed_over) = failing_on_change(purpose);
        out.yes_against(name, places(&counts), places(&passed_over));
    }
    out.yes_seen("static_analysis", &view.doing(&[Purpose::Analysis]));
    let coverage = view.doing(&[Purpose::Coverage, Purpose::CoverageUpload, Purpose::CoverageGate]);
    out.yes_seen("coverage", &coverage);
    let per_change: Vec<Seen<'_>> = coverage.iter().filter(|seen| seen.per_change()).copied().collect();
    out.yes_seen("coverage_per_change", &per_change);
    let gate: Vec<Seen<'_>> = view
        .doing(&[Purpose::CoverageGate])
        .into_iter()
        .filter(Seen::can_fail)
        .collect();
    out.yes_seen("coverage_gate", &gate);
    out.yes_seen("contract_check", &view.doing(&[Purpose::Contract]));
    out.yes_seen("flags_check", &view.doing(&[Purpose::Flags]));
    let reports: Vec<Seen<'_>> = view
        .doing(&[
            Purpose::Performance,
            Purpose::Analysis,
            Purpose::Coverage,
            Purpose::Dependencies,
            Purpose::Code,
            Purpose::Secrets,
            Purpose::Images,
        ])
        .into_iter()
        .filter(|seen| seen.may(Occasion::Schedule))
        .collect();
    out.yes_seen("reports_scheduled", &reports);
}

fn security(view: &View<'_>, out: &mut Out) {
    for (name, purpose) in [
        ("security_dependencies", Purpose::Dependencies),
        ("security_static", Purpose::Code),
        ("security_secrets", Purpose::Secrets),
        ("security_images", Purpose::Images),
    ] {
        out.yes_seen(name, &view.doing(&[purpose]));
    }
    let scans = view.doing(SCANS);
    let per_change: Vec<Seen<'_>> = scans.iter().filter(|seen| seen.per_change()).copied().collect();
    let (counts, passed_over): (Vec<Seen<'_>>, Vec<Seen<'_>>) =
        per_change.iter().copied().partition(|seen| seen.can_fail());
    if !counts.is_empty() || passed_over.is_empty() {
        out.yes_against("security_per_change", places(&counts), places(&passed_over));
    }
    // These report elsewhere and let the pipeline go on.
    let only_reports = ["codeql", "scorecard"];
    let (gate, passed_over): (Vec<Seen<'_>>, Vec<Seen<'_>>) = per_change
        .into_iter()
        .partition(|seen| seen.can_fail() && !only_reports.contains(&seen.doing.detail.as_str()));
    out.yes_against("security_gate", places(&gate), places(&passed_over));
    let tools = scans
        .iter()
        .map(|seen| {
            if seen.doing.detail.is_empty() {
                seen.doing.tool.split_whitespace().next().unwrap_or_default().to_owned()
            } else {
                seen.doing.detail.clone()
            }
        })
        .collect();
    out.list("security_tools", tools, places(&scans));
}

fn learning(view: &View<'_>, out: &mut Out) {
    let trains = view.doing(&[Purpose::Train]);
    out.yes_seen("trains_models", &trains);
    let on_schedule: Vec<Seen<'_>> = trains
        .into_iter()
        .filter(|seen| seen.may(Occasion::Schedule) || seen.may(Occasion::Other))
        .collect();
    out.yes_seen("trains_on_schedule", &on_schedule);
    out.yes_seen("evaluates_models", &view.doing(&[Purpose::Evaluate]));
    out.yes_seen("validates_data", &view.doing(&[Purpose::ValidateData]));
    out.yes_seen("deploys_models", &view.doing(&[Purpose::DeployModel]));
}
