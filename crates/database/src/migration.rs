//! What a package's folder of migrations holds.
//!
//! Two habits of naming are understood: Flyway's (`V1__x.sql`, `V1.2__x.sql`, `R__x.sql`,
//! `U1__x.sql`) and that of sqlx and dbmate (`<version>_<name>.up.sql` with `.down.sql`, or
//! `<version>_<name>.sql`). Comment lines at the head of a file say more about it:
//!
//! ```sql
//! -- phase: contract
//! -- no-transaction
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use facts::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::dialect::Dialect;
use crate::statement::{self, SplitError, Statement, Unclosed};

/// The largest migration file that is read, in bytes.
pub const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// The version of a schema: numbers between dots. `1`, `01` and `1.0` are versions 1, 1 and 1.0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaVersion(Vec<u64>);

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no schema version: numbers between dots are expected, such as `3` or `2026.1`")]
pub struct SchemaVersionError(String);

impl FromStr for SchemaVersion {
    type Err = SchemaVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        };
        // Flyway writes the dot of a version as `_` too.
        text.split(['.', '_'])
            .map(number)
            .collect::<Option<Vec<u64>>>()
            .map(Self)
            .ok_or_else(|| SchemaVersionError(text.chars().take(80).collect()))
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, number) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            write!(f, "{number}")?;
        }
        Ok(())
    }
}

impl Serialize for SchemaVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SchemaVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What names a migration in the journal: its version, or the name of a repeatable one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MigrationKey {
    /// A versioned migration. These come first.
    Version(SchemaVersion),
    /// A repeatable migration, by the name in its file's name.
    Repeatable(String),
}

impl fmt::Display for MigrationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => version.fmt(f),
            Self::Repeatable(name) => write!(f, "R__{name}"),
        }
    }
}

impl FromStr for MigrationKey {
    type Err = SchemaVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("R__") {
            Some(name) => Ok(Self::Repeatable(name.to_owned())),
            None => text.parse().map(Self::Version),
        }
    }
}

impl Serialize for MigrationKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MigrationKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What kind of script a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Runs once, in the order of versions.
    Versioned,
    /// Runs whenever its text changed, after all versioned ones.
    Repeatable,
    /// Takes a versioned one back.
    Undo,
}

/// What a migration does to packages that were written before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Adds; older packages go on working.
    Expand,
    /// Fills what was added; older packages go on working.
    Backfill,
    /// Takes away what older packages may still use.
    Contract,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expand => "expand",
            Self::Backfill => "backfill",
            Self::Contract => "contract",
        })
    }
}

impl FromStr for Phase {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "expand" => Ok(Self::Expand),
            "backfill" => Ok(Self::Backfill),
            "contract" => Ok(Self::Contract),
            _ => Err(()),
        }
    }
}

/// One file, read and cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// What names it in the journal. An undo script has the version of what it takes back.
    pub key: MigrationKey,
    /// What kind of script it is.
    pub kind: Kind,
    /// The name in the file's name, `_` read as a space.
    pub name: String,
    /// The file's name.
    pub file: String,
    /// What it does to older packages.
    pub phase: Phase,
    /// Whether its statements share one transaction: where the file asks for it and the database can.
    pub transaction: bool,
    /// The digest of the text without byte order mark, with `\n` line ends, without final ones.
    pub checksum: Digest,
    /// The digest of the file as it is.
    pub raw_checksum: Digest,
    /// Its statements, in order.
    pub statements: Vec<Statement>,
}

