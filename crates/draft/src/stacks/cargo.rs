//! Rust with Cargo: a package or a workspace.

use serde_json::Value;

use super::members;
use super::toml_file::{at, read, text, texts};
use crate::part::{Part, Role, Shipped, Step, Tool};
use crate::service;
use crate::view::{View, folder_of, is_beside, join, name_of};

/// The most programs that go into one package.
const MOST_PROGRAMS: usize = 12;
const VERSIONS: &[&str] = &["rustc -vV", "cargo -V"];

/// A package of the workspace.
struct Package {
    name: String,
    folder: String,
    value: Value,
    programs: Vec<String>,
    is_published: bool,
}

pub(super) fn look(view: &View<'_>, folder: &str) -> Option<Part> {
    let path = join(folder, "Cargo.toml");
    let root = read(&view.text(&path)?)?;
    let workspace = root.get("workspace");
    if root.get("package").is_none() && workspace.is_none() {
        return None;
    }
    // An extension module of Python is built and tested by Python's tools.
    if let Some(project) = view.text(&join(folder, "pyproject.toml"))
        && (project.contains("maturin") || project.contains("setuptools-rust"))
    {
        return None;
    }
    let packages = packages(view, folder, &root);
    let mut part = Part::new(
        if workspace.is_some() { "Rust workspace" } else { "Rust" },
        Tool::Cargo,
        folder,
    );
    part.because(&path);
    part.uses("cargo");
    let locked = view.is_file(&join(folder, "Cargo.lock"));
    if locked {
        part.because(&join(folder, "Cargo.lock"));
    } else {
        part.notes.push(format!(
            "{path} has no Cargo.lock beside it: each build takes the newest dependencies that fit"
        ));
    }
    let lock = if locked { " --locked" } else { "" };
    let all = if workspace.is_some() && packages.len() > 1 {
        " --workspace"
    } else {
        ""
    };
    // A workspace's lock says nothing of what a script of the build asks git or the machine for.
    let pure = folder.is_empty() && locked && !asks_git(view, &packages);

    let mut test = Step::new(Role::Test, [format!("cargo test{lock}{all}")]).cache("target", "cargo");
    let programs: Vec<String> = packages.iter().flat_map(|package| package.programs.clone()).collect();
    let programs: Vec<String> = programs.into_iter().take(MOST_PROGRAMS).collect();
    if programs.is_empty() {
        library(&mut part, &packages, lock);
    } else {
        let choice = if all.is_empty() { "" } else { " --workspace --bins" };
        let outputs: Vec<String> = programs.iter().map(|name| format!("target/release/{name}")).collect();
        part.steps.push(
            Step::new(Role::Build, [format!("cargo build --release{lock}{choice}")])
                .cache("target", "cargo")
                .kept(pure, &outputs, VERSIONS),
        );
        for name in &programs {
            part.files
                .push(Shipped::new(format!("target/release/{name}"), format!("bin/{name}")));
        }
        part.service = service(view, &packages);
    }
    test = test.kept(pure, &[], VERSIONS);
    part.steps.push(test);
    if view
        .first_of(folder, &["rustfmt.toml", ".rustfmt.toml"])
        .is_some_and(|path| !view.text_or_empty(&path).contains("unstable"))
    {
        part.steps.push(format_step());
    }
    Some(part)
}

/// The step that checks the format.
pub(crate) fn format_step() -> Step {
    Step::new(Role::Format, ["cargo fmt --all --check"])
}

/// A library: what `cargo publish` would take.
fn library(part: &mut Part, packages: &[Package], lock: &str) {
    let published: Vec<&Package> = packages
        .iter()
        .filter(|package| package.is_published && only_versions(&package.value))
        .collect();
    if published.is_empty() {
        part.about_files
            .push("no program is built here and nothing is published, so there is no package".to_owned());
        return;
    }
    let choice: String = if packages.len() > 1 {
        published
            .iter()
            .map(|package| format!(" -p {}", package.name))
            .collect()
    } else {
        String::new()
    };
    part.steps.push(
        Step::new(
            Role::Pack,
            [
                "rm -rf target/package".to_owned(),
                format!("cargo package --no-verify --allow-dirty{lock}{choice}"),
            ],
        )
        .about("a library: the package holds what `cargo publish` would hand in"),
    );
    part.files.push(Shipped::new("target/package/*.crate", "crates"));
}

