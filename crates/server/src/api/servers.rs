//! The servers that work on the facts.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::extract::State;
use facts::Timestamp;
use ledger::Lease;

use crate::auth::Caller;
use crate::duties::{Duty, TERM};
use crate::house::House;
use crate::problem::Problem;
use crate::servers::{Living, living};
use crate::wire;

#[utoipa::path(get, path = "/api/v1/servers", tag = "operate", responses((status = 200, body = wire::Servers)))]
pub async fn servers(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Servers>, Problem> {
    caller.may(Action::Enter, &Resource::Server)?;
    Ok(Json(all(&house).await?))
}

/// The servers that live, and what each leads.
pub(crate) async fn all(house: &Arc<House>) -> Result<wire::Servers, Problem> {
    let leases = house.duties.all().await?;
    let data = house.settings.data.clone();
    let living = super::blocking(move || living(&data)).await?;
    let now = house.clock.now();
    let servers: Vec<wire::Server> = living
        .into_iter()
        .map(|one| server(one, house.servers.id(), &leases, now))
        .collect();
    let led = |duty: &Duty| {
        servers
            .iter()
            .any(|one| one.leads.iter().any(|led| led.duty == duty.name()))
    };
    let unled = Duty::ALL.iter().filter(|duty| !led(duty));
    Ok(wire::Servers {
        schema: "servers/1".to_owned(),
        unled: unled.map(|duty| duty.name().to_owned()).collect(),
        servers,
    })
}

fn server(one: Living, own: &str, leases: &[Lease], now: Timestamp) -> wire::Server {
    let held = |duty: &Duty| {
        let mut of_this = leases.iter().filter(|lease| lease.duty == duty.name());
        of_this.find(|lease| lease.holder.id == one.about.id && !lease.left.is_zero())
    };
    let leads = Duty::ALL.iter().filter_map(held).map(|lease| wire::Led {
        duty: lease.duty.clone(),
        since: lease.since,
    });
    let silence = now.duration_since(one.heard_at);
    wire::Server {
        leads: leads.collect(),
        this: one.about.id == own,
        at_work: u64::try_from(silence.as_secs()).unwrap_or(0) <= TERM.as_secs(),
        url: one.about.url,
        process: one.about.pid,
        host: one.about.host,
        version: one.about.version,
        started_at: one.about.started_at,
        heard_at: one.heard_at,
    }
}
