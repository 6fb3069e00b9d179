//! What a run is told on the command line.

use std::fmt;
use std::str::FromStr;

use pico_args::Arguments;

use super::listeners::Way;
use super::plant::Plant;
use super::record::{FaultKind, Lines};

/// How to use the program.
pub const USAGE: &str = "torture [--seconds 10] [--seed 1] [--listeners 6] [--channels 4] [--publishers 3] \
                         [--transport redis|memory] [--topology standalone|sentinel|cluster] \
                         [--delivery classic|sharded] [--sequenced] [--timeline] \
                         [--faults kill,restart,stop,cut,blackhole,slow,flood,lose,drop,rotate,failover,migrate,isolate,churn | none] \
                         [--plant lost|swapped|doubled|withheld|invented|gap-withheld|gap-invented|outlived]";

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
    pub(super) delivery: PubSub,
    /// Whether events are numbered beside the payload, so that listeners see what vanished.
    pub(super) is_sequenced: bool,
    pub(super) faults: Vec<FaultKind>,
    /// Whether other listeners come and go all the time.
    pub(super) has_churn: bool,
    pub(super) plant: Option<Plant>,
    /// Whether the report says when what was done and told.
    pub(super) has_timeline: bool,
}

/// What carries the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// One server.
    Redis,
    /// A master under sentinels.
    Sentinel,
    Cluster,
    Memory,
}

/// With which kind of pub/sub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PubSub {
    Classic,
    /// Without patterns.
    Sharded,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn from_args(mut args: Arguments) -> Result<Self, String> {
        let medium = medium(&mut args)?;
        let delivery = args.opt_value_from_str("--delivery").map_err(text)?.unwrap_or(PubSub::Classic);
        let is_sequenced = args.contains("--sequenced");
        let (faults, has_churn) = match args.opt_value_from_str::<_, String>("--faults").map_err(text)? {
            Some(names) => faults_named(medium, is_sequenced, &names)?,
            None => (medium.faults(is_sequenced).collect(), true),
        };
        let (channels, publishers) = if medium.is_several() { (12, 6) } else { (4, 3) };
        let options = Self {
            seconds: number(&mut args, "--seconds", 10)?,
            seed: number(&mut args, "--seed", 1)?,
            listeners: number(&mut args, "--listeners", 6)?,
            channels: number(&mut args, "--channels", channels)?,
            publishers: number(&mut args, "--publishers", publishers)?,
            medium,
            delivery,
            is_sequenced,
            faults,
            has_churn,
            plant: args.opt_value_from_str("--plant").map_err(text)?,
            has_timeline: args.contains("--timeline"),
        };
        let rest = args.finish();
        if !rest.is_empty() {
            return Err(format!("unknown arguments {rest:?}"));
        }
        options.fault().map_or(Ok(options), Err)
    }

    /// Whether the bus logs in as a user of its own.
    pub(super) fn has_login(&self) -> bool {
        self.faults.contains(&FaultKind::Rotate)
    }

    pub(super) fn way(&self) -> Way {
        Way { delivery: self.delivery, channels: self.channels }
    }

    /// What makes no sense.
    fn fault(&self) -> Option<String> {
        let Self { seconds, listeners, channels, publishers, medium, delivery, .. } = self;
        if *seconds == 0 || *listeners == 0 || *channels == 0 || *publishers == 0 {
            return Some("nothing would be tested with zero of anything".to_owned());
        }
        if medium.is_several() && *channels > Lines::MOST {
            return Some(format!("of several servers, {} channels can be followed at most", Lines::MOST));
        }
        if (*medium, *delivery) == (Medium::Memory, PubSub::Sharded) {
            return Some("memory has no sharded delivery".to_owned());
        }
        None
    }
}

