//! A movie with what was found over it: as an animated picture, as a film, and as a player in a notebook.

use super::canvas::Pixels;
use super::kinds::tile;
use super::tiles::contrast;
use super::{CLASS_COLOURS, ColourMap, DEFECT, Figure, Mark, Rgb, Theme, Tile, Tiles, film, player, raster};
use crate::defects::Defects;
use crate::dynamics::Tracks;
use crate::error::{Error, Result, check};
use crate::file::write_whole;
use crate::movie::{Frame, Movie};
use crate::progress::{Progress, Reporter};
use crate::show::emit_text;
use std::collections::BTreeMap;
use std::path::Path;

/// A line over frames, through places `(y, x)` in pixels.
pub(super) type Way = (Vec<(f32, f32)>, Rgb);

/// What lies over frames and can be switched off.
#[derive(Clone, Default)]
pub(super) struct Layer {
    pub name: String,
    pub marks: BTreeMap<u32, Vec<Mark>>,
    pub ways: BTreeMap<u32, Vec<Way>>,
    pub legend: Vec<(Rgb, String)>,
}

/// A movie with defects, classes and tracks over it. As the last expression of a cell it is a player that needs no server.
///
/// ```
/// use atomotion::prelude::*;
/// let recording = Experiment::ws2().with_frames(3).simulate(1)?;
/// let animation = recording.movie.animation().with_side_px(128).with_frames_per_s(4.0);
/// assert!(animation.to_gif()?.starts_with(b"GIF89a"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Animation {
    pub(super) movie: Movie,
    pub(super) layers: Vec<Layer>,
    /// Longer side of the image in pixels of the picture.
    pub side_px: usize,
    /// Frames shown in a second.
    pub frames_per_s: f64,
    /// The most frames: of a longer movie every second, third, … is shown.
    pub most_frames: usize,
    /// The most bytes of a player in a notebook; what would be larger leaves out frames and says so.
    pub most_bytes: usize,
    /// Colours of the frames.
    pub colours: ColourMap,
}

impl Movie {
    /// The movie as an animation: 320 pixels, 8 frames a second, at most 200 frames.
    #[must_use]
    pub fn animation(&self) -> Animation {
        Animation {
            movie: self.clone(),
            layers: vec![],
            side_px: 320,
            frames_per_s: 8.0,
            most_frames: 200,
            most_bytes: 6 << 20,
            colours: ColourMap::Grey,
        }
    }

    /// Saves the movie alone as an animation: see [`Animation::save`].
    ///
    /// # Errors
    /// As there.
    pub fn save_animation(&self, path: impl AsRef<Path>) -> Result<()> {
        self.animation().save(path)
    }
}

impl Animation {
    /// Longer side of the image, from 32 to 2048 pixels.
    #[must_use]
    pub fn with_side_px(self, side_px: usize) -> Animation {
        Animation { side_px, ..self }
    }

    /// Frames shown in a second, from 0.5 to 50.
    #[must_use]
    pub fn with_frames_per_s(self, frames_per_s: f64) -> Animation {
        Animation { frames_per_s, ..self }
    }

    /// The most frames, at least 1.
    #[must_use]
    pub fn with_most_frames(self, most_frames: usize) -> Animation {
        Animation { most_frames, ..self }
    }

    /// The most bytes of a player in a notebook, at least 100 000.
    #[must_use]
    pub fn with_most_bytes(self, most_bytes: usize) -> Animation {
        Animation { most_bytes, ..self }
    }

    /// Colours of the frames.
    #[must_use]
    pub fn with_colours(self, colours: ColourMap) -> Animation {
        Animation { colours, ..self }
    }

