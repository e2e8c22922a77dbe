//! Which part of a history is a component's.

use evidence::Component;

use crate::history::{History, Releases};

/// A component's part of a history.
pub(crate) struct Part {
    /// Of each changed path, whether it is the component's.
    pub paths: Vec<bool>,
    /// The releases that are tagged with its name.
    pub releases: Option<Releases>,
}

/// The parts of components: a path is of the one with the deepest folder that it lies in.
pub(crate) fn parts(history: &History, components: &[Component]) -> Vec<Part> {
    let mut paths = vec![vec![false; history.changes.paths.len()]; components.len()];
    for (number, path) in history.changes.paths.iter().enumerate() {
        let owner = components
            .iter()
            .enumerate()
            .filter(|(_, component)| is_in(path, &component.folder))
            .max_by_key(|(_, component)| component.folder.len());
        if let Some((owner, _)) = owner {
            paths[owner][number] = true;
        }
    }
    let part = |(paths, component): (Vec<bool>, &Component)| Part {
        paths,
        releases: history.releases_of(&names(component)),
    };
    paths.into_iter().zip(components).map(part).collect()
}

fn is_in(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What tags may call a component: its name (with and without a scope or group before it), and its folder (whole,
/// or the last part).
fn names(component: &Component) -> Vec<&str> {
    let mut names = Vec::new();
    for text in [component.name.as_str(), component.folder.as_str()] {
        names.push(text);
        names.extend(text.rsplit(['/', ':']).next());
    }
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_in_a_folder_and_not_in_one_with_a_longer_name() {
        assert!(is_in("a/b/c", "a/b"));
        assert!(is_in("a/b", "a/b"));
        assert!(is_in("x", ""));
        assert!(!is_in("a/bc", "a/b"));
    }

    #[test]
    fn a_component_is_known_by_its_name_and_its_folder() {
        let component = Component {
            name: "@shop/cart".to_owned(),
            folder: "services/basket".to_owned(),
        };
        assert_eq!(names(&component), ["@shop/cart", "basket", "cart", "services/basket"]);
    }
}
