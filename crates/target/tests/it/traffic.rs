//! Requests go on, whatever is changed under them.

use target::{Evidence, Observed, ProcessTarget, Target as _};

use crate::load::{Load, Tally};
use crate::support::{desired, group, package, placement, settings, unhealthy};

struct Shop {
    _data: crate::support::Data,
    target: ProcessTarget,
}

impl Shop {
    async fn open(instances: u32) -> (Self, Load) {
        let data = crate::support::data();
        let target = ProcessTarget::new(settings(data.path()));
        let shop = Self { _data: data, target };
        let observed = shop.apply(1, 0, vec![group("stable", "a", instances, 100)]).await;
        (shop, Load::start(&observed.url.unwrap()))
    }

    async fn apply(&self, generation: u64, phase: u32, groups: Vec<target::Group>) -> Observed {
        self.target
            .apply(&desired(generation, phase, groups), &|_| {})
            .await
            .unwrap()
    }

    async fn evidence(&self) -> Evidence {
        self.target.evidence(&placement()).await.unwrap().unwrap()
    }

    async fn close(self, load: Load) -> Tally {
        let tally = load.end().await;
        self.target.stop(&placement()).await.unwrap();
        assert_eq!(tally.failures, [""; 0]);
        assert_eq!(tally.sent, tally.answered);
        tally
    }
}

