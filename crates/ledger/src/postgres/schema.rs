//! The tables in the database: their format, and the views as they are when the ledger opens.

use facts::{Fact, Position};

use super::address::Address;
use super::aside;
use super::failure::Failure;
use super::read;
use super::rows::{self, Overlay, Place, PostgresRows};
use super::session::{BEGIN, Parameter, ReadFailure, Session};
use crate::contract::LedgerError;
use crate::upcast::Upcasters;
use crate::view::{FoldError, View, Views, fold};

/// The oldest PostgreSQL that is known to do what is asked of it, as its number says it.
const OLDEST: i32 = 150_000;

/// What brings the tables from each format to the next one, the first from nothing. A change that an
/// older version could not read is added at the end.
///
/// Facts are inserted one after the other and stay. Whoever gets around the triggers is found by
/// `verify`. `ledger_head` says how far the log had come, so that a cut end is noticed; whoever appends
/// holds its one row, so that positions are in the order of commit. Its `generation` grows when views
/// are exchanged. Texts that may hold anything are bytes, and found by their digest, so that they may be
/// as long as they like; `facts_readable` shows them as text.
const MIGRATIONS: &[&str] = &["
CREATE TABLE ledger_format (
  one    boolean PRIMARY KEY DEFAULT true CHECK (one),
  format bigint NOT NULL
);
CREATE TABLE facts (
  seq          bigint PRIMARY KEY,
  stream       bytea NOT NULL,
  version      bigint NOT NULL,
  id           text COLLATE \"C\" NOT NULL UNIQUE,
  kind         bytea NOT NULL,
  recorded_at  bigint NOT NULL,
  external_key bytea,
  bytes        bytea NOT NULL,
  hash         bytea NOT NULL CHECK (length(hash) = 32)
);
CREATE UNIQUE INDEX facts_stream_version ON facts (sha256(stream), version);
CREATE UNIQUE INDEX facts_external_key ON facts (sha256(external_key)) WHERE external_key IS NOT NULL;
CREATE VIEW facts_readable AS
  SELECT seq, encode(stream, 'escape') AS stream, version, id, encode(kind, 'escape') AS kind,
         to_timestamp(recorded_at / 1e6) AS recorded_at, encode(external_key, 'escape') AS external_key,
         convert_from(bytes, 'UTF8') AS document
  FROM facts;
CREATE FUNCTION facts_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'facts are never %', CASE TG_OP WHEN 'UPDATE' THEN 'changed' ELSE 'removed' END;
END $$;
CREATE FUNCTION facts_come_at_the_end() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  low bigint; high bigint; many bigint; before bigint;
BEGIN
  SELECT min(seq), max(seq), count(*) INTO low, high, many FROM added;
  IF many = 0 THEN RETURN NULL; END IF;
  SELECT coalesce(max(seq), 0) INTO before FROM facts WHERE seq < low;
  IF low <> before + 1 OR high <> before + many OR EXISTS (SELECT FROM facts WHERE seq > high) THEN
    RAISE EXCEPTION 'a fact is added at the end';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER facts_are_not_changed BEFORE UPDATE ON facts FOR EACH STATEMENT EXECUTE FUNCTION facts_stay();
CREATE TRIGGER facts_are_not_removed BEFORE DELETE OR TRUNCATE ON facts FOR EACH STATEMENT EXECUTE FUNCTION facts_stay();
CREATE TRIGGER facts_come_at_the_end AFTER INSERT ON facts REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION facts_come_at_the_end();
CREATE TABLE ledger_head (
  one        boolean PRIMARY KEY DEFAULT true CHECK (one),
  position   bigint NOT NULL,
  hash       bytea NOT NULL CHECK (length(hash) = 32),
  generation bigint NOT NULL DEFAULT 0
);
INSERT INTO ledger_head (position, hash) VALUES (0, decode(repeat('00', 32), 'hex'));
CREATE TABLE ledger_views (
  name    text COLLATE \"C\" PRIMARY KEY,
  version bigint NOT NULL,
  shape   text NOT NULL,
  tables  text NOT NULL
);
CREATE TABLE followed (
  name     text COLLATE \"C\" NOT NULL,
  place    text NOT NULL CHECK (place IN ('in use', 'fresh')),
  version  bigint NOT NULL,
  shape    text NOT NULL,
  tables   text NOT NULL,
  position bigint NOT NULL,
  hash     bytea NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (name, place)
);
CREATE TABLE ledger_leases (
  name   text COLLATE \"C\" PRIMARY KEY,
  epoch  bigint NOT NULL,
  holder text NOT NULL,
  place  text NOT NULL,
  until  timestamptz NOT NULL
);
", "
ALTER TABLE ledger_leases ADD COLUMN since timestamptz NOT NULL DEFAULT clock_timestamp();
", "
COMMENT ON TABLE ledger_views IS
  'What is in the tables view_*; rows with texts that no index takes stand in the tables long_* beside them';
"];

/// The format that this version writes.
const FORMAT: i64 = MIGRATIONS.len() as i64;

/// Makes the tables where there are none, and refuses what this version cannot write.
pub(super) fn open(session: &Session, address: &Address) -> Result<(), LedgerError> {
    let row = session.first("SELECT current_setting('server_version_num')::int4, current_setting('server_version'), current_setting('fsync') = 'on'", &[])?;
    if let Some(row) = row {
        let (number, version, durable): (i32, String, bool) = (get(&row, 0)?, get(&row, 1)?, get(&row, 2)?);
        if number < OLDEST {
            return Err(LedgerError::Store(format!(
                "the database is PostgreSQL {version}\nhint: version {} or a later one is needed",
                OLDEST / 10_000
            )));
        }
        if !durable {
            tracing::warn!(
                "the database runs with fsync off: a power cut can take back what was recorded, or damage it"
            );
        }
    }
    session.transaction(BEGIN, || {
        // Whoever else opens it at the same time comes after.
        let key = Parameter::name(address.channel());
        session.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[key])?;
        bring_to_format(session, address)?;
        Ok(session.batch("COMMIT")?)
    })
}

