//! A commit that depends on one in another repository, on a laptop.

use crate::run::Folder;

fn repository(definition: &str) -> Folder {
    let folder = Folder::new(definition);
    folder.git(&["init", "--quiet", "--initial-branch=main"]);
    folder
}

fn commit(folder: &Folder, message: &str) -> String {
    folder.git(&["add", "--all"]);
    folder.git(&["commit", "--quiet", "-m", message]);
    folder.git(&["rev-parse", "HEAD"])
}

#[test]
fn the_commit_that_head_depends_on_lies_beside_the_run_where_its_checkout_is_named() {
    let core = repository("throughline: 1\nsteps: { test: { run: 'true' } }\n");
    core.write("name", "core\n");
    let wanted = commit(&core, "feat: core");
    // What the checkout holds now is not what is meant.
    core.write("name", "newer\n");
    commit(&core, "feat: newer");
    let web = repository(
        "throughline: 1
steps:
  test:
    inputs: []
    outputs: [made]
    run: |
      name=none
      if [ -n \"${THROUGHLINE_DEPENDS:-}\" ]; then name=$(cat \"$THROUGHLINE_DEPENDS/core/name\"); fi
      echo \"$name ${THROUGHLINE_DEPENDS_CORE:-none}\" > made
",
    );
    commit(&web, &format!("feat: web\n\nDepends-On: team/core@{}\n", &wanted[..8]));
    let named = format!("team/core={}", core.path().display());
    let output = web.run(&["--beside", &named]);
    assert!(output.is_success(), "{}", output.complaint());
    let made = std::fs::read_to_string(web.path().join("made")).unwrap();
    assert_eq!(made.trim(), format!("core {wanted}"));

    // Not named, it is told, and the run goes on without it.
    let output = web.run(&[]);
    let said = output.complaint();
    assert!(
        said.contains(&format!("HEAD depends on team/core@{}", &wanted[..8])),
        "{said}"
    );
    assert!(said.contains("--beside team/core=FOLDER"), "{said}");
    let made = std::fs::read_to_string(web.path().join("made")).unwrap();
    assert_eq!(
        made.trim(),
        "none none",
        "a kept result is one for the commit beside it"
    );
}

#[test]
fn steps_of_a_module_with_conditions_run_beside_it_too() {
    let core = repository("throughline: 1\nsteps: { test: { run: 'true' } }\n");
    let wanted = commit(&core, "feat: core");
    let web = repository(
        "throughline: 1\nsteps:\n  check: { uses: ./check.yaml }\n  after: { needs: [check], run: cp said after }\n",
    );
    web.write(
        "check.yaml",
        "throughline: 1
inputs: { STRICT: { type: boolean, default: true } }
steps:
  one: { run: 'true' }
  two: { needs: [one], when: inputs.STRICT, run: 'ls \"$THROUGHLINE_DEPENDS\" > said' }
  three: { needs: [one], when: '!inputs.STRICT', run: touch never }
",
    );
    commit(&web, &format!("feat: web\n\nDepends-On: team/core@{}\n", &wanted[..8]));
    let output = web.run(&["--beside", &format!("team/core={}", core.path().display())]);
    assert!(output.is_success(), "{}", output.complaint());
    assert_eq!(std::fs::read_to_string(web.path().join("after")).unwrap(), "core\n");
    assert!(!web.path().join("never").exists());
}

#[test]
fn what_is_named_wrongly_is_told_with_what_to_do() {
    let core = repository("throughline: 1\nsteps: { test: { run: 'true' } }\n");
    commit(&core, "feat: core");
    let web = repository("throughline: 1\nsteps: { test: { run: 'true' } }\n");
    let named = format!("team/core={}", core.path().display());
    for (trailer, beside, expected) in [
        (
            "team/core@1234567",
            named.as_str(),
            "has no commit 1234567, on which HEAD depends",
        ),
        (
            "team/core@1234567",
            "team/core=/nowhere",
            "/nowhere is no checkout of a repository",
        ),
        (
            "team/core@1234567",
            "core",
            "`core` does not name a repository and a folder",
        ),
        ("team/core@main", named.as_str(), "`main` is no commit and no Change-Id"),
    ] {
        web.write("again", &format!("{trailer} {beside}"));
        commit(&web, &format!("feat: web\n\nDepends-On: {trailer}\n"));
        let output = web.run(&["--beside", beside]);
        assert!(!output.is_success());
        let said = output.complaint();
        assert!(said.contains(expected) && said.contains("hint: "), "{said}");
    }
}
