//! Where a MariaDB or MySQL database is: an address as other programs write it, checked, and shown without its
//! password.

use std::fmt;
use std::time::Duration;

use mysql_async::{Opts, OptsBuilder, PoolOpts, SslOpts};
use url::Url;

use crate::engine::EngineError;

/// After how long the system asks a silent connection whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// `mysql://user:password@host:port/database`, or `mariadb://`. Three parameters are known:
///
/// - `sslmode`: `disable`, or `verify-full`. Without it, connections to another machine are encrypted and the
///   server's certificate and name are checked; those to this machine are not encrypted.
/// - `sslrootcert`: a file with the authorities to trust instead of those that browsers do.
/// - `socket`: the path of a socket of this machine.
///
/// What it shows has no password in it.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) opts: Opts,
    pub(super) database: String,
    shown: String,
}

fn refused(text: impl Into<String>) -> EngineError {
    EngineError::Address(text.into())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16);
        match (*first, more) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                let digits = hex(*high).zip(hex(*low)).map_or(0, |(high, low)| high * 16 + low);
                bytes.push(digits as u8);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Address {
    /// Reads an address; a password given apart takes the place of the one in it.
    pub(super) fn parse(text: &str, password: Option<&str>) -> Result<Self, EngineError> {
        let text = text.trim();
        if !text.starts_with("mysql://") && !text.starts_with("mariadb://") {
            return Err(refused(
                "the address of a database begins with `mysql://` or `mariadb://`",
            ));
        }
        // The text is not repeated: it may hold a password.
        let url = Url::parse(text).map_err(|error| {
            refused(format!(
                "the address of the database cannot be read: {error}\n  hint: write `mysql://user@host:3306/database`"
            ))
        })?;
        let database = decoded(url.path().trim_start_matches('/'));
        if database.is_empty() || database.contains('/') {
            return Err(refused(
                "the address of the database names no database\n  hint: write `mysql://user@host:3306/database`",
            ));
        }
        let (mut mode, mut authorities, mut socket) = (None, None, None);
        for (name, value) in url.query_pairs() {
            match &*name {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => authorities = Some(value.into_owned()),
                "socket" => socket = Some(value.into_owned()),
                other => {
                    let known = "`sslmode`, `sslrootcert` and `socket` are";
                    return Err(refused(format!(
                        "`{other}` is not known in the address of the database\n  hint: {known}"
                    )));
                }
            }
        }
        // Brackets are the address's, not the machine's name.
        let host = decoded(url.host_str().unwrap_or("localhost"));
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let here = socket.is_some()
            || host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        let encrypted = match mode.as_deref() {
            None => !here,
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(other) => {
                return Err(refused(format!(
                    "`sslmode={other}` is not known here\n  hint: leave it out, or write `verify-full` or `disable`"
                )));
            }
        };
        let (user, port) = (decoded(url.username()), url.port().unwrap_or(3306));
        let password = password.map(str::to_owned).or_else(|| url.password().map(decoded));
        let mut opts = OptsBuilder::default()
            .ip_or_hostname(host.clone())
            .tcp_port(port)
            .user(Some(user.clone()).filter(|user| !user.is_empty()))
            .pass(password)
            .db_name(Some(database.clone()))
            .prefer_socket(false)
            .socket(socket.clone())
            .tcp_keepalive(Some(KEEPALIVE))
            .pool_opts(PoolOpts::default().with_reset_connection(false))
            // One statement is one text, and never a file of this machine.
            .stmt_cache_size(32);
        if encrypted {
            let mut tls = SslOpts::default();
            if let Some(path) = authorities {
                let path = std::path::PathBuf::from(path);
                tls = tls.with_root_certs(vec![path.into()]).with_disable_built_in_roots(true);
            }
            opts = opts.ssl_opts(Some(tls));
        }
        let place = socket.map_or_else(|| format!("{host}:{port}"), |_| "localhost".to_owned());
        let at = if user.is_empty() {
            String::new()
        } else {
            format!("{user}@")
        };
        Ok(Self {
            opts: opts.into(),
            shown: format!("mysql://{at}{place}/{database}"),
            database,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address = Address::parse("mariadb://robin:s3cret%21@db.example:3307/shop", None).unwrap();
        assert_eq!(address.to_string(), "mysql://robin@db.example:3307/shop");
        assert_eq!(address.opts.pass(), Some("s3cret!"));
        let other = Address::parse("mysql://robin@db.example/shop", Some("n%w")).unwrap();
        assert_eq!((other.opts.pass(), other.opts.tcp_port()), (Some("n%w"), 3306));
    }

    #[test]
    fn connections_to_other_machines_are_encrypted_unless_told_otherwise() {
        for (text, encrypted) in [
            ("mysql://db.example/x", true),
            ("mysql://db.example/x?sslmode=disable", false),
            ("mysql://127.0.0.1/x", false),
            ("mysql://localhost/x?sslmode=verify-full&sslrootcert=/a", true),
            ("mysql://a@localhost/x?socket=/run/mysqld.sock", false),
        ] {
            let address = Address::parse(text, None).unwrap();
            assert_eq!(address.opts.ssl_opts().is_some(), encrypted, "{text}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_without_telling_its_password() {
        for (text, expected) in [
            ("postgres://a:s3cret@b/c", "begins with `mysql://`"),
            ("mysql://a:s3cret@b:port/c", "cannot be read"),
            ("mysql://a:s3cret@b", "names no database"),
            ("mysql://a:s3cret@b/c?colour=red", "`colour` is not known"),
            ("mysql://a:s3cret@b/c?sslmode=prefer", "`verify-full` or `disable`"),
        ] {
            let error = Address::parse(text, None).err().unwrap().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