/// A file that is no usable migration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The folder or a file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// What could not be read.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// A name of neither habit.
    #[error(
        "{file}: the name says no version\n  hint: name it like `V3__add_email.sql`, `R__views.sql` or `3_add_email.up.sql`"
    )]
    Name {
        /// The file.
        file: String,
    },
    /// Not a plain file.
    #[error("{file} is a link or a folder\n  hint: put the migrations as plain files into one folder")]
    NotPlain {
        /// The file.
        file: String,
    },
    /// Too large.
    #[error("{file} has {bytes} bytes, more than the {LARGEST_FILE} that are read")]
    Large {
        /// The file.
        file: String,
        /// Its size.
        bytes: u64,
    },
    /// Not text, or text with a zero in it.
    #[error("{file} is not UTF-8 text")]
    NotText {
        /// The file.
        file: String,
    },
    /// Two files with one version.
    #[error("{first} and {second} have the same version {key}\n  hint: give one of them a new version")]
    Twice {
        /// The one.
        first: String,
        /// The other.
        second: String,
        /// What both name.
        key: String,
    },
    /// An undo script without what it undoes.
    #[error("{file} takes back version {key}, which is not there")]
    NothingToUndo {
        /// The file.
        file: String,
        /// The version.
        key: String,
    },
    /// A phase that is none.
    #[error("{file}:{line}: `{text}` is no phase\n  hint: `expand`, `backfill` or `contract`")]
    Phase {
        /// The file.
        file: String,
        /// The line.
        line: u32,
        /// What stands there.
        text: String,
    },
    /// Something never closed.
    #[error("{file}:{line}: {what} that begins here is never closed")]
    Unclosed {
        /// The file.
        file: String,
        /// The line.
        line: u32,
        /// What is open.
        what: &'static str,
    },
    /// A statement that no transaction can hold, among others.
    #[error(
        "{file}:{line}: this statement cannot share a transaction with the others of the file\n  hint: put it into a file of its own, or write `-- no-transaction` at the head of this one, whose statements then take effect one by one"
    )]
    Mixed {
        /// The file.
        file: String,
        /// The line.
        line: u32,
    },
    /// A statement that would work against the runner.
    #[error("{file}:{line}: `{keyword}` is not for a migration\n  hint: {hint}")]
    Statement {
        /// The file.
        file: String,
        /// The line.
        line: u32,
        /// Its first word.
        keyword: String,
        /// What to do.
        hint: &'static str,
    },
}

/// All migrations of one package, in the order in which they run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigrationSet {
    /// Versioned ones by version, then repeatable ones by name.
    forward: Vec<Migration>,
    /// Undo scripts by the version they take back.
    undo: BTreeMap<MigrationKey, Migration>,
}

impl MigrationSet {
    /// Reads the folder. Files whose names do not end in `.sql` are left alone.
    ///
    /// # Errors
    /// When the folder cannot be read or a file is no usable migration.
    pub fn scan(dialect: Dialect, folder: &Path) -> Result<Self, ScanError> {
        let unreadable = |path: &Path, error: std::io::Error| ScanError::Read {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
            let entry = entry.map_err(|error| unreadable(folder, error))?;
            let path = entry.path();
            let file = entry.file_name().to_string_lossy().into_owned();
            if !file.ends_with(".sql") || file.starts_with('.') {
                continue;
            }
            // Not followed: a link could lead out of the package.
            let metadata = std::fs::symlink_metadata(&path).map_err(|error| unreadable(&path, error))?;
            if !metadata.is_file() {
                return Err(ScanError::NotPlain { file });
            }
            if metadata.len() > LARGEST_FILE {
                let bytes = metadata.len();
                return Err(ScanError::Large { file, bytes });
            }
            let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
            files.push((file, bytes));
        }
        Self::of_files(dialect, files)
    }

