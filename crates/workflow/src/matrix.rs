//! The combinations of a matrix, where all of its values are written down.

use crate::model::Combination;
use crate::yaml::Node;

/// The most combinations that are looked at; systems allow no more in a matrix.
const MOST: usize = 256;

/// Names with their values, in the order in which they are written.
type Values = Vec<(String, String)>;

/// The combinations of a matrix of GitHub Actions; none where a value is worked out while it runs. `fill` puts what
/// is known into a text.
pub(crate) fn of_github(matrix: &Node, fill: impl Fn(&str) -> String) -> Vec<Combination> {
    combinations_of_github(matrix, &fill).unwrap_or_default()
}

fn combinations_of_github(matrix: &Node, fill: &dyn Fn(&str) -> String) -> Option<Vec<Combination>> {
    let mut all: Vec<Values> = Vec::new();
    let mut axes: Vec<String> = Vec::new();
    for (key, node) in matrix.members() {
        if key.name == "include" || key.name == "exclude" {
            continue;
        }
        if node.elements().is_empty() {
            return None;
        }
        let values: Option<Vec<Values>> = node
            .elements()
            .iter()
            .map(|node| values_of(&key.name, node, fill))
            .collect();
        all = times(if axes.is_empty() { vec![Values::new()] } else { all }, &values?)?;
        axes.push(key.name.clone());
    }
    let listed = |name: &str| -> Option<Vec<Values>> {
        let Some(node) = matrix.get(name) else {
            return Some(Vec::new());
        };
        if node.text().is_some_and(|text| !text.is_empty()) {
            return None;
        }
        node.elements().iter().map(|node| members_of(node, fill)).collect()
    };
    for entry in listed("exclude")? {
        all.retain(|combination| !entry.iter().all(|pair| combination.contains(pair)));
    }
    let is_axis = |name: &str| {
        let name = name.split('.').next().unwrap_or_default();
        axes.iter().any(|axis| axis == name)
    };
    let first = all.len();
    for entry in listed("include")? {
        let (given, added): (Values, Values) = entry.into_iter().partition(|(name, _)| is_axis(name));
        let mut met = false;
        for combination in all.iter_mut().take(first) {
            if given.iter().all(|pair| combination.contains(pair)) {
                met = true;
                for (name, value) in &added {
                    set(combination, name, value);
                }
            }
        }
        if !met && all.len() < MOST {
            all.push(given.into_iter().chain(added).collect());
        }
    }
    Some(all.into_iter().map(Combination::of).collect())
}

/// Says which machines each combination asks for; they may be named by its values.
pub(crate) fn put_on(combinations: &mut [Combination], runners: &[String]) {
    for combination in combinations {
        let with_values = |runner: &String| {
            let mut runner = runner.clone();
            for (name, value) in &combination.values {
                for form in [format!("${{{{ matrix.{name} }}}}"), format!("${{{{matrix.{name}}}}}")] {
                    runner = runner.replace(&form, value);
                }
            }
            runner
        };
        combination.runners = runners.iter().map(with_values).collect();
    }
}

/// The combinations of `parallel: matrix` of GitLab CI: of each entry all of its values with one another.
pub(crate) fn of_gitlab(parallel: &Node) -> Vec<Combination> {
    let entries = parallel.get("matrix").map_or(&[][..], Node::elements);
    let mut all = Vec::new();
    for entry in entries {
        let mut own = vec![Values::new()];
        for (key, node) in entry.members() {
            let values: Vec<Values> = node
                .texts()
                .into_iter()
                .map(|value| vec![(key.name.clone(), value)])
                .collect();
            match times(own, &values) {
                Some(longer) if !values.is_empty() => own = longer,
                _ => return Vec::new(),
            }
        }
        all.extend(own.into_iter().filter(|values| !values.is_empty()));
    }
    all.into_iter().take(MOST).map(Combination::of).collect()
}

/// Each of the combinations with each of the values.
fn times(all: Vec<Values>, values: &[Values]) -> Option<Vec<Values>> {
    let longer = |combination: &Values| {
        let combination = combination.clone();
        values.iter().map(move |value| {
            let mut longer = combination.clone();
            longer.extend(value.iter().cloned());
            longer
        })
    };
    (all.len().saturating_mul(values.len()) <= MOST).then(|| all.iter().flat_map(longer).collect())
}

fn set(combination: &mut Values, name: &str, value: &str) {
    match combination.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => value.clone_into(known),
        None => combination.push((name.to_owned(), value.to_owned())),
    }
}

/// A value of an axis: a text, or texts by names that are written after the axis' own and a dot.
fn values_of(axis: &str, node: &Node, fill: &dyn Fn(&str) -> String) -> Option<Values> {
    if let Some(text) = node.text() {
        return known(axis, text, fill).map(|pair| vec![pair]);
    }
    let inner = members_of(node, fill).filter(|members| !members.is_empty())?;
    Some(
        inner
            .into_iter()
            .map(|(name, value)| (format!("{axis}.{name}"), value))
            .collect(),
    )
}

fn members_of(node: &Node, fill: &dyn Fn(&str) -> String) -> Option<Values> {
    let mut all = Values::new();
    for (key, node) in node.members() {
        match node.text() {
            Some(text) => all.push(known(&key.name, text, fill)?),
            None => all.extend(values_of(&key.name, node, fill)?),
        }
    }
    Some(all)
}

fn known(name: &str, text: &str, fill: &dyn Fn(&str) -> String) -> Option<(String, String)> {
    let text = fill(text);
    (!text.contains("${{")).then(|| (name.to_owned(), text))
}
