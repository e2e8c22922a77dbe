//! Groups: of all steps and runs in one group, one works at a time.
//!
//! What holds a group stands in the ledger: who enters claims the group's next turn, and a turn can be
//! claimed once. The pool here says whose turn it may be, so that runs of one server do not try in vain;
//! were it wrong, the ledger would refuse. Nobody leaves before that is durable, and nobody enters after a
//! turn whose end was not seen in the ledger.
//!
//! That a turn has ended stays so, whoever says later that it goes on. And what a server knows of a run may be
//! old, where another one has driven it further: whoever keeps others waiting looks in the ledger whether its
//! turn still goes on (`keeps_waiting`), and so does whoever waits for a run that is
//! not driven here (`held_elsewhere`). So nobody waits for a turn that is over.
//!
//! Whose run was asked for first goes first. A rule may end those that wait, or stop who works, when a newer
//! run comes; steps of one run always wait for one another.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use facts::{RunId, StepName, Timestamp};
use pipeline::plan::GroupRule;
use tokio::sync::Notify;

use crate::mutation::{self, Mutation};

/// The external key by which a fact claims a turn of a group.
pub(crate) fn turn_claim(key: &str, turn: u64) -> String {
    format!("group:{key}:{turn}")
}

/// The group of which `claim` claims a turn.
pub(crate) fn group_of_claim(claim: &str) -> Option<&str> {
    claim.strip_prefix("group:")?.rsplit_once(':').map(|(key, _)| key)
}

/// Finds the last turn of a group that was claimed. Turns are claimed one after the other.
#[derive(Debug, Default)]
pub(crate) struct TurnSearch {
    last: u64,
    /// The first that is known not to be claimed.
    end: Option<u64>,
}

impl TurnSearch {
    /// The turn to look for next; `None` when the last is found.
    pub(crate) fn next(&self) -> Option<u64> {
        match self.end {
            None => Some((self.last * 2).max(1)),
            Some(end) if end - self.last > 1 => Some(self.last + (end - self.last) / 2),
            Some(_) => None,
        }
    }

    /// Whether the turn looked for was claimed.
    pub(crate) fn found(&mut self, claimed: bool) {
        let Some(turn) = self.next() else { return };
        match claimed {
            true => self.last = turn,
            false => self.end = Some(turn),
        }
    }

    /// The last turn; 0 where there was none.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }
}

/// A step, or a whole run, that is in a group or wants to be. Whose run was asked for first stands first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// When the run was asked for.
    pub since: Timestamp,
    /// The run.
    pub run: RunId,
    /// The place of the step in the plan; absent for the whole run.
    pub place: Option<usize>,
    /// The step.
    pub step: Option<StepName>,
}

/// Somebody who wants to enter a group.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The group among all of the ledger's.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// Who.
    pub member: Member,
    /// What happens to others.
    pub rule: GroupRule,
}

/// What a run holds, as the ledger says.
#[derive(Debug)]
pub struct Holding<'a> {
    /// By group, the last turn that the run had.
    pub had: &'a BTreeMap<String, u64>,
    /// The groups it is in, with who.
    pub now: Vec<(&'a str, Member)>,
}

/// A newer run takes the turn of a step or a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledOff {
    /// What the group is called.
    pub group: String,
    /// The step; absent for the whole run.
    pub step: Option<StepName>,
    /// The newer run.
    pub by: RunId,
}

/// What a step or a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The step that waits; absent for the whole run.
    pub step: Option<StepName>,
    /// What the group is called.
    pub group: String,
    /// The run that is in it, or whose turn comes before.
    pub run: RunId,
    /// The step of that run; absent for the whole run.
    pub by: Option<StepName>,
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.by {
            Some(step) => write!(
                f,
                "waits for `{step}` of run {} in the group `{}`",
                self.run, self.group
            ),
            None => write!(f, "waits for run {} in the group `{}`", self.run, self.group),
        }
    }
}

/// The groups of all runs that are driven here.
#[derive(Debug, Default)]
pub struct GroupPool(Mutex<Groups>);

#[derive(Debug, Default)]
struct Groups {
    groups: HashMap<String, Group>,
    runs: HashMap<RunId, Mine>,
}

#[derive(Debug, Default)]
struct Group {
    name: String,
    /// The last turn that is known to have been claimed.
    turn: u64,
    /// The last turn that is known to have ended: nobody is in the group by it or an earlier one any more.
    ended: u64,
    holder: Option<Holder>,
    waiting: BTreeMap<Member, GroupRule>,
}

#[derive(Debug)]
struct Holder {
    member: Member,
    /// It stands in the ledger; else it is only this member's turn to try.
    durable: bool,
}

/// What is known of a run.
#[derive(Debug, Default)]
struct Mine {
    /// Groups that it is in or waits for.
    keys: BTreeSet<String>,
    called_off: Vec<CalledOff>,
    changed: Option<Arc<Notify>>,
}

