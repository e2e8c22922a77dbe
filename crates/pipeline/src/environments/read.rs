//! From the text of `environments.yaml` to checked environments.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use facts::{Digest, EnvironmentName, StepName};
use policy::{Gate, scope};

use super::database::database;
use super::{Approval, Canary, Environment, Environments, Latency, SCHEMA, Strategy, Target, file};
use crate::checks::Checks;
use crate::cycle::{find_cycle, path_text};
use crate::diagnostic::Diagnostics;
use crate::reading;
use crate::yaml::{Node, Place, Source};

/// The most environments.
const MOST: usize = 200;

pub(super) fn environments(text: &str, file: &str) -> Result<Environments, Diagnostics> {
    let source = Source { file, text };
    let (root, parsed) = reading::read::<file::File>(&source, &SCHEMA)?;
    let checks = Checks::new(source);
    let reader = Reader { checks: &checks };
    let (place, nodes) = root
        .member("environments")
        .map_or((root.place, &root), |(key, node)| (key.place, node));
    let all = reader.all(parsed, place, nodes);
    Diagnostics::none_of(checks.into_wrong())?;
    Ok(Environments {
        all: in_order(all),
        revision: Digest::of(text),
    })
}

/// Each after those it depends on, otherwise in the order of the file. There are no cycles.
fn in_order(mut waiting: Vec<Environment>) -> Vec<Environment> {
    let mut ordered: Vec<Environment> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_placed = |name: &EnvironmentName| ordered.iter().any(|placed| placed.name == *name);
        let next = waiting
            .iter()
            .position(|one| one.after.iter().all(is_placed))
            .unwrap_or(0);
        ordered.push(waiting.remove(next));
    }
    ordered
}

struct Reader<'a> {
    checks: &'a Checks<'a>,
}

