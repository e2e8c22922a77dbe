//! Whatever the bytes are, reading ends soon and says something.

use std::fmt::Write as _;

use pipeline::{Definition, Environments};
use proptest::prelude::*;

#[test]
fn a_large_definition_is_read() {
    let mut written = "throughline: 1\nsteps:\n".to_owned();
    for n in 0..2_000 {
        let needs = if n == 0 { String::new() } else { format!("s{}", n - 1) };
        let _ = write!(
            written,
            "  s{n}:\n    needs: [{needs}]\n    when: run.line == 'main'\n    run: echo {n}\n    timeout: 5m\n"
        );
    }
    let definition = Definition::parse(&written, "t.yaml").unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(definition.plan().steps.len(), 2_000);
    assert_eq!(definition.plan().check(), Ok(()));
}

#[test]
fn mistakes_without_end_are_said_soon() {
    let mut written = "throughline: 1\nsteps:\n".to_owned();
    for n in 0..4_000 {
        let _ = writeln!(
            written,
            "  step-{n}: {{ run: x, needs: [stepp-{n}, step-{}] }}",
            (n + 1) % 4_000
        );
    }
    let wrong = Definition::parse(&written, "t.yaml").unwrap_err();
    assert!(wrong.to_string().len() < 100_000);
    let all: String = (0..4_000).map(|n| format!("x{n}, ")).collect();
    let crowded = format!("throughline: 1\nsteps:\n  a: {{ run: x, needs: [{all}a] }}\n");
    assert!(Definition::parse(&crowded, "t.yaml").is_err());
}

#[test]
fn what_is_wrong_in_many_places_is_said_once_and_for_so_many() {
    let steps: String = (0..5_000).map(|n| format!("  s{n}: {{ run: '' }}\n")).collect();
    let wrong = Definition::parse(&format!("throughline: 1\nsteps:\n{steps}"), "t.yaml").unwrap_err();
    assert_eq!(wrong.iter().len(), 100);
    assert_eq!(wrong.first().line, 3);
}

#[test]
fn aliases_may_share_but_not_multiply() {
    let shared =
        "throughline: 1\nsteps:\n  a: &usual { run: make, timeout: 5m }\n  b:\n    <<: *usual\n    run: make check\n";
    let plan = Definition::parse(shared, "t.yaml")
        .unwrap_or_else(|wrong| panic!("{wrong}"))
        .plan();
    assert_eq!(plan.steps[1].timeout_seconds, Some(300));
    let mut bomb = "throughline: 1\nsteps:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let of = vec![format!("*a{}", n - 1); 10].join(", ");
        let _ = writeln!(bomb, "  a{n}: &a{n} [{of}]");
    }
    assert!(
        Definition::parse(&bomb, "t.yaml")
            .unwrap_err()
            .to_string()
            .contains("aliases")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_bring_the_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Definition::parse_bytes(&bytes, "t.yaml");
        let _ = Environments::parse_bytes(&bytes, "e.yaml");
    }

    /// A good file with one piece cut out or doubled: read, or refused with a place in the file.
    #[test]
    fn a_damaged_file_is_refused_with_a_place(start in 0usize..3_000, length in 1usize..40, doubled: bool) {
        let whole = include_str!("../examples/throughline.yaml");
        let letters: Vec<char> = whole.chars().collect();
        let (start, end) = (start.min(letters.len()), (start + length).min(letters.len()));
        let mut damaged: String = letters[..start].iter().collect();
        if doubled {
            damaged.extend(&letters[start..end]);
            damaged.extend(&letters[start..end]);
        }
        damaged.extend(&letters[end..]);
        if let Err(wrong) = Definition::parse(&damaged, "t.yaml") {
            for each in wrong.iter() {
                prop_assert!(each.line >= 1 && each.line as usize <= damaged.lines().count() + 1, "{each}");
            }
        }
    }
}
