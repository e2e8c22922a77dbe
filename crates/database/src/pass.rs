//! One run through one script, the same on every kind of database.
//!
//! - *Together*: all statements, their rows in the journal, and the end of the migration commit in one
//!   transaction, so a file is applied or it is not.
//! - *One by one*: each statement commits together with its row. One that takes effect by itself is
//!   journaled before (with what is to be seen of it then) and after; if nobody saw its end, the database
//!   is looked at before anything is repeated.
//!
//! A statement that waits too long for a lock gives way, so that others do not queue behind it, and is
//! tried again after a pause: alone, or with all of its transaction.

use std::ops::ControlFlow;
use std::time::Duration;

use facts::{Clock, Digest};

use crate::dialect::{Dialect, Effect};
use crate::engine::{Engine, EngineError, EntryState, Event, Observed, OnEvent, RunError, Script, Trouble};
use crate::journal::Journal;
use crate::migration::{Kind, Migration};
use crate::statement::Statement;

/// How often is what is blocked tried again, and after what pauses.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How many times a statement or a file is tried.
    pub tries: u32,
    /// The pause after the first time; each is twice the one before.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Patience {
    /// Ten times, with pauses of one to thirty seconds: some three minutes, and the time spent waiting.
    fn default() -> Self {
        Self {
            tries: 10,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// How long to pause after so many times, from 1; `None` when that was the last.
    fn pause(&self, tried: u32) -> Option<Duration> {
        (tried < self.tries).then(|| {
            let factor = 1_u32 << tried.saturating_sub(1).min(16);
            self.first_pause.saturating_mul(factor).min(self.longest_pause)
        })
    }
}

/// How often somebody who waits is asked whether to stop.
const SLICE: Duration = Duration::from_millis(200);

/// Why an attempt ended.
enum Ended {
    Blocked { index: usize, reason: String },
    Run(RunError),
}

impl From<RunError> for Ended {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

impl From<EngineError> for Ended {
    fn from(error: EngineError) -> Self {
        Self::Run(error.into())
    }
}

/// A run through a script.
pub(crate) struct Pass<'a> {
    pub(crate) engine: &'a mut dyn Engine,
    pub(crate) journal: Journal,
    pub(crate) script: &'a Script<'a>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) patience: Patience,
    pub(crate) on_event: &'a mut OnEvent<'a>,
}

