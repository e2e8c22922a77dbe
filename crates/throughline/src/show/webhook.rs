//! The webhook for a followed repository, and what came to it.

use facts::RunId;

use super::paint::{Table, Tone};
use super::run::short_run;
use crate::printer::Sight;
use crate::wire::{MadeWebhook, Webhook};

/// Where address and secret are entered.
pub const WHERE: &str = "\
enter both where the repository lives (docs/sources.md has each step):
  GitHub   Settings, Webhooks, Add webhook: Payload URL, Content type `application/json`, Secret, just the push event
  GitLab   Settings, Webhooks, Add new webhook: URL, Secret token, Push events and Tag push events
  Gitea    Settings, Webhooks, Add webhook, Gitea: Target URL, POST, `application/json`, Secret, push, create and delete
  Forgejo  Settings, Webhooks, Add webhook, Forgejo: the same as for Gitea";

/// An address and a secret that are shown once.
pub fn made(made: &MadeWebhook) -> String {
    let mut table = Table::new(&["", ""]);
    table.row([(Tone::Quiet, "address".into()), (Tone::Plain, made.url.clone())]);
    table.row([(Tone::Quiet, "secret".into()), (Tone::Strong, made.secret.clone())]);
    table.render(None)
}

/// Where a webhook is sent to, whether it works, and what came last.
pub fn webhook(webhook: &Webhook, sight: &Sight) -> String {
    let Some(url) = &webhook.url else {
        return format!(
            "There is no webhook for {}; `throughline repo webhook create {}` makes one.\n",
            webhook.component, webhook.component
        );
    };
    let (tone, works) = match (webhook.works, webhook.deliveries.is_empty()) {
        (true, _) => (Tone::Good, "yes: the repository is looked at seldom by itself"),
        (false, true) => (
            Tone::Quiet,
            "nothing has come yet: the repository is looked at again and again",
        ),
        (false, false) => (
            Tone::Bad,
            "not by what came so far: the repository is looked at again and again",
        ),
    };
    let mut about = Table::new(&["", ""]);
    about.row([(Tone::Quiet, "address".into()), (Tone::Plain, url.clone())]);
    if let Some(created_at) = webhook.created_at {
        about.row([(Tone::Quiet, "made".into()), (Tone::Plain, sight.ago(created_at))]);
    }
    about.row([(Tone::Quiet, "works".into()), (tone, works.to_owned())]);
    if let Some(until) = webhook.previous_until {
        let told = format!("the newest and, until {}, the one before", sight.clock(until));
        about.row([(Tone::Quiet, "secrets".into()), (Tone::Plain, told)]);
    }
    let mut text = about.render(sight.width);
    if webhook.deliveries.is_empty() {
        return text;
    }
    text.push('\n');
    let mut table = Table::new(&["CAME", "FROM", "EVENT", "VERDICT", "ABOUT", "WHAT CAME OF IT"]);
    for one in &webhook.deliveries {
        let tone = match one.verdict.as_str() {
            "accepted" | "ping" => Tone::Good,
            "refused" => Tone::Bad,
            _ => Tone::Quiet,
        };
        let name = one.name.as_deref().unwrap_or_default();
        let name = name.trim_start_matches("refs/heads/").trim_start_matches("refs/");
        let about = match &one.commit {
            Some(commit) => format!("{name} {}", commit.get(..8).unwrap_or(commit)),
            None => name.to_owned(),
        };
        let run: Option<RunId> = one.run.as_ref().and_then(|run| run.parse().ok());
        let outcome = match (&one.outcome, run) {
            (Some(outcome), Some(run)) => format!("{outcome}; built by run {}", short_run(run)),
            (Some(outcome), None) => outcome.clone(),
            (None, _) => one.detail.clone(),
        };
        table.row([
            (Tone::Quiet, sight.ago(one.at)),
            (Tone::Plain, one.host.clone().unwrap_or_else(|| "?".to_owned())),
            (Tone::Plain, one.event.clone().unwrap_or_else(|| "?".to_owned())),
            (tone, one.verdict.clone()),
            (Tone::Plain, about),
            (Tone::Plain, outcome),
        ]);
    }
    text.push_str(&table.render(sight.width));
    text
}
