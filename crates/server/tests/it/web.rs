//! The pages as browsers meet them: coming in, forms, headers, errors, and what they show of a change.

use serde_json::json;

use crate::house::{Answer, House, ask};
use crate::repository::{Repository, steps};

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

/// A browser that keeps its session's cookie.
pub struct Browser<'a> {
    house: &'a House,
    cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    fn new(house: &'a House) -> Self {
        Self {
            house,
            cookies: Vec::new(),
        }
    }

    /// One that came in by a login link of this token.
    pub fn logged_in(house: &'a House, token: &str) -> Self {
        let mut browser = Self::new(house);
        let link = house.ask_as(token, "POST", "/api/v1/login-link", b"", &[]).is(200);
        let path = link["url"]
            .as_str()
            .unwrap()
            .strip_prefix(house.url())
            .unwrap()
            .to_owned();
        let answer = browser.get(&path);
        assert_eq!((answer.status, answer.header("location")), (303, "/"));
        browser
    }

    fn send(&mut self, method: &str, path: &str, body: &str, more: &[(&str, &str)]) -> Answer {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = cookies.join("; ");
        let mut headers = vec![HTML, ("content-type", "application/x-www-form-urlencoded")];
        headers.extend(more);
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        let answer = ask(
            method,
            &format!("{}{path}", self.house.url()),
            &headers,
            body.as_bytes(),
        )
        .unwrap();
        for (_, value) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(kept, _)| kept != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "", &[])
    }

    /// A page that must be there.
    #[track_caller]
    pub fn page(&mut self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    /// Sends a form of our own page.
    fn form(&mut self, path: &str, fields: &str) -> Answer {
        let token = form_token(&self.page("/runs"));
        self.send(
            "POST",
            path,
            &format!("form_token={token}&{fields}"),
            &[("sec-fetch-site", "same-origin")],
        )
    }
}

