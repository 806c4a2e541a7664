//! A list that mostly is empty.

use std::fmt;
use std::ops::Deref;

/// A list that mostly is empty, and then takes no more room than a pointer. It behaves as the slice that it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Few<T>(
    // Invariant: not empty if it is there.
    Option<Box<Vec<T>>>,
);

impl<T> Few<T> {
    /// A list of nothing.
    pub const fn new() -> Few<T> {
        Few(None)
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
    #[inline]
    fn from(elements: Vec<T>) -> Few<T> {
        if elements.is_empty() {
            Few(None)
        } else {
            Few(Some(Box::new(elements)))
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Few<T> {
        Few::from(Vec::from_iter(elements))
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Some(elements) => elements,
            None => &[],
        }
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
    fn a_list_of_nothing_takes_the_room_of_a_pointer() {
        assert_eq!(size_of::<Few<String>>(), size_of::<usize>());
        let none: Few<String> = Vec::new().into();
        assert_eq!((none.len(), &none), (0, &Few::new()));
        let few: Few<char> = "ab".chars().collect();
        assert_eq!(
            (few.as_slice(), few.iter().rev().collect::<String>()),
            (['a', 'b'].as_slice(), "ba".to_owned())
        );
        assert_eq!(format!("{few:?} {none:?}"), "['a', 'b'] []");
    }
}
