use engine::{RunResult, query};
use serde_json::json;

use crate::bench::{Bench, request, step};

#[tokio::test]
async fn what_a_step_says_is_kept_under_the_digest_that_its_outcome_names() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let asked = request(vec![
        step("loud", &[], json!({"say": "one\ntwo\u{1b}[0m"})),
        step("quiet", &[], json!({})),
    ]);
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Succeeded);
    let attempts = query::attempts(&*bench.ledger, run, None).await.unwrap();
    let kept = bench.logs.0.lock().unwrap();
    let text = &kept[&attempts[0].log.unwrap()];
    let lines: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert!(
        lines
            .iter()
            .all(|(at, _)| at.parse::<u64>().is_ok_and(|at| at > 1_600_000_000_000))
    );
    assert_eq!(
        lines.iter().map(|(_, rest)| *rest).collect::<Vec<_>>(),
        ["o one", "o two\u{1b}[0m"]
    );
    assert_eq!(attempts[1].log, None);
    let path = engine::log::log_path(&bench.folder.path().join("runs"), run, &crate::bench::name("loud"), 1);
    assert!(path.ends_with(format!("runs/{run}/attempts/loud-1/log")) && path.exists());
}
