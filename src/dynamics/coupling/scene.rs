//! Two kinds of defects in every frame, and the same after a null model has moved or renamed them.

use crate::dynamics::grid::Grid;
use ndarray::Array2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// One defect of either kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct One {
    pub at: [f64; 2],
    /// Which track, from 0 without gaps over both kinds.
    pub track: usize,
    /// Whether it is of the first kind; the other flag says of the second (both where the kinds are the same).
    pub first: bool,
}

/// The defects of both kinds, frame by frame, in a field `[height, width]` from 0, in nm.
#[derive(Clone)]
pub(super) struct Scene {
    pub frames: Vec<(u32, Vec<One>)>,
    pub field: [f64; 2],
    /// Whether the two kinds are one.
    pub same: bool,
    /// Vectors of the lattice, where shifts are to keep it.
    pub lattice: Option<[[f64; 2]; 2]>,
    pub tracks: usize,
    /// Of each frame where the lattice is, and pixels for a nm; none where it is everywhere.
    pub lattice_at: Option<(BTreeMap<u32, Array2<bool>>, f64)>,
}

/// What is counted in a scene.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tally {
    /// Pairs by distance, in bins.
    pub pairs: Vec<f64>,
    /// Pairs no farther apart than neighbours, by window of time.
    pub adjacent: Vec<f64>,
    /// Sum over the first kind of the distance to the nearest of the second, cut at the reach.
    pub nearest: f64,
}

/// How a scene is counted.
pub(super) struct Rule {
    /// Upper ends of the bins of distance, ascending; the first begins at 0.
    pub bins: Vec<f64>,
    pub adjacent: f64,
    /// First frame of each window of time, but for the first window.
    pub windows: Vec<u32>,
}

impl Rule {
    fn reach(&self) -> f64 {
        self.bins.last().copied().unwrap_or(0.0).max(self.adjacent)
    }

    pub(super) fn window(&self, frame: u32) -> usize {
        self.windows.iter().filter(|w| frame >= **w).count()
    }

    pub(super) fn bin(&self, distance: f64) -> Option<usize> {
        let bin = self.bins.partition_point(|end| *end <= distance);
        (bin < self.bins.len()).then_some(bin)
    }
}

impl Scene {
    /// Calls `visit` with the frame, both ends and the distance of every pair within reach: each once where the kinds are one.
    pub(super) fn pairs(&self, reach: f64, mut visit: impl FnMut(u32, &One, &One, f64)) {
        for (frame, all) in &self.frames {
            let second: Vec<&One> = all.iter().filter(|o| self.same || !o.first).collect();
            let grid = Grid::new(second.iter().map(|o| o.at), reach);
            for (i, one) in all.iter().filter(|o| o.first).enumerate() {
                grid.near(one.at, reach, |j, square| {
                    if !self.same || i < j as usize {
                        visit(*frame, one, second[j as usize], square.sqrt());
                    }
                });
            }
        }
    }

    /// Counts, each frame by a weight.
    pub(super) fn count(&self, rule: &Rule, weight: &[f64]) -> Tally {
        let reach = rule.reach();
        let mut tally =
            Tally { pairs: vec![0.0; rule.bins.len()], adjacent: vec![0.0; rule.windows.len() + 1], nearest: 0.0 };
        for ((frame, all), weight) in self.frames.iter().zip(weight) {
            let second: Vec<&One> = all.iter().filter(|o| self.same || !o.first).collect();
            let grid = Grid::new(second.iter().map(|o| o.at), reach);
            let window = rule.window(*frame);
            for (i, one) in all.iter().filter(|o| o.first).enumerate() {
                let mut nearest = reach;
                grid.near(one.at, reach, |j, square| {
                    let (j, distance) = (j as usize, square.sqrt());
                    if self.same && i == j {
                        return;
                    }
                    nearest = nearest.min(distance);
                    if self.same && i > j {
                        return;
                    }
                    if let Some(bin) = rule.bin(distance) {
                        tally.pairs[bin] += weight;
                    }
                    if distance <= rule.adjacent {
                        tally.adjacent[window] += weight;
                    }
                });
                tally.nearest += weight * nearest;
            }
        }
        tally
    }

    /// Of the second kind, how many have their nearest of the first kind in each shell (the bins of the rule), and in the last
    /// column how many have none in any: by track of the second kind, each frame by a weight. Those with more than one of the
    /// first kind in that shell are left out.
    pub(super) fn shells(&self, rule: &Rule, weight: &[f64]) -> Vec<Vec<f64>> {
        let (n, reach) = (rule.bins.len(), rule.bins.last().copied().unwrap_or(0.0));
        let mut by_track = vec![vec![0.0; n + 1]; self.tracks];
        let mut near = vec![0_u32; n];
        for ((_, all), weight) in self.frames.iter().zip(weight) {
            let firsts: Vec<&One> = all.iter().filter(|o| o.first).collect();
            let grid = Grid::new(firsts.iter().map(|o| o.at), reach);
            for (i, one) in all.iter().filter(|o| self.same || !o.first).enumerate() {
                near.fill(0);
                grid.near(one.at, reach, |j, square| {
                    if let Some(bin) = rule.bin(square.sqrt()).filter(|_| !self.same || i != j as usize) {
                        near[bin] += 1;
                    }
                });
                match near.iter().position(|c| *c > 0) {
                    None => by_track[one.track][n] += weight,
                    Some(shell) if near[shell] == 1 => by_track[one.track][shell] += weight,
                    Some(_) => {}
                }
            }
        }
        by_track
    }

