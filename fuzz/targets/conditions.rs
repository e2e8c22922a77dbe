//! Conditions of gates and steps: compiled or refused, and what was compiled comes to an answer or to an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::Condition;
use policy::scope::GATE;

fuzz_target!(|text: &str| {
    let known = serde_json::json!({
        "a": [1, {"line": 2}, "x"],
        "candidate": {"line": "x", "version": "1.2.3"},
        "now": "2026-01-01T00:00:00Z",
    });
    if let Ok(condition) = Condition::compile(text) {
        let first = condition.evaluate(&known).map_err(|wrong| wrong.to_string());
        let second = condition.evaluate(&known).map_err(|wrong| wrong.to_string());
        assert_eq!(first, second, "{text:?}");
    }
    if let Err(wrong) = Condition::compile_for(text, &GATE) {
        assert!(!wrong.to_string().is_empty());
    }
});
