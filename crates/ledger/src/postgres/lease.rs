//! The leases of a ledger in PostgreSQL: a row for each duty, by the database's clock.
//!
//! Each question is a transaction of its own about one row, so that nobody who renews waits for somebody
//! who waits for them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use facts::Timestamp;
use tokio_postgres::Row;

use super::address::Address;
use super::failure::Failure;
use super::schema::get;
use super::session::{Ask, Parameter, Session};
use crate::append::{Append, AppendError};
use crate::contract::LedgerError;
use crate::lease::{Fence, Holder, Lease, Leases, Taking};

/// The leases of a database, over a connection of their own: whoever renews waits for no reader.
pub(super) struct DatabaseLeases {
    address: Address,
    session: Mutex<Option<Session>>,
}

impl DatabaseLeases {
    pub(super) fn new(address: &Address) -> Self {
        Self {
            address: address.clone(),
            session: Mutex::default(),
        }
    }

    /// Runs `work` on the connection; once more on another one where the first turns out to be gone.
    fn ask<T>(&self, work: impl Fn(&Session) -> Result<T, Failure>) -> Result<T, LedgerError> {
        let mut kept = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = kept.take() {
            match work(&session) {
                Err(failure) if failure.is_passing() => {}
                Err(failure) => return Err(failure.into()),
                Ok(done) => {
                    *kept = Some(session);
                    return Ok(done);
                }
            }
        }
        let session = Session::open(&self.address)?;
        let done = work(&session)?;
        *kept = Some(session);
        Ok(done)
    }
}

/// What is asked about a lease. Microseconds and milliseconds, since these are numbers that every driver reads.
const SEEN: &str = "name, epoch, holder, place, (extract(epoch FROM since) * 1000000)::bigint,
    greatest(0, extract(epoch FROM until - clock_timestamp()) * 1000)::bigint";

fn seen(row: &Row) -> Result<Lease, Failure> {
    let millis: i64 = get(row, 5)?;
    Ok(Lease {
        duty: get(row, 0)?,
        epoch: get(row, 1)?,
        holder: Holder {
            id: get(row, 2)?,
            place: get(row, 3)?,
        },
        since: Timestamp::from_microsecond(get(row, 4)?).unwrap_or_default(),
        left: Duration::from_millis(u64::try_from(millis).unwrap_or(0)),
    })
}

fn milliseconds(term: Duration) -> Parameter {
    Parameter::Real(Some(term.as_millis() as f64))
}

impl Leases for DatabaseLeases {
    fn take(&self, duty: &str, holder: &Holder, ended: &[String], term: Duration) -> Result<Taking, LedgerError> {
        let take = Ask::new(
            "INSERT INTO ledger_leases AS l (name, epoch, holder, place, until, since)
             VALUES ($1, 1, $2, $3, clock_timestamp() + $4::float8 * interval '1 millisecond', clock_timestamp())
             ON CONFLICT (name) DO UPDATE
               SET epoch = l.epoch + 1, holder = EXCLUDED.holder, place = EXCLUDED.place, until = EXCLUDED.until,
                   since = EXCLUDED.since
               WHERE l.until <= clock_timestamp() OR l.holder = EXCLUDED.holder OR l.holder = ANY ($5::text[])
             RETURNING epoch",
            [
                Parameter::name(duty),
                Parameter::name(&holder.id),
                Parameter::name(&holder.place),
                milliseconds(term),
                Parameter::Names(ended.to_vec()),
            ],
        );
        loop {
            let taking = self.ask(|session| {
                if let Some(row) = session.first(&take.sql, &take.parameters)? {
                    return Ok(Some(Taking::Taken(Fence {
                        duty: duty.into(),
                        epoch: get(&row, 0)?,
                    })));
                }
                let sql = format!("SELECT {SEEN} FROM ledger_leases WHERE name = $1");
                let row = session.first(&sql, &[Parameter::name(duty)])?;
                Ok(row.as_ref().map(seen).transpose()?.map(Taking::Held))
            })?;
            // A row that was there a moment ago and is gone was removed by hand: it is taken now.
            if let Some(taking) = taking {
                return Ok(taking);
            }
        }
    }

    fn renew(&self, fences: &[Fence], term: Duration) -> Result<Vec<Lease>, LedgerError> {
        let renew = |fence: &Fence| {
            Ask::new(
                "UPDATE ledger_leases SET until = clock_timestamp() + $3::float8 * interval '1 millisecond'
                 WHERE name = $1 AND epoch = $2 RETURNING epoch",
                [
                    Parameter::name(&*fence.duty),
                    Parameter::Integer(Some(fence.epoch)),
                    milliseconds(term),
                ],
            )
        };
        let asks: Vec<Ask> = fences.iter().map(renew).collect();
        self.ask(|session| {
            let answers = session.all(&asks)?;
            let lost = fences.iter().zip(answers).filter(|(_, answer)| answer.is_empty());
            let mut taken = Vec::new();
            for (fence, _) in lost {
                let sql = format!("SELECT {SEEN} FROM ledger_leases WHERE name = $1");
                let row = session.first(&sql, &[Parameter::name(&*fence.duty)])?;
                taken.push(match row {
                    Some(row) => seen(&row)?,
                    None => gone(fence),
                });
            }
            Ok(taken)
        })
    }

    fn all(&self) -> Result<Vec<Lease>, LedgerError> {
        self.ask(|session| {
            let rows = session.query(&format!("SELECT {SEEN} FROM ledger_leases ORDER BY name"), &[])?;
            rows.iter().map(seen).collect()
        })
    }
}

/// A lease whose row somebody has removed: it holds for nobody.
fn gone(fence: &Fence) -> Lease {
    Lease {
        duty: fence.duty.to_string(),
        epoch: fence.epoch,
        holder: Holder {
            id: String::new(),
            place: "nobody: somebody has removed the lease".into(),
        },
        since: Timestamp::default(),
        left: Duration::ZERO,
    }
}

/// The leases that some appends count on, as they are in the transaction that records them.
#[derive(Default)]
pub(super) struct Counted(HashMap<String, (i64, String)>);

impl Counted {
    /// The question that goes with the appends, if they count on any. The rows stay locked until the appends
    /// are committed, so that nobody takes such a lease between.
    pub(super) fn question<'a>(appends: impl Iterator<Item = &'a Append>) -> Option<Ask> {
        let fences = appends.filter_map(|append| append.fence.as_ref());
        let mut duties: Vec<String> = fences.map(|fence| fence.duty.to_string()).collect();
        duties.sort_unstable();
        duties.dedup();
        let sql = "SELECT name, epoch, place FROM ledger_leases WHERE name = ANY ($1) ORDER BY name FOR SHARE";
        (!duties.is_empty()).then(|| Ask::new(sql, [Parameter::Names(duties)]))
    }

    /// Takes the answer in.
    pub(super) fn learn(answer: &[Row]) -> Result<Self, Failure> {
        let row = |row: &Row| Ok::<_, Failure>((get(row, 0)?, (get(row, 1)?, get(row, 2)?)));
        Ok(Self(answer.iter().map(row).collect::<Result<_, _>>()?))
    }

    /// Refuses what counts on a lease that somebody else has.
    pub(super) fn check(&self, append: &Append) -> Result<(), AppendError> {
        let Some(fence) = &append.fence else { return Ok(()) };
        let now = self.0.get(&*fence.duty);
        fence.check(now.map(|(epoch, place)| (*epoch, place.as_str())))
    }
}
