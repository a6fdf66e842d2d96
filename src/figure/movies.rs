//! The contact sheet of a movie.

use super::kinds::tile;
use super::tiles::contrast;
use super::{ColourMap, Figure, Tile, Tiles};
use crate::error::{Result, check};
use crate::movie::Movie;

impl Movie {
    /// Some frames side by side, three in a row, in time, in the same grey levels; the first has the scale bar of all.
    ///
    /// ```
    /// use atomotion::prelude::*;
    /// let movie = Ws2::default().with_size_px(64).with_frames(8).simulate(1)?.movie;
    /// let sheet = movie.contact_sheet(&[0, 3, 7])?;
    /// assert!(sheet.to_svg()?.contains("frame 7"));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If none is named, or a frame cannot be read.
    pub fn contact_sheet(&self, frames: &[usize]) -> Result<Figure> {
        check("frames", frames.len(), (1..=100).contains(&frames.len()), "from 1 to 100 frames")?;
        let mut tiles = frames
            .iter()
            .map(|&i| {
                let frame = self.frame(i)?;
                let time = self.calibration().time_s(frame.index);
                let text = if self.len() > 1 { format!("frame {i}, {time:.1} s") } else { format!("frame {i}") };
                Ok(tile(&frame, text))
            })
            .collect::<Result<Vec<Tile>>>()?;
        let range = contrast(tiles.iter().flat_map(|t| t.image.iter().copied()));
        for (i, tile) in tiles.iter_mut().enumerate() {
            tile.range = range;
            tile.nm_per_px = tile.nm_per_px.filter(|_| i == 0);
        }
        let (side, columns) = if tiles.len() == 1 { (460.0, 1) } else { (220.0, tiles.len().min(3)) };
        Ok(Figure::tiles(Tiles { tiles, columns, side, colours: ColourMap::Grey, legend: vec![] }, format!("{self:?}")))
    }
}
