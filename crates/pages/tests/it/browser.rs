//! The pages in a real browser. Skipped, and said so, where no Chromium is installed.

use pages::model::{LogLine, Output, Theme};
use pages::{change, links, log, overview, run, sample};
use serde_json::{Value, json};

use crate::chromium::{self, Chromium};
use crate::site::Site;

/// Starts browser and server, or says why not.
async fn start() -> Option<(Chromium, Site)> {
    let Some(program) = chromium::installed() else {
        testkit::skip(testkit::Need::Chromium, "there is no Chromium at /usr/bin/chromium");
        return None;
    };
    Some((Chromium::start(program).await, Site::start().await))
}

/// Every text whose contrast to what lies behind it is below what WCAG asks (AA).
const CONTRAST: &str = r#"(() => {
  const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data; known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = (top, under) => top.slice(0, 3).map((value, i) => value * top[3] + under[i] * (1 - top[3])).concat(1);
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255, 1]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((value) => { const part = value / 255; return part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const bad = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest('.unseen, script, noscript, title, option, dialog:not([open])')) continue;
    const style = getComputedStyle(element);
    if (style.visibility === 'hidden' || !element.getClientRects().length) continue;
    const behind = ground(element.closest('svg')?.parentElement ?? element);
    const before = over(rgba(element.closest('svg') ? style.fill : style.color), behind);
    const [high, low] = [light(before), light(behind)].sort((a, b) => b - a);
    const ratio = (high + .05) / (low + .05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight, 10) >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.push(`${element.className.baseVal ?? element.className ?? element.tagName}: "${texts.currentNode.data.trim().slice(0, 30)}" ${ratio.toFixed(2)}`);
  }
  return [...new Set(bad)];
})()"#;

/// What sticks out of the page to the right.
const WIDER: &str = r#"(() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  return [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > room + 1 && !one.closest('.scroll, .log, pre'))
    .map((one) => `${one.tagName}.${one.className.baseVal ?? one.className}`);
})()"#;

