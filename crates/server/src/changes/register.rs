//! The register of components: which there are, and the policy in force.

use std::sync::Arc;

use facts::{Actor, Clock, ComponentId, ComponentName, Digest, Entropy, FactId, NewFact, Stream, Timestamp, Trust};
use ledger::{Append, AppendError, Direction, Ledger, LedgerError, Op, Row, RowError, Select};
use serde::Serialize;
use serde_json::json;

use super::kinds::{
    COMPONENT_CREATED, COMPONENT_PLACED, ComponentCreated, ComponentPlaced, POLICY_CHANGED, PolicyChanged,
    REMOTE_FOLLOWED, RemoteFollowed, policy_stream, stream,
};
use super::view::{COMPONENTS, POLICIES};

/// Why the register could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The ledger refused.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A row could not be read.
    #[error(transparent)]
    Row(#[from] RowError),
}

/// A component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its id, for good.
    pub id: ComponentId,
    /// Its name today.
    pub name: ComponentName,
    /// Since when.
    pub created_at: Timestamp,
    /// Where it is fetched from, for a followed one.
    pub remote: Option<String>,
    /// The name of the secret with the credentials for it.
    pub credentials: Option<String>,
    /// Where it lies, for one of several in a repository.
    pub place: Option<Placed>,
}

/// Where a component lies that is one of several in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The repository, by the id of the component that has its name.
    pub repository: ComponentId,
    /// The component's name in the repository's list.
    pub member: String,
}

/// The register of components.
#[derive(Clone)]
pub struct Register {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Register {
    /// The register in `ledger`.
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { ledger, clock, entropy }
    }

    /// The ledger in which it is.
    pub(super) fn ledger(&self) -> &dyn Ledger {
        &*self.ledger
    }

    /// All components, by name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn all(&self) -> Result<Vec<Component>, RegisterError> {
        let rows = self
            .ledger
            .select(Select::from(COMPONENTS).order("name", Direction::Asc))
            .await?
            .rows;
        rows.iter().map(component).collect()
    }

    /// The component of that name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn by_name(&self, name: &ComponentName) -> Result<Option<Component>, RegisterError> {
        let query = Select::from(COMPONENTS).filter("name", Op::Eq, name.as_str());
        self.ledger.select(query).await?.rows.first().map(component).transpose()
    }

    /// The component of that id.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn by_id(&self, id: ComponentId) -> Result<Option<Component>, RegisterError> {
        let query = Select::from(COMPONENTS).filter("component", Op::Eq, id.to_string());
        self.ledger.select(query).await?.rows.first().map(component).transpose()
    }

    /// The component that has the name of the repository that this one lies in; itself, where it is the only one.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn repository(&self, component: &Component) -> Result<Component, RegisterError> {
        let Some(place) = &component.place else {
            return Ok(component.clone());
        };
        Ok(self.by_id(place.repository).await?.unwrap_or_else(|| component.clone()))
    }

    /// What makes `name` a component of `repository` from now on: facts to be appended with the change that
    /// lists it.
    pub(super) fn placed(&self, name: &ComponentName, place: &Placed, actor: Actor) -> (ComponentId, Vec<NewFact>) {
        let id = ComponentId::of_key(name.as_str());
        let created = ComponentCreated {
            component: id,
            name: name.clone(),
        };
        let placed = ComponentPlaced {
            repository: place.repository,
            member: place.member.clone(),
        };
        let facts = vec![
            self.fact(
                stream(id),
                COMPONENT_CREATED,
                &created,
                actor,
                Some(format!("component:{name}")),
            ),
            self.fact(stream(id), COMPONENT_PLACED, &placed, actor, None),
        ];
        (id, facts)
    }

    /// The component of that name; recorded when it is new.
    ///
    /// # Errors
    /// When the ledger cannot be read or refuses.
    pub async fn create(&self, name: &ComponentName, actor: Actor) -> Result<Component, RegisterError> {
        if let Some(there) = self.by_name(name).await? {
            return Ok(there);
        }
        let id = ComponentId::of_key(name.as_str());
        let body = ComponentCreated {
            component: id,
            name: name.clone(),
        };
        let claim = format!("component:{name}");
        let fact = self.fact(stream(id), COMPONENT_CREATED, &body, actor, Some(claim));
        match self.ledger.append(Append::unconditional(vec![fact])).await {
            // Somebody else created it in the same moment.
            Ok(_) | Err(AppendError::Claimed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.by_name(name).await?.unwrap_or(Component {
            id,
            name: name.clone(),
            created_at: self.clock.now(),
            remote: None,
            credentials: None,
            place: None,
        }))
    }

    /// Follows a remote repository for the component from now on.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub async fn follow(
        &self,
        component: ComponentId,
        body: &RemoteFollowed,
        actor: Actor,
    ) -> Result<(), RegisterError> {
        let fact = self.fact(stream(component), REMOTE_FOLLOWED, body, actor, None);
        self.ledger.append(Append::unconditional(vec![fact])).await?;
        Ok(())
    }

    /// The revision of the policy that was last in force; `None` before the first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn policy(&self) -> Result<Option<Digest>, RegisterError> {
        let query = Select::from(POLICIES).order("position", Direction::Desc).limit(1);
        let rows = self.ledger.select(query).await?.rows;
        Ok(rows.first().map(|row| row.parse("revision")).transpose()?)
    }

    /// Records that another policy is in force.
    ///
    /// # Errors
    /// When the ledger refuses.
    pub async fn policy_changed(&self, revision: Digest, actor: Actor) -> Result<(), RegisterError> {
        if self.policy().await? == Some(revision) {
            return Ok(());
        }
        let fact = self.fact(
            policy_stream(),
            POLICY_CHANGED,
            &PolicyChanged { revision },
            actor,
            None,
        );
        self.ledger.append(Append::unconditional(vec![fact])).await?;
        Ok(())
    }

    /// A fact of this room.
    pub(super) fn fact(
        &self,
        stream: Stream,
        kind: &str,
        body: &impl Serialize,
        actor: Actor,
        claim: Option<String>,
    ) -> NewFact {
        let now = self.clock.now();
        NewFact {
            stream,
            id: FactId::new(now, &*self.entropy),
            kind: kind.to_owned(),
            kind_version: 1,
            occurred_at: now,
            actor,
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation: None,
            external_key: claim,
            body: json!(body),
        }
    }
}

fn component(row: &Row) -> Result<Component, RegisterError> {
    Ok(Component {
        id: row.parse("component")?,
        name: row.parse("name")?,
        created_at: row.timestamp("created_at")?,
        remote: row.optional_text("remote")?.map(str::to_owned),
        credentials: row.optional_text("credentials")?.map(str::to_owned),
        place: match (row.optional_parse("repository")?, row.optional_text("member")?) {
            (Some(repository), Some(member)) => Some(Placed {
                repository,
                member: member.to_owned(),
            }),
            _ => None,
        },
    })
}
