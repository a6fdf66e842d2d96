//! From points in frames to tracks: each frame against what is still alive from the frames before.

use super::assign::{Candidates, assign};
use super::{Motion, Pair};
use crate::dynamics::grid::Grid;
use crate::error::Result;
use rayon::prelude::*;
use std::ops::Range;

/// Points of a movie, sorted by frame.
pub(super) struct Points<'a> {
    /// Frames that have points, ascending, with their points.
    pub frames: Vec<(u32, Range<usize>)>,
    pub at: Vec<[f64; 2]>,
    pub class: Option<Vec<u32>>,
    /// Row of the table of each point.
    pub row: &'a [usize],
}

/// What links cost.
pub(super) struct Costs<'a> {
    pub reach: f64,
    pub unlinked: f64,
    pub class: f64,
    pub gap: f64,
    pub extra: Option<Extra<'a>>,
}

pub(super) type Extra<'a> = &'a (dyn Fn(&Pair) -> Option<f64> + Sync);

/// What becomes of each point.
pub(super) struct Linked {
    /// The track of each, numbered by first appearance.
    pub track: Vec<u32>,
    pub tracks: u32,
    /// Points that competed with each other in the largest network.
    pub largest: usize,
}

/// The last point of a track that may go on.
#[derive(Clone)]
struct Alive {
    point: usize,
    frame: u32,
    velocity: [f64; 2],
}

/// How a run reports how many of its frames are done; an error stops it.
pub(super) type Told<'a> = &'a mut dyn FnMut(usize) -> Result<()>;

const NONE: u32 = u32::MAX;

impl Points<'_> {
    /// Links all frames.
    pub(super) fn link(&self, costs: &Costs, memory: u32, motion: Motion, told: Told) -> Result<Linked> {
        let mut linked = Linked { track: vec![NONE; self.at.len()], tracks: 0, largest: 0 };
        if memory == 0 && motion == Motion::Still {
            self.link_side_by_side(costs, &mut linked, told)?;
        } else {
            self.link_in_turn(costs, memory, motion, &mut linked, told)?;
        }
        Ok(linked)
    }

    /// Without memory or prediction each pair of frames is a task of its own.
    fn link_side_by_side(&self, costs: &Costs, linked: &mut Linked, told: Told) -> Result<()> {
        const BATCH: usize = 64;
        let pairs: Vec<usize> = (1..self.frames.len()).collect();
        if let Some((_, range)) = self.frames.first() {
            linked.begin(range.clone());
        }
        for batch in pairs.chunks(BATCH) {
            told(batch[0])?;
            let of = |&i: &usize| {
                let (frame, range) = &self.frames[i - 1];
                if frame + 1 != self.frames[i].0 {
                    return (vec![None; range.len()], 0);
                }
                let alive: Vec<Alive> = range.clone().map(|point| Alive::new(point, *frame)).collect();
                self.one(&alive, |a| self.at[a.point], i, costs)
            };
            let found: Vec<_> = batch.par_iter().map(of).collect();
            for (&i, (becomes, network)) in batch.iter().zip(found) {
                linked.largest = linked.largest.max(network);
                let (before, range) = (self.frames[i - 1].1.clone(), self.frames[i].1.clone());
                for (source, target) in before.zip(becomes) {
                    if let Some(target) = target {
                        linked.track[range.start + target as usize] = linked.track[source];
                    }
                }
                linked.begin(range);
            }
        }
        told(self.frames.len())
    }

    fn link_in_turn(&self, costs: &Costs, memory: u32, motion: Motion, linked: &mut Linked, told: Told) -> Result<()> {
        let mut alive: Vec<Alive> = vec![];
        let mut common = [0.0; 2];
        for i in 0..self.frames.len() {
            told(i)?;
            let (frame, range) = self.frames[i].clone();
            alive.retain(|a| frame - a.frame <= memory + 1);
            let expected = |a: &Alive, common: [f64; 2]| {
                let [y, x] = self.at[a.point];
                let frames = f64::from(frame - a.frame);
                let [vy, vx] = if motion == Motion::Own { a.velocity } else { common };
                [y + vy * frames, x + vx * frames]
            };
            let mut found = self.one(&alive, |a| expected(a, common), i, costs);
            if motion == Motion::Common {
                // The first guess of how all have moved is that they go on as before; a better one may change links.
                for _ in 0..3 {
                    let moved = self.common(&alive, &found.0, i).unwrap_or(common);
                    let change = (moved[0] - common[0]).hypot(moved[1] - common[1]);
                    common = moved;
                    if change < 0.02 * costs.reach {
                        break;
                    }
                    found = self.one(&alive, |a| expected(a, common), i, costs);
                }
            }
            let (becomes, network) = found;
            linked.largest = linked.largest.max(network);
            let mut gone = Vec::with_capacity(alive.len());
            let mut velocity = vec![None; range.len()];
            for (old, target) in alive.iter().zip(&becomes) {
                match target {
                    Some(target) => {
                        let point = range.start + *target as usize;
                        linked.track[point] = linked.track[old.point];
                        velocity[*target as usize] = Some(old.after(&self.at, point, frame));
                    }
                    None => gone.push(old.clone()),
                }
            }
            linked.begin(range.clone());
            let new = range.zip(velocity).map(|(point, v)| Alive { point, frame, velocity: v.unwrap_or([0.0; 2]) });
            alive = new.chain(gone).collect();
        }
        told(self.frames.len())
    }

    /// What each of those alive becomes in frame `i`, and the size of the largest network.
    fn one(
        &self,
        alive: &[Alive],
        expected: impl Fn(&Alive) -> [f64; 2],
        i: usize,
        costs: &Costs,
    ) -> (Vec<Option<u32>>, usize) {
        let (frame, range) = &self.frames[i];
        let grid = Grid::new(range.clone().map(|point| self.at[point]), costs.reach);
        let mut candidates = Candidates { starts: vec![0], targets: range.len(), ..Candidates::default() };
        let mut row: Vec<(f64, u32)> = vec![];
        for old in alive {
            row.clear();
            let frames = frame - old.frame;
            grid.near(expected(old), costs.reach, |target, far| {
                let point = range.start + target as usize;
                row.extend(self.cost(old.point, point, frames, far, costs).map(|cost| (cost, target)));
            });
            row.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            candidates.to.extend(row.iter().map(|r| r.1));
            candidates.cost.extend(row.iter().map(|r| r.0));
            candidates.starts.push(candidates.to.len() as u32);
        }
        (assign(&candidates, costs.unlinked), largest(&candidates))
    }

    fn cost(&self, from: usize, to: usize, frames: u32, far: f64, costs: &Costs) -> Option<f64> {
        let changes = self.class.as_ref().is_some_and(|c| c[from] != c[to]);
        let pair = || Pair { from: self.row[from], to: self.row[to], frames, distance_px: far.sqrt() };
        let extra = costs.extra.map_or(Some(0.0), |extra| extra(&pair()).filter(|c| !c.is_nan()))?;
        let cost = far + if changes { costs.class } else { 0.0 } + costs.gap * f64::from(frames - 1) + extra;
        // What costs more than no link is never taken.
        (cost <= costs.unlinked).then_some(cost)
    }

    /// The median step, per frame, of what has been linked: how everything moved.
    fn common(&self, alive: &[Alive], becomes: &[Option<u32>], i: usize) -> Option<[f64; 2]> {
        let (frame, range) = &self.frames[i];
        let step = |axis: usize| {
            let of = |(old, target): (&Alive, &Option<u32>)| {
                let moved = self.at[range.start + (*target)? as usize][axis] - self.at[old.point][axis];
                (old.frame + 1 == *frame).then_some(moved)
            };
            let mut steps: Vec<f64> = alive.iter().zip(becomes).filter_map(of).collect();
            let middle = steps.len() / 2;
            // Fewer than three say nothing about all.
            (steps.len() > 2).then(|| *steps.select_nth_unstable_by(middle, f64::total_cmp).1)
        };
        Some([step(0)?, step(1)?])
    }
}

