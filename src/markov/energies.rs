//! The small table of energies that physics starts from.

use crate::error::{Error, Result, check, setters};
use polars::prelude::{DataFrame, NamedFrom, Series};
use serde::{Deserialize, Serialize};

/// Energies in eV. The defaults are for WS2.
///
/// | quantity | default | from |
/// | --- | --- | --- |
/// | `formation` | 1.6 | of a sulphur vacancy: *chosen*; by first principles about 1 eV in MoS2 at the metal-rich limit (Noh, Kim and Kim, Phys. Rev. B 89, 205417, 2014), the least of all vacancies in MoS2 and WS2 (Komsa and Krasheninnikov, Phys. Rev. B 91, 125304, 2015; Haldar et al., Phys. Rev. B 92, 235408, 2015), and more where there is sulphur; only used where no `vacancy_fraction` is given |
/// | `migration` | 1.9 | a vacancy's hop in MoS2, above 1.9 eV (Sensoy et al., Phys. Rev. B 95, 014106, 2017) |
/// | `binding`, shell 0 | 0.06 | of a vacancy to a Mo that its column is bonded to: *chosen*, as in [`Kinetics`](crate::simulate::Kinetics) |
/// | `pair`, shell 0 | 0.16 | two vacancies in one column of WS2 (first principles, arXiv:2509.19121) |
/// | `pair`, shell 1 | 0.02 | vacancies in neighbouring columns: *chosen* |
/// | `displacement` | 7.0 | of S in WS2 (Komsa et al., Phys. Rev. Lett. 109, 035503, 2012) |
/// | `loosening` | 0.05 | by which displacement is less for each atom missing around: *chosen* |
/// | `edge` | 0.03 | gained when a hole's edge reconstructs: *chosen* |
///
/// ```
/// use atomotion::markov::Energies;
/// let energies = Energies::from_table(&Energies::default().with_binding_ev(vec![0.11, 0.02]).table()?)?;
/// assert_eq!(energies.binding_ev, [0.11, 0.02]);
/// # Ok::<(), atomotion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Energies {
    /// To make a vacancy.
    pub formation_ev: f64,
    /// The barrier of a hop without gain or loss.
    pub migration_ev: f64,
    /// Gained by each pair of a dopant and a vacancy, by shell.
    pub binding_ev: Vec<f64>,
    /// Gained by each pair of vacancies, by shell: the same column, neighbouring columns, ….
    pub pair_ev: Vec<f64>,
    /// To be given to an atom for it to leave.
    pub displacement_ev: f64,
    /// By which that is less for each vacancy around.
    pub loosening_ev: f64,
    /// Gained when an edge reconstructs.
    pub edge_ev: f64,
}

impl Default for Energies {
    fn default() -> Self {
        Energies {
            formation_ev: 1.6,
            migration_ev: 1.9,
            binding_ev: vec![0.06],
            pair_ev: vec![0.16, 0.02],
            displacement_ev: 7.0,
            loosening_ev: 0.05,
            edge_ev: 0.03,
        }
    }
}

const QUANTITIES: [&str; 7] = ["formation", "migration", "binding", "pair", "displacement", "loosening", "edge"];

impl Energies {
    setters! {
        formation_ev: f64 => with_formation_ev,
        migration_ev: f64 => with_migration_ev,
        binding_ev: Vec<f64> => with_binding_ev,
        pair_ev: Vec<f64> => with_pair_ev,
        displacement_ev: f64 => with_displacement_ev,
        loosening_ev: f64 => with_loosening_ev,
        edge_ev: f64 => with_edge_ev,
    }

