//! What an ideal observer makes of counts: posteriors, the threshold of largest expected F1, the rates at it.

/// Counts of one site as the observer judges them.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    /// Posterior probability of every species, the host first.
    posterior: Vec<f64>,
    /// How much more probable the prior makes the counts than their drawing, which drew every species equally often.
    weight: f64,
}

impl Draw {
    pub(super) fn new(log_likelihood: &[f64], prior: &[f64]) -> Draw {
        let highest = log_likelihood.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let likelihood: Vec<f64> = log_likelihood.iter().map(|l| libm::exp(l - highest)).collect();
        let joint: Vec<f64> = likelihood.iter().zip(prior).map(|(l, p)| l * p).collect();
        let evidence: f64 = joint.iter().sum();
        let drawn = likelihood.iter().sum::<f64>() / prior.len() as f64;
        Draw { posterior: joint.iter().map(|j| j / evidence).collect(), weight: evidence / drawn }
    }
}

/// The threshold on the posterior of a species that makes F1 largest, with expected numbers of hits, calls and species.
pub(super) fn best_threshold(frames: &[&[Draw]], species: usize, prevalence: f64) -> f64 {
    let mut draws: Vec<&Draw> = frames.iter().copied().flatten().collect();
    draws.sort_by(|a, b| b.posterior[species].total_cmp(&a.posterior[species]));
    let all = draws.len() as f64;
    let (mut hits, mut called, mut best) = (0.0, 0.0, (0.0, 1.0));
    for (i, draw) in draws.iter().enumerate() {
        hits += draw.weight * draw.posterior[species] / all;
        called += draw.weight / all;
        let f1 = 2.0 * hits / (called + prevalence);
        if f1 > best.0 {
            let next = draws.get(i + 1).map_or(0.0, |next| next.posterior[species]);
            best = (f1, 0.5 * (draw.posterior[species] + next));
        }
    }
    best.1
}

/// Expected rates at a threshold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub(super) f1: f64,
    /// Standard error of `f1`, from the differences between frames.
    pub(super) error: f64,
    pub(super) precision: f64,
    pub(super) recall: f64,
}

impl Rates {
    pub(super) fn new(frames: &[&[Draw]], species: usize, prevalence: f64, threshold: f64) -> Rates {
        let of_frame = |draws: &&[Draw]| {
            let over = draws.iter().filter(|d| d.posterior[species] >= threshold);
            let sums = over.fold((0.0, 0.0), |s, d| (s.0 + d.weight * d.posterior[species], s.1 + d.weight));
            (sums.0 / draws.len() as f64, sums.1 / draws.len() as f64)
        };
        let each: Vec<(f64, f64)> = frames.iter().map(of_frame).collect();
        let n = each.len() as f64;
        let (hits, called) = each.iter().fold((0.0, 0.0), |s, e| (s.0 + e.0 / n, s.1 + e.1 / n));
        let f1 = 2.0 * hits / (called + prevalence);
        // F1 is a ratio of means: its error is that of the mean of its linear part.
        let spread: f64 = each.iter().map(|(h, c)| 2.0 * (h - hits) - f1 * (c - called)).map(|part| part * part).sum();
        let error = libm::sqrt(spread / (n * (n - 1.0))) / (called + prevalence);
        let precision = if called > 0.0 { hits / called } else { 0.0 };
        Rates { f1, error, precision, recall: (hits / prevalence).min(1.0) }
    }
}