    /// The set of these files, given as names and contents.
    ///
    /// # Errors
    /// When a file is no usable migration.
    pub fn of_files(dialect: Dialect, files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, ScanError> {
        let mut forward: BTreeMap<MigrationKey, Migration> = BTreeMap::new();
        let mut undo: BTreeMap<MigrationKey, Migration> = BTreeMap::new();
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort();
        for (file, bytes) in files {
            let migration = Migration::read(dialect, file, &bytes)?;
            let side = if migration.kind == Kind::Undo {
                &mut undo
            } else {
                &mut forward
            };
            if let Some(first) = side.get(&migration.key) {
                return Err(ScanError::Twice {
                    first: first.file.clone(),
                    second: migration.file,
                    key: migration.key.to_string(),
                });
            }
            side.insert(migration.key.clone(), migration);
        }
        if let Some(lonely) = undo.values().find(|undo| !forward.contains_key(&undo.key)) {
            return Err(ScanError::NothingToUndo {
                file: lonely.file.clone(),
                key: lonely.key.to_string(),
            });
        }
        Ok(Self {
            forward: forward.into_values().collect(),
            undo,
        })
    }

    /// The versioned and the repeatable migrations, in the order in which they run.
    pub fn migrations(&self) -> &[Migration] {
        &self.forward
    }

    /// The migration that the journal names `key`.
    pub fn get(&self, key: &MigrationKey) -> Option<&Migration> {
        self.forward.iter().find(|migration| migration.key == *key)
    }

    /// The script that takes `key` back.
    pub fn undo(&self, key: &MigrationKey) -> Option<&Migration> {
        self.undo.get(key)
    }

    /// The highest version.
    pub fn last_version(&self) -> Option<&SchemaVersion> {
        self.forward.iter().rev().find_map(|migration| match &migration.key {
            MigrationKey::Version(version) => Some(version),
            MigrationKey::Repeatable(_) => None,
        })
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.forward.is_empty()
    }
}

impl Migration {
    /// Reads one file.
    ///
    /// # Errors
    /// When it is no usable migration.
    pub fn read(dialect: Dialect, file: String, bytes: &[u8]) -> Result<Self, ScanError> {
        let Some((key, kind, name)) = parse_name(&file) else {
            return Err(ScanError::Name { file });
        };
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(ScanError::NotText { file });
        };
        // SQLite takes no notice of what stands behind it, and PostgreSQL none of the whole.
        if text.contains('\0') {
            return Err(ScanError::NotText { file });
        }
        let text = normalise(text);
        let (phase, transaction) = parse_header(&file, &text)?;
        let statements = match statement::split(dialect, &text) {
            Ok(statements) => statements,
            Err(SplitError::Unclosed(Unclosed { what, line })) => return Err(ScanError::Unclosed { file, line, what }),
            Err(SplitError::Refused { line, keyword, hint }) => {
                return Err(ScanError::Statement {
                    file,
                    line,
                    keyword,
                    hint,
                });
            }
        };
        let transaction = transaction
            && match dialect.shares_transaction(&statements) {
                Ok(shares) => shares,
                Err(Statement { line, .. }) => {
                    let line = *line;
                    return Err(ScanError::Mixed { file, line });
                }
            };
        Ok(Self {
            key,
            kind,
            name,
            file,
            phase,
            transaction,
            checksum: Digest::of(&text),
            raw_checksum: Digest::of(bytes),
            statements,
        })
    }
}

/// Without byte order mark, with `\n` line ends, without line ends at the end. Lines keep their
/// numbers.
fn normalise(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    text.trim_end_matches('\n').to_owned()
}

fn parse_name(file: &str) -> Option<(MigrationKey, Kind, String)> {
    let stem = file.strip_suffix(".sql")?;
    let readable = |name: &str| name.replace('_', " ");
    if let Some(name) = stem.strip_prefix("R__") {
        return (!name.is_empty()).then(|| {
            (
                MigrationKey::Repeatable(name.to_owned()),
                Kind::Repeatable,
                readable(name),
            )
        });
    }
    for (prefix, kind) in [("V", Kind::Versioned), ("U", Kind::Undo)] {
        if let Some((version, name)) = stem.strip_prefix(prefix).and_then(|rest| rest.split_once("__")) {
            let version = version.parse().ok()?;
            return Some((MigrationKey::Version(version), kind, readable(name)));
        }
    }
    let (stem, kind) = match stem.strip_suffix(".down") {
        Some(stem) => (stem, Kind::Undo),
        None => (stem.strip_suffix(".up").unwrap_or(stem), Kind::Versioned),
    };
    let (version, name) = stem.split_once('_').unwrap_or((stem, ""));
    let version = version.parse().ok()?;
    Some((MigrationKey::Version(version), kind, readable(name)))
}

