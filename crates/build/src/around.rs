//! What a step ran in and beside, as its outputs tell: its image, its limits, its services.

use std::time::Duration;

use executor::{Contained, Served};
use serde_json::Value;

/// What was around a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Around {
    /// The container it ran in; absent for processes.
    pub container: Option<Contained>,
    /// What it was limited to, and how it was held to that, in words.
    pub limits: Option<String>,
    /// What ran beside it.
    pub services: Vec<Served>,
}

impl Around {
    /// What stands in an outcome's outputs; nothing where a step is a process like others.
    pub fn of_outputs(outputs: &Value) -> Option<Self> {
        let read = |name: &str| outputs.get(name).cloned();
        let around = Self {
            container: read("container").and_then(|value| serde_json::from_value(value).ok()),
            limits: read("limits").and_then(|value| Some(value.as_str()?.to_owned())),
            services: read("services")
                .and_then(|value| serde_json::from_value(value).ok())
                .unwrap_or_default(),
        };
        (around != Self::default()).then_some(around)
    }
}

/// How a service did, in words; `length` says a time.
pub fn did(served: &Served, length: impl Fn(Duration) -> String) -> String {
    let ready = served.ready_ms.map(|after| length(Duration::from_millis(after)));
    match (ready, &served.ended) {
        (Some(after), None) => format!("ready after {after}"),
        (Some(after), Some(how)) => format!("ready after {after}, ended before the step did ({how})"),
        (None, Some(how)) => format!("ended before it was ready ({how})"),
        (None, None) => "never ready".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn outputs_of_a_step_that_is_a_process_like_others_say_nothing_of_what_is_around_it() {
        assert_eq!(
            Around::of_outputs(&json!({ "cpu_ms": 3, "isolation": "namespaces" })),
            None
        );
        // Shapes of another version are left out, not guessed.
        assert_eq!(Around::of_outputs(&json!({ "container": "x", "services": 3 })), None);
    }

    #[test]
    fn what_was_around_a_step_is_read_back_from_its_outputs() {
        let outputs = json!({
            "container": { "engine": "podman 4.3.1", "image": "rust:1.80", "digest": "sha256:ab" },
            "limits": "1 processor",
            "services": [{ "name": "db", "ready_ms": 800, "ended": "exit code 1", "last": ["no room"] }],
        });
        let around = Around::of_outputs(&outputs).unwrap();
        assert_eq!(around.container.unwrap().image, "rust:1.80");
        assert_eq!(around.limits.as_deref(), Some("1 processor"));
        assert_eq!(
            (&around.services[0].name[..], &around.services[0].last[0][..]),
            ("db", "no room")
        );
    }

    #[test]
    fn how_a_service_did_is_said_in_words() {
        let served = |ready_ms, ended: Option<&str>| Served {
            name: "db".into(),
            container: None,
            ready_ms,
            ended: ended.map(str::to_owned),
            last: Vec::new(),
        };
        let say = |served: &Served| did(served, |time| format!("{} ms", time.as_millis()));
        assert_eq!(say(&served(Some(80), None)), "ready after 80 ms");
        assert_eq!(
            say(&served(Some(80), Some("exit code 1"))),
            "ready after 80 ms, ended before the step did (exit code 1)"
        );
        assert_eq!(
            say(&served(None, Some("exit code 1"))),
            "ended before it was ready (exit code 1)"
        );
        assert_eq!(say(&served(None, None)), "never ready");
    }
}
