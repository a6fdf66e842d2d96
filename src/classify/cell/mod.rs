//! The unit cell around a species: the average that no single frame shows, and how it differs from the perfect one.

mod align;
mod columns;
mod distortion;
mod groups;
mod modes;

pub use distortion::{Displacement, Distortion};
pub use modes::Modes;

use crate::defects::Defects;
use crate::error::{Error, Result, check, setters};
use distortion::Cells;
use groups::Groups;
use ndarray::{Array2, Array3, Axis};
use serde::{Deserialize, Serialize};

/// Fewer patches say nothing of a cell's scatter.
const FEWEST: usize = 10;

/// Fewer sites say nothing of how sites differ.
const FEWEST_SITES: usize = 5;

/// How unit cells are averaged and compared.
///
/// Cut the patches in the lattice's own frame and centred on the same sublattice first ([`Cut`](crate::defects::Cut)), those of
/// the species and, for comparison, as many or more of perfect cells.
///
/// ```no_run
/// # fn main() -> atomotion::Result<()> {
/// # use atomotion::prelude::*;
/// # let (dopants, perfect) = (Defects::load("dopants")?, Defects::load("perfect")?);
/// let cells = UnitCells::default();
/// let average = cells.average(&dopants)?;
/// let distortion = cells.compare(&dopants, &perfect)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitCells {
    /// Moves every patch to lie on the average first, to a fraction of a pixel.
    pub align: bool,
    /// The farthest that a patch may be moved, in pixels.
    pub most_shift_px: f64,
    /// Principal components that are tested.
    pub components: usize,
    /// Sets of cells without the species' distortion that components are held against, and exchanges of labels that
    /// displacements are.
    pub draws: usize,
    /// The share of false claims that is accepted. Displacements, their components and those of images are three claims, so
    /// that the default of 0.01 makes one in thirty.
    pub level: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for UnitCells {
    fn default() -> Self {
        UnitCells { align: true, most_shift_px: 1.5, components: 6, draws: 99, level: 0.01, seed: 1 }
    }
}

/// The average of many cells.
#[derive(Clone)]
pub struct UnitCell {
    /// Mean of the patches, moved onto each other.
    pub mean: Array2<f32>,
    /// Standard error of each pixel.
    pub error: Array2<f32>,
    /// How far each patch was moved, `[y, x]` in pixels.
    pub shifts_px: Vec<[f64; 2]>,
    /// Nanometres per pixel.
    pub nm_per_px: f64,
    /// The patches, moved.
    pub(crate) patches: Array3<f32>,
}

impl UnitCells {
    setters! {
        align: bool => with_align,
        most_shift_px: f64 => with_most_shift_px,
        components: usize => with_components,
        draws: usize => with_draws,
        level: f64 => with_level,
        seed: u64 => with_seed,
    }

    fn validate(&self) -> Result<()> {
        let shift = self.most_shift_px;
        check("most_shift_px", shift, shift.is_finite() && shift >= 0.0, "zero or a positive number of pixels")?;
        check("components", self.components, self.components > 0, "at least 1")?;
        check("draws", self.draws, self.draws >= 19, "at least 19, for a level of 0.05")?;
        let fine = self.level > 0.0 && self.level < 1.0 && self.level * (self.draws + 1) as f64 >= 1.0;
        check(
            "level",
            self.level,
            fine,
            format!("between 1 / (draws + 1) = {:.3} and 1", 1.0 / (self.draws + 1) as f64),
        )
    }

    /// Averages the cells.
    ///
    /// # Errors
    /// If there are fewer than ten, or a patch holds NaN.
    pub fn average(&self, defects: &Defects) -> Result<UnitCell> {
        self.validate()?;
        let patches = self.checked(defects)?;
        self.averaged(patches, defects.patch_nm_per_px(), None)
    }