/// What the comment lines before the first statement say: the phase, and whether to use one
/// transaction.
fn parse_header(file: &str, text: &str) -> Result<(Phase, bool), ScanError> {
    let (mut phase, mut transaction) = (Phase::Expand, true);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let Some(comment) = line.strip_prefix("--") else {
            if line.is_empty() {
                continue;
            }
            break;
        };
        let comment = comment.trim();
        if comment == "no-transaction" {
            transaction = false;
        } else if let Some(said) = comment.strip_prefix("phase:") {
            phase = said.trim().parse().map_err(|()| ScanError::Phase {
                file: file.to_owned(),
                line: number,
                text: said.trim().chars().take(80).collect(),
            })?;
        }
    }
    Ok((phase, transaction))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(files: &[(&str, &str)]) -> Result<MigrationSet, ScanError> {
        MigrationSet::of_files(
            Dialect::Sqlite,
            files
                .iter()
                .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())),
        )
    }

    #[test]
    fn both_habits_of_naming_are_read_and_ordered_by_number() {
        let set = set(&[
            ("V10__ten.sql", "select 10;"),
            ("R__views.sql", "select 0;"),
            ("V2__two.sql", "select 2;"),
            ("U2__two.sql", "select -2;"),
            ("2.1_two_one.up.sql", "select 21;"),
            ("2.1_two_one.down.sql", "select -21;"),
            ("0003_three.sql", "select 3;"),
        ])
        .unwrap();
        let keys: Vec<_> = set.migrations().iter().map(|m| m.key.to_string()).collect();
        assert_eq!(keys, ["2", "2.1", "3", "10", "R__views"]);
        assert!(set.undo(&"2".parse().unwrap()).is_some() && set.undo(&"2.1".parse().unwrap()).is_some());
        assert_eq!(set.last_version().unwrap().to_string(), "10");
        assert_eq!(set.get(&"2.1".parse().unwrap()).unwrap().name, "two one");
    }

    #[test]
    fn the_checksum_forgives_line_ends_a_byte_order_mark_and_the_final_newline() {
        let one = Migration::read(Dialect::Sqlite, "V1__a.sql".into(), b"select 1;\nselect 2;\n").unwrap();
        let other = Migration::read(
            Dialect::Sqlite,
            "V1__a.sql".into(),
            "\u{feff}select 1;\r\nselect 2;".as_bytes(),
        )
        .unwrap();
        assert_eq!(one.checksum, other.checksum);
        assert_ne!(one.raw_checksum, other.raw_checksum);
        let changed = Migration::read(Dialect::Sqlite, "V1__a.sql".into(), b"select 1;\nselect 3;\n").unwrap();
        assert_ne!(one.checksum, changed.checksum);
    }

    #[test]
    fn the_head_of_a_file_says_phase_and_transaction() {
        let read = |text: &str| Migration::read(Dialect::Sqlite, "V1__a.sql".into(), text.as_bytes());
        let contract = read("-- takes the old column away\n--phase:contract\n-- no-transaction\nselect 1;").unwrap();
        assert_eq!((contract.phase, contract.transaction), (Phase::Contract, false));
        let default = read("select 1;\n-- phase: contract").unwrap();
        assert_eq!((default.phase, default.transaction), (Phase::Expand, true));
        let error = read("\n-- phase: shrink\nselect 1;").unwrap_err();
        assert!(
            error.to_string().starts_with("V1__a.sql:2: `shrink` is no phase"),
            "{error}"
        );
    }

    #[test]
    fn files_that_cannot_run_are_refused_with_their_place() {
        let error = |files: &[(&str, &str)]| set(files).unwrap_err().to_string();
        assert!(error(&[("add.sql", "")]).starts_with("add.sql: the name says no version"));
        assert!(
            error(&[("V1__a.sql", ""), ("1_b.up.sql", "")])
                .starts_with("1_b.up.sql and V1__a.sql have the same version 1")
        );
        assert!(error(&[("U1__a.sql", "")]).contains("takes back version 1, which is not there"));
        assert!(
            error(&[("V1__a.sql", "select 1;\n begin;")]).starts_with("V1__a.sql:2: `BEGIN` is not for a migration")
        );
        assert!(error(&[("V1__a.sql", "attach 'x' as y")]).contains("its own database only"));
        assert!(error(&[("V1__a.sql", "select 1;\n\nselect \"x")]).starts_with("V1__a.sql:3: a name in quotes"));
        let binary =
            MigrationSet::of_files(Dialect::Sqlite, [("V1__a.sql".to_owned(), vec![0xff, 0xfe, 0])]).unwrap_err();
        assert_eq!(binary.to_string(), "V1__a.sql is not UTF-8 text");
        let hidden = MigrationSet::of_files(
            Dialect::Sqlite,
            [("V1__a.sql".to_owned(), b"update t set a = 1\0 where id = 3".to_vec())],
        );
        assert_eq!(hidden.unwrap_err().to_string(), "V1__a.sql is not UTF-8 text");
        assert!(
            error(&[("V1__a.sql", "select 1;\u{feff}commit;")])
                .starts_with("V1__a.sql:1: `COMMIT` is not for a migration")
        );
    }
}
