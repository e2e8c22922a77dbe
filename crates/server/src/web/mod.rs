//! The pages, mounted and filled.

use std::sync::Arc;

use axum::Router;

use crate::house::House;

/// The routes of the pages.
pub fn routes() -> Router<Arc<House>> {
    Router::new()
}
