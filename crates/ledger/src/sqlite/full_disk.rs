//! Tests of what happens when the store has no room, or its disk fails. They reach into the writer,
//! so they live here.

use std::sync::Arc;

use facts::{Actor, FactId, NewFact, Stream, SystemClock, Trust};

use super::*;

fn sized(id: &str, bytes: usize) -> Append {
    Append::unconditional(vec![NewFact {
        stream: Stream::new("thing", id),
        id: FactId::of_key(id),
        kind: "thing.grown".into(),
        kind_version: 1,
        occurred_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        actor: Actor::System,
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause: None,
        correlation: None,
        external_key: None,
        body: "x".repeat(bytes).into(),
    }])
}

async fn limit_pages(ledger: &SqliteLedger, extra: i64) {
    ledger
        .between_commits(move |writer| {
            let pages: i64 = writer
                .connection
                .pragma_query_value(None, "page_count", |row| row.get(0))?;
            writer.connection.pragma_update(None, "max_page_count", pages + extra)?;
            Ok(())
        })
        .await
        .unwrap();
}

fn open(folder: &tempfile::TempDir) -> SqliteLedger {
    SqliteLedger::open(&folder.path().join("ledger.db"), Vec::new(), Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn a_full_disk_refuses_appends_and_leaves_the_ledger_usable() {
    let folder = testkit::folder();
    let ledger = open(&folder);
    ledger.append(sized("first", 100)).await.unwrap();
    limit_pages(&ledger, 20).await;
    for _ in 0..3 {
        let error = ledger.append(sized("large", 200_000)).await.unwrap_err();
        assert!(matches!(error, AppendError::Full), "{error}");
    }
    // Reads go on, and so does what still has room.
    assert_eq!(ledger.read(0, 10).await.unwrap().len(), 1);
    ledger.append(sized("small", 100)).await.unwrap();
    // Room was made: what was refused can be sent again.
    limit_pages(&ledger, 1_000).await;
    assert_eq!(ledger.append(sized("large", 200_000)).await.unwrap().first, 3);
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
}

#[tokio::test]
async fn among_appends_committed_together_only_those_without_room_are_refused() {
    let folder = testkit::folder();
    let ledger = open(&folder);
    limit_pages(&ledger, 20).await;
    // The writer is held until all wait, so that they come as one batch.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let held = ledger.between_commits(move |_| {
        let _ = wait.recv();
        Ok(())
    });
    let appends = futures_join(
        (0..6).map(|number| ledger.append(sized(&number.to_string(), if number == 2 { 200_000 } else { 100 }))),
    );
    let release = async {
        // The appends were polled before this, so they are queued.
        go.send(()).unwrap();
    };
    let (held, results, ()) = tokio::join!(held, appends, release);
    held.unwrap();
    for (number, result) in results.into_iter().enumerate() {
        match number {
            2 => assert!(matches!(result, Err(AppendError::Full))),
            _ => assert!(!result.unwrap().repeated),
        }
    }
    assert_eq!(ledger.head().await.unwrap(), 5);
    assert!(ledger.verify(None, &|_| {}).await.unwrap().is_good());
}

/// All of them, side by side in one task.
async fn futures_join<F: Future + Unpin>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Some(future), None)).collect();
    std::future::poll_fn(move |context| {
        for (future, output) in &mut running {
            if let Some(pending) = future
                && let std::task::Poll::Ready(ready) = std::pin::Pin::new(pending).poll(context)
            {
                (*future, *output) = (None, Some(ready));
            }
        }
        match running.iter().all(|(future, _)| future.is_none()) {
            true => std::task::Poll::Ready(running.iter_mut().filter_map(|(_, output)| output.take()).collect()),
            false => std::task::Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn after_the_disk_failed_in_a_commit_nothing_is_written_until_the_ledger_is_opened_again() {
    let folder = testkit::folder();
    {
        let ledger = open(&folder);
        ledger.append(sized("first", 100)).await.unwrap();
        ledger
            .between_commits(|writer| {
                writer.break_for_test("fsync failed");
                Ok(())
            })
            .await
            .unwrap();
        let error = ledger.append(sized("second", 100)).await.unwrap_err();
        assert!(
            matches!(&error, AppendError::Store(text) if text.contains("fsync failed")),
            "{error}"
        );
        assert!(ledger.rebuild(&|_| {}).await.is_err());
        assert_eq!(ledger.read(0, 10).await.unwrap().len(), 1);
    }
    let ledger = open(&folder);
    assert_eq!(ledger.append(sized("second", 100)).await.unwrap().first, 2);
}
