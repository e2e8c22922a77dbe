//! Folding all inline views again beside the ones in use, and swapping them in. Appends go on meanwhile, also
//! while what was folded is compared with what is in use: both as of one moment, which a transaction sees
//! however long it takes. The last step alone holds appends up, for as long as it takes to fold the last few
//! facts and to give the tables other names.

use facts::Position;

use super::address::Address;
use super::read;
use super::rows::{self, Overlay, Place};
use super::schema::{self, get};
use super::session::{BEGIN, BEGIN_BESIDE, Parameter, Session};
use crate::contract::{LedgerError, Rebuilt, RebuiltView};
use crate::upcast::Upcasters;
use crate::view::Views;

/// A rebuild under way, with a connection of its own.
pub(super) struct Rebuild {
    session: Session,
    views: Views,
    upcasters: Upcasters,
    position: Position,
    overlay: Overlay,
    /// What the comparison found, once it was made.
    compared: Option<Vec<RebuiltView>>,
}

/// How far a rebuild has come after a step.
pub(super) enum Step {
    /// It has folded the facts up to here.
    At(Position),
    /// It is done.
    Done(Rebuilt),
}

impl Rebuild {
    /// Makes empty tables beside the ones in use.
    pub(super) fn begin(address: &Address, views: Views, upcasters: Upcasters) -> Result<Self, LedgerError> {
        let session = Session::open(address)?;
        // Until the connection ends: the tables beside those in use are there once.
        let key = [Parameter::name(address.channel())];
        let row = session.first("SELECT pg_try_advisory_lock(hashtextextended($1, 1))", &key)?;
        if !row.map(|row| get::<bool>(&row, 0)).transpose()?.unwrap_or(false) {
            return Err(LedgerError::Store(
                "another server folds the views again\nhint: try again when it has done so".into(),
            ));
        }
        session.transaction(BEGIN, || {
            for table in views.iter().flat_map(|view| view.tables()) {
                rows::drop(&session, table.name, Place::Fresh)?;
                rows::create(&session, table, Place::Fresh)?;
            }
            session.batch("COMMIT")
        })?;
        Ok(Self {
            session,
            views,
            upcasters,
            position: 0,
            overlay: Overlay::default(),
            compared: None,
        })
    }

    /// Folds some more facts; when few are left for the first time, compares; and when few are left after
    /// that, holds up those who append, folds the rest and swaps, all in the same transaction. What a failed
    /// step has made is removed.
    pub(super) fn step(&mut self) -> Result<Step, LedgerError> {
        let step = self.fold_on();
        let step = match step {
            Ok(None) => self.compare(),
            Ok(Some(step)) => Ok(step),
            Err(error) => Err(error),
        };
        if step.is_err() {
            self.abandon();
        }
        if !matches!(step, Ok(Step::At(_))) {
            self.release();
        }
        step
    }

    /// Somebody else may fold the views again, before this connection has ended.
    fn release(&self) {
        if let Err(failure) = self.session.batch("SELECT pg_advisory_unlock_all()") {
            tracing::debug!(?failure, "the lock of a rebuild is released with its connection");
        }
    }

    /// Folds to the end of the log and compares with what is in use, both as of one moment; makes the indexes
    /// that the tables in use have. Nobody waits for it.
    fn compare(&mut self) -> Result<Step, LedgerError> {
        self.session.transaction(BEGIN_BESIDE, || {
            while !fold(
                &self.session,
                &self.views,
                &self.upcasters,
                &mut self.position,
                &mut self.overlay,
            )? {}
            let mut compared = Vec::new();
            for view in self.views.iter() {
                let mut differed = false;
                for table in view.tables() {
                    differed = differed || schema::differs(&self.session, table)?;
                    rows::create_indexes(&self.session, table, Place::Fresh)?;
                }
                compared.push(RebuiltView {
                    name: view.name(),
                    differed,
                });
            }
            self.session.batch("COMMIT")?;
            self.compared = Some(compared);
            Ok(Step::At(self.position))
        })
    }

    /// One step of folding; `None` when it is time to compare.
    fn fold_on(&mut self) -> Result<Option<Step>, LedgerError> {
        self.session.transaction(BEGIN, || {
            let few = fold(
                &self.session,
                &self.views,
                &self.upcasters,
                &mut self.position,
                &mut self.overlay,
            )?;
            if !few {
                self.session.batch("COMMIT")?;
                return Ok(Some(Step::At(self.position)));
            }
            let Some(views) = self.compared.clone() else {
                self.session.batch("COMMIT")?;
                return Ok(None);
            };
            schema::hold(&self.session)?;
            while !fold(
                &self.session,
                &self.views,
                &self.upcasters,
                &mut self.position,
                &mut self.overlay,
            )? {}
            for table in self.views.iter().flat_map(|view| view.tables()) {
                rows::exchange(&self.session, table)?;
            }
            schema::next_generation(&self.session)?;
            crashpoint::reach("ledger.before-swap");
            self.session.batch("COMMIT")?;
            crashpoint::reach("ledger.after-swap");
            Ok(Some(Step::Done(Rebuilt {
                position: self.position,
                views,
            })))
        })
    }

    fn abandon(&self) {
        for table in self.views.iter().flat_map(|view| view.tables()) {
            if let Err(failure) = rows::drop(&self.session, table.name, Place::Fresh) {
                // The next rebuild does it.
                tracing::warn!(?failure, "the tables of a failed rebuild could not be removed");
                return;
            }
        }
    }
}

/// Folds the next facts. Whether none was left after them.
fn fold(
    session: &Session,
    views: &Views,
    upcasters: &Upcasters,
    position: &mut Position,
    overlay: &mut Overlay,
) -> Result<bool, LedgerError> {
    let facts = read::facts(session, upcasters, *position, read::CHUNK)?;
    for fact in &facts {
        for view in views.iter() {
            schema::fold_into(session, overlay, view.as_ref(), fact, Place::Fresh)
                .map_err(|error| schema::fold_error(view.name(), fact.seq, error))?;
        }
    }
    schema::write_out(session, overlay, Place::Fresh)?;
    *position = facts.last().map_or(*position, |last| last.seq);
    Ok(facts.len() < read::CHUNK)
}
