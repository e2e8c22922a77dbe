//! Which variables a condition may name, and what fields they have.
//!
//! A condition that names something that can never be there is refused when it is compiled, with the
//! nearest name that is there: a gate that silently never opens helps nobody.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};

use crate::condition::ConditionError;
use crate::message::Places;
use crate::nearest::nearest;

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Anything; its fields are not checked.
    Any,
    /// A text, a number, or true or false.
    Plain,
    /// A list of such values.
    List(&'static Shape),
    /// An object whose member names are data, such as step names.
    Map(&'static Shape),
    /// An object with exactly these fields.
    Object(&'static [Variable]),
}

/// A variable or a field of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it is, for the reference.
    pub about: &'static str,
    /// What it looks like.
    pub shape: Shape,
}

/// The variables of one kind of condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scope {
    /// What kind of condition it is, for messages: `a gate`, `a step's condition`.
    pub of: &'static str,
    /// The variables.
    pub variables: &'static [Variable],
}

const fn plain(name: &'static str, about: &'static str) -> Variable {
    Variable {
        name,
        about,
        shape: Shape::Plain,
    }
}

/// A member that a condition asks a variable for by name, such as a step of `needs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The variable.
    pub variable: String,
    /// The member's name.
    pub name: String,
    /// The line of the condition's own text, from 1.
    pub line: u32,
    /// The column in that line, in characters, from 1.
    pub column: u32,
}

/// What an expression names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub variables: BTreeSet<String>,
    pub members: Vec<Member>,
}

/// What the condition `when` of a step may name.
pub const STEP: Scope = Scope {
    of: "a step's condition",
    variables: &[
        Variable {
            name: "needs",
            about: "by name, the steps that this one needs, when they are finished",
            shape: Shape::Map(&Shape::Object(&[
                plain(
                    "result",
                    "`succeeded`, `failed`, `timed-out`, `cancelled`, `skipped` or `unknown`",
                ),
                Variable {
                    name: "outputs",
                    about: "what the step put out",
                    shape: Shape::Any,
                },
                Variable {
                    name: "instances",
                    about: "of a step with a matrix, each of its instances, of one with a module, each step that it gives; else empty",
                    shape: Shape::List(&Shape::Object(&[
                        plain("name", "the instance's name"),
                        plain("result", "as above"),
                        Variable {
                            name: "matrix",
                            about: "by axis, its values",
                            shape: Shape::Map(&Shape::Plain),
                        },
                        Variable {
                            name: "outputs",
                            about: "what the instance put out",
                            shape: Shape::Any,
                        },
                    ])),
                },
            ])),
        },
        Variable {
            name: "matrix",
            about: "in a step with a matrix, by axis, the values of this instance",
            shape: Shape::Map(&Shape::Plain),
        },
        Variable {
            name: "inputs",
            about: "in a step of a module, by name, the module's inputs where it is used",
            shape: Shape::Map(&Shape::Any),
        },
        Variable {
            name: "run",
            about: "the run that the step belongs to",
            shape: Shape::Object(&[
                plain("kind", "such as `build`"),
                plain("component", "`team/component`"),
                plain("commit", "the commit id, or null"),
                plain("line", "the release line, or null"),
                plain("environment", "the environment that it changes, or null"),
                plain("trust", "`trusted` or `untrusted`"),
            ]),
        },
    ],
};

/// What the condition `when` of a gate may name. [`crate::GateInput`] gives the values.
pub const GATE: Scope = Scope {
    of: "a gate",
    variables: &[
        Variable {
            name: "candidate",
            about: "the package that wants to enter (`package` is a reserved word in CEL)",
            shape: Shape::Object(&[
                plain("digest", "its digest, `sha256:...`"),
                plain("version", "its version, or null"),
                plain("commit", "the commit it was built from"),
                plain("line", "its release line"),
                plain("barred", "whether it was found bad somewhere"),
            ]),
        },
        Variable {
            name: "environment",
            about: "the environment that it would enter",
            shape: Shape::Object(&[
                plain("name", "its name"),
                plain("generation", "the number of its state"),
                plain("package", "the digest of the package that runs there, or null"),
                plain("proven", "whether what runs there has proven itself"),
            ]),
        },
        Variable {
            name: "proven_in",
            about: "the names of the environments in which the candidate has proven itself",
            shape: Shape::List(&Shape::Plain),
        },
        Variable {
            name: "verdicts",
            about: "the newest verdicts on the candidate, one for each subject and environment",
            shape: Shape::List(&Shape::Object(&[
                plain("about", "what was judged, such as `tests`, `canary`"),
                plain("environment", "where, or null"),
                plain("result", "`pass`, `fail`, `wait` or `unknown`"),
                Variable {
                    name: "numbers",
                    about: "the numbers behind it, as the judge defines them",
                    shape: Shape::Any,
                },
            ])),
        },
    ],
};

