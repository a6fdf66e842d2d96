//! Pair correlation, nearest neighbours and adjacent sites of two kinds.

use super::Coupling;
use super::compare::{draw, global, resampled, two_sided};
use super::scene::{Rule, Scene};
use crate::detect::Interval;
use crate::dynamics::sightings::Sightings;
use crate::dynamics::statistics::{benjamini_hochberg, quantile};
use crate::error::Result;
use crate::statistics::holm;
use polars::prelude::{Column, DataFrame, NamedFrom, Series};

/// Pairs in one bin of distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairPoint {
    /// Ends of the bin.
    pub from_nm: f64,
    /// Upper end.
    pub to_nm: f64,
    /// Pairs seen, over all frames.
    pub pairs: f64,
    /// Pairs that the null model gives on average.
    pub expected: f64,
    /// Seen over expected: 1 without coupling (not a number where none is expected).
    pub relative: f64,
    /// What the null model's own scenes give for it: 2.5th and 97.5th percentile.
    pub null_low: f64,
    /// Upper end.
    pub null_high: f64,
    /// The pair correlation function as liquids have it, against points anywhere in the field, with the edges corrected for
    /// (Ohser and Stoyan's translation correction). A lattice shows in it.
    pub g: f64,
    /// Probability of a number as far out without coupling.
    pub p: f64,
    /// The same, corrected for the number of bins by Holm: the chance of a single false finding.
    pub p_holm: f64,
    /// By Benjamini and Hochberg: the share of false findings.
    pub p_bh: f64,
}

/// Adjacent pairs in a window of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeWindow {
    /// First frame.
    pub first_frame: u32,
    /// Last frame.
    pub last_frame: u32,
    /// Adjacent pairs seen.
    pub seen: f64,
    /// What the null model gives on average.
    pub expected: f64,
    /// Seen over expected; its 95 % interval comes from resampling the first kind's tracks.
    pub ratio: Interval,
    /// Probability of a number as far out without coupling.
    pub p: f64,
    /// The same, corrected for the number of windows by Holm.
    pub p_holm: f64,
}

/// How two kinds of defects stand to each other.
#[derive(Clone)]
pub struct Coupled {
    /// The first kind.
    pub a: String,
    /// The second.
    pub b: String,
    /// Pairs by distance.
    pub points: Vec<PairPoint>,
    /// Probability of a pair correlation that is anywhere as far out as this, without coupling: one number for all bins.
    pub p_global: f64,
    /// Adjacent pairs by time.
    pub windows: Vec<TimeWindow>,
    /// Adjacent pairs of the whole movie.
    pub adjacent: TimeWindow,
    /// Ratio of the last window over the first one, with its 95 % interval; none with one window.
    pub change: Option<Interval>,
    /// Mean distance from the first kind to the nearest of the second, no more than the reach: seen, and by the null model.
    pub nearest_nm: (f64, f64),
    /// Probability of a mean as far out without coupling.
    pub nearest_p: f64,
}

