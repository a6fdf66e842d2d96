//! Figures put together: in a grid, with letters, on shared axes, one inside another.

use super::canvas::{Across, Canvas, Down, Style};
use super::room::Room;
use super::theme::{TEXT, text};
use super::{Figure, Plot, axis};
use crate::error::{Result, check};

/// Between figures, and above them where they have letters, in CSS pixels.
const GAP: f64 = 12.0;
const LETTER: f64 = 18.0;

/// A corner of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsetAt {
    /// The upper left corner.
    TopLeft,
    /// The upper right corner.
    TopRight,
    /// The lower left corner.
    BottomLeft,
    /// The lower right corner.
    BottomRight,
}

/// Figures row by row.
#[derive(Clone)]
pub(super) struct Grid {
    figures: Vec<Figure>,
    columns: usize,
    letters: bool,
    shared: bool,
}

/// One figure on another.
pub(super) struct Inset {
    pub under: Figure,
    over: Figure,
    place: InsetAt,
    /// Share of the width.
    share: f64,
}

impl Figure {
    /// This figure and another to its right.
    ///
    /// # Errors
    /// Never so far; [`Figure::grid`] is the general form.
    pub fn beside(&self, other: &Figure) -> Result<Figure> {
        Figure::grid(&[self.clone(), other.clone()], 2)
    }

    /// This figure and another below it.
    ///
    /// # Errors
    /// Never so far; [`Figure::grid`] is the general form.
    pub fn above(&self, other: &Figure) -> Result<Figure> {
        Figure::grid(&[self.clone(), other.clone()], 1)
    }

    /// Figures row by row, so many in a row. They take the theme of the first, or the one that the whole is given. A width given
    /// to the whole is shared among them; colours go to all that have none of their own.
    ///
    /// # Errors
    /// If there are none, or `columns` is 0.
    pub fn grid(figures: &[Figure], columns: usize) -> Result<Figure> {
        check("figures", figures.len(), !figures.is_empty(), "at least one")?;
        check("columns", columns, columns > 0, "at least 1")?;
        let alt = figures.iter().map(|f| f.alt.clone()).collect::<Vec<_>>().join(" | ");
        let columns = columns.min(figures.len());
        let grid = Grid { figures: figures.to_vec(), columns, letters: false, shared: false };
        Ok(Figure { theme: figures[0].theme, ..Figure::new(Plot::Grid(grid), alt) })
    }

    /// With letters a, b, c at the figures of a grid; on any other figure nothing changes.
    #[must_use]
    pub fn with_letters(self) -> Figure {
        self.regrid(|grid| grid.letters = true)
    }

    /// With the same x axis for all charts of a column and the same y axis for all of a row, where they show the same
    /// quantity (their axes have the same name). On anything but a grid nothing changes.
    #[must_use]
    pub fn with_shared_axes(self) -> Figure {
        self.regrid(|grid| grid.shared = true)
    }

    fn regrid(self, change: impl Fn(&mut Grid)) -> Figure {
        let Plot::Grid(grid) = &*self.plot else { return self };
        let mut grid = grid.clone();
        change(&mut grid);
        Figure { plot: std::sync::Arc::new(Plot::Grid(grid)), ..self }
    }

    /// With another figure in a corner, `share` of this one's width.
    ///
    /// # Errors
    /// If `share` is not from 0.1 to 0.9.
    pub fn with_inset(&self, other: &Figure, place: InsetAt, share: f64) -> Result<Figure> {
        check("share", share, (0.1..=0.9).contains(&share), "from 0.1 to 0.9 of the width")?;
        let alt = format!("{} (inset: {})", self.alt, other.alt);
        let inset = Inset { under: self.clone(), over: other.clone(), place, share };
        let (theme, width, colours) = (self.theme, self.width, self.colours);
        Ok(Figure { theme, width, colours, ..Figure::new(Plot::Inset(inset), alt) })
    }

    /// Ends and names of the axes of a chart.
    fn axes(&self) -> Option<[(axis::Place, &str); 2]> {
        match &*self.plot {
            Plot::Chart(chart, ..) => {
                let (x, y) = chart.ranges();
                Some([(x, &chart.x_label), (y, &chart.y_label)])
            }
            Plot::Plane(plane) if plane.axes && !plane.equal => {
                let (x, y) = plane.limits();
                Some([(x, &plane.x.label), (y, &plane.y.label)])
            }
            _ => None,
        }
    }
}

impl Grid {
    fn top(&self) -> f64 {
        if self.letters { LETTER } else { 0.0 }
    }

    /// Figures in a row: fewer where they would get too narrow for their axes.
    fn columns(&self, room: Room) -> usize {
        let least = |f: &Figure| if matches!(&*f.plot, Plot::Tiles(_)) { 100.0 } else { 200.0 };
        let least = self.figures.iter().map(least).fold(0.0, f64::max);
        let most = room.width.map_or(self.columns, |w| ((w + GAP) / (least + GAP)) as usize);
        self.columns.min(most.max(1))
    }

