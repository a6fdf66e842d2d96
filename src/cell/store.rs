//! The variables of a notebook, between its cells.
//!
//! evcxr puts the source of such a store into every cell. Cells of the kernel use this one, which is compiled already:
//! names and messages are evcxr's, since its code around the cell calls and reads them.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// A line of standard output that tells evcxr that a variable is gone.
pub const VARIABLE_CHANGED_TYPE: &str = "EVCXR_VARIABLE_CHANGED_TYPE:";
/// A line of standard output that tells evcxr that the cell has ended by `?`.
pub const USER_ERROR_OCCURRED: &str = "EVCXR_ERROR_OCCURRED";

/// Variables by name. One field, as evcxr's own: a pointer to it goes from cell to cell.
#[derive(Default)]
pub struct VariableStore {
    variables: HashMap<String, Box<dyn Any>>,
}

/// A store for the first cell. It lives as long as the process.
#[must_use]
pub fn create_variable_store() -> *mut VariableStore {
    Box::into_raw(Box::default())
}

// What depends on the type of a variable is compiled in every cell, so it is next to nothing.
impl VariableStore {
    /// An empty store.
    #[must_use]
    #[allow(clippy::new_without_default)] // `Default` is there
    pub fn new() -> Self {
        VariableStore::default()
    }

    /// Keeps a variable for the next cell.
    pub fn put_variable<T: 'static>(&mut self, name: &str, value: T) {
        self.put(name, Box::new(value));
    }

    /// Whether a variable is of the type that evcxr believes it to have, or not there.
    pub fn check_variable<T: 'static>(&mut self, name: &str) -> bool {
        self.check(name, TypeId::of::<T>())
    }

    /// Hands a variable to the cell.
    ///
    /// # Panics
    /// If there is none of this name and type: `check_variable` comes first.
    #[must_use]
    pub fn take_variable<T: 'static>(&mut self, name: &str) -> T {
        let value = self.take(name, TypeId::of::<T>());
        *value.downcast().expect("its type has just been compared")
    }

    /// A value that cells share, made by the first that asks.
    ///
    /// # Panics
    /// If it is there with another type.
    pub fn lazy_arc<T: 'static, F: FnOnce() -> T>(&mut self, name: &str, create: F) -> Arc<T> {
        let value = self.variables.entry(name.to_owned()).or_insert_with(|| Box::new(Arc::new(create())));
        value.downcast_ref::<Arc<T>>().map_or_else(|| panic!("lazy_arc {name} changed type"), Arc::clone)
    }

    /// Takes over what another store holds.
    pub fn merge(&mut self, other: VariableStore) {
        self.variables.extend(other.variables);
    }

    fn put(&mut self, name: &str, value: Box<dyn Any>) {
        self.variables.insert(name.to_owned(), value);
    }

    fn check(&mut self, name: &str, id: TypeId) -> bool {
        let fits = self.variables.get(name).is_none_or(|value| (**value).type_id() == id);
        if !fits {
            eprintln!("The type of the variable {name} was redefined, so was lost.");
            println!("{VARIABLE_CHANGED_TYPE}{name}");
        }
        fits
    }

    fn take(&mut self, name: &str, id: TypeId) -> Box<dyn Any> {
        let value = self.variables.remove(name).unwrap_or_else(|| panic!("Variable '{name}' has gone missing"));
        assert!((*value).type_id() == id, "Variable changed type");
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_back_with_their_types() {
        let mut store = VariableStore::new();
        store.put_variable("text", "a".to_owned());
        store.put_variable("number", 3u32);
        assert!(store.check_variable::<String>("text") && store.check_variable::<i64>("not there"));
        assert!(!store.check_variable::<i64>("number"), "u32 is not i64");
        assert_eq!((store.take_variable::<String>("text"), store.take_variable::<u32>("number")), ("a".to_owned(), 3));
        let again = std::panic::AssertUnwindSafe(|| store.take_variable::<u32>("number"));
        assert!(std::panic::catch_unwind(again).is_err(), "it was taken");
    }

    #[test]
    fn stores_are_merged_and_shared_values_made_once() {
        let (mut store, mut other) = (VariableStore::new(), VariableStore::new());
        store.put_variable("a", 1);
        other.put_variable("a", 2);
        store.merge(other);
        assert_eq!(store.take_variable::<i32>("a"), 2);
        let first = store.lazy_arc("shared", || 5);
        assert_eq!((*first, *store.lazy_arc("shared", || 6)), (5, 5));
    }
}
