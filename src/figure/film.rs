//! Pictures one after the other: GIF, animated PNG, and MP4 by ffmpeg.

use super::canvas::Pixels;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn problem(e: &dyn std::fmt::Display) -> Error {
    Error::Figure(e.to_string())
}

fn delay(per_s: f64, ticks: f64) -> u16 {
    (ticks / per_s).round().clamp(1.0, 65535.0) as u16
}

/// Loops for ever.
pub(super) fn gif(pictures: &[Pixels], per_s: f64) -> Result<Vec<u8>> {
    let Some(first) = pictures.first() else { return Err(Error::Figure("an animation has at least one frame".into())) };
    let side = |v: usize| u16::try_from(v).map_err(|_| Error::Figure("a GIF is at most 65535 pixels wide".into()));
    let (width, height) = (side(first.width)?, side(first.height)?);
    let palette = palette(pictures);
    let mut known = HashMap::new();
    let mut bytes = vec![];
    let table: Vec<u8> = palette.iter().flatten().copied().collect();
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, &table).map_err(|e| problem(&e))?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(|e| problem(&e))?;
    for picture in pictures {
        let index = |c: &[u8]| *known.entry([c[0], c[1], c[2]]).or_insert_with_key(|c| nearest(&palette, *c));
        let buffer: Vec<u8> = picture.rgb.chunks_exact(3).map(index).collect();
        let frame =
            gif::Frame { width, height, delay: delay(per_s, 100.0), buffer: buffer.into(), ..gif::Frame::default() };
        encoder.write_frame(&frame).map_err(|e| problem(&e))?;
    }
    drop(encoder);
    Ok(bytes)
}

/// 128 greys, and the commonest other colours (of 16 steps a channel) of all pictures.
fn palette(pictures: &[Pixels]) -> Vec<[u8; 3]> {
    let mut counts: BTreeMap<[u8; 3], usize> = BTreeMap::new();
    for c in pictures.iter().flat_map(|p| p.rgb.chunks_exact(3)) {
        if c[0] != c[1] || c[1] != c[2] {
            *counts.entry([c[0] & 0xf0 | 8, c[1] & 0xf0 | 8, c[2] & 0xf0 | 8]).or_default() += 1;
        }
    }
    let mut common: Vec<_> = counts.into_iter().collect();
    common.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let greys = (0..128_u32).map(|i| [((i * 255 + 63) / 127) as u8; 3]);
    greys.chain(common.into_iter().take(128).map(|c| c.0)).collect()
}

fn nearest(palette: &[[u8; 3]], c: [u8; 3]) -> u8 {
    let far = |p: &[u8; 3]| (0..3).map(|k| (i32::from(p[k]) - i32::from(c[k])).pow(2)).sum::<i32>();
    palette.iter().enumerate().min_by_key(|(_, p)| far(p)).map_or(0, |(i, _)| i as u8)
}

/// Loops for ever.
pub(super) fn apng(pictures: &[Pixels], per_s: f64) -> Result<Vec<u8>> {
    let Some(first) = pictures.first() else { return Err(Error::Figure("an animation has at least one frame".into())) };
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, first.width as u32, first.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_animated(pictures.len() as u32, 0).map_err(|e| problem(&e))?;
    encoder.set_frame_delay(delay(per_s, 1000.0), 1000).map_err(|e| problem(&e))?;
    let mut writer = encoder.write_header().map_err(|e| problem(&e))?;
    for picture in pictures {
        writer.write_image_data(&picture.rgb).map_err(|e| problem(&e))?;
    }
    writer.finish().map_err(|e| problem(&e))?;
    Ok(bytes)
}

/// A film that ffmpeg is writing.
pub(super) struct Mp4 {
    path: PathBuf,
    partial: PathBuf,
    per_s: f64,
    ffmpeg: Option<Child>,
}