fn bring_to_format(session: &Session, address: &Address) -> Result<(), LedgerError> {
    let schema = Parameter::name(&address.schema);
    let there = session.first(
        "SELECT to_regnamespace(quote_ident($1)) IS NOT NULL,
                to_regclass(quote_ident($1) || '.ledger_format') IS NOT NULL,
                EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1)",
        &[schema],
    )?;
    let (schema, ledger, anything): (bool, bool, bool) = match &there {
        Some(row) => (get(row, 0)?, get(row, 1)?, get(row, 2)?),
        None => (false, false, false),
    };
    if !schema {
        session.batch(&format!("CREATE SCHEMA \"{}\"", address.schema))?;
    }
    let found = match (ledger, anything) {
        (true, _) => {
            let row = session.first("SELECT format FROM ledger_format", &[])?;
            row.as_ref().map(|row| get(row, 0)).transpose()?.unwrap_or(0)
        }
        (false, true) => {
            return Err(LedgerError::NotALedger {
                path: address.to_string(),
                reason: format!(
                    "the schema `{}` of the database holds tables of another program",
                    address.schema
                ),
            });
        }
        (false, false) => 0,
    };
    if found > FORMAT {
        return Err(LedgerError::Newer { found, known: FORMAT });
    }
    if found == FORMAT {
        return Ok(());
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        session.batch(migration)?;
    }
    let note =
        "INSERT INTO ledger_format (format) VALUES ($1) ON CONFLICT (one) DO UPDATE SET format = EXCLUDED.format";
    session.query(note, &[Parameter::Integer(Some(FORMAT))])?;
    Ok(())
}

