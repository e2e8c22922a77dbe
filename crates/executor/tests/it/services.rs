//! Services beside steps: processes, containers, and a real PostgreSQL.

use executor::conformance::{Bench, in_time};
use executor::{Ended, ExecutorError, Job, Limits, Service};
use process::Signal;

use crate::containers::{contained, containers_of};
use crate::support::{local, shim};

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
    assert_eq!(outcome.ended, Ended::Failed { code: 1 }, "{:?}", bench.said("limited"));
    let held = outcome.limits.unwrap().to_string();
    assert!(held.starts_with("each process by itself, without pids"), "{held}");
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
