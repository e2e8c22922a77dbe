//! Looks at any git repository as of a moment, and says what there is to see of how it is delivered.
//!
//! [`survey`] finds the repository a path is in, reads its history, lists the files of the commit of the moment, and
//! puts together an [`evidence::Evidence`] of the repository and of each of its components. Only git's own objects
//! are read: no working folder, no settings of a user, no network, and nothing is run. So links that lead elsewhere,
//! strange names and huge files do no harm.
//!
//! Reading and measuring are apart. Reading (`store`, `refs`, `walk`, `difference`, `tree`) makes plain rows; all that is
//! measured (`measures`) is a pure function of these rows, a moment and a window. [`timeline`] measures many moments
//! of a history that is read once.

mod change;
mod clock;
mod component;
mod difference;
mod error;
mod files;
mod graph;
mod history;
mod measures;
mod memory;
mod message;
mod moment;
mod object;
mod paths;
mod person;
mod progress;
mod refs;
mod rows;
mod store;
mod survey;
mod tree;
mod version;
mod view;
mod walk;

pub use error::SurveyError;
pub use moment::{AsOf, Options};
pub use progress::{Phase, Progress};
pub use survey::{Survey, survey, survey_with_timeline, timeline};
pub use tree::GitTree;
