//! The settings: what the server was told, the policy in force, and the tokens.

use maud::{Markup, html};

use crate::model::{Frame, SettingLine, SettingsPage, TokenLine};
use crate::parts::frame::{self, Live, Section};
use crate::parts::small;
use crate::{links, time};

/// The page.
pub fn page(frame: &Frame, page: &SettingsPage) -> Markup {
    let content = html! {
        header.page-head {
            div.page-title { h1 { "Settings" } }
            p.page-facts {
                span { "throughline " (page.version) }
                span { "you are " code.whole { (page.actor) } }
                span { @if page.roles.is_empty() { "without a role" } @else { (page.roles.join(", ")) } }
            }
        }
        @if let Some(settings) = &page.settings {
            section aria-labelledby="settings-title" {
                (small::heading("settings-title", "Server", None))
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

fn settings(lines: &[SettingLine]) -> Markup {
    html! {
        div.scroll { table.list {
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
