//! Models, right and wrong.

use super::*;

fn model(practices: &str) -> String {
    format!(
        "throughline: 1\nname: small\nmetrics:\n  lead-time: {{ about: how long it takes }}\ncategories:\n  - key: build\n    name: Build\n    practices:\n{practices}"
    )
}

fn practice(id: &str, further: &str) -> String {
    format!(
        "      - id: {id}\n        level: base\n        name: n\n        why: w\n        class: automatic\n        effort: 1\n        value: 1\n        do: d\n{further}"
    )
}

fn wrong(text: &str) -> String {
    Model::parse(text, "model.yaml")
        .expect_err("the model is wrong")
        .to_string()
}

#[test]
fn the_default_model_is_one() {
    match Model::parse(DEFAULT, DEFAULT_FILE) {
        Ok(model) => {
            assert_eq!(model.categories.len(), 6);
            assert!(model.practices().count() > 90);
            for level in Level::ALL {
                for category in &model.categories {
                    assert!(
                        category.practices.iter().any(|practice| practice.level == level),
                        "{} has nothing at {level}",
                        category.name
                    );
                }
            }
        }
        Err(wrong) => panic!("{wrong}"),
    }
}

#[test]
fn each_mistake_in_a_model_has_its_place_and_its_mend() {
    for (text, expected) in [
        (
            model(&practice("B1", "        met: pipelines.bilds && true\n")),
            "model.yaml:17:24: there is no field `bilds` here\n  hint: did you mean `builds`?",
        ),
        (
            model(&practice(
                "B1",
                "        met: pipelines.builds\n        show: [files.stack]\n",
            )),
            "model.yaml:18:16: there is no measure `files.stack`\n  hint: did you mean `files.stacks`?",
        ),
        (
            model(&practice(
                "B1",
                "        met: pipelines.builds\n        satisfied_by: [B2]\n",
            )),
            "model.yaml:18:24: there is no practice `B2`\n  hint: did you mean `B1`?",
        ),
        (
            model(&format!(
                "{}{}",
                practice("B1", "        met: pipelines.builds\n        satisfied_by: [B2]\n"),
                practice("B2", "        met: pipelines.builds\n        satisfied_by: [B1]\n")
            )),
            "model.yaml:18:23: `satisfied_by` goes in a circle: B1 -> B2 -> B1\n  hint: remove one of these from `satisfied_by`",
        ),
        (
            model(&practice("B1", "        mett: pipelines.builds\n        proof: p\n")),
            "model.yaml:17:9: an element of `practices` has no key `mett`\n  hint: did you mean `met`?",
        ),
        (
            model(&practice(
                "B1",
                "        met: pipelines.builds\n        limits: { share: 0.5 }\n",
            )),
            "model.yaml:18:19: no rule of `B1` names the limit `share`\n  hint: use it as `limit.share`, or remove it",
        ),
        (
            model(&practice(
                "B1",
                "        met: pipelines.builds\n        moves: [lead-tme]\n",
            )),
            "model.yaml:18:17: there is no metric `lead-tme`\n  hint: did you mean `lead-time`?",
        ),
        (
            model(&practice("B1", "")),
            "model.yaml:9:9: `B1` has neither `met` nor `proof`\n  hint: write the rule that meets it, or say in `proof` what would show it",
        ),
        (
            model(&format!("{0}{0}", practice("B1", "        proof: p\n"))),
            "model.yaml:18:13: there is another practice `B1`",
        ),
        (
            model(&practice("B1", "        met: history.commits >\n")),
            "model.yaml:17:31: the condition ends too early",
        ),
        (
            model(&practice(
                "B1",
                "        proof: p\n        sample: { history.commit: 3 }\n",
            )),
            "model.yaml:18:19: there is no measure `history.commit`\n  hint: did you mean `history.commits`?",
        ),
    ] {
        assert_eq!(wrong(&text), expected, "{text}");
    }
}

#[test]
fn the_schema_accepts_the_default_model_and_no_unknown_key() {
    assert!(json_schema()["properties"]["categories"].is_object());
    assert_eq!(json_schema()["additionalProperties"], false);
}
