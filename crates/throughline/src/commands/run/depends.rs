//! What the checked-out commit depends on in other repositories, by its message: the files of those commits lie
//! beside the run, taken from checkouts that are named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use build::Beside;
use build::beside::What;
use facts::{Commit, ComponentName};
use source::message::{DependsError, DependsOn, Id, depends_on};

use crate::cli::LocalRunArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::LocalSettings;

/// The most that git may say, in bytes.
const MOST: usize = 64 << 10;

/// What lies beside a run because of what its commit depends on.
#[derive(Default)]
pub(super) struct Depends {
    pub(super) beside: Vec<Beside>,
    /// The git folders that the commits are taken from, by repository.
    pub(super) others: BTreeMap<ComponentName, PathBuf>,
}

/// Finds the commits that `message` names in the checkouts that were given. One whose checkout was not given is
/// told, and the run goes on without it.
pub(super) async fn look(
    message: &str,
    folder: &Path,
    args: &LocalRunArgs,
    settings: &LocalSettings,
    printer: &mut Printer,
) -> Result<Depends, Failure> {
    let mut given: BTreeMap<ComponentName, PathBuf> = BTreeMap::new();
    for text in &args.beside {
        let (name, path) = text.split_once('=').ok_or_else(|| wrong_flag(text))?;
        let name = name.parse().map_err(|_| wrong_flag(text))?;
        given.insert(name, PathBuf::from(path));
    }
    let mut depends = Depends::default();
    for said in depends_on(message) {
        let named: DependsOn = said.text.parse().map_err(|wrong: DependsError| {
            Failure::new(
                Exit::BadFile,
                format!("the message of HEAD, line {}: {wrong}", said.line),
            )
            .hint(wrong.hint())
        })?;
        let repository = of_repository(&given, &named.on);
        let Some((name, checkout)) = repository else {
            printer.warn(&format!(
                "HEAD depends on {named}, which does not lie beside this run\nhint: name a checkout of it with \
                 `--beside {}=FOLDER`",
                named.on
            ));
            continue;
        };
        let git = Git {
            checkout,
            folder,
            settings,
        };
        let commit = git.commit(&named).await?;
        let git_folder = git.say(&["rev-parse", "--absolute-git-dir"]).await;
        let git_folder = git_folder.ok_or_else(|| git.no_repository())?;
        depends.others.insert(name.clone(), PathBuf::from(git_folder));
        depends.beside.push(Beside {
            name: name.to_string(),
            what: What::Commit {
                repository: name.clone(),
                commit,
            },
        });
    }
    // The same commit, named twice, lies there once.
    depends.beside.dedup();
    Ok(depends)
}

fn wrong_flag(text: &str) -> Failure {
    Failure::new(Exit::Usage, format!("`{text}` does not name a repository and a folder"))
        .hint("write it as `--beside TEAM/NAME=FOLDER`")
}

/// The checkout that holds what is named: of the repository, or of the one that the component is in.
fn of_repository<'a>(
    given: &'a BTreeMap<ComponentName, PathBuf>,
    on: &ComponentName,
) -> Option<(&'a ComponentName, &'a PathBuf)> {
    let holds = |name: &ComponentName| name == on || on.as_str().starts_with(&format!("{name}."));
    given
        .iter()
        .filter(|(name, _)| holds(name))
        .max_by_key(|(name, _)| name.as_str().len())
}

/// Git in a checkout of another repository.
struct Git<'a> {
    checkout: &'a Path,
    /// Where somebody named it from.
    folder: &'a Path,
    settings: &'a LocalSettings,
}

impl Git<'_> {
    async fn say(&self, arguments: &[&str]) -> Option<String> {
        let checkout = self.folder.join(self.checkout);
        let mut spec = process::Spec::new("git")
            .args(arguments.iter().copied())
            .folder(checkout);
        for (name, value) in &self.settings.variables {
            spec = spec.variable(name, value);
        }
        let output = process::run(spec, b"", Duration::from_secs(60), MOST).await.ok()?;
        let text = output.is_success().then(|| output.text().trim().to_owned());
        text.filter(|text| !text.is_empty())
    }

    fn no_repository(&self) -> Failure {
        Failure::new(
            Exit::NotFound,
            format!("{} is no checkout of a repository", self.checkout.display()),
        )
        .hint("name the folder that you cloned it into")
    }

    async fn commit(&self, named: &DependsOn) -> Result<Commit, Failure> {
        let found = match &named.id {
            Id::Commit(digits) => {
                let commit = format!("{digits}^{{commit}}");
                self.say(&["rev-parse", "--verify", "--quiet", &commit]).await
            }
            Id::Change(id) => {
                let grep = format!("--grep=^Change-Id: {id}$");
                self.say(&["log", "-1", "--format=%H", "--branches", "--regexp-ignore-case", &grep])
                    .await
            }
        };
        if found.is_none() && self.say(&["rev-parse", "--git-dir"]).await.is_none() {
            return Err(self.no_repository());
        }
        found.and_then(|commit| Commit::new(commit).ok()).ok_or_else(|| {
            Failure::new(
                Exit::NotFound,
                format!(
                    "{} has no commit {}, on which HEAD depends",
                    self.checkout.display(),
                    named.id
                ),
            )
            .hint("fetch it there")
        })
    }
}
