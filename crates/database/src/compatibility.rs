//! Whether a package works on a schema that a newer package brought.
//!
//! The rule of expand and contract: a package goes on working as long as everything that came after
//! its own migrations only adds (`expand`) or fills (`backfill`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::engine::{Applied, EntryState};
use crate::migration::{Kind, MigrationKey, MigrationSet, Phase};

/// Whether the way back is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanReturn {
    /// Whether the current package works after the target's migrations.
    pub possible: bool,
    /// Why, in sentences for people; never empty.
    pub reasons: Vec<String>,
    /// The migrations that close the way back.
    pub blocked_by: Vec<MigrationKey>,
}

/// Whether the `current` package still works once the migrations of the `target` package are applied
/// to a `database` with this journal. Pure.
pub fn can_return(current: &MigrationSet, target: &MigrationSet, database: &Applied) -> CanReturn {
    let mut reasons = Vec::new();
    let mut blocked_by = BTreeSet::new();
    let mut added = 0;
    for migration in target.migrations() {
        match current.get(&migration.key) {
            None if migration.phase == Phase::Contract => {
                reasons.push(format!(
                    "{} takes away what the current package may use (phase contract)",
                    migration.file
                ));
                blocked_by.insert(migration.key.clone());
            }
            None => added += 1,
            Some(known) if migration.kind == Kind::Versioned && known.checksum != migration.checksum => {
                reasons.push(format!("{} differs between the two packages", migration.file));
                blocked_by.insert(migration.key.clone());
            }
            Some(known) if known.checksum != migration.checksum && migration.phase == Phase::Contract => {
                reasons.push(format!(
                    "{} was changed and takes away what the current package may use (phase contract)",
                    migration.file
                ));
                blocked_by.insert(migration.key.clone());
            }
            Some(_) => {}
        }
    }
    // What others applied in between, and what stands in the database already.
    for entry in &database.entries {
        let known = current.get(&entry.key).is_some() || target.get(&entry.key).is_some();
        if !known && entry.state != EntryState::Undone && entry.phase == Phase::Contract {
            reasons.push(format!(
                "{} is applied already and takes away what the current package may use (phase contract)",
                entry.file
            ));
            blocked_by.insert(entry.key.clone());
        }
    }
    // What the current package needs and the target does not know: after a return it is still there.
    for migration in current.migrations() {
        let there = database
            .get(&migration.key)
            .is_some_and(|entry| entry.state == EntryState::Applied);
        let comes = target.get(&migration.key).is_some();
        if migration.kind == Kind::Versioned && !there && !comes {
            reasons.push(format!(
                "{}, which the current package needs, is not applied",
                migration.file
            ));
            blocked_by.insert(migration.key.clone());
        }
    }
    let possible = blocked_by.is_empty();
    if possible {
        reasons.push(match added {
            0 => "the target adds no migration".to_owned(),
            1 => "the migration that the target adds only expands or fills".to_owned(),
            more => format!("the {more} migrations that the target adds only expand or fill"),
        });
    }
    CanReturn {
        possible,
        reasons,
        blocked_by: blocked_by.into_iter().collect(),
    }
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

    fn applied(set: &MigrationSet) -> Applied {
        let entries = set
            .migrations()
            .iter()
            .map(|migration| crate::engine::Entry {
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

    const ONE: (&str, &str) = ("V1__a.sql", "a");
    const EXPAND: (&str, &str) = ("V2__b.sql", "b");
    const FILL: (&str, &str) = ("V3__c.sql", "-- phase: backfill\nc");
    const CONTRACT: (&str, &str) = ("V4__d.sql", "-- phase: contract\nd");

    #[test]
    fn the_way_back_is_open_over_expand_and_backfill_and_closed_by_contract() {
        let current = set(&[ONE]);
        let database = applied(&current);
        let open = can_return(&current, &set(&[ONE, EXPAND, FILL]), &database);
        assert!(open.possible, "{open:?}");
        assert_eq!(
            open.reasons,
            ["the 2 migrations that the target adds only expand or fill"]
        );
        let closed = can_return(&current, &set(&[ONE, EXPAND, FILL, CONTRACT]), &database);
        assert!(!closed.possible);
        assert_eq!(closed.blocked_by, ["4".parse().unwrap()]);
        assert!(closed.reasons[0].starts_with("V4__d.sql takes away"));
        assert!(can_return(&current, &current, &database).possible);
    }

    #[test]
    fn a_contract_that_both_packages_know_closes_nothing() {
        let both = set(&[ONE, EXPAND, FILL, CONTRACT]);
        let more = set(&[ONE, EXPAND, FILL, CONTRACT, ("V5__e.sql", "e")]);
        assert!(can_return(&both, &more, &applied(&both)).possible);
    }

    #[test]
    fn what_a_third_package_applied_counts_too() {
        let current = set(&[ONE]);
        let database = applied(&set(&[ONE, CONTRACT]));
        let verdict = can_return(&current, &set(&[ONE]), &database);
        assert!(
            !verdict.possible && verdict.reasons[0].contains("applied already"),
            "{verdict:?}"
        );
    }

    #[test]
    fn a_file_that_differs_between_the_packages_closes_the_way_back() {
        let current = set(&[ONE]);
        let verdict = can_return(&current, &set(&[("V1__a.sql", "other")]), &applied(&current));
        assert!(!verdict.possible && verdict.reasons[0].contains("differs"));
    }
}
