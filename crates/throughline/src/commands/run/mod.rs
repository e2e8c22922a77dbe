//! `throughline run`: the definition's steps in this folder, without a server.

mod depends;
mod document;
mod follow;
mod here;
mod targets;
mod tell;
mod twice;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use build::beside::{Beside, What};
use facts::{ComponentName, Digest, RunId, StepName};
use local::{Folders, Local, LocalError, Options};
use pipeline::{Definition, Diagnostics, Plan, PlannedStep};
use zeroize::Zeroizing;

use super::signals::Signals;
use super::{Around, read_file};
use crate::cli::LocalRunArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::LocalSettings;
use crate::sharing::Sentences;
use follow::{Ended, View};
use here::Here;

use targets::Target;

/// How long the end of a run waits for results that are being shared.
const SHARING: Duration = Duration::from_secs(30);
/// After how long it says that it does.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is run: the definition, its plan as far as it is wanted, and where it lies.
struct Wanted {
    here: Here,
    definition: Definition,
    plan: Plan,
    /// The git folders of other repositories that commits lie beside the run from.
    others: BTreeMap<ComponentName, PathBuf>,
}

impl Wanted {
    /// The steps that come from modules.
    fn of_modules(&self) -> BTreeMap<&StepName, &PlannedStep> {
        let steps = self.plan.steps.iter().filter(|step| !step.within.is_empty());
        steps.map(|step| (&step.name, step)).collect()
    }

    /// The modules that steps come from, as people read them; of those steps that come from any.
    fn modules(&self) -> Modules {
        let of = |(name, step): (&StepName, &PlannedStep)| Some((name.clone(), step.within.last()?.module_in_words()));
        self.of_modules().into_iter().filter_map(of).collect()
    }
}

/// The modules that steps come from, by the names of the steps.
type Modules = BTreeMap<StepName, String>;

/// Runs the steps.
pub(super) fn run(args: &LocalRunArgs, around: &Around, printer: &mut Printer) -> Result<(), Failure> {
    let settings = around.layers.local()?;
    crate::house::logging(&settings.log)?;
    let file = find(args, &around.folder)?;
    // One thread drives the run and this one shows it; what takes long has threads of its own. With more, each message
    // between the parts of a run wakes a thread that finds nothing to do.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start threads: {error}")))?;
    let done = runtime.block_on(async {
        let targets = targets::choose(&file, args, &settings).await?;
        match targets.as_slice() {
            [only] if args.rebuild => twice::twice(only, args, &settings, around, printer).await,
            _ if args.rebuild => Err(
                Failure::new(Exit::Usage, "--rebuild is for one component that needs no other")
                    .hint("name it with --component, or go to its folder"),
            ),
            [only] if args.watch => watch::watch(only, args, &settings, around, printer).await,
            _ if args.watch => Err(
                Failure::new(Exit::Usage, "--watch is for one component that needs no other")
                    .hint("name it with --component, or go to its folder"),
            ),
            several => all(several, args, &settings, around, printer).await,
        }
    });
    // Blocking work that still runs is not waited for.
    runtime.shutdown_background();
    done
}

/// Runs components one after another, each with the packages of those it needs. What needs one that failed is not
/// run; the rest is.
async fn all(
    targets: &[Target],
    args: &LocalRunArgs,
    settings: &LocalSettings,
    around: &Around,
    printer: &mut Printer,
) -> Result<(), Failure> {
    if targets.is_empty() {
        printer.say("nothing has changed that concerns a component");
    }
    let wanted = targets.iter().filter(|target| target.wanted).count();
    if wanted > 1 && !args.steps.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "steps are named for one component, and there are several here",
        )
        .hint("name it with --component, or go to its folder"));
    }
    let mut packages: BTreeMap<&str, Option<Digest>> = BTreeMap::new();
    let mut failed = None;
    for (number, target) in targets.iter().enumerate() {
        let needs = target.member.iter().flat_map(|member| &member.needs);
        let missing = needs.clone().find(|need| !packages.contains_key(need.as_str()));
        let name = target.member.as_ref().map_or("the top", |member| member.name.as_str());
        if let Some(missing) = missing {
            printer.say(&format!("{name} is not run: it needs {missing}, which did not succeed"));
            continue;
        }
        let beside = needs.filter_map(|need| {
            let package = packages.get(need.as_str()).copied().flatten()?;
            Some(Beside {
                name: need.clone(),
                what: What::Package(package),
            })
        });
        let beside = beside.collect();
        if number > 0 && !args.json.json {
            printer.say("");
        }
        match once(target, beside, args, settings, around, printer).await {
            Ok(package) => {
                packages.insert(name, package);
            }
            Err(failure) if failure.exit == Exit::Interrupted || targets.len() == 1 => return Err(failure),
            Err(failure) => {
                printer.failure(&failure);
                failed.get_or_insert(failure.exit);
            }
        }
    }
    failed.map_or(Ok(()), |exit| Err(Failure::told(exit)))
}

