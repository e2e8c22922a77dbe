use engine::{RunResult, State, query};
use pipeline::PlannedStep;
use pipeline::plan::Instance;
use pipeline::within::Within;
use serde_json::{Value, json};

use crate::bench::{Bench, broken, name, nothing, request, step};

#[tokio::test]
async fn steps_begin_when_all_they_need_succeeded_and_see_its_outputs() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let plan = vec![
        step("package", &["build", "lint"], json!({"needs": true})),
        step("build", &[], json!({"outputs": {"file": "a.out"}})),
        step("lint", &["build"], json!({})),
    ];
    let asked = request(plan);
    assert_eq!(bench.finish(&engine, asked.clone()).await, RunResult::Succeeded);
    assert_eq!(bench.world.performed(), ["build-1", "lint-1", "package-1"]);
    let steps = query::steps(&*bench.ledger, asked.run).await.unwrap().rows;
    assert_eq!(
        steps[0].outputs,
        Some(json!({"build": {"file": "a.out"}, "lint": null}))
    );
    assert!(
        steps
            .iter()
            .all(|step| step.started_at.is_some() && step.finished_at.is_some())
    );

    let row = query::run(&*bench.ledger, asked.run).await.unwrap().unwrap();
    assert_eq!(
        (row.state, row.result, row.steps),
        (State::Finished, Some(RunResult::Succeeded), 3)
    );
    assert_eq!(row.context, asked.context);
    assert!(row.requested_at <= row.started_at.unwrap() && row.started_at < row.finished_at);
    bench.check().await;
}

#[tokio::test]
async fn what_needs_a_failed_step_is_skipped_and_the_rest_goes_on() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let asked = request(vec![
        step("build", &[], json!({"fail": 9})),
        step("test", &["build"], json!({})),
        step("report", &["test"], json!({})),
        step("lint", &[], json!({})),
    ]);
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Failed);
    assert_eq!(
        bench.steps(run).await,
        [
            "build: failed (exit code 3)",
            "test: skipped (`build` did not succeed)",
            "report: skipped (`test` did not succeed)",
            "lint: succeeded"
        ]
    );
    let row = query::run(&*bench.ledger, run).await.unwrap().unwrap();
    assert_eq!(row.reason.as_deref(), Some("step `build`: exit code 3"));
    let attempts = query::attempts(&*bench.ledger, run, None).await.unwrap();
    assert_eq!(
        attempts.iter().filter_map(|attempt| attempt.code).collect::<Vec<_>>(),
        [3]
    );
    bench.check().await;
}

#[tokio::test]
async fn conditions_decide_over_results_and_outputs() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let when = |name: &str, condition: &str| PlannedStep {
        when: Some(condition.to_owned()),
        ..step(name, &["build", "check"], json!({}))
    };
    let asked = request(vec![
        step("build", &[], json!({"fail": 9})),
        step("check", &[], json!({"outputs": {"changed": true}})),
        when("clean", "needs.build.result == 'failed'"),
        when(
            "notify",
            "needs.check.outputs.changed && run.trust == 'trusted' && run.kind == 'build'",
        ),
        when("publish", "needs.build.result == 'succeeded'"),
        when("odd", "needs.check.outputs.size > 3"),
    ]);
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Failed);
    let steps = bench.steps(run).await;
    assert_eq!(steps[2], "clean: succeeded");
    assert_eq!(steps[3], "notify: succeeded");
    assert_eq!(
        steps[4],
        "publish: skipped (its condition does not hold: needs.build.result == 'succeeded')"
    );
    assert!(
        steps[5].starts_with("odd: failed (the condition `needs.check.outputs.size > 3` cannot be"),
        "{}",
        steps[5]
    );
}

