//! Conditions: CEL expressions, compiled once, evaluated within a budget.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cel::objects::Key;
use cel::{Context, Env, ExecutionError, IdedExpr};
use serde_json::Value;

use crate::charge::{BUDGET, Spent, depth, wrap};
use crate::message;
use crate::scope::{self, Member, Names, Scope};
use crate::size;

/// The longest condition, in characters.
pub const LONGEST: usize = 2_000;
/// The deepest nesting of brackets in a condition.
pub const DEEPEST: usize = 24;
/// The most operators, calls and names in a condition.
pub const MOST_WORDS: usize = 300;
/// The most values (of any depth) that the variables of a condition may hold.
pub const MOST_VALUES: usize = 100_000;

/// The standard functions of CEL, without optional values. The library is built without its time
/// functions.
static ENVIRONMENT: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::default().with_optional_support(false).with_stdlib()));

/// The environment that expands the standard macros: `has`, `all`, `exists`, `exists_one`, `map` and
/// `filter`.
static MACROS: LazyLock<Env> = LazyLock::new(|| Env::stdlib().with_optional_support(false));

/// A compiled condition. Clones share the compiled form.
#[derive(Clone)]
pub struct Condition {
    source: Arc<str>,
    expression: Arc<IdedExpr>,
    names: Arc<Names>,
    nodes: u64,
    depth: usize,
}

/// A text that is no condition, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionError {
    /// The line of the condition's own text, from 1.
    pub line: u32,
    /// The column in that line, in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Why a condition gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// It asks for something that is not there.
    #[error("`{0}` is not known")]
    Missing(String),
    /// It came to something else than true or false.
    #[error("the condition came to a {0}, not to true or false")]
    NotBoolean(String),
    /// It takes more work than allowed.
    #[error("the condition takes more than {BUDGET} steps of work")]
    TooCostly,
    /// The variables hold more values than allowed, or are no object.
    #[error("{0}")]
    Variables(String),
    /// It went wrong, such as by a division by zero or a comparison of things of different kinds.
    #[error("{0}")]
    Failed(String),
}

impl Condition {
    /// Compiles `source`; any variable may be named.
    ///
    /// # Errors
    /// When it is not a condition; the error says where.
    pub fn compile(source: &str) -> Result<Self, ConditionError> {
        Self::compile_in(source, None)
    }

    /// Compiles `source`; only the variables of `scope`, with the fields they have, may be named.
    ///
    /// # Errors
    /// When it is not a condition, or names something that `scope` does not have.
    pub fn compile_for(source: &str, scope: &Scope) -> Result<Self, ConditionError> {
        Self::compile_in(source, Some(scope))
    }

    fn compile_in(source: &str, scope: Option<&Scope>) -> Result<Self, ConditionError> {
        size::check(source)?;
        with_deep_stack(|| {
            let program = MACROS
                .compile(source)
                .map_err(|errors| message::parse(source, &errors))?;
            let places = message::Places::new(source, program.source_info());
            let mut expression = program.expression().clone();
            let names = scope::check(&expression, scope, &places)?;
            let nodes = wrap(&mut expression);
            let depth = depth(&expression);
            Ok(Self {
                source: source.into(),
                expression: Arc::new(expression),
                names: Arc::new(names),
                nodes,
                depth,
            })
        })
        .unwrap_or_else(|reason| Err(message::whole(format!("the condition cannot be compiled: {reason}"))))
    }

