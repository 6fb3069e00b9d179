//! Settings of a bus under the names that the Python bus gives them in its environment, looked up through a
//! function. Where they are put is the builder's business.

use std::env::VarError;
use std::fmt;

use crate::channel::BusName;
use crate::error::{Error, ErrorKind, Result};
use crate::limit::MessageLimit;

const MESSAGE_LIMIT: &str = "MAX_MESSAGE_SIZE_LIMIT";

/// Looks variables up by their name; one that is set to nothing counts as unset.
pub(crate) struct Environment<'a>(pub(crate) &'a dyn Fn(&str) -> Result<Option<String>>);

impl Environment<'_> {
    /// The name of the bus that is declared as `declared`, if it is to have another one.
    pub(crate) fn bus_name(&self, declared: &str) -> Result<Option<BusName>> {
        let variable = bus_name_variable(declared);
        let Some(name) = self.text(&variable)? else { return Ok(None) };
        BusName::new(name).map(Some).map_err(|fault| invalid(&variable, fault))
    }

    pub(crate) fn message_limit(&self) -> Result<Option<MessageLimit>> {
        let Some(bytes) = self.text(MESSAGE_LIMIT)? else { return Ok(None) };
        let bytes = bytes.trim().parse().map_err(|_| {
            invalid(MESSAGE_LIMIT, "not a size: expected a whole number of bytes, such as 16777216")
        })?;
        MessageLimit::new(bytes).map(Some).map_err(|error| invalid(MESSAGE_LIMIT, error))
    }

    fn text(&self, variable: &str) -> Result<Option<String>> {
        Ok((self.0)(variable)?.filter(|value| !value.is_empty()))
    }
}

/// A variable in the environment of the process.
pub(crate) fn of_the_process(variable: &str) -> Result<Option<String>> {
    match std::env::var(variable) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(invalid(variable, "not unicode text")),
    }
}

/// ASCII letters in capitals, digits as they are, `_` for all else.
fn bus_name_variable(declared: &str) -> String {
    let capital = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = declared.chars().map(capital).collect();
    format!("{name}_BUS_NAME")
}

fn invalid(variable: &str, fault: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("{variable}: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_as_on_the_python_bus() {
        for (declared, variable) in [
            ("execution_event", "EXECUTION_EVENT_BUS_NAME"),
            ("notification_event", "NOTIFICATION_EVENT_BUS_NAME"),
            ("orders-v2.eu", "ORDERS_V2_EU_BUS_NAME"),
            ("größe", "GR__E_BUS_NAME"),
        ] {
            assert_eq!(bus_name_variable(declared), variable);
        }
    }
}
