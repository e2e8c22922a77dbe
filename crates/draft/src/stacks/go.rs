//! Go modules.

use super::make_scratch;
use crate::part::{Part, Role, Shipped, Step, Tool};
use crate::service;
use crate::view::{View, folder_of, is_beside, join, name_of};

const MOST_PROGRAMS: usize = 12;

pub(super) fn look(view: &View<'_>, folder: &str) -> Option<Part> {
    let path = join(folder, "go.mod");
    let text = view.text(&path)?;
    let module = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("module "))?
        .trim()
        .trim_matches('"')
        .to_owned();
    let mut part = Part::new("Go", Tool::Go, folder);
    part.because(&path);
    part.uses("go");
    let programs = programs(view, folder, &module);
    // Without dependencies there is no list of their digests.
    let pure = folder.is_empty() && (view.is_file("go.sum") || !text.contains("require"));
    let tools = ["go version"];
    if programs.is_empty() {
        part.about_files
            .push("a library of Go is taken from its tag: there is nothing to package".to_owned());
        part.steps
            .push(Step::new(Role::Build, ["go build ./..."]).kept(pure, &[], &tools));
    } else {
        let (into, ignored) = view.scratch(folder, &["bin", "build", "dist", "out"]);
        let mut run = make_scratch(into, ignored);
        let mut outputs = Vec::new();
        if !ignored {
            outputs.push(format!("{into}/.gitignore"));
        }
        for (name, package) in &programs {
            run.push(format!("go build -trimpath -buildvcs=false -o {into}/{name} {package}"));
            outputs.push(format!("{into}/{name}"));
            part.files
                .push(Shipped::new(format!("{into}/{name}"), format!("bin/{name}")));
        }
        part.steps.push(
            Step::new(Role::Build, run)
                .about("without the folder's path and the commit in the programs, so that the same files give the same bytes")
                .kept(pure, &outputs, &tools),
        );
        if let [(name, package)] = programs.as_slice() {
            let inner = join(folder, package.trim_start_matches("./").trim_start_matches('.'));
            part.service = service::look(view, inner.trim_end_matches('/'), &["go"])
                .or_else(|| service::look(view, folder, &["go"]))
                .filter(|_| answers(view, folder))
                .map(|found| found.running(vec![format!("bin/{name}")]));
        }
    }
    if view.below(folder).any(|path| path.ends_with("_test.go")) {
        part.steps
            .push(Step::new(Role::Test, ["go test ./..."]).kept(pure, &[], &tools));
    } else {
        part.steps
            .push(Step::new(Role::Lint, ["go vet ./..."]).kept(pure, &[], &tools));
    }
    Some(part)
}

fn answers(view: &View<'_>, folder: &str) -> bool {
    view.below(folder)
        .filter(|path| path.ends_with(".go") && !path.ends_with("_test.go"))
        .take(400)
        .any(|path| {
            view.text(path).is_some_and(|text| {
                text.contains("ListenAndServe") || text.contains("net.Listen(") || text.contains(".Run(\":")
            })
        })
}

/// The programs of a module: name and package, the root's first.
fn programs(view: &View<'_>, folder: &str, module: &str) -> Vec<(String, String)> {
    let mut folders: Vec<&str> = view
        .below(folder)
        .filter(|path| path.ends_with(".go") && !path.ends_with("_test.go"))
        .filter(|path| {
            view.text(path).is_some_and(|text| {
                text.lines().any(|line| line.trim_end() == "package main")
                    && text.contains("func main()")
                    && !text.contains("//go:build ignore")
                    && !text.contains("// +build ignore")
            })
        })
        .map(folder_of)
        .collect();
    folders.sort_unstable();
    folders.dedup();
    let mut programs = Vec::new();
    for path in folders {
        let inner = if path == folder {
            ""
        } else if folder.is_empty() {
            path
        } else {
            &path[folder.len() + 1..]
        };
        let is_other_module = path != folder
            && path
                .match_indices('/')
                .map(|(at, _)| &path[..at])
                .chain([path])
                .any(|above| above.len() > folder.len() && view.is_file(&join(above, "go.mod")));
        // What is customary beside the product: generators, tools, examples, what is internal.
        let is_chore = inner.split('/').any(|part| {
            matches!(
                part,
                "internal" | "hack" | "scripts" | "script" | "gen" | "generate" | "_examples" | "_example"
            )
        });
        if is_beside(inner) || is_other_module || is_chore {
            continue;
        }
        // Some folders are called for what is in them: their program is called as the module is.
        let name = if inner.is_empty() || matches!(inner, "src" | "app" | "main" | "source") {
            let mut parts = module.rsplit('/');
            let last = parts.next().unwrap_or("app");
            let is_major = last
                .strip_prefix('v')
                .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()));
            if is_major { parts.next().unwrap_or(last) } else { last }.to_owned()
        } else {
            name_of(inner).to_owned()
        };
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        {
            continue;
        }
        let package = if inner.is_empty() {
            ".".to_owned()
        } else {
            format!("./{inner}")
        };
        if !programs.iter().any(|(known, _)| *known == name) {
            programs.push((name, package));
        }
    }
    // Where there is a customary place for programs, what lies elsewhere is a tool.
    if programs
        .iter()
        .any(|(_, package)| package == "." || package.starts_with("./cmd/"))
    {
        programs.retain(|(_, package)| package == "." || package.starts_with("./cmd/"));
    }
    programs.truncate(MOST_PROGRAMS);
    programs
}