/// The functions of conditions besides operators and macros.
const FUNCTIONS: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "bytes",
    "type",
    "dyn",
];
/// The macros, for suggestions.
const MACROS: &[&str] = &["has", "all", "exists", "exists_one", "map", "filter"];
/// The names of types, which are values too.
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];
/// Functions that CEL has elsewhere and that depend on time.
const OF_TIME: &[&str] = &[
    "now",
    "timestamp",
    "duration",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
];

/// Checks names and functions; returns what the expression names.
pub(crate) fn check(
    expression: &IdedExpr,
    scope: Option<&Scope>,
    places: &Places<'_>,
) -> Result<Names, ConditionError> {
    let mut check = Check {
        scope,
        places,
        named: BTreeSet::new(),
        members: Vec::new(),
        bound: Vec::new(),
    };
    check.shape(expression)?;
    if let Some(found) = never_boolean(expression) {
        return Err(places.error(
            expression.id,
            format!("a condition comes to true or false, this is {found}"),
            Some("compare it with something, such as `... == 1`".to_owned()),
        ));
    }
    Ok(Names {
        variables: check.named,
        members: check.members,
    })
}

/// What the expression is when it can be seen not to come to true or false.
fn never_boolean(expression: &IdedExpr) -> Option<&'static str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Boolean(_)) => None,
        Expr::Literal(LiteralValue::String(_)) => Some("a text"),
        Expr::Literal(LiteralValue::Null) => Some("null"),
        Expr::Literal(LiteralValue::Bytes(_)) => Some("bytes"),
        Expr::Literal(_) => Some("a number"),
        Expr::List(_) => Some("a list"),
        Expr::Map(_) | Expr::Struct(_) => Some("a map"),
        Expr::Call(call) => match call.func_name.as_str() {
            operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO | operators::NEGATE => {
                Some("a number")
            }
            "size" | "int" | "uint" | "double" => Some("a number"),
            "string" => Some("a text"),
            _ => None,
        },
        _ => None,
    }
}

struct Check<'a> {
    scope: Option<&'a Scope>,
    places: &'a Places<'a>,
    named: BTreeSet<String>,
    members: Vec<Member>,
    /// Names bound by comprehensions, innermost last.
    bound: Vec<(String, Shape)>,
}

