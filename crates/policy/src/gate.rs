//! Gates: named conditions, judged by what is known about a candidate.

use facts::published::Judgement;
use facts::{Commit, Digest, EnvironmentName, ReleaseLine, Version};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::condition::{Condition, EvaluationError};

/// A named condition that lets a candidate in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// What must hold.
    pub when: Condition,
    /// What to tell a person when it does not hold.
    pub message: String,
}

/// What is known about a candidate for an environment: the variables of [`crate::scope::GATE`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateInput {
    /// The package that wants to enter.
    pub candidate: CandidatePackage,
    /// Where it would go.
    pub environment: EnteredEnvironment,
    /// Where it has proven itself.
    pub proven_in: Vec<EnvironmentName>,
    /// The newest verdicts on it, one for each subject and environment.
    pub verdicts: Vec<KnownVerdict>,
}

/// The candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidatePackage {
    /// Its digest.
    pub digest: Digest,
    /// Its version, where it has one.
    pub version: Option<Version>,
    /// The commit it was built from.
    pub commit: Commit,
    /// Its release line.
    pub line: ReleaseLine,
    /// Whether it was found bad somewhere.
    pub barred: bool,
}

/// The environment that a candidate would enter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnteredEnvironment {
    /// Its name.
    pub name: EnvironmentName,
    /// The number of its state.
    pub generation: u64,
    /// The package that runs there.
    pub package: Option<Digest>,
    /// Whether what runs there has proven itself.
    pub proven: bool,
}

/// A verdict on the candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownVerdict {
    /// What was judged.
    pub about: String,
    /// Where.
    pub environment: Option<EnvironmentName>,
    /// What it came to.
    pub result: Judgement,
    /// The numbers behind it.
    #[serde(default)]
    pub numbers: Value,
}

impl GateInput {
    /// The variables as conditions see them.
    pub fn variables(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

/// What came of one gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReason {
    /// The gate's name.
    pub gate: String,
    /// What it came to.
    pub result: Judgement,
    /// Why, in a sentence.
    pub reason: String,
}

/// What came of some gates together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateVerdict {
    /// Fail when one fails, else unknown when one is unknown, else wait when one waits, else pass.
    pub result: Judgement,
    /// One for each gate, in their order.
    pub reasons: Vec<GateReason>,
}

/// Judges a candidate by these gates.
///
/// A condition that holds passes. One that does not hold fails when it names only what can never
/// change about the candidate (`candidate`), for then it never will; otherwise it waits. One that asks
/// for something not known yet waits; one that goes wrong is unknown.
pub fn evaluate(gates: &[Gate], input: &GateInput) -> GateVerdict {
    let variables = input.variables();
    let reasons: Vec<GateReason> = gates.iter().map(|gate| judge(gate, &variables)).collect();
    let result = [Judgement::Fail, Judgement::Unknown, Judgement::Wait]
        .into_iter()
        .find(|worst| reasons.iter().any(|reason| reason.result == *worst))
        .unwrap_or(Judgement::Pass);
    GateVerdict { result, reasons }
}

fn judge(gate: &Gate, variables: &Value) -> GateReason {
    let (result, reason) = match gate.when.evaluate(variables) {
        Ok(true) => (Judgement::Pass, format!("`{}` holds", gate.when)),
        Ok(false) if gate.when.variables().all(|name| name == "candidate") => (Judgement::Fail, gate.message.clone()),
        Ok(false) => (Judgement::Wait, gate.message.clone()),
        Err(EvaluationError::Missing(what)) => {
            (Judgement::Wait, format!("{}: `{what}` is not known yet", gate.message))
        }
        Err(error) => (
            Judgement::Unknown,
            format!("`{}` cannot be evaluated: {error}", gate.when),
        ),
    };
    GateReason {
        gate: gate.name.clone(),
        result,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scope::{GATE, Shape, Variable};

    fn input() -> GateInput {
        GateInput {
            candidate: CandidatePackage {
                digest: Digest::of("a"),
                version: Some("1.4.0".parse().unwrap()),
                commit: "a".repeat(40).parse().unwrap(),
                line: "main".parse().unwrap(),
                barred: false,
            },
            environment: EnteredEnvironment {
                name: "production".parse().unwrap(),
                generation: 7,
                package: Some(Digest::of("b")),
                proven: true,
            },
            proven_in: vec!["staging".parse().unwrap()],
            verdicts: vec![KnownVerdict {
                about: "load".to_owned(),
                environment: Some("staging".parse().unwrap()),
                result: Judgement::Pass,
                numbers: json!({"p95_ms": 40}),
            }],
        }
    }

    fn gate(when: &str) -> Gate {
        Gate {
            name: "g".to_owned(),
            when: Condition::compile_for(when, &GATE).unwrap_or_else(|error| panic!("{when}: {error}")),
            message: "not good enough".to_owned(),
        }
    }

    #[test]
    fn a_gate_passes_waits_fails_or_cannot_say() {
        for (when, expected, reason) in [
            (
                "candidate.line == 'main'",
                Judgement::Pass,
                "`candidate.line == 'main'` holds",
            ),
            ("candidate.line == 'release/1'", Judgement::Fail, "not good enough"),
            ("'qa' in proven_in", Judgement::Wait, "not good enough"),
            (
                "verdicts.exists(v, v.about == 'load' && v.numbers.p95_ms < 50)",
                Judgement::Pass,
                "",
            ),
            (
                "verdicts[0].numbers.p99_ms < 50",
                Judgement::Wait,
                "not good enough: `p99_ms` is not known yet",
            ),
            (
                "candidate.line < 3",
                Judgement::Unknown,
                "`candidate.line < 3` cannot be evaluated: `<` cannot be applied to string and int",
            ),
        ] {
            let verdict = evaluate(&[gate(when)], &input());
            assert_eq!(verdict.result, expected, "{when}: {verdict:?}");
            assert!(verdict.reasons[0].reason.starts_with(reason), "{when}: {verdict:?}");
        }
    }

    #[test]
    fn the_worst_gate_decides_and_each_gives_its_reason() {
        let verdict = evaluate(
            &[
                gate("candidate.line == 'main'"),
                gate("'qa' in proven_in"),
                gate("candidate.barred"),
            ],
            &input(),
        );
        assert_eq!(verdict.result, Judgement::Fail);
        let results: Vec<_> = verdict.reasons.iter().map(|reason| reason.result).collect();
        assert_eq!(results, [Judgement::Pass, Judgement::Wait, Judgement::Fail]);
        assert_eq!(evaluate(&[], &input()).result, Judgement::Pass);
    }

    #[test]
    fn the_scope_has_exactly_the_fields_of_the_input() {
        fn names(value: &Value) -> Vec<&str> {
            let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            names
        }
        fn declared(variables: &'static [Variable]) -> Vec<&'static str> {
            let mut names: Vec<&str> = variables.iter().map(|variable| variable.name).collect();
            names.sort_unstable();
            names
        }
        let variables = input().variables();
        assert_eq!(names(&variables), declared(GATE.variables));
        for variable in GATE.variables {
            match variable.shape {
                Shape::Object(fields) => assert_eq!(names(&variables[variable.name]), declared(fields)),
                Shape::List(Shape::Object(fields)) => assert_eq!(names(&variables[variable.name][0]), declared(fields)),
                _ => {}
            }
        }
    }
}
