//! Figures of simulated recordings and of their truth.

use super::kinds::{caption, show, single, tile};
use super::{CLASS_COLOURS, Chart, Figure, Mark, Rgb, Series};
use crate::error::Result;
use crate::show::{emit_html, escape_html, table_html};
use crate::simulate::{Evolution, MarkovTest, Recording, Transitions};

/// Columns of a lattice are this far apart, about: rings of half that do not overlap.
const RING_NM: f64 = 0.11;

fn colour(species: usize) -> Rgb {
    CLASS_COLOURS[species % CLASS_COLOURS.len()]
}

impl Recording {
    /// One frame with its true defects ringed, a colour for each species.
    ///
    /// # Errors
    /// If there is no such frame.
    pub fn figure(&self, frame: usize) -> Result<Figure> {
        let image = self.movie.frame(frame)?;
        let counts = self.per_frame()?;
        let names: Vec<&String> = counts.keys().collect();
        let (frames, species) = (self.truth.column("frame")?.u32()?, self.truth.column("species")?.str()?);
        let (y, x) = (self.truth.column("y_px")?.f32()?, self.truth.column("x_px")?.f32()?);
        let mut tile = tile(&image, caption(&image));
        let radius = (RING_NM / image.calibration.nm_per_px) as f32;
        tile.marks = (0..self.truth.height())
            .filter(|&i| frames.get(i) == Some(frame as u32))
            .filter_map(|i| {
                let kind = names.iter().position(|n| Some(n.as_str()) == species.get(i))?;
                Some(Mark { y: y.get(i)?, x: x.get(i)?, radius, colour: colour(kind) })
            })
            .collect();
        let legend =
            names.iter().enumerate().map(|(i, n)| (colour(i), format!("{n} ({})", counts[*n][frame]))).collect();
        Ok(single(tile, legend, format!("True defects of {}", caption(&image))))
    }

    /// How many defects of each species there are in each frame.
    ///
    /// # Errors
    /// If the truth's columns have lost their types.
    pub fn counts_figure(&self) -> Result<Figure> {
        let lines = self.per_frame()?.into_iter().enumerate().map(|(i, (name, counts))| Series::Line {
            points: counts.iter().enumerate().map(|(f, &n)| (f as f64, f64::from(n))).collect(),
            colour: colour(i),
            width: 2.0,
            name: Some(name),
        });
        let chart = Chart {
            title: String::new(),
            x_label: format!("frame ({} s each)", self.movie.calibration().s_per_frame),
            y_label: "defects in view".into(),
            log_y: false,
            whole_x: true,
            series: lines.collect(),
        };
        Ok(Figure::chart(chart, "Number of true defects of each species in each frame"))
    }

    /// Shows the recording in a notebook: its last frame with the truth, and the counts in time.
    pub fn evcxr_display(&self) {
        let mut figures = vec![self.figure(self.movie.len() - 1)];
        figures.extend((self.movie.len() > 1).then(|| self.counts_figure()));
        show(&format!("{self:?}"), "", &figures);
    }
}

impl Evolution {
    /// Shows itself in a notebook: what it is, and its events.
    pub fn evcxr_display(&self) {
        let events = self.events_table().map_or_else(|e| escape_html(&e.to_string()), |t| table_html(&t));
        show(&format!("{self:?}"), &events, &[]);
    }
}

impl Transitions {
    /// Shows itself in a notebook: the transitions that were seen, with their intervals.
    pub fn evcxr_display(&self) {
        let text = format!(
            "Transitions over {} s, {} sites' steps in {} replicas",
            self.interval_s,
            self.counts.sum(),
            self.replicas
        );
        match self.table() {
            Ok(table) => show(&text, &table_html(&table), &[]),
            Err(error) => emit_html(&escape_html(&error.to_string()), &error.to_string()),
        }
    }
}

impl MarkovTest {
    /// Shows itself in a notebook.
    pub fn evcxr_display(&self) {
        show(&self.to_string(), &table_html(&self.by_state), &[]);
    }
}

impl std::fmt::Display for MarkovTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Second against first order: likelihood ratio {:.1}, chi-squared {:.1} with {:.1} degrees of freedom, p = {:.2e}; \
             the state before tells {:.5} bits",
            self.likelihood_ratio, self.chi_squared, self.degrees, self.p_value, self.memory_bits
        )
    }
}
