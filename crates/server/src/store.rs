//! Where facts and views are kept: in a file in the data folder, or in a database of the organisation's.
//!
//! Everything else stays in the data folder, and belongs to these facts. So the folder remembers whether
//! its facts are elsewhere, and the database whose folder it is: several servers on one database share the
//! folder too, because repositories, packages, tokens and secrets are in it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use facts::{Clock, Entropy, FactId};
use ledger::{Address, Holder, Lease, Leases, Ledger, PostgresLedger, SqliteLedger, Taking, View};
use serde::{Deserialize, Serialize};

use crate::house::OpenError;
use crate::servers::{new_id, place_in, place_of};

/// The ledger's file in the data folder.
pub(crate) const FILE: &str = "ledger.db";

/// The file in the data folder that says that its facts are in a database.
const ELSEWHERE: &str = "database.json";

/// The lease by which a database knows whose data folder belongs to it. It is never given back.
const BELONGS: &str = "data folder";

/// For good.
const EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What stands in [`ELSEWHERE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Elsewhere {
    /// What the database knows this folder by.
    id: String,
    /// Where the database was, without its password.
    database: String,
    /// The first fact, once there is one.
    ledger: Option<FactId>,
}

/// An open ledger, and its leases.
pub(crate) struct Store {
    pub ledger: Arc<dyn Ledger>,
    pub leases: Arc<dyn Leases>,
}

fn room(reason: impl std::fmt::Display) -> OpenError {
    OpenError::Room {
        room: "the ledger",
        reason: reason.to_string(),
    }
}

/// Opens the ledger that belongs to the data folder.
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
            leases: ledger.leases(),
            ledger: Arc::new(ledger),
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
    let ledger = PostgresLedger::open(address, views, clock).await.map_err(room)?;
    let leases = ledger.leases();
    let first = ledger.read(0, 1).await.map_err(room)?.first().map(|fact| fact.new.id);
    match (own.ledger, first) {
        (Some(known), first) if first != Some(known) => {
            return Err(OpenError::OtherFacts(address.to_string()));
        }
        (None, Some(_)) => own.ledger = first,
        _ => {}
    }
    claim(&leases, &own, data, address).await?;
    own.database = address.to_string();
    write(data, &own)?;
    Ok(Store {
        ledger: Arc::new(ledger),
        leases,
    })
}

/// Makes this folder the one that belongs to the database; refuses where it is another, or a copy of one that
/// is in use.
async fn claim(leases: &Arc<dyn Leases>, own: &Elsewhere, data: &Path, address: &Address) -> Result<(), OpenError> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let here = place_of(data).map_err(|source| wrong(data, source))?;
    let folder = Holder {
        id: format!("{}@{here}", own.id),
        place: format!("{} on {host}", data.display()),
    };
    let (leases, database, own) = (leases.clone(), address.to_string(), own.id.clone());
    let claimed = tokio::task::spawn_blocking(move || {
        let all = leases.all().map_err(room)?;
        let before = all.iter().find(|lease| lease.duty == BELONGS);
        let before = before.map(|lease| lease.holder.clone());
        let other = |folder| OpenError::OtherFolder {
            database: database.clone(),
            folder,
        };
        if let Some(before) = &before {
            if before.id.split('@').next() != Some(&own) {
                return Err(other(before.place.clone()));
            }
            let in_use = |lease: &&Lease| lease.duty != BELONGS && !lease.left.is_zero();
            if let Some(lease) = all
                .iter()
                .filter(in_use)
                .find(|lease| place_in(&lease.holder.id) != here)
            {
                return Err(OpenError::CopyInUse {
                    database: database.clone(),
                    folder: before.place.clone(),
                    server: lease.holder.place.clone(),
                });
            }
        }
        let before: Vec<String> = before.into_iter().map(|before| before.id).collect();
        match leases.take(BELONGS, &folder, &before, EVER).map_err(room)? {
            Taking::Taken(_) => Ok(()),
            Taking::Held(lease) => Err(other(lease.holder.place)),
        }
    });
    claimed.await.map_err(room)?
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
