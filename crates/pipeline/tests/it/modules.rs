//! Modules: what they become, and what is said where one and its use do not fit.

use pipeline::Definition;
use pipeline::definition::modules::{self, Gathering, Missing, Module};
use pipeline::plan::{PlannedStep, RunInput};

pub const RUST: &str = "throughline: 1
inputs:
  TOOLCHAIN: { type: choice, values: [stable, beta], default: stable }
  JOBS: { type: number, default: 2 }
  PACKAGES: { type: list, default: [] }
  TITLE: { type: string, description: what people read }
  COVERAGE: { type: boolean, default: false }
  TOKEN: { type: secret, required: false }
variables: { CARGO_TERM_COLOR: never }
steps:
  lint: { run: cargo clippy }
  test:
    run: cargo test
    needs: [lint]
    folder: crates/$TOOLCHAIN
    cache: [{ path: target, key: 'cargo-${TOOLCHAIN}' }]
    when: needs.lint.result == 'succeeded' && inputs.JOBS > 1
    secrets: [{ secret: TOKEN }]
";

const USER: &str = "throughline: 1
variables: { LANG: C }
steps:
  before: { run: x }
  rust:
    uses: ./ci/rust.yaml
    needs: [before]
    with: { TITLE: '$(rm -rf /) of $LANG', PACKAGES: [a, b], TOKEN: registry-token }
  after: { run: y, needs: [rust], when: needs.rust.result == 'succeeded' }
";

/// Reads a definition with modules that lie where their names say.
pub fn read_with(definition: &str, modules: &[(&str, &str)]) -> Result<Definition, String> {
    let mut gathering = Gathering::of(definition.as_bytes(), "");
    while let Some(location) = gathering.next() {
        let name = location.to_string();
        let text = modules.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
        let found = text.map(|text| Module {
            commit: location.elsewhere.as_ref().map(|_| "1".repeat(40).parse().unwrap()),
            text: text.to_owned(),
        });
        let found = found.ok_or_else(|| Missing::file(&location));
        gathering.bring(location, found);
    }
    Definition::parse_with(definition, "throughline.yaml", &gathering.finish()).map_err(|wrong| wrong.to_string())
}

pub fn read(definition: &str, module: &str) -> Result<Definition, String> {
    read_with(definition, &[("/ci/rust.yaml", module)])
}

fn names(steps: &[PlannedStep]) -> Vec<(&str, Vec<&str>)> {
    steps
        .iter()
        .map(|step| {
            (
                step.name.as_str(),
                step.needs.iter().map(|need| need.as_str()).collect(),
            )
        })
        .collect()
}

pub fn input(step: &PlannedStep) -> RunInput {
    serde_json::from_value(step.input.clone()).unwrap()
}

#[test]
fn a_modules_steps_come_in_place_of_the_step_that_uses_it() {
    let definition = read(USER, RUST).unwrap_or_else(|wrong| panic!("{wrong}"));
    let plan = definition.plan();
    plan.check().unwrap();
    assert_eq!(
        names(&plan.steps),
        [
            ("before", vec![]),
            ("rust.lint", vec!["before"]),
            // With a condition of its own it asks what was asked of the module, too.
            ("rust.test", vec!["rust.lint", "before"]),
            ("after", vec!["rust.lint", "rust.test"]),
        ]
    );
    let lint = input(&plan.steps[1]);
    let variables: Vec<(&str, &str)> = lint
        .variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        variables,
        [
            ("CARGO_TERM_COLOR", "never"),
            ("COVERAGE", "false"),
            ("JOBS", "2"),
            ("PACKAGES", "a\nb"),
            ("TITLE", "$(rm -rf /) of C"),
            ("TOOLCHAIN", "stable"),
        ],
        "inputs are variables; those of the definition are not seen"
    );
    assert_eq!(lint.script, "cargo clippy", "no input becomes a part of the commands");
    assert!(lint.secrets.is_empty());
    let test = input(&plan.steps[2]);
    assert_eq!(test.folder.as_deref(), Some("crates/stable"));
    assert_eq!(test.cache[0].key, "cargo-stable");
    assert_eq!(
        (test.secrets[0].secret.as_str(), test.secrets[0].file.as_deref()),
        ("registry-token", Some("TOKEN")),
        "the user names the secret, the module the file"
    );
    assert_eq!(plan.steps[2].within[0].inputs["JOBS"], 2);
    assert_eq!(definition.modules()[0].module.to_string(), "/ci/rust.yaml");
    let only = plan.only(&["rust".parse().unwrap()]).unwrap();
    assert_eq!(
        only.steps.len(),
        3,
        "the name of the step means all that its module gives"
    );
}

