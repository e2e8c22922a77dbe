//! Services beside a job, as services beside a step: started the way this machine can, and found by the step's
//! commands through the variables that they look at.

use std::collections::{BTreeMap, BTreeSet};

use workflow::model::{At, Job, Service, StepKind};

use crate::beside::{Beside, Kind, Way, base, of_image};
use crate::view::View;
use crate::{Machine, ServicesAs};

/// How long a database may take, with its image being fetched.
const PATIENCE: &str = "2m";
/// The most sources that are looked through for the names of variables.
const MOST_SOURCES: usize = 400;

/// The services of a job, and what its steps see of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken {
    pub services: Vec<Placed>,
    /// What was not taken: what it is, its line, and why.
    pub left: Vec<(String, u32, String)>,
}

/// A service, and how those who use it find it.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub beside: Beside,
    kind: Option<&'static Kind>,
    /// What it is called in the other system, by whoever looks for it.
    hosts: BTreeSet<String>,
    /// The ports by which it is found there.
    ports: BTreeSet<u16>,
    /// Whether it listens on a port that does not change.
    is_fixed: bool,
    /// The job that it stands beside there.
    job: At,
}

/// How services are to run, and what there is to run them.
#[derive(Clone, Copy)]
pub(super) struct Ways<'a> {
    pub wish: ServicesAs,
    pub machine: &'a Machine,
}

/// Takes the services of a job.
pub(super) fn take(view: &View<'_>, job: &Job, ways: Ways<'_>) -> Taken {
    let mut taken = Taken::default();
    let mut names = BTreeSet::new();
    for service in job.services.iter().chain(&started(job)) {
        let line = if service.line > 0 { service.line } else { job.at.line };
        let what = format!("service {} of job `{}`", service.image, job.id);
        match one(view, job, service, ways, &mut names) {
            Ok(placed) => taken.services.push(placed),
            Err(reason) => taken.left.push((what, line, reason)),
        }
    }
    taken
}

/// Services that a job starts by actions made for that.
fn started(job: &Job) -> Vec<Service> {
    let used = job.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Use(used) => Some((step, used)),
        _ => None,
    });
    used.filter_map(|(step, used)| {
        let (_, image) = STARTERS.iter().find(|(name, _)| *name == used.name)?;
        let version = [format!("{image}-version"), "version".to_owned()];
        let version = version.iter().find_map(|name| used.input(name));
        let variables = ["user", "password", "db"].iter().filter_map(|name| {
            let value = used.input(&format!("postgresql {name}")).or_else(|| used.input(name))?;
            Some((format!("POSTGRES_{}", name.to_uppercase()), value.to_owned()))
        });
        Some(Service {
            image: match version.filter(|version| *version != "latest") {
                Some(version) => format!("{image}:{version}"),
                None => (*image).to_owned(),
            },
            variables: variables.filter(|_| *image == "postgres").collect(),
            ports: used
                .input(&format!("{image}-port"))
                .map(|port| format!("{port}:0"))
                .into_iter()
                .collect(),
            line: step.at.line,
            ..Service::default()
        })
    })
    .collect()
}

/// Whether a program speaks to a service as its own client.
pub(super) fn is_client(program: &str) -> bool {
    matches!(
        program,
        "psql"
            | "createdb"
            | "createuser"
            | "pg_isready"
            | "mysql"
            | "mysqladmin"
            | "mariadb"
            | "redis-cli"
            | "mongosh"
    )
}

/// Whether an action does nothing but start a service, which stands beside the tests here.
pub(super) fn is_starter(name: &str) -> bool {
    STARTERS.iter().any(|(known, _)| *known == name)
}

/// Actions that start a service, and the image that is the same.
const STARTERS: &[(&str, &str)] = &[
    ("supercharge/redis-github-action", "redis"),
    ("zhulik/redis-action", "redis"),
    ("getong/redis-action", "redis"),
    ("shogo82148/actions-setup-redis", "redis"),
    ("supercharge/mongodb-github-action", "mongo"),
    ("ankane/setup-postgres", "postgres"),
    ("harmon758/postgresql-action", "postgres"),
    ("ikalnytskyi/action-setup-postgres", "postgres"),
    ("shogo82148/actions-setup-mysql", "mysql"),
    ("mirromutth/mysql-action", "mysql"),
    ("getong/mariadb-action", "mariadb"),
    ("niden/actions-memcached", "memcached"),
];

