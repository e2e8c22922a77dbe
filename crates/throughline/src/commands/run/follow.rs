//! Following a local run: its steps as they go, and its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::query::{RunRow, StepRow};
use engine::{RunResult, State, query};
use facts::{Actor, Clock, Digest, RunId, StepName};
use local::Local;

use super::{Modules, Wanted, tell};
use crate::commands::signals::Signals;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::show::screen::Screen;

/// The shortest time between two looks at the steps.
const PAUSE: Duration = Duration::from_millis(40);
/// How many times as long as a look took the next one is waited for, so that looking at many steps takes
/// no more than a tenth of the time from doing them.
const REST: u32 = 9;
/// How often a terminal is drawn anew while nothing happens, so that times go on.
const FRAME: Duration = Duration::from_millis(250);

/// How a run is shown.
pub(super) struct View {
    size: Option<fn() -> (usize, usize)>,
    why: bool,
    quiet: bool,
    clock: Arc<dyn Clock>,
    screen: Screen,
    told: BTreeMap<StepName, u32>,
    modules: Modules,
}

impl View {
    /// A view that draws in place on a terminal of this size, and tells line by line where there is none.
    pub fn new(
        size: Option<fn() -> (usize, usize)>,
        why: bool,
        quiet: bool,
        clock: Arc<dyn Clock>,
        modules: Modules,
    ) -> Self {
        Self {
            size,
            why,
            quiet,
            clock,
            screen: Screen::default(),
            told: BTreeMap::new(),
            modules,
        }
    }

    /// Shows the steps as they are.
    fn show(&mut self, steps: &[StepRow], local: &Local, printer: &mut Printer) {
        if self.quiet {
            return;
        }
        match self.size {
            Some(size) => {
                let size = size();
                let lines = tell::drawn(steps, self.clock.now(), size, local, &self.modules);
                self.screen.draw(&lines, size, printer);
            }
            None => {
                let mut lines = Vec::new();
                for step in steps {
                    let over = step.state == State::Finished;
                    if over && self.told.insert(step.step.clone(), step.attempt).is_none() {
                        lines.push(tell::step(step, self.why, &self.modules).painted(usize::MAX));
                    }
                }
                if !lines.is_empty() {
                    printer.say(&lines.join("\n"));
                }
            }
        }
    }

    /// Takes what is drawn away, and tells line by line what became of the steps.
    fn end(&mut self, steps: &[StepRow], local: &Local, printer: &mut Printer) {
        if self.size.take().is_some() {
            self.screen.clear(printer);
        }
        self.show(steps, local, printer);
    }
}

/// A run that is over.
pub(super) struct Ended {
    /// The run.
    pub run: RunRow,
    /// Its steps, in the order of the plan.
    pub steps: Vec<StepRow>,
    /// Somebody ended it.
    pub interrupted: bool,
}

impl Ended {
    /// Whether everything that was wanted was done.
    pub fn succeeded(&self) -> bool {
        self.run.result == Some(RunResult::Succeeded)
    }

    /// The package that was put together.
    pub fn package(&self) -> Option<Digest> {
        let step = self.steps.iter().find(|step| step.action == pipeline::plan::PACKAGE)?;
        step.outputs.as_ref()?.get("package")?.as_str()?.parse().ok()
    }
}

/// Follows a run to its end. The first Ctrl-C, or another signal that asks to end, cancels it; the second leaves at once.
pub(super) async fn follow(
    local: &Local,
    run: RunId,
    mut view: View,
    wanted: &Wanted,
    printer: &mut Printer,
) -> Result<Ended, Failure> {
    let wrong = |error: query::QueryError| Failure::new(Exit::Failed, error.to_string());
    if !view.quiet {
        printer.say(&tell::heading(wanted).painted(usize::MAX));
    }
    let mut head = local.ledger.follow();
    let mut signals = Signals::listen()?;
    let mut interrupted = false;
    loop {
        head.mark_unchanged();
        let looking = std::time::Instant::now();
        let row = query::run(&*local.ledger, run).await.map_err(wrong)?;
        let row = row.ok_or_else(|| Failure::new(Exit::Failed, "the run is gone"))?;
        let over = row.state == State::Finished;
        let steps = query::steps(&*local.ledger, run).await.map_err(wrong)?.rows;
        if over {
            view.end(&steps, local, printer);
            return Ok(Ended {
                run: row,
                steps,
                interrupted,
            });
        }
        view.show(&steps, local, printer);
        let pause = PAUSE.max(looking.elapsed() * REST);
        let frame = async {
            match view.size {
                Some(_) => tokio::time::sleep(FRAME).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = head.changed() => {
                changed.map_err(|_| Failure::new(Exit::Failed, "the ledger has gone"))?;
                // What comes in one go is looked at once; the end of the run is never waited for.
                let _ = tokio::time::timeout(pause, local.engine.wait(run)).await;
            }
            () = frame => {}
            () = signals.any() => {
                if interrupted {
                    return Err(Failure::new(Exit::Interrupted, "interrupted twice; steps that do not end are left to themselves"));
                }
                interrupted = true;
                if !view.quiet && view.size.is_none() {
                    printer.say("ending the run; Ctrl-C once more leaves at once");
                }
                // A run that has just ended needs no cancelling.
                let _ = local.engine.cancel(run, Actor::System).await;
            }
        }
    }
}
