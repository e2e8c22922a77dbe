//! Which groups of instances stand beside one another in each phase of a roll-out.

use crate::path::Canary;
use crate::plan::Shape;

/// Which of the two packages a group runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The package that was there before.
    Old,
    /// The package that is being deployed.
    New,
}

/// A group of equal instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupShape {
    /// Its name: `stable`, `baseline`, `canary` or `next`.
    pub name: &'static str,
    /// What it runs.
    pub side: Side,
    /// How many instances.
    pub instances: u32,
    /// Its share of the requests, relative to the other groups.
    pub weight: u32,
}

/// The name of the group that serves everybody.
pub const STABLE: &str = "stable";
/// The name of the group of old instances that a canary is compared with.
pub const BASELINE: &str = "baseline";
/// The name of the group of new instances that is judged.
pub const CANARY: &str = "canary";
/// The name of the group of new instances in a rolling or blue-green roll-out.
pub const NEXT: &str = "next";

fn group(name: &'static str, side: Side, instances: u32, weight: u32) -> GroupShape {
    GroupShape {
        name,
        side,
        instances,
        weight,
    }
}

/// The phases of a roll-out, each the groups that stand after it. `instances` is how many the
/// environment runs when nothing is going on. Never fewer instances than that serve at any time.
pub fn phases(shape: Shape, instances: u32, canary: &Canary) -> Vec<Vec<GroupShape>> {
    let all = instances.max(1);
    let full = vec![group(STABLE, Side::New, all, 100)];
    match shape {
        Shape::Full => vec![full],
        Shape::Canary => {
            // Baseline and canary have the same size and the same share, so that they differ in
            // nothing but the package.
            let share = canary.weight.clamp(1, 50);
            let few = canary.instances.max(1);
            vec![vec![
                group(STABLE, Side::Old, all, 100 - 2 * share),
                group(BASELINE, Side::Old, few, share),
                group(CANARY, Side::New, few, share),
            ]]
        }
        Shape::BlueGreen => {
            vec![
                vec![group(STABLE, Side::Old, all, 100), group(NEXT, Side::New, all, 0)],
                full,
            ]
        }
        Shape::Rolling => {
            let mut phases: Vec<_> = (1..all)
                .map(|new| {
                    vec![
                        group(STABLE, Side::Old, all - new, all - new),
                        group(NEXT, Side::New, new, new),
                    ]
                })
                .collect();
            phases.push(full);
            phases
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canary_and_baseline_are_alike_but_for_the_package() {
        let canary = Canary {
            instances: 1,
            weight: 20,
            ..Canary::default()
        };
        let phases = phases(Shape::Canary, 2, &canary);
        let [stable, baseline, new] = &phases[0][..] else {
            panic!("three groups")
        };
        assert_eq!((baseline.instances, baseline.weight), (new.instances, new.weight));
        assert_eq!((baseline.side, new.side), (Side::Old, Side::New));
        assert_eq!(stable.weight + baseline.weight + new.weight, 100);
    }

    #[test]
    fn capacity_never_falls_below_what_the_environment_runs() {
        for shape in [Shape::Canary, Shape::Rolling, Shape::BlueGreen, Shape::Full] {
            for instances in 0..6 {
                for phase in phases(shape, instances, &Canary::default()) {
                    let there: u32 = phase.iter().map(|group| group.instances).sum();
                    assert!(there >= instances.max(1), "{shape:?} {instances}: {phase:?}");
                    assert!(phase.iter().any(|group| group.weight > 0));
                }
            }
        }
    }

    #[test]
    fn every_roll_out_but_the_canary_ends_with_the_new_package_alone() {
        for shape in [Shape::Rolling, Shape::BlueGreen, Shape::Full] {
            let last = phases(shape, 3, &Canary::default()).pop().unwrap();
            assert_eq!(last, vec![group(STABLE, Side::New, 3, 100)]);
        }
    }
}
