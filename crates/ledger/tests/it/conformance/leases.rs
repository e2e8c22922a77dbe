//! Leases, and the appends that count on them: of two who believe to have a duty, one alone can record
//! anything.

use std::time::Duration;

use ledger::{Append, AppendError, Fence, Holder, Lease, Leases, Taking};

use super::{Fixture, append, totals};
use crate::sample::{changed, thing};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3_600);

fn holder(id: &str) -> Holder {
    Holder {
        id: id.to_owned(),
        place: format!("the place of {id}"),
    }
}

fn taken(leases: &dyn Leases, duty: &str, id: &str, term: Duration) -> Fence {
    match leases.take(duty, &holder(id), &[], term).unwrap() {
        Taking::Taken(fence) => fence,
        Taking::Held(by) => panic!("it is held by {by:?}"),
    }
}

fn held(taking: Taking) -> Lease {
    match taking {
        Taking::Held(lease) => lease,
        Taking::Taken(fence) => panic!("{fence:?} was taken"),
    }
}

fn counting_on(fence: &Fence, id: &str) -> Append {
    Append {
        fence: Some(fence.clone()),
        ..Append::unconditional(vec![changed(id, "a", 1)])
    }
}

pub async fn a_lease_is_one_holders_until_it_runs_out_is_given_back_or_its_holder_has_ended(f: Fixture) {
    let leases = f.leases.clone();
    tokio::task::spawn_blocking(move || {
        assert!(leases.all().unwrap().is_empty());
        let first = taken(&*leases, "runs", "one", LONG);
        assert_eq!((first.duty(), first.epoch()), ("runs", 1));
        let lease = held(leases.take("runs", &holder("two"), &[], LONG).unwrap());
        assert_eq!((lease.holder.clone(), lease.epoch), (holder("one"), 1));
        assert!(lease.left > LONG / 2 && lease.left <= LONG, "{:?}", lease.left);
        // Another duty is apart.
        assert_eq!(taken(&*leases, "retention", "two", LONG).epoch(), 1);
        // The same holder replaces itself.
        let again = taken(&*leases, "runs", "one", LONG);
        assert_eq!(again.epoch(), 2);
        // Whoever has ended need not be waited for.
        let ended = ["zero".to_owned(), "one".to_owned()];
        let second = match leases.take("runs", &holder("two"), &ended, LONG).unwrap() {
            Taking::Taken(fence) => fence,
            held => panic!("{held:?}"),
        };
        assert_eq!(second.epoch(), 3);
        // What the first renews or gives back is not its own any more.
        let lost = leases.renew(&[again.clone(), second.clone()], LONG).unwrap();
        assert_eq!(lost.len(), 1);
        assert_eq!((lost[0].epoch, lost[0].holder.clone()), (3, holder("two")));
        leases.renew(&[again], Duration::ZERO).unwrap();
        held(leases.take("runs", &holder("three"), &[], LONG).unwrap());
        // Given back, it is free at once.
        assert!(leases.renew(&[second], Duration::ZERO).unwrap().is_empty());
        assert_eq!(taken(&*leases, "runs", "three", Duration::ZERO).epoch(), 4);
        assert_eq!(taken(&*leases, "runs", "four", LONG).epoch(), 5, "that one ran out");
        let all = leases.all().unwrap();
        let all: Vec<_> = all.iter().map(|lease| (lease.duty.as_str(), lease.epoch)).collect();
        assert_eq!(all, [("retention", 1), ("runs", 5)]);
    })
    .await
    .unwrap();
}

pub async fn who_was_replaced_without_knowing_records_nothing_more(f: Fixture) {
    let leases = f.leases.clone();
    let take = async |id: &'static str, term| {
        let leases = leases.clone();
        let taking = tokio::task::spawn_blocking(move || taken(&*leases, "runs", id, term));
        taking.await.unwrap()
    };
    let first = take("one", Duration::ZERO).await;
    // It has run out, but nobody has taken it.
    assert_eq!(f.ledger.append(counting_on(&first, "1")).await.unwrap().first, 1);
    let second = take("two", LONG).await;
    let error = f.ledger.append(counting_on(&first, "late")).await.unwrap_err();
    let (duty, by) = match &error {
        AppendError::Fenced { duty, by } => (duty.as_str(), by.as_deref()),
        other => panic!("{other}"),
    };
    assert_eq!((duty, by), ("runs", Some("the place of two")));
    assert!(
        error
            .to_string()
            .contains("another server has taken over `runs`: the place of two"),
        "{error}"
    );
    assert_eq!(f.ledger.head().await.unwrap(), 1);
    // Not even a repetition is answered, and no condition is looked at.
    assert!(f.ledger.append(counting_on(&first, "1")).await.is_err());
    let conflicting = Append {
        fence: Some(first.clone()),
        ..Append::after(0, vec![thing("a")], Vec::new())
    };
    let error = f.ledger.append(conflicting).await.unwrap_err();
    assert!(matches!(error, AppendError::Fenced { .. }), "{error}");
    // Whoever has it now records, and so does everybody who counts on no lease.
    assert_eq!(f.ledger.append(counting_on(&second, "late")).await.unwrap().first, 2);
    assert_eq!(append(&*f.ledger, vec![changed("free", "b", 1)]).await.first, 3);
    assert_eq!(
        totals(&*f.ledger).await,
        [("a".to_owned(), 2), ("b".to_owned(), 1)],
        "what was refused left nothing"
    );
    assert!(f.ledger.verify(None, &|_| {}).await.unwrap().is_good());
}

pub async fn of_many_appends_at_once_those_of_the_replaced_are_refused_alone(f: Fixture) {
    let leases = f.leases.clone();
    let (first, second, other) = tokio::task::spawn_blocking(move || {
        let first = taken(&*leases, "runs", "one", Duration::ZERO);
        let other = taken(&*leases, "sources", "one", LONG);
        (first, taken(&*leases, "runs", "two", LONG), other)
    })
    .await
    .unwrap();
    let mut all = tokio::task::JoinSet::new();
    for number in 0..60 {
        let fence = match number % 4 {
            0 => Some(&first),
            1 => Some(&second),
            2 => Some(&other),
            _ => None,
        };
        let (ledger, fence) = (f.ledger.clone(), fence.cloned());
        all.spawn(async move {
            let append = Append {
                fence,
                ..Append::unconditional(vec![changed(&number.to_string(), "a", 1)])
            };
            (number, ledger.append(append).await)
        });
    }
    while let Some(done) = all.join_next().await {
        let (number, result) = done.unwrap();
        match result {
            Ok(_) => assert_ne!(number % 4, 0),
            Err(error) => assert!(
                number % 4 == 0 && matches!(error, AppendError::Fenced { .. }),
                "{number}: {error}"
            ),
        }
    }
    assert_eq!(f.ledger.head().await.unwrap(), 45);
    assert!(f.ledger.verify(None, &|_| {}).await.unwrap().is_good());
}
