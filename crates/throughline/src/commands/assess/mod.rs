//! `throughline assess`.

mod progress;

use std::collections::BTreeMap;
use std::path::Path;

use evidence::{Evidence, Finding, Place, Tree};
use jiff::ToSpan as _;
use jiff::civil::Date;
use maturity::advice::Site;
use maturity::document::{Assessment, ComponentAssessment, Month};
use maturity::next::{self, Ground, NextStep};
use maturity::profile::CategoryProfile;
use maturity::{Level, Model, Profile, Statements, Verdict, statements};
use policy::nearest::nearest;
use survey::{AsOf, Options, Survey, SurveyError};

use super::{Around, read_file};
use crate::cli::AssessArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::show;
use crate::show::paint::{Tone, clean, paint};

/// The largest file of statements that is read, in bytes.
const LARGEST_STATEMENTS: u64 = 1 << 20;

/// Assesses a repository.
pub(super) fn assess(args: &AssessArgs, around: &Around, printer: &mut Printer) -> Result<(), Failure> {
    if args.print_model {
        return printer.data(maturity::model::DEFAULT);
    }
    let model = model(args, &around.folder, printer)?;
    let floors = floors(args, &model)?;
    let path = around.folder.join(&args.path);
    let now = around.clock.now();
    let as_of = args.at.map_or(AsOf::Now(now), AsOf::EndOf);
    let options = Options {
        as_of,
        window_days: model.window_days,
        branch: args.branch.clone(),
        ..Options::now(now)
    };
    let (survey, months) = progress::watched(around, printer, |progress| {
        let moments = months(as_of, args.history.unwrap_or(0));
        survey::survey_with_timeline(&path, &options, &moments, progress)
    })
    .map_err(|error| unread(&error))?;

    let mut said = Said::of(&survey, &model);
    let chosen = match &args.component {
        Some(name) => Some(component(&survey, name)?),
        None => None,
    };
    let evidence = chosen.unwrap_or(&survey.repository);
    let profile = Profile::of(evidence, &model, &said.statements);
    let next = said.next(&survey, evidence, &profile, &model, args.steps);
    let mut assessment = Assessment::new(profile, next);
    assessment.findings.append(&mut said.findings);
    if chosen.is_none() {
        assessment.components = survey
            .components
            .iter()
            .map(|component| said.component(&survey, component, &model, args.steps))
            .collect();
    }
    assessment.history = months
        .iter()
        .filter_map(|survey| match &args.component {
            Some(name) => find(&survey.components, name),
            None => Some(&survey.repository),
        })
        // Before the first commit there is nothing to judge.
        .filter(|evidence| evidence.subject.commit.is_some())
        .map(|evidence| Month::of(&Profile::of(evidence, &model, &said.statements)))
        .collect();
    tell(args, around, &assessment, printer)?;
    reached(&assessment, &floors, printer)
}

/// Prints and writes what was asked for.
fn tell(args: &AssessArgs, around: &Around, assessment: &Assessment, printer: &mut Printer) -> Result<(), Failure> {
    if let Some(file) = &args.html {
        write(&around.folder.join(file), file, &show::assess::report(assessment))?;
        printer.say(&format!(
            "{} {}",
            paint(Tone::Good, "✓"),
            clean(&format!("report written to {}", file.display()))
        ));
    }
    if let Some(file) = &args.sarif {
        let log = maturity::sarif::log(assessment, env!("CARGO_PKG_VERSION"));
        let text = serde_json::to_string_pretty(&log)
            .map_err(|error| Failure::new(Exit::Failed, format!("cannot write the log: {error}")))?;
        write(&around.folder.join(file), file, &format!("{text}\n"))?;
        printer.say(&format!(
            "{} {}",
            paint(Tone::Good, "✓"),
            clean(&format!("SARIF written to {}", file.display()))
        ));
    }
    if args.json {
        return printer.document(assessment);
    }
    let width = printer.sight.width;
    if args.explain.is_empty() {
        printer.data(&show::assess::view(assessment, width))?;
        if args.html.is_none() && args.sarif.is_none() {
            printer.say("");
            printer.hint("`--explain not-met` shows the practices with their evidence, `--html FILE` writes a report");
        }
        return Ok(());
    }
    let mut text = String::new();
    for what in &args.explain {
        let mut found = false;
        for category in &assessment.categories {
            let whole = what == "all" || is_category(category, what);
            let told = show::assess::explain(
                category,
                |practice| whole || practice.verdict.name() == what || practice.id.eq_ignore_ascii_case(what),
                width,
            );
            found |= !told.is_empty();
            if !told.is_empty() && !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&told);
        }
        if !found && !is_verdict(what) {
            return Err(nothing_called(assessment, what));
        }
    }
    printer.data(&text)
}

