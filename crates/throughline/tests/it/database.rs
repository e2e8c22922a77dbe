//! The server with its facts in PostgreSQL: which folder belongs to which database, and what somebody reads
//! who gave it a wrong one.

use process::{Ending, Signal};
use testkit::Postgres;
use throughline::Exit;

use crate::served::{Server, runtime, verified};
use crate::support::Home;

#[test]
fn a_killed_server_finds_its_facts_in_the_database_and_the_folder_knows_them() {
    let Some(database) = Postgres::start() else { return };
    let (home, runtime) = (Home::new(), runtime());
    home.file("address", &format!("{}\n", database.address()));
    let from_file = ["--database-file", "address"];
    let server = Server::start(&home, &runtime, "data", &from_file).ready();
    assert_eq!(server.record("first").exit, Exit::Done);
    let before = verified(&server);
    server.stop(Signal::KILL);
    assert!(!home.current.join("data/ledger.db").exists());

    // The folder is its own: nobody has to wait for the end of the killed one's lease.
    let server = Server::start(&home, &runtime, "data", &["--database", &database.address()]).ready();
    assert!(verified(&server) >= before);
    assert_eq!(server.record("second").exit, Exit::Done);
    assert!(!server.log().contains("waiting"), "{}", server.log());
    let (ending, log) = server.stop(Signal::TERM);
    assert_eq!(ending, Ending::Code(0), "{log}");

    // What is in the folder belongs to those facts.
    let (ending, log) = Server::start(&home, &runtime, "data", &[]).ended();
    assert_eq!(ending, Ending::Code(1));
    assert!(log.contains("belongs to facts in postgres://postgres@"), "{log}");
    assert!(log.contains("hint: say --database"), "{log}");
    let other = format!("{}&schema=other", database.address());
    let (ending, log) = Server::start(&home, &runtime, "data", &["--database", &other]).ended();
    assert_eq!(ending, Ending::Code(1));
    assert!(
        log.contains("does not hold the facts that belong to the data folder"),
        "{log}"
    );
    database
        .ask("UPDATE throughline.ledger_format SET format = 99")
        .unwrap();
    let (ending, log) = Server::start(&home, &runtime, "data", &from_file).ended();
    assert_eq!(ending, Ending::Code(1));
    assert!(
        log.contains("the ledger has format 99, this version reads up to 3"),
        "{log}"
    );
}

#[test]
fn a_folder_with_facts_of_its_own_is_not_used_with_a_database() {
    let (home, runtime) = (Home::new(), runtime());
    let server = Server::start(&home, &runtime, "data", &[]).ready();
    server.stop(Signal::TERM);
    let arguments = ["--database", "postgres://robin@localhost/delivery"];
    let (ending, log) = Server::start(&home, &runtime, "data", &arguments).ended();
    assert_eq!(ending, Ending::Code(1));
    assert!(
        log.contains("ledger.db holds facts already, and a database holds others"),
        "{log}"
    );
}

#[test]
fn another_folder_does_not_belong_to_the_facts_of_a_database() {
    let Some(database) = Postgres::start() else { return };
    let (home, runtime) = (Home::new(), runtime());
    let address = database.address();
    let on_it = ["--database", address.as_str()];
    let first = Server::start(&home, &runtime, "one", &on_it).ready();
    assert_eq!(first.record("first").exit, Exit::Done);
    for is_there in [true, false] {
        let (ending, log) = Server::start(&home, &runtime, "two", &on_it).ended();
        assert_eq!(ending, Ending::Code(Exit::Taken.code().into()), "{is_there}: {log}");
        assert!(
            log.contains("belong to the data folder") && log.contains("/one on "),
            "{log}"
        );
        assert!(log.contains("hint: start this server with that folder"), "{log}");
        if is_there {
            assert_eq!(first.record("second").exit, Exit::Done);
            first.child.signal(Signal::KILL).unwrap();
        }
    }
    first.ended();
}

