//! `throughline check`.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use facts::StepName;
use maturity::{Model, Statements};
use pipeline::definition::modules::{self, Gathering, Library};
use pipeline::{Components, Definition, Diagnostic, Diagnostics, Environments};
use serde::Serialize;

use super::explain::Explained;
use super::{Around, read_file};
use crate::cli::{CheckArgs, FileKind};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::show::paint::{Tone, clean, paint};

/// The file of the environments, as it is called where nobody says otherwise.
const ENVIRONMENTS: &str = "environments.yaml";

/// What came of checking files.
#[derive(Debug, Serialize)]
struct Checked {
    schema: &'static str,
    files: Vec<CheckedFile>,
}

/// What came of checking a file.
#[derive(Debug, Serialize)]
struct CheckedFile {
    file: String,
    kind: &'static str,
    right: bool,
    /// What it holds, such as the names of its steps.
    holds: Vec<String>,
    wrong: Vec<Diagnostic>,
    /// What is no mistake of the file, but may be one all the same.
    doubtful: Vec<Diagnostic>,
    /// The plan, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Explained>,
}

/// Checks the two files.
pub(super) fn check(args: &CheckArgs, around: &Around, printer: &mut Printer) -> Result<(), Failure> {
    let folder = around.folder.as_path();
    let files = match &args.file {
        Some(file) => vec![(file.clone(), args.kind.unwrap_or_else(|| kind_of(file)))],
        None => here(folder)?,
    };
    let mut open: VecDeque<(PathBuf, FileKind, bool)> =
        files.into_iter().map(|(file, kind)| (file, kind, false)).collect();
    let mut checked = Vec::new();
    let (mut definitions, mut environments) = (Vec::new(), None);
    while let Some((file, kind, is_listed)) = open.pop_front() {
        let name = file.display().to_string();
        if is_listed && !folder.join(&file).exists() {
            let absent = Err(told(
                &name,
                "a component is listed here, and there is no definition in its folder",
                "write one, or correct `path` in the list",
            ));
            checked.push(line(name, "definition", &absent, |(): &()| Vec::new()));
            continue;
        }
        let bytes = read_file(&folder.join(&file), &file)?;
        let is_module =
            || args.kind.is_none() && !file.ends_with(pipeline::definition::FILE) && modules::is_module(&bytes);
        let kind = match kind {
            FileKind::Definition if is_module() => FileKind::Module,
            kind => kind,
        };
        checked.push(match kind {
            FileKind::Definition => {
                let library = library(&folder.join(&file), &bytes, args.refresh_modules, around, printer)?;
                let mut parsed = Definition::parse_bytes_with(&bytes, &name, &library);
                if !is_listed {
                    // What the list names is looked at right after it.
                    for member in listed(&parsed, &bytes, &file).into_iter().rev() {
                        open.push_front((member, FileKind::Definition, true));
                    }
                } else if parsed.as_ref().is_ok_and(|parsed| !parsed.components().is_empty()) {
                    parsed = Err(told(
                        &name,
                        "components are listed at the repository's top, not in one of them",
                        "move `components` into the file at the top",
                    ));
                }
                let holds = |definition: &Definition| definition.steps().map(ToString::to_string).collect();
                let mut line = line(name, "definition", &parsed, holds);
                if let (true, Ok(definition)) = (args.explain, &parsed) {
                    let places = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
                    let plan = definition.plan();
                    line.doubtful = definition.too_large(&plan, places, executor::machine::memory());
                    line.plan = Some(Explained::of(definition, &args.line, places));
                }
                definitions.extend(parsed.ok());
                line
            }
            FileKind::Module => {
                let library = library(&folder.join(&file), &bytes, args.refresh_modules, around, printer)?;
                let parsed = modules::check(&bytes, &name, &library);
                line(name, "module", &parsed, |steps: &Vec<StepName>| {
                    steps.iter().map(ToString::to_string).collect()
                })
            }
            FileKind::Environments => {
                let parsed = Environments::parse_bytes(&bytes, &name);
                let holds =
                    |environments: &Environments| environments.iter().map(|each| each.name.to_string()).collect();
                let line = line(name, "environments", &parsed, holds);
                environments = parsed.ok();
                line
            }
            FileKind::MaturityModel => {
                let parsed = text(&bytes, &name).and_then(|text| Model::parse(text, &name));
                let holds = |model: &Model| model.practices().map(|practice| practice.id.clone()).collect();
                line(name, "maturity-model", &parsed, holds)
            }
            FileKind::Statements => {
                let parsed = text(&bytes, &name).and_then(|text| Statements::parse(text, &Model::shipped()));
                let holds = |statements: &Statements| statements.practices().map(str::to_owned).collect();
                line(name, "statements", &parsed, holds)
            }
        });
    }
    // Only together can it be said whether the one names what the other lacks.
    if let Some(environments) = &environments {
        for (definition, line) in definitions
            .iter()
            .zip(checked.iter_mut().filter(|line| line.kind == "definition"))
        {
            line.doubtful.extend(definition.unknown_environments(environments));
        }
    }
    tell_all(
        &Checked {
            schema: "check/1",
            files: checked,
        },
        args.json.json,
        printer,
    )
}

