//! Settings come from flags, variables, the settings file and defaults, in this order.

use insta::assert_snapshot;
use throughline::Exit;

use crate::support::Home;

fn home_with(file: &str) -> Home {
    let home = Home::new();
    std::fs::create_dir_all(home.configuration()).unwrap();
    std::fs::write(home.configuration().join("config.toml"), file).unwrap();
    home
}

fn value(home: &Home, arguments: &[&str], name: &str) -> (serde_json::Value, serde_json::Value) {
    let called = home.call(&[&["settings", "--json"], arguments].concat());
    assert_eq!(called.exit, Exit::Done, "{}", called.err);
    let document: serde_json::Value = serde_json::from_str(&called.out).unwrap();
    let lines = document["settings"].as_array().unwrap();
    let line = lines.iter().find(|line| line["name"] == name).unwrap();
    (line["value"].clone(), line["source"].clone())
}

#[test]
fn a_flag_says_more_than_a_variable_and_that_more_than_the_file() {
    let home = home_with("server = \"https://file.example.org\"\n");
    assert_eq!(
        value(&home, &[], "server"),
        (
            "https://file.example.org".into(),
            "`server` in HOME/.config/throughline/config.toml".into()
        )
    );
    let home = home.with("THROUGHLINE_SERVER", "https://variable.example.org");
    assert_eq!(
        value(&home, &[], "server"),
        ("https://variable.example.org".into(), "THROUGHLINE_SERVER".into())
    );
    let flag = value(&home, &["--server", "https://flag.example.org"], "server");
    assert_eq!(flag, ("https://flag.example.org".into(), "--server".into()));
}

#[test]
fn every_setting_is_shown_with_its_source_and_the_token_never() {
    let home = home_with("max-parallel = 3\npoll-interval = \"2m\"\nbehind-proxy = true\naddress = \"127.0.0.1:0\"\n")
        .with("THROUGHLINE_TOKEN", "tl_hidden")
        .with("THROUGHLINE_LARGEST_PUSH", "64MiB");
    let called = home.call(&["settings"]);
    assert!(!called.shown().contains("tl_hidden"));
    assert_snapshot!(called.shown());
}

#[test]
fn a_mistake_in_the_file_is_placed() {
    for file in [
        "server = \"a\"\nadress = \"127.0.0.1:1\"\n",
        "poll-interval = \"soon\"\n",
        "= 1\n",
        "max-parallel = 0\n",
    ] {
        let called = home_with(file).call(&["settings"]);
        assert_eq!(called.exit, Exit::BadFile, "{file}: {}", called.shown());
        assert!(called.err.contains("config.toml:"), "{}", called.err);
    }
    assert_snapshot!(
        home_with("server = \"a\"\nadress = \"127.0.0.1:1\"\n")
            .call(&["settings"])
            .shown()
    );
    assert_snapshot!(home_with("poll-interval = \"soon\"\n").call(&["settings"]).shown());
}

#[test]
fn a_variable_that_does_not_fit_is_named() {
    let called = Home::new().with("THROUGHLINE_MAX_PARALLEL", "many").call(&["settings"]);
    assert_eq!(called.exit, Exit::Usage);
    assert_eq!(
        called.err,
        "error: the environment variable THROUGHLINE_MAX_PARALLEL does not fit: `many` is no number: 1 to 10000 is expected\n"
    );
}

#[test]
fn a_settings_file_that_is_named_must_be_there() {
    let home = Home::new();
    assert_eq!(home.call(&["settings", "--settings", "missing.toml"]).exit, Exit::Usage);
    home.file("mine.toml", "component = \"shop/cart\"\n");
    assert_eq!(value(&home, &["--settings", "mine.toml"], "component").0, "shop/cart");
}

#[test]
fn colours_are_off_where_the_user_says_so() {
    let coloured = |home: Home, arguments: &[&str]| {
        let called = home.on_terminal(80).call(&[&["settings"], arguments].concat());
        called.out.contains('\u{1b}')
    };
    assert!(coloured(Home::new(), &[]));
    assert!(!coloured(Home::new().with("NO_COLOR", "1"), &[]));
    assert!(coloured(Home::new().with("NO_COLOR", ""), &[]));
    assert!(!coloured(Home::new().with("TERM", "dumb"), &[]));
    assert!(!coloured(Home::new(), &["--color", "never"]));
    assert!(coloured(Home::new().with("NO_COLOR", "1"), &["--color", "always"]));
    assert!(
        Home::new()
            .call(&["settings", "--color", "always"])
            .out
            .contains('\u{1b}')
    );
}
