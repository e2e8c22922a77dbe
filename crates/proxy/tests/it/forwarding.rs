//! What a request and its answer look like on the other side.

use std::time::Duration;

use facts::Digest;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Client, by_hand, get, group, raw, read_head, running, says, serve, table};

#[tokio::test]
async fn an_answer_names_the_package_and_nothing_else_about_the_way() {
    let folder = tempdir().unwrap();
    let instance = serve(|_| async {
        Response::builder()
            .header("throughline-package", "sha256:a-lie")
            .header("keep-alive", "timeout=1")
            .header("x-own", "kept")
            .body(Full::from("hello"))
            .unwrap()
    })
    .await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    let answer = get(running.address, "/greeting?name=x").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "hello"));
    assert_eq!(
        answer.headers["throughline-package"],
        Digest::of("a").to_string().as_str()
    );
    assert_eq!(answer.headers.get_all("throughline-package").iter().count(), 1);
    assert_eq!(answer.headers["x-own"], "kept");
    assert!(!answer.headers.contains_key("keep-alive"));
}

#[tokio::test]
async fn the_instance_sees_the_path_the_query_the_host_and_the_client() {
    let folder = tempdir().unwrap();
    let instance = serve(|request| async move {
        let headers = request.headers();
        let seen = |name: &str| headers.get(name).map_or("-", |v| v.to_str().unwrap()).to_owned();
        let text = format!(
            "{} {} {} {} {}",
            request.method(),
            request.uri(),
            seen("host"),
            seen("x-forwarded-for"),
            seen("x-forwarded-proto")
        );
        Response::new(Full::from(text))
    })
    .await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    let answer = get(running.address, "/a/b?c=d").await;
    assert_eq!(answer.body, "GET /a/b?c=d shop.example 127.0.0.1 http");
}

#[tokio::test]
async fn a_body_streams_both_ways_without_waiting_for_its_end() {
    let folder = tempdir().unwrap();
    let instance = by_hand(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            .await
            .unwrap();
        // The second half goes out only when the client's second half has come.
        let mut seen = Vec::new();
        while !seen.ends_with(b"0\r\n\r\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await.unwrap();
    })
    .await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\none\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("first") {
        seen.push(client.read_u8().await.unwrap());
    }
    client.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    client.read_to_end(&mut seen).await.unwrap();
    assert!(String::from_utf8_lossy(&seen).contains("second"));
}

#[tokio::test]
async fn one_connection_carries_many_requests_of_any_kind() {
    let folder = tempdir().unwrap();
    let instance = serve(|request| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(Full::from(body))
    })
    .await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    let mut client = Client::connect(running.address).await;
    for number in 0..50 {
        assert_eq!(client.post("/echo", &number.to_string()).await.body, number.to_string());
        assert_eq!(client.get("/echo").await.body, "");
        let head = Request::head("/echo")
            .header("host", "h")
            .body(Full::default())
            .unwrap();
        assert_eq!(client.send(head).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused_and_the_proxy_lives_on() {
    let folder = tempdir().unwrap();
    let instance = says("fine").await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    let answer = raw(
        running.address,
        format!("GET / HTTP/1.1\r\nhost: h\r\n{many}\r\n").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = "y".repeat(200_000);
    let answer = raw(
        running.address,
        format!("GET / HTTP/1.1\r\nhost: h\r\nx: {long}\r\n\r\n").as_bytes(),
    )
    .await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer = raw(running.address, b"\x16\x03\x01 garbage\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let answer = raw(
        running.address,
        b"CONNECT evil.example:22 HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 501"), "{answer}");
    assert_eq!(get(running.address, "/").await.body, "fine");
}

#[tokio::test]
async fn two_lengths_in_one_request_cannot_smuggle_a_second_one() {
    let folder = tempdir().unwrap();
    let instance = serve(|request| async move {
        let path = request.uri().path().to_owned();
        let length = request.into_body().collect().await.unwrap().to_bytes().len();
        Response::new(Full::from(format!("{path} {length};")))
    })
    .await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    let smuggled = "POST /one HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 42\r\ntransfer-encoding: chunked\r\n\r\n\
                    0\r\n\r\nGET /admin HTTP/1.1\r\nhost: h\r\n\r\n";
    let answer = raw(running.address, smuggled.as_bytes()).await;
    assert!(!answer.contains("/admin"), "{answer}");
    let evidence = running.proxy.evidence().await.unwrap();
    assert!(
        evidence.groups[0]
            .routes
            .iter()
            .all(|route| !route.route.contains("admin"))
    );
}

#[tokio::test]
async fn a_connection_may_change_its_protocol() {
    let folder = tempdir().unwrap();
    let instance = by_hand(|mut stream, _| async move {
        let head = read_head(&mut stream).await.to_ascii_lowercase();
        assert!(
            head.contains("upgrade: chat") && head.contains("connection: upgrade"),
            "{head}"
        );
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n")
            .await
            .unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        stream.write_all(b"pong").await.unwrap();
    })
    .await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client
        .write_all(b"GET /chat HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: chat\r\n\r\n")
        .await
        .unwrap();
    let head = read_head(&mut client).await;
    assert!(
        head.starts_with("HTTP/1.1 101") && head.contains("throughline-package"),
        "{head}"
    );
    client.write_all(b"ping").await.unwrap();
    let mut word = [0; 4];
    client.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"pong");
}

#[tokio::test]
async fn without_any_instance_the_answer_says_so_and_names_no_package() {
    let folder = tempdir().unwrap();
    let running = running(folder.path(), Vec::new()).await;
    let answer = get(running.address, "/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.headers.contains_key("throughline-package"));
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(running.proxy.evidence().await.unwrap().unrouted, 1);
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_instance_and_is_no_error_of_it() {
    let folder = tempdir().unwrap();
    let instance = serve(|_| async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Response::new(Full::from("late"))
    })
    .await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[instance])]).await;
    let mut client = TcpStream::connect(running.address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let id = crate::support::instance(instance);
    while running.proxy.in_flight(id) == 0 {
        tokio::task::yield_now().await;
    }
    drop(client);
    running.proxy.drained(&[id]).await;
    let evidence = running.proxy.evidence().await.unwrap();
    let group = &evidence.groups[0];
    assert_eq!((group.requests, group.errors, group.aborted), (0, 0, 1));
}

#[tokio::test]
async fn an_instance_taken_out_of_the_table_ends_its_requests_and_gets_no_more() {
    let folder = tempdir().unwrap();
    let (release, released) = tokio::sync::watch::channel(false);
    let old = serve(move |_| {
        let mut released = released.clone();
        async move {
            let _ = released.wait_for(|released| *released).await;
            Response::new(Full::from("old"))
        }
    })
    .await;
    let new = says("new").await;
    let running = running(folder.path(), vec![group("stable", "a", 1, &[old])]).await;
    let address = running.address;
    let slow = tokio::spawn(async move { get(address, "/").await.body });
    let id = crate::support::instance(old);
    while running.proxy.in_flight(id) == 0 {
        tokio::task::yield_now().await;
    }
    running
        .proxy
        .set(&table(2, vec![group("stable", "b", 1, &[new])]))
        .await
        .unwrap();
    assert_eq!(get(address, "/").await.body, "new");
    assert_eq!(running.proxy.in_flight(id), 1);
    release.send_replace(true);
    running.proxy.drained(&[id]).await;
    assert_eq!(slow.await.unwrap(), "old");
}
