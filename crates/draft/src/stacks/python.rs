//! Python with uv, Poetry or pip.

use serde_json::Value;

use super::make_scratch;
use super::toml_file::{at, read, text};
use crate::part::{Part, Role, Shipped, Step, Tool};
use crate::view::{View, is_beside, join, name_of};

/// Where the environment lies.
const VENV: &str = ".venv";
/// Opens the environment for the commands after it: tests start programs that it holds by their names.
pub(crate) const OPEN: &str = ". .venv/bin/activate";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Uv,
    Poetry,
    Pip,
}

/// The names under which projects put what their tests need, the most telling first.
const TESTING: &[&str] = &["test", "tests", "testing", "dev", "develop", "development"];

pub(super) fn look(view: &View<'_>, folder: &str) -> Option<Part> {
    let project = view.text(&join(folder, "pyproject.toml")).and_then(|text| read(&text));
    let setup = view.first_of(folder, &["setup.py", "setup.cfg"]);
    let requirements = view.first_of(folder, &["requirements.txt"]);
    let value = project.clone().unwrap_or(Value::Null);
    let is_poetry = at(&value, &["tool", "poetry"]).is_some();
    let is_project = value.get("project").is_some() || is_poetry || setup.is_some();
    let has_code = view.below(folder).any(|path| path.ends_with(".py"));
    if !has_code || !(is_project || requirements.is_some() || value.get("build-system").is_some()) {
        return None;
    }
    let manager =
        if view.is_file(&join(folder, "uv.lock")) || at(&value, &["tool", "uv"]).is_some() && requirements.is_none() {
            Manager::Uv
        } else if view.is_file(&join(folder, "poetry.lock")) || is_poetry {
            Manager::Poetry
        } else {
            Manager::Pip
        };
    let kind = match manager {
        Manager::Uv => "Python with uv",
        Manager::Poetry => "Python with Poetry",
        Manager::Pip => "Python with pip",
    };
    let mut part = Part::new(kind, Tool::Python, folder);
    for name in [
        "pyproject.toml",
        "setup.py",
        "setup.cfg",
        "uv.lock",
        "poetry.lock",
        "requirements.txt",
    ] {
        let path = join(folder, name);
        if view.is_file(&path) {
            part.because(&path);
        }
    }
    let project = Project {
        view,
        folder,
        value: &value,
        is_project: is_project || value.get("build-system").is_some(),
        makes_wheel: value.get("build-system").is_some() || setup.is_some(),
    };
    match manager {
        Manager::Uv => project.with_uv(&mut part),
        Manager::Poetry => project.with_poetry(&mut part),
        Manager::Pip => project.with_pip(&mut part, requirements.as_deref()),
    }
    project.ship(&mut part);
    Some(part)
}

struct Project<'a> {
    view: &'a View<'a>,
    folder: &'a str,
    value: &'a Value,
    /// Whether it can be installed.
    is_project: bool,
    makes_wheel: bool,
}

