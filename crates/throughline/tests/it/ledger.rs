//! The ledger, its checkpoints and its exports, as somebody else checks them.

use std::path::Path;

use serde_json::Value;
use throughline::Exit;

use crate::serving::Serving;
use crate::support::{Called, Home};

/// A server with something in its ledger; its URL is known to calls.
fn serving() -> Serving {
    let mut serving = Serving::without();
    let url = format!("http://127.0.0.1:{}", serving.port);
    serving.home.variables.insert("THROUGHLINE_SERVER".to_owned(), url);
    serving
}

#[track_caller]
fn good(home: &Home, arguments: &[&str]) -> Called {
    let called = home.call(arguments);
    assert_eq!(called.exit, Exit::Done, "{arguments:?}: {}", called.shown());
    called
}

/// What a call that fails says on both streams.
#[track_caller]
fn bad(home: &Home, arguments: &[&str], exit: Exit) -> String {
    let called = home.call(arguments);
    assert_eq!(called.exit, exit, "{arguments:?}: {}", called.shown());
    called.out + &called.err
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_was_kept_shows_whether_the_ledger_still_is_what_it_was() {
    let mut serving = serving();
    serving.home.input = "a value that is long\n".to_owned();
    let home = &serving.home;
    let file = |name: &str| home.current.join(name);
    home.file("trusted.pub", &good(home, &["ledger", "keys", "--pem"]).out);
    std::fs::create_dir(file("kept")).unwrap();
    good(home, &["ledger", "checkpoint", "--output", "kept/checkpoint-1.json"]);
    good(home, &["secret", "set", "shop/x"]);
    let printed = good(home, &["ledger", "checkpoint"]).out;
    home.file("kept/checkpoint-2.json", &printed);
    home.file("facts.jsonl", &good(home, &["ledger", "export"]).out);

    let kept = ["ledger", "verify", "--checkpoint", "kept", "--key", "trusted.pub"];
    let online = good(home, &kept).out;
    assert!(
        online.contains("each as it was recorded, and as 2 checkpoints have it"),
        "{online}"
    );
    let offline = [&kept[..], &["--export", "facts.jsonl"]].concat();
    // Somebody else, who knows of no server.
    let alone = Home::new().call(&[
        "ledger",
        "verify",
        "--export",
        file("facts.jsonl").to_str().unwrap(),
        "--checkpoint",
        file("kept/checkpoint-2.json").to_str().unwrap(),
        "--key",
        file("trusted.pub").to_str().unwrap(),
    ]);
    assert_eq!(alone.exit, Exit::Done, "{}", alone.shown());
    assert!(alone.out.contains("and as the checkpoint has it"), "{}", alone.out);

    let whole = lines(&file("facts.jsonl"));
    let document: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        document["payloadType"],
        "application/vnd.throughline.checkpoint.v1+json"
    );
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut facts = whole.clone();
        change(&mut facts);
        home.file("facts.jsonl", &(facts.join("\n") + "\n"));
        bad(home, &offline, Exit::Failed)
    };
    let edited = with(&|facts| facts[1] = facts[1].replace("\"kind\":\"", "\"kind\":\"x"));
    assert!(edited.contains("fact 2 is not as it was recorded"), "{edited}");
    let removed = with(&|facts| drop(facts.remove(1)));
    assert!(
        removed.contains("fact 2 is not as it was recorded\n  it is missing"),
        "{removed}"
    );
    let moved = with(&|facts| facts.swap(1, 2));
    assert!(moved.contains("fact 2 is not as it was recorded"), "{moved}");
    let cut = with(&|facts| facts.truncate(2));
    assert!(
        cut.contains("fact 3 is not as it was recorded\n  the ledger ends before it"),
        "{cut}"
    );
    let nothing = with(&|facts| facts.clear());
    assert!(nothing.contains("fact 1 is not as it was recorded"), "{nothing}");
    assert!(nothing.contains("hint: compare with an earlier export"), "{nothing}");

    // Another server's whole and well-formed ledger is not this one.
    let other = self::serving();
    other.home.file("kept.json", &printed);
    other
        .home
        .file("trusted.pub", &std::fs::read_to_string(file("trusted.pub")).unwrap());
    let told = bad(
        &other.home,
        &["ledger", "verify", "--checkpoint", "kept.json", "--key", "trusted.pub"],
        Exit::Failed,
    );
    assert!(
        told.contains("it is another ledger, or one that was written anew"),
        "{told}"
    );
}

#[test]
fn a_checkpoint_shows_nothing_without_the_key_that_signed_it() {
    let (serving, other) = (serving(), self::serving());
    let home = &serving.home;
    good(home, &["ledger", "checkpoint", "--output", "kept.json"]);
    home.file("other.pub", &good(&other.home, &["ledger", "keys", "--pem"]).out);
    let verify = ["ledger", "verify", "--checkpoint", "kept.json"];
    let told = bad(home, &verify, Exit::Usage);
    assert!(told.contains("--key"), "{told}");
    let told = bad(home, &[&verify[..], &["--key", "other.pub"]].concat(), Exit::Failed);
    assert!(
        told.contains("kept.json: it is signed by the key") && told.contains("hint: "),
        "{told}"
    );
    let told = bad(home, &[&verify[..], &["--key", "kept.json"]].concat(), Exit::BadFile);
    assert!(told.contains("kept.json holds no public key"), "{told}");
    let told = bad(home, &[&verify[..], &["--key", "nowhere.pub"]].concat(), Exit::NotFound);
    assert!(told.contains("cannot read nowhere.pub"), "{told}");

    home.file("trusted.pub", &good(home, &["ledger", "keys", "--pem"]).out);
    let text = std::fs::read_to_string(home.current.join("kept.json")).unwrap();
    let mut forged: Value = serde_json::from_str(&text).unwrap();
    forged["payload"] = "e30=".into();
    home.file("forged.json", &forged.to_string());
    home.file("broken.json", "{}");
    std::fs::create_dir(home.current.join("empty")).unwrap();
    for (file, exit, expected) in [
        ("forged.json", Exit::Failed, "it was changed, or made up"),
        ("broken.json", Exit::BadFile, "it is no signed checkpoint"),
        ("empty", Exit::NotFound, "empty holds no checkpoint"),
    ] {
        let told = bad(
            home,
            &["ledger", "verify", "--checkpoint", file, "--key", "trusted.pub"],
            exit,
        );
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn keys_are_changed_and_listed() {
    let serving = serving();
    let home = &serving.home;
    let listed = good(home, &["ledger", "keys"]).out;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let changed = good(home, &["ledger", "change-key"]).out;
    assert!(
        changed.contains("signed earlier") && changed.contains("signs"),
        "{changed}"
    );
    assert_eq!(
        good(home, &["ledger", "keys", "--pem"])
            .out
            .matches("BEGIN PUBLIC KEY")
            .count(),
        2
    );
    for call in [
        &["ledger", "keys"][..],
        &["ledger", "checkpoint"],
        &["ledger", "verify"],
        &["ledger", "rebuild"],
    ] {
        let document: Value = serde_json::from_str(&good(home, &[call, &["--json"]].concat()).out).unwrap();
        assert!(
            document["schema"].as_str().unwrap().starts_with("ledger-"),
            "{document}"
        );
    }
}
