//! From layers to plain values.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::folders::Folders;
use super::value::{AccessChoice, ColorChoice, ContainersChoice, IsolationChoice, Secret, ShareAddress, Span};
use super::{Flags, SettingsFile};
use crate::exit::Exit;
use crate::failure::Failure;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A key of the settings file.
    File(PathBuf, &'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(name) => f.write_str(name),
            Self::File(path, key) => write!(f, "`{key}` in {}", path.display()),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

/// The layers that settings are looked for in.
#[derive(Debug, Clone)]
pub struct Layers {
    pub(super) flags: Flags,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) file: SettingsFile,
    /// The settings file that was read, or would be.
    pub path: PathBuf,
    /// The user's folders.
    pub folders: Folders,
    current: PathBuf,
}

impl Layers {
    /// Reads the settings file. One that was named must be there; the user's own may be absent.
    ///
    /// # Errors
    /// When the file cannot be read, or says something that is no setting.
    pub fn read(flags: Flags, variables: BTreeMap<String, String>, current: &Path) -> Result<Self, Failure> {
        let folders = Folders::of(&variables, current);
        let named = flags
            .settings
            .clone()
            .or_else(|| variables.get("THROUGHLINE_SETTINGS").map(PathBuf::from));
        let path = named.as_ref().map_or_else(
            || folders.configuration.join("config.toml"),
            |named| current.join(named),
        );
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => String::new(),
            Err(error) => {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("cannot read the settings file {}: {error}", path.display()),
                ));
            }
        };
        let file: SettingsFile = toml::from_str(&text).map_err(|error| misplaced(&path, &text, &error))?;
        Ok(Self {
            flags,
            variables,
            file,
            path,
            folders,
            current: current.to_owned(),
        })
    }

    pub(super) fn find<T: FromStr<Err: fmt::Display>>(
        &self,
        flag: Option<&'static str>,
        variable: &'static str,
        key: Option<&'static str>,
        given: Option<T>,
        stored: Option<T>,
    ) -> Result<Option<Found<T>>, Failure> {
        if let (Some(value), Some(flag)) = (given, flag) {
            return Ok(Some(Found {
                value,
                source: Source::Flag(flag),
            }));
        }
        // An empty variable is an unset one.
        if let Some(text) = self.variables.get(variable).filter(|text| !text.is_empty()) {
            let value = text.parse().map_err(|error: T::Err| {
                Failure::new(
                    Exit::Usage,
                    format!("the environment variable {variable} does not fit: {error}"),
                )
            })?;
            return Ok(Some(Found {
                value,
                source: Source::Variable(variable),
            }));
        }
        let stored = stored.zip(key);
        Ok(stored.map(|(value, key)| Found {
            value,
            source: Source::File(self.path.clone(), key),
        }))
    }

    /// A path: relative to the settings file where it stands there, else to the current folder.
    fn path(&self, found: Found<PathBuf>) -> PathBuf {
        match found.source {
            Source::File(file, _) => file.parent().unwrap_or(Path::new("/")).join(found.value),
            _ => self.current.join(found.value),
        }
    }

    /// Where results are shared, and what is done with them.
    fn shared(&self) -> Result<Option<SharedResults>, Failure> {
        let access = self
            .shared_results_access()?
            .map_or_else(AccessChoice::default, |found| found.value);
        let Some(found) = self.shared_results()? else {
            return Ok(None);
        };
        let address = match found.value {
            ShareAddress::Folder(folder) => ShareAddress::Folder(self.path(Found {
                value: folder,
                source: found.source,
            })),
            address @ ShareAddress::S3(_) => address,
        };
        Ok(Some(SharedResults { address, access }))
    }

    /// When colours are used.
    ///
    /// # Errors
    /// When the variable's value does not fit.
    pub fn colours(&self) -> Result<ColorChoice, Failure> {
        if let Some(found) = self.color()? {
            return Ok(found.value);
        }
        let never = self.variables.get("NO_COLOR").is_some_and(|value| !value.is_empty())
            || self.variables.get("TERM").is_some_and(|term| term == "dumb");
        Ok(if never { ColorChoice::Never } else { ColorChoice::Auto })
    }

    /// What commands that talk to a server need.
    ///
    /// # Errors
    /// When a value does not fit.
    pub fn client(&self) -> Result<ClientSettings, Failure> {
        let data = self.data()?;
        let token = match (self.token_file()?, self.token()?) {
            // A flag says more than a variable.
            (
                Some(Found {
                    value,
                    source: Source::Flag(_),
                }),
                _,
            ) => Token::File(self.current.join(value)),
            (_, Some(found)) => Token::Given(found.value),
            (Some(found), None) => Token::File(self.path(found)),
            (None, None) => Token::Stored,
        };
        Ok(ClientSettings {
            server: self.server()?,
            token,
            roots: self.ca_file()?.map(|found| self.path(found)),
            component: self.component()?,
            data_named: data
                .as_ref()
                .is_some_and(|found| !matches!(found.source, Source::File(..))),
            data: data.map_or_else(|| self.folders.data.clone(), |found| self.path(found)),
            logins: self.folders.configuration.join("logins.json"),
            current: self.current.clone(),
        })
    }

    /// What a run on this machine needs.
    ///
    /// # Errors
    /// When a value does not fit.
    pub fn local(&self) -> Result<LocalSettings, Failure> {
        Ok(LocalSettings {
            cache: self
                .cache()?
                .map_or_else(|| self.folders.cache.clone(), |found| self.path(found)),
            shared_results: self.shared()?,
            max_parallel: self.max_parallel()?.map_or_else(processors, |found| found.value.0),
            isolation: self
                .isolation()?
                .map_or_else(IsolationChoice::default, |found| found.value),
            containers: self
                .containers()?
                .map_or_else(ContainersChoice::default, |found| found.value),
            component: self.component()?.map(|found| found.value),
            log: self.log()?.map_or_else(|| "warn".to_owned(), |found| found.value),
            variables: self.variables.clone(),
        })
    }

    /// What the server needs.
    ///
    /// # Errors
    /// When a value does not fit.
    pub fn serve(&self) -> Result<ServeSettings, Failure> {
        let secret_key = self
            .secret_key_file()?
            .map(|found| self.path(found))
            .map(|path| read_secret_key(&path))
            .transpose()?;
        // What vouches for the server or for its people is not for steps to read.
        let mut hidden = vec![self.folders.configuration.clone()];
        hidden.extend(self.secret_key_file()?.map(|found| self.path(found)));
        hidden.extend(self.database_file()?.map(|found| self.path(found)));
        hidden.extend(self.tls_key()?.map(|found| self.path(found)));
        hidden.extend(self.token_file()?.map(|found| self.path(found)));
        hidden.extend(self.notifications()?.map(|found| self.path(found)));
        hidden.extend(self.checkpoints()?.map(|found| self.path(found)));
        let shared_results = self.shared()?;
        hidden.extend(shared_results.as_ref().and_then(crate::sharing::hidden));
        let tls = match (self.tls_certificate()?, self.tls_key()?) {
            (Some(certificate), Some(key)) => Some((self.path(certificate), self.path(key))),
            (None, None) => None,
            (Some(found), None) => return Err(half_of_tls(&found.source, "--tls-key", "the private key")),
            (None, Some(found)) => return Err(half_of_tls(&found.source, "--tls-certificate", "the certificate")),
        };
        Ok(ServeSettings {
            tls,
            data: self
                .data()?
                .map_or_else(|| self.folders.data.clone(), |found| self.path(found)),
            database: self.database_address()?,
            address: self
                .address()?
                .map_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8400)), |found| found.value),
            behind_proxy: self.behind_proxy()?.is_some_and(|found| found.value),
            public_url: self.public_url()?.map(|found| found.value),
            environments: self.environments()?.map(|found| self.path(found)),
            max_parallel: self.max_parallel()?.map_or_else(processors, |found| found.value.0),
            shared_results,
            poll_interval: self
                .poll_interval()?
                .map_or(Duration::from_secs(30), |found| found.value.0),
            largest_push: self.largest_push()?.map_or(1 << 30, |found| found.value.0),
            checkpoints: self.checkpoints()?.map(|found| self.path(found)),
            checkpoint_interval: self
                .checkpoint_interval()?
                .map_or(Duration::from_secs(600), |found| found.value.0),
            notifications: self.notifications()?.map(|found| self.path(found)),
            secret_key,
            isolation: self
                .isolation()?
                .map_or_else(IsolationChoice::default, |found| found.value),
            containers: self
                .containers()?
                .map_or_else(ContainersChoice::default, |found| found.value),
            hidden,
            keep: self.keep()?,
            log: self.log()?.map_or_else(|| "warn".to_owned(), |found| found.value),
            variables: self.variables.clone(),
            told: self.told()?,
        })
    }

    /// Where a server is made of a backup: the data folder, and the database of the facts.
    ///
    /// # Errors
    /// When a value does not fit.
    pub fn restore(&self) -> Result<(PathBuf, Option<ledger::Address>), Failure> {
        let data = self.data()?;
        let data = data.map_or_else(|| self.folders.data.clone(), |found| self.path(found));
        Ok((data, self.database_address()?))
    }

    /// The database of the facts, from wherever its address stands.
    fn database_address(&self) -> Result<Option<ledger::Address>, Failure> {
        let (found, source) = match (self.database()?, self.database_file()?) {
            (None, None) => return Ok(None),
            (Some(found), None) => (found.value.0, found.source.to_string()),
            (None, Some(found)) => {
                let path = self.path(found);
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    let text = format!(
                        "cannot read the address of the database from {}: {error}",
                        path.display()
                    );
                    Failure::new(Exit::Usage, text)
                })?;
                (text, path.display().to_string())
            }
            (Some(one), Some(other)) => {
                let text = format!("{} and {} are both given", one.source, other.source);
                return Err(Failure::new(Exit::Usage, text).hint("leave one of them out"));
            }
        };
        let address = found.parse().map_err(|error: ledger::AddressError| {
            let text = error.to_string();
            let (text, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
            let failure = Failure::new(Exit::Usage, format!("{source} does not fit: {text}"));
            if hint.is_empty() { failure } else { failure.hint(hint) }
        })?;
        Ok(Some(address))
    }

    /// Each setting that a server has, as people are told it: name, value, and where it was said; nothing
    /// where the default holds.
    fn told(&self) -> Result<Vec<(String, String, Option<String>)>, Failure> {
        let settings = super::TABLE.iter().zip(self.values()?);
        Ok(settings
            .map(|(setting, found)| {
                let (value, source) = found.unzip();
                let value = value.unwrap_or_else(|| setting.default.to_owned());
                (setting.name.replace('_', "-"), value, source)
            })
            .collect())
    }
}

