//! What is wrong with a bus name, a key, a pattern or a template value, and the checks that find it.
//! Text rules only: the types that keep to them stand in `channel.rs`.

use std::fmt;

/// The longest key or pattern, in bytes.
pub(crate) const MAX_KEY_BYTES: usize = 1024;

/// What is wrong with a bus name, a key, a pattern, or a value put into a channel template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    subject: Subject,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    BusName,
    Key,
    Pattern,
    Parameter(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    Empty,
    TooLong { bytes: usize, max: usize },
    Unwritten,
    Character { found: char, offset: usize },
    OpenClass { offset: usize },
    OpenEscape,
    ClassNotAscii { found: char, offset: usize },
}

impl std::error::Error for KeyError {}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, fault } = self;
        match fault {
            Fault::Empty => write!(f, "{subject} is empty"),
            Fault::TooLong { bytes, max } => {
                write!(f, "{subject} has {bytes} bytes, at most {max} are allowed")
            }
            Fault::Unwritten => write!(f, "{subject} can't be written: its Display failed"),
            Fault::Character { found: '*', offset } if *subject == Subject::Key => {
                write!(
                    f,
                    "{subject} holds '*' at byte {offset}: a key names one channel, use a KeyPattern to listen to several"
                )
            }
            Fault::Character { found, offset } => {
                write!(f, "{subject} holds {found:?} at byte {offset}, which is not allowed there")
            }
            Fault::OpenClass { offset } => {
                write!(
                    f,
                    "{subject} opens a class with '[' at byte {offset} and never closes it: close it with ']', or write '\\[' for the character itself"
                )
            }
            Fault::OpenEscape => {
                write!(f, "{subject} ends in a single '\\': write '\\\\' for the character itself")
            }
            Fault::ClassNotAscii { found, offset } => {
                write!(
                    f,
                    "{subject} has {found:?} in a class at byte {offset}: redis matches bytes, so a class may only hold ascii"
                )
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BusName => f.write_str("the bus name"),
            Self::Key => f.write_str("the channel key"),
            Self::Pattern => f.write_str("the key pattern"),
            Self::Parameter(name) => write!(f, "the channel parameter `{name}`"),
        }
    }
}

/// What a template value never holds, so that it ends there for sure.
pub(crate) fn ends_value(c: char) -> bool {
    matches!(c, '/' | '*' | '{' | '}') || c.is_control()
}

/// Refuses a template value that could not be written whole.
pub(crate) fn check_written(name: &'static str, bytes: usize, is_whole: bool) -> Result<(), KeyError> {
    let subject = Subject::Parameter(name);
    if !is_whole {
        return Err(KeyError { subject, fault: Fault::Unwritten });
    }
    check_length(subject, bytes, MAX_KEY_BYTES)
}

pub(crate) fn check_length(subject: Subject, bytes: usize, max: usize) -> Result<(), KeyError> {
    if bytes > max {
        return Err(KeyError { subject, fault: Fault::TooLong { bytes, max } });
    }
    Ok(())
}

/// Refuses a template value that would change the meaning of the channel around it.
pub(crate) fn check_parameter(name: &'static str, value: &str) -> Result<(), KeyError> {
    let subject = Subject::Parameter(name);
    check_text(subject, value, MAX_KEY_BYTES)?;
    forbid(subject, value, ends_value)
}

pub(crate) fn check_text(subject: Subject, text: &str, max: usize) -> Result<(), KeyError> {
    check_length(subject, text.len(), max)?;
    let fault = if text.is_empty() {
        Fault::Empty
    } else if let Some((offset, found)) = text.char_indices().find(|(_, c)| c.is_control()) {
        Fault::Character { found, offset }
    } else {
        return Ok(());
    };
    Err(KeyError { subject, fault })
}

pub(crate) fn forbid(
    subject: Subject,
    text: &str,
    is_forbidden: impl Fn(char) -> bool,
) -> Result<(), KeyError> {
    match text.char_indices().find(|(_, c)| is_forbidden(*c)) {
        Some((offset, found)) => Err(KeyError { subject, fault: Fault::Character { found, offset } }),
        None => Ok(()),
    }
}

pub(crate) fn check_glob(pattern: &str) -> Result<(), KeyError> {
    let fail = |fault| Err(KeyError { subject: Subject::Pattern, fault });
    let mut class_at = None;
    let mut chars = pattern.char_indices();
    while let Some((offset, found)) = chars.next() {
        match (found, class_at) {
            ('\\', _) => match chars.next() {
                None => return fail(Fault::OpenEscape),
                Some((offset, found)) if class_at.is_some() && !found.is_ascii() => {
                    return fail(Fault::ClassNotAscii { found, offset });
                }
                Some(_) => {}
            },
            ('[', None) => class_at = Some(offset),
            (']', Some(_)) => class_at = None,
            (found, Some(_)) if !found.is_ascii() => return fail(Fault::ClassNotAscii { found, offset }),
            _ => {}
        }
    }
    match class_at {
        Some(offset) => fail(Fault::OpenClass { offset }),
        None => Ok(()),
    }
}
