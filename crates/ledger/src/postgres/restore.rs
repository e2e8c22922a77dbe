//! Facts put back into a database, in one transaction.

use super::address::Address;
use super::batch::insert;
use super::failure::Failure;
use super::read;
use super::schema;
use super::session::{BEGIN, Parameter, Session};
use crate::contract::LedgerError;
use crate::restore::RestoreError;
use crate::verify::{Checkpoint, Held};

/// A database that is being filled. Closing the connection takes everything back.
pub(crate) struct Restore {
    session: Session,
    channel: String,
}

impl Restore {
    pub(crate) fn begin(address: &Address) -> Result<Self, RestoreError> {
        let session = Session::open(address).map_err(LedgerError::from)?;
        schema::open(&session, address)?;
        let begun = || -> Result<bool, LedgerError> {
            session.batch(BEGIN)?;
            // Whoever appends, or opens the ledger, waits for the end.
            schema::hold(&session)?;
            let head = read::recorded_head(&session)?;
            let views = session.first("SELECT FROM ledger_views LIMIT 1", &[])?;
            Ok(head.position == 0 && views.is_none())
        };
        match begun()? {
            true => Ok(Self {
                channel: address.channel(),
                session,
            }),
            false => Err(RestoreError::NotEmpty(address.to_string())),
        }
    }

    pub(crate) fn add(&mut self, facts: Vec<Held>) -> Result<(), RestoreError> {
        let insert = insert(facts);
        let added = self.session.query(&insert.sql, &insert.parameters);
        added.map(|_| ()).map_err(of_store)
    }

    pub(crate) fn finish(self, last: Checkpoint) -> Result<(), RestoreError> {
        let head = "UPDATE ledger_head SET position = $1, hash = $2";
        let parameters = [
            Parameter::natural(last.position),
            Parameter::bytes(last.hash.as_bytes()),
        ];
        let told = [
            Parameter::name(self.channel.as_str()),
            Parameter::name(last.position.to_string()),
        ];
        self.session.query(head, &parameters).map_err(of_store)?;
        self.session
            .query("SELECT pg_notify($1, $2)", &told)
            .map_err(of_store)?;
        self.session.batch("COMMIT").map_err(of_store)
    }
}

fn of_store(failure: Failure) -> RestoreError {
    RestoreError::Store(failure.into())
}
