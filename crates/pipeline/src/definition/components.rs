//! Several components in one repository: which there are, and which of them a change concerns.
//!
//! The list stands in the file at the repository's top, and says where each component lies; how it is
//! built stands in a file of its own in its folder. What a change concerns is a pure function of the
//! list and of the paths that differ, so a server and a laptop come to the same answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{file, text_of};
use crate::checks::Checks;
use crate::cycle::{find_cycle, path_text};
use crate::diagnostic::Diagnostics;
use crate::globs::Globs;
use crate::named::Named;
use crate::reading::check_language;
use crate::schema;
use crate::yaml::{Kind, Node, Source};

/// The most components that one repository may list.
pub const MOST_COMPONENTS: usize = 1_000;
/// The longest name of a component within its repository.
const LONGEST_NAME: usize = 40;

static SCHEMA: LazyLock<Value> = LazyLock::new(schema::of::<Listed>);

/// The part of the file that lists components.
#[derive(Debug, Deserialize, JsonSchema)]
struct Listed {
    components: Named<file::Component>,
}

/// A component that the file at the repository's top lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name within the repository.
    pub name: String,
    /// Its folder, relative to the repository's top, without a `/` at the end.
    pub folder: String,
    /// Patterns of further files that concern it, relative to the repository's top; those that begin with
    /// `!` leave files out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// The components that it is built and tested with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// The components of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Components {
    members: Vec<Member>,
    own: bool,
}

/// Why a change concerns a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Concern {
    /// It touches this path, and maybe others.
    Path(String),
    /// It lists the component, or lists it otherwise than before.
    Listed,
    /// It concerns this component, which the component needs.
    Needs(String),
}

impl std::fmt::Display for Concern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => write!(f, "it touches {path}"),
            Self::Listed => f.write_str("it lists the component anew"),
            Self::Needs(name) => write!(f, "the component needs {name}"),
        }
    }
}

/// What a change concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concerned {
    /// Why it concerns what the file at the top builds itself; `None` where it does not.
    pub own: Option<Concern>,
    /// The components it concerns, by name.
    pub members: BTreeMap<String, Concern>,
}

impl Components {
    /// Reads the list in the file at a repository's top; `file` is what the file is called in messages. What
    /// else is wrong with the file is not looked at: it concerns what the file builds itself.
    ///
    /// # Errors
    /// Everything that is wrong with the list, each with its place.
    pub fn parse_bytes(bytes: &[u8], file: &str) -> Result<Self, Diagnostics> {
        let source = Source {
            file,
            text: text_of(bytes, file)?,
        };
        let root = source.parse()?;
        check_language(&source, &root)?;
        let own = ["steps", "package"].iter().any(|key| root.member(key).is_some());
        let Some((key, node)) = root.member("components") else {
            return Ok(Self {
                members: Vec::new(),
                own: true,
            });
        };
        let only = Node {
            place: root.place,
            kind: Kind::Map(vec![(key.clone(), node.clone())]),
        };
        let mut wrong = Vec::new();
        schema::check(&source, &only, &SCHEMA, &mut wrong);
        Diagnostics::none_of(wrong)?;
        let listed: Listed = only
            .to_typed()
            .map_err(|error| source.at(node.place, error.to_string(), None))?;
        let checks = Checks::new(source);
        let members = members(&checks, node, listed.components);
        Diagnostics::none_of(checks.into_wrong())?;
        Ok(Self { members, own })
    }

    /// Whether a file may have a list, without reading it: the word stands nowhere in most. A name in double quotes
    /// may be written with escapes, so a file with a backslash is not judged.
    pub fn may_be_in(bytes: &[u8]) -> bool {
        let word = b"components";
        bytes.contains(&b'\\') || bytes.windows(word.len()).any(|part| part == word)
    }

    pub(super) fn read(checks: &Checks<'_>, root: &Node, listed: Named<file::Component>) -> Self {
        let own = ["steps", "package"].iter().any(|key| root.member(key).is_some());
        let members = root
            .get("components")
            .map(|node| members(checks, node, listed))
            .unwrap_or_default();
        Self { members, own }
    }

    /// The components, in the order of the file.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The component of that name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Whether there is no list: the repository is one component.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether the file at the top builds something itself.
    pub fn has_own(&self) -> bool {
        self.own
    }

