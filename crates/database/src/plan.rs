//! What is to be done, given the migrations of a package and the journal of a database.

use facts::Digest;
use serde::Serialize;

use crate::engine::{Applied, Entry, EntryState};
use crate::migration::{Kind, Migration, MigrationKey, MigrationSet, Phase};

/// What to do with a version below the highest one applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Refuse it.
    #[default]
    Strict,
    /// Apply it, before the higher ones that are pending.
    Any,
}

/// One migration that is to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedMigration {
    /// What names it.
    pub key: MigrationKey,
    /// Its file.
    pub file: String,
    /// Its name for people.
    pub name: String,
    /// Versioned or repeatable.
    pub kind: Kind,
    /// What it does to older packages.
    pub phase: Phase,
    /// How many statements it has.
    pub statements: usize,
    /// How many of them took effect earlier.
    pub done: usize,
}

/// Why a plan cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "problem", rename_all = "kebab-case")]
pub enum Problem {
    /// An applied file has another text now.
    #[error(
        "{file} was changed after it was applied: {} then, {} now\n  hint: restore the file as it was, and put the change into a new migration",
        applied.short(), found.short()
    )]
    Changed {
        /// The file.
        file: String,
        /// What names it.
        key: MigrationKey,
        /// Its checksum when it was applied.
        applied: Digest,
        /// Its checksum now.
        found: Digest,
    },
    /// Statements that took effect have another text now.
    #[error(
        "{file} stopped after statement {done}, and the statements up to there were changed since\n  hint: restore them; what comes after may be mended"
    )]
    ChangedMidway {
        /// The file.
        file: String,
        /// What names it.
        key: MigrationKey,
        /// How many statements took effect.
        done: usize,
    },
    /// An applied file is gone, while later ones are there.
    #[error(
        "{file} (version {key}) was applied and is missing, though later versions are here\n  hint: restore the file"
    )]
    Missing {
        /// The file that was applied.
        file: String,
        /// What names it.
        key: MigrationKey,
    },
    /// A version below the highest one applied.
    #[error(
        "{file} (version {key}) comes before version {last}, which is applied already\n  hint: give it a version above {last}"
    )]
    OutOfOrder {
        /// The file.
        file: String,
        /// What names it.
        key: MigrationKey,
        /// The highest version applied.
        last: String,
    },
    /// An undo script stopped half-way.
    #[error("taking back {file} (version {key}) stopped half-way\n  hint: let the undo run to its end first")]
    HalfUndone {
        /// The file.
        file: String,
        /// What names it.
        key: MigrationKey,
    },
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What is to run, in this order.
    pub steps: Vec<PlannedMigration>,
    /// What stands against it.
    pub problems: Vec<Problem>,
    /// Applied by a newer package: versions above all of this one's. Nothing is done about them.
    pub ahead: Vec<MigrationKey>,
}

/// Makes the plan that brings the database to what `set` asks for.
pub fn plan(set: &MigrationSet, applied: &Applied, order: Order) -> Plan {
    let mut plan = Plan::default();
    let last = applied.last_version();
    for migration in set.migrations() {
        let entry = applied.get(&migration.key);
        match entry.map(|entry| (entry, entry.state)) {
            Some((entry, EntryState::Applied)) if entry.checksum == migration.checksum => {}
            Some((entry, EntryState::Applied)) if migration.kind == Kind::Versioned => {
                plan.problems.push(Problem::Changed {
                    file: migration.file.clone(),
                    key: migration.key.clone(),
                    applied: entry.checksum,
                    found: migration.checksum,
                });
            }
            Some((_, EntryState::Undoing)) => plan.problems.push(Problem::HalfUndone {
                file: migration.file.clone(),
                key: migration.key.clone(),
            }),
            Some((entry, EntryState::Open)) if !begins_with(migration, entry) => {
                plan.problems.push(Problem::ChangedMidway {
                    file: migration.file.clone(),
                    key: migration.key.clone(),
                    done: entry.done.len(),
                });
            }
            pending => {
                if let (MigrationKey::Version(version), Some(last), Order::Strict) = (&migration.key, last, order)
                    && version < last
                {
                    plan.problems.push(Problem::OutOfOrder {
                        file: migration.file.clone(),
                        key: migration.key.clone(),
                        last: last.to_string(),
                    });
                }
                let done = match pending {
                    Some((entry, EntryState::Open)) => entry.done.len(),
                    _ => 0,
                };
                plan.steps.push(planned(migration, done));
            }
        }
    }
    for entry in &applied.entries {
        let MigrationKey::Version(version) = &entry.key else {
            // A repeatable one that is gone has done its work; nothing depends on its text.
            continue;
        };
        if set.get(&entry.key).is_some() || entry.state == EntryState::Undone {
            continue;
        }
        if set.last_version().is_none_or(|last| version > last) {
            plan.ahead.push(entry.key.clone());
        } else {
            plan.problems.push(Problem::Missing {
                file: entry.file.clone(),
                key: entry.key.clone(),
            });
        }
    }
    plan
}