fn is_category(category: &CategoryProfile, what: &str) -> bool {
    category.key.eq_ignore_ascii_case(what) || category.name.eq_ignore_ascii_case(what)
}

fn is_verdict(what: &str) -> bool {
    [
        Verdict::Met,
        Verdict::NotMet,
        Verdict::InsufficientEvidence,
        Verdict::Attested,
        Verdict::Declined,
    ]
    .iter()
    .any(|verdict| verdict.name() == what)
}

/// Why `--explain` finds nothing.
fn nothing_called(assessment: &Assessment, what: &str) -> Failure {
    let left_out = assessment
        .categories
        .iter()
        .flat_map(|category| &category.not_applicable)
        .chain(&assessment.left_out)
        .find(|left_out| left_out.id.eq_ignore_ascii_case(what));
    if let Some(left_out) = left_out {
        return Failure::new(
            Exit::NotFound,
            format!("{} {}: {}", left_out.id, left_out.name, left_out.reason),
        );
    }
    let ids = assessment
        .categories
        .iter()
        .flat_map(|category| category.practices.iter().map(|practice| practice.id.as_str()));
    let keys = assessment.categories.iter().map(|category| category.key.as_str());
    let hint = match nearest(what, ids.chain(keys.clone())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the categories are {}", keys.collect::<Vec<_>>().join(", ")),
    };
    Failure::new(
        Exit::NotFound,
        format!("there is no practice, category or verdict `{what}`"),
    )
    .hint(hint)
}

/// What people stated, and what is wrong with how they did.
struct Said {
    statements: Statements,
    findings: Vec<Finding>,
}

impl Said {
    fn of(survey: &Survey, model: &Model) -> Self {
        let mut said = Self {
            statements: Statements::default(),
            findings: Vec::new(),
        };
        let Some(tree) = &survey.tree else { return said };
        match tree.read(statements::FILE, LARGEST_STATEMENTS) {
            Ok(Some(bytes)) => match Statements::parse(&String::from_utf8_lossy(&bytes), model) {
                Ok(statements) => said.statements = statements,
                Err(wrong) => said.findings.extend(wrong.iter().map(|each| Finding {
                    place: Place::File {
                        file: each.file.clone(),
                        line: (each.line > 0).then_some(each.line),
                        what: None,
                    },
                    problem: each.message.clone(),
                    hint: each.hint.clone(),
                })),
            },
            Ok(None) => {}
            Err(error) => said.findings.push(Finding {
                place: Place::file(statements::FILE),
                problem: error.to_string(),
                hint: None,
            }),
        }
        said
    }

    fn next(
        &self,
        survey: &Survey,
        evidence: &Evidence,
        profile: &Profile,
        model: &Model,
        most: usize,
    ) -> Vec<NextStep> {
        let ground = Ground {
            profile,
            evidence,
            model,
            statements: &self.statements,
        };
        let Some(tree) = &survey.tree else {
            return next::steps(ground, most, &|_| None);
        };
        let trunk = trunk(evidence);
        let workflows = workflow::read(tree, trunk.as_deref());
        let of = evidence.subject.component.as_ref();
        let pipelines = |tree: &dyn Tree| workflow::measures(&workflow::read(tree, trunk.as_deref()), of);
        let files = |tree: &dyn Tree| inventory::measures(&inventory::read(tree), of);
        let site = Site {
            tree,
            workflows: &workflows,
            evidence,
            pipelines: &pipelines,
            files: &files,
        };
        next::steps(ground, most, &|recipe| site.propose(recipe))
    }

    fn component(&self, survey: &Survey, evidence: &Evidence, model: &Model, most: usize) -> ComponentAssessment {
        let profile = Profile::of(evidence, model, &self.statements);
        let next = self.next(survey, evidence, &profile, model, most);
        let (name, folder) = match &evidence.subject.component {
            Some(component) => (component.name.clone(), component.folder.clone()),
            None => (evidence.subject.repository.clone(), String::new()),
        };
        ComponentAssessment {
            name,
            folder,
            categories: profile.categories,
            left_out: profile.left_out,
            next,
        }
    }
}

fn trunk(evidence: &Evidence) -> Option<String> {
    match &evidence.measures.get("history.default_branch")?.value {
        evidence::Value::Text(name) => Some(name.clone()),
        _ => None,
    }
}

