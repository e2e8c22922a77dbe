//! The file that says who is told what: read, and checked with places.
//!
//! Secrets stand in it by name; their values are the server's business.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use lettre::message::Mailbox;
use serde::Deserialize;
use toml::Spanned;

use crate::event::Event;
use crate::format::Format;
use crate::guard::{Network, Reach};
use crate::mail::Security;
use crate::rule::{Components, Recipient, Rule, Told, mail_address};

/// How long it is quiet between two messages to the same person, where nothing is said.
const GATHER: Duration = Duration::from_secs(5 * 60);
/// From how long on a gate that waits is told, where nothing is said.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// Who is told what, and how.
#[derive(Debug, Clone)]
pub struct Notifications {
    /// What may be reached.
    pub reach: Reach,
    /// How long it is quiet between two messages to the same person: what comes meanwhile is told together.
    pub gather: Duration,
    /// A file with certificates (PEM) that vouch for receivers instead of the public ones, as it was named.
    pub ca_file: Option<std::path::PathBuf>,
    /// How mail is sent, where it is.
    pub mail: Option<Mail>,
    /// The webhooks by name.
    pub webhooks: BTreeMap<String, Webhook>,
    /// Who is asked in which role.
    pub duties: BTreeMap<String, Vec<Told>>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The name of the server of mail.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: Security,
    /// Who writes.
    pub from: Mailbox,
    /// Who logs in, and the name of the secret with the password.
    pub login: Option<(String, String)>,
    /// Which authors of commits are written to: addresses, and domains of addresses.
    pub authors: BTreeSet<String>,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where it is.
    pub address: Address,
    /// The name of the secret with which it is signed.
    pub secret: Option<String>,
    /// In which form it is told.
    pub format: Format,
}

/// The address of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// It stands here.
    Plain(String),
    /// It is a secret of this name: who knows the address of a chat may write there.
    Secret(String),
}

impl Notifications {
    /// The times after which some rule tells of a gate that waits.
    pub fn waits(&self) -> BTreeSet<Duration> {
        let about_waits = self.rules.iter().filter(|rule| rule.events.contains(&Event::GateWaits));
        about_waits.filter_map(|rule| rule.longer_than).collect()
    }

    /// Whether an author with this address is written to.
    pub fn writes_to_author(&self, address: &str) -> bool {
        let Some(mail) = &self.mail else { return false };
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        mail.authors.contains(address) || mail.authors.contains(domain)
    }

    /// Everybody and everything that some rule or role names.
    pub fn named(&self) -> BTreeSet<Told> {
        let mut named: BTreeSet<Told> = self.duties.values().flatten().cloned().collect();
        named.extend(self.webhooks.keys().cloned().map(Told::Webhook));
        for recipient in self.rules.iter().flat_map(|rule| &rule.to) {
            match recipient {
                Recipient::Mail(address) => drop(named.insert(Told::Mail(address.clone()))),
                Recipient::Webhook(name) => drop(named.insert(Told::Webhook(name.clone()))),
                Recipient::Authors | Recipient::Approvers => {}
            }
        }
        named
    }

    /// Whether several notifications to the recipient are better told at once.
    pub fn gathers(&self, told: &Told) -> bool {
        match told {
            Told::Mail(_) => true,
            Told::Webhook(name) => self
                .webhooks
                .get(name)
                .is_some_and(|webhook| webhook.format.is_for_people()),
        }
    }

    /// Reads the file's text. `path` is where it was read from, for errors.
    ///
    /// # Errors
    /// When something in it is wrong: the place, what is wrong, and what to do.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let place = Place { path, text };
        let file: File = toml::from_str(text).map_err(|error| place.unread(&error))?;
        check(&place, file)
    }
}

