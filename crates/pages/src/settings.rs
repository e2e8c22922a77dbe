//! The settings: what the server was told, the policy in force, and the tokens.

use maud::{Markup, html};

use crate::model::{
    DeliveryNote, DeliveryState, Frame, NotificationsView, PersonLine, ServerLine, ServersView, SettingLine,
    SettingsPage, TokenLine,
};
use crate::parts::frame::{self, Live, Section};
use crate::parts::mark::{Mark, Status};
use crate::parts::small;
use crate::{links, time};

/// The page.
pub fn page(frame: &Frame, page: &SettingsPage) -> Markup {
    let content = html! {
        header.page-head {
            div.page-title { h1 { "Settings" } }
            p.page-facts {
                span { "throughline " (page.version) }
                span { "you are " @if let Some(viewer) = &frame.viewer { (viewer.name) " " } code.whole { (page.actor) } }
                span { @if page.roles.is_empty() { "without a role" } @else { (page.roles.join(", ")) } }
            }
        }
        @if let Some(notifications) = &page.notifications {
            section.spaced id="notifications" data-live aria-labelledby="notifications-title" {
                (small::heading("notifications-title", "Notifications", None))
                (self::notifications(frame, notifications))
            }
        }
        section id="servers" data-live aria-labelledby="servers-title" {
            (small::heading("servers-title", "Servers", None))
            (self::servers(frame, &page.servers))
        }
        @if let Some(settings) = &page.settings {
            section aria-labelledby="settings-title" {
                (small::heading("settings-title", "What this server was told", None))
                (self::settings(settings))
            }
        }
        @if let Some((revision, text)) = &page.policy {
            section id="policy" data-live aria-labelledby="policy-title" {
                (small::heading("policy-title", "Policy in force", Some(small::digest(revision))))
                pre.command.file-text tabindex="0" { (text) }
                p.fine { "Another one: " code { "throughline policy set FILE" } "." }
            }
        }
        @if let Some(people) = page.people.as_deref().filter(|people| !people.is_empty()) {
            section id="people" data-live aria-labelledby="people-title" {
                (small::heading("people-title", "People", None))
                (self::people(frame, people))
            }
        }
        @if let Some(tokens) = &page.tokens {
            section id="tokens" data-live aria-labelledby="tokens-title" {
                (small::heading("tokens-title", "Access tokens", None))
                (self::tokens(frame, tokens))
                p.fine { "Another one: " code { "throughline token create" } ". One that is not needed any more: " code { "throughline token revoke" } "." }
            }
        }
    };
    frame::page(frame, "Settings", Section::None, Live::Yes, content)
}

fn notifications(frame: &Frame, all: &NotificationsView) -> Markup {
    html! {
        @if !all.on {
            (small::empty("Nobody is told anything", html! {
                "Start the server with " code { "--notifications FILE" } ": mail to those who made a change, webhooks, chats."
            }))
        } @else {
            @if !all.rules.is_empty() { (small::reasons(&all.rules)) }
            @if !all.channels.is_empty() {
                (small::details(all.channels.iter().map(|one| (one.name.as_str(), html! { (one.how) }))))
                p.fine { "Try one: " code { "throughline notifications test NAME" } "." }
            }
        }
        @if !all.deliveries.is_empty() { (deliveries(frame, &all.deliveries)) }
        @else if all.on { p.faint { "Nothing was told yet." } }
    }
}

fn deliveries(frame: &Frame, lines: &[DeliveryNote]) -> Markup {
    html! {
        div.scroll { table.list {
            thead { tr { th scope="col" { "State" } th scope="col" { "What" } th scope="col" { "To" } th.right scope="col" { "When" } } }
            tbody { @for line in lines { tr data-row {
                td.list-state { (delivery_state(line).show()) }
                td.list-main {
                    @match line.link.as_deref().filter(|link| small::is_own(link)) {
                        Some(link) => a.change href=(link) { span.title { (line.title) } },
                        None => span.title { (line.title) },
                    }
                    p.list-note {
                        (line.event)
                        @if line.attempts > 1 { ", tried " (line.attempts) " times" }
                        @if let DeliveryState::Again(Some(at)) = line.state { ", again " (time::ago(frame.now, at)) }
                    }
                    @if let Some(problem) = &line.problem { (small::trouble(problem)) }
                }
                td.breakable { (line.to) }
                td.right.faint { (time::ago(frame.now, line.at)) }
            } } }
        } }
    }
}

