//! When a tree is several components, and what each gets.

use draft::Wishes;

use crate::{drafted, drafted_with, names};

const CARGO: &str = "[package]\nname = \"shop\"\nversion = \"1.0.0\"\n";
const NODE: &str = "{\"name\": \"a\", \"scripts\": {\"build\": \"vite build\"}, \"private\": true}";

fn two_folders() -> Vec<(&'static str, &'static str)> {
    vec![
        ("backend/Cargo.toml", CARGO),
        ("backend/Cargo.lock", ""),
        ("backend/src/main.rs", "fn main() {}"),
        ("frontend/package.json", NODE),
        ("frontend/package-lock.json", ""),
    ]
}

#[test]
fn folders_with_stacks_of_their_own_become_components() {
    let draft = drafted(&two_folders());
    assert!(draft.steps.is_empty());
    assert!(
        draft
            .text
            .contains("components:\n  backend: { path: backend }\n  frontend: { path: frontend }\n"),
        "{}",
        draft.text
    );
    let [backend, frontend] = draft.components.as_slice() else {
        panic!("{:?}", draft.components)
    };
    assert_eq!(backend.files, ["target/release/shop"]);
    assert_eq!(frontend.files, ["dist"]);
    assert!(!backend.text.contains("folder:"), "{}", backend.text);
    // Alone in its folder, its results can be kept.
    assert!(
        backend.text.contains("inputs: [\"**\", \"!throughline.yaml\"]"),
        "{}",
        backend.text
    );
}

#[test]
fn one_definition_is_made_of_several_folders_where_that_is_wanted() {
    let wishes = Wishes {
        one: true,
        ..Wishes::default()
    };
    let draft = drafted_with(&two_folders(), &wishes);
    assert!(draft.components.is_empty());
    assert_eq!(
        names(&draft),
        ["backend-build", "backend-test", "frontend-install", "frontend-build"]
    );
    assert_eq!(draft.files, ["backend/target/release/shop", "frontend/dist"]);
    assert!(draft.text.contains("folder: frontend"));
}

#[test]
fn commands_of_another_definition_go_to_the_component_whose_folder_they_work_in() {
    let mut files = two_folders();
    files.push((
        ".github/workflows/ci.yml",
        "on: [push]\njobs:\n  t:\n    runs-on: ubuntu-latest\n    defaults: { run: { working-directory: backend } }\n    steps:\n      - run: cargo test --all-features\n",
    ));
    let draft = drafted(&files);
    let test = draft.components[0]
        .steps
        .iter()
        .find(|step| step.name == "test")
        .unwrap();
    assert_eq!(test.run, ["cargo test --all-features"]);
    assert_eq!(test.from.as_deref(), Some(".github/workflows/ci.yml:7"));
}

#[test]
fn what_names_files_outside_of_its_folder_is_not_kept() {
    let mut files = two_folders();
    files[0].1 = "[package]\nname = \"shop\"\n[dependencies]\ncore = { path = \"../core\" }\n";
    let draft = drafted(&files);
    assert!(
        !draft.components[0].text.contains("inputs:"),
        "{}",
        draft.components[0].text
    );
    assert!(
        draft.notes.iter().any(|note| note.contains("backend/")),
        "{:?}",
        draft.notes
    );
}

#[test]
fn several_services_of_a_rust_workspace_are_components_and_the_whole_is_tested() {
    let service = "fn main() { let port = std::env::var(\"PORT\"); route(\"/healthz\"); }";
    let web = "[package]\nname = \"web\"\n[dependencies]\naxum = \"0.8\"\ncore = { path = \"../core\" }\n";
    let api = "[package]\nname = \"api\"\n[dependencies]\naxum = \"0.8\"\n";
    let files = [
        ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
        ("Cargo.lock", ""),
        ("crates/web/Cargo.toml", web),
        ("crates/web/src/main.rs", service),
        ("crates/core/Cargo.toml", "[package]\nname = \"core\"\n"),
        ("crates/core/src/lib.rs", ""),
        ("crates/api/Cargo.toml", api),
        ("crates/api/src/main.rs", service),
    ];
    let draft = drafted(&files);
    assert_eq!(names(&draft), ["test"]);
    assert!(
        draft
            .text
            .contains("web: { path: crates/web, also: [Cargo.toml, Cargo.lock, crates/core] }"),
        "{}",
        draft.text
    );
    assert!(draft.components.iter().all(|component| component.has_service));
    // With one service there is one package.
    let one = drafted(&files[..6]);
    assert!(one.components.is_empty());
    assert!(one.has_service);
}

#[test]
fn a_component_is_not_called_after_a_folder_that_says_nothing() {
    let mut files = two_folders();
    for file in &mut files[..3] {
        file.0 = match file.0 {
            "backend/Cargo.toml" => "cart/src/Cargo.toml",
            "backend/Cargo.lock" => "cart/src/Cargo.lock",
            _ => "cart/src/src/main.rs",
        };
    }
    assert_eq!(drafted(&files).components[0].name, "cart");
}

