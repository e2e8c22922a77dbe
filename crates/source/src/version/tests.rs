//! What versions promise, on histories drawn by hand and at random.

use std::collections::{BTreeSet, HashMap};

use facts::Timestamp;
use proptest::prelude::*;

use super::conventional::Step;
use super::*;

fn commit(number: usize) -> Commit {
    Commit::new(format!("{number:040x}")).unwrap()
}

/// Commits, and the versions that tags give them.
#[derive(Default)]
struct History {
    commits: HashMap<Commit, HistoryCommit>,
    tags: Vec<(Commit, Numbers)>,
}

impl History {
    /// Takes the commit and what is behind it into `graph`, and the tags as they are.
    fn grow(&self, graph: &mut Graph, commit: &Commit) -> Result<(), GraphError> {
        graph.grow(commit, |commit| Ok::<_, GraphError>(self.commits.get(commit).cloned()))?;
        graph.set_tags(self.tags.iter().map(|(commit, numbers)| (commit, *numbers)));
        Ok(())
    }
}

/// The version as one who sees the whole history for the first time finds it.
fn version(
    history: &History,
    commit: &Commit,
    scheme: Scheme,
    line: &ReleaseLine,
    main: &ReleaseLine,
) -> Result<Version, GraphError> {
    let mut graph = Graph::default();
    history.grow(&mut graph, commit)?;
    graph.version(commit, scheme, line, main)
}

/// A history from lines `(parents, message, tags)`; a commit's number is its place.
fn history(commits: &[(&[usize], &str, &[&str])]) -> History {
    let mut history = History::default();
    for (number, (parents, message, tags)) in commits.iter().enumerate() {
        let parents = parents.iter().map(|p| commit(*p)).collect();
        let time = Timestamp::from_second(1_700_000_000 + 86_400 * number as i64).unwrap();
        history
            .commits
            .insert(commit(number), HistoryCommit::new(parents, time, message));
        let plain = tags.iter().filter_map(|tag| conventional::plain(tag));
        history.tags.extend(plain.map(|numbers| (commit(number), numbers)));
    }
    history
}

fn line(name: &str) -> ReleaseLine {
    ReleaseLine::new(name).unwrap()
}

fn on(history: &History, number: usize, name: &str) -> String {
    version(history, &commit(number), Scheme::Semantic, &line(name), &line("main"))
        .unwrap()
        .to_string()
}

fn main_line(history: &History, number: usize) -> String {
    on(history, number, "main")
}

#[test]
fn each_commit_on_main_gets_the_step_that_its_message_asks_for() {
    let history = history(&[
        (&[], "start", &[]),
        (&[0], "fix: a", &[]),
        (&[1], "feat: b", &[]),
        (&[2], "feat!: c", &[]),
        (&[3], "chore: first stable\n\nRelease-As: 1.0.0", &[]),
        (&[4], "feat: d", &[]),
        (&[5], "anything", &[]),
        (&[6], "fix!: e", &[]),
    ]);
    let versions: Vec<_> = (0..8).map(|n| main_line(&history, n)).collect();
    assert_eq!(
        versions,
        ["0.1.0", "0.1.1", "0.2.0", "0.3.0", "1.0.0", "1.1.0", "1.1.1", "2.0.0"]
    );
}

#[test]
fn a_merge_takes_the_largest_step_that_it_brings() {
    let history = history(&[
        (&[], "start", &["v1.3.0"]),
        (&[0], "fix: on main", &[]),
        (&[0], "feat: one", &[]),
        (&[0], "feat: two", &[]),
        (&[1, 2], "Merge one", &[]),
        (&[4, 3], "Merge two", &[]),
    ]);
    assert_eq!(main_line(&history, 1), "1.3.1");
    assert_eq!(main_line(&history, 4), "1.4.1");
    assert_eq!(main_line(&history, 5), "1.5.0");
}

