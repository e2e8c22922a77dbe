//! How packages were made, in the words of the pages.

use build::making::{Leads, Part, Subject};
use facts::Actor;
use pages::links;
use pages::model::{MadeAbout, MadeDifferently, MadePart, MadeValue, Making};

use super::names::People;
use crate::house::House;
use crate::problem::Problem;
use crate::way::{self, made_differently};

fn about(part: &Part) -> MadeAbout {
    match part.subject {
        Subject::Build => MadeAbout::Build,
        Subject::Source => MadeAbout::Source,
        Subject::Beside => MadeAbout::Beside,
        Subject::Step => MadeAbout::Step(part.of.clone()),
    }
}

fn value(part: Part) -> MadeValue {
    MadeValue {
        path: part.leads.map(|leads| match leads {
            Leads::Package(package) => links::package(&package),
            Leads::Commit(component, commit) => links::change(&component, &commit),
            Leads::Run(run) => links::run(run),
        }),
        text: part.value,
    }
}

/// How a package was made.
pub(super) fn told(making: way::Making, people: &People) -> Making {
    let part = |part: Part| MadePart {
        about: about(&part),
        what: part.what.clone(),
        value: value(part),
    };
    Making {
        run: making.run,
        by: people.name(making.actor),
        at: making.requested_at,
        parts: making.parts.into_iter().map(part).collect(),
    }
}

/// How a package was made in another way than another one; nothing where that is not known of both.
pub(super) async fn differently(
    house: &House,
    before: Option<&way::Making>,
    after: Option<&way::Making>,
) -> Result<Option<Vec<MadeDifferently>>, Problem> {
    let asked: Vec<Actor> = before.into_iter().chain(after).map(|making| making.actor).collect();
    let people = People::of(house, asked).await?;
    let found = made_differently(before, after, |actor| people.name(actor));
    let one = |one: build::making::Differing| {
        let (about, what) = one.part().map(|part| (about(part), part.what.clone()))?;
        Some(MadeDifferently {
            about,
            what,
            before: one.before.map(value),
            after: one.after.map(value),
        })
    };
    Ok(found.map(|all| all.into_iter().filter_map(one).collect()))
}
