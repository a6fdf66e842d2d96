//! What becomes of a figure: files, and a picture in a notebook.

use super::theme::Width;
use super::{Figure, pdf, picture, raster, svg};
use crate::error::{Error, Result, check};
use crate::file::write_whole;
use std::path::Path;

impl Figure {
    /// The figure as an SVG document, the same bytes each time. Text is drawn as outlines, so that it needs no font; the words
    /// are kept for screen readers.
    ///
    /// # Errors
    /// If it cannot be drawn, or its width is not from 30 to 500 mm.
    pub fn to_svg(&self) -> Result<String> {
        Ok(svg::write(&self.canvas()?, self.width.map(Width::mm).transpose()?, &self.alt))
    }

    /// The figure as a PDF of one page: shapes and outlines of text as vectors, images without loss. Its words can be searched.
    ///
    /// # Errors
    /// As for [`Figure::to_svg`].
    pub fn to_pdf(&self) -> Result<Vec<u8>> {
        Ok(pdf::write(&self.canvas()?, &self.alt))
    }

    /// The figure as a PNG with `scale` image pixels to a CSS pixel (2 is sharp on most screens, 4 is 384 dpi).
    ///
    /// # Errors
    /// If `scale` is not from 0.25 to 16, or as for [`Figure::to_svg`].
    pub fn to_png(&self, scale: f64) -> Result<Vec<u8>> {
        check("scale", scale, (0.25..=16.0).contains(&scale), "from 0.25 to 16 image pixels to a CSS pixel")?;
        let pixels = raster::draw(&self.canvas()?, scale)?;
        Ok(picture::png(&pixels, Some((96.0 * scale / 0.0254).round() as u32)))
    }

    /// Saves as SVG, PDF or PNG (at 300 dots per inch), by the name's ending. The file appears whole or not at all.
    ///
    /// # Errors
    /// If the name ends otherwise, the file cannot be written, or as for [`Figure::to_svg`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("svg") => write_whole(path, self.to_svg()?.as_bytes()),
            Some("pdf") => write_whole(path, &self.to_pdf()?),
            Some("png") => self.save_png(path, 300.0),
            _ => Err(Error::format(path, "names no kind of picture: end it with .svg, .pdf or .png")),
        }
    }

    /// Saves a PNG with so many dots per inch.
    ///
    /// # Errors
    /// If `dpi` is not from 24 to 1536, the file cannot be written, or as for [`Figure::to_svg`].
    pub fn save_png(&self, path: impl AsRef<Path>, dpi: f64) -> Result<()> {
        check("dpi", dpi, (24.0..=1536.0).contains(&dpi), "from 24 to 1536 dots per inch")?;
        write_whole(path.as_ref(), &self.to_png(dpi / 96.0)?)
    }

    /// Size of the smallest text, in points, at the figure's width.
    ///
    /// # Errors
    /// As for [`Figure::to_svg`].
    pub fn smallest_text_pt(&self) -> Result<Option<f64>> {
        Ok(self.canvas()?.smallest_text())
    }

    /// An `<img>` that is sharp on high-density screens.
    pub(crate) fn html(&self) -> Result<String> {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(self.to_png(2.0)?);
        let alt = crate::show::escape_html(&self.alt);
        let (width, height) = self.size();
        Ok(format!("<img src=\"data:image/png;base64,{data}\" width=\"{width}\" height=\"{height}\" alt=\"{alt}\">"))
    }

    /// Shows the figure in a notebook.
    pub fn evcxr_display(&self) {
        match self.html() {
            Ok(html) => crate::show::emit_html(&html, &self.alt),
            Err(e) => crate::show::emit_text("text/plain", &e.to_string()),
        }
    }
}