#[test]
fn a_smaller_tag_that_comes_later_counts_as_it_would_have_before() {
    let mut history = history(&[(&[], "first", &[])]);
    let mut graph = Graph::default();
    let asked = |history: &History, graph: &mut Graph| {
        history.grow(graph, &commit(0)).unwrap();
        let version = graph.version(&commit(0), Scheme::Semantic, &line("main"), &line("main"));
        version.unwrap().to_string()
    };
    assert_eq!(asked(&history, &mut graph), "0.1.0");
    history.tags = vec![(commit(0), (0, 0, 0))];
    assert_eq!(asked(&history, &mut graph), "0.0.0");
    history.tags.clear();
    assert_eq!(asked(&history, &mut graph), "0.1.0");
}

#[test]
fn a_tag_counts_unless_it_would_go_back() {
    let history = history(&[
        (&[], "start", &["v1.0.0", "nightly", "v0.5.0"]),
        (&[0], "feat: a", &["v0.9.0"]),
        (&[1], "fix: b", &["v3.0.0", "v9.0.0-rc.1"]),
        (&[2], "fix: c", &[]),
    ]);
    let versions: Vec<_> = (0..4).map(|n| main_line(&history, n)).collect();
    assert_eq!(versions, ["1.0.0", "1.1.0", "3.0.0", "3.0.1"]);
}

#[test]
fn other_lines_have_pre_releases_that_name_them() {
    let history = history(&[
        (&[], "start", &["v1.3.0"]),
        (&[0], "feat: x", &[]),
        (&[1], "fix: y", &[]),
    ]);
    assert_eq!(on(&history, 1, "feature/Login_2"), "1.4.0-feature-Login-2.2");
    assert_eq!(on(&history, 2, "feature/Login_2"), "1.4.1-feature-Login-2.3");
    assert_eq!(on(&history, 2, "007"), "1.4.1-line-007.3");
    let long = on(&history, 2, "é/".repeat(60).trim_end_matches('/'));
    assert!(long.len() < 60 && semver::Version::parse(&long).is_ok(), "{long}");
}

#[test]
fn a_release_line_stays_within_the_range_that_its_name_says() {
    let history = history(&[
        (&[], "start", &["v2.7.3"]),
        (&[0], "feat!: breaks", &[]),
        (&[1], "feat: new", &["v9.0.0"]),
        (&[2], "fix: x", &["v2.9.0"]),
    ]);
    assert_eq!(on(&history, 1, "release/2.x"), "2.8.0-release-2-x.2");
    assert_eq!(on(&history, 2, "release/2.x"), "2.9.0-release-2-x.3");
    assert_eq!(on(&history, 3, "release/2.x"), "2.9.1-release-2-x.4");
    assert_eq!(on(&history, 3, "v2.7.x"), "2.7.6-v2-7-x.4");
    // Cut before the range begins: the line prepares its first version.
    assert_eq!(on(&history, 0, "release/3.x"), "3.0.0-release-3-x.1");
    assert_eq!(on(&history, 0, "release/0.0.x"), "0.0.0-release-0-0-x.1");
}

#[test]
fn calendar_versions_count_within_the_month_and_never_go_back() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let chain = [
        "2026-01-30T10:00:00Z",
        "2026-02-01T00:00:00Z",
        "2026-01-05T00:00:00Z",
        "2026-02-28T23:59:59Z",
        "2027-01-01T00:00:00Z",
    ];
    let mut history = History::default();
    for (n, time) in chain.iter().enumerate() {
        let parents = n.checked_sub(1).map(commit).into_iter().collect();
        history
            .commits
            .insert(commit(n), HistoryCommit::new(parents, at(time), "x"));
    }
    let versions: Vec<_> = (0..5)
        .map(|n| {
            version(&history, &commit(n), Scheme::Calendar, &line("main"), &line("main"))
                .unwrap()
                .to_string()
        })
        .collect();
    assert_eq!(versions, ["2026.1.1", "2026.2.1", "2026.2.2", "2026.2.3", "2027.1.1"]);
    let other = version(&history, &commit(1), Scheme::Calendar, &line("next"), &line("main")).unwrap();
    assert_eq!(other.as_str(), "2026.2.1-next.2");
}