#[test]
fn a_copy_of_the_folder_is_used_once_no_server_has_the_other_any_more() {
    let Some(database) = Postgres::start() else { return };
    let (home, runtime) = (Home::new(), runtime());
    let address = database.address();
    let on_it = ["--database", address.as_str()];
    let first = Server::start(&home, &runtime, "one", &on_it).ready();
    assert_eq!(first.record("first").exit, Exit::Done);
    let (from, to) = (home.current.join("one"), home.current.join("two"));
    std::fs::create_dir(&to).unwrap();
    for name in [
        "database.json",
        "operations.db",
        "operations.db-wal",
        "secrets.key",
        "signing.key",
    ] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let (ending, log) = Server::start(&home, &runtime, "two", &on_it).ended();
    assert_eq!(ending, Ending::Code(Exit::Taken.code().into()), "{log}");
    assert!(
        log.contains("with another copy of this data folder") && log.contains("/one on "),
        "{log}"
    );
    let facts = verified(&first);
    let token = first.token();
    let (ending, log) = first.stop(Signal::TERM);
    assert_eq!(ending, Ending::Code(0), "{log}");
    let second = Server::start(&home, &runtime, "two", &on_it).with_token(&token).ready();
    assert!(verified(&second) >= facts);
    second.stop(Signal::TERM);
}

#[test]
fn a_second_server_on_a_folder_with_a_file_of_facts_says_that_it_is_used() {
    let (home, runtime) = (Home::new(), runtime());
    let first = Server::start(&home, &runtime, "data", &[]).ready();
    let before = first.log();
    let (ending, log) = Server::start(&home, &runtime, "data", &[]).ended();
    assert_eq!(ending, Ending::Code(Exit::Taken.code().into()), "{log}");
    assert!(log[before.len()..].contains("is used by another server"), "{log}");
    assert_eq!(first.record("first").exit, Exit::Done);
    first.stop(Signal::TERM);
}

#[test]
fn the_password_of_a_database_is_never_shown() {
    let home = Home::new();
    home.file("address", "postgres://robin:s3cret@db.example/delivery");
    let address = "postgres://robin:s3cret@db.example:5433/delivery?sslmode=verify-full";
    for home in [
        Home::new().with("THROUGHLINE_DATABASE", address),
        Home::new().with("THROUGHLINE_DATABASE", "postgres://robin:s3cret@db.example:port/x"),
    ] {
        let called = home.call(&["settings"]);
        assert!(called.shown().contains("THROUGHLINE_DATABASE"), "{}", called.shown());
        assert!(!called.shown().contains("s3cret"), "{}", called.shown());
    }
    let shown = Home::new()
        .with("THROUGHLINE_DATABASE", address)
        .call(&["settings"])
        .shown();
    assert!(shown.contains("postgres://robin@db.example:5433/delivery"), "{shown}");
    for (arguments, exit, expected) in [
        (
            vec!["--database", "mysql://robin:s3cret@b/c"],
            Exit::Usage,
            "begins with `postgres://`",
        ),
        (
            vec!["--database", "postgres://robin:s3cret@b:x/c"],
            Exit::Usage,
            "--database does not fit",
        ),
        (
            vec!["--database", address, "--database-file", "address"],
            Exit::Usage,
            "are both given",
        ),
        (
            vec!["--database-file", "nothing"],
            Exit::Usage,
            "cannot read the address of the database",
        ),
        (
            vec!["--database", "postgres://robin:s3cret@127.0.0.1:1/x"],
            Exit::Failed,
            "error connecting to server",
        ),
    ] {
        let called = home.call(&[&["serve", "--data", "data"], arguments.as_slice()].concat());
        assert_eq!(called.exit, exit, "{arguments:?}: {}", called.err);
        assert!(called.err.contains(expected), "{arguments:?}: {}", called.err);
        assert!(!called.shown().contains("s3cret"), "{arguments:?}: {}", called.shown());
    }
}
