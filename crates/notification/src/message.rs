//! What is said: a notification as a document, in a line, and as the text of a mail.

use std::fmt::Write as _;
use std::time::Duration;

use facts::{Commit, ComponentName, Digest, EnvironmentName, FactId, Position, ReleaseLine, RunId, Timestamp, Version};
use serde::{Deserialize, Serialize};

use crate::event::{Event, Happening};
use crate::rule::Told;

/// What people call the things that a happening names by digests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The first line of the commit's message.
    pub subject: Option<String>,
    /// The version of the package.
    pub version: Option<Version>,
    /// The version of the package that was there before.
    pub before: Option<Version>,
}

/// One thing that one recipient is told. Also the document that webhooks are sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// `notification/1`.
    pub schema: String,
    /// Its id: the same in each attempt, and the same again whenever the same recipient is told the
    /// same thing.
    pub id: String,
    /// What happened.
    pub event: Event,
    /// A sentence that says it.
    pub title: String,
    /// When it happened.
    pub at: Timestamp,
    /// About which component.
    pub component: ComponentName,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// On which release line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<ReleaseLine>,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The first line of its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Digest>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The role in which somebody is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Why, each a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The page about it.
    pub url: String,
    /// The fact it tells, where it is one: its position and its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact: Option<(Position, FactId)>,
    /// Why this recipient is told.
    pub because: String,
    /// Whether nothing happened and somebody only tries whether it arrives.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

