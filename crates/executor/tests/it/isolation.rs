//! What a step can reach of others. Each way is tried isolated and, so that the test is known to find
//! what there is to find, not isolated.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use executor::conformance::{Bench, in_time};
use executor::{Ended, Isolation, IsolationMode, Job, SecretForStep};
use process::{Signal, Spec};
use zeroize::Zeroizing;

use crate::support::{local_with, number_in, run_folder, shim, step_and_keeper};

const CANARY: &str = "canary-5d1e94-value";
/// Set for the runs of these tests that another test starts as another user.
const AGAIN: &str = "THROUGHLINE_TEST_AGAIN";

fn bench(mode: IsolationMode) -> Bench {
    local_with(|options| options.isolation = mode)
}

/// The ways by which a script got at something: it says `way NAME`.
fn ways(bench: &Bench, job: &Job) -> BTreeSet<String> {
    let log = std::fs::read(bench.executor.log_path(&job.key)).unwrap();
    executor::logs::lines(&log)
        .filter_map(|line| line.text.strip_prefix("way ").map(str::to_owned))
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A step that holds a secret as file, variable and open file, and waits; and what another one does to
/// get at it. Of the secret they are told half each, so that no script holds it.
async fn snoop(mode: IsolationMode, in_another_run: bool) -> BTreeSet<String> {
    let bench = bench(mode);
    let script = "echo $THROUGHLINE_SECRETS/TOKEN > where; exec 7< $THROUGHLINE_SECRETS/TOKEN
        echo ready; while ! [ -e done ]; do sleep 0.01; done";
    let mut holder = bench.job("holder", script);
    holder.secrets.push(SecretForStep {
        name: "TOKEN".into(),
        value: Zeroizing::new(CANARY.into()),
        as_variable: true,
    });
    let held = holder.key.clone();
    bench.executor.start(holder).await.unwrap();
    bench.until_said("holder", "ready").await;

    let script = r#"
        has() { if grep -qsa "$canary"; then echo "way $1"; fi; }
        where=$(cat where)
        cat "$where" 2>/dev/null | has path || true
        cat /dev/shm/*/*/* 2>/dev/null | has memory || true
        for process in /proc/[0-9]*; do
            cat $process/environ 2>/dev/null | has variable || true
            cat "$process/root$where" 2>/dev/null | has root || true
            # Of other programs' pipes nothing may ever come.
            if [ -f $process/fd/7 ]; then cat $process/fd/7 2>/dev/null | has file || true; fi
        done
        python3 - <<'END'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) in (os.getpid(), os.getppid()): continue
    try: line = open(f"/proc/{pid}/cmdline").read()
    except OSError: continue
    if "exec 7" in line and libc.ptrace(16, int(pid), None, None) == 0:
        os.waitpid(int(pid), 0)
        libc.ptrace(17, int(pid), None, None)
        print("way trace")
END
    "#;
    let mut job = bench.job("snoop", script);
    let (first, second) = CANARY.split_at(9);
    job.script = format!("canary={first}''{second}\n{script}");
    if in_another_run {
        job.key.run = Bench::fresh_run();
    }
    let outcome = bench.make(job.clone()).await;
    assert_eq!(outcome.ended, Ended::Succeeded, "{:?}", bench.said("snoop"));
    let found = ways(&bench, &job);
    std::fs::write(bench.work.join("done"), "").unwrap();
    in_time(bench.executor.wait(&held)).await.unwrap();
    bench.executor.close(job.key.run).await.unwrap();
    bench.executor.close(bench.run).await.unwrap();
    found
}

const EVERY_WAY: [&str; 6] = ["file", "memory", "path", "root", "trace", "variable"];

#[tokio::test]
async fn a_step_reaches_no_secret_of_another_step_of_its_run() {
    assert_eq!(snoop(IsolationMode::Required, false).await, set(&[]));
    assert_eq!(snoop(IsolationMode::Off, false).await, set(&EVERY_WAY));
}

#[tokio::test]
async fn a_step_reaches_no_secret_of_another_run() {
    assert_eq!(snoop(IsolationMode::Required, true).await, set(&[]));
    assert_eq!(snoop(IsolationMode::Off, true).await, set(&EVERY_WAY));
}

