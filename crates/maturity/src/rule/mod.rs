//! Rules: CEL over the measures of an evidence, with three answers: yes, no, unknown.
//!
//! A measure that was not seen is neither yes nor no. So a rule is cut at its logical operators, each
//! piece is evaluated by itself, and the answers are joined in Kleene's logic: `no && unknown` is no,
//! `yes && unknown` is unknown. A piece that names a measure which was not seen is unknown. What comes
//! out as yes or no therefore stays so whatever the missing measures turn out to be.

mod split;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use evidence::vocabulary;
use policy::scope::{Shape, Variable};
use policy::{Condition, ConditionError, Scope};
use serde_json::{Map, Value, json};

use split::{Cut, Letters};
pub(crate) use telling::name;

/// The parameters of a practice, as a rule sees them.
pub type Limits = BTreeMap<String, f64>;

/// A compiled rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    source: String,
    logic: Logic,
    measures: BTreeSet<&'static str>,
}

#[derive(Debug, Clone, PartialEq)]
enum Logic {
    All(Vec<Logic>),
    Any(Vec<Logic>),
    Not(Box<Logic>),
    Piece(Piece),
}

/// A part of a rule without logical operators.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// As it was written, on one line.
    pub text: String,
    condition: Condition,
    /// The measures it names.
    pub measures: BTreeSet<&'static str>,
}

/// One of three answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// It cannot be said.
    Unknown,
}

/// How a rule came to its answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Weighed<'a> {
    /// All of them have to be so.
    All(Truth, Vec<Weighed<'a>>),
    /// One of them has to be so.
    Any(Truth, Vec<Weighed<'a>>),
    /// It must not be so.
    Not(Truth, Box<Weighed<'a>>),
    /// A piece, and why it is unknown when it is.
    Piece(Truth, &'a Piece, Option<String>),
}

/// The families that rules may ask.
const FAMILIES: [&str; 3] = ["history", "pipelines", "files"];
/// The variable that holds the parameters of the practice.
const LIMIT: &str = "limit";

/// What a rule may name: the vocabulary, and the practice's parameters.
static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    let mut variables: Vec<Variable> = FAMILIES
        .iter()
        .map(|family| {
            let fields: Vec<Variable> = vocabulary::all()
                .filter_map(|declared| {
                    let (of, name) = declared.name.split_once('.')?;
                    (of == *family).then_some(Variable {
                        name,
                        about: declared.meaning,
                        shape: match declared.kind {
                            vocabulary::Kind::List => Shape::List(&Shape::Plain),
                            _ => Shape::Plain,
                        },
                    })
                })
                .collect();
            Variable {
                name: family,
                about: "measures",
                shape: Shape::Object(Vec::leak(fields)),
            }
        })
        .collect();
    variables.push(Variable {
        name: LIMIT,
        about: "the parameters of the practice",
        shape: Shape::Map(&Shape::Plain),
    });
    Scope {
        of: "a rule",
        variables: Vec::leak(variables),
    }
});

impl Rule {
    /// Compiles a rule that may ask for `limits`.
    ///
    /// # Errors
    /// When it is none: it names what is not there, or its kinds do not fit. Says where in `source`.
    pub fn compile(source: &str, limits: &Limits) -> Result<Self, ConditionError> {
        let whole = Condition::compile_for(source, &SCOPE)?;
        let letters = Letters::of(source);
        let error = |at: usize, message: String, hint: &str| {
            let (line, column) = letters.place(at);
            ConditionError {
                line,
                column,
                message,
                hint: Some(hint.to_owned()),
            }
        };
        if let Some(at) = letters.comment() {
            return Err(error(
                at,
                "a rule holds no comment".to_owned(),
                "put it beside the rule, after `#`",
            ));
        }
        for word in letters.words() {
            if word.selected {
                continue;
            }
            if word.called && word.text == "has" {
                return Err(error(
                    word.start,
                    "`has` would take what was not seen for a no".to_owned(),
                    "ask the measure itself: a rule is unknown where it was not seen",
                ));
            }
            if (FAMILIES.contains(&word.text.as_str()) || word.text == LIMIT) && word.member.is_none() {
                return Err(error(
                    word.start,
                    format!("`{}` is asked for as a whole", word.text),
                    &format!("name one of its members: `{}.name`", word.text),
                ));
            }
        }
        for member in whole.members() {
            if member.variable == LIMIT && !limits.contains_key(&member.name) {
                let hint = match policy::nearest::nearest(&member.name, limits.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "give it under `limits` of the practice".to_owned(),
                };
                return Err(ConditionError {
                    line: member.line,
                    column: member.column,
                    message: format!("the practice has no limit `{}`", member.name),
                    hint: Some(hint),
                });
            }
        }
        let logic = Logic::build(&letters.cut(), &letters, limits)?;
        let mut measures = BTreeSet::new();
        logic.measures(&mut measures);
        Ok(Self {
            source: source.trim().to_owned(),
            logic,
            measures,
        })
    }

    /// The rule as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The measures it names.
    pub fn measures(&self) -> &BTreeSet<&'static str> {
        &self.measures
    }

    /// The limits it names.
    pub fn limits(&self) -> impl Iterator<Item = String> {
        Letters::of(&self.source)
            .words()
            .into_iter()
            .filter(|word| !word.selected && word.text == LIMIT)
            .filter_map(|word| word.member)
    }

    /// Weighs the rule. `known` gives the value of a measure, or says why there is none.
    pub fn weigh(&self, limits: &Limits, known: &dyn Fn(&str) -> Result<Value, String>) -> Weighed<'_> {
        self.logic.weigh(limits, known)
    }
}

