//! Points of one frame by cell, so that those near a place are found without looking at the others.

/// A square grid over points, stored cell by cell.
pub(crate) struct Grid {
    origin: [f64; 2],
    cell: f64,
    rows: usize,
    columns: usize,
    /// Where each cell begins in `points`.
    starts: Vec<u32>,
    /// Numbers of points, by cell.
    points: Vec<u32>,
    places: Vec<[f64; 2]>,
}

impl Grid {
    /// A grid for searches within `reach`. Cells are no smaller than that, and there are no more than four for each point.
    pub(crate) fn new(places: impl Iterator<Item = [f64; 2]>, reach: f64) -> Grid {
        let at: Vec<[f64; 2]> = places.collect();
        let fold = |axis: usize, start: f64, f: fn(f64, f64) -> f64| at.iter().map(|p| p[axis]).fold(start, f);
        let low = [0, 1].map(|axis| fold(axis, f64::INFINITY, f64::min));
        let high = [0, 1].map(|axis| fold(axis, f64::NEG_INFINITY, f64::max));
        let most = 4.0 * at.len() as f64 + 16.0;
        let mut cell = reach.max(f64::MIN_POSITIVE);
        let across = |cell: f64, axis: usize| ((high[axis] - low[axis]) / cell).max(0.0).floor() + 1.0;
        while across(cell, 0) * across(cell, 1) > most {
            cell *= 1.5;
        }
        let (rows, columns) = (across(cell, 0) as usize, across(cell, 1) as usize);
        let mut grid = Grid {
            origin: low,
            cell,
            rows,
            columns,
            starts: vec![0; rows * columns + 1],
            points: vec![],
            places: vec![],
        };
        let cells: Vec<usize> = at.iter().map(|&p| grid.cell_of(p)).collect();
        for &cell in &cells {
            grid.starts[cell + 1] += 1;
        }
        for i in 0..rows * columns {
            grid.starts[i + 1] += grid.starts[i];
        }
        let mut next = grid.starts.clone();
        (grid.points, grid.places) = (vec![0; at.len()], vec![[0.0; 2]; at.len()]);
        for (i, &cell) in cells.iter().enumerate() {
            let to = next[cell] as usize;
            (grid.points[to], grid.places[to]) = (i as u32, at[i]);
            next[cell] += 1;
        }
        grid
    }

    fn along(&self, value: f64, axis: usize, cells: usize) -> usize {
        (((value - self.origin[axis]) / self.cell).max(0.0) as usize).min(cells.saturating_sub(1))
    }

    fn cell_of(&self, place: [f64; 2]) -> usize {
        self.along(place[0], 0, self.rows) * self.columns + self.along(place[1], 1, self.columns)
    }

    /// Calls `visit` with the number and squared distance of every point within `reach` of a place.
    pub(crate) fn near(&self, place: [f64; 2], reach: f64, mut visit: impl FnMut(u32, f64)) {
        if self.points.is_empty() {
            return;
        }
        let span = |axis: usize, cells: usize| {
            self.along(place[axis] - reach, axis, cells)..=self.along(place[axis] + reach, axis, cells)
        };
        for row in span(0, self.rows) {
            let columns = span(1, self.columns);
            let first = self.starts[row * self.columns + columns.start()] as usize;
            let last = self.starts[row * self.columns + columns.end() + 1] as usize;
            for i in first..last {
                let [y, x] = self.places[i];
                let far = (y - place[0]) * (y - place[0]) + (x - place[1]) * (x - place[1]);
                if far <= reach * reach {
                    visit(self.points[i], far);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn finds_what_looking_at_all_finds() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for (n, size, reach) in [(0, 1.0, 1.0), (1, 1.0, 2.0), (300, 40.0, 3.0), (200, 1e6, 0.5), (200, 5.0, 9.0)] {
            let points: Vec<[f64; 2]> =
                (0..n).map(|_| [rng.gen_range(-size..size), rng.gen_range(0.0..size)]).collect();
            let grid = Grid::new(points.iter().copied(), reach);
            for _ in 0..50 {
                let place = [rng.gen_range(-2.0 * size..2.0 * size), rng.gen_range(-size..size)];
                let mut found = vec![];
                grid.near(place, reach, |i, _| found.push(i as usize));
                found.sort_unstable();
                let far = |p: [f64; 2]| (p[0] - place[0]).hypot(p[1] - place[1]);
                let all: Vec<usize> = (0..n).filter(|&i| far(points[i]) <= reach).collect();
                assert_eq!(found, all);
            }
        }
    }
}
