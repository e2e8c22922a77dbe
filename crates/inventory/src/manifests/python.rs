//! `pyproject.toml`, `setup.cfg`, `setup.py`, requirements, `Pipfile`, environments of conda.

use serde_json::Value;

use super::{Dependency, Ecosystem, Manifest, at, text_at, texts};
use crate::catalogue::name_of;
use crate::formats::{Broken, toml, yaml};
use crate::reading::{line_of, lines};

/// A package's name as the index compares it.
fn normal(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace(['_', '.'], "-")
}

/// A requirement such as `name[extra] >= 1.0; marker`.
fn requirement(text: &str, line: Option<u32>) -> Option<Dependency> {
    let text = text.split(" #").next()?.trim();
    let end = text
        .find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.')))
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() || !name.starts_with(|letter: char| letter.is_alphanumeric()) {
        return None;
    }
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(extras) => extras.split_once(']')?.1,
        None => rest,
    };
    let asked = rest.split(';').next().unwrap_or_default().trim();
    let exact = (asked.starts_with("==") && !asked.contains('*') && !asked.contains(','))
        || asked.starts_with('@') && has_commit(asked);
    Some(Dependency {
        name: normal(name),
        requirement: asked.to_owned(),
        exact,
        local: asked.contains("file:"),
        line,
    })
}

/// Whether an address names a commit.
fn has_commit(address: &str) -> bool {
    address
        .rsplit('@')
        .next()
        .is_some_and(|end| end.len() >= 40 && end.bytes().take(40).all(|byte| byte.is_ascii_hexdigit()))
}

pub(super) fn read_project(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let value = toml::read(text)?;
    let backend = text_at(&value, &["build-system", "build-backend"]).unwrap_or_default();
    let poetry = at(&value, &["tool", "poetry"]);
    let tool = if poetry.is_some() || backend.starts_with("poetry") {
        "poetry"
    } else if at(&value, &["tool", "uv"]).is_some() || backend.starts_with("uv_build") {
        "uv"
    } else if at(&value, &["tool", "pdm"]).is_some() {
        "pdm"
    } else if at(&value, &["tool", "hatch"]).is_some() || backend.starts_with("hatchling") {
        "hatch"
    } else if backend.starts_with("flit") {
        "flit"
    } else if backend.starts_with("maturin") {
        "maturin"
    } else if backend.starts_with("mesonpy") {
        "meson"
    } else {
        "setuptools"
    };
    let mut manifest = Manifest::of(path, Ecosystem::Python, tool);
    let project = value.get("project");
    manifest.name = text_at(&value, &["project", "name"])
        .or_else(|| text_at(&value, &["tool", "poetry", "name"]))
        .map(str::to_owned);
    manifest.version = text_at(&value, &["project", "version"])
        .or_else(|| text_at(&value, &["tool", "poetry", "version"]))
        .map(str::to_owned);
    let dynamic = texts(at(&value, &["project", "dynamic"]))
        .iter()
        .any(|word| word == "version");
    let private = texts(at(&value, &["project", "classifiers"]))
        .iter()
        .any(|word| word.starts_with("Private ::"));
    let packaged = value.get("build-system").is_some()
        && at(&value, &["tool", "poetry", "package-mode"]) != Some(&Value::Bool(false))
        && at(&value, &["tool", "uv", "package"]) != Some(&Value::Bool(false));
    manifest.publishable = manifest.name.is_some() && !private && packaged && (manifest.version.is_some() || dynamic);
    manifest.runnable =
        at(&value, &["project", "scripts"]).is_some() || at(&value, &["tool", "poetry", "scripts"]).is_some();
    manifest.members = texts(at(&value, &["tool", "uv", "workspace", "members"]));
    let mut add = |list: Option<&Value>| {
        for asked in texts(list) {
            let line = line_of(text, &asked);
            manifest.dependencies.extend(requirement(&asked, line));
        }
    };
    add(at(&value, &["project", "dependencies"]));
    for groups in [
        at(&value, &["project", "optional-dependencies"]),
        value.get("dependency-groups"),
    ] {
        if let Some(Value::Object(groups)) = groups {
            for list in groups.values() {
                add(Some(list));
            }
        }
    }
    add(at(&value, &["tool", "uv", "dev-dependencies"]));
    if let Some(poetry) = poetry {
        let mut sections = vec![poetry.get("dependencies"), poetry.get("dev-dependencies")];
        if let Some(Value::Object(groups)) = poetry.get("group") {
            sections.extend(groups.values().map(|group| group.get("dependencies")));
        }
        for section in sections.into_iter().flatten() {
            gather(text, section, &mut manifest.dependencies);
        }
    }
    if let Some(Value::Object(environments)) = at(&value, &["tool", "hatch", "envs"]) {
        for environment in environments.values() {
            for asked in texts(environment.get("dependencies"))
                .into_iter()
                .chain(texts(environment.get("extra-dependencies")))
            {
                let line = line_of(text, &asked);
                manifest.dependencies.extend(requirement(&asked, line));
            }
        }
    }
    if project.is_none() && poetry.is_none() && manifest.dependencies.is_empty() && manifest.members.is_empty() {
        // Only settings of tools: those are read, but it is no package.
        manifest.publishable = false;
        manifest.name = None;
    }
    manifest.value = value;
    Ok(Some(manifest))
}

