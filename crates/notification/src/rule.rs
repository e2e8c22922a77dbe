//! Who hears of what: rules, and the recipients they come to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use facts::{ComponentName, EnvironmentName, ReleaseLine};

use crate::event::{Event, Happening};

/// Whom a rule names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    /// Those who made the change.
    Authors,
    /// Those who are asked in a role, as the settings say for each role.
    Approvers,
    /// An address.
    Mail(String),
    /// A webhook, by its name.
    Webhook(String),
}

/// A text that names no recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names nobody: `authors`, `approvers`, `webhook:NAME` or a mail address is expected")]
pub struct RecipientError(String);

impl FromStr for Recipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "authors" => return Ok(Self::Authors),
            "approvers" => return Ok(Self::Approvers),
            _ => {}
        }
        if let Some(name) = text.strip_prefix("webhook:").filter(|name| !name.is_empty()) {
            return Ok(Self::Webhook(name.to_owned()));
        }
        mail_address(text)
            .map(Self::Mail)
            .ok_or_else(|| RecipientError(text.chars().take(80).collect()))
    }
}

/// A mail address in the form in which addresses are compared; `None` for what is none.
pub fn mail_address(text: &str) -> Option<String> {
    let address = text.trim().to_lowercase();
    let parsed: lettre::Address = address.parse().ok()?;
    Some(parsed.to_string())
}

/// Where a notification goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Told {
    /// To a mail address.
    Mail(String),
    /// To a webhook, by its name.
    Webhook(String),
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail(address) => f.write_str(address),
            Self::Webhook(name) => write!(f, "webhook:{name}"),
        }
    }
}

impl FromStr for Told {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Recipient::from_str(text)? {
            Recipient::Mail(address) => Ok(Self::Mail(address)),
            Recipient::Webhook(name) => Ok(Self::Webhook(name)),
            Recipient::Authors | Recipient::Approvers => Err(RecipientError(text.to_owned())),
        }
    }
}

/// Which components a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Components {
    /// All.
    All,
    /// Those of one team.
    Team(String),
    /// One.
    One(ComponentName),
}

impl FromStr for Components {
    type Err = facts::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self::All);
        }
        match text.strip_suffix("/*") {
            // A team's name is what may stand before the slash of a component's.
            Some(team) => ComponentName::new(format!("{team}/x")).map(|_| Self::Team(team.to_owned())),
            None => ComponentName::new(text).map(Self::One),
        }
    }
}

impl Components {
    fn covers(&self, component: &ComponentName) -> bool {
        match self {
            Self::All => true,
            Self::Team(team) => component.team() == team,
            Self::One(one) => one == component,
        }
    }
}

/// What is told, and to whom. An empty list asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which events.
    pub events: BTreeSet<Event>,
    /// About which components.
    pub components: Vec<Components>,
    /// In which environments; what happens in none is left out then.
    pub environments: Vec<EnvironmentName>,
    /// On which release lines; what happens on none is left out then.
    pub lines: Vec<ReleaseLine>,
    /// For [`Event::GateWaits`]: from how long on.
    pub longer_than: Option<Duration>,
    /// To whom.
    pub to: Vec<Recipient>,
}

impl Rule {
    /// Whether the rule is about it.
    pub fn is_about(&self, happening: &Happening) -> bool {
        self.events.contains(&happening.event)
            && (self.components.is_empty() || self.components.iter().any(|one| one.covers(&happening.component)))
            && among(&self.environments, happening.environment.as_ref())
            && among(&self.lines, happening.line.as_ref())
            && (happening.event != Event::GateWaits || self.longer_than == happening.waited)
    }
}

fn among<T: PartialEq>(wanted: &[T], is: Option<&T>) -> bool {
    wanted.is_empty() || is.is_some_and(|is| wanted.contains(is))
}

/// Those whom a happening brings with it.
#[derive(Debug, Clone, Default)]
pub struct People {
    /// The addresses of those who made the change.
    pub authors: BTreeSet<String>,
    /// Who is asked in a role, by its name.
    pub duties: BTreeMap<String, Vec<Told>>,
}

