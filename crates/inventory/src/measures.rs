//! From observations to measures, for the repository or for one component of it.
//!
//! A component sees what lies in its folder, and what lies outside of all components (a lock file, a
//! list of owners, the set-up of a linter at the root), except what names another component: the
//! manifest `deploy/billing.yaml` says nothing about `checkout`. Counts of files are of its folder alone.

use std::collections::{BTreeMap, BTreeSet};

use evidence::vocabulary::{self, Kind};
use evidence::{Component, Measure, Measures, Place};

use crate::Inventory;
use crate::catalogue::{FileFact, is_below};
use crate::languages;
use crate::observation::{At, Observation, Stance};
use crate::standing::Standing;

/// A component with what its name is compared by.
pub(crate) struct Scope<'a> {
    all: &'a [Component],
    one: Option<&'a Component>,
}

impl<'a> Scope<'a> {
    pub fn new(all: &'a [Component], one: Option<&'a Component>) -> Self {
        Self { all, one }
    }

    /// The component that a path lies in: the one with the deepest folder.
    fn home(&self, path: &str) -> Option<&'a Component> {
        self.all
            .iter()
            .filter(|component| is_below(path, &component.folder))
            .max_by_key(|component| component.folder.len())
    }

    /// Whether a path is in the component's own folder, and in no other component's below it.
    pub fn owns(&self, path: &str) -> bool {
        let Some(one) = self.one else { return true };
        match self.home(path) {
            Some(home) => home.folder == one.folder,
            None => false,
        }
    }

    /// Whether what lies at a path concerns the component.
    pub fn concerns(&self, path: &str) -> bool {
        let Some(one) = self.one else { return true };
        let home = self.home(path);
        if home.is_some_and(|home| home.folder == one.folder) {
            return true;
        }
        if home.is_some_and(|home| !home.folder.is_empty()) {
            return false;
        }
        let named: Vec<&Component> = self.all.iter().filter(|other| names(path, other)).collect();
        named.is_empty() || named.iter().any(|other| other.folder == one.folder)
    }
}

/// Whether a part of a path is the name of a component.
fn names(path: &str, component: &Component) -> bool {
    let folder = component.folder.rsplit('/').next().unwrap_or_default();
    let name = component.name.rsplit(['/', ':']).next().unwrap_or_default();
    path.split('/').any(|part| {
        let stem = part.split('.').next().unwrap_or(part);
        let is = |word: &str| word.len() > 2 && (part.eq_ignore_ascii_case(word) || stem.eq_ignore_ascii_case(word));
        is(folder) || is(name)
    })
}

fn place(at: &At) -> Place {
    Place::File {
        file: at.path.clone(),
        line: at.line,
        what: at.what.clone(),
    }
}

/// All measures of the repository, or of one component.
pub(crate) fn fold(inventory: &Inventory, component: Option<&Component>) -> Measures {
    let scope = Scope::new(&inventory.components, component);
    let mut by_name: BTreeMap<&'static str, Vec<&Observation>> = BTreeMap::new();
    for observation in inventory.observations.all() {
        let path = &observation.at.path;
        let counts = if OF_ITS_FOLDER.contains(&observation.measure) {
            scope.owns(path) && (component.is_none() || !path.is_empty())
        } else {
            path.is_empty() || scope.concerns(path)
        };
        if counts {
            by_name.entry(observation.measure).or_default().push(observation);
        }
    }
    let mut measures = Measures::new();
    for declared in vocabulary::all() {
        let Some(name) = declared.name.strip_prefix("files.") else {
            continue;
        };
        let seen = by_name.remove(name).unwrap_or_default();
        let measure = if COMPUTED.contains(&name) {
            None
        } else {
            one(declared.kind, &seen)
        };
        if let Some(measure) = measure {
            measures.insert(declared.name.to_owned(), measure);
        }
    }
    debug_assert!(by_name.is_empty(), "undeclared: {:?}", by_name.keys());
    files(inventory, &scope, component, &mut measures);
    measures
}

/// What is counted in the folder of a component alone.
const OF_ITS_FOLDER: &[&str] = &[
    "stacks",
    "modules",
    "notebooks",
    "model_files",
    "training_code",
    "manifests",
    "test_files",
];

/// What is computed from files instead of observations.
const COMPUTED: &[&str] = &[
    "files",
    "own_files",
    "languages",
    "source_folders",
    "product_files",
    "test_files",
    "test_share",
    "owners_coverage",
    "components",
];

/// Places, the nearest to the root first, and one for each file.
fn places<'a>(seen: impl Iterator<Item = &'a Observation>) -> Vec<Place> {
    let mut known = BTreeSet::new();
    let mut found: Vec<&At> = seen
        .map(|observation| &observation.at)
        .filter(|at| !at.path.is_empty() && known.insert((&at.path, at.line)))
        .collect();
    found.sort_by_key(|at| (crate::languages::in_test_folder(&at.path), at.path.matches('/').count()));
    found.into_iter().map(place).collect()
}

