//! What a defect does to the image of its neighbours, which it pulls along.

use super::site::{SEEN, View};
use crate::simulate::sites::Sites;
use ndarray::Array2;

/// A column is moved by so much, there and back, to see how its image changes.
const STEP_NM: f64 = 0.004;

/// How the counts about a column change where it moves: per nanometre along y and along x.
pub(super) struct Slope {
    top: usize,
    left: usize,
    width: usize,
    of: [Vec<f64>; 2],
}

impl View<'_> {
    /// None where the column has no weight, or is too near the frame's edge.
    pub(super) fn slope(&self, frame: usize, [y_nm, x_nm]: [f64; 2], weight: f64) -> Option<Slope> {
        let imaging = &self.scan.imaging;
        let (y, x) = self.scan.place(frame, (y_nm, x_nm));
        let seen = self.probe.seen(SEEN);
        let (top, left) = (libm::round(y) - seen, libm::round(x) - seen);
        let (width, n) = (2 * seen as usize + 1, imaging.size_px);
        let inside = top >= 0.0 && left >= 0.0 && top as usize + width <= n && left as usize + width <= n;
        if !inside || weight == 0.0 {
            return None;
        }
        let (top, left) = (top as usize, left as usize);
        let shifts: Vec<f64> =
            (top..top + width).map(|r| self.scan.jitter_nm[[frame, r]] / imaging.nm_per_px).collect();
        let of = [(1.0, 0.0), (0.0, 1.0)].map(|(dy, dx)| {
            let mut image = vec![0.0; width * width];
            for sign in [1.0, -1.0] {
                let (y, x) = self.scan.place(frame, (y_nm + sign * dy * STEP_NM, x_nm + sign * dx * STEP_NM));
                let at = (y - top as f64, x - left as f64);
                self.probe.add(&mut image, width, at, sign * weight / (2.0 * STEP_NM), &shifts);
            }
            for (i, row) in image.chunks_exact_mut(width).enumerate() {
                let scale = self.scan.gain[[frame, top + i]] * imaging.counts_per_weight();
                row.iter_mut().for_each(|v| *v *= scale);
            }
            image
        });
        Some(Slope { top, left, width, of })
    }
}

/// What stands at a site, for the counts around it: its weight, and how far it pushes its bonded neighbours and the next.
#[derive(Clone, Copy)]
pub(super) struct Stand {
    pub weight: f64,
    pub push: (f64, f64),
}

/// What a mean over a Gaussian window has of a column's image: a wider Gaussian of the same volume.
pub(super) struct Taken {
    middle: (f64, f64),
    height: f64,
    variance: f64,
}

impl Taken {
    pub(super) fn of(own: &[([usize; 2], f64)], (y, x): (f64, f64), smooth_px: f64) -> Taken {
        let (mut volume, mut moment) = (0.0, 0.0);
        for ([r, c], v) in own {
            volume += v;
            moment += 0.5 * v * ((*r as f64 - y).powi(2) + (*c as f64 - x).powi(2));
        }
        let variance = smooth_px * smooth_px + moment / volume.max(1e-12);
        Taken { middle: (y, x), height: volume / (std::f64::consts::TAU * variance), variance }
    }

    pub(super) fn at(&self, [r, c]: [usize; 2]) -> f64 {
        let r2 = (r as f64 - self.middle.0).powi(2) + (c as f64 - self.middle.1).powi(2);
        self.height * libm::exp(-0.5 * r2 / self.variance)
    }
}

/// How much more probable counts are with each of the candidates at a site than with the first, as logarithms, each with
/// its neighbours where it pushes them; `now` is what is in `expected`, and nowhere are fewer than `least`. None where the frame does not show the site.
pub(super) fn log_ratios(
    view: &View,
    counts: &Array2<f64>,
    (sites, slopes): (&Sites, &[Option<Slope>]),
    (frame, site, place): (usize, usize, [f64; 2]),
    (now, candidates): (Stand, &[Stand]),
    (least, smooth_px): (f64, Option<f64>),
) -> Option<Vec<f64>> {
    let own = view.own(frame, place)?;
    let n = view.scan.imaging.size_px;
    let (y, x) = view.scan.place(frame, (place[0], place[1]));
    let far = libm::ceil(1.1 * sites.step_nm / view.scan.imaging.nm_per_px) + view.probe.seen(SEEN);
    let edge = |v: f64| (libm::round(v - far).max(0.0) as usize, (libm::round(v + far) as usize + 1).min(n));
    let ((top, bottom), (left, right)) = (edge(y), edge(x));
    let width = right - left;
    // For each pixel what the site's weight adds, and what a nanometre of its neighbours', and of the next, does.
    let mut parts = vec![[0.0; 3]; (bottom - top) * width];
    if let Some(smooth) = smooth_px {
        let taken = Taken::of(&own, (y, x), smooth);
        for (i, part) in parts.iter_mut().enumerate() {
            part[0] -= taken.at([top + i / width, left + i % width]);
        }
    }
    for (at, of_w) in own {
        if (top..bottom).contains(&at[0]) && (left..right).contains(&at[1]) {
            parts[(at[0] - top) * width + at[1] - left][0] += of_w;
        }
    }
    let mut add = |near: usize, which: usize| {
        let Some(slope) = &slopes[near] else { return };
        let (dy, dx) = (sites.at_nm[near][0] - sites.at_nm[site][0], sites.at_nm[near][1] - sites.at_nm[site][1]);
        let length = libm::hypot(dy, dx);
        for i in 0..slope.width {
            for j in 0..slope.width {
                let (row, column) = (slope.top + i, slope.left + j);
                if (top..bottom).contains(&row) && (left..right).contains(&column) {
                    let k = i * slope.width + j;
                    parts[(row - top) * width + column - left][which] +=
                        (dy * slope.of[0][k] + dx * slope.of[1][k]) / length;
                }
            }
        }
    };
    sites.bonded(site).for_each(|near| add(near, 1));
    sites.stepped(site).for_each(|near| add(near, 2));
    let change = |from: Stand, to: Stand| [to.weight - from.weight, to.push.0 - from.push.0, to.push.1 - from.push.1];
    let (back, changes) = (change(now, candidates[0]), candidates.iter().map(|c| change(candidates[0], *c)));
    let changes: Vec<[f64; 3]> = changes.collect();
    let mut logs = vec![0.0; candidates.len()];
    for (i, part) in parts.iter().enumerate().filter(|(_, p)| **p != [0.0; 3]) {
        let at = [top + i / width, left + i % width];
        let of = |c: &[f64; 3]| c.iter().zip(part).map(|(c, p)| c * p).sum::<f64>();
        let first = (view.expected[at] + of(&back)).max(least.max(1e-9));
        for (log, c) in logs.iter_mut().zip(&changes).skip(1) {
            let change = of(c).max(least - first);
            // An empty place without dark counts must not make a count impossible.
            let x = f64::max(change / first, 1e-6 - 1.0);
            let ln = if x.abs() < 0.003 { x * (1.0 - x * (0.5 - x / 3.0)) } else { libm::log1p(x) };
            *log += counts[at] * ln - change;
        }
    }
    Some(logs)
}
