//! A story that a server recorded, told again with other names.
//!
//! What is its own is found by its form: ids, commits, the digests of packages, the component's name, and times. All
//! else, such as commands, outputs and the digests of logs, stays as it was recorded.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use facts::{Digest, Entropy, Fact, FactId, NewFact, Stream, SystemClock, Timestamp};
use ledger::{Ledger, SqliteLedger};

/// How many facts are read at a time.
const AT_ONCE: usize = 1_000;
/// The kind with which the story of a component begins.
const CREATED: &str = "component.created";

/// What a server recorded: first what is of the server itself, then the story of a component.
pub struct Sample {
    /// Of the server: its key, its policy, its first token.
    pub before: Vec<Arc<Fact>>,
    /// Of the component.
    pub story: Vec<Arc<Fact>>,
}

impl Sample {
    /// Reads the ledger of a server's data folder.
    ///
    /// # Errors
    /// When it cannot be read, or no component was made.
    pub async fn read(data: &Path) -> Result<Self, Box<dyn Error>> {
        let ledger = SqliteLedger::open(&data.join("ledger.db"), server::views::all(), Arc::new(SystemClock))?;
        let mut all: Vec<Arc<Fact>> = Vec::new();
        loop {
            let some = ledger.read(all.len() as u64, AT_ONCE).await?;
            let last = some.len() < AT_ONCE;
            all.extend(some);
            if last {
                break;
            }
        }
        let begin = all.iter().position(|fact| fact.kind() == CREATED);
        let story = all.split_off(begin.ok_or("the sample has no component")?);
        Ok(Self { before: all, story })
    }
}

/// A piece of a text of the story.
enum Piece {
    /// As it was recorded.
    Same(String),
    /// The name with this number.
    Name(usize),
    /// A time, so long after the story began.
    Time(i64),
}

/// A text of the story.
struct Text(Vec<Piece>);

/// What a name is the name of, which says how another is made.
enum Name {
    /// The component's.
    Component,
    /// An id, with its prefix.
    Id(String),
    /// So many hexadecimal digits.
    Hex(usize),
}

struct Line {
    fact: Arc<Fact>,
    stream: Text,
    id: Text,
    cause: Option<Text>,
    correlation: Option<Text>,
    key: Option<Text>,
    body: Text,
    after: i64,
}

/// A story that can be told.
pub struct Story {
    lines: Vec<Line>,
    names: Vec<Name>,
    /// How long it took, in microseconds.
    pub length: i64,
}

/// Random digits that follow from a text.
struct Digits([u8; 32]);

impl Entropy for Digits {
    fn fill(&self, bytes: &mut [u8]) {
        for (byte, digit) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *byte = *digit;
        }
    }
}

/// What finds names in texts, and numbers them.
struct Finder {
    component: String,
    /// Digests of packages, without what stands before the colon.
    packages: Vec<String>,
    known: BTreeMap<String, usize>,
    names: Vec<Name>,
    begin: i64,
}

impl Finder {
    fn name(&mut self, text: &str, name: Name) -> Piece {
        let number = *self.known.entry(text.to_owned()).or_insert_with(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        Piece::Name(number)
    }

    fn text(&mut self, text: &str) -> Text {
        let mut pieces = Vec::new();
        let mut rest = text;
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':' | '.');
        while !rest.is_empty() {
            let component = self.component.clone();
            if let Some(after) = rest.strip_prefix(component.as_str()) {
                pieces.push(self.name(&component, Name::Component));
                rest = after;
                continue;
            }
            let end = match rest.find(|c: char| !is_of_word(c)) {
                // What is between words is taken up to the next.
                Some(0) => rest.find(is_of_word).unwrap_or(rest.len()),
                Some(end) => end,
                None => rest.len(),
            };
            // The component's name may stand behind a colon, as in `component:team/shop`.
            let end = match rest.find(&component) {
                Some(name) if name < end && rest[..name].ends_with(':') => name,
                _ => end,
            };
            let (word, after) = rest.split_at(end);
            self.word(word, &mut pieces);
            rest = after;
        }
        Text(pieces)
    }

