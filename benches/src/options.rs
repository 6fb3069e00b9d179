//! What was asked on the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use pico_args::Arguments;

use crate::peer;
use crate::workload::{WORKLOADS, channels};

/// How `peers` is called.
pub const USAGE: &str = "usage: peers [--quick] [--only NAME] [--json FILE]";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To measure.
    Run(Options),
    /// To be the process of one sample: so many listeners of whom, on which server.
    Listeners(String, u64, String),
}

/// What is to be measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Only what is needed to tell whether the floors hold.
    pub is_quick: bool,
    /// Only this workload, or only this peer.
    pub only: Option<String>,
    /// Where the report goes as JSON.
    pub json: Option<PathBuf>,
}

impl Asked {
    /// Reads arguments, without the program's name.
    ///
    /// # Errors
    /// Why they can't be understood, for people.
    pub fn read(arguments: Vec<OsString>) -> Result<Self, String> {
        let mut arguments = Arguments::from_vec(arguments);
        if let Ok(Some(name)) = arguments.opt_value_from_str::<_, String>(channels::ARGUMENT) {
            let listeners = arguments.free_from_str().map_err(|error| error.to_string())?;
            let url = arguments.free_from_str().map_err(|error| error.to_string())?;
            return Ok(Self::Listeners(name, listeners, url));
        }
        let is_quick = arguments.contains("--quick");
        let only = arguments.opt_value_from_str("--only").map_err(|error| error.to_string())?;
        let json = arguments.opt_value_from_os_str("--json", |path| Ok::<_, String>(PathBuf::from(path)));
        let options = Options { is_quick, only, json: json.map_err(|error| error.to_string())? };
        if let Some(unknown) = arguments.finish().first() {
            return Err(format!("unknown argument {}", unknown.display()));
        }
        options.check()?;
        Ok(Self::Run(options))
    }
}

impl Options {
    fn check(&self) -> Result<(), String> {
        let workloads = WORKLOADS.map(|workload| workload.name);
        match self.only.as_deref() {
            Some(only) if !workloads.contains(&only) && !peer::OTHERS.contains(&only) => {
                let (workloads, peers) = (workloads.join(", "), peer::OTHERS.join(", "));
                Err(format!("there is no {only}: the workloads are {workloads}; the peers are {peers}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a workload is asked for.
    #[must_use]
    pub fn wants_workload(&self, name: &str) -> bool {
        let only = self.only.as_deref();
        only.is_none_or(|only| only == name || peer::OTHERS.contains(&only))
    }

    /// The peer that alone is asked for.
    #[must_use]
    pub fn peer(&self) -> Option<&str> {
        self.only.as_deref().filter(|only| peer::OTHERS.contains(only))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Asked, String> {
        Asked::read(arguments.iter().map(OsString::from).collect())
    }

    fn options(arguments: &[&str]) -> Options {
        match read(arguments) {
            Ok(Asked::Run(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn all_is_measured_unless_only_something_is_asked_for() {
        let all = options(&["--quick", "--json", "a.json"]);
        assert!(all.is_quick && all.json == Some("a.json".into()));
        assert!(all.wants_workload("listen") && all.peer().is_none());
        let listen = options(&["--only", "listen"]);
        assert!(listen.wants_workload("listen") && !listen.wants_workload("cost") && listen.peer().is_none());
        let fred = options(&["--only", "fred"]);
        assert!(fred.wants_workload("listen") && fred.peer() == Some("fred"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert!(read(&["--fast"]).unwrap_err().contains("--fast"));
        assert!(read(&["--only", "lettuce"]).unwrap_err().contains("there is no lettuce"));
        assert!(read(&["--only"]).is_err());
    }
}
