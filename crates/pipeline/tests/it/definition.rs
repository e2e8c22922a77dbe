//! `throughline.yaml`: what comes out of a good one, and what is said about a bad one.

use facts::Digest;
use pipeline::document::PackageDocument;
use pipeline::plan::{EffectClass, PackageInput, RunInput};
use pipeline::{Definition, Environments};

use crate::text;

const WHOLE: &str = include_str!("../examples/throughline.yaml");

/// What is said about a file, one line each.
fn wrong(written: &str) -> Vec<String> {
    let written = text(written);
    let found = Definition::parse(&written, "t.yaml").map(|_| ()).expect_err(&written);
    found
        .iter()
        .map(|each| {
            let hint = each.hint.as_ref().map(|hint| format!(" | {hint}")).unwrap_or_default();
            format!("{}:{} {}{hint}", each.line, each.column, each.message)
        })
        .collect()
}

#[track_caller]
pub fn check(written: &str, expected: &[&str]) {
    assert_eq!(wrong(written), expected, "{written}");
}

/// A file with these lines below a step named `build`.
pub fn step(lines: &str) -> String {
    format!(
        "throughline: 1\nsteps:\n  build:\n    run: make\n{}",
        lines.lines().map(|l| format!("    {l}\n")).collect::<String>()
    )
}

#[test]
fn a_definition_becomes_a_plan_that_ends_with_the_package() {
    let definition = Definition::parse(WHOLE, "throughline.yaml").unwrap_or_else(|wrong| panic!("{wrong}"));
    let plan = definition.plan();
    plan.check().unwrap();
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["lint", "test", "build", "announce", "package"]);
    let test = &plan.steps[1];
    let input: RunInput = serde_json::from_value(test.input.clone()).unwrap();
    assert_eq!(input.script, "cargo nextest run --locked\n");
    assert_eq!(input.variables["RUST_BACKTRACE"], "1");
    assert_eq!(input.secrets[0].secret, "registry-token");
    assert_eq!(input.cache[0].path, "target");
    assert_eq!(
        (test.action.as_str(), test.timeout_seconds, test.retries.times),
        ("run", Some(1200), 1)
    );
    assert_eq!(test.effect, EffectClass::Idempotent);
    let announce = &plan.steps[3];
    assert_eq!(announce.effect, EffectClass::Effect);
    assert_eq!(
        announce.when.as_deref(),
        Some("needs.test.result == 'succeeded' && run.line == 'main'")
    );
    let package = &plan.steps[4];
    assert_eq!(package.action, "package");
    assert_eq!(
        package.needs.iter().map(|need| need.as_str()).collect::<Vec<_>>(),
        ["test", "build"]
    );
    let input: PackageInput = serde_json::from_value(package.input.clone()).unwrap();
    let files: Vec<(&str, &str)> = input
        .files
        .iter()
        .map(|file| (file.from.as_str(), file.to.as_str()))
        .collect();
    assert_eq!(
        files,
        [
            ("target/release/shop", "bin/shop"),
            ("assets", "assets"),
            ("migrations", "migrations")
        ]
    );
    assert_eq!(input.document, *definition.document());
    assert!(definition.makes_package());
    assert_eq!(definition.digest(), Digest::of(WHOLE));
}

#[test]
fn the_document_of_the_package_survives_being_stored() {
    let definition = Definition::parse(WHOLE, "throughline.yaml").unwrap();
    let stored = serde_json::to_string(definition.document()).unwrap();
    let read: PackageDocument = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, *definition.document());
    let service = read.service.as_ref().unwrap();
    assert_eq!(
        (
            service.health.path.as_str(),
            service.health.interval_ms,
            service.stop_grace_seconds
        ),
        ("/health", 500, 15)
    );
    let configuration = read.configuration.as_ref().unwrap();
    let production = configuration.render(&"production".parse().unwrap()).unwrap();
    assert_eq!(production.variables["PAGE_SIZE"], "50");
    assert_eq!(production.secrets["PAYMENT_KEY"], "shop-payment-key");
    assert_eq!(read.verify[0].timeout_seconds, 30);
    assert_eq!(read.gates[0].name, "not-on-an-old-line");
}

