//! A map for tables of a few keys: a sorted list, which is a tenth of the size of a tree's smallest node.

use std::iter;
use std::slice;

/// Names → values, in the order of the names.
#[derive(Clone, Debug)]
pub struct Map<V>(Vec<(Box<str>, V)>);

impl<V> Map<V> {
    /// Makes an empty map.
    pub fn new() -> Map<V> {
        Map(Vec::new())
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }

    pub fn get(&self, name: &str) -> Option<&V> {
        self.find(name).ok().map(|at| &self.0[at].1)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.find(name).ok().map(|at| &mut self.0[at].1)
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Adds a value unless the name has one.
    pub fn insert(&mut self, name: &str, value: V) {
        if let Err(at) = self.find(name) {
            self.0.insert(at, (name.into(), value));
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<V> {
        self.find(name).ok().map(|at| self.0.remove(at).1)
    }

    /// Adds all of `other`; what has a value already goes to `clash` with it.
    pub fn merge(&mut self, other: Map<V>, mut clash: impl FnMut(&str, &mut V, V)) {
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

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> Iter<'_, V> {
        self.into_iter()
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|(name, _)| &**name)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut V)> {
        self.0.iter_mut().map(|(name, value)| (&**name, value))
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut V) -> bool) {
        self.0.retain_mut(|(name, value)| keep(name, value));
    }
}

impl<V> FromIterator<(Box<str>, V)> for Map<V> {
    /// Collects entries whose names differ.
    fn from_iter<I: IntoIterator<Item = (Box<str>, V)>>(entries: I) -> Map<V> {
        let mut entries: Vec<(Box<str>, V)> = entries.into_iter().collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        Map(entries)
    }
}

/// Borrows the entries in order.
pub type Iter<'m, V> = iter::Map<slice::Iter<'m, (Box<str>, V)>, fn(&'m (Box<str>, V)) -> (&'m str, &'m V)>;

impl<'m, V> IntoIterator for &'m Map<V> {
    type Item = (&'m str, &'m V);
    type IntoIter = Iter<'m, V>;

    fn into_iter(self) -> Iter<'m, V> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl<V> IntoIterator for Map<V> {
    type Item = (Box<str>, V);
    type IntoIter = std::vec::IntoIter<(Box<str>, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Map;

    #[test]
    fn a_merge_keeps_the_order_and_hands_over_what_clashes() {
        let map = |names: &[&str]| names.iter().map(|name| (Box::from(*name), name.len())).collect::<Map<usize>>();
        let mut one = map(&["d", "b", "ccc"]);
        let mut clashes = Vec::new();
        one.merge(map(&["a", "b", "e"]), |name, first, again| clashes.push((name.to_owned(), *first, again)));
        assert_eq!(one.keys().collect::<Vec<_>>(), ["a", "b", "ccc", "d", "e"]);
        assert_eq!(clashes, [("b".to_owned(), 1, 1)]);
        assert_eq!((one.remove("a"), one.get("ccc"), one.get("x"), one.len()), (Some(1), Some(&3), None, 4));
    }
}
