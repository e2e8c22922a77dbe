//! Leases: of several servers on one database, one has a duty at a time.
//!
//! A lease has an epoch, which grows whenever it is taken. Whoever holds it says so again and again; who
//! has not done so for its term, by the database's clock, may be replaced. A server that was stopped
//! meanwhile does not know that it was replaced, so every append names the epoch it counts on, and the
//! database looks in the same transaction: of two servers that both believe to have the duty, one alone
//! can record anything.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_postgres::Row;

use super::address::Address;
use super::failure::Failure;
use super::schema::{self, get};
use super::session::{Ask, Parameter, Session};
use crate::contract::LedgerError;

/// For how long a lease is held without being renewed.
pub const TERM: Duration = Duration::from_secs(15);

/// How often it is renewed; and how often somebody who waits for it looks again.
const RENEW: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_secs(1);

/// How soon after it could not be renewed that is tried again: sooner than others look.
const AGAIN: Duration = Duration::from_millis(400);

/// Who takes a lease.
#[derive(Debug, Clone)]
pub struct Holder {
    /// What it is known by. Whoever comes with the same one replaces it at once: it must be something
    /// that only one process at a time can have, such as what a locked folder holds.
    pub id: String,
    /// Where it is, for people.
    pub place: String,
}

/// A duty that this process has, until it is dropped or [`Lease::lost`].
pub struct Lease {
    fence: Fence,
    lost: watch::Receiver<Option<String>>,
    ending: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What every append of a lease's holder is checked against.
#[derive(Debug, Clone)]
pub struct Fence {
    name: Arc<str>,
    epoch: i64,
}

impl Fence {
    /// The question that goes with an append. The row stays locked until the append is committed, so that
    /// nobody takes the lease between.
    pub(super) fn question(&self) -> Ask {
        Ask::new(
            "SELECT epoch, place FROM ledger_leases WHERE name = $1 FOR SHARE",
            [Parameter::name(&*self.name)],
        )
    }

    /// Whether the lease is still the one that was taken; else who has it.
    pub(super) fn check(&self, answer: &[Row]) -> Result<Result<(), String>, Failure> {
        let Some(row) = answer.first() else {
            return Ok(Err(
                "the lease of the database is gone; this server records nothing more".into(),
            ));
        };
        let (epoch, place): (i64, String) = (get(row, 0)?, get(row, 1)?);
        Ok(match epoch == self.epoch {
            true => Ok(()),
            false => Err(format!(
                "another server has taken over the database: {place}; this one records nothing more"
            )),
        })
    }
}

/// Who has a lease that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Where it is.
    pub place: String,
}

