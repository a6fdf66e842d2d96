//! What of a patch the methods see.

use super::cluster::pca::{Principal, components};
use super::cluster::product::products;
use crate::defects::Defects;
use crate::error::{Error, Result, check};
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

/// What stands for a patch where patches are compared.
///
/// ```
/// use atomotion::prelude::*;
/// let by_scores = KMeans::new(4).with_features(Features::Scores(8));
/// let turned_alike = KMeans::new(4).with_features(Features::Zernike(8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Features {
    /// Every pixel.
    Pixels,
    /// Positions along so many principal components.
    Scores(usize),
    /// Positions along so many principal components of what lies within a distance of the patch's middle. The column
    /// itself decides, not what its neighbours happen to be: 0.6 of a lattice period is a good radius for species.
    Within {
        /// Distance from the middle in pixels.
        px: f32,
        /// Principal components.
        scores: usize,
    },
    /// Gaussian averages, of this standard deviation in pixels, at the columns of the mean patch.
    Sites(f32),
    /// Moduli of the Fourier coefficients up to this many waves across the patch. They do not change where the patch is
    /// shifted (round its edges).
    Fourier(usize),
    /// Moduli of the Zernike moments up to this order, in the largest circle (Teague, J. Opt. Soc. Am. 70, 920, 1980).
    /// They do not change where the patch is turned or mirrored.
    Zernike(usize),
}

/// Features as they were measured on one set of patches, to be measured on others in the same way.
#[derive(Clone, Debug)]
pub(crate) struct Extractor {
    how: How,
    /// Height and width of the patches.
    shape: (usize, usize),
}

#[derive(Clone, Debug)]
enum How {
    Pixels,
    Scores(Box<Principal>),
    /// Some of the pixels, and components of those.
    Part(Vec<usize>, Box<Principal>),
    /// Weights of pixels, a row for each feature.
    Weights(Array2<f32>),
    /// Real and imaginary parts of the waves.
    Moduli(Array2<f32>, Array2<f32>),
}

/// The patches as rows, shape (defects, height x width).
pub(crate) fn rows(patches: &Array3<f32>) -> Result<ArrayView2<'_, f32>> {
    let (n, h, w) = patches.dim();
    let flat = patches.view().into_shape_with_order((n, h * w)).map_err(|e| Error::data(e.to_string()))?;
    if let Some(row) = flat.outer_iter().position(|row| row.iter().any(|v| !v.is_finite())) {
        return Err(Error::data(format!("the patch of row {row} holds NaN: leave that row out")));
    }
    Ok(flat)
}

impl Features {
    /// Learns what there is to learn from the patches.
    pub(crate) fn of(self, defects: &Defects) -> Result<Extractor> {
        let (n, h, w) = defects.patches().dim();
        let flat = rows(defects.patches())?;
        let how = match self {
            Features::Pixels => How::Pixels,
            Features::Scores(keep) => {
                check("features: scores", keep, (1..=h * w).contains(&keep), format!("from 1 to {}", h * w))?;
                How::Scores(Box::new(components(flat, keep.min(n.saturating_sub(1)).max(1))?))
            }
            Features::Within { px, scores } => {
                let middle = |length: usize| (length as f32 - 1.0) / 2.0;
                let far = |i: usize| ((i / w) as f32 - middle(h)).hypot((i % w) as f32 - middle(w));
                let inside: Vec<usize> = (0..h * w).filter(|&i| far(i) <= px).collect();
                let wanted = "a distance in pixels, with a pixel inside";
                check("features: within", px, px.is_finite() && !inside.is_empty(), wanted)?;
                let most = format!("from 1 to {}, the pixels within {px}", inside.len());
                check("features: scores", scores, (1..=inside.len()).contains(&scores), most)?;
                let part = flat.select(Axis(1), &inside);
                let principal = components(part.view(), scores.min(n.saturating_sub(1)).max(1))?;
                How::Part(inside, Box::new(principal))
            }
            Features::Sites(sigma) => {
                check("features: sites", sigma, sigma > 0.0 && sigma < h.max(w) as f32, "a positive number of pixels")?;
                How::Weights(at_sites(defects, sigma)?)
            }
            Features::Fourier(most) => {
                check("features: Fourier", most, most > 0 && 2 * most < h.min(w), "from 1 to half of the patch")?;
                let (real, imaginary) = fourier(h, w, most);
                How::Moduli(real, imaginary)
            }
            Features::Zernike(order) => {
                check("features: Zernike", order, (1..=40).contains(&order), "an order from 1 to 40")?;
                let (real, imaginary) = zernike(h, w, order);
                How::Moduli(real, imaginary)
            }
        };
        Ok(Extractor { how, shape: (h, w) })
    }
}

