//! Rates between states, and what they give in an interval.

use super::chain::Chain;
use super::exponential::probabilities;
use crate::error::{Error, Result, check};
use ndarray::Array2;

/// Rates per second between the states: rows sum to 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Generator {
    /// Names of the states.
    pub names: Vec<String>,
    /// The thermal part.
    pub thermal: Array2<f64>,
    /// The beam-driven part.
    pub beam: Array2<f64>,
}

impl Generator {
    /// Both parts together.
    #[must_use]
    pub fn rates(&self) -> Array2<f64> {
        &self.thermal + &self.beam
    }

    /// Per second from one state to another.
    ///
    /// # Errors
    /// If a name is none of a state.
    pub fn rate(&self, from: &str, to: &str) -> Result<f64> {
        let of = |name: &str| {
            self.names
                .iter()
                .position(|n| n == name)
                .ok_or_else(|| Error::data(format!("no state {name:?}; there are {}", self.names.join(", "))))
        };
        let at = [of(from)?, of(to)?];
        Ok(self.thermal[at] + self.beam[at])
    }

    /// Probabilities after `interval_s`, by the matrix exponential.
    ///
    /// # Errors
    /// If the interval is not positive, or the rates are too large for it.
    pub fn chain(&self, interval_s: f64) -> Result<Chain> {
        check("interval_s", interval_s, interval_s > 0.0 && interval_s.is_finite(), "a positive number of seconds")?;
        Chain::new(self.names.clone(), probabilities(self.rates().view(), interval_s)?, interval_s)
    }
}