/// A workspace with a service, pages, and a library that both use.
fn shop() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "package.json",
            "{\"private\": true, \"workspaces\": [\"apps/*\", \"packages/*\"], \"scripts\": {\"test\": \"vitest\", \"build\": \"npm run build --workspaces\"}}",
        ),
        ("package-lock.json", "{}"),
        (".npmrc", ""),
        (
            "apps/api/package.json",
            "{\"name\": \"@shop/api\", \"version\": \"1.0.0\", \"scripts\": {\"start\": \"node src/main.js\", \"test\": \"node --test\"}, \"dependencies\": {\"express\": \"5\", \"@shop/orders\": \"*\"}}",
        ),
        (
            "apps/api/src/main.js",
            "app.get('/healthz', well); app.listen(process.env.PORT)",
        ),
        (
            "apps/web/package.json",
            "{\"name\": \"@shop/web\", \"private\": true, \"scripts\": {\"build\": \"tsc && vite build\"}, \"devDependencies\": {\"vite\": \"7\", \"@shop/names\": \"*\"}}",
        ),
        (
            "packages/orders/package.json",
            "{\"name\": \"@shop/orders\", \"version\": \"1.0.0\", \"scripts\": {\"build\": \"tsc\"}, \"dependencies\": {\"@shop/names\": \"*\"}}",
        ),
        (
            "packages/names/package.json",
            "{\"name\": \"@shop/names\", \"version\": \"1.0.0\", \"scripts\": {\"build\": \"tsc\"}}",
        ),
    ]
}

#[test]
fn services_and_pages_of_a_node_workspace_are_components_and_the_whole_is_tested() {
    let draft = drafted(&shop());
    assert!(
        draft.text.contains(
            "  api: { path: apps/api, also: [package.json, .npmrc, package-lock.json, packages/names, packages/orders] }\n  web: { path: apps/web, also: [package.json, .npmrc, package-lock.json, packages/names] }\n"
        ),
        "{}",
        draft.text
    );
    assert_eq!(names(&draft), ["install", "build", "test"]);
    assert!(draft.files.is_empty(), "the components package");
    let [api, web] = draft.components.as_slice() else {
        panic!("{:?}", draft.components)
    };
    let steps = |component: &draft::DraftComponent| {
        let steps = component.steps.iter();
        steps
            .map(|step| format!("{}: {}", step.name, step.run.join("; ")))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        steps(api)[..3],
        [
            "install: (cd ../.. && npm ci)",
            "build: (cd ../../packages/names && npm run build); (cd ../../packages/orders && npm run build)",
            "test: npm test",
        ]
    );
    assert!(
        steps(api)[3].contains("npm ci --omit=dev --ignore-scripts --workspace apps/api"),
        "{:?}",
        steps(api)
    );
    assert!(
        api.text.contains("cd apps/api && exec node src/main.js") && api.text.contains("path: /healthz"),
        "{}",
        api.text
    );
    assert!(api.has_service && !web.has_service);
    assert_eq!(
        steps(web)[1],
        "build: (cd ../../packages/names && npm run build); npm run build"
    );
    assert_eq!(web.files, ["dist"]);
    // The same with pnpm, whose workspace is said in a file of its own.
    let mut files = shop();
    files[1] = ("pnpm-lock.yaml", "");
    files.push(("pnpm-workspace.yaml", "packages:\n  - apps/*\n  - packages/*\n"));
    let draft = drafted(&files);
    assert!(
        draft.components[0].text.contains("--filter './apps/api...'"),
        "{}",
        draft.components[0].text
    );
}

#[test]
fn one_deployable_of_a_node_workspace_or_pages_beside_a_library_make_no_components() {
    let files: Vec<_> = shop().into_iter().filter(|(path, _)| !path.contains("web")).collect();
    assert!(drafted(&files).components.is_empty());
    let mut files = shop();
    files.retain(|(path, _)| !path.contains("api"));
    files.push((
        "packages/play/package.json",
        "{\"private\": true, \"scripts\": {\"build\": \"vite build\"}, \"devDependencies\": {\"vite\": \"7\"}}",
    ));
    assert_eq!(drafted(&files).components.len(), 2);
    files.retain(|(path, _)| !path.contains("names"));
    files.push((
        "packages/names/package.json",
        "{\"name\": \"@shop/names\", \"version\": \"1.0.0\", \"files\": [\"dist\"], \"scripts\": {\"build\": \"tsc\"}}",
    ));
    assert!(drafted(&files).components.is_empty(), "documents of a library");
    let mut files = shop();
    files[1] = ("bun.lock", "");
    let draft = drafted(&files);
    assert!(draft.components.is_empty());
    assert!(
        draft
            .notes
            .iter()
            .any(|note| note.contains("apps/api, apps/web are deployed each by itself")),
        "{:?}",
        draft.notes
    );
}
