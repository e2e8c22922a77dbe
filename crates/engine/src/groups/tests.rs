//! Who may enter a group, step by step and under schedules drawn by chance.

mod schedules;

use super::*;

fn wanted(run: u32, place: usize, rule: GroupRule) -> Wanted {
    Wanted {
        key: "k/deploy".to_owned(),
        name: "deploy".to_owned(),
        member: Member {
            since: Timestamp::from_second(i64::from(run)).unwrap(),
            run: id(run),
            place: Some(place),
            step: StepName::new(format!("s{place}")).ok(),
        },
        rule,
    }
}

fn id(run: u32) -> RunId {
    RunId::of_key(&run.to_string())
}

/// A pool and what its runs hold in the ledger.
#[derive(Default)]
struct Bench {
    pool: GroupPool,
    changed: Arc<Notify>,
}

impl Bench {
    fn asks(&self, wanted: &[Wanted]) -> Vec<Option<u64>> {
        self.pool.enter(wanted[0].member.run, &self.changed, wanted)
    }

    fn holds(&self, wanted: &Wanted, turn: u64, now: bool) {
        let had = BTreeMap::from([(wanted.key.clone(), turn)]);
        let now = if now {
            vec![(wanted.key.as_str(), wanted.member.clone())]
        } else {
            Vec::new()
        };
        self.pool.hold(wanted.member.run, &Holding { had: &had, now });
    }
}

#[test]
fn who_was_asked_for_first_goes_first() {
    let bench = Bench::default();
    let (one, two, three) = (
        wanted(1, 0, GroupRule::Queue),
        wanted(2, 0, GroupRule::Queue),
        wanted(3, 0, GroupRule::Queue),
    );
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [Some(1)]);
    bench.holds(&two, 1, true);
    assert_eq!(bench.asks(std::slice::from_ref(&three)), [None]);
    assert_eq!(bench.asks(std::slice::from_ref(&one)), [None]);
    let waits = bench.pool.waiting(id(3));
    assert_eq!((waits[0].run, waits[0].group.as_str()), (id(2), "deploy"));
    bench.holds(&two, 1, false);
    assert_eq!(bench.asks(std::slice::from_ref(&three)), [None]);
    assert_eq!(bench.asks(std::slice::from_ref(&one)), [Some(2)]);
}

#[test]
fn steps_of_one_run_wait_for_one_another_whatever_the_rule() {
    let bench = Bench::default();
    let both = [wanted(1, 0, GroupRule::Replace), wanted(1, 1, GroupRule::Replace)];
    assert_eq!(bench.asks(&both), [Some(1), None]);
    bench.holds(&both[0], 1, true);
    assert_eq!(bench.asks(&both[1..]), [None]);
    assert_eq!(bench.pool.called_off(id(1)), []);
    bench.holds(&both[0], 1, false);
    assert_eq!(bench.asks(&both[1..]), [Some(2)]);
}

#[test]
fn a_newer_run_ends_those_that_wait_or_also_who_works() {
    for (rule, stops) in [(GroupRule::Newest, false), (GroupRule::Replace, true)] {
        let bench = Bench::default();
        let (one, two, three) = (wanted(1, 0, rule), wanted(2, 0, rule), wanted(3, 0, rule));
        assert_eq!(bench.asks(std::slice::from_ref(&one)), [Some(1)]);
        bench.holds(&one, 1, true);
        bench.asks(std::slice::from_ref(&two));
        bench.asks(std::slice::from_ref(&three));
        let off = bench.pool.called_off(id(2));
        assert_eq!(off.iter().map(|off| off.by).collect::<Vec<_>>(), [id(3)]);
        let stopped = bench.pool.called_off(id(1));
        assert_eq!(!stopped.is_empty(), stops);
        // An older run that comes late does not go back behind a newer one.
        bench.asks(std::slice::from_ref(&two));
        assert_eq!(bench.pool.called_off(id(2)).len(), 1);
        bench.holds(&one, 1, false);
        assert_eq!(bench.asks(std::slice::from_ref(&three)), [Some(2)]);
    }
}

#[test]
fn a_newer_run_takes_the_turn_of_one_that_has_not_entered_yet() {
    let bench = Bench::default();
    let (one, two) = (wanted(1, 0, GroupRule::Newest), wanted(2, 0, GroupRule::Newest));
    assert_eq!(bench.asks(std::slice::from_ref(&one)), [Some(1)]);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [Some(1)]);
    let off = bench.pool.called_off(id(1));
    assert_eq!((off.len(), off[0].by), (1, id(2)));
    assert_eq!(bench.pool.waiting(id(2)), []);
}

#[test]
fn the_last_turn_is_found() {
    for last in [0, 1, 2, 3, 7, 8, 1_000] {
        let mut search = TurnSearch::default();
        let mut looks = 0;
        while let Some(turn) = search.next() {
            search.found(turn <= last);
            looks += 1;
        }
        assert_eq!(search.last(), last);
        assert!(looks < 25, "{looks}");
    }
    assert_eq!(group_of_claim(&turn_claim("a/b:c", 3)), Some("a/b:c"));
    assert_eq!(group_of_claim("run:x"), None);
}

