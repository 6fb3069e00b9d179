//! What the program is told on its command line and by its environment.

use std::env;
use std::ffi::OsString;

use pico_args::Arguments;

pub(crate) const USAGE: &str = "\
web_monitor: agent runs, live in the browser

  --port N        port on 127.0.0.1 (8787; 0: any that is free)
  --rate N        simulated events per second (20)
  --listen-only   simulate nothing, show what others publish; needs REDIS_URL

In memory by default; on Redis with REDIS_URL=redis://127.0.0.1";

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) port: u16,
    /// `None`: others work.
    pub(crate) rate: Option<u32>,
    pub(crate) redis_url: Option<String>,
}

impl Options {
    /// From the program's own surroundings; `None` if only the usage is asked for.
    pub(crate) fn from_env() -> Result<Option<Self>, String> {
        let arguments = env::args_os().skip(1).collect();
        let redis_url = env::var("REDIS_URL").ok().filter(|url| !url.is_empty());
        Self::parse(arguments, redis_url)
    }

    fn parse(arguments: Vec<OsString>, redis_url: Option<String>) -> Result<Option<Self>, String> {
        let mut arguments = Arguments::from_vec(arguments);
        if arguments.contains(["-h", "--help"]) {
            return Ok(None);
        }
        let number = |found: Result<Option<u32>, _>, name, otherwise| {
            found
                .map(|number| number.unwrap_or(otherwise))
                .map_err(|_: pico_args::Error| format!("{name} takes a number"))
        };
        let listen_only = arguments.contains("--listen-only");
        let rate = number(arguments.opt_value_from_str("--rate"), "--rate", 20)?;
        let port = number(arguments.opt_value_from_str("--port"), "--port", 8787)?;
        if let Some(unknown) = arguments.finish().first() {
            return Err(format!("there is no argument {}: see --help", unknown.display()));
        }
        if listen_only && redis_url.is_none() {
            return Err("--listen-only needs REDIS_URL: in memory nobody else publishes".to_owned());
        }
        if !(1..=10_000).contains(&rate) {
            return Err("--rate takes a number from 1 to 10000".to_owned());
        }
        let port = u16::try_from(port).map_err(|_| "--port takes a number up to 65535".to_owned())?;
        Ok(Some(Self { port, rate: (!listen_only).then_some(rate), redis_url }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str], redis_url: Option<&str>) -> Result<Option<Options>, String> {
        Options::parse(words.iter().map(OsString::from).collect(), redis_url.map(str::to_owned))
    }

    #[test]
    fn arguments_are_read_and_mistakes_told_in_a_sentence() {
        let expected = Options { port: 0, rate: Some(1_000), redis_url: None };
        assert_eq!(parse(&["--rate", "1000", "--port", "0"], None), Ok(Some(expected)));
        let expected = Options { port: 8787, rate: None, redis_url: Some("redis://h".to_owned()) };
        assert_eq!(parse(&["--listen-only"], Some("redis://h")), Ok(Some(expected)));
        assert_eq!(parse(&["--help", "--nonsense"], None), Ok(None));
        for words in [
            &["--rate", "x"][..],
            &["--rate", "0"],
            &["--rate"],
            &["--port", "70000"],
            &["--listen-only"],
            &["--prot", "1"],
        ] {
            let said = parse(words, None).expect_err("a mistake");
            assert!(said.contains("--") && !said.contains('\n'), "{said}");
        }
    }
}
