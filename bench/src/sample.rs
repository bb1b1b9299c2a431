//! Samples: several measures of the same thing.
//!
//! Owns what is made of them. Promises: wall time is judged by the best (a busy moment of the machine only ever adds),
//! processor time by the median, a latency by the median of the best repetition.

use std::time::Duration;

/// Measures of one thing, in one unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// A duration, in seconds.
    pub(crate) fn time(&mut self, value: Duration) {
        self.push(value.as_secs_f64());
    }

    /// The smallest; not a number of nothing.
    pub(crate) fn least(&self) -> f64 {
        self.0.iter().copied().reduce(f64::min).unwrap_or(f64::NAN)
    }

    /// The greatest; not a number of nothing.
    pub(crate) fn most(&self) -> f64 {
        self.0.iter().copied().reduce(f64::max).unwrap_or(f64::NAN)
    }

    /// The mean; not a number of nothing.
    pub(crate) fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// The one in the middle; not a number of nothing.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The one that so many of a hundred do not exceed; not a number of nothing.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(place).copied().unwrap_or(f64::NAN)
    }

    /// The medians of so many stretches of it, each as long as the others.
    pub(crate) fn medians(&self, stretches: usize) -> Sample {
        let length = self.0.len().div_ceil(stretches.max(1)).max(1);
        Sample(self.0.chunks(length).map(|stretch| Sample(stretch.to_vec()).median()).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_the_worst_and_the_middle_of_some() {
        let mut sample = Sample::default();
        for value in [3.0, 1.0, 2.0, 6.0, 1.5] {
            sample.push(value);
        }
        assert_eq!((sample.least(), sample.median(), sample.most(), sample.mean()), (1.0, 2.0, 6.0, 2.7));
        assert_eq!((sample.percentile(0), sample.percentile(50), sample.percentile(99)), (1.0, 2.0, 6.0));
        assert!(Sample::default().median().is_nan() && Sample::default().percentile(99).is_nan());
        assert_eq!(sample.medians(2).0, [2.0, 6.0]);
    }
}