/// What is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}{}", hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default())]
pub struct SettingsError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    allow: Vec<Spanned<String>>,
    #[serde(default)]
    gather: Option<Spanned<String>>,
    #[serde(default)]
    ca_file: Option<std::path::PathBuf>,
    #[serde(default)]
    mail: Option<MailForm>,
    #[serde(default)]
    webhooks: BTreeMap<String, Spanned<WebhookForm>>,
    #[serde(default)]
    duties: BTreeMap<String, Vec<Spanned<String>>>,
    #[serde(default)]
    rules: Vec<Spanned<RuleForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MailForm {
    server: Spanned<String>,
    #[serde(default)]
    security: Security,
    from: Spanned<String>,
    #[serde(default)]
    user: Option<Spanned<String>>,
    #[serde(default)]
    password: Option<Spanned<String>>,
    #[serde(default)]
    authors: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WebhookForm {
    #[serde(default)]
    url: Option<Spanned<String>>,
    #[serde(default)]
    url_secret: Option<String>,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    format: Format,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RuleForm {
    events: Vec<Spanned<String>>,
    #[serde(default)]
    components: Vec<Spanned<String>>,
    #[serde(default)]
    environments: Vec<Spanned<String>>,
    #[serde(default)]
    lines: Vec<Spanned<String>>,
    #[serde(default)]
    longer_than: Option<Spanned<String>>,
    to: Vec<Spanned<String>>,
}

/// Where in the file something stands.
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    fn wrong(&self, span: Range<usize>, message: impl Into<String>) -> SettingsError {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        SettingsError {
            file: self.path.display().to_string(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
            hint: None,
        }
    }

    fn unread(&self, error: &toml::de::Error) -> SettingsError {
        let told = error.message().lines().next().unwrap_or_default();
        let (message, hint) = match told.split_once(", expected ") {
            Some((message, expected)) => (message, Some(format!("expected {expected}"))),
            None => (told, None),
        };
        SettingsError {
            hint,
            ..self.wrong(error.span().unwrap_or_default(), message)
        }
    }

    /// Reads each of `texts`.
    fn each<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        texts: &[Spanned<String>],
    ) -> Result<Vec<T>, SettingsError> {
        let read = |text: &Spanned<String>| {
            let parsed = text.get_ref().parse();
            parsed.map_err(|error: T::Err| self.wrong(text.span(), error.to_string()))
        };
        texts.iter().map(read).collect()
    }

    fn time(&self, text: &Spanned<String>) -> Result<Duration, SettingsError> {
        time(text.get_ref()).ok_or_else(|| {
            self.wrong(text.span(), format!("`{}` is no time", text.get_ref()))
                .hint("a number and its unit are expected, such as `30s`, `5m`, `2h` or `1d`")
        })
    }
}

impl SettingsError {
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Reads a number and its unit; at most 365 days.
fn time(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = match text.bytes().next_back()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].trim().parse().ok()?;
    let seconds = number.checked_mul(unit).filter(|seconds| *seconds <= 365 * 86_400)?;
    Some(Duration::from_secs(seconds))
}

fn check(place: &Place<'_>, file: File) -> Result<Notifications, SettingsError> {
    let networks: Vec<Network> = place.each(&file.allow)?;
    let mail = file.mail.map(|form| mail(place, form)).transpose()?;
    let mut webhooks = BTreeMap::new();
    for (name, form) in file.webhooks {
        let webhook = webhook(place, &name, form)?;
        webhooks.insert(name, webhook);
    }
    let mut duties = BTreeMap::new();
    for (role, texts) in file.duties {
        let all: Vec<Told> = place.each(&texts)?;
        for (one, text) in all.iter().zip(&texts) {
            let named = match one {
                Told::Mail(address) => Recipient::Mail(address.clone()),
                Told::Webhook(name) => Recipient::Webhook(name.clone()),
            };
            known(place, text.span(), &named, mail.as_ref(), &webhooks)?;
        }
        duties.insert(role, all);
    }
    let mut rules = Vec::new();
    for form in file.rules {
        let rule = rule(place, form, mail.as_ref(), &webhooks)?;
        rules.push(rule);
    }
    Ok(Notifications {
        reach: Reach::new(networks),
        gather: file.gather.map(|text| place.time(&text)).transpose()?.unwrap_or(GATHER),
        ca_file: file.ca_file,
        mail,
        webhooks,
        duties,
        rules,
    })
}

fn mail(place: &Place<'_>, form: MailForm) -> Result<Mail, SettingsError> {
    let text = form.server.get_ref();
    let no_server = || {
        place
            .wrong(form.server.span(), format!("`{text}` is no server of mail"))
            .hint("a name is expected, with a port where it is not the usual one, such as `mail.example.org:2525`")
    };
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0).ok_or_else(no_server)?),
        None => (text.as_str(), form.security.usual_port()),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(no_server());
    }
    let from = form.from.get_ref().parse().map_err(|_| {
        place
            .wrong(
                form.from.span(),
                format!("`{}` is no mail address", form.from.get_ref()),
            )
            .hint("such as `Throughline <throughline@example.org>`")
    })?;
    let login = match (form.user, form.password) {
        (Some(user), Some(password)) => Some((user.into_inner(), password.into_inner())),
        (None, None) => None,
        (Some(half), None) => {
            return Err(place
                .wrong(half.span(), "a user without a password")
                .hint("name the secret that holds it: `password = \"mail/password\"`"));
        }
        (None, Some(half)) => {
            return Err(place
                .wrong(half.span(), "a password without a user")
                .hint("say `user = \"NAME\"` too"));
        }
    };
    if let (Some((user, _)), Security::None) = (&login, form.security)
        && !["localhost", "127.0.0.1"].contains(&host)
    {
        return Err(place
            .wrong(
                form.server.span(),
                format!("the password of `{user}` would travel unencrypted"),
            )
            .hint("say `security = \"starttls\"` or `\"tls\"`, or leave the user out"));
    }
    let mut authors = BTreeSet::new();
    for text in &form.authors {
        let whole = text.get_ref();
        let address = if whole.contains('@') {
            mail_address(whole)
        } else {
            mail_address(&format!("somebody@{whole}")).map(|_| whole.to_lowercase())
        };
        authors.insert(address.ok_or_else(|| {
            place
                .wrong(
                    text.span(),
                    format!("`{whole}` is neither an address nor the domain of one"),
                )
                .hint("such as `example.org` or `ada@example.org`")
        })?);
    }
    Ok(Mail {
        host: host.to_owned(),
        port,
        security: form.security,
        from,
        login,
        authors,
    })
}

