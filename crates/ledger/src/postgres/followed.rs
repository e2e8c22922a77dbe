//! Followed views in the database: which are there, how far each has come, and what a fold of some more
//! facts changes in them.
//!
//! A view and its position share a commit, and whoever folds some facts into it holds the row that says
//! its position: of several servers each fact is folded by one.

use facts::{Digest, Position, envelope::GENESIS};

use super::failure::Failure;
use super::read;
use super::rows::{self, Overlay, Place};
use super::schema::{self, get};
use super::session::{BEGIN, Parameter, Session};
use crate::contract::LedgerError;
use crate::upcast::Upcasters;
use crate::verify::Checkpoint;
use crate::view::{FoldError, View, Views};

/// A view as it stands in the database.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// The version that folded it.
    pub version: i64,
    shape: String,
    tables: String,
    /// The last fact it has taken in.
    pub at: Checkpoint,
}

fn word(place: Place) -> &'static str {
    match place {
        Place::InUse => "in use",
        Place::Fresh => "fresh",
    }
}

fn named(view: &str, place: Place) -> [Parameter; 2] {
    [Parameter::name(view), Parameter::name(word(place))]
}

/// How a view stands, if it does. Nobody else folds into it until the transaction ends.
pub(super) fn standing(session: &Session, view: &str, place: Place) -> Result<Option<Standing>, Failure> {
    let sql = "SELECT version, shape, tables, position, hash FROM followed WHERE name = $1 AND place = $2 FOR UPDATE";
    let Some(row) = session.first(sql, &named(view, place))? else {
        return Ok(None);
    };
    let hash = <[u8; 32]>::try_from(get::<&[u8]>(&row, 4)?).unwrap_or_default();
    Ok(Some(Standing {
        version: get(&row, 0)?,
        shape: get(&row, 1)?,
        tables: get(&row, 2)?,
        at: Checkpoint {
            position: get::<i64>(&row, 3)? as Position,
            hash: Digest::from_bytes(hash),
        },
    }))
}

/// How far the views that are in use have come, the slowest of them.
pub(super) fn position(session: &Session, views: &Views) -> Result<Position, Failure> {
    let names = views.iter().map(|view| view.name().to_owned()).collect();
    let sql = "SELECT coalesce(min(position), 0) FROM followed WHERE name = ANY ($1) AND place = 'in use'";
    let row = session.first(sql, &[Parameter::Names(names)])?;
    let position: Option<i64> = row.map(|row| get(&row, 0)).transpose()?;
    Ok(position.unwrap_or(0) as Position)
}

/// Brings the tables to what the views declare.
pub(super) fn prepare(session: &Session, views: &Views) -> Result<(), LedgerError> {
    session.transaction(BEGIN, || {
        // Whoever else opens the ledger comes after, and nobody folds meanwhile.
        session.batch("LOCK TABLE followed IN EXCLUSIVE MODE")?;
        let rows = session.query("SELECT name, place = 'fresh' FROM followed", &[])?;
        for row in &rows {
            let name: String = get(row, 0)?;
            let place = if get(row, 1)? { Place::Fresh } else { Place::InUse };
            let Some(standing) = standing(session, &name, place)? else {
                continue;
            };
            let declared = views.iter().find(|view| view.name() == name);
            let fits = declared.is_some_and(|view| {
                let same = schema::shape(view.as_ref()) == standing.shape;
                // What is in use is read until its next version is there; what is fresh is to be that.
                same && (place == Place::InUse || i64::from(view.version()) == standing.version)
            });
            if !fits || !knows(session, &standing.at)? {
                forget(session, &name, place, &standing.tables)?;
            }
        }
        for view in views.iter() {
            match standing(session, view.name(), Place::InUse)? {
                None => {
                    abandon(session, view.as_ref())?;
                    begin(session, view.as_ref(), Place::InUse)?;
                }
                Some(old) if old.version != i64::from(view.version()) => {
                    if standing(session, view.name(), Place::Fresh)?.is_none() {
                        begin(session, view.as_ref(), Place::Fresh)?;
                    }
                }
                // An earlier process was asked to fold it again, and did not end.
                Some(_) => abandon(session, view.as_ref())?,
            }
        }
        Ok(session.batch("COMMIT")?)
    })
}

/// Whether the ledger has the fact of a checkpoint.
fn knows(session: &Session, checkpoint: &Checkpoint) -> Result<bool, Failure> {
    if checkpoint.position == 0 {
        return Ok(true);
    }
    let row = session.first(
        "SELECT hash FROM facts WHERE seq = $1",
        &[Parameter::natural(checkpoint.position)],
    )?;
    let hash: Option<Vec<u8>> = row.map(|row| get(&row, 0)).transpose()?;
    Ok(hash.is_some_and(|hash| hash == checkpoint.hash.as_bytes()))
}