/// Who hears of something, each once, with why.
pub fn who_hears(rules: &[Rule], happening: &Happening, people: &People) -> BTreeMap<Told, &'static str> {
    let mut told = BTreeMap::new();
    for recipient in rules
        .iter()
        .filter(|rule| rule.is_about(happening))
        .flat_map(|rule| &rule.to)
    {
        let (all, why): (Vec<Told>, _) = match recipient {
            Recipient::Authors => (
                people.authors.iter().cloned().map(Told::Mail).collect(),
                "you made one of the changes that this is about",
            ),
            Recipient::Approvers => (
                happening
                    .role
                    .as_ref()
                    .and_then(|role| people.duties.get(role))
                    .cloned()
                    .unwrap_or_default(),
                "you are asked in this role",
            ),
            Recipient::Mail(address) => (vec![Told::Mail(address.clone())], "the rules of this server name you"),
            Recipient::Webhook(name) => (vec![Told::Webhook(name.clone())], "the rules of this server name it"),
        };
        for one in all {
            told.entry(one).or_insert(why);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happening(event: Event) -> Happening {
        Happening {
            event,
            key: "fact_x".to_owned(),
            fact: None,
            at: facts::Timestamp::UNIX_EPOCH,
            component: ComponentName::new("shop/cart").unwrap(),
            environment: None,
            line: Some(ReleaseLine::new("main").unwrap()),
            run: None,
            commit: None,
            package: None,
            before: None,
            role: None,
            waited: None,
            reasons: Vec::new(),
        }
    }

    fn rule(events: &[Event], to: &[&str]) -> Rule {
        Rule {
            events: events.iter().copied().collect(),
            components: Vec::new(),
            environments: Vec::new(),
            lines: Vec::new(),
            longer_than: None,
            to: to.iter().map(|one| one.parse().unwrap()).collect(),
        }
    }

    fn hear(rules: &[Rule], happening: &Happening, people: &People) -> Vec<String> {
        who_hears(rules, happening, people)
            .keys()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn those_who_made_the_change_and_those_who_are_named_hear_of_it_once() {
        let rules = [
            rule(&[Event::RunFailed], &["authors", "ops@example.org"]),
            rule(&[Event::RunFailed], &["OPS@example.org", "webhook:chat"]),
            rule(&[Event::DeploymentDone], &["boss@example.org"]),
        ];
        let people = People {
            authors: ["ada@example.org".to_owned(), "ops@example.org".to_owned()].into(),
            duties: BTreeMap::new(),
        };
        assert_eq!(
            hear(&rules, &happening(Event::RunFailed), &people),
            ["ada@example.org", "ops@example.org", "webhook:chat"]
        );
    }

    #[test]
    fn those_who_are_asked_in_a_role_hear_that_they_are_waited_for() {
        let rules = [rule(&[Event::ApprovalWaits], &["approvers"])];
        let people = People {
            authors: BTreeSet::new(),
            duties: [("dba".to_owned(), vec![Told::Mail("dba@example.org".to_owned())])].into(),
        };
        let of_role = |role: &str| Happening {
            role: Some(role.to_owned()),
            ..happening(Event::ApprovalWaits)
        };
        assert_eq!(hear(&rules, &of_role("dba"), &people), ["dba@example.org"]);
        assert!(hear(&rules, &of_role("security"), &people).is_empty());
    }

    #[test]
    fn a_rule_is_about_what_all_its_lists_name() {
        let production = EnvironmentName::new("production").unwrap();
        let there = Happening {
            environment: Some(production.clone()),
            line: None,
            ..happening(Event::DeploymentDone)
        };
        let all = rule(&[Event::DeploymentDone], &["x@example.org"]);
        assert!(all.is_about(&there));
        let components = |text: &str| Rule {
            components: vec![text.parse().unwrap()],
            ..all.clone()
        };
        assert!(components("shop/*").is_about(&there) && components("shop/cart").is_about(&there));
        assert!(components("*").is_about(&there));
        assert!(!components("shop/search").is_about(&there) && !components("sho/*").is_about(&there));
        let environments = |names: &[&str]| Rule {
            environments: names.iter().map(|name| EnvironmentName::new(*name).unwrap()).collect(),
            ..all.clone()
        };
        assert!(environments(&["staging", "production"]).is_about(&there));
        assert!(!environments(&["staging"]).is_about(&there));
        assert!(!environments(&["production"]).is_about(&happening(Event::DeploymentDone)));
        let lines = Rule {
            lines: vec![ReleaseLine::new("main").unwrap()],
            ..all
        };
        assert!(!lines.is_about(&there) && lines.is_about(&happening(Event::DeploymentDone)));
    }

    #[test]
    fn a_gate_that_waits_concerns_the_rules_whose_time_it_has_waited() {
        let rule = Rule {
            longer_than: Some(Duration::from_secs(3_600)),
            ..rule(&[Event::GateWaits], &["x@example.org"])
        };
        let waited = |seconds| Happening {
            waited: Some(Duration::from_secs(seconds)),
            ..happening(Event::GateWaits)
        };
        assert!(rule.is_about(&waited(3_600)));
        assert!(!rule.is_about(&waited(7_200)));
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for text in ["", "everybody", "webhook:", "@", "a@", "a b@example.org"] {
            assert!(text.parse::<Recipient>().is_err(), "{text}");
        }
        assert!("authors".parse::<Told>().is_err());
        assert!("sh op/*".parse::<Components>().is_err());
    }
}
