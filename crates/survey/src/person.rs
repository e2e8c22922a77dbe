//! Who wrote a commit: a person, counted once under several addresses, or a bot.
//!
//! People are only counted. Nothing here leads from a count back to a name.

use std::collections::HashMap;

use crate::rows::Signature;

/// The one behind a signature, as a number that means something within one reading only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PersonId(u32);

/// Who is behind each signature.
#[derive(Debug, Default)]
pub(crate) struct People {
    of: Vec<(PersonId, Kind)>,
}

/// What is behind a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody.
    Person,
    /// A program.
    Bot,
    /// A host that commits on behalf of whoever pressed its button.
    Host,
}

impl People {
    /// Sorts signatures: after the mailmap, two are the same person when they have the same full name (of
    /// two words at least), or else the same address.
    pub fn of(signatures: &[Signature], mailmap: &gix::mailmap::Snapshot) -> Self {
        let mut known: HashMap<String, PersonId> = HashMap::new();
        let of = signatures
            .iter()
            .map(|signature| {
                let (name, email) = resolved(signature, mailmap);
                let key = key(&name, &email);
                let next = PersonId(known.len() as u32);
                (*known.entry(key).or_insert(next), kind(&name, &email))
            })
            .collect();
        Self { of }
    }

    /// The one behind a signature; nothing when it is a bot or a host.
    pub fn person(&self, signature: u32) -> Option<PersonId> {
        let (person, kind) = self.of.get(signature as usize)?;
        (*kind == Kind::Person).then_some(*person)
    }

    /// What is behind a signature.
    pub fn kind(&self, signature: u32) -> Kind {
        self.of.get(signature as usize).map_or(Kind::Person, |(_, kind)| *kind)
    }
}

fn resolved(signature: &Signature, mailmap: &gix::mailmap::Snapshot) -> (String, String) {
    let borrowed = gix::actor::SignatureRef {
        name: signature.name.as_str().into(),
        email: signature.email.as_str().into(),
        time: "",
    };
    match mailmap.try_resolve_ref(borrowed) {
        Some(found) => (
            found.name.map_or_else(|| signature.name.clone(), ToString::to_string),
            found.email.map_or_else(|| signature.email.clone(), ToString::to_string),
        ),
        None => (signature.name.clone(), signature.email.clone()),
    }
}

fn key(name: &str, email: &str) -> String {
    let name = name.to_lowercase();
    let words: Vec<&str> = name.split_whitespace().collect();
    if words.len() >= 2 {
        return words.join(" ");
    }
    let email = email.to_lowercase();
    if email.contains('@') {
        // GitHub's private addresses begin with a number that older ones lack.
        if let Some((number, rest)) = email.split_once('+')
            && rest.ends_with("@users.noreply.github.com")
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            return rest.to_owned();
        }
        return email;
    }
    words.join(" ")
}

/// Names of programs that do not say `bot`.
const PROGRAMS: &[&str] = &[
    "allcontributors",
    "codecov",
    "crowdin",
    "dependabot",
    "depfu",
    "github actions",
    "github-actions",
    "gitlab ci",
    "greenkeeper",
    "imgbot",
    "jenkins",
    "lgtm migrator",
    "pre-commit-ci",
    "pyup",
    "renovate",
    "scala steward",
    "semantic-release",
    "snyk",
    "transifex",
    "travis ci",
    "weblate",
    "whitesource",
    "mend bolt",
];

/// Whether a person, a program or a host is behind a name and an address: hosts by their own addresses,
/// programs by the word `bot` (as a word of its own, or in brackets) or by the names of common ones.
fn kind(name: &str, email: &str) -> Kind {
    let name = name.trim().to_lowercase();
    let email = email.trim().to_lowercase();
    if email == "noreply@github.com" || (name == "gitlab" && email.starts_with("noreply@")) || name == "web-flow" {
        return Kind::Host;
    }
    let local = email.split('@').next().unwrap_or_default();
    let local = local.rsplit('+').next().unwrap_or_default();
    let says_bot = |text: &str| {
        text.contains("[bot]")
            || text
                .split(|c: char| !c.is_alphanumeric())
                .any(|word| matches!(word, "bot" | "robot" | "ci"))
    };
    let is_program = PROGRAMS.iter().any(|program| name.starts_with(program));
    if is_program || says_bot(&name) || says_bot(local) && !name.contains(' ') {
        return Kind::Bot;
    }
    Kind::Person
}

/// Bots that update dependencies: a part of name or address, and the name people know it by.
const UPDATERS: &[(&str, &str)] = &[
    ("dependabot", "dependabot"),
    ("renovate", "renovate"),
    ("greenkeeper", "greenkeeper"),
    ("pyup", "pyup"),
    ("snyk", "snyk"),
    ("scala steward", "scala-steward"),
    ("scala-steward", "scala-steward"),
    ("depfu", "depfu"),
    ("whitesource", "mend"),
    ("mend bolt", "mend"),
    ("pre-commit-ci", "pre-commit-ci"),
    ("nix-update", "nix-update"),
];

/// The bot for updates of dependencies that a signature belongs to.
pub(crate) fn updater(signature: &Signature) -> Option<&'static str> {
    let name = signature.name.to_lowercase();
    let email = signature.email.to_lowercase();
    UPDATERS
        .iter()
        .find(|(part, _)| name.contains(part) || email.contains(part))
        .map(|(_, updater)| *updater)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(name: &str, email: &str) -> Signature {
        Signature {
            name: name.to_owned(),
            email: email.to_owned(),
        }
    }

    #[test]
    fn bots_say_so_and_people_with_such_names_are_people() {
        for (name, email) in [
            ("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com"),
            ("Renovate Bot", "bot@renovateapp.com"),
            ("k8s-ci-robot", "k8s@x"),
            ("Concourse CI", "c@x"),
            ("GitHub Actions", "actions@github.com"),
            ("release", "release-bot@x"),
        ] {
            assert_eq!(kind(name, email), Kind::Bot, "{name}");
        }
        for (name, email) in [
            ("Fox Talbot", "f@x"),
            ("Botond Kiss", "botond@x"),
            ("Ada Bothe", "ada@ci.example"),
            ("Ann Abbott", "bot@abbott.example"),
        ] {
            assert_eq!(kind(name, email), Kind::Person, "{name}");
        }
        assert_eq!(kind("GitHub", "noreply@github.com"), Kind::Host);
    }

    #[test]
    fn a_person_with_several_addresses_counts_once() {
        let signatures = [
            signature("Ada Lovelace", "ada@home"),
            signature("ada  lovelace", "ada@work"),
            signature("Ada Byron", "ada@old"),
            signature("grace", "12+grace@users.noreply.github.com"),
            signature("grace", "grace@users.noreply.github.com"),
            signature("x", "grace@other"),
        ];
        let mailmap = gix::mailmap::Snapshot::from_bytes(b"Ada Lovelace <ada@home> Ada Byron <ada@old>\n\xff\n");
        let people = People::of(&signatures, &mailmap);
        let ids: Vec<_> = (0..6).map(|at| people.person(at).unwrap()).collect();
        assert!(ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
        assert_eq!(ids[3], ids[4]);
        assert_ne!(ids[4], ids[5]);
    }

    #[test]
    fn updaters_are_known_by_name() {
        assert_eq!(updater(&signature("renovate[bot]", "x")), Some("renovate"));
        assert_eq!(updater(&signature("Ada", "a@x")), None);
    }
}