impl GroupPool {
    /// Notes what `run` holds; who waits for what it has left may try.
    pub(crate) fn hold(&self, run: RunId, holding: &Holding<'_>) {
        let mut groups = self.lock();
        for (key, turn) in holding.had {
            let now = holding
                .now
                .iter()
                .find(|(held, _)| held == key)
                .map(|(_, member)| member);
            groups.note(run, key, *turn, now);
        }
    }

    /// `run` wants to enter these groups and no others; answers for each the turn it may claim.
    pub(crate) fn enter(&self, run: RunId, changed: &Arc<Notify>, wanted: &[Wanted]) -> Vec<Option<u64>> {
        let mut groups = self.lock();
        let known: BTreeSet<String> = match groups.runs.get(&run) {
            Some(mine) => mine.keys.clone(),
            None if wanted.is_empty() => return Vec::new(),
            None => BTreeSet::new(),
        };
        for key in &known {
            let wants = |member: &Member| {
                wanted
                    .iter()
                    .any(|wanted| wanted.key == *key && wanted.member == *member)
            };
            if let Some(group) = groups.groups.get_mut(key) {
                group.waiting.retain(|member, _| member.run != run || wants(member));
                let idle = |holder: &Holder| holder.member.run == run && !holder.durable && !wants(&holder.member);
                if group.holder.as_ref().is_some_and(idle) {
                    group.holder = None;
                }
            }
            groups.pass_on(key);
        }
        let mine = groups.runs.entry(run).or_default();
        mine.keys.extend(wanted.iter().map(|wanted| wanted.key.clone()));
        mine.changed = Some(Arc::clone(changed));
        for wanted in wanted {
            groups.wait(wanted);
        }
        wanted.iter().map(|wanted| groups.turn(wanted)).collect()
    }

    /// The members of `run` whose turn a newer run takes, since it last asked.
    pub(crate) fn called_off(&self, run: RunId) -> Vec<CalledOff> {
        let mut groups = self.lock();
        groups
            .runs
            .get_mut(&run)
            .map(|mine| std::mem::take(&mut mine.called_off))
            .unwrap_or_default()
    }

    /// The ledger says that `turn` was the last of this group, and who is in it now.
    pub(crate) fn learn(&self, key: &str, turn: u64, holder: Option<Member>) {
        let mut groups = self.lock();
        let group = groups.groups.entry(key.to_owned()).or_default();
        if turn < group.turn {
            return;
        }
        group.turn = turn;
        match holder {
            // The ledger was asked before the turn ended.
            Some(_) if turn <= group.ended => {}
            // Whoever was to try waits again; it is asked for with the next wish.
            Some(member) => group.holder = Some(Holder { member, durable: true }),
            None => groups.ended(key, turn),
        }
    }

    /// Whether others wait for a group that `run` is known to be in.
    pub(crate) fn keeps_waiting(&self, run: RunId) -> bool {
        let groups = self.lock();
        let Some(mine) = groups.runs.get(&run) else {
            return false;
        };
        mine.keys.iter().any(|key| {
            groups.groups.get(key).is_some_and(|group| {
                let is_in = |holder: &Holder| holder.durable && holder.member.run == run;
                group.holder.as_ref().is_some_and(is_in) && group.waiting.keys().any(|member| member.run != run)
            })
        })
    }

    /// The groups that `run` waits for and that a run is in which is not driven here: its end is seen in the
    /// ledger alone.
    pub(crate) fn held_elsewhere(&self, run: RunId) -> Vec<String> {
        let groups = self.lock();
        let Some(mine) = groups.runs.get(&run) else {
            return Vec::new();
        };
        let elsewhere = |key: &&String| {
            let Some(group) = groups.groups.get(*key) else {
                return false;
            };
            let waits = group.waiting.keys().any(|member| member.run == run);
            let holder = group.holder.as_ref().filter(|holder| holder.durable);
            waits && holder.is_some_and(|holder| !groups.runs.contains_key(&holder.member.run))
        };
        mine.keys.iter().filter(elsewhere).cloned().collect()
    }

    /// What the steps of `run`, and the run itself, wait for.
    pub fn waiting(&self, run: RunId) -> Vec<Waiting> {
        let groups = self.lock();
        let mut all = Vec::new();
        for key in groups.runs.get(&run).into_iter().flat_map(|mine| &mine.keys) {
            let Some(group) = groups.groups.get(key) else { continue };
            for member in group.waiting.keys().filter(|member| member.run == run) {
                // Whose turn it is waits for nobody, and somebody's it always is where anybody waits.
                let before = group.holder.as_ref().map(|holder| &holder.member);
                let before = before.filter(|before| *before != member);
                all.extend(before.map(|before| Waiting {
                    step: member.step.clone(),
                    group: group.name.clone(),
                    run: before.run,
                    by: before.step.clone(),
                }));
            }
        }
        all
    }

