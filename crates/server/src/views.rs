//! All views that a server folds from its facts.

use std::sync::Arc;

use delivery::DeliveryView;
use engine::RunsView;
use ledger::View;

use crate::changes::ChangesView;
use crate::notifications::HappeningsView;
use crate::recorded::RecordedView;
use crate::search::SearchView;
use crate::statuses::StatusesView;

/// Each of them, the inline ones first.
pub fn all() -> Vec<Arc<dyn View>> {
    vec![
        Arc::new(RunsView),
        Arc::new(DeliveryView),
        Arc::new(ChangesView),
        Arc::new(SearchView),
        Arc::new(RecordedView),
        Arc::new(HappeningsView),
        Arc::new(StatusesView),
    ]
}
