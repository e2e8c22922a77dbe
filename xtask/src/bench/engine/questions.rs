//! What questions cost among very many facts: each filter of the list and all of them together, searches, and page
//! after page from the newest on.

use std::fmt::Write as _;
use std::time::Instant;

use super::document::{count, short};
use super::server::Server;

/// How often each is asked.
const TIMES: usize = 5;
/// How many pages are looked through one after the other.
const PAGES: usize = 1_000;
/// How many of the slowest are told.
const TOLD: usize = 3;

const STREAMS: [&str; 4] = ["", "run", "repository", "nothing/such"];
const KINDS: [&str; 3] = ["", "attempt.finished", "no.such"];
/// Nobody who ever did anything.
const NOBODY: &str = "user:actor_01h455vb4pex5vsknk084sn02q";
/// From and until: everything, all the time there is, and none of it.
const TIMES_ASKED: [(&str, &str); 4] = [("", ""), ("1970-01-02", ""), ("", "1970-01-02"), ("2096-01-01", "")];
const SEARCHES: [&str; 10] = [
    "service7",
    "service",
    "m",
    "team",
    "team3",
    "main",
    "zzz",
    "0a",
    "succeeded",
    "team service",
];

/// The questions to the list of facts, by all that it filters by.
fn filters(somebody: &str) -> Vec<String> {
    let mut all = Vec::new();
    for stream in STREAMS {
        for kind in KINDS {
            for actor in ["", somebody, NOBODY] {
                for (since, until) in TIMES_ASKED {
                    let given = [
                        ("stream", stream),
                        ("kind", kind),
                        ("actor", actor),
                        ("since", since),
                        ("until", until),
                    ];
                    let given = given.iter().filter(|(_, value)| !value.is_empty());
                    let given: Vec<_> = given.map(|(name, value)| format!("{name}={value}")).collect();
                    all.push(format!("/api/v1/ledger/facts?{}", given.join("&")));
                }
            }
        }
    }
    all
}

/// What they cost, as lines of the table.
pub fn ask(server: &Server) -> Result<String, String> {
    let newest = server.json("/api/v1/ledger/facts")?;
    let somebody = newest["facts"].as_array().into_iter().flatten().find_map(|fact| {
        let actor = fact["actor"].as_str()?;
        (actor != "system").then_some(actor)
    });
    let mut questions = filters(somebody.unwrap_or("system"));
    let found = |words: &str| format!("/api/v1/search?q={}", words.replace(' ', "+"));
    questions.extend(SEARCHES.map(found));
    let mut asked = Vec::new();
    for question in questions {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let begun = Instant::now();
            server.get(&question)?;
            times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        times.sort_by(f64::total_cmp);
        asked.push((times[TIMES / 2], question));
    }
    Ok(told(asked, page_after_page(server)?))
}

/// How many milliseconds one of many pages takes, each of which begins where the one before ended.
fn page_after_page(server: &Server) -> Result<f64, String> {
    let begun = Instant::now();
    let (mut path, mut pages) = ("/api/v1/ledger/facts".to_owned(), 0);
    while pages < PAGES {
        let page = server.json(&path)?;
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/ledger/facts?after={next}");
    }
    Ok(begun.elapsed().as_secs_f64() * 1_000.0 / pages as f64)
}

fn told(mut asked: Vec<(f64, String)>, page: f64) -> String {
    asked.sort_by(|left, right| right.0.total_cmp(&left.0));
    let middle = asked.get(asked.len() / 2).map_or(0.0, |(time, _)| *time);
    let mut text = format!(
        "| {} questions to the list of facts and the search: median, ms | {} |\n| a page of the list, one after the other, ms | {} |\n",
        count(asked.len()),
        short(middle),
        short(page)
    );
    for (time, question) in asked.iter().take(TOLD) {
        let _ = writeln!(text, "| among the slowest: `{question}`, ms | {} |", short(*time));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_filters_are_asked_alone_and_together_and_the_slowest_are_told() {
        let all = filters("token:x");
        assert_eq!(all.len(), 4 * 3 * 3 * 4);
        assert_eq!(all[0], "/api/v1/ledger/facts?");
        let together = "/api/v1/ledger/facts?stream=run&kind=attempt.finished&actor=token:x&since=1970-01-02";
        assert!(all.iter().any(|one| one == together), "{all:#?}");
        let asked = [1.0, 9.0, 4.0, 2.0, 3.0].map(|time| (time, format!("/{time}"))).into();
        let text = told(asked, 0.5);
        assert!(text.starts_with("| 5 questions to the list of facts and the search: median, ms | 3.00 |"));
        assert!(
            text.ends_with(
                "`/9`, ms | 9.00 |\n| among the slowest: `/4`, ms | 4.00 |\n| among the slowest: `/3`, ms | 3.00 |\n"
            ),
            "{text}"
        );
    }
}