    pub(super) fn validate(&self) -> Result<()> {
        let positive = [
            ("formation_ev", self.formation_ev),
            ("migration_ev", self.migration_ev),
            ("displacement_ev", self.displacement_ev),
        ];
        for (name, value) in positive {
            check(name, value, (0.0..=100.0).contains(&value), "an energy of 0 to 100 eV")?;
        }
        check("displacement_ev", self.displacement_ev, self.displacement_ev > 0.0, "above 0 eV")?;
        let many = |name: &'static str, values: &[f64]| {
            values.iter().try_for_each(|v| check(name, v, (-5.0..=5.0).contains(v), "an energy of -5 to 5 eV"))
        };
        many("binding_ev", &self.binding_ev)?;
        many("pair_ev", &self.pair_ev)?;
        many("loosening_ev", &[self.loosening_ev])?;
        many("edge_ev", &[self.edge_ev])
    }

    fn rows(&self) -> Vec<(&'static str, u32, f64)> {
        let shells =
            |name, values: &[f64]| values.iter().enumerate().map(|(i, v)| (name, i as u32, *v)).collect::<Vec<_>>();
        let mut rows = vec![("formation", 0, self.formation_ev), ("migration", 0, self.migration_ev)];
        rows.extend(shells("binding", &self.binding_ev));
        rows.extend(shells("pair", &self.pair_ev));
        rows.extend([
            ("displacement", 0, self.displacement_ev),
            ("loosening", 0, self.loosening_ev),
            ("edge", 0, self.edge_ev),
        ]);
        rows
    }

    /// One row an energy: `quantity`, `shell` u32, `ev` f64.
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn table(&self) -> Result<DataFrame> {
        let rows = self.rows();
        let columns = vec![
            Series::new("quantity".into(), rows.iter().map(|r| r.0).collect::<Vec<_>>()).into(),
            Series::new("shell".into(), rows.iter().map(|r| r.1).collect::<Vec<_>>()).into(),
            Series::new("ev".into(), rows.iter().map(|r| r.2).collect::<Vec<_>>()).into(),
        ];
        Ok(DataFrame::new(rows.len(), columns)?)
    }

    /// From such a table; `shell` may be missing where every quantity has one row.
    ///
    /// # Errors
    /// If a quantity is missing, unknown, given twice with different energies, or skips a shell: the error names it.
    pub fn from_table(table: &DataFrame) -> Result<Energies> {
        use polars::prelude::DataType;
        let quantity = table.column("quantity")?.cast(&DataType::String)?;
        let ev = table.column("ev")?.cast(&DataType::Float64)?;
        let shell = match table.column("shell") {
            Ok(column) => Some(column.cast(&DataType::UInt32)?),
            Err(_) => None,
        };
        let mut found: Vec<(&'static str, usize, f64)> = vec![];
        for i in 0..table.height() {
            let name = quantity.str()?.get(i).unwrap_or("");
            let known = QUANTITIES.iter().find(|q| **q == name);
            let known = known.ok_or_else(|| {
                Error::data(format!("row {i} of the energies: {name:?} is none of {}", QUANTITIES.join(", ")))
            })?;
            let shell = shell.as_ref().map_or(Ok::<_, Error>(Some(0)), |s| Ok(s.u32()?.get(i)))?.unwrap_or(0) as usize;
            let value = ev
                .f64()?
                .get(i)
                .ok_or_else(|| Error::data(format!("row {i} of the energies: {name} has no number in `ev`")))?;
            if let Some(before) = found.iter().find(|f| (f.0, f.1) == (*known, shell)) {
                if before.2 != value {
                    return Err(Error::data(format!(
                        "the energies contradict each other: {name}, shell {shell} is {} and {value} eV",
                        before.2
                    )));
                }
                continue;
            }
            found.push((known, shell, value));
        }
        let shells = |name: &str| -> Result<Vec<f64>> {
            let mut of: Vec<_> = found.iter().filter(|f| f.0 == name).collect();
            of.sort_by_key(|f| f.1);
            match of.iter().enumerate().find(|(i, f)| f.1 != *i) {
                Some((i, _)) => Err(Error::data(format!("the energies of {name} skip shell {i}"))),
                None => Ok(of.iter().map(|f| f.2).collect()),
            }
        };
        let one = |name: &str| -> Result<f64> {
            shells(name)?
                .first()
                .copied()
                .ok_or_else(|| Error::data(format!("the energies lack {name}: add a row with it")))
        };
        let some = |name: &str| -> Result<Vec<f64>> { one(name).and_then(|_| shells(name)) };
        let energies = Energies {
            formation_ev: one("formation")?,
            migration_ev: one("migration")?,
            binding_ev: some("binding")?,
            pair_ev: some("pair")?,
            displacement_ev: one("displacement")?,
            loosening_ev: one("loosening")?,
            edge_ev: one("edge")?,
        };
        energies.validate()?;
        Ok(energies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    #[test]
    fn a_missing_or_contradictory_entry_is_named() {
        let all = |binding: f64, extra: (&str, u32, f64)| {
            let mut rows = Energies::default().rows();
            rows.retain(|r| r.0 != "binding" || binding.is_finite());
            let (mut q, mut s, mut e): (Vec<&str>, Vec<u32>, Vec<f64>) = (vec![], vec![], vec![]);
            for r in rows.into_iter().chain([extra]) {
                q.push(r.0);
                s.push(r.1);
                e.push(r.2);
            }
            let table = df!("quantity" => q, "shell" => s, "ev" => e).unwrap();
            Energies::from_table(&table).map_err(|e| e.to_string())
        };
        assert!(all(f64::NAN, ("edge", 0, 0.03)).unwrap_err().contains("lack binding"));
        assert!(all(0.0, ("migration", 0, 2.0)).unwrap_err().contains("migration, shell 0 is 1.9 and 2 eV"));
        assert!(all(0.0, ("pair", 3, 0.1)).unwrap_err().contains("pair skip shell 2"));
        assert!(all(0.0, ("bonding", 0, 0.1)).unwrap_err().contains("none of formation"));
        assert!(all(0.0, ("binding", 1, 50.0)).unwrap_err().contains("binding_ev"));
        assert_eq!(all(0.0, ("edge", 0, 0.03)).unwrap(), Energies::default());
    }
}
