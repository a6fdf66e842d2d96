//! From a probability map to defects: connected regions, those of touching defects split.

use super::super::components::components;
use super::super::filter::{gaussian, median};
use super::Decoding;
use super::places::{Front, Places};
use ndarray::{Array2, ArrayView2, s};

/// A region of one defect, in pixels of the map.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub y: f32,
    pub x: f32,
    pub area: usize,
    /// The highest of the region.
    pub probability: f32,
    /// Where that is.
    pub peak: (usize, usize),
}

type Pixels = Vec<(usize, usize)>;

/// Radius of the disc that a label is, in periods; what is not larger is not split.
const DISC_PERIODS: f64 = 0.3;
/// Two discs that have shrunk to what is sure of them, in discs.
const TWO_DISCS: f64 = 0.7;
/// Standard deviation of a column in what is left of a frame, in periods.
const SEEN_PERIODS: f64 = 0.23;
/// A second defect in a region stands out by so many standard deviations of the noise, and by this part of the strongest:
/// columns are not quite Gaussian.
const LEAST_SECOND: f32 = 2.5;
const OF_STRONGEST: f32 = 0.25;
/// One on a place of the lattice by this part of a stronger one beside it: less is what moved neighbours leave.
const OF_BESIDE: f32 = 0.17;
/// By this part where one is dark and the other bright: a heavy atom pushes its neighbours, and is dark where they were.
const OF_OTHER_SIGN: f32 = 0.4;
/// How near beside is, in periods.
const BESIDE_PERIODS: f64 = 0.7;
/// How far from its place a defect stands out most, in periods.
const CORE_PERIODS: f64 = 0.15;

impl Decoding {
    /// The defects of a map, with probability-weighted centres, at least as far inside as the edge rule says.
    ///
    /// A region goes half way down from the threshold to what the map says of most places, and must reach it: so it has a
    /// middle. What stands in front of the lattice, where that is known, decides which regions are several defects: the map of
    /// neighbouring ones is one plateau.
    pub(super) fn objects(&self, map: ArrayView2<f32>, front: Option<&Front>, period: f64) -> Vec<Object> {
        let edge = (self.edge_periods * period) as f32;
        let (h, w) = (map.nrows() as f32 - 1.0, map.ncols() as f32 - 1.0);
        let one = std::f64::consts::PI * (DISC_PERIODS * period).powi(2);
        let threshold = self.threshold as f32;
        let least = 0.5 * (threshold + usual(map).min(threshold));
        components(&map.mapv(|p| p >= least))
            .into_iter()
            .flat_map(|pixels| {
                let discs = pixels.len() as f64 / one;
                match front {
                    Some(front @ Front { places: Some(places), .. }) if discs > TWO_DISCS => {
                        self.on_places(front, places, pixels, period)
                    }
                    _ if discs < 1.2 => vec![pixels],
                    Some(front) => self.parted(front.rest.view(), pixels, period),
                    None => self.split(map, pixels, period),
                }
            })
            .filter(|pixels| pixels.len() >= self.min_area_px.max(1))
            .map(|pixels| object(map, &pixels))
            .filter(|d| d.probability >= threshold)
            .filter(|d| d.y >= edge && d.x >= edge && d.y <= h - edge && d.x <= w - edge)
            .collect()
    }

    /// One region for each place of the lattice that stands out, by more than what the stronger ones beside it make of it. A
    /// faint defect beside a strong one has no maximum of its own.
    fn on_places(&self, front: &Front, places: &Places, pixels: Pixels, period: f64) -> Vec<Pixels> {
        let low = pixels.iter().fold((usize::MAX, usize::MAX), |l, p| (l.0.min(p.0), l.1.min(p.1)));
        let high = pixels.iter().fold((0, 0), |h, p| (h.0.max(p.0), h.1.max(p.1)));
        let width = 2.0 * (SEEN_PERIODS * period).powi(2) as f32;
        let far2 = |at: (usize, usize), p: (f32, f32)| (at.0 as f32 - p.0).powi(2) + (at.1 as f32 - p.1).powi(2);
        let core2 = ((CORE_PERIODS * period).powi(2) as f32).max(2.0);
        // How much each stands out, where, and whether it is bright.
        let standing = |p: (f32, f32)| {
            let core = pixels.iter().filter(|at| far2(**at, p) <= core2);
            let most = core.max_by(|a, b| front.rest[**a].total_cmp(&front.rest[**b]))?;
            Some((front.rest[*most], p, front.signed[*most] > 0.0))
        };
        let mut all: Vec<_> = places.near(low, high).into_iter().filter_map(standing).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut found: Vec<(f32, (f32, f32), bool)> = vec![];
        for (height, p, bright) in all {
            let (mut sum, mut least) = (0.0, LEAST_SECOND);
            for &(strong, at, sign) in &found {
                let d2 = (at.0 - p.0).powi(2) + (at.1 - p.1).powi(2);
                if sign == bright {
                    sum += strong * (-d2 / width).exp();
                }
                if d2 < (BESIDE_PERIODS * period).powi(2) as f32 {
                    least = least.max(strong * if sign == bright { OF_BESIDE } else { OF_OTHER_SIGN });
                }
            }
            if found.is_empty() || height - sum > least {
                found.push((height, p, bright));
            }
        }
        if found.len() < 2 {
            return vec![pixels];
        }
        self.shared_out(&found.into_iter().map(|f| f.1).collect::<Vec<_>>(), pixels, period)
    }

