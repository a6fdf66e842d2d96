//! One look for every figure: colours, sizes of text, widths of paper.

use super::canvas::Style;
use crate::error::{Result, check};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU8, Ordering};

pub(crate) type Rgb = (u8, u8, u8);

/// Colours that plots name: every theme puts its own in their place.
pub(super) const PAPER: Rgb = (255, 255, 255);
pub(super) const INK: Rgb = (40, 40, 40);

// Okabe and Ito's palette (2008), which colour-blind readers can tell apart.
pub(crate) const BRIGHT: Rgb = (230, 159, 0);
pub(crate) const DARK: Rgb = (86, 180, 233);
pub(crate) const DEFECT: Rgb = (240, 228, 66);
pub(crate) const CLASS_COLOURS: [Rgb; 7] =
    [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167), (213, 94, 0), (0, 114, 178)];

/// Height of a line of text in CSS pixels; an em is [`EM`] of it.
pub(super) const TEXT: f64 = 12.5;
pub(super) const EM: f64 = 1.0 / 1.164;
/// The least that a paper may have: 6 points, in CSS pixels.
pub(super) const SMALLEST: f64 = 8.0;

/// Text of a size in the units of [`TEXT`].
pub(super) fn text(size: f64, rgb: Rgb) -> Style {
    Style::new((size * EM).max(SMALLEST), rgb)
}

/// What a figure is drawn for.
///
/// ```
/// use atomotion::prelude::*;
/// let frame = Ws2::default().with_size_px(64).simulate(1)?.movie.frame(0)?;
/// let dark = frame.figure().with_theme(Theme::Dark);
/// assert_ne!(dark.to_svg()?, frame.figure().to_svg()?);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Theme {
    /// White, with dark grey text: notebooks and talks.
    #[default]
    Light,
    /// Nearly black, with light text: notebooks with a dark page.
    Dark,
    /// White, with black text: paper.
    Print,
}

static USUAL: AtomicU8 = AtomicU8::new(0);

impl Theme {
    /// The theme of figures that were not given one, from now on.
    pub fn set_default(self) {
        USUAL.store(self as u8, Ordering::Relaxed);
    }

    pub(super) fn usual() -> Theme {
        [Theme::Light, Theme::Dark, Theme::Print][usize::from(USUAL.load(Ordering::Relaxed)).min(2)]
    }

    pub(super) fn paper(self) -> Rgb {
        if self == Theme::Dark { (24, 26, 27) } else { PAPER }
    }

    pub(super) fn ink(self) -> Rgb {
        match self {
            Theme::Light => INK,
            Theme::Dark => (222, 222, 222),
            Theme::Print => (0, 0, 0),
        }
    }

    pub(super) fn faint(self) -> Rgb {
        if self == Theme::Dark { (62, 64, 66) } else { (225, 225, 225) }
    }

    /// A grey that was chosen for white paper, for this one. Colours stay, and so does black itself: it is the edge of what
    /// lies on images, and text in light boxes.
    pub(super) fn adapt(self, rgb: Rgb) -> Rgb {
        let (r, g, b) = rgb;
        if r != g || g != b || r == 0 {
            return rgb;
        }
        match self {
            Theme::Light => rgb,
            Theme::Print if rgb == INK => (0, 0, 0),
            Theme::Print => rgb,
            Theme::Dark => {
                let share = f64::from(PAPER.0.saturating_sub(r)) / f64::from(PAPER.0 - INK.0);
                let mix = |paper: u8, ink: u8| {
                    (f64::from(paper) + share.min(1.0) * (f64::from(ink) - f64::from(paper))).round() as u8
                };
                let (paper, ink) = (self.paper(), self.ink());
                (mix(paper.0, ink.0), mix(paper.1, ink.1), mix(paper.2, ink.2))
            }
        }
    }
}

impl Theme {
    /// The same for lines and areas on the paper itself, where the palette's yellow is hard to see on white.
    pub(super) fn on_paper(self, rgb: Rgb) -> Rgb {
        if rgb == DEFECT && self != Theme::Dark { (176, 160, 0) } else { self.adapt(rgb) }
    }
}

/// How wide a figure is on paper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Width {
    /// One column: 89 mm.
    Single,
    /// Two columns: 183 mm.
    Double,
    /// So many millimetres, from 30 to 500.
    Mm(f64),
}

impl Width {
    pub(super) fn mm(self) -> Result<f64> {
        let mm = match self {
            Width::Single => 89.0,
            Width::Double => 183.0,
            Width::Mm(mm) => mm,
        };
        check("width", mm, (30.0..=500.0).contains(&mm), "from 30 to 500 mm")?;
        Ok(mm)
    }
}

/// CSS pixels to a millimetre.
pub(super) const PX_PER_MM: f64 = 96.0 / 25.4;
