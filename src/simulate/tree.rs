//! Picks one of many by its weight, in as many steps as the number has binary digits.

/// Weights, and above them the sums of two and two.
pub(super) struct SumTree {
    leaves: usize,
    sums: Vec<f64>,
}

impl SumTree {
    pub(super) fn new(count: usize) -> SumTree {
        let leaves = count.max(1).next_power_of_two();
        SumTree { leaves, sums: vec![0.0; 2 * leaves] }
    }

    pub(super) fn total(&self) -> f64 {
        self.sums[1]
    }

    /// Sums are added up anew from below, so that no rounding gathers.
    pub(super) fn set(&mut self, item: usize, weight: f64) {
        let mut at = self.leaves + item;
        self.sums[at] = weight;
        while at > 1 {
            at /= 2;
            self.sums[at] = self.sums[2 * at] + self.sums[2 * at + 1];
        }
    }

    /// The item in which `place` lies, from 0 to the total, and how far into its weight.
    pub(super) fn find(&self, mut place: f64) -> (usize, f64) {
        let mut at = 1;
        while at < self.leaves {
            at *= 2;
            // The right side is taken only if there is something in it: rounding may put `place` beyond the last weight.
            if place >= self.sums[at] && self.sums[at + 1] > 0.0 {
                place -= self.sums[at];
                at += 1;
            }
        }
        (at - self.leaves, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whole weights, so that sums are exact: the same as walking along.
        #[test]
        fn finds_what_walking_along_finds(weights in prop::collection::vec(0_u32..5, 1..40), part in 0.0..1.0_f64) {
            let mut tree = SumTree::new(weights.len());
            for (i, &w) in weights.iter().enumerate() {
                tree.set(i, 7.0);
                tree.set(i, f64::from(w));
            }
            let total: u32 = weights.iter().sum();
            prop_assert_eq!(tree.total(), f64::from(total));
            prop_assume!(total > 0);
            let place = part * f64::from(total);
            let mut left = place;
            let slow = weights.iter().position(|&w| {
                let here = left < f64::from(w);
                left -= if here { 0.0 } else { f64::from(w) };
                here
            });
            let (item, rest) = tree.find(place);
            prop_assert_eq!(Some(item), slow);
            prop_assert_eq!(rest, left);
        }
    }
}