#[test]
fn a_version_that_was_claimed_before_gives_way_to_the_next() {
    let next = |computed, last| after(&Version::new(computed).unwrap(), &Version::new(last).unwrap()).to_string();
    assert_eq!(next("1.2.0", "1.1.9"), "1.2.0");
    assert_eq!(next("1.2.0", "1.2.0"), "1.2.1");
    assert_eq!(next("1.1.0", "1.2.5"), "1.2.6");
    assert_eq!(next("2026.2.1", "2026.2.7"), "2026.2.8");
    assert_eq!(next("1.1.0-x.3", "1.2.0-x.9"), "1.2.0-x.10");
    assert_eq!(next("1.1.0-x.3", "1.2.0"), "1.2.1-x.3");
    assert_eq!(next("1.1.0", "1.2.0-x.9"), "1.2.0");
    assert_eq!(next("from-a-command", "other"), "from-a-command");
}

#[test]
fn what_is_no_graph_of_commits_is_an_error() {
    let history = history(&[
        (&[], "a", &[]),
        (&[2], "b", &[]),
        (&[1], "c", &[]),
        (&[77], "shallow", &[]),
    ]);
    let ask = |number| {
        version(
            &history,
            &commit(number),
            Scheme::Semantic,
            &line("main"),
            &line("main"),
        )
    };
    assert!(matches!(ask(9), Err(GraphError::Unknown(_))));
    assert!(matches!(ask(1), Err(GraphError::Cycle(_))));
    assert_eq!(ask(3).unwrap().as_str(), "0.1.0");
}

#[test]
fn a_history_of_many_merges_is_done_in_a_moment() {
    // Each merge joins a side branch that left main ten commits ago.
    let mut history = History::default();
    for n in 0..20_000_usize {
        let parents = match n {
            0 => vec![],
            1..20 => vec![commit(n - 1)],
            _ if n % 2 == 0 => vec![commit(n - 2), commit(n - 1)],
            _ => vec![commit(n - 11)],
        };
        history
            .commits
            .insert(commit(n), HistoryCommit::new(parents, Timestamp::UNIX_EPOCH, "feat: x"));
    }
    assert!(
        version(
            &history,
            &commit(19_998),
            Scheme::Semantic,
            &line("main"),
            &line("main")
        )
        .is_ok()
    );
}

#[test]
fn what_was_found_out_is_not_looked_at_again() {
    let mut history = History::default();
    for n in 0..1_000 {
        let parents = usize::checked_sub(n, 1).map(commit).into_iter().collect();
        history
            .commits
            .insert(commit(n), HistoryCommit::new(parents, Timestamp::UNIX_EPOCH, "fix: x"));
    }
    let mut graph = Graph::default();
    let mut asked = 0;
    let mut at = |graph: &mut Graph, number: usize| {
        asked = 0;
        let read = |commit: &Commit| {
            asked += 1;
            Ok::<_, GraphError>(history.commits.get(commit).cloned())
        };
        graph.grow(&commit(number), read).unwrap();
        let version = graph.version(&commit(number), Scheme::Semantic, &line("main"), &line("main"));
        (version.unwrap().to_string(), asked)
    };
    assert_eq!(at(&mut graph, 997), ("0.1.997".to_owned(), 998));
    assert_eq!(at(&mut graph, 999), ("0.1.999".to_owned(), 2));
    assert_eq!(at(&mut graph, 500), ("0.1.500".to_owned(), 0));
}

