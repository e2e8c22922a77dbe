//! Lists of components: what is right and what is said about the rest.

use pipeline::{Components, Definition};

use crate::definition::check;

#[test]
fn a_list_of_components_is_checked() {
    let listed = |lines: &str| format!("throughline: 1\ncomponents:\n{lines}");
    check(
        &listed("  web: { needs: [apj] }\n  api: {}\n"),
        &["3:18 there is no component `apj` | did you mean `api`?"],
    );
    check(
        &listed("  web: { needs: [api] }\n  api: { needs: [web] }\n"),
        &["3:17 components need one another: web -> api -> web | take one of these needs away"],
    );
    check(
        &listed("  web: { path: ../web }\n  Api: {}\n"),
        &[
            "3:16 the path `../web` leads out of its folder | write a path below the component's folder, with `/`",
            "4:3 `Api` is no name of a component | lower-case letters, digits and `-_` between them, at most 40",
        ],
    );
    check(
        &listed("  web: { path: x }\n  api: { path: ./x/ }\n  top: { path: . }\n"),
        &[
            "4:16 `web` lies in `x` already | each component has a folder of its own, with a throughline.yaml",
            "5:16 the repository's top is what this file itself builds | name a folder below it; steps of the top stand in this file",
        ],
    );
    check(
        &listed("  web: { also: [/etc] }\n"),
        &["3:17 `/etc` is no pattern of files: it leaves the workspace | write it relative to the repository's top"],
    );
    check(
        "throughline: 1\ncomponents: {}\n",
        &["2:13 no component is listed | name each with its folder, such as `components: { web: { path: web } }`"],
    );
}

#[test]
fn a_file_may_list_components_and_build_nothing_itself() {
    let definition = Definition::parse("throughline: 1\ncomponents: { web: {} }\n", "t.yaml").unwrap();
    assert!(definition.plan().steps.is_empty());
    assert!(!definition.components().has_own());
    assert_eq!(definition.components().members()[0].folder, "web");
}

#[test]
fn a_list_is_not_overlooked_however_its_name_is_written() {
    for text in [
        "throughline: 1\ncomponents: { web: {} }\n",
        "throughline: 1\n? components\n: { web: {} }\n",
        "throughline: 1\n\"\\u0063omponents\": { web: {} }\n",
    ] {
        assert!(!Components::parse_bytes(text.as_bytes(), "t.yaml").unwrap().is_empty());
        assert!(Components::may_be_in(text.as_bytes()), "{text}");
    }
    assert!(!Components::may_be_in(b"throughline: 1\nsteps: { a: { run: make } }\n"));
}