fn webhook(place: &Place<'_>, name: &str, form: Spanned<WebhookForm>) -> Result<Webhook, SettingsError> {
    let span = form.span();
    let form = form.into_inner();
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        return Err(place.wrong(
            span,
            format!("`{name}` is no name of a webhook: letters, digits and `-_.` are expected"),
        ));
    }
    let address = match (form.url, form.url_secret) {
        (Some(url), None) => {
            let text = url.get_ref();
            if !is_web_address(text) {
                return Err(place
                    .wrong(url.span(), format!("`{text}` is no web address"))
                    .hint("it begins with `https://`, or with `http://` in a network of your own"));
            }
            Address::Plain(url.into_inner())
        }
        (None, Some(secret)) => Address::Secret(secret),
        (Some(url), Some(_)) => {
            return Err(place
                .wrong(url.span(), "two addresses")
                .hint("say either `url` or `url-secret`"));
        }
        (None, None) => {
            return Err(place
                .wrong(span, format!("the webhook `{name}` has no address"))
                .hint("say `url = \"https://…\"`, or `url-secret` with the name of the secret that holds it"));
        }
    };
    Ok(Webhook {
        address,
        secret: form.secret,
        format: form.format,
    })
}

/// Whether it is an address that a webhook can have: of the web, without a user in it.
pub fn is_web_address(text: &str) -> bool {
    let parsed: Result<ureq::http::Uri, _> = text.parse();
    parsed.is_ok_and(|uri| {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        matches!(uri.scheme_str(), Some("http" | "https")) && !authority.is_empty() && !authority.contains('@')
    })
}

fn rule(
    place: &Place<'_>,
    form: Spanned<RuleForm>,
    mail: Option<&Mail>,
    webhooks: &BTreeMap<String, Webhook>,
) -> Result<Rule, SettingsError> {
    let span = form.span();
    let form = form.into_inner();
    let mut events = BTreeSet::new();
    for text in &form.events {
        let found = Event::ALL.iter().find(|event| event.as_str() == text.get_ref());
        events.insert(*found.ok_or_else(|| {
            let all: Vec<&str> = Event::ALL.iter().map(|event| event.as_str()).collect();
            place
                .wrong(text.span(), format!("`{}` is no event", text.get_ref()))
                .hint(format!("there are {}", all.join(", ")))
        })?);
    }
    if events.is_empty() {
        return Err(place.wrong(span, "a rule without events"));
    }
    let longer_than = match (&form.longer_than, events.contains(&Event::GateWaits)) {
        (Some(text), true) => Some(place.time(text)?),
        (None, true) => Some(LONG),
        (Some(text), false) => {
            return Err(place
                .wrong(text.span(), "`longer-than` says nothing here")
                .hint("it belongs to the event `gate-waits`"));
        }
        (None, false) => None,
    };
    let to: Vec<Recipient> = place.each(&form.to)?;
    if to.is_empty() {
        return Err(place.wrong(span, "a rule that tells nobody"));
    }
    for (recipient, text) in to.iter().zip(&form.to) {
        known(place, text.span(), recipient, mail, webhooks)?;
        if *recipient == Recipient::Approvers && !events.contains(&Event::ApprovalWaits) {
            return Err(place
                .wrong(text.span(), "`approvers` are asked by the event `approval-waits` alone")
                .hint("add that event, or name somebody else"));
        }
    }
    Ok(Rule {
        events,
        components: place.each::<Components>(&form.components)?,
        environments: place.each(&form.environments)?,
        lines: place.each(&form.lines)?,
        longer_than,
        to,
    })
}

/// A recipient can be reached as far as this file says.
fn known(
    place: &Place<'_>,
    span: Range<usize>,
    recipient: &Recipient,
    mail: Option<&Mail>,
    webhooks: &BTreeMap<String, Webhook>,
) -> Result<(), SettingsError> {
    match recipient {
        Recipient::Webhook(name) if !webhooks.contains_key(name) => Err(place
            .wrong(span, format!("there is no webhook `{name}`"))
            .hint(format!("say where it is: `[webhooks.{name}]` with `url`"))),
        Recipient::Mail(_) | Recipient::Authors if mail.is_none() => Err(place
            .wrong(span, "nothing says how mail is sent")
            .hint("say it in `[mail]`, with `server` and `from`")),
        Recipient::Authors if mail.is_some_and(|mail| mail.authors.is_empty()) => Err(place
            .wrong(span, "nothing says which authors may be written to")
            .hint("a commit can name anybody: list your domains or addresses, as in `authors = [\"example.org\"]` in `[mail]`")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
