//! A list that mostly is empty or short.

use std::fmt;
use std::ops::Deref;

/// A list that mostly is empty or short, and does not grow. It behaves as the slice that it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Few<T>(Box<[T]>);

impl<T> Few<T> {
    /// A list of nothing.
    pub fn new() -> Few<T> {
        Few(Box::default())
    }

    /// The elements.
    pub fn as_slice(&self) -> &[T] {
        self
    }
}

impl<T> Default for Few<T> {
    fn default() -> Few<T> {
        Few::new()
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(elements: Vec<T>) -> Few<T> {
        Few(elements.into())
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Few<T> {
        Few(elements.into_iter().collect())
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> std::slice::Iter<'a, T> {
        self.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_compared_shown_and_gone_through_like_a_slice() {
        let none: Few<String> = Vec::new().into();
        assert_eq!((none.len(), &none), (0, &Few::new()));
        let few: Few<char> = "ab".chars().collect();
        assert_eq!(few.as_slice(), ['a', 'b']);
        assert_eq!(few.iter().rev().collect::<String>(), "ba");
        assert_eq!(format!("{few:?} {none:?}"), "['a', 'b'] []");
    }
}