fn form_token(page: &str) -> String {
    let rest = page.split("name=\"form_token\" value=\"").nth(1).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn nobody_sees_anything_before_they_are_logged_in() {
    let house = House::new();
    let mut stranger = Browser::new(&house);
    for path in [
        "/",
        "/runs",
        "/runs?show=open",
        "/environments/staging",
        "/components/a/b/changes/main",
        "/parts",
    ] {
        let answer = stranger.get(path);
        assert_eq!(answer.status, 303, "{path}");
        let (to, next) = answer.header("location").split_once("?next=").unwrap();
        assert_eq!(to, "/login");
        assert!(next.starts_with('/'), "{next}");
    }
    // Programs are told so in their own language.
    house.ask_as("", "GET", "/runs", b"", &[]).expect_problem(401, "log-in");
    assert_eq!(house.ask_as("", "GET", "/live", b"", &[]).status, 401);
}

#[test]
fn a_login_link_works_once_and_looking_at_it_does_not_use_it_up() {
    let house = House::new();
    let link = house.post("/api/v1/login-link", &json!({})).is(200);
    let path = link["url"]
        .as_str()
        .unwrap()
        .strip_prefix(house.url())
        .unwrap()
        .to_owned();
    let mut browser = Browser::new(&house);
    assert_eq!(browser.send("HEAD", &path, "", &[]).status, 200);
    assert!(browser.cookies.is_empty());
    let entered = browser.get(&path);
    let cookie = entered.header("set-cookie").to_owned();
    for word in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert!(
        !cookie.contains("Secure"),
        "without TLS a browser would not keep it: {cookie}"
    );
    assert_eq!(entered.header("referrer-policy"), "no-referrer");
    assert!(browser.page("/").contains("Log out"));
    let again = Browser::new(&house).get(&path);
    assert_eq!(again.status, 404);
    assert!(again.text().contains("does not work"));
}

#[test]
fn behind_a_proxy_that_speaks_tls_the_session_is_kept_from_plain_connections() {
    let house = House::with(crate::house::ENVIRONMENTS, json!({ "behind_proxy": true }));
    let answer = Browser::new(&house).send(
        "POST",
        "/login",
        &format!("token={}", house.token),
        &[("sec-fetch-site", "same-origin")],
    );
    assert!(
        answer.header("set-cookie").ends_with("; Secure"),
        "{}",
        answer.header("set-cookie")
    );
}

#[test]
fn a_token_logs_in_by_the_form_and_leads_on_to_a_page_of_this_server_only() {
    let house = House::new();
    let own = [("sec-fetch-site", "same-origin")];
    let send = |next: &str, token: &str, headers: &[(&str, &str)]| {
        Browser::new(&house).send("POST", "/login", &format!("token={token}&next={next}"), headers)
    };
    for (next, to) in [
        ("/runs", "/runs"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("%2F%5Cevil", "/"),
    ] {
        assert_eq!(send(next, &house.token, &own).header("location"), to, "{next}");
    }
    let wrong = send("/", "tl_wrong", &own);
    assert_eq!(wrong.status, 403);
    assert!(wrong.text().contains("no token that works here"));
    assert!(wrong.header("set-cookie").is_empty());
    // Another site's form logs nobody in.
    for headers in [[("sec-fetch-site", "cross-site")], [("origin", "https://evil.example")]] {
        assert_eq!(send("/", &house.token, &headers).status, 403);
    }
}

#[test]
fn logging_out_ends_the_session_for_good() {
    let house = House::new();
    let mut browser = Browser::logged_in(&house, &house.token);
    let kept = browser.cookies.clone();
    assert_eq!(browser.form("/logout", "").header("location"), "/login");
    assert!(browser.cookies.iter().all(|(name, _)| name != "throughline_session"));
    browser.cookies = kept;
    assert_eq!(browser.get("/").status, 303);
}

#[test]
fn every_answer_says_what_a_browser_may_do_with_it() {
    let house = House::new();
    let mut browser = Browser::logged_in(&house, &house.token);
    for path in [
        "/",
        "/login",
        "/runs",
        "/parts",
        "/nowhere",
        "/runs/run_x",
        "/assets/none.css",
    ] {
        let answer = browser.get(path);
        for (name, value) in [
            ("content-security-policy", "default-src 'none'"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-cache"),
        ] {
            assert!(
                answer.header(name).contains(value),
                "{path}: {name}: {}",
                answer.header(name)
            );
        }
        assert!(!answer.header("content-security-policy").contains("unsafe"), "{path}");
    }
}

#[test]
fn files_of_the_pages_are_kept_for_good_under_names_that_change_with_them() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.page("/login");
    for ending in [".css", ".js", ".svg"] {
        let path = page
            .split('"')
            .find(|text| text.starts_with("/assets/") && text.ends_with(ending))
            .unwrap();
        let answer = browser.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("cache-control").contains("immutable"), "{path}");
        let known = [("if-none-match", answer.header("etag"))];
        assert_eq!(browser.send("GET", path, "", &known).status, 304, "{path}");
    }
}

#[test]
fn what_is_not_there_is_a_page_for_browsers_and_a_problem_for_programs() {
    let house = House::new();
    let mut browser = Browser::logged_in(&house, &house.token);
    for path in [
        "/nowhere",
        "/environments/moon",
        "/components/a/b/changes/main",
        "/runs?component=a/b",
    ] {
        let answer = browser.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        assert!(answer.text().contains("There is nothing here"), "{path}");
        house.get(path).expect_problem(404, "not-found");
    }
    assert_eq!(browser.get("/runs?after=rubbish").status, 400);
    assert_eq!(browser.get("/runs/not-a-run").status, 400);
    assert_eq!(
        browser
            .send("DELETE", "/runs", "", &[("sec-fetch-site", "same-origin")])
            .status,
        405
    );
    // What somebody else wrote is shown, never obeyed.
    let odd = browser.get("/environments/%3Cscript%3Ealert(1)%3C%2Fscript%3E");
    assert!(!odd.text().contains("<script>alert"), "{}", odd.text());
}

#[test]
fn the_look_is_chosen_before_and_after_login_by_our_own_pages() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let own = [("sec-fetch-site", "same-origin")];
    let answer = browser.send("POST", "/theme", "theme=dark&next=%2Flogin", &own);
    assert_eq!((answer.status, answer.header("location")), (303, "/login"));
    assert!(browser.page("/login").contains("data-theme=\"dark\""));
    assert_eq!(
        browser
            .send("POST", "/theme", "theme=light", &[("sec-fetch-site", "cross-site")])
            .status,
        403
    );
}

