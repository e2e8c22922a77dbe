//! What is sent again, and what is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use facts::Digest;
use hyper::StatusCode;
use tempfile::tempdir;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Client, by_hand, get, group, nobody, read_head, running, says};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn an_instance_that_refuses_connections_costs_no_request_of_any_method() {
    let folder = tempdir().unwrap();
    let (dead, alive) = (nobody().await, says("alive").await);
    let running = running(folder.path(), vec![group("stable", "a", 1, &[dead, alive])]).await;
    for _ in 0..20 {
        let mut client = Client::connect(running.address).await;
        assert_eq!(client.post("/order", "one").await.body, "alive");
        assert_eq!(client.get("/").await.body, "alive");
    }
    let evidence = running.proxy.evidence().await.unwrap();
    assert_eq!((evidence.groups[0].requests, evidence.groups[0].errors), (40, 0));
}

#[tokio::test]
async fn another_group_answers_for_a_dead_canary_and_the_canary_bears_the_error() {
    let folder = tempdir().unwrap();
    let (dead, alive) = (nobody().await, says("stable").await);
    let groups = vec![
        group("stable", "a", 1, &[alive]),
        group("canary", "b", 1_000_000, &[dead]),
    ];
    let running = running(folder.path(), groups).await;
    let answer = get(running.address, "/").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "stable"));
    assert_eq!(
        answer.headers["throughline-package"],
        Digest::of("a").to_string().as_str()
    );
    let evidence = running.proxy.evidence().await.unwrap();
    assert_eq!((evidence.groups[0].requests, evidence.groups[0].errors), (1, 0));
    assert_eq!((evidence.groups[1].requests, evidence.groups[1].errors), (1, 1));
}

#[tokio::test]
async fn when_nobody_can_be_reached_the_answer_is_502_and_names_the_package() {
    let folder = tempdir().unwrap();
    let running = running(folder.path(), vec![group("stable", "a", 1, &[nobody().await])]).await;
    let answer = get(running.address, "/").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        answer.headers["throughline-package"],
        Digest::of("a").to_string().as_str()
    );
    let evidence = running.proxy.evidence().await.unwrap();
    assert_eq!((evidence.groups[0].requests, evidence.groups[0].errors), (1, 1));
}

/// Answers the first request of a connection, closes it at the second without a word.
async fn closes_idle_connections(seen: Arc<AtomicUsize>) -> std::net::SocketAddr {
    by_hand(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            read_head(&mut stream).await;
            seen.fetch_add(1, Ordering::SeqCst);
            stream.write_all(ANSWER).await.unwrap();
            if !read_head(&mut stream).await.is_empty() {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_get_whose_kept_connection_was_closed_under_it_is_sent_again_once() {
    let folder = tempdir().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let instance = closes_idle_connections(seen.clone()).await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    let mut client = Client::connect(running.address).await;
    for _ in 0..10 {
        assert_eq!(client.get("/").await.body, "ok");
    }
    let evidence = running.proxy.evidence().await.unwrap();
    assert_eq!((evidence.groups[0].requests, evidence.groups[0].errors), (10, 0));
}

#[tokio::test]
async fn a_post_that_may_have_been_seen_is_not_sent_again() {
    let folder = tempdir().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let instance = by_hand(move |mut stream, _| {
        let count = count.clone();
        async move {
            read_head(&mut stream).await;
            count.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    let mut client = Client::connect(running.address).await;
    let answer = client.post("/order", "one").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        answer.headers["throughline-package"],
        Digest::of("a").to_string().as_str()
    );
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_get_that_kills_a_new_connection_is_not_tried_on_the_others() {
    let folder = tempdir().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let mut instances = Vec::new();
    for _ in 0..3 {
        let count = seen.clone();
        instances.push(
            by_hand(move |mut stream, _| {
                let count = count.clone();
                async move {
                    read_head(&mut stream).await;
                    count.fetch_add(1, Ordering::SeqCst);
                }
            })
            .await,
        );
    }
    let running = running(folder.path(), vec![group("stable", "a", 1, &instances)]).await;
    assert_eq!(get(running.address, "/poison").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_counts_as_an_error() {
    let folder = tempdir().unwrap();
    let instance = by_hand(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            .await
            .unwrap();
    })
    .await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    let answer = crate::support::raw(running.address, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(answer.ends_with("half"), "{answer}");
    let evidence = running.proxy.evidence().await.unwrap();
    assert_eq!((evidence.groups[0].requests, evidence.groups[0].errors), (1, 1));
}