    /// The names of components that need this one, directly or over others.
    pub fn dependents<'a>(&'a self, name: &'a str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            for member in &self.members {
                if member.needs.iter().any(|need| need == name) && found.insert(member.name.as_str()) {
                    open.push(&member.name);
                }
            }
        }
        found
    }

    /// All components, those that are needed before those that need them.
    pub fn in_order(&self) -> Vec<&Member> {
        let mut order: Vec<&Member> = Vec::with_capacity(self.members.len());
        while order.len() < self.members.len() {
            let ready: Vec<&Member> = self
                .members
                .iter()
                .filter(|member| !order.iter().any(|done| done.name == member.name))
                .filter(|member| {
                    let done = |need: &String| order.iter().any(|done| done.name == *need);
                    member.needs.iter().all(done)
                })
                .collect();
            if ready.is_empty() {
                break; // The check refuses cycles.
            }
            order.extend(ready);
        }
        order
    }

    /// What a change concerns that touches the paths `changed`; `before` is the list before it. Of a
    /// component that lies in another one's folder, the outer one is not concerned by what lies within.
    pub fn concerned<'a>(&self, before: Option<&Self>, changed: impl IntoIterator<Item = &'a str>) -> Concerned {
        let filters: Vec<(&Member, Globs, Globs)> = self
            .members
            .iter()
            .filter_map(|member| {
                let all = std::iter::once(member.folder.as_str()).chain(member.also.iter().map(String::as_str));
                let also = member.also.iter().map(String::as_str);
                // The check has read each pattern.
                Some((member, Globs::new(all).ok()?, Globs::new(also).ok()?))
            })
            .collect();
        let mut found = Concerned::default();
        for member in &self.members {
            if before.is_some_and(|before| before.member(&member.name) != Some(member)) {
                found.members.insert(member.name.clone(), Concern::Listed);
            }
        }
        for path in changed {
            let home = self.home(path);
            if home.is_none() && self.own {
                found.own.get_or_insert_with(|| Concern::Path(path.to_owned()));
            }
            for (member, all, also) in &filters {
                let in_folder = home.is_some_and(|home| home.name == member.name) && all.matches(path);
                if (in_folder || also.matches(path)) && !found.members.contains_key(&member.name) {
                    found
                        .members
                        .insert(member.name.clone(), Concern::Path(path.to_owned()));
                }
            }
        }
        for name in found.members.keys().cloned().collect::<Vec<_>>() {
            for dependent in self.dependents(&name) {
                // The nearest reason: what it needs itself, where that is concerned.
                let nearest = self.member(dependent).and_then(|member| {
                    let concerned = |need: &&String| found.members.contains_key(*need);
                    member.needs.iter().find(concerned).cloned()
                });
                let why = Concern::Needs(nearest.unwrap_or_else(|| name.clone()));
                found.members.entry(dependent.to_owned()).or_insert(why);
            }
        }
        found
    }

    /// All there is, as for a repository that comes for the first time.
    pub fn all(&self) -> Concerned {
        Concerned {
            own: self.own.then_some(Concern::Listed),
            members: self
                .members
                .iter()
                .map(|member| (member.name.clone(), Concern::Listed))
                .collect(),
        }
    }

    /// The component in whose folder a path lies, the innermost of several.
    pub fn home(&self, path: &str) -> Option<&Member> {
        let within = |member: &&Member| {
            let rest = path.strip_prefix(member.folder.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.members
            .iter()
            .filter(within)
            .max_by_key(|member| member.folder.len())
    }
}

/// The checked list.
fn members(checks: &Checks<'_>, node: &Node, listed: Named<file::Component>) -> Vec<Member> {
    if listed.0.is_empty() {
        checks.say(
            node.place,
            "no component is listed",
            Some("name each with its folder, such as `components: { web: { path: web } }`"),
        );
    }
    if listed.0.len() > MOST_COMPONENTS {
        let message = format!(
            "there are {} components, more than the {MOST_COMPONENTS} allowed",
            listed.0.len()
        );
        checks.say(node.place, message, None);
        return Vec::new();
    }
    let names: BTreeSet<&str> = node.members().iter().map(|(key, _)| key.name.as_str()).collect();
    let mut folders: BTreeMap<String, String> = BTreeMap::new();
    let mut members = Vec::with_capacity(listed.0.len());
    for ((name, listed), (key, node)) in listed.0.into_iter().zip(node.members()) {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if !name.chars().all(fits)
            || !edge(name.chars().next())
            || !edge(name.chars().last())
            || name.len() > LONGEST_NAME
        {
            checks.say(
                key.place,
                format!("`{}` is no name of a component", name.escape_debug()),
                Some("lower-case letters, digits and `-_` between them, at most 40"),
            );
        }
        let folder = listed.path.unwrap_or_else(|| name.clone());
        let place = node.get("path").map_or(key.place, |path| path.place);
        checks.path(place, "the path", &folder);
        let folder = folder.trim_start_matches("./").trim_end_matches('/').to_owned();
        if folder.is_empty() || folder == "." {
            checks.say(
                place,
                "the repository's top is what this file itself builds",
                Some("name a folder below it; steps of the top stand in this file"),
            );
        } else if folder.contains(['*', '?', '[', ']', '{', '}', '!']) {
            checks.say(
                place,
                format!("the path `{folder}` is a pattern"),
                Some("name one folder; patterns stand in `also`"),
            );
        } else if let Some(other) = folders.insert(folder.clone(), name.clone()) {
            let message = format!("`{other}` lies in `{folder}` already");
            checks.say(
                place,
                message,
                Some("each component has a folder of its own, with a throughline.yaml"),
            );
        }
        let patterns = node.get("also").map(Node::elements).unwrap_or_default();
        for (pattern, node) in listed.also.iter().zip(patterns) {
            if let Err(error) = Globs::new([pattern.as_str()]) {
                checks.say(
                    node.place,
                    error.to_string(),
                    Some("write it relative to the repository's top"),
                );
            }
        }
        let mut needs = Vec::with_capacity(listed.needs.len());
        let nodes = node.get("needs").map(Node::elements).unwrap_or_default();
        for (need, node) in listed.needs.into_iter().zip(nodes) {
            if checks.known(node.place, "component", &need, &names) {
                if needs.contains(&need) {
                    checks.say(node.place, format!("`{need}` is named twice"), None);
                } else {
                    needs.push(need);
                }
            }
        }
        members.push(Member {
            name,
            folder,
            also: listed.also,
            needs,
        });
    }
    no_cycle(checks, node, &members);
    members
}

/// No component may need itself, over however many others.
fn no_cycle(checks: &Checks<'_>, node: &Node, members: &[Member]) {
    let place_of = |name: &String| members.iter().position(|member| member.name == *name);
    let edges: Vec<Vec<usize>> = members
        .iter()
        .map(|member| member.needs.iter().filter_map(place_of).collect())
        .collect();
    let Some(path) = find_cycle(&edges) else { return };
    let names: Vec<&str> = path.iter().map(|place| members[*place].name.as_str()).collect();
    let needs = node.get(names[0]).and_then(|node| node.get("needs"));
    let place = needs.map_or(node.place, |needs| needs.place);
    checks.say(
        place,
        format!("components need one another: {}", path_text(&names)),
        Some("take one of these needs away"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components(text: &str) -> Components {
        Components::parse_bytes(text.as_bytes(), "throughline.yaml").unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    fn shop() -> Components {
        components(
            "throughline: 1
components:
  web: { path: apps/web, needs: [api], also: [assets, '!**/*.md'] }
  api: { path: apps/api, needs: [core] }
  core: { path: libs/core, also: [proto/*.proto] }
  tools: {}
  inner: { path: apps/web/widget }
",
        )
    }

    fn concerned(paths: &[&str]) -> Vec<(String, String)> {
        let found = shop().concerned(None, paths.iter().copied());
        assert_eq!(found.own, None, "the top builds nothing");
        found
            .members
            .into_iter()
            .map(|(name, why)| (name, why.to_string()))
            .collect()
    }

    #[track_caller]
    fn check(paths: &[&str], expected: &[(&str, &str)]) {
        let expected: Vec<(String, String)> = expected
            .iter()
            .map(|(name, why)| ((*name).to_owned(), (*why).to_owned()))
            .collect();
        assert_eq!(concerned(paths), expected);
    }

    #[test]
    fn a_change_concerns_what_it_touches_and_what_needs_that() {
        check(&["apps/web/a.ts"], &[("web", "it touches apps/web/a.ts")]);
        check(
            &["libs/core/x.rs"],
            &[
                ("api", "the component needs core"),
                ("core", "it touches libs/core/x.rs"),
                ("web", "the component needs api"),
            ],
        );
        check(&["README.md", "libs/other"], &[]);
        check(&["apps/webber/x", "toolset/x"], &[]);
    }

    #[test]
    fn shared_files_concern_those_that_name_them_and_what_is_left_out_nobody() {
        check(&["assets/logo.svg"], &[("web", "it touches assets/logo.svg")]);
        check(&["assets/README.md", "apps/web/README.md"], &[]);
        check(&["proto/deep/a.proto"], &[]);
        assert_eq!(concerned(&["proto/a.proto"]).len(), 3);
    }

    #[test]
    fn what_lies_in_an_inner_component_does_not_concern_the_outer_one() {
        check(
            &["apps/web/widget/a.ts"],
            &[("inner", "it touches apps/web/widget/a.ts")],
        );
    }

    #[test]
    fn a_component_that_is_listed_anew_is_concerned() {
        let before = components("throughline: 1\ncomponents: { tools: {}, core: { path: libs/core } }\n");
        let now = components("throughline: 1\ncomponents: { tools: {}, core: { path: core }, new: {} }\n");
        let found = now.concerned(Some(&before), ["throughline.yaml"]);
        let names: Vec<&str> = found.members.keys().map(String::as_str).collect();
        assert_eq!(names, ["core", "new"]);
    }

    #[test]
    fn what_the_top_builds_itself_is_concerned_by_what_lies_in_no_component() {
        let both = components("throughline: 1\nsteps: { a: { run: x } }\ncomponents: { tools: {} }\n");
        assert!(both.concerned(None, ["Makefile"]).own.is_some());
        assert!(both.concerned(None, ["tools/x"]).own.is_none());
    }

    #[test]
    fn what_is_needed_comes_before_what_needs_it() {
        let shop = shop();
        let names: Vec<&str> = shop.in_order().iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["core", "tools", "inner", "api", "web"]);
    }

    #[test]
    fn the_rest_of_the_file_may_be_broken() {
        let text = "throughline: 1\nsteps: { a: { rnu: x } }\ncomponents: { tools: {} }\n";
        assert_eq!(components(text).members().len(), 1);
    }
}
