//! The database of an environment: where it is, without what is secret.

use super::{Database, file};
use crate::checks::Checks;
use crate::document::DatabaseEngine;
use crate::yaml::Node;

/// Checks what stands at `node`.
pub(super) fn database(checks: &Checks<'_>, node: &Node, written: file::Database) -> Database {
    let kind = match written.kind {
        file::DatabaseKind::Sqlite => DatabaseEngine::Sqlite,
        file::DatabaseKind::Postgres => DatabaseEngine::Postgres,
        file::DatabaseKind::Mysql => DatabaseEngine::Mysql,
    };
    let place = node.place_of(&["url"]);
    let password = written.password.map(|password| {
        checks.secret(node.place_of(&["password", "secret"]), &password.secret);
        password.secret
    });
    match (kind, written.url.as_deref().map(str::trim)) {
        (DatabaseEngine::Sqlite, Some("")) => checks.say(place, "the path is empty", None),
        (DatabaseEngine::Sqlite, _) => {
            if password.is_some() {
                let hint = "remove it, or change the kind";
                checks.say(
                    node.place_of(&["password"]),
                    "a file of SQLite has no password",
                    Some(hint),
                );
            }
        }
        (_, None) => {
            let message = format!("`kind: {kind}` needs `url`");
            let hint = format!("write where it is, such as `url: {}`", example(kind));
            checks.say(node.place_of(&["kind"]), message, Some(&hint));
        }
        (_, Some(url)) => {
            if let Err((message, hint)) = check_url(kind, url, password.is_some()) {
                checks.say(place, message, Some(&hint));
            }
        }
    }
    Database {
        kind,
        url: written.url.map(|url| url.trim().to_owned()),
        password,
    }
}

fn example(kind: DatabaseEngine) -> &'static str {
    match kind {
        DatabaseEngine::Sqlite => "/srv/shop.db",
        DatabaseEngine::Postgres => "postgres://shop@db.internal:5432/shop",
        DatabaseEngine::Mysql => "mysql://shop@db.internal:3306/shop",
    }
}

/// What is wrong with an address, and how to mend it. What stands in it is not repeated: it may be secret.
fn check_url(kind: DatabaseEngine, url: &str, has_password: bool) -> Result<(), (String, String)> {
    let such_as = format!("write it like `{}`", example(kind));
    let schemes: &[&str] = match kind {
        DatabaseEngine::Sqlite => return Ok(()),
        DatabaseEngine::Postgres => &["postgres://", "postgresql://"],
        DatabaseEngine::Mysql => &["mysql://", "mariadb://"],
    };
    let Some(rest) = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        let expected = schemes.first().unwrap_or(&"");
        return Err((
            format!("the address of a database of kind {kind} begins with `{expected}`"),
            such_as,
        ));
    };
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split_once('/').map_or(place, |(authority, _)| authority);
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    let hint = "put it into a secret (`throughline secret set NAME`), and name that here: `password: { secret: NAME }`";
    if user.is_some_and(|user| user.contains(':')) || parameters.split('&').any(|one| one.starts_with("password=")) {
        return Err(("a password stands in the address".to_owned(), hint.to_owned()));
    }
    if has_password && user.is_none_or(str::is_empty) {
        return Err(("the address names no user whose password it is".to_owned(), such_as));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(url: &str, has_password: bool) -> String {
        check_url(DatabaseEngine::Postgres, url, has_password)
            .err()
            .map(|(message, _)| message)
            .unwrap_or_default()
    }

    #[test]
    fn an_address_without_a_password_is_taken() {
        for url in [
            "postgres://shop@db.internal:5432/shop",
            "postgresql://shop@[::1]:5432/{team}_{component}?sslmode=disable",
            "postgres:///shop?host=/run/postgresql&user=shop",
        ] {
            assert_eq!(said(url, false), "", "{url}");
        }
        assert_eq!(said("postgres://shop@db.internal/shop", true), "");
    }

    #[test]
    fn an_address_with_a_password_in_it_is_refused_and_not_repeated() {
        for url in [
            "postgres://shop:s3cret@db/shop",
            "postgres://shop@db/shop?x=1&password=s3cret",
        ] {
            assert_eq!(said(url, false), "a password stands in the address");
        }
        assert!(said("mysql://shop@db/shop", false).contains("begins with `postgres://`"));
        assert_eq!(
            said("postgres://db/shop", true),
            "the address names no user whose password it is"
        );
    }
}