    /// The condition as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The variables it names.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.names.variables.iter().map(String::as_str)
    }

    /// The members that it asks variables with data for names for, such as the steps of `needs`; known
    /// only where it was compiled for a scope.
    pub fn members(&self) -> &[Member] {
        &self.names.members
    }

    /// Whether the condition holds for these variables, the members of an object.
    ///
    /// # Errors
    /// When it gives no answer: something is missing, things do not fit together, or it takes too
    /// much work.
    pub fn evaluate(&self, variables: &Value) -> Result<bool, EvaluationError> {
        let members = variables
            .as_object()
            .ok_or_else(|| EvaluationError::Variables("the variables of a condition are no object".to_owned()))?;
        let spent = Spent::default();
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        spent
            .install(&mut context)
            .map_err(|error| EvaluationError::Failed(error.to_string()))?;
        let mut left = MOST_VALUES;
        for name in &self.names.variables {
            if let Some(value) = members.get(name) {
                let value = convert(value, &mut left).ok_or_else(|| {
                    EvaluationError::Variables(format!("the variables hold more than {MOST_VALUES} values"))
                })?;
                context.add_variable_from_value(name.as_str(), value);
            }
        }
        spent.add(self.nodes).map_err(|_| EvaluationError::TooCostly)?;
        let answer = if self.depth <= SHALLOW {
            context.resolve(&self.expression)
        } else {
            with_deep_stack(|| context.resolve(&self.expression)).map_err(EvaluationError::Failed)?
        };
        if spent.is_over() {
            return Err(EvaluationError::TooCostly);
        }
        match answer {
            Ok(cel::Value::Bool(answer)) => Ok(answer),
            Ok(other) => Err(EvaluationError::NotBoolean(other.type_of().to_string())),
            Err(ExecutionError::NoSuchKey(name) | ExecutionError::UndeclaredReference(name)) => {
                Err(EvaluationError::Missing(name.to_string()))
            }
            Err(ExecutionError::IndexOutOfBounds(_)) => {
                Err(EvaluationError::Missing("an element of a list".to_owned()))
            }
            Err(error) => Err(EvaluationError::Failed(message::evaluation(&error))),
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Condition {}

/// The stack that the deepest condition allowed needs, with room to spare. Where they are not
/// optimised, the generated parser takes more than 100 KiB for each level of brackets, and the
/// interpreter 30 KiB for each level of the expression.
const STACK: usize = 64 << 20;
/// Expressions up to this depth are evaluated on the caller's own stack.
const SHALLOW: usize = 12;

/// Runs `work` on a thread whose stack is deep enough, whatever stack the caller is on. Only what is
/// touched of it takes memory.
fn with_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|threads| {
        let worker = std::thread::Builder::new()
            .name("condition".to_owned())
            .stack_size(STACK);
        match worker.spawn_scoped(threads, work) {
            Ok(worker) => worker.join().map_err(|_| "the interpreter gave up".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })
}

/// JSON as CEL sees it: integers are `int`, or `uint` where they are too large for one.
fn convert(value: &Value, left: &mut usize) -> Option<cel::Value> {
    *left = left.checked_sub(1)?;
    Some(match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => cel::Value::Int(number),
            (None, Some(number)) => cel::Value::UInt(number),
            (None, None) => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::Array(elements) => {
            let elements: Option<Vec<_>> = elements.iter().map(|element| convert(element, left)).collect();
            cel::Value::List(Arc::new(elements?))
        }
        Value::Object(members) => {
            let mut map = HashMap::with_capacity(members.len());
            for (name, member) in members {
                map.insert(Key::String(Arc::new(name.clone())), convert(member, left)?);
            }
            cel::Value::Map(cel::objects::Map { map: Arc::new(map) })
        }
    })
}

/// Compiled conditions by their text, so that a text that comes up again and again is compiled once.
#[derive(Debug, Default)]
pub struct ConditionCache {
    compiled: Mutex<HashMap<String, Condition>>,
}

/// How many conditions a cache holds before it starts again.
const MOST_CACHED: usize = 1_024;

impl ConditionCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The condition `source`, compiled now or before.
    ///
    /// # Errors
    /// When it is not a condition.
    pub fn get(&self, source: &str) -> Result<Condition, ConditionError> {
        if let Some(condition) = self.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(source) {
            return Ok(condition.clone());
        }
        let condition = Condition::compile(source)?;
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if compiled.len() >= MOST_CACHED {
            compiled.clear();
        }
        compiled.insert(source.to_owned(), condition.clone());
        Ok(condition)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(source: &str, variables: Value) -> Result<bool, EvaluationError> {
        Condition::compile(source)
            .unwrap_or_else(|error| panic!("{source}: {error}"))
            .evaluate(&variables)
    }

    #[test]
    fn conditions_are_shared_between_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<Condition>();
        shared::<ConditionCache>();
    }

    #[test]
    fn conditions_compare_walk_and_ask_for_presence() {
        let variables = json!({
            "candidate": {"line": "release/2.x", "size": 3, "share": 0.5, "barred": false},
            "proven_in": ["staging"],
            "verdicts": [{"about": "tests", "result": "pass"}, {"about": "smoke", "result": "fail"}],
        });
        for (source, expected) in [
            ("candidate.line == 'release/2.x'", true),
            ("candidate.line.startsWith('release/') && !candidate.barred", true),
            ("candidate.line.matches('^release/[0-9]+[.]x$')", true),
            ("'staging' in proven_in", true),
            ("'production' in proven_in", false),
            ("verdicts.exists(v, v.about == 'tests' && v.result == 'pass')", true),
            ("verdicts.all(v, v.result == 'pass')", false),
            ("verdicts.filter(v, v.result == 'fail').size() == 1", true),
            ("verdicts.map(v, v.about) == ['tests', 'smoke']", true),
            ("has(candidate.line) && !has(candidate.owner)", true),
            ("candidate.size > 2.5 && candidate.share < 1", true),
            ("candidate.size + 1 == 4", true),
            ("size(proven_in) == 1 ? true : false", true),
            ("candidate.exists(k, k == 'size')", true),
            ("'size' in candidate", true),
            ("candidate['size'] == 3", true),
            ("int('7') == 7 && string(7) == '7' && type(7) == int", true),
        ] {
            assert_eq!(holds(source, variables.clone()), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            holds("a.b == 1", json!({"a": {}})),
            Err(EvaluationError::Missing("b".to_owned()))
        );
        assert_eq!(
            holds("a == 1", json!({})),
            Err(EvaluationError::Missing("a".to_owned()))
        );
        assert!(matches!(
            holds("a[3] == 1", json!({"a": [1]})),
            Err(EvaluationError::Missing(_))
        ));
    }

    #[test]
    fn an_answer_that_is_no_truth_value_is_an_error() {
        assert_eq!(
            holds("a", json!({"a": 1})),
            Err(EvaluationError::NotBoolean("int".to_owned()))
        );
        assert!(matches!(
            holds("a < 'x'", json!({"a": 1})),
            Err(EvaluationError::Failed(_))
        ));
        assert!(matches!(
            holds("1 / a == 1", json!({"a": 0})),
            Err(EvaluationError::Failed(_))
        ));
        assert!(matches!(
            Condition::compile("true").unwrap().evaluate(&json!([])),
            Err(EvaluationError::Variables(_))
        ));
    }

    #[test]
    fn a_map_is_walked_in_the_order_of_its_keys() {
        let variables = json!({"m": {"d": 1, "b": 1, "a": 1, "c": 1, "e": 1}});
        for _ in 0..20 {
            assert_eq!(
                holds("m.map(k, k) == ['a', 'b', 'c', 'd', 'e']", variables.clone()),
                Ok(true)
            );
        }
    }

    #[test]
    fn work_beyond_the_budget_is_refused() {
        let list: Vec<u32> = (0..500).collect();
        let variables = json!({"l": list, "t": "x".repeat(100_000)});
        for source in [
            "l.all(a, l.all(b, l.all(c, a + b + c >= 0)))",
            "l.exists(a, l.exists(b, a + b < 0)) || true",
            "l.map(a, l.map(b, l)).size() == 500",
            "l.map(a, [l, l]).map(b, [b, b]).map(c, [c, c]) != l",
            "l.filter(a, l.filter(b, l.filter(c, c > b).size() > a).size() > 0).size() > 0",
            "l.all(a, !(-a in l) || !(-a in l) || a in l)",
            "l.all(a, !t.contains('yy'))",
            "l.all(a, l.map(b, l + l + l).size() > 0)",
            "l.all(a, t + t != t)",
        ] {
            assert_eq!(
                holds(source, variables.clone()),
                Err(EvaluationError::TooCostly),
                "{source}"
            );
        }
        assert_eq!(holds("l.all(a, a >= 0) && l.exists(a, a == 499)", variables), Ok(true));
    }

    #[test]
    fn variables_without_end_are_refused() {
        let variables = json!({"l": vec![0; MOST_VALUES], "small": 1});
        assert!(matches!(
            holds("l.size() > 0", variables.clone()),
            Err(EvaluationError::Variables(_))
        ));
        assert_eq!(holds("small == 1", variables), Ok(true));
    }

    #[test]
    fn a_cached_condition_is_the_same_condition() {
        let cache = ConditionCache::new();
        let first = cache.get("1 == 1").unwrap();
        assert!(Arc::ptr_eq(&first.expression, &cache.get("1 == 1").unwrap().expression));
        assert!(cache.get("1 ==").is_err());
        for n in 0..2_000 {
            cache.get(&format!("{n} == 1")).unwrap();
        }
        assert!(cache.compiled.lock().unwrap().len() <= MOST_CACHED);
    }
}
