//! Tracks that split from others, or merge into them.

use super::assign::{Candidates, assign};
use super::links::Points;
use crate::dynamics::grid::Grid;
use std::ops::Range;

/// Whether a track began beside another or ended beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BranchKind {
    /// A track begins near one that goes on.
    Split,
    /// A track ends near one that goes on.
    Merge,
}

/// A place where two tracks meet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Branch {
    /// Split or merge.
    pub kind: BranchKind,
    /// The frame in which the new track has its first defect, or in which the old one is seen no more.
    pub frame: u32,
    /// The track that goes on.
    pub trunk: u32,
    /// The one that begins or ends.
    pub branch: u32,
    /// Distance between the defects of the two frames, in pixels.
    pub distance_px: f64,
}

/// Every split and merge, by frame: in each frame the beginnings (the ends) are assigned to tracks that go on such that the
/// sum of squared distances is least (Jaqaman et al., Nature Methods 5, 695, 2008, with the distance as the only cost).
pub(super) fn find(points: &Points, track: &[u32], tracks: u32, reach: f64) -> Vec<Branch> {
    // First and last point of each track; points are sorted by frame.
    let mut ends = vec![(usize::MAX, 0); tracks as usize];
    for (point, &t) in track.iter().enumerate() {
        let (first, last) = &mut ends[t as usize];
        (*first, *last) = ((*first).min(point), point);
    }
    let begins = |p: &usize| ends[track[*p] as usize].0 == *p;
    let stops = |p: &usize| ends[track[*p] as usize].1 == *p;
    let mut found = vec![];
    for pair in points.frames.windows(2) {
        let [(before, old), (frame, new)] = [&pair[0], &pair[1]];
        if before + 1 != *frame {
            continue;
        }
        // What begins in the new frame may come from what was there and goes on; what stops in the old one may have gone
        // into what was there before.
        let trunks: Vec<usize> = old.clone().filter(|p| !stops(p)).collect();
        let branches: Vec<usize> = new.clone().filter(begins).collect();
        let mut add = |kind, branches: &[usize], trunks: &[usize]| {
            for (branch, trunk) in meet(points, branches, trunks, reach) {
                let distance_px = distance(points.at[branch], points.at[trunk]);
                let (trunk, branch) = (track[trunk], track[branch]);
                found.push(Branch { kind, frame: *frame, trunk, branch, distance_px });
            }
        };
        add(BranchKind::Split, &branches, &trunks);
        let trunks: Vec<usize> = new.clone().filter(|p| !begins(p)).collect();
        let branches: Vec<usize> = old.clone().filter(stops).collect();
        add(BranchKind::Merge, &branches, &trunks);
    }
    found
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn meet(points: &Points, branches: &[usize], trunks: &[usize], reach: f64) -> Vec<(usize, usize)> {
    let grid = Grid::new(trunks.iter().map(|&p| points.at[p]), reach);
    let mut candidates = Candidates { starts: vec![0], targets: trunks.len(), ..Candidates::default() };
    for &branch in branches {
        grid.near(points.at[branch], reach, |trunk, far| {
            candidates.to.push(trunk);
            candidates.cost.push(far);
        });
        candidates.starts.push(candidates.to.len() as u32);
    }
    let assigned = assign(&candidates, reach * reach);
    branches.iter().zip(assigned).filter_map(|(&branch, trunk)| Some((branch, trunks[trunk? as usize]))).collect()
}

/// Pairs of points of two sets, each used once, no farther apart than `reach`, of least sum of squared distances and as
/// many as there can be at that price.
pub(super) fn nearest(a: &[[f64; 2]], b: &[[f64; 2]], reach: f64) -> Vec<(usize, usize)> {
    let all = || a.iter().chain(b).copied();
    let rows: Vec<usize> = (0..a.len() + b.len()).collect();
    let points = Points { frames: vec![], at: all().collect(), class: None, row: &rows };
    let (first, second): (Range<usize>, Range<usize>) = (0..a.len(), a.len()..a.len() + b.len());
    let (first, second): (Vec<usize>, Vec<usize>) = (first.collect(), second.collect());
    meet(&points, &first, &second, reach).into_iter().map(|(i, j)| (i, j - a.len())).collect()
}
