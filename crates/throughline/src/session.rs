//! What a command about a server works with: the connection, and what names stand for.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use facts::{Clock, ComponentName, Entropy, RunId, Timestamp};
use serde::Deserialize;

use crate::client::logins::Logins;
use crate::client::{Address, Answer, Client, Contact};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::git::{Checkout, checkout};
use crate::house;
use crate::printer::Printer;
use crate::settings::resolve::Token;
use crate::settings::value::Secret;
use crate::settings::{ClientSettings, Source};
use crate::wire::{Repositories, Runs};

/// How many of the newest runs are looked through for the end of an id.
const RUNS_LOOKED_THROUGH: u32 = 500;

/// A connection and what it takes to name things.
pub struct Session {
    /// The connection.
    pub client: Client,
    /// What was resolved.
    pub settings: ClientSettings,
    variables: BTreeMap<String, String>,
    checkout: OnceCell<Option<Checkout>>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// What a server leaves in its data folder for commands of the same machine.
#[derive(Debug, Deserialize)]
struct ServerFile {
    url: String,
    #[serde(default)]
    pid: u32,
}

/// The address of the server that runs, or ran, on a data folder.
///
/// # Errors
/// When there is something that cannot be read.
pub fn local_server(data: &Path) -> Result<Option<String>, Failure> {
    let path = data.join("server.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => {
            return Err(Failure::new(
                Exit::Failed,
                format!("cannot read {}: {error}", path.display()),
            ));
        }
    };
    match serde_json::from_str::<ServerFile>(&text) {
        Ok(file) => {
            // Several servers may work on the folder, and the one that was named there may have been killed.
            let mut living = house::living(data);
            living.retain(|one| one.about.url.is_some());
            let named = living.iter().any(|one| one.about.pid == file.pid);
            let another = living.into_iter().find_map(|one| one.about.url).filter(|_| !named);
            Ok(Some(tidy(&another.unwrap_or(file.url))))
        }
        Err(error) => Err(Failure::new(
            Exit::BadFile,
            format!("{} does not name a server: {error}", path.display()),
        )),
    }
}

/// An address without slashes at its end, and with a scheme.
pub fn tidy(url: &str) -> String {
    let url = url.trim().trim_end_matches('/');
    if url.contains("://") {
        url.to_owned()
    } else {
        format!("https://{url}")
    }
}

/// The address of the server that is meant.
///
/// # Errors
/// When none is known.
pub fn server_of(settings: &ClientSettings, logins: &Logins) -> Result<String, Failure> {
    if let Some(found) = &settings.server {
        if found.value.contains("://") {
            return Ok(tidy(&found.value));
        }
        let message = format!("`{}` (from {}) is no address of a server", found.value, found.source);
        return Err(Failure::new(Exit::Usage, message).hint("an address looks like https://deliver.example.org"));
    }
    // A data folder that was named for this command says more than an earlier login.
    if settings.data_named {
        return local_server(&settings.data)?.ok_or_else(|| {
            Failure::new(
                Exit::NotReachable,
                format!("no server runs on {}", settings.data.display()),
            )
            .hint(format!(
                "start it with `throughline serve --data {}`",
                settings.data.display()
            ))
        });
    }
    if let Some(current) = &logins.current {
        return Ok(current.clone());
    }
    local_server(&settings.data)?.ok_or_else(|| {
        Failure::new(Exit::NotReachable, "no server is known")
            .hint("start one with `throughline serve`, or log in to one with `throughline login URL`")
    })
}

/// The token for a server.
///
/// # Errors
/// When the file that was named for it cannot be read.
pub fn token_of(settings: &ClientSettings, logins: &Logins, server: &str) -> Result<Option<Secret>, Failure> {
    match &settings.token {
        Token::Given(token) => Ok(Some(token.clone())),
        Token::File(path) => {
            let text = fs::read_to_string(path).map_err(|error| {
                Failure::new(
                    Exit::Usage,
                    format!("cannot read the token from {}: {error}", path.display()),
                )
            })?;
            checked_token(&text, &format!("{}", path.display())).map(Some)
        }
        Token::Stored => Ok(logins.tokens.get(server).cloned().map(Secret)),
    }
}

