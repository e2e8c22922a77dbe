//! The families of evidence, one file each. Each brings its tables of packages and names, and looks at
//! what tables cannot say.

mod build;
mod components;
mod containers;
mod kubernetes;
mod suites;
mod verification;

use evidence::{Component, Place};

use crate::context::Context;
use crate::known::{self, Names, Packages};

/// The components that were found.
pub(crate) struct Found {
    pub components: Vec<Component>,
    pub places: Vec<Place>,
}

/// Lets all families look.
pub(crate) fn look(context: &mut Context<'_>) -> Found {
    let packages: &[Packages] = &[
        build::PACKAGES,
        containers::PACKAGES,
        kubernetes::PACKAGES,
        suites::PACKAGES,
    ];
    known::look_at_packages(context, packages);
    let names: &[Names] = &[build::NAMES, containers::NAMES, kubernetes::NAMES, suites::NAMES];
    known::look_at_names(context, names);
    build::look(context);
    containers::look(context);
    kubernetes::look(context);
    verification::look(context);
    components::look(context)
}
