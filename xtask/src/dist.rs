//! `cargo xtask dist`: what is given to others. Release builds, with every feature and without any, each in
//! an archive with what belongs to it, and a list of checksums.
//!
//! The archive of the same files is the same, byte for byte: names sorted, nobody's files, the time of the
//! commit. Whether two machines make the same program of a commit depends on their compilers.

use std::path::{Path, PathBuf};

use crate::command::{self, Program};
use crate::workspace;

/// What goes into an archive beside the program, from the root of the project.
const BESIDE: &[&str] = &["LICENSE", "README.md", "ARCHITECTURE.md", "docs"];

/// The variable that the program takes its commit from when it is compiled.
const COMMIT: &str = "THROUGHLINE_BUILT_FROM";

/// A way to build the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edition {
    name: &'static str,
    /// What its archive is called after the platform.
    suffix: &'static str,
    arguments: &'static [&'static str],
    /// Whether the program says that it is built with features.
    has_features: bool,
}

const EDITIONS: &[Edition] = &[
    Edition {
        name: "full",
        suffix: "",
        arguments: &["--all-features"],
        has_features: true,
    },
    Edition {
        name: "plain",
        suffix: "-plain",
        arguments: &["--no-default-features"],
        has_features: false,
    },
];

/// Builds the editions that are named, or all.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    let editions = chosen(arguments)?;
    let root = workspace::root();
    let build = workspace::build_folder(&root);
    let out = build.join("dist");
    remake(&out)?;
    let source = Source::read(&root)?;
    println!("{} {}", source.version, source.commit);
    for edition in editions {
        let program = compile(&root, &build, *edition, &source)?;
        let name = source.name(*edition);
        let folder = out.join(&name);
        gather(&root, &program, &folder)?;
        let archive = pack(&out, &name, source.time)?;
        std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        try_out(&out, &archive, *edition, &source)?;
    }
    checksums(&out)?;
    println!("\n{}", out.display());
    Ok(())
}

fn chosen(arguments: &[String]) -> Result<Vec<&'static Edition>, String> {
    let find = |name: &String| {
        EDITIONS.iter().find(|edition| edition.name == name).ok_or_else(|| {
            let names: Vec<&str> = EDITIONS.iter().map(|edition| edition.name).collect();
            format!("there is no edition `{name}`: there is {}", names.join(" and "))
        })
    };
    match arguments {
        [] => Ok(EDITIONS.iter().collect()),
        names => names.iter().map(find).collect(),
    }
}

/// What is built.
struct Source {
    version: String,
    /// The commit in short, and whether there are changes to it.
    commit: String,
    /// When it was made, in seconds.
    time: u64,
}

impl Source {
    fn read(root: &Path) -> Result<Self, String> {
        let git = |arguments: &[&str]| Program::new("git", arguments, root).output();
        let changes = git(&["status", "--porcelain"])?;
        let commit = stamp(git(&["rev-parse", "HEAD"])?.trim(), !changes.trim().is_empty());
        let time = git(&["log", "-1", "--format=%ct"])?;
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).map_err(|error| error.to_string())?;
        Ok(Self {
            version: version(&manifest).ok_or("Cargo.toml states no version")?,
            commit,
            time: time
                .trim()
                .parse()
                .map_err(|_| "git does not tell the time of the commit")?,
        })
    }

    fn name(&self, edition: Edition) -> String {
        let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
        format!("throughline-{}-{machine}-{system}{}", self.version, edition.suffix)
    }
}

/// How a commit is called in the program.
fn stamp(commit: &str, changed: bool) -> String {
    let short: String = commit.chars().take(12).collect();
    if changed {
        format!("{short} with changes")
    } else {
        short
    }
}

/// The version of the workspace, from its manifest.
fn version(manifest: &str) -> Option<String> {
    let package = manifest.split("[workspace.package]").nth(1)?;
    let line = package.lines().find(|line| line.starts_with("version"))?;
    Some(line.split('"').nth(1)?.to_owned())
}

fn remake(folder: &Path) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("{}: {error}", folder.display());
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
        _ => {}
    }
    std::fs::create_dir_all(folder).map_err(cannot)
}

fn compile(root: &Path, build: &Path, edition: Edition, source: &Source) -> Result<PathBuf, String> {
    let about = ["build", "--release", "--locked", "--package", "throughline"];
    let arguments = [&about, edition.arguments].concat();
    Program::new("cargo", &arguments, root)
        .variable(COMMIT, &source.commit)
        .run()?;
    Ok(build.join("release/throughline"))
}

/// Lays out what the archive holds.
fn gather(root: &Path, program: &Path, folder: &Path) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder.join("bin")).map_err(cannot)?;
    let copy = folder.join("bin/throughline");
    std::fs::copy(program, &copy).map_err(cannot)?;
    // Here and not by the compiler, so that other release builds are of use to this one.
    Program::new("strip", &["--strip-all", &copy.to_string_lossy()], root).run()?;
    // What git knows of, so that nothing of somebody's own gets in.
    let arguments = [&["ls-files", "-z", "--"], BESIDE].concat();
    let listed = Program::new("git", &arguments, root).output()?;
    for file in listed.split('\0').filter(|file| !file.is_empty()) {
        let to = folder.join(file);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(cannot)?;
        }
        std::fs::copy(root.join(file), &to).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

