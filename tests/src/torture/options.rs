//! What a run is told on the command line.

use std::fmt;
use std::str::FromStr;

use pico_args::Arguments;

use super::plant::Plant;
use super::record::FaultKind;

/// How to use the program.
pub const USAGE: &str = "torture [--seconds 10] [--seed 1] [--listeners 6] [--channels 4] [--publishers 3] \
                         [--faults kill,restart,stop,cut,blackhole | none] [--plant lost|swapped|doubled|withheld|invented]";

/// What to do, and for how long.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) seconds: u64,
    pub(super) seed: u64,
    pub(super) listeners: u32,
    pub(super) channels: u32,
    pub(super) publishers: u32,
    pub(super) faults: Vec<FaultKind>,
    pub(super) plant: Option<Plant>,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn from_args(mut args: Arguments) -> Result<Self, String> {
        let options = Self {
            seconds: number(&mut args, "--seconds", 10)?,
            seed: number(&mut args, "--seed", 1)?,
            listeners: number(&mut args, "--listeners", 6)?,
            channels: number(&mut args, "--channels", 4)?,
            publishers: number(&mut args, "--publishers", 3)?,
            faults: args
                .opt_value_from_fn("--faults", faults)
                .map_err(text)?
                .unwrap_or(FaultKind::ALL.to_vec()),
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

fn faults(names: &str) -> Result<Vec<FaultKind>, String> {
    if names == "none" {
        return Ok(Vec::new());
    }
    let fault = |name| FaultKind::ALL.into_iter().find(|kind| kind.name() == name);
    names.split(',').map(|name| fault(name).ok_or_else(|| format!("no fault is called {name:?}"))).collect()
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, seed, listeners, channels, publishers, .. } = self;
        let faults: Vec<&str> = self.faults.iter().map(|kind| kind.name()).collect();
        write!(
            f,
            "seed {seed}, {seconds} s, {publishers} publishers, {channels} channels, {listeners} listeners"
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
        for wrong in ["--faults burn", "--plant tree", "--seconds x", "--listeners 0", "more"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
