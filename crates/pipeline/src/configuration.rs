//! Settings of a service: what they must be, what they are in an environment, and what differs.

use std::collections::{BTreeMap, BTreeSet};

use facts::{Digest, EnvironmentName};
use policy::nearest::nearest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::Configuration;

/// The key under which values stand that hold where an environment says nothing else.
pub const DEFAULT: &str = "default";

/// What the value of a setting must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["format", "items", "properties", "maxLength", "minLength", "multipleOf", "reload"]))]
pub struct Setting {
    /// The kind of value.
    #[serde(rename = "type")]
    #[schemars(extend("x-later-values" = ["array", "list", "map", "object"]))]
    pub kind: SettingKind,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The values it may have.
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<Value>>,
    /// The least number it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// The greatest number it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// A regular expression that must be found in the text; `^` and `$` tie it to the ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Whether each environment must have a value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// The value where nothing else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether the value is a secret: it is then never written here but named, `{ secret: NAME }`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub secret: bool,
    /// The variable that holds the value for the service; by default the setting's name in capitals,
    /// with `_` for everything that is no letter or digit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the shape serde asks for
fn is_false(value: &bool) -> bool {
    !value
}

/// The kind of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SettingKind {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
}

/// The configuration of one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rendered {
    /// By setting, its value; a secret is `{"secret": NAME}`.
    pub values: BTreeMap<String, Value>,
    /// The variables that give the service its plain values.
    pub variables: BTreeMap<String, String>,
    /// By variable, the name of the secret whose value it holds.
    pub secrets: BTreeMap<String, String>,
    /// The digest of all this: two environments with the same digest are configured alike.
    pub digest: Digest,
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Which.
    pub setting: String,
    /// Its value in the first; `None` where it has none.
    pub before: Option<Value>,
    /// Its value in the second; `None` where it has none.
    pub after: Option<Value>,
}

/// What is wrong with a value, and the mend.
pub(crate) type Wrong = (String, Option<String>);

impl Setting {
    /// The variable that holds the value of the setting `name`.
    pub fn variable_of(&self, name: &str) -> String {
        let capital = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        self.variable
            .clone()
            .unwrap_or_else(|| name.chars().map(capital).collect())
    }

    /// Whether the setting itself makes sense; the key that is wrong, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, Wrong)> {
        let is_number = matches!(self.kind, SettingKind::Integer | SettingKind::Number);
        if !is_number && (self.minimum.is_some() || self.maximum.is_some()) {
            let key = if self.minimum.is_some() { "minimum" } else { "maximum" };
            return Err((key, (format!("`{key}` belongs to numbers"), None)));
        }
        if let (Some(minimum), Some(maximum)) = (self.minimum, self.maximum)
            && minimum > maximum
        {
            return Err((
                "minimum",
                (
                    format!("the minimum {minimum} is greater than the maximum {maximum}"),
                    None,
                ),
            ));
        }
        if let Some(pattern) = &self.pattern {
            if self.kind != SettingKind::String {
                return Err(("pattern", ("`pattern` belongs to texts".to_owned(), None)));
            }
            if let Err(reason) = regex(pattern) {
                return Err((
                    "pattern",
                    (format!("the pattern is no regular expression: {reason}"), None),
                ));
            }
        }
        if self.secret {
            if self.kind != SettingKind::String {
                return Err(("secret", ("a secret has `type: string`".to_owned(), None)));
            }
            for (key, there) in [
                ("enum", self.choices.is_some()),
                ("pattern", self.pattern.is_some()),
                ("default", self.default.is_some()),
            ] {
                if there {
                    let message = format!("`{key}` cannot be used with `secret`, whose value is not known here");
                    return Err((key, (message, None)));
                }
            }
        }
        for choice in self.choices.iter().flatten() {
            self.kind.check(choice).map_err(|wrong| ("enum", wrong))?;
        }
        if let Some(default) = &self.default {
            self.check_value(default).map_err(|wrong| ("default", wrong))?;
        }
        Ok(())
    }

    /// Whether the setting may have this value.
    pub(crate) fn check_value(&self, value: &Value) -> Result<(), Wrong> {
        let reference = secret_of(value);
        if self.secret {
            return match reference {
                Some(_) => Ok(()),
                None => Err((
                    "the value of a secret setting is named, never written".to_owned(),
                    Some("write { secret: NAME }, and set it by `throughline secret set NAME`".to_owned()),
                )),
            };
        }
        if reference.is_some() {
            let hint = "give the setting `secret: true` in the schema".to_owned();
            return Err(("a secret is named for a setting that is none".to_owned(), Some(hint)));
        }
        self.kind.check(value)?;
        if let Some(choices) = &self.choices
            && !choices.iter().any(|choice| same(choice, value))
        {
            let all: Vec<String> = choices.iter().map(Value::to_string).collect();
            let near = value
                .as_str()
                .and_then(|text| nearest(text, choices.iter().filter_map(Value::as_str)))
                .map(|near| format!("did you mean `{near}`?"));
            return Err((format!("{value} is none of {}", all.join(", ")), near));
        }
        if let Some(number) = value.as_f64() {
            if let Some(minimum) = self.minimum.filter(|minimum| number < *minimum) {
                return Err((format!("{value} is less than {minimum}"), None));
            }
            if let Some(maximum) = self.maximum.filter(|maximum| number > *maximum) {
                return Err((format!("{value} is more than {maximum}"), None));
            }
        }
        if let (Some(pattern), Some(text)) = (&self.pattern, value.as_str())
            && !regex(pattern).is_ok_and(|pattern| pattern.is_match(text))
        {
            return Err((format!("{value} does not match `{pattern}`"), None));
        }
        Ok(())
    }
}

