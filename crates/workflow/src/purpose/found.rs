//! Files of the tree that commands name.

use std::rc::Rc;

use evidence::EntryKind;

use super::Resolver;
use super::files::{self, Script};
use super::targets::Target;
use super::wording::{join, parent};

/// The largest script that is read, in bytes.
pub(super) const LARGEST: u64 = 512 << 10;
/// In how many packages of a workspace a script of one name is followed.
const MOST_PACKAGES: usize = 6;

impl Resolver<'_> {
    /// The scripts of a file.
    pub(super) fn scripts(&self, file: &str) -> Rc<Vec<Script>> {
        if let Some(scripts) = self.scripts.borrow().get(file) {
            return Rc::clone(scripts);
        }
        let scripts = match self.tree.read(file, LARGEST) {
            Ok(Some(bytes)) => files::scripts_of(file, &String::from_utf8_lossy(&bytes)),
            _ => Vec::new(),
        };
        let scripts = Rc::new(scripts);
        self.scripts.borrow_mut().insert(file.to_owned(), Rc::clone(&scripts));
        scripts
    }

    /// The files that may hold a target.
    pub(super) fn files_of(&self, target: &Target, folder: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut at = Some(folder);
        while let Some(folder) = at {
            for name in target.files {
                let path = join(folder, name);
                if self.tree.has(&path) {
                    found.push(path);
                    break;
                }
            }
            if !found.is_empty() || folder.is_empty() {
                break;
            }
            at = Some(parent(folder));
        }
        if target.everywhere {
            let mut asked = 0;
            for path in self.package_files().iter() {
                if asked >= MOST_PACKAGES {
                    break;
                }
                let has = |name: &String| self.scripts(path).iter().any(|script| &script.name == name);
                if !found.contains(path) && target.names.iter().any(has) {
                    found.push(path.clone());
                    asked += 1;
                }
            }
            // The workspace itself only hands on.
            if asked > 0 {
                found.remove(0);
            }
        }
        found
    }

    pub(super) fn package_files(&self) -> Rc<Vec<String>> {
        if let Some(list) = self.manifests.borrow().as_ref() {
            return Rc::clone(list);
        }
        let list: Vec<String> = self
            .tree
            .entries()
            .iter()
            .filter(|entry| entry.path.ends_with("/package.json") && !entry.path.contains("node_modules/"))
            .take(200)
            .map(|entry| entry.path.clone())
            .collect();
        let list = Rc::new(list);
        *self.manifests.borrow_mut() = Some(Rc::clone(&list));
        list
    }

    /// The file of the tree that a word names.
    pub fn find_file(&self, word: &str, folder: &str) -> Option<String> {
        let mut word = word.replace('\\', "/");
        for variable in [
            "$GITHUB_WORKSPACE/",
            "${GITHUB_WORKSPACE}/",
            "${{ github.workspace }}/",
            "$CI_PROJECT_DIR/",
            "${CI_PROJECT_DIR}/",
            "$(Build.SourcesDirectory)/",
            "$PWD/",
            "$(pwd)/",
            "${PWD}/",
            "$TRAVIS_BUILD_DIR/",
            "${{github.workspace}}/",
            "$GITHUB_ACTION_PATH/",
            "${WORKSPACE}/",
            "$WORKSPACE/",
            "./",
        ] {
            if let Some(rest) = word.strip_prefix(variable) {
                word = rest.to_owned();
            }
        }
        let is_file = |path: &String| {
            self.tree
                .entries()
                .binary_search_by(|entry| entry.path.as_str().cmp(path))
                .ok()
                .is_some_and(|at| matches!(self.tree.entries()[at].kind, EntryKind::File | EntryKind::Executable))
        };
        [join(folder, &word), join("", &word)].into_iter().find(is_file)
    }

    /// Whether Maven runs integration tests of their own.
    pub(super) fn has_failsafe(&self, folder: &str) -> bool {
        [join(folder, "pom.xml"), "pom.xml".to_owned()].iter().any(|path| {
            matches!(self.tree.read(path, LARGEST), Ok(Some(bytes))
                if String::from_utf8_lossy(&bytes).contains("<artifactId>maven-failsafe-plugin</artifactId>"))
        })
    }
}
