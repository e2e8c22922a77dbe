//! Failures of the connection and the server's refusals, as a person is told.

use std::io;

use ureq::http::StatusCode;

use super::Contact;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::show::paint::clean;
use crate::wire::Problem;

/// No server answers.
pub(super) fn unreachable(contact: &Contact, error: &ureq::Error) -> Failure {
    let server = &contact.server;
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
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => (
            format!("no safe connection to {server}: {error}"),
            "where an authority of your own vouches for the server, name its certificates with --ca-file".to_owned(),
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
