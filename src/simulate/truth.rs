//! The truth about a movie, as tables in the project's own columns.

use super::kinetics::Event;
use super::matter::Evolution;
use super::scan::Scan;
use super::states::State;
use crate::error::{Result, check};
use ndarray::Array2;
use polars::prelude::{Column, DataFrame, NamedFrom, Series};

impl Evolution {
    /// Every event in order: `time_s` f64, `frame` u32 (the one that it happened in), `move`, `from`, `to` u32 (sites; `to`
    /// is null but for hops), `track` u32 (the vacancy's; null for holes and edges), `lost_mobile`, `lost_host` u32
    /// (atoms).
    ///
    /// # Errors
    /// If Polars refuses.
    pub fn events_table(&self) -> Result<DataFrame> {
        let events = self.events();
        let frame = |e: &Event| (e.time_s / self.interval_s) as u32;
        let lost = |k: usize| events.iter().map(|e| u32::from(e.lost[k])).collect::<Vec<_>>();
        let columns = vec![
            column("time_s", events.iter().map(|e| e.time_s).collect::<Vec<_>>()),
            column("frame", events.iter().map(frame).collect::<Vec<_>>()),
            column("move", events.iter().map(|e| e.step.name()).collect::<Vec<_>>()),
            column("from", events.iter().map(|e| e.from).collect::<Vec<_>>()),
            column("to", events.iter().map(|e| e.to).collect::<Vec<_>>()),
            column("track", events.iter().map(|e| e.track).collect::<Vec<_>>()),
            column("lost_mobile", lost(0)),
            column("lost_host", lost(1)),
        ];
        Ok(DataFrame::new(events.len(), columns)?)
    }

    /// Every defect of every frame that a scan sees; see [`Recording`](super::Recording) for the columns.
    pub(super) fn truth(&self, scan: &Scan) -> Result<DataFrame> {
        let crystal = &self.matter.crystal;
        let names = State::ALL.map(|s| (s.species(crystal), s.name(crystal)));
        let mut rows = Rows::default();
        for frame in 0..self.len() {
            let places = self.places(frame);
            for (site, place) in places.iter().enumerate() {
                let state = self.frames[frame].state(&self.sites, site);
                let (y, x) = scan.place(frame, (place[0], place[1]));
                if !matches!(state, State::Lattice | State::Hole) && seen(scan, y, x) {
                    rows.frame.push(frame as u32);
                    rows.state.push(state.index());
                    rows.site.push(site as u32);
                    rows.track.push(self.frames[frame].track(site));
                    rows.y.push(y);
                    rows.x.push(x);
                }
            }
        }
        let name = |pick: &dyn Fn(&(String, String)) -> String| {
            rows.state.iter().map(|&s| pick(&names[s])).collect::<Vec<String>>()
        };
        let time: Vec<f64> = rows.frame.iter().map(|&f| f64::from(f) * self.interval_s).collect();
        let nm = scan.imaging.nm_per_px;
        let single = |px: &[f64], by: f64| px.iter().map(|v| (v * by) as f32).collect::<Vec<f32>>();
        let columns = vec![
            column("frame", rows.frame.clone()),
            column("time_s", time),
            column("species", name(&|n| n.0.clone())),
            column("state", name(&|n| n.1.clone())),
            column("site", rows.site.clone()),
            column("track", rows.track.clone()),
            column("y_px", single(&rows.y, 1.0)),
            column("x_px", single(&rows.x, 1.0)),
            column("y_nm", single(&rows.y, nm)),
            column("x_nm", single(&rows.x, nm)),
        ];
        Ok(DataFrame::new(rows.frame.len(), columns)?)
    }

    /// Every site that a scan sees in a frame; see [`Recording::lattice`](super::Recording::lattice).
    pub(super) fn lattice(&self, scan: &Scan, frame: usize) -> Result<DataFrame> {
        self.check_frame(frame)?;
        let crystal = &self.matter.crystal;
        let places: Vec<(f64, f64)> = self.places(frame).iter().map(|p| scan.place(frame, (p[0], p[1]))).collect();
        let inside: Vec<usize> = (0..places.len()).filter(|&s| seen(scan, places[s].0, places[s].1)).collect();
        let state = |s: &usize| self.frames[frame].state(&self.sites, *s).name(crystal);
        let of = |pick: &dyn Fn(usize) -> f64| inside.iter().map(|&s| pick(s) as f32).collect::<Vec<f32>>();
        let ideal = |s: usize| scan.place(frame, self.sites.at_nm[s].into());
        let columns = vec![
            column("site", inside.iter().map(|&s| s as u32).collect::<Vec<_>>()),
            column("sublattice", inside.iter().map(|&s| self.sites.sublattice[s]).collect::<Vec<_>>()),
            column("state", inside.iter().map(state).collect::<Vec<_>>()),
            column("y_px", of(&|s| places[s].0)),
            column("x_px", of(&|s| places[s].1)),
            column("ideal_y_px", of(&|s| ideal(s).0)),
            column("ideal_x_px", of(&|s| ideal(s).1)),
        ];
        Ok(DataFrame::new(inside.len(), columns)?)
    }

    /// The state of the nearest site that is not perfect, within a radius, for every pixel of a frame.
    pub(super) fn mask(&self, scan: &Scan, frame: usize, radius_nm: f64) -> Result<Array2<u8>> {
        self.check_frame(frame)?;
        check("radius_nm", radius_nm, (0.0..10.0).contains(&radius_nm), "from 0 to 10 nm")?;
        let n = scan.imaging.size_px;
        let reach = radius_nm / scan.imaging.nm_per_px;
        let mut mask = Array2::zeros((n, n));
        let mut nearest = Array2::from_elem((n, n), f64::INFINITY);
        for (site, place) in self.places(frame).iter().enumerate() {
            let state = self.frames[frame].state(&self.sites, site);
            if state == State::Lattice {
                continue;
            }
            let (cy, cx) = scan.place(frame, (place[0], place[1]));
            for y in pixels(cy, reach, n) {
                for x in pixels(cx, reach, n) {
                    let far = libm::hypot(y as f64 - cy, x as f64 - cx);
                    if far <= reach && far < nearest[[y, x]] {
                        nearest[[y, x]] = far;
                        mask[[y, x]] = state.index() as u8;
                    }
                }
            }
        }
        Ok(mask)
    }

    fn check_frame(&self, frame: usize) -> Result<()> {
        let last = self.len() - 1;
        check("frame", frame, frame <= last, format!("from 0 to {last}"))
    }
}

#[derive(Default)]
struct Rows {
    frame: Vec<u32>,
    state: Vec<usize>,
    site: Vec<u32>,
    track: Vec<Option<u32>>,
    y: Vec<f64>,
    x: Vec<f64>,
}

/// Whether a place lies on the frame's pixels.
fn seen(scan: &Scan, y: f64, x: f64) -> bool {
    let range = -0.5..scan.imaging.size_px as f64 - 0.5;
    range.contains(&y) && range.contains(&x)
}

/// Pixels of a row or column that may be within `reach` of a place.
fn pixels(centre: f64, reach: f64, n: usize) -> std::ops::Range<usize> {
    let bound = |v: f64| v.clamp(0.0, n as f64) as usize;
    bound(libm::ceil(centre - reach))..bound(libm::floor(centre + reach) + 1.0)
}

fn column<T, P: ?Sized>(name: &str, values: T) -> Column
where
    Series: NamedFrom<T, P>,
{
    Series::new(name.into(), values).into()
}
