//! The rows of views: what they hold, how they are asked for, and that they can be folded again.

use std::sync::Arc;

use ledger::{Cursor, Direction, Ledger, LedgerError, MemoryLedger, Op, Select, Value, View};
use serde_json::json;
use testkit::ManualClock;

use super::{Fixture, append};
use crate::sample::{changed, fact};

pub async fn a_view_holds_what_the_facts_say(f: Fixture) {
    append(
        &*f.ledger,
        vec![changed("1", "a", 1), changed("2", "b", 2), changed("3", "a", 3)],
    )
    .await;
    append(
        &*f.ledger,
        vec![
            fact("4", "b", "thing.removed", json!({})),
            fact("5", "c", "thing.unknown", json!(null)),
        ],
    )
    .await;
    let selected = f.ledger.select(Select::from("things")).await.unwrap();
    assert_eq!(selected.as_of, 5);
    assert_eq!(selected.rows.len(), 1);
    let row = &selected.rows[0];
    assert_eq!(
        (
            row.text("name").unwrap(),
            row.integer("total").unwrap(),
            row.integer("changes").unwrap()
        ),
        ("a", 4, 2)
    );
    assert_eq!(
        row.timestamp("changed_at").unwrap().to_string(),
        "2026-01-02T03:04:05.000006Z"
    );
    assert_eq!(row.optional_real("weight").unwrap(), None);
    let journal = f
        .ledger
        .select(Select::from("journal").filter("stream", Op::Eq, "thing/a"))
        .await
        .unwrap();
    assert_eq!(
        journal.rows[1].json::<serde_json::Value>("document").unwrap(),
        json!({"amount": 3})
    );
}

/// Things with totals and weights that repeat, and weights that are not there.
async fn many_things(ledger: &dyn Ledger) {
    let facts = (0..25)
        .map(|number| {
            let weight = if number % 3 == 0 { None } else { Some(f64::from(number % 4) / 3.0) };
            let body = json!({"amount": number % 5, "weight": weight, "note": (number % 2 == 0).then(|| format!("n{}", number % 6))});
            fact(&number.to_string(), &format!("t{number:02}"), "thing.changed", body)
        })
        .collect();
    append(ledger, facts).await;
}

async fn names(ledger: &dyn Ledger, query: Select) -> Vec<String> {
    let selected = ledger.select(query).await.unwrap();
    selected
        .rows
        .iter()
        .map(|row| row.text("name").unwrap().to_owned())
        .collect()
}

pub async fn rows_are_filtered_and_ordered(f: Fixture) {
    many_things(&*f.ledger).await;
    let l = &*f.ledger;
    let things = || Select::from("things");
    assert_eq!(
        names(l, things().filter("total", Op::Eq, 4)).await,
        ["t04", "t09", "t14", "t19", "t24"]
    );
    assert_eq!(
        names(l, things().filter("total", Op::Ge, 3).filter("name", Op::Lt, "t09")).await,
        ["t03", "t04", "t08"]
    );
    assert_eq!(
        names(l, things().filter("total", Op::Gt, 3).filter("name", Op::Le, "t09")).await,
        ["t04", "t09"]
    );
    assert_eq!(
        names(l, things().any_of("name", ["t07", "t01", "none"])).await,
        ["t01", "t07"]
    );
    assert_eq!(names(l, things().any_of("name", Vec::<String>::new())).await, [""; 0]);
    assert_eq!(
        names(
            l,
            things()
                .filter("total", Op::Ne, 4)
                .order("total", Direction::Desc)
                .limit(3)
        )
        .await,
        ["t23", "t18", "t13"]
    );
    let both = things()
        .order("total", Direction::Desc)
        .order("name", Direction::Asc)
        .limit(6);
    assert_eq!(names(l, both).await, ["t04", "t09", "t14", "t19", "t24", "t03"]);
}

pub async fn rows_that_hold_nothing_are_found_and_ordered(f: Fixture) {
    many_things(&*f.ledger).await;
    let l = &*f.ledger;
    let things = || Select::from("things").filter("name", Op::Lt, "t08");
    assert_eq!(
        names(l, things().filter("weight", Op::Eq, Value::Null)).await,
        ["t00", "t03", "t06"]
    );
    assert_eq!(
        names(l, things().filter("weight", Op::Ne, Value::Null)).await,
        ["t01", "t02", "t04", "t05", "t07"]
    );
    assert_eq!(
        names(l, things().filter("weight", Op::Ne, 0.0)).await,
        ["t00", "t01", "t02", "t03", "t05", "t06", "t07"]
    );
    assert_eq!(
        names(l, things().filter("weight", Op::Ge, 0.0)).await,
        ["t01", "t02", "t04", "t05", "t07"]
    );
    assert_eq!(names(l, things().filter("weight", Op::Lt, Value::Null)).await, [""; 0]);
    assert_eq!(
        names(l, things().any_of("weight", [Value::Null, Value::Real(0.0)])).await,
        ["t00", "t03", "t04", "t06"]
    );
    assert_eq!(
        names(l, things().order("weight", Direction::Asc).limit(4)).await,
        ["t00", "t03", "t06", "t04"]
    );
    assert_eq!(
        names(l, things().order("weight", Direction::Desc).limit(2)).await,
        ["t07", "t02"]
    );
}

