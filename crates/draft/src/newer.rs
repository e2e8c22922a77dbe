//! What a repository says about the versions of its tools, where it wants a newer one than the machine has.

use serde_json::Value;

use crate::Machine;
use crate::part::{Part, Tool};
use crate::stacks::toml_file;
use crate::view::{View, join};

/// A version as three numbers; what is not said is 0.
type Version = [u64; 3];

/// What is said about each part whose repository wants a newer tool than there is.
pub(crate) fn notes(view: &View<'_>, part: &Part, machine: &Machine) -> Vec<String> {
    let Some((program, called)) = tool_of(part) else {
        return Vec::new();
    };
    let Some(here) = machine.versions.get(program) else {
        return Vec::new();
    };
    let Some(version) = version(here) else {
        return Vec::new();
    };
    let wanted = wanted(view, part).into_iter();
    let newer = wanted.filter(|(_, wish)| is_newer(wish, version));
    newer
        .map(|(place, wish)| {
            let wish = crate::write::clean(&wish);
            format!(
                "{place} wants {called} {wish}, and {here} is here: its steps may fail until a newer one is installed"
            )
        })
        .collect()
}

/// The program that says which version is here, and what it is called.
fn tool_of(part: &Part) -> Option<(&'static str, &'static str)> {
    Some(match part.tool {
        Tool::Node => ("node", "Node"),
        // uv brings the interpreter that a project wants.
        Tool::Python if part.programs.iter().all(|program| program != "uv") => ("python3", "Python"),
        Tool::Cargo => ("rustc", "Rust"),
        Tool::Go => ("go", "Go"),
        _ => return None,
    })
}

/// The places that name a version, each with what it says.
fn wanted(view: &View<'_>, part: &Part) -> Vec<(String, String)> {
    let text = |name: &str| view.text(&join(&part.folder, name));
    let toml = |name: &str| {
        text(name)
            .and_then(|text| toml_file::read(&text))
            .unwrap_or(Value::Null)
    };
    let first_line = |name: &str| Some(text(name)?.lines().next()?.trim().to_owned());
    let mut all: Vec<(String, Option<String>)> = Vec::new();
    match part.tool {
        Tool::Node => {
            let manifest: Value =
                serde_json::from_str(&view.text_or_empty(&join(&part.folder, "package.json"))).unwrap_or_default();
            let engine = manifest.pointer("/engines/node").and_then(Value::as_str);
            all.push(("package.json".to_owned(), engine.map(str::to_owned)));
            for name in [".nvmrc", ".node-version"] {
                all.push((
                    name.to_owned(),
                    first_line(name).map(|line| line.trim_start_matches('v').to_owned()),
                ));
            }
        }
        Tool::Python => {
            let project = toml("pyproject.toml");
            let of_poetry = toml_file::text(&project, &["tool", "poetry", "dependencies", "python"]);
            let said = toml_file::text(&project, &["project", "requires-python"])
                .or(of_poetry)
                .map(str::to_owned);
            all.push(("pyproject.toml".to_owned(), said));
        }
        Tool::Cargo => {
            let manifest = toml("Cargo.toml");
            let of_workspace = toml_file::text(&manifest, &["workspace", "package", "rust-version"]);
            let said = toml_file::text(&manifest, &["package", "rust-version"])
                .or(of_workspace)
                .map(str::to_owned);
            all.push(("Cargo.toml".to_owned(), said));
            let file = toml("rust-toolchain.toml");
            let channel = toml_file::text(&file, &["toolchain", "channel"]).map(str::to_owned);
            all.push(("rust-toolchain.toml".to_owned(), channel));
            all.push(("rust-toolchain".to_owned(), first_line("rust-toolchain")));
        }
        Tool::Go => {
            let module = text("go.mod");
            let line = module
                .as_deref()
                .and_then(|text| text.lines().find_map(|line| line.strip_prefix("go ")));
            all.push(("go.mod".to_owned(), line.map(|line| line.trim().to_owned())));
        }
        _ => {}
    }
    let said = all
        .into_iter()
        .filter_map(|(name, said)| Some((join(&part.folder, &name), said?)));
    said.filter(|(_, said)| said.len() <= 100).collect()
}

/// Whether none of the alternatives of a wish is met by this version, and one of them by a later one only.
fn is_newer(wish: &str, here: Version) -> bool {
    let alternatives: Vec<Range> = wish.split("||").filter_map(range).collect();
    alternatives.iter().any(|range| range.from > here) && !alternatives.iter().any(|range| range.holds(here))
}

/// From which version on, and before which one.
struct Range {
    from: Version,
    before: Option<Version>,
}

impl Range {
    fn holds(&self, version: Version) -> bool {
        version >= self.from && self.before.is_none_or(|before| version < before)
    }
}

/// What one alternative says; nothing where that is not about numbers.
fn range(text: &str) -> Option<Range> {
    let mut range = Range {
        from: [0; 3],
        before: None,
    };
    let mut known = false;
    // `>= 18` is one word.
    let text = text.trim().replace("= ", "=").replace("> ", ">").replace("< ", "<");
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let number = word.trim_start_matches(|c: char| !c.is_ascii_digit());
        let sign = &word[..word.len() - number.len()];
        let Some(found) = version(number) else { continue };
        let next = |at: usize| {
            let mut next = [0; 3];
            next[..=at].copy_from_slice(&found[..=at]);
            next[at] += 1;
            next
        };
        match sign {
            ">=" | ">" | "" | "v" | "=" | "==" | "go" => range.from = range.from.max(found),
            "^" => {
                range.from = range.from.max(found);
                range.before = Some(next(0));
            }
            "~" | "~=" => range.from = range.from.max(found),
            "<" => range.before = Some(found),
            "<=" => range.before = Some(next(2)),
            _ => continue,
        }
        known = true;
    }
    known.then_some(range)
}

/// The numbers that a text begins with.
fn version(text: &str) -> Option<Version> {
    let mut version = [0; 3];
    let mut parts = text.trim().splitn(3, '.');
    for (at, place) in version.iter_mut().enumerate() {
        let Some(part) = parts.next() else { break };
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        match digits.parse() {
            Ok(number) => *place = number,
            Err(_) if at == 0 => return None,
            Err(_) => break,
        }
    }
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_newer_where_only_a_later_version_meets_it() {
        for (wish, here, expected) in [
            (">=22.12", "20.20.2", true),
            (">= 18", "20.20.2", false),
            ("^20.9.0 || ^22.11.0 || >=25.0.0", "20.20.2", false),
            ("^20.19.0 || >=22.12.0", "21.1.0", true),
            ("^18 || ^20", "22.0.0", false),
            ("16.x", "20.20.2", false),
            ("lts/*", "20.20.2", false),
            ("*", "20.20.2", false),
            (">=3.12,<4", "3.11.7", true),
            (">=3.9", "3.11.7", false),
            ("^3.12", "3.11.7", true),
            ("==3.12.*", "3.11.7", true),
            ("1.96", "1.95.0", true),
            ("nightly-2026-01-01", "1.95.0", false),
            ("stable", "1.95.0", false),
            ("1.25.3", "1.19.8", true),
        ] {
            assert_eq!(is_newer(wish, version(here).unwrap()), expected, "{wish} {here}");
        }
    }
}
