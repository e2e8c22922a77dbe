//! What the tests need besides a toolchain and git: found, or installed where that is possible.

use std::path::{Path, PathBuf};

use super::{Outcome, containers};
use crate::command;

/// A package of Debian's, how to see that it is there, what tests call it that need it, and what cannot be
/// tested without it.
struct Need {
    package: &'static str,
    name: Option<&'static str>,
    there: fn() -> bool,
    without: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        package: "git",
        name: None,
        there: || command::find("git").is_some(),
        without: "nothing that pushes or fetches can be tested",
    },
    Need {
        package: "skopeo",
        name: Some("skopeo"),
        there: || command::find("skopeo").is_some(),
        without: "tests that read packages with a client of others leave themselves out",
    },
    Need {
        package: "chromium",
        name: Some("chromium"),
        there: || command::find("chromium").is_some(),
        without: "tests of the pages in a browser leave themselves out",
    },
    Need {
        package: "openssh-server",
        name: Some("sshd"),
        there: || Path::new("/usr/sbin/sshd").is_file(),
        without: "tests that follow a repository over ssh leave themselves out",
    },
    Need {
        package: "podman",
        name: None,
        there: || command::find("podman").is_some(),
        without: "tests of steps in containers leave themselves out",
    },
    Need {
        // Podman takes another runtime too, and this one copes with control groups of both versions at once.
        package: "runc",
        name: None,
        there: || command::find("runc").is_some() || Path::new("/usr/sbin/runc").is_file(),
        without: "on some machines no container can be run",
    },
    Need {
        package: "docker.io",
        name: None,
        there: || Path::new("/usr/sbin/dockerd").is_file() || command::find("dockerd").is_some(),
        without: "steps in containers are tried by Podman alone",
    },
    Need {
        package: "catatonit",
        name: None,
        there: || command::find("catatonit").is_some(),
        without: "containers of tests have no first process of their own",
    },
    Need {
        package: "busybox-static",
        name: None,
        there: || command::find("busybox").is_some(),
        without: "the image of the tests cannot be made",
    },
    Need {
        package: "npm",
        name: None,
        there: || command::find("npm").is_some(),
        without: "tests that share results through a bucket leave themselves out",
    },
    Need {
        package: "postgresql",
        name: Some("postgresql"),
        there: || Path::new("/usr/lib/postgresql").is_dir(),
        without: "tests of the ledger on PostgreSQL leave themselves out, and no real database runs beside a step",
    },
    Need {
        package: "mariadb-server",
        name: Some("mariadb"),
        there: || Path::new("/usr/sbin/mariadbd").is_file(),
        without: "migrations of MariaDB and MySQL are not tried",
    },
    Need {
        package: "cmake",
        name: None,
        there: || command::find("cmake").is_some(),
        without: "the worked examples of its language are not run",
    },
    Need {
        package: "g++",
        name: None,
        there: || command::find("g++").is_some(),
        without: "the worked examples of its language are not run",
    },
    Need {
        package: "make",
        name: None,
        there: || command::find("make").is_some(),
        without: "the worked examples of its language are not run",
    },
    Need {
        package: "golang-go",
        name: None,
        there: || command::find("go").is_some(),
        without: "the worked examples of its language are not run",
    },
    Need {
        package: "ca-certificates",
        name: None,
        there: || Path::new("/etc/ssl/certs/ca-certificates.crt").is_file(),
        without: "nothing can be fetched over TLS",
    },
    Need {
        package: "fonts-dejavu",
        name: None,
        there: || Path::new("/usr/share/fonts/truetype/dejavu").is_dir(),
        without: "pages in a browser are measured with whatever font there is",
    },
];

/// A program of npm's, which tests look for in the build folder, and what cannot be tested without it.
struct Program {
    name: &'static str,
    version: &'static str,
    without: &'static str,
}

const PROGRAMS: &[Program] = &[Program {
    name: "s3rver",
    version: "3.7.1",
    without: "tests that share results through a bucket leave themselves out",
}];

/// What was found or installed.
pub struct Tools {
    /// The program cargo-nextest.
    pub nextest: Option<PathBuf>,
    /// The program cargo-deny.
    pub deny: Option<PathBuf>,
    /// What is not there, each with what follows.
    pub missing: Vec<String>,
    /// What is there, by the names that tests have for it: no test may be left out for want of it.
    pub has: Vec<&'static str>,
    installed: Vec<String>,
}

impl Tools {
    /// For the summary.
    pub fn told(&self) -> Outcome {
        if self.installed.is_empty() {
            Outcome::Passed("all there, or not to be had".to_owned())
        } else {
            Outcome::Passed(format!("installed {}", self.installed.join(", ")))
        }
    }
}

/// What tests call an engine that runs containers.
pub const CONTAINERS: &str = "containers";

