//! Components, refs and changes as tables.

use facts::Fact;
use ledger::{Column, FoldError, Row, Rows, Table, Value, View};
use source::message::DependsOn;

use super::builds::BUILD;
use super::kinds::{
    CHANGE_ARRIVED, CHANGE_LINKED, CHANGE_SORTED, COMPONENT_CREATED, COMPONENT_PLACED, ChangeArrived, ChangeLinked,
    ChangeSorted, ComponentCreated, ComponentPlaced, POLICY_CHANGED, PolicyChanged, REF_UPDATED, REMOTE_FOLLOWED,
    RefUpdated, RemoteFollowed,
};

/// The table of components.
pub const COMPONENTS: &str = "components";
/// The table of refs, as recorded.
pub const REFS: &str = "refs";
/// The table of changes: one row for each commit on each branch.
pub const CHANGES: &str = "changes";
/// The table of what commits concern in repositories of several components, a row for each component.
pub const CONCERNS: &str = "change_concerns";
/// The table of what changes say that they depend on, one row for each that they name.
pub const LINKS: &str = "change_links";
/// The table of `Change-Id`s: which commits have them, or bring them as merges.
pub const CHANGE_IDS: &str = "change_ids";
/// The table of policies that were in force.
pub const POLICIES: &str = "policies";

const TABLES: &[Table] = &[
    Table {
        name: COMPONENTS,
        columns: &[
            Column::text("component"),
            Column::text("name"),
            Column::integer("created_at"),
            Column::text("remote").nullable(),
            Column::text("credentials").nullable(),
            Column::text("repository").nullable(),
            Column::text("member").nullable(),
        ],
        key: &["component"],
        indexes: &[&["name"]],
    },
    Table {
        name: CONCERNS,
        columns: &[
            Column::text("repository"),
            Column::text("head"),
            // Empty where the commit concerns no component at all.
            Column::text("component"),
            Column::text("why"),
            Column::text("branch"),
            Column::integer("position"),
            Column::integer("arrived_at"),
        ],
        key: &["repository", "head", "component"],
        indexes: &[&["repository", "position"]],
    },
    Table {
        name: REFS,
        columns: &[
            Column::text("component"),
            Column::text("name"),
            Column::text("head"),
            Column::integer("updated_at"),
        ],
        key: &["component", "name"],
        indexes: &[],
    },
    Table {
        name: CHANGES,
        columns: &[
            Column::text("component"),
            Column::text("branch"),
            Column::text("head"),
            Column::integer("position"),
            Column::integer("arrived_at"),
            Column::text("actor"),
            Column::text("trust"),
            Column::integer("tip"),
            Column::text("run").nullable(),
        ],
        key: &["component", "branch", "head"],
        indexes: &[
            &["component", "position"],
            &["position"],
            &["head"],
            &["component", "head"],
        ],
    },
    Table {
        name: LINKS,
        columns: &[
            Column::text("component"),
            Column::text("head"),
            // The order in which the message names them.
            Column::integer("place"),
            Column::text("of").nullable(),
            Column::integer("line"),
            Column::text("said"),
            // The repository or component that it names, and the change; empty where it names none.
            Column::text("on_name"),
            Column::text("on_change"),
        ],
        key: &["component", "head", "place"],
        indexes: &[&["on_name"]],
    },
    Table {
        name: CHANGE_IDS,
        columns: &[
            Column::text("component"),
            Column::text("head"),
            Column::text("change_id"),
            // Whether it is the commit's own, or one that it brings as a merge.
            Column::integer("own"),
            Column::integer("position"),
        ],
        key: &["component", "head", "change_id"],
        indexes: &[&["change_id"]],
    },
    Table {
        name: POLICIES,
        columns: &[
            Column::integer("position"),
            Column::text("revision"),
            Column::integer("since"),
            Column::text("actor"),
        ],
        key: &["position"],
        indexes: &[],
    },
];

/// The view of components, refs and changes.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChangesView;