/// Dependencies as a table: `name = "^1"` or `name = { version = "^1" }`.
fn gather(text: &str, from: &Value, into: &mut Vec<Dependency>) {
    let Value::Object(members) = from else { return };
    for (name, value) in members {
        if name == "python" {
            continue;
        }
        let asked = value
            .as_str()
            .or_else(|| text_at(value, &["version"]))
            .unwrap_or_default();
        let digits = asked.trim_start_matches('=').trim();
        into.push(Dependency {
            name: normal(name),
            exact: (asked.starts_with("==")
                || (digits.starts_with(|c: char| c.is_ascii_digit()) && !digits.contains(['*', ',', '<', '>'])))
                || value.get("rev").is_some(),
            local: value.get("path").is_some(),
            line: line_of(text, name),
            requirement: asked.to_owned(),
        });
    }
}

/// Whether a path is a list of requirements.
pub(super) fn is_requirements(path: &str) -> bool {
    let name = name_of(path).to_ascii_lowercase();
    let folder = path.rsplit('/').nth(1).unwrap_or_default().to_ascii_lowercase();
    (name.contains("requirements") && (name.ends_with(".txt") || name.ends_with(".in")))
        || (folder == "requirements" && (name.ends_with(".txt") || name.ends_with(".in")))
        || name == "constraints.txt"
}

pub(super) fn read_requirements(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let mut manifest = Manifest::of(path, Ecosystem::Python, "pip");
    let mut strange = 0usize;
    for (number, line) in lines(text) {
        let line = line.trim().trim_end_matches('\\').trim();
        if line.is_empty() || line.starts_with(['#', '-']) {
            continue;
        }
        if line.contains("://") && !line.contains('@') {
            continue;
        }
        // What no requirement looks like: prose in a text file of this name.
        let words = line.split(';').next().unwrap_or(line).split_whitespace().count();
        if words > 6 && !line.contains("--hash") {
            strange += 1;
            continue;
        }
        manifest.dependencies.extend(requirement(line, Some(number)));
    }
    if manifest.dependencies.is_empty() || strange > manifest.dependencies.len() {
        return Ok(None);
    }
    Ok(Some(manifest))
}

pub(super) fn read_pipfile(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let value = toml::read(text)?;
    let mut manifest = Manifest::of(path, Ecosystem::Python, "pipenv");
    for section in ["packages", "dev-packages"] {
        if let Some(section) = value.get(section) {
            gather(text, section, &mut manifest.dependencies);
        }
    }
    manifest.value = value;
    Ok(Some(manifest))
}

pub(super) fn read_conda(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let value = yaml::first(text)?;
    let Some(Value::Array(dependencies)) = value.get("dependencies") else {
        return Ok(None);
    };
    let mut manifest = Manifest::of(path, Ecosystem::Python, "conda");
    for dependency in dependencies {
        match dependency {
            Value::String(asked) => {
                let bare = asked.rsplit("::").next().unwrap_or(asked);
                let (name, version) = bare.split_once('=').unwrap_or((bare, ""));
                if name != "python" && name != "pip" {
                    manifest.dependencies.push(Dependency {
                        name: normal(name.split(['<', '>']).next().unwrap_or(name)),
                        requirement: version.to_owned(),
                        exact: version.trim_start_matches('=').split('.').count() >= 3,
                        local: false,
                        line: line_of(text, asked),
                    });
                }
            }
            Value::Object(_) => {
                for asked in texts(dependency.get("pip")) {
                    let line = line_of(text, &asked);
                    manifest.dependencies.extend(requirement(&asked, line));
                }
            }
            _ => {}
        }
    }
    Ok(Some(manifest))
}

pub(super) fn read_setup_configuration(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    let mut manifest = Manifest::of(path, Ecosystem::Python, "setuptools");
    let (mut section, mut key) = (String::new(), String::new());
    for (number, line) in lines(text) {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            trimmed.trim_matches(['[', ']']).clone_into(&mut section);
            key.clear();
            continue;
        }
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let indented = line.starts_with([' ', '\t']);
        let value = if indented {
            trimmed
        } else {
            let Some((name, value)) = trimmed.split_once('=') else {
                continue;
            };
            name.trim().clone_into(&mut key);
            value.trim()
        };
        match (section.as_str(), key.as_str()) {
            ("metadata", "name") => manifest.name = Some(value.to_owned()),
            ("metadata", "version") if !value.is_empty() => manifest.version = Some(value.to_owned()),
            ("options", "install_requires" | "tests_require") | ("options.extras_require", _) => {
                manifest.dependencies.extend(requirement(value, Some(number)));
            }
            _ => {}
        }
    }
    manifest.publishable = manifest.name.is_some();
    if manifest.name.is_none() && manifest.dependencies.is_empty() {
        return Ok(None);
    }
    Ok(Some(manifest))
}