/// How long something took, in the two units that matter.
fn length(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    if minutes == 0 {
        return format!("{} s", time.as_secs());
    }
    match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// The id under which a recipient is told something: always the same one.
pub fn id_of(key: &str, told: &Told) -> String {
    let digest = Digest::of(format!("notification\n{key}\n{told}"));
    format!("notification_{}", &digest.hex()[..32])
}

/// What happened, in one line.
pub fn title(happening: &Happening, names: &Names) -> String {
    let component = &happening.component;
    let change = match (&names.subject, &happening.commit) {
        (Some(subject), Some(commit)) => format!("“{subject}” ({})", commit.short()),
        (None, Some(commit)) => format!("commit {}", commit.short()),
        (_, None) => "a change".to_owned(),
    };
    let line = happening.line.as_ref().map_or("the line", ReleaseLine::as_str);
    let place = happening
        .environment
        .as_ref()
        .map_or("somewhere", EnvironmentName::as_str);
    let called = |version: &Option<Version>, package: Option<Digest>| match (version, package) {
        (Some(version), _) => version.to_string(),
        (None, Some(package)) => format!("package {}", package.short()),
        (None, None) => "a package".to_owned(),
    };
    let package = called(&names.version, happening.package);
    match happening.event {
        Event::LineBroken => format!("{component}: {line} is broken since {change}"),
        Event::LineRecovered => format!("{component}: {line} works again with {change}"),
        Event::RunFailed => format!("{component}: the build of {change} failed"),
        Event::PackageReturned => match happening.before {
            Some(_) => {
                let before = called(&names.before, happening.before);
                format!("{component}: {place} goes back from {before} to {package}")
            }
            None => format!("{component}: {place} goes back to {package}"),
        },
        Event::DeploymentFailed => format!("{component}: {package} did not come to {place}"),
        Event::DeploymentDone => format!("{component}: {package} is in {place}"),
        Event::AnswerWaits => format!("{component}: a step asks whether it was done"),
        Event::ApprovalWaits => {
            let role = happening.role.as_deref().unwrap_or("somebody");
            format!("{component}: {package} waits before {place} for an approval by {role}")
        }
        Event::GateWaits => {
            let waited = length(happening.waited.unwrap_or_default());
            format!("{component}: {package} has waited {waited} before {place}")
        }
    }
}

impl Notification {
    /// What a recipient is told of something.
    pub fn new(id: String, happening: &Happening, names: &Names, url: String, because: &str) -> Self {
        Self {
            schema: "notification/1".to_owned(),
            id,
            event: happening.event,
            title: title(happening, names),
            at: happening.at,
            component: happening.component.clone(),
            environment: happening.environment.clone(),
            line: happening.line.clone(),
            run: happening.run,
            commit: happening.commit.clone(),
            subject: names.subject.clone(),
            package: happening.package,
            version: names.version.clone(),
            role: happening.role.clone(),
            reasons: happening.reasons.clone(),
            url,
            fact: happening.fact,
            because: because.to_owned(),
            test: false,
        }
    }

    /// One that only tries whether it arrives.
    pub fn test(id: String, at: Timestamp, url: String) -> Self {
        // The name of a component that may exist, so that the document has its usual shape.
        #[allow(clippy::expect_used)]
        let component = ComponentName::new("example/component").expect("a name by its shape");
        Self {
            schema: "notification/1".to_owned(),
            id,
            event: Event::DeploymentDone,
            title: "A test: notifications of Throughline arrive here".to_owned(),
            at,
            component,
            environment: None,
            line: None,
            run: None,
            commit: None,
            subject: None,
            package: None,
            version: None,
            role: None,
            reasons: vec!["Nothing happened; somebody asked for this test.".to_owned()],
            url,
            fact: None,
            because: "somebody tries whether it arrives".to_owned(),
            test: true,
        }
    }

    /// Among others it says when it happened: they may have waited for one another.
    fn write(&self, text: &mut String, among_others: bool) {
        let _ = writeln!(text, "{}", self.title);
        if among_others {
            let since = if self.event == Event::GateWaits { "since " } else { "" };
            let at = self.at.strftime("%-d %B %Y, %H:%M UTC");
            let _ = writeln!(text, "  {since}{at}");
        }
        // Which change it is, where the line above names it by its version alone.
        if let (Some(subject), Some(commit)) = (&self.subject, &self.commit)
            && !self.title.contains(subject.as_str())
        {
            let _ = writeln!(text, "  “{subject}” ({})", commit.short());
        }
        for reason in &self.reasons {
            let _ = writeln!(text, "  {reason}");
        }
        let _ = writeln!(text, "  {}", self.url);
    }
}

/// What goes to one recipient at once: one notification, or several that came while it was quiet.
#[derive(Debug, Clone, PartialEq)]
pub struct Message(Vec<Notification>);

impl Message {
    /// A message of these, oldest first; `None` of none.
    pub fn new(mut all: Vec<Notification>) -> Option<Self> {
        all.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        (!all.is_empty()).then_some(Self(all))
    }

    /// What it tells.
    pub fn notifications(&self) -> &[Notification] {
        &self.0
    }

    /// Its id: that of what it tells first.
    pub fn id(&self) -> &str {
        self.0.first().map_or("", |one| one.id.as_str())
    }

    /// The line that stands above it.
    pub fn subject(&self) -> String {
        match &self.0[..] {
            [one] => one.title.clone(),
            all => {
                let first = all.first().map_or("", |one| one.title.as_str());
                format!("{first}, and {} more", all.len() - 1)
            }
        }
    }

    /// All of it, as plain text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (index, one) in self.0.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            one.write(&mut text, self.0.len() > 1);
        }
        let mut reasons: Vec<&str> = self.0.iter().map(|one| one.because.as_str()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let _ = write!(text, "\n-- \nThroughline writes because {}.\n", reasons.join(", and "));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happening(event: Event) -> Happening {
        Happening {
            event,
            key: "fact_x".to_owned(),
            fact: None,
            at: Timestamp::UNIX_EPOCH,
            component: ComponentName::new("shop/cart").unwrap(),
            environment: Some(EnvironmentName::new("staging").unwrap()),
            line: Some(ReleaseLine::new("main").unwrap()),
            run: None,
            commit: Some(Commit::new("1a2b3c4d".repeat(5)).unwrap()),
            package: Some(Digest::of("one")),
            before: Some(Digest::of("two")),
            role: Some("operations".to_owned()),
            waited: Some(Duration::from_secs(9_000)),
            reasons: vec!["3 of 40 requests failed".to_owned()],
        }
    }

    fn names() -> Names {
        Names {
            subject: Some("Carts keep their order".to_owned()),
            version: Version::new("1.3.0").ok(),
            before: Version::new("1.4.0").ok(),
        }
    }

    #[test]
    fn each_event_is_one_line_that_stands_by_itself() {
        let titles: Vec<String> = Event::ALL
            .iter()
            .map(|event| title(&happening(*event), &names()))
            .collect();
        assert_eq!(
            titles,
            [
                "shop/cart: main is broken since “Carts keep their order” (1a2b3c4d1a)",
                "shop/cart: main works again with “Carts keep their order” (1a2b3c4d1a)",
                "shop/cart: the build of “Carts keep their order” (1a2b3c4d1a) failed",
                "shop/cart: staging goes back from 1.4.0 to 1.3.0",
                "shop/cart: 1.3.0 did not come to staging",
                "shop/cart: 1.3.0 is in staging",
                "shop/cart: a step asks whether it was done",
                "shop/cart: 1.3.0 waits before staging for an approval by operations",
                "shop/cart: 1.3.0 has waited 2 h 30 min before staging",
            ]
        );
    }

    #[test]
    fn several_go_as_one_message_in_the_order_in_which_they_happened() {
        let one = |id: &str, event, at: i64, why: &str| {
            let happening = Happening {
                at: Timestamp::from_second(at).unwrap(),
                ..happening(event)
            };
            let url = format!("https://deliver.example.org/{id}");
            Notification::new(id.to_owned(), &happening, &names(), url, why)
        };
        assert!(Message::new(Vec::new()).is_none());
        let message = Message::new(vec![
            one("b", Event::PackageReturned, 2, "the rules of this server name you"),
            one("a", Event::DeploymentFailed, 1, "you made one of the changes"),
        ])
        .unwrap();
        assert_eq!(message.id(), "a");
        assert_eq!(
            message.subject(),
            "shop/cart: 1.3.0 did not come to staging, and 1 more"
        );
        assert_eq!(
            message.text(),
            "shop/cart: 1.3.0 did not come to staging\n  1 January 1970, 00:00 UTC\n  “Carts keep their order” (1a2b3c4d1a)\n  3 of 40 requests failed\n  https://deliver.example.org/a\n\n\
             shop/cart: staging goes back from 1.4.0 to 1.3.0\n  1 January 1970, 00:00 UTC\n  “Carts keep their order” (1a2b3c4d1a)\n  3 of 40 requests failed\n  https://deliver.example.org/b\n\n\
             -- \nThroughline writes because the rules of this server name you, and you made one of the changes.\n"
        );
    }
}
