//! Headers of requests that the proxy hands on: a line each, `name: value`.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, header};
use libfuzzer_sys::fuzz_target;

/// Never of the client's making when the instance sees them.
const OURS: [&str; 5] = ["te", "transfer-encoding", "keep-alive", "expect", "throughline-package"];

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(100) {
        let Some(at) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (
            HeaderName::from_bytes(&line[..at]),
            HeaderValue::from_bytes(&line[at + 1..]),
        );
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let mut answer = headers.clone();
    let wish = proxy::headers::upgrade(&headers);
    proxy::headers::to_instance(&mut headers, ([192, 0, 2, 7], 5).into(), wish.as_ref());
    for name in OURS {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert!(wish.is_some() || !headers.contains_key(header::CONNECTION));
    let ways: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    assert_eq!(ways, ["192.0.2.7"], "a client from far away says who it is itself");
    for cookies in headers.get_all(header::COOKIE) {
        let ours = |pair: &[u8]| {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
            pair.contains(&b'=') && name.trim_ascii() == b"throughline_session"
        };
        assert!(!cookies.as_bytes().split(|byte| *byte == b';').any(ours), "{cookies:?}");
    }
    let package = HeaderValue::from_static("sha256:0");
    proxy::headers::to_client(&mut answer, &package, wish.as_ref());
    assert!(answer.get_all("throughline-package").iter().eq([&package]));
});
