//! Modules on a laptop: files as they lie there, other repositories fetched with git and kept.

use throughline::Exit;

use crate::run::Folder;
use crate::support::Home;

fn module(word: &str) -> String {
    format!(
        "throughline: 1\ninputs: {{ WHO: {{ type: string }} }}\nsteps: {{ say: {{ run: 'echo {word} $WHO > said' }} }}\n"
    )
}

/// A repository `tools/ci` with a module, tagged `v1`, beside where this one comes from.
fn tools(folder: &Folder) -> String {
    folder.write("remotes/tools/ci/say.yaml", &module("hello"));
    let tools = folder.path().join("remotes/tools/ci");
    let tools = tools.to_str().unwrap().to_owned();
    folder.git(&["-C", &tools, "init", "--quiet", "--initial-branch=main"]);
    folder.git(&["-C", &tools, "add", "say.yaml"]);
    folder.git(&["-C", &tools, "commit", "--quiet", "-m", "a module"]);
    folder.git(&["-C", &tools, "tag", "v1"]);
    let origin = format!("{}/remotes/team/app", folder.path().display());
    folder.git(&["init", "--quiet", "--initial-branch=main"]);
    folder.git(&["remote", "add", "origin", &origin]);
    tools
}

#[test]
fn a_module_is_fetched_once_and_used_without_the_other_side_from_then_on() {
    let folder = Folder::new(
        "throughline: 1\nsteps:\n  say: { uses: tools/ci/say.yaml@v1, with: { WHO: '$(id)' } }\n  own: { uses: /ci/own.yaml, needs: [say] }\n",
    );
    folder.write("ci/own.yaml", "throughline: 1\nsteps: { own: { run: cp said own } }\n");
    let tools = tools(&folder);
    let said = || std::fs::read_to_string(folder.path().join("own")).unwrap();
    let output = folder.run(&[]);
    assert!(output.is_success(), "{}", output.complaint());
    assert_eq!(said(), "hello $(id)\n", "an input is a value, not commands");
    // By an address, and only the steps of one module.
    folder.write(
        "throughline.yaml",
        &format!("throughline: 1\nsteps:\n  one: {{ uses: 'file://{tools}//say.yaml@v1', with: {{ WHO: you }} }}\n  two: {{ run: 'false' }}\n"),
    );
    let output = folder.run(&["one"]);
    assert!(output.is_success(), "{}", output.complaint());
    // The other side is gone, and the module is there all the same; one that never came is not.
    std::fs::remove_dir_all(&tools).unwrap();
    std::fs::remove_file(folder.path().join("said")).unwrap();
    let output = folder.run(&["one"]);
    assert!(output.is_success(), "{}", output.complaint());
    folder.write(
        "throughline.yaml",
        "throughline: 1\nsteps:\n  say: { uses: tools/ci@v2 }\n",
    );
    let output = folder.run(&[]);
    let told = format!("{}{}", output.text(), output.complaint());
    assert!(
        told.contains("throughline.yaml:3:16: `tools/ci` at `v2` was not fetched before and cannot be now: "),
        "{told}"
    );
    assert!(
        told.contains("what was fetched once is used without a network"),
        "{told}"
    );
}

#[test]
fn a_branch_is_no_version_and_a_version_that_is_not_there_is_told() {
    let folder = Folder::new("throughline: 1\nsteps:\n  say: { uses: tools/ci/say.yaml@main }\n");
    tools(&folder);
    let output = folder.run(&[]);
    let told = format!("{}{}", output.text(), output.complaint());
    assert!(told.contains("`main` is a branch of `tools/ci`, which moves"), "{told}");
    folder.write(
        "throughline.yaml",
        "throughline: 1\nsteps:\n  say: { uses: tools/ci/say.yaml@v7 }\n",
    );
    let output = folder.run(&[]);
    let told = format!("{}{}", output.text(), output.complaint());
    assert!(
        told.contains("throughline.yaml:3:16: `tools/ci` has no version `v7`"),
        "{told}"
    );
}

