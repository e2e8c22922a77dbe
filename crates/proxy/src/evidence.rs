//! What was seen of each group of instances: counts that only grow while the group stands.
//!
//! A request counts when it is over: `errors` are answers of 500 and above, and requests that got no
//! whole answer because of the instance (refused, reset, cut short, timed out). Requests that the
//! client gave up are not counted, as nobody knows how they would have ended. The latency is the time
//! from the request's head to the last byte of the answer.

use std::collections::BTreeMap;

use facts::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::access_log::{Outcome, Record};
use crate::table::{Stamp, Table};

/// Routes remembered for each group; what comes after counts under [`OTHER_ROUTES`].
const ROUTES_KEPT: usize = 256;
/// Groups that are gone and still remembered.
const RETIRED_KEPT: usize = 16;
/// The route under which those beyond the limit are counted.
pub const OTHER_ROUTES: &str = "(other)";

/// Counts of durations in fixed buckets, so that histograms of any two groups can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Upper bounds of the buckets in microseconds, inclusive, ascending: 100 µs, and each a quarter more.
    pub bounds_us: Vec<u64>,
    /// How many fell into each bucket; one more than the bounds, the last for what is longer than all.
    pub counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        let bounds_us: Vec<u64> = std::iter::successors(Some(100_u64), |bound| Some(bound * 5 / 4))
            .take_while(|b| *b < 150_000_000)
            .collect();
        Self {
            counts: vec![0; bounds_us.len() + 1],
            bounds_us,
        }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn add(&mut self, microseconds: u64) {
        let bucket = self.bounds_us.partition_point(|bound| *bound < microseconds);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
    }

    /// How many durations were counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The upper bound in microseconds of the bucket in which the quantile `q` (0 to 1) lies; `None`
    /// where nothing was counted or it lies beyond the last bound.
    pub fn quantile_us(&self, q: f64) -> Option<u64> {
        let total = self.total();
        let wanted = ((total as f64) * q).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if total > 0 && seen >= wanted {
                return self.bounds_us.get(bucket).copied();
            }
        }
        None
    }
}

/// One route of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteEvidence {
    /// Method and path, with `*` for segments that look like ids.
    pub route: String,
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that are errors.
    pub errors: u64,
}

/// What was seen of one group since it appeared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupEvidence {
    /// The group's name.
    pub group: String,
    /// What it runs.
    pub package: Digest,
    /// With which configuration.
    pub configuration: Digest,
    /// The stamp with which this group, with this package and configuration, appeared.
    pub since_stamp: Stamp,
    /// When it appeared.
    pub since: Timestamp,
    /// Requests that ended.
    pub requests: u64,
    /// Answers of 500 and above, and requests without a whole answer.
    pub errors: u64,
    /// Requests the client gave up; not among `requests`.
    pub aborted: u64,
    /// How long the requests took.
    pub latency: Histogram,
    /// The routes with the most errors first.
    pub routes: Vec<RouteEvidence>,
}

/// What was seen of all groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The groups that stand.
    pub groups: Vec<GroupEvidence>,
    /// The last groups that are gone, the latest last, as they were in the end.
    #[serde(default)]
    pub retired: Vec<GroupEvidence>,
    /// Requests for which there was no instance at all.
    #[serde(default)]
    pub unrouted: u64,
}

impl GroupEvidence {
    fn is_of(&self, record: &Record) -> bool {
        record.group == self.group
            && record.since == self.since_stamp
            && record.package.as_ref() == Some(&self.package)
            && record.configuration.as_ref() == Some(&self.configuration)
    }

    fn add(&mut self, record: &Record) {
        if record.outcome == Outcome::Aborted {
            self.aborted += 1;
            return;
        }
        let failed = record.is_error();
        self.requests += 1;
        self.errors += u64::from(failed);
        self.latency.add(record.microseconds);
        let route = format!("{} {}", record.method, route_of(&record.path));
        let known = self.routes.iter().position(|r| r.route == route);
        let place = known.unwrap_or_else(|| {
            let name = if self.routes.len() < ROUTES_KEPT {
                route
            } else {
                OTHER_ROUTES.to_owned()
            };
            self.routes.iter().position(|r| r.route == name).unwrap_or_else(|| {
                self.routes.push(RouteEvidence {
                    route: name,
                    ..RouteEvidence::default()
                });
                self.routes.len() - 1
            })
        });
        if let Some(entry) = self.routes.get_mut(place) {
            entry.requests += 1;
            entry.errors += u64::from(failed);
        }
    }
}

impl Evidence {
    /// Makes the groups those of `table`: known ones go on counting, new ones begin, the others
    /// retire. Answers with the stamp since which each group of the table stands.
    pub fn install(&mut self, table: &Table, now: Timestamp) -> Vec<Stamp> {
        let mut before: Vec<Option<GroupEvidence>> = std::mem::take(&mut self.groups).into_iter().map(Some).collect();
        for group in &table.groups {
            let known = before.iter_mut().find(|entry| {
                entry.as_ref().is_some_and(|e| {
                    e.group == group.name && e.package == group.package && e.configuration == group.configuration
                })
            });
            self.groups
                .push(known.and_then(Option::take).unwrap_or_else(|| GroupEvidence {
                    group: group.name.clone(),
                    package: group.package,
                    configuration: group.configuration,
                    since_stamp: table.stamp,
                    since: now,
                    requests: 0,
                    errors: 0,
                    aborted: 0,
                    latency: Histogram::default(),
                    routes: Vec::new(),
                }));
        }
        self.retired.extend(before.into_iter().flatten());
        let surplus = self.retired.len().saturating_sub(RETIRED_KEPT);
        self.retired.drain(..surplus);
        self.groups.iter().map(|group| group.since_stamp).collect()
    }

