//! Names and texts of others never become commands.

use crate::house::House;
use crate::repository::{Repository, service};

#[test]
fn branches_messages_and_files_with_odd_names_are_only_names() {
    let house = House::new();
    let canary = house.folder().join("canary");
    let touch = format!("touch {}", canary.display());
    let joined = format!("touch${{IFS}}{}", canary.display());
    let repository = Repository::of_service("one");
    for name in [
        format!("app/$({touch})"),
        format!("app/`{touch}`"),
        format!("app/'; {touch}; '"),
        format!("app/\"; {touch}; \""),
        "app/-rf".to_owned(),
        "app/--upload-pack=x".to_owned(),
        "two\nlines".to_owned(),
        "app/ü \u{202e}txt".to_owned(),
        "-n".to_owned(),
        ":(exclude)app".to_owned(),
    ] {
        // A slash within would make folders; their names are odd enough.
        repository.write(&name, b"data");
    }
    let definition = service("VERSION: one", "").replace(
        "  build: { run: 'true' }",
        &format!(
            "  build:\n    variables: {{ ODD: '$({touch})' }}\n    run: |\n      \
             test -e app/-rf\n      test \"$ODD\" = '$({touch})'\n      \
             printf '%s' \"$THROUGHLINE_BRANCH\" > app/branch"
        ),
    );
    repository.define(&definition);
    let messages = [
        format!("$({touch})\n\n`{touch}`"),
        format!("'; {touch}; echo '"),
        format!("\"; {touch}; echo \"\r\nSet-Cookie: a=b"),
        "--allow-empty -m".to_owned(),
        "<script>alert(1)</script> \u{1b}[31mred".to_owned(),
    ];
    let branches = [
        format!("$({joined})"),
        format!("`{joined}`"),
        format!("a;{joined};b"),
        "-delete".to_owned(),
        "--upload-pack=x".to_owned(),
        "it's\"quoted\"".to_owned(),
        "a&b|c>d".to_owned(),
        "%2e%2e/ü".to_owned(),
        "main".to_owned(),
    ];
    let mut last = String::new();
    for (number, branch) in branches.iter().enumerate() {
        last = repository.commit(&messages[number % messages.len()]);
        let output = repository.try_push(&house, "team/app", &[&format!("HEAD:refs/heads/{branch}")]);
        assert!(output.is_success(), "{branch}: {}", output.complaint());
        let build = house.built(&last);
        assert_eq!(build["run"]["result"], "succeeded", "{branch}: {build}");
        let change = house.change("team/app", &last);
        assert_eq!(change["change"]["branch"], branch.as_str());
    }
    house.comes_to("team/app", "production", &last);
    assert!(!canary.exists(), "a name was run as a command");
    for query in [
        "component=team/app%00",
        "component=--help",
        "commit=$(x)",
        "environment=%2e%2e",
        "after=';--",
    ] {
        let answer = house.get(&format!("/api/v1/runs?{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
    for change in [
        "--help",
        "-x",
        "$(x)",
        "..%2f..%2fetc",
        "main%00",
        "@%7B-1%7D",
        "HEAD~1",
    ] {
        let answer = house.get(&format!("/api/v1/components/team/app/changes/{change}"));
        assert!(
            [400, 404].contains(&answer.status),
            "{change}: {} {}",
            answer.status,
            answer.text()
        );
    }
    for path in [
        "/git/team/../app.git/info/refs",
        "/git/-x/app.git/info/refs",
        "/git/team/app.git/../../ledger.db",
    ] {
        let answer = house.get(path);
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
    house.is_whole();
}

#[test]
fn a_step_sees_the_passed_variables_and_none_of_the_servers_others() {
    let house = House::new();
    let repository = Repository::new();
    let commit = repository.push_definition(&house, "team/app", &crate::repository::steps("  show: { run: env }\n"));
    let build = house.built(&commit);
    let log = house.log_of(build["run"]["id"].as_str().unwrap(), "show");
    let names: Vec<_> = log
        .lines()
        .filter_map(|line| line.split(' ').nth(2)?.split_once('=').map(|(name, _)| name))
        .collect();
    for name in &names {
        let passed = server::StepVariables::PASSED.contains(name)
            || name.starts_with("THROUGHLINE")
            || ["CI", "SOURCE_DATE_EPOCH"].contains(name);
        assert!(
            passed || ["PWD", "OLDPWD", "SHLVL", "_"].contains(name),
            "{name} is passed on"
        );
    }
    assert!(
        names.contains(&"THROUGHLINE_COMMIT") && names.contains(&"PATH"),
        "{log}"
    );
}
