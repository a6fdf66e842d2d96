//! Figures of defects, and of how much of a movie is no lattice.

use super::kinds::{caption, show, single, tile};
use super::{BRIGHT, CLASS_COLOURS, Chart, DARK, DEFECT, Figure, Mark, Rgb, Series};
use crate::defects::{Area, Areas, Defects};
use crate::error::Result;
use crate::movie::Frame;
use crate::show::{escape_html, table_html};
use std::collections::BTreeMap;

impl Defects {
    /// The defects of one frame over it: with classes, each in its class's colour; from a detector, orange too bright, blue
    /// too dark.
    ///
    /// # Errors
    /// If the table's columns have lost their types.
    pub fn figure(&self, frame: &Frame) -> Result<Figure> {
        let places = self.positions(frame.index)?;
        let classes = self.classes_in(frame.index)?;
        let bright = if classes.is_none() { self.signs_in(frame.index)? } else { None };
        let calibration = frame.calibration.nm_per_px;
        let radius = (0.09 * self.patches().dim().1 as f64 * self.patch_nm_per_px() / calibration) as f32;
        let mut tile = tile(frame, caption(frame));
        tile.marks = places
            .iter()
            .enumerate()
            .map(|(i, &(y, x))| {
                let by_sign = bright.as_ref().map_or(DEFECT, |b| if b[i] { BRIGHT } else { DARK });
                let colour = classes.as_ref().map_or(by_sign, |c| CLASS_COLOURS[c[i] as usize % CLASS_COLOURS.len()]);
                Mark { y, x, radius, colour }
            })
            .collect();
        let legend = match (&classes, &bright) {
            (None, None) => vec![(DEFECT, format!("defect ({})", places.len()))],
            (None, Some(bright)) => {
                let count = bright.iter().filter(|b| **b).count();
                let dark = format!("too dark ({})", places.len() - count);
                vec![(BRIGHT, format!("too bright ({count})")), (DARK, dark)]
            }
            (Some(classes), _) => {
                let names = self.species_of_classes()?;
                let name = |c: u32| names.get(&c).cloned().flatten().unwrap_or_else(|| format!("class {c}"));
                (0..=classes.iter().copied().max().unwrap_or(0))
                    .map(|c| (c, classes.iter().filter(|&&k| k == c).count()))
                    .map(|(c, count)| {
                        (CLASS_COLOURS[c as usize % CLASS_COLOURS.len()], format!("{} ({count})", name(c)))
                    })
                    .collect()
            }
        };
        Ok(single(tile, legend, format!("{} defects marked in {}", places.len(), caption(frame))))
    }

    fn classes_in(&self, frame: u32) -> Result<Option<Vec<u32>>> {
        let Ok(column) = self.table().column("class") else {
            return Ok(None);
        };
        let (classes, frames) = (column.u32()?, self.table().column("frame")?.u32()?);
        let inside = (0..self.len()).filter(|&i| frames.get(i) == Some(frame));
        Ok(Some(inside.map(|i| classes.get(i).unwrap_or(0)).collect()))
    }

    /// The species of each class, where all of its defects have the same.
    pub(super) fn species_of_classes(&self) -> Result<BTreeMap<u32, Option<String>>> {
        let mut names = BTreeMap::new();
        if let Ok(column) = self.table().column("species") {
            let classes = self.table().column("class")?.u32()?;
            for (class, species) in classes.iter().zip(column.str()?.iter()) {
                let Some(class) = class else { continue };
                let name = names.entry(class).or_insert_with(|| species.map(str::to_owned));
                if name.as_deref() != species {
                    *name = None;
                }
            }
        }
        Ok(names)
    }

    /// Whether each defect of a frame is too bright, where the table says so.
    fn signs_in(&self, frame: u32) -> Result<Option<Vec<bool>>> {
        let Ok(column) = self.table().column("sign") else {
            return Ok(None);
        };
        let (signs, frames) = (column.str()?, self.table().column("frame")?.u32()?);
        let inside = (0..self.len()).filter(|&i| frames.get(i) == Some(frame));
        Ok(Some(inside.map(|i| signs.get(i) == Some("bright")).collect()))
    }

    /// Number of defects in each frame, and how many of them noise alone gives where that was counted.
    ///
    /// # Errors
    /// If the table's columns have lost their types.
    pub fn counts_figure(&self) -> Result<Figure> {
        let table = self.per_frame()?;
        let (frames, counts) = (table.column("frame")?.u32()?, table.column("defects")?.u32()?);
        let points =
            frames.iter().zip(counts.iter()).filter_map(|(f, n)| Some((f64::from(f?), f64::from(n?)))).collect();
        let points: Vec<(f64, f64)> = points;
        let ends = points.first().zip(points.last()).map(|(a, b)| (a.0 - 0.5, b.0 + 0.5));
        let noise = self.false_alarms().zip(ends).map(|(alarms, (from, to))| Series::Line {
            points: vec![(from, alarms.per_frame()), (to, alarms.per_frame())],
            colour: CLASS_COLOURS[5],
            width: 2.0,
            name: Some(match alarms.contradicted() {
                Some(least) => format!("noise alone: {:.1} to {:.1}", least.per_frame(), alarms.per_frame()),
                None => format!("noise alone: {:.1}", alarms.per_frame()),
            }),
        });
        let mut series = vec![Series::Bars { points, width: 0.8, colour: CLASS_COLOURS[6], name: None }];
        series.extend(noise);
        let chart = Chart {
            title: String::new(),
            x_label: "frame".into(),
            y_label: "defects".into(),
            log_y: false,
            whole_x: true,
            series,
        };
        Ok(Figure::chart(chart, "Number of defects in each frame"))
    }

    /// Shows the defects in a notebook: the table's head and tail; for a movie, the count per frame and, where some of it is
    /// lost, the areas.
    pub fn evcxr_display(&self) {
        let several = self.per_frame().is_ok_and(|t| t.height() > 1);
        let mut figures: Vec<_> = several.then(|| self.counts_figure()).into_iter().collect();
        figures.extend(self.areas().filter(|a| several && a.lost()).map(|a| Ok(a.figure())));
        show(&self.summary(), &table_html(self.table()), &figures);
    }
}

impl Areas {
    /// Area of holes and of amorphous places in each frame.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let line = |pick: fn(&Area) -> f64, colour: Rgb, name: &str| Series::Line {
            points: self.frames().iter().map(|a| (f64::from(a.frame), pick(a))).collect(),
            colour,
            width: 2.0,
            name: Some(name.into()),
        };
        let unit = if self.calibration().known { "nm²" } else { "pixels" };
        let chart = Chart {
            title: String::new(),
            x_label: "frame".into(),
            y_label: format!("area ({unit})"),
            log_y: false,
            whole_x: true,
            series: vec![
                line(|a| a.hole_nm2, CLASS_COLOURS[6], "holes"),
                line(|a| a.amorphous_nm2, CLASS_COLOURS[0], "amorphous"),
            ],
        };
        Figure::chart(chart, format!("{self:?}"))
    }

    /// Shows the areas in a notebook: the table, and the figure.
    pub fn evcxr_display(&self) {
        let table = self.table().map_or_else(|e| escape_html(&e.to_string()), |t| table_html(&t));
        show(&format!("{self:?}"), &table, &[Ok(self.figure())]);
    }
}