/// A program: only what stands in it as plain text is read.
pub(super) fn read_setup_program(path: &str, text: &str) -> Result<Option<Manifest>, Broken> {
    if !(text.contains("setup(")
        && (text.contains("setuptools") || text.contains("distutils") || text.contains("skbuild")))
    {
        return Ok(None);
    }
    let mut manifest = Manifest::of(path, Ecosystem::Python, "setuptools");
    let argument = |name: &str| -> Option<String> {
        let mut from = 0;
        while let Some(found) = text[from..].find(name) {
            let start = from + found;
            let after = text[start + name.len()..].trim_start();
            let before = text[..start].chars().next_back();
            from = start + name.len();
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
                continue;
            }
            if let Some(value) = after.strip_prefix('=').map(str::trim_start)
                && let Some(quote) = value.chars().next().filter(|letter| matches!(letter, '"' | '\''))
            {
                return value[1..].split(quote).next().map(str::to_owned);
            }
        }
        None
    };
    manifest.name = argument("name");
    manifest.version = argument("version");
    manifest.publishable = true;
    for list in ["install_requires", "tests_require", "extras_require", "requires"] {
        let Some(start) = text.find(list) else { continue };
        let Some(open) = text[start..].find(['[', '{']).filter(|open| *open < list.len() + 6) else {
            continue;
        };
        let body = &text[start + open..];
        let close = matching(body);
        for asked in super::super::formats::groovy::texts(&body[..close]) {
            if let Some(dependency) = requirement(asked, line_of(text, asked)) {
                manifest.dependencies.push(dependency);
            }
        }
    }
    Ok(Some(manifest))
}

/// The length of a text in brackets from its first one.
fn matching(text: &str) -> usize {
    let mut depth = 0usize;
    for (at, letter) in text.char_indices().take(50_000) {
        match letter {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use crate::manifests::read_for_test;

    #[test]
    fn projects_of_several_tools_are_read() {
        let all = read_for_test(&[
            (
                "a/pyproject.toml",
                "[build-system]\nbuild-backend = \"hatchling.build\"\n[project]\nname = \"a\"\ndynamic = [\"version\"]\ndependencies = [\"Flask_Login>=1\", \"b==1.0\"]\n[dependency-groups]\ndev = [\"pytest\", {include-group = \"x\"}]\n",
            ),
            (
                "b/pyproject.toml",
                "[build-system]\nbuild-backend = \"poetry.core.masonry.api\"\n[tool.poetry]\nname = \"b\"\nversion = \"0.1\"\n[tool.poetry.group.dev.dependencies]\nmypy = \"^1\"\n",
            ),
        ]);
        assert_eq!(all[0].tool, "hatch");
        assert!(all[0].publishable && all[0].version.is_none());
        assert!(all[0].dependency("flask-login").is_some_and(|d| !d.exact));
        assert!(all[0].dependency("b").is_some_and(|d| d.exact));
        assert!(all[0].dependency("pytest").is_some());
        assert_eq!(all[1].tool, "poetry");
        assert!(all[1].dependency("mypy").is_some());
    }

    #[test]
    fn requirements_are_read_and_prose_is_not() {
        let all = read_for_test(&[
            (
                "requirements/dev.txt",
                "-r base.txt\n# note\npytest==8.0.0 \\\n    --hash=sha256:aa\nblack\ngit+https://x/y.git@0123456789012345678901234567890123456789#egg=z\n",
            ),
            (
                "docs/requirements.txt",
                "The system shall print many words on a page.\n",
            ),
        ]);
        assert_eq!(all.len(), 1);
        assert!(all[0].dependency("pytest").is_some_and(|d| d.exact));
        assert!(all[0].dependency("black").is_some_and(|d| !d.exact));
    }

    #[test]
    fn a_program_gives_what_stands_in_it_as_text() {
        let all = read_for_test(&[(
            "setup.py",
            "from setuptools import setup\nsetup(\n  name='shop',\n  version=read(),\n  install_requires=[\n    'requests>=2',\n    \"attrs\",\n  ],\n)\n",
        )]);
        assert_eq!(all[0].name.as_deref(), Some("shop"));
        assert_eq!(all[0].version, None);
        assert!(all[0].dependency("attrs").is_some());
    }
}
