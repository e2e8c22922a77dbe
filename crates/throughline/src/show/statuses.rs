//! What the host of a followed repository is told of its commits.

use super::paint::{Table, Tone, clean, paint};
use crate::printer::Sight;
use crate::wire::Statuses;

/// To whom it is said, how that goes, and what was said last.
pub fn statuses(statuses: &Statuses, sight: &Sight) -> String {
    let (Some(host), Some(project)) = (&statuses.host, &statuses.project) else {
        return format!(
            "Nobody is told how the commits of {} stand; `throughline repo statuses set` says to whom.\n",
            clean(&statuses.component)
        );
    };
    let mut about = Table::new(&["", ""]);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    about.row([
        (Tone::Quiet, "host".into()),
        (Tone::Strong, format!("{host}, {project}")),
    ]);
    about.row([(Tone::Quiet, "API".into()), (Tone::Plain, text(&statuses.api))]);
    about.row([
        (Tone::Quiet, "token".into()),
        (Tone::Plain, format!("the secret `{}`", text(&statuses.token))),
    ]);
    let mut told = about.render(sight.width);
    if let Some(problem) = &statuses.problem {
        let since = statuses
            .problem_since
            .map(|since| format!(" (since {})", sight.clock(since)));
        let (problem, hint) = problem.split_once("\nhint: ").unwrap_or((problem, ""));
        told.push_str(&format!(
            "\n{} it takes nothing{}: {}\n",
            paint(Tone::Bad, "✗"),
            since.unwrap_or_default(),
            clean(problem)
        ));
        if !hint.is_empty() {
            told.push_str(&format!("  hint: {}\n", clean(hint)));
        }
    }
    if statuses.statuses.is_empty() {
        told.push_str("\nNothing was said yet: what came before is not said.\n");
        return told;
    }
    let mut table = Table::new(&["COMMIT", "AS", "STATE", "SAID", "SINCE"]);
    for one in &statuses.statuses {
        let state = match one.state.as_str() {
            "success" => Tone::Good,
            "failure" | "error" => Tone::Bad,
            _ => Tone::Plain,
        };
        let (tone, said) = match (one.told.as_str(), one.next_at) {
            ("told", _) => (Tone::Good, "yes".to_owned()),
            ("waiting", Some(next)) if one.attempts > 0 => (
                Tone::Bad,
                format!("not after {} tries, again {}", one.attempts, sight.ago(next)),
            ),
            ("waiting", _) => (Tone::Quiet, "not yet".to_owned()),
            _ => (Tone::Bad, "given up".to_owned()),
        };
        table.row([
            (Tone::Plain, one.commit.get(..8).unwrap_or(&one.commit).to_owned()),
            (Tone::Plain, one.context.clone()),
            (state, one.state.clone()),
            (tone, said),
            (Tone::Quiet, sight.ago(one.at)),
        ]);
    }
    told.push('\n');
    told.push_str(&table.render(sight.width));
    told
}
