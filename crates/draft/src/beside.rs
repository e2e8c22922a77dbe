//! Services beside a step: how those that many projects use are started, and how one sees that they are ready.

use std::collections::BTreeMap;

/// A service beside a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beside {
    pub name: String,
    /// What is said about it, in lines.
    pub about: Vec<String>,
    pub way: Way,
    pub variables: BTreeMap<String, String>,
    /// Commands that succeed when it is ready; when its port answers where nothing is said.
    pub ready: Option<String>,
    pub within: &'static str,
}

/// What it runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// A process of the machine.
    Process { run: Vec<String> },
    /// A container.
    Container { image: String, port: u16 },
}

impl Beside {
    /// The program that it is, as a process.
    pub fn program(&self) -> Option<&'static str> {
        let Way::Process { run } = &self.way else { return None };
        let programs = KINDS.iter().filter_map(|kind| kind.program);
        programs
            .into_iter()
            .find(|program| run.iter().any(|line| line.contains(&format!(" {program} "))))
    }
}

/// A kind of service that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The last part of its images' names.
    images: &'static [&'static str],
    /// The port that it listens on.
    pub port: u16,
    /// The beginnings of addresses that lead to it.
    pub schemes: &'static [&'static str],
    /// What the names of variables about it contain.
    pub words: &'static [&'static str],
    /// The program that a process of it is.
    pub program: Option<&'static str>,
    /// Variables that its clients look at by themselves, or by custom.
    pub customary: &'static [(&'static str, &'static str)],
    /// Whether its usual clients look at those variables without being told.
    pub is_found_by_custom: bool,
    /// Whether its image asks to be looked at in a way of its own.
    asks: Asks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Port,
    Postgres,
    Mysql,
    Redis,
}

const fn kind(images: &'static [&'static str], port: u16) -> Kind {
    Kind {
        images,
        port,
        schemes: &[],
        words: &[],
        program: None,
        customary: &[],
        is_found_by_custom: false,
        asks: Asks::Port,
    }
}

const KINDS: &[Kind] = &[
    Kind {
        schemes: &["postgres", "postgresql", "postgis", "pgsql"],
        words: &["PG", "POSTGRES", "DB", "DATABASE", "SQL"],
        program: Some("postgres"),
        customary: &[("PGHOST", "$HOST"), ("PGPORT", "$PORT")],
        is_found_by_custom: true,
        asks: Asks::Postgres,
        ..kind(&["postgres", "postgis", "postgresql", "timescaledb", "pgvector"], 5432)
    },
    Kind {
        schemes: &["mysql", "mysql2", "mariadb"],
        words: &["MYSQL", "MARIADB", "DB", "DATABASE", "SQL"],
        customary: &[("MYSQL_HOST", "$HOST"), ("MYSQL_TCP_PORT", "$PORT")],
        asks: Asks::Mysql,
        ..kind(&["mysql", "mariadb", "percona"], 3306)
    },
    Kind {
        schemes: &["redis"],
        words: &["REDIS", "VALKEY", "CACHE", "BROKER"],
        program: Some("redis-server"),
        customary: &[
            ("REDIS_HOST", "$HOST"),
            ("REDIS_PORT", "$PORT"),
            ("REDIS_URL", "redis://$HOST:$PORT"),
        ],
        asks: Asks::Redis,
        ..kind(&["redis", "valkey", "redis-stack-server", "keydb"], 6379)
    },
    Kind {
        schemes: &["mongodb"],
        words: &["MONGO"],
        customary: &[
            ("MONGO_URL", "mongodb://$HOST:$PORT"),
            ("MONGODB_URI", "mongodb://$HOST:$PORT"),
        ],
        ..kind(&["mongo", "mongodb"], 27017)
    },
    Kind {
        words: &["MEMCACHE", "CACHE"],
        program: Some("memcached"),
        customary: &[("MEMCACHED_HOST", "$HOST"), ("MEMCACHED_PORT", "$PORT")],
        ..kind(&["memcached"], 11211)
    },
    Kind {
        schemes: &["amqp"],
        words: &["RABBIT", "AMQP", "BROKER"],
        customary: &[
            ("AMQP_URL", "amqp://$HOST:$PORT"),
            ("RABBITMQ_URL", "amqp://$HOST:$PORT"),
        ],
        ..kind(&["rabbitmq"], 5672)
    },
    Kind {
        words: &["ELASTIC", "OPENSEARCH", "SEARCH"],
        customary: &[("ELASTICSEARCH_URL", "http://$HOST:$PORT")],
        ..kind(&["elasticsearch", "opensearch"], 9200)
    },
    kind(&["minio"], 9000),
    kind(&["localstack"], 4566),
    kind(&["nats"], 4222),
    kind(&["clickhouse-server", "clickhouse"], 8123),
    kind(&["mailpit", "mailhog"], 1025),
    kind(&["dynamodb-local"], 8000),
    kind(&["couchdb"], 5984),
    kind(&["cassandra"], 9042),
    kind(&["meilisearch"], 7700),
    kind(&["selenium", "standalone-chrome", "standalone-firefox"], 4444),
];

