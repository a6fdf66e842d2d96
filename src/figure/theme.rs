//! One look for every figure: font, sizes, colours.

use crate::error::{Error, Result};
use plotters::style::{Color, FontStyle, IntoFont, RGBColor, TextStyle, register_font as register};
use std::sync::OnceLock;

pub(crate) type Rgb = (u8, u8, u8);

pub(super) const PAPER: RGBColor = RGBColor(255, 255, 255);
pub(super) const INK: RGBColor = RGBColor(40, 40, 40);
pub(super) const FAINT: RGBColor = RGBColor(225, 225, 225);

// Okabe and Ito's palette (2008), which colour-blind readers can tell apart.
pub(crate) const BRIGHT: Rgb = (230, 159, 0);
pub(crate) const DARK: Rgb = (86, 180, 233);
pub(crate) const DEFECT: Rgb = (240, 228, 66);
pub(crate) const CLASS_COLOURS: [Rgb; 7] =
    [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167), (213, 94, 0), (0, 114, 178)];

/// Text sizes in CSS pixels.
pub(super) const TEXT: f64 = 12.5;

pub(super) fn colour((r, g, b): Rgb) -> RGBColor {
    RGBColor(r, g, b)
}

/// Text of a size in CSS pixels. plotters sets `size` as the em height.
pub(super) fn text(size: f64, scale: f64, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", (size * scale) as i32).into_font().color(&colour.mix(1.0))
}

/// Makes the embedded font known to plotters, once.
pub(super) fn register_font() -> Result<()> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let font = include_bytes!("font/DejaVuSans.ttf");
    if *DONE.get_or_init(|| register("sans-serif", FontStyle::Normal, font).is_ok()) {
        return Ok(());
    }
    Err(Error::Figure("the embedded font cannot be read".into()))
}
