//! The mean cell of a lattice, and the columns in it.

use super::filter::vertex;
use super::sites::Shape;
use ndarray::Array2;

/// Bins along a cell vector: a multiple of 2 and 3, so that places of high symmetry fall on bins.
const BINS: usize = 24;
/// Of a cell.
const MOST_COLUMNS: usize = 3;
/// One more column must leave less than this part of what is beyond the noise. Three wide columns at a cell's three places of
/// high symmetry are nearly a constant: they fit a little better than two whatever their heights, and say nothing.
const MUCH_LESS: f32 = 0.5;

/// What stands at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The brightest column of the cell, or one nearly as bright.
    Bright,
    /// A fainter column.
    Faint,
    /// None: the darkest place of the cell.
    Hollow,
}

/// The average over all cells of a lattice, background taken out.
pub(super) struct MeanCell {
    mean: Array2<f32>,
    /// Standard error of a bin.
    error: f32,
    /// Where bin 0, 0 lies in the cell.
    origin: [f32; 2],
    basis: [[f64; 2]; 2],
}

/// The columns of a cell: place in cells, kind, and height.
pub(super) struct Columns {
    pub columns: Vec<([f32; 2], Kind, f32)>,
    pub shape: Shape,
}

impl MeanCell {
    /// Averages pixels that lie at the same place of their cells; twice, so that the brightest place falls on bin 0, 0.
    pub(super) fn of(
        flat: &Array2<f32>,
        trust: &Array2<f32>,
        place: impl Fn(usize, usize) -> [f32; 2],
        basis: [[f64; 2]; 2],
    ) -> Option<MeanCell> {
        let mut origin = [0.0_f32; 2];
        for _ in 0..2 {
            let cell = binned(flat, trust, &place, origin, basis)?;
            let peak = cell.peak();
            origin = [origin[0] + peak[0], origin[1] + peak[1]];
        }
        binned(flat, trust, &place, origin, basis)
    }

    /// The brightest place between bins, in cells.
    fn peak(&self) -> [f32; 2] {
        let smooth = smoothed(&self.mean);
        let ((y, x), _) = argmax(&smooth);
        let near = |dy: usize, dx: usize| smooth[[(y + dy) % BINS, (x + dx) % BINS]];
        let n = BINS as f32;
        [
            (y as f32 + vertex(near(BINS - 1, 0), near(0, 0), near(1, 0))) / n,
            (x as f32 + vertex(near(0, BINS - 1), near(0, 0), near(0, 1))) / n,
        ]
    }

    /// Columns of one shape, at most three and no more than the cell needs, found one after the other in what those before
    /// leave; of all shapes tried the one that leaves least. None where not even the first stands out.
    pub(super) fn columns(&self) -> Option<Columns> {
        let period = self.basis.map(|v| v[0].hypot(v[1])).into_iter().fold(f64::MAX, f64::min) as f32;
        let mut best: Option<(Fit, Shape)> = None;
        for most in 1..=MOST_COLUMNS {
            let mut next: Option<(Fit, Shape)> = None;
            for core in (0..15).map(|i| (0.08 + 0.02 * i as f32) * period) {
                for (tail, wide) in
                    [(0.0, 1.0), (0.06, 2.0), (0.06, 2.8), (0.12, 2.0), (0.12, 2.8), (0.2, 2.0), (0.2, 2.8)]
                {
                    let shape = Shape { core_px: core, tail_px: wide * core, tail };
                    let Some(fit) = self.fitted(&self.kernel(&shape), most) else { continue };
                    if fit.places.len() == most && next.as_ref().is_none_or(|n| fit.left < n.0.left) {
                        next = Some((fit, shape));
                    }
                }
            }
            let beyond = |fit: &Fit| fit.left - self.error * self.error * fit.rest.len() as f32;
            match (next, &best) {
                (Some(next), Some(before)) if beyond(&next.0) > MUCH_LESS * beyond(&before.0) => break,
                (Some(next), _) => best = Some(next),
                (None, _) => break,
            }
        }
        let (fit, shape) = best?;
        let highest = fit.heights.iter().copied().fold(0.0, f32::max);
        if highest < 6.0 * self.error {
            return None;
        }
        let place = |at: (usize, usize)| {
            [self.origin[0] + at.0 as f32 / BINS as f32, self.origin[1] + at.1 as f32 / BINS as f32]
        };
        let kind = |h: f32| if h > 0.7 * highest { Kind::Bright } else { Kind::Faint };
        let mut columns: Vec<_> = fit.places.iter().zip(&fit.heights).map(|(p, &h)| (place(*p), kind(h), h)).collect();
        let (hollow, _) = argmax(&smoothed(&self.mean).mapv(|v| -v));
        columns.push((place(hollow), Kind::Hollow, highest));
        Some(Columns { columns, shape })
    }

