//! Failures of the connection and the server's refusals, as a person is told.

use std::io;

use rustls::CertificateError;
use ureq::http::StatusCode;

use super::Contact;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::show::paint::clean;
use crate::wire::Problem;

/// No server answers.
pub(super) fn unreachable(contact: &Contact, error: &ureq::Error) -> Failure {
    let server = &contact.server;
    if let Some(error) = of_tls(error) {
        let (message, hint) = unsafe_connection(contact, error);
        return Failure::new(Exit::NotReachable, message).hint(hint);
    }
    let (message, hint) = match error {
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => (
            format!("no server answers at {server}"),
            if contact.is_local() {
                "start one with `throughline serve`, or name another with --server".to_owned()
            } else {
                "check the address, and whether the server runs".to_owned()
            },
        ),
        ureq::Error::HostNotFound => (
            format!("there is no machine of the name `{}`", super::host_of(server)),
            "check the address of the server".to_owned(),
        ),
        ureq::Error::Timeout(_) => (
            format!("{server} did not answer in time"),
            "check the address, and whether the server runs".to_owned(),
        ),
        ureq::Error::Tls(_) => (
            format!("no safe connection to {server}: {error}"),
            "check the address of the server".to_owned(),
        ),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            return Failure::new(Exit::Usage, format!("`{server}` is no address of a server"))
                .hint("an address looks like https://deliver.example.org");
        }
        ureq::Error::Io(error) => (
            format!("the connection to {server} broke: {error}"),
            "try again; nothing is done twice".to_owned(),
        ),
        other => (
            format!("cannot talk to {server}: {other}"),
            "check the address of the server".to_owned(),
        ),
    };
    Failure::new(Exit::NotReachable, message).hint(hint)
}

/// The error of TLS behind an error of the connection.
fn of_tls(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// What is wrong with a connection that cannot be trusted, and what to do.
fn unsafe_connection(contact: &Contact, error: &rustls::Error) -> (String, String) {
    let server = &contact.server;
    let host = super::host_of(server);
    let rustls::Error::InvalidCertificate(error) = error else {
        return match error {
            rustls::Error::InvalidMessage(_) => (
                format!("what answers at {server} does not speak TLS"),
                "check the address; without TLS it would begin with http://".to_owned(),
            ),
            error => (
                format!("no safe connection to {server}: {error}"),
                "check the address of the server".to_owned(),
            ),
        };
    };
    let (problem, hint) = match error {
        CertificateError::UnknownIssuer | CertificateError::BadSignature if contact.roots.is_some() => (
            "none of the authorities in --ca-file vouches for its certificate".to_owned(),
            "name the certificate of the authority that issued it".to_owned(),
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "no known authority vouches for its certificate".to_owned(),
            "where an authority of your own does, name its certificate with --ca-file".to_owned(),
        ),
        CertificateError::Expired => (
            "its certificate has expired".to_owned(),
            "whoever runs the server must renew it".to_owned(),
        ),
        CertificateError::ExpiredContext { not_after, .. } => (
            format!("its certificate has expired{}", on_day(not_after.as_secs())),
            "whoever runs the server must renew it; check the clock of this machine too".to_owned(),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "its certificate is not valid yet".to_owned(),
            "check the clock of this machine".to_owned(),
        ),
        CertificateError::NotValidForName => (
            format!("its certificate is not for `{host}`"),
            "name the server as its certificate does".to_owned(),
        ),
        CertificateError::NotValidForNameContext { presented, .. } => (
            format!("its certificate is not for `{host}`"),
            if presented.is_empty() {
                "its certificate names no machine at all".to_owned()
            } else {
                let names: Vec<String> = presented.iter().map(|name| clean(&name_in(name))).collect();
                format!("its certificate is for {}", names.join(", "))
            },
        ),
        CertificateError::Revoked => (
            "its certificate was revoked".to_owned(),
            "whoever runs the server must renew it".to_owned(),
        ),
        other => (
            format!("its certificate cannot be used: {other}"),
            "whoever runs the server must mend it".to_owned(),
        ),
    };
    (format!("no safe connection to {server}: {problem}"), hint)
}

/// A name as a certificate presents it: `DnsName("a.example")` is `a.example`.
fn name_in(presented: &str) -> String {
    let name = presented.split_once('(').map_or(presented, |(_, name)| name);
    name.trim_end_matches(')').trim_matches('"').to_owned()
}

/// A second since 1970 as a day.
fn on_day(second: u64) -> String {
    let second = i64::try_from(second).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(second)
        .map_or_else(|_| String::new(), |time| format!(" on {}", time.strftime("%Y-%m-%d")))
}

/// The code that a status ends a command with.
const fn exit_of(status: StatusCode) -> Exit {
    match status {
        StatusCode::BAD_REQUEST => Exit::Usage,
        StatusCode::UNPROCESSABLE_ENTITY => Exit::BadFile,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::CONFLICT => Exit::Refused,
        StatusCode::NOT_FOUND => Exit::NotFound,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Exit::NotReachable,
        _ => Exit::Failed,
    }
}

/// The server says no.
pub(super) fn refused(contact: &Contact, status: StatusCode, redirect: Option<&str>, body: &str) -> Failure {
    let server = &contact.server;
    let exit = exit_of(status);
    if status == StatusCode::UNAUTHORIZED {
        let message = match contact.token {
            Some(_) => format!("{server} does not accept the token"),
            None => format!("not logged in to {server}"),
        };
        return Failure::new(exit, message).hint(format!("log in with `throughline login {server}`"));
    }
    if let Ok(problem) = serde_json::from_str::<Problem>(body) {
        // Messages may have several lines, such as what is wrong with a file.
        let detail = problem.detail.lines().map(clean).collect::<Vec<_>>().join("\n");
        let failure = Failure::new(exit, detail);
        return match problem.hint {
            Some(hint) => failure.hint(clean(&hint)),
            None if status == StatusCode::FORBIDDEN => failure.hint("`throughline whoami` shows your roles"),
            None => failure,
        };
    }
    if let Some(redirect) = redirect {
        return Failure::new(exit, format!("{server} points elsewhere: {}", clean(redirect)))
            .hint("name the server by the address that it points to");
    }
    let reason = status.canonical_reason().unwrap_or("error").to_lowercase();
    Failure::new(exit, format!("{server} answered {} ({reason})", status.as_u16()))
        .hint("check that this is a Throughline server")
}
