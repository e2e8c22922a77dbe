//! How a package's database in an environment is reached: by the actions, and by the package itself.

use std::collections::BTreeMap;

use database::engine::engine_of;
use database::{Dialect, Engine, EngineError};
use pipeline::document::DatabaseEngine;
use target::{LaunchSecret, SecretValue};

use super::ActionParts;
use crate::context::DeploymentContext;
use crate::ports::PortError;

/// The variable that names the database to a service, and the secret that it is where it holds a password.
const VARIABLE: &str = "DATABASE_URL";

/// Which SQL the migrations of a package are written in.
pub(super) fn dialect(engine: DatabaseEngine) -> Dialect {
    match engine {
        DatabaseEngine::Sqlite => Dialect::Sqlite,
        DatabaseEngine::Postgres => Dialect::Postgres,
        DatabaseEngine::Mysql => Dialect::Mysql,
    }
}

/// A database, and the password for it.
#[derive(Debug)]
pub(super) struct Reached {
    dialect: Dialect,
    url: String,
    password: Option<(String, SecretValue)>,
}

/// Finds the database of the component in the environment, and opens its password.
pub(super) async fn reach(
    parts: &ActionParts,
    context: &DeploymentContext,
    engine: DatabaseEngine,
) -> Result<Reached, PortError> {
    let (component, environment) = (&context.component_name, context.environment());
    let place = parts.databases.location(component, environment, engine)?;
    let password = match place.password {
        None => None,
        Some(name) => {
            let value = parts.secrets.value(&name, component, environment).await?;
            Some((name, SecretValue::new(value)))
        }
    };
    Ok(Reached {
        dialect: dialect(engine),
        url: place.url,
        password,
    })
}

impl Reached {
    /// What talks to it.
    pub(super) fn engine(&self) -> Result<Box<dyn Engine>, EngineError> {
        let password = self.password.as_ref().map(|(_, value)| value.reveal());
        engine_of(self.dialect, &self.url, password)
    }

    /// Tells a service where it is: in a variable, or as a secret where there is a password in it.
    pub(super) fn tell(&self, variables: &mut BTreeMap<String, String>, secrets: &mut Vec<LaunchSecret>) {
        let Some((name, password)) = &self.password else {
            variables.insert(VARIABLE.to_owned(), self.url.clone());
            return;
        };
        secrets.push(LaunchSecret {
            name: VARIABLE.to_owned(),
            value: SecretValue::new(with_password(&self.url, password.reveal())),
            variable: Some(VARIABLE.to_owned()),
        });
        // By itself too, so that it is masked wherever it is said alone.
        if !secrets.iter().any(|secret| secret.name == *name) {
            secrets.push(LaunchSecret {
                name: name.clone(),
                value: password.clone(),
                variable: None,
            });
        }
    }
}

/// The address with its password where other programs expect it: after the user's name.
fn with_password(url: &str, password: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority = rest.find(['/', '?']).unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => format!("{scheme}://{}:{}{}", &rest[..at], percent(password), &rest[at..]),
        None => url.to_owned(),
    }
}

/// Everything but letters, digits and `-._~` as `%` and two hexadecimal digits.
fn percent(text: &str) -> String {
    let mut coded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => coded.push(char::from(byte)),
            _ => coded.push_str(&format!("%{byte:02X}")),
        }
    }
    coded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(password: Option<&str>) -> Reached {
        Reached {
            dialect: Dialect::Postgres,
            url: "postgres://shop@db.internal:5433/shop?sslmode=disable".to_owned(),
            password: password.map(|password| ("shop-db".to_owned(), SecretValue::new(password))),
        }
    }

    #[test]
    fn a_service_is_told_an_address_with_a_password_as_a_secret() {
        let (mut variables, mut secrets) = (BTreeMap::new(), Vec::new());
        reached(Some("s3cret/@:é")).tell(&mut variables, &mut secrets);
        assert!(variables.is_empty());
        assert_eq!(secrets[0].variable.as_deref(), Some("DATABASE_URL"));
        assert_eq!(
            secrets[0].value.reveal(),
            "postgres://shop:s3cret%2F%40%3A%C3%A9@db.internal:5433/shop?sslmode=disable"
        );
        assert_eq!((secrets[1].name.as_str(), &secrets[1].variable), ("shop-db", &None));
        assert!(!format!("{:?}", reached(Some("s3cret"))).contains("s3cret"));
    }

    #[test]
    fn an_address_without_a_password_is_a_plain_variable() {
        let (mut variables, mut secrets) = (BTreeMap::new(), Vec::new());
        reached(None).tell(&mut variables, &mut secrets);
        assert_eq!(
            variables["DATABASE_URL"],
            "postgres://shop@db.internal:5433/shop?sslmode=disable"
        );
        assert!(secrets.is_empty());
    }
}
