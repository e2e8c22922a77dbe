//! The OpenAPI document, generated from the handlers.

use axum::Json;
use utoipa::OpenApi;

use super::{
    access, backup, changes, environments, events, ledger, logs, notifications, operate, packages, rebuilds, recorded,
    repositories, runs, search, servers, settings, statuses, webhooks,
};

/// The document's source.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Throughline",
        description = "Takes every change from source control to its users.",
        license(name = "Apache-2.0")
    ),
    paths(
        access::whoami,
        access::login_link,
        access::tokens,
        access::create_token,
        access::revoke_token,
        access::secrets,
        access::set_secret,
        changes::list,
        changes::one,
        changes::cancel,
        rebuilds::start,
        rebuilds::one,
        runs::list,
        runs::one,
        runs::cancel,
        runs::retry,
        runs::resolve,
        logs::log,
        environments::list,
        environments::difference,
        environments::approve,
        environments::promote,
        environments::roll_back,
        environments::unbar,
        repositories::list,
        repositories::follow,
        webhooks::show,
        webhooks::create,
        webhooks::rotate,
        webhooks::remove,
        statuses::show,
        statuses::set,
        statuses::end,
        operate::policy,
        operate::set_policy,
        operate::down,
        backup::take,
        ledger::verify,
        ledger::verify_against,
        ledger::checkpoint,
        ledger::keys,
        ledger::change_key,
        ledger::rebuild,
        ledger::export,
        recorded::list,
        recorded::one,
        search::search,
        packages::one,
        packages::differing,
        settings::settings,
        servers::servers,
        notifications::list,
        notifications::test,
        events::events
    )
)]
pub struct Document;

/// Answers with the document.
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