/// What a step reads of the server's own files.
async fn read_stores(mode: IsolationMode) -> BTreeSet<String> {
    let elsewhere = tempfile::tempdir().unwrap();
    let (key, logins) = (elsewhere.path().join("key"), elsewhere.path().join("logins"));
    std::fs::write(&key, CANARY).unwrap();
    std::fs::create_dir(&logins).unwrap();
    std::fs::write(logins.join("token"), CANARY).unwrap();
    let bench = local_with(|options| {
        options.isolation = mode;
        options.hidden = vec![key.clone(), logins.clone(), "/nowhere/at/all".into()];
    });
    let run = run_folder(&bench);
    let data = run.parent().and_then(Path::parent).unwrap().to_owned();
    let other = data.join("runs").join(Bench::fresh_run().to_string());
    for path in [
        data.join("ledger.db"),
        data.join("operations.db"),
        data.join("secrets.key"),
        data.join("server.json"),
        other.join("work/source"),
        other.join("attempts/a-1/log"),
        run.join("attempts/a-1/log"),
    ] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, CANARY).unwrap();
    }
    let script = format!(
        "canary=canary-''5d1e94
        for place in '' /proc/1/root /proc/$PPID/root /proc/self/root; do
            for path in {data}/*.db {data}/secrets.key {data}/server.json {data}/runs/*/attempts/a-1/log \
                {data}/runs/*/work/source {elsewhere}/key {elsewhere}/logins/token
            do
                if grep -qsa $canary $place$path; then echo way $(basename $path); fi
            done
        done
        ls {data}/runs/*/*.sock >/dev/null 2>&1 && echo way socket
        rm -rf {data}/* 2>/dev/null || true
        umount {data} 2>/dev/null && echo way uncovered || true",
        data = data.display(),
        elsewhere = elsewhere.path().display(),
    );
    let job = bench.job("snoop", &script);
    let kept = data.join("ledger.db");
    if mode == IsolationMode::Off {
        // It can do that, and is not let here.
        let script = job.script.replace("rm -rf", "true");
        bench.make(Job { script, ..job.clone() }).await;
    } else {
        bench.make(job.clone()).await;
    }
    assert!(kept.exists());
    let found = ways(&bench, &job);
    bench.executor.close(bench.run).await.unwrap();
    found
}

#[tokio::test]
async fn a_step_reads_no_store_of_the_server_and_no_file_of_another_run() {
    assert_eq!(read_stores(IsolationMode::Required).await, set(&[]));
    let all = [
        "key",
        "ledger.db",
        "log",
        "operations.db",
        "secrets.key",
        "server.json",
        "socket",
        "source",
        "token",
    ];
    assert_eq!(read_stores(IsolationMode::Off).await, set(&all));
}

#[tokio::test]
async fn a_step_sees_its_workspace_its_folder_and_its_secrets() {
    let bench = bench(IsolationMode::Required);
    let run = run_folder(&bench);
    let package = run.parent().and_then(Path::parent).unwrap().join("packages/one");
    for folder in [run.join("work/sub"), package.clone()] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let mut job = bench.job(
        "step",
        "cat $THROUGHLINE_SECRETS/TOKEN | wc -c; pwd; echo made > made; ls ..",
    );
    job.folder = run.join("work/sub");
    job.secrets.push(SecretForStep {
        name: "TOKEN".into(),
        value: Zeroizing::new(CANARY.into()),
        as_variable: false,
    });
    let outcome = bench.make(job).await;
    assert_eq!(
        (outcome.ended, outcome.isolation),
        (Ended::Succeeded, Some(Isolation::Namespaces))
    );
    let folder = run.join("work/sub").display().to_string();
    assert_eq!(bench.said("step"), ["19", &folder, "sub"]);
    assert_eq!(std::fs::read_to_string(run.join("work/sub/made")).unwrap(), "made\n");

    let mut job = bench.job("verify", "ls ..; ! ls ../../ledger.db 2>/dev/null");
    job.folder = package;
    assert_eq!(bench.make(job).await.ended, Ended::Succeeded);
    assert_eq!(bench.said("verify"), ["one"]);
    // A folder that is not there is named.
    let mut job = bench.job("nowhere", "true");
    job.folder = run.join("work/nowhere");
    let outcome = bench.make(job).await;
    assert!(
        matches!(&outcome.ended, Ended::CouldNotStart { reason } if reason.contains("work/nowhere")),
        "{outcome:?}"
    );
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn what_builds_use_is_there() {
    let bench = bench(IsolationMode::Required);
    let script = r#"
        test $$ -gt 1 && test -d /proc/self/fd && test "$(ls -d /proc/[0-9]* | wc -l)" -lt 10
        touch /dev/shm/mine && test "$(ls /dev/shm)" = mine
        file=$(mktemp); echo kept > $file; echo $file
        echo x > /dev/null; head -c 4 /dev/urandom | wc -c; test -e /dev/tty
        (sleep 0.02; exit 3) & wait $! || echo child $?
        sh -c 'kill -TERM $$' || echo signal $?
        mkdir empty; git -C empty init -q 2>/dev/null && git -C empty status --short
        python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print("network")'
        python3 -c 'import multiprocessing as m; print(m.Pool(2).map(abs, [-1, 1]))'
        yes | head -n 1 > /dev/null"#;
    let outcome = bench.make(bench.job("step", script)).await;
    let said = bench.said("step");
    assert_eq!(outcome.ended, Ended::Succeeded, "{said:?}");
    assert_eq!(
        std::fs::read_to_string(&said[0]).ok().as_deref(),
        Some("kept\n"),
        "{said:?}"
    );
    std::fs::remove_file(&said[0]).unwrap();
    // A writer whose reader is gone ends without a word.
    let expected = ["4", "child 3", "signal 143", "network", "[1, 1]"];
    let rest: Vec<&str> = said[1..]
        .iter()
        .map(String::as_str)
        .filter(|line| *line != "Terminated")
        .collect();
    assert_eq!(rest, expected);
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_step_has_no_rights_but_those_of_builds() {
    async fn rights(mode: IsolationMode) -> BTreeSet<String> {
        let bench = bench(mode);
        let script = "
            grep -q 'NoNewPrivs:.0' /proc/self/status && echo way privileges
            for set in CapPrm CapBnd; do
                test $(( 0x$(grep \"^$set\" /proc/self/status | cut -f 2) & 1 << 21 )) -ne 0 && echo way $set
            done
            mount -t tmpfs tmpfs . 2>/dev/null && umount . && echo way mount
            test -w /proc/sys/kernel/core_pattern && echo 'core' 2>/dev/null > /proc/sys/kernel/domainname && echo way kernel
            for device in $(find /dev -maxdepth 1 -type b 2>/dev/null); do
                head -c 1 $device >/dev/null 2>&1 && echo way device && break
            done
            cat /proc/1/environ /proc/1/mem 2>/dev/null | head -c 1 | grep -qa . && echo way first
            true";
        let job = bench.job("step", script);
        assert_eq!(
            bench.make(job.clone()).await.ended,
            Ended::Succeeded,
            "{:?}",
            bench.said("step")
        );
        bench.executor.close(bench.run).await.unwrap();
        ways(&bench, &job)
    }
    assert_eq!(rights(IsolationMode::Required).await, set(&[]));
    let without = rights(IsolationMode::Off).await;
    assert!(without.contains("privileges"));
    if rustix::process::geteuid().is_root() && std::env::var_os(AGAIN).is_none() {
        assert!(without.contains("mount") && without.contains("kernel"), "{without:?}");
        assert!(without.contains("CapPrm") && without.contains("CapBnd"), "{without:?}");
    }
}

#[tokio::test]
async fn a_step_cannot_kill_what_keeps_it() {
    let bench = bench(IsolationMode::Required);
    let script = "for pid in $PPID 1; do kill -KILL $pid || true; kill $pid || true; done
        for process in /proc/[0-9]*; do pid=${process#/proc/}; [ $pid = $$ ] || kill -KILL $pid 2>/dev/null || true; done
        sleep 0.05; echo alive";
    assert_eq!(bench.make(bench.job("step", script)).await.ended, Ended::Succeeded);
    assert_eq!(bench.said("step"), ["alive"]);
    // What comes after finds everything in order.
    assert_eq!(bench.make(bench.job("next", "true")).await.ended, Ended::Succeeded);
    bench.executor.close(bench.run).await.unwrap();
}

/// Kills shim and keeper of a step at once; whether all that the step had started ended.
async fn all_end_with_keeper_and_shim(mode: IsolationMode) -> bool {
    let bench = bench(mode);
    let (script, gone) = bench.family();
    let script = format!("echo $$ > step; {script}; sleep 1000");
    bench.executor.start(bench.job("step", &script)).await.unwrap();
    bench.until_said("step", "ready").await;
    let (step, keeper) = step_and_keeper(&bench, number_in(&bench, "step"));
    let left = process::tree::descendants(step);
    let shim = shim(&bench).unwrap();
    for process in [shim, keeper] {
        process.signal(Signal::STOP).unwrap();
    }
    for process in [shim, keeper] {
        process.signal(Signal::KILL).unwrap();
    }
    let ended = tokio::time::timeout(
        Duration::from_secs(if mode == IsolationMode::Off { 1 } else { 30 }),
        gone,
    )
    .await;
    process::tree::kill_until_none(left, Vec::new).await;
    process::tree::stop(step, Signal::KILL, Duration::ZERO).await;
    bench.executor.close(bench.run).await.unwrap();
    ended.is_ok()
}

#[tokio::test]
async fn nothing_of_a_step_outlives_its_keeper_even_if_the_shim_dies_with_it() {
    assert!(all_end_with_keeper_and_shim(IsolationMode::Required).await);
}

/// Runs tests of this file once more, by another command.
async fn again(command: &[&str], tests: &str) -> Option<String> {
    let this = std::env::current_exe().unwrap();
    let mut spec = Spec::new(command[0])
        .args(&command[1..])
        .pass(["PATH"])
        .variable(AGAIN, "1");
    spec = spec
        .variable("HOME", "/tmp")
        .folder("/")
        .arg(this)
        .args(["--test-threads", "4", tests]);
    for skipped in ["ordinary_user", "where_the_kernel_does_not"] {
        spec = spec.args(["--skip", skipped]);
    }
    let output = process::run(spec, b"", Duration::from_secs(100), 1 << 20)
        .await
        .unwrap();
    let said = format!("{}{}", output.text(), output.complaint());
    assert!(
        output.is_success() && said.contains("test result: ok") && !said.contains(" 0 passed"),
        "{said}"
    );
    Some(said)
}

async fn works(command: &[&str]) -> bool {
    let spec = Spec::new(command[0]).args(&command[1..]).arg("true").pass(["PATH"]);
    let output = process::run(spec, b"", Duration::from_secs(10), 1 << 16).await;
    output.is_ok_and(|output| output.is_success())
}

const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

#[tokio::test]
async fn an_ordinary_user_has_the_same_isolation() {
    if !rustix::process::geteuid().is_root() || std::env::var_os(AGAIN).is_some() {
        return; // Then the other tests are those of an ordinary user already.
    }
    let this = std::env::current_exe().unwrap();
    let readable = [&NOBODY[..], &["test", "-x", this.to_str().unwrap()]].concat();
    let spec = Spec::new(readable[0]).args(&readable[1..]).pass(["PATH"]);
    let readable = process::run(spec, b"", Duration::from_secs(10), 1 << 16).await;
    if !works(&[&NOBODY[..], &["unshare", "-Ur"]].concat()).await || !readable.is_ok_and(|output| output.is_success()) {
        testkit::skip(
            testkit::Need::Isolation,
            "no user namespaces here for an ordinary user, or no way to this program",
        );
        return;
    }
    again(&NOBODY, "isolation::").await;
}

#[tokio::test]
async fn where_the_kernel_does_not_allow_it_the_outcome_and_the_log_say_so() {
    if std::env::var_os(AGAIN).is_none() {
        // A user namespace in which no further one can be made, and no right to mount.
        let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-sys_admin \"$@\"";
        let command = ["unshare", "-Ur", "sh", "-c", script, "sh"];
        if !works(&command).await {
            testkit::skip(testkit::Need::Isolation, "no user namespaces here");
            return;
        }
        let this = std::env::current_exe().unwrap();
        let name = "isolation::where_the_kernel_does_not_allow_it_the_outcome_and_the_log_say_so";
        let spec = Spec::new(command[0])
            .args(&command[1..])
            .arg(this)
            .args(["--exact", name]);
        let spec = spec.pass(["PATH"]).variable(AGAIN, "1").folder("/");
        let output = process::run(spec, b"", Duration::from_secs(60), 1 << 20).await.unwrap();
        assert!(output.is_success(), "{}{}", output.text(), output.complaint());
        return;
    }
    let bench = local_with(|_| {});
    let mut job = bench.job("step", "test -r $THROUGHLINE_SECRETS/TOKEN");
    job.secrets.push(SecretForStep {
        name: "TOKEN".into(),
        value: Zeroizing::new(CANARY.into()),
        as_variable: false,
    });
    let outcome = bench.make(job.clone()).await;
    assert_eq!(outcome.ended, Ended::Succeeded);
    assert!(
        matches!(&outcome.isolation, Some(Isolation::Unavailable { reason }) if reason.contains("user namespace")),
        "{outcome:?}"
    );
    let log = std::fs::read_to_string(bench.executor.log_path(&job.key)).unwrap();
    assert!(log.contains("this step is not isolated from others: "), "{log}");
    bench.executor.close(bench.run).await.unwrap();

    let bench = local_with(|options| options.isolation = IsolationMode::Required);
    let outcome = bench.make(bench.job("step", "touch ran")).await;
    assert!(
        matches!(&outcome.ended, Ended::CouldNotStart { reason } if reason.contains("`required`")),
        "{outcome:?}"
    );
    assert!(!bench.work.join("ran").exists());
    bench.executor.close(bench.run).await.unwrap();
}
