//! Figures of labels, and of the strain of their lattice.

use super::kinds::{caption, show, single, tile};
use super::{BRIGHT, ColourMap, DARK, Figure, Mark, Rgb, Tile, Tiles};
use crate::detect::{LabelSource, Labels, Region, Sign, Strain};

fn colour(sign: Sign) -> Rgb {
    match sign {
        Sign::Dark => DARK,
        Sign::Bright => BRIGHT,
    }
}

impl Labels {
    /// The frame with its labels: orange too bright, blue too dark; rings where they were found or came from elsewhere,
    /// squares where they were added by hand.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let radius = 1.6 * self.radius_px * self.bin as f32;
        let mark = |r: &Region| Mark { y: r.y_px, x: r.x_px, radius, colour: colour(r.sign) };
        let by_hand = |r: &&Region| r.source == LabelSource::ByHand;
        let mut tile = tile(&self.frame, self.headline());
        tile.marks = self.regions.iter().filter(|r| !by_hand(r)).map(mark).collect();
        tile.squares = self.regions.iter().filter(by_hand).map(mark).collect();
        let entry = |sign: Sign, name: &str| {
            let added = self.regions.iter().filter(by_hand).filter(|r| r.sign == sign).count();
            let squares = if added > 0 { format!("; squares: {added} by hand") } else { String::new() };
            (colour(sign), format!("{name} ({}{squares})", self.count(sign)))
        };
        single(tile, vec![entry(Sign::Bright, "too bright"), entry(Sign::Dark, "too dark")], format!("{self:?}"))
    }

    /// What a caption has room for.
    fn headline(&self) -> String {
        let labels = if self.len() == 1 { "1 label".into() } else { format!("{} labels", self.len()) };
        let which = caption(&self.frame);
        if self.finds_labels() {
            return format!("{labels}, about {:.1} by noise alone; {which}", self.expected_false);
        }
        format!("{labels}; {which}")
    }

    /// Shows the labels in a notebook.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[Ok(self.figure())]);
    }
}

impl Strain {
    /// Stretch along x and y, shear, and rotation, each with its colour bar: blue is negative, red positive, grey where
    /// there is no lattice to measure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let tiles = self.maps().map(|(name, unit, map, factor)| {
            let tile = Tile::new(map * factor, name);
            // What noise alone gives must not fill the colours.
            let least = 4.0 * self.error * factor;
            let reach = tile.range.0.abs().max(tile.range.1.abs()).max(least);
            Tile { range: (-reach, reach), bar: Some(unit), nm_per_px: self.nm_per_px, ..tile }
        });
        let colours = ColourMap::Diverging;
        Figure::tiles(
            Tiles { tiles: tiles.into(), columns: 2, side: 300.0, colours, legend: vec![] },
            format!("{self:?}"),
        )
    }

    /// Shows the strain in a notebook.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[Ok(self.figure())]);
    }
}
