//! Runs: cancelled, attempted again, timed out, observed.

use serde_json::json;

use crate::house::{House, processes_with};
use crate::repository::{Repository, steps};

#[test]
fn runs_are_found_by_the_beginning_of_a_commits_id_and_several_are_told() {
    let house = House::new();
    let repository = Repository::new();
    repository.define(&steps("  a: { run: 'true' }\n"));
    let first = repository.commit("first");
    repository.push(&house, "team/app", &["HEAD:main"]);
    house.built(&first);
    let found = house.runs(&format!("commit={}", &first[..7]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["commit"], json!(first));
    assert_eq!(house.runs(&format!("commit={}", first[..8].to_uppercase())).len(), 1);
    let refused = |commit: &str| house.get(&format!("/api/v1/runs?commit={commit}"));
    refused("abc").expect_problem(400, "bad-input");
    refused("nonsense").expect_problem(400, "bad-input");
    let other = if first.starts_with('0') { "1111111" } else { "0000000" };
    let told = refused(other).expect_problem(404, "not-found");
    assert!(
        told.contains(&format!("no change's id begins with `{other}`")),
        "{told}"
    );

    let (one, two) = repository.twins();
    repository.push(
        &house,
        "team/app",
        &[&format!("{one}:refs/heads/one"), &format!("{two}:refs/heads/two")],
    );
    house.built(&one);
    house.built(&two);
    assert_eq!(one[..4], two[..4]);
    for answer in [
        refused(&one[..4]),
        house.get(&format!("/api/v1/components/team/app/changes/{}", &one[..4])),
    ] {
        let told = answer.expect_problem(400, "bad-input");
        assert!(
            told.contains(&format!("the ids of 2 changes begin with `{}`", &one[..4])),
            "{told}"
        );
        for commit in [&one, &two] {
            assert!(told.contains(&format!("{}  team/app  twin", &commit[..12])), "{told}");
        }
    }
    assert_eq!(house.runs(&format!("commit={one}")).len(), 1);
}

#[test]
fn cancelling_a_run_ends_everything_its_step_started() {
    let house = House::new();
    let repository = Repository::new();
    // One child of its own session that does not listen, one that lost its parents.
    let script =
        "sleep 4711 & setsid sh -c 'trap \"\" TERM; sleep 4711; sleep 4711' & (setsid sleep 4711 &) ; echo up; wait";
    let definition = steps(&format!(
        "  long:\n    run: |\n      {script}\n  after: {{ run: 'true', needs: [long] }}\n"
    ));
    let commit = repository.push_definition(&house, "team/app", &definition);
    let run = house.is_at(&commit, "long");
    let workspace = house.data().join("runs").join(&run);
    let workspace = workspace.to_str().unwrap();
    house.until("the step's children", || {
        house.log_of(&run, "long").contains("up").then_some(())
    });
    let sleeping = || {
        let all = processes_with(workspace);
        let is_sleep =
            |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sleep");
        all.into_iter().filter(|process| is_sleep(process.pid)).count()
    };
    house.until("three sleepers", || (sleeping() == 3).then_some(()));
    house.post(&format!("/api/v1/runs/{run}/cancel"), &json!(null)).is(200);
    let ended = house.ended(&run);
    assert_eq!(ended["run"]["result"], "cancelled", "{ended}");
    assert_eq!(sleeping(), 0, "nothing of the step is left");
    assert_eq!(house.step(&run, "long")["result"], "cancelled");
    assert_eq!(house.step(&run, "after")["attempts"], json!([]));
    let again = house.post(&format!("/api/v1/runs/{run}/cancel"), &json!(null));
    assert!([200, 409].contains(&again.status), "{}", again.text());
    house.until("the run's shim to go", || {
        processes_with(workspace).is_empty().then_some(())
    });
}

#[test]
fn a_retry_attempts_what_did_not_succeed_in_the_same_run() {
    let house = House::new();
    let repository = Repository::new();
    let gate = house.folder().join("gate");
    let definition = steps(&format!(
        "  good: {{ run: 'echo once >> count; echo from-good > made' }}\n  \
         bad: {{ run: 'cat made; test -e {}', needs: [good] }}\n  \
         after: {{ run: 'test $(wc -l < count) = 1', needs: [bad] }}\n",
        gate.display()
    ));
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    let id = build["run"]["id"].as_str().unwrap();
    assert_eq!(
        (&build["run"]["result"], &house.step(id, "after")["result"]),
        (&json!("failed"), &json!("skipped"))
    );
    assert!(build["run"]["reason"].as_str().unwrap().contains("bad"), "{build}");
    std::fs::write(gate, "").unwrap();
    house.post(&format!("/api/v1/runs/{id}/retry"), &json!(null)).is(200);
    let ended = house.until("the retried run's end", || {
        let run = house.run(id);
        (run["run"]["result"] == "succeeded").then_some(run)
    });
    let attempts = |name: &str| house.step(id, name)["attempts"].as_array().unwrap().len();
    assert_eq!(
        (attempts("good"), attempts("bad"), attempts("after")),
        (1, 2, 1),
        "{ended}"
    );
    assert_eq!(house.runs("kind=build").len(), 1, "a retry is no new run");
    let refused = house.post(&format!("/api/v1/runs/{id}/retry"), &json!(null));
    refused.expect_problem(409, "refused");
    // Each attempt keeps its own log.
    let log = |attempt: u32| {
        house
            .get(&format!("/api/v1/runs/{id}/steps/bad/log?attempt={attempt}"))
            .is(200)
    };
    assert!(log(1).as_str().unwrap().contains("from-good") && log(2).as_str().unwrap().contains("from-good"));
}

#[test]
fn a_step_that_takes_too_long_is_ended_and_the_run_says_so() {
    let house = House::new();
    let repository = Repository::new();
    let definition = steps("  slow: { run: 'sleep 4712 & wait', timeout: 1s }\n");
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    assert_eq!(build["run"]["result"], "timed-out", "{build}");
    let id = build["run"]["id"].as_str().unwrap();
    assert_eq!(house.step(id, "slow")["result"], "timed-out");
    let folder = house.data().join("runs").join(id);
    let left = processes_with(folder.to_str().unwrap());
    assert!(left.iter().all(|process| {
        !std::fs::read_to_string(format!("/proc/{}/comm", process.pid)).is_ok_and(|name| name.trim() == "sleep")
    }));
}

#[test]
fn a_step_is_attempted_again_as_often_as_it_says() {
    let house = House::new();
    let repository = Repository::new();
    let definition = steps(
        "  third:\n    run: echo x >> tries; test $(wc -l < tries) = 3\n    \
         retries: { times: 5, first_delay: 20ms, factor: 2, longest_delay: 1s }\n  \
         never: { run: exit 9, retries: { times: 2, first_delay: 10ms } }\n",
    );
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    let id = build["run"]["id"].as_str().unwrap();
    let third = house.step(id, "third");
    assert_eq!(
        (&third["result"], third["attempts"].as_array().unwrap().len()),
        (&json!("succeeded"), 3)
    );
    let never = house.step(id, "never");
    assert_eq!(
        (&never["result"], never["attempts"].as_array().unwrap().len()),
        (&json!("failed"), 3)
    );
    assert_eq!(never["attempts"][0]["code"], 9);
    let at = |attempt: usize, what: &str| -> facts::Timestamp {
        third["attempts"][attempt][what].as_str().unwrap().parse().unwrap()
    };
    assert!(at(1, "started_at") >= at(0, "finished_at") && at(2, "started_at") >= at(1, "finished_at"));
}

/// Kills the shim of a run and the server, as a power cut would.
fn power_cut(house: &mut House, run: &str) {
    let folder = house.data().join("runs").join(run);
    house.kill();
    for process in processes_with(folder.to_str().unwrap()) {
        let _ = process.signal(process::Signal::KILL);
    }
}

#[test]
fn an_effect_whose_end_nobody_saw_is_observed_and_not_repeated() {
    let mut house = House::new();
    let repository = Repository::new();
    let world = house.folder().join("world");
    let effect = |observe: &str| {
        steps(&format!(
            "  publish: {{ run: 'echo done >> {}; sleep 4713', effect: effect, observe: '{observe}' }}\n",
            world.display()
        ))
    };
    let done = |house: &House| {
        house.until("the effect", || {
            let text = std::fs::read_to_string(&world).ok()?;
            (!text.is_empty()).then(|| text.lines().count())
        })
    };

    // It was done, and the step says so.
    let commit = repository.push_definition(&house, "team/app", &effect(&format!("test -s {}", world.display())));
    let run = house.is_at(&commit, "publish");
    done(&house);
    power_cut(&mut house, &run);
    house.start();
    let ended = house.ended(&run);
    assert_eq!(ended["run"]["result"], "succeeded", "{ended}");
    assert_eq!(done(&house), 1);

    // Nobody can say: a person is asked, and answers.
    std::fs::remove_file(&world).unwrap();
    let commit = repository.push_definition(&house, "team/app", &effect("exit 3"));
    let run = house.is_at(&commit, "publish");
    done(&house);
    power_cut(&mut house, &run);
    house.start();
    house.until("the question", || {
        (house.step(&run, "publish")["state"] == "asking").then_some(())
    });
    let viewer = house.token_of("developer");
    let path = format!("/api/v1/runs/{run}/steps/publish/resolve");
    let body = json!({ "done": true }).to_string();
    let headers = [("content-type", "application/json")];
    house
        .ask_as(&viewer, "POST", &path, body.as_bytes(), &headers)
        .expect_problem(403, "denied");
    house.post(&path, &json!({ "done": true })).is(200);
    assert_eq!(house.ended(&run)["run"]["result"], "succeeded");
    assert_eq!(done(&house), 1);
    house
        .post(&path, &json!({ "done": false }))
        .expect_problem(409, "refused");
    house.is_whole();
}

#[test]
fn a_condition_decides_whether_a_step_is_run() {
    let house = House::new();
    let repository = Repository::new();
    let definition = steps(
        "  fails: { run: exit 1 }\n  \
         tidy: { run: 'true', needs: [fails], when: \"needs.fails.result == 'failed'\" }\n  \
         elsewhere: { run: 'true', when: \"run.line == 'release/1'\" }\n",
    );
    let commit = repository.push_definition(&house, "team/app", &definition);
    let build = house.built(&commit);
    let id = build["run"]["id"].as_str().unwrap();
    assert_eq!(house.step(id, "tidy")["result"], "succeeded");
    assert_eq!(house.step(id, "elsewhere")["result"], "skipped");
    assert_eq!(build["run"]["result"], "failed");
}

#[test]
fn a_kept_folder_is_never_taken_to_or_from_behind_a_link() {
    let house = House::new();
    let outside = house.folder().join("outside");
    std::fs::create_dir_all(outside.join("prey")).unwrap();
    std::fs::write(outside.join("prey/file"), "of somebody else").unwrap();
    let repository = Repository::new();
    // A step puts a link where its kept folder was: at the end, what is behind it would be carried off.
    let definition = format!(
        "  a: {{ cache: [{{ path: a/prey, key: k }}], run: 'test ! -e a/prey/file; rm -rf a; ln -s {} a' }}\n",
        outside.display()
    );
    for _ in 0..2 {
        let commit = repository.push_definition(&house, "team/app", &steps(&definition));
        let build = house.built(&commit);
        assert_eq!(build["run"]["result"], "succeeded", "{build}");
        house.until("the workspace gone", || {
            let id = build["run"]["id"].as_str().unwrap();
            (!house.data().join("runs").join(id).join("work").exists()).then_some(())
        });
        assert!(outside.join("prey/file").exists());
    }
    // The commit itself brings the link: the kept folder would be put behind it.
    std::os::unix::fs::symlink(&outside, repository.path().join("b")).unwrap();
    let definition = "  a: { cache: [{ path: b/made, key: k }], run: 'true' }\n";
    let commit = repository.push_definition(&house, "team/app", &steps(definition));
    let build = house.built(&commit);
    assert_eq!(build["run"]["result"], "failed", "{build}");
    assert!(!outside.join("made").exists());
}
