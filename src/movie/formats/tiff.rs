//! TIFF and BigTIFF of one or many pages, with the calibrations of ImageJ, OME, Digital Micrograph and FEI.
//!
//! Format: "TIFF Revision 6.0" and the BigTIFF proposal. Pages are found by walking their directories, a short read
//! each, and looked into when they are asked for.

mod directory;
mod page;
mod words;

use super::input::Input;
use super::stored::Stored;
use super::{Frames, Metadata, Parsed, choose};
use directory::{Directory, Entries, File};
use page::Page;
use std::sync::Arc;

struct Tiff {
    file: File,
    /// Directories of this movie's frames.
    pages: Vec<u64>,
    size: (usize, usize),
}

pub fn parse(input: &Arc<Input>, choice: Option<&str>) -> Result<Parsed, String> {
    let file = File::open(input.clone())?;
    let directories = file.directories()?;
    let first = file.directory(directories[0].at)?;
    let page = Page::parse(&file, &first)?;
    let mut metadata = Metadata::default();
    let mut planes = directories.len();
    // ImageJ writes one directory for a stack that is larger than 4 GB.
    let large = if directories.len() == 1 { large_stack(input, &first, &page)? } else { None };
    if let Some((count, _)) = large {
        planes = count;
    }
    let series = words::series(&first, planes, &mut metadata);
    let (mut all, mut of) = (vec![], vec![]);
    for one in &series {
        for part in 0..one.parts() {
            let held = format!("{} frames", one.frames());
            all.push((one.part_name(part), held));
            of.push((one, part));
        }
    }
    let (series, part) = of[choose(&all, choice)?];
    let planes: Vec<usize> = series.planes(part).collect();
    let (shape, frames): (_, Box<dyn Frames>) = if let Some((_, at)) = large {
        let (shape, frames) = in_one_block(input, &page, at, &planes)?;
        (shape, Box::new(frames))
    } else {
        let tiff = in_pages(file, &directories, &planes)?;
        (tiff.size, Box::new(tiff))
    };
    let axes = words::axes(&first, series, (planes.len(), shape.0, shape.1), &mut metadata);
    Ok(Parsed { frames, axes, metadata })
}

/// How many images ImageJ's description counts, and where they begin, where the one directory stands for them all.
fn large_stack(input: &Input, first: &Entries, page: &Page) -> Result<Option<(usize, u64)>, String> {
    let (Some(count), Some(at)) = (words::imagej_images(first).filter(|&n| n > 1), page.one_block()) else {
        return Ok(None);
    };
    let room = input.len().saturating_sub(at) / page.frame_bytes()?.max(1);
    if room >= count as u64 {
        return Ok(Some((count, at)));
    }
    if room > 1 {
        return Err(format!(
            "is cut short: ImageJ wrote {count} images of which {room} are there: copy the file again"
        ));
    }
    Ok(None) // one image, saved again with what was said of many
}

fn in_pages(file: File, directories: &[Directory], planes: &[usize]) -> Result<Tiff, String> {
    let first = &directories[planes[0]];
    let size = (first.height, first.width);
    if let Some(&other) = planes.iter().find(|&&i| (directories[i].height, directories[i].width) != size) {
        return Err(format!(
            "has pages of different sizes: page {} is {} x {}, page {other} is {} x {} pixels",
            planes[0], size.1, size.0, directories[other].width, directories[other].height
        ));
    }
    let page = Page::parse(&file, &file.directory(first.at)?)?;
    page.grey()?;
    Ok(Tiff { file, pages: planes.iter().map(|&i| directories[i].at).collect(), size })
}

/// Every how-manieth plane of a stack without directories.
struct Steps {
    stored: Stored,
    planes: Vec<usize>,
}

impl Frames for Steps {
    fn read(&self, index: usize) -> Result<Vec<f32>, String> {
        self.stored.read(*self.planes.get(index).ok_or("has no such frame")?)
    }
}

fn in_one_block(input: &Arc<Input>, page: &Page, at: u64, planes: &[usize]) -> Result<((usize, usize), Steps), String> {
    page.grey()?;
    let number = page.number()?;
    let last = planes.iter().max().map_or(0, |&n| n as u64 + 1);
    let bytes = page.frame_bytes()?.checked_mul(last).ok_or("is damaged: its frames are too large")?;
    input.holds(at, bytes, "ImageJ's stack")?;
    let (height, width) = (page.height, page.width);
    let stored = Stored { input: input.clone(), at, height, width, number, big_endian: page.big_endian };
    Ok(((height, width), Steps { stored, planes: planes.to_vec() }))
}

impl Frames for Tiff {
    fn read(&self, index: usize) -> Result<Vec<f32>, String> {
        let at = *self.pages.get(index).ok_or("has no such page")?;
        let read = || {
            let page = Page::parse(&self.file, &self.file.directory(at)?)?;
            if (page.height, page.width) != self.size {
                return Err("has another size".into());
            }
            page.grey()?;
            page.pixels(&self.file.input)
        };
        read().map_err(|problem: String| format!("page {index} {problem}"))
    }
}

#[cfg(test)]
use words::Series;

#[cfg(test)]
mod tests;