/// A text as a token.
///
/// # Errors
/// When it cannot be one.
pub fn checked_token(text: &str, source: &str) -> Result<Secret, Failure> {
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::new(Exit::Usage, format!("{source} holds no token")).hint("a token looks like tl_..."));
    }
    Ok(Secret(token.to_owned()))
}

/// The certificates that were named.
///
/// # Errors
/// When the file cannot be read.
pub fn roots_of(settings: &ClientSettings) -> Result<Option<Vec<u8>>, Failure> {
    let Some(path) = &settings.roots else { return Ok(None) };
    let read = fs::read(path);
    read.map(Some).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("cannot read the certificates in {}: {error}", path.display()),
        )
    })
}

impl Session {
    /// A session with the server that is meant. Nothing is sent yet.
    ///
    /// # Errors
    /// When no server is known, or a named file cannot be read.
    pub fn open(
        settings: ClientSettings,
        variables: BTreeMap<String, String>,
        entropy: Arc<dyn Entropy>,
        clock: Arc<dyn Clock>,
        printer: &mut Printer,
    ) -> Result<Self, Failure> {
        let logins = Logins::read(&settings.logins)?;
        let server = server_of(&settings, &logins)?;
        let token = token_of(&settings, &logins, &server)?;
        let contact = Contact {
            server,
            token,
            roots: roots_of(&settings)?,
        };
        if contact.is_in_the_clear() && contact.token.is_some() {
            printer.warn(&format!(
                "the token travels to {} for everybody on the way to read; use https",
                contact.server
            ));
        }
        Ok(Self {
            client: Client::new(contact, entropy)?,
            settings,
            variables,
            checkout: OnceCell::new(),
            clock,
        })
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The repository of the current folder.
    pub fn checkout(&self) -> Option<&Checkout> {
        self.checkout
            .get_or_init(|| checkout(&self.settings.current, &self.variables))
            .as_ref()
    }

    /// What somebody calls a change, as the server knows it: `HEAD`, and what is counted from there, such as `HEAD~2`
    /// or `@^`, mean what they mean to git in the current folder.
    ///
    /// # Errors
    /// When git knows no such commit here.
    pub fn meant(&self, change: &str) -> Result<String, Failure> {
        let from_here = |name: &str| {
            change
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['~', '^', '@']))
        };
        if !from_here("HEAD") && !from_here("@") {
            return Ok(change.to_owned());
        }
        crate::git::commit_of(&self.settings.current, &self.variables, change).ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("git knows no commit `{change}` in this folder"))
                .hint("go to the repository, or name a commit, a version, a package digest or a branch")
        })
    }

    /// The component that was named, where one was.
    ///
    /// # Errors
    /// When it is no component's name.
    pub fn named_component(&self) -> Result<Option<ComponentName>, Failure> {
        let Some(found) = &self.settings.component else {
            return Ok(None);
        };
        found.value.parse().map(Some).map_err(|error| {
            let failure = Failure::new(Exit::Usage, format!("{error}"));
            match &found.source {
                Source::Flag(_) => failure,
                source => failure.hint(format!("it comes from {source}")),
            }
        })
    }

    /// The component of the repository of the current folder, where the server has it.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn component_here(&self) -> Result<Option<ComponentName>, Failure> {
        let Some(checkout) = self.checkout().filter(|checkout| !checkout.remotes.is_empty()) else {
            return Ok(None);
        };
        Ok(component_of(checkout, &self.repositories()?))
    }

    /// The component that is meant: the named one, the one of the current folder, or the only one.
    ///
    /// # Errors
    /// When it cannot be said.
    pub fn component(&self) -> Result<ComponentName, Failure> {
        if let Some(named) = self.named_component()? {
            return Ok(named);
        }
        let repositories = self.repositories()?;
        if let Some(here) = self
            .checkout()
            .and_then(|checkout| component_of(checkout, &repositories))
        {
            return Ok(here);
        }
        match repositories.repositories.as_slice() {
            [only] => only
                .component
                .parse()
                .map_err(|error| Failure::new(Exit::Failed, format!("{error}"))),
            [] => Err(Failure::new(
                Exit::NotFound,
                format!("{} has no component yet", self.client.contact().server),
            )
            .hint("push a repository to it, or follow one with `throughline repo add URL`")),
            several => {
                let names: Vec<&str> = several.iter().map(|each| each.component.as_str()).take(8).collect();
                let more = if several.len() > names.len() { ", ..." } else { "" };
                Err(Failure::new(Exit::Usage, "it is not clear which component is meant")
                    .hint(format!("say --component NAME, one of {}{more}", names.join(", "))))
            }
        }
    }

    fn repositories(&self) -> Result<Repositories, Failure> {
        Ok(self
            .client
            .get::<Repositories>(&Address::of(&["repositories"]))?
            .document)
    }

    /// The run that is meant: by its id, the end of it, or as `latest`.
    ///
    /// # Errors
    /// When there is none, or several are meant.
    pub fn run(&self, text: &str) -> Result<RunId, Failure> {
        if let Ok(run) = text.parse::<RunId>() {
            return Ok(run);
        }
        let component = match self.named_component()? {
            None if text == "latest" => self.component_here()?,
            named => named,
        };
        let address = Address::of(&["runs"])
            .with("component", component.as_ref())
            .with("limit", Some(if text == "latest" { 1 } else { RUNS_LOOKED_THROUGH }));
        let runs = self.client.get::<Runs>(&address)?.document.runs;
        if text == "latest" {
            return runs
                .first()
                .map(|run| run.id)
                .ok_or_else(|| Failure::new(Exit::NotFound, "there is no run yet"));
        }
        let meant: Vec<RunId> = runs
            .iter()
            .map(|run| run.id)
            .filter(|run| text.len() >= 4 && run.to_string().ends_with(text))
            .collect();
        match meant.as_slice() {
            [one] => Ok(*one),
            [] => {
                Err(Failure::new(Exit::NotFound, format!("there is no run `{text}`"))
                    .hint("`throughline runs` lists them"))
            }
            several => Err(
                Failure::new(Exit::Usage, format!("{} runs end in `{text}`", several.len()))
                    .hint("say more digits of its id"),
            ),
        }
    }

    /// Reads a change.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn change(&self, component: &ComponentName, change: &str) -> Result<Answer<crate::wire::Change>, Failure> {
        let change = self.meant(change)?;
        self.client.get(&Address::of(&[
            "components",
            component.team(),
            component.short(),
            "changes",
            &change,
        ]))
    }
}

