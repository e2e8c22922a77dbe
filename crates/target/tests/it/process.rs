//! Processes that die, servers that come and go, keepers that replace one another.

use std::path::Path;

use process::{Identity, Signal};
use target::{ProcessTarget, Target as _};

use crate::load::Load;
use crate::support::{desired, group, keepers_of, placement, processes_of, settings, until};

pub async fn text(url: &str, path: &str) -> Option<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

pub fn kill(pid: u32) {
    assert!(Identity::of_pid(pid).unwrap().signal(Signal::KILL).unwrap());
}

pub fn keepers(data: &Path) -> Vec<u32> {
    keepers_of(data)
}

pub fn instances(data: &Path) -> Vec<u32> {
    processes_of(data, "THROUGHLINE_INSTANCE=")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_instance_comes_back_without_a_server_and_the_others_answer() {
    let data = crate::support::data();
    let target = ProcessTarget::new(settings(data.path()));
    let wanted = desired(1, 0, vec![group("stable", "a", 2, 100)]);
    let url = target.apply(&wanted, &|_| {}).await.unwrap().url.unwrap();
    // The server is gone; only the keeper is left.
    drop(target);
    let before = instances(data.path());
    assert_eq!(before.len(), 2);
    let killed = Identity::of_pid(before[0]).unwrap();
    kill(before[0]);
    killed.ended().await.unwrap();
    for _ in 0..20 {
        assert_eq!(text(&url, "/").await.as_deref(), Some("a"));
    }
    let target = ProcessTarget::new(settings(data.path()));
    until("the killed instance is replaced", || async {
        let observed = target.observe(&placement()).await.unwrap();
        (observed.groups[0].restarts, observed.groups[0].healthy) == (1, 2)
    })
    .await;
    let after = instances(data.path());
    assert!(after.len() == 2 && after.contains(&before[1]) && !after.contains(&before[0]));
    assert_eq!(target.observe(&placement()).await.unwrap().groups[0].restarts, 1);
    assert_eq!(text(&url, "/secret").await.as_deref(), Some("tiger-tiger-tiger"));
    target.stop(&placement()).await.unwrap();
    assert_eq!((instances(data.path()), keepers(data.path())), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_keeper_is_started_again_and_the_instances_have_not_noticed() {
    let data = crate::support::data();
    let target = ProcessTarget::new(settings(data.path()));
    let wanted = desired(1, 0, vec![group("stable", "a", 1, 100)]);
    let url = target.apply(&wanted, &|_| {}).await.unwrap().url.unwrap();
    let pid = text(&url, "/pid").await.unwrap();
    for _ in 0..9 {
        text(&url, "/").await.unwrap();
    }
    let counted = target.evidence(&placement()).await.unwrap().unwrap().groups[0].requests;
    assert_eq!(counted, 10);
    kill(keepers(data.path())[0]);
    until("requests are answered again", || async {
        text(&url, "/").await.is_some()
    })
    .await;
    assert_eq!(text(&url, "/pid").await.as_deref(), Some(pid.as_str()));
    let counted = target.evidence(&placement()).await.unwrap().unwrap().groups[0].requests;
    assert_eq!(counted, 12);
    // What it must know to start an instance anew, it still knows.
    kill(instances(data.path())[0]);
    until("the instance is started again", || async {
        text(&url, "/secret").await.is_some()
    })
    .await;
    target.stop(&placement()).await.unwrap();
    assert_eq!((instances(data.path()), keepers(data.path())), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_keeper_takes_over_under_load_without_a_failed_request_or_a_lost_count() {
    let data = crate::support::data();
    let target = ProcessTarget::new(settings(data.path()));
    let wanted = desired(1, 0, vec![group("stable", "a", 2, 100)]);
    let url = target.apply(&wanted, &|_| {}).await.unwrap().url.unwrap();
    let before = (keepers(data.path()), instances(data.path()));
    let load = Load::start(&url);
    load.answers(100).await;
    // The keepers of these tests are started by a shell, which is another file than theirs: so the
    // next server finds them to be of another program, and replaces them.
    let next = ProcessTarget::new(settings(data.path()));
    for _ in 0..2 {
        let resumed = next.resume().await;
        assert!(resumed.len() == 1 && resumed[0].1.is_ok(), "{resumed:?}");
        load.answers(100).await;
    }
    // A deployment directly after, while the old keeper may still be answering.
    next.apply(&desired(2, 0, vec![group("stable", "b", 2, 100)]), &|_| {})
        .await
        .unwrap();
    load.answers(100).await;
    next.apply(
        &desired(3, 0, vec![group("stable", "b", 2, 100), group("canary", "c", 1, 0)]),
        &|_| {},
    )
    .await
    .unwrap();
    let tally = load.end().await;
    assert_eq!(tally.failures, [""; 0]);
    until("the old keepers are gone", || async { keepers(data.path()).len() == 1 }).await;
    assert!(!before.0.contains(&keepers(data.path())[0]));
    let evidence = next.evidence(&placement()).await.unwrap().unwrap();
    let counted: u64 = evidence
        .groups
        .iter()
        .chain(&evidence.retired)
        .map(|group| group.requests)
        .sum();
    assert_eq!(counted, tally.answered, "{evidence:?}");
    next.stop(&placement()).await.unwrap();
    assert_eq!((instances(data.path()), keepers(data.path())), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_intention_does_not_wait_for_one_that_gets_nowhere() {
    let data = crate::support::data();
    let target = ProcessTarget::new(settings(data.path()));
    target
        .apply(&desired(1, 0, vec![group("stable", "a", 1, 100)]), &|_| {})
        .await
        .unwrap();
    let stuck = desired(2, 0, vec![crate::support::unhealthy("stable", "bad", "never", 60_000)]);
    let other = target.clone();
    let stuck = tokio::spawn(async move { other.apply(&stuck, &|_| {}).await });
    until("the bad instance is started", || async {
        instances(data.path()).len() == 2
    })
    .await;
    let observed = target
        .apply(&desired(3, 0, vec![group("stable", "a", 1, 100)]), &|_| {})
        .await
        .unwrap();
    assert_eq!(observed.groups[0].healthy, 1);
    let given_up = stuck.await.unwrap().unwrap_err().to_string();
    assert!(given_up.contains("given up for the intention 3.0"), "{given_up}");
    assert_eq!(instances(data.path()).len(), 1);
    target.stop(&placement()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_canary_is_taken_back_even_while_an_instance_of_the_stable_group_is_down() {
    let data = crate::support::data();
    let target = ProcessTarget::new(settings(data.path()));
    let mut stable = group("stable", "a", 2, 80);
    target
        .apply(
            &desired(1, 0, vec![stable.clone(), group("canary", "b", 1, 20)]),
            &|_| {},
        )
        .await
        .unwrap();
    // From now on what the stable group is started with does not work any more.
    stable.launch.command = vec!["/nowhere/to/be/found".to_owned()];
    target
        .apply(
            &desired(1, 1, vec![stable.clone(), group("canary", "b", 1, 30)]),
            &|_| {},
        )
        .await
        .unwrap();
    let mark = format!("THROUGHLINE_PACKAGE={}", crate::support::package("a"));
    kill(processes_of(data.path(), &mark)[0]);
    until("the keeper knows", || async {
        target.observe(&placement()).await.unwrap().groups[0].healthy == 1
    })
    .await;
    let observed = target.apply(&desired(2, 0, vec![stable]), &|_| {}).await.unwrap();
    assert_eq!((observed.groups.len(), observed.groups[0].healthy), (1, 1));
    target.stop(&placement()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_written_to_the_disk() {
    let data = crate::support::data();
    let target = ProcessTarget::new(settings(data.path()));
    let url = target
        .apply(&desired(1, 0, vec![group("stable", "a", 1, 100)]), &|_| {})
        .await
        .unwrap()
        .url
        .unwrap();
    assert_eq!(text(&url, "/secret").await.as_deref(), Some("tiger-tiger-tiger"));
    let mut folders = vec![data.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() && path.file_name().unwrap() != "log" {
                let bytes = std::fs::read(&path).unwrap();
                assert!(!String::from_utf8_lossy(&bytes).contains("tiger"), "{}", path.display());
            }
        }
    }
    target.stop(&placement()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_goes_on_at_the_new_keeper_when_the_old_one_hands_over() {
    let data = crate::support::data();
    let target = ProcessTarget::new(settings(data.path()));
    target
        .apply(&desired(1, 0, vec![group("stable", "a", 1, 100)]), &|_| {})
        .await
        .unwrap();
    let mut wanted = desired(2, 0, vec![group("stable", "b", 2, 100)]);
    wanted.groups[0]
        .launch
        .variables
        .insert("HEALTH".to_owned(), "slow".to_owned());
    let applying = tokio::spawn({
        let target = target.clone();
        async move { target.apply(&wanted, &|_| {}).await }
    });
    until("the new instances are started", || async {
        instances(data.path()).len() == 3
    })
    .await;
    let started = instances(data.path());
    let before = keepers(data.path());
    assert!(ProcessTarget::new(settings(data.path())).resume().await[0].1.is_ok());
    let observed = applying.await.unwrap().unwrap();
    assert_eq!((observed.stamp.unwrap().generation, observed.groups[0].healthy), (2, 2));
    let left = instances(data.path());
    assert!(
        left.len() == 2 && left.iter().all(|pid| started.contains(pid)),
        "{left:?} of {started:?}"
    );
    assert!(keepers(data.path()).iter().any(|pid| !before.contains(pid)));
    target.stop(&placement()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_is_told_to_end_ends_its_instances_and_the_next_one_starts_them() {
    let data = crate::support::data();
    let target = ProcessTarget::new(settings(data.path()));
    let wanted = desired(1, 0, vec![group("stable", "a", 1, 100)]);
    let url = target.apply(&wanted, &|_| {}).await.unwrap().url.unwrap();
    // No server is there to start the keeper again.
    drop(target);
    let (keeper, instance) = (keepers(data.path())[0], instances(data.path())[0]);
    let keeper = Identity::of_pid(keeper).unwrap();
    keeper.signal(Signal::TERM).unwrap();
    keeper.ended().await.unwrap();
    assert!(instances(data.path()).is_empty());
    let target = ProcessTarget::new(settings(data.path()));
    assert!(target.resume().await[0].1.is_ok());
    assert_eq!(target.apply(&wanted, &|_| {}).await.unwrap().groups[0].healthy, 1);
    assert_eq!(text(&url, "/").await.as_deref(), Some("a"));
    assert_ne!(instances(data.path()), [instance]);
    target.stop(&placement()).await.unwrap();
    assert_eq!((instances(data.path()), keepers(data.path())), (vec![], vec![]));
}
