//! A curve: what something costs as it grows, drawn in text, and whether it grows faster than what it depends on.

use std::fmt;

/// A cost may grow by so much more than what it depends on, from one point to the next, before it counts as worse than
/// linear: machines are noisy, and caches small. With the square it would be ten times as much. Over two steps no more is
/// allowed than over one, so that what grows a little too fast all the way is found as well.
const TOLERANCE: f64 = 2.0;

/// One more mark in a bar for each such factor.
const MARK: f64 = 1.25;

/// What something costs at one size.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// The size.
    pub size: u64,
    /// Microseconds, at best: other programs only ever add to them.
    pub micros: f64,
    /// CPU of the client meanwhile.
    pub client: f64,
    /// CPU of the server.
    pub server: f64,
}

/// What something costs as it grows.
#[derive(Clone, Debug)]
pub struct Curve {
    /// What it is.
    pub title: &'static str,
    /// Of what there is more and more.
    pub size: &'static str,
    /// Why it looks as it does.
    pub why: &'static str,
    /// From the smallest to the largest.
    pub points: Vec<Point>,
}

impl Curve {
    /// The two points, neighbours or next but one, between which, by the clock and by CPU, it grows faster than linear, if there are any.
    #[must_use]
    pub fn worse_than_linear(&self) -> Option<(Point, Point)> {
        let beside = |steps| self.points.iter().zip(self.points.iter().skip(steps));
        beside(1).chain(beside(2)).map(|(a, b)| (*a, *b)).find(|(a, b)| {
            let growth = (b.micros / a.micros).min(b.cpu() / a.cpu());
            growth > TOLERANCE * times(a.size, b.size)
        })
    }
}

impl Point {
    /// Of both. Other programs hardly add to it.
    fn cpu(&self) -> f64 {
        self.client + self.server
    }
}

fn times(a: u64, b: u64) -> f64 {
    crate::usage::count(b) / crate::usage::count(a)
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.title)?;
        writeln!(f, "  {:>10} {:>12} {:>11} {:>11}", self.size, "µs", "client µs", "server µs")?;
        let least = self.points.iter().map(|point| point.micros).fold(f64::INFINITY, f64::min);
        for Point { size, micros, client, server } in &self.points {
            let marks = 1.0 + (micros / least).ln() / MARK.ln();
            writeln!(f, "  {size:>10} {micros:>12.2} {client:>11.2} {server:>11.2}  {}", bar(marks))?;
        }
        writeln!(f, "  {}", self.why)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number of marks")]
fn bar(marks: f64) -> String {
    "#".repeat(marks.clamp(1.0, 80.0).round() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(cost: impl Fn(f64) -> f64) -> Curve {
        let point = |size: u64| {
            let micros = cost(crate::usage::count(size));
            Point { size, micros, client: micros, server: 0.0 }
        };
        let points = [1, 10, 100, 1_000].map(point).to_vec();
        Curve { title: "a curve", size: "things", why: "because", points }
    }

    #[test]
    fn flat_and_linear_are_good() {
        assert!(curve(|_| 5.0).worse_than_linear().is_none());
        assert!(curve(|size| 5.0 + 2.0 * size).worse_than_linear().is_none());
        assert!(curve(|size| 1.4 * size).worse_than_linear().is_none());
    }

    #[test]
    fn what_grows_with_the_square_is_found_where_it_shows() {
        let (a, b) = curve(|size| 1_000.0 + size * size).worse_than_linear().unwrap();
        assert_eq!((a.size, b.size), (100, 1_000));
    }

    #[test]
    fn what_grows_a_little_too_fast_is_found_over_two_steps() {
        let (a, b) = curve(|size| size.powf(1.2)).worse_than_linear().unwrap();
        assert_eq!((a.size, b.size), (1, 100));
        assert!(curve(|size| size.powf(1.1)).worse_than_linear().is_none());
    }

    #[test]
    fn what_only_the_clock_says_is_the_machine() {
        let mut curve = curve(|size| size);
        curve.points[3].micros *= 3.0;
        assert!(curve.worse_than_linear().is_none());
        curve.points[3].server = 2_000.0;
        assert!(curve.worse_than_linear().is_some());
    }

    #[test]
    fn a_drawing_has_a_bar_for_each_point() {
        let drawing = curve(|size| size).to_string();
        assert!(
            drawing.lines().any(|line| line.trim_start().starts_with("1 ") && line.ends_with(" #")),
            "{drawing}"
        );
        assert!(drawing.contains(&"#".repeat(32)), "{drawing}");
    }
}