#[test]
fn a_definition_without_a_package_only_runs_its_steps() {
    let definition = Definition::parse(&step(""), "t.yaml").unwrap();
    assert!(!definition.makes_package());
    assert_eq!(definition.plan().steps.len(), 1);
}

#[test]
fn the_package_needs_every_step_where_nothing_else_is_said() {
    let written = "throughline: 1\nsteps:\n  a: { run: 'true' }\n  b: { run: 'true' }\npackage:\n  files: [{ from: out }, { from: 'dist/*.so' }]\n";
    let plan = Definition::parse(written, "t.yaml").unwrap().plan();
    assert_eq!(plan.steps[2].needs.len(), 2);
    let input: PackageInput = serde_json::from_value(plan.steps[2].input.clone()).unwrap();
    assert_eq!((input.files[0].to.as_str(), input.files[1].to.as_str()), ("out", "."));
}

#[test]
fn the_language_s_version_is_looked_at_first() {
    check("", &["1:1 the file is empty | begin the file with `throughline: 1`"]);
    check(
        "- a",
        &["1:1 the file must be a map, this is a list | begin the file with `throughline: 1`"],
    );
    check(
        "steps: {}",
        &["1:1 `throughline: 1` is missing | begin the file with `throughline: 1`"],
    );
    check(
        "throughline: one",
        &["1:1 `throughline` must be the number 1 | begin the file with `throughline: 1`"],
    );
    check(
        "throughline: 0",
        &["1:14 there is no language version 0 | begin the file with `throughline: 1`"],
    );
    check(
        "throughline: 3\nfuture: [things]",
        &[
            "1:14 this file is written for language version 3, this program reads version 1 | it needs a Throughline that reads `throughline: 3`; upgrade, or write `throughline: 1`",
        ],
    );
}

#[test]
fn unknown_keys_come_with_the_nearest_name() {
    check(
        &step("need: [a]"),
        &["5:5 `build` has no key `need` | did you mean `needs`?"],
    );
    check(
        &step("time-out: 5m"),
        &["5:5 `build` has no key `time-out` | did you mean `timeout`?"],
    );
    check(
        "throughline: 1\nsteps: {a: {run: x}}\nservise: {}",
        &["3:1 the file has no key `servise` | did you mean `service`?"],
    );
    check(
        "throughline: 1\nsteps: {a: {run: x}}\nzebra: {}",
        &[
            "3:1 the file has no key `zebra` | there are `throughline`, `version`, `variables`, `shell`, `components`, `concurrency`, `lines`, `steps`, `package`, `service`, `configuration`, `database`, `verify` and `gates`",
        ],
    );
}

#[test]
fn keys_that_come_later_say_so() {
    for key in ["identity", "network"] {
        check(
            &step(&format!("{key}: x")),
            &[&format!(
                "5:5 `{key}` is not supported by this version of Throughline | remove it; see docs/pipeline.md"
            )],
        );
    }
    for key in ["model", "flags"] {
        assert!(wrong(&format!("throughline: 1\n{key}: x"))[0].contains("is not supported by this version"));
    }
}

#[test]
fn a_step_that_names_its_inputs_is_pure_and_says_what_else_belongs_to_them() {
    let right = Definition::parse(
        "throughline: 1\nsteps:\n  a: {run: x, inputs: [src, \"!src/**/*.md\"], outputs: [out], tools: [cc --version]}\n",
        "throughline.yaml",
    )
    .unwrap();
    let kept = &right.plan().steps[0];
    assert_eq!(kept.effect, pipeline::EffectClass::Pure);
    assert_eq!(kept.input["kept"]["tools"][0], "cc --version");
    for (lines, message) in [
        (
            "outputs: [out]",
            "`outputs` is without effect here: the step names no `inputs`",
        ),
        ("tools: [cc]", "`tools` is without effect here"),
        (
            "inputs: [/etc]",
            "`/etc` is no pattern of files: it leaves the workspace",
        ),
        (
            "inputs: [src]\noutputs: [../x]",
            "`../x` is no pattern of files: it leaves the workspace",
        ),
        ("inputs: [\"a[\"]", "`a[` is no pattern of files"),
        ("inputs: [src]\neffect: idempotent", "must be `pure`"),
        (
            "inputs: [src]\nsecrets: [{ secret: token }]",
            "gets secrets is not kept",
        ),
        (
            "inputs: [src]\ntools: [\"\"]",
            "a tool is asked by one line of commands",
        ),
    ] {
        let said = wrong(&step(lines));
        assert!(said.iter().any(|line| line.contains(message)), "{lines}: {said:?}");
    }
}

