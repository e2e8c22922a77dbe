//! An older program on what a newer one wrote: it is refused, said, and left as it is.

use process::{Ending, Signal};
use rusqlite::Connection;

use crate::served::{Server, runtime};
use crate::support::Home;

#[test]
fn a_store_of_a_newer_version_is_refused_with_an_exit_code_and_left_as_it_is() {
    for (name, told) in [
        ("ledger.db", "the ledger has format 99, this version reads up to 1"),
        (
            "operations.db",
            "operations.db was written by a newer version of throughline (99, this one knows 6)",
        ),
    ] {
        let (home, runtime) = (Home::new(), runtime());
        let server = Server::start(&home, &runtime, "data", &[]).ready();
        let (ending, log) = server.stop(Signal::TERM);
        assert_eq!(ending, Ending::Code(0), "{log}");
        let path = home.current.join("data").join(name);
        let file = Connection::open(&path).unwrap();
        file.execute_batch("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)")
            .unwrap();
        drop(file);
        let before = std::fs::read(&path).unwrap();
        let (ending, log) = Server::start(&home, &runtime, "data", &[]).ended();
        assert_eq!(ending, Ending::Code(1), "{log}");
        assert!(log.contains(told), "{log}");
        assert!(log.contains("hint: use the"), "{log}");
        assert!(std::fs::read(&path).unwrap() == before, "{name} was changed");
    }
}