    /// With a ring around every defect, in the colour of its class where it has one; the legend has the class's name where it
    /// has one.
    ///
    /// # Errors
    /// If the table's columns have lost their types.
    pub fn with_defects(mut self, defects: &Defects) -> Result<Animation> {
        let table = defects.table();
        let (frames, y, x) =
            (table.column("frame")?.u32()?, table.column("y_px")?.f32()?, table.column("x_px")?.f32()?);
        let classes = table.column("class").ok().map(|c| c.u32()).transpose()?;
        let names = if classes.is_some() { defects.species_of_classes()? } else { BTreeMap::new() };
        let nm = self.movie.calibration().nm_per_px;
        let radius = (0.09 * defects.patches().dim().1 as f64 * defects.patch_nm_per_px() / nm) as f32;
        let mut layer = Layer { name: "defects".into(), ..Layer::default() };
        let mut most = None;
        for row in 0..table.height() {
            let (Some(frame), Some(y), Some(x)) = (frames.get(row), y.get(row), x.get(row)) else { continue };
            let class = classes.and_then(|c| c.get(row));
            most = most.max(class);
            let colour = class.map_or(DEFECT, |c| CLASS_COLOURS[c as usize % CLASS_COLOURS.len()]);
            layer.marks.entry(frame).or_default().push(Mark { y, x, radius, colour });
        }
        layer.legend = match most {
            None => vec![(DEFECT, "defect".into())],
            Some(most) => (0..=most.min(11))
                .map(|c| {
                    let name = names.get(&c).cloned().flatten().unwrap_or_else(|| format!("class {c}"));
                    (CLASS_COLOURS[c as usize % CLASS_COLOURS.len()], name)
                })
                .collect(),
        };
        self.layers.push(layer);
        Ok(self)
    }

    /// With the way of every track through the last `tail` frames, a colour for each track.
    ///
    /// # Errors
    /// If the table has lost its columns, or `tail` is 0.
    pub fn with_tracks(mut self, tracks: &Tracks, tail: usize) -> Result<Animation> {
        check("tail", tail, tail > 0, "at least one frame")?;
        let nm = if tracks.in_nm() { self.movie.calibration().nm_per_px } else { 1.0 };
        let mut layer = Layer { name: "tracks".into(), ..Layer::default() };
        for path in tracks.paths()? {
            let colour = CLASS_COLOURS[path.track as usize % CLASS_COLOURS.len()];
            let at = |[y, x]: &[f64; 2]| ((y / nm) as f32, (x / nm) as f32);
            for (i, frame) in path.frames.iter().enumerate().skip(1) {
                let first = path.frames[..=i].partition_point(|f| (*f as usize) + tail < *frame as usize);
                let places: Vec<_> = path.at_nm[first..=i].iter().map(at).collect();
                if places.len() > 1 {
                    layer.ways.entry(*frame).or_default().push((places, colour));
                }
            }
        }
        self.layers.push(layer);
        Ok(self)
    }

    /// Every option in its range, and the frames that are shown.
    pub(super) fn chosen(&self, most: usize) -> Result<Vec<usize>> {
        check("side_px", self.side_px, (32..=2048).contains(&self.side_px), "from 32 to 2048 pixels")?;
        let speed = self.frames_per_s;
        check("frames_per_s", speed, (0.5..=50.0).contains(&speed), "from 0.5 to 50")?;
        check("most_frames", self.most_frames, self.most_frames > 0, "at least 1")?;
        check("most_bytes", self.most_bytes, self.most_bytes >= 100_000, "at least 100000")?;
        let step = self.movie.len().div_ceil(self.most_frames.min(most).max(1));
        Ok((0..self.movie.len()).step_by(step).collect())
    }

    /// One range of intensities for all frames, so that nothing flickers.
    pub(super) fn range(&self, chosen: &[usize]) -> Result<(f32, f32)> {
        let step = chosen.len().div_ceil(8);
        let some = chosen.iter().step_by(step).map(|i| Ok(self.movie.frame(*i)?.data)).collect::<Result<Vec<_>>>()?;
        Ok(contrast(some.iter().flat_map(|f| f.iter().copied())))
    }

    pub(super) fn caption(&self, frame: &Frame) -> String {
        format!("frame {}, {:.1} s", frame.index, self.movie.calibration().time_s(frame.index))
    }