#[test]
fn modules_use_modules_and_hand_on_what_they_were_given() {
    let outer = "throughline: 1
inputs: { WHO: { type: string }, MANY: { type: list, default: [x] }, KEY: { type: secret } }
steps:
  first: { run: 'true' }
  greet: { uses: ./hello.yaml, needs: [first], when: inputs.WHO != '', with: { NAME: 'dear $WHO', NAMES: $MANY, KEY: KEY } }
  last: { run: 'true', needs: [greet] }
";
    let hello = "throughline: 1
inputs: { NAME: { type: string }, NAMES: { type: list }, KEY: { type: secret } }
steps:
  say:
    matrix: { TONE: [loud, low] }
    folder: out/$TONE/$NAME
    run: echo $NAME
    secrets: [{ secret: KEY, variable: KEY_VALUE }]
";
    let user = "throughline: 1
steps:
  own: { uses: tools/ci/outer.yaml@v1, with: { WHO: you, MANY: [a, b], KEY: mine } }
";
    let modules = [("tools/ci/outer.yaml@v1", outer), ("tools/ci/hello.yaml@v1", hello)];
    let definition = read_with(user, &modules).unwrap_or_else(|wrong| panic!("{wrong}"));
    let plan = definition.plan();
    plan.check().unwrap();
    assert_eq!(
        names(&plan.steps),
        [
            ("own.first", vec![]),
            ("own.greet.say-loud", vec!["own.first"]),
            ("own.greet.say-low", vec!["own.first"]),
            ("own.last", vec!["own.greet.say-loud", "own.greet.say-low"]),
        ]
    );
    let say = input(&plan.steps[1]);
    assert_eq!(
        (
            say.variables["NAME"].as_str(),
            say.variables["NAMES"].as_str(),
            say.folder.as_deref()
        ),
        ("dear you", "a\nb", Some("out/loud/dear you"))
    );
    assert_eq!(say.secrets[0].secret, "mine");
    let within: Vec<(&str, Option<&str>)> = plan.steps[1]
        .within
        .iter()
        .map(|using| (using.step.as_str(), using.when.as_deref()))
        .collect();
    assert_eq!(within, [("own", None), ("own.greet", Some("inputs.WHO != ''"))]);
    assert_eq!(plan.steps[1].inputs_at(1).unwrap()["WHO"], "you");
    assert!(plan.steps[1].within.iter().all(|using| using.commit.is_some()));
    assert_eq!(definition.modules().len(), 2);
}

#[test]
fn a_definition_is_kept_with_its_modules_and_is_another_one_with_others() {
    let definition = read(USER, RUST).unwrap();
    let kept = Definition::parse_kept(definition.kept().unwrap(), "throughline.yaml").unwrap();
    assert_eq!(kept, definition);
    assert_eq!(definition.digest(), facts::Digest::of(definition.kept().unwrap()));
    let other = read(USER, &RUST.replace("cargo clippy", "cargo check")).unwrap();
    assert_ne!(other.digest(), definition.digest());
    let text = "throughline: 1\nsteps: { a: { run: x } }\n";
    let plain = Definition::parse(text, "t.yaml").unwrap();
    assert_eq!((plain.kept(), plain.digest()), (None, facts::Digest::of(text)));
    assert_eq!(Definition::parse_kept(text.as_bytes(), "t.yaml").unwrap(), plain);
}

#[track_caller]
pub fn wrong(user: &str, module: &str, expected: &str) {
    let told = read(&format!("throughline: 1\nsteps:\n  rust: {user}\n"), module).unwrap_err();
    assert_eq!(told, expected);
}

