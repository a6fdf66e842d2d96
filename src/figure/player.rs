//! A player of an animation as a piece of HTML: frames as PNG, what lies over them as SVG, a few lines of JavaScript. It needs
//! no server, so it works in exported pages, too; several on one page do not disturb each other; without JavaScript the first
//! frame is shown.

use super::animation::{Animation, Layer};
use super::canvas::Pixels;
use super::{Rgb, svg};
use crate::error::Result;
use crate::show::escape_html;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
struct Shown {
    image: String,
    caption: String,
    /// What each layer draws.
    layers: Vec<String>,
}

#[derive(Serialize)]
struct Data {
    frames: Vec<Shown>,
    every_ms: u64,
}

fn css((r, g, b): Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// Rings and lines as SVG, in pixels of the frame, each with a dark edge.
fn drawn(layer: &Layer, frame: u32) -> String {
    let mut text = String::new();
    for mark in layer.marks.get(&frame).into_iter().flatten() {
        let place = format!("cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\"", mark.x + 0.5, mark.y + 0.5, mark.radius);
        for (colour, width) in [("#000".to_string(), 3), (css(mark.colour), 2)] {
            let _ = write!(text, "<circle {place} stroke=\"{colour}\" stroke-width=\"{width}\"/>");
        }
    }
    for (way, rgb) in layer.ways.get(&frame).into_iter().flatten() {
        let places: Vec<String> = way.iter().map(|(y, x)| format!("{:.1},{:.1}", x + 0.5, y + 0.5)).collect();
        for (colour, width) in [("#000".to_string(), 3), (css(*rgb), 2)] {
            let _ = write!(
                text,
                "<polyline points=\"{}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
                places.join(" ")
            );
        }
    }
    text
}

/// The player.
pub(super) fn html(animation: &Animation) -> Result<String> {
    use base64::Engine as _;
    let movie = &animation.movie;
    let (h, w) = (movie.height(), movie.width());
    let times = (animation.side_px as f64 / h.max(w).max(1) as f64).min(1.0);
    let (wide, high) = (((w as f64 * times) as usize).max(1), ((h as f64 * times) as usize).max(1));
    let all = animation.chosen(usize::MAX)?;
    let range = animation.range(&all)?;
    let one = |index: usize| -> Result<Shown> {
        let frame = movie.frame(index)?;
        let level = |v: &f32| animation.colours.rgb((v - range.0) / (range.1 - range.0));
        let rgb = frame.data.iter().map(level).flat_map(|(r, g, b)| [r, g, b]).collect();
        let pixels = Pixels { width: w, height: h, rgb }.resampled(wide, high);
        Ok(Shown {
            image: base64::engine::general_purpose::STANDARD.encode(svg::png_of(&pixels)?),
            caption: animation.caption(&frame),
            layers: animation.layers.iter().map(|l| drawn(l, frame.index)).collect(),
        })
    };
    let middle = one(all[all.len() / 2])?;
    let bytes = middle.image.len() + middle.layers.iter().map(String::len).sum::<usize>() + 100;
    let chosen = animation.chosen((animation.most_bytes / bytes).max(1))?;
    let frames = chosen.iter().map(|i| crate::progress::check().and_then(|()| one(*i))).collect::<Result<Vec<_>>>()?;
    let first = &frames[0];
    let mut page = String::new();
    let data = Data { every_ms: (1000.0 / animation.frames_per_s).round() as u64, frames: vec![] };
    let id = svg::prefix(frames.iter().flat_map(|f| [f.image.as_str(), &f.caption]).collect::<String>().as_bytes());
    let seen = (animation.side_px as f64 / h.max(w).max(1) as f64) * w as f64;
    let _ = write!(
        page,
        "<div data-atomotion=\"{id}\" role=\"group\" aria-label=\"{}\" style=\"width:{seen:.0}px;font:13px sans-serif\">\
         <div style=\"position:relative\"><img data-part=\"image\" style=\"width:100%;display:block;image-rendering:pixelated\" \
         alt=\"{}\" src=\"data:image/png;base64,{}\"><svg data-part=\"over\" viewBox=\"0 0 {w} {h}\" aria-hidden=\"true\" \
         fill=\"none\" style=\"position:absolute;left:0;top:0;width:100%;height:100%\"></svg></div>\
         <div style=\"display:flex;gap:8px;align-items:center\"><button type=\"button\" data-part=\"play\" disabled \
         aria-label=\"play\">▶</button><input type=\"range\" data-part=\"at\" min=\"0\" max=\"{}\" value=\"0\" disabled \
         aria-label=\"frame\" style=\"flex:1\"><span data-part=\"caption\">{}</span></div><div>",
        escape_html(&format!("{animation:?}")),
        escape_html(&first.caption),
        first.image,
        frames.len() - 1,
        escape_html(&first.caption)
    );
    for (i, layer) in animation.layers.iter().enumerate() {
        let name = escape_html(&layer.name);
        let _ = write!(
            page,
            "<label style=\"margin-right:10px\"><input type=\"checkbox\" data-layer=\"{i}\" checked disabled> {name}</label>"
        );
        for (rgb, words) in &layer.legend {
            let dot =
                format!("display:inline-block;width:8px;height:8px;border-radius:6px;border:2px solid {}", css(*rgb));
            let _ = write!(
                page,
                "<span style=\"margin-right:8px\"><span style=\"{dot}\"></span> {}</span>",
                escape_html(words)
            );
        }
    }
    page.push_str("</div>");
    if chosen.len() < movie.len() {
        let _ = write!(
            page,
            "<div>{} of {} frames, so that the page stays small: <code>with_most_bytes</code> and <code>with_most_frames</code> \
             allow more.</div>",
            chosen.len(),
            movie.len()
        );
    }
    let data =
        serde_json::to_string(&Data { frames, ..data }).map_err(|e| crate::error::Error::Figure(e.to_string()))?;
    // Inside of a script nothing may look like its end.
    let data = data.replace("</", "<\\/");
    let script = include_str!("player.js").replace("ID", &id);
    let _ = write!(page, "</div><script>(() => {{ const data = {data};\n{script}}})();</script>");
    Ok(page)
}
