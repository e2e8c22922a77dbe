//! Texts that are longer than what an index takes: keys and indexed columns like any other.

use facts::NewFact;
use ledger::{Cursor, Direction, Ledger, Op, Select};
use serde_json::json;

use super::{Fixture, append, caught_up, count, totals};
use crate::sample::{changed, fact};

/// A text of letters and digits that cannot be made much shorter.
pub fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[(state >> 40) as usize % 64])
    };
    (0..length).map(|_| next()).collect()
}

/// Names on both sides of every limit: short ones, long ones, and long ones that begin alike.
fn names() -> Vec<String> {
    let long = noise(1, 6_000);
    let mut names: Vec<_> = ["a", "zz", "ü"].map(str::to_owned).into();
    names.extend([1, 500, 1_999, 2_000, 2_001, 2_600, 2_705, 5_999, 6_000].map(|end| long[..end].to_owned()));
    names.extend(["", "0", "z", "ü"].map(|end| format!("{long}{end}")));
    names.extend((2..6).map(|seed| noise(seed, 9_000)));
    names
}

fn noted(id: &str, name: &str, note: &str) -> NewFact {
    fact(id, name, "thing.changed", json!({"amount": 1, "note": note}))
}

async fn asked(ledger: &dyn Ledger, question: Select) -> Vec<String> {
    let selected = ledger.select(question).await.unwrap();
    let name = |row: &ledger::Row| row.text("name").unwrap().to_owned();
    selected.rows.iter().map(name).collect()
}

async fn by_pages(ledger: &dyn Ledger, question: impl Fn() -> Select, size: usize) -> Vec<String> {
    let (mut all, mut cursor): (_, Option<Cursor>) = (Vec::new(), None);
    loop {
        let page = ledger.select(question().limit(size).after(cursor)).await.unwrap();
        all.extend(page.rows.iter().map(|row| row.text("name").unwrap().to_owned()));
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

pub async fn keys_of_any_length_are_found_ordered_and_paged(f: Fixture) {
    let l = &*f.ledger;
    let mut names = names();
    names.dedup();
    let facts = names.iter().enumerate();
    append(
        l,
        facts
            .map(|(number, name)| changed(&number.to_string(), name, 1))
            .collect(),
    )
    .await;
    names.sort();
    names.dedup();
    let things = || Select::from("things");
    assert_eq!(asked(l, things()).await, names);
    let backwards: Vec<_> = names.iter().rev().cloned().collect();
    for size in [1, 2, 7] {
        assert_eq!(by_pages(l, things, size).await, names);
        let question = || things().order("name", Direction::Desc);
        assert_eq!(by_pages(l, question, size).await, backwards);
        // All in one place of the order, so that the key alone tells them apart.
        let question = || things().filter("total", Op::Ge, 1).order("note", Direction::Asc);
        assert_eq!(by_pages(l, question, size).await, names);
    }
    for (place, name) in names.iter().enumerate() {
        for (op, expected) in [
            (Op::Eq, &names[place..=place]),
            (Op::Lt, &names[..place]),
            (Op::Le, &names[..=place]),
            (Op::Gt, &names[place + 1..]),
            (Op::Ge, &names[place..]),
        ] {
            assert_eq!(asked(l, things().filter("name", op, name)).await, expected, "{op:?}");
        }
        let some = things().any_of("name", [name.as_str(), "nobody"]);
        assert_eq!(asked(l, some).await, names[place..=place]);
    }
}

pub async fn rows_with_long_keys_are_changed_removed_and_folded_again(f: Fixture) {
    let l = &*f.ledger;
    let (long, other) = (noise(1, 6_000), noise(1, 6_001));
    append(
        l,
        vec![changed("1", &long, 1), changed("2", &other, 2), changed("3", "a", 3)],
    )
    .await;
    append(
        l,
        vec![changed("4", &long, 10), changed("5", &other, 20), changed("6", "a", 30)],
    )
    .await;
    let mut expected = vec![("a".to_owned(), 33), (long.clone(), 11), (other.clone(), 22)];
    expected.sort();
    assert_eq!(totals(l).await, expected);
    caught_up(l).await;
    assert_eq!(count(l, &long).await.0, 2);
    append(l, vec![fact("7", &long, "thing.removed", json!({}))]).await;
    expected.retain(|(name, _)| *name != long);
    assert_eq!(totals(l).await, expected);
    assert!(!l.rebuild(&|_| {}).await.unwrap().differed());
    assert_eq!(totals(l).await, expected);
    append(l, vec![changed("8", &long, 5), changed("9", &other, 1)]).await;
    assert_eq!(totals(l).await.len(), 3);
    caught_up(l).await;
    assert_eq!(count(l, &long).await.0, 4);
    assert!(!l.rebuild(&|_| {}).await.unwrap().differed());
}

pub async fn a_row_whose_indexed_text_becomes_long_and_short_again_stays_one(f: Fixture) {
    let l = &*f.ledger;
    let (long, longer) = (noise(1, 6_000), format!("{}!", noise(1, 6_000)));
    append(
        l,
        vec![
            noted("1", "a", "short"),
            noted("2", "b", &long),
            noted("3", "c", &longer),
        ],
    )
    .await;
    let by_note = || Select::from("things").order("note", Direction::Asc);
    let mut expected = vec![("short", "a"), (&*long, "b"), (&*longer, "c")];
    for (number, (name, note)) in [
        ("a", &*long),
        ("b", "short"),
        ("a", "short"),
        ("a", &*longer),
        ("a", &*longer),
        ("c", "short"),
    ]
    .into_iter()
    .enumerate()
    {
        append(l, vec![noted(&format!("then {number}"), name, note)]).await;
        for (at, of) in &mut expected {
            if *of == name {
                *at = note;
            }
        }
        expected.sort_unstable();
        let names: Vec<_> = expected.iter().map(|(_, name)| *name).collect();
        assert_eq!(asked(l, by_note()).await, names);
        assert_eq!(by_pages(l, by_note, 1).await, names);
        let found = asked(l, Select::from("things").filter("note", Op::Eq, note)).await;
        assert!(found.iter().any(|found| found == name), "{name}");
    }
    // Within one append too, whether the row was long before or is.
    append(l, vec![noted("x", "a", "short"), noted("y", "a", &long)]).await;
    append(
        l,
        vec![noted("z", "a", "short"), fact("gone", "a", "thing.removed", json!({}))],
    )
    .await;
    append(l, vec![noted("later", "b", &long)]).await;
    append(l, vec![fact("gone too", "b", "thing.removed", json!({}))]).await;
    assert_eq!(asked(l, Select::from("things")).await, ["c"]);
    assert!(!l.rebuild(&|_| {}).await.unwrap().differed());
    assert_eq!(asked(l, Select::from("things")).await, ["c"]);
}