    fn checked<'a>(&self, defects: &'a Defects) -> Result<&'a Array3<f32>> {
        super::features::rows(defects.patches())?;
        if defects.len() < FEWEST {
            return Err(Error::data(format!(
                "{} cells are too few to say how they scatter: at least {FEWEST}. Take more frames, or classes together",
                defects.len()
            )));
        }
        Ok(defects.patches())
    }

    /// Moved onto their own mean, or onto that of others.
    fn averaged(&self, patches: &Array3<f32>, nm_per_px: f64, onto: Option<&Array2<f32>>) -> Result<UnitCell> {
        let rounds = if self.align { 3 } else { 0 };
        let (patches, shifts_px) = align::align(patches, onto, self.most_shift_px, rounds)?;
        let n = patches.len_of(Axis(0)) as f32;
        let mean = patches.mean_axis(Axis(0)).unwrap_or_default();
        let error = patches.var_axis(Axis(0), 1.0).mapv(|v| (v / n).sqrt());
        Ok(UnitCell { mean, error, shifts_px, nm_per_px, patches })
    }

    /// Principal components of the cells' images, and which of them are more than perfect cells show (or, without these, more
    /// than noise). A paraboloid is taken out of every image first: contamination differs from site to site by more than
    /// anything in a cell, is slow, and lies where perfect cells may happen not to be. So is the gradient of the average: how
    /// well a cell was centred says nothing of the cell. Cells are averaged with a Gaussian of one pixel: what is finer is
    /// noise, and more or less of it is left by how far each was shifted.
    ///
    /// # Errors
    /// As for [`UnitCells::average`].
    pub fn image_modes(&self, species: &Defects, perfect: Option<&Defects>) -> Result<Modes> {
        let level = |defects: &Defects| -> Result<UnitCell> {
            let mut cell = self.average(defects)?;
            modes::smooth(&mut cell.patches);
            modes::level(&mut cell.patches);
            Ok(cell)
        };
        let cell = level(species)?;
        let others = perfect.map(|p| Ok::<_, Error>((level(p)?, Groups::of(p)?))).transpose()?;
        let null = others.as_ref().map(|(o, g)| Ok::<_, Error>((super::features::rows(&o.patches)?, g))).transpose()?;
        let groups = Groups::of(species)?;
        modes::modes((super::features::rows(&cell.patches)?, &groups), null, self, cell.mean.dim())
    }

    /// How far the columns of a species' cell stand from those of perfect cells, and whether noise could do that.
    ///
    /// Columns are found in the average of the perfect cells and described by one shape, two Gaussians of common widths; those
    /// beyond the patch's border are continued by the lattice. One least-squares step from there gives each patch's positions,
    /// beside anything that is round about the middle, which a species of other brightness changes. What all columns have in
    /// common is taken out: a cell has no place of its own.
    ///
    /// Errors and significance come from how *sites* differ: cells with the same `track`, or, without that column, within
    /// 0.1 nm of where a cell was seen in an earlier frame, are of one site.
    ///
    /// # Errors
    /// As for [`UnitCells::average`], or if the patches differ in size or scale, show fewer than four columns, or are of fewer
    /// than five sites.
    pub fn compare(&self, species: &Defects, perfect: &Defects) -> Result<Distortion> {
        self.validate()?;
        let (ours, theirs) = (self.checked(species)?, self.checked(perfect)?);
        let (a, b) = (species.patch_nm_per_px(), perfect.patch_nm_per_px());
        if ours.dim().1 != theirs.dim().1 || ours.dim().2 != theirs.dim().2 || (a / b - 1.0).abs() > 1e-6 {
            return Err(Error::data(
                "cells of a species and perfect cells are compared pixel by pixel: cut them alike",
            ));
        }
        let (groups, others) = (Groups::of(species)?, Groups::of(perfect)?);
        let sites = groups.len().min(others.len());
        if sites < FEWEST_SITES {
            return Err(Error::data(format!(
                "the cells are of {sites} sites only, however many frames show them: at least {FEWEST_SITES} say how sites differ"
            )));
        }
        let perfect = Cells { cell: self.averaged(theirs, b, None)?, groups: others };
        let cell = self.averaged(ours, a, Some(&perfect.cell.mean))?;
        distortion::compare(self, Cells { cell, groups }, &perfect)
    }
}

impl std::fmt::Debug for UnitCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (h, w) = self.mean.dim();
        write!(
            f,
            "Average of {} cells, {h} x {w} pixels; standard error of a pixel {:.3} of the average's own spread",
            self.shifts_px.len(),
            self.error.mean().unwrap_or(0.0) / self.mean.std(0.0).max(f32::MIN_POSITIVE)
        )
    }
}
