//! Who becomes whom: the assignment of least cost, exact whatever the number of points.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

const NONE: u32 = u32::MAX;

/// What each source may become, and at which cost: row `i` lies at `starts[i]..starts[i + 1]`.
#[derive(Default)]
pub(super) struct Candidates {
    pub starts: Vec<u32>,
    pub to: Vec<u32>,
    pub cost: Vec<f64>,
    /// Number of points that they may become.
    pub targets: usize,
}

impl Candidates {
    pub(super) fn of(&self, source: usize) -> std::ops::Range<usize> {
        self.starts[source] as usize..self.starts[source + 1] as usize
    }

    pub(super) fn sources(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }
}

/// For each source the target that it becomes, such that the sum of the links' costs, and of `unlinked` for each source
/// without a link, is least.
///
/// Shortest augmenting paths with dual prices (Jonker and Volgenant, Computing 38, 325, 1987), on the candidates alone:
/// each source looks along alternating paths, nearest first, for a free target or for a source that is cheaper left
/// unlinked. A path never leaves the network of points that compete with each other, so that many small networks cost
/// next to nothing and a large one costs what its own size asks for.
pub(super) fn assign(candidates: &Candidates, unlinked: f64) -> Vec<Option<u32>> {
    let mut solver = Solver::new(candidates, unlinked);
    let rivals = solver.rivals();
    for source in 0..candidates.sources() {
        let row = candidates.of(source);
        // Alone with its only candidate: nothing to weigh.
        if row.len() == 1 && rivals[candidates.to[row.start] as usize] == 1 {
            if candidates.cost[row.start] <= unlinked {
                solver.becomes[source] = candidates.to[row.start];
            }
        } else if !row.is_empty() {
            solver.augment(source as u32);
        }
    }
    solver.becomes.into_iter().map(|t| (t != NONE).then_some(t)).collect()
}

struct Solver<'a> {
    candidates: &'a Candidates,
    unlinked: f64,
    /// Of each source, its target; of each target, its source.
    becomes: Vec<u32>,
    was: Vec<u32>,
    /// Dual prices: a link costs at least the sum of its ends', and exactly that where it is taken.
    source_price: Vec<f64>,
    target_price: Vec<f64>,
    /// Shortest paths of the present search: distance of each target, the source that it is reached from.
    far: Vec<f64>,
    from: Vec<u32>,
    seen: Vec<u32>,
    search: u32,
}

/// A place on the frontier of a search; the nearest is the greatest.
struct Step {
    far: f64,
    /// The target that is reached, or none where source `at` is left unlinked.
    target: u32,
    at: u32,
}

