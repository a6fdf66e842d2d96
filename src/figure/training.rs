//! What a training sees.

use super::{BRIGHT, ColourMap, DARK, DEFECT, Figure, Mark, Tile, Tiles};
use crate::detect::{Channel, Labels, Training, examples};
use crate::error::Result;

impl Training {
    /// Crops as a training on these labels would see them, their targets ringed: labels, and what is planted.
    ///
    /// # Errors
    /// If an option is out of range, there is no label to learn from, or `count` is not from 1 to 100.
    pub fn examples(&self, labels: &Labels, count: usize) -> Result<Figure> {
        let (examples, radius) = examples(labels, self, count)?;
        let colour = |channel: Channel| match channel {
            Channel::Defect => DEFECT,
            Channel::Dark => DARK,
            Channel::Bright => BRIGHT,
        };
        let tiles: Vec<Tile> = examples
            .into_iter()
            .enumerate()
            .map(|(i, example)| {
                let mark = |&(channel, y, x): &(Channel, f32, f32)| Mark {
                    y,
                    x,
                    radius: 1.4 * radius,
                    colour: colour(channel),
                };
                Tile {
                    marks: example.marks.iter().map(mark).collect(),
                    ..Tile::new(example.image, format!("crop {i}"))
                }
            })
            .collect();
        let words = |channel: &Channel| match channel {
            Channel::Defect => (DEFECT, "defect to be learnt".to_string()),
            Channel::Dark => (DARK, "too dark".to_string()),
            Channel::Bright => (BRIGHT, "too bright".to_string()),
        };
        let legend = self.output.channels().iter().map(words).collect();
        let (columns, alt) = (tiles.len().min(4), format!("{} crops of a training", tiles.len()));
        Ok(Figure::tiles(Tiles { tiles, columns, side: 160.0, colours: ColourMap::Grey, legend }, alt))
    }
}