#[test]
fn a_form_counts_only_with_the_token_of_its_session_from_our_own_page() {
    let house = House::new();
    let repository = Repository::new();
    let commit = repository.push_definition(&house, "team/slow", &steps("  wait: { run: sleep 60 }\n"));
    let run = house.is_at(&commit, "wait");
    let mut browser = Browser::logged_in(&house, &house.token);
    let token = form_token(&browser.page("/"));
    let other = form_token(&Browser::logged_in(&house, &house.token).page("/"));
    let path = format!("/runs/{run}/cancel");
    let own = [("sec-fetch-site", "same-origin")];
    for (body, headers) in [
        (String::new(), own),
        (format!("form_token={other}"), own),
        (format!("form_token={token}"), [("sec-fetch-site", "cross-site")]),
        (format!("form_token={token}"), [("sec-fetch-site", "same-site")]),
        (format!("form_token={token}"), [("origin", "https://evil.example")]),
    ] {
        assert_eq!(
            browser.send("POST", &path, &body, &headers).status,
            403,
            "{body} {headers:?}"
        );
    }
    // Without a session there is nothing to send, token or not.
    assert_eq!(
        Browser::new(&house)
            .send("POST", &path, &format!("form_token={token}"), &own)
            .status,
        303
    );
    assert_eq!(house.step(&run, "wait")["state"], "running");

    let page = browser.page(&format!("/runs/{run}"));
    assert!(
        page.contains(&format!("action=\"{path}\"")),
        "the page offers to cancel"
    );
    let back = browser.form(&path, &format!("next=%2Fruns%2F{run}"));
    assert_eq!(
        (back.status, back.header("location")),
        (303, format!("/runs/{run}").as_str())
    );
    assert!(
        browser
            .page(&format!("/runs/{run}"))
            .contains("The run is being cancelled.")
    );
    assert_eq!(house.ended(&run)["run"]["result"], "cancelled");
    assert!(browser.page("/runs").contains("cancelled"));
}

#[test]
fn who_may_not_do_something_is_not_offered_it_and_is_refused() {
    let house = House::new();
    let repository = Repository::new();
    let commit = repository.push_definition(&house, "team/slow", &steps("  wait: { run: sleep 60 }\n"));
    let run = house.is_at(&commit, "wait");
    let viewer = house.token_of("viewer");
    let mut browser = Browser::logged_in(&house, &viewer);
    assert!(!browser.page(&format!("/runs/{run}")).contains("/cancel\""));
    let refused = browser.form(&format!("/runs/{run}/cancel"), "");
    assert_eq!(refused.status, 303);
    assert!(
        browser.page("/").contains("ask an admin for the role"),
        "the next page says why"
    );
    assert_eq!(house.step(&run, "wait")["state"], "running");
}

