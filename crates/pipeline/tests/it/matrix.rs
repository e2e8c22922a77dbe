//! A step with a matrix becomes its instances.

use pipeline::plan::RunInput;
use pipeline::{Definition, Plan};

use crate::definition::check;
use crate::text;

fn plan(written: &str) -> Plan {
    let written = text(written);
    let plan = Definition::parse(&written, "t.yaml")
        .unwrap_or_else(|wrong| panic!("{wrong}"))
        .plan();
    assert_eq!(plan.check(), Ok(()));
    plan
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.name.as_str()).collect()
}

fn input(plan: &Plan, name: &str) -> RunInput {
    let step = plan.steps.iter().find(|step| step.name.as_str() == name).unwrap();
    serde_json::from_value(step.input.clone()).unwrap()
}

#[test]
fn a_step_is_done_once_for_each_combination_and_needs_mean_all_of_them() {
    let plan = plan(
        r#"
        throughline: 1
        steps:
          test:
            run: tox
            matrix:
              PYTHON: ["3.11", "3.12"]
              OS: [linux, mac os]
            folder: sub/$OS
          report: { run: ./report, needs: [test], when: "needs.test.result != 'skipped'" }
        package: { needs: [test], files: [{ from: app }] }
        "#,
    );
    let instances = [
        "test-3.11-linux",
        "test-3.11-mac-os",
        "test-3.12-linux",
        "test-3.12-mac-os",
    ];
    assert_eq!(names(&plan), [&instances[..], &["report", "package"]].concat());
    let test = input(&plan, "test-3.12-mac-os");
    assert_eq!(
        (test.variables["PYTHON"].as_str(), test.variables["OS"].as_str()),
        ("3.12", "mac os")
    );
    assert_eq!(test.folder.as_deref(), Some("sub/mac os"));
    for step in &plan.steps[4..] {
        let needs: Vec<&str> = step.needs.iter().map(|need| need.as_str()).collect();
        assert_eq!(needs, instances, "{}", step.name);
    }
    let only = plan.only(&["test".parse().unwrap()]).unwrap();
    assert_eq!(names(&only), instances);
    assert_eq!(
        names(&plan.only(&["test-3.11-linux".parse().unwrap()]).unwrap()),
        ["test-3.11-linux"]
    );
}

#[test]
fn combinations_are_left_out_added_to_and_added() {
    let plan = plan(
        r#"
        throughline: 1
        steps:
          build:
            run: make $TARGET
            matrix:
              OS: [linux, macos]
              CPU: [amd64, arm64]
              exclude: [{ OS: macos, CPU: amd64 }]
              include:
                - { OS: linux, LIBC: gnu }
                - { OS: linux, CPU: arm64, LIBC: musl }
                - { OS: windows, CPU: amd64, SHELL: pwsh }
        "#,
    );
    assert_eq!(
        names(&plan),
        [
            "build-linux-amd64-gnu",
            "build-linux-arm64-musl",
            "build-macos-arm64",
            "build-windows-amd64-pwsh"
        ]
    );
    assert_eq!(input(&plan, "build-macos-arm64").variables.get("LIBC"), None);
}

#[test]
fn combinations_may_be_named_one_by_one() {
    let plan = plan(
        r#"
        throughline: 1
        steps:
          build:
            run: make
            matrix: { include: [{ TARGET: x86_64 }, { TARGET: aarch64, FLAGS: -O2 }] }
        "#,
    );
    assert_eq!(names(&plan), ["build-x86_64", "build-aarch64-o2"]);
}

#[test]
fn names_are_stable_and_fit() {
    let written =
        |value: &str| format!("throughline: 1\nsteps:\n  test:\n    run: x\n    matrix: {{ A: [{value}, other] }}\n");
    let long = "a-very-long-value-that-goes-on-and-on-and-does-not-end-soon";
    let one = plan(&written(long));
    let name = names(&one)[0].to_owned();
    assert!(
        name.starts_with("test-a-very-long-value-that-goes-on") && name.len() <= 50,
        "{name}"
    );
    assert_eq!(names(&plan(&written(long)))[0], name);
    // Values that no name can hold still have one each.
    let odd = plan(&written("\"++\", \"--\""));
    assert_eq!(odd.steps.len(), 3);
}

