use std::sync::{Mutex, PoisonError};

pub(crate) use std::sync::MutexGuard as Guard;

/// Locks `mutex` even if a thread panicked while it held it.
///
/// Only code of the shell can panic there (a sink, `on_active`), and no state here is half changed
/// while that code runs.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Guard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], where nobody else can hold it.
pub(crate) fn get_mut<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}
