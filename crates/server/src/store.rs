//! Where facts and views are kept: in a file in the data folder, or in a database of the organisation's.
//!
//! Everything else stays in the data folder, and belongs to these facts. So the folder remembers whether
//! its facts are elsewhere, and of several servers on one database one works, under a lease.

use std::path::Path;
use std::sync::Arc;

use facts::{Clock, Entropy, FactId};
use ledger::{Address, Holder, Lease, Ledger, PostgresLedger, SqliteLedger, View};
use serde::{Deserialize, Serialize};

use crate::house::OpenError;

/// The ledger's file in the data folder.
pub(crate) const FILE: &str = "ledger.db";

/// The file in the data folder that says that its facts are in a database.
const ELSEWHERE: &str = "database.json";

/// The duty that one server on a database has: everything.
const DUTY: &str = "server";

/// What stands in [`ELSEWHERE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Elsewhere {
    /// What the lease knows this folder by. The folder is locked, so one process at a time has it.
    id: String,
    /// Where the database was, without its password.
    database: String,
    /// The first fact, once there is one.
    ledger: Option<FactId>,
}

/// An open ledger, and the lease under which it is written where it is shared.
pub(crate) struct Store {
    pub ledger: Arc<dyn Ledger>,
    pub lease: Option<Lease>,
}

fn room(reason: impl std::fmt::Display) -> OpenError {
    OpenError::Room {
        room: "the ledger",
        reason: reason.to_string(),
    }
}

/// Opens the ledger that belongs to the data folder. Where another server works on the database, this
/// waits until that has ended, and says so.
pub(crate) async fn open(
    data: &Path,
    database: Option<&Address>,
    views: Vec<Arc<dyn View>>,
    clock: Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> Result<Store, OpenError> {
    let known = read(data)?;
    let Some(address) = database else {
        if let Some(known) = known {
            return Err(OpenError::FactsElsewhere(known.database));
        }
        let ledger = SqliteLedger::open(&data.join(FILE), views, clock).map_err(room)?;
        return Ok(Store {
            ledger: Arc::new(ledger),
            lease: None,
        });
    };
    if known.is_none() && data.join(FILE).exists() {
        return Err(OpenError::FactsHere(data.join(FILE)));
    }
    let mut own = known.unwrap_or_else(|| Elsewhere {
        id: new_id(entropy),
        database: address.to_string(),
        ledger: None,
    });
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let holder = Holder {
        id: own.id.clone(),
        place: format!("the server on {host} with the data folder {}", data.display()),
    };
    let waiting = |held: &ledger::Held| {
        tracing::warn!("{} works on this database; waiting until it has ended", held.place);
    };
    let lease = Lease::take(address, DUTY, holder, waiting).await.map_err(room)?;
    let ledger = PostgresLedger::open(address, views, clock, Some(lease.fence()));
    let ledger = ledger.await.map_err(room)?;
    let first = ledger.read(0, 1).await.map_err(room)?.first().map(|fact| fact.new.id);
    match (own.ledger, first) {
        (Some(known), first) if first != Some(known) => {
            return Err(OpenError::OtherFacts(address.to_string()));
        }
        (None, Some(_)) => own.ledger = first,
        _ => {}
    }
    own.database = address.to_string();
    write(data, &own)?;
    Ok(Store {
        ledger: Arc::new(ledger),
        lease: Some(lease),
    })
}

fn new_id(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn wrong(path: &Path, source: std::io::Error) -> OpenError {
    OpenError::File {
        path: path.to_owned(),
        source,
    }
}

fn read(data: &Path) -> Result<Option<Elsewhere>, OpenError> {
    let path = data.join(ELSEWHERE);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| wrong(&path, error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(&path, error)),
    }
}

/// Says that the facts that belong to the data folder are in a database, where somebody has put them.
pub(crate) fn belongs(
    data: &Path,
    address: &Address,
    ledger: Option<FactId>,
    entropy: &dyn Entropy,
) -> Result<(), OpenError> {
    let own = Elsewhere {
        id: new_id(entropy),
        database: address.to_string(),
        ledger,
    };
    write(data, &own)
}

/// Writes the file where it says something else.
fn write(data: &Path, own: &Elsewhere) -> Result<(), OpenError> {
    let path = data.join(ELSEWHERE);
    if read(data)?.as_ref() == Some(own) {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(own).map_err(|error| wrong(&path, error.into()))?;
    crate::data::write_whole(&path, &text).map_err(|error| wrong(&path, error))
}
