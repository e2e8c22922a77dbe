//! Trailers of messages, compared with what git itself finds.

use source::message::trailers;

use crate::fixture::Fixture;

/// What git finds, one `key: value` a line.
fn git_finds(fixture: &Fixture, message: &str) -> Vec<String> {
    fixture.work.write("message", message);
    let found = fixture
        .work
        .git(&["interpret-trailers", "--parse", "--no-divider", "message"]);
    found.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn we_find(message: &str) -> Vec<String> {
    trailers(message)
        .iter()
        .map(|trailer| format!("{}: {}", trailer.key, trailer.value).trim_end().to_owned())
        .collect()
}

/// Lines that messages are put together from: each is one that the rules treat in its own way.
const LINES: [&str; 26] = [
    "",
    "",
    "",
    "Depends-On: shop/core@1a2b3c4",
    "depends-on: shop/api@5d6e7f8",
    "Signed-off-by: A <a@b.c>",
    "(cherry picked from commit 1234)",
    "some text",
    "  continued",
    "\tindented: x",
    "Key:",
    "Key with blanks : value",
    "Key!: value",
    ": value",
    "# a comment",
    "#",
    "Conflicts:",
    "\tfile.c",
    "# ------------------------ >8 ------------------------",
    "https://example.org/x",
    "\r",
    "\u{a0}",
    "\u{c}",
    "\u{2003}continued",
    "Caf\u{e9}: x",
    "Key: \u{a0}x\u{a0}",
];

#[tokio::test]
async fn trailers_are_those_that_git_finds() {
    let fixture = Fixture::new().await;
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut with = 0;
    for case in 0..400 {
        let mut message = String::from(if case % 4 == 0 { "" } else { "Title\n\n" });
        for _ in 0..=next(7) {
            message.push_str(LINES[usize::try_from(next(LINES.len() as u64)).unwrap()]);
            message.push('\n');
        }
        let theirs = git_finds(&fixture, &message);
        assert_eq!(we_find(&message), theirs, "case {case}: {message:?}");
        with += usize::from(!theirs.is_empty());
    }
    assert!(with > 80, "only {with} messages had trailers");
}
