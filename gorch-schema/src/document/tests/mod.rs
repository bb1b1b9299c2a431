//! What a document may say, and what is said of it.