    /// To each place the pixels around it, no farther than half way to the next: the ridge between two would draw their
    /// centres together.
    fn shared_out(&self, places: &[(f32, f32)], pixels: Pixels, period: f64) -> Vec<Pixels> {
        let far2 = |at: (usize, usize), p: (f32, f32)| (at.0 as f32 - p.0).powi(2) + (at.1 as f32 - p.1).powi(2);
        let between = |a: (f32, f32), b: (f32, f32)| 0.5 * (a.0 - b.0).hypot(a.1 - b.1);
        let half_way = |i: usize| {
            let others = places.iter().enumerate().filter(|(j, _)| *j != i);
            others.map(|(_, p)| between(*p, places[i])).fold((DISC_PERIODS * period) as f32, f32::min)
        };
        let reach: Vec<f32> = (0..places.len()).map(|i| half_way(i).powi(2)).collect();
        let mut parts = vec![vec![]; places.len()];
        for at in pixels {
            let nearest = (0..places.len()).min_by(|&a, &b| far2(at, places[a]).total_cmp(&far2(at, places[b])));
            if let Some(n) = nearest.filter(|&n| far2(at, places[n]) <= reach[n]) {
                parts[n].push(at);
            }
        }
        parts.retain(|p| !p.is_empty());
        parts
    }

    /// One region for each column that stands out: the strongest place is found, what its column makes of its surroundings
    /// is taken away, and so on (Högbom's CLEAN, Astron. Astrophys. Suppl. 15, 417, 1974). A faint defect beside a strong one
    /// has no maximum of its own. Each gets the pixels around it.
    fn parted(&self, rest: ArrayView2<f32>, pixels: Pixels, period: f64) -> Vec<Pixels> {
        let apart = (self.apart_periods * period) as f32;
        let width = 2.0 * (SEEN_PERIODS * period).powi(2) as f32;
        let far2 = |a: (usize, usize), b: (usize, usize)| {
            (a.0 as f32 - b.0 as f32).powi(2) + (a.1 as f32 - b.1 as f32).powi(2)
        };
        let mut left: Vec<f32> = pixels.iter().map(|&at| rest[at]).collect();
        let (mut found, mut least): (Pixels, f32) = (vec![], LEAST_SECOND);
        while let Some((i, &height)) = left.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)) {
            if !found.is_empty() && height < least {
                break;
            }
            let place = pixels[i];
            if found.iter().all(|f| far2(*f, place) >= apart * apart) {
                least = least.max(OF_STRONGEST * height);
                found.push(place);
                left.iter_mut().zip(&pixels).for_each(|(v, &at)| *v -= height * (-far2(at, place) / width).exp());
            }
            left[i] = f32::MIN;
        }
        if found.len() < 2 {
            return vec![pixels];
        }
        let places: Vec<(f32, f32)> = found.iter().map(|f| (f.0 as f32, f.1 as f32)).collect();
        self.shared_out(&places, pixels, period)
    }

    /// One region a maximum: floods from the highest pixel down (Vincent and Soille, IEEE Trans. Pattern Anal. Mach.
    /// Intell. 13, 583, 1991). Where two floods meet they become one if their maxima are too near to be two defects, or the
    /// pass between them is nearly as high as the lower of them.
    fn split(&self, map: ArrayView2<f32>, pixels: Pixels, period: f64) -> Vec<Pixels> {
        let (apart, saddle) = ((self.apart_periods * period) as f32, self.saddle as f32);
        let low = pixels.iter().fold((usize::MAX, usize::MAX), |l, p| (l.0.min(p.0), l.1.min(p.1)));
        let high = pixels.iter().fold((0, 0), |h, p| (h.0.max(p.0), h.1.max(p.1)));
        let height = smooth(map, low, high, period);
        let at = |p: &(usize, usize)| (p.0 - low.0, p.1 - low.1);
        let mut order = pixels;
        order.sort_by(|a, b| height[at(b)].total_cmp(&height[at(a)]).then(a.cmp(b)));
        // Floods by number; `of` leads from a flood to the one that it has become part of.
        let mut flood = Array2::from_elem(height.dim(), usize::MAX);
        let (mut of, mut maxima): (Vec<usize>, Pixels) = (vec![], vec![]);
        for p in &order {
            let (y, x) = at(p);
            let mut near: Vec<usize> = flood
                .slice(s![
                    y.saturating_sub(1)..(y + 2).min(flood.nrows()),
                    x.saturating_sub(1)..(x + 2).min(flood.ncols())
                ])
                .iter()
                .filter(|f| **f != usize::MAX)
                .map(|&f| root(&of, f))
                .collect();
            near.sort_unstable();
            near.dedup();
            // Floods are numbered from the highest maximum down.
            let Some((&first, others)) = near.split_first() else {
                flood[[y, x]] = of.len();
                of.push(of.len());
                maxima.push((y, x));
                continue;
            };
            flood[[y, x]] = first;
            for &other in others {
                let (a, b) = (maxima[first], maxima[other]);
                let far = (a.0 as f32 - b.0 as f32).hypot(a.1 as f32 - b.1 as f32);
                if far < apart || height[[y, x]] > saddle * height[b] {
                    of[other] = first;
                }
            }
        }
        let mut parts = vec![vec![]; of.len()];
        for p in order {
            parts[root(&of, flood[at(&p)])].push(p);
        }
        parts.retain(|p| !p.is_empty());
        parts
    }

    /// Leaves one of those that are nearer to each other than two defects can be: the most probable.
    pub(super) fn without_duplicates<T>(&self, mut all: Vec<T>, period: f64, of: impl Fn(&T) -> &Object) -> Vec<T> {
        let apart = (self.apart_periods * period) as f32;
        all.sort_by(|a, b| of(b).probability.total_cmp(&of(a).probability));
        let mut kept: Vec<T> = Vec::with_capacity(all.len());
        for one in all {
            let near = |k: &T| (of(k).y - of(&one).y).hypot(of(k).x - of(&one).x) < apart;
            if !kept.iter().any(near) {
                kept.push(one);
            }
        }
        kept
    }
}