/// A value of a row that the database was asked for in this type.
pub(super) fn get<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a tokio_postgres::Row,
    place: usize,
) -> Result<T, Failure> {
    Ok(row.try_get(place)?)
}

/// Waits until nobody else appends, until the transaction ends.
pub(super) fn hold(session: &Session) -> Result<(), Failure> {
    session.query("SELECT FROM ledger_head FOR UPDATE", &[]).map(|_| ())
}

/// Brings the tables to what the inline views declare, and folds again those that changed: all or nothing.
pub(super) fn open_views(session: &Session, views: &Views, upcasters: &Upcasters) -> Result<(), LedgerError> {
    session.transaction(BEGIN, || {
        hold(session)?;
        let mut kept = Vec::new();
        let mut exchanged = false;
        for stored in stored_views(session)? {
            let declared = views.iter().find(|view| view.name() == stored.name);
            if declared.is_some_and(|view| stored.fits(view.as_ref())) {
                kept.push(stored.name);
                continue;
            }
            for table in stored.tables.split_whitespace() {
                rows::drop(session, table, Place::InUse)?;
            }
            session.query(
                "DELETE FROM ledger_views WHERE name = $1",
                &[Parameter::name(stored.name)],
            )?;
            exchanged = true;
        }
        let changed: Vec<&dyn View> = views
            .iter()
            .map(AsRef::as_ref)
            .filter(|view| !kept.iter().any(|name| name == view.name()))
            .collect();
        if !changed.is_empty() {
            fold_anew(session, &changed, upcasters)?;
        }
        if exchanged || !changed.is_empty() {
            next_generation(session)?;
            session.batch("COMMIT")?;
        } else {
            session.roll_back();
        }
        Ok(())
    })
}

/// Says to all writers that rows they know may no longer be what the tables hold.
pub(super) fn next_generation(session: &Session) -> Result<(), Failure> {
    session.batch("UPDATE ledger_head SET generation = generation + 1")
}

/// Whether the inline views in the database are those that are declared.
pub(super) fn same_views(session: &Session, views: &Views) -> Result<bool, Failure> {
    let stored = stored_views(session)?;
    Ok(stored.len() == views.iter().count()
        && stored.iter().all(|stored| {
            let declared = views.iter().find(|view| view.name() == stored.name);
            declared.is_some_and(|view| stored.fits(view.as_ref()))
        }))
}

fn fold_anew(session: &Session, views: &[&dyn View], upcasters: &Upcasters) -> Result<(), LedgerError> {
    for table in views.iter().flat_map(|view| view.tables()) {
        rows::create(session, table, Place::InUse)?;
    }
    let mut position = 0;
    let mut overlay = Overlay::default();
    loop {
        let facts = read::facts(session, upcasters, position, read::CHUNK)?;
        let Some(last) = facts.last() else { break };
        position = last.seq;
        for fact in &facts {
            for view in views {
                fold_into(session, &mut overlay, *view, fact, Place::InUse)
                    .map_err(|error| fold_error(view.name(), fact.seq, error))?;
            }
        }
        write_out(session, &mut overlay, Place::InUse)?;
    }
    for view in views {
        for table in view.tables() {
            rows::create_indexes(session, table, Place::InUse)?;
        }
        let parameters = [
            Parameter::name(view.name()),
            Parameter::natural(view.version().into()),
            Parameter::name(shape(*view)),
            Parameter::name(tables(*view)),
        ];
        session.query("INSERT INTO ledger_views VALUES ($1, $2, $3, $4)", &parameters)?;
        tracing::info!(view = view.name(), facts = position, "folded");
    }
    Ok(())
}

/// How many rows a fold of everything keeps in memory.
const KNOWN: usize = 50_000;

/// Writes what has changed, and forgets it where it has become much.
pub(super) fn write_out(session: &Session, overlay: &mut Overlay, place: Place) -> Result<(), Failure> {
    session.all(&overlay.writes(place))?;
    overlay.written();
    if overlay.size() > KNOWN {
        overlay.forget();
    }
    Ok(())
}

