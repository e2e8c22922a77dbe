//! A process and everything that it started.
//!
//! What belongs to a process is read from `/proc`: its descendants, and, where it leads a group or a
//! session, the members of those with their descendants, so that a child that lost its parent by a
//! double fork still belongs. A process that left both ways (a double fork and a session of its own)
//! is found only below a [subreaper](crate::subreaper), which remains its ancestor.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rustix::process::Signal;

use crate::identity::{Identity, Stat, boot};

fn everything() -> HashMap<u32, Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return HashMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, Stat::read(pid)?)))
        .collect()
}

/// The processes in `all` that descend from one of `roots`, with those of the roots that are in `all`.
fn grow(all: &HashMap<u32, Stat>, mut found: HashSet<u32>) -> HashSet<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (pid, stat) in all {
        children.entry(stat.parent).or_default().push(*pid);
    }
    let mut open: Vec<u32> = found.iter().copied().collect();
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if found.insert(*child) {
                open.push(*child);
            }
        }
    }
    found
}

/// Those that live, the eldest first, so parents before their children: a shell whose child is killed
/// before itself would go on to its next command.
fn alive(all: &HashMap<u32, Stat>, pids: impl IntoIterator<Item = u32>) -> Vec<Identity> {
    let mut alive: Vec<Identity> = pids
        .into_iter()
        .filter_map(|pid| {
            let stat = all.get(&pid).filter(|stat| stat.is_alive())?;
            Some(Identity {
                pid,
                start_time: stat.start_time,
                boot: boot(),
            })
        })
        .collect();
    alive.sort_by_key(|process| (process.start_time, process.pid));
    alive
}

/// Every living process below this one, itself not included, the eldest first.
pub fn descendants(of: Identity) -> Vec<Identity> {
    let all = everything();
    if of.boot != boot() || all.get(&of.pid).is_none_or(|stat| stat.start_time != of.start_time) {
        return Vec::new();
    }
    let mut found = grow(&all, HashSet::from([of.pid]));
    found.remove(&of.pid);
    alive(&all, found)
}

/// The process itself, its descendants and, if it `leads` its group or session, the members of those.
/// The group of a leader that has ended is still found; a new process with its pid is not.
pub fn members(of: Identity, leads: bool) -> Vec<Identity> {
    let all = everything();
    let reused = all.get(&of.pid).is_some_and(|stat| stat.start_time != of.start_time);
    if reused || of.boot != boot() {
        return Vec::new();
    }
    let mut found = HashSet::from([of.pid]);
    if leads {
        let belongs =
            |stat: &Stat| (stat.session == of.pid || stat.group == of.pid) && stat.start_time >= of.start_time;
        found.extend(all.iter().filter(|(_, stat)| belongs(stat)).map(|(pid, _)| *pid));
    }
    alive(&all, grow(&all, found))
}

/// Whether `pid` is `ancestor` or a descendant of it.
pub fn is_below(pid: u32, ancestor: u32) -> bool {
    let mut at = pid;
    // A chain of parents cannot be longer than there are pids; a broken one ends at 0.
    for _ in 0..100_000 {
        if at == ancestor {
            return true;
        }
        match Stat::read(at) {
            Some(stat) if stat.parent != 0 => at = stat.parent,
            _ => return false,
        }
    }
    false
}

/// Sends a signal to each that still lives.
pub fn signal_all(processes: &[Identity], signal: Signal) {
    for process in processes {
        // One that ended or changed its user is no reason to leave out the others.
        let _ = process.signal(signal);
    }
}

/// Waits until each of them has ended.
pub async fn ended_all(processes: &[Identity]) {
    for process in processes {
        let _ = process.ended().await;
    }
}

/// Kills the whole tree at once, without waiting for its end.
pub(crate) fn kill_now(of: Identity, leads: bool) {
    // A second look finds what was started during the first.
    for _ in 0..2 {
        let found = members(of, leads);
        if found.is_empty() {
            return;
        }
        signal_all(&found, Signal::KILL);
    }
}

/// Kills `found` and whatever `look` finds afterwards, until it finds nothing; `false` when something
/// does not end even so, such as a process of another user or one stuck in the kernel.
pub async fn kill_until_none(mut found: Vec<Identity>, look: impl Fn() -> Vec<Identity>) -> bool {
    const ROUNDS: usize = 200;
    const ROUND: Duration = Duration::from_millis(250);
    for _ in 0..ROUNDS {
        found.retain(Identity::is_alive);
        if found.is_empty() {
            found = look();
            if found.is_empty() {
                return true;
            }
        }
        signal_all(&found, Signal::KILL);
        let _ = tokio::time::timeout(ROUND, ended_all(&found)).await;
        found = look();
    }
    false
}

pub(crate) async fn kill_all(found: Vec<Identity>, of: Identity, leads: bool) -> bool {
    kill_until_none(found, || members(of, leads)).await
}

/// Ends a process that need not be a child of this one, with everything that it started: `signal`
/// first, what is left after `grace` is killed. `false` when something does not end even so.
pub async fn stop(process: Identity, signal: Signal, grace: Duration) -> bool {
    let mut found = members(process, leads(process));
    if !grace.is_zero() {
        signal_all(&found, signal);
        let _ = tokio::time::timeout(grace, ended_all(&found)).await;
    }
    let leads = leads(process);
    found.extend(members(process, leads));
    kill_all(found, process, leads).await
}

/// A process leads if its pid is the number of its group; one that has ended may have led.
fn leads(process: Identity) -> bool {
    process
        .stat()
        .is_none_or(|stat| stat.group == process.pid || stat.session == process.pid)
}