#[test]
fn what_does_not_fit_is_said_with_both_places() {
    wrong(
        "{ uses: ./ci/rust.yaml, with: { TITLE: x, JOBS: many } }",
        RUST,
        "throughline.yaml:3:57: `JOBS` must be a number\n  hint: it is declared in ci/rust.yaml:4:3",
    );
    wrong(
        "{ uses: ./ci/rust.yaml, with: { TITLE: 1.10 } }",
        RUST,
        "throughline.yaml:3:48: `TITLE` must be a text\n  hint: put it in quotes: \"1.10\"; it is declared in ci/rust.yaml:6:3",
    );
    wrong(
        "{ uses: ./ci/rust.yaml, with: { TITLE: x, TOOLCHAIN: nightly } }",
        RUST,
        "throughline.yaml:3:62: `TOOLCHAIN` must be one of stable, beta\n  hint: it is declared in ci/rust.yaml:3:3",
    );
    wrong(
        "{ uses: ./ci/rust.yaml }",
        RUST,
        "throughline.yaml:3:3: the module wants `TITLE`, which is not given\n  hint: say it under `with`; it is declared in ci/rust.yaml:6:3",
    );
    wrong(
        "{ uses: ./ci/rust.yaml, with: { TITLE: x, JOB: 1 } }",
        RUST,
        "throughline.yaml:3:51: the module has no input `JOB`\n  hint: did you mean `JOBS`?",
    );
    wrong(
        "{ uses: ./ci/rust.yaml, with: { TITLE: $WHO } }",
        RUST,
        "throughline.yaml:3:48: nothing fills in `$WHO` here\n  hint: this file has no `variables` that could be; no shell reads it",
    );
    wrong(
        "{ uses: ./ci/rust.yaml }",
        "throughline: 1\nsteps: { a: { run: x, neds: [b] } }\n",
        "ci/rust.yaml:2:23: `a` has no key `neds` (used in throughline.yaml:3:17)\n  hint: did you mean `needs`?",
    );
    wrong(
        "{ uses: ./ci/rust.yaml, run: x }",
        "throughline: 1\nsteps: { a: { run: x } }\n",
        "throughline.yaml:3:33: `run` is without effect: the step is the module that it uses\n  hint: say it in the steps of the module, or give it to the module as an input",
    );
    wrong(
        "{ run: x, with: { A: 1 } }",
        RUST,
        "throughline.yaml:3:19: `with` is without effect: the step uses no module\n  hint: remove it, or name the module with `uses`",
    );
    wrong(
        "{ needs: [] }",
        RUST,
        "throughline.yaml:3:3: `rust` lacks `run` or `uses`",
    );
    wrong(
        "{ uses: ./ci/gone.yaml }",
        RUST,
        "throughline.yaml:3:17: there is no module `ci/gone.yaml`\n  hint: the path is that of a file of the same commit",
    );
}

#[test]
fn a_module_holds_nothing_that_weakens_what_others_ask_for() {
    for (module, expected) in [
        (
            "gates: []\nsteps: { a: { run: x } }",
            "ci/rust.yaml:2:1: `gates` has no place in a module (used in",
        ),
        (
            "package: { files: [] }\nsteps: { a: { run: x } }",
            "`package` has no place in a module",
        ),
        (
            "steps: { a: { run: x, secrets: [{ secret: production }] } }",
            "the module has no input `production` of type `secret`",
        ),
        (
            "inputs: { T: { type: secret, default: production } }\nsteps: { a: { run: x } }",
            "a `secret` has no `default`",
        ),
        (
            "inputs: { T: { type: choice } }\nsteps: { a: { run: x } }",
            "a `choice` has `values`",
        ),
        (
            "inputs: { T: { type: number, default: x } }\nsteps: { a: { run: x } }",
            "the default of `T` must be a number",
        ),
        (
            "inputs: { T: { type: number, default: 1, required: true } }\nsteps: { a: { run: x } }",
            "it need not be given",
        ),
        (
            "inputs: { T: { type: number, default: 1 } }\nsteps: { a: { run: x, variables: { T: 2 } } }",
            "`T` is an input of the module",
        ),
        (
            "inputs: { T: { type: number, default: 1 } }\nsteps: { a: { run: x, matrix: { T: [2] } } }",
            "`T` is an input of the module",
        ),
        (
            "inputs: { T: { type: number, default: 1 } }\nsteps: { a: { run: x, folder: a/$U } }",
            "nothing fills in `$U` here",
        ),
        (
            "inputs: { T: { type: number, default: 1 } }\nsteps: { a: { run: x, when: inputs.U == 1 } }",
            "the module has no input `U`",
        ),
        (
            "inputs: { 1T: { type: number, default: 1 } }\nsteps: { a: { run: x } }",
            "`1T` is no name of a variable",
        ),
        ("steps: {}", "the module has no steps"),
        ("inputs: {}", "lacks `steps`"),
    ] {
        let user = "throughline: 1\nsteps:\n  rust: { uses: ./ci/rust.yaml }\n";
        let told = read(user, &format!("throughline: 1\n{module}\n")).unwrap_err();
        assert!(told.contains(expected), "{module}: {told}");
    }
    let told = Definition::parse(
        "throughline: 1\nsteps: { a: { run: x, when: inputs.A == 1 } }\n",
        "t.yaml",
    );
    assert!(told.unwrap_err().to_string().contains("there are no inputs here"));
}

