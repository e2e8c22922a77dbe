//! Files: how long they are, how they begin, and that each is part of something.

use super::{Finding, Project};
use crate::rust;

/// A file has one subject; beyond this many lines it has two.
const LONGEST: usize = 600;

/// Files that may be longer, each with its reason.
const MAY_BE_LONGER: &[(&str, &str)] = &[];

/// No source file is too long.
pub fn length(project: &Project) -> Vec<Finding> {
    project
        .tree
        .files()
        .iter()
        .filter(|file| {
            [".rs", ".js", ".css", ".sql"]
                .iter()
                .any(|ending| file.path.ends_with(ending))
        })
        .filter(|file| !MAY_BE_LONGER.iter().any(|(path, _)| *path == file.path))
        .filter_map(|file| {
            let count = file.text.lines().count();
            (count > LONGEST).then(|| {
                let message = format!("{count} lines; a file has one subject and at most {LONGEST}: take a part out");
                Finding::new(&file.path, LONGEST + 1, message)
            })
        })
        .collect()
}

/// Every module of a crate says what lives in it.
pub fn module_docs(project: &Project) -> Vec<Finding> {
    let ours = |path: &str| project.crate_of(path).is_some() && !path.contains("/tests/");
    project
        .tree
        .rust()
        .filter(|file| ours(&file.path))
        .filter(|file| {
            !file
                .text
                .lines()
                .take_while(|line| line.starts_with("//") || line.starts_with("#!["))
                .any(|line| line.starts_with("//!"))
        })
        .map(|file| {
            Finding::new(
                &file.path,
                1,
                "a module begins with `//!`: what lives here, and what does not",
            )
        })
        .collect()
}

/// Every Rust file is reached by a `mod` line, so that no test file is forgotten and no code is dead.
pub fn forgotten(project: &Project) -> Vec<Finding> {
    project
        .tree
        .rust()
        .filter_map(|file| {
            let member = project.crate_of(&file.path)?;
            let inside = file.path.strip_prefix(&member.folder)?.trim_start_matches('/');
            let parents = parents(inside)?;
            let declared = parents.iter().any(|(parent, name)| {
                let parent = format!("{}/{parent}", member.folder);
                let line = format!("mod {name};");
                project.tree.file(&parent).is_some_and(|file| {
                    file.layers()
                        .code
                        .lines()
                        .any(|code| rust::has_word(code, &line) || code.trim_end().ends_with(&line))
                })
            });
            (!declared).then(|| {
                let there = parents.iter().map(|(parent, _)| format!("{}/{parent}", member.folder));
                let there = there.into_iter().find(|parent| project.tree.file(parent).is_some());
                let place = there.unwrap_or_else(|| format!("{}/{}", member.folder, parents[0].0));
                let message = format!("no `mod` line leads here, so it is never compiled: add one to {place}");
                Finding::new(&file.path, 1, message)
            })
        })
        .collect()
}

/// Where the `mod` line of a file may stand, and the name in it. None for files that cargo finds itself.
fn parents(inside: &str) -> Option<Vec<(String, String)>> {
    let parts: Vec<&str> = inside.split('/').collect();
    let roots = ["src/lib.rs", "src/main.rs", "build.rs"];
    if roots.contains(&inside) || parts.len() < 2 {
        return None;
    }
    let (file, folders) = parts.split_last()?;
    let top_level = |folder: &str| ["tests", "examples", "benches"].contains(&folder);
    if top_level(folders[0]) && (folders.len() == 1 || (folders.len() == 2 && *file == "main.rs")) {
        return None;
    }
    let (name, folders) = match file.strip_suffix(".rs")? {
        "mod" => folders
            .split_last()
            .map(|(name, rest)| ((*name).to_owned(), rest.to_vec()))?,
        name => (name.to_owned(), folders.to_vec()),
    };
    let folder = folders.join("/");
    let mut parents: Vec<String> = ["mod.rs", "lib.rs", "main.rs"]
        .iter()
        .map(|file| format!("{folder}/{file}"))
        .collect();
    parents.push(format!("{folder}.rs"));
    if folder == "src" {
        parents.rotate_left(1);
    }
    Some(parents.into_iter().map(|parent| (parent, name.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, project};
    use super::*;

    #[test]
    fn a_file_of_601_lines_is_one_line_too_long() {
        let (long, fits) = ("x\n".repeat(601), "x\n".repeat(600));
        let project = project(&[("a.rs", &long), ("b.rs", &fits), ("c.md", &long)], &[]);
        expect(&length(&project), &[("a.rs", 601, "601 lines")]);
    }

    #[test]
    fn a_module_without_a_word_about_itself_is_found_and_tests_and_the_sample_are_left_alone() {
        let project = project(
            &[
                ("crates/a/src/lib.rs", "#![allow(x)]\n//! Here.\n"),
                ("crates/a/src/bare.rs", "use x;\n//! Too late.\n"),
                ("crates/a/tests/it/some.rs", "use x;\n"),
                ("examples/other/src/main.rs", "fn main() {}\n"),
            ],
            &[("a", "crates/a", &[])],
        );
        expect(&module_docs(&project), &[("crates/a/src/bare.rs", 1, "begins with")]);
    }

    #[test]
    fn a_file_that_no_mod_line_names_is_found() {
        let project = project(
            &[
                ("crates/a/src/lib.rs", "pub mod b;\nmod c;\n// mod dead;\n"),
                ("crates/a/src/b.rs", "mod inner;\n"),
                ("crates/a/src/b/inner.rs", ""),
                ("crates/a/src/c/mod.rs", "#[cfg(test)]\nmod tests;\n"),
                ("crates/a/src/c/tests.rs", ""),
                ("crates/a/src/dead.rs", ""),
                ("crates/a/tests/it/main.rs", "mod good;\n"),
                ("crates/a/tests/it/good.rs", ""),
                ("crates/a/tests/it/lost.rs", ""),
                ("crates/a/examples/shown.rs", ""),
            ],
            &[("a", "crates/a", &[])],
        );
        expect(
            &forgotten(&project),
            &[
                ("crates/a/src/dead.rs", 1, "src/lib.rs"),
                ("crates/a/tests/it/lost.rs", 1, "no `mod` line"),
            ],
        );
    }
}