#[test]
fn values_of_the_wrong_kind_are_placed() {
    check(
        "throughline: 1\nsteps:\n  a: { run: 5, needs: test, timeout: }\n  b: make\n  c: {}",
        &[
            "3:13 `run` must be a text, this is a number | put it in quotes: \"5\"",
            "3:23 `needs` must be a list, this is a text | a list is written [test]",
            "3:29 `timeout` must be a text, this is empty | leave `timeout` out, or give it a value",
            "4:6 `b` must be a map, this is a text",
            "5:3 `c` lacks `run` or `uses`",
        ],
    );
    check(
        &step("effect: effects\nretries: {times: 1000}\nvariables: {V: 1.10, W: 0x1F, X: [1]}"),
        &[
            "5:13 `effect` must be `pure`, `idempotent` or `effect`, not `effects` | did you mean `effect`?",
            "6:22 `times` must be at most 100",
            "7:20 `V` must be a text, a whole number or true or false, this is a number | put it in quotes: \"1.10\"",
            "7:38 `X` must be a text, a whole number or true or false, this is a list",
        ],
    );
    check(
        &step("variables: {W: 0x1F, 9a: b, THROUGHLINE_URL: c}"),
        &[
            "5:20 `W` would become `31` | put it in quotes: \"0x1F\"",
            "5:26 `9a` is no name of a variable | letters, digits and `_`, no digit first",
            "5:33 `THROUGHLINE_URL` is set by Throughline itself | choose another name",
        ],
    );
}

#[test]
fn cycles_are_named_as_a_path() {
    check(
        "
        throughline: 1
        steps:
          a: { run: x, needs: [b] }
          b: { run: x, needs: [c] }
          c: { run: x, needs: [d, a] }
          d: { run: x }
        ",
        &["3:24 steps wait for one another: a -> b -> c -> a | take one of these needs away"],
    );
    check(
        &step("needs: [build]"),
        &["5:13 steps wait for one another: build -> build | take one of these needs away"],
    );
}

#[test]
fn needs_are_known_and_named_once() {
    check(
        "
        throughline: 1
        steps:
          unit-test: { run: x }
          build: { run: x, needs: [unit_test, unit-test, unit-test, zebra] }
        package: { needs: [biuld], files: [{ from: a }] }
        ",
        &[
            "4:28 there is no step `unit_test` | did you mean `unit-test`?",
            "4:50 `unit-test` is named twice",
            "4:61 there is no step `zebra`",
            "5:20 there is no step `biuld` | did you mean `build`?",
        ],
    );
}

#[test]
fn names_commands_and_times_are_checked() {
    check(
        "
        throughline: 1
        steps:
          Build: { run: x }
          package: { run: x }
          empty: { run: '  ' }
          slow: { run: x, timeout: 5 minutes, retries: { times: 1, first_delay: 1.5s } }
          quick: { run: x, timeout: 500ms }
          empty: { run: x }
        ",
        &["8:3 `empty` stands here a second time | each name may stand in a map once"],
    );
    check(
        "
        throughline: 1
        steps:
          Build: { run: x }
          package: { run: x }
          empty: { run: '  ' }
          slow: { run: x, timeout: 5 minutes, retries: { times: 1, first_delay: 1.5s } }
          quick: { run: x, timeout: 500ms }
        ",
        &[
            "3:3 `Build` is no step name: lower-case letters, digits and `-_.` are expected, at most 63",
            "4:3 `package` is the name of the step that puts the package together | choose another name",
            "5:17 `run` is empty | write the commands, or remove it",
            "6:28 `5 minutes` is no length of time | a length of time is written `500ms`, `10s`, `5m`, `2h`, `7d` or `1h30m`",
            "6:73 `1.5s` is no length of time | a length of time is written `500ms`, `10s`, `5m`, `2h`, `7d` or `1h30m`",
            "7:29 `timeout` must be whole seconds, at least `1s`",
        ],
    );
}

