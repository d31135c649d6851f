//! A map for tables of a few keys: a sorted list, which is a tenth of the size of a tree's smallest node.

use std::borrow::Cow;
use std::iter;
use std::slice;

/// Names → values, in the order of the names. Names are borrowed from the source where it has them as they are.
#[derive(Clone, Debug)]
pub struct Map<'t, V>(Vec<(Cow<'t, str>, V)>);

impl<'t, V> Map<'t, V> {
    /// Makes an empty map.
    pub fn new() -> Map<'t, V> {
        Map(Vec::new())
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }

    /// Returns the value of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.find(name).ok().map(|at| &self.0[at].1)
    }

    /// Returns the value of a name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.find(name).ok().map(|at| &mut self.0[at].1)
    }

    /// Returns whether a name has a value.
    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Adds a value unless the name has one.
    pub fn insert(&mut self, name: impl Into<Cow<'t, str>>, value: V) {
        let name = name.into();
        if let Err(at) = self.find(&name) {
            self.0.insert(at, (name, value));
        }
    }

    /// Takes out the value of a name.
    pub fn remove(&mut self, name: &str) -> Option<V> {
        self.find(name).ok().map(|at| self.0.remove(at).1)
    }

    /// Adds all of `other`; what has a value already goes to `clash` with it.
    pub fn merge(&mut self, other: Map<'t, V>, mut clash: impl FnMut(&str, &mut V, V)) {
        if self.0.is_empty() {
            self.0 = other.0;
            return;
        }
        let mut fresh = Vec::new();
        for (name, value) in other.0 {
            match self.find(&name) {
                Ok(at) => clash(&name, &mut self.0[at].1, value),
                Err(_) => fresh.push((name, value)),
            }
        }
        if !fresh.is_empty() {
            self.0.append(&mut fresh);
            // Two sorted runs, which this sort merges in one pass.
            self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
    }

    /// Returns the number of names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns names and values in order.
    pub fn iter(&self) -> Iter<'_, 't, V> {
        self.into_iter()
    }

    /// Returns the names in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// Returns the values in the order of their names.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Returns names and values in order, the values to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut V)> {
        self.0.iter_mut().map(|(name, value)| (&**name, value))
    }

    /// Returns the values in the order of their names, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Keeps what `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut V) -> bool) {
        self.0.retain_mut(|(name, value)| keep(name, value));
    }
}

impl<'t, V> FromIterator<(Cow<'t, str>, V)> for Map<'t, V> {
    /// Collects entries whose names differ.
    fn from_iter<I: IntoIterator<Item = (Cow<'t, str>, V)>>(entries: I) -> Map<'t, V> {
        let mut entries: Vec<(Cow<'t, str>, V)> = entries.into_iter().collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Map(entries)
    }
}

/// Borrows the entries in order.
pub type Iter<'m, 't, V> = iter::Map<slice::Iter<'m, (Cow<'t, str>, V)>, fn(&'m (Cow<'t, str>, V)) -> (&'m str, &'m V)>;

impl<'m, 't, V> IntoIterator for &'m Map<'t, V> {
    type Item = (&'m str, &'m V);
    type IntoIter = Iter<'m, 't, V>;

    fn into_iter(self) -> Iter<'m, 't, V> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl<'t, V> IntoIterator for Map<'t, V> {
    type Item = (Cow<'t, str>, V);
    type IntoIter = std::vec::IntoIter<(Cow<'t, str>, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Map;

    #[test]
    fn a_merge_keeps_the_order_and_hands_over_what_clashes() {
        let map =
            |names: &[&'static str]| names.iter().map(|name| ((*name).into(), name.len())).collect::<Map<'_, usize>>();
        let mut one = map(&["d", "b", "ccc"]);
        let mut clashes = Vec::new();
        one.merge(map(&["a", "b", "e"]), |name, first, again| clashes.push((name.to_owned(), *first, again)));
        assert_eq!(one.keys().collect::<Vec<_>>(), ["a", "b", "ccc", "d", "e"]);
        assert_eq!(clashes, [("b".to_owned(), 1, 1)]);
        assert_eq!((one.remove("a"), one.get("ccc"), one.get("x"), one.len()), (Some(1), Some(&3), None, 4));
    }
}
