//! Something for each topic.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::topic::{Endpoint, Scope, Topic};

/// Few scopes, so a list; names within them are looked up as text, without building a [`Topic`].
#[derive(Debug)]
pub(super) struct Scopes<T>(Vec<(Scope, Names<T>)>);

/// Looked up for each message and several times for each subscription.
type Names<T> = HashMap<Arc<str>, T, RandomState>;

impl<T> Scopes<T> {
    pub(super) fn get(&self, scope: Scope, name: &str) -> Option<&T> {
        self.names(scope)?.get(name)
    }

    /// The name as it is kept here, and what stands under it.
    pub(super) fn get_key_value(&self, scope: Scope, name: &str) -> Option<(&Arc<str>, &T)> {
        self.names(scope)?.get_key_value(name)
    }

    pub(super) fn get_mut(&mut self, scope: Scope, name: &str) -> Option<&mut T> {
        let (_, names) = self.0.iter_mut().find(|(known, _)| *known == scope)?;
        names.get_mut(name)
    }

    pub(super) fn get_or_default(&mut self, topic: &Topic) -> &mut T
    where
        T: Default,
    {
        self.get_or_insert_with(topic, T::default)
    }

    pub(super) fn get_or_insert_with(&mut self, topic: &Topic, make: impl FnOnce() -> T) -> &mut T {
        self.entry(topic).or_insert_with(make)
    }

    /// What there is for `topic`, and whether it was made just now.
    pub(super) fn enter(&mut self, topic: &Topic) -> (&mut T, bool)
    where
        T: Default,
    {
        match self.entry(topic) {
            Entry::Occupied(known) => (known.into_mut(), false),
            Entry::Vacant(place) => (place.insert(T::default()), true),
        }
    }

    fn entry(&mut self, topic: &Topic) -> Entry<'_, Arc<str>, T> {
        let at = self.0.iter().position(|(known, _)| *known == topic.scope).unwrap_or_else(|| {
            self.0.push((topic.scope, Names::default()));
            self.0.len() - 1
        });
        self.0[at].1.entry(Arc::clone(&topic.name))
    }

    pub(super) fn remove(&mut self, scope: Scope, name: &str) -> Option<T> {
        let (_, names) = self.0.iter_mut().find(|(known, _)| *known == scope)?;
        names.remove(name)
    }

    pub(super) fn of(&self, scope: Scope) -> impl Iterator<Item = (&Arc<str>, &T)> {
        self.names(scope).into_iter().flatten()
    }

    pub(super) fn is_empty(&self, scope: Scope) -> bool {
        self.names(scope).is_none_or(HashMap::is_empty)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|(_, names)| names.values())
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = Topic> {
        let names = |(scope, names): &(Scope, Names<T>)| {
            let scope = *scope;
            names.keys().map(move |name| Topic { scope, name: Arc::clone(name) }).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(names)
    }

    /// All of one endpoint, in whatever scope.
    pub(super) fn at(&self, endpoint: Endpoint) -> impl Iterator<Item = (Scope, &Arc<str>, &T)> {
        let scopes = self.0.iter().filter(move |(scope, _)| scope.endpoint == endpoint);
        scopes.flat_map(|(scope, names)| names.iter().map(|(name, value)| (*scope, name, value)))
    }

    /// The same, to be changed.
    pub(super) fn at_mut(&mut self, endpoint: Endpoint) -> impl Iterator<Item = (Scope, &Arc<str>, &mut T)> {
        let scopes = self.0.iter_mut().filter(move |(scope, _)| scope.endpoint == endpoint);
        scopes.flat_map(|(scope, names)| names.iter_mut().map(|(name, value)| (*scope, name, value)))
    }

    fn names(&self, scope: Scope) -> Option<&Names<T>> {
        self.0.iter().find(|(known, _)| *known == scope).map(|(_, names)| names)
    }
}

impl<T> Default for Scopes<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
