//! Whether what a server takes of the machine stays flat.
//!
//! The time is cut into three. The first third is not looked at: caches fill. The median of the last third may
//! exceed that of the second by a tenth, or by an amount below which it says nothing. A median does not mind how
//! much was going on at one moment, and what grows without end grows between the thirds, too. The store grows
//! with its facts: it is its bytes a fact that must not grow.

/// How many samples it takes to say anything.
const FEWEST: usize = 30;

/// What is judged, and by how much it may grow at least.
const MEASURES: &[Measure] = &[
    Measure {
        name: "memory of the server",
        column: "memory",
        per_fact: false,
        unit: Unit::Bytes,
        slack: 8.0 * MIB,
    },
    Measure {
        name: "file descriptors of the server",
        column: "descriptors",
        per_fact: false,
        unit: Unit::Count,
        slack: 8.0,
    },
    Measure {
        name: "write-ahead log",
        column: "log",
        per_fact: false,
        unit: Unit::Bytes,
        slack: 16.0 * MIB,
    },
    Measure {
        name: "store, a fact",
        column: "store",
        per_fact: true,
        unit: Unit::Bytes,
        slack: 0.0,
    },
    Measure {
        name: "memory of the keepers of services",
        column: "service_memory",
        per_fact: false,
        unit: Unit::Bytes,
        slack: 8.0 * MIB,
    },
    Measure {
        name: "file descriptors of the keepers of services",
        column: "service_descriptors",
        per_fact: false,
        unit: Unit::Count,
        slack: 8.0,
    },
];

const MIB: f64 = 1024.0 * 1024.0;

/// By how much of it a median may grow.
const SHARE: f64 = 0.1;

struct Measure {
    name: &'static str,
    column: &'static str,
    per_fact: bool,
    unit: Unit,
    slack: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Bytes,
    Count,
}

/// What was seen of a server, sample by sample.
#[derive(Debug)]
pub struct Samples {
    columns: Vec<String>,
    rows: Vec<Vec<f64>>,
}

/// What is said of a measure.
#[derive(Debug)]
pub struct Judgement {
    /// Of what.
    pub measure: &'static str,
    unit: Unit,
    /// The median of the second third.
    pub second: f64,
    /// The median of the last third.
    pub last: f64,
    /// What the median of the last third may be.
    pub allowed: f64,
    /// Whether there are enough samples to say anything.
    pub is_known: bool,
}

impl Judgement {
    /// Whether it stays as it is.
    pub fn is_flat(&self) -> bool {
        self.last <= self.allowed
    }

    /// A figure in its unit.
    pub fn shown(&self, value: f64) -> String {
        match self.unit {
            Unit::Count => format!("{value:.0}"),
            Unit::Bytes if value >= MIB => format!("{:.1} MiB", value / MIB),
            Unit::Bytes => format!("{value:.0} bytes"),
        }
    }
}

impl Samples {
    /// Reads a line of names, and a line of numbers for each sample.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let columns: Vec<String> = lines
            .next()
            .ok_or("there are none")?
            .split(' ')
            .map(str::to_owned)
            .collect();
        let mut rows = Vec::new();
        for line in lines {
            let row: Result<Vec<f64>, _> = line.split(' ').map(str::parse).collect();
            let row = row.map_err(|error| format!("`{line}`: {error}"))?;
            if row.len() != columns.len() {
                return Err(format!("`{line}` has not {} numbers", columns.len()));
            }
            rows.push(row);
        }
        let missing = MEASURES
            .iter()
            .find(|measure| !columns.iter().any(|column| column == measure.column));
        match missing {
            Some(measure) => Err(format!("there is no `{}`", measure.column)),
            None => Ok(Self { columns, rows }),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// What is to be said of each measure.
    pub fn judge(&self) -> Vec<Judgement> {
        let third = self.rows.len() / 3;
        let middle = self.rows.get(third..third * 2).unwrap_or_default();
        let end = self.rows.get(third * 2..).unwrap_or_default();
        MEASURES
            .iter()
            .map(|measure| {
                let (second, last) = (self.median(middle, measure), self.median(end, measure));
                Judgement {
                    measure: measure.name,
                    unit: measure.unit,
                    second,
                    last,
                    allowed: second + (second * SHARE).max(measure.slack),
                    is_known: self.rows.len() >= FEWEST,
                }
            })
            .collect()
    }

    fn column(&self, name: &str) -> usize {
        let found = self.columns.iter().position(|column| column == name);
        // Those that are asked for were looked for when the samples were read.
        found.unwrap_or_default()
    }

    fn median(&self, rows: &[Vec<f64>], measure: &Measure) -> f64 {
        let (column, facts) = (self.column(measure.column), self.column("facts"));
        let mut values: Vec<f64> = rows
            .iter()
            .map(|row| match measure.per_fact {
                true => row[column] / row[facts].max(1.0),
                false => row[column],
            })
            .collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour of a server that is at work, a sample each half minute.
    fn hour(memory: impl Fn(usize) -> f64, store: impl Fn(usize) -> f64) -> Vec<(&'static str, bool)> {
        let mut text = "seconds facts memory descriptors log store service_memory service_descriptors\n".to_owned();
        for at in 0..120 {
            let noise = (at * 7919 % 13) as f64 * 0.1 * MIB;
            text.push_str(&format!(
                "{} {} {} {} {} {} {} 12\n",
                at * 30,
                (at + 1) * 1000,
                memory(at) + noise,
                40 + at % 5,
                4.0 * MIB,
                store(at),
                30.0 * MIB
            ));
        }
        let judged = Samples::read(&text).unwrap().judge();
        judged.iter().map(|one| (one.measure, one.is_flat())).collect()
    }

    fn growing(judged: &[(&'static str, bool)]) -> Vec<&'static str> {
        judged
            .iter()
            .filter(|(_, flat)| !flat)
            .map(|(measure, _)| *measure)
            .collect()
    }

    #[test]
    fn what_fills_up_at_the_begin_and_stays_is_flat() {
        let warm = |at: usize| (60.0 + 20.0 * (1.0 - (-(at as f64) / 10.0).exp())) * MIB;
        assert_eq!(growing(&hour(warm, |at| (at + 1) as f64 * 600_000.0)), [""; 0]);
    }

    #[test]
    fn what_grows_all_the_time_is_not_flat() {
        let leak = |at: usize| (60.0 + 0.5 * at as f64) * MIB;
        assert_eq!(growing(&hour(leak, |_| 1.0)), ["memory of the server"]);
    }

    #[test]
    fn a_store_grows_with_its_facts_and_not_by_more() {
        let more = |at: usize| ((at + 1) * (at + 1)) as f64 * 6_000.0;
        assert_eq!(growing(&hour(|_| 60.0 * MIB, more)), ["store, a fact"]);
    }

    #[test]
    fn few_samples_say_nothing_and_damaged_ones_are_refused() {
        let head = "seconds facts memory descriptors log store service_memory service_descriptors\n";
        let one = Samples::read(&format!("{head}1 2 3 4 5 6 7 8\n")).unwrap();
        assert!(one.judge().iter().all(|judgement| !judgement.is_known));
        for (text, wrong) in [
            (String::new(), "there are none"),
            (format!("{head}1 2\n"), "`1 2` has not 8 numbers"),
            ("seconds facts\n".to_owned(), "there is no `memory`"),
        ] {
            assert_eq!(Samples::read(&text).unwrap_err(), wrong);
        }
    }
}
