//! Who one is, tokens, secrets, repositories, and the ledger as a whole.

use super::paint::{Table, Tone, clean, paint};
use crate::printer::Sight;
use crate::wire::{Grant, Rebuilt, Repositories, Secrets, SigningKeys, Tokens, Verified, Whoami};

/// Who one is.
pub fn whoami(whoami: &Whoami, server: &str) -> String {
    let roles = rights(&whoami.roles, &whoami.grants, &whoami.duties);
    let mut table = Table::new(&["", ""]);
    table.row([(Tone::Quiet, "name".into()), (Tone::Strong, whoami.name.clone())]);
    table.row([(Tone::Quiet, "roles".into()), (Tone::Plain, roles)]);
    table.row([(Tone::Quiet, "actor".into()), (Tone::Plain, whoami.actor.clone())]);
    table.row([
        (Tone::Quiet, "server".into()),
        (Tone::Plain, format!("{server} (throughline {})", whoami.version)),
    ]);
    table.render(None)
}

/// The roles with where they are held, and as what one may approve: `operator of shop/* in production; operations`.
fn rights(roles: &[String], grants: &[Grant], duties: &[String]) -> String {
    let place = |word: &str, name: &str| match name {
        "*" => String::new(),
        name => format!(" {word} {}", clean(name)),
    };
    let mut parts: Vec<String> = grants
        .iter()
        .map(|grant| {
            let of = place("of", &grant.components);
            format!("{}{of}{}", clean(&grant.role), place("in", &grant.environment))
        })
        .collect();
    if parts.is_empty() {
        parts = roles.iter().map(|role| clean(role)).collect();
    }
    let held = if parts.is_empty() {
        "no role".to_owned()
    } else {
        parts.join(", ")
    };
    match duties {
        [] => held,
        duties => format!("{held}; approves as {}", clean(&duties.join(", "))),
    }
}

/// All tokens.
pub fn tokens(tokens: &Tokens, sight: &Sight) -> String {
    if tokens.tokens.is_empty() {
        return "No token.\n".to_owned();
    }
    let mut table = Table::new(&["NAME", "ROLES", "ID", "MADE", "LAST USED", "ENDS"]);
    for token in &tokens.tokens {
        let ended = token.expires_at.is_some_and(|at| at <= sight.now);
        let ends = match (token.revoked, token.expires_at) {
            (true, _) => (Tone::Bad, "revoked".to_owned()),
            (false, Some(at)) if ended => (Tone::Bad, format!("ended {}", sight.ago(at))),
            (false, Some(at)) => (Tone::Plain, sight.ago(at)),
            (false, None) => (Tone::Quiet, "never".to_owned()),
        };
        let name_tone = if token.revoked || ended {
            Tone::Quiet
        } else {
            Tone::Strong
        };
        table.row([
            (name_tone, token.name.clone()),
            (Tone::Plain, rights(&token.roles, &token.grants, &token.duties)),
            (Tone::Plain, token.id.to_string()),
            (Tone::Quiet, sight.ago(token.created_at)),
            (
                Tone::Quiet,
                token
                    .last_used_at
                    .map_or_else(|| "never".to_owned(), |at| sight.ago(at)),
            ),
            ends,
        ]);
    }
    table.render(sight.width)
}

/// All secrets.
pub fn secrets(secrets: &Secrets, sight: &Sight) -> String {
    if secrets.secrets.is_empty() {
        return "No secret.\n".to_owned();
    }
    let mut table = Table::new(&["NAME", "VERSION", "SET"]);
    for secret in &secrets.secrets {
        table.row([
            (Tone::Strong, secret.name.clone()),
            (Tone::Plain, secret.version.to_string()),
            (Tone::Quiet, sight.ago(secret.set_at)),
        ]);
    }
    table.render(sight.width)
}