impl Coupling {
    /// Compares two kinds, or one kind with itself.
    ///
    /// # Errors
    /// If an option is out of range, there is no such kind, a column is missing (`track` where tracks are dealt or shifted by
    /// themselves), or the user asked to stop.
    pub fn between(&self, of: &impl Sightings, a: &str, b: &str) -> Result<Coupled> {
        let scene = self.scene(of, a, b)?;
        let rule = Rule { bins: self.bins(), adjacent: self.adjacent_nm, windows: self.window_starts(&scene) };
        let (seen, drawn) = draw(&scene, self.null, self.draws, self.seed, |s, w| s.count(&rule, w))?;
        let histograms: Vec<Vec<f64>> = drawn.iter().map(|d| d.pairs.clone()).collect();
        let g = edge_corrected(&scene, &rule);
        let mut points: Vec<PairPoint> = (0..rule.bins.len())
            .map(|k| {
                let mut all: Vec<f64> = histograms.iter().map(|h| h[k]).collect();
                let (pairs, expected) = (seen.pairs[k], mean(&all));
                let p = two_sided(pairs, &all);
                let mut at = |q: f64| quantile(&mut all, q) / expected;
                let (null_low, null_high) = (at(0.025), at(0.975));
                let from_nm = if k == 0 { 0.0 } else { rule.bins[k - 1] };
                let (to_nm, relative, g) = (rule.bins[k], pairs / expected, g[k]);
                let (p_holm, p_bh) = (1.0, 1.0);
                PairPoint { from_nm, to_nm, pairs, expected, relative, null_low, null_high, g, p, p_holm, p_bh }
            })
            .collect();
        // Where neither has pairs nothing is tested.
        let tested: Vec<usize> = (0..points.len()).filter(|&k| points[k].pairs + points[k].expected > 0.0).collect();
        let p: Vec<f64> = tested.iter().map(|&k| points[k].p).collect();
        for (i, (holm, bh)) in holm(&p).into_iter().zip(benjamini_hochberg(&p)).enumerate() {
            (points[tested[i]].p_holm, points[tested[i]].p_bh) = (holm, bh);
        }
        let firsts = scene.firsts().max(1) as f64;
        let nearest: Vec<f64> = drawn.iter().map(|d| d.nearest).collect();
        let (windows, change) = self.in_time(&scene, &rule, &seen.adjacent, &drawn_adjacent(&drawn));
        let whole = Rule { windows: vec![], ..rule };
        let sums: Vec<Vec<f64>> = drawn.iter().map(|d| vec![d.adjacent.iter().sum()]).collect();
        let (adjacent, _) = self.in_time(&scene, &whole, &[seen.adjacent.iter().sum()], &sums);
        Ok(Coupled {
            a: a.into(),
            b: b.into(),
            p_global: global(&seen.pairs, &histograms),
            points,
            windows,
            adjacent: adjacent[0],
            change,
            nearest_nm: (seen.nearest / firsts, mean(&nearest) / firsts),
            nearest_p: two_sided(seen.nearest, &nearest),
        })
    }

    /// Adjacent pairs by window, and the change from the first to the last.
    fn in_time(
        &self,
        scene: &Scene,
        rule: &Rule,
        seen: &[f64],
        drawn: &[Vec<f64>],
    ) -> (Vec<TimeWindow>, Option<Interval>) {
        let n = seen.len();
        // Of each track, its adjacent pairs and its sightings in each window.
        let mut by_track = vec![vec![0.0; 2 * n]; scene.tracks];
        scene.pairs(rule.adjacent, |frame, one, _, _| by_track[one.track][rule.window(frame)] += 1.0);
        let firsts = || scene.frames.iter().flat_map(|f| f.1.iter().filter(|o| o.first).map(move |o| (f.0, o)));
        firsts().for_each(|(frame, one)| by_track[one.track][n + rule.window(frame)] += 1.0);
        by_track.retain(|t| t[n..].iter().sum::<f64>() > 0.0);
        let sightings: Vec<f64> = (0..n).map(|w| by_track.iter().map(|t| t[n + w]).sum()).collect();
        let expected: Vec<f64> = (0..n).map(|w| mean(&drawn.iter().map(|d| d[w]).collect::<Vec<_>>())).collect();
        let ratio = |sums: &[f64], w: usize| sums[w] / (expected[w] / sightings[w].max(1.0) * sums[n + w]);
        let again = resampled(&by_track, self.draws.max(199), self.seed);
        let interval = |value: f64, of: &dyn Fn(&[f64]) -> f64| {
            let mut all: Vec<f64> = again.iter().map(|s| of(s)).filter(|v| v.is_finite()).collect();
            Interval { value, low: quantile(&mut all, 0.025), high: quantile(&mut all, 0.975) }
        };
        let p: Vec<f64> = (0..n).map(|w| two_sided(seen[w], &drawn.iter().map(|d| d[w]).collect::<Vec<_>>())).collect();
        let frames = |w: usize| {
            let inside = scene.frames.iter().map(|f| f.0).filter(|f| rule.window(*f) == w);
            (inside.clone().min().unwrap_or(0), inside.max().unwrap_or(0))
        };
        let corrected = holm(&p);
        let window = |w: usize| TimeWindow {
            first_frame: frames(w).0,
            last_frame: frames(w).1,
            seen: seen[w],
            expected: expected[w],
            ratio: interval(seen[w] / expected[w], &|s| ratio(s, w)),
            p: p[w],
            p_holm: corrected[w],
        };
        let last = n - 1;
        let now = (seen[last] / expected[last]) / (seen[0] / expected[0]);
        let change = (n > 1).then(|| interval(now, &|s| ratio(s, last) / ratio(s, 0)));
        ((0..n).map(window).collect(), change)
    }
}

