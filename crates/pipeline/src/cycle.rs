//! Ways from a thing back to itself, such as steps that wait for one another.

/// The names of a cycle as people read them; the middle of a long one is left out.
pub(crate) fn path_text(names: &[&str]) -> String {
    match names {
        [first @ .., before, last] if first.len() > 10 => {
            format!(
                "{} -> ({} more) -> {before} -> {last}",
                first[..8].join(" -> "),
                first.len() - 8
            )
        }
        all => all.join(" -> "),
    }
}

/// A way from a node back to itself along `edges`, first and last the same; `None` where there is
/// none. Depth first, without recursion: a chain may be as long as the plan.
pub(crate) fn find_cycle(edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; edges.len()];
    for start in 0..edges.len() {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::Open;
        let mut path = vec![(start, 0)];
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            let Some(&other) = edges[node].get(*next) else {
                marks[node] = Mark::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match marks[other] {
                Mark::Done => {}
                Mark::New => {
                    marks[other] = Mark::Open;
                    path.push((other, 0));
                }
                Mark::Open => {
                    let from = path.iter().position(|(node, _)| *node == other).unwrap_or(0);
                    let mut cycle: Vec<usize> = path[from..].iter().map(|(node, _)| *node).collect();
                    cycle.push(other);
                    return Some(cycle);
                }
            }
        }
    }
    None
}
