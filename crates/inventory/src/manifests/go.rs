//! `go.mod`.

use super::{Dependency, Ecosystem, Manifest};
use crate::formats::Broken;
use crate::reading::lines;

pub(super) fn read(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let mut manifest = Manifest::of(path, Ecosystem::Go, "go");
    let mut block = String::new();
    for (number, line) in lines(text) {
        let (code, comment) = line.split_once("//").unwrap_or((line, ""));
        let code = code.trim();
        if code == ")" {
            block.clear();
            continue;
        }
        let mut words = code.split_whitespace();
        let Some(first) = words.next() else { continue };
        if words.clone().next() == Some("(") {
            first.clone_into(&mut block);
            continue;
        }
        let (verb, rest): (&str, Vec<&str>) = if block.is_empty() {
            (first, words.collect())
        } else {
            (block.as_str(), std::iter::once(first).chain(words).collect())
        };
        match (verb, rest.as_slice()) {
            ("module", [name, ..]) => manifest.name = Some(name.trim_matches('"').to_owned()),
            ("require", [name, version, ..]) if !comment.contains("indirect") => {
                manifest.dependencies.push(Dependency {
                    name: name.trim_matches('"').to_owned(),
                    requirement: (*version).to_owned(),
                    exact: true,
                    local: false,
                    line: Some(number),
                });
            }
            ("tool", [name, ..]) => manifest.dependencies.push(Dependency {
                name: (*name).to_owned(),
                requirement: String::new(),
                exact: true,
                local: false,
                line: Some(number),
            }),
            ("replace", [name, "=>", target, ..]) if target.starts_with('.') => {
                if let Some(known) = manifest.dependencies.iter_mut().find(|known| known.name == *name) {
                    known.local = true;
                }
            }
            _ => {}
        }
    }
    if manifest.name.is_none() {
        return Err(Broken {
            line: Some(1),
            problem: "names no module".to_owned(),
        });
    }
    manifest.publishable = true;
    Ok(Some(manifest))
}

#[cfg(test)]
mod tests {
    use crate::manifests::read_for_test;

    #[test]
    fn direct_requirements_are_read() {
        let all = read_for_test(&[(
            "go.mod",
            "module example.org/shop\n\ngo 1.22\n\nrequire (\n\tgithub.com/a/b v1.2.3\n\tgithub.com/c/d v0.1.0 // indirect\n)\nrequire example.org/e v1.0.0\nreplace example.org/e => ../e\n",
        )]);
        assert_eq!(all[0].name.as_deref(), Some("example.org/shop"));
        assert_eq!(all[0].dependencies.len(), 2);
        assert_eq!(all[0].dependencies[0].line, Some(6));
        assert!(all[0].dependencies[1].local);
        assert!(read_for_test(&[("go.mod", "go 1.2\n")]).is_empty());
    }
}
