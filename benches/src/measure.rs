//! Takes samples of all sides in turn, round after round, and takes more where a floor is not decided. What a floor
//! is stands elsewhere.

use std::time::{Duration, Instant};

use crate::bench::Failure;
use crate::contestant::{Contestant, Count, Sample};
use crate::floors::{Rule, Verdict};
use crate::pairs::{Pairs, median};

/// The most messages of a sample.
const MOST: u64 = 200_000;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds, each of which has one sample of each side. While a floor is not decided, as many are added again and again.
    pub rounds: usize,
    /// How long a sample shall take.
    pub sample: Duration,
    /// How long it may take in all; then it ends, however it stands.
    pub time: Duration,
}

impl Effort {
    /// Enough to tell what is surely too slow.
    #[must_use]
    pub fn quick(time: Duration) -> Self {
        Self { rounds: 15, sample: Duration::from_millis(30), time }
    }

    /// Enough for a table.
    #[must_use]
    pub fn full(time: Duration) -> Self {
        Self { rounds: 31, sample: Duration::from_millis(100), time }
    }

    /// Enough for a point of a curve.
    #[must_use]
    pub fn of_a_point(is_quick: bool) -> Self {
        let (rounds, sample) =
            if is_quick { (7, Duration::from_millis(20)) } else { (15, Duration::from_millis(50)) };
        Self { rounds, sample, time: Duration::from_secs(60) }
    }
}

/// The samples of each round; of sides that are settled already there are none in later rounds.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    rounds: Vec<Vec<Option<Sample>>>,
    counts: Vec<u64>,
}

impl Rounds {
    /// Adds a round: what each side gave, ours first.
    pub fn push(&mut self, samples: Vec<Option<Sample>>) {
        self.rounds.push(samples);
    }

    /// Ours beside the peer at `side`.
    #[must_use]
    pub fn pairs(&self, side: usize) -> Pairs {
        self.beside(side, |ours, peer| (ours.value, peer.value))
    }

    /// How much less CPU ours takes than the peer at `side`: 2 is half of it.
    #[must_use]
    pub fn thrift(&self, side: usize) -> Pairs {
        self.beside(side, |ours, peer| (peer.client, ours.client))
    }

    /// The memory of a listener of the side at `side`, beside nothing.
    #[must_use]
    pub fn memory(&self, side: usize) -> Pairs {
        let mut pairs = Pairs::default();
        self.samples(side).filter_map(|sample| sample.memory).for_each(|bytes| pairs.push(bytes, 1.0));
        pairs
    }

    fn beside(&self, side: usize, values: impl Fn(&Sample, &Sample) -> (f64, f64)) -> Pairs {
        let mut pairs = Pairs::default();
        for round in &self.rounds {
            if let (Some(Some(ours)), Some(Some(peer))) = (round.first(), round.get(side)) {
                let (ours, peer) = values(ours, peer);
                pairs.push(ours, peer);
            }
        }
        pairs
    }

    /// How many messages a sample of the side at `side` has.
    #[must_use]
    pub fn messages(&self, side: usize) -> u64 {
        self.counts.get(side).copied().unwrap_or_default()
    }

    /// The value of the side at `side` in each round in which it took part.
    #[must_use]
    pub fn values(&self, side: usize) -> Vec<Option<f64>> {
        let value = |round: &Vec<Option<Sample>>| Some((*round.get(side)?)?.value);
        self.rounds.iter().map(value).collect()
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
        self.rounds.iter().filter_map(move |round| round.get(side)?.as_ref())
    }
}

/// Warms up, and takes samples until each floor is decided, whichever way, or the time is over. `rule` gives the floor beside a
/// peer.
///
/// # Errors
/// If a message was lost or changed, or something does not work.
pub async fn measure(
    contestants: &mut [Contestant],
    effort: Effort,
    rule: impl Fn(&str) -> Option<Rule>,
) -> Result<Rounds, Failure> {
    let until = Instant::now() + effort.time;
    let mut rounds = Rounds::default();
    for contestant in contestants.iter_mut() {
        rounds.counts.push(warm_up(contestant, effort.sample).await?);
    }
    let mut taking_part = vec![true; contestants.len()];
    loop {
        for _ in 0..effort.rounds {
            let samples = round(contestants, &rounds.counts, &taking_part, rounds.rounds.len()).await?;
            rounds.push(samples);
            if Instant::now() >= until {
                return Ok(rounds);
            }
        }
        for side in 1..contestants.len() {
            let verdict = rule(contestants[side].name).map(|rule| rule.judge(&rounds, side));
            taking_part[side] = verdict == Some(Verdict::Undecided);
        }
        if !taking_part[1..].contains(&true) {
            return Ok(rounds);
        }
    }
}

/// One sample of each side, so that whoever comes later has neither gain nor harm: with two sides every second time in the
/// opposite order, with more each is first in its turn as well.
async fn round(
    contestants: &mut [Contestant],
    counts: &[u64],
    taking_part: &[bool],
    number: usize,
) -> Result<Vec<Option<Sample>>, Failure> {
    let mut samples = vec![None; contestants.len()];
    let sides = (0..contestants.len()).filter(|side| taking_part[*side]).collect();
    for side in order(sides, number) {
        samples[side] = Some(contestants[side].run(counts[side]).await?);
    }
    Ok(samples)
}

fn order(mut sides: Vec<usize>, number: usize) -> Vec<usize> {
    let places = number / 2 % sides.len().max(1);
    sides.rotate_left(places);
    if number % 2 == 1 {
        sides.reverse();
    }
    sides
}

