//! The verdicts that conditions see: brought for the packages that could come next somewhere, and for
//! no others, so that a decision costs the same however long the history is.

use std::collections::BTreeSet;

use facts::{Digest, Position};
use ledger::{Direction, Ledger, Op, Row, Select};
use policy::gate::KnownVerdict;
use serde_json::json;

use super::DeliveryError;
use super::runs::Reach;
use crate::decide;
use crate::path::Path;
use crate::state::{Package, State};
use crate::views::VERDICTS;

/// How many packages are asked about in one question.
const AT_ONCE: usize = 500;

/// Up to where the verdicts in a state were read.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    read_at: Position,
}

impl Verdicts {
    /// Brings what is new about the packages in the way into `state`, and forgets the others.
    pub(super) async fn bring(&mut self, state: &mut State, reach: &Reach, path: &Path) -> Result<(), DeliveryError> {
        let subjects = in_the_way(state, path);
        state.verdicts.retain(|subject, _| subjects.contains(subject));
        // The head first: what comes while the rows are read is read again the next time.
        let head = reach.ledger.head().await?;
        let (known, new): (Vec<Digest>, Vec<Digest>) = subjects
            .into_iter()
            .partition(|subject| state.verdicts.contains_key(subject));
        for (subjects, after) in [(known, self.read_at), (new, 0)] {
            for subjects in subjects.chunks(AT_ONCE) {
                let rows = rows(&*reach.ledger, subjects, after).await?;
                for subject in subjects {
                    state.verdicts.entry(*subject).or_default();
                }
                for row in rows {
                    let verdicts = state.verdicts.entry(row.parse("subject")?).or_default();
                    take_in(verdicts, known_verdict(&row)?);
                }
            }
        }
        self.read_at = head;
        Ok(())
    }
}

/// The newest verdicts on one package.
pub(super) async fn on(ledger: &dyn Ledger, subject: Digest) -> Result<Vec<KnownVerdict>, DeliveryError> {
    let mut verdicts = Vec::new();
    for row in rows(ledger, &[subject], 0).await? {
        take_in(&mut verdicts, known_verdict(&row)?);
    }
    Ok(verdicts)
}

/// Whether a condition could ask for verdicts on the package.
pub(super) fn may_be_asked(path: &Path, package: &Package) -> bool {
    !package.gates.is_empty() || path.environments().iter().any(|policy| !policy.gates.is_empty())
}

/// The packages whose gates are judged in a decision, as far as a condition could ask for verdicts.
fn in_the_way(state: &State, path: &Path) -> BTreeSet<Digest> {
    let mut subjects = BTreeSet::new();
    for policy in path.environments() {
        let here = state.environment(&policy.name);
        let asked_for = here.requested.and_then(|(digest, _)| state.packages.get(&digest));
        let judged = decide::candidates(state, policy, &here).into_iter().chain(asked_for);
        subjects.extend(
            judged
                .filter(|package| may_be_asked(path, package))
                .map(|package| package.digest),
        );
    }
    subjects
}

async fn rows(ledger: &dyn Ledger, subjects: &[Digest], after: Position) -> Result<Vec<Row>, DeliveryError> {
    let query = Select::from(VERDICTS)
        .any_of("subject", subjects.iter().map(Digest::to_string))
        .filter("seq", Op::Gt, after)
        .order("seq", Direction::Asc);
    Ok(ledger.select(query).await?.rows)
}

/// The newest verdict about a thing in a place stands for all before it.
fn take_in(verdicts: &mut Vec<KnownVerdict>, new: KnownVerdict) {
    verdicts.retain(|old| (&old.about, &old.environment) != (&new.about, &new.environment));
    verdicts.push(new);
}