#[test]
fn a_turn_that_somebody_else_has_is_waited_for_until_its_end_is_seen() {
    let bench = Bench::default();
    let (one, two) = (wanted(1, 0, GroupRule::Queue), wanted(2, 0, GroupRule::Queue));
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [Some(1)]);
    // The ledger refused: turn 7 is the other's.
    bench.pool.learn("k/deploy", 7, Some(one.member.clone()));
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [None]);
    // What the other says of an earlier turn changes nothing.
    bench.holds(&one, 6, false);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [None]);
    bench.holds(&one, 7, false);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [Some(8)]);
}

#[test]
fn who_does_not_want_its_turn_any_more_gives_it_away() {
    let bench = Bench::default();
    let (one, two) = (wanted(1, 0, GroupRule::Queue), wanted(2, 0, GroupRule::Queue));
    assert_eq!(bench.asks(std::slice::from_ref(&one)), [Some(1)]);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [None]);
    // It goes on to want another group, and asks for nothing of this one.
    let elsewhere = Wanted {
        key: "k/other".to_owned(),
        ..one.clone()
    };
    assert_eq!(bench.asks(std::slice::from_ref(&elsewhere)), [Some(1)]);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [Some(1)]);
    // Nor does it keep the place in the queue that it gave away.
    bench.holds(&two, 1, true);
    bench.holds(&two, 1, false);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [Some(2)]);
    assert!(bench.pool.enter(id(7), &bench.changed, &[]).is_empty());
}

#[test]
fn who_wants_two_groups_keeps_both_turns() {
    let bench = Bench::default();
    let both = [
        wanted(1, 0, GroupRule::Queue),
        Wanted {
            key: "k/other".to_owned(),
            ..wanted(1, 1, GroupRule::Queue)
        },
    ];
    assert_eq!(bench.asks(&both), [Some(1), Some(1)]);
    let later = wanted(2, 0, GroupRule::Queue);
    assert_eq!(bench.asks(std::slice::from_ref(&later)), [None]);
    assert_eq!(bench.asks(&both), [Some(1), Some(1)]);
}

#[test]
fn it_is_told_what_is_waited_for_and_nobody_waits_for_itself() {
    let bench = Bench::default();
    let (one, two, three) = (
        wanted(1, 0, GroupRule::Queue),
        wanted(2, 0, GroupRule::Queue),
        wanted(3, 4, GroupRule::Queue),
    );
    bench.asks(std::slice::from_ref(&two));
    assert_eq!(bench.pool.waiting(id(2)), []);
    bench.holds(&two, 1, true);
    bench.asks(std::slice::from_ref(&three));
    let told = bench.pool.waiting(id(3));
    assert_eq!(
        (told.len(), told[0].run, told[0].by.clone()),
        (1, id(2), two.member.step.clone())
    );
    assert_eq!(told[0].step, three.member.step);
    assert_eq!(
        told[0].to_string(),
        format!("waits for `s0` of run {} in the group `deploy`", id(2))
    );
    let whole = Waiting {
        by: None,
        ..told[0].clone()
    };
    assert_eq!(
        whole.to_string(),
        format!("waits for run {} in the group `deploy`", id(2))
    );
    assert_eq!(bench.pool.waiting(id(2)), []);
    // An older one comes later: it waits for who is in, as the younger one does.
    bench.asks(std::slice::from_ref(&one));
    assert_eq!(bench.pool.waiting(id(1)).len(), 1);
}

#[test]
fn a_group_that_is_held_by_a_run_of_another_server_is_looked_for_in_the_ledger() {
    let bench = Bench::default();
    let (one, other) = (wanted(1, 0, GroupRule::Queue), wanted(9, 0, GroupRule::Queue));
    bench.pool.learn("k/deploy", 7, Some(other.member.clone()));
    assert_eq!(bench.pool.held_elsewhere(id(1)), Vec::<String>::new());
    bench.asks(std::slice::from_ref(&one));
    assert_eq!(bench.pool.held_elsewhere(id(1)), ["k/deploy"]);
    // A run that wants nothing of it looks for nothing.
    bench.asks(&[Wanted {
        key: "k/other".to_owned(),
        ..wanted(3, 0, GroupRule::Queue)
    }]);
    assert_eq!(bench.pool.held_elsewhere(id(3)), Vec::<String>::new());
    // Nor does it become one of those that are known here by wanting nothing.
    assert!(bench.pool.enter(id(9), &bench.changed, &[]).is_empty());
    assert_eq!(bench.pool.held_elsewhere(id(1)), ["k/deploy"]);
    // When the run comes to be driven here, its end is heard.
    bench.asks(std::slice::from_ref(&other));
    assert_eq!(bench.pool.held_elsewhere(id(1)), Vec::<String>::new());
}