    /// Defects of the first kind in all frames.
    pub(super) fn firsts(&self) -> usize {
        self.frames.iter().map(|f| f.1.iter().filter(|o| o.first).count()).sum()
    }

    /// The first kind shifted as a whole over the field, the same way in all frames; where there is one kind only, each track
    /// by itself. What leaves the field comes in on the other side. The weight of a frame makes up for what came to lie where
    /// there is no lattice.
    pub(super) fn shifted(&self, rng: &mut ChaCha8Rng) -> (Scene, Vec<f64>) {
        let common = self.random_shift(rng);
        let own: Vec<[f64; 2]> =
            if self.same { (0..self.tracks).map(|_| self.random_shift(rng)).collect() } else { vec![] };
        let mut scene = Scene { frames: vec![], lattice_at: None, ..self.clone_empty() };
        let mut weights = vec![];
        for (frame, all) in &self.frames {
            let (mut kept, mut before, mut after) = (Vec::with_capacity(all.len()), 0.0, 0.0);
            for one in all {
                let mut one = *one;
                if one.first {
                    let shift = if self.same { own[one.track] } else { common };
                    one.at = self.wrapped([one.at[0] + shift[0], one.at[1] + shift[1]]);
                    before += 1.0;
                    if !self.on_lattice(*frame, one.at) {
                        continue;
                    }
                    after += 1.0;
                }
                kept.push(one);
            }
            let share = if after > 0.0 { before / after } else { 0.0 };
            // Pairs of one kind lose both ends.
            weights.push(if self.same { share * share } else { share });
            scene.frames.push((*frame, kept));
        }
        (scene, weights)
    }

    /// The names of the two kinds dealt anew to the tracks.
    pub(super) fn relabelled(&self, rng: &mut ChaCha8Rng) -> Scene {
        let mut first = vec![None; self.tracks];
        for one in self.frames.iter().flat_map(|f| &f.1) {
            first[one.track] = Some(one.first);
        }
        // Tracks that are there: the cards that are dealt.
        let there: Vec<usize> = (0..self.tracks).filter(|&t| first[t].is_some()).collect();
        let mut cards: Vec<bool> = first.iter().flatten().copied().collect();
        for i in (1..cards.len()).rev() {
            cards.swap(i, rng.gen_range(0..=i));
        }
        let mut new = vec![false; self.tracks];
        there.iter().zip(cards).for_each(|(&track, card)| new[track] = card);
        let mut scene = self.clone();
        scene.frames.iter_mut().flat_map(|f| &mut f.1).for_each(|one| one.first = new[one.track]);
        scene
    }

    fn clone_empty(&self) -> Scene {
        let (field, same, lattice, tracks) = (self.field, self.same, self.lattice, self.tracks);
        Scene { frames: vec![], field, same, lattice, tracks, lattice_at: None }
    }

    fn random_shift(&self, rng: &mut ChaCha8Rng) -> [f64; 2] {
        let shift = [rng.gen_range(0.0..self.field[0]), rng.gen_range(0.0..self.field[1])];
        self.lattice.map_or(shift, |basis| nearest(basis, shift))
    }

    /// Brought back into the field: by the lattice vectors nearest to its sides where the lattice is to be kept.
    fn wrapped(&self, at: [f64; 2]) -> [f64; 2] {
        let sides = [[self.field[0], 0.0], [0.0, self.field[1]]];
        let sides = self.lattice.map_or(sides, |basis| sides.map(|side| nearest(basis, side)));
        let mut at = at;
        for axis in [0, 1] {
            let times = (at[axis] / self.field[axis]).floor();
            at = [at[0] - times * sides[axis][0], at[1] - times * sides[axis][1]];
        }
        at
    }

    fn on_lattice(&self, frame: u32, at: [f64; 2]) -> bool {
        let Some((masks, px_per_nm)) = &self.lattice_at else { return true };
        let Some(mask) = masks.get(&frame) else { return true };
        let [y, x] = at.map(|v| (v * px_per_nm).round().max(0.0) as usize);
        mask.get([y.min(mask.nrows().saturating_sub(1)), x.min(mask.ncols().saturating_sub(1))])
            .copied()
            .unwrap_or(true)
    }
}

/// The lattice vector nearest to a vector.
fn nearest([[ay, ax], [by, bx]]: [[f64; 2]; 2], [y, x]: [f64; 2]) -> [f64; 2] {
    let area = ay * bx - ax * by;
    let (u, v) = (((bx * y - by * x) / area).round(), ((ay * x - ax * y) / area).round());
    let mut best = ([0.0; 2], f64::INFINITY);
    for (du, dv) in [(0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, -1.0), (-1.0, 1.0)] {
        let at = [(u + du) * ay + (v + dv) * by, (u + du) * ax + (v + dv) * bx];
        let far = (at[0] - y).hypot(at[1] - x);
        if far < best.1 {
            best = (at, far);
        }
    }
    best.0
}