fn one(kind: Kind, seen: &[&Observation]) -> Option<Measure> {
    let with = |stance: Stance| {
        seen.iter()
            .copied()
            .filter(move |observation| observation.stance == stance)
    };
    let doubted = with(Stance::Doubt).next().is_some();
    let count = |stance: Stance| {
        with(stance)
            .map(|observation| u64::from(observation.weight))
            .sum::<u64>()
    };
    let (pro, contra) = (count(Stance::For), count(Stance::Against));
    let measure = match kind {
        Kind::Boolean if pro > 0 => Measure::of(true),
        Kind::Boolean if doubted => return None,
        Kind::Boolean => Measure::of(false),
        Kind::Count if pro == 0 && doubted => return None,
        Kind::Count => Measure::of(i64::try_from(pro).unwrap_or(i64::MAX)),
        Kind::Share | Kind::Number | Kind::Days => {
            if pro + contra == 0 {
                return None;
            }
            Measure::of(pro as f64 / (pro + contra) as f64).from_sample(pro + contra)
        }
        Kind::Text | Kind::List => {
            let words: Vec<String> = with(Stance::For)
                .filter_map(|observation| observation.word.clone())
                .collect();
            if words.is_empty() && doubted {
                return None;
            }
            // One place for each word before further ones.
            let mut known = BTreeSet::new();
            let (firsts, mut others): (Vec<&Observation>, Vec<&Observation>) =
                with(Stance::For).partition(|observation| known.insert(observation.word.clone()));
            let mut shown: BTreeSet<(&str, Option<u32>)> = firsts
                .iter()
                .map(|observation| (observation.at.path.as_str(), observation.at.line))
                .collect();
            others.retain(|observation| shown.insert((observation.at.path.as_str(), observation.at.line)));
            return Some(
                Measure::of(words)
                    .seen_at(
                        firsts
                            .into_iter()
                            .chain(others)
                            .map(|observation| place(&observation.at)),
                    )
                    .in_spite_of(places(with(Stance::Against))),
            );
        }
    };
    let mut measure = measure
        .seen_at(places(with(Stance::For)))
        .in_spite_of(places(with(Stance::Against)));
    if doubted {
        measure = measure.noting("not everything could be looked at");
    }
    Some(measure)
}

/// What the files themselves say by their number.
fn files(inventory: &Inventory, scope: &Scope<'_>, component: Option<&Component>, measures: &mut Measures) {
    let mut put = |name: &str, measure: Measure| {
        measures.insert(format!("files.{name}"), measure);
    };
    let within: Vec<&FileFact> = inventory
        .catalogue
        .files
        .iter()
        .filter(|file| scope.owns(&file.path))
        .collect();
    let own: Vec<&FileFact> = within
        .iter()
        .copied()
        .filter(|file| file.standing == Standing::Own)
        .collect();
    put(
        "files",
        Measure::of(if component.is_none() {
            inventory.catalogue.count
        } else {
            within.len()
        }),
    );
    put("own_files", Measure::of(own.len()));
    let inline: BTreeSet<&str> = inventory
        .observations
        .all()
        .iter()
        .filter(|observation| observation.measure == "test_files" && observation.stance == Stance::For)
        .map(|observation| observation.at.path.as_str())
        .collect();
    let is_source = |file: &FileFact| file.language.is_some_and(languages::writes_products) || file.test;
    let product: Vec<&FileFact> = own
        .iter()
        .copied()
        .filter(|file| is_source(file) && !file.test)
        .collect();
    let tests: Vec<&FileFact> = own
        .iter()
        .copied()
        .filter(|file| file.test || inline.contains(file.path.as_str()))
        .collect();
    let show = |files: &[&FileFact]| -> Vec<Place> {
        files
            .iter()
            .take(Measure::MOST_PLACES)
            .map(|file| Place::file(&file.path))
            .collect()
    };
    put("product_files", Measure::of(product.len()).seen_at(show(&product)));
    put("test_files", Measure::of(tests.len()).seen_at(show(&tests)));
    let all = product.len() + tests.len();
    if all > 0 {
        put(
            "test_share",
            Measure::of(tests.len() as f64 / all as f64)
                .from_sample(all as u64)
                .seen_at(show(&tests)),
        );
    }
    let mut by_language: BTreeMap<&str, Vec<&FileFact>> = BTreeMap::new();
    let mut folders: BTreeSet<&str> = BTreeSet::new();
    for file in &product {
        by_language
            .entry(file.language.unwrap_or_default())
            .or_default()
            .push(file);
        folders.insert(crate::catalogue::folder_of(&file.path));
    }
    put("source_folders", Measure::of(folders.len()));
    by_language.retain(|_, files| files.len() * 20 >= product.len());
    let mut languages: Vec<(&str, Vec<&FileFact>)> = by_language.into_iter().collect();
    languages.sort_by_key(|(_, files)| std::cmp::Reverse(files.len()));
    put(
        "languages",
        Measure::of(
            languages
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect::<Vec<String>>(),
        )
        .seen_at(
            languages
                .iter()
                .filter_map(|(_, files)| files.first())
                .map(|file| Place::file(&file.path)),
        ),
    );
    let (owned, free): (Vec<&FileFact>, Vec<&FileFact>) = own
        .iter()
        .copied()
        .filter(|file| file.owned.is_some())
        .partition(|file| file.owned == Some(true));
    let judged = owned.len() + free.len();
    if judged > 0 {
        put(
            "owners_coverage",
            Measure::of(owned.len() as f64 / judged as f64)
                .from_sample(judged as u64)
                .seen_at(show(&owned))
                .in_spite_of(show(&free)),
        );
    }
    if component.is_none() {
        let count = inventory
            .components
            .len()
            .max(usize::from(!product.is_empty() || !tests.is_empty()));
        put(
            "components",
            Measure::of(count).seen_at(inventory.places_of_components.iter().cloned()),
        );
    }
}