/// The modules that a file uses. Most use none, and nothing is looked for.
fn library(file: &Path, bytes: &[u8], again: bool, around: &Around, printer: &mut Printer) -> Result<Library, Failure> {
    if Gathering::of(bytes, "").next().is_none() {
        return Ok(Library::default());
    }
    let settings = around.layers.local()?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start threads: {error}")))?;
    let found = runtime.block_on(super::modules::library(file, bytes, &settings, again));
    Ok(found.told(printer))
}

/// Something that is wrong with a file as a whole.
fn told(file: &str, message: &str, hint: &str) -> Diagnostics {
    Diagnostics::from(Diagnostic {
        file: file.to_owned(),
        line: 0,
        column: 0,
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
    })
}

/// The definitions of the components that a definition lists, also where something else is wrong with it.
fn listed(parsed: &Result<Definition, Diagnostics>, bytes: &[u8], file: &Path) -> Vec<PathBuf> {
    let read = match parsed {
        Ok(definition) => definition.components().clone(),
        Err(_) => Components::parse_bytes(bytes, "").unwrap_or_default(),
    };
    let top = file.parent().unwrap_or(Path::new(""));
    let members = read.members().iter();
    members
        .map(|member| top.join(&member.folder).join(pipeline::definition::FILE))
        .collect()
}

fn tell_all(checked: &Checked, json: bool, printer: &mut Printer) -> Result<(), Failure> {
    let right = checked.files.iter().all(|file| file.right);
    if json {
        printer.document(checked)?;
    } else {
        for file in &checked.files {
            for diagnostic in &file.wrong {
                printer.data(&one(diagnostic, Tone::Bad))?;
            }
            for diagnostic in &file.doubtful {
                printer.data(&one(diagnostic, Tone::Waiting))?;
            }
            if file.right {
                let what = match file.kind {
                    "definition" | "module" => "steps",
                    "environments" => "environments",
                    _ => "practices",
                };
                let holds = match file.holds.as_slice() {
                    // A file that only lists components.
                    [] => String::new(),
                    holds => paint(Tone::Quiet, &format!("{what}: {}", holds.join(", "))),
                };
                let right = paint(Tone::Good, "✓");
                match &file.plan {
                    Some(plan) => printer.data(&format!("{right} {} is right\n{}", file.file, plan.text()))?,
                    None => printer.data(&format!("{right} {} is right  {holds}\n", file.file))?,
                }
            }
        }
    }
    if right {
        Ok(())
    } else {
        Err(Failure::told(Exit::BadFile))
    }
}

/// Prints what is wrong with a file.
pub(super) fn tell(diagnostics: &Diagnostics, printer: &mut Printer) -> Result<(), Failure> {
    diagnostics
        .iter()
        .try_for_each(|diagnostic| printer.data(&one(diagnostic, Tone::Bad)))
}

fn one(diagnostic: &Diagnostic, tone: Tone) -> String {
    let Diagnostic {
        file,
        line,
        column,
        message,
        hint,
    } = diagnostic;
    let place = match (line, column) {
        (0, _) => file.clone(),
        (line, 0) => format!("{file}:{line}"),
        (line, column) => format!("{file}:{line}:{column}"),
    };
    let mut text = format!("{} {}\n", paint(tone, &format!("{}:", clean(&place))), clean(message));
    if let Some(hint) = hint {
        text.push_str(&format!("  {} {}\n", paint(Tone::Busy, "hint:"), clean(hint)));
    }
    text
}

fn line<T>(
    file: String,
    kind: &'static str,
    parsed: &Result<T, Diagnostics>,
    holds: impl Fn(&T) -> Vec<String>,
) -> CheckedFile {
    CheckedFile {
        file,
        kind,
        right: parsed.is_ok(),
        holds: parsed.as_ref().map(holds).unwrap_or_default(),
        wrong: parsed
            .as_ref()
            .err()
            .map(|wrong| wrong.iter().cloned().collect())
            .unwrap_or_default(),
        doubtful: Vec::new(),
        plan: None,
    }
}

/// The text of a file.
fn text<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str, Diagnostics> {
    std::str::from_utf8(bytes).map_err(|_| {
        Diagnostics::from(Diagnostic {
            file: name.to_owned(),
            line: 0,
            column: 0,
            message: "this is no text in UTF-8".to_owned(),
            hint: None,
        })
    })
}

/// What a file is, by its name.
fn kind_of(file: &Path) -> FileKind {
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    if name.contains("environment") {
        FileKind::Environments
    } else if file.ends_with(maturity::statements::FILE) {
        FileKind::Statements
    } else if name.contains("maturity") || name.contains("model") {
        FileKind::MaturityModel
    } else {
        FileKind::Definition
    }
}

/// The files of the folder.
fn here(folder: &Path) -> Result<Vec<(PathBuf, FileKind)>, Failure> {
    let known = [
        (pipeline::definition::FILE, FileKind::Definition),
        (ENVIRONMENTS, FileKind::Environments),
        (maturity::statements::FILE, FileKind::Statements),
    ];
    let files: Vec<_> = known
        .iter()
        .filter(|(name, _)| folder.join(name).exists())
        .map(|(name, kind)| (PathBuf::from(name), *kind))
        .collect();
    if files.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            format!(
                "there is no {} and no {ENVIRONMENTS} in {}",
                pipeline::definition::FILE,
                folder.display()
            ),
        )
        .hint("go to the component's folder, or name the file: `throughline check FILE`"));
    }
    Ok(files)
}