impl Layers {
    fn keep(&self) -> Result<Keep, Failure> {
        let days = |number: u64| Duration::from_secs(number * 86_400);
        let span = |found: Option<Found<Span>>, usual: u64| found.map_or(days(usual), |found| found.value.0);
        Ok(Keep {
            logs: span(self.keep_logs()?, 90),
            workspaces: span(self.keep_workspaces()?, 7),
            caches: span(self.keep_caches()?, 30),
            caches_size: self.caches_size()?.map_or(20 << 30, |found| found.value.0),
        })
    }
}

/// One of the two files of TLS was given alone.
fn half_of_tls(given: &Source, flag: &str, what: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("{given} is given, but not {what} that belongs to it"),
    )
    .hint(format!("name both: {flag} is missing"))
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn read_secret_key(path: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("cannot read the key of the secrets from {}: {error}", path.display()),
        )
    })?;
    let key = text.trim();
    if key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Secret(key.to_owned()));
    }
    Err(Failure::new(
        Exit::Usage,
        format!("{} holds no key: 64 hex digits are expected", path.display()),
    )
    .hint("make one with `openssl rand -hex 32`"))
}

/// The error of the settings file, with its place.
fn misplaced(path: &Path, text: &str, error: &toml::de::Error) -> Failure {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = &text.as_bytes()[..start];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = String::from_utf8_lossy(before)
        .lines()
        .last()
        .filter(|_| !before.ends_with(b"\n"))
        .map_or(1, |last| last.chars().count() + 1);
    let message = error.message().lines().next().unwrap_or_default();
    let (message, hint) = match message.split_once(", expected ") {
        Some((message, expected)) => (message, format!("expected {expected}")),
        None => (message, "every setting stands in docs/settings.md".to_owned()),
    };
    Failure::new(Exit::BadFile, format!("{}:{line}:{column}: {message}", path.display())).hint(hint)
}

