//! A crystal laid over the columns that an image shows.

use crate::detect::FoundColumns;
use crate::dynamics::Grid;
use crate::error::{Error, Result};
use crate::filter::gaussian;
use crate::linear::solve;
use crate::simulate::{Crystal, Imaging, Sites};
use ndarray::Array2;

/// A site counts as found if a bright column is nearer than this, in parts of a bond.
const NEAR: f64 = 0.4;
/// Less than this part of the brightest sites with a column is not this crystal: one sublattice of two makes a half.
const LEAST_FOUND: f64 = 0.7;
/// How far columns around a site say how the lattice is bent there, in periods (standard deviation), and how many columns
/// it takes to believe them by half.
const BEND_PERIODS: f64 = 1.5;
const BEND_REACH: f64 = 3.0;
const BELIEVED: f64 = 2.0;

/// A crystal's sites in an image.
pub(super) struct Registered {
    pub crystal: Crystal,
    pub sites: Sites,
    /// Where each is, `[y, x]` in pixels.
    pub at_px: Vec<[f64; 2]>,
    pub nm_per_px: f64,
    /// Part of the brightest columns' sites inside the image at which such a column was found.
    pub found: f64,
    /// Height of the fainter columns as a part of the brightest, where the crystal has such.
    pub ratio: Option<f64>,
}

/// Nanometres to pixels: a matrix, and where the crystal's origin is.
#[derive(Clone, Copy)]
struct Affine {
    by: [[f64; 2]; 2],
    origin: [f64; 2],
}

impl Affine {
    fn px(&self, [y, x]: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|i| self.by[i][0] * y + self.by[i][1] * x + self.origin[i])
    }
}

/// One way to lay the crystal over the image.
struct Way {
    crystal: Crystal,
    affine: Affine,
    found: f64,
    /// Mean intensity at the brightest columns' sites, and mean, error and number at the others'.
    bright: f64,
    faint: (f64, f64, usize),
}

/// Lays the crystal over the columns of an image; sites reach `margin_px` beyond it. The brightest columns say where it
/// is; which way it is turned is what makes the places of its fainter columns brightest.
pub(super) fn register(
    image: &Array2<f32>,
    found: &FoundColumns,
    crystal: &Crystal,
    margin_px: f64,
) -> Result<Registered> {
    let size = image.dim();
    let [a, b] = found.basis_px;
    let nm_per_px = libm::sqrt(crystal.cell_nm2() / libm::fabs(a[0] * b[1] - a[1] * b[0]));
    let middle = [(size.0 as f64 - 1.0) / 2.0, (size.1 as f64 - 1.0) / 2.0];
    let side_nm = size.0.min(size.1) as f64 * nm_per_px * 0.8;
    let soft = gaussian(image.view(), (0.25 * found.core_px).max(0.5) as f32);
    let from_middle = |p: &&[f64; 2]| libm::hypot(p[0] - middle[0], p[1] - middle[1]);
    let start = found.bright.iter().min_by(|p, q| from_middle(p).total_cmp(&from_middle(q))).copied();
    let mut ways: Vec<Way> = vec![];
    for (first, next) in directions([a, b]) {
        let turned = crystal.clone().with_rotation_deg(libm::atan2(first[0], first[1]).to_degrees());
        let sites = turned.sites(side_nm)?;
        let (Some(straight), Some(start)) = (lattice_affine(&turned, (first, next)), start) else { continue };
        let matches = Matches::of(found, &sites, crystal, nm_per_px);
        for &kind in &matches.brightest {
            // The brightest column nearest to the middle stands on a site of its sublattice.
            let near_origin = |s: &usize| libm::hypot(sites.at_nm[*s][0], sites.at_nm[*s][1]);
            let of_kind = (0..sites.len()).filter(|&s| usize::from(sites.sublattice[s]) == kind);
            let Some(s) = of_kind.min_by(|s, t| near_origin(s).total_cmp(&near_origin(t))) else { continue };
            let off = straight.px(sites.at_nm[s]);
            let affine = matches.fitted(Affine { origin: [start[0] - off[0], start[1] - off[1]], ..straight });
            let (bright, faint) = matches.brightness(&affine, &soft);
            ways.push(Way { crystal: turned.clone(), affine, found: matches.score(&affine, size), bright, faint });
        }
    }
    let wrong = || {
        Error::data(format!(
            "the columns of the movie are not those of {}: is it the right crystal (with_matter), and is its lattice clear in \
             the mean of the frames?",
            crystal.name
        ))
    };
    ways.retain(|way| way.found > LEAST_FOUND);
    // Turned by a symmetry of the crystal it is the same crystal: the one that is turned least is kept.
    let most = ways.iter().map(|w| w.found).fold(0.0, f64::max);
    ways.retain(|way| way.found > most - 0.02);
    let highest = ways.iter().map(|w| w.faint.0).fold(f64::MIN, f64::max);
    let lowest = ways.iter().map(|w| w.faint.0).fold(f64::MAX, f64::min);
    let near = |way: &&Way| way.faint.0 >= highest - way.faint.1;
    let turn = |way: &&Way| libm::fabs(way.crystal.rotation_deg);
    let best = ways.iter().filter(near).min_by(|v, w| turn(v).total_cmp(&turn(w))).ok_or_else(wrong)?;
    let Way { crystal: turned, affine, found: score, bright, faint } = best;
    let mut ratio = None;
    if faint.2 > 0 {
        if highest - lowest < 5.0 * faint.1 {
            return Err(Error::data(format!(
                "which way {} is turned cannot be told: the fainter columns do not show in the mean of the frames. Take more \
                 frames into it (with_mean_frames)",
                crystal.name
            )));
        }
        let of = ((highest - lowest) / (bright - lowest).max(1e-12)).clamp(0.0, 10.0);
        let weights = Imaging::ideal().perfect_weights(crystal);
        let usual = weights.iter().copied().fold(f64::MAX, f64::min) / weights.iter().copied().fold(0.0, f64::max);
        if !(0.4..2.5).contains(&(of / usual)) {
            return Err(wrong());
        }
        ratio = Some(of);
    }
    let longest = size.0.max(size.1) as f64 + 2.0 * margin_px;
    let sites = turned.sites(1.05 * longest * nm_per_px)?;
    let matches = Matches::of(found, &sites, crystal, nm_per_px);
    let at_px = matches.bent(&matches.fitted(*affine));
    Ok(Registered { crystal: turned.clone(), sites, at_px, nm_per_px, found: *score, ratio })
}