#[tokio::test]
async fn steps_of_a_module_begin_when_the_step_that_uses_it_may_and_by_their_own_conditions() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let within = |of: &str, when: Option<&str>| Within {
        step: name(of),
        instance: None,
        module: "/ci/module.yaml".to_owned(),
        commit: None,
        when: when.map(str::to_owned),
        inputs: [("DEEP".to_owned(), json!(true))].into(),
    };
    let inner = |called: &str, needs: &[&str], when: Option<&str>, using: Within| PlannedStep {
        when: when.map(str::to_owned),
        within: vec![using],
        ..step(called, needs, json!({}))
    };
    let asked = request(vec![
        step("good", &[], json!({})),
        step("bad", &[], json!({"fail": 9})),
        // Its module begins, because what it needs succeeded.
        inner("on.lint", &["good"], None, within("on", None)),
        inner(
            "on.deep",
            &["on.lint", "good"],
            Some("inputs.DEEP && needs.lint.result == 'succeeded'"),
            within("on", None),
        ),
        inner(
            "on.never",
            &["on.lint", "good"],
            Some("!inputs.DEEP"),
            within("on", None),
        ),
        // What failed before keeps back those with conditions, too.
        inner("off.lint", &["bad"], Some("inputs.DEEP"), within("off", None)),
        inner("off.test", &["off.lint"], None, within("off", None)),
        inner(
            "mend.lint",
            &["bad"],
            None,
            within("mend", Some("needs.bad.result == 'failed'")),
        ),
        // What a condition of the module skips is no failure of it; all of it skipped is.
        step("after-on", &["on.lint", "on.deep", "on.never"], json!({})),
        step("after-off", &["off.lint", "off.test"], json!({})),
        PlannedStep {
            when: Some(
                "needs.on.result == 'succeeded' && needs.on.instances.size() == 3 && needs.off.result == 'skipped'"
                    .to_owned(),
            ),
            ..step("both", &["on.lint", "on.deep", "on.never", "off.lint"], json!({}))
        },
    ]);
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Failed);
    let steps = bench.steps(run).await;
    let told: Vec<&str> = steps.iter().map(String::as_str).collect();
    assert_eq!(told[2..4], ["on.lint: succeeded", "on.deep: succeeded"]);
    assert_eq!(told[4], "on.never: skipped (its condition does not hold: !inputs.DEEP)");
    assert_eq!(told[5], "off.lint: skipped (`bad` did not succeed)");
    assert_eq!(told[6], "off.test: skipped (`off.lint` did not succeed)");
    assert_eq!(told[7..9], ["mend.lint: succeeded", "after-on: succeeded"]);
    assert_eq!(told[9], "after-off: skipped (`off.lint` did not succeed)");
    assert_eq!(told[10], "both: succeeded");
}

#[tokio::test]
async fn of_a_module_with_a_matrix_each_instance_comes_to_a_result_of_its_own() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let inner = |called: &str, channel: &str, when: Option<&str>, input: Value| PlannedStep {
        within: vec![Within {
            step: name(&format!("rust-{channel}")),
            instance: Some(Instance {
                of: name("rust"),
                values: [("CHANNEL".to_owned(), channel.to_owned())].into(),
            }),
            module: "/ci/module.yaml".to_owned(),
            commit: None,
            when: Some("matrix.CHANNEL != 'nightly'".to_owned()),
            inputs: [("DEEP".to_owned(), json!(channel == "beta"))].into(),
        }],
        when: when.map(str::to_owned),
        ..step(&format!("rust-{channel}.{called}"), &[], input)
    };
    let both = [
        "rust-stable.lint",
        "rust-stable.deep",
        "rust-beta.lint",
        "rust-beta.deep",
    ];
    let when = |called: &str, needs: &[&str], condition: &str| PlannedStep {
        when: Some(condition.to_owned()),
        ..step(called, needs, json!({}))
    };
    let asked = request(vec![
        inner("lint", "stable", None, json!({})),
        inner("deep", "stable", Some("inputs.DEEP"), json!({})),
        inner("lint", "beta", None, json!({"outputs": {"size": 3}})),
        inner("deep", "beta", Some("inputs.DEEP"), json!({})),
        inner("lint", "nightly", None, json!({})),
        // What a condition of the module skips in one instance is no failure of that instance.
        step("after", &both, json!({})),
        // An instance of which nothing was done is, as one of a plain step would be.
        step(
            "after-all",
            &["rust-stable.lint", "rust-beta.lint", "rust-nightly.lint"],
            json!({}),
        ),
        when(
            "told-apart",
            &both,
            "needs.rust.result == 'succeeded' && needs.rust.instances.size() == 4 && \
             needs.rust.instances.exists(i, i.matrix.CHANNEL == 'beta' && i.outputs.size == 3)",
        ),
        when(
            "worst",
            &["rust-stable.lint", "rust-nightly.lint"],
            "needs.rust.result == 'skipped'",
        ),
    ]);
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Succeeded);
    let steps = bench.steps(run).await;
    let told: Vec<&str> = steps.iter().map(String::as_str).collect();
    assert_eq!(told[0], "rust-stable.lint: succeeded");
    assert_eq!(
        told[1],
        "rust-stable.deep: skipped (its condition does not hold: inputs.DEEP)"
    );
    assert_eq!(told[2..4], ["rust-beta.lint: succeeded", "rust-beta.deep: succeeded"]);
    assert_eq!(
        told[4],
        "rust-nightly.lint: skipped (its condition does not hold: matrix.CHANNEL != 'nightly')"
    );
    assert_eq!(told[5], "after: succeeded");
    assert_eq!(told[6], "after-all: skipped (`rust-nightly.lint` did not succeed)");
    assert_eq!(told[7..], ["told-apart: succeeded", "worst: succeeded"]);
}

