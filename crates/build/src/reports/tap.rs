//! TAP, the Test Anything Protocol, versions 12 to 14: `ok` and `not ok` a line. Subtests are indented and
//! counted by the line that sums them up.

use super::{FailedCase, Fate, TestReport};

/// How many bytes of what a case says are read.
const MOST_TEXT: usize = 8 * 1024;

/// Reads a file into `report`.
///
/// # Errors
/// Says what is wrong; what came before counts.
pub(super) fn read(text: &str, report: &mut TestReport) -> Result<(), String> {
    let mut planned: Option<u64> = None;
    let mut seen: u64 = 0;
    let mut failed: Option<FailedCase> = None;
    let mut block = false;
    for line in text.lines() {
        let inner = line.trim();
        if line.starts_with([' ', '\t']) {
            // What a case says of itself stands between `---` and `...`.
            if let Some(case) = &mut failed {
                match inner {
                    "---" => block = true,
                    "..." => block = false,
                    _ if block => say(case, inner),
                    _ => {}
                }
            }
            continue;
        }
        if let Some(rest) = inner.strip_prefix("not ok") {
            done(report, failed.take());
            (seen, block) = (seen + 1, false);
            let (name, fate) = test(rest, Fate::Failed);
            match fate {
                Fate::Failed => {
                    failed = Some(FailedCase {
                        name,
                        ..FailedCase::default()
                    })
                }
                other => report.count(other, FailedCase::default),
            }
        } else if let Some(rest) = inner
            .strip_prefix("ok")
            .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        {
            done(report, failed.take());
            (seen, block) = (seen + 1, false);
            let (_, fate) = test(rest, Fate::Passed);
            report.count(fate, FailedCase::default);
        } else if let Some(last) = inner.strip_prefix("1..") {
            let number: String = last.chars().take_while(char::is_ascii_digit).collect();
            planned = number.parse().ok();
        } else if let Some(why) = inner.strip_prefix("Bail out!") {
            done(report, failed.take());
            return Err(format!("the tests gave up: {}", why.trim()));
        } else if let (Some(case), Some(said)) = (&mut failed, inner.strip_prefix('#')) {
            say(case, said.trim());
        }
    }
    done(report, failed);
    match planned {
        None if seen == 0 => Err("this is no TAP: there is no `ok`, no `not ok` and no plan in it".to_owned()),
        Some(planned) if planned != seen => Err(format!("{planned} tests were planned, {seen} came")),
        _ => Ok(()),
    }
}

fn done(report: &mut TestReport, failed: Option<FailedCase>) {
    if let Some(case) = failed {
        report.count(Fate::Failed, || case);
    }
}

fn say(case: &mut FailedCase, said: &str) {
    let message = case.message.get_or_insert_default();
    if message.len() + said.len() < MOST_TEXT {
        message.push_str(said);
        message.push('\n');
    }
}

/// The name of a test and what became of it, from what follows `ok` or `not ok`.
fn test(rest: &str, fate: Fate) -> (String, Fate) {
    let rest = rest.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
    let (name, directive) = match rest.rsplit_once(" # ").or_else(|| rest.split_once("# ")) {
        Some((name, directive)) => (name, directive.trim_start().to_ascii_lowercase()),
        None => (rest, String::new()),
    };
    let name = name.trim().trim_start_matches("- ").trim().to_owned();
    let name = if name.is_empty() {
        "a test without a name".to_owned()
    } else {
        name
    };
    // A test that is known not to work yet is no failure, and no success.
    let fate = if directive.starts_with("skip") || directive.starts_with("todo") {
        Fate::Skipped
    } else {
        fate
    };
    (name, fate)
}