/// Sublattices whose columns may be the brightest: within a third of the highest weight.
fn brightest(crystal: &Crystal) -> Vec<usize> {
    let weights = Imaging::ideal().perfect_weights(crystal);
    let most = weights.iter().copied().fold(0.0, f64::max);
    (0..weights.len()).filter(|&i| weights[i] > 0.7 * most).collect()
}

/// Pairs of image vectors that the crystal's cell vectors may be: each of the lattice's shortest as the first, and the
/// next one that turns from x to y.
fn directions([a, b]: [[f64; 2]; 2]) -> Vec<([f64; 2], [f64; 2])> {
    let of = |i: f64, j: f64| [i * a[0] + j * b[0], i * a[1] + j * b[1]];
    let all: Vec<[f64; 2]> =
        [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0)].iter().flat_map(|&(i, j)| [of(i, j), of(-i, -j)]).collect();
    let long = |v: &[f64; 2]| libm::hypot(v[0], v[1]);
    let least = all.iter().map(long).fold(f64::MAX, f64::min);
    let short: Vec<[f64; 2]> = all.into_iter().filter(|v| long(v) < 1.25 * least).collect();
    let mut pairs = vec![];
    for &u in &short {
        for &v in &short {
            let turn = libm::atan2(u[1] * v[0] - u[0] * v[1], u[0] * v[0] + u[1] * v[1]).to_degrees();
            if (45.0..=100.0).contains(&turn) {
                pairs.push((u, v));
            }
        }
    }
    pairs
}

/// From the crystal's cell vectors, turned, to the image's.
fn lattice_affine(turned: &Crystal, (first, next): ([f64; 2], [f64; 2])) -> Option<Affine> {
    let (sin, cos) = libm::sincos(turned.rotation_deg.to_radians());
    let [a, b] = turned.cell_nm.map(|[y, x]| [sin * x + cos * y, cos * x - sin * y]);
    let angle = |u: [f64; 2], v: [f64; 2]| libm::atan2(u[1] * v[0] - u[0] * v[1], u[0] * v[0] + u[1] * v[1]);
    if libm::fabs(angle(a, b) - angle(first, next)) > 0.2 {
        return None;
    }
    let det = a[0] * b[1] - a[1] * b[0];
    // by * [a b] = [first next]
    let by = [0, 1].map(|i| [(first[i] * b[1] - next[i] * a[1]) / det, (next[i] * a[0] - first[i] * b[0]) / det]);
    Some(Affine { by, origin: [0.0; 2] })
}

/// Columns of an image beside the sites of a crystal.
struct Matches<'a> {
    sites: &'a Sites,
    /// Sublattices of the brightest columns, and those columns of the image.
    brightest: Vec<usize>,
    columns: &'a [[f64; 2]],
    grid: Grid,
    near_px: f64,
    period_px: f64,
}