impl Extractor {
    /// The pixels that count, where they are not all.
    pub(crate) fn pixels(&self) -> Option<&[usize]> {
        match &self.how {
            How::Part(pixels, _) => Some(pixels),
            _ => None,
        }
    }

    /// Features of patches, shape (defects, features).
    pub(crate) fn measure(&self, patches: &Array3<f32>) -> Result<Array2<f32>> {
        let (_, h, w) = patches.dim();
        if (h, w) != self.shape {
            let (a, b) = self.shape;
            return Err(Error::data(format!("patches of {h} x {w} pixels cannot be sorted into classes of {a} x {b}")));
        }
        let flat = rows(patches)?;
        Ok(match &self.how {
            How::Pixels => flat.to_owned(),
            How::Scores(principal) => principal.scores(flat),
            How::Part(inside, principal) => principal.scores(flat.select(Axis(1), inside).view()),
            How::Weights(weights) => products(flat, weights.view()),
            How::Moduli(real, imaginary) => {
                let mut moduli = products(flat, real.view());
                moduli.zip_mut_with(&products(flat, imaginary.view()), |a, b| *a = a.hypot(*b));
                moduli
            }
        })
    }
}

/// Waves across a patch, but for the constant, one of each pair of opposite ones.
fn fourier(h: usize, w: usize, most: usize) -> (Array2<f32>, Array2<f32>) {
    let most = most as i32;
    let waves: Vec<(i32, i32)> = (0..=most)
        .flat_map(|ky| (-most..=most).map(move |kx| (ky, kx)))
        .filter(|&(ky, kx)| (ky > 0 || kx >= 0) && ky * ky + kx * kx <= most * most)
        .collect();
    let scale = 1.0 / ((h * w) as f32).sqrt();
    let of = |part: fn(f32) -> f32| {
        Array2::from_shape_fn((waves.len(), h * w), |(i, p)| {
            let (y, x) = ((p / w) as f32 / h as f32, (p % w) as f32 / w as f32);
            scale * part(std::f32::consts::TAU * (waves[i].0 as f32 * y + waves[i].1 as f32 * x))
        })
    };
    (of(f32::cos), of(f32::sin))
}

/// Zernike's polynomials in the largest circle of a patch, each of unit length.
fn zernike(h: usize, w: usize, order: usize) -> (Array2<f32>, Array2<f32>) {
    let pairs: Vec<(usize, usize)> =
        (0..=order).flat_map(|n| (0..=n).filter(move |m| (n - m) % 2 == 0).map(move |m| (n, m))).collect();
    let radius = h.min(w) as f64 / 2.0;
    let polar = |p: usize| {
        let (y, x) = ((p / w) as f64 - (h as f64 - 1.0) / 2.0, (p % w) as f64 - (w as f64 - 1.0) / 2.0);
        (y.hypot(x) / radius, y.atan2(x))
    };
    let of = |part: fn(f64) -> f64| {
        Array2::from_shape_fn((pairs.len(), h * w), |(i, p)| {
            let ((n, m), (r, angle)) = (pairs[i], polar(p));
            if r > 1.0 {
                return 0.0;
            }
            let norm = ((n + 1) as f64 / std::f64::consts::PI).sqrt() / radius;
            (norm * radial(n, m, r) * part(m as f64 * angle)) as f32
        })
    };
    (of(f64::cos), of(f64::sin))
}

/// Zernike's radial polynomial, by Kintner's recurrence (Opt. Acta 23, 679, 1976): digits do not cancel at high orders.
fn radial(n: usize, m: usize, r: f64) -> f64 {
    let mut before = 0.0;
    let mut at = r.powi(m as i32);
    let mut order = m;
    while order < n {
        let (k, m) = ((order + 2) as f64, m as f64);
        let k1 = (k + m) * (k - m) * (k - 2.0) / 2.0;
        let k2 = 2.0 * k * (k - 1.0) * (k - 2.0);
        let k3 = -m * m * (k - 1.0) - k * (k - 1.0) * (k - 2.0);
        let k4 = -k * (k + m - 2.0) * (k - m - 2.0) / 2.0;
        // Where order is m there is no term before; k4 is then 0.
        let next = if k1 == 0.0 { 2.0 * r * r - 1.0 } else { ((k2 * r * r + k3) * at + k4 * before) / k1 };
        (before, at, order) = (at, next, order + 2);
    }
    at
}

