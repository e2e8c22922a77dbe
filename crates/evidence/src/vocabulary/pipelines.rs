//! The names of what is read from definitions of pipelines.
//!
//! *On trunk* means: a change that reaches the branch everything is delivered from starts it. *On
//! request* means: a proposed change (a pull or merge request) starts it. What runs in a job whose
//! failure is ignored does not count as something that can fail a build.

use super::{Declared, Kind};
use crate::document::Stream;

const fn of(name: &'static str, kind: Kind, meaning: &'static str) -> Declared {
    Declared {
        name,
        kind,
        stream: Stream::Pipelines,
        meaning,
    }
}

const fn yes(name: &'static str, meaning: &'static str) -> Declared {
    of(name, Kind::Boolean, meaning)
}

const fn count(name: &'static str, meaning: &'static str) -> Declared {
    of(name, Kind::Count, meaning)
}

const fn list(name: &'static str, meaning: &'static str) -> Declared {
    of(name, Kind::List, meaning)
}

pub(super) const NAMES: &[Declared] = &[
    // What there is.
    list(
        "pipelines.systems",
        "the systems that pipelines are defined for: github-actions, gitlab-ci, jenkins, ...",
    ),
    count(
        "pipelines.definitions",
        "files that define a pipeline and could be read",
    ),
    count(
        "pipelines.jobs",
        "jobs in all definitions, those of called parts included",
    ),
    yes(
        "pipelines.complete",
        "every definition was read completely: no broken file, nothing included from elsewhere, nothing that is made while it runs",
    ),
    yes("pipelines.throughline", "a definition for Throughline is there"),
    // Building.
    yes(
        "pipelines.builds",
        "a job compiles, packages, trains or tests the product",
    ),
    yes(
        "pipelines.builds_on_push_to_trunk",
        "such a job runs on every change that reaches trunk, or on every such change to the paths it is for",
    ),
    yes("pipelines.builds_on_request", "such a job runs on proposed changes"),
    yes("pipelines.builds_on_schedule", "such a job runs on a schedule"),
    yes(
        "pipelines.builds_by_polling",
        "such a job is started by asking the repository for changes at intervals",
    ),
    yes(
        "pipelines.path_filtered",
        "pipelines of the trunk run only for the paths they are for",
    ),
    // Tests.
    yes(
        "pipelines.tests_unit",
        "automatic tests run on trunk or on request, and can fail the build",
    ),
    yes(
        "pipelines.tests_unit_on_trunk",
        "automatic tests run on trunk, and can fail the build",
    ),
    yes(
        "pipelines.tests_unit_alone",
        "automatic tests run in a job that starts no database or other service for them",
    ),
    yes(
        "pipelines.tests_integration",
        "tests against other parts (services, databases, integration suites) run in a pipeline, and can fail it",
    ),
    yes(
        "pipelines.tests_acceptance",
        "acceptance, end-to-end or behaviour tests run in a pipeline, and can fail it",
    ),
    yes(
        "pipelines.tests_performance",
        "performance tests or benchmarks run in a pipeline",
    ),
    yes(
        "pipelines.performance_threshold",
        "performance tests have a threshold that fails the pipeline",
    ),
    yes(
        "pipelines.services_in_tests",
        "a test job has services of its own beside it (databases, queues), or starts them from a compose file",
    ),
    yes("pipelines.tests_before_deploy", "what deploys waits for jobs that test"),
    // Checks.
    yes(
        "pipelines.hooks_checked",
        "the hooks of pre-commit run on trunk or on request, and can fail the build; `files.static_analysis` says what they look for",
    ),
    yes(
        "pipelines.lint",
        "a linter runs on trunk or on request, and can fail the build",
    ),
    yes(
        "pipelines.format_check",
        "the format of the code is checked on trunk or on request",
    ),
    yes("pipelines.type_check", "types are checked by a step of its own"),
    yes(
        "pipelines.static_analysis",
        "an analysis of quality or bugs runs (SonarQube, CodeQL, SpotBugs, linters that look for bugs)",
    ),
    yes("pipelines.coverage", "coverage is measured in a pipeline"),
    yes(
        "pipelines.coverage_per_change",
        "coverage is measured or reported for each change (on trunk or on request)",
    ),
    yes(
        "pipelines.coverage_gate",
        "coverage below a threshold fails the pipeline",
    ),
    yes(
        "pipelines.security_dependencies",
        "dependencies are scanned for known weaknesses",
    ),
    yes("pipelines.security_static", "the code is analysed for weaknesses"),
    yes("pipelines.security_secrets", "the code is scanned for secrets"),
    yes("pipelines.security_images", "container images are scanned"),
    yes(
        "pipelines.security_per_change",
        "one of the scans runs on trunk or on request",
    ),
    yes(
        "pipelines.security_gate",
        "one of the scans can fail the pipeline of a change",
    ),
    list("pipelines.security_tools", "the tools that scan"),
    yes(
        "pipelines.contract_check",
        "a contract between components is checked (breaking changes of an API, consumer contracts)",
    ),
    yes(
        "pipelines.flags_check",
        "feature flags or references to them are checked",
    ),
    yes(
        "pipelines.reports_scheduled",
        "a scheduled pipeline scans, analyses, or measures coverage or speed, and so reports on quality; tests that run again do not count",
    ),
    // Artifacts.
    yes(
        "pipelines.artifacts_kept",
        "what is built is kept: as an artifact of the run, in a registry, or with a release",
    ),
    list(
        "pipelines.packages_published",
        "where packages are published to: crates.io, npm, pypi, maven, nuget, rubygems, image, github-release, pages, ...",
    ),
    yes("pipelines.publish_on_tag", "publishing starts with a tag or a release"),
    yes("pipelines.publish_on_trunk", "publishing starts with a change on trunk"),
    yes("pipelines.publish_by_hand", "publishing is started by hand"),
    yes(
        "pipelines.publishes_what_was_built",
        "what is published is taken from a job before that built it, or from the job that built and tested it; places against are those that build again",
    ),
    yes("pipelines.images_built", "container images are built"),
    yes("pipelines.images_pushed", "container images are pushed to a registry"),
    yes(
        "pipelines.machine_images_built",
        "images of whole machines are built (Packer, image builders)",
    ),
    yes("pipelines.provenance", "where an artifact comes from is attested"),
    yes("pipelines.signed", "artifacts are signed"),
    yes("pipelines.sbom", "a list of what an artifact contains is made"),
    // Versions and releases.
    yes(
        "pipelines.version_automatic",
        "the version is computed in the pipeline (from commits, tags or changesets), or by a bot's request",
    ),
    yes(
        "pipelines.tag_automatic",
        "the pipeline makes the tag or the release itself",
    ),
    of(
        "pipelines.release_tool",
        Kind::Text,
        "the tool that versions and releases, where one is used",
    ),
    yes(
        "pipelines.release_notes_automatic",
        "release notes or the changelog are made in the pipeline",
    ),
    // Deployment.
    yes(
        "pipelines.deploys",
        "a job deploys what runs: a service, a site, infrastructure, a model",
    ),
    yes(
        "pipelines.deploys_pages",
        "a job publishes a static site or documentation",
    ),
    yes(
        "pipelines.deploys_on_trunk",
        "a change that reaches trunk is deployed somewhere without a person",
    ),
    list(
        "pipelines.deploy_tools",
        "what it deploys with: kubectl, helm, terraform, capistrano, ...",
    ),
    list(
        "pipelines.environments",
        "the environments that are named where it deploys",
    ),
    yes(
        "pipelines.deploy_same_command",
        "two environments or more are deployed to by the same command or part, which differs in the environment's name alone, or by the same definition",
    ),
    yes(
        "pipelines.deploy_same_definition",
        "two environments or more are deployed to by the same definition (a template, a called workflow, a script, a matrix) with other inputs",
    ),
    yes(
        "pipelines.deploy_to_production",
        "an environment that is named as production is deployed to",
    ),
    yes(
        "pipelines.deploy_production_automatic",
        "production is deployed to from trunk without a person in between, as far as the definition says",
    ),
    yes(
        "pipelines.deploy_manual_gate",
        "a person has to press a button before a deployment goes on (an approval, a manual job, a dispatch)",
    ),
    yes(
        "pipelines.promotes_without_rebuild",
        "what reaches the last environment is the artifact that the earlier ones had: passed on, or named by digest or commit",
    ),
    yes(
        "pipelines.rebuilds_per_environment",
        "the artifact is built again for an environment",
    ),
    yes(
        "pipelines.migrations_applied",
        "migrations of a database are applied by a pipeline that deploys",
    ),
    yes(
        "pipelines.migrations_tested",
        "migrations are run by a pipeline against a database of its own",
    ),
    yes(
        "pipelines.configuration_applied",
        "configuration of environments is applied by a pipeline",
    ),
    yes(
        "pipelines.infrastructure_planned",
        "changes of infrastructure are planned or previewed",
    ),
    yes(
        "pipelines.infrastructure_applied",
        "infrastructure is applied by a pipeline",
    ),
    yes(
        "pipelines.rollout_gradual",
        "a deployment is rolled out in parts (canary, blue-green, traffic shifted, batches)",
    ),
    yes(
        "pipelines.smoke_after_deploy",
        "what was deployed is checked after (a smoke test, a health check, a status of the roll-out)",
    ),
    yes(
        "pipelines.preview_environments",
        "proposed changes are deployed to an environment of their own",
    ),
    yes(
        "pipelines.rollback",
        "a pipeline or step returns an environment to an earlier state",
    ),
    yes(
        "pipelines.notifies",
        "a pipeline tells people about its outcome (chat, mail)",
    ),
    // The shape of the definitions.
    of(
        "pipelines.actions_pinned_share",
        Kind::Share,
        "share of outside actions, orbs and plugins that are pinned to a digest or commit",
    ),
    count(
        "pipelines.third_party_actions",
        "different outside actions, orbs and plugins in use",
    ),
    yes("pipelines.matrix", "a job runs for several versions or platforms"),
    yes(
        "pipelines.several_runners",
        "jobs run on more than one kind of machine, or beside each other on machines of their own",
    ),
    yes(
        "pipelines.concurrency",
        "runs of the same branch or environment are kept from overlapping",
    ),
    yes("pipelines.cache", "dependencies or results are kept between runs"),
    yes("pipelines.timeouts", "jobs have a time limit of their own"),
    count(
        "pipelines.failures_ignored",
        "jobs and steps that build or check and whose failure is ignored; the places name them",
    ),
    yes(
        "pipelines.reusable_parts",
        "parts are shared: called workflows, composite actions, templates, orbs, shared libraries",
    ),
    count("pipelines.manual_steps", "places at which a person has to go on"),
    // Machine learning.
    yes("pipelines.trains_models", "a pipeline trains a model"),
    yes(
        "pipelines.trains_on_schedule",
        "a model is trained on a schedule or when data arrives",
    ),
    yes("pipelines.evaluates_models", "a pipeline evaluates a model"),
    yes("pipelines.validates_data", "a pipeline validates data"),
    yes("pipelines.deploys_models", "a pipeline deploys or registers a model"),
];