#[tokio::test]
async fn a_condition_sees_all_instances_of_a_step_with_a_matrix() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let instance = |value: &str, input: Value| PlannedStep {
        instance: Some(Instance {
            of: name("test"),
            values: [("PYTHON".to_owned(), value.to_owned())].into(),
        }),
        when: Some(format!("matrix.PYTHON == '{value}'")),
        ..step(&format!("test-{value}"), &[], input)
    };
    let when = |called: &str, condition: &str| PlannedStep {
        when: Some(condition.to_owned()),
        ..step(called, &["test-3.11", "test-3.12"], json!({}))
    };
    let asked = request(vec![
        instance("3.11", json!({"fail": 9})),
        instance("3.12", json!({"outputs": {"size": 3}})),
        step("all", &["test-3.11", "test-3.12"], json!({})),
        when("worst", "needs.test.result == 'failed'"),
        when(
            "some",
            "needs.test.instances.exists(i, i.matrix.PYTHON == '3.12' && i.result == 'succeeded' && i.outputs.size == 3)",
        ),
        when("every", "needs.test.instances.all(i, i.result == 'succeeded')"),
    ]);
    let run = asked.run;
    bench.finish(&engine, asked).await;
    let steps = bench.steps(run).await;
    assert_eq!(steps[2], "all: skipped (`test-3.11` did not succeed)");
    assert_eq!(
        (steps[3].as_str(), steps[4].as_str()),
        ("worst: succeeded", "some: succeeded")
    );
    assert!(steps[5].starts_with("every: skipped"), "{}", steps[5]);
}

#[tokio::test]
async fn a_broken_definition_is_a_failed_run_that_names_the_place() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let asked = broken();
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Failed);
    let row = query::run(&*bench.ledger, run).await.unwrap().unwrap();
    assert_eq!(
        row.reason.as_deref(),
        Some("throughline.yaml:3:5: unknown key `setps`\nhint: did you mean `steps`?")
    );
    let refused = engine.retry(run, facts::Actor::System).await.unwrap_err();
    assert!(refused.to_string().contains("definition is broken"));
}

#[tokio::test]
async fn a_run_without_steps_succeeds() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    assert_eq!(bench.finish(&engine, request(Vec::new())).await, RunResult::Succeeded);
}

#[tokio::test]
async fn a_plan_that_cannot_be_driven_is_refused_at_once() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let asked = request(vec![step("a", &["b"], json!({})), step("b", &["a"], json!({}))]);
    let refused = engine.submit(asked, nothing()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the plan cannot be driven: steps wait for one another: a -> b -> a"
    );
    assert_eq!(bench.ledger.head().await.unwrap(), 0);
}

#[tokio::test]
async fn a_panic_or_a_missing_action_fails_the_step_alone() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let asked = request(vec![
        step("bad", &[], json!({"panic": true})),
        PlannedStep {
            action: "fly".to_owned(),
            ..step("strange", &[], json!({}))
        },
        step("good", &[], json!({})),
    ]);
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Failed);
    let steps = bench.steps(run).await;
    assert_eq!(steps[0], "bad: failed (the action panicked: as asked)");
    assert!(
        steps[1].starts_with("strange: failed (this server has no action `fly`"),
        "{}",
        steps[1]
    );
    assert_eq!(steps[2], "good: succeeded");
}

#[tokio::test]
async fn waiting_steps_whose_needs_are_there_are_shown_as_ready() {
    let bench = Bench {
        max_parallel: 1,
        ..Bench::new()
    };
    let engine = bench.engine().await;
    let asked = request(vec![
        step("a", &[], json!({"hold": true})),
        step("b", &[], json!({})),
        step("c", &["b"], json!({})),
    ]);
    let run = engine.submit(asked, nothing()).await.unwrap().run;
    bench.world.begun("a-1").await;
    assert_eq!(bench.steps(run).await, ["a: running", "b: ready", "c: waiting"]);
    bench.world.release("a");
    assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Succeeded));
}

#[tokio::test]
async fn a_store_in_a_file_gives_the_same() {
    let bench = Bench::sqlite();
    let engine = bench.engine().await;
    let steps = (0..300).map(|n| {
        let need = format!("s{}", n / 3);
        step(
            &format!("s{n}"),
            if n == 0 { vec![] } else { vec![need.as_str()] }.as_slice(),
            json!({"outputs": n}),
        )
    });
    // Every third number names itself: cut those.
    let steps = steps.map(|mut step| {
        let own = step.name.clone();
        step.needs.retain(|need| *need != own);
        step
    });
    assert_eq!(
        bench.finish(&engine, request(steps.collect())).await,
        RunResult::Succeeded
    );
    assert_eq!(bench.world.performed().len(), 300);
    engine.stop().await;
    bench.check().await;
}
