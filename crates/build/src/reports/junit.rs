//! JUnit XML, as many tools write it: suites in suites, cases with `failure`, `error` or `skipped` in them.
//! There is no binding description of the format; what is common to pytest, Maven Surefire, Gradle,
//! cargo-nextest, jest-junit and gotestsum is read, and what is not known is passed over.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{FailedCase, Fate, TestReport};

/// The deepest nesting that is read.
const DEEPEST: usize = 100;
/// The most cases that are read of a file.
const MOST_CASES: u64 = 200_000;
/// How many bytes of what a case says are read.
const MOST_TEXT: usize = 8 * 1024;

/// A case on its way.
#[derive(Default)]
struct Case {
    failed: FailedCase,
    fate: Option<Fate>,
    /// Its text is what the element says that decided.
    text: String,
    /// The kind of failure, for want of anything else.
    kind: Option<String>,
}

/// Reads a file into `report`.
///
/// # Errors
/// Says what is wrong; what came before counts.
pub(super) fn read(text: &str, report: &mut TestReport) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<String> = Vec::new();
    let mut suites: Vec<(String, Option<String>)> = Vec::new();
    let mut case: Option<Case> = None;
    let mut any = false;
    let before = report.tests;
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                return Err(format!(
                    "{} is not well-formed: {error}",
                    place(text, reader.error_position())
                ));
            }
        };
        match event {
            Event::Start(start) => {
                let name = local(&start);
                any |= matches!(name.as_str(), "testsuites" | "testsuite" | "testcase");
                if !any {
                    return Err(format!("this is no JUnit XML: it begins with `<{name}>`"));
                }
                if open.len() >= DEEPEST {
                    return Err(format!("{} is nested too deep", place(text, reader.buffer_position())));
                }
                begin(&name, &start, &mut suites, &mut case);
                open.push(name);
            }
            Event::Empty(start) => {
                let name = local(&start);
                any |= matches!(name.as_str(), "testsuites" | "testsuite" | "testcase");
                if !any {
                    return Err(format!("this is no JUnit XML: it begins with `<{name}>`"));
                }
                begin(&name, &start, &mut suites, &mut case);
                end(&name, &mut suites, &mut case, report);
            }
            Event::End(_) => {
                let Some(name) = open.pop() else { break };
                end(&name, &mut suites, &mut case, report);
                if report.tests - before >= MOST_CASES {
                    return Err(format!(
                        "it has more than {MOST_CASES} cases; the others are not counted"
                    ));
                }
            }
            Event::Text(said) => add(&open, &mut case, &said),
            Event::CData(said) => add(&open, &mut case, &said),
            Event::GeneralRef(reference) => add(&open, &mut case, &entity(&reference)),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match open.last() {
        Some(name) => Err(format!("it ends within `<{name}>`")),
        None if !any => Err("this is no JUnit XML: there is nothing in it".to_owned()),
        None => Ok(()),
    }
}

fn begin(name: &str, start: &BytesStart<'_>, suites: &mut Vec<(String, Option<String>)>, case: &mut Option<Case>) {
    let attribute = |wanted: &str| attribute(start, wanted);
    match (name, case.as_mut()) {
        ("testsuite", None) => {
            let file = attribute("file").or_else(|| attribute("filepath"));
            let file = file.or_else(|| suites.last().and_then(|(_, file)| file.clone()));
            suites.push((attribute("name").unwrap_or_default(), file));
        }
        ("testcase", None) => {
            let suite = suites.last();
            let line = attribute("line").filter(|line| !line.is_empty());
            let file = attribute("file").or_else(|| suite.and_then(|(_, file)| file.clone()));
            let file = file.map(|file| line.map_or(file.clone(), |line| format!("{file}:{line}")));
            let class = attribute("classname").filter(|class| !class.is_empty());
            *case = Some(Case {
                failed: FailedCase {
                    name: attribute("name").unwrap_or_else(|| "a case without a name".to_owned()),
                    suite: class.or_else(|| suite.map(|(name, _)| name.clone())),
                    message: attribute("time"),
                    file,
                },
                ..Case::default()
            });
        }
        ("failure" | "error", Some(case)) if case.fate != Some(Fate::Failed) => {
            case.fate = Some(Fate::Failed);
            case.kind = attribute("type");
            case.text = attribute("message").unwrap_or_default();
            if !case.text.is_empty() {
                case.text.push('\n');
            }
        }
        ("skipped", Some(case)) if case.fate.is_none() => case.fate = Some(Fate::Skipped),
        ("flakyFailure" | "flakyError", Some(case)) if case.fate.is_none() => case.fate = Some(Fate::Flaky),
        _ => {}
    }
}

fn end(name: &str, suites: &mut Vec<(String, Option<String>)>, case: &mut Option<Case>, report: &mut TestReport) {
    match name {
        "testsuite" if case.is_none() => {
            suites.pop();
        }
        "testcase" => {
            let Some(done) = case.take() else { return };
            // Thousands are parted by some tools: `1,234.5`.
            let time = done.failed.message.as_deref().map(|time| time.replace(',', ""));
            if let Some(seconds) = time.and_then(|time| time.trim().parse().ok()) {
                report.took(seconds);
            }
            let fate = done.fate.unwrap_or(Fate::Passed);
            report.count(fate, || FailedCase {
                message: Some(done.text).filter(|text| !text.trim().is_empty()).or(done.kind),
                ..done.failed
            });
        }
        _ => {}
    }
}

/// What stands directly in the element that says that a case failed.
fn add(open: &[String], case: &mut Option<Case>, said: &str) {
    let Some(case) = case else { return };
    let within = open
        .last()
        .is_some_and(|name| matches!(name.as_str(), "failure" | "error"));
    if within && case.fate == Some(Fate::Failed) && case.text.len() < MOST_TEXT {
        let room = MOST_TEXT - case.text.len();
        let end = said
            .char_indices()
            .map(|(at, c)| at + c.len_utf8())
            .take_while(|end| *end <= room)
            .last();
        case.text.push_str(&said[..end.unwrap_or(0)]);
    }
}

fn local(start: &BytesStart<'_>) -> String {
    let name = start.name();
    let name: &str = name.as_ref();
    name.rsplit(':').next().unwrap_or(name).to_owned()
}

fn attribute(start: &BytesStart<'_>, wanted: &str) -> Option<String> {
    let mut attributes = start.attributes();
    let found = attributes.with_checks(false).filter_map(Result::ok).find(|attribute| {
        let key: &str = attribute.key.as_ref();
        key == wanted
    })?;
    Some(unescape(&found.value))
}

/// The text with the entities that XML itself has.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.split_once(';').filter(|(name, _)| name.len() <= 10) {
            Some((name, left)) => {
                plain.push_str(&entity(name));
                rest = left;
            }
            None => plain.push('&'),
        }
    }
    plain.push_str(rest);
    plain
}

/// What an entity stands for; itself where that is not known.
fn entity(name: &str) -> String {
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let sign = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match name.strip_prefix('#') {
            Some(digits) => match digits.strip_prefix(['x', 'X']) {
                Some(digits) => number(digits, 16),
                None => number(digits, 10),
            },
            None => None,
        },
    };
    sign.map_or_else(|| format!("&{name};"), |sign| sign.to_string())
}

fn place(text: &str, at: u64) -> String {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(text.len());
    let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    format!("line {line}")
}
