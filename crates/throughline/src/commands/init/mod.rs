//! `throughline init`: a first definition for what lies in a folder.

mod files;
mod folder;
mod machine;

use std::path::Path;

use draft::{Draft, DraftStep, Wishes};
use serde::Serialize;

use super::Around;
use crate::cli::{InitArgs, ServicesAs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::show::paint::{Tone, clean, cut, paint, width};
use crate::tools;

/// The most parts of other definitions that are shown; the file and the document list them all.
const MOST_UNTAKEN: usize = 12;
/// The most commands of a step that are shown.
const MOST_COMMANDS: usize = 2;

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Drafted<'a> {
    schema: &'static str,
    /// The file.
    file: String,
    /// Whether it was written.
    written: bool,
    found: Vec<FoundPart<'a>>,
    steps: Vec<DraftedStep<'a>>,
    files: &'a [String],
    has_service: bool,
    definitions: &'a [String],
    /// The components that the file lists, where there are several.
    components: Vec<DraftedComponent<'a>>,
    not_taken: Vec<NotTaken<'a>>,
    notes: &'a [String],
    /// Programs that the steps start and that are not here.
    missing: Vec<&'a str>,
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct FoundPart<'a> {
    kind: &'a str,
    folder: &'a str,
    because: &'a [String],
}

#[derive(Debug, Serialize)]
struct DraftedStep<'a> {
    name: &'a str,
    run: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct DraftedComponent<'a> {
    name: &'a str,
    folder: &'a str,
    steps: Vec<DraftedStep<'a>>,
    files: &'a [String],
    has_service: bool,
    /// What stands in the file in its folder.
    text: &'a str,
}

#[derive(Debug, Serialize)]
struct NotTaken<'a> {
    file: &'a str,
    line: u32,
    what: &'a str,
    reason: &'a str,
}

/// Drafts a definition.
pub(super) fn init(args: &InitArgs, around: &Around, printer: &mut Printer) -> Result<(), Failure> {
    let name = pipeline::definition::FILE;
    let root = around.folder.join(&args.path);
    let file = root.join(name);
    let shown = args.path.join(name);
    let shown = shown.strip_prefix(".").unwrap_or(&shown);
    if !args.print && !args.force && std::fs::symlink_metadata(&file).is_ok() {
        return Err(is_there(shown));
    }
    let tree = folder::Folder::look(&root)?;
    let wishes = Wishes {
        one: args.one,
        services: match args.services {
            ServicesAs::Auto => draft::ServicesAs::Machine,
            ServicesAs::Container => draft::ServicesAs::Container,
            ServicesAs::Process => draft::ServicesAs::Process,
        },
        machine: machine::look(&root, &around.variables),
    };
    let Some(draft) = draft::draft(&tree, &wishes) else {
        return Err(nothing(&root));
    };
    let files = files::of(&draft, &root, &args.path);
    if let Some(there) = files
        .iter()
        .find(|file| !args.print && !args.force && file.path.exists())
    {
        return Err(is_there(&there.shown));
    }
    if let Err(wrong) = files::check(&files) {
        super::check::tell(&wrong, printer)?;
        return Err(Failure::new(
            Exit::Failed,
            "the draft does not pass its own check, so nothing was written",
        )
        .hint("this is a defect of throughline; `--print --json` shows what was found"));
    }
    if !args.print {
        files::write(&files, args.force).map_err(|(file, error)| {
            let message = format!("{} cannot be written: {error}", file.shown.display());
            Failure::new(Exit::Failed, message)
        })?;
    }
    let path = around.variables.get("PATH").cloned().unwrap_or_default();
    let is_missing = |program: &&str| !tools::is_there(program, &path) && !machine::is_postgres(program, &path);
    let missing: Vec<&str> = draft.programs.iter().map(String::as_str).filter(is_missing).collect();
    if args.json {
        return printer.document(&document(&draft, shown, !args.print, &missing));
    }
    if args.print {
        for (number, file) in files.iter().enumerate() {
            if number > 0 {
                printer.data(&format!("\n# === {}\n", file.shown.display()))?;
            }
            printer.data(file.text)?;
        }
        return Ok(());
    }
    tell(&draft, printer);
    for program in &missing {
        let remedy = tools::remedy(program).unwrap_or("its project says how it is installed");
        printer.warn(&format!(
            "`{program}` is not on this machine, and the steps start it: {remedy}"
        ));
    }
    if crate::git::ignores(&root, &around.variables, name) {
        printer.warn(&format!(
            "git ignores {name} here, so it would not be committed: add a line `!/{name}` to .gitignore"
        ));
    }
    printer.say("");
    let tick = paint(Tone::Good, "✓");
    printer.say(&match draft.components.len() {
        0 => format!("{tick} {} is written, and passes its check. Next:", shown.display()),
        more => format!(
            "{tick} {} and one in the folder of each of {more} components are written, and pass their check. Next:",
            shown.display()
        ),
    });
    let (check, run) = if args.path == Path::new(".") {
        ("throughline check".to_owned(), "throughline run".to_owned())
    } else {
        let shown = shown.display();
        (
            format!("throughline check {shown}"),
            format!("throughline run --file {shown}"),
        )
    };
    let width = run.len().max(check.len());
    for (command, why) in [
        (&run, "runs the steps here and puts the package together"),
        (&check, "after each change of the file"),
    ] {
        let command = paint(Tone::Strong, &format!("{command:width$}"));
        printer.say(&format!("  {command}  {}", paint(Tone::Quiet, why)));
    }
    Ok(())
}