#[test]
fn what_another_repositorys_file_says_that_is_no_module_is_not_told() {
    let user = "throughline: 1\nsteps: { a: { uses: tools/ci/x.yaml@v1 } }\n";
    for text in [
        "passwords: { production: hunter2 }\n",
        "a: [hunter2\n",
        "hunter2",
        "steps: {}\nhunter2: x\n",
    ] {
        let told = read_with(user, &[("tools/ci/x.yaml@v1", text)]).unwrap_err();
        assert!(
            told.starts_with("throughline.yaml:2:21: `tools/ci/x.yaml@v1` is no module"),
            "{told}"
        );
        assert!(!told.contains("hunter2") && !told.contains("passwords"), "{told}");
    }
    let told = read_with(
        user,
        &[("tools/ci/x.yaml@v1", "throughline: 1\nsteps: { b: { rnu: x } }\n")],
    )
    .unwrap_err();
    assert!(told.contains("tools/ci/x.yaml@v1:2:15: `b` has no key `rnu`"), "{told}");
}

#[test]
fn a_chain_of_modules_that_comes_back_or_goes_too_deep_is_shown() {
    let uses = |path: &str| format!("throughline: 1\nsteps: {{ x: {{ uses: {path} }} }}\n");
    let (user, a, b) = (uses("./a.yaml"), uses("./b.yaml"), uses("./a.yaml"));
    let told = read_with(&user, &[("/a.yaml", a.as_str()), ("/b.yaml", b.as_str())]).unwrap_err();
    assert_eq!(
        told,
        "b.yaml:2:21: modules use one another: a.yaml -> b.yaml -> a.yaml (used in a.yaml:2:21, which is used in throughline.yaml:2:21)\n  hint: take one of these uses away"
    );
    let names: Vec<String> = (0..7).map(|n| format!("/m{n}.yaml")).collect();
    let texts: Vec<String> = (1..8).map(|n| uses(&format!("./m{n}.yaml"))).collect();
    let modules: Vec<(&str, &str)> = names
        .iter()
        .zip(&texts)
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let told = read_with(&uses("./m0.yaml"), &modules).unwrap_err();
    assert!(
        told.contains("modules use modules more than 5 deep: m0.yaml -> m1.yaml -> m2.yaml"),
        "{told}"
    );
}

