//! Takes samples of all sides in turn, round after round, and takes more where a floor is not decided. What a floor
//! is stands elsewhere.

use std::time::{Duration, Instant};

use crate::bench::Failure;
use crate::contestant::{Contestant, Count, Sample};
use crate::floors::{Needs, Verdict};
use crate::pairs::{Pairs, median};

/// The most messages of a sample.
const MOST: u64 = 200_000;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds, each of which has one sample of each side.
    pub rounds: usize,
    /// How long a sample shall take.
    pub sample: Duration,
    /// How often as many rounds are added while a floor is not decided.
    pub more: usize,
    /// When no more are added, however it stands.
    pub until: Option<Instant>,
}

impl Effort {
    /// Enough to tell whether the floors hold, within a minute.
    #[must_use]
    pub fn quick(begun: Instant) -> Self {
        let until = Some(begun + Duration::from_secs(45));
        Self { rounds: 15, sample: Duration::from_millis(30), more: 3, until }
    }

    /// Enough for a table.
    #[must_use]
    pub fn full() -> Self {
        Self { rounds: 31, sample: Duration::from_millis(100), more: 3, until: None }
    }

    /// Enough for a point of a curve.
    #[must_use]
    pub fn of_a_point(is_quick: bool) -> Self {
        let (rounds, sample) =
            if is_quick { (7, Duration::from_millis(20)) } else { (15, Duration::from_millis(50)) };
        Self { rounds, sample, more: 0, until: None }
    }
}

/// The samples of each round; of sides that are settled already there are none in later rounds.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<Vec<Option<Sample>>>);

impl Rounds {
    /// Adds a round: what each side gave, ours first.
    pub fn push(&mut self, samples: Vec<Option<Sample>>) {
        self.0.push(samples);
    }

    /// Ours beside the peer at `side`.
    #[must_use]
    pub fn pairs(&self, side: usize) -> Pairs {
        let mut pairs = Pairs::default();
        for round in &self.0 {
            if let (Some(Some(ours)), Some(Some(peer))) = (round.first(), round.get(side)) {
                pairs.push(ours.value, peer.value);
            }
        }
        pairs
    }

    /// The median over the samples of the side at `side`; `None` if it has none of the kind.
    pub fn median(&self, side: usize, value: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.samples(side).filter_map(value).collect();
        (!values.is_empty()).then(|| median(&values))
    }

    /// The largest value of the side at `side`: what a machine can do while it does nothing else.
    #[must_use]
    pub fn best(&self, side: usize) -> f64 {
        self.samples(side).map(|sample| sample.value).fold(f64::NAN, f64::max)
    }

    fn samples(&self, side: usize) -> impl Iterator<Item = &Sample> {
        self.0.iter().filter_map(move |round| round.get(side)?.as_ref())
    }
}

/// Warms up, and takes all samples. `needs` gives the floor beside a peer.
///
/// # Errors
/// If a message was lost or changed, or something does not work.
pub async fn measure(
    contestants: &mut [Contestant],
    effort: Effort,
    needs: impl Fn(&str) -> Option<Needs>,
) -> Result<Rounds, Failure> {
    let mut counts = Vec::new();
    for contestant in contestants.iter_mut() {
        counts.push(warm_up(contestant, effort.sample).await?);
    }
    let mut rounds = Rounds::default();
    let mut taking_part = vec![true; contestants.len()];
    for _ in 0..=effort.more {
        for _ in 0..effort.rounds {
            let samples = round(contestants, &counts, &taking_part, rounds.0.len()).await?;
            rounds.push(samples);
        }
        for side in 1..contestants.len() {
            let verdict = needs(contestants[side].name).map(|needs| needs.judge(&rounds.pairs(side).ratio()));
            taking_part[side] = verdict == Some(Verdict::Unsure);
        }
        let is_late = effort.until.is_some_and(|until| Instant::now() >= until);
        if is_late || !taking_part[1..].contains(&true) {
            break;
        }
    }
    Ok(rounds)
}

