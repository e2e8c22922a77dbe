//! Deployments that bring the schema of a database server forward.

use serde_json::json;
use testkit::Postgres;

use crate::house::{House, bytes_of};
use crate::repository::{Repository, service};

const COMPONENT: &str = "team/app";
const PASSWORD: &str = "s3cret-words-of-the-database";

/// Two environments, each with a schema of its own.
fn environments(database: &Postgres) -> String {
    let place = |environment: &str| {
        database.ask(&format!("CREATE SCHEMA {environment}_app")).unwrap();
        let address = database.address();
        format!(
            "{{ kind: postgres, url: \"{address}&options=-csearch_path%3D{environment}_{{component}}\", \
             password: {{ secret: shop-db }} }}"
        )
    };
    format!(
        "throughline: 1\nenvironments:\n  staging: {{ database: {} }}\n  production: {{ after: [staging], database: {} }}\n",
        place("staging"),
        place("production")
    )
}

#[test]
fn a_package_brings_its_schema_to_a_server_and_the_password_is_told_to_nobody_else() {
    let Some(database) = Postgres::start() else { return };
    let more = "database: { engine: postgres, migrations: migrations }\n";
    let house = House::with(&environments(&database), json!({}));
    let repository = Repository::of_service("one");
    repository.write(
        "migrations/V1__start.sql",
        b"CREATE TABLE things (id int PRIMARY KEY);\nINSERT INTO things VALUES (1);\n",
    );
    repository.write(
        "migrations/V2__index.sql",
        b"CREATE INDEX CONCURRENTLY by_id ON things (id);\n",
    );
    repository.define(&service("VERSION: one", more));
    let first = repository.commit("feat: one");
    repository.push(&house, COMPONENT, &["main"]);
    // Without its password nothing is tried.
    let run = house.until("a deployment without its password", || {
        let runs = house.runs(&format!(
            "kind=deployment&commit={first}&environment=staging&result=failed"
        ));
        runs.into_iter().next()
    });
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.contains("shop-db"), "{reason}");

    house.set_secret("shop-db", PASSWORD);
    repository.write("migrations/V3__more.sql", b"ALTER TABLE things ADD name text;\n");
    repository.define(&service("VERSION: two", more));
    let second = repository.commit("feat: two");
    repository.push(&house, COMPONENT, &["main"]);
    let place = house.comes_to(COMPONENT, "production", &second);
    assert!(place["schema_state"].to_string().contains('3'), "{place}");
    for environment in ["staging", "production"] {
        let columns = format!(
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = '{environment}_app' AND table_name = 'things'"
        );
        assert_eq!(database.ask(&columns).unwrap(), "2", "{environment}");
    }

    // A migration that fails leaves the schema as it was, and the package is told to be bad.
    repository.write(
        "migrations/V4__bad.sql",
        b"CREATE TABLE half (id int);\nINSERT INTO nowhere VALUES (1);\n",
    );
    repository.define(&service("VERSION: three", more));
    let bad = repository.commit("feat: bad");
    repository.push(&house, COMPONENT, &["main"]);
    let run = house.until("the failed deployment", || {
        let runs = house.runs(&format!(
            "kind=deployment&commit={bad}&environment=staging&result=failed"
        ));
        runs.into_iter().next()
    });
    let reason = run["reason"].as_str().unwrap();
    assert!(
        reason.contains("V4__bad.sql:2") && reason.contains("nowhere"),
        "{reason}"
    );
    assert_eq!(database.ask("SELECT to_regclass('staging_app.half')").unwrap(), "");
    let log = house.log_of(run["id"].as_str().unwrap(), "migrate");

    let facts = serde_json::to_string(&house.facts()).unwrap();
    for (what, text) in [
        ("facts", &facts),
        ("the server's log", &house.log()),
        ("a step's log", &log),
    ] {
        assert!(!text.contains(PASSWORD), "{what}");
    }
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut listed = processes.filter(|process| {
        let arguments = bytes_of(&process.path().join("cmdline"));
        String::from_utf8_lossy(&arguments).contains(PASSWORD)
    });
    assert!(listed.next().is_none());
    house.is_whole();
}