/// Opens every page in both themes and collects what is wrong: texts that can hardly be read, parts that
/// stick out, complaints of the browser, requests to elsewhere.
async fn look_at_every_page(width: u32, narrower: &[u32]) {
    let Some((mut browser, site)) = start().await else {
        return;
    };
    let pictures = std::env::var_os("PAGES_PICTURES").map(std::path::PathBuf::from);
    let mut wrong: Vec<String> = Vec::new();
    for (name, page) in sample::every_page(Theme::System) {
        site.put(&format!("/{name}"), page.into_string());
        browser.screen(width, 860).await;
        browser.open(&format!("{}/{name}", site.address)).await;
        for scheme in ["light", "dark"] {
            browser.prefer(scheme).await;
            for found in browser.evaluate(CONTRAST).await.as_array().into_iter().flatten() {
                wrong.push(format!("{name}, {scheme}, {width} wide: contrast of {found}"));
            }
            if let Some(folder) = &pictures {
                browser
                    .picture(&folder.join(format!("{name}-{scheme}-{width}.png")))
                    .await;
            }
        }
        for screen in [width].iter().chain(narrower) {
            browser.screen(*screen, 860).await;
            for found in browser.evaluate(WIDER).await.as_array().into_iter().flatten() {
                wrong.push(format!("{name}, {screen} wide: {found} sticks out"));
            }
        }
        for problem in browser.problems().await {
            wrong.push(format!("{name}: {problem}"));
        }
        for address in browser.requested() {
            if !address.starts_with(&site.address) {
                wrong.push(format!("{name} asked for {address}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn every_page_fits_a_wide_screen_is_readable_in_both_themes_and_says_nothing_wrong() {
    look_at_every_page(1280, &[1000, 700]).await;
}

#[tokio::test]
async fn every_page_fits_a_phone_is_readable_in_both_themes_and_says_nothing_wrong() {
    look_at_every_page(390, &[320]).await;
}

#[tokio::test]
async fn on_paper_every_page_is_its_content_alone_dark_on_white_and_nothing_is_cut_off() {
    let Some((mut browser, site)) = start().await else {
        return;
    };
    const CUT: &str = "[...document.querySelectorAll('main, pre, .log, .scroll')].filter((one) => \
        one.getClientRects().length && (one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== 'visible' \
        || one.getBoundingClientRect().right > innerWidth + 1)).map((one) => `${one.tagName}.${one.className}`)";
    let mut wrong = Vec::new();
    for (name, page) in sample::every_page(Theme::Dark) {
        site.put(&format!("/{name}"), page.into_string());
        // The width of a sheet of paper without its edges.
        browser.screen(720, 1000).await;
        browser.open(&format!("{}/{name}", site.address)).await;
        browser.print().await;
        for shown in [".top", ".acts", ".foot-end"] {
            let shown = format!("[...document.querySelectorAll('{shown}')].some((one) => one.getClientRects().length)");
            if browser.evaluate(&shown).await == json!(true) {
                wrong.push(format!("{name}: {shown}"));
            }
        }
        let ground = browser
            .evaluate("getComputedStyle(document.body).backgroundColor")
            .await;
        if ground != json!("rgb(255, 255, 255)") {
            wrong.push(format!("{name}: printed on {ground}"));
        }
        for found in browser.evaluate(CONTRAST).await.as_array().into_iter().flatten() {
            wrong.push(format!("{name}: contrast of {found}"));
        }
        for found in browser.evaluate(CUT).await.as_array().into_iter().flatten() {
            wrong.push(format!("{name}: {found} is cut off"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What has the focus, whether that can be seen, and whether it is in view.
const FOCUS: &str = r#"(() => {
  const held = document.activeElement;
  if (!held || held === document.body || held === document.documentElement) return null;
  const shown = held.matches('.node') ? held.querySelector('rect') : held;
  const style = getComputedStyle(shown);
  const ring = held.matches('.node') ? parseFloat(style.strokeWidth) >= 2.5 : style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const box = shown.getBoundingClientRect();
  const inView = box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  window.order ??= new Map();
  if (!window.order.has(held)) window.order.set(held, window.order.size);
  return { at: window.order.get(held), what: held.outerHTML.slice(0, 80), ring, inView };
})()"#;

#[tokio::test]
async fn the_keyboard_reaches_everything_and_its_focus_can_be_seen() {
    let Some((mut browser, site)) = start().await else {
        return;
    };
    browser.screen(1280, 900).await;
    for (name, page) in sample::every_page(Theme::System) {
        let looked_at = [
            "overview",
            "change-waits",
            "run-running",
            "login",
            "package",
            "repository",
            "commit-nothing",
            "ledger",
        ];
        if !looked_at.contains(&name) {
            continue;
        }
        site.put(&format!("/{name}"), page.into_string());
        browser.open(&format!("{}/{name}", site.address)).await;
        let reachable = browser
            .evaluate(
                "[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary, [tabindex=\"0\"]')]\
                 .filter((one) => one.getClientRects().length && one.checkVisibility() && !one.closest('dialog')).length",
            )
            .await
            .as_u64()
            .unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..reachable + 5 {
            browser.press("Tab").await;
            let held = browser.evaluate(FOCUS).await;
            if held == Value::Null {
                continue;
            }
            assert_eq!(held["ring"], json!(true), "{name}: the focus cannot be seen on {held}");
            assert_eq!(held["inView"], json!(true), "{name}: out of view: {held}");
            seen.insert(held["at"].as_u64());
        }
        assert_eq!(seen.len() as u64, reachable, "{name}: not everything is reached by Tab");
    }
}

#[tokio::test]
async fn an_event_exchanges_what_changed_and_keeps_focus_and_place() {
    let Some((mut browser, site)) = start().await else {
        return;
    };
    browser.screen(1280, 700).await;
    let frame = sample::frame(Theme::System);
    let mut page = sample::under_way();
    site.put("/change", change::page(&frame, &page).into_string());
    let mut listeners = site.listeners();
    browser.open(&format!("{}/change", site.address)).await;
    assert_eq!(listeners.recv().await.unwrap(), links::EVENTS);
    browser
        .until("document.querySelector('[data-live-state]').textContent === 'live'")
        .await;
    browser
        .evaluate("document.querySelector('#throughline a').focus({ preventScroll: true }); scrollTo(0, 120); window.same = document.querySelector('#change-details'); 0")
        .await;

    page.stations[4].note = Some("canary at 50 %".to_owned());
    let mut later = frame.clone();
    later.as_of += 1;
    site.put("/change", change::page(&later, &page).into_string());
    site.say(links::EVENTS, "id: 18343\ndata: {}\n\n");
    browser
        .until("document.querySelector('#throughline').textContent.includes('canary at 50 %')")
        .await;

    let held = browser
        .evaluate("({ focus: document.activeElement.closest('#throughline') !== null, scroll: scrollY, same: window.same.isConnected, asOf: document.body.dataset.asOf })")
        .await;
    assert_eq!(
        held,
        json!({ "focus": true, "scroll": 120, "same": true, "asOf": "18343" })
    );
    assert_eq!(browser.problems().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_page_that_had_nothing_to_show_fills_itself() {
    let Some((mut browser, site)) = start().await else {
        return;
    };
    let frame = sample::frame(Theme::System);
    site.put("/", overview::page(&frame, &sample::empty_overview()).into_string());
    let mut listeners = site.listeners();
    browser.open(&format!("{}/", site.address)).await;
    listeners.recv().await.unwrap();
    site.put("/", overview::page(&frame, &sample::overview()).into_string());
    site.say(links::EVENTS, "id: 18343\ndata: {}\n\n");
    browser
        .until("document.querySelectorAll('table.where tbody tr').length === 4")
        .await;
    assert_eq!(browser.problems().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_log_that_is_still_written_grows_line_by_line() {
    let Some((mut browser, site)) = start().await else {
        return;
    };
    let page = sample::running_run();
    let open = page.log.clone().unwrap();
    site.put("/run", run::page(&sample::frame(Theme::System), &page).into_string());
    let mut listeners = site.listeners();
    browser.open(&format!("{}/run", site.address)).await;
    let live = links::log_live(open.run, &open.step, open.attempt, 18);
    let path = live.split('?').next().unwrap().to_owned();
    while listeners.recv().await.unwrap() != path {}
    let line = |number: u64, text: &str| {
        let line = LogLine {
            number,
            at: sample::now(),
            output: Output::Out,
            text: text.to_owned(),
        };
        format!("id: {number}\ndata: {}\n\n", log::rows(&[line]).into_string())
    };
    site.say(
        &path,
        &line(19, "\u{1b}[32mok\u{1b}[0m <script>window.hacked = 1</script>"),
    );
    // After a reconnection a line may come again.
    site.say(&path, &line(19, "again"));
    site.say(&path, &line(20, "the last one"));
    browser.until("document.querySelector('#line-20')").await;
    let seen = browser
        .evaluate("({ lines: document.querySelectorAll('.log-line').length, text: document.querySelector('#line-19 .log-text').innerHTML, hacked: window.hacked ?? 0 })")
        .await;
    let text = "<span class=\"f2\">ok</span> &lt;script&gt;window.hacked = 1&lt;/script&gt;";
    assert_eq!(seen, json!({ "lines": 20, "text": text, "hacked": 0 }));
    site.say(&path, "event: end\ndata: 20\n\n");
    browser.until("!document.querySelector('[data-log-state]')").await;
    assert_eq!(browser.problems().await, Vec::<String>::new());
}

#[tokio::test]
async fn keys_move_about_and_the_theme_is_chosen_without_loading_again() {
    let Some((mut browser, site)) = start().await else {
        return;
    };
    let frame = sample::frame(Theme::System);
    site.put("/", overview::page(&frame, &sample::overview()).into_string());
    site.put("/runs", pages::runs::page(&frame, &sample::run_list()).into_string());
    browser.open(&format!("{}/", site.address)).await;
    browser.press("j").await;
    browser.press("j").await;
    let row = browser
        .evaluate(
            "[...document.querySelectorAll('[data-row]')].findIndex((row) => row.contains(document.activeElement))",
        )
        .await;
    assert_eq!(row, json!(1));
    browser.press("?").await;
    browser.until("document.querySelector('#keys').open").await;
    browser.press("Escape").await;
    browser.until("!document.querySelector('#keys').open").await;
    browser.press("t").await;
    browser
        .until("document.documentElement.dataset.theme === 'light'")
        .await;
    browser.press("t").await;
    browser
        .until("getComputedStyle(document.documentElement).colorScheme === 'dark'")
        .await;
    browser.press("g").await;
    browser.forget();
    browser.press("r").await;
    browser.loaded().await;
    assert_eq!(browser.evaluate("location.pathname").await, json!("/runs"));
    let posts = site.posts();
    assert!(
        posts.iter().any(|post| post.starts_with("/theme ")
            && post.contains("theme=dark")
            && post.contains("form_token=sample")),
        "{posts:?}"
    );
}

#[tokio::test]
async fn without_script_everything_can_be_read_and_done() {
    let Some((mut browser, site)) = start().await else {
        return;
    };
    browser
        .call("Emulation.setScriptExecutionDisabled", json!({ "value": true }))
        .await;
    let frame = sample::frame(Theme::System);
    site.put("/", overview::page(&frame, &sample::overview()).into_string());
    site.put("/change", change::page(&frame, &sample::waits()).into_string());
    browser.open(&format!("{}/change", site.address)).await;
    let text = browser.evaluate("document.querySelector('main').innerText").await;
    for said in [
        "waits to enter",
        "Ben Okafor or Carol Ivens",
        "Usually 21 min",
        "Approve",
        "14 min ago",
    ] {
        assert!(text.as_str().unwrap().contains(said), "{said} is not in {text}");
    }
    let keys = browser
        .evaluate("document.querySelector('[data-keys-open]').hidden")
        .await;
    assert_eq!(keys, json!(true), "what only the script can do is not offered");
    browser.forget();
    browser
        .evaluate("document.querySelector('.wait .button.primary').click()")
        .await;
    browser.loaded().await;
    let posts = site.posts();
    assert!(
        posts[0].contains("/environments/production/approve form_token=sample&next="),
        "{posts:?}"
    );
}
