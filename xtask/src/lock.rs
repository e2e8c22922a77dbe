//! A `Cargo.lock`, as far as it is asked here: which packages, and what each needs.

use std::collections::BTreeSet;

/// One `[[package]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The line of the file on which it begins.
    pub line: usize,
    /// What it needs, as the file spells it: `name`, or `name version` where there are several.
    pub needs: Vec<String>,
    /// Whether it comes from a registry, and not from this workspace.
    pub outside: bool,
}

/// Reads the packages of a lock file.
pub fn read(text: &str) -> Vec<Locked> {
    let mut packages: Vec<Locked> = Vec::new();
    let mut in_needs = false;
    for (index, line) in text.lines().enumerate() {
        if line == "[[package]]" {
            packages.push(Locked {
                name: String::new(),
                version: String::new(),
                line: index + 1,
                needs: Vec::new(),
                outside: false,
            });
            in_needs = false;
            continue;
        }
        let Some(package) = packages.last_mut() else { continue };
        if in_needs {
            match line.trim().trim_end_matches(',') {
                "]" => in_needs = false,
                need => package.needs.push(need.trim_matches('"').to_owned()),
            }
        } else if let Some(value) = line.strip_prefix("name = ") {
            package.name = value.trim_matches('"').to_owned();
        } else if let Some(value) = line.strip_prefix("version = ") {
            package.version = value.trim_matches('"').to_owned();
        } else if line.starts_with("source = ") {
            package.outside = true;
        } else if line == "dependencies = [" {
            in_needs = true;
        }
    }
    packages
}

/// All packages that can be reached from some names, themselves included.
///
/// The needs of packages from a registry are followed as they stand: a lock file leaves out what only
/// their tests need. A package of the workspace lists the needs of its tests too, so whoever asks gives
/// the real ones by `of_ours`.
pub fn reachable<'a>(
    packages: &'a [Locked],
    from: &[String],
    of_ours: &dyn Fn(&str) -> Option<Vec<String>>,
) -> BTreeSet<(&'a str, &'a str)> {
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = from.to_vec();
    while let Some(wanted) = open.pop() {
        let mut parts = wanted.split(' ');
        let (name, version) = (parts.next().unwrap_or_default(), parts.next());
        for package in packages
            .iter()
            .filter(|package| package.name == name && version.is_none_or(|v| v == package.version))
        {
            if !found.insert((package.name.as_str(), package.version.as_str())) {
                continue;
            }
            match of_ours(&package.name) {
                Some(allowed) if !package.outside => open.extend(
                    package
                        .needs
                        .iter()
                        .filter(|need| allowed.iter().any(|name| need.split(' ').next() == Some(name)))
                        .cloned(),
                ),
                _ => open.extend(package.needs.iter().cloned()),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
[[package]]
name = "ours"
version = "0.1.0"
dependencies = [
 "kept",
 "only-tests",
]

[[package]]
name = "kept"
version = "1.0.0"
source = "registry+x"
dependencies = [
 "twice 2.0.0",
]

[[package]]
name = "only-tests"
version = "1.0.0"
source = "registry+x"

[[package]]
name = "twice"
version = "1.0.0"
source = "registry+x"

[[package]]
name = "twice"
version = "2.0.0"
source = "registry+x"
"#;

    #[test]
    fn what_is_reachable_leaves_out_what_only_tests_need_and_other_versions() {
        let packages = read(LOCK);
        let found = reachable(&packages, &["ours".to_owned()], &|name| {
            (name == "ours").then(|| vec!["kept".to_owned()])
        });
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("kept", "1.0.0"), ("ours", "0.1.0"), ("twice", "2.0.0")]
        );
    }
}