#[test]
fn a_change_is_followed_from_page_to_page() {
    let house = House::new();
    let mut browser = Browser::logged_in(&house, &house.token);
    assert!(
        browser.page("/").contains("/git/TEAM/NAME.git"),
        "the first page says how to begin"
    );
    let repository = Repository::of_service("1");
    let commit = repository.commit("Carts <b>remember</b> their currency");
    repository.push(&house, "shop/cart", &["HEAD:main"]);
    house.comes_to("shop/cart", "production", &commit);
    let run = house.built(&commit)["run"]["id"].as_str().unwrap().to_owned();

    let overview = browser.page("/");
    let change = format!("/components/shop/cart/changes/{commit}");
    assert!(overview.contains(&change));
    assert!(overview.contains("Carts &lt;b&gt;remember&lt;/b&gt; their currency"));
    let page = browser.page(&change);
    for text in [
        "staging",
        "production",
        "all requests",
        "Built and tested",
        "Ada",
        &format!("/runs/{run}"),
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    // A change is found by any of its names.
    assert_eq!(
        browser
            .get(&format!("/components/shop/cart/changes/{}", &commit[..10]))
            .status,
        200
    );
    let component = browser.page("/components/shop/cart");
    for text in ["Where it is", "staging", "throughline.yaml", &commit[..7]] {
        assert!(component.contains(text), "{text}: {component}");
    }
    let package = component
        .split("href=\"/packages/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let package = browser.page(&format!("/packages/{package}?file=app/serve"));
    for text in ["Where it is and was", "app/", "exec", "Manifest"] {
        assert!(package.contains(text), "{text}: {package}");
    }
    let settings = browser.page("/settings");
    assert!(settings.contains("the test") && settings.contains("environments:") && settings.contains("administrator"));
    let servers = settings.split("id=\"servers\"").nth(1).unwrap();
    for text in [", this one", "at work", "runs"] {
        assert!(servers.contains(text), "{text}: {servers}");
    }
    let environment = browser.page("/environments/production");
    assert!(environment.contains("came by itself") && environment.contains("shop/cart"));
    assert!(environment.contains("A package must be proven in staging before."));
    let runs = browser.page("/runs?component=shop/cart");
    assert!(runs.contains(&run));
    assert!(
        browser
            .page("/runs?component=shop/cart&show=failed")
            .contains("No run matches")
    );
}

#[test]
fn the_page_of_a_run_shows_its_steps_and_the_log_that_says_what_went_wrong() {
    let house = House::new();
    let repository = Repository::new();
    let definition = steps(
        "  good: { run: echo fine }\n  bad:\n    needs: [good]\n    run: |\n      printf '\\033[31mred\\033[0m <i>\\n' >&2\n      exit 3\n",
    );
    let commit = repository.push_definition(&house, "team/red", &definition);
    let run = house.built(&commit)["run"]["id"].as_str().unwrap().to_owned();
    let mut browser = Browser::logged_in(&house, &house.token);
    let page = browser.page(&format!("/runs/{run}"));
    assert!(
        page.contains("id=\"log-lines\""),
        "the log of the step that failed is open"
    );
    assert!(page.contains("&lt;i&gt;") && !page.contains("<i>"), "{page}");
    assert!(!page.contains('\u{1b}'));
    assert!(page.contains("Try again"));
    let good = browser.page(&format!("/runs/{run}?step=good&attempt=1"));
    assert!(good.contains("fine"));
    let raw = browser.get(&format!("/api/v1/runs/{run}/steps/good/log?attempt=1"));
    assert_eq!(raw.header("content-type"), "text/plain; charset=utf-8");
    // The stream of a log that is complete ends by saying so.
    let live = browser.get(&format!("/runs/{run}/steps/good/attempts/1/live?after=0"));
    assert!(live.header("content-type").starts_with("text/event-stream"));
    let text = live.text();
    assert!(
        text.contains("id: 1\n") && text.contains("fine") && text.contains("event: end"),
        "{text}"
    );
    let rest = browser
        .get(&format!("/runs/{run}/steps/good/attempts/1/live?after=1"))
        .text();
    assert!(!rest.contains("fine") && rest.contains("event: end"), "{rest}");
}

#[test]
fn a_definition_that_cannot_be_read_is_shown_with_its_line() {
    let house = House::new();
    let repository = Repository::new();
    let commit = repository.push_definition(
        &house,
        "team/broken",
        "throughline: 1\nsteps:\n  build: { runn: 'true' }\n",
    );
    let run = house.built(&commit)["run"]["id"].as_str().unwrap().to_owned();
    let mut browser = Browser::logged_in(&house, &house.token);
    let page = browser.page(&format!("/runs/{run}"));
    assert!(page.contains("throughline.yaml:3:"), "{page}");
    assert!(page.contains("build: { runn:"), "the line stands there: {page}");
    assert!(!page.contains("Try again"), "trying again helps nothing");
}

#[test]
fn a_change_is_built_again_by_a_button_and_the_page_of_the_run_says_what_differs() {
    let house = House::new();
    let repository = Repository::of_service("one");
    let definition = crate::repository::service("VERSION: one", "version: { tag: true }\n");
    repository.define(&definition.replace("run: 'true'", "run: 'echo $THROUGHLINE_RUN > app/run'"));
    let commit = repository.commit("feat: one");
    repository.push(&house, "team/app", &["main"]);
    house.comes_to("team/app", "production", &commit);
    house.until("the tag", || {
        house
            .runs("kind=tag")
            .iter()
            .any(|run| run["state"] == "finished")
            .then_some(())
    });
    let mut browser = Browser::logged_in(&house, &house.token);
    let page = browser.page(&format!("/components/team/app/changes/{commit}"));
    let form = format!("/components/team/app/changes/{commit}/rebuild");
    assert!(page.contains(&format!("action=\"{form}\"")) && page.contains("Build again and compare"));
    assert!(page.contains("tagged v0.1.0"), "the page tells of the tag");
    let leads = browser.form(&form, "");
    let run = leads.header("location").to_owned();
    assert!(leads.status == 303 && run.starts_with("/runs/"), "{}", leads.text());
    let page = house.until("the verdict", || {
        let page = browser.page(&run);
        page.contains("Another package came out").then_some(page)
    });
    for wanted in ["app/run", "bytes", "Came out", "1 of 3 entries differs"] {
        assert!(page.contains(wanted), "{wanted} in {page}");
    }
    let page = browser.page(&format!("/components/team/app/changes/{commit}"));
    assert!(
        page.contains("The rebuild failed") && page.contains(&run),
        "the change leads to the run: {page}"
    );
}

#[test]
fn the_pages_of_search_and_of_the_ledger_show_what_happened_and_verify_it() {
    let house = House::new();
    let repository = Repository::new();
    repository.define(&steps("  build: { run: 'true' }\n"));
    let commit = repository.commit("Carts <b>remember</b>");
    repository.push(&house, "shop/cart", &["HEAD:main"]);
    house.built(&commit);
    let mut browser = Browser::logged_in(&house, &house.token);
    let page = browser.page("/search?q=remem");
    assert!(
        page.contains(&format!("/components/shop/cart/changes/{commit}")),
        "{page}"
    );
    assert!(page.contains("Carts &lt;b&gt;remember"));
    assert!(
        browser
            .page("/search?q=%3Cscript%3E")
            .contains("Nothing begins like that")
    );
    let page = browser.page("/ledger?kind=change.arrived");
    let fact = page
        .split("/ledger/facts/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let page = browser.page(&format!("/ledger/facts/{fact}"));
    for text in ["change.arrived", &commit, "named by", "the SHA-256 of its bytes"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let begun = browser.form("/ledger/verify", "");
    assert_eq!((begun.status, begun.header("location")), (303, "/ledger/verify"));
    let waited = std::time::Instant::now();
    while !browser.page("/ledger/verify").contains("are as they were recorded") {
        assert!(waited.elapsed() < crate::house::PATIENCE, "the check does not end");
    }
    // The ledger is not everybody's.
    let mut viewer = Browser::logged_in(&house, &house.token_of("viewer"));
    for path in ["/ledger", "/ledger/facts/1", "/ledger/verify"] {
        assert_eq!(viewer.get(path).status, 403, "{path}");
    }
    assert!(!viewer.page("/").contains("href=\"/ledger\""));
}