#[test]
fn what_was_learned_later_counts() {
    let bench = Bench::default();
    let (one, two) = (wanted(1, 0, GroupRule::Queue), wanted(2, 0, GroupRule::Queue));
    bench.pool.learn("k/deploy", 7, Some(one.member.clone()));
    bench.asks(std::slice::from_ref(&two));
    bench.pool.learn("k/deploy", 3, None);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [None]);
    bench.pool.learn("k/deploy", 7, None);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [Some(8)]);
    // That nobody is in it takes nothing from whose turn it is to try.
    bench.asks(std::slice::from_ref(&one));
    bench.pool.learn("k/deploy", 7, None);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [Some(8)]);
    assert_eq!(bench.asks(std::slice::from_ref(&one)), [None]);
}

#[test]
fn what_is_said_of_an_end_twice_takes_no_turn_away() {
    let bench = Bench::default();
    let (one, two, three) = (
        wanted(1, 0, GroupRule::Queue),
        wanted(2, 0, GroupRule::Queue),
        wanted(3, 0, GroupRule::Queue),
    );
    bench.asks(std::slice::from_ref(&three));
    bench.holds(&three, 1, true);
    bench.asks(std::slice::from_ref(&two));
    bench.holds(&three, 1, false);
    bench.asks(std::slice::from_ref(&one));
    bench.holds(&three, 1, false);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [Some(2)]);
    assert_eq!(bench.asks(std::slice::from_ref(&one)), [None]);
}

#[test]
fn a_run_that_is_not_driven_any_more_leaves_its_place_in_the_queue_and_not_what_it_holds() {
    let bench = Bench::default();
    let (one, two, three) = (
        wanted(1, 0, GroupRule::Queue),
        wanted(2, 0, GroupRule::Queue),
        wanted(3, 0, GroupRule::Queue),
    );
    for wanted in [&one, &two, &three] {
        bench.asks(std::slice::from_ref(wanted));
    }
    bench.pool.leave(id(1));
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [Some(1)]);
    bench.holds(&two, 1, true);
    bench.pool.leave(id(2));
    assert_eq!(bench.asks(std::slice::from_ref(&three)), [None]);
    assert_eq!(bench.pool.held_elsewhere(id(3)), ["k/deploy"]);
    assert_eq!(bench.pool.keys(), ["k/deploy"]);
    bench.pool.leave(id(3));
    bench.pool.learn("k/deploy", 1, None);
    assert_eq!(bench.asks(std::slice::from_ref(&one)), [Some(2)]);
}

#[test]
fn a_turn_that_has_ended_stays_so_whoever_says_later_that_it_goes_on() {
    let bench = Bench::default();
    let (one, two) = (wanted(1, 0, GroupRule::Queue), wanted(2, 0, GroupRule::Queue));
    bench.asks(std::slice::from_ref(&one));
    bench.holds(&one, 7, true);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [None]);
    bench.holds(&one, 7, false);
    // The ledger was read before, and a server's knowledge of the run is older still.
    bench.pool.learn("k/deploy", 7, Some(one.member.clone()));
    bench.holds(&one, 7, true);
    assert_eq!(bench.asks(std::slice::from_ref(&two)), [Some(8)]);
    // The same where the ledger said that it has ended.
    bench.holds(&two, 8, true);
    bench.pool.learn("k/deploy", 8, None);
    bench.holds(&two, 8, true);
    assert_eq!(bench.asks(std::slice::from_ref(&one)), [Some(9)]);
    // A later turn is another one.
    bench.pool.learn("k/deploy", 9, Some(two.member.clone()));
    assert_eq!(bench.asks(std::slice::from_ref(&one)), [None]);
}

#[test]
fn who_keeps_others_waiting_knows_it_and_is_woken_for_it() {
    let (bench, woken) = (Bench::default(), Arc::new(Notify::new()));
    let (one, two) = (wanted(1, 0, GroupRule::Queue), wanted(2, 0, GroupRule::Queue));
    let second = wanted(1, 1, GroupRule::Queue);
    let has_come = || futures_util::FutureExt::now_or_never(woken.notified()).is_some();
    bench.pool.enter(id(1), &woken, std::slice::from_ref(&one));
    assert!(has_come() && !bench.pool.keeps_waiting(id(1)));
    bench.holds(&one, 1, true);
    assert!(!bench.pool.keeps_waiting(id(1)));
    // Steps of the same run wait for what their run knows itself.
    bench.pool.enter(id(1), &woken, std::slice::from_ref(&second));
    assert!(!has_come() && !bench.pool.keeps_waiting(id(1)));
    bench.asks(std::slice::from_ref(&two));
    assert!(has_come());
    assert_eq!(
        (bench.pool.keeps_waiting(id(1)), bench.pool.keeps_waiting(id(2))),
        (true, false)
    );
    // Once is enough: who goes on waiting wakes nobody again.
    bench.asks(std::slice::from_ref(&two));
    assert!(!has_come());
    bench.holds(&one, 1, false);
    assert!(!bench.pool.keeps_waiting(id(1)));
}
