//! Writes every page, filled with sample data, as files into the folder named as the first argument.

use std::path::Path;

use pages::model::Theme;
use pages::{assets, sample};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/pages".to_owned());
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder.join("assets"))?;
    for asset in assets::all() {
        std::fs::write(folder.join(asset.path.trim_start_matches('/')), asset.body)?;
    }
    for theme in [Theme::Light, Theme::Dark] {
        for (name, page) in sample::every_page(theme) {
            // Files have no root: the paths become relative.
            let text = page.into_string().replace("\"/assets/", "\"assets/");
            std::fs::write(folder.join(format!("{name}-{}.html", theme.as_str())), text)?;
        }
    }
    Ok(())
}