impl SettingKind {
    fn check(self, value: &Value) -> Result<(), Wrong> {
        let (fits, what) = match self {
            Self::String => (value.is_string(), "a text"),
            Self::Integer => (value.is_i64() || value.is_u64(), "a whole number"),
            Self::Number => (value.is_number(), "a number"),
            Self::Boolean => (value.is_boolean(), "true or false"),
        };
        if fits {
            return Ok(());
        }
        let hint =
            (self == Self::String && !value.is_object() && !value.is_array()).then(|| "put it in quotes".to_owned());
        Err((format!("{value} is not {what}"), hint))
    }
}

/// The secret that a value names.
fn secret_of(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get("secret")?.as_str()
}

/// 1 and 1.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
        _ => a == b,
    }
}

fn regex(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            text.lines()
                .rev()
                .find_map(|line| line.strip_prefix("error: "))
                .unwrap_or(&text)
                .to_owned()
        })
}

impl Configuration {
    /// The settings by name.
    ///
    /// # Errors
    /// When the frozen schema is not one that this version understands.
    pub fn settings(&self) -> Result<BTreeMap<String, Setting>, Diagnostics> {
        // A package without configuration has no settings.
        if self.schema.is_null() {
            return Ok(BTreeMap::new());
        }
        // A package without settings has no schema.
        if self.schema.is_null() {
            return Ok(BTreeMap::new());
        }
        serde_json::from_value(self.schema.clone())
            .map_err(|error| problem(format!("the schema cannot be read: {error}"), None).into())
    }

    /// The configuration of `environment`: its own values, else those under `default`, else those of
    /// the schema.
    ///
    /// # Errors
    /// When a required value is missing or a value does not fit the schema.
    pub fn render(&self, environment: &EnvironmentName) -> Result<Rendered, Diagnostics> {
        let settings = self.settings()?;
        let of = |key: &str| self.values.get(key);
        let (own, shared) = (of(environment.as_str()), of(DEFAULT));
        let mut wrong = Vec::new();
        let (mut values, mut variables, mut secrets) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let named: BTreeSet<&String> = own.into_iter().chain(shared).flat_map(BTreeMap::keys).collect();
        for name in named.into_iter().filter(|name| !settings.contains_key(*name)) {
            wrong.push(problem(format!("`{name}` is no setting of the schema"), None));
        }
        for (name, setting) in &settings {
            let value = own
                .and_then(|own| own.get(name))
                .or_else(|| shared.and_then(|shared| shared.get(name)))
                .or(setting.default.as_ref());
            let Some(value) = value else {
                if setting.required {
                    let hint = format!("give it one under `values`, in `{environment}` or `{DEFAULT}`");
                    wrong.push(problem(format!("`{name}` has no value in {environment}"), Some(hint)));
                }
                continue;
            };
            if let Err((message, hint)) = setting.check_value(value) {
                wrong.push(problem(format!("`{name}` in {environment}: {message}"), hint));
                continue;
            }
            let variable = setting.variable_of(name);
            match (secret_of(value), value) {
                (Some(secret), _) => drop(secrets.insert(variable, secret.to_owned())),
                (None, Value::String(text)) => drop(variables.insert(variable, text.clone())),
                (None, other) => drop(variables.insert(variable, other.to_string())),
            }
            values.insert(name.clone(), value.clone());
        }
        Diagnostics::none_of(wrong)?;
        let digest = Digest::of(canonical(
            &json!({ "values": values, "variables": variables, "secrets": secrets }),
        ));
        Ok(Rendered {
            values,
            variables,
            secrets,
            digest,
        })
    }
}

