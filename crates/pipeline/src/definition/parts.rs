//! The parts of a definition that are frozen into the package.

use std::collections::{BTreeMap, BTreeSet};

use facts::{EnvironmentName, StepName};
use policy::nearest::nearest;
use policy::scope;
use serde_json::json;

use super::{Reader, file};
use crate::checks::to_text;
use crate::configuration::{DEFAULT, Setting};
use crate::document::{
    Configuration, DatabaseEngine, DatabaseNeeds, Gate, Health, Service, VerifyStep, default_port_variable,
    default_stop_grace_seconds, default_verify_timeout_seconds,
};
use crate::yaml::{Kind, Node};

impl Reader<'_> {
    pub(super) fn service(&self, service: file::Service) -> Service {
        let checks = self.checks;
        let node = self.root.get("service").unwrap_or(self.root);
        if service.command.first().is_none_or(|program| program.trim().is_empty()) {
            let hint = "name the program and its arguments: `command: [bin/app, --verbose]`";
            checks.say(node.place_of(&["command"]), "the command names no program", Some(hint));
        }
        for (argument, node) in service
            .command
            .iter()
            .zip(node.get("command").map(Node::elements).unwrap_or_default())
        {
            checks.no_nul(node.place, argument);
        }
        if let Some(variables) = node.get("variables") {
            checks.texts(variables);
        }
        let port_variable = service.port_variable.unwrap_or_else(default_port_variable);
        checks.variable(node.place_of(&["port_variable"]), &port_variable);
        if let Some((key, _)) = node
            .get("variables")
            .and_then(|variables| variables.member(&port_variable))
        {
            checks.say(
                key.place,
                format!("`{port_variable}` is set to the port"),
                Some("remove it here"),
            );
        }
        Service {
            command: service.command,
            health: service
                .health
                .map_or_else(Health::default, |health| self.health(node, health)),
            port_variable,
            variables: service
                .variables
                .iter()
                .map(|(name, value)| (name.clone(), to_text(&value.0)))
                .collect(),
            stop_grace_seconds: checks.seconds(
                node,
                "stop_grace",
                service.stop_grace.as_deref(),
                default_stop_grace_seconds(),
            ),
        }
    }

    fn health(&self, service: &Node, health: file::Health) -> Health {
        let checks = self.checks;
        let usual = Health::default();
        let Some(node) = service.get("health") else {
            return usual;
        };
        let path = health.path.unwrap_or(usual.path);
        if !path.starts_with('/') || path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            checks.say(
                node.place_of(&["path"]),
                "the path must begin with `/` and have no spaces",
                None,
            );
        }
        let interval = checks.duration(
            node,
            "interval",
            health.interval.as_deref(),
            std::time::Duration::from_millis(usual.interval_ms),
        );
        if interval.is_zero() {
            checks.say(
                node.place_of(&["interval"]),
                "the pause must be longer than nothing",
                None,
            );
        }
        Health {
            path,
            interval_ms: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
            timeout_seconds: checks.seconds(node, "timeout", health.timeout.as_deref(), usual.timeout_seconds),
            deadline_seconds: checks.seconds(node, "deadline", health.deadline.as_deref(), usual.deadline_seconds),
        }
    }

    pub(super) fn configuration(&self, configuration: file::Configuration) -> Configuration {
        let node = self.root.get("configuration").unwrap_or(self.root);
        self.settings(node, &configuration.schema);
        for (key, values) in node.get("values").map(Node::members).unwrap_or_default() {
            if key.name != DEFAULT {
                let _ = self.checks.name::<EnvironmentName>(key.place, &key.name);
            }
            self.values(values, &configuration.schema);
        }
        self.required(node, &configuration);
        Configuration {
            schema: json!(configuration.schema),
            values: configuration.values,
        }
    }

    /// Whether the settings make sense, each for itself and beside one another.
    fn settings(&self, configuration: &Node, settings: &BTreeMap<String, Setting>) {
        let checks = self.checks;
        let service = self.root.get("service");
        let port = service
            .and_then(|service| service.get("port_variable"))
            .map(Node::to_json);
        let port = port.as_ref().and_then(|port| port.as_str()).unwrap_or("PORT");
        let mut variables: BTreeMap<String, &str> = BTreeMap::new();
        let of_service = service
            .and_then(|service| service.get("variables"))
            .map(Node::members)
            .unwrap_or_default();
        let of_service: BTreeSet<&str> = of_service.iter().map(|(key, _)| key.name.as_str()).collect();
        for (key, node) in configuration.get("schema").map(Node::members).unwrap_or_default() {
            let Some(setting) = settings.get(&key.name) else {
                continue;
            };
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if !key.name.starts_with(|c: char| c.is_ascii_alphabetic()) || !key.name.chars().all(fits) {
                let hint = "letters, digits and `-_.`, a letter first";
                checks.say(key.place, format!("`{}` is no name of a setting", key.name), Some(hint));
                continue;
            }
            if let Err((part, (message, hint))) = setting.check() {
                checks.say(
                    node.place_of(&[part]),
                    format!("`{}`: {message}", key.name),
                    hint.as_deref(),
                );
            }
            let variable = setting.variable_of(&key.name);
            let place = if setting.variable.is_some() {
                node.place_of(&["variable"])
            } else {
                key.place
            };
            checks.variable(place, &variable);
            let taken = |by: &str| {
                let message = format!("the variable `{variable}` of `{}` is also that of {by}", key.name);
                checks.say(place, message, Some("give the setting another `variable`"));
            };
            if variable == port {
                taken("the port");
            }
            if of_service.contains(variable.as_str()) {
                taken("the service itself");
            }
            if let Some(other) = variables.insert(variable.clone(), &key.name) {
                taken(&format!("the setting `{other}`"));
            }
        }
    }

    /// Whether the values of one environment fit the settings.
    fn values(&self, values: &Node, settings: &BTreeMap<String, Setting>) {
        for (key, node) in values.members() {
            if self.checks.is_full() {
                return;
            }
            let Some(setting) = settings.get(&key.name) else {
                let hint = nearest(&key.name, settings.keys().map(String::as_str));
                let hint = hint.map(|near| format!("did you mean `{near}`?"));
                let message = format!("`{}` is no setting of the schema", key.name);
                self.checks.say(key.place, message, hint.as_deref());
                continue;
            };
            if matches!(node.kind, Kind::Null) {
                self.checks.say(
                    key.place,
                    format!("`{}` is empty", key.name),
                    Some("give it a value, or remove it"),
                );
            } else if let Err((message, hint)) = setting.check_value(&node.to_json()) {
                self.checks
                    .say(node.place, format!("`{}`: {message}", key.name), hint.as_deref());
            }
        }
        for (_, node) in values.members() {
            if let Some(name) = node.get("secret") {
                self.checks
                    .secret(name.place, name.to_json().as_str().unwrap_or_default());
            }
        }
    }

    /// Each environment that is named must have each required value.
    fn required(&self, configuration: &Node, file: &file::Configuration) {
        let shared = file.values.get(DEFAULT);
        for (key, node) in configuration.get("values").map(Node::members).unwrap_or_default() {
            if key.name == DEFAULT {
                continue;
            }
            let own: BTreeSet<&str> = node.members().iter().map(|(key, _)| key.name.as_str()).collect();
            for (name, _) in file
                .schema
                .iter()
                .filter(|(_, setting)| setting.required && setting.default.is_none())
            {
                if !own.contains(name.as_str()) && shared.is_none_or(|shared| !shared.contains_key(name)) {
                    let hint = format!("give it a value here or under `{DEFAULT}`");
                    self.checks.say(
                        key.place,
                        format!("`{}` lacks the required `{name}`", key.name),
                        Some(&hint),
                    );
                }
            }
        }
    }

    pub(super) fn database(&self, database: file::Database) -> DatabaseNeeds {
        let place = self.root.place_of(&["database", "migrations"]);
        self.checks.path(place, "the folder", &database.migrations);
        let engine = match database.engine {
            file::Engine::Sqlite => DatabaseEngine::Sqlite,
            file::Engine::Postgres => DatabaseEngine::Postgres,
            file::Engine::Mysql => DatabaseEngine::Mysql,
        };
        DatabaseNeeds {
            migrations: database.migrations.trim_end_matches('/').to_owned(),
            engine,
        }
    }

    pub(super) fn verify(&self, verify: Vec<file::Verify>) -> Vec<VerifyStep> {
        let nodes = self.root.get("verify").map(Node::elements).unwrap_or_default();
        let mut names = BTreeSet::new();
        let mut all = Vec::with_capacity(verify.len());
        for (check, node) in verify.into_iter().zip(nodes) {
            let place = node.place_of(&["name"]);
            let _ = self.checks.name::<StepName>(place, &check.name);
            if !names.insert(check.name.clone()) {
                self.checks
                    .say(place, format!("two checks are called `{}`", check.name), None);
            }
            self.checks.script(node, "run", &check.run);
            let timeout_seconds = self.checks.seconds(
                node,
                "timeout",
                check.timeout.as_deref(),
                default_verify_timeout_seconds(),
            );
            all.push(VerifyStep {
                name: check.name,
                script: check.run,
                timeout_seconds,
            });
        }
        all
    }

    pub(super) fn gates(&self, gates: Vec<file::Gate>) -> Vec<Gate> {
        let nodes = self.root.get("gates").map(Node::elements).unwrap_or_default();
        let mut names = BTreeSet::new();
        let mut all = Vec::with_capacity(gates.len());
        for (gate, node) in gates.into_iter().zip(nodes) {
            let place = node.place_of(&["name"]);
            let _ = self.checks.name::<StepName>(place, &gate.name);
            if !names.insert(gate.name.clone()) {
                self.checks
                    .say(place, format!("two gates are called `{}`", gate.name), None);
            }
            let environment = gate
                .environment
                .as_deref()
                .and_then(|name| self.checks.name(node.place_of(&["environment"]), name));
            self.checks.condition(node, "when", &gate.when, &scope::GATE);
            let message = gate
                .message
                .unwrap_or_else(|| format!("`{}` does not hold: {}", gate.name, gate.when));
            all.push(Gate {
                name: gate.name,
                environment,
                when: gate.when,
                message,
            });
        }
        all
    }
}
