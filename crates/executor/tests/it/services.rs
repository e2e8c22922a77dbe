//! Services beside steps: processes, containers, and a real PostgreSQL.

use executor::conformance::image::{command, engine};
use executor::conformance::{Bench, in_time};
use executor::{Adopted, Ended, ExecutorError, Held, Job, Limits, Service};
use process::{Ending, Signal};

use crate::containers::{contained, containers_of};
use crate::support::{local, says, shim, starter_with};

/// A service by these commands, which answers on its port.
fn service(bench: &Bench, name: &str, script: &str) -> Service {
    Service {
        name: name.into(),
        script: Some(script.into()),
        shell: ["sh", "-eu", "-c"].map(String::from).into(),
        folder: bench.work.clone(),
        container: None,
        port: None,
        variables: [("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())].into(),
        ready: None,
        within_ms: 30_000,
    }
}

fn job(bench: &Bench, script: &str, services: Vec<Service>) -> Job {
    Job {
        services,
        ..bench.job("step", script)
    }
}

const WEB: &str = "echo hello > page; echo serving; exec python3 -m http.server --bind 127.0.0.1 $PORT";
#[tokio::test]
async fn a_service_is_ready_before_its_step_and_gone_after_it() {
    let bench = local();
    let web = service(&bench, "web", &format!("echo $$ > pid; {WEB}"));
    std::fs::write(
        bench.work.join("ask.py"),
        "import os, urllib.request as r\nurl = 'http://%s:%s/page' % (os.environ['WEB_HOST'], os.environ['WEB_PORT'])\nprint(r.urlopen(url).read().decode().strip())\n",
    )
    .unwrap();
    let outcome = bench
        .make(job(&bench, "python3 ask.py; echo $WEB_PORT > port", vec![web]))
        .await;
    assert_eq!(outcome.ended, Ended::Succeeded, "{:?}", bench.said("step"));
    assert_eq!(bench.said("step"), ["hello"]);
    let port: u16 = std::fs::read_to_string(bench.work.join("port"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err(),
        "nobody listens any more"
    );
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_service_that_ends_early_is_named_with_what_it_said_last() {
    let bench = local();
    let db = service(
        &bench,
        "db",
        "echo starting; echo 'no such folder: /var/db' >&2; exit 3",
    );
    let Ended::CouldNotStart { reason } = bench.make(job(&bench, "echo never", vec![db])).await.ended else {
        panic!("the step ran")
    };
    assert!(
        reason.starts_with("the service `db` ended before it was ready (exit code 3); it said last:"),
        "{reason}"
    );
    assert!(reason.contains("no such folder: /var/db"), "{reason}");
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_service_that_is_never_ready_is_named_and_ended() {
    let bench = local();
    let (family, gone) = bench.family();
    let mut slow = service(&bench, "slow", &format!("{family}; sleep 1000"));
    slow.ready = Some("false".into());
    slow.within_ms = 1500;
    let Ended::CouldNotStart { reason } = bench.make(job(&bench, "echo never", vec![slow])).await.ended else {
        panic!("the step ran")
    };
    assert!(
        reason.contains("the service `slow` was not ready within 1 s"),
        "{reason}"
    );
    in_time(gone).await.unwrap();
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn what_services_said_stands_in_the_log_of_a_step_that_fails() {
    let bench = local();
    let mut quits = service(
        &bench,
        "quits",
        "echo 'about to quit'; while ! [ -e go ]; do sleep 0.01; done; exit 4",
    );
    quits.ready = Some("true".into());
    let script = ": > go; sleep 0.5; exit 1";
    let outcome = bench.make(job(&bench, script, vec![quits])).await;
    assert_eq!(outcome.ended, Ended::Failed { code: 1 });
    let said = bench.said("step").join("\n");
    assert!(
        said.contains("the service `quits` ended while the step ran (exit code 4)"),
        "{said}"
    );
    assert!(said.contains("quits | about to quit"), "{said}");
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_killed_shim_takes_services_with_it() {
    let bench = local();
    let (family, gone) = bench.family();
    let mut db = service(&bench, "db", &format!("{family}; sleep 1000"));
    db.ready = Some("true".into());
    bench
        .executor
        .start(job(&bench, "echo runs; sleep 1000", vec![db]))
        .await
        .unwrap();
    bench.until_said("step", "runs").await;
    shim(&bench).unwrap().signal(Signal::KILL).unwrap();
    assert!(matches!(
        in_time(bench.executor.wait(&bench.key("step"))).await,
        Err(ExecutorError::Lost(_))
    ));
    in_time(gone).await.unwrap();
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_cancel_while_services_come_up_ends_them() {
    let bench = local();
    let (family, gone) = bench.family();
    let mut slow = service(&bench, "slow", &format!("{family}; : > up; sleep 1000"));
    slow.ready = Some("false".into());
    let starting = {
        let (executor, job) = (bench.executor.clone(), job(&bench, "echo never", vec![slow]));
        tokio::spawn(async move { executor.start(job).await })
    };
    in_time(async {
        while !bench.work.join("up").exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    bench.executor.cancel(&bench.key("step")).await.unwrap();
    in_time(starting).await.unwrap().unwrap();
    assert_eq!(
        in_time(bench.executor.wait(&bench.key("step"))).await.unwrap().ended,
        Ended::Cancelled
    );
    in_time(gone).await.unwrap();
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_service_in_a_container_answers_a_step_outside_and_one_in_a_container() {
    let Some(bench) = contained().await else { return };
    for container in [None, bench.container.clone()] {
        let mut web = service(
            &bench,
            "web",
            "mkdir -p /tmp/w; echo hello > /tmp/w/page; exec httpd -f -p $PORT -h /tmp/w",
        );
        web.container = bench.container.clone();
        web.port = Some(8080);
        web.variables.clear();
        let step = if container.is_some() { "inside" } else { "outside" };
        let mut job = bench.job(step, "busybox wget -q -O - http://$WEB_HOST:$WEB_PORT/page");
        job.container = container;
        job.services = vec![web];
        let outcome = bench.make(job).await;
        assert_eq!(
            outcome.ended,
            Ended::Succeeded,
            "{step}: {outcome:?} {:?}",
            bench.said(step)
        );
        assert_eq!(bench.said(step), ["hello"]);
        assert!(containers_of(&bench).await.is_empty());
    }
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_killed_shim_leaves_no_container_of_a_service() {
    let Some(bench) = contained().await else { return };
    let mut web = service(&bench, "web", "exec httpd -f -p $PORT -h /tmp");
    web.container = bench.container.clone();
    web.port = Some(8080);
    web.variables.clear();
    let mut job = job(&bench, "echo runs; sleep 1000", vec![web]);
    job.container = None;
    bench.executor.start(job).await.unwrap();
    bench.until_said("step", "runs").await;
    assert_eq!(containers_of(&bench).await.len(), 1);
    shim(&bench).unwrap().signal(Signal::KILL).unwrap();
    assert!(matches!(
        in_time(bench.executor.wait(&bench.key("step"))).await,
        Err(ExecutorError::Lost(_))
    ));
    assert!(containers_of(&bench).await.is_empty());
    bench.executor.close(bench.run).await.unwrap();
}

/// A service in a container that serves a page.
fn web(bench: &Bench) -> Service {
    let script = "mkdir -p /tmp/w; echo hello > /tmp/w/page; echo serving; exec httpd -f -p $PORT -h /tmp/w";
    let mut web = service(bench, "web", script);
    web.container = bench.container.clone();
    web.port = Some(8080);
    web.variables.clear();
    web
}

/// Says that it is ready, waits for `go`, and asks its service.
const ASKING: &str =
    "echo x >> count; echo ready; while ! [ -e go ]; do sleep 0.01; done; wget -q -O - http://$WEB_HOST:$WEB_PORT/page";

/// Kills the shim of a run.
async fn kill_shim(bench: &Bench) {
    let shim = shim(bench).unwrap();
    shim.signal(Signal::KILL).unwrap();
    shim.ended().await.unwrap();
}

#[tokio::test]
async fn a_container_is_taken_up_with_its_services_when_server_and_shim_are_killed() {
    let Some(bench) = contained().await else { return };
    let mut server = starter_with(&bench, "step", ASKING, "", &[web(&bench)]);
    assert_eq!(says(&mut server, "started").await, ["started"]);
    bench.until_said("step", "ready").await;
    server.signal(Signal::KILL).unwrap();
    assert_eq!(server.wait().await.unwrap().ending, Ending::Signal(9));
    kill_shim(&bench).await;
    let key = bench.key("step");
    assert_eq!(bench.executor.adopt(&key).await.unwrap(), Adopted::Running);
    assert_eq!(containers_of(&bench).await.len(), 2);
    std::fs::write(bench.work.join("go"), "").unwrap();
    let outcome = in_time(bench.executor.wait(&key)).await.unwrap();
    let said = bench.said("step");
    assert_eq!(outcome.ended, Ended::Succeeded, "{said:?}");
    assert_eq!(said.last().unwrap(), "hello");
    assert_eq!(std::fs::read_to_string(bench.work.join("count")).unwrap(), "x\n");
    let [served] = &outcome.services[..] else {
        panic!("{outcome:?}")
    };
    assert!(
        served.name == "web" && served.ready_ms.is_some() && served.container.is_some() && served.ended.is_none(),
        "{served:?}"
    );
    assert!(containers_of(&bench).await.is_empty());
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_service_that_ended_while_no_shim_was_there_is_told_of_with_what_it_said() {
    let Some(bench) = contained().await else { return };
    let script = format!("{ASKING} || exit 6");
    bench
        .executor
        .start(job(&bench, &script, vec![web(&bench)]))
        .await
        .unwrap();
    bench.until_said("step", "ready").await;
    kill_shim(&bench).await;
    let containers = containers_of(&bench).await;
    let name = containers.iter().find(|name| name.ends_with(".service.web")).unwrap();
    command(&[engine().1, "kill", name]).await.unwrap();
    in_time(command(&[engine().1, "wait", name])).await.unwrap();
    std::fs::write(bench.work.join("go"), "").unwrap();
    let outcome = in_time(bench.executor.wait(&bench.key("step"))).await.unwrap();
    let said = bench.said("step").join("\n");
    assert_eq!(outcome.ended, Ended::Failed { code: 6 }, "{said}");
    assert!(said.contains("the service `web` ended while the step ran ("), "{said}");
    assert!(said.contains("web | serving"), "{said}");
    assert!(outcome.services[0].ended.is_some() && outcome.services[0].last == ["serving"]);
    assert!(containers_of(&bench).await.is_empty());
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_container_whose_service_was_a_process_is_lost_with_its_shim_and_says_why() {
    let Some(bench) = contained().await else { return };
    let (family, gone) = bench.family();
    let mut db = service(&bench, "db", &format!("{family}; sleep 1000"));
    db.ready = Some("true".into());
    bench
        .executor
        .start(job(&bench, "echo runs; sleep 1000", vec![db, web(&bench)]))
        .await
        .unwrap();
    bench.until_said("step", "runs").await;
    assert_eq!(containers_of(&bench).await.len(), 2);
    kill_shim(&bench).await;
    let waited = in_time(bench.executor.wait(&bench.key("step"))).await;
    assert!(matches!(waited, Err(ExecutorError::Lost(_))), "{waited:?}");
    let said = bench.said("step").join("\n");
    assert!(
        said.contains("the service `db` was a process, and ended with the shim that kept it"),
        "{said}"
    );
    in_time(gone).await.unwrap();
    assert!(containers_of(&bench).await.is_empty());
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_shim_that_dies_before_its_step_starts_leaves_no_service() {
    let Some(bench) = contained().await else { return };
    let mut server = starter_with(&bench, "step", ASKING, "executor.container-recorded:1", &[web(&bench)]);
    in_time(server.wait()).await.unwrap();
    let waited = in_time(bench.executor.wait(&bench.key("step"))).await;
    assert!(matches!(waited, Err(ExecutorError::Lost(_))), "{waited:?}");
    assert!(!bench.work.join("count").exists());
    assert!(containers_of(&bench).await.is_empty());
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn memory_of_a_process_is_limited_and_what_is_not_is_said() {
    let bench = local();
    let script = "python3 -c 'x = bytearray(300 << 20)'";
    assert_eq!(bench.make(bench.job("free", script)).await.ended, Ended::Succeeded);
    let mut job = bench.job("limited", script);
    job.limits = Limits {
        cpus: None,
        memory_bytes: Some(200 << 20),
        pids: Some(100),
    };
    let outcome = bench.make(job).await;
    match &*outcome.limits.unwrap() {
        Held::EachProcess { missing, .. } => {
            assert_eq!(outcome.ended, Ended::Failed { code: 1 }, "{:?}", bench.said("limited"));
            assert_eq!(missing, &["pids"]);
        }
        Held::ControlGroup => assert_eq!(outcome.ended, Ended::Signalled { signal: 9 }),
    }
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn with_control_groups_limits_hold_for_all_processes_of_a_step_together() {
    let bench = local();
    let mut job = bench.job("few", "echo few");
    job.limits.pids = Some(10);
    let outcome = bench.make(job).await;
    if let Held::EachProcess { reason, .. } = &*outcome.limits.unwrap() {
        testkit::skip(testkit::Need::ControlGroups, reason);
        return bench.executor.close(bench.run).await.unwrap();
    }
    // Each process has less than the limit, both together more.
    let both =
        "hold() { python3 -c 'x = bytearray(60 << 20); import time; time.sleep(100)'; }; hold & hold & wait; wait";
    let mut job = bench.job("memory", both);
    job.limits.memory_bytes = Some(100 << 20);
    let outcome = bench.make(job).await;
    let said = bench.said("memory").join("\n");
    assert_eq!(outcome.ended, Ended::Signalled { signal: 9 }, "{said}");
    assert!(said.contains("used more memory than its limit"), "{said}");

    let mut job = bench.job("processes", "for i in 1 2 3 4 5 6; do sleep 30 & done; echo all");
    job.limits.pids = Some(4);
    let outcome = bench.make(job).await;
    assert_ne!(outcome.ended, Ended::Succeeded, "{:?}", bench.said("processes"));
    assert_eq!(*outcome.limits.unwrap(), Held::ControlGroup);

    // What goes on without its shim ends, and its group with the next shim.
    let mut job = bench.job("killed", "echo up; sleep 1000");
    job.limits.pids = Some(10);
    bench.executor.start(job).await.unwrap();
    bench.until_said("killed", "up").await;
    let group = std::fs::read_to_string(format!("/proc/{}/cgroup", shim(&bench).unwrap().pid)).unwrap();
    assert!(
        group.contains("throughline.main") || group.trim().ends_with("0::/"),
        "{group}"
    );
    kill_shim(&bench).await;
    assert!(in_time(bench.executor.wait(&bench.key("killed"))).await.is_err());
    let mut job = bench.job("next", "cat /proc/self/cgroup");
    job.limits.cpus = Some(0.5);
    assert_eq!(bench.make(job).await.ended, Ended::Succeeded);
    let said = bench.said("next").join("\n");
    assert!(
        said.contains(&format!("/throughline.steps/{}-next-1", bench.run)),
        "{said}"
    );
    bench.executor.close(bench.run).await.unwrap();
}

/// The newest PostgreSQL of Debian's that is here.
fn postgres() -> Option<std::path::PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .find(|bin| bin.join("initdb").is_file())
}

#[tokio::test]
async fn a_real_database_runs_beside_a_step() {
    let Some(programs) = postgres() else {
        testkit::skip(testkit::Need::Postgres, "PostgreSQL is not installed");
        return;
    };
    let bench = local();
    // PostgreSQL does not run as root, and its user must reach the folder.
    let is_root = rustix::process::geteuid().is_root();
    let become_user = if is_root {
        "setpriv --reuid=postgres --regid=postgres --clear-groups"
    } else {
        ""
    };
    let script = format!(
        "data=$(mktemp -d /tmp/throughline-test-postgres.XXXXXX); trap 'rm -rf $data' EXIT
        {} chown postgres $data; cd /
        {become_user} {bin}/initdb -D $data -A trust -U tester >&2
        {become_user} {bin}/postgres -D $data -p $PORT -c unix_socket_directories= & 
        trap 'kill $!; wait $!; rm -rf $data' TERM; wait $!",
        if is_root { "" } else { "true" },
        bin = programs.display()
    );
    let mut db = service(&bench, "db", &script);
    db.ready = Some(format!("{}/pg_isready -q -h 127.0.0.1 -p $PORT", programs.display()));
    db.within_ms = 60_000;
    let script = format!(
        "{}/psql -h $DB_HOST -p $DB_PORT -U tester -d postgres -Atc 'create table t(x int); insert into t values (42); select x from t'",
        programs.display()
    );
    let outcome = bench.make(job(&bench, &script, vec![db])).await;
    assert_eq!(outcome.ended, Ended::Succeeded, "{outcome:?} {:?}", bench.said("step"));
    assert_eq!(bench.said("step").last().unwrap(), "42");
    bench.executor.close(bench.run).await.unwrap();
}
