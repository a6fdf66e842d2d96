//! Which two vectors the peaks of a power spectrum are multiples of.

pub(super) fn norm(v: [f64; 2]) -> f64 {
    v[0].hypot(v[1])
}

/// A peak's reciprocal vector, and how far it stands above the noise.
type Peak = ([f64; 2], f64);

/// A pair of reciprocal vectors, and how the peaks sit on their multiples.
pub(super) struct Indexed {
    pub(super) pair: [[f64; 2]; 2],
    /// How far from a multiple a peak may be, in cycles per pixel.
    tolerance: f64,
}

pub(super) fn cross(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

/// The two shortest vectors of the lattice that a pair spans, shorter first (Lagrange's reduction).
pub(super) fn reduced([mut a, mut b]: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    for _ in 0..64 {
        if norm(b) < norm(a) {
            std::mem::swap(&mut a, &mut b);
        }
        let turns = ((a[0] * b[0] + a[1] * b[1]) / (a[0] * a[0] + a[1] * a[1])).round();
        if turns == 0.0 {
            break;
        }
        b = [b[0] - turns * a[0], b[1] - turns * a[1]];
    }
    [a, b]
}

/// Vectors whose products with those of the pair are 1 and 0: from reciprocal to real space, and back.
pub(super) fn dual([a, b]: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    let area = cross(a, b);
    [[b[1] / area, -b[0] / area], [-a[1] / area, a[0] / area]]
}

impl Indexed {
    /// The pair that explains most of the peaks' amplitude, the strongest grain's where there are two. Of pairs that
    /// explain nearly the same the one with the largest cell is taken: a smaller one explains anything.
    pub(super) fn best(found: &[Peak], tolerance: f64) -> Option<Indexed> {
        const TRIED: usize = 16;
        let strong = &found[..found.len().min(TRIED)];
        let mut pairs: Vec<(f64, f64, Indexed)> = vec![];
        for (i, first) in strong.iter().enumerate() {
            for second in &strong[i + 1..] {
                let (a, b) = (first.0, second.0);
                // 17 degrees: a peak and its own harmonic are no pair.
                if cross(a, b).abs() < 0.3 * norm(a) * norm(b) {
                    continue;
                }
                let indexed = Indexed { pair: reduced([a, b]), tolerance };
                // A cell this small has a multiple near every peak.
                if norm(indexed.pair[0]) > 4.0 * tolerance {
                    let explained = found.iter().filter(|f| indexed.holds(f.0)).map(|f| f.1.sqrt()).sum();
                    pairs.push((explained, cross(indexed.pair[0], indexed.pair[1]).abs(), indexed));
                }
            }
        }
        let most = pairs.iter().map(|p| p.0).fold(0.0, f64::max);
        let best = pairs.into_iter().filter(|p| p.0 >= 0.95 * most).max_by(|p, q| p.1.total_cmp(&q.1));
        best.map(|p| p.2.refined(found))
    }

    /// Multiples of the pair nearest to a peak.
    fn multiples(&self, g: [f64; 2]) -> [f64; 2] {
        let [a, b] = dual(self.pair);
        [(a[0] * g[0] + a[1] * g[1]).round(), (b[0] * g[0] + b[1] * g[1]).round()]
    }

    pub(super) fn holds(&self, g: [f64; 2]) -> bool {
        let ([m, n], [a, b]) = (self.multiples(g), self.pair);
        norm([g[0] - m * a[0] - n * b[0], g[1] - m * a[1] - n * b[1]]) < self.tolerance
    }

    /// The pair that fits all its peaks best, weighted by their amplitude.
    fn refined(self, found: &[Peak]) -> Indexed {
        let (mut mm, mut mn, mut nn, mut mg, mut ng) = (0.0, 0.0, 0.0, [0.0; 2], [0.0; 2]);
        for (g, strength) in found.iter().filter(|f| self.holds(f.0)) {
            let ([m, n], w) = (self.multiples(*g), strength.sqrt());
            (mm, mn, nn) = (mm + w * m * m, mn + w * m * n, nn + w * n * n);
            for axis in 0..2 {
                mg[axis] += w * m * g[axis];
                ng[axis] += w * n * g[axis];
            }
        }
        let determinant = mm * nn - mn * mn;
        if determinant <= 0.0 {
            return self;
        }
        let of = |axis: usize| {
            [(nn * mg[axis] - mn * ng[axis]) / determinant, (mm * ng[axis] - mn * mg[axis]) / determinant]
        };
        let ([a0, b0], [a1, b1]) = (of(0), of(1));
        Indexed { pair: [[a0, a1], [b0, b1]], ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The reduced pair spans the same cell, and no combination of small multiples is shorter than its first vector.
        #[test]
        fn reduced_pairs_are_shortest(a in [0.1_f64..5.0, -5.0..5.0], b in [-5.0_f64..5.0, 0.1..5.0]) {
            prop_assume!(cross(a, b).abs() > 0.05);
            let [c, d] = reduced([a, b]);
            prop_assert!((cross(c, d).abs() - cross(a, b).abs()).abs() < 1e-9);
            for m in -3..=3 {
                for n in -3..=3 {
                    let v = [f64::from(m) * a[0] + f64::from(n) * b[0], f64::from(m) * a[1] + f64::from(n) * b[1]];
                    prop_assert!((m, n) == (0, 0) || norm(v) > norm(c) - 1e-9);
                }
            }
        }
    }
}