/// JSON text with the members of each object in the order of their names.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            let members: Vec<String> = sorted
                .into_iter()
                .map(|(name, value)| format!("{}:{}", json!(name), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => format!("[{}]", elements.iter().map(canonical).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}

fn problem(message: String, hint: Option<String>) -> Diagnostic {
    Diagnostic {
        file: "the package's configuration".to_owned(),
        line: 0,
        column: 0,
        message,
        hint,
    }
}

/// The settings that differ between two configurations, by name.
pub fn difference(a: &Rendered, b: &Rendered) -> Vec<Difference> {
    let names: BTreeSet<&String> = a.values.keys().chain(b.values.keys()).collect();
    names
        .into_iter()
        .filter(|name| a.values.get(*name) != b.values.get(*name))
        .map(|name| Difference {
            setting: name.clone(),
            before: a.values.get(name).cloned(),
            after: b.values.get(name).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration() -> Configuration {
        Configuration {
            schema: json!({
                "greeting": {"type": "string", "required": true, "pattern": "^[A-Z]"},
                "page-size": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
                "ratio": {"type": "number", "enum": [0.5, 1]},
                "verbose": {"type": "boolean"},
                "token": {"type": "string", "secret": true, "variable": "API_TOKEN"},
            }),
            values: serde_json::from_value(json!({
                "default": {"greeting": "Hello", "verbose": false},
                "production": {"greeting": "Good day", "page-size": 50, "ratio": 1.0, "token": {"secret": "shop-token"}},
            }))
            .unwrap(),
        }
    }

    fn render(configuration: &Configuration, environment: &str) -> Result<Rendered, String> {
        configuration
            .render(&environment.parse().unwrap())
            .map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn a_package_without_configuration_renders_to_nothing() {
        let rendered = render(&Configuration::default(), "staging").unwrap();
        assert!(
            rendered.values.is_empty() && rendered.variables.is_empty(),
            "{rendered:?}"
        );
    }

    #[test]
    fn a_package_without_settings_has_the_same_configuration_everywhere() {
        let none = Configuration::default();
        let staging = render(&none, "staging").unwrap();
        assert!(staging.values.is_empty() && staging.variables.is_empty());
        assert_eq!(staging.digest, render(&none, "production").unwrap().digest);
    }

    #[test]
    fn an_environment_s_own_values_go_before_the_defaults() {
        let staging = render(&configuration(), "staging").unwrap();
        assert_eq!(
            json!(staging.variables),
            json!({"GREETING": "Hello", "PAGE_SIZE": "20", "VERBOSE": "false"})
        );
        let production = render(&configuration(), "production").unwrap();
        assert_eq!(
            json!(production.variables),
            json!({"GREETING": "Good day", "PAGE_SIZE": "50", "RATIO": "1.0", "VERBOSE": "false"})
        );
        assert_eq!(json!(production.secrets), json!({"API_TOKEN": "shop-token"}));
        assert_eq!(
            production.digest,
            render(&configuration(), "production").unwrap().digest
        );
        assert_ne!(production.digest, staging.digest);
        let changed: Vec<String> = difference(&staging, &production)
            .into_iter()
            .map(|difference| difference.setting)
            .collect();
        assert_eq!(changed, ["greeting", "page-size", "ratio", "token"]);
        assert_eq!(difference(&staging, &staging), []);
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_with_a_reason() {
        for (name, value, expected) in [
            (
                "greeting",
                json!("hello"),
                "`greeting` in qa: \"hello\" does not match `^[A-Z]`",
            ),
            ("greeting", json!(1), "`greeting` in qa: 1 is not a text"),
            ("page-size", json!(0), "`page-size` in qa: 0 is less than 1"),
            ("page-size", json!(101), "`page-size` in qa: 101 is more than 100"),
            ("page-size", json!(1.5), "`page-size` in qa: 1.5 is not a whole number"),
            ("ratio", json!(0.7), "`ratio` in qa: 0.7 is none of 0.5, 1"),
            ("verbose", json!("yes"), "`verbose` in qa: \"yes\" is not true or false"),
            (
                "token",
                json!("s3cret"),
                "`token` in qa: the value of a secret setting is named, never written",
            ),
            (
                "verbose",
                json!({"secret": "x"}),
                "`verbose` in qa: a secret is named for a setting that is none",
            ),
            ("unknown", json!(1), "`unknown` is no setting of the schema"),
        ] {
            let mut configuration = configuration();
            configuration
                .values
                .insert("qa".to_owned(), BTreeMap::from([(name.to_owned(), value)]));
            let error = render(&configuration, "qa").unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let mut configuration = configuration();
        configuration.values.clear();
        assert!(
            render(&configuration, "qa")
                .unwrap_err()
                .contains("`greeting` has no value in qa")
        );
    }

    #[test]
    fn the_digest_does_not_depend_on_the_order_of_members() {
        assert_eq!(
            canonical(&json!({"b": [1, {"d": 1, "c": 2}], "a": null})),
            r#"{"a":null,"b":[1,{"c":2,"d":1}]}"#
        );
    }
}