impl Alive {
    fn new(point: usize, frame: u32) -> Alive {
        Alive { point, frame, velocity: [0.0; 2] }
    }

    /// Its velocity once it has become `point`: half of what it was, half of what it now did.
    fn after(&self, at: &[[f64; 2]], point: usize, frame: u32) -> [f64; 2] {
        let frames = f64::from(frame - self.frame);
        [0, 1].map(|axis| 0.5 * self.velocity[axis] + 0.5 * (at[point][axis] - at[self.point][axis]) / frames)
    }
}

impl Linked {
    /// Whatever of these points continues no track begins one.
    fn begin(&mut self, points: Range<usize>) {
        for point in points {
            if self.track[point] == NONE {
                self.track[point] = self.tracks;
                self.tracks += 1;
            }
        }
    }
}

/// How many points compete with each other in the largest network of candidates.
fn largest(candidates: &Candidates) -> usize {
    let sources = candidates.sources();
    let mut parent: Vec<u32> = (0..(sources + candidates.targets) as u32).collect();
    fn root(parent: &mut [u32], mut i: u32) -> u32 {
        while parent[i as usize] != i {
            parent[i as usize] = parent[parent[i as usize] as usize];
            i = parent[i as usize];
        }
        i
    }
    let mut size = vec![1_usize; parent.len()];
    let mut most = 0;
    for source in 0..sources {
        for k in candidates.of(source) {
            let a = root(&mut parent, source as u32);
            let b = root(&mut parent, (sources + candidates.to[k] as usize) as u32);
            if a != b {
                parent[b as usize] = a;
                size[a as usize] += size[b as usize];
            }
            most = most.max(size[a as usize]);
        }
    }
    most
}
