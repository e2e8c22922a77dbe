//! The style sheet, the script and the icon: embedded, each under a path that names its content.

use std::sync::LazyLock;

use facts::Digest;

/// The content security policy the pages are written for: nothing inline, nothing from elsewhere.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A file that pages refer to. Its path changes with its content, so it may be cached for good
/// (`cache-control: public, max-age=31536000, immutable`).
#[derive(Debug, Clone)]
pub struct Asset {
    /// Where it is served, such as `/assets/pages-3f9a0c1d2e4b.css`.
    pub path: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its bytes.
    pub body: &'static str,
}

const STYLE: &str = concat!(
    include_str!("../style/tokens.css"),
    include_str!("../style/base.css"),
    include_str!("../style/parts.css"),
    include_str!("../style/overview.css"),
    include_str!("../style/line.css"),
    include_str!("../style/run.css"),
    include_str!("../style/search.css"),
    include_str!("../style/ledger.css"),
    include_str!("../style/package.css"),
    include_str!("../style/component.css"),
    include_str!("../style/difference.css"),
    include_str!("../style/print.css"),
);
/// The style of a report, which is a file by itself.
pub(crate) const REPORT_STYLE: &str = concat!(
    include_str!("../style/tokens.css"),
    include_str!("../style/base.css"),
    include_str!("../style/parts.css"),
    include_str!("../style/report.css"),
);
const SCRIPT: &str = include_str!("../script/pages.js");
const ICON: &str = include_str!("../style/icon.svg");

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    let asset = |name: &str, ending: &str, media_type, body: &'static str| Asset {
        path: format!("/assets/{name}-{}.{ending}", Digest::of(body).short()),
        media_type,
        body,
    };
    [
        asset("pages", "css", "text/css; charset=utf-8", STYLE),
        asset("pages", "js", "text/javascript; charset=utf-8", SCRIPT),
        asset("icon", "svg", "image/svg+xml", ICON),
    ]
});

/// All files that pages refer to.
pub fn all() -> &'static [Asset] {
    &*ASSETS
}

/// The file that is served at `path`.
pub fn find(path: &str) -> Option<&'static Asset> {
    all().iter().find(|asset| asset.path == path)
}

pub(crate) fn style() -> &'static str {
    &ASSETS[0].path
}

pub(crate) fn script() -> &'static str {
    &ASSETS[1].path
}

pub(crate) fn icon() -> &'static str {
    &ASSETS[2].path
}
