//! Progress as HTML: a bar and, for training, the loss curve as it grows. Colours are those of the page around, so that
//! both are readable on light and dark themes.

use super::words::State;
use crate::show::escape_html;
use std::fmt::Write as _;

/// Blue that stands out on white and on black, to colour-blind readers too (between Okabe and Ito's two blues).
const BLUE: &str = "#2b8cc4";
/// Points drawn at most: more cannot be told apart on a curve this wide.
const POINTS: usize = 160;
/// Size of the curve in CSS pixels.
const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 130.0;

pub(super) fn html(state: &State, curve: &Curve) -> String {
    let what = escape_html(state.what);
    let percent = 100.0 * state.fraction();
    let mut page = String::from(
        "<div style=\"font:13px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);font-variant-numeric:tabular-nums;\
         max-width:44em\">",
    );
    if state.ended {
        let mark = if state.finished() { "✓" } else { "■" };
        let _ = write!(page, "<div>{mark} <b>{what}</b> {}</div>", escape_html(&state.details()));
    } else {
        let _ = write!(
            page,
            "<div role=\"progressbar\" aria-label=\"{what}\" aria-valuenow=\"{percent:.0}\" \
             style=\"display:flex;gap:.7em;align-items:center\"><b>{what}</b>\
             <div style=\"flex:1;height:8px;border-radius:4px;overflow:hidden;background:rgba(128,128,128,.3)\">\
             <div style=\"width:{percent:.1}%;height:100%;background:{BLUE}\"></div></div>\
             <span style=\"min-width:3em;text-align:right\">{percent:.0} %</span></div>\
             <div style=\"opacity:.8\">{}</div>",
            escape_html(&state.details())
        );
    }
    page.push_str(&curve.svg(state.total));
    page.push_str("</div>");
    page
}

/// The losses so far.
#[derive(Default)]
pub(super) struct Curve(Vec<f32>);

impl Curve {
    /// Takes what has been added to a list that only grows.
    pub(super) fn take(&mut self, all: &[f32]) {
        let known = self.0.len().min(all.len());
        self.0.extend_from_slice(&all[known..]);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Means over equal stretches of steps, as (step, loss): as many as can be told apart.
    fn points(&self) -> Vec<(f64, f64)> {
        let stretch = self.0.len().div_ceil(POINTS).max(1);
        let mean = |losses: &[f32]| losses.iter().map(|&l| f64::from(l)).sum::<f64>() / losses.len() as f64;
        let middle = |i: usize, losses: &[f32]| (i * stretch) as f64 + 0.5 * (losses.len() as f64 - 1.0);
        let all = self.0.chunks(stretch).enumerate().map(|(i, losses)| (middle(i, losses), mean(losses)));
        all.filter(|p| p.1.is_finite() && p.1 > 0.0).collect()
    }

    /// The curve over all steps that are to come, on a logarithmic axis; nothing while there are too few points.
    pub(super) fn svg(&self, total: usize) -> String {
        let points = self.points();
        if points.len() < 2 {
            return String::new();
        }
        let (left, right, top, bottom) = (52.0, WIDTH - 20.0, 8.0, HEIGHT - 34.0);
        let (low, high) = points.iter().fold((f64::MAX, f64::MIN), |(lo, hi), p| (lo.min(p.1), hi.max(p.1)));
        // Far enough apart for two labels: of 1, 2, 5, 10 there are two in every factor of 5.
        let apart = (5.0 / (high / low)).sqrt().max(1.25);
        let (low, high) = (low / apart, high * apart);
        let x = |step: f64| left + (right - left) * step / total.max(1) as f64;
        let y = |loss: f64| bottom - (bottom - top) * (loss / low).ln() / (high / low).ln();
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"loss \
             curve\" style=\"display:block;max-width:100%;margin-top:4px\" font-family=\"inherit\" font-size=\"11\" \
             fill=\"currentColor\">"
        );
        for loss in ticks_log(low, high) {
            let y = y(loss);
            let _ = write!(
                svg,
                "<line x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"currentColor\" \
                 stroke-opacity=\".18\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{loss}</text>",
                left - 6.0,
                y + 4.0
            );
        }
        for step in ticks_whole(total) {
            let x = x(step as f64);
            let _ = write!(
                svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom}\" y2=\"{}\" stroke=\"currentColor\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{step}</text>",
                bottom + 4.0,
                bottom + 16.0
            );
        }
        let line: Vec<String> = points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
        let (middle_x, middle_y) = ((left + right) / 2.0, (top + bottom) / 2.0);
        let _ = write!(
            svg,
            "<path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"currentColor\"/>\
             <polyline points=\"{}\" fill=\"none\" stroke=\"{BLUE}\" stroke-width=\"1.8\" stroke-linejoin=\"round\"/>\
             <text x=\"{middle_x}\" y=\"{}\" text-anchor=\"middle\">step</text>\
             <text transform=\"translate(11 {middle_y}) rotate(-90)\" text-anchor=\"middle\">loss</text></svg>",
            line.join(" "),
            HEIGHT - 4.0
        );
        svg
    }
}

