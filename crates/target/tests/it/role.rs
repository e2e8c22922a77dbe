//! What the test binary is when it is started again with `TEST_ROLE` set.

use std::convert::Infallible;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use target::{CommandTarget, Desired, ProcessTarget, Target as _};

/// The arguments that make the test binary run [`role`] and nothing else.
pub const ARGUMENTS: [&str; 4] = ["role::role", "--exact", "--nocapture", "--test-threads=2"];

/// Does what `TEST_ROLE` says; nothing in an ordinary test run.
#[test]
fn role() {
    let Ok(role) = std::env::var("TEST_ROLE") else { return };
    let code = match role.as_str() {
        "service" => block_on(service()),
        "keeper" => target::proxy_main(&PathBuf::from(variable("TEST_FOLDER"))),
        "caller" => block_on(caller()),
        "command" => command(),
        other => panic!("no role is called {other}"),
    };
    std::process::exit(code);
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn block_on(work: impl Future<Output = i32>) -> i32 {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// A small service: `HEALTH` is `ok`, `never` or `exit`; `VERSION` is what it answers.
async fn service() -> i32 {
    println!("starting version {}", variable("VERSION"));
    println!("the password is {}", variable("PASSWORD"));
    match variable("HEALTH").as_str() {
        "exit" => {
            println!("cannot open the database");
            return 7;
        }
        "slow" => tokio::time::sleep(Duration::from_millis(700)).await,
        _ => {}
    }
    let port: u16 = variable("PORT").parse().unwrap();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(reply)),
        );
    }
}

async fn reply(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let mut status = 200;
    let text = match path.as_str() {
        "/health" if variable("HEALTH") == "never" => {
            status = 503;
            "not yet".to_owned()
        }
        "/pid" => std::process::id().to_string(),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(150)).await;
            variable("VERSION")
        }
        "/secret" => std::fs::read_to_string(PathBuf::from(variable("THROUGHLINE_SECRETS")).join("password")).unwrap(),
        "/exit" => std::process::exit(3),
        "/echo" => String::from_utf8(request.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap(),
        _ => variable("VERSION"),
    };
    Ok(Response::builder().status(status).body(Full::from(text)).unwrap())
}

/// Applies what it is told, as a server would, and may be killed on the way.
async fn caller() -> i32 {
    let desired: Desired = serde_json::from_str(&variable("TEST_DESIRED")).unwrap();
    let mut settings = crate::support::settings(&PathBuf::from(variable("TEST_DATA")));
    if let Ok(place) = std::env::var("TEST_KEEPER_CRASH") {
        settings.variables.insert("THROUGHLINE_CRASH".to_owned(), place);
    }
    if variable("TEST_TARGET") == "command" {
        let target = CommandTarget::new(crate::support::commands(&PathBuf::from(variable("TEST_DATA"))));
        return i32::from(target.apply(&desired, &|_| {}).await.is_err());
    }
    let target = ProcessTarget::new(settings);
    if variable("TEST_STOP") == "yes" {
        return i32::from(target.stop(&desired.placement).await.is_err());
    }
    match target.apply(&desired, &|text| println!("{text}")).await {
        Ok(_) => 0,
        Err(error) => {
            println!("{error}");
            1
        }
    }
}

/// The user's commands: the world is `world.json` in the working folder.
fn command() -> i32 {
    let action = variable("THROUGHLINE_ACTION");
    let world = PathBuf::from("world.json");
    if action != "observe" {
        let mut journal = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open("journal")
            .unwrap();
        std::io::Write::write_all(&mut journal, format!("{action}\n").as_bytes()).unwrap();
    }
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).unwrap();
    let input: Value = serde_json::from_str(&input).unwrap();
    match action.as_str() {
        "observe" => {
            let text = std::fs::read_to_string(&world).unwrap_or_else(|_| "{}".to_owned());
            // Not println: the test harness writes to standard output, too.
            std::fs::write(variable("TEST_ANSWER"), text).unwrap();
        }
        "stop" => std::fs::write(world, "{}").unwrap(),
        _ => {
            let groups = input["groups"].as_array().unwrap();
            let bad = groups
                .iter()
                .find(|group| group["launch"]["variables"]["HEALTH"] != json!("ok"));
            if bad.is_some() {
                println!("it does not get healthy");
                println!("the password is tiger-tiger-tiger");
                return 1;
            }
            let groups: Vec<Value> = groups
                .iter()
                .map(|group| {
                    let mut seen = group.clone();
                    seen.as_object_mut().unwrap().remove("launch");
                    seen["healthy"] = seen["instances"].clone();
                    seen
                })
                .collect();
            println!("moving {} groups", groups.len());
            std::fs::write(world, json!({ "stamp": input["stamp"], "groups": groups }).to_string()).unwrap();
        }
    }
    0
}
