//! Modules that a step with a matrix uses: once for each combination.

use pipeline::Definition;

use crate::modules::{RUST, input, read, read_with, wrong};

const MATRIX: &str = "throughline: 1
variables: { WHO: shop }
steps:
  before: { run: x }
  rust:
    uses: ./ci/rust.yaml
    needs: [before]
    matrix: { CHANNEL: [stable, beta], LEVEL: [1, 2], exclude: [{ CHANNEL: beta, LEVEL: 1 }] }
    when: matrix.LEVEL != '7'
    with: { TITLE: $WHO on $CHANNEL, TOOLCHAIN: $CHANNEL, JOBS: '$LEVEL', PACKAGES: [a, $LEVEL] }
  after: { run: y, needs: [rust] }
";

#[test]
fn a_module_comes_once_for_each_combination_of_a_matrix() {
    let definition = read(MATRIX, RUST).unwrap_or_else(|wrong| panic!("{wrong}"));
    let plan = definition.plan();
    plan.check().unwrap();
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "before",
            "rust-stable-1.lint",
            "rust-stable-1.test",
            "rust-stable-2.lint",
            "rust-stable-2.test",
            "rust-beta-2.lint",
            "rust-beta-2.test",
            "after"
        ]
    );
    let needs: Vec<&str> = plan.steps[4].needs.iter().map(|need| need.as_str()).collect();
    assert_eq!(needs, ["rust-stable-2.lint", "before"]);
    assert_eq!(plan.steps[7].needs.len(), 6);
    let beta = &plan.steps[6];
    let told = input(beta);
    for (name, value) in [
        ("TITLE", "shop on beta"),
        ("TOOLCHAIN", "beta"),
        ("JOBS", "2"),
        ("PACKAGES", "a\n2"),
    ] {
        assert_eq!(told.variables[name], value);
    }
    assert!(
        !told.variables.contains_key("CHANNEL"),
        "a module sees its inputs alone"
    );
    assert_eq!(told.folder.as_deref(), Some("crates/beta"));
    assert_eq!(beta.within[0].inputs["JOBS"], 2, "a number is one again");
    assert_eq!(beta.named().as_str(), "rust");
    assert_eq!(beta.matrix_at(0).unwrap()["LEVEL"], "2");
    assert_eq!(beta.matrix_at(1), None, "nor does its condition see the matrix");
    let only = |name: &str| plan.only(&[name.parse().unwrap()]).unwrap().steps.len();
    assert_eq!((only("rust"), only("rust-beta-2"), only("rust-beta-2.lint")), (7, 3, 2));
    let kept = Definition::parse_kept(definition.kept().unwrap(), "throughline.yaml").unwrap();
    assert_eq!(kept, definition);
}

#[test]
fn a_modules_step_uses_another_with_a_matrix_of_its_inputs() {
    let outer = "throughline: 1
inputs: { WHO: { type: string } }
steps:
  say: { uses: ./say.yaml, matrix: { TONE: [loud, low] }, with: { TEXT: '$TONE $WHO' } }
  last: { run: x, needs: [say] }
";
    let say = "throughline: 1\ninputs: { TEXT: { type: string } }\nsteps: { it: { run: echo } }\n";
    let user =
        "throughline: 1\nsteps: { own: { uses: ./outer.yaml, matrix: { N: [1, 2] }, with: { WHO: 'you $N' } } }\n";
    let definition = read_with(user, &[("/outer.yaml", outer), ("/say.yaml", say)]);
    let plan = definition.unwrap_or_else(|wrong| panic!("{wrong}")).plan();
    plan.check().unwrap();
    let last = &plan.steps[5];
    assert_eq!(
        (
            last.name.as_str(),
            last.needs.iter().map(|need| need.as_str()).collect::<Vec<_>>()
        ),
        ("own-2.last", vec!["own-2.say-loud.it", "own-2.say-low.it"])
    );
    let low = &plan.steps[4];
    assert_eq!(input(low).variables["TEXT"], "low you 2");
    let outer = low.within[1].instance.as_ref().unwrap();
    assert_eq!(outer.of.as_str(), "own-2.say");
    let seen = last.sees(low);
    assert_eq!((seen.name, seen.instance), ("say", "own-2.say-low"));
}

#[test]
fn what_is_wrong_with_a_matrix_of_a_module_is_said_once_with_its_place() {
    let module = "throughline: 1
inputs: { CHANNEL: { type: choice, values: [stable, beta] } }
steps: { test: { run: x, inputs: [src], outputs: [out/$CHANNEL] } }
";
    wrong(
        "{ uses: ./ci/rust.yaml, matrix: { C: [stable, nightly, weekly] }, with: { CHANNEL: $C } }",
        module,
        "throughline.yaml:3:92: `CHANNEL` must be one of stable, beta, and is `nightly` here\n  hint: it is declared in ci/rust.yaml:2:11",
    );
    wrong(
        "{ uses: ./ci/rust.yaml, matrix: { C: [stable, beta], OS: [a, b] }, with: { CHANNEL: $C } }",
        module,
        "throughline.yaml:3:62: `OS` is without effect: the module is not told it\n  hint: give it to an input of the module, such as `with: { OS: $OS }`, or ask for it in `when`",
    );
    wrong(
        "{ uses: ./ci/rust.yaml, matrix: { C: [a, b] }, when: matrix.C != 'x', with: { CHANNEL: stable } }",
        module,
        "throughline.yaml:3:41: two instances would leave `out/stable`, one of them in `rust-b.test`\n  hint: let the module put an input into the path, and give each instance another value",
    );
    wrong(
        "{ uses: ./ci/rust.yaml, matrix: { C: [stable, beta] }, with: { CHANNEL: $D } }",
        module,
        "throughline.yaml:3:81: nothing fills in `$D` here\n  hint: there are `$C`",
    );
    wrong(
        "{ uses: ./ci/rust.yaml, matrix: { C: [stable] }, when: matrix.D == 'x', with: { CHANNEL: $C } }",
        module,
        "throughline.yaml:3:71: `when`: the matrix has no `D`\n  hint: did you mean `C`?",
    );
    let user = "throughline: 1\nsteps:\n  rust: { uses: ./ci/rust.yaml, with: { A: 1 } }\n";
    let told = read(
        user,
        "throughline: 1\ninputs: { A: { type: number } }\nsteps: { x: { uses: ./y.yaml, matrix: { A: [1] }, with: { B: $A } } }\n",
    );
    assert!(told.unwrap_err().contains("`A` is an input of the module"));
}
