//! What is stripped from a request or an answer on its way, and what is added.

use std::net::SocketAddr;

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

/// Names the package that answered, on each answer.
pub const PACKAGE: HeaderName = HeaderName::from_static("throughline-package");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers that are about one connection, not about the message (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The protocol that a message wants to change to, where it does.
pub fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = headers
        .get_all(header::CONNECTION)
        .iter()
        .any(|value| tokens(value).any(|t| t == "upgrade"));
    if asks {
        headers.get(header::UPGRADE).cloned()
    } else {
        None
    }
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = String> {
    let tokens = value.as_bytes().split(|byte| *byte == b',');
    tokens.map(|token| String::from_utf8_lossy(token).trim().to_ascii_lowercase())
}

/// Removes what is about the connection only, with everything that `connection` names.
pub fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(tokens)
        .filter_map(|token| token.parse().ok())
        // An attacker names a header here to make it vanish behind a proxy; these must not.
        .filter(|name| {
            ![
                header::HOST,
                header::CONTENT_LENGTH,
                header::AUTHORIZATION,
                header::COOKIE,
            ]
            .contains(name)
        })
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// The cookie of a browser that is logged in to Throughline.
const SESSION: &str = "throughline_session";

/// Takes our own session out of the cookies: a browser sends the cookies of a host to all of its ports,
/// so a service on the server's machine would be handed what opens the server. The bytes of other cookies
/// may be no text, and hide nothing.
fn without_session(headers: &mut HeaderMap) {
    let ours = |pair: &&[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.trim_ascii() == SESSION.as_bytes()
    };
    let pairs = |value: &HeaderValue| -> Vec<Vec<u8>> {
        let pairs = value.as_bytes().split(|byte| *byte == b';');
        pairs
            .filter(|pair| !ours(pair))
            .map(|pair| pair.trim_ascii().to_vec())
            .collect()
    };
    let cookies: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
    let held = |value: &HeaderValue| value.as_bytes().split(|byte| *byte == b';').any(|pair| ours(&pair));
    if !cookies.iter().any(held) {
        return;
    }
    headers.remove(header::COOKIE);
    for value in cookies {
        let rest = pairs(&value);
        if let (false, Ok(rest)) = (rest.is_empty(), HeaderValue::from_bytes(&rest.join(&b"; "[..]))) {
            headers.append(header::COOKIE, rest);
        }
    }
}

/// Makes the headers of a client's request those that the instance gets.
pub fn to_instance(headers: &mut HeaderMap, client: SocketAddr, upgrade: Option<&HeaderValue>) {
    strip(headers);
    headers.remove(header::EXPECT);
    headers.remove(PACKAGE);
    without_session(headers);
    // A neighbour on this machine may be a proxy that ends TLS, and says the truth about its client.
    let trusted = client.ip().is_loopback();
    let before: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter(|_| trusted)
        .filter_map(|value| value.to_str().ok())
        .filter(|value| !value.is_empty())
        .collect();
    let mut way = before.join(", ");
    if !way.is_empty() {
        way.push_str(", ");
    }
    way.push_str(&client.ip().to_string());
    if let Ok(value) = HeaderValue::from_str(&way) {
        headers.insert(FORWARDED_FOR, value);
    }
    if !trusted || !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if !trusted || !headers.contains_key(FORWARDED_HOST) {
        match headers.get(header::HOST).cloned() {
            Some(host) => headers.insert(FORWARDED_HOST, host),
            None => headers.remove(FORWARDED_HOST),
        };
    }
    keep_upgrade(headers, upgrade);
}

/// Makes the headers of an instance's answer those that the client gets.
pub fn to_client(headers: &mut HeaderMap, package: &HeaderValue, upgrade: Option<&HeaderValue>) {
    strip(headers);
    headers.insert(PACKAGE, package.clone());
    keep_upgrade(headers, upgrade);
}

fn keep_upgrade(headers: &mut HeaderMap, upgrade: Option<&HeaderValue>) {
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn what_is_about_the_connection_does_not_travel() {
        let mut given = headers(&[
            ("connection", "keep-alive, X-Private"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("cookie", "a=b"),
            ("host", "shop.example"),
        ]);
        to_instance(&mut given, ([192, 0, 2, 7], 5).into(), None);
        let mut names: Vec<&str> = given.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "cookie",
                "host",
                "x-forwarded-for",
                "x-forwarded-host",
                "x-forwarded-proto"
            ]
        );
    }

    #[test]
    fn a_stranger_cannot_lie_about_the_way_and_a_neighbour_is_believed() {
        let lies = [
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("host", "h"),
        ];
        let mut from_afar = headers(&lies);
        to_instance(&mut from_afar, ([192, 0, 2, 7], 5).into(), None);
        assert_eq!(from_afar["x-forwarded-for"], "192.0.2.7");
        assert_eq!(from_afar["x-forwarded-proto"], "http");
        let mut from_here = headers(&lies);
        to_instance(&mut from_here, ([127, 0, 0, 1], 5).into(), None);
        assert_eq!(from_here["x-forwarded-for"], "10.0.0.1, 127.0.0.1");
        assert_eq!(from_here["x-forwarded-proto"], "https");
    }

    #[test]
    fn a_service_is_not_handed_what_opens_the_server() {
        let client = "127.0.0.1:1".parse().unwrap();
        let mut alone = headers(&[("cookie", "throughline_session=tls_x")]);
        to_instance(&mut alone, client, None);
        assert_eq!(alone.get(header::COOKIE), None);
        let mut among = headers(&[("cookie", "a=b; throughline_session=tls_x; throughline_sessions=c")]);
        to_instance(&mut among, client, None);
        assert_eq!(among.get(header::COOKIE).unwrap(), "a=b; throughline_sessions=c");
        // Scripts set cookies of any bytes.
        let mut foreign = HeaderMap::new();
        let bytes = b"name=Zo\xc3\xab; throughline_session=tls_x;city=\xff";
        foreign.append(header::COOKIE, HeaderValue::from_bytes(bytes).unwrap());
        to_instance(&mut foreign, client, None);
        assert_eq!(
            foreign.get(header::COOKIE).unwrap().as_bytes(),
            b"name=Zo\xc3\xab; city=\xff"
        );
    }

    proptest::proptest! {
        #[test]
        fn whatever_cookies_there_are_only_our_session_is_taken_out(
            values in proptest::collection::vec(
                proptest::collection::vec(
                    proptest::sample::select(vec![
                        &b"throughline_session=tls_x"[..], b" throughline_session =tls_x", b"\tthroughline_session=tls_x", b"a=b",
                        b"throughline_session", b"throughline_sessions=c", b"n=\xff\xfe", b"", b"=", b"x=throughline_session", b"\xe2\x80\x83=1",
                    ]),
                    0..5,
                ),
                0..4,
            ),
        ) {
            let mut given = HeaderMap::new();
            for value in &values {
                given.append(header::COOKIE, HeaderValue::from_bytes(&value.join(&b";"[..])).unwrap());
            }
            to_instance(&mut given, ([127, 0, 0, 1], 5).into(), None);
            let left: Vec<u8> = given.get_all(header::COOKIE).iter().flat_map(|value| [value.as_bytes(), b";"].concat()).collect();
            proptest::prop_assert!(!left.windows(5).any(|window| window == b"tls_x"));
            let others = values.concat().into_iter().filter(|pair| pair.windows(2).any(|window| window == b"=b" || window == b"=c"));
            for pair in others {
                proptest::prop_assert!(left.windows(pair.len()).any(|window| window == pair));
            }
        }

        #[test]
        fn no_headers_bring_the_proxy_down_or_let_what_is_about_the_connection_travel(
            given in proptest::collection::vec(
                (
                    proptest::sample::select(vec![
                        "connection", "te", "transfer-encoding", "upgrade", "keep-alive", "x-forwarded-for", "x-forwarded-host",
                        "x-forwarded-proto", "host", "content-length", "cookie", "expect", "throughline-package", "x-private",
                    ]),
                    proptest::collection::vec(
                        proptest::sample::select(vec![
                            &b"close"[..], b"upgrade", b"keep-alive", b"x-private", b"chunked", b", ", b",", b"\xff", b"\t", b"a b", b"10.0.0.1", b"host",
                        ]),
                        0..5,
                    ),
                ),
                0..8,
            ),
            near in proptest::prelude::any::<bool>(),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &given {
                headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(&value.concat()).unwrap());
            }
            let client = if near { ([127, 0, 0, 1], 5) } else { ([192, 0, 2, 7], 5) };
            let wish = upgrade(&headers);
            to_instance(&mut headers, client.into(), wish.as_ref());
            for name in ["te", "transfer-encoding", "keep-alive", "expect", "throughline-package"] {
                proptest::prop_assert!(!headers.contains_key(name), "{name}");
            }
            proptest::prop_assert!(wish.is_some() || !headers.contains_key("connection"));
            let way = headers.get("x-forwarded-for").unwrap().to_str().unwrap();
            proptest::prop_assert!(way.ends_with(client.0.map(|part: u8| part.to_string()).join(".").as_str()));
            proptest::prop_assert!(near || !way.contains(','));
        }
    }

    #[test]
    fn naming_a_header_in_connection_cannot_remove_who_the_client_is() {
        let mut given = headers(&[("connection", "close, cookie, host"), ("cookie", "a"), ("host", "h")]);
        to_instance(&mut given, ([127, 0, 0, 1], 5).into(), None);
        assert!(given.contains_key("cookie") && given.contains_key("host"));
    }
}
