//! Facts put back from an export, and what is refused.

use std::sync::Arc;

use facts::{Digest, Position};
use ledger::{
    Append, Checkpoint, Exported, Ledger, LedgerError, MemoryLedger, PostgresLedger, RestoreError, Restoring, Select,
    SqliteLedger,
};
use testkit::{ManualClock, Postgres};

use crate::sample::{changed, claiming, views};

/// A ledger of some facts, with what its views hold.
async fn original() -> (MemoryLedger, Vec<Exported>, Checkpoint) {
    let ledger = MemoryLedger::new(views(), Arc::new(ManualClock::new())).unwrap();
    for number in 1..=2_500 {
        let name = format!("thing {}", number % 7);
        let fact = claiming(&number.to_string(), &name, &format!("key-{number}"));
        ledger.append(Append::unconditional(vec![fact])).await.unwrap();
    }
    let facts = ledger.export(0, 10_000).await.unwrap();
    let last = facts.last().unwrap();
    let last = Checkpoint {
        position: last.seq,
        hash: last.hash,
    };
    (ledger, facts, last)
}

/// Where facts are put back.
#[derive(Clone)]
enum Store {
    File(std::path::PathBuf),
    Database(Box<ledger::Address>),
}

impl Store {
    fn begin(&self) -> Result<Restoring, RestoreError> {
        match self {
            Self::File(path) => Restoring::in_file(path),
            Self::Database(address) => Restoring::in_database(address),
        }
    }

    async fn open(&self) -> Result<Box<dyn Ledger>, LedgerError> {
        let clock = Arc::new(ManualClock::new());
        Ok(match self {
            Self::File(path) => Box::new(SqliteLedger::open(path, views(), clock)?),
            Self::Database(address) => Box::new(PostgresLedger::open(address, views(), clock).await?),
        })
    }

    /// Puts lines back, which blocks.
    async fn put(&self, lines: Vec<Vec<u8>>, last: Checkpoint) -> Result<(), RestoreError> {
        let store = self.clone();
        let put = move || {
            let mut restoring = store.begin()?;
            for line in &lines {
                restoring.line(line)?;
            }
            restoring.finish(last).map(|_| ())
        };
        tokio::task::spawn_blocking(put).await.unwrap()
    }
}

async fn rows(ledger: &dyn Ledger) -> String {
    format!("{:?}", ledger.select(Select::from("things")).await.unwrap().rows)
}

fn lines(facts: &[Exported]) -> Vec<Vec<u8>> {
    facts.iter().map(Exported::line).collect()
}

async fn holds(store: Store) {
    let (original, facts, last) = original().await;
    let all = lines(&facts);

    // What is not whole is refused, and leaves nothing.
    let fault = |error: RestoreError| match error {
        RestoreError::Fault(fault) => fault.seq,
        other => panic!("{other}"),
    };
    let missing = [&all[..1_999], &all[2_000..]].concat();
    assert_eq!(fault(store.put(missing, last).await.unwrap_err()), 2_000);
    let mut changed_one = all.clone();
    let text = String::from_utf8(all[1_233].clone()).unwrap();
    changed_one[1_233] = text.replace("\"amount\":1", "\"amount\":2").into_bytes();
    assert_eq!(fault(store.put(changed_one, last).await.unwrap_err()), 1_234);
    assert_eq!(fault(store.put(all[..2_400].to_vec(), last).await.unwrap_err()), 2_401);
    let other: Position = last.position;
    let elsewhere = Checkpoint {
        position: other,
        hash: Digest::of("another"),
    };
    assert_eq!(fault(store.put(all.clone(), elsewhere).await.unwrap_err()), other);

    store.put(all.clone(), last).await.unwrap();
    let ledger = store.open().await.unwrap();
    assert_eq!(ledger.head().await.unwrap(), last.position);
    assert_eq!(ledger.export(0, 10_000).await.unwrap(), facts);
    let verified = ledger.verify(None, &|_| {}).await.unwrap();
    assert!(verified.is_good(), "{:?}", verified.fault);
    assert_eq!(verified.checkpoint, last);
    assert_eq!(rows(&*ledger).await, rows(&original).await);
    assert!(!ledger.rebuild(&|_| {}).await.unwrap().differed());
    // It goes on from there: claims hold, and versions.
    let again = claiming("another", "thing 1", "key-77");
    assert!(ledger.append(Append::unconditional(vec![again])).await.is_err());
    let next = ledger
        .append(Append::unconditional(vec![changed("next", "thing 1", 1)]))
        .await
        .unwrap();
    assert_eq!(next.last, last.position + 1);
    drop(ledger);

    // And nothing is put on top.
    let again = store.put(all, last).await.unwrap_err();
    assert!(matches!(again, RestoreError::NotEmpty(_)), "{again}");
}

#[tokio::test]
async fn an_export_becomes_a_ledger_again_in_a_file_or_nothing_does() {
    let folder = testkit::folder();
    let path = folder.path().join("ledger.db");
    holds(Store::File(path)).await;
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("restoring"))
        .collect();
    assert_eq!(names, [""; 0]);
}

#[tokio::test]
async fn an_export_becomes_a_ledger_again_in_a_database_or_nothing_does() {
    let Some(database) = Postgres::start() else { return };
    let address = format!("{}&schema=back", database.address());
    holds(Store::Database(Box::new(address.parse().unwrap()))).await;
}