fn forget(session: &Session, name: &str, place: Place, tables: &str) -> Result<(), Failure> {
    for table in tables.split_whitespace() {
        rows::drop(session, table, place)?;
    }
    session.query(
        "DELETE FROM followed WHERE name = $1 AND place = $2",
        &named(name, place),
    )?;
    Ok(())
}

/// Makes the view's empty tables.
pub(super) fn begin(session: &Session, view: &dyn View, place: Place) -> Result<(), Failure> {
    for table in view.tables() {
        rows::create(session, table, place)?;
        if place == Place::InUse {
            rows::create_indexes(session, table, Place::InUse)?;
        }
    }
    let [name, place] = named(view.name(), place);
    let parameters = [
        name,
        place,
        Parameter::natural(view.version().into()),
        Parameter::name(schema::shape(view)),
        Parameter::name(schema::tables(view)),
        Parameter::bytes(GENESIS.as_bytes()),
    ];
    session.query("INSERT INTO followed VALUES ($1, $2, $3, $4, $5, 0, $6)", &parameters)?;
    Ok(())
}

/// Removes what was folded beside the view.
pub(super) fn abandon(session: &Session, view: &dyn View) -> Result<(), Failure> {
    match standing(session, view.name(), Place::Fresh)? {
        Some(fresh) => forget(session, view.name(), Place::Fresh, &fresh.tables),
        None => Ok(()),
    }
}

/// What came of a step.
pub(super) enum Stepped {
    /// More facts may be left.
    On,
    /// None is left.
    Whole,
    /// There is no such view to fold into.
    Absent,
}

/// Lets a view take in up to `limit` facts in one transaction. Where it cannot take in one of them, those
/// before it are kept.
pub(super) fn step(
    session: &Session,
    view: &dyn View,
    place: Place,
    upcasters: &Upcasters,
    limit: usize,
) -> Result<Stepped, LedgerError> {
    session.transaction(BEGIN, || {
        let Some(standing) = standing(session, view.name(), place)? else {
            session.roll_back();
            return Ok(Stepped::Absent);
        };
        let facts = read::facts(session, upcasters, standing.at.position, limit)?;
        let mut overlay = Overlay::default();
        let mut come = standing.at;
        let mut stopped = None;
        for fact in &facts {
            overlay.keep();
            let folded = schema::fold_into(session, &mut overlay, view, fact, place);
            if let Some(failure) = overlay.failure() {
                return Err(failure.into());
            }
            if let Err(error) = folded {
                overlay.take_back();
                stopped = Some((fact.seq, error));
                break;
            }
            come = Checkpoint {
                position: fact.seq,
                hash: fact.hash,
            };
        }
        if come != standing.at {
            let mut writes = overlay.writes(place);
            let [name, word] = named(view.name(), place);
            writes.push(super::session::Ask::new(
                "UPDATE followed SET position = $3, hash = $4 WHERE name = $1 AND place = $2",
                [
                    name,
                    word,
                    Parameter::natural(come.position),
                    Parameter::bytes(come.hash.as_bytes()),
                ],
            ));
            session.all(&writes)?;
            crashpoint::reach("ledger.followed.before-commit");
            session.batch("COMMIT")?;
            crashpoint::reach("ledger.followed.after-commit");
        } else {
            session.roll_back();
        }
        match stopped {
            Some((seq, error)) => Err(fold_error(view, seq, error)),
            None if facts.len() < limit => Ok(Stepped::Whole),
            None => Ok(Stepped::On),
        }
    })
}

fn fold_error(view: &dyn View, seq: Position, error: FoldError) -> LedgerError {
    schema::fold_error(view.name(), seq, error)
}

/// Puts what was folded beside the view in its place, where it is still there. Whether it was, and was
/// otherwise.
pub(super) fn swap(session: &Session, view: &dyn View, compare: bool) -> Result<bool, LedgerError> {
    session.transaction(BEGIN, || {
        let in_use = standing(session, view.name(), Place::InUse)?;
        if standing(session, view.name(), Place::Fresh)?.is_none() {
            session.roll_back();
            return Ok(false);
        }
        let mut differed = false;
        for table in view.tables() {
            differed = differed || (compare && schema::differs(session, table)?);
        }
        // The tables that stand now may be those of another version.
        if let Some(in_use) = in_use {
            forget(session, view.name(), Place::InUse, &in_use.tables)?;
        }
        for table in view.tables() {
            rows::create_indexes(session, table, Place::Fresh)?;
            rows::exchange(session, table)?;
        }
        let sql = "UPDATE followed SET place = 'in use' WHERE name = $1 AND place = 'fresh'";
        session.query(sql, &[Parameter::name(view.name())])?;
        crashpoint::reach("ledger.followed.before-swap");
        session.batch("COMMIT")?;
        crashpoint::reach("ledger.followed.after-swap");
        Ok(differed)
    })
}
