//! What is particular to PostgreSQL: the database and its format, several at work on one ledger, leases,
//! connections that are lost, and somebody who changes the tables.

mod lease;
mod lost;
mod opening;
mod tampering;
mod together;

use std::sync::Arc;

use ledger::{Address, Append, Appended, Ledger, LedgerError, PostgresLedger};
use testkit::{ManualClock, Postgres};

use crate::sample::{changed, views};

/// The address of a ledger of that name in the database.
fn address(database: &Postgres, schema: &str) -> Address {
    format!("{}&schema={schema}", database.address()).parse().unwrap()
}

async fn try_open(address: &Address) -> Result<PostgresLedger, LedgerError> {
    PostgresLedger::open(address, views(), Arc::new(ManualClock::new())).await
}

async fn open(address: &Address) -> PostgresLedger {
    try_open(address).await.unwrap()
}

async fn record(ledger: &dyn Ledger, id: &str) -> Appended {
    ledger
        .append(Append::unconditional(vec![changed(id, "a", 1)]))
        .await
        .unwrap()
}
