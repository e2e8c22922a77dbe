//! Who owns a component, as its repository says.

use facts::Commit;
use pages::model::Owners;

use crate::changes::Component;
use crate::house::House;

/// Where repositories say who owns what; the first one that is there counts.
const FILES: [&str; 4] = [
    ".github/CODEOWNERS",
    "CODEOWNERS",
    "docs/CODEOWNERS",
    ".gitlab/CODEOWNERS",
];
/// The largest such file that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Who owns all of the folder at a commit; nothing where no file says who owns what.
pub(super) async fn of(house: &House, component: &Component, commit: &Commit, folder: &str) -> Option<Owners> {
    for file in FILES {
        if let Ok(Some(bytes)) = house.repositories.file(&component.name, commit, file, LARGEST).await {
            return Some(Owners {
                names: owners(&String::from_utf8_lossy(&bytes), folder),
                file: file.to_owned(),
            });
        }
    }
    None
}

/// The owners in the last line that is about all of a folder; the empty folder is the repository's top.
fn owners(text: &str, folder: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut about = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let pattern = words.next()?;
        covers(pattern, folder).then(|| words.map(str::to_owned).collect::<Vec<_>>())
    });
    about.next_back().unwrap_or_default()
}

/// Whether a pattern is about every file of a folder. `/web/*` is about those that lie right in it alone.
fn covers(pattern: &str, folder: &str) -> bool {
    if ["*", "**", "/", "/**", "**/*"].contains(&pattern) {
        return true;
    }
    let path = pattern.strip_suffix("/**").unwrap_or(pattern);
    let path = path.strip_suffix('/').unwrap_or(path);
    let named = path.strip_prefix('/').unwrap_or(path);
    if named.is_empty() || named.contains(['*', '?', '[', '!']) || folder.is_empty() {
        return false;
    }
    // A name without a slash means what is called so at any depth.
    if named == path && !named.contains('/') {
        return folder.split('/').any(|part| part == named);
    }
    folder
        .strip_prefix(named)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_line_about_all_of_a_folder_names_the_owners() {
        let text = "# who\n*  @first # early\n/docs/ @writers\n*  @shop/cart ada@example.org\n/services/ @backend\n/services/api/** @api\nweb/ @web\n/web/src/ @somebody\n/tools/* @nobody\n/free\n";
        for (folder, owners) in [
            ("", &["@shop/cart", "ada@example.org"][..]),
            ("services/api", &["@api"]),
            ("services/api/v2", &["@api"]),
            ("services/apis", &["@backend"]),
            ("apps/web", &["@web"]),
            ("tools", &["@shop/cart", "ada@example.org"]),
            ("free", &[]),
        ] {
            assert_eq!(super::owners(text, folder), owners, "{folder}");
        }
        assert!(super::owners("/src @somebody\n", "").is_empty());
    }
}