/// The names that tests have for what is looked for here.
#[cfg(test)]
pub fn names() -> impl Iterator<Item = &'static str> {
    let packages = NEEDS.iter().filter_map(|need| need.name);
    packages
        .chain(PROGRAMS.iter().map(|program| program.name))
        .chain([CONTAINERS])
}

/// Finds what is needed and installs what is missing.
pub fn tools(root: &Path, build: &Path) -> Tools {
    let mut tools = Tools {
        nextest: None,
        deny: None,
        missing: Vec::new(),
        has: Vec::new(),
        installed: Vec::new(),
    };
    packages(root, &mut tools);
    tools.nextest = cargo_tool("cargo-nextest", root, build, &mut tools);
    tools.deny = cargo_tool("cargo-deny", root, build, &mut tools);
    for program in PROGRAMS {
        npm_program(program, root, build, &mut tools);
    }
    let there = NEEDS.iter().filter(|need| (need.there)());
    tools.has.extend(there.filter_map(|need| need.name));
    match containers::can_run(build) {
        Ok(()) => tools.has.push(CONTAINERS),
        Err(reason) => tools.missing.push(format!(
            "no container can be run here ({reason}): tests of steps in containers leave themselves out"
        )),
    }
    println!("no test may be left out for want of {}", tools.has.join(", "));
    tools
}

fn packages(root: &Path, tools: &mut Tools) {
    let absent: Vec<&Need> = NEEDS.iter().filter(|need| !(need.there)()).collect();
    if absent.is_empty() {
        println!("packages of the system: all there");
        return;
    }
    let names: Vec<&str> = absent.iter().map(|need| need.package).collect();
    if let Err(reason) = install_packages(root, &names) {
        println!("could not install {}: {reason}", names.join(" "));
    }
    for need in absent {
        if (need.there)() {
            tools.installed.push(need.package.to_owned());
        } else {
            tools
                .missing
                .push(format!("{} is not installed: {}", need.package, need.without));
        }
    }
}

fn install_packages(root: &Path, names: &[&str]) -> Result<(), String> {
    if command::find("apt-get").is_none() {
        return Err("this system has no apt-get".to_owned());
    }
    if command::Program::new("id", &["-u"], root).output()?.trim() != "0" {
        return Err(format!("only root may: run `sudo apt-get install {}`", names.join(" ")));
    }
    let apt = |arguments: &[&str]| {
        command::Program::new("apt-get", arguments, root)
            .variable("DEBIAN_FRONTEND", "noninteractive")
            .run()
    };
    apt(&["update", "-qq"])?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(names);
    apt(&arguments)
}

/// A program of npm's, installed once into the build folder. No package's own scripts are run.
fn npm_program(program: &Program, root: &Path, build: &Path, tools: &mut Tools) {
    let name = program.name;
    let folder = build.join("tools").join(name);
    let installed = folder.join("node_modules/.bin").join(name);
    if let Some(path) = command::find(name).or_else(|| installed.is_file().then_some(installed)) {
        println!("{name}: {}", path.display());
        tools.has.push(name);
        return;
    }
    let wanted = format!("{name}@{}", program.version);
    let into = folder.to_string_lossy().into_owned();
    let flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"];
    let arguments = [&["install", "--prefix", &into], flags.as_slice(), &[&wanted]].concat();
    let made = std::fs::create_dir_all(&folder).map_err(|error| error.to_string());
    match made.and_then(|()| command::Program::new("npm", &arguments, root).run()) {
        Ok(()) => {
            tools.installed.push(name.to_owned());
            tools.has.push(name);
        }
        Err(reason) => tools
            .missing
            .push(format!("{name} could not be had ({reason}): {}", program.without)),
    }
}

/// A subcommand of cargo's: from the search path, or compiled once into the build folder.
fn cargo_tool(name: &str, root: &Path, build: &Path, tools: &mut Tools) -> Option<PathBuf> {
    let folder = build.join("tools");
    let compiled = folder.join("bin").join(name);
    if let Some(path) = command::find(name).or_else(|| compiled.is_file().then(|| compiled.clone())) {
        println!("{name}: {}", path.display());
        return Some(path);
    }
    println!(
        "{name}: not there, so it is compiled once into {} (a few minutes)",
        folder.display()
    );
    let folder = folder.to_string_lossy().into_owned();
    // Without optimisation: it runs for a second, and compiles in a third of the time.
    match command::Program::new(
        "cargo",
        &["install", "--locked", "--debug", "--root", &folder, name],
        root,
    )
    .run()
    {
        Ok(()) => {
            tools.installed.push(name.to_owned());
            Some(compiled)
        }
        Err(reason) => {
            tools.missing.push(format!("{name} could not be had: {reason}"));
            None
        }
    }
}
