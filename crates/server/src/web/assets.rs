//! The style sheet, the script and the icon. Their paths change with their content, so that a browser
//! keeps them for good.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pages::assets;

use crate::problem::Problem;

/// Answers with a file that pages refer to.
pub(super) async fn file(Path(file): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let path = format!("/assets/{file}");
    let Some(asset) = assets::find(&path) else {
        return Err(Problem::not_found(format!("there is no file `{path}`")));
    };
    let tag = format!("\"{file}\"");
    let about = [
        (header::CONTENT_TYPE, asset.media_type.to_owned()),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
        (header::ETAG, tag.clone()),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)) {
        return Ok((StatusCode::NOT_MODIFIED, about).into_response());
    }
    Ok((about, asset.body).into_response())
}