#[test]
fn an_effect_says_how_it_is_observed() {
    check(
        &step("effect: effect"),
        &[
            "5:13 `effect: effect` needs `observe` | after a crash its commands say whether the step was done: exit code 0 is done, 1 is not done",
        ],
    );
    check(
        &step("observe: test -f done"),
        &["5:14 `observe` is without effect here: the step may be repeated | write `effect: effect`, or remove it"],
    );
    assert!(Definition::parse(&step("effect: effect\nobserve: test -f done"), "t").is_ok());
}

#[test]
fn a_condition_s_mistake_is_placed_in_the_file() {
    check(
        &step("when: run.line = 'main'"),
        &["5:20 `when`: `=` is no part of a condition | a comparison is written `==`"],
    );
    check(
        &step("when: \"run.lien == 'main'\""),
        &["5:16 `when`: there is no field `lien` here | did you mean `line`?"],
    );
    check(
        &step("when: >-\n  run.line == 'main' &&\n  neds.a.result == 'succeeded'"),
        &["7:7 `when`: there is no variable `neds` here | did you mean `needs`?"],
    );
    check(
        &step("when: |\n  true\n  || now() > 5"),
        &[
            "7:10 `when`: `now` depends on time, which a condition does not know | the same candidate gets the same verdict at any time; waiting is what `soak` is for",
        ],
    );
}

#[test]
fn a_condition_sees_only_the_steps_that_are_needed() {
    check(
        "
        throughline: 1
        steps:
          test: { run: x }
          build:
            run: x
            needs: [test]
            when: needs.tset.result == 'failed' || needs['deploy'].result == 'failed'
        ",
        &[
            "7:17 `when`: this step does not need `tset` | did you mean `test`?",
            "7:51 `when`: this step does not need `deploy` | add it: `needs: [deploy]`",
        ],
    );
}

#[test]
fn paths_stay_inside() {
    check(
        "
        throughline: 1
        steps:
          a:
            run: x
            folder: ../other
            cache: [{ path: ., key: k }, { path: /var, key: '' }]
            secrets: [{ secret: a b }, { secret: t, file: ../t }, { secret: t, variable: 1T }, { secret: t }]
        package:
          files: [{ from: /etc/passwd }, { from: a, to: ../b }]
        ",
        &[
            "5:13 the folder `../other` leads out of its folder | write a path below the component's folder, with `/`",
            "6:21 the component's own folder cannot be a cache | name a folder in it, such as `target`",
            "6:42 the folder `/var` is not relative | write a path below the component's folder, with `/`",
            "6:53 the key is empty",
            "7:25 `a b` is no name of a secret | letters, digits and `-_.` between them",
            "7:51 `../t` is no name of a secret | letters, digits and `-_.` between them",
            "7:82 `1T` is no name of a variable | letters, digits and `_`, no digit first",
            "7:88 two secrets have the file `t` | give one another `file`",
            "9:19 the path `/etc/passwd` is not relative | write a path below the component's folder, with `/`",
            "9:49 the path in the package `../b` leads out of its folder | write a path below the component's folder, with `/`",
        ],
    );
}