impl Mp4 {
    pub(super) fn new(path: &Path, per_s: f64) -> Result<Mp4> {
        let partial = crate::file::temporary(path);
        let asked = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        match asked {
            Ok(status) if status.success() => Ok(Mp4 { path: path.into(), partial, per_s, ffmpeg: None }),
            _ => Err(Error::Figure(
                "MP4 needs the program ffmpeg on the path: install it, or save as .gif or .png".into(),
            )),
        }
    }

    pub(super) fn push(&mut self, picture: &Pixels) -> Result<()> {
        if self.ffmpeg.is_none() {
            let (size, rate) = (format!("{}x{}", picture.width, picture.height), self.per_s.to_string());
            // Its colours need even sides.
            let even = "pad=ceil(iw/2)*2:ceil(ih/2)*2";
            let child = Command::new("ffmpeg")
                .args(["-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size, "-r", &rate])
                .args(["-i", "-", "-vf", even, "-pix_fmt", "yuv420p", "-f", "mp4"])
                .arg(&self.partial)
                .stdin(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            self.ffmpeg = Some(child.map_err(|e| problem(&e))?);
        }
        let input = self.ffmpeg.as_mut().and_then(|f| f.stdin.as_mut());
        input.map_or(Ok(()), |pipe| pipe.write_all(&picture.rgb)).map_err(|e| problem(&e))
    }

    pub(super) fn finish(mut self) -> Result<()> {
        let Some(mut ffmpeg) = self.ffmpeg.take() else { return Ok(()) };
        drop(ffmpeg.stdin.take());
        let status = ffmpeg.wait().map_err(|e| problem(&e))?;
        if !status.success() {
            return Err(Error::format(&self.path, format!("ffmpeg could not write it ({status})")));
        }
        std::fs::rename(&self.partial, &self.path).map_err(Error::io("write", &self.path))
    }
}

impl Drop for Mp4 {
    /// A film that was given up leaves nothing.
    fn drop(&mut self) {
        if let Some(mut ffmpeg) = self.ffmpeg.take() {
            let _ = ffmpeg.kill();
            let _ = ffmpeg.wait();
        }
        let _ = std::fs::remove_file(&self.partial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Greys that move, and a coloured edge.
    fn pictures() -> Vec<Pixels> {
        let level = |i: usize, k: usize| ((i * 7 + k * 40) % 255) as u8;
        let rgb = |k: usize| (0..4800).flat_map(move |i| if i % 80 > 70 { [230, 159, 0] } else { [level(i, k); 3] });
        (0..6).map(|k| Pixels { width: 80, height: 60, rgb: rgb(k).collect() }).collect()
    }

    #[test]
    fn gif_keeps_frames_times_and_colours() {
        let pictures = pictures();
        let bytes = gif(&pictures, 8.0).unwrap();
        assert_eq!(bytes, gif(&pictures, 8.0).unwrap());
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut reader = options.read_info(&bytes[..]).unwrap();
        let mut seen = 0;
        while let Some(frame) = reader.read_next_frame().unwrap() {
            assert_eq!((frame.width, frame.height, frame.delay), (80, 60, 13));
            let worst = frame.buffer.chunks_exact(4).zip(pictures[seen].rgb.chunks_exact(3));
            let worst = worst.flat_map(|(a, b)| (0..3).map(|k| a[k].abs_diff(b[k]))).max().unwrap();
            // Half a step of the greys, or of the colours' sixteen steps.
            assert!(worst <= 8, "frame {seen}: a colour is off by {worst}");
            seen += 1;
        }
        assert_eq!(seen, 6);
    }

    #[test]
    fn animated_png_keeps_every_pixel() {
        let pictures = pictures();
        let bytes = apng(&pictures, 8.0).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        assert_eq!(reader.info().animation_control().map(|a| (a.num_frames, a.num_plays)), Some((6, 0)));
        for picture in &pictures {
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            assert_eq!(reader.info().frame_control().map(|f| (f.delay_num, f.delay_den)), Some((125, 1000)));
            assert!(pixels == picture.rgb);
        }
    }
}