    /// What each figure is given.
    fn rooms(&self, room: Room) -> Vec<Room> {
        let columns = self.columns(room);
        let gaps = GAP * (columns - 1) as f64;
        let width = room.width.map(|w| (w - gaps) / columns as f64);
        let own = |i: usize| {
            let mut own = Room { width, x: None, y: None, ..room };
            if self.shared {
                let beside = |j: usize| j / columns == i / columns;
                let below = |j: usize| j % columns == i % columns;
                own.x = self.union(i, 0, below);
                own.y = self.union(i, 1, beside);
            }
            own
        };
        (0..self.figures.len()).map(own).collect()
    }

    /// What all charts of a row or column that show the same quantity need of an axis.
    fn union(&self, of: usize, axis: usize, with: impl Fn(usize) -> bool) -> Option<axis::Place> {
        let (mut ends, name) = self.figures[of].axes()?[axis];
        for (j, figure) in self.figures.iter().enumerate().filter(|(j, _)| with(*j)) {
            if let Some((other, _)) = figure.axes().map(|a| a[axis]).filter(|a| j != of && a.1 == name) {
                ends = (ends.0.min(other.0), ends.1.max(other.1));
            }
        }
        Some(ends)
    }

    /// The size of each figure, then the widths of columns and the heights of rows.
    fn sizes(&self, room: Room) -> (Vec<f64>, Vec<f64>) {
        let size = |(figure, own): (&Figure, Room)| figure.plot.size(figure.room(own).unwrap_or(own));
        let sizes: Vec<_> = self.figures.iter().zip(self.rooms(room)).map(size).collect();
        let columns = self.columns(room);
        let mut wide = vec![0.0_f64; columns];
        let mut high = vec![0.0_f64; sizes.len().div_ceil(columns)];
        for (i, (w, h)) in sizes.iter().enumerate() {
            wide[i % columns] = wide[i % columns].max(*w);
            high[i / columns] = high[i / columns].max(*h + self.top());
        }
        (wide, high)
    }

    pub(super) fn size(&self, room: Room) -> (f64, f64) {
        let (wide, high) = self.sizes(room);
        let all = |v: &[f64]| v.iter().sum::<f64>() + GAP * (v.len() - 1) as f64;
        (room.width.unwrap_or_else(|| all(&wide)), all(&high))
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, room: Room) -> Result<()> {
        let (wide, high) = self.sizes(room);
        let before = |v: &[f64], i: usize| v[..i].iter().sum::<f64>() + GAP * i as f64;
        for (i, (figure, own)) in self.figures.iter().zip(self.rooms(room)).enumerate() {
            let (x, y) = (before(&wide, i % wide.len()), before(&high, i / wide.len()));
            let part = figure.canvas_in(own, canvas.theme)?;
            canvas.place(part, (x, y + self.top()), 1.0);
            if self.letters {
                let letter = char::from(b'a' + (i % 26) as u8).to_string();
                let style = text(1.15 * TEXT, canvas.theme.ink()).at(Across::Left, Down::Middle);
                canvas.words(letter, (x + 4.0, y + 0.5 * LETTER), Style { bold: true, ..style });
            }
        }
        Ok(())
    }
}

impl Inset {
    pub(super) fn draw(&self, canvas: &mut Canvas, room: Room) -> Result<()> {
        let under = self.under.canvas_in(room, canvas.theme)?;
        canvas.place(under, (0.0, 0.0), 1.0);
        let width = Some(self.share * canvas.width);
        let over = self.over.canvas_in(Room { width, x: None, y: None, ..room }, canvas.theme)?;
        let (w, h) = (over.width, over.height);
        // Clear of a chart's numbers and of an image's caption.
        let (left, right, top, bottom) = match &*self.under.plot {
            Plot::Tiles(_) => (14.0, 14.0, 26.0, 16.0),
            _ => (72.0, 22.0, 16.0, 50.0),
        };
        let x = match self.place {
            InsetAt::TopLeft | InsetAt::BottomLeft => left,
            InsetAt::TopRight | InsetAt::BottomRight => canvas.width - right - w,
        };
        let y = match self.place {
            InsetAt::TopLeft | InsetAt::TopRight => top,
            InsetAt::BottomLeft | InsetAt::BottomRight => canvas.height - bottom - h,
        };
        canvas.fill((x, y), (x + w, y + h), canvas.theme.paper());
        canvas.place(over, (x, y), 1.0);
        canvas.frame((x, y), (x + w, y + h), canvas.theme.ink(), 0.75);
        Ok(())
    }
}
