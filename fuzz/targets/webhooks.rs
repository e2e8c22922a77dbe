//! Webhooks of hosts of repositories: headers, a line each, `name: value`, an empty line, and the body.
#![no_main]

use forge::webhook::{delivery_name, event_name, read};
use forge::{Event, Headers, Host, signature, verify};
use libfuzzer_sys::fuzz_target;

const SECRET: &[u8] = b"a secret that is in no input";

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let body = bytes.get(at + 2..).unwrap_or_default();
    let names: Vec<(String, &[u8])> = bytes[..at]
        .split(|byte| *byte == b'\n')
        .take(30)
        .filter_map(|line| {
            let at = line.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&line[..at]).ok()?.to_ascii_lowercase();
            Some((name, line[at + 1..].trim_ascii()))
        })
        .collect();
    let headers: Headers<'_> = names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert!(verify(&headers, body, &[SECRET]).is_err(), "nobody knows the secret");
    let signed = signature::sign(SECRET, body);
    let request: Headers<'_> = [
        ("x-github-event", b"push".as_slice()),
        ("x-hub-signature-256", signed.as_bytes()),
    ]
    .into_iter()
    .collect();
    assert_eq!(verify(&request, body, &[SECRET]), Ok(Host::GitHub));
    let Some(host) = Host::of(&headers) else { return };
    let plain = |text: &String| text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'<');
    assert!(delivery_name(host, &headers).as_ref().is_none_or(plain));
    let Some(event) = event_name(host, &headers) else { return };
    assert!(plain(&event));
    match read(host, &event, body) {
        Ok(Event::Moved(moved)) => {
            assert!(!moved.name.as_str().chars().any(char::is_control));
            assert!(moved.after.is_none_or(|commit| commit.as_str().bytes().any(|digit| digit != b'0')));
        }
        Ok(Event::Proposed(proposal)) => assert!(plain(&proposal.action)),
        Ok(Event::Ping | Event::Other) => {}
        Err(error) => assert!(!error.to_string().chars().any(char::is_control)),
    }
});
