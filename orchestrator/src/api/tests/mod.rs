//! Tests of the API over its own filter.