/// The kind of an image, by the last part of its name.
pub(crate) fn of_image(image: &str) -> Option<&'static Kind> {
    let name = base(image);
    let is = |kind: &&Kind| kind.images.contains(&name);
    let has = |kind: &&Kind| name.split('-').any(|part| kind.images.contains(&part));
    KINDS.iter().find(is).or_else(|| KINDS.iter().find(has))
}

/// The last part of an image's name, without its tag and digest.
pub(crate) fn base(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(':').next().unwrap_or(name)
}

impl Kind {
    /// Whether a name is the one by which most know it.
    pub fn is_usual(&self, name: &str) -> bool {
        self.images.first() == Some(&name)
    }

    /// How it is started as a process; nothing where that is not known. With `at`, it listens on that port
    /// instead of a free one.
    pub fn process(&self, given: &BTreeMap<String, String>, at: Option<u16>) -> Option<(Vec<String>, Option<String>)> {
        let port = at.map_or_else(|| "\"$PORT\"".to_owned(), |port| port.to_string());
        match self.program? {
            "redis-server" => Some((
                vec![format!("exec redis-server --bind 127.0.0.1 --port {port} --save \"\"")],
                at.map(|port| format!("redis-cli -p {port} ping")),
            )),
            // Nothing that is everywhere says whether another port answers.
            "memcached" if at.is_none() => Some((vec![format!("exec memcached -l 127.0.0.1 -p {port}")], None)),
            "postgres" => Some(postgres(given, &port)),
            _ => None,
        }
    }

    /// How one sees in its container that it is ready, and how long that may take.
    pub fn ready(&self, given: &BTreeMap<String, String>, health: Option<&str>) -> Option<String> {
        match self.asks {
            // While the image makes its first database, it answers on its socket only.
            Asks::Postgres => Some(format!(
                "pg_isready -h 127.0.0.1 -U {}",
                word(given.get("POSTGRES_USER").map_or("postgres", String::as_str))?
            )),
            Asks::Redis => Some("redis-cli ping".to_owned()),
            Asks::Mysql => Some(health.unwrap_or("mysqladmin ping -h 127.0.0.1").to_owned()),
            Asks::Port => health.map(str::to_owned),
        }
    }
}

/// A text that is one word for every shell.
fn word(text: &str) -> Option<&str> {
    let fits = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    fits.then_some(text)
}

/// PostgreSQL with a cluster of its own, which goes with it. Every password is right.
fn postgres(given: &BTreeMap<String, String>, port: &str) -> (Vec<String>, Option<String>) {
    let user = given
        .get("POSTGRES_USER")
        .and_then(|user| word(user))
        .unwrap_or("postgres");
    let database = given.get("POSTGRES_DB").and_then(|name| word(name)).unwrap_or(user);
    let mut run = vec![
        "for bin in /usr/lib/postgresql/*/bin; do PATH=\"$bin:$PATH\"; done".to_owned(),
        "data=\"$(mktemp -d)\"".to_owned(),
        "trap 'rm -rf \"$data\"' EXIT; trap 'exit 0' TERM INT".to_owned(),
        "# it does not start as root".to_owned(),
        "as=; if [ \"$(id -u)\" = 0 ]; then as='setpriv --reuid=nobody --regid=nogroup --clear-groups'; chown nobody \"$data\"; fi".to_owned(),
        "cd \"$data\"".to_owned(),
        format!("$as initdb --pgdata db --username {user} --auth trust --encoding UTF8 --no-sync"),
    ];
    if database != "postgres" {
        run.push(format!(
            "echo 'create database \"{database}\"' | $as postgres --single -D db postgres"
        ));
    }
    run.push(format!(
        "$as postgres -D db -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=\"$data\" -c fsync=off"
    ));
    (
        run,
        Some(format!(
            "psql -h 127.0.0.1 -p {port} -U {user} -d {database} -c 'select 1'"
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_the_last_part_of_their_names() {
        for (image, port) in [
            ("postgres", Some(5432)),
            ("docker.io/library/postgres:16-alpine", Some(5432)),
            ("ghcr.io/a/redis@sha256:00", Some(6379)),
            ("bitnami/mariadb:11", Some(3306)),
            ("ghcr.io/a/postgres-ssl:18", Some(5432)),
            ("example.org:5000/own", None),
        ] {
            assert_eq!(of_image(image).map(|kind| kind.port), port, "{image}");
        }
    }
}