/// A random graph: each commit has up to three parents among those before it, a step, perhaps a tag.
fn graphs() -> impl Strategy<Value = Vec<(Vec<usize>, Step, Option<Numbers>, i64)>> {
    let step = prop_oneof![3 => Just(Step::Patch), 2 => Just(Step::Minor), 1 => Just(Step::Major)];
    let tag = proptest::option::weighted(0.15, (0..4_u64, 0..4_u64, 0..4_u64));
    let one = (
        proptest::collection::vec(any::<proptest::sample::Index>(), 0..4),
        step,
        tag,
        0..5_000_000_i64,
    );
    proptest::collection::vec(one, 1..24).prop_map(|commits| {
        let fill = |(n, (parents, step, tag, time)): (usize, (Vec<proptest::sample::Index>, _, _, _))| {
            let parents: BTreeSet<usize> = parents.iter().filter(|_| n > 0).map(|p| p.index(n.max(1))).collect();
            (parents.into_iter().rev().collect(), step, tag, time)
        };
        commits.into_iter().enumerate().map(fill).collect()
    })
}

fn build(graph: &[(Vec<usize>, Step, Option<Numbers>, i64)], reversed: bool) -> History {
    let mut history = History::default();
    for (n, (parents, step, fixed, time)) in graph.iter().enumerate() {
        let mut parents: Vec<_> = parents.iter().map(|p| commit(*p)).collect();
        if reversed {
            parents.reverse();
        }
        let time = Timestamp::from_second(1_700_000_000 + time).unwrap();
        // Every second one by its message, the others by a tag.
        let said = fixed.filter(|_| n % 2 == 0);
        history
            .tags
            .extend(fixed.filter(|_| n % 2 == 1).map(|numbers| (commit(n), numbers)));
        history.commits.insert(
            commit(n),
            HistoryCommit {
                parents,
                time,
                step: *step,
                fixed: said,
            },
        );
    }
    history
}

/// All commits behind each commit, itself included: the slow, plain way.
fn reach(graph: &[(Vec<usize>, Step, Option<Numbers>, i64)]) -> Vec<BTreeSet<usize>> {
    let mut all: Vec<BTreeSet<usize>> = Vec::new();
    for (n, (parents, ..)) in graph.iter().enumerate() {
        let mut set: BTreeSet<usize> = parents.iter().flat_map(|p| all[*p].clone()).collect();
        set.insert(n);
        all.push(set);
    }
    all
}

fn parsed(history: &History, number: usize, scheme: Scheme, name: &str) -> semver::Version {
    let version = version(history, &commit(number), scheme, &line(name), &line("main")).unwrap();
    semver::Version::parse(version.as_str()).unwrap()
}

