//! A player of an animation as a piece of HTML: frames as PNG, what lies over them as SVG, a few lines of JavaScript. It needs
//! no server, so it works in exported pages, too; several on one page do not disturb each other; without JavaScript the first
//! frame is shown.

use super::animation::{Animation, Layer};
use super::canvas::Pixels;
use super::tiles::round_length;
use super::{Rgb, picture, svg};
use crate::error::{Error, Result};
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

/// Rings and lines as SVG, in pixels of the frame, each with a dark edge. `least` is the smallest radius.
fn drawn(layer: &Layer, frame: u32, least: f32) -> String {
    const EDGES: &str = "vector-effect=\"non-scaling-stroke\"";
    let mut text = String::new();
    for mark in layer.marks.get(&frame).into_iter().flatten() {
        let place =
            format!("cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\"", mark.x + 0.5, mark.y + 0.5, mark.radius.max(least));
        for (colour, width) in [("#000".to_string(), 3.5), (css(mark.colour), 1.8)] {
            let _ = write!(text, "<circle {place} {EDGES} stroke=\"{colour}\" stroke-width=\"{width}\"/>");
        }
    }
    for (way, rgb) in layer.ways.get(&frame).into_iter().flatten() {
        let places: Vec<String> = way.iter().map(|(y, x)| format!("{:.1},{:.1}", x + 0.5, y + 0.5)).collect();
        for (colour, width) in [("#000".to_string(), 3.5), (css(*rgb), 1.8)] {
            let _ = write!(
                text,
                "<polyline {EDGES} points=\"{}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
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
    let seen = animation.side_px as f64 / h.max(w).max(1) as f64 * w as f64;
    let least = (5.0 * w as f64 / seen) as f32;
    let one = |index: usize| -> Result<Shown> {
        let frame = movie.frame(index)?;
        let level = |v: &f32| animation.colours.rgb((v - range.0) / (range.1 - range.0));
        let rgb = frame.data.iter().map(level).flat_map(|(r, g, b)| [r, g, b]).collect();
        let pixels = Pixels { width: w, height: h, rgb }.resampled(wide, high);
        Ok(Shown {
            image: base64::engine::general_purpose::STANDARD.encode(picture::png(&pixels, None)),
            caption: animation.caption(&frame),
            layers: animation.layers.iter().map(|l| drawn(l, frame.index, least)).collect(),
        })
    };
    let middle = one(all[all.len() / 2])?;
    let bytes = middle.image.len() + middle.layers.iter().map(String::len).sum::<usize>() + 100;
    let chosen = animation.chosen((animation.most_bytes / bytes).max(1))?;
    let frames = chosen.iter().map(|i| crate::progress::check().and_then(|()| one(*i))).collect::<Result<Vec<_>>>()?;
    let id = svg::prefix(frames.iter().flat_map(|f| [f.image.as_str(), &f.caption]).collect::<String>().as_bytes());
    let mut page = format!(
        "<div data-atomotion=\"{id}\" role=\"group\" aria-label=\"{}\" style=\"width:{:.0}px;font:13px sans-serif\">",
        escape_html(&format!("{animation:?}")),
        seen.max(300.0)
    );
    page.push_str(&stage(animation, &frames[0], seen));
    page.push_str(&controls(animation, &frames));
    if chosen.len() < movie.len() {
        let _ = write!(
            page,
            "<div>{} of {} frames, so that the page stays small: <code>with_most_bytes</code> and <code>with_most_frames</code> \
             allow more.</div>",
            chosen.len(),
            movie.len()
        );
    }
    let data = Data { frames, every_ms: (1000.0 / animation.frames_per_s).round() as u64 };
    let data = serde_json::to_string(&data).map_err(|e| Error::Figure(e.to_string()))?;
    // Inside of a script nothing may look like its end.
    let data = data.replace("</", "<\\/");
    let script = include_str!("player.js").replace("ID", &id);
    let _ = write!(page, "</div><script>(() => {{ const data = {data};\n{script}}})();</script>");
    Ok(page)
}

/// The first frame, what lies over it, and the scale bar, `seen` CSS pixels wide.
fn stage(animation: &Animation, first: &Shown, seen: f64) -> String {
    let (h, w) = (animation.movie.height(), animation.movie.width());
    let calibration = animation.movie.calibration();
    let bar = if calibration.known {
        let px_per_nm = seen / (calibration.nm_per_px * w as f64);
        let (length, label) = round_length(seen / px_per_nm / 3.0);
        format!(
            "<div style=\"position:absolute;left:6px;bottom:6px;padding:2px 6px 5px;background:rgba(0,0,0,.65);color:#fff;\
             text-align:center;font-size:12px\">{label}<div style=\"width:{:.1}px;height:3px;background:#fff\"></div></div>",
            length * px_per_nm
        )
    } else {
        String::new()
    };
    format!(
        "<div style=\"position:relative;width:{seen:.0}px\"><img data-part=\"image\" \
         style=\"width:100%;display:block;image-rendering:pixelated\" alt=\"{}\" src=\"data:image/png;base64,{}\">\
         <svg data-part=\"over\" viewBox=\"0 0 {w} {h}\" aria-hidden=\"true\" fill=\"none\" \
         style=\"position:absolute;left:0;top:0;width:100%;height:100%\"></svg>{bar}</div>",
        escape_html(&first.caption),
        first.image
    )
}

/// Play, the slider, and a switch for each layer with its legend.
fn controls(animation: &Animation, frames: &[Shown]) -> String {
    let mut text = format!(
        "<div style=\"display:flex;gap:8px;align-items:center\"><button type=\"button\" data-part=\"play\" disabled \
         aria-label=\"play\">play</button><input type=\"range\" data-part=\"at\" min=\"0\" max=\"{}\" value=\"0\" disabled \
         aria-label=\"frame\" style=\"flex:1;min-width:0\"><span data-part=\"caption\" \
         style=\"white-space:nowrap;font-variant-numeric:tabular-nums\">{}</span></div>",
        frames.len() - 1,
        escape_html(&frames[0].caption)
    );
    for (i, layer) in animation.layers.iter().enumerate() {
        let _ = write!(
            text,
            "<div><label style=\"margin-right:10px\"><input type=\"checkbox\" data-layer=\"{i}\" checked disabled> {}</label>",
            escape_html(&layer.name)
        );
        for (rgb, words) in &layer.legend {
            let dot =
                format!("display:inline-block;width:8px;height:8px;border-radius:6px;border:2px solid {}", css(*rgb));
            let words = escape_html(words);
            let _ = write!(
                text,
                "<span style=\"margin-right:8px;display:inline-block\"><span style=\"{dot}\"></span> {words}</span>"
            );
        }
        text.push_str("</div>");
    }
    text
}