fn one(
    view: &View<'_>,
    job: &Job,
    service: &Service,
    ways: Ways<'_>,
    names: &mut BTreeSet<String>,
) -> Result<Placed, String> {
    let mut about = Vec::new();
    let image = image(job, &service.image, &mut about)?;
    let kind = of_image(&image);
    let published = service
        .ports
        .iter()
        .filter_map(|port| Published::of(port))
        .collect::<Vec<_>>();
    let inner = kind
        .map(|kind| kind.port)
        .or_else(|| published.first().map(|port| port.inner))
        .ok_or("which port it listens on is not known: write it under the step's `services:`")?;
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    // GitLab hands a job's variables to its services.
    for (name, value) in job.variables.iter().chain(&service.variables) {
        let is_own = service.variables.iter().any(|(known, _)| known == name);
        let is_meant = is_own || name.starts_with(&base(&image).to_ascii_uppercase());
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let is_plain = !value.contains("${{") && !value.contains('$') && !value.chars().any(char::is_control);
        if is_meant && is_name && is_plain && !name.starts_with("THROUGHLINE") {
            given.insert(name.clone(), value.clone());
        }
    }
    let name = free_name(service.name.as_deref().unwrap_or(base(&image)), names);
    let mut hosts: BTreeSet<String> = ["localhost", "127.0.0.1", "0.0.0.0"].map(str::to_owned).into();
    hosts.extend(service.name.clone());
    hosts.insert(base(&image).to_owned());
    let mut ports: BTreeSet<u16> = published.iter().filter_map(|port| port.outer).collect();
    ports.insert(inner);

    // Whoever has its address written into the code can only find it there.
    let wanted_at = ports.iter().next().copied().filter(|_| ports.len() == 1);
    let is_told = kind.is_none_or(|kind| is_told(view, job, kind, &hosts, &ports));
    let fixed = wanted_at.filter(|_| !is_told);
    let process = kind.and_then(|kind| {
        let is_there = kind.program.is_some_and(|program| ways.machine.has(program));
        let (run, ready) = kind.process(&given, fixed)?;
        Some((run, ready, is_there))
    });
    let as_process = match ways.wish {
        ServicesAs::Process => process.is_some(),
        ServicesAs::Container => false,
        ServicesAs::Machine => process
            .as_ref()
            .is_some_and(|(_, _, is_there)| *is_there && (fixed.is_some() || !ways.machine.containers)),
    };
    let placed = |beside, is_fixed| Placed {
        beside,
        kind,
        hosts,
        ports,
        is_fixed,
        job: job.at.clone(),
    };
    if let Some((run, ready, _)) = process.filter(|_| as_process) {
        about.push(match fixed {
            Some(port) => format!(
                "{image} there; as a process, since the code looks for it at port {port} of this machine: nothing else may listen there"
            ),
            None => format!("{image} there; as a process of this machine, in the version that is installed (`--services container` puts it into its image)"),
        });
        let beside = Beside {
            name,
            about,
            way: Way::Process { run },
            variables: BTreeMap::new(),
            ready,
            within: PATIENCE,
        };
        return Ok(placed(beside, fixed.is_some()));
    }
    if let Some(port) = fixed {
        about.push(format!(
            "the code seems to look for it at port {port}; here its port is told by ${}_PORT",
            prefix(&name)
        ));
    }
    let ready = match kind {
        Some(kind) => kind.ready(&given, service.health.as_deref()),
        None => service.health.clone(),
    };
    let beside = Beside {
        name,
        about,
        way: Way::Container { image, port: inner },
        variables: given,
        ready: ready.filter(|ready| !ready.contains("${{")),
        within: PATIENCE,
    };
    Ok(placed(beside, false))
}