/// The component that a remote of the checkout stands for.
fn component_of(checkout: &Checkout, repositories: &Repositories) -> Option<ComponentName> {
    let same = |left: &str, right: &str| comparable(left) == comparable(right);
    let known = repositories.repositories.iter().find(|repository| {
        checkout.remotes.iter().any(|remote| {
            same(remote, &repository.push_url)
                || repository
                    .remote
                    .as_ref()
                    .is_some_and(|followed| same(remote, followed))
        })
    });
    known?.component.parse().ok()
}

/// A URL as it is compared: without scheme, user, password, `.git` and slashes at the end.
fn comparable(url: &str) -> String {
    let rest = url
        .split_once("://")
        .map_or_else(|| url.replacen(':', "/", 1), |(_, rest)| rest.to_owned());
    let (authority, path) = rest.split_once('/').unwrap_or((&rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.trim_end_matches('/');
    format!("{}/{}", host.to_lowercase(), path.strip_suffix(".git").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_are_the_same_however_they_are_written() {
        let one = comparable("https://ada:secret@code.example.org/shop/cart.git");
        for other in [
            "git@code.example.org:shop/cart",
            "ssh://git@Code.example.org/shop/cart/",
            "https://code.example.org/shop/cart.git/",
        ] {
            assert_eq!(comparable(other), one, "{other}");
        }
        assert_ne!(comparable("https://code.example.org/shop/carts"), one);
        assert_eq!(
            comparable("http://127.0.0.1:8400/git/a/b.git"),
            "127.0.0.1:8400/git/a/b"
        );
    }
}