/// Packs a folder below `out`; the archive.
fn pack(out: &Path, name: &str, time: u64) -> Result<PathBuf, String> {
    let tar = format!("{name}.tar");
    let time = format!("--mtime=@{time}");
    let same = [
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--format=ustar",
    ];
    let what = ["--mode=go=rX,u+rw", &time, "-cf", &tar, name];
    Program::new("tar", &[&same[..], &what[..]].concat(), out).run()?;
    // Without the name and the time of the file.
    Program::new("gzip", &["--no-name", "--best", "--force", &tar], out).run()?;
    Ok(out.join(format!("{tar}.gz")))
}

/// Unpacks an archive as a person would, and asks the program in it for its version and to check an example.
fn try_out(out: &Path, archive: &Path, edition: Edition, source: &Source) -> Result<(), String> {
    let trial = out.join("trial");
    remake(&trial)?;
    let place = archive.to_string_lossy();
    Program::new("tar", &["-xzf", &*place], &trial).run()?;
    let folder = trial.join(source.name(edition));
    let program = folder.join("bin/throughline");
    let program = program.to_string_lossy();
    let told = Program::new(&program, &["--version"], &trial).output()?;
    println!("{}", told.trim());
    if !told.contains(&source.version) || !told.contains(&source.commit) {
        return Err(format!(
            "the program says `{}`, which is not {} of {}",
            told.trim(),
            source.version,
            source.commit
        ));
    }
    if told.contains(", with ") != edition.has_features {
        return Err(format!(
            "the program says `{}`: these are not the features of the edition `{}`",
            told.trim(),
            edition.name
        ));
    }
    let example = folder.join("docs/examples/rust.yaml");
    std::fs::copy(&example, trial.join("throughline.yaml"))
        .map_err(|error| format!("{}: {error}", example.display()))?;
    Program::new(&program, &["check"], &trial).run()?;
    std::fs::remove_dir_all(&trial).map_err(|error| format!("{}: {error}", trial.display()))
}

/// Writes the checksums of all archives, in the form that `sha256sum --check` takes.
fn checksums(out: &Path) -> Result<(), String> {
    let entries = std::fs::read_dir(out).map_err(|error| error.to_string())?;
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".tar.gz")).collect();
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    command::find("sha256sum").ok_or("there is no `sha256sum` (hint: it is in coreutils)")?;
    let sums = Program::new("sha256sum", &names, out).output()?;
    print!("{sums}");
    std::fs::write(out.join("SHA256SUMS"), sums).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editions_are_chosen_by_name_and_all_without_one() {
        assert_eq!(chosen(&[]).map(|all| all.len()), Ok(2));
        assert_eq!(chosen(&["plain".to_owned()]), Ok(vec![&EDITIONS[1]]));
        assert!(chosen(&["slim".to_owned()]).is_err_and(|message| message.contains("full and plain")));
    }

    #[test]
    fn a_commit_is_stamped_in_short_with_a_word_for_changes() {
        let commit = "3f1c9a0b2d4e5f60718293a4b5c6d7e8f9012345";
        assert_eq!(stamp(commit, false), "3f1c9a0b2d4e");
        assert_eq!(stamp(commit, true), "3f1c9a0b2d4e with changes");
    }

    #[test]
    fn the_version_is_that_of_the_workspace() {
        let manifest = "[workspace]\nresolver = \"3\"\n[workspace.package]\nversion = \"1.2.3\"\nedition = \"2024\"\n";
        assert_eq!(version(manifest).as_deref(), Some("1.2.3"));
        assert_eq!(version("[package]\nversion = \"1.2.3\"\n"), None);
    }

    #[test]
    fn the_same_files_make_the_same_archive_whenever_and_however_they_were_written() {
        let folder = std::env::temp_dir().join(format!("throughline-dist-{}", std::process::id()));
        let archive = |name: &str, files: &[&str]| {
            let out = folder.join(name);
            remake(&out.join("thing/docs")).unwrap();
            for file in files {
                std::fs::write(out.join("thing").join(file), file).unwrap();
            }
            std::fs::read(pack(&out, "thing", 1_700_000_000).unwrap()).unwrap()
        };
        let one = archive("one", &["docs/a.md", "LICENSE"]);
        let late = std::fs::File::open(folder.join("one/thing/LICENSE")).unwrap();
        late.set_modified(std::time::UNIX_EPOCH).unwrap();
        let another = archive("another", &["LICENSE", "docs/a.md"]);
        assert_eq!(one, another);
        let other = archive("other", &["LICENSE", "docs/b.md"]);
        assert_ne!(one, other);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
