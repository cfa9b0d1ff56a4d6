//! A batch turned on its side: one array for each column, as `unnest` takes them.