/// Gaussian weights about the local maxima of the mean patch.
fn at_sites(defects: &Defects, sigma: f32) -> Result<Array2<f32>> {
    let mean = defects.patches().mean_axis(Axis(0)).unwrap_or_default();
    let sites = peaks(&mean, 1.0);
    if sites.is_empty() {
        return Err(Error::data("the mean patch shows no columns, so that there are no sites to measure at"));
    }
    let (_, w) = mean.dim();
    let mut weights = Array2::from_shape_fn((sites.len(), mean.len()), |(i, p)| {
        let (y, x) = ((p / w) as f32 - sites[i].0, (p % w) as f32 - sites[i].1);
        (-(y * y + x * x) / (2.0 * sigma * sigma)).exp()
    });
    for mut row in weights.rows_mut() {
        let sum = row.sum();
        row /= sum;
    }
    Ok(weights)
}

/// Local maxima of an image that is averaged with a Gaussian of `sigma` pixels first, to a fraction of a pixel, not at its
/// edge; highest first.
pub(crate) fn peaks(image: &Array2<f32>, sigma: f32) -> Vec<(f32, f32)> {
    let smooth = crate::filter::weighted_gaussian(image, &Array2::ones(image.dim()), sigma);
    let (h, w) = smooth.dim();
    let mut found = vec![];
    for y in 2..h.saturating_sub(2) {
        for x in 2..w.saturating_sub(2) {
            let here = smooth[[y, x]];
            let around = (y - 2..=y + 2).flat_map(|v| (x - 2..=x + 2).map(move |u| (v, u))).filter(|p| *p != (y, x));
            if around.into_iter().all(|p| smooth[p] < here) {
                let offset = |a: f32, b: f32| {
                    let curve = a + b - 2.0 * here;
                    if curve < 0.0 { (0.5 * (a - b) / curve).clamp(-0.5, 0.5) } else { 0.0 }
                };
                let dy = offset(smooth[[y - 1, x]], smooth[[y + 1, x]]);
                let dx = offset(smooth[[y, x - 1]], smooth[[y, x + 1]]);
                found.push((here, (y as f32 + dy, x as f32 + dx)));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|f| f.1).collect()
}

/// Mean of each column of features, for models.
pub(crate) fn class_centres(data: ArrayView2<f32>, labels: &[u32], classes: usize) -> Array2<f32> {
    let mut sums = Array2::<f64>::zeros((classes, data.ncols()));
    let mut counts = Array1::<f64>::zeros(classes);
    for (row, &label) in data.outer_iter().zip(labels) {
        sums.row_mut(label as usize).zip_mut_with(&row, |s, &v| *s += f64::from(v));
        counts[label as usize] += 1.0;
    }
    (sums / &counts.mapv(|c| c.max(1.0)).insert_axis(Axis(1))).mapv(|v| v as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zernike's polynomials as they are written in books, and orthogonal on a fine grid.
    #[test]
    fn zernikes_are_zernikes() {
        for r in [0.0, 0.3, 0.7, 1.0_f64] {
            let (r2, r4) = (r * r, r.powi(4));
            for (n, m, value) in [
                (2, 0, 2.0 * r2 - 1.0),
                (4, 0, 6.0 * r4 - 6.0 * r2 + 1.0),
                (3, 1, 3.0 * r * r2 - 2.0 * r),
                (4, 2, 4.0 * r4 - 3.0 * r2),
                (6, 0, 20.0 * r.powi(6) - 30.0 * r4 + 12.0 * r2 - 1.0),
                (5, 3, 5.0 * r.powi(5) - 4.0 * r.powi(3)),
            ] {
                assert!((radial(n, m, r) - value).abs() < 1e-12, "{n} {m} {r}");
            }
        }
        let (real, _) = zernike(128, 128, 6);
        let gram = real.dot(&real.t());
        for ((i, j), v) in gram.indexed_iter() {
            // The circle's jagged edge costs a per cent.
            assert!(if i == j { *v > 0.4 } else { v.abs() < 0.03 }, "{i} {j} {v}");
        }
    }

    #[test]
    fn peaks_are_found_between_pixels() {
        let image = Array2::from_shape_fn((24, 24), |(y, x)| {
            let at = |cy: f32, cx: f32| (-((y as f32 - cy).powi(2) + (x as f32 - cx).powi(2)) / 8.0).exp();
            at(8.3, 9.6) + 0.5 * at(15.5, 16.0)
        });
        let found = peaks(&image, 1.0);
        assert_eq!(found.len(), 2);
        assert!((found[0].0 - 8.3).abs() < 0.1 && (found[0].1 - 9.6).abs() < 0.1, "{found:?}");
    }
}