    /// A frame with everything over it.
    fn picture(&self, index: usize, range: (f32, f32)) -> Result<Figure> {
        let frame = self.movie.frame(index)?;
        let all = |of: &dyn Fn(&Layer) -> Vec<Mark>| self.layers.iter().flat_map(of).collect();
        let tile = Tile {
            range,
            marks: all(&|l| l.marks.get(&frame.index).cloned().unwrap_or_default()),
            lines: self.layers.iter().flat_map(|l| l.ways.get(&frame.index).cloned().unwrap_or_default()).collect(),
            ..tile(&frame, self.caption(&frame))
        };
        let legend = self.layers.iter().flat_map(|l| l.legend.clone()).collect();
        let (tiles, side) = (vec![tile], self.side_px as f64);
        Ok(Figure::tiles(Tiles { tiles, columns: 1, side, colours: self.colours, legend }, self.caption(&frame)))
    }

    /// Every picture, `use_` taking one after the other.
    fn pictures(&self, what: &'static str, mut use_: impl FnMut(usize, Pixels) -> Result<()>) -> Result<usize> {
        let chosen = self.chosen(usize::MAX)?;
        let range = self.range(&chosen)?;
        let mut progress = Reporter::new(what, "frames");
        for (i, index) in chosen.iter().enumerate() {
            crate::progress::check()?;
            let canvas = self.picture(*index, range)?.with_theme(Theme::usual()).canvas()?;
            use_(chosen.len(), raster::draw(&canvas, 1.0)?)?;
            progress.update(i + 1, chosen.len(), "");
        }
        Ok(chosen.len())
    }

    /// The animation as GIF: at most 256 colours, greys and marks first.
    ///
    /// # Errors
    /// If an option is out of range, or a frame cannot be read.
    pub fn to_gif(&self) -> Result<Vec<u8>> {
        let mut pictures = vec![];
        self.pictures("drawing", |_, p| {
            pictures.push(p);
            Ok(())
        })?;
        film::gif(&pictures, self.frames_per_s)
    }

    /// The animation as PNG with all of its colours (APNG, which browsers play).
    ///
    /// # Errors
    /// As for [`Animation::to_gif`].
    pub fn to_apng(&self) -> Result<Vec<u8>> {
        let mut pictures = vec![];
        self.pictures("drawing", |_, p| {
            pictures.push(p);
            Ok(())
        })?;
        film::apng(&pictures, self.frames_per_s)
    }

    /// Saves as GIF, as animated PNG (`.png`, `.apng`), or as MP4 by the program ffmpeg, by the name's ending.
    ///
    /// # Errors
    /// If the name ends otherwise, the file cannot be written, ffmpeg is needed and not there, or as for [`Animation::to_gif`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("gif") => write_whole(path, &self.to_gif()?),
            Some("png" | "apng") => write_whole(path, &self.to_apng()?),
            Some("mp4") => {
                let mut film = film::Mp4::new(path, self.frames_per_s)?;
                self.pictures("filming", |_, p| film.push(&p))?;
                film.finish()
            }
            _ => Err(Error::format(path, "names no kind of animation: end it with .gif, .png or .mp4")),
        }
    }

    /// The player as HTML.
    ///
    /// # Errors
    /// As for [`Animation::to_gif`].
    pub fn to_html(&self) -> Result<String> {
        player::html(self)
    }

    /// Shows the player in a notebook.
    pub fn evcxr_display(&self) {
        match self.to_html() {
            Ok(html) => crate::show::emit_html(&html, &format!("{self:?}")),
            Err(e) => emit_text("text/plain", &e.to_string()),
        }
    }
}

impl std::fmt::Debug for Animation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layers: Vec<&str> = self.layers.iter().map(|l| l.name.as_str()).collect();
        let over = if layers.is_empty() { String::new() } else { format!(" with {}", layers.join(" and ")) };
        write!(f, "Animation of {:?}{over}", self.movie)
    }
}