fn medium(args: &mut Arguments) -> Result<Medium, String> {
    let transport: String =
        args.opt_value_from_str("--transport").map_err(text)?.unwrap_or_else(|| "redis".to_owned());
    let topology: Option<String> = args.opt_value_from_str("--topology").map_err(text)?;
    match (transport.as_str(), topology.as_deref()) {
        ("redis", None | Some("standalone")) => Ok(Medium::Redis),
        ("redis", Some("sentinel")) => Ok(Medium::Sentinel),
        ("redis", Some("cluster")) => Ok(Medium::Cluster),
        ("redis", Some(other)) => Err(format!("no topology is called {other:?}")),
        ("memory", None) => Ok(Medium::Memory),
        ("memory", Some(_)) => Err("memory has no topology".to_owned()),
        (other, _) => Err(format!("no transport is called {other:?}")),
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
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
            Self::Memory => "memory",
        }
    }

    /// Whether one of several servers may take over from another.
    pub(super) fn is_several(self) -> bool {
        matches!(self, Self::Sentinel | Self::Cluster)
    }

    /// A server does not say that it lost a message; within the process there is nothing to kill. Several servers are
    /// reached where they say that they are, so nothing can stand between.
    fn can_have(self, fault: FaultKind) -> bool {
        use FaultKind::{Cut, Drop, Failover, Flood, Isolate, Kill, Migrate, Restart, Rotate, Slow, Stop};
        match self {
            Self::Redis => !matches!(fault, Drop | Failover | Migrate | Isolate),
            Self::Sentinel => matches!(fault, Kill | Restart | Stop | Flood | Rotate | Failover | Isolate),
            Self::Cluster => {
                matches!(fault, Kill | Restart | Stop | Flood | Rotate | Failover | Migrate | Isolate)
            }
            Self::Memory => matches!(fault, Cut | Drop | Flood | Slow),
        }
    }

    fn faults(self, is_sequenced: bool) -> impl Iterator<Item = FaultKind> {
        let faults = FaultKind::ALL.into_iter().filter(move |fault| self.can_have(*fault));
        faults.filter(move |fault| is_sequenced || *fault != FaultKind::Lose)
    }
}

impl FromStr for PubSub {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "classic" => Ok(Self::Classic),
            "sharded" => Ok(Self::Sharded),
            _ => Err(format!("no delivery is called {name:?}")),
        }
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
        let delivery = if self.delivery == PubSub::Sharded { ", sharded" } else { "" };
        let sequenced = if self.is_sequenced { ", sequenced" } else { "" };
        write!(
            f,
            "{medium}{delivery}{sequenced}, seed {seed}, {seconds} s, {publishers} publishers, {channels} channels, {listeners} listeners"
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
        for wrong in [
            "--faults burn",
            "--transport pigeon",
            "--topology tree",
            "--delivery bulk",
            "--plant tree",
            "--seconds x",
            "--listeners 0",
            "more",
            "--transport memory --topology cluster",
            "--transport memory --delivery sharded",
            "--transport memory --faults rotate",
            "--topology cluster --channels 65",
        ] {
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

    #[test]
    fn several_servers_take_over_from_each_other_and_nothing_stands_between() {
        let cluster = read("--topology cluster --delivery sharded").unwrap();
        assert_eq!((cluster.medium, cluster.delivery), (Medium::Cluster, PubSub::Sharded));
        for kind in ["failover", "migrate", "isolate", "stop", "rotate"] {
            assert!(cluster.faults.iter().any(|fault| fault.name() == kind), "{kind}");
        }
        assert!(cluster.has_login() && !read("--topology cluster --faults kill").unwrap().has_login());
        let sentinel = read("--topology sentinel").unwrap();
        assert!(!sentinel.faults.contains(&FaultKind::Migrate) && sentinel.has_churn);
        assert_eq!((sentinel.channels, sentinel.publishers), (12, 6));
        let error = read("--topology cluster --faults cut").unwrap_err();
        assert!(error.contains("cluster can't have the fault \"cut\", but kill, restart, stop"), "{error}");
        assert!(read("--faults migrate").is_err() && read("--topology sentinel --faults migrate").is_err());
        assert_eq!(read("--topology standalone").unwrap().medium, Medium::Redis);
    }
}