/// What a map says of most places: not 0 where a training was short.
pub(super) fn usual(map: ArrayView2<f32>) -> f32 {
    median(&mut map.slice(s![..;5, ..;5]).iter().copied().collect::<Vec<_>>())
}

fn root(of: &[usize], mut flood: usize) -> usize {
    while of[flood] != flood {
        flood = of[flood];
    }
    flood
}

/// The map around a region, smoothed by a fraction of a label's disc: a plateau gets its maximum in its middle.
fn smooth(map: ArrayView2<f32>, low: (usize, usize), high: (usize, usize), period: f64) -> Array2<f32> {
    let sigma = (0.08 * period).max(0.6) as f32;
    let reach = (4.0 * sigma).ceil() as usize;
    let (top, left) = (low.0.saturating_sub(reach), low.1.saturating_sub(reach));
    let (bottom, right) = ((high.0 + reach + 1).min(map.nrows()), (high.1 + reach + 1).min(map.ncols()));
    let soft = gaussian(map.slice(s![top..bottom, left..right]), sigma);
    soft.slice(s![low.0 - top..=high.0 - top, low.1 - left..=high.1 - left]).to_owned()
}

fn object(map: ArrayView2<f32>, pixels: &Pixels) -> Object {
    let (mut sum, mut y, mut x, mut peak) = (0.0, 0.0, 0.0, pixels[0]);
    for &(py, px) in pixels {
        let p = map[[py, px]];
        sum += p;
        y += p * py as f32;
        x += p * px as f32;
        peak = if p > map[peak] { (py, px) } else { peak };
    }
    Object { y: y / sum, x: x / sum, area: pixels.len(), probability: map[peak], peak }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: f64 = 10.0;

    fn blob(cy: f32, cx: f32, s: f32) -> impl Fn(usize, usize) -> f32 {
        move |y, x| 0.95 * (-((y as f32 - cy).powi(2) + (x as f32 - cx).powi(2)) / (2.0 * s * s)).exp()
    }

    /// As the network draws them: discs of a label's radius with a soft rim.
    fn discs(centres: &[(f32, f32)]) -> Array2<f32> {
        Array2::from_shape_fn((64, 64), |(y, x)| {
            let of = |c: &(f32, f32)| {
                let r = (y as f32 - c.0).hypot(x as f32 - c.1);
                1.0 / (1.0 + ((r - 3.0) / 0.6).exp())
            };
            centres.iter().map(of).fold(0.0, f32::max)
        })
    }

    /// A planted blob is found at its centre, to a tenth of a pixel; small ones and those at the edge are dropped.
    #[test]
    fn centres_are_subpixel() {
        let (middle, edge, small) = (blob(20.3, 31.6, 3.0), blob(1.0, 10.0, 3.0), blob(40.0, 12.0, 0.5));
        let map = Array2::from_shape_fn((64, 64), |(y, x)| middle(y, x).max(edge(y, x)).max(small(y, x)));
        let found = Decoding::default().with_threshold(0.5).objects(map.view(), None, PERIOD);
        assert_eq!(found.len(), 1);
        assert!((found[0].y - 20.3).abs() < 0.1 && (found[0].x - 31.6).abs() < 0.1);
        assert!(found[0].probability > 0.9 && found[0].area > 10);
    }

    /// Neighbouring sites of WS2 are 0.577 periods apart: two defects there, three around a hollow, and a chain of four come
    /// apart, each within half a pixel of its site; one elongated disc stays one.
    #[test]
    fn touching_defects_come_apart() {
        let d = 5.77_f32;
        let (h, s) = (0.5 * d, 0.866 * d);
        for centres in [
            vec![(30.0, 30.0), (30.0, 30.0 + d)],
            vec![(30.0, 30.0), (30.0 + h, 30.0 + s), (30.0 - h, 30.0 + s)],
            vec![(20.0, 20.0), (20.0 + h, 20.0 + s), (20.0, 20.0 + 2.0 * s), (20.0 + h, 20.0 + 3.0 * s)],
        ] {
            let found = Decoding::default().with_threshold(0.5).objects(discs(&centres).view(), None, PERIOD);
            assert_eq!(found.len(), centres.len(), "{found:?}");
            for c in &centres {
                assert!(found.iter().any(|f| (f.y - c.0).hypot(f.x - c.1) < 0.5), "{c:?} is none of {found:?}");
            }
        }
        let long = discs(&[(30.0, 30.0), (30.0, 32.0)]);
        assert_eq!(Decoding::default().objects(long.view(), None, PERIOD).len(), 1);
    }

    /// A faint defect beside a strong one: the map is one plateau, and what is left of the frame tells them apart.
    #[test]
    fn a_plateau_is_split_by_what_is_left() {
        let centres = [(30.0, 30.0), (32.885, 35.0)];
        let map = discs(&centres).mapv(|p: f32| (2.0 * p).min(0.95));
        let (strong, faint) = (blob(centres[0].0, centres[0].1, 2.3), blob(centres[1].0, centres[1].1, 2.3));
        let rest = Array2::from_shape_fn((64, 64), |(y, x)| 14.0 * strong(y, x) + 4.0 * faint(y, x));
        let front = Front { rest: rest.clone(), signed: &rest, places: None };
        let found = Decoding::default().objects(map.view(), Some(&front), PERIOD);
        assert_eq!(found.len(), 2, "{found:?}");
        for c in centres {
            assert!(found.iter().any(|f| (f.y - c.0).hypot(f.x - c.1) < 1.0), "{c:?} is none of {found:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// However a region is split, each of its pixels is in one part, and no two maxima are nearer than allowed
        /// unless a pass parts them.
        #[test]
        fn splitting_keeps_every_pixel(centres in prop::collection::vec((12.0_f32..50.0, 12.0_f32..50.0), 1..12)) {
            let map = discs(&centres);
            let decoding = Decoding::default();
            for pixels in components(&map.mapv(|p| p >= 0.5)) {
                let mut before = pixels.clone();
                let mut after: Pixels = decoding.split(map.view(), pixels, PERIOD).concat();
                before.sort_unstable();
                after.sort_unstable();
                prop_assert_eq!(before, after);
            }
        }

        /// Of duplicates the most probable stays, and what stays is apart.
        #[test]
        fn duplicates_leave_the_most_probable(places in prop::collection::vec((0.0_f32..40.0, 0.0_f32..40.0, 0.5_f32..1.0), 1..40)) {
            let all: Vec<Object> = places.iter()
                .map(|&(y, x, probability)| Object { y, x, area: 9, probability, peak: (0, 0) }).collect();
            let decoding = Decoding::default();
            let kept = decoding.without_duplicates(all.clone(), PERIOD, |o| o);
            let near = |a: &Object, b: &Object| (a.y - b.y).hypot(a.x - b.x) < (decoding.apart_periods * PERIOD) as f32;
            for (i, a) in kept.iter().enumerate() {
                prop_assert!(kept[..i].iter().all(|b| !near(a, b)));
            }
            for one in &all {
                let stays = kept.iter().any(|k| (k.y, k.x) == (one.y, one.x));
                prop_assert!(stays || kept.iter().any(|k| near(k, one) && k.probability >= one.probability));
            }
        }
    }
}