impl Check<'_> {
    fn shape(&mut self, expression: &IdedExpr) -> Result<Shape, ConditionError> {
        match &expression.expr {
            Expr::Unspecified => Ok(Shape::Any),
            Expr::Literal(_) => Ok(Shape::Plain),
            Expr::Ident(name) => self.name(expression.id, name),
            Expr::Select(select) => {
                let of = self.shape(&select.operand)?;
                self.note_member(expression.id, of, &select.operand, &select.field);
                self.field(expression.id, of, &select.field)
            }
            Expr::List(list) => {
                for element in &list.elements {
                    self.shape(element)?;
                }
                Ok(Shape::List(&Shape::Any))
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    self.entry(&entry.expr)?;
                }
                Ok(Shape::Any)
            }
            Expr::Struct(object) => Err(self.places.error(
                expression.id,
                format!("there is no type `{}`", object.type_name),
                Some("a map is written `{'name': value}`".to_owned()),
            )),
            Expr::Call(call) => self.call(expression.id, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    /// Notes a member that a map is asked for by name, where the map is a variable.
    fn note_member(&mut self, id: u64, of: Shape, operand: &IdedExpr, member: &str) {
        if let (Shape::Map(_), Expr::Ident(variable)) = (of, &operand.expr) {
            let (line, column) = self.places.of(id, member);
            self.members.push(Member {
                variable: variable.clone(),
                name: member.to_owned(),
                line,
                column,
            });
        }
    }

    fn entry(&mut self, entry: &EntryExpr) -> Result<(), ConditionError> {
        match entry {
            EntryExpr::StructField(field) => self.shape(&field.value).map(|_| ()),
            EntryExpr::MapEntry(entry) => {
                self.shape(&entry.key)?;
                self.shape(&entry.value).map(|_| ())
            }
        }
    }

    fn name(&mut self, id: u64, name: &str) -> Result<Shape, ConditionError> {
        if let Some((_, shape)) = self.bound.iter().rev().find(|(bound, _)| bound == name) {
            return Ok(*shape);
        }
        if TYPES.contains(&name) {
            return Ok(Shape::Any);
        }
        let Some(scope) = self.scope else {
            self.named.insert(name.to_owned());
            return Ok(Shape::Any);
        };
        let Some(variable) = scope.variables.iter().find(|variable| variable.name == name) else {
            let names = scope.variables.iter().map(|variable| variable.name);
            let bound = self
                .bound
                .iter()
                .map(|(bound, _)| bound.as_str())
                .filter(|bound| !bound.starts_with('@'));
            let hint = match nearest(name, names.clone().chain(bound)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{} knows {}", scope.of, list(names)),
            };
            return Err(self
                .places
                .error(id, format!("there is no variable `{name}` here"), Some(hint)));
        };
        self.named.insert(name.to_owned());
        Ok(variable.shape)
    }

    fn field(&self, id: u64, of: Shape, field: &str) -> Result<Shape, ConditionError> {
        match of {
            Shape::Any => Ok(Shape::Any),
            Shape::Map(of) => Ok(*of),
            Shape::Object(fields) => {
                if let Some(found) = fields.iter().find(|known| known.name == field) {
                    return Ok(found.shape);
                }
                let names = fields.iter().map(|known| known.name);
                let hint = match nearest(field, names.clone()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", list(names)),
                };
                Err(self
                    .places
                    .error_at(id, field, format!("there is no field `{field}` here"), Some(hint)))
            }
            Shape::Plain => Err(self.places.error_at(
                id,
                field,
                format!("`{field}` is asked of a plain value, which has no fields"),
                None,
            )),
            Shape::List(_) => Err(self.places.error_at(
                id,
                field,
                format!("`{field}` is asked of a list, which has no fields"),
                Some(format!(
                    "ask its elements, such as by `.exists(each, each.{field} == ...)`"
                )),
            )),
        }
    }

    fn call(&mut self, id: u64, call: &CallExpr) -> Result<Shape, ConditionError> {
        let name = call.func_name.as_str();
        let is_operator = name.starts_with(['_', '@', '!', '-']);
        if !is_operator && !FUNCTIONS.contains(&name) {
            let (message, hint) = if OF_TIME.contains(&name) {
                (
                    format!("`{name}` depends on time, which a condition does not know"),
                    Some(
                        "the same candidate gets the same verdict at any time; waiting is what `soak` is for"
                            .to_owned(),
                    ),
                )
            } else {
                (
                    format!("there is no function `{name}`"),
                    nearest(name, FUNCTIONS.iter().chain(MACROS).copied())
                        .map(|near| format!("did you mean `{near}`?")),
                )
            };
            return Err(self.places.error_at(id, name, message, hint));
        }
        let target = match &call.target {
            Some(target) => Some(self.shape(target)?),
            None => None,
        };
        let mut shapes = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            shapes.push(self.shape(argument)?);
        }
        if name == "matches" {
            self.pattern(call)?;
        }
        if let (operators::INDEX, [of, index]) = (name, call.args.as_slice())
            && let Expr::Literal(LiteralValue::String(member)) = &index.expr
        {
            self.note_member(index.id, shapes[0], of, member.inner());
        }
        if name == operators::INDEX {
            return Ok(match (shapes.first(), call.args.get(1).map(|index| &index.expr)) {
                (Some(Shape::List(of)), _) | (Some(Shape::Map(of)), _) => **of,
                (Some(of @ Shape::Object(_)), Some(Expr::Literal(LiteralValue::String(field)))) => {
                    self.field(id, *of, field.inner())?
                }
                _ => Shape::Any,
            });
        }
        // Only an operator's result can have fields or be a range: `a ? b : c`, or the
        // accumulator of a comprehension.
        Ok(if is_operator || target.is_none() {
            Shape::Any
        } else {
            Shape::Plain
        })
    }

    /// Patterns are texts in quotes, so that a bad or a huge one is found now.
    fn pattern(&self, call: &CallExpr) -> Result<(), ConditionError> {
        let Some(pattern) = call.args.last() else {
            return Ok(());
        };
        let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else {
            return Err(self.places.error(
                pattern.id,
                "the pattern of `matches` must stand here as a text in quotes".to_owned(),
                None,
            ));
        };
        match regex::RegexBuilder::new(text.inner()).size_limit(1 << 20).build() {
            Ok(_) => Ok(()),
            Err(error) => {
                let text = error.to_string();
                let reason = text
                    .lines()
                    .rev()
                    .find_map(|line| line.strip_prefix("error: "))
                    .unwrap_or(&text);
                Err(self.places.error(
                    pattern.id,
                    format!("the pattern is no regular expression: {reason}"),
                    None,
                ))
            }
        }
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Result<Shape, ConditionError> {
        let range = self.shape(&comprehension.iter_range)?;
        self.shape(&comprehension.accu_init)?;
        let element = match range {
            Shape::List(of) => *of,
            Shape::Map(_) | Shape::Object(_) => Shape::Plain,
            Shape::Any => Shape::Any,
            Shape::Plain => {
                return Err(self
                    .places
                    .error(comprehension.iter_range.id, "this is no list".to_owned(), None));
            }
        };
        let depth = self.bound.len();
        self.bound.push((comprehension.accu_var.clone(), Shape::Any));
        self.bound.push((comprehension.iter_var.clone(), element));
        if let Some(second) = &comprehension.iter_var2 {
            self.bound.push((second.clone(), Shape::Any));
        }
        self.shape(&comprehension.loop_cond)?;
        self.shape(&comprehension.loop_step)?;
        self.shape(&comprehension.result)?;
        self.bound.truncate(depth);
        Ok(Shape::Any)
    }
}

/// `a`, `b` and `c`.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