impl Reader<'_> {
    fn all(&self, file: file::File, place: Place, nodes: &Node) -> Vec<Environment> {
        let environments = file.environments.0;
        if environments.is_empty() || environments.len() > MOST {
            self.checks
                .say(place, format!("there must be 1 to {MOST} environments"), None);
            return Vec::new();
        }
        let names: BTreeSet<&str> = nodes.members().iter().map(|(key, _)| key.name.as_str()).collect();
        let all = environments
            .into_iter()
            .zip(nodes.members())
            .filter_map(|((name, environment), (key, node))| self.one(&name, environment, key.place, node, &names))
            .collect();
        self.no_cycle(nodes);
        self.no_shared_address(nodes);
        all
    }

    fn one(
        &self,
        name: &str,
        written: file::Environment,
        key: Place,
        node: &Node,
        names: &BTreeSet<&str>,
    ) -> Option<Environment> {
        let checks = self.checks;
        if name == crate::configuration::DEFAULT {
            checks.say(
                key,
                "`default` cannot be an environment: it names the values that all share",
                None,
            );
        }
        let mut after = Vec::new();
        for (earlier, node) in written.after.iter().zip(elements(node, "after")) {
            if checks.known(node.place, "environment", earlier, names) {
                after.extend(checks.name::<EnvironmentName>(node.place, earlier));
            }
        }
        let address = written
            .address
            .and_then(|address| self.address(node.place_of(&["address"]), &address));
        let target = written.target.map_or(Some(Target::Process { instances: 1 }), |target| {
            self.target(node, target)
        });
        let strategy = written.strategy.map_or(Some(Strategy::Rolling), |strategy| {
            self.strategy(node, strategy, target.as_ref())
        });
        let approvals = self.approvals(node, written.approvals);
        let gates = self.gates(node, written.gates);
        let lines = written
            .lines
            .iter()
            .zip(elements(node, "lines"))
            .filter_map(|(line, node)| checks.name(node.place, line))
            .collect();
        let database = written
            .database
            .zip(node.get("database"))
            .map(|(written, node)| database(checks, node, written));
        Some(Environment {
            name: checks.name(key, name)?,
            after,
            target: target?,
            address,
            database,
            strategy: strategy?,
            soak: checks.duration(node, "soak", written.soak.as_deref(), Duration::ZERO),
            approvals,
            gates,
            lines,
        })
    }

    fn address(&self, place: Place, text: &str) -> Option<SocketAddr> {
        let hint = "write an address and a port, such as 127.0.0.1:8101";
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => Some(address),
            Ok(_) => {
                self.checks.say(
                    place,
                    "the port must not be 0",
                    Some("leave `address` out for a free port"),
                );
                None
            }
            Err(_) => {
                self.checks
                    .say(place, format!("`{text}` is no address with a port"), Some(hint));
                None
            }
        }
    }

    fn target(&self, environment: &Node, written: file::Target) -> Option<Target> {
        let checks = self.checks;
        let node = environment.get("target")?;
        match written.kind {
            file::TargetKind::Process => {
                self.only_for(node, &["apply", "observe", "weight", "stop"], "kind: command");
                Some(Target::Process {
                    instances: written.instances.unwrap_or(1),
                })
            }
            file::TargetKind::Command => {
                self.only_for(node, &["instances"], "kind: process");
                for (key, text) in [
                    ("apply", &written.apply),
                    ("observe", &written.observe),
                    ("weight", &written.weight),
                    ("stop", &written.stop),
                ] {
                    match text {
                        Some(text) => checks.script(node, key, text),
                        None if key == "weight" => {}
                        None => checks.say(node.place_of(&["kind"]), format!("`kind: command` needs `{key}`"), None),
                    }
                }
                Some(Target::Command {
                    apply: written.apply?,
                    observe: written.observe?,
                    weight: written.weight,
                    stop: written.stop?,
                })
            }
        }
    }

    fn strategy(&self, environment: &Node, written: file::Strategy, target: Option<&Target>) -> Option<Strategy> {
        const OF_CANARY: &[&str] = &[
            "instances",
            "weight",
            "margin",
            "alpha",
            "minimum_requests",
            "deadline",
            "on_deadline",
            "latency",
        ];
        let node = environment.get("strategy")?;
        match written.kind {
            file::StrategyKind::Rolling | file::StrategyKind::BlueGreen => {
                self.only_for(node, OF_CANARY, "kind: canary");
                let is_rolling = written.kind == file::StrategyKind::Rolling;
                Some(if is_rolling {
                    Strategy::Rolling
                } else {
                    Strategy::BlueGreen
                })
            }
            file::StrategyKind::Canary => {
                if let Some(Target::Command { weight: None, .. }) = target {
                    let hint = "say how requests are shared out, or choose another strategy";
                    let message = "a canary on `kind: command` needs the target's `weight`";
                    self.checks.say(node.place_of(&["kind"]), message, Some(hint));
                }
                Some(Strategy::Canary(self.canary(node, &written)))
            }
        }
    }

    fn canary(&self, node: &Node, written: &file::Strategy) -> Canary {
        let usual = Canary::default();
        let deadline = self
            .checks
            .duration(node, "deadline", written.deadline.as_deref(), usual.deadline);
        if deadline.is_zero() {
            self.checks.say(
                node.place_of(&["deadline"]),
                "the deadline must be longer than nothing",
                None,
            );
        }
        let latency = written
            .latency
            .as_ref()
            .zip(node.get("latency"))
            .map(|(latency, node)| Latency {
                quantile: latency.quantile.unwrap_or(0.95),
                margin: self
                    .checks
                    .duration(node, "margin", Some(&latency.margin), Duration::ZERO),
            });
        Canary {
            instances: written.instances.unwrap_or(usual.instances),
            weight: written.weight.unwrap_or(usual.weight),
            margin: written.margin.unwrap_or(usual.margin),
            alpha: written.alpha.unwrap_or(usual.alpha),
            minimum_requests: written.minimum_requests.unwrap_or(usual.minimum_requests),
            deadline,
            on_deadline: written.on_deadline.unwrap_or(usual.on_deadline),
            latency,
        }
    }

    /// These keys say nothing for another kind, and nothing accepted is without effect.
    fn only_for(&self, node: &Node, keys: &[&str], kind: &str) {
        for (key, _) in node
            .members()
            .iter()
            .filter(|(key, _)| keys.contains(&key.name.as_str()))
        {
            self.checks.say(
                key.place,
                format!("`{}` belongs to `{kind}`", key.name),
                Some("remove it, or change the kind"),
            );
        }
    }

    fn approvals(&self, environment: &Node, written: Vec<file::Approval>) -> Vec<Approval> {
        let mut roles = BTreeSet::new();
        for (approval, node) in written.iter().zip(elements(environment, "approvals")) {
            let place = node.place_of(&["role"]);
            let _ = self.checks.name::<StepName>(place, &approval.role).is_some();
            if !roles.insert(approval.role.clone()) {
                self.checks.say(
                    place,
                    format!("the role `{}` is asked twice", approval.role),
                    Some("ask it once, with `of`"),
                );
            }
        }
        written
            .into_iter()
            .map(|approval| Approval {
                role: approval.role,
                of: approval.of.unwrap_or(1),
            })
            .collect()
    }

    fn gates(&self, environment: &Node, written: Vec<file::Gate>) -> Vec<Gate> {
        let mut names = BTreeSet::new();
        let mut gates = Vec::with_capacity(written.len());
        for (gate, node) in written.into_iter().zip(elements(environment, "gates")) {
            let place = node.place_of(&["name"]);
            let _ = self.checks.name::<StepName>(place, &gate.name);
            if !names.insert(gate.name.clone()) {
                self.checks
                    .say(place, format!("two gates are called `{}`", gate.name), None);
            }
            let when = self.checks.condition(node, "when", &gate.when, &scope::GATE);
            let message = gate
                .message
                .unwrap_or_else(|| format!("`{}` does not hold: {}", gate.name, gate.when));
            gates.extend(when.map(|when| Gate {
                name: gate.name,
                when,
                message,
            }));
        }
        gates
    }

    /// No environment may come after itself, over however many others.
    fn no_cycle(&self, nodes: &Node) {
        let members = nodes.members();
        let places: HashMap<&str, usize> = members
            .iter()
            .enumerate()
            .map(|(place, (key, _))| (key.name.as_str(), place))
            .collect();
        let named = |node: &Node| node.to_json().as_str().and_then(|name| places.get(name).copied());
        let edges: Vec<Vec<usize>> = members
            .iter()
            .map(|(_, node)| elements(node, "after").iter().filter_map(named).collect())
            .collect();
        let Some(path) = find_cycle(&edges) else { return };
        let names: Vec<&str> = path.iter().map(|place| members[*place].0.name.as_str()).collect();
        let after = elements(&members[path[0]].1, "after");
        let place = after
            .iter()
            .find(|node| named(node) == Some(path[1]))
            .map_or(nodes.place, |node| node.place);
        let message = format!("environments come after one another: {}", path_text(&names));
        self.checks.say(place, message, Some("take one of these away"));
    }

    /// Two environments cannot answer at one address.
    fn no_shared_address(&self, nodes: &Node) {
        let mut taken: HashMap<String, &str> = HashMap::new();
        for (key, node) in nodes.members() {
            let Some(address) = node.get("address") else { continue };
            let Some(text) = address.to_json().as_str().map(str::to_owned) else {
                continue;
            };
            if let Some(other) = taken.insert(text.clone(), &key.name) {
                self.checks.say(
                    address.place,
                    format!("`{other}` has the address {text} too"),
                    Some("choose another port"),
                );
            }
        }
    }
}

fn elements<'a>(node: &'a Node, key: &str) -> &'a [Node] {
    node.get(key).map(Node::elements).unwrap_or_default()
}
