//! Which components are run: the one of this folder, or those of a repository that holds several.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pipeline::{Components, Concerned, Member};
use policy::nearest::nearest;

use crate::cli::LocalRunArgs;
use crate::commands::read_file;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::LocalSettings;

/// The most that git may say of changed paths, in bytes.
const MOST: usize = 64 << 20;
/// How long git may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A component to be run.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Its definition.
    pub file: PathBuf,
    /// What it is in the list of its repository, where that holds several.
    pub member: Option<Member>,
    /// The folder of the repository's top, where it holds several.
    pub top: Option<PathBuf>,
    /// It was asked for; else it is run because one that was needs it.
    pub wanted: bool,
}

/// The components that are meant, those that are needed before those that need them. `file` is the definition of
/// this folder, or the nearest one above it.
pub(super) async fn choose(file: &Path, args: &LocalRunArgs, settings: &LocalSettings) -> Result<Vec<Target>, Failure> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let alone = || {
        vec![Target {
            file: file.to_owned(),
            member: None,
            top: None,
            wanted: true,
        }]
    };
    let asked = args.component.component.as_deref().filter(|name| !name.contains('/'));
    if let Some(list) = list(file)?.filter(|list| !list.is_empty()) {
        let concerned = match (asked, &args.since) {
            (Some(name), _) => one(&list, name)?,
            (None, Some(since)) => since_then(&list, folder, since, settings).await?,
            (None, None) => list.all(),
        };
        return Ok(targets(&list, folder, &concerned));
    }
    // A component's own folder: the list stands at the repository's top.
    let top = git(folder, &["rev-parse", "--show-toplevel"], settings)
        .await
        .map(PathBuf::from);
    let top = top.and_then(|top| top.canonicalize().ok()).filter(|top| top != folder);
    if let Some(top) = top
        && let Some(list) = list(&top.join(pipeline::definition::FILE)).ok().flatten()
        && let Ok(below) = folder.strip_prefix(&top)
        && let Some(member) = list.members().iter().find(|member| Path::new(&member.folder) == below)
    {
        let name = asked.unwrap_or(&member.name);
        return Ok(targets(&list, &top, &one(&list, name)?));
    }
    if let Some(name) = asked {
        return Err(Failure::new(Exit::NotFound, format!("there is no component `{name}`"))
            .hint("components are listed at the repository's top, under `components`; a full name is `team/name`"));
    }
    if args.since.is_some() {
        return Err(Failure::new(
            Exit::Usage,
            "--since is for the top of a repository that lists components",
        )
        .hint("go to the folder whose throughline.yaml has `components`"));
    }
    Ok(alone())
}

/// The list in a definition; `None` where there is no such file, or no list in it. One that is wrong is said when it is read as a
/// definition.
fn list(file: &Path) -> Result<Option<Components>, Failure> {
    if !file.is_file() {
        return Ok(None);
    }
    let bytes = read_file(file, file)?;
    if !Components::may_be_in(&bytes) {
        return Ok(None);
    }
    Ok(Components::parse_bytes(&bytes, pipeline::definition::FILE).ok())
}

/// The one of that name.
fn one(list: &Components, name: &str) -> Result<Concerned, Failure> {
    let mut all = list.all();
    let Some(found) = all.members.remove_entry(name) else {
        let known: Vec<&str> = list.members().iter().map(|member| member.name.as_str()).collect();
        let failure = Failure::new(Exit::NotFound, format!("there is no component `{name}`"));
        return Err(match nearest(name, known.iter().copied()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint(format!("the components are: {}", known.join(", "))),
        });
    };
    Ok(Concerned {
        own: None,
        members: [found].into(),
    })
}

/// What is concerned by what differs from where the branch left `since`, committed or not.
async fn since_then(
    list: &Components,
    top: &Path,
    since: &str,
    settings: &LocalSettings,
) -> Result<Concerned, Failure> {
    let unknown = || {
        Failure::new(
            Exit::NotFound,
            format!("git knows no commit `{since}` that this one has in common"),
        )
        .hint("name a branch or a commit: `throughline run --since main`")
    };
    if since.starts_with('-') {
        return Err(unknown());
    }
    let base = git(top, &["merge-base", since, "HEAD"], settings)
        .await
        .ok_or_else(unknown)?;
    let changed = git(
        top,
        &["diff", "--name-only", "--no-renames", "-z", &base, "--"],
        settings,
    )
    .await;
    let changed = changed.ok_or_else(|| Failure::new(Exit::Failed, "git does not say what has changed"))?;
    let new = git(top, &["ls-files", "--others", "--exclude-standard", "-z"], settings).await;
    let new = new.unwrap_or_default();
    let before = git(
        top,
        &["show", &format!("{base}:{}", pipeline::definition::FILE)],
        settings,
    )
    .await;
    let before = Components::parse_bytes(before.unwrap_or_default().as_bytes(), "before");
    let paths = changed
        .split('\0')
        .chain(new.split('\0'))
        .filter(|path| !path.is_empty());
    Ok(match before {
        Ok(before) => list.concerned(Some(&before), paths),
        Err(_) => list.all(),
    })
}

/// The concerned components and all that they need.
fn targets(list: &Components, top: &Path, concerned: &Concerned) -> Vec<Target> {
    let mut found = Vec::new();
    let needed = |name: &str| {
        list.dependents(name)
            .iter()
            .any(|name| concerned.members.contains_key(*name))
    };
    for member in list.in_order() {
        let wanted = concerned.members.contains_key(&member.name);
        if wanted || needed(&member.name) {
            found.push(Target {
                file: top.join(&member.folder).join(pipeline::definition::FILE),
                member: Some(member.clone()),
                top: Some(top.to_owned()),
                wanted,
            });
        }
    }
    if concerned.own.is_some() {
        found.push(Target {
            file: top.join(pipeline::definition::FILE),
            member: None,
            top: Some(top.to_owned()),
            wanted: true,
        });
    }
    found
}

/// What git says; `None` when it says no.
async fn git(folder: &Path, arguments: &[&str], settings: &LocalSettings) -> Option<String> {
    let mut spec = process::Spec::new("git").args(arguments).folder(folder);
    for (name, value) in &settings.variables {
        spec = spec.variable(name, value);
    }
    let output = process::run(spec, b"", PATIENCE, MOST).await.ok()?;
    output
        .is_success()
        .then(|| output.text().trim_end_matches('\n').to_owned())
}