/// The image with what a matrix fills into its name: the greatest value, which is the newest version.
fn image(job: &Job, written: &str, about: &mut Vec<String>) -> Result<String, String> {
    let mut image = written.trim().to_owned();
    for (axis, values) in &job.axes {
        for form in [
            format!("${{{{ matrix.{axis} }}}}"),
            format!("${{{{matrix.{axis}}}}}"),
            format!("${{{axis}}}"),
            format!("${axis}"),
        ] {
            if image.contains(&form)
                && let Some(newest) = values.iter().max_by_key(|value| parts_of(value))
            {
                about.push(format!("the matrix there has it with {}", values.join(", ")));
                image = image.replace(&form, newest);
            }
        }
    }
    let fits = !image.is_empty()
        && image
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@'));
    if fits {
        Ok(image)
    } else {
        Err("the name of its image is worked out while it runs there".to_owned())
    }
}

/// A version as numbers, so that 10 comes after 9.
fn parts_of(version: &str) -> Vec<u64> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

/// A port as it is published: the one outside, where it is said, and the one within.
struct Published {
    outer: Option<u16>,
    inner: u16,
}

impl Published {
    fn of(written: &str) -> Option<Self> {
        let written = written.split('/').next()?;
        let mut parts = written.rsplit(':');
        Some(Self {
            inner: parts.next()?.trim().parse().ok()?,
            outer: parts.next().and_then(|port| port.trim().parse().ok()),
        })
    }
}

/// A name that the language allows and no other service of the job has.
fn free_name(wanted: &str, names: &mut BTreeSet<String>) -> String {
    let plain: String = wanted
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(30)
        .collect();
    let plain = plain.trim_matches('-');
    let plain = if plain.starts_with(|c: char| c.is_ascii_lowercase()) {
        plain.to_owned()
    } else {
        format!("service-{plain}").trim_end_matches('-').to_owned()
    };
    let mut name = plain.clone();
    let mut number = 2;
    while !names.insert(name.clone()) {
        name = format!("{plain}-{number}");
        number += 1;
    }
    name
}

/// What the variables of a service begin with.
fn prefix(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}

/// Whether what uses the service can be told where it is: by a variable that the job sets, or by one that the
/// code or the clients themselves look at.
fn is_told(view: &View<'_>, job: &Job, kind: &Kind, hosts: &BTreeSet<String>, ports: &BTreeSet<u16>) -> bool {
    let by_job = job.steps.iter().flat_map(|step| &step.variables).chain(&job.variables);
    let is_set = by_job.into_iter().any(|(name, value)| {
        let names_port = ports
            .iter()
            .any(|port| value == &port.to_string() && name.to_ascii_uppercase().contains("PORT"));
        names_port
            || (hosts.iter().any(|host| value.contains(&format!("{host}:")))
                && ports.iter().any(|port| value.contains(&format!(":{port}"))))
    });
    if is_set {
        return true;
    }
    let names: Vec<&str> = kind.customary.iter().map(|(name, _)| *name).collect();
    let (mut says_port, mut looks) = (false, false);
    let addresses = ["localhost", "127.0.0.1"].map(|host| format!("{host}:{}", kind.port));
    for path in view.below("").filter(|path| is_source(path)).take(MOST_SOURCES) {
        let text = view.text_or_empty(path);
        // A test with the address in it is not told otherwise, unless the address is only what it falls back on.
        let is_written = |line: &str| {
            addresses.iter().any(|address| line.contains(address)) && !line.to_ascii_lowercase().contains("env")
        };
        if is_test(path) && text.lines().any(is_written) {
            return false;
        }
        looks |= names.iter().any(|name| text.contains(name));
        says_port |= text.contains(&kind.port.to_string());
    }
    looks || (kind.is_found_by_custom && !says_port)
}

/// Whether a source is one of tests.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| {
        let part = part.to_ascii_lowercase();
        part.starts_with("test") || part.starts_with("spec") || part.contains(".test.") || part.contains("_test.")
    })
}