    /// A word may have several parts between colons, as in `run:build:component_0…`.
    fn word(&mut self, word: &str, pieces: &mut Vec<Piece>) {
        if word.ends_with('Z')
            && let Ok(time) = word.parse::<Timestamp>()
        {
            pieces.push(Piece::Time(time.as_microsecond() - self.begin));
            return;
        }
        for (place, part) in word.split(':').enumerate() {
            if place > 0 {
                pieces.push(Piece::Same(":".to_owned()));
            }
            let hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let id = part.split_once('_').filter(|(_, digits)| digits.len() == 26);
            let piece = match (part.len(), id) {
                (40, _) if hex => self.name(part, Name::Hex(40)),
                (64, _) if hex && self.packages.iter().any(|package| package == part) => self.name(part, Name::Hex(64)),
                (_, Some((prefix @ ("fact" | "run" | "deployment" | "component"), _))) => {
                    self.name(part, Name::Id(prefix.to_owned()))
                }
                _ => Piece::Same(part.to_owned()),
            };
            pieces.push(piece);
        }
    }
}

/// The digests below any key `package`.
fn packages(body: &serde_json::Value, found: &mut Vec<String>) {
    match body {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                if let (true, Some(digest)) = (key == "package", value.as_str().and_then(|text| text.split_once(':'))) {
                    found.push(digest.1.to_owned());
                }
                packages(value, found);
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| packages(value, found)),
        _ => {}
    }
}

