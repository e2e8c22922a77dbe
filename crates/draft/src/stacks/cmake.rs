//! C and C++ with CMake.

use std::sync::LazyLock;

use regex::Regex;

use super::make_scratch;
use crate::part::{Part, Role, Shipped, Step, Tool};
use crate::view::{View, folder_of, is_beside, join, name_of};

#[expect(
    clippy::expect_used,
    reason = "a pattern that is written here and tried by the tests"
)]
static OPTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?xi) \boption\(\s* ([A-Za-z0-9_]*(?:BUILD_TEST|BUILD_TESTS|BUILD_TESTING|ENABLE_TEST|ENABLE_TESTS|ENABLE_TESTING|BUILD_UNIT_TESTS)) \s+ "[^"]*" \s* (ON|OFF|\)|\$)"#,
    )
    .expect("a right pattern")
});
#[expect(
    clippy::expect_used,
    reason = "a pattern that is written here and tried by the tests"
)]
static EXECUTABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?mi)^[ \t]*add_executable\(\s*([A-Za-z0-9_.+-]+)").expect("a right pattern"));

pub(super) fn look(view: &View<'_>, folder: &str) -> Option<Part> {
    let path = join(folder, "CMakeLists.txt");
    let text = view.text(&path)?;
    let lower = text.to_ascii_lowercase();
    if !lower.contains("project(") && !lower.contains("project (") {
        return None;
    }
    let mut part = Part::new("C or C++ with CMake", Tool::Cmake, folder);
    part.because(&path);
    part.uses("cmake");
    part.uses("cc");
    let (into, ignored) = view.scratch(folder, &["build", "_build", "out"]);
    let mut configure = format!("cmake -S . -B {into} -DCMAKE_BUILD_TYPE=Release");
    let lists: Vec<(&str, _)> = view
        .below(folder)
        .filter(|path| name_of(path) == "CMakeLists.txt" || path.ends_with(".cmake"))
        .take(300)
        .filter_map(|path| Some((path, view.text(path)?)))
        .collect();
    let tested = lists.iter().any(|(_, text)| {
        let text = text.to_ascii_lowercase();
        text.contains("enable_testing") || text.contains("include(ctest)") || text.contains("include (ctest)")
    });
    let mut wished: Vec<String> = OPTION
        .captures_iter(&text)
        .filter(|found| !found[2].eq_ignore_ascii_case("on"))
        .map(|found| found[1].to_owned())
        .collect();
    wished.sort();
    wished.dedup();
    if tested {
        for option in wished {
            configure.push_str(&format!(" -D{option}=ON"));
        }
    }
    let mut build = make_scratch(into, ignored);
    build.push(configure);
    build.push(format!("cmake --build {into} --parallel \"$(nproc)\""));
    part.steps.push(Step::new(Role::Build, build).cache(into, "cmake"));
    if tested {
        part.steps
            .push(Step::new(Role::Test, [format!("ctest --test-dir {into} --output-on-failure")]).needs("build"));
    }
    let installs = lists.iter().any(|(path, text)| {
        !is_beside(path) && {
            let text = text.to_ascii_lowercase();
            text.contains("install(targets")
                || text.contains("install(files")
                || text.contains("install(directory")
                || text.contains("install(programs")
                || text.contains("install( targets")
                || text.contains("install (targets")
                || text.contains("install(\n")
        }
    });
    if installs {
        let (stage, _) = view.scratch(folder, &["stage", "_stage", "install-root"]);
        part.steps.push(
            Step::new(
                Role::Pack,
                [
                    format!("rm -rf {stage} && mkdir {stage} && echo '*' > {stage}/.gitignore"),
                    format!("cmake --install {into} --prefix {stage}/files"),
                ],
            )
            .about("what `cmake --install` would put onto a machine")
            .needs("build"),
        );
        part.files.push(Shipped::new(format!("{stage}/files"), "."));
        return Some(part);
    }
    let mut programs: Vec<String> = lists
        .iter()
        .filter(|(path, _)| !is_beside(folder_of(path)))
        .flat_map(|(_, text)| {
            EXECUTABLE
                .captures_iter(text)
                .map(|found| found[1].to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|name| !name.to_ascii_lowercase().contains("test") && !name.to_ascii_lowercase().contains("example"))
        .collect();
    programs.sort();
    programs.dedup();
    programs.truncate(12);
    for name in programs {
        part.files.push(Shipped::new(format!("{into}/**/{name}"), "bin"));
    }
    if part.files.is_empty() {
        part.about_files.push(
            "no rule of installation and no program was found: name the files under `package: files:`".to_owned(),
        );
    }
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_build_tests_and_programs_are_found() {
        let text = "option(FOO_BUILD_TESTS \"Build\" OFF)\noption(BAR_BUILD_TESTING \"x\" ON)\noption(ZED \"y\" OFF)\nadd_executable(app main.cpp)\n";
        let found: Vec<_> = OPTION
            .captures_iter(text)
            .map(|f| (f[1].to_owned(), f[2].to_owned()))
            .collect();
        assert_eq!(
            found,
            [
                ("FOO_BUILD_TESTS".into(), "OFF".into()),
                ("BAR_BUILD_TESTING".into(), "ON".into())
            ]
        );
        assert_eq!(&EXECUTABLE.captures(text).unwrap()[1], "app");
    }
}