/// All repositories.
pub fn repositories(repositories: &Repositories, sight: &Sight) -> String {
    if repositories.repositories.is_empty() {
        return "No repository yet.\n".to_owned();
    }
    let mut table = Table::new(&["COMPONENT", "PUSH TO", "FOLLOWS", "SINCE"]);
    for repository in &repositories.repositories {
        table.row([
            (Tone::Strong, repository.component.clone()),
            (Tone::Plain, repository.push_url.clone()),
            (Tone::Plain, repository.remote.clone().unwrap_or_default()),
            (Tone::Quiet, sight.ago(repository.created_at)),
        ]);
    }
    let mut text = table.render(sight.width);
    text.push_str(&troubles(repositories, sight));
    text
}

/// The followed repositories that cannot be reached: which, since when, why, and what to do.
pub fn troubles(repositories: &Repositories, sight: &Sight) -> String {
    let mut text = String::new();
    for repository in &repositories.repositories {
        let Some(trouble) = &repository.trouble else { continue };
        let since = repository
            .trouble_since
            .map(|since| format!(", since {}", sight.clock(since)))
            .unwrap_or_default();
        text.push_str(&format!(
            "\n{} {} is not followed{since}\n",
            paint(Tone::Bad, "✗"),
            paint(Tone::Strong, &clean(&repository.component))
        ));
        let (problem, hint) = trouble.split_once("\nhint: ").unwrap_or((trouble, ""));
        for line in problem.lines().filter(|line| !line.trim().is_empty()) {
            text.push_str(&format!("  {}\n", clean(line)));
        }
        let hint = if hint.is_empty() {
            "it is looked at again and again; mend the address or the credentials with `throughline repo add`"
        } else {
            hint
        };
        text.push_str(&format!("  {} {}\n", paint(Tone::Busy, "hint:"), clean(hint)));
    }
    text
}

/// What came of checking every fact.
pub fn verified(verified: &Verified) -> String {
    if verified.verified {
        let hash = verified.hash.map(|hash| format!("  {hash}\n")).unwrap_or_default();
        let kept = match verified.checkpoints {
            0 => String::new(),
            1 => ", and as the checkpoint has it".to_owned(),
            several => format!(", and as {several} checkpoints have it"),
        };
        return format!(
            "{} {} facts, each as it was recorded{kept}\n{}",
            paint(Tone::Good, "✓"),
            verified.facts,
            paint(Tone::Quiet, &hash)
        );
    }
    let place = verified
        .first_bad
        .map_or_else(|| "a fact is".to_owned(), |fact| format!("fact {fact} is"));
    let mut text = format!("{} {place} not as it was recorded\n", paint(Tone::Bad, "✗"));
    if let Some(problem) = &verified.problem {
        text.push_str(&format!("  {}\n", clean(problem)));
    }
    text
}

/// The part of a key's id that people read.
pub fn short_key(id: &str) -> String {
    id.chars().take(12).collect()
}

/// The keys that sign checkpoints.
pub fn signing_keys(keys: &SigningKeys, sight: &Sight) -> String {
    let mut table = Table::new(&["KEY", "SINCE", ""]);
    for key in &keys.keys {
        let (tone, words) = if key.current {
            (Tone::Good, "signs")
        } else {
            (Tone::Quiet, "signed earlier")
        };
        table.row([
            (Tone::Strong, clean(&key.id)),
            (Tone::Quiet, sight.ago(key.since)),
            (tone, words.to_owned()),
        ]);
    }
    table.render(sight.width)
}

/// What came of folding all views anew.
pub fn rebuilt(rebuilt: &Rebuilt) -> String {
    let mut text = format!("All views are folded anew, up to fact {}.\n", rebuilt.position);
    let mut table = Table::new(&["", ""]).indented(2);
    for view in &rebuilt.views {
        let (tone, words) = if view.differed {
            (Tone::Waiting, "differed; it is right now")
        } else {
            (Tone::Good, "as before")
        };
        table.row([(Tone::Plain, view.name.clone()), (tone, words.to_owned())]);
    }
    text.push_str(&table.render(None));
    text
}