pub async fn pages_of_rows_meet_without_gap_or_overlap(f: Fixture) {
    many_things(&*f.ledger).await;
    for order in [
        vec![],
        vec![("weight", Direction::Asc)],
        vec![("weight", Direction::Desc)],
        vec![("total", Direction::Desc)],
        vec![
            ("note", Direction::Desc),
            ("weight", Direction::Asc),
            ("total", Direction::Desc),
        ],
    ] {
        let question = || {
            order
                .iter()
                .fold(Select::from("things"), |select, (column, direction)| {
                    select.order(*column, *direction)
                })
        };
        let whole = names(&*f.ledger, question()).await;
        assert_eq!(whole.len(), 25);
        for size in [1, 4, 24, 25] {
            let mut pages = Vec::new();
            let mut cursor: Option<Cursor> = None;
            loop {
                let page = f.ledger.select(question().limit(size).after(cursor)).await.unwrap();
                assert!(page.rows.len() <= size);
                pages.extend(page.rows.iter().map(|row| row.text("name").unwrap().to_owned()));
                // A cursor survives being text.
                match page.next {
                    Some(next) => cursor = Some(Cursor::from(next.to_string())),
                    None => break,
                }
            }
            assert_eq!(pages, whole, "{order:?} by {size}");
        }
    }
}

pub async fn a_question_that_does_not_fit_is_refused(f: Fixture) {
    many_things(&*f.ledger).await;
    let page = f.ledger.select(Select::from("things").limit(1)).await.unwrap();
    let cursor = page.next.unwrap();
    for question in [
        Select::from("nothing"),
        Select::from("things").filter("size", Op::Eq, 1),
        Select::from("things").filter("total", Op::Eq, "one"),
        Select::from("things").any_of("name", [1]),
        Select::from("things").order("\"", Direction::Asc),
        Select::from("things").after(Cursor::from("x".to_owned())),
        Select::from("things").order("total", Direction::Asc).after(cursor),
    ] {
        let shown = format!("{question:?}");
        let error = f.ledger.select(question).await.unwrap_err();
        assert!(
            matches!(error, LedgerError::Select(_) | LedgerError::Cursor(_)),
            "{shown}: {error}"
        );
    }
}

pub async fn rebuilt_views_are_the_same(f: Fixture) {
    many_things(&*f.ledger).await;
    append(
        &*f.ledger,
        vec![fact("x", "t03", "thing.removed", json!({})), changed("y", "t04", 9)],
    )
    .await;
    let before = f.ledger.select(Select::from("things")).await.unwrap();
    let rebuilt = f.ledger.rebuild(&|_| {}).await.unwrap();
    assert_eq!(rebuilt.position, 27);
    assert_eq!(
        rebuilt
            .views
            .iter()
            .map(|view| (view.name, view.differed))
            .collect::<Vec<_>>(),
        [("things", false), ("journal", false), ("counts", false)]
    );
    assert_eq!(f.ledger.select(Select::from("things")).await.unwrap().rows, before.rows);
    append(&*f.ledger, vec![changed("z", "t05", 1)]).await;
    assert!(!f.ledger.rebuild(&|_| {}).await.unwrap().differed());
}

pub async fn appends_go_on_during_a_rebuild(f: Fixture) {
    let facts = (0..2_500).map(|number| changed(&number.to_string(), &format!("t{}", number % 50), 1));
    append(&*f.ledger, facts.collect()).await;
    let rebuilding = {
        let ledger = f.ledger.clone();
        tokio::spawn(async move { ledger.rebuild(&|_| {}).await.unwrap() })
    };
    for number in 0..20 {
        append(&*f.ledger, vec![changed(&format!("more {number}"), "t1", 1)]).await;
    }
    assert!(!rebuilding.await.unwrap().differed());
    let row = f
        .ledger
        .select(Select::from("things").filter("name", Op::Eq, "t1"))
        .await
        .unwrap()
        .rows
        .remove(0);
    assert_eq!(row.integer("total").unwrap(), 70);
    assert!(!f.ledger.rebuild(&|_| {}).await.unwrap().differed());
}

#[test]
fn views_that_do_not_fit_together_are_refused() {
    use crate::sample::{Journal, Things};
    let clock = Arc::new(ManualClock::new());
    let twice: Vec<Arc<dyn View>> = vec![Arc::new(Journal), Arc::new(Things { version: 1 }), Arc::new(Journal)];
    let error = MemoryLedger::new(twice, clock).err().unwrap();
    assert!(
        matches!(error, LedgerError::Declaration { view: "journal", .. }),
        "{error}"
    );
}
