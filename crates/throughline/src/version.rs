//! Which program this is: its version, and, where it was built for others, from which commit and with what.

use std::sync::LazyLock;

/// The commit, where whoever built the program stated it: `cargo xtask dist` does.
const COMMIT: Option<&str> = option_env!("THROUGHLINE_BUILT_FROM");

/// What is in the program although it is left out unless it is asked for.
fn features() -> Vec<&'static str> {
    let all = [("s3", cfg!(feature = "s3"))];
    all.into_iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| name)
        .collect()
}

/// For people, such as `0.1.0 (3f1c9a0b2d4e, with s3)`.
pub fn version() -> &'static str {
    static TOLD: LazyLock<String> = LazyLock::new(|| told(env!("CARGO_PKG_VERSION"), COMMIT, &features()));
    &TOLD
}

fn told(version: &str, commit: Option<&str>, features: &[&str]) -> String {
    let with = match features {
        [] => None,
        features => Some(format!("with {}", features.join(" and "))),
    };
    let more: Vec<String> = commit.map(str::to_owned).into_iter().chain(with).collect();
    match more.as_slice() {
        [] => version.to_owned(),
        more => format!("{version} ({})", more.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_names_the_commit_and_the_features_where_they_are_known() {
        assert_eq!(told("0.1.0", None, &[]), "0.1.0");
        assert_eq!(told("0.1.0", Some("3f1c9a0b2d4e"), &[]), "0.1.0 (3f1c9a0b2d4e)");
        assert_eq!(
            told("0.1.0", Some("3f1c9a0b2d4e"), &["s3"]),
            "0.1.0 (3f1c9a0b2d4e, with s3)"
        );
        assert!(version().starts_with(env!("CARGO_PKG_VERSION")));
    }
}