#[test]
fn check_reads_modules_explains_where_steps_come_from_and_checks_one_by_itself() {
    let home = Home::new();
    home.file(
        "throughline.yaml",
        "throughline: 1\nsteps:\n  hello: { uses: ./ci/say.yaml, with: { WHO: you } }\n  after: { run: x, needs: [hello] }\n",
    );
    home.file("ci/say.yaml", &module("hello"));
    let called = home.call(&["check", "--explain"]);
    assert_eq!(called.exit, Exit::Done, "{}", called.out);
    assert!(called.out.contains("hello.say"), "{}", called.out);
    assert!(called.out.contains("from ci/say.yaml"), "{}", called.out);
    assert!(called.out.contains("after hello (all 1)"), "{}", called.out);
    let json: serde_json::Value = serde_json::from_str(&home.call(&["check", "--explain", "--json"]).out).unwrap();
    let step = &json["files"][0]["plan"]["steps"][0];
    assert_eq!(
        (&step["modules"][0]["module"], &step["modules"][0]["step"]),
        (&"/ci/say.yaml".into(), &"hello".into())
    );
    let called = home.call(&["check", "ci/say.yaml"]);
    assert_eq!(
        (called.exit, called.out.as_str()),
        (Exit::Done, "✓ ci/say.yaml is right  steps: say\n")
    );
    home.file("ci/say.yaml", &module("hello").replace("run:", "folder: $WHOM, run:"));
    let called = home.call(&["check", "ci/say.yaml"]);
    assert_eq!(called.exit, Exit::BadFile);
    assert!(
        called
            .out
            .starts_with("ci/say.yaml:3:25: nothing fills in `$WHOM` here"),
        "{}",
        called.out
    );
    let called = home.call(&["check"]);
    assert!(called.out.contains("(used in throughline.yaml:3:18)"), "{}", called.out);
    assert_eq!(home.call(&["schema", "module"]).exit, Exit::Done);
}

#[test]
fn a_version_is_fetched_again_on_request_and_each_step_says_where_it_comes_from() {
    let folder = Folder::new(
        "throughline: 1\nsteps:\n  say: { uses: tools/ci/say.yaml@v1, matrix: { N: [1, 2] }, with: { WHO: 'you $N' } }\n  own: { run: 'true', needs: [say] }\n",
    );
    let tools = tools(&folder);
    let told = |arguments: &[&str]| {
        let output = folder.run(arguments);
        assert!(output.is_success(), "{}", output.complaint());
        format!("{}{}", output.text(), output.complaint())
    };
    let first = told(&[]);
    assert_eq!(first.matches("from tools/ci/say.yaml@v1 (").count(), 2, "{first}");
    assert!(first.contains("say-1.say") && first.contains("say-2.say"), "{first}");
    let planned: serde_json::Value = serde_json::from_str(&folder.run(&["--dry-run", "--json"]).text()).unwrap();
    let (of_module, own) = (&planned["steps"][0]["modules"][0], &planned["steps"][2]["modules"]);
    assert_eq!(
        (&of_module["module"], &of_module["step"], &of_module["instance_of"]),
        (&"tools/ci/say.yaml@v1".into(), &"say-1".into(), &"say".into())
    );
    assert!(of_module["commit"].is_string() && own.is_null(), "{planned}");
    // The tag moves; what was fetched stays until it is asked for again.
    folder.write("remotes/tools/ci/say.yaml", &module("good day"));
    folder.git(&["-C", &tools, "commit", "--quiet", "-am", "another word"]);
    folder.git(&["-C", &tools, "tag", "--force", "v1"]);
    let said = || std::fs::read_to_string(folder.path().join("said")).unwrap();
    told(&[]);
    assert!(said().starts_with("hello you"), "{}", said());
    let again = told(&["--refresh-modules"]);
    assert!(again.contains("`tools/ci` at `v1` is "), "{again}");
    assert!(again.contains(" now; it was "), "{again}");
    assert!(said().starts_with("good day you"), "{}", said());
    assert!(!told(&["--refresh-modules"]).contains(" now; it was "), "nothing moved");
    // Without the other side what is there is used, and asking again says what is wrong.
    std::fs::remove_dir_all(&tools).unwrap();
    told(&[]);
    let output = folder.run(&["--refresh-modules"]);
    let complaint = format!("{}{}", output.text(), output.complaint());
    assert!(
        complaint.contains("`tools/ci` at `v1` cannot be fetched again: "),
        "{complaint}"
    );
    assert!(complaint.contains("without --refresh-modules"), "{complaint}");
}
