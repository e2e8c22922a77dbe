//! What is measured of all peers alike, and what came of it.

use std::collections::BTreeMap;

/// A benchmark that peers share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// Each step waits for the one before it.
    Chain,
    /// Independent steps.
    Fan,
    /// All steps were done before, and nothing has changed.
    Kept,
    /// Each step copies a file of its own.
    Outputs,
    /// Many runs at once, each a chain of ten.
    Runs,
    /// From the end of the push of a commit to the start of the first step.
    Push,
    /// Memory of a server that has nothing to do.
    Idle,
}

/// So many steps each of several runs at once has.
pub const STEPS_OF_A_RUN: usize = 10;

impl Row {
    pub const ALL: [Self; 7] = [
        Self::Chain,
        Self::Fan,
        Self::Kept,
        Self::Outputs,
        Self::Runs,
        Self::Push,
        Self::Idle,
    ];

    /// What it is called on the command line and by the drivers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Fan => "fan",
            Self::Kept => "kept",
            Self::Outputs => "outputs",
            Self::Runs => "runs",
            Self::Push => "push",
            Self::Idle => "idle",
        }
    }

    /// What is measured, in a few words, with its unit.
    pub fn title(self) -> &'static str {
        match self {
            Self::Chain => "chain of no-op steps, ms a step",
            Self::Fan => "independent no-op steps, ms a step",
            Self::Kept => "all steps kept, ms a step",
            Self::Outputs => "small steps with outputs, ms a step",
            Self::Runs => "many runs at once, ms a step",
            Self::Push => "end of push to first step, ms",
            Self::Idle => "idle server, MB",
        }
    }

    /// Whether a figure is of each step.
    pub fn is_of_steps(self) -> bool {
        !matches!(self, Self::Push | Self::Idle)
    }
}

/// What a measurement gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// In the unit of its row: the median.
    pub value: f64,
    /// Over so many steps; 0 where there are none.
    pub steps: usize,
    /// The median of so many.
    pub rounds: usize,
}

impl Figure {
    /// The median of times in seconds that each were for `steps` steps.
    pub fn of_seconds(row: Row, steps: usize, seconds: &[f64]) -> Self {
        let each = if row.is_of_steps() { steps.max(1) as f64 } else { 1.0 };
        Self {
            value: median(seconds) * 1_000.0 / each,
            steps,
            rounds: seconds.len(),
        }
    }
}

/// A figure, or why there is none.
pub type Cell = Result<Figure, String>;

/// What was measured of a peer.
pub type Cells = BTreeMap<Row, Cell>;

/// The one in the middle; of an even number, the larger of both.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What a peer is, beside its figures.
pub struct About {
    /// Its name in the table.
    pub name: &'static str,
    /// How it was set.
    pub settings: &'static str,
    /// What of its work is on the disk when it says that a step is done.
    pub durable: &'static str,
}

/// All that is known of a peer after the bench.
pub struct Measured {
    pub about: About,
    pub version: Result<String, String>,
    pub cells: Cells,
}

/// How much is asked for.
#[derive(Debug, Clone)]
pub struct Scale {
    pub chain: usize,
    pub fan: usize,
    pub kept: usize,
    pub outputs: usize,
    pub runs: usize,
    pub pushes: usize,
    /// Peers that take long for a step get so many at most.
    pub slow: usize,
    /// Those that take very long.
    pub slowest: usize,
    /// For each benchmark: how many facts are appended, and how many a ledger of many has.
    pub appends: usize,
    pub facts: usize,
    /// Over so many steps the cost of one is followed.
    pub growth: Vec<usize>,
}

impl Scale {
    /// The size whose figures stand in the document.
    pub fn full() -> Self {
        Self {
            chain: 1_000,
            fan: 10_000,
            kept: 10_000,
            outputs: 1_000,
            runs: 50,
            pushes: 15,
            slow: 100,
            slowest: 10,
            appends: 200_000,
            facts: 1_000_000,
            growth: vec![100, 1_000, 10_000, 100_000],
        }
    }

    /// A size that shows in a few minutes that everything works.
    pub fn small() -> Self {
        Self {
            chain: 50,
            fan: 200,
            kept: 200,
            outputs: 50,
            runs: 5,
            pushes: 2,
            slow: 10,
            slowest: 3,
            appends: 5_000,
            facts: 10_000,
            growth: vec![50, 200],
        }
    }

    /// How many steps a row has.
    pub fn steps(&self, row: Row) -> usize {
        match row {
            Row::Chain => self.chain,
            Row::Fan => self.fan,
            Row::Kept => self.kept,
            Row::Outputs => self.outputs,
            Row::Runs => self.runs * STEPS_OF_A_RUN,
            Row::Push => self.pushes,
            Row::Idle => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_median_of_its_rounds_and_of_each_step_where_there_are_any() {
        let chain = Figure::of_seconds(Row::Chain, 100, &[0.3, 0.1, 0.2]);
        assert_eq!((chain.value, chain.rounds), (2.0, 3));
        assert_eq!(Figure::of_seconds(Row::Push, 5, &[0.25]).value, 250.0);
    }
}