fn model(args: &AssessArgs, folder: &Path, printer: &mut Printer) -> Result<Model, Failure> {
    let Some(file) = &args.model else {
        return Ok(Model::shipped());
    };
    let bytes = read_file(&folder.join(file), file)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new(Exit::BadFile, format!("{} is no text in UTF-8", file.display())))?;
    match Model::parse(&text, &file.display().to_string()) {
        Ok(model) => Ok(model),
        Err(wrong) => {
            super::check::tell(&wrong, printer)?;
            Err(Failure::told(Exit::BadFile))
        }
    }
}

/// What `--fail-under` asks for, by the key of the category.
fn floors(args: &AssessArgs, model: &Model) -> Result<BTreeMap<String, Level>, Failure> {
    let mut floors = BTreeMap::new();
    for (named, level) in &args.fail_under {
        let Some(category) = model.category(named) else {
            let keys: Vec<&str> = model.categories.iter().map(|category| category.key.as_str()).collect();
            let hint = match nearest(named, keys.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the categories are {}", keys.join(", ")),
            };
            return Err(Failure::new(Exit::Usage, format!("--fail-under: there is no category `{named}`")).hint(hint));
        };
        floors.insert(category.key.clone(), *level);
    }
    Ok(floors)
}

/// Whether every category surely reaches what is asked for.
fn reached(assessment: &Assessment, floors: &BTreeMap<String, Level>, printer: &mut Printer) -> Result<(), Failure> {
    let mut below = Vec::new();
    for (key, level) in floors {
        let Some(category) = assessment.categories.iter().find(|category| category.key == *key) else {
            printer.warn(&format!(
                "`{key}` does not apply here, so --fail-under does not ask for it"
            ));
            continue;
        };
        if category.at_least < Some(*level) {
            let at = category.at_least.map_or("nothing", Level::name);
            below.push(format!(
                "{} surely reaches {at}, and {level} is asked for",
                category.name
            ));
        }
    }
    if below.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, below.join("; ")).hint("`--explain` shows what is in the way"))
}

/// The component that is named, by its name or folder.
fn component<'a>(survey: &'a Survey, name: &str) -> Result<&'a Evidence, Failure> {
    find(&survey.components, name).ok_or_else(|| {
        let names: Vec<&str> = survey
            .components
            .iter()
            .filter_map(|evidence| evidence.subject.component.as_ref())
            .map(|component| component.name.as_str())
            .collect();
        let hint = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "the repository is one component; leave `--component` out".to_owned(),
            None => format!("the components are {}", names.join(", ")),
        };
        Failure::new(Exit::NotFound, format!("there is no component `{name}`")).hint(hint)
    })
}

fn find<'a>(components: &'a [Evidence], name: &str) -> Option<&'a Evidence> {
    components.iter().find(|evidence| {
        evidence
            .subject
            .component
            .as_ref()
            .is_some_and(|component| component.name == name || component.folder == name.trim_end_matches('/'))
    })
}

/// The ends of the last months, the oldest first; the last is the moment itself.
fn months(as_of: AsOf, count: u8) -> Vec<AsOf> {
    let Some(before) = count.checked_sub(1) else {
        return Vec::new();
    };
    let day = as_of.timestamp().to_zoned(jiff::tz::TimeZone::UTC).date();
    let ends = (1..=i32::from(before)).rev().filter_map(|months| last_of(day, months));
    ends.map(AsOf::EndOf).chain([as_of]).collect()
}

/// The last day of the month that was so many months ago.
fn last_of(day: Date, months: i32) -> Option<Date> {
    Some(day.first_of_month().checked_sub(months.months()).ok()?.last_of_month())
}

fn write(path: &Path, shown: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write {}: {error}", shown.display())))
}

fn unread(error: &SurveyError) -> Failure {
    let exit = match error {
        SurveyError::NoFolder { .. } | SurveyError::NoRepository { .. } | SurveyError::NoBranch { .. } => {
            Exit::NotFound
        }
        _ => Exit::Failed,
    };
    let failure = Failure::new(exit, error.to_string());
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn months_end_on_their_last_day_and_the_last_one_is_now() {
        let now: Timestamp = "2026-03-31T10:00:00Z".parse().unwrap();
        let days: Vec<String> = months(AsOf::Now(now), 4)
            .iter()
            .map(|as_of| as_of.timestamp().strftime("%Y-%m-%d").to_string())
            .collect();
        assert_eq!(days, ["2025-12-31", "2026-01-31", "2026-02-28", "2026-03-31"]);
        assert!(months(AsOf::Now(now), 0).is_empty());
    }
}
