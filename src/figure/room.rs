//! What a plot is given to be drawn in.

use super::axis::Place;
use super::colours::ColourMap;

/// Limits from outside; where there are none a plot takes what suits it.
#[derive(Clone, Copy, Default)]
pub(super) struct Room {
    /// In CSS pixels.
    pub width: Option<f64>,
    /// Ends of the axes, in their own units.
    pub x: Option<Place>,
    pub y: Option<Place>,
    /// For images whose colours only mean more and less.
    pub colours: Option<ColourMap>,
    /// Whether tiles stay in the row that they were put in, however small they get.
    pub one_row: bool,
}

impl Room {
    /// The size of a plot that looks best at `natural`: narrower ones get less high, but not in proportion.
    pub(super) fn size(&self, natural: (f64, f64)) -> (f64, f64) {
        match self.width {
            None => natural,
            Some(width) => (width, (natural.1 * (width / natural.0).sqrt()).round()),
        }
    }
}