/// The view's tables as one text, by which a change of them is seen: also of how they are kept here. The tables
/// of versions that kept all rows in one have another, and are folded again.
pub(super) fn shape(view: &dyn View) -> String {
    format!("{} and beside", crate::view::shape(view))
}

/// The names of a view's tables.
pub(super) fn tables(view: &dyn View) -> String {
    let tables: Vec<_> = view.tables().iter().map(|table| table.name).collect();
    tables.join(" ")
}

/// A failed fold of a recorded fact, told apart from a failure of the store.
pub(super) fn fold_error(view: &'static str, seq: Position, error: FoldError) -> LedgerError {
    match error {
        FoldError::Full => LedgerError::Full,
        FoldError::Store(text) => LedgerError::Store(text),
        error => LedgerError::Fold { view, seq, error },
    }
}

/// Lets a view take in a fact, into the tables of `place`.
pub(super) fn fold_into(
    session: &Session,
    overlay: &mut Overlay,
    view: &dyn View,
    fact: &Fact,
    place: Place,
) -> Result<(), FoldError> {
    fold(
        view,
        fact,
        &mut PostgresRows {
            session,
            overlay,
            declared: view.tables(),
            place,
        },
    )
}

struct StoredView {
    name: String,
    version: i64,
    shape: String,
    tables: String,
}

impl StoredView {
    fn fits(&self, view: &dyn View) -> bool {
        i64::from(view.version()) == self.version && shape(view) == self.shape
    }
}

fn stored_views(session: &Session) -> Result<Vec<StoredView>, Failure> {
    let rows = session.query("SELECT name, version, shape, tables FROM ledger_views", &[])?;
    rows.iter()
        .map(|row| {
            Ok(StoredView {
                name: get(row, 0)?,
                version: get(row, 1)?,
                shape: get(row, 2)?,
                tables: get(row, 3)?,
            })
        })
        .collect()
}

/// Whether a table of that name is there with just these columns.
fn is_as_declared(session: &Session, name: &str, table: &crate::view::Table) -> Result<bool, Failure> {
    let rows = session.query(
        "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
         WHERE a.attrelid = to_regclass(quote_ident($1)) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        &[Parameter::name(name)],
    )?;
    let found: Result<Vec<(String, String)>, Failure> =
        rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect();
    let declared = table
        .columns
        .iter()
        .map(|column| (column.name.to_owned(), rows::kind(column.kind).to_owned()));
    Ok(found?.into_iter().eq(declared))
}

/// Whether what was folded beside the table differs from it.
pub(super) fn differs(session: &Session, table: &crate::view::Table) -> Result<bool, Failure> {
    let columns = rows::quoted(table.columns.iter().map(|column| column.name));
    let mut pairs = vec![(Place::Fresh.name(table.name), Place::InUse.name(table.name))];
    if aside::is_possible(table) {
        pairs.push((Place::Fresh.beside(table.name), Place::InUse.beside(table.name)));
    }
    for (fresh, in_use) in pairs {
        if !is_as_declared(session, &in_use, table)? {
            return Ok(true);
        }
        let sql = format!(
            "SELECT EXISTS (SELECT {columns} FROM \"{in_use}\" EXCEPT SELECT {columns} FROM \"{fresh}\")
                 OR EXISTS (SELECT {columns} FROM \"{fresh}\" EXCEPT SELECT {columns} FROM \"{in_use}\")"
        );
        let row = session.first(&sql, &[])?;
        if row.map(|row| get(&row, 0)).transpose()?.unwrap_or(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl From<ReadFailure> for Failure {
    fn from(failure: ReadFailure) -> Self {
        match failure {
            ReadFailure::Store(failure) => failure,
            ReadFailure::Found(error) => Self::Other(error.to_string()),
        }
    }
}
