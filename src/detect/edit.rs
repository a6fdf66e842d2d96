//! Labels corrected by hand, and scored.

use super::labels::{LabelSource, Labels, Region, Sign};
use super::periodicity::disc_pixels;
use super::score::{Score, score};
use crate::error::{Error, Result, check};

impl Labels {
    /// The same labels with one more, which stays whatever the threshold. Labels that were found within its disc give way
    /// to it, and one that was erased there may come back this way.
    ///
    /// # Errors
    /// If the place is not in the frame.
    pub fn with_defect(&self, y_px: f64, x_px: f64, sign: Sign) -> Result<Self> {
        let mut labels = self.clone();
        let region = labels.told_region(y_px, x_px, Some(sign), LabelSource::ByHand)?;
        let reach = self.radius_px * self.bin as f32;
        labels.told.retain(|t| t.distance(region.y_px, region.x_px) > reach);
        labels.told.push(region);
        labels.gather();
        Ok(labels)
    }

    /// The same labels without the one nearest to a place, which stays away whatever the threshold.
    ///
    /// # Errors
    /// If no label is within half a period; the error says where the nearest is.
    pub fn without(&self, y_px: f64, x_px: f64) -> Result<Self> {
        let (h, w) = self.frame.data.dim();
        check_inside("y_px", y_px, h)?;
        check_inside("x_px", x_px, w)?;
        let reach = 0.5 * self.lattice.period_px;
        let away = |r: &Region| r.distance(y_px as f32, x_px as f32);
        let nearest = self.regions.iter().min_by(|a, b| away(a).total_cmp(&away(b)));
        let Some(nearest) = nearest else {
            return Err(Error::data("there is no label to take away: this frame has none"));
        };
        if f64::from(away(nearest)) > reach {
            return Err(Error::data(format!(
                "no label is within {reach:.1} px (half a period) of y = {y_px}, x = {x_px}: the nearest is {:.1} px away, \
                 at y = {:.1}, x = {:.1}",
                away(nearest),
                nearest.y_px,
                nearest.x_px
            )));
        }
        let mut labels = self.clone();
        if nearest.source == LabelSource::Found {
            labels.erased.push(*nearest);
        } else {
            labels.told.retain(|t| t != nearest);
            // What was told from elsewhere was not added by hand, so that taking it away is a step to remember.
            labels.erased.extend((nearest.source != LabelSource::ByHand).then_some(*nearest));
        }
        labels.gather();
        Ok(labels)
    }

    /// The labels that were added by hand.
    #[must_use]
    pub fn added(&self) -> Vec<Region> {
        self.told.iter().filter(|t| t.source == LabelSource::ByHand).copied().collect()
    }

    /// The labels that were erased by hand.
    #[must_use]
    pub fn erased(&self) -> &[Region] {
        &self.erased
    }

    /// How good the labels are against the truth, given as `(y, x)` in pixels of the frame: a network that learns from
    /// labels stops at what they never show.
    ///
    /// ```
    /// use atomotion::prelude::*;
    /// let frame = Ws2::default().with_size_px(128).simulate(3)?.movie.frame(0)?;
    /// let labels = PeriodicityBreak::default().label(&frame)?;
    /// let first = labels.regions[0];
    /// let s = labels.score_against(&[(first.y_px, first.x_px)], 3.0)?;
    /// assert_eq!((s.hits, s.misses), (1, 0));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If `within_px` is not a positive number.
    pub fn score_against(&self, truth: &[(f32, f32)], within_px: f32) -> Result<Score> {
        let places: Vec<(f32, f32)> = self.regions.iter().map(|r| (r.y_px, r.x_px)).collect();
        score(&places, truth, within_px)
    }

    /// A label at a place that was told. Without a sign it takes that of the strongest score in its disc.
    pub(super) fn told_region(&self, y_px: f64, x_px: f64, sign: Option<Sign>, source: LabelSource) -> Result<Region> {
        let (h, w) = self.frame.data.dim();
        check_inside("y_px", y_px, h)?;
        check_inside("x_px", x_px, w)?;
        let mut region =
            Region { y_px: y_px as f32, x_px: x_px as f32, score: 0.0, sign: sign.unwrap_or(Sign::Dark), source };
        let (darkest, brightest) = disc_pixels(self.score.dim(), self.binned(&region), self.radius_px)
            .fold((0.0_f32, 0.0_f32), |(low, high), at| (low.min(self.score[at]), high.max(self.score[at])));
        region.sign = sign.unwrap_or(if brightest > -darkest { Sign::Bright } else { Sign::Dark });
        region.score = if region.sign == Sign::Bright { brightest } else { darkest };
        Ok(region)
    }
}

/// Whether a coordinate lies on one of `n` pixels.
fn check_inside(name: &'static str, value: f64, n: usize) -> Result<()> {
    let last = n as f64 - 0.5;
    check(name, value, (-0.5..=last).contains(&value), format!("a place in the frame, from 0 to {} px", n - 1))
}
