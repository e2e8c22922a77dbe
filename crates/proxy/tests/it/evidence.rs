//! What is counted, and that it outlives the process.

use std::time::Duration;

use http_body_util::Full;
use hyper::{Response, StatusCode};
use proxy::access_log::read_index;
use tempfile::tempdir;

use crate::support::{Client, get, group, proxy_in, running, says, serve, table};

#[tokio::test]
async fn every_request_is_counted_once_for_its_group() {
    let folder = tempdir().unwrap();
    let good = says("good").await;
    let bad = serve(|request| async move {
        let fails = request.uri().path().starts_with("/orders/");
        let status = if fails {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::NOT_FOUND
        };
        Response::builder().status(status).body(Full::from("bad")).unwrap()
    })
    .await;
    let groups = vec![group("baseline", "a", 1, &[good]), group("canary", "b", 1, &[bad])];
    let running = running(folder.path(), groups).await;
    let mut client = Client::connect(running.address).await;
    let mut sent_to_canary = 0;
    for number in 0..300 {
        let path = if number % 2 == 0 { "/orders/17" } else { "/menu" };
        if client.get(path).await.body == "bad" {
            sent_to_canary += 1;
        }
    }
    let evidence = running.proxy.evidence().await.unwrap().summary(1);
    let [baseline, canary] = &evidence.groups[..] else {
        panic!("{evidence:?}")
    };
    assert_eq!(baseline.requests + canary.requests, 300);
    assert_eq!((canary.requests, baseline.errors), (sent_to_canary, 0));
    assert_eq!(canary.latency.total(), canary.requests);
    assert_eq!(canary.routes[0].route, "GET /orders/*");
    assert_eq!(canary.routes[0].errors, canary.errors);
    assert!(canary.errors > 40 && canary.errors < 110, "{}", canary.errors);
}

#[tokio::test]
async fn evidence_goes_on_where_a_closed_or_killed_proxy_left_it() {
    let folder = tempdir().unwrap();
    let instance = says("x").await;
    let groups = || vec![group("stable", "a", 1, &[instance])];
    let first = running(folder.path(), groups()).await;
    for _ in 0..5 {
        get(first.address, "/").await;
    }
    // Read, so written; then it is as if it had been killed: nothing is closed, nothing is saved.
    assert_eq!(first.proxy.evidence().await.unwrap().groups[0].requests, 5);
    let second = running(folder.path(), groups()).await;
    get(second.address, "/").await;
    let evidence = second.proxy.evidence().await.unwrap();
    assert_eq!(
        (evidence.groups[0].requests, evidence.groups[0].since_stamp.generation),
        (6, 1)
    );
    second.proxy.close().await;
    let third = proxy_in(folder.path());
    third.set(&table(2, groups())).await.unwrap();
    let evidence = third.evidence().await.unwrap();
    assert_eq!(
        (evidence.groups[0].requests, evidence.groups[0].since_stamp.generation),
        (6, 1)
    );
    let lines: u64 = read_index(&folder.path().join("access"))
        .unwrap()
        .iter()
        .map(|segment| segment.lines)
        .sum();
    assert_eq!(lines, 6);
}

#[tokio::test]
async fn the_query_is_not_logged() {
    let folder = tempdir().unwrap();
    let instance = says("x").await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    get(running.address, "/login?password=hidden").await;
    running.proxy.evidence().await.unwrap();
    running.proxy.close().await;
    for entry in std::fs::read_dir(folder.path().join("access")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("hidden"), "{text}");
    }
}

#[tokio::test]
async fn the_latency_is_until_the_last_byte() {
    let folder = tempdir().unwrap();
    let instance = serve(|_| async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        Response::new(Full::from("slow"))
    })
    .await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    get(running.address, "/").await;
    let evidence = running.proxy.evidence().await.unwrap();
    assert!(evidence.groups[0].latency.quantile_us(0.5).unwrap() >= 60_000);
}
