//! A two-dimensional lattice as the simulation knows it: its cell, what stands where, who neighbours whom.

use super::element::{mass_u, symbol};
use super::sites::Sites;
use crate::error::{Error, Result, check, setters};
use serde::{Deserialize, Serialize};

/// One column of the cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sublattice {
    /// Atomic number of the atoms that stand here.
    pub element: u8,
    /// How many of them stand on top of each other, seen along the beam: 1 or 2.
    pub per_column: u8,
    /// Place in the cell, in units of its two vectors.
    pub at: [f64; 2],
    /// Atomic number of what may replace them; such a site is a *host*. At most one kind of column can be both.
    pub dopant: Option<u8>,
    /// Whether atoms leave one at a time under the beam, and their vacancies hop to the next such column.
    pub mobile: bool,
}

/// A lattice with two vectors and any number of columns in the cell, each bonded to three others.
///
/// ```
/// use atomotion::simulate::Crystal;
/// let crystal = Crystal::ws2().with_rotation_deg(4.0);
/// assert_eq!(crystal.period_nm(), 0.3155);
/// assert_eq!(crystal.dopant_name(), "Mo_W");
/// let sites = crystal.sites(3.0)?; // a square of 3 nm
/// assert!(sites.len() > 0);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crystal {
    /// What it is, for captions.
    pub name: String,
    /// The cell's two vectors as (y, x) in nanometres, before rotation.
    pub cell_nm: [[f64; 2]; 2],
    /// The columns of a cell.
    pub sublattices: Vec<Sublattice>,
    /// Atomic number of a heavy atom that may sit on top of a host (adatom) or in place of a whole mobile column
    /// (antisite).
    pub adatom: u8,
    /// Rotation in degrees: x turns towards y.
    pub rotation_deg: f64,
}

/// The hexagonal cell of a given period.
fn hexagonal(a: f64) -> [[f64; 2]; 2] {
    [[0.0, a], [a * 0.866_025_403_784_438_6, 0.5 * a]]
}

impl Crystal {
    setters! {
        name: String => with_name,
        cell_nm: [[f64; 2]; 2] => with_cell_nm,
        sublattices: Vec<Sublattice> => with_sublattices,
        adatom: u8 => with_adatom,
        rotation_deg: f64 => with_rotation_deg,
    }

    /// 2H monolayer of a dichalcogenide: one metal, and a pair of chalcogens in projection.
    fn dichalcogenide(name: &str, a: f64, [metal, chalcogen, dopant]: [u8; 3]) -> Crystal {
        let third = 1.0 / 3.0;
        Crystal {
            name: name.into(),
            cell_nm: hexagonal(a),
            sublattices: vec![
                Sublattice { element: metal, per_column: 1, at: [0.0, 0.0], dopant: Some(dopant), mobile: false },
                Sublattice { element: chalcogen, per_column: 2, at: [third, third], dopant: None, mobile: true },
            ],
            adatom: metal.max(dopant),
            rotation_deg: 0.0,
        }
    }

    /// Monolayer WS2 with Mo as dopant; the W-W distance is 0.3155 nm.
    #[must_use]
    pub fn ws2() -> Crystal {
        Crystal::dichalcogenide("WS2", 0.3155, [74, 16, 42])
    }

    /// Monolayer MoS2 with W as dopant; the Mo-Mo distance is 0.316 nm.
    #[must_use]
    pub fn mos2() -> Crystal {
        Crystal::dichalcogenide("MoS2", 0.316, [42, 16, 74])
    }

    /// Graphene with Si as dopant; the C-C distance is 0.142 nm. Both columns of the cell are hosts and mobile.
    #[must_use]
    pub fn graphene() -> Crystal {
        let third = 1.0 / 3.0;
        let carbon = |at| Sublattice { element: 6, per_column: 1, at, dopant: Some(14), mobile: true };
        Crystal {
            name: "graphene".into(),
            cell_nm: hexagonal(0.246),
            sublattices: vec![carbon([0.0, 0.0]), carbon([third, third])],
            adatom: 14,
            rotation_deg: 0.0,
        }
    }

    /// Length of the cell's first vector.
    #[must_use]
    pub fn period_nm(&self) -> f64 {
        libm::hypot(self.cell_nm[0][0], self.cell_nm[0][1])
    }

    /// Area of a cell.
    #[must_use]
    pub fn cell_nm2(&self) -> f64 {
        let [[ay, ax], [by, bx]] = self.cell_nm;
        libm::fabs(ay * bx - ax * by)
    }

    fn named(&self, which: impl Fn(&Sublattice) -> bool) -> &'static str {
        self.sublattices.iter().find(|s| which(s)).map_or("?", |s| symbol(s.element))
    }

    /// Symbol of what the hosts are: "W".
    #[must_use]
    pub fn host(&self) -> &'static str {
        self.named(|s| s.dopant.is_some())
    }

    /// Symbol of what leaves under the beam: "S".
    #[must_use]
    pub fn mobile(&self) -> &'static str {
        self.named(|s| s.mobile)
    }

    /// A dopant on its host's site: "Mo_W".
    #[must_use]
    pub fn dopant_name(&self) -> String {
        let dopant = self.sublattices.iter().find_map(|s| s.dopant).map_or("?", symbol);
        format!("{dopant}_{}", self.host())
    }

    /// What stands in a whole mobile column, whatever is missing: the most atoms it has.
    #[must_use]
    pub fn mobile_atoms(&self) -> u8 {
        self.sublattices.iter().filter(|s| s.mobile).map(|s| s.per_column).max().unwrap_or(0)
    }

    /// Every site whose place is in a square of this side around the origin.
    ///
    /// # Errors
    /// If the description is not one of a lattice whose columns have three bonds, or the square holds too many sites.
    pub fn sites(&self, side_nm: f64) -> Result<Sites> {
        self.validate()?;
        let most = side_nm * side_nm / self.cell_nm2() * self.sublattices.len() as f64;
        check(
            "side_nm",
            side_nm,
            side_nm > 0.0 && most < 4e6,
            "a positive length with at most 4 million sites inside",
        )?;
        Sites::new(self, side_nm)
    }

    pub(super) fn validate(&self) -> Result<()> {
        let period = self.period_nm();
        check("cell_nm", format!("{:?}", self.cell_nm), (0.05..5.0).contains(&period), "vectors of 0.05 to 5 nm")?;
        check("cell_nm", format!("{:?}", self.cell_nm), self.cell_nm2() > 0.01 * period * period, "two directions")?;
        check("rotation_deg", self.rotation_deg, self.rotation_deg.is_finite(), "an angle in degrees")?;
        let count = self.sublattices.len();
        check("sublattices", count, (1..=8).contains(&count), "1 to 8 columns a cell")?;
        if !self.sublattices.iter().any(|s| s.mobile) || !self.sublattices.iter().any(|s| s.dopant.is_some()) {
            return Err(Error::data(format!("{}: name a mobile sublattice and one that has a dopant", self.name)));
        }
        for s in &self.sublattices {
            check("per_column", s.per_column, (1..=2).contains(&s.per_column), "1 or 2 atoms a column")?;
            let one_or_single = s.dopant.is_none() || s.per_column == 1;
            check("per_column", s.per_column, one_or_single, "1 where the sublattice has a dopant")?;
            let inside = s.at.iter().all(|v| (0.0..1.0).contains(v));
            check("at", format!("{:?}", s.at), inside, "two fractions from 0 up to 1")?;
            mass_u(s.element)?;
            s.dopant.map(mass_u).transpose()?;
        }
        mass_u(self.adatom).map(drop)
    }
}