impl Solver<'_> {
    fn new(candidates: &Candidates, unlinked: f64) -> Solver<'_> {
        let (sources, targets) = (candidates.sources(), candidates.targets);
        Solver {
            candidates,
            unlinked,
            becomes: vec![NONE; sources],
            was: vec![NONE; targets],
            source_price: vec![0.0; sources],
            target_price: vec![0.0; targets],
            far: vec![0.0; targets],
            from: vec![NONE; targets],
            seen: vec![0; targets],
            search: 0,
        }
    }

    /// How many sources may become each target.
    fn rivals(&self) -> Vec<u32> {
        let mut rivals = vec![0; self.candidates.targets];
        for &target in &self.candidates.to {
            rivals[target as usize] += 1;
        }
        rivals
    }

    /// Gives one more source its place, moving others along the path of least cost.
    fn augment(&mut self, start: u32) {
        self.search += 1;
        let mut frontier = BinaryHeap::new();
        let (mut scanned, mut settled) = (vec![(start, 0.0)], vec![]);
        self.scan(start, 0.0, &mut frontier);
        // There is always an end: the source itself may stay unlinked.
        while let Some(step) = frontier.pop() {
            let free = step.target == NONE || self.was[step.target as usize] == NONE;
            if free {
                self.reprice(&scanned, &settled, step.far);
                return self.follow(start, &step);
            }
            let target = step.target as usize;
            if self.far[target] < step.far || self.from[target] != step.at {
                continue; // reached in a shorter way since
            }
            settled.push((step.target, step.far));
            let owner = self.was[target];
            scanned.push((owner, step.far));
            self.scan(owner, step.far, &mut frontier);
        }
    }

    /// Puts what a source may become on the frontier.
    fn scan(&mut self, source: u32, far: f64, frontier: &mut BinaryHeap<Step>) {
        let price = self.source_price[source as usize];
        frontier.push(Step { far: far + (self.unlinked - price).max(0.0), target: NONE, at: source });
        for k in self.candidates.of(source as usize) {
            let target = self.candidates.to[k];
            if self.becomes[source as usize] == target {
                continue;
            }
            let t = target as usize;
            let reached = far + (self.candidates.cost[k] - price - self.target_price[t]).max(0.0);
            if self.seen[t] != self.search || reached < self.far[t] {
                (self.seen[t], self.far[t], self.from[t]) = (self.search, reached, source);
                frontier.push(Step { far: reached, target, at: source });
            }
        }
    }

    fn reprice(&mut self, scanned: &[(u32, f64)], settled: &[(u32, f64)], end: f64) {
        for &(source, far) in scanned {
            self.source_price[source as usize] += end - far;
        }
        for &(target, far) in settled {
            self.target_price[target as usize] -= end - far;
        }
    }

    /// Takes the links of a path, from its end back to its start.
    fn follow(&mut self, start: u32, end: &Step) {
        let (mut source, mut target) = (end.at, end.target);
        loop {
            let before = std::mem::replace(&mut self.becomes[source as usize], target);
            if target != NONE {
                self.was[target as usize] = source;
            }
            if source == start {
                return;
            }
            target = before;
            source = self.from[target as usize];
        }
    }
}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        other.far.total_cmp(&self.far).then(other.target.cmp(&self.target)).then(other.at.cmp(&self.at))
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Step {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(candidates: &Candidates, unlinked: f64, links: &[Option<u32>]) -> f64 {
        let mut used = std::collections::HashSet::new();
        let of = |(i, link): (usize, &Option<u32>)| {
            let Some(target) = link else { return unlinked };
            assert!(used.insert(*target), "target {target} twice");
            candidates.cost[candidates.of(i).find(|&k| candidates.to[k] == *target).unwrap()]
        };
        links.iter().enumerate().map(of).sum()
    }

    /// The obvious way: all assignments, one after the other.
    fn least(candidates: &Candidates, unlinked: f64, source: usize, used: &mut Vec<bool>) -> f64 {
        if source == candidates.sources() {
            return 0.0;
        }
        let mut best = unlinked + least(candidates, unlinked, source + 1, used);
        for k in candidates.of(source) {
            let target = candidates.to[k] as usize;
            if !used[target] {
                used[target] = true;
                best = best.min(candidates.cost[k] + least(candidates, unlinked, source + 1, used));
                used[target] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_assignment_costs_less(
            costs in proptest::collection::vec(proptest::collection::vec(proptest::option::of(0_u32..12), 6), 1..7),
            unlinked in 1_u32..12,
        ) {
            let mut candidates = Candidates { starts: vec![0], targets: 6, ..Candidates::default() };
            for row in &costs {
                for (target, cost) in row.iter().enumerate().filter_map(|(t, c)| Some((t, (*c)?))) {
                    candidates.to.push(target as u32);
                    candidates.cost.push(f64::from(cost));
                }
                candidates.starts.push(candidates.to.len() as u32);
            }
            let found = assign(&candidates, f64::from(unlinked));
            let best = least(&candidates, f64::from(unlinked), 0, &mut vec![false; 6]);
            prop_assert!((total(&candidates, f64::from(unlinked), &found) - best).abs() < 1e-9);
        }
    }
}
