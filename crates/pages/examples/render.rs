//! Writes every page, filled with sample data, as files into the folder named as the first argument.

use std::path::Path;

use pages::model::{ErrorPage, LoginPage, Theme};
use pages::{assets, change, door, environment, gallery, overview, run, runs, sample};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/pages".to_owned());
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder.join("assets"))?;
    for asset in assets::all() {
        std::fs::write(folder.join(asset.path.trim_start_matches('/')), asset.body)?;
    }
    for theme in [Theme::Light, Theme::Dark] {
        let frame = sample::frame(theme);
        let mut noticed = frame.clone();
        noticed.notices = vec![sample::notice()];
        let mut outside = frame.clone();
        outside.viewer = None;
        let missing = ErrorPage {
            status: 404,
            message: "No change of shop/cart begins with 3f9a.".to_owned(),
            hint: Some("`throughline status` lists the latest changes".to_owned()),
            code: Some("change-not-found".to_owned()),
        };
        let refused = LoginPage {
            next: "/".to_owned(),
            problem: Some("No such token, or it is revoked.".to_owned()),
        };
        for (name, page) in [
            ("overview", overview::page(&noticed, &sample::overview())),
            ("overview-empty", overview::page(&frame, &sample::empty_overview())),
            ("change-under-way", change::page(&frame, &sample::under_way())),
            ("change-waits", change::page(&frame, &sample::waits())),
            ("change-delivered", change::page(&frame, &sample::delivered())),
            ("change-returned", change::page(&frame, &sample::returned())),
            ("run-running", run::page(&frame, &sample::running_run())),
            ("run-failed", run::page(&frame, &sample::failed_run())),
            ("run-broken", run::page(&frame, &sample::broken_run())),
            ("runs", runs::page(&frame, &sample::run_list())),
            ("environment", environment::page(&frame, &sample::environment())),
            ("login", door::login(&outside, &refused)),
            ("error-404", door::error(&frame, &missing)),
            ("parts", gallery::page(&frame)),
        ] {
            let text = page.into_string().replace("\"/assets/", "\"assets/");
            std::fs::write(folder.join(format!("{name}-{}.html", theme.as_str())), text)?;
        }
    }
    Ok(())
}
