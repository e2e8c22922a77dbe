//! From parts to one definition: names that are all different, paths from the root, one package.

use std::collections::BTreeSet;

use crate::part::{Part, Role, Service, Shipped, Step};
use crate::view::{join, name_of};

/// The names that steps must not have.
const TAKEN: &[&str] = &["package", "version"];

/// A step with its name in the definition.
pub(crate) struct Arranged {
    pub name: String,
    pub step: Step,
    pub run: Vec<String>,
    pub needs: Vec<String>,
    pub folder: String,
    pub cache: Vec<(String, String)>,
    pub from: Option<String>,
}

/// All of a definition.
pub(crate) struct Definition {
    pub steps: Vec<Arranged>,
    pub needs: Vec<String>,
    pub files: Vec<Shipped>,
    pub about_files: Vec<String>,
    pub service: Option<Service>,
}

/// Puts the parts together.
pub(crate) fn arrange(parts: &[Part]) -> Definition {
    let mut used: BTreeSet<String> = TAKEN.iter().map(|name| (*name).to_owned()).collect();
    let mut prefixes: BTreeSet<String> = BTreeSet::new();
    let mut definition = Definition {
        steps: Vec::new(),
        needs: Vec::new(),
        files: Vec::new(),
        about_files: Vec::new(),
        service: None,
    };
    for part in parts {
        let prefix = prefix(part, parts, &mut prefixes);
        let mut steps: Vec<&Step> = part.steps.iter().collect();
        steps.sort_by_key(|step| step.role);
        // Names first, so that needs can be told by them.
        let names: Vec<(String, String)> = steps
            .iter()
            .map(|step| (step.name.clone(), unused(&prefix, &step.name, &mut used)))
            .collect();
        let named = |name: &str| names.iter().find(|(own, _)| own == name).map(|(_, name)| name.clone());
        for (step, (_, name)) in steps.iter().zip(&names) {
            if step.packaged {
                definition.needs.push(name.clone());
            }
            definition.steps.push(Arranged {
                name: name.clone(),
                run: exported(step),
                needs: step.needs.iter().filter_map(|need| named(need)).collect(),
                folder: part.folder.clone(),
                cache: step
                    .cache
                    .iter()
                    .map(|(path, key)| (join(&part.folder, path), with(&prefix, key)))
                    .collect(),
                from: step.from.clone(),
                step: (*step).clone(),
            });
        }
        let serves = definition.service.is_none() && part.service.is_some();
        for file in &part.files {
            definition.files.push(Shipped {
                from: join(&part.folder, &file.from),
                to: match (&file.to, serves || part.folder.is_empty()) {
                    (Some(to), true) => Some(to.clone()),
                    (Some(to), false) => Some(join(&part.folder, to)),
                    (None, true) if !part.folder.is_empty() && !file.from.contains('*') => Some(file.from.clone()),
                    (None, _) => None,
                },
            });
        }
        if part.files.is_empty() || !part.about_files.is_empty() {
            definition
                .about_files
                .extend(part.about_files.iter().map(|line| match part.folder.as_str() {
                    "" => line.clone(),
                    folder => format!("{folder}/: {line}"),
                }));
        }
        if serves {
            definition.service.clone_from(&part.service);
        }
    }
    if definition.files.is_empty() {
        definition.service = None;
    }
    definition
}

/// The commands of a step, after what makes its variables.
fn exported(step: &Step) -> Vec<String> {
    let exports = step
        .exports
        .iter()
        .map(|(name, value)| format!("export {name}=\"{value}\""));
    exports.chain(step.run.iter().cloned()).collect()
}

/// What the names of a part's steps begin with: nothing for the first of the root, else the folder or the tool.
fn prefix(part: &Part, parts: &[Part], used: &mut BTreeSet<String>) -> String {
    if parts.len() == 1 || (part.folder.is_empty() && used.insert(String::new())) {
        return String::new();
    }
    let tool = format!("{:?}", part.tool).to_lowercase();
    let folder = plain(name_of(&part.folder));
    let long = plain(&part.folder.replace('/', "-"));
    for name in [folder.clone(), long, with(&folder, &tool), tool.clone()] {
        if !name.is_empty() && name.len() <= 40 && used.insert(name.clone()) {
            return name;
        }
    }
    let mut number = 2;
    loop {
        let name = format!("{tool}{number}");
        if used.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

fn with(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}-{name}")
    }
}

/// A name for a step that no other has.
fn unused(prefix: &str, name: &str, used: &mut BTreeSet<String>) -> String {
    let name = plain(name);
    let name = if name.is_empty() {
        Role::Build.name().to_owned()
    } else {
        name
    };
    let wanted: String = with(prefix, &name).chars().take(56).collect();
    let wanted = wanted.trim_end_matches(['-', '.', '_']).to_owned();
    if used.insert(wanted.clone()) {
        return wanted;
    }
    let mut number = 2;
    loop {
        let next = format!("{wanted}-{number}");
        if used.insert(next.clone()) {
            return next;
        }
        number += 1;
    }
}

/// A text with only what the name of a step may hold.
pub(crate) fn plain(text: &str) -> String {
    let mut name = String::new();
    for c in text.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') {
            name.push(c);
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    name.trim_matches(['-', '.', '_']).to_owned()
}
