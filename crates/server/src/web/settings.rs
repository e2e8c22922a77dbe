//! The page of settings: what the viewer may see of what the server was told, the policy, and tokens.

use std::sync::Arc;

use access::{Action, Principal, Resource};
use axum::extract::State;
use maud::Markup;
use notification::rule::Components;
use notification::settings::Address;
use notification::{Event, Notifications, Rule};
use pages::model::{
    Channel, DeliveryNote, DeliveryState, NotificationsView, PersonLine, ServerLine, ServersView, SettingLine,
    SettingsPage, TokenLine,
};

use super::visit::Visit;
use crate::api::{blocking, notifications::deliveries};
use crate::house::House;
use crate::problem::Problem;

/// The page.
pub(super) async fn show(State(house): State<Arc<House>>, visit: Visit) -> Result<Markup, Problem> {
    let actor = visit.caller.may(Action::Enter, &Resource::Server)?;
    let roles = match &visit.caller.principal {
        Principal::Known { rights, .. } => rights.in_words(),
        Principal::Anonymous | Principal::System => Vec::new(),
    };
    let settings = visit.may(Action::Operate, &Resource::Server).then(|| {
        let told = house.settings.told.iter().map(|told| SettingLine {
            name: told.name.clone(),
            value: told.value.clone(),
            source: told.source.clone(),
        });
        told.collect()
    });
    let tokens = if visit.may(Action::ManageAccess, &Resource::Server) {
        let access = house.access.clone();
        let all = blocking(move || access.tokens()).await??;
        let lines = all.into_iter().map(|token| TokenLine {
            id: token.id.to_string(),
            roles: token.rights.in_words(),
            name: token.name,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            revoked: token.revoked_at.is_some(),
        });
        Some(lines.collect())
    } else {
        None
    };
    let people = match visit.may(Action::ManageAccess, &Resource::Server) {
        true => Some(people(&house).await?),
        false => None,
    };
    let notifications = match visit.may(Action::Operate, &Resource::Server) {
        true => Some(notifications(&house).await?),
        false => None,
    };
    let page = SettingsPage {
        actor: actor.to_string(),
        roles,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        servers: servers(&house).await?,
        settings,
        policy: visit
            .may(Action::Read, &Resource::Server)
            .then(|| (house.delivery.path().revision, house.policy.text())),
        tokens,
        people,
        notifications,
    };
    Ok(pages::settings::page(&visit.frame, &page))
}

/// The servers that work on the facts, as the API tells them.
async fn servers(house: &Arc<House>) -> Result<ServersView, Problem> {
    let all = crate::api::servers::all(house).await?;
    let lines = all.servers.into_iter().map(|server| ServerLine {
        url: server.url,
        this: server.this,
        at_work: server.at_work,
        leads: server.leads.into_iter().map(|led| (led.duty, led.since)).collect(),
        host: server.host,
        process: server.process,
        version: server.version,
        started_at: server.started_at,
        heard_at: server.heard_at,
    });
    Ok(ServersView {
        lines: lines.collect(),
        unled: all.unled,
    })
}

/// The people whom the server knows, with the roles of the tokens that act for them.
async fn people(house: &Arc<House>) -> Result<Vec<PersonLine>, Problem> {
    let access = house.access.clone();
    let (people, tokens) =
        blocking(move || Ok::<_, access::AccessError>((access.people()?, access.tokens()?))).await??;
    let lines = people.into_iter().map(|person| {
        let theirs = tokens
            .iter()
            .filter(|token| token.person == Some(person.id) && token.revoked_at.is_none());
        let roles: std::collections::BTreeSet<_> = theirs.flat_map(|token| token.rights.in_words()).collect();
        PersonLine {
            id: person.id.to_string(),
            name: person.name,
            address: person.address,
            roles: roles.into_iter().collect(),
            since: person.created_at,
        }
    });
    Ok(lines.collect())
}

/// How many deliveries are shown.
const SHOWN: usize = 20;

async fn notifications(house: &Arc<House>) -> Result<NotificationsView, Problem> {
    let own = house.url();
    let lines = deliveries(house, SHOWN).await?.into_iter().map(|one| DeliveryNote {
        state: match (one.state.as_str(), one.attempts) {
            ("delivered", _) => DeliveryState::Delivered,
            ("given-up", _) => DeliveryState::GivenUp,
            (_, 0) => DeliveryState::Waiting,
            _ => DeliveryState::Again(one.next_at),
        },
        to: one.to,
        title: one.title,
        link: one.url.strip_prefix(&own).map(str::to_owned),
        event: one.event,
        attempts: one.attempts,
        at: one.at,
        problem: one.problem,
    });
    let settings = house.notifications.as_ref().map(|outgoing| &outgoing.settings);
    Ok(NotificationsView {
        on: settings.is_some(),
        channels: settings.map(channels).unwrap_or_default(),
        rules: settings
            .map(|settings| settings.rules.iter().map(sentence).collect())
            .unwrap_or_default(),
        deliveries: lines.collect(),
    })
}

fn channels(settings: &Notifications) -> Vec<Channel> {
    let mut channels = Vec::new();
    if let Some(mail) = &settings.mail {
        let login = mail
            .login
            .as_ref()
            .map(|(user, _)| format!(", as {user}"))
            .unwrap_or_default();
        channels.push(Channel {
            name: "mail".to_owned(),
            how: format!("{}:{} ({}){login}", mail.host, mail.port, mail.security.as_str()),
        });
    }
    for (name, webhook) in &settings.webhooks {
        // Who knows a path may hold what it needs to write there.
        let place = match &webhook.address {
            Address::Plain(url) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                rest.split('/').next().unwrap_or_default().to_owned()
            }
            Address::Secret(secret) => format!("the address in the secret {secret}"),
        };
        let signed = if webhook.secret.is_some() { ", signed" } else { "" };
        channels.push(Channel {
            name: format!("webhook:{name}"),
            how: format!("{place}, as {}{signed}", webhook.format.as_str()),
        });
    }
    channels
}

/// A rule as a sentence.
fn sentence(rule: &Rule) -> String {
    let list = |words: Vec<String>| {
        words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut text = format!("On {}", list(rule.events.iter().map(ToString::to_string).collect()));
    if let Some(time) = rule.longer_than.filter(|_| rule.events.contains(&Event::GateWaits)) {
        text.push_str(&format!(" after {}", pages::time::length(time)));
    }
    let components: Vec<String> = rule
        .components
        .iter()
        .map(|one| match one {
            Components::All => "*".to_owned(),
            Components::Team(team) => format!("{team}/*"),
            Components::One(name) => name.to_string(),
        })
        .collect();
    for (word, names) in [
        ("of", components),
        ("in", rule.environments.iter().map(ToString::to_string).collect()),
        ("on", rule.lines.iter().map(ToString::to_string).collect()),
    ] {
        if !names.is_empty() {
            text.push_str(&format!(" {word} {}", list(names)));
        }
    }
    let to = rule.to.iter().map(|one| match one {
        notification::rule::Recipient::Authors => "the authors".to_owned(),
        notification::rule::Recipient::Approvers => "those who are asked".to_owned(),
        notification::rule::Recipient::Mail(address) => address.clone(),
        notification::rule::Recipient::Webhook(name) => format!("`webhook:{name}`"),
    });
    text.push_str(&format!(": tells {}.", to.collect::<Vec<_>>().join(", ")));
    text
}
