//! Folding all inline views again beside the ones in use, and swapping them in. Appends go on meanwhile;
//! the last step alone holds them up.

use facts::Position;

use super::address::Address;
use super::failure::Failure;
use super::read;
use super::rows::{self, Overlay, Place};
use super::schema::{self, get};
use super::session::{BEGIN, Parameter, Session};
use crate::contract::{LedgerError, Rebuilt, RebuiltView};
use crate::upcast::Upcasters;
use crate::view::{View, Views};

/// A rebuild under way, with a connection of its own.
pub(super) struct Rebuild {
    session: Session,
    views: Views,
    upcasters: Upcasters,
    position: Position,
    overlay: Overlay,
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
        })
    }

    /// Folds some more facts; when few are left, holds up those who append, folds the rest, compares and
    /// swaps, all in the same transaction. What a failed step has made is removed.
    pub(super) fn step(&mut self) -> Result<Step, LedgerError> {
        let step = self.session.transaction(BEGIN, || {
            let few = fold(
                &self.session,
                &self.views,
                &self.upcasters,
                &mut self.position,
                &mut self.overlay,
            )?;
            if !few {
                self.session.batch("COMMIT")?;
                return Ok(Step::At(self.position));
            }
            schema::hold(&self.session)?;
            while !fold(
                &self.session,
                &self.views,
                &self.upcasters,
                &mut self.position,
                &mut self.overlay,
            )? {}
            let views = swap(&self.session, &self.views)?;
            schema::next_generation(&self.session)?;
            crashpoint::reach("ledger.before-swap");
            self.session.batch("COMMIT")?;
            crashpoint::reach("ledger.after-swap");
            Ok(Step::Done(Rebuilt {
                position: self.position,
                views,
            }))
        });
        if step.is_err() {
            self.abandon();
        }
        step
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

fn swap(session: &Session, views: &Views) -> Result<Vec<RebuiltView>, Failure> {
    let swapped = |view: &dyn View| {
        let mut differed = false;
        for table in view.tables() {
            differed |= schema::differs(session, table)?;
            rows::exchange(session, table)?;
        }
        Ok(RebuiltView {
            name: view.name(),
            differed,
        })
    };
    views.iter().map(|view| swapped(view.as_ref())).collect()
}