/// 1, 2 and 5 of every decade between; the decades alone where there would be many.
fn ticks_log(low: f64, high: f64) -> Vec<f64> {
    let steps: &[i32] = if high / low > 100.0 { &[1] } else { &[1, 2, 5] };
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    // Divided, not multiplied: 2 / 1000 is 0.002, and 2 x 0.001 is not always.
    let value = |s: i32, p: i32| {
        if p < 0 { f64::from(s) / 10_f64.powi(-p) } else { f64::from(s) * 10_f64.powi(p) }
    };
    let all = powers.flat_map(|p| steps.iter().map(move |&s| value(s, p)));
    all.filter(|t| (low..=high).contains(t)).collect()
}

/// Three to six whole numbers from 0 to `total`, a round distance apart.
fn ticks_whole(total: usize) -> Vec<usize> {
    let mut step = 1;
    for factor in [2, 5, 10].iter().cycle() {
        if total / step <= 5 {
            break;
        }
        step = 10_usize.pow(step.ilog10()) * factor;
    }
    (0..=total).step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn curve(n: usize) -> Curve {
        Curve((0..n).map(|i| 0.08 * (-(i as f32) / 90.0).exp() + 0.002).collect())
    }

    fn state(done: usize, ended: bool) -> State<'static> {
        let elapsed = Duration::from_secs(10);
        State { what: "training", unit: "steps", done, total: 400, before: 0, elapsed, note: "", ended }
    }

    #[test]
    fn the_bar_is_as_wide_as_the_work_is_far() {
        let page = html(&state(100, false), &Curve::default());
        assert!(page.contains("width:25.0%") && page.contains("aria-valuenow=\"25\""), "{page}");
        assert!(!page.contains("<svg"));
        let page = html(&state(400, true), &Curve::default());
        assert!(!page.contains("progressbar") && page.contains("400 steps in 10 s"), "{page}");
    }

    #[test]
    fn the_curve_has_named_axes_and_few_points() {
        let svg = curve(5000).svg(5000);
        assert!(svg.contains(">step<") && svg.contains(">loss<") && svg.contains(">0.01<") && svg.contains(">2000<"));
        let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!((100..=POINTS).contains(&points.split(' ').count()));
        assert!(svg.len() < 8000);
        assert!(Curve(vec![0.1]).svg(400).is_empty());
        let early = Curve(vec![0.031, 0.030]).svg(400);
        assert!(early.contains(">0.02<") && early.contains(">0.05<"), "{early}");
    }

    #[test]
    fn a_curve_takes_only_what_is_new() {
        let mut growing = Curve::default();
        growing.take(&[3.0, 2.0]);
        growing.take(&[3.0, 2.0, 1.0]);
        assert_eq!(growing.0, [3.0, 2.0, 1.0]);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks_whole(400), [0, 100, 200, 300, 400]);
        assert_eq!(ticks_whole(3), [0, 1, 2, 3]);
        assert_eq!(ticks_log(0.0015, 0.06), [0.002, 0.005, 0.01, 0.02, 0.05]);
    }
}
