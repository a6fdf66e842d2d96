//! A movie read in space and time, and the lattice that was followed.

use super::kinds::{caption, show, single, tile};
use super::markov::discs;
use super::{CLASS_COLOURS, ColourMap, Figure, Mark, Rgb, Tile, Tiles};
use crate::error::Result;
use crate::show::table_html;
use crate::watch::{Followed, Watched};

/// Species of hosts have the colder colours, those of columns the warmer ones.
fn colour(species: usize) -> Rgb {
    const ORDER: [usize; 6] = [1, 2, 6, 0, 4, 3];
    CLASS_COLOURS[ORDER[species % ORDER.len()]]
}

impl Watched {
    /// A frame with what stands at its sites ringed by species, and the probability that each site is not perfect: by this
    /// frame alone, and by all of them.
    ///
    /// # Errors
    /// If there is no such frame, or it cannot be read.
    pub fn figure(&self, frame: usize) -> Result<Figure> {
        let read = self.sites_of(frame)?;
        let image = self.followed().frame(frame)?;
        let radius = 0.5 * self.followed().bond_px();
        let places: Vec<(f64, f64)> = read.iter().map(|site| site.at).collect();
        let map = |p: Vec<f64>| discs(image.data.dim(), &places, &p, radius);
        let (alone, all) =
            (map(read.iter().map(|s| s.alone).collect()), map(read.iter().map(|s| s.together).collect()));
        let species = self.species();
        let called = || read.iter().filter_map(|s| s.called.map(|kind| (s, kind)));
        let marks = called().map(|(site, kind)| Mark {
            y: site.at.0 as f32,
            x: site.at.1 as f32,
            radius: 1.3 * radius as f32,
            colour: colour(kind),
        });
        let first = Tile { marks: marks.collect(), ..tile(&image, caption(&image)) };
        let certain = |map, words: &str| Tile { range: (0.0, 1.0), bar: Some(""), ..Tile::new(map, words) };
        let tiles = vec![first, certain(alone, "this frame alone"), certain(all, "all frames")];
        let there = |kind: &usize| called().any(|(_, k)| k == *kind);
        let count = |kind: usize| called().filter(|(_, k)| *k == kind).count();
        let legend =
            (0..species.len()).filter(there).map(|k| (colour(k), format!("{} ({})", species[k], count(k)))).collect();
        let alt = format!("{}: {} sites, {} of them not perfect", caption(&image), read.len(), called().count());
        Ok(Figure::tiles(Tiles { tiles, columns: 3, side: 250.0, colours: ColourMap::Grey, legend }, alt))
    }

    /// Shows itself in a notebook: how many defects there are, and the frame in the middle.
    pub fn evcxr_display(&self) {
        let table = self.per_species().map(|table| table_html(&table)).unwrap_or_default();
        show(&format!("{:?}", self.followed()), &table, &[self.figure(self.followed().len() / 2)]);
    }
}

impl Followed {
    /// A frame with the sites of the crystal: hosts ringed in one colour, mobile columns in another; what is no lattice any
    /// more is left out.
    ///
    /// # Errors
    /// If there is no such frame, or it cannot be read.
    pub fn figure(&self, frame: usize) -> Result<Figure> {
        let (table, image) = (self.sites(frame)?, self.frame(frame)?);
        let radius = 0.35 * self.bond_px() as f32;
        let (y, x) = (table.column("y_px")?.f32()?, table.column("x_px")?.f32()?);
        let (kind, lattice) = (table.column("sublattice")?.u8()?, table.column("lattice")?.bool()?);
        let mark = |i: usize| {
            let colour = colour(3 * usize::from(kind.get(i)?));
            lattice.get(i)?.then_some(Mark { y: y.get(i)?, x: x.get(i)?, radius, colour })
        };
        let marks = (0..table.height()).filter_map(mark).collect();
        let tile = Tile { marks, ..tile(&image, caption(&image)) };
        let legend = self.sublattices().into_iter().enumerate().map(|(i, name)| (colour(3 * i), name)).collect();
        Ok(single(tile, legend, format!("{}: {} sites followed", caption(&image), table.height())))
    }

    /// Shows itself in a notebook, with the sites of the last frame.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[self.figure(self.len() - 1)]);
    }
}
