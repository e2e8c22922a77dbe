//! What packages are called, from the versions of changes and the claims in the ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use build::Names;
use delivery::DeliveryFact;
use engine::RunRequest;
use facts::{Commit, Version};
use ledger::Ledger;
use source::version::Scheme;

use crate::changes::Versions;

/// The names of the components' packages.
pub struct ClaimedNames {
    ledger: Arc<dyn Ledger>,
    versions: Arc<Versions>,
}

impl ClaimedNames {
    /// Names as claimed in `ledger`.
    pub fn new(ledger: Arc<dyn Ledger>, versions: Arc<Versions>) -> Self {
        Self { ledger, versions }
    }
}

#[async_trait]
impl Names for ClaimedNames {
    async fn suggested(&self, request: &RunRequest) -> Result<BTreeMap<String, String>, String> {
        let mut suggested = BTreeMap::new();
        let (Some(commit), Some(line)) = (&request.commit, &request.line) else {
            return Ok(suggested);
        };
        for (name, scheme) in [
            ("THROUGHLINE_SEMANTIC_VERSION", Scheme::Semantic),
            ("THROUGHLINE_CALENDAR_VERSION", Scheme::Calendar),
        ] {
            let version = self
                .versions
                .of_commit(request.component, &request.component_name, commit, line, scheme)
                .await
                .map_err(|error| format!("the versions of the schemes cannot be found: {error}"))?;
            suggested.extend(version.map(|version| (name.to_owned(), version.to_string())));
        }
        Ok(suggested)
    }

    async fn taken(&self, request: &RunRequest, version: &Version) -> Result<Option<Commit>, String> {
        let claim = delivery::kinds::version_claim(request.component, version);
        let found = self
            .ledger
            .find_claim(&claim)
            .await
            .map_err(|error| error.to_string())?;
        let fact = found.and_then(|fact| DeliveryFact::read(fact.kind(), &fact.new.body).ok().flatten());
        Ok(match fact {
            Some(DeliveryFact::Accepted(accepted)) if Some(&accepted.commit) != request.commit.as_ref() => {
                Some(accepted.commit)
            }
            _ => None,
        })
    }
}
