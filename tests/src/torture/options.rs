//! What a run is told on the command line.

use std::fmt;
use std::str::FromStr;

use pico_args::Arguments;

use super::plant::Plant;
use super::record::FaultKind;

/// How to use the program.
pub const USAGE: &str = "torture [--seconds 10] [--seed 1] [--listeners 6] [--channels 4] [--publishers 3] \
                         [--transport redis|memory] [--sequenced] \
                         [--faults kill,restart,stop,cut,blackhole,slow,flood,lose,drop,churn | none] \
                         [--plant lost|swapped|doubled|withheld|invented|gap-withheld|gap-invented]";

/// Named like a fault, but it never ends.
const CHURN: &str = "churn";

/// What to do, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) seconds: u64,
    pub(super) seed: u64,
    pub(super) listeners: u32,
    pub(super) channels: u32,
    pub(super) publishers: u32,
    pub(super) medium: Medium,
    /// Whether events are numbered beside the payload, so that listeners see what vanished.
    pub(super) is_sequenced: bool,
    pub(super) faults: Vec<FaultKind>,
    /// Whether other listeners come and go all the time.
    pub(super) has_churn: bool,
    pub(super) plant: Option<Plant>,
}

/// What carries the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    Redis,
    Memory,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn from_args(mut args: Arguments) -> Result<Self, String> {
        let medium = args.opt_value_from_str("--transport").map_err(text)?.unwrap_or(Medium::Redis);
        let is_sequenced = args.contains("--sequenced");
        let (faults, has_churn) = match args.opt_value_from_str::<_, String>("--faults").map_err(text)? {
            Some(names) => faults_named(medium, is_sequenced, &names)?,
            None => (medium.faults(is_sequenced).collect(), true),
        };
        let options = Self {
            seconds: number(&mut args, "--seconds", 10)?,
            seed: number(&mut args, "--seed", 1)?,
            listeners: number(&mut args, "--listeners", 6)?,
            channels: number(&mut args, "--channels", 4)?,
            publishers: number(&mut args, "--publishers", 3)?,
            medium,
            is_sequenced,
            faults,
            has_churn,
            plant: args.opt_value_from_str("--plant").map_err(text)?,
        };
        let rest = args.finish();
        if !rest.is_empty() {
            return Err(format!("unknown arguments {rest:?}"));
        }
        if options.seconds == 0 || options.listeners == 0 || options.channels == 0 || options.publishers == 0
        {
            return Err("nothing would be tested with zero of anything".to_owned());
        }
        Ok(options)
    }
}

fn number<T: FromStr<Err: fmt::Display>>(
    args: &mut Arguments,
    name: &'static str,
    default: T,
) -> Result<T, String> {
    args.opt_value_from_str(name).map(|value| value.unwrap_or(default)).map_err(text)
}

/// The faults of these names, and whether listeners come and go.
fn faults_named(medium: Medium, is_sequenced: bool, names: &str) -> Result<(Vec<FaultKind>, bool), String> {
    let mut found = (Vec::new(), false);
    for name in names.split(',').filter(|_| names != "none") {
        if name == CHURN {
            found.1 = true;
            continue;
        }
        let fault = FaultKind::ALL.into_iter().find(|kind| kind.name() == name);
        let fault = fault.ok_or_else(|| format!("no fault is called {name:?}"))?;
        if !medium.can_have(fault) {
            let possible: Vec<&str> = medium.faults(true).map(FaultKind::name).chain([CHURN]).collect();
            let medium = medium.name();
            return Err(format!("{medium} can't have the fault {name:?}, but {}", possible.join(", ")));
        }
        if fault == FaultKind::Lose && !is_sequenced {
            return Err(format!("the fault {name:?} is seen by numbers alone: add --sequenced"));
        }
        found.0.push(fault);
    }
    Ok(found)
}

impl Medium {
    fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Memory => "memory",
        }
    }

    /// A server does not say that it lost a message; within the process there is nothing to kill.
    fn can_have(self, fault: FaultKind) -> bool {
        use FaultKind::{Cut, Drop, Flood, Slow};
        match self {
            Self::Redis => fault != Drop,
            Self::Memory => matches!(fault, Cut | Drop | Flood | Slow),
        }
    }

    fn faults(self, is_sequenced: bool) -> impl Iterator<Item = FaultKind> {
        let faults = FaultKind::ALL.into_iter().filter(move |fault| self.can_have(*fault));
        faults.filter(move |fault| is_sequenced || *fault != FaultKind::Lose)
    }
}

impl FromStr for Medium {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = [Self::Redis, Self::Memory].into_iter().find(|medium| medium.name() == name);
        named.ok_or_else(|| format!("no transport is called {name:?}"))
    }
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, seed, listeners, channels, publishers, .. } = self;
        let faults = self.faults.iter().map(|kind| kind.name());
        let faults: Vec<&str> = faults.chain(self.has_churn.then_some(CHURN)).collect();
        let medium = self.medium.name();
        let sequenced = if self.is_sequenced { ", sequenced" } else { "" };
        write!(
            f,
            "{medium}{sequenced}, seed {seed}, {seconds} s, {publishers} publishers, {channels} channels, {listeners} listeners"
        )?;
        if faults.is_empty() {
            f.write_str(", no faults")
        } else {
            write!(f, ", faults {}", faults.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        Options::from_args(Arguments::from_vec(line.split_whitespace().map(Into::into).collect()))
    }

    #[test]
    fn a_command_line_is_read_or_refused_with_words() {
        let options = read("--seconds 3 --seed 9 --faults stop,kill --plant lost").unwrap();
        assert_eq!((options.seconds, options.seed, options.listeners), (3, 9, 6));
        assert_eq!(options.faults, [FaultKind::Stop, FaultKind::Kill]);
        assert_eq!(options.plant, Some(Plant::Lost));
        assert!(read("--faults none").unwrap().faults.is_empty());
        let churning = read("--faults churn,flood").unwrap();
        assert_eq!((churning.has_churn, churning.faults.as_slice()), (true, &[FaultKind::Flood][..]));
        assert!(!read("--faults drop").unwrap_err().is_empty(), "a server does not tell that");
        assert!(read("--faults lose").unwrap_err().contains("--sequenced"));
        let sequenced = read("--sequenced").unwrap();
        assert!(sequenced.is_sequenced && sequenced.faults.contains(&FaultKind::Lose));
        assert!(!read("").unwrap().faults.contains(&FaultKind::Lose));
        for wrong in
            ["--faults burn", "--transport pigeon", "--plant tree", "--seconds x", "--listeners 0", "more"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fault_that_a_transport_can_not_have_is_refused_with_those_that_it_can() {
        let memory = read("--transport memory").unwrap();
        assert_eq!(memory.faults, [FaultKind::Cut, FaultKind::Slow, FaultKind::Flood, FaultKind::Drop]);
        assert!(memory.has_churn);
        let error = read("--transport memory --faults cut,kill").unwrap_err();
        assert!(error.contains("\"kill\"") && error.contains("cut, slow, flood, drop, churn"), "{error}");
        assert!(read("").unwrap().faults.iter().all(|fault| *fault != FaultKind::Drop));
    }
}
