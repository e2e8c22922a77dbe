//! Listening sockets go from one proxy to another under load.

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use proxy::passing;
use tempfile::tempdir;
use tokio::net::UnixStream;

use crate::support::{Client, group, proxy_in, running, says, table};

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_while_sockets_go_to_another_proxy() {
    let (old_folder, new_folder) = (tempdir().unwrap(), tempdir().unwrap());
    let instance = says("here").await;
    let groups = || vec![group("stable", "a", 1, &[instance])];
    let old = running(old_folder.path(), groups()).await;
    let (done, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = Vec::new();
    for keeps in [true, false, true, false] {
        let (done, answered, address) = (done.clone(), answered.clone(), old.address);
        clients.push(tokio::spawn(async move {
            let mut client = Client::connect(address).await;
            while !done.load(Ordering::SeqCst) {
                let answer = client.get("/").await;
                assert_eq!(answer.body, "here");
                answered.fetch_add(1, Ordering::SeqCst);
                if !keeps || answer.headers.contains_key("connection") {
                    client = Client::connect(address).await;
                }
            }
        }));
    }
    let more = |than: usize, answered: Arc<AtomicUsize>| async move {
        let until = answered.load(Ordering::SeqCst) + than;
        while answered.load(Ordering::SeqCst) < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    more(200, answered.clone()).await;
    let (from, to) = UnixStream::pair().unwrap();
    let sockets = old.proxy.sockets().unwrap();
    let borrowed: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
    passing::send(&from, &borrowed).await.unwrap();
    let passed = passing::receive(&to).await.unwrap();
    assert_eq!(passed.len(), 1);
    let new = proxy_in(new_folder.path());
    new.set(&table(1, groups())).await.unwrap();
    for socket in passed {
        new.accept_on(socket.into()).unwrap();
    }
    old.proxy.leave(Duration::from_secs(10)).await;
    more(200, answered.clone()).await;
    done.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let (before, after) = (old.proxy.evidence().await.unwrap(), new.evidence().await.unwrap());
    assert_eq!((before.groups[0].errors, after.groups[0].errors), (0, 0));
    assert!(after.groups[0].requests >= 200);
    assert_eq!(
        before.groups[0].requests + after.groups[0].requests,
        answered.load(Ordering::SeqCst) as u64
    );
}