/// Runs it until it is warm, and gives how many messages fill the time of a sample. What was disturbed once is run again, and
/// the shorter time counts: samples would be too small otherwise.
async fn warm_up(contestant: &mut Contestant, sample: Duration) -> Result<u64, Failure> {
    let step = match contestant.count {
        Count::Fixed(count) => {
            contestant.run(count).await?;
            return Ok(count);
        }
        Count::Steps(step) => step,
    };
    let least = contestant.least.div_ceil(step).max(1);
    let mut steps = least;
    loop {
        let is_most = steps * step >= MOST;
        let mut took = timed(contestant, steps * step).await?;
        if took * 2 >= sample || is_most {
            took = took.min(timed(contestant, steps * step).await?);
        }
        if took * 2 >= sample || is_most {
            let fitting = (sample.as_secs_f64() / took.as_secs_f64()).min(2.0);
            return Ok(scaled(steps, fitting).max(least) * step);
        }
        steps *= 2;
    }
}

async fn timed(contestant: &mut Contestant, count: u64) -> Result<Duration, Failure> {
    let started = Instant::now();
    contestant.run(count).await?;
    Ok(started.elapsed())
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
    use crate::floors::Needs;

    const EFFORT: Effort =
        Effort { rounds: 9, sample: Duration::from_micros(1), time: Duration::from_secs(60) };

    fn sample(value: f64) -> Sample {
        Sample { value, client: 1.0, server: Some(1.0), memory: None }
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

    fn run(contestants: &mut [Contestant], effort: Effort, needs: Needs) -> Rounds {
        let rounds = measure(contestants, effort, |name| {
            (name == "peer").then_some(Rule { needs, has_witness: false })
        });
        runtime(false).unwrap().block_on(rounds).unwrap()
    }

    #[test]
    fn a_floor_that_is_decided_either_way_takes_no_more_rounds() {
        for value in [&[100.0], &[50.0]] {
            let (ours, runs) = planted("ours", value);
            let (peer, _) = planted("peer", &[100.0]);
            run(&mut [ours, peer], EFFORT, Needs::NotSlower);
            assert_eq!(runs.load(Ordering::Relaxed), 1 + EFFORT.rounds, "a warm-up and the rounds");
        }
    }

    #[test]
    fn a_floor_that_is_not_decided_takes_more_until_it_is_and_keeps_what_there_was() {
        // Far apart at first, and then the same again and again.
        const OURS: [f64; 200] = {
            let mut values = [130.0; 200];
            let mut at = 0;
            while at < 10 {
                values[at] = if at % 2 == 0 { 200.0 } else { 20.0 };
                at += 1;
            }
            values
        };
        let (ours, runs) = planted("ours", &OURS);
        let (peer, _) = planted("peer", &[100.0]);
        let (settled, settled_runs) = planted("another", &[1.0]);
        let rounds = run(&mut [ours, peer, settled], EFFORT, Needs::AtLeast(1.1));
        assert!(runs.load(Ordering::Relaxed) > 1 + EFFORT.rounds);
        assert_eq!(settled_runs.load(Ordering::Relaxed), 1 + EFFORT.rounds);
        assert_eq!(rounds.pairs(1).ratio().pairs, runs.load(Ordering::Relaxed) - 1);
        assert_eq!(rounds.pairs(2).ratio().pairs, EFFORT.rounds);
        assert_eq!(Needs::AtLeast(1.1).judge(&rounds.pairs(1).ratio()), Verdict::Holds);
    }

    #[test]
    fn it_ends_when_the_time_is_over() {
        let effort = Effort { time: Duration::from_millis(50), ..EFFORT };
        let (ours, _) = planted("ours", &[300.0, 20.0]);
        let (peer, _) = planted("peer", &[100.0]);
        let started = Instant::now();
        let rounds = run(&mut [ours, peer], effort, Needs::AtLeast(1.0));
        assert!(started.elapsed() >= effort.time);
        assert_eq!(Needs::AtLeast(1.0).judge(&rounds.pairs(1).ratio()), Verdict::Undecided);
        let none = Effort { time: Duration::ZERO, ..EFFORT };
        let (ours, runs) = planted("ours", &[1.0]);
        let (peer, _) = planted("peer", &[1.0]);
        run(&mut [ours, peer], none, Needs::NotSlower);
        assert_eq!(runs.load(Ordering::Relaxed), 2, "a warm-up and one round");
    }

    #[test]
    fn each_side_is_first_and_last_as_often_as_the_others() {
        let orders: Vec<_> = (0..6).map(|number| order(vec![0, 1, 2], number)).collect();
        for side in 0..3 {
            assert_eq!(orders.iter().filter(|order| order.first() == Some(&side)).count(), 2);
            assert_eq!(orders.iter().filter(|order| order.last() == Some(&side)).count(), 2);
        }
        assert!(order(Vec::new(), 3).is_empty());
    }

    #[test]
    fn one_slow_run_does_not_make_small_samples() {
        let runs = AtomicUsize::new(0);
        let mut contestant = Contestant::new("ours", Count::Steps(10), move |count| {
            let is_disturbed = runs.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                let micros = if is_disturbed { 50_000 } else { 20 * count };
                std::thread::sleep(Duration::from_micros(micros));
                Ok(sample(1.0))
            }
        });
        let warm_up = warm_up(&mut contestant, Duration::from_millis(20));
        let count = runtime(false).unwrap().block_on(warm_up).unwrap();
        assert!(count >= 100, "{count}");
    }

    #[test]
    fn a_lost_message_ends_it() {
        let (ours, _) = planted("ours", &[1.0]);
        let broken = Contestant::new("peer", Count::Fixed(1), |_| async { Err("one of 9 was lost".into()) });
        let outcome = runtime(false).unwrap().block_on(measure(&mut [ours, broken], EFFORT, |_| None));
        assert_eq!(outcome.unwrap_err().to_string(), "peer: one of 9 was lost");
    }
}