impl View for ChangesView {
    fn name(&self) -> &'static str {
        "changes"
    }

    fn version(&self) -> u32 {
        3
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn apply(&self, fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
        let component = fact.stream().key();
        match fact.kind() {
            COMPONENT_CREATED => {
                let body: ComponentCreated = fact.body()?;
                let row = Row::new()
                    .with("component", component)
                    .with("name", body.name.as_str())
                    .with("created_at", fact.new.occurred_at);
                rows.put(COMPONENTS, row)
            }
            REMOTE_FOLLOWED => {
                let body: RemoteFollowed = fact.body()?;
                let Some(row) = rows.get(COMPONENTS, &[Value::from(component)])? else {
                    return Err(FoldError::Contradiction(format!("there is no component `{component}`")));
                };
                rows.put(
                    COMPONENTS,
                    row.with("remote", body.url).with("credentials", body.credentials),
                )
            }
            COMPONENT_PLACED => {
                let body: ComponentPlaced = fact.body()?;
                let Some(row) = rows.get(COMPONENTS, &[Value::from(component)])? else {
                    return Err(FoldError::Contradiction(format!("there is no component `{component}`")));
                };
                let repository = body.repository.to_string();
                rows.put(
                    COMPONENTS,
                    row.with("repository", repository).with("member", body.member),
                )
            }
            CHANGE_SORTED => sorted(fact, rows),
            REF_UPDATED => {
                let body: RefUpdated = fact.body()?;
                match body.new {
                    None => rows.delete(REFS, &[Value::from(component), Value::from(body.name)]),
                    Some(head) => rows.put(
                        REFS,
                        Row::new()
                            .with("component", component)
                            .with("name", body.name)
                            .with("head", head.as_str())
                            .with("updated_at", fact.new.occurred_at),
                    ),
                }
            }
            CHANGE_ARRIVED => {
                let body: ChangeArrived = fact.body()?;
                let row = Row::new()
                    .with("component", component)
                    .with("branch", body.branch)
                    .with("head", body.commit.as_str())
                    .with("position", fact.seq)
                    .with("arrived_at", fact.new.occurred_at)
                    .with("actor", fact.new.actor.to_string())
                    .with("trust", fact.new.trust.to_string())
                    .with("tip", body.tip);
                rows.put(CHANGES, row)
            }
            CHANGE_LINKED => linked(fact, rows),
            engine::kinds::REQUESTED => built_by(fact, rows),
            POLICY_CHANGED => {
                let body: PolicyChanged = fact.body()?;
                let row = Row::new()
                    .with("position", fact.seq)
                    .with("revision", body.revision.to_string())
                    .with("since", fact.new.occurred_at)
                    .with("actor", fact.new.actor.to_string());
                rows.put(POLICIES, row)
            }
            _ => Ok(()),
        }
    }
}

/// A commit concerns some components; or none, which is a row too.
fn sorted(fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
    let body: ChangeSorted = fact.body()?;
    let row = |component: String, why: String| {
        Row::new()
            .with("repository", fact.stream().key())
            .with("head", body.commit.as_str())
            .with("component", component)
            .with("why", why)
            .with("branch", body.branch.as_str())
            .with("position", fact.seq)
            .with("arrived_at", fact.new.occurred_at)
    };
    if body.concerns.is_empty() {
        return rows.put(CONCERNS, row(String::new(), String::new()));
    }
    body.concerns
        .iter()
        .try_for_each(|one| rows.put(CONCERNS, row(one.component.to_string(), one.why.clone())))
}

/// A commit has ties to other changes.
fn linked(fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
    let body: ChangeLinked = fact.body()?;
    let row = || {
        Row::new()
            .with("component", fact.stream().key())
            .with("head", body.commit.as_str())
    };
    for (place, said) in body.depends_on.iter().enumerate() {
        let named = said.text.parse::<DependsOn>().ok();
        let row = row()
            .with("place", place as u64)
            .with("of", said.of.as_ref().map(|commit| commit.as_str().to_owned()))
            .with("line", u64::from(said.line))
            .with("said", said.text.as_str())
            .with("on_name", named.as_ref().map_or("", |named| named.on.as_str()))
            .with(
                "on_change",
                named.as_ref().map(|named| named.id.to_string()).unwrap_or_default(),
            );
        rows.put(LINKS, row)?;
    }
    let own = body.change_id.iter().map(|id| (id, true));
    let brings = body.brings.iter().filter(|id| body.change_id.as_ref() != Some(*id));
    for (id, own) in own.chain(brings.map(|id| (id, false))) {
        let row = row()
            .with("change_id", id.as_str())
            .with("own", own)
            .with("position", fact.seq);
        rows.put(CHANGE_IDS, row)?;
    }
    Ok(())
}

/// A build was asked for: its change knows it.
fn built_by(fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
    let body: engine::kinds::Requested = fact.body()?;
    let (BUILD, Some(commit), Some(line)) = (body.kind.as_str(), body.commit, body.line) else {
        return Ok(());
    };
    let key = [
        Value::of(body.component),
        Value::from(line.as_str()),
        Value::from(commit.as_str()),
    ];
    match rows.get(CHANGES, &key)? {
        // The stream of a run is named by its id.
        Some(row) => rows.put(CHANGES, row.with("run", fact.stream().key())),
        None => Ok(()),
    }
}