#[test]
fn the_service_and_its_settings_are_checked() {
    check(
        "
        throughline: 1
        steps: { a: { run: x } }
        package: { files: [{ from: a }] }
        service:
          command: []
          health: { path: health, interval: 0s, deadline: 1500ms }
          variables: { PORT: 80, LOG: x }
        configuration:
          schema:
            size: { type: integer, minimum: 9, maximum: 1 }
            color: { type: string, enum: [red, green], default: blue }
            log: { type: string }
            9lives: { type: string }
            key: { type: string, secret: true, default: hush }
            list: { type: array }
            need: { type: string, required: true }
          values:
            default: { size: large, colour: red, key: hunter2, log: }
            Production: { color: gren }
            staging: { need: x, key: { secret: the key } }
        ",
        &["15:19 `type`: `array` is not supported by this version of Throughline"],
    );
    check(
        "
        throughline: 1
        steps: { a: { run: x } }
        package: { files: [{ from: a }] }
        service:
          command: []
          health: { path: health, interval: 0s, deadline: 1500ms }
          variables: { PORT: 80, LOG: x }
        configuration:
          schema:
            size: { type: integer, minimum: 9, maximum: 1 }
            color: { type: string, enum: [red, green], default: blue }
            log: { type: string }
            9lives: { type: string }
            key: { type: string, secret: true, default: hush }
            need: { type: string, required: true }
          values:
            default: { size: large, colour: red, key: hunter2, log: }
            Production: { color: gren }
            staging: { need: x, key: { secret: the key } }
        ",
        &[
            "5:12 the command names no program | name the program and its arguments: `command: [bin/app, --verbose]`",
            "6:19 the path must begin with `/` and have no spaces",
            "6:37 the pause must be longer than nothing",
            "6:51 `deadline` must be whole seconds, at least `1s`",
            "7:16 `PORT` is set to the port | remove it here",
            "10:37 `size`: the minimum 9 is greater than the maximum 1",
            "11:57 `color`: \"blue\" is none of \"red\", \"green\"",
            "12:5 the variable `LOG` of `log` is also that of the service itself | give the setting another `variable`",
            "13:5 `9lives` is no name of a setting | letters, digits and `-_.`, a letter first",
            "14:49 `key`: `default` cannot be used with `secret`, whose value is not known here",
            "17:22 `size`: \"large\" is not a whole number",
            "17:29 `colour` is no setting of the schema | did you mean `color`?",
            "17:47 `key`: the value of a secret setting is named, never written | write { secret: NAME }, and set it by `throughline secret set NAME`",
            "17:56 `log` is empty | give it a value, or remove it",
            "18:5 `Production` is no environment name: lower-case letters, digits and `-_.` are expected, at most 63",
            "18:5 `Production` lacks the required `need` | give it a value here or under `default`",
            "18:26 `color`: \"gren\" is none of \"red\", \"green\" | did you mean `green`?",
            "19:40 `the key` is no name of a secret | letters, digits and `-_.` between them",
        ],
    );
}

#[test]
fn what_belongs_to_a_package_needs_one() {
    check(
        "throughline: 1\nsteps: {a: {run: x}}\nservice: {command: [a]}\nverify: [{name: v, run: x}]",
        &[
            "3:1 `service` is without effect: there is no `package` | say what goes into the package, or remove it",
            "4:1 `verify` is without effect: there is no `package` | say what goes into the package, or remove it",
        ],
    );
    check(
        "throughline: 1",
        &[
            "1:1 there is nothing to do: no steps and no package | write what is done, such as `steps: { test: { run: make test } }`",
        ],
    );
}

#[test]
fn gates_and_checks_have_names_of_their_own() {
    check(
        "
        throughline: 1
        package: { files: [{ from: a }] }
        verify: [{ name: v, run: x }, { name: v, run: '' }]
        gates:
          - { name: g, when: candidate.barred, environment: Prod }
          - { name: g, when: candidate.bared }
        ",
        &[
            "3:39 two checks are called `v`",
            "3:47 `run` is empty | write the commands, or remove it",
            "5:53 `Prod` is no environment name: lower-case letters, digits and `-_.` are expected, at most 63",
            "6:13 two gates are called `g`",
            "6:32 `when`: there is no field `bared` here | did you mean `barred`?",
        ],
    );
}

#[test]
fn environments_that_are_not_there_can_be_asked_for() {
    let written = "throughline: 1\npackage: {files: [{from: a}]}\nconfiguration:\n  schema: {a: {type: string}}\n  values: {prodution: {a: b}, staging: {}}\ngates: [{name: g, when: 'true', environment: qa}]\n";
    let definition = Definition::parse(written, "t.yaml").unwrap_or_else(|wrong| panic!("{wrong}"));
    let said: Vec<String> = definition
        .unknown_environments(&Environments::default())
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "t.yaml:5:12: there is no environment `prodution`\n  hint: did you mean `production`?",
            "t.yaml:6:46: there is no environment `qa`"
        ]
    );
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let error = Definition::parse_bytes(b"throughline: 1\nsteps: \xff\xfe", "t.yaml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.yaml:2: this is no text\n  hint: the file must be a text in UTF-8"
    );
    let error = Definition::parse_bytes(b"\x7fELF\x00\x01", "t.yaml").unwrap_err();
    assert!(error.to_string().starts_with("t.yaml:1:1: this is no text"));
}
