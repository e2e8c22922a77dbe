//! `throughline init`: a first definition for what lies in a folder.

mod folder;

use std::io::Write as _;
use std::path::Path;

use draft::Draft;
use pipeline::Definition;
use serde::Serialize;

use super::Around;
use crate::cli::InitArgs;
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
        return Err(Failure::new(
            Exit::Refused,
            format!("{} is there already, and was not touched", shown.display()),
        )
        .hint("`--print` shows what would be drafted, `--force` writes it over the file"));
    }
    let tree = folder::Folder::look(&root)?;
    let Some(draft) = draft::draft(&tree) else {
        return Err(nothing(&root));
    };
    if let Err(wrong) = Definition::parse_bytes(draft.text.as_bytes(), name) {
        super::check::tell(&wrong, printer)?;
        return Err(Failure::new(
            Exit::Failed,
            "the draft does not pass its own check, so nothing was written",
        )
        .hint("this is a defect of throughline; `--print --json` shows what was found"));
    }
    if !args.print {
        write(&file, draft.text.as_bytes(), args.force)
            .map_err(|error| Failure::new(Exit::Failed, format!("{} cannot be written: {error}", shown.display())))?;
    }
    let path = around.variables.get("PATH").cloned().unwrap_or_default();
    let missing: Vec<&str> = draft.programs.iter().map(String::as_str).collect();
    let missing: Vec<&str> = missing
        .into_iter()
        .filter(|program| !tools::is_there(program, &path))
        .collect();
    if args.json {
        return printer.document(&document(&draft, shown, !args.print, &missing));
    }
    if args.print {
        return printer.data(&draft.text);
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
    printer.say(&format!(
        "{tick} {} is written, and passes its check. Next:",
        shown.display()
    ));
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

/// Writes a file whole or not at all, and over another one only where that is wanted.
fn write(file: &Path, bytes: &[u8], force: bool) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut fresh = tempfile::Builder::new()
        .prefix(".throughline-")
        .permissions(<std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(
            0o644,
        ))
        .tempfile_in(folder)?;
    fresh.write_all(bytes)?;
    let kept = if force {
        fresh.persist(file)
    } else {
        fresh.persist_noclobber(file)
    };
    kept.map(drop).map_err(|error| error.error)
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
        steps: draft
            .steps
            .iter()
            .map(|step| DraftedStep {
                name: &step.name,
                run: &step.run,
                from: step.from.as_deref(),
            })
            .collect(),
        files: &draft.files,
        has_service: draft.has_service,
        definitions: &draft.definitions,
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
    printer.say("");
    printer.say(&paint(Tone::Strong, "Steps"));
    let names = draft.steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    for step in &draft.steps {
        for (at, command) in step.run.iter().take(MOST_COMMANDS).enumerate() {
            let name = if at == 0 { step.name.as_str() } else { "" };
            let from = match (&step.from, at) {
                (Some(from), 0) => format!("  {}", clean(from)),
                _ => String::new(),
            };
            let room = columns.saturating_sub(names + 4 + from.len()).max(24);
            printer.say(&format!(
                "  {name:names$}  {}{}",
                cut(&clean(command), room),
                paint(Tone::Quiet, &from)
            ));
        }
        if step.run.len() > MOST_COMMANDS {
            let more = format!("and {} more", step.run.len() - MOST_COMMANDS);
            printer.say(&format!("  {:names$}  {}", "", paint(Tone::Quiet, &more)));
        }
    }
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
    if !draft.notes.is_empty() {
        printer.say("");
        for note in &draft.notes {
            printer.say(&format!("{} {}", paint(Tone::Waiting, "note:"), clean(note)));
        }
    }
    untaken(draft, columns, printer);
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