    /// One column and its neighbours' in all cells around, seen in the bins of the cell that it stands at the origin of.
    fn kernel(&self, shape: &Shape) -> Array2<f32> {
        let [a, b] = self.basis;
        Array2::from_shape_fn((BINS, BINS), |(i, j)| {
            let mut sum = 0.0;
            for n in -3..=2 {
                for m in -3..=2 {
                    let (u, v) = (i as f64 / BINS as f64 + f64::from(n), j as f64 / BINS as f64 + f64::from(m));
                    let (y, x) = (u * a[0] + v * b[0], u * a[1] + v * b[1]);
                    sum += shape.at((y * y + x * x) as f32);
                }
            }
            sum
        })
    }

    /// The first column stands at bin 0, 0, and each other where most is left.
    fn fitted(&self, kernel: &Array2<f32>, most: usize) -> Option<Fit> {
        let mut places = vec![(0, 0)];
        let mut fit = least_squares(&self.mean, kernel, &places)?;
        while places.len() < most {
            let mut left = smoothed(&fit.rest);
            left.indexed_iter_mut().filter(|(at, _)| self.taken(*at, &places)).for_each(|(_, v)| *v = f32::MIN);
            let (next, highest) = argmax(&left);
            if highest == f32::MIN {
                break;
            }
            places.push(next);
            let more = least_squares(&self.mean, kernel, &places)?;
            // What is fainter than that is no column but what the shape does not describe: of one column, or of a second
            // one that is itself faint.
            let (last, first) = (*more.heights.last()?, more.heights[0]);
            let least = if places.len() == 2 { 0.07 * first } else { 0.5 * more.heights[1] };
            if last < least.max(4.0 * self.error) {
                break;
            }
            fit = more;
        }
        Some(fit)
    }

    /// Whether a place is nearer to a column than columns stand side by side: two fifths of the period.
    fn taken(&self, at: (usize, usize), places: &[(usize, usize)]) -> bool {
        let [a, b] = self.basis;
        let period = a[0].hypot(a[1]).min(b[0].hypot(b[1]));
        let wrapped = |i: usize, j: usize| ((i + BINS - j) % BINS) as f64 / BINS as f64;
        places.iter().any(|place| {
            let (u, v) = (wrapped(at.0, place.0), wrapped(at.1, place.1));
            [-1.0, 0.0].iter().any(|n| {
                [-1.0, 0.0].iter().any(|m| {
                    let (u, v) = (u + n, v + m);
                    (u * a[0] + v * b[0]).hypot(u * a[1] + v * b[1]) < 0.4 * period
                })
            })
        })
    }
}

/// Columns at places of the cell that fit it best.
struct Fit {
    places: Vec<(usize, usize)>,
    heights: Vec<f32>,
    /// What they leave, and its sum of squares.
    rest: Array2<f32>,
    left: f32,
}

/// Heights of columns at `places`, and a constant, by the normal equations.
fn least_squares(cell: &Array2<f32>, kernel: &Array2<f32>, places: &[(usize, usize)]) -> Option<Fit> {
    let at = |k: usize, i: usize, j: usize| match places.get(k) {
        Some((y, x)) => f64::from(kernel[[(i + BINS - y) % BINS, (j + BINS - x) % BINS]]),
        None => 1.0,
    };
    let n = places.len() + 1;
    let mut system = vec![vec![0.0_f64; n + 1]; n];
    for ((i, j), &value) in cell.indexed_iter() {
        for (r, row) in system.iter_mut().enumerate() {
            let here = at(r, i, j);
            row[..n].iter_mut().enumerate().for_each(|(c, sum)| *sum += here * at(c, i, j));
            row[n] += here * f64::from(value);
        }
    }
    let solution = solved(system)?;
    let rest = Array2::from_shape_fn(cell.dim(), |(i, j)| {
        cell[[i, j]] - (0..n).map(|k| solution[k] * at(k, i, j)).sum::<f64>() as f32
    });
    let left = rest.iter().map(|r| r * r).sum();
    let heights = solution[..places.len()].iter().map(|&h| h as f32).collect();
    Some(Fit { places: places.to_vec(), heights, rest, left })
}