#[test]
fn defaults_hold_for_every_step_that_says_nothing_else() {
    let plan = plan(
        r#"
        throughline: 1
        variables: { LEVEL: low, LANG: C }
        shell: bash
        version: { command: ./version }
        steps:
          a: { run: x }
          b: { run: y, variables: { LEVEL: high }, shell: sh }
        package: { files: [{ from: app }] }
        "#,
    );
    let (a, b, version) = (input(&plan, "a"), input(&plan, "b"), input(&plan, "version"));
    assert_eq!(
        (a.shell.as_deref(), a.variables["LEVEL"].as_str()),
        (Some("bash"), "low")
    );
    assert_eq!(
        (b.shell.as_deref(), b.variables["LEVEL"].as_str()),
        (Some("sh"), "high")
    );
    assert_eq!(
        (b.variables["LANG"].as_str(), version.variables["LANG"].as_str()),
        ("C", "C")
    );
    check(
        "throughline: 1\nvariables: { A: b }\npackage: { files: [{ from: app }] }\n",
        &["2:1 `variables` is without effect: there are no steps | write some, or remove it"],
    );
}

/// A step with this matrix and these further lines.
fn step(matrix: &str, lines: &str) -> String {
    format!("throughline: 1\nsteps:\n  test:\n    run: x\n    matrix: {matrix}\n{lines}")
}

#[test]
fn what_is_wrong_with_a_matrix_is_said_with_its_place() {
    check(
        &step("{ PYTHON: [3.11], 9X: [a], B: [], C: [x, x] }", ""),
        &[
            "5:24 an element of `PYTHON` must be a text, a whole number or true or false, this is a number | put it in quotes: \"3.11\"",
        ],
    );
    check(
        &step("{ 9X: [a], B: [], C: [x, x] }", ""),
        &[
            "5:15 `9X` is no name of a variable | letters, digits and `_`, no digit first",
            "5:24 the axis `B` has no values | name some, or remove the axis",
            "5:38 `C` has the value `x` twice",
        ],
    );
    check(
        &step("{ A: [x, y], exclude: [{ A: z }, { B: x }] }", ""),
        &[
            "5:36 this leaves nothing out: no combination has these values | take it out, or look whether its values are those of the axes",
            "5:48 there is no axis `B` | did you mean `A`?",
        ],
    );
    check(
        &step("{ A: [x], B: [y], include: [{ A: z, V: 1 }, { A: x }] }", ""),
        &[
            "5:41 no combination has these values, and for one of its own `B` is missing | name a value for each axis",
            "5:57 this adds nothing: the combination is there | add a variable to it, or remove it",
        ],
    );
    check(
        &step("{ A: [x], exclude: [{ A: x }] }", ""),
        &["5:5 the matrix has no combination | name an axis with its values, or `include` some"],
    );
    let many: Vec<String> = (0..17).map(|n| format!("v{n}")).collect();
    let many = many.join(", ");
    check(
        &step(&format!("{{ A: [{many}], B: [{many}] }}"), ""),
        &[
            "5:5 the matrix has 289 combinations, more than the 256 allowed | leave values out, or make several steps of it",
        ],
    );
}

#[test]
fn what_goes_with_a_matrix_must_fit_it() {
    check(
        &step("{ A: [x, y] }", "    folder: in/$AA\n"),
        &["6:13 nothing fills in `$AA` here | the matrix gives `$A`"],
    );
    check(
        &step("{ A: [x, y] }", "    inputs: [src]\n    outputs: [out]\n"),
        &[
            "7:14 two instances would leave `out` | let each leave files of its own: put the axis into the path, such as `out/$A`",
        ],
    );
    check(
        &step("{ A: [x, y] }", "    variables: { A: z }\n"),
        &["6:18 `A` is set by the matrix | take it out of one of the two"],
    );
    check(
        &step("{ A: [x, y] }", "  test-x: { run: y }\n"),
        &["5:5 two steps would be called `test-x` | choose other values, or another name for the step"],
    );
    check(
        &step("{ AXIS: [x, y] }", "    when: matrix.AXIX == 'x'\n"),
        &["6:18 `when`: the matrix has no `AXIX` | did you mean `AXIS`?"],
    );
    check(
        "throughline: 1\nsteps:\n  a: { run: x, when: matrix.A == 'x' }\n",
        &["3:22 `when`: this step has no matrix | give it one, or take `matrix` out of the condition"],
    );
    // What is wrong with each instance is said once.
    check(
        &step("{ A: [x, y] }", "    timeout: soon\n"),
        &["6:14 `soon` is no length of time | a length of time is written `500ms`, `10s`, `5m`, `2h`, `7d` or `1h30m`"],
    );
}