impl Logic {
    fn build(cut: &Cut, letters: &Letters, limits: &Limits) -> Result<Self, ConditionError> {
        let all = |cuts: &[Cut]| {
            cuts.iter()
                .map(|cut| Self::build(cut, letters, limits))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match cut {
            Cut::All(cuts) => Self::All(all(cuts)?),
            Cut::Any(cuts) => Self::Any(all(cuts)?),
            Cut::Not(cut) => Self::Not(Box::new(Self::build(cut, letters, limits)?)),
            Cut::Piece { start, end } => Self::Piece(Piece::compile(letters, *start, *end, limits)?),
        })
    }

    fn measures(&self, into: &mut BTreeSet<&'static str>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.measures(into)),
            Self::Not(part) => part.measures(into),
            Self::Piece(piece) => into.extend(&piece.measures),
        }
    }

    fn weigh(&self, limits: &Limits, known: &dyn Fn(&str) -> Result<Value, String>) -> Weighed<'_> {
        match self {
            Self::All(parts) => {
                let parts: Vec<Weighed<'_>> = parts.iter().map(|part| part.weigh(limits, known)).collect();
                Weighed::All(parts.iter().map(Weighed::truth).fold(Truth::Yes, Truth::and), parts)
            }
            Self::Any(parts) => {
                let parts: Vec<Weighed<'_>> = parts.iter().map(|part| part.weigh(limits, known)).collect();
                Weighed::Any(parts.iter().map(Weighed::truth).fold(Truth::No, Truth::or), parts)
            }
            Self::Not(part) => {
                let part = part.weigh(limits, known);
                Weighed::Not(part.truth().not(), Box::new(part))
            }
            Self::Piece(piece) => piece.weigh(limits, known),
        }
    }
}

impl Piece {
    fn compile(letters: &Letters, start: usize, end: usize, limits: &Limits) -> Result<Self, ConditionError> {
        let source: String = letters.letters[start..end].iter().collect();
        let placed = |error: ConditionError| {
            let (line, column) = letters.place(start);
            ConditionError {
                line: line + error.line - 1,
                column: if error.line == 1 {
                    column + error.column - 1
                } else {
                    error.column
                },
                ..error
            }
        };
        let condition = Condition::compile_for(&source, &SCOPE).map_err(placed)?;
        let measures: BTreeSet<&'static str> = Letters::of(&source)
            .words()
            .into_iter()
            .filter(|word| !word.selected && FAMILIES.contains(&word.text.as_str()))
            .filter_map(|word| vocabulary::find(&format!("{}.{}", word.text, word.member?)))
            .map(|declared| declared.name)
            .collect();
        let piece = Self {
            text: source.split_whitespace().collect::<Vec<_>>().join(" "),
            condition,
            measures,
        };
        // Does it fit the kinds of what it names? An evaluation with something of each kind says so.
        piece.evaluate(limits, &|name| Ok(sample(name))).map_err(|message| {
            placed(ConditionError {
                line: 1,
                column: 1,
                message,
                hint: Some(format!("{}; see docs/evidence.md", piece.kinds())),
            })
        })?;
        Ok(piece)
    }

    fn evaluate(&self, limits: &Limits, known: &dyn Fn(&str) -> Result<Value, String>) -> Result<bool, String> {
        let mut variables: Map<String, Value> = Map::new();
        variables.insert(LIMIT.to_owned(), json!(limits));
        for family in FAMILIES {
            variables.insert(family.to_owned(), json!({}));
        }
        for name in &self.measures {
            let value = known(name)?;
            if let Some((family, member)) = name.split_once('.')
                && let Some(members) = variables.get_mut(family).and_then(Value::as_object_mut)
            {
                members.insert(member.to_owned(), value);
            }
        }
        self.condition
            .evaluate(&Value::Object(variables))
            .map_err(|error| error.to_string())
    }

    fn weigh(&self, limits: &Limits, known: &dyn Fn(&str) -> Result<Value, String>) -> Weighed<'_> {
        match self.evaluate(limits, known) {
            Ok(true) => Weighed::Piece(Truth::Yes, self, None),
            Ok(false) => Weighed::Piece(Truth::No, self, None),
            Err(reason) => Weighed::Piece(Truth::Unknown, self, Some(reason)),
        }
    }

    /// `files.stacks is a list, history.commits is a count`
    fn kinds(&self) -> String {
        let kinds: Vec<String> = self
            .measures
            .iter()
            .filter_map(|name| vocabulary::find(name))
            .map(|declared| format!("`{}` is {}", declared.name, crate::words::kind(declared.kind)))
            .collect();
        if kinds.is_empty() {
            return "it names no measure".to_owned();
        }
        kinds.join(", ")
    }
}

/// A value of the kind that a measure has.
fn sample(name: &str) -> Value {
    match vocabulary::find(name).map(|declared| declared.kind) {
        Some(vocabulary::Kind::Boolean) => json!(true),
        Some(vocabulary::Kind::Count) => json!(1),
        Some(vocabulary::Kind::Text) => json!("word"),
        Some(vocabulary::Kind::List) => json!(["word"]),
        _ => json!(0.5),
    }
}

impl Truth {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }

    fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    /// The other way round; unknown stays unknown.
    #[allow(clippy::should_implement_trait)] // reads as the logic it is
    pub fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl Weighed<'_> {
    /// The answer.
    pub fn truth(&self) -> Truth {
        match self {
            Self::All(truth, _) | Self::Any(truth, _) | Self::Not(truth, _) | Self::Piece(truth, ..) => *truth,
        }
    }
}

#[cfg(test)]
mod tests;