/// Gauss's elimination with pivots; the last column is the right-hand side.
fn solved(mut system: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let n = system.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&a, &b| system[a][k].abs().total_cmp(&system[b][k].abs()))?;
        system.swap(k, pivot);
        let row = system[k].clone();
        if row[k].abs() < 1e-12 {
            return None;
        }
        for (i, other) in system.iter_mut().enumerate() {
            if i != k {
                let factor = other[k] / row[k];
                other.iter_mut().zip(&row).for_each(|(o, r)| *o -= factor * r);
            }
        }
    }
    Some((0..n).map(|k| system[k][n] / system[k][k]).collect())
}

fn binned(
    flat: &Array2<f32>,
    trust: &Array2<f32>,
    place: &impl Fn(usize, usize) -> [f32; 2],
    origin: [f32; 2],
    basis: [[f64; 2]; 2],
) -> Option<MeanCell> {
    let mut sums = Array2::<[f64; 3]>::from_elem((BINS, BINS), [0.0; 3]);
    for ((y, x), &value) in flat.indexed_iter() {
        if trust[[y, x]] < 1.0 {
            continue;
        }
        let [u, v] = place(y, x);
        let bin = |c: f32, o: f32| ((c - o).rem_euclid(1.0) * BINS as f32).round() as usize % BINS;
        let sum = &mut sums[[bin(u, origin[0]), bin(v, origin[1])]];
        let value = f64::from(value);
        *sum = [sum[0] + 1.0, sum[1] + value, sum[2] + value * value];
    }
    if sums.iter().any(|s| s[0] < 1.0) {
        return None;
    }
    let mean = sums.mapv(|s| (s[1] / s[0]) as f32);
    let variance = |s: &[f64; 3]| (s[2] / s[0] - (s[1] / s[0]).powi(2)).max(0.0) / s[0];
    let error = (sums.iter().map(variance).sum::<f64>() / sums.len() as f64).sqrt() as f32;
    Some(MeanCell { mean, error, origin, basis })
}

/// Each bin averaged with its neighbours, around the cell.
fn smoothed(cell: &Array2<f32>) -> Array2<f32> {
    Array2::from_shape_fn(cell.dim(), |(i, j)| {
        let mut sum = 0.0;
        for (a, wa) in [(BINS - 1, 1.0), (0, 2.0), (1, 1.0)] {
            for (b, wb) in [(BINS - 1, 1.0), (0, 2.0), (1, 1.0)] {
                sum += wa * wb * cell[[(i + a) % BINS, (j + b) % BINS]];
            }
        }
        sum / 16.0
    })
}

fn argmax(map: &Array2<f32>) -> ((usize, usize), f32) {
    map.indexed_iter().fold(((0, 0), f32::MIN), |best, (at, &v)| if v > best.1 { (at, v) } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A planted cell comes back: places on bins, heights, and the shape it was made with.
    #[test]
    fn columns_are_those_that_were_put_there() {
        let basis = [[8.66, 5.0], [0.0, 10.0]];
        let empty = MeanCell { mean: Array2::zeros((BINS, BINS)), error: 0.01, origin: [0.0; 2], basis };
        let shape = Shape { core_px: 1.8, tail_px: 3.6, tail: 0.12 };
        let kernel = empty.kernel(&shape);
        let at = |i: usize, j: usize, y: usize, x: usize| kernel[[(i + BINS - y) % BINS, (j + BINS - x) % BINS]];
        let mean = Array2::from_shape_fn((BINS, BINS), |(i, j)| 50.0 * at(i, j, 0, 0) + 7.5 * at(i, j, 8, 8) - 9.0);
        let found = MeanCell { mean, ..empty }.columns().unwrap();
        assert_eq!(found.columns.len(), 3);
        let (second, kind, height) = found.columns[1];
        assert!((second[0] - 1.0 / 3.0).abs() < 1e-6 && (second[1] - 1.0 / 3.0).abs() < 1e-6, "{second:?}");
        assert!(kind == Kind::Faint && (height - 7.5).abs() < 0.3, "{kind:?} {height}");
        assert!((found.shape.core_px - 1.8).abs() < 0.01 && found.shape.tail == 0.12, "{:?}", found.shape);
        assert_eq!(found.columns[2].1, Kind::Hollow);
    }
}