/// Whether all dependencies of a package can be named by a version, as `cargo package` wants it.
fn only_versions(package: &Value) -> bool {
    ["dependencies", "build-dependencies"].iter().all(|section| {
        package
            .get(section)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .all(|(_, value)| {
                value.get("path").is_none() && value.get("git").is_none() || value.get("version").is_some()
            })
    })
}

fn packages(view: &View<'_>, folder: &str, root: &Value) -> Vec<Package> {
    let mut folders = Vec::new();
    if root.get("package").is_some() {
        folders.push(folder.to_owned());
    }
    if let Some(workspace) = root.get("workspace") {
        let mut patterns = texts(workspace.get("members"));
        patterns.extend(
            texts(workspace.get("exclude"))
                .into_iter()
                .map(|path| format!("!{path}")),
        );
        folders.extend(members(view, folder, &patterns, "Cargo.toml"));
    }
    let mut packages: Vec<Package> = folders
        .into_iter()
        .filter_map(|folder| package(view, &folder, root))
        .collect();
    packages.dedup_by(|a, b| a.folder == b.folder);
    packages
}

fn package(view: &View<'_>, folder: &str, root: &Value) -> Option<Package> {
    let value = read(&view.text(&join(folder, "Cargo.toml"))?)?;
    let package = value.get("package")?;
    let name = text(package, &["name"])?.to_owned();
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    {
        return None;
    }
    let publish = match package.get("publish") {
        Some(publish) if at(publish, &["workspace"]) == Some(&Value::Bool(true)) => {
            at(root, &["workspace", "package", "publish"]).cloned()
        }
        other => other.cloned(),
    };
    let is_published = match publish {
        Some(Value::Bool(yes)) => yes,
        Some(Value::Array(registries)) => !registries.is_empty(),
        _ => package.get("version").is_some(),
    };
    let inner = folder.rsplit('/').next().unwrap_or_default();
    let is_chore = matches!(inner, "xtask" | "xtasks") || (!folder.is_empty() && is_beside(folder));
    let programs = if is_chore {
        Vec::new()
    } else {
        programs(view, folder, &value, &name)
    };
    Some(Package {
        name,
        folder: folder.to_owned(),
        is_published: is_published && !is_chore,
        value,
        programs,
    })
}

/// The programs that a package builds without features being asked for.
fn programs(view: &View<'_>, folder: &str, value: &Value, name: &str) -> Vec<String> {
    let mut programs: Vec<String> = Vec::new();
    let mut told: Vec<String> = Vec::new();
    for program in value.get("bin").and_then(Value::as_array).into_iter().flatten() {
        if let Some(path) = text(program, &["path"]) {
            told.push(join(folder, path));
        }
        let Some(named) = text(program, &["name"]) else {
            continue;
        };
        told.push(join(folder, &format!("src/bin/{named}.rs")));
        if texts(program.get("required-features")).is_empty() {
            programs.push(named.to_owned());
        }
    }
    if at(value, &["package", "autobins"]) != Some(&Value::Bool(false)) {
        let main = join(folder, "src/main.rs");
        if view.is_file(&main) && !told.contains(&main) {
            programs.push(name.to_owned());
        }
        let folder_of_programs = join(folder, "src/bin");
        for path in view.below(&folder_of_programs) {
            let file = name_of(path);
            let stem = match file.strip_suffix(".rs") {
                Some("main") => name_of(folder_of(path)).to_owned(),
                Some(stem) if folder_of(path) == folder_of_programs => stem.to_owned(),
                _ => continue,
            };
            if !told.iter().any(|known| known == path) && !programs.contains(&stem) {
                programs.push(stem);
            }
        }
    }
    programs.retain(|name| {
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    });
    programs.dedup();
    programs
}