proptest! {
    #[test]
    fn versions_rise_along_every_way_through_the_graph_on_every_kind_of_line(graph in graphs()) {
        let history = build(&graph, false);
        let mirrored = build(&graph, true);
        let reach = reach(&graph);
        for name in ["main", "feature/x", "release/1.x", "release/2.3.x"] {
            for scheme in [Scheme::Semantic, Scheme::Calendar] {
                let versions: Vec<_> = (0..graph.len()).map(|n| parsed(&history, n, scheme, name)).collect();
                for n in 0..graph.len() {
                    prop_assert_eq!(&versions[n], &parsed(&mirrored, n, scheme, name), "the order of parents counts not");
                    for behind in reach[n].iter().filter(|b| **b != n) {
                        prop_assert!(versions[*behind] < versions[n], "{} {:?}", name, scheme);
                    }
                }
            }
        }
    }

    #[test]
    fn the_step_from_any_commit_behind_is_as_large_as_what_lies_between_asks_for(graph in graphs()) {
        let history = build(&graph, false);
        let reach = reach(&graph);
        let versions: HashMap<usize, semver::Version> =
            (0..graph.len()).map(|n| (n, parsed(&history, n, Scheme::Semantic, "main"))).collect();
        for n in 0..graph.len() {
            for base in reach[n].iter().filter(|b| **b != n) {
                let step = reach[n].difference(&reach[*base]).map(|c| graph[*c].1).max().unwrap();
                let (old, new) = (&versions[base], &versions[&n]);
                let least = match (step, old.major) {
                    (Step::Major, 1..) => (old.major + 1, 0, 0),
                    (Step::Minor, _) | (Step::Major, 0) => (old.major, old.minor + 1, 0),
                    _ => (old.major, old.minor, old.patch + 1),
                };
                prop_assert!((new.major, new.minor, new.patch) >= least, "{} {} {:?}", old, new, step);
            }
        }
    }

    #[test]
    fn a_graph_that_grew_and_whose_tags_moved_says_what_a_fresh_one_says(graph in graphs(), order in Just(()).prop_perturb(|(), mut random| random.random::<u64>())) {
        let mut history = build(&graph, false);
        let tags = std::mem::take(&mut history.tags);
        let mut grown = Graph::default();
        // Commits come in some order; tags come, go and come again in between.
        for n in 0..graph.len() {
            let asked = (n as u64).wrapping_mul(order | 1) as usize % graph.len();
            let is_there = |place: usize| ((order >> (place % 60)) as usize + n).is_multiple_of(2);
            let there = tags.iter().enumerate().filter(|(place, _)| is_there(*place));
            history.tags = there.map(|(_, tag)| tag.clone()).collect();
            history.grow(&mut grown, &commit(asked)).unwrap();
            for name in ["main", "release/1.x"] {
                for scheme in [Scheme::Semantic, Scheme::Calendar] {
                    let found = grown.version(&commit(asked), scheme, &line(name), &line("main")).unwrap();
                    let fresh = version(&history, &commit(asked), scheme, &line(name), &line("main")).unwrap();
                    prop_assert_eq!(found, fresh);
                }
            }
        }
    }

    #[test]
    fn a_release_line_never_leaves_its_range(graph in graphs()) {
        let history = build(&graph, false);
        for n in 0..graph.len() {
            prop_assert_eq!(parsed(&history, n, Scheme::Semantic, "release/1.x").major, 1);
            let narrow = parsed(&history, n, Scheme::Semantic, "release/2.3.x");
            prop_assert_eq!((narrow.major, narrow.minor), (2, 3));
        }
    }

    #[test]
    fn the_next_version_always_comes_after_the_last(a in "[0-9]\\.[0-9]\\.[0-9](-x\\.[0-9])?", b in "[0-9]\\.[0-9]\\.[0-9](-x\\.[0-9])?") {
        let (computed, last) = (Version::new(a).unwrap(), Version::new(b).unwrap());
        let next = after(&computed, &last);
        let parse = |version: &Version| semver::Version::parse(version.as_str()).unwrap();
        prop_assert!(parse(&next) > parse(&last));
        prop_assert!(parse(&next) >= parse(&computed));
    }
}

#[test]
fn of_several_components_each_counts_the_commits_that_concern_it() {
    let mut history = history(&[
        (&[], "feat: the repository", &[]),
        (&[0], "feat: web", &[]),
        (&[1], "feat!: something else", &[]),
        (&[2], "feat: what web needs", &[]),
        (&[3], "feat: more of web", &[]),
    ]);
    let weights = [
        Weight::Nothing,
        Weight::Whole,
        Weight::Nothing,
        Weight::Patch,
        Weight::Whole,
    ];
    for (number, weight) in weights.into_iter().enumerate() {
        let weighed = history.commits.remove(&commit(number)).unwrap().weighing(weight);
        history.commits.insert(commit(number), weighed);
    }
    let of = |number: usize, scheme| {
        version(&history, &commit(number), scheme, &line("main"), &line("main"))
            .unwrap()
            .to_string()
    };
    assert_eq!(
        [1, 2, 3, 4].map(|number| of(number, Scheme::Semantic)),
        ["0.1.0", "0.1.0", "0.1.1", "0.2.0"]
    );
    assert_eq!(
        [1, 2, 3, 4].map(|number| of(number, Scheme::Calendar)),
        ["2023.11.1", "2023.11.1", "2023.11.2", "2023.11.3"]
    );
}
