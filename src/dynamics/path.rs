//! One track's way through the movie.

/// A track's rows of the table, with frames, times and places, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Path {
    pub track: u32,
    pub rows: Vec<usize>,
    pub frames: Vec<u32>,
    pub times_s: Vec<f64>,
    pub at_nm: Vec<[f64; 2]>,
}

impl Path {
    pub(crate) fn first(&self) -> u32 {
        self.frames.first().copied().unwrap_or(0)
    }

    pub(crate) fn last(&self) -> u32 {
        self.frames.last().copied().unwrap_or(0)
    }

    /// Length along the way.
    pub(crate) fn length(&self) -> f64 {
        self.at_nm.windows(2).map(|w| far(w[0], w[1])).sum()
    }

    /// Distance from its first to its last place.
    pub(crate) fn reach(&self) -> f64 {
        self.at_nm.first().zip(self.at_nm.last()).map_or(0.0, |(a, b)| far(*a, *b))
    }

    /// Steps from each place to the next: how long they took, and where they led.
    pub(super) fn steps(&self) -> impl Iterator<Item = (f64, [f64; 2])> + '_ {
        let spans = self.times_s.windows(2).map(|w| w[1] - w[0]);
        spans.zip(self.at_nm.windows(2).map(|w| [w[1][0] - w[0][0], w[1][1] - w[0][1]]))
    }

    #[cfg(test)]
    pub(super) fn regular(at_nm: Vec<[f64; 2]>, s_per_frame: f64) -> Path {
        let frames: Vec<u32> = (0..at_nm.len() as u32).collect();
        let times_s = frames.iter().map(|&f| f64::from(f) * s_per_frame).collect();
        Path { track: 0, rows: (0..at_nm.len()).collect(), frames, times_s, at_nm }
    }
}

fn far(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}
