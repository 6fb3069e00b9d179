//! The types of a bus's events: what they are called on the wire and where it says so, those that this program does
//! not know, and how to choose some of them. How a name is found in bytes is the codec's business.

use std::fmt;

use bytes::Bytes;

/// Where a message tells the type of its event, so that a codec can find it without decoding the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TypeTag {
    /// Nowhere, or it is not known where.
    #[default]
    Absent,
    /// In a field of this name, as serde's `tag` has it.
    Field(&'static str),
    /// In the one key of an object around the event, or it is the event: serde's form for enums without `tag`.
    Variant,
}

/// An event of a type that this program does not know, most likely from a newer release of its publisher. A variant
/// of an event marked `#[bus(other)]` holds one.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownEvent {
    event_type: String,
    raw: Bytes,
}

impl UnknownEvent {
    /// An event of the type `event_type` in the message `raw`.
    #[must_use]
    pub fn new(event_type: impl Into<String>, raw: impl Into<Bytes>) -> Self {
        Self { event_type: event_type.into(), raw: raw.into() }
    }

    /// What its type is called on the wire.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The message as received: the envelope with the event in it.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}

/// The name of an unknown type for logs and errors. It is a stranger's text, and may be the whole payload: what is no
/// short name is not shown.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 64;
        let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
        if self.0.len() <= LONGEST && !self.0.is_empty() && self.0.chars().all(is_of_a_name) {
            return write!(f, "`{}`", self.0);
        }
        write!(f, "of {} bytes that are no name", self.0.len())
    }
}

impl fmt::Debug for UnknownEvent {
    /// The size in place of the message, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnknownEvent")
            .field("event_type", &format_args!("{}", Shown(&self.event_type)))
            .field("raw_bytes", &self.raw.len())
            .finish()
    }
}

/// One type of the events `E`, and how to get at what it carries: `P` is the payload of a newtype variant (without its
/// `Box`), else the event itself.
///
/// `#[derive(EventBus)]` makes a constant of each variant: `ExecutionEvent::NODE_EXECUTION_UPDATE`. An
/// [`Event`](crate::Event) that is written by hand can have its own:
///
/// ```
/// # use event_bus_core::EventType;
/// enum Change {
///     Renamed(String),
///     Removed,
/// }
///
/// impl Change {
///     const RENAMED: EventType<Self, str> = EventType::new("renamed", |change| match change {
///         Self::Renamed(name) => Some(name),
///         Self::Removed => None,
///     });
/// }
/// # assert_eq!(Change::RENAMED.name(), Some("renamed"));
/// # drop([Change::Renamed(String::new()), Change::Removed]);
/// ```
pub struct EventType<E, P: ?Sized = E> {
    name: TypeName,
    view: View<E, P>,
}

/// The part of an event that a listener looks at; `None` if it is of another type.
pub(crate) type View<E, P> = fn(&E) -> Option<&P>;

/// The view that sees everything.
#[expect(clippy::unnecessary_wraps, reason = "it is a view like the others")]
pub(crate) fn whole<E>(event: &E) -> Option<&E> {
    Some(event)
}

/// What one type of events is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypeName {
    Known(&'static str),
    /// Any name that the event type does not have.
    Unknown,
}

impl<E, P: ?Sized> EventType<E, P> {
    /// The type called `name`, one of [`Event::EVENT_TYPES`](crate::Event::EVENT_TYPES). `view` is what is seen of its
    /// events, the same for an event each time, and `None` for events of other types.
    #[must_use]
    pub const fn new(name: &'static str, view: fn(&E) -> Option<&P>) -> Self {
        Self { name: TypeName::Known(name), view }
    }

    /// The type of all events that are of none of the [known types](crate::Event::EVENT_TYPES), for what
    /// [`Event::from_unknown`](crate::Event::from_unknown) makes.
    #[must_use]
    pub const fn unknown(view: fn(&E) -> Option<&P>) -> Self {
        Self { name: TypeName::Unknown, view }
    }

    /// What it is called on the wire; `None` for the type of all that is unknown.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        match self.name {
            TypeName::Known(name) => Some(name),
            TypeName::Unknown => None,
        }
    }

    pub(crate) const fn type_name(&self) -> TypeName {
        self.name
    }

    pub(crate) const fn view(&self) -> View<E, P> {
        self.view
    }
}

impl<E, P: ?Sized> Clone for EventType<E, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, P: ?Sized> Copy for EventType<E, P> {}

impl<E, P: ?Sized> fmt::Debug for EventType<E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventType").field(&self.name).finish()
    }
}

/// One or several types of the events `E`: an [`EventType`], or a tuple of up to eight.
///
/// One of a newtype variant gives its payload, all others give the event.
pub trait EventTypes<E>: sealed::Sealed {
    /// What a listener gets to see.
    type Payload: ?Sized;

    /// Which types these are, and what of them is seen.
    #[doc(hidden)]
    fn chosen(self) -> Chosen<E, Self::Payload>;
}

/// The types that a listener wants, and what it looks at.
#[doc(hidden)]
pub struct Chosen<E, P: ?Sized> {
    pub(crate) names: Vec<TypeName>,
    pub(crate) view: View<E, P>,
}

impl<E, P: ?Sized> fmt::Debug for Chosen<E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chosen").field("names", &self.names).finish_non_exhaustive()
    }
}

impl<E, P: ?Sized> EventTypes<E> for EventType<E, P> {
    type Payload = P;

    fn chosen(self) -> Chosen<E, P> {
        Chosen { names: vec![self.name], view: self.view }
    }
}

mod sealed {
    pub trait Sealed {}

    impl<E, P: ?Sized> Sealed for super::EventType<E, P> {}
}

macro_rules! event_types_of_tuples {
    ($($payload:ident)*) => {
        impl<E, $($payload: ?Sized),*> sealed::Sealed for ($(EventType<E, $payload>,)*) {}

        impl<E, $($payload: ?Sized),*> EventTypes<E> for ($(EventType<E, $payload>,)*) {
            type Payload = E;

            #[allow(non_snake_case)]
            fn chosen(self) -> Chosen<E, E> {
                let ($($payload,)*) = self;
                Chosen { names: vec![$($payload.name),*], view: whole }
            }
        }
    };
}

event_types_of_tuples!(A);
event_types_of_tuples!(A B);
event_types_of_tuples!(A B C);
event_types_of_tuples!(A B C D);
event_types_of_tuples!(A B C D F);
event_types_of_tuples!(A B C D F G);
event_types_of_tuples!(A B C D F G H);
event_types_of_tuples!(A B C D F G H I);

/// Which types of events a listener wants.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    names: Vec<TypeName>,
}

impl Wanted {
    pub(crate) fn new(names: Vec<TypeName>) -> Self {
        Self { names }
    }

    /// Whether events of the type `event_type` are wanted, where those in `known` are known.
    pub(crate) fn takes(&self, event_type: &str, known: &[&str]) -> bool {
        self.names.iter().any(|name| match name {
            TypeName::Known(name) => *name == event_type,
            TypeName::Unknown => !known.contains(&event_type),
        })
    }
}
