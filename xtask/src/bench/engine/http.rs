//! As much of HTTP as is needed to ask a server of this machine: `GET`, one answer a connection.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

/// The longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// An answer: its status, its head and its body.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The value of a field of the head.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Asks for a page, with a field of the head more.
pub fn get(port: u16, path: &str, field: &str) -> Result<Answer, String> {
    let wrong = |error: std::io::Error| format!("cannot ask for {path}: {error}");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(wrong)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(wrong)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{field}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(wrong)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(wrong)?;
    read(&String::from_utf8_lossy(&bytes)).ok_or_else(|| format!("{path} was not answered in HTTP"))
}

fn read(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// A port that nobody listens on at the moment.
pub fn free_port() -> Result<u16, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("there is no free port: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart_into_status_fields_and_body() {
        let answer = read("HTTP/1.0 303 See Other\r\nSet-Cookie: a=b; Path=/\r\n\r\n<p>\r\n\r\n</p>").unwrap();
        assert_eq!((answer.status, answer.field("set-cookie")), (303, Some("a=b; Path=/")));
        assert_eq!(answer.body, "<p>\r\n\r\n</p>");
        assert!(read("nothing").is_none());
    }
}
