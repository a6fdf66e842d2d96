//! How numbers become colours.

use super::theme::Rgb;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Colours for numbers from low to high. The first four get evenly lighter (viridis, magma: S. van der Walt and
/// N. Smith, 2015, CC0; cividis: Nuñez, Anderton and Renslow, PLoS ONE 13, e0199239, 2018), so that a difference looks as
/// large as it is, in print without colours and to colour-blind readers.
///
/// ```
/// use atomotion::figure::ColourMap;
/// assert_eq!(ColourMap::Viridis.rgb(0.0), (68, 1, 84));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColourMap {
    /// Black to white.
    Grey,
    /// Dark blue over green to yellow.
    Viridis,
    /// Black over purple to light yellow.
    Magma,
    /// Dark blue over grey to yellow: alike for readers with and without red-green blindness.
    Cividis,
    /// Blue below, white in the middle, red above; grey where there is no number. ColorBrewer's RdBu turned round (Harrower
    /// and Brewer, The Cartographic Journal 40, 27, 2003).
    Diverging,
}

const DIVERGING: [Rgb; 9] = [
    (33, 102, 172),
    (67, 147, 195),
    (146, 197, 222),
    (209, 229, 240),
    (247, 247, 247),
    (253, 219, 199),
    (244, 165, 130),
    (214, 96, 77),
    (178, 24, 43),
];

/// 256 colours as hexadecimal numbers.
fn table(text: &str) -> Vec<Rgb> {
    let part = |hex: &str, i: usize| hex.get(i..i + 2).and_then(|p| u8::from_str_radix(p, 16).ok()).unwrap_or(0);
    text.split_whitespace().map(|hex| (part(hex, 0), part(hex, 2), part(hex, 4))).collect()
}

impl ColourMap {
    /// Red, green and blue of a level from 0 to 1; what lies outside has the colour of the nearer end.
    #[must_use]
    pub fn rgb(self, level: f32) -> (u8, u8, u8) {
        static TABLES: OnceLock<[Vec<Rgb>; 3]> = OnceLock::new();
        let [viridis, magma, cividis] = TABLES.get_or_init(|| {
            let viridis = include_str!("colours/viridis.txt");
            [viridis, include_str!("colours/magma.txt"), include_str!("colours/cividis.txt")].map(table)
        });
        let inside = if level.is_nan() { 0.0 } else { level.clamp(0.0, 1.0) };
        let of = |table: &[Rgb]| table[((inside * 256.0) as usize).min(255)];
        match self {
            ColourMap::Grey => {
                let v = (255.0 * inside).round() as u8;
                (v, v, v)
            }
            ColourMap::Viridis => of(viridis),
            ColourMap::Magma => of(magma),
            ColourMap::Cividis => of(cividis),
            ColourMap::Diverging if level.is_nan() => (150, 150, 150),
            ColourMap::Diverging => {
                let at = inside * (DIVERGING.len() - 1) as f32;
                let before = (at as usize).min(DIVERGING.len() - 2);
                let mix = |a: u8, b: u8| (f32::from(a) + (at - before as f32) * (f32::from(b) - f32::from(a))) as u8;
                let (a, b) = (DIVERGING[before], DIVERGING[before + 1]);
                (mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dynamics::LINES;
    use super::super::theme::{BRIGHT, CLASS_COLOURS, DARK, DEFECT};
    use super::*;

    /// Values of matplotlib 3.10's tables.
    #[test]
    fn maps_are_the_published_ones() {
        let ends = |m: ColourMap| [m.rgb(0.0), m.rgb(0.5), m.rgb(1.0)];
        assert_eq!(ends(ColourMap::Viridis), [(68, 1, 84), (33, 145, 140), (253, 231, 37)]);
        assert_eq!(ends(ColourMap::Magma), [(0, 0, 4), (183, 55, 121), (252, 253, 191)]);
        assert_eq!(ends(ColourMap::Cividis), [(0, 34, 78), (125, 124, 120), (254, 232, 56)]);
    }

    fn linear(v: f64) -> f64 {
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    }

    /// What a reader who lacks a kind of cone sees (Machado, Oliveira and Fernandes, IEEE TVCG 15, 1291, 2009, severity 1), in
    /// CIE Lab.
    fn lab((r, g, b): Rgb, eyes: &[[f64; 3]; 3]) -> [f64; 3] {
        let rgb = [r, g, b].map(|v| linear(f64::from(v) / 255.0));
        let dot = |row: &[f64; 3], v: &[f64; 3]| (0..3).map(|k| row[k] * v[k]).sum::<f64>();
        let seen: [f64; 3] = std::array::from_fn(|k| dot(&eyes[k], &rgb).clamp(0.0, 1.0));
        let white = [0.95047, 1.0, 1.08883];
        const XYZ: [[f64; 3]; 3] = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]];
        let f = |t: f64| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let [x, y, z]: [f64; 3] = std::array::from_fn(|k| f(dot(&XYZ[k], &seen) / white[k]));
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    const EYES: [[[f64; 3]; 3]; 3] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ];

    fn nearest(colours: &[Rgb]) -> f64 {
        let mut least = f64::MAX;
        for eyes in &EYES {
            for (i, a) in colours.iter().enumerate() {
                for b in &colours[..i] {
                    let (a, b) = (lab(*a, eyes), lab(*b, eyes));
                    least = least.min((0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt());
                }
            }
        }
        least
    }

    /// Colours used together are told apart without red or green cones. A difference of 2.3 is just seen beside each other
    /// (Sharma and Bala 2003); marks stand apart, so five times that is asked for.
    #[test]
    fn palettes_are_for_all_readers() {
        for (name, colours) in [("classes", &CLASS_COLOURS[..]), ("lines", &LINES), ("marks", &[BRIGHT, DARK, DEFECT])]
        {
            let least = nearest(colours);
            assert!(least > 11.5, "{name}: the nearest two differ by {least:.1} in Lab");
        }
        assert!(nearest(&[(0, 150, 0), (190, 90, 0)]) < 15.0, "the simulation confuses a red and a green");
    }

    /// Lightness rises from end to end.
    #[test]
    fn maps_get_lighter() {
        for map in [ColourMap::Grey, ColourMap::Viridis, ColourMap::Magma, ColourMap::Cividis] {
            let light: Vec<f64> = (0..=64).map(|i| lab(map.rgb(i as f32 / 64.0), &EYES[0])[0]).collect();
            assert!(light.windows(2).all(|w| w[1] > w[0] - 0.3), "{map:?} {light:?}");
            let even = (light[64] - light[0]) / 64.0;
            let worst = light.windows(2).map(|w| (w[1] - w[0] - even).abs()).fold(0.0, f64::max);
            assert!(worst < 1.2, "{map:?}: a step differs by {worst:.2} from the mean step {even:.2}");
        }
    }
}