    /// `run` is not driven here any more. What it holds in the ledger it goes on holding.
    pub(crate) fn leave(&self, run: RunId) {
        let mut groups = self.lock();
        let Some(mine) = groups.runs.remove(&run) else { return };
        for key in &mine.keys {
            if let Some(group) = groups.groups.get_mut(key) {
                group.waiting.retain(|member, _| member.run != run);
                if group
                    .holder
                    .as_ref()
                    .is_some_and(|holder| holder.member.run == run && !holder.durable)
                {
                    group.holder = None;
                }
            }
            groups.pass_on(key);
        }
    }

    /// All groups that anything is known of.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.lock().groups.keys().cloned().collect();
        keys.sort();
        keys
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Groups {
    /// `run` had `turn`, and is in the group by `now`, or not any more.
    fn note(&mut self, run: RunId, key: &str, turn: u64, now: Option<&Member>) {
        let group = self.groups.entry(key.to_owned()).or_default();
        if turn < group.turn {
            return;
        }
        group.turn = turn;
        match now {
            // What is said of this run is older than what is known.
            Some(_) if turn <= group.ended => {}
            Some(member) => {
                group.waiting.remove(member);
                let member = member.clone();
                group.holder = Some(Holder { member, durable: true });
                self.runs.entry(run).or_default().keys.insert(key.to_owned());
            }
            None => self.ended(key, turn),
        }
    }

    /// The last turn of a group has ended.
    fn ended(&mut self, key: &str, turn: u64) {
        let Some(group) = self.groups.get_mut(key) else { return };
        group.ended = group.ended.max(turn);
        if group.holder.as_ref().is_some_and(|holder| holder.durable) {
            group.holder = None;
            self.pass_on(key);
        }
    }

    /// A free group is the turn of who has waited longest.
    fn pass_on(&mut self, key: &str) {
        let Some(group) = self.groups.get_mut(key) else { return };
        if group.holder.is_some() {
            return;
        }
        let Some((member, _)) = group.waiting.first_key_value() else {
            return;
        };
        let member = member.clone();
        if let Some(changed) = self.runs.get(&member.run).and_then(|mine| mine.changed.as_ref()) {
            changed.notify_one();
        }
        group.holder = Some(Holder { member, durable: false });
    }

    /// Somebody waits, and the rule says what becomes of others.
    fn wait(&mut self, wanted: &Wanted) {
        let me = &wanted.member;
        let group = self.groups.entry(wanted.key.clone()).or_default();
        group.name.clone_from(&wanted.name);
        let was_there = group.waiting.insert(me.clone(), wanted.rule).is_some();
        if !was_there && wanted.rule != GroupRule::Queue {
            let others: Vec<Member> = group
                .waiting
                .keys()
                .filter(|other| other.run != me.run)
                .cloned()
                .collect();
            let working = group.holder.as_ref().map(|holder| holder.member.clone());
            let working = working.filter(|holder| holder.run != me.run && !others.contains(holder));
            let age = |member: &Member| (member.since, member.run);
            if let Some(newer) = others.iter().chain(&working).find(|other| age(other) > age(me)) {
                let by = newer.run;
                self.call_off(&wanted.key, me, by);
            } else {
                for older in &others {
                    self.call_off(&wanted.key, older, me.run);
                }
                if let (GroupRule::Replace, Some(working)) = (wanted.rule, &working) {
                    self.call_off(&wanted.key, working, me.run);
                }
            }
        }
        if !was_there {
            self.tell_holder(&wanted.key, me.run);
        }
        self.pass_on(&wanted.key);
    }

    /// Who is in a group hears that it keeps others waiting now.
    fn tell_holder(&self, key: &str, by: RunId) {
        let holder = self.groups.get(key).and_then(|group| group.holder.as_ref());
        let Some(run) = holder.filter(|holder| holder.durable).map(|holder| holder.member.run) else {
            return;
        };
        let changed = self.runs.get(&run).and_then(|mine| mine.changed.as_ref());
        if let Some(changed) = changed.filter(|_| run != by) {
            changed.notify_one();
        }
    }

    /// A newer run takes the member's turn: it ends, or stops when it is in the group.
    fn call_off(&mut self, key: &str, member: &Member, by: RunId) {
        let Some(group) = self.groups.get_mut(key) else { return };
        group.waiting.remove(member);
        if group
            .holder
            .as_ref()
            .is_some_and(|holder| holder.member == *member && !holder.durable)
        {
            group.holder = None;
        }
        let called_off = CalledOff {
            group: group.name.clone(),
            step: member.step.clone(),
            by,
        };
        if let Some(mine) = self.runs.get_mut(&member.run) {
            mine.called_off.push(called_off);
            if let Some(changed) = &mine.changed {
                changed.notify_one();
            }
        }
    }

    /// The turn that somebody who waits may claim now.
    fn turn(&self, wanted: &Wanted) -> Option<u64> {
        let group = self.groups.get(&wanted.key)?;
        let mine = match &group.holder {
            _ if mutation::is(Mutation::EnterHeldGroups) => true,
            Some(holder) => holder.member == wanted.member,
            None => false,
        };
        mine.then_some(group.turn + 1)
    }
}

#[cfg(test)]
mod tests;