pub(crate) fn planned(migration: &Migration, done: usize) -> PlannedMigration {
    PlannedMigration {
        key: migration.key.clone(),
        file: migration.file.clone(),
        name: migration.name.clone(),
        kind: migration.kind,
        phase: migration.phase,
        statements: migration.statements.len(),
        done,
    }
}

/// Whether the statements that took effect are still the first ones of the file.
pub(crate) fn begins_with(migration: &Migration, entry: &Entry) -> bool {
    entry.done.len() <= migration.statements.len()
        && entry
            .done
            .iter()
            .zip(&migration.statements)
            .all(|(done, statement)| *done == Digest::of(&statement.sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(files: &[(&str, &str)]) -> MigrationSet {
        MigrationSet::of_files(
            crate::Dialect::Sqlite,
            files
                .iter()
                .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())),
        )
        .unwrap()
    }

    fn journal(set: &MigrationSet) -> Applied {
        let entries = set
            .migrations()
            .iter()
            .map(|migration| Entry {
                key: migration.key.clone(),
                file: migration.file.clone(),
                kind: migration.kind,
                phase: migration.phase,
                checksum: migration.checksum,
                raw_checksum: migration.raw_checksum,
                state: EntryState::Applied,
                done: Vec::new(),
                started_at: facts::Timestamp::UNIX_EPOCH,
                finished_at: None,
                failure: None,
            })
            .collect();
        Applied { entries }
    }

    fn keys(plan: &Plan) -> Vec<String> {
        plan.steps.iter().map(|step| step.key.to_string()).collect()
    }

    #[test]
    fn pending_versions_come_in_order_and_changed_repeatables_last() {
        let before = set(&[("V1__a.sql", "a"), ("R__v.sql", "v"), ("R__w.sql", "w")]);
        let after = set(&[
            ("V1__a.sql", "a"),
            ("V3__c.sql", "c"),
            ("V2__b.sql", "b"),
            ("R__v.sql", "changed"),
            ("R__w.sql", "w"),
        ]);
        let plan = plan(&after, &journal(&before), Order::Strict);
        assert_eq!(keys(&plan), ["2", "3", "R__v"]);
        assert!(plan.problems.is_empty() && plan.ahead.is_empty());
    }

    #[test]
    fn a_changed_file_is_a_problem_that_names_it() {
        let plan = plan(
            &set(&[("V1__a.sql", "changed")]),
            &journal(&set(&[("V1__a.sql", "a")])),
            Order::Strict,
        );
        assert!(
            plan.problems[0]
                .to_string()
                .starts_with("V1__a.sql was changed after it was applied")
        );
        assert!(plan.steps.is_empty());
    }

    #[test]
    fn what_a_newer_package_applied_is_no_problem_for_an_older_one() {
        let old = set(&[("V1__a.sql", "a")]);
        let new = set(&[("V1__a.sql", "a"), ("V2__b.sql", "b")]);
        let plan = plan(&old, &journal(&new), Order::Strict);
        assert!(plan.problems.is_empty() && plan.steps.is_empty());
        assert_eq!(plan.ahead, ["2".parse().unwrap()]);
    }

    #[test]
    fn a_missing_file_and_a_late_version_are_problems() {
        let applied = journal(&set(&[("V1__a.sql", "a"), ("V3__c.sql", "c")]));
        let found = set(&[("V2__b.sql", "b"), ("V3__c.sql", "c")]);
        let strict = plan(&found, &applied, Order::Strict);
        assert!(matches!(&strict.problems[0], Problem::OutOfOrder { last, .. } if last == "3"));
        assert!(matches!(&strict.problems[1], Problem::Missing { file, .. } if file == "V1__a.sql"));
        let any = plan(&found, &applied, Order::Any);
        assert_eq!(any.problems.len(), 1);
        assert_eq!(keys(&any), ["2"]);
    }

    #[test]
    fn an_open_file_may_be_mended_after_the_statements_that_took_effect() {
        let original = set(&[("V1__a.sql", "one; two;")]);
        let mut applied = journal(&original);
        applied.entries[0].state = EntryState::Open;
        applied.entries[0].done = vec![Digest::of("one")];
        let mended = plan(&set(&[("V1__a.sql", "one; three;")]), &applied, Order::Strict);
        assert!(mended.problems.is_empty());
        assert_eq!((mended.steps[0].done, mended.steps[0].statements), (1, 2));
        let broken = plan(&set(&[("V1__a.sql", "zero; two;")]), &applied, Order::Strict);
        assert!(matches!(broken.problems[0], Problem::ChangedMidway { done: 1, .. }));
    }
}