/// Whether the build asks git for something, so that its result depends on more than files.
fn asks_git(view: &View<'_>, packages: &[Package]) -> bool {
    const WORDS: &[&str] = &[
        "vergen",
        "built",
        "git-version",
        "git2",
        "shadow-rs",
        "gix",
        "build-info",
    ];
    packages.iter().any(|package| {
        let depends = ["dependencies", "build-dependencies"].iter().any(|section| {
            package
                .value
                .get(section)
                .and_then(Value::as_object)
                .is_some_and(|all| WORDS.iter().any(|word| all.keys().any(|key| key.starts_with(word))))
        });
        depends || view.text_or_empty(&join(&package.folder, "build.rs")).contains("git")
    })
}

/// The services of a workspace at the root, each as a part of its own: it is built and tested in its folder.
pub(super) fn services(view: &View<'_>) -> Vec<(Part, Vec<String>)> {
    let Some(root) = view.text("Cargo.toml").and_then(|text| read(&text)) else {
        return Vec::new();
    };
    let packages = packages(view, "", &root);
    let lock = if view.is_file("Cargo.lock") { " --locked" } else { "" };
    let mut all = Vec::new();
    for package in packages.iter().filter(|package| !package.folder.is_empty()) {
        let ([name], true) = (package.programs.as_slice(), answers(package)) else {
            continue;
        };
        let Some(found) = service::look(view, &package.folder, &["rs"]) else {
            continue;
        };
        let mut part = Part::new("Rust", Tool::Cargo, &package.folder);
        part.because(&join(&package.folder, "Cargo.toml"));
        part.uses("cargo");
        let (into, ignored) = view.scratch(&package.folder, &["target", "target-release"]);
        let mut build = super::make_scratch(into, ignored);
        build.push(format!("cargo build --release{lock} --target-dir {into}"));
        let key = "cargo";
        part.steps.push(
            Step::new(Role::Build, build)
                .about("in a folder of its own: a package takes what lies below the component's folder")
                .cache(into, key),
        );
        part.steps.push(
            Step::new(Role::Test, [format!("cargo test{lock} --target-dir {into}")])
                .cache(into, key)
                .needs("build"),
        );
        part.files
            .push(Shipped::new(format!("{into}/release/{name}"), format!("bin/{name}")));
        part.service = Some(found.running(vec![format!("bin/{name}")]));
        let mut also = vec!["Cargo.toml".to_owned(), "Cargo.lock".to_owned()];
        also.retain(|path| view.is_file(path));
        also.extend(used(package, &packages));
        all.push((part, also));
    }
    all
}

/// The folders of the packages of the workspace that a package depends on, directly or over others.
fn used(package: &Package, all: &[Package]) -> Vec<String> {
    let mut folders: Vec<String> = Vec::new();
    let mut open = vec![package];
    while let Some(package) = open.pop() {
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let Some(named) = package.value.get(section).and_then(Value::as_object) else {
                continue;
            };
            for (key, value) in named {
                let name = text(value, &["package"]).unwrap_or(key);
                let found = all.iter().find(|other| other.name == name && !other.folder.is_empty());
                if let Some(found) = found
                    && !folders.contains(&found.folder)
                {
                    folders.push(found.folder.clone());
                    open.push(found);
                }
            }
        }
    }
    folders.retain(|folder| *folder != package.folder);
    folders.sort();
    folders
}

fn answers(package: &Package) -> bool {
    let dependencies = package.value.get("dependencies").and_then(Value::as_object);
    dependencies.is_some_and(|all| FRAMEWORKS.iter().any(|name| all.contains_key(*name)))
}

/// The frameworks whose presence makes a program one that answers requests.
const FRAMEWORKS: &[&str] = &[
    "axum",
    "actix-web",
    "rocket",
    "warp",
    "poem",
    "salvo",
    "tide",
    "hyper",
    "tonic",
    "ntex",
];

fn service(view: &View<'_>, packages: &[Package]) -> Option<crate::part::Service> {
    let mut serving = packages
        .iter()
        .filter(|package| package.programs.len() == 1 && answers(package));
    let package = serving.next()?;
    if serving.next().is_some() {
        return None;
    }
    let found = service::look(view, &package.folder, &["rs"])?;
    Some(found.running(vec![format!("bin/{}", package.programs[0])]))
}