impl Project<'_> {
    fn has(&self, name: &str) -> bool {
        self.view.is_file(&join(self.folder, name))
    }

    fn keys(&self, path: &[&str]) -> Vec<String> {
        at(self.value, path)
            .and_then(Value::as_object)
            .map(|all| all.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// The first of the customary names among `keys`.
    fn testing(keys: &[String]) -> Option<String> {
        TESTING
            .iter()
            .find_map(|name| keys.iter().find(|key| key.eq_ignore_ascii_case(name)))
            .filter(|name| {
                name.chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            })
            .cloned()
    }

    /// Whether the result of the build depends on git.
    fn asks_git(&self) -> bool {
        let text = self.value.to_string();
        [
            "setuptools_scm",
            "setuptools-scm",
            "hatch-vcs",
            "versioneer",
            "versioningit",
            "dunamai",
            "pbr",
            "poetry-dynamic-versioning",
        ]
        .iter()
        .any(|word| text.contains(word))
            || self.view.text_or_empty(&join(self.folder, "setup.py")).contains("scm")
    }

    fn tests_are_there(&self) -> bool {
        self.view.below(self.folder).any(|path| {
            let name = name_of(path);
            name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py") || name == "tests.py")
        })
    }

    /// Whether the tests are pytest's.
    fn uses_pytest(&self) -> bool {
        let text = self.value.to_string();
        text.contains("pytest")
            || self.has("pytest.ini")
            || self.view.below(self.folder).any(|path| name_of(path) == "conftest.py")
            || self
                .view
                .text_or_empty(&join(self.folder, "setup.cfg"))
                .contains("pytest")
            || self
                .view
                .text_or_empty(&join(self.folder, "tox.ini"))
                .contains("pytest")
            || self
                .view
                .below(self.folder)
                .filter(|path| name_of(path).contains("requirements") || path.contains("requirements/"))
                .any(|path| self.view.text_or_empty(path).contains("pytest"))
            || self
                .view
                .below(self.folder)
                .filter(|path| name_of(path).starts_with("test_") && path.ends_with(".py"))
                .take(50)
                .any(|path| self.view.text_or_empty(path).contains("import pytest"))
    }

    fn test_words(&self) -> Option<&'static str> {
        if !self.tests_are_there() {
            return None;
        }
        Some(if self.uses_pytest() {
            "-m pytest"
        } else if self.has("manage.py") {
            "manage.py test"
        } else {
            "-m unittest discover"
        })
    }

    fn with_uv(&self, part: &mut Part) {
        part.uses("uv");
        let locked = self.has("uv.lock");
        let mut sync = "uv sync".to_owned();
        if locked {
            sync.push_str(" --locked");
        }
        let groups = self.keys(&["dependency-groups"]);
        if let Some(group) = Self::testing(&groups).filter(|group| group != "dev") {
            sync.push_str(&format!(" --group {group}"));
        }
        let extras = self.keys(&["project", "optional-dependencies"]);
        if let Some(extra) = Self::testing(&extras) {
            sync.push_str(&format!(" --extra {extra}"));
        }
        if at(self.value, &["tool", "uv", "workspace"]).is_some() {
            sync.push_str(" --all-packages");
        }
        part.steps
            .push(Step::new(Role::Install, [sync]).about("uv keeps what it downloads in the home folder"));
        if let Some(words) = self.test_words() {
            let command = match words {
                "-m pytest" if self.names_pytest() => "uv run --no-sync pytest".to_owned(),
                "-m pytest" => "uv run --no-sync --with pytest pytest".to_owned(),
                words => format!("uv run --no-sync python {words}"),
            };
            let pure = self.folder.is_empty() && locked && !self.asks_git();
            part.steps.push(Step::new(Role::Test, [command]).needs("install").kept(
                pure,
                &[],
                &["uv run --no-sync python --version"],
            ));
        }
        if self.makes_wheel {
            self.wheel(part, "uv build --wheel --out-dir");
        }
    }

    fn with_poetry(&self, part: &mut Part) {
        part.uses("poetry");
        part.uses("python3");
        let mut install = "poetry install --no-interaction".to_owned();
        let groups = self.keys(&["tool", "poetry", "group"]);
        let optional = |group: &String| {
            at(self.value, &["tool", "poetry", "group", group, "optional"]) == Some(&Value::Bool(true))
        };
        if let Some(group) = Self::testing(&groups).filter(|group| optional(group)) {
            install.push_str(&format!(" --with {group}"));
        }
        let mut extras = self.keys(&["tool", "poetry", "extras"]);
        extras.extend(self.keys(&["project", "optional-dependencies"]));
        if let Some(extra) = Self::testing(&extras) {
            install.push_str(&format!(" --extras {extra}"));
        }
        let mut step = Step::new(Role::Install, [install]).about("Poetry keeps what it downloads in the home folder");
        step.variables
            .insert("POETRY_VIRTUALENVS_IN_PROJECT".to_owned(), "true".to_owned());
        part.steps.push(step);
        if let Some(words) = self.test_words() {
            let mut test = Step::new(Role::Test, [format!("poetry run python {words}")]).needs("install");
            test.variables
                .insert("POETRY_VIRTUALENVS_IN_PROJECT".to_owned(), "true".to_owned());
            part.steps.push(test);
        }
        if self.makes_wheel {
            self.wheel(part, "poetry build --format wheel --output");
        }
    }

    fn with_pip(&self, part: &mut Part, requirements: Option<&str>) {
        part.uses("python3");
        let mut run = vec![
            format!("python3 -m venv {VENV} && echo '*' > {VENV}/.gitignore"),
            OPEN.to_owned(),
            "pip install --quiet --upgrade pip".to_owned(),
        ];
        let mut wanted = Vec::new();
        if self.is_project {
            let extras = self.keys(&["project", "optional-dependencies"]);
            let extra = Self::testing(&extras).or_else(|| self.extra_of_setup());
            match extra {
                Some(extra) => wanted.push(format!("--editable '.[{extra}]'")),
                None => wanted.push("--editable .".to_owned()),
            }
            if let Some(group) = Self::testing(&self.keys(&["dependency-groups"])) {
                wanted.push(format!("--group {group}"));
            }
        }
        let mut lists: Vec<String> = Vec::new();
        if let Some(path) = requirements {
            lists.push(name_of(path).to_owned());
        }
        lists.extend(self.lists_for_tests());
        for list in &lists {
            wanted.push(format!("--requirement {list}"));
        }
        let named = self.names_pytest()
            || lists
                .iter()
                .any(|list| self.view.text_or_empty(&join(self.folder, list)).contains("pytest"));
        let words = self.test_words();
        if words == Some("-m pytest") && !named {
            wanted.push("pytest".to_owned());
        }
        if !wanted.is_empty() {
            run.push(format!("pip install {}", wanted.join(" ")));
        }
        part.steps.push(
            Step::new(Role::Install, run)
                .about("an environment beside the code; pip keeps what it downloads in the home folder"),
        );
        if let Some(words) = words {
            part.steps
                .push(Step::new(Role::Test, [OPEN.to_owned(), format!("python {words}")]).needs("install"));
        }
        if self.makes_wheel {
            self.wheel(part, "pip wheel --no-deps . --wheel-dir");
        }
    }

    /// Whether what is installed brings pytest.
    fn names_pytest(&self) -> bool {
        let named = |path: &[&str]| at(self.value, path).is_some_and(|value| value.to_string().contains("pytest"));
        named(&["project", "optional-dependencies"])
            || named(&["project", "dependencies"])
            || named(&["dependency-groups"])
            || named(&["tool", "uv", "dev-dependencies"])
            || self.extra_of_setup().is_some()
    }

    /// The extra for tests that `setup.cfg` or `setup.py` names.
    fn extra_of_setup(&self) -> Option<String> {
        let configuration = self.view.text_or_empty(&join(self.folder, "setup.cfg"));
        let section = configuration
            .split_once("[options.extras_require]")
            .map(|(_, rest)| rest.split("\n[").next().unwrap_or_default())
            .unwrap_or_default();
        let program = self.view.text_or_empty(&join(self.folder, "setup.py"));
        let extras = program
            .split_once("extras_require")
            .map(|(_, rest)| rest.split('}').next().unwrap_or_default());
        TESTING
            .iter()
            .find(|name| {
                section.lines().any(|line| {
                    line.split('=')
                        .next()
                        .is_some_and(|key| !line.starts_with([' ', '\t']) && key.trim() == **name)
                }) || extras.is_some_and(|extras| {
                    extras.contains(&format!("\"{name}\"")) || extras.contains(&format!("'{name}'"))
                })
            })
            .map(|name| (*name).to_owned())
    }

    fn lists_for_tests(&self) -> Option<String> {
        const LISTS: &[&str] = &[
            "requirements-test.txt",
            "requirements-tests.txt",
            "requirements_test.txt",
            "test-requirements.txt",
            "test_requirements.txt",
            "requirements/test.txt",
            "requirements/tests.txt",
            "requirements/testing.txt",
            "tests/requirements.txt",
            "requirements-dev.txt",
            "requirements_dev.txt",
            "dev-requirements.txt",
            "requirements/dev.txt",
        ];
        LISTS.iter().find(|list| self.has(list)).map(|list| (*list).to_owned())
    }

    fn wheel(&self, part: &mut Part, command: &str) {
        let (into, ignored) = self.view.scratch(self.folder, &["dist", "wheels", "build"]);
        let mut run = vec![format!("rm -rf {into}")];
        run.extend(make_scratch(into, ignored));
        if command.starts_with("pip ") {
            run.push(OPEN.to_owned());
        }
        run.push(format!("{command} {into}"));
        part.steps.push(Step::new(Role::Build, run).needs("install"));
        part.files.push(Shipped::new(format!("{into}/*.whl"), "wheels"));
    }

    /// What goes into the package of an application that makes no wheel: its code.
    fn ship(&self, part: &mut Part) {
        if !part.files.is_empty() {
            return;
        }
        let mut tops: Vec<String> = self
            .view
            .below(self.folder)
            .filter_map(|path| {
                let inner = if self.folder.is_empty() {
                    path
                } else {
                    &path[self.folder.len() + 1..]
                };
                let top = inner.split('/').next()?;
                (inner.ends_with(".py") || matches!(inner, "requirements.txt" | "Procfile")).then(|| top.to_owned())
            })
            .filter(|top| !is_beside(top) && !matches!(top.as_str(), "setup.py" | "conftest.py" | "noxfile.py"))
            .filter(|top| !top.starts_with("test_"))
            .filter(|top| {
                top.chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            })
            .collect();
        tops.sort();
        tops.dedup();
        if !tops.iter().any(|top| top != "requirements.txt" && top != "Procfile") {
            part.about_files
                .push("which files are shipped was not found: name them under `package: files:`".to_owned());
            return;
        }
        part.about_files
            .push("nothing is built: the package holds the code".to_owned());
        part.files.extend(tops.into_iter().map(Shipped::as_it_is));
        if let Some(name) = text(self.value, &["project", "name"]) {
            part.notes
                .push(format!("`{name}` names no build system, so no wheel is made"));
        }
    }
}