impl Lease {
    /// Takes the lease `name`, and waits for it while somebody else holds it; `held` is told who, each
    /// time it is somebody else. Makes the ledger's tables where there are none.
    ///
    /// # Errors
    /// When the database cannot be used, or holds something else.
    pub async fn take(
        address: &Address,
        name: &'static str,
        holder: Holder,
        mut held: impl FnMut(&Held) + Send,
    ) -> Result<Self, LedgerError> {
        let mut told = None;
        loop {
            let (address, holder) = (address.clone(), holder.clone());
            let attempt = tokio::task::spawn_blocking(move || take(address, name, holder));
            match attempt.await.map_err(|error| LedgerError::Store(error.to_string()))?? {
                Ok(lease) => return Ok(lease),
                Err(by) => {
                    if told.as_ref() != Some(&by) {
                        held(&by);
                        told = Some(by);
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What the ledger is opened with, so that it records for this lease's holder alone.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Waits until somebody else has the duty, and says who. Never ends where the lease is given back.
    pub fn lost(&self) -> impl Future<Output = String> + Send + use<> {
        let mut lost = self.lost.clone();
        async move {
            let text = lost.wait_for(Option::is_some).await.map(|text| text.clone());
            match text {
                Ok(text) => text.unwrap_or_default(),
                Err(_) => std::future::pending().await,
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ending = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("what renews the lease of the database has panicked");
        }
    }
}

/// Takes the lease, or says who has it.
fn take(address: Address, name: &'static str, holder: Holder) -> Result<Result<Lease, Held>, LedgerError> {
    let session = Session::open(&address)?;
    schema::open(&session, &address)?;
    let row = session.first(
        "INSERT INTO ledger_leases AS l VALUES ($1, 1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond')
         ON CONFLICT (name) DO UPDATE
           SET epoch = l.epoch + 1, holder = EXCLUDED.holder, place = EXCLUDED.place, until = EXCLUDED.until
           WHERE l.until < clock_timestamp() OR l.holder = EXCLUDED.holder
         RETURNING epoch",
        &[
            Parameter::name(name),
            Parameter::name(holder.id),
            Parameter::name(holder.place),
            Parameter::Real(Some(TERM.as_millis() as f64)),
        ],
    )?;
    let Some(row) = row else {
        let row = session.first(
            "SELECT place FROM ledger_leases WHERE name = $1",
            &[Parameter::name(name)],
        )?;
        let place = row.map(|row| get(&row, 0)).transpose()?.unwrap_or_default();
        return Ok(Err(Held { place }));
    };
    let fence = Fence {
        name: name.into(),
        epoch: get(&row, 0)?,
    };
    let (tell, lost) = watch::channel(None);
    let (ending, mut ended) = oneshot::channel::<()>();
    let keeper = Keeper {
        address,
        fence: fence.clone(),
        session: Some(session),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let no_thread = |error: std::io::Error| LedgerError::Store(format!("no thread for the lease: {error}"));
    let runtime = runtime.map_err(no_thread)?;
    let thread = std::thread::Builder::new()
        .name("ledger-lease".into())
        .spawn(move || keeper.keep(&runtime, &mut ended, &tell))
        .map_err(no_thread)?;
    Ok(Ok(Lease {
        fence,
        lost,
        ending: Some(ending),
        thread: Some(thread),
    }))
}

/// Renews a lease.
struct Keeper {
    address: Address,
    fence: Fence,
    session: Option<Session>,
}

impl Keeper {
    fn keep(
        mut self,
        runtime: &tokio::runtime::Runtime,
        ended: &mut oneshot::Receiver<()>,
        tell: &watch::Sender<Option<String>>,
    ) {
        let mut well = true;
        loop {
            let pause = if well { RENEW } else { AGAIN };
            let waited = runtime.block_on(async { tokio::time::timeout(pause, &mut *ended).await });
            if waited.is_ok() {
                // Given back, so that nobody has to wait for its end.
                if let Err(failure) = self.renew("clock_timestamp()") {
                    tracing::debug!(?failure, "the lease of the database was not given back");
                }
                return;
            }
            let until = format!("clock_timestamp() + interval '{} seconds'", TERM.as_secs());
            match self.renew(&until) {
                Ok(Ok(())) => well = true,
                Ok(Err(text)) => {
                    tell.send_replace(Some(text));
                    return;
                }
                // Nobody can have taken it over who reaches as little; whether somebody has is seen at the
                // next renewal, and by every append.
                Err(failure) => {
                    if well {
                        tracing::warn!(?failure, "the lease of the database could not be renewed");
                    }
                    well = false;
                    self.session = None;
                }
            }
        }
    }

    fn renew(&mut self, until: &str) -> Result<Result<(), String>, Failure> {
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.address)?,
        };
        let sql =
            format!("UPDATE ledger_leases SET until = {until} WHERE name = $1 AND epoch = $2 RETURNING epoch, place");
        let parameters = [
            Parameter::name(&*self.fence.name),
            Parameter::Integer(Some(self.fence.epoch)),
        ];
        let renewed = session.query(&sql, &parameters)?;
        let answer = match renewed.is_empty() {
            false => renewed,
            true => {
                let sql = "SELECT epoch, place FROM ledger_leases WHERE name = $1";
                session.query(sql, &[Parameter::name(&*self.fence.name)])?
            }
        };
        self.session = Some(session);
        self.fence.check(&answer)
    }
}
