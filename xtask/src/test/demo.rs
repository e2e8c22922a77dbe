//! The main job from end to end: the demo by the real binary, and its document checked.

use serde_json::Value;

use super::{Context, Outcome};

/// Where the reference says that the command exists.
const REFERENCE: &str = "docs/cli.md";

/// Runs the demo and checks what it says.
pub fn run(context: &mut Context) -> Outcome {
    let reference = std::fs::read_to_string(context.root.join(REFERENCE)).unwrap_or_default();
    if !reference.contains("throughline demo") {
        return Outcome::Skipped("this version has no command `demo`".to_owned());
    }
    let program = context.cargo(&[
        "run",
        "--quiet",
        "--locked",
        "--package",
        "throughline",
        "--",
        "demo",
        "--exit",
        "--json",
    ]);
    let text = match program.output() {
        Ok(text) => text,
        Err(message) => return Outcome::Failed(message),
    };
    let document: Value = match serde_json::from_str(&text) {
        Ok(document) => document,
        Err(error) => return Outcome::Failed(format!("the demo's document is not JSON: {error}")),
    };
    match check(&document) {
        Ok(told) => Outcome::Passed(told),
        Err(message) => {
            println!("{document:#}");
            Outcome::Failed(message)
        }
    }
}

/// Holds the document of the demo against what it promises.
fn check(document: &Value) -> Result<String, String> {
    let changes = document["changes"].as_array().ok_or("no `changes`")?;
    let outcomes: Vec<&str> = changes.iter().filter_map(|change| change["outcome"].as_str()).collect();
    if outcomes != ["in-production", "in-production", "rolled-back"] {
        return Err(format!("the changes came out as {outcomes:?}"));
    }
    for change in changes {
        let package = change["package"].as_str().unwrap_or_default();
        for environment in ["staging", "production"] {
            let brought = change["environments"][environment].as_str();
            if brought != Some(package) {
                return Err(format!(
                    "{environment} had {brought:?} of a change whose package is `{package}`: not the same bytes"
                ));
            }
        }
    }
    let rolled_back = changes[2]["package"].as_str();
    let requests = &document["requests"];
    let count = |value: &Value| value.as_u64().ok_or_else(|| format!("not a count: {value}"));
    let (sent, answered) = (count(&requests["sent"])?, count(&requests["answered"])?);
    if sent == 0 || answered == 0 {
        return Err("no request was answered".to_owned());
    }
    if count(&requests["unattributed_failed"])? > 0 {
        return Err(format!(
            "{} failed requests belong to no package",
            requests["unattributed_failed"]
        ));
    }
    for package in requests["by_package"].as_array().ok_or("no `requests.by_package`")? {
        if count(&package["failed"])? > 0 && package["package"].as_str() != rolled_back {
            return Err(format!(
                "{} requests failed on {}, which was not rolled back",
                package["failed"], package["package"]
            ));
        }
    }
    if document["ledger"]["verified"] != Value::Bool(true) {
        return Err("the ledger does not verify".to_owned());
    }
    Ok(format!(
        "{} s, {sent} requests, {} facts",
        document["seconds"], document["ledger"]["facts"]
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        let change = |package: &str, outcome: &str| json!({ "package": package, "outcome": outcome, "environments": { "staging": package, "production": package } });
        json!({
            "changes": [change("a", "in-production"), change("b", "in-production"), change("c", "rolled-back")],
            "requests": {
                "sent": 10, "answered": 9, "failed": 2, "unattributed_failed": 0,
                "by_package": [{ "package": "b", "sent": 7, "failed": 0 }, { "package": "c", "sent": 3, "failed": 2 }],
            },
            "ledger": { "facts": 100, "verified": true },
            "seconds": 60,
        })
    }

    #[test]
    fn a_demo_that_kept_its_promises_passes() {
        assert_eq!(check(&good()), Ok("60 s, 10 requests, 100 facts".to_owned()));
    }

    #[test]
    fn a_demo_that_broke_one_is_found() {
        let broken = |pointer: &str, value: Value| {
            let mut document = good();
            *document.pointer_mut(pointer).expect("a place in the document") = value;
            check(&document).expect_err("a broken promise")
        };
        assert!(broken("/changes/2/outcome", json!("in-production")).contains("came out"));
        assert!(broken("/changes/1/environments/production", json!("other")).contains("same bytes"));
        assert!(broken("/requests/unattributed_failed", json!(1)).contains("no package"));
        assert!(broken("/requests/by_package/0/failed", json!(1)).contains("not rolled back"));
        assert!(broken("/ledger/verified", json!(false)).contains("verify"));
        assert!(broken("/requests/answered", json!(0)).contains("answered"));
    }
}
