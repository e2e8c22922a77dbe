//! What steps share: groups of which one works at a time, and the machine.

use pipeline::Definition;
use pipeline::plan::{Concurrency, GroupRule, Resources};

use crate::definition::check;
use crate::text;

fn definition(written: &str) -> Definition {
    Definition::parse(&text(written), "t.yaml").unwrap_or_else(|wrong| panic!("{wrong}"))
}

#[test]
fn steps_and_runs_may_be_in_groups() {
    let definition = definition(
        r#"
        throughline: 1
        concurrency: { group: all-$THROUGHLINE_BRANCH, rule: replace }
        steps:
          docs: { run: x, concurrency: docs }
          deploy:
            run: x
            matrix: { PLACE: [east, west] }
            concurrency: { group: "${PLACE}-${THROUGHLINE_BRANCH}", rule: newest }
        "#,
    );
    let mut plan = definition.plan();
    plan.name_groups(|name| (name == "THROUGHLINE_BRANCH").then(|| "main".to_owned()));
    let group = |name: &str, rule| {
        Some(Concurrency {
            group: name.to_owned(),
            rule,
        })
    };
    assert_eq!(plan.concurrency, group("all-main", GroupRule::Replace));
    assert_eq!(plan.steps[0].concurrency, group("docs", GroupRule::Queue));
    assert_eq!(plan.steps[1].concurrency, group("east-main", GroupRule::Newest));
    assert_eq!(plan.steps[2].concurrency, group("west-main", GroupRule::Newest));
}

#[test]
fn what_is_wrong_with_a_group_is_said_at_its_place() {
    let step = |lines: &str| format!("throughline: 1\nsteps:\n  a:\n    run: x\n{lines}");
    check(
        &step("    concurrency: deploy-$BRANCH\n"),
        &[
            "5:18 nothing fills in `$BRANCH` here | the name of a group may have `$THROUGHLINE_BRANCH`, `$THROUGHLINE_COMMIT`, `$THROUGHLINE_COMPONENT` in it",
        ],
    );
    check(
        &step("    concurrency: { group: ' ', rule: newer }\n"),
        &["5:38 `rule` must be `queue`, `newest` or `replace`, not `newer`"],
    );
    check(
        &step("    concurrency: { group: d, rule: replace }\n    effect: effect\n    observe: y\n"),
        &[
            "5:36 `rule: replace` would stop a step that changes the world half-way | write `rule: newest`: what works goes on, and of those that wait only the newest stays",
        ],
    );
    check(
        "throughline: 1\nconcurrency: d\nsteps:\n  a: { run: x, concurrency: d }\n",
        &[
            "4:29 without effect: the whole run is in this group already | take `concurrency` away here, or from the top of the file",
        ],
    );
}

#[test]
fn a_step_says_what_it_takes_of_the_machine() {
    let definition = definition(
        r#"
        throughline: 1
        steps:
          small: { run: x, resources: { cpus: 0.5 } }
          large:
            run: x
            resources: { cpus: 4, memory: 3GiB }
        "#,
    );
    let plan = definition.plan();
    assert_eq!(
        plan.steps.iter().map(|step| step.resources).collect::<Vec<_>>(),
        [
            Some(Resources {
                cpus_milli: Some(500),
                memory_bytes: None
            }),
            Some(Resources {
                cpus_milli: Some(4_000),
                memory_bytes: Some(3 << 30)
            })
        ]
    );
    let said = |cpus, memory| -> Vec<String> {
        let wrong = definition.too_large(&plan, cpus, memory);
        wrong
            .iter()
            .map(|wrong| format!("{}:{} {}", wrong.line, wrong.column, wrong.message))
            .collect()
    };
    assert_eq!(said(4, Some(3 << 30)), Vec::<String>::new());
    assert_eq!(
        said(2, None),
        ["6:16 `large` can never begin here: it needs 4 cpus, there are 2"]
    );
    assert_eq!(
        said(8, Some(1 << 30)),
        ["6:16 `large` can never begin here: it needs 3.0 GiB of memory, there are 1.0 GiB"]
    );
    // A run of other steps is not concerned.
    let small = plan.only(&["small".parse().unwrap()]).unwrap();
    assert_eq!(definition.too_large(&small, 1, None), []);
}

#[test]
fn what_is_wrong_with_resources_is_said_at_its_place() {
    let step = |resources: &str| format!("throughline: 1\nsteps:\n  a: {{ run: x, resources: {resources} }}\n");
    check(&step("{ cpus: 0 }"), &["3:35 `cpus` must be at least 0.01"]);
    check(
        &step("{ memory: 2 Gi }"),
        &["3:37 `2 Gi` is no amount of memory | memory is written `512MiB` or `2GiB`"],
    );
    check(
        &step("{}"),
        &["3:27 `resources` says nothing | say how much: `resources: { cpus: 2, memory: 1GiB }`"],
    );
}
