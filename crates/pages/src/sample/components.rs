//! Samples of a component, of a repository that lists several, and of its commits.

use super::record::other;
use super::{before, change, commit, component, main_line, overview, place, step};
use crate::model::{
    ChangeState, CommitLine, CommitPage, ComponentPage, DefinitionView, ListedComponent, Owners, PlaceView,
    PlannedStep, RemoteView, RepositoryPage, Together,
};

/// A component that follows a repository elsewhere.
pub fn component_page() -> ComponentPage {
    let planned = |name: &str, needs: &[&str], note: &str| PlannedStep {
        name: step(name),
        needs: needs.iter().map(|need| step(need)).collect(),
        note: note.to_owned(),
    };
    let overview = overview();
    let places = super::environment().components.into_iter().take(1);
    ComponentPage {
        name: component("shop/cart"),
        created_at: before(9_000_000),
        newest: Some((
            change("1.8.1", "Discounts are applied once per customer", "Ines Duarte"),
            main_line().to_string(),
        )),
        definition: DefinitionView::Read {
            text: "throughline: 1\nsteps:\n  build: { run: make }\n  lint: { run: make lint }\n  test: { needs: [build], run: make test }\n".to_owned(),
            steps: vec![
                planned("build", &[], "make"),
                planned("lint", &[], "make lint && make check-format"),
                planned("test", &["build"], "make test"),
                planned("package", &["lint", "test"], "2 files or folders"),
            ],
        },
        push_address: "http://127.0.0.1:8100/git/shop/cart.git".to_owned(),
        remote: Some(RemoteView {
            url: "https://git.example.org/shop/cart.git".to_owned(),
            trouble: Some("the server did not answer within 30 s".to_owned()),
        }),
        owners: Some(Owners {
            names: vec!["@shop/cart".to_owned()],
            file: ".github/CODEOWNERS".to_owned(),
        }),
        place: None,
        path: overview.columns.iter().map(|column| column.name.clone()).collect(),
        places: places.map(|one| (place("production"), one)).collect(),
        changes: overview
            .recent
            .into_iter()
            .filter(|one| one.change.component == component("shop/cart"))
            .collect(),
        runs: super::run_list().runs,
        packages: vec![other("1.8.0"), other("1.7.3"), other("1.7.2")],
    }
}

/// One of several in a repository that lists it no more.
pub fn unlisted_component() -> ComponentPage {
    ComponentPage {
        name: component("shop/front.banner"),
        newest: None,
        definition: DefinitionView::Unlisted,
        push_address: "http://127.0.0.1:8100/git/shop/front.git".to_owned(),
        remote: None,
        owners: None,
        place: Some(PlaceView {
            repository: component("shop/front"),
            folder: None,
        }),
        places: Vec::new(),
        changes: Vec::new(),
        runs: Vec::new(),
        packages: Vec::new(),
        ..component_page()
    }
}

fn listed() -> Vec<ListedComponent> {
    let one = |name: &str, watches: &[&str], needs: &[&str]| ListedComponent {
        name: component(name),
        watches: watches.iter().map(|path| (*path).to_owned()).collect(),
        needs: needs.iter().map(|name| component(name)).collect(),
    };
    vec![
        one("shop/front.banner", &[], &[]),
        one(
            "shop/front.kiosk",
            &["kiosk/", "assets/**", "!assets/*.md"],
            &["shop/front.web"],
        ),
        one("shop/front.web", &["apps/web/"], &[]),
    ]
}

/// A repository that lists components.
pub fn repository_page() -> RepositoryPage {
    let overview = overview();
    let names = ["shop/front.banner", "shop/front.kiosk", "shop/front.web"];
    let mut rows = overview.rows;
    rows.rotate_left(2);
    for (row, name) in rows.iter_mut().zip(names) {
        row.name = component(name);
    }
    rows.truncate(names.len());
    let line = |key: &str, title: &str, branch: &str, ago: i64, concerns: &[&str]| CommitLine {
        commit: commit(key),
        title: title.to_owned(),
        author: Some("Mei Lin".to_owned()),
        branch: branch.to_owned(),
        at: before(ago),
        concerns: concerns.iter().map(|name| component(name)).collect(),
    };
    RepositoryPage {
        name: component("shop/front"),
        created_at: before(9_000_000),
        push_address: "http://127.0.0.1:8100/git/shop/front.git".to_owned(),
        remote: None,
        owners: Some(Owners {
            names: Vec::new(),
            file: "CODEOWNERS".to_owned(),
        }),
        columns: overview.columns,
        rows,
        listed: listed(),
        newest: Some((commit("f1"), main_line().to_string())),
        changes: overview.recent.into_iter().take(2).collect(),
        commits: vec![
            line("f1", "Say where the shop is", "main", 300, &[]),
            line("f2", "The kiosk shows prices with tax", "main", 4_000, &names[1..2]),
            line(
                "f3",
                "A new look for everything that has a face, from the kiosk to the web",
                "topic/look",
                90_000,
                &names,
            ),
        ],
    }
}

/// A commit of it that concerns no component, and one that concerns two.
pub fn commit_pages() -> [CommitPage; 2] {
    let nothing = CommitPage {
        repository: component("shop/front"),
        commit: commit("f1"),
        title: "Say where the shop is".to_owned(),
        body: "Somebody asked for the third time.".to_owned(),
        author: Some("Mei Lin".to_owned()),
        committed_at: before(360),
        arrived_at: before(300),
        branch: "main".to_owned(),
        concerned: Vec::new(),
        paths: vec![
            "README.md".to_owned(),
            "docs/where/the-shop-is-and-how-to-get-there-by-bus.md".to_owned(),
        ],
        more_paths: 0,
        listed: listed(),
    };
    let together = |name: &str, state: ChangeState, concern: &str, held: &[&str]| {
        let mut change = change("f2", "The kiosk shows prices with tax", "Mei Lin");
        change.component = component(name);
        change.version = None;
        Together {
            change,
            concern: concern.to_owned(),
            state,
            held: held.iter().map(|text| (*text).to_owned()).collect(),
        }
    };
    let two = CommitPage {
        commit: commit("f2"),
        title: "The kiosk shows prices with tax".to_owned(),
        body: String::new(),
        concerned: vec![
            together(
                "shop/front.kiosk",
                ChangeState::Waiting,
                "the component needs web",
                &["shop/front.web at f2c81a44be01 is built first"],
            ),
            together(
                "shop/front.web",
                ChangeState::Underway,
                "it touches apps/web/price.ts",
                &[],
            ),
        ],
        paths: vec!["apps/web/price.ts".to_owned()],
        more_paths: 212,
        ..nothing.clone()
    };
    [nothing, two]
}
