//! What differs between two environments.

use facts::{ComponentName, Digest, EnvironmentName};
use serde::Serialize;

use super::ChangeName;

/// The page that compares two environments.
#[derive(Debug, Clone, Serialize)]
pub struct DifferencePage {
    /// The one.
    pub left: EnvironmentName,
    /// The other.
    pub right: EnvironmentName,
    /// All environments, in the order of the path.
    pub all: Vec<EnvironmentName>,
    /// The environments' own settings that differ.
    pub settings: Vec<DifferingLine>,
    /// The components that differ, by name.
    pub components: Vec<ComponentDifference>,
    /// The components that are alike in both.
    pub alike: Vec<ComponentName>,
}

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferingLine {
    /// What.
    pub what: String,
    /// On the left; nothing where it has none.
    pub left: Option<Differing>,
    /// On the right.
    pub right: Option<Differing>,
}

/// A value on one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Differing {
    /// The value.
    Value(String),
    /// A secret, by its name: its value is nobody's to see.
    Secret(String),
}

/// A component that differs.
#[derive(Debug, Clone, Serialize)]
pub struct ComponentDifference {
    /// The component.
    pub component: ComponentName,
    /// What the left holds.
    pub left: Option<Held>,
    /// What the right holds.
    pub right: Option<Held>,
    /// How the two packages follow one another.
    pub order: Order,
    /// The commits between them, newest first.
    pub commits: Vec<ChangeName>,
    /// How many more there are.
    pub more_commits: usize,
    /// The last migration, by database, where it differs.
    pub schema: Vec<DifferingLine>,
    /// The settings that differ.
    pub configuration: Vec<DifferingLine>,
}

/// What an environment holds of a component.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// The package.
    pub package: Digest,
    /// The change it was made from.
    pub change: ChangeName,
}

/// How two packages follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Order {
    /// Both hold the same package.
    Same,
    /// The left one has commits that the right one lacks.
    LeftAhead,
    /// The right one has commits that the left one lacks.
    RightAhead,
    /// Each has commits that the other lacks; those of the left are listed.
    Apart,
    /// One of them holds nothing.
    OneSided,
}
