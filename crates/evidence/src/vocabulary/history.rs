//! The names of what is read from commits, branches and tags.
//!
//! *Trunk* is the first-parent line of the default branch. *The window* ends at the moment of the evidence.
//! *People's commits* are those whose author is no bot. Of a component, only commits count that touch its
//! folder, and releases are those tagged with its name where there are such tags.

use super::{Declared, Kind};
use crate::document::Stream;

const fn name(name: &'static str, kind: Kind, meaning: &'static str) -> Declared {
    Declared {
        name,
        kind,
        stream: Stream::History,
        meaning,
    }
}

pub(super) const NAMES: &[Declared] = &[
    // How much, how long, by how many.
    name("history.commits", Kind::Count, "Commits behind the default branch."),
    name(
        "history.age_days",
        Kind::Days,
        "Days from the oldest commit to the moment.",
    ),
    name(
        "history.last_commit_days",
        Kind::Days,
        "Days since the newest commit on trunk.",
    ),
    name(
        "history.shallow",
        Kind::Boolean,
        "Whether the clone is cut off, so that older commits are not seen.",
    ),
    name(
        "history.default_branch",
        Kind::Text,
        "The branch that is taken as trunk.",
    ),
    name(
        "history.commits_in_window",
        Kind::Count,
        "Commits behind the default branch in the window.",
    ),
    name(
        "history.authors_in_window",
        Kind::Count,
        "People with commits in the window, after the mailmap; bots are no people.",
    ),
    name(
        "history.active_days_in_window",
        Kind::Count,
        "Days of the window (UTC) with a commit of a person.",
    ),
    name(
        "history.commits_per_active_author_day",
        Kind::Number,
        "Median number of commits of a person on a day on which the person commits at all, merges left out.",
    ),
    name(
        "history.author_overlap",
        Kind::Share,
        "Mean overlap (Jaccard) of the people who commit in one month with those of the next, over the last 6 months.",
    ),
    name(
        "history.top_author_share",
        Kind::Share,
        "Share of the window's commits that come from the most active person.",
    ),
    name(
        "history.bot_commits_share",
        Kind::Share,
        "Share of the window's commits whose author is a bot.",
    ),
    // Integration.
    name(
        "history.merges_in_window",
        Kind::Count,
        "Merge commits on trunk in the window.",
    ),
    name(
        "history.trunk_commits_in_window",
        Kind::Count,
        "Commits and merges on trunk in the window, that is: integrations.",
    ),
    name(
        "history.trunk_days_in_window",
        Kind::Count,
        "Days of the window (UTC) on which something was integrated into trunk.",
    ),
    name(
        "history.integration_days_p80",
        Kind::Days,
        "80th percentile of the days from a commit's author date to its being on trunk, of the window's commits.",
    ),
    name(
        "history.branches_active",
        Kind::Count,
        "Branches of people besides trunk and release lines, with commits of their own in the window; remote-tracking ones count, and at a past moment those merged since.",
    ),
    name(
        "history.branches_stale",
        Kind::Count,
        "Branches besides trunk with commits of their own, none of them in the window.",
    ),
    name(
        "history.branch_life_days_p50",
        Kind::Days,
        "Median days from a merged branch's oldest own commit to its merge, of merges in the window.",
    ),
    name(
        "history.branch_life_days_p90",
        Kind::Days,
        "90th percentile of the days from a merged branch's oldest own commit to its merge, of merges in the window.",
    ),
    name(
        "history.long_lived_branches",
        Kind::Count,
        "Branches with an own commit older than 14 days and another one in the window, release lines left out.",
    ),
    name(
        "history.release_lines",
        Kind::Count,
        "Release lines besides trunk with commits or releases in the window: branches named like one, or older version lines that get tags beside newer ones.",
    ),
    name(
        "history.lines_released",
        Kind::Count,
        "Version lines that got releases in the window beside one another: those behind a newer line, and the newest one.",
    ),
    name(
        "history.integration_branches",
        Kind::List,
        "Branches that the year's merges brought to trunk more than once, weeks apart, such as `develop`.",
    ),
    name(
        "history.direct_to_trunk_share",
        Kind::Share,
        "Share of the window's integrations by people that neither are merges of a branch nor name a request.",
    ),
    name(
        "history.pull_request_share",
        Kind::Share,
        "Share of the window's integrations that are merges of a request or name one by its number.",
    ),
    name(
        "history.squash_or_linear",
        Kind::Boolean,
        "Whether at most one in ten of the window's integrations is a merge commit, given at least 10.",
    ),
    // Size.
    name(
        "history.change_lines_median",
        Kind::Number,
        "Median lines added and removed by an integration in the window, in files that people write.",
    ),
    name(
        "history.change_files_median",
        Kind::Number,
        "Median files touched by an integration in the window.",
    ),
    name(
        "history.large_changes_share",
        Kind::Share,
        "Share of the window's integrations with more than 400 lines in files that people write.",
    ),
    // Releases.
    name(
        "history.releases",
        Kind::Count,
        "Releases: commits with a tag named like a version, on trunk or on what went off from it, without pre-releases unless there is nothing else.",
    ),
    name(
        "history.releases_in_window",
        Kind::Count,
        "Releases in the window, without pre-releases.",
    ),
    name(
        "history.releases_in_year",
        Kind::Count,
        "Releases in the 365 days before the moment, without pre-releases.",
    ),
    name(
        "history.prereleases_in_year",
        Kind::Count,
        "Pre-releases in the 365 days before the moment.",
    ),
    name(
        "history.release_interval_days_p50",
        Kind::Days,
        "Median days between releases, over the last year's.",
    ),
    name(
        "history.last_release_days",
        Kind::Days,
        "Days since the newest release.",
    ),
    name(
        "history.versions_unique",
        Kind::Boolean,
        "Whether no two releases of different commits have the same version.",
    ),
    name(
        "history.version_scheme",
        Kind::Text,
        "How versions are formed: `semver`, `calendar` or `other`, by most of the last 50 releases.",
    ),
    name(
        "history.releases_annotated_share",
        Kind::Share,
        "Share of the last year's releases whose tag is an object of its own, with a tagger.",
    ),
    name(
        "history.releases_tagged_by_bot_share",
        Kind::Share,
        "Share of the last year's releases whose tagger, or the author of the commit where there is none, is a bot.",
    ),
    name(
        "history.lead_time_days_p50",
        Kind::Days,
        "Median days from a commit to the first release that contains it, of the commits of the last year's releases.",
    ),
    name(
        "history.lead_time_days_p90",
        Kind::Days,
        "90th percentile of the days from a commit to the first release that contains it, of the commits of the last year's releases.",
    ),
    name(
        "history.changelog_with_releases_share",
        Kind::Share,
        "Share of the last year's releases in whose commits a changelog was changed.",
    ),
    name(
        "history.hotfix_releases_in_year",
        Kind::Count,
        "Releases in the last 365 days that follow another one within 2 days and differ in the last number only, or are named a hotfix.",
    ),
    // What goes wrong and comes back.
    name(
        "history.reverts_in_window",
        Kind::Count,
        "Commits in the window that revert another one.",
    ),
    name(
        "history.revert_share",
        Kind::Share,
        "Share of the window's commits (merges left out) that revert another one.",
    ),
    name(
        "history.fixes_share",
        Kind::Share,
        "Share of the window's commits (merges left out) whose subject says that it fixes something.",
    ),
    name(
        "history.revert_days_p50",
        Kind::Days,
        "Median days from a commit to its revert, of reverts in the window that name the commit.",
    ),
    // What is changed together.
    name(
        "history.tests_with_code_share",
        Kind::Share,
        "Share of the window's integrations with product code that change tests too.",
    ),
    name(
        "history.test_author_overlap",
        Kind::Share,
        "Share of the window's authors of tests who write product code too.",
    ),
    name(
        "history.code_authors_testing_share",
        Kind::Share,
        "Share of the window's authors of product code who change tests too.",
    ),
    name(
        "history.dependency_updates_in_window",
        Kind::Count,
        "Commits in the window that update dependencies: a bot's, or ones that say so and change a manifest or lock file.",
    ),
    name(
        "history.dependency_bot",
        Kind::Text,
        "The bot that updates dependencies, by its commits in the last year.",
    ),
    name(
        "history.pipeline_changes_months",
        Kind::Count,
        "How many of the last 6 months (of 30 days) changed the pipeline's definition or the test infrastructure.",
    ),
    name(
        "history.docs_changed_days",
        Kind::Days,
        "Days since the contributing guide, a runbook or the readme was changed.",
    ),
    name(
        "history.migrations_changed_in_window",
        Kind::Count,
        "Commits on trunk in the window that add or change database migrations.",
    ),
    name(
        "history.infrastructure_changed_in_window",
        Kind::Count,
        "Commits on trunk in the window that change infrastructure or deployment definitions.",
    ),
    name(
        "history.configuration_changed_in_window",
        Kind::Count,
        "Commits on trunk in the window that change configuration of environments.",
    ),
    name(
        "history.broad_authors_share",
        Kind::Share,
        "Share of the window's authors of product code who also change two or more of: tests, migrations, infrastructure, pipeline, configuration.",
    ),
    // How changes are told.
    name(
        "history.conventional_share",
        Kind::Share,
        "Share of the window's subjects (merges left out) in the form `type(scope): text` of conventional commits.",
    ),
    name(
        "history.signed_share",
        Kind::Share,
        "Share of the window's commits that carry a signature, those left out that a host committed and signed itself; whose it is is not checked.",
    ),
    name(
        "history.issue_reference_share",
        Kind::Share,
        "Share of the window's integrations that name a work item in subject or body; the number of the request itself does not count.",
    ),
    name(
        "history.reviewed_share",
        Kind::Share,
        "Share of the window's integrations that name a reviewer in a trailer, or that somebody other than the author committed or merged; those left out of which neither can be seen, as of what a host squashed.",
    ),
];
