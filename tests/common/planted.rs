//! Sheets of two kinds of column with planted defects, imaged, and how well labels find them by group.
#![allow(dead_code)] // each test program uses a part of it

use atomotion::ndarray::Array2;
use atomotion::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Specimen {
    Ws2,
    /// WS2 seen at 25 degrees, and sheared by the scan: vectors of unequal length at an odd angle.
    Tilted,
    Graphene,
}

/// What a label can be, by the site that it is nearest to and its sign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Group {
    DarkFirst,
    DarkSecond,
    Bright,
}

/// A defect: name, atoms, and how often it takes the place of its host.
type Kind = (&'static str, [u8; 3], f64);

impl Specimen {
    fn period_nm(self) -> f64 {
        if self == Specimen::Graphene { 0.246 } else { 0.3155 }
    }

    /// From (y, x) of the specimen to (y, x) as seen.
    fn shape(self) -> [[f64; 2]; 2] {
        if self == Specimen::Tilted { [[0.906, 0.0], [0.07, 1.0]] } else { [[1.0, 0.0], [0.0, 1.0]] }
    }

    /// The perfect columns of both kinds, and what may stand there instead.
    fn kinds(self) -> [([u8; 3], Vec<Kind>); 2] {
        let carbon = || ([6, 0, 0], vec![("Si_C", [14, 0, 0], 0.004), ("V_C", [0, 0, 0], 0.004)]);
        match self {
            Specimen::Graphene => [carbon(), carbon()],
            _ => [
                ([74, 0, 0], vec![("Mo_W", [42, 0, 0], 0.02), ("W_ad", [74, 74, 0], 0.003)]),
                (
                    [16, 16, 0],
                    vec![("V_S", [16, 0, 0], 0.008), ("V_2S", [0, 0, 0], 0.008), ("W_2S", [74, 0, 0], 0.003)],
                ),
            ],
        }
    }

    /// The perfect sheet over a field of view, a little beyond it; and of which kind each column is.
    fn sheet(self, size_nm: f64) -> Vec<(Column, usize)> {
        let (a, [[yy, yx], [xy, xx]], kinds) = (self.period_nm(), self.shape(), self.kinds());
        let reach = (1.7 * size_nm / a) as i64 + 4;
        let (sin, cos) = libm::sincos(4.0_f64.to_radians());
        let mut columns = vec![];
        for v in -reach..=reach {
            for u in -reach..=reach {
                for (kind, shift) in [0.0, 1.0 / 3.0].into_iter().enumerate() {
                    let (u, v) = (u as f64 + shift, v as f64 + shift);
                    let (x, y) = (a * (u + 0.5 * v), a * v * 0.75_f64.sqrt());
                    let (y, x) = (sin * x + cos * y, cos * x - sin * y);
                    let column = Column { y_nm: yy * y + yx * x, x_nm: xy * y + xx * x, atoms: kinds[kind].0 };
                    if column.y_nm.abs().max(column.x_nm.abs()) < size_nm / 2.0 + 0.7 {
                        columns.push((column, kind));
                    }
                }
            }
        }
        columns
    }

    /// Length of the shortest lattice vector as seen, by trying.
    fn shortest_nm(self) -> f64 {
        let (a, [[yy, yx], [xy, xx]]) = (self.period_nm(), self.shape());
        let (sin, cos) = libm::sincos(4.0_f64.to_radians());
        let mut shortest = f64::MAX;
        for (u, v) in (-3..=3).flat_map(|u| (-3..=3).map(move |v| (u, v))).filter(|uv| *uv != (0, 0)) {
            let (x, y) = (a * (f64::from(u) + 0.5 * f64::from(v)), a * f64::from(v) * 0.75_f64.sqrt());
            let (y, x) = (sin * x + cos * y, cos * x - sin * y);
            shortest = shortest.min((yy * y + yx * x).hypot(xy * y + xx * x));
        }
        shortest
    }

    /// F1 of each group that an ideal observer would reach: of the species of a group, hits and calls are added up.
    pub fn limits(self, imaging: &Imaging) -> [f64; 3] {
        let size = imaging.size_px.min((3.2 / imaging.nm_per_px) as usize).max(96);
        let imaging = imaging.clone().with_size_px(size);
        let columns: Vec<Column> =
            self.sheet(size as f64 * imaging.nm_per_px).into_iter().map(|(column, _)| column).collect();
        let kinds = self.kinds();
        let mut site_kinds: Vec<SiteKind> =
            kinds.iter().map(|(host, substitutes)| SiteKind::new(*host, substitutes)).collect();
        site_kinds.dedup();
        let options = LimitOptions::default().with_kinds(site_kinds).with_frames(20).with_draws(20);
        let limit = detection_limit(&imaging, &columns, &options).unwrap();
        [Group::DarkFirst, Group::DarkSecond, Group::Bright].map(|group| {
            let (mut hits, mut true_or_called) = (0.0, 0.0);
            for (kind, (host, substitutes)) in kinds.iter().enumerate() {
                for (name, _, _) in substitutes.iter().filter(|s| of_group(&imaging, kind, *host, s.1) == group) {
                    let l = limit.of(name).unwrap();
                    hits += l.prevalence * l.recall;
                    true_or_called += l.prevalence * (1.0 + l.recall / l.precision.max(1e-9));
                }
            }
            2.0 * hits / true_or_called
        })
    }
}

fn of_group(imaging: &Imaging, kind: usize, host: [u8; 3], atoms: [u8; 3]) -> Group {
    match (imaging.weight(atoms) > imaging.weight(host), kind) {
        (true, _) => Group::Bright,
        (false, 0) => Group::DarkFirst,
        (false, _) => Group::DarkSecond,
    }
}

/// A frame and what is true of it, in pixels.
pub struct Planted {
    pub counts: Array2<f32>,
    pub period_px: f64,
    /// Every site: place, kind, and the group of what is wrong there.
    pub sites: Vec<((f64, f64), usize, Option<Group>)>,
    size: f64,
    /// Half the distance between neighbouring sites.
    pub reach: f64,
}

impl Planted {
    pub fn new(specimen: Specimen, imaging: &Imaging, defects: bool, seed: u64) -> Planted {
        let kinds = specimen.kinds();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let scan = imaging.scan(1, seed).unwrap();
        let (mut columns, mut sites) = (vec![], vec![]);
        for (mut column, kind) in specimen.sheet(imaging.size_px as f64 * imaging.nm_per_px) {
            let (host, substitutes) = &kinds[kind];
            let mut left: f64 = rng.r#gen();
            let mut group = None;
            for (_, atoms, prevalence) in substitutes.iter().filter(|_| defects) {
                left -= prevalence;
                if left < 0.0 {
                    group = Some(of_group(imaging, kind, *host, *atoms));
                    column.atoms = *atoms;
                    break;
                }
            }
            sites.push((scan.place(0, (column.y_nm, column.x_nm)), kind, group));
            columns.push(column);
        }
        Planted {
            counts: scan.counts(0, &columns).unwrap(),
            period_px: specimen.shortest_nm() / imaging.nm_per_px,
            sites,
            size: imaging.size_px as f64,
            reach: 0.5 * specimen.period_nm() / 3.0_f64.sqrt() / imaging.nm_per_px,
        }
    }

    /// Positions of all defects in the frame.
    pub fn defects(&self) -> Vec<(f32, f32)> {
        let inside = |c: f64| (0.0..=self.size - 1.0).contains(&c);
        let defects = self.sites.iter().filter(|s| s.2.is_some() && inside(s.0.0) && inside(s.0.1));
        defects.map(|s| (s.0.0 as f32, s.0.1 as f32)).collect()
    }

    /// Scores of the three groups: a label belongs to the nearest site within half the distance of neighbours, and to the
    /// sign of its residual. Half a period along the border counts for nothing.
    pub fn scores(&self, found: &[(f64, f64, bool)]) -> [Score; 3] {
        let edge = 0.5 * self.period_px;
        let inside = |(y, x): (f64, f64)| y.min(x) >= edge && y.max(x) <= self.size - 1.0 - edge;
        let mut called = vec![vec![]; self.sites.len()];
        let mut scores = [Score { hits: 0, false_alarms: 0, misses: 0 }; 3];
        for &(y, x, bright) in found.iter().filter(|f| inside((f.0, f.1))) {
            let away = |i: &usize| (self.sites[*i].0.0 - y).hypot(self.sites[*i].0.1 - x);
            let nearest = (0..self.sites.len()).min_by(|a, b| away(a).total_cmp(&away(b))).unwrap();
            let group = match (bright, self.sites[nearest].1) {
                (true, _) => Group::Bright,
                (false, 0) => Group::DarkFirst,
                (false, _) => Group::DarkSecond,
            };
            if away(&nearest) <= self.reach && self.sites[nearest].2 == Some(group) && called[nearest].is_empty() {
                scores[group as usize].hits += 1;
                called[nearest].push(group);
            } else {
                scores[group as usize].false_alarms += 1;
            }
        }
        for (i, (place, _, group)) in self.sites.iter().enumerate() {
            if let Some(group) = group.filter(|_| inside(*place) && called[i].is_empty()) {
                scores[group as usize].misses += 1;
            }
        }
        scores
    }
}
