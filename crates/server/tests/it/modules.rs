//! Modules: pieces of pipelines from files and other repositories, pinned for each commit.

use serde_json::{Value, json};

use crate::house::{ENVIRONMENTS, House};
use crate::repository::{Repository, steps};

/// A module that says its input.
fn module(word: &str) -> String {
    format!(
        "throughline: 1\ninputs: {{ WHO: {{ type: string }} }}\nsteps:\n  say: {{ run: 'echo {word} $WHO | tee said' }}\n  never: {{ run: 'false', when: inputs.WHO == 'nobody' }}\n"
    )
}

const USER: &str = "throughline: 1
steps:
  greet: { uses: tools/ci/say.yaml@v1, with: { WHO: '$(id)' } }
  own: { uses: ./own.yaml, with: { WHO: me }, needs: [greet] }
  last: { run: echo last, needs: [own] }
package: { files: [{ from: own.yaml }] }
";

/// A repository of modules, with this word, tagged `v1`.
fn tools(house: &House, word: &str) -> Repository {
    let tools = Repository::new();
    tools.define(&steps("  a: { run: 'true' }\n"));
    tools.write("say.yaml", module(word).as_bytes());
    tools.commit("feat: modules");
    tools.git(&["tag", "--annotate", "-m", "one", "v1"]);
    tools.push(house, "tools/ci", &["main", "v1"]);
    tools
}

/// Gives the module another word, and moves the tag.
fn moved(house: &House, tools: &Repository, word: &str) {
    tools.write("say.yaml", module(word).as_bytes());
    tools.commit("feat: another word");
    tools.git(&["tag", "--force", "--annotate", "-m", "another", "v1"]);
    tools.push(house, "tools/ci", &["main", "+v1"]);
}

fn user() -> Repository {
    let user = Repository::new();
    user.define(USER);
    user.write("own.yaml", module("own").as_bytes());
    user
}

fn id(run: &Value) -> String {
    run["run"]["id"].as_str().unwrap().to_owned()
}

fn said(house: &House, run: &str, step: &str) -> String {
    house.log_of(run, step).trim().to_owned()
}

