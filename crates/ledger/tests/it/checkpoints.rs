//! Signed checkpoints that somebody keeps elsewhere, against ledgers and exports that were changed.

use std::sync::Arc;

use facts::{Fact, FactId, NewFact};
use ledger::{
    Append, CHECKPOINT_TYPE, Checkpoint, ExportCheck, Fault, Kept, Ledger, MemoryLedger, Problem, Statement,
    StatementError, Verification, against,
};
use signing::{Envelope, SigningKey};
use testkit::{ManualClock, SeededEntropy};

use crate::sample::{claiming, views};

fn key(seed: u64) -> SigningKey {
    let folder = testkit::folder();
    SigningKey::create(&folder.path().join("key"), &SeededEntropy::new(seed)).unwrap()
}

/// A ledger of ten facts.
pub async fn ten_facts() -> MemoryLedger {
    let ledger = MemoryLedger::new(views(), Arc::new(ManualClock::new())).unwrap();
    for number in 1..=10 {
        let name = if number % 2 == 0 { "even" } else { "odd" };
        let fact = claiming(&number.to_string(), name, &format!("key-{number}"));
        ledger.append(Append::unconditional(vec![fact])).await.unwrap();
    }
    ledger
}

/// The lines of its export.
pub async fn exported(ledger: &dyn Ledger) -> Vec<Vec<u8>> {
    let facts = ledger.export(0, 100).await.unwrap();
    facts.iter().map(ledger::Exported::line).collect()
}

pub async fn checkpoint(ledger: &dyn Ledger, position: u64) -> Checkpoint {
    let fact = ledger.export(position - 1, 1).await.unwrap().remove(0);
    Checkpoint {
        position,
        hash: fact.hash,
    }
}

fn check(lines: &[Vec<u8>], kept: Vec<Kept>) -> Verification {
    let mut check = ExportCheck::new(kept);
    for line in lines {
        if !check.line(line) {
            break;
        }
    }
    check.finish()
}

fn of(kept: &[Checkpoint]) -> Vec<Kept> {
    kept.iter().copied().map(Kept::from).collect()
}

/// The lines with one fact made different and everything after sealed anew: the chain is whole.
fn rewritten(lines: &[Vec<u8>], seq: u64) -> Vec<Vec<u8>> {
    let mut previous = facts::envelope::GENESIS;
    let seal = |line: &Vec<u8>| {
        let at = line.windows(8).position(|window| window == b",\"fact\":").unwrap() + 8;
        let mut fact = Fact::from_stored(&line[at..line.len() - 1]).unwrap();
        if fact.seq == seq {
            fact.new.body["amount"] = 1_000_000.into();
        }
        let (sealed, bytes) = fact.new.seal(fact.seq, fact.stream_version, fact.recorded_at, previous);
        previous = sealed.hash;
        let exported = ledger::Exported {
            seq: sealed.seq,
            bytes,
            hash: sealed.hash,
        };
        exported.line()
    };
    lines.iter().map(seal).collect()
}

fn edited(line: &[u8]) -> Vec<u8> {
    String::from_utf8(line.to_vec())
        .unwrap()
        .replace("\"amount\":1", "\"amount\":9")
        .into_bytes()
}

#[tokio::test]
async fn a_checkpoint_says_what_was_signed_and_nothing_else_opens() {
    let (ours, other) = (key(1), key(2));
    let ledger = ten_facts().await;
    let Checkpoint { position, hash } = checkpoint(&ledger, 10).await;
    let statement = Statement {
        ledger: FactId::of_key("1"),
        position,
        hash,
        time: "2026-03-01T14:05:00Z".parse().unwrap(),
    };
    let envelope = statement.sign(&ours).unwrap();
    let keys = [ours.public().clone()];
    assert_eq!(
        Statement::open(&envelope, &keys).unwrap(),
        (statement.clone(), ours.id().clone())
    );
    assert!(matches!(
        Statement::open(&envelope, &[other.public().clone()]),
        Err(StatementError::Envelope(_))
    ));
    let nonsense = Envelope::sign(CHECKPOINT_TYPE, b"{\"position\":1}", &ours);
    assert!(matches!(
        Statement::open(&nonsense, &keys),
        Err(StatementError::Body(_))
    ));
    // The form in which others read it.
    assert_eq!(
        serde_json::to_string(&statement).unwrap(),
        format!(
            "{{\"ledger\":\"{}\",\"position\":10,\"hash\":\"{hash}\",\"time\":\"2026-03-01T14:05:00Z\"}}",
            statement.ledger
        )
    );
}