fn of(tally: &Tally, version: &str) -> u64 {
    tally
        .by_package
        .get(&package(version).to_string())
        .copied()
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_versions_replace_one_another() {
    let (shop, load) = Shop::open(2).await;
    load.answers(100).await;
    for (generation, version) in [(2, "b"), (3, "c"), (4, "a")] {
        let observed = shop.apply(generation, 0, vec![group("stable", version, 2, 100)]).await;
        assert_eq!(observed.groups[0].healthy, 2);
        load.answers(100).await;
    }
    let tally = shop.close(load).await;
    assert!(
        ["a", "b", "c"].into_iter().all(|version| of(&tally, version) >= 90),
        "{:?}",
        tally.by_package
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_instances_are_replaced_one_by_one() {
    let (shop, load) = Shop::open(2).await;
    load.answers(50).await;
    shop.apply(2, 0, vec![group("stable", "a", 2, 2), group("next", "b", 1, 1)])
        .await;
    load.answers(50).await;
    shop.apply(2, 1, vec![group("stable", "a", 1, 1), group("next", "b", 1, 1)])
        .await;
    load.answers(50).await;
    shop.apply(2, 2, vec![group("stable", "a", 1, 1), group("next", "b", 2, 2)])
        .await;
    load.answers(50).await;
    shop.apply(2, 3, vec![group("stable", "b", 2, 1)]).await;
    load.answers(50).await;
    shop.close(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_blue_becomes_green_and_back() {
    let (shop, load) = Shop::open(2).await;
    load.answers(50).await;
    shop.apply(2, 0, vec![group("stable", "a", 2, 100), group("next", "b", 2, 0)])
        .await;
    let before = load.tally();
    load.answers(100).await;
    assert_eq!(
        of(&load.tally(), "b"),
        of(&before, "b"),
        "a group of weight 0 gets no request"
    );
    shop.apply(2, 1, vec![group("stable", "a", 2, 0), group("next", "b", 2, 100)])
        .await;
    load.answers(100).await;
    shop.apply(2, 2, vec![group("stable", "a", 2, 100), group("next", "b", 2, 0)])
        .await;
    load.answers(100).await;
    shop.apply(2, 3, vec![group("stable", "b", 2, 100)]).await;
    load.answers(100).await;
    let tally = shop.close(load).await;
    assert!(of(&tally, "b") > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_gets_its_share_beside_a_baseline_and_is_taken_over_when_it_is_proven() {
    let (shop, load) = Shop::open(2).await;
    load.answers(50).await;
    let groups = || {
        vec![
            group("stable", "a", 2, 60),
            group("baseline", "a", 1, 20),
            group("canary", "b", 1, 20),
        ]
    };
    shop.apply(2, 0, groups()).await;
    let before = shop.evidence().await;
    load.answers(1_000).await;
    let evidence = shop.evidence().await;
    let since = |place: usize| evidence.groups[place].requests - before.groups[place].requests;
    let (all, baseline, canary) = (since(0) + since(1) + since(2), since(1), since(2));
    let share = all / 8..all * 3 / 10;
    assert!(
        share.contains(&canary) && share.contains(&baseline),
        "{baseline} and {canary} of {all}"
    );
    assert!(evidence.groups.iter().all(|group| group.errors == 0));
    let canary_process = processes(&load, &shop).await;
    let observed = shop.apply(2, 1, vec![group("stable", "b", 2, 100)]).await;
    assert_eq!(observed.groups[0].healthy, 2);
    assert!(
        processes(&load, &shop)
            .await
            .iter()
            .any(|pid| canary_process.contains(pid)),
        "the canary serves on"
    );
    shop.close(load).await;
}

/// The processes that serve version `b`, as their marks tell.
async fn processes(_load: &Load, shop: &Shop) -> Vec<u32> {
    let mark = format!("THROUGHLINE_PACKAGE={}", package("b"));
    crate::support::processes_of(shop._data.path(), &mark)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_never_gets_well_changes_nothing_and_says_why() {
    let (shop, load) = Shop::open(1).await;
    load.answers(50).await;
    for (generation, health, expected) in [
        (2, "exit", "cannot open the database"),
        (3, "never", "GET /health is answered with 503"),
    ] {
        let bad = desired(generation, 0, vec![unhealthy("stable", "bad", health, 1_000)]);
        let said = shop.target.apply(&bad, &|_| {}).await.unwrap_err().to_string();
        assert!(
            said.contains(expected) && said.contains("starting version bad"),
            "{said}"
        );
        assert!(!said.contains("tiger"), "{said}");
        load.answers(50).await;
    }
    let beside = desired(
        4,
        0,
        vec![group("stable", "a", 1, 50), unhealthy("canary", "bad", "exit", 1_000)],
    );
    shop.target.apply(&beside, &|_| {}).await.unwrap_err();
    load.answers(50).await;
    let bad = format!("THROUGHLINE_PACKAGE={}", package("bad"));
    assert_eq!(crate::support::processes_of(shop._data.path(), &bad), [0; 0]);
    let tally = shop.close(load).await;
    assert_eq!((of(&tally, "bad"), of(&tally, "a")), (0, tally.answered));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_evidence_counts_each_request_that_the_clients_count() {
    let (shop, load) = Shop::open(2).await;
    load.answers(200).await;
    let tally = load.end().await;
    let evidence = shop.evidence().await;
    assert_eq!(evidence.groups[0].requests, tally.answered);
    assert_eq!(evidence.groups[0].latency.total(), tally.answered);
    shop.target.stop(&placement()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_can_be_chosen_and_changed_without_a_failure_on_the_one_that_stays() {
    let (shop, load) = Shop::open(1).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut moved = desired(2, 0, vec![group("stable", "a", 1, 100)]);
    moved.address = Some(free);
    let tally = load.end().await;
    assert_eq!(tally.failures, [""; 0]);
    let observed = shop.target.apply(&moved, &|_| {}).await.unwrap();
    assert_eq!(observed.url, Some(format!("http://{free}")));
    let load = Load::start(&observed.url.unwrap());
    load.answers(50).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    moved.stamp.generation = 3;
    moved.address = Some(taken.local_addr().unwrap());
    let refused = shop.target.apply(&moved, &|_| {}).await.unwrap_err().to_string();
    assert!(
        refused.contains("cannot listen on") && refused.contains("hint:"),
        "{refused}"
    );
    load.answers(50).await;
    shop.close(load).await;
}
