//! Whatever a text holds, it stays text.

use facts::Timestamp;
use pages::model::{
    Broken, ButtonWeight, DefinitionView, Differing, DifferingLine, Entry, ErrorPage, LogLine, LoginPage, MadeAbout,
    Notice, Output, Owners, PlannedStep, Question, RemoteView, Theme, Tone, WaitReason, Waiting,
};
use pages::{
    change, component, difference, door, environment, log, overview, package, repository, run, sample, search, settings,
};

/// Texts that try to become something else.
const PAYLOADS: [&str; 14] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title><svg onload=alert(1)>",
    "</textarea></pre><iframe src=javascript:alert(1)>",
    "<!--<script>",
    "]]><x>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "`<b>x</b>` and `<i>",
    "\u{1b}[31m<script>alert(1)</script>\u{1b}[0m",
    "\u{1b}]8;;javascript:alert(1)\u{7}<a href=x>click</a>\u{1b}]8;;\u{7}",
    "\u{1b}[<script>alert(1)</script>m",
    "\u{9b}31m<b>\u{0}\u{8}\u{202e}<i>",
    "<\u{0}script>alert(1)</script>",
];

/// Every tag and every attribute of the HTML, by a reader that knows no more than quoting.
fn tags(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let mut quoted = false;
        let end = rest
            .find(|c| {
                if c == '"' {
                    quoted = !quoted;
                }
                c == '>' && !quoted
            })
            .unwrap_or(rest.len());
        found.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    found
}

/// Panics when the page holds an element or an attribute that no page of ours writes.
#[track_caller]
fn check(html: &str, payload: &str) {
    for tag in tags(html) {
        let name = tag
            .split([' ', '/', '>'])
            .find(|part| !part.is_empty())
            .unwrap_or("")
            .to_lowercase();
        assert!(
            !["img", "iframe", "object", "embed", "base", "style", "b>x", "x", "i"].contains(&name.as_str()),
            "{payload:?} became <{tag}>"
        );
        if name == "script" {
            assert!(
                tag.starts_with("script defer src=\"/assets/") || tag.starts_with("/script"),
                "{payload:?} became <{tag}>"
            );
        }
        let mut outside = String::new();
        let mut quoted = false;
        for c in tag.chars() {
            match c {
                '"' => quoted = !quoted,
                c if !quoted => outside.push(c),
                _ => {}
            }
        }
        for part in outside.split_whitespace().skip(1) {
            assert!(
                !part.to_lowercase().starts_with("on"),
                "{payload:?} became an attribute of <{tag}>"
            );
            assert!(
                !part.to_lowercase().starts_with("style"),
                "<{tag}> has a style of its own"
            );
        }
        assert!(
            !tag.to_lowercase().contains("=\"javascript:"),
            "{payload:?} became a link: <{tag}>"
        );
    }
}

fn at() -> Timestamp {
    sample::now()
}

#[test]
fn a_change_shows_hostile_texts_as_text() {
    for payload in PAYLOADS {
        let text = || payload.to_owned();
        let mut page = sample::returned();
        page.change.title = text();
        page.change.author = Some(text());
        page.body = text();
        page.waiting = vec![Waiting {
            reason: WaitReason::Gate,
            gate: text(),
            what: text(),
            whom: vec![text(), text()],
            since: at(),
            until: Some(at()),
            usually: None,
            answers: vec![pages::model::Button {
                label: text(),
                path: text(),
                fields: vec![(text(), text())],
                weight: ButtonWeight::Plain,
                asks: Some(pages::model::Asks {
                    name: text(),
                    label: text(),
                }),
            }],
        }];
        page.entries = vec![Entry {
            at: at(),
            tone: Tone::Bad,
            text: text(),
            detail: Some(text()),
            by: Some(text()),
            link: Some(text()),
        }];
        for station in &mut page.stations {
            station.note = Some(text());
            for verdict in &mut station.verdicts {
                verdict.about = text();
                verdict.reasons = vec![text()];
            }
        }
        for canary in &mut page.canaries {
            canary.reasons = vec![text(), text()];
            canary.failing_routes[0].route = text();
            canary.comparisons[0].metric = text();
        }
        for one in &mut page.returns {
            one.by = text();
            one.reasons = vec![text()];
            one.with = vec![text()];
        }
        if let Some(never) = &mut page.never_again {
            (never.reason, never.hint) = (text(), text());
        }
        let mut frame = sample::frame(Theme::System);
        frame.path = text();
        frame.form_token = text();
        frame.notices = vec![Notice {
            tone: Tone::Bad,
            text: text(),
            hint: Some(text()),
        }];
        if let Some(viewer) = &mut frame.viewer {
            viewer.name = text();
        }
        page.held = vec![text()];
        check(&change::page(&frame, &page).into_string(), payload);
    }
}

#[test]
fn a_run_and_its_log_show_hostile_texts_as_text() {
    for payload in PAYLOADS {
        let text = || payload.to_owned();
        let mut page = sample::failed_run();
        page.run.reason = Some(text());
        page.run.by = Some(text());
        for step in &mut page.steps {
            step.action = text();
            step.message = Some(text());
            step.question = Some(Question {
                text: text(),
                seen: Some(text()),
                answers: Vec::new(),
            });
        }
        let mut open = sample::log();
        for line in &mut open.lines {
            line.text = text();
        }
        page.log = Some(open);
        check(&run::page(&sample::frame(Theme::System), &page).into_string(), payload);

        let mut broken = sample::broken_run();
        broken.broken = Some(Broken {
            file: text(),
            line: 1,
            column: u32::MAX,
            message: text(),
            hint: Some(text()),
            excerpt: Some(text()),
        });
        check(
            &run::page(&sample::frame(Theme::System), &broken).into_string(),
            payload,
        );

        let lines = [Output::Out, Output::Err, Output::Note].map(|output| LogLine {
            number: 1,
            at: at(),
            output,
            text: text(),
        });
        check(&log::rows(&lines).into_string(), payload);
    }
}

#[test]
fn the_other_pages_show_hostile_texts_as_text() {
    for payload in PAYLOADS {
        let text = || payload.to_owned();
        let frame = sample::frame(Theme::System);
        let mut first = sample::overview();
        for cell in first.rows.iter_mut().flat_map(|row| &mut row.cells) {
            cell.url = Some(text());
            if let Some(placed) = &mut cell.placed {
                placed.title = text();
            }
            if let Some(coming) = &mut cell.coming {
                coming.doing = text();
            }
        }
        for column in &mut first.columns {
            column.strategy = text();
        }
        check(&overview::page(&frame, &first).into_string(), payload);

        let mut place = sample::environment();
        place.target = text();
        place.strategy = text();
        place.rules = vec![text()];
        place.older = Some(text());
        for line in &mut place.deployments {
            line.by = text();
            line.reason = Some(text());
        }
        for component in &mut place.components {
            component.schema = vec![(text(), text())];
        }
        check(&environment::page(&frame, &place).into_string(), payload);

        let login = LoginPage {
            next: text(),
            problem: Some(text()),
        };
        check(&door::login(&frame, &login).into_string(), payload);
        let error = ErrorPage {
            status: 500,
            message: text(),
            hint: Some(text()),
            code: Some(text()),
        };
        check(&door::error(&frame, &error).into_string(), payload);
    }
}

#[test]
fn what_is_recorded_and_set_up_shows_hostile_texts_as_text() {
    for payload in PAYLOADS {
        let text = || payload.to_owned();
        let frame = sample::frame(Theme::System);

        let mut settings = sample::settings();
        (settings.actor, settings.version, settings.roles) = (text(), text(), vec![text()]);
        for line in settings.settings.iter_mut().flatten() {
            (line.name, line.value, line.source) = (text(), text(), Some(text()));
        }
        if let Some((_, policy)) = &mut settings.policy {
            *policy = text();
        }
        for token in settings.tokens.iter_mut().flatten() {
            (token.id, token.name, token.roles) = (text(), text(), vec![text()]);
        }
        for person in settings.people.iter_mut().flatten() {
            (person.id, person.name, person.address) = (text(), Some(text()), Some(text()));
            person.roles = vec![text()];
        }
        if let Some(notifications) = &mut settings.notifications {
            notifications.rules = vec![text()];
            for channel in &mut notifications.channels {
                (channel.name, channel.how) = (text(), text());
            }
            for one in &mut notifications.deliveries {
                (one.to, one.title, one.event) = (text(), text(), text());
                (one.link, one.problem) = (Some(text()), Some(text()));
            }
        }
        check(&settings::page(&frame, &settings).into_string(), payload);

        let mut compared = sample::difference();
        let hostile = |line: &mut DifferingLine| {
            line.what = text();
            line.left = Some(Differing::Value(text()));
            line.right = Some(Differing::Secret(text()));
        };
        compared.settings.iter_mut().for_each(hostile);
        for one in &mut compared.components {
            one.schema.iter_mut().for_each(hostile);
            one.configuration.iter_mut().for_each(hostile);
            for commit in &mut one.commits {
                (commit.title, commit.author) = (text(), Some(text()));
            }
        }
        check(&difference::page(&frame, &compared).into_string(), payload);

        let mut package = sample::package_page();
        (package.platform, package.never_again) = (text(), vec![text()]);
        package.change.title = text();
        for other in &mut package.others {
            other.name = text();
        }
        for part in package.making.iter_mut().flat_map(|making| &mut making.parts) {
            (part.what, part.value.text, part.value.path) = (text(), text(), Some(text()));
        }
        for part in package
            .difference
            .iter_mut()
            .filter_map(|one| one.making.as_mut())
            .flatten()
        {
            (part.what, part.about) = (text(), MadeAbout::Step(text()));
            part.before
                .iter_mut()
                .chain(&mut part.after)
                .for_each(|value| value.text = text());
        }
        for verdict in &mut package.verdicts {
            verdict.mark.about = text();
            verdict.reasons = vec![text()];
        }
        check(&package::page(&frame, &package).into_string(), payload);

        let mut component = sample::component_page();
        component.owners = Some(Owners {
            names: vec![text()],
            file: text(),
        });
        component.push_address = text();
        component.remote = Some(RemoteView {
            url: text(),
            trouble: Some(text()),
        });
        component.definition = DefinitionView::Read {
            text: text(),
            steps: Vec::new(),
        };
        check(&component::page(&frame, &component).into_string(), payload);
        if let DefinitionView::Read { steps, .. } = &mut component.definition {
            *steps = ["a", "b"]
                .map(|name| PlannedStep {
                    name: name.parse().unwrap(),
                    needs: Vec::new(),
                    note: text(),
                })
                .to_vec();
        }
        check(&component::page(&frame, &component).into_string(), payload);

        let mut held = sample::repository_page();
        held.push_address = text();
        for one in &mut held.commits {
            (one.title, one.author, one.branch) = (text(), Some(text()), text());
        }
        for one in &mut held.listed {
            one.watches = vec![text()];
        }
        check(&repository::page(&frame, &held).into_string(), payload);
        let [mut commit, _] = sample::commit_pages();
        (commit.title, commit.body, commit.author, commit.branch) = (text(), text(), Some(text()), text());
        (commit.paths, commit.listed) = (vec![text()], held.listed);
        check(&repository::commit(&frame, &commit).into_string(), payload);

        let mut searched = sample::found();
        searched.query = text();
        for hit in searched.groups.iter_mut().flat_map(|group| &mut group.hits) {
            (hit.title, hit.note) = (text(), Some(text()));
        }
        check(&search::page(&frame, &searched).into_string(), payload);
    }
}

#[test]
#[should_panic(expected = "became")]
fn the_check_sees_an_element_that_came_from_a_text() {
    check("<p title=\"a\">x<img src=x onerror=alert(1)></p>", "<img>");
}