/// Reads the definition and runs it once; the package that it made.
async fn once(
    target: &Target,
    beside: Vec<Beside>,
    args: &LocalRunArgs,
    settings: &LocalSettings,
    around: &Around,
    printer: &mut Printer,
) -> Result<Option<Digest>, Failure> {
    takes_package(target, args, around)?;
    let wanted = read(target, beside, args, settings, around, printer).await?;
    let sentences = Sentences::default();
    let local = open(&wanted, args, settings, around, &sentences).await?;
    if args.dry_run {
        let run = RunId::new(around.clock.now(), &*around.entropy);
        let foreseen = local.foresee(&wanted.plan, run);
        local.close(None).await;
        warn(&sentences, printer);
        tell::foreseen(&wanted, &foreseen, args.json.json, printer)?;
        // What it would make is not known; what needs it depends on that.
        return Ok(wanted.definition.makes_package().then(|| Digest::of("")));
    }
    let line = wanted.here.branch.clone();
    let run = local
        .start(wanted.plan.clone(), wanted.definition.digest(), line)
        .await
        .map_err(told)?;
    let screen = around.screen.filter(|_| !args.json.json && !is_dumb(settings));
    let view = View::new(screen, args.why, args.json.json, around.clock.clone(), wanted.modules());
    let ended = follow::follow(&local, run, view, &wanted, printer).await;
    let ended = match ended {
        Ok(ended) => ended,
        Err(failure) => {
            local.close(Some(run)).await;
            warn(&sentences, printer);
            return Err(failure);
        }
    };
    let made = ended.package();
    let package = package(&local, &ended, target, args, around).await;
    let collecting = local.collect_later();
    let report = tell::ended(&wanted, &ended, package, &local, args, printer);
    let mut shared = Ok(());
    if settings.shared_results.is_some() {
        shared = share(&local, printer).await;
        warn(&sentences, printer);
    }
    local.close(Some(run)).await;
    // Old results go while nobody waits for it any more.
    collecting.await;
    shared?;
    report.map(|()| made)
}

/// Waits until what the run made is shared, not for too long, and not when a person has had enough.
async fn share(local: &Local, printer: &mut Printer) -> Result<(), Failure> {
    let mut finishing = std::pin::pin!(local.finish_sharing(SHARING));
    if tokio::time::timeout(PATIENCE, &mut finishing).await.is_ok() {
        return Ok(());
    }
    printer.say("sharing the results; Ctrl-C ends that");
    let mut signals = Signals::listen()?;
    tokio::select! {
        () = &mut finishing => {}
        () = signals.any() => {}
    }
    Ok(())
}

/// Says what there is to know of the shared results.
fn warn(sentences: &Sentences, printer: &mut Printer) {
    for sentence in sentences.take() {
        printer.warn(&sentence);
    }
}

fn is_dumb(settings: &LocalSettings) -> bool {
    settings.variables.get("TERM").is_some_and(|term| term == "dumb")
}

/// Where the package is wanted.
fn output(target: &Target, args: &LocalRunArgs, around: &Around) -> Option<PathBuf> {
    let folder = around.folder.join(args.output.as_ref()?);
    Some(match &target.member {
        // Each in a folder of its own.
        Some(member) => folder.join(&member.name),
        None => folder,
    })
}

/// Refuses a folder for the package that holds what is not one, before anything runs.
fn takes_package(target: &Target, args: &LocalRunArgs, around: &Around) -> Result<(), Failure> {
    let Some(folder) = output(target, args, around) else {
        return Ok(());
    };
    match artifact::package::takes_layout(&folder) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::new(
            Exit::Usage,
            format!("{} holds something else than a package", folder.display()),
        )
        .hint("name a folder that is not there yet, or is empty, with --output")),
        Err(error) => Err(Failure::new(
            Exit::Usage,
            format!("{} cannot take the package: {error}", folder.display()),
        )
        .hint("name another folder with --output")),
    }
}

/// The package that the run made, put where it is wanted.
async fn package(
    local: &Local,
    ended: &Ended,
    target: &Target,
    args: &LocalRunArgs,
    around: &Around,
) -> Result<Option<artifact::Package>, Failure> {
    let Some(digest) = ended.package() else { return Ok(None) };
    let failed = |error: artifact::PackageError| Failure::new(Exit::Failed, error.to_string());
    let package = artifact::Package::read(&local.store, &digest).map_err(failed)?;
    if let Some(folder) = output(target, args, around) {
        artifact::package::export_layout(&local.store, &package, None, &folder).map_err(failed)?;
    }
    Ok(Some(package))
}