impl Pass<'_> {
    /// Runs the script from its first statement that did not take effect yet, and journals it. After an
    /// error the database is as the journal says.
    pub(crate) fn run(&mut self) -> Result<(), RunError> {
        self.journal.make(self.engine)?;
        let result = if self.script.migration.transaction && self.script.done == 0 {
            self.together()
        } else {
            self.one_by_one()
        };
        if let Err(RunError::Statement {
            line, number, reason, ..
        }) = &result
        {
            // What failed is worth keeping; that it could not be kept is not worth hiding the failure.
            let _ = self.note_failure(&format!("statement {number}, line {line}: {reason}"));
        }
        result
    }

    fn state(&self, ended: bool) -> EntryState {
        match (self.script.takes_back.is_some(), ended) {
            (false, false) => EntryState::Open,
            (false, true) => EntryState::Applied,
            (true, false) => EntryState::Undoing,
            (true, true) => EntryState::Undone,
        }
    }

    /// Whose row it is: for an undo script, that of what it takes back.
    fn of(&self) -> &Migration {
        self.script.takes_back.unwrap_or(self.script.migration)
    }

    fn statement(&self, index: usize) -> Option<&Statement> {
        self.script.migration.statements.get(index)
    }

    /// Does `work` in a transaction, which is taken back when it fails.
    fn in_transaction<T, E: From<EngineError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.engine.begin()?;
        let result = work(self);
        if result.is_err() {
            self.engine.roll_back();
        }
        result
    }

    /// All statements and the journal in one transaction.
    fn together(&mut self) -> Result<(), RunError> {
        let mut tried = 0;
        loop {
            crashpoint::reach("database.migration.begin");
            match self.in_transaction(Self::all_of_it) {
                Ok(()) => return Ok(()),
                Err(Ended::Run(error)) => return Err(error),
                Err(Ended::Blocked { index, reason }) => {
                    tried += 1;
                    self.wait(index, reason, tried)?;
                }
            }
        }
    }

    fn all_of_it(&mut self) -> Result<(), Ended> {
        let left = "nothing of the file took effect: mend it and run again";
        let harm = self.engine.harm()?;
        self.begin_entry()?;
        for index in 0..self.script.migration.statements.len() {
            self.about_to(index)?;
            crashpoint::reach("database.statement.before");
            self.apply(index, left)?;
            self.journal_done(index)?;
            crashpoint::reach("database.statement.after");
        }
        if self.engine.harm()? > harm {
            let last = self.script.migration.statements.len().saturating_sub(1);
            let reason = "the file leaves references to rows that are not there (see `PRAGMA foreign_key_check`)";
            return Err(self.failed(last, reason, left).into());
        }
        self.end_entry()?;
        crashpoint::reach("database.commit.before");
        self.engine.commit()?;
        crashpoint::reach("database.commit.after");
        Ok(())
    }

    /// Each statement for itself.
    fn one_by_one(&mut self) -> Result<(), RunError> {
        let done = self.script.done;
        // A row that is open already says from where on statements are its own, also those that were begun.
        let of = self.script.takes_back.unwrap_or(self.script.migration);
        if self.journal.state(self.engine, of)? != Some(self.state(false)) {
            self.in_transaction(|pass| {
                pass.begin_entry()?;
                crashpoint::reach("database.migration.begin");
                pass.engine.commit()
            })?;
        }
        // An earlier run had a session of its own, which is gone.
        for index in 0..done {
            if self.effect(index) == Effect::OnSession {
                self.apply(index, &left(done)).map_err(|ended| self.final_word(ended))?;
            }
        }
        for index in done..self.script.migration.statements.len() {
            let mut tried = 0;
            loop {
                self.about_to(index)?;
                crashpoint::reach("database.statement.before");
                let result = match self.effect(index) {
                    Effect::ByItself => self.by_itself(index),
                    Effect::WithTransaction | Effect::OnSession => self.with_transaction(index),
                };
                match result {
                    Ok(()) => break,
                    Err(Ended::Run(error)) => return Err(error),
                    Err(Ended::Blocked { index, reason }) => {
                        tried += 1;
                        self.wait(index, reason, tried)?;
                    }
                }
            }
        }
        crashpoint::reach("database.commit.before");
        self.in_transaction(|pass| {
            pass.end_entry()?;
            pass.engine.commit()
        })?;
        crashpoint::reach("database.commit.after");
        Ok(())
    }

    fn effect(&self, index: usize) -> Effect {
        let dialect = self.engine.dialect();
        self.statement(index)
            .map_or(Effect::WithTransaction, |statement| dialect.effect(statement))
    }

    /// A statement and its row in one transaction.
    fn with_transaction(&mut self, index: usize) -> Result<(), Ended> {
        self.in_transaction(|pass| {
            pass.apply(index, &left(index))?;
            pass.journal_done(index)?;
            crashpoint::reach("database.statement.after");
            pass.engine.commit()?;
            Ok(())
        })
    }

    /// A statement that takes effect by itself, between two rows.
    fn by_itself(&mut self, index: usize) -> Result<(), Ended> {
        let (migration, of) = (
            self.script.migration,
            self.script.takes_back.unwrap_or(self.script.migration),
        );
        let Some(statement) = migration.statements.get(index) else {
            return Ok(());
        };
        let begun = self.journal.begun(self.engine, migration, of, index)?;
        match &begun {
            None => {
                let mark = self.engine.mark(statement)?;
                self.journal
                    .statement(self.engine, migration, (index, statement), Some(&mark), self.clock)?;
                crashpoint::reach("database.statement.intended");
            }
            Some(begun) => {
                if begun.checksum != Digest::of(&statement.sql) {
                    let reason =
                        "whose text was another then\n  hint: restore it, so that it can be found out what came of it";
                    return Err(self.unseen(index, reason.to_owned()).into());
                }
                match self.engine.observe(statement, &begun.mark)? {
                    Observed::Done => {
                        self.journal_done(index)?;
                        let text = format!(
                            "statement {} took effect in an earlier run, as the database shows",
                            index + 1
                        );
                        // A wish to stop is heard before the next statement.
                        let _ = (self.on_event)(Event::Note(text));
                        return Ok(());
                    }
                    Observed::NotDone => {}
                    Observed::Unknown => {
                        let reason = format!(
                            "and the database does not show whether it took effect\n  hint: look, and write what you find: \
                             `UPDATE throughline_statements SET state = 'done' WHERE id = {}`, or 'failed' to have it run again",
                            begun.id
                        );
                        return Err(self.unseen(index, reason).into());
                    }
                }
            }
        }
        let applied = self.apply(index, &left(index));
        match applied {
            Ok(()) => {
                crashpoint::reach("database.statement.after");
                self.journal_done(index)?;
                Ok(())
            }
            Err(Ended::Run(RunError::Engine(error))) => Err(error.into()),
            // It has answered, so that it can be looked at at once: what it left behind goes.
            Err(ended) => {
                if let Ok(Some(begun)) = self.journal.begun(self.engine, migration, of, index)
                    && let Ok(Observed::NotDone) = self.engine.observe(statement, &begun.mark)
                {
                    let _ = self.journal.not_done(self.engine, begun.id);
                }
                Err(ended)
            }
        }
    }

    /// Says what comes next, and sees that nobody else is at work.
    fn about_to(&mut self, index: usize) -> Result<(), RunError> {
        if (self.on_event)(Event::Statement(index)).is_break() {
            return Err(self.stopped(index));
        }
        Ok(self.engine.check_lock()?)
    }

    fn apply(&mut self, index: usize, left: &str) -> Result<(), Ended> {
        let Some(statement) = self.script.migration.statements.get(index) else {
            return Ok(());
        };
        match self.engine.apply(statement) {
            Ok(()) => Ok(()),
            Err(Trouble::Engine(error)) => Err(error.into()),
            Err(Trouble::Blocked(reason)) => Err(Ended::Blocked { index, reason }),
            Err(Trouble::Failed(reason)) => {
                let alone = self.effect(index) == Effect::ByItself && self.engine.dialect() == Dialect::Sqlite;
                let hint = if alone && self.script.migration.transaction {
                    "; it may need `-- no-transaction` at the head of the file"
                } else {
                    ""
                };
                Err(self.failed(index, &format!("{reason}{hint}"), left).into())
            }
        }
    }

    /// Pauses before the next attempt.
    fn wait(&mut self, index: usize, reason: String, tried: u32) -> Result<(), RunError> {
        let Some(pause) = self.patience.pause(tried) else {
            return Err(self.blocked(index, reason, tried));
        };
        let told = format!(
            "statement {} waits for others ({reason}); it is tried again in {} s",
            index + 1,
            pause.as_secs_f32()
        );
        let mut answer = (self.on_event)(Event::Waiting(told));
        let mut left = pause;
        while !left.is_zero() && answer.is_continue() {
            // Nobody tells when a lock is free without waiting for it, and waiting is what holds others up.
            std::thread::sleep(left.min(SLICE));
            left = left.saturating_sub(SLICE);
            answer = (self.on_event)(Event::StillWaiting);
        }
        match answer {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(self.stopped(index)),
        }
    }

    fn blocked(&self, index: usize, reason: String, tried: u32) -> RunError {
        RunError::Blocked {
            file: self.script.migration.file.clone(),
            line: self.statement(index).map_or(1, |statement| statement.line),
            number: index + 1,
            tried,
            reason,
        }
    }

    fn unseen(&self, index: usize, reason: String) -> RunError {
        RunError::Unseen {
            file: self.script.migration.file.clone(),
            line: self.statement(index).map_or(1, |statement| statement.line),
            number: index + 1,
            reason,
        }
    }

    fn final_word(&self, ended: Ended) -> RunError {
        match ended {
            Ended::Run(error) => error,
            Ended::Blocked { index, reason } => self.blocked(index, reason, 1),
        }
    }

    fn stopped(&self, index: usize) -> RunError {
        RunError::Stopped {
            file: self.script.migration.file.clone(),
            number: index + 1,
        }
    }

    fn failed(&self, index: usize, reason: &str, left: &str) -> RunError {
        let statement = self.statement(index);
        RunError::Statement {
            file: self.script.migration.file.clone(),
            line: statement.map_or(1, |statement| statement.line),
            number: index + 1,
            reason: reason.to_owned(),
            summary: statement.map(Statement::summary).unwrap_or_default(),
            left: left.to_owned(),
        }
    }

    fn begin_entry(&mut self) -> Result<(), EngineError> {
        let state = self
            .journal
            .state(self.engine, self.script.takes_back.unwrap_or(self.script.migration))?;
        if self.of().kind == Kind::Versioned && state == Some(self.state(true)) {
            // The lock keeps runners apart that know the database by one name; this, all others.
            let location = self.engine.location();
            return Err(EngineError::Locked { location });
        }
        let state = self.state(false);
        let of = self.script.takes_back.unwrap_or(self.script.migration);
        self.journal.begin(self.engine, of, state, self.clock)
    }

    fn end_entry(&mut self) -> Result<(), EngineError> {
        let state = self.state(true);
        let of = self.script.takes_back.unwrap_or(self.script.migration);
        self.journal.end(self.engine, of, state, self.clock)
    }

    fn journal_done(&mut self, index: usize) -> Result<(), EngineError> {
        let migration = self.script.migration;
        match migration.statements.get(index) {
            Some(statement) => self
                .journal
                .statement(self.engine, migration, (index, statement), None, self.clock),
            None => Ok(()),
        }
    }

    fn note_failure(&mut self, failure: &str) -> Result<(), EngineError> {
        self.in_transaction(|pass| {
            let of = pass.script.takes_back.unwrap_or(pass.script.migration);
            let there = pass.journal.state(pass.engine, of)?;
            // A forward script that failed as a whole leaves a row that says so; a repeatable one or an
            // undo that failed as a whole leaves the row of what is still there.
            if there.is_none_or(|state| state == EntryState::Undone) && pass.script.takes_back.is_none() {
                pass.begin_entry()?;
            }
            pass.journal.fail(pass.engine, of, failure)?;
            pass.engine.commit()
        })
    }
}

/// What is left in the database when the statement at `index` fails.
fn left(index: usize) -> String {
    match index {
        0 => "nothing of the file took effect: mend it and run again".to_owned(),
        1 => "the statement before it took effect: mend it and run again, which goes on here".to_owned(),
        more => format!("{more} statements before it took effect: mend it and run again, which goes on here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_end() {
        let patience = Patience {
            tries: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(3),
        };
        let pauses: Vec<_> = (1..=5)
            .map(|tried| patience.pause(tried).map(|pause| pause.as_secs()))
            .collect();
        assert_eq!(pauses, [Some(1), Some(2), Some(3), Some(3), None]);
    }
}
