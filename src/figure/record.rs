//! What plotters draws, taken down on a canvas.

use super::canvas::{Across, Canvas, Down, Paint, Pixels, Style};
use super::theme::EM;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontTransform,
};
use std::convert::Infallible;

/// plotters draws on whole numbers: so many of them to a CSS pixel.
pub(super) const FINE: f64 = 16.0;

type Done = Result<(), DrawingErrorKind<Infallible>>;

/// A backend of plotters that draws on a canvas.
pub(super) struct Recorder<'a>(pub &'a mut Canvas);

fn paint(colour: BackendColor) -> Paint {
    Paint { rgb: colour.rgb, alpha: colour.alpha }
}

fn place((x, y): BackendCoord) -> (f64, f64) {
    (f64::from(x) / FINE, f64::from(y) / FINE)
}

fn wide<S: BackendStyle>(style: &S) -> f64 {
    f64::from(style.stroke_width()) / FINE
}

impl DrawingBackend for Recorder<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        ((self.0.width * FINE).round() as u32, (self.0.height * FINE).round() as u32)
    }

    fn ensure_prepared(&mut self) -> Done {
        Ok(())
    }

    fn present(&mut self) -> Done {
        Ok(())
    }

    fn draw_pixel(&mut self, at: BackendCoord, colour: BackendColor) -> Done {
        let (x, y) = place(at);
        self.0.fill((x, y), (x + 1.0 / FINE, y + 1.0 / FINE), paint(colour));
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Done {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S, fill: bool) -> Done {
        let colour = paint(style.color());
        if colour.alpha > 0.0 && fill {
            self.0.fill(place(a), place(b), colour);
        } else if colour.alpha > 0.0 {
            self.0.frame(place(a), place(b), colour, wide(style));
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Done {
        let colour = paint(style.color());
        if colour.alpha > 0.0 {
            self.0.line(path.into_iter().map(place).collect(), colour, wide(style));
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, at: BackendCoord, radius: u32, style: &S, fill: bool) -> Done {
        let (colour, radius) = (paint(style.color()), f64::from(radius) / FINE);
        if fill {
            self.0.disc(place(at), radius, colour);
        } else {
            self.0.ring(place(at), radius, colour, wide(style));
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Done {
        self.0.area(path.into_iter().map(place).collect(), paint(style.color()));
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, words: &str, style: &S, at: BackendCoord) -> Done {
        let across = match style.anchor().h_pos {
            HPos::Left => Across::Left,
            HPos::Center => Across::Middle,
            HPos::Right => Across::Right,
        };
        let down = match style.anchor().v_pos {
            VPos::Top => Down::Top,
            VPos::Center => Down::Middle,
            VPos::Bottom => Down::Bottom,
        };
        let up = matches!(style.transform(), FontTransform::Rotate270);
        let (size, paint) = (style.size() * EM / FINE, paint(style.color()));
        self.0.words(words, place(at), Style { size, paint, across, down, up, bold: false });
        Ok(())
    }

    fn blit_bitmap(&mut self, at: BackendCoord, (width, height): (u32, u32), rgb: &[u8]) -> Done {
        let size = (f64::from(width) / FINE, f64::from(height) / FINE);
        let image = Pixels { width: width as usize, height: height as usize, rgb: rgb.to_vec() };
        self.0.image(place(at), size, image);
        Ok(())
    }
}
