//! Every example of docs/pipeline.md is read as the file that it says it is, and every key of both
//! files is documented there.

use pipeline::{Definition, Environments};
use policy::Scope;
use policy::scope::{GATE, STEP, Shape};
use serde_json::Value;

const PAGE: &str = include_str!("../../../../docs/pipeline.md");

/// The fenced blocks of the page: what stands after the fence, the line, the text.
fn blocks() -> Vec<(String, usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (number, line) in PAGE.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.to_owned(), number + 1, String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, _, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

#[test]
fn every_example_is_what_it_says() {
    let mut read = 0;
    for (info, line, text) in blocks() {
        match info.as_str() {
            "yaml throughline.yaml" => {
                if let Err(wrong) = Definition::parse(&text, "example") {
                    panic!("docs/pipeline.md:{line}: {wrong}");
                }
            }
            "yaml environments.yaml" => {
                if let Err(wrong) = Environments::parse(&text, "example") {
                    panic!("docs/pipeline.md:{line}: {wrong}");
                }
            }
            "cel step" => check_conditions(line, &text, &STEP),
            "cel gate" => check_conditions(line, &text, &GATE),
            "text" => continue,
            other => panic!("docs/pipeline.md:{line}: a block is marked `{other}`, which no test reads"),
        }
        read += 1;
    }
    assert!(read >= 6, "{read}");
}

fn check_conditions(line: usize, text: &str, scope: &Scope) {
    for condition in text.lines().filter(|line| !line.is_empty()) {
        if let Err(error) = policy::Condition::compile_for(condition, scope) {
            panic!("docs/pipeline.md:{line}: {condition}: {error}");
        }
    }
}

/// What is shown as an error is what the program says.
#[test]
fn the_error_shown_is_the_one_given() {
    let text = "throughline: 1\nsteps:\n  build:\n    run: make\n    need: [test]\n";
    let wrong = Definition::parse(text, "throughline.yaml").unwrap_err().to_string();
    assert!(
        blocks()
            .iter()
            .any(|(info, _, text)| info == "text" && text.trim() == wrong),
        "{wrong}"
    );
}

#[test]
fn every_key_is_documented() {
    for schema in [
        pipeline::definition::json_schema(),
        pipeline::environments::json_schema(),
    ] {
        let mut objects = vec![schema];
        objects.extend(schema["$defs"].as_object().unwrap().values());
        for name in objects
            .iter()
            .filter_map(|object| object["properties"].as_object())
            .flat_map(serde_json::Map::keys)
        {
            assert!(
                PAGE.contains(&format!("`{name}`")),
                "`{name}` does not stand in docs/pipeline.md"
            );
        }
        for later in objects
            .iter()
            .filter_map(|object| object.get("x-later"))
            .filter_map(Value::as_array)
            .flatten()
        {
            let later = later.as_str().unwrap();
            let known = objects.iter().any(|object| object["properties"].get(later).is_some());
            assert!(
                known || PAGE.contains(&format!("`{later}`")),
                "the later key `{later}` does not stand there"
            );
        }
    }
}

#[test]
fn every_variable_of_conditions_is_documented() {
    for scope in [STEP, GATE] {
        for variable in scope.variables {
            assert!(
                PAGE.contains(&format!("| `{}` |", variable.name)),
                "`{}`",
                variable.name
            );
            let fields = match variable.shape {
                Shape::Object(fields) => fields,
                Shape::List(Shape::Object(fields)) | Shape::Map(Shape::Object(fields)) => fields,
                _ => continue,
            };
            for field in fields {
                assert!(
                    PAGE.contains(&format!("`{}`", field.name)),
                    "`{}.{}`",
                    variable.name,
                    field.name
                );
            }
        }
    }
}