/// Nothing was found that says how anything is built.
fn nothing(root: &Path) -> Failure {
    let is_empty = std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_none());
    let message = if is_empty {
        "the folder is empty".to_owned()
    } else {
        "nothing here says how it is built: no manifest of Rust, Node, Python, Go, Maven, Gradle or CMake, no Makefile, no Dockerfile"
            .to_owned()
    };
    Failure::new(Exit::NotFound, message)
        .hint("a file of your own takes four lines: `throughline: 1`, `steps:`, `  build:`, `    run: ./build.sh`")
}

fn is_there(shown: &Path) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("{} is there already, and was not touched", shown.display()),
    )
    .hint("`--print` shows what would be drafted, `--force` writes it over the file")
}

fn drafted(steps: &[DraftStep]) -> Vec<DraftedStep<'_>> {
    let steps = steps.iter();
    steps
        .map(|step| DraftedStep {
            name: &step.name,
            run: &step.run,
            from: step.from.as_deref(),
        })
        .collect()
}

fn document<'a>(draft: &'a Draft, file: &Path, written: bool, missing: &[&'a str]) -> Drafted<'a> {
    Drafted {
        schema: "init/1",
        file: file.display().to_string(),
        written,
        found: draft
            .parts
            .iter()
            .map(|part| FoundPart {
                kind: &part.kind,
                folder: &part.folder,
                because: &part.because,
            })
            .collect(),
        steps: drafted(&draft.steps),
        files: &draft.files,
        has_service: draft.has_service,
        definitions: &draft.definitions,
        components: draft
            .components
            .iter()
            .map(|component| DraftedComponent {
                name: &component.name,
                folder: &component.folder,
                steps: drafted(&component.steps),
                files: &component.files,
                has_service: component.has_service,
                text: &component.text,
            })
            .collect(),
        not_taken: draft
            .untaken
            .iter()
            .map(|part| NotTaken {
                file: &part.file,
                line: part.line,
                what: &part.what,
                reason: &part.reason,
            })
            .collect(),
        notes: &draft.notes,
        missing: missing.to_vec(),
        text: &draft.text,
    }
}

/// What was found and drafted, for people.
fn tell(draft: &Draft, printer: &mut Printer) {
    let columns = printer.sight.width.unwrap_or(usize::MAX);
    printer.say(&paint(Tone::Strong, "Found"));
    for part in &draft.parts {
        let place = if part.folder.is_empty() {
            String::new()
        } else {
            format!(" in {}/", part.folder)
        };
        let what = clean(&format!("{}{place}", part.kind));
        let because = clean(&part.because.join(", "));
        let because = cut(&because, columns.saturating_sub(width(&what) + 4).max(20));
        printer.say(&format!("  {what}  {}", paint(Tone::Quiet, &because)));
    }
    if !draft.components.is_empty() {
        printer.say("");
        let title = paint(Tone::Strong, "Components");
        let other = "each is built and deployed by itself; --one makes one package of all";
        let other = cut(other, columns.saturating_sub(12).max(24));
        printer.say(&format!("{title}  {}", paint(Tone::Quiet, &other)));
        for component in &draft.components {
            let place = format!("{}/", component.folder);
            printer.say(&format!("  {}  {}", component.name, paint(Tone::Quiet, &clean(&place))));
            steps(&component.steps, 4, columns, printer);
            package(&component.files, component.has_service, columns, printer);
        }
    }
    if !draft.steps.is_empty() {
        printer.say("");
        printer.say(&paint(Tone::Strong, "Steps"));
        steps(&draft.steps, 2, columns, printer);
    }
    if draft.components.is_empty() {
        printer.say("");
        printer.say(&paint(Tone::Strong, "Package"));
        if draft.files.is_empty() {
            printer.say("  none: the definition only runs its steps; the file says why");
        }
        for file in &draft.files {
            printer.say(&format!("  {}", clean(file)));
        }
        if draft.has_service {
            printer.say("  run as a service");
        }
    }
    if !draft.notes.is_empty() {
        printer.say("");
        for note in &draft.notes {
            printer.say(&format!("{} {}", paint(Tone::Waiting, "note:"), clean(note)));
        }
    }
    untaken(draft, columns, printer);
}

/// The steps of a definition, the first commands of each.
fn steps(all: &[DraftStep], indent: usize, columns: usize, printer: &mut Printer) {
    let names = all.iter().map(|step| step.name.len()).max().unwrap_or(0);
    for step in all {
        for (at, command) in step.run.iter().take(MOST_COMMANDS).enumerate() {
            let name = if at == 0 { step.name.as_str() } else { "" };
            let from = match (&step.from, at) {
                (Some(from), 0) => format!("  {}", clean(from)),
                _ => String::new(),
            };
            let room = columns.saturating_sub(names + indent + 2 + from.len()).max(24);
            printer.say(&format!(
                "{:indent$}{name:names$}  {}{}",
                "",
                cut(&clean(command), room),
                paint(Tone::Quiet, &from)
            ));
        }
        if step.run.len() > MOST_COMMANDS {
            let more = format!("and {} more", step.run.len() - MOST_COMMANDS);
            printer.say(&format!("{:indent$}{:names$}  {}", "", "", paint(Tone::Quiet, &more)));
        }
    }
}

/// What the package of a component takes, in a line.
fn package(files: &[String], has_service: bool, columns: usize, printer: &mut Printer) {
    let files = match files {
        [] => "no package: the file says why".to_owned(),
        files => format!("package: {}", files.join(", ")),
    };
    let service = if has_service { ", run as a service" } else { "" };
    let line = cut(
        &format!("{}{service}", clean(&files)),
        columns.saturating_sub(4).max(24),
    );
    printer.say(&format!("    {}", paint(Tone::Quiet, &line)));
}

fn untaken(draft: &Draft, columns: usize, printer: &mut Printer) {
    if draft.untaken.is_empty() {
        return;
    }
    printer.say("");
    let title = paint(Tone::Strong, "Not taken over");
    printer.say(&format!("{title} {}", paint(Tone::Quiet, "(the file lists it too)")));
    let lines = draft.untaken_in_lines();
    for (place, what) in lines.iter().take(MOST_UNTAKEN) {
        let place = clean(place);
        let what = cut(&clean(what), columns.saturating_sub(width(&place) + 4).max(30));
        printer.say(&format!("  {}  {what}", paint(Tone::Quiet, &place)));
    }
    if let Some(more) = lines.len().checked_sub(MOST_UNTAKEN).filter(|more| *more > 0) {
        printer.say(&paint(Tone::Quiet, &format!("  and {more} more")));
    }
}
