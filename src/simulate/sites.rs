//! The sites of a lattice inside a square, with their neighbours.

use super::crystal::Crystal;
use crate::error::{Error, Result};
use polars::prelude::{DataFrame, NamedFrom, Series};

/// Where there is no neighbour, because the square ends.
pub(super) const NONE: u32 = u32::MAX;

/// Sites in nanometres from the square's centre, y down. A site is named by its number.
#[derive(Clone, PartialEq)]
pub struct Sites {
    /// `[y, x]` of each.
    pub(crate) at_nm: Vec<[f64; 2]>,
    /// Which of the crystal's sublattices.
    pub(crate) sublattice: Vec<u8>,
    /// The three nearest sites, by direction: the same order for all sites of a sublattice, whatever the rotation.
    pub(super) bonds: Vec<[u32; 3]>,
    /// For mobile sites, the nearest mobile ones (six, or three in graphene), by direction.
    pub(super) steps: Vec<[u32; 6]>,
    pub(super) host: Vec<bool>,
    pub(super) mobile: Vec<bool>,
    /// Atoms of a perfect column.
    pub(super) per_column: Vec<u8>,
    /// From a site to the nearest of all.
    pub(crate) bond_nm: f64,
    /// From a mobile site to the next.
    pub(super) step_nm: f64,
}

/// A neighbour in another cell: how many cells on, and which sublattice.
type Offset = (i64, i64, usize);

impl Sites {
    pub(super) fn new(crystal: &Crystal, side_nm: f64) -> Result<Sites> {
        let kinds = crystal.sublattices.len();
        let near = (0..kinds).map(|s| neighbours(crystal, s, |_| true)).collect::<Vec<_>>();
        if let Some((offsets, _)) = near.iter().find(|(offsets, _)| offsets.len() != 3) {
            return Err(Error::data(format!("{}: a column has {} bonds, not 3", crystal.name, offsets.len())));
        }
        let mobile = |s: usize| crystal.sublattices[s].mobile;
        let steps = (0..kinds)
            .map(|s| if mobile(s) { neighbours(crystal, s, mobile) } else { (vec![], 0.0) })
            .collect::<Vec<_>>();
        if let Some((offsets, _)) = steps.iter().find(|(offsets, _)| offsets.len() > 6) {
            return Err(Error::data(format!("{}: a column has {} steps, more than 6", crystal.name, offsets.len())));
        }
        let mut sites = Sites::places(crystal, side_nm);
        sites.bond_nm = near.iter().map(|n| n.1).fold(0.0, f64::max);
        sites.step_nm = steps.iter().map(|s| s.1).fold(0.0, f64::max);
        let (index, cells) = sites.index(crystal, side_nm);
        for (at, &(u, v, s)) in cells.iter().enumerate() {
            for (k, &offset) in near[s].0.iter().enumerate() {
                sites.bonds[at][k] = index.get((u, v), offset);
            }
            for (k, &offset) in steps[s].0.iter().enumerate() {
                sites.steps[at][k] = index.get((u, v), offset);
            }
        }
        Ok(sites)
    }

    fn places(crystal: &Crystal, side_nm: f64) -> Sites {
        let mut sites = Sites {
            at_nm: vec![],
            sublattice: vec![],
            bonds: vec![],
            steps: vec![],
            host: vec![],
            mobile: vec![],
            per_column: vec![],
            bond_nm: 0.0,
            step_nm: 0.0,
        };
        walk(crystal, side_nm, |_, s, (y, x)| {
            let kind = &crystal.sublattices[s];
            sites.at_nm.push([y, x]);
            sites.sublattice.push(s as u8);
            sites.bonds.push([NONE; 3]);
            sites.steps.push([NONE; 6]);
            sites.host.push(kind.dopant.is_some());
            sites.mobile.push(kind.mobile);
            sites.per_column.push(kind.per_column);
        });
        sites
    }

    fn index(&self, crystal: &Crystal, side_nm: f64) -> (Index, Vec<Offset>) {
        let reach = reach(crystal, side_nm);
        let width = 2 * reach + 1;
        let kinds = crystal.sublattices.len();
        let mut index = Index { reach, kinds, at: vec![NONE; (width * width) as usize * kinds] };
        let mut cells = Vec::with_capacity(self.len());
        walk(crystal, side_nm, |(u, v), s, _| {
            if let Some(place) = index.place(u, v, s) {
                index.at[place] = cells.len() as u32;
            }
            cells.push((u, v, s));
        });
        (index, cells)
    }

