//! The names of what is read from the files of one commit.
//!
//! Booleans and empty lists say "no" only where looking was complete; what could not be judged is
//! left out. "Own" files are those that are neither vendored nor generated, and neither examples
//! nor fixtures of tests.

use super::{Declared, Kind};
use crate::document::Stream;

/// A name of this family.
const fn name(name: &'static str, kind: Kind, meaning: &'static str) -> Declared {
    Declared {
        name,
        kind,
        stream: Stream::Files,
        meaning,
    }
}

pub(super) const NAMES: &[Declared] = &[
    name("files.files", Kind::Count, "Files of the commit, whatever they are."),
    name(
        "files.stacks",
        Kind::List,
        "Technologies that things are built with, from their manifests: rust, node, python, go, java, dotnet, php, ruby, ...",
    ),
    name(
        "files.languages",
        Kind::List,
        "Languages of the product's own source files, those with at least a twentieth of them.",
    ),
    name(
        "files.own_files",
        Kind::Count,
        "Files that are the product's own: not vendored, generated, of examples or of test fixtures.",
    ),
    name(
        "files.source_folders",
        Kind::Count,
        "Folders that hold source files of the product itself (tests apart).",
    ),
    name(
        "files.product_files",
        Kind::Count,
        "Source files of the product itself, tests apart.",
    ),
    name(
        "files.test_files",
        Kind::Count,
        "Source files of tests, by each technology's convention; a file with tests inside (Rust) counts here too.",
    ),
    name(
        "files.test_share",
        Kind::Share,
        "Source files of tests among all own source files.",
    ),
    name(
        "files.build_scripted",
        Kind::List,
        "Kinds of build that run unattended from a definition in the tree: cargo, npm, maven, gradle, make, ...",
    ),
    name(
        "files.build_tools",
        Kind::List,
        "All tools of building that are set up: build systems, workspace tools, bundlers, task runners.",
    ),
    name(
        "files.modules",
        Kind::Count,
        "Modules that the builds know: members of workspaces, modules of Maven, projects of Gradle; a build of one piece has one.",
    ),
    name(
        "files.module_boundaries",
        Kind::List,
        "Tools that hold the borders between modules and can fail: ArchUnit, import-linter, deptrac, dependency-cruiser, packwerk, ...",
    ),
    name(
        "files.components",
        Kind::Count,
        "Parts with an artifact of their own: published packages, services with an image, deployables. A repository of one piece has one.",
    ),
    name(
        "files.components_versioned",
        Kind::Count,
        "Components that state a version of their own.",
    ),
    name(
        "files.components_with_image",
        Kind::Count,
        "Components that an image of their own is built for.",
    ),
    name(
        "files.release_tools",
        Kind::List,
        "Tools of versioning and releasing that are set up: semantic-release, changesets, goreleaser, release-please, ...",
    ),
    name(
        "files.version_from_history",
        Kind::Boolean,
        "The version is computed from the history or tags by a tool, and is not typed into a file.",
    ),
    name(
        "files.deploy_scripts",
        Kind::List,
        "Scripted ways to deploy in the tree: a target `deploy` of make, capistrano, fabric, kamal, skaffold, serverless, a platform's file, ...",
    ),
    name(
        "files.development_environment",
        Kind::List,
        "Descriptions of the environment of developers: devcontainer, nix, vagrant, tilt, mise, ...",
    ),
    name(
        "files.unit_test_frameworks",
        Kind::List,
        "Frameworks of automatic tests that manifests name or files use.",
    ),
    name(
        "files.integration_tests",
        Kind::List,
        "How integration tests are seen: a library for them (testcontainers, supertest, ...), a folder of them, cargo's `tests/`.",
    ),
    name(
        "files.acceptance_tests",
        Kind::List,
        "How acceptance or end-to-end tests are seen: playwright, cypress, selenium, cucumber, behave, robot, a folder of them.",
    ),
    name(
        "files.performance_tests",
        Kind::List,
        "How performance tests are seen: k6, locust, gatling, jmeter, criterion, jmh, benchmarks of the language.",
    ),
    name(
        "files.test_doubles",
        Kind::List,
        "Libraries by which tests run without the services around: wiremock, nock, msw, vcr, mockito, ...",
    ),
    name(
        "files.test_environment",
        Kind::List,
        "Environments for tests that the tree defines: a folder or overlay `test`, `staging`, ..., compose files of tests.",
    ),
    name(
        "files.coverage_config",
        Kind::List,
        "Tools of code coverage that are set up.",
    ),
    name(
        "files.coverage_threshold",
        Kind::Boolean,
        "A tool of coverage is set up to fail below a threshold.",
    ),
    name(
        "files.manifests",
        Kind::Count,
        "Manifests of dependencies of the product itself.",
    ),
    name("files.lock_files", Kind::Count, "Lock files of dependencies."),
    name(
        "files.manifests_without_lock",
        Kind::Count,
        "Manifests with dependencies that no lock file holds, where their technology knows lock files; places are these manifests.",
    ),
    name(
        "files.pinned_share",
        Kind::Share,
        "Dependencies that are held exactly, by a lock file or an exact version, among all that manifests name.",
    ),
    name(
        "files.update_bot",
        Kind::List,
        "Bots that are set up to bring updates of dependencies: dependabot, renovate, ...; none that is turned off.",
    ),
    name(
        "files.containers",
        Kind::Count,
        "Definitions of images of the product itself.",
    ),
    name(
        "files.images_from_digest_share",
        Kind::Share,
        "Base images that are named by digest, among all of those definitions.",
    ),
    name(
        "files.images_not_root_share",
        Kind::Share,
        "Definitions of images whose last stage runs as a user other than root.",
    ),
    name("files.compose", Kind::Boolean, "A compose file."),
    name(
        "files.kubernetes",
        Kind::Count,
        "Kubernetes objects (manifests with apiVersion and kind), templates of Helm included.",
    ),
    name("files.helm", Kind::Count, "Helm charts."),
    name("files.kustomize", Kind::Count, "Kustomizations."),
    name(
        "files.gitops",
        Kind::List,
        "Objects of tools that bring the state of a repository into a cluster: argocd, flux, fleet.",
    ),
    name(
        "files.infrastructure",
        Kind::List,
        "Infrastructure as code: terraform, pulumi, cdk, cloudformation, ansible, nix, packer, bicep, crossplane, ...",
    ),
    name(
        "files.environments_in_files",
        Kind::List,
        "Names of environments by folders, overlays, values and variables files.",
    ),
    name(
        "files.environment_overlays",
        Kind::Boolean,
        "One definition with differences for each of several environments: overlays, values or variables files, workspaces.",
    ),
    name(
        "files.rolling_or_canary",
        Kind::Boolean,
        "Deployments are set up to replace instances step by step, or to try new ones on a share of the traffic.",
    ),
    name(
        "files.rollout_strategies",
        Kind::List,
        "How instances are replaced where it is stated: rolling, canary, blue-green, recreate.",
    ),
    name(
        "files.health_checks",
        Kind::Boolean,
        "Health checks of instances: probes of Kubernetes, of images, of compose or of platforms.",
    ),
    name(
        "files.replicas",
        Kind::Count,
        "The largest number of instances that is stated for one service.",
    ),
    name(
        "files.machine_images",
        Kind::List,
        "Whole machine or container images that are built from the tree: containerfile, packer, nixos, buildpack, jib, ...",
    ),
    name(
        "files.migrations",
        Kind::List,
        "Tools of database migrations whose migrations are in the tree.",
    ),
    name("files.migrations_count", Kind::Count, "Migrations in the tree."),
    name(
        "files.migrations_reversible_share",
        Kind::Share,
        "Migrations with a way back among those whose tool knows one.",
    ),
    name(
        "files.configuration_schema",
        Kind::Boolean,
        "Configuration is checked against a schema or type: JSON Schema of values, typed settings, checked variables.",
    ),
    name(
        "files.configuration_per_environment",
        Kind::Boolean,
        "Configuration of several environments stands in the tree, in a file each.",
    ),
    name(
        "files.secrets_encrypted",
        Kind::List,
        "How secrets stand encrypted in the tree or are fetched by reference: sops, sealed-secrets, git-crypt, ansible-vault, external-secrets, ...",
    ),
    name(
        "files.secrets_in_clear",
        Kind::Count,
        "Secrets that stand readable in own files: private keys, tokens of a well-known shape. The secret itself is never shown.",
    ),
    name("files.owners", Kind::Boolean, "A file that says who owns what."),
    name(
        "files.owners_coverage",
        Kind::Share,
        "Own files that a pattern of the owners file matches with at least one owner.",
    ),
    name(
        "files.contracts",
        Kind::List,
        "Kinds of interface descriptions: openapi, asyncapi, protobuf, graphql, pact, avro, json-schema, thrift, wsdl.",
    ),
    name(
        "files.contract_breaking_check",
        Kind::Boolean,
        "A tool that finds breaking changes of interfaces is set up.",
    ),
    name(
        "files.contract_tests",
        Kind::List,
        "Tools of contract tests that are used: pact, spring-cloud-contract, schemathesis, dredd, ...",
    ),
    name(
        "files.flags",
        Kind::List,
        "Feature flags: SDKs in manifests, definitions in files. A project that is a flag tool itself does not count as a user of its own.",
    ),
    name(
        "files.flag_uses",
        Kind::Count,
        "Places in code that ask a flag SDK, as far as looked.",
    ),
    name(
        "files.experiments",
        Kind::List,
        "Tools of A/B experiments that are used.",
    ),
    name(
        "files.static_analysis",
        Kind::List,
        "Static analysis that is set up: linters, type checkers, analysers.",
    ),
    name("files.linters", Kind::List, "Linters that are set up."),
    name("files.formatters", Kind::List, "Formatters that are set up."),
    name(
        "files.type_checkers",
        Kind::List,
        "Type checkers that are set up, where the language leaves types open.",
    ),
    name(
        "files.quality_platforms",
        Kind::List,
        "Services of quality reports that are set up: sonarqube, codeclimate, codacy, codecov, ...",
    ),
    name(
        "files.security_config",
        Kind::List,
        "Scanners of code, dependencies or secrets that are set up: codeql, semgrep, trivy, gitleaks, cargo-deny, bandit, ...",
    ),
    name(
        "files.pre_commit",
        Kind::Boolean,
        "Checks run before each commit by a tool that the tree sets up.",
    ),
    name(
        "files.automation_bots",
        Kind::List,
        "Bots and merge queues that the tree sets up: mergify, bors, stale, ...",
    ),
    name(
        "files.observability",
        Kind::List,
        "Instrumentation that is used: opentelemetry, prometheus, micrometer, sentry, ...",
    ),
    name("files.dashboards", Kind::Count, "Dashboards as files."),
    name("files.alerts", Kind::Count, "Alert rules as files."),
    name("files.slo", Kind::Boolean, "Service level objectives as files."),
    name(
        "files.business_metrics",
        Kind::Boolean,
        "Metrics of the business are defined in dashboards or by an SDK of product analytics.",
    ),
    name("files.readme", Kind::Boolean, "A readme with more than a title."),
    name("files.license", Kind::Boolean, "A licence."),
    name(
        "files.contributing",
        Kind::Boolean,
        "A description of how to contribute or work on the project.",
    ),
    name(
        "files.process_documented",
        Kind::Boolean,
        "A guide that tells how a change is made: at least three of tests, review, build, record of changes, release and planning. Not said where a text only touches on it.",
    ),
    name(
        "files.retired",
        Kind::Boolean,
        "The beginning of the readme says that the project is deprecated, archived or no longer maintained.",
    ),
    name(
        "files.runbook",
        Kind::Boolean,
        "A runbook: what to do in operation or when something fails.",
    ),
    name("files.decision_records", Kind::Count, "Records of decisions."),
    name(
        "files.changelog",
        Kind::Boolean,
        "A changelog that is kept by version or release, or as fragments.",
    ),
    name(
        "files.release_documented",
        Kind::Boolean,
        "A document, or a section of one, says how to release.",
    ),
    name(
        "files.deploy_documented",
        Kind::Boolean,
        "A document, or a section of one, says how to deploy or install the product in operation.",
    ),
    name("files.docs", Kind::Count, "Files of documentation."),
    name(
        "files.templates",
        Kind::Boolean,
        "Templates of issues or of requests to merge.",
    ),
    name(
        "files.security_policy",
        Kind::Boolean,
        "A policy of how to report security problems.",
    ),
    name(
        "files.ml",
        Kind::List,
        "Tools of machine learning: libraries to train with, orchestrators, trackers.",
    ),
    name(
        "files.ml_pipelines",
        Kind::List,
        "Training as a defined pipeline: dvc stages, kubeflow, zenml, metaflow, airflow, ...",
    ),
    name("files.notebooks", Kind::Count, "Notebooks."),
    name(
        "files.training_code",
        Kind::Count,
        "Files that train a model by what they import and call, as far as looked.",
    ),
    name(
        "files.model_files",
        Kind::Count,
        "Models as files (or pointers to large files).",
    ),
    name(
        "files.data_versioned",
        Kind::List,
        "How datasets are versioned: dvc, lfs, lakefs, ...",
    ),
    name(
        "files.model_registry",
        Kind::List,
        "How models are registered with a version: mlflow, wandb, vertex, sagemaker, ...",
    ),
    name(
        "files.data_validation",
        Kind::List,
        "Checks of data: great-expectations, pandera, tfdv, deequ, soda, dbt tests, ...",
    ),
    name(
        "files.experiments_tracked",
        Kind::List,
        "How training runs are recorded: mlflow, wandb, dvclive, tensorboard, ...",
    ),
    name(
        "files.drift_monitoring",
        Kind::List,
        "How drift is watched: evidently, whylogs, nannyml, alibi-detect, ...",
    ),
    name(
        "files.model_evaluation",
        Kind::Boolean,
        "The training pipeline evaluates the model: metrics of dvc, a stage or program of evaluation.",
    ),
    name(
        "files.throughline",
        Kind::Boolean,
        "A definition of Throughline, `throughline.yaml`.",
    ),
];