fn delivery_state(line: &DeliveryNote) -> Status {
    let (mark, word) = match line.state {
        DeliveryState::Waiting => (Mark::Waiting, "waiting"),
        DeliveryState::Again(_) => (Mark::Attention, "not taken"),
        DeliveryState::Delivered => (Mark::Good, "delivered"),
        DeliveryState::GivenUp => (Mark::Bad, "given up"),
    };
    Status { mark, word }
}

fn servers(frame: &Frame, all: &ServersView) -> Markup {
    html! {
        div.scroll { table.list {
            thead { tr { th scope="col" { "State" } th scope="col" { "Server" } th scope="col" { "Leads" } th.right scope="col" { "At work last" } th.right scope="col" { "Started" } } }
            tbody { @for server in &all.lines { tr {
                td.list-state { (server_state(server).show()) }
                td.list-main.breakable {
                    @match &server.url { Some(url) => code { (url) }, None => span.faint { "it does not answer yet" } }
                    @if server.this { span.faint { ", this one" } }
                    p.list-note { "process " (server.process) " on " (server.host) ", version " (server.version) }
                }
                td {
                    @if server.leads.is_empty() { span.faint { @if server.at_work { "stands by" } @else { "nothing" } } }
                    @for (place, (duty, since)) in server.leads.iter().enumerate() {
                        @if place > 0 { ", " }
                        span title=(format!("since {}", time::exact(*since))) { (duty) }
                    }
                }
                td.right.faint { (time::ago(frame.now, server.heard_at)) }
                td.right.faint { (time::ago(frame.now, server.started_at)) }
            } } }
        } }
        @if !all.unled.is_empty() { p.fine { "No server leads these duties now: " (all.unled.join(", ")) "." } }
    }
}

fn server_state(server: &ServerLine) -> Status {
    let (mark, word) = match server.at_work {
        true => (Mark::Good, "at work"),
        false => (Mark::Attention, "silent"),
    };
    Status { mark, word }
}

fn people(frame: &Frame, people: &[PersonLine]) -> Markup {
    html! {
        div.scroll { table.list {
            thead { tr { th scope="col" { "Person" } th scope="col" { "Roles" } th scope="col" { "Address" } th.right scope="col" { "Known since" } } }
            tbody { @for person in people { tr {
                td.list-main {
                    @match &person.name { Some(name) => (name), None => span.faint { "erased" } }
                    p.list-note { code.whole { (person.id) } }
                }
                td { @if person.roles.is_empty() { span.faint { "none" } } @else { (person.roles.join(", ")) } }
                td.breakable { @match &person.address { Some(address) => (address), None => span.faint { "none" } } }
                td.right.faint { (time::ago(frame.now, person.since)) }
            } } }
        } }
    }
}

fn settings(lines: &[SettingLine]) -> Markup {
    html! {
        div.scroll { table.list.named {
            thead { tr { th scope="col" { "Setting" } th scope="col" { "Value" } th scope="col" { "From" } } }
            tbody { @for line in lines { tr {
                td { code { (line.name) } }
                td.list-main.setting-value { @if line.source.is_some() { (line.value) } @else { span.faint { (small::prose(&line.value)) } } }
                td.faint { @match &line.source { Some(source) => (small::prose(source)), None => "default" } }
            } } }
        } }
    }
}

fn tokens(frame: &Frame, tokens: &[TokenLine]) -> Markup {
    html! {
        div.scroll { table.list {
            thead { tr { th scope="col" { "Token" } th scope="col" { "Roles" } th scope="col" { "Ends" } th.right scope="col" { "Last used" } th.right scope="col" { "Made" } } }
            tbody { @for token in tokens { tr {
                td.list-main {
                    @if frame.viewer.as_ref().is_some_and(|viewer| viewer.reads_ledger) { a.change href=(links::facts_of(&format!("token:{}", token.id))) { span.title { (token.name) } } }
                    @else { (token.name) }
                    p.list-note { code.whole { (token.id) } }
                }
                td { (token.roles.join(", ")) }
                td { @match (token.revoked, token.expires_at) { (true, _) => "revoked", (false, Some(at)) => (time::ago(frame.now, at)), (false, None) => "never" } }
                td.right.faint { @match token.last_used_at { Some(at) => (time::ago(frame.now, at)), None => "never" } }
                td.right.faint { (time::ago(frame.now, token.created_at)) }
            } } }
        } }
    }
}
