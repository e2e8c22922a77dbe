//! What a tree of files says about how its components are built, tested, delivered and run.
//!
//! [`read`] goes over an [`evidence::Tree`] once and keeps what it noticed, with places. From that,
//! [`measures`] folds the measures of the family `files.` for the repository or for one of its
//! [`components`]. Definitions of pipelines are read elsewhere; so is history.
//!
//! Files are parsed, as far as their format needs it (`formats`). What is vendored or generated, and
//! examples and fixtures of tests, does not count as the product's own: it is recognised by customary
//! names of folders (`vendor/`, `node_modules/`, `testdata/`, `examples/`, ...), by customary names of
//! generated files, and by `.gitattributes` ([`Standing`]). A repository of nothing but examples
//! delivers these. Nothing here does I/O but through the tree, and nothing panics on what it is given.

mod catalogue;
mod context;
mod families;
mod formats;
mod known;
mod languages;
mod manifests;
mod measures;
mod observation;
mod reading;
mod standing;
#[cfg(test)]
mod testing;

use evidence::{Component, Finding, Measures, Place, Tree};

use catalogue::Catalogue;
use observation::Observations;
use reading::Reader;

pub use standing::Standing;

/// What was noticed in a tree.
pub struct Inventory {
    catalogue: Catalogue,
    observations: Observations,
    components: Vec<Component>,
    places_of_components: Vec<Place>,
    findings: Vec<Finding>,
    limits: Vec<String>,
}

impl Inventory {
    /// What could not be read.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What the reading left out, as sentences.
    pub fn limits(&self) -> &[String] {
        &self.limits
    }

    /// How many files have a standing.
    pub fn count(&self, standing: Standing) -> usize {
        self.catalogue
            .files
            .iter()
            .filter(|file| file.standing == standing)
            .count()
    }
}

/// Reads a tree.
pub fn read(tree: &dyn Tree) -> Inventory {
    let reader = Reader::new(tree);
    let attributes = if tree.has(".gitattributes") {
        reader.text(".gitattributes")
    } else {
        None
    };
    let catalogue = Catalogue::of(tree, attributes.as_deref());
    let manifests = manifests::read(&catalogue, &reader);
    let (data, data_complete) = context::read_data(&catalogue, &reader);
    let mut context = context::Context {
        catalogue,
        reader,
        manifests,
        data,
        data_complete,
        notes: Observations::default(),
    };
    let found = families::look(&mut context);
    let (findings, limits) = context.reader.finish();
    Inventory {
        catalogue: context.catalogue,
        observations: context.notes,
        components: found.components,
        places_of_components: found.places,
        findings,
        limits,
    }
}

/// The components of a repository that has several; empty for one of one piece.
pub fn components(inventory: &Inventory) -> Vec<Component> {
    inventory.components.clone()
}

/// The measures of the repository, or of one of its components.
pub fn measures(inventory: &Inventory, component: Option<&Component>) -> Measures {
    measures::fold(inventory, component)
}