/// One sample of each side; every second time in the opposite order, so that whoever comes later has neither gain nor harm.
async fn round(
    contestants: &mut [Contestant],
    counts: &[u64],
    taking_part: &[bool],
    number: usize,
) -> Result<Vec<Option<Sample>>, Failure> {
    let mut order: Vec<usize> = (0..contestants.len()).filter(|side| taking_part[*side]).collect();
    if number % 2 == 1 {
        order.reverse();
    }
    let mut samples = vec![None; contestants.len()];
    for side in order {
        samples[side] = Some(contestants[side].run(counts[side]).await?);
    }
    Ok(samples)
}

/// Runs it until it is warm, and gives how many messages fill the time of a sample.
async fn warm_up(contestant: &mut Contestant, sample: Duration) -> Result<u64, Failure> {
    let step = match contestant.count {
        Count::Fixed(count) => {
            contestant.run(count).await?;
            return Ok(count);
        }
        Count::Steps(step) => step,
    };
    let mut steps = 1;
    loop {
        let started = Instant::now();
        contestant.run(steps * step).await?;
        let took = started.elapsed();
        if took * 2 >= sample || steps * step >= MOST {
            let fitting = (sample.as_secs_f64() / took.as_secs_f64()).min(2.0);
            return Ok(scaled(steps, fitting) * step);
        }
        steps *= 2;
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and twice the steps")]
fn scaled(steps: u64, factor: f64) -> u64 {
    ((crate::usage::count(steps) * factor) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::bench::runtime;

    const EFFORT: Effort = Effort { rounds: 9, sample: Duration::from_micros(1), more: 3, until: None };

    fn sample(value: f64) -> Sample {
        Sample { value, client: 1.0, server: 1.0, memory: None }
    }

    /// One that gives these values again and again, and counts how often it ran.
    fn planted(name: &'static str, values: &'static [f64]) -> (Contestant, Arc<AtomicUsize>) {
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        let contestant = Contestant::new(name, Count::Fixed(1), move |_| {
            let value = values[counter.fetch_add(1, Ordering::Relaxed) % values.len()];
            async move { Ok(sample(value)) }
        });
        (contestant, runs)
    }

    fn run(contestants: &mut [Contestant], needs: Needs) -> Rounds {
        let rounds = measure(contestants, EFFORT, |_| Some(needs));
        runtime(false).unwrap().block_on(rounds).unwrap()
    }

    #[test]
    fn a_floor_that_is_decided_takes_no_more_rounds() {
        let (ours, runs) = planted("ours", &[100.0]);
        let (peer, _) = planted("peer", &[100.0]);
        run(&mut [ours, peer], Needs::NotSlower);
        assert_eq!(runs.load(Ordering::Relaxed), 1 + EFFORT.rounds, "a warm-up and the rounds");
        let (ours, runs) = planted("ours", &[50.0]);
        let (peer, _) = planted("peer", &[100.0]);
        run(&mut [ours, peer], Needs::NotSlower);
        assert_eq!(runs.load(Ordering::Relaxed), 1 + EFFORT.rounds);
    }

    #[test]
    fn a_floor_that_is_not_decided_takes_more_and_keeps_what_there_was() {
        let (ours, runs) = planted("ours", &[20.0, 200.0, 40.0, 90.0, 10.0, 30.0, 300.0]);
        let (peer, _) = planted("peer", &[100.0]);
        let (settled, settled_runs) = planted("another", &[1.0]);
        let rounds = run(&mut [ours, peer, settled], Needs::AtLeast(1.0));
        assert_eq!(runs.load(Ordering::Relaxed), 1 + EFFORT.rounds * (1 + EFFORT.more));
        assert_eq!(settled_runs.load(Ordering::Relaxed), 1 + EFFORT.rounds);
        assert_eq!(rounds.pairs(1).ratio().pairs, EFFORT.rounds * (1 + EFFORT.more));
        assert_eq!(rounds.pairs(2).ratio().pairs, EFFORT.rounds);
    }

    #[test]
    fn a_lost_message_ends_it() {
        let (ours, _) = planted("ours", &[1.0]);
        let broken = Contestant::new("peer", Count::Fixed(1), |_| async { Err("one of 9 was lost".into()) });
        let outcome = runtime(false).unwrap().block_on(measure(&mut [ours, broken], EFFORT, |_| None));
        assert_eq!(outcome.unwrap_err().to_string(), "peer: one of 9 was lost");
    }
}
