//! Cells where nothing was found, to compare with.

use super::{Cut, Defects};
use crate::detect::Lattice;
use crate::error::{Error, Result, check};
use crate::movie::Movie;
use polars::prelude::{DataFrame, NamedFrom, Series};

/// How many lattice vectors to go in each direction, and how many perfect cells to take for each of the species.
const STEPS: i32 = 3;
const FOR_EACH: usize = 3;
/// A row of one table is the same as that of another at this distance, in nm or pixels.
const ITSELF: f64 = 1e-4;
/// Two places nearer than this many shortest vectors are one.
const SAME: f64 = 0.3;

impl Defects {
    /// The rows with no other defect of `all` in the same frame within `clear_nm` (pixels where not calibrated, by `x_nm`).
    ///
    /// # Errors
    /// If a column has lost its type.
    pub fn alone(&self, all: &Defects, clear_nm: f64) -> Result<Defects> {
        check("clear_nm", clear_nm, clear_nm.is_finite() && clear_nm > 0.0, "a positive length")?;
        let places = |of: &Defects| -> Result<Vec<(u32, f32, f32)>> {
            let frame = of.table.column("frame")?.u32()?;
            let (y, x) = (of.table.column("y_nm")?.f32()?, of.table.column("x_nm")?.f32()?);
            let at = |i: usize| (frame.get(i).unwrap_or(0), y.get(i).unwrap_or(f32::NAN), x.get(i).unwrap_or(f32::NAN));
            Ok((0..of.len()).map(at).collect())
        };
        let mut by_frame = std::collections::BTreeMap::<u32, Vec<(f32, f32)>>::new();
        places(all)?.into_iter().for_each(|(f, y, x)| by_frame.entry(f).or_default().push((y, x)));
        let far = |(f, y, x): (u32, f32, f32)| {
            let others = by_frame.get(&f).into_iter().flatten();
            let mut apart = others.map(|o| f64::from((o.0 - y).hypot(o.1 - x)));
            // The row itself is one of all.
            apart.all(|d| d < ITSELF || d > clear_nm)
        };
        self.filter(&places(self)?.into_iter().map(far).collect::<Vec<_>>())
    }

    /// Perfect cells beside those of this species: places on the same sublattice, up to three lattice vectors away from a defect of
    /// `self` in the same frame, with no defect of `all` within `clear_nm` (pixels where the movie is not calibrated). Up to three
    /// for each defect of `self`; cut like its patches, so that [`UnitCells`](crate::classify::UnitCells) compares like with like.
    ///
    /// ```no_run
    /// # fn main() -> atomotion::Result<()> {
    /// # use atomotion::prelude::*;
    /// # let movie = Movie::open("movie.npy")?;
    /// # let (defects, dopants) = (Defects::load("defects")?, Defects::load("dopants")?);
    /// let lattice = Lattice::find(&movie.frame(0)?.data)?;
    /// let cut = Cut::default().with_side_px(28).along(&lattice).with_on_column(true);
    /// let perfect = dopants.perfect_beside(&defects, &movie, &lattice, &cut, 0.75)?;
    /// UnitCells::default().compare(&dopants.recut(&movie, &cut)?, &perfect)?
    /// # ; Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As for [`Defects::recut`], or if there is no such place.
    pub fn perfect_beside(
        &self,
        all: &Defects,
        movie: &Movie,
        lattice: &Lattice,
        cut: &Cut,
        clear_nm: f64,
    ) -> Result<Defects> {
        check("clear_nm", clear_nm, clear_nm.is_finite() && clear_nm > 0.0, "a positive length")?;
        let clear = clear_nm / movie.calibration().to_nm(1.0);
        let [a, b] = lattice.basis_px;
        let shortest = a[0].hypot(a[1]).min(b[0].hypot(b[1]));
        let steps = (-STEPS..=STEPS).flat_map(|u| (-STEPS..=STEPS).map(move |v| (f64::from(u), f64::from(v))));
        let steps: Vec<(f64, f64)> =
            steps.map(|(u, v)| (u * a[0] + v * b[0], u * a[1] + v * b[1])).filter(|s| s.0.hypot(s.1) > clear).collect();
        let frames: std::collections::BTreeSet<u32> = self.table.column("frame")?.u32()?.iter().flatten().collect();
        let (mut of, mut y, mut x) = (vec![], vec![], vec![]);
        for frame in frames {
            let near =
                |list: &[(f64, f64)], p: (f64, f64), far: f64| list.iter().any(|q| (q.0 - p.0).hypot(q.1 - p.1) < far);
            let wide = |list: Vec<(f32, f32)>| list.into_iter().map(|(y, x)| (f64::from(y), f64::from(x)));
            let odd: Vec<(f64, f64)> = wide(all.positions(frame)?).collect();
            let ours: Vec<(f64, f64)> = wide(self.positions(frame)?).collect();
            let mut found: Vec<(f64, f64)> = vec![];
            let there = |p: (f64, f64)| {
                let inside = |v: f64, n: usize| v >= 0.0 && v <= n as f64 - 1.0;
                inside(p.0, movie.height()) && inside(p.1, movie.width()) && !near(&odd, p, clear)
            };
            for place in &ours {
                for step in &steps {
                    let p = (place.0 + step.0, place.1 + step.1);
                    if there(p) && !near(&found, p, SAME * shortest) {
                        found.push(p);
                    }
                }
            }
            // Spread over all, where there are more than are needed.
            let each = found.len().div_ceil(FOR_EACH * ours.len().max(1)).max(1);
            for p in found.iter().step_by(each) {
                of.push(frame);
                y.push(p.0 as f32);
                x.push(p.1 as f32);
            }
        }
        if of.is_empty() {
            return Err(Error::data(format!(
                "no place near these defects is {clear_nm} nm away from every other: ask for less"
            )));
        }
        let n = of.len();
        let columns = vec![
            Series::new("frame".into(), of).into(),
            Series::new("y_px".into(), y).into(),
            Series::new("x_px".into(), x).into(),
        ];
        Defects::at_truth(movie, &DataFrame::new(n, columns)?, cut)
    }
}
