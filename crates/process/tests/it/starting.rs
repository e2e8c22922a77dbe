use std::io::Write as _;
use std::time::Duration;

use process::{Channel, Group, Resource, Signal, Spec, run, spawn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const TIME: Duration = Duration::from_secs(20);

async fn says(spec: Spec) -> String {
    let output = run(spec, b"", TIME, 1 << 20).await.unwrap();
    assert!(output.is_success(), "{}", output.complaint());
    output.text().into_owned()
}

#[tokio::test]
async fn the_environment_is_exactly_what_was_stated() {
    let said = says(Spec::new("/usr/bin/env").variable("ONE", "1").variable("TWO", "zwei ")).await;
    assert_eq!(said, "ONE=1\nTWO=zwei \n");
}

#[tokio::test]
async fn no_file_of_the_starter_is_inherited_unless_handed_over() {
    // A file without close-on-exec, as a careless library would open it.
    let leaky = tempfile::tempfile().unwrap();
    rustix::io::fcntl_setfd(&leaky, rustix::io::FdFlags::empty()).unwrap();
    let list = || Spec::new("/bin/ls").arg("/proc/self/fd");
    // The fourth is the folder that `ls` reads.
    assert_eq!(says(list()).await.lines().count(), 4);

    let mut given = tempfile::tempfile().unwrap();
    given.write_all(b"given").unwrap();
    let mut spec = Spec::new("/bin/sh");
    let number = spec.inherit(given.into());
    let script = format!("read -r word < /proc/self/fd/{number} || true; echo $word; ls /proc/self/fd | wc -l");
    let said = says(spec.args(["-c", script.as_str()]).pass(["PATH"])).await;
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["given", "5"]);
    drop(leaky);
}

#[tokio::test]
async fn limits_nice_value_and_session_are_set() {
    let script = "ulimit -H -c; ulimit -n; nice; ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat; echo $$";
    let spec = Spec::new("sh")
        .args(["-c", script])
        .pass(["PATH"])
        .nice(7)
        .limit(Resource::Nofile, 77);
    let said = says(spec.group(Group::OwnSession)).await;
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[..3], ["0", "77", "7"]);
    assert_eq!(words[3], words[4], "the process leads its session");
}

#[tokio::test]
async fn bytes_stream_in_and_out_while_the_process_runs() {
    let mut child = spawn(Spec::new("/bin/cat").stdin(Channel::Pipe).stdout(Channel::Pipe)).unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    for word in ["one", "two", "three"] {
        stdin.write_all(word.as_bytes()).await.unwrap();
        let mut echo = vec![0; word.len()];
        stdout.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, word.as_bytes());
    }
    drop(stdin);
    assert!(child.wait().await.unwrap().ending.is_success());
    assert!(child.wait().await.unwrap().ending.is_success(), "asked again");
}

#[tokio::test]
async fn a_dropped_child_is_killed_and_a_detached_one_lives_on_and_is_reaped() {
    let sleeper = || spawn(Spec::new("/bin/sleep").arg("100")).unwrap();
    let dropped = sleeper();
    let identity = dropped.identity();
    drop(dropped);
    tokio::time::timeout(TIME, identity.ended()).await.unwrap().unwrap();

    let detached = sleeper().detach();
    assert!(detached.is_alive());
    detached.signal(Signal::TERM).unwrap();
    tokio::time::timeout(TIME, detached.ended()).await.unwrap().unwrap();
    // Reaped, not left as a zombie: then the pid names nothing any more.
    tokio::time::timeout(TIME, async {
        while process::Identity::of_pid(detached.pid) == Some(detached) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn use_of_processor_and_memory_is_known_at_the_end() {
    let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
    let mut child = spawn(Spec::new("/bin/sh").args(["-c", script])).unwrap();
    let exit = child.wait().await.unwrap();
    assert!(exit.usage.cpu_ms > 0 && exit.usage.peak_memory_kib > 100, "{exit:?}");
}
