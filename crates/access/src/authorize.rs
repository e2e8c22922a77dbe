//! The one function that decides who may do what.
//!
//! Default deny: what no rule here allows is refused, and whoever is unknown may do nothing. The
//! principal comes from a token or a session alone, never from anything a request says about itself.

use std::fmt;

use facts::{Actor, ComponentName, EnvironmentName};

use crate::role::{ComponentScope, EnvironmentScope, Grant, Rights, Role};

/// Whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Nobody known.
    Anonymous,
    /// Somebody known, with what they hold.
    Known {
        /// Who, as facts name them.
        actor: Actor,
        /// What they hold.
        rights: Rights,
    },
    /// Throughline itself, doing what its rules say.
    System,
}

impl Principal {
    /// Who facts say it was; `None` for nobody known.
    pub fn actor(&self) -> Option<Actor> {
        match self {
            Self::Anonymous => None,
            Self::Known { actor, .. } => Some(*actor),
            Self::System => Some(Actor::System),
        }
    }

    /// Whether they hold a duty that approvals ask for. Whoever is admin everywhere holds each.
    pub fn has_duty(&self, duty: &str) -> bool {
        match self {
            Self::Known { rights, .. } => {
                rights.duties.contains(duty) || rights.grants.contains(&Grant::everywhere(Role::Admin))
            }
            Self::Anonymous | Self::System => false,
        }
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Log in, see oneself, see the frame of the pages.
    Enter,
    /// See changes, runs, logs, packages, environments.
    Read,
    /// Fetch source, pull packages.
    Fetch,
    /// Push source.
    Push,
    /// Make a component, or follow its repository elsewhere.
    AddComponent,
    /// Run a pipeline again or cancel it.
    Run,
    /// Start a deployment, also of a package that waits.
    Deploy,
    /// Take an environment back to an earlier state.
    Return,
    /// Approve a deployment.
    Approve,
    /// Say what became of a step of which nobody knows.
    Resolve,
    /// See the names of secrets.
    ListSecrets,
    /// Set or remove a secret.
    SetSecret,
    /// Take the ledger out, verify it.
    ReadLedger,
    /// Rebuild views, stop the server.
    Operate,
    /// Change environments and their policy.
    ChangePolicy,
    /// Make and revoke tokens, change and erase the directory.
    ManageAccess,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 16] = [
        Self::Enter,
        Self::Read,
        Self::Fetch,
        Self::Push,
        Self::AddComponent,
        Self::Run,
        Self::Deploy,
        Self::Return,
        Self::Approve,
        Self::Resolve,
        Self::ListSecrets,
        Self::SetSecret,
        Self::ReadLedger,
        Self::Operate,
        Self::ChangePolicy,
        Self::ManageAccess,
    ];

    /// The weakest role that may do it.
    pub const fn needs(self) -> Role {
        match self {
            Self::Enter | Self::Read | Self::Fetch => Role::Viewer,
            Self::Push | Self::AddComponent | Self::Run | Self::ListSecrets => Role::Developer,
            Self::Deploy | Self::Return | Self::Approve | Self::Resolve | Self::SetSecret | Self::ReadLedger => {
                Role::Operator
            }
            Self::Operate | Self::ChangePolicy | Self::ManageAccess => Role::Admin,
        }
    }

    /// Whether Throughline does it by itself, when its rules say so.
    const fn of_system(self) -> bool {
        matches!(
            self,
            Self::Read | Self::Fetch | Self::Push | Self::Run | Self::Deploy | Self::Return
        )
    }

    /// The action in words, as in "may not …".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::Read => "see this",
            Self::Fetch => "fetch from here",
            Self::Push => "push here",
            Self::AddComponent => "add this component",
            Self::Run => "run or cancel this",
            Self::Deploy => "deploy here",
            Self::Return => "take this environment back",
            Self::Approve => "approve this",
            Self::Resolve => "say what became of this step",
            Self::ListSecrets => "see the names of secrets",
            Self::SetSecret => "set secrets here",
            Self::ReadLedger => "take out the ledger",
            Self::Operate => "operate the server",
            Self::ChangePolicy => "change environments and their policy",
            Self::ManageAccess => "say who may do what",
        }
    }
}

/// On what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The server as a whole, all components and environments.
    Server,
    /// One component.
    Component(ComponentName),
    /// One component in one environment.
    Placement(ComponentName, EnvironmentName),
    /// An environment as a whole.
    Environment(EnvironmentName),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("the server"),
            Self::Component(component) => component.fmt(f),
            Self::Placement(component, environment) => write!(f, "{component} in {environment}"),
            Self::Environment(environment) => environment.fmt(f),
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It may be done.
    Allow,
    /// It may not, because nobody known asks: log in first.
    LogIn,
    /// It may not.
    Deny {
        /// Why, for whoever asked. It says nothing about what they may not see.
        reason: String,
    },
}

impl Decision {
    /// Whether it may be done.
    pub fn is_allowed(&self) -> bool {
        *self == Self::Allow
    }
}

/// Decides whether `principal` may do `action` on `resource`.
pub fn authorize(principal: &Principal, action: Action, resource: &Resource) -> Decision {
    let allowed = match principal {
        Principal::Anonymous => return Decision::LogIn,
        Principal::System => action.of_system(),
        Principal::Known { rights, .. } if action == Action::Enter => !rights.grants.is_empty(),
        Principal::Known { rights, .. } => rights
            .grants
            .iter()
            .filter_map(|grant| role_at(grant, resource))
            .any(|role| role >= action.needs()),
    };
    if allowed {
        Decision::Allow
    } else {
        Decision::Deny {
            reason: format!(
                "you may not {}: that needs the role {} for {resource}",
                action.words(),
                action.needs()
            ),
        }
    }
}

/// Decides whether `principal` may give these rights to somebody, such as a new token: an admin gives
/// at most what lies where they are admin, and duties only an admin of everything.
pub fn may_grant(principal: &Principal, rights: &Rights) -> Decision {
    let held: &[Grant] = match principal {
        Principal::Anonymous => return Decision::LogIn,
        Principal::System => &[],
        Principal::Known { rights, .. } => &rights.grants,
    };
    let within = |new: &Grant| {
        held.iter().any(|grant| {
            grant.role == Role::Admin
                && grant.components.includes(&new.components)
                && grant.environments.includes(&new.environments)
        })
    };
    let duties = rights.duties.is_empty() || held.contains(&Grant::everywhere(Role::Admin));
    if duties && !held.is_empty() && rights.grants.iter().all(within) {
        Decision::Allow
    } else {
        Decision::Deny {
            reason: "you may not give these rights: that needs the role admin wherever they reach".to_owned(),
        }
    }
}

/// What a grant comes to at a resource.
fn role_at(grant: &Grant, resource: &Resource) -> Option<Role> {
    let everywhere = grant.environments == EnvironmentScope::All;
    match resource {
        Resource::Server => (grant.components == ComponentScope::All && everywhere).then_some(grant.role),
        Resource::Component(component) if grant.components.covers(component) => {
            // A role for one environment lets its holder see the component, no more.
            Some(if everywhere { grant.role } else { Role::Viewer })
        }
        Resource::Placement(component, environment)
            if grant.components.covers(component) && grant.environments.covers(environment) =>
        {
            Some(grant.role)
        }
        Resource::Environment(environment)
            if grant.components == ComponentScope::All && grant.environments.covers(environment) =>
        {
            Some(grant.role)
        }
        Resource::Component(_) | Resource::Placement(..) | Resource::Environment(_) => None,
    }
}
