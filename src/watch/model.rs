//! What may stand at a crystal's sites, how often, and what may follow what.

use crate::error::{Error, Result, check};
use crate::markov::{Chain, HoppingVacancies, SiteModel};
use crate::simulate::{Matter, symbol_of};
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

/// What stands at a site: its name and its atoms' numbers, 0 where there is none.
pub(super) type Stands = (String, [u8; 3]);

/// Chance that a host becomes another in an interval.
const RARELY: f64 = 1e-6;

/// What may stand at hosts and at mobile columns, and how it changes from one frame to the next.
///
/// ```
/// use atomotion::prelude::*;
/// let model = Model::of(&Matter::ws2(), 5.0)?;
/// assert_eq!(model.columns.hops.len(), 3); // V_S, V_2S, W_2S
/// // Another rate of hops, as it would be at another dose:
/// let mut slower = model.clone();
/// slower.columns = slower.columns.with_hops(vec![0.001, 0.0, 0.0]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Of hosts, each by itself: the perfect one, a dopant, none, one with a heavy atom on top.
    pub hosts: SiteModel,
    /// Of mobile columns: one atom missing, two, and a heavy atom in their place.
    pub columns: HoppingVacancies,
    pub(super) host_kinds: Vec<Stands>,
    pub(super) column_kinds: Vec<Stands>,
    /// Whether the fractions in the first frame are learnt from the movie: yes by default.
    pub learns_fractions: bool,
}

impl Model {
    /// From a crystal's composition, beam and kinetics, for frames so many seconds apart. Hosts stay what they are; an
    /// isolated vacancy hops as often as its rate says in all directions; the beam takes atoms out of columns.
    ///
    /// # Errors
    /// If the crystal's hosts are mobile themselves (graphene), its columns have fewer than two atoms, or a rate is out of
    /// range.
    pub fn of(matter: &Matter, s_per_frame: f64) -> Result<Model> {
        check(
            "s_per_frame",
            s_per_frame,
            s_per_frame > 0.0 && s_per_frame.is_finite(),
            "a positive number of seconds",
        )?;
        let crystal = &matter.crystal;
        let host = crystal.sublattices.iter().find(|s| s.dopant.is_some() && !s.mobile);
        let column = crystal.sublattices.iter().find(|s| s.mobile && s.per_column == 2);
        let (Some(host), Some(column)) = (host, column) else {
            return Err(Error::data(format!(
                "{} is not followed site by site: so far that is for crystals of hosts that stay and columns of two mobile \
                 atoms, such as WS2",
                crystal.name
            )));
        };
        let (h, m, heavy) = (symbol_of(host.element), symbol_of(column.element), symbol_of(crystal.adatom));
        let host_kinds = vec![
            (h.to_owned(), [host.element, 0, 0]),
            (crystal.dopant_name(), [host.dopant.unwrap_or(0), 0, 0]),
            (format!("V_{h}"), [0; 3]),
            (format!("{heavy}_ad"), [host.element, crystal.adatom, 0]),
        ];
        let column_kinds = vec![
            (format!("2{m}"), [column.element, column.element, 0]),
            (format!("V_{m}"), [column.element, 0, 0]),
            (format!("V_2{m}"), [0; 3]),
            (format!("{heavy}_2{m}"), [crystal.adatom, 0, 0]),
        ];
        let c = &matter.composition;
        let rare = |f: f64| f.max(1e-4);
        let others = [c.dopant, c.host_vacancy, c.adatom].map(rare);
        let start = [&[1.0 - others.iter().sum::<f64>()][..], &others].concat();
        let names = host_kinds.iter().map(|k| k.0.clone()).collect();
        // What hardly happens is not impossible: an adatom lands, a column is hit.
        let rarely = Array2::from_shape_fn((4, 4), |(i, j)| if i == j { 1.0 - 3.0 * RARELY } else { RARELY });
        let hosts = SiteModel::new(Chain::new(names, rarely, s_per_frame)?, Array1::from(start))?;
        let hops = |rate| (6.0 * matter.kinetics.per_s(rate, &matter.beam) * s_per_frame).min(1.0);
        let loss = |missing: usize| -> Result<f64> {
            let rate = matter.kinetics.knock_out(&matter.beam, column.element, missing)?;
            Ok(matter.kinetics.per_s(rate, &matter.beam) * s_per_frame)
        };
        let (first, second) = ((2.0 * loss(0)?).min(0.2), loss(1)?.min(0.5));
        let mut becomes = Array2::eye(3);
        (becomes[[0, 0]], becomes[[0, 1]]) = (1.0 - second, second);
        let columns = HoppingVacancies::new(3)
            .with_hops(vec![hops(matter.kinetics.hop), hops(matter.kinetics.pair_hop), 0.0])
            .with_start([c.single, c.double, c.antisite].map(rare).to_vec())
            .with_appear(vec![first, 0.0, 0.0])
            .with_becomes(becomes);
        Ok(Model { hosts, columns, host_kinds, column_kinds, learns_fractions: true })
    }
}
