use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use executor::conformance::Bench;
use executor::{Adopted, Ended, IsolationMode, LocalOptions};

use crate::support::{local, local_with, run_folder};

/// Sends bytes to the shim and reads what it answers until it closes.
fn send(bench: &Bench, bytes: &[u8], and_close: bool) -> String {
    // The address of a socket is short; the path of a test folder may not be.
    let folder = std::fs::File::open(run_folder(bench)).unwrap();
    let path = format!("/proc/self/fd/{}/shim.sock", std::os::fd::AsRawFd::as_raw_fd(&folder));
    let mut stream = UnixStream::connect(path).unwrap();
    // The shim may close before it has read all of it.
    let _ = stream.write_all(bytes);
    if and_close {
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(answer.get(4..).unwrap_or_default()).into_owned()
}

fn message(text: &str) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

async fn running() -> Bench {
    running_with(|_| {}).await
}

async fn running_with(change: impl FnOnce(&mut LocalOptions)) -> Bench {
    let bench = local_with(change);
    bench
        .executor
        .start(bench.job("step", "echo ready; sleep 1000"))
        .await
        .unwrap();
    bench.until_said("step", "ready").await;
    bench
}

async fn unharmed(bench: &Bench) {
    assert_eq!(
        bench.executor.adopt(&bench.key("step")).await.unwrap(),
        Adopted::Running
    );
    assert_eq!(bench.make(bench.job("other", "true")).await.ended, Ended::Succeeded);
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_by_its_length_alone() {
    let bench = running().await;
    let answer = send(&bench, &u32::MAX.to_be_bytes(), false);
    assert!(answer.contains("refused") && answer.contains("larger"), "{answer}");
    let answer = send(&bench, &vec![0xff; 1 << 20], false);
    assert!(answer.is_empty() || answer.contains("larger"), "{answer}");
    unharmed(&bench).await;
}

#[tokio::test]
async fn garbage_is_refused_and_harms_nobody() {
    let bench = running().await;
    for text in [
        "",
        "garbage",
        "{}",
        "null",
        "[[[[",
        "{\"protocol\":1,\"ask\":\"eat\"}",
        "\u{0}\u{1}",
    ] {
        let answer = send(&bench, &message(text), false);
        assert!(answer.contains("not understood"), "{text:?}: {answer}");
    }
    let answer = send(&bench, &message(&"[".repeat(1 << 20)), false);
    assert!(answer.contains("not understood"), "{answer}");
    for bytes in [&b""[..], b"\0", b"\0\0\0\x10half"] {
        send(&bench, bytes, true);
    }
    unharmed(&bench).await;
}

#[tokio::test]
async fn one_connection_carries_many_questions_until_one_is_refused() {
    let bench = running().await;
    let state = message(r#"{"protocol":1,"ask":{"state":{"attempt":{"step":"step","number":1}}}}"#);
    let folder = std::fs::File::open(run_folder(&bench)).unwrap();
    let path = format!("/proc/self/fd/{}/shim.sock", std::os::fd::AsRawFd::as_raw_fd(&folder));
    let mut stream = UnixStream::connect(path).unwrap();
    for _ in 0..3 {
        stream.write_all(&state).unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, br#""running""#);
    }
    stream.write_all(&message("{}")).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(String::from_utf8_lossy(&rest).contains("not understood"));
    unharmed(&bench).await;
}

#[tokio::test]
async fn another_protocol_is_named() {
    let bench = running().await;
    let answer = send(&bench, &message("{\"protocol\":999,\"ask\":\"close\"}"), false);
    assert!(answer.contains("speaks protocol 1, not 999"), "{answer}");
    unharmed(&bench).await;
}

#[tokio::test]
async fn a_step_cannot_command_its_own_shim() {
    // Where it is isolated it does not even see the socket.
    let bench = running_with(|options| options.isolation = IsolationMode::Off).await;
    let script = r#"
import os, socket, struct, sys
os.chdir(sys.argv[1])
s = socket.socket(socket.AF_UNIX); s.connect("shim.sock")
m = b'{"protocol":1,"ask":"close"}'
try:
    s.sendall(struct.pack(">I", len(m)) + m)
except OSError:
    pass
print(s.recv(1000)[4:].decode())
"#;
    std::fs::write(bench.work.join("ask.py"), script).unwrap();
    // From a session of its own and without a parent, too.
    let folder = run_folder(&bench).display().to_string();
    let ask = format!(
        "python3 ask.py {folder}; (setsid python3 ask.py {folder} > later; : > done) & sleep 0.01
        while ! [ -e done ]; do sleep 0.01; done; cat later"
    );
    assert_eq!(bench.make(bench.job("rebel", &ask)).await.ended, Ended::Succeeded);
    let said = bench.said("rebel");
    assert_eq!(
        said.iter().filter(|line| line.contains("no say")).count(),
        2,
        "{said:?}"
    );
    unharmed(&bench).await;
}

#[tokio::test]
async fn many_ask_at_once_and_each_is_answered() {
    let bench = local();
    let all: Vec<_> = (0..60)
        .map(|n| bench.make(bench.job(&format!("step-{n}"), "exit 0")))
        .collect();
    for outcome in futures(all).await {
        assert_eq!(outcome.ended, Ended::Succeeded);
    }
    bench.executor.close(bench.run).await.unwrap();
}

async fn futures<F: Future>(all: Vec<F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.into_iter().map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in &mut all {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    all.into_iter().map(|(_, output)| output.unwrap()).collect()
}
