//! What was measured since it was last asked, found by name and labels.

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

pub(crate) struct Measured {
    values: Vec<(String, DebugValue)>,
}

/// A recorder that is read and thereby begins anew.
pub(crate) struct Meter {
    recorder: DebuggingRecorder,
    snapshotter: Snapshotter,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let recorder = DebuggingRecorder::new();
        Self { snapshotter: recorder.snapshotter(), recorder }
    }

    /// What this thread measures goes to it, until the guard is dropped.
    pub(crate) fn here(&self) -> metrics::LocalRecorderGuard<'_> {
        metrics::set_default_local_recorder(&self.recorder)
    }

    /// What was measured since this was last called.
    pub(crate) fn read(&self) -> Measured {
        let values = self.snapshotter.snapshot().into_vec();
        let values = values.into_iter().map(|(key, _, _, value)| {
            let key = key.key();
            let labels: BTreeMap<&str, &str> =
                key.labels().map(|label| (label.key(), label.value())).collect();
            let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            (format!("{} {}", key.name(), labels.join(" ")), value)
        });
        Measured { values: values.collect() }
    }

    /// The names that were described, with their units.
    pub(crate) fn described(&self) -> BTreeMap<String, String> {
        let values = self.snapshotter.snapshot().into_vec();
        let described = values.into_iter().map(|(key, unit, description, _)| {
            assert!(description.is_some_and(|text| text.ends_with('.')), "{}", key.key().name());
            let unit = unit.map_or("none", |unit| unit.as_str());
            (key.key().name().to_owned(), unit.to_owned())
        });
        described.collect()
    }
}

impl Measured {
    /// The counter whose name and labels are those of `what`, among others.
    pub(crate) fn count(&self, what: &str) -> u64 {
        match self.find(what) {
            DebugValue::Counter(count) => *count,
            other => panic!("{what} is {other:?}"),
        }
    }

    pub(crate) fn gauge(&self, what: &str) -> f64 {
        match self.find(what) {
            DebugValue::Gauge(value) => value.0,
            other => panic!("{what} is {other:?}"),
        }
    }

    /// How often something was timed. All times are those of a test.
    pub(crate) fn times(&self, what: &str) -> usize {
        match self.find(what) {
            DebugValue::Histogram(seconds) => {
                assert!(seconds.iter().all(|seconds| (0.0..60.0).contains(&seconds.0)), "{seconds:?}");
                seconds.len()
            }
            other => panic!("{what} is {other:?}"),
        }
    }

    /// All labels of everything.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.values.iter().flat_map(|(key, _)| key.split(' ').skip(1)).filter(|label| !label.is_empty())
    }

    fn find(&self, what: &str) -> &DebugValue {
        let mut words = what.split(' ');
        let name = words.next();
        let labels: Vec<&str> = words.collect();
        let is_it = |key: &str| {
            let mut known = key.split(' ');
            let has_name = known.next() == name;
            let known: Vec<&str> = known.collect();
            // Whether it failed is not open: a metric without `error.type` is another one.
            let is_failure = |labels: &[&str]| labels.iter().any(|label| label.starts_with("error.type="));
            has_name
                && labels.iter().all(|label| known.contains(label))
                && is_failure(&labels) == is_failure(&known)
        };
        let found: Vec<_> = self.values.iter().filter(|(key, _)| is_it(key)).collect();
        match &*found {
            [(_, value)] => value,
            _ => panic!(
                "{} of {what}: {:?}",
                found.len(),
                self.values.iter().map(|(key, _)| key).collect::<Vec<_>>()
            ),
        }
    }
}