    /// Counts a request that ended. One that ends after its group is gone counts there.
    pub fn add(&mut self, record: &Record) {
        if record.package.is_none() {
            self.unrouted += 1;
        } else if let Some(group) = self
            .groups
            .iter_mut()
            .chain(&mut self.retired)
            .find(|group| group.is_of(record))
        {
            group.add(record);
        }
    }

    /// The same, with the routes of each group sorted by errors and cut after `routes`.
    pub fn summary(&self, routes: usize) -> Self {
        let mut summary = self.clone();
        for group in summary.groups.iter_mut().chain(&mut summary.retired) {
            group
                .routes
                .sort_by(|a, b| b.errors.cmp(&a.errors).then(b.requests.cmp(&a.requests)));
            group.routes.truncate(routes);
        }
        summary
    }

    /// Requests and errors by package, over all groups that stand.
    pub fn by_package(&self) -> BTreeMap<Digest, (u64, u64)> {
        let mut sums = BTreeMap::new();
        for group in &self.groups {
            let sum: &mut (u64, u64) = sums.entry(group.package).or_default();
            sum.0 += group.requests;
            sum.1 += group.errors;
        }
        sums
    }
}

/// The path with `*` in place of segments that look like ids, at most six segments.
pub fn route_of(path: &str) -> String {
    const SEGMENTS: usize = 6;
    let mut route = String::new();
    for (place, segment) in path.split('/').skip(1).enumerate() {
        if place == SEGMENTS {
            route.push_str("/…");
            break;
        }
        route.push('/');
        let digits = segment.bytes().filter(u8::is_ascii_digit).count();
        let hex = segment.len() >= 16 && segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if (digits > 0 && digits * 2 >= segment.len()) || hex || segment.len() > 40 {
            route.push('*');
        } else {
            route.push_str(segment);
        }
    }
    if route.is_empty() { "/".to_owned() } else { route }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn table(generation: u64, groups: &[(&str, &str)]) -> Table {
        Table {
            stamp: Stamp { generation, phase: 0 },
            groups: groups
                .iter()
                .map(|(name, package)| crate::table::TableGroup {
                    name: (*name).to_owned(),
                    package: Digest::of(package),
                    configuration: Digest::of("c"),
                    weight: 1,
                    backends: Vec::new(),
                })
                .collect(),
        }
    }

    fn record(group: &str, package: &str, since: u64, status: u16) -> Record {
        Record {
            at: at(9),
            method: "GET".to_owned(),
            path: "/orders/17".to_owned(),
            group: group.to_owned(),
            package: Some(Digest::of(package)),
            configuration: Some(Digest::of("c")),
            since: Stamp {
                generation: since,
                phase: 0,
            },
            instance: None,
            status,
            outcome: Outcome::Answered,
            microseconds: 1_500,
            bytes: 3,
        }
    }

    #[test]
    fn a_group_that_stays_keeps_its_counts_and_a_returned_one_begins_anew() {
        let mut evidence = Evidence::default();
        evidence.install(&table(1, &[("stable", "a"), ("canary", "b")]), at(1));
        evidence.add(&record("canary", "b", 1, 500));
        evidence.add(&record("stable", "a", 1, 200));
        evidence.install(&table(2, &[("stable", "a")]), at(2));
        evidence.add(&record("canary", "b", 1, 200));
        assert_eq!(evidence.groups[0].requests, 1);
        assert_eq!((evidence.retired[0].requests, evidence.retired[0].errors), (2, 1));
        evidence.install(&table(3, &[("stable", "a"), ("canary", "b")]), at(3));
        evidence.add(&record("canary", "b", 1, 500));
        assert_eq!(evidence.groups[1].requests, 0);
        assert_eq!(evidence.groups[0].since_stamp.generation, 1);
    }

    #[test]
    fn failing_routes_come_first_and_ids_are_one_route() {
        let mut evidence = Evidence::default();
        evidence.install(&table(1, &[("stable", "a")]), at(1));
        for id in 0..1_000 {
            let mut request = record("stable", "a", 1, if id % 10 == 0 { 503 } else { 200 });
            request.path = format!("/orders/{id}/lines");
            evidence.add(&request);
            request.path = format!("/made-up-by-a-scanner-{}{id}", "x".repeat(3 + id % 7));
            request.status = 404;
            evidence.add(&request);
        }
        let summary = evidence.summary(3);
        assert_eq!(summary.groups[0].routes.len(), 3);
        assert_eq!(
            summary.groups[0].routes[0],
            RouteEvidence {
                route: "GET /orders/*/lines".to_owned(),
                requests: 1_000,
                errors: 100
            }
        );
        assert!(evidence.groups[0].routes.len() <= ROUTES_KEPT + 1);
    }

    #[test]
    fn a_duration_falls_into_the_bucket_whose_bound_is_not_below_it() {
        let mut histogram = Histogram::default();
        histogram.add(100);
        histogram.add(101);
        histogram.add(u64::MAX);
        assert_eq!(histogram.counts[..2], [1, 1]);
        assert_eq!(*histogram.counts.last().unwrap(), 1);
        assert_eq!(histogram.quantile_us(0.5), Some(125));
        assert_eq!(Histogram::default().quantile_us(0.5), None);
    }
}
