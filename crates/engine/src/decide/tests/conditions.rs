//! Whether a step begins once all that it needs has ended.

use std::collections::BTreeMap;

use pipeline::PlannedStep;
use pipeline::plan::Instance;
use pipeline::within::Within;
use serde_json::json;

use crate::action::ActionOutcome;
use crate::example::{Example, name, step};
use crate::result::RunResult;
use crate::state::Phase;

/// A part of the module that the step `module` uses.
fn part(text: &str, when: Option<&str>) -> PlannedStep {
    PlannedStep {
        within: vec![Within {
            step: name("module"),
            instance: None,
            module: "/module.yaml".to_owned(),
            commit: None,
            when: None,
            inputs: BTreeMap::new(),
        }],
        when: when.map(str::to_owned),
        ..step(text)
    }
}

/// An instance of the step `build` with a matrix.
fn instance(text: &str, os: &str, when: Option<&str>) -> PlannedStep {
    PlannedStep {
        instance: Some(Instance {
            of: name("build"),
            values: BTreeMap::from([("os".to_owned(), os.to_owned())]),
        }),
        when: when.map(str::to_owned),
        ..step(text)
    }
}

fn asks(when: &str, needs: &[&str]) -> PlannedStep {
    PlannedStep {
        when: Some(when.to_owned()),
        ..step("z").needing(needs.iter().map(|need| name(need)))
    }
}

#[test]
fn without_a_condition_each_need_must_have_succeeded() {
    let both = || vec![step("a"), step("b"), step("z").needing([name("a"), name("b")])];
    let mut run = Example::of(both());
    run.does("a");
    assert_eq!(run.phase("z"), Phase::Waiting);
    run.does("b");
    assert_eq!(run.phase("z"), Phase::Ready);

    let mut run = Example::of(both());
    run.does("a");
    run.fails("b");
    assert_eq!(run.phase("z"), Phase::Finished(RunResult::Skipped));
}

#[test]
fn a_module_has_succeeded_where_all_that_was_not_skipped_has() {
    let needs = || step("z").needing([name("module.one"), name("module.two")]);
    let mut run = Example::of(vec![
        part("module.one", Some("false")),
        part("module.two", None),
        needs(),
    ]);
    assert_eq!(run.phase("module.one"), Phase::Finished(RunResult::Skipped));
    run.does("module.two");
    assert_eq!(run.phase("z"), Phase::Ready);

    let all = vec![
        part("module.one", Some("false")),
        part("module.two", Some("false")),
        needs(),
    ];
    let run = Example::of(all);
    assert_eq!(run.phase("z"), Phase::Finished(RunResult::Skipped));

    let mut run = Example::of(vec![part("module.one", None), part("module.two", None), needs()]);
    run.does("module.one");
    run.fails("module.two");
    assert_eq!(run.phase("z"), Phase::Finished(RunResult::Skipped));

    let mut run = Example::of(vec![part("module.one", None), part("module.two", None), needs()]);
    run.does("module.one");
    run.does("module.two");
    assert_eq!(run.phase("z"), Phase::Ready);
}

/// Where `z`, which needs `a`, is after `a` has put out `{"of": "a"}`.
fn after_a(when: &str) -> Phase {
    let mut run = Example::of(vec![step("a"), asks(when, &["a"])]);
    run.does("a");
    run.phase("z")
}

#[test]
fn a_condition_sees_what_was_needed_and_what_the_run_is() {
    for holds in [
        "needs.a.result == 'succeeded'",
        "needs.a.outputs.of == 'a'",
        "size(needs.a.instances) == 0",
        "run.kind == 'build' && run.component == 'shop/cart' && run.trust == 'trusted'",
        "run.commit == null",
        "size(matrix) == 0 && size(inputs) == 0",
    ] {
        assert_eq!(after_a(holds), Phase::Ready, "{holds}");
    }
    assert_eq!(
        after_a("needs.a.result != 'succeeded'"),
        Phase::Finished(RunResult::Skipped)
    );
    assert_eq!(
        after_a("needs.b.result == 'succeeded'"),
        Phase::Finished(RunResult::Failed)
    );

    let mut run = Example::of(vec![step("a"), asks("needs.a.result == 'failed'", &["a"])]);
    run.fails("a");
    assert_eq!(run.phase("z"), Phase::Ready);
}

#[test]
fn of_a_matrix_a_condition_sees_the_instances_and_the_worst_of_them() {
    let instances = |when: &str| {
        vec![
            instance("build-1", "linux", None),
            instance("build-2", "windows", Some("false")),
            asks(when, &["build-1", "build-2"]),
        ]
    };
    for holds in [
        "needs.build.result == 'skipped'",
        "size(needs.build.instances) == 2",
        "needs.build.instances.exists(one, one.matrix.os == 'linux' && one.result == 'succeeded')",
        "needs.build.instances.exists(one, one.name == 'build-1' && one.outputs.of == 'build-1')",
    ] {
        let mut run = Example::of(instances(holds));
        run.does("build-1");
        assert_eq!(run.phase("z"), Phase::Ready, "{holds}");
    }
    let worst = [
        (ActionOutcome::failed("broke"), "failed"),
        (ActionOutcome::cancelled(), "cancelled"),
    ];
    for (outcome, word) in worst {
        let mut run = Example::of(instances(&format!("needs.build.result == '{word}'")));
        run.begins(&["build-1"]);
        run.ends("build-1", outcome);
        assert_eq!(run.phase("z"), Phase::Ready, "{word}");
    }
}

#[test]
fn of_a_module_a_condition_sees_the_worst_of_what_was_not_skipped() {
    let needs = ["module.one", "module.two"];
    let parts = |second: Option<&str>, when: &str| {
        vec![
            part("module.one", Some("false")),
            part("module.two", second),
            asks(when, &needs),
        ]
    };
    let mut run = Example::of(parts(None, "needs.module.result == 'succeeded'"));
    run.does("module.two");
    assert_eq!(run.phase("z"), Phase::Ready);
    let mut run = Example::of(parts(None, "needs.module.result == 'failed'"));
    run.fails("module.two");
    assert_eq!(run.phase("z"), Phase::Ready);
    let run = Example::of(parts(Some("false"), "needs.module.result == 'skipped'"));
    assert_eq!(run.phase("z"), Phase::Ready);
}

#[test]
fn a_condition_sees_the_matrix_and_the_inputs_that_are_its_own() {
    let mut own = instance("build-1", "linux", Some("matrix.os == 'linux'"));
    own.input = json!({});
    let run = Example::of(vec![own, instance("build-2", "windows", Some("matrix.os == 'linux'"))]);
    assert_eq!(
        (run.phase("build-1"), run.phase("build-2")),
        (Phase::Ready, Phase::Finished(RunResult::Skipped))
    );
    let mut inner = part("module.one", Some("inputs.deep == 'yes'"));
    inner.within[0].inputs = BTreeMap::from([("deep".to_owned(), json!("yes"))]);
    assert_eq!(Example::of(vec![inner]).phase("module.one"), Phase::Ready);
}
