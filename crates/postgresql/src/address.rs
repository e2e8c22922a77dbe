//! Where a PostgreSQL database is: an address as other programs write it, checked, and shown without
//! its password.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// After how long without an answer a connection counts as lost.
const SILENT: Duration = Duration::from_secs(20);

/// The address of a database: `postgres://user:password@host:port/database`, with the parameters that
/// PostgreSQL's own programs take. Two of them mean something of their own here:
///
/// - `sslmode`: `disable`, or `verify-full`. Without it, connections to another machine are encrypted and
///   the server's certificate and name are checked; those to this machine are not encrypted. `require`
///   and `verify-ca` check all that `verify-full` does.
/// - `sslrootcert`: a file with the authorities to trust instead of those that browsers do.
///
/// Neither its `Display` nor its `Debug` shows the password.
#[derive(Clone)]
pub struct Address {
    config: Config,
    /// The file of authorities.
    authorities: Option<PathBuf>,
}

/// An address that cannot be used. The text never holds what was given, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It begins otherwise.
    #[error("the address of a database begins with `postgres://`")]
    Scheme,
    /// It cannot be read.
    #[error(
        "the address of the database cannot be read: {0}\nhint: write `postgres://user:password@host:5432/database`, and other characters of the password than letters and digits as `%` and two hexadecimal digits"
    )]
    Form(String),
    /// A way of encryption that is none.
    #[error("`sslmode={0}` is not known here\nhint: leave it out, or write `verify-full` or `disable`")]
    Encryption(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Ok(Self::with_own(text, &[])?.0)
    }
}

/// Parameters that mean something to the caller, by name.
pub type Own = BTreeMap<String, String>;

impl Address {
    /// Reads an address, and takes these parameters out of it.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn with_own(text: &str, own: &[&str]) -> Result<(Self, Own), AddressError> {
        let text = text.trim();
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(AddressError::Scheme);
        }
        let (place, parameters) = text.split_once('?').unwrap_or((text, ""));
        let (mut taken, mut mode, mut authorities) = (Own::new(), None, None);
        let mut rest = Vec::new();
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                "sslmode" => mode = Some(value.to_owned()),
                "sslrootcert" => authorities = Some(PathBuf::from(value)),
                _ if own.contains(&name) => {
                    taken.insert(name.to_owned(), value.to_owned());
                }
                _ => rest.push(parameter),
            }
        }
        let joined = match rest.is_empty() {
            true => place.to_owned(),
            false => format!("{place}?{}", rest.join("&")),
        };
        let mut config = Config::from_str(&joined).map_err(|error| {
            let source = std::error::Error::source(&error);
            AddressError::Form(source.map_or_else(|| error.to_string(), ToString::to_string))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(AddressError::Form("it names no host".into()));
        }
        let encrypted = match mode.as_deref() {
            None => !config.get_hosts().iter().all(is_here),
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(other) => return Err(AddressError::Encryption(other.to_owned())),
        };
        config
            .ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable })
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .keepalives_idle(SILENT / 2)
            .tcp_user_timeout(SILENT);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("throughline");
        }
        Ok((Self { config, authorities }, taken))
    }

    /// What the driver is told.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The file of authorities to trust instead of those that browsers do.
    pub fn authorities(&self) -> Option<&std::path::Path> {
        self.authorities.as_deref()
    }

    /// The address with this password, in the place of the one it has.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// The password, if the address has one: what must be masked wherever texts of others are shown.
    pub fn password(&self) -> Option<String> {
        let password = self.config.get_password()?;
        Some(String::from_utf8_lossy(password).into_owned())
    }
}

/// Whether the host is this machine, so that nobody listens between.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        f.write_str("postgres://")?;
        if let Some(user) = config.get_user() {
            write!(f, "{user}@")?;
        }
        for (number, host) in config.get_hosts().iter().enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            match host {
                Host::Tcp(name) => f.write_str(name)?,
                Host::Unix(path) => write!(f, "{}", path.display())?,
            }
            let ports = config.get_ports();
            if let Some(port) = ports.get(number).or(ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", config.get_dbname().or(config.get_user()).unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        for text in [
            "postgres://robin:s3cret%21@db.example:5433/delivery",
            "postgresql://robin@db.example:5433/delivery?password=s3cret%21",
        ] {
            let address = read(text);
            assert_eq!(address.to_string(), "postgres://robin@db.example:5433/delivery");
            assert!(!format!("{address:?}").contains("s3cret"), "{address:?}");
            assert_eq!(address.password().as_deref(), Some("s3cret!"));
        }
        let other = read("postgres://robin:old@db.example/delivery").with_password("new");
        assert_eq!(other.to_string(), "postgres://robin@db.example:5432/delivery");
        assert_eq!(other.password().as_deref(), Some("new"));
    }

    #[test]
    fn parameters_of_the_callers_own_are_taken_out() {
        let text = "postgres://robin@db.example/delivery?schema=second&application_name=x";
        let (address, own) = Address::with_own(text, &["schema"]).unwrap();
        assert_eq!(own.get("schema").map(String::as_str), Some("second"));
        assert_eq!(address.config().get_application_name(), Some("x"));
        assert!(text.parse::<Address>().is_err(), "nobody else knows it");
    }

    #[test]
    fn connections_to_other_machines_are_encrypted_unless_told_otherwise() {
        for (text, mode) in [
            ("postgres://db.example/x", SslMode::Require),
            ("postgres://db.example/x?sslmode=require", SslMode::Require),
            ("postgres://db.example/x?sslmode=disable", SslMode::Disable),
            ("postgres://localhost/x", SslMode::Disable),
            ("postgres://127.0.0.1/x", SslMode::Disable),
            ("postgres://localhost,db.example/x", SslMode::Require),
            ("postgres:///x?host=/run/postgresql", SslMode::Disable),
            (
                "postgres://localhost/x?sslmode=verify-full&sslrootcert=/a",
                SslMode::Require,
            ),
        ] {
            assert_eq!(read(text).config.get_ssl_mode(), mode, "{text}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_without_telling_its_password() {
        for (text, expected) in [
            ("mysql://a:s3cret@b/c", "begins with `postgres://`"),
            ("postgres://a:s3cret@b:port/c", "cannot be read"),
            ("postgres://a:s3cret@/c", "names no host"),
            ("postgres://a:s3cret@b/c?colour=red", "cannot be read"),
            ("postgres://a:s3cret@b/c?sslmode=prefer", "`verify-full` or `disable`"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
