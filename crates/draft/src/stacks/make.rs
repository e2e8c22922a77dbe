//! Make, alone or after `configure`.

use crate::part::{Part, Role, Shipped, Step, Tool};
use crate::view::{View, join, line_of};

pub(super) fn look(view: &View<'_>, folder: &str) -> Option<Part> {
    let ac = view.first_of(folder, &["configure.ac", "configure.in"]);
    let configure = view.first_of(folder, &["configure"]);
    let makefile = view.first_of(folder, &["GNUmakefile", "makefile", "Makefile"]);
    let uses_autotools = ac.is_some() && view.is_file(&join(folder, "Makefile.am"));
    if makefile.is_none() && !uses_autotools && configure.is_none() {
        return None;
    }
    let text = makefile.as_deref().map(|path| view.text_or_empty(path));
    let targets: Vec<String> = text.as_deref().map(targets).unwrap_or_default();
    let has = |name: &str| targets.iter().any(|target| target == name);
    let kind = if makefile.is_some() && !uses_autotools {
        "Make"
    } else {
        "Autotools"
    };
    let mut part = Part::new(kind, Tool::Make, folder);
    for path in [&ac, &configure, &makefile].into_iter().flatten() {
        part.because(path);
    }
    part.uses("make");
    let mut build = Vec::new();
    if makefile.is_none() || uses_autotools {
        if configure.is_none() {
            let script = view.first_of(folder, &["autogen.sh", "bootstrap.sh", "bootstrap"]);
            build.push(match script {
                Some(path) => format!("NOCONFIGURE=1 sh {}", crate::view::name_of(&path)),
                None => "autoreconf --force --install".to_owned(),
            });
            part.uses("autoreconf");
        }
        build.push("./configure".to_owned());
        build.push("make -j\"$(nproc)\"".to_owned());
        part.steps.push(Step::new(Role::Build, build));
        part.steps.push(Step::new(Role::Test, ["make check"]).needs("build"));
        pack(view, &mut part, folder, "make install DESTDIR=\"$PWD/");
        return Some(part);
    }
    let first = targets.first().cloned().unwrap_or_default();
    let builds = ["build", "all"].into_iter().find(|name| has(name));
    let says_help = matches!(first.as_str(), "help" | "usage" | "default") || first.is_empty();
    match builds {
        Some(name) => build.push(format!("make {name}")),
        None if !says_help && !matches!(first.as_str(), "test" | "check" | "lint" | "install" | "clean" | "run") => {
            build.push("make".to_owned());
        }
        None => {}
    }
    if !build.is_empty() {
        part.steps.push(Step::new(Role::Build, build));
    }
    let after_build = part.step(Role::Build).is_some();
    let after = |step: Step| if after_build { step.needs("build") } else { step };
    if let Some(name) = ["test", "check", "tests"].into_iter().find(|name| has(name)) {
        part.steps.push(after(Step::new(Role::Test, [format!("make {name}")])));
    }
    if has("lint") {
        part.steps.push(after(Step::new(Role::Lint, ["make lint"])));
    }
    if part.steps.is_empty() {
        return None;
    }
    let text = text.unwrap_or_else(|| "".into());
    if has("install") && line_of(&text, "DESTDIR").is_some() && after_build {
        pack(view, &mut part, folder, "make install DESTDIR=\"$PWD/");
    } else if let Some(built) = builds
        .map(|name| linked(&text, name, &targets))
        .filter(|built| !built.is_empty())
    {
        let is_new = |name: &String| !view.is_file(&join(folder, name));
        for name in built.into_iter().filter(is_new) {
            part.files.push(Shipped::new(&name, format!("bin/{name}")));
        }
    } else {
        part.about_files
            .push("the Makefile does not say which files are shipped: name them under `package: files:`".to_owned());
    }
    Some(part)
}

fn pack(view: &View<'_>, part: &mut Part, folder: &str, install: &str) {
    let (into, _) = view.scratch(folder, &["stage", "_stage", "install-root"]);
    part.steps.push(
        Step::new(
            Role::Pack,
            [
                format!("rm -rf {into} && mkdir {into}"),
                format!("{install}{into}\""),
                format!("echo '*' > {into}/.gitignore"),
            ],
        )
        .about("what `make install` would put onto a machine")
        .needs("build"),
    );
    part.files.push(Shipped::new(format!("{into}/usr"), "usr"));
}

/// The files that a target is made of, where each has a rule of its own that writes it: programs, mostly.
fn linked(text: &str, target: &str, targets: &[String]) -> Vec<String> {
    let rule = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let needs = rule(target).unwrap_or_default();
    let is_program = |name: &&str| {
        let is_name = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        let is_phony = text
            .lines()
            .any(|line| line.starts_with(".PHONY") && line.split_whitespace().any(|word| word == *name));
        let is_written = text
            .lines()
            .any(|line| line.starts_with('\t') && (line.contains(&format!("-o {name}")) || line.contains("-o $@")));
        is_name && !is_phony && is_written && targets.iter().any(|known| known == name)
    };
    needs.split_whitespace().filter(is_program).map(str::to_owned).collect()
}

/// The targets of a Makefile, in their order.
fn targets(text: &str) -> Vec<String> {
    let mut targets: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with(['\t', ' ', '#', '.', '$', '-']) {
            continue;
        }
        let Some((names, rest)) = line.split_once(':') else {
            continue;
        };
        if rest.starts_with('=') || rest.starts_with(":=") || names.contains(['=', '$', '%', '(']) {
            continue;
        }
        for name in names.split_whitespace() {
            if !targets.iter().any(|known| known == name) {
                targets.push(name.to_owned());
            }
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_from_variables_and_recipes() {
        let text =
            "CC := gcc\nX = a:b\n.PHONY: all test\nall: app\n\techo a: b\napp lib: main.o\n%.o: %.c\ntest:: all\n";
        assert_eq!(targets(text), ["all", "app", "lib", "test"]);
    }
}
