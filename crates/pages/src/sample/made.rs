//! Samples of how packages were made.

use facts::Digest;

use super::{before, commit, component, package, run_id};
use crate::links;
use crate::model::{MadeAbout, MadeDifferently, MadePart, MadeValue, Making};

fn value(text: impl Into<String>) -> MadeValue {
    MadeValue {
        text: text.into(),
        path: None,
    }
}

fn leading(text: impl Into<String>, path: String) -> MadeValue {
    MadeValue {
        text: text.into(),
        path: Some(path),
    }
}

fn about(step: &str) -> MadeAbout {
    MadeAbout::Step(step.to_owned())
}

/// How a package was made.
pub fn made() -> Making {
    let part = |about: MadeAbout, what: &str, value: MadeValue| MadePart {
        about,
        what: what.to_owned(),
        value,
    };
    let source = commit("1.8.0");
    let of_step = |name: &str, what: &str, text: &str| part(about(name), what, value(text));
    Making {
        run: run_id("build"),
        by: "Ines Duarte".to_owned(),
        at: before(700),
        parts: vec![
            part(MadeAbout::Build, "platform", value("linux/amd64")),
            part(MadeAbout::Build, "trust", value("trusted")),
            part(MadeAbout::Build, "branch", value("main")),
            part(
                MadeAbout::Source,
                "commit",
                leading(source.as_str(), links::change(&component("shop/cart"), &source)),
            ),
            part(
                MadeAbout::Source,
                "definition",
                value(Digest::of("definition").to_string()),
            ),
            part(
                MadeAbout::Beside,
                "prices",
                leading(package("0.14.0").to_string(), links::package(&package("0.14.0"))),
            ),
            of_step(
                "compile",
                "commands",
                "cargo build --release --locked\nstrip target/release/cart",
            ),
            of_step(
                "compile",
                "image",
                &format!("docker.io/library/rust:1.95 {}", Digest::of("rust")),
            ),
            of_step("compile", "engine", "podman 5.4.2"),
            of_step("compile", "tool rustc --version", "rustc 1.95.0 (59807616e 2026-04-14)"),
            of_step(
                "compile",
                "variable RUSTFLAGS",
                "-C target-cpu=x86-64-v2 -C link-arg=-Wl,--build-id=none",
            ),
            of_step("compile", "cache target", "release"),
            of_step("compile", "inputs", &Digest::of("inputs").to_string()),
            part(
                about("compile"),
                "result",
                leading("kept from an earlier run", links::run(run_id("earlier"))),
            ),
            of_step("styles", "commands", "npm run build"),
            of_step("styles", "secret registry", "given"),
            of_step("styles", "result", "came of this run"),
            of_step("package", "files", "target/release/cart as app/cart\napp/static"),
        ],
    }
}

/// How another one was made differently.
pub fn made_differently() -> Vec<MadeDifferently> {
    let one = |about: MadeAbout, what: &str, before: Option<MadeValue>, after: Option<MadeValue>| MadeDifferently {
        about,
        what: what.to_owned(),
        before,
        after,
    };
    let (old, new) = (commit("1.7.3"), commit("1.8.0"));
    let cart = component("shop/cart");
    vec![
        one(
            MadeAbout::Build,
            "asked for by",
            Some(value("Ada Marten")),
            Some(value("Ines Duarte")),
        ),
        one(
            MadeAbout::Source,
            "commit",
            Some(leading(old.as_str(), links::change(&cart, &old))),
            Some(leading(new.as_str(), links::change(&cart, &new))),
        ),
        one(
            about("compile"),
            "commands",
            Some(value("cargo build --release --locked")),
            Some(value("cargo build --release --locked\nstrip target/release/cart")),
        ),
        one(
            about("compile"),
            "tool rustc --version",
            Some(value("rustc 1.94.1 (e408947bf 2026-03-25)")),
            Some(value("rustc 1.95.0 (59807616e 2026-04-14)")),
        ),
        one(about("styles"), "secret registry", None, Some(value("given"))),
    ]
}
