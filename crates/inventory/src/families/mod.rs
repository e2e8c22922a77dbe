//! The families of evidence, one file each. Each brings its tables of packages and names, and looks at
//! what tables cannot say.

mod analysers;
mod analysis;
mod build;
mod components;
mod configuration;
mod containers;
mod contracts;
mod database;
mod dependencies;
mod documents;
mod environments;
mod flags;
mod infrastructure;
mod kubernetes;
mod learning;
mod operations;
mod owners;
mod releasing;
mod secrets;
mod suites;
mod telling;
mod verification;

use evidence::{Component, Place};

use crate::context::Context;
use crate::known::{self, Names, Packages};

/// The components that were found.
pub(crate) struct Found {
    pub components: Vec<Component>,
    pub places: Vec<Place>,
}

/// What packages say, family by family.
const PACKAGES: &[Packages] = &[
    analysers::PACKAGES,
    build::PACKAGES,
    configuration::PACKAGES,
    containers::PACKAGES,
    contracts::PACKAGES,
    flags::PACKAGES,
    infrastructure::PACKAGES,
    learning::PACKAGES,
    operations::PACKAGES,
    releasing::PACKAGES,
    secrets::PACKAGES,
    suites::PACKAGES,
];

/// What names of files say, family by family.
const NAMES: &[Names] = &[
    analysers::NAMES,
    build::NAMES,
    configuration::NAMES,
    containers::NAMES,
    contracts::NAMES,
    dependencies::NAMES,
    documents::NAMES,
    flags::NAMES,
    infrastructure::NAMES,
    kubernetes::NAMES,
    learning::NAMES,
    operations::NAMES,
    releasing::NAMES,
    secrets::NAMES,
    suites::NAMES,
];

/// Lets all families look. Analysis comes last, since it sums up what others noticed.
pub(crate) fn look(context: &mut Context<'_>) -> Found {
    known::look_at_packages(context, PACKAGES);
    known::look_at_names(context, NAMES);
    build::look(context);
    dependencies::look(context);
    verification::look(context);
    containers::look(context);
    kubernetes::look(context);
    infrastructure::look(context);
    environments::look(context);
    configuration::look(context);
    database::look(context);
    secrets::look(context);
    owners::look(context);
    contracts::look(context);
    flags::look(context);
    operations::look(context);
    documents::look(context);
    learning::look(context);
    releasing::look(context);
    analysis::look(context);
    components::look(context)
}
