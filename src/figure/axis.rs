//! Axes: what is where along them, and which numbers stand beside them.

/// x and y.
pub(super) type Place = (f64, f64);

/// How an axis is divided.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    Linear,
    Logarithmic,
}

/// One axis.
pub(crate) struct Axis {
    pub label: String,
    pub scale: Scale,
    /// Ends; by default those of what is drawn.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    pub(crate) fn linear(label: impl Into<String>) -> Axis {
        Axis { label: label.into(), scale: Scale::Linear, range: None }
    }

    pub(crate) fn logarithmic(label: impl Into<String>) -> Axis {
        Axis { label: label.into(), scale: Scale::Logarithmic, range: None }
    }

    pub(crate) fn from(self, low: f64, high: f64) -> Axis {
        Axis { range: Some((low, high)), ..self }
    }

    pub(super) fn to(&self, v: f64) -> f64 {
        if self.scale == Scale::Logarithmic { v.max(1e-300).log10() } else { v }
    }
}

/// Where the axes' units are, in CSS pixels.
pub(super) struct Inside {
    pub x: Place,
    pub y: Place,
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub down: bool,
}

impl Inside {
    pub(super) fn at(&self, x: f64, y: f64) -> Place {
        let (u, v) = ((x - self.x.0) / (self.x.1 - self.x.0), (y - self.y.0) / (self.y.1 - self.y.0));
        let v = if self.down { v } else { 1.0 - v };
        (self.left + u * self.width, self.top + v * self.height)
    }
}

pub(super) fn extent(axis: &Axis, values: &[f64]) -> Place {
    if let Some((low, high)) = axis.range {
        return (axis.to(low), axis.to(high));
    }
    let usable = values.iter().filter(|v| v.is_finite() && (axis.scale == Scale::Linear || **v > 0.0));
    let (low, high) = usable.fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(axis.to(v)), h.max(axis.to(v))));
    if low > high {
        return (0.0, 1.0);
    }
    let pad = if high > low { 0.04 * (high - low) } else { 0.5 };
    // What begins at 0 is drawn from there.
    (if low == 0.0 && axis.scale == Scale::Linear { 0.0 } else { low - pad }, high + pad)
}

/// Round numbers along an axis, about `most` of them or fewer; along a logarithmic one 1, 2 and 5 of each decade, or decades
/// where these are many.
pub(super) fn ticks(axis: &Axis, low: f64, high: f64, most: f64) -> Vec<f64> {
    if axis.scale == Scale::Logarithmic {
        let steps: &[f64] = if high - low > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = low.floor() as i32..=high.ceil() as i32;
        let all = powers.flat_map(|p| steps.iter().map(move |s| f64::from(p) + s.log10()));
        return all.filter(|t| (low..=high).contains(t)).collect();
    }
    let rough = (high - low) / most.clamp(2.0, 6.0);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|s| s * power).find(|s| *s >= rough).unwrap_or(rough);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Without the digits that arithmetic adds.
pub(super) fn round(v: f64) -> f64 {
    if v == 0.0 {
        return 0.0;
    }
    let power = 10_f64.powi(3 - v.abs().log10().floor() as i32);
    (v * power).round() / power
}