#[test]
fn a_tag_that_is_moved_means_the_same_for_a_commit_for_good() {
    let mut house = House::prepared(ENVIRONMENTS, json!({}));
    house.start();
    let tools = tools(&house, "hello");
    let at = tools.git(&["rev-parse", "HEAD"]);
    let user = user();
    let first = user.commit("feat: one");
    user.push(&house, "team/app", &["main"]);
    let built = house.built(&first);
    assert_eq!(built["run"]["result"], "succeeded", "{built}");
    let names: Vec<&str> = built["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| step["name"].as_str())
        .collect();
    assert_eq!(names[..5], ["greet.say", "greet.never", "own.say", "own.never", "last"]);
    let run = id(&built);
    assert!(
        said(&house, &run, "greet.say").ends_with("hello $(id)"),
        "an input is a value, not commands"
    );
    assert!(said(&house, &run, "own.say").ends_with("own me"));
    // The tag is moved: the commit that was built keeps what it had, the next one gets what is new.
    moved(&house, &tools, "goodbye");
    house.kill();
    house.start();
    user.push(&house, "team/app", &["main:again"]);
    let rebuilt = house.post(
        &format!("/api/v1/components/team/app/changes/{first}/rebuild"),
        &json!({}),
    );
    let rebuilt = rebuilt.is(201);
    let rebuilt = house.ended(&id(&rebuilt));
    assert_eq!(rebuilt["run"]["result"], "succeeded", "{rebuilt}");
    assert!(said(&house, &id(&rebuilt), "greet.say").ends_with("hello $(id)"));
    let second = user.commit("feat: two");
    user.push(&house, "team/app", &["main"]);
    let built_next = house.built(&second);
    assert!(said(&house, &id(&built_next), "greet.say").ends_with("goodbye $(id)"));
    assert_eq!(house.runs(&format!("kind=build&commit={first}")).len(), 1);
    let resolved: Vec<Value> = house
        .facts()
        .into_iter()
        .filter(|fact| fact["kind"] == "modules.resolved")
        .collect();
    assert_eq!(resolved.len(), 2);
    assert_eq!(
        resolved[0]["body"]["versions"],
        json!([{ "repository": "tools/ci", "version": "v1", "commit": at }])
    );
    // The commit stands in the plan of the build, too.
    let of_run = |fact: &Value| fact["stream"].as_str().is_some_and(|of| of.contains(&run));
    let planned = house
        .facts()
        .iter()
        .any(|fact| of_run(fact) && fact["body"].to_string().contains(&at));
    assert!(planned, "the plan names the commit");
    let package = house.step(&run, "package")["outputs"]["package"].clone();
    let package = package.as_str().unwrap();
    let made = house.get(&format!("/api/v1/packages/{package}")).is(200)["made"]["parts"].to_string();
    assert!(
        made.contains("module tools/ci/say.yaml@v1") && made.contains(&at),
        "{made}"
    );
    house.is_whole();
}

#[test]
fn a_server_that_dies_before_a_version_is_recorded_builds_once_with_one() {
    let mut house = House::prepared(ENVIRONMENTS, json!({}));
    house.crashes_at("server.modules.before:1");
    house.start();
    tools(&house, "hello");
    let user = user();
    let first = user.commit("feat: one");
    let _ = user.try_push(&house, "team/app", &["main"]);
    house.dies();
    house.start();
    let _ = user.try_push(&house, "team/app", &["main"]);
    assert_eq!(house.built(&first)["run"]["result"], "succeeded");
    assert_eq!(house.runs(&format!("kind=build&commit={first}")).len(), 1);
    house.is_whole();
}

#[test]
fn a_module_that_is_not_there_fails_the_build_at_the_place_of_its_use() {
    let house = House::new();
    let tools = tools(&house, "hello");
    let head = tools.git(&["rev-parse", "HEAD"]);
    let user = user();
    let branch = format!("hint: name a tag, or the commit that it is at now: `@{head}`");
    for (definition, expected, more) in [
        (
            "{ uses: tools/ci/say.yaml@v9, with: { WHO: x } }",
            "throughline.yaml:3:16: `tools/ci` has no version `v9`",
            "hint: a version is the name of a tag there, or a whole commit id",
        ),
        (
            "{ uses: tools/ci/say.yaml@main, with: { WHO: x } }",
            "throughline.yaml:3:16: `main` is a branch of `tools/ci`, which moves",
            branch.as_str(),
        ),
        (
            "{ uses: tools/gone@v1 }",
            "throughline.yaml:3:16: there is no repository `tools/gone` on this server",
            "",
        ),
        (
            "{ uses: tools/ci/gone.yaml@v1 }",
            "throughline.yaml:3:16: there is no module `tools/ci/gone.yaml@v1`",
            "",
        ),
        (
            "{ uses: ./gone.yaml }",
            "throughline.yaml:3:16: there is no module `gone.yaml`",
            "",
        ),
        (
            "{ uses: ../own.yaml }",
            "throughline.yaml:3:16: `../own.yaml` leads out of its repository",
            "",
        ),
        (
            "{ uses: https://example.org/x/y.git//a.yaml@v1 }",
            "throughline.yaml:3:16: there is no repository `https://example.org/x/y.git` on this server",
            "throughline repo add",
        ),
        (
            "{ uses: ./own.yaml, with: { WHO: 5 } }",
            "throughline.yaml:3:41: `WHO` must be a text",
            "own.yaml:2:11",
        ),
    ] {
        let commit = user.push_definition(&house, "team/app", &steps(&format!("  use: {definition}\n")));
        let failed = house.built(&commit);
        assert_eq!(failed["run"]["result"], "failed", "{failed}");
        let reason = failed["run"]["reason"].as_str().unwrap_or_default().to_owned();
        assert!(reason.starts_with(expected), "{reason}");
        assert!(reason.contains(more), "{reason}");
    }
    // By its whole commit, and once a version is there that was not.
    let by_commit = steps(&format!(
        "  use: {{ uses: tools/ci/say.yaml@{head}, with: {{ WHO: x }} }}\n"
    ));
    let commit = user.push_definition(&house, "team/app", &by_commit);
    assert_eq!(house.built(&commit)["run"]["result"], "succeeded");
    let page = house.get("/components/team/app").text();
    assert!(
        page.contains("use.say"),
        "the page of the component shows the module's steps"
    );
    house.is_whole();
}

#[test]
fn a_module_gets_the_secret_that_its_user_names_and_no_other() {
    let house = House::new();
    house.set_secret("registry-token", "hunter2hunter2");
    let tools = Repository::new();
    tools.define(&steps("  a: { run: 'true' }\n"));
    tools.write(
        "publish.yaml",
        b"throughline: 1\ninputs: { TOKEN: { type: secret } }\nsteps:\n  push:\n    run: 'wc -c < $THROUGHLINE_SECRETS/TOKEN'\n    secrets: [{ secret: TOKEN }]\n",
    );
    tools.write(
        "greedy.yaml",
        b"throughline: 1\nsteps: { a: { run: x, secrets: [{ secret: registry-token }] } }\n",
    );
    tools.commit("feat: modules");
    tools.git(&["tag", "v1"]);
    tools.push(&house, "tools/ci", &["main", "v1"]);
    let user = Repository::new();
    let named = steps("  out: { uses: tools/ci/publish.yaml@v1, with: { TOKEN: registry-token } }\n");
    let commit = user.push_definition(&house, "team/app", &named);
    let built = house.built(&commit);
    assert_eq!(built["run"]["result"], "succeeded", "{built}");
    assert!(said(&house, &id(&built), "out.push").ends_with("14"));
    let commit = user.push_definition(&house, "team/app", &steps("  out: { uses: tools/ci/greedy.yaml@v1 }\n"));
    let reason = house.built(&commit)["run"]["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.starts_with(
            "tools/ci/greedy.yaml@v1:2:43: the module has no input `registry-token` of type `secret` (used in throughline.yaml:3:16)"
        ),
        "{reason}"
    );
}
