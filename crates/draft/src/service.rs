//! Whether what is built answers requests: the variable it takes its port from, and the path that says whether it
//! is well, as the sources name them.

use std::sync::LazyLock;

use regex::Regex;

use crate::part::Service;
use crate::view::{View, is_beside, line_of};

/// The most sources that are looked at.
const MOST: usize = 400;

/// What the sources name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    port: String,
    port_at: String,
    health: Option<(String, String)>,
}

#[expect(
    clippy::expect_used,
    reason = "a pattern that is written here and tried by the tests"
)]
static PORT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        (?:env::var(?:_os)?\(\s*"|process\.env\.|process\.env\[\s*['"]|environ(?:\.get\(|\[)\s*['"]|getenv\(\s*['"]
          |Getenv\(\s*"|LookupEnv\(\s*"|\$\{|ENV\[\s*['"]|env\s*=\s*")
        ((?:HTTP_|SERVER_|APP_|LISTEN_|WEB_|API_)?PORT)\b"#,
    )
    .expect("a right pattern")
});
#[expect(
    clippy::expect_used,
    reason = "a pattern that is written here and tried by the tests"
)]
static HEALTH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"["'`](/(?:api/)?(?:health(?:z|check|-check)?|_health|livez?|liveness|readyz?|readiness|ping|-/healthy|actuator/health))/?["'`]"#,
    )
    .expect("a right pattern")
});

/// Looks through the sources of a folder. Nothing where no port is taken from a variable.
pub(crate) fn look(view: &View<'_>, folder: &str, endings: &[&str]) -> Option<Found> {
    let mut port: Option<(String, String)> = None;
    let mut health: Option<(String, String)> = None;
    let sources = view
        .below(folder)
        .filter(|path| {
            path.rsplit_once('.')
                .is_some_and(|(_, ending)| endings.contains(&ending))
                && !is_beside(path)
        })
        .take(MOST);
    for path in sources {
        let Some(text) = view.text(path) else { continue };
        let place = |needle: &str| match line_of(&text, needle) {
            Some(line) => format!("{path}:{line}"),
            None => path.to_owned(),
        };
        if let Some(found) = PORT.captures(&text)
            && port
                .as_ref()
                .is_none_or(|(name, _)| name != "PORT" && &found[1] == "PORT")
        {
            port = Some((found[1].to_owned(), place(&found[0])));
        }
        if health.is_none()
            && let Some(found) = HEALTH.captures(&text)
        {
            health = Some((found[1].to_owned(), place(&found[0])));
        }
    }
    let (port, port_at) = port?;
    Some(Found { port, port_at, health })
}

impl Found {
    /// The service that is started by a command.
    pub fn running(self, command: Vec<String>) -> Service {
        let mut about = vec![format!("it takes its port from `{}` ({})", self.port, self.port_at)];
        match &self.health {
            Some((path, place)) => about.push(format!("it says whether it is well at {path} ({place})")),
            None => about.push("no path that says whether it is well was found, so `/` is asked".to_owned()),
        }
        Service {
            command,
            port: (self.port != "PORT").then_some(self.port),
            health: self.health.map(|(path, _)| path),
            about,
        }
    }
}
