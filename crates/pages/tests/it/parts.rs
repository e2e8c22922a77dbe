//! What the parts come out as, and what every page keeps to.

use maud::Markup;
use pages::model::Theme;
use pages::parts::mark::Status;
use pages::parts::{canary, line, small, wait};
use pages::{assets, log, sample, time};

#[test]
fn no_page_refers_to_anything_elsewhere_or_carries_style_or_script_inline() {
    for (name, page) in sample::every_page(Theme::System) {
        let html = page.into_string();
        assert!(!html.contains(" style="), "{name}");
        assert!(!html.contains("<style"), "{name}");
        assert_eq!(html.matches("<script").count(), 1, "{name}");
        for (at, _) in html.match_indices(" src=\"") {
            assert!(html[at + 6..].starts_with("/assets/"), "{name}");
        }
    }
    for asset in assets::all() {
        for elsewhere in ["@import", "url(", "https://", "//cdn"] {
            assert!(!asset.body.contains(elsewhere), "{} has {elsewhere}", asset.path);
        }
    }
}

#[test]
fn every_form_is_a_post_with_the_token_or_a_plain_search() {
    for (name, page) in sample::every_page(Theme::System) {
        let html = page.into_string();
        for form in html.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap_or("");
            let post = form.contains("method=\"post\"") && form.contains("name=\"form_token\"");
            let get = form.contains("method=\"get\"") || form.contains("method=\"dialog\"");
            assert!(post || get, "{name}: {form}");
        }
    }
}

#[test]
fn every_id_is_used_once_and_every_live_fragment_has_one() {
    for (name, page) in sample::every_page(Theme::System) {
        let html = page.into_string();
        let mut ids: Vec<&str> = html
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}: {ids:?}");
        for tag in html
            .split('<')
            .filter(|tag| tag.contains(" data-live ") || tag.contains(" data-live>"))
        {
            assert!(tag.contains(" id=\""), "{name}: {tag}");
        }
    }
}

#[test]
fn a_file_s_path_names_its_content() {
    for asset in assets::all() {
        assert_eq!(assets::find(&asset.path).unwrap().body, asset.body);
        assert!(asset.path.contains(&facts::Digest::of(asset.body).short()));
    }
    assert!(assets::find("/assets/pages.css").is_none());
}

#[test]
fn the_small_parts() {
    let waits = sample::waits();
    insta::assert_snapshot!("change", small::change(&waits.change).into_string());
    insta::assert_snapshot!("status", Status::from(&waits.state).show().into_string());
    insta::assert_snapshot!("badge", Status::from(&waits.state).badge().into_string());
    insta::assert_snapshot!("ago", time::ago(sample::now(), waits.committed_at).into_string());
    insta::assert_snapshot!(
        "button",
        small::button(&sample::frame(Theme::System), &waits.waiting[0].answers[0]).into_string()
    );
}

#[test]
fn the_large_parts() {
    let frame = sample::frame(Theme::System);
    let broken = |markup: Markup| markup.into_string().replace("><", ">\n<");
    insta::assert_snapshot!("wait", broken(wait::card(&frame, &sample::approval())));
    insta::assert_snapshot!("line", broken(line::line(&frame, &sample::waits().stations)));
    insta::assert_snapshot!("canary", broken(canary::card(&frame, &sample::canary_decided_bad())));
    insta::assert_snapshot!("log", broken(log::rows(&sample::log().lines[..4])));
}