/// Where the token is to be taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// It was given.
    Given(Secret),
    /// It stands in a file.
    File(PathBuf),
    /// It may be in the login store.
    Stored,
}

/// What commands that talk to a server need.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The server, where one was named.
    pub server: Option<Found<String>>,
    /// The token.
    pub token: Token,
    /// The certificates that vouch for the server.
    pub roots: Option<PathBuf>,
    /// The component, where one was named.
    pub component: Option<Found<String>>,
    /// The data folder of a local server.
    pub data: PathBuf,
    /// Whether the data folder was named for this command, so that it says more than the login store.
    pub data_named: bool,
    /// The login store.
    pub logins: PathBuf,
    /// The current folder.
    pub current: PathBuf,
}

/// Results that other machines use as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedResults {
    /// Where they are.
    pub address: ShareAddress,
    /// What is done with them.
    pub access: AccessChoice,
}

/// How long what piles up is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Logs of steps.
    pub logs: Duration,
    /// The workspaces of runs that did not succeed.
    pub workspaces: Duration,
    /// Folders kept from run to run, since they were last used.
    pub caches: Duration,
    /// The most bytes that these have together.
    pub caches_size: u64,
}

/// What the server needs.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// The data folder.
    pub data: PathBuf,
    /// The database of facts and views.
    pub database: Option<ledger::Address>,
    /// Where to listen.
    pub address: SocketAddr,
    /// The certificate with which the server speaks TLS itself, and its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether a trusted proxy stands before the server.
    pub behind_proxy: bool,
    /// The address people and machines use.
    pub public_url: Option<String>,
    /// The policy of environments to start with.
    pub environments: Option<PathBuf>,
    /// How many steps may work at the same time.
    pub max_parallel: usize,
    /// What other machines use as well of the results of steps.
    pub shared_results: Option<SharedResults>,
    /// How often followed repositories are looked at.
    pub poll_interval: Duration,
    /// The largest push, in bytes.
    pub largest_push: u64,
    /// Where signed checkpoints are put.
    pub checkpoints: Option<PathBuf>,
    /// After how long what is new is covered by a checkpoint.
    pub checkpoint_interval: Duration,
    /// The file that says who is told what.
    pub notifications: Option<PathBuf>,
    /// The key of the secrets.
    pub secret_key: Option<Secret>,
    /// Whether steps are isolated.
    pub isolation: IsolationChoice,
    /// Who runs containers.
    pub containers: ContainersChoice,
    /// Files and folders outside of the data folder that isolated steps do not see.
    pub hidden: Vec<PathBuf>,
    /// How long what piles up is kept.
    pub keep: Keep,
    /// What the server says about its work.
    pub log: String,
    /// The environment, of which steps see a part.
    pub variables: BTreeMap<String, String>,
    /// Each setting as people are told it: name, value, and where it was said.
    pub told: Vec<(String, String, Option<String>)>,
}

/// What a run on this machine needs.
#[derive(Debug, Clone)]
pub struct LocalSettings {
    /// Where results, packages and logs are kept.
    pub cache: PathBuf,
    /// What other machines use as well of the results of steps.
    pub shared_results: Option<SharedResults>,
    /// How many steps may work at the same time.
    pub max_parallel: usize,
    /// Whether steps are isolated.
    pub isolation: IsolationChoice,
    /// Who runs containers.
    pub containers: ContainersChoice,
    /// The component, where one was named.
    pub component: Option<String>,
    /// What is said about the work.
    pub log: String,
    /// The environment, of which steps see a part.
    pub variables: BTreeMap<String, String>,
}
