//! A draft, the time and this run's id, made into a checked event.
