//! The figure of each kind of value, and how the value shows itself in a notebook.

use super::{CLASS_COLOURS, Chart, ColourMap, Figure, Series, Tile, Tiles};
use crate::classify::Components;
use crate::detect::{Detector, SplitHalf};
use crate::error::Result;
use crate::movie::{Frame, Movie};
use crate::show::{emit_html, escape_html};

/// Longer side of a single image, in CSS pixels.
const LARGE: f64 = 460.0;

pub(super) fn caption(frame: &Frame) -> String {
    format!("frame {}, {}", frame.index, frame.source)
}

pub(super) fn tile(frame: &Frame, caption: String) -> Tile {
    let nm = frame.calibration.known.then_some(frame.calibration.nm_per_px);
    Tile { nm_per_px: nm, ..Tile::new(frame.data.clone(), caption) }
}

pub(super) fn single(tile: Tile, legend: Vec<(super::Rgb, String)>, alt: String) -> Figure {
    Figure::tiles(Tiles { tiles: vec![tile], columns: 1, side: LARGE, colours: ColourMap::Grey, legend }, alt)
}

/// Writes text and figures as one content; a figure that cannot be drawn says why in its place.
pub(super) fn show(text: &str, html: &str, figures: &[Result<Figure>]) {
    let mut page = format!("<div>{}</div>{html}", escape_html(text).replace('\n', "<br>"));
    for figure in figures {
        match figure.as_ref().map_err(ToString::to_string).and_then(|f| f.html().map_err(|e| e.to_string())) {
            Ok(image) => page.push_str(&format!("<div>{image}</div>")),
            Err(problem) => page.push_str(&format!("<div>{}</div>", escape_html(&problem))),
        }
    }
    emit_html(&page, text);
}

impl Frame {
    /// The frame in grey, with a scale bar where it is calibrated.
    #[must_use]
    pub fn figure(&self) -> Figure {
        single(tile(self, caption(self)), vec![], format!("{} in grey levels", caption(self)))
    }

    /// Shows the frame in a notebook.
    pub fn evcxr_display(&self) {
        self.figure().evcxr_display();
    }
}

impl Movie {
    /// Six frames from the first to the last (all of a shorter movie) as a contact sheet; [`Movie::contact_sheet`] takes those
    /// that you choose.
    ///
    /// # Errors
    /// If a frame cannot be read.
    pub fn figure(&self) -> Result<Figure> {
        let (shown, last) = (self.len().min(6), self.len() - 1);
        let indices: Vec<usize> = (0..shown).map(|i| if shown > 1 { i * last / (shown - 1) } else { 0 }).collect();
        self.contact_sheet(&indices)
    }

    /// Shows the movie in a notebook: size, calibration, source, and six of its frames.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[self.figure()]);
    }
}

impl Detector {
    /// Loss of every training step, and its running mean over a twentieth of them, on a logarithmic axis.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let points: Vec<(f64, f64)> =
            self.losses().iter().enumerate().map(|(i, &l)| (i as f64, f64::from(l))).collect();
        let reach = (points.len() / 40).max(1);
        let smooth = (0..points.len())
            .map(|i| {
                let near = &points[i.saturating_sub(reach)..(i + reach + 1).min(points.len())];
                (points[i].0, near.iter().map(|p| p.1).sum::<f64>() / near.len() as f64)
            })
            .collect();
        let chart = Chart {
            title: String::new(),
            x_label: "training step".into(),
            y_label: "loss".into(),
            log_y: true,
            whole_x: false,
            series: vec![
                Series::Line { points, colour: (190, 205, 220), width: 1.0, name: Some("each step".into()) },
                Series::Line {
                    points: smooth,
                    colour: CLASS_COLOURS[6],
                    width: 2.0,
                    name: Some("running mean".into()),
                },
            ],
        };
        Figure::chart(chart, format!("Loss curve. {self:?}"))
    }

    /// Shows the detector in a notebook: what it was trained on, and its loss curve.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[Ok(self.figure())]);
    }
}

impl Components {
    /// Share of the patches' variance that each component explains.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let points = self.explained.iter().enumerate().map(|(i, &e)| (i as f64, 100.0 * e)).collect();
        let chart = Chart {
            title: String::new(),
            x_label: format!("{} component", self.kind),
            y_label: "variance explained (%)".into(),
            log_y: false,
            whole_x: true,
            series: vec![Series::Bars { points, width: 0.7, colour: CLASS_COLOURS[6], name: None }],
        };
        Figure::chart(chart, format!("{self:?}"))
    }

    /// Each component as a patch: blue below zero and red above it, where there is both.
    #[must_use]
    pub fn patches_figure(&self) -> Figure {
        let signed = self.patches.iter().any(|v| *v < 0.0);
        let share = |e: f64| if e < 0.0095 { format!("{:.1}", 100.0 * e) } else { format!("{:.0}", 100.0 * e) };
        let tile = |(i, (patch, &e)): (usize, (ndarray::ArrayView2<f32>, &f64))| {
            let tile = Tile::new(patch.to_owned(), format!("{i}: {} %", share(e)));
            let most = tile.range.0.abs().max(tile.range.1.abs());
            if signed { Tile { range: (-most, most), ..tile } } else { tile }
        };
        let tiles: Vec<Tile> = self.patches.outer_iter().zip(&self.explained).enumerate().map(tile).collect();
        let columns = tiles.len().clamp(1, 6);
        let colours = if signed { ColourMap::Diverging } else { ColourMap::Viridis };
        Figure::tiles(Tiles { tiles, columns, side: 100.0, colours, legend: vec![] }, format!("{self:?}"))
    }

    /// Shows the components in a notebook.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[Ok(self.figure()), Ok(self.patches_figure())]);
    }
}

impl SplitHalf {
    /// The difference found, beside those of frames without defects.
    #[must_use]
    pub fn figure(&self) -> Figure {
        const BINS: usize = 18;
        let all = || self.surrogates.iter().copied().chain([self.difference]);
        let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(f64::MIN, f64::max));
        let width = ((high - low) / BINS as f64).max(1e-9);
        let mut counts = [0_usize; BINS];
        for s in &self.surrogates {
            counts[(((s - low) / width) as usize).min(BINS - 1)] += 1;
        }
        let points = counts.iter().enumerate().map(|(i, &n)| (low + (i as f64 + 0.5) * width, n as f64)).collect();
        let chart = Chart {
            title: String::new(),
            x_label: "marked less unmarked sites, odd rows (standard deviations)".into(),
            y_label: "surrogate frames".into(),
            log_y: false,
            whole_x: false,
            series: vec![
                Series::Bars { points, width, colour: (170, 185, 200), name: Some("without defects".into()) },
                Series::Marker { x: self.difference, colour: CLASS_COLOURS[5], name: "this frame".into() },
            ],
        };
        Figure::chart(chart, format!("{self:?}"))
    }

    /// Shows the test's outcome in a notebook.
    pub fn evcxr_display(&self) {
        show(&format!("{self:?}"), "", &[Ok(self.figure())]);
    }
}
