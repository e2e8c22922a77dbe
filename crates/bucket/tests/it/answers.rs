//! Servers that are away, busy, silent, or cut their answers off.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bucket::Patience;
use cache::{Access, Share, ShareError, Source};

use crate::server::{KEYS, open};
use crate::workshop::{Machine, key};

const SHORT: Patience = Patience {
    connecting: Duration::from_millis(300),
    silence: Duration::from_millis(300),
};

/// A server that answers each request with these bytes and closes; how many requests came.
fn answering(answer: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("s3://results?endpoint=http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let counting = counting.clone();
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                let mut buffer = [0; 4096];
                while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(0) | Err(_) => return,
                        Ok(length) => seen.extend_from_slice(&buffer[..length]),
                    }
                }
                counting.fetch_add(1, Ordering::SeqCst);
                if answer.is_empty() {
                    // Silent until the other side has had enough.
                    let _ = stream.read(&mut buffer);
                    return;
                }
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    (address, count)
}

/// What a machine is told that looks for two results and makes them.
fn told(share: Arc<dyn Share>) -> Vec<String> {
    let machine = Machine::new(&share, Access::ReadAndWrite);
    for step in ["one", "two"] {
        let key = key("trusted", step);
        assert!(machine.put_back(&key).is_none());
        machine.make(&key, &[("program", step)]);
        assert!(machine.store.find(&key).is_some(), "it is kept here all the same");
    }
    machine.told()
}

#[test]
fn a_bucket_that_is_away_is_told_once_and_not_asked_again() {
    let silent = answering("");
    let busy = answering("HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let nobody = format!("s3://results?endpoint=http://{}", testkit::free_port());
    let cases = [
        (silent.0.as_str(), "in time", Some((silent.1, 1))),
        (busy.0.as_str(), "503", Some((busy.1, 3))),
        (nobody.as_str(), "refused", None),
    ];
    for (address, why, requests) in cases {
        let told = told(Arc::new(open(address, KEYS, SHORT)));
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(
            told[0].contains("do not answer, and they are not asked again in this run"),
            "{told:#?}"
        );
        assert!(told[0].contains(why), "{told:#?}");
        assert!(
            !told[0].contains("Signature"),
            "the signed address is not repeated: {told:#?}"
        );
        if let Some((count, most)) = requests {
            assert_eq!(count.load(Ordering::SeqCst), most, "{why}");
        }
    }
}

#[test]
fn an_answer_that_ends_early_is_no_object() {
    let (address, _) = answering("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf");
    let read = open(&address, KEYS, SHORT).read("trusted/blobs/aa/aa", 1000, &mut Vec::new());
    assert!(matches!(read, Err(ShareError::Failed(_))), "{read:?}");
}

#[test]
fn an_object_larger_than_it_may_be_is_not_read_to_its_end() {
    let (address, _) = answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789");
    let mut bytes = Vec::new();
    let read = open(&address, KEYS, SHORT).read("trusted/blobs/aa/aa", 4, &mut bytes);
    assert_eq!(read, Err(ShareError::Larger(4)));
    assert!(bytes.len() <= 4);
}

#[test]
fn keys_that_were_renewed_in_their_file_are_taken_up() {
    let folder = testkit::folder();
    let path = folder.path().join("keys");
    let write = |key: &str| {
        let text = format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = s\n");
        std::fs::write(&path, text).unwrap();
    };
    write("OLD");
    let body = "<Error><Code>ExpiredToken</Code></Error>";
    assert_eq!(body.len(), 40);
    let (address, count) = answering(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 40\r\nConnection: close\r\n\r\n<Error><Code>ExpiredToken</Code></Error>",
    );
    let bucket = open(&format!("{address}&credentials={}", path.display()), &[], SHORT);
    let ask = || bucket.write("trusted/blobs/aa/aa", Source::Bytes(b"")).unwrap_err();
    assert!(matches!(ask(), ShareError::Refused(_)));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    write("NEW");
    assert!(matches!(ask(), ShareError::Refused(_)));
    assert_eq!(
        count.load(Ordering::SeqCst),
        3,
        "once with the old keys, once with the new"
    );
}