impl Story {
    /// Takes a story apart.
    ///
    /// # Errors
    /// When it does not begin with the making of a component.
    pub fn of(facts: &[Arc<Fact>]) -> Result<Self, Box<dyn Error>> {
        let first = facts.first().ok_or("the story is empty")?;
        let name = first.new.body["name"]
            .as_str()
            .ok_or("the story's component has no name")?;
        let begin = first.new.occurred_at.as_microsecond();
        let mut found = Vec::new();
        for fact in facts {
            packages(&fact.new.body, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        let mut finder = Finder {
            component: name.to_owned(),
            packages: found,
            known: BTreeMap::new(),
            names: Vec::new(),
            begin,
        };
        let mut length = 0;
        let mut lines = Vec::with_capacity(facts.len());
        for fact in facts {
            let new = &fact.new;
            let after = new.occurred_at.as_microsecond() - begin;
            length = length.max(after);
            lines.push(Line {
                stream: finder.text(new.stream.as_str()),
                id: finder.text(&new.id.to_string()),
                cause: new.cause.map(|id| finder.text(&id.to_string())),
                correlation: new.correlation.as_deref().map(|text| finder.text(text)),
                key: new.external_key.as_deref().map(|text| finder.text(text)),
                body: finder.text(&serde_json::to_string(&new.body)?),
                after,
                fact: fact.clone(),
            });
        }
        Ok(Self {
            lines,
            names: finder.names,
            length,
        })
    }

    /// How many facts it has.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Tells it with the names that belong to a number, as if it had begun at a time.
    ///
    /// # Errors
    /// When a name stood where another does not fit: the story is not what it was taken for.
    pub fn told(&self, number: usize, begin: Timestamp) -> Result<Vec<NewFact>, Box<dyn Error>> {
        let names: Vec<String> = (0..self.names.len())
            .map(|place| {
                let digits = Digest::of(format!("{number} {place}"));
                match &self.names[place] {
                    Name::Component => format!("team{}/service{number}", number % 40),
                    Name::Hex(length) => digits.hex()[..*length].to_owned(),
                    Name::Id(prefix) => {
                        let id = FactId::new(begin, &Digits(*digits.as_bytes())).to_string();
                        id.replacen(FactId::PREFIX, prefix, 1)
                    }
                }
            })
            .collect();
        let begin = begin.as_microsecond();
        let tell = |text: &Text| text.tell(&names, begin);
        let tell_if = |text: &Option<Text>| text.as_ref().map(tell);
        self.lines
            .iter()
            .map(|line| {
                let new = &line.fact.new;
                Ok(NewFact {
                    stream: Stream::from(tell(&line.stream)),
                    id: tell(&line.id).parse()?,
                    kind: new.kind.clone(),
                    kind_version: new.kind_version,
                    occurred_at: Timestamp::from_microsecond(begin + line.after)?,
                    actor: new.actor,
                    on_behalf_of: new.on_behalf_of,
                    trust: new.trust,
                    cause: tell_if(&line.cause).map(|text| text.parse()).transpose()?,
                    correlation: tell_if(&line.correlation),
                    external_key: tell_if(&line.key),
                    body: serde_json::from_str(&tell(&line.body))?,
                })
            })
            .collect()
    }
}

impl Text {
    fn tell(&self, names: &[String], begin: i64) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Same(same) => text.push_str(same),
                Piece::Name(number) => text.push_str(&names[*number]),
                Piece::Time(after) => {
                    let time = Timestamp::from_microsecond(begin + after).unwrap_or_default();
                    text.push_str(&time.to_string());
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use facts::{Actor, Clock as _, SystemEntropy, Trust};
    use serde_json::json;

    use super::*;

    fn fact(stream: &str, kind: &str, key: Option<&str>, body: serde_json::Value) -> Arc<Fact> {
        let now = SystemClock.now();
        let new = NewFact {
            stream: Stream::from(stream.to_owned()),
            id: FactId::new(now, &SystemEntropy),
            kind: kind.to_owned(),
            kind_version: 1,
            occurred_at: now,
            actor: Actor::System,
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation: None,
            external_key: key.map(str::to_owned),
            body,
        };
        Arc::new(new.seal(1, 1, now, Digest::of("")).0)
    }

    #[test]
    fn a_story_told_again_has_other_names_that_fit_together_and_keeps_the_rest() {
        let component = "component_0000000000fqy9dnpsmw2k2m9a";
        let (commit, package, log) = ("1".repeat(40), "2".repeat(64), "3".repeat(64));
        let story = Story::of(&[
            fact(
                &format!("repository/{component}"),
                CREATED,
                Some("component:team/shop"),
                json!({ "component": component, "name": "team/shop" }),
            ),
            fact(
                &format!("delivery/{component}"),
                "package.accepted",
                Some(&format!("version:{component}/{commit}")),
                json!({ "package": format!("sha256:{package}"), "log": format!("sha256:{log}"), "at": "2026-11-23T18:53:54.5Z", "text": "für team/shop: 40 °C" }),
            ),
        ])
        .unwrap();
        let begin: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
        let (one, other) = (story.told(1, begin).unwrap(), story.told(2, begin).unwrap());
        assert_eq!(one[0].external_key.as_deref(), Some("component:team1/service1"));
        let renamed = one[0].body["component"].as_str().unwrap();
        assert_ne!(renamed, component);
        assert_eq!(one[1].stream.as_str(), format!("delivery/{renamed}"));
        assert_ne!(one[1].external_key, other[1].external_key);
        assert_ne!(one[1].id, other[1].id);
        assert_ne!(one[1].body["package"], other[1].body["package"]);
        assert_eq!(one[1].body["log"], json!(format!("sha256:{log}")));
        assert_eq!(one[1].body["text"], "für team1/service1: 40 °C");
        assert!(one[1].body["at"].as_str().unwrap().starts_with("202"));
        assert_eq!(one[0].occurred_at, begin);
        assert_eq!(
            story.told(1, begin).unwrap()[1].id,
            one[1].id,
            "the same again has the same names"
        );
    }
}