#[tokio::test]
async fn an_export_is_checked_without_its_ledger() {
    let ledger = ten_facts().await;
    let lines = exported(&ledger).await;
    let kept = vec![checkpoint(&ledger, 10).await, checkpoint(&ledger, 4).await];
    let verification = check(&lines, of(&kept));
    assert!(verification.is_good(), "{:?}", verification.fault);
    assert_eq!((verification.checked, verification.checkpoint), (10, kept[0]));
    assert_eq!(against(&ledger, kept).await.unwrap(), None);
    // It has grown since: everything signed is still there.
    assert!(check(&lines, of(&[checkpoint(&ledger, 6).await])).is_good());
}

#[tokio::test]
async fn each_way_to_change_an_export_is_found_at_its_first_bad_fact() {
    let lines = exported(&ten_facts().await).await;
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        let fault = check(&lines, Vec::new()).fault.expect("a fault");
        (fault.seq, fault.problem)
    };
    assert_eq!(with(&|lines| lines[3] = edited(&lines[3])), (4, Problem::Hash));
    assert_eq!(with(&|lines| drop(lines.remove(3))), (4, Problem::Missing));
    assert_eq!(with(&|lines| drop(lines.remove(0))), (1, Problem::Missing));
    assert_eq!(with(&|lines| lines.swap(3, 7)), (4, Problem::Missing));
    let anew = rewritten(&lines, 4);
    assert_eq!(with(&|lines| lines[3].clone_from(&anew[3])), (5, Problem::Chain));
    for broken in [&b"{}"[..], b"", b"nonsense", br#"{"hash":"sha256:00","fact":{}}"#] {
        let found = with(&|lines| lines[5] = broken.to_vec());
        assert!(matches!(found, (6, Problem::Bytes(_))), "{found:?}");
    }
}

#[tokio::test]
async fn a_cut_end_and_a_history_written_anew_are_found_by_checkpoints_alone() {
    let ledger = ten_facts().await;
    let lines = exported(&ledger).await;
    let kept = vec![checkpoint(&ledger, 3).await, checkpoint(&ledger, 8).await];

    assert!(
        check(&lines[..6], Vec::new()).is_good(),
        "the chain alone does not tell"
    );
    let fault = check(&lines[..6], of(&kept)).fault.unwrap();
    assert_eq!((fault.seq, &fault.problem), (7, &Problem::CutOff { recorded: 8 }));
    assert_eq!(
        fault.to_string(),
        "fact 7: the ledger ends before it, but facts up to 8 were recorded"
    );

    let anew = rewritten(&lines, 5);
    assert!(check(&anew, Vec::new()).is_good(), "the chain alone does not tell");
    let fault = check(&anew, of(&kept)).fault.unwrap();
    assert_eq!((fault.seq, &fault.problem), (8, &Problem::Rewritten { intact: 3 }));
    assert_eq!(
        fault.to_string(),
        "fact 8: the history was written anew: the fact here is not the one that was signed; facts up to 3 are"
    );
    let fault = check(&rewritten(&lines, 2), of(&kept)).fault.unwrap();
    assert_eq!((fault.seq, fault.problem), (3, Problem::Rewritten { intact: 0 }));
}

#[tokio::test]
async fn a_ledger_is_compared_with_checkpoints_that_were_kept() {
    let (ledger, other) = (ten_facts().await, ten_facts().await);
    let more: NewFact = claiming("11", "even", "key-11");
    other.append(Append::unconditional(vec![more])).await.unwrap();
    let third = checkpoint(&ledger, 3).await;
    assert_eq!(
        against(&ledger, vec![checkpoint(&other, 11).await, third])
            .await
            .unwrap(),
        Some(Fault {
            seq: 11,
            problem: Problem::CutOff { recorded: 11 }
        })
    );
    let wrong = Checkpoint {
        position: 7,
        ..checkpoint(&ledger, 8).await
    };
    assert_eq!(
        against(&ledger, vec![wrong, third]).await.unwrap(),
        Some(Fault {
            seq: 7,
            problem: Problem::Rewritten { intact: 3 }
        })
    );
}

#[tokio::test]
async fn a_checkpoint_of_another_ledger_is_told_as_such() {
    let ledger = ten_facts().await;
    let place = checkpoint(&ledger, 4).await;
    let of = |first: &str| Statement {
        ledger: FactId::of_key(first),
        position: place.position,
        hash: place.hash,
        time: "2026-03-01T14:05:00Z".parse().unwrap(),
    };
    let lines = exported(&ledger).await;
    assert_eq!(against(&ledger, [&of("1")]).await.unwrap(), None);
    assert!(check(&lines, vec![(&of("1")).into()]).is_good());
    let expected = Some(Fault {
        seq: 1,
        problem: Problem::OtherLedger {
            expected: FactId::of_key("other"),
        },
    });
    assert_eq!(against(&ledger, [&of("other")]).await.unwrap(), expected);
    assert_eq!(check(&lines, vec![(&of("other")).into()]).fault, expected);
}