fn drawn_adjacent(drawn: &[super::scene::Tally]) -> Vec<Vec<f64>> {
    drawn.iter().map(|d| d.adjacent.clone()).collect()
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The pair correlation function against points anywhere in the field. Each pair counts for all that the field's edges hide.
fn edge_corrected(scene: &Scene, rule: &Rule) -> Vec<f64> {
    let [h, w] = scene.field;
    let mut g = vec![0.0; rule.bins.len()];
    scene.pairs(rule.bins.last().copied().unwrap_or(0.0), |_, a, b, distance| {
        let [dy, dx] = [0, 1].map(|k| (a.at[k] - b.at[k]).abs());
        if let Some(bin) = rule.bin(distance).filter(|_| dy < h && dx < w) {
            g[bin] += 1.0 / ((h - dy) * (w - dx));
        }
    });
    let density = |(_, all): &(u32, Vec<super::scene::One>)| {
        let first = all.iter().filter(|o| o.first).count() as f64;
        let pairs = if scene.same { 0.5 * first * (first - 1.0) } else { first * (all.len() as f64 - first) };
        pairs / (h * w * h * w)
    };
    let densities: f64 = scene.frames.iter().map(density).sum();
    for (bin, g) in g.iter_mut().enumerate() {
        let from = if bin == 0 { 0.0 } else { rule.bins[bin - 1] };
        *g /= densities * std::f64::consts::PI * (rule.bins[bin].powi(2) - from * from);
    }
    g
}

impl Coupled {
    /// One row for each bin of distance: `from_nm`, `to_nm`, `pairs`, `expected`, `relative`, `null_low`, `null_high`, `g`,
    /// `p`, `p_holm`, `p_bh`: see [`PairPoint`].
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let of = |name: &str, pick: fn(&PairPoint) -> f64| {
            Series::new(name.into(), self.points.iter().map(pick).collect::<Vec<f64>>()).into()
        };
        let columns: Vec<Column> = vec![
            of("from_nm", |p| p.from_nm),
            of("to_nm", |p| p.to_nm),
            of("pairs", |p| p.pairs),
            of("expected", |p| p.expected),
            of("relative", |p| p.relative),
            of("null_low", |p| p.null_low),
            of("null_high", |p| p.null_high),
            of("g", |p| p.g),
            of("p", |p| p.p),
            of("p_holm", |p| p.p_holm),
            of("p_bh", |p| p.p_bh),
        ];
        Ok(DataFrame::new(self.points.len(), columns)?)
    }
}

impl std::fmt::Debug for Coupled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (a, b, w) = (&self.a, &self.b, &self.adjacent);
        write!(f, "{a} and {b}: {:.0} adjacent pairs where {:.1} are expected ", w.seen, w.expected)?;
        write!(f, "({:.2} times, {:.2} to {:.2}; p = {:.3}); ", w.ratio.value, w.ratio.low, w.ratio.high, w.p)?;
        write!(f, "pair correlation anywhere as far out: p = {:.3}; ", self.p_global)?;
        let (seen, null) = self.nearest_nm;
        write!(f, "nearest neighbour at {seen:.2} nm, {null:.2} expected (p = {:.3})", self.nearest_p)?;
        if let Some(c) = self.change {
            write!(f, "; last window over first: {:.2} ({:.2} to {:.2})", c.value, c.low, c.high)?;
        }
        Ok(())
    }
}