impl Matches<'_> {
    fn of<'a>(found: &'a FoundColumns, sites: &'a Sites, crystal: &Crystal, nm_per_px: f64) -> Matches<'a> {
        let near_px = NEAR * sites.bond_nm / nm_per_px;
        let grid = Grid::new(found.bright.iter().copied(), near_px);
        let columns = &found.bright;
        Matches {
            sites,
            brightest: brightest(crystal),
            columns,
            grid,
            near_px,
            period_px: crystal.period_nm() / nm_per_px,
        }
    }

    /// The column at a site of the brightest kind; none at others, whose columns the noise may hide or make.
    fn column(&self, site: usize, at: [f64; 2]) -> Option<[f64; 2]> {
        if !self.is_bright(site) {
            return None;
        }
        let mut nearest: Option<(u32, f64)> = None;
        self.grid.near(at, self.near_px, |i, far| nearest = nearest.filter(|n| n.1 <= far).or(Some((i, far))));
        nearest.map(|(i, _)| self.columns[i as usize])
    }

    fn is_bright(&self, site: usize) -> bool {
        self.brightest.contains(&usize::from(self.sites.sublattice[site]))
    }

    /// Mean intensity at the brightest columns' sites; mean, its error, and number of the others.
    fn brightness(&self, affine: &Affine, image: &Array2<f32>) -> (f64, (f64, f64, usize)) {
        let (mut bright, mut faint) = (vec![], vec![]);
        for s in 0..self.sites.len() {
            let [y, x] = affine.px(self.sites.at_nm[s]).map(libm::round);
            if y < 0.0 || x < 0.0 {
                continue;
            }
            if let Some(v) = image.get((y as usize, x as usize)) {
                if self.is_bright(s) { &mut bright } else { &mut faint }.push(f64::from(*v));
            }
        }
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let of = mean(&faint);
        let variance = faint.iter().map(|v| (v - of).powi(2)).sum::<f64>() / faint.len().max(1) as f64;
        (mean(&bright), (of, libm::sqrt(variance / faint.len().max(1) as f64), faint.len()))
    }

    /// Part of the brightest columns' sites inside the image that have one.
    fn score(&self, affine: &Affine, (h, w): (usize, usize)) -> f64 {
        let margin = self.near_px;
        let inside =
            |[y, x]: [f64; 2]| y > margin && x > margin && y < h as f64 - 1.0 - margin && x < w as f64 - 1.0 - margin;
        let (mut all, mut hit) = (0.0, 0.0);
        for s in 0..self.sites.len() {
            let at = affine.px(self.sites.at_nm[s]);
            if inside(at) && self.is_bright(s) {
                all += 1.0;
                hit += f64::from(u8::from(self.column(s, at).is_some()));
            }
        }
        if all > 0.0 { hit / all } else { 0.0 }
    }

    /// An affine map, fitted a few times over: as it gets better, more sites find their columns.
    fn fitted(&self, start: Affine) -> Affine {
        (0..4).fold(start, |affine, _| self.refined(&affine).unwrap_or(affine))
    }

    /// The matrix and origin that bring sites nearest to their columns, by least squares.
    fn refined(&self, affine: &Affine) -> Option<Affine> {
        let (mut left, mut right) = (Array2::<f64>::zeros((3, 3)), Array2::<f64>::zeros((3, 2)));
        let mut count = 0;
        for s in 0..self.sites.len() {
            let nm = self.sites.at_nm[s];
            let Some(at) = self.column(s, affine.px(nm)) else { continue };
            let row = [nm[0], nm[1], 1.0];
            for i in 0..3 {
                (0..3).for_each(|j| left[[i, j]] += row[i] * row[j]);
                (0..2).for_each(|j| right[[i, j]] += row[i] * at[j]);
            }
            count += 1;
        }
        if count < 12 {
            return None;
        }
        let x = solve(left.view(), right.view()).ok()?;
        Some(Affine { by: [[x[[0, 0]], x[[1, 0]]], [x[[0, 1]], x[[1, 1]]]], origin: [x[[2, 0]], x[[2, 1]]] })
    }

    /// Where every site is, with what the columns around say beyond the matrix: strain, and slow distortions of the scan.
    fn bent(&self, affine: &Affine) -> Vec<[f64; 2]> {
        let straight: Vec<[f64; 2]> = self.sites.at_nm.iter().map(|&nm| affine.px(nm)).collect();
        let found = |(s, &at): (usize, &[f64; 2])| self.column(s, at).map(|c| (at, [c[0] - at[0], c[1] - at[1]]));
        let (places, away): (Vec<_>, Vec<_>) = straight.iter().enumerate().filter_map(found).unzip();
        let sigma = BEND_PERIODS * self.period_px;
        let grid = Grid::new(places.into_iter(), BEND_REACH * sigma);
        let of = |&at: &[f64; 2]| {
            let mut sum = [0.0, 0.0, BELIEVED];
            grid.near(at, BEND_REACH * sigma, |i, far| {
                let (weight, by): (f64, [f64; 2]) = (libm::exp(-0.5 * far / (sigma * sigma)), away[i as usize]);
                sum = [sum[0] + weight * by[0], sum[1] + weight * by[1], sum[2] + weight];
            });
            [at[0] + sum[0] / sum[2], at[1] + sum[1] / sum[2]]
        };
        straight.iter().map(of).collect()
    }
}
