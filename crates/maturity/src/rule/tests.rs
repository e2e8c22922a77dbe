//! Rules over what is known, and mistakes in them.

use proptest::prelude::*;

use super::*;

fn limits() -> Limits {
    Limits::from([("share".to_owned(), 0.6), ("most".to_owned(), 3.0)])
}

fn known<'a>(measures: &'a [(&'a str, Value)]) -> impl Fn(&str) -> Result<Value, String> + 'a {
    move |name| {
        measures
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.clone())
            .ok_or_else(|| format!("`{name}` was not seen"))
    }
}

fn truth(source: &str, measures: &[(&str, Value)]) -> Truth {
    let limits = limits();
    Rule::compile(source, &limits)
        .unwrap_or_else(|error| panic!("{source}: {error}"))
        .weigh(&limits, &known(measures))
        .truth()
}

#[test]
fn what_was_not_seen_makes_a_rule_unknown_unless_the_rest_decides_it() {
    let seen = [("pipelines.builds", json!(true)), ("pipelines.lint", json!(false))];
    for (source, expected) in [
        ("pipelines.builds", Truth::Yes),
        ("pipelines.lint", Truth::No),
        ("pipelines.coverage", Truth::Unknown),
        ("!pipelines.coverage", Truth::Unknown),
        ("!pipelines.lint", Truth::Yes),
        ("pipelines.builds && pipelines.coverage", Truth::Unknown),
        ("pipelines.coverage && pipelines.lint", Truth::No),
        ("pipelines.lint && pipelines.coverage", Truth::No),
        ("pipelines.coverage || pipelines.builds", Truth::Yes),
        ("pipelines.coverage || pipelines.lint", Truth::Unknown),
        ("!(pipelines.coverage && pipelines.lint)", Truth::Yes),
        ("pipelines.coverage || !pipelines.coverage", Truth::Unknown),
        ("pipelines.coverage ? true : true", Truth::Unknown),
    ] {
        assert_eq!(truth(source, &seen), expected, "{source}");
    }
}

#[test]
fn numbers_lists_and_limits_are_compared() {
    let seen = [
        ("history.tests_with_code_share", json!(0.61)),
        ("history.branches_active", json!(3)),
        ("files.stacks", json!(["node", "rust"])),
    ];
    for (source, expected) in [
        ("history.tests_with_code_share >= limit.share", Truth::Yes),
        ("history.branches_active <= limit.most", Truth::Yes),
        ("history.branches_active < 3", Truth::No),
        ("'rust' in files.stacks && size(files.stacks) > 1", Truth::Yes),
        ("files.stacks.exists(s, s.startsWith('py'))", Truth::No),
        ("files.stacks.exists(s, s == 'rust' || s == 'go')", Truth::Yes),
    ] {
        assert_eq!(truth(source, &seen), expected, "{source}");
    }
}

#[test]
fn a_mistake_in_a_rule_is_placed_and_comes_with_a_mend() {
    for (source, expected) in [
        (
            "pipelines.bilds",
            "1:11 there is no field `bilds` here | did you mean `builds`?",
        ),
        (
            "history.commits > limit.shaer",
            "1:25 the practice has no limit `shaer` | did you mean `share`?",
        ),
        (
            "pipelines.builds &&\n  has(pipelines.lint)",
            "2:3 `has` would take what was not seen for a no | ask the measure itself: a rule is unknown where it was not seen",
        ),
        (
            "size(pipelines) > 3",
            "1:6 `pipelines` is asked for as a whole | name one of its members: `pipelines.name`",
        ),
        (
            "pipelines.builds && files.stacks > 2",
            "1:21 `_>_` cannot be applied | `files.stacks` is a list; see docs/evidence.md",
        ),
        (
            "history.commits",
            "1:1 the condition came to a int, not to true or false | `history.commits` is a count; see docs/evidence.md",
        ),
        (
            "pipelines.builds // yes",
            "1:18 a rule holds no comment | put it beside the rule, after `#`",
        ),
    ] {
        let error = Rule::compile(source, &limits()).expect_err(source);
        let hint = error.hint.unwrap_or_default();
        let message = error
            .message
            .split(" to ")
            .next()
            .filter(|_| error.message.contains("applied"))
            .map_or(error.message.clone(), |_| "`_>_` cannot be applied".to_owned());
        assert_eq!(
            format!("{}:{} {message} | {hint}", error.line, error.column),
            expected,
            "{source}"
        );
    }
}

fn expression() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "pipelines.builds",
        "pipelines.lint",
        "pipelines.coverage",
        "history.branches_active < 3",
        "'rust' in files.stacks",
    ])
    .prop_map(str::to_owned);
    piece.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} && {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn completion() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    (any::<bool>(), any::<bool>(), any::<bool>(), 0i64..6, any::<bool>()).prop_map(|(a, b, c, n, rust)| {
        vec![
            ("pipelines.builds", json!(a)),
            ("pipelines.lint", json!(b)),
            ("pipelines.coverage", json!(c)),
            ("history.branches_active", json!(n)),
            ("files.stacks", if rust { json!(["rust"]) } else { json!([]) }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_answer_is_taken_back_when_more_is_seen(
        source in expression(),
        all in completion(),
        seen in prop::collection::vec(any::<bool>(), 5),
    ) {
        let part: Vec<_> = all.iter().zip(seen).filter(|(_, seen)| *seen).map(|(measure, _)| measure.clone()).collect();
        let (before, after) = (truth(&source, &part), truth(&source, &all));
        prop_assert_ne!(after, Truth::Unknown);
        prop_assert!(before == Truth::Unknown || before == after, "{source}: {before:?}, then {after:?}");
    }

    #[test]
    fn cutting_a_rule_does_not_change_what_it_says(source in expression(), all in completion()) {
        let condition = Condition::compile(&source).unwrap();
        let mut variables = json!({"history": {}, "pipelines": {}, "files": {}});
        for (name, value) in &all {
            let (family, member) = name.split_once('.').unwrap();
            variables[family][member] = value.clone();
        }
        let whole = condition.evaluate(&variables).unwrap();
        prop_assert_eq!(truth(&source, &all), if whole { Truth::Yes } else { Truth::No }, "{}", source);
    }
}