#[test]
fn modules_that_multiply_are_refused_soon() {
    // Each uses the next ten times: without limits a hundred thousand steps of one file of a few lines.
    let steps = |next: &str| {
        let all: String = (0..10)
            .map(|n| format!("  s{n}: {{ uses: ./{next}.yaml }}\n"))
            .collect();
        format!("throughline: 1\nsteps:\n{all}")
    };
    let texts: Vec<String> = (1..5).map(|n| steps(&format!("m{n}"))).collect();
    let last = "throughline: 1\nsteps: { a: { run: x } }\n";
    let names: Vec<String> = (0..5).map(|n| format!("/m{n}.yaml")).collect();
    let texts = texts.iter().map(String::as_str).chain([last]);
    let modules: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts).collect();
    let told = read_with(&steps("m0"), &modules).unwrap_err();
    assert!(told.contains("modules are used more than 1000 times"), "{told}");
    let many: String = (0..1_001).map(|n| format!("  s{n}: {{ run: x }}\n")).collect();
    let told = read(
        "throughline: 1\nsteps: { rust: { uses: ./ci/rust.yaml } }\n",
        &format!("throughline: 1\nsteps:\n{many}"),
    );
    assert!(
        told.unwrap_err()
            .contains("`rust` comes to 1001 steps, more than the 1000")
    );
}

#[test]
fn names_stay_unique_and_readable() {
    let module = "throughline: 1\nsteps: { lint: { run: x } }\n";
    let twice = "throughline: 1\nsteps:\n  rust: { uses: ./ci/rust.yaml }\n  rust.lint: { run: x }\n";
    let told = read(twice, module).unwrap_err();
    assert_eq!(
        told,
        "throughline.yaml:4:3: two steps would be called `rust.lint`\n  hint: choose another name for one of them"
    );
    let long = format!(
        "throughline: 1\nsteps: {{ {}: {{ uses: ./ci/rust.yaml }} }}\n",
        "r".repeat(60)
    );
    assert!(
        read(&long, module)
            .unwrap_err()
            .contains("is too long: a step's has at most 63 characters")
    );
    let told = read(
        "throughline: 1\nsteps: { a: { uses: ./ci/rust.yaml }, b: { run: x, needs: [a.lint] } }\n",
        module,
    );
    assert!(
        told.unwrap_err().contains("there is no step `a.lint`"),
        "what is within a module is its own affair"
    );
}

#[test]
fn a_module_is_checked_by_itself() {
    let check = |text: &str| {
        modules::check(
            text.as_bytes(),
            "ci/rust.yaml",
            &Gathering::of(text.as_bytes(), "ci").finish(),
        )
    };
    let steps = check(RUST).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(
        steps.iter().map(|step| step.as_str()).collect::<Vec<_>>(),
        ["lint", "test"]
    );
    assert!(modules::is_module(RUST.as_bytes()) && !modules::is_module(USER.as_bytes()));
    let told = check(&RUST.replace("$TOOLCHAIN", "$TOOL")).unwrap_err().to_string();
    assert!(
        told.starts_with(
            "ci/rust.yaml:15:13: nothing fills in `$TOOL` here\n  hint: the module's inputs are `$TOOLCHAIN`, `$JOBS`"
        ),
        "{told}"
    );
}

const PAGE: &str = include_str!("../../../../docs/modules.md");

/// The fenced blocks of the page: what they are, and their texts.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let fenced = PAGE.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

#[test]
fn the_page_of_modules_says_what_is() {
    let modules: Vec<(&str, &str)> = blocks()
        .iter()
        .filter_map(|(info, text)| Some((info.strip_prefix("yaml ")?, *text)))
        .filter(|(name, _)| *name != "throughline.yaml")
        .collect();
    let mut read = 0;
    for (_, text) in blocks().iter().filter(|(info, _)| *info == "yaml throughline.yaml") {
        let definition = read_with(text, &modules).unwrap_or_else(|wrong| panic!("{wrong}"));
        definition.plan().check().unwrap();
        read += definition.modules().len();
    }
    assert_eq!((read, modules.len()), (3, 2));
    let schema = modules::json_schema();
    let input = &schema["$defs"]["Input"]["properties"];
    for key in [&schema["properties"], input]
        .into_iter()
        .filter_map(|of| of.as_object())
        .flat_map(|of| of.keys())
    {
        assert!(
            PAGE.contains(&format!("`{key}`")) || PAGE.contains(&format!("`{key}: ")),
            "`{key}`"
        );
    }
    for kind in schema["$defs"]["InputKind"]["oneOf"].as_array().unwrap() {
        assert!(
            PAGE.contains(&format!("`{}`", kind["const"].as_str().unwrap())),
            "{kind}"
        );
    }
}