    /// How many sites there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at_nm.len()
    }

    /// Whether the square is too small for any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at_nm.is_empty()
    }

    /// Neighbours that there are.
    pub(crate) fn bonded(&self, site: usize) -> impl Iterator<Item = usize> + '_ {
        self.bonds[site].iter().filter(|&&n| n != NONE).map(|&n| n as usize)
    }

    pub(super) fn stepped(&self, site: usize) -> impl Iterator<Item = usize> + '_ {
        self.steps[site].iter().filter(|&&n| n != NONE).map(|&n| n as usize)
    }

    /// One row a site: `site` u32, `sublattice` u8, `y_nm`, `x_nm` f64, and the three bonded sites `bond_0` to `bond_2`
    /// (u32, null beyond the square).
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let bond = |k: usize| -> Vec<Option<u32>> {
            self.bonds.iter().map(|b| Some(b[k]).filter(|&site| site != NONE)).collect()
        };
        let along = |axis: usize| self.at_nm.iter().map(|at| at[axis]).collect::<Vec<f64>>();
        let mut columns = vec![
            Series::new("site".into(), (0..self.len() as u32).collect::<Vec<_>>()).into(),
            Series::new("sublattice".into(), &self.sublattice).into(),
            Series::new("y_nm".into(), along(0)).into(),
            Series::new("x_nm".into(), along(1)).into(),
        ];
        for k in 0..3 {
            columns.push(Series::new(format!("bond_{k}").into(), bond(k)).into());
        }
        Ok(DataFrame::new(self.len(), columns)?)
    }
}

impl std::fmt::Debug for Sites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts = self.host.iter().filter(|host| **host).count();
        let mobile = self.mobile.iter().filter(|mobile| **mobile).count();
        write!(f, "{} sites: {hosts} hosts, {mobile} mobile columns", self.len())
    }
}

/// Finds sites by their cell.
struct Index {
    reach: i64,
    kinds: usize,
    at: Vec<u32>,
}

impl Index {
    fn place(&self, u: i64, v: i64, s: usize) -> Option<usize> {
        let width = 2 * self.reach + 1;
        let (u, v) = (u + self.reach, v + self.reach);
        let inside = (0..width).contains(&u) && (0..width).contains(&v);
        inside.then(|| ((v * width + u) as usize) * self.kinds + s)
    }

    fn get(&self, (u, v): (i64, i64), (du, dv, s): Offset) -> u32 {
        self.place(u + du, v + dv, s).map_or(NONE, |place| self.at[place])
    }
}

/// Cells in each direction that surely cover the square.
fn reach(crystal: &Crystal, side_nm: f64) -> i64 {
    let longest = crystal.cell_nm.iter().map(|v| libm::hypot(v[0], v[1])).fold(0.0, f64::max);
    // Cells seen from the square's corner: its half diagonal over the lesser height of a cell.
    (0.75 * side_nm * longest / crystal.cell_nm2()) as i64 + 2
}

/// Place of a point of the cell, in nanometres, turned.
fn place(crystal: &Crystal, u: f64, v: f64) -> (f64, f64) {
    let [[ay, ax], [by, bx]] = crystal.cell_nm;
    let (y, x) = (u * ay + v * by, u * ax + v * bx);
    let (sin, cos) = libm::sincos(crystal.rotation_deg.to_radians());
    (sin * x + cos * y, cos * x - sin * y)
}

/// Calls `visit` with cell, sublattice and place of every site in the square, always in the same order.
fn walk(crystal: &Crystal, side_nm: f64, mut visit: impl FnMut((i64, i64), usize, (f64, f64))) {
    let (reach, half) = (reach(crystal, side_nm), side_nm / 2.0);
    for v in -reach..=reach {
        for u in -reach..=reach {
            for (s, kind) in crystal.sublattices.iter().enumerate() {
                let (y, x) = place(crystal, u as f64 + kind.at[0], v as f64 + kind.at[1]);
                if libm::fabs(y) <= half && libm::fabs(x) <= half {
                    visit((u, v), s, (y, x));
                }
            }
        }
    }
}

/// The sites nearest to one of sublattice `from` among those of the sublattices that `of` takes, by direction, and how
/// far they are.
fn neighbours(crystal: &Crystal, from: usize, of: impl Fn(usize) -> bool) -> (Vec<Offset>, f64) {
    let still = Crystal { rotation_deg: 0.0, ..crystal.clone() };
    let start = still.sublattices[from].at;
    let mut all = vec![];
    for dv in -2..=2_i64 {
        for du in -2..=2_i64 {
            for (s, kind) in still.sublattices.iter().enumerate().filter(|(s, _)| of(*s)) {
                let (y, x) = place(&still, du as f64 + kind.at[0] - start[0], dv as f64 + kind.at[1] - start[1]);
                let far = libm::hypot(y, x);
                if far > 1e-9 {
                    all.push((far, libm::atan2(y, x), (du, dv, s)));
                }
            }
        }
    }
    let nearest = all.iter().map(|n| n.0).fold(f64::MAX, f64::min);
    all.retain(|n| n.0 < 1.05 * nearest);
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    (all.into_iter().map(|n| n.2).collect(), nearest)
}