/// Reads and plans the definition.
async fn read(
    target: &Target,
    beside: Vec<Beside>,
    args: &LocalRunArgs,
    settings: &LocalSettings,
    around: &Around,
    printer: &mut Printer,
) -> Result<Wanted, Failure> {
    let file = &target.file;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let shown = match &target.top {
        Some(top) => file.strip_prefix(top).unwrap_or(file),
        None => Path::new(file.file_name().unwrap_or_default()),
    };
    let name = shown.display().to_string();
    let bytes = read_file(file, shown)?;
    let found = super::modules::library(file, &bytes, settings, args.refresh_modules).await;
    let library = found.told(printer);
    let definition = match Definition::parse_bytes_with(&bytes, &name, &library) {
        Ok(definition) => definition,
        Err(wrong) => {
            super::check::tell(&wrong, printer)?;
            return Err(Failure::told(Exit::BadFile));
        }
    };
    if target.member.is_some() && !definition.components().is_empty() {
        return Err(Failure::new(
            Exit::BadFile,
            format!("{name}: components are listed at the repository's top, not in one of them"),
        ));
    }
    let steps: &[String] = if target.wanted { &args.steps } else { &[] };
    let here = here::look(folder, target, settings).await?;
    let line = here.branch.as_ref().map_or("", |branch| branch.as_str());
    let plan = select(definition.plan_on(line), steps)?;
    let too_large = definition.too_large(&plan, settings.max_parallel, executor::machine::memory());
    if let Err(wrong) = Diagnostics::none_of(too_large) {
        super::check::tell(&wrong, printer)?;
        return Err(Failure::told(Exit::BadFile));
    }
    let depends = depends::look(&here.message, &around.folder, args, settings, printer).await?;
    let mut beside = beside;
    build::beside::join(&mut beside, depends.beside);
    let plan = build::beside::with(plan, beside);
    Ok(Wanted {
        here,
        definition,
        plan,
        others: depends.others,
    })
}

/// The wanted steps with what they need; everything where none is named.
fn select(plan: Plan, names: &[String]) -> Result<Plan, Failure> {
    if names.is_empty() {
        return Ok(plan);
    }
    let unknown = |name: &str| {
        let known: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
        let failure = Failure::new(Exit::NotFound, format!("there is no step `{name}`"));
        match policy::nearest::nearest(name, known.iter().copied()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint(format!("the steps are: {}", known.join(", "))),
        }
    };
    let mut wanted = Vec::new();
    for name in names {
        wanted.push(StepName::new(name.as_str()).map_err(|_| unknown(name))?);
    }
    plan.only(&wanted).map_err(|name| unknown(name.as_str()))
}

/// The definition that is meant: the named file, or the nearest one above the current folder.
fn find(args: &LocalRunArgs, folder: &Path) -> Result<PathBuf, Failure> {
    let name = pipeline::definition::FILE;
    let found = match &args.file {
        Some(file) => Some(folder.join(file)),
        None => folder
            .ancestors()
            .map(|folder| folder.join(name))
            .find(|file| file.exists()),
    };
    let Some(file) = found else {
        return Err(Failure::new(
            Exit::NotFound,
            format!("there is no {name} in {} nor in a folder above it", folder.display()),
        )
        .hint("`throughline init` drafts one from what lies here"));
    };
    file.canonicalize()
        .map_err(|error| Failure::new(Exit::NotFound, format!("cannot read {}: {error}", file.display())))
}

async fn open(
    wanted: &Wanted,
    args: &LocalRunArgs,
    settings: &LocalSettings,
    around: &Around,
    sentences: &Sentences,
) -> Result<Local, Failure> {
    Local::open(options(wanted, args, settings, around, sentences)?)
        .await
        .map_err(told)
}

/// What a run works with.
fn options(
    wanted: &Wanted,
    args: &LocalRunArgs,
    settings: &LocalSettings,
    around: &Around,
    sentences: &Sentences,
) -> Result<Options, Failure> {
    let executable = std::env::current_exe()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot find this program's own file: {error}")))?;
    let mut secrets = std::collections::BTreeMap::new();
    for given in &args.secrets {
        let (name, file) = given.split_once('=').ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{given}` does not name a secret and a file"))
                .hint("write it as `--secret NAME=FILE`")
        })?;
        let bytes = read_file(&around.folder.join(file), Path::new(file))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(Exit::BadFile, format!("the secret in {file} is no text")))?;
        secrets.insert(name.to_owned(), Zeroizing::new(text.trim_end_matches('\n').to_owned()));
    }
    let sharing = settings.shared_results.as_ref().map(|shared| {
        let variables = &settings.variables;
        crate::sharing::sharing(shared, variables, &around.clock, None, sentences.hear())
    });
    let component = wanted.here.component.clone();
    Ok(Options {
        folders: Folders::of(&settings.cache, &component.folder),
        component,
        executable,
        variables: build::StepVariables::from(|name| settings.variables.get(name).cloned()),
        secrets,
        others: wanted.others.clone(),
        sharing: sharing.transpose()?,
        hidden: settings
            .shared_results
            .iter()
            .filter_map(crate::sharing::hidden)
            .collect(),
        max_parallel: settings.max_parallel,
        isolation: crate::house::isolation(settings.isolation),
        containers: crate::house::containers(settings.containers),
        clock: Arc::clone(&around.clock),
        entropy: Arc::clone(&around.entropy),
    })
}

fn told(error: LocalError) -> Failure {
    let exit = match &error {
        LocalError::Busy => Exit::Refused,
        _ => Exit::Failed,
    };
    let text = error.to_string();
    match text.split_once("\nhint: ") {
        Some((message, hint)) => Failure::new(exit, message).hint(hint),
        None => Failure::new(exit, text),
    }
}