fn known_verdict(row: &Row) -> Result<KnownVerdict, DeliveryError> {
    Ok(KnownVerdict {
        about: row.text("about")?.to_owned(),
        environment: row.optional_parse("environment")?,
        result: serde_json::from_value(json!(row.text("result")?))?,
        numbers: row.optional_json("numbers")?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use facts::published::Judgement;
    use facts::{Actor, Commit, ComponentName, EnvironmentName, ReleaseLine, RunId, Timestamp, Version};
    use policy::Gate;

    use super::*;
    use crate::kinds::{PackageAccepted, PackageSuperseded, PromotionRequested};
    use crate::path::{EnvironmentPolicy, Strategy, TargetPolicy};
    use crate::verdict::verdict_stream;

    fn package(number: u64) -> Digest {
        Digest::of(format!("package {number}"))
    }

    /// Packages 1 to 5; 4 took the place of those before it, somebody asks for 2 again.
    fn state() -> State {
        let mut state = State::default();
        let at = Timestamp::UNIX_EPOCH;
        for number in 1..=5 {
            let accepted = PackageAccepted {
                package: package(number),
                version: Version::new(format!("1.0.{number}")).unwrap(),
                component_name: ComponentName::new("shop/cart").unwrap(),
                commit: Commit::new(format!("{number:040x}")).unwrap(),
                line: ReleaseLine::new("main").unwrap(),
                order: number,
                run: RunId::derived(at, &verdict_stream(package(number)), 1, 0),
                author: Actor::System,
                definition: Digest::of("definition"),
                gates: Vec::new(),
            };
            state.evolve(&accepted.into(), at);
        }
        let environment = EnvironmentName::new("staging").unwrap();
        for number in 1..4 {
            let (package, by) = (package(number), package(4));
            let environment = environment.clone();
            state.evolve(
                &PackageSuperseded {
                    package,
                    environment,
                    by,
                }
                .into(),
                at,
            );
        }
        let (package, by) = (package(2), Actor::System);
        state.evolve(
            &PromotionRequested {
                package,
                environment,
                by,
            }
            .into(),
            at,
        );
        state
    }

    fn path(gates: Vec<Gate>) -> Path {
        let staging = EnvironmentPolicy {
            name: EnvironmentName::new("staging").unwrap(),
            after: Vec::new(),
            lines: vec![ReleaseLine::new("main").unwrap()],
            soak: Duration::ZERO,
            approvals: Vec::new(),
            gates,
            strategy: Strategy::Rolling,
            target: TargetPolicy::Process { instances: 1 },
            address: None,
            database: None,
        };
        Path::new(vec![staging], Digest::of("policy"))
    }

    #[test]
    fn only_what_could_come_next_is_in_the_way_and_only_where_a_condition_could_ask() {
        let gate = Gate {
            name: "loaded".to_owned(),
            when: policy::Condition::compile("size(verdicts) > 0").unwrap(),
            message: "no verdict".to_owned(),
        };
        let way: Vec<Digest> = in_the_way(&state(), &path(vec![gate])).into_iter().collect();
        let mut wanted = vec![package(2), package(4), package(5)];
        wanted.sort();
        assert_eq!(way, wanted);
        assert!(in_the_way(&state(), &path(Vec::new())).is_empty());
    }

    #[test]
    fn the_newest_verdict_about_a_thing_in_a_place_stands() {
        let verdict = |about: &str, environment: Option<&str>, result| KnownVerdict {
            about: about.to_owned(),
            environment: environment.map(|name| EnvironmentName::new(name).unwrap()),
            result,
            numbers: serde_json::Value::Null,
        };
        let mut verdicts = Vec::new();
        for new in [
            verdict("load", Some("staging"), Judgement::Fail),
            verdict("load", None, Judgement::Fail),
            verdict("load", Some("staging"), Judgement::Pass),
        ] {
            take_in(&mut verdicts, new);
        }
        let results: Vec<_> = verdicts
            .iter()
            .map(|verdict| (verdict.environment.is_some(), verdict.result))
            .collect();
        assert_eq!(results, [(false, Judgement::Fail), (true, Judgement::Pass)]);
    }
}