fn is_source(path: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "py", "js", "ts", "mjs", "cjs", "go", "rs", "rb", "java", "kt", "php", "exs", "ex", "toml", "ini", "cfg",
    ];
    let ending = path.rsplit_once('.').map(|(_, ending)| ending);
    ending.is_some_and(|ending| ENDINGS.contains(&ending)) && !path.contains("node_modules/")
}

impl Placed {
    /// The value of a variable with what told the address of the service in its place; nothing where it did not.
    fn retold(&self, name: &str, value: &str) -> Option<String> {
        if self.is_fixed {
            return None;
        }
        let own = prefix(&self.beside.name);
        let (host, port) = (format!("${own}_HOST"), format!("${own}_PORT"));
        let upper = name.to_ascii_uppercase();
        let is_about = self
            .kind
            .is_some_and(|kind| kind.words.iter().any(|word| upper.contains(word)))
            || upper.contains(&own);
        if upper.contains("PORT") && self.ports.iter().any(|known| value == known.to_string()) {
            return Some(port);
        }
        let is_place = ["HOST", "SERVER", "ADDR"].iter().any(|word| upper.contains(word));
        if is_about && is_place && self.hosts.contains(value) {
            return Some(host);
        }
        for known in &self.hosts {
            for number in &self.ports {
                let address = format!("{known}:{number}");
                if let Some(at) = value.find(&address) {
                    let is_whole = !value[..at]
                        .ends_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
                        && !value[at + address.len()..].starts_with(|c: char| c.is_ascii_digit());
                    if is_whole {
                        let (before, after) = (quoted(&value[..at]), quoted(&value[at + address.len()..]));
                        return Some(format!("{before}{host}:{port}{after}"));
                    }
                }
            }
            // An address without a port means the usual one.
            let schemes = self.kind.map_or(&[][..], |kind| kind.schemes);
            let is_address = value
                .split_once("://")
                .is_some_and(|(scheme, _)| schemes.iter().any(|own| scheme.split('+').any(|part| part == *own)));
            if is_address {
                for (open, close) in [("@", "/"), ("//", "/")] {
                    if let Some(at) = value.find(&format!("{open}{known}{close}")) {
                        let from = at + open.len();
                        let (before, after) = (quoted(&value[..from]), quoted(&value[from + known.len()..]));
                        return Some(format!("{before}{host}:{port}{after}"));
                    }
                }
            }
        }
        None
    }

    /// Whether another job has one of the same kind instead.
    pub fn is_variant_of(&self, other: &Self) -> bool {
        self.kind.is_some() && self.kind == other.kind && self.job != other.job
    }

    /// Whether it is called as its kind usually is.
    pub fn is_usual(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_usual(&self.beside.name))
    }

    /// The variables that its clients look at by custom.
    fn customary(&self) -> Vec<(String, String)> {
        let own = prefix(&self.beside.name);
        let all = self
            .kind
            .filter(|_| !self.is_fixed)
            .map_or(&[][..], |kind| kind.customary);
        all.iter()
            .map(|(name, value)| {
                let value = value
                    .replace("$HOST", &format!("${own}_HOST"))
                    .replace("$PORT", &format!("${own}_PORT"));
                ((*name).to_owned(), value)
            })
            // Those are there by the service's name already.
            .filter(|(name, value)| *value != format!("${name}"))
            .collect()
    }
}

/// A text within double quotes of a shell.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// What a step's variables become beside these services: those that stay as they are, and those that are made of
/// where the services are.
pub(super) fn retell(services: &[Placed], variables: &mut BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for placed in services {
        let mut is_told = false;
        for (name, value) in variables.iter() {
            if let Some(value) = placed.retold(name, value)
                && !exports.contains_key(name)
            {
                is_told |= value.contains("_PORT");
                exports.insert(name.clone(), value);
            }
        }
        if !is_told {
            for (name, value) in placed.customary() {
                if !variables.contains_key(&name) {
                    exports.entry(name).or_insert(value);
                }
            }
        }
    }
    variables.retain(|name, _| !exports.contains_key(name));
    // What the service's own name tells already needs no more.
    exports.retain(|name, value| *value != format!("${name}"));
    exports
}
