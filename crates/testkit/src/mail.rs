//! A small server of mail: enough of SMTP for a client that sends, with STARTTLS, TLS and logins.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::Certified;

/// How the connection is encrypted.
#[derive(Debug, Clone)]
pub enum Encryption {
    /// Not at all.
    None,
    /// After STARTTLS.
    Starttls(Certified),
    /// From the first byte on.
    Tls(Certified),
}

/// A mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who the envelope says it is from.
    pub from: String,
    /// Whom the envelope says it is for.
    pub to: Vec<String>,
    /// Its headers and its body, as they came.
    pub text: String,
    /// Whether it came encrypted.
    pub encrypted: bool,
}

impl Mail {
    /// The body as it is read, without the encoding (quoted-printable) in which it travelled.
    pub fn body(&self) -> String {
        let raw = self
            .text
            .split_once("\n\n")
            .map_or("", |(_, body)| body)
            .replace("=\n", "");
        let mut bytes = Vec::with_capacity(raw.len());
        let mut rest = raw.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
            match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
                Some(byte) if *first == b'=' => {
                    bytes.push(byte);
                    rest = &after[2..];
                }
                _ => {
                    bytes.push(*first);
                    rest = after;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[derive(Debug, Default)]
struct Taken {
    mails: Mutex<Vec<Mail>>,
    came: Condvar,
}

/// A server of mail on a port of its own. An address that begins with `nobody` is refused for good,
/// one that begins with `later` with an answer that asks to try again.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    taken: Arc<Taken>,
}

struct Session {
    taken: Arc<Taken>,
    config: Option<Arc<ServerConfig>>,
    starttls: bool,
    /// What `AUTH PLAIN` must say, in base64.
    login: Option<String>,
}

#[allow(clippy::expect_used)] // a test cannot go on
impl MailServer {
    /// Starts one. With `login` it wants what `AUTH PLAIN` says for it, in base64.
    ///
    /// # Panics
    /// When there is no free port, or the certificate is none.
    pub fn start(encryption: &Encryption, login: Option<&str>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("the port's address");
        let taken = Arc::new(Taken::default());
        let config = match encryption {
            Encryption::None => None,
            Encryption::Starttls(certified) | Encryption::Tls(certified) => Some(Arc::new(config(certified))),
        };
        let session = Arc::new(Session {
            taken: taken.clone(),
            config,
            starttls: matches!(encryption, Encryption::Starttls(_)),
            login: login.map(str::to_owned),
        });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = session.clone();
                // A client that breaks off is no trouble of the server.
                std::thread::spawn(move || drop(session.serve(stream)));
            }
        });
        Self { address, taken }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The mails that were taken so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.taken.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many mails were taken, and gives all of them.
    ///
    /// # Panics
    /// When they do not come within 40 seconds.
    pub fn wait_for(&self, count: usize) -> Vec<Mail> {
        let mails = self.taken.mails.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = Duration::from_secs(40);
        let waited = self
            .taken
            .came
            .wait_timeout_while(mails, patience, |mails| mails.len() < count);
        let (mails, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "{count} mails did not come: {mails:#?}");
        mails.clone()
    }
}

#[allow(clippy::expect_used)] // a test cannot go on
fn config(certified: &Certified) -> ServerConfig {
    let chain = CertificateDer::pem_slice_iter(certified.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a key that fits")
}

impl Session {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        match (&self.config, self.starttls) {
            (Some(config), false) => self.talk(&mut encrypted(stream, config)?, true, true).map(drop),
            (Some(config), true) => {
                let mut plain = stream.try_clone()?;
                if self.talk(&mut plain, true, false)? {
                    self.talk(&mut encrypted(stream, config)?, false, true)?;
                }
                Ok(())
            }
            (None, _) => self.talk(&mut { stream }, true, false).map(drop),
        }
    }

    /// Talks until the client goes. Whether it wants TLS now.
    fn talk(&self, stream: &mut (impl Read + Write), greet: bool, is_encrypted: bool) -> std::io::Result<bool> {
        if greet {
            stream.write_all(b"220 mail.test ESMTP\r\n")?;
        }
        let mut known = self.login.is_none();
        let mut mail = Mail {
            from: String::new(),
            to: Vec::new(),
            text: String::new(),
            encrypted: is_encrypted,
        };
        while let Some(line) = read_line(stream)? {
            let word = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            let address = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            let answer = match word.as_str() {
                "EHLO" => {
                    let mut answer = "250-mail.test\r\n".to_owned();
                    if self.starttls && !is_encrypted {
                        answer.push_str("250-STARTTLS\r\n");
                    }
                    if self.login.is_some() {
                        answer.push_str("250-AUTH PLAIN\r\n");
                    }
                    answer.push_str("250 8BITMIME");
                    answer
                }
                "STARTTLS" => {
                    stream.write_all(b"220 go ahead\r\n")?;
                    return Ok(true);
                }
                "AUTH" => {
                    known = line.split(' ').nth(2) == self.login.as_deref();
                    if known { "235 welcome" } else { "535 5.7.8 who are you" }.to_owned()
                }
                "MAIL" if !known => "530 5.7.0 log in first".to_owned(),
                "MAIL" => {
                    mail.from = address();
                    mail.to.clear();
                    "250 fine".to_owned()
                }
                "RCPT" => match address() {
                    nobody if nobody.starts_with("nobody") => "550 5.1.1 nobody of that name".to_owned(),
                    later if later.starts_with("later") => "451 4.7.1 come again".to_owned(),
                    known => {
                        mail.to.push(known);
                        "250 fine".to_owned()
                    }
                },
                "DATA" => {
                    stream.write_all(b"354 go on\r\n")?;
                    mail.text.clear();
                    while let Some(line) = read_line(stream)?.filter(|line| line != ".") {
                        mail.text.push_str(line.strip_prefix('.').unwrap_or(&line));
                        mail.text.push('\n');
                    }
                    let mut mails = self.taken.mails.lock().unwrap_or_else(PoisonError::into_inner);
                    mails.push(mail.clone());
                    self.taken.came.notify_all();
                    "250 taken".to_owned()
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n")?;
                    return Ok(false);
                }
                "RSET" | "NOOP" => "250 fine".to_owned(),
                _ => "502 what".to_owned(),
            };
            stream.write_all(format!("{answer}\r\n").as_bytes())?;
            stream.flush()?;
        }
        Ok(false)
    }
}

fn encrypted(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
) -> std::io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

/// A line without its end; nothing at the end of the stream. Byte by byte, so that nothing of what
/// comes after STARTTLS is read too early.
fn read_line(stream: &mut impl Read) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut one = BufReader::with_capacity(1, stream);
    if one.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(
        String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned(),
    ))
}
